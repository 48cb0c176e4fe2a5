//! The memory of runs: who ran, what each step took, how it ended, and who holds a target now.
//!
//! The truth about a target is in the target itself. Losing the repository loses history, never a
//! row, and doubles none.
//!
//! It is a SQLite file for one host, or the schema `goe` of a PostgreSQL database for several; both
//! are told the same statements, those of `sql/repository`.
//!
//! # Who holds a target
//! A run holds its target by a lease that it renews four times in the lease's time. A lease ends
//! when it is given back, when its time is over, or when its process is known to be dead (same
//! boot of the same host, same namespaces, and no such process any more); each new lease has a
//! greater fence. Its time is measured by one clock where several hosts meet: the server's. A SQLite
//! file goes by its host's clock. A clock that jumps ahead ends leases early, one that jumps back
//! lets them last longer. Neither loses or doubles a row: the fence is in the target's record, and
//! a run that has lost its lease can't publish against a greater one.

mod chunks;
mod definitions;
#[cfg(feature = "postgres")]
mod dialect;
mod engine;
mod locks;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod runs;
mod sqlite;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;

pub use chunks::{Chunk, KeptEvent};
pub use definitions::Definition;
pub use locks::Lease;

use crate::config::{LEASE, RepositoryConfig, RepositoryPlace};
use crate::error::Result;
use engine::{Engine, Row, Statement};
use migrate::MIGRATIONS;
use sqlite::Sqlite;

/// The memory of runs.
#[derive(Debug)]
pub struct Repository {
    engine: Box<dyn Engine>,
    /// How long a lease holds without being renewed.
    lease: Duration,
}

impl Repository {
    /// Opens the repository of a configuration, made new where there is none.
    ///
    /// # Errors
    /// Kind Config when it is something else or was written by a later goe, Permission when it can't
    /// be written, and whatever a server says.
    pub fn of(config: &RepositoryConfig) -> Result<Self> {
        let lease = config.lease();
        match config.place()? {
            RepositoryPlace::File(path) => {
                let engine = Sqlite::open(&path, MIGRATIONS)?;
                Ok(Self::with(engine, lease))
            }
            RepositoryPlace::Server(server) => Self::on_server(&server, lease),
        }
    }

    /// Opens the repository in a SQLite file, made new where there is none.
    ///
    /// # Errors
    /// Kind Config when the file is something else or was written by a later goe, Permission when
    /// it can't be written.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::with(Sqlite::open(path, MIGRATIONS)?, LEASE))
    }

    /// A repository that remembers nothing yet and is never written to a file.
    ///
    /// # Errors
    /// Kind Internal when even that can't be made.
    pub fn empty() -> Result<Self> {
        Ok(Self::with(Sqlite::empty(MIGRATIONS)?, LEASE))
    }

    #[cfg(feature = "postgres")]
    fn on_server(server: &crate::config::Connection, lease: Duration) -> Result<Self> {
        let engine = postgres::Postgres::open(server, MIGRATIONS)?;
        Ok(Self::with(engine, lease))
    }

    #[cfg(not(feature = "postgres"))]
    fn on_server(server: &crate::config::Connection, _: Duration) -> Result<Self> {
        let text = format!("This build keeps no repository in {}", server.scheme());
        Err(crate::error::Error::unsupported(text).hint("use [repository] path"))
    }

    fn with(engine: impl Engine + 'static, lease: Duration) -> Self {
        Self {
            engine: Box::new(engine),
            lease,
        }
    }

    /// How often a lease wants to be renewed: well within its time.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        self.lease / 4
    }

    fn execute(&self, statement: Statement) -> Result<u64> {
        self.engine.execute(vec![statement])
    }

    fn rows(&self, statement: Statement) -> Result<Vec<Row>> {
        self.engine.rows(statement)
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// One run, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// Its id.
    pub run: String,
    /// The offload's name.
    pub offload: String,
    /// The source, as it was named.
    pub source: String,
    /// The target, as it was named.
    pub target: String,
    /// When it began; UTC, ISO 8601.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// `running`, `published`, `nothing to do`, `failed`, `interrupted`, `died` (it did not come to
    /// an end, and runs no more) or `abandoned`.
    pub status: String,
    /// Rows that it published.
    pub rows: u64,
    /// Bytes of Parquet that it published.
    pub bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
}

impl RunRow {
    /// Whether it did all that it was asked for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        ["published", "nothing to do"].contains(&self.status.as_str())
    }

    /// Whether it ended with less than it was asked for, and nobody has given it up.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        ["died", "interrupted", "failed"].contains(&self.status.as_str())
    }
}

/// One step of a run, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// Its name.
    pub step: String,
    /// The chunk that it was for.
    pub chunk: Option<u32>,
    /// When it began; UTC, ISO 8601.
    pub started: String,
    /// How long it took.
    pub millis: Option<u64>,
    /// `running`, `done` or `failed`.
    pub status: String,
}

/// Runs, and the steps of the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The runs, the earliest first.
    pub runs: Vec<RunRow>,
    /// The steps, where one run was asked for.
    pub steps: Vec<StepRow>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending<'a> {
    /// `published`, `nothing to do`, `failed` or `interrupted`.
    pub status: &'a str,
    /// Rows that it published.
    pub rows: u64,
    /// Bytes of Parquet that it published.
    pub bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
}
