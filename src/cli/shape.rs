//! The flags that say what the target's columns are beyond the SELECT, and how rows lie in it.

use std::collections::BTreeMap;

use clap::Args;

use super::request::split_list;
use crate::error::{Error, Result};
use crate::offload::{
    ColumnPattern, NotNullPropagation, OffloadSpec, OnSchemaChange, TypeOverride,
};
use crate::schema::CanonicalType;

/// COLUMNS are names or patterns with `*`, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(
    next_help_heading = "Shape of the target (COLUMNS: names or patterns with *, such as id,amount_*)"
)]
pub(super) struct Shape {
    /// Make these columns integers of 1 byte; each value is checked
    #[arg(long = "integer-1-columns", value_name = "COLUMNS")]
    integer_1: Vec<String>,
    /// Make these columns integers of 2 bytes
    #[arg(long = "integer-2-columns", value_name = "COLUMNS")]
    integer_2: Vec<String>,
    /// Make these columns integers of 4 bytes
    #[arg(long = "integer-4-columns", value_name = "COLUMNS")]
    integer_4: Vec<String>,
    /// Make these columns integers of 8 bytes
    #[arg(long = "integer-8-columns", value_name = "COLUMNS")]
    integer_8: Vec<String>,
    /// Make these columns integers of 38 digits
    #[arg(long = "integer-38-columns", value_name = "COLUMNS")]
    integer_38: Vec<String>,
    /// Make these columns decimals of the type that --decimal-columns-type of the same place says
    #[arg(long, value_name = "COLUMNS")]
    decimal_columns: Vec<String>,
    /// PRECISION,SCALE of the columns of the --decimal-columns of the same place, such as 18,2
    #[arg(long, value_name = "P,S")]
    decimal_columns_type: Vec<String>,
    /// Make these columns doubles; a value that has no double of its own stops the run
    #[arg(long, value_name = "COLUMNS")]
    double_columns: Vec<String>,
    /// Make these columns dates; a time that is not midnight stops the run
    #[arg(long, value_name = "COLUMNS")]
    date_columns: Vec<String>,
    /// Make these dates and times text
    #[arg(long, value_name = "COLUMNS")]
    variable_string_columns: Vec<String>,
    /// Make these times without a zone instants, read as UTC
    #[arg(long, value_name = "COLUMNS")]
    timestamp_tz_columns: Vec<String>,
    /// These columns are text in Unicode
    #[arg(long, value_name = "COLUMNS")]
    unicode_string_columns: Vec<String>,
    /// Keep these texts as JSON documents, in the target's own type for them
    #[arg(long, value_name = "COLUMNS")]
    json_columns: Vec<String>,
    /// Round where a decimal has more fraction digits than its column, half away from zero
    #[arg(long)]
    allow_decimal_scale_rounding: bool,
    /// Take the nearest float, and NULL for NaN and infinity where the column has neither
    #[arg(long)]
    allow_floating_point_conversions: bool,
    /// Cut timestamps that are finer than the target's
    #[arg(long)]
    allow_nanosecond_timestamp_columns: bool,
    /// These columns take no NULLs, all others do
    #[arg(long, value_name = "COLUMNS")]
    not_null_columns: Vec<String>,
    /// Whether columns that hold no NULLs in the source take none in the target
    #[arg(long, value_name = "auto|none", value_parser = |text: &str| text.parse::<NotNullPropagation>())]
    not_null_propagation: Option<NotNullPropagation>,
    /// Sort each file inside by these columns, or NONE
    #[arg(long, value_name = "COLUMNS")]
    sort_columns: Vec<String>,
    /// Partition by these columns, as --partition-granularity says
    #[arg(long, value_name = "COLUMNS")]
    partition_columns: Vec<String>,
    /// One for each partition column: Y, M or D for a date; a number for the width of a range of
    /// numbers, or for how many characters of a text
    #[arg(long, value_name = "LIST", requires = "partition_columns")]
    partition_granularity: Vec<String>,
    /// What becomes of columns that are new, gone or changed since the target was made [default: add]
    #[arg(long, value_name = "fail|add|ignore", value_parser = |text: &str| text.parse::<OnSchemaChange>())]
    on_schema_change: Option<OnSchemaChange>,
}

impl Shape {
    /// A spec that says nothing but this.
    pub(super) fn spec(&self) -> Result<OffloadSpec> {
        Ok(OffloadSpec {
            types: self.types()?,
            allow_decimal_scale_rounding: self.allow_decimal_scale_rounding,
            allow_floating_point_conversions: self.allow_floating_point_conversions,
            allow_nanosecond_timestamp_columns: self.allow_nanosecond_timestamp_columns,
            not_null: all(&self.not_null_columns),
            not_null_propagation: self.not_null_propagation.unwrap_or_default(),
            cluster_by: match all(&self.sort_columns).as_slice() {
                [none] if none.eq_ignore_ascii_case("none") => Vec::new(),
                columns => columns.to_vec(),
            },
            on_schema_change: self.on_schema_change.unwrap_or_default(),
            ..OffloadSpec::default()
        })
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What --partition-columns and --partition-granularity mean.
    pub(super) fn partition_by(&self) -> Result<Vec<String>> {
        let columns = all(&self.partition_columns);
        let granularities: Vec<String> = match self.partition_granularity.as_slice() {
            [] => columns.iter().map(|_| String::new()).collect(),
            // An empty part says nothing of its column.
            given => given
                .join(",")
                .split(',')
                .map(|part| part.trim().to_owned())
                .collect(),
        };
        if columns.len() != granularities.len() {
            return Err(Error::usage(format!(
                "There are {} --partition-columns and {} parts of --partition-granularity",
                columns.len(),
                granularities.len()
            ))
            .hint("give one for each column, in their order: --partition-granularity M,1000"));
        }
        let pairs = columns.iter().zip(&granularities);
        pairs
            .map(|(column, granularity)| partition(column, granularity))
            .collect()
    }

    fn types(&self) -> Result<BTreeMap<String, String>> {
        use CanonicalType as T;
        let mut types = Types::default();
        let plain = [
            (&self.integer_1, TypeOverride::To(T::Integer1)),
            (&self.integer_2, TypeOverride::To(T::Integer2)),
            (&self.integer_4, TypeOverride::To(T::Integer4)),
            (&self.integer_8, TypeOverride::To(T::Integer8)),
            (&self.integer_38, TypeOverride::To(T::Integer38)),
            (&self.double_columns, TypeOverride::To(T::Double)),
            (&self.date_columns, TypeOverride::To(T::Date)),
            (
                &self.variable_string_columns,
                TypeOverride::To(T::VariableString { length: None }),
            ),
            (
                &self.timestamp_tz_columns,
                TypeOverride::To(T::TimestampTz { scale: 6 }),
            ),
            (&self.unicode_string_columns, TypeOverride::UnicodeString),
            (&self.json_columns, TypeOverride::Json),
        ];
        for (columns, to) in plain {
            types.add(all(columns), to)?;
        }
        let (lists, digits) = (&self.decimal_columns, &self.decimal_columns_type);
        if lists.len() != digits.len() {
            return Err(Error::usage(format!(
                "Unbalanced --decimal-columns, --decimal-columns-type pairs ({} and {})",
                lists.len(),
                digits.len()
            ))
            .hint(
                "say both for each type: --decimal-columns 'amount_*' --decimal-columns-type 18,2",
            ));
        }
        for (columns, digits) in lists.iter().zip(digits) {
            types.add(split_list(columns), TypeOverride::To(decimal(digits)?))?;
        }
        Ok(types.0)
    }
}

#[derive(Default)]
struct Types(BTreeMap<String, String>);

impl Types {
    fn add(&mut self, columns: Vec<String>, to: TypeOverride) -> Result<()> {
        for column in columns {
            let other = self.0.insert(column.clone(), to.to_string());
            if let Some(other) = other.filter(|other| *other != to.to_string()) {
                let option = other.parse::<TypeOverride>()?.option();
                return Err(Error::usage(format!(
                    "Data type conflict for columns \"{column}\": {option} says {other} and {} \
                     says {to}",
                    to.option()
                ))
                .hint("name the column in one of them only"));
            }
        }
        Ok(())
    }
}

fn decimal(digits: &str) -> Result<CanonicalType> {
    format!("DECIMAL({digits})").parse().map_err(|_| {
        Error::usage(format!(
            "--decimal-columns-type must be of format \"precision,scale\" where 1<=precision<=76 \
             and 0<=scale<=precision, and \"{digits}\" is not"
        ))
        .hint("for amounts up to 9999999999999999.99: --decimal-columns-type 18,2")
    })
}

fn partition(column: &str, granularity: &str) -> Result<String> {
    // Reads what a pattern may be, and refuses those that are many columns.
    ColumnPattern::parse(column)?;
    if column.contains('*') && !column.starts_with('"') {
        return Err(Error::usage(format!(
            "--partition-columns names columns, and {column} is a pattern"
        ))
        .hint("write each column out"));
    }
    Ok(match granularity.to_ascii_uppercase().as_str() {
        "" => column.to_owned(),
        "Y" => format!("year({column})"),
        "M" => format!("month({column})"),
        "D" => format!("day({column})"),
        width => format!("truncate({column}, {width})"),
    })
}

/// The parts of all lists.
fn all(lists: &[String]) -> Vec<String> {
    lists.iter().flat_map(|list| split_list(list)).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::error::ErrorKind;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        shape: Shape,
    }

    fn shape(line: &str) -> Shape {
        let words = std::iter::once("goe").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().shape
    }

    #[test]
    fn flags_say_what_the_spec_holds() {
        let spec = shape(
            "--integer-4-columns id,*_id --decimal-columns a,b --decimal-columns-type 18,2 \
             --decimal-columns c --decimal-columns-type 38,10 --date-columns \"x,y\" \
             --not-null-columns id --sort-columns b,a --on-schema-change IGNORE \
             --not-null-propagation NONE --allow-decimal-scale-rounding",
        )
        .spec()
        .unwrap();
        let types: Vec<(&str, &str)> = spec.types.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            types,
            [
                ("\"x,y\"", "DATE"),
                ("*_id", "INTEGER_4"),
                ("a", "DECIMAL(18,2)"),
                ("b", "DECIMAL(18,2)"),
                ("c", "DECIMAL(38,10)"),
                ("id", "INTEGER_4"),
            ]
        );
        assert_eq!(
            (spec.not_null, spec.cluster_by),
            (vec!["id".to_owned()], vec!["b".to_owned(), "a".to_owned()])
        );
        assert_eq!(spec.on_schema_change, OnSchemaChange::Ignore);
        assert_eq!(spec.not_null_propagation, NotNullPropagation::None);
        assert!(spec.allow_decimal_scale_rounding && !spec.allow_floating_point_conversions);
        assert_eq!(
            shape("--sort-columns NONE").spec().unwrap(),
            OffloadSpec::default()
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        let cases = [
            ("--decimal-columns a", "Unbalanced --decimal-columns"),
            (
                "--decimal-columns a --decimal-columns-type 2,18",
                "precision,scale",
            ),
            (
                "--decimal-columns a --decimal-columns-type 77,0",
                "precision,scale",
            ),
            (
                "--integer-1-columns a --double-columns a",
                "--integer-1-columns says INTEGER_1 and --double-columns",
            ),
            (
                "--partition-columns a,b --partition-granularity M",
                "2 --partition-columns and 1",
            ),
            ("--partition-columns a*", "is a pattern"),
        ];
        for (line, message) in cases {
            let shape = shape(line);
            let error = shape.spec().and_then(|_| shape.partition_by()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.message().contains(message), "{line}: {error}");
        }
    }

    #[test]
    fn partition_columns_have_their_granularity() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "--partition-columns d --partition-granularity m",
                &["month(d)"],
            ),
            (
                "--partition-columns d,id,name --partition-granularity Y,1000,3",
                &["year(d)", "truncate(id, 1000)", "truncate(name, 3)"],
            ),
            (
                "--partition-columns region,d --partition-granularity ,D",
                &["region", "day(d)"],
            ),
            ("--partition-columns region", &["region"]),
        ];
        for (line, expected) in cases {
            assert_eq!(shape(line).partition_by().unwrap(), expected, "{line}");
        }
        let wrong = shape("--partition-columns a --partition-granularity Q")
            .partition_by()
            .unwrap();
        assert!(wrong[0].parse::<crate::offload::PartitionBy>().is_err());
    }
}
