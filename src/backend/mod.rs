//! Loading: what a system must offer so that tables can reach it.
//!
//! Rows come as a [`Manifest`] of staged files. `load` takes them in where nobody sees them,
//! `hashes` proves what came in, and `publish` makes rows and record visible together, once.

mod change;
mod publication;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use serde_json::Value;

use crate::error::Result;
use crate::frontend::{Probe, TableEntry, TypeMap};
use crate::schema::{Column, PartitionHashes, TableName};
use crate::staging::{ColumnBounds, Manifest};

pub use crate::staging::StagingPlace;
pub use change::{Change, TargetColumn, TargetDefinition};
pub use publication::{Mode, Publication, Published, StoredRecord};

/// A system that tables can reach.
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// What never changes about this system.
    fn facts(&self) -> &BackendFacts;

    /// The system's types.
    fn types(&self) -> &dyn TypeMap;

    /// Reaches the place, logs in and looks around.
    ///
    /// # Behavior
    /// - Leaves nothing there.
    async fn probe(&self) -> Result<Probe>;

    /// The tables that stand there.
    ///
    /// # Behavior
    /// - Every published table is listed once, in order of schema and name.
    async fn tables(&self) -> Result<Vec<TableEntry>>;

    /// Describes a target with its record.
    ///
    /// # Behavior
    /// - `None` where there is nothing by that name.
    /// - Tells the columns, the partition columns and the record that were published.
    /// - A place that holds something else is refused with kind AlreadyExists and says what.
    /// - A table with features that we can't keep true to is Unsupported and names them.
    async fn describe(&self, schema: &str, table: &str) -> Result<Option<TargetTable>>;

    /// What a change does, as text for people: DDL where the system has it.
    ///
    /// # Behavior
    /// - Nothing happens there.
    fn statements(&self, change: &Change) -> Vec<String>;

    /// Where the files of a target are staged.
    fn staging(&self, schema: &str, table: &str) -> Result<StagingPlace>;

    /// Takes staged files in; does nothing where they are the table's future files.
    ///
    /// # Behavior
    /// - Nobody sees the rows before they are published.
    /// - A second time it changes nothing.
    async fn load(&self, target: &TargetDefinition, manifest: &Manifest) -> Result<()>;

    /// The sums of what the backend now holds, per partition (by [`crate::staging::partition_path`])
    /// and in the order of the definition's columns, read back through the system's own reader.
    ///
    /// # Behavior
    /// - Of a manifest: of its rows and no others.
    /// - Of what is published: of all its rows, by partition.
    async fn hashes(
        &self,
        target: &TargetDefinition,
        scope: Scope<'_>,
        readers: usize,
    ) -> Result<PartitionHashes>;

    /// What the backend itself says of the loaded rows, computed where they are. Asked where the
    /// facts say [`LoadedProof::Aggregates`]; kind Unsupported elsewhere.
    ///
    /// # Behavior
    /// - Sees the rows of the manifest and no others.
    /// - States a bound or a sum in the text form of [`ColumnBounds`], and only where it is exact.
    async fn aggregates(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<LoadedAggregates>;

    /// Makes the rows of a manifest and the record visible together.
    ///
    /// # Behavior
    /// - All or nothing: a reader sees the table before or after, never between.
    /// - Done a second time with the same record sequence and manifest it changes nothing and says
    ///   that it was there already.
    /// - A record that is not the one that the publication continues is refused with kind Conflict.
    /// - A smaller fence than the stored record's is refused with kind Locked.
    /// - With [`Mode::ReplaceAll`] the rows that were there go in the same step, and are counted.
    /// - With [`Mode::ReplaceWhere`] those go for which the predicate is true and no others, or it is
    ///   refused with kind Unsupported and nothing changes.
    /// - With [`Change::AddColumns`] the columns are there in the same step, NULL in older rows.
    async fn publish(&self, publication: &Publication) -> Result<Published>;

    /// What was kept beside the target as the proof of a record's chunk.
    ///
    /// # Behavior
    /// - The proof that was published, and `None` for a record that has none there.
    async fn proof(
        &self,
        schema: &str,
        table: &str,
        record: &StoredRecord,
    ) -> Result<Option<Value>>;

    /// The rows of a manifest that is loaded and not yet published, for queries.
    ///
    /// # Behavior
    /// - Its rows and no others, typed by the definition.
    async fn staged(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<Arc<dyn TableProvider>>;

    /// The published table, for queries.
    ///
    /// # Behavior
    /// - All published rows, typed as `describe` says, which holds what the definition does.
    /// - A table that is not there is NotFound.
    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn TableProvider>>;

    /// Compares what the target's own books say with the objects that are there; no row is read.
    ///
    /// # Behavior
    /// - Nothing is found where there is no such table, and no flaw where all is in order.
    async fn check(&self, schema: &str, table: &str) -> Result<Checked>;

    /// Staged files that nothing needs.
    ///
    /// # Behavior
    /// - Files of a run that is not in `living` are found unless a version of the table names them.
    /// - With `remove` they are removed, and nothing else is.
    async fn orphans(
        &self,
        schema: &str,
        table: &str,
        living: &[String],
        remove: bool,
    ) -> Result<Vec<Orphan>>;
}

/// What never changes about a system that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendFacts {
    /// The system's name: `delta`.
    pub system: &'static str,
    /// The size at which a staged file is closed.
    pub file_bytes: u64,
    /// Whether the partition columns are in the files too, not in their folders alone.
    pub partition_columns_in_files: bool,
    /// Whether rows can be partitioned by an expression; otherwise by a column made for it.
    pub partition_by_expression: bool,
    /// The longest column name in characters.
    pub identifier_chars: usize,
    /// Whether two columns may differ in case alone.
    pub case_twins: bool,
    /// Whether rows can be partitioned at all; otherwise the table is clustered by the columns that
    /// it would be partitioned by.
    pub partitions: bool,
    /// How loaded rows are proved unless the offload says otherwise.
    pub loaded_proof: LoadedProof,
}

/// How the rows that a backend took in are proved to be those that were staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadedProof {
    /// They are read back and hashed: reading is as cheap as reading the staged files.
    ReadBack,
    /// The backend computes aggregates of them: reading would send every row over the wire.
    Aggregates,
}

/// What a backend says of loaded rows without sending them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadedAggregates {
    /// How many rows.
    pub rows: u64,
    /// One per column, in the order of the definition.
    pub columns: Vec<ColumnAggregates>,
}

/// What a backend says of one column of loaded rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnAggregates {
    /// How many values are NULL.
    pub nulls: u64,
    /// Least, greatest and sum; `None` for what the backend can't state exactly.
    pub bounds: ColumnBounds,
}

/// A target as its system describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetTable {
    /// The exact name.
    pub name: TableName,
    /// All columns, in order; `canonical` is what the backend holds.
    pub columns: Vec<Column>,
    /// The columns that it is partitioned by.
    pub partition_columns: Vec<String>,
    /// The record, if goe made the table.
    pub record: Option<StoredRecord>,
    /// Rows that it holds now, as far as it knows without a scan.
    pub rows: Option<u64>,
    /// The version or state that was described, for people.
    pub version: String,
}

/// Which rows of a target.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Loaded and not yet published.
    Manifest(&'a Manifest),
    /// Everything that is published.
    Published,
}

/// What a check of a target's books found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The files that the books name.
    pub files: Vec<CheckedFile>,
    /// Where books and objects disagree.
    pub flaws: Vec<Flaw>,
}

/// A file that a target's books name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// Relative to the staging root.
    pub path: String,
    /// Its size by the books.
    pub bytes: u64,
}

/// Books and objects disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The object, relative to the staging root.
    pub object: String,
    /// How, in words.
    pub detail: String,
}

/// A staged file that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Relative to the staging root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The run that left it.
    pub run: String,
}
