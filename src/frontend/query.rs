//! What is asked of a source, and the one place that writes it as SQL.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{Dialect, SourceTable, Split};
use crate::schema::CanonicalType;

/// One read of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// What to select.
    pub select: Select,
    /// Which rows, as SQL that [`super::translate`] wrote.
    pub filter: Option<String>,
    /// At most so many rows of each split.
    pub limit: Option<usize>,
    /// How large a batch may be.
    pub batch: BatchLimits,
}

impl ReadRequest {
    /// Every row of the given columns.
    #[must_use]
    pub fn columns(columns: Vec<usize>) -> Self {
        Self {
            select: Select::Columns(columns),
            filter: None,
            limit: None,
            batch: BatchLimits::default(),
        }
    }

    /// One row of aggregates.
    #[must_use]
    pub fn aggregates(aggregates: Vec<Aggregate>, filter: Option<String>) -> Self {
        Self {
            select: Select::Aggregates(aggregates),
            filter,
            limit: None,
            batch: BatchLimits::default(),
        }
    }
}

/// What to select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Columns of the table, by position, in this order; may be empty for rows without columns.
    Columns(Vec<usize>),
    /// One row of aggregates.
    Aggregates(Vec<Aggregate>),
}

/// An aggregate that a source computes exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// Of which column; ignored for [`AggregateFunction::Rows`].
    pub column: usize,
}

/// The aggregates of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateFunction {
    /// The number of rows, as `Int64`.
    Rows,
    /// The number of values that are not NULL, as `Int64`.
    Count,
    /// The least value, as the column's type.
    Min,
    /// The greatest value, as the column's type.
    Max,
    /// The exact sum of an integer or decimal column, as `Decimal128(38, scale)`.
    Sum,
}

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// At most so many rows.
    pub rows: usize,
    /// At most so many bytes of values, unless one row is larger.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            rows: 8192,
            bytes: 8 << 20,
        }
    }
}

impl BatchLimits {
    /// A batch in pieces that keep the limits.
    #[must_use]
    pub fn cut(&self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let (mut pieces, mut from) = (Vec::new(), 0);
        while from < batch.num_rows() {
            let mut rows = (batch.num_rows() - from).min(self.rows.max(1));
            while rows > 1 && held_bytes(&batch.slice(from, rows)) > self.bytes {
                rows /= 2;
            }
            pieces.push(batch.slice(from, rows));
            from += rows;
        }
        pieces
    }
}

/// Bytes of a batch's values, those beside a slice left out.
fn held_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let bytes = columns.map(|column| column.to_data().get_slice_memory_size());
    bytes.map(Result::unwrap_or_default).sum()
}

/// The schema that a request's batches have.
#[must_use]
pub fn request_schema(table: &SourceTable, select: &Select) -> SchemaRef {
    let fields: Vec<Field> = match select {
        Select::Columns(columns) => columns.iter().map(|&i| table.columns[i].field()).collect(),
        Select::Aggregates(aggregates) => aggregates
            .iter()
            .enumerate()
            .map(|(i, aggregate)| aggregate_field(table, i, *aggregate))
            .collect(),
    };
    Arc::new(Schema::new(fields))
}

fn aggregate_field(table: &SourceTable, i: usize, aggregate: Aggregate) -> Field {
    let data_type = match aggregate.function {
        AggregateFunction::Rows | AggregateFunction::Count => DataType::Int64,
        AggregateFunction::Min | AggregateFunction::Max => {
            table.columns[aggregate.column].canonical.to_arrow()
        }
        AggregateFunction::Sum => {
            DataType::Decimal128(38, sum_scale(table.columns[aggregate.column].canonical))
        }
    };
    Field::new(format!("a{i}"), data_type, true)
}

fn sum_scale(canonical: CanonicalType) -> i8 {
    match canonical {
        CanonicalType::Decimal { scale, .. } => scale as i8,
        _ => 0,
    }
}

/// Writes a request as one SELECT statement.
#[must_use]
pub fn select_sql(
    dialect: &dyn Dialect,
    table: &SourceTable,
    split: Option<&Split>,
    request: &ReadRequest,
) -> String {
    let list = match &request.select {
        Select::Columns(columns) if columns.is_empty() => "NULL".to_owned(),
        Select::Columns(columns) => {
            let texts = columns
                .iter()
                .map(|&i| dialect.read_column(&table.columns[i]));
            texts.collect::<Vec<_>>().join(", ")
        }
        Select::Aggregates(aggregates) => {
            let texts = aggregates.iter().map(|a| {
                let of_rows = a.function == AggregateFunction::Rows;
                let column = table.columns.get(a.column).filter(|_| !of_rows);
                dialect.aggregate(a.function, column)
            });
            texts.collect::<Vec<_>>().join(", ")
        }
    };
    let relation = split
        .and_then(|split| split.relation.clone())
        .unwrap_or_else(|| {
            format!(
                "{}.{}",
                dialect.quote(&table.name.schema),
                dialect.quote(&table.name.table)
            )
        });
    let predicates: Vec<String> = [
        split.and_then(|split| split.predicate.as_deref()),
        request.filter.as_deref(),
    ]
    .into_iter()
    .flatten()
    .map(|predicate| format!("({predicate})"))
    .collect();
    let mut sql = format!("SELECT {list} FROM {relation}");
    if !predicates.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&predicates.join(" AND "));
    }
    dialect.limit(sql, request.limit)
}
