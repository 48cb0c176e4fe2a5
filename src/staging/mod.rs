//! Between: rows become Parquet files and a manifest.

mod manifest;

pub use manifest::{ColumnBounds, Manifest, StagedFile, partition_path};
