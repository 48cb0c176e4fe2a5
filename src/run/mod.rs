//! Doing: [`Runner::offload`] is the whole story in one function.
#![doc = include_str!("README.md")]

mod adopt;
mod aggregates;
mod chunk;
mod clean;
mod difference;
mod event;
mod fsck;
mod identifier;
mod interrupt;
mod journal;
mod loaded;
mod lock;
mod narrow;
mod outcome;
mod planning;
mod proof;
mod restate;
mod retry;
mod verify;

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

pub use clean::Sweep;
pub use difference::Changes;
pub use event::{Event, Unwatched, Watcher};
pub use fsck::Finding;
pub(crate) use fsck::{filled_targets, remembered_targets};
pub(crate) use identifier::plan_statement;
pub use interrupt::{Interrupt, Trigger};
pub use narrow::RowDifference;
pub use outcome::{Against, Outcome, Verification};

use crate::backend::TargetDefinition;
use crate::error::{Error, Result};
use crate::frontend::FrontendScan;
use crate::offload::{Offload, Plan, PlannedChunk, Region, Step, Take};
use crate::repository::Repository;
use crate::systems::Connections;
use chunk::ChunkRun;
use journal::Journal;
use lock::Held;

/// Runs offloads and proofs.
pub struct Runner {
    /// The engine, whose catalogs are the connections.
    pub engine: SessionContext,
    /// The systems.
    pub connections: Arc<Connections>,
    /// Sees what happens.
    pub watcher: Arc<dyn Watcher>,
    /// A person's wish to stop.
    pub interrupt: Interrupt,
}

impl Runner {
    /// Plans an offload; nothing is written.
    ///
    /// # Errors
    /// Whatever either system says, and every reason why the offload can't be.
    pub async fn plan(&self, offload: &Offload, take: &Take) -> Result<Plan> {
        let sides = self.describe(offload).await?;
        planning::decide(&self.engine, &sides, offload, take).await
    }

    /// Runs an offload from its request to its record: Describe, Plan, Prepare, Stage, Load,
    /// Verify, Publish.
    ///
    /// # Errors
    /// Whatever either system says. Until the publish nothing is visible, whatever happens.
    pub async fn offload(
        &self,
        repository: &Arc<Repository>,
        offload: &Offload,
        take: &Take,
    ) -> Result<Outcome> {
        let interrupt = self.interrupt.clone();
        let journal = Journal::begin(repository, &self.watcher, interrupt, offload)?;
        let result = self.steps(&journal, repository, offload, take).await;
        journal.finish(result)
    }

    async fn steps(
        &self,
        journal: &Journal,
        repository: &Arc<Repository>,
        offload: &Offload,
        take: &Take,
    ) -> Result<Outcome> {
        let sides = journal
            .step(Step::Describe, None, self.describe(offload))
            .await?;
        let plan = planning::decide(&self.engine, &sides, offload, take);
        let plan = journal.step(Step::Plan, None, plan).await?;
        if let Some(why) = plan.nothing_to_do() {
            return Ok(Outcome::nothing(journal, &plan, why));
        }
        self.tell_plan(journal, &plan);
        let held = async { Held::take(repository, &plan, &journal.run) };
        let held = journal.step(Step::Prepare, None, held).await?;
        let keys = planning::key_of(&sides).unwrap_or_default();
        let mut outcome = Outcome::begun(journal, &plan);
        let mut before = plan.stored_record().cloned();
        let mut taken = Region::none();
        let mut waiting: VecDeque<PlannedChunk> = plan.chunks.iter().cloned().collect();
        let mut number = 0;
        while let Some(chunk) = waiting.pop_front() {
            number += 1;
            let with_it = taken.union(&chunk.rows)?;
            let run = ChunkRun {
                runner: self,
                journal,
                repository,
                backend: sides.backend.as_ref(),
                plan: &plan,
                held: &held,
                chunk: &chunk,
                number,
                following: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
                first: outcome.chunks == 0,
                before: before.clone(),
                keys: &keys,
                covered: if waiting.is_empty() {
                    plan.window.after.clone()
                } else {
                    plan.window.after_some(&with_it)?
                },
            };
            if let Some(done) = run.run().await? {
                outcome.add(&done);
                before = Some(done.record);
                taken = with_it;
                continue;
            }
            let halves = planning::halve(&self.engine, &sides, offload, &chunk).await?;
            let [lower, upper] = halves.ok_or_else(|| outlived(offload, &chunk))?;
            journal.note(format!(
                "chunk {number} took longer than a snapshot may be held; it is cut in two"
            ));
            waiting.push_front(upper);
            waiting.push_front(lower);
        }
        for changed in plan.changed_values()? {
            journal.note(changed);
        }
        Ok(outcome.ended(journal))
    }

    async fn describe(&self, offload: &Offload) -> Result<planning::Sides> {
        let backend = self.connections.backend(&offload.target().connection)?;
        planning::describe(&self.engine, backend, offload).await
    }

    fn tell_plan(&self, journal: &Journal, plan: &Plan) {
        journal.tell(&Event::Planned {
            run: journal.run.clone(),
            chunks: plan.chunk_count(),
            rows: plan.rows_expected(),
            bytes: plan.bytes_expected(),
        });
        for note in &plan.notes {
            journal.note(note.as_str());
        }
        for reading in plan
            .readings
            .iter()
            .filter_map(|reading| reading.mixed.as_ref())
        {
            journal.note(format!("the splits do not read one state: {reading}"));
        }
    }

    /// The filter that the source applied to the rows that were staged.
    async fn source_filter(&self, rows: &LogicalPlan) -> Result<Option<String>> {
        let physical = self.engine.state().create_physical_plan(rows).await?;
        let mut scans = Vec::new();
        planning::collect_scans(&physical, &mut scans);
        let scan = scans
            .first()
            .and_then(|plan| plan.downcast_ref::<FrontendScan>());
        Ok(scan.and_then(FrontendScan::filter))
    }
}

/// A chunk that can't be cut took longer than its snapshot may be held.
fn outlived(offload: &Offload, chunk: &PlannedChunk) -> Error {
    Error::unsupported(format!(
        "The rows of {} where {} can't be read from a snapshot of {} s, and not be cut smaller",
        offload
            .source()
            .map_or_else(|| "the query".to_owned(), ToString::to_string),
        chunk.rows,
        offload.snapshot_age().unwrap_or_default().as_secs()
    ))
    .hint("raise --max-snapshot-seconds, or name a column to cut by with --chunk-by")
}

fn positions(definition: &TargetDefinition, names: &[String]) -> Vec<usize> {
    let position = |name: &String| {
        definition
            .columns
            .iter()
            .position(|column| column.name == *name)
    };
    names.iter().filter_map(position).collect()
}
