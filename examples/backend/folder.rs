//! The backend: which methods there are, and where each of them is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use goe::backend::{
    Backend, BackendFacts, Change, Checked, CheckedFile, Flaw, LoadedAggregates, LoadedProof,
    Orphan, Publication, Published, Scope, StagingPlace, StoredRecord, TargetColumn,
    TargetDefinition, TargetTable,
};
use goe::frontend::{Probe, RelationKind, TableEntry, TypeMap};
use goe::schema::{Column, Mapping, PartitionHashes, TableName};
use goe::staging::{Manifest, StagedFile};
use goe::systems::System;
use goe::{Error, ErrorKind, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::prefix::PrefixStore;
use serde_json::Value;

use crate::publish::{Version, publish};
use crate::read::{hashes, rows};
use crate::types::ParquetTypes;

/// The registry's line. `parquet:FOLDER`, relative to the folder of `goe.toml`.
pub const SYSTEM: System = System {
    name: "parquet",
    schemes: &["parquet"],
    local_paths: true,
    types: || &ParquetTypes,
    frontend: None,
    backend: Some(|connection| {
        connection.refuse_unknown(&[])?;
        let (_, folder) = connection.url().split_once(':').unwrap_or_default();
        Ok(Arc::new(ParquetFolder::new(std::path::absolute(folder)?)))
    }),
};

const FACTS: BackendFacts = BackendFacts {
    system: "parquet",
    file_bytes: 128 << 20,
    partition_columns_in_files: true,
    partition_by_expression: false,
    identifier_chars: 255,
    case_twins: true,
    partitions: true,
    loaded_proof: LoadedProof::ReadBack,
};

/// Memory that an open file may hold for what is not written yet.
const PART_BYTES: usize = 256 << 10;

/// A folder of schemas, which are folders of tables.
#[derive(Debug)]
pub struct ParquetFolder {
    root: PathBuf,
}

impl ParquetFolder {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, schema: &str, table: &str) -> Result<PathBuf> {
        for name in [schema, table] {
            if name.is_empty() || name.starts_with(['.', '_']) || name.contains(['/', '\\']) {
                let message = format!("\"{name}\" can't be the name of a folder here");
                return Err(Error::unsupported(message).hint("name the target otherwise"));
            }
        }
        Ok(self.root.join(schema).join(table))
    }

    fn existing(&self, schema: &str, table: &str) -> Result<(PathBuf, Version)> {
        let folder = self.folder(schema, table)?;
        let version = Version::newest(&folder)?.ok_or_else(|| {
            let message = format!("Table \"{schema}.{table}\" does not exist");
            Error::new(ErrorKind::NotFound, message).hint("`goe tables` lists those that do")
        })?;
        Ok((folder, version))
    }
}

/// The names of the folders in a folder, in order; none where it is not there.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// The Parquet files of a table, from its folder, with their sizes.
fn parquet_files(folder: &Path) -> Result<Vec<(String, u64)>> {
    let (mut found, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        if !next.is_dir() {
            continue;
        }
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                let inside = path.strip_prefix(folder).unwrap_or(&path);
                let bytes = fs::metadata(&path)?.len();
                found.push((inside.display().to_string(), bytes));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[async_trait]
impl Backend for ParquetFolder {
    fn facts(&self) -> &BackendFacts {
        &FACTS
    }

    fn types(&self) -> &dyn TypeMap {
        &ParquetTypes
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe {
            version: format!("Parquet files below {}", self.root.display()),
            user: None,
            encrypted: None,
            snapshot: "the newest version".to_owned(),
            notes: Vec::new(),
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let mut entries = Vec::new();
        for schema in folders(&self.root)? {
            for table in folders(&self.root.join(&schema))? {
                let Some(version) = Version::newest(&self.root.join(&schema).join(&table))? else {
                    continue;
                };
                entries.push(TableEntry {
                    schema: schema.clone(),
                    table,
                    kind: RelationKind::Table,
                    rows: Some(version.rows()),
                    bytes: Some(version.files.iter().map(|file| file.bytes).sum()),
                });
            }
        }
        Ok(entries)
    }

    async fn describe(&self, schema: &str, table: &str) -> Result<Option<TargetTable>> {
        let folder = self.folder(schema, table)?;
        let Some(version) = Version::newest(&folder)? else {
            return refuse_other(&folder).map(|()| None);
        };
        let column = |column: &TargetColumn| {
            let mapping = Mapping::exact(column.stored);
            Column::new(&column.name, &column.native, column.nullable, mapping)
        };
        Ok(Some(TargetTable {
            name: TableName::new("", schema, table),
            columns: version.columns.iter().map(column).collect(),
            partition_columns: version.partition_columns.clone(),
            record: Some(version.record()),
            rows: Some(version.rows()),
            version: format!("version {}", version.sequence),
        }))
    }

    fn statements(&self, change: &Change) -> Vec<String> {
        let list = |columns: &[TargetColumn]| {
            let columns = columns
                .iter()
                .map(|column| format!("{} {}", column.name, column.native));
            columns.collect::<Vec<_>>().join(", ")
        };
        match change {
            Change::None => Vec::new(),
            Change::Create(target) => vec![format!("a folder of ({})", list(&target.columns))],
            Change::AddColumns { columns, .. } => vec![format!("and ({})", list(columns))],
        }
    }

    fn staging(&self, schema: &str, table: &str) -> Result<StagingPlace> {
        let folder = self.folder(schema, table)?;
        let inside = StorePath::from_absolute_path(&folder).map_err(object_store::Error::from)?;
        Ok(StagingPlace {
            store: Arc::new(PrefixStore::new(LocalFileSystem::new(), inside)),
            url: folder.display().to_string(),
            part_bytes: PART_BYTES,
        })
    }

    /// The staged files are the table's future files.
    async fn load(&self, _: &TargetDefinition, _: &Manifest) -> Result<()> {
        Ok(())
    }

    async fn hashes(
        &self,
        target: &TargetDefinition,
        scope: Scope<'_>,
        _: usize,
    ) -> Result<PartitionHashes> {
        let name = &target.name;
        match scope {
            Scope::Manifest(manifest) => {
                let folder = self.folder(&name.schema, &name.table)?;
                hashes(&folder, &manifest.files, &target.schema()).await
            }
            Scope::Published => {
                let (folder, version) = self.existing(&name.schema, &name.table)?;
                hashes(&folder, &version.files, &target.schema()).await
            }
        }
    }

    async fn aggregates(
        &self,
        target: &TargetDefinition,
        _: &Manifest,
    ) -> Result<LoadedAggregates> {
        let message = format!(
            "Table \"{}\" lies in files, which are read back",
            target.name
        );
        Err(Error::unsupported(message))
    }

    async fn publish(&self, publication: &Publication) -> Result<Published> {
        let name = &publication.target.name;
        let folder = self.folder(&name.schema, &name.table)?;
        publish(
            &folder,
            self.staging(&name.schema, &name.table)?,
            publication,
        )
        .await
    }

    async fn proof(
        &self,
        schema: &str,
        table: &str,
        record: &StoredRecord,
    ) -> Result<Option<Value>> {
        let folder = self.folder(schema, table)?;
        let version = Version::read(&folder, record.sequence)?;
        let ours = version.filter(|version| version.manifest == record.manifest);
        Ok(ours.map(|version| version.proof))
    }

    async fn staged(
        &self,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Result<Arc<dyn TableProvider>> {
        let folder = self.folder(&target.name.schema, &target.name.table)?;
        rows(&folder, &manifest.files, target.schema())
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn TableProvider>> {
        let (folder, version) = self.existing(schema, table)?;
        rows(&folder, &version.files, version.schema())
    }

    async fn check(&self, schema: &str, table: &str) -> Result<Checked> {
        let mut checked = Checked::default();
        let folder = self.folder(schema, table)?;
        let Some(version) = Version::newest(&folder)? else {
            return Ok(checked);
        };
        for StagedFile { path, bytes, .. } in version.files {
            let found = fs::metadata(folder.join(&path)).map(|file| file.len());
            let detail = match found {
                Ok(size) if size == bytes => None,
                Ok(size) => Some(format!("it has {size} bytes, the version says {bytes}")),
                Err(error) => Some(error.to_string()),
            };
            checked.flaws.extend(detail.map(|detail| Flaw {
                object: path.clone(),
                detail,
            }));
            checked.files.push(CheckedFile { path, bytes });
        }
        Ok(checked)
    }

    async fn orphans(
        &self,
        schema: &str,
        table: &str,
        living: &[String],
        remove: bool,
    ) -> Result<Vec<Orphan>> {
        let folder = self.folder(schema, table)?;
        // Listed before the version is read: what is published meanwhile is not in the list.
        let listed = parquet_files(&folder)?;
        let named = Version::all_files(&folder)?;
        let mut orphans = Vec::new();
        for (path, bytes) in listed {
            let Some(run) = run_of(&path) else { continue };
            if !named.contains(&path) && !living.contains(&run) {
                if remove {
                    fs::remove_file(folder.join(&path))?;
                }
                orphans.push(Orphan { path, bytes, run });
            }
        }
        Ok(orphans)
    }
}

/// The run that staged a file, by its name `part-RUN-….parquet`.
fn run_of(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?.strip_prefix("part-")?;
    name.split('-').next().map(str::to_owned)
}

/// A folder that holds anything but staged files is none of ours.
fn refuse_other(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let staged = name.starts_with("part-") || name.starts_with('_') || name.contains('=');
        if !staged {
            let message = format!("Folder {} holds \"{name}\" and no table", folder.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message)
                .hint("name another table, or move the files away"));
        }
    }
    Ok(())
}
