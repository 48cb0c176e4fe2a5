//! A frontend of one's own, outside this crate: `cargo run --example frontend`.
//!
//! A folder of CSV files. Each folder in it is a table and each file of that some of its rows; the
//! first line names columns with their types: `id:bigint key,name:text,"amount:decimal(12,2)"`.
//! Files are written once; a load adds a file. The program tries the frontend by the public suite,
//! prints the report, and offloads a table into Delta.

mod catalog;
mod dialect;
mod fixture;
mod read;
mod splits;
mod types;

use std::sync::Arc;

use goe::Result;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Interrupt, Unwatched};
use goe::session::Session;
use goe::systems::Systems;
use goe::testing::{FrontendFixture, frontend, numbered};

use catalog::SYSTEM;
use fixture::Folder;

#[tokio::main]
async fn main() -> Result<()> {
    let report = frontend(Arc::new(Folder(tempfile::tempdir()?))).await?;
    println!("{report}\n");
    report.verdict()?;

    let folder = tempfile::tempdir()?;
    let shop = Folder(tempfile::tempdir()?);
    shop.make("orders", &numbered(1..=10_000)).await?;
    let connections = format!(
        "[connections.shop]\nurl = \"csv:{}\"\n[connections.lake]\nurl = \"delta:lake\"",
        shop.0.path().display()
    );
    let config = Config::parse(&connections, folder.path())?;
    let session = Session::with(Systems::default().with(SYSTEM), config)?;
    let offload = OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        to: "lake.dw.orders".to_owned(),
        ..OffloadSpec::default()
    }
    .validate()?;
    println!("{}", session.plan(&offload, &Take::New).await?);
    let (watcher, interrupt) = (Arc::new(Unwatched), Interrupt::never());
    let outcome = session
        .offload(&offload, &Take::New, watcher, interrupt)
        .await?;
    println!("{} rows: {}", outcome.rows, outcome.proof);
    Ok(())
}
