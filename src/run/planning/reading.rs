//! How the sources of a plan will be read, from the very plan that will run.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;

use crate::error::Result;
use crate::frontend::{Comparison, FrontendScan, FrontendTable, frontend_table};
use crate::offload::{FilterState, PlannedFilter, Reading, plain};

/// How each source will be read, from the very plan that will run.
pub(super) async fn readings(
    engine: &SessionContext,
    query: &LogicalPlan,
    tables: &[FrontendTable],
) -> Result<Vec<Reading>> {
    let state = engine.state();
    let optimized = state.optimize(query)?;
    let physical = state
        .query_planner()
        .create_physical_plan(&optimized, &state)
        .await?;
    let mut scans = Vec::new();
    collect_scans(&physical, &mut scans);
    let mut readings = Vec::new();
    for table in tables {
        let scan = scans.iter().find_map(|plan| {
            let scan = plan.downcast_ref::<FrontendScan>()?;
            Arc::ptr_eq(scan.source(), table.source()).then_some(scan)
        });
        // A scan that was optimised away is not read.
        if let Some(scan) = scan {
            readings.push(reading(table, scan, filters(&optimized, table)?).await?);
        }
    }
    Ok(readings)
}

pub(in crate::run) fn collect_scans(
    plan: &Arc<dyn ExecutionPlan>,
    into: &mut Vec<Arc<dyn ExecutionPlan>>,
) {
    if plan.downcast_ref::<FrontendScan>().is_some() {
        into.push(Arc::clone(plan));
    }
    for child in plan.children() {
        collect_scans(child, into);
    }
}

async fn reading(
    table: &FrontendTable,
    scan: &FrontendScan,
    filters: Vec<PlannedFilter>,
) -> Result<Reading> {
    let described = table.source().table();
    let snapshot = table.source().snapshot(scan.workers()).await?;
    let splits = scan.splits();
    Ok(Reading {
        table: described.name.clone(),
        kind: described.kind.word(),
        rows: described.rows,
        bytes: described.bytes,
        splits: splits.list.len(),
        split_by: splits.kind,
        split_reason: splits.reason.clone(),
        workers: scan.workers().min(snapshot.facts().readers),
        snapshot: snapshot.facts().label.clone(),
        mixed: snapshot.facts().mixed.clone(),
        sql: splits
            .list
            .first()
            .map(|split| scan.sql_of(split))
            .unwrap_or_default(),
        filters,
    })
}

/// The filters on a table in an optimised plan, and who applies each.
fn filters(plan: &LogicalPlan, table: &FrontendTable) -> Result<Vec<PlannedFilter>> {
    let mut found: Vec<PlannedFilter> = Vec::new();
    let mut above = Vec::new();
    plan.apply(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                for filter in scan.filters.iter().filter(|_| is_scan_of(scan, table)) {
                    let state = match table.push(filter).map(|pushed| pushed.comparison) {
                        Some(Comparison::Exact) => FilterState::Exact,
                        Some(Comparison::Superset) => FilterState::Superset,
                        None => FilterState::Local,
                    };
                    found.push(PlannedFilter {
                        text: filter.to_string(),
                        state,
                    });
                }
            }
            LogicalPlan::Filter(filter) => {
                for part in split_conjunction(&filter.predicate) {
                    above.push(PlannedFilter {
                        text: part.to_string(),
                        state: FilterState::Local,
                    });
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A superset stands twice, in the scan and above it. What stands in the scan alone stays, also
    // where the scan has to apply it itself.
    above.retain(|filter| found.iter().all(|scanned| scanned.text != filter.text));
    above.append(&mut found);
    Ok(above)
}

fn is_scan_of(scan: &TableScan, table: &FrontendTable) -> bool {
    frontend_table(scan).is_some_and(|other| Arc::ptr_eq(other.source(), table.source()))
}

/// Whether the source can be asked for the count and the aggregates of the very rows of a query:
/// one source, and every filter exactly its own.
pub(super) fn asks_source(
    engine: &SessionContext,
    query: &LogicalPlan,
    tables: &[FrontendTable],
) -> Result<bool> {
    let [table] = tables else {
        return Ok(false);
    };
    let optimized = engine.state().optimize(query)?;
    let exact = filters(&optimized, table)?
        .iter()
        .all(|filter| filter.state == FilterState::Exact);
    Ok(exact && plain(query))
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use datafusion::datasource::provider_as_source;
    use datafusion::functions::string::expr_fn::upper;
    use datafusion::logical_expr::{Expr, LogicalPlanBuilder, col, lit};

    use super::*;
    use crate::config::Config;
    use crate::frontend::OpenOptions;
    use crate::systems::Connections;

    /// A filter that was taken over may reach the scan in a form that the source can't apply.
    #[tokio::test]
    async fn a_filter_that_only_the_scan_has_is_named() {
        let folder = tempfile::tempdir().unwrap();
        rusqlite::Connection::open(folder.path().join("shop.db"))
            .and_then(|db| db.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)"))
            .unwrap();
        let config = "[connections.shop]\nurl = \"sqlite:shop.db\"";
        let config = Config::parse(config, folder.path()).unwrap();
        let shop = Connections::new(config).frontend("shop").unwrap();
        let source = shop.open("main", "t", &OpenOptions::default()).await;
        let table = FrontendTable::new(source.unwrap(), shop.dialect());
        let strange = upper(col("t.note")).eq(lit("A"));
        let alike = col("t.note").like(lit("a%"));
        let plan = |scanned: Vec<Expr>, above: Expr| {
            let source = provider_as_source(Arc::new(table.clone()));
            LogicalPlanBuilder::scan_with_filters("t", source, None, scanned)
                .and_then(|scan| scan.filter(above)?.build())
                .unwrap()
        };
        let states = |plan| -> Vec<FilterState> {
            let filters = filters(&plan, &table).unwrap();
            filters.iter().map(|filter| filter.state).collect()
        };
        let both = plan(vec![strange.clone(), alike.clone()], alike.clone());
        assert_eq!(states(both), [FilterState::Local, FilterState::Superset]);
        let above = plan(vec![alike.clone()], alike.and(strange));
        assert_eq!(states(above), [FilterState::Local, FilterState::Superset]);
    }
}
