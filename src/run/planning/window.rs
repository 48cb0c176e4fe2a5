//! Which rows a run takes: what it is asked for, without what is covered.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::Utc;
use datafusion::common::Column as ColumnName;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, cast, lit};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use super::{Sides, plan_statement};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, ReadRequest, Source};
use crate::offload::{
    Closed, Conditions, Effect, Existing, Mapped, Offload, PartitionColumn, PartitionRequest,
    PredicateType, Record, Region, Take, Transform, Window, check_names_keys, chunks,
    is_predicate_dsl, over_existing, plain, predicate_sql, prune, resolve,
};
use crate::schema::{Column, pick};

/// The rows of a run, and what people should know of them.
pub(super) struct Decision {
    pub(super) window: Window,
    /// What it is made of, the oldest first; empty where it is in one piece.
    pub(super) units: Vec<Piece>,
    /// By what the target's windows are asked for afterwards.
    pub(super) filled_by: Option<PredicateType>,
    pub(super) nothing: Option<String>,
    pub(super) notes: Vec<String>,
}

/// A part of a window, of whole partitions.
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) rows: Region,
}

/// What can be said of the rows of the source: conditions, where rows come through one by one from
/// one table.
pub(in crate::run) fn conditions(
    engine: &SessionContext,
    sides: &Sides,
) -> Result<Option<Conditions>> {
    let [table] = sides.tables.as_slice() else {
        return Ok(None);
    };
    if !plain(&sides.query) {
        return Ok(None);
    }
    let source = table.source().table();
    let name = source.name.to_string();
    Conditions::new(engine.state(), &name, &source.columns, Utc::now()).map(Some)
}

/// Decides the rows of a run. `prior` is the record that it goes on from.
pub(super) async fn decide(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    take: &Take,
    prior: Option<&Record>,
) -> Result<Decision> {
    let conditions = conditions(engine, sides)?;
    let covered = prior.map_or_else(
        || Ok(Region::none()),
        |record| covered(record, conditions.as_ref(), sides),
    )?;
    let Some(conditions) = conditions else {
        return in_full(offload, take, prior, covered);
    };
    let planner = Planner {
        engine,
        sides,
        offload,
        conditions,
        prior,
        covered,
    };
    match take {
        Take::New => planner.by_partitions(planner.new_rows().await?),
        Take::Rest => planner.by_partitions(planner.asked(Region::all(), Vec::new())?),
        Take::Where(predicate) => {
            let mut decision = planner.asked(planner.rows(predicate)?, Vec::new())?;
            decision.filled_by = planner.filled_by().or(Some(PredicateType::Predicate));
            Ok(decision)
        }
        Take::Late(predicate) => planner.late(&planner.rows(predicate)?),
        Take::Replace(predicate) => planner.replace(predicate),
        Take::Partitions(request) => planner.partitions(request),
    }
}

/// What a record says is covered, in terms of the source as it is now.
pub(super) fn covered(
    record: &Record,
    conditions: Option<&Conditions>,
    sides: &Sides,
) -> Result<Region> {
    for table in &sides.tables {
        for column in &table.source().table().columns {
            let then = record.keys.get(&column.name);
            if let Some(then) = then.filter(|then| **then != column.canonical.to_string()) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "Column \"{}\" was {then} when rows were covered by it and is {} now",
                        column.name, column.canonical
                    ),
                )
                .hint("replace everything with --reset"));
            }
        }
    }
    record.coverage.region(conditions)
}

/// A join, an aggregate, a sort or a limit: all of it, or nothing.
fn in_full(
    offload: &Offload,
    take: &Take,
    prior: Option<&Record>,
    covered: Region,
) -> Result<Decision> {
    let only = "An offload of a join, an aggregate, a sort or a limit is taken in full only";
    if offload.spec().incremental_by.is_some() {
        return Err(Error::unsupported(only).hint("leave --incremental-by out"));
    }
    if !matches!(take, Take::New | Take::Rest) {
        return Err(Error::unsupported(only).hint("--reset replaces all of it by a full run"));
    }
    Ok(Decision {
        nothing: prior.map(|record| taken(&record.coverage.to_string())),
        window: Window::append(&Region::all(), covered)?,
        units: Vec::new(),
        filled_by: None,
        notes: Vec::new(),
    })
}

fn taken(covered: &str) -> String {
    format!("{covered} of the source were offloaded; --reset takes them again")
}

struct Planner<'a> {
    engine: &'a SessionContext,
    sides: &'a Sides,
    offload: &'a Offload,
    conditions: Conditions,
    prior: Option<&'a Record>,
    covered: Region,
}

impl Planner<'_> {
    /// The rows for which a person's condition is true.
    fn rows(&self, predicate: &str) -> Result<Region> {
        let rows = self.conditions.region(predicate)?;
        if rows.is_empty() {
            return Err(Error::usage(format!("No row can be where {predicate}"))
                .hint("the condition is never true"));
        }
        Ok(rows)
    }

    /// By what the target's windows were asked for so far.
    fn filled_by(&self) -> Option<PredicateType> {
        self.prior.and_then(|record| record.filled_by)
    }

    fn decision(&self, window: Window, nothing: Option<String>, notes: Vec<String>) -> Decision {
        Decision {
            window,
            units: Vec::new(),
            filled_by: self.filled_by(),
            nothing,
            notes,
        }
    }

    /// What of these rows is not covered.
    fn asked(&self, asked: Region, mut notes: Vec<String>) -> Result<Decision> {
        let window = Window::append(&asked, self.covered.clone())?;
        let nothing = window.rows.is_empty().then(|| {
            if asked.is_all() || self.covered.is_all() {
                taken(&self.covered.to_string())
            } else {
                format!("{asked} is covered; covered is {}", self.covered)
            }
        });
        if nothing.is_none() && !self.covered.is_empty() && window.rows != asked {
            notes.push(format!(
                "covered already: {}",
                asked.intersection(&self.covered)?
            ));
        }
        Ok(self.decision(window, nothing, notes))
    }

    /// What is new by the offload's own rule, and what an interrupted run left.
    async fn new_rows(&self) -> Result<Decision> {
        let left = match self.prior {
            Some(record) => record
                .wanted
                .region(Some(&self.conditions))?
                .without(&self.covered)?,
            None => Region::none(),
        };
        if let Some(by) = &self.offload.spec().incremental_by {
            return self.beyond(by, left).await;
        }
        if !left.is_empty() {
            let note = "an interrupted run is taken up where it stopped".to_owned();
            return self.asked(left, vec![note]);
        }
        if self.prior.is_none() || self.covered.is_all() {
            return self.asked(Region::all(), Vec::new());
        }
        // Windows were named one by one; to take all the rest because none is named would be rash.
        let nothing = format!(
            "it covers {}; name more rows to take, or take all that are left (FULL)",
            self.covered
        );
        let window = Window::append(&Region::none(), self.covered.clone())?;
        Ok(self.decision(window, Some(nothing), Vec::new()))
    }

    /// The rows up to a boundary of a column.
    async fn beyond(&self, by: &str, left: Region) -> Result<Decision> {
        let (source, column) = self.column(by)?;
        let mut notes = Vec::new();
        if column.nullable {
            notes.push(format!(
                "rows whose {} is NULL are never new and are not taken",
                column.name
            ));
        }
        let upper = match &self.offload.spec().until {
            Some(until) => Some((constant(self.engine, until, column).await?, false)),
            None => greatest(source, column).await?,
        };
        let Some((value, inclusive)) = upper else {
            // Nothing bounds an empty source: there is nothing to cover, and the target takes
            // shape.
            let window = Window::append(&left, self.covered.clone())?;
            let nothing = Some("the source has no rows".to_owned());
            return Ok(self.decision(window, nothing, notes));
        };
        if self.offload.spec().until.is_none() {
            notes.push(if inclusive {
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
        let name = Expr::Column(ColumnName::new_unqualified(column.name.clone()));
        let below = if inclusive {
            name.lt_eq(lit(value))
        } else {
            name.lt(lit(value))
        };
        let asked = self.conditions.region_of(below)?.union(&left)?;
        let window = Window::append(&asked, self.covered.clone())?;
        let nothing = window.rows.is_empty().then(|| match self.prior {
            Some(_) => format!("{} is covered", self.covered),
            None => "no row lies below the boundary".to_owned(),
        });
        Ok(self.decision(window, nothing, notes))
    }

    fn source(&self) -> Result<&Arc<dyn Source>> {
        match self.sides.tables.as_slice() {
            [table] => Ok(table.source()),
            _ => Err(Error::internal("Conditions are on one source")),
        }
    }

    fn column(&self, by: &str) -> Result<(&Arc<dyn Source>, &Column)> {
        let source = self.source()?;
        let columns = &source.table().columns;
        let names = || columns.iter().map(|column| column.name.as_str());
        let name = pick(by.trim_matches('"'), names()).ok_or_else(|| {
            Error::not_found(
                format!("Column \"{by}\" is not in {}", source.table().name),
                by,
                names(),
            )
        })?;
        let column = columns.iter().find(|column| column.name == name);
        column
            .map(|column| (source, column))
            .ok_or_else(|| Error::internal("A column is gone"))
    }

    /// Rows of covered windows that came after those were taken.
    fn late(&self, asked: &Region) -> Result<Decision> {
        let rows = asked.intersection(&self.covered)?;
        let nothing = rows.is_empty().then(|| {
            format!(
                "no row of {asked} is covered, so none can be late; covered is {}",
                self.covered
            )
        });
        let window = Window {
            rows,
            replaces: None,
            late: true,
            before: self.covered.clone(),
            after: self.covered.clone(),
        };
        let note = "late rows: what is covered stays as it is".to_owned();
        Ok(self.decision(window, nothing, vec![note]))
    }

    /// Rows taken anew, in place of those that are there.
    fn replace(&self, predicate: &str) -> Result<Decision> {
        let rows = self.rows(predicate)?;
        if self.prior.is_none() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "{} holds nothing that could be replaced",
                    self.offload.target()
                ),
            )
            .hint("take the rows with WHERE"));
        }
        let window = Window {
            replaces: Some(rows.clone()),
            late: false,
            after: self.covered.union(&rows)?,
            before: self.covered.clone(),
            rows,
        };
        Ok(self.decision(window, None, Vec::new()))
    }

    /// Whole partitions, by the boundary, the names or the values that were asked for.
    fn partitions(&self, request: &PartitionRequest) -> Result<Decision> {
        let source = self.source()?.table();
        let mut notes = Vec::new();
        let predicate = match &request.predicate {
            Some(text) if is_predicate_dsl(text) => {
                let text = predicate_sql(text, &source.columns)?;
                notes.push(format!("the predicate is {text}"));
                Some(self.conditions.expression(&text)?)
            }
            Some(text) => Some(self.conditions.expression(text)?),
            None => None,
        };
        let column = self.offload.spec().incremental_by.as_deref();
        let now = self.conditions.now();
        let closed = resolve(request, source, now, column, predicate.clone())?;
        let asked = self.conditions.region_of(closed.predicate.clone())?;
        let only_predicate = predicate.filter(|_| request.partition_option().is_none());
        let has_predicate = only_predicate.is_some();
        let effect = match over_existing(self.existing(), request.predicate_type, has_predicate)? {
            Effect::Late => return self.late(&asked),
            Effect::Open(_) if has_predicate => {
                let keys = source
                    .partitions
                    .as_ref()
                    .map(|partitions| &partitions.keys);
                if let (Some(keys), Some(predicate)) = (keys, &only_predicate) {
                    check_names_keys(predicate, keys)?;
                }
                request.predicate_type.or(self.filled_by())
            }
            _ => closed.predicate_type,
        };
        notes.extend(closed.notes.iter().cloned());
        let mut decision = self.asked(asked, notes)?;
        decision.filled_by = effect;
        decision.units = self.pieces(&closed, request)?;
        Ok(decision)
    }

    /// How the target was filled so far.
    fn existing(&self) -> Existing {
        match self.prior {
            None => Existing::Nothing,
            Some(record) => match record.filled_by {
                Some(by) => Existing::Windows(by),
                None if self.covered.is_all() => Existing::Full,
                None => Existing::Windows(PredicateType::Range),
            },
        }
    }

    /// The chunks of closed partitions.
    fn pieces(&self, closed: &Closed, request: &PartitionRequest) -> Result<Vec<Piece>> {
        let groups = chunks(&closed.units, request.chunk_bytes(), request.chunk_count());
        let mut pieces = Vec::new();
        for group in groups {
            let mut rows = Region::none();
            let mut names = Vec::new();
            for unit in group
                .iter()
                .filter_map(|position| closed.units.get(*position))
            {
                rows = rows.union(&self.conditions.region_of(unit.predicate.clone())?)?;
                names.push(unit.name.clone());
            }
            let name = match names.as_slice() {
                [first, .., last] => format!("{first} to {last}"),
                _ => names.concat(),
            };
            pieces.push(Piece { name, rows });
        }
        Ok(pieces)
    }

    /// A full run of a source in partitions, in chunks of them.
    fn by_partitions(&self, mut decision: Decision) -> Result<Decision> {
        let request = PartitionRequest {
            chunk_bytes: self.offload.spec().chunk_bytes,
            chunk_count: self.offload.spec().chunk_count,
            ..PartitionRequest::default()
        };
        let source = self.source()?.table();
        if decision.nothing.is_none() && source.partitions.is_some() {
            let closed = resolve(&request, source, self.conditions.now(), None, None)?;
            decision.units = self.pieces(&closed, &request)?;
        }
        Ok(decision)
    }
}

/// A region of the source as a condition on the target, whose columns hold those of the source
/// unchanged.
pub(super) fn on_target(
    offload: &Offload,
    region: &Region,
    query: &LogicalPlan,
    mapped: &Mapped,
) -> Result<Expr> {
    let mut values = HashMap::new();
    for column in region.columns() {
        let position = (0..query.schema().fields().len())
            .find(|position| origin(query, *position).as_deref() == Some(&column));
        let target = position.and_then(|position| {
            let name = query.schema().field(position).name();
            let mut columns = mapped.columns.iter();
            columns.find(|column| column.target.name == *name && !column.cast)
        });
        let (Some(target), Some(position)) = (target, position) else {
            return Err(Error::unsupported(format!(
                "The target doesn't hold column \"{column}\" of the source unchanged"
            ))
            .hint("select it as it is to replace or to add late rows by it"));
        };
        let from = query.schema().field(position).data_type();
        let name = Expr::Column(ColumnName::new_unqualified(target.target.name.clone()));
        let value = if *from == target.target.stored.to_arrow() {
            name
        } else {
            cast(name, from.clone())
        };
        values.insert(column, value);
    }
    let predicate = region.predicate().unwrap_or_else(|| lit(true));
    let replaced = predicate.transform_down(|expr| {
        Ok(match &expr {
            Expr::Column(name) => match values.get(&name.name) {
                // What was put in is not looked at again: two names may be swapped.
                Some(value) => Transformed::new(value.clone(), true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            },
            _ => Transformed::no(expr),
        })
    })?;
    // What follows for partitions lets the target pass over most of its files.
    let partitions = partition_columns(offload, mapped);
    Ok(match prune(&replaced.data, &partitions) {
        Some(pruned) => replaced.data.and(pruned),
        None => replaced.data,
    })
}

/// The columns that goe made for the target's partitions.
fn partition_columns(offload: &Offload, mapped: &Mapped) -> Vec<PartitionColumn> {
    let columns = &mapped.definition.columns;
    let made = offload.partition_by().iter();
    made.zip(&mapped.definition.partition_columns)
        .filter(|(by, _)| by.transform != Transform::Identity)
        .filter_map(|(by, name)| {
            let names = columns.iter().map(|column| column.name.as_str());
            let column = columns.iter().find(|column| column.name == *name)?;
            Some(PartitionColumn {
                of: pick(&by.column, names)?.to_owned(),
                name: name.clone(),
                transform: by.transform,
                canonical: column.canonical,
            })
        })
        .collect()
}

/// The source's column that an output column of a query is, unchanged.
pub(super) fn origin(query: &LogicalPlan, position: usize) -> Option<String> {
    match query {
        LogicalPlan::TableScan(scan) => Some(scan.projected_schema.field(position).name().clone()),
        LogicalPlan::Projection(projection) => {
            let mut expr = projection.expr.get(position)?;
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            let Expr::Column(column) = expr else {
                return None;
            };
            let inner = projection.input.schema().maybe_index_of_column(column)?;
            origin(&projection.input, inner)
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, position),
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, position),
        _ => None,
    }
}

/// How many rows a target holds for which a condition is true.
pub(super) async fn count_in_target(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    predicate: Expr,
) -> Result<usize> {
    if sides.existing.is_none() {
        return Ok(0);
    }
    let target = offload.target();
    let table = sides.backend.table(&target.schema, &target.table).await?;
    let rows = DataFrame::new(
        engine.state(),
        engine.read_table(table)?.logical_plan().clone(),
    );
    Ok(rows.filter(predicate)?.count().await?)
}

/// The value of a constant expression, as one of the column's type.
async fn constant(engine: &SessionContext, text: &str, column: &Column) -> Result<ScalarValue> {
    let wrong = |why: String| {
        Error::usage(format!(
            "The boundary {text} is no value of column \"{}\"",
            column.name
        ))
        .context("because", why)
        .hint(format!("give a constant of type {}", column.canonical))
    };
    let query = format!("SELECT {text} AS boundary");
    let plan = plan_statement(engine, &query)
        .await
        .map_err(|error| wrong(error.message().to_owned()))?;
    if plan.schema().fields().len() != 1 {
        return Err(wrong("it is more than one value".to_owned()));
    }
    let rows = engine.execute_logical_plan(plan).await?.collect().await?;
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
    Ok(cast)
}

fn first_value(rows: &[RecordBatch]) -> Result<ScalarValue> {
    let batch = rows.iter().find(|batch| batch.num_rows() > 0);
    let batch = batch.ok_or_else(|| Error::internal("A query for one value gave no row"))?;
    Ok(ScalarValue::try_from_array(batch.column(0), 0)?)
}

/// The greatest value of a column now, and whether no other row can have it; `None` when there is
/// none.
async fn greatest(
    source: &Arc<dyn Source>,
    column: &Column,
) -> Result<Option<(ScalarValue, bool)>> {
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
    Ok((!value.is_null()).then_some((value, unique)))
}
