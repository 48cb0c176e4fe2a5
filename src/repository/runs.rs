//! The runs: how each began, what became of it, and which of them are left over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::engine::{Row, Statement};
use super::process::{self, Life};
use super::{Ending, History, Repository, RunRow, StepRow, now};
use crate::backend::StoredRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::nearest;

impl Repository {
    /// Begins a run.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin(&self, run: &str, offload: &str, source: &str, target: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/begin_run.sql");
        let words = [run, offload, source, target, &now(), process::own()];
        let statement = Statement::new(sql, words.map(Into::into));
        self.execute(statement).map(drop)
    }

    /// Ends a run.
    ///
    /// # Errors
    /// Those of the database.
    pub fn finish(&self, run: &str, ending: &Ending<'_>) -> Result<()> {
        let sql = include_str!("../../sql/repository/finish_run.sql");
        let values = [
            run.into(),
            now().as_str().into(),
            ending.status.into(),
            ending.rows.into(),
            ending.bytes.into(),
            ending.error.as_deref().into(),
        ];
        self.execute(Statement::new(sql, values)).map(drop)
    }

    /// Begins a step.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin_step(
        &self,
        run: &str,
        ordinal: u32,
        step: &str,
        chunk: Option<u32>,
    ) -> Result<()> {
        let sql = include_str!("../../sql/repository/begin_step.sql");
        let values = [
            run.into(),
            ordinal.into(),
            step.into(),
            chunk.into(),
            now().as_str().into(),
        ];
        self.execute(Statement::new(sql, values)).map(drop)
    }

    /// Ends a step.
    ///
    /// # Errors
    /// Those of the database.
    pub fn finish_step(&self, run: &str, ordinal: u32, millis: u64, status: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/finish_step.sql");
        let values = [run.into(), ordinal.into(), millis.into(), status.into()];
        self.execute(Statement::new(sql, values)).map(drop)
    }

    /// Keeps a copy of a target's record.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mirror(&self, target: &str, record: &StoredRecord) -> Result<()> {
        let sql = include_str!("../../sql/repository/mirror_record.sql");
        let values = [
            target.into(),
            record.sequence.into(),
            (&record.manifest).into(),
            record.body.to_string().as_str().into(),
            now().as_str().into(),
        ];
        self.execute(Statement::new(sql, values)).map(drop)
    }

    /// Forgets the copy of a target's record.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget(&self, target: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/forget_record.sql");
        self.execute(Statement::new(sql, [target.into()])).map(drop)
    }

    /// The runs; with the beginning of a run's id that run and its steps.
    ///
    /// # Errors
    /// Kind NotFound for a run that is not there, Usage for a beginning that several share.
    pub fn history(&self, run: Option<&str>) -> Result<History> {
        let Some(wanted) = run else {
            return Ok(History {
                runs: self.list(None)?,
                steps: Vec::new(),
            });
        };
        let only = self.only(wanted)?;
        let sql = include_str!("../../sql/repository/list_steps.sql");
        let steps = self.rows(Statement::new(sql, [only.run.as_str().into()]))?;
        Ok(History {
            runs: vec![only],
            steps: steps.iter().map(step_row).collect(),
        })
    }

    /// All runs, the earliest first; those that came to no good end with the rows and bytes of the
    /// chunks that they published.
    ///
    /// # Errors
    /// Those of the database.
    pub fn runs(&self) -> Result<Vec<RunRow>> {
        let mut runs = self.list(None)?;
        let sql = include_str!("../../sql/repository/sum_chunks.sql");
        let sums = self.rows(Statement::new(sql, []))?;
        let sums: BTreeMap<String, (u64, u64)> = sums
            .iter()
            .map(|row| (row.text(0), (row.unsigned(1), row.unsigned(2))))
            .collect();
        for run in &mut runs {
            if let Some((rows, bytes)) = sums.get(&run.run) {
                run.rows = run.rows.max(*rows);
                run.bytes = run.bytes.max(*bytes);
            }
        }
        Ok(runs)
    }

    /// Gives a run up that came to no good end, and frees what it holds. What it published stays.
    /// Gives it as it was before.
    ///
    /// # Errors
    /// Kind Locked while it is running, NotFound for a run that is not there, Usage for one that
    /// ended well.
    pub fn abandon(&self, run: &str) -> Result<RunRow> {
        let found = self.only(run)?;
        let with_rows = self.runs()?.into_iter().find(|run| run.run == found.run);
        let found = with_rows.unwrap_or(found);
        if found.status == "running" {
            let text = format!("Run {} is running", found.run);
            return Err(Error::new(ErrorKind::Locked, text)
                .hint("stop it first: an interrupt (Ctrl-C) ends it in order"));
        }
        if found.status == "abandoned" {
            return Ok(found);
        }
        if !found.is_broken() {
            let text = format!("Run {} ended well: {}", found.run, found.status);
            return Err(Error::usage(text).hint("goe runs lists those that did not"));
        }
        let sql = include_str!("../../sql/repository/abandon_run.sql");
        let values = [(&found.run).into(), now().as_str().into()];
        let free = include_str!("../../sql/repository/free_locks_of_run.sql");
        self.engine.execute(vec![
            Statement::new(sql, values),
            Statement::new(free, [(&found.run).into()]),
        ])?;
        Ok(found)
    }

    /// The run whose id begins so.
    fn only(&self, wanted: &str) -> Result<RunRow> {
        let mut runs = self.list(Some(wanted))?;
        match (runs.pop(), runs.len()) {
            (Some(only), 0) => Ok(only),
            (Some(_), others) => Err(Error::usage(format!(
                "{} runs begin with \"{wanted}\"",
                others + 1
            ))
            .hint("give more of the id")),
            (None, _) => Err(self.unknown(wanted)?),
        }
    }

    fn unknown(&self, wanted: &str) -> Result<Error> {
        let known = self.list(None)?;
        let length = wanted.len();
        let beginnings = known
            .iter()
            .map(|run| run.run.get(..length).unwrap_or(&run.run));
        let error = Error::new(ErrorKind::NotFound, format!("There is no run \"{wanted}\""));
        Ok(error.hint(match nearest(wanted, beginnings) {
            Some(near) => format!("did you mean \"{near}\"? goe history lists the runs"),
            None => "goe history lists the runs".to_owned(),
        }))
    }

    fn list(&self, beginning: Option<&str>) -> Result<Vec<RunRow>> {
        let sql = include_str!("../../sql/repository/list_runs.sql");
        let rows = self.rows(Statement::new(sql, [beginning.into()]))?;
        let mut runs: Vec<RunRow> = rows.iter().map(run_row).collect();
        let died = self.died()?;
        for run in runs.iter_mut().filter(|run| died.contains(&run.run)) {
            "died".clone_into(&mut run.status);
        }
        Ok(runs)
    }

    /// The runs that did not end and run no more.
    ///
    /// A process of this host tells itself. Of any other only its lease does; a run that began
    /// within the time of one may not have come so far as to hold its target.
    pub(super) fn died(&self) -> Result<BTreeSet<String>> {
        let sql = include_str!("../../sql/repository/running_runs.sql");
        let rows = self.rows(Statement::new(sql, []))?;
        let died = rows.iter().filter(|row| match process::life(&row.text(1)) {
            Life::Dead => true,
            Life::Living => false,
            Life::Unknown => row.number(3) == 0 && !self.just_began(&row.text(2)),
        });
        Ok(died.map(|row| row.text(0)).collect())
    }

    fn just_began(&self, started: &str) -> bool {
        let Ok(started) = DateTime::parse_from_rfc3339(started) else {
            return false;
        };
        let age = Utc::now().signed_duration_since(started);
        age.to_std().is_ok_and(|age| age < self.lease)
    }
}

fn run_row(row: &Row) -> RunRow {
    RunRow {
        run: row.text(0),
        offload: row.text(1),
        source: row.text(2),
        target: row.text(3),
        started: row.text(4),
        finished: row.optional_text(5).map(str::to_owned),
        status: row.text(6),
        rows: row.unsigned(7),
        bytes: row.unsigned(8),
        error: row.optional_text(9).map(str::to_owned),
    }
}

fn step_row(row: &Row) -> StepRow {
    let number = |column| row.optional_number(column);
    StepRow {
        step: row.text(0),
        chunk: number(1).and_then(|chunk| u32::try_from(chunk).ok()),
        started: row.text(2),
        millis: number(3).and_then(|millis| u64::try_from(millis).ok()),
        status: row.text(4),
    }
}
