#![doc = include_str!("README.md")]

mod catalog;
mod connect;
mod decimal;
mod decode;
mod dialect;
mod error;
mod pages;
mod read;
mod snapshot;
mod splits;
mod temporal;
mod types;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;

use super::System;
use crate::config::Connection;
use crate::error::Result;
use crate::frontend::{
    Dialect, Frontend, FrontendFacts, OpenOptions, Probe, Source, TableEntry, TypeMap,
};
use catalog::Catalog;
use connect::{Location, blocking};
use dialect::SqliteDialect;
use snapshot::SqliteSource;
use types::SqliteTypes;

/// SQLite, to read from.
pub(super) const SYSTEM: System = System {
    name: "sqlite",
    schemes: &["sqlite"],
    local_paths: true,
    types: || &SqliteTypes,
    frontend: Some(frontend),
    backend: None,
};

const FACTS: FrontendFacts = FrontendFacts {
    system: "sqlite",
    identifier_bytes: usize::MAX,
};

fn frontend(connection: &Connection) -> Result<Arc<dyn Frontend>> {
    Ok(Arc::new(SqliteFrontend {
        connection: connection.name.clone(),
        location: Location::parse(connection)?,
        dialect: Arc::default(),
    }))
}

#[derive(Debug)]
struct SqliteFrontend {
    connection: String,
    location: Location,
    dialect: Arc<SqliteDialect>,
}

#[async_trait]
impl Frontend for SqliteFrontend {
    fn facts(&self) -> &FrontendFacts {
        &FACTS
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::<SqliteDialect>::clone(&self.dialect)
    }

    fn types(&self) -> &dyn TypeMap {
        &SqliteTypes
    }

    async fn probe(&self) -> Result<Probe> {
        let location = self.location.clone();
        blocking(move || {
            let database = location.connect()?;
            let catalog = Catalog {
                database: &database,
                name: location.name(),
            };
            let journal = catalog.journal()?;
            let mut notes = vec![
                format!("journal mode {journal}, read-only"),
                if journal == "wal" {
                    "a long read keeps the WAL file from shrinking".to_owned()
                } else {
                    "a read keeps writers waiting".to_owned()
                },
            ];
            if !pages::are_given(&database) {
                notes.push(
                    "tables are read by statements, more slowly: this build's SQLite has no sqlite_dbpage"
                        .to_owned(),
                );
            }
            Ok(Probe {
                version: format!("SQLite {}", rusqlite::version()),
                user: None,
                encrypted: None,
                snapshot: "read transactions of one state, several at once".to_owned(),
                notes,
            })
        })
        .await
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let location = self.location.clone();
        blocking(move || {
            let database = location.connect()?;
            Catalog {
                database: &database,
                name: location.name(),
            }
            .tables()
        })
        .await
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        let (location, dialect) = (self.location.clone(), Arc::clone(&self.dialect));
        let name = (self.connection.clone(), schema.to_owned(), table.to_owned());
        let options = options.clone();
        blocking(move || {
            let name = (name.0.as_str(), name.1.as_str(), name.2.as_str());
            let source = SqliteSource::describe(location, dialect, name, &options)?;
            Ok(Arc::new(source) as Arc<dyn Source>)
        })
        .await
    }
}
