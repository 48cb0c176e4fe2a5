//! How a system wants its SQL written: names, values, comparisons.

use std::fmt::Debug;

use datafusion::scalar::ScalarValue;

use super::AggregateFunction;
use crate::schema::Column;

/// How far a comparison at the source agrees with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Proved to agree for every value, by the differential test.
    Exact,
    /// The source returns every row that ours would keep, and perhaps more.
    Superset,
}

/// The SQL of one system. The only place where its names and values become text.
pub trait Dialect: Debug + Send + Sync {
    /// A quoted identifier, inner quotes doubled.
    ///
    /// # Behavior
    /// - Any name at all is one name.
    fn quote(&self, name: &str) -> String;

    /// What is selected to read a column.
    fn read_column(&self, column: &Column) -> String {
        self.quote(&column.name)
    }

    /// A typed literal of the column's canonical type; `None` when the system can't write it.
    /// The value is never NULL and is of the column's Arrow type.
    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String>;

    /// The operand that stands for the column in `=`, `<>` and IN, and how far they agree with
    /// ours; `None` when they must not be pushed.
    fn equality(&self, column: &Column) -> Option<(String, Comparison)>;

    /// The same for `<`, `<=`, `>`, `>=` and BETWEEN.
    fn order(&self, column: &Column) -> Option<(String, Comparison)>;

    /// The same for LIKE with `%` and `_` and the escape character backslash, written by
    /// [`Dialect::like`].
    fn like_operand(&self, column: &Column) -> Option<(String, Comparison)>;

    /// The SQL of a LIKE on an operand of [`Dialect::like_operand`].
    fn like(&self, operand: &str, pattern: &str) -> Option<String>;

    /// A predicate that is true where this one is, and false where it is false or NULL.
    fn is_true(&self, predicate: &str) -> String {
        format!("({predicate}) IS TRUE")
    }

    /// The SQL of an aggregate over a column (`None` for [`AggregateFunction::Rows`]), exact and
    /// readable as the type that [`super::request_schema`] names.
    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String;

    /// The statement with a limit of rows.
    fn limit(&self, sql: String, limit: Option<usize>) -> String {
        match limit {
            Some(limit) => format!("{sql} LIMIT {limit}"),
            None => sql,
        }
    }
}
