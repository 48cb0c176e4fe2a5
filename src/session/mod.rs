//! The SQL face: every connection is a catalog of one DataFusion session.
//!
//! `connection.schema.table` names a table of any system; a URL in quotes stands for a connection:
//! `"sqlite:shop.db".main.orders`. The schema `goe` holds what goe knows of itself.

mod catalog;
mod engine;
mod execute;
mod in_list;
mod knowledge;
mod memory;
mod preview;
mod project;

use std::sync::Arc;

use datafusion::prelude::{DataFrame, SessionContext};

pub use execute::Answer;
pub use project::{Defined, Project};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::OpenOptions;
use crate::offload::{Offload, Plan, Record, Take};
use crate::repository::{History, RunRow};
use crate::run::{
    Against, Changes, Finding, Interrupt, Outcome, Runner, Sweep, Unwatched, Verification, Watcher,
    filled_targets, plan_statement, remembered_targets,
};
use crate::schema::TableName;
use crate::systems::{Connections, Systems};
use engine::GoeOptions;
use knowledge::Knowledge;
use memory::Memory;

pub use preview::{PreviewExtent, Sample};

/// A run, and what takes it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// The run; its rows are those that it published so far.
    pub run: RunRow,
    /// Whether an offload of its name is defined, so that `RUN OFFLOAD` takes it up.
    pub defined: bool,
    /// Whether a later run to the same target ended well.
    pub followed: bool,
}

/// Whether a target as it was written is the one of this name.
fn names(written: &str, target: &str) -> bool {
    TableName::parse(written).is_ok_and(|name| name.to_string() == target)
}

/// A configuration at work. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Arc<Connections>,
    engine: SessionContext,
    memory: Arc<Memory>,
}

impl Session {
    /// A session over a configuration; nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the engine can't be set up.
    pub fn new(config: Config) -> Result<Self> {
        Self::with(Systems::default(), config)
    }

    /// The same with other systems than those of this build.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with(systems: Systems, config: Config) -> Result<Self> {
        let memory = Arc::new(Memory::new(config.repository().clone()));
        let connections = Arc::new(Connections::to(systems, config));
        let engine = engine::build(
            &connections,
            OpenOptions::default(),
            &engine::Limits::default(),
        )?;
        let knowledge = Knowledge {
            connections: Arc::clone(&connections),
            memory: Arc::clone(&memory),
        };
        engine::add_schema(&engine, "goe", Arc::new(knowledge))?;
        Ok(Self {
            inner: Arc::new(Inner {
                connections,
                engine,
                memory,
            }),
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.inner.connections.config()
    }

    /// The systems behind the connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.inner.connections
    }

    /// The engine, for everything that DataFusion can do.
    #[must_use]
    pub fn engine(&self) -> &SessionContext {
        &self.inner.engine
    }

    /// Plans one SQL statement over all connections.
    ///
    /// # Errors
    /// Kind Usage for text that does not parse or names what is not there, and whatever the
    /// systems say.
    pub async fn sql(&self, statement: &str) -> Result<DataFrame> {
        let engine = &self.inner.engine;
        let plan = match plan_statement(engine, statement).await {
            Ok(plan) => plan,
            Err(failed) => {
                return Err(catalog::refused_to_make(engine, statement).unwrap_or(failed));
            }
        };
        catalog::refuse_changes(engine, &plan)?;
        Ok(engine.execute_logical_plan(plan).await?)
    }

    /// Plans an offload; nothing is written.
    ///
    /// # Errors
    /// Every reason why the offload can't be.
    pub async fn plan(&self, offload: &Offload, take: &Take) -> Result<Plan> {
        self.runner(offload, Arc::new(Unwatched), Interrupt::never())?
            .plan(offload, take)
            .await
    }

    /// What has changed since an offload's target was filled last; nothing is written.
    ///
    /// # Errors
    /// As [`Runner::changes`].
    pub async fn changes(&self, offload: &Offload) -> Result<Changes> {
        self.runner(offload, Arc::new(Unwatched), Interrupt::never())?
            .changes(offload)
            .await
    }

    /// Runs an offload.
    ///
    /// # Errors
    /// As [`Runner::offload`].
    pub async fn offload(
        &self,
        offload: &Offload,
        take: &Take,
        watcher: Arc<dyn Watcher>,
        interrupt: Interrupt,
    ) -> Result<Outcome> {
        let repository = self.inner.memory.open()?;
        self.runner(offload, watcher, interrupt)?
            .offload(&repository, offload, take)
            .await
    }

    /// Gives a target that something else filled a record, once its rows are proved to be those of
    /// the source for which `window` is true, or all of them.
    ///
    /// # Errors
    /// As [`Runner::adopt`].
    pub async fn adopt(
        &self,
        offload: &Offload,
        window: Option<&str>,
        watcher: Arc<dyn Watcher>,
        interrupt: Interrupt,
    ) -> Result<Outcome> {
        let repository = self.memory().open()?;
        self.runner(offload, watcher, interrupt)?
            .adopt(&repository, offload, window)
            .await
    }

    /// Proves a published target.
    ///
    /// # Errors
    /// As [`Runner::verify`].
    pub async fn verify(
        &self,
        target: &TableName,
        against: &Against,
        watcher: Arc<dyn Watcher>,
        interrupt: Interrupt,
    ) -> Result<Verification> {
        let offload = self.recorded(target).await?;
        self.runner(&offload, watcher, interrupt)?
            .verify(target, against)
            .await
    }

    /// The offload that a target was filled by.
    async fn recorded(&self, target: &TableName) -> Result<Offload> {
        let backend = self.inner.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let stored = existing.and_then(|table| table.record).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{target} holds nothing that goe put there"),
            )
            .hint(format!(
                "goe tables {} lists the tables there",
                target.connection
            ))
        })?;
        Record::read(&stored.body)?.offload.validate()
    }

    /// The runs that this repository remembers; with the beginning of an id that run and its steps.
    ///
    /// # Errors
    /// As [`crate::repository::Repository::history`].
    pub fn history(&self, run: Option<&str>) -> Result<History> {
        self.inner.memory.open()?.history(run)
    }

    /// The runs that did not come to a good end, or all, with what is known of how to go on.
    ///
    /// # Errors
    /// As [`crate::repository::Repository::runs`].
    pub fn runs(&self, all: bool) -> Result<Vec<RunState>> {
        let repository = self.inner.memory.look()?;
        let (known, runs) = (repository.definitions()?, repository.runs()?);
        let is_defined = |run: &RunRow| {
            let mut known = known.iter();
            known.any(|known| known.name == run.offload && names(&known.spec.to, &run.target))
        };
        let states = runs.iter().enumerate().map(|(place, run)| RunState {
            run: run.clone(),
            defined: is_defined(run),
            followed: runs[place + 1..]
                .iter()
                .any(|later| later.is_done() && later.target == run.target),
        });
        let wanted =
            |state: &RunState| all || state.run.is_broken() || state.run.status == "running";
        Ok(states.filter(wanted).collect())
    }

    /// Gives up a run that came to no good end, and frees what it holds. What it was to cover and
    /// did not is not taken up by the next run; the error why not, where the target can't be told.
    ///
    /// # Errors
    /// As [`crate::repository::Repository::abandon`].
    pub async fn abandon(&self, run: &str) -> Result<(RunRow, Result<bool>)> {
        let repository = self.inner.memory.look()?;
        let found = repository.abandon(run)?;
        let target = TableName::parse(&found.target)?;
        let runner = self.plain_runner();
        let told = runner.give_up(&repository, &found.run, &target).await;
        Ok((found, told))
    }

    /// The files that dead runs left beside a target; with `remove` they are removed.
    ///
    /// # Errors
    /// As [`Runner::clean`].
    pub async fn clean(&self, target: &TableName, remove: bool, foreign: bool) -> Result<Sweep> {
        let repository = self.memory().open()?;
        let runner = self.plain_runner();
        runner.clean(&repository, target, remove, foreign).await
    }

    /// The targets that the repository remembers.
    ///
    /// # Errors
    /// Those of the repository.
    pub fn remembered(&self) -> Result<Vec<TableName>> {
        remembered_targets(self.memory().look()?.as_ref())
    }

    /// The targets of all configured connections that goe filled.
    ///
    /// # Errors
    /// Whatever a system says that can't be reached.
    pub async fn filled(&self) -> Result<Vec<TableName>> {
        let mut filled = Vec::new();
        for connection in self.config().connection_names() {
            // A connection that no table can reach has no targets.
            if let Ok(backend) = self.connections().backend(connection) {
                filled.extend(filled_targets(connection, &backend).await?);
            }
        }
        Ok(filled)
    }

    /// Where a target, what is remembered of it and the objects that are there disagree.
    ///
    /// # Errors
    /// As [`Runner::fsck`].
    pub async fn fsck(&self, target: &TableName) -> Result<Vec<Finding>> {
        let repository = self.memory().look()?;
        let runner = self.plain_runner();
        runner.fsck(&repository, target).await
    }

    /// Makes what is remembered of a target agree with it, and tells what was done.
    ///
    /// # Errors
    /// As [`Runner::repair`].
    pub async fn repair(&self, target: &TableName) -> Result<Vec<String>> {
        let repository = self.memory().open()?;
        let runner = self.plain_runner();
        runner.repair(&repository, target).await
    }

    /// A runner that reads no rows.
    fn plain_runner(&self) -> Runner {
        Runner {
            engine: self.inner.engine.clone(),
            connections: Arc::clone(&self.inner.connections),
            watcher: Arc::new(Unwatched),
            interrupt: Interrupt::never(),
        }
    }

    fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    fn runner(
        &self,
        offload: &Offload,
        watcher: Arc<dyn Watcher>,
        interrupt: Interrupt,
    ) -> Result<Runner> {
        let connections = Arc::clone(&self.inner.connections);
        let options = OpenOptions {
            read_as: offload.spec().read_as.clone(),
        };
        let limits = engine::Limits {
            workers: offload.parallel(),
            memory: offload.memory() / 2,
            rate: offload.spec().max_rate,
        };
        let engine = engine::build(&connections, options, &limits)?;
        Ok(Runner {
            engine,
            connections,
            watcher,
            interrupt,
        })
    }
}
