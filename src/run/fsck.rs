//! Checking the books: the repository, the target's record and proof, the target's own log and the
//! objects that it names are compared with one another. Nothing is changed, and no row is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use serde::Serialize;
use serde_json::Value;

use super::{Runner, verify::stored_proof};
use crate::backend::{Backend, CheckedFile, StoredRecord, TargetTable};
use crate::error::{Error, Result};
use crate::offload::Record;
use crate::repository::Repository;
use crate::schema::TableName;

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The target.
    pub target: String,
    /// The part that is not as the others say: `record`, `proof`, `repository`, or an object's path.
    pub object: String,
    /// What is wrong, in words.
    pub detail: String,
    /// What mends it.
    pub mend: String,
}

/// The findings of one target.
struct Findings<'a> {
    target: &'a TableName,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, object: impl Into<String>, detail: impl Into<String>, mend: String) {
        self.list.push(Finding {
            target: self.target.to_string(),
            object: object.into(),
            detail: detail.into(),
            mend,
        });
    }

    /// The rows can't be trusted: take them again.
    fn anew(&self) -> String {
        format!("goe verify {}, then offload it with --reset", self.target)
    }

    fn repair(&self) -> String {
        format!("goe repair {} -x", self.target)
    }
}

impl Runner {
    /// Where a target, what goe remembers of it and the objects that are there disagree.
    ///
    /// # Errors
    /// Whatever the target's system or the repository says; a disagreement is none.
    pub async fn fsck(&self, repository: &Repository, target: &TableName) -> Result<Vec<Finding>> {
        let mut found = Findings {
            target,
            list: Vec::new(),
        };
        let backend = self.connections.backend(&target.connection)?;
        let backend: &dyn Backend = backend.as_ref();
        let mirror = mirrors(repository)?.remove(&target.to_string());
        let existing = match backend.describe(&target.schema, &target.table).await {
            Ok(existing) => existing,
            Err(error) => {
                let mend = "restore the target's own files from a backup".to_owned();
                found.add("log", error.message(), mend);
                return Ok(found.list);
            }
        };
        let Some(table) = existing else {
            if mirror.is_some() {
                let mend = format!("goe repair {target} -x forgets it; or offload it again");
                found.add("table", "it is remembered, and it is gone", mend);
            }
            return Ok(found.list);
        };
        let checked = backend.check(&target.schema, &target.table).await?;
        for flaw in &checked.flaws {
            let mend = found.anew();
            found.add(&flaw.object, &flaw.detail, mend);
        }
        match &table.record {
            Some(stored) => {
                let record = check_record(&mut found, backend, &table, stored).await?;
                check_mirror(&mut found, mirror.as_ref(), stored);
                if let Some(record) = record {
                    check_chunk(&mut found, repository, &record, &checked.files)?;
                }
            }
            None if mirror.is_some() => {
                let mend = format!("goe adopt … --to {target} -x, if its rows are to be kept");
                found.add("record", "goe remembers one, and the target has none", mend);
            }
            None => {}
        }
        let living = repository.living()?;
        let orphans = backend.orphans(&target.schema, &target.table, &living, false);
        for orphan in orphans.await? {
            let detail = format!("a file of {} bytes that nothing names", orphan.bytes);
            found.add(orphan.path, detail, format!("goe clean {target} -x"));
        }
        Ok(found.list)
    }

    /// Makes the repository agree with a target: what it remembers of the target becomes what the
    /// target itself says. Tells what was done, nothing where nothing was to do.
    ///
    /// # Errors
    /// Whatever the target's system or the repository says.
    pub async fn repair(&self, repository: &Repository, target: &TableName) -> Result<Vec<String>> {
        let backend = self.connections.backend(&target.connection)?;
        let existing = backend.describe(&target.schema, &target.table).await?;
        let name = target.to_string();
        let mirror = mirrors(repository)?.remove(&name);
        let mut done = Vec::new();
        match existing.and_then(|table| table.record) {
            Some(stored) => {
                let record = Record::read(&stored.body)?;
                if mirror.as_ref() != Some(&Mirror::of(&stored)) {
                    repository.mirror(&name, &stored)?;
                    done.push(format!(
                        "{target}: record {} is remembered",
                        stored.sequence
                    ));
                }
                let offload = record.offload.validate()?;
                if repository.definition(offload.name())?.is_none() {
                    repository.apply(&record.offload)?;
                    done.push(format!("{target}: offload {} is defined", offload.name()));
                }
            }
            None if mirror.is_some() => {
                repository.forget(&name)?;
                done.push(format!("{target}: it has no record, and is forgotten"));
            }
            None => {}
        }
        Ok(done)
    }
}

/// Whether the record parses, and agrees with its proof and with the rows that the table counts.
async fn check_record(
    found: &mut Findings<'_>,
    backend: &dyn Backend,
    table: &TargetTable,
    stored: &StoredRecord,
) -> Result<Option<Record>> {
    let record = match Record::read(&stored.body) {
        Ok(record) => record,
        Err(error) => {
            let mend = format!("offload {} again with --reset", found.target);
            found.add("record", error.message(), mend);
            return Ok(None);
        }
    };
    if let Some(rows) = table.rows
        && rows != record.rows
    {
        let detail = format!("it has {} rows, and the table has {rows}", record.rows);
        let mend = found.anew();
        found.add("record", detail, mend);
    }
    match stored_proof(backend, &table.name, stored).await {
        Err(error) => {
            let mend = found.anew();
            found.add("proof", error.message(), mend);
        }
        Ok(proof) => {
            let rows: u64 = proof.total.values().map(|hashes| hashes.rows).sum();
            if rows != record.rows {
                let detail = format!("it is of {rows} rows, and the record has {}", record.rows);
                let mend = found.anew();
                found.add("proof", detail, mend);
            }
        }
    }
    Ok(Some(record))
}

fn check_mirror(found: &mut Findings<'_>, mirror: Option<&Mirror>, stored: &StoredRecord) {
    let detail = match mirror {
        None => "it does not remember this target".to_owned(),
        Some(mirror) if mirror.sequence < stored.sequence => format!(
            "it remembers record {}, and the target has {}",
            mirror.sequence, stored.sequence
        ),
        Some(mirror) if mirror.sequence > stored.sequence => format!(
            "it remembers record {}, and the target has {}: the target was put back to an older \
             state, and the next run takes what it lost",
            mirror.sequence, stored.sequence
        ),
        Some(mirror) if *mirror != Mirror::of(stored) => format!(
            "it remembers another record {} than the target has",
            stored.sequence
        ),
        Some(_) => return,
    };
    let mend = found.repair();
    found.add("repository", detail, mend);
}

/// Whether the history of the last chunk agrees with the record, where there is a history.
fn check_chunk(
    found: &mut Findings<'_>,
    repository: &Repository,
    record: &Record,
    files: &[CheckedFile],
) -> Result<()> {
    let Some((run, chunk)) = chunk_of(&record.chunk.manifest) else {
        return Ok(());
    };
    let of_chunk = |rows: &RecordBatch, row: usize| {
        text(rows, "run", row).as_deref() == Some(run) && number(rows, "chunk", row) == Some(chunk)
    };
    let chunks = repository.table("chunks")?;
    for row in (0..chunks.num_rows()).filter(|row| of_chunk(&chunks, *row)) {
        let remembered = number(&chunks, "rows", row);
        if remembered != i64::try_from(record.chunk.rows).ok() {
            let detail = format!(
                "chunk {chunk} of run {run} has {} rows in the history, and {} in the record",
                remembered.unwrap_or_default(),
                record.chunk.rows
            );
            let mend = "the record is right; the history is for people".to_owned();
            found.add("repository", detail, mend);
        }
    }
    let sizes: BTreeMap<&str, u64> = files.iter().map(|f| (f.path.as_str(), f.bytes)).collect();
    let history = repository.table("files")?;
    for row in (0..history.num_rows()).filter(|row| of_chunk(&history, *row)) {
        let path = text(&history, "path", row).unwrap_or_default();
        let bytes = number(&history, "bytes", row).and_then(|bytes| u64::try_from(bytes).ok());
        // A file without rows is in no log, and other programs may have compacted the table.
        if let (Some(logged), Some(bytes)) = (sizes.get(path.as_str()), bytes)
            && *logged != bytes
        {
            let detail = format!("it has {bytes} bytes in the history, and {logged} in the log");
            let mend = found.anew();
            found.add(path, detail, mend);
        }
    }
    Ok(())
}

/// The run and the chunk's number in a manifest's id, `RUN-0001` or `RUN-0001r2`.
fn chunk_of(manifest: &str) -> Option<(&str, i64)> {
    let (run, rest) = manifest.split_once('-')?;
    let digits = rest.split('r').next()?;
    Some((run, digits.parse().ok()?))
}

/// What the repository keeps of a target's record.
#[derive(Debug, PartialEq)]
struct Mirror {
    sequence: u64,
    manifest: String,
    body: Value,
}

impl Mirror {
    fn of(stored: &StoredRecord) -> Self {
        Self {
            sequence: stored.sequence,
            manifest: stored.manifest.clone(),
            body: stored.body.clone(),
        }
    }
}

/// All mirrors, by target. One that does not parse is like none that the target has.
fn mirrors(repository: &Repository) -> Result<BTreeMap<String, Mirror>> {
    let rows = repository.table("records")?;
    let mut mirrors = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let cell = |name| text(&rows, name, row);
        let target = cell("target").ok_or_else(|| Error::internal("A record without a target"))?;
        let body = cell("body").and_then(|body| serde_json::from_str(&body).ok());
        let mirror = Mirror {
            sequence: number(&rows, "sequence", row)
                .and_then(|sequence| u64::try_from(sequence).ok())
                .unwrap_or_default(),
            manifest: cell("manifest").unwrap_or_default(),
            body: body.unwrap_or(Value::Null),
        };
        mirrors.insert(target, mirror);
    }
    Ok(mirrors)
}

/// The targets that the repository remembers.
pub(crate) fn remembered_targets(repository: &Repository) -> Result<Vec<TableName>> {
    mirrors(repository)?
        .keys()
        .map(|name| TableName::parse(name))
        .collect()
}

fn text(rows: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = rows.column_by_name(column)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn number(rows: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let column = rows
        .column_by_name(column)?
        .as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// The targets of all connections that goe filled, for a repository that is to be made anew.
pub(crate) async fn filled_targets(
    connection: &str,
    backend: &Arc<dyn Backend>,
) -> Result<Vec<TableName>> {
    let mut filled = Vec::new();
    for entry in backend.tables().await? {
        let table = backend.describe(&entry.schema, &entry.table).await;
        // What can't be described is no target of ours, or fsck says what is wrong with it.
        if table.is_ok_and(|table| table.is_some_and(|table| table.record.is_some())) {
            filled.push(TableName::new(connection, entry.schema, entry.table));
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_chunk() {
        assert_eq!(chunk_of("0192ab-0007"), Some(("0192ab", 7)));
        assert_eq!(chunk_of("0192ab-0007r2"), Some(("0192ab", 7)));
        assert_eq!(chunk_of("0192ab"), None);
        assert_eq!(chunk_of("0192ab-x"), None);
    }
}
