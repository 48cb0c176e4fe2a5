//! How mapped columns fit a target that is there.

use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use super::{Mapped, OnSchemaChange, PlannedColumn};
use crate::backend::{TargetColumn, TargetTable};
use crate::schema::{Column, Fidelity};

/// Fits a column to a target that is there: a wider one takes the narrower rows, and where the
/// target is to keep its shape, a new column goes and another is cast to the target's type.
pub(super) fn fit(
    mut column: PlannedColumn,
    existing: Option<&TargetTable>,
    policy: OnSchemaChange,
) -> Option<PlannedColumn> {
    let Some(existing) = existing else {
        return Some(column);
    };
    let keeps_shape = policy == OnSchemaChange::Ignore;
    let mut known = existing.columns.iter();
    match known.find(|known| known.name == column.target.name) {
        None => (!keeps_shape).then_some(column),
        Some(known) => {
            if known.canonical.holds(column.target.stored) {
                column.target.stored = known.canonical;
                column.target.native = known.native.clone();
            } else if keeps_shape {
                take_type(&mut column, known);
            }
            if keeps_shape && !known.nullable {
                column.target.nullable = false;
            }
            Some(column)
        }
    }
}

impl Mapped {
    /// The same with every column of the target that is there, in its order: those that the SELECT
    /// lacks hold NULL. So the sums of old and new rows are of the same columns.
    #[must_use]
    pub fn with_all_of(mut self, existing: &TargetTable) -> Self {
        let columns = std::mem::take(&mut self.columns).into_iter();
        let mut given: Vec<_> = columns.zip(std::mem::take(&mut self.expressions)).collect();
        let mut ordered = Vec::new();
        for known in &existing.columns {
            let position = given
                .iter()
                .position(|(column, _)| column.target.name == known.name);
            match position {
                Some(position) => ordered.push(given.remove(position)),
                None => ordered.extend(gone(known)),
            }
        }
        ordered.append(&mut given);
        (self.columns, self.expressions) = ordered.into_iter().unzip();
        let targets = self.columns.iter().map(|column| column.target.clone());
        self.definition.columns = targets.collect();
        self
    }
}

/// Makes a column one of the target's type.
fn take_type(column: &mut PlannedColumn, known: &Column) {
    let target = &mut column.target;
    column.reasons.push(format!(
        "CAST from {} to the target's type, each value checked",
        target.canonical
    ));
    column.fidelity = Fidelity::Lossy;
    column.cast = true;
    target.canonical = known.canonical;
    target.stored = known.canonical;
    target.native = known.native.clone();
    target.source = String::new();
}

/// A column of NULLs for one that the SELECT lacks.
fn gone(known: &Column) -> Option<(PlannedColumn, Expr)> {
    let null = ScalarValue::try_from(&known.canonical.to_arrow()).ok()?;
    let column = PlannedColumn {
        target: TargetColumn {
            name: known.name.clone(),
            canonical: known.canonical,
            stored: known.canonical,
            native: known.native.clone(),
            source: String::new(),
            nullable: true,
            comment: known.comment.clone(),
        },
        input: String::new(),
        cast: false,
        fidelity: Fidelity::Exact,
        reasons: vec!["gone from the SELECT: NULL in new rows".to_owned()],
    };
    Some((column, lit(null).alias(&known.name)))
}
