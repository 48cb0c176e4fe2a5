//! The forms that the tables had, one after the other.
//!
//! Each migration is one transaction with the number that counts it, so a process that dies
//! leaves the form before it or the form after it; each engine lets one process migrate at a time.

use crate::error::{Error, ErrorKind, Result};

/// Applied in order; a database knows how many it has.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../sql/repository/0001_runs.sql"),
    include_str!("../../sql/repository/0002_chunks.sql"),
    include_str!("../../sql/repository/0003_processes.sql"),
];

/// The next migration of a database that has `done` of them.
pub(super) fn next(
    migrations: &[&'static str],
    done: i64,
    place: &str,
) -> Result<Option<&'static str>> {
    let count = migrations.len();
    match usize::try_from(done) {
        Ok(done) if done <= count => Ok(migrations.get(done).copied()),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!("The repository {place} was written by a later goe"),
        )
        .hint("use that version of goe, or another repository")),
    }
}
