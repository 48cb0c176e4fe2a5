//! From an offload to its plan: what both systems say, and what follows from it.

mod cut;
mod reading;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;

use super::plan_statement;
use crate::backend::{Backend, Change, Mode, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{FrontendTable, frontend_table};
use crate::offload::{
    Mapped, Offload, PartitionBy, Plan, PlannedChunk, Reading, Record, Region, Take, Window,
    check_casts, map_columns,
};
pub(super) use cut::{halve, key_of};
pub(super) use reading::collect_scans;
use reading::{asks_source, readings};
use window::{Decision, Piece, count_in_target, on_target};

/// What both sides say.
pub(super) struct Sides {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) existing: Option<TargetTable>,
    pub(super) query: LogicalPlan,
    pub(super) tables: Vec<FrontendTable>,
}

/// Asks both systems.
pub(super) async fn describe(
    engine: &SessionContext,
    backend: Arc<dyn Backend>,
    offload: &Offload,
) -> Result<Sides> {
    let target = offload.target();
    let query = check_casts(select(engine, offload.query()).await?, offload.allowances())?;
    let tables = frontend_tables(&query)?;
    let existing = backend.describe(&target.schema, &target.table).await?;
    Ok(Sides {
        backend,
        existing,
        query,
        tables,
    })
}

/// The logical plan of a SELECT, and of nothing else.
async fn select(engine: &SessionContext, query: &str) -> Result<LogicalPlan> {
    let plan = plan_statement(engine, query).await?;
    match plan {
        LogicalPlan::Ddl(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::Statement(_) => Err(Error::usage(
            "An offload takes a SELECT, not another statement",
        )),
        query => Ok(query),
    }
}

fn frontend_tables(query: &LogicalPlan) -> Result<Vec<FrontendTable>> {
    let mut tables = Vec::new();
    query.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.extend(frontend_table(scan));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

/// Makes every decision.
pub(super) async fn decide(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    take: &Take,
) -> Result<Plan> {
    let prior = prior_record(sides, offload)?;
    let continued = prior.as_ref().filter(|_| !anew(offload));
    let Decision {
        window,
        mut units,
        filled_by,
        nothing,
        mut notes,
    } = window::decide(engine, sides, offload, take, continued).await?;
    if let Some(by) = offload
        .spec()
        .chunk_by
        .as_ref()
        .filter(|_| nothing.is_none())
    {
        let (pieces, note) = cut::pieces(engine, sides, offload, by).await?;
        units = pieces;
        notes.push(note);
    }
    let (query, mapped) = project(sides, offload, &window.rows, Columns::OfTarget)?;
    notes.extend(offload.allowances().words());
    let change = Change::between(sides.existing.as_ref(), &mapped.definition)
        .map_err(|differences| does_not_fit(offload, &differences))?;
    let mode = mode(engine, sides, offload, &window, &mapped).await?;
    let readings = readings(engine, &query, &sides.tables).await?;
    if sides.tables.len() > 1 {
        notes.push("each source is read at its own snapshot".to_owned());
    }
    let sorted = sides.backend.facts().partitions && sorts(offload, &readings);
    if sorted {
        notes.push("rows are sorted by partition first: there may be many partitions".to_owned());
    }
    let chunks = match nothing {
        Some(_) => Vec::new(),
        None => chunks(engine, sides, offload, &window, units)?,
    };
    Ok(Plan {
        statements: sides.backend.statements(&change),
        offload: offload.clone(),
        query,
        chunks,
        sources: sides
            .tables
            .iter()
            .map(|table| Arc::clone(table.source()))
            .collect(),
        readings,
        definition: mapped.definition,
        columns: mapped.columns,
        cluster_columns: mapped.cluster_columns,
        schema_changes: mapped.changes,
        existing: sides.existing.clone(),
        loaded_proof: sides.backend.facts().loaded_proof,
        change,
        mode,
        filled_by,
        keys: keys(sides, &window.after),
        window,
        sorted,
        notes,
        nothing,
    })
}

/// What becomes of the rows that the target holds.
async fn mode(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    window: &Window,
    mapped: &Mapped,
) -> Result<Mode> {
    if anew(offload) && sides.existing.is_some() {
        return Ok(Mode::ReplaceAll);
    }
    if let Some(gone) = &window.replaces {
        let gone = on_target(offload, gone, &sides.query, mapped)?;
        return Ok(Mode::ReplaceWhere(gone));
    }
    if window.late && !window.rows.is_empty() {
        let there = on_target(offload, &window.rows, &sides.query, mapped)?;
        let rows = count_in_target(engine, sides, offload, there).await?;
        if rows > 0 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{} holds {rows} row(s) where {} already: nobody can tell which are late",
                    offload.target(),
                    window.rows
                ),
            )
            .hint("take them anew, in place of those that are there: REPLACE WHERE"));
        }
    }
    Ok(Mode::Append)
}

/// The chunks of a window, in their order: a piece each, and what is in none of them.
fn chunks(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    window: &Window,
    pieces: Vec<Piece>,
) -> Result<Vec<PlannedChunk>> {
    let mut planned = Vec::new();
    let mut rest = window.rows.clone();
    let mut plan = |name: Option<String>, rows: Region| -> Result<()> {
        planned.push(planned_chunk(engine, sides, offload, name, rows)?);
        Ok(())
    };
    // What is replaced goes and comes in one commit.
    for piece in pieces.into_iter().filter(|_| window.replaces.is_none()) {
        let rows = rest.intersection(&piece.rows)?;
        if !rows.is_empty() {
            rest = rest.without(&piece.rows)?;
            plan(Some(piece.name), rows)?;
        }
    }
    if !rest.is_empty() {
        plan(None, rest)?;
    }
    Ok(planned)
}

/// The chunk of these rows.
fn planned_chunk(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    name: Option<String>,
    rows: Region,
) -> Result<PlannedChunk> {
    let (query, _) = project(sides, offload, &rows, Columns::OfTarget)?;
    let asks_source = asks_source(engine, &query, &sides.tables)?;
    Ok(PlannedChunk {
        name,
        rows,
        query,
        asks_source,
    })
}

/// The types of the source's columns that a record is in terms of.
pub(super) fn keys(sides: &Sides, covered: &Region) -> BTreeMap<String, String> {
    let [table] = sides.tables.as_slice() else {
        return BTreeMap::new();
    };
    let named = covered.columns();
    let columns = table.source().table().columns.iter();
    columns
        .filter(|column| named.contains(&column.name))
        .map(|column| (column.name.clone(), column.canonical.to_string()))
        .collect()
}

/// Days and values may be many, months and years are few. A source that fits the memory is
/// collected there, however many its partitions.
fn sorts(offload: &Offload, readings: &[Reading]) -> bool {
    let many = offload.partition_by().iter().any(PartitionBy::may_be_many);
    let bytes: Option<u64> = readings.iter().map(|reading| reading.bytes).sum();
    many && bytes.is_none_or(|bytes| bytes > offload.memory_of_writers() as u64)
}

pub(super) fn does_not_fit(offload: &Offload, differences: &[String]) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "Target {} has another shape:\n  - {}",
            offload.target(),
            differences.join("\n  - ")
        ),
    )
    .hint("cast or rename the columns in --select, or choose another target")
}

/// Whether what the target holds, and has covered, counts for nothing.
fn anew(offload: &Offload) -> bool {
    offload.spec().reset || offload.spec().reuse
}

/// A target whose rows something else removed is filled anew only when somebody says so, and one
/// that has rows never without saying that they go.
fn check_emptied(offload: &Offload, existing: &TargetTable, record: &Record) -> Result<()> {
    let target = offload.target();
    let emptied = existing.rows == Some(0) && record.rows > 0;
    if offload.spec().reuse && !emptied {
        return Err(Error::usage(format!(
            "Target {target} is not empty: it can't be filled anew"
        ))
        .hint("leave --reuse-backend-table out; --reset replaces all rows"));
    }
    if emptied && !anew(offload) {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "Target {target} is empty, and its record has {} rows",
                record.rows
            ),
        )
        .hint("fill it anew with --reuse-backend-table"));
    }
    Ok(())
}

/// The record that the target holds, if this offload may go on from it.
fn prior_record(sides: &Sides, offload: &Offload) -> Result<Option<Record>> {
    let Some(existing) = &sides.existing else {
        return Ok(None);
    };
    let reset = "replace all of its rows with --reset, or choose another target";
    let adopt = "if they are rows of this source, goe adopt proves it and goes on from them; or ";
    match &existing.record {
        None if offload.spec().reset || existing.rows == Some(0) => Ok(None),
        None => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "Target {} holds rows that goe did not put there",
                offload.target()
            ),
        )
        .hint(format!("{adopt}{reset}"))),
        Some(stored) => {
            let record = Record::read(&stored.body)?;
            check_emptied(offload, existing, &record)?;
            if record.fingerprint != offload.fingerprint() && !anew(offload) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("Target {} is filled by another offload", offload.target()),
                )
                .context("there", record.offload.from.unwrap_or_default())
                .context("covered", record.coverage.to_string())
                .hint(format!(
                    "give the same source, --select, --where, --partition-by and --incremental-by \
                     as before; or {reset}"
                )));
            }
            Ok(Some(record))
        }
    }
}

/// Which columns rows are projected to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// Those of the SELECT, and those made of them.
    OfSelect,
    /// These and all others that the target has.
    OfTarget,
}

/// The rows of a region as the target holds them.
fn project(
    sides: &Sides,
    offload: &Offload,
    rows: &Region,
    columns: Columns,
) -> Result<(LogicalPlan, Mapped)> {
    let source = match sides.tables.as_slice() {
        [table] => Some(table.source().table()),
        _ => None,
    };
    let query = filter_scan(sides.query.clone(), rows)?;
    let existing = sides.existing.as_ref().filter(|_| !anew(offload));
    let mut mapped = map_columns(
        offload,
        &query,
        source,
        sides.backend.facts(),
        sides.backend.types(),
        existing,
    )?;
    if let Some(existing) = existing.filter(|_| columns == Columns::OfTarget) {
        mapped = mapped.with_all_of(existing);
    }
    let projected = LogicalPlanBuilder::from(query)
        .project(mapped.expressions.clone())?
        .build()?;
    Ok((projected, mapped))
}

/// The query and the target's shape for everything that a record covers: what a later proof reads.
pub(super) fn project_coverage(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    record: &Record,
) -> Result<(LogicalPlan, Mapped)> {
    let conditions = window::conditions(engine, sides)?;
    let rows = window::covered(record, conditions.as_ref(), sides)?;
    project(sides, offload, &rows, Columns::OfSelect)
}

/// A window of the source as a target holds it.
pub(super) struct Covered {
    pub(super) rows: Region,
    pub(super) query: LogicalPlan,
    pub(super) mapped: Mapped,
}

/// The rows for which a condition is true, or all of them.
pub(super) fn project_window(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    window: Option<&str>,
) -> Result<Covered> {
    let rows = match (window, window::conditions(engine, sides)?) {
        (None, _) => Region::all(),
        (Some(text), Some(conditions)) => conditions.region(text)?,
        (Some(_), None) => {
            return Err(
                Error::unsupported("A join or an aggregate is held in full only")
                    .hint("leave the window out"),
            );
        }
    };
    // In the order of the target, as later runs have them.
    let (query, mapped) = project(sides, offload, &rows, Columns::OfTarget)?;
    Ok(Covered {
        rows,
        query,
        mapped,
    })
}

/// Some of the covered rows, in the source and in the target.
pub(super) struct Slice {
    pub(super) query: LogicalPlan,
    pub(super) mapped: Mapped,
    /// The condition on the target's rows.
    pub(super) on_target: Expr,
}

/// The covered rows for which a condition is true.
pub(super) fn project_slice(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    record: &Record,
    rows: &str,
) -> Result<Slice> {
    let conditions = window::conditions(engine, sides)?.ok_or_else(|| {
        Error::unsupported("A join or an aggregate is proved as a whole only")
            .hint("leave the condition out")
    })?;
    let covered = window::covered(record, Some(&conditions), sides)?;
    let rows = conditions.region(rows)?.intersection(&covered)?;
    let (query, mapped) = project(sides, offload, &rows, Columns::OfSelect)?;
    let on_target = on_target(offload, &rows, &sides.query, &mapped)?;
    Ok(Slice {
        query,
        mapped,
        on_target,
    })
}

/// The query and the target's shape for every row of the source.
pub(super) fn project_all(sides: &Sides, offload: &Offload) -> Result<(LogicalPlan, Mapped)> {
    project(sides, offload, &Region::all(), Columns::OfSelect)
}

/// Puts a region's condition right above the scan, where every column of the source is known.
fn filter_scan(query: LogicalPlan, rows: &Region) -> Result<LogicalPlan> {
    let Some(predicate) = rows.predicate() else {
        return Ok(query);
    };
    let filtered = query.transform_up(|node| match node {
        LogicalPlan::TableScan(_) => {
            let filtered = LogicalPlanBuilder::from(node)
                .filter(predicate.clone())?
                .build()?;
            Ok(Transformed::yes(filtered))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(filtered.data)
}
