//! The `protocol` action: what a reader and a writer of a table must be able to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::metadata::{TableMetadata, name};
use crate::error::{Error, Result};
use crate::schema::TableName;

/// The feature of timestamps without a zone.
const NTZ: &str = "timestampNtz";

/// Features that goe keeps true to, some of them only while no column or property uses them.
const KNOWN: [&str; 10] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "columnMapping",
    "identityColumns",
    NTZ,
    "vacuumProtocolCheck",
    "v2Checkpoint",
];

/// What each older writer version implies.
const LEGACY: [(u64, &[&str]); 5] = [
    (2, &["appendOnly", "invariants"]),
    (3, &["checkConstraints"]),
    (4, &["changeDataFeed", "generatedColumns"]),
    (5, &["columnMapping"]),
    (6, &["identityColumns"]),
];

/// The action's JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableProtocol(pub(super) Value);

impl TableProtocol {
    /// The least that a new table with this metadata needs.
    pub(super) fn create(metadata: &TableMetadata) -> Result<Self> {
        let plain = Self(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }));
        Ok(if needs_ntz(metadata)? {
            Self(json!({
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": [NTZ],
                "writerFeatures": [NTZ, "appendOnly", "invariants"],
            }))
        } else {
            plain
        })
    }

    /// The same, with what the metadata needs now.
    pub(super) fn upgraded(&self, metadata: &TableMetadata) -> Result<Self> {
        let mut features = self.writer_features();
        if !needs_ntz(metadata)? || features.contains(NTZ) {
            return Ok(self.clone());
        }
        let mut reader: BTreeSet<String> = strings(&self.0["readerFeatures"]);
        if self.reader_version() == 2 {
            reader.insert("columnMapping".to_owned());
        }
        reader.insert(NTZ.to_owned());
        features.insert(NTZ.to_owned());
        Ok(Self(json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": reader,
            "writerFeatures": features,
        })))
    }

    /// Refuses a table that goe can't keep true to.
    pub(super) fn refuse_foreign(&self, metadata: &TableMetadata, table: &TableName) -> Result<()> {
        let mut refused: BTreeSet<String> = self
            .writer_features()
            .union(&strings(&self.0["readerFeatures"]))
            .filter(|feature| !KNOWN.contains(&feature.as_str()))
            .cloned()
            .collect();
        if self.reader_version() > 3 || self.writer_version() > 7 {
            refused.insert("a newer protocol".to_owned());
        }
        refused.extend(features_in_use(metadata)?);
        if refused.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = refused.into_iter().collect();
        Err(Error::unsupported(format!(
            "Table \"{table}\" has features that goe can't keep true to: {}",
            list.join(", ")
        ))
        .hint("offload into a new table, or drop the features from this one"))
    }

    fn reader_version(&self) -> u64 {
        self.0["minReaderVersion"].as_u64().unwrap_or(u64::MAX)
    }

    fn writer_version(&self) -> u64 {
        self.0["minWriterVersion"].as_u64().unwrap_or(u64::MAX)
    }

    /// The writer's features, named or implied.
    fn writer_features(&self) -> BTreeSet<String> {
        let version = self.writer_version();
        if version >= 7 {
            return strings(&self.0["writerFeatures"]);
        }
        let implied = LEGACY.iter().filter(|(since, _)| *since <= version);
        implied
            .flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned()))
            .collect()
    }
}

/// Refuses to take rows out of a table that says that none may go, or that tells others which.
pub(super) fn refuse_removal(metadata: &TableMetadata, table: &TableName) -> Result<()> {
    let property = ["delta.appendOnly", "delta.enableChangeDataFeed"]
        .into_iter()
        .find(|property| metadata.is_on(property));
    match property {
        None => Ok(()),
        Some(property) => Err(Error::unsupported(format!(
            "Rows of table \"{table}\" can't be replaced: its property {property} is true"
        ))
        .hint(format!("unset {property}, or append only"))),
    }
}

/// Known features that a column or property makes use of, and that goe would have to act on.
fn features_in_use(metadata: &TableMetadata) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (key, value) in metadata.properties() {
        if key.starts_with("delta.constraints.") {
            found.push(format!("checkConstraints ({key})"));
        }
        let mapped = key == "delta.columnMapping.mode" && value != "none";
        if mapped {
            found.push("columnMapping".to_owned());
        }
    }
    for field in metadata.fields()? {
        let Some(marks) = field["metadata"].as_object() else {
            continue;
        };
        for (mark, feature) in [
            ("delta.invariants", "invariants"),
            ("delta.generationExpression", "generatedColumns"),
            ("delta.identity.start", "identityColumns"),
        ] {
            if marks.contains_key(mark) {
                found.push(format!("{feature} (column \"{}\")", name(&field)));
            }
        }
    }
    Ok(found)
}

fn needs_ntz(metadata: &TableMetadata) -> Result<bool> {
    Ok(metadata
        .fields()?
        .iter()
        .any(|field| field["type"] == "timestamp_ntz"))
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
