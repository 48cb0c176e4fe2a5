//! An offload as a person wrote it, and as it is once it makes sense alone.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::statement::{PlainSelect, plain_select, quoted_names};
use crate::config::redact;
use crate::error::{Error, Result};
use crate::schema::TableName;

/// An offload as a person wrote it; flags, SQL and JSON all build it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OffloadSpec {
    /// Its name; the target's name if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The source table, `CONNECTION.SCHEMA.TABLE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A SELECT in place of `from`, `select` and `filter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The list of a SELECT; `*` if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Which rows, as the condition of a WHERE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The target table, `CONNECTION.SCHEMA.TABLE`.
    pub to: String,
    /// What the target is partitioned by: `month(sold_at)`, `date_trunc('month', sold_at)`, `region`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// The columns by which rows that are read together lie together in the target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_by: Vec<String>,
    /// The column whose greater values are new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incremental_by: Option<String>,
    /// The boundary of this run, below which rows are taken: a constant SQL expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How columns are read, by name: `text`, or a form that the source system knows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub read_as: BTreeMap<String, String>,
    /// How many workers read; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<usize>,
    /// How both sides are proved equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyLevel>,
    /// Who stages; only `native`, this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// The memory budget in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The most bytes of source partitions in one chunk; 16 GiB if none are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// The most source partitions in one chunk, 1 to 1000; 100 if none are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_count: Option<u16>,
    /// Whether everything in the target is replaced by this run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
}

/// How both sides are proved equal before anyone sees the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyLevel {
    /// The source's count of the window against the rows that the target holds.
    Count,
    /// Counts, least and greatest values and exact sums, asked of the source at the same snapshot.
    Aggregates,
    /// Counts, and the hashes of what was read against what the target holds.
    #[default]
    Checksum,
}

impl fmt::Display for VerifyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Aggregates => "aggregates",
            Self::Checksum => "checksum",
        })
    }
}

impl FromStr for VerifyLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "count" => Ok(Self::Count),
            "aggregates" => Ok(Self::Aggregates),
            "checksum" => Ok(Self::Checksum),
            other => Err(Error::usage(format!("\"{other}\" is no way to verify"))
                .hint("use count, aggregates or checksum")),
        }
    }
}

/// A unit of time that a target is partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Calendar years.
    Year,
    /// Calendar months.
    Month,
    /// Days.
    Day,
}

impl Unit {
    /// Its name, as in `date_trunc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Year, Self::Month, Self::Day]
            .into_iter()
            .find(|unit| unit.name() == text)
    }
}

/// One thing that a target is partitioned by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionBy {
    /// The column of the SELECT.
    pub column: String,
    /// The unit that it is cut to; `None` for the values themselves.
    pub unit: Option<Unit>,
}

impl PartitionBy {
    /// The target's column that holds it: the column itself, or one made for it by one rule.
    #[must_use]
    pub fn target_column(&self) -> String {
        match self.unit {
            None => self.column.clone(),
            Some(unit) => format!("goe_part_{}_{}", unit.name(), self.column),
        }
    }
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            None => f.write_str(&self.column),
            Some(unit) => write!(f, "{}({})", unit.name(), self.column),
        }
    }
}

impl FromStr for PartitionBy {
    type Err = Error;

    /// Reads `column`, `month(column)` and `date_trunc('month', column)`.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!("A table can't be partitioned by \"{text}\""))
                .hint("write a column, or year(column), month(column) or day(column)")
        };
        let text = text.trim();
        let Some((function, rest)) = text.split_once('(').filter(|_| !text.starts_with('"')) else {
            return Ok(Self {
                column: unquote(text).ok_or_else(bad)?,
                unit: None,
            });
        };
        let inner = rest.trim_end().strip_suffix(')').ok_or_else(bad)?;
        let function = function.trim().to_ascii_lowercase();
        let (unit, column) = if function == "date_trunc" {
            let (unit, column) = inner.split_once(',').ok_or_else(bad)?;
            (unit.trim().trim_matches('\'').to_ascii_lowercase(), column)
        } else {
            (function, inner)
        };
        Ok(Self {
            column: unquote(column.trim()).ok_or_else(bad)?,
            unit: Some(Unit::parse(&unit).ok_or_else(bad)?),
        })
    }
}

/// A column's name from how it is written.
fn unquote(text: &str) -> Option<String> {
    let name = match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

/// An offload that makes sense alone; whether it fits both systems its plan will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offload {
    spec: OffloadSpec,
    name: String,
    query: String,
    source: Option<TableName>,
    target: TableName,
    partition_by: Vec<PartitionBy>,
}

impl OffloadSpec {
    /// Checks what can be checked without either system.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] with the option that is wrong.
    pub fn validate(&self) -> Result<Offload> {
        let target = TableName::parse(&self.to)?;
        refuse_password(&target)?;
        if self.until.is_some() && self.incremental_by.is_none() {
            return Err(
                Error::usage("An offload has an UNTIL and no INCREMENTAL BY")
                    .hint("say which column the boundary is for: --incremental-by COLUMN"),
            );
        }
        if self.parallel == Some(0) {
            return Err(Error::usage("An offload needs at least one worker")
                .hint("leave --parallel out, or give 1 or more"));
        }
        match self.transport.as_deref() {
            None | Some("native") => {}
            Some(other) => {
                return Err(Error::usage(format!("\"{other}\" is no transport"))
                    .hint("this build stages in its own process: --transport native"));
            }
        }
        let partition_by: Result<Vec<PartitionBy>> =
            self.partition_by.iter().map(|text| text.parse()).collect();
        let (query, source) = self.query()?;
        Ok(Offload {
            name: self.name.clone().unwrap_or_else(|| target.to_string()),
            query,
            source,
            target,
            partition_by: partition_by?,
            spec: self.clone(),
        })
    }

    /// The SELECT, in one form for all who mean the same, and the only table that it reads.
    fn query(&self) -> Result<(String, Option<TableName>)> {
        match (&self.query, &self.from) {
            (Some(query), None) if self.select.is_none() && self.filter.is_none() => {
                match plain_select(query) {
                    Some(PlainSelect { from, list, filter }) => {
                        select_from(from, &list, filter.as_deref())
                    }
                    None => {
                        for name in quoted_names(query) {
                            refuse_password(&TableName::new(name, "", ""))?;
                        }
                        Ok((query.clone(), None))
                    }
                }
            }
            (None, Some(from)) => {
                let list = self.select.as_deref().unwrap_or("*");
                select_from(TableName::parse(from)?, list, self.filter.as_deref())
            }
            _ => Err(Error::usage("An offload names either a table or a query")
                .hint("give CONNECTION.SCHEMA.TABLE, with --select and --where as needed")),
        }
    }
}

fn select_from(
    from: TableName,
    list: &str,
    filter: Option<&str>,
) -> Result<(String, Option<TableName>)> {
    refuse_password(&from)?;
    let quoted = [&from.connection, &from.schema, &from.table]
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    let filter = match filter {
        // A line break ends a comment that the condition may end with.
        Some(filter) => format!(" WHERE ({filter}\n)"),
        None => String::new(),
    };
    let query = format!("SELECT {list} FROM {}{filter}", quoted.join("."));
    Ok((query, Some(from)))
}

/// An offload is remembered, in the history and beside the target; a password must not be.
fn refuse_password(name: &TableName) -> Result<()> {
    if redact(&name.connection) == name.connection {
        return Ok(());
    }
    Err(Error::usage(format!(
        "The URL {} holds a password, and an offload is remembered",
        redact(&name.connection)
    ))
    .hint("name the connection in goe.toml, with password = \"${env:NAME}\""))
}

impl Offload {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &TableName {
        &self.target
    }

    /// As it was written.
    #[must_use]
    pub fn spec(&self) -> &OffloadSpec {
        &self.spec
    }

    /// The SELECT that it projects.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The only table that it reads, as it was named; `None` for any other query.
    #[must_use]
    pub fn source(&self) -> Option<&TableName> {
        self.source.as_ref()
    }

    /// What the target is partitioned by.
    #[must_use]
    pub fn partition_by(&self) -> &[PartitionBy] {
        &self.partition_by
    }

    /// How it is proved.
    #[must_use]
    pub fn verify(&self) -> VerifyLevel {
        self.spec.verify.unwrap_or_default()
    }

    /// How many workers read: as asked for, or one per core up to four.
    #[must_use]
    pub fn parallel(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.spec.parallel.unwrap_or(cores.min(4))
    }

    /// The memory budget in bytes: as asked for, or 256 MiB.
    #[must_use]
    pub fn memory(&self) -> usize {
        let asked = self.spec.memory.unwrap_or(256 << 20);
        usize::try_from(asked).unwrap_or(usize::MAX)
    }

    /// A text that stays the same as long as what the target means does: a record with another
    /// one is of another offload.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let by: Vec<String> = self.partition_by.iter().map(ToString::to_string).collect();
        let parts = [
            self.query.as_str(),
            &by.join(","),
            self.spec.incremental_by.as_deref().unwrap_or_default(),
            &format!("{:?}", self.spec.read_as),
        ];
        let hash = xxhash_rust::xxh3::xxh3_128(parts.join("\u{1f}").as_bytes());
        format!("{hash:032x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_a_table_is_partitioned_by_is_read() {
        let read = |text: &str| {
            text.parse::<PartitionBy>()
                .map(|by| (by.to_string(), by.target_column()))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(read("region").unwrap(), pair("region", "region"));
        assert_eq!(
            read("month(d)").unwrap(),
            pair("month(d)", "goe_part_month_d")
        );
        assert_eq!(
            read("date_trunc('Year', d)").unwrap(),
            pair("year(d)", "goe_part_year_d")
        );
        assert_eq!(
            read("day(\"a (b)\")").unwrap(),
            pair("day(a (b))", "goe_part_day_a (b)")
        );
        for bad in ["", "week(d)", "month(d", "month()", "date_trunc(d)"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_offload_must_make_sense_alone() {
        let good = OffloadSpec {
            from: Some("shop.main.\"a\"\"b\"".to_owned()),
            to: "lake.dw.t".to_owned(),
            filter: Some("x > 1 -- all".to_owned()),
            ..OffloadSpec::default()
        };
        assert_eq!(
            good.validate().unwrap().query(),
            "SELECT * FROM \"shop\".\"main\".\"a\"\"b\" WHERE (x > 1 -- all\n)"
        );
        let wrong = [
            OffloadSpec {
                from: None,
                ..good.clone()
            },
            OffloadSpec {
                to: "t".to_owned(),
                ..good.clone()
            },
            OffloadSpec {
                parallel: Some(0),
                ..good.clone()
            },
            OffloadSpec {
                until: Some("1".to_owned()),
                ..good.clone()
            },
            OffloadSpec {
                transport: Some("pigeon".to_owned()),
                ..good.clone()
            },
            OffloadSpec {
                query: Some("SELECT 1".to_owned()),
                ..good.clone()
            },
            OffloadSpec {
                from: None,
                filter: None,
                query: Some("SELECT DISTINCT a FROM \"db://me:secret@host/db\".s.t".to_owned()),
                ..good.clone()
            },
            OffloadSpec {
                from: Some("db://me:secret@host/db#s.t".to_owned()),
                ..good.clone()
            },
        ];
        for spec in wrong {
            assert_eq!(
                spec.validate().unwrap_err().kind(),
                ErrorKind::Usage,
                "{spec:?}"
            );
        }
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<OffloadSpec>(&json).unwrap(), good);
        assert!(serde_json::from_str::<OffloadSpec>(r#"{"to":"a.b.c","form":"x"}"#).is_err());
    }
}
