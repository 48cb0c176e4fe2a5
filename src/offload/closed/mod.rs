//! Closed windows: which rows a request for whole partitions means.
//!
//! [`PartitionRequest`] is what a person asks, by the old tool's options; [`resolve`] makes of it,
//! and of what the source says of its partitions, a predicate over the source's columns, and the
//! [`Unit`]s that it is made of, the oldest first. Units never overlap and leave nothing of the
//! window out, NULLs included; [`chunks`] groups them. Nothing here is asked of a system.

mod chunk;
mod existing;
mod key;
mod list;
mod range;
mod request;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use datafusion::logical_expr::{Expr, lit};

use self::key::{End, below};
use self::list::{Choice, Lists};
use self::range::{Cut, Ranges};
use self::request::{EQUAL_TO, NAMES};
use crate::error::{Error, Result};
use crate::frontend::{Bound, PartitionMethod, Partitions, SourceTable};
use crate::schema::{Column, pick};

pub use chunk::chunks;
pub use existing::{Effect, Existing, check_names_keys, over_existing};
pub use request::{OffloadType, PartitionRequest, PredicateType};

/// What a request means for a source.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Closed {
    /// True for the rows of the window, false or NULL for all others; over the source's columns by
    /// their bare names, with literals of the columns' types.
    pub predicate: Expr,
    /// Where everything is taken and a boundary was asked for too: true for what is closed.
    pub boundary: Option<Expr>,
    /// What the window is made of; `None` where everything is taken and no boundary was asked for.
    pub predicate_type: Option<PredicateType>,
    /// Whether everything is taken.
    pub offload_type: OffloadType,
    /// Whether boundaries are those of subpartitions.
    pub by_subpartition: bool,
    /// What the window is made of, the oldest first; empty where it is in one piece.
    pub units: Vec<Unit>,
    /// What the plan should say.
    pub notes: Vec<String>,
}

/// A part of a window that is not cut further: partitions that end at one boundary.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Its partitions in few words.
    pub name: String,
    /// Their names.
    pub partitions: Vec<String>,
    /// True for its rows, as [`Closed::predicate`].
    pub predicate: Expr,
    /// Rows by the source's statistics; an estimate.
    pub rows: Option<u64>,
    /// Bytes at the source; an estimate.
    pub bytes: Option<u64>,
}

impl Unit {
    fn new(names: &[&str], predicate: Expr) -> Self {
        const SHOWN: usize = 3;
        let name = match names.len() {
            0 => "all other rows".to_owned(),
            count if count > SHOWN => {
                format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN)
            }
            _ => names.join(", "),
        };
        Self {
            name,
            partitions: names.iter().map(|name| (*name).to_owned()).collect(),
            predicate,
            rows: None,
            bytes: None,
        }
    }
}

/// Resolves a request against what the source says of its partitions.
///
/// `now` is the time of the plan. `column` is the column of INCREMENTAL BY: a boundary is for it
/// where the source's partitions are not by it. `predicate` is what the request's own predicate
/// means; the window is the rows for which both are true.
///
/// # Errors
/// - [`crate::ErrorKind::Usage`] for options that do not go together, do not fit the source, or
///   ask for a partition that is never closed.
/// - [`crate::ErrorKind::NotFound`] for an unknown partition, value list or column, with near ones.
/// - [`crate::ErrorKind::Unsupported`] for partitions that no window can follow.
pub fn resolve(
    request: &PartitionRequest,
    table: &SourceTable,
    now: DateTime<Utc>,
    column: Option<&str>,
    predicate: Option<Expr>,
) -> Result<Closed> {
    request.check()?;
    if request.predicate.is_some() != predicate.is_some() {
        return Err(Error::internal(
            "A predicate was asked for and is not at hand",
        ));
    }
    let question = Question {
        request,
        table,
        now,
        column,
    };
    let closed = question.closed()?;
    Ok(match predicate {
        Some(predicate) => closed.narrowed(&predicate),
        None => closed,
    })
}

impl Closed {
    /// The same rows as far as a predicate is true for them.
    fn narrowed(mut self, predicate: &Expr) -> Self {
        let both = |expr: Expr| match expr == lit(true) {
            true => predicate.clone(),
            false => expr.and(predicate.clone()),
        };
        self.predicate = both(self.predicate);
        for unit in &mut self.units {
            unit.predicate = both(unit.predicate.clone());
        }
        self.predicate_type = self.predicate_type.map(PredicateType::with_predicate);
        self
    }
}

/// The rows of a window before anything else is said of it.
struct Window {
    predicate: Expr,
    boundary: Option<Expr>,
    units: Vec<Unit>,
    notes: Vec<String>,
}

/// What a window follows.
enum Basis<'a> {
    Ranges {
        ranges: Ranges<'a>,
        predicate_type: PredicateType,
        by_subpartition: bool,
    },
    Lists(Lists<'a>),
    Column(&'a Column),
}

struct Question<'a> {
    request: &'a PartitionRequest,
    table: &'a SourceTable,
    now: DateTime<Utc>,
    column: Option<&'a str>,
}

impl<'a> Question<'a> {
    fn closed(&self) -> Result<Closed> {
        let asked = self.request.offload_type;
        match self.request.partition_option() {
            Some(option) => {
                let basis = self.basis(option)?;
                self.window(&basis, asked.unwrap_or(OffloadType::Incremental))
            }
            None if self.request.predicate.is_some() => Ok(self.by_predicate()),
            None if asked == Some(OffloadType::Incremental) => match self.by_partitions(None) {
                Ok(basis) => self.window(&basis, OffloadType::Incremental),
                Err(why) => Ok(self.full(Some(format!(
                    "INCREMENTAL is not possible and everything is taken: {}",
                    why.message()
                )))),
            },
            None => Ok(self.full(None)),
        }
    }

    fn by_predicate(&self) -> Closed {
        let asked = self.request.predicate_type;
        Closed {
            predicate: lit(true),
            boundary: None,
            predicate_type: Some(asked.unwrap_or(PredicateType::Predicate)),
            offload_type: OffloadType::Incremental,
            by_subpartition: false,
            units: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Everything, in the source's own pieces where a predicate can tell them apart.
    fn full(&self, note: Option<String>) -> Closed {
        let basis = self.by_partitions(None).ok();
        let window = basis.and_then(|basis| self.window(&basis, OffloadType::Full).ok());
        Closed {
            predicate: lit(true),
            boundary: None,
            predicate_type: None,
            offload_type: OffloadType::Full,
            by_subpartition: false,
            units: window.map(|window| window.units).unwrap_or_default(),
            notes: note.into_iter().collect(),
        }
    }

    fn window(&self, basis: &Basis, offload_type: OffloadType) -> Result<Closed> {
        let (window, predicate_type) = match basis {
            Basis::Ranges {
                ranges,
                predicate_type,
                ..
            } => {
                let cut = self.cut(&ranges.keys)?;
                (ranges.window(&cut, offload_type)?, *predicate_type)
            }
            Basis::Lists(lists) => {
                let choice = match self.request.partition_option() {
                    Some(EQUAL_TO) => Choice::Values(&self.request.equal_to_values),
                    Some(_) => Choice::Names(&self.request.partition_names),
                    None => Choice::All,
                };
                (lists.window(&choice, offload_type)?, PredicateType::List)
            }
            Basis::Column(column) => (self.by_column(column, offload_type)?, PredicateType::Range),
        };
        self.check_type(predicate_type)?;
        let days = self.request.older_than_days.map(|days| {
            let moment = self.now.format("%Y-%m-%d %H:%M:%S");
            format!("--older-than-days {days} counts back from {moment} UTC")
        });
        Ok(Closed {
            predicate: window.predicate,
            boundary: window.boundary,
            predicate_type: Some(predicate_type),
            offload_type,
            by_subpartition: matches!(
                basis,
                Basis::Ranges {
                    by_subpartition: true,
                    ..
                }
            ),
            units: window.units,
            notes: days.into_iter().chain(window.notes).collect(),
        })
    }

    fn check_type(&self, found: PredicateType) -> Result<()> {
        match self.request.predicate_type {
            Some(asked) if asked.without_predicate() != found => Err(Error::usage(format!(
                "--offload-predicate-type {asked} does not fit {}: the window would be of type \
                 {found}",
                self.table.name
            ))
            .hint("leave --offload-predicate-type out")),
            _ => Ok(()),
        }
    }

    /// Where the window ends by the request's options.
    fn cut(&self, keys: &[&Column]) -> Result<Cut> {
        let request = self.request;
        match request.partition_names.as_slice() {
            [] => Ok(self.boundary(keys)?.map_or(Cut::Last, Cut::At)),
            [name] => Ok(Cut::Name(name.clone())),
            [_, other, ..] => Err(Error::usage(format!(
                "Only one partition name can be included, and \"{other}\" is another"
            ))
            .hint("name the last partition of the window; all before it are taken")),
        }
    }

    fn boundary(&self, keys: &[&Column]) -> Result<Option<Vec<Bound>>> {
        let request = self.request;
        if let Some(day) = &request.older_than_date {
            return key::older_than_date(day, keys).map(Some);
        }
        if let Some(days) = request.older_than_days {
            return key::older_than_days(days, self.now, keys).map(Some);
        }
        match &request.less_than_value {
            Some(text) => key::less_than(text, keys).map(Some),
            None => Ok(None),
        }
    }

    /// Everything below a value of a column that no partition follows.
    fn by_column(&self, column: &Column, offload_type: OffloadType) -> Result<Window> {
        let bounds = self.boundary(&[column])?.unwrap_or_default();
        let end = End {
            bounds: &bounds,
            inclusive: false,
        };
        let closed = below(&[column], end).expr();
        let partitioned = self.table.partitions.as_ref().map(|partitions| {
            format!(
                "The boundary is for \"{}\"; the source's partitions by {partitions} are not \
                 followed",
                column.name
            )
        });
        let full = offload_type == OffloadType::Full;
        let (predicate, boundary) = match full {
            true => (lit(true), Some(closed)),
            false => (closed, None),
        };
        Ok(Window {
            predicate,
            boundary,
            units: Vec::new(),
            notes: partitioned.into_iter().collect(),
        })
    }

    fn basis(&self, option: &'static str) -> Result<Basis<'a>> {
        let by_partitions = self.by_partitions(Some(option));
        let Some(column) = self.incremental_column()? else {
            return by_partitions;
        };
        if self.request.boundary_option().is_none() {
            return by_partitions;
        }
        match by_partitions {
            Ok(Basis::Ranges { ranges, .. }) if !matches!(ranges.keys.as_slice(), [key] if key.name == column.name) => {
                Ok(Basis::Column(column))
            }
            Err(_) if !self.request.by_subpartition => Ok(Basis::Column(column)),
            other => other,
        }
    }

    fn incremental_column(&self) -> Result<Option<&'a Column>> {
        let Some(name) = self.column else {
            return Ok(None);
        };
        let names = || self.table.columns.iter().map(|column| column.name.as_str());
        let picked = pick(name, names());
        let mut columns = self.table.columns.iter();
        match columns.find(|column| Some(column.name.as_str()) == picked) {
            Some(column) => Ok(Some(column)),
            None => {
                let text = format!("Table {} has no column \"{name}\"", self.table.name);
                Err(Error::not_found(text, name, names()))
            }
        }
    }

    /// What the source's partitions make of an option; of none for `None`.
    fn by_partitions(&self, option: Option<&'static str>) -> Result<Basis<'a>> {
        let table = &self.table.name;
        let Some(partitions) = &self.table.partitions else {
            return Err(self.not_partitioned(option));
        };
        if self.request.by_subpartition {
            return self.subpartitions(partitions).map_err(|why| {
                Error::unsupported(format!(
                    "Table {table} can't be offloaded by subpartition: {why}"
                ))
                .hint("leave --offload-by-subpartition out")
            });
        }
        if option == Some(EQUAL_TO) && partitions.method != PartitionMethod::List {
            return Err(Error::usage(format!(
                "{EQUAL_TO} needs list partitions, and {table} is partitioned by {partitions}"
            ))
            .hint("give a boundary, such as --less-than-value"));
        }
        match partitions.method {
            PartitionMethod::Range => self.ranges(partitions),
            PartitionMethod::List => self.lists(partitions),
            PartitionMethod::Hash | PartitionMethod::Other => self
                .subpartitions(partitions)
                .map_err(|_| self.unusable("its partitions hold no ranges and no lists")),
        }
    }

    fn not_partitioned(&self, option: Option<&'static str>) -> Error {
        let table = &self.table.name;
        match option {
            Some(NAMES | EQUAL_TO) => Error::usage(format!(
                "Table {table} is not partitioned: {} can't be used",
                option.unwrap_or_default()
            ))
            .hint("give a predicate: --offload-predicate"),
            Some(option) => Error::usage(format!(
                "Table {table} is not partitioned: {option} needs a column"
            ))
            .hint("say which one: INCREMENTAL BY (column), --incremental-by COLUMN"),
            None => Error::usage(format!("Table {table} is not partitioned")),
        }
    }

    fn unusable(&self, why: &str) -> Error {
        Error::unsupported(format!(
            "No window can follow the partitions of {}: {why}",
            self.table.name
        ))
        .hint("say which column a boundary is for (INCREMENTAL BY), or use --offload-predicate")
    }

    fn ranges(&self, partitions: &'a Partitions) -> Result<Basis<'a>> {
        let keys = self.keys(partitions);
        match (partitions.no_ranges(), keys) {
            (None, Some(keys)) => Ok(Basis::Ranges {
                ranges: Ranges::of(partitions, keys),
                predicate_type: PredicateType::Range,
                by_subpartition: false,
            }),
            (why, _) => self
                .subpartitions(partitions)
                .map_err(|_| self.unusable(why.unwrap_or("the key is not read"))),
        }
    }

    fn lists(&self, partitions: &'a Partitions) -> Result<Basis<'a>> {
        let asked = self.request.predicate_type;
        let as_range =
            asked.map(PredicateType::without_predicate) == Some(PredicateType::ListAsRange);
        if self.request.boundary_option().is_some() && !as_range {
            if let Ok(basis) = self.subpartitions(partitions) {
                return Ok(basis);
            }
        } else if !as_range {
            let keys = self
                .keys(partitions)
                .filter(|_| partitions.unusable.is_none());
            let why = || {
                partitions
                    .unusable
                    .as_deref()
                    .unwrap_or("the key is not read")
            };
            let keys = keys.ok_or_else(|| self.unusable(why()))?;
            return Ok(Basis::Lists(Lists { partitions, keys }));
        }
        match (partitions.no_ranges(), self.keys(partitions)) {
            (None, Some(keys)) => Ok(Basis::Ranges {
                ranges: Ranges::of_list(partitions, keys)?,
                predicate_type: PredicateType::ListAsRange,
                by_subpartition: false,
            }),
            (why, _) => Err(self.unusable(why.unwrap_or("the key is not read"))),
        }
    }

    fn subpartitions(&self, partitions: &'a Partitions) -> Result<Basis<'a>, String> {
        Ok(Basis::Ranges {
            ranges: Ranges::below(partitions, &self.table.columns)?,
            predicate_type: PredicateType::Range,
            by_subpartition: true,
        })
    }

    fn keys(&self, partitions: &Partitions) -> Option<Vec<&'a Column>> {
        key_columns(partitions, &self.table.columns)
    }
}

/// The columns of a key; `None` where there is none, or one is not read.
fn key_columns<'a>(partitions: &Partitions, columns: &'a [Column]) -> Option<Vec<&'a Column>> {
    let find = |key: &String| columns.iter().find(|column| column.name == *key);
    let keys: Option<Vec<&Column>> = partitions.keys.iter().map(find).collect();
    keys.filter(|keys| !keys.is_empty())
}
