//! Every type with its boundary values, against the server's own text of them.

use arrow::array::{Array, AsArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::*;
use crate::error::ErrorKind;
use crate::schema::{CanonicalType, Fidelity};

/// Types and values that are read as they are.
const VALUES: &[(&str, &[&str])] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["-32768", "0", "32767"]),
    ("integer", &["-2147483648", "2147483647"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("oid", &["0", "4294967295"]),
    ("numeric(2,0)", &["-99", "0", "99"]),
    (
        "numeric(18,0)",
        &["-999999999999999999", "1000000000000", "999999999999999999"],
    ),
    (
        "numeric(38,0)",
        &["-99999999999999999999999999999999999999", "10000"],
    ),
    (
        "numeric(38,38)",
        &["0.99999999999999999999999999999999999999", "-0.1", "0"],
    ),
    (
        "numeric(15,2)",
        &[
            "0",
            "0.01",
            "-0.1",
            "9999999999999.99",
            "10000",
            "12345.6",
            "100000000",
        ],
    ),
    (
        "numeric(10,5)",
        &["0.00001", "0.0001", "10000.0001", "99999.99999"],
    ),
    (
        "numeric(76,10)",
        &[
            "999999999999999999999999999999999999999999999999999999999999999999.9999999999",
            "-0.0000000001",
        ],
    ),
    (
        "numeric",
        &["1e-100", "NaN", "12345678901234567890.00100", "-0.5"],
    ),
    ("numeric(100,50)", &["0.1", "1e49"]),
    ("numeric(5,-2)", &["1234567", "-9999900", "49"]),
    ("numeric(2,4)", &["0.0099", "-0.0001"]),
    (
        "money",
        &["92233720368547758.07", "-92233720368547758.08", "0.01"],
    ),
    (
        "real",
        &[
            "1.1",
            "-0",
            "NaN",
            "Infinity",
            "-Infinity",
            "1e-45",
            "3.4028235e38",
        ],
    ),
    (
        "double precision",
        &[
            "0.1",
            "NaN",
            "-Infinity",
            "5e-324",
            "1.7976931348623157e308",
        ],
    ),
    (
        "date",
        &["0001-01-01", "1969-12-31", "2000-01-01", "9999-12-31"],
    ),
    ("time", &["00:00:00", "23:59:59.999999", "12:00:00.5"]),
    ("time(3)", &["23:59:59.999"]),
    ("timetz", &["24:00:00+15:59", "12:00:00-05:30"]),
    (
        "timestamp",
        &[
            "0001-01-01 00:00:00",
            "1969-12-31 23:59:59.999999",
            "9999-12-31 23:59:59.999999",
        ],
    ),
    ("timestamp(0)", &["2020-02-29 12:00:00"]),
    (
        "timestamptz",
        &[
            "0001-01-01 00:00:00+00",
            "2020-06-30 23:00:00-07",
            "9999-12-31 23:59:59.999999+00",
        ],
    ),
    (
        "interval",
        &["1 year 2 months -3 days 04:05:06.000007", "0"],
    ),
    (
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        ],
    ),
    ("bytea", &["\\x", "\\x00ff0a5c27"]),
    (
        "text",
        &["", " ", "é\u{1F600}\n\t'\"\\", "\u{feff}a", "NULL"],
    ),
    ("name", &["pg_catalog", ""]),
    ("\"char\"", &["a", ""]),
    ("varchar", &["x"]),
    ("varchar(3)", &["äöü", "a  "]),
    ("char(5)", &["", "a", "äöü"]),
    ("json", &["{\"b\": 1,  \"b\": 2}", "null"]),
    ("jsonb", &["{\"b\": 1,  \"a\": [1e3, \"\\u00e9\"]}", "null"]),
    ("xml", &["<a>é</a>"]),
    ("inet", &["10.0.0.1", "::1/64"]),
    ("cidr", &["10.0.0.0/8"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("bit(3)", &["101"]),
    ("varbit", &["10101", ""]),
    ("tsvector", &["a fat cat"]),
    ("int4range", &["[1,5)", "empty"]),
    ("point", &["(0.1,2)"]),
    ("pg_lsn", &["16/B374D848"]),
    ("regclass", &["pg_class"]),
    ("mood", &["happy", "it's; \"so\" (sad)"]),
    ("age", &["0", "120"]),
    ("label", &["a", "b "]),
];

async fn make_types(place: &Place) {
    place
        .run(
            "CREATE TYPE mood AS ENUM ('happy', 'it''s; \"so\" (sad)');
         CREATE DOMAIN years AS smallint CHECK (VALUE >= 0);
         CREATE DOMAIN age AS years NOT NULL;
         CREATE DOMAIN label AS varchar(7);
         CREATE TYPE address AS (street text, number int);",
        )
        .await;
}

/// A value of ours in the form that the server prints.
fn as_server(shown: &str, native: &str) -> String {
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match native {
        "timestamp with time zone" => {
            trimmed(shown.trim_end_matches('Z')).replace('T', " ") + "+00"
        }
        _ if native.starts_with("timestamp") => trimmed(shown).replace('T', " "),
        _ if native.starts_with("time") => trimmed(shown),
        "bytea" => format!("\\x{shown}"),
        "real" => format!("{:?}", shown.to_lowercase().parse::<f32>()),
        "double precision" => format!("{:?}", shown.to_lowercase().parse::<f64>()),
        _ if native.starts_with("character(") => shown.trim_end().to_owned(),
        _ => shown.to_owned(),
    }
}

fn server_form(text: &str, native: &str) -> String {
    match native {
        "real" => format!("{:?}", text.to_lowercase().parse::<f32>()),
        "double precision" => format!("{:?}", text.to_lowercase().parse::<f64>()),
        _ => text.to_owned(),
    }
}

#[test]
fn every_type_reads_as_the_server_prints_it() {
    in_schema(|place| async move {
        make_types(&place).await;
        // One column for each type, and one row for each value, the other columns NULL.
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        for (i, (native, values)) in VALUES.iter().enumerate() {
            let default = if *native == "age" { "DEFAULT 7" } else { "" };
            columns.push(format!("c{i} {native} {default}"));
            for value in *values {
                let value = literal::text(value).unwrap();
                rows.push(format!("INSERT INTO t (c{i}) VALUES ({value});"));
            }
        }
        place
            .run(&format!("CREATE TABLE t ({})", columns.join(", ")))
            .await;
        place.run(&rows.concat()).await;
        let source = place.open("t").await;
        let values = read_all(&source, 1, 1 << 24).await.unwrap();
        let names: Vec<String> = (0..VALUES.len()).map(|i| format!("C{i}")).collect();
        let as_text: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "text")).collect();
        let text_source = place.open_as("t", &as_text).await;
        let texts = read_all(&text_source, 1, 1 << 24).await.unwrap();
        assert_eq!(values.num_rows(), rows.len());
        assert_eq!(texts.num_rows(), rows.len());
        for (i, (declared, _)) in VALUES.iter().enumerate() {
            let native = &source.table().columns[i].native;
            compare(values.column(i), texts.column(i), native, declared);
        }
    });
}

fn compare(values: &dyn Array, texts: &dyn Array, native: &str, declared: &str) {
    let options = FormatOptions::default().with_null("NULL");
    let ours = ArrayFormatter::try_new(values, &options).unwrap();
    let theirs = texts.as_string::<i64>();
    for row in 0..values.len() {
        assert_eq!(values.is_null(row), theirs.is_null(row), "{declared}");
        if theirs.is_null(row) {
            continue;
        }
        let ours = as_server(&ours.value(row).to_string(), native);
        let mut theirs = server_form(theirs.value(row), native);
        if native == "money" {
            theirs = theirs.replace(['$', ','], "");
        }
        assert_eq!(ours, theirs, "{declared} ({native})");
    }
}

#[test]
fn arrays_and_composites_are_json() {
    in_schema(|place| async move {
        make_types(&place).await;
        place
            .run(
                "CREATE TABLE t (a int[], b text[][], c address, d address[], e mood[]);
             INSERT INTO t VALUES ('{1,NULL,3}', '{{a,\"b,c\"},{\"d\\\"\",NULL}}', ('x \"y\"', 3),
               ARRAY[('z', NULL)::address], '{happy}')",
            )
            .await;
        let batch = place.read("t", 1 << 20).await;
        let value = |i: usize| batch.column(i).as_string::<i64>().value(0).to_owned();
        assert_eq!(value(0), "[1,null,3]");
        assert_eq!(value(1), "[[\"a\",\"b,c\"],[\"d\\\"\",null]]");
        assert_eq!(value(2), "{\"street\":\"x \\\"y\\\"\",\"number\":3}");
        assert_eq!(value(3), "[{\"street\":\"z\",\"number\":null}]");
        assert_eq!(value(4), "[\"happy\"]");
        let source = place.open_as("t", &[("a", "text"), ("c", "text")]).await;
        let batch = read_all(&source, 1, 1 << 20).await.unwrap();
        assert_eq!(batch.column(0).as_string::<i64>().value(0), "{1,NULL,3}");
        assert_eq!(
            batch.column(2).as_string::<i64>().value(0),
            "(\"x \"\"y\"\"\",3)"
        );
        for column in &source.table().columns {
            assert_eq!(column.fidelity, Fidelity::Widening, "{}", column.native);
            assert!(column.reason.is_some());
        }
    });
}

#[test]
fn a_value_beyond_its_type_stops_the_read_and_is_named() {
    in_schema(|place| async move {
        for (i, (native, value, shown)) in [
            ("numeric(10,2)", "NaN", "NaN"),
            ("date", "infinity", "infinity"),
            ("date", "-infinity", "-infinity"),
            ("date", "0044-03-15 BC", "0044-03-15 BC"),
            ("date", "10000-01-01", "10000-01-01"),
            ("timestamp", "infinity", "infinity"),
            ("timestamp", "0044-03-15 BC", "0044-03-15 BC"),
            ("timestamptz", "-infinity", "-infinity"),
            ("timestamptz", "294276-12-31 00:00:00+00", "294276-12-31"),
            ("time", "24:00:00", "24:00:00"),
        ]
        .into_iter()
        .enumerate()
        {
            place.run(&format!(
                "CREATE TABLE e{i} (i int PRIMARY KEY, v {native}); INSERT INTO e{i} VALUES (1, NULL), (2, '{value}')"
            )).await;
            let source = place.open(&format!("e{i}")).await;
            let error = read_all(&source, 1, 1 << 20).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data, "{native} {value}");
            let text = format!("{error:#}");
            for part in [
                shown,
                "\"v\"",
                &format!("e{i}"),
                "ctid (0,2), i = 2",
                "v=text",
            ] {
                assert!(text.contains(part), "{part} is not in {text}");
            }
            let source = place.open_as(&format!("e{i}"), &[("v", "text")]).await;
            assert_eq!(read_all(&source, 1, 1 << 20).await.unwrap().num_rows(), 2);
        }
    });
}

#[test]
fn a_number_without_precision_becomes_a_decimal_when_asked() {
    in_schema(|place| async move {
        place
            .run("CREATE TABLE t (v numeric); INSERT INTO t VALUES (1.5), (-12.34), (NULL)")
            .await;
        let source = place.open_as("t", &[("v", "decimal(4,2)")]).await;
        let decimal = CanonicalType::Decimal {
            precision: 4,
            scale: 2,
        };
        assert_eq!(source.table().columns[0].canonical, decimal);
        assert_eq!(read_all(&source, 1, 1 << 20).await.unwrap().num_rows(), 3);
        let measured = place.open_as("t", &[("v", "scan")]).await;
        let wider = CanonicalType::Decimal {
            precision: 18,
            scale: 2,
        };
        assert_eq!(measured.table().columns[0].canonical, wider);
        assert_eq!(read_all(&measured, 1, 1 << 20).await.unwrap().num_rows(), 3);
        for bad in ["100", "0.001", "NaN", "Infinity"] {
            place
                .run(&format!("DELETE FROM t; INSERT INTO t VALUES ('{bad}')"))
                .await;
            let error = read_all(&source, 1, 1 << 20).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data, "{bad}");
        }
        let options = |column: &str, form: &str| OpenOptions {
            read_as: [(column.to_owned(), form.to_owned())].into(),
        };
        let huge = format!("DELETE FROM t; INSERT INTO t VALUES (1e{})", 80);
        place.run(&huge).await;
        let opened = place
            .frontend()
            .open(&place.schema, "t", &options("v", "scan"))
            .await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Unsupported);
        for (column, form) in [("w", "text"), ("v", "julian"), ("v", "date")] {
            let opened = place
                .frontend()
                .open(&place.schema, "t", &options(column, form))
                .await;
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::Usage);
        }
    });
}
