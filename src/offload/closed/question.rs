//! What a request is about: partitions, subpartitions, lists, or a column that none follows.

use chrono::{DateTime, Utc};
use datafusion::logical_expr::lit;

use super::key::{self, End, below};
use super::list::{Choice, Lists};
use super::range::{Cut, Ranges};
use super::request::{EQUAL_TO, NAMES};
use super::{Closed, OffloadType, PartitionRequest, PredicateType, Window, key_columns};
use crate::error::{Error, Result};
use crate::frontend::{Bound, PartitionMethod, Partitions, SourceTable};
use crate::schema::{Column, pick};

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

/// A request, and all that decides what it means.
pub(super) struct Question<'a> {
    pub(super) request: &'a PartitionRequest,
    pub(super) table: &'a SourceTable,
    pub(super) now: DateTime<Utc>,
    pub(super) column: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// The window, before the request's own predicate narrows it.
    pub(super) fn closed(&self) -> Result<Closed> {
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
        let is_by_column = |ranges: &Ranges| match ranges.keys.as_slice() {
            [key] => key.name == column.name,
            _ => false,
        };
        match by_partitions {
            Ok(Basis::Ranges { ranges, .. }) if !is_by_column(&ranges) => Ok(Basis::Column(column)),
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
