//! How many values a second are read out of a database, by type of column? From SQLite, which is a
//! file: its own work for a row is part of the figure.

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use goe::config::Connection;
use goe::frontend::{BatchLimits, OpenOptions, ReadRequest, Select, Snapshot, Source};
use goe::systems::Systems;

const ROWS: usize = 100_000;

/// A declared type, and a value of it for the row number `i`.
const COLUMNS: [(&str, &str); 6] = [
    ("BIGINT", "i * 7919"),
    ("DECIMAL(15,2)", "(i * 7919 % 1000000) / 100.0"),
    ("DATE", "date('1992-01-01', (i % 2500) || ' days')"),
    ("TIMESTAMP", "datetime(694224000 + i * 61, 'unixepoch')"),
    ("VARCHAR(25)", "'a text of row ' || i"),
    ("DOUBLE PRECISION", "i / 7.0"),
];

fn fill(file: &Path) {
    let database = rusqlite::Connection::open(file).expect("a database");
    for (number, (declared, value)) in COLUMNS.iter().enumerate() {
        let sql = format!(
            "CREATE TABLE t{number} (c {declared});
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO t{number} SELECT {value} FROM n;"
        );
        database.execute_batch(&sql).expect("a table");
    }
}

async fn open(file: &Path, table: &str) -> Arc<dyn Source> {
    let url = format!("sqlite:{}", file.display());
    let frontend = Systems::default()
        .frontend(&Connection::of_url(&url))
        .expect("a frontend");
    let options = OpenOptions::default();
    frontend
        .open("main", table, &options)
        .await
        .expect("a table")
}

async fn read(snapshot: &dyn Snapshot) -> usize {
    let request = ReadRequest {
        select: Select::Columns(vec![0]),
        filter: None,
        limit: None,
        batch: BatchLimits::default(),
    };
    let rows = snapshot.read(None, &request).await.expect("a stream");
    let count = rows.try_fold(0, |sum, batch| async move { Ok(sum + batch.num_rows()) });
    count.await.expect("all rows")
}

fn decode(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("values.db");
    fill(&file);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.sample_size(20);
    for (number, (declared, _)) in COLUMNS.iter().enumerate() {
        let snapshot = runtime.block_on(async {
            let source = open(&file, &format!("t{number}")).await;
            source.snapshot(1).await.expect("a snapshot")
        });
        group.bench_function(*declared, |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(read(snapshot.as_ref())), ROWS));
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
