//! `goe describe`: the columns of a table on either side.

use clap::Args;
use serde_json::{Value, json};

use super::stop::Done;
use super::{Context, figures, request, tables};
use crate::error::{Error, Result};
use crate::frontend::{OpenOptions, SourceTable};
use crate::schema::{Column, TableName};
use crate::systems::Connections;

/// Show the columns of a table, with their canonical types
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe describe shop.main.orders\n  \
                        goe describe 'sqlite:shop.db#main.orders'")]
pub(super) struct Describe {
    /// CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "TABLE")]
    table: String,
}

/// What is shown of a source or a target.
struct Description {
    columns: Vec<Column>,
    facts: Vec<(&'static str, String)>,
}

impl Describe {
    pub(super) async fn run(self, context: &Context) -> Done {
        let config = context.config()?;
        let name = request::complete(&self.table, config.defaults().from.as_deref());
        let name = TableName::parse(&name)?;
        let connections = Connections::new(config);
        let description = if connections.system(&name.connection)?.frontend.is_some() {
            describe_source(&connections, &name).await?
        } else {
            describe_target(&connections, &name).await?
        };
        let screen = context.screen;
        if screen.is_json() {
            return screen.json(&description.as_json());
        }
        for (key, value) in &description.facts {
            screen.line(format_args!("{key}: {value}"))?;
        }
        screen.listing(
            [
                "COLUMN",
                "TYPE",
                "CANONICAL",
                "ARROW",
                "NULLS",
                "MAPPING",
                "WHY",
            ],
            description.columns.iter().map(cells),
        )
    }
}

async fn describe_source(connections: &Connections, name: &TableName) -> Result<Description> {
    let frontend = connections.frontend(&name.connection)?;
    let source = frontend
        .open(&name.schema, &name.table, &OpenOptions::default())
        .await?;
    let table = source.table();
    Ok(Description {
        columns: table.columns.clone(),
        facts: source_facts(table),
    })
}

fn source_facts(table: &SourceTable) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("table", table.name.to_string()),
        ("kind", table.kind.word().to_owned()),
    ];
    facts.extend(
        table
            .comment
            .iter()
            .map(|comment| ("comment", comment.clone())),
    );
    if !table.primary_key.is_empty() {
        facts.push(("primary key", table.primary_key.join(", ")));
    }
    facts.extend(table.rows.map(|rows| ("rows, about", figures::count(rows))));
    facts.extend(
        table
            .bytes
            .map(|bytes| ("size, about", figures::bytes(bytes))),
    );
    facts
}

async fn describe_target(connections: &Connections, name: &TableName) -> Result<Description> {
    let backend = connections.backend(&name.connection)?;
    let Some(target) = backend.describe(&name.schema, &name.table).await? else {
        return Err(missing(connections, name).await);
    };
    let mut facts = vec![
        ("table", target.name.to_string()),
        (
            "version",
            target.version.trim_start_matches("version ").to_owned(),
        ),
    ];
    if !target.partition_columns.is_empty() {
        facts.push(("partitioned by", target.partition_columns.join(", ")));
    }
    facts.extend(target.rows.map(|rows| ("rows", figures::count(rows))));
    let record = target.record.map_or_else(
        || "none: goe did not make this table".to_owned(),
        |record| format!("{} published", figures::counted(record.sequence, "chunk")),
    );
    facts.push(("record", record));
    Ok(Description {
        columns: target.columns,
        facts,
    })
}

async fn missing(connections: &Connections, name: &TableName) -> Error {
    let known = tables::entries(connections, &name.connection)
        .await
        .unwrap_or_default();
    let known = known.iter().map(|entry| entry.table.as_str());
    Error::not_found(format!("Table {name} does not exist"), &name.table, known)
}

fn cells(column: &Column) -> [String; 7] {
    [
        column.name.clone(),
        column.native.clone(),
        column.canonical.to_string(),
        column.canonical.to_arrow().to_string(),
        if column.nullable { "yes" } else { "no" }.to_owned(),
        column.fidelity.to_string(),
        column.reason.clone().unwrap_or_default(),
    ]
}

impl Description {
    fn as_json(&self) -> Value {
        let column = |column: &Column| {
            json!({
                "name": column.name,
                "type": column.native,
                "canonical": column.canonical.to_string(),
                "arrow": column.canonical.to_arrow().to_string(),
                "nullable": column.nullable,
                "fidelity": column.fidelity,
                "reason": column.reason,
                "comment": column.comment,
            })
        };
        let mut value = json!({ "columns": self.columns.iter().map(column).collect::<Vec<_>>() });
        for (key, fact) in &self.facts {
            let plain: String = key.split(',').next().unwrap_or_default().replace(' ', "_");
            value[plain] = json!(fact);
        }
        value
    }
}
