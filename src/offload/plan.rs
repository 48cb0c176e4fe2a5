//! Every decision of an offload, made and immutable: its dry run is its text.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use serde::Serialize;

use super::checked_cast::changed_values;
use super::{Offload, PlannedColumn, PredicateType, Region, SchemaChange, VerifyLevel, Window};
use crate::backend::{Change, LoadedProof, Mode, StoredRecord, TargetDefinition, TargetTable};
use crate::frontend::Source;
use crate::schema::{Fidelity, TableName};

/// An offload with every decision made against both systems.
#[derive(Debug)]
#[must_use]
pub struct Plan {
    pub(crate) offload: Offload,
    /// The rows of this run, as the target holds them.
    pub(crate) query: LogicalPlan,
    /// The parts of them that are published one after the other.
    pub(crate) chunks: Vec<PlannedChunk>,
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) definition: TargetDefinition,
    pub(crate) columns: Vec<PlannedColumn>,
    pub(crate) existing: Option<TargetTable>,
    /// How the target proves the rows that it took in.
    pub(crate) loaded_proof: LoadedProof,
    pub(crate) change: Change,
    pub(crate) mode: Mode,
    pub(crate) window: Window,
    /// By what the target's windows are asked for, this run's among them.
    pub(crate) filled_by: Option<PredicateType>,
    /// The types of the source's columns that the coverage names.
    pub(crate) keys: BTreeMap<String, String>,
    /// Whether rows are sorted by partition before they are written.
    pub(crate) sorted: bool,
    /// The columns that files are sorted by inside.
    pub(crate) cluster_columns: Vec<String>,
    /// How the SELECT differs from the target that is there.
    pub(crate) schema_changes: Vec<SchemaChange>,
    pub(crate) statements: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// Why there is nothing to do.
    pub(crate) nothing: Option<String>,
}

/// What is staged, proved and published as one.
#[derive(Debug, Clone)]
pub struct PlannedChunk {
    /// The partitions of the source that it is made of, in few words.
    pub(crate) name: Option<String>,
    /// Its rows of the source.
    pub(crate) rows: Region,
    /// Those rows, as the target holds them.
    pub(crate) query: LogicalPlan,
    /// Whether the source can be asked for the count and the aggregates of these very rows.
    pub(crate) asks_source: bool,
}

/// How one source will be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The source.
    pub table: TableName,
    /// What it is, in words.
    pub kind: &'static str,
    /// Rows by the system's statistics.
    pub rows: Option<u64>,
    /// Bytes by the system's statistics.
    pub bytes: Option<u64>,
    /// How many splits.
    pub splits: usize,
    /// By what it is split.
    pub split_by: &'static str,
    /// Why not finer.
    pub split_reason: Option<String>,
    /// How many workers read it.
    pub workers: usize,
    /// The state that they read, in words.
    pub snapshot: String,
    /// Why they do not read one state, if so.
    pub mixed: Option<String>,
    /// The statement that reads the first split.
    pub sql: String,
    /// The filters, and who applies them.
    pub filters: Vec<PlannedFilter>,
}

/// A filter and who applies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedFilter {
    /// As the engine sees it.
    pub text: String,
    /// Who applies it.
    pub state: FilterState,
}

/// Who applies a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterState {
    /// The source alone.
    Exact,
    /// The source roughly, and we again.
    Superset,
    /// We alone.
    Local,
}

impl Plan {
    /// The offload that was planned.
    #[must_use]
    pub fn offload(&self) -> &Offload {
        &self.offload
    }

    /// The rows of this run, as the target holds them.
    #[must_use]
    pub fn rows(&self) -> &LogicalPlan {
        &self.query
    }

    /// The schema in which they are staged.
    #[must_use]
    pub fn schema(&self) -> arrow::datatypes::SchemaRef {
        self.definition.schema()
    }

    /// What will be done to the target's shape, as text.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        &self.statements
    }

    /// How the SELECT differs from the target that is there, if it is.
    #[must_use]
    pub fn schema_changes(&self) -> &[SchemaChange] {
        &self.schema_changes
    }

    /// The columns that files are sorted by inside, in their order.
    #[must_use]
    pub fn cluster_columns(&self) -> &[String] {
        &self.cluster_columns
    }

    /// How many values casts have changed so far because the offload allows it, a sentence each.
    ///
    /// # Errors
    /// Those of the engine's own tree walk.
    pub fn changed_values(&self) -> crate::error::Result<Vec<String>> {
        changed_values(self.chunks.iter().map(|chunk| &chunk.query))
    }

    /// What would be run on the target, in order, as a script; `made` is the time in its header.
    #[must_use]
    pub fn ddl(&self, made: &str) -> String {
        let line = |text: String| format!("-- {}\n", text.replace(['\n', '\r'], " "));
        let mut script = line(format!(
            "Target {} of offload {}",
            self.offload.target(),
            self.offload.name()
        ));
        script += &line(format!("made {made} by goe {}", env!("CARGO_PKG_VERSION")));
        if self.statements.is_empty() {
            script += &line("nothing is to be run: the target has its shape".to_owned());
        }
        for statement in &self.statements {
            script += &format!("\n{statement};\n");
        }
        script
    }

    /// Why there is nothing to do, if so.
    #[must_use]
    pub fn nothing_to_do(&self) -> Option<&str> {
        self.nothing.as_deref()
    }

    /// The columns of the target.
    #[must_use]
    pub fn columns(&self) -> &[PlannedColumn] {
        &self.columns
    }

    /// The names of the columns, some of whose values can't be kept.
    #[must_use]
    pub fn lossy(&self) -> Vec<String> {
        let lossy = self
            .columns
            .iter()
            .filter(|column| column.fidelity == Fidelity::Lossy);
        lossy.map(|column| column.target.name.clone()).collect()
    }

    /// Rows of the sources by their statistics; no filter is taken into account.
    #[must_use]
    pub fn rows_expected(&self) -> Option<u64> {
        self.readings.iter().map(|reading| reading.rows).sum()
    }

    /// Bytes of the sources by their statistics.
    #[must_use]
    pub fn bytes_expected(&self) -> Option<u64> {
        self.readings.iter().map(|reading| reading.bytes).sum()
    }

    /// What the rows that the target took in are proved with; `None` where only their number is.
    #[must_use]
    pub fn loaded_proof(&self) -> Option<LoadedProof> {
        match self.offload.verify() {
            VerifyLevel::Count | VerifyLevel::Aggregates => None,
            VerifyLevel::Checksum => Some(self.loaded_proof),
            VerifyLevel::ReadBack => Some(LoadedProof::ReadBack),
        }
    }

    /// How many chunks are published, one after the other.
    #[must_use]
    pub fn chunk_count(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    /// The record that stands in the target.
    pub(crate) fn stored_record(&self) -> Option<&StoredRecord> {
        self.existing.as_ref()?.record.as_ref()
    }

    /// Whether the source can be asked for the count and the aggregates of the very rows that are
    /// staged.
    #[must_use]
    pub fn asks_source(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.asks_source)
    }

    /// Whether rows come through one by one: no join, aggregate, sort or limit.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        plain(&self.query)
    }
}

/// Whether a plan is only projections, filters and aliases over one scan.
pub(crate) fn plain(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().iter().all(|input| plain(input))
        }
        _ => false,
    }
}
