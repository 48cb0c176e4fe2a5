//! The text of a native type: `decimal(15,2)`, `varchar(20) (binary collation)`.
//!
//! It is what people see in the plan, and all that the dialect and the decoders know of a column.

/// What a column is, types of users resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Decimal(u32, i32),
    Money,
    SmallMoney,
    Real,
    Float,
    Date,
    Time(u8),
    SmallDateTime,
    DateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    Char(u32),
    NChar(u32),
    /// `None` is `max`, here and below.
    VarChar(Option<u32>),
    NVarChar(Option<u32>),
    Text,
    NText,
    Binary(u32),
    VarBinary(Option<u32>),
    Image,
    Uuid,
    RowVersion,
    Xml,
    Json,
    HierarchyId,
    Geography,
    Geometry,
    Variant,
    /// Anything else: types of assemblies, types of later versions.
    Other,
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As its type is.
    Own,
    /// In its text form, as a person asked.
    Text,
    /// With six digits of a second where it has seven, as a person asked.
    Micros,
}

/// A native type with what else matters about its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Native {
    pub(super) kind: Kind,
    pub(super) form: Form,
    /// Whether texts compare by their codes.
    pub(super) binary: bool,
    /// Whether the server makes Unicode of its text, because the driver would read it wrongly.
    pub(super) converted: bool,
}

pub(super) const AS_TEXT: &str = "read as text";
pub(super) const AS_MICROS: &str = "read with 6 digits of a second";
pub(super) const BINARY: &str = "binary collation";
pub(super) const CONVERTED: &str = "made Unicode by the server";

impl Native {
    /// Reads a native text; `None` for one that is nobody's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (head, notes) = match text.strip_prefix(OTHER) {
            Some(_) => text.rsplit_once(" (").unwrap_or((text, "")),
            None => text.split_once(" (").unwrap_or((text, "")),
        };
        let mut native = Self {
            kind: kind(head)?,
            form: Form::Own,
            binary: false,
            converted: false,
        };
        for note in notes.trim_end_matches(')').split("; ") {
            match note {
                AS_TEXT => native.form = Form::Text,
                AS_MICROS => native.form = Form::Micros,
                BINARY => native.binary = true,
                CONVERTED => native.converted = true,
                // The name of a user's type is the last note and may hold anything.
                _ => break,
            }
        }
        Some(native)
    }
}

/// What stands before the name of a type that we know nothing of.
pub(super) const OTHER: &str = "type ";

impl Kind {
    /// Whether values have no bound but our own.
    pub(super) fn is_unbounded(self) -> bool {
        matches!(
            self,
            Self::VarChar(None)
                | Self::NVarChar(None)
                | Self::VarBinary(None)
                | Self::Text
                | Self::NText
                | Self::Image
                | Self::Xml
                | Self::Json
                | Self::Geography
                | Self::Geometry
        )
    }

    /// Whether values are text on the server itself.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Char(_)
                | Self::NChar(_)
                | Self::VarChar(_)
                | Self::NVarChar(_)
                | Self::Text
                | Self::NText
        )
    }
}

fn kind(head: &str) -> Option<Kind> {
    if head.starts_with(OTHER) {
        return Some(Kind::Other);
    }
    let (name, parameters) = match head.split_once('(') {
        None => (head, None),
        Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
    };
    let lower = name.trim().to_ascii_lowercase();
    match parameters {
        Some(inside) => with_parameters(&lower, inside.trim()),
        None => bare(&lower),
    }
}

fn with_parameters(name: &str, inside: &str) -> Option<Kind> {
    if inside.eq_ignore_ascii_case("max") {
        return match name {
            "varchar" => Some(Kind::VarChar(None)),
            "nvarchar" => Some(Kind::NVarChar(None)),
            "varbinary" => Some(Kind::VarBinary(None)),
            _ => None,
        };
    }
    let numbers: Option<Vec<u32>> = inside
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect();
    let numbers = numbers?;
    let length = |most: u32| match numbers.as_slice() {
        [length] if (1..=most).contains(length) => Some(*length),
        _ => None,
    };
    let digits = || match numbers.as_slice() {
        [digits @ 0..=7] => u8::try_from(*digits).ok(),
        _ => None,
    };
    match name {
        "decimal" | "numeric" => decimal(&numbers),
        "float" => match numbers.as_slice() {
            [1..=24] => Some(Kind::Real),
            [25..=53] => Some(Kind::Float),
            _ => None,
        },
        "time" => digits().map(Kind::Time),
        "datetime2" => digits().map(Kind::DateTime2),
        "datetimeoffset" => digits().map(Kind::DateTimeOffset),
        "char" => length(8000).map(Kind::Char),
        "nchar" => length(4000).map(Kind::NChar),
        "varchar" => length(8000).map(|length| Kind::VarChar(Some(length))),
        "nvarchar" => length(4000).map(|length| Kind::NVarChar(Some(length))),
        "binary" => length(8000).map(Kind::Binary),
        "varbinary" => length(8000).map(|length| Kind::VarBinary(Some(length))),
        _ => None,
    }
}

fn decimal(numbers: &[u32]) -> Option<Kind> {
    let (precision, scale) = match numbers {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return None,
    };
    let fits = (1..=38).contains(&precision) && scale <= precision;
    let scale = i32::try_from(scale).ok()?;
    fits.then_some(Kind::Decimal(precision, scale))
}

fn bare(name: &str) -> Option<Kind> {
    Some(match name {
        "bit" => Kind::Bit,
        "tinyint" => Kind::TinyInt,
        "smallint" => Kind::SmallInt,
        "int" => Kind::Int,
        "bigint" => Kind::BigInt,
        "decimal" | "numeric" => Kind::Decimal(18, 0),
        "money" => Kind::Money,
        "smallmoney" => Kind::SmallMoney,
        "real" => Kind::Real,
        "float" => Kind::Float,
        "date" => Kind::Date,
        "time" => Kind::Time(7),
        "smalldatetime" => Kind::SmallDateTime,
        "datetime" => Kind::DateTime,
        "datetime2" => Kind::DateTime2(7),
        "datetimeoffset" => Kind::DateTimeOffset(7),
        "char" => Kind::Char(1),
        "nchar" => Kind::NChar(1),
        "varchar" => Kind::VarChar(Some(1)),
        "nvarchar" => Kind::NVarChar(Some(1)),
        "text" => Kind::Text,
        "ntext" => Kind::NText,
        "binary" => Kind::Binary(1),
        "varbinary" => Kind::VarBinary(Some(1)),
        "image" => Kind::Image,
        "uniqueidentifier" => Kind::Uuid,
        "rowversion" | "timestamp" => Kind::RowVersion,
        "xml" => Kind::Xml,
        "json" => Kind::Json,
        "hierarchyid" => Kind::HierarchyId,
        "geography" => Kind::Geography,
        "geometry" => Kind::Geometry,
        "sql_variant" => Kind::Variant,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_and_their_notes_are_read() {
        let parse = |text: &str| Native::parse(text).unwrap();
        assert_eq!(parse("decimal(15,2)").kind, Kind::Decimal(15, 2));
        assert_eq!(parse("numeric").kind, Kind::Decimal(18, 0));
        assert_eq!(parse("nvarchar(max)").kind, Kind::NVarChar(None));
        assert_eq!(parse("float(24)").kind, Kind::Real);
        let asked = parse("datetime2(7) (read with 6 digits of a second)");
        assert_eq!((asked.kind, asked.form), (Kind::DateTime2(7), Form::Micros));
        let text = parse("varchar(20) (binary collation; type dbo.[read as text])");
        assert_eq!((text.binary, text.form), (true, Form::Own));
        let hostile = parse("type geo (x) (read as text)");
        assert_eq!((hostile.kind, hostile.form), (Kind::Other, Form::Text));
        for nobody in [
            "decimal(39,0)",
            "decimal(5,6)",
            "time(8)",
            "varchar(8001)",
            "intt",
            "x(1)",
        ] {
            assert_eq!(Native::parse(nobody), None, "{nobody}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Native::parse(&text);
        }
    }
}
