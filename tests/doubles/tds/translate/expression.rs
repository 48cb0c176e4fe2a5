//! Values: literals, columns, conversions, CASE, arithmetic.

use rusqlite::types::Value as Stored;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Ident, UnaryOperator, Value,
};

use super::{Sureness, Translator, Typed};
use crate::doubles::tds::collation::Collation;
use crate::doubles::tds::decimal::Decimal;
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::types::{Family, Length, SqlType};

impl Translator<'_> {
    pub(super) fn value(&mut self, expression: &Expr) -> Result<Typed> {
        match expression {
            Expr::Nested(inner) => self.value(inner),
            Expr::Identifier(name) => self.name(name),
            Expr::CompoundIdentifier(parts) => match &parts[..] {
                [table, name] | [_, table, name] => self.column(Some(&table.value), &name.value),
                _ => Err(Refusal::unknown(expression)),
            },
            Expr::Value(value) => self.literal(&value.value),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => self.negated(expr),
            Expr::Cast {
                kind: CastKind::Cast,
                expr,
                data_type,
                array: false,
                format: None,
            } => self.cast(expr, data_type, &[]),
            Expr::Convert {
                is_try: false,
                expr,
                data_type: Some(to),
                charset: None,
                styles,
                ..
            } => self.cast(expr, to, styles),
            Expr::Collate { expr, collation } => {
                let value = self.value(expr)?;
                let name = collation.to_string();
                let known = Collation::named(&name);
                let collation =
                    known.ok_or_else(|| Refusal::unknown(format!("collation {name}")))?;
                if value.declared.family() != Family::Text {
                    let told = format!(
                        "Expression type {} is invalid for COLLATE clause.",
                        value.declared
                    );
                    return Err(Refusal::new(447, told));
                }
                Ok(Typed {
                    collation,
                    sureness: Sureness::Written,
                    ..value
                })
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Function(function) => self.function(function),
            Expr::Subquery(query) => self.scalar_subquery(query),
            Expr::BinaryOp { left, op, right } => self.arithmetic(left, op, right),
            _ => Err(Refusal::unknown(format!("the value {expression}"))),
        }
    }

    /// A column, a parameter or one of the system's variables.
    fn name(&mut self, name: &Ident) -> Result<Typed> {
        if name.quote_style.is_some() || !name.value.starts_with('@') {
            return self.column(None, &name.value);
        }
        match name.value.to_uppercase().as_str() {
            "@@TRANCOUNT" => Ok(Typed::new(
                self.surroundings.transactions.to_string(),
                SqlType::Int,
            )),
            "@@SPID" => Ok(Typed::new(
                self.surroundings.process.to_string(),
                SqlType::SmallInt,
            )),
            _ => self.parameter(&name.value),
        }
    }

    fn parameter(&mut self, name: &str) -> Result<Typed> {
        let mut parameters = self.surroundings.parameters.iter();
        let Some(found) = parameters.find(|known| known.name.eq_ignore_ascii_case(name)) else {
            return Err(Refusal::new(
                137,
                format!("Must declare the scalar variable \"{name}\"."),
            ));
        };
        let (value, declared) = (found.value.clone(), found.declared);
        Ok(Typed::new(self.bind(value), declared))
    }

    fn literal(&mut self, literal: &Value) -> Result<Typed> {
        let limited = |count: usize, most: u16| match u16::try_from(count.max(1)) {
            Ok(length) if length <= most => Length::Limited(length),
            _ => Length::Max,
        };
        Ok(match literal {
            Value::Null => Typed {
                is_null: true,
                ..Typed::new("NULL", SqlType::Int)
            },
            Value::Number(text, _) => return self.number(text),
            Value::SingleQuotedString(text) => {
                let declared = SqlType::VarChar(limited(text.chars().count(), 8000));
                let replaced = Collation::default().replace(text);
                Typed::new(self.bind(Stored::Text(replaced)), declared).never_null()
            }
            Value::NationalStringLiteral(text) => {
                let declared = SqlType::NVarChar(limited(text.encode_utf16().count(), 4000));
                Typed::new(self.bind(Stored::Text(text.clone())), declared).never_null()
            }
            Value::HexStringLiteral(digits) => {
                let digits = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
                let declared = SqlType::VarBinary(limited(digits.len() / 2, 8000));
                Typed::new(format!("x'{digits}'"), declared).never_null()
            }
            _ => return Err(Refusal::unknown(format!("the literal {literal}"))),
        })
    }

    /// A number's type is that of its spelling: a point makes it exact, an exponent a float.
    fn number(&mut self, text: &str) -> Result<Typed> {
        let bad = || Refusal::new(102, format!("Incorrect syntax near '{text}'."));
        if text.to_lowercase().contains('e') {
            let number: f64 = text.parse().map_err(|_| bad())?;
            return Ok(Typed::new(self.bind(Stored::Real(number)), SqlType::Float).never_null());
        }
        if text.parse::<i32>().is_ok() {
            return Ok(Typed::new(text, SqlType::Int).never_null());
        }
        let number = Decimal::parse(text).ok_or_else(bad)?;
        let digits = number.unscaled.unsigned_abs().to_string().len() as u8;
        let declared = SqlType::Numeric {
            precision: digits.max(number.scale).max(1),
            scale: number.scale,
        };
        Ok(Typed::new(self.bind(Stored::Blob(number.key())), declared).never_null())
    }

    fn negated(&mut self, inner: &Expr) -> Result<Typed> {
        let value = self.value(inner)?;
        match value.declared.family() {
            Family::Integer | Family::Float => Ok(Typed {
                sql: format!("(-{})", value.sql),
                ..value
            }),
            // An exact literal is the binding that was made last.
            Family::Exact if matches!(inner, Expr::Value(_)) => {
                let bound = self.bindings.last_mut();
                if let Some(Stored::Blob(key)) = bound {
                    let number = Decimal::of_key(key).map_err(Refusal::unknown)?;
                    *key = Decimal::new(-number.unscaled, number.scale).key();
                }
                Ok(value)
            }
            _ => Err(Refusal::unknown(format!(
                "a minus before a {}",
                value.declared
            ))),
        }
    }

    fn cast(&mut self, inner: &Expr, to: &DataType, styles: &[Expr]) -> Result<Typed> {
        let to = cast_type(to)?;
        let style = match styles {
            [] => 0,
            [Expr::Value(style)] => {
                let number = style.value.to_string().parse();
                number.map_err(|_| Refusal::unknown(format!("the style {style}")))?
            }
            _ => return Err(Refusal::unknown("more than one style")),
        };
        let value = self.value(inner)?;
        Ok(self.convert(value, to, style))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed> {
        if operand.is_some() {
            return Err(Refusal::unknown("CASE with an operand"));
        }
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for branch in branches {
            conditions.push(self.condition(&branch.condition)?);
            results.push(self.value(&branch.result)?);
        }
        results.extend(otherwise.map(|result| self.value(result)).transpose()?);
        let nullable = otherwise.is_none() || results.iter().any(|result| result.nullable);
        let kind = common(&results)?;
        let mut sql = "CASE".to_owned();
        for (condition, result) in conditions.iter().zip(&results) {
            sql += &format!(
                " WHEN {condition} THEN {}",
                self.convert(result.clone(), kind.declared, 0).sql
            );
        }
        if let Some(result) = results.get(conditions.len()) {
            sql += &format!(
                " ELSE {}",
                self.convert(result.clone(), kind.declared, 0).sql
            );
        }
        Ok(Typed {
            sql: sql + " END",
            nullable,
            ..kind
        })
    }

    fn arithmetic(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
    ) -> Result<Typed> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        let families = (left.declared.family(), right.declared.family());
        let nullable = left.nullable || right.nullable;
        let unknown =
            || Refusal::unknown(format!("{} {operator} {}", left.declared, right.declared));
        match (families, operator) {
            (
                (Family::Integer, Family::Integer),
                BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo,
            ) => {
                let wider = common(&[left.clone(), right.clone()])?;
                let sql = format!("({} {operator} {})", left.sql, right.sql);
                Ok(Typed {
                    sql,
                    nullable: true,
                    ..wider
                })
            }
            ((Family::Text, Family::Text), BinaryOperator::Plus) => {
                let declared = SqlType::NVarChar(Length::Max);
                let sql = format!("({} || {})", left.sql, right.sql);
                Ok(Typed {
                    sql,
                    declared,
                    nullable,
                    ..left
                })
            }
            _ => Err(unknown()),
        }
    }
}

/// The type of CAST and CONVERT, where a length may be left out.
fn cast_type(to: &DataType) -> Result<SqlType> {
    let text = to.to_string();
    let lower = text.to_lowercase();
    let sized = match lower.as_str() {
        "char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary" => {
            format!("{lower}(30)")
        }
        _ => lower,
    };
    SqlType::parse(&sized).map_err(Refusal::unknown)
}

/// The type that all of them have, the widest of one family.
pub(super) fn common(values: &[Typed]) -> Result<Typed> {
    let mut known = values.iter().filter(|value| !value.is_null);
    let Some(first) = known.next() else {
        return Ok(values[0].clone());
    };
    known.try_fold(first.clone(), |so_far, next| {
        if so_far.declared == next.declared {
            return Ok(so_far);
        }
        match (so_far.declared.family(), next.declared.family()) {
            (Family::Integer, Family::Integer) => {
                let wider = next.declared.max_length() > so_far.declared.max_length();
                Ok(if wider { next.clone() } else { so_far })
            }
            (Family::Text, Family::Text) => Ok(Typed {
                declared: wider_text(so_far.declared, next.declared),
                ..so_far
            }),
            _ => Err(Refusal::unknown(format!(
                "a value of {} or {}",
                so_far.declared, next.declared
            ))),
        }
    })
}

fn wider_text(left: SqlType, right: SqlType) -> SqlType {
    let length = |declared| match declared {
        SqlType::Char(length) | SqlType::NChar(length) => Length::Limited(length),
        SqlType::VarChar(length) | SqlType::NVarChar(length) => length,
        _ => Length::Max,
    };
    let longest = match (length(left), length(right)) {
        (Length::Limited(left), Length::Limited(right)) => Length::Limited(left.max(right)),
        _ => Length::Max,
    };
    if left.is_wide() || right.is_wide() {
        SqlType::NVarChar(longest)
    } else {
        SqlType::VarChar(longest)
    }
}
