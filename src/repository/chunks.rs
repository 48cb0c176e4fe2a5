//! What a run did: its published chunks with their files and proofs, and its events.

use rusqlite::params;

use super::Repository;
use super::sqlite::{failed, signed, statement};
use crate::error::Result;
use crate::staging::Manifest;

/// A chunk that was published.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// Its number in the run, from 1.
    pub number: u32,
    /// Its rows, in words.
    pub window: &'a str,
    /// Its files.
    pub manifest: &'a Manifest,
    /// The target's version after it.
    pub version: &'a str,
    /// What was proved of it, in words.
    pub proof: &'a str,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its place among the run's events, from 0.
    pub ordinal: u32,
    /// When it happened; UTC, ISO 8601.
    pub time: String,
    /// What kind of event it is.
    pub event: String,
    /// All of it, as JSON.
    pub body: String,
}

impl Repository {
    /// Keeps a published chunk with its files and its proof: all or nothing.
    ///
    /// # Errors
    /// Those of the file.
    pub fn chunk(&self, run: &str, chunk: &Chunk<'_>) -> Result<()> {
        let manifest = chunk.manifest;
        let totals = (signed(manifest.rows()), signed(manifest.bytes()));
        self.together(|transaction| {
            transaction.execute(
                include_str!("../../sql/repository/insert_chunk.sql"),
                params![
                    run,
                    chunk.number,
                    chunk.window,
                    totals.0,
                    totals.1,
                    signed(manifest.files.len() as u64),
                    chunk.version
                ],
            )?;
            let mut insert =
                transaction.prepare(include_str!("../../sql/repository/insert_file.sql"))?;
            for file in &manifest.files {
                let (rows, bytes) = (signed(file.hashes.rows), signed(file.bytes));
                insert.execute(params![run, chunk.number, file.path, rows, bytes])?;
            }
            let sql = include_str!("../../sql/repository/insert_proof.sql");
            transaction.execute(sql, params![run, chunk.number, chunk.proof])?;
            Ok(())
        })
    }

    /// Keeps events of a run.
    ///
    /// # Errors
    /// Those of the file.
    pub fn events(&self, run: &str, events: &[KeptEvent]) -> Result<()> {
        self.together(|transaction| {
            let mut insert =
                transaction.prepare(include_str!("../../sql/repository/insert_event.sql"))?;
            for event in events {
                let KeptEvent {
                    ordinal,
                    time,
                    event,
                    body,
                } = event;
                insert.execute(params![run, ordinal, time, event, body])?;
            }
            Ok(())
        })
    }

    /// Writes several rows, all or none.
    fn together(
        &self,
        write: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let mut connection = self.connection();
        let written = connection.transaction().and_then(|transaction| {
            statement()?;
            write(&transaction)?;
            statement()?;
            transaction.commit()
        });
        written.map_err(|error| failed(self.path(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableHashes;
    use crate::staging::StagedFile;

    #[test]
    fn a_chunk_is_kept_with_its_files_and_proof() {
        let repository = Repository::empty().unwrap();
        repository.begin("r", "o", "s", "t").unwrap();
        let file = |path: &str, rows| StagedFile {
            path: path.to_owned(),
            partition: Vec::new(),
            bytes: 10,
            bounds: Vec::new(),
            hashes: TableHashes {
                rows,
                ..TableHashes::default()
            },
        };
        let manifest = Manifest {
            id: "r-0001".to_owned(),
            files: vec![file("a", 3), file("b", 4)],
        };
        let chunk = Chunk {
            number: 1,
            window: "all rows",
            manifest: &manifest,
            version: "version 0",
            proof: "7 rows",
        };
        repository.chunk("r", &chunk).unwrap();
        assert!(repository.chunk("r", &chunk).is_err());
        for (table, rows) in [("chunks", 1), ("files", 2), ("proofs", 1)] {
            assert_eq!(repository.table(table).unwrap().num_rows(), rows, "{table}");
        }
    }
}
