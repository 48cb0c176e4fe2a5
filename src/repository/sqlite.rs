//! A repository in one SQLite file, for one host.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, TransactionBehavior, params_from_iter};

use super::engine::{Engine, Row, Statement, Value};
use super::migrate;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Operation};

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(10);

/// One file, or a database in memory.
#[derive(Debug)]
pub(super) struct Sqlite {
    place: String,
    connection: Mutex<Connection>,
}

impl Sqlite {
    /// Opens a file, made new where there is none.
    pub(super) fn open(path: &Path, migrations: &[&'static str]) -> Result<Self> {
        let opened = statement().and_then(|()| Connection::open(path));
        Self::ready(path.display().to_string(), opened, migrations)
    }

    /// In memory, for one process.
    pub(super) fn empty(migrations: &[&'static str]) -> Result<Self> {
        Self::ready(
            ":memory:".to_owned(),
            Connection::open_in_memory(),
            migrations,
        )
    }

    fn ready(
        place: String,
        opened: rusqlite::Result<Connection>,
        migrations: &[&'static str],
    ) -> Result<Self> {
        let failed = |error: rusqlite::Error| failed(&place, &error);
        let connection = opened.map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // To look at a file that needs nothing, no other writer is waited for.
        let done = version(&connection).map_err(failed)?;
        if migrate::next(migrations, done, &place)?.is_some() {
            while migrate_once(&connection, &place, migrations)? {}
            fault::point("migrate.committed")?;
        }
        Ok(Self {
            place,
            connection: Mutex::new(connection),
        })
    }

    /// A poisoned lock only means that another thread panicked between statements.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failed(&self.place, error)
    }
}

impl Engine for Sqlite {
    fn execute(&self, statements: Vec<Statement>) -> Result<u64> {
        let mut connection = self.connection();
        let changed = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let mut changed = 0;
                for Statement { sql, values } in &statements {
                    statement()?;
                    let mut prepared = transaction.prepare_cached(sql)?;
                    changed += prepared.execute(params_from_iter(values))?;
                }
                statement()?;
                transaction.commit()?;
                Ok(changed as u64)
            });
        changed.map_err(|error| self.failed(&error))
    }

    fn rows(&self, query: Statement) -> Result<Vec<Row>> {
        let connection = self.connection();
        let rows = statement()
            .and_then(|()| connection.prepare_cached(query.sql))
            .and_then(|mut prepared| {
                let width = prepared.column_count();
                prepared
                    .query_map(params_from_iter(&query.values), |row| {
                        let values = (0..width).map(|column| row.get_ref(column).map(read));
                        values.collect::<Result<_, _>>().map(Row)
                    })?
                    .collect()
            });
        rows.map_err(|error| self.failed(&error))
    }

    fn columns(&self, sql: &'static str) -> Result<SchemaRef> {
        let connection = self.connection();
        let prepared = connection.prepare(sql);
        let prepared = prepared.map_err(|error| self.failed(&error))?;
        let fields = prepared.columns().into_iter().map(|column| {
            let data_type = match column.decl_type() {
                Some("INTEGER") => DataType::Int64,
                _ => DataType::Utf8,
            };
            Field::new(column.name(), data_type, true)
        });
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

/// The tables are strict, so there is nothing but numbers and text.
fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Number(Some(number)),
        ValueRef::Text(text) => Value::Text(Some(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Text(None),
    }
}

/// How many migrations are done.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Applies the next migration; `false` when there is none.
fn migrate_once(connection: &Connection, place: &str, migrations: &[&'static str]) -> Result<bool> {
    let failed = |error: rusqlite::Error| failed(place, &error);
    // Immediate: two processes that meet a new file migrate one after the other.
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    let migrated = (|| -> Result<bool> {
        fault::point("migrate.begun")?;
        let done = version(connection).map_err(failed)?;
        let Some(migration) = migrate::next(migrations, done, place)? else {
            return Ok(false);
        };
        statement().map_err(failed)?;
        connection.execute_batch(migration).map_err(failed)?;
        fault::point("migrate.applied")?;
        let counted = connection.pragma_update(None, "user_version", done + 1);
        counted.map_err(failed)?;
        Ok(true)
    })();
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    connection.execute_batch(end).map_err(failed)?;
    migrated
}

/// A statement is about to run; where a test asks for it, it fails as on a broken disk.
fn statement() -> rusqlite::Result<()> {
    fault::call(Operation::Repository).map_err(|error| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
    })
}

fn failed(place: &str, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as Code;
    let (kind, hint) = match error.sqlite_error_code() {
        Some(Code::NotADatabase) => (ErrorKind::Config, "point [repository] path at another file"),
        Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => (
            ErrorKind::Permission,
            "goe writes its history there; allow it, or set [repository] path",
        ),
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
            (ErrorKind::Locked, "another goe is writing to it; run again")
        }
        Some(Code::DiskFull) => (ErrorKind::Load, "free some space"),
        Some(Code::SystemIoFailure) => (
            ErrorKind::Connect,
            "check the disk that holds it, then run again; the target's data is safe",
        ),
        _ => (
            ErrorKind::Internal,
            "the target's data is safe; the file may be deleted",
        ),
    };
    Error::new(kind, format!("The repository {place} failed: {error}")).hint(hint)
}
