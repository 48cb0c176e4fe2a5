//! A described table, and readers that all see one state of it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use rusqlite::Connection as Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::catalog::{Access, Catalog, Described};
use super::connect::{Location, blocking};
use super::dialect::SqliteDialect;
use super::error::from_sqlite;
use super::read::{self, Reader};
use super::splits;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{
    OpenOptions, ReadRequest, Snapshot, SnapshotFacts, Source, SourceTable, Split, Splits,
};
use crate::schema::{CanonicalType, Column, Mapping};

/// More readers would only wait for the same disk.
const MOST_READERS: usize = 64;

/// How often readers are begun together before one has to do.
const ATTEMPTS: usize = 50;

/// A table that was described.
#[derive(Debug, Clone)]
pub(super) struct SqliteSource {
    inner: Arc<Inner>,
}

/// What the source and its snapshots share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) location: Location,
    pub(super) dialect: Arc<SqliteDialect>,
    pub(super) described: Described,
    options: OpenOptions,
    /// The table with the columns that name a row in a message.
    pub(super) keyed: SourceTable,
    /// Where these columns are in it.
    pub(super) key: Vec<usize>,
}

impl SqliteSource {
    /// Describes a table.
    pub(super) fn describe(
        location: Location,
        dialect: Arc<SqliteDialect>,
        name: (&str, &str, &str),
        options: &OpenOptions,
    ) -> Result<Self> {
        let database = location.connect()?;
        let catalog = Catalog {
            database: &database,
            name: location.name(),
        };
        dialect.set_utf8(catalog.is_utf8()?);
        let (connection, schema, table) = name;
        let mut described = catalog.describe(connection, schema, table, options)?;
        catalog.estimate(&mut described)?;
        let (keyed, key) = keyed(&described, catalog.widest_select());
        let options = options.clone();
        let inner = Inner {
            location,
            dialect,
            described,
            options,
            keyed,
            key,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// The table with its rowid as one more column, or with the positions of its primary key; neither
/// where a statement of that many columns would be too wide.
fn keyed(described: &Described, widest: usize) -> (SourceTable, Vec<usize>) {
    let mut table = described.table.clone();
    let mut key = match &described.access {
        Access::Rowid(name) => {
            let mapping = Mapping::exact(CanonicalType::Integer8);
            table
                .columns
                .push(Column::new(*name, "INTEGER", false, mapping));
            vec![table.columns.len() - 1]
        }
        Access::Key(_) => {
            let position = |name: &String| table.columns.iter().position(|c| c.name == *name);
            table.primary_key.iter().filter_map(position).collect()
        }
        Access::None(_) => Vec::new(),
    };
    if described.table.columns.len() + key.len() > widest {
        key.clear();
    }
    (table, key)
}

#[async_trait]
impl Source for SqliteSource {
    fn table(&self) -> &SourceTable {
        &self.inner.described.table
    }

    async fn splits(&self, bytes: u64) -> Result<Splits> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let database = inner.location.connect()?;
            let catalog = Catalog {
                database: &database,
                name: inner.location.name(),
            };
            splits::splits(&catalog, &inner.described, bytes)
        })
        .await
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let databases = inner.open(readers.clamp(1, MOST_READERS))?;
            let facts = facts(databases.len(), readers);
            Ok(Arc::new(SqliteSnapshot::new(inner, databases, facts)) as Arc<dyn Snapshot>)
        })
        .await
    }
}

fn facts(readers: usize, asked: usize) -> SnapshotFacts {
    let label = match readers {
        1 if asked > 1 => "one read transaction, as writers never paused for several".to_owned(),
        1 => "one read transaction".to_owned(),
        _ => format!("{readers} read transactions with no commit between their beginnings"),
    };
    SnapshotFacts {
        label,
        mixed: None,
        readers,
        again: false,
    }
}

impl Inner {
    /// Connections whose transactions see one state.
    ///
    /// `PRAGMA data_version` of one connection changes whenever another one commits. Where it is
    /// the same before the first transaction and after the last one began, no commit fell between,
    /// and all of them read the same state until they end.
    fn open(&self, readers: usize) -> Result<Vec<Database>> {
        let connect = |_| self.location.connect();
        let mut databases = (0..readers)
            .map(connect)
            .collect::<Result<Vec<Database>>>()?;
        let together = readers == 1 || self.begin_together(&databases)?;
        if !together {
            databases.truncate(1);
        }
        if readers == 1 || !together {
            databases
                .iter()
                .try_for_each(begin)
                .map_err(|error| self.error(error))?;
        }
        if let Some(first) = databases.first() {
            self.check(first)?;
        }
        Ok(databases)
    }

    fn begin_together(&self, databases: &[Database]) -> Result<bool> {
        let monitor = self.location.connect()?;
        let attempt = || -> rusqlite::Result<bool> {
            let before = data_version(&monitor)?;
            databases.iter().try_for_each(begin)?;
            if data_version(&monitor)? == before {
                return Ok(true);
            }
            databases
                .iter()
                .try_for_each(|database| database.execute_batch("ROLLBACK"))?;
            Ok(false)
        };
        for _ in 0..ATTEMPTS {
            if attempt().map_err(|error| self.error(error))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses a table that is no longer as it was described.
    fn check(&self, database: &Database) -> Result<()> {
        let catalog = Catalog {
            database,
            name: self.location.name(),
        };
        let was = &self.described;
        let name = &was.table.name;
        let now = catalog.describe(&name.connection, &name.schema, &name.table, &self.options);
        let changed = match now {
            Err(error) if error.kind() == ErrorKind::NotFound => "was dropped",
            Err(error) if error.kind() == ErrorKind::Usage => "was altered",
            Err(error) => return Err(error),
            Ok(mut now) => {
                (now.table.rows, now.table.bytes) = (was.table.rows, was.table.bytes);
                let same = now.access == was.access && now.layout == was.layout;
                if same && now.table == was.table {
                    return Ok(());
                }
                "was altered"
            }
        };
        let message = format!("Table \"{name}\" {changed} since it was described");
        Err(Error::new(ErrorKind::Conflict, message).hint("run again on the table as it is now"))
    }

    /// An error of this database.
    pub(super) fn error(&self, error: rusqlite::Error) -> Error {
        from_sqlite(error, self.location.name())
    }
}

/// Begins a transaction and reads, which is what fixes its state.
fn begin(database: &Database) -> rusqlite::Result<()> {
    database.execute_batch("BEGIN")?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn data_version(monitor: &Database) -> rusqlite::Result<i64> {
    monitor.query_row("PRAGMA data_version", [], |row| row.get(0))
}

/// One state of a database, held by read transactions until it is dropped.
#[derive(Debug)]
struct SqliteSnapshot {
    inner: Arc<Inner>,
    facts: SnapshotFacts,
    pool: Arc<Pool>,
}

/// The readers that nobody uses, and as many permits.
#[derive(Debug)]
struct Pool {
    free: Mutex<Vec<Database>>,
    permits: Arc<Semaphore>,
}

/// A reader on loan; it goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    database: Option<Database>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl SqliteSnapshot {
    fn new(inner: Arc<Inner>, databases: Vec<Database>, facts: SnapshotFacts) -> Self {
        let permits = Arc::new(Semaphore::new(databases.len()));
        Self {
            inner,
            facts,
            pool: Arc::new(Pool {
                free: Mutex::new(databases),
                permits,
            }),
        }
    }
}

impl Pool {
    async fn lend(self: &Arc<Self>) -> Result<Loan> {
        let gone = || Error::internal("A snapshot of SQLite has no reader to lend");
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| gone())?;
        let database = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let database = Some(database.ok_or_else(gone)?);
        Ok(Loan {
            database,
            pool: Arc::clone(self),
            _permit: permit,
        })
    }
}

impl Loan {
    /// The connection, inside its transaction.
    pub(super) fn database(&self) -> Result<&Database> {
        self.database
            .as_ref()
            .ok_or_else(|| Error::internal("A reader was given back twice"))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut free = self
            .pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.extend(self.database.take());
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let reader = Reader::new(&self.inner, split, request)?;
        Ok(read::stream(reader, self.pool.lend().await?))
    }
}
