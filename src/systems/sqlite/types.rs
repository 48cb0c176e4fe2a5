//! SQLite's declared types: how values are read under them, and what they are between systems.
//!
//! SQLite lets a column be declared as anything and stores what it is given. The declaration
//! decides here how a column is read; a value that breaks it stops the read.

use crate::error::{Error, Result};
use crate::frontend::{NativeType, TypeMap};
use crate::schema::{CanonicalType, Mapping};

/// Between a declared type and the form that a person wants it read in.
const READ_AS: &str = " read as ";

/// The greatest precision whose decimals a REAL keeps: 15 digits.
pub(super) const REAL_DIGITS: u8 = 15;

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// 64-bit integers.
    Integer,
    /// Exact numbers of so many digits.
    Exact { precision: u8, scale: u8 },
    /// IEEE doubles.
    Real,
    /// Text, of a bounded declaration or not.
    Text { bounded: bool },
    /// The text form of whatever is stored; bytes have none.
    ByValue,
    /// Bytes; the bytes of a text too.
    Bytes,
    /// Days.
    Date(Form),
    /// Times of day, as ISO text.
    Time { scale: u8 },
    /// Local date-times.
    Timestamp { scale: u8, form: Form },
    /// Instants, as ISO text with a zone.
    TimestampTz { scale: u8 },
    /// 0, 1, TRUE or FALSE.
    Boolean,
}

/// How a point in time is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// ISO 8601 text.
    Iso,
    /// Julian days, as SQLite's own functions give them.
    Julian,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMilliseconds,
}

impl Reading {
    /// How a column of this type text is read; the text may carry a form, see [`read_as`].
    pub(super) fn of(native: &str) -> Self {
        match native.rsplit_once(READ_AS) {
            Some((declared, form)) => {
                Self::as_form(declared, form).unwrap_or_else(|| Self::declared(native))
            }
            None => Self::declared(native),
        }
    }

    /// The reading of a form that a person asked for; `None` for no form.
    fn as_form(declared: &str, form: &str) -> Option<Self> {
        let epoch = match form.to_ascii_lowercase().as_str() {
            "text" => return Some(Self::ByValue),
            "blob" => return Some(Self::Bytes),
            "julian" => Form::Julian,
            "unix" => Form::Unix,
            "unix_ms" => Form::UnixMilliseconds,
            _ => return Declaration::parse(form).named(),
        };
        Some(match Self::declared(declared) {
            Self::Date(_) => Self::Date(epoch),
            Self::Time { .. } => return None,
            Self::Timestamp { scale, .. } => Self::Timestamp { scale, form: epoch },
            _ => Self::Timestamp {
                scale: 6,
                form: epoch,
            },
        })
    }

    fn declared(text: &str) -> Self {
        let declaration = Declaration::parse(text);
        declaration
            .named()
            .unwrap_or_else(|| declaration.by_affinity())
    }

    /// The type between systems.
    pub(super) fn canonical(self) -> CanonicalType {
        match self {
            Self::Integer => CanonicalType::Integer8,
            Self::Exact { precision, scale } => {
                CanonicalType::exact_number(precision.into(), scale.into())
                    .unwrap_or(CanonicalType::LargeString)
            }
            Self::Real => CanonicalType::Double,
            Self::Text { bounded: true } => CanonicalType::VariableString { length: None },
            Self::Text { bounded: false } | Self::ByValue => CanonicalType::LargeString,
            Self::Bytes => CanonicalType::LargeBinary,
            Self::Date(_) => CanonicalType::Date,
            Self::Time { scale } => CanonicalType::Time { scale },
            Self::Timestamp { scale, .. } => CanonicalType::Timestamp { scale },
            Self::TimestampTz { scale } => CanonicalType::TimestampTz { scale },
            Self::Boolean => CanonicalType::Boolean,
        }
    }

    /// What a value is expected to be, for messages.
    pub(super) fn expectation(self) -> String {
        match self {
            Self::Integer => "an integer of 64 bits".to_owned(),
            Self::Exact { precision, scale } => {
                format!("a number of at most {precision} digits, {scale} of them fractional")
            }
            Self::Real => "a number".to_owned(),
            Self::Text { .. } => "text in UTF-8".to_owned(),
            Self::ByValue => "a number or text in UTF-8".to_owned(),
            Self::Bytes => "a blob or text".to_owned(),
            Self::Date(Form::Iso) => "a day written YYYY-MM-DD".to_owned(),
            Self::Date(form) => format!("midnight of a day in {}", form.words()),
            Self::Time { scale } => {
                format!("a time written HH:MM[:SS[.{}]]", "f".repeat(scale.into()))
            }
            Self::Timestamp {
                scale,
                form: Form::Iso,
            } => {
                let fraction = "f".repeat(scale.into());
                format!("a time written YYYY-MM-DD[ HH:MM[:SS[.{fraction}]]] without a zone")
            }
            Self::Timestamp { form, .. } => format!("a time in {}", form.words()),
            Self::TimestampTz { scale } => {
                let fraction = "f".repeat(scale.into());
                format!("a time written YYYY-MM-DD HH:MM[:SS[.{fraction}]] with Z or +HH:MM")
            }
            Self::Boolean => "0, 1, TRUE or FALSE".to_owned(),
        }
    }
}

impl Form {
    fn words(self) -> &'static str {
        match self {
            Self::Iso => "ISO text",
            Self::Julian => "Julian days",
            Self::Unix => "seconds since 1970, to the microsecond",
            Self::UnixMilliseconds => "milliseconds since 1970, to the microsecond",
        }
    }
}

/// The type text of a column that is read in another form than its declaration says.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] for a form that is none, or not of this type.
pub(super) fn read_as(column: &str, declared: &str, form: &str) -> Result<String> {
    if Reading::as_form(declared, form).is_none() {
        let message =
            format!("Column \"{column}\" of type \"{declared}\" can't be read as \"{form}\"");
        return Err(Error::usage(message).hint(
            "forms are text, blob, julian, unix, unix_ms, and types such as DECIMAL(15,2), DATE, \
             TIMESTAMP or TIMESTAMPTZ",
        ));
    }
    Ok(format!("{declared}{READ_AS}{form}"))
}

/// A declared type in parts: `DOUBLE PRECISION`, `DECIMAL` and 15, 2.
struct Declaration {
    /// In upper case, without parameters, one space between words.
    words: String,
    parameters: Vec<i32>,
}

impl Declaration {
    fn parse(text: &str) -> Self {
        let upper = text.to_uppercase();
        let (before, rest) = upper.split_once('(').unwrap_or((&upper, ""));
        let (inner, after) = rest.split_once(')').unwrap_or((rest, ""));
        let parameters: Result<Vec<i32>, _> = inner
            .split(',')
            .map(|part| part.trim().parse::<i32>())
            .collect();
        let words: Vec<&str> = before
            .split_whitespace()
            .chain(after.split_whitespace())
            .collect();
        Self {
            words: words.join(" "),
            parameters: parameters.unwrap_or_default(),
        }
    }

    /// The reading of a type name that people mean something by.
    fn named(&self) -> Option<Reading> {
        let scale = self.fraction_digits();
        Some(match self.words.as_str() {
            words if is_integer(words) => Reading::Integer,
            "DECIMAL" | "DEC" | "NUMERIC" | "NUMBER" => self.exact(),
            "DOUBLE" | "DOUBLE PRECISION" | "REAL" | "FLOAT" => Reading::Real,
            "TEXT" | "CLOB" => Reading::Text {
                bounded: !self.parameters.is_empty(),
            },
            "BLOB" | "BINARY" | "VARBINARY" | "BYTEA" => Reading::Bytes,
            "DATE" => Reading::Date(Form::Iso),
            "TIME" | "TIME WITHOUT TIME ZONE" => Reading::Time { scale },
            "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => Reading::Timestamp {
                scale,
                form: Form::Iso,
            },
            "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => Reading::TimestampTz { scale },
            "BOOLEAN" | "BOOL" => Reading::Boolean,
            _ => return None,
        })
    }

    /// SQLite's own rules for every other name, in its order.
    fn by_affinity(&self) -> Reading {
        let has = |part: &str| self.words.contains(part);
        if has("INT") {
            Reading::ByValue
        } else if ["CHAR", "CLOB", "TEXT"].into_iter().any(has) {
            Reading::Text { bounded: true }
        } else if has("BLOB") {
            Reading::Bytes
        } else if ["REAL", "FLOA", "DOUB"].into_iter().any(has) {
            Reading::Real
        } else {
            Reading::ByValue
        }
    }

    /// A decimal without a precision, or of one beyond 76, is kept as text.
    fn exact(&self) -> Reading {
        let (precision, scale) = match *self.parameters.as_slice() {
            [precision] => (precision, 0),
            [precision, scale] if scale < 0 => (precision.saturating_sub(scale), 0),
            [precision, scale] => (precision.max(scale), scale),
            _ => return Reading::ByValue,
        };
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(precision @ 1..=76), Ok(scale)) => Reading::Exact { precision, scale },
            _ => Reading::ByValue,
        }
    }

    /// Microseconds unless more digits are declared; SQLite ignores fewer.
    fn fraction_digits(&self) -> u8 {
        match *self.parameters.as_slice() {
            [digits @ 7..=9] => digits as u8,
            _ => 6,
        }
    }
}

/// Whether every word of a type name is one of integers.
fn is_integer(words: &str) -> bool {
    const WORDS: [&str; 12] = [
        "INT",
        "INTEGER",
        "TINYINT",
        "SMALLINT",
        "MEDIUMINT",
        "BIGINT",
        "INT2",
        "INT4",
        "INT8",
        "BIG",
        "UNSIGNED",
        "SIGNED",
    ];
    words.contains("INT") && words.split(' ').all(|word| WORDS.contains(&word))
}

/// The canonical type of a native type text and how true it is.
pub(super) fn mapping(native: &str) -> Mapping<CanonicalType> {
    let reading = Reading::of(native);
    let to = reading.canonical();
    if let Some((_, form)) = native.rsplit_once(READ_AS) {
        return Mapping::widening(to, format!("read as {form} because the offload says so"));
    }
    match reading {
        Reading::Text { bounded: true } => {
            Mapping::widening(to, "SQLite does not enforce the length of a text")
        }
        Reading::ByValue if native.trim().is_empty() => Mapping::widening(
            to,
            "no type is declared and each row may hold another: kept as text",
        ),
        Reading::ByValue => Mapping::widening(
            to,
            "the declared type bounds neither digits nor form: kept as text, exactly as stored",
        ),
        _ => Mapping::exact(to),
    }
}

/// SQLite's types to and from the canonical ones.
pub(super) struct SqliteTypes;

impl TypeMap for SqliteTypes {
    fn natives(&self) -> Vec<String> {
        [
            "INTEGER",
            "TINYINT",
            "SMALLINT",
            "INT",
            "BIGINT",
            "REAL",
            "DOUBLE PRECISION",
            "FLOAT",
            "DECIMAL(9,0)",
            "DECIMAL(15,2)",
            "NUMERIC(38,10)",
            "NUMERIC",
            "TEXT",
            "CLOB",
            "VARCHAR(100)",
            "CHAR(10)",
            "BLOB",
            "VARBINARY(16)",
            "DATE",
            "TIME",
            "DATETIME",
            "TIMESTAMP",
            "TIMESTAMP(9)",
            "TIMESTAMPTZ",
            "BOOLEAN",
            "JSON",
            "ANY",
            "",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        Ok(mapping(native))
    }

    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>> {
        use CanonicalType as T;
        let same = |native: String| {
            Mapping::exact(NativeType {
                native,
                stored: canonical,
            })
        };
        let other = |native: &str, stored, reason: &str| {
            Mapping::widening(
                NativeType {
                    native: native.to_owned(),
                    stored,
                },
                reason,
            )
        };
        let text = |reason| other("TEXT", T::LargeString, reason);
        let fraction = |name: &str, scale: u8| {
            same(if scale <= 6 {
                name.to_owned()
            } else {
                format!("{name}({scale})")
            })
        };
        Ok(match canonical {
            T::FixedString {
                length: Some(length),
            } => same(format!("CHAR({length})")),
            T::VariableString {
                length: Some(length),
            } => same(format!("VARCHAR({length})")),
            T::FixedString { length: None } | T::VariableString { length: None } => {
                same("TEXT".to_owned())
            }
            T::LargeString => same("TEXT".to_owned()),
            T::Binary { .. } | T::LargeBinary => same("BLOB".to_owned()),
            T::Integer1 | T::Integer2 | T::Integer4 | T::Integer8 => same("INTEGER".to_owned()),
            T::Decimal { precision, scale } if precision <= REAL_DIGITS => {
                same(format!("DECIMAL({precision},{scale})"))
            }
            T::Integer38 | T::Decimal { .. } => {
                text("SQLite would keep only 15 digits of a longer number")
            }
            T::Float => other("REAL", T::Double, "SQLite has doubles only"),
            T::Double => same("REAL".to_owned()),
            T::Date => same("DATE".to_owned()),
            T::Time { scale } => fraction("TIME", scale),
            T::Timestamp { scale } => fraction("TIMESTAMP", scale),
            T::TimestampTz { scale } => fraction("TIMESTAMPTZ", scale),
            T::IntervalDs | T::IntervalYm => text("SQLite has no intervals"),
            T::Boolean => same("BOOLEAN".to_owned()),
        })
    }
}
