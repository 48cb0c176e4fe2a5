//! What a publish carries: rows, shape and record in one.

use serde_json::Value;

use super::{Change, TargetDefinition};
use crate::staging::Manifest;

/// The record as the target keeps it. A backend does not look into `body`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// Grows by one with every publish; the first is 1.
    pub sequence: u64,
    /// The fencing number of the lease under which it was written.
    pub fence: u64,
    /// The manifest that it was published with.
    pub manifest: String,
    /// The record itself.
    pub body: Value,
}

/// One publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The target.
    pub target: TargetDefinition,
    /// What happens to its shape.
    pub change: Change,
    /// The rows.
    pub manifest: Manifest,
    /// What happens to the rows that are there.
    pub mode: Mode,
    /// The record after it. The target must hold the one before: `sequence` less one, none for 1.
    pub record: StoredRecord,
    /// The proof of this chunk, kept beside the table and named by the record.
    pub proof: Value,
}

/// What happens to the rows that are there.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// They stay.
    Append,
    /// All of them go.
    ReplaceAll,
    /// Those that the predicate is true for go; a DataFusion expression over target columns.
    ReplaceWhere(datafusion::logical_expr::Expr),
}

/// The outcome of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Published {
    /// The target's version now, for people.
    pub version: String,
    /// Whether it had been done before and nothing changed.
    pub already: bool,
    /// Rows that went.
    pub rows_removed: u64,
}
