//! Files that dead runs left behind.

use std::collections::HashSet;

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

/// The run that staged a file, by the file's name `part-<run>-<chunk>-….parquet`; `None` for a
/// name that goe does not give.
pub(super) fn run_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
    run_prefix(rest)
}

/// The run at the front of a manifest's id: a UUID without hyphens, and a hyphen.
fn run_prefix(text: &str) -> Option<&str> {
    let run = text.get(..32)?;
    let hex = run
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (hex && text.as_bytes().get(32) == Some(&b'-')).then_some(run)
}

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
    if remove {
        for orphan in &orphans {
            delete(place, &orphan.path).await?;
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
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_proof(orphan: &Orphan) -> bool {
    orphan.path.starts_with(PROOFS)
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
    let location: Path = place.path(path)?;
    match place.store.delete(&location).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(store_error(
            &format!("File {path} of table \"{}\" can't be removed", place.name),
            error,
        )),
    }
}

fn listing(place: &TablePlace) -> String {
    format!("The folder of table \"{}\" can't be listed", place.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_goe_gives_are_ours() {
        let run = "0192f0c1d2e37f4a8b5c6d7e8f901234";
        assert_eq!(run_of(&format!("part-{run}-0001-0-3.parquet")), Some(run));
        for other in [
            format!("part-{run}.parquet"),
            format!("part-{}-0001-0-3.parquet", run.to_uppercase()),
            format!("part-{run}-0001-0-3.parquet.bak"),
            "part-00000-6f1b2c3d-aaaa-bbbb-cccc-1234567890ab-c000.snappy.parquet".to_owned(),
            "data.parquet".to_owned(),
            "part-é".to_owned(),
        ] {
            assert_eq!(run_of(&other), None, "{other}");
        }
    }
}
