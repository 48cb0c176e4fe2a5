//! Finding the rows that differ: rows are dealt into buckets by the hash of their key, and those of
//! a few buckets whose sums differ are read once more and compared one by one.
//!
//! Both sides are read twice, whatever the key's type and however the differences are spread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::schema::RowHasher;

/// How many buckets: of a million rows each holds fifteen.
const BUCKETS: usize = 1 << 16;

/// About how many rows of a side are compared one by one.
const FEW_ROWS: u64 = 256;

/// How many rows of a bucket are kept at most: a key that should be unique may not be.
const MOST_KEPT: usize = 10_000;

/// How many rows are named.
const MOST_ROWS: usize = 20;

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RowDifference {
    /// Its key: `id = 17`.
    pub key: String,
    /// What differs, in words.
    pub detail: String,
}

/// Two queries of the same columns, whose rows have a key.
pub(super) struct Sides<'a> {
    pub(super) engine: &'a SessionContext,
    /// What both give.
    pub(super) schema: SchemaRef,
    pub(super) source: &'a LogicalPlan,
    pub(super) target: &'a LogicalPlan,
    pub(super) keys: &'a [String],
}

impl Sides<'_> {
    /// The first rows that differ; none where the key is not among the columns.
    pub(super) async fn rows_that_differ(&self) -> Result<Vec<RowDifference>> {
        let position = |key: &String| self.schema.index_of(key).ok();
        let keys: Option<Vec<usize>> = self.keys.iter().map(position).collect();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
            return Ok(Vec::new());
        };
        let sums = |batches: Vec<Buckets>| {
            let mut all = Buckets::default();
            batches.iter().for_each(|one| all.merge(one));
            all
        };
        let deal = |stream, keys| async move { Buckets::of(stream, keys).await };
        let here = sums(self.each_worker(self.source, &keys, deal).await?);
        let there = sums(self.each_worker(self.target, &keys, deal).await?);
        let suspected = Arc::new(here.suspected(&there));
        let pick = |stream, keys| picked(stream, keys, Arc::clone(&suspected));
        let source = self.each_worker(self.source, &keys, pick).await?;
        let target = self.each_worker(self.target, &keys, pick).await?;
        let source = Rows::of(&source.concat(), self.keys)?;
        let target = Rows::of(&target.concat(), self.keys)?;
        let mut found = source.differences(&target);
        found.truncate(MOST_ROWS);
        Ok(found)
    }

    /// What each worker of a query makes of its rows.
    async fn each_worker<T, F>(
        &self,
        query: &LogicalPlan,
        keys: &[usize],
        make: impl Fn(Batches, Vec<usize>) -> F,
    ) -> Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let plan = self.engine.state().create_physical_plan(query).await?;
        let mut workers = JoinSet::new();
        for worker in 0..plan.output_partitioning().partition_count() {
            let stream = Batches {
                stream: plan.execute(worker, self.engine.task_ctx())?,
                schema: Arc::clone(&self.schema),
            };
            workers.spawn(make(stream, keys.to_vec()));
        }
        let mut made = Vec::new();
        while let Some(done) = workers.join_next().await {
            let done = done.map_err(|error| Error::internal(format!("A worker died: {error}")));
            made.push(done??);
        }
        Ok(made)
    }
}

/// The rows of a worker, under the schema of both sides.
struct Batches {
    stream: SendableRecordBatchStream,
    schema: SchemaRef,
}

impl Batches {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.stream.next().await else {
            return Ok(None);
        };
        let columns = batch?.columns().to_vec();
        Ok(Some(RecordBatch::try_new(
            Arc::clone(&self.schema),
            columns,
        )?))
    }
}

/// The number of rows, and the sum of their hashes, of each bucket.
struct Buckets(Vec<(u64, u64)>);

impl Default for Buckets {
    fn default() -> Self {
        Self(vec![(0, 0); BUCKETS])
    }
}

impl Buckets {
    async fn of(mut batches: Batches, keys: Vec<usize>) -> Result<Self> {
        let mut buckets = Self::default();
        let (mut key_hasher, mut row_hasher) = (RowHasher::default(), RowHasher::default());
        while let Some(batch) = batches.next().await? {
            let of_keys = key_hasher.hash_rows(&batch.project(&keys)?)?;
            let of_rows = row_hasher.hash_rows(&batch)?;
            for (key, row) in of_keys.iter().zip(of_rows) {
                let (rows, sum) = &mut buckets.0[bucket(*key)];
                *rows += 1;
                *sum = sum.wrapping_add(*row);
            }
        }
        Ok(buckets)
    }

    fn merge(&mut self, other: &Self) {
        for ((rows, sum), (more, hashes)) in self.0.iter_mut().zip(&other.0) {
            *rows += more;
            *sum = sum.wrapping_add(*hashes);
        }
    }

    /// Buckets that differ, as many as hold a few rows.
    fn suspected(&self, other: &Self) -> Vec<bool> {
        let mut rows = 0;
        let both = self.0.iter().zip(&other.0);
        let is_suspected = both.map(|(here, there)| {
            let suspected = here != there && rows < FEW_ROWS;
            rows += if suspected { here.0.max(there.0) } else { 0 };
            suspected
        });
        is_suspected.collect()
    }
}

fn bucket(key: u64) -> usize {
    (key >> 48) as usize % BUCKETS
}

/// The rows of the suspected buckets.
async fn picked(
    mut batches: Batches,
    keys: Vec<usize>,
    suspected: Arc<Vec<bool>>,
) -> Result<Vec<RecordBatch>> {
    let mut hasher = RowHasher::default();
    let (mut kept, mut rows) = (Vec::new(), 0);
    while let Some(batch) = batches.next().await? {
        let hashes = hasher.hash_rows(&batch.project(&keys)?)?;
        let mask: BooleanArray = hashes
            .iter()
            .map(|key| Some(suspected[bucket(*key)]))
            .collect();
        if mask.true_count() > 0 && rows < MOST_KEPT {
            rows += mask.true_count();
            kept.push(filter_record_batch(&batch, &mask)?);
        }
    }
    Ok(kept)
}

/// Rows as text, by their key.
struct Rows {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<Vec<Option<String>>>>,
}

impl Rows {
    fn of(batches: &[RecordBatch], keys: &[String]) -> Result<Self> {
        let options = FormatOptions::default();
        let mut rows: BTreeMap<String, Vec<Vec<Option<String>>>> = BTreeMap::new();
        let mut columns = Vec::new();
        for batch in batches {
            let schema = batch.schema();
            columns = schema.fields().iter().map(|f| f.name().clone()).collect();
            let formatters = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
                .collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let cell = |index: usize| {
                    let is_null = batch.column(index).is_null(row);
                    (!is_null).then(|| formatters[index].value(row).to_string())
                };
                let cells: Vec<Option<String>> = (0..columns.len()).map(cell).collect();
                let key = key_text(&columns, &cells, keys)?;
                rows.entry(key).or_default().push(cells);
            }
        }
        rows.values_mut().for_each(|same| same.sort());
        Ok(Self { columns, rows })
    }

    fn differences(&self, target: &Self) -> Vec<RowDifference> {
        let mut found = Vec::new();
        let keys: BTreeSet<&String> = self.rows.keys().chain(target.rows.keys()).collect();
        for key in keys {
            let none = Vec::new();
            let here = self.rows.get(key).unwrap_or(&none);
            let there = target.rows.get(key).unwrap_or(&none);
            let mut add = |detail: String| {
                let key = key.clone();
                found.push(RowDifference { key, detail });
            };
            match (here.len(), there.len()) {
                _ if here == there => {}
                (_, 0) => add("is missing in the target".to_owned()),
                (0, _) => add("is not in the source".to_owned()),
                (1, 1) => {
                    let names = self.columns.iter().zip(here[0].iter().zip(&there[0]));
                    for (name, _) in names.filter(|(_, (here, there))| here != there) {
                        add(format!("column \"{name}\" differs"));
                    }
                }
                (here, there) => {
                    add(format!(
                        "stands {here} times in the source, {there} in the target"
                    ));
                }
            }
        }
        found
    }
}

/// `id = 17 and line = 2`.
fn key_text(columns: &[String], cells: &[Option<String>], keys: &[String]) -> Result<String> {
    let mut parts = Vec::new();
    for key in keys {
        let position = columns.iter().position(|column| column == key);
        let position =
            position.ok_or_else(|| Error::internal(format!("The key \"{key}\" is not read")))?;
        let value = cells[position].as_deref().unwrap_or("NULL");
        parts.push(format!("{key} = {value}"));
    }
    Ok(parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(cells: &[(i64, Option<&str>)]) -> Rows {
        let ids = Int64Array::from_iter_values(cells.iter().map(|(id, _)| *id));
        let names: StringArray = cells.iter().map(|(_, name)| *name).collect();
        let columns = [
            ("id", Arc::new(ids) as ArrayRef),
            ("name", Arc::new(names) as ArrayRef),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, true)),
        );
        Rows::of(&[batch.unwrap()], &["id".to_owned()]).unwrap()
    }

    #[test]
    fn each_row_that_differs_is_named_by_its_key() {
        let source = rows(&[
            (1, Some("a")),
            (2, None),
            (3, Some("c")),
            (4, Some("d")),
            (4, None),
        ]);
        let target = rows(&[
            (1, Some("a")),
            (2, Some("")),
            (4, Some("d")),
            (5, None),
            (5, None),
        ]);
        let found: Vec<String> = source
            .differences(&target)
            .into_iter()
            .map(|row| format!("{}: {}", row.key, row.detail))
            .collect();
        assert_eq!(
            found,
            [
                "id = 2: column \"name\" differs",
                "id = 3: is missing in the target",
                "id = 4: stands 2 times in the source, 1 in the target",
                "id = 5: is not in the source",
            ]
        );
        assert!(source.differences(&source).is_empty());
    }
}
