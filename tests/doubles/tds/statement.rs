//! A batch cut into statements.

use datafusion::sql::sqlparser::ast::Statement as Parsed;
use datafusion::sql::sqlparser::dialect::MsSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::refusal::{Refusal, Result};

/// How transactions see what others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    #[default]
    ReadCommitted,
    Snapshot,
}

/// What SET sets; only what makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Isolation(Isolation),
    /// Milliseconds; -1 waits for ever.
    LockTimeout(i64),
    TextSize(usize),
    NoCount(bool),
    /// Something that is so already.
    AsItIs,
}

/// A statement of a batch.
#[derive(Debug)]
pub enum Statement {
    Set(Setting),
    Parsed(Box<Parsed>),
}

/// SET's options that are on or off and change nothing that is done here.
const SWITCHES: [&str; 9] = [
    "XACT_ABORT",
    "ANSI_NULLS",
    "ANSI_PADDING",
    "ANSI_WARNINGS",
    "ARITHABORT",
    "CONCAT_NULL_YIELDS_NULL",
    "QUOTED_IDENTIFIER",
    "NUMERIC_ROUNDABORT",
    "IMPLICIT_TRANSACTIONS",
];

/// What `SWITCHES` must be set to, for the double behaves like that.
const FIXED: [(&str, &str); 4] = [
    ("ANSI_NULLS", "OFF"),
    ("CONCAT_NULL_YIELDS_NULL", "OFF"),
    ("QUOTED_IDENTIFIER", "OFF"),
    ("IMPLICIT_TRANSACTIONS", "ON"),
];

/// The statements of a batch, which are ended by semicolons.
pub fn statements(batch: &str) -> Result<Vec<Statement>> {
    let tokens = Tokenizer::new(&MsSqlDialect {}, batch).tokenize();
    let tokens = tokens.map_err(|error| Refusal::new(102, error.to_string()))?;
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let parts = tokens.split(|token| *token == Token::SemiColon);
    parts
        .filter(|part| !part.is_empty())
        .map(statement)
        .collect()
}

fn statement(tokens: &[Token]) -> Result<Statement> {
    if word(&tokens[0]) == "SET" {
        let words: Vec<String> = tokens[1..].iter().map(word).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        return setting(&words).map(Statement::Set);
    }
    let tokens = tokens.iter().cloned().map(partition_word).collect();
    let mut parser = Parser::new(&MsSqlDialect {}).with_tokens(tokens);
    let syntax = |error| Refusal::new(102, format!("Incorrect syntax: {error}"));
    let parsed = parser.parse_statement().map_err(syntax)?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Refusal::new(
            102,
            format!("Incorrect syntax near '{}'.", rest.token),
        ));
    }
    Ok(Statement::Parsed(Box::new(parsed)))
}

fn word(token: &Token) -> String {
    token.to_string().to_uppercase()
}

/// `$PARTITION` is a placeholder to the tokenizer; as a word it is the schema of a function.
fn partition_word(token: Token) -> Token {
    match token {
        Token::Placeholder(text) if text.eq_ignore_ascii_case("$PARTITION") => Token::Word(Word {
            value: "$PARTITION".to_owned(),
            quote_style: Some('['),
            keyword: Keyword::NoKeyword,
        }),
        other => other,
    }
}

fn setting(words: &[&str]) -> Result<Setting> {
    let unknown = || Refusal::unknown(format!("SET {}", words.join(" ")));
    let set = match words {
        ["TRANSACTION", "ISOLATION", "LEVEL", "READ", "COMMITTED"] => {
            Setting::Isolation(Isolation::ReadCommitted)
        }
        ["TRANSACTION", "ISOLATION", "LEVEL", "SNAPSHOT"] => {
            Setting::Isolation(Isolation::Snapshot)
        }
        ["LOCK_TIMEOUT", rest @ ..] => {
            Setting::LockTimeout(rest.concat().parse().map_err(|_| unknown())?)
        }
        // 0 and -1 are as much as there can be.
        ["TEXTSIZE", "0"] | ["TEXTSIZE", "-", "1"] => Setting::TextSize(usize::MAX),
        ["TEXTSIZE", bytes] => Setting::TextSize(bytes.parse().map_err(|_| unknown())?),
        ["NOCOUNT", state @ ("ON" | "OFF")] => Setting::NoCount(*state == "ON"),
        ["ROWCOUNT", "0"]
        | ["LANGUAGE", "US_ENGLISH"]
        | ["DATEFORMAT", "YMD"]
        | ["DATEFIRST", "7"]
        | ["DEADLOCK_PRIORITY", "LOW" | "NORMAL" | "HIGH"] => Setting::AsItIs,
        [option, state @ ("ON" | "OFF")]
            if SWITCHES.contains(option) && !FIXED.contains(&(*option, *state)) =>
        {
            Setting::AsItIs
        }
        _ => return Err(unknown()),
    };
    Ok(set)
}
