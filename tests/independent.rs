//! What goe writes, other implementations read: `independent.py` compares the lake, read by the
//! Python packages `deltalake` and `duckdb`, with the source, read by `sqlite3` and `psycopg2`.

use std::path::Path;

use crate::project::{Project, Ran, postgres, skip};

/// Every type that SQLite columns declare, with the values at their ends. SQLite itself rounds a
/// decimal of more than 15 digits when it stores it, so there is none.
const SQLITE: &str = "
    CREATE TABLE every (
        id INTEGER PRIMARY KEY, small SMALLINT, big BIGINT, flag BOOLEAN,
        price DECIMAL(15,2), wide DECIMAL(38,10), ratio DOUBLE,
        name VARCHAR(40), body TEXT, raw BLOB, born DATE, seen TIMESTAMP
    );
    INSERT INTO every VALUES
      (1, -32768, -9223372036854775808, 0, '-9999999999999.99', '-123456789012.345', -0.1, '', 'é''\"`;--', x'00ff', '0001-01-01', '1970-01-01 00:00:00'),
      (2, 32767, 9223372036854775807, 1, 9999999999999, '0.0000000001', 1e300, 'naïve', '😀', x'', '9999-12-31', '2024-02-29 23:59:59.999999'),
      (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      (4, 0, 0, 0, 0.1, 12345.5, 0.0, ' padded ', char(10) || char(9), x'0102030405', '2024-02-29', '2024-01-01T12:00:00.5');
";

const LINEITEM: &str = "
    CREATE TABLE lineitem (
        l_orderkey BIGINT NOT NULL, l_linenumber INTEGER NOT NULL, l_quantity DECIMAL(15,2) NOT NULL,
        l_extendedprice DECIMAL(15,2) NOT NULL, l_discount DECIMAL(15,2) NOT NULL,
        l_returnflag CHAR(1) NOT NULL, l_shipdate DATE NOT NULL, l_comment VARCHAR(44),
        PRIMARY KEY (l_orderkey, l_linenumber)
    );
";

fn compare(project: &Project, table: &Path, source: [&str; 3]) {
    compare_at(project, table.to_str().expect("UTF-8"), source, &[]);
}

/// Compares a table, in a folder or at a URL that these variables open, with its source.
pub fn compare_at(project: &Project, table: &str, source: [&str; 3], variables: &[(&str, &str)]) {
    let Ok(python) = std::env::var("GOE_TEST_PYTHON") else {
        return skip("independent readers: GOE_TEST_PYTHON names no Python");
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent.py");
    let arguments = [&[script, table][..], &source].concat();
    let mut command = project.command_of(&python, &arguments);
    command.envs(variables.iter().copied());
    let compared = Ran::of(command).ok();
    assert!(compared.stdout.contains("rows equal"), "{compared}");
}

fn compare_sqlite(project: &Project, table: &str) {
    compare(
        project,
        &project.path("lake/shop").join(table),
        ["sqlite", "shop.db", table],
    );
}

#[test]
fn every_sqlite_type_is_read_by_others_as_it_was() {
    let project = Project::with(SQLITE);
    project
        .goe(&[
            "offload",
            "shop.main.every",
            "--to",
            "lake.shop.every",
            "-x",
        ])
        .ok();
    compare_sqlite(&project, "every");
}

#[test]
fn a_partitioned_and_grown_table_is_read_by_others_as_it_was() {
    let project = Project::with(LINEITEM);
    project.sqlite(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
         INSERT INTO lineitem
         SELECT n / 4, n % 4, (n % 50) || '.00', (n * 7919 % 10000000) / 100.0, '0.0' || (n % 10),
                substr('ANR', 1 + n % 3, 1), date('1992-01-01', (n % 400) || ' days'),
                CASE WHEN n % 7 = 0 THEN NULL ELSE 'comment ' || n END
         FROM n",
    );
    for boundary in ["DATE '1992-09-01'", "DATE '1994-01-01'"] {
        let offload = [
            "offload",
            "shop.main.lineitem",
            "--to",
            "lake.shop.lineitem",
            "-x",
        ];
        let slices = [
            "--incremental-by",
            "l_shipdate",
            "--until",
            boundary,
            "--parallel",
            "2",
        ];
        project
            .goe(
                &[
                    &offload[..],
                    &slices,
                    &["--partition-by", "month(l_shipdate)"],
                ]
                .concat(),
            )
            .ok();
    }
    compare_sqlite(&project, "lineitem");
}

/// A schema of this process in the server of the tests, dropped at the end.
pub struct Schema<'p> {
    project: &'p Project,
    url: String,
    name: String,
}

impl<'p> Schema<'p> {
    pub fn new(project: &'p Project, url: &str, topic: &str) -> Self {
        let name = format!("goe_{topic}_{}", std::process::id());
        let schema = Self {
            project,
            url: url.to_owned(),
            name,
        };
        schema.run(&format!("CREATE SCHEMA {}", schema.name));
        schema
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A table of it as goe names it.
    pub fn table(&self, name: &str) -> String {
        format!("pg.{}.{name}", self.name)
    }

    pub fn run(&self, sql: &str) {
        self.psql(&["-c", sql]);
    }

    /// Runs statements of any length.
    pub fn run_script(&self, sql: &str) {
        self.project.write("script.sql", sql);
        self.psql(&["-f", "script.sql"]);
    }

    fn psql(&self, what: &[&str]) {
        let place = format!("SET search_path TO {}", self.name);
        let arguments = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", &place];
        let arguments = [&arguments, what].concat();
        Ran::of(self.project.command_of("psql", &arguments)).ok();
    }
}

impl Drop for Schema<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.name);
        let arguments = ["-q", "-d", &self.url, "-c", &sql];
        let _ = self.project.command_of("psql", &arguments).output();
    }
}

const POSTGRES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE every (
        id bigint PRIMARY KEY, small smallint, whole integer, flag boolean,
        price numeric(15,2), wide numeric(38,10), ratio double precision, single real,
        code char(5), name varchar(40), body text, raw bytea, born date,
        seen timestamp, seen_at timestamptz, key uuid, doc jsonb, feeling mood
    );
    INSERT INTO every VALUES
      (-9223372036854775808, -32768, -2147483648, false, -9999999999999.99, -9999999999999999999999999999.9999999999,
       -0.1, 1.5, 'ab', '', E'é''\"`;--\\n', '\\x00ff', '0001-01-01', '1970-01-01', '1969-12-31 23:59:59.999999+00',
       '00000000-0000-0000-0000-000000000000', '{\"a\": [1, null]}', 'sad'),
      (9223372036854775807, 32767, 2147483647, true, 9999999999999.99, 0.0000000001,
       1e300, -3.25, 'vwxyz', 'naïve', '😀', '', '9999-12-31', '2024-02-29 23:59:59.999999', '2024-06-30 12:00:00+05:30',
       'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[]', 'ok'),
      (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
";

#[test]
fn every_postgres_type_is_read_by_others_as_it_was() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &url, "every");
    schema.run(POSTGRES);
    let source = schema.table("every");
    project
        .goe(&["offload", &source, "--to", "lake.pg.every", "-x"])
        .ok();
    let name = format!("{}.every", schema.name);
    compare(
        &project,
        &project.path("lake/pg/every"),
        ["postgres", &url, &name],
    );
}

#[test]
fn a_postgres_table_read_in_parallel_is_read_by_others_as_it_was() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &url, "lineitem");
    schema.run(LINEITEM);
    schema.run(
        "INSERT INTO lineitem
         SELECT n / 4, n % 4, n % 50, (n * 7919 % 10000000) / 100.0, n % 10 / 100.0,
                substr('ANR', 1 + n % 3, 1), date '1992-01-01' + n % 400,
                CASE WHEN n % 7 = 0 THEN NULL ELSE 'comment ' || n END
         FROM generate_series(1, 40000) n",
    );
    let source = schema.table("lineitem");
    let offload = [
        "offload",
        &source,
        "--to",
        "lake.pg.lineitem",
        "--parallel",
        "2",
        "-x",
    ];
    project.goe(&offload).ok();
    let name = format!("{}.lineitem", schema.name);
    compare(
        &project,
        &project.path("lake/pg/lineitem"),
        ["postgres", &url, &name],
    );
    project.goe(&["verify", "lake.pg.lineitem"]).ok();
}
