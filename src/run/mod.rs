//! Doing: [`Runner::offload`] is the whole story in one function.

mod aggregates;
mod event;
mod interrupt;
mod journal;
mod lock;
mod outcome;
mod planning;
mod proof;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

pub use event::{Event, Unwatched, Watcher};
pub use interrupt::{Interrupt, Trigger};
pub use outcome::{Against, Outcome, Verification};

use crate::backend::{
    Backend, Mode, Publication, Published, Scope, StoredRecord, TargetDefinition,
};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{FrontendScan, Snapshot, pin};
use crate::offload::{Offload, Plan, Proof, PublishedChunk, Record, Step, Take, compare};
use crate::repository::Repository;
use crate::schema::{PartitionHashes, TableName};
use crate::staging::{Manifest, StageProgress, StageSpec};
use crate::systems::Connections;
use crate::transport;
use journal::Journal;
use lock::Held;

/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);

/// The one chunk of a run, as of now.
const CHUNK: u32 = 1;

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

/// What is held while a chunk is staged and published.
struct Prepared {
    held: Held,
    /// The plan's rows, bound to the snapshots.
    rows: LogicalPlan,
    snapshots: Vec<Arc<dyn Snapshot>>,
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
        let chunk = Some(CHUNK);
        let sides = journal
            .step(Step::Describe, None, self.describe(offload))
            .await?;
        let backend = sides.backend.as_ref();
        let plan = planning::decide(&self.engine, &sides, offload, take);
        let plan = journal.step(Step::Plan, None, plan).await?;
        self.tell_plan(journal, &plan);
        if let Some(why) = plan.nothing_to_do() {
            return Ok(Outcome::nothing(journal, &plan, why));
        }
        let prepared = self.prepare(journal, repository, &plan);
        let prepared = journal.step(Step::Prepare, None, prepared).await?;
        let manifest = self.stage(journal, backend, &plan, prepared.rows.clone());
        let manifest = journal.step(Step::Stage, chunk, manifest).await?;
        for changed in plan.changed_values()? {
            journal.note(changed);
        }
        let load = backend.load(&plan.definition, &manifest);
        journal.step(Step::Load, chunk, load).await?;
        let proof = self.prove(&plan, &manifest, &prepared, backend);
        let proof = journal.step(Step::Verify, chunk, proof).await?;
        let publish = self.publish(&plan, &manifest, &prepared, backend, repository);
        let published = journal.whole_step(Step::Publish, chunk, publish).await?;
        journal.tell(&Event::ChunkPublished {
            run: journal.run.clone(),
            chunk: CHUNK,
            rows: manifest.rows(),
            version: published.version.clone(),
        });
        Ok(Outcome::published(
            journal, &plan, &manifest, published, proof,
        ))
    }

    async fn describe(&self, offload: &Offload) -> Result<planning::Sides> {
        let backend = self.connections.backend(&offload.target().connection)?;
        planning::describe(&self.engine, backend, offload).await
    }

    fn tell_plan(&self, journal: &Journal, plan: &Plan) {
        journal.tell(&Event::Planned {
            run: journal.run.clone(),
            chunks: CHUNK,
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

    /// Takes the target and opens the snapshots.
    async fn prepare(
        &self,
        journal: &Journal,
        repository: &Arc<Repository>,
        plan: &Plan,
    ) -> Result<Prepared> {
        let target = plan.definition.name.to_string();
        let stored = plan
            .existing
            .as_ref()
            .and_then(|table| table.record.as_ref());
        let above = stored.map_or(0, |record| record.fence);
        let held = Held::take(repository, &target, &journal.run, above)?;
        let mut rows = plan.query.clone();
        let mut snapshots = Vec::new();
        for source in &plan.sources {
            let snapshot = source.snapshot(plan.offload().parallel()).await?;
            rows = pin(rows, source, &snapshot)?;
            snapshots.push(snapshot);
        }
        Ok(Prepared {
            held,
            rows,
            snapshots,
        })
    }

    /// Stages the rows, telling how far it is.
    async fn stage(
        &self,
        journal: &Journal,
        backend: &dyn Backend,
        plan: &Plan,
        rows: LogicalPlan,
    ) -> Result<Manifest> {
        let name = &plan.definition.name;
        let schema = plan.definition.schema();
        let progress = Arc::new(StageProgress::default());
        let spec = StageSpec {
            manifest: format!("{}-{CHUNK:04}", journal.run),
            place: backend.staging(&name.schema, &name.table)?,
            schema,
            partition_columns: positions(&plan.definition, &plan.definition.partition_columns),
            sort_columns: positions(&plan.definition, &plan.cluster_columns),
            partition_columns_in_files: backend.facts().partition_columns_in_files,
            sorted: plan.sorted,
            file_bytes: backend.facts().file_bytes,
            // The rest is for decoders, sorts, joins and the parts of uploads.
            memory: plan.offload().memory() / 4,
            progress: Arc::clone(&progress),
        };
        let mut work = pin!(transport::stage(&self.engine, rows, Arc::new(spec)));
        let mut tick = tokio::time::interval(TICK);
        loop {
            let done = tokio::select! {
                done = &mut work => Some(done),
                _ = tick.tick() => None,
            };
            journal.tell(&Event::Progress {
                run: journal.run.clone(),
                chunk: CHUNK,
                chunks: CHUNK,
                rows: progress.rows(),
                rows_expected: plan.rows_expected(),
                bytes: progress.bytes(),
            });
            if let Some(manifest) = done {
                return manifest;
            }
        }
    }

    async fn prove(
        &self,
        plan: &Plan,
        manifest: &Manifest,
        prepared: &Prepared,
        backend: &dyn Backend,
    ) -> Result<String> {
        let read = match prepared.snapshots.as_slice() {
            [snapshot] if plan.asks_source() => Some((
                Arc::clone(snapshot),
                self.source_filter(&prepared.rows).await?,
            )),
            _ => None,
        };
        let readers = plan.offload().parallel();
        proof::Chunk {
            plan,
            manifest,
            read,
            backend,
            readers,
        }
        .prove()
        .await
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

    async fn publish(
        &self,
        plan: &Plan,
        manifest: &Manifest,
        prepared: &Prepared,
        backend: &dyn Backend,
        repository: &Repository,
    ) -> Result<Published> {
        prepared.held.check()?;
        let chunk = manifest.hashes();
        let proof = Proof {
            total: self.total(plan, &chunk, backend).await?,
            chunk,
            columns: plan.definition.columns.clone(),
        };
        let stored = plan
            .existing
            .as_ref()
            .and_then(|table| table.record.as_ref());
        let record = StoredRecord {
            sequence: stored.map_or(1, |record| record.sequence + 1),
            fence: prepared.held.fence(),
            manifest: manifest.id.clone(),
            body: record(plan, manifest, prepared).body()?,
        };
        let published = backend
            .publish(&Publication {
                target: plan.definition.clone(),
                change: plan.change.clone(),
                manifest: manifest.clone(),
                mode: plan.mode.clone(),
                record: record.clone(),
                proof: serde_json::to_value(&proof)
                    .map_err(|error| Error::internal(error.to_string()))?,
            })
            .await?;
        // The target holds the truth; a mirror that can't be written is only a stale mirror.
        let _ = repository.mirror(&plan.definition.name.to_string(), &record);
        Ok(published)
    }

    /// The sums of the whole target once this chunk is in it.
    async fn total(
        &self,
        plan: &Plan,
        chunk: &PartitionHashes,
        backend: &dyn Backend,
    ) -> Result<PartitionHashes> {
        let mut total = match plan.mode {
            Mode::Append => self.stored_total(plan, backend).await?,
            _ => PartitionHashes::new(),
        };
        for (partition, hashes) in chunk {
            total.entry(partition.clone()).or_default().add(hashes);
        }
        Ok(total)
    }

    async fn stored_total(&self, plan: &Plan, backend: &dyn Backend) -> Result<PartitionHashes> {
        let stored = plan
            .existing
            .as_ref()
            .and_then(|table| table.record.as_ref());
        match stored {
            Some(record) => Ok(stored_proof(backend, &plan.definition.name, record)
                .await?
                .total),
            None => Ok(PartitionHashes::new()),
        }
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
                    planning::project_coverage(&sides, &offload, &record.coverage)?;
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

fn record(plan: &Plan, manifest: &Manifest, prepared: &Prepared) -> Record {
    let labels = prepared
        .snapshots
        .iter()
        .map(|snapshot| snapshot.facts().label.clone());
    let kept = plan.prior.as_ref().filter(|_| plan.mode == Mode::Append);
    Record::new(
        plan.offload().spec().clone(),
        plan.offload().fingerprint(),
        plan.window.coverage(),
        kept.map_or(0, |record| record.rows) + manifest.rows(),
        PublishedChunk {
            manifest: manifest.id.clone(),
            window: plan.window.to_string(),
            rows: manifest.rows(),
            snapshot: labels.collect::<Vec<_>>().join(", "),
        },
    )
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
