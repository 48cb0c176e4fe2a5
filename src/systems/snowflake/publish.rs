//! Publishing: one transaction that moves the loaded rows in and writes the record.
//!
//! The server commits a change of shape by itself, so shapes are changed before, by statements that
//! do nothing the second time. The transaction's first statement locks the ledger's row of the
//! table: who comes second reads the record that the first has written.

use object_store::ObjectStoreExt;
use snowflake_connector_rs::Session;

use super::catalog::{self, qualified};
use super::condition::condition;
use super::ledger;
use super::load::loaded_name;
use super::name::quote;
use super::session::{Warehouse, changed, run};
use super::types::DOCUMENT;
use crate::backend::{Change, Mode, Publication, Published, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;

/// Makes a manifest's rows and the record visible together.
pub(super) async fn publish(warehouse: &Warehouse, publication: &Publication) -> Result<Published> {
    let name = &publication.target.name;
    let table = catalog::describe(warehouse, &name.schema, &name.table).await?;
    let stored = table.as_ref().and_then(|table| table.record.as_ref());
    if publication.stands_after(stored)? {
        tidy_up(warehouse, publication).await;
        return Ok(published(publication, true, 0));
    }
    prepare(warehouse, publication, table.as_ref()).await?;
    fault::point("publish.prepared")?;
    let session = warehouse.log_in().await?;
    let moved = transaction(&session, publication).await;
    let (already, rows_removed) = match moved {
        Ok(moved) => moved,
        Err(error) => {
            // The server ends the transaction of a lost session by itself.
            let _ = run(&session, "The transaction can't be ended", "ROLLBACK").await;
            return Err(error);
        }
    };
    fault::point("publish.committed")?;
    tidy_up(warehouse, publication).await;
    Ok(published(publication, already, rows_removed))
}

fn published(publication: &Publication, already: bool, rows_removed: u64) -> Published {
    Published {
        version: format!("record {}", publication.record.sequence),
        already,
        rows_removed,
    }
}

/// Brings the table to its shape, and makes sure that there is a ledger.
async fn prepare(
    warehouse: &Warehouse,
    publication: &Publication,
    table: Option<&TargetTable>,
) -> Result<()> {
    let name = &publication.target.name;
    let change = match (&publication.change, table) {
        // Made by a publish that died before its transaction.
        (Change::Create(_), Some(table)) if table.record.is_none() && table.rows == Some(0) => {
            as_planned(publication, table)?
        }
        _ => publication.actual_change(table)?,
    };
    if let Change::Create(definition) = &change {
        catalog::require_schema(warehouse, &name.schema).await?;
        let doing = format!("Table \"{name}\" can't be made");
        let made = [catalog::create_table(definition)];
        warehouse.run_all(&doing, &made).await?;
    } else {
        let doing = format!("Table \"{name}\" can't be altered");
        let statements = catalog::statements(&change);
        warehouse.run_all(&doing, &statements).await?;
    }
    ledger::require(warehouse, name).await
}

/// A table that an earlier attempt made is the one that was planned.
fn as_planned(publication: &Publication, table: &TargetTable) -> Result<Change> {
    let unplanned = Publication {
        change: Change::None,
        ..publication.clone()
    };
    unplanned.actual_change(Some(table))
}

/// Whether it had been done before, and how many rows went.
async fn transaction(session: &Session, publication: &Publication) -> Result<(bool, u64)> {
    let name = &publication.target.name;
    let doing = format!("Table \"{name}\" can't be published into");
    run(session, &doing, "BEGIN").await?;
    let entry = ledger::lock(session, name).await?;
    if publication.stands_after(entry.as_ref().map(|entry| &entry.record))? {
        run(session, &doing, "ROLLBACK").await?;
        return Ok((true, 0));
    }
    let removed = match delete_statement(publication)? {
        Some(delete) => changed(&run(session, &doing, &delete).await?)?,
        None => 0,
    };
    let staged = publication.manifest.rows();
    // A record alone comes without a load.
    let inserted = match staged {
        0 => 0,
        _ => changed(&run(session, &doing, &insert_statement(publication)).await?)?,
    };
    if inserted != staged {
        let message = format!("{doing}: {inserted} rows went in, and {staged} were proved");
        return Err(Error::new(ErrorKind::Verify, message)
            .hint("something changed the table of the load; run again"));
    }
    let count = format!(
        "SELECT COUNT(*) FROM {}",
        qualified(&name.schema, &name.table)
    );
    let rows = run(session, &doing, &count).await?;
    let rows = rows.first().map_or(Ok(0), |row| row.count(0))?;
    ledger::write(session, publication, rows).await?;
    fault::point("publish.before_commit")?;
    run(session, &doing, "COMMIT").await?;
    Ok((false, removed))
}

/// The statement that takes rows out, if some go.
pub(super) fn delete_statement(publication: &Publication) -> Result<Option<String>> {
    let name = &publication.target.name;
    let table = qualified(&name.schema, &name.table);
    Ok(match &publication.mode {
        Mode::Append => None,
        Mode::ReplaceAll => Some(format!("DELETE FROM {table}")),
        Mode::ReplaceWhere(predicate) => {
            let condition = condition(&publication.target, predicate)?;
            Some(format!("DELETE FROM {table} WHERE {condition}"))
        }
    })
}

pub(super) fn insert_statement(publication: &Publication) -> String {
    let name = &publication.target.name;
    let columns = publication.target.columns.iter();
    let names: Vec<String> = columns.clone().map(|column| quote(&column.name)).collect();
    // What is no JSON stops the publish.
    let values = columns
        .zip(&names)
        .map(|(column, name)| match column.native == DOCUMENT {
            true => format!("PARSE_JSON({name})"),
            false => name.clone(),
        });
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        qualified(&name.schema, &name.table),
        names.join(", "),
        values.collect::<Vec<_>>().join(", "),
        loaded_name(&publication.target, &publication.manifest)
    )
}

/// Removes what was only needed on the way. What stays is an orphan, which `goe clean` finds.
async fn tidy_up(warehouse: &Warehouse, publication: &Publication) {
    let name = &publication.target.name;
    let load = loaded_name(&publication.target, &publication.manifest);
    let drop = format!("DROP TABLE IF EXISTS {load}");
    let _ = warehouse.run_all("A load can't be dropped", &[drop]).await;
    if let Ok(place) = warehouse.settings.staging.place(&name.schema, &name.table) {
        for file in &publication.manifest.files {
            if let Ok(path) = object_store::path::Path::parse(&file.path) {
                let _ = place.store.delete(&path).await;
            }
        }
    }
}
