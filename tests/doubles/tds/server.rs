//! What all sessions share: the databases, the locks, the faults and the counters.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};

use super::catalog::{Catalog, Column, Held, PartitionFunction, Table};
use super::faults::{Counters, Faults};
use super::functions::{self, Names};
use super::locks::Locks;
use super::storage::{Value, store};
use super::ticket::Tickets;
use super::translate::quoted;
use super::views;

/// The column of a partitioned table that holds the number of a row's partition, so that a partition is
/// found by an index. No statement can name it.
pub const PART: &str = "$part";

/// A database: a file of the embedded engine, and what is known of what lies in it.
#[derive(Debug)]
pub struct Database {
    pub file: PathBuf,
    catalog: RwLock<Arc<Catalog>>,
}

impl Database {
    fn new(file: PathBuf, catalog: Catalog) -> Self {
        Self {
            file,
            catalog: RwLock::new(Arc::new(catalog)),
        }
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().expect("the catalog"))
    }

    /// A connection of its own, with all functions.
    pub fn connect(&self, names: &Names) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(std::time::Duration::from_secs(30))?;
        functions::register(&connection, names)?;
        Ok(connection)
    }
}

/// The server without its network.
#[derive(Debug)]
pub struct Server {
    pub user: String,
    pub password: String,
    /// An access token that is taken instead.
    pub token: Option<String>,
    /// How tickets are judged, where they are taken.
    pub tickets: Option<Tickets>,
    pub locks: Locks,
    pub faults: Faults,
    pub counters: Counters,
    main: Arc<Database>,
    snapshots: Mutex<Vec<Arc<Database>>>,
    writer: Mutex<Connection>,
    folder: tempfile::TempDir,
}

impl Server {
    pub fn new(
        catalog: Catalog,
        password: String,
        token: Option<String>,
        tickets: Option<Tickets>,
    ) -> rusqlite::Result<Self> {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let user = catalog.login.clone();
        let main = Database::new(folder.path().join("main.db"), catalog);
        let writer = main.connect(&Names::default())?;
        writer.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")?;
        views::create(&writer)?;
        views::fill(&writer, &main.catalog())?;
        Ok(Self {
            user,
            password,
            token,
            tickets,
            locks: Locks::default(),
            faults: Faults::default(),
            counters: Counters::default(),
            main: Arc::new(main),
            snapshots: Mutex::default(),
            writer: Mutex::new(writer),
            folder,
        })
    }

    /// The database or the snapshot of a name; no name is the database.
    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        let snapshots = self.snapshots.lock().expect("snapshots");
        let mut all = std::iter::once(&self.main).chain(snapshots.iter());
        let has_name = |database: &&Arc<Database>| {
            name.is_empty() || database.catalog().database.eq_ignore_ascii_case(name)
        };
        all.find(has_name).map(Arc::clone)
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        self.main.catalog()
    }

    /// Changes the catalog and what stands in the views, at once.
    pub fn change<T>(&self, change: impl FnOnce(&mut Catalog, &Connection) -> T) -> T {
        let writer = self.writer.lock().expect("the writer");
        let mut catalog = (*self.main.catalog()).clone();
        writer
            .execute_batch("BEGIN IMMEDIATE")
            .expect("a transaction");
        let result = change(&mut catalog, &writer);
        views::fill(&writer, &catalog).expect("the views");
        writer.execute_batch("COMMIT").expect("a commit");
        // Only now, so that no session looks for a table that is not there yet.
        *self.main.catalog.write().expect("the catalog") = Arc::new(catalog);
        result
    }

    pub fn create_function(&self, function: PartitionFunction) {
        self.change(|catalog, _| catalog.functions.push(function));
    }

    pub fn create_table(&self, table: Table) {
        let stored = table.stored_name();
        let name = quoted(&stored);
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            names.join(", ")
        };
        let mut columns: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        let mut key = table.key.clone();
        if table.partitioned.is_some() {
            columns.push(PART.to_owned());
            key.insert(0, PART.to_owned());
        }
        // A view shows all columns of its table under their own names.
        let mut sql = match &table.shows {
            Some(base) => format!("CREATE VIEW {name} AS SELECT * FROM {}", quoted(base)),
            None => format!("CREATE TABLE {name} ({})", list(&columns)),
        };
        if !key.is_empty() {
            let index = quoted(&format!("key of {stored}"));
            sql += &format!("; CREATE INDEX {index} ON {name} ({})", list(&key));
        }
        self.change(|catalog, writer| {
            writer.execute_batch(&sql).expect("a table");
            catalog.add(table);
        });
    }

    /// Puts rows into a table, when nobody holds a lock of it.
    pub fn insert(&self, name: &str, rows: Vec<Vec<Value>>) -> Result<(), String> {
        self.locks.exclude(name);
        let inserted = self.insert_now(name, rows);
        self.locks.include(name);
        inserted
    }

    fn insert_now(&self, name: &str, rows: Vec<Vec<Value>>) -> Result<(), String> {
        let (schema, table) = name.split_once('.').unwrap_or(("dbo", name));
        let catalog = self.catalog();
        let held = catalog.find(schema, table);
        let Held { id, table, .. } = held.ok_or_else(|| format!("no table {name}"))?;
        let partitioned = table.partitioned.as_ref().map(|(function, column)| {
            let function = catalog.function(function);
            let parts = function.expect("a partition function").parts();
            (
                parts,
                table
                    .index_of(column)
                    .expect("the column of the partitions"),
            )
        });
        let mut counts = vec![0; held.map_or(0, |held| held.rows.len())];
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = stored_row(table, &row)?;
            let part = partitioned
                .as_ref()
                .map(|(parts, column)| parts.number(&row[*column]));
            counts[part.unwrap_or(1) - 1] += 1;
            row.extend(part.map(|part| Stored::Integer(part as i64)));
            stored.push(row);
        }
        let width = table.columns.len() + usize::from(partitioned.is_some());
        let marks = vec!["?"; width].join(", ");
        let sql = format!(
            "INSERT INTO {} VALUES ({marks})",
            quoted(&table.stored_name())
        );
        self.change(|catalog, writer| {
            let mut insert = writer.prepare(&sql).expect("an insert");
            for row in stored {
                insert.execute(params_from_iter(row)).expect("a row");
            }
            let held = catalog.tables.iter_mut().find(|held| held.id == *id);
            let rows = &mut held.expect("the table").rows;
            rows.iter_mut()
                .zip(counts)
                .for_each(|(rows, count)| *rows += count);
        });
        Ok(())
    }

    /// Takes all rows out of a table, when nobody holds a lock of it.
    pub fn truncate(&self, name: &str) {
        self.locks.exclude(name);
        let (schema, table) = name.split_once('.').unwrap_or(("dbo", name));
        self.change(|catalog, writer| {
            let id = catalog.find(schema, table).expect("a table").id;
            let held = catalog
                .tables
                .iter_mut()
                .find(|held| held.id == id)
                .expect("the table");
            held.rows.fill(0);
            let sql = format!("DELETE FROM {}", quoted(&held.table.stored_name()));
            writer.execute_batch(&sql).expect("a delete");
        });
        self.locks.include(name);
    }

    /// A database snapshot: the state of now, under a name.
    pub fn snapshot(&self, name: &str) {
        let mut snapshots = self.snapshots.lock().expect("snapshots");
        let file = self
            .folder
            .path()
            .join(format!("snapshot-{}.db", snapshots.len()));
        let writer = self.writer.lock().expect("the writer");
        let target = file.to_str().expect("a path of text");
        writer.execute("VACUUM INTO ?", [target]).expect("a copy");
        let mut catalog = (*self.main.catalog()).clone();
        catalog.database = name.to_owned();
        catalog.is_snapshot = true;
        let database = Database::new(file, catalog);
        let connection = database.connect(&Names::default()).expect("the copy");
        views::fill(&connection, &database.catalog()).expect("the views");
        snapshots.push(Arc::new(database));
    }
}

/// A row as the engine holds it.
fn stored_row(table: &Table, row: &[Value]) -> Result<Vec<Stored>, String> {
    let columns = &table.columns;
    if row.len() != columns.len() {
        return Err(format!(
            "{} values for {} columns",
            row.len(),
            columns.len()
        ));
    }
    let stored = |(value, column): (&Value, &Column)| {
        let told = |told| format!("{}.{}: {told}", table.name, column.name);
        if *value == Value::Null && !column.nullable {
            return Err(told("it may not be NULL".to_owned()));
        }
        store(value, column.declared, column.collation).map_err(told)
    };
    row.iter().zip(columns).map(stored).collect()
}
