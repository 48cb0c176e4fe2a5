//! Versions of a table, and the publish that makes one.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use goe::backend::{
    Change, Mode, Publication, Published, StagingPlace, StoredRecord, TargetColumn,
};
use goe::staging::{StageExec, StageProgress, StageSpec, StagedFile, collect_manifest};
use goe::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::read::rows;

/// Where versions stand, in a table's folder.
const VERSIONS: &str = "_versions";

/// Memory for writers of rows that stay.
const STAGE_BYTES: usize = 64 << 20;

/// What a table holds, and the record of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Version {
    pub sequence: u64,
    fence: u64,
    pub manifest: String,
    body: Value,
    pub proof: Value,
    pub columns: Vec<TargetColumn>,
    pub partition_columns: Vec<String>,
    pub files: Vec<StagedFile>,
}

impl Version {
    fn path(folder: &Path, sequence: u64) -> PathBuf {
        folder.join(VERSIONS).join(format!("{sequence:08}.json"))
    }

    /// One version; `None` where there is none of that number.
    pub fn read(folder: &Path, sequence: u64) -> Result<Option<Self>> {
        let path = Self::path(folder, sequence);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let message = format!("Version {} does not parse", path.display());
            Error::new(ErrorKind::Load, message).caused_by(error)
        })
    }

    fn numbers(folder: &Path) -> Result<Vec<u64>> {
        let versions = folder.join(VERSIONS);
        let mut numbers = Vec::new();
        if versions.is_dir() {
            for entry in fs::read_dir(versions)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                numbers.extend(
                    name.strip_suffix(".json")
                        .and_then(|text| text.parse::<u64>().ok()),
                );
            }
        }
        Ok(numbers)
    }

    /// What the table holds now; `None` where nothing was published.
    pub fn newest(folder: &Path) -> Result<Option<Self>> {
        match Self::numbers(folder)?.into_iter().max() {
            Some(newest) => Self::read(folder, newest),
            None => Ok(None),
        }
    }

    /// Every file that a version names or named.
    pub fn all_files(folder: &Path) -> Result<HashSet<String>> {
        let mut paths = HashSet::new();
        for number in Self::numbers(folder)? {
            let files = Self::read(folder, number)?.map(|version| version.files);
            paths.extend(files.into_iter().flatten().map(|file| file.path));
        }
        Ok(paths)
    }

    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(TargetColumn::field);
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.hashes.rows).sum()
    }

    pub fn record(&self) -> StoredRecord {
        StoredRecord {
            sequence: self.sequence,
            fence: self.fence,
            manifest: self.manifest.clone(),
            body: self.body.clone(),
        }
    }

    /// Makes it the newest, or says that its number is taken. A rename would overwrite what another
    /// publisher wrote; a link to a name that is there fails, and appears whole.
    fn write(&self, folder: &Path) -> Result<bool> {
        fs::create_dir_all(folder.join(VERSIONS))?;
        let path = Self::path(folder, self.sequence);
        let draft = path.with_extension(format!("{}.draft", self.manifest));
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::internal(error.to_string()))?;
        fs::write(&draft, text)?;
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes rows and record visible together.
pub async fn publish(
    folder: &Path,
    place: StagingPlace,
    publication: &Publication,
) -> Result<Published> {
    let before = Version::newest(folder)?;
    if let Some(stored) = before
        .as_ref()
        .filter(|stored| is_done(stored, publication))
    {
        return Ok(published(stored.sequence, 0, true));
    }
    refuse(before.as_ref(), publication)?;
    let stays = match &before {
        Some(before) => stays(folder, place, before, publication).await?,
        None => Vec::new(),
    };
    let rows = |files: &[StagedFile]| -> u64 { files.iter().map(|file| file.hashes.rows).sum() };
    let removed = before.as_ref().map_or(0, Version::rows) - rows(&stays);
    let version = following(before, stays, publication);
    match version.write(folder)? {
        true => Ok(published(version.sequence, removed, false)),
        false => Err(conflict(publication, "was published to meanwhile")),
    }
}

fn published(sequence: u64, rows_removed: u64, already: bool) -> Published {
    Published {
        version: format!("version {sequence}"),
        already,
        rows_removed,
    }
}

/// Whether this very record stands there, whatever its fence: the answer to a first try was lost.
fn is_done(stored: &Version, publication: &Publication) -> bool {
    let record = &publication.record;
    (stored.sequence, &stored.manifest) == (record.sequence, &record.manifest)
}

fn refuse(before: Option<&Version>, publication: &Publication) -> Result<()> {
    let record = &publication.record;
    let (sequence, fence) = before.map_or((0, 0), |before| (before.sequence, before.fence));
    if record.sequence != sequence + 1 {
        return Err(conflict(
            publication,
            &format!("stands at record {sequence}"),
        ));
    }
    if record.fence < fence {
        let message = format!("Table \"{}\" has a newer holder", publication.target.name);
        return Err(Error::new(ErrorKind::Locked, message).hint("run again"));
    }
    match (&publication.change, before) {
        (Change::Create(_), Some(_)) => Err(conflict(publication, "was made")),
        (Change::None | Change::AddColumns { .. }, None) => Err(conflict(publication, "is gone")),
        _ => Ok(()),
    }
}

fn conflict(publication: &Publication, what: &str) -> Error {
    let message = format!(
        "Table \"{}\" {what} since it was planned",
        publication.target.name
    );
    Error::new(ErrorKind::Conflict, message).hint("plan again")
}

fn following(
    before: Option<Version>,
    stays: Vec<StagedFile>,
    publication: &Publication,
) -> Version {
    let (target, record) = (&publication.target, &publication.record);
    let mut columns = before.map_or_else(|| target.columns.clone(), |before| before.columns);
    if let Change::AddColumns { columns: more, .. } = &publication.change {
        columns.extend(more.iter().cloned());
    }
    Version {
        sequence: record.sequence,
        fence: record.fence,
        manifest: record.manifest.clone(),
        body: record.body.clone(),
        proof: publication.proof.clone(),
        columns,
        partition_columns: target.partition_columns.clone(),
        files: [stays, publication.manifest.files.clone()].concat(),
    }
}

/// The files of the rows that stay. Rows are replaced by writing those that stay once more.
async fn stays(
    folder: &Path,
    place: StagingPlace,
    before: &Version,
    publication: &Publication,
) -> Result<Vec<StagedFile>> {
    match &publication.mode {
        Mode::Append => Ok(before.files.clone()),
        Mode::ReplaceAll => Ok(Vec::new()),
        Mode::ReplaceWhere(gone) => survivors(folder, place, before, publication, gone).await,
    }
}

async fn survivors(
    folder: &Path,
    place: StagingPlace,
    before: &Version,
    publication: &Publication,
    gone: &Expr,
) -> Result<Vec<StagedFile>> {
    let engine = SessionContext::new();
    let schema = before.schema();
    let table = rows(folder, &before.files, Arc::clone(&schema))?;
    // A row for which the predicate is unknown stays.
    let stay = gone.clone().is_not_true();
    let kept = engine.read_table(table)?.filter(stay)?;
    let position = |name: &String| Ok(schema.index_of(name)?);
    let partition = before.partition_columns.iter().map(position);
    let id = format!("{}r", publication.manifest.id);
    let spec = StageSpec {
        manifest: id.clone(),
        place,
        schema: Arc::clone(&schema),
        partition_columns: partition.collect::<Result<_>>()?,
        partition_columns_in_files: true,
        sorted: false,
        sort_columns: Vec::new(),
        file_bytes: 128 << 20,
        memory: STAGE_BYTES,
        progress: Arc::new(StageProgress::default()),
    };
    let input = kept.create_physical_plan().await?;
    let stage = Arc::new(StageExec::new(input, Arc::new(spec)));
    let files = collect(stage, engine.task_ctx()).await?;
    Ok(collect_manifest(&id, &files)?.files)
}
