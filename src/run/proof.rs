//! Proofs: before a publish, and at any later time.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use crate::backend::{Backend, Scope};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, ReadRequest, Snapshot, SourceTable};
use crate::offload::{Difference, Plan, VerifyLevel, compare};
use crate::schema::{PartitionHashes, RowHasher, TableHashes};
use crate::staging::{Manifest, partition_path, split_batch};

/// What a chunk is proved with.
pub(super) struct Chunk<'a> {
    pub(super) plan: &'a Plan,
    pub(super) manifest: &'a Manifest,
    /// The one snapshot that was read, where there is one, and the filter that the source applied.
    pub(super) read: Option<(Arc<dyn Snapshot>, Option<String>)>,
    pub(super) backend: &'a dyn Backend,
    pub(super) readers: usize,
}

impl Chunk<'_> {
    /// Proves the chunk as its offload says, and tells how in one sentence.
    pub(super) async fn prove(&self) -> Result<String> {
        let mut said = Vec::new();
        let level = self.plan.offload().verify();
        if let Some((snapshot, filter)) = &self.read {
            if snapshot.facts().mixed.is_none() {
                let aggregates = level == VerifyLevel::Aggregates;
                said.push(
                    self.ask_source(snapshot.as_ref(), filter.clone(), aggregates)
                        .await?,
                );
            } else {
                said.push("the source gives no one state to count".to_owned());
            }
        }
        if level == VerifyLevel::Checksum {
            said.push(self.read_back().await?);
        }
        if said.is_empty() {
            said.push(format!(
                "{} rows were staged; the source can't be asked",
                self.manifest.rows()
            ));
        }
        Ok(said.join("; "))
    }

    /// The source's own count, and its aggregates, against what was staged.
    async fn ask_source(
        &self,
        snapshot: &dyn Snapshot,
        filter: Option<String>,
        aggregates: bool,
    ) -> Result<String> {
        let Some(source) = self.plan.sources.first() else {
            return Ok("there is no source".to_owned());
        };
        let unchanged = if aggregates {
            self.unchanged(source.table())
        } else {
            Vec::new()
        };
        let mut asked = vec![Aggregate {
            function: AggregateFunction::Rows,
            column: 0,
        }];
        for &(column, _) in &unchanged {
            for function in [
                AggregateFunction::Count,
                AggregateFunction::Min,
                AggregateFunction::Max,
            ] {
                asked.push(Aggregate { function, column });
            }
        }
        let request = ReadRequest::aggregates(asked, filter);
        let rows: Vec<RecordBatch> = snapshot.read(None, &request).await?.try_collect().await?;
        let row = rows
            .iter()
            .find(|batch| batch.num_rows() == 1)
            .ok_or_else(|| Error::internal("The source's aggregates are no row"))?;
        let counted = count_at(row, 0);
        if counted != self.manifest.rows() {
            return Err(unequal(
                self.plan,
                &[Difference {
                    partition: String::new(),
                    column: None,
                    detail: format!(
                        "the source counts {counted} rows of the window and {} were staged",
                        self.manifest.rows()
                    ),
                }],
            ));
        }
        let mut differences = Vec::new();
        for (i, &(column, target)) in unchanged.iter().enumerate() {
            let name = &source.table().columns[column].name;
            differences.extend(self.compare_aggregates(row, 1 + 3 * i, name, target)?);
        }
        if !differences.is_empty() {
            return Err(unequal(self.plan, &differences));
        }
        Ok(match unchanged.len() {
            0 => format!("the source counts {counted} rows too"),
            columns => {
                format!("the source agrees on {counted} rows and aggregates of {columns} columns")
            }
        })
    }

    /// Columns whose values come through as they are: position in the source, and in the target.
    fn unchanged(&self, source: &SourceTable) -> Vec<(usize, usize)> {
        let stands = |column: &crate::backend::TargetColumn| {
            let found = source
                .columns
                .iter()
                .position(|other| other.name == column.name)?;
            let same = source.columns[found].canonical == column.stored
                && source.columns[found].native == column.source;
            let comparable = column.canonical.is_exact_number()
                || matches!(
                    column.canonical,
                    crate::schema::CanonicalType::Date
                        | crate::schema::CanonicalType::Timestamp { .. }
                        | crate::schema::CanonicalType::TimestampTz { .. }
                );
            (same && comparable).then_some(found)
        };
        let columns = self.plan.definition.columns.iter().enumerate();
        columns
            .filter_map(|(i, column)| Some((stands(column)?, i)))
            .collect()
    }

    fn compare_aggregates(
        &self,
        row: &RecordBatch,
        at: usize,
        name: &str,
        target: usize,
    ) -> Result<Vec<Difference>> {
        let differs = |detail: String| Difference {
            partition: String::new(),
            column: Some(name.to_owned()),
            detail,
        };
        let mut differences = Vec::new();
        let nulls: u64 = self
            .manifest
            .files
            .iter()
            .map(|f| f.hashes.columns[target].nulls)
            .sum();
        let values = self.manifest.rows() - nulls;
        let counted = count_at(row, at);
        if counted != values {
            differences.push(differs(format!(
                "{counted} values in the source, {values} staged"
            )));
        }
        let bounds = self.manifest.files.iter().map(|file| &file.bounds[target]);
        for (offset, least) in [(1, true), (2, false)] {
            let asked = row.column(at + offset);
            // Compared as values of the column's type, from the text that the manifest keeps.
            let staged: Vec<_> = bounds
                .clone()
                .filter_map(|bound| {
                    if least {
                        bound.min.clone()
                    } else {
                        bound.max.clone()
                    }
                })
                .map(|text| {
                    datafusion::scalar::ScalarValue::try_from_string(text, asked.data_type())
                })
                .collect::<Result<_, _>>()?;
            let pick = |a: datafusion::scalar::ScalarValue, b: datafusion::scalar::ScalarValue| {
                if (a < b) == least { a } else { b }
            };
            let staged = staged.into_iter().reduce(pick);
            let asked_value = datafusion::scalar::ScalarValue::try_from_array(asked, 0)?;
            let equal = match &staged {
                Some(value) => *value == asked_value,
                None => asked_value.is_null(),
            };
            if !equal {
                let which = if least { "least" } else { "greatest" };
                differences.push(differs(format!(
                    "the {which} value is {} in the source and another one staged",
                    shown(asked)?
                )));
            }
        }
        Ok(differences)
    }

    /// The staged files, read back, against what was read.
    async fn read_back(&self) -> Result<String> {
        let definition = &self.plan.definition;
        let found = self
            .backend
            .hashes(definition, Scope::Manifest(self.manifest), self.readers)
            .await?;
        let differences = compare(&self.manifest.hashes(), &found, &column_names(self.plan));
        if !differences.is_empty() {
            return Err(unequal(self.plan, &differences));
        }
        let values = self.manifest.rows() * definition.columns.len() as u64;
        Ok(format!(
            "hashes of {values} values and {} rows agree",
            self.manifest.rows()
        ))
    }
}

fn count_at(row: &RecordBatch, column: usize) -> u64 {
    let counted = row.column(column).as_primitive::<Int64Type>().value(0);
    u64::try_from(counted).unwrap_or_default()
}

fn shown(array: &dyn Array) -> Result<String> {
    Ok(ArrayFormatter::try_new(array, &FormatOptions::default())?
        .value(0)
        .to_string())
}

fn column_names(plan: &Plan) -> Vec<String> {
    plan.definition
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect()
}

fn unequal(plan: &Plan, differences: &[Difference]) -> Error {
    let mut error = Error::new(
        ErrorKind::Verify,
        format!(
            "{} is not equal to its source; nothing was published",
            plan.offload().target()
        ),
    )
    .hint("run again; if it stays, please report it with goe plan --output json");
    for difference in differences.iter().take(10) {
        let column = difference.column.as_deref().unwrap_or("rows");
        let place = if difference.partition.is_empty() {
            ""
        } else {
            " in "
        };
        error = error.context(
            "differs",
            format!(
                "{column}{place}{}: {}",
                difference.partition, difference.detail
            ),
        );
    }
    error
}

/// The sums of a query's rows, by target partition: what the source says now.
pub(super) async fn hash_query(
    engine: &SessionContext,
    query: &LogicalPlan,
    schema: SchemaRef,
    partition_columns: Vec<usize>,
) -> Result<PartitionHashes> {
    let plan = engine.state().create_physical_plan(query).await?;
    let mut workers = JoinSet::new();
    for worker in 0..plan.output_partitioning().partition_count() {
        let stream = plan.execute(worker, engine.task_ctx())?;
        let (schema, columns) = (Arc::clone(&schema), partition_columns.clone());
        workers.spawn(async move { hash_stream(stream, schema, &columns).await });
    }
    let mut total = PartitionHashes::new();
    while let Some(done) = workers.join_next().await {
        let sums = done.map_err(|error| Error::internal(format!("A worker died: {error}")))??;
        for (partition, hashes) in sums {
            total.entry(partition).or_default().add(&hashes);
        }
    }
    Ok(total)
}

async fn hash_stream(
    mut stream: datafusion::execution::SendableRecordBatchStream,
    schema: SchemaRef,
    partition_columns: &[usize],
) -> Result<PartitionHashes> {
    let mut hasher = RowHasher::default();
    let mut sums = PartitionHashes::new();
    while let Some(batch) = stream.next().await {
        let batch = RecordBatch::try_new(Arc::clone(&schema), batch?.columns().to_vec())?;
        for (key, rows) in split_batch(&batch, partition_columns)? {
            let names = partition_columns
                .iter()
                .map(|&i| schema.field(i).name().clone());
            let path = partition_path(&names.zip(key).collect::<Vec<_>>());
            let sum: &mut TableHashes = sums.entry(path).or_default();
            sum.add_batch(&mut hasher, &rows)?;
        }
    }
    sums.retain(|_, hashes| hashes.rows > 0);
    Ok(sums)
}
