//! Rows straight out of the pages of a table's tree.
//!
//! A statement is stepped row by row and asked value by value, which costs more than all that is done
//! with the values afterwards. A table that is read as it is needs no statement: its rows lie in the
//! leaves of a tree in the order of their rowids, as the
//! [file format](https://www.sqlite.org/fileformat2.html) says. The pages come from SQLite itself, by
//! its table `sqlite_dbpage`, inside the reader's transaction: they are those of its state, whether they
//! lie in the file or in the WAL.
//!
//! Whatever is not as it should be ends the walk, and a statement goes on from the row that it came to.
//! So SQLite alone judges a damaged file, and rows in forms that are not known here are not lost.

mod record;
mod tree;

use rusqlite::{Connection as Database, OptionalExtension, Statement};

use super::error::from_sqlite;
use super::splits::RowidRange;
use crate::error::{Error, Result};
use record::Fields;
pub(super) use record::{Layout, Place, Rows};
use tree::{Cell, DEEPEST, Leaf, Node, Page};

const PAGE: &str = include_str!("../../../../sql/catalog/sqlite/page.sql");
const ROOT: &str = include_str!("../../../../sql/catalog/sqlite/root.sql");

/// Where the first page says how many bytes at the end of each are not SQLite's.
const RESERVED: usize = 20;

/// Whether this SQLite gives pages: it was built with `SQLITE_ENABLE_DBPAGE_VTAB` then.
pub(super) fn are_given(database: &Database) -> bool {
    database.prepare(PAGE).is_ok()
}

/// How far a walk came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// All rows were taken.
    All,
    /// Who takes them wanted no more.
    Stopped,
    /// Rows from this rowid on are left, for a statement.
    Until(i64),
}

/// Why rows are taken no further.
enum Stop {
    /// The rest is behind the range.
    Passed,
    /// Who takes them wanted no more.
    Unwanted,
    /// A form that is not known here.
    Odd,
    Failed(Error),
}

/// The pages of one table, in the state that a connection's transaction sees.
pub(super) struct Pages<'a> {
    page: Statement<'a>,
    chains: Chains<'a>,
    root: u32,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    /// The database as messages name it.
    name: &'a str,
}

/// The chains of pages that hold what a leaf has no room for.
struct Chains<'a> {
    page: Statement<'a>,
    usable: usize,
    /// The pages of the database: no chain is longer.
    most: usize,
    /// The record that was put together last.
    whole: Vec<u8>,
    name: &'a str,
}

impl<'a> Pages<'a> {
    /// The pages of a table of `main`; `None` where this SQLite gives none.
    pub(super) fn open(database: &'a Database, name: &'a str, table: &str) -> Result<Option<Self>> {
        let (Ok(page), Ok(chain)) = (database.prepare(PAGE), database.prepare(PAGE)) else {
            return Ok(None);
        };
        Self::begin(database, (page, chain), name, table).map_err(|error| from_sqlite(error, name))
    }

    fn begin(
        database: &'a Database,
        (mut page, chain): (Statement<'a>, Statement<'a>),
        name: &'a str,
        table: &str,
    ) -> rusqlite::Result<Option<Self>> {
        let root = database.query_row(ROOT, [table], |row| row.get(0));
        let most = database.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let usable = page.query_row([1], |first| {
            let first = first.get_ref(0)?.as_blob()?;
            let reserved = first.get(RESERVED).copied().unwrap_or_default();
            Ok(first.len().saturating_sub(reserved.into()))
        });
        let (Some(root), Some(usable)) = (root.optional()?, usable.optional()?) else {
            return Ok(None);
        };
        let chains = Chains {
            page: chain,
            usable,
            most,
            whole: Vec::new(),
            name,
        };
        Ok(Some(Self {
            page,
            chains,
            root,
            usable,
            name,
        }))
    }

    /// Takes the rows of a range in the order of their rowids, those of a page together, for as long as
    /// `take` says `true`. It may ask them for the values at `places`.
    pub(super) fn scan(
        &mut self,
        range: RowidRange,
        places: &[Place],
        take: impl FnMut(&Rows<'_>) -> Result<bool>,
    ) -> Result<Walked> {
        let Some(left) = range.first() else {
            return Ok(Walked::All);
        };
        let mut scan = Scan {
            chains: &mut self.chains,
            fields: Fields::of(places),
            range,
            left,
            take,
        };
        let mut open = vec![Node::root(self.root)];
        while let Some(node) = open.pop() {
            let taken = visit(
                &mut self.page,
                self.usable,
                self.name,
                node,
                |page| match page {
                    Page::Interior(children) => {
                        let met = |child: &Node| range.meets(child.low, child.high);
                        open.extend(children.into_iter().rev().filter(met));
                        Ok(())
                    }
                    Page::Leaf(leaf) => scan.leaf(&leaf),
                },
            );
            match taken {
                Ok(()) => {}
                Err(Stop::Passed) => return Ok(Walked::All),
                Err(Stop::Unwanted) => return Ok(Walked::Stopped),
                Err(Stop::Odd) => return Ok(Walked::Until(scan.left)),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(Walked::All)
    }

    /// The last possible rowid of every `step`th leaf, except of the last leaf of all; `None` for a
    /// tree that is not as it should be. No leaf is read but one.
    pub(super) fn ends(&mut self, step: u64) -> Result<Option<Vec<i64>>> {
        match self.find_ends(step) {
            Ok(ends) => Ok(Some(ends)),
            Err(Stop::Failed(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn find_ends(&mut self, step: u64) -> Result<Vec<i64>, Stop> {
        let leaves = self.depth()?;
        let (mut ends, mut leaf) = (Vec::new(), 0);
        let mut open = vec![Node::root(self.root)];
        while let Some(node) = open.pop() {
            if node.depth == leaves {
                leaf += 1;
                ends.extend(node.high.filter(|_| leaf % step == 0));
                continue;
            }
            visit(
                &mut self.page,
                self.usable,
                self.name,
                node,
                |page| match page {
                    Page::Interior(children) => {
                        open.extend(children.into_iter().rev());
                        Ok(())
                    }
                    Page::Leaf(_) => Err(Stop::Odd),
                },
            )?;
        }
        Ok(ends)
    }

    /// How deep below the root the leaves are.
    fn depth(&mut self) -> Result<u8, Stop> {
        let mut node = Node::root(self.root);
        loop {
            let first = visit(
                &mut self.page,
                self.usable,
                self.name,
                node,
                |page| match page {
                    Page::Interior(children) => {
                        children.first().copied().ok_or(Stop::Odd).map(Some)
                    }
                    Page::Leaf(_) => Ok(None),
                },
            )?;
            match first {
                Some(child) => node = child,
                None => return Ok(node.depth),
            }
        }
    }
}

/// Gets a page of the tree.
fn visit<T>(
    page: &mut Statement<'_>,
    usable: usize,
    name: &str,
    node: Node,
    with: impl FnOnce(Page<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    if node.depth > DEEPEST {
        return Err(Stop::Odd);
    }
    get(page, name, node.page, |bytes| {
        let bytes = bytes.get(..usable).ok_or(Stop::Odd)?;
        with(Page::read(bytes, node).ok_or(Stop::Odd)?)
    })
}

fn get<T>(
    page: &mut Statement<'_>,
    name: &str,
    number: u32,
    with: impl FnOnce(&[u8]) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let failed = |error| Stop::Failed(from_sqlite(error, name));
    let mut rows = page.query([number]).map_err(failed)?;
    let row = rows.next().map_err(failed)?.ok_or(Stop::Odd)?;
    let bytes = row.get_ref(0).map_err(failed)?;
    with(bytes.as_blob().map_err(|_| Stop::Odd)?)
}

/// Rows on their way to who takes them.
struct Scan<'s, 'a, T> {
    chains: &'s mut Chains<'a>,
    fields: Fields,
    range: RowidRange,
    /// The least rowid that was not taken yet.
    left: i64,
    take: T,
}

impl<T: FnMut(&Rows<'_>) -> Result<bool>> Scan<'_, '_, T> {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Stop> {
        let ended = self.find(leaf);
        // The rows before the one that ended it are sound.
        self.give(leaf.bytes)?;
        ended
    }

    fn find(&mut self, leaf: &Leaf<'_>) -> Result<(), Stop> {
        for cell in leaf.cells() {
            let cell = cell.ok_or(Stop::Odd)?;
            if self.range.is_behind(cell.rowid) {
                return Err(Stop::Passed);
            }
            if cell.rowid >= self.left {
                self.row(leaf, &cell)?;
                self.left = cell.rowid.checked_add(1).ok_or(Stop::Passed)?;
            }
        }
        Ok(())
    }

    /// Keeps a row, or gives it away by itself where it goes on in other pages.
    fn row(&mut self, leaf: &Leaf<'_>, cell: &Cell<'_>) -> Result<(), Stop> {
        let mut bytes = cell.local;
        let header = Fields::header(bytes).ok_or(Stop::Odd)?;
        if header <= bytes.len() {
            let end = self.fields.find(bytes, cell.at).ok_or(Stop::Odd)?;
            if end <= bytes.len() {
                self.fields.keep(cell.rowid);
                return Ok(());
            }
        }
        self.give(leaf.bytes)?;
        if header > bytes.len() {
            bytes = self.chains.follow(cell, header)?;
        }
        let end = self.fields.find(bytes, 0).ok_or(Stop::Odd)?;
        if end > bytes.len() {
            bytes = self.chains.follow(cell, end)?;
        }
        self.fields.keep(cell.rowid);
        give(&mut self.fields, bytes, &mut self.take)
    }

    fn give(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        give(&mut self.fields, bytes, &mut self.take)
    }
}

/// Gives away the rows that were kept, which lie in `bytes`.
fn give(
    fields: &mut Fields,
    bytes: &[u8],
    take: &mut impl FnMut(&Rows<'_>) -> Result<bool>,
) -> Result<(), Stop> {
    let taken = match fields.rows(bytes) {
        Some(rows) => take(&rows),
        None => Ok(true),
    };
    fields.clear();
    match taken {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::Unwanted),
        Err(error) => Err(Stop::Failed(error)),
    }
}

impl Chains<'_> {
    /// At least so many bytes of a record that is longer than its leaf holds.
    fn follow(&mut self, cell: &Cell<'_>, bytes: usize) -> Result<&[u8], Stop> {
        if bytes as u64 > cell.bytes {
            return Err(Stop::Odd);
        }
        let Self {
            page,
            usable,
            most,
            whole,
            name,
        } = self;
        whole.clear();
        whole.extend_from_slice(cell.local);
        let mut next = cell.chain;
        for _ in 0..*most {
            if whole.len() >= bytes {
                return Ok(whole);
            }
            let number = next.filter(|number| *number > 0).ok_or(Stop::Odd)?;
            next = get(page, name, number, |page| {
                let (next, content) = page
                    .get(..*usable)
                    .and_then(<[u8]>::split_first_chunk)
                    .ok_or(Stop::Odd)?;
                whole.extend_from_slice(content);
                Ok(Some(u32::from_be_bytes(*next)))
            })?;
        }
        Err(Stop::Odd)
    }
}
