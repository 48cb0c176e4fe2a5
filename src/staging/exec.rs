//! The physical stage: each worker writes the rows of its input and gives the files back.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties,
};
use futures::StreamExt;

use super::writer::PartitionedWriter;
use super::{StageSpec, StagedFile};
use crate::error::{Error, ErrorKind, Result};

/// Writes its input as Parquet files, one writer per input partition, and returns one row per file.
#[derive(Debug)]
pub struct StageExec {
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<StageSpec>,
    properties: Arc<PlanProperties>,
}

impl StageExec {
    /// A stage of `input`, whose columns are those of the specification.
    #[must_use]
    pub fn new(input: Arc<dyn ExecutionPlan>, spec: Arc<StageSpec>) -> Self {
        let workers = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(manifest_schema()),
            Partitioning::UnknownPartitioning(workers),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            input,
            spec,
            properties: Arc::new(properties),
        }
    }
}

/// The order in which each worker's rows come to a stage; `None` for any.
pub(super) fn input_order(spec: &StageSpec) -> Option<LexOrdering> {
    LexOrdering::new(spec.order().into_iter().map(|i| {
        PhysicalSortExpr::new_default(Arc::new(Column::new(spec.schema.field(i).name(), i)))
    }))
}

/// What a stage returns: a row per file, the whole of it as JSON in the last column.
pub(super) fn manifest_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("file", DataType::Utf8, false),
    ]))
}

fn manifest_rows(files: &[StagedFile]) -> Result<RecordBatch> {
    let json: Result<Vec<String>, _> = files.iter().map(serde_json::to_string).collect();
    let json = json.map_err(|error| Error::internal(error.to_string()))?;
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            files.iter().map(|file| &file.path),
        )),
        Arc::new(Int64Array::from_iter_values(
            files.iter().map(|file| count(file.hashes.rows)),
        )),
        Arc::new(Int64Array::from_iter_values(
            files.iter().map(|file| count(file.bytes)),
        )),
        Arc::new(StringArray::from(json)),
    ];
    Ok(RecordBatch::try_new(manifest_schema(), columns)?)
}

async fn stage(
    mut input: SendableRecordBatchStream,
    spec: Arc<StageSpec>,
    worker: usize,
    workers: usize,
) -> Result<RecordBatch> {
    let mut writer = PartitionedWriter::new(Arc::clone(&spec), worker, workers)?;
    while let Some(batch) = input.next().await {
        writer.write(&conform(&batch?, &spec.schema)?).await?;
    }
    manifest_rows(&writer.finish().await?)
}

/// The batch under the staged schema; a NULL where none may be names its column.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "Column \"{}\" takes no NULLs and the source holds one",
                    field.name()
                ),
            )
            .hint("filter such rows with --where, or give them a value with COALESCE"));
        }
    }
    Ok(RecordBatch::try_new(
        Arc::clone(schema),
        batch.columns().to_vec(),
    )?)
}

impl DisplayAs for StageExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "StageExec: to={}, file_bytes={}",
            self.spec.place.url, self.spec.file_bytes
        )
    }
}

impl ExecutionPlan for StageExec {
    fn name(&self) -> &str {
        "StageExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Asked for, or the engine's optimizer takes the sort below away as one that nobody needs.
    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![input_order(&self.spec).map(OrderingRequirements::from)]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, Arc::clone(&self.spec)))),
            _ => Err(DataFusionError::Internal(
                "A stage has one input".to_owned(),
            )),
        }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let workers = self.input.output_partitioning().partition_count();
        let spec = Arc::clone(&self.spec);
        let staged = futures::stream::once(async move {
            stage(input, spec, partition, workers)
                .await
                .map_err(DataFusionError::from)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            manifest_schema(),
            staged,
        )))
    }
}
