//! One chunk: its rows staged from one snapshot, loaded, proved, and published with the record.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use datafusion::logical_expr::{LogicalPlan, lit};

use super::journal::Journal;
use super::lock::Held;
use super::verify::stored_proof;
use super::{Event, RowDifference, Runner, narrow, positions, proof};
use crate::backend::{Backend, Change, Mode, Publication, Published, StoredRecord, TargetColumn};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::frontend::{Snapshot, pin};
use crate::offload::{
    Coverage, FORMAT, Plan, PlannedChunk, Proof, PublishedChunk, Record, Region, Step,
};
use crate::repository::Repository;
use crate::schema::PartitionHashes;
use crate::staging::{Manifest, StageProgress, StageSpec};
use crate::transport;

/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);

/// A chunk at work.
pub(super) struct ChunkRun<'a> {
    pub(super) runner: &'a Runner,
    pub(super) journal: &'a Journal,
    pub(super) repository: &'a Repository,
    pub(super) backend: &'a dyn Backend,
    pub(super) plan: &'a Plan,
    pub(super) held: &'a Held,
    pub(super) chunk: &'a PlannedChunk,
    /// From 1.
    pub(super) number: u32,
    /// How many come after it, as far as is known.
    pub(super) following: u32,
    /// Whether nothing of the run is published yet.
    pub(super) first: bool,
    /// The record that stands in the target before it.
    pub(super) before: Option<StoredRecord>,
    /// What tells the source's rows apart; empty where nothing does.
    pub(super) keys: &'a [String],
    /// What is covered once it is published.
    pub(super) covered: Region,
}

/// What a chunk came to.
pub(super) struct Done {
    pub(super) manifest: Manifest,
    pub(super) published: Published,
    pub(super) proof: String,
    /// The record that stands in the target after it.
    pub(super) record: StoredRecord,
}

/// The rows of a chunk, bound to the snapshots that they are read from.
struct Opened {
    rows: LogicalPlan,
    snapshots: Vec<Arc<dyn Snapshot>>,
}

/// Rows that are staged, loaded and proved.
struct Proved {
    opened: Opened,
    manifest: Manifest,
    proof: String,
}

impl ChunkRun<'_> {
    /// Stage, Load, Verify, Publish; `None` when reading took longer than a snapshot may be held.
    ///
    /// What fails temporarily before the publish is done again from a new snapshot: that of a lost
    /// connection is gone. A publish is done again as it is; the second time changes nothing.
    pub(super) async fn run(self) -> Result<Option<Done>> {
        let journal = self.journal;
        let patience = self.plan.offload().patience();
        let attempts = AtomicU32::new(0);
        let prove = || self.stage_and_prove(attempts.fetch_add(1, Ordering::Relaxed));
        let proved = journal.patiently(self.number, patience, prove).await?;
        let Some(Proved {
            opened,
            manifest,
            proof,
        }) = proved
        else {
            return Ok(None);
        };
        let publish = || {
            let publish = self.publish(&manifest, &opened);
            journal.whole_step(Step::Publish, Some(self.number), publish)
        };
        let publish = journal.patiently_whole(self.number, patience, publish);
        let (published, record) = publish.await?;
        let window = self.chunk.rows.to_string();
        journal.chunk(self.number, &window, &manifest, &published, &proof);
        Ok(Some(Done {
            manifest,
            published,
            proof,
            record,
        }))
    }

    async fn stage_and_prove(&self, attempt: u32) -> Result<Option<Proved>> {
        let number = Some(self.number);
        let (journal, definition) = (self.journal, &self.plan.definition);
        let staged = journal.step(Step::Stage, number, self.open_and_stage(attempt));
        let Some((opened, manifest)) = staged.await? else {
            return Ok(None);
        };
        let load = self.backend.load(definition, &manifest);
        journal.step(Step::Load, number, load).await?;
        let proof = journal.step(Step::Verify, number, self.prove(&manifest, &opened));
        let proof = proof.await?;
        Ok(Some(Proved {
            opened,
            manifest,
            proof,
        }))
    }

    async fn open_and_stage(&self, attempt: u32) -> Result<Option<(Opened, Manifest)>> {
        let mut rows = self.chunk.query.clone();
        let mut snapshots = Vec::new();
        for source in &self.plan.sources {
            let snapshot = source.snapshot(self.plan.offload().parallel()).await?;
            rows = pin(rows, source, &snapshot)?;
            snapshots.push(snapshot);
        }
        fault::point("snapshot.opened")?;
        let staged = self.stage(rows.clone(), attempt);
        let manifest = match self.plan.offload().snapshot_age() {
            // What replaces rows does so in one commit: it can't be cut.
            Some(age) if self.plan.window.replaces.is_none() => {
                match tokio::time::timeout(age, staged).await {
                    Ok(manifest) => manifest?,
                    Err(_) => return Ok(None),
                }
            }
            _ => staged.await?,
        };
        Ok(Some((Opened { rows, snapshots }, manifest)))
    }

    /// Stages the rows, telling how far it is.
    async fn stage(&self, rows: LogicalPlan, attempt: u32) -> Result<Manifest> {
        let (plan, facts) = (self.plan, self.backend.facts());
        let name = &plan.definition.name;
        let progress = Arc::new(StageProgress::default());
        let spec = StageSpec {
            manifest: self.manifest_id(attempt),
            place: self.backend.staging(&name.schema, &name.table)?,
            schema: plan.definition.schema(),
            partition_columns: positions(&plan.definition, &plan.definition.partition_columns),
            sort_columns: positions(&plan.definition, &plan.cluster_columns),
            partition_columns_in_files: facts.partition_columns_in_files,
            sorted: plan.sorted,
            file_bytes: facts.file_bytes,
            memory: plan.offload().memory_of_writers(),
            progress: Arc::clone(&progress),
        };
        let mut work = pin!(transport::stage(&self.runner.engine, rows, Arc::new(spec)));
        let mut tick = tokio::time::interval(TICK);
        loop {
            let done = tokio::select! {
                done = &mut work => Some(done),
                _ = tick.tick() => None,
            };
            self.journal.tell(&Event::Progress {
                run: self.journal.run.clone(),
                chunk: self.number,
                chunks: self.number + self.following,
                rows: progress.rows(),
                rows_expected: plan.rows_expected(),
                bytes: progress.bytes(),
            });
            if let Some(manifest) = done {
                return manifest;
            }
        }
    }

    /// The files of an attempt that failed are never those of another one.
    fn manifest_id(&self, attempt: u32) -> String {
        let id = format!("{}-{:04}", self.journal.run, self.number);
        match attempt {
            0 => id,
            again => format!("{id}r{again}"),
        }
    }

    /// Proves the chunk; an error of kind Verify names the first rows that differ.
    async fn prove(&self, manifest: &Manifest, opened: &Opened) -> Result<String> {
        match self.compare(manifest, opened).await {
            Err(error) if error.kind() == ErrorKind::Verify => {
                // Which rows differ is a help; that they do is known already.
                let rows = self.rows_that_differ(manifest, opened).await;
                let rows = rows.unwrap_or_default().into_iter();
                Err(rows.fold(error, |error, row| {
                    error.context("row", format!("{} {}", row.key, row.detail))
                }))
            }
            proved => proved,
        }
    }

    async fn rows_that_differ(
        &self,
        manifest: &Manifest,
        opened: &Opened,
    ) -> Result<Vec<RowDifference>> {
        let (engine, definition) = (&self.runner.engine, &self.plan.definition);
        let mut snapshots = opened.snapshots.iter();
        if snapshots.any(|snapshot| snapshot.facts().mixed.is_some()) {
            return Ok(Vec::new());
        }
        let staged = self.backend.staged(definition, manifest).await?;
        let staged = proof::rows_of(engine, staged, definition, lit(true))?;
        let sides = narrow::Sides {
            engine,
            schema: definition.schema(),
            source: &opened.rows,
            target: staged.logical_plan(),
            keys: self.keys,
        };
        sides.rows_that_differ().await
    }

    async fn compare(&self, manifest: &Manifest, opened: &Opened) -> Result<String> {
        let read = match opened.snapshots.as_slice() {
            [snapshot] if self.chunk.asks_source => Some((
                Arc::clone(snapshot),
                self.runner.source_filter(&opened.rows).await?,
            )),
            _ => None,
        };
        proof::Chunk {
            plan: self.plan,
            manifest,
            read,
            backend: self.backend,
            readers: self.plan.offload().parallel(),
        }
        .prove()
        .await
    }

    async fn publish(
        &self,
        manifest: &Manifest,
        opened: &Opened,
    ) -> Result<(Published, StoredRecord)> {
        self.held.check()?;
        fault::point("lock.checked")?;
        let gone = self.gone().await?;
        let chunk = manifest.hashes();
        let proof = Proof {
            total: self.total(&chunk, &gone).await?,
            chunk,
            columns: self.plan.definition.columns.clone(),
        };
        let record = StoredRecord {
            sequence: self.before.as_ref().map_or(1, |record| record.sequence + 1),
            fence: self.held.fence(),
            manifest: manifest.id.clone(),
            body: self.record(manifest, opened, &gone)?.body()?,
        };
        let published = self
            .backend
            .publish(&Publication {
                target: self.plan.definition.clone(),
                change: if self.first {
                    self.plan.change.clone()
                } else {
                    Change::None
                },
                manifest: manifest.clone(),
                mode: self.mode(),
                record: record.clone(),
                proof: serde_json::to_value(&proof)
                    .map_err(|error| Error::internal(error.to_string()))?,
            })
            .await?;
        fault::point("publish.unheard")?;
        // The target holds the truth; a mirror that can't be written is only a stale mirror.
        let target = self.plan.definition.name.to_string();
        let _ = self.repository.mirror(&target, &record);
        fault::point("record.mirrored")?;
        Ok((published, record))
    }

    /// A run that replaces everything does so with its first chunk; the others add to it.
    fn mode(&self) -> Mode {
        match &self.plan.mode {
            Mode::ReplaceAll if !self.first => Mode::Append,
            mode => mode.clone(),
        }
    }

    /// The sums of the rows that go from the target, where only some do.
    async fn gone(&self) -> Result<PartitionHashes> {
        match self.mode() {
            Mode::ReplaceWhere(predicate) => {
                let definition = &self.plan.definition;
                proof::hash_target(&self.runner.engine, self.backend, definition, predicate).await
            }
            Mode::Append | Mode::ReplaceAll => Ok(PartitionHashes::new()),
        }
    }

    /// The sums of what the target holds.
    async fn held(&self, record: &StoredRecord) -> Result<PartitionHashes> {
        let definition = &self.plan.definition;
        let proof = stored_proof(self.backend, &definition.name, record).await?;
        let names = |columns: &[TargetColumn]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        if names(&proof.columns) == names(&definition.columns) {
            return Ok(proof.total);
        }
        // A row's hash is over all of its columns, and there are others now.
        proof::hash_target(&self.runner.engine, self.backend, definition, lit(true)).await
    }

    /// The sums of the whole target once this chunk is in it.
    async fn total(
        &self,
        chunk: &PartitionHashes,
        gone: &PartitionHashes,
    ) -> Result<PartitionHashes> {
        let mut total = match (&self.mode(), &self.before) {
            (Mode::ReplaceAll, _) | (_, None) => PartitionHashes::new(),
            (_, Some(record)) => self.held(record).await?,
        };
        for (partition, hashes) in gone {
            total.entry(partition.clone()).or_default().subtract(hashes);
        }
        for (partition, hashes) in chunk {
            total.entry(partition.clone()).or_default().add(hashes);
        }
        total.retain(|_, hashes| hashes.rows > 0);
        Ok(total)
    }

    fn record(
        &self,
        manifest: &Manifest,
        opened: &Opened,
        gone: &PartitionHashes,
    ) -> Result<Record> {
        let labels = opened
            .snapshots
            .iter()
            .map(|snapshot| snapshot.facts().label.clone());
        let held = match (&self.mode(), &self.before) {
            (Mode::ReplaceAll, _) | (_, None) => 0,
            (_, Some(record)) => Record::read(&record.body)?.rows,
        };
        let removed: u64 = gone.values().map(|hashes| hashes.rows).sum();
        let wanted = if self.following == 0 {
            Region::none()
        } else {
            self.plan.window.after.clone()
        };
        Ok(Record {
            format: FORMAT,
            offload: self.plan.offload().spec().clone(),
            fingerprint: self.plan.offload().fingerprint(),
            coverage: Coverage::of(&self.covered)?,
            wanted: Coverage::of(&wanted)?,
            keys: self.plan.keys.clone(),
            filled_by: self.plan.filled_by,
            rows: held.saturating_sub(removed) + manifest.rows(),
            chunk: PublishedChunk {
                manifest: manifest.id.clone(),
                window: self.chunk.rows.to_string(),
                rows: manifest.rows(),
                snapshot: labels.collect::<Vec<_>>().join(", "),
            },
        })
    }
}
