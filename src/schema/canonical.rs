//! The twenty canonical types and their total maps to and from Arrow.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::error::{Error, ErrorKind, Result};

/// Field metadata key under which a field carries its [`CanonicalType`], since several canonical
/// types share an Arrow type.
pub const CANONICAL_KEY: &str = "goe.canonical";

/// Field metadata key under which a field carries the source's own type, for people to read.
pub const NATIVE_KEY: &str = "goe.native";

/// A type that every system maps to and from. Between systems there is no other.
///
/// Value sets: integers are two's complement of 1, 2, 4 and 8 bytes; `Integer38` is any integer of
/// up to 38 digits; a decimal of precision p and scale s is an integer of up to p digits times
/// 10^-s; days and date-times are proleptic Gregorian, `Timestamp` has no zone, `TimestampTz` is an
/// instant; `scale` of a time is its number of fraction digits, 0 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CanonicalType {
    /// Text of a declared length in characters, blanks kept as the source shows them.
    FixedString {
        /// In characters; `None` is no bound.
        length: Option<u32>,
    },
    /// Text bounded by a length in characters.
    VariableString {
        /// In characters; `None` is no bound.
        length: Option<u32>,
    },
    /// Text without a bound.
    LargeString,
    /// Bytes bounded by a length.
    Binary {
        /// In bytes; `None` is no bound.
        length: Option<u32>,
    },
    /// Bytes without a bound.
    LargeBinary,
    /// -128 to 127.
    Integer1,
    /// -2^15 to 2^15-1.
    Integer2,
    /// -2^31 to 2^31-1.
    Integer4,
    /// -2^63 to 2^63-1.
    Integer8,
    /// Any integer of up to 38 digits.
    Integer38,
    /// An exact decimal; precision 1 to 76, scale 0 to precision.
    Decimal {
        /// Digits, 1 to 76.
        precision: u8,
        /// Digits after the point, 0 to the precision.
        scale: u8,
    },
    /// IEEE 754 binary32.
    Float,
    /// IEEE 754 binary64.
    Double,
    /// A calendar day.
    Date,
    /// A time of day below 24:00:00.
    Time {
        /// Fraction digits, 0 to 9.
        scale: u8,
    },
    /// A local date and time without a zone.
    Timestamp {
        /// Fraction digits, 0 to 9.
        scale: u8,
    },
    /// An instant, kept in UTC.
    TimestampTz {
        /// Fraction digits, 0 to 9.
        scale: u8,
    },
    /// Days and time.
    IntervalDs,
    /// Months.
    IntervalYm,
    /// True or false.
    Boolean,
}

impl CanonicalType {
    /// One of each, with typical parameters: what tables of type maps are made of.
    pub const ALL: [Self; 20] = [
        Self::FixedString { length: Some(10) },
        Self::VariableString { length: Some(100) },
        Self::LargeString,
        Self::Binary { length: Some(16) },
        Self::LargeBinary,
        Self::Integer1,
        Self::Integer2,
        Self::Integer4,
        Self::Integer8,
        Self::Integer38,
        Self::Decimal {
            precision: 15,
            scale: 2,
        },
        Self::Float,
        Self::Double,
        Self::Date,
        Self::Time { scale: 6 },
        Self::Timestamp { scale: 6 },
        Self::TimestampTz { scale: 6 },
        Self::IntervalDs,
        Self::IntervalYm,
        Self::Boolean,
    ];

    /// The type of an exact number of `precision` digits, `scale` of them fractional. A negative
    /// scale widens the precision, a scale beyond the precision widens it too, and scale 0 becomes
    /// the smallest integer that holds every value of that many digits.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for more than 76 digits, with the reason.
    pub fn exact_number(precision: u32, scale: i32) -> Result<Self> {
        let (precision, scale) = if scale < 0 {
            (precision.saturating_add(scale.unsigned_abs()), 0)
        } else {
            (precision.max(scale.unsigned_abs()), scale.unsigned_abs())
        };
        match (precision, scale) {
            (0, _) => Err(Error::unsupported("A decimal needs at least one digit")),
            (1..=2, 0) => Ok(Self::Integer1),
            (3..=4, 0) => Ok(Self::Integer2),
            (5..=9, 0) => Ok(Self::Integer4),
            (10..=18, 0) => Ok(Self::Integer8),
            (19..=38, 0) => Ok(Self::Integer38),
            (1..=76, _) => Ok(Self::Decimal {
                precision: precision as u8,
                scale: scale as u8,
            }),
            _ => Err(Error::unsupported(format!(
                "A decimal of {precision} digits is beyond the 76 that goe can hold exactly"
            ))
            .hint("cast the column to text, or to a decimal of at most 76 digits")),
        }
    }

    /// The Arrow type that holds every value of this type.
    #[must_use]
    pub fn to_arrow(self) -> DataType {
        match self {
            Self::FixedString { .. } | Self::VariableString { .. } => DataType::Utf8,
            Self::LargeString => DataType::LargeUtf8,
            Self::Binary { .. } => DataType::Binary,
            Self::LargeBinary => DataType::LargeBinary,
            Self::Integer1 => DataType::Int8,
            Self::Integer2 => DataType::Int16,
            Self::Integer4 => DataType::Int32,
            Self::Integer8 => DataType::Int64,
            Self::Integer38 => DataType::Decimal128(38, 0),
            Self::Decimal { precision, scale } if precision <= 38 => {
                DataType::Decimal128(precision, scale as i8)
            }
            Self::Decimal { precision, scale } => DataType::Decimal256(precision, scale as i8),
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Time { scale } => DataType::Time64(unit(scale)),
            Self::Timestamp { scale } => DataType::Timestamp(unit(scale), None),
            Self::TimestampTz { scale } => DataType::Timestamp(unit(scale), Some("UTC".into())),
            Self::IntervalDs => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::IntervalYm => DataType::Interval(IntervalUnit::YearMonth),
            Self::Boolean => DataType::Boolean,
        }
    }

    /// The canonical type of an Arrow type, for columns that an expression made.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for nested types and others that have no canonical type.
    pub fn from_arrow(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Utf8 | DataType::Utf8View => Self::VariableString { length: None },
            DataType::LargeUtf8 => Self::LargeString,
            DataType::Binary | DataType::BinaryView => Self::Binary { length: None },
            DataType::FixedSizeBinary(length) => Self::Binary {
                length: u32::try_from(*length).ok(),
            },
            DataType::LargeBinary => Self::LargeBinary,
            DataType::Int8 => Self::Integer1,
            DataType::Int16 | DataType::UInt8 => Self::Integer2,
            DataType::Int32 | DataType::UInt16 => Self::Integer4,
            DataType::Int64 | DataType::UInt32 => Self::Integer8,
            DataType::UInt64 => Self::Integer38,
            DataType::Decimal128(38, 0) => Self::Integer38,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale)
                if *scale >= 0 && *scale as u8 <= *precision =>
            {
                Self::Decimal {
                    precision: *precision,
                    scale: *scale as u8,
                }
            }
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Date32 => Self::Date,
            DataType::Time32(TimeUnit::Second) => Self::Time { scale: 0 },
            DataType::Time32(_) => Self::Time { scale: 3 },
            DataType::Time64(unit) => Self::Time {
                scale: digits(*unit),
            },
            DataType::Date64 => Self::Timestamp { scale: 3 },
            DataType::Timestamp(unit, None) => Self::Timestamp {
                scale: digits(*unit),
            },
            DataType::Timestamp(unit, Some(_)) => Self::TimestampTz {
                scale: digits(*unit),
            },
            DataType::Interval(IntervalUnit::YearMonth) => Self::IntervalYm,
            DataType::Interval(_) | DataType::Duration(_) => Self::IntervalDs,
            DataType::Boolean => Self::Boolean,
            DataType::Dictionary(_, value) => Self::from_arrow(value)?,
            other => {
                return Err(
                    Error::unsupported(format!("The type {other} has no canonical type"))
                        .hint("cast it to text or to another plain type"),
                );
            }
        })
    }

    /// The canonical type of a field: the one that it carries, as long as its Arrow type still
    /// fits (a CAST may have changed it), or else the one of its Arrow type.
    ///
    /// # Errors
    /// As [`CanonicalType::from_arrow`].
    pub fn from_field(field: &Field) -> Result<Self> {
        field
            .metadata()
            .get(CANONICAL_KEY)
            .and_then(|text| text.parse::<Self>().ok())
            .filter(|canonical| canonical.to_arrow() == *field.data_type())
            .map_or_else(|| Self::from_arrow(field.data_type()), Ok)
    }

    /// A field of this type that carries it and the source's own type in its metadata.
    #[must_use]
    pub fn to_field(self, name: &str, native: &str, nullable: bool) -> Field {
        Field::new(name, self.to_arrow(), nullable).with_metadata(HashMap::from([
            (CANONICAL_KEY.to_owned(), self.to_string()),
            (NATIVE_KEY.to_owned(), native.to_owned()),
        ]))
    }

    /// Whether every value of `narrower` is a value of this type, so that a column may change
    /// from it to this one without a look at the rows.
    #[must_use]
    pub fn holds(self, narrower: Self) -> bool {
        use CanonicalType as T;
        match (self, narrower) {
            (T::LargeString, n) => n.is_text(),
            (T::FixedString { length } | T::VariableString { length }, n) => match n {
                T::FixedString { length: n } | T::VariableString { length: n } => fits(length, n),
                T::LargeString => length.is_none(),
                _ => false,
            },
            (T::LargeBinary, T::Binary { .. } | T::LargeBinary) => true,
            (T::Binary { length }, T::Binary { length: n }) => fits(length, n),
            (T::Binary { length: None }, T::LargeBinary) => true,
            (T::Time { scale }, T::Time { scale: n })
            | (T::Timestamp { scale }, T::Timestamp { scale: n })
            | (T::TimestampTz { scale }, T::TimestampTz { scale: n }) => {
                // Nanoseconds in 64 bits end in 2262: more digits, fewer years.
                unit(scale) == unit(n) && scale >= n
            }
            (T::Double, T::Float | T::Integer1 | T::Integer2 | T::Integer4) => true,
            (T::Float, T::Integer1 | T::Integer2) => true,
            (wide, narrow) => match (wide.digits(), narrow.digits()) {
                (Some((w, ws)), Some((n, ns))) => {
                    wide == narrow || (ws >= ns && w - ws >= n - ns && wide.reaches(narrow))
                }
                _ => wide == narrow,
            },
        }
    }

    /// Whether this is one of the three text types.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::FixedString { .. } | Self::VariableString { .. } | Self::LargeString
        )
    }

    /// Whether values are exact numbers: integers and decimals.
    #[must_use]
    pub fn is_exact_number(self) -> bool {
        self.digits().is_some()
    }

    /// Digits needed to write any value, and how many of them are fractional.
    fn digits(self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Integer1 => (3, 0),
            Self::Integer2 => (5, 0),
            Self::Integer4 => (10, 0),
            Self::Integer8 => (19, 0),
            Self::Integer38 => (38, 0),
            Self::Decimal { precision, scale } => (precision, scale),
            _ => return None,
        })
    }

    /// A machine integer of as many digits still ends before 10^digits: it holds only its own
    /// kind and smaller ones, and decimals of clearly fewer digits.
    fn reaches(self, narrow: Self) -> bool {
        let machine = matches!(
            self,
            Self::Integer1 | Self::Integer2 | Self::Integer4 | Self::Integer8
        );
        match narrow {
            Self::Decimal { precision, .. } if machine => {
                self.digits().is_some_and(|(digits, _)| precision < digits)
            }
            _ => true,
        }
    }
}

/// Whether a bound of `narrow` characters stays within `wide`; `None` is no bound.
fn fits(wide: Option<u32>, narrow: Option<u32>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow <= wide,
    }
}

fn unit(scale: u8) -> TimeUnit {
    if scale <= 6 {
        TimeUnit::Microsecond
    } else {
        TimeUnit::Nanosecond
    }
}

fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

impl fmt::Display for CanonicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, length) = match self {
            Self::FixedString { length } => ("FIXED_STRING", *length),
            Self::VariableString { length } => ("VARIABLE_STRING", *length),
            Self::Binary { length } => ("BINARY", *length),
            Self::LargeString => ("LARGE_STRING", None),
            Self::LargeBinary => ("LARGE_BINARY", None),
            Self::Integer1 => ("INTEGER_1", None),
            Self::Integer2 => ("INTEGER_2", None),
            Self::Integer4 => ("INTEGER_4", None),
            Self::Integer8 => ("INTEGER_8", None),
            Self::Integer38 => ("INTEGER_38", None),
            Self::Decimal { precision, scale } => return write!(f, "DECIMAL({precision},{scale})"),
            Self::Float => ("FLOAT", None),
            Self::Double => ("DOUBLE", None),
            Self::Date => ("DATE", None),
            Self::Time { scale } => ("TIME", Some(u32::from(*scale))),
            Self::Timestamp { scale } => ("TIMESTAMP", Some(u32::from(*scale))),
            Self::TimestampTz { scale } => ("TIMESTAMP_TZ", Some(u32::from(*scale))),
            Self::IntervalDs => ("INTERVAL_DS", None),
            Self::IntervalYm => ("INTERVAL_YM", None),
            Self::Boolean => ("BOOLEAN", None),
        };
        match length {
            Some(length) => write!(f, "{name}({length})"),
            None => f.write_str(name),
        }
    }
}

impl FromStr for CanonicalType {
    type Err = Error;

    /// Reads what `Display` writes, in any case.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::Usage, format!("\"{text}\" is no canonical type"));
        let upper = text.trim().to_ascii_uppercase();
        let (name, parameters) = match upper.split_once('(') {
            Some((name, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(bad)?;
                let numbers: Result<Vec<u32>, _> = inner
                    .split(',')
                    .map(|part| part.trim().parse::<u32>())
                    .collect();
                (name.trim().to_owned(), numbers.map_err(|_| bad())?)
            }
            None => (upper, Vec::new()),
        };
        let length = parameters.first().copied();
        let scale = match length {
            None => 6,
            Some(digits @ 0..=9) => digits as u8,
            Some(_) if name.starts_with("TIME") => return Err(bad()),
            Some(_) => 0,
        };
        Ok(match (name.as_str(), parameters.as_slice()) {
            ("FIXED_STRING", [] | [_]) => Self::FixedString { length },
            ("VARIABLE_STRING", [] | [_]) => Self::VariableString { length },
            ("BINARY", [] | [_]) => Self::Binary { length },
            ("LARGE_STRING", []) => Self::LargeString,
            ("LARGE_BINARY", []) => Self::LargeBinary,
            ("INTEGER_1", []) => Self::Integer1,
            ("INTEGER_2", []) => Self::Integer2,
            ("INTEGER_4", []) => Self::Integer4,
            ("INTEGER_8", []) => Self::Integer8,
            ("INTEGER_38", []) => Self::Integer38,
            ("DECIMAL", &[precision @ 1..=76, scale]) if scale <= precision => Self::Decimal {
                precision: precision as u8,
                scale: scale as u8,
            },
            ("FLOAT", []) => Self::Float,
            ("DOUBLE", []) => Self::Double,
            ("DATE", []) => Self::Date,
            ("TIME", [] | [_]) => Self::Time { scale },
            ("TIMESTAMP", [] | [_]) => Self::Timestamp { scale },
            ("TIMESTAMP_TZ", [] | [_]) => Self::TimestampTz { scale },
            ("INTERVAL_DS", []) => Self::IntervalDs,
            ("INTERVAL_YM", []) => Self::IntervalYm,
            ("BOOLEAN", []) => Self::Boolean,
            _ => return Err(bad()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_arrow_give_the_type_back() {
        for canonical in CanonicalType::ALL {
            assert_eq!(
                canonical.to_string().parse::<CanonicalType>().unwrap(),
                canonical
            );
            let field = canonical.to_field("c", "native", true);
            assert_eq!(CanonicalType::from_field(&field).unwrap(), canonical);
            let bare = CanonicalType::from_arrow(&canonical.to_arrow()).unwrap();
            assert!(bare.holds(canonical), "{bare} does not hold {canonical}");
        }
    }

    #[test]
    fn a_cast_outdates_the_type_that_a_field_carries() {
        let field = CanonicalType::Integer4
            .to_field("c", "int", true)
            .with_data_type(DataType::Utf8);
        assert!(CanonicalType::from_field(&field).unwrap().is_text());
    }

    #[test]
    fn a_negative_scale_widens_the_number() {
        // The old tool made a 4-byte integer of NUMBER(9,-3), whose values have 12 digits.
        assert_eq!(
            CanonicalType::exact_number(9, -3).unwrap(),
            CanonicalType::Integer8
        );
        assert_eq!(
            CanonicalType::exact_number(3, 5).unwrap(),
            CanonicalType::Decimal {
                precision: 5,
                scale: 5
            }
        );
        assert!(CanonicalType::exact_number(38, -84).is_err());
    }

    proptest! {
        #[test]
        fn an_exact_number_holds_every_value_of_its_digits(p in 1u32..=38, s in -84i32..=127) {
            match CanonicalType::exact_number(p, s) {
                Ok(CanonicalType::Decimal { precision, scale }) => {
                    prop_assert!(scale as i32 >= s.max(0));
                    prop_assert!(precision as i32 - scale as i32 >= (p as i32 - s).max(0));
                }
                Ok(integer) => {
                    let digits = (p as i32 - s.min(0)) as u32;
                    let greatest = 10i128.pow(digits) - 1;
                    let limit = match integer {
                        CanonicalType::Integer1 => i8::MAX.into(),
                        CanonicalType::Integer2 => i16::MAX.into(),
                        CanonicalType::Integer4 => i32::MAX.into(),
                        CanonicalType::Integer8 => i64::MAX.into(),
                        _ => 10i128.pow(38) - 1,
                    };
                    prop_assert!(greatest <= limit);
                }
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Unsupported),
            }
        }
    }
}
