//! Conditions on partition columns that follow from a condition on rows.
//!
//! A reader skips partitions by conditions on their own columns. From a condition on a column that
//! a partition column is made of, one on the partition column follows: whatever row satisfies the
//! first satisfies the second, so that adding it loses no row. A transform is monotone, never
//! strictly: `x > 1500` says of the multiple of 1000 below x that it is at least 1000, not more.

use datafusion::common::Column;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, lit};
use datafusion::scalar::ScalarValue;

use super::Transform;
use crate::schema::CanonicalType;

/// A partition column, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionColumn {
    /// The column whose values it is made of.
    pub of: String,
    /// Its own name.
    pub name: String,
    /// How it is made.
    pub transform: Transform,
    /// Its type.
    pub canonical: CanonicalType,
}

/// The condition on partition columns that follows from a condition on rows; `None` where none
/// does. Every row for which `predicate` is true satisfies it.
#[must_use]
pub fn prune(predicate: &Expr, partitions: &[PartitionColumn]) -> Option<Expr> {
    Derivation { partitions }.derive(predicate, false)
}

struct Derivation<'a> {
    partitions: &'a [PartitionColumn],
}

impl Derivation<'_> {
    /// What follows from `expr` being true, or being false where `negated`.
    fn derive(&self, expr: &Expr, negated: bool) -> Option<Expr> {
        match expr {
            Expr::Not(inner) => self.derive(inner, !negated),
            Expr::IsTrue(inner) if !negated => self.derive(inner, false),
            Expr::IsFalse(inner) if !negated => self.derive(inner, true),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (op, negated) {
                (Operator::And, false) | (Operator::Or, true) => {
                    both(self.derive(left, negated), self.derive(right, negated))
                }
                (Operator::And, true) | (Operator::Or, false) => {
                    either(self.derive(left, negated), self.derive(right, negated))
                }
                (op, negated) => {
                    let op = if negated { op.negate()? } else { *op };
                    self.compare(left, op, right)
                }
            },
            Expr::Between(between) => self.between(between, negated),
            Expr::InList(list) if list.negated == negated => self.in_list(list),
            Expr::IsNull(inner) => self.nulls(inner, negated),
            Expr::IsNotNull(inner) => self.nulls(inner, !negated),
            _ => None,
        }
    }

    fn compare(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Expr> {
        let (column, op, value) = match (left, right) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
            _ => return None,
        };
        self.bound(column, op, value)
    }

    /// `column op value` on the partition columns that are made of it.
    fn bound(&self, column: &Column, op: Operator, value: &ScalarValue) -> Option<Expr> {
        // A comparison with NULL is never true.
        if value.is_null() {
            return None;
        }
        self.each(column, |partition| {
            let bound = lit(partition.transform.value(value, partition.canonical)?);
            let name = named(partition);
            match op {
                Operator::Eq => Some(name.eq(bound)),
                Operator::Lt | Operator::LtEq => Some(name.lt_eq(bound)),
                Operator::Gt | Operator::GtEq => Some(name.gt_eq(bound)),
                _ => None,
            }
        })
    }

    fn between(&self, between: &Between, negated: bool) -> Option<Expr> {
        let (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) =
            (&*between.expr, &*between.low, &*between.high)
        else {
            return None;
        };
        if between.negated == negated {
            both(
                self.bound(column, Operator::GtEq, low),
                self.bound(column, Operator::LtEq, high),
            )
        } else {
            either(
                self.bound(column, Operator::Lt, low),
                self.bound(column, Operator::Gt, high),
            )
        }
    }

    fn in_list(&self, list: &InList) -> Option<Expr> {
        let Expr::Column(column) = &*list.expr else {
            return None;
        };
        self.each(column, |partition| {
            let mut values: Vec<ScalarValue> = Vec::new();
            for value in &list.list {
                let Expr::Literal(value, _) = value else {
                    return None;
                };
                let made = partition.transform.value(value, partition.canonical)?;
                if !made.is_null() && !values.contains(&made) {
                    values.push(made);
                }
            }
            let values: Vec<Expr> = values.into_iter().map(lit).collect();
            (!values.is_empty()).then(|| named(partition).in_list(values, false))
        })
    }

    /// NULL has the partition NULL, and nothing else has.
    fn nulls(&self, inner: &Expr, negated: bool) -> Option<Expr> {
        let Expr::Column(column) = inner else {
            return None;
        };
        self.each(column, |partition| {
            Some(if negated {
                named(partition).is_not_null()
            } else {
                named(partition).is_null()
            })
        })
    }

    /// What is said of every partition column that is made of a column. One that is the column
    /// itself needs nothing said.
    fn each(
        &self,
        column: &Column,
        say: impl Fn(&PartitionColumn) -> Option<Expr>,
    ) -> Option<Expr> {
        let made = self.partitions.iter().filter(|partition| {
            partition.of == column.name && partition.transform != Transform::Identity
        });
        made.filter_map(say).reduce(Expr::and)
    }
}

fn named(partition: &PartitionColumn) -> Expr {
    Expr::Column(Column::new_unqualified(partition.name.clone()))
}

fn both(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.and(right)),
        (one, None) | (None, one) => one,
    }
}

fn either(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    Some(left?.or(right?))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    };
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::col;
    use datafusion::prelude::SessionContext;
    use proptest::prelude::*;

    use super::*;
    use crate::offload::Unit;

    fn made(of: &str, transform: Transform, of_type: CanonicalType) -> PartitionColumn {
        PartitionColumn {
            of: of.to_owned(),
            name: format!("p_{of}"),
            transform,
            canonical: transform.output(of_type).unwrap(),
        }
    }

    fn truncate(width: u64) -> Transform {
        Transform::Truncate(NonZeroU64::new(width).unwrap())
    }

    fn partitions() -> Vec<PartitionColumn> {
        use CanonicalType as T;
        vec![
            made("n", truncate(1000), T::Integer8),
            made(
                "m",
                truncate(10),
                T::Decimal {
                    precision: 12,
                    scale: 2,
                },
            ),
            made("s", truncate(2), T::LargeString),
            made("d", Transform::Time(Unit::Month), T::Timestamp { scale: 6 }),
        ]
    }

    #[test]
    fn each_comparison_says_what_follows() {
        let cases: [(Expr, Option<&str>); 13] = [
            (col("n").eq(lit(1500_i64)), Some("p_n = Int64(1000)")),
            (col("n").gt(lit(1500_i64)), Some("p_n >= Int64(1000)")),
            (col("n").lt(lit(-1_i64)), Some("p_n <= Int64(-1000)")),
            (lit(1500_i64).lt(col("n")), Some("p_n >= Int64(1000)")),
            (col("n").not_eq(lit(1500_i64)), None),
            (
                col("n").in_list(vec![lit(1_i64), lit(2_i64), lit(1000_i64)], false),
                Some("p_n IN ([Int64(0), Int64(1000)])"),
            ),
            (col("n").in_list(vec![lit(1_i64)], true), None),
            (col("n").is_null(), Some("p_n IS NULL")),
            (!col("n").is_null(), Some("p_n IS NOT NULL")),
            (!col("n").lt(lit(5_i64)), Some("p_n >= Int64(0)")),
            (col("n").eq(lit(ScalarValue::Int64(None))), None),
            (col("n").eq(lit(1_i64)).or(col("z").eq(lit(1_i64))), None),
            (
                col("n").eq(lit(1_i64)).and(col("z").eq(lit(1_i64))),
                Some("p_n = Int64(0)"),
            ),
        ];
        for (predicate, expected) in cases {
            let found = prune(&predicate, &partitions()).map(|found| found.to_string());
            assert_eq!(found.as_deref(), expected, "{predicate}");
        }
    }

    /// The rows, and beside them their partition columns as a run makes them.
    fn rows(
        values: &[(Option<i64>, Option<i64>, Option<String>, Option<i64>)],
    ) -> (DFSchema, RecordBatch) {
        let n: ArrayRef = Arc::new(Int64Array::from_iter(values.iter().map(|v| v.0)));
        let m = Decimal128Array::from_iter(values.iter().map(|v| v.1.map(i128::from)));
        let m: ArrayRef = Arc::new(m.with_precision_and_scale(12, 2).unwrap());
        let s: ArrayRef = Arc::new(StringArray::from_iter(values.iter().map(|v| v.2.clone())));
        let d = TimestampMicrosecondArray::from_iter(
            values.iter().map(|v| v.3.map(|d| d * 3_600_000_000)),
        );
        let d: ArrayRef = Arc::new(d);
        let columns = [("n", n), ("m", m), ("s", s), ("d", d)];
        let plain =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap();
        let schema = DFSchema::try_from(plain.schema()).unwrap();
        let mut all: Vec<(String, ArrayRef, bool)> = plain
            .schema()
            .fields()
            .iter()
            .zip(plain.columns())
            .map(|(field, array)| (field.name().clone(), Arc::clone(array), true))
            .collect();
        for partition in partitions() {
            let expression =
                partition
                    .transform
                    .expression(col(&partition.of), partition.canonical, "");
            let array = evaluate(expression, &schema, &plain);
            all.push((partition.name, array, true));
        }
        let batch = RecordBatch::try_from_iter_with_nullable(all).unwrap();
        (DFSchema::try_from(batch.schema()).unwrap(), batch)
    }

    fn evaluate(expression: Expr, schema: &DFSchema, batch: &RecordBatch) -> ArrayRef {
        let physical = SessionContext::new()
            .create_physical_expr(expression, schema)
            .unwrap();
        physical
            .evaluate(batch)
            .unwrap()
            .into_array(batch.num_rows())
            .unwrap()
    }

    fn number() -> impl Strategy<Value = Option<i64>> {
        prop::option::weighted(0.9, -3000_i64..3000)
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        prop::option::weighted(0.9, "[abé]{0,4}")
    }

    fn operand() -> impl Strategy<Value = (&'static str, Expr)> {
        prop_oneof![
            number().prop_map(|v| ("n", lit(ScalarValue::Int64(v)))),
            number().prop_map(|v| ("m", lit(ScalarValue::Decimal128(v.map(i128::from), 12, 2)))),
            text().prop_map(|v| ("s", lit(ScalarValue::Utf8(v)))),
            number().prop_map(|v| (
                "d",
                lit(ScalarValue::TimestampMicrosecond(
                    v.map(|d| d * 3_600_000_000),
                    None
                ))
            )),
        ]
    }

    fn comparison() -> impl Strategy<Value = Expr> {
        let binary =
            (operand(), 0usize..6, any::<bool>()).prop_map(|((name, value), op, turned)| {
                let (left, right) = if turned {
                    (value, col(name))
                } else {
                    (col(name), value)
                };
                match op {
                    0 => left.eq(right),
                    1 => left.not_eq(right),
                    2 => left.lt(right),
                    3 => left.lt_eq(right),
                    4 => left.gt(right),
                    _ => left.gt_eq(right),
                }
            });
        let list =
            (prop::collection::vec(number(), 1..4), any::<bool>()).prop_map(|(values, negated)| {
                let values = values
                    .into_iter()
                    .map(|v| lit(ScalarValue::Int64(v)))
                    .collect();
                col("n").in_list(values, negated)
            });
        let between = (number(), number(), any::<bool>()).prop_map(|(low, high, negated)| {
            let (low, high) = (lit(ScalarValue::Int64(low)), lit(ScalarValue::Int64(high)));
            if negated {
                col("n").not_between(low, high)
            } else {
                col("n").between(low, high)
            }
        });
        let nulls = (operand(), any::<bool>()).prop_map(|((name, _), negated)| {
            if negated {
                col(name).is_not_null()
            } else {
                col(name).is_null()
            }
        });
        prop_oneof![5 => binary, 1 => list, 1 => between, 1 => nulls]
    }

    fn predicate() -> impl Strategy<Value = Expr> {
        comparison().prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
                inner.prop_map(|a| !a),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_row_is_lost(
            values in prop::collection::vec((number(), number(), text(), number()), 1..60),
            predicate in predicate(),
        ) {
            let (schema, batch) = rows(&values);
            if let Some(added) = prune(&predicate, &partitions()) {
                let kept = evaluate(predicate.clone(), &schema, &batch);
                let pruned = evaluate(predicate.clone().and(added.clone()), &schema, &batch);
                let (kept, pruned) = (kept.as_boolean(), pruned.as_boolean());
                for row in 0..batch.num_rows() {
                    let is_true = |array: &arrow::array::BooleanArray| {
                        arrow::array::Array::is_valid(array, row) && array.value(row)
                    };
                    prop_assert_eq!(is_true(kept), is_true(pruned), "{} and {}", predicate, added);
                }
            }
        }
    }
}
