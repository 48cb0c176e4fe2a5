//! From a condition to the rows for which it is TRUE, and those for which it is FALSE.

use std::collections::BTreeMap;

use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion::scalar::ScalarValue;

use super::values::{Cut, Values};
use super::{Region, Rows, Subject};
use crate::error::Result;
use crate::offload::sql_text;

/// The rows for which a condition is TRUE and those for which it is FALSE; it is NULL for the rest.
struct Truth {
    yes: Region,
    no: Region,
}

impl Region {
    /// The rows for which a condition is TRUE. Its types must agree, and BETWEEN must be written as
    /// two comparisons; otherwise it is kept as it is.
    ///
    /// # Errors
    /// Kind Unsupported for what can't be written as SQL, Usage for what is too complex.
    pub fn read(condition: &Expr, schema: &DFSchema) -> Result<Self> {
        Ok(Reader { schema }.truth(condition)?.yes)
    }
}

struct Reader<'a> {
    schema: &'a DFSchema,
}

impl Reader<'_> {
    fn truth(&self, expr: &Expr) -> Result<Truth> {
        match expr {
            Expr::Literal(value, _) => Ok(constant(value)),
            Expr::Not(inner) => {
                let Truth { yes, no } = self.truth(inner)?;
                Ok(Truth { yes: no, no: yes })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And => {
                    let (left, right) = (self.truth(left)?, self.truth(right)?);
                    Ok(Truth {
                        yes: left.yes.intersection(&right.yes)?,
                        no: left.no.union(&right.no)?,
                    })
                }
                Operator::Or => {
                    let (left, right) = (self.truth(left)?, self.truth(right)?);
                    Ok(Truth {
                        yes: left.yes.union(&right.yes)?,
                        no: left.no.intersection(&right.no)?,
                    })
                }
                _ => self.comparison(expr, left, *op, right),
            },
            Expr::IsTrue(inner) => self.exactly(inner, |truth| Ok(truth.yes)),
            Expr::IsFalse(inner) => self.exactly(inner, |truth| Ok(truth.no)),
            Expr::IsNotTrue(inner) => Ok(self.exactly(inner, |truth| Ok(truth.yes))?.opposite()),
            Expr::IsNotFalse(inner) => Ok(self.exactly(inner, |truth| Ok(truth.no))?.opposite()),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => self.is_null(expr, inner),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => {
                Ok(self.is_null(&inner.clone().is_null(), inner)?.opposite())
            }
            Expr::InList(list) => self.in_list(expr, list),
            other => self.whole(other),
        }
    }

    /// A condition that is never NULL: TRUE for some rows, FALSE for all others.
    fn exactly(&self, inner: &Expr, of: impl Fn(Truth) -> Result<Region>) -> Result<Truth> {
        let yes = of(self.truth(inner)?)?;
        Ok(Truth {
            no: Region::all().without(&yes)?,
            yes,
        })
    }

    fn is_null(&self, whole: &Expr, inner: &Expr) -> Result<Truth> {
        if matches!(inner, Expr::Column(_)) {
            return self.of(inner, Values::null(), Values::known());
        }
        if inner.get_type(self.schema)? == arrow::datatypes::DataType::Boolean {
            return self.exactly(inner, |truth| {
                Region::all().without(&truth.yes.union(&truth.no)?)
            });
        }
        self.whole(whole)
    }

    fn comparison(&self, whole: &Expr, left: &Expr, op: Operator, right: &Expr) -> Result<Truth> {
        match (left, right) {
            (Expr::Column(_), Expr::Literal(value, _)) => self.compare(whole, left, op, value),
            (Expr::Literal(value, _), Expr::Column(_)) => match op.swap() {
                Some(op) => self.compare(whole, right, op, value),
                None => self.whole(whole),
            },
            _ => self.whole(whole),
        }
    }

    fn compare(
        &self,
        whole: &Expr,
        column: &Expr,
        op: Operator,
        value: &ScalarValue,
    ) -> Result<Truth> {
        if column.get_type(self.schema)? != value.data_type() {
            return self.whole(whole);
        }
        if value.is_null() {
            return match op {
                Operator::IsDistinctFrom => self.of(column, Values::known(), Values::null()),
                Operator::IsNotDistinctFrom => self.of(column, Values::null(), Values::known()),
                _ => Ok(Truth {
                    yes: Region::none(),
                    no: Region::none(),
                }),
            };
        }
        let (below, above) = (|| Cut::below(value.clone()), || Cut::above(value.clone()));
        let one = Values::one(value.clone());
        let others = Values::known().intersection(&one.complement());
        let up_to = |cut: Cut| Values::between(Cut::Lowest, cut);
        let from = |cut: Cut| Values::between(cut, Cut::Highest);
        let (yes, no) = match op {
            Operator::Eq => (one, others),
            Operator::NotEq => (others, one),
            Operator::Lt => (up_to(below()), from(below())),
            Operator::LtEq => (up_to(above()), from(above())),
            Operator::Gt => (from(above()), up_to(above())),
            Operator::GtEq => (from(below()), up_to(below())),
            Operator::IsNotDistinctFrom => {
                let no = one.complement();
                (one, no)
            }
            Operator::IsDistinctFrom => (one.complement(), one),
            _ => return self.whole(whole),
        };
        self.of(column, yes, no)
    }

    fn in_list(&self, whole: &Expr, list: &InList) -> Result<Truth> {
        if !matches!(*list.expr, Expr::Column(_)) {
            return self.whole(whole);
        }
        let column_type = list.expr.get_type(self.schema)?;
        let mut listed = Values::none();
        let mut null_listed = false;
        for item in &list.list {
            let Expr::Literal(value, _) = item else {
                return self.whole(whole);
            };
            if value.is_null() {
                null_listed = true;
            } else if value.data_type() == column_type {
                listed = listed.union(&Values::one(value.clone()));
            } else {
                return self.whole(whole);
            }
        }
        // A NULL in the list: what is not listed may yet be equal to it, and nobody knows.
        let others = if null_listed {
            Values::none()
        } else {
            Values::known().intersection(&listed.complement())
        };
        let Truth { yes, no } = self.of(&list.expr, listed, others)?;
        Ok(if list.negated {
            Truth { yes: no, no: yes }
        } else {
            Truth { yes, no }
        })
    }

    /// A condition that is kept as it is, or as the opposite of one: both are about the same rows.
    fn whole(&self, expr: &Expr) -> Result<Truth> {
        let truth = |value: bool| Values::one(ScalarValue::Boolean(Some(value)));
        match opposite(expr) {
            Some(plain) => self.of(&plain, truth(false), truth(true)),
            None => self.of(expr, truth(true), truth(false)),
        }
    }

    /// A condition on one subject, by the values for which it is TRUE and those for which it is
    /// FALSE.
    fn of(&self, subject: &Expr, yes: Values, no: Values) -> Result<Truth> {
        let name = sql_text::write(subject)?;
        let nullable = subject.nullable(self.schema)?;
        let is_condition = subject.get_type(self.schema)? == arrow::datatypes::DataType::Boolean;
        let region = |mut values: Values| {
            values.nulls &= nullable;
            let subject = Subject {
                expr: subject.clone(),
                nullable,
                is_condition,
            };
            if values.is_empty() {
                Region::none()
            } else if values.is_all(nullable) {
                Region::all()
            } else {
                Region {
                    subjects: BTreeMap::from([(name.clone(), subject)]),
                    boxes: vec![Rows::from([(name.clone(), values)])],
                }
            }
        };
        Ok(Truth {
            yes: region(yes),
            no: region(no),
        })
    }
}

impl Truth {
    fn opposite(self) -> Self {
        Self {
            yes: self.no,
            no: self.yes,
        }
    }
}

/// The plain form of a condition that says NOT of it.
fn opposite(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Like(like) if like.negated => {
            let negated = false;
            Some(Expr::Like(Like {
                negated,
                ..like.clone()
            }))
        }
        Expr::InList(list) if list.negated => {
            let negated = false;
            Some(Expr::InList(InList {
                negated,
                ..list.clone()
            }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let plain = match op {
                Operator::NotEq => Operator::Eq,
                Operator::GtEq => Operator::Lt,
                Operator::LtEq => Operator::Gt,
                Operator::IsDistinctFrom => Operator::IsNotDistinctFrom,
                Operator::RegexNotMatch => Operator::RegexMatch,
                Operator::RegexNotIMatch => Operator::RegexIMatch,
                _ => return None,
            };
            let (left, right) = (left.clone(), right.clone());
            Some(Expr::BinaryExpr(BinaryExpr::new(left, plain, right)))
        }
        _ => None,
    }
}

fn constant(value: &ScalarValue) -> Truth {
    let (yes, no) = match value {
        ScalarValue::Boolean(Some(true)) => (Region::all(), Region::none()),
        ScalarValue::Boolean(Some(false)) => (Region::none(), Region::all()),
        _ => (Region::none(), Region::none()),
    };
    Truth { yes, no }
}
