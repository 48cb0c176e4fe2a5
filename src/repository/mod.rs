//! The memory of runs: who ran, what each step took, how it ended, and who holds a target now.
//!
//! The truth about a target is in the target itself. Losing the repository loses history, never a
//! row, and doubles none.

mod chunks;
mod definitions;
mod sqlite;
mod tables;

use serde::Serialize;

pub use chunks::{Chunk, KeptEvent};
pub use definitions::Definition;
pub use sqlite::{Lease, Repository};

/// One run, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// Its id.
    pub run: String,
    /// The offload's name.
    pub offload: String,
    /// The source, as it was named.
    pub source: String,
    /// The target, as it was named.
    pub target: String,
    /// When it began; UTC, ISO 8601.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// `running`, `published`, `nothing to do`, `failed` or `interrupted`.
    pub status: String,
    /// Rows that it published.
    pub rows: u64,
    /// Bytes of Parquet that it published.
    pub bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// One step of a run, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// Its name.
    pub step: String,
    /// The chunk that it was for.
    pub chunk: Option<u32>,
    /// When it began; UTC, ISO 8601.
    pub started: String,
    /// How long it took.
    pub millis: Option<u64>,
    /// `running`, `done` or `failed`.
    pub status: String,
}

/// Runs, and the steps of the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The runs, the earliest first.
    pub runs: Vec<RunRow>,
    /// The steps, where one run was asked for.
    pub steps: Vec<StepRow>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending<'a> {
    /// `published`, `nothing to do`, `failed` or `interrupted`.
    pub status: &'a str,
    /// Rows that it published.
    pub rows: u64,
    /// Bytes of Parquet that it published.
    pub bytes: u64,
    /// Why it failed.
    pub error: Option<String>,
}
