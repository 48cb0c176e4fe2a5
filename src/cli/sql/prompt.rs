//! The prompt, with history and completion.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context as LineContext, Editor, Helper};
use tokio::runtime::Handle;

use super::super::{Context, tables};
use super::{Done, execute_at_prompt, statements};
use crate::config::redact_text;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::session::Session;

/// How long a completion waits for a connection's tables.
const PATIENCE: Duration = Duration::from_secs(3);

const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "INNER JOIN",
    "FULL JOIN",
    "CROSS JOIN",
    "ON",
    "USING",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "IS",
    "IN",
    "LIKE",
    "BETWEEN",
    "EXISTS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AS",
    "DISTINCT",
    "UNION ALL",
    "EXCEPT",
    "INTERSECT",
    "WITH",
    "CAST",
    "DATE",
    "TIMESTAMP",
    "INTERVAL",
    "EXPLAIN",
    "DESCRIBE",
    "SHOW TABLES",
    "VALUES",
    "COUNT",
    "SUM",
    "MIN",
    "MAX",
    "AVG",
    "ASC",
    "DESC",
    "OVER",
    "PARTITION BY",
    "CREATE OFFLOAD",
    "CREATE CONNECTION",
    "EXPLAIN OFFLOAD",
    "PREVIEW OFFLOAD",
    "RUN OFFLOAD",
    "VERIFY OFFLOAD",
    "ALTER OFFLOAD",
    "DESCRIBE OFFLOAD",
    "DROP OFFLOAD",
    "SHOW OFFLOADS",
    "SHOW CONNECTIONS",
    "SHOW RUNS",
    "PARTITIONED BY",
    "CLUSTERED BY",
    "INCREMENTAL BY",
    "UNTIL",
    "INSERT INTO",
];

const HELP: &str = "End a statement with a semicolon. Tab completes keywords, connections and \
                    tables.\nCtrl-C stops a statement; quit, or Ctrl-D, leaves.";

/// Reads and runs statements until the person leaves.
pub(super) async fn run(session: &Session, context: &Context) -> Done {
    let mut editor = editor(session)?;
    let history = history_file();
    if let Some(file) = &history {
        // There is none yet the first time.
        let _ = editor.load_history(file);
    }
    context.screen.remark(HELP);
    let outcome = converse(&mut editor, session, context).await;
    if let Some(file) = &history {
        save_history(&mut editor, file, context);
    }
    outcome
}

type Prompt<'s> = Editor<Assistant<'s>, FileHistory>;

fn editor(session: &Session) -> Result<Prompt<'_>> {
    let mut editor = Editor::new().map_err(|error| failed(&error))?;
    editor.set_helper(Some(Assistant {
        session,
        tables: RefCell::default(),
    }));
    Ok(editor)
}

fn failed(error: &ReadlineError) -> Error {
    Error::internal(format!("The terminal can't be used: {error}"))
}

async fn converse(editor: &mut Prompt<'_>, session: &Session, context: &Context) -> Done {
    loop {
        let line = match tokio::task::block_in_place(|| editor.readline("goe> ")) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(&error).into()),
        };
        // The history is a file that others may read: what looks like a secret is not kept in it.
        if redact_text(&line) == line {
            // A line that can't be remembered is run all the same.
            let _ = editor.add_history_entry(line.trim());
        }
        match line.trim().trim_end_matches(';') {
            "quit" | "exit" | "\\q" => return Ok(()),
            "help" | "\\?" | "?" => context.screen.line(HELP)?,
            _ => {
                for statement in statements::split(&line) {
                    execute_at_prompt(session, context, &statement).await?;
                }
            }
        }
    }
}

fn save_history(editor: &mut Prompt<'_>, file: &Path, context: &Context) {
    let folder = file.parent().unwrap_or(Path::new("."));
    let saved = std::fs::create_dir_all(folder)
        .map_err(ReadlineError::Io)
        .and_then(|()| editor.save_history(file));
    if let Err(error) = saved {
        context
            .screen
            .remark(format_args!("The history can't be kept: {error}"));
    }
}

fn history_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(folder.join("goe").join("sql_history"))
}

/// Completes words, and asks for more until a statement ends.
struct Assistant<'s> {
    session: &'s Session,
    /// The full names of tables per connection, asked for once.
    tables: RefCell<HashMap<String, Vec<String>>>,
}

impl Assistant<'_> {
    fn candidates(&self, word: &str) -> Vec<String> {
        let lower = word.to_lowercase();
        let connections = self.session.connections().names();
        let known: Vec<String> = match connections.iter().find(|name| is_within(word, name)) {
            Some(connection) => self.tables_of(connection),
            None if word.is_empty() => return Vec::new(),
            None => {
                let connections = connections.iter().map(|name| format!("{name}."));
                connections
                    .chain(KEYWORDS.iter().map(|word| (*word).to_owned()))
                    .collect()
            }
        };
        known
            .into_iter()
            .filter(|name| name.to_lowercase().starts_with(&lower))
            .collect()
    }

    fn tables_of(&self, connection: &str) -> Vec<String> {
        if let Some(known) = self.tables.borrow().get(connection) {
            return known.clone();
        }
        let listing = tables::entries(self.session.connections(), connection);
        let listed = Handle::current().block_on(tokio::time::timeout(PATIENCE, listing));
        // A connection that does not answer completes nothing; a query will say why.
        let Ok(Ok(entries)) = listed else {
            return Vec::new();
        };
        let name =
            |schema: &str, table: &str| TableName::new(connection, schema, table).to_string();
        let names = entries
            .iter()
            .map(|entry| name(&entry.schema, &entry.table));
        let names: Vec<String> = names.collect();
        self.tables
            .borrow_mut()
            .insert(connection.to_owned(), names.clone());
        names
    }
}

/// Whether a word has got beyond a connection's name and its dot.
fn is_within(word: &str, connection: &str) -> bool {
    word.strip_prefix(connection)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Where the word that ends at a position begins.
fn word_start(line: &str, position: usize) -> usize {
    let before = &line[..position];
    let breaks = |c: char| c.is_whitespace() || "(),;=<>+*/'".contains(c);
    before.rfind(breaks).map_or(0, |index| index + 1)
}

impl Completer for Assistant<'_> {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &LineContext<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let start = word_start(line, position);
        Ok((start, self.candidates(&line[start..position])))
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input().trim();
        let word = matches!(text, "quit" | "exit" | "\\q" | "help" | "\\?" | "?");
        Ok(if word || statements::is_complete(text) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Highlighter for Assistant<'_> {}

impl Helper for Assistant<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_under_the_cursor_is_found() {
        let table = [
            ("SEL", 0),
            ("SELECT co", 7),
            ("SELECT count(a", 13),
            ("FROM lake.tp", 5),
        ];
        for (line, start) in table {
            assert_eq!(word_start(line, line.len()), start, "{line}");
        }
        assert!(is_within("lake.t", "lake") && !is_within("lak", "lake"));
        assert!(!is_within("lakes.t", "lake"));
    }
}
