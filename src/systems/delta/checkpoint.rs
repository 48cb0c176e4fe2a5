//! Checkpoints: the log so far in one file, so that readers need not open every entry.

use deltalake::DeltaTable;
use deltalake::checkpoints::create_checkpoint;

use super::connect::TablePlace;
use super::metadata::TableMetadata;
use super::snapshot::log_store;
use crate::fault;

/// The table property that says how many versions lie between two checkpoints.
const INTERVAL: &str = "delta.checkpointInterval";
/// As most writers have it.
const VERSIONS: u64 = 10;

/// Writes a checkpoint if one is due at this version of ours.
///
/// The version is published already and whole without it: a checkpoint that fails is left to a
/// later version, or to another writer.
pub(super) async fn write_if_due(place: &TablePlace, version: u64, interval: u64) {
    if version == 0 || !version.is_multiple_of(interval) {
        return;
    }
    let Ok(log) = log_store(place) else { return };
    let mut table = DeltaTable::new(log);
    if fault::point("checkpoint.due").is_ok() && table.load().await.is_ok() {
        let _ = create_checkpoint(&table, None).await;
        let _ = fault::point("checkpoint.written");
    }
}

/// How many versions lie between two checkpoints of a table.
pub(super) fn interval(metadata: &TableMetadata) -> u64 {
    let wanted = metadata.properties();
    let wanted = wanted
        .get(INTERVAL)
        .and_then(|value| value.as_str()?.parse().ok());
    wanted.filter(|versions| *versions > 0).unwrap_or(VERSIONS)
}
