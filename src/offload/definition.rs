//! An offload as a person wrote it, and as it is once it makes sense alone.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sysinfo::{MemoryRefreshKind, System};

use super::shape::{Shape, allowances};
use super::statement::{PlainSelect, plain_select, quoted_names};
use super::{Allowances, NotNullPropagation, OnSchemaChange, PartitionBy};
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
    /// What the target is partitioned by: `month(sold_at)`, `date_trunc('month', sold_at)`,
    /// `truncate(id, 1000)`, `region`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// What files are sorted by inside: columns of the target, or patterns with `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_by: Vec<String>,
    /// The types of columns in the target, by name or pattern with `*`, as canonical types are
    /// written; `UNICODE_STRING`; or `JSON`. Each is a checked CAST in the SELECT.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, String>,
    /// Whether casts to decimals may round to their scale, half away from zero.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_decimal_scale_rounding: bool,
    /// Whether casts may give the nearest float, and NULL for NaN and infinity.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_floating_point_conversions: bool,
    /// Whether timestamps may lose what is finer than the target's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_nanosecond_timestamp_columns: bool,
    /// The columns of the target that take no NULLs, by name or pattern with `*`; all others then
    /// take them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_null: Vec<String>,
    /// Which columns take no NULLs where `not_null` names none.
    #[serde(skip_serializing_if = "is_default")]
    pub not_null_propagation: NotNullPropagation,
    /// What becomes of columns that are new, gone or changed since the target was made.
    #[serde(skip_serializing_if = "is_default")]
    pub on_schema_change: OnSchemaChange,
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
    /// The source's column of whole numbers or times by which a run is cut into chunks, each read
    /// from a snapshot of its own; without it only the source's own partitions are chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_by: Option<String>,
    /// The most seconds that a chunk is read from one snapshot; one that takes longer is cut in two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_snapshot_seconds: Option<u64>,
    /// The most bytes of rows that are read in a second, all workers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<u64>,
    /// For how many seconds temporary failures are tried again; 300 if none are given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_seconds: Option<u64>,
    /// Whether everything in the target is replaced by this run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
    /// Whether a target that has a record and no rows any more is filled anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reuse: bool,
}

/// For how many seconds temporary failures are tried again where nobody says.
const RETRY_SECONDS: u64 = 300;

/// What the writers of one worker have use for: more makes no better row groups.
const WRITER_MEMORY: usize = 64 << 20;

/// The budget of an offload that says none: a quarter of this machine's memory, or of what this
/// process may have of it, and at most 2 GiB.
static USUAL_MEMORY: LazyLock<u64> = LazyLock::new(|| {
    let Ok(mut system) = System::new() else {
        return UNKNOWN_MACHINE;
    };
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let all = system.total_memory();
    let ours = system
        .cgroup_limits()
        .map_or(all, |limits| limits.total_memory.min(all));
    (ours / 4).clamp(64 << 20, 2 << 30)
});

/// The budget where the machine does not tell what it has.
const UNKNOWN_MACHINE: u64 = 256 << 20;

/// How both sides are proved equal before anyone sees the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyLevel {
    /// The source's count of the window against the rows that the target holds.
    Count,
    /// Counts, least and greatest values and exact sums, asked of the source at the same snapshot.
    Aggregates,
    /// Counts, and the hashes of what was read against what the target holds; on a target that
    /// computes aggregates where the rows are, these instead.
    #[default]
    Checksum,
    /// Counts and hashes, the rows read back on every target.
    ReadBack,
}

impl fmt::Display for VerifyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Aggregates => "aggregates",
            Self::Checksum => "checksum",
            Self::ReadBack => "read_back",
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
            "read_back" => Ok(Self::ReadBack),
            other => Err(Error::usage(format!("\"{other}\" is no way to verify"))
                .hint("use count, aggregates, checksum or read_back")),
        }
    }
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
    shape: Shape,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
        for (option, given) in [
            ("--max-snapshot-seconds", self.max_snapshot_seconds),
            ("--max-rate", self.max_rate),
        ] {
            if given == Some(0) {
                return Err(Error::usage(format!("{option} 0 would read nothing"))
                    .hint(format!("leave {option} out, or give 1 or more")));
            }
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
            shape: Shape::of(self)?,
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

    /// What it says of the target's columns beyond the SELECT.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What its casts may lose.
    #[must_use]
    pub fn allowances(&self) -> Allowances {
        allowances(&self.spec)
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

    /// The memory budget in bytes: as asked for, or a quarter of the machine's and at most 2 GiB.
    #[must_use]
    pub fn memory(&self) -> usize {
        let asked = self.spec.memory.unwrap_or_else(|| *USUAL_MEMORY);
        usize::try_from(asked).unwrap_or(usize::MAX)
    }

    /// What of it all writers together may hold for unfinished row groups. The rest is for decoders,
    /// sorts, joins and the parts of uploads.
    #[must_use]
    pub fn memory_of_writers(&self) -> usize {
        let enough = WRITER_MEMORY.saturating_mul(self.parallel());
        (self.memory() / 4).min(enough)
    }

    /// For how long temporary failures are tried again.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.spec.retry_seconds.unwrap_or(RETRY_SECONDS))
    }

    /// For how long a chunk is read from one snapshot, if that is bounded.
    #[must_use]
    pub fn snapshot_age(&self) -> Option<Duration> {
        self.spec.max_snapshot_seconds.map(Duration::from_secs)
    }

    /// A text that stays the same as long as what the target means does: a record with another
    /// one is of another offload.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let by: Vec<String> = self.partition_by.iter().map(ToString::to_string).collect();
        let mut parts = vec![
            self.query.clone(),
            by.join(","),
            self.spec.incremental_by.clone().unwrap_or_default(),
            format!("{:?}", self.spec.read_as),
        ];
        // What changes values; neither order nor NULLs do.
        if !self.spec.types.is_empty() || self.allowances() != Allowances::default() {
            parts.push(format!("{:?} {:?}", self.spec.types, self.allowances()));
        }
        let hash = xxhash_rust::xxh3::xxh3_128(parts.join("\u{1f}").as_bytes());
        format!("{hash:032x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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

    /// What changes the target's values makes another offload of it; what does not goes on.
    #[test]
    fn a_fingerprint_is_of_what_the_target_means() {
        let plain = OffloadSpec {
            from: Some("shop.main.t".to_owned()),
            to: "lake.dw.t".to_owned(),
            ..OffloadSpec::default()
        };
        let print = |spec: &OffloadSpec| spec.validate().unwrap().fingerprint();
        let types = |to: &str| OffloadSpec {
            types: BTreeMap::from([("a".to_owned(), to.to_owned())]),
            ..plain.clone()
        };
        let others = [
            types("DOUBLE"),
            types("DATE"),
            OffloadSpec {
                allow_decimal_scale_rounding: true,
                ..plain.clone()
            },
            OffloadSpec {
                partition_by: vec!["truncate(id, 10)".to_owned()],
                ..plain.clone()
            },
        ];
        let prints: std::collections::HashSet<String> =
            others.iter().chain([&plain]).map(print).collect();
        assert_eq!(prints.len(), others.len() + 1);
        let same = OffloadSpec {
            not_null: vec!["*".to_owned()],
            cluster_by: vec!["a".to_owned()],
            on_schema_change: OnSchemaChange::Ignore,
            ..plain.clone()
        };
        assert_eq!(print(&same), print(&plain));
    }

    #[test]
    fn what_is_said_of_columns_must_be_readable() {
        let plain = OffloadSpec {
            from: Some("shop.main.t".to_owned()),
            to: "lake.dw.t".to_owned(),
            ..OffloadSpec::default()
        };
        let wrong = [
            OffloadSpec {
                types: BTreeMap::from([("a".to_owned(), "NUMBER".to_owned())]),
                ..plain.clone()
            },
            OffloadSpec {
                not_null: vec![String::new()],
                ..plain.clone()
            },
            OffloadSpec {
                partition_by: vec!["truncate(a, 0)".to_owned()],
                ..plain
            },
        ];
        for spec in wrong {
            let error = spec.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{spec:?}");
        }
    }
}
