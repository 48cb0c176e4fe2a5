//! Where results and remarks are written.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::stop::Done;
use crate::error::Error;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object a line
    Json,
    /// Comma-separated values (goe sql, goe preview)
    Csv,
    /// An Arrow file (goe preview --out)
    Arrow,
    /// A Parquet file (goe preview --out)
    Parquet,
}

/// Standard output for results, standard error for remarks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    pub(super) format: Format,
    pub(super) quiet: bool,
}

impl Screen {
    pub(super) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// Whether results are for programs.
    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Writes a result's line.
    pub(super) fn line(self, text: impl Display) -> Done {
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    /// Writes what became of a command that was asked to do something, not to show it.
    pub(super) fn report(self, text: impl Display) -> Done {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Writes a result as one line of JSON.
    pub(super) fn json(self, value: &impl Serialize) -> Done {
        let text = serde_json::to_string(value)
            .map_err(|error| Error::internal(format!("A result is no JSON: {error}")))?;
        self.line(text)
    }

    /// Writes a remark for people, which is no result.
    pub(super) fn remark(self, text: impl Display) {
        if !self.quiet && !self.is_json() {
            // A remark that can't be written is not missed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Writes lines of a listing below their headings.
    pub(super) fn listing<const N: usize>(
        self,
        headings: [&str; N],
        lines: impl IntoIterator<Item = [String; N]>,
    ) -> Done {
        let mut table = plain_table();
        table.set_header(headings);
        for line in lines {
            table.add_row(line.map(|cell| printable(&cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.line(table.trim_fmt())
    }
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// A text whose control characters can do nothing to a terminal, on one line.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.into()
        }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(printable("é 🦀"), "é 🦀");
    }
}
