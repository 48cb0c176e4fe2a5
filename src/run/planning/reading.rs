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
    let (mut above, mut scanned) = (Vec::new(), Vec::new());
    plan.apply(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                for filter in scan.filters.iter().filter(|_| is_scan_of(scan, table)) {
                    let state = match table.push(filter).map(|pushed| pushed.comparison) {
                        Some(Comparison::Exact) => FilterState::Exact,
                        Some(Comparison::Superset) => FilterState::Superset,
                        None => FilterState::Local,
                    };
                    scanned.push(PlannedFilter {
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
    Ok(each_once(above, scanned))
}

/// The filters of a plan: a superset stands twice, in the scan and above it. What stands in the scan
/// alone stays, also where the scan has to apply it itself.
fn each_once(mut above: Vec<PlannedFilter>, mut scanned: Vec<PlannedFilter>) -> Vec<PlannedFilter> {
    above.retain(|filter| scanned.iter().all(|other| other.text != filter.text));
    above.append(&mut scanned);
    above
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_only_the_scan_has_is_named() {
        let filter = |text: &str, state| PlannedFilter {
            text: text.to_owned(),
            state,
        };
        use FilterState::{Exact, Local, Superset};
        let above = vec![filter("a LIKE 'x%'", Local), filter("f(a)", Local)];
        let scanned = vec![
            filter("a LIKE 'x%'", Superset),
            filter("g(a)", Local),
            filter("a = 1", Exact),
        ];
        let expected = [
            filter("f(a)", Local),
            filter("a LIKE 'x%'", Superset),
            filter("g(a)", Local),
            filter("a = 1", Exact),
        ];
        assert_eq!(each_once(above, scanned), expected);
    }
}
