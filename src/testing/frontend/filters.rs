//! What a source takes over: filters and aggregates, against the engine's own answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};
use datafusion::prelude::{SessionContext, ident};
use datafusion::scalar::ScalarValue;

use super::world::{MANY, World, batches, positions};
use crate::error::{ErrorKind, Result};
use crate::frontend::{
    Aggregate, AggregateFunction, Comparison, FrontendTable, Pushed, ReadRequest, Snapshot, Source,
};
use crate::testing::report::{Verdict, failed, holds, skipped, told};
use crate::testing::rows::{Row, arrays};

pub(super) async fn filters(world: &World) -> Verdict {
    let (source, snapshot) = world.opened(MANY).await?;
    let known = typed_rows(&world.rows, &source)?;
    let table = FrontendTable::new(Arc::clone(&source), world.frontend.dialect());
    let id = positions(&source)?[0];
    let mut taken = 0;
    for predicate in predicates(&known)? {
        let Some(pushed) = table.push(&predicate) else {
            continue;
        };
        taken += 1;
        let wanted = kept(&known, &predicate).await?;
        let seen = kept_by_source(&snapshot, id, &pushed).await?;
        agree(&predicate, &pushed, &wanted, &seen)?;
    }
    match taken {
        0 => skipped("it takes no filter over"),
        _ => Ok(()),
    }
}

/// The ids that the source returns must be those of the engine, or more where that is admitted.
fn agree(predicate: &Expr, pushed: &Pushed, wanted: &Ids, seen: &Ids) -> Verdict {
    let missing: Vec<_> = wanted.difference(seen).take(3).collect();
    let beyond: Vec<_> = seen.difference(wanted).take(3).collect();
    let extra_allowed = pushed.comparison == Comparison::Superset;
    holds(
        missing.is_empty() && (beyond.is_empty() || extra_allowed),
        || {
            format!(
                "{predicate} as {:?} {}: rows {missing:?} are missing, {beyond:?} are too many",
                pushed.comparison, pushed.sql
            )
        },
    )
}

type Ids = BTreeSet<i64>;

/// The known rows, typed as the source has them.
fn typed_rows(rows: &[Row], source: &Arc<dyn Source>) -> Verdict<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut fields = Vec::new();
    for (values, position) in arrays(rows)?.iter().zip(positions(source)?) {
        let field = source.table().columns[position].field();
        let typed = cast(values, field.data_type());
        columns.push(typed.map_err(crate::error::Error::from)?);
        fields.push(field);
    }
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new(schema, columns).map_err(crate::error::Error::from)?)
}

/// Comparisons of each column with values that are there, at the ends, and between.
fn predicates(known: &RecordBatch) -> Result<Vec<Expr>> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let mut found = vec![lit(true), lit(false)];
    for (i, field) in known.schema().fields().iter().enumerate() {
        let column = ident(field.name());
        let values = [1, 700, 1999].map(|row| ScalarValue::try_from_array(known.column(i), row));
        let values: Vec<Expr> = values
            .into_iter()
            .filter(|value| !value.as_ref().is_ok_and(ScalarValue::is_null))
            .map(|value| Ok(lit(value?)))
            .collect::<Result<_>>()?;
        for value in &values {
            for operator in [Eq, NotEq, Lt, LtEq, Gt, GtEq] {
                let comparison = binary_expr(column.clone(), operator, value.clone());
                if value == &values[0] {
                    found.push(Expr::Not(Box::new(comparison.clone())));
                }
                found.push(comparison);
            }
        }
        if let [low, .., high] = values.as_slice() {
            found.push(column.clone().between(low.clone(), high.clone()));
            found.push(column.clone().not_between(low.clone(), high.clone()));
        }
        found.push(column.clone().in_list(values.clone(), false));
        found.push(column.clone().in_list(values, true));
        found.push(column.clone().is_null());
        found.push(column.is_not_null());
    }
    let [id, name, amount, day] = [0, 1, 2, 3].map(|i| ident(known.schema().field(i).name()));
    for pattern in [
        "plain%",
        "%\"quoted\"%",
        "_lain 1",
        "%\u{1f600}%",
        "%'%",
        "PLAIN%",
    ] {
        let pattern = cast_text(pattern, known.column(1).data_type())?;
        found.push(name.clone().like(pattern.clone()));
        found.push(name.clone().not_like(pattern));
    }
    let some = lit(ScalarValue::try_from_array(known.column(0), 900)?);
    found.push(id.clone().gt(some.clone()).and(amount.clone().is_null()));
    found.push(id.clone().lt(some.clone()).or(day.is_not_null()));
    found.push(Expr::Not(Box::new(id.gt(some).and(name.is_not_null()))));
    Ok(found)
}

fn cast_text(text: &str, kind: &DataType) -> Result<Expr> {
    Ok(lit(ScalarValue::from(text).cast_to(kind)?))
}

/// The ids of the known rows that the engine keeps.
async fn kept(known: &RecordBatch, predicate: &Expr) -> Verdict<Ids> {
    let engine = SessionContext::new();
    let rows = async {
        let rows = engine
            .read_batch(known.clone())?
            .filter(predicate.clone())?;
        rows.select_columns(&[known.schema().field(0).name()])?
            .collect()
            .await
    };
    match rows.await {
        Ok(rows) => ids(&rows),
        Err(error) => failed(format!("the engine: {error}")),
    }
}

async fn kept_by_source(snapshot: &Arc<dyn Snapshot>, id: usize, pushed: &Pushed) -> Verdict<Ids> {
    let request = ReadRequest {
        filter: Some(pushed.sql.clone()),
        ..ReadRequest::columns(vec![id])
    };
    match batches(snapshot, None, &request).await {
        Ok(rows) => ids(&rows),
        Err(error) => failed(format!("{}: {}", pushed.sql, told(&error))),
    }
}

fn ids(batches: &[RecordBatch]) -> Verdict<Ids> {
    let mut found = Ids::new();
    for batch in batches {
        let ids = cast(batch.column(0), &DataType::Int64).map_err(crate::error::Error::from)?;
        found.extend(ids.as_primitive::<Int64Type>().values());
    }
    Ok(found)
}

pub(super) async fn aggregates(world: &World) -> Verdict {
    use AggregateFunction::{Count, Max, Min, Rows, Sum};
    let (source, snapshot) = world.opened(MANY).await?;
    let [id, name, amount, day] = positions(&source)?;
    let rows = &world.rows;
    let amounts = || rows.iter().filter_map(|row| row.amount.map(i128::from));
    let ids = || rows.iter().map(|row| i128::from(row.id));
    let days = || rows.iter().filter_map(|row| row.day.map(i128::from));
    let names = rows.iter().filter(|row| row.name.is_some()).count() as i128;
    let cases = [
        (Rows, id, Some(rows.len() as i128)),
        (Count, name, Some(names)),
        (Count, amount, Some(amounts().count() as i128)),
        (Min, id, ids().min()),
        (Max, id, ids().max()),
        (Sum, id, Some(ids().sum())),
        (Min, amount, amounts().min()),
        (Max, amount, amounts().max()),
        (Sum, amount, Some(amounts().sum())),
        (Min, day, days().min()),
        (Max, day, days().max()),
    ];
    for (function, column, wanted) in cases {
        let asked = Aggregate { function, column };
        let seen = match aggregate(&snapshot, asked).await {
            Ok(seen) => seen,
            Err(error) if error.kind() == ErrorKind::Unsupported && function != Rows => continue,
            Err(error) => return failed(format!("{function:?}: {}", told(&error))),
        };
        holds(seen == wanted, || {
            let column = &source.table().columns[column].name;
            format!("{function:?} of {column} is {seen:?}, not {wanted:?}")
        })?;
    }
    Ok(())
}

/// One aggregate of all rows, without its decimal point.
async fn aggregate(snapshot: &Arc<dyn Snapshot>, asked: Aggregate) -> Result<Option<i128>> {
    let request = ReadRequest::aggregates(vec![asked], None);
    let rows = batches(snapshot, None, &request).await?;
    let Some(row) = rows.iter().find(|batch| batch.num_rows() == 1) else {
        return Ok(None);
    };
    Ok(match ScalarValue::try_from_array(row.column(0), 0)? {
        ScalarValue::Decimal128(value, _, _) => value,
        ScalarValue::Date32(days) => days.map(i128::from),
        other => match other.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(value) => value.map(i128::from),
            _ => None,
        },
    })
}
