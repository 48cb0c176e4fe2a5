//! `goe tables`: lists what a connection holds.

use clap::Args;
use serde_json::json;

use super::pattern::is_named;
use super::stop::Done;
use super::{Context, figures};
use crate::config::redact;
use crate::error::Result;
use crate::frontend::TableEntry;
use crate::schema::TableName;
use crate::systems::Connections;

/// List the tables of a connection
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe tables shop\n  goe tables pg 'sales.*'\n\n\
                        Rows and bytes are the system's own estimates."
)]
pub(super) struct Tables {
    /// A connection, or a URL
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// Only those whose TABLE or SCHEMA.TABLE fits; * is any text, ? any character
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
}

impl Tables {
    pub(super) async fn run(self, context: &Context) -> Done {
        let connections = Connections::new(context.config()?);
        let entries = entries(&connections, &self.connection).await?;
        let fitting: Vec<&TableEntry> = entries.iter().filter(|entry| self.fits(entry)).collect();
        if fitting.is_empty() {
            context
                .screen
                .remark(format_args!("No table fits, of {}.", entries.len()));
        }
        if context.screen.is_json() {
            return fitting.iter().try_for_each(|entry| {
                context.screen.json(&json!({
                    "table": self.name(entry),
                    "kind": entry.kind.word(),
                    "rows": entry.rows,
                    "bytes": entry.bytes,
                }))
            });
        }
        let lines = fitting.iter().map(|entry| {
            let rows = entry.rows.map(figures::count).unwrap_or_default();
            let bytes = entry.bytes.map(figures::bytes).unwrap_or_default();
            [self.name(entry), entry.kind.word().to_owned(), rows, bytes]
        });
        context
            .screen
            .listing(["TABLE", "KIND", "ROWS", "SIZE"], lines)
    }

    /// The name that other commands take; a password in a URL is for the person to add.
    fn name(&self, entry: &TableEntry) -> String {
        TableName::new(redact(&self.connection), &entry.schema, &entry.table).to_string()
    }

    fn fits(&self, entry: &TableEntry) -> bool {
        let pattern = self.pattern.as_deref();
        pattern.is_none_or(|pattern| is_named(entry, pattern))
    }
}

/// What a connection holds, as a source if it can be one, else as a target.
pub(super) async fn entries(connections: &Connections, name: &str) -> Result<Vec<TableEntry>> {
    if connections.system(name)?.frontend.is_some() {
        connections.frontend(name)?.tables().await
    } else {
        connections.backend(name)?.tables().await
    }
}
