#![doc = include_str!("README.md")]

mod catalog;
mod check;
mod condition;
mod connect;
mod decode;
mod dialect;
mod error;
mod ledger;
mod load;
mod name;
mod orphan;
mod publish;
mod read;
mod session;
mod stage;
mod statement;
#[cfg(test)]
mod tests;
mod types;

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
use crate::error::Result;
use crate::frontend::{FrontendTable, Probe, TableEntry, TypeMap};
use crate::schema::{PartitionHashes, TableName};
use crate::staging::Manifest;

use connect::Settings;
use read::Relation;
use session::Warehouse;
use types::Types;

/// The registry's line.
pub(super) const SYSTEM: System = System {
    name: "snowflake",
    schemes: &["snowflake"],
    local_paths: false,
    types: || &Types,
    frontend: None,
    backend: Some(open),
};

/// Files close at the size that a COPY spreads best over a warehouse's threads.
const FACTS: BackendFacts = BackendFacts {
    system: "snowflake",
    file_bytes: 160 << 20,
    partition_columns_in_files: true,
    partition_by_expression: false,
    identifier_chars: 255,
    case_twins: false,
    partitions: false,
    loaded_proof: LoadedProof::Aggregates,
};

const SESSION: &str = include_str!("../../../sql/catalog/snowflake/session.sql");

fn open(connection: &Connection) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(SnowflakeBackend {
        warehouse: Arc::new(Warehouse::new(Settings::new(connection)?)),
    }))
}

/// A database of an account.
#[derive(Debug)]
struct SnowflakeBackend {
    warehouse: Arc<Warehouse>,
}

#[async_trait]
impl Backend for SnowflakeBackend {
    fn facts(&self) -> &BackendFacts {
        &FACTS
    }

    fn types(&self) -> &dyn TypeMap {
        &Types
    }

    async fn probe(&self) -> Result<Probe> {
        let settings = &self.warehouse.settings;
        let doing = format!("Connection \"{}\" can't be tried", settings.connection);
        let sql = statement::filled(SESSION, &[]);
        let rows = self.warehouse.rows(&doing, &sql).await?;
        let cell = |position: usize| rows.first().and_then(|row| row.text(position));
        let mut notes = Vec::new();
        for (position, what) in [(2, "role"), (3, "warehouse"), (4, "database")] {
            notes.push(match cell(position) {
                Some(name) => format!("{what} {name}"),
                None => format!("no {what}: name one that the user may use"),
            });
        }
        Ok(Probe {
            version: format!("Snowflake {}", cell(0).unwrap_or("of no known version")),
            user: cell(1).map(str::to_owned),
            encrypted: Some(settings.encrypted()),
            snapshot: "each statement reads one state of a table".to_owned(),
            notes,
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        catalog::tables(&self.warehouse).await
    }

    async fn describe(&self, schema: &str, table: &str) -> Result<Option<TargetTable>> {
        catalog::describe(&self.warehouse, schema, table).await
    }

    fn statements(&self, change: &Change) -> Vec<String> {
        catalog::statements(change)
    }

    fn staging(&self, schema: &str, table: &str) -> Result<StagingPlace> {
        self.warehouse.settings.staging.place(schema, table)
    }

    async fn load(&self, target: &TargetDefinition, manifest: &Manifest) -> Result<()> {
        load::load(&self.warehouse, target, manifest).await
    }

    async fn hashes(
        &self,
        target: &TargetDefinition,
        scope: Scope<'_>,
        _: usize,
    ) -> Result<PartitionHashes> {
        read::hashes(&self.warehouse, target, scope).await
    }

    async fn aggregates(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<LoadedAggregates> {
        let relation = Relation::loaded(&self.warehouse, target, manifest);
        load::aggregates(relation, target, manifest).await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published> {
        publish::publish(&self.warehouse, publication).await
    }

    async fn proof(
        &self,
        schema: &str,
        table: &str,
        record: &StoredRecord,
    ) -> Result<Option<Value>> {
        let name = TableName::new(&self.warehouse.settings.connection, schema, table);
        let entry = ledger::read(&self.warehouse, &name).await?;
        let entry = entry.filter(|entry| entry.record.manifest == record.manifest);
        Ok(entry.map(|entry| entry.proof))
    }

    async fn staged(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<Arc<dyn TableProvider>> {
        let relation = Relation::loaded(&self.warehouse, target, manifest);
        Ok(Arc::new(FrontendTable::new(
            Arc::new(relation),
            dialect::dialect(),
        )))
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn TableProvider>> {
        let relation = Relation::published(&self.warehouse, schema, table).await?;
        Ok(Arc::new(FrontendTable::new(
            Arc::new(relation),
            dialect::dialect(),
        )))
    }

    async fn check(&self, schema: &str, table: &str) -> Result<Checked> {
        check::check(&self.warehouse, schema, table).await
    }

    async fn orphans(
        &self,
        schema: &str,
        table: &str,
        living: &[String],
        remove: bool,
    ) -> Result<Vec<Orphan>> {
        orphan::sweep(&self.warehouse, schema, table, living, remove).await
    }
}
