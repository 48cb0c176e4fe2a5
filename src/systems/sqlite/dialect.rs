//! How SQLite wants its SQL, and which of its comparisons agree with ours.
//!
//! Every statement here holds for values that keep their declared type: one that breaks it stops a
//! read that meets it, and a filter may pass it by. The differential test compares each pushed
//! predicate with the engine's own answer.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::temporal_conversions::date32_to_datetime;
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use datafusion::scalar::ScalarValue;

use super::types::{Form, REAL_DIGITS, Reading};
use crate::frontend::{AggregateFunction, Comparison, Dialect};
use crate::schema::Column;

/// The greatest scale whose decimals SQLite's reader of numbers is proved to round correctly.
const SAFE_SCALE: u8 = 10;

/// The longest pattern that is sent; SQLite refuses those beyond 50,000 bytes.
const LONGEST_PATTERN: usize = 1000;

/// SQLite's SQL.
#[derive(Debug, Default)]
pub(super) struct SqliteDialect {
    /// Text is ordered by bytes: of UTF-8, which is our order, or of UTF-16, which is not. Known
    /// once a table was opened; until then UTF-16 is assumed.
    utf8: AtomicBool,
}

impl SqliteDialect {
    /// Notes how the database keeps text.
    pub(super) fn set_utf8(&self, utf8: bool) {
        self.utf8.store(utf8, Ordering::Relaxed);
    }

    fn text_is_ordered(&self) -> bool {
        self.utf8.load(Ordering::Relaxed)
    }

    /// An expression over the column whose values compare as ours do; `None` where none is known.
    fn comparable(&self, column: &Column) -> Option<String> {
        let name = self.quote(&column.name);
        Some(match Reading::of(&column.native) {
            Reading::Integer | Reading::Real => name,
            // The cast is for a decimal kept as text, which would sort after every number.
            Reading::Exact { .. } if exact_digits(column).is_some() => {
                format!("CAST({name} AS NUMERIC)")
            }
            Reading::Text { .. } | Reading::Date(Form::Iso) => format!("{name} COLLATE BINARY"),
            Reading::Date(Form::Unix | Form::UnixMilliseconds)
            | Reading::Timestamp {
                form: Form::Unix | Form::UnixMilliseconds,
                ..
            } => {
                format!("CAST({name} AS NUMERIC)")
            }
            Reading::Time { scale } => padded_time(&name, scale),
            Reading::Timestamp {
                scale,
                form: Form::Iso,
            } => {
                let time = padded_time(&format!("substr({name}, 12)"), scale);
                format!("(substr({name}, 1, 10) || ' ' || {time})")
            }
            Reading::Boolean => format!(
                "(CASE WHEN {name} COLLATE NOCASE IN (1, 'true') THEN 1 \
                 WHEN {name} IS NOT NULL THEN 0 END)"
            ),
            _ => return None,
        })
    }

    /// Whether an aggregate of a column is exact and readable.
    pub(super) fn computes(&self, function: AggregateFunction, column: &Column) -> bool {
        match function {
            AggregateFunction::Rows | AggregateFunction::Count => true,
            AggregateFunction::Min | AggregateFunction::Max => self.order(column).is_some(),
            AggregateFunction::Sum => summand(self, column).is_some(),
        }
    }
}

/// The time of day in the full form, whatever part of it is written.
fn padded_time(operand: &str, scale: u8) -> String {
    let full = format!("00:00:00.{}", "0".repeat(scale.into()));
    let length = full.len();
    format!("substr({operand} || substr('{full}', length({operand}) + 1), 1, {length})")
}

/// The scale of an exact number that SQLite compares as we do: as an integer of 64 bits, or as a
/// decimal that a REAL keeps.
fn exact_digits(column: &Column) -> Option<u8> {
    match Reading::of(&column.native) {
        Reading::Exact {
            precision: ..=18,
            scale: 0,
        } => Some(0),
        Reading::Exact {
            precision: ..=REAL_DIGITS,
            scale: scale @ ..=SAFE_SCALE,
        } => Some(scale),
        _ => None,
    }
}

/// An integer expression whose sum is the column's, times ten to its scale.
fn summand(dialect: &SqliteDialect, column: &Column) -> Option<String> {
    let name = dialect.quote(&column.name);
    match (Reading::of(&column.native), exact_digits(column)) {
        (Reading::Integer, _) => Some(name),
        (Reading::Exact { .. }, Some(0)) => Some(format!("CAST({name} AS INTEGER)")),
        (Reading::Exact { .. }, Some(scale)) => {
            let power = 10_i64.pow(scale.into());
            Some(format!(
                "CAST(round(CAST({name} AS NUMERIC) * {power}) AS INTEGER)"
            ))
        }
        _ => None,
    }
}

impl Dialect for SqliteDialect {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        match Reading::of(&column.native) {
            Reading::Integer => integer(value).map(|value| value.to_string()),
            Reading::Exact { .. } => decimal(integer(value)?, exact_digits(column)?),
            Reading::Real => match value {
                ScalarValue::Float64(Some(value)) => real(*value),
                _ => None,
            },
            Reading::Text { .. } => text(value.try_as_str()??),
            Reading::Date(form) => date(value, form),
            Reading::Time { scale } => time(value, scale),
            Reading::Timestamp { scale, form } => timestamp(value, scale, form),
            Reading::Boolean => match value {
                ScalarValue::Boolean(Some(value)) => Some(u8::from(*value).to_string()),
                _ => None,
            },
            Reading::ByValue | Reading::Bytes | Reading::TimestampTz { .. } => None,
        }
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        self.comparable(column)
            .map(|operand| (operand, Comparison::Exact))
    }

    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        let text = matches!(Reading::of(&column.native), Reading::Text { .. });
        if text && !self.text_is_ordered() {
            return None;
        }
        self.equality(column)
    }

    fn like_operand(&self, column: &Column) -> Option<(String, Comparison)> {
        let text = matches!(Reading::of(&column.native), Reading::Text { .. });
        text.then(|| (self.quote(&column.name), Comparison::Superset))
    }

    /// LIKE ignores the case of ASCII letters there, GLOB does not; both stop at a NUL, so a text
    /// with one is always returned.
    fn like(&self, operand: &str, pattern: &str) -> Option<String> {
        if pattern.len() > LONGEST_PATTERN {
            return None;
        }
        let pattern = text(&glob(pattern))?;
        Some(format!(
            "(glob({pattern}, {operand}) OR instr({operand}, char(0)) > 0)"
        ))
    }

    /// A sum goes in two halves, since SQLite's own stops at 64 bits; only columns that
    /// [`SqliteDialect::computes`] are asked for.
    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        let Some(column) = column else {
            return "count(*)".to_owned();
        };
        let name = self.quote(&column.name);
        let operand = || self.comparable(column).unwrap_or_else(|| name.clone());
        match function {
            AggregateFunction::Rows => "count(*)".to_owned(),
            AggregateFunction::Count => format!("count({name})"),
            AggregateFunction::Min => format!("min({})", operand()),
            AggregateFunction::Max => format!("max({})", operand()),
            AggregateFunction::Sum => {
                let value = summand(self, column).unwrap_or(name);
                format!("sum({value} >> 32) || ':' || sum({value} & 4294967295)")
            }
        }
    }
}

/// A LIKE pattern as GLOB writes it.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', c, ']']),
            other => glob.push(other),
        }
    }
    glob
}

/// A text; one with a NUL would end the statement.
fn text(value: &str) -> Option<String> {
    (!value.contains('\0')).then(|| format!("'{}'", value.replace('\'', "''")))
}

fn integer(value: &ScalarValue) -> Option<i128> {
    match *value {
        ScalarValue::Int8(value) => value.map(i128::from),
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        ScalarValue::Decimal128(value, _, _) => value,
        _ => None,
    }
}

/// A decimal as the quotient of two integers that a double holds exactly: its rounding is that of
/// IEEE 754, where reading digits is left to the library.
fn decimal(unscaled: i128, scale: u8) -> Option<String> {
    if scale == 0 {
        return i64::try_from(unscaled).ok().map(|value| value.to_string());
    }
    let greatest = 10_i128.pow(REAL_DIGITS.into());
    let power = 10_i64.pow(scale.into());
    (unscaled.abs() < greatest).then(|| format!("(CAST({unscaled} AS REAL) / {power})"))
}

/// A double as a quotient of an integer and a power of two. Zero stays local, since our order
/// tells -0.0 from 0.0, and so do NaN and the infinities.
fn real(value: f64) -> Option<String> {
    const DIGITS: i32 = f64::MANTISSA_DIGITS as i32;
    if !value.is_normal() {
        return None;
    }
    let exponent = ((value.to_bits() >> (DIGITS - 1)) & 0x7ff) as i32 - 1022 - DIGITS;
    let (mantissa, power) = match exponent {
        0..=9 => ((value as i64), 0),
        -62..=-1 => ((value * 2_f64.powi(-exponent)) as i64, -exponent),
        _ => return None,
    };
    let shared = mantissa.trailing_zeros().min(power as u32);
    Some(format!(
        "(CAST({} AS REAL) / {})",
        mantissa >> shared,
        (1_i64 << power) >> shared
    ))
}

fn date(value: &ScalarValue, form: Form) -> Option<String> {
    let ScalarValue::Date32(Some(days)) = *value else {
        return None;
    };
    match form {
        Form::Iso => {
            written_year(date32_to_datetime(days)?).map(|at| at.format("'%Y-%m-%d'").to_string())
        }
        Form::Unix => Some((i64::from(days) * 86_400).to_string()),
        Form::UnixMilliseconds => Some((i64::from(days) * 86_400_000).to_string()),
        Form::Julian => None,
    }
}

fn time(value: &ScalarValue, scale: u8) -> Option<String> {
    let nanoseconds = match *value {
        ScalarValue::Time64Microsecond(Some(value)) => value.checked_mul(1000)?,
        ScalarValue::Time64Nanosecond(Some(value)) => value,
        _ => return None,
    };
    let at = DateTime::from_timestamp_nanos(nanoseconds).naive_utc();
    (0..86_400_000_000_000)
        .contains(&nanoseconds)
        .then(|| format!("'{}'", iso_time(at, scale)))
}

fn timestamp(value: &ScalarValue, scale: u8, form: Form) -> Option<String> {
    let at = match *value {
        ScalarValue::TimestampMicrosecond(Some(value), None) => {
            DateTime::from_timestamp_micros(value)?.naive_utc()
        }
        ScalarValue::TimestampNanosecond(Some(value), None) => {
            DateTime::from_timestamp_nanos(value).naive_utc()
        }
        _ => return None,
    };
    let utc = at.and_utc();
    match form {
        Form::Iso => {
            let at = written_year(at)?;
            Some(format!(
                "'{} {}'",
                at.format("%Y-%m-%d"),
                iso_time(at, scale)
            ))
        }
        // An integer compares exactly with whatever number is stored; a fraction might not.
        Form::Unix if at.nanosecond() == 0 => Some(utc.timestamp().to_string()),
        Form::UnixMilliseconds if at.nanosecond() % 1_000_000 == 0 => {
            Some(utc.timestamp_millis().to_string())
        }
        _ => None,
    }
}

/// Only years of four digits sort as text.
fn written_year(at: NaiveDateTime) -> Option<NaiveDateTime> {
    (0..=9999).contains(&at.year()).then_some(at)
}

fn iso_time(at: NaiveDateTime, scale: u8) -> String {
    let fraction = at.nanosecond() / 10_u32.pow(9 - u32::from(scale));
    format!(
        "{}.{fraction:0width$}",
        at.format("%H:%M:%S"),
        width = usize::from(scale)
    )
}
