//! Values and shapes of tables that were made to break things: each arrives as it is, or stops the
//! run with a clear error before anything is published.

use std::time::Duration;

use goe::ErrorKind;
use goe::offload::OffloadSpec;
use goe::schema::TableName;

use crate::hostile::{World, refused};
use crate::independent::{Schema, compare_at};
use crate::lake::Table;
use crate::project::{Project, figure, postgres};

/// Texts that programs have stumbled over.
const NAUGHTY: [&str; 40] = [
    "",
    " ",
    "undefined",
    "null",
    "NULL",
    "nil",
    "NaN",
    "Infinity",
    "-0",
    "0x10",
    "1e400",
    "1,000.00",
    "01",
    "'",
    "''",
    "\"",
    "\\",
    "\\0",
    "\\x41",
    "\\N",
    "\\.",
    "$$",
    "$1",
    "%s%n",
    "{{7*7}}",
    "${env:HOME}",
    "<script>",
    "&amp;",
    "'; DROP TABLE canary; --",
    "1' OR '1'='1",
    "../../etc/passwd",
    "\u{0}a",
    "\u{1}\u{7f}\u{80}\u{85}",
    "\u{2028}\u{2029}",
    "\u{202e}\u{200f}",
    "\u{feff}",
    "\u{fffd}\u{ffff}",
    "👨‍👩‍👧‍👦",
    "𝕿𝖊𝖝𝖙",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙",
];

#[test]
fn naughty_values_are_read_by_others_as_they_were() {
    let rows = NAUGHTY.iter().enumerate().map(|(id, text)| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("INSERT INTO naughty VALUES ({id}, CAST(x'{hex}' AS TEXT), CAST(x'{hex}' AS TEXT), x'{hex}');")
    });
    let table =
        "CREATE TABLE naughty (id INTEGER PRIMARY KEY, body TEXT, kind VARCHAR(9), raw BLOB);";
    let world = World::sqlite(&format!("{table}{}", rows.collect::<String>()));
    let spec = |to: &str, filter: &str| OffloadSpec {
        from: Some("shop.main.naughty".to_owned()),
        to: to.to_owned(),
        filter: Some(filter.to_owned()),
        partition_by: vec!["kind".to_owned()],
        parallel: Some(1),
        ..OffloadSpec::default()
    };
    // Delta reads an empty partition value as NULL: it is refused, and named.
    let empty = world.offload(&spec("lake.dw.empty", "id >= 0"));
    refused(
        "an empty partition value",
        empty,
        &[ErrorKind::Unsupported, ErrorKind::Data],
    );
    let rows = world
        .offload(&spec("lake.dw.naughty", "id > 0"))
        .expect("a run");
    assert_eq!(rows as usize, NAUGHTY.len() - 1);
    let found = Table::read(&world.folder("dw", "naughty"));
    assert_eq!(found.texts("body", "id"), NAUGHTY[1..]);
    assert!(world.is_proved(&TableName::new("lake", "dw", "naughty")));
    let database = rusqlite::Connection::open(world.project.path("deep/shop.db")).expect("shop.db");
    database
        .execute_batch("DELETE FROM naughty WHERE id = 0")
        .expect("a row less");
    let table = world.folder("dw", "naughty");
    compare_at(
        &world.project,
        table.to_str().expect("UTF-8"),
        ["sqlite", "deep/shop.db", "naughty"],
        &[],
    );
    world.stays_inside();
    figure(&format!(
        "naughty texts: {} as text, bytes and partition, equal by deltalake and duckdb",
        NAUGHTY.len() - 1
    ));
}

/// A value that a type can't hold in a lake, as PostgreSQL writes it, and what must be said of it.
const IMPOSSIBLE: [(&str, &str); 7] = [
    ("numeric(9,2)", "NaN"),
    ("date", "infinity"),
    ("date", "0044-03-15 BC"),
    ("timestamp", "-infinity"),
    ("timestamptz", "10000-01-01 00:00:00+00"),
    ("time", "24:00:00"),
    ("date", "5874897-12-31"),
];

#[test]
fn values_of_postgres_at_the_ends_arrive_or_are_named() {
    let Some(url) = postgres() else { return };
    let world = World::new(
        Project::new(),
        &format!("[connections.pg]\nurl = \"{url}\"\n"),
    );
    let schema = Schema::new(&world.project, &url, "ends");
    let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
    schema.run_script(&format!(
        "CREATE TABLE deep (id integer PRIMARY KEY, doc json, body text, lasts interval, odd integer[], wide numeric);
         INSERT INTO deep VALUES (1, '{deep}', repeat('x', 1000000), '178000000 years', '[-5:-4]={{1,2}}', 10::numeric ^ 1000),
           (2, '{{\"a\": \"\\u0001\"}}', E'\\x01\\x7f', '-178000000 years 1 mon -1 day', '{{}}', 'NaN'),
           (3, 'null', '', 'P0D', NULL, '0.0000000000000000000000000000000001');"
    ));
    let offload = |table: &str| {
        world.offload(&OffloadSpec {
            from: Some(schema.table(table)),
            to: format!("lake.dw.{table}"),
            ..OffloadSpec::default()
        })
    };
    assert_eq!(offload("deep").expect("a run"), 3);
    let table = Table::read(&world.folder("dw", "deep"));
    assert_eq!(table.texts("doc", "id")[0], deep);
    assert_eq!(table.texts("wide", "id")[1], "NaN");
    assert!(world.is_proved(&TableName::new("lake", "dw", "deep")));
    for (number, (native, value)) in IMPOSSIBLE.iter().enumerate() {
        let name = format!("bad_{number}");
        schema.run(&format!(
            "CREATE TABLE {name} (id integer, v {native}); INSERT INTO {name} VALUES (7, '{value}')"
        ));
        let outcome = offload(&name);
        let told = outcome
            .as_ref()
            .map_err(ToString::to_string)
            .expect_err(value)
            .clone();
        assert!(
            told.contains('v') && told.contains(&name),
            "{value}: {told}"
        );
        refused(value, outcome, &[ErrorKind::Data]);
        assert!(
            !world.folder("dw", &name).join("_delta_log").exists(),
            "{value}"
        );
    }
    world.stays_inside();
    figure(&format!(
        "values at the ends of PostgreSQL's types: {} stop the run by name",
        IMPOSSIBLE.len()
    ));
}

/// Shapes of tables: what goe makes of each.
const SHAPES: [(&str, &str, usize); 7] = [
    ("no_rows", "CREATE TABLE no_rows (id integer)", 0),
    (
        "one_column",
        "CREATE TABLE one_column (id integer); INSERT INTO one_column VALUES (NULL), (1)",
        2,
    ),
    (
        "nulls",
        "CREATE TABLE nulls (a integer, b text, c date); INSERT INTO nulls VALUES (NULL, NULL, NULL), (NULL, NULL, NULL)",
        2,
    ),
    (
        "blobs",
        "CREATE TABLE blobs (a BYTES, b BYTES); INSERT INTO blobs VALUES (NULL, NULL)",
        1,
    ),
    (
        "made",
        "CREATE TABLE made (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO made VALUES (1), (2)",
        2,
    ),
    (
        "no_key",
        "CREATE TABLE no_key (a integer, b integer); INSERT INTO no_key VALUES (1, 1), (1, 1), (1, 1)",
        3,
    ),
    (
        "keyed",
        "CREATE TABLE keyed (a integer, b text, PRIMARY KEY (b, a)); INSERT INTO keyed VALUES (1, ''), (1, ' ')",
        2,
    ),
];

fn has_shapes(world: &World, connection: &str, schema: &str) {
    for (name, _, rows) in SHAPES {
        let spec = OffloadSpec {
            from: Some(TableName::new(connection, schema, name).to_string()),
            to: format!("lake.dw.{name}"),
            ..OffloadSpec::default()
        };
        let copied = world
            .offload(&spec)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(copied as usize, rows, "{name}");
        assert_eq!(
            Table::read(&world.folder("dw", name)).rows(),
            rows,
            "{name}"
        );
        assert!(
            world.is_proved(&TableName::new("lake", "dw", name)),
            "{name}"
        );
    }
    let made = Table::read(&world.folder("dw", "made"));
    assert_eq!(made.numbers("b"), [2, 4]);
}

#[test]
fn odd_shapes_of_tables_arrive() {
    let scripts = SHAPES.map(|(_, sql, _)| sql).join(";\n");
    let world = World::sqlite(&scripts.replace("BYTES", "BLOB"));
    has_shapes(&world, "shop", "main");
    let Some(url) = postgres() else { return };
    let world = World::new(
        Project::new(),
        &format!("[connections.pg]\nurl = \"{url}\"\n"),
    );
    let schema = Schema::new(&world.project, &url, "shapes");
    schema.run_script(&(scripts.replace("BYTES", "bytea") + ";\nCREATE TABLE nothing ()"));
    has_shapes(&world, "pg", schema.name());
    let spec = OffloadSpec {
        from: Some(schema.table("nothing")),
        to: "lake.dw.nothing".to_owned(),
        ..OffloadSpec::default()
    };
    refused(
        "no columns",
        world.offload(&spec),
        &[ErrorKind::Usage, ErrorKind::Unsupported],
    );
    world.stays_inside();
}

/// A table that becomes another one between its plan and its reading.
#[test]
fn a_table_that_changes_under_the_reader_is_whole_or_refused() {
    for change in [
        "ALTER TABLE orders ADD COLUMN extra TEXT DEFAULT 'e'",
        "ALTER TABLE orders DROP COLUMN note",
        "ALTER TABLE orders RENAME COLUMN note TO remark",
        "DROP TABLE orders; CREATE TABLE orders (id TEXT, note BLOB); INSERT INTO orders VALUES ('x', x'ff')",
    ] {
        let project = Project::with(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
             INSERT INTO orders SELECT n, 'note ' || n FROM n;",
        );
        let offload = [
            "offload",
            "shop.main.orders",
            "--to",
            "lake.dw.orders",
            "-x",
        ];
        let at = |event: &serde_json::Value| {
            event["event"] == "step_started" && event["step"] == "prepare"
        };
        let mut child = project
            .goe_until(&offload, at)
            .expect("a run that prepares");
        let database = rusqlite::Connection::open(project.path("shop.db")).expect("shop.db");
        database
            .busy_timeout(Duration::from_secs(20))
            .expect("a wait");
        let changed = database.execute_batch(change);
        let code = crate::project::wait(&mut child);
        changed.expect("the change happens, during the run or after it");
        if code == Some(0) {
            let table = project.lake("dw", "orders");
            assert!(table.numbers("id").into_iter().eq(1..=20_000), "{change}");
            assert_eq!(table.columns(), ["id", "note"], "{change}");
        } else {
            let told = [ErrorKind::NotFound, ErrorKind::Conflict]
                .map(|kind| Some(i32::from(kind.exit_code())));
            assert!(told.contains(&code), "{change}: {code:?}");
            assert!(!project.is_published("dw", "orders"), "{change}");
        }
    }
}
