//! A fixture of SQL Server's double: what it proves and what not stands in `tests/doubles/tds`.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use goe::Result;
use goe::frontend::Frontend;
use goe::testing::{FrontendFixture, Row};

use super::databases::silent;
use super::{connection, frontend_of};
use crate::doubles::tds::{Options, Table, Tds, Value};

pub struct SqlServer {
    tds: Tds,
    silent: (TcpListener, u16),
}

impl SqlServer {
    pub fn new() -> Self {
        // It has a runtime of its own, which can't be started inside of a test's.
        let tds = std::thread::spawn(|| Tds::start(Options::default()));
        Self {
            tds: tds.join().expect("a double"),
            silent: silent(),
        }
    }
}

fn values(rows: &[Row]) -> Vec<Vec<Value>> {
    let row = |row: &Row| {
        let [_, name, amount, day] = row.texts();
        vec![Value::from(row.id), name.into(), amount.into(), day.into()]
    };
    rows.iter().map(row).collect()
}

#[async_trait]
impl FrontendFixture for SqlServer {
    fn frontend(&self) -> Arc<dyn Frontend> {
        let password = self.tds.options().password.clone();
        let options = [("password", password.as_str()), ("encrypt", "disable")];
        frontend_of(&connection("mssql", &self.tds.url(), &options))
    }

    fn schema(&self) -> &str {
        "dbo"
    }

    async fn make(&self, table: &str, rows: &[Row]) -> Result<()> {
        let name = format!("dbo.{table}");
        let made = Table::new(&name)
            .column("id", "bigint not null")
            .column("name", "nvarchar(40)")
            .column("amount", "decimal(12,2)")
            .column("day", "date")
            .primary_key(&["id"]);
        self.tds.create(made);
        self.tds.insert(&name, values(rows));
        Ok(())
    }

    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()> {
        self.tds.insert(&format!("dbo.{table}"), values(rows));
        Ok(())
    }

    async fn alter(&self, table: &str) -> Result<()> {
        self.tds.alter(&format!("dbo.{table}"));
        Ok(())
    }

    async fn untyped(&self, table: &str) -> Result<Vec<String>> {
        let name = format!("dbo.{table}");
        let made = Table::new(&name)
            .column("id", "bigint not null")
            .column("any", "sql_variant")
            .column("other", "sql_variant");
        self.tds.create(made);
        Ok(vec!["any".to_owned(), "other".to_owned()])
    }

    async fn requests(&self) -> Result<u64> {
        Ok(self.tds.counters().batches())
    }

    fn unreachable(&self) -> Result<(Arc<dyn Frontend>, Duration)> {
        let url = format!("sqlserver://goe@127.0.0.1:{}/shop", self.silent.1);
        let options = [("password", "x"), ("connect_timeout", "2")];
        let frontend = frontend_of(&connection("gone", &url, &options));
        Ok((frontend, Duration::from_secs(10)))
    }
}
