//! Rows of a query or a preview as text, JSON or CSV, batch by batch.

use std::io::{self, Write};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{CellAlignment, Table, presets};

use super::screen::{Format, Screen, printable};
use super::stop::Done;
use crate::error::{Error, Result};

/// How many rows one drawn table has at most: its widths need all of them at once.
const TABLE_ROWS: usize = 10_000;

/// Writes the rows of one result.
pub(super) struct Rows {
    screen: Screen,
    schema: Option<SchemaRef>,
    /// Cells of the table that is not drawn yet.
    pending: Vec<Vec<String>>,
    written: u64,
    headed: bool,
}

impl Rows {
    pub(super) fn new(screen: Screen) -> Self {
        Self {
            screen,
            schema: None,
            pending: Vec::new(),
            written: 0,
            headed: false,
        }
    }

    /// Names the columns, so that a result without rows shows them too.
    pub(super) fn describe(&mut self, schema: SchemaRef) {
        self.schema = Some(schema);
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Done {
        self.schema.get_or_insert_with(|| batch.schema());
        self.written += batch.num_rows() as u64;
        match self.screen.format {
            Format::Text => self.draw(batch),
            Format::Csv => self.write_csv(batch),
            _ => write_json(batch),
        }
    }

    /// Writes what is still held back, and gives the number of rows.
    pub(super) fn finish(mut self) -> Result<u64, super::stop::Stop> {
        match self.screen.format {
            Format::Text if !self.headed || !self.pending.is_empty() => self.draw_pending()?,
            Format::Csv if !self.headed => self.head_csv()?,
            _ => {}
        }
        Ok(self.written)
    }

    fn draw(&mut self, batch: &RecordBatch) -> Done {
        let cells = Cells::new(batch, "NULL")?;
        for row in 0..batch.num_rows() {
            self.pending
                .push(cells.row(row).map(|cell| printable(&cell)).collect());
            if self.pending.len() == TABLE_ROWS {
                self.draw_pending()?;
            }
        }
        Ok(())
    }

    fn draw_pending(&mut self) -> Done {
        self.headed = true;
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let mut table = Table::new();
        table.load_style(presets::ASCII_FULL_CONDENSED);
        table.set_header(schema.fields().iter().map(|field| printable(field.name())));
        table.add_rows(std::mem::take(&mut self.pending));
        for (index, field) in schema.fields().iter().enumerate() {
            if let Some(column) = table
                .column_mut(index)
                .filter(|_| field.data_type().is_numeric())
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.screen.line(table)
    }

    fn head_csv(&mut self) -> Done {
        self.headed = true;
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let names = schema.fields().iter().map(|field| csv_cell(field.name()));
        self.screen.line(names.collect::<Vec<_>>().join(","))
    }

    fn write_csv(&mut self, batch: &RecordBatch) -> Done {
        if !self.headed {
            self.head_csv()?;
        }
        let cells = Cells::new(batch, "")?;
        let nulls: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| column.logical_nulls())
            .collect();
        let mut out = io::BufWriter::new(io::stdout().lock());
        for row in 0..batch.num_rows() {
            let line = nulls.iter().zip(cells.row(row)).map(|(nulls, cell)| {
                // An empty field is NULL; an empty text stands in quotes.
                let null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                if null { String::new() } else { csv_cell(&cell) }
            });
            writeln!(out, "{}", line.collect::<Vec<_>>().join(","))?;
        }
        Ok(out.flush()?)
    }
}

/// The rows of batches as text, each value on one line.
pub(super) fn text_rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for batch in batches {
        let cells = Cells::new(batch, "NULL")?;
        let all = (0..batch.num_rows()).map(|row| cells.row(row).map(|c| printable(&c)).collect());
        rows.extend(all);
    }
    Ok(rows)
}

/// The values of a batch as text.
struct Cells<'a> {
    columns: Vec<ArrayFormatter<'a>>,
}

impl<'a> Cells<'a> {
    fn new(batch: &'a RecordBatch, null: &'static str) -> Result<Self> {
        let options = FormatOptions::default()
            .with_display_error(true)
            .with_null(null);
        let formatters = batch.columns().iter();
        let formatters =
            formatters.map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        Ok(Self {
            columns: formatters.collect::<Result<_, _>>().map_err(Error::from)?,
        })
    }

    fn row(&self, row: usize) -> impl Iterator<Item = String> {
        self.columns
            .iter()
            .map(move |column| column.value(row).to_string())
    }
}

fn write_json(batch: &RecordBatch) -> Done {
    let out = io::BufWriter::new(io::stdout().lock());
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(out);
    writer
        .write(batch)
        .and_then(|()| writer.finish())
        .map_err(|error| match error {
            arrow::error::ArrowError::IoError(_, source) => source.into(),
            other => super::stop::Stop::from(Error::from(other)),
        })?;
    Ok(writer.into_inner().flush()?)
}

/// A value for CSV, in quotes where it must be, and where it is empty.
fn csv_cell(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']);
    if plain {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_it_must() {
        let table = [
            ("a", "a"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
        ];
        for (text, cell) in table {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
