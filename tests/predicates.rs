//! Random predicates over tables with NULLs, negative numbers and the ends of types: what is pushed to
//! a source loses no row and doubles none, and what a lake prunes it may prune.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use goe::config::Config;
use goe::session::Session;
use serde_json::Value;

use crate::independent::Schema;
use crate::project::{Project, postgres};
use crate::random::Random;

/// How many predicates each property is tried with.
fn tries() -> usize {
    if std::env::var("GOE_TEST_LONG").is_ok() {
        2000
    } else {
        40
    }
}

/// A column: its type in both sources, how DataFusion writes its literals, and its values.
struct Column {
    name: &'static str,
    native: &'static str,
    literal: &'static str,
    values: &'static [&'static str],
}

const fn column(
    name: &'static str,
    native: &'static str,
    literal: &'static str,
    values: &'static [&'static str],
) -> Column {
    Column {
        name,
        native,
        literal,
        values,
    }
}

const COLUMNS: [Column; 8] = [
    column(
        "n",
        "BIGINT",
        "CAST(? AS BIGINT)",
        &[
            "-9223372036854775808",
            "-9223372036854775807",
            "-1000",
            "-2",
            "-1",
            "0",
            "1",
            "2",
            "7",
            "1000",
            "9007199254740993",
            "9223372036854775807",
        ],
    ),
    column(
        "price",
        "DECIMAL(15,2)",
        "CAST(? AS DECIMAL(15,2))",
        &[
            "-9999999999999.99",
            "-100.00",
            "-0.01",
            "0.00",
            "0.01",
            "0.10",
            "99.99",
            "100.00",
            "9999999999999.99",
        ],
    ),
    column(
        "born",
        "DATE",
        "DATE ?",
        &[
            "0001-01-01",
            "1899-12-31",
            "1969-12-31",
            "1970-01-01",
            "2024-01-31",
            "2024-02-01",
            "2024-02-29",
            "2024-03-01",
            "9999-12-31",
        ],
    ),
    column(
        "seen",
        "TIMESTAMP",
        "arrow_cast(?, 'Timestamp(Microsecond, None)')",
        &[
            "0001-01-01 00:00:00",
            "1969-12-31 23:59:59.999999",
            "1970-01-01 00:00:00",
            "2024-02-29 23:59:59.999999",
            "2024-03-01 00:00:00",
            "9999-12-31 23:59:59.999999",
        ],
    ),
    column(
        "kind",
        "VARCHAR(20)",
        "?",
        &["A", "B", "a", "ab", "z", "é", "😀", "a%b", "NULL"],
    ),
    column(
        "note",
        "TEXT",
        "?",
        &["", " ", "a", "A", "a_b", "a%", "b", "é", "\u{10FFFF}", "''"],
    ),
    column("flag", "BOOLEAN", "CAST(? AS BOOLEAN)", &["true", "false"]),
    column(
        "ratio",
        "DOUBLE PRECISION",
        "CAST(? AS DOUBLE)",
        &[
            "-1e300", "-1.5", "-0.0", "0.0", "5e-324", "0.1", "1.5", "1e300",
        ],
    ),
];

impl Column {
    fn literal(&self, random: &mut Random) -> String {
        let value = random.one_of(self.values);
        self.literal.replace('?', &format!("'{value}'"))
    }

    /// A comparison of every kind that there is.
    fn comparison(&self, random: &mut Random) -> String {
        let name = self.name;
        let mut value = || self.literal(random);
        let values = [value(), value(), value()];
        let [first, second, third] = &values;
        let not = random.one_of(&["", "NOT "]);
        match random.below(14) {
            0..6 => {
                let operator = random.one_of(&["=", "<>", "<", "<=", ">", ">="]);
                match random.once_in(4) {
                    true => format!("{first} {operator} {name}"),
                    false => format!("{name} {operator} {first}"),
                }
            }
            6 | 7 => format!("{name} {not}IN ({first}, {second}, {third})"),
            8 => format!("{name} {not}IN ({first}, NULL)"),
            9 | 10 => format!("{name} {not}BETWEEN {first} AND {second}"),
            11 => format!("{name} IS {not}NULL"),
            12 => format!("{name} IS {not}DISTINCT FROM {first}"),
            _ if self.literal == "?" => {
                let pattern = random.one_of(&["a%", "%b", "_", "%", "", "a\\%b", "é%", "A_b"]);
                format!("{name} {not}LIKE '{pattern}'")
            }
            _ => format!("{name} = {name}"),
        }
    }
}

/// A predicate over some of the columns and `id`.
fn predicate(random: &mut Random, columns: &[&Column], depth: usize) -> String {
    let mut inner = || predicate(random, columns, depth - 1);
    if depth == 0 {
        return match random.below(columns.len() + 1) {
            0 => format!("id {} {}", random.one_of(&["<", ">="]), random.below(700)),
            place => columns[place - 1].comparison(random),
        };
    }
    match (inner(), inner(), random.below(4)) {
        (one, _, 0) => one,
        (one, _, 1) => format!("NOT ({one})"),
        (one, other, 2) => format!("({one}) AND ({other})"),
        (one, other, _) => format!("({one}) OR ({other})"),
    }
}

const ROWS: usize = 600;

/// Statements that make and fill a table of all columns, in SQL that both sources understand.
fn statements(first: usize, last: usize) -> String {
    let mut random = Random::new(11 + first as u64);
    let mut value = |column: &Column| match random.once_in(6) {
        true => "NULL".to_owned(),
        false => format!("'{}'", random.one_of(column.values)),
    };
    let mut row = |id: usize| {
        let values: Vec<String> = COLUMNS.iter().map(&mut value).collect();
        format!("({id}, {})", values.join(", "))
    };
    let rows: Vec<String> = (first..last).map(&mut row).collect();
    format!("INSERT INTO t VALUES {};\n", rows.join(",\n"))
}

fn table() -> String {
    let columns = COLUMNS
        .iter()
        .map(|column| format!("{} {}", column.name, column.native));
    let columns: Vec<String> = columns.collect();
    format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, {});\n",
        columns.join(", ")
    )
}

fn session(project: &Project) -> Session {
    let text = std::fs::read_to_string(project.path("goe.toml")).unwrap();
    Session::new(Config::parse(&text, &project.path("")).unwrap()).unwrap()
}

/// The ids that a query gives, each once.
async fn ids(frame: goe::Result<DataFrame>, sql: &str) -> BTreeSet<i64> {
    let frame = frame.unwrap_or_else(|error| panic!("{sql}: {error:#}"));
    let batches = frame
        .collect()
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut ids = BTreeSet::new();
    for batch in &batches {
        for id in batch.column(0).as_primitive::<Int64Type>().values() {
            assert!(ids.insert(*id), "row {id} twice: {sql}");
        }
    }
    ids
}

/// The ids of a table's rows for which a predicate is true.
async fn chosen(session: &Session, table: &str, predicate: &str) -> BTreeSet<i64> {
    let sql = format!("SELECT id FROM {table} WHERE {predicate}");
    ids(session.sql(&sql).await, &sql).await
}

/// rows(p) and rows(NOT p, or p is NULL) are all rows, and none is in both.
async fn splits_into_two(session: &Session, table: &str) {
    let all = chosen(session, table, "true").await;
    assert_eq!(all.len(), ROWS);
    let columns: Vec<&Column> = COLUMNS.iter().collect();
    let mut random = Random::new(42);
    for _ in 0..tries() {
        let depth = random.below(3);
        let predicate = predicate(&mut random, &columns, depth);
        let inside = chosen(session, table, &predicate).await;
        let complement = format!("NOT ({predicate}) OR ({predicate}) IS NULL");
        let outside = chosen(session, table, &complement).await;
        assert!(inside.is_disjoint(&outside), "in both: {predicate}");
        let both: BTreeSet<i64> = inside.union(&outside).copied().collect();
        let lost: Vec<_> = all.difference(&both).collect();
        assert!(lost.is_empty(), "rows {lost:?} in neither: {predicate}");
    }
}

/// The optimizer drops a filter that a source takes over, and rewrites it once more afterwards: to
/// something else than what was taken over, as it does with lists of truth.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_applied_in_whatever_form_it_arrives() {
    let project = Project::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, flag BOOLEAN, note TEXT);
         INSERT INTO t VALUES (1, 1, 'a'), (2, 0, 'a'), (3, NULL, 'a'), (4, 1, 'b'), (5, 0, NULL);",
    );
    let session = session(&project);
    let table: [(&str, &[i64]); 9] = [
        ("flag IN (true)", &[1, 4]),
        ("flag NOT IN (true)", &[2, 5]),
        ("flag NOT IN (true, false)", &[]),
        ("flag IN (true, false)", &[1, 2, 4, 5]),
        ("flag IN (true) OR note IN ('b')", &[1, 4]),
        ("flag IN (false) AND note LIKE 'a%'", &[2]),
        ("flag = true", &[1, 4]),
        ("NOT flag", &[2, 5]),
        ("flag IS NOT TRUE", &[2, 3, 5]),
    ];
    for (predicate, expected) in table {
        let found = chosen(&session, "shop.main.t", predicate).await;
        assert!(found.iter().eq(expected), "{predicate}: {found:?}");
        let sql = format!("SELECT count(*) FROM shop.main.t WHERE {predicate}");
        let count = session.sql(&sql).await.unwrap().collect().await.unwrap();
        let count = count[0].column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(count, expected.len() as i64, "{predicate}");
        let sql = format!("SELECT id FROM shop.main.t WHERE {predicate} LIMIT 1");
        let limited = ids(session.sql(&sql).await, &sql).await;
        assert_eq!(limited.len(), expected.len().min(1), "{predicate}");
        assert!(limited.is_subset(&found), "{predicate}");
        // And the plan names each, whoever applies it.
        let flags = ["--to", "lake.main.t", "--where", predicate];
        let plan = project
            .goe(&[&["--output", "json", "plan", "shop.main.t"], &flags[..]].concat())
            .ok();
        let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
        let sources = plan["sources"].as_array().unwrap();
        let named = |source: &Value| {
            source["filters"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        };
        assert!(sources.iter().all(named), "{predicate}: {plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_and_its_complement_are_all_rows_of_sqlite() {
    let project = Project::with(&format!("{}{}", table(), statements(0, ROWS)));
    splits_into_two(&session(&project), "shop.main.t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_and_its_complement_are_all_rows_of_postgres() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &url, "predicates");
    let nan = "UPDATE t SET ratio = (ARRAY['NaN', 'Infinity', '-Infinity'])[1 + id % 3]::float8 WHERE id % 5 = 0";
    schema.run_script(&format!("{}{}{nan}", table(), statements(0, ROWS)));
    splits_into_two(&session(&project), &schema.table("t")).await;
}

/// A table's rows in memory, where nothing is pruned.
async fn unpruned(session: &Session, table: &str) -> SessionContext {
    let frame = session
        .sql(&format!("SELECT * FROM {table}"))
        .await
        .unwrap();
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let rows = MemTable::try_new(schema, vec![frame.collect().await.unwrap()]).unwrap();
    let config =
        SessionConfig::new().set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let context = SessionContext::new_with_config(config);
    context.register_table("t", Arc::new(rows)).unwrap();
    context
}

/// Offloads the table in two slices, so that its partitions have several files of different ranges.
fn offload(project: &Project, target: &str, columns: &[&Column], partition_by: &[&str]) {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let select = format!("id, {}", names.join(", "));
    let mut command = vec![
        "offload",
        "shop.main.t",
        "--to",
        target,
        "--select",
        &select,
        "--incremental-by",
        "id",
        "-x",
    ];
    command.extend(partition_by.iter().flat_map(|by| ["--partition-by", by]));
    project.goe(&command).ok();
}

/// Everything that a lake may be partitioned by, with the columns that go with it. With a
/// floating column nothing is skipped by statistics, so most tables have none.
const PARTITIONINGS: [(&str, &[&str], bool); 6] = [
    ("plain", &[], false),
    ("kinds", &["kind"], false),
    ("months", &["month(born)"], false),
    ("years", &["flag", "year(seen)"], false),
    ("numbers", &["n"], true),
    ("prices", &["price", "day(born)"], false),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_prunes_no_row_that_a_predicate_chooses() {
    let project = Project::with(&format!("{}{}", table(), statements(0, ROWS / 2)));
    let columns = |floating: bool| -> Vec<&Column> {
        COLUMNS
            .iter()
            .filter(|column| floating || column.name != "ratio")
            .collect()
    };
    for half in 0..2 {
        if half == 1 {
            project.sqlite(&statements(ROWS / 2, ROWS));
        }
        for (name, by, floating) in PARTITIONINGS {
            offload(&project, &format!("lake.dw.{name}"), &columns(floating), by);
        }
    }
    let session = session(&project);
    for (name, by, floating) in PARTITIONINGS {
        let table = format!("lake.dw.{name}");
        let whole = unpruned(&session, &table).await;
        let made = Column {
            name: match by {
                ["month(born)"] => "goe_part_month_born",
                ["flag", "year(seen)"] => "goe_part_year_seen",
                ["price", "day(born)"] => "goe_part_day_born",
                _ => "born",
            },
            ..COLUMNS[2]
        };
        let mut columns = columns(floating);
        columns.push(&made);
        let mut random = Random::new(7);
        for _ in 0..tries() {
            let depth = random.below(3);
            let predicate = predicate(&mut random, &columns, depth);
            let sql = format!("SELECT id FROM t WHERE {predicate}");
            let expected = ids(whole.sql(&sql).await.map_err(Into::into), &sql).await;
            let found = chosen(&session, &table, &predicate).await;
            assert_eq!(found, expected, "{name}: {predicate}");
        }
    }
}

/// What a predicate on a column says of the partitions that it can be in: types.md's table, which the
/// months that goe made must bear out.
#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_on_a_date_holds_in_the_months_derived_from_it_only() {
    let project = Project::with(&format!("{}{}", table(), statements(0, ROWS)));
    let born: Vec<&Column> = COLUMNS[2..3].iter().collect();
    offload(&project, "lake.dw.months", &born, &["month(born)"]);
    let session = session(&project);
    let month = |day: &str| format!("DATE '{}-01'", &day[..7]);
    let mut found = 0;
    let days = COLUMNS[2].values;
    for (first, second) in days.iter().zip(days.iter().cycle().skip(2)) {
        let (one, two) = (month(first), month(second));
        let [first, second] = [first, second].map(|day| format!("DATE '{day}'"));
        let table = [
            (format!("born = {first}"), format!("= {one}")),
            (format!("born < {first}"), format!("<= {one}")),
            (format!("born <= {first}"), format!("<= {one}")),
            (format!("born > {first}"), format!(">= {one}")),
            (format!("born >= {first}"), format!(">= {one}")),
            (
                format!("born IN ({first}, {second})"),
                format!("IN ({one}, {two})"),
            ),
            (
                format!("born BETWEEN {first} AND {second}"),
                format!("BETWEEN {one} AND {two}"),
            ),
            ("born IS NULL".to_owned(), "IS NULL".to_owned()),
        ];
        for (predicate, derived) in table {
            let plain = chosen(&session, "lake.dw.months", &predicate).await;
            let derived = format!("{predicate} AND goe_part_month_born {derived}");
            let pruned = chosen(&session, "lake.dw.months", &derived).await;
            assert_eq!(pruned, plain, "{derived}");
            found += plain.len();
        }
    }
    assert!(found > 0);
}
