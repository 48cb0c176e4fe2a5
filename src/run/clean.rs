//! Removing what dead runs left, and nothing that another run may still need.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::Runner;
use crate::backend::Orphan;
use crate::error::{ErrorKind, Result};
use crate::repository::Repository;
use crate::schema::TableName;

/// What became of a look for files that dead runs left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Sweep {
    /// The files that nothing needs.
    pub orphans: Vec<Orphan>,
    /// Files of runs that this repository does not know and that began a short while ago: another
    /// host, or another folder, may be at work.
    pub foreign: Vec<Orphan>,
    /// Files of runs that hold the target no more, yet whose processes may go on and publish them.
    pub asleep: Vec<Orphan>,
}

/// For how long a run of another repository may be at work.
const FOREIGN_RUN: Duration = Duration::from_secs(24 * 60 * 60);

impl Runner {
    /// The files that dead runs left beside a target; with `remove` they are removed. Files of runs
    /// that another repository may know to be at work are spared, unless `foreign` says that there
    /// is none.
    ///
    /// A run that lost its lease may have looked at it a moment before, and publish. So such runs
    /// are shut out by a new record in the target before their files go; where there is none yet,
    /// or another run holds the target, their files stay.
    ///
    /// # Errors
    /// Whatever the target's system says.
    pub async fn clean(
        &self,
        repository: &Arc<Repository>,
        target: &TableName,
        remove: bool,
        foreign: bool,
    ) -> Result<Sweep> {
        let backend = self.connections.backend(&target.connection)?;
        let (schema, table) = (&target.schema, &target.table);
        if remove {
            repository.end_expired()?;
        }
        let mut living = repository.living()?;
        let sleepers = repository.sleepers()?;
        let listed = backend.orphans(schema, table, &living, false).await?;
        let known: BTreeSet<String> = repository.runs()?.into_iter().map(|run| run.run).collect();
        let is_foreign = |run: &str| !foreign && !known.contains(run) && is_young(run);
        let (spared, rest): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|orphan| is_foreign(&orphan.run));
        let mut asleep: Vec<Orphan> = rest
            .into_iter()
            .filter(|orphan| sleepers.contains(&orphan.run))
            .collect();
        if asleep.is_empty() || !remove || self.is_shut(repository, target).await? {
            asleep.clear();
        }
        living.extend(
            spared
                .iter()
                .chain(&asleep)
                .map(|orphan| orphan.run.clone()),
        );
        Ok(Sweep {
            orphans: backend.orphans(schema, table, &living, remove).await?,
            foreign: spared,
            asleep,
        })
    }

    /// Whether no earlier run can publish to a target any more, after this.
    async fn is_shut(&self, repository: &Arc<Repository>, target: &TableName) -> Result<bool> {
        match self.shut_out(repository, target).await {
            Err(error) if error.kind() == ErrorKind::Locked => Ok(false),
            other => other,
        }
    }
}

/// Whether a run began so lately that it may be at work; its id tells when.
fn is_young(run: &str) -> bool {
    let began = Uuid::try_parse(run).ok().and_then(|id| id.get_timestamp());
    let Some((seconds, _)) = began.map(|began| began.to_unix()) else {
        return false;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| now < Duration::from_secs(seconds) + FOREIGN_RUN)
}
