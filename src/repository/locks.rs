//! Who holds a target: one run at a time, each with a greater fence than the one before.

use std::collections::BTreeSet;

use super::engine::Statement;
use super::process::{self, Life};
use super::{Repository, Row};
use crate::error::{Error, ErrorKind, Result};

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

/// A lock as it stands.
struct Holder {
    run: String,
    fence: u64,
    /// Until its lease ends; below zero when it has.
    seconds: i64,
    process: String,
}

impl Repository {
    /// Takes a target for a run. `above` is the fence in the target's record; the lease's is
    /// greater. A holder whose process is known to be dead holds it no more.
    ///
    /// # Errors
    /// Kind Locked while another run holds it, naming the run.
    pub fn lock(&self, target: &str, holder: &str, above: u64) -> Result<Lease> {
        if let Some(lease) = self.take(target, holder, above)? {
            return Ok(lease);
        }
        let found = self.holder(target)?;
        let dead = |found: &&Holder| process::life(&found.process) == Life::Dead;
        if let Some(dead) = found.as_ref().filter(dead) {
            // Another one may have been quicker and be living: only this very lease ends.
            self.end(target, &dead.run, dead.fence)?;
            if let Some(lease) = self.take(target, holder, above)? {
                return Ok(lease);
            }
            return Err(held(target, self.holder(target)?));
        }
        Err(held(target, found))
    }

    fn take(&self, target: &str, holder: &str, above: u64) -> Result<Option<Lease>> {
        let sql = include_str!("../../sql/repository/take_lock.sql");
        let values = [
            target.into(),
            holder.into(),
            above.saturating_add(1).into(),
            self.lease.as_secs().into(),
            process::own().into(),
        ];
        let rows = self.rows(Statement::new(sql, values))?;
        Ok(rows.first().map(|row| Lease {
            target: target.to_owned(),
            holder: holder.to_owned(),
            fence: row.unsigned(0),
        }))
    }

    fn holder(&self, target: &str) -> Result<Option<Holder>> {
        let sql = include_str!("../../sql/repository/show_lock.sql");
        let rows = self.rows(Statement::new(sql, [target.into()]))?;
        Ok(rows.first().map(|row| Holder {
            run: row.text(0),
            fence: row.unsigned(1),
            seconds: row.number(2),
            process: row.text(3),
        }))
    }

    /// Ends a lease if it is still the one that holds.
    fn end(&self, target: &str, holder: &str, fence: u64) -> Result<()> {
        let sql = include_str!("../../sql/repository/free_lock.sql");
        let values = [target.into(), holder.into(), fence.into()];
        self.execute(Statement::new(sql, values)).map(drop)
    }

    /// Makes a lease hold longer.
    ///
    /// # Errors
    /// Kind Locked when it is another run's by now, or was given back.
    pub fn renew(&self, lease: &Lease) -> Result<()> {
        let sql = include_str!("../../sql/repository/renew_lock.sql");
        let values = [
            (&lease.target).into(),
            (&lease.holder).into(),
            lease.fence.into(),
            self.lease.as_secs().into(),
        ];
        if self.execute(Statement::new(sql, values))? == 1 {
            return Ok(());
        }
        let found = self.holder(&lease.target)?;
        Err(held(
            &lease.target,
            found.filter(|found| found.run != lease.holder),
        ))
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// Those of the database.
    pub fn free(&self, lease: &Lease) -> Result<()> {
        self.end(&lease.target, &lease.holder, lease.fence)
    }

    /// Takes every lease that is over away from its holder: he can't renew it any more, so that
    /// what he left may be removed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn end_expired(&self) -> Result<()> {
        let sql = include_str!("../../sql/repository/end_expired_locks.sql");
        self.execute(Statement::new(sql, [])).map(drop)
    }

    /// The runs that hold a target now, those whose processes are known to be dead left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn living(&self) -> Result<Vec<String>> {
        let sql = include_str!("../../sql/repository/living_runs.sql");
        let rows = self.rows(Statement::new(sql, []))?;
        let living = |row: &&Row| process::life(&row.text(1)) != Life::Dead;
        Ok(rows.iter().filter(living).map(|row| row.text(0)).collect())
    }

    /// The runs that have not ended and hold nothing now, those whose processes are known to be dead
    /// left out: stopped ones may go on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sleepers(&self) -> Result<BTreeSet<String>> {
        let sql = include_str!("../../sql/repository/running_runs.sql");
        let rows = self.rows(Statement::new(sql, []))?;
        let asleep = |row: &&Row| row.number(3) == 0 && process::life(&row.text(1)) != Life::Dead;
        Ok(rows.iter().filter(asleep).map(|row| row.text(0)).collect())
    }
}

/// Why a target can't be had.
fn held(target: &str, holder: Option<Holder>) -> Error {
    let Some(holder) = holder else {
        let text = format!("This run does not hold {target} any more");
        return Error::new(ErrorKind::Locked, text)
            .hint("its lease was taken away or ended; run the same command again");
    };
    let seconds = holder.seconds.max(0);
    Error::new(ErrorKind::Locked, format!("Another run holds {target}"))
        .context("run", holder.run)
        .hint(format!(
            "wait for it to end; if it died, its lease ends in {seconds} s"
        ))
}
