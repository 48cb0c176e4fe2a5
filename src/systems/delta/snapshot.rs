//! One version of a table, as its log has it.

use std::sync::Arc;

use arrow::array::{Array, AsArray, MapArray, RecordBatch, StructArray};
use arrow::datatypes::Int64Type;
use deltalake::kernel::Snapshot;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use url::Url;

use super::connect::TablePlace;
use super::error::{log_error, store_error};
use super::metadata::TableMetadata;
use super::protocol::TableProtocol;
use crate::error::{Error, ErrorKind, Result};
use crate::staging::StagedFile;

/// A version of a table. What a publish checks and what it commits upon is one of these.
pub(super) struct TableState {
    pub(super) place: TablePlace,
    pub(super) version: u64,
    pub(super) metadata: TableMetadata,
    pub(super) protocol: TableProtocol,
    snapshot: Snapshot,
    log: LogStoreRef,
}

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataFile {
    /// Where it is in the store.
    pub(super) path: String,
    /// The path as the log spells it: URL-encoded by whoever added it.
    pub(super) logged: String,
    /// Its size, as far as it is known.
    pub(super) bytes: u64,
    /// The values of the partition columns.
    pub(super) partition: Vec<(String, Option<String>)>,
    /// Its rows, if the log says.
    pub(super) rows: Option<u64>,
}

impl From<&StagedFile> for DataFile {
    fn from(file: &StagedFile) -> Self {
        Self {
            path: file.path.clone(),
            logged: super::commit::encode_path(&file.path),
            bytes: file.bytes,
            partition: file.partition.clone(),
            rows: Some(file.hashes.rows),
        }
    }
}

impl TableState {
    /// The newest version; `None` where there is no log.
    pub(super) async fn load(place: &TablePlace) -> Result<Option<Self>> {
        if !has_log(place).await? {
            return Ok(None);
        }
        let log = log_store(place)?;
        let snapshot = Snapshot::try_new(log.as_ref(), None)
            .await
            .map_err(|error| log_error(place, error))?;
        let metadata = TableMetadata(serde_json::to_value(snapshot.metadata()).map_err(broken)?);
        let protocol = TableProtocol(serde_json::to_value(snapshot.protocol()).map_err(broken)?);
        let version = snapshot.version();
        Ok(Some(Self {
            place: place.clone(),
            version,
            metadata,
            protocol,
            snapshot,
            log,
        }))
    }

    /// The files of this version.
    pub(super) async fn files(&self) -> Result<Vec<DataFile>> {
        let mut batches = self.snapshot.files(self.log.as_ref(), None);
        let columns = self.metadata.partition_columns();
        let mut files = Vec::new();
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| log_error(&self.place, error))?;
            self.read_files(&batch, &columns, &mut files)?;
        }
        Ok(files)
    }

    fn read_files(
        &self,
        batch: &RecordBatch,
        columns: &[String],
        files: &mut Vec<DataFile>,
    ) -> Result<()> {
        let rows = FileRows::of(batch).ok_or_else(|| {
            Error::internal(format!(
                "The log of \"{}\" lists files in a new form",
                self.place.name
            ))
        })?;
        for row in 0..batch.num_rows() {
            if rows.deleted.is_some_and(|deleted| deleted.is_valid(row)) {
                return Err(Error::unsupported(format!(
                    "Table \"{}\" has deletion vectors",
                    self.place.name
                ))
                .hint("rewrite the table without deletion vectors first"));
            }
            files.push(rows.file(row, columns)?);
        }
        Ok(())
    }

    /// The paths of files that the log still says were removed.
    pub(super) async fn tombstones(&self) -> Result<Vec<String>> {
        let state = deltalake::table::state::DeltaTableState::try_new(
            self.log.as_ref(),
            Some(self.snapshot.version()),
        )
        .await
        .map_err(|error| log_error(&self.place, error))?;
        let paths = state
            .all_tombstones(self.log.as_ref())
            .map_ok(|file| file.path().into_owned());
        paths
            .try_collect()
            .await
            .map_err(|error| log_error(&self.place, error))
    }
}

/// The columns of the log's list of files.
struct FileRows<'a> {
    batch: &'a RecordBatch,
    partitions: &'a MapArray,
    deleted: Option<&'a StructArray>,
}

impl<'a> FileRows<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let constants = batch
            .column_by_name("fileConstantValues")?
            .as_struct_opt()?;
        Some(Self {
            batch,
            partitions: constants.column_by_name("partitionValues")?.as_map_opt()?,
            deleted: batch
                .column_by_name("deletionVector")
                .and_then(|c| c.as_struct_opt()),
        })
    }

    fn file(&self, row: usize, columns: &[String]) -> Result<DataFile> {
        let path = self
            .batch
            .column_by_name("path")
            .and_then(|paths| string(paths, row));
        let logged = path.ok_or_else(|| Error::internal("The log has a file without a path"))?;
        let size = self
            .batch
            .column_by_name("size")
            .and_then(|sizes| number(sizes, row));
        Ok(DataFile {
            path: decode_path(&logged)?,
            logged,
            bytes: size
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or_default(),
            partition: columns
                .iter()
                .map(|name| (name.clone(), self.value(row, name)))
                .collect(),
            rows: self.count(row),
        })
    }

    /// A partition value. The protocol writes NULL as the empty text, too.
    fn value(&self, row: usize, name: &str) -> Option<String> {
        if self.partitions.is_null(row) {
            return None;
        }
        let entries = self.partitions.value(row);
        (0..entries.len())
            .find(|entry| string(entries.column(0), *entry).as_deref() == Some(name))
            .and_then(|entry| string(entries.column(1), entry))
            .filter(|value| !value.is_empty())
    }

    fn count(&self, row: usize) -> Option<u64> {
        let stats = self.batch.column_by_name("stats_parsed")?.as_struct_opt()?;
        let count = number(stats.column_by_name("numRecords")?, row)?;
        u64::try_from(count).ok()
    }
}

fn string(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let plain = array.as_string_opt::<i32>().map(|texts| texts.value(row));
    let view = || array.as_string_view_opt().map(|texts| texts.value(row));
    let long = || array.as_string_opt::<i64>().map(|texts| texts.value(row));
    plain.or_else(view).or_else(long).map(str::to_owned)
}

fn number(array: &dyn Array, row: usize) -> Option<i64> {
    let numbers = array.as_primitive_opt::<Int64Type>()?;
    numbers.is_valid(row).then(|| numbers.value(row))
}

/// The store's path of a path in the log.
fn decode_path(logged: &str) -> Result<String> {
    let bad = || {
        Error::unsupported(format!("The log names a file outside the table: {logged}"))
            .hint("goe reads tables whose files all lie in the table's own folder")
    };
    if logged.contains("://") || logged.starts_with('/') {
        return Err(bad());
    }
    let mut bytes = Vec::with_capacity(logged.len());
    let mut rest = logged.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if byte == b'%' => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// Whether the folder has a log. A log of nothing but stray files is none.
async fn has_log(place: &TablePlace) -> Result<bool> {
    let mut entries = place.store.list(Some(&Path::from("_delta_log")));
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => {
                if entry.location.filename().is_some_and(is_log_file) {
                    return Ok(true);
                }
            }
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => {
                let message = format!("The folder of table \"{}\" can't be listed", place.name);
                return Err(store_error(&message, error));
            }
        }
    }
    Ok(false)
}

fn is_log_file(name: &str) -> bool {
    let version = name.split('.').next().unwrap_or_default();
    let numbered = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
    let known = name.ends_with(".json") || name.contains(".checkpoint.");
    numbered && known
}

/// The log as the reader of it sees it. Its root is the table's, so no folder's name, however it
/// is spelt, takes part in a URL; the scheme says that listings come unsorted.
pub(super) fn log_store(place: &TablePlace) -> Result<LogStoreRef> {
    let root = Url::parse("file:///").map_err(|error| Error::internal(error.to_string()))?;
    let store = Arc::clone(&place.store);
    Ok(default_logstore(
        Arc::clone(&store),
        store,
        &root,
        &StorageConfig::default(),
    ))
}

fn broken(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Load, "The table's metadata can't be read").caused_by(error)
}
