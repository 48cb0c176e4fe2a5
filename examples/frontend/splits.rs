//! A described table: its splits and its snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use goe::frontend::{Snapshot, Source, SourceTable, Split, Splits};
use goe::schema::TableName;
use goe::{Error, ErrorKind, Result};

use crate::catalog::{CsvFile, files, header};
use crate::read::CsvSnapshot;

/// A described table.
#[derive(Debug)]
pub struct CsvTable {
    pub folder: PathBuf,
    pub header: String,
    pub described: Arc<SourceTable>,
}

#[async_trait]
impl Source for CsvTable {
    fn table(&self) -> &SourceTable {
        &self.described
    }

    /// Ranges of file names, written `AFTER/UP TO`. The first begins before every name and the last
    /// ends behind every name, so that a file that is added later is in one of them.
    async fn splits(&self, bytes: u64) -> Result<Splits> {
        let ends = ends(&files(&self.folder)?, bytes);
        if ends.is_empty() {
            return Ok(Splits::one(
                "a file is read in one piece, and all fit in one split",
            ));
        }
        let from = std::iter::once("").chain(ends.iter().map(String::as_str));
        let to = ends.iter().map(String::as_str).chain([""]);
        let split = |(from, to)| Split {
            relation: Some(format!("{from}/{to}")),
            ..Split::default()
        };
        Ok(Splits {
            kind: "file ranges",
            reason: None,
            list: from.zip(to).map(split).collect(),
        })
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let name = &self.described.name;
        let now = files(&self.folder).and_then(|files| {
            let same = header(name, &self.folder, &files)? == self.header;
            Ok(same.then_some(files))
        });
        let Ok(Some(files)) = now else {
            return Err(changed(name));
        };
        let (folder, table) = (self.folder.clone(), Arc::clone(&self.described));
        Ok(Arc::new(CsvSnapshot::new(folder, files, table, readers)))
    }
}

pub fn changed(table: &TableName) -> Error {
    let message = format!("Table \"{table}\" was dropped or altered since it was described");
    Error::new(ErrorKind::Conflict, message).hint("plan again")
}

/// The names that splits of about so many bytes end with, except for the last split.
fn ends(files: &[CsvFile], bytes: u64) -> Vec<String> {
    let (mut ends, mut held) = (Vec::new(), 0_u64);
    for pair in files.windows(2) {
        held += pair[0].bytes;
        if held.saturating_add(pair[1].bytes) > bytes {
            ends.push(pair[0].name.clone());
            held = 0;
        }
    }
    ends
}
