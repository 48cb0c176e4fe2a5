//! Cutting a source that is whole, or a chunk that takes too long, by ranges of one column.
//!
//! Each piece is read from a snapshot of its own: nobody gets it without asking, by `chunk_by` or
//! by a bound on the age of snapshots.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Column as ColumnName;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;

use super::window::{Piece, conditions, origin};
use super::{Sides, planned_chunk};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, ReadRequest, Source};
use crate::offload::{Conditions, Offload, PlannedChunk, Region};
use crate::schema::{Column, pick};

/// The most pieces that a source is cut into.
const MOST_PIECES: u64 = 10_000;

/// The bytes of a piece where nobody says.
const PIECE_BYTES: u64 = 16 << 30;

/// A column by which a source can be cut, and what it spans now.
pub(in crate::run) struct Span {
    column: Column,
    low: ScalarValue,
    high: ScalarValue,
}

/// The pieces of a source by the column that the offload names, with what people should know.
pub(super) async fn pieces(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    by: &str,
) -> Result<(Vec<Piece>, String)> {
    let Some(conditions) = conditions(engine, sides)? else {
        return Err(Error::unsupported(
            "A join or an aggregate is offloaded in one piece: it can't be cut into chunks",
        )
        .hint("leave chunk_by out"));
    };
    let source = only_source(sides)?;
    let column = named(source, by)?;
    let Some(span) = Span::of(source, column).await? else {
        return Ok((Vec::new(), format!("{by} holds no value: it is one chunk")));
    };
    let wanted = offload.spec().chunk_bytes.unwrap_or(PIECE_BYTES).max(1);
    let bytes = source.table().bytes.unwrap_or_default();
    let parts = bytes.div_ceil(wanted).clamp(1, MOST_PIECES);
    let regions = span.ranges(&conditions, parts)?;
    let note = format!(
        "cut by {} into {} chunks, each read at a snapshot of its own",
        span.column.name,
        regions.len()
    );
    let piece = |rows: Region| Piece {
        name: rows.to_string(),
        rows,
    };
    Ok((regions.into_iter().map(piece).collect(), note))
}

/// Two chunks in place of one; `None` where it can't be cut.
pub(in crate::run) async fn halve(
    engine: &SessionContext,
    sides: &Sides,
    offload: &Offload,
    chunk: &PlannedChunk,
) -> Result<Option<[PlannedChunk; 2]>> {
    let Some(conditions) = conditions(engine, sides)? else {
        return Ok(None);
    };
    let source = only_source(sides)?;
    let Some(column) = usual(source, offload)? else {
        return Ok(None);
    };
    let Some(mut span) = Span::of(source, column).await? else {
        return Ok(None);
    };
    loop {
        let halves = span.ranges(&conditions, 2)?;
        let [below, above] = halves.as_slice() else {
            return Ok(None);
        };
        let lower = chunk.rows.intersection(below)?;
        let upper = chunk.rows.intersection(above)?;
        match (lower.is_empty(), upper.is_empty()) {
            (false, false) => {
                let part = |rows| planned_chunk(engine, sides, offload, None, rows);
                return Ok(Some([part(lower)?, part(upper)?]));
            }
            (true, true) => return Ok(None),
            (lower_is_empty, _) => span = span.half(lower_is_empty)?,
        }
    }
}

fn only_source(sides: &Sides) -> Result<&Arc<dyn Source>> {
    match sides.tables.as_slice() {
        [table] => Ok(table.source()),
        _ => Err(Error::internal("Chunks are of one source")),
    }
}

/// The columns of the SELECT by which rows of a source are told apart, under the names that they have
/// there; none where the source has no such key, or where not all of it comes through unchanged.
pub(in crate::run) fn key_of(sides: &Sides) -> Option<Vec<String>> {
    let table = only_source(sides).ok()?.table();
    let unique = table.unique.first().map_or(&[][..], Vec::as_slice);
    let key = if table.primary_key.is_empty() {
        unique
    } else {
        &table.primary_key
    };
    let given = sides.query.schema().fields();
    let name = |column: &String| {
        let mut positions = 0..given.len();
        let position =
            positions.find(|position| origin(&sides.query, *position).as_ref() == Some(column))?;
        Some(given[position].name().clone())
    };
    let names: Vec<String> = key.iter().map(name).collect::<Option<_>>()?;
    (!names.is_empty()).then_some(names)
}

/// The column of a name that a person wrote, if a source can be cut by it.
fn named<'s>(source: &'s Arc<dyn Source>, by: &str) -> Result<&'s Column> {
    let columns = &source.table().columns;
    let names = || columns.iter().map(|column| column.name.as_str());
    let name = pick(by.trim_matches('"'), names()).ok_or_else(|| {
        let message = format!("Column \"{by}\" is not in {}", source.table().name);
        Error::not_found(message, by, names())
    })?;
    let column = columns.iter().find(|column| column.name == name);
    match column.filter(|column| can_cut(column)) {
        Some(column) => Ok(column),
        None => Err(Error::new(
            ErrorKind::Unsupported,
            format!("A source can't be cut into chunks by column \"{name}\""),
        )
        .hint("name a column of whole numbers, dates or timestamps")),
    }
}

/// The column that a source is cut by where nobody names one: that of the offload, or a key.
fn usual<'s>(source: &'s Arc<dyn Source>, offload: &Offload) -> Result<Option<&'s Column>> {
    let spec = offload.spec();
    if let Some(by) = &spec.chunk_by {
        return named(source, by).map(Some);
    }
    let table = source.table();
    let key = match table.primary_key.as_slice() {
        [first, ..] => Some(first),
        [] => None,
    };
    let wanted = spec.incremental_by.as_ref().into_iter().chain(key);
    let mut columns = wanted.filter_map(|name| {
        let column = table.columns.iter().find(|column| column.name == *name);
        column.filter(|column| can_cut(column))
    });
    Ok(columns.next())
}

fn can_cut(column: &Column) -> bool {
    ScalarValue::try_from(&column.canonical.to_arrow())
        .is_ok_and(|null| ordinal(&at(&null, 0)).is_some())
}

/// How far a value is from the zero of its type.
fn ordinal(value: &ScalarValue) -> Option<i128> {
    match value {
        ScalarValue::Int8(v) => v.map(i128::from),
        ScalarValue::Int16(v) => v.map(i128::from),
        ScalarValue::Int32(v) | ScalarValue::Date32(v) => v.map(i128::from),
        ScalarValue::Int64(v)
        | ScalarValue::TimestampSecond(v, _)
        | ScalarValue::TimestampMillisecond(v, _)
        | ScalarValue::TimestampMicrosecond(v, _)
        | ScalarValue::TimestampNanosecond(v, _) => v.map(i128::from),
        ScalarValue::Decimal128(v, _, 0) => *v,
        _ => None,
    }
}

/// The value of a type so far from its zero. Only asked for between two values of the type.
fn at(like: &ScalarValue, ordinal: i128) -> ScalarValue {
    let long = i64::try_from(ordinal).ok();
    let int = i32::try_from(ordinal).ok();
    match like {
        ScalarValue::Int8(_) => ScalarValue::Int8(i8::try_from(ordinal).ok()),
        ScalarValue::Int16(_) => ScalarValue::Int16(i16::try_from(ordinal).ok()),
        ScalarValue::Int32(_) => ScalarValue::Int32(int),
        ScalarValue::Date32(_) => ScalarValue::Date32(int),
        ScalarValue::Int64(_) => ScalarValue::Int64(long),
        ScalarValue::TimestampSecond(_, zone) => ScalarValue::TimestampSecond(long, zone.clone()),
        ScalarValue::TimestampMillisecond(_, zone) => {
            ScalarValue::TimestampMillisecond(long, zone.clone())
        }
        ScalarValue::TimestampMicrosecond(_, zone) => {
            ScalarValue::TimestampMicrosecond(long, zone.clone())
        }
        ScalarValue::TimestampNanosecond(_, zone) => {
            ScalarValue::TimestampNanosecond(long, zone.clone())
        }
        ScalarValue::Decimal128(_, precision, 0) => {
            ScalarValue::Decimal128(Some(ordinal), *precision, 0)
        }
        other => other.clone(),
    }
}

impl Span {
    /// What a column spans at the source now; `None` for one without values.
    async fn of(source: &Arc<dyn Source>, column: &Column) -> Result<Option<Self>> {
        let columns = &source.table().columns;
        let position = columns.iter().position(|other| other.name == column.name);
        let ask = |function| Aggregate {
            function,
            column: position.unwrap_or_default(),
        };
        let asked = vec![ask(AggregateFunction::Min), ask(AggregateFunction::Max)];
        let request = ReadRequest::aggregates(asked, None);
        let snapshot = source.snapshot(1).await?;
        let rows: Vec<RecordBatch> = snapshot.read(None, &request).await?.try_collect().await?;
        let Some(row) = rows.iter().find(|batch| batch.num_rows() == 1) else {
            return Err(Error::internal("A query for two values gave no row"));
        };
        let value = |index: usize| ScalarValue::try_from_array(row.column(index), 0);
        let (low, high) = (value(0)?, value(1)?);
        let column = column.clone();
        Ok((!low.is_null() && !high.is_null()).then_some(Self { column, low, high }))
    }

    fn ordinals(&self) -> Result<(i128, i128)> {
        match (ordinal(&self.low), ordinal(&self.high)) {
            (Some(low), Some(high)) => Ok((low, high)),
            _ => Err(Error::internal("A column that can't be cut was to be cut")),
        }
    }

    /// Where ranges of equal width begin, the first one's beginning left out.
    fn bounds(&self, parts: u64) -> Result<Vec<i128>> {
        let (low, high) = self.ordinals()?;
        let (width, parts) = (
            high.saturating_sub(low).saturating_add(1),
            i128::from(parts),
        );
        let mut bounds: Vec<i128> = (1..parts)
            .map(|part| low + width / parts * part + width % parts * part / parts)
            .filter(|bound| *bound > low)
            .collect();
        bounds.dedup();
        Ok(bounds)
    }

    /// Ranges of equal width: the first has no lower end, the last no upper one and the NULLs.
    fn ranges(&self, conditions: &Conditions, parts: u64) -> Result<Vec<Region>> {
        let bounds = self.bounds(parts)?;
        let column = || Expr::Column(ColumnName::new_unqualified(self.column.name.clone()));
        let bound = |ordinal: i128| lit(at(&self.low, ordinal));
        let mut ranges = Vec::with_capacity(bounds.len() + 1);
        for part in 0..=bounds.len() {
            let from = part.checked_sub(1).map(|before| bounds[before]);
            let below = bounds.get(part).map(|end| column().lt(bound(*end)));
            let range = match (from.map(|from| column().gt_eq(bound(from))), below) {
                (None, None) => return Ok(vec![Region::all()]),
                (None, Some(below)) => below,
                (Some(from), Some(below)) => from.and(below),
                (Some(from), None) => from.or(column().is_null()),
            };
            ranges.push(conditions.region_of(range)?);
        }
        Ok(ranges)
    }

    /// Its upper half, or its lower one.
    fn half(self, upper: bool) -> Result<Self> {
        let (low, high) = self.ordinals()?;
        let middle = low + high.saturating_sub(low).saturating_add(1) / 2;
        Ok(if upper {
            Self {
                low: at(&self.low, middle),
                ..self
            }
        } else {
            Self {
                high: at(&self.high, middle - 1),
                ..self
            }
        })
    }
}
