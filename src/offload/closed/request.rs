//! What a person asks of a source's partitions, as data: the old tool's window options.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::{CanonicalType, nearest, parse_value};

/// Which partitions a run takes, and in what pieces. Flags and JSON both build it; what is left out
/// is derived from the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartitionRequest {
    /// Whole partitions that end at or before this day, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_date: Option<String>,
    /// Whole partitions that end at or before the time of the plan less this many days, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<u32>,
    /// Whole partitions that end at or below this value; one value for each key column, between
    /// commas, text in single quotes where it holds a comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub less_than_value: Option<String>,
    /// These partitions; of ranges exactly one, the last that is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_names: Vec<String>,
    /// The list partitions that hold exactly these values; one entry for each partition, its values
    /// between commas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equal_to_values: Vec<String>,
    /// Only the rows for which this is true: SQL, or the old predicate language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// What the window is made of; derived where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<PredicateType>,
    /// Everything, or only what is closed; derived where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offload_type: Option<OffloadType>,
    /// Whether boundaries are those of subpartitions; `false` lets the source decide.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_subpartition: bool,
    /// The most bytes of a chunk by the source's statistics; 16 GiB by default, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// The most partitions of a chunk, 1 to 1000; 100 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_count: Option<u16>,
}

/// What a window is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PredicateType {
    /// Values of list partitions.
    List,
    /// List partitions of one value each, up to a value.
    ListAsRange,
    /// Everything below a boundary.
    Range,
    /// A predicate alone.
    Predicate,
    /// List partitions up to a value, with a predicate.
    ListAsRangeAndPredicate,
    /// Everything below a boundary, with a predicate.
    RangeAndPredicate,
}

impl PredicateType {
    /// All of them, in the order that help shows.
    pub const ALL: [Self; 6] = [
        Self::List,
        Self::ListAsRange,
        Self::Range,
        Self::Predicate,
        Self::ListAsRangeAndPredicate,
        Self::RangeAndPredicate,
    ];

    /// Its name as people write it: `LIST_AS_RANGE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::ListAsRange => "LIST_AS_RANGE",
            Self::Range => "RANGE",
            Self::Predicate => "PREDICATE",
            Self::ListAsRangeAndPredicate => "LIST_AS_RANGE_AND_PREDICATE",
            Self::RangeAndPredicate => "RANGE_AND_PREDICATE",
        }
    }

    /// Whether a predicate belongs to it.
    #[must_use]
    pub fn has_predicate(self) -> bool {
        self != self.without_predicate() || self == Self::Predicate
    }

    /// The type of the partitions alone.
    #[must_use]
    pub fn without_predicate(self) -> Self {
        match self {
            Self::ListAsRangeAndPredicate => Self::ListAsRange,
            Self::RangeAndPredicate => Self::Range,
            plain => plain,
        }
    }

    /// The type of the same partitions with a predicate; lists have none of their own.
    #[must_use]
    pub fn with_predicate(self) -> Self {
        match self {
            Self::ListAsRange => Self::ListAsRangeAndPredicate,
            Self::Range => Self::RangeAndPredicate,
            same => same,
        }
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PredicateType {
    type Err = Error;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self> {
        let names = || Self::ALL.map(Self::name);
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                let error = Error::usage(format!("\"{text}\" is no predicate type"));
                match nearest(text, names()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("use one of {}", names().join(", "))),
                }
            })
    }
}

/// How much of a source a run is meant to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OffloadType {
    /// Everything.
    Full,
    /// Only what is closed, so that the next run takes what is new.
    Incremental,
}

impl OffloadType {
    /// Its name as people write it: `FULL`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Incremental => "INCREMENTAL",
        }
    }
}

impl fmt::Display for OffloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OffloadType {
    type Err = Error;

    /// Reads a name in any case.
    fn from_str(text: &str) -> Result<Self> {
        [Self::Full, Self::Incremental]
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                Error::usage(format!("\"{text}\" is no offload type"))
                    .hint("use FULL or INCREMENTAL")
            })
    }
}

/// The most bytes of a chunk where nothing else is asked for: 16 GiB.
pub(super) const CHUNK_BYTES: u64 = 16 << 30;

/// The most partitions of a chunk where nothing else is asked for.
pub(super) const CHUNK_COUNT: u16 = 100;

pub(super) const PREDICATE: &str = "--offload-predicate";
pub(super) const EQUAL_TO: &str = "--equal-to-values";
pub(super) const NAMES: &str = "--partition-names";
const TYPE: &str = "--offload-predicate-type";

impl PartitionRequest {
    /// Whether nothing at all is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The most bytes of a chunk.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes.unwrap_or(CHUNK_BYTES)
    }

    /// The most partitions of a chunk.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunk_count.unwrap_or(CHUNK_COUNT).into()
    }

    /// The option that gives a boundary, if one does.
    pub(super) fn boundary_option(&self) -> Option<&'static str> {
        let given = [
            ("--older-than-date", self.older_than_date.is_some()),
            ("--older-than-days", self.older_than_days.is_some()),
            ("--less-than-value", self.less_than_value.is_some()),
        ];
        given
            .iter()
            .find(|(_, given)| *given)
            .map(|(name, _)| *name)
    }

    /// The option that says which partitions, if one does.
    pub(crate) fn partition_option(&self) -> Option<&'static str> {
        let lists = [
            (NAMES, !self.partition_names.is_empty()),
            (EQUAL_TO, !self.equal_to_values.is_empty()),
        ];
        let listed = || {
            lists
                .iter()
                .find(|(_, given)| *given)
                .map(|(name, _)| *name)
        };
        self.boundary_option().or_else(listed)
    }

    /// Checks what can be checked without the source.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] with the option, or with the two that do not go together.
    pub fn check(&self) -> Result<()> {
        self.check_conflicts()?;
        self.check_type()?;
        if let Some(day) = &self.older_than_date {
            parse_value(day, CanonicalType::Date)
                .map_err(|error| error.context("option", "--older-than-date"))?;
        }
        if self.chunk_bytes == Some(0) {
            return Err(Error::usage("--max-offload-chunk-size is 0")
                .hint("give at least one byte, such as 16G"));
        }
        match self.chunk_count {
            None | Some(1..=1000) => Ok(()),
            Some(count) => Err(
                Error::usage(format!("--max-offload-chunk-count is {count}"))
                    .hint("give a number from 1 to 1000"),
            ),
        }
    }

    fn check_conflicts(&self) -> Result<()> {
        let given: Vec<&str> = [
            ("--older-than-date", self.older_than_date.is_some()),
            ("--older-than-days", self.older_than_days.is_some()),
            ("--less-than-value", self.less_than_value.is_some()),
            (NAMES, !self.partition_names.is_empty()),
            (EQUAL_TO, !self.equal_to_values.is_empty()),
        ]
        .iter()
        .filter_map(|(name, given)| given.then_some(*name))
        .collect();
        match given.as_slice() {
            [one, other, ..] => Err(conflict(one, other)),
            _ if self.by_subpartition && !self.equal_to_values.is_empty() => {
                Err(conflict("--offload-by-subpartition", EQUAL_TO))
            }
            _ => Ok(()),
        }
    }

    fn check_type(&self) -> Result<()> {
        let has_predicate = self.predicate.is_some();
        if has_predicate && self.offload_type == Some(OffloadType::Full) {
            return Err(conflict("--offload-type FULL", PREDICATE));
        }
        let Some(asked) = self.predicate_type else {
            return Ok(());
        };
        let asking = format!("{TYPE} {asked}");
        if asked.has_predicate() && !has_predicate {
            return Err(Error::usage(format!("{asking} has no predicate"))
                .hint(format!("add {PREDICATE}, or ask for another type")));
        }
        let ranges = !matches!(asked, PredicateType::List | PredicateType::Predicate);
        match self.partition_option() {
            Some(option) if asked == PredicateType::Predicate => Err(conflict(&asking, option)),
            Some(EQUAL_TO) if ranges => Err(conflict(&asking, EQUAL_TO)),
            Some(option)
                if asked == PredicateType::List && ![NAMES, EQUAL_TO].contains(&option) =>
            {
                Err(conflict(&asking, option))
            }
            _ => Ok(()),
        }
    }
}

/// Two options that do not go together.
pub(super) fn conflict(one: &str, other: &str) -> Error {
    Error::usage(format!(
        "Conflicting data identification options: {one} and {other}"
    ))
    .hint("give one of the two")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn request(json: &str) -> PartitionRequest {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn a_request_is_json_and_unknown_fields_are_refused() {
        let json = r#"{"less_than_value":"5","predicate_type":"LIST_AS_RANGE","offload_type":"INCREMENTAL","by_subpartition":true,"chunk_bytes":7,"chunk_count":9}"#;
        assert_eq!(serde_json::to_string(&request(json)).unwrap(), json);
        assert!(request("{}").is_empty());
        assert!(serde_json::from_str::<PartitionRequest>(r#"{"older_than":"x"}"#).is_err());
    }

    /// Section 1.3: what does not go together, with both options named.
    #[test]
    fn options_that_conflict_are_both_named() {
        let table = [
            (
                r#"{"older_than_days":1,"less_than_value":"5"}"#,
                ["--older-than-days", "--less-than-value"],
            ),
            (
                r#"{"older_than_date":"2020-01-01","older_than_days":1}"#,
                ["--older-than-date", "--older-than-days"],
            ),
            (
                r#"{"partition_names":["p"],"equal_to_values":["1"]}"#,
                ["--partition-names", "--equal-to-values"],
            ),
            (
                r#"{"less_than_value":"5","partition_names":["p"]}"#,
                ["--less-than-value", "--partition-names"],
            ),
            (
                r#"{"less_than_value":"5","equal_to_values":["1"]}"#,
                ["--less-than-value", "--equal-to-values"],
            ),
            (
                r#"{"by_subpartition":true,"equal_to_values":["1"]}"#,
                ["--offload-by-subpartition", "--equal-to-values"],
            ),
            (
                r#"{"offload_type":"FULL","predicate":"x"}"#,
                ["--offload-type FULL", "--offload-predicate"],
            ),
            (
                r#"{"predicate_type":"RANGE_AND_PREDICATE"}"#,
                ["RANGE_AND_PREDICATE", "predicate"],
            ),
            (
                r#"{"predicate_type":"PREDICATE","predicate":"x","older_than_days":0}"#,
                ["PREDICATE", "--older-than-days"],
            ),
            (
                r#"{"predicate_type":"RANGE","equal_to_values":["1"]}"#,
                ["RANGE", "--equal-to-values"],
            ),
            (
                r#"{"predicate_type":"LIST","older_than_days":0}"#,
                ["LIST", "--older-than-days"],
            ),
        ];
        for (json, named) in table {
            let error = request(json).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{json}");
            assert!(
                named.iter().all(|name| error.message().contains(name)),
                "{json}: {error}"
            );
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let bad = [
            r#"{"older_than_date":"2021-02-29"}"#,
            r#"{"older_than_date":"2021-2-1"}"#,
            r#"{"chunk_count":0}"#,
            r#"{"chunk_count":1001}"#,
            r#"{"chunk_bytes":0}"#,
        ];
        for json in bad {
            assert_eq!(
                request(json).check().unwrap_err().kind(),
                ErrorKind::Usage,
                "{json}"
            );
        }
        let good = [
            r#"{"older_than_date":"2020-02-29","chunk_count":1000,"chunk_bytes":1}"#,
            r#"{"less_than_value":"5","predicate":"x"}"#,
            r#"{"equal_to_values":["1"],"predicate":"x","predicate_type":"LIST"}"#,
            r#"{"partition_names":["p"],"predicate_type":"LIST"}"#,
        ];
        for json in good {
            assert!(request(json).check().is_ok(), "{json}");
        }
        assert_eq!(request("{}").chunk_bytes(), 17_179_869_184);
        assert_eq!(request("{}").chunk_count(), 100);
    }

    #[test]
    fn names_are_read_in_any_case() {
        for one in PredicateType::ALL {
            assert_eq!(
                one.name().to_lowercase().parse::<PredicateType>().unwrap(),
                one
            );
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        }
        let error = "LIST_AS_RNGE".parse::<PredicateType>().unwrap_err();
        assert!(error.hint_text().unwrap().contains("LIST_AS_RANGE"));
        assert_eq!("full".parse::<OffloadType>().unwrap(), OffloadType::Full);
        assert!("fuller".parse::<OffloadType>().is_err());
    }
}
