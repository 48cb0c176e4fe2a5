//! How a run or a proof ended, when it ended well.

use serde::Serialize;

use super::chunk::Done;
use super::{Journal, RowDifference};
use crate::offload::{Difference, Offload, Plan, Record};
use crate::schema::TableName;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Outcome {
    /// Its id.
    pub run: String,
    /// The target.
    pub target: TableName,
    /// Chunks published, one after the other.
    pub chunks: u32,
    /// Rows published.
    pub rows: u64,
    /// Rows that went, where the target was replaced.
    pub rows_removed: u64,
    /// Files published.
    pub files: usize,
    /// Bytes of Parquet published.
    pub bytes: u64,
    /// The target's version now.
    pub version: Option<String>,
    /// Why there was nothing to do.
    pub nothing_to_do: Option<String>,
    /// How both sides were proved equal, in one sentence.
    pub proof: String,
    /// How long it took.
    pub millis: u64,
}

impl Outcome {
    pub(super) fn nothing(journal: &Journal, plan: &Plan, why: &str) -> Self {
        Self {
            version: plan.existing.as_ref().map(|table| table.version.clone()),
            nothing_to_do: Some(why.to_owned()),
            millis: journal.millis(),
            ..Self::begun(journal, plan)
        }
    }

    /// A target that was there got a record.
    pub(super) fn adopted(
        journal: &Journal,
        offload: &Offload,
        version: String,
        proof: String,
    ) -> Self {
        Self {
            version: Some(version),
            proof,
            millis: journal.millis(),
            ..Self::empty(journal, offload)
        }
    }

    /// A run of which nothing is published yet.
    pub(super) fn begun(journal: &Journal, plan: &Plan) -> Self {
        Self::empty(journal, plan.offload())
    }

    fn empty(journal: &Journal, offload: &Offload) -> Self {
        Self {
            run: journal.run.clone(),
            target: offload.target().clone(),
            chunks: 0,
            rows: 0,
            rows_removed: 0,
            files: 0,
            bytes: 0,
            version: None,
            nothing_to_do: None,
            proof: String::new(),
            millis: 0,
        }
    }

    pub(super) fn add(&mut self, done: &Done) {
        self.chunks += 1;
        self.rows += done.manifest.rows();
        self.rows_removed += done.published.rows_removed;
        self.files += done.manifest.files.len();
        self.bytes += done.manifest.bytes();
        self.version = Some(done.published.version.clone());
        self.proof.clone_from(&done.proof);
    }

    pub(super) fn ended(mut self, journal: &Journal) -> Self {
        if self.chunks > 1 {
            self.proof = format!(
                "{} chunks, each proved; the last: {}",
                self.chunks, self.proof
            );
        }
        self.millis = journal.millis();
        self
    }
}

/// What a published target is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// The source, as it is now.
    Source,
    /// Those covered rows of the source as it is now for which a condition is true.
    Slice(String),
    /// The sums that were stored when the rows were published.
    Stored,
}

impl Against {
    pub(super) fn words(&self, record: &Record) -> String {
        let offload = record.offload.validate().ok();
        let source = offload.as_ref().and_then(Offload::source);
        let source = source.map_or_else(|| "its query".to_owned(), ToString::to_string);
        match self {
            Self::Source => format!("{source} where {}", record.coverage),
            Self::Slice(rows) => format!("{source} where ({rows}) AND ({})", record.coverage),
            Self::Stored => "the hashes stored when it was published".to_owned(),
        }
    }
}

/// How a proof ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Verification {
    /// The target.
    pub target: TableName,
    /// What it was compared with, in words.
    pub against: String,
    /// Rows on that side.
    pub source_rows: u64,
    /// Rows that the target holds.
    pub target_rows: u64,
    /// How both differ; empty when they are equal.
    pub differences: Vec<Difference>,
    /// Columns that the target keeps as JSON documents: of these only the NULLs were compared.
    pub only_nulls: Vec<String>,
    /// The first rows that differ, where the source is asked and has a key to find them by.
    pub rows: Vec<RowDifference>,
    /// How long it took.
    pub millis: u64,
}

impl Verification {
    /// Whether both sides are equal.
    #[must_use]
    pub fn equal(&self) -> bool {
        self.differences.is_empty()
    }
}
