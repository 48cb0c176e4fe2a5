//! Systems that break one promise each, to prove that the suites notice.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{SinkExt, StreamExt, TryStreamExt};
use goe::backend::{
    Backend, BackendFacts, Change, Checked, LoadedAggregates, Mode, Orphan, Publication, Published,
    Scope, StagingPlace, StoredRecord, TargetDefinition, TargetTable,
};
use goe::frontend::{
    BatchLimits, Dialect, Frontend, FrontendFacts, OpenOptions, Probe, ReadRequest, Snapshot,
    SnapshotFacts, Source, SourceTable, Split, Splits, TableEntry, TypeMap,
};
use goe::schema::PartitionHashes;
use goe::staging::Manifest;
use goe::{ErrorKind, Result};

/// What a frontend does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontendFault {
    LosesARow,
    SplitsOverlap,
    IgnoresFilters,
    FilterDropsARow,
    ReadsOn,
    SeesLaterRows,
    LargeBatches,
    NoConflict,
    ForgetsItsState,
}

#[derive(Debug)]
pub struct BrokenFrontend {
    sound: Arc<dyn Frontend>,
    fault: FrontendFault,
}

impl BrokenFrontend {
    pub fn new(sound: Arc<dyn Frontend>, fault: FrontendFault) -> Self {
        Self { sound, fault }
    }
}

#[async_trait]
impl Frontend for BrokenFrontend {
    fn facts(&self) -> &FrontendFacts {
        self.sound.facts()
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        self.sound.dialect()
    }

    fn types(&self) -> &dyn TypeMap {
        self.sound.types()
    }

    async fn probe(&self) -> Result<Probe> {
        self.sound.probe().await
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        self.sound.tables().await
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        let sound = self.sound.open(schema, table, options).await?;
        let first = sound.snapshot(1).await?;
        Ok(Arc::new(BrokenSource {
            sound,
            first,
            fault: self.fault,
        }))
    }
}

#[derive(Debug)]
struct BrokenSource {
    sound: Arc<dyn Source>,
    /// What was there when it was described.
    first: Arc<dyn Snapshot>,
    fault: FrontendFault,
}

#[async_trait]
impl Source for BrokenSource {
    fn table(&self) -> &SourceTable {
        self.sound.table()
    }

    async fn splits(&self, bytes: u64) -> Result<Splits> {
        let mut splits = self.sound.splits(bytes).await?;
        if self.fault == FrontendFault::SplitsOverlap && bytes < u64::MAX {
            splits.list.extend(splits.list.clone());
        }
        Ok(splits)
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let sound = match self.sound.snapshot(readers).await {
            Err(error)
                if self.fault == FrontendFault::NoConflict
                    && error.kind() == ErrorKind::Conflict =>
            {
                Arc::clone(&self.first)
            }
            sound => sound?,
        };
        let mut facts = sound.facts().clone();
        facts.again |= self.fault == FrontendFault::ForgetsItsState;
        Ok(Arc::new(BrokenSnapshot {
            source: Arc::clone(&self.sound),
            facts,
            sound,
            fault: self.fault,
        }))
    }
}

#[derive(Debug)]
struct BrokenSnapshot {
    source: Arc<dyn Source>,
    facts: SnapshotFacts,
    sound: Arc<dyn Snapshot>,
    fault: FrontendFault,
}

#[async_trait]
impl Snapshot for BrokenSnapshot {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let mut request = request.clone();
        match self.fault {
            FrontendFault::LosesARow => {
                self.without_a_row(self.sound.read(split, &request).await?)
                    .await
            }
            FrontendFault::FilterDropsARow if request.filter.is_some() => {
                self.without_a_row(self.sound.read(split, &request).await?)
                    .await
            }
            FrontendFault::IgnoresFilters => {
                request.filter = None;
                self.sound.read(split, &request).await
            }
            FrontendFault::LargeBatches => {
                request.batch = BatchLimits::default();
                self.sound.read(split, &request).await
            }
            FrontendFault::SeesLaterRows => {
                let later = self.source.snapshot(1).await?;
                later.read(split, &request).await
            }
            FrontendFault::ReadsOn => Ok(reads_on(self.sound.read(split, &request).await?)),
            _ => self.sound.read(split, &request).await,
        }
    }
}

impl BrokenSnapshot {
    async fn without_a_row(
        &self,
        rows: SendableRecordBatchStream,
    ) -> Result<SendableRecordBatchStream> {
        let schema = rows.schema();
        let batches: Vec<RecordBatch> = rows.try_collect().await?;
        let whole = concat_batches(&schema, &batches)?;
        let fewer = whole.slice(0, whole.num_rows().saturating_sub(1));
        let rows = futures::stream::iter([Ok(fewer)]);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// A stream whose source is read to its end, whoever listens.
fn reads_on(mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let (mut sender, receiver) = futures::channel::mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(batch) = rows.next().await {
            if sender.send(batch).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, receiver))
}

/// What a backend does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendFault {
    PublishesTwice,
    TakesOlderFences,
    ShowsLoadedRows,
    TakesAnyRecord,
    KeepsReplacedRows,
    LosesFiles,
}

#[derive(Debug)]
pub struct BrokenBackend {
    sound: Arc<dyn Backend>,
    fault: BackendFault,
}

impl BrokenBackend {
    pub fn new(sound: Arc<dyn Backend>, fault: BackendFault) -> Self {
        Self { sound, fault }
    }

    /// The record that stands there.
    async fn stored(&self, target: &TargetDefinition) -> Result<Option<StoredRecord>> {
        let name = &target.name;
        let table = self.sound.describe(&name.schema, &name.table).await?;
        Ok(table.and_then(|table| table.record))
    }

    /// The publication that would follow what stands there.
    async fn following(&self, publication: &Publication) -> Result<Publication> {
        let mut next = publication.clone();
        if let Some(stored) = self.stored(&publication.target).await? {
            next.record.sequence = stored.sequence + 1;
            next.change = Change::None;
        }
        Ok(next)
    }

    fn early(target: &TargetDefinition, manifest: &Manifest) -> Publication {
        Publication {
            target: target.clone(),
            change: Change::Create(target.clone()),
            manifest: manifest.clone(),
            mode: Mode::Append,
            record: StoredRecord {
                sequence: 1,
                fence: 1,
                manifest: manifest.id.clone(),
                body: serde_json::Value::Null,
            },
            proof: serde_json::Value::Null,
        }
    }
}

#[async_trait]
impl Backend for BrokenBackend {
    fn facts(&self) -> &BackendFacts {
        self.sound.facts()
    }

    fn types(&self) -> &dyn TypeMap {
        self.sound.types()
    }

    async fn probe(&self) -> Result<Probe> {
        self.sound.probe().await
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        self.sound.tables().await
    }

    async fn describe(&self, schema: &str, table: &str) -> Result<Option<TargetTable>> {
        self.sound.describe(schema, table).await
    }

    fn statements(&self, change: &Change) -> Vec<String> {
        self.sound.statements(change)
    }

    fn staging(&self, schema: &str, table: &str) -> Result<StagingPlace> {
        self.sound.staging(schema, table)
    }

    async fn load(&self, target: &TargetDefinition, manifest: &Manifest) -> Result<()> {
        self.sound.load(target, manifest).await?;
        if self.fault == BackendFault::ShowsLoadedRows {
            let early = Self::early(target, manifest);
            let _ = self.sound.publish(&self.following(&early).await?).await?;
        }
        Ok(())
    }

    async fn hashes(
        &self,
        target: &TargetDefinition,
        scope: Scope<'_>,
        readers: usize,
    ) -> Result<PartitionHashes> {
        self.sound.hashes(target, scope, readers).await
    }

    async fn aggregates(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<LoadedAggregates> {
        self.sound.aggregates(target, manifest).await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published> {
        let mut changed = publication.clone();
        match self.fault {
            BackendFault::PublishesTwice => {
                let published = self.sound.publish(publication).await?;
                if published.already {
                    let mut again = self.following(publication).await?;
                    again.manifest.id.push_str("again");
                    again.record.manifest.push_str("again");
                    let _ = self.sound.publish(&again).await?;
                }
                return Ok(published);
            }
            BackendFault::TakesOlderFences => changed.record.fence = u64::MAX >> 1,
            BackendFault::TakesAnyRecord => changed = self.following(publication).await?,
            BackendFault::KeepsReplacedRows => changed.mode = Mode::Append,
            BackendFault::LosesFiles if publication.record.sequence == 2 => {
                changed.manifest.files.clear();
            }
            BackendFault::ShowsLoadedRows | BackendFault::LosesFiles => {}
        }
        self.sound.publish(&changed).await
    }

    async fn proof(
        &self,
        schema: &str,
        table: &str,
        record: &StoredRecord,
    ) -> Result<Option<serde_json::Value>> {
        self.sound.proof(schema, table, record).await
    }

    async fn staged(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<Arc<dyn TableProvider>> {
        self.sound.staged(target, manifest).await
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn TableProvider>> {
        self.sound.table(schema, table).await
    }

    async fn check(&self, schema: &str, table: &str) -> Result<Checked> {
        self.sound.check(schema, table).await
    }

    async fn orphans(
        &self,
        schema: &str,
        table: &str,
        living: &[String],
        remove: bool,
    ) -> Result<Vec<Orphan>> {
        self.sound.orphans(schema, table, living, remove).await
    }
}
