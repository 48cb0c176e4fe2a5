//! What needs a server: `GOE_TEST_POSTGRES` names one that we may make schemas in.

mod differential;
mod failures;
mod partitions;
mod reading;
mod values;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::{FutureExt, TryStreamExt};

use super::*;
use crate::frontend::{ReadRequest, Select, Split, request_schema};

/// The server's URL.
fn server() -> Option<String> {
    let url = std::env::var("GOE_TEST_POSTGRES").ok();
    if url.is_none() {
        eprintln!("skipped: GOE_TEST_POSTGRES names no server");
    }
    url
}

/// A schema of its own on the server.
struct Place {
    url: String,
    schema: String,
    /// May write.
    admin: Session,
}

fn settings(url: &str, options: &[(&str, &str)]) -> Arc<Settings> {
    Arc::new(Settings::new(&connection(url, options), &|_| None).unwrap())
}

fn connection(url: &str, options: &[(&str, &str)]) -> Connection {
    let options: BTreeMap<String, String> = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Connection::new("pg", url, options)
}

impl Place {
    async fn new(url: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("goe_test_{}_{number}", std::process::id());
        let admin = Session::open(&settings(url, &[])).await.unwrap();
        let place = Self {
            url: url.to_owned(),
            schema,
            admin,
        };
        place.run("SET default_transaction_read_only = off").await;
        place
            .run("SET default_transaction_isolation = 'read committed'")
            .await;
        place
            .run(&format!(
                "DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}",
                place.schema
            ))
            .await;
        place
            .run(&format!("SET search_path = {}", place.schema))
            .await;
        place
    }

    async fn run(&self, sql: &str) {
        self.admin
            .client
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| {
                let start: String = sql.chars().take(300).collect();
                panic!("{start}: {error:?}")
            });
    }

    fn frontend(&self) -> Arc<dyn Frontend> {
        frontend(&connection(&self.url, &[])).unwrap()
    }

    async fn open(&self, table: &str) -> Arc<dyn Source> {
        self.open_as(table, &[]).await
    }

    async fn open_as(&self, table: &str, read_as: &[(&str, &str)]) -> Arc<dyn Source> {
        let read_as = read_as
            .iter()
            .map(|(column, form)| ((*column).to_owned(), (*form).to_owned()));
        let options = OpenOptions {
            read_as: read_as.collect(),
        };
        self.frontend()
            .open(&self.schema, table, &options)
            .await
            .unwrap()
    }

    /// Opens a table and reads it whole by splits of `bytes`.
    async fn read(&self, table: &str, bytes: u64) -> RecordBatch {
        let source = self.open(table).await;
        read_all(&source, 2, bytes).await.unwrap()
    }
}

/// Runs a test in a schema of its own, which goes away whatever happens.
fn in_schema<F>(test: impl FnOnce(Arc<Place>) -> F)
where
    F: Future<Output = ()>,
{
    let Some(url) = server() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = Arc::new(Place::new(&url).await);
        let outcome = AssertUnwindSafe(test(Arc::clone(&place)))
            .catch_unwind()
            .await;
        place
            .run(&format!("DROP SCHEMA {} CASCADE", place.schema))
            .await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

fn all_columns(source: &Arc<dyn Source>) -> ReadRequest {
    ReadRequest::columns((0..source.table().columns.len()).collect())
}

async fn read_split(
    snapshot: &Arc<dyn Snapshot>,
    split: Option<&Split>,
    request: &ReadRequest,
) -> Result<Vec<RecordBatch>> {
    let stream = snapshot.read(split, request).await?;
    Ok(stream.try_collect().await?)
}

async fn read_all(source: &Arc<dyn Source>, readers: usize, bytes: u64) -> Result<RecordBatch> {
    let snapshot = source.snapshot(readers).await?;
    read_snapshot(source, &snapshot, bytes).await
}

async fn read_snapshot(
    source: &Arc<dyn Source>,
    snapshot: &Arc<dyn Snapshot>,
    bytes: u64,
) -> Result<RecordBatch> {
    let request = all_columns(source);
    let splits = source.splits(bytes).await?;
    let reads = splits
        .list
        .iter()
        .map(|split| read_split(snapshot, Some(split), &request));
    let batches = futures::future::try_join_all(reads).await?.concat();
    let schema = request_schema(source.table(), &request.select);
    Ok(concat_batches(&schema, &batches)?)
}

/// The names of a selection, for a look at its order.
fn select(columns: &[usize]) -> Select {
    Select::Columns(columns.to_vec())
}
