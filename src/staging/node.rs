//! The logical stage, and the planner that makes it physical.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result as PlanResult};
use datafusion::logical_expr::logical_plan::{Extension, InvariantLevel};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::{input_order, manifest_schema};
use super::{Manifest, StageExec, StageSpec};
use crate::error::{Error, Result};

/// A stage on top of a plan.
#[derive(Debug, Clone)]
pub struct StageNode {
    input: LogicalPlan,
    spec: Arc<StageSpec>,
    schema: DFSchemaRef,
}

impl StageNode {
    /// The plan that stages the rows of `input`.
    ///
    /// # Errors
    /// Those of the engine's schema.
    pub fn plan(input: LogicalPlan, spec: Arc<StageSpec>) -> Result<LogicalPlan> {
        let schema = Arc::new(DFSchema::try_from(manifest_schema())?);
        let node = Arc::new(Self {
            input,
            spec,
            schema,
        });
        Ok(LogicalPlan::Extension(Extension { node }))
    }
}

impl UserDefinedLogicalNode for StageNode {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        "Stage"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn check_invariants(&self, _: InvariantLevel) -> PlanResult<()> {
        Ok(())
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage: to={}", self.spec.place.url)
    }

    fn with_exprs_and_inputs(
        &self,
        _: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> PlanResult<Arc<dyn UserDefinedLogicalNode>> {
        let input = inputs.pop().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Self {
            input,
            ..self.clone()
        }))
    }

    /// All columns are staged: none may be pruned away.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }

    fn dyn_hash(&self, state: &mut dyn Hasher) {
        let mut state = state;
        self.spec.manifest.hash(&mut state);
        self.input.hash(&mut state);
    }

    fn dyn_eq(&self, other: &dyn UserDefinedLogicalNode) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| {
            self.spec.manifest == other.spec.manifest && self.input == other.input
        })
    }

    fn dyn_ord(&self, other: &dyn UserDefinedLogicalNode) -> Option<Ordering> {
        let other = other.as_any().downcast_ref::<Self>()?;
        self.spec.manifest.partial_cmp(&other.spec.manifest)
    }
}

/// Makes a [`StageExec`] of a [`StageNode`].
#[derive(Debug, Default)]
pub struct StagePlanner;

#[async_trait]
impl ExtensionPlanner for StagePlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let stage = node.as_any().downcast_ref::<StageNode>();
        let (Some(StageNode { spec, .. }), [input]) = (stage, physical_inputs) else {
            return Ok(None);
        };
        let input = sorted(Arc::clone(input), spec);
        Ok(Some(Arc::new(StageExec::new(input, Arc::clone(spec)))))
    }
}

/// The input, each worker's rows sorted as the stage asks for it; what does not fit the engine's
/// memory is spilled.
fn sorted(input: Arc<dyn ExecutionPlan>, spec: &StageSpec) -> Arc<dyn ExecutionPlan> {
    match input_order(spec) {
        Some(order) => Arc::new(SortExec::new(order, input).with_preserve_partitioning(true)),
        None => input,
    }
}

/// The manifest that the rows of a stage are.
///
/// # Errors
/// [`crate::ErrorKind::Internal`] for rows that no stage returned.
pub fn collect_manifest(id: &str, rows: &[RecordBatch]) -> Result<Manifest> {
    let mut files = Vec::new();
    for batch in rows {
        let json = batch.column(batch.num_columns() - 1).as_string::<i32>();
        for text in json.iter().flatten() {
            let file = serde_json::from_str(text)
                .map_err(|error| Error::internal(format!("A manifest does not parse: {error}")))?;
            files.push(file);
        }
    }
    Ok(Manifest {
        id: id.to_owned(),
        files,
    })
}
