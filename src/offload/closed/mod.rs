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
mod question;
mod range;
mod request;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use datafusion::logical_expr::{Expr, lit};

use self::question::Question;
use crate::error::{Error, Result};
use crate::frontend::{Partitions, SourceTable};
use crate::schema::Column;

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

/// The columns of a key; `None` where there is none, or one is not read.
fn key_columns<'a>(partitions: &Partitions, columns: &'a [Column]) -> Option<Vec<&'a Column>> {
    let find = |key: &String| columns.iter().find(|column| column.name == *key);
    let keys: Option<Vec<&Column>> = partitions.keys.iter().map(find).collect();
    keys.filter(|keys| !keys.is_empty())
}
