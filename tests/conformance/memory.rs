//! A fixture of the system in memory.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use goe::Result;
use goe::frontend::Frontend;
use goe::testing::{FrontendFixture, Row, record_batch};

use crate::toy::{SCHEMA, TABLES};

pub struct Memory {
    frontend: Arc<dyn Frontend>,
}

impl Memory {
    pub fn of(frontend: Arc<dyn Frontend>) -> Self {
        Self { frontend }
    }
}

/// Changes the rows of a table.
fn change(table: &str, change: impl FnOnce(&RecordBatch) -> RecordBatch) {
    let mut tables = TABLES.lock().expect("tables");
    let rows = tables.get_mut(table).expect("a table that was made");
    *rows = change(rows);
}

#[async_trait]
impl FrontendFixture for Memory {
    fn frontend(&self) -> Arc<dyn Frontend> {
        Arc::clone(&self.frontend)
    }

    fn schema(&self) -> &str {
        SCHEMA
    }

    async fn make(&self, table: &str, rows: &[Row]) -> Result<()> {
        let rows = record_batch(rows)?;
        TABLES
            .lock()
            .expect("tables")
            .insert(table.to_owned(), rows);
        Ok(())
    }

    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()> {
        let more = record_batch(rows)?;
        change(table, |rows| {
            concat_batches(&rows.schema(), [rows, &more]).expect("rows of one shape")
        });
        Ok(())
    }

    async fn alter(&self, table: &str) -> Result<()> {
        change(table, |rows| {
            let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
            fields.push(Arc::new(Field::new("more", DataType::Utf8, true)));
            let mut columns = rows.columns().to_vec();
            columns.push(new_null_array(&DataType::Utf8, rows.num_rows()));
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("one more column")
        });
        Ok(())
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        TABLES.lock().expect("tables").remove(table);
        Ok(())
    }
}
