//! What a target remembers of the offload that fills it. The target keeps it; the repository only
//! mirrors it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Coverage, OffloadSpec, PredicateType};
use crate::backend::TargetColumn;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::PartitionHashes;

/// The number of this form of record.
pub(crate) const FORMAT: u32 = 1;

/// The body of a target's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The form; a greater one was written by a later goe and is refused.
    pub format: u32,
    /// The offload that was published last.
    pub offload: OffloadSpec,
    /// [`super::Offload::fingerprint`] of it.
    pub fingerprint: String,
    /// What is covered.
    pub coverage: Coverage,
    /// What the run that published last is to cover; nothing once it is covered.
    #[serde(default, skip_serializing_if = "Coverage::is_empty")]
    pub wanted: Coverage,
    /// The types of the source's columns that the coverage names, as text of
    /// [`crate::schema::CanonicalType`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// By what its windows were asked for; nothing where everything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled_by: Option<PredicateType>,
    /// Rows published since the last reset.
    pub rows: u64,
    /// The chunk that was published with this record.
    pub chunk: PublishedChunk,
}

/// One published chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedChunk {
    /// Its manifest.
    pub manifest: String,
    /// Its rows in words: `sold_at >= 2026-01-01 and sold_at < 2026-02-01`.
    pub window: String,
    /// How many rows.
    pub rows: u64,
    /// The state of the source that was read, in words.
    pub snapshot: String,
}

impl Record {
    /// Reads the body of a stored record.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] for a record of a later goe,
    /// [`crate::ErrorKind::Data`] for one that does not parse.
    pub fn read(body: &Value) -> Result<Self> {
        let format = body
            .get("format")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        if format > u64::from(FORMAT) {
            return Err(
                Error::unsupported(format!("The target's record has form {format}"))
                    .hint("it was written by a later goe; use that one"),
            );
        }
        serde_json::from_value(body.clone()).map_err(|error| {
            let message = format!("The target's record does not parse: {error}");
            Error::new(ErrorKind::Data, message)
                .hint("something else changed it; --reset fills the target anew")
        })
    }

    /// The body to store.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] when it can't be written as JSON.
    pub fn body(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::internal(error.to_string()))
    }
}

/// What is kept beside the target of a chunk's proof.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// The sums of this chunk.
    pub chunk: PartitionHashes,
    /// The sums of everything published since the last reset, this chunk included.
    pub total: PartitionHashes,
    /// The columns that were hashed, in their order, so that the sums can be made again without
    /// the source.
    pub columns: Vec<TargetColumn>,
}
