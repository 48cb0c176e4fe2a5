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

use std::sync::Arc;
use std::time::Instant;

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

pub use difference::Changes;
pub use event::{Event, Unwatched, Watcher};
pub(crate) use identifier::plan_statement;
pub use interrupt::{Interrupt, Trigger};
pub use outcome::{Against, Outcome, Verification};

use crate::backend::{Backend, Scope, StoredRecord, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::FrontendScan;
use crate::offload::{Offload, Plan, Proof, Record, Region, Step, Take, compare};
use crate::repository::Repository;
use crate::schema::{PartitionHashes, TableName};
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
        self.tell_plan(journal, &plan);
        if let Some(why) = plan.nothing_to_do() {
            return Ok(Outcome::nothing(journal, &plan, why));
        }
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

    /// Proves a published target: against its source as it is now, or against the sums that were
    /// stored when its rows were published.
    ///
    /// # Errors
    /// Kind NotFound when there is no such target or goe did not fill it. A difference is no error
    /// here: it is in the outcome.
    pub async fn verify(&self, target: &TableName, against: Against) -> Result<Verification> {
        self.interrupt.or(self.compare_sides(target, against)).await
    }

    async fn compare_sides(&self, target: &TableName, against: Against) -> Result<Verification> {
        let began = Instant::now();
        let backend = self.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let recorded = existing.and_then(|table| Some((table.record?, table.partition_columns)));
        let (stored, partition_columns) = recorded.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{target} holds nothing that goe put there"),
            )
            .hint("goe tables CONNECTION lists the tables of a connection")
        })?;
        let record = Record::read(&stored.body)?;
        let offload = record.offload.validate()?;
        let (definition, source) = match against {
            Against::Source => {
                let sides =
                    planning::describe(&self.engine, Arc::clone(&backend), &offload).await?;
                let (query, mapped) =
                    planning::project_coverage(&self.engine, &sides, &offload, &record)?;
                let definition = mapped.definition;
                let positions = positions(&definition, &definition.partition_columns);
                let schema = definition.schema();
                let sums = proof::hash_query(&self.engine, &query, schema, positions).await?;
                (definition, sums)
            }
            // Needs no source: it may be gone.
            Against::Stored => {
                let proof = stored_proof(backend.as_ref(), target, &stored).await?;
                let (name, columns) = (target.clone(), proof.columns);
                let definition = TargetDefinition {
                    name,
                    columns,
                    partition_columns,
                    comment: None,
                };
                (definition, proof.total)
            }
        };
        let columns: Vec<String> = definition.columns.iter().map(|c| c.name.clone()).collect();
        let readers = offload.parallel();
        let found = backend
            .hashes(&definition, Scope::Published, readers)
            .await?;
        let rows = |sums: &PartitionHashes| sums.values().map(|hashes| hashes.rows).sum();
        Ok(Verification {
            target: target.clone(),
            against: against.words(&record),
            source_rows: rows(&source),
            target_rows: rows(&found),
            differences: compare(&source, &found, &columns),
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

async fn stored_proof(
    backend: &dyn Backend,
    name: &TableName,
    record: &StoredRecord,
) -> Result<Proof> {
    let kept = backend.proof(&name.schema, &name.table, record).await?;
    let kept = kept.ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("The stored proof of {name} is gone"),
        )
        .hint("prove it against its source with goe verify; --reset makes it anew")
    })?;
    serde_json::from_value(kept).map_err(|error| {
        Error::internal(format!(
            "The stored proof of {name} does not parse: {error}"
        ))
    })
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
