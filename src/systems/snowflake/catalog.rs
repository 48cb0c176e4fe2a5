//! What stands in the database: tables, their columns, and the statements that make them.

use super::ledger;
use super::name::{here, quote, text, there};
use super::session::{Cells, Warehouse};
use super::statement::filled;
use super::types::Types;
use crate::backend::{Change, TargetColumn, TargetDefinition, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{RelationKind, TableEntry, TypeMap};
use crate::schema::{Column, TableName};

const TABLES: &str = include_str!("../../../sql/catalog/snowflake/tables.sql");
const COLUMNS: &str = include_str!("../../../sql/catalog/snowflake/columns.sql");
const RELATION: &str = include_str!("../../../sql/catalog/snowflake/relation.sql");
const SCHEMA: &str = include_str!("../../../sql/catalog/snowflake/schema.sql");

/// Every table and view, without what goe keeps for itself.
pub(super) async fn tables(warehouse: &Warehouse) -> Result<Vec<TableEntry>> {
    let connection = &warehouse.settings.connection;
    let doing = format!("The tables of connection \"{connection}\" can't be listed");
    let rows = warehouse.rows(&doing, &filled(TABLES, &[])).await?;
    let entry = |row: &Cells| -> Result<TableEntry> {
        Ok(TableEntry {
            schema: here(row.required(0)?),
            table: here(row.required(1)?),
            kind: match row.text(2) {
                Some("VIEW") => RelationKind::View,
                Some("MATERIALIZED VIEW") => RelationKind::MaterializedView,
                Some("EXTERNAL TABLE") => RelationKind::Foreign,
                _ => RelationKind::Table,
            },
            rows: row.text(3).and_then(|rows| rows.parse().ok()),
            bytes: row.text(4).and_then(|bytes| bytes.parse().ok()),
        })
    };
    let ours = |entry: &TableEntry| {
        entry.table == ledger::TABLE || entry.table.starts_with(super::load::PREFIX)
    };
    let entries: Result<Vec<TableEntry>> = rows.iter().map(entry).collect();
    Ok(entries?.into_iter().filter(|entry| !ours(entry)).collect())
}

/// The values that a catalog query asks for.
fn asked(schema: &str, table: &str) -> [(&'static str, String); 2] {
    [
        ("schema", text(&there(schema))),
        ("table", text(&there(table))),
    ]
}

/// What stands under a name: its type as the server calls it.
pub(super) async fn relation(
    warehouse: &Warehouse,
    schema: &str,
    table: &str,
) -> Result<Option<String>> {
    let doing = format!("Table {schema}.{table} can't be looked for");
    let sql = filled(RELATION, &asked(schema, table));
    let rows = warehouse.rows(&doing, &sql).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(row.required(0)?.to_owned()))
}

/// A table with its record; `None` if nothing stands under the name.
pub(super) async fn describe(
    warehouse: &Warehouse,
    schema: &str,
    table: &str,
) -> Result<Option<TargetTable>> {
    let name = TableName::new(&warehouse.settings.connection, schema, table);
    match relation(warehouse, schema, table).await?.as_deref() {
        None => return Ok(None),
        Some("BASE TABLE") => {}
        Some(other) => {
            let message = format!("\"{name}\" is a {} there", other.to_lowercase());
            return Err(
                Error::new(ErrorKind::AlreadyExists, message).hint("choose another name with --to")
            );
        }
    }
    let entry = ledger::read(warehouse, &name).await?;
    let names = entry.as_ref().map_or(&[][..], |entry| &entry.names);
    let columns = columns(warehouse, &name, names).await?;
    let doing = format!("Table \"{name}\" can't be counted");
    let sql = format!("SELECT COUNT(*) FROM {}", qualified(schema, table));
    let counted = warehouse.rows(&doing, &sql).await?;
    let rows = counted.first().map(|row| row.count(0)).transpose()?;
    let record = entry.map(|entry| entry.record);
    Ok(Some(TargetTable {
        version: match &record {
            Some(record) => format!("record {}", record.sequence),
            None => "no record".to_owned(),
        },
        name,
        columns,
        partition_columns: Vec::new(),
        record,
        rows,
    }))
}

/// The columns of a table, by the names that a record remembers, else in lower case.
async fn columns(
    warehouse: &Warehouse,
    name: &TableName,
    remembered: &[String],
) -> Result<Vec<Column>> {
    let doing = format!("The columns of table \"{name}\" can't be listed");
    let sql = filled(COLUMNS, &asked(&name.schema, &name.table));
    let rows = warehouse.rows(&doing, &sql).await?;
    let mut columns = Vec::new();
    let mut refused = Vec::new();
    for row in &rows {
        match column(row, remembered) {
            Ok(column) => columns.push(column),
            Err(error) => refused.push(format!("{}: {}", row.required(0)?, error.message())),
        }
    }
    if refused.is_empty() {
        return Ok(columns);
    }
    Err(Error::unsupported(format!(
        "Table \"{name}\" has columns that goe can't keep:\n  - {}",
        refused.join("\n  - ")
    ))
    .hint("choose another target, or a view's worth of plain columns"))
}

fn column(row: &Cells, remembered: &[String]) -> Result<Column> {
    let theirs = row.required(0)?;
    let name = remembered.iter().find(|ours| there(ours) == theirs);
    let name = name.cloned().unwrap_or_else(|| here(theirs));
    let native = native(row)?;
    let collation = row.text(8).filter(|text| !text.is_empty());
    if let Some(collation) = collation {
        return Err(Error::unsupported(format!(
            "collation {collation} compares other than by bytes"
        )));
    }
    let nullable = row.required(7)? != "NO";
    let mapping = Types.to_canonical(&native)?;
    let mut column = Column::new(name, native, nullable, mapping);
    column.comment = row
        .text(9)
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    Ok(column)
}

/// A column's type as it would be written.
fn native(row: &Cells) -> Result<String> {
    let kind = row.required(1)?;
    let with = |position: usize| match row.text(position) {
        Some(number) => format!("({number})"),
        None => String::new(),
    };
    Ok(match kind {
        "NUMBER" => format!("NUMBER({},{})", row.required(2)?, row.required(3)?),
        "TEXT" if row.text(4) == Some("16777216") => "VARCHAR".to_owned(),
        "TEXT" => format!("VARCHAR{}", with(4)),
        "BINARY" if row.text(5) == Some("8388608") => "BINARY".to_owned(),
        "BINARY" => format!("BINARY{}", with(5)),
        "TIME" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "TIMESTAMP_TZ" => {
            format!("{kind}{}", with(6))
        }
        other => other.to_owned(),
    })
}

/// A table as it is named in a statement.
pub(super) fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

/// Makes the schema of a table if it is not there.
pub(super) async fn require_schema(warehouse: &Warehouse, schema: &str) -> Result<()> {
    let doing = format!("Schema {schema} can't be made");
    let asked = [("schema", text(&there(schema)))];
    let found = warehouse.rows(&doing, &filled(SCHEMA, &asked)).await?;
    let there = found.first().map(|row| row.count(0)).transpose()?;
    if there.is_some_and(|count| count > 0) {
        return Ok(());
    }
    warehouse.run_all(&doing, &[create_schema(schema)]).await
}

fn create_schema(schema: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema))
}

/// What a change does. Each statement changes nothing the second time.
pub(super) fn statements(change: &Change) -> Vec<String> {
    match change {
        Change::None => Vec::new(),
        Change::Create(definition) => vec![
            create_schema(&definition.name.schema),
            create_table(definition),
        ],
        Change::AddColumns { name, columns } => {
            let table = qualified(&name.schema, &name.table);
            let added = columns.iter().map(|column| {
                let column = column_text(column);
                format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
            });
            added.collect()
        }
    }
}

pub(super) fn create_table(definition: &TargetDefinition) -> String {
    let columns = definition.columns.iter().map(column_text);
    let columns = columns.collect::<Vec<_>>().join(",\n    ");
    let name = &definition.name;
    let table = qualified(&name.schema, &name.table);
    let mut sql = format!("CREATE TABLE IF NOT EXISTS {table} (\n    {columns}\n)");
    if !definition.cluster_columns.is_empty() {
        let keys = definition.cluster_columns.iter().map(|name| quote(name));
        sql += &format!("\nCLUSTER BY ({})", keys.collect::<Vec<_>>().join(", "));
    }
    if let Some(comment) = &definition.comment {
        sql += &format!("\nCOMMENT = {}", text(comment));
    }
    sql
}

fn column_text(column: &TargetColumn) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    let comment = match &column.comment {
        Some(comment) => format!(" COMMENT {}", text(comment)),
        None => String::new(),
    };
    format!("{} {}{null}{comment}", quote(&column.name), column.native)
}
