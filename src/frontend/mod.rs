//! Reading: what a system must offer so that its tables can leave it.
//!
//! A [`Frontend`] opens a [`Source`]; a source gives [`Splits`] and a [`Snapshot`]; a snapshot
//! reads splits. [`FrontendTable`] makes a DataFusion table of the three.

mod dialect;
mod partition;
mod pushdown;
mod query;
mod rate;
mod scan;
mod split;
mod table;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;

use crate::error::Result;
use crate::schema::{CanonicalType, Column, Mapping, TableName};

pub use dialect::{Comparison, Dialect};
pub use partition::{
    Bound, PartitionBound, PartitionMethod, Partitions, SourcePartition, value_text,
};
pub use pushdown::{Pushed, translate};
pub use query::{
    Aggregate, AggregateFunction, BatchLimits, ReadRequest, Select, request_schema, select_sql,
};
pub use rate::RateLimit;
pub use scan::FrontendScan;
pub use split::{Split, Splits};
pub use table::{FrontendTable, frontend_table, pin};

/// A system whose tables can be read.
#[async_trait]
pub trait Frontend: Debug + Send + Sync {
    /// What never changes about this system.
    fn facts(&self) -> &FrontendFacts;

    /// How SQL is written for it.
    fn dialect(&self) -> Arc<dyn Dialect>;

    /// The system's types.
    fn types(&self) -> &dyn TypeMap;

    /// Connects, logs in and looks around.
    ///
    /// # Behavior
    /// - Ends within the connect timeout, also when nothing answers.
    /// - Fails with kind Connect, Authenticate, Permission, NotFound or Config, each with a hint.
    async fn probe(&self) -> Result<Probe>;

    /// The tables and views that can be named.
    ///
    /// # Behavior
    /// - Every table that can be opened is listed once, in order of schema and name.
    async fn tables(&self) -> Result<Vec<TableEntry>>;

    /// Describes one table in one round trip.
    ///
    /// # Behavior
    /// - `schema` and `table` match exactly first, then without regard to case if only one fits.
    /// - An unknown schema or table is NotFound with the nearest name as hint.
    /// - A type without a canonical type is Unsupported and names every such column at once.
    /// - An option for a column that is not there, or of an unknown form, is refused with kind Usage.
    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>>;

    /// Describes many tables by their exact schemas and names, in their order.
    ///
    /// # Behavior
    /// - In as few round trips as the system allows, however many tables.
    /// - A table that can't be described fails alone.
    async fn open_all(&self, names: &[(String, String)]) -> Result<Vec<Result<Arc<dyn Source>>>> {
        let options = OpenOptions::default();
        let mut sources = Vec::with_capacity(names.len());
        for (schema, table) in names {
            sources.push(self.open(schema, table, &options).await);
        }
        Ok(sources)
    }
}

/// What never changes about a system that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrontendFacts {
    /// The system's name: `postgres`.
    pub system: &'static str,
    /// The longest identifier in bytes.
    pub identifier_bytes: usize,
}

/// How a person wants a table's columns read, beyond what the system declares.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OpenOptions {
    /// Per column name: `text` for the value's text form, or a form that the system's README names
    /// (`julian`, `unix`, …). An unknown column or form is refused with kind Usage.
    pub read_as: BTreeMap<String, String>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Product and version, as the server says it.
    pub version: String,
    /// Who we are there.
    pub user: Option<String>,
    /// Whether the connection is encrypted; `None` where there is no network.
    pub encrypted: Option<bool>,
    /// What snapshots it can give, in words.
    pub snapshot: String,
    /// Facts and warnings worth a line each.
    pub notes: Vec<String>,
}

/// One line of a listing of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What it is.
    pub kind: RelationKind,
    /// Rows by the system's own statistics; an estimate.
    pub rows: Option<u64>,
    /// Bytes that it holds in the system; an estimate.
    pub bytes: Option<u64>,
}

/// What can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// A plain table.
    Table,
    /// A table whose rows are in partitions.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A table of another system.
    Foreign,
}

impl RelationKind {
    /// The word that people use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Partitioned => "partitioned table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Foreign => "foreign table",
        }
    }
}

/// A table as its system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTable {
    /// The exact name.
    pub name: TableName,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The primary key's columns; empty if there is none.
    pub primary_key: Vec<String>,
    /// Sets of columns that are unique (and not null), the primary key among them.
    pub unique: Vec<Vec<String>>,
    /// Rows by the system's own statistics; an estimate.
    pub rows: Option<u64>,
    /// Bytes that it holds in the system; an estimate.
    pub bytes: Option<u64>,
    /// The comment that the system keeps.
    pub comment: Option<String>,
    /// The parts that the system itself holds it in; `None` for one that is whole.
    pub partitions: Option<Partitions>,
}

/// A table that was described and can be read.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// What was described.
    fn table(&self) -> &SourceTable;

    /// Cuts the table into splits of about `bytes` each.
    ///
    /// # Behavior
    /// - Every row that any later snapshot sees falls into exactly one split: the first and the
    ///   last are open.
    /// - An empty table has one split.
    /// - One split and a reason where the table can't be cut.
    async fn splits(&self, bytes: u64) -> Result<Splits>;

    /// Opens one state of the source for up to `readers` readers at once.
    ///
    /// # Behavior
    /// - The session is read-only.
    /// - A table that was dropped or altered since it was described is refused with kind Conflict.
    /// - May give fewer readers than asked for, and says so in its facts.
    /// - Every reader sees the rows of one state, and none that were written later, unless its facts
    ///   say that it is mixed.
    /// - A state that can be opened again, by its facts, has the same label and the same rows then.
    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>>;
}

/// One state of a source, held open until it is dropped.
#[async_trait]
pub trait Snapshot: Debug + Send + Sync {
    /// What it is.
    fn facts(&self) -> &SnapshotFacts;

    /// Reads a split, or the whole table for `None`.
    ///
    /// # Behavior
    /// - Rows come typed by [`request_schema`], with the columns that were asked for, in that order.
    /// - A value that breaks its column's declared type ends the stream with kind Data and names
    ///   table, column, key and value.
    /// - A filter keeps the rows that the engine would keep, or more of them where it is no exact one.
    /// - Aggregates are those of the rows that it would read; one that is not exact is refused with
    ///   kind Unsupported, rows are always counted.
    /// - A limit is the most rows that come of a split.
    /// - At most `readers` streams are open at once; one more waits for a free reader.
    /// - Batches hold at most the request's rows, and at most its bytes unless one row is larger.
    /// - Dropping the stream stops the source's work within 5 s.
    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream>;
}

/// What a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// Its name in words, such as `exported snapshot 00000003-0000001B-1`.
    pub label: String,
    /// `None` when every split reads as of one state, else why not.
    pub mixed: Option<String>,
    /// How many readers it serves at once; at least 1.
    pub readers: usize,
    /// Whether the same state can be opened another time, by another run too: it is named, or
    /// never changes. `false` where it is gone with its sessions.
    pub again: bool,
}

/// A system's types to and from the canonical ones. Total: a type, or the reason why not.
pub trait TypeMap: Send + Sync {
    /// The system's type names, typical parameters included, for the table that people read.
    fn natives(&self) -> Vec<String>;

    /// The canonical type of a native type text.
    ///
    /// # Behavior
    /// - Every type that `natives` names is mapped, or refused with kind Unsupported and a hint.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] with the type, the reason and what to do.
    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>>;

    /// The native type that holds a canonical type, and the canonical type that rows are staged
    /// as for it (text for a type that the system lacks).
    ///
    /// # Behavior
    /// - Every canonical type has a native one that `to_canonical` reads, or is refused with kind
    ///   Unsupported and a hint.
    ///
    /// # Errors
    /// As [`TypeMap::to_canonical`].
    #[allow(clippy::wrong_self_convention)] // a map converts; it is not what is converted
    fn from_canonical(&self, canonical: CanonicalType) -> Result<Mapping<NativeType>>;

    /// The type of JSON documents, for a system that has one and whose targets take text as such.
    /// It keeps what a document says, not how it is written.
    fn json(&self) -> Option<&'static str> {
        None
    }
}

/// A type of a system, and how its values are staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeType {
    /// The system's own type text.
    pub native: String,
    /// What the staged column is.
    pub stored: CanonicalType,
}
