//! The physical scan of a source: workers that take splits from one queue.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::{Result as PlanResult, tree_node::TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use super::{
    Aggregate, AggregateFunction, BatchLimits, Dialect, Pushed, RateLimit, ReadRequest, Select,
    Snapshot, Source, Split, Splits, request_schema, select_sql,
};
use crate::error::{Error, Result};
use crate::fault;

/// What a scan reads.
#[derive(Debug, Clone)]
pub(super) struct ScanSpec {
    pub(super) source: Arc<dyn Source>,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) snapshot: Option<Arc<dyn Snapshot>>,
    pub(super) splits: Splits,
    pub(super) columns: Vec<usize>,
    pub(super) filters: Vec<Pushed>,
    pub(super) limit: Option<usize>,
    pub(super) parallel: usize,
}

/// Reads a source with a fixed number of workers. Each worker is one DataFusion partition and takes
/// the next split when it is free, so nobody idles at the end.
#[derive(Debug)]
pub struct FrontendScan {
    spec: Arc<ScanSpec>,
    queue: Arc<Queue>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The state that the workers of one execution share.
#[derive(Debug, Default)]
struct Queue {
    next: AtomicUsize,
    snapshot: OnceCell<Arc<dyn Snapshot>>,
}

impl FrontendScan {
    pub(super) fn new(spec: ScanSpec) -> Self {
        let schema = request_schema(spec.source.table(), &Select::Columns(spec.columns.clone()));
        let workers = spec.parallel.clamp(1, spec.splits.list.len().max(1));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(workers),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            spec: Arc::new(spec),
            queue: Arc::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The statement that reads one split.
    #[must_use]
    pub fn sql_of(&self, split: &Split) -> String {
        let spec = &self.spec;
        select_sql(
            spec.dialect.as_ref(),
            spec.source.table(),
            Some(split),
            &spec.request(),
        )
    }

    /// The filters that the source applies, as its SQL.
    #[must_use]
    pub fn filter(&self) -> Option<String> {
        self.spec.filter()
    }

    /// The source that is read.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.spec.source
    }

    /// How many workers read.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.properties.output_partitioning().partition_count()
    }

    /// How the source was cut.
    #[must_use]
    pub fn splits(&self) -> &Splits {
        &self.spec.splits
    }
}

impl ScanSpec {
    fn filter(&self) -> Option<String> {
        let texts: Vec<String> = self
            .filters
            .iter()
            .map(|filter| format!("({})", filter.sql))
            .collect();
        (!texts.is_empty()).then(|| texts.join(" AND "))
    }

    fn request(&self) -> ReadRequest {
        ReadRequest {
            select: Select::Columns(self.columns.clone()),
            filter: self.filter(),
            limit: self.limit,
            batch: BatchLimits::default(),
        }
    }

    fn schema(&self) -> SchemaRef {
        request_schema(self.source.table(), &Select::Columns(self.columns.clone()))
    }

    async fn read(
        &self,
        snapshot: &dyn Snapshot,
        split: &Split,
    ) -> Result<SendableRecordBatchStream> {
        if self.columns.is_empty() {
            let rows = self.count(snapshot, split).await?;
            let batch = RecordBatch::try_new_with_options(
                self.schema(),
                Vec::new(),
                &RecordBatchOptions::new().with_row_count(Some(rows)),
            )?;
            let stream = futures::stream::iter([Ok(batch)]);
            return Ok(Box::pin(RecordBatchStreamAdapter::new(
                self.schema(),
                stream,
            )));
        }
        snapshot.read(Some(split), &self.request()).await
    }

    /// Rows without columns are only counted, by the source.
    async fn count(&self, snapshot: &dyn Snapshot, split: &Split) -> Result<usize> {
        let rows = Aggregate {
            function: AggregateFunction::Rows,
            column: 0,
        };
        let request = ReadRequest::aggregates(vec![rows], self.filter());
        let batches: Vec<RecordBatch> = snapshot
            .read(Some(split), &request)
            .await?
            .try_collect()
            .await?;
        let counted = batches
            .iter()
            .find(|batch| batch.num_rows() == 1)
            .map(|batch| batch.column(0).as_primitive::<Int64Type>().value(0))
            .ok_or_else(|| Error::internal("A count gave no row"))?;
        let counted = usize::try_from(counted).unwrap_or_default();
        Ok(self.limit.map_or(counted, |limit| counted.min(limit)))
    }
}

/// The stream of the next split that a worker takes; `None` when there is no more for it.
///
/// A snapshot may serve fewer readers than there are workers. Those beyond its readers take
/// nothing: were they to wait for a connection, a sorted merge could wait for them for ever.
async fn next_split(
    spec: &ScanSpec,
    queue: &Queue,
    worker: usize,
) -> Result<Option<SendableRecordBatchStream>> {
    let open = || async {
        match &spec.snapshot {
            Some(snapshot) => Ok(Arc::clone(snapshot)),
            None => spec.source.snapshot(spec.parallel).await,
        }
    };
    let snapshot = queue.snapshot.get_or_try_init(open).await?;
    if worker >= snapshot.facts().readers {
        return Ok(None);
    }
    let position = queue.next.fetch_add(1, Ordering::Relaxed);
    match spec.splits.list.get(position) {
        Some(split) => {
            let batches = spec.read(snapshot.as_ref(), split).await?;
            Ok(Some(fault::batches(batches)))
        }
        None => Ok(None),
    }
}

impl DisplayAs for FrontendScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = &self.spec;
        write!(
            f,
            "FrontendScan: table={}, splits={} ({}), workers={}",
            spec.source.table().name,
            spec.splits.list.len(),
            spec.splits.kind,
            self.properties.output_partitioning().partition_count(),
        )?;
        match spec.filter() {
            Some(filter) => write!(f, ", filter={filter}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for FrontendScan {
    fn name(&self) -> &str {
        "FrontendScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn reset_state(self: Arc<Self>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.spec.as_ref().clone())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let splits = futures::stream::try_unfold(
            (Arc::clone(&self.spec), Arc::clone(&self.queue)),
            move |(spec, queue)| async move {
                let stream = next_split(&spec, &queue, partition).await?;
                Ok::<_, Error>(stream.map(|stream| (stream, (spec, queue))))
            },
        );
        let batches = splits
            .map_err(datafusion::error::DataFusionError::from)
            .try_flatten()
            .inspect_ok(move |batch| {
                metrics.record_output(batch.num_rows());
            });
        let limit = context.session_config().get_extension::<RateLimit>();
        let batches = batches.and_then(move |batch| {
            let limit = limit.clone();
            async move {
                if let Some(limit) = limit {
                    limit.spend(batch.get_array_memory_size()).await;
                }
                Ok(batch)
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.spec.schema(),
            batches.boxed(),
        )))
    }
}
