//! Conditions. T-SQL has no booleans: a condition is no value, and a value no condition.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{Translator, Typed};
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::types::{Family, SqlType};

impl Translator<'_> {
    pub(super) fn condition(&mut self, expression: &Expr) -> Result<String> {
        match expression {
            Expr::Nested(inner) => Ok(format!("({})", self.condition(inner)?)),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok(format!("(NOT {})", self.condition(expr)?)),
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                right,
            } => Ok(format!(
                "({} {op} {})",
                self.condition(left)?,
                self.condition(right)?
            )),
            Expr::BinaryOp { left, op, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.comparison(left, op, right)
            }
            Expr::IsNull(inner) => Ok(format!("({} IS NULL)", self.value(inner)?.sql)),
            Expr::IsNotNull(inner) => Ok(format!("({} IS NOT NULL)", self.value(inner)?.sql)),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let value = self.value(expr)?;
                let (low, high) = (self.value(low)?, self.value(high)?);
                let above = self.comparison(value.clone(), &BinaryOperator::GtEq, low)?;
                let below = self.comparison(value, &BinaryOperator::LtEq, high)?;
                Ok(not_if(*negated, format!("({above} AND {below})")))
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                let value = self.value(expr)?;
                let list = list
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<_>>>()?;
                Ok(not_if(*negated, self.one_of(value, list)?))
            }
            Expr::Exists { subquery, negated } => {
                let selected = self.query(subquery)?;
                Ok(not_if(*negated, format!("EXISTS ({})", selected.sql)))
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(expr, pattern).map(|like| not_if(*negated, like)),
            _ => Err(Refusal::unknown(format!("the condition {expression}"))),
        }
    }

    fn comparison(
        &mut self,
        left: Typed,
        operator: &BinaryOperator,
        right: Typed,
    ) -> Result<String> {
        let operator = match operator {
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            other => {
                return Err(Refusal::unknown(format!(
                    "the operator {other} in a condition"
                )));
            }
        };
        let (left, right) = self.aligned(left, right)?;
        Ok(format!(
            "({} {operator} {})",
            left.comparable()?,
            right.comparable()?
        ))
    }

    /// A list of one family is left to the engine; of others each member is compared.
    fn one_of(&mut self, value: Typed, list: Vec<Typed>) -> Result<String> {
        let mut members = Vec::new();
        for member in &list {
            let (left, right) = self.aligned(value.clone(), member.clone())?;
            if left.sql != value.sql || left.collation != value.collation {
                return self.any_of(value, list);
            }
            members.push(match right.declared.family() {
                Family::Offset => right.comparable()?,
                _ => right.sql,
            });
        }
        Ok(format!(
            "({} IN ({}))",
            value.comparable()?,
            members.join(", ")
        ))
    }

    fn any_of(&mut self, value: Typed, list: Vec<Typed>) -> Result<String> {
        let each: Result<Vec<String>> = list
            .into_iter()
            .map(|member| self.comparison(value.clone(), &BinaryOperator::Eq, member))
            .collect();
        Ok(format!("({})", each?.join(" OR ")))
    }

    fn like(&mut self, value: &Expr, pattern: &Expr) -> Result<String> {
        let (value, pattern) = (self.value(value)?, self.value(pattern)?);
        let (value, pattern) = self.aligned(value, pattern)?;
        if value.declared.family() != Family::Text {
            return Err(Refusal::unknown(format!("LIKE of a {}", value.declared)));
        }
        let comparison = value.collation.comparison(value.declared.is_wide());
        let insensitive = i32::from(comparison == "tds_insensitive");
        Ok(format!(
            "tds_like({}, {}, {insensitive})",
            value.sql, pattern.sql
        ))
    }

    /// Both sides in one family: the one of lower precedence becomes the other's type.
    fn aligned(&self, left: Typed, right: Typed) -> Result<(Typed, Typed)> {
        let (of_left, of_right) = (left.declared.family(), right.declared.family());
        if of_left == Family::Text && of_right == Family::Text {
            return collated(left, right);
        }
        if of_left == of_right || left.is_null || right.is_null {
            return Ok((left, right));
        }
        if rank(of_left) > rank(of_right) {
            let right = self.raised(right, left.declared)?;
            Ok((left, right))
        } else {
            let left = self.raised(left, right.declared)?;
            Ok((left, right))
        }
    }

    fn raised(&self, value: Typed, other: SqlType) -> Result<Typed> {
        let to = match (value.declared.family(), other.family()) {
            // Wide enough for every whole number.
            (Family::Integer, Family::Exact) => SqlType::Decimal {
                precision: 19,
                scale: 0,
            },
            (Family::Integer | Family::Exact, Family::Float) => SqlType::Float,
            (Family::Date, Family::Instant) => SqlType::DateTime2(7),
            (Family::Date | Family::Instant, Family::Offset) => SqlType::DateTimeOffset(7),
            (Family::Text, Family::Integer | Family::Exact | Family::Float | Family::Guid) => other,
            (Family::Text, Family::Date | Family::Time | Family::Instant | Family::Offset) => other,
            (from, to) => {
                let told = format!(
                    "a comparison of {} ({from:?}) with {other} ({to:?})",
                    value.declared
                );
                return Err(Refusal::unknown(told));
            }
        };
        Ok(self.convert(value, to, 0))
    }
}

/// Two texts under the collation of the surer one, and as wide as the wider one.
fn collated(left: Typed, right: Typed) -> Result<(Typed, Typed)> {
    if left.sureness == right.sureness && left.collation != right.collation {
        let told = format!(
            "Cannot resolve the collation conflict between \"{}\" and \"{}\" in the operation.",
            left.collation.name(),
            right.collation.name()
        );
        return Err(Refusal::new(468, told));
    }
    let collation = if left.sureness >= right.sureness {
        left.collation
    } else {
        right.collation
    };
    // Only the width of the type matters to a comparison: narrow text is compared by its code page.
    let declared = if left.declared.is_wide() {
        left.declared
    } else {
        right.declared
    };
    let (of_left, of_right) = match declared.is_wide() {
        true => (declared, declared),
        false => (left.declared, right.declared),
    };
    Ok((
        Typed {
            collation,
            declared: of_left,
            ..left
        },
        Typed {
            collation,
            declared: of_right,
            ..right
        },
    ))
}

fn rank(family: Family) -> u8 {
    match family {
        Family::Opaque => 10,
        Family::Offset => 9,
        Family::Instant => 8,
        Family::Date => 7,
        Family::Time => 6,
        Family::Float => 5,
        Family::Exact => 4,
        Family::Integer => 3,
        Family::Guid => 2,
        Family::Text => 1,
        Family::Bytes => 0,
    }
}

fn not_if(negated: bool, condition: String) -> String {
    if negated {
        format!("(NOT {condition})")
    } else {
        condition
    }
}
