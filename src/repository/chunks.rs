//! What a run did: its published chunks with their files and proofs, and its events.

use super::Repository;
use super::engine::Statement;
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
    /// Keeps a published chunk with its files and its proof: all or nothing. Kept again it stays
    /// as it is.
    ///
    /// # Errors
    /// Those of the database.
    pub fn chunk(&self, run: &str, chunk: &Chunk<'_>) -> Result<()> {
        let manifest = chunk.manifest;
        let number = chunk.number;
        let sql = include_str!("../../sql/repository/insert_chunk.sql");
        let values = [
            run.into(),
            number.into(),
            chunk.window.into(),
            manifest.rows().into(),
            manifest.bytes().into(),
            (manifest.files.len() as u64).into(),
            chunk.version.into(),
        ];
        let mut statements = vec![Statement::new(sql, values)];
        for file in &manifest.files {
            let sql = include_str!("../../sql/repository/insert_file.sql");
            let values = [
                run.into(),
                number.into(),
                (&file.path).into(),
                file.hashes.rows.into(),
                file.bytes.into(),
            ];
            statements.push(Statement::new(sql, values));
        }
        let sql = include_str!("../../sql/repository/insert_proof.sql");
        let values = [run.into(), number.into(), chunk.proof.into()];
        statements.push(Statement::new(sql, values));
        self.engine.execute(statements).map(drop)
    }

    /// Keeps events of a run.
    ///
    /// # Errors
    /// Those of the database.
    pub fn events(&self, run: &str, events: &[KeptEvent]) -> Result<()> {
        let sql = include_str!("../../sql/repository/insert_event.sql");
        let statements = events.iter().map(|event| {
            let values = [
                run.into(),
                event.ordinal.into(),
                (&event.time).into(),
                (&event.event).into(),
                (&event.body).into(),
            ];
            Statement::new(sql, values)
        });
        self.engine.execute(statements.collect()).map(drop)
    }
}
