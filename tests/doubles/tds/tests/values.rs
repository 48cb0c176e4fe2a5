//! Each type with the values at its edges.

use tiberius::ColumnData;

use super::super::types::{Family, SqlType};
use super::super::{Options, Table, Tds, Value};
use super::caller::{Caller, shown};

/// A type, and values of it as they must come back.
const EDGES: [(&str, &[&str]); 34] = [
    ("bit", &["0", "1"]),
    ("tinyint", &["0", "255"]),
    ("smallint", &["-32768", "0", "32767"]),
    ("int", &["-2147483648", "0", "2147483647"]),
    (
        "bigint",
        &["-9223372036854775808", "0", "9223372036854775807"],
    ),
    ("real", &["-3.4028235e38", "0.0", "1e-45", "0.1"]),
    (
        "float",
        &["-1.7976931348623157e308", "0.0", "5e-324", "0.1"],
    ),
    ("decimal(1,0)", &["-9", "0", "9"]),
    (
        "decimal(9,2)",
        &["-9999999.99", "0.00", "0.01", "9999999.99"],
    ),
    ("numeric(19,4)", &["-999999999999999.9999", "0.0001"]),
    (
        "decimal(28,10)",
        &["-999999999999999999.9999999999", "1.0000000000"],
    ),
    (
        "decimal(38,0)",
        &[
            "-99999999999999999999999999999999999999",
            "0",
            "99999999999999999999999999999999999999",
        ],
    ),
    (
        "decimal(38,38)",
        &[
            "-0.99999999999999999999999999999999999999",
            "0.00000000000000000000000000000000000001",
        ],
    ),
    (
        "date",
        &["0001-01-01", "1900-02-28", "2000-02-29", "9999-12-31"],
    ),
    ("time(0)", &["00:00:00", "23:59:59"]),
    ("time(3)", &["00:00:00.001", "23:59:59.999"]),
    ("time(7)", &["00:00:00.0000001", "23:59:59.9999999"]),
    (
        "datetime2(0)",
        &["0001-01-01 00:00:00", "9999-12-31 23:59:59"],
    ),
    (
        "datetime2(4)",
        &["1969-12-31 23:59:59.9999", "2024-02-29 12:00:00.0001"],
    ),
    (
        "datetime2(7)",
        &["0001-01-01 00:00:00.0000000", "9999-12-31 23:59:59.9999999"],
    ),
    (
        "datetimeoffset(7)",
        &[
            "0001-01-02 00:00:00.0000001+14:00",
            "2020-06-01 12:00:00.0000000-05:30",
            "9999-12-30 23:59:59.9999999-14:00",
        ],
    ),
    ("datetimeoffset(2)", &["2020-06-01 12:00:00.25+00:00"]),
    (
        "smalldatetime",
        &["1900-01-01 00:00:00", "2079-06-06 23:59:00"],
    ),
    (
        "datetime",
        &[
            "1753-01-01 00:00:00.000",
            "1899-12-31 23:59:59.997",
            "2020-01-01 00:00:00.003",
            "9999-12-31 23:59:59.997",
        ],
    ),
    (
        "uniqueidentifier",
        &[
            "00000000-0000-0000-0000-000000000000",
            "00112233-4455-6677-8899-AABBCCDDEEFF",
        ],
    ),
    ("char(5)", &["ab€  ", "     "]),
    ("varchar(10)", &["", "Zürich", "€ŠžŸ"]),
    ("nchar(4)", &["日本  ", "😀ab"]),
    ("nvarchar(10)", &["", "Ωμέγα", "😀😀"]),
    ("varchar(max)", &["", "x", "Zürich"]),
    ("nvarchar(max)", &["", "😀 日本"]),
    ("binary(3)", &["000000", "FF00FF"]),
    ("varbinary(8)", &["", "00", "0102030405060708"]),
    ("varbinary(max)", &["", "DEADBEEF"]),
];

/// Those that are sent in other ways than the rest.
const LARGE: [(&str, &[&str]); 4] = [
    ("text", &["", "Zürich"]),
    ("ntext", &["", "日本"]),
    ("image", &["", "00FF"]),
    ("xml", &["<a b=\"1\">ü</a>"]),
];

pub fn value(declared: &str, text: &str) -> Value {
    let parsed = SqlType::parse(declared).expect("a type");
    match parsed.family() {
        Family::Integer => Value::Integer(text.parse().expect("a number")),
        Family::Float => Value::Float(text.parse().expect("a number")),
        Family::Bytes => Value::Bytes(bytes(text)),
        Family::Opaque if parsed == SqlType::Image => Value::Bytes(bytes(text)),
        _ => text.into(),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

/// What the driver shows for a value: floats in their own spelling.
pub fn expected(declared: &str, text: &str) -> String {
    match SqlType::parse(declared).expect("a type") {
        SqlType::Real => format!("{:?}", text.parse::<f32>().expect("a number")),
        SqlType::Float => format!("{:?}", text.parse::<f64>().expect("a number")),
        _ => text.to_owned(),
    }
}

#[test]
fn every_value_comes_back_as_it_was() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    for (place, (declared, values)) in EDGES.iter().chain(&LARGE).enumerate() {
        for (suffix, constraint) in [("", ""), ("_full", " not null")] {
            let name = format!("dbo.t{place}{suffix}");
            tds.create(
                Table::new(&name)
                    .column("id", "int not null")
                    .column("v", &format!("{declared}{constraint}")),
            );
            let mut rows: Vec<Vec<Value>> = (0..)
                .zip(*values)
                .map(|(id, text)| vec![Value::Integer(id), value(declared, text)])
                .collect();
            let mut all: Vec<String> = values.iter().map(|text| expected(declared, text)).collect();
            if constraint.is_empty() {
                rows.push(vec![99.into(), Value::Null]);
                all.push("NULL".to_owned());
            }
            tds.insert(&name, rows);
            let read = caller.rows(&format!(
                "SELECT [v] FROM [dbo].[t{place}{suffix}] ORDER BY [id]"
            ));
            assert_eq!(read.concat(), all, "{declared}{constraint}");
        }
    }
    assert_eq!(tds.counters().refused(), Vec::<String>::new());
}

#[test]
fn money_is_exact_on_the_wire() {
    let tds = Tds::start(Options::default());
    tds.create(
        Table::new("dbo.m")
            .column("m", "money")
            .column("s", "smallmoney"),
    );
    let edges = [
        ("-922337203685477.5808", "-214748.3648"),
        ("922337203685477.5807", "214748.3647"),
        ("0.0001", "-0.0001"),
    ];
    tds.insert(
        "dbo.m",
        edges
            .iter()
            .map(|(m, s)| vec![(*m).into(), (*s).into()])
            .collect(),
    );
    let mut caller = Caller::new(&tds);
    let exact =
        caller.rows("SELECT CAST([m] AS decimal(19,4)), CAST([s] AS decimal(10,4)) FROM [dbo].[m]");
    assert_eq!(exact, edges.map(|(m, s)| vec![m.to_owned(), s.to_owned()]));
    // The driver makes doubles of them, which hold the small ones.
    assert_eq!(
        caller.list("SELECT [m] FROM [dbo].[m] WHERE [m] = 0.0001"),
        "0.0001"
    );
    assert_eq!(
        caller.list("SELECT [s] FROM [dbo].[m] WHERE [s] > 0"),
        "214748.3647"
    );
}

#[test]
fn a_row_of_nulls_and_a_row_of_values_of_all_types() {
    let tds = Tds::start(Options::default());
    let mut table = Table::new("dbo.wide");
    for (place, (declared, _)) in EDGES.iter().chain(&LARGE).enumerate() {
        table = table.column(&format!("c{place}"), declared);
    }
    let width = table.columns.len();
    tds.create(table);
    let first: Vec<Value> = EDGES
        .iter()
        .chain(&LARGE)
        .map(|(declared, values)| value(declared, values[0]))
        .collect();
    let odd: Vec<Value> = first
        .iter()
        .enumerate()
        .map(|(place, value)| {
            if place % 2 == 0 {
                value.clone()
            } else {
                Value::Null
            }
        })
        .collect();
    tds.insert("dbo.wide", vec![first, vec![Value::Null; width], odd]);
    let read = Caller::new(&tds).rows("SELECT * FROM dbo.wide");
    let all: Vec<String> = EDGES
        .iter()
        .chain(&LARGE)
        .map(|(declared, values)| expected(declared, values[0]))
        .collect();
    assert_eq!(read[0], all);
    assert_eq!(read[1], vec!["NULL"; width]);
    let mixed = all.iter().enumerate().map(|(place, text)| {
        if place % 2 == 0 {
            text.as_str()
        } else {
            "NULL"
        }
    });
    assert_eq!(read[2], mixed.collect::<Vec<_>>());
}

#[test]
fn long_values_come_in_chunks_of_any_size() {
    let text: String = "0123456789äöü😀".chars().cycle().take(70_000).collect();
    for (chunk, tells_length) in [
        (1, true),
        (7, false),
        (8_000, false),
        (100_000, false),
        (8_000, true),
    ] {
        let tds = Tds::start(Options {
            chunk,
            tells_length,
            ..Options::default()
        });
        tds.create(
            Table::new("dbo.long")
                .column("t", "nvarchar(max)")
                .column("b", "varbinary(max)")
                .column("x", "xml"),
        );
        let short: String = if chunk < 8 {
            text.chars().take(300).collect()
        } else {
            text.clone()
        };
        let xml = format!("<a>{short}</a>");
        tds.insert(
            "dbo.long",
            vec![
                vec![
                    short.clone().into(),
                    short.clone().into_bytes().into(),
                    xml.clone().into(),
                ],
                vec![Value::Null, Value::Null, Value::Null],
            ],
        );
        let read = Caller::new(&tds).rows("SELECT t, b, x FROM dbo.long");
        assert_eq!(
            read[0],
            [short.clone(), super::caller::hex(short.as_bytes()), xml],
            "chunks of {chunk}"
        );
        assert_eq!(read[1], ["NULL", "NULL", "NULL"]);
    }
}

#[test]
fn text_that_is_no_utf16_is_sent_as_it_is() {
    let tds = Tds::start(Options::default());
    tds.create(Table::new("dbo.u").column("u", "nvarchar(10)"));
    tds.insert("dbo.u", vec![vec![Value::Units(vec![0x41, 0xD800, 0x42])]]);
    let mut strict = Caller::new(&tds);
    let error = strict
        .batch("SELECT u FROM dbo.u")
        .expect_err("half a pair");
    assert!(
        error.to_string().to_lowercase().contains("utf-16"),
        "{error}"
    );
    let mut config = super::caller::config(&tds);
    config.lossy_utf16_decoding(true);
    let mut lossy = Caller::with(&tds, config).expect("a login");
    assert_eq!(lossy.list("SELECT u FROM dbo.u"), "A\u{FFFD}B");
}

#[test]
fn utf8_text_is_sent_as_a_real_server_does() {
    let tds = Tds::start(Options::default());
    let collated = "varchar(20) collate Latin1_General_100_CI_AS_SC_UTF8";
    tds.create(Table::new("dbo.u").column("u", collated));
    tds.insert("dbo.u", vec![vec!["Ωμ".into()]]);
    let mut caller = Caller::new(&tds);
    // The driver takes the bytes for code page 1252. As UTF-16 it reads them right.
    assert_eq!(caller.list("SELECT u FROM dbo.u"), "Î©Î¼");
    assert_eq!(
        caller.list("SELECT CONVERT(nvarchar(max), u) FROM dbo.u"),
        "Ωμ"
    );
}

#[test]
fn a_variant_and_the_bytes_of_clr_types_are_refused() {
    let tds = Tds::start(Options::default());
    tds.create(
        Table::new("dbo.odd")
            .column("v", "sql_variant")
            .column("h", "hierarchyid"),
    );
    tds.insert("dbo.odd", vec![vec![Value::Null, "/1/2/".into()]]);
    let mut caller = Caller::new(&tds);
    assert!(
        caller
            .error("SELECT v FROM dbo.odd")
            .1
            .contains("sql_variant")
    );
    assert!(
        caller
            .error("SELECT h FROM dbo.odd")
            .1
            .contains("hierarchyid")
    );
    assert_eq!(caller.list("SELECT [h].ToString() FROM dbo.odd"), "/1/2/");
    assert_eq!(tds.counters().refused().len(), 2);
}

#[test]
fn results_have_the_types_that_the_server_would_give() {
    let tds = super::small();
    let mut caller = Caller::new(&tds);
    let row = caller.runtime.block_on(async {
        let sql = "SELECT COUNT_BIG(*), COUNT(*), SUM(id), MIN(id), SUM(CAST(id AS decimal(38,2))), MAX(name), CAST(1 AS bit) FROM dbo.t";
        let rows = caller.client.simple_query(sql).await?.into_row().await?;
        Ok::<_, tiberius::error::Error>(rows.expect("a row"))
    });
    let values: Vec<ColumnData<'static>> = row.expect("an answer").into_iter().collect();
    let kinds = values.iter().map(|value| match value {
        ColumnData::I64(_) => "bigint",
        ColumnData::I32(_) => "int",
        ColumnData::Numeric(_) => "decimal",
        ColumnData::String(_) => "text",
        ColumnData::Bit(_) => "bit",
        _ => "another",
    });
    let shown: Vec<String> = values.iter().map(shown).collect();
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["bigint", "int", "int", "int", "decimal", "text", "bit"]
    );
    assert_eq!(shown, ["3", "3", "6", "1", "6.00", "two", "1"]);
}
