//! Staging in this process.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;

use crate::error::Result;
use crate::fault;
use crate::staging::{Manifest, StageNode, StageSpec, collect_manifest};

/// Stages the rows of a plan and gives the manifest.
///
/// # Errors
/// Whatever reading, casting and writing say. Finished files stay behind as orphans.
pub async fn stage(
    engine: &SessionContext,
    rows: LogicalPlan,
    spec: Arc<StageSpec>,
) -> Result<Manifest> {
    let id = spec.manifest.clone();
    let plan = StageNode::plan(rows, spec)?;
    let physical = engine.state().create_physical_plan(&plan).await?;
    let files = collect(physical, engine.task_ctx()).await?;
    let manifest = collect_manifest(&id, &files)?;
    fault::point("manifest.made")?;
    Ok(manifest)
}
