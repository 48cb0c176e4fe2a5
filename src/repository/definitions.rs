//! The offloads as they were last applied.

use serde::Serialize;

use super::engine::{Row, Statement};
use super::{Repository, now};
use crate::error::{Error, Result};
use crate::offload::OffloadSpec;

/// An offload as it was last applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its statement.
    pub statement: String,
    /// What the statement says.
    pub spec: OffloadSpec,
    /// When it was applied; UTC, ISO 8601.
    pub applied: String,
}

impl Repository {
    /// Keeps an offload as it is applied now. Applied again as it was, it keeps its time.
    ///
    /// # Errors
    /// Those of the offload itself, and those of the database.
    pub fn apply(&self, spec: &OffloadSpec) -> Result<()> {
        let offload = spec.validate()?;
        if self
            .definition(offload.name())?
            .is_some_and(|known| known.spec == *spec)
        {
            return Ok(());
        }
        let source = offload
            .source()
            .map_or_else(|| "a query".to_owned(), ToString::to_string);
        let body =
            serde_json::to_string(spec).map_err(|error| Error::internal(error.to_string()))?;
        let sql = include_str!("../../sql/repository/apply_definition.sql");
        let target = offload.target().to_string();
        let statement = spec.statement()?;
        let words = [offload.name(), &source, &target, &statement, &body, &now()];
        let statement = Statement::new(sql, words.map(Into::into));
        self.execute(statement).map(drop)
    }

    /// All offloads that were applied and not dropped, by name.
    ///
    /// # Errors
    /// Those of the database; kind Internal for what a later goe wrote.
    pub fn definitions(&self) -> Result<Vec<Definition>> {
        let sql = include_str!("../../sql/repository/list_definitions.sql");
        let rows = self.rows(Statement::new(sql, []))?;
        rows.iter().map(definition).collect()
    }

    /// The offload of exactly this name.
    ///
    /// # Errors
    /// As [`Repository::definitions`].
    pub fn definition(&self, name: &str) -> Result<Option<Definition>> {
        let mut all = self.definitions()?.into_iter();
        Ok(all.find(|definition| definition.name == name))
    }

    /// Forgets an offload.
    ///
    /// # Errors
    /// Those of the database.
    pub fn drop_definition(&self, name: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/drop_definition.sql");
        self.execute(Statement::new(sql, [name.into()])).map(drop)
    }
}

fn definition(row: &Row) -> Result<Definition> {
    let name = row.text(0);
    let spec = serde_json::from_str(&row.text(2)).map_err(|error| {
        Error::internal(format!(
            "The kept offload \"{name}\" does not parse: {error}"
        ))
        .hint("define it again: CREATE OR REPLACE OFFLOAD")
    })?;
    Ok(Definition {
        name,
        statement: row.text(1),
        spec,
        applied: row.text(3),
    })
}
