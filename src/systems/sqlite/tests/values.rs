use arrow::array::{Array, AsArray};

use super::*;
use crate::error::ErrorKind;
use crate::frontend::{BatchLimits, TypeMap};
use crate::schema::{CanonicalType, describe_value};
use crate::systems::sqlite::types::SqliteTypes;

/// What one value of a column of a declared type reads as, or its error.
async fn value_of(declared: &str, value: &str, form: Option<&str>) -> Result<String> {
    let fixture = Fixture::new(&format!(
        "CREATE TABLE t(c {declared}); INSERT INTO t(rowid, c) VALUES (41, NULL), (42, {value})"
    ));
    let source = match form {
        Some(form) => fixture.open_as("t", "c", form).await?,
        None => fixture.open("t").await?,
    };
    let batch = read_all(&source).await?;
    assert!(batch.column(0).is_null(0));
    Ok(describe_value(batch.column(0), 1))
}

#[tokio::test]
async fn values_of_every_declared_type_are_read() {
    for (declared, value, expected) in [
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
        ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
        ("TINYINT", "'300'", "300"),
        ("UNSIGNED BIG INT(11)", "7.0", "7"),
        ("DECIMAL(15,2)", "1234567890123.45", "1234567890123.45"),
        ("DECIMAL(15,2)", "'-0.01'", "-0.01"),
        ("DECIMAL(15,2)", "12", "12.00"),
        ("DECIMAL(2,0)", "99", "99"),
        ("DECIMAL(4,0)", "-9999", "-9999"),
        ("DECIMAL(9)", "999999999", "999999999"),
        ("NUMERIC(18,0)", "999999999999999999", "999999999999999999"),
        (
            "NUMERIC(38,0)",
            "9223372036854775807",
            "9223372036854775807",
        ),
        ("NUMERIC(5,-2)", "1234500", "1234500"),
        ("NUMERIC(50,10)", "0.5", "0.5000000000"),
        (
            "NUMERIC(50,10)",
            "-9223372036854775808",
            "-9223372036854775808.0000000000",
        ),
        ("DECIMAL", "0.1", "0.1"),
        ("NUMERIC", "9223372036854775807", "9223372036854775807"),
        ("NUMERIC", "1e300", "1e300"),
        ("REAL", "0.1", "0.1"),
        ("DOUBLE PRECISION", "9e999", "inf"),
        ("FLOAT", "3", "3.0"),
        ("REAL", "5e-324", "5e-324"),
        ("TEXT", "'naïve 🦀'", "naïve 🦀"),
        ("TEXT", "''", ""),
        ("CLOB", "12", "12"),
        ("VARCHAR(2)", "'longer'", "longer"),
        ("TEXT", "CAST(x'610062' AS TEXT)", "a\\u{0}b"),
        ("BLOB", "x'00ff'", "00ff"),
        ("VARBINARY(2)", "x'0102'", "0102"),
        ("DATE", "'0000-01-01'", "0000-01-01"),
        ("DATE", "'9999-12-31'", "9999-12-31"),
        ("TIME", "'23:59'", "23:59:00"),
        ("TIME", "'23:59:59.999999'", "23:59:59.999999"),
        ("TIME(9)", "'23:59:59.999999999'", "23:59:59.999999999"),
        ("DATETIME", "'2024-02-29'", "2024-02-29T00:00:00"),
        ("DATETIME", "'2024-02-29T12:30'", "2024-02-29T12:30:00"),
        (
            "TIMESTAMP",
            "'1969-12-31 23:59:59.999999'",
            "1969-12-31T23:59:59.999999",
        ),
        (
            "TIMESTAMP",
            "'9999-12-31 23:59:59.9999990'",
            "9999-12-31T23:59:59.999999",
        ),
        (
            "TIMESTAMP(9)",
            "'2024-02-29 00:00:00.000000001'",
            "2024-02-29T00:00:00.000000001",
        ),
        (
            "TIMESTAMPTZ",
            "'2024-02-29 12:00:00+02:00'",
            "2024-02-29T10:00:00Z",
        ),
        ("BOOLEAN", "1", "true"),
        ("BOOLEAN", "'False'", "false"),
        ("JSON", "'{\"a\": 1}'", "{\"a\": 1}"),
        ("", "7", "7"),
        ("", "1.5", "1.5"),
        ("POINT", "'1,2'", "1,2"),
    ] {
        let read = value_of(declared, value, None).await;
        assert_eq!(
            read.as_deref().map_err(ToString::to_string),
            Ok(expected),
            "{declared} {value}"
        );
    }
}

#[tokio::test]
async fn a_value_that_breaks_its_type_is_named() {
    for (declared, value) in [
        ("INTEGER", "1.5"),
        ("INTEGER", "1e300"),
        ("INTEGER", "'x'"),
        ("INTEGER", "x'01'"),
        ("DECIMAL(15,2)", "0.125"),
        ("DECIMAL(15,2)", "1e13"),
        ("DECIMAL(15,2)", "'12,50'"),
        ("DECIMAL(2,0)", "100"),
        ("DECIMAL(9,2)", "9e999"),
        ("NUMERIC(50,2)", "'abc'"),
        ("REAL", "'x'"),
        ("TEXT", "x'61'"),
        ("TEXT", "CAST(x'ff' AS TEXT)"),
        ("BLOB", "1"),
        ("JSON", "x'61'"),
        ("DATE", "'2023-02-29'"),
        ("DATE", "'2024-02-29 00:00'"),
        ("DATE", "20240229"),
        ("TIME", "'24:00'"),
        ("TIMESTAMP", "'2024-02-29 12:00Z'"),
        ("TIMESTAMP", "'2024-02-29 12:00:00.0000001'"),
        ("TIMESTAMP", "1709164800"),
        ("TIMESTAMP(9)", "'2500-01-01'"),
        ("TIMESTAMPTZ", "'2024-02-29 12:00'"),
        ("BOOLEAN", "2"),
        ("BOOLEAN", "'yes'"),
    ] {
        let error = value_of(declared, value, None).await.expect_err(value);
        assert_eq!(
            error.kind(),
            ErrorKind::Data,
            "{declared} {value}: {error:?}"
        );
        let message = error.message();
        assert!(
            message.contains("\"c\"") && message.contains("shop.main.t"),
            "{message}"
        );
        assert!(message.contains("at rowid 42;"), "{message}");
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("--read-as c=")),
            "{error:?}"
        );
        if !matches!(value, "x'61'" | "x'01'" | "CAST(x'ff' AS TEXT)") {
            assert!(
                value_of(declared, value, Some("text")).await.is_ok(),
                "{declared} {value}"
            );
        }
    }
}

#[tokio::test]
async fn a_column_is_read_in_the_form_that_is_asked_for() {
    for (declared, value, form, expected) in [
        ("TIMESTAMP", "2460000.5", "julian", "2023-02-25T00:00:00"),
        ("DATE", "2460000.5", "julian", "2023-02-25"),
        ("INTEGER", "1709164800", "unix", "2024-02-29T00:00:00"),
        ("REAL", "-0.5", "unix", "1969-12-31T23:59:59.500"),
        ("DATE", "1709164800", "UNIX", "2024-02-29"),
        (
            "DATETIME",
            "1709164800123",
            "unix_ms",
            "2024-02-29T00:00:00.123",
        ),
        ("TEXT", "'12.50'", "decimal(9,2)", "12.50"),
        ("TEXT", "'2024-02-29'", "date", "2024-02-29"),
        (
            "TIMESTAMP",
            "'2024-02-29T12:00Z'",
            "timestamptz",
            "2024-02-29T12:00:00Z",
        ),
        ("TEXT", "CAST(x'ff' AS TEXT)", "blob", "ff"),
        ("INTEGER", "'x'", "text", "x"),
    ] {
        let read = value_of(declared, value, Some(form)).await;
        assert_eq!(
            read.as_deref().map_err(ToString::to_string),
            Ok(expected),
            "{value} as {form}"
        );
    }
    for (declared, form) in [("TIME", "unix"), ("TEXT", "polka"), ("TEXT", "")] {
        let error = value_of(declared, "NULL", Some(form)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{form}");
    }
    let fixture = Fixture::new("CREATE TABLE t(amount)");
    let error = fixture.open_as("t", "amuont", "text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(error.hint_text(), Some("did you mean \"amount\"?"));
}

#[tokio::test]
async fn a_null_against_the_declaration_is_an_error() {
    let fixture = Fixture::new(
        "CREATE TABLE t(a INTEGER NOT NULL, b TEXT); INSERT INTO t VALUES (1, 'x');
         PRAGMA writable_schema = 1;
         UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a INTEGER NOT NULL, b TEXT NOT NULL)';
         INSERT INTO t VALUES (2, NULL);",
    );
    let source = fixture.open("t").await.unwrap();
    let error = read_all(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("rowid 2"), "{error}");
}

#[tokio::test]
async fn an_expression_of_a_view_is_read_by_value() {
    let fixture = Fixture::new(
        "CREATE TABLE t(a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');
         CREATE VIEW v AS SELECT a, b, a + 0.5 AS half, CASE a WHEN 1 THEN a ELSE b END AS mixed FROM t",
    );
    let source = fixture.open("v").await.unwrap();
    let types: Vec<CanonicalType> = source.table().columns.iter().map(|c| c.canonical).collect();
    assert_eq!(
        types[..2],
        [CanonicalType::Integer8, CanonicalType::LargeString]
    );
    let batch = read_all(&source).await.unwrap();
    let mixed: Vec<_> = batch
        .column(3)
        .as_string::<i64>()
        .iter()
        .flatten()
        .collect();
    assert_eq!(mixed, ["1", "y"]);
    assert_eq!(describe_value(batch.column(2), 1), "2.5");
    let splits = source.splits(1).await.unwrap();
    assert_eq!(splits.list.len(), 1);
    assert!(splits.reason.is_some_and(|reason| reason.contains("view")));
}

#[tokio::test]
async fn sixty_four_megabytes_in_one_value_survive() {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT);
         INSERT INTO t VALUES (1, 'small'), (2, hex(zeroblob(32 << 20))), (3, 'small')",
    );
    let source = fixture.open("t").await.unwrap();
    let snapshot = source.snapshot(1).await.unwrap();
    let stream = snapshot
        .read(None, &ReadRequest::columns(vec![1]))
        .await
        .unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    let lengths: Vec<usize> = batches
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_string::<i64>()
                .iter()
                .flatten()
                .map(str::len)
        })
        .collect();
    assert_eq!(lengths, [5, 64 << 20, 5]);
    assert_eq!(batches.len(), 3, "a large row has a batch of its own");
}

#[test]
fn types_map_there_and_back() {
    for native in SqliteTypes.natives() {
        let mapping = SqliteTypes.to_canonical(&native).unwrap();
        assert_eq!(
            mapping.reason.is_none(),
            mapping.fidelity == crate::schema::Fidelity::Exact
        );
    }
    for canonical in CanonicalType::ALL {
        let native = SqliteTypes.from_canonical(canonical).unwrap().to;
        let back = SqliteTypes.to_canonical(&native.native).unwrap().to;
        assert!(
            back.holds(native.stored),
            "{canonical}: {} is {back}",
            native.native
        );
    }
}

/// A table with values of every kind; some rows have none, some go on in other pages.
fn mixed(rows: usize) -> Fixture {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, d DECIMAL(15,2), r REAL, day DATE, at TIMESTAMP,
         b BOOLEAN, t TEXT, bytes BLOB, w DECIMAL(50,3));
         CREATE VIEW v AS SELECT * FROM t",
    );
    let mut insert = fixture
        .writer
        .prepare(
            "INSERT INTO t SELECT ?1, ?1 % 7, ?1 / 8.0, ?1 / 3.0, date(?1, 'unixepoch', ?1 || ' days'),
             datetime(?1, 'unixepoch'), ?1 % 2, printf('%.*c', ?2, 'ü'), zeroblob(?2 / 3), ?1 || '.125'",
        )
        .unwrap();
    let mut random = Random(7);
    for id in 0..rows {
        let length = random.pick(&[0, 1, 20, 50, 300]) + 9000 * usize::from(id % 97 == 0);
        insert.execute((id * 4, length)).unwrap();
    }
    for column in ["n", "d", "r", "day", "at", "b", "t", "bytes", "w"] {
        let some = format!(
            "UPDATE t SET {column} = NULL WHERE id % {} = 0",
            4 * (2 + random.below(9))
        );
        fixture.writer.execute_batch(&some).unwrap();
    }
    drop(insert);
    fixture
}

#[tokio::test]
async fn rows_are_the_same_by_pages_and_by_statements_whatever_a_batch_holds() {
    let fixture = mixed(2000);
    let (table, view) = (
        fixture.open("t").await.unwrap(),
        fixture.open("v").await.unwrap(),
    );
    let expected = read_all(&view).await.unwrap();
    assert_eq!(expected.num_rows(), 2000);
    for rows in [1, 7, 100, 8192] {
        for bytes in [1, 3000, 1 << 20] {
            let columns = (0..table.table().columns.len()).collect();
            let mut request = ReadRequest::columns(columns);
            request.batch = BatchLimits { rows, bytes };
            let found = read(&table, &request).await.unwrap();
            assert_eq!(
                found.columns(),
                expected.columns(),
                "{rows} rows, {bytes} bytes"
            );
        }
    }
}

#[tokio::test]
async fn of_several_broken_values_that_of_the_first_row_is_named() {
    for (broken, expected) in [
        (
            "UPDATE t SET n = 'x' WHERE id = 80; UPDATE t SET d = 0.001 WHERE id = 40",
            "\"d\"",
        ),
        (
            "UPDATE t SET d = 0.001 WHERE id = 80; UPDATE t SET n = 'x' WHERE id = 40",
            "\"n\"",
        ),
        (
            "UPDATE t SET w = 'x' WHERE id = 80; UPDATE t SET t = CAST(x'ff' AS TEXT) WHERE id = 40",
            "\"t\"",
        ),
        (
            "UPDATE t SET t = 'ü' || CAST(x'c3' AS TEXT) WHERE id = 40",
            "\"t\"",
        ),
    ] {
        let fixture = mixed(30);
        fixture.writer.execute_batch(broken).unwrap();
        let table = fixture.open("t").await.unwrap();
        let error = read_all(&table).await.expect_err(broken);
        assert_eq!(error.kind(), ErrorKind::Data);
        let message = error.message();
        assert!(
            message.contains(expected) && message.contains("id 40;"),
            "{message}"
        );
    }
}
