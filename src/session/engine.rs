//! A DataFusion session set up as goe needs it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, Session as EngineSession};
use datafusion::common::Result as PlanResult;
use datafusion::common::extensions_options;
use datafusion::config::ConfigExtension;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::catalog::ConnectionCatalogs;
use super::in_list::DisjointLists;
use crate::error::{Error, Result};
use crate::frontend::{OpenOptions, RateLimit};
use crate::staging::StagePlanner;
use crate::systems::Connections;

/// A worker's sort takes in a batch of up to 8 MiB and needs as much again to merge: it has at
/// least so many bytes, however small the budget.
const WORKER_BYTES: usize = 16 << 20;

/// The most that a worker's sort keeps back to merge.
const MERGE_BYTES: usize = 10 << 20;

/// What an engine may use.
pub(super) struct Limits {
    /// Workers of a scan, and threads' worth of everything else.
    pub(super) workers: usize,
    /// Bytes that sorts, joins and aggregates may hold.
    pub(super) memory: usize,
    /// Bytes of rows that scans may read in a second.
    pub(super) rate: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(4),
            memory: 512 << 20,
            rate: None,
        }
    }
}

extensions_options! {
    /// What `SET goe.…` says; above the configuration, below an offload's own options.
    pub(super) struct GoeOptions {
        /// How many workers.
        pub(super) parallel: Option<usize>, default = None
        /// How much is proved: `count`, `aggregates`, `checksum` or `read_back`.
        pub(super) verify: Option<String>, default = None
        /// How much memory an offload may use, such as `512MB`.
        pub(super) memory: Option<String>, default = None
    }
}

impl ConfigExtension for GoeOptions {
    const PREFIX: &'static str = "goe";
}

/// An engine whose catalogs are the connections.
pub(super) fn build(
    connections: &Arc<Connections>,
    options: OpenOptions,
    limits: &Limits,
) -> Result<SessionContext> {
    let workers = limits.workers.max(1);
    let memory = limits.memory.max(workers * WORKER_BYTES);
    let mut config = SessionConfig::new()
        // What a worker's sort keeps back to merge what it spilled.
        .with_sort_spill_reservation_bytes((memory / workers / 4).min(MERGE_BYTES))
        .with_option_extension(GoeOptions::default())
        .with_target_partitions(limits.workers)
        // A decimal literal is a decimal: 0.1 is not a double.
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        // Without one a cast to TIMESTAMP WITH TIME ZONE would lose the zone without a word.
        .set_str("datafusion.execution.time_zone", "UTC")
        .set_bool(
            "datafusion.execution.parquet.schema_force_view_types",
            false,
        )
        // A worker is a connection: rows are not dealt out again after it.
        .with_round_robin_repartition(false);
    if let Some(rate) = limits.rate {
        config = config.with_extension(Arc::new(RateLimit::new(rate)));
    }
    let pool = Arc::new(FairSpillPool::new(memory));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()?;
    let catalogs = ConnectionCatalogs::new(Arc::clone(connections), options);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_catalog_list(Arc::new(catalogs))
        .with_query_planner(Arc::new(StagingQueryPlanner))
        .with_analyzer_rule(Arc::new(DisjointLists))
        .build();
    Ok(SessionContext::new_with_state(state))
}

/// Puts a schema into the engine's own catalog.
pub(super) fn add_schema(
    engine: &SessionContext,
    name: &str,
    schema: Arc<dyn SchemaProvider>,
) -> Result<()> {
    let default = engine.catalog("datafusion");
    let catalog = default.ok_or_else(|| Error::internal("The engine has no catalog of its own"))?;
    catalog.register_schema(name, schema)?;
    Ok(())
}

/// The default planner, which knows stages too.
#[derive(Debug)]
struct StagingQueryPlanner;

#[async_trait]
impl QueryPlanner for StagingQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn EngineSession,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(StagePlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}
