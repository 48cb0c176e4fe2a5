//! The text of a native type: `numeric(15,2)`, `enum shop.mood`, `integer (domain shop.age)`.
//!
//! It is what people see in the plan, and all that the dialect and the decoders know of a column.

/// What a column is, domains resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Oid,
    Numeric(Option<(u32, i32)>),
    Money,
    Real,
    Double,
    Date,
    Time(u8),
    TimeTz,
    Timestamp(u8),
    TimestampTz(u8),
    Interval,
    Uuid,
    Bytea,
    Text,
    Name,
    /// The one-byte type `"char"`.
    Char,
    Varchar(Option<u32>),
    Bpchar(Option<u32>),
    Json,
    Jsonb,
    Array,
    Composite,
    Enum,
    /// Anything else that has a text form.
    Other,
    /// No values at all.
    Pseudo,
}

/// A native type with what else matters about its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Native {
    pub(super) kind: Kind,
    /// Whether a person asked for the text form.
    pub(super) as_text: bool,
    /// Whether equal texts are equal bytes.
    pub(super) deterministic: bool,
    /// Whether the database's text is UTF-8, so that text compares there as here.
    pub(super) utf8: bool,
}

pub(super) const AS_TEXT: &str = "read as text";
pub(super) const NOT_DETERMINISTIC: &str = "collation not deterministic";
pub(super) const ENCODED: &str = "database not in UTF8";

/// Types of the server that people may name and that are read in their text form.
const OTHERS: &[&str] = &[
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit",
    "bit varying",
    "tsvector",
    "tsquery",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "pg_lsn",
    "xid",
    "xid8",
    "cid",
    "tid",
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regrole",
    "regnamespace",
];

impl Native {
    /// Reads a native text; `None` for one that is nobody's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let prefixed = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
        // A user's type may have any name; the server's own have none with " (" in it.
        let notes = match prefixed {
            Some(_) => text.rsplit_once(" ("),
            None => text.split_once(" ("),
        };
        let (head, notes) = notes.unwrap_or((text, ""));
        let kind = match prefixed {
            Some((_, kind)) => *kind,
            None if head.ends_with("[]") => Kind::Array,
            None => built_in(head)?,
        };
        let mut native = Self {
            kind,
            as_text: false,
            deterministic: true,
            utf8: true,
        };
        for note in notes.trim_end_matches(')').split("; ") {
            match note {
                AS_TEXT => native.as_text = true,
                NOT_DETERMINISTIC => native.deterministic = false,
                ENCODED => native.utf8 = false,
                // A domain's name is the last note and may hold anything.
                _ => break,
            }
        }
        Some(native)
    }
}

const PREFIXES: &[(&str, Kind)] = &[
    ("enum ", Kind::Enum),
    ("composite ", Kind::Composite),
    ("type ", Kind::Other),
    ("pseudo ", Kind::Pseudo),
];

fn built_in(head: &str) -> Option<Kind> {
    let (name, parameters) = without_parameters(head)?;
    let first = parameters.first().copied();
    let length = first.and_then(|length| u32::try_from(length).ok());
    let digits = first
        .and_then(|digits| u8::try_from(digits).ok())
        .unwrap_or(6);
    Some(match name.as_str() {
        "boolean" | "bool" => Kind::Boolean,
        "smallint" | "int2" => Kind::SmallInt,
        "integer" | "int" | "int4" => Kind::Integer,
        "bigint" | "int8" => Kind::BigInt,
        "oid" => Kind::Oid,
        "numeric" | "decimal" => match (length, parameters.get(1)) {
            (None, _) => Kind::Numeric(None),
            (Some(precision), scale) => {
                Kind::Numeric(Some((precision, scale.copied().unwrap_or(0))))
            }
        },
        "money" => Kind::Money,
        "real" | "float4" => Kind::Real,
        "double precision" | "float8" => Kind::Double,
        "date" => Kind::Date,
        "time without time zone" | "time" => Kind::Time(digits),
        "time with time zone" | "timetz" => Kind::TimeTz,
        "timestamp without time zone" | "timestamp" => Kind::Timestamp(digits),
        "timestamp with time zone" | "timestamptz" => Kind::TimestampTz(digits),
        "uuid" => Kind::Uuid,
        "bytea" => Kind::Bytea,
        "text" => Kind::Text,
        "name" => Kind::Name,
        "\"char\"" => Kind::Char,
        "character varying" | "varchar" => Kind::Varchar(length),
        "character" | "char" => Kind::Bpchar(Some(length.unwrap_or(1))),
        "bpchar" => Kind::Bpchar(length),
        "json" => Kind::Json,
        "jsonb" => Kind::Jsonb,
        name if name.starts_with("interval") => Kind::Interval,
        name if OTHERS.contains(&name) => Kind::Other,
        _ => return None,
    })
}

/// The name without its `(…)`, wherever that stands, and the numbers that stood there.
fn without_parameters(head: &str) -> Option<(String, Vec<i32>)> {
    let Some((before, rest)) = head.split_once('(') else {
        return Some((head.to_owned(), Vec::new()));
    };
    let (inside, after) = rest.split_once(')')?;
    let numbers: Option<Vec<i32>> = inside
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect();
    Some((format!("{before}{after}"), numbers?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn notes_are_read_and_a_hostile_name_is_not() {
        let parse = |text: &str| Native::parse(text).unwrap();
        let plain = parse("integer (domain shop.\"a; read as text\")");
        assert_eq!((plain.kind, plain.as_text), (Kind::Integer, false));
        let asked = parse("integer[] (read as text; domain shop.list)");
        assert_eq!((asked.kind, asked.as_text), (Kind::Array, true));
        let text = parse("character varying(3) (collation not deterministic)");
        assert_eq!(
            (text.kind, text.deterministic),
            (Kind::Varchar(Some(3)), false)
        );
        assert_eq!(parse("enum \"a (b\"").kind, Kind::Enum);
        assert_eq!(parse("numeric(5,-2)").kind, Kind::Numeric(Some((5, -2))));
        assert_eq!(
            parse("timestamp(3) with time zone").kind,
            Kind::TimestampTz(3)
        );
        assert_eq!(Native::parse("integr"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Native::parse(&text);
        }
    }
}
