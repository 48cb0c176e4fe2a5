//! Rows of the driver as batches: bounded by rows and by bytes.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use tiberius::{ColumnData, Row};

use super::decode::{Decoder, Fault, decoder};
use super::dialect::{Size, Wire};
use crate::error::{Error, Result};
use crate::frontend::BatchLimits;

/// What a value costs besides its own bytes.
const CELL: usize = 8;

/// Why rows can't be read on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server sent what it did not announce.
    Protocol(String),
    /// A value breaks its column's type.
    Value {
        /// Its place among the selected columns.
        column: usize,
        /// Counted from 1.
        row: u64,
        value: String,
        why: &'static str,
    },
    /// A defect of ours.
    Defect(Error),
}

/// Takes rows and gives batches.
pub(super) struct Reader {
    schema: SchemaRef,
    wires: Vec<Wire>,
    decoders: Vec<Box<dyn Decoder>>,
    limits: BatchLimits,
    /// The bytes at which a value of no bound is too large.
    largest: usize,
    rows: usize,
    bytes: usize,
    /// Rows of the batches before.
    before: u64,
}

impl Reader {
    pub(super) fn new(
        schema: SchemaRef,
        wires: Vec<Wire>,
        limits: BatchLimits,
        largest: usize,
    ) -> Result<Self> {
        let decoders: Result<Vec<_>> = schema
            .fields()
            .iter()
            .zip(&wires)
            .map(|(field, wire)| decoder(*wire, field.data_type(), limits.rows.min(8192)))
            .collect();
        Ok(Self {
            decoders: decoders?,
            schema,
            wires,
            limits,
            largest,
            rows: 0,
            bytes: 0,
            before: 0,
        })
    }

    /// Takes a row; gives the batch before it where that has no room for it.
    pub(super) fn push(&mut self, row: Row) -> Result<Option<RecordBatch>, Broken> {
        let bytes: usize = row.cells().map(|(_, value)| CELL + length(value)).sum();
        let full = self.rows >= self.limits.rows.max(1)
            || self.bytes.saturating_add(bytes) > self.limits.bytes;
        let batch = match full && self.rows > 0 {
            true => self.take().map_err(Broken::Defect)?,
            false => None,
        };
        self.append(row)?;
        self.rows += 1;
        self.bytes += bytes;
        Ok(batch)
    }

    fn append(&mut self, row: Row) -> Result<(), Broken> {
        if row.len() != self.decoders.len() {
            return Err(Broken::Protocol(
                "a row of too few or too many values".to_owned(),
            ));
        }
        for (column, value) in row.into_iter().enumerate() {
            let large = self.is_too_large(column, &value);
            let taken = match large {
                Some(fault) => Err(fault),
                None => self.decoders[column].take(value),
            };
            taken.map_err(|fault| match fault {
                Fault::Protocol(text) => Broken::Protocol(text),
                Fault::Value(value, why) => Broken::Value {
                    column,
                    row: self.before + self.rows as u64 + 1,
                    value,
                    why,
                },
            })?;
        }
        Ok(())
    }

    /// A value that reaches the limit may have been cut there by the server.
    fn is_too_large(&self, column: usize, value: &ColumnData<'static>) -> Option<Fault> {
        let size = match self.wires[column] {
            Wire::Text(size) | Wire::Bytes(size) => size,
            _ => Size::Bound,
        };
        let sent = match (size, value) {
            (Size::Units, ColumnData::String(Some(text))) if text.len() >= self.largest / 2 => {
                2 * text.encode_utf16().count()
            }
            // No code page takes more bytes for a character than UTF-8 does.
            (Size::Bytes, ColumnData::String(Some(text))) => text.len(),
            (Size::Bytes, ColumnData::Binary(Some(bytes))) => bytes.len(),
            _ => return None,
        };
        (sent >= self.largest).then(|| {
            let text = format!("a value of {sent} bytes or more");
            Fault::Value(text, "which is too large (raise max_value_bytes)")
        })
    }

    /// The batch at hand; `None` if it has no rows.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = self
            .decoders
            .iter_mut()
            .map(|decoder| decoder.finish())
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("A batch does not fit its schema").caused_by(error))?;
        self.before += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(batch))
    }
}

fn length(value: &ColumnData<'_>) -> usize {
    match value {
        ColumnData::String(Some(text)) => text.len(),
        ColumnData::Binary(Some(bytes)) => bytes.len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;
    use tiberius::ColumnType;

    use super::*;

    fn reader(limits: BatchLimits, largest: usize, size: Size) -> Reader {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int32, true),
            Field::new("t", DataType::LargeUtf8, true),
        ]);
        let wires = vec![Wire::Integer, Wire::Text(size)];
        Reader::new(Arc::new(schema), wires, limits, largest).unwrap()
    }

    fn row(number: Option<i32>, text: String) -> Row {
        let text = ColumnData::String(Some(text.into()));
        Row::builder()
            .column("n", ColumnType::Intn, ColumnData::I32(number))
            .column("t", ColumnType::NVarchar, text)
            .build()
    }

    #[test]
    fn a_value_that_may_have_been_cut_is_refused() {
        let limits = BatchLimits::default();
        for (text, units, bytes) in [
            ("x".repeat(7), true, true),
            // Eight characters of UTF-16 fill sixteen bytes.
            ("x".repeat(8), false, true),
            ("x".repeat(16), false, false),
            ("\u{1F600}".repeat(3), true, true),
            ("\u{1F600}".repeat(4), false, false),
            ("ä".repeat(7), true, true),
        ] {
            let taken = |size: Size| {
                let outcome = reader(limits, 16, size).push(row(None, text.clone()));
                outcome.is_ok()
            };
            assert_eq!(
                (taken(Size::Units), taken(Size::Bytes)),
                (units, bytes),
                "{text}"
            );
            assert!(taken(Size::Bound));
        }
    }

    proptest! {
        #[test]
        fn batches_keep_their_bounds_and_every_row(
            rows in prop::collection::vec((any::<Option<i32>>(), ".{0,12}"), 0..40),
            most in 1_usize..9, bytes in 20_usize..400,
        ) {
            let mut reader = reader(BatchLimits { rows: most, bytes }, 1 << 20, Size::Units);
            let mut batches = Vec::new();
            for (number, text) in rows.clone() {
                batches.extend(reader.push(row(number, text)).unwrap());
            }
            batches.extend(reader.take().unwrap());
            let mut read = Vec::new();
            for batch in &batches {
                prop_assert!(batch.num_rows() <= most);
                let numbers = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(batch.column(0));
                let texts = arrow::array::AsArray::as_string::<i64>(batch.column(1));
                read.extend(numbers.iter().zip(texts).map(|(n, t)| (n, t.unwrap().to_owned())));
            }
            prop_assert_eq!(read, rows);
        }
    }
}
