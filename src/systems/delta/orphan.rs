//! Files that dead runs left behind.

use std::collections::HashSet;
use std::fs;
use std::path::Path as FilePath;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};
use serde_json::Value;

use super::connect::TablePlace;
use super::error::store_error;
use super::load::PROOFS;
use super::snapshot::TableState;
use crate::backend::Orphan;
use crate::error::Result;
use crate::fault;
use crate::systems::staged_name::{run_of, run_prefix};

/// Lists the files of runs that are not living and that the log does not name, neither as present
/// nor as removed; with `remove` they go. Files that goe did not write are never touched.
pub(super) async fn sweep(
    place: &TablePlace,
    living: &[String],
    remove: bool,
) -> Result<Vec<Orphan>> {
    // Listed before the log is read: what a run stages and publishes meanwhile is not in the list.
    let candidates = candidates(place, living).await?;
    let named = named(place).await?;
    let mut orphans: Vec<Orphan> = candidates
        .into_iter()
        .filter(|orphan| !named.contains(&orphan.path))
        .collect();
    if orphans.iter().any(is_proof) {
        let published = published_manifests(place).await?;
        orphans.retain(|orphan| {
            !is_proof(orphan)
                || published
                    .as_ref()
                    .is_some_and(|all| !all.contains(stem(&orphan.path)))
        });
    }
    fault::point("clean.listed")?;
    if remove {
        for orphan in &orphans {
            delete(place, &orphan.path).await?;
            fault::point("clean.removed")?;
        }
    }
    Ok(orphans)
}

async fn candidates(place: &TablePlace, living: &[String]) -> Result<Vec<Orphan>> {
    let mut found = Vec::new();
    let mut entries = place.store.list(None);
    loop {
        let entry = match entries.try_next().await {
            Ok(Some(entry)) => entry,
            Ok(None) | Err(StoreError::NotFound { .. }) => break,
            Err(error) => return Err(store_error(&listing(place), error)),
        };
        let path = entry.location.to_string();
        let run = match path.strip_prefix(PROOFS) {
            Some(_) => run_prefix(stem(&path)),
            None => entry.location.filename().and_then(run_of),
        };
        let Some(run) = run.map(str::to_owned) else {
            continue;
        };
        if !living.contains(&run) {
            found.push(Orphan {
                run,
                bytes: entry.size,
                path,
            });
        }
    }
    if let Some(folder) = &place.folder {
        let mut unfinished = Vec::new();
        find_unfinished(folder, "", &mut unfinished)
            .map_err(|error| store_error(&listing(place), error))?;
        unfinished.retain(|orphan| !living.contains(&orphan.run));
        found.append(&mut unfinished);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Finds what a run that was killed left of uploads to a local disk: `FILE#N`, renamed to `FILE` when
/// it is whole. The store neither lists nor removes such files.
fn find_unfinished(
    folder: &FilePath,
    inside: &str,
    found: &mut Vec<Orphan>,
) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{inside}{name}");
        if entry.file_type()?.is_dir() {
            find_unfinished(&entry.path(), &format!("{path}/"), found)?;
        } else if let Some(run) = unfinished_run(&path) {
            // Gone by now if it was renamed into place meanwhile.
            let bytes = entry.metadata().map_or(0, |file| file.len());
            let run = run.to_owned();
            found.push(Orphan { path, bytes, run });
        }
    }
    Ok(())
}

/// The run whose unfinished upload a path is.
fn unfinished_run(path: &str) -> Option<&str> {
    let (whole, number) = path.rsplit_once('#')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole.strip_prefix(PROOFS) {
        Some(proof) => run_prefix(proof.strip_prefix('/')?),
        None => run_of(whole.rsplit('/').next()?),
    }
}

/// An unfinished one is none: it proves nothing.
fn is_proof(orphan: &Orphan) -> bool {
    orphan.path.starts_with(PROOFS) && !orphan.path.contains('#')
}

/// A file's name without its folder and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

/// The manifests that the log's entries published; `None` where old entries are gone, so that
/// nobody can say of a proof that it was never published.
async fn published_manifests(place: &TablePlace) -> Result<Option<HashSet<String>>> {
    let mut manifests = HashSet::new();
    for version in 0u64.. {
        let path = place.path(&format!("_delta_log/{version:020}.json"))?;
        let failed = |error| store_error(&listing(place), error);
        let entry = match place.store.get(&path).await {
            Ok(entry) => entry.bytes().await.map_err(failed)?,
            Err(StoreError::NotFound { .. }) if version == 0 => break,
            Err(StoreError::NotFound { .. }) => return Ok(Some(manifests)),
            Err(error) => return Err(failed(error)),
        };
        for line in entry
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let Ok(action) = serde_json::from_slice::<Value>(line) else {
                return Ok(None);
            };
            manifests.extend(super::commit::manifest_of(&action));
        }
    }
    let started = TableState::load(place).await?.is_some();
    Ok((!started).then_some(manifests))
}

/// Every path that the log names.
async fn named(place: &TablePlace) -> Result<HashSet<String>> {
    let Some(state) = TableState::load(place).await? else {
        return Ok(HashSet::new());
    };
    let mut paths: HashSet<String> = state
        .files()
        .await?
        .into_iter()
        .map(|file| file.path)
        .collect();
    paths.extend(state.tombstones().await?);
    Ok(paths)
}

async fn delete(place: &TablePlace, path: &str) -> Result<()> {
    if let (Some(folder), Some(_)) = (&place.folder, unfinished_run(path)) {
        return match fs::remove_file(folder.join(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(store_error(&unremoved(place, path), error))
            }
            _ => Ok(()),
        };
    }
    let location: Path = place.path(path)?;
    match place.store.delete(&location).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(store_error(&unremoved(place, path), error)),
    }
}

fn unremoved(place: &TablePlace, path: &str) -> String {
    format!("File {path} of table \"{}\" can't be removed", place.name)
}

fn listing(place: &TablePlace) -> String {
    format!("The folder of table \"{}\" can't be listed", place.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_upload_is_known_by_its_name() {
        let run = "0192f0c1d2e37f4a8b5c6d7e8f901234";
        for ours in [
            format!("part-{run}-0001-0-3.parquet#1"),
            format!("a=1/b=2/part-{run}-0001-0-3.parquet#12"),
            format!("_goe/proofs/{run}-0001.json#1"),
        ] {
            assert_eq!(unfinished_run(&ours), Some(run), "{ours}");
        }
        for other in [
            format!("part-{run}-0001-0-3.parquet"),
            format!("part-{run}-0001-0-3.parquet#"),
            format!("part-{run}-0001-0-3.parquet#1x"),
            "part-of-somebody-else.parquet#1".to_owned(),
            "_delta_log/00000000000000000000.json#1".to_owned(),
        ] {
            assert_eq!(unfinished_run(&other), None, "{other}");
        }
    }
}
