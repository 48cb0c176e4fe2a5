//! Cutting a table into ranges of rowids that are even in rows.
//!
//! Rowids may be sparse, negative or clustered, so ranges of equal width would not do. The tree of
//! rowids is walked instead, a step of so many rows at a time: that reads the table's leaf pages
//! but neither decodes a row nor follows a large value.

use rusqlite::{Connection as Database, OptionalExtension};

use super::catalog::{Access, Catalog, Described, relation};
use super::error::from_sqlite;
use crate::error::Result;
use crate::frontend::{Split, Splits};

/// Cuts a table into splits of about `bytes` each.
pub(super) fn splits(catalog: &Catalog<'_>, described: &Described, bytes: u64) -> Result<Splits> {
    let rowid = match &described.access {
        Access::Rowid(name) => *name,
        Access::Key(reason) | Access::None(reason) => return Ok(Splits::one(reason)),
    };
    let row_bytes = catalog.row_bytes(&described.table, rowid)?;
    let step = (bytes / row_bytes).clamp(1, i64::MAX as u64);
    let walk = Walk {
        database: catalog.database,
        relation: relation(&described.table),
        rowid,
    };
    let ends = walk
        .ends(step)
        .map_err(|error| from_sqlite(error, catalog.name))?;
    let reason = ends.is_empty().then(|| "it is small".to_owned());
    let size = (step, step.saturating_mul(row_bytes));
    Ok(Splits {
        kind: "rowid ranges",
        reason,
        list: ranges(rowid, &ends, size),
    })
}

struct Walk<'a> {
    database: &'a Database,
    relation: String,
    rowid: &'static str,
}

impl Walk<'_> {
    /// The rowid of every `step`th row, except of the last row of all.
    fn ends(&self, step: u64) -> rusqlite::Result<Vec<i64>> {
        let Self {
            database,
            relation,
            rowid,
        } = self;
        let sql = format!(
            "SELECT {rowid} FROM {relation} WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT 1 OFFSET ?2"
        );
        let mut statement = database.prepare(&sql)?;
        let mut find = |from: i64, offset: u64| {
            let found = statement.query_row((from, offset as i64), |row| row.get::<_, i64>(0));
            found.optional()
        };
        let mut ends = Vec::new();
        let mut from = i64::MIN;
        while let Some(end) = find(from, step - 1)? {
            let Some(next) = end.checked_add(1) else {
                break;
            };
            if find(next, 0)?.is_none() {
                break;
            }
            ends.push(end);
            from = next;
        }
        Ok(ends)
    }
}

/// Ranges up to each end, and one after the last; the first and the last are open.
fn ranges(rowid: &str, ends: &[i64], (rows, bytes): (u64, u64)) -> Vec<Split> {
    let split = |predicate| Split {
        relation: None,
        predicate,
        rows: Some(rows),
        bytes: Some(bytes),
    };
    let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
        return vec![Split::default()];
    };
    let mut list = vec![split(Some(format!("{rowid} <= {first}")))];
    list.extend(ends.windows(2).map(|pair| {
        split(Some(format!(
            "{rowid} > {} AND {rowid} <= {}",
            pair[0], pair[1]
        )))
    }));
    list.push(split(Some(format!("{rowid} > {last}"))));
    list
}
