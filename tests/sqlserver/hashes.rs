//! Splits by a hash: tables without ranges to read, each row in exactly one split.

use goe::frontend::Splits;

use super::{World, rows, whole_rows};
use crate::doubles::tds::{Options, PartitionFunction, Table, Value};

const ROWS: i64 = 3000;

/// A table, its rows, what it is cut by, and why by nothing better.
struct Case {
    table: Table,
    row: fn(i64) -> Vec<Value>,
    kind: &'static str,
    why: &'static str,
}

fn day(n: i64) -> Value {
    let first = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day");
    let day = first + chrono::TimeDelta::days(n % 60);
    Value::from(day.to_string())
}

/// Multiples of a thousand, and both ends of the type.
fn wide(n: i64) -> Value {
    match n {
        0 => i64::from(i32::MIN).into(),
        1 => i64::from(i32::MAX).into(),
        _ => ((n - ROWS / 2) * 1000).into(),
    }
}

/// Pairs of which no two are the same, and NULL in either half.
fn with_nulls(n: i64) -> Vec<Value> {
    let (name, number) = match n {
        n if n % 5 == 0 => (Value::Null, n.into()),
        n if n % 7 == 0 => (format!("Row {n}").into(), Value::Null),
        n => (format!("Row {n}").into(), n.into()),
    };
    vec![name, number]
}

fn cases() -> Vec<Case> {
    let table = |name: &str| Table::new(&format!("dbo.{name}"));
    vec![
        Case {
            table: table("heap")
                .column("id", "int not null")
                .column("name", "nvarchar(40)")
                .primary_key_beside(&["id"]),
            row: |n| vec![wide(n), format!("row {n}").into()],
            kind: "hash of the key",
            why: "a heap has no clustered key, so each split scans the whole table",
        },
        Case {
            table: table("columnstore")
                .column("name", "nvarchar(40)")
                .column("number", "int")
                .columnstore()
                .unique(&["name", "number"]),
            row: with_nulls,
            kind: "hash of the key",
            why: "a columnstore has no clustered key, so each split scans the whole table",
        },
        Case {
            table: table("codes")
                .column("code", "varchar(20) not null")
                .primary_key(&["code"]),
            row: |n| vec![format!("Ä{n:05}").into()],
            kind: "hash of the key",
            why: "begins with \"code\", which is neither a number nor a day, so each",
        },
        Case {
            table: table("ids")
                .column("id", "uniqueidentifier not null")
                .column("amount", "decimal(12,2)")
                .primary_key(&["id"]),
            row: |n| {
                let id = format!("{n:08X}-0000-0000-0000-000000000000");
                vec![id.into(), format!("{n}.50").into()]
            },
            kind: "hash of the key",
            why: "each split scans the whole table",
        },
        Case {
            table: table("months")
                .column("id", "bigint not null")
                .column("day", "date not null")
                .columnstore()
                .unique(&["id", "day"])
                .partitioned("pf_month", "day"),
            row: |n| vec![n.into(), day(n)],
            kind: "partitions and hash of the key",
            why: "a columnstore has no clustered key, so each split scans a whole partition",
        },
    ]
}

async fn splits(world: &World, table: &str, bytes: u64) -> Splits {
    let source = world.open(table).await;
    source.splits(bytes).await.expect("splits")
}

#[tokio::test(flavor = "multi_thread")]
async fn four_workers_read_every_row_once() {
    let world = World::new();
    let months = PartitionFunction::right("pf_month", "date", vec!["2020-02-01"]);
    world.tds.create_function(months);
    for Case {
        table,
        row,
        kind,
        why,
    } in cases()
    {
        let name = table.name.clone();
        world.tds.create(table);
        let full = format!("dbo.{name}");
        world.tds.insert(&full, (0..ROWS).map(row).collect());
        let source = world.open(&name).await;
        let splits = source.splits(1 << 13).await.expect("splits");
        assert_eq!(splits.kind, kind, "{name}");
        let reason = splits.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(why), "{name}: {reason}");
        let parts = if kind.starts_with("partitions") { 2 } else { 1 };
        assert_eq!(splits.list.len(), 7 * parts, "{name}");
        let read = splits.list.iter().filter_map(|split| split.bytes).sum();
        assert_eq!(
            source.table().bytes.map(|bytes| 7 * bytes),
            Some(read),
            "{name}"
        );
        let snapshot = source.snapshot(4).await.expect("a snapshot");
        assert_eq!(snapshot.facts().readers, 4);
        let all = whole_rows(&rows(&source, &snapshot, None).await.expect("rows"));
        assert_eq!(all.len(), 3000, "{name}");
        let reading = splits.list.iter();
        let reading = reading.map(|split| rows(&source, &snapshot, Some(split)));
        let mut read = Vec::new();
        for batches in futures::future::join_all(reading).await {
            let part = whole_rows(&batches.expect("rows"));
            assert!(
                !part.is_empty() && part.len() < 1000,
                "{name}: {}",
                part.len()
            );
            read.extend(part);
        }
        read.sort();
        assert_eq!(read, all, "{name}");
    }
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_worth_the_scans_is_one_split() {
    let world = World::new();
    let heap = |name: &str| Table::new(name).column("id", "int not null");
    world
        .tds
        .create(heap("dbo.keyed").primary_key_beside(&["id"]));
    world.tds.create(heap("dbo.keyless"));
    for name in ["dbo.keyed", "dbo.keyless"] {
        let row = |n: i64| vec![n.into()];
        world.tds.insert(name, (0..ROWS).map(row).collect());
    }
    // Thirty pages.
    let few = splits(&world, "keyed", 1 << 16).await;
    assert_eq!((few.kind, few.list.len()), ("hash of the key", 3));
    for (table, bytes, why) in [
        ("keyed", 1 << 17, "too small for several scans"),
        ("keyed", 1 << 30, "smaller than two splits"),
        ("keyless", 1 << 13, "no unique key to hash"),
    ] {
        let one = splits(&world, table, bytes).await;
        assert_eq!((one.kind, one.list.len()), ("one split", 1), "{table}");
        let reason = one.reason.unwrap_or_default();
        assert!(reason.contains(why), "{table}: {reason}");
    }
    world.connect("encrypt = \"disable\"\ntable_lock = \"never\"");
    let one = splits(&world, "keyed", 1 << 13).await;
    let reason = one.reason.unwrap_or_default();
    assert!(reason.contains("one reader: table_lock=never"), "{reason}");
    let off = Options {
        allows_snapshot: false,
        ..Options::default()
    };
    let mixed = World::with(off, "encrypt = \"disable\"");
    mixed
        .tds
        .create(heap("dbo.keyed").primary_key_beside(&["id"]));
    let row = |n: i64| vec![n.into()];
    mixed.tds.insert("dbo.keyed", (0..ROWS).map(row).collect());
    let one = splits(&mixed, "keyed", 1 << 13).await;
    assert_eq!(one.list.len(), 1);
    world.understood();
}

#[test]
fn a_plan_names_the_hash_and_what_it_costs_and_a_run_keeps_to_it() {
    let world = World::new();
    let heap = Table::new("dbo.heap")
        .column("id", "int not null")
        .column("name", "nvarchar(40)")
        .primary_key_beside(&["id"]);
    // A page for each row: larger than four splits.
    world.tds.create(heap.page_rows(1));
    let row = |n: i64| vec![Value::from(n * 10), format!("row {n}").into()];
    world.tds.insert("dbo.heap", (0..9000).map(row).collect());
    let plan = ["plan", "mssql.dbo.heap", "--to", "lake.tpch.heap"];
    world
        .goe(&[&plan[..], &["--parallel", "4"]].concat())
        .ok()
        .says(&[
            "3 by hash of the key, 3 worker(s)",
            "each split scans the whole table",
            "ABS(CHECKSUM([id]) % 3) = 0",
        ]);
    world.offload("heap", &["--parallel", "4"]).ok();
    let mut held = world.project.lake("tpch", "heap").numbers("id");
    held.sort_unstable();
    assert_eq!(held, (0..9000).map(|n| n * 10).collect::<Vec<i64>>());
    world.goe(&["verify", "lake.tpch.heap"]).ok();
    world.understood();
}
