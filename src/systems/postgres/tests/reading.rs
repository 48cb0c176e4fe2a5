//! Whole tables of every kind, in splits, in one state.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Decimal128Type, Int32Type, Int64Type};
use futures::StreamExt;

use super::*;
use crate::error::ErrorKind;
use crate::frontend::{Aggregate, AggregateFunction, BatchLimits, RelationKind, select_sql};

fn integers(batch: &RecordBatch, column: usize) -> BTreeSet<i32> {
    let values: Vec<i32> = batch
        .column(column)
        .as_primitive::<Int32Type>()
        .values()
        .to_vec();
    let set: BTreeSet<i32> = values.iter().copied().collect();
    assert_eq!(set.len(), values.len(), "no row comes twice");
    set
}

#[test]
fn a_table_is_described_whole() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (a int, b varchar(3) NOT NULL UNIQUE, c text, d int, e int UNIQUE,
                             PRIMARY KEY (d, a));
             ALTER TABLE t DROP COLUMN c;
             COMMENT ON TABLE t IS 'it''s'; COMMENT ON COLUMN t.b IS 'of b';
             CREATE UNIQUE INDEX ON t (a) WHERE b > 'x'; CREATE UNIQUE INDEX ON t (lower(b));
             INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) i; ANALYZE t",
            )
            .await;
        let source = place.open("T").await;
        let table = source.table();
        assert_eq!(table.name.table, "t");
        let names: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "d", "e"]);
        assert_eq!(table.primary_key, ["d", "a"]);
        assert_eq!(table.unique, [vec!["d", "a"], vec!["b"]]);
        assert_eq!(table.rows, Some(100));
        assert_eq!(table.comment.as_deref(), Some("it's"));
        assert_eq!(table.columns[1].comment.as_deref(), Some("of b"));
        let nullable: Vec<bool> = table.columns.iter().map(|column| column.nullable).collect();
        assert_eq!(nullable, [false, false, false, true]);
        let listed = place.frontend().tables().await.unwrap();
        let entry = listed
            .iter()
            .find(|entry| entry.schema == place.schema)
            .unwrap();
        assert_eq!((entry.table.as_str(), entry.rows), ("t", Some(100)));
        let probe = place.frontend().probe().await.unwrap();
        assert!(probe.version.contains("PostgreSQL"));
    });
}

#[test]
fn splits_hold_every_row_once() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int, pad text);
             INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i;
             DELETE FROM t WHERE i BETWEEN 5000 AND 12000",
            )
            .await;
        place.run("VACUUM t").await;
        place
            .run(
                "CREATE TABLE empty (i int);
             CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE VIEW v AS SELECT * FROM t;
             CREATE TABLE parent (i int); CREATE TABLE heir (j int) INHERITS (parent);
             INSERT INTO parent SELECT i FROM generate_series(1, 3000) i;
             INSERT INTO heir SELECT i, i FROM generate_series(3001, 30000) i",
            )
            .await;
        for (table, bytes, rows, at_least) in [
            ("t", 200_000, 12999, 10),
            ("m", 200_000, 12999, 5),
            ("v", 200_000, 12999, 1),
            ("empty", 200_000, 0, 1),
            ("parent", 100_000, 30000, 5),
        ] {
            let source = place.open(table).await;
            let splits = source.splits(bytes).await.unwrap();
            assert!(splits.list.len() >= at_least, "{table}: {splits:?}");
            let batch = read_all(&source, 3, bytes).await.unwrap();
            assert_eq!(integers(&batch, 0).len(), rows, "{table}");
        }
    });
}

#[test]
fn a_row_that_comes_after_the_cut_is_read() {
    in_schema(|place| async move {
        place
            .run("CREATE TABLE t (i int); INSERT INTO t SELECT generate_series(1, 5000)")
            .await;
        let source = place.open("t").await;
        place
            .run("INSERT INTO t SELECT generate_series(5001, 50000)")
            .await;
        let batch = read_all(&source, 2, 50_000).await.unwrap();
        assert_eq!(integers(&batch, 0).len(), 50_000);
    });
}

#[test]
fn partitions_are_read_leaf_by_leaf() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int, k text, d date) PARTITION BY RANGE (d);
             CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
             CREATE TABLE t2 (d date, gone int, k text, i int);
             ALTER TABLE t2 DROP COLUMN gone;
             ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
             CREATE TABLE t3 PARTITION OF t FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')
               PARTITION BY LIST (k);
             CREATE TABLE \"t3 \"\"a\" PARTITION OF t3 FOR VALUES IN ('a');
             CREATE TABLE t3b PARTITION OF t3 DEFAULT;
             CREATE TABLE bare (i int) PARTITION BY LIST (i);
             INSERT INTO t SELECT i, chr(97 + i % 3), date '2020-01-01' + i % 1095
               FROM generate_series(1, 9000) i; ANALYZE t",
            )
            .await;
        let source = place.open("t").await;
        assert_eq!(source.table().kind, RelationKind::Partitioned);
        assert_eq!(source.table().rows, Some(9000));
        let splits = source.splits(1 << 30).await.unwrap();
        assert_eq!(splits.list.len(), 4);
        let batch = read_all(&source, 2, 20_000).await.unwrap();
        assert_eq!(integers(&batch, 0).len(), 9000);
        let texts = batch.column(1).as_string::<i64>();
        let numbers = batch.column(0).as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let expected = char::from(b'a' + (numbers.value(row) % 3) as u8).to_string();
            assert_eq!(texts.value(row), expected);
        }
        let bare = place.open("bare").await;
        assert_eq!(read_all(&bare, 2, 1).await.unwrap().num_rows(), 0);
        // A partition that the plan does not know is never left out in silence.
        place
            .run("CREATE TABLE t4 PARTITION OF t FOR VALUES FROM ('2023-01-01') TO (MAXVALUE)")
            .await;
        assert_eq!(
            source.snapshot(1).await.unwrap_err().kind(),
            ErrorKind::Conflict
        );
    });
}

#[test]
fn hostile_names_are_only_names() {
    in_schema(|place| async move {
        let long = "é".repeat(31) + "x";
        let names = [
            "select",
            "a",
            "A",
            "a b",
            "q\"q",
            "it's",
            "new\nline",
            "\u{1F600}",
            "semi;--",
            "%",
            "\\",
            "$1",
            long.as_str(),
            "a.b",
            "ctid2",
        ];
        let quote = |name: &str| Postgres.quote(name);
        let columns: Vec<String> = names
            .iter()
            .map(|name| format!("{} int", quote(name)))
            .collect();
        for table in names {
            place
                .run(&format!(
                    "CREATE TABLE {} ({})",
                    quote(table),
                    columns.join(", ")
                ))
                .await;
            let values: Vec<String> = (0..names.len()).map(|i| i.to_string()).collect();
            place
                .run(&format!(
                    "INSERT INTO {} VALUES ({})",
                    quote(table),
                    values.join(", ")
                ))
                .await;
            let source = place.open(table).await;
            assert_eq!(source.table().name.table, table);
            let batch = read_all(&source, 1, 1 << 20).await.unwrap();
            for (i, name) in names.iter().enumerate() {
                assert_eq!(batch.schema().field(i).name(), name);
                assert_eq!(
                    batch.column(i).as_primitive::<Int32Type>().value(0),
                    i as i32
                );
            }
            parses_back(&source, table, &names);
        }
    });
}

/// What we send is one statement that names what we mean, by another parser's reading.
fn parses_back(source: &Arc<dyn Source>, table: &str, names: &[&str]) {
    use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement, TableFactor};
    use datafusion::sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};
    let sql = select_sql(&Postgres, source.table(), None, &all_columns(source));
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap();
    let [Statement::Query(query)] = statements.as_slice() else {
        panic!("{sql} is not one query");
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        panic!("{sql} is no SELECT");
    };
    let read: Vec<&str> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.value.as_str(),
            other => panic!("{other} is no plain column"),
        })
        .collect();
    assert_eq!(read, names);
    let TableFactor::Table { name, .. } = &select.from[0].relation else {
        panic!("{sql} reads no table");
    };
    assert_eq!(name.0.last().unwrap().as_ident().unwrap().value, table);
}

#[test]
fn a_wide_table_and_a_huge_value_are_read() {
    in_schema(|place| async move {
        let columns: Vec<String> = (0..1600).map(|i| format!("c{i} int")).collect();
        let values: Vec<String> = (0..1600).map(|i| i.to_string()).collect();
        let nulls = vec!["NULL"; 1600].join(", ");
        place
            .run(&format!("CREATE TABLE wide ({})", columns.join(", ")))
            .await;
        place
            .run(&format!(
                "INSERT INTO wide VALUES ({}), ({nulls})",
                values.join(", ")
            ))
            .await;
        let batch = place.read("wide", 1 << 20).await;
        assert_eq!((batch.num_columns(), batch.num_rows()), (1600, 2));
        assert_eq!(
            batch.column(1599).as_primitive::<Int32Type>().value(0),
            1599
        );
        place
            .run(
                "CREATE TABLE huge (i int, t text);
             INSERT INTO huge VALUES (1, 'a'), (2, repeat('é', 32 * 1024 * 1024)), (3, 'c')",
            )
            .await;
        let source = place.open("huge").await;
        let snapshot = source.snapshot(1).await.unwrap();
        let request = ReadRequest {
            batch: BatchLimits {
                rows: 8192,
                bytes: 1 << 20,
            },
            ..all_columns(&source)
        };
        let batches = read_split(&snapshot, None, &request).await.unwrap();
        let rows: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
        assert_eq!(rows, [1, 1, 1]);
        assert_eq!(
            batches[1].column(1).as_string::<i64>().value(0).len(),
            64 << 20
        );
    });
}

#[test]
fn four_readers_see_one_state_while_money_moves() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int PRIMARY KEY, amount int, pad text);
             INSERT INTO t SELECT i, 100, repeat('x', 100) FROM generate_series(1, 5000) i",
            )
            .await;
        let (url, schema) = (place.url.clone(), place.schema.clone());
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mover = tokio::spawn(async move {
            let session = Session::open(&settings(&url, &[])).await.unwrap();
            let mut moves = 0;
            while !stopped.load(Ordering::Relaxed) {
                let (from, to) = (moves * 37 % 5000 + 1, moves * 91 % 5000 + 1);
                let sql = format!(
                    "BEGIN READ WRITE; UPDATE {schema}.t SET amount = amount - 7 WHERE i = {from};
                     UPDATE {schema}.t SET amount = amount + 7 WHERE i = {to}; COMMIT"
                );
                session.client.batch_execute(&sql).await.unwrap();
                moves += 1;
            }
            moves
        });
        for _ in 0..5 {
            let source = place.open("t").await;
            let batch = read_all(&source, 4, 40_000).await.unwrap();
            assert_eq!(integers(&batch, 0).len(), 5000);
            let sum: i32 = batch
                .column(1)
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .sum();
            assert_eq!(sum, 500_000);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(mover.await.unwrap() > 20);
    });
}

#[test]
fn a_dropped_stream_stops_the_server_and_frees_its_reader() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int, pad text);
             INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i;
             CREATE VIEW slow AS SELECT a.i, a.pad FROM t a, t b, t c",
            )
            .await;
        let source = place.open("slow").await;
        let snapshot = source.snapshot(1).await.unwrap();
        for _ in 0..2 {
            let mut stream = snapshot.read(None, &all_columns(&source)).await.unwrap();
            assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
            drop(stream);
        }
        let active = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'goe'
             AND state = 'active' AND query LIKE 'COPY%{}%slow%'",
            place.schema
        );
        let begin = Instant::now();
        loop {
            let row = place.admin.client.query_one(&active, &[]).await.unwrap();
            if row.get::<_, i64>(0) == 0 {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(5), "still at work");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let request = ReadRequest {
            limit: Some(3),
            ..all_columns(&source)
        };
        let batches = read_split(&snapshot, None, &request).await.unwrap();
        assert_eq!(batches[0].num_rows(), 3);
    });
}

#[test]
fn rows_without_columns_and_columns_in_any_order() {
    in_schema(|place| async move {
        place
            .run("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
            .await;
        let source = place.open("t").await;
        let snapshot = source.snapshot(1).await.unwrap();
        let none = read_split(&snapshot, None, &ReadRequest::columns(vec![]))
            .await
            .unwrap();
        assert_eq!((none[0].num_rows(), none[0].num_columns()), (2, 0));
        let request = ReadRequest {
            select: select(&[1, 0, 1]),
            ..all_columns(&source)
        };
        let batches = read_split(&snapshot, None, &request).await.unwrap();
        assert_eq!(batches[0].column(0).as_string::<i64>().value(1), "y");
        assert_eq!(batches[0].column(2).as_string::<i64>().value(1), "y");
    });
}

#[test]
fn aggregates_are_exact_and_typed() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (a smallint, b bigint, c numeric(20,4), d text, e uuid, f boolean,
                             g bytea, h char(3), i date, j jsonb, k money, l oid, m numeric(50,2),
                             n name, o timestamptz, p real, q numeric);
             INSERT INTO t VALUES
               (1, 9223372036854775807, 1.5, 'é', '00000000-0000-0000-0000-000000000001', true,
                '\\xff', 'a', '2020-01-01', '1', 1.5, 1, 3, 'x', now(), 1, 1),
               (2, 9223372036854775807, 2.25, 'a', '00000000-0000-0000-0000-000000000002', false,
                '\\x0a', E'a\\x01', '2021-01-01', '2', 2.5, 2, 4, 'y', now(), 2, 2),
               (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                NULL, NULL, NULL)",
            )
            .await;
        let source = place.open("t").await;
        let columns = source.table().columns.len();
        let mut wanted = vec![Aggregate {
            function: AggregateFunction::Rows,
            column: 0,
        }];
        for column in 0..columns {
            for function in [
                AggregateFunction::Count,
                AggregateFunction::Min,
                AggregateFunction::Max,
            ] {
                wanted.push(Aggregate { function, column });
            }
            if source.table().columns[column].canonical.is_exact_number() {
                wanted.push(Aggregate {
                    function: AggregateFunction::Sum,
                    column,
                });
            }
        }
        let snapshot = source.snapshot(1).await.unwrap();
        let request = ReadRequest::aggregates(wanted.clone(), None);
        let batch = read_split(&snapshot, None, &request)
            .await
            .unwrap()
            .remove(0);
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 3);
        let at = |function, column| {
            let position = wanted
                .iter()
                .position(|one| *one == Aggregate { function, column });
            batch.column(position.unwrap()).clone()
        };
        for column in 0..columns {
            let count = at(AggregateFunction::Count, column);
            assert_eq!(count.as_primitive::<Int64Type>().value(0), 2);
        }
        let sum = at(AggregateFunction::Sum, 1);
        let expected = 2 * i128::from(i64::MAX);
        assert_eq!(sum.as_primitive::<Decimal128Type>().value(0), expected);
        let sum = at(AggregateFunction::Sum, 2);
        assert_eq!(sum.as_primitive::<Decimal128Type>().value(0), 37_500);
        assert_eq!(
            at(AggregateFunction::Max, 3).as_string::<i64>().value(0),
            "é"
        );
        assert!(
            at(AggregateFunction::Max, 4)
                .as_string::<i32>()
                .value(0)
                .ends_with('2')
        );
        assert!(!at(AggregateFunction::Min, 5).as_boolean().value(0));
        assert_eq!(
            at(AggregateFunction::Max, 6).as_binary::<i64>().value(0),
            [0xff]
        );
        assert_eq!(
            at(AggregateFunction::Min, 7).as_string::<i32>().value(0),
            "a\u{1} "
        );
    });
}

#[test]
fn the_engine_reads_it_as_a_table() {
    use datafusion::prelude::{SessionConfig, SessionContext};
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int, n numeric(10,2), s text, c char(4), r real);
                 INSERT INTO t SELECT i, i / 4.0, 'x' || i % 10, 'c' || i % 3, i
                   FROM generate_series(1, 20000) i",
            )
            .await;
        let source = place.open("t").await;
        let table = crate::frontend::FrontendTable::new(source, Arc::new(Postgres));
        let context =
            SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
        context.register_table("t", Arc::new(table)).unwrap();
        for (sql, expected) in [
            ("SELECT count(*) FROM t", 20_000),
            (
                "SELECT count(*) FROM t WHERE s = 'x3' AND i <= 10000",
                1_000,
            ),
            (
                "SELECT count(*) FROM t WHERE s LIKE '%9' OR s IS NULL",
                2_000,
            ),
            ("SELECT count(*) FROM t WHERE c = 'c0  ' AND i > 3", 6_665),
            ("SELECT count(*) FROM t WHERE c = 'c0'", 0),
            (
                "SELECT count(*) FROM t WHERE r < 100 AND n BETWEEN 1 AND 5",
                17,
            ),
            ("SELECT count(*) FROM (SELECT * FROM t LIMIT 7)", 7),
            ("SELECT sum(i) FROM t", 200_010_000),
        ] {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            let found = batches[0].column(0).as_primitive::<Int64Type>().value(0);
            assert_eq!(found, expected, "{sql}");
        }
    });
}
