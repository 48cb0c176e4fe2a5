//! From an offload back to its statement. What a statement said is said again by it.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::options::{CLAUSES, fields};
use crate::error::{Error, Result};
use crate::offload::OffloadSpec;
use crate::schema::TableName;

/// Words that would be read as something else where a name is wanted.
const TAKEN: [&str; 4] = ["to", "if", "offload", "stored"];

impl OffloadSpec {
    /// The `CREATE OFFLOAD` that means this offload, without a semicolon.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for an offload with names that are none.
    pub fn statement(&self) -> Result<String> {
        let target = TableName::parse(&self.to)?;
        let name = self.name.clone().unwrap_or_else(|| target.to_string());
        let mut text = format!("CREATE OFFLOAD {}\n  TO {}", quote(&name), Dotted(&target));
        self.write_clauses(&mut text)
            .map_err(|error| Error::internal(error.to_string()))?;
        let options = self.options()?;
        if !options.is_empty() {
            text.push_str(&format!("\n  WITH ({})", options.join(", ")));
        }
        text.push_str("\nAS ");
        text.push_str(&self.select_text()?);
        Ok(text)
    }

    fn write_clauses(&self, text: &mut String) -> fmt::Result {
        if !self.partition_by.is_empty() {
            write!(
                text,
                "\n  PARTITIONED BY ({})",
                self.partition_by.join(", ")
            )?;
        }
        if !self.cluster_by.is_empty() {
            let columns: Vec<String> = self.cluster_by.iter().map(|name| column(name)).collect();
            write!(text, "\n  CLUSTERED BY ({})", columns.join(", "))?;
        }
        if let Some(by) = &self.incremental_by {
            write!(text, "\n  INCREMENTAL BY ({})", column(by))?;
        }
        match &self.until {
            // A line break ends a comment that the expression may end with.
            Some(until) if until.contains("--") => write!(text, " UNTIL ({until}\n)"),
            Some(until) => write!(text, " UNTIL ({until})"),
            None => Ok(()),
        }
    }

    /// `name = value` of every field that no clause says.
    fn options(&self) -> Result<Vec<String>> {
        let fields = fields(self)?;
        let options = fields
            .iter()
            .filter(|(name, _)| !CLAUSES.contains(&name.as_str()));
        Ok(options
            .map(|(name, value)| format!("{name} = {}", Shown(value)))
            .collect())
    }

    /// The query as written, or the one that a table, a list and a condition mean.
    fn select_text(&self) -> Result<String> {
        if let Some(query) = &self.query {
            return Ok(query.clone());
        }
        let from = TableName::parse(self.from.as_deref().unwrap_or_default())?;
        let list = self.select.as_deref().unwrap_or("*");
        let filter = self
            .filter
            .as_ref()
            .map(|filter| format!("\nWHERE {filter}"));
        Ok([
            "SELECT ",
            list,
            "\nFROM ",
            &Dotted(&from).to_string(),
            &filter.unwrap_or_default(),
        ]
        .concat())
    }
}

/// A table's name as SQL has it.
struct Dotted<'a>(&'a TableName);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TableName {
            connection,
            schema,
            table,
        } = self.0;
        // A connection without quotes is in lower case in a query.
        let connection = if *connection == connection.to_lowercase() {
            quote(connection)
        } else {
            quoted(connection)
        };
        write!(f, "{connection}.{}.{}", quote(schema), quote(table))
    }
}

/// A value as an option has it.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(value) => f.write_str(&text(value)),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| Shown(item).to_string()).collect();
                write!(f, "({})", items.join(", "))
            }
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{} = {}", quote(name), Shown(value)))
                    .collect();
                write!(f, "({})", fields.join(", "))
            }
            other => write!(f, "{other}"),
        }
    }
}

/// A name, in quotes where it needs them.
pub(super) fn quote(name: &str) -> String {
    if is_plain(name) && !TAKEN.contains(&name.to_lowercase().as_str()) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |(i, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || byte == b'_' || (i > 0 && byte.is_ascii_digit())
    };
    !name.is_empty() && name.bytes().enumerate().all(plain)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column or a pattern of columns as it was written: bare, or as a text where it is no plain
/// name. In quotes it would be a column of exactly that name.
fn column(written: &str) -> String {
    if is_plain(written) {
        written.to_owned()
    } else {
        text(written)
    }
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
