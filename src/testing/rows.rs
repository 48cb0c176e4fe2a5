//! The rows that suites ask for: known in advance, so that what is read can be compared.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::array::{Date32Array, Decimal128Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Field, Int64Type, Schema};
use arrow::temporal_conversions::date32_to_datetime;

use crate::error::Result;

/// A row of a table that a fixture makes. The columns are `id` (64-bit integers, the primary key),
/// `name` (text), `amount` (decimal of 12 digits, 2 of them fractional) and `day` (date).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Never NULL; no two rows have the same.
    pub id: i64,
    /// Text with quotes, blanks and letters beyond ASCII in it.
    pub name: Option<String>,
    /// In hundredths.
    pub amount: Option<i64>,
    /// Days since 1970-01-01.
    pub day: Option<i32>,
}

/// The names of a row's columns.
pub(super) const COLUMNS: [&str; 4] = ["id", "name", "amount", "day"];

/// The types that rows are compared in.
pub(super) const TYPES: [DataType; 4] = [
    DataType::Int64,
    DataType::Utf8,
    DataType::Decimal128(12, 2),
    DataType::Date32,
];

/// The rows of these numbers; a number is a row's `id` and decides the rest of it.
#[must_use]
pub fn numbered(ids: impl IntoIterator<Item = i64>) -> Vec<Row> {
    ids.into_iter().map(Row::numbered).collect()
}

impl Row {
    fn numbered(id: i64) -> Self {
        let kinds = ["plain", "it's \"quoted\"", " blanks ", "é€😀", "100%_\\"];
        let kind = kinds[id.rem_euclid(5) as usize];
        let present = |every: i64| id.rem_euclid(every) != 3;
        Self {
            id,
            name: present(7).then(|| format!("{kind} {}", id.rem_euclid(500))),
            amount: present(11).then(|| (id * 7919).rem_euclid(2_000_003) - 1_000_000),
            day: present(13).then(|| 18_000 + (id * 31).rem_euclid(3000) as i32),
        }
    }

    /// The values in the order of the columns, as text that every system reads: digits, the text
    /// itself, `-12.50`, `2024-01-31`; `None` is NULL.
    #[must_use]
    pub fn texts(&self) -> [Option<String>; 4] {
        let amount = self.amount.map(|hundredths| {
            let sign = if hundredths < 0 { "-" } else { "" };
            let digits = hundredths.unsigned_abs();
            format!("{sign}{}.{:02}", digits / 100, digits % 100)
        });
        let day = self.day.and_then(date32_to_datetime);
        [
            Some(self.id.to_string()),
            self.name.clone(),
            amount,
            day.map(|day| day.format("%Y-%m-%d").to_string()),
        ]
    }

    /// The values as SQL literals, text in single quotes that are doubled inside.
    #[must_use]
    pub fn literals(&self) -> [String; 4] {
        let [id, name, amount, day] = self.texts();
        let null = || "NULL".to_owned();
        let quoted = |text: String| format!("'{}'", text.replace('\'', "''"));
        [
            id.unwrap_or_else(null),
            name.map_or_else(null, quoted),
            amount.unwrap_or_else(null),
            day.map_or_else(null, quoted),
        ]
    }
}

/// Rows as columns of [`TYPES`].
pub(super) fn arrays(rows: &[Row]) -> Result<Vec<ArrayRef>> {
    let amounts = rows.iter().map(|row| row.amount.map(i128::from));
    let amounts = Decimal128Array::from_iter(amounts).with_precision_and_scale(12, 2)?;
    Ok(vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
        Arc::new(StringArray::from_iter(
            rows.iter().map(|row| row.name.as_deref()),
        )),
        Arc::new(amounts),
        Arc::new(Date32Array::from_iter(rows.iter().map(|row| row.day))),
    ])
}

/// Rows as one batch, for systems that hold Arrow.
///
/// # Errors
/// Those of Arrow.
pub fn record_batch(rows: &[Row]) -> Result<RecordBatch> {
    let fields = COLUMNS.iter().zip(TYPES);
    let fields = fields.map(|(name, kind)| Field::new(*name, kind, *name != "id"));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    Ok(RecordBatch::try_new(Arc::new(schema), arrays(rows)?)?)
}

/// The rows of batches whose first four columns are a row's, in order of their ids.
pub(super) fn rows_of(batches: &[RecordBatch]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayRef> = TYPES
            .iter()
            .zip(batch.columns())
            .map(|(kind, column)| cast(column, kind))
            .collect::<Result<_, _>>()?;
        let ids = columns[0].as_primitive::<Int64Type>();
        let names = columns[1].as_string::<i32>();
        let amounts = columns[2].as_primitive::<Decimal128Type>();
        let days = columns[3].as_primitive::<Date32Type>();
        rows.extend((0..batch.num_rows()).map(|i| Row {
            id: ids.value(i),
            name: names.is_valid(i).then(|| names.value(i).to_owned()),
            amount: amounts.is_valid(i).then(|| amounts.value(i) as i64),
            day: days.is_valid(i).then(|| days.value(i)),
        }));
    }
    rows.sort();
    Ok(rows)
}

/// How two sets of rows differ, in a few words; both are in order.
pub(super) fn difference(wanted: &[Row], seen: &[Row]) -> Option<String> {
    if wanted == seen {
        return None;
    }
    let first = wanted
        .iter()
        .zip(seen)
        .find(|(wanted, seen)| wanted != seen);
    let detail = match first {
        Some((wanted, seen)) => format!("{seen:?} where {wanted:?} was due"),
        None => "all of the shorter are alike".to_owned(),
    };
    let (seen, wanted) = (seen.len(), wanted.len());
    Some(format!("{seen} rows of {wanted}; {detail}"))
}
