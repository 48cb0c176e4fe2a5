//! Publishing: files, shape and record in one entry of the log.
//!
//! Everything is checked against one version and committed as the next one, which only one writer
//! can make. Who comes second looks at the table anew and checks again.

use std::collections::HashMap;
use std::time::Duration;

use object_store::ObjectStoreExt;
use serde_json::Value;

use super::catalog;
use super::checkpoint;
use super::commit::{Commit, Operation, Written};
use super::connect::TablePlace;
use super::error::store_error;
use super::metadata::TableMetadata;
use super::protocol::{TableProtocol, refuse_removal};
use super::replace::{Replacement, replace};
use super::snapshot::{DataFile, TableState};
use super::statistics;
use super::types::DeltaTypes;
use super::value;
use crate::backend::{Change, Mode, Publication, Published, TargetDefinition, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::frontend::TypeMap;
use crate::staging::{Manifest, StagedFile, can_partition};

/// How often a version may be lost to another writer before we give up.
const ATTEMPTS: u32 = 20;

/// Where proofs lie. Readers and VACUUM pass over folders that begin with `_`.
pub(super) const PROOFS: &str = "_goe/proofs";

/// Makes a manifest's rows, the table's shape and the record visible in one version.
pub(super) async fn publish(place: &TablePlace, publication: &Publication) -> Result<Published> {
    check(&publication.target, &publication.manifest)?;
    let mut failure = None;
    for attempt in 0..ATTEMPTS {
        let state = TableState::load(place).await?;
        let table = state.as_ref().map(catalog::describe_state).transpose()?;
        let stored = table.as_ref().and_then(|table| table.record.as_ref());
        if publication.stands_after(stored)? {
            return Ok(Published {
                version: table.map_or_else(String::new, |table| table.version),
                already: true,
                rows_removed: 0,
            });
        }
        if let Some(error) = failure.take_if(|_| attempt >= 3) {
            return Err(error);
        }
        let interval = state
            .as_ref()
            .map_or(u64::MAX, |state| checkpoint::interval(&state.metadata));
        let (commit, rows_removed) = prepare(place, state, table, publication).await?;
        fault::point("publish.prepared")?;
        write_proof(place, publication).await?;
        fault::point("publish.proof_written")?;
        let number = commit.version();
        let version = format!("version {number}");
        fault::point("publish.before_commit")?;
        match commit.write(place).await? {
            Written::Yes => {
                fault::point("publish.committed")?;
                checkpoint::write_if_due(place, number, interval).await;
                return Ok(Published {
                    version,
                    already: false,
                    rows_removed,
                });
            }
            Written::Taken => {}
            Written::Unknown(error) if is_refusal(&error) => return Err(error),
            Written::Unknown(error) => failure = Some(error),
        }
        pause(attempt).await;
    }
    Err(failure.unwrap_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "Other writers were faster {ATTEMPTS} times in a row on table \"{}\"",
                place.name
            ),
        )
        .hint("run again when the table is written to less")
    }))
}

/// Whether the store surely did not write.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Permission | ErrorKind::Authenticate
    )
}

/// Waits longer each time, and never as long as another writer does.
async fn pause(attempt: u32) {
    let spread = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    let millis = (5 << attempt.min(7)) + spread / 4;
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// The entry that follows a version, and how many rows it takes out.
async fn prepare(
    place: &TablePlace,
    state: Option<TableState>,
    table: Option<TargetTable>,
    publication: &Publication,
) -> Result<(Commit, u64)> {
    let change = publication.actual_change(table.as_ref())?;
    refuse_other_types(table.as_ref(), publication)?;
    let (metadata, protocol, stated) = shape(place, state.as_ref(), &change, publication)?;
    let removed = match &state {
        Some(state) => replacement(state, publication).await?,
        None => Replacement::default(),
    };
    let mut commit = Commit::after(state.as_ref().map(|state| state.version));
    let predicate = match &publication.mode {
        Mode::ReplaceWhere(predicate) => Some(predicate.to_string()),
        _ => None,
    };
    let operation = Operation {
        name: if state.is_none() {
            "CREATE TABLE AS SELECT"
        } else {
            "WRITE"
        },
        mode: if publication.mode == Mode::Append {
            "Append"
        } else {
            "Overwrite"
        },
        predicate: predicate.as_deref(),
    };
    commit.info(
        operation,
        &publication.record,
        publication.mode == Mode::Append,
    );
    if stated {
        commit.protocol(protocol);
    }
    commit.metadata(metadata);
    commit.transaction(publication.record.sequence);
    for file in &removed.gone {
        commit.remove(file);
    }
    for (file, stats) in removed.rewritten {
        commit.add(&file, stats);
    }
    for file in &publication.manifest.files {
        if file.hashes.rows > 0 {
            commit.add(&DataFile::from(file), file_stats(&publication.target, file));
        }
    }
    Ok((commit, removed.rows))
}

async fn replacement(state: &TableState, publication: &Publication) -> Result<Replacement> {
    if publication.mode == Mode::Append {
        return Ok(Replacement::default());
    }
    refuse_removal(&state.metadata, &state.place.name)?;
    replace(state, &publication.mode, &publication.record.manifest).await
}

/// A file's column is of the table's own type, not merely of one that fits in: the log has no word
/// for a file of another type, and readers do not look for one.
fn refuse_other_types(table: Option<&TargetTable>, publication: &Publication) -> Result<()> {
    for existing in table.into_iter().flat_map(|table| &table.columns) {
        let staged = publication
            .target
            .columns
            .iter()
            .find(|column| column.name == existing.name);
        let native = match staged {
            Some(staged) => DeltaTypes.from_canonical(staged.stored)?.to.native,
            None => continue,
        };
        if native != existing.native {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "Column \"{}\" of table \"{}\" is {} and was staged as {native}",
                    existing.name, publication.target.name, existing.native
                ),
            )
            .hint("plan again with the table's own types"));
        }
    }
    Ok(())
}

/// Metadata and protocol of the new version, and whether the protocol must be stated.
fn shape(
    place: &TablePlace,
    state: Option<&TableState>,
    change: &Change,
    publication: &Publication,
) -> Result<(TableMetadata, TableProtocol, bool)> {
    let proof = proof_path(&publication.record.manifest);
    let Some(state) = state else {
        let metadata = TableMetadata::create(&publication.target);
        let protocol = TableProtocol::create(&metadata)?;
        return Ok((
            metadata.with_record(&publication.record, &proof),
            protocol,
            true,
        ));
    };
    state
        .protocol
        .refuse_foreign(&state.metadata, &place.name)?;
    let mut metadata = state.metadata.clone();
    if let Change::AddColumns { columns, .. } = change {
        metadata = metadata.with_columns(columns)?;
    }
    let protocol = state.protocol.upgraded(&metadata)?;
    let stated = protocol != state.protocol;
    Ok((
        metadata.with_record(&publication.record, &proof),
        protocol,
        stated,
    ))
}

fn file_stats(target: &TargetDefinition, file: &StagedFile) -> String {
    statistics::stats(&target.columns, &file.partition, &file.bounds, &file.hashes)
}

fn proof_path(manifest: &str) -> String {
    format!(
        "{PROOFS}/{}.json",
        crate::systems::folder_name::encode_part(manifest).unwrap_or_default()
    )
}

/// Writes the proof. It is an object of this publication alone, so it also shows what the store does
/// when one is to be made that is there.
async fn write_proof(place: &TablePlace, publication: &Publication) -> Result<()> {
    let path = proof_path(&publication.record.manifest);
    let bytes = publication.proof.to_string().into_bytes();
    place.put(&path, bytes.clone()).await?;
    place.require_refusal(&path, bytes).await
}

/// The proof that a manifest was published with; `None` if it is gone.
pub(super) async fn proof(place: &TablePlace, manifest: &str) -> Result<Option<Value>> {
    let relative = proof_path(manifest);
    let failed = |error| {
        store_error(
            &format!("{relative} of table \"{}\" can't be read", place.name),
            error,
        )
    };
    let found = match place.store.get(&place.path(&relative)?).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let bytes = found.bytes().await.map_err(failed)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(
            ErrorKind::Load,
            format!("{relative} of table \"{}\" does not parse", place.name),
        )
        .hint("someone else wrote the file; goe verify can compare with the source alone")
        .caused_by(error)
    })
}

/// Refuses a table that Delta can't have, and a manifest that its log can't hold truly.
pub(super) fn check(target: &TargetDefinition, manifest: &Manifest) -> Result<()> {
    check_columns(target)?;
    for file in &manifest.files {
        let named: Vec<&String> = file.partition.iter().map(|(name, _)| name).collect();
        if !named.iter().copied().eq(&target.partition_columns)
            || file.hashes.rows > 0 && file.hashes.columns.len() != target.columns.len()
        {
            return Err(Error::internal(format!(
                "Staged file {} does not fit table \"{}\"",
                file.path, target.name
            )));
        }
        check_partition(target, file)?;
    }
    Ok(())
}

fn check_columns(target: &TargetDefinition) -> Result<()> {
    let mut seen = HashMap::new();
    for column in &target.columns {
        if let Some(twin) = seen.insert(column.name.to_lowercase(), &column.name) {
            return Err(Error::unsupported(format!(
                "Delta can't have columns \"{twin}\" and \"{}\" in table \"{}\"",
                column.name, target.name
            ))
            .hint(
                "names that differ in case alone are one to Delta; select one of them AS another",
            ));
        }
    }
    for column in &target.columns {
        let kind = column.stored.to_arrow();
        if target.partition_columns.contains(&column.name) && !can_partition(&kind) {
            return Err(Error::unsupported(format!(
                "Table \"{}\" can't be partitioned by column \"{}\" of type {}",
                target.name, column.name, column.native
            ))
            .hint("partition by a date, a number, a timestamp or text"));
        }
    }
    if target.columns.len() > target.partition_columns.len() {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "Table \"{}\" would have no column beside those that it is partitioned by",
        target.name
    ))
    .hint("select one more column, or partition by fewer"))
}

/// The log's text of each partition value must mean that value, and nothing else.
fn check_partition(target: &TargetDefinition, file: &StagedFile) -> Result<()> {
    for (name, text) in &file.partition {
        let column = target
            .columns
            .iter()
            .find(|column| column.name == *name)
            .ok_or_else(|| {
                Error::internal(format!(
                    "Table \"{}\" has no column \"{name}\"",
                    target.name
                ))
            })?;
        if text.as_deref() == Some("") {
            return Err(Error::new(
                ErrorKind::Data,
                format!("Partition column \"{name}\" of table \"{}\" holds an empty text", target.name),
            )
            .hint("Delta reads it as NULL; make it NULL or another text, or partition by another column"));
        }
        let normal = value::normal(text.as_deref(), &column.stored.to_arrow())?;
        if normal != *text {
            return Err(Error::internal(format!(
                "Partition value {text:?} of column \"{name}\" is not in its usual form {normal:?}"
            )));
        }
    }
    Ok(())
}
