//! The source's aggregates at the snapshot that was read, against those of what was staged.

use arrow::array::RecordBatch;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use super::proof::{Chunk, unequal};
use crate::backend::TargetColumn;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, ReadRequest, Snapshot, SourceTable};
use crate::offload::Difference;
use crate::schema::CanonicalType;
use crate::staging::ColumnBounds;

/// What is asked together: a source that can't compute one group exactly may know the other.
const GROUPS: [(&str, &[AggregateFunction]); 2] = [
    (
        "values, least and greatest",
        &[
            AggregateFunction::Count,
            AggregateFunction::Min,
            AggregateFunction::Max,
        ],
    ),
    ("sums", &[AggregateFunction::Sum]),
];

/// A column that comes through as it is: its position in the source, and in the target.
#[derive(Clone, Copy)]
struct Unchanged {
    source: usize,
    target: usize,
}

impl Chunk<'_> {
    /// Compares the aggregates of the columns that come through unchanged.
    pub(super) async fn compare_aggregates(
        &self,
        snapshot: &dyn Snapshot,
        filter: Option<String>,
    ) -> Result<String> {
        let Some(source) = self.plan.sources.first() else {
            return Ok("there is no source".to_owned());
        };
        let mut said = Vec::new();
        for (name, functions) in GROUPS {
            let columns = self.unchanged(source.table(), functions);
            let asked = columns.iter().flat_map(|column| {
                let of = column.source;
                functions.iter().map(move |&function| Aggregate {
                    function,
                    column: of,
                })
            });
            let asked: Vec<Aggregate> = asked.collect();
            if asked.is_empty() {
                continue;
            }
            let row = match ask(snapshot, asked, filter.clone()).await {
                Ok(row) => row,
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    said.push(format!("{name} can't be asked of the source exactly"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.compare_row(&row, functions, &columns)?;
            said.push(format!("{name} of {} columns agree", columns.len()));
        }
        Ok(said.join(", "))
    }

    /// Columns whose values come through as they are and that the functions are meant for.
    fn unchanged(&self, source: &SourceTable, functions: &[AggregateFunction]) -> Vec<Unchanged> {
        let sums = functions.contains(&AggregateFunction::Sum);
        let found = |(target, column): (usize, &TargetColumn)| {
            let position = source
                .columns
                .iter()
                .position(|other| other.name == column.name)?;
            let origin = &source.columns[position];
            let same = origin.canonical == column.stored && origin.native == column.source;
            let meant = if sums {
                can_sum(column.stored)
            } else {
                is_ordered(column.stored)
            };
            (same && meant).then_some(Unchanged {
                source: position,
                target,
            })
        };
        let columns = self.plan.definition.columns.iter().enumerate();
        columns.filter_map(found).collect()
    }

    fn compare_row(
        &self,
        row: &RecordBatch,
        functions: &[AggregateFunction],
        columns: &[Unchanged],
    ) -> Result<()> {
        let mut differences = Vec::new();
        for (i, column) in columns.iter().enumerate() {
            for (j, &function) in functions.iter().enumerate() {
                let asked = ScalarValue::try_from_array(row.column(i * functions.len() + j), 0)?;
                let Some(staged) = self.staged(function, column.target, &asked)? else {
                    continue;
                };
                if asked != staged {
                    differences.push(Difference {
                        partition: String::new(),
                        column: Some(self.plan.definition.columns[column.target].name.clone()),
                        detail: format!("{function:?} is {asked} in the source, {staged} staged"),
                    });
                }
            }
        }
        if differences.is_empty() {
            Ok(())
        } else {
            Err(unequal(self.plan, &differences))
        }
    }

    /// The same aggregate of what was staged, as a value of the same type; `None` where a file
    /// could not state it.
    fn staged(
        &self,
        function: AggregateFunction,
        column: usize,
        like: &ScalarValue,
    ) -> Result<Option<ScalarValue>> {
        let files = &self.manifest.files;
        let unstated = files.iter().any(|file| {
            let values = file.hashes.rows > file.hashes.columns[column].nulls;
            values && file.bounds[column].sum.is_none()
        });
        if unstated && function == AggregateFunction::Sum {
            return Ok(None);
        }
        let texts = |pick: fn(&ColumnBounds) -> Option<&String>| -> Result<Vec<ScalarValue>> {
            let texts = files.iter().filter_map(|file| pick(&file.bounds[column]));
            let values = texts.map(|text| {
                Ok(ScalarValue::try_from_string(
                    text.clone(),
                    &like.data_type(),
                )?)
            });
            values.collect()
        };
        let least = |a: ScalarValue, b: ScalarValue| if a <= b { a } else { b };
        let greatest = |a: ScalarValue, b: ScalarValue| if a >= b { a } else { b };
        let found = match function {
            AggregateFunction::Min => texts(|b| b.min.as_ref())?.into_iter().reduce(least),
            AggregateFunction::Max => texts(|b| b.max.as_ref())?.into_iter().reduce(greatest),
            AggregateFunction::Sum => {
                let sums = texts(|b| b.sum.as_ref())?;
                sums.iter()
                    .try_fold(None, |total: Option<ScalarValue>, sum| {
                        let total = match total {
                            Some(total) => total.add_checked(sum)?.cast_to(&like.data_type())?,
                            None => sum.clone(),
                        };
                        Ok::<_, Error>(Some(total))
                    })?
            }
            AggregateFunction::Rows | AggregateFunction::Count => {
                let nulls: u64 = files
                    .iter()
                    .map(|file| file.hashes.columns[column].nulls)
                    .sum();
                let values = i64::try_from(self.manifest.rows() - nulls).unwrap_or(i64::MAX);
                Some(ScalarValue::Int64(Some(values)))
            }
        };
        match found {
            Some(value) => Ok(Some(value)),
            None => Ok(Some(ScalarValue::try_from(like.data_type())?)),
        }
    }
}

/// Asks for one row of aggregates.
pub(super) async fn ask(
    snapshot: &dyn Snapshot,
    aggregates: Vec<Aggregate>,
    filter: Option<String>,
) -> Result<RecordBatch> {
    let request = ReadRequest::aggregates(aggregates, filter);
    let rows: Vec<RecordBatch> = snapshot.read(None, &request).await?.try_collect().await?;
    let row = rows.into_iter().find(|batch| batch.num_rows() == 1);
    row.ok_or_else(|| Error::internal("The source's aggregates are no row"))
}

fn is_ordered(canonical: CanonicalType) -> bool {
    canonical.is_exact_number()
        || matches!(
            canonical,
            CanonicalType::Date
                | CanonicalType::Timestamp { .. }
                | CanonicalType::TimestampTz { .. }
        )
}

/// Integers and decimals whose sum the manifest can state.
fn can_sum(canonical: CanonicalType) -> bool {
    match canonical {
        CanonicalType::Decimal { precision, .. } => precision <= 38,
        other => other.is_exact_number(),
    }
}
