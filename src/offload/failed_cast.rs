//! Casts that tell of the values that they would lose, and go on: for looking, never for a run.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::concat;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};
use serde::Serialize;

use super::checked_cast::CheckedCast;
use crate::error::{Error, Result};
use crate::schema::describe_value;

/// How many columns of a row an example shows.
const SHOWN_COLUMNS: usize = 8;

/// The values of one column that would stop a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailedCast {
    /// How many.
    pub values: u64,
    /// What is wrong with the first of them.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Its row: names and values of the columns that the SELECT uses, the first eight.
    pub row: Vec<(String, String)>,
}

/// What failed so far, by the name of the column that the SELECT makes of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FailedCasts(Arc<Mutex<BTreeMap<String, FailedCast>>>);

impl FailedCasts {
    /// What failed.
    pub(crate) fn by_column(&self) -> BTreeMap<String, FailedCast> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, FailedCast>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, column: &str, error: &Error, row: impl FnOnce() -> Vec<(String, String)>) {
        let mut failed = self.lock();
        let failed = failed.entry(column.to_owned()).or_default();
        if failed.values == 0 {
            failed.message = error.message().to_owned();
            failed.hint = error.hint_text().unwrap_or_default().to_owned();
            failed.row = row();
        }
        failed.values += 1;
    }
}

/// Who is told of the values of one column that fail.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    column: String,
    /// The names of the row's values that come with each value.
    row: Vec<String>,
    failed: FailedCasts,
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        self.column == other.column && Arc::ptr_eq(&self.failed.0, &other.failed.0)
    }
}

impl Eq for Watch {}

impl Hash for Watch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
    }
}

impl Watch {
    /// The values in the other type, NULL for those that fail; `row` are their rows' values.
    pub(super) fn cast(
        &self,
        function: &CheckedCast,
        array: &ArrayRef,
        row: &[ArrayRef],
    ) -> Result<ArrayRef> {
        let mut parts = Vec::new();
        self.cast_part(function, array, row, &mut parts);
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(concat(&parts)?)
    }

    /// Halves what fails until each value that does stands alone.
    fn cast_part(
        &self,
        function: &CheckedCast,
        array: &ArrayRef,
        row: &[ArrayRef],
        parts: &mut Vec<ArrayRef>,
    ) {
        match function.cast(array) {
            Ok(cast) => parts.push(cast),
            Err(error) if array.len() <= 1 => {
                self.failed.note(&self.column, &error, || self.shown(row));
                parts.push(new_null_array(&function.to, array.len()));
            }
            Err(_) => {
                let middle = array.len() / 2;
                for (from, length) in [(0, middle), (middle, array.len() - middle)] {
                    let row: Vec<ArrayRef> = row.iter().map(|a| a.slice(from, length)).collect();
                    self.cast_part(function, &array.slice(from, length), &row, parts);
                }
            }
        }
    }

    fn shown(&self, row: &[ArrayRef]) -> Vec<(String, String)> {
        let values = row.iter().map(|value| describe_value(value, 0));
        self.row.iter().cloned().zip(values).collect()
    }
}

/// The same plan, whose checked casts give NULL for what they would lose and tell `failed`.
///
/// # Errors
/// Those of the engine's own tree walk.
pub(crate) fn watch_casts(plan: LogicalPlan, failed: &FailedCasts) -> Result<LogicalPlan> {
    let watched = plan.transform_up(|node| {
        let LogicalPlan::Projection(projection) = &node else {
            return Ok(Transformed::no(node));
        };
        let row = used_columns(&projection.expr, projection.input.schema());
        node.map_expressions(|expr| {
            let column = expr.name_for_alias()?;
            let watched = expr.transform_up(|part| Ok(watch(part, &column, &row, failed)))?;
            watched.map_data(|expr| expr.alias_if_changed(column))
        })
    })?;
    Ok(watched.data.recompute_schema()?)
}

/// The columns that a SELECT list uses, in their order in what it selects from.
fn used_columns(list: &[Expr], from: &DFSchema) -> Vec<Expr> {
    let used: Vec<_> = list.iter().flat_map(Expr::column_refs).collect();
    let columns = from.columns().into_iter();
    let used = columns.filter(|column| used.contains(&column));
    used.take(SHOWN_COLUMNS).map(Expr::Column).collect()
}

fn watch(part: Expr, column: &str, row: &[Expr], failed: &FailedCasts) -> Transformed<Expr> {
    let Some(cast) = CheckedCast::of(&part) else {
        return Transformed::no(part);
    };
    let name = |expr: &Expr| match expr {
        Expr::Column(column) => column.name.clone(),
        other => other.to_string(),
    };
    let watch = Watch {
        column: column.to_owned(),
        row: row.iter().map(name).collect(),
        failed: failed.clone(),
    };
    let function = Arc::new(ScalarUDF::from(cast.watched(watch, row.len())));
    let Expr::ScalarFunction(call) = part else {
        return Transformed::no(part);
    };
    let arguments = call.args.into_iter().take(1).chain(row.iter().cloned());
    Transformed::yes(function.call(arguments.collect()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::Int8Type;
    use datafusion::prelude::{DataFrame, SessionContext};

    use super::*;
    use crate::offload::{Allowances, check_casts};

    #[tokio::test]
    async fn every_failure_is_counted_and_the_first_is_shown_with_its_row() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["5", "x", "300", "7"]));
        let engine = SessionContext::new();
        let batch = RecordBatch::try_from_iter([("id", ids), ("t", texts)]).unwrap();
        engine.register_batch("r", batch).unwrap();
        let sql = "SELECT id, CAST(t AS TINYINT) AS small, CAST(id AS TINYINT) AS fine FROM r";
        let plan = engine.state().create_logical_plan(sql).await.unwrap();
        let plan = check_casts(plan, Allowances::default()).unwrap();
        let failed = FailedCasts::default();
        let plan = watch_casts(plan, &failed).unwrap();
        let rows = DataFrame::new(engine.state(), plan)
            .collect()
            .await
            .unwrap();
        let small = rows[0].column_by_name("small").unwrap();
        let values: Vec<_> = small.as_primitive::<Int8Type>().iter().collect();
        assert_eq!(values, [Some(5), None, None, Some(7)]);
        assert_eq!(rows[0].column_by_name("fine").unwrap().null_count(), 0);
        let failed = failed.by_column();
        assert_eq!(failed.len(), 1);
        let small = &failed["small"];
        assert_eq!(small.values, 2);
        assert!(small.message.contains('x'), "{}", small.message);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(small.row, [pair("id", "2"), pair("t", "x")]);
    }
}
