//! The public suites over every system there is, and proof that they can fail: systems that break
//! a line on purpose.

mod broken;
mod databases;
#[cfg(all(feature = "sqlserver", feature = "postgres"))]
mod double;
mod lake;
mod memory;
#[cfg(feature = "snowflake")]
mod warehouse;

use std::collections::BTreeMap;
use std::sync::Arc;

use goe::backend::Backend;
use goe::config::Connection;
use goe::frontend::Frontend;
use goe::systems::Systems;
use goe::testing::{
    BackendFixture, FrontendFixture, Report, backend, backend_lines, frontend, frontend_lines,
};

use broken::{BackendFault, BrokenBackend, BrokenFrontend, FrontendFault};

fn connection(name: &str, url: &str, options: &[(&str, &str)]) -> Connection {
    let options = options.iter();
    let options = options.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Connection::new(name, url, options.collect::<BTreeMap<_, _>>())
}

fn frontend_of(connection: &Connection) -> Arc<dyn Frontend> {
    let systems = Systems::default().with(crate::toy::SYSTEM);
    systems.frontend(connection).expect("a frontend")
}

fn backend_of(connection: &Connection) -> Arc<dyn Backend> {
    Systems::default().backend(connection).expect("a backend")
}

/// Every line holds, and no more than these are left out.
#[track_caller]
fn holds(report: &Report, left_out: usize) {
    println!("{report}");
    report.verdict().unwrap_or_else(|error| panic!("{error}"));
    let skipped = report.skips().count();
    assert!(skipped <= left_out, "{skipped} lines are left out");
}

async fn try_frontend(fixture: impl FrontendFixture + 'static) -> Report {
    frontend(Arc::new(fixture)).await.expect("a fixture")
}

async fn try_backend(fixture: impl BackendFixture + 'static) -> Report {
    backend(Arc::new(fixture)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract_of_frontends() {
    holds(&try_frontend(databases::Sqlite::new()).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract_of_frontends() {
    let Some(server) = crate::project::postgres() else {
        return;
    };
    holds(&try_frontend(databases::Postgres::new(&server)).await, 4);
}

#[cfg(all(feature = "sqlserver", feature = "postgres"))]
#[tokio::test(flavor = "multi_thread")]
async fn sqlserver_keeps_the_contract_of_frontends() {
    holds(&try_frontend(double::SqlServer::new()).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_keeps_the_contract_of_backends() {
    holds(&try_backend(lake::LocalLake::new()).await, 2);
}

#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
#[tokio::test(flavor = "multi_thread")]
async fn delta_in_a_store_keeps_the_contract_of_backends() {
    for bucket in crate::store::Bucket::each() {
        let lake = lake::StoredLake::new(&bucket);
        holds(&try_backend(lake).await, 4);
    }
}

#[cfg(feature = "snowflake")]
#[tokio::test(flavor = "multi_thread")]
async fn snowflake_keeps_the_contract_of_backends() {
    let Some(warehouse) = warehouse::Snowflake::new() else {
        return;
    };
    holds(&try_backend(warehouse).await, 4);
}

/// Whether exactly these lines fail, each given by a part of its text.
#[track_caller]
fn fails(report: &Report, fault: &str, lines: &[&str]) {
    for line in lines {
        let found = report.failures().any(|failure| failure.line.contains(line));
        assert!(found, "{fault} is not seen in \"{line}\":\n{report}");
    }
    for failure in report.failures() {
        println!("{fault}: {failure}");
    }
}

/// One test, since they share their tables.
#[tokio::test(flavor = "multi_thread")]
async fn the_toy_keeps_the_contract_and_a_broken_one_is_found_out() {
    let toy = || connection("memory", "toy:", &[]);
    holds(
        &try_frontend(memory::Memory::of(frontend_of(&toy()))).await,
        9,
    );
    let faults: [(FrontendFault, &[&str]); 9] = [
        (
            FrontendFault::LosesARow,
            &["that were asked for", "exactly one split"],
        ),
        (FrontendFault::SplitsOverlap, &["exactly one split"]),
        (FrontendFault::IgnoresFilters, &["A filter keeps the rows"]),
        (FrontendFault::FilterDropsARow, &["A filter keeps the rows"]),
        (FrontendFault::ReadsOn, &["Dropping the stream"]),
        (FrontendFault::SeesLaterRows, &["one state"]),
        (FrontendFault::LargeBatches, &["Batches hold at most"]),
        (FrontendFault::NoConflict, &["refused with kind Conflict"]),
        (FrontendFault::ForgetsItsState, &["can be opened again"]),
    ];
    for (fault, lines) in faults {
        let broken = BrokenFrontend::new(frontend_of(&toy()), fault);
        let report = try_frontend(memory::Memory::of(Arc::new(broken))).await;
        fails(&report, &format!("{fault:?}"), lines);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_backend_is_found_out() {
    let faults: [(BackendFault, &[&str]); 6] = [
        (BackendFault::PublishesTwice, &["Done a second time"]),
        (BackendFault::TakesOlderFences, &["A smaller fence"]),
        (BackendFault::ShowsLoadedRows, &["Nobody sees the rows"]),
        (BackendFault::TakesAnyRecord, &["kind Conflict"]),
        (BackendFault::KeepsReplacedRows, &["ReplaceAll"]),
        (
            BackendFault::LosesFiles,
            &["All published rows", "by partition"],
        ),
    ];
    for (fault, lines) in faults {
        let lake = lake::LocalLake::new();
        let broken = BrokenBackend::new(lake.backend(), fault);
        let report = try_backend(lake.with(Arc::new(broken))).await;
        fails(&report, &format!("{fault:?}"), lines);
    }
}

/// The lines of the `# Behavior` lists of a file: `Trait::method` and text.
fn documented(text: &str) -> Vec<(String, String)> {
    let (mut of, mut lines, mut list) = (String::new(), Vec::new(), Vec::<String>::new());
    let mut within = false;
    for line in text.lines() {
        let code = line.trim();
        if let Some(name) = code.strip_prefix("pub trait ") {
            of = name.split(':').next().unwrap_or(name).to_owned();
        }
        match code
            .strip_prefix("///")
            .map(|doc| doc.strip_prefix(' ').unwrap_or(doc))
        {
            Some(doc) if doc.starts_with("# ") => within = doc == "# Behavior",
            Some(doc) if within && doc.starts_with("- ") => list.push(doc[2..].to_owned()),
            Some(doc) if within && doc.starts_with("  ") => {
                let last = list.last_mut().expect("a line that goes on");
                *last = format!("{last} {}", doc.trim());
            }
            Some(_) => {}
            None => {
                within = false;
                let Some(rest) = code.trim_start_matches("async ").strip_prefix("fn ") else {
                    continue;
                };
                let name = rest.split('(').next().unwrap_or(rest);
                lines.extend(list.drain(..).map(|line| (format!("{of}::{name}"), line)));
            }
        }
    }
    lines
}

#[test]
fn there_is_a_check_for_each_line_of_the_documentation() {
    let frontends = [
        include_str!("../../src/frontend/mod.rs"),
        include_str!("../../src/frontend/dialect.rs"),
    ];
    let types = |line: &(String, String)| line.0.starts_with("TypeMap::");
    let read: Vec<_> = frontends.into_iter().flat_map(documented).collect();
    let mut loaded = documented(include_str!("../../src/backend/mod.rs"));
    loaded.extend(read.iter().filter(|line| types(line)).cloned());
    assert!(read.len() > 20 && loaded.len() > 20, "{read:?} {loaded:?}");
    for (mut documented, tried) in [(read, frontend_lines()), (loaded, backend_lines())] {
        let tried = tried.into_iter();
        let mut tried: Vec<_> = tried
            .map(|(of, line)| (of.to_owned(), line.to_owned()))
            .collect();
        documented.sort();
        tried.sort();
        assert_eq!(documented, tried);
    }
}
