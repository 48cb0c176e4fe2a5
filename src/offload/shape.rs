//! What an offload says of its target's columns beyond its SELECT: types, NULLs, order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Allowances, ColumnPattern, OffloadSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::CanonicalType;

/// The type that a column shall have in the target, in place of the SELECT's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeOverride {
    /// This one; each value is cast, and checked.
    To(CanonicalType),
    /// Text in Unicode: the column must be text, and stays what it is.
    UnicodeString,
    /// Text that holds JSON, in the target's own type of such documents.
    Json,
}

impl TypeOverride {
    /// The option of the command line that says so, or the field of a spec.
    #[must_use]
    pub fn option(self) -> &'static str {
        use CanonicalType as T;
        match self {
            Self::UnicodeString => "--unicode-string-columns",
            Self::Json => "--json-columns",
            Self::To(T::Integer1) => "--integer-1-columns",
            Self::To(T::Integer2) => "--integer-2-columns",
            Self::To(T::Integer4) => "--integer-4-columns",
            Self::To(T::Integer8) => "--integer-8-columns",
            Self::To(T::Integer38) => "--integer-38-columns",
            Self::To(T::Decimal { .. }) => "--decimal-columns",
            Self::To(T::Double) => "--double-columns",
            Self::To(T::Date) => "--date-columns",
            Self::To(T::VariableString { .. }) => "--variable-string-columns",
            Self::To(T::TimestampTz { .. }) => "--timestamp-tz-columns",
            Self::To(_) => "types",
        }
    }

    /// The type that a column of another one gets.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where a value of the one is never meant as one of the other.
    pub(super) fn apply(self, column: &str, from: CanonicalType) -> Result<CanonicalType> {
        match self {
            Self::UnicodeString | Self::Json if from.is_text() => Ok(from),
            Self::UnicodeString | Self::Json => {
                Err(self.refused(format!("{from} is not string based"), column, "VARCHAR"))
            }
            Self::To(to) if is_meant(from, to) => Ok(to),
            Self::To(to) => Err(self.refused(format!("{from} -> {to}"), column, sql_name(to))),
        }
    }

    fn refused(self, why: String, column: &str, sql: &str) -> Error {
        Error::usage(format!(
            "Invalid data type conversion for column \"{column}\": {why}"
        ))
        .hint(format!(
            "leave it out of {}, or say how in --select: CAST(\"{}\" AS {sql})",
            self.option(),
            column.replace('"', "\"\"")
        ))
    }
}

impl fmt::Display for TypeOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(canonical) => canonical.fmt(f),
            Self::UnicodeString => f.write_str("UNICODE_STRING"),
            Self::Json => f.write_str("JSON"),
        }
    }
}

impl FromStr for TypeOverride {
    type Err = Error;

    /// Reads a canonical type as it is written, `UNICODE_STRING` and `JSON`.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().eq_ignore_ascii_case("UNICODE_STRING") {
            return Ok(Self::UnicodeString);
        }
        if text.trim().eq_ignore_ascii_case("JSON") {
            return Ok(Self::Json);
        }
        let canonical = text.parse::<CanonicalType>();
        canonical.map(Self::To).map_err(|error| {
            error.hint("use INTEGER_1 … INTEGER_38, DECIMAL(p,s), DOUBLE, DATE, TIMESTAMP_TZ, …")
        })
    }
}

/// Whether the values of one type are meant as values of another, so that a checked cast of each
/// is what a person expects. Numbers without a bound come as text from some systems.
fn is_meant(from: CanonicalType, to: CanonicalType) -> bool {
    use CanonicalType as T;
    let number = |t: T| t.is_exact_number() || matches!(t, T::Float | T::Double);
    let bytes = |t: T| matches!(t, T::Binary { .. } | T::LargeBinary);
    match (from, to) {
        (from, to) if from == to => true,
        (from, to) if from.is_text() => to.is_text() || number(to) || to == T::Date,
        (T::Date | T::Timestamp { .. }, to) => {
            let dated = matches!(to, T::Date | T::Timestamp { .. } | T::TimestampTz { .. });
            dated || to.is_text()
        }
        (T::TimestampTz { .. }, T::TimestampTz { .. }) => true,
        (from, to) => number(from) && number(to) || bytes(from) && bytes(to),
    }
}

/// The type's name in a CAST.
fn sql_name(to: CanonicalType) -> &'static str {
    use CanonicalType as T;
    match to {
        T::Integer1 => "TINYINT",
        T::Integer2 => "SMALLINT",
        T::Integer4 => "INT",
        T::Integer8 => "BIGINT",
        T::Integer38 => "DECIMAL(38, 0)",
        T::Decimal { .. } => "DECIMAL(p, s)",
        T::Float => "FLOAT",
        T::Double => "DOUBLE",
        T::Date => "DATE",
        T::Timestamp { .. } => "TIMESTAMP",
        T::TimestampTz { .. } => "TIMESTAMP WITH TIME ZONE",
        T::Time { .. } => "TIME",
        T::Boolean => "BOOLEAN",
        T::Binary { .. } | T::LargeBinary => "BYTEA",
        _ => "VARCHAR",
    }
}

/// Which columns of the target take no NULLs, where no list says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotNullPropagation {
    /// Those that hold none in the source.
    #[default]
    Auto,
    /// None.
    None,
}

impl FromStr for NotNullPropagation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            _ => Err(
                Error::usage(format!("\"{text}\" is no way to propagate NOT NULL"))
                    .hint("use auto or none"),
            ),
        }
    }
}

/// What becomes of columns that the source or the SELECT gained, lost or changed since the target
/// was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnSchemaChange {
    /// Any difference stops the run, and is named.
    Fail,
    /// A new column is added at the end of the target, where older rows hold NULL. A column that is
    /// gone stays, NULL in new rows. A type that fits into the target's is widened to it. Any other
    /// difference stops the run.
    #[default]
    Add,
    /// The target keeps its shape: a new column is left out, one that is gone is NULL in new rows,
    /// and a value of another type is cast to the target's, and checked.
    Ignore,
}

impl FromStr for OnSchemaChange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "fail" => Ok(Self::Fail),
            "add" => Ok(Self::Add),
            "ignore" => Ok(Self::Ignore),
            _ => Err(
                Error::usage(format!("\"{text}\" says nothing of a changed schema"))
                    .hint("use fail, add or ignore"),
            ),
        }
    }
}

/// What an offload says of its target's columns beyond its SELECT, once it makes sense alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shape {
    types: Vec<(ColumnPattern, TypeOverride)>,
    not_null: Option<Vec<ColumnPattern>>,
    propagation: NotNullPropagation,
    cluster_by: Vec<ColumnPattern>,
}

impl Shape {
    /// Reads what a spec says.
    pub(super) fn of(spec: &OffloadSpec) -> Result<Self> {
        let patterns = |texts: &[String]| -> Result<Vec<ColumnPattern>> {
            texts
                .iter()
                .map(|text| ColumnPattern::parse(text))
                .collect()
        };
        let types = spec
            .types
            .iter()
            .map(|(pattern, to)| Ok((ColumnPattern::parse(pattern)?, to.parse()?)));
        let not_null = patterns(&spec.not_null)?;
        Ok(Self {
            types: types.collect::<Result<_>>()?,
            not_null: (!not_null.is_empty()).then_some(not_null),
            propagation: spec.not_null_propagation,
            cluster_by: patterns(&spec.cluster_by)?,
        })
    }

    /// Per column what its type shall be, where something is said of it.
    pub(super) fn overrides(&self, columns: &[&str]) -> Result<Vec<Option<TypeOverride>>> {
        let mut chosen: Vec<Option<(&ColumnPattern, TypeOverride)>> = vec![None; columns.len()];
        for (pattern, to) in &self.types {
            for i in pattern.find(columns)? {
                match chosen[i] {
                    Some((other, first)) if first != *to => {
                        return Err(conflict(columns[i], (other, first), (pattern, *to)));
                    }
                    _ => chosen[i] = Some((pattern, *to)),
                }
            }
        }
        Ok(chosen
            .into_iter()
            .map(|one| one.map(|(_, to)| to))
            .collect())
    }

    /// Per column whether it may hold NULLs in the target, from whether it may in the source. A
    /// list names all that may not; an unknown name is an error.
    pub(super) fn nullable(&self, columns: &[(&str, bool)]) -> Result<Vec<bool>> {
        let Some(patterns) = &self.not_null else {
            let propagate = self.propagation == NotNullPropagation::Auto;
            return Ok(columns
                .iter()
                .map(|(_, nullable)| *nullable || !propagate)
                .collect());
        };
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut nullable = vec![true; columns.len()];
        for pattern in patterns {
            let found = pattern.find(&names).map_err(|error| {
                let hint = error.hint_text().unwrap_or_default().to_owned();
                let message = format!("Unknown columns specified for NOT NULL: {pattern}");
                Error::new(ErrorKind::NotFound, message).hint(hint)
            })?;
            for i in found {
                nullable[i] = false;
            }
        }
        Ok(nullable)
    }

    /// The positions of the columns that files are sorted by, each once.
    pub(super) fn clustered(&self, columns: &[&str]) -> Result<Vec<usize>> {
        let mut positions = Vec::new();
        for pattern in &self.cluster_by {
            for i in pattern.find(columns)? {
                if !positions.contains(&i) {
                    positions.push(i);
                }
            }
        }
        Ok(positions)
    }
}

fn conflict(
    column: &str,
    (first, one): (&ColumnPattern, TypeOverride),
    (second, other): (&ColumnPattern, TypeOverride),
) -> Error {
    Error::usage(format!(
        "Data type conflict for columns \"{column}\": {} {first} says {one} and {} {second} says \
         {other}",
        one.option(),
        other.option()
    ))
    .hint("name the column in one of them only")
}

/// The allowances of a spec.
pub(super) fn allowances(spec: &OffloadSpec) -> Allowances {
    Allowances {
        rounding: spec.allow_decimal_scale_rounding,
        floats: spec.allow_floating_point_conversions,
        nanoseconds: spec.allow_nanosecond_timestamp_columns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(types: &[(&str, &str)], not_null: &[&str], cluster_by: &[&str]) -> Shape {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let pairs = types
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let spec = OffloadSpec {
            types: pairs.collect(),
            not_null: owned(not_null),
            cluster_by: owned(cluster_by),
            ..OffloadSpec::default()
        };
        Shape::of(&spec).unwrap()
    }

    #[test]
    fn types_are_found_by_pattern_and_two_for_a_column_conflict() {
        let columns = ["id", "amount", "amount_net"];
        let types = shape(
            &[("amount*", "decimal(18,2)"), ("ID", "INTEGER_4")],
            &[],
            &[],
        );
        let found = types.overrides(&columns).unwrap();
        let shown: Vec<String> = found.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(shown, ["INTEGER_4", "DECIMAL(18,2)", "DECIMAL(18,2)"]);

        let twice = shape(&[("amount", "DOUBLE"), ("a*", "INTEGER_8")], &[], &[]);
        let error = twice.overrides(&columns).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        for part in [
            "Data type conflict",
            "\"amount\"",
            "--double-columns",
            "--integer-8-columns",
        ] {
            assert!(error.message().contains(part), "{error}");
        }
        let same = shape(&[("amount", "DOUBLE"), ("amount*", "DOUBLE")], &[], &[]);
        assert!(same.overrides(&columns).is_ok());
        let unknown = shape(&[("amuont", "DOUBLE")], &[], &[]);
        assert_eq!(
            unknown.overrides(&columns).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn a_conversion_is_meant_or_refused_with_the_remedy() {
        use CanonicalType as T;
        let text = T::VariableString { length: None };
        let decimal = T::Decimal {
            precision: 15,
            scale: 2,
        };
        let (time, instant) = (T::Timestamp { scale: 6 }, T::TimestampTz { scale: 6 });
        let cases = [
            (decimal, T::Integer1, true),
            (T::Double, decimal, true),
            (T::LargeString, decimal, true),
            (T::LargeString, T::Date, true),
            (T::LargeString, instant, false),
            (T::LargeString, text, true),
            (T::Date, text, true),
            (time, T::Date, true),
            (time, instant, true),
            (instant, T::Date, false),
            (T::Date, T::Integer4, false),
            (decimal, text, false),
            (T::Boolean, T::Integer1, false),
            (T::Boolean, T::Boolean, true),
            (T::IntervalYm, T::Integer4, false),
            (T::Binary { length: Some(4) }, text, false),
        ];
        for (from, to, meant) in cases {
            let found = TypeOverride::To(to).apply("c", from);
            assert_eq!(found.is_ok(), meant, "{from} -> {to}");
            if let Err(error) = found {
                assert_eq!(error.kind(), ErrorKind::Usage);
                let start = "Invalid data type conversion for column \"c\": ";
                assert!(error.message().starts_with(start), "{error}");
                assert!(
                    error.hint_text().unwrap().contains("CAST(\"c\" AS "),
                    "{error:#}"
                );
            }
        }
        let unicode = TypeOverride::UnicodeString;
        assert_eq!(unicode.apply("c", T::LargeString).unwrap(), T::LargeString);
        assert_eq!(
            TypeOverride::Json.apply("c", T::LargeString).unwrap(),
            T::LargeString
        );
        assert!(TypeOverride::Json.apply("c", T::Integer4).is_err());
        let error = unicode.apply("c", T::Date).unwrap_err();
        assert!(
            error.message().ends_with("DATE is not string based"),
            "{error}"
        );
    }

    #[test]
    fn nulls_and_order_are_as_they_are_said() {
        let columns = [("id", false), ("a", true), ("b", false)];
        let none = OffloadSpec {
            not_null_propagation: NotNullPropagation::None,
            ..OffloadSpec::default()
        };
        let cases = [
            (Shape::default(), [false, true, false]),
            (Shape::of(&none).unwrap(), [true, true, true]),
            (shape(&[], &["a"], &[]), [true, false, true]),
            (shape(&[], &["*"], &[]), [false, false, false]),
        ];
        for (shape, expected) in cases {
            assert_eq!(shape.nullable(&columns).unwrap(), expected, "{shape:?}");
        }
        let error = shape(&[], &["z"], &[]).nullable(&columns).unwrap_err();
        assert!(error.message().contains("NOT NULL: z"), "{error}");

        let sorted = shape(&[], &[], &["b", "*"]);
        assert_eq!(sorted.clustered(&["id", "a", "b"]).unwrap(), [2, 0, 1]);
        assert!(shape(&[], &[], &["z"]).clustered(&["id"]).is_err());
    }

    #[test]
    fn a_type_reads_back() {
        for text in [
            "UNICODE_STRING",
            "JSON",
            "INTEGER_38",
            "DECIMAL(38,10)",
            "TIMESTAMP_TZ(6)",
        ] {
            assert_eq!(text.parse::<TypeOverride>().unwrap().to_string(), text);
        }
        assert!("NUMERIC".parse::<TypeOverride>().is_err());
    }
}
