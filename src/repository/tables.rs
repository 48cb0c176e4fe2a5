//! What is remembered, as tables for queries: one statement each, its columns typed as declared.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rusqlite::{Row, Statement};

use super::Repository;
use super::sqlite::failed;
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
    /// Those of the file.
    pub fn table_schema(&self, name: &str) -> Result<Option<SchemaRef>> {
        let Some((_, sql)) = TABLES.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        let connection = self.connection();
        let statement = connection.prepare(sql);
        let statement = statement.map_err(|error| failed(self.path(), &error))?;
        Ok(Some(schema(&statement)))
    }

    /// All rows of a table.
    ///
    /// # Errors
    /// Those of the file; kind Internal for a name that it does not have.
    pub fn table(&self, name: &str) -> Result<RecordBatch> {
        let found = TABLES.iter().find(|(known, _)| *known == name);
        let (_, sql) = found.ok_or_else(|| Error::internal(format!("No table {name}")))?;
        let connection = self.connection();
        let failed = |error: rusqlite::Error| failed(self.path(), &error);
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let schema = schema(&statement);
        let mut columns: Vec<Column> = schema.fields().iter().map(|f| Column::new(f)).collect();
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            for (index, column) in columns.iter_mut().enumerate() {
                column.push(row, index).map_err(failed)?;
            }
        }
        let arrays = columns.into_iter().map(Column::finish).collect();
        Ok(RecordBatch::try_new(schema, arrays)?)
    }
}

fn schema(statement: &Statement<'_>) -> SchemaRef {
    let fields = statement.columns().into_iter().map(|column| {
        let data_type = match column.decl_type() {
            Some("INTEGER") => DataType::Int64,
            _ => DataType::Utf8,
        };
        Field::new(column.name(), data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

enum Column {
    Number(Int64Builder),
    Text(StringBuilder),
}

impl Column {
    fn new(field: &Field) -> Self {
        match field.data_type() {
            DataType::Int64 => Self::Number(Int64Builder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn push(&mut self, row: &Row<'_>, index: usize) -> rusqlite::Result<()> {
        match self {
            Self::Number(builder) => builder.append_option(row.get(index)?),
            Self::Text(builder) => builder.append_option(row.get::<_, Option<String>>(index)?),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Number(mut builder) => ArrayBuilder::finish(&mut builder),
            Self::Text(mut builder) => ArrayBuilder::finish(&mut builder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_typed_columns_and_its_rows() {
        let repository = Repository::empty().unwrap();
        for name in Repository::table_names() {
            let schema = repository.table_schema(name).unwrap().unwrap();
            assert_eq!(repository.table(name).unwrap().schema(), schema, "{name}");
        }
        repository.begin("r1", "o", "s", "t").unwrap();
        let runs = repository.table("runs").unwrap();
        assert_eq!(runs.num_rows(), 1);
        assert_eq!(
            runs.schema().field_with_name("rows").unwrap().data_type(),
            &DataType::Int64
        );
        assert!(repository.table_schema("locks").unwrap().is_none());
    }
}
