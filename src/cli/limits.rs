//! Flags that spare the source, and say how long a run puts up with failures.

use clap::Args;

use crate::config::{Defaults, parse_bytes};
use crate::offload::OffloadSpec;

const HEADING: &str = "Sparing the source";

/// How much a run asks of its source.
#[derive(Debug, Clone, Args)]
pub(super) struct Limits {
    /// Read at most so much in a second, all workers together, such as 20MB
    #[arg(long, help_heading = HEADING, value_name = "SIZE", value_parser = parse_bytes)]
    max_rate: Option<u64>,
    /// Cut a chunk in two that is read from one snapshot for longer
    #[arg(long, help_heading = HEADING, value_name = "SECONDS")]
    max_snapshot_seconds: Option<u64>,
    /// Cut the run into chunks by this column of whole numbers or times, each with a snapshot of its
    /// own and no larger than --max-offload-chunk-size
    #[arg(long, help_heading = HEADING, value_name = "COLUMN")]
    chunk_by: Option<String>,
    /// Try temporary failures again for so long; 0 fails at once [300]
    #[arg(long, help_heading = HEADING, value_name = "SECONDS")]
    retry_seconds: Option<u64>,
}

impl Limits {
    /// An offload with these limits, and the configured ones where none are given.
    pub(super) fn on(&self, spec: OffloadSpec, defaults: &Defaults) -> OffloadSpec {
        OffloadSpec {
            max_rate: self.max_rate.or(defaults.max_rate),
            max_snapshot_seconds: self.max_snapshot_seconds,
            chunk_by: self.chunk_by.clone(),
            retry_seconds: self.retry_seconds.or(defaults.retry_seconds),
            ..spec
        }
    }
}
