//! Between: rows become Parquet files and a manifest.
//!
//! [`StageNode`] stands on top of an offload's logical plan; [`StageExec`] runs it with one writer
//! per worker. The rows that it returns are the manifest.

mod bounds;
mod collected;
mod column;
mod encoding;
mod exec;
mod file;
mod manifest;
mod node;
mod partition;
mod sums;
mod together;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;

pub(crate) use bounds::Bounds;
pub use exec::StageExec;
pub use manifest::{ColumnBounds, Manifest, StagedFile, partition_path};
pub use node::{StageNode, StagePlanner, collect_manifest};
pub(crate) use partition::split_batch;
pub use partition::{can_partition, partition_text};
pub(crate) use sums::{Chunk, ColumnSums, sum_alike};

/// Where staged files go.
#[derive(Debug, Clone)]
pub struct StagingPlace {
    /// The store, whose root is the staging root: the paths of a manifest are its paths.
    pub store: Arc<dyn ObjectStore>,
    /// The root as a person knows it, without secrets.
    pub url: String,
    /// The size of one part of an upload, also the memory that an open file may hold for it.
    pub part_bytes: usize,
}

/// How the rows of one chunk are staged.
#[derive(Debug)]
pub struct StageSpec {
    /// The manifest's id, part of every file's name.
    pub manifest: String,
    /// Where the files go.
    pub place: StagingPlace,
    /// What the rows are; the input has the same columns.
    pub schema: SchemaRef,
    /// The positions of the partition columns.
    pub partition_columns: Vec<usize>,
    /// Whether these are in the files too.
    pub partition_columns_in_files: bool,
    /// Whether each worker sorts its rows by partition first: for more partitions than a worker
    /// can collect rows of.
    pub sorted: bool,
    /// The positions of the columns that each file is sorted by inside, NULLs first; then rows come
    /// sorted by partition too.
    pub sort_columns: Vec<usize>,
    /// The size at which a file is closed.
    pub file_bytes: u64,
    /// Bytes that all writers together may hold in memory for unfinished row groups.
    pub memory: usize,
    /// What is done so far, for whoever watches.
    pub progress: Arc<StageProgress>,
}

impl StageSpec {
    /// What each worker sorts its rows by before it writes them; nothing if it does not.
    fn order(&self) -> Vec<usize> {
        if !self.sorted && self.sort_columns.is_empty() {
            return Vec::new();
        }
        let partition = self.partition_columns.iter();
        partition.chain(&self.sort_columns).copied().collect()
    }
}

/// What a stage has done so far.
#[derive(Debug, Default)]
pub struct StageProgress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl StageProgress {
    fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows handed to the encoders.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes of finished files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
