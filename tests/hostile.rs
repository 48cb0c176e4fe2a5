//! Names, values and shapes that were made to break things: each arrives as it is or is refused with
//! a clear error, what stands beside it stays, and nothing is written outside the lake.

use std::fs;
use std::sync::Arc;

use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Interrupt, Unwatched};
use goe::schema::TableName;
use goe::session::Session;
use goe::{ErrorKind, Result};
use tokio::runtime::Runtime;

use crate::independent::{Schema, compare_at};
use crate::lake::Table;
use crate::project::{Project, figure, files_below, postgres};

/// Names that end quotes, statements and paths, or are not what they seem.
fn names() -> Vec<String> {
    let plain = [
        "a",
        "A",
        "\"",
        "\"\"",
        "`",
        "]",
        "[x]",
        "'",
        ";drop table canary--",
        "\"; drop table canary; --",
        "/*",
        "*/",
        "--",
        "new\nline",
        "\r",
        "tab\there",
        "\u{202e}rtl",
        "é",
        "e\u{301}",
        "а",
        "ss",
        "ß",
        "select",
        "from",
        "table",
        "1st",
        "$1",
        "#",
        "a.b",
        ".",
        "..",
        "../../up",
        "/etc",
        "C:\\x",
        " both ends ",
        "  ",
        "😀",
        "%2e%2e",
        "%",
        "@2F",
        "con",
        "NUL",
        "_delta_log",
        "__HIVE_DEFAULT_PARTITION__",
        "a=b",
        "?x#y",
        "{}",
        "${env:HOME}",
        "\u{1b}[31m",
        "\u{feff}",
        "\u{200b}",
        "goe",
        "_goe",
    ];
    let long = ["n".repeat(63), "é".repeat(31)];
    plain.into_iter().map(str::to_owned).chain(long).collect()
}

/// Longer than PostgreSQL's names may be.
fn long_names() -> Vec<String> {
    vec![
        "n".repeat(64),
        "m".repeat(128),
        "l".repeat(255),
        "k".repeat(300),
        "é".repeat(300),
    ]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal of both systems; PostgreSQL's has no backslashes to undo.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A project whose lake lies deep in a folder of its own, and goe in this process.
pub struct World {
    pub project: Project,
    runtime: Runtime,
    session: Session,
    before: Vec<String>,
}

const LAKE: &str = "deep/er/lake";

impl World {
    pub fn new(project: Project, more: &str) -> Self {
        let text = format!(
            "[connections.shop]\nurl = \"sqlite:deep/shop.db\"\n[connections.lake]\nurl = \"delta:{LAKE}\"\n\
             [repository]\npath = \"deep/goe.db\"\n{more}"
        );
        fs::create_dir_all(project.path("deep")).expect("a folder");
        project.write("goe.toml", &text);
        let config = Config::parse(&text, &project.path("")).expect("a configuration");
        let session = Session::new(config).expect("a session");
        let runtime = Runtime::new().expect("a runtime");
        let before = files_below(&project.path(""));
        Self {
            project,
            runtime,
            session,
            before,
        }
    }

    pub fn sqlite(sql: &str) -> Self {
        let world = Self::new(Project::new(), "");
        let database =
            rusqlite::Connection::open(world.project.path("deep/shop.db")).expect("shop.db");
        database.execute_batch(sql).expect("the fixture's SQL");
        world
    }

    pub fn offload(&self, spec: &OffloadSpec) -> Result<u64> {
        let offload = spec.validate()?;
        let run = self.session.offload(
            &offload,
            &Take::New,
            Arc::new(Unwatched),
            Interrupt::never(),
        );
        Ok(self.runtime.block_on(run)?.rows)
    }

    pub fn is_proved(&self, target: &TableName) -> bool {
        let sides = [Against::Source, Against::Stored];
        sides.iter().all(|side| {
            let found = self
                .session
                .verify(target, side, Arc::new(Unwatched), Interrupt::never());
            self.runtime.block_on(found).expect("a proof").equal()
        })
    }

    /// Everything that was written is the lake's, or goe's own.
    pub fn stays_inside(&self) -> usize {
        let written = files_below(&self.project.path("")).into_iter();
        let written: Vec<String> = written.filter(|file| !self.before.contains(file)).collect();
        for file in &written {
            let inside = file.starts_with(&format!("{LAKE}/"));
            let own = ["deep/goe.db", "deep/shop.db", "pg.url", "script.sql"];
            assert!(
                inside || own.iter().any(|own| file.starts_with(own)),
                "{file}"
            );
        }
        written.len()
    }

    pub fn folder(&self, schema: &str, table: &str) -> std::path::PathBuf {
        self.project
            .path(LAKE)
            .join(folder(schema))
            .join(folder(table))
    }
}

/// The folder of a schema or table, as `delta/README.md` says.
fn folder(name: &str) -> String {
    let dots = name.bytes().all(|byte| byte == b'.');
    let encode = |byte: u8| match byte {
        b'.' if !dots => ".".to_owned(),
        b'_' | b'-' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("@{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

/// An error that a person can do something about.
#[track_caller]
pub fn refused(what: &str, outcome: Result<u64>, kinds: &[ErrorKind]) {
    let error = outcome.expect_err(what);
    assert!(
        kinds.contains(&error.kind()) && error.hint_text().is_some(),
        "{what}: {error:?}"
    );
}

/// Offloads a table of a hostile name with a column and values of that name, partitioned by it.
fn offload_by_name(world: &World, connection: &str, schema: &str, name: &str) -> Result<u64> {
    let target = TableName::new("lake", name, name);
    world.offload(&OffloadSpec {
        from: Some(TableName::new(connection, schema, name).to_string()),
        to: target.to_string(),
        partition_by: vec![quoted(name)],
        parallel: Some(1),
        ..OffloadSpec::default()
    })
}

/// A table of this name with a column and a value of this name.
fn table_of(place: &str, name: &str) -> String {
    let (table, value) = (quoted(name), literal(name));
    format!(
        "CREATE TABLE {place}{table} (\"id of it\" bigint PRIMARY KEY, {table} text);
         INSERT INTO {place}{table} VALUES (1, {value}), (2, NULL), (3, 'x');\n"
    )
}

/// The table as it was published, read without goe.
fn has_values(world: &World, name: &str) {
    let table = Table::read(&world.folder(name, name));
    assert_eq!(table.columns(), ["id of it", name]);
    assert_eq!(table.numbers("id of it"), [1, 2, 3], "{name:?}");
    let mut values = vec![name.to_owned(), "NULL".to_owned(), "x".to_owned()];
    values.sort();
    assert_eq!(table.partitions(name), values, "{name:?}");
}

/// Names that a table can't have beside others because they differ in case alone, or that file
/// systems can't hold.
fn is_taken(name: &str) -> bool {
    ["A"].contains(&name)
}

#[test]
fn hostile_names_of_sqlite_arrive_or_are_refused() {
    let names: Vec<String> = names().into_iter().filter(|name| !is_taken(name)).collect();
    let all = [names.clone(), long_names()].concat();
    let tables = all
        .iter()
        .map(|name| table_of("", name))
        .collect::<String>();
    let world = World::sqlite(&format!("CREATE TABLE canary (id integer); {tables}"));
    let mut refusals = 0;
    for name in &all {
        let outcome = offload_by_name(&world, "shop", "main", name);
        // What a folder can't be called, and what the engine's own tables are called.
        if folder(name).len() > 255 {
            refused(name, outcome, &[ErrorKind::Usage, ErrorKind::Unsupported]);
            refusals += 1;
            continue;
        }
        assert_eq!(
            outcome.unwrap_or_else(|error| panic!("{name:?}: {error:?}")),
            3,
            "{name:?}"
        );
        has_values(&world, name);
        assert!(
            world.is_proved(&TableName::new("lake", name, name)),
            "{name:?}"
        );
    }
    let database = rusqlite::Connection::open(world.project.path("deep/shop.db")).expect("shop.db");
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    let left: usize = database
        .query_row(tables, [], |row| row.get(0))
        .expect("a count");
    assert_eq!(left, all.len() + 1, "the source has what it had");
    let files = world.stays_inside();
    figure(&format!(
        "hostile names of SQLite: {} as table, column, value, target and partition, {refusals} refused with a hint; \
         {files} files, 0 outside the lake",
        all.len()
    ));
}

#[test]
fn hostile_names_of_postgres_arrive_or_are_refused() {
    let Some(url) = postgres() else { return };
    let fixture = Project::new();
    let schema = Schema::new(&fixture, &url, "hostile");
    let names: Vec<String> = names().into_iter().filter(|name| !is_taken(name)).collect();
    let tables = names
        .iter()
        .map(|name| table_of("", name))
        .collect::<String>();
    schema.run_script(&format!("CREATE TABLE canary (id integer); {tables}"));
    let world = World::new(
        Project::new(),
        &format!("[connections.pg]\nurl = \"{url}\"\n"),
    );
    for name in &names {
        let rows = offload_by_name(&world, "pg", schema.name(), name);
        assert_eq!(
            rows.unwrap_or_else(|error| panic!("{name:?}: {error:?}")),
            3,
            "{name:?}"
        );
        has_values(&world, name);
    }
    for name in ["\0", "nobody", "\";drop table canary--"] {
        let outcome = offload_by_name(&world, "pg", schema.name(), name);
        refused(name, outcome, &[ErrorKind::NotFound]);
    }
    schema.run("INSERT INTO canary VALUES (1)");
    let files = world.stays_inside();
    figure(&format!(
        "hostile names of PostgreSQL: {} as table, column, value, target and partition; {files} files, 0 outside the lake",
        names.len()
    ));
}

/// All of the names as columns of one table, and other programs' word for it.
#[test]
fn a_table_of_hostile_columns_is_read_by_others_as_it_was() {
    let names: Vec<String> = names().into_iter().filter(|name| !is_taken(name)).collect();
    let columns = names
        .iter()
        .map(|name| quoted(name) + " text")
        .collect::<Vec<_>>()
        .join(", ");
    let values = names
        .iter()
        .map(|name| literal(name))
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!("CREATE TABLE names ({columns}); INSERT INTO names VALUES ({values});");
    let world = World::sqlite(&sql);
    let to = "lake.dw.names".to_owned();
    let spec = |from: &str| OffloadSpec {
        from: Some(from.to_owned()),
        to: to.clone(),
        ..OffloadSpec::default()
    };
    assert_eq!(world.offload(&spec("shop.main.names")).expect("a run"), 1);
    let table = world.folder("dw", "names");
    assert_eq!(Table::read(&table).columns(), names);
    let table = table.to_str().expect("UTF-8");
    compare_at(
        &world.project,
        table,
        ["sqlite", "deep/shop.db", "names"],
        &[],
    );
    assert!(world.is_proved(&TableName::new("lake", "dw", "names")));
}
