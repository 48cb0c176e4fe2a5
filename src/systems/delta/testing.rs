//! A lake in a temporary folder, and manifests of files written as staging writes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
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

impl TestLake {
    /// A lake with a table `s.t` of columns `id` (a long) and `name` (text).
    pub(super) fn new() -> Self {
        let text = CanonicalType::VariableString { length: Some(20) };
        Self::with(
            vec![column("id", CanonicalType::Integer8), column("name", text)],
            &[],
        )
    }

    pub(super) fn with(columns: Vec<TargetColumn>, partition: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("delta:{}", folder.path().display());
        let lake = Lake::open(&Connection::new("lake", url, BTreeMap::new())).unwrap();
        let target = TargetDefinition {
            name: TableName::new("lake", "s", "t"),
            columns,
            partition_columns: partition.iter().map(|name| (*name).to_owned()).collect(),
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
