//! SQL Server's types to and from the canonical ones.

use super::native::{Form, Kind, Native};
use crate::error::{Error, Result};
use crate::frontend::{NativeType, TypeMap};
use crate::schema::{CanonicalType, Mapping};

/// The most fraction digits of a second that the server keeps.
const TIME_DIGITS: u8 = 7;

/// The longest text that has a bound, in units of UTF-16.
const LONGEST_TEXT: u32 = 4000;

/// The longest bytes that have a bound.
const LONGEST_BYTES: u32 = 8000;

/// The type map. Stateless.
#[derive(Debug)]
pub(super) struct Types;

impl TypeMap for Types {
    fn natives(&self) -> Vec<String> {
        NATIVES.iter().map(|native| (*native).to_owned()).collect()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        Native::parse(native)
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "\"{native}\" is no type of SQL Server that goe knows"
                ))
                .hint("write it as T-SQL does, such as decimal(15,2) or nvarchar(max)")
            })
            .and_then(|native| canonical(&native))
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        use CanonicalType as T;
        let native = |text: String| NativeType {
            native: text,
            stored: canonical,
        };
        let exact = |text: &str| Mapping::exact(native(text.to_owned()));
        Ok(match canonical {
            T::FixedString { length: Some(n) } if (1..=LONGEST_TEXT).contains(&n) => {
                Mapping::lossy(native(format!("nchar({n})")), UNITS)
            }
            T::VariableString { length: Some(n) } if (1..=LONGEST_TEXT).contains(&n) => {
                Mapping::lossy(native(format!("nvarchar({n})")), UNITS)
            }
            T::FixedString { .. } | T::VariableString { .. } => {
                Mapping::widening(native("nvarchar(max)".to_owned()), "text without a bound")
            }
            T::LargeString => exact("nvarchar(max)"),
            T::Binary { length: Some(n) } if (1..=LONGEST_BYTES).contains(&n) => {
                exact(&format!("varbinary({n})"))
            }
            T::Binary { .. } => {
                Mapping::widening(native("varbinary(max)".to_owned()), "bytes without a bound")
            }
            T::LargeBinary => exact("varbinary(max)"),
            T::Integer1 => Mapping::widening(
                NativeType {
                    native: "smallint".to_owned(),
                    stored: T::Integer2,
                },
                "tinyint has no values below zero",
            ),
            T::Integer2 => exact("smallint"),
            T::Integer4 => exact("int"),
            T::Integer8 => exact("bigint"),
            T::Integer38 => exact("decimal(38,0)"),
            T::Decimal { precision, scale } if precision <= 38 => {
                exact(&format!("decimal({precision},{scale})"))
            }
            T::Decimal { .. } => {
                as_text("decimals have at most 38 digits there; their digits as text")
            }
            T::Float => Mapping::lossy(native("real".to_owned()), FINITE),
            T::Double => Mapping::lossy(native("float".to_owned()), FINITE),
            T::Date => exact("date"),
            T::Time { scale } => timed("time", scale, |scale| T::Time { scale }),
            T::Timestamp { scale } => timed("datetime2", scale, |scale| T::Timestamp { scale }),
            T::TimestampTz { scale } => {
                timed("datetimeoffset", scale, |scale| T::TimestampTz { scale })
            }
            T::IntervalDs | T::IntervalYm => as_text("there are no intervals; their text"),
            T::Boolean => exact("bit"),
        })
    }
}

const UNITS: &str = "characters outside of the basic plane count twice there";
const FINITE: &str = "NaN and infinity can't be kept";

fn as_text(reason: &str) -> Mapping<NativeType> {
    let native = NativeType {
        native: "nvarchar(max)".to_owned(),
        stored: CanonicalType::LargeString,
    };
    Mapping::widening(native, reason)
}

fn timed(name: &str, scale: u8, typed: impl Fn(u8) -> CanonicalType) -> Mapping<NativeType> {
    let kept = scale.min(TIME_DIGITS);
    let native = NativeType {
        native: format!("{name}({kept})"),
        stored: typed(kept),
    };
    if scale <= TIME_DIGITS {
        Mapping::exact(native)
    } else {
        Mapping::lossy(native, "the server keeps steps of 100 nanoseconds")
    }
}

const LARGE: &str = "values of max_value_bytes and more stop the run";
const NANOSECONDS: &str = "only the years 1678 to 2261; others stop the run (or read it as \
                           timestamp(6))";

/// The canonical type of a parsed native one.
pub(super) fn canonical(native: &Native) -> Result<Mapping<CanonicalType>> {
    match native.form {
        Form::Own => own(native.kind),
        Form::Text => Ok(Mapping::widening(
            CanonicalType::LargeString,
            "read as text, as asked",
        )),
        Form::Micros => micros(native.kind),
    }
}

fn own(kind: Kind) -> Result<Mapping<CanonicalType>> {
    use CanonicalType as T;
    Ok(match kind {
        Kind::Bit => Mapping::exact(T::Boolean),
        Kind::TinyInt => Mapping::widening(T::Integer2, "unsigned, of one byte"),
        Kind::SmallInt => Mapping::exact(T::Integer2),
        Kind::Int => Mapping::exact(T::Integer4),
        Kind::BigInt => Mapping::exact(T::Integer8),
        Kind::Decimal(precision, scale) => Mapping::exact(T::exact_number(precision, scale)?),
        Kind::Money => Mapping::exact(money(19)),
        Kind::SmallMoney => Mapping::exact(money(10)),
        Kind::Real => Mapping::exact(T::Float),
        Kind::Float => Mapping::exact(T::Double),
        Kind::Date => Mapping::exact(T::Date),
        Kind::Time(scale) => Mapping::exact(T::Time { scale }),
        Kind::SmallDateTime => Mapping::exact(T::Timestamp { scale: 0 }),
        Kind::DateTime => Mapping::widening(
            T::Timestamp { scale: 3 },
            "of 1/300 second, as the milliseconds that the server shows",
        ),
        Kind::DateTime2(scale) => match scale {
            0..=6 => Mapping::exact(T::Timestamp { scale }),
            _ => Mapping::lossy(T::Timestamp { scale }, NANOSECONDS),
        },
        Kind::DateTimeOffset(scale) => Mapping::lossy(
            T::TimestampTz { scale },
            match scale {
                0..=6 => {
                    "the instant; its offset is not kept (read it as text to keep it)".to_owned()
                }
                _ => format!("the instant without its offset; {NANOSECONDS}"),
            },
        ),
        Kind::Char(length) | Kind::NChar(length) => Mapping::exact(T::FixedString {
            length: Some(length),
        }),
        Kind::VarChar(Some(length)) | Kind::NVarChar(Some(length)) => {
            Mapping::exact(T::VariableString {
                length: Some(length),
            })
        }
        Kind::VarChar(None) | Kind::NVarChar(None) | Kind::Text | Kind::NText => {
            Mapping::lossy(T::LargeString, LARGE)
        }
        Kind::Binary(length) | Kind::VarBinary(Some(length)) => Mapping::exact(T::Binary {
            length: Some(length),
        }),
        Kind::VarBinary(None) | Kind::Image => Mapping::lossy(T::LargeBinary, LARGE),
        Kind::Uuid => Mapping::widening(
            T::FixedString { length: Some(36) },
            "its text form, in capitals",
        ),
        Kind::RowVersion => Mapping::widening(
            T::Binary { length: Some(8) },
            "a counter and no time; its eight bytes",
        ),
        Kind::Xml | Kind::Json => Mapping::lossy(T::LargeString, format!("its text; {LARGE}")),
        Kind::HierarchyId => {
            Mapping::widening(T::VariableString { length: Some(4000) }, "its path as text")
        }
        Kind::Geography | Kind::Geometry => Mapping::lossy(
            T::LargeString,
            format!("well-known text without its SRID; {LARGE}"),
        ),
        Kind::Variant => {
            return Err(Error::unsupported(
                "each sql_variant has a type of its own: read it as text, which leaves the types out",
            )
            .hint("read the column as text"));
        }
        Kind::Other => {
            return Err(
                Error::unsupported("goe knows nothing of the type: read it as text")
                    .hint("read the column as text"),
            );
        }
    })
}

fn money(precision: u8) -> CanonicalType {
    CanonicalType::Decimal {
        precision,
        scale: 4,
    }
}

/// The same type with microseconds, where it has more digits.
fn micros(kind: Kind) -> Result<Mapping<CanonicalType>> {
    let scale = 6;
    let to = match kind {
        Kind::DateTime2(7) => CanonicalType::Timestamp { scale },
        Kind::DateTimeOffset(7) => CanonicalType::TimestampTz { scale },
        Kind::Time(7) => CanonicalType::Time { scale },
        other => return own(other),
    };
    Ok(Mapping::lossy(
        to,
        "read with 6 digits of a second, as asked; a seventh that is not 0 stops the run",
    ))
}

/// What people see in the table of types.
const NATIVES: &[&str] = &[
    "bit",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "decimal(9,0)",
    "decimal(18,0)",
    "decimal(38,0)",
    "numeric(15,2)",
    "money",
    "smallmoney",
    "real",
    "float",
    "date",
    "time(7)",
    "smalldatetime",
    "datetime",
    "datetime2(3)",
    "datetime2(7)",
    "datetimeoffset(7)",
    "char(10)",
    "nchar(10)",
    "varchar(100)",
    "nvarchar(100)",
    "varchar(max)",
    "nvarchar(max)",
    "text",
    "ntext",
    "binary(16)",
    "varbinary(100)",
    "varbinary(max)",
    "image",
    "uniqueidentifier",
    "rowversion",
    "xml",
    "json",
    "hierarchyid",
    "geography",
    "geometry",
    "sql_variant",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::schema::Fidelity;

    #[test]
    fn every_native_type_maps_or_says_why_not() {
        for native in Types.natives() {
            match Types.to_canonical(&native) {
                Ok(mapping) => {
                    let says = mapping.fidelity == Fidelity::Exact || mapping.reason.is_some();
                    assert!(says, "{native}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert_eq!(native, "sql_variant");
                }
            }
        }
    }

    #[test]
    fn every_canonical_type_maps() {
        for canonical in CanonicalType::ALL {
            let mapping = Types.from_canonical(canonical).unwrap();
            let back = Types.to_canonical(&mapping.to.native).unwrap();
            let kept = back.to.holds(mapping.to.stored) || back.to.is_text();
            assert!(kept, "{canonical} -> {} -> {}", mapping.to.native, back.to);
            assert!(
                mapping.fidelity == Fidelity::Lossy
                    || mapping.to.stored.holds(canonical)
                    || mapping.to.stored.is_text(),
                "{canonical}"
            );
        }
    }

    #[test]
    fn types_keep_what_they_hold() {
        let to = |native: &str| Types.to_canonical(native).unwrap().to.to_string();
        let table = [
            ("tinyint", "INTEGER_2"),
            ("decimal(2,0)", "INTEGER_1"),
            ("decimal(38,0)", "INTEGER_38"),
            ("decimal(38,38)", "DECIMAL(38,38)"),
            ("money", "DECIMAL(19,4)"),
            ("smallmoney", "DECIMAL(10,4)"),
            ("datetime", "TIMESTAMP(3)"),
            ("smalldatetime", "TIMESTAMP(0)"),
            ("datetime2(7)", "TIMESTAMP(7)"),
            (
                "datetime2(7) (read with 6 digits of a second)",
                "TIMESTAMP(6)",
            ),
            ("time(5)", "TIME(5)"),
            ("uniqueidentifier", "FIXED_STRING(36)"),
            ("timestamp", "BINARY(8)"),
            ("sql_variant (read as text)", "LARGE_STRING"),
        ];
        for (native, canonical) in table {
            assert_eq!(to(native), canonical, "{native}");
        }
    }
}
