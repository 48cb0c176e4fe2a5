//! Lists that share no value, kept from the engine's simplifier.
//!
//! DataFusion 55.2 folds `x NOT IN (1) OR x NOT IN (2)` to true and `x IN (1) AND x IN (2)` to false
//! (`expr_simplifier.rs`, `inlist_intersection` and `inlist_except`). For a NULL both are unknown: a
//! WHERE would keep a row too many, with the second form below a NOT. This rule writes what they
//! mean before the simplifier sees them.

use std::collections::HashSet;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// Longer lists are not put together: each operator of a chain looks at what stands below it.
const LONGEST: usize = 1_000;

/// The rule. Comes after the coercion of types, so that equal values are equal literals.
#[derive(Debug)]
pub(super) struct DisjointLists;

impl AnalyzerRule for DisjointLists {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expression| {
                let name = names.save(&expression);
                let written = expression.transform_up(|node| Ok(unfold(node)))?;
                Ok(written.update_data(|written| name.restore(written)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "disjoint_lists"
    }
}

/// An operator over two lists without a common value, as what it means.
fn unfold(node: Expr) -> Transformed<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &node else {
        return Transformed::no(node);
    };
    if !matches!(op, Operator::And | Operator::Or) {
        return Transformed::no(node);
    }
    let (Some(left), Some(right)) = (Listed::of(left), Listed::of(right)) else {
        return Transformed::no(node);
    };
    if left.of != right.of {
        return Transformed::no(node);
    }
    let unknown = lit(ScalarValue::Boolean(None));
    let nothing_common = match (op, left.negated, right.negated) {
        (Operator::Or, true, true) | (Operator::And, false, false) => {
            left.values.is_disjoint(&right.values)
        }
        (Operator::And, false, true) => left.values.is_subset(&right.values),
        (Operator::And, true, false) => right.values.is_subset(&left.values),
        _ => false,
    };
    match (nothing_common, op) {
        (false, _) => Transformed::no(node),
        (true, Operator::Or) => Transformed::yes(left.of.clone().is_not_null().or(unknown)),
        (true, _) => Transformed::yes(left.of.clone().is_null().and(unknown)),
    }
}

/// `of [NOT] IN values`, in whatever words.
struct Listed<'e> {
    of: &'e Expr,
    values: HashSet<&'e ScalarValue>,
    negated: bool,
}

impl<'e> Listed<'e> {
    fn of(node: &'e Expr) -> Option<Self> {
        match node {
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) if list.len() <= LONGEST => Some(Self {
                of: expr,
                values: list.iter().map(value).collect::<Option<_>>()?,
                negated: *negated,
            }),
            Expr::Not(inner) => Self::of(inner).map(Self::negate),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::Eq => Self::single(left, right),
                Operator::NotEq => Self::single(left, right).map(Self::negate),
                Operator::Or => Self::of(left)?.join(Self::of(right)?, false),
                Operator::And => Self::of(left)?.join(Self::of(right)?, true),
                _ => None,
            },
            _ => None,
        }
    }

    fn single(left: &'e Expr, right: &'e Expr) -> Option<Self> {
        let (of, value) = match (value(left), value(right)) {
            (None, Some(value)) => (left, value),
            (Some(value), None) => (right, value),
            _ => return None,
        };
        Some(Self {
            of,
            values: HashSet::from([value]),
            negated: false,
        })
    }

    fn negate(mut self) -> Self {
        self.negated = !self.negated;
        self
    }

    /// Both lists as one, where the operator between them makes one of them.
    fn join(mut self, other: Self, negated: bool) -> Option<Self> {
        let longer = self.values.len() + other.values.len();
        if self.of != other.of || [self.negated, other.negated] != [negated; 2] || longer > LONGEST
        {
            return None;
        }
        self.values.extend(other.values);
        Some(self)
    }
}

/// A literal that is not NULL: with a NULL in it a list is never simply true or false.
fn value(node: &Expr) -> Option<&ScalarValue> {
    match node {
        Expr::Literal(value, _) if !value.is_null() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::AsArray;

    use crate::config::Config;
    use crate::session::Session;

    /// Of 1, 3 and NULL, which are kept: with 1 as 1, 3 as 2 and NULL as 4.
    async fn kept(condition: &str) -> i64 {
        let session = Session::new(Config::empty(Path::new("."))).unwrap();
        let sql = format!(
            "SELECT coalesce(sum(w), 0) FROM (VALUES (1, 1), (3, 2), (CAST(NULL AS BIGINT), 4)) t(n, w)
             WHERE {condition}"
        );
        let rows = session.sql(&sql).await.unwrap().collect().await.unwrap();
        let sums = rows[0]
            .column(0)
            .as_primitive::<arrow::datatypes::Int64Type>();
        sums.value(0)
    }

    #[tokio::test]
    async fn a_null_is_in_no_list_and_outside_of_none() {
        let cases = [
            ("n NOT IN (3, 4) OR n NOT IN (0, 7)", 3),
            ("n <> 1 OR n <> 3", 3),
            ("NOT (n IN (1, 2) AND n IN (3, 4))", 3),
            ("NOT ((n = 1 OR n = 2) AND (n = 3 OR 4 = n))", 3),
            ("NOT (n IN (1, 2) AND n NOT IN (1, 2, 5))", 3),
            ("NOT (n NOT IN (1, 2, 5) AND n IN (1, 2))", 3),
            ("(n NOT IN (3, 4) OR n NOT IN (0, 7)) IS NULL", 4),
            ("(n IN (1, 2) AND n IN (3, 4)) IS NULL", 4),
            ("n NOT IN (1, 4) OR n NOT IN (1, 7)", 2),
            ("n NOT IN (1, 4) AND n NOT IN (0, 7)", 2),
            ("n IN (1, 3) AND n NOT IN (3)", 1),
            ("n IN (1, NULL) AND n IN (3, NULL)", 0),
        ];
        for (condition, weight) in cases {
            assert_eq!(kept(condition).await, weight, "{condition}");
        }
    }
}
