//! Proofs: before a publish, and at any later time.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::prelude::{DataFrame, SessionContext, ident};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use tokio::task::JoinSet;
use tokio::try_join;

use super::{aggregates, positions};
use crate::backend::{Backend, LoadedProof, Scope, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, Snapshot};
use crate::offload::{Difference, Plan, VerifyLevel, compare, compared_columns};
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
    /// Proves the chunk as its offload says, and tells how in one sentence: the source counts while
    /// what was staged is read back.
    pub(super) async fn prove(&self) -> Result<String> {
        let (mut said, target) = try_join!(self.ask_source(), self.ask_target())?;
        said.extend(target);
        if said.is_empty() {
            said.push(format!(
                "{} rows were staged; the source can't be asked",
                self.manifest.rows()
            ));
        }
        Ok(said.join("; "))
    }

    async fn ask_source(&self) -> Result<Vec<String>> {
        let Some((snapshot, filter)) = &self.read else {
            return Ok(Vec::new());
        };
        if snapshot.facts().mixed.is_some() {
            return Ok(vec!["the source gives no one state to count".to_owned()]);
        }
        let snapshot = snapshot.as_ref();
        let mut said = vec![self.count_source(snapshot, filter.clone()).await?];
        if self.plan.offload().verify() == VerifyLevel::Aggregates {
            said.push(self.compare_aggregates(snapshot, filter.clone()).await?);
        }
        Ok(said)
    }

    async fn ask_target(&self) -> Result<Option<String>> {
        Ok(match self.plan.loaded_proof() {
            Some(LoadedProof::ReadBack) => Some(self.read_back().await?),
            Some(LoadedProof::Aggregates) => Some(self.compare_loaded().await?),
            None => None,
        })
    }

    /// The source's own count against the rows that were staged.
    async fn count_source(
        &self,
        snapshot: &dyn Snapshot,
        filter: Option<String>,
    ) -> Result<String> {
        let rows = Aggregate {
            function: AggregateFunction::Rows,
            column: 0,
        };
        let row = aggregates::ask(snapshot, vec![rows], filter).await?;
        let counted = row.column(0).as_primitive::<Int64Type>().value(0);
        let staged = self.manifest.rows();
        if u64::try_from(counted) == Ok(staged) {
            return Ok(format!("the source counts {counted} rows too"));
        }
        let detail = format!("the source counts {counted} rows and {staged} were staged");
        let difference = Difference {
            partition: String::new(),
            column: None,
            detail,
        };
        Err(unequal(self.plan, &[difference]))
    }

    /// The staged files, read back, against what was read.
    async fn read_back(&self) -> Result<String> {
        let definition = &self.plan.definition;
        let found = self
            .backend
            .hashes(definition, Scope::Manifest(self.manifest), self.readers)
            .await?;
        // What is staged is text yet, where the target keeps documents.
        let columns = compared_columns(definition, None);
        let differences = compare(&self.manifest.hashes(), &found, &columns);
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

pub(super) fn unequal(plan: &Plan, differences: &[Difference]) -> Error {
    let target = plan.offload().target();
    let message = format!("{target} is not equal to its source; nothing was published");
    unequal_to(message, differences)
        .hint("run again; if it stays, please report it with goe plan --output json")
}

/// An error with the first differences.
pub(super) fn unequal_to(message: String, differences: &[Difference]) -> Error {
    let mut error = Error::new(ErrorKind::Verify, message);
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

/// The sums of the rows of a published table for which a condition is true, by its partitions.
pub(super) async fn hash_target(
    engine: &SessionContext,
    backend: &dyn Backend,
    definition: &TargetDefinition,
    predicate: Expr,
) -> Result<PartitionHashes> {
    let rows = target_rows(engine, backend, definition, predicate).await?;
    let positions = positions(definition, &definition.partition_columns);
    hash_query(engine, rows.logical_plan(), definition.schema(), positions).await
}

/// The rows of a published table for which a condition is true, in the form of a definition.
pub(super) async fn target_rows(
    engine: &SessionContext,
    backend: &dyn Backend,
    definition: &TargetDefinition,
    predicate: Expr,
) -> Result<DataFrame> {
    let name = &definition.name;
    let table = backend.table(&name.schema, &name.table).await?;
    rows_of(engine, table, definition, predicate)
}

/// The rows of a table for which a condition is true, in the form of a definition.
pub(super) fn rows_of(
    engine: &SessionContext,
    table: Arc<dyn TableProvider>,
    definition: &TargetDefinition,
    predicate: Expr,
) -> Result<DataFrame> {
    let held = table.schema();
    let table = engine.read_table(table)?.logical_plan().clone();
    let mut columns = Vec::new();
    for column in &definition.columns {
        // A column that is about to be added is NULL in the rows that are there.
        let value = match held.field_with_name(&column.name) {
            Ok(_) => ident(&column.name),
            Err(_) => lit(ScalarValue::try_from(&column.stored.to_arrow())?),
        };
        columns.push(value.alias(&column.name));
    }
    let rows = DataFrame::new(engine.state(), table).filter(predicate)?;
    Ok(rows.select(columns)?)
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
