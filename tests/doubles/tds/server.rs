//! What all sessions share: the databases, the locks, the faults and the counters.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};

use rusqlite::{Connection, params_from_iter};

use super::catalog::{Catalog, PartitionFunction, Table};
use super::faults::{Counters, Faults};
use super::functions::{self, Names};
use super::locks::Locks;
use super::storage::{Value, store};
use super::translate::quoted;
use super::views;

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
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| quoted(&column.name))
            .collect();
        let name = quoted(&table.stored_name());
        // A view shows all columns of its table under their own names.
        let sql = match &table.shows {
            Some(base) => format!("CREATE VIEW {name} AS SELECT * FROM {}", quoted(base)),
            None => format!("CREATE TABLE {name} ({})", columns.join(", ")),
        };
        let key: Vec<String> = table.key.iter().map(|column| quoted(column)).collect();
        self.change(|catalog, writer| {
            writer.execute_batch(&sql).expect("a table");
            if !key.is_empty() {
                let index = quoted(&format!("key of {}", table.stored_name()));
                let sql = format!("CREATE INDEX {index} ON {name} ({})", key.join(", "));
                writer.execute_batch(&sql).expect("an index");
            }
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
        let known = self.catalog();
        let held = known
            .find(schema, table)
            .ok_or_else(|| format!("no table {name}"))?;
        let columns = &held.table.columns;
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != columns.len() {
                return Err(format!(
                    "{} values for {} columns of {name}",
                    row.len(),
                    columns.len()
                ));
            }
            let mut values = Vec::with_capacity(row.len());
            for (value, column) in row.iter().zip(columns) {
                let told = |told| format!("{name}.{}: {told}", column.name);
                if *value == Value::Null && !column.nullable {
                    return Err(told("it may not be NULL".to_owned()));
                }
                values.push(store(value, column.declared, column.collation).map_err(told)?);
            }
            stored.push(values);
        }
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!(
            "INSERT INTO {} VALUES ({marks})",
            quoted(&held.table.stored_name())
        );
        self.change(|catalog, writer| {
            let function = held
                .table
                .partitioned
                .as_ref()
                .and_then(|(name, _)| known.function(name));
            let parts = function.map(PartitionFunction::parts);
            let column = held
                .table
                .partitioned
                .as_ref()
                .and_then(|(_, column)| held.table.index_of(column));
            let mut insert = writer.prepare(&sql).expect("an insert");
            let counted = catalog.tables.iter_mut().find(|other| other.id == held.id);
            let counted = counted.expect("the table");
            for row in stored {
                let part = match (&parts, column) {
                    (Some(parts), Some(column)) => parts.number(&row[column]) - 1,
                    _ => 0,
                };
                counted.rows[part] += 1;
                insert.execute(params_from_iter(row)).expect("a row");
            }
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
