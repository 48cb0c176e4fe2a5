//! What is remembered, as tables for queries: one statement each, its columns typed as declared.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::Repository;
use super::engine::{Row, Statement};
use crate::error::{Error, Result};

/// The tables and the statements that fill them.
const TABLES: [(&str, &str); 8] = [
    (
        "offloads",
        include_str!("../../sql/repository/table_offloads.sql"),
    ),
    ("runs", include_str!("../../sql/repository/table_runs.sql")),
    (
        "steps",
        include_str!("../../sql/repository/table_steps.sql"),
    ),
    (
        "chunks",
        include_str!("../../sql/repository/table_chunks.sql"),
    ),
    (
        "files",
        include_str!("../../sql/repository/table_files.sql"),
    ),
    (
        "records",
        include_str!("../../sql/repository/table_records.sql"),
    ),
    (
        "proofs",
        include_str!("../../sql/repository/table_proofs.sql"),
    ),
    (
        "events",
        include_str!("../../sql/repository/table_events.sql"),
    ),
];

impl Repository {
    /// The names of its tables.
    pub fn table_names() -> impl Iterator<Item = &'static str> {
        TABLES.iter().map(|(name, _)| *name)
    }

    /// A table's columns; `None` for a name that it does not have. No row is read.
    ///
    /// # Errors
    /// Those of the database.
    pub fn table_schema(&self, name: &str) -> Result<Option<SchemaRef>> {
        let Some((_, sql)) = TABLES.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        self.engine.columns(sql).map(Some)
    }

    /// All rows of a table.
    ///
    /// # Errors
    /// Those of the database; kind Internal for a name that it does not have.
    pub fn table(&self, name: &str) -> Result<RecordBatch> {
        let found = TABLES.iter().find(|(known, _)| *known == name);
        let (_, sql) = found.ok_or_else(|| Error::internal(format!("No table {name}")))?;
        let schema = self.engine.columns(sql)?;
        let mut rows = self.rows(Statement::new(sql, []))?;
        if name == "runs" {
            self.tell_the_dead(&mut rows)?;
        }
        let arrays = schema.fields().iter().enumerate();
        let arrays = arrays.map(|(column, field)| array(field, column, &rows));
        let arrays = arrays.collect();
        Ok(RecordBatch::try_new(schema, arrays)?)
    }

    /// Tells the runs that died from those that run.
    fn tell_the_dead(&self, runs: &mut [Row]) -> Result<()> {
        const STATUS: usize = 6;
        let died = self.died()?;
        for run in runs.iter_mut().filter(|run| died.contains(&run.text(0))) {
            if let Some(status) = run.0.get_mut(STATUS) {
                *status = "died".into();
            }
        }
        Ok(())
    }
}

fn array(field: &Field, column: usize, rows: &[Row]) -> ArrayRef {
    match field.data_type() {
        DataType::Int64 => {
            let numbers = rows.iter().map(|row| row.optional_number(column));
            Arc::new(numbers.collect::<Int64Array>())
        }
        _ => {
            let texts = rows.iter().map(|row| row.optional_text(column));
            Arc::new(texts.collect::<StringArray>())
        }
    }
}
