//! From text to statement. Nothing here calls itself: a text as deep as it likes needs no stack.

use std::collections::BTreeMap;
use std::ops::Range;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::options::{assignments, read as read_options};
use super::reader::Reader;
use super::{Options, Shown, Statement, Subject};
use crate::error::Result;
use crate::offload::{OffloadSpec, Take};
use crate::schema::nearest;

/// How deep the engine's parser may go; the engine's own limit.
const DEPTH: usize = 50;

/// How many operators a query may chain: beyond it the engine would need more stack than there is.
const OPERATORS: usize = 1000;

/// Reads one of our statements; `None` where the engine has to read it.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] with line and column, and the words that are wrong.
pub fn parse(text: &str) -> Result<Option<Statement>> {
    let mut reader = match Reader::new(text) {
        Ok(reader) => reader,
        Err(error) if is_ours(&text.split_whitespace().take(5).collect::<Vec<_>>()) => {
            return Err(error);
        }
        Err(_) => return Ok(None),
    };
    let statement = statement(&mut reader)?;
    if statement.is_some() {
        reader.finish()?;
    }
    Ok(statement)
}

/// Refuses a text whose plan would need more stack than there is. A text that has no words as it
/// stands is left to the engine's parser.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] with the place of the operator that is one too many.
pub fn refuse_chains(text: &str) -> Result<()> {
    match Reader::new(text) {
        Ok(reader) => chains(&reader, 0..reader.len()),
        Err(_) => Ok(()),
    }
}

/// Whether a text that has no words as it stands was to be ours.
fn is_ours(words: &[&str]) -> bool {
    let ours = ["OFFLOAD", "OFFLOADS", "CONNECTION"];
    words
        .iter()
        .any(|word| ours.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

fn statement(reader: &mut Reader<'_>) -> Result<Option<Statement>> {
    if reader.take(&["CREATE"]) {
        return create(reader);
    }
    if reader.take(&["EXPLAIN"]) {
        return explain(reader);
    }
    if reader.take(&["SHOW"]) {
        return Ok(shown(reader).map(Statement::Show));
    }
    if reader.comes(&["INSERT", "INTO"]) {
        return insert(reader).map(|spec| spec.map(Statement::Insert));
    }
    // No other statement begins so; with the rest it must be ours.
    for verb in ["PREVIEW", "RUN", "VERIFY"] {
        if reader.take(&[verb]) {
            reader.expect(&["OFFLOAD"])?;
            return match verb {
                "PREVIEW" => preview(reader),
                "RUN" => run(reader),
                _ => verify(reader),
            }
            .map(Some);
        }
    }
    if reader.take(&["ALTER", "OFFLOAD"]) {
        let name = reader.offload()?;
        reader.expect(&["SET"])?;
        let options = read_options(reader)?;
        return Ok(Some(Statement::Alter { name, options }));
    }
    if reader.take(&["DESCRIBE", "OFFLOAD"]) || reader.take(&["DESC", "OFFLOAD"]) {
        let name = reader.offload()?;
        return Ok(Some(Statement::Describe { name }));
    }
    if reader.take(&["DROP", "OFFLOAD"]) {
        let if_exists = reader.take(&["IF", "EXISTS"]);
        let name = reader.offload()?;
        return Ok(Some(Statement::Drop { name, if_exists }));
    }
    Ok(None)
}

fn create(reader: &mut Reader<'_>) -> Result<Option<Statement>> {
    let replace = reader.take(&["OR", "REPLACE"]);
    if reader.take(&["CONNECTION"]) {
        return connection(reader, replace).map(Some);
    }
    if reader.take(&["OFFLOAD"]) {
        let name = reader.name("the offload's name")?;
        let spec = Box::new(definition(reader, Some(name))?);
        return Ok(Some(Statement::CreateOffload { replace, spec }));
    }
    // The engine would not know what was meant.
    match reader.token(reader.at()) {
        Token::Word(word) => match nearest(&word.value, ["OFFLOAD", "CONNECTION"]) {
            Some(near) => Err(reader.expected(near)),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn connection(reader: &mut Reader<'_>, replace: bool) -> Result<Statement> {
    reader.discreet = true;
    let name = reader.name("the connection's name")?;
    reader.expect(&["TO"])?;
    let url = reader.literal("the connection's URL in single quotes")?;
    let mut options = BTreeMap::new();
    if reader.take(&["WITH"]) {
        for (at, key, value) in assignments(reader)? {
            let text = match (value.len(), reader.token(value.start)) {
                (1, Token::SingleQuotedString(text) | Token::Number(text, _)) => text.clone(),
                (1, Token::Word(word)) => word.value.clone(),
                _ => return Err(reader.wrong_words(value, "is no single value".to_owned())),
            };
            if options.insert(key, text).is_some() {
                return Err(reader.wrong_words(at..at + 1, "is said twice".to_owned()));
            }
        }
    }
    Ok(Statement::CreateConnection {
        name,
        replace,
        url,
        options,
    })
}

/// `TO … AS SELECT …`, the clauses between in any order, each once.
fn definition(reader: &mut Reader<'_>, name: Option<String>) -> Result<OffloadSpec> {
    const CLAUSES: [&str; 5] = [
        "PARTITIONED BY",
        "CLUSTERED BY",
        "INCREMENTAL BY",
        "WITH",
        "AS",
    ];
    reader.expect(&["TO"])?;
    let mut spec = OffloadSpec {
        name,
        to: reader.table()?.to_string(),
        ..OffloadSpec::default()
    };
    let mut options = Options::default();
    let mut seen = Vec::new();
    while !reader.take(&["AS"]) {
        let at = reader.at();
        let clause = CLAUSES
            .iter()
            .find(|clause| reader.comes(&clause.split(' ').collect::<Vec<_>>()));
        let Some(clause) = clause else {
            return Err(match reader.token(at) {
                Token::Word(word) => {
                    reader.unknown(at, "clause of an offload", &word.value, &CLAUSES)
                }
                _ => reader.expected("AS SELECT, or a clause before it"),
            });
        };
        if seen.contains(clause) {
            return Err(reader.wrong_words(at..at + 1, "is said twice".to_owned()));
        }
        seen.push(clause);
        reader.take(&clause.split(' ').collect::<Vec<_>>());
        match *clause {
            "PARTITIONED BY" => spec.partition_by = list(reader)?,
            "CLUSTERED BY" => spec.cluster_by = columns(reader)?,
            "WITH" => options = read_options(reader)?,
            _ => (spec.incremental_by, spec.until) = incremental(reader)?,
        }
    }
    spec.query = Some(query(reader)?);
    options.apply(&spec)
}

fn list(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let inside = reader.parenthesised()?;
    let items = reader.items(inside)?.into_iter();
    Ok(items.map(|item| reader.written(item).to_owned()).collect())
}

/// Columns or patterns of them, each as it is written or as a text of it.
fn columns(reader: &mut Reader<'_>) -> Result<Vec<String>> {
    let inside = reader.parenthesised()?;
    let items = reader.items(inside)?.into_iter();
    Ok(items.map(|item| column(reader, item)).collect())
}

fn column(reader: &Reader<'_>, words: Range<usize>) -> String {
    match reader.token(words.start) {
        Token::SingleQuotedString(text) if words.len() == 1 => text.clone(),
        _ => reader.written(words).to_owned(),
    }
}

/// `(column) [UNTIL (expression)]`.
fn incremental(reader: &mut Reader<'_>) -> Result<(Option<String>, Option<String>)> {
    let column = reader.parenthesised()?;
    if column.len() > 1 {
        return Err(reader
            .wrong_words(column, "is no single column".to_owned())
            .hint("INCREMENTAL BY takes one column of the source"));
    }
    let column = self::column(reader, column);
    let mut until = None;
    if reader.take(&["UNTIL"]) {
        let inside = reader.parenthesised()?;
        until = Some(reader.written(inside).to_owned());
    }
    Ok((Some(column), until))
}

/// The rest of the statement, which must be one query.
fn query(reader: &mut Reader<'_>) -> Result<String> {
    let range = reader.at()..reader.end()?;
    if !["SELECT", "WITH", "VALUES"]
        .iter()
        .any(|word| reader.comes(&[word]))
        && *reader.token(range.start) != Token::LParen
    {
        return Err(reader.expected("SELECT"));
    }
    chains(reader, range.clone())?;
    let tokens = reader.tokens(range.clone());
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(DEPTH)
        .with_tokens_with_locations(tokens);
    let parsed = parser.parse_query().map(drop);
    let complaint = |error: &dyn std::fmt::Display| reader.elsewhere(&error.to_string());
    parsed.map_err(|error| complaint(&error))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let place = format!(
            "\"{}\" does not belong to the query at Line: {}, Column: {}",
            next.token, next.span.start.line, next.span.start.column
        );
        return Err(complaint(&place));
    }
    reader.go_to(range.end);
    Ok(reader.written(range).to_owned())
}

/// A chain of operators nests as deep as it is long.
fn chains(reader: &Reader<'_>, range: Range<usize>) -> Result<()> {
    let chained = |at: &usize| match reader.token(*at) {
        Token::Word(word) => {
            word.quote_style.is_none()
                && ["AND", "OR", "NOT", "UNION", "EXCEPT", "INTERSECT"]
                    .iter()
                    .any(|operator| word.value.eq_ignore_ascii_case(operator))
        }
        Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::DoubleColon => true,
        _ => false,
    };
    match range.filter(chained).nth(OPERATORS) {
        Some(at) => Err(reader
            .wrong_words(
                at..at + 1,
                format!("is one operator more than the {OPERATORS} that a query may have"),
            )
            .hint("write x IN (…) instead of many ORs, or join a table of the values")),
        None => Ok(()),
    }
}

/// `INSERT INTO connection.schema.table SELECT …`; `None` for a table of the engine's own.
fn insert(reader: &mut Reader<'_>) -> Result<Option<Box<OffloadSpec>>> {
    reader.take(&["INSERT", "INTO"]);
    let start = reader.at();
    let Ok(target) = reader.table() else {
        return Ok(None);
    };
    if target.connection.eq_ignore_ascii_case("datafusion") {
        return Ok(None);
    }
    if *reader.token(reader.at()) == Token::LParen && !reader.is_at(reader.at() + 1, "SELECT") {
        return Err(reader
            .wrong_words(start..reader.at(), "takes no list of columns".to_owned())
            .hint("name them in the SELECT: SELECT x AS column"));
    }
    let query = Some(query(reader)?);
    Ok(Some(Box::new(OffloadSpec {
        to: target.to_string(),
        query,
        ..OffloadSpec::default()
    })))
}

fn explain(reader: &mut Reader<'_>) -> Result<Option<Statement>> {
    let json = reader.take(&["FORMAT", "JSON"]);
    // A plan says everything as it is.
    let _ = reader.take(&["VERBOSE"]);
    let subject = if reader.take(&["OFFLOAD"]) {
        subject(reader)?
    } else if reader.comes(&["INSERT", "INTO"]) {
        match insert(reader)? {
            Some(spec) => Subject::Inline(spec),
            None => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    let (take, options) = match subject {
        Subject::Named(_) => (take(reader)?, with_options(reader)?),
        Subject::Inline(_) => (Take::New, Options::default()),
    };
    Ok(Some(Statement::Explain {
        subject,
        take,
        json,
        options,
    }))
}

/// An offload's name, or `[name] TO … AS SELECT …`.
fn subject(reader: &mut Reader<'_>) -> Result<Subject> {
    if reader.comes(&["TO"]) {
        return Ok(Subject::Inline(Box::new(definition(reader, None)?)));
    }
    let name = reader.offload()?;
    if reader.comes(&["TO"]) {
        return Ok(Subject::Inline(Box::new(definition(reader, Some(name))?)));
    }
    Ok(Subject::Named(name))
}

fn preview(reader: &mut Reader<'_>) -> Result<Statement> {
    let subject = subject(reader)?;
    let mut limit = None;
    if reader.take(&["LIMIT"]) {
        let number = match reader.token(reader.at()) {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        limit = Some(number.ok_or_else(|| reader.expected("a number of rows"))?);
        reader.go_to(reader.at() + 1);
    }
    Ok(Statement::Preview { subject, limit })
}

fn run(reader: &mut Reader<'_>) -> Result<Statement> {
    Ok(Statement::Run {
        name: reader.offload()?,
        take: take(reader)?,
        options: with_options(reader)?,
    })
}

fn verify(reader: &mut Reader<'_>) -> Result<Statement> {
    let name = reader.offload()?;
    let stored = reader.take(&["STORED"]);
    let rows = if !stored && reader.take(&["WHERE"]) {
        Some(predicate(reader)?)
    } else {
        None
    };
    Ok(Statement::Verify { name, rows, stored })
}

/// `[FULL | WHERE p | LATE WHERE p | REPLACE WHERE p]`.
fn take(reader: &mut Reader<'_>) -> Result<Take> {
    if reader.take(&["FULL"]) {
        return Ok(Take::Rest);
    }
    let rows = if reader.take(&["LATE"]) {
        reader.expect(&["WHERE"])?;
        Take::Late
    } else if reader.take(&["REPLACE"]) {
        reader.expect(&["WHERE"])?;
        Take::Replace
    } else if reader.take(&["WHERE"]) {
        Take::Where
    } else {
        return Ok(Take::New);
    };
    predicate(reader).map(rows)
}

/// A condition, up to `WITH (` or the end.
fn predicate(reader: &mut Reader<'_>) -> Result<String> {
    let range = reader.at()..reader.end()?;
    let with = reader
        .outside(range.clone())
        .find(|&at| reader.is_at(at, "WITH") && *reader.token(at + 1) == Token::LParen);
    let end = with.unwrap_or(range.end);
    if end == range.start {
        return Err(reader.expected("a condition"));
    }
    chains(reader, range.start..end)?;
    reader.go_to(end);
    Ok(reader.written(range.start..end).to_owned())
}

fn with_options(reader: &mut Reader<'_>) -> Result<Options> {
    if reader.take(&["WITH"]) {
        read_options(reader)
    } else {
        Ok(Options::default())
    }
}

fn shown(reader: &mut Reader<'_>) -> Option<Shown> {
    let list = [
        ("OFFLOADS", Shown::Offloads),
        ("CONNECTIONS", Shown::Connections),
        ("RUNS", Shown::Runs),
    ];
    let found = list.into_iter().find(|(word, _)| reader.comes(&[word]));
    found.map(|(word, shown)| {
        reader.take(&[word]);
        shown
    })
}
