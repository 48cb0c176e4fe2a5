#![doc = include_str!("README.md")]

mod catalog;
mod connect;
mod copy;
mod decode;
mod dialect;
mod error;
mod literal;
mod measure;
mod native;
mod numeric;
mod partitions;
mod pool;
mod read;
mod server;
mod session;
mod silence;
mod splits;
mod tap;
#[cfg(test)]
mod tests;
mod tls;
mod types;
mod wrong_value;

use std::sync::Arc;

use async_trait::async_trait;

use self::catalog::Relation;
use self::connect::Settings;
use self::dialect::Postgres;
use self::error::failed;
use self::read::TableSnapshot;
pub(crate) use self::server::Server;
use self::session::Session;
use self::types::Types;
use super::System;
use crate::config::Connection;
use crate::error::{Error, Result};
use crate::frontend::{
    Dialect, Frontend, FrontendFacts, OpenOptions, Probe, Snapshot, Source, SourceTable, Splits,
    TableEntry, TypeMap,
};

/// PostgreSQL.
pub(super) const SYSTEM: System = System {
    name: "postgres",
    schemes: &["postgres", "postgresql"],
    types: || &Types,
    frontend: Some(frontend),
    backend: None,
    local_paths: false,
};

const PROBE: &str = include_str!("../../../sql/catalog/postgres/probe.sql");

/// The first version that we read: 12.
const OLDEST: i32 = 120_000;

/// How many tables one statement describes: its cost grows faster than their number.
const DESCRIBED_AT_ONCE: usize = 100;

fn frontend(connection: &Connection) -> Result<Arc<dyn Frontend>> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::new(connection, &variable)?;
    Ok(Arc::new(PostgresFrontend {
        settings: Arc::new(settings),
    }))
}

#[derive(Debug)]
struct PostgresFrontend {
    settings: Arc<Settings>,
}

const FACTS: FrontendFacts = FrontendFacts {
    system: "postgres",
    identifier_bytes: 63,
};

#[async_trait]
impl Frontend for PostgresFrontend {
    fn facts(&self) -> &FrontendFacts {
        &FACTS
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(Postgres)
    }

    fn types(&self) -> &dyn TypeMap {
        &Types
    }

    async fn probe(&self) -> Result<Probe> {
        let session = Session::open(&self.settings).await?;
        let doing = format!(
            "Connection \"{}\" can't be looked at",
            self.settings.connection
        );
        let wrong = |error| failed(&doing, error);
        let rows = session.ask(&doing, PROBE, &[]).await?;
        let row = rows.first().ok_or_else(|| Error::internal(doing.clone()))?;
        let number: i32 = row.try_get("number").map_err(wrong)?;
        let encoding: String = row.try_get("encoding").map_err(wrong)?;
        let standby: bool = row.try_get("standby").map_err(wrong)?;
        Ok(Probe {
            version: row.try_get("version").map_err(wrong)?,
            user: Some(row.try_get("user").map_err(wrong)?),
            encrypted: Some(row.try_get("encrypted").map_err(wrong)?),
            snapshot: "one exported snapshot for all readers".to_owned(),
            notes: notes(number, &encoding, standby),
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let session = Session::open(&self.settings).await?;
        let tables = catalog::tables(&session, &self.settings.connection).await?;
        self.settings.shelf.keep(session);
        Ok(tables)
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        let session = Session::open(&self.settings).await?;
        let connection = &self.settings.connection;
        let relation = Relation::find(&session, connection, schema, table).await?;
        let options = measure::measured(&session, &relation, options).await?;
        self.settings.shelf.keep(session);
        self.source(relation, &options)
    }

    async fn open_all(&self, names: &[(String, String)]) -> Result<Vec<Result<Arc<dyn Source>>>> {
        let session = Session::open(&self.settings).await?;
        let connection = &self.settings.connection;
        let mut sources = Vec::with_capacity(names.len());
        for some in names.chunks(DESCRIBED_AT_ONCE) {
            let found = Relation::find_all(&session, connection, some).await?;
            let found = found.into_iter().map(|relation| {
                relation.and_then(|relation| self.source(relation, &OpenOptions::default()))
            });
            sources.extend(found);
        }
        self.settings.shelf.keep(session);
        Ok(sources)
    }
}

impl PostgresFrontend {
    fn source(&self, relation: Relation, options: &OpenOptions) -> Result<Arc<dyn Source>> {
        let connection = &self.settings.connection;
        if relation.server.version < OLDEST {
            return Err(Error::unsupported(format!(
                "Connection \"{connection}\" is PostgreSQL {}, older than 12",
                relation.server.version / 10_000
            ))
            .hint("read it through a newer server, postgres_fdw for instance"));
        }
        let described = Arc::new(relation.describe(connection, options)?);
        let settings = Arc::clone(&self.settings);
        Ok(Arc::new(Table {
            settings,
            relation,
            described,
        }))
    }
}

fn notes(number: i32, encoding: &str, standby: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if number < OLDEST {
        notes.push("older than 12: tables can't be read".to_owned());
    } else if number < splits::RANGE_SCANS {
        notes.push("older than 14: each table or partition has one split".to_owned());
    }
    if encoding != "UTF8" {
        notes.push(format!(
            "the database is in {encoding}: filters on text stay local"
        ));
    }
    if standby {
        notes.push("a standby: it may cancel long reads (max_standby_streaming_delay)".to_owned());
    }
    notes
}

/// A described table.
#[derive(Debug)]
struct Table {
    settings: Arc<Settings>,
    relation: Relation,
    described: Arc<SourceTable>,
}

#[async_trait]
impl Source for Table {
    fn table(&self) -> &SourceTable {
        &self.described
    }

    async fn splits(&self, bytes: u64) -> Result<Splits> {
        Ok(splits::cut(&self.relation, self.described.kind, bytes))
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let opened =
            TableSnapshot::open(&self.settings, &self.relation, &self.described, readers).await?;
        Ok(Arc::new(opened))
    }
}
