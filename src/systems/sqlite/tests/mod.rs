//! SQLite as a frontend, against databases that the tests make.

mod files;
mod pages;
mod pushdown;
mod statements;
mod tables;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::TryStreamExt;
use rusqlite::Connection as Database;

use crate::config::Connection;
use crate::error::Result;
use crate::frontend::{Frontend, OpenOptions, ReadRequest, Source, request_schema};

/// A database in memory under a name of its own, and a connection that keeps it alive and writes.
struct Fixture {
    writer: Database,
    frontend: Arc<dyn Frontend>,
}

impl Fixture {
    fn new(sql: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let uri = format!("file:/goe-test-{}-{number}?vfs=memdb", std::process::id());
        let writer = Database::open(&uri).unwrap();
        writer.execute_batch(sql).unwrap();
        Self {
            writer,
            frontend: frontend(&uri),
        }
    }

    async fn open(&self, table: &str) -> Result<Arc<dyn Source>> {
        self.frontend
            .open("main", table, &OpenOptions::default())
            .await
    }

    async fn open_as(&self, table: &str, column: &str, form: &str) -> Result<Arc<dyn Source>> {
        let read_as = [(column.to_owned(), form.to_owned())].into();
        self.frontend
            .open("main", table, &OpenOptions { read_as })
            .await
    }
}

fn frontend(path: &str) -> Arc<dyn Frontend> {
    let connection = Connection::new("shop", format!("sqlite:{path}"), [].into());
    super::frontend(&connection).unwrap()
}

/// Every row of a source, by one reader.
async fn read_all(source: &Arc<dyn Source>) -> Result<RecordBatch> {
    let columns = (0..source.table().columns.len()).collect();
    read(source, &ReadRequest::columns(columns)).await
}

async fn read(source: &Arc<dyn Source>, request: &ReadRequest) -> Result<RecordBatch> {
    let snapshot = source.snapshot(1).await?;
    let batches: Vec<RecordBatch> = snapshot.read(None, request).await?.try_collect().await?;
    let schema = request_schema(source.table(), &request.select);
    Ok(concat_batches(&schema, &batches)?)
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
