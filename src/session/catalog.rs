//! Connections as catalogs. Nothing is listed ahead: a table is looked up when it is named.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::common::{Result as PlanResult, TableReference};
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser;

use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{FrontendTable, OpenOptions};
use crate::systems::Connections;

/// The connections, and the engine's own catalog for everything else.
pub(super) struct ConnectionCatalogs {
    connections: Arc<Connections>,
    options: Arc<OpenOptions>,
    own: MemoryCatalogProviderList,
}

impl ConnectionCatalogs {
    pub(super) fn new(connections: Arc<Connections>, options: OpenOptions) -> Self {
        Self {
            connections,
            options: Arc::new(options),
            own: MemoryCatalogProviderList::new(),
        }
    }
}

impl fmt::Debug for ConnectionCatalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionCatalogs")
            .field("names", &self.connections.names())
            .finish()
    }
}

impl CatalogProviderList for ConnectionCatalogs {
    fn register_catalog(
        &self,
        name: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        self.own.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        let mut names = self.own.catalog_names();
        names.extend(self.connections.names());
        names
    }

    /// Any other name is a connection: one that is unknown says so when a table is asked for.
    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        self.own.catalog(name).or_else(|| {
            Some(Arc::new(ConnectionCatalog {
                connections: Arc::clone(&self.connections),
                options: Arc::clone(&self.options),
                connection: name.to_owned(),
            }))
        })
    }
}

#[derive(Clone)]
struct ConnectionCatalog {
    connections: Arc<Connections>,
    options: Arc<OpenOptions>,
    connection: String,
}

impl fmt::Debug for ConnectionCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionCatalog")
    }
}

impl CatalogProvider for ConnectionCatalog {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(ConnectionSchema {
            catalog: self.clone(),
            schema: name.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct ConnectionSchema {
    catalog: ConnectionCatalog,
    schema: String,
}

impl ConnectionSchema {
    async fn open(&self, table: &str) -> Result<Arc<dyn TableProvider>> {
        let ConnectionCatalog {
            connections,
            options,
            connection,
        } = &self.catalog;
        let system = connections.system(connection)?;
        if system.frontend.is_some() {
            let opened = connections.open(connection, &self.schema, table, options);
            let source = opened.await?;
            let dialect = connections.frontend(connection)?.dialect();
            return Ok(Arc::new(FrontendTable::new(source, dialect)));
        }
        if !options.read_as.is_empty() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("Connection \"{connection}\" has no other forms to read columns as"),
            )
            .hint("leave --read-as out"));
        }
        connections
            .backend(connection)?
            .table(&self.schema, table)
            .await
    }
}

/// Refuses a statement that would make, change or drop a table of a connection. The engine would say
/// that there is no such table, or that this is not implemented.
pub(super) fn refuse_changes(engine: &SessionContext, plan: &LogicalPlan) -> Result<()> {
    use DdlStatement as Ddl;
    let (name, done) = match plan {
        LogicalPlan::Ddl(Ddl::CreateMemoryTable(table)) => (&table.name, "made"),
        LogicalPlan::Ddl(Ddl::CreateExternalTable(table)) => (&table.name, "made"),
        LogicalPlan::Ddl(Ddl::CreateView(view)) => (&view.name, "made"),
        LogicalPlan::Ddl(Ddl::DropTable(table)) => (&table.name, "dropped"),
        LogicalPlan::Ddl(Ddl::DropView(view)) => (&view.name, "dropped"),
        LogicalPlan::Dml(change) => (&change.table_name, "changed"),
        _ => return Ok(()),
    };
    if is_own(engine, name) {
        return Ok(());
    }
    Err(untouched(name, done))
}

/// Why a statement that has no plan was refused, if it would make a table of a connection: the engine
/// looks that table up as it does all others, and would say that it does not exist.
pub(super) fn refused_to_make(engine: &SessionContext, statement: &str) -> Option<Error> {
    let state = engine.state();
    let dialect = state.config().options().sql_parser.dialect;
    let Statement::Statement(parsed) = state.sql_to_statement(statement, &dialect).ok()? else {
        return None;
    };
    let name = match *parsed {
        sqlparser::ast::Statement::CreateTable(table) => table.name,
        sqlparser::ast::Statement::CreateView(view) => view.name,
        _ => return None,
    };
    let name = TableReference::from(name.to_string());
    (!is_own(engine, &name)).then(|| untouched(&name, "made"))
}

/// Whether a table is one of the engine's own, which may come and go.
fn is_own(engine: &SessionContext, name: &TableReference) -> bool {
    let state = engine.state();
    let own = &state.config().options().catalog.default_catalog;
    name.catalog().is_none_or(|catalog| catalog == own)
}

/// Tables of connections are made and filled by offloads, and dropped by nobody here.
fn untouched(table: &TableReference, done: &str) -> Error {
    Error::unsupported(format!("Table \"{table}\" can't be {done} by this statement"))
        .hint("INSERT INTO CONNECTION.SCHEMA.TABLE SELECT … makes a target and fills it; drop tables with their system's own tools")
}

#[async_trait]
impl SchemaProvider for ConnectionSchema {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        Ok(Some(self.open(name).await?))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}
