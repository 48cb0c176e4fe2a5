//! A record said anew, without any rows: to give a run up, and to shut one out.

use std::sync::Arc;

use super::Runner;
use super::lock::Held;
use super::verify::stored_proof;
use crate::backend::{
    Backend, Change, Mode, Publication, Published, StoredRecord, TargetDefinition, TargetTable,
};
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
        let Some((table, stored)) = existing.and_then(recorded) else {
            return Ok(false);
        };
        let record = Record::read(&stored.body)?;
        if record.wanted.is_empty() || !stored.manifest.starts_with(run) {
            return Ok(false);
        }
        let held = Held::take_above(repository, &target.to_string(), run, stored.fence)?;
        let record = Record {
            wanted: Coverage::default(),
            ..record
        };
        let restated = Restated {
            target,
            table,
            stored,
            record,
            why: "given up",
        };
        restated
            .publish(backend.as_ref(), &held, repository)
            .await?;
        Ok(true)
    }

    /// Sees to it that no run that began before can publish to a target, whatever it has checked
    /// already; `false` where the target has no record that could say so.
    ///
    /// # Errors
    /// Kind Locked while another run holds the target, and whatever the target's system says.
    pub(super) async fn shut_out(
        &self,
        repository: &Arc<Repository>,
        target: &TableName,
    ) -> Result<bool> {
        let backend = self.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let Some((table, stored)) = existing.and_then(recorded) else {
            return Ok(false);
        };
        let held = Held::take_above(repository, &target.to_string(), "clean", stored.fence)?;
        let restated = Restated {
            target,
            record: Record::read(&stored.body)?,
            table,
            stored,
            why: "shut out",
        };
        restated
            .publish(backend.as_ref(), &held, repository)
            .await?;
        Ok(true)
    }
}

/// A table and its record.
fn recorded(table: TargetTable) -> Option<(TargetTable, StoredRecord)> {
    let stored = table.record.clone()?;
    Some((table, stored))
}

/// A record to follow the one that stands, with no rows between them.
struct Restated<'a> {
    target: &'a TableName,
    table: TargetTable,
    stored: StoredRecord,
    record: Record,
    why: &'static str,
}

impl Restated<'_> {
    async fn publish(
        self,
        backend: &dyn Backend,
        held: &Held,
        repository: &Repository,
    ) -> Result<()> {
        let (target, stored) = (self.target, self.stored);
        let proof = stored_proof(backend, target, &stored).await?;
        let sequence = stored.sequence + 1;
        // It keeps the name of the run whose record it restates.
        let manifest = Manifest {
            id: format!("{}-{sequence}", stored.manifest),
            files: Vec::new(),
        };
        let record = Record {
            chunk: PublishedChunk {
                manifest: manifest.id.clone(),
                window: "nothing".to_owned(),
                rows: 0,
                snapshot: self.why.to_owned(),
            },
            ..self.record
        };
        let stored = StoredRecord {
            sequence,
            fence: held.fence(),
            manifest: manifest.id.clone(),
            body: record.body()?,
        };
        let definition = TargetDefinition {
            name: target.clone(),
            columns: proof.columns.clone(),
            partition_columns: self.table.partition_columns,
            cluster_columns: Vec::new(),
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
        Ok(())
    }
}
