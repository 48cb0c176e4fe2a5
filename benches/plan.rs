//! What does a plan cost before the first row: for a table of 2,000 columns, for a source of
//! 100,000 partitions, for a filter of 500 terms?

use std::path::Path;

use chrono::{TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::scalar::ScalarValue;
use goe::config::{Config, Connection};
use goe::frontend::{
    Bound, OpenOptions, PartitionBound, PartitionMethod, Partitions, SourcePartition, SourceTable,
    translate,
};
use goe::offload::{OffloadSpec, PartitionRequest, Take, resolve};
use goe::session::Session;
use goe::systems::Systems;
use tokio::runtime::Runtime;

const COLUMNS: usize = 2000;
const PARTITIONS: i32 = 100_000;
const TERMS: i64 = 500;

/// A database of one wide table and one of days.
fn fill(file: &Path) {
    let columns: Vec<String> = (0..COLUMNS).map(|i| format!("c{i} INTEGER")).collect();
    let sql = format!(
        "CREATE TABLE wide ({}); CREATE TABLE days (day DATE NOT NULL, n BIGINT);",
        columns.join(", ")
    );
    let database = rusqlite::Connection::open(file).expect("a database");
    database.execute_batch(&sql).expect("tables");
}

fn describe(runtime: &Runtime, file: &Path) -> SourceTable {
    let url = format!("sqlite:{}", file.display());
    let frontend = Systems::default()
        .frontend(&Connection::of_url(&url))
        .expect("a frontend");
    let options = OpenOptions::default();
    let opened = runtime.block_on(frontend.open("main", "days", &options));
    opened.expect("a table").table().clone()
}

fn partitioned(mut table: SourceTable) -> SourceTable {
    let day = |day: i32| Bound::Value(ScalarValue::Date32(Some(day)));
    let partition = |i: i32| SourcePartition {
        name: format!("p{i:06}"),
        bound: PartitionBound::Range {
            lower: vec![day(i)],
            upper: vec![day(i + 1)],
        },
        rows: Some(1000),
        bytes: Some(100_000),
        parts: None,
    };
    table.partitions = Some(Partitions {
        method: PartitionMethod::Range,
        definition: "day".to_owned(),
        keys: vec!["day".to_owned()],
        unusable: None,
        unordered: None,
        list: (0..PARTITIONS).map(partition).collect(),
    });
    table
}

fn columns(criterion: &mut Criterion, runtime: &Runtime, folder: &Path) {
    let config =
        "[connections.shop]\nurl = \"sqlite:shop.db\"\n[connections.lake]\nurl = \"delta:lake\"";
    let config = Config::parse(config, folder).expect("a configuration");
    let session = Session::new(config).expect("a session");
    let offload = OffloadSpec {
        from: Some("shop.main.wide".to_owned()),
        to: "lake.dw.wide".to_owned(),
        ..OffloadSpec::default()
    };
    let offload = offload.validate().expect("an offload");
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.bench_function("2,000 columns", |bencher| {
        bencher.iter(|| {
            let plan = session.plan(&offload, &Take::New);
            runtime.block_on(plan).expect("a plan")
        });
    });
    group.finish();
}

fn partitions(criterion: &mut Criterion, table: &SourceTable) {
    let table = partitioned(table.clone());
    let now = chrono::DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(90_000);
    let request = PartitionRequest {
        older_than_days: Some(30),
        ..PartitionRequest::default()
    };
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.bench_function("100,000 partitions", |bencher| {
        bencher.iter(|| {
            let closed = resolve(&request, &table, now, None, None).expect("a window");
            assert_eq!(closed.units.len(), 89_970);
        });
    });
    group.finish();
}

fn filter(criterion: &mut Criterion, table: &SourceTable, file: &Path) {
    let url = format!("sqlite:{}", file.display());
    let frontend = Systems::default()
        .frontend(&Connection::of_url(&url))
        .expect("a frontend");
    let dialect = frontend.dialect();
    let term = |i: i64| col("n").gt(lit(3 * i)).and(col("n").lt(lit(3 * i + 2)));
    let filter = (0..TERMS).map(term).reduce(Expr::or).expect("terms");
    criterion.bench_function("plan/filter of 500 terms", |bencher| {
        bencher.iter(|| translate(&filter, table, dialect.as_ref()).expect("it is pushed"));
    });
}

fn plan(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    fill(&file);
    let runtime = Runtime::new().expect("a runtime");
    let table = describe(&runtime, &file);
    columns(criterion, &runtime, folder.path());
    partitions(criterion, &table);
    filter(criterion, &table, &file);
}

criterion_group!(benches, plan);
criterion_main!(benches);
