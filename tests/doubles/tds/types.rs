//! The types of SQL Server: their names, their widths, and which of them compare with each other.

use std::fmt;

/// How long a value of a variable type may be: characters, UTF-16 units or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Limited(u16),
    Max,
}

/// A type with its length, precision and scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal { precision: u8, scale: u8 },
    Numeric { precision: u8, scale: u8 },
    Money,
    SmallMoney,
    Date,
    Time(u8),
    DateTime2(u8),
    DateTimeOffset(u8),
    SmallDateTime,
    DateTime,
    UniqueIdentifier,
    Char(u16),
    VarChar(Length),
    NChar(u16),
    NVarChar(Length),
    Text,
    NText,
    Xml,
    Json,
    Binary(u16),
    VarBinary(Length),
    Image,
    RowVersion,
    SqlVariant,
    HierarchyId,
    Geography,
    Geometry,
}

/// Types whose stored values are compared in the same way (`storage` says how they are stored).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Integer,
    Float,
    Exact,
    Date,
    Time,
    /// A point of local time.
    Instant,
    /// A point of universal time, and the offset that it was written with.
    Offset,
    Guid,
    Text,
    Bytes,
    /// Cannot be compared at all.
    Opaque,
}

impl SqlType {
    /// Reads a declaration, `decimal(12, 2)`; the words of the SQL standard that SQL Server takes too.
    pub fn parse(declaration: &str) -> Result<Self, String> {
        let text = declaration.trim().to_lowercase();
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.trim_end_matches(')').trim()),
            None => (text.as_str(), ""),
        };
        let parsed = Self::of_name(name, arguments);
        parsed.ok_or_else(|| format!("{declaration} is no type that the double knows"))
    }

    fn of_name(name: &str, arguments: &str) -> Option<Self> {
        let scale = || fraction(arguments);
        let bare = |plain: Self| arguments.is_empty().then_some(plain);
        match name {
            "bit" => bare(Self::Bit),
            "tinyint" => bare(Self::TinyInt),
            "smallint" => bare(Self::SmallInt),
            "int" | "integer" => bare(Self::Int),
            "bigint" => bare(Self::BigInt),
            "real" => bare(Self::Real),
            "float" => binary_float(arguments),
            "decimal" | "dec" => {
                precision(arguments).map(|(precision, scale)| Self::Decimal { precision, scale })
            }
            "numeric" => {
                precision(arguments).map(|(precision, scale)| Self::Numeric { precision, scale })
            }
            "money" => bare(Self::Money),
            "smallmoney" => bare(Self::SmallMoney),
            "date" => bare(Self::Date),
            "time" => scale().map(Self::Time),
            "datetime2" => scale().map(Self::DateTime2),
            "datetimeoffset" => scale().map(Self::DateTimeOffset),
            "smalldatetime" => bare(Self::SmallDateTime),
            "datetime" => bare(Self::DateTime),
            "uniqueidentifier" => bare(Self::UniqueIdentifier),
            "char" | "character" => limited(arguments, 8000).map(Self::Char),
            "nchar" => limited(arguments, 4000).map(Self::NChar),
            "binary" => limited(arguments, 8000).map(Self::Binary),
            "varchar" => length(arguments, 8000).map(Self::VarChar),
            "nvarchar" => length(arguments, 4000).map(Self::NVarChar),
            "sysname" => Some(Self::NVarChar(Length::Limited(128))),
            "varbinary" => length(arguments, 8000).map(Self::VarBinary),
            "text" => bare(Self::Text),
            "ntext" => bare(Self::NText),
            "xml" => bare(Self::Xml),
            "json" => bare(Self::Json),
            "image" => bare(Self::Image),
            "rowversion" | "timestamp" => bare(Self::RowVersion),
            "sql_variant" => bare(Self::SqlVariant),
            "hierarchyid" => bare(Self::HierarchyId),
            "geography" => bare(Self::Geography),
            "geometry" => bare(Self::Geometry),
            _ => None,
        }
    }

    /// The name that `sys.types` has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Real => "real",
            Self::Float => "float",
            Self::Decimal { .. } => "decimal",
            Self::Numeric { .. } => "numeric",
            Self::Money => "money",
            Self::SmallMoney => "smallmoney",
            Self::Date => "date",
            Self::Time(_) => "time",
            Self::DateTime2(_) => "datetime2",
            Self::DateTimeOffset(_) => "datetimeoffset",
            Self::SmallDateTime => "smalldatetime",
            Self::DateTime => "datetime",
            Self::UniqueIdentifier => "uniqueidentifier",
            Self::Char(_) => "char",
            Self::VarChar(_) => "varchar",
            Self::NChar(_) => "nchar",
            Self::NVarChar(_) => "nvarchar",
            Self::Text => "text",
            Self::NText => "ntext",
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Binary(_) => "binary",
            Self::VarBinary(_) => "varbinary",
            Self::Image => "image",
            Self::RowVersion => "timestamp",
            Self::SqlVariant => "sql_variant",
            Self::HierarchyId => "hierarchyid",
            Self::Geography => "geography",
            Self::Geometry => "geometry",
        }
    }

    pub fn family(self) -> Family {
        match self {
            Self::Bit | Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt => {
                Family::Integer
            }
            Self::Real | Self::Float => Family::Float,
            Self::Decimal { .. } | Self::Numeric { .. } | Self::Money | Self::SmallMoney => {
                Family::Exact
            }
            Self::Date => Family::Date,
            Self::Time(_) => Family::Time,
            Self::DateTime2(_) | Self::DateTime | Self::SmallDateTime => Family::Instant,
            Self::DateTimeOffset(_) => Family::Offset,
            Self::UniqueIdentifier => Family::Guid,
            Self::Char(_) | Self::VarChar(_) | Self::NChar(_) | Self::NVarChar(_) => Family::Text,
            Self::Binary(_) | Self::VarBinary(_) | Self::RowVersion => Family::Bytes,
            Self::Text
            | Self::NText
            | Self::Image
            | Self::Xml
            | Self::Json
            | Self::SqlVariant
            | Self::HierarchyId
            | Self::Geography
            | Self::Geometry => Family::Opaque,
        }
    }

    /// Whether its values are stored as text.
    pub fn is_text(self) -> bool {
        let large = matches!(self, Self::Text | Self::NText | Self::Xml | Self::Json);
        self.family() == Family::Text || large
    }

    /// Whether its text travels as UTF-16, whatever the collation.
    pub fn is_wide(self) -> bool {
        matches!(
            self,
            Self::NChar(_) | Self::NVarChar(_) | Self::NText | Self::Xml | Self::Json
        )
    }

    /// The digits of an exact number, and how many of them are behind the point; of a temporal type
    /// the digits of its fraction.
    pub fn precision_and_scale(self) -> (u8, u8) {
        match self {
            Self::Bit => (1, 0),
            Self::TinyInt => (3, 0),
            Self::SmallInt => (5, 0),
            Self::Int => (10, 0),
            Self::BigInt => (19, 0),
            Self::Real => (24, 0),
            Self::Float => (53, 0),
            Self::Decimal { precision, scale } | Self::Numeric { precision, scale } => {
                (precision, scale)
            }
            Self::Money => (19, 4),
            Self::SmallMoney => (10, 4),
            Self::Date => (10, 0),
            Self::Time(scale) => (8 + point(scale), scale),
            Self::DateTime2(scale) => (19 + point(scale), scale),
            Self::DateTimeOffset(scale) => (26 + point(scale), scale),
            Self::SmallDateTime => (16, 0),
            Self::DateTime => (23, 3),
            _ => (0, 0),
        }
    }

    pub fn scale(self) -> u8 {
        self.precision_and_scale().1
    }

    /// What `sys.columns` and `sys.types` call `max_length`: bytes, or -1 for `max`.
    pub fn max_length(self) -> i16 {
        let bytes = |length: Length, width: i16| match length {
            Length::Limited(length) => length as i16 * width,
            Length::Max => -1,
        };
        match self {
            Self::Bit | Self::TinyInt => 1,
            Self::SmallInt => 2,
            Self::Int | Self::Real | Self::SmallMoney | Self::SmallDateTime => 4,
            Self::BigInt | Self::Float | Self::Money | Self::DateTime | Self::RowVersion => 8,
            Self::Decimal { precision, .. } | Self::Numeric { precision, .. } => {
                i16::from(decimal_bytes(precision))
            }
            Self::Date => 3,
            Self::Time(scale) => i16::from(time_bytes(scale)),
            Self::DateTime2(scale) => i16::from(time_bytes(scale)) + 3,
            Self::DateTimeOffset(scale) => i16::from(time_bytes(scale)) + 5,
            Self::UniqueIdentifier | Self::Text | Self::NText | Self::Image => 16,
            Self::Char(length) | Self::Binary(length) => length as i16,
            Self::NChar(length) => length as i16 * 2,
            Self::VarChar(length) | Self::VarBinary(length) => bytes(length, 1),
            Self::NVarChar(length) => bytes(length, 2),
            Self::SqlVariant => 8016,
            Self::HierarchyId => 892,
            Self::Xml | Self::Json | Self::Geography | Self::Geometry => -1,
        }
    }

    /// The identifiers that `sys.types` has: of the system's type, and of the type itself.
    pub fn identifiers(self) -> (u8, i32) {
        let system = match self {
            Self::Image => 34,
            Self::Text => 35,
            Self::UniqueIdentifier => 36,
            Self::Date => 40,
            Self::Time(_) => 41,
            Self::DateTime2(_) => 42,
            Self::DateTimeOffset(_) => 43,
            Self::TinyInt => 48,
            Self::SmallInt => 52,
            Self::Int => 56,
            Self::SmallDateTime => 58,
            Self::Real => 59,
            Self::Money => 60,
            Self::DateTime => 61,
            Self::Float => 62,
            Self::SqlVariant => 98,
            Self::NText => 99,
            Self::Bit => 104,
            Self::Decimal { .. } => 106,
            Self::Numeric { .. } => 108,
            Self::SmallMoney => 122,
            Self::BigInt => 127,
            Self::VarBinary(_) => 165,
            Self::VarChar(_) => 167,
            Self::Binary(_) => 173,
            Self::Char(_) => 175,
            Self::RowVersion => 189,
            Self::NVarChar(_) => 231,
            Self::NChar(_) => 239,
            Self::HierarchyId | Self::Geometry | Self::Geography => 240,
            Self::Xml => 241,
            Self::Json => 244,
        };
        match self {
            Self::HierarchyId => (system, 128),
            Self::Geometry => (system, 129),
            Self::Geography => (system, 130),
            _ => (system, i32::from(system)),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match *self {
            Self::Decimal { precision, scale } | Self::Numeric { precision, scale } => {
                write!(f, "{name}({precision},{scale})")
            }
            Self::Time(scale) | Self::DateTime2(scale) | Self::DateTimeOffset(scale) => {
                write!(f, "{name}({scale})")
            }
            Self::Char(length) | Self::NChar(length) | Self::Binary(length) => {
                write!(f, "{name}({length})")
            }
            Self::VarChar(length) | Self::NVarChar(length) | Self::VarBinary(length) => {
                match length {
                    Length::Limited(length) => write!(f, "{name}({length})"),
                    Length::Max => write!(f, "{name}(max)"),
                }
            }
            _ => f.write_str(name),
        }
    }
}

/// The bytes that a decimal takes on the wire, its sign among them.
pub fn decimal_bytes(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// The bytes of a time of day.
pub fn time_bytes(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

fn point(scale: u8) -> u8 {
    if scale == 0 { 0 } else { scale + 1 }
}

fn fraction(arguments: &str) -> Option<u8> {
    match arguments {
        "" => Some(7),
        digits => digits.parse().ok().filter(|scale| *scale <= 7),
    }
}

fn precision(arguments: &str) -> Option<(u8, u8)> {
    let mut numbers = arguments
        .split(',')
        .map(|number| number.trim().parse::<u8>());
    let (precision, scale) = match arguments {
        "" => (18, 0),
        _ => (numbers.next()?.ok()?, numbers.next().unwrap_or(Ok(0)).ok()?),
    };
    let fits = (1..=38).contains(&precision) && scale <= precision && numbers.next().is_none();
    fits.then_some((precision, scale))
}

fn binary_float(arguments: &str) -> Option<SqlType> {
    match arguments {
        "" => Some(SqlType::Float),
        digits => match digits.parse().ok()? {
            1..=24 => Some(SqlType::Real),
            25..=53 => Some(SqlType::Float),
            _ => None,
        },
    }
}

/// A length that must be told, as the default of CHAR is 1 in one place and 30 in another.
fn limited(arguments: &str, most: u16) -> Option<u16> {
    let length: u16 = arguments.parse().ok()?;
    (1..=most).contains(&length).then_some(length)
}

fn length(arguments: &str, most: u16) -> Option<Length> {
    match arguments {
        "max" => Some(Length::Max),
        digits => limited(digits, most).map(Length::Limited),
    }
}
