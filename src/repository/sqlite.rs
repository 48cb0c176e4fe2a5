//! A repository in one SQLite file, for one host.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Ending, History, RunRow, StepRow};
use crate::backend::StoredRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Operation};

/// Applied in order; `user_version` counts how many were.
const MIGRATIONS: &[&str] = &[
    include_str!("../../sql/repository/0001_runs.sql"),
    include_str!("../../sql/repository/0002_chunks.sql"),
];

/// How long a lease holds without being renewed, in seconds, unless `GOE_LEASE_SECONDS` says so.
const LEASE_SECONDS: i64 = 60;

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(10);

/// The memory of runs in one file.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// A target held by one run. Freed by [`Repository::free`], or by time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Lease {
    /// The target.
    pub target: String,
    /// The run that holds it.
    pub holder: String,
    /// Greater than that of every holder before.
    pub fence: u64,
}

impl Repository {
    /// Opens a repository, made new where there is none.
    ///
    /// # Errors
    /// Kind Config when the file is something else or was written by a later goe, Permission when
    /// it can't be written.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: rusqlite::Error| failed(path, &error);
        let connection = statement().and_then(|()| Connection::open(path));
        let connection = connection.map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        migrate(&connection, path)?;
        Ok(Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
        })
    }

    /// A repository that remembers nothing yet and is never written to a file.
    ///
    /// # Errors
    /// Kind Internal when even that can't be made.
    pub fn empty() -> Result<Self> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(|error| failed(&path, &error))?;
        migrate(&connection, &path)?;
        Ok(Self {
            path,
            connection: Mutex::new(connection),
        })
    }

    /// Begins a run.
    ///
    /// # Errors
    /// Those of the file.
    pub fn begin(&self, run: &str, offload: &str, source: &str, target: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/begin_run.sql");
        self.execute(sql, params![run, offload, source, target, now()])
    }

    /// Ends a run.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(&self, run: &str, ending: &Ending<'_>) -> Result<()> {
        let sql = include_str!("../../sql/repository/finish_run.sql");
        let (rows, bytes) = (signed(ending.rows), signed(ending.bytes));
        self.execute(
            sql,
            params![run, now(), ending.status, rows, bytes, ending.error],
        )
    }

    /// Begins a step.
    ///
    /// # Errors
    /// Those of the file.
    pub fn begin_step(
        &self,
        run: &str,
        ordinal: u32,
        step: &str,
        chunk: Option<u32>,
    ) -> Result<()> {
        let sql = include_str!("../../sql/repository/begin_step.sql");
        self.execute(sql, params![run, ordinal, step, chunk, now()])
    }

    /// Ends a step.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish_step(&self, run: &str, ordinal: u32, millis: u64, status: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/finish_step.sql");
        self.execute(sql, params![run, ordinal, signed(millis), status])
    }

    /// Keeps a copy of a target's record.
    ///
    /// # Errors
    /// Those of the file.
    pub fn mirror(&self, target: &str, record: &StoredRecord) -> Result<()> {
        let sql = include_str!("../../sql/repository/mirror_record.sql");
        let body = record.body.to_string();
        self.execute(
            sql,
            params![
                target,
                signed(record.sequence),
                record.manifest,
                body,
                now()
            ],
        )
    }

    /// The runs; with the beginning of a run's id that run and its steps.
    ///
    /// # Errors
    /// Kind NotFound for a run that is not there, Usage for a beginning that several share.
    pub fn history(&self, run: Option<&str>) -> Result<History> {
        let sql = include_str!("../../sql/repository/list_runs.sql");
        let runs = self.rows(sql, params![run], run_row)?;
        let Some(wanted) = run else {
            return Ok(History {
                runs,
                steps: Vec::new(),
            });
        };
        let [only] = runs.as_slice() else {
            return Err(match runs.len() {
                0 => Error::new(ErrorKind::NotFound, format!("There is no run \"{wanted}\""))
                    .hint("goe history lists the runs"),
                several => Error::usage(format!("{several} runs begin with \"{wanted}\""))
                    .hint("give more of the id"),
            });
        };
        let sql = include_str!("../../sql/repository/list_steps.sql");
        let steps = self.rows(sql, params![only.run], step_row)?;
        Ok(History { runs, steps })
    }

    /// Takes a target for a run. `above` is the fence in the target's record; the lease's is
    /// greater.
    ///
    /// # Errors
    /// Kind Locked while another run holds it, naming the run.
    pub fn lock(&self, target: &str, holder: &str, above: u64) -> Result<Lease> {
        let sql = include_str!("../../sql/repository/take_lock.sql");
        let seconds = Utc::now().timestamp();
        let parameters = params![
            target,
            holder,
            signed(above) + 1,
            seconds + lease_seconds(),
            seconds
        ];
        let fence: Option<i64> = statement()
            .and_then(|()| {
                let connection = self.connection();
                connection.query_row(sql, parameters, |row| row.get(0))
            })
            .optional()
            .map_err(|error| failed(&self.path, &error))?;
        match fence {
            Some(fence) => Ok(Lease {
                target: target.to_owned(),
                holder: holder.to_owned(),
                fence: u64::try_from(fence).unwrap_or_default(),
            }),
            None => Err(self.held(target)),
        }
    }

    fn held(&self, target: &str) -> Error {
        let sql = include_str!("../../sql/repository/show_lock.sql");
        let holder = self.connection().query_row(sql, params![target], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        let error = Error::new(ErrorKind::Locked, format!("Another run holds {target}"));
        match holder {
            Ok((run, expires)) => {
                let seconds = (expires - Utc::now().timestamp()).max(0);
                error.context("run", run).hint(format!(
                    "wait for it to end; if it died, its lease ends in {seconds} s"
                ))
            }
            Err(_) => error,
        }
    }

    /// Makes a lease hold longer.
    ///
    /// # Errors
    /// Kind Locked when it is another run's by now.
    pub fn renew(&self, lease: &Lease) -> Result<()> {
        let sql = include_str!("../../sql/repository/renew_lock.sql");
        let expires = Utc::now().timestamp() + lease_seconds();
        let changed = statement()
            .and_then(|()| {
                let connection = self.connection();
                connection.execute(sql, params![lease.target, lease.holder, expires])
            })
            .map_err(|error| failed(&self.path, &error))?;
        if changed == 1 {
            Ok(())
        } else {
            Err(self.held(&lease.target))
        }
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// Those of the file.
    pub fn free(&self, lease: &Lease) -> Result<()> {
        let sql = include_str!("../../sql/repository/free_lock.sql");
        self.execute(sql, params![lease.target, lease.holder])
    }

    /// Takes every lease that is over away from its holder: he can't renew it any more, so that
    /// what he left may be removed.
    ///
    /// # Errors
    /// Those of the file.
    pub fn end_expired(&self) -> Result<()> {
        let sql = include_str!("../../sql/repository/end_expired_locks.sql");
        self.execute(sql, params![Utc::now().timestamp()])
    }

    /// How often a lease wants to be renewed; well within its time.
    pub(crate) fn renewal(&self) -> Duration {
        Duration::from_millis(lease_seconds().unsigned_abs() * 250)
    }

    /// The runs that hold a target now.
    ///
    /// # Errors
    /// Those of the file.
    pub fn living(&self) -> Result<Vec<String>> {
        let sql = include_str!("../../sql/repository/living_runs.sql");
        self.rows(sql, params![Utc::now().timestamp()], |row| row.get(0))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A poisoned lock only means that another thread panicked between statements; each statement
    /// is a transaction of its own.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        match statement().and_then(|()| self.connection().execute(sql, parameters)) {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&self.path, &error)),
        }
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let connection = self.connection();
        let rows = statement()
            .and_then(|()| connection.prepare(sql))
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect());
        rows.map_err(|error| failed(&self.path, &error))
    }
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: row.get(0)?,
        offload: row.get(1)?,
        source: row.get(2)?,
        target: row.get(3)?,
        started: row.get(4)?,
        finished: row.get(5)?,
        status: row.get(6)?,
        rows: unsigned(row.get(7)?),
        bytes: unsigned(row.get(8)?),
        error: row.get(9)?,
    })
}

fn step_row(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    Ok(StepRow {
        step: row.get(0)?,
        chunk: row.get(1)?,
        started: row.get(2)?,
        millis: row.get::<_, Option<i64>>(3)?.map(unsigned),
        status: row.get(4)?,
    })
}

fn migrate(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| failed(path, &error);
    // Immediate: two processes that meet a new file migrate one after the other.
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    let migrated = (|| -> Result<()> {
        fault::point("migrate.begun")?;
        let done: usize = connection
            .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
            .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
            .map_err(failed)?;
        let Some(missing) = MIGRATIONS.get(done..) else {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "The repository {} was written by a later goe",
                    path.display()
                ),
            )
            .hint("use that version of goe, or another repository file"));
        };
        for migration in missing {
            statement().map_err(failed)?;
            connection.execute_batch(migration).map_err(failed)?;
            fault::point("migrate.applied")?;
        }
        connection
            .pragma_update(None, "user_version", signed(MIGRATIONS.len() as u64))
            .map_err(failed)
    })();
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    connection.execute_batch(end).map_err(failed)?;
    migrated?;
    fault::point("migrate.committed")
}

/// A statement is about to run; where a test asks for it, it fails as on a broken disk.
pub(super) fn statement() -> rusqlite::Result<()> {
    fault::call(Operation::Repository).map_err(|error| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
    })
}

pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> Error {
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
    Error::new(
        kind,
        format!("The repository {} failed: {error}", path.display()),
    )
    .hint(hint)
}

fn lease_seconds() -> i64 {
    let given = std::env::var("GOE_LEASE_SECONDS").ok();
    let given = given.and_then(|text| text.parse().ok());
    given
        .filter(|seconds| (2..=3600).contains(seconds))
        .unwrap_or(LEASE_SECONDS)
}

pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::open(&folder.path().join("goe.db")).unwrap();
        (folder, repository)
    }

    #[test]
    fn a_run_and_its_steps_are_remembered() {
        let (folder, repository) = new();
        repository.begin("r1", "o", "s", "t").unwrap();
        repository.begin_step("r1", 0, "stage", Some(1)).unwrap();
        repository.finish_step("r1", 0, 12, "done").unwrap();
        let ending = Ending {
            status: "published",
            rows: 3,
            bytes: 4,
            error: None,
        };
        repository.finish("r1", &ending).unwrap();
        drop(repository);

        let again = Repository::open(&folder.path().join("goe.db")).unwrap();
        let history = again.history(Some("r")).unwrap();
        assert_eq!(history.runs[0].status, "published");
        assert_eq!(history.steps[0].millis, Some(12));
        assert_eq!(
            again.history(Some("x")).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn one_run_holds_a_target_and_fences_grow() {
        let (_folder, repository) = new();
        let first = repository.lock("t", "r1", 7).unwrap();
        assert_eq!(first.fence, 8);
        assert_eq!(
            repository.lock("t", "r2", 0).unwrap_err().kind(),
            ErrorKind::Locked
        );
        repository.renew(&first).unwrap();
        assert_eq!(repository.living().unwrap(), ["r1"]);
        repository.free(&first).unwrap();
        let second = repository.lock("t", "r2", 0).unwrap();
        assert_eq!(second.fence, 9);
        assert_eq!(
            repository.renew(&first).unwrap_err().kind(),
            ErrorKind::Locked
        );
    }

    #[test]
    fn a_file_that_is_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goe.db");
        std::fs::write(
            &path,
            "not a database at all, but long enough to be read as one",
        )
        .unwrap();
        assert_eq!(
            Repository::open(&path).unwrap_err().kind(),
            ErrorKind::Config
        );
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .starts_with("not a database")
        );
    }

    #[test]
    fn a_later_form_is_refused() {
        let (folder, repository) = new();
        repository
            .connection()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        drop(repository);
        let error = Repository::open(&folder.path().join("goe.db")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
