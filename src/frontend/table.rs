//! A source as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, LogicalPlan, TableProviderFilterPushDown, TableScan, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;

use super::scan::ScanSpec;
use super::{
    Comparison, Dialect, FrontendScan, Pushed, Select, Snapshot, Source, SourceTable, Splits,
    request_schema, translate,
};
use crate::error::Result;

/// How many bytes of a source a split should hold: small enough that nobody idles at the end.
const SPLIT_BYTES: u64 = 16 << 20;

/// So many rows are read in one piece: cutting a large source costs more than reading them.
const FEW_ROWS: usize = 8192;

/// A source as a table with projection, filter and limit pushdown.
///
/// A query opens a snapshot of its own; inside an offload [`pin`] binds the table to the chunk's.
#[derive(Debug, Clone)]
pub struct FrontendTable {
    source: Arc<dyn Source>,
    dialect: Arc<dyn Dialect>,
    snapshot: Option<Arc<dyn Snapshot>>,
    parallel: Option<usize>,
    schema: SchemaRef,
}

impl FrontendTable {
    /// A table of a described source.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, dialect: Arc<dyn Dialect>) -> Self {
        let all = Select::Columns((0..source.table().columns.len()).collect());
        let schema = request_schema(source.table(), &all);
        Self {
            source,
            dialect,
            snapshot: None,
            parallel: None,
            schema,
        }
    }

    /// The source behind it.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// What was described.
    #[must_use]
    pub fn description(&self) -> &SourceTable {
        self.source.table()
    }

    /// The source's dialect.
    #[must_use]
    pub fn dialect(&self) -> &dyn Dialect {
        self.dialect.as_ref()
    }

    /// What the source takes over of a filter.
    #[must_use]
    pub fn push(&self, filter: &Expr) -> Option<Pushed> {
        translate(filter, self.source.table(), self.dialect.as_ref())
    }

    /// Cuts the source as a scan of it will.
    ///
    /// # Errors
    /// Whatever the source says.
    pub async fn splits(&self) -> Result<Splits> {
        self.source.splits(SPLIT_BYTES).await
    }
}

#[async_trait]
impl TableProvider for FrontendTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let state = |filter: &&Expr| match self.push(filter) {
            Some(Pushed {
                comparison: Comparison::Exact,
                ..
            }) => TableProviderFilterPushDown::Exact,
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(state).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let wanted = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let (pushed, local) = self.taken_over(filters);
        let columns = self.with_columns_of(&local, &wanted)?;
        let limit = limit.filter(|_| local.is_empty());
        let splits = match limit {
            Some(rows) if rows <= FEW_ROWS => Splits::one("only a few rows are wanted"),
            _ => self.splits().await?,
        };
        let parallel = self
            .parallel
            .unwrap_or_else(|| state.config().target_partitions());
        let scan = Arc::new(FrontendScan::new(ScanSpec {
            source: Arc::clone(&self.source),
            dialect: Arc::clone(&self.dialect),
            snapshot: self.snapshot.clone(),
            splits,
            columns,
            filters: pushed,
            limit,
            parallel,
        }));
        match conjunction(local) {
            None => Ok(scan),
            Some(filter) => filtered(state, scan, filter, wanted.len()),
        }
    }
}

impl FrontendTable {
    /// The filters that the source applies, and those that must be applied here.
    ///
    /// The optimizer asks once what is taken over, drops the filters that are taken over exactly, and
    /// rewrites them once more afterwards. One of them may come in a form that is not taken over any
    /// longer: nobody else applies it then.
    fn taken_over(&self, filters: &[Expr]) -> (Vec<Pushed>, Vec<Expr>) {
        let (mut pushed, mut local) = (Vec::new(), Vec::new());
        for filter in filters {
            let taken = self.push(filter);
            if !matches!(&taken, Some(taken) if taken.comparison == Comparison::Exact) {
                local.push(filter.clone());
            }
            pushed.extend(taken);
        }
        (pushed, local)
    }

    /// The wanted columns, and behind them what the filters need besides.
    fn with_columns_of(&self, filters: &[Expr], wanted: &[usize]) -> PlanResult<Vec<usize>> {
        let mut columns = wanted.to_vec();
        for column in filters.iter().flat_map(Expr::column_refs) {
            let index = self.schema.index_of(&column.name)?;
            if !columns.contains(&index) {
                columns.push(index);
            }
        }
        Ok(columns)
    }
}

/// The first columns of the rows of a scan for which a filter is true.
fn filtered(
    state: &dyn Session,
    scan: Arc<FrontendScan>,
    filter: Expr,
    columns: usize,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let schema = DFSchema::try_from(scan.schema().as_ref().clone())?;
    let filter = state.create_physical_expr(filter, &schema)?;
    let filter = FilterExecBuilder::new(filter, scan)
        .apply_projection(Some((0..columns).collect()))?
        .build()?;
    Ok(Arc::new(filter))
}

/// Binds every scan of `source` in a plan to one snapshot and its number of readers.
///
/// # Errors
/// Those of the engine's own tree walk.
pub fn pin(
    plan: LogicalPlan,
    source: &Arc<dyn Source>,
    snapshot: &Arc<dyn Snapshot>,
) -> Result<LogicalPlan> {
    let pinned = plan.transform_up(|node| {
        let LogicalPlan::TableScan(scan) = &node else {
            return Ok(Transformed::no(node));
        };
        let Some(table) = frontend_table(scan) else {
            return Ok(Transformed::no(node));
        };
        if !Arc::ptr_eq(&table.source, source) {
            return Ok(Transformed::no(node));
        }
        let bound = FrontendTable {
            snapshot: Some(Arc::clone(snapshot)),
            parallel: Some(snapshot.facts().readers),
            ..table
        };
        let scan = TableScan {
            source: provider_as_source(Arc::new(bound)),
            ..scan.clone()
        };
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(pinned.data)
}

/// The frontend table that a scan reads, if it reads one.
#[must_use]
pub fn frontend_table(scan: &TableScan) -> Option<FrontendTable> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.downcast_ref::<FrontendTable>().cloned()
}
