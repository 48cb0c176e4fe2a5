//! Fixtures of databases that take SQL.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use goe::frontend::Frontend;
use goe::testing::{FrontendFixture, Row, Spoilt};
use goe::{Error, Result};
use tempfile::TempDir;

use super::{connection, frontend_of};
use crate::guest::{asked, named};
use crate::project::Project;

/// Rows of one INSERT.
const ROWS_AT_ONCE: usize = 500;

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Statements that put rows into a table.
fn inserts(table: &str, rows: &[Row]) -> String {
    let statement = |rows: &[Row]| {
        let rows = rows
            .iter()
            .map(|row| format!("({})", row.literals().join(", ")));
        let rows = rows.collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {table} VALUES {rows};\n")
    };
    rows.chunks(ROWS_AT_ONCE).map(statement).collect()
}

/// A file with a write-ahead log, so that a writer does not wait for readers.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let new = Self { folder };
        new.run("PRAGMA journal_mode = wal;").expect("a database");
        new
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, sql: &str) -> Result<()> {
        let database = rusqlite::Connection::open(self.path("shop.db"));
        let done = database.and_then(|database| database.execute_batch(sql));
        done.map_err(|error| Error::internal(error.to_string()))
    }
}

#[async_trait]
impl FrontendFixture for Sqlite {
    fn frontend(&self) -> Arc<dyn Frontend> {
        let url = format!("sqlite:{}", self.path("shop.db"));
        frontend_of(&connection("shop", &url, &[]))
    }

    fn schema(&self) -> &str {
        "main"
    }

    async fn make(&self, table: &str, rows: &[Row]) -> Result<()> {
        let name = quote(table);
        let inserts = inserts(&name, rows);
        self.run(&format!(
            "CREATE TABLE {name} (id BIGINT NOT NULL PRIMARY KEY, name TEXT, amount DECIMAL(12,2), \
             day DATE); BEGIN; {inserts} COMMIT;"
        ))
    }

    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()> {
        self.run(&inserts(&quote(table), rows))
    }

    async fn alter(&self, table: &str) -> Result<()> {
        self.run(&format!(
            "ALTER TABLE {} ADD COLUMN more TEXT",
            quote(table)
        ))
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        self.run(&format!("DROP TABLE {}", quote(table)))
    }

    async fn spoil(&self, table: &str, id: i64) -> Result<Spoilt> {
        let table = quote(table);
        self.run(&format!(
            "UPDATE {table} SET day = 'someday' WHERE id = {id}"
        ))?;
        Ok(Spoilt {
            column: "day".to_owned(),
            value: "someday".to_owned(),
        })
    }

    async fn endless(&self) -> Result<String> {
        let rows = "SELECT 1 AS i UNION ALL SELECT i + 1 FROM n";
        self.run(&format!(
            "CREATE VIEW goe_endless AS WITH RECURSIVE n(i) AS ({rows}) SELECT i FROM n"
        ))?;
        Ok("goe_endless".to_owned())
    }

    fn unreachable(&self) -> Result<(Arc<dyn Frontend>, Duration)> {
        let url = format!("sqlite:{}", self.path("nowhere.db"));
        let frontend = frontend_of(&connection("gone", &url, &[]));
        Ok((frontend, Duration::from_secs(5)))
    }
}

/// A port that takes connections and never says a word.
pub fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// A schema of its own on the server of the tests.
pub struct Postgres {
    project: Project,
    server: String,
    schema: String,
    /// The server's URL under a name by which it knows our sessions, and the name.
    ours: (String, String),
    silent: (TcpListener, u16),
}

impl Postgres {
    pub fn new(server: &str) -> Self {
        let new = Self {
            project: Project::new(),
            server: server.to_owned(),
            schema: format!("goe_conformance_{}", std::process::id()),
            ours: named(server, "conformance"),
            silent: silent(),
        };
        new.run(&format!(
            "CREATE SCHEMA {0}; CREATE SEQUENCE {0}.numbers",
            new.schema
        ));
        new
    }

    fn run(&self, sql: &str) {
        self.project.write("script.sql", sql);
        let arguments = [
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.server,
            "-f",
            "script.sql",
        ];
        crate::project::Ran::of(self.project.command_of("psql", &arguments)).ok();
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", self.schema, quote(name))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.schema);
        let arguments = ["-q", "-d", &self.server, "-c", &sql];
        drop(self.project.command_of("psql", &arguments).output());
    }
}

#[async_trait]
impl FrontendFixture for Postgres {
    fn frontend(&self) -> Arc<dyn Frontend> {
        frontend_of(&connection("pg", &self.ours.0, &[]))
    }

    fn schema(&self) -> &str {
        &self.schema
    }

    async fn make(&self, table: &str, rows: &[Row]) -> Result<()> {
        let name = self.table(table);
        let inserts = inserts(&name, rows);
        self.run(&format!(
            "CREATE TABLE {name} (id bigint PRIMARY KEY, name text, amount numeric(12,2), day date);
             {inserts} ANALYZE {name};"
        ));
        Ok(())
    }

    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()> {
        self.run(&inserts(&self.table(table), rows));
        Ok(())
    }

    async fn alter(&self, table: &str) -> Result<()> {
        self.run(&format!(
            "ALTER TABLE {} ADD COLUMN more text",
            self.table(table)
        ));
        Ok(())
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        self.run(&format!("DROP TABLE {}", self.table(table)));
        Ok(())
    }

    async fn endless(&self) -> Result<String> {
        let view = self.table("goe_endless");
        let rows = "SELECT generate_series(1, 9000000000000000) AS i";
        self.run(&format!("CREATE VIEW {view} AS {rows}"));
        Ok("goe_endless".to_owned())
    }

    async fn working(&self) -> Result<usize> {
        let name = &self.ours.1;
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE application_name = '{name}' AND state = 'active'"
        );
        let counted = asked(&self.project, &self.server, &sql);
        counted.parse().map_err(|_| Error::internal(counted))
    }

    fn writing(&self) -> Result<String> {
        Ok(format!("nextval('{}.numbers') > 0", self.schema))
    }

    fn unreachable(&self) -> Result<(Arc<dyn Frontend>, Duration)> {
        let url = format!("postgres://me@127.0.0.1:{}/shop", self.silent.1);
        let frontend = frontend_of(&connection("gone", &url, &[("connect_timeout", "2")]));
        Ok((frontend, Duration::from_secs(10)))
    }
}
