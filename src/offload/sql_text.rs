//! Conditions as SQL that reads back as the same condition: what a record keeps of a window, and
//! what people are shown.
//!
//! This is the engine's own SQL, not that of a source. What can't be written exactly is refused.

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::{Case, InList, Like, ScalarFunction};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use crate::error::{Error, Result};

/// The SQL of an expression over bare columns.
///
/// # Errors
/// Kind Unsupported for an expression that has no such SQL.
pub(crate) fn write(expr: &Expr) -> Result<String> {
    Ok(match expr {
        Expr::Column(column) => identifier(&column.name),
        Expr::Literal(value, _) => literal(value)?,
        Expr::Alias(alias) => write(&alias.expr)?,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => binary(left, *op, right)?,
        Expr::Not(inner) => format!("NOT {}", operand(inner)?),
        Expr::Negative(inner) => format!("- {}", operand(inner)?),
        Expr::IsNull(inner) => format!("{} IS NULL", operand(inner)?),
        Expr::IsNotNull(inner) => format!("{} IS NOT NULL", operand(inner)?),
        Expr::IsTrue(inner) => format!("{} IS TRUE", operand(inner)?),
        Expr::IsNotTrue(inner) => format!("{} IS NOT TRUE", operand(inner)?),
        Expr::IsFalse(inner) => format!("{} IS FALSE", operand(inner)?),
        Expr::IsNotFalse(inner) => format!("{} IS NOT FALSE", operand(inner)?),
        Expr::Between(between) => write_between(between)?,
        Expr::InList(list) => in_list(list)?,
        Expr::Like(like) => write_like(like)?,
        Expr::Case(case) => write_case(case)?,
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            format!("{}({})", identifier(func.name()), all(args)?)
        }
        Expr::Cast(cast) => {
            let to = cast.field.data_type();
            format!("arrow_cast({}, '{to}')", write(&cast.expr)?)
        }
        other => return Err(unwritable(other)),
    })
}

fn unwritable(expr: &Expr) -> Error {
    Error::unsupported(format!("The condition {expr} can't be remembered"))
        .hint("use comparisons, IN, BETWEEN, LIKE, IS NULL, and plain functions of columns")
}

/// A column's name, in quotes where it needs them.
pub(crate) fn identifier(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && ALL_KEYWORDS
            .binary_search(&name.to_ascii_uppercase().as_str())
            .is_err();
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// An expression inside another one.
fn operand(expr: &Expr) -> Result<String> {
    let text = write(expr)?;
    Ok(match expr {
        Expr::Column(_) | Expr::Literal(..) | Expr::ScalarFunction(_) | Expr::Cast(_) => text,
        _ => format!("({text})"),
    })
}

fn binary(left: &Expr, op: Operator, right: &Expr) -> Result<String> {
    let side = |expr: &Expr| match expr {
        // Chains of one of these are the same either way.
        Expr::BinaryExpr(inner) if joins(op) && (inner.op == op || !joins(inner.op)) => write(expr),
        Expr::InList(_) | Expr::IsNull(_) | Expr::IsNotNull(_) if joins(op) => write(expr),
        _ => operand(expr),
    };
    let word = match op {
        Operator::NotEq => "<>".to_owned(),
        Operator::Eq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::Plus
        | Operator::Minus
        | Operator::Multiply
        | Operator::Divide
        | Operator::Modulo
        | Operator::And
        | Operator::Or
        | Operator::StringConcat
        | Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => op.to_string(),
        _ => {
            let expr = Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left.clone()),
                op,
                Box::new(right.clone()),
            ));
            return Err(unwritable(&expr));
        }
    };
    Ok(format!("{} {word} {}", side(left)?, side(right)?))
}

fn joins(op: Operator) -> bool {
    matches!(op, Operator::And | Operator::Or)
}

fn all(list: &[Expr]) -> Result<String> {
    let written: Result<Vec<String>> = list.iter().map(write).collect();
    Ok(written?.join(", "))
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn write_between(between: &Between) -> Result<String> {
    Ok(format!(
        "{} {}BETWEEN {} AND {}",
        operand(&between.expr)?,
        not(between.negated),
        operand(&between.low)?,
        operand(&between.high)?
    ))
}

fn in_list(list: &InList) -> Result<String> {
    let (expr, values) = (operand(&list.expr)?, all(&list.list)?);
    Ok(format!("{expr} {}IN ({values})", not(list.negated)))
}

fn write_like(like: &Like) -> Result<String> {
    let word = if like.case_insensitive {
        "ILIKE"
    } else {
        "LIKE"
    };
    let (expr, pattern) = (operand(&like.expr)?, operand(&like.pattern)?);
    let escape = match like.escape_char {
        Some(escape) => format!(" ESCAPE {}", text(&escape.to_string())),
        None => String::new(),
    };
    Ok(format!(
        "{expr} {}{word} {pattern}{escape}",
        not(like.negated)
    ))
}

fn write_case(case: &Case) -> Result<String> {
    let mut written = "CASE".to_owned();
    if let Some(expr) = &case.expr {
        written += &format!(" {}", operand(expr)?);
    }
    for (when, then) in &case.when_then_expr {
        written += &format!(" WHEN {} THEN {}", operand(when)?, operand(then)?);
    }
    if let Some(other) = &case.else_expr {
        written += &format!(" ELSE {}", operand(other)?);
    }
    Ok(written + " END")
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A value that reads back as the same value of the same type, once it stands beside a column of
/// that type.
fn literal(value: &ScalarValue) -> Result<String> {
    use ScalarValue as V;
    if value.is_null() {
        return Ok(match value.data_type() {
            DataType::Null => "NULL".to_owned(),
            data_type => format!("arrow_cast(NULL, '{data_type}')"),
        });
    }
    Ok(match value {
        V::Boolean(Some(true)) => "TRUE".to_owned(),
        V::Boolean(Some(false)) => "FALSE".to_owned(),
        V::Int8(_) | V::Int16(_) | V::Int32(_) | V::Int64(_) | V::Decimal128(..) => shown(value)?,
        V::Decimal256(..) | V::UInt64(_) => cast(value)?,
        V::Utf8(Some(value)) | V::LargeUtf8(Some(value)) | V::Utf8View(Some(value)) => text(value),
        V::Date32(_) => format!("DATE {}", text(&shown(value)?)),
        V::TimestampMicrosecond(Some(micros), None) if in_nanoseconds(*micros) => {
            format!("TIMESTAMP {}", text(&shown(value)?.replace('T', " ")))
        }
        V::Binary(Some(bytes)) | V::LargeBinary(Some(bytes)) => hex(bytes),
        _ => cast(value)?,
    })
}

/// The engine reads a TIMESTAMP through nanoseconds in 64 bits, which end in 1677 and 2262.
fn in_nanoseconds(micros: i64) -> bool {
    micros.checked_mul(1_000).is_some()
}

/// Any value as its text, cast to its type.
fn cast(value: &ScalarValue) -> Result<String> {
    let (shown, to) = (shown(value)?, value.data_type().to_string());
    Ok(format!("arrow_cast({}, {})", text(&shown), text(&to)))
}

/// A value as its own text.
pub(crate) fn shown(value: &ScalarValue) -> Result<String> {
    let cast = value.cast_to(&DataType::Utf8)?;
    match cast {
        ScalarValue::Utf8(Some(text)) => Ok(text),
        _ => Err(Error::internal(format!("{value} has no text"))),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("X'{digits}'")
}
