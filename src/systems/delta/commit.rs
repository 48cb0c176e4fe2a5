//! One entry of the log: its actions, and writing it once.

use object_store::{Error as StoreError, ObjectStore, PutMode, PutOptions};
use serde_json::{Map, Value, json};

use super::connect::TablePlace;
use super::error::store_error;
use super::metadata::TableMetadata;
use super::protocol::TableProtocol;
use super::snapshot::DataFile;
use super::statistics::now;
use crate::backend::StoredRecord;
use crate::error::{Error, Result};

/// The application whose transactions are the records' sequence numbers.
const APP_ID: &str = "goe";

/// The parameter of an operation that names the manifest.
const MANIFEST: &str = "goe.manifest";

/// The actions that make a version out of the one before.
#[derive(Debug)]
pub(super) struct Commit {
    version: u64,
    actions: Vec<Value>,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Written {
    /// The version is ours.
    Yes,
    /// Somebody else made this version first; or it was us, and the store's answer got lost.
    Taken,
    /// The store failed in a way that leaves it open whether the entry is there.
    Unknown(Error),
}

/// What a version does, for the table's history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation<'a> {
    /// Delta's word for it: `WRITE`, `CREATE TABLE`.
    pub(super) name: &'a str,
    /// Delta's word for what happens to the rows that are there: `Append`, `Overwrite`.
    pub(super) mode: &'a str,
    /// The predicate of a replaced window.
    pub(super) predicate: Option<&'a str>,
}

impl Commit {
    /// The version after `read`, or the first one.
    pub(super) fn after(read: Option<u64>) -> Self {
        Self {
            version: read.map_or(0, |version| version + 1),
            actions: Vec::new(),
        }
    }

    /// The version that it makes.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Says who does what: the first action of every entry.
    pub(super) fn info(&mut self, operation: Operation<'_>, record: &StoredRecord, blind: bool) {
        let mut parameters = json!({
            "mode": operation.mode,
            MANIFEST: record.manifest,
            "goe.sequence": record.sequence.to_string(),
        });
        if let Some(predicate) = operation.predicate {
            parameters["predicate"] = predicate.into();
        }
        let mut info = json!({
            "timestamp": now(),
            "operation": operation.name,
            "operationParameters": parameters,
            "isolationLevel": "Serializable",
            "isBlindAppend": blind,
            "engineInfo": concat!("goe/", env!("CARGO_PKG_VERSION")),
        });
        if let Some(read) = self.version.checked_sub(1) {
            info["readVersion"] = read.into();
        }
        self.push("commitInfo", info);
    }

    /// States the protocol.
    pub(super) fn protocol(&mut self, protocol: TableProtocol) {
        self.push("protocol", protocol.0);
    }

    /// States the metadata, which carries the record.
    pub(super) fn metadata(&mut self, metadata: TableMetadata) {
        self.push("metaData", metadata.0);
    }

    /// States which of our transactions this is.
    pub(super) fn transaction(&mut self, sequence: u64) {
        self.push(
            "txn",
            json!({ "appId": APP_ID, "version": sequence, "lastUpdated": now() }),
        );
    }

    /// Adds a file.
    pub(super) fn add(&mut self, file: &DataFile, stats: String) {
        self.push(
            "add",
            json!({
                "path": file.logged,
                "partitionValues": partition_values(file),
                "size": file.bytes,
                "modificationTime": now(),
                "dataChange": true,
                "stats": stats,
            }),
        );
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, file: &DataFile) {
        self.push(
            "remove",
            json!({
                "path": file.logged,
                "deletionTimestamp": now(),
                "dataChange": true,
                "extendedFileMetadata": true,
                "partitionValues": partition_values(file),
                "size": file.bytes,
            }),
        );
    }

    fn push(&mut self, kind: &str, action: Value) {
        self.actions.push(json!({ kind: action }));
    }

    /// Writes the entry unless its version is there already. Never tried twice: whoever finds the
    /// version taken looks at the table anew.
    pub(super) async fn write(self, place: &TablePlace) -> Result<Written> {
        let mut text = String::new();
        for action in &self.actions {
            text.push_str(&action.to_string());
            text.push('\n');
        }
        let path = place.path(&format!("_delta_log/{:020}.json", self.version))?;
        let options = PutOptions::from(PutMode::Create);
        let message = format!(
            "Version {} of table \"{}\" can't be written",
            self.version, place.name
        );
        Ok(
            match place.store.put_opts(&path, text.into(), options).await {
                Ok(_) => Written::Yes,
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                    Written::Taken
                }
                Err(error) => Written::Unknown(store_error(&message, error)),
            },
        )
    }
}

/// The manifest that an action says was published.
pub(super) fn manifest_of(action: &Value) -> Option<String> {
    action["commitInfo"]["operationParameters"][MANIFEST]
        .as_str()
        .map(str::to_owned)
}

fn partition_values(file: &DataFile) -> Value {
    let values = file
        .partition
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()));
    Value::Object(values.collect::<Map<_, _>>())
}

/// A path as the protocol wants it, URL-encoded: a folder `c=%2F` becomes `c=%252F`.
pub(super) fn encode_path(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/=".contains(&byte);
    path.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
