//! Cutting a table into ranges of rowids that are even in rows or bytes.
//!
//! Rowids may be sparse, negative or clustered, so ranges of equal width would not do. The interior
//! pages of the table's tree say where each leaf begins, and a leaf is a page. Where pages can't be
//! had, or rows are so large that most of them lies elsewhere, the leaves are walked, a step of so
//! many rows at a time; that reads them but neither decodes a row nor follows a large value.

use rusqlite::{Connection as Database, OptionalExtension};

use super::catalog::{Access, Catalog, Described, relation};
use super::error::from_sqlite;
use super::pages::Pages;
use crate::error::Result;
use crate::frontend::{Split, Splits};

/// Cuts a table into splits of about `bytes` each.
pub(super) fn splits(catalog: &Catalog<'_>, described: &Described, bytes: u64) -> Result<Splits> {
    let rowid = match &described.access {
        Access::Rowid(name) => *name,
        Access::Key(reason) | Access::None(reason) => return Ok(Splits::one(reason)),
    };
    let row_bytes = catalog.row_bytes(&described.table, rowid)?;
    let (ends, size) = match leaf_ends(catalog, described, bytes, row_bytes)? {
        Some(cut) => cut,
        None => {
            let step = (bytes / row_bytes).clamp(1, i64::MAX as u64);
            let walk = Walk {
                database: catalog.database,
                relation: relation(&described.table),
                rowid,
            };
            let ends = walk.ends(step);
            let ends = ends.map_err(|error| from_sqlite(error, catalog.name))?;
            (ends, (step, step.saturating_mul(row_bytes)))
        }
    };
    let reason = ends.is_empty().then(|| "it is small".to_owned());
    Ok(Splits {
        kind: "rowid ranges",
        reason,
        list: ranges(rowid, &ends, size),
    })
}

/// How many leaves a range has at least: fewer are too uneven in rows.
const LEAVES: u64 = 16;

/// Where ranges end, and the rows and bytes of each.
type Cut = (Vec<i64>, (u64, u64));

/// Ranges of so many leaves; `None` where the leaves don't tell.
fn leaf_ends(
    catalog: &Catalog<'_>,
    described: &Described,
    bytes: u64,
    row_bytes: u64,
) -> Result<Option<Cut>> {
    let page_bytes = catalog.page_bytes()?;
    let step = bytes / page_bytes;
    if described.layout.is_none() || row_bytes > page_bytes / 8 || step < LEAVES {
        return Ok(None);
    }
    let (database, name) = (catalog.database, catalog.name);
    let Some(mut pages) = Pages::open(database, name, &described.table.name.table)? else {
        return Ok(None);
    };
    let size = (step * page_bytes / row_bytes, step * page_bytes);
    Ok(pages.ends(step)?.map(|ends| (ends, size)))
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
            // Rowids of a damaged tree may go back, and a walk that went with them round in circles.
            let next = end.checked_add(1).filter(|_| end >= from);
            let Some(next) = next else {
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
    if ends.is_empty() {
        return vec![Split::default()];
    }
    let above = std::iter::once(None).chain(ends.iter().copied().map(Some));
    let to = ends.iter().copied().map(Some).chain([None]);
    let split = |(above, to)| Split {
        relation: None,
        predicate: RowidRange { above, to }.predicate(rowid),
        rows: Some(rows),
        bytes: Some(bytes),
    };
    above.zip(to).map(split).collect()
}

/// Rowids above one and up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RowidRange {
    above: Option<i64>,
    to: Option<i64>,
}

impl RowidRange {
    /// As a condition of a statement; `None` for all rowids.
    fn predicate(self, rowid: &str) -> Option<String> {
        let above = self.above.map(|above| format!("{rowid} > {above}"));
        let to = self.to.map(|to| format!("{rowid} <= {to}"));
        let parts: Vec<String> = above.into_iter().chain(to).collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// The range of a split that was cut here; `None` for a condition of somebody else.
    pub(super) fn of(split: Option<&Split>, rowid: &str) -> Option<Self> {
        let Some(predicate) = split.and_then(|split| split.predicate.as_deref()) else {
            return Some(Self::default());
        };
        let mut range = Self::default();
        for part in predicate.split(" AND ") {
            let rest = part.strip_prefix(rowid)?;
            match (rest.strip_prefix(" > "), rest.strip_prefix(" <= ")) {
                (Some(above), _) => range.above = Some(above.parse().ok()?),
                (_, Some(to)) => range.to = Some(to.parse().ok()?),
                (None, None) => return None,
            }
        }
        Some(range)
    }

    /// The least rowid that may be in it.
    pub(super) fn first(self) -> Option<i64> {
        self.above
            .map_or(Some(i64::MIN), |above| above.checked_add(1))
    }

    /// Whether rowids above `low` and up to `high` may be in it.
    pub(super) fn meets(self, low: Option<i64>, high: Option<i64>) -> bool {
        let before =
            |one: Option<i64>, other: Option<i64>| one.zip(other).is_some_and(|(a, b)| a <= b);
        !before(high, self.above) && !before(self.to, low)
    }

    /// Whether a rowid is beyond it.
    pub(super) fn is_behind(self, rowid: i64) -> bool {
        self.to.is_some_and(|to| rowid > to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_was_written() {
        for (above, to) in [
            (None, None),
            (Some(i64::MIN), None),
            (None, Some(-3)),
            (Some(7), Some(i64::MAX)),
        ] {
            let range = RowidRange { above, to };
            let predicate = range.predicate("_rowid_");
            let split = Split {
                predicate,
                ..Split::default()
            };
            assert_eq!(RowidRange::of(Some(&split), "_rowid_"), Some(range));
        }
        let foreign = Split {
            predicate: Some("rowid > 7 OR a = 1".to_owned()),
            ..Split::default()
        };
        assert_eq!(RowidRange::of(Some(&foreign), "rowid"), None);
    }

    #[test]
    fn rowids_meet_a_range_or_not() {
        let range = RowidRange {
            above: Some(5),
            to: Some(9),
        };
        for (low, high, meets) in [
            (None, None, true),
            (None, Some(5), false),
            (None, Some(6), true),
            (Some(8), None, true),
            (Some(9), None, false),
        ] {
            assert_eq!(range.meets(low, high), meets, "{low:?} {high:?}");
        }
        assert_eq!(range.first(), Some(6));
        assert!(range.is_behind(10) && !range.is_behind(9));
        assert_eq!(
            RowidRange {
                above: Some(i64::MAX),
                to: None
            }
            .first(),
            None
        );
    }
}
