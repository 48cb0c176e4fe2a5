//! What a publish carries: rows, shape and record in one.

use serde_json::Value;

use super::{Change, TargetDefinition, TargetTable};
use crate::error::{Error, ErrorKind, Result};
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

impl Publication {
    /// Whether it has been done: its record is the one that stands in the target.
    ///
    /// # Errors
    /// Kind Locked where a later holder of the lease was there, and Conflict for a record that this
    /// one does not continue.
    pub fn stands_after(&self, stored: Option<&StoredRecord>) -> Result<bool> {
        let ours = &self.record;
        let same = |stored: &StoredRecord| {
            stored.sequence == ours.sequence && stored.manifest == ours.manifest
        };
        if stored.is_some_and(same) {
            return Ok(true);
        }
        let sequence = stored.map_or(0, |stored| stored.sequence);
        let fence = stored.map_or(0, |stored| stored.fence);
        let name = &self.target.name;
        if ours.fence < fence {
            return Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "Table \"{name}\" has been taken over by a later run (fence {fence}, ours is \
                     {})",
                    ours.fence
                ),
            )
            .hint("this run has lost its lease; goe history shows which run holds the table"));
        }
        if sequence.checked_add(1) != Some(ours.sequence) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "Table \"{name}\" has record {sequence}, and record {} can't follow it",
                    ours.sequence
                ),
            )
            .hint("another run published meanwhile; run again"));
        }
        Ok(false)
    }

    /// What must happen to the shape of the target as it is now.
    ///
    /// # Errors
    /// Kind Conflict where that is not what was planned.
    pub fn actual_change(&self, table: Option<&TargetTable>) -> Result<Change> {
        let name = &self.target.name;
        let actual = Change::between(table, &self.target).map_err(|differences| {
            Error::new(
                ErrorKind::Conflict,
                format!(
                    "Table \"{name}\" has another shape now: {}",
                    differences.join("; ")
                ),
            )
            .hint("plan again")
        })?;
        let planned = match (&self.change, &actual) {
            (Change::Create(_), Change::Create(_))
            | (Change::None | Change::AddColumns { .. }, Change::None) => true,
            (
                Change::AddColumns {
                    columns: planned, ..
                },
                Change::AddColumns { columns, .. },
            ) => columns
                .iter()
                .all(|column| planned.iter().any(|other| other.name == column.name)),
            _ => false,
        };
        if planned {
            return Ok(actual);
        }
        let state = if table.is_some() {
            "was made or changed"
        } else {
            "was dropped"
        };
        Err(Error::new(
            ErrorKind::Conflict,
            format!("Table \"{name}\" {state} since it was planned"),
        )
        .hint("plan again"))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableName;

    fn record(sequence: u64, fence: u64, manifest: &str) -> StoredRecord {
        StoredRecord {
            sequence,
            fence,
            manifest: manifest.to_owned(),
            body: Value::Null,
        }
    }

    fn publication(record: StoredRecord) -> Publication {
        Publication {
            target: TargetDefinition {
                name: TableName::new("c", "s", "t"),
                columns: Vec::new(),
                partition_columns: Vec::new(),
                cluster_columns: Vec::new(),
                comment: None,
            },
            change: Change::None,
            manifest: Manifest {
                id: record.manifest.clone(),
                files: Vec::new(),
            },
            mode: Mode::Append,
            record,
            proof: Value::Null,
        }
    }

    #[test]
    fn only_the_next_record_of_the_holder_follows() {
        let stored = record(4, 7, "m4");
        let cases = [
            (record(5, 7, "m5"), Ok(false)),
            (record(5, 9, "m5"), Ok(false)),
            (record(4, 7, "m4"), Ok(true)),
            (record(4, 6, "m4"), Ok(true)),
            (record(4, 7, "other"), Err(ErrorKind::Conflict)),
            (record(6, 7, "m6"), Err(ErrorKind::Conflict)),
            (record(1, 7, "m1"), Err(ErrorKind::Conflict)),
            (record(5, 6, "m5"), Err(ErrorKind::Locked)),
        ];
        for (ours, expected) in cases {
            let found = publication(ours.clone()).stands_after(Some(&stored));
            assert_eq!(found.map_err(|error| error.kind()), expected, "{ours:?}");
        }
        let first = publication(record(1, 0, "m1"));
        assert!(matches!(first.stands_after(None), Ok(false)));
    }
}
