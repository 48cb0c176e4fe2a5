//! The old predicate language: `(column(sold) < datetime(2020-01-01)) AND (column(k) IN
//! (string("a")))`.
//!
//! ```text
//! predicate := term | term {AND term} | term {OR term}         AND and OR never mix at one level
//! term      := column OP value | value OP column | column [NOT] IN (value {, value})
//!            | column IS [NOT] NULL | ( predicate )            OP: = != < <= > >=
//! column    := column([alias.]name)                            name: A-Z 0-9 . $ # _, or in quotes
//! value     := numeric(-1.5) | string("text") | datetime(2020-01-01 [13:45:00[.5][+02:00]])
//!            | time(13:45:00[.5]) | boolean(true)
//! ```
//!
//! In text `\"` is a quote and `\\` a backslash. A predicate prints itself back in this language,
//! and becomes SQL over a table's columns.

mod parser;
mod sql;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::error::Result;
use crate::schema::Column;

/// A predicate of the old language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DslPredicate {
    /// A column against a value.
    Compare {
        /// The column.
        column: DslColumn,
        /// As it stands between the two, in the order in which they are written.
        operator: DslOperator,
        /// The value.
        value: DslValue,
        /// Whether the value is written first.
        value_first: bool,
    },
    /// A column against a list of values; at least one.
    In {
        /// The column.
        column: DslColumn,
        /// NOT IN.
        negated: bool,
        /// The values.
        values: Vec<DslValue>,
    },
    /// IS NULL.
    IsNull {
        /// The column.
        column: DslColumn,
        /// IS NOT NULL.
        negated: bool,
    },
    /// All of them; at least two.
    And(Vec<DslPredicate>),
    /// One of them at least; at least two.
    Or(Vec<DslPredicate>),
}

/// A column by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DslColumn {
    /// Letters before a dot; there is only one table, so it means nothing.
    pub alias: Option<String>,
    /// The name as it is written; never empty.
    pub name: String,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DslOperator {
    /// `=`
    Equal,
    /// `!=`, also written `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value, as text of its kind that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DslValue {
    /// A number of at most 76 digits, with a sign or without; no exponent.
    Numeric(String),
    /// A day of the calendar, with a time of day or without, with an offset or without.
    DateTime(String),
    /// A time of day.
    Time(String),
    /// Any text.
    Text(String),
    /// True or false.
    Boolean(bool),
}

/// Whether a text is written in the old language: it has a `column(` outside of quotes, which SQL
/// has not.
#[must_use]
pub fn is_predicate_dsl(text: &str) -> bool {
    const WORD: &str = "column";
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {
                let word = text.get(at..at + WORD.len());
                let starts = !before.is_alphanumeric() && before != '_';
                if starts && word.is_some_and(|word| word.eq_ignore_ascii_case(WORD)) {
                    let rest = text[at + WORD.len()..].trim_start();
                    if rest.starts_with('(') {
                        return true;
                    }
                }
            }
        }
        before = c;
    }
    false
}

/// The SQL of a predicate that is written in SQL or in the old language.
///
/// # Errors
/// Those of [`DslPredicate::parse`] and [`DslPredicate::to_sql`]; SQL is not looked at.
pub fn predicate_sql(text: &str, columns: &[Column]) -> Result<String> {
    if is_predicate_dsl(text) {
        DslPredicate::parse(text)?.to_sql(columns)
    } else {
        Ok(text.to_owned())
    }
}

impl DslPredicate {
    /// Reads a predicate; parentheses nest at most 20 deep.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] with line and column, what stands there and what may.
    pub fn parse(text: &str) -> Result<Self> {
        parser::parse(text)
    }

    /// The same predicate in SQL over a table's columns, its values typed as they are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] for an unknown column, with near ones;
    /// [`crate::ErrorKind::Usage`] for a value of another kind than its column.
    pub fn to_sql(&self, columns: &[Column]) -> Result<String> {
        sql::write(self, columns)
    }
}

impl fmt::Display for DslOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

/// Whether a name may stand without quotes.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".$#_".contains(c);
    !name.is_empty() && name.chars().all(plain)
}

/// The letters before the first dot of a plain name, and the rest.
fn split_alias(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(alias, rest)| {
        let letters = alias.chars().all(|c| c.is_ascii_alphabetic());
        letters && !alias.is_empty() && !rest.is_empty()
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for DslColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            is_plain(&self.name) && (self.alias.is_some() || split_alias(&self.name).is_none());
        let alias = self.alias.as_ref().map(|alias| format!("{alias}."));
        let name = match plain {
            true => self.name.clone(),
            false => quoted(&self.name),
        };
        write!(f, "column({}{name})", alias.unwrap_or_default())
    }
}

impl fmt::Display for DslValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numeric(text) => write!(f, "numeric({text})"),
            Self::DateTime(text) => write!(f, "datetime({text})"),
            Self::Time(text) => write!(f, "time({text})"),
            Self::Text(text) => write!(f, "string({})", quoted(text)),
            Self::Boolean(value) => write!(f, "boolean({value})"),
        }
    }
}

impl fmt::Display for DslPredicate {
    /// The predicate in its own language, which reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |members: &[Self], word: &str| {
            let members: Vec<String> = members.iter().map(|one| format!("({one})")).collect();
            members.join(word)
        };
        match self {
            Self::Compare {
                column,
                operator,
                value,
                value_first: false,
            } => write!(f, "{column} {operator} {value}"),
            Self::Compare {
                column,
                operator,
                value,
                ..
            } => write!(f, "{value} {operator} {column}"),
            Self::In {
                column,
                negated,
                values,
            } => {
                let list: Vec<String> = values.iter().map(ToString::to_string).collect();
                let not = if *negated { "NOT " } else { "" };
                write!(f, "{column} {not}IN ({})", list.join(", "))
            }
            Self::IsNull { column, negated } => {
                let not = if *negated { "NOT " } else { "" };
                write!(f, "{column} IS {not}NULL")
            }
            Self::And(members) => f.write_str(&group(members, " AND ")),
            Self::Or(members) => f.write_str(&group(members, " OR ")),
        }
    }
}
