//! How the columns of a SELECT differ from those of the target that is there.

use std::fmt;

use serde::Serialize;

use super::{OnSchemaChange, PlannedColumn};
use crate::backend::TargetTable;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::TableName;

/// One difference; `there` is the target's own type text, `here` what the SELECT would make of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum SchemaChange {
    /// The SELECT has a column that the target lacks.
    New {
        /// Its name.
        column: String,
        /// Its type.
        here: String,
    },
    /// The target has a column that the SELECT lacks.
    Gone {
        /// Its name.
        column: String,
        /// Its type.
        there: String,
    },
    /// A column is of another type, or may hold NULLs here and not there.
    Changed {
        /// Its name.
        column: String,
        /// Its type in the target.
        there: String,
        /// Its type in the SELECT.
        here: String,
    },
}

/// Every difference, in the order of the SELECT and then of the target; the columns that the
/// target is partitioned by are not looked for in the SELECT.
#[must_use]
pub fn schema_changes(target: &TargetTable, columns: &[PlannedColumn]) -> Vec<SchemaChange> {
    let mut changes = Vec::new();
    for PlannedColumn { target: wanted, .. } in columns {
        let here = type_text(&wanted.native, wanted.nullable);
        let column = wanted.name.clone();
        match target.columns.iter().find(|known| known.name == column) {
            None => changes.push(SchemaChange::New { column, here }),
            Some(known) if known.native != wanted.native || wanted.nullable && !known.nullable => {
                let there = type_text(&known.native, known.nullable);
                changes.push(SchemaChange::Changed {
                    column,
                    there,
                    here,
                });
            }
            Some(_) => {}
        }
    }
    for known in &target.columns {
        let selected = columns
            .iter()
            .any(|wanted| wanted.target.name == known.name);
        if !selected && !target.partition_columns.contains(&known.name) {
            changes.push(SchemaChange::Gone {
                column: known.name.clone(),
                there: type_text(&known.native, known.nullable),
            });
        }
    }
    changes
}

fn type_text(native: &str, nullable: bool) -> String {
    let null = if nullable { "" } else { " NOT NULL" };
    format!("{native}{null}")
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { column, here } => write!(f, "column \"{column}\" ({here}) is new"),
            Self::Gone { column, there } => write!(f, "column \"{column}\" ({there}) is gone"),
            Self::Changed {
                column,
                there,
                here,
            } => write!(
                f,
                "column \"{column}\" is {there} in the target and {here} here"
            ),
        }
    }
}

impl SchemaChange {
    /// What becomes of it, for the plan.
    #[must_use]
    pub fn outcome(&self, policy: OnSchemaChange) -> String {
        let what = match (self, policy) {
            (Self::New { .. }, OnSchemaChange::Ignore) => "left out",
            (Self::New { .. }, _) => "added, NULL in the rows that are there",
            (Self::Gone { .. }, _) => "NULL in new rows",
            (Self::Changed { .. }, OnSchemaChange::Ignore) => "cast to the target's type, checked",
            (Self::Changed { .. }, _) => "stored as the target has it, where that fits",
        };
        let option = match policy {
            OnSchemaChange::Fail => "fail",
            OnSchemaChange::Add => "add",
            OnSchemaChange::Ignore => "ignore",
        };
        format!("{self}: {what} (on_schema_change = {option})")
    }
}

/// Refuses differences where the offload says that there may be none.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] with every difference.
pub(super) fn refuse_changes(
    target: &TableName,
    changes: &[SchemaChange],
    policy: OnSchemaChange,
) -> Result<()> {
    if policy != OnSchemaChange::Fail || changes.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    Err(Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "The columns differ from those of target {target}:\n  - {}",
            lines.join("\n  - ")
        ),
    )
    .hint(
        "--on-schema-change add takes new columns in, ignore leaves them out; --reset makes the \
         target anew",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::TargetColumn;
    use crate::schema::{CanonicalType, Column, Fidelity, Mapping};

    fn here(name: &str, native: &str, nullable: bool) -> PlannedColumn {
        PlannedColumn {
            target: TargetColumn {
                name: name.to_owned(),
                canonical: CanonicalType::Integer4,
                stored: CanonicalType::Integer4,
                native: native.to_owned(),
                source: String::new(),
                nullable,
                comment: None,
            },
            input: String::new(),
            cast: false,
            fidelity: Fidelity::Exact,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn every_difference_is_named_and_refused_where_none_may_be() {
        let there = |name: &str, native: &str, nullable| {
            Column::new(
                name,
                native,
                nullable,
                Mapping::exact(CanonicalType::Integer4),
            )
        };
        let target = TargetTable {
            name: TableName::new("c", "s", "t"),
            columns: vec![
                there("id", "integer", false),
                there("old", "string", true),
                there("goe_part_10_id", "long", false),
            ],
            partition_columns: vec!["goe_part_10_id".to_owned()],
            record: None,
            rows: None,
            version: String::new(),
        };
        let same = [here("id", "integer", false), here("old", "string", true)];
        assert_eq!(schema_changes(&target, &same), []);
        let other = [here("id", "integer", true), here("more", "date", true)];
        let changes = schema_changes(&target, &other);
        let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "column \"id\" is integer NOT NULL in the target and integer here",
                "column \"more\" (date) is new",
                "column \"old\" (string) is gone",
            ]
        );
        let refused = refuse_changes(&target.name, &changes, OnSchemaChange::Fail).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(
            shown.iter().all(|line| refused.message().contains(line)),
            "{refused}"
        );
        for policy in [OnSchemaChange::Add, OnSchemaChange::Ignore] {
            refuse_changes(&target.name, &changes, policy).unwrap();
        }
        refuse_changes(&target.name, &[], OnSchemaChange::Fail).unwrap();
        let left_out = changes[1].outcome(OnSchemaChange::Ignore);
        assert!(left_out.contains("left out"), "{left_out}");
    }
}
