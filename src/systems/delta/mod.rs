#![doc = include_str!("README.md")]

mod catalog;
mod check;
mod checkpoint;
mod commit;
mod connect;
mod error;
mod load;
mod metadata;
mod orphan;
mod protocol;
mod read;
mod replace;
mod scan;
mod snapshot;
mod statistics;
mod sums;
mod types;
mod value;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use serde_json::Value;

use super::System;
use crate::backend::{
    Backend, BackendFacts, Change, Checked, LoadedAggregates, LoadedProof, Orphan, Publication,
    Published, Scope, StagingPlace, StoredRecord, TargetDefinition, TargetTable,
};
use crate::config::Connection;
use crate::error::{Error, Result};
use crate::frontend::{Probe, TableEntry, TypeMap};
use crate::schema::PartitionHashes;
use crate::staging::Manifest;

use connect::Lake;
use snapshot::TableState;
use types::DeltaTypes;

/// The registry's line.
pub(super) const SYSTEM: System = System {
    name: "delta",
    schemes: &["delta"],
    local_paths: true,
    types: || &DeltaTypes,
    frontend: None,
    backend: Some(open),
};

/// Files close at the size that lake readers like best.
const FACTS: BackendFacts = BackendFacts {
    system: "delta",
    file_bytes: 128 << 20,
    partition_columns_in_files: false,
    partition_by_expression: false,
    identifier_chars: 255,
    case_twins: false,
    partitions: true,
    loaded_proof: LoadedProof::ReadBack,
};

/// Stores take parts from 5 MiB on.
const STORE_PART: usize = 8 << 20;

/// A local disk takes parts of any size; each open file holds one in memory.
const LOCAL_PART: usize = 256 << 10;

fn open(connection: &Connection) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(DeltaBackend {
        lake: Lake::open(connection)?,
    }))
}

/// A folder of Delta tables.
#[derive(Debug)]
struct DeltaBackend {
    lake: Lake,
}

#[async_trait]
impl Backend for DeltaBackend {
    fn facts(&self) -> &BackendFacts {
        &FACTS
    }

    fn types(&self) -> &dyn TypeMap {
        &DeltaTypes
    }

    async fn probe(&self) -> Result<Probe> {
        self.lake.probe().await
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        catalog::tables(&self.lake).await
    }

    async fn describe(&self, schema: &str, table: &str) -> Result<Option<TargetTable>> {
        catalog::describe(&self.lake.place(schema, table)?).await
    }

    fn statements(&self, change: &Change) -> Vec<String> {
        catalog::statements(change)
    }

    fn staging(&self, schema: &str, table: &str) -> Result<StagingPlace> {
        let place = self.lake.place(schema, table)?;
        Ok(StagingPlace {
            store: place.store,
            url: place.url,
            part_bytes: if self.lake.is_local() {
                LOCAL_PART
            } else {
                STORE_PART
            },
        })
    }

    async fn load(&self, target: &TargetDefinition, manifest: &Manifest) -> Result<()> {
        load::check(target, manifest)
    }

    async fn hashes(
        &self,
        target: &TargetDefinition,
        scope: Scope<'_>,
        readers: usize,
    ) -> Result<PartitionHashes> {
        let place = self.lake.place(&target.name.schema, &target.name.table)?;
        let files = match scope {
            Scope::Manifest(manifest) => manifest.files.iter().map(Into::into).collect(),
            Scope::Published => published(&place).await?.files().await?,
        };
        sums::hash_files(&place, files, &target.schema(), readers).await
    }

    async fn aggregates(
        &self,
        target: &TargetDefinition,
        _: &Manifest,
    ) -> Result<LoadedAggregates> {
        Err(Error::unsupported(format!(
            "Table \"{}\" lies in files that compute nothing; they are read back",
            target.name
        )))
    }

    async fn publish(&self, publication: &Publication) -> Result<Published> {
        let name = &publication.target.name;
        load::publish(&self.lake.place(&name.schema, &name.table)?, publication).await
    }

    async fn proof(
        &self,
        schema: &str,
        table: &str,
        record: &StoredRecord,
    ) -> Result<Option<Value>> {
        load::proof(&self.lake.place(schema, table)?, &record.manifest).await
    }

    async fn staged(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<Arc<dyn TableProvider>> {
        let place = self.lake.place(&target.name.schema, &target.name.table)?;
        Ok(Arc::new(scan::DeltaTable::staged(place, target, manifest)))
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn TableProvider>> {
        let place = self.lake.place(schema, table)?;
        Ok(Arc::new(
            scan::DeltaTable::open(published(&place).await?).await?,
        ))
    }

    async fn check(&self, schema: &str, table: &str) -> Result<Checked> {
        check::check(&self.lake.place(schema, table)?).await
    }

    async fn orphans(
        &self,
        schema: &str,
        table: &str,
        living: &[String],
        remove: bool,
    ) -> Result<Vec<Orphan>> {
        orphan::sweep(&self.lake.place(schema, table)?, living, remove).await
    }
}

/// The state of a table that must exist.
async fn published(place: &connect::TablePlace) -> Result<TableState> {
    TableState::load(place).await?.ok_or_else(|| {
        Error::new(
            crate::error::ErrorKind::NotFound,
            format!("Table \"{}\" does not exist", place.name),
        )
        .hint("goe tables lists the tables of a connection")
    })
}
