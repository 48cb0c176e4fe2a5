//! The frontend: its tables, and what headers say of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use goe::frontend::{
    Dialect, Frontend, FrontendFacts, OpenOptions, Probe, RelationKind, Source, SourceTable,
    TableEntry, TypeMap,
};
use goe::schema::{Column, TableName, pick};
use goe::systems::System;
use goe::{Error, ErrorKind, Result};

use crate::dialect::CsvSql;
use crate::splits::CsvTable;
use crate::types::CsvTypes;

/// The registry's line. `csv:FOLDER`, relative to the folder of `goe.toml`.
pub const SYSTEM: System = System {
    name: "csv",
    schemes: &["csv"],
    local_paths: true,
    types: || &CsvTypes,
    frontend: Some(|connection| {
        connection.refuse_unknown(&[])?;
        let (_, folder) = connection.url().split_once(':').unwrap_or_default();
        let (folder, name) = (std::path::absolute(folder)?, connection.name.clone());
        Ok(Arc::new(Csv { name, folder }))
    }),
    backend: None,
};

const FACTS: FrontendFacts = FrontendFacts {
    system: "csv",
    identifier_bytes: 255,
};

/// All tables are in one schema.
pub const SCHEMA: &str = "main";

/// A connection: its name, and the folder of its tables.
#[derive(Debug)]
pub struct Csv {
    pub name: String,
    pub folder: PathBuf,
}

impl Csv {
    fn tables(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder).map_err(|error| {
            let message = format!("Folder {} can't be read", self.folder.display());
            Error::new(ErrorKind::NotFound, message)
                .hint("csv:FOLDER names a folder that is there")
                .caused_by(error)
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names)
    }

    fn describe(&self, schema: &str, table: &str, options: &OpenOptions) -> Result<CsvTable> {
        let known = self.tables()?;
        let found = pick(table, known.iter().map(String::as_str)).filter(|_| schema == SCHEMA);
        let exact = found.ok_or_else(|| {
            let message = format!(
                "Connection \"{}\" has no table \"{schema}.{table}\"",
                self.name
            );
            Error::not_found(message, table, known.iter().map(String::as_str))
        })?;
        let (folder, name) = (
            self.folder.join(exact),
            TableName::new(&self.name, SCHEMA, exact),
        );
        let files = files(&folder)?;
        let header = header(&name, &folder, &files)?;
        let (columns, primary_key) = columns(&name, &header)?;
        if let Some(column) = options.read_as.keys().next() {
            let message = format!("Column \"{column}\" of table \"{name}\" has no other form");
            return Err(Error::usage(message).hint("leave --read-as out"));
        }
        let described = SourceTable {
            name,
            kind: RelationKind::Table,
            columns,
            unique: (!primary_key.is_empty())
                .then(|| primary_key.clone())
                .into_iter()
                .collect(),
            primary_key,
            rows: None,
            bytes: Some(files.iter().map(|file| file.bytes).sum()),
            comment: None,
            partitions: None,
        };
        Ok(CsvTable {
            folder,
            header,
            described: Arc::new(described),
        })
    }
}

/// A file as it was seen; another size or time and it is another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CsvFile {
    pub name: String,
    pub bytes: u64,
    written: SystemTime,
}

/// The files of a table, in order of their names.
pub fn files(folder: &Path) -> Result<Vec<CsvFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".csv") {
            files.push(CsvFile {
                name,
                bytes: facts.len(),
                written: facts.modified()?,
            });
        }
    }
    files.sort();
    Ok(files)
}

/// The first line, which is the same in all files of a table.
pub fn header(table: &TableName, folder: &Path, files: &[CsvFile]) -> Result<String> {
    let mut header: Option<String> = None;
    for file in files {
        let mut first = String::new();
        let opened = fs::File::open(folder.join(&file.name))?;
        BufReader::new(opened).read_line(&mut first)?;
        let first = first.trim_end().to_owned();
        if header.get_or_insert_with(|| first.clone()) != &first {
            let message = format!("File {} of table \"{table}\" has another header", file.name);
            return Err(Error::new(ErrorKind::Data, message).hint("move it to a table of its own"));
        }
    }
    header.ok_or_else(|| {
        let message = format!("Table \"{table}\" has no file, so no header names its columns");
        Error::unsupported(message).hint("write a file with a header alone")
    })
}

/// The columns that a header names, and the key among them. All that are wrong are named at once.
fn columns(table: &TableName, header: &str) -> Result<(Vec<Column>, Vec<String>)> {
    let (mut columns, mut key, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for text in header_parts(header) {
        let (name, native) = text.split_once(':').unwrap_or((text, ""));
        let is_key = native.ends_with(" key");
        let native = native.trim_end_matches(" key");
        match CsvTypes.to_canonical(native) {
            Ok(mapping) => columns.push(Column::new(name, native, !is_key, mapping)),
            Err(_) => wrong.push(format!("{name} ({native})")),
        }
        key.extend(is_key.then(|| name.to_owned()));
    }
    if wrong.is_empty() {
        return Ok((columns, key));
    }
    let message = format!(
        "Table \"{table}\" has columns of unknown types: {}",
        wrong.join(", ")
    );
    Err(Error::unsupported(message).hint(format!("known are: {}", CsvTypes.natives().join(", "))))
}

/// The parts between commas; a part with a comma in it stands in quotes, as everywhere in CSV.
fn header_parts(header: &str) -> Vec<&str> {
    let (mut quoted, mut from, mut parts) = (false, 0, Vec::new());
    for (at, c) in header.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(header[from..at].trim_matches('"'));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(header[from..].trim_matches('"'));
    parts
}

#[async_trait]
impl Frontend for Csv {
    fn facts(&self) -> &FrontendFacts {
        &FACTS
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(CsvSql)
    }

    fn types(&self) -> &dyn TypeMap {
        &CsvTypes
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe {
            version: format!("CSV files, {} tables", self.tables()?.len()),
            user: None,
            encrypted: None,
            snapshot: "the files that are there, none of which may change".to_owned(),
            notes: Vec::new(),
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let entry = |table| TableEntry {
            schema: SCHEMA.to_owned(),
            table,
            kind: RelationKind::Table,
            rows: None,
            bytes: None,
        };
        Ok(Csv::tables(self)?.into_iter().map(entry).collect())
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(self.describe(schema, table, options)?))
    }
}
