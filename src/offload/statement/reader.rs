//! The words of a statement, each with its place in the text, and complaints that point at them.

use std::ops::Range;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::config::redact_text;
use crate::error::{Error, Result};
use crate::schema::{TableName, nearest};

/// How much of a line is shown around its mark, in characters.
const SHOWN: usize = 72;

/// One word, number, text or sign of a statement.
pub(super) struct Lexeme {
    pub(super) token: TokenWithSpan,
    /// Its bytes in the text.
    pub(super) place: Range<usize>,
}

/// Reads a statement from its first word to its last.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// Without white space and comments.
    lexemes: Vec<Lexeme>,
    at: usize,
    /// Whether the text may hold a password: no complaint quotes it then.
    pub(super) discreet: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self> {
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
        let mut places = Places::new(text);
        let mut reader = Self {
            text,
            lexemes: Vec::new(),
            at: 0,
            discreet: false,
        };
        let tokens = tokens.map_err(|error| {
            let start = places.byte(error.location);
            reader.wrong(start..text.len(), lower(&error.message))
        })?;
        for token in tokens {
            let place = places.byte(token.span.start)..places.byte(token.span.end);
            if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
                reader.lexemes.push(Lexeme { token, place });
            }
        }
        Ok(reader)
    }

    /// Where the reader is, as an index of its words.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many words there are.
    pub(super) fn len(&self) -> usize {
        self.lexemes.len()
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn token(&self, at: usize) -> &Token {
        self.lexemes
            .get(at)
            .map_or(&Token::EOF, |lexeme| &lexeme.token.token)
    }

    /// The words of a range, for the engine's parser: their places stay those of the whole text.
    pub(super) fn tokens(&self, range: Range<usize>) -> Vec<TokenWithSpan> {
        let lexemes = self.lexemes.get(range).unwrap_or_default();
        lexemes.iter().map(|lexeme| lexeme.token.clone()).collect()
    }

    /// Whether a word without quotes stands there.
    pub(super) fn is_at(&self, at: usize, word: &str) -> bool {
        matches!(self.token(at), Token::Word(found)
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    /// Whether these words come next.
    pub(super) fn comes(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.is_at(self.at + ahead, word))
    }

    /// Takes these words if they come next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let comes = self.comes(words);
        if comes {
            self.at += words.len();
        }
        comes
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        if self.take(words) {
            Ok(())
        } else {
            Err(self.expected(&words.join(" ")))
        }
    }

    pub(super) fn sign(&mut self, sign: &Token, shown: &str) -> Result<()> {
        if self.token(self.at) == sign {
            self.at += 1;
            return Ok(());
        }
        Err(self.expected(shown))
    }

    /// A name, with quotes or without.
    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        match self.token(self.at) {
            Token::Word(word) => {
                let name = word.value.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A text in single quotes.
    pub(super) fn literal(&mut self, what: &str) -> Result<String> {
        match self.token(self.at) {
            Token::SingleQuotedString(text) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// `connection.schema.table`, the parts with quotes or without.
    pub(super) fn table(&mut self) -> Result<TableName> {
        let start = self.at;
        let parts = self.parts("a table's name, CONNECTION.SCHEMA.TABLE")?;
        match <[String; 3]>::try_from(parts) {
            Ok([connection, schema, table]) => Ok(TableName::new(connection, schema, table)),
            Err(parts) => Err(self
                .wrong_words(
                    start..self.at,
                    format!("has {} of the three parts of a table's name", parts.len()),
                )
                .hint(
                    "write CONNECTION.SCHEMA.TABLE; a part with other signs stands in \"quotes\"",
                )),
        }
    }

    /// The name of an offload: one word, or its target's name.
    pub(super) fn offload(&mut self) -> Result<String> {
        let start = self.at;
        let parts = self.parts("an offload's name")?;
        match <[String; 3]>::try_from(parts) {
            Ok([connection, schema, table]) => {
                Ok(TableName::new(connection, schema, table).to_string())
            }
            Err(parts) => match <[String; 1]>::try_from(parts) {
                Ok([name]) => Ok(name),
                Err(_) => Err(self
                    .wrong_words(start..self.at, "is no offload's name".to_owned())
                    .hint("write its name, or the three parts of its target's name")),
            },
        }
    }

    fn parts(&mut self, what: &str) -> Result<Vec<String>> {
        let mut parts = vec![self.name(what)?];
        while *self.token(self.at) == Token::Period {
            self.at += 1;
            parts.push(self.name("the next part of the name")?);
        }
        Ok(parts)
    }

    /// Takes what stands in parentheses, and gives the words between them: at least one.
    pub(super) fn parenthesised(&mut self) -> Result<Range<usize>> {
        let open = self.at;
        self.sign(&Token::LParen, "(")?;
        let Some(close) = self.closing(open) else {
            return Err(self.wrong_words(open..open + 1, "is never closed".to_owned()));
        };
        if close == open + 1 {
            return Err(self.wrong_words(open..close + 1, "holds nothing".to_owned()));
        }
        self.at = close + 1;
        Ok(open + 1..close)
    }

    /// The parenthesis that closes one.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        (open..self.len()).find(|&at| {
            match self.token(at) {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            depth == 0
        })
    }

    /// The parts of a range between its own commas.
    pub(super) fn items(&self, range: Range<usize>) -> Result<Vec<Range<usize>>> {
        let mut items = Vec::new();
        let mut start = range.start;
        for at in self.outside(range.clone()) {
            if *self.token(at) == Token::Comma {
                items.push(start..at);
                start = at + 1;
            }
        }
        items.push(start..range.end);
        match items.iter().find(|item| item.is_empty()) {
            Some(empty) => Err(self.wrong_words(
                empty.start..empty.start + 1,
                "stands where a part of a list is wanted".to_owned(),
            )),
            None => Ok(items),
        }
    }

    /// The words of a range that stand outside its parentheses and brackets.
    pub(super) fn outside(&self, range: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let mut depth = 0_i64;
        range.filter(move |&at| {
            let closes = matches!(
                self.token(at),
                Token::RParen | Token::RBracket | Token::RBrace
            );
            let opens = matches!(
                self.token(at),
                Token::LParen | Token::LBracket | Token::LBrace
            );
            depth -= i64::from(closes);
            let outside = depth <= 0 && !opens && !closes;
            depth += i64::from(opens);
            outside
        })
    }

    /// A range as it was written, comments at its ends left out.
    pub(super) fn written(&self, range: Range<usize>) -> &'t str {
        self.text.get(self.bytes(range)).unwrap_or_default()
    }

    /// A range as a text of its own, its words where they stand in the whole text.
    pub(super) fn alone(&self, range: Range<usize>) -> String {
        let bytes = self.bytes(range);
        let before = self.text.get(..bytes.start).unwrap_or_default();
        let blank = |c| if c == '\n' { '\n' } else { ' ' };
        let mut text: String = before.chars().map(blank).collect();
        text.push_str(self.text.get(bytes).unwrap_or_default());
        text
    }

    /// The bytes of a range; behind the last word the end of the text.
    fn bytes(&self, range: Range<usize>) -> Range<usize> {
        let start = self
            .lexemes
            .get(range.start)
            .map_or(self.text.trim_end().len(), |lexeme| lexeme.place.start);
        let last = range.end.min(self.len()).checked_sub(1);
        let end = last.map_or(start, |last| self.lexemes[last].place.end);
        start..end.max(start)
    }

    /// Where the statement ends; more than one is an error.
    pub(super) fn end(&self) -> Result<usize> {
        let semicolon = (0..self.len()).find(|&at| *self.token(at) == Token::SemiColon);
        let end = semicolon.unwrap_or(self.len());
        match (end..self.len()).find(|&at| *self.token(at) != Token::SemiColon) {
            Some(next) => Err(self
                .wrong_words(next..next + 1, "begins a second statement".to_owned())
                .hint("give one statement; goe sql takes several, each ended by ;")),
            None => Ok(end),
        }
    }

    /// Refuses whatever is left.
    pub(super) fn finish(&self) -> Result<()> {
        if self.at >= self.end()? {
            Ok(())
        } else {
            Err(self.expected("the end of the statement"))
        }
    }

    /// What stands here is not what is wanted.
    pub(super) fn expected(&self, what: &str) -> Error {
        if self.at >= self.len() {
            let end = self.text.trim_end().len();
            return self.wrong(
                end..end,
                format!("the statement ends where {what} is wanted"),
            );
        }
        self.wrong_words(
            self.at..self.at + 1,
            format!("stands where {what} is wanted"),
        )
    }

    /// A complaint that begins with the words that it is about.
    pub(super) fn wrong_words(&self, range: Range<usize>, what: String) -> Error {
        let bytes = self.bytes(range);
        let words = self.text.get(bytes.clone()).unwrap_or_default();
        let words: String = words.chars().take(40).map(printable).collect();
        if self.hides() || words.is_empty() {
            self.wrong(bytes, format!("what is written here {what}"))
        } else {
            self.wrong(bytes, format!("\"{words}\" {what}"))
        }
    }

    /// Whether complaints quote nothing: what looks like a secret may stand anywhere in the text,
    /// and a quotation is cut, after which nobody sees any more what it was.
    fn hides(&self) -> bool {
        self.discreet || redact_text(self.text) != self.text
    }

    /// A complaint about bytes of the text.
    pub(super) fn wrong(&self, bytes: Range<usize>, what: String) -> Error {
        let before = self.text.get(..bytes.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[start..].chars().count();
        let mut message = format!("Line {line}, column {}: {what}", column + 1);
        if !self.hides() {
            let rest = &self.text[start..];
            let whole = rest.split('\n').next().unwrap_or_default();
            let marked = self.text.get(bytes).unwrap_or_default();
            let width = marked.split('\n').next().unwrap_or_default();
            message.push_str(&mark(line, whole, column, width.chars().count()));
        }
        Error::usage(message).hint("goe help statements shows how each is written")
    }

    /// An unknown word among known ones.
    pub(super) fn unknown(&self, at: usize, what: &str, word: &str, known: &[&str]) -> Error {
        let error = self.wrong_words(at..at + 1, format!("is no {what}"));
        error.hint(match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are: {}", known.join(", ")),
        })
    }

    /// The place that the engine's parser names (`… at Line: 1, Column: 7`), as ours.
    pub(super) fn elsewhere(&self, message: &str) -> Error {
        let number = |text: &str, name: &str| -> Option<u64> {
            let digits = text.rsplit_once(name)?.1;
            let end = digits.find(|c: char| !c.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse().ok()
        };
        let place = number(message, "Line: ").zip(number(message, "Column: "));
        let said = message.split(" at Line: ").next().unwrap_or(message);
        let said = said.trim_start_matches("sql parser error: ");
        let start = place.map_or(self.text.trim_end().len(), |(line, column)| {
            Places::new(self.text).byte(Location { line, column })
        });
        let end = self
            .lexemes
            .iter()
            .find(|lexeme| lexeme.place.start == start)
            .map_or(start, |lexeme| lexeme.place.end);
        self.wrong(start..end, lower(said))
    }
}

/// From lines and columns, which come in order, to bytes.
struct Places<'t> {
    text: &'t str,
    line: u64,
    column: u64,
    byte: usize,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            line: 1,
            column: 1,
            byte: 0,
        }
    }

    fn byte(&mut self, location: Location) -> usize {
        let wanted = (location.line, location.column);
        if wanted < (self.line, self.column) {
            *self = Self::new(self.text);
        }
        for c in self.text[self.byte..].chars() {
            if (self.line, self.column) >= wanted {
                break;
            }
            self.byte += c.len_utf8();
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

/// The line of a complaint with a mark under the words, cut where it is long.
fn mark(number: usize, line: &str, column: usize, width: usize) -> String {
    let from = column.saturating_sub(SHOWN / 2);
    let shown: String = line.chars().skip(from).take(SHOWN).map(printable).collect();
    let (before, after) = (
        if from > 0 { "…" } else { "" },
        if line.chars().nth(from + SHOWN).is_some() {
            "…"
        } else {
            ""
        },
    );
    let margin = number.to_string().len();
    let gap = " ".repeat(column - from + before.chars().count());
    let carets = "^".repeat(width.clamp(1, SHOWN - (column - from).min(SHOWN - 1)));
    format!(
        "\n  {number} | {before}{shown}{after}\n  {:margin$} | {gap}{carets}",
        ""
    )
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_points_at_its_words() {
        let text = "RUN OFFLOAD\n  é\tsales NOW";
        let reader = Reader::new(text).unwrap();
        let error = reader.wrong_words(4..5, "is too soon".to_owned());
        assert_eq!(
            error.message(),
            "Line 2, column 11: \"NOW\" is too soon\n  2 |   é sales NOW\n    |           ^^^"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}x y{}", "a ".repeat(500), " b".repeat(500));
        let reader = Reader::new(&text).unwrap();
        let error = reader.wrong_words(500..501, "is odd".to_owned());
        let longest = error
            .message()
            .lines()
            .map(|line| line.chars().count())
            .max();
        assert!(longest.unwrap() < 90, "{error}");
        let lines: Vec<&str> = error.message().lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(caret), Some('x'), "{error}");
    }

    #[test]
    fn what_may_hold_a_password_is_not_quoted() {
        let mut reader = Reader::new("CREATE CONNECTION pg TO s3cr3t").unwrap();
        reader.discreet = true;
        let error = reader.wrong_words(4..5, "is no text".to_owned());
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }
}
