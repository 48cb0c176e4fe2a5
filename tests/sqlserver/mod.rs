//! SQL Server as a source, before a double that speaks its protocol (`tests/doubles/tds`): what that
//! proves and what it does not stands there. `GOE_TEST_SQLSERVER` names a real server for the types,
//! `GOE_TEST_KERBEROS` the folder of a real KDC for the tickets.

mod columns;
mod failures;
mod hashes;
#[cfg(feature = "sqlserver-kerberos")]
mod kerberos;
mod logins;
mod offloads;
mod reading;
mod rights;
mod states;
mod types;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use goe::config::Config;
use goe::frontend::{OpenOptions, ReadRequest, Snapshot, Source, Split};
use goe::session::Session;

use crate::doubles::tds::{Options, Table, Tds, Value};
use crate::project::{Project, Ran};

/// A double, and a project whose connection `mssql` is it.
struct World {
    tds: Tds,
    project: Project,
}

impl World {
    fn new() -> Self {
        Self::with(Options::default(), "encrypt = \"disable\"")
    }

    /// With these options of the server, and these lines of the connection.
    fn with(options: Options, lines: &str) -> Self {
        let password = options.password.clone();
        // It has a runtime of its own, which can't be started inside of a test's.
        let tds = std::thread::spawn(|| Tds::start(options));
        let tds = tds.join().expect("a double");
        let project = Project::new();
        project.write("password", &password);
        let world = Self { tds, project };
        world.connect(lines);
        world
    }

    /// Gives the connection other lines.
    fn connect(&self, lines: &str) {
        let lines = format!("password = \"${{file:password}}\"\n{lines}");
        self.connect_to(&self.tds.url(), &lines);
    }

    /// Gives the connection another address, and lines without a password.
    fn connect_to(&self, address: &str, lines: &str) {
        let connection = format!("[connections.mssql]\nurl = \"{address}\"\n{lines}\n");
        let lake = "[connections.lake]\nurl = \"delta:lake\"\n";
        let secret = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.project.path("password"), secret).expect("a file");
        self.project
            .write("goe.toml", &format!("{connection}\n{lake}"));
    }

    /// A table of so many numbered rows.
    fn numbers(&self, name: &str, rows: i64) {
        let table = Table::new(name)
            .column("id", "bigint not null")
            .column("name", "nvarchar(40)")
            .primary_key(&["id"]);
        self.tds.create(table);
        let row = |id: i64| vec![Value::from(id), Value::from(format!("row {id}"))];
        self.tds.insert(name, (0..rows).map(row).collect());
    }

    fn goe(&self, arguments: &[&str]) -> Ran {
        self.project.goe(arguments)
    }

    fn offload(&self, table: &str, more: &[&str]) -> Ran {
        let source = format!("mssql.dbo.{table}");
        let target = format!("lake.tpch.{table}");
        let command = ["offload", &source, "--to", &target, "-x"];
        self.goe(&[&command[..], more].concat())
    }

    fn session(&self) -> Session {
        let config = Config::read(&self.project.path("goe.toml")).expect("the configuration");
        Session::new(config).expect("a session")
    }

    async fn open(&self, table: &str) -> Arc<dyn Source> {
        let frontend = self
            .session()
            .connections()
            .frontend("mssql")
            .expect("a frontend");
        frontend
            .open("dbo", table, &OpenOptions::default())
            .await
            .expect("a table")
    }

    /// Everything that was sent was understood. A program that ends may leave a session's last
    /// answer, that its transaction is over, unread: that is no refusal.
    #[track_caller]
    fn understood(&self) {
        let mut refused = self.tds.counters().refused();
        refused.retain(|told| !told.contains("reset by peer") && !told.contains("Broken pipe"));
        assert!(refused.is_empty(), "{refused:?}");
    }
}

/// The rows of a split, or of the whole table.
async fn rows(
    source: &Arc<dyn Source>,
    snapshot: &Arc<dyn Snapshot>,
    split: Option<&Split>,
) -> goe::Result<Vec<RecordBatch>> {
    let columns = (0..source.table().columns.len()).collect();
    let request = ReadRequest::columns(columns);
    Ok(snapshot.read(split, &request).await?.try_collect().await?)
}

/// Every row as Arrow writes it, in order of the text.
fn whole_rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut found = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            let values: Vec<String> = columns
                .map(|column| array_value_to_string(column, row).expect("a value"))
                .collect();
            found.push(values.join("|"));
        }
    }
    found.sort();
    found
}

/// Every value of a column as Arrow writes it, in order of the text.
fn texts(batches: &[RecordBatch], column: usize) -> Vec<String> {
    let mut found = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            found.push(array_value_to_string(batch.column(column), row).expect("a value"));
        }
    }
    found.sort();
    found
}
