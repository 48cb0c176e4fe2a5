//! Columns that are not like others: hidden, computed, counted, and those whose text is read.

use goe::ErrorKind;
use goe::frontend::OpenOptions;

use super::{World, rows, texts};
use crate::doubles::tds::{Table, Value};

/// Types of `sql_variant`, values of them, and the text of each.
const VARIANTS: &[(&str, &str, &str)] = &[
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
    ("bit", "1", "1"),
    ("date", "2020-01-31", "2020-01-31"),
    (
        "datetime",
        "2020-01-31T01:02:03.127",
        "2020-01-31T01:02:03.127",
    ),
    (
        "datetime2(7)",
        "2020-01-31T01:02:03.1234567",
        "2020-01-31T01:02:03.1234567",
    ),
    (
        "datetimeoffset(3)",
        "2020-01-31T01:02:03.125+02:00",
        "2020-01-31T01:02:03.125+02:00",
    ),
    ("decimal(9,3)", "-1.500", "-1.500"),
    ("float", "0.1", "1.0000000000000001e-001"),
    ("money", "1.2345", "1.2345"),
    ("nvarchar(20)", "it's \u{1F600}", "it's \u{1F600}"),
    ("real", "0.5", "5.0000000000000000e-001"),
    ("smallmoney", "-0.0001", "-0.0001"),
    ("time(7)", "23:59:59.9999999", "23:59:59.9999999"),
    (
        "uniqueidentifier",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    ),
    ("varbinary(4)", "AB", "4142"),
];

/// The column `v` of a table, in order of its texts.
async fn values(world: &World, table: &str, options: &OpenOptions) -> (String, Vec<String>) {
    let session = world.session();
    let frontend = session.connections().frontend("mssql").expect("a frontend");
    let source = frontend.open("dbo", table, options).await.expect("a table");
    let snapshot = source.snapshot(1).await.expect("a snapshot");
    let read = rows(&source, &snapshot, None).await.expect("rows");
    let canonical = source.table().columns[1].canonical.to_string();
    (canonical, texts(&read, 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_with_a_type_of_its_own_is_read_as_text_and_keeps_its_digits() {
    let world = World::new();
    let table = Table::new("dbo.any")
        .column("id", "int not null")
        .column("v", "sql_variant")
        .primary_key(&["id"]);
    world.tds.create(table);
    let row = |(id, (own, text, _)): (i64, &(&str, &str, &str))| {
        vec![id.into(), Value::variant(own, text)]
    };
    let mut all: Vec<Vec<Value>> = (0..).zip(VARIANTS).map(row).collect();
    all.push(vec![999.into(), Value::Null]);
    world.tds.insert("dbo.any", all);
    world
        .goe(&["describe", "mssql.dbo.any"])
        .fails(ErrorKind::Unsupported)
        .says(&["\"v\" sql_variant", "read them as text"]);
    let options = OpenOptions {
        read_as: [("v".to_owned(), "text".to_owned())].into(),
    };
    let (canonical, found) = values(&world, "any", &options).await;
    assert_eq!(canonical, "LARGE_STRING");
    let mut expected: Vec<&str> = VARIANTS.iter().map(|(_, _, text)| *text).collect();
    expected.push("");
    expected.sort_unstable();
    assert_eq!(found, expected);
    let options = ["--read-as", "v=text", "--verify", "aggregates"];
    world.offload("any", &options).ok();
    assert_eq!(world.project.lake("tpch", "any").rows(), VARIANTS.len() + 1);
    world.understood();
}

/// A type, what it is here, and a value with what it is here.
const PLAIN: &[(&str, &str, &str, &str)] = &[
    (
        "json",
        "LARGE_STRING",
        "{\"a\":[1,\"\u{e9}\"]}",
        "{\"a\":[1,\"\u{e9}\"]}",
    ),
    ("geography", "LARGE_STRING", "POINT (1 2)", "POINT (1 2)"),
    ("decimal(12,2) computed", "DECIMAL(12,2)", "1.50", "1.50"),
    (
        "rowversion not null",
        "BINARY(8)",
        "ABCDEFGH",
        "4142434445464748",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn documents_places_sums_and_versions_are_read() {
    let world = World::new();
    for (place, (native, canonical, there, here)) in PLAIN.iter().enumerate() {
        let name = format!("t{place}");
        let table = Table::new(&format!("dbo.{name}"))
            .column("id", "int not null")
            .column("v", native)
            .primary_key(&["id"]);
        world.tds.create(table);
        let value: Value = match native.starts_with("rowversion") {
            true => there.as_bytes().to_vec().into(),
            false => (*there).into(),
        };
        world
            .tds
            .insert(&format!("dbo.{name}"), vec![vec![1.into(), value]]);
        let (found, read) = values(&world, &name, &OpenOptions::default()).await;
        assert_eq!(
            (found.as_str(), read),
            (*canonical, vec![(*here).to_owned()])
        );
        world.offload(&name, &["--verify", "aggregates"]).ok();
    }
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_columns_are_left_out() {
    let world = World::new();
    let table = Table::new("dbo.temporal")
        .column("id", "int not null")
        .column("v", "nvarchar(20)")
        .column("from", "datetime2(7) not null hidden")
        .column("to", "datetime2(7) not null hidden")
        .primary_key(&["id"]);
    world.tds.create(table);
    let (begun, ended) = ("2020-01-01T00:00:00", "9999-12-31T23:59:59.9999999");
    let row: Vec<Value> = vec![1.into(), "now".into(), begun.into(), ended.into()];
    world.tds.insert("dbo.temporal", vec![row]);
    let source = world.open("temporal").await;
    let names: Vec<&str> = source
        .table()
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["id", "v"]);
    let (_, read) = values(&world, "temporal", &OpenOptions::default()).await;
    assert_eq!(read, ["now"]);
    world.understood();
}
