//! A backend of one's own, outside this crate: `cargo run --example backend`.
//!
//! A folder of Parquet files. What a table holds stands in one JSON file, the newest of those in its
//! `_versions`: files, columns, record and proof. The program tries the backend by the public suite,
//! prints the report, and offloads a table of SQLite into it.

mod folder;
mod publish;
mod read;
mod types;

use std::sync::Arc;

use async_trait::async_trait;
use goe::backend::Backend;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Interrupt, Unwatched};
use goe::session::Session;
use goe::systems::Systems;
use goe::testing::{BackendFixture, backend};
use goe::{Error, Result};

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sold_at DATE NOT NULL, amount DECIMAL(12,2));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    INSERT INTO orders SELECT i, date('2025-01-01', (i % 90) || ' days'), i || '.99' FROM n;";

const CONFIG: &str = "
    [connections.shop]
    url = \"sqlite:shop.db\"
    [connections.files]
    url = \"parquet:files\"";

/// What the suite asks for, in a folder of its own.
struct Fixture(tempfile::TempDir);

#[async_trait]
impl BackendFixture for Fixture {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(folder::ParquetFolder::new(self.0.path().to_owned()))
    }

    fn schema(&self) -> &str {
        "dw"
    }

    async fn occupy(&self, table: &str) -> Result<()> {
        let folder = self.0.path().join("dw").join(table);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("letter.txt"), "no table")?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let report = backend(Arc::new(Fixture(tempfile::tempdir()?))).await;
    println!("{report}\n");
    report.verdict()?;

    let folder = tempfile::tempdir()?;
    let shop = rusqlite::Connection::open(folder.path().join("shop.db"));
    shop.and_then(|shop| shop.execute_batch(SHOP))
        .map_err(|error| Error::internal(error.to_string()))?;
    let systems = Systems::default().with(folder::SYSTEM);
    let session = Session::with(systems, Config::parse(CONFIG, folder.path())?)?;
    let offload = OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        to: "files.dw.orders".to_owned(),
        partition_by: vec!["month(sold_at)".to_owned()],
        ..OffloadSpec::default()
    }
    .validate()?;
    println!("{}", session.plan(&offload, &Take::New).await?);
    let (watcher, interrupt) = (Arc::new(Unwatched), Interrupt::never());
    let outcome = session
        .offload(&offload, &Take::New, watcher, interrupt)
        .await?;
    println!("{} rows: {}", outcome.rows, outcome.proof);
    let (watcher, interrupt) = (Arc::new(Unwatched), Interrupt::never());
    let target = offload.target();
    let verified = session
        .verify(target, &Against::Source, watcher, interrupt)
        .await?;
    println!("equal to {}: {}", verified.against, verified.equal());
    match verified.equal() {
        true => Ok(()),
        false => Err(Error::internal("The target is not equal to its source")),
    }
}
