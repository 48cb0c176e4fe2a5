//! The whole job through the library, on embedded parts: `cargo run --example offload`.
//!
//! It makes a small SQLite database in a temporary folder, shows the plan and the first rows,
//! offloads a table into a Delta table partitioned by month, proves both sides equal and asks one
//! query of both.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use goe::Result;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Event, Interrupt, Watcher};
use goe::session::{PreviewExtent, Session};

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sold_at DATE NOT NULL, amount DECIMAL(12,2));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    INSERT INTO orders SELECT i, date('2025-01-01', (i % 365) || ' days'), i || '.99' FROM n;";

const CONFIG: &str = "
    [connections.shop]
    url = \"sqlite:shop.db\"
    [connections.lake]
    url = \"delta:lake\"";

/// Prints what happens.
struct Teller;

impl Watcher for Teller {
    fn saw(&self, event: &Event) {
        if let Event::StepFinished { step, millis, .. } = event {
            println!("  {step}: {millis} ms");
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let shop = rusqlite::Connection::open(folder.path().join("shop.db"));
    shop.and_then(|shop| shop.execute_batch(SHOP))
        .map_err(|error| goe::Error::internal(error.to_string()))?;

    let session = Session::new(Config::parse(CONFIG, folder.path())?)?;
    let offload = OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        to: "lake.dw.orders".to_owned(),
        partition_by: vec!["month(sold_at)".to_owned()],
        ..OffloadSpec::default()
    }
    .validate()?;
    println!("{}", session.plan(&offload, &Take::New).await?);
    let few = PreviewExtent {
        rows: 3,
        all: false,
    };
    let preview = session.preview(&offload, &Take::New, few).await?;
    println!("{}", pretty_format_batches(&preview.rows)?);

    let outcome = session
        .offload(&offload, &Take::New, Arc::new(Teller), Interrupt::never())
        .await?;
    println!(
        "{} rows in {} files: {}",
        outcome.rows, outcome.files, outcome.proof
    );
    let watcher = Arc::new(Teller);
    let verified = session
        .verify(
            offload.target(),
            &Against::Source,
            watcher,
            Interrupt::never(),
        )
        .await?;
    println!("equal to {}: {}", verified.against, verified.equal());

    let both = "SELECT count(*) AS rows, sum(s.amount) AS shop, sum(l.amount) AS lake
                FROM shop.main.orders s JOIN lake.dw.orders l ON s.id = l.id";
    let answer = session.sql(both).await?.collect().await?;
    println!("{}", pretty_format_batches(&answer)?);
    Ok(())
}
