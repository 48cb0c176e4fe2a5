//! The flags that say which partitions a run takes, under the old tool's names.

use clap::Args;
use clap::builder::TypedValueParser;

use crate::config::parse_bytes;
use crate::error::{Error, Result};
use crate::offload::{OffloadType, PartitionRequest, PredicateType};
use crate::schema::{CanonicalType, parse_value};

/// Where help shows them.
const HEADING: &str = "Partitions";

/// Which partitions of the source are taken, and in what pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Window {
    /// Whole partitions that end at or before this day, YYYY-MM-DD
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "DATE",
        value_parser = day,
        conflicts_with_all = [
            "older_than_days", "less_than_value", "partition_names", "equal_to_values",
        ]
    )]
    older_than_date: Option<String>,
    /// Whole partitions that end at least so many days before now, in UTC; 0 or more
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "N",
        conflicts_with_all = ["less_than_value", "partition_names", "equal_to_values"]
    )]
    older_than_days: Option<u32>,
    /// Whole partitions that end at or below this value; one for each key column, between commas
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "VALUES",
        allow_hyphen_values = true,
        conflicts_with_all = ["partition_names", "equal_to_values"]
    )]
    less_than_value: Option<String>,
    /// These partitions, between commas; of ranges the last one that is taken
    #[arg(long, help_heading = HEADING, value_name = "NAMES", conflicts_with = "equal_to_values")]
    partition_names: Vec<String>,
    /// The list partition that holds exactly these values; repeat it for each partition
    #[arg(long, help_heading = HEADING, value_name = "VALUES", allow_hyphen_values = true)]
    equal_to_values: Vec<String>,
    /// Only rows for which this is true: SQL, or column(x) < datetime(2020-01-01)
    #[arg(long, help_heading = HEADING, value_name = "PREDICATE")]
    offload_predicate: Option<String>,
    /// What the window is made of; derived from the source by default
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "TYPE",
        ignore_case = true,
        value_parser = predicate_type()
    )]
    offload_predicate_type: Option<PredicateType>,
    /// FULL, everything, or INCREMENTAL, only what is closed; derived by default
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "TYPE",
        ignore_case = true,
        value_parser = offload_type()
    )]
    offload_type: Option<OffloadType>,
    /// Follow the boundaries of subpartitions
    #[arg(long, help_heading = HEADING, conflicts_with = "equal_to_values")]
    offload_by_subpartition: bool,
    /// The most that is published at once, by the source's statistics, such as 16G or 100M [16G]
    #[arg(long, help_heading = HEADING, value_name = "SIZE", value_parser = chunk_bytes)]
    max_offload_chunk_size: Option<u64>,
    /// The most partitions that are published at once, 1 to 1000 [100]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    max_offload_chunk_count: Option<u16>,
}

impl Window {
    /// The request that the flags mean.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for options that do not go together.
    pub(super) fn request(&self) -> Result<PartitionRequest> {
        let names = self.partition_names.iter().flat_map(|text| names(text));
        let request = PartitionRequest {
            older_than_date: self.older_than_date.clone(),
            older_than_days: self.older_than_days,
            less_than_value: self.less_than_value.clone(),
            partition_names: names.collect(),
            equal_to_values: self.equal_to_values.clone(),
            predicate: self.offload_predicate.clone(),
            predicate_type: self.offload_predicate_type,
            offload_type: self.offload_type,
            by_subpartition: self.offload_by_subpartition,
            chunk_bytes: self.max_offload_chunk_size,
            chunk_count: self.max_offload_chunk_count,
        };
        if request.partition_names.is_empty() && !self.partition_names.is_empty() {
            return Err(Error::usage("--partition-names names none").hint("give a name"));
        }
        request.check()?;
        Ok(request)
    }
}

/// Names between commas; a name with a comma stands in double quotes, doubled inside.
fn names(text: &str) -> Vec<String> {
    super::request::split_list(text)
        .into_iter()
        .map(|name| {
            let inner = name
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            inner.map_or_else(|| name.clone(), |inner| inner.replace("\"\"", "\""))
        })
        .collect()
}

fn day(text: &str) -> Result<String> {
    parse_value(text, CanonicalType::Date).map(|_| text.to_owned())
}

fn chunk_bytes(text: &str) -> Result<u64> {
    match parse_bytes(text)? {
        0 => Err(Error::usage("a chunk has at least one byte")),
        bytes => Ok(bytes),
    }
}

fn predicate_type() -> impl TypedValueParser<Value = PredicateType> {
    clap::builder::PossibleValuesParser::new(PredicateType::ALL.map(PredicateType::name))
        .try_map(|text| text.parse::<PredicateType>())
}

fn offload_type() -> impl TypedValueParser<Value = OffloadType> {
    clap::builder::PossibleValuesParser::new(["FULL", "INCREMENTAL"])
        .try_map(|text| text.parse::<OffloadType>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind as ParseError;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        window: Window,
    }

    fn parse(words: &[&str]) -> Result<Line, clap::Error> {
        Line::try_parse_from([&["goe"], words].concat())
    }

    /// The request of a command line as JSON.
    fn request(words: &[&str]) -> String {
        let line = parse(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        serde_json::to_string(&line.window.request().unwrap()).unwrap()
    }

    #[test]
    fn the_old_options_make_a_request() {
        let table: &[(&[&str], &str)] = &[
            (&[], "{}"),
            (
                &["--older-than-date", "2020-01-31"],
                r#"{"older_than_date":"2020-01-31"}"#,
            ),
            (&["--older-than-days=90"], r#"{"older_than_days":90}"#),
            (
                &["--less-than-value", "-5,'a,b'"],
                r#"{"less_than_value":"-5,'a,b'"}"#,
            ),
            (
                &[
                    "--partition-names",
                    "p1, \"P,2\"",
                    "--partition-names",
                    "p3",
                ],
                r#"{"partition_names":["p1","P,2","p3"]}"#,
            ),
            (
                &["--equal-to-values", "A,B", "--equal-to-values", "-1"],
                r#"{"equal_to_values":["A,B","-1"]}"#,
            ),
            (
                &[
                    "--offload-predicate",
                    "a < 5",
                    "--offload-predicate-type",
                    "range_and_predicate",
                    "--less-than-value=5",
                ],
                r#"{"less_than_value":"5","predicate":"a < 5","predicate_type":"RANGE_AND_PREDICATE"}"#,
            ),
            (
                &["--offload-type", "full", "--offload-by-subpartition"],
                r#"{"offload_type":"FULL","by_subpartition":true}"#,
            ),
            (
                &[
                    "--max-offload-chunk-size",
                    "16G",
                    "--max-offload-chunk-count",
                    "1000",
                ],
                r#"{"chunk_bytes":17179869184,"chunk_count":1000}"#,
            ),
            (
                &["--max-offload-chunk-size", "0.5M"],
                r#"{"chunk_bytes":524288}"#,
            ),
        ];
        for (words, json) in table {
            assert_eq!(request(words), *json, "{words:?}");
        }
    }

    /// Section 1.3: each pair of the options that say which data is a conflict, with both named.
    #[test]
    fn two_that_conflict_are_both_named() {
        let options = [
            ("--older-than-date", "2020-01-31"),
            ("--older-than-days", "1"),
            ("--less-than-value", "5"),
            ("--partition-names", "p"),
            ("--equal-to-values", "1"),
        ];
        for (at, (one, first)) in options.iter().enumerate() {
            for (other, second) in &options[at + 1..] {
                let error = parse(&[one, first, other, second]).unwrap_err();
                assert_eq!(error.kind(), ParseError::ArgumentConflict);
                let shown = error.to_string();
                assert!(shown.contains(one) && shown.contains(other), "{shown}");
            }
        }
        let error = parse(&["--offload-by-subpartition", "--equal-to-values", "1"]);
        assert_eq!(error.unwrap_err().kind(), ParseError::ArgumentConflict);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let table: &[(&[&str], ParseError)] = &[
            (
                &["--older-than-date", "2021-02-29"],
                ParseError::ValueValidation,
            ),
            (
                &["--older-than-date", "2020-1-1"],
                ParseError::ValueValidation,
            ),
            (&["--older-than-days=-1"], ParseError::ValueValidation),
            (&["--older-than-days", "1.5"], ParseError::ValueValidation),
            (
                &["--max-offload-chunk-count", "0"],
                ParseError::ValueValidation,
            ),
            (
                &["--max-offload-chunk-count", "1001"],
                ParseError::ValueValidation,
            ),
            (
                &["--max-offload-chunk-size", "0"],
                ParseError::ValueValidation,
            ),
            (
                &["--max-offload-chunk-size", "16X"],
                ParseError::ValueValidation,
            ),
            (
                &["--offload-predicate-type", "SOME"],
                ParseError::InvalidValue,
            ),
            (&["--offload-type", "HALF"], ParseError::InvalidValue),
        ];
        for (words, kind) in table {
            assert_eq!(parse(words).unwrap_err().kind(), *kind, "{words:?}");
        }
        let alone = parse(&["--offload-predicate-type", "PREDICATE"]).unwrap();
        let error = alone.window.request().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Usage);
        let none = parse(&["--partition-names", ","]).unwrap();
        assert_eq!(
            none.window.request().unwrap_err().kind(),
            crate::ErrorKind::Usage
        );
    }
}
