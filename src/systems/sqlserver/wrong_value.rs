//! A value that stops a read, with what a person needs to find it.

use std::time::Duration;

use tiberius::ColumnData;
use tokio::time::timeout;

use super::dialect::{SqlServer, Wire, wire};
use super::literal;
use super::pool::Lease;
use crate::error::{Error, ErrorKind};
use crate::frontend::{Dialect, SourceTable, Split};
use crate::schema::{Column, shorten};

/// How long the row of a wrong value may be looked for.
const SEARCH: Duration = Duration::from_secs(10);

/// A value that its column's type can't hold.
pub(super) struct WrongValue<'a> {
    pub(super) table: &'a SourceTable,
    pub(super) column: &'a Column,
    pub(super) split: Option<&'a Split>,
    /// Counted from 1 in the split.
    pub(super) row: u64,
    pub(super) value: String,
    pub(super) why: &'static str,
}

impl WrongValue<'_> {
    /// The error, with the row's key if the server finds it again in the same state.
    pub(super) async fn explain(&self, lease: &mut Lease) -> Error {
        let found = timeout(SEARCH, self.find(lease)).await.ok().flatten();
        let Column {
            name,
            native,
            canonical,
            ..
        } = self.column;
        let name = shorten(name);
        let table = &self.table.name;
        let value = shorten(&self.value);
        Error::new(
            ErrorKind::Data,
            format!(
                "Column \"{name}\" of table {table} holds {value}, {}",
                self.why
            ),
        )
        .context("column", format!("{name} {native}, as {canonical}"))
        .context("row", found.unwrap_or_else(|| self.position()))
        .hint(format!(
            "read the column otherwise ({name}=text, or {name}=timestamp(6) for years beyond 2262), \
             or leave such rows out"
        ))
    }

    /// What we know of the row without asking.
    fn position(&self) -> String {
        match self.split.and_then(|split| split.predicate.as_deref()) {
            Some(predicate) => format!("row {} where {predicate}", self.row),
            None => format!("row {} of the table", self.row),
        }
    }

    /// Looks for the first row of the split with such a value. Best effort: the error stands anyway.
    async fn find(&self, lease: &mut Lease) -> Option<String> {
        let largest = lease.pool.settings.max_value_bytes;
        let session = lease.session().ok()?;
        if !session.cancel().await {
            return None;
        }
        let sql = self.search(largest)?;
        let answer = session.ask("The row can't be found", &sql).await.ok()?;
        let row = answer.into_iter().flatten().next()?;
        match row.into_iter().next()? {
            ColumnData::String(text) => text.map(|text| text.into_owned()),
            _ => None,
        }
    }

    fn search(&self, largest: u32) -> Option<String> {
        let column = SqlServer.quote(&self.column.name);
        let wrong = match wire(self.column) {
            Wire::DateTime2 | Wire::DateTimeOffset if self.why.contains("digit") => {
                format!("DATEPART(nanosecond, {column}) % 1000 <> 0")
            }
            Wire::DateTime2 | Wire::DateTimeOffset => {
                format!("DATEPART(year, {column}) NOT BETWEEN 1678 AND 2261")
            }
            Wire::Text(_) | Wire::Bytes(_) => format!("DATALENGTH({column}) >= {largest}"),
            _ => return None,
        };
        let key = self.table.primary_key.iter().map(|name| {
            let label = literal::text(&format!("{} = ", shorten(name)))?;
            Some(format!("{label}, {}", SqlServer.quote(name)))
        });
        let key: Vec<String> = key.collect::<Option<_>>()?;
        let parts = match key.is_empty() {
            true => return None,
            false => key.join(", N', ', "),
        };
        let name = &self.table.name;
        let (schema, table) = (SqlServer.quote(&name.schema), SqlServer.quote(&name.table));
        let part = self.split.and_then(|split| split.predicate.as_deref());
        let part = part.unwrap_or("1 = 1");
        Some(format!(
            "SELECT TOP (1) CONCAT({parts}) FROM {schema}.{table} WHERE ({part}) AND ({wrong})"
        ))
    }
}
