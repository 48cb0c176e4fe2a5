//! What a database must do to remember runs. The statements are the same for all of them; each is
//! idempotent or conditional, so that it may be sent again where its answer was lost.

use std::fmt;

use arrow::datatypes::SchemaRef;

use crate::error::Result;

/// A database that holds our tables.
pub(super) trait Engine: fmt::Debug + Send + Sync {
    /// Runs statements, all or none of them, and gives how many rows they changed.
    fn execute(&self, statements: Vec<Statement>) -> Result<u64>;

    /// Runs one statement and gives its rows.
    fn rows(&self, statement: Statement) -> Result<Vec<Row>>;

    /// The columns of a query, as they are declared; no row is read.
    fn columns(&self, sql: &'static str) -> Result<SchemaRef>;
}

/// A statement of `sql/repository` with the values of `?1`, `?2`, ….
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(sql: &'static str, values: impl Into<Vec<Value>>) -> Self {
        Self {
            sql,
            values: values.into(),
        }
    }
}

/// A value with its type, also where it is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
}

/// Without NUL, at which some databases stop reading and which others refuse.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(clean(text)))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(clean))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<Option<u32>> for Value {
    fn from(number: Option<u32>) -> Self {
        Self::Number(number.map(i64::from))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    /// The text in a column; `None` for NULL.
    pub(super) fn optional_text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => text.as_deref(),
            _ => None,
        }
    }

    /// The number in a column; `None` for NULL.
    pub(super) fn optional_number(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Number(number)) => *number,
            _ => None,
        }
    }

    /// The text in a column that is never NULL.
    pub(super) fn text(&self, column: usize) -> String {
        self.optional_text(column).unwrap_or_default().to_owned()
    }

    /// The number in a column that is never NULL.
    pub(super) fn number(&self, column: usize) -> i64 {
        self.optional_number(column).unwrap_or_default()
    }

    /// A number that is never below zero.
    pub(super) fn unsigned(&self, column: usize) -> u64 {
        u64::try_from(self.number(column)).unwrap_or_default()
    }
}
