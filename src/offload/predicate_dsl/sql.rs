//! The old predicate language as SQL over a table's columns.
//!
//! A value is written in its column's own type where that holds it. A moment finer than its column
//! is cut, and the operator says what was cut: `< 10:00` on a column of days is `<= that day`.

use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use super::parser::split_offset;
use super::{DslColumn, DslOperator, DslPredicate, DslValue};
use crate::error::{Error, Result};
use crate::schema::{CanonicalType, Column, parse_value, pick};

pub(super) fn write(predicate: &DslPredicate, columns: &[Column]) -> Result<String> {
    match predicate {
        DslPredicate::And(members) => group(members, " AND ", columns),
        DslPredicate::Or(members) => group(members, " OR ", columns),
        DslPredicate::IsNull { column, negated } => {
            let name = name(find(column, columns)?);
            let not = if *negated { "NOT " } else { "" };
            Ok(format!("{name} IS {not}NULL"))
        }
        DslPredicate::In {
            column,
            negated,
            values,
        } => in_list(find(column, columns)?, *negated, values),
        DslPredicate::Compare {
            column,
            operator,
            value,
            value_first,
        } => {
            let column = find(column, columns)?;
            let operator = if *value_first {
                operator.turned()
            } else {
                *operator
            };
            Ok(compare(&name(column), operator, &literal(column, value)?))
        }
    }
}

fn group(members: &[DslPredicate], word: &str, columns: &[Column]) -> Result<String> {
    let member = |member: &DslPredicate| {
        let sql = write(member, columns)?;
        let plain = !matches!(member, DslPredicate::And(_) | DslPredicate::Or(_));
        // A comparison of a cut moment may be two, in parentheses of its own.
        Ok(if plain { sql } else { format!("({sql})") })
    };
    let members: Result<Vec<String>> = members.iter().map(member).collect();
    Ok(members?.join(word))
}

fn find<'a>(column: &DslColumn, columns: &'a [Column]) -> Result<&'a Column> {
    let names = || columns.iter().map(|column| column.name.as_str());
    let picked = pick(&column.name, names());
    columns
        .iter()
        .find(|one| Some(one.name.as_str()) == picked)
        .ok_or_else(|| {
            let text = format!(
                "Unable to resolve column '{}' in offload predicate",
                column.name
            );
            Error::not_found(text, &column.name, names())
        })
}

/// A name as SQL: in quotes unless it is a plain word in lower case that means nothing else.
fn name(column: &Column) -> String {
    let name = &column.name;
    let plain = name
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_lowercase() || b == b'_' || (at > 0 && b.is_ascii_digit()));
    let upper = name.to_ascii_uppercase();
    match plain && !name.is_empty() && !ALL_KEYWORDS.contains(&upper.as_str()) {
        true => name.clone(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A value in SQL.
struct Literal {
    sql: String,
    /// Whether the value lies a little above it.
    cut: bool,
}

impl Literal {
    fn exact(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            cut: false,
        }
    }
}

/// A comparison with the value itself, which may lie between two values of the column.
fn compare(name: &str, operator: DslOperator, literal: &Literal) -> String {
    use DslOperator as Op;
    let Literal { sql, cut } = literal;
    let symbol = match operator {
        _ if !cut => {
            let symbol = if operator == Op::NotEqual {
                "<>"
            } else {
                operator.symbol()
            };
            return format!("{name} {symbol} {sql}");
        }
        Op::Less | Op::LessOrEqual => "<=",
        Op::Greater | Op::GreaterOrEqual => ">",
        // Never, and always; NULL for NULL.
        Op::Equal => return format!("({name} < {sql} AND {name} > {sql})"),
        Op::NotEqual => return format!("({name} <= {sql} OR {name} > {sql})"),
    };
    format!("{name} {symbol} {sql}")
}

fn in_list(column: &Column, negated: bool, values: &[DslValue]) -> Result<String> {
    let name = name(column);
    let literals: Result<Vec<Literal>> =
        values.iter().map(|value| literal(column, value)).collect();
    let literals = literals?;
    let whole: Vec<&str> = literals
        .iter()
        .filter(|literal| !literal.cut)
        .map(|literal| literal.sql.as_str())
        .collect();
    let not = if negated { "NOT " } else { "" };
    match (whole.as_slice(), literals.first()) {
        // No value of the column can be equal to any of them.
        ([], Some(cut)) => {
            let operator = match negated {
                true => DslOperator::NotEqual,
                false => DslOperator::Equal,
            };
            Ok(compare(&name, operator, cut))
        }
        _ => Ok(format!("{name} {not}IN ({})", whole.join(", "))),
    }
}

impl DslOperator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The same comparison with its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

fn literal(column: &Column, value: &DslValue) -> Result<Literal> {
    use CanonicalType as T;
    let canonical = column.canonical;
    if matches!(
        canonical,
        T::Binary { .. } | T::LargeBinary | T::IntervalDs | T::IntervalYm
    ) {
        return Err(Error::usage(format!(
            "Data type is not supported for offload predicate: {canonical}"
        ))
        .context("column", column.name.clone())
        .hint("compare another column"));
    }
    match (value, canonical) {
        (DslValue::Text(text), text_type) if text_type.is_text() => {
            Ok(Literal::exact(format!("'{}'", text.replace('\'', "''"))))
        }
        (DslValue::Numeric(text), T::Float | T::Double) => double(column, text),
        (DslValue::Numeric(text), number) if number.is_exact_number() => {
            Ok(Literal::exact(exact_number(number, text)))
        }
        (DslValue::Boolean(value), T::Boolean) => {
            Ok(Literal::exact(value.to_string().to_uppercase()))
        }
        (DslValue::Time(text), T::Time { scale }) => time(column, text, scale),
        (DslValue::DateTime(text), T::Date | T::Timestamp { .. } | T::TimestampTz { .. }) => {
            moment(column, text)
        }
        _ => Err(other_kind(column, value)),
    }
}

fn other_kind(column: &Column, value: &DslValue) -> Error {
    let (kind, canonical) = (value.kind(), column.canonical);
    let fitting = match canonical {
        one if one.is_text() => "string(\"…\")",
        CanonicalType::Date => "datetime(2020-01-31)",
        CanonicalType::Time { .. } => "time(13:45:00)",
        CanonicalType::Timestamp { .. } => "datetime(2020-01-31 13:45:00)",
        CanonicalType::TimestampTz { .. } => "datetime(2020-01-31 13:45:00+00:00)",
        CanonicalType::Boolean => "boolean(true)",
        _ => "numeric(1.5)",
    };
    Error::usage(format!(
        "Columns of data type {canonical} cannot be compared to {kind} values"
    ))
    .context("column", column.name.clone())
    .hint(format!("write {fitting}"))
}

impl DslValue {
    fn kind(&self) -> &'static str {
        match self {
            Self::Numeric(_) => "numeric",
            Self::DateTime(_) => "datetime",
            Self::Time(_) => "time",
            Self::Text(_) => "string",
            Self::Boolean(_) => "boolean",
        }
    }
}

/// A number in the type of its column, or in one of its own digits.
fn exact_number(canonical: CanonicalType, text: &str) -> String {
    let text = &plain_number(text);
    let integer = !matches!(
        canonical,
        CanonicalType::Decimal { .. } | CanonicalType::Integer38
    );
    let fits = parse_value(text, canonical).ok();
    if let Some(value) = fits.as_ref().filter(|_| integer) {
        return value.to_string();
    }
    let (precision, scale) = match (fits, canonical) {
        (Some(_), CanonicalType::Decimal { precision, scale }) => (precision.into(), scale.into()),
        (Some(_), _) => (38, 0),
        (None, _) => own_digits(text),
    };
    format!("CAST('{text}' AS DECIMAL({precision}, {scale}))")
}

/// A number with digits on both sides of its point, if it has one, and no sign that says nothing.
fn plain_number(text: &str) -> String {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = if whole.is_empty() { "0" } else { whole };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// Precision and scale of a number as it is written.
fn own_digits(text: &str) -> (usize, usize) {
    let unsigned = text.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0').len();
    ((whole + fraction.len()).max(1), fraction.len())
}

fn double(column: &Column, text: &str) -> Result<Literal> {
    let name = match column.canonical {
        CanonicalType::Float => "FLOAT",
        _ => "DOUBLE",
    };
    let text = plain_number(text);
    parse_value(&text, column.canonical)?;
    Ok(Literal::exact(format!("CAST('{text}' AS {name})")))
}

fn time(column: &Column, text: &str, scale: u8) -> Result<Literal> {
    let (kept, cut) = cut_fraction(text, scale);
    parse_value(&kept, finest(column.canonical))?;
    let unit = if scale <= 6 {
        "Microsecond"
    } else {
        "Nanosecond"
    };
    // SQL's TIME has nanoseconds, which a column of microseconds is not compared with.
    let sql = format!("arrow_cast('{kept}', 'Time64({unit})')");
    Ok(Literal { sql, cut })
}

fn moment(column: &Column, text: &str) -> Result<Literal> {
    let (local, offset) = split_offset(text);
    let (day, clock) = local.split_once([' ', 'T']).unwrap_or((local, "00:00:00"));
    let refused = |error: Error| error.context("column", column.name.clone());
    match column.canonical {
        CanonicalType::Date | CanonicalType::Timestamp { .. } if !offset.is_empty() => {
            let canonical = column.canonical;
            Err(Error::usage(format!(
                "Columns of data type {canonical} cannot be compared to datetime values with an \
                 offset: {text}"
            ))
            .context("column", column.name.clone())
            .hint("leave the offset out: the column has no zone"))
        }
        CanonicalType::Timestamp { scale } => {
            let (clock, cut) = cut_fraction(clock, scale);
            let kept = format!("{day} {clock}");
            parse_value(&kept, finest(column.canonical)).map_err(refused)?;
            let sql = format!("TIMESTAMP({}) '{kept}'", unit_digits(scale));
            Ok(Literal { sql, cut })
        }
        CanonicalType::TimestampTz { scale } => {
            let (clock, cut) = cut_fraction(clock, scale);
            let offset = match offset {
                "" | "Z" | "z" => "+00:00",
                offset => offset,
            };
            let kept = format!("{day} {clock}{offset}");
            parse_value(&kept, finest(column.canonical)).map_err(refused)?;
            let digits = unit_digits(scale);
            let sql = format!("TIMESTAMP({digits}) WITH TIME ZONE '{kept}'");
            Ok(Literal { sql, cut })
        }
        _ => {
            let midnight = clock.bytes().all(|b| b == b'0' || b == b':' || b == b'.');
            let sql = format!("DATE '{day}'");
            Ok(Literal {
                sql,
                cut: !midnight,
            })
        }
    }
}

/// Fraction digits of the Arrow type of a time of this scale.
fn unit_digits(scale: u8) -> u8 {
    if scale <= 6 { 6 } else { 9 }
}

/// The same type with all the digits that its Arrow type has.
fn finest(canonical: CanonicalType) -> CanonicalType {
    use CanonicalType as T;
    match canonical {
        T::Time { scale } => T::Time {
            scale: unit_digits(scale),
        },
        T::Timestamp { scale } => T::Timestamp {
            scale: unit_digits(scale),
        },
        T::TimestampTz { scale } => T::TimestampTz {
            scale: unit_digits(scale),
        },
        other => other,
    }
}

/// A time of day without the digits that a column of this scale can't have, and whether one of
/// them was no zero.
fn cut_fraction(text: &str, scale: u8) -> (String, bool) {
    let digits = usize::from(unit_digits(scale));
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > digits => {
            let (kept, dropped) = fraction.split_at(digits);
            let cut = dropped.bytes().any(|b| b != b'0');
            (format!("{whole}.{kept}"), cut)
        }
        _ => (text.to_owned(), false),
    }
}
