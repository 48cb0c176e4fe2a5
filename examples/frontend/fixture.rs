//! What the suite asks for, in a folder of its own.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use goe::Result;
use goe::frontend::Frontend;
use goe::testing::{FrontendFixture, Row, Spoilt};

use crate::catalog::{Csv, SCHEMA};

/// A folder of tables.
pub struct Folder(pub tempfile::TempDir);

const HEADER: &str = "id:bigint key,name:text,\"amount:decimal(12,2)\",day:date";

/// Rows of a file.
const ROWS: usize = 150;

impl Folder {
    fn write(&self, table: &str, file: &str, header: &str, rows: &[Row]) -> Result<()> {
        let mut text = format!("{header}\n");
        for row in rows {
            let [id, name, amount, day] = row.texts();
            let name = name.map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
            let line = [id, name, amount, day].map(Option::unwrap_or_default);
            text.push_str(&format!("{}\n", line.join(",")));
        }
        let folder = self.0.path().join(table);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(file), text)?)
    }
}

#[async_trait]
impl FrontendFixture for Folder {
    fn frontend(&self) -> Arc<dyn Frontend> {
        let (name, folder) = ("files".to_owned(), self.0.path().to_owned());
        Arc::new(Csv { name, folder })
    }

    fn schema(&self) -> &str {
        SCHEMA
    }

    async fn make(&self, table: &str, rows: &[Row]) -> Result<()> {
        self.write(table, "0000.csv", HEADER, &[])?;
        for (number, rows) in rows.chunks(ROWS).enumerate() {
            self.write(table, &format!("{:04}.csv", number + 1), HEADER, rows)?;
        }
        Ok(())
    }

    /// One file before all others and one behind them.
    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()> {
        let (first, last) = rows.split_at(rows.len() / 2);
        self.write(table, "+.csv", HEADER, first)?;
        self.write(table, "more.csv", HEADER, last)
    }

    async fn alter(&self, table: &str) -> Result<()> {
        let header = format!("{HEADER},more:text");
        self.write(table, "0000.csv", &header, &[])
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        Ok(fs::remove_dir_all(self.0.path().join(table))?)
    }

    async fn spoil(&self, table: &str, id: i64) -> Result<Spoilt> {
        let file = format!("{:04}.csv", (id as usize - 1) / ROWS + 1);
        let path = self.0.path().join(table).join(file);
        let text = fs::read_to_string(&path)?;
        let spoilt = text
            .lines()
            .map(|line| match line.starts_with(&format!("{id},")) {
                true => format!("{id},,12.345,\n"),
                false => format!("{line}\n"),
            });
        fs::write(path, spoilt.collect::<String>())?;
        Ok(Spoilt {
            column: "amount".to_owned(),
            value: "12.345".to_owned(),
        })
    }

    async fn untyped(&self, table: &str) -> Result<Vec<String>> {
        self.write(table, "0000.csv", "id:bigint,place:point,form:xml", &[])?;
        Ok(vec!["place".to_owned(), "form".to_owned()])
    }
}
