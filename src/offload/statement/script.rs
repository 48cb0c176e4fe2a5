//! Several statements in one text: a file of a project.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::{Statement, parse};
use crate::error::Result;
use crate::offload::OffloadSpec;

/// The offloads that a text defines; `None` for a text that begins with any other statement.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] with line and column, also for another statement among them.
pub fn definitions(text: &str) -> Result<Option<Vec<OffloadSpec>>> {
    let reader = match Reader::new(text) {
        Ok(reader) => reader,
        Err(error) if text.to_uppercase().contains("CREATE OFFLOAD") => return Err(error),
        Err(_) => return Ok(None),
    };
    let begins = ["OFFLOAD", "OR"]
        .iter()
        .any(|next| reader.comes(&["CREATE", next]));
    if !begins || reader.comes(&["CREATE", "OR"]) && !reader.is_at(3, "OFFLOAD") {
        return Ok(None);
    }
    let mut specs = Vec::new();
    let mut start = 0;
    while start < reader.len() {
        let end = (start..reader.len()).find(|&at| *reader.token(at) == Token::SemiColon);
        let end = end.unwrap_or(reader.len());
        if end > start {
            specs.push(definition(&reader, start, end)?);
        }
        start = end + 1;
    }
    Ok(Some(specs))
}

fn definition(reader: &Reader<'_>, start: usize, end: usize) -> Result<OffloadSpec> {
    match parse(&reader.alone(start..end))? {
        Some(Statement::CreateOffload { spec, .. }) => Ok(*spec),
        _ => Err(reader
            .wrong_words(
                start..start + 1,
                "begins another statement than CREATE OFFLOAD".to_owned(),
            )
            .hint("a project's files define offloads; goe sql -f runs any statements")),
    }
}
