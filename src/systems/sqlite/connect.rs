//! Where a database is, and connections to it that can only read.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Database, OpenFlags};

use super::error::from_sqlite;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;

/// The options of a connection.
const OPTIONS: &[&str] = &["busy_timeout", "vfs"];

/// How long a locked database is waited for, unless the connection says otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A database file, or a `file:` URI.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// As SQLite wants it.
    path: String,
    busy_timeout: Duration,
}

impl Location {
    /// Reads `sqlite:PATH`, `sqlite:///PATH` and `sqlite:file:URI`.
    pub(super) fn parse(connection: &Connection) -> Result<Self> {
        connection.refuse_unknown(OPTIONS)?;
        let (_, rest) = connection.url().split_once(':').unwrap_or_default();
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() {
            return Err(config(connection, "names no file").hint("write sqlite:PATH"));
        }
        if path == ":memory:" {
            return Err(
                config(connection, "means a database that only one connection sees")
                    .hint("share it under a name: sqlite:file:/NAME?vfs=memdb"),
            );
        }
        Ok(Self {
            path: with_vfs(path, connection),
            busy_timeout: busy_timeout(connection)?,
        })
    }

    /// The database as messages name it.
    pub(super) fn name(&self) -> &str {
        &self.path
    }

    /// A connection that can only read. The file is looked at, so that what is no database is
    /// refused here.
    pub(super) fn connect(&self) -> Result<Database> {
        fault::source()?;
        self.look()?;
        self.open().map_err(|error| from_sqlite(error, &self.path))
    }

    fn open(&self) -> rusqlite::Result<Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let database = Database::open_with_flags(&self.path, flags)?;
        database.busy_timeout(self.busy_timeout)?;
        // A database is foreign input: its views may not reach functions with side effects.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        database.execute_batch("PRAGMA query_only = 1; PRAGMA cell_size_check = 1")?;
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(database)
    }

    /// Says what is wrong with a path better than SQLite, whose word is "unable to open" for all.
    fn look(&self) -> Result<()> {
        if self.path.starts_with("file:") {
            return Ok(());
        }
        let path = Path::new(&self.path);
        if path.is_dir() {
            let message = format!("\"{}\" is a folder, not a SQLite database", self.path);
            return Err(Error::new(ErrorKind::Config, message).hint("name the file in it"));
        }
        match File::open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let message = format!("\"{}\" may not be read", self.path);
                Err(Error::new(ErrorKind::Permission, message)
                    .hint("ask for the right to read the file and its folder")
                    .caused_by(error))
            }
            Err(error) => {
                let message = format!("\"{}\" can't be opened", self.path);
                Err(Error::new(ErrorKind::Connect, message)
                    .hint("check the disk or the network share that holds it")
                    .caused_by(error))
            }
        }
    }
}

/// A file that does not exist is never made; a neighbour of nearly the same name is offered.
fn missing(path: &Path) -> Error {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let neighbours: Vec<String> = std::fs::read_dir(folder.unwrap_or(Path::new(".")))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let message = format!("The SQLite database \"{}\" does not exist", path.display());
    let error = Error::not_found(message, &name, neighbours.iter().map(String::as_str));
    if error.hint_text().is_some() {
        error
    } else {
        error.hint("check the path; it is relative to the folder that goe runs in")
    }
}

fn config(connection: &Connection, what: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("The URL of connection \"{}\" {what}", connection.name),
    )
}

/// The configuration may have taken `?vfs=…` off a URI; SQLite wants it back.
fn with_vfs(path: &str, connection: &Connection) -> String {
    match connection.option("vfs") {
        Some(vfs) if path.starts_with("file:") && !path.contains("vfs=") => {
            let mark = if path.contains('?') { '&' } else { '?' };
            format!("{path}{mark}vfs={vfs}")
        }
        _ => path.to_owned(),
    }
}

fn busy_timeout(connection: &Connection) -> Result<Duration> {
    let Some(text) = connection.option("busy_timeout") else {
        return Ok(BUSY_TIMEOUT);
    };
    let seconds = text.parse().ok().filter(|seconds: &u64| *seconds <= 86_400);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let message = format!(
            "Connection \"{}\" has busy_timeout = {text}",
            connection.name
        );
        Error::new(ErrorKind::Config, message).hint("write whole seconds, 0 to 86400")
    })
}

/// Runs what blocks on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("A reading thread of SQLite ended").caused_by(error))?
}
