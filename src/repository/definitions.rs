//! The offloads as they were last applied.

use rusqlite::params;
use serde::Serialize;

use super::Repository;
use super::sqlite::now;
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
    /// Those of the offload itself, and those of the file.
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
        self.execute(
            sql,
            params![offload.name(), source, target, statement, body, now()],
        )
    }

    /// All offloads that were applied and not dropped, by name.
    ///
    /// # Errors
    /// Those of the file; kind Internal for what a later goe wrote.
    pub fn definitions(&self) -> Result<Vec<Definition>> {
        let sql = include_str!("../../sql/repository/list_definitions.sql");
        let rows = self.rows(sql, [], |row| {
            let text = |index| row.get::<_, String>(index);
            Ok((text(0)?, text(1)?, text(2)?, text(3)?))
        })?;
        let definition = |(name, statement, spec, applied): (String, String, String, String)| {
            let spec = serde_json::from_str(&spec).map_err(|error| {
                Error::internal(format!(
                    "The kept offload \"{name}\" does not parse: {error}"
                ))
                .hint("define it again: CREATE OR REPLACE OFFLOAD")
            })?;
            Ok(Definition {
                name,
                statement,
                spec,
                applied,
            })
        };
        rows.into_iter().map(definition).collect()
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
    /// Those of the file.
    pub fn drop_definition(&self, name: &str) -> Result<()> {
        let sql = include_str!("../../sql/repository/drop_definition.sql");
        self.execute(sql, params![name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offload_is_kept_as_it_was_applied_last() {
        let repository = Repository::empty().unwrap();
        let mut spec = OffloadSpec {
            name: Some("o".to_owned()),
            query: Some("SELECT * FROM a.b.c".to_owned()),
            to: "d.e.f".to_owned(),
            ..OffloadSpec::default()
        };
        repository.apply(&spec).unwrap();
        let first = repository.definition("o").unwrap().unwrap();
        repository.apply(&spec).unwrap();
        assert_eq!(repository.definition("o").unwrap().unwrap(), first);
        spec.parallel = Some(2);
        repository.apply(&spec).unwrap();
        let kept = repository.definitions().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].spec, spec);
        assert!(kept[0].statement.contains("parallel = 2"));
        repository.drop_definition("o").unwrap();
        assert_eq!(repository.definition("o").unwrap(), None);
    }
}
