//! What dead runs left behind: tables of loads, and staged files.

use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};

use super::load::load_prefix;
use super::name::{quote_exactly, text, there};
use super::session::Warehouse;
use super::statement::filled;
use crate::backend::{Orphan, StagingPlace};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::systems::staged_name::run_of;

const LOADS: &str = include_str!("../../../sql/catalog/snowflake/loads.sql");

/// How the path of a load's table begins in a listing, which holds files, too.
const TABLE: &str = "table ";

/// Lists the loads and the staged files of a table whose runs are not living; with
/// `remove` they go. A run that publishes removes both, so none of them is needed.
pub(super) async fn sweep(
    warehouse: &Warehouse,
    schema: &str,
    table: &str,
    living: &[String],
    remove: bool,
) -> Result<Vec<Orphan>> {
    let mut orphans = loads(warehouse, schema, table).await?;
    let place = warehouse.settings.staging.place(schema, table).ok();
    if let Some(place) = &place {
        orphans.append(&mut files(place).await?);
    }
    orphans.retain(|orphan| !living.contains(&orphan.run));
    orphans.sort_by(|a, b| a.path.cmp(&b.path));
    fault::point("clean.listed")?;
    if remove {
        for orphan in &orphans {
            delete(warehouse, schema, place.as_ref(), &orphan.path).await?;
            fault::point("clean.removed")?;
        }
    }
    Ok(orphans)
}

async fn loads(warehouse: &Warehouse, schema: &str, table: &str) -> Result<Vec<Orphan>> {
    let doing = format!("The loads of table {schema}.{table} can't be listed");
    let prefix = load_prefix(table);
    let sql = filled(LOADS, &[("schema", text(&there(schema)))]);
    let mut found = Vec::new();
    for row in warehouse.rows(&doing, &sql).await? {
        let name = row.required(0)?;
        let Some(run) = run_of_load(&prefix, name) else {
            continue;
        };
        found.push(Orphan {
            path: format!("{TABLE}{name}"),
            bytes: row
                .text(1)
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(0),
            run,
        });
    }
    Ok(found)
}

/// The run that made a load's table, by its name.
fn run_of_load(prefix: &str, name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let manifest = lower.strip_prefix(prefix)?;
    let (run, chunk) = manifest.split_once('_')?;
    let named = format!("part-{run}-{chunk}.parquet");
    run_of(&named).map(str::to_owned)
}

async fn files(place: &StagingPlace) -> Result<Vec<Orphan>> {
    let failed = |error: StoreError| unreached(&format!("{} can't be listed", place.url), error);
    let mut found = Vec::new();
    let mut entries = place.store.list(None);
    loop {
        let entry = match entries.try_next().await {
            Ok(Some(entry)) => entry,
            Ok(None) | Err(StoreError::NotFound { .. }) => return Ok(found),
            Err(error) => return Err(failed(error)),
        };
        if let Some(run) = entry.location.filename().and_then(run_of) {
            found.push(Orphan {
                run: run.to_owned(),
                bytes: entry.size,
                path: entry.location.to_string(),
            });
        }
    }
}

async fn delete(
    warehouse: &Warehouse,
    schema: &str,
    place: Option<&StagingPlace>,
    path: &str,
) -> Result<()> {
    if let Some(table) = path.strip_prefix(TABLE) {
        let schema = quote_exactly(&there(schema));
        let drop = format!("DROP TABLE IF EXISTS {schema}.{}", quote_exactly(table));
        let doing = format!("Table {table} of a dead run can't be dropped");
        return warehouse.run_all(&doing, &[drop]).await;
    }
    let Some(place) = place else {
        return Ok(());
    };
    let parsed = object_store::path::Path::parse(path);
    let location = parsed.map_err(|error| Error::internal(error.to_string()))?;
    match place.store.delete(&location).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(unreached(&format!("File {path} can't be removed"), error)),
    }
}

fn unreached(message: &str, error: StoreError) -> Error {
    let kind = match &error {
        StoreError::PermissionDenied { .. } => ErrorKind::Permission,
        StoreError::Unauthenticated { .. } => ErrorKind::Authenticate,
        _ => ErrorKind::Connect,
    };
    Error::new(kind, message.to_owned())
        .hint("check the staging of the connection and its rights")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::snowflake::load::load_table;
    use crate::systems::snowflake::name::there;

    #[test]
    fn a_load_names_its_run() {
        let run = "0192f0c1d2e37f4a8b5c6d7e8f901234";
        for chunk in ["0001", "0002r1"] {
            let table = there(&load_table("orders", &format!("{run}-{chunk}")));
            let found = run_of_load(&load_prefix("orders"), &table);
            assert_eq!(found.as_deref(), Some(run), "{table}");
            assert_eq!(run_of_load(&load_prefix("order"), &table), None);
        }
        for other in ["GOE_LOAD_X", "GOE_LOAD_", "ORDERS", "GOE_LEDGER"] {
            assert_eq!(run_of_load(&load_prefix("orders"), other), None, "{other}");
        }
    }
}
