//! Doing: [`Runner::offload`] is the whole story in one function.

mod adopt;
mod aggregates;
mod chunk;
mod difference;
mod event;
mod identifier;
mod interrupt;
mod journal;
mod lock;
mod outcome;
mod planning;
mod proof;
mod verify;

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

pub use difference::Changes;
pub use event::{Event, Unwatched, Watcher};
pub(crate) use identifier::plan_statement;
pub use interrupt::{Interrupt, Trigger};
pub use outcome::{Against, Outcome, Verification};

use crate::backend::TargetDefinition;
use crate::error::Result;
use crate::frontend::FrontendScan;
use crate::offload::{Offload, Plan, Region, Step, Take};
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
        let mut outcome = Outcome::begun(journal, &plan);
        let mut before = plan.stored_record().cloned();
        let mut taken = Region::none();
        for (number, chunk) in (1..).zip(&plan.chunks) {
            taken = taken.union(&chunk.rows)?;
            let run = ChunkRun {
                runner: self,
                journal,
                repository,
                backend: sides.backend.as_ref(),
                plan: &plan,
                held: &held,
                chunk,
                number,
                before,
                covered: if number == plan.chunk_count() {
                    plan.window.after.clone()
                } else {
                    plan.window.after_some(&taken)?
                },
            };
            let done = run.run().await?;
            outcome.add(&done);
            before = Some(done.record);
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

fn positions(definition: &TargetDefinition, names: &[String]) -> Vec<usize> {
    let position = |name: &String| {
        definition
            .columns
            .iter()
            .position(|column| column.name == *name)
    };
    names.iter().filter_map(position).collect()
}
