//! Reading the old predicate language, one character after the other.

use super::{DslColumn, DslOperator, DslPredicate, DslValue, is_plain, split_alias};
use crate::error::{Error, Result};
use crate::schema::{CanonicalType, parse_value, shorten};

/// How deep parentheses nest: what is made of them must nest in SQL, too.
const DEEPEST: usize = 20;

/// The most digits of a number.
const DIGITS: usize = 76;

const VALUES: [&str; 5] = ["numeric(", "string(", "datetime(", "time(", "boolean("];

/// Longer symbols first.
const OPERATORS: [(&str, DslOperator); 7] = [
    ("!=", DslOperator::NotEqual),
    ("<>", DslOperator::NotEqual),
    ("<=", DslOperator::LessOrEqual),
    (">=", DslOperator::GreaterOrEqual),
    ("=", DslOperator::Equal),
    ("<", DslOperator::Less),
    (">", DslOperator::Greater),
];

pub(super) fn parse(text: &str) -> Result<DslPredicate> {
    let mut parser = Parser { text, at: 0 };
    let predicate = parser.group(0)?;
    match parser.rest() {
        "" => Ok(predicate),
        _ => Err(parser.expected(&["AND", "OR", "the end"])),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The byte where the next token begins.
    at: usize,
}

impl<'a> Parser<'a> {
    /// What is left, blanks skipped.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// Takes a symbol if it comes next.
    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// The word that comes next, not taken.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    }

    /// Takes a keyword if it comes next, in any case.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// Takes `name(` if it comes next.
    fn function(&mut self, name: &str) -> bool {
        let before = self.at;
        if self.keyword(name) && self.symbol("(") {
            return true;
        }
        self.at = before;
        false
    }

    fn close(&mut self, also: &[&str]) -> Result<()> {
        match self.symbol(")") {
            true => Ok(()),
            false => Err(self.expected(&[&[")"], also].concat())),
        }
    }

    /// Line and column of the next token, both from 1.
    fn place(&mut self) -> String {
        self.rest();
        self.place_of(self.at)
    }

    fn place_of(&self, at: usize) -> String {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        format!("line {line}, column {column}")
    }

    /// Something else stands where one of these may.
    fn expected(&mut self, these: &[&str]) -> Error {
        let list = match these {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        };
        let place = self.place();
        let error = match self.rest() {
            "" => format!("The offload predicate ends at {place}, where {list} is expected"),
            rest => {
                let end = rest.find([' ', '\n', '\t', ')']).unwrap_or(rest.len());
                let next = rest.chars().next().map_or(0, char::len_utf8);
                let found = shorten(&rest[..end.max(next)]);
                format!("Unexpected {found} in the offload predicate at {place}: expected {list}")
            }
        };
        Error::usage(error).hint("the form is: (column(a) < numeric(5)) AND (column(b) IS NULL)")
    }

    /// Terms that one of AND and OR joins.
    fn group(&mut self, depth: usize) -> Result<DslPredicate> {
        let mut members = vec![self.term(depth)?];
        let mut joined_by = None;
        loop {
            let before = self.at;
            let and = self.keyword("AND");
            if !and && !self.keyword("OR") {
                break;
            }
            if joined_by.is_some_and(|joined_by| joined_by != and) {
                self.at = before;
                let place = self.place();
                return Err(Error::usage(format!(
                    "AND and OR mix in the offload predicate at {place}"
                ))
                .hint("put what belongs together in parentheses"));
            }
            joined_by = Some(and);
            members.push(self.term(depth)?);
        }
        Ok(match joined_by {
            Some(true) => DslPredicate::And(members),
            Some(false) => DslPredicate::Or(members),
            None => members.swap_remove(0),
        })
    }

    fn term(&mut self, depth: usize) -> Result<DslPredicate> {
        if self.symbol("(") {
            if depth == DEEPEST {
                let place = self.place();
                return Err(Error::usage(format!(
                    "Parentheses nest more than {DEEPEST} deep in the offload predicate at {place}"
                ))
                .hint("leave out those that change nothing"));
            }
            let inner = self.group(depth + 1)?;
            self.close(&["AND", "OR"])?;
            return Ok(inner);
        }
        if let Some(column) = self.column()? {
            return self.after_column(column);
        }
        let Some(value) = self.value()? else {
            return Err(self.expected(&[&["(", "column("], &VALUES[..]].concat()));
        };
        let operator = self.operator()?;
        match self.column()? {
            Some(column) => Ok(DslPredicate::Compare {
                column,
                operator,
                value,
                value_first: true,
            }),
            None => Err(self.expected(&["column("])),
        }
    }

    fn after_column(&mut self, column: DslColumn) -> Result<DslPredicate> {
        if self.keyword("IS") {
            let negated = self.keyword("NOT");
            return match self.keyword("NULL") {
                true => Ok(DslPredicate::IsNull { column, negated }),
                false if negated => Err(self.expected(&["NULL"])),
                false => Err(self.expected(&["NULL", "NOT NULL"])),
            };
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            let values = self.values()?;
            return Ok(DslPredicate::In {
                column,
                negated,
                values,
            });
        }
        if negated {
            return Err(self.expected(&["IN"]));
        }
        let operator = self.operator()?;
        match self.value()? {
            Some(value) => Ok(DslPredicate::Compare {
                column,
                operator,
                value,
                value_first: false,
            }),
            None if self.word().eq_ignore_ascii_case("column") => Err(self
                .expected(&VALUES)
                .hint("columns are compared with each other in SQL only: a < b")),
            None => Err(self.expected(&VALUES)),
        }
    }

    fn operator(&mut self) -> Result<DslOperator> {
        for (symbol, operator) in OPERATORS {
            if self.symbol(symbol) {
                return Ok(operator);
            }
        }
        Err(self.expected(&["=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "IS"]))
    }

    fn values(&mut self) -> Result<Vec<DslValue>> {
        if !self.symbol("(") {
            return Err(self.expected(&["("]));
        }
        let mut values = Vec::new();
        loop {
            match self.value()? {
                Some(value) => values.push(value),
                None => return Err(self.expected(&VALUES)),
            }
            if !self.symbol(",") {
                self.close(&[","])?;
                return Ok(values);
            }
        }
    }

    /// A column, if one comes next.
    fn column(&mut self) -> Result<Option<DslColumn>> {
        if !self.function("column") {
            return Ok(None);
        }
        let rest = self.rest();
        let ends = |c: char| !c.is_ascii_alphanumeric() && !".$#_".contains(c);
        let plain = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += plain.len();
        let column = if self.text[self.at..].starts_with('"') {
            let alias = plain.strip_suffix('.');
            let letters = |alias: &str| alias.chars().all(|c| c.is_ascii_alphabetic());
            if !(plain.is_empty() || alias.is_some_and(|alias| !alias.is_empty() && letters(alias)))
            {
                return Err(self.expected(&[")"]));
            }
            let alias = alias.map(str::to_owned);
            let name = self.text()?;
            DslColumn { alias, name }
        } else {
            let (alias, name) = match split_alias(plain) {
                Some((alias, name)) => (Some(alias.to_owned()), name),
                None => (None, plain),
            };
            let name = name.to_owned();
            DslColumn { alias, name }
        };
        if column.name.is_empty() || (!is_plain(&column.name) && plain == column.name) {
            return Err(self.expected(&["a column's name"]));
        }
        self.close(&[])?;
        Ok(Some(column))
    }

    /// A value, if one comes next.
    fn value(&mut self) -> Result<Option<DslValue>> {
        self.rest();
        let at = self.at;
        let placed = |parser: &Self, error: Error| error.context("at", parser.place_of(at));
        let value = if self.function("numeric") {
            DslValue::Numeric(self.number(at)?)
        } else if self.function("string") {
            let text = self.text()?;
            self.close(&[])?;
            DslValue::Text(text)
        } else if self.function("datetime") {
            DslValue::DateTime(self.moment(at)?)
        } else if self.function("time") {
            let text = self.argument()?;
            let checked = parse_value(&micros(&text), CanonicalType::Time { scale: 6 });
            checked.map_err(|error| placed(self, error))?;
            DslValue::Time(text)
        } else if self.function("boolean") {
            let text = self.argument()?;
            let checked = parse_value(&text, CanonicalType::Boolean);
            checked.map_err(|error| placed(self, error))?;
            DslValue::Boolean(text.eq_ignore_ascii_case("true"))
        } else if self.function("literal") {
            let place = self.place_of(at);
            return Err(Error::usage(format!(
                "literal(…) in the offload predicate at {place} would be pasted into SQL unseen"
            ))
            .hint("write a typed value, such as string(\"a\"), or the whole predicate in SQL"));
        } else {
            return Ok(None);
        };
        Ok(Some(value))
    }

    /// What stands before the next `)`, which is taken.
    fn argument(&mut self) -> Result<String> {
        let rest = self.rest();
        let Some(end) = rest.find(')') else {
            self.at = self.text.len();
            return Err(self.expected(&[")"]));
        };
        self.at += end + 1;
        Ok(rest[..end].trim_end().to_owned())
    }

    fn number(&mut self, at: usize) -> Result<String> {
        let text = self.argument()?;
        let place = || self.place_of(at);
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let digits = whole.trim_start_matches('0').len() + fraction.len();
        if !numeric(whole) || !numeric(fraction) || whole.len() + fraction.len() == 0 {
            return Err(Error::usage(format!(
                "\"{}\" in the offload predicate at {} is no number",
                shorten(&text),
                place()
            ))
            .hint("write digits, with a sign and a point as needed: numeric(-1.5)"));
        }
        if digits > DIGITS {
            return Err(Error::usage(format!(
                "The number in the offload predicate at {} has more than {DIGITS} digits",
                place()
            ))
            .hint("no column holds it"));
        }
        Ok(text)
    }

    /// A day with or without a time of day, checked against the calendar.
    fn moment(&mut self, at: usize) -> Result<String> {
        let text = self.argument()?;
        let (local, offset) = split_offset(&text);
        let fraction = local.split_once('.').map_or("0", |(_, fraction)| fraction);
        let digits =
            (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
        let whole = format!("{}{offset}", local.split('.').next().unwrap_or_default());
        let canonical = match offset {
            "" => CanonicalType::Timestamp { scale: 6 },
            _ => CanonicalType::TimestampTz { scale: 6 },
        };
        if digits && parse_value(&whole, canonical).is_ok() {
            return Ok(text);
        }
        Err(Error::usage(format!(
            "\"{}\" in the offload predicate at {} is no day and time of the calendar",
            shorten(&text),
            self.place_of(at)
        ))
        .hint("write datetime(2020-01-31) or datetime(2020-01-31 13:45:00.5)"))
    }

    /// Text in double quotes.
    fn text(&mut self) -> Result<String> {
        if !self.symbol("\"") {
            return Err(self.expected(&["\""]));
        }
        let mut text = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[self.at..].char_indices() {
            match (escaped, c) {
                (false, '\\') => escaped = true,
                (false, '"') => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                (false, c) => text.push(c),
                (true, '"' | '\\') => {
                    text.push(c);
                    escaped = false;
                }
                (true, c) => {
                    text.push('\\');
                    text.push(c);
                    escaped = false;
                }
            }
        }
        self.at = self.text.len();
        Err(self.expected(&["\""]))
    }
}

/// A time cut to microseconds, whose other digits are checked by nobody else.
fn micros(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction))
            if fraction.len() > 6 && fraction.len() <= 9 && fraction.is_ascii() =>
        {
            let numeric = fraction.bytes().all(|b| b.is_ascii_digit());
            format!(
                "{whole}.{}",
                if numeric { &fraction[..6] } else { fraction }
            )
        }
        _ => text.to_owned(),
    }
}

/// A moment's local part, and its offset if it has one.
pub(super) fn split_offset(text: &str) -> (&str, &str) {
    let from = match text.strip_suffix(['Z', 'z']) {
        Some(local) => Some(local.len()),
        // A sign within the date is no offset.
        None => text.rfind(['+', '-']).filter(|at| *at > "2020-01-31".len()),
    };
    let (local, offset) = text.split_at(from.unwrap_or(text.len()));
    (local.trim_end(), offset)
}
