//! From an offload to its plan: what both systems say, and what follows from it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use crate::backend::{Backend, Change, Mode, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{
    Aggregate, AggregateFunction, Comparison, FrontendScan, FrontendTable, ReadRequest, Source,
    frontend_table,
};
use crate::offload::{
    Coverage, FilterState, Limit, Mapped, Offload, PartitionBy, Plan, PlannedFilter, Reading,
    Record, Take, Window, check_casts, map_columns, plain,
};
use crate::schema::{Column, pick};

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
    let plan = engine.state().create_logical_plan(query).await?;
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
    if *take != Take::New {
        return Err(Error::unsupported(format!("Rows can't be taken {take}")));
    }
    let prior = prior_record(sides, offload)?;
    let Decision {
        window,
        nothing,
        mut notes,
    } = decide_window(engine, sides, offload, prior.as_ref()).await?;
    let (query, mapped) = project(sides, offload, &window, true)?;
    notes.extend(offload.allowances().words());
    let change = Change::between(sides.existing.as_ref(), &mapped.definition)
        .map_err(|differences| does_not_fit(offload, &differences))?;
    let readings = readings(engine, &query, &sides.tables).await?;
    if sides.tables.len() > 1 {
        notes.push("each source is read at its own snapshot".to_owned());
    }
    let sorted = sorts(offload, &readings);
    if sorted {
        notes.push("rows are sorted by partition first: there may be many partitions".to_owned());
    }
    let replaces = offload.spec().reset && sides.existing.is_some();
    Ok(Plan {
        statements: sides.backend.statements(&change),
        offload: offload.clone(),
        query,
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
        change,
        mode: if replaces {
            Mode::ReplaceAll
        } else {
            Mode::Append
        },
        window,
        prior,
        sorted,
        notes,
        nothing,
    })
}

/// Days and values may be many, months and years are few. A source that fits the memory is
/// collected there, however many its partitions.
fn sorts(offload: &Offload, readings: &[Reading]) -> bool {
    let many = offload.partition_by().iter().any(PartitionBy::may_be_many);
    let bytes: Option<u64> = readings.iter().map(|reading| reading.bytes).sum();
    many && bytes.is_none_or(|bytes| bytes > offload.memory() as u64 / 4)
}

fn does_not_fit(offload: &Offload, differences: &[String]) -> Error {
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

/// The record that the target holds, if this offload may go on from it.
fn prior_record(sides: &Sides, offload: &Offload) -> Result<Option<Record>> {
    let Some(existing) = &sides.existing else {
        return Ok(None);
    };
    let reset = "replace all of its rows with --reset, or choose another target";
    match &existing.record {
        None if offload.spec().reset || existing.rows == Some(0) => Ok(None),
        None => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!(
                "Target {} holds rows that goe did not put there",
                offload.target()
            ),
        )
        .hint(reset)),
        Some(stored) => {
            let record = Record::read(&stored.body)?;
            if record.fingerprint != offload.fingerprint() && !offload.spec().reset {
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

struct Decision {
    window: Window,
    nothing: Option<String>,
    notes: Vec<String>,
}

async fn decide_window(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    prior: Option<&Record>,
) -> Result<Decision> {
    let prior = prior.filter(|_| !offload.spec().reset);
    let Some(by) = &offload.spec().incremental_by else {
        let nothing = prior.map(|record| {
            format!(
                "{} of the source were offloaded; --reset takes them again",
                record.coverage
            )
        });
        return Ok(Decision {
            window: Window::All,
            nothing,
            notes: Vec::new(),
        });
    };
    let (source, column) = incremental_column(sides, by)?;
    let lower = match prior {
        Some(record) => record.coverage.limit()?,
        None => None,
    };
    let mut notes = Vec::new();
    if column.nullable {
        notes.push(format!(
            "rows whose {} is NULL are never new and are not taken",
            column.name
        ));
    }
    let upper = match &offload.spec().until {
        Some(until) => Some(constant(engine, until, column).await?),
        None => greatest(source, column).await?,
    };
    let Some(upper) = upper else {
        // Nothing bounds an empty source: there is nothing to cover, and the target takes shape.
        let window = Window::All;
        return Ok(Decision {
            window,
            nothing: Some("the source has no rows".to_owned()),
            notes,
        });
    };
    if offload.spec().until.is_none() {
        notes.push(if upper.inclusive {
            format!(
                "{} is unique: rows up to its greatest value are taken",
                column.name
            )
        } else {
            format!(
                "{} is not unique: rows with its greatest value wait, since more may come; \
                 --until sets another boundary",
                column.name
            )
        });
    }
    let window = Window::Between {
        column: column.name.clone(),
        canonical: column.canonical,
        lower,
        upper,
    };
    let nothing = window.is_empty().then(|| match prior {
        Some(record) => format!("{} is covered", record.coverage),
        None => "no row lies below the boundary".to_owned(),
    });
    Ok(Decision {
        window,
        nothing,
        notes,
    })
}

fn incremental_column<'a>(sides: &'a Sides, by: &str) -> Result<(&'a Arc<dyn Source>, &'a Column)> {
    let [table] = sides.tables.as_slice() else {
        return Err(
            Error::unsupported("Only an offload of one table can be incremental")
                .hint("offload a join in full: leave --incremental-by out"),
        );
    };
    if !plain(&sides.query) {
        return Err(Error::unsupported(
            "An offload with an aggregate, a sort or a limit can't be incremental",
        )
        .hint("offload it in full: leave --incremental-by out"));
    }
    let columns = &table.source().table().columns;
    let names = || columns.iter().map(|column| column.name.as_str());
    let name = pick(by.trim_matches('"'), names()).ok_or_else(|| {
        Error::not_found(
            format!("Column \"{by}\" is not in {}", table.source().table().name),
            by,
            names(),
        )
    })?;
    let column = columns.iter().find(|column| column.name == name);
    column
        .map(|column| (table.source(), column))
        .ok_or_else(|| Error::internal("A column is gone"))
}

/// The value of a constant expression, as one of the column's type.
async fn constant(engine: &SessionContext, text: &str, column: &Column) -> Result<Limit> {
    let wrong = |why: String| {
        Error::usage(format!(
            "The boundary {text} is no value of column \"{}\"",
            column.name
        ))
        .context("because", why)
        .hint(format!("give a constant of type {}", column.canonical))
    };
    let frame = engine
        .sql(&format!("SELECT {text} AS boundary"))
        .await
        .map_err(|error| wrong(Error::from(error).message().to_owned()))?;
    let rows = frame.collect().await?;
    let value = first_value(&rows)?;
    let to = column.canonical.to_arrow();
    let cast = value
        .cast_to(&to)
        .map_err(|error| wrong(error.to_string()))?;
    // The boundary must mean what was written: nothing may be rounded on the way.
    let back = cast
        .cast_to(&value.data_type())
        .map_err(|error| wrong(error.to_string()))?;
    if cast.is_null() || back != value {
        return Err(wrong(format!("{value} does not fit {}", column.canonical)));
    }
    Ok(Limit {
        value: cast,
        inclusive: false,
    })
}

fn first_value(rows: &[RecordBatch]) -> Result<ScalarValue> {
    let batch = rows.iter().find(|batch| batch.num_rows() > 0);
    let batch = batch.ok_or_else(|| Error::internal("A query for one value gave no row"))?;
    Ok(ScalarValue::try_from_array(batch.column(0), 0)?)
}

/// The greatest value of a column now; `None` when there is none.
async fn greatest(source: &Arc<dyn Source>, column: &Column) -> Result<Option<Limit>> {
    let table = source.table();
    let position = table
        .columns
        .iter()
        .position(|other| other.name == column.name);
    let max = Aggregate {
        function: AggregateFunction::Max,
        column: position.unwrap_or_default(),
    };
    let snapshot = source.snapshot(1).await?;
    let request = ReadRequest::aggregates(vec![max], None);
    let rows: Vec<RecordBatch> = snapshot.read(None, &request).await?.try_collect().await?;
    let value = first_value(&rows)?;
    let unique = table
        .unique
        .iter()
        .any(|key| key.as_slice() == [column.name.clone()]);
    Ok((!value.is_null()).then_some(Limit {
        value,
        inclusive: unique,
    }))
}

/// The rows of a window as the target holds them; `whole` with all columns that the target has.
fn project(
    sides: &Sides,
    offload: &Offload,
    window: &Window,
    whole: bool,
) -> Result<(LogicalPlan, Mapped)> {
    let source = match sides.tables.as_slice() {
        [table] => Some(table.source().table()),
        _ => None,
    };
    let query = filter_scan(sides.query.clone(), window)?;
    let existing = sides.existing.as_ref().filter(|_| !offload.spec().reset);
    let mut mapped = map_columns(
        offload,
        &query,
        source,
        sides.backend.facts(),
        sides.backend.types(),
        existing,
    )?;
    if let Some(existing) = existing.filter(|_| whole) {
        mapped = mapped.with_all_of(existing);
    }
    let projected = LogicalPlanBuilder::from(query)
        .project(mapped.expressions.clone())?
        .build()?;
    Ok((projected, mapped))
}

/// The query and the target's shape for everything that a record covers: what a later proof reads.
pub(super) fn project_coverage(
    sides: &Sides,
    offload: &Offload,
    coverage: &Coverage,
) -> Result<(LogicalPlan, Mapped)> {
    let window = match coverage {
        Coverage::All => Window::All,
        Coverage::Below {
            column, canonical, ..
        } => Window::Between {
            column: column.clone(),
            canonical: canonical.parse()?,
            lower: None,
            upper: coverage
                .limit()?
                .ok_or_else(|| Error::internal("A limit is gone"))?,
        },
    };
    project(sides, offload, &window, false)
}

/// Puts the window's condition right above the scan, where every column of the source is known.
fn filter_scan(query: LogicalPlan, window: &Window) -> Result<LogicalPlan> {
    let Some(predicate) = window.predicate() else {
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

/// How each source will be read, from the very plan that will run.
async fn readings(
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

pub(super) fn collect_scans(plan: &Arc<dyn ExecutionPlan>, into: &mut Vec<Arc<dyn ExecutionPlan>>) {
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
    let mut found = Vec::new();
    let mut pushed = Vec::new();
    plan.apply(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                for filter in scan.filters.iter().filter(|_| is_scan_of(scan, table)) {
                    let state = match table.push(filter).map(|pushed| pushed.comparison) {
                        Some(Comparison::Exact) => FilterState::Exact,
                        Some(Comparison::Superset) => FilterState::Superset,
                        None => FilterState::Local,
                    };
                    pushed.push(filter.to_string());
                    found.push(PlannedFilter {
                        text: filter.to_string(),
                        state,
                    });
                }
            }
            LogicalPlan::Filter(filter) => {
                for part in split_conjunction(&filter.predicate) {
                    found.push(PlannedFilter {
                        text: part.to_string(),
                        state: FilterState::Local,
                    });
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A superset stands twice, in the scan and above it.
    found.retain(|filter| filter.state != FilterState::Local || !pushed.contains(&filter.text));
    Ok(found)
}

fn is_scan_of(scan: &datafusion::logical_expr::TableScan, table: &FrontendTable) -> bool {
    frontend_table(scan).is_some_and(|other| Arc::ptr_eq(other.source(), table.source()))
}
