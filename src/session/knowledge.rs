//! What goe knows of itself, as tables of the schema `goe`.
//!
//! A table is read when a query scans it, so a statement that names none of them reads nothing.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::memory::Memory;
use crate::error::Result;
use crate::repository::Repository;
use crate::schema::CanonicalType;
use crate::systems::{Connections, Systems};

/// The tables that are not the repository's.
const OWN: [&str; 2] = ["connections", "type_mapping"];

/// The schema `goe`.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) connections: Arc<Connections>,
    pub(super) memory: Arc<Memory>,
}

#[async_trait]
impl SchemaProvider for Knowledge {
    fn table_names(&self) -> Vec<String> {
        let names = Repository::table_names().chain(OWN);
        names.map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let rows = match name {
            "connections" => connections(&self.connections)?,
            "type_mapping" => type_mapping(self.connections.systems())?,
            remembered => return Ok(self.remembered(remembered)?),
        };
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        OWN.contains(&name) || Repository::table_names().any(|known| known == name)
    }
}

impl Knowledge {
    fn remembered(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let repository = self.memory.look()?;
        let schema = repository.table_schema(name)?;
        Ok(schema.map(|schema| -> Arc<dyn TableProvider> {
            Arc::new(Remembered {
                name: name.to_owned(),
                schema,
                repository,
            })
        }))
    }
}

/// A table of the repository.
struct Remembered {
    name: String,
    schema: SchemaRef,
    repository: Arc<Repository>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remembered({})", self.name)
    }
}

#[async_trait]
impl TableProvider for Remembered {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let rows = self.repository.table(&self.name)?;
        let table = MemTable::try_new(self.schema(), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Every native type of every system with its canonical type, and the way back.
fn type_mapping(systems: &Systems) -> Result<RecordBatch> {
    let mut rows: Vec<[Option<String>; 6]> = Vec::new();
    for system in systems.iter() {
        let types = (system.types)();
        for native in types.natives() {
            let (canonical, fidelity, reason) = match types.to_canonical(&native) {
                Ok(mapping) => (
                    Some(mapping.to.to_string()),
                    mapping.fidelity.to_string(),
                    mapping.reason,
                ),
                Err(error) => (None, "refused".to_owned(), Some(error.message().to_owned())),
            };
            rows.push(row(
                system.name,
                "read",
                native,
                canonical,
                fidelity,
                reason,
            ));
        }
        for canonical in CanonicalType::ALL {
            let (native, fidelity, reason) = match types.from_canonical(canonical) {
                Ok(mapping) => (
                    mapping.to.native,
                    mapping.fidelity.to_string(),
                    mapping.reason,
                ),
                Err(error) => (
                    String::new(),
                    "refused".to_owned(),
                    Some(error.message().to_owned()),
                ),
            };
            let canonical = Some(canonical.to_string());
            rows.push(row(
                system.name,
                "write",
                native,
                canonical,
                fidelity,
                reason,
            ));
        }
    }
    let names = [
        "system",
        "direction",
        "native",
        "canonical",
        "fidelity",
        "reason",
    ];
    let columns = names
        .into_iter()
        .enumerate()
        .map(|(i, name)| (name, texts(rows.iter().map(|row| row[i].clone())), true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

fn row(
    system: &str,
    direction: &str,
    native: String,
    canonical: Option<String>,
    fidelity: String,
    reason: Option<String>,
) -> [Option<String>; 6] {
    let own = |text: &str| Some(text.to_owned());
    [
        own(system),
        own(direction),
        Some(native),
        canonical,
        Some(fidelity),
        reason,
    ]
}

/// The connections by name and system; no secrets.
fn connections(connections: &Connections) -> Result<RecordBatch> {
    let names = connections.names();
    let system = |name: &String| connections.system(name).ok().map(|system| system.name);
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("connection", texts(names.iter().map(Some)), false),
        ("system", texts(names.iter().map(system)), true),
    ])?)
}
