//! What stands in the lake.

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};

use super::connect::{Lake, TablePlace};
use super::error::store_error;
use super::load::PROOFS;
use super::snapshot::TableState;
use crate::backend::{Change, TargetColumn, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{RelationKind, TableEntry};
use crate::systems::folder_name::decode_part;
use crate::systems::staged_name::run_of;

/// How many foreign things a refusal names.
const NAMED: usize = 5;

/// Every folder SCHEMA/TABLE of the lake that has a log.
pub(super) async fn tables(lake: &Lake) -> Result<Vec<TableEntry>> {
    let mut entries = Vec::new();
    for (schema_folder, schema) in folders(lake, None).await? {
        for (table_folder, table) in folders(lake, Some(&schema_folder)).await? {
            let log = table_folder.clone().join("_delta_log");
            if lake
                .root()
                .list(Some(&log))
                .next()
                .await
                .is_some_and(|entry| entry.is_ok())
            {
                entries.push(TableEntry {
                    schema: schema.clone(),
                    table,
                    kind: RelationKind::Table,
                    rows: None,
                    bytes: None,
                });
            }
        }
    }
    entries.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    Ok(entries)
}

async fn folders(lake: &Lake, under: Option<&Path>) -> Result<Vec<(Path, String)>> {
    let listing = match lake.root().list_with_delimiter(under).await {
        Ok(listing) => listing,
        Err(StoreError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => {
            return Err(store_error(
                &format!("Lake \"{}\" can't be listed", lake.name()),
                error,
            ));
        }
    };
    let named = listing.common_prefixes.into_iter().filter_map(|folder| {
        let name = decode_part(folder.filename()?)?;
        Some((folder, name))
    });
    Ok(named.collect())
}

/// A table with its record; `None` where nothing stands.
pub(super) async fn describe(place: &TablePlace) -> Result<Option<TargetTable>> {
    let state = match TableState::load(place).await? {
        Some(state) => state,
        None => match refuse_other_content(place).await {
            Ok(()) => return Ok(None),
            // Between the two looks another run may have made the table.
            Err(error) => TableState::load(place).await?.ok_or(error)?,
        },
    };
    state
        .protocol
        .refuse_foreign(&state.metadata, &place.name)?;
    let mut table = describe_state(&state)?;
    let files = state.files().await?;
    table.rows = files.iter().map(|file| file.rows).sum();
    Ok(Some(table))
}

/// A version, described without a look at its files.
pub(super) fn describe_state(state: &TableState) -> Result<TargetTable> {
    Ok(TargetTable {
        name: state.place.name.clone(),
        columns: state.metadata.columns()?,
        partition_columns: state.metadata.partition_columns(),
        record: state.metadata.record()?,
        rows: None,
        version: format!("version {}", state.version),
    })
}

/// Refuses a place without a log that holds more than what runs staged there.
async fn refuse_other_content(place: &TablePlace) -> Result<()> {
    let ours = |path: &Path| {
        path.as_ref().starts_with(PROOFS) || path.filename().is_some_and(|n| run_of(n).is_some())
    };
    let mut found = Vec::new();
    let mut entries = place.store.list(None);
    loop {
        match entries.try_next().await {
            Ok(Some(entry)) if ours(&entry.location) => {}
            Ok(Some(entry)) if found.len() < NAMED => found.push(entry.location.to_string()),
            Ok(Some(_)) => break,
            Ok(None) | Err(StoreError::NotFound { .. }) => break,
            Err(error) => {
                let message = format!("The folder of table \"{}\" can't be listed", place.name);
                return Err(store_error(&message, error));
            }
        }
    }
    if found.is_empty() {
        return refuse_file(place).await;
    }
    found.sort();
    Err(Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "{} is no Delta table and holds other files: {}",
            place.url,
            found.join(", ")
        ),
    )
    .hint("name another table, or move the files away"))
}

/// Refuses a place that is itself a file.
async fn refuse_file(place: &TablePlace) -> Result<()> {
    match place.store.head(&Path::default()).await {
        Ok(_) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{} is a file, not a table's folder", place.url),
        )
        .hint("name another table, or move the file away")),
        Err(_) => Ok(()),
    }
}

/// What a change does, as Spark would be told.
pub(super) fn statements(change: &Change) -> Vec<String> {
    match change {
        Change::None => Vec::new(),
        Change::Create(target) => {
            let columns: Vec<String> = target.columns.iter().map(column_sql).collect();
            let partitions: Vec<String> =
                target.partition_columns.iter().map(|c| quote(c)).collect();
            let partitioned = match partitions.is_empty() {
                true => String::new(),
                false => format!("\nPARTITIONED BY ({})", partitions.join(", ")),
            };
            let comment = comment_sql(target.comment.as_deref());
            vec![format!(
                "CREATE TABLE {}.{} (\n  {}\n) USING DELTA{partitioned}{comment}",
                quote(&target.name.schema),
                quote(&target.name.table),
                columns.join(",\n  ")
            )]
        }
        Change::AddColumns { name, columns } => {
            let columns: Vec<String> = columns.iter().map(column_sql).collect();
            vec![format!(
                "ALTER TABLE {}.{} ADD COLUMNS (\n  {}\n)",
                quote(&name.schema),
                quote(&name.table),
                columns.join(",\n  ")
            )]
        }
    }
}

fn column_sql(column: &TargetColumn) -> String {
    let native = match column.native.as_str() {
        "byte" => "TINYINT".to_owned(),
        "short" => "SMALLINT".to_owned(),
        "integer" => "INT".to_owned(),
        "long" => "BIGINT".to_owned(),
        other => other.to_uppercase(),
    };
    let not_null = if column.nullable { "" } else { " NOT NULL" };
    let comment = comment_sql(column.comment.as_deref()).replace('\n', " ");
    format!("{} {native}{not_null}{comment}", quote(&column.name))
}

fn comment_sql(comment: Option<&str>) -> String {
    comment.map_or_else(String::new, |comment| {
        format!(
            "\nCOMMENT '{}'",
            comment.replace('\\', "\\\\").replace('\'', "\\'")
        )
    })
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
