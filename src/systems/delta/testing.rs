//! A lake in a temporary folder, and manifests of files written as staging writes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use super::DeltaBackend;
use super::connect::Lake;
use super::types::DeltaTypes;
use crate::backend::{
    Backend, Change, Mode, Publication, StoredRecord, TargetColumn, TargetDefinition,
};
use crate::config::Connection;
use crate::frontend::TypeMap;
use crate::schema::{CanonicalType, RowHasher, TableHashes, TableName};
use crate::staging::{Bounds, Manifest, StagedFile, partition_path};

/// The run of all test manifests.
pub(super) const RUN: &str = "0192f0c1d2e37f4a8b5c6d7e8f901234";

/// A lake and one table's definition.
pub(super) struct TestLake {
    pub(super) folder: tempfile::TempDir,
    pub(super) backend: DeltaBackend,
    pub(super) target: TargetDefinition,
}

/// A column of a type, stored as Delta stores it.
pub(super) fn column(name: &str, canonical: CanonicalType) -> TargetColumn {
    let to = DeltaTypes.from_canonical(canonical).unwrap().to;
    TargetColumn {
        name: name.to_owned(),
        canonical,
        stored: to.stored,
        native: to.native,
        source: "test".to_owned(),
        nullable: true,
        comment: None,
    }
}

fn id_and_name() -> Vec<TargetColumn> {
    let text = CanonicalType::VariableString { length: Some(20) };
    vec![column("id", CanonicalType::Integer8), column("name", text)]
}

impl TestLake {
    /// A lake with a table `s.t` of columns `id` (a long) and `name` (text).
    pub(super) fn new() -> Self {
        Self::with(id_and_name(), &[])
    }

    /// The same in the object store that `GOE_TEST_S3` names (`http://KEY:SECRET@HOST:PORT/BUCKET`),
    /// under a prefix of its own.
    #[cfg(feature = "s3")]
    pub(super) fn in_store() -> Option<Self> {
        let Ok(address) = std::env::var("GOE_TEST_S3") else {
            eprintln!("skipped: GOE_TEST_S3 names no object store");
            return None;
        };
        let address = url::Url::parse(&address).unwrap();
        let host = &address[url::Position::BeforeHost..url::Position::AfterPort];
        let prefix = uuid::Uuid::new_v4().simple();
        let options = [
            ("endpoint", format!("{}://{host}", address.scheme())),
            ("allow_http", "true".to_owned()),
            ("region", "us-east-1".to_owned()),
            ("access_key_id", address.username().to_owned()),
            ("secret_access_key", address.password().unwrap().to_owned()),
        ];
        let options = options.map(|(key, value)| (key.to_owned(), value));
        let url = format!("delta:s3:/{}/{prefix}", address.path());
        let connection = Connection::new("lake", url, BTreeMap::from(options));
        let folder = tempfile::tempdir().unwrap();
        Some(Self::at(&connection, folder, id_and_name(), &[]))
    }

    pub(super) fn with(columns: Vec<TargetColumn>, partition: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("delta:{}", folder.path().display());
        let connection = Connection::new("lake", url, BTreeMap::new());
        Self::at(&connection, folder, columns, partition)
    }

    fn at(
        connection: &Connection,
        folder: tempfile::TempDir,
        columns: Vec<TargetColumn>,
        partition: &[&str],
    ) -> Self {
        let lake = Lake::open(connection).unwrap();
        let target = TargetDefinition {
            name: TableName::new("lake", "s", "t"),
            columns,
            partition_columns: partition.iter().map(|name| (*name).to_owned()).collect(),
            cluster_columns: Vec::new(),
            comment: Some("It's a \"test\"".to_owned()),
        };
        Self {
            folder,
            backend: DeltaBackend { lake },
            target,
        }
    }

    /// A publication of staged files as record `sequence`.
    pub(super) fn publication(&self, files: Vec<StagedFile>, sequence: u64) -> Publication {
        let id = format!("{RUN}-{sequence:04}");
        let change = match sequence {
            1 => Change::Create(self.target.clone()),
            _ => Change::None,
        };
        Publication {
            target: self.target.clone(),
            change,
            manifest: Manifest {
                id: id.clone(),
                files,
            },
            mode: Mode::Append,
            record: StoredRecord {
                sequence,
                fence: 1,
                manifest: id,
                body: json!({"n": sequence}),
            },
            proof: json!({"rows": "all"}),
        }
    }

    /// Writes rows, in the definition's schema, into one staged file of a partition.
    pub(super) async fn stage(
        &self,
        name: &str,
        columns: Vec<ArrayRef>,
        partition: &[(&str, Option<&str>)],
    ) -> StagedFile {
        let batch = RecordBatch::try_new(self.target.schema(), columns).unwrap();
        let partition: Vec<(String, Option<String>)> = partition
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect();
        let kept: Vec<usize> = (0..batch.num_columns())
            .filter(|i| {
                !partition
                    .iter()
                    .any(|(n, _)| n == batch.schema().field(*i).name())
            })
            .collect();
        let inside = batch.project(&kept).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, inside.schema(), None).unwrap();
        writer.write(&inside).unwrap();
        writer.close().unwrap();
        let file = format!("part-{RUN}-{name}.parquet");
        let folder = partition_path(&partition);
        let path = if folder.is_empty() {
            file
        } else {
            format!("{folder}/{file}")
        };
        let size = bytes.len() as u64;
        let store = self.store();
        store
            .put(&Path::parse(&path).unwrap(), bytes.into())
            .await
            .unwrap();
        let mut hashes = TableHashes::default();
        hashes.add_batch(&mut RowHasher::default(), &batch).unwrap();
        let bounds = batch.columns().iter().map(|values| {
            let mut bounds = Bounds::default();
            bounds.add(values).unwrap();
            bounds.finish().unwrap()
        });
        StagedFile {
            path,
            partition,
            bytes: size,
            bounds: bounds.collect(),
            hashes,
        }
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        self.backend
            .staging(&self.target.name.schema, &self.target.name.table)
            .unwrap()
            .store
    }
}

/// What is wrong with a store.
#[derive(Debug)]
pub(super) enum Fault {
    /// Its answer to every other write of a log entry gets lost after the entry is there.
    LosesAnswers(AtomicBool),
    /// It overwrites what it was asked to make only if it is not there.
    Overwrites,
    /// It knows no such request.
    RefusesConditions,
}

/// A store with a fault.
#[derive(Debug)]
pub(super) struct FaultyStore {
    store: Arc<dyn ObjectStore>,
    fault: Fault,
}

impl FaultyStore {
    pub(super) fn new(store: Arc<dyn ObjectStore>, fault: Fault) -> Arc<Self> {
        Arc::new(Self { store, fault })
    }
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let create = matches!(options.mode, PutMode::Create);
        match self.fault {
            Fault::Overwrites => options.mode = PutMode::Overwrite,
            Fault::RefusesConditions if create => {
                return Err(object_store::Error::NotImplemented {
                    operation: "put if absent".to_owned(),
                    implementer: "faulty".to_owned(),
                });
            }
            _ => {}
        }
        let result = self.store.put_opts(location, payload, options).await?;
        let entry = location.as_ref().starts_with("_delta_log");
        match &self.fault {
            Fault::LosesAnswers(last) if entry && !last.fetch_xor(true, Ordering::Relaxed) => {
                let source = "the connection was reset".into();
                Err(object_store::Error::Generic {
                    store: "faulty",
                    source,
                })
            }
            _ => Ok(result),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
