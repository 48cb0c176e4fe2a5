//! Descriptions, splits, one state for all readers, and readers that are stopped.

use std::time::{Duration, Instant};

use futures::StreamExt;
use goe::ErrorKind;
use goe::frontend::{OpenOptions, ReadRequest};

use super::{World, rows, texts};
use crate::doubles::tds::{Options, PartitionFunction, Table, Value};

/// Days of three months; the last partition holds what comes after.
fn by_month(world: &World) {
    let ends = vec!["2020-02-01", "2020-03-01"];
    world
        .tds
        .create_function(PartitionFunction::right("pf_month", "date", ends));
    world.tds.create(
        Table::new("dbo.sales")
            .column("id", "int not null")
            .column_comment("the sale")
            .column("day", "date not null")
            .column("price", "money")
            .column("note", "nvarchar(max)")
            .primary_key(&["id", "day"])
            .partitioned("pf_month", "day")
            .comment("what was sold"),
    );
    let row = |id: i64| {
        let day = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day");
        let day = day + chrono::TimeDelta::days(id % 90);
        vec![
            Value::from(id),
            Value::from(day.to_string()),
            Value::from(format!("{id}.2500")),
            Value::from("x".repeat(100)),
        ]
    };
    world.tds.insert("dbo.sales", (0..900).map(row).collect());
}

#[test]
fn a_table_is_described_whole_by_one_batch() {
    let world = World::new();
    by_month(&world);
    world.goe(&["describe", "mssql.dbo.sales"]).ok().says(&[
        "what was sold",
        "DECIMAL(19,4)",
        "partitioned table",
        "RANGE (day)",
        "2020-02-01",
    ]);
    let describes = |text: &String| text.contains("sys.partition_range_values");
    let batches = world.tds.counters().seen();
    assert_eq!(batches.iter().filter(|text| describes(text)).count(), 1);
    world.understood();
}

#[test]
fn names_are_found_as_they_are_meant() {
    let world = World::new();
    by_month(&world);
    world.tds.create_view("dbo.v", "dbo.sales");
    world.tds.create_synonym("dbo.s", "dbo.sales");
    world
        .goe(&["tables", "mssql"])
        .ok()
        .says(&["sales", "partitioned table", "view"]);
    world
        .goe(&["describe", "mssql.DBO.Sales"])
        .ok()
        .says(&["mssql.dbo.sales"]);
    world
        .goe(&["describe", "mssql.dbo.s"])
        .ok()
        .says(&["2020-02-01"]);
    world.goe(&["describe", "mssql.dbo.v"]).ok().says(&["view"]);
    world
        .goe(&["describe", "mssql.dbo.sals"])
        .fails(ErrorKind::NotFound)
        .says(&["did you mean \"sales\"?"]);
    world
        .goe(&["describe", "mssql.dob.sales"])
        .fails(ErrorKind::NotFound)
        .says(&["no schema \"dob\""]);
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synonym_is_read_as_what_it_stands_for() {
    let world = World::new();
    world.numbers("dbo.t", 10);
    world.tds.create_synonym("dbo.s", "dbo.t");
    world.tds.create_synonym("dbo.away", "other.dbo.t");
    world.tds.create_synonym("dbo.gone", "dbo.nothing");
    let source = world.open("s").await;
    assert_eq!(source.table().name.table, "s");
    let snapshot = source.snapshot(2).await.expect("a snapshot");
    let read = rows(&source, &snapshot, None).await.expect("rows");
    assert_eq!(texts(&read, 0).len(), 10);
    drop(snapshot);
    world.tds.alter("dbo.t");
    let error = source.snapshot(1).await.expect_err("a conflict");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    for (synonym, kind, says) in [
        ("away", ErrorKind::Unsupported, "not in database \"shop\""),
        ("gone", ErrorKind::NotFound, "which is not there"),
    ] {
        let name = format!("mssql.dbo.{synonym}");
        world.goe(&["describe", &name]).fails(kind).says(&[says]);
    }
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tables_are_described_by_few_batches() {
    let world = World::new();
    for i in 0..30 {
        world.numbers(&format!("dbo.t{i}"), 1);
    }
    let names: Vec<(String, String)> = (0..31)
        .map(|i| ("dbo".to_owned(), format!("t{i}")))
        .collect();
    let session = world.session();
    let frontend = session.connections().frontend("mssql").expect("a frontend");
    let found = frontend.open_all(&names).await.expect("an answer");
    for (i, source) in found.iter().enumerate() {
        match source {
            Ok(source) => assert_eq!(source.table().name.table, format!("t{i}")),
            Err(error) => assert_eq!((i, error.kind()), (30, ErrorKind::NotFound)),
        }
    }
    let batches = world.tds.counters().batches();
    assert!(batches <= 3, "{batches} batches");
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn splits_hold_every_row_once() {
    let world = World::new();
    by_month(&world);
    world.numbers("dbo.t", 5000);
    world.tds.create(Table::new("dbo.heap").column("id", "int"));
    let source = world.open("sales").await;
    let comment = source.table().columns[0].comment.as_deref();
    assert_eq!(comment, Some("the sale"));
    let whole = source.splits(1 << 30).await.expect("splits");
    assert_eq!((whole.kind, whole.list.len()), ("partitions", 3));
    for (table, bytes) in [("sales", 1 << 13), ("t", 1 << 13)] {
        let source = world.open(table).await;
        let splits = source.splits(bytes).await.expect("splits");
        assert!(splits.list.len() > 4, "{splits:?}");
        let snapshot = source.snapshot(4).await.expect("a snapshot");
        let all = texts(&rows(&source, &snapshot, None).await.expect("rows"), 0);
        let mut parts = Vec::new();
        for split in &splits.list {
            let batches = rows(&source, &snapshot, Some(split)).await.expect("rows");
            parts.extend(texts(&batches, 0));
        }
        parts.sort();
        assert_eq!(parts, all, "{table}");
    }
    let heap = world.open("heap").await.splits(1).await.expect("splits");
    assert_eq!((heap.kind, heap.list.len()), ("one split", 1));
    assert!(heap.reason.is_some());
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_one_state_beside_writers() {
    let world = World::new();
    world.numbers("dbo.t", 100);
    let source = world.open("t").await;
    let snapshot = source.snapshot(4).await.expect("a snapshot");
    assert_eq!(
        (snapshot.facts().readers, &snapshot.facts().mixed),
        (4, &None)
    );
    assert_eq!(world.tds.lock_holders("dbo.t"), 0, "the lock is short");
    world
        .tds
        .insert("dbo.t", vec![vec![1000.into(), "late".into()]]);
    let all = [1, 2, 3, 4].map(|_| rows(&source, &snapshot, None));
    for batches in futures::future::join_all(all).await {
        assert_eq!(texts(&batches.expect("rows"), 0).len(), 100);
    }
    drop(snapshot);
    let later = source.snapshot(1).await.expect("a snapshot");
    assert_eq!(
        texts(&rows(&source, &later, None).await.expect("rows"), 0).len(),
        101
    );
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_snapshot_is_read_by_all() {
    let world = World::new();
    world.numbers("dbo.t", 10);
    world.tds.snapshot("noon");
    world
        .tds
        .insert("dbo.t", vec![vec![1000.into(), "late".into()]]);
    world.connect("encrypt = \"disable\"\nsnapshot = \"noon\"");
    let source = world.open("t").await;
    let snapshot = source.snapshot(3).await.expect("a snapshot");
    assert_eq!(snapshot.facts().readers, 3);
    assert_eq!(snapshot.facts().label, "database snapshot noon");
    assert_eq!(
        texts(&rows(&source, &snapshot, None).await.expect("rows"), 0).len(),
        10
    );
    world.connect("encrypt = \"disable\"\nsnapshot = \"shop\"");
    world
        .goe(&["describe", "mssql.dbo.t"])
        .fails(ErrorKind::Config);
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gives_no_state_for_many_readers_has_one() {
    let off = Options {
        allows_snapshot: false,
        ..Options::default()
    };
    let world = World::with(off, "encrypt = \"disable\"");
    world.numbers("dbo.t", 10);
    let facts = world
        .open("t")
        .await
        .snapshot(4)
        .await
        .expect("a snapshot")
        .facts()
        .clone();
    assert_eq!(facts.readers, 1);
    assert!(
        facts
            .mixed
            .expect("a reason")
            .contains("ALLOW_SNAPSHOT_ISOLATION")
    );
    let never = World::with(
        Options::default(),
        "encrypt = \"disable\"\ntable_lock = \"never\"",
    );
    never.numbers("dbo.t", 10);
    let facts = never
        .open("t")
        .await
        .snapshot(4)
        .await
        .expect("a snapshot")
        .facts()
        .clone();
    assert_eq!((facts.readers, facts.mixed), (1, None));
    // A writer that does not end keeps us from locking: one reader.
    let busy = World::with(
        Options::default(),
        "encrypt = \"disable\"\nlock_timeout = 1",
    );
    busy.numbers("dbo.t", 10);
    let source = busy.open("t").await;
    let writer = busy.tds.lock("dbo.t");
    let facts = source
        .snapshot(4)
        .await
        .expect("a snapshot")
        .facts()
        .clone();
    assert_eq!((facts.readers, facts.mixed), (1, None));
    assert!(
        facts.label.contains("could not be locked"),
        "{}",
        facts.label
    );
    drop(writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_dropped_stops_the_server_and_stays_in_its_state() {
    let world = World::new();
    world.numbers("dbo.t", 50_000);
    let source = world.open("t").await;
    let snapshot = source.snapshot(1).await.expect("a snapshot");
    world
        .tds
        .insert("dbo.t", vec![vec![100_000.into(), "late".into()]]);
    world.tds.slow_down(Duration::from_micros(200));
    let mut request = ReadRequest::columns(vec![0, 1]);
    request.batch.rows = 10;
    let mut stream = snapshot.read(None, &request).await.expect("a stream");
    stream.next().await.expect("a batch").expect("rows");
    drop(stream);
    let begun = Instant::now();
    while world.tds.counters().attentions() == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the server was not told"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.tds.slow_down(Duration::ZERO);
    let again = rows(&source, &snapshot, None)
        .await
        .expect("the same state");
    assert_eq!(texts(&again, 0).len(), 50_000);
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_limits_are_taken_over() {
    let world = World::new();
    by_month(&world);
    let session = world.session();
    let count = async |filter: &str| {
        let query = format!("SELECT id FROM mssql.dbo.sales WHERE {filter}");
        session
            .sql(&query)
            .await
            .expect("SQL")
            .count()
            .await
            .expect("rows")
    };
    assert_eq!(count("day < DATE '2020-02-01'").await, 310);
    assert_eq!(count("price = 7.25").await, 1);
    assert_eq!(count("id IN (1, 2, 3) OR NOT (id > 3)").await, 4);
    assert_eq!(count("id IN (1, 2, 3, 4, 5)").await, 5);
    assert_eq!(count("(id < 5) IS TRUE AND note LIKE 'x%'").await, 5);
    let seen = world.tds.counters().seen().join("\n");
    for sent in [
        "[day] < CAST('2020-02-01' AS date)",
        "[price] = CAST(7.2500 AS decimal(19,4))",
        "[id] IN (1, 2, 3, 4, 5)",
    ] {
        assert!(seen.contains(sent), "{sent}");
    }
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changed_is_a_conflict() {
    let world = World::new();
    world.numbers("dbo.t", 10);
    let session = world.session();
    let frontend = session.connections().frontend("mssql").expect("a frontend");
    let source = frontend
        .open("dbo", "t", &OpenOptions::default())
        .await
        .expect("a table");
    world.tds.alter("dbo.t");
    for readers in [1, 3] {
        let error = source.snapshot(readers).await.expect_err("a conflict");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    world.understood();
}
