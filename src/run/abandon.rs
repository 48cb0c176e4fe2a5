//! Giving a run up: what it was to cover and did not is not taken up by the next one.

use std::sync::Arc;

use super::Runner;
use super::lock::Held;
use super::verify::stored_proof;
use crate::backend::{Change, Mode, Publication, Published, StoredRecord, TargetDefinition};
use crate::error::{Error, Result};
use crate::offload::{Coverage, Proof, PublishedChunk, Record};
use crate::repository::Repository;
use crate::schema::{PartitionHashes, TableName};
use crate::staging::Manifest;

impl Runner {
    /// Takes what a run left undone out of its target's record; `false` where it left nothing.
    ///
    /// # Errors
    /// Kind Locked while another run holds the target, and whatever the target's system says.
    pub async fn give_up(
        &self,
        repository: &Arc<Repository>,
        run: &str,
        target: &TableName,
    ) -> Result<bool> {
        let backend = self.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let Some(table) = existing else {
            return Ok(false);
        };
        let Some(stored) = table.record else {
            return Ok(false);
        };
        let record = Record::read(&stored.body)?;
        if record.wanted.is_empty() || !stored.manifest.starts_with(run) {
            return Ok(false);
        }
        let held = Held::take_above(repository, &target.to_string(), run, stored.fence)?;
        let proof = stored_proof(backend.as_ref(), target, &stored).await?;
        let manifest = Manifest {
            id: format!("{run}-given-up"),
            files: Vec::new(),
        };
        let record = Record {
            wanted: Coverage::default(),
            chunk: PublishedChunk {
                manifest: manifest.id.clone(),
                window: "nothing".to_owned(),
                rows: 0,
                snapshot: "given up".to_owned(),
            },
            ..record
        };
        let stored = StoredRecord {
            sequence: stored.sequence + 1,
            fence: held.fence(),
            manifest: manifest.id.clone(),
            body: record.body()?,
        };
        let definition = TargetDefinition {
            name: target.clone(),
            columns: proof.columns.clone(),
            partition_columns: table.partition_columns,
            comment: None,
        };
        let proof = Proof {
            chunk: PartitionHashes::new(),
            ..proof
        };
        let proof =
            serde_json::to_value(&proof).map_err(|error| Error::internal(error.to_string()))?;
        let publication = Publication {
            target: definition,
            change: Change::None,
            mode: Mode::Append,
            record: stored.clone(),
            manifest,
            proof,
        };
        let _: Published = backend.publish(&publication).await?;
        let _ = repository.mirror(&target.to_string(), &stored);
        Ok(true)
    }
}
