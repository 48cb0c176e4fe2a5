//! A value that stops a read, with what a person needs to find it.

use std::time::Duration;

use tokio::time::timeout;

use super::dialect::{Postgres, Wire, wire};
use super::literal;
use super::pool::Pool;
use crate::error::{Error, ErrorKind};
use crate::frontend::{Dialect, RelationKind, SourceTable, Split};
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
    /// The error, with the row's key if the server finds it again in the same snapshot.
    pub(super) async fn explain(&self, pool: &Pool) -> Error {
        let found = timeout(SEARCH, self.find(pool)).await.ok().flatten();
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
            "read the column as text ({name}=text), or leave such rows out"
        ))
    }

    /// What we know of the row without asking.
    fn position(&self) -> String {
        let split = self.split;
        let relation = split
            .and_then(|split| split.relation.as_deref())
            .unwrap_or("the table");
        match split.and_then(|split| split.predicate.as_deref()) {
            Some(predicate) => format!("row {} of {relation} where {predicate}", self.row),
            None => format!("row {} of {relation}", self.row),
        }
    }

    /// Looks for the first row of the split with this value. Best effort: the error stands anyway.
    async fn find(&self, pool: &Pool) -> Option<String> {
        let keys = self.keys()?;
        let sql = self.search(&keys)?;
        let session = pool.join().await.ok()?;
        let rows = session
            .ask("The row can't be found", &sql, &[])
            .await
            .ok()?;
        rows.first()?.try_get(0).ok()
    }

    /// The key as one text: where the row lies, and its primary key.
    fn keys(&self) -> Option<String> {
        let has_pages = matches!(
            self.table.kind,
            RelationKind::Table | RelationKind::Partitioned | RelationKind::MaterializedView
        );
        let place = has_pages.then(|| "'ctid ' || ctid".to_owned());
        let key = self.table.primary_key.iter().filter_map(|name| {
            let label = literal::text(&format!("{} = ", shorten(name)))?;
            Some(format!("{label} || {}", Postgres.quote(name)))
        });
        let parts: Vec<String> = place.into_iter().chain(key).collect();
        (!parts.is_empty()).then(|| format!("concat_ws(', ', {})", parts.join(", ")))
    }

    fn search(&self, keys: &str) -> Option<String> {
        let column = Postgres.quote(&self.column.name);
        let value = literal::text(&self.value)?;
        let wrong = match wire(self.column) {
            Wire::Numeric | Wire::Time => format!("{column}::text = {value}"),
            Wire::Date => format!("{column} NOT BETWEEN '0001-01-01' AND '9999-12-31'"),
            Wire::Timestamp => {
                format!("{column} < '0001-01-01' OR {column} >= '10000-01-01'")
            }
            _ => return None,
        };
        let name = &self.table.name;
        let whole = format!(
            "{}.{}",
            Postgres.quote(&name.schema),
            Postgres.quote(&name.table)
        );
        let relation = self
            .split
            .and_then(|split| split.relation.clone())
            .unwrap_or(whole);
        let part = self
            .split
            .and_then(|split| split.predicate.as_deref())
            .unwrap_or("true");
        Some(format!(
            "SELECT {keys} FROM {relation} WHERE ({part}) AND ({wrong}) LIMIT 1"
        ))
    }
}
