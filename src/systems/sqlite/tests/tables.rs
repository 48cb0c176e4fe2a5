use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use super::*;
use crate::error::ErrorKind;
use crate::frontend::{Aggregate, AggregateFunction, BatchLimits, RelationKind, Split};
use crate::schema::describe_value;

#[tokio::test]
async fn a_catalog_is_listed_and_described() {
    let fixture = Fixture::new(
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, code VARCHAR(9) NOT NULL UNIQUE, note TEXT UNIQUE,
           total DECIMAL(15,2) GENERATED ALWAYS AS (id * 2) STORED);
         CREATE TABLE pair(a INT, b INT, v TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE TABLE loose(k TEXT PRIMARY KEY, v);
         CREATE VIEW seen AS SELECT id FROM orders;
         CREATE INDEX half ON orders(code) WHERE id > 5;
         INSERT INTO orders(id, code) VALUES (1, 'a'), (2, 'b'); ANALYZE;",
    );
    let tables = fixture.frontend.tables().await.unwrap();
    let listed: Vec<_> = tables
        .iter()
        .map(|entry| (entry.table.as_str(), entry.kind))
        .collect();
    let table = RelationKind::Table;
    assert_eq!(
        listed,
        [
            ("loose", table),
            ("orders", table),
            ("pair", table),
            ("seen", RelationKind::View)
        ]
    );
    assert_eq!(tables[1].rows, Some(2));

    let orders = fixture.open("ORDERS").await.unwrap();
    let orders = orders.table();
    assert_eq!(orders.name.table, "orders");
    assert_eq!(orders.primary_key, ["id"]);
    assert_eq!(
        orders.unique,
        [vec!["id".to_owned()], vec!["code".to_owned()]]
    );
    let nullable: Vec<bool> = orders
        .columns
        .iter()
        .map(|column| column.nullable)
        .collect();
    assert_eq!(nullable, [false, false, true, true]);
    assert_eq!(orders.rows, Some(2));
    let pair = fixture.open("pair").await.unwrap();
    assert_eq!(pair.table().primary_key, ["b", "a"]);
    assert_eq!(pair.table().unique, [["b".to_owned(), "a".to_owned()]]);
    let loose = fixture.open("loose").await.unwrap();
    assert!(
        loose.table().unique.is_empty(),
        "a key of a plain table may be NULL"
    );

    let error = fixture.open("ordres").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint_text(), Some("did you mean \"orders\"?"));
    let options = OpenOptions::default();
    let error = fixture
        .frontend
        .open("public", "orders", &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_empty_table_has_one_split_and_no_rows() {
    let fixture = Fixture::new("CREATE TABLE t(a INTEGER, b DECIMAL(9,2))");
    let source = fixture.open("t").await.unwrap();
    assert_eq!(source.table().rows, Some(0));
    assert_eq!(source.splits(1).await.unwrap().list, [Split::default()]);
    assert_eq!(read_all(&source).await.unwrap().num_rows(), 0);
}

#[tokio::test]
async fn a_table_that_has_no_rowid_to_offer_is_read_in_one_split() {
    let fixture = Fixture::new(
        "CREATE TABLE pair(a INT, b TEXT, d DATE, PRIMARY KEY (a, b)) WITHOUT ROWID;
         INSERT INTO pair VALUES (1, 'x', '2024-01-01'), (2, 'y', 'soon');
         CREATE TABLE hidden(rowid TEXT, _ROWID_ TEXT, oid TEXT); INSERT INTO hidden VALUES ('a', 'b', 'c');
         CREATE TABLE partly(rowid TEXT, d DATE); INSERT INTO partly(oid, rowid, d) VALUES (9, 'a', 'never');",
    );
    for (table, word) in [("pair", "WITHOUT ROWID"), ("hidden", "hide")] {
        let source = fixture.open(table).await.unwrap();
        let splits = source.splits(1).await.unwrap();
        assert_eq!(splits.list.len(), 1);
        assert!(splits.reason.is_some_and(|reason| reason.contains(word)));
    }
    let hidden = read_all(&fixture.open("hidden").await.unwrap())
        .await
        .unwrap();
    assert_eq!(describe_value(hidden.column(0), 0), "a");
    let error = read_all(&fixture.open("pair").await.unwrap())
        .await
        .unwrap_err();
    assert!(error.message().contains("a 2, b \"y\";"), "{error}");
    let error = read_all(&fixture.open("partly").await.unwrap())
        .await
        .unwrap_err();
    assert!(error.message().contains("_rowid_ 9;"), "{error}");
}

#[tokio::test]
async fn two_thousand_columns_are_read() {
    for width in [1600, 1999, 2000] {
        let names: Vec<String> = (0..width).map(|i| format!("c{i} INTEGER")).collect();
        let values: Vec<String> = (0..width).map(|i| i.to_string()).collect();
        let fixture = Fixture::new(&format!(
            "CREATE TABLE wide({}); INSERT INTO wide VALUES ({})",
            names.join(", "),
            values.join(", ")
        ));
        let source = fixture.open("wide").await.unwrap();
        let batch = read_all(&source).await.unwrap();
        assert_eq!(batch.num_columns(), width);
        assert_eq!(
            describe_value(batch.column(width - 1), 0),
            (width - 1).to_string()
        );
        assert_eq!(source.splits(1).await.unwrap().list.len(), 1);
    }
}

#[tokio::test]
async fn a_table_that_changed_since_it_was_described_is_a_conflict() {
    for change in [
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN c TEXT",
        "ALTER TABLE t RENAME COLUMN a TO z",
        "DROP TABLE t; CREATE TABLE t(a TEXT, b TEXT)",
        "DROP TABLE t; CREATE VIEW t AS SELECT 1 AS a, 2 AS b",
    ] {
        let fixture = Fixture::new("CREATE TABLE t(a INTEGER, b TEXT)");
        let source = fixture.open_as("t", "a", "text").await.unwrap();
        assert!(source.snapshot(2).await.is_ok());
        fixture.writer.execute_batch(change).unwrap();
        let error = source.snapshot(2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{change}: {error:?}");
    }
    let fixture = Fixture::new("CREATE TABLE t(a INTEGER, b TEXT)");
    let source = fixture.open("t").await.unwrap();
    fixture
        .writer
        .execute_batch("INSERT INTO t VALUES (1, 'x'); CREATE TABLE other(x)")
        .unwrap();
    assert!(
        source.snapshot(2).await.is_ok(),
        "rows and other tables may change"
    );
}

/// The ids that all splits of a table give together.
async fn ids_by_splits(source: &Arc<dyn Source>, bytes: u64) -> (usize, Vec<i64>) {
    let splits = source.splits(bytes).await.unwrap();
    let snapshot = source.snapshot(1).await.unwrap();
    let mut ids = Vec::new();
    for split in &splits.list {
        let stream = snapshot
            .read(Some(split), &ReadRequest::columns(vec![0]))
            .await
            .unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        ids.extend(batches.iter().flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        }));
    }
    (splits.list.len(), ids)
}

#[tokio::test]
async fn splits_give_every_row_once_however_rowids_lie() {
    let mut random = Random(99);
    for round in 0..60 {
        let fixture = Fixture::new("CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT)");
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..random.below(200) {
            ids.insert(match random.below(5) {
                0 => random.next() as i64,
                1 => random.below(50) as i64 - 25,
                2 => i64::MAX - random.below(20) as i64,
                3 => i64::MIN + random.below(20) as i64,
                _ => 1_000_000 + random.below(300) as i64,
            });
        }
        let rows: Vec<String> = ids
            .iter()
            .map(|id| format!("({id}, 'some text')"))
            .collect();
        if !rows.is_empty() {
            fixture
                .writer
                .execute_batch(&format!("INSERT INTO t VALUES {}", rows.join(", ")))
                .unwrap();
        }
        let source = fixture.open("t").await.unwrap();
        let bytes = [1, 30, 200, 1000, 1 << 20][random.below(5)];
        let (count, mut read) = ids_by_splits(&source, bytes).await;
        read.sort_unstable();
        assert_eq!(
            read,
            ids.iter().copied().collect::<Vec<_>>(),
            "round {round}, {bytes} bytes"
        );
        if bytes == 1 {
            assert_eq!(count, ids.len().max(1), "a row a split");
        }
    }
}

#[tokio::test]
async fn splits_are_even_in_rows_and_open_at_both_ends() {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO t SELECT i * i * i, 'twenty bytes of text' FROM n",
    );
    let source = fixture.open("t").await.unwrap();
    let splits = source.splits(10_000).await.unwrap();
    assert!(
        (10..40).contains(&splits.list.len()),
        "{}",
        splits.list.len()
    );
    assert_eq!(splits.kind, "rowid ranges");
    let count = |predicate: &str| -> u64 {
        let sql = format!("SELECT count(*) FROM t WHERE {predicate}");
        fixture
            .writer
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    let (last, others) = splits.list.split_last().unwrap();
    for split in others {
        assert_eq!(Some(count(split.predicate.as_deref().unwrap())), split.rows);
    }
    assert!(count(last.predicate.as_deref().unwrap()) > 0);
    // Rows that come before and after the known ones fall into the open ends.
    fixture
        .writer
        .execute_batch(&format!(
            "INSERT INTO t VALUES ({}, ''), ({}, '')",
            i64::MIN,
            i64::MAX
        ))
        .unwrap();
    let total: u64 = splits
        .list
        .iter()
        .map(|split| count(split.predicate.as_deref().unwrap()))
        .sum();
    assert_eq!(total, 5002);
}

#[tokio::test]
async fn batches_keep_their_bounds() {
    let fixture = Fixture::new(
        "CREATE TABLE t(c TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO t SELECT hex(zeroblob(i % 50)) FROM n",
    );
    let source = fixture.open("t").await.unwrap();
    let snapshot = source.snapshot(1).await.unwrap();
    for (rows, bytes) in [(7, 1 << 20), (1000, 500), (1, 1), (8192, 8 << 20)] {
        let mut request = ReadRequest::columns(vec![0]);
        request.batch = BatchLimits { rows, bytes };
        let stream = snapshot.read(None, &request).await.unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            1000
        );
        for batch in &batches {
            let text = batch.column(0).as_string::<i64>();
            let size: usize = text.iter().flatten().map(str::len).sum();
            assert!(batch.num_rows() <= rows);
            assert!(
                size <= bytes || batch.num_rows() == 1,
                "{size} bytes of {bytes}"
            );
        }
    }
    let mut request = ReadRequest::columns(Vec::new());
    request.limit = Some(5);
    let stream = snapshot.read(None, &request).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_stops_its_statement_and_frees_its_reader() {
    let fixture = Fixture::new(
        "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1);
         CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
           SELECT count(*) AS c FROM n;
         CREATE VIEW flood AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
           SELECT i FROM n;",
    );
    for view in ["endless", "flood"] {
        let source = fixture.open(view).await.unwrap();
        let snapshot = source.snapshot(1).await.unwrap();
        let request = ReadRequest::columns(vec![0]);
        for _ in 0..3 {
            let stream = snapshot.read(None, &request).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
            drop(stream);
        }
        let begun = Instant::now();
        drop(snapshot.read(None, &request).await.unwrap());
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{view}: {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn aggregates_are_exact_or_refused() {
    let fixture = Fixture::new(
        "CREATE TABLE t(n INTEGER, amount DECIMAL(15,2), at TIMESTAMP, name TEXT COLLATE NOCASE, big DECIMAL(30,2), j JSON);
         INSERT INTO t VALUES
           (9223372036854775807, 0.1, '2024-01-01', 'b', 1, 'x'),
           (9223372036854775807, 0.2, '2024-01-01 00:00:00.5', 'A', 2, 'y'),
           (-1, '1234567890123.45', '2023-12-31T23:59', 'a', 3, 'z'),
           (NULL, NULL, NULL, NULL, NULL, NULL)",
    );
    let source = fixture.open("t").await.unwrap();
    let ask = async |function, column| {
        let request = ReadRequest::aggregates(vec![Aggregate { function, column }], None);
        read(&source, &request)
            .await
            .map(|batch| describe_value(batch.column(0), 0))
    };
    use AggregateFunction as F;
    for (function, column, expected) in [
        (F::Rows, 0, "4"),
        (F::Count, 0, "3"),
        (F::Sum, 0, "18446744073709551613"),
        (F::Min, 0, "-1"),
        (F::Sum, 1, "1234567890123.75"),
        (F::Max, 1, "1234567890123.45"),
        (F::Min, 2, "2023-12-31T23:59:00"),
        (F::Max, 2, "2024-01-01T00:00:00.500"),
        (F::Min, 3, "A"),
        (F::Max, 3, "b"),
        (F::Count, 5, "3"),
    ] {
        assert_eq!(
            ask(function, column).await.unwrap(),
            expected,
            "{function:?} of {column}"
        );
    }
    for (function, column) in [(F::Sum, 4), (F::Min, 4), (F::Max, 5)] {
        let error = ask(function, column).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let empty = ReadRequest::aggregates(
        vec![Aggregate {
            function: F::Sum,
            column: 0,
        }],
        Some("1 = 0".to_owned()),
    );
    assert!(read(&source, &empty).await.unwrap().column(0).is_null(0));
}

#[tokio::test]
async fn more_streams_than_readers_wait_their_turn() {
    let fixture = Fixture::new("CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1), (2)");
    let source = fixture.open("t").await.unwrap();
    let snapshot = source.snapshot(2).await.unwrap();
    assert_eq!(snapshot.facts().readers, 2);
    let reads = (0..20).map(|_| async {
        let stream = snapshot
            .read(None, &ReadRequest::columns(vec![0]))
            .await
            .unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum::<usize>()
    });
    assert_eq!(futures::future::join_all(reads).await, [2; 20]);
}
