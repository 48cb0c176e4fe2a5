#![doc = include_str!("README.md")]

mod answer;
mod catalog;
mod connect;
mod decode;
mod dialect;
mod error;
mod hashes;
mod literal;
mod login;
mod native;
mod partitions;
mod pool;
mod read;
mod reader;
mod server;
mod session;
mod splits;
mod state;
#[cfg(test)]
mod testing;
mod types;
mod wrong_value;

use std::sync::Arc;

use async_trait::async_trait;

use self::catalog::Relation;
use self::connect::Settings;
use self::dialect::SqlServer;
use self::read::TableSnapshot;
use self::server::{Server, State};
use self::session::Session;
use self::types::Types;
use super::System;
use crate::config::Connection;
use crate::error::{Error, Result};
use crate::frontend::{
    Dialect, Frontend, FrontendFacts, OpenOptions, Probe, Snapshot, Source, SourceTable, Splits,
    TableEntry, TypeMap,
};

/// SQL Server.
pub(super) const SYSTEM: System = System {
    name: "sqlserver",
    schemes: &["sqlserver", "mssql"],
    types: || &Types,
    frontend: Some(frontend),
    backend: None,
    local_paths: false,
};

/// How many tables one batch describes.
const DESCRIBED_AT_ONCE: usize = 100;

fn frontend(connection: &Connection) -> Result<Arc<dyn Frontend>> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::new(connection, &variable)?;
    Ok(Arc::new(SqlServerFrontend {
        settings: Arc::new(settings),
    }))
}

#[derive(Debug)]
struct SqlServerFrontend {
    settings: Arc<Settings>,
}

const FACTS: FrontendFacts = FrontendFacts {
    system: "sqlserver",
    identifier_bytes: 256,
};

#[async_trait]
impl Frontend for SqlServerFrontend {
    fn facts(&self) -> &FrontendFacts {
        &FACTS
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(SqlServer)
    }

    fn types(&self) -> &dyn TypeMap {
        &Types
    }

    async fn probe(&self) -> Result<Probe> {
        let session = Session::open(&self.settings).await?;
        let server = Arc::clone(&session.server);
        self.settings.shelf.keep(session);
        Ok(Probe {
            version: format!("SQL Server {} ({})", server.version, server.edition),
            user: server.user.clone(),
            encrypted: Some(self.settings.encrypted),
            snapshot: offer(&server, &self.settings).to_owned(),
            notes: notes(&server),
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let mut session = Session::open(&self.settings).await?;
        let tables = catalog::tables(&mut session, &self.settings.connection).await?;
        self.settings.shelf.keep(session);
        Ok(tables)
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        let mut session = Session::open(&self.settings).await?;
        let connection = &self.settings.connection;
        let relation = Relation::find(&mut session, connection, schema, table).await?;
        self.settings.shelf.keep(session);
        self.source(relation, options)
    }

    async fn open_all(&self, names: &[(String, String)]) -> Result<Vec<Result<Arc<dyn Source>>>> {
        let mut session = Session::open(&self.settings).await?;
        let connection = &self.settings.connection;
        let mut sources = Vec::with_capacity(names.len());
        for some in names.chunks(DESCRIBED_AT_ONCE) {
            let found = Relation::find_all(&mut session, connection, some).await?;
            let found = found.into_iter().map(|relation| {
                relation.and_then(|relation| self.source(relation, &OpenOptions::default()))
            });
            sources.extend(found);
        }
        self.settings.shelf.keep(session);
        Ok(sources)
    }
}

impl SqlServerFrontend {
    fn source(&self, relation: Relation, options: &OpenOptions) -> Result<Arc<dyn Source>> {
        let connection = &self.settings.connection;
        if relation.server.too_old() {
            return Err(Error::unsupported(format!(
                "Connection \"{connection}\" is SQL Server {}, older than 2016 (13.0)",
                relation.server.version
            ))
            .hint("read a copy of the database that a newer server restored"));
        }
        let row_security = self.settings.row_security;
        let described = Arc::new(relation.describe(connection, options, row_security)?);
        Ok(Arc::new(Table {
            settings: Arc::clone(&self.settings),
            relation,
            described,
        }))
    }
}

fn offer(server: &Server, settings: &Settings) -> &'static str {
    match server.state() {
        State::Snapshot => "a database snapshot, for all readers",
        State::ReadOnly => "a read-only database, for all readers",
        State::Replica => "one transaction with SNAPSHOT isolation, one reader",
        State::Versions if settings.table_lock == connect::TableLock::Never => {
            "one transaction with SNAPSHOT isolation, one reader"
        }
        State::Versions => {
            "transactions with SNAPSHOT isolation, begun under one short lock of the table"
        }
        State::Committed => "none: SNAPSHOT isolation is off",
    }
}

fn notes(server: &Server) -> Vec<String> {
    let mut notes = Vec::new();
    if server.too_old() {
        notes.push("older than 2016: tables can't be read".to_owned());
    }
    if server.state() == State::Committed {
        notes.push(
            "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or snapshot=NAME of a database \
             snapshot, lets all readers see one state"
                .to_owned(),
        );
    }
    if !server.may_unmask {
        notes.push("no UNMASK right: masked columns can't be read".to_owned());
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
        splits::cut(&self.settings, &self.relation, &self.described, bytes).await
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let opened =
            TableSnapshot::open(&self.settings, &self.relation, &self.described, readers).await?;
        Ok(Arc::new(opened))
    }
}
