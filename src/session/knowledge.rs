//! What goe knows of itself, as tables of the schema `goe`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use datafusion::catalog::{MemTable, MemorySchemaProvider, SchemaProvider, TableProvider};

use super::Session;
use crate::error::{Error, Result};
use crate::schema::CanonicalType;
use crate::systems::SYSTEMS;

/// Puts the tables of the schema `goe` in place, as of now.
pub(super) fn refresh(session: &Session) -> Result<()> {
    let engine = session.engine();
    let default = engine.catalog("datafusion");
    let catalog = default.ok_or_else(|| Error::internal("The engine has no catalog of its own"))?;
    let schema = MemorySchemaProvider::new();
    put(&schema, "type_mapping", type_mapping()?)?;
    put(&schema, "connections", connections(session)?)?;
    // No history yet is no reason to make a repository.
    if session.config().repository().exists() {
        put(&schema, "runs", runs(session)?)?;
    }
    catalog.register_schema("goe", Arc::new(schema))?;
    Ok(())
}

fn put(schema: &MemorySchemaProvider, name: &str, rows: RecordBatch) -> Result<()> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    let table: Arc<dyn TableProvider> = Arc::new(table);
    schema.register_table(name.to_owned(), table)?;
    Ok(())
}

fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Every native type of every system with its canonical type, and the way back.
fn type_mapping() -> Result<RecordBatch> {
    let mut rows: Vec<[Option<String>; 6]> = Vec::new();
    for system in SYSTEMS {
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
fn connections(session: &Session) -> Result<RecordBatch> {
    let connections = session.connections();
    let names = connections.names();
    let system = |name: &&str| connections.system(name).ok().map(|system| system.name);
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("connection", texts(names.iter().map(Some)), false),
        ("system", texts(names.iter().map(system)), true),
    ])?)
}

fn runs(session: &Session) -> Result<RecordBatch> {
    let runs = session.history(None)?.runs;
    let count = |values: Vec<u64>| -> ArrayRef { Arc::new(UInt64Array::from(values)) };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("run", texts(runs.iter().map(|run| Some(&run.run))), false),
        (
            "offload",
            texts(runs.iter().map(|run| Some(&run.offload))),
            false,
        ),
        (
            "source",
            texts(runs.iter().map(|run| Some(&run.source))),
            false,
        ),
        (
            "target",
            texts(runs.iter().map(|run| Some(&run.target))),
            false,
        ),
        (
            "started",
            texts(runs.iter().map(|run| Some(&run.started))),
            false,
        ),
        (
            "finished",
            texts(runs.iter().map(|run| run.finished.as_ref())),
            true,
        ),
        (
            "status",
            texts(runs.iter().map(|run| Some(&run.status))),
            false,
        ),
        (
            "rows",
            count(runs.iter().map(|run| run.rows).collect()),
            false,
        ),
        (
            "bytes",
            count(runs.iter().map(|run| run.bytes).collect()),
            false,
        ),
        (
            "error",
            texts(runs.iter().map(|run| run.error.as_ref())),
            true,
        ),
    ])?)
}
