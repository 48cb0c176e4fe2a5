//! Which filters a source takes over, and their SQL.
//!
//! Three states: *exact*, the source's answer is ours and the local filter goes; *superset*, the
//! source returns every row that ours would keep and the local filter stays; or not pushed. A
//! filter that may wrongly drop a row at the source is never pushed, because a local filter can't
//! bring it back. Under NOT only exact parts are pushed: the opposite of too many is too few.

use datafusion::common::Column as ColumnName;
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;

use super::{Comparison, Dialect, SourceTable};
use crate::schema::Column;

/// The longest IN list that is sent; a longer one stays local.
const LONGEST_LIST: usize = 1000;

/// A filter as the source will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Its SQL.
    pub sql: String,
    /// How far it agrees with ours.
    pub comparison: Comparison,
}

/// The SQL of a filter in the source's dialect, or `None` where it must stay local.
#[must_use]
pub fn translate(expr: &Expr, table: &SourceTable, dialect: &dyn Dialect) -> Option<Pushed> {
    Writer { table, dialect }.predicate(expr)
}

struct Writer<'a> {
    table: &'a SourceTable,
    dialect: &'a dyn Dialect,
}

impl Writer<'_> {
    fn predicate(&self, expr: &Expr) -> Option<Pushed> {
        match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => self.and(left, right),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Or,
                right,
            }) => {
                let (left, right) = (self.predicate(left)?, self.predicate(right)?);
                Some(Pushed {
                    sql: format!("({} OR {})", left.sql, right.sql),
                    comparison: weaker(left.comparison, right.comparison),
                })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.compare(left, *op, right),
            // The optimizer makes `flag = true` and `flag IN (true)` a bare `flag`.
            Expr::Column(_) => {
                let truth = ScalarValue::Boolean(Some(true));
                self.compare_value(self.column(expr)?, Operator::Eq, &truth)
            }
            Expr::Not(inner) => {
                let inner = self.exactly(inner)?;
                Some(exact(format!("(NOT {inner})")))
            }
            Expr::IsNull(inner) => Some(exact(format!("{} IS NULL", self.plain(inner)?))),
            Expr::IsNotNull(inner) => Some(exact(format!("{} IS NOT NULL", self.plain(inner)?))),
            Expr::IsTrue(inner) => Some(exact(self.dialect.is_true(&self.exactly(inner)?))),
            Expr::Between(between) => self.between(between),
            Expr::InList(list) => self.in_list(list),
            Expr::Like(like) => self.like(like),
            Expr::Literal(ScalarValue::Boolean(Some(value)), _) => {
                Some(exact(if *value { "1 = 1" } else { "1 = 0" }.to_owned()))
            }
            _ => None,
        }
    }

    /// Half of an AND may stay local: what is sent then returns more.
    fn and(&self, left: &Expr, right: &Expr) -> Option<Pushed> {
        match (self.predicate(left), self.predicate(right)) {
            (Some(left), Some(right)) => Some(Pushed {
                sql: format!("({} AND {})", left.sql, right.sql),
                comparison: weaker(left.comparison, right.comparison),
            }),
            (Some(one), None) | (None, Some(one)) => Some(Pushed {
                sql: one.sql,
                comparison: Comparison::Superset,
            }),
            (None, None) => None,
        }
    }

    fn exactly(&self, expr: &Expr) -> Option<String> {
        self.predicate(expr)
            .filter(|pushed| pushed.comparison == Comparison::Exact)
            .map(|pushed| pushed.sql)
    }

    fn compare(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Pushed> {
        if let (Some(column), Some(value)) = (self.column(left), literal(right)) {
            self.compare_value(column, op, value)
        } else if let (Some(value), Some(column)) = (literal(left), self.column(right)) {
            self.compare_value(column, op.swap()?, value)
        } else {
            None
        }
    }

    fn compare_value(&self, column: &Column, op: Operator, value: &ScalarValue) -> Option<Pushed> {
        let ordered = matches!(
            op,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        );
        let text = match op {
            Operator::Eq => "=",
            Operator::NotEq => "<>",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            _ => return None,
        };
        let (operand, comparison) = if ordered {
            self.dialect.order(column)?
        } else {
            self.dialect.equality(column)?
        };
        // Where equality returns too many rows, inequality returns too few.
        if op == Operator::NotEq && comparison != Comparison::Exact {
            return None;
        }
        let value = self.value(column, value)?;
        Some(Pushed {
            sql: format!("{operand} {text} {value}"),
            comparison,
        })
    }

    fn between(&self, between: &Between) -> Option<Pushed> {
        let column = self.column(&between.expr)?;
        let (operand, comparison) = self.dialect.order(column)?;
        let low = self.value(column, literal(&between.low)?)?;
        let high = self.value(column, literal(&between.high)?)?;
        let sql = format!("({operand} >= {low} AND {operand} <= {high})");
        self.maybe_not(between.negated, Pushed { sql, comparison })
    }

    fn in_list(&self, list: &InList) -> Option<Pushed> {
        let column = self.column(&list.expr)?;
        let (operand, comparison) = self.dialect.equality(column)?;
        if list.list.is_empty() || list.list.len() > LONGEST_LIST {
            return None;
        }
        let values: Option<Vec<String>> = list
            .list
            .iter()
            .map(|value| self.value(column, literal(value)?))
            .collect();
        let sql = format!("{operand} IN ({})", values?.join(", "));
        self.maybe_not(list.negated, Pushed { sql, comparison })
    }

    fn like(&self, like: &Like) -> Option<Pushed> {
        let column = self.column(&like.expr)?;
        let pattern = literal(&like.pattern)?.try_as_str()??;
        // Only the default escape, and no backslash at all: systems differ about a stray one.
        if like.case_insensitive || like.escape_char.is_some() || pattern.contains('\\') {
            return None;
        }
        let (operand, comparison) = self.dialect.like_operand(column)?;
        let sql = self.dialect.like(&operand, pattern)?;
        self.maybe_not(like.negated, Pushed { sql, comparison })
    }

    fn maybe_not(&self, negated: bool, pushed: Pushed) -> Option<Pushed> {
        match (negated, pushed.comparison) {
            (false, _) => Some(pushed),
            (true, Comparison::Exact) => Some(exact(format!("(NOT {})", pushed.sql))),
            (true, Comparison::Superset) => None,
        }
    }

    /// A column for IS NULL, which agrees everywhere.
    fn plain(&self, expr: &Expr) -> Option<String> {
        Some(self.dialect.quote(&self.column(expr)?.name))
    }

    fn column(&self, expr: &Expr) -> Option<&Column> {
        let Expr::Column(ColumnName { name, .. }) = expr else {
            return None;
        };
        self.table
            .columns
            .iter()
            .find(|column| column.name == *name)
    }

    /// A literal is sent only as a value of the column's own type.
    fn value(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        if value.is_null() || value.data_type() != column.canonical.to_arrow() {
            return None;
        }
        self.dialect.literal(column, value)
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn exact(sql: String) -> Pushed {
    Pushed {
        sql,
        comparison: Comparison::Exact,
    }
}

fn weaker(left: Comparison, right: Comparison) -> Comparison {
    if left == Comparison::Exact {
        right
    } else {
        left
    }
}
