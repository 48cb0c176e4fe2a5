//! Boundaries of a key: as a person writes them, and as conditions on rows.
//!
//! A condition is true for the rows that it means and false or NULL for all others. Keys of several
//! columns compare column by column, the first difference decides.

use chrono::{DateTime, Days, Utc};
use datafusion::common::Column as Name;
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, Result};
use crate::frontend::Bound;
use crate::schema::{CanonicalType, Column, parse_value, shorten};

/// A condition on rows, or none.
pub(super) enum Condition {
    Always,
    Never,
    Is(Expr),
}

impl Condition {
    pub(super) fn expr(self) -> Expr {
        match self {
            Self::Always => lit(true),
            Self::Never => lit(false),
            Self::Is(expr) => expr,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::Always, other) | (other, Self::Always) => other,
            (Self::Is(one), Self::Is(other)) => Self::Is(one.and(other)),
        }
    }
}

/// The end of a window: `inclusive` takes rows that are equal to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) bounds: &'a [Bound],
    pub(super) inclusive: bool,
}

pub(super) fn named(column: &Column) -> Expr {
    Expr::Column(Name::new_unqualified(&column.name))
}

/// Rows before an end.
pub(super) fn below(keys: &[&Column], end: End) -> Condition {
    let Some((key, keys, bound, rest)) = split(keys, end) else {
        return Condition::Never;
    };
    let value = match bound {
        Bound::Min => return Condition::Never,
        Bound::Max => return Condition::Always,
        Bound::Value(value) => || lit(value.clone()),
    };
    let key = || named(key);
    Condition::Is(if keys.is_empty() {
        match end.inclusive {
            true => key().lt_eq(value()),
            false => key().lt(value()),
        }
    } else {
        match below(keys, rest) {
            Condition::Never => key().lt(value()),
            Condition::Always => key().lt_eq(value()),
            Condition::Is(rest) => key().lt(value()).or(key().eq(value()).and(rest)),
        }
    })
}

/// Rows whose first key is not NULL and that are not before an end: also those in which a later
/// key is NULL, for which [`below`] is not true.
pub(super) fn from(keys: &[&Column], end: End) -> Condition {
    beyond(keys, end, true)
}

fn beyond(keys: &[&Column], end: End, first: bool) -> Condition {
    let Some((key, keys, bound, rest)) = split(keys, end) else {
        return Condition::Always;
    };
    let value = match bound {
        Bound::Min => return Condition::Always,
        Bound::Max => return Condition::Never,
        Bound::Value(value) => || lit(value.clone()),
    };
    let column = || named(key);
    let or_null = |expr: Expr| match key.nullable && !first {
        true => expr.or(column().is_null()),
        false => expr,
    };
    Condition::Is(if keys.is_empty() {
        or_null(match end.inclusive {
            true => column().gt(value()),
            false => column().gt_eq(value()),
        })
    } else {
        match beyond(keys, rest, false) {
            Condition::Always => or_null(column().gt_eq(value())),
            Condition::Never => or_null(column().gt(value())),
            Condition::Is(rest) => or_null(column().gt(value())).or(column().eq(value()).and(rest)),
        }
    })
}

type Parts<'a> = (&'a Column, &'a [&'a Column], &'a Bound, End<'a>);

fn split<'a>(keys: &'a [&'a Column], end: End<'a>) -> Option<Parts<'a>> {
    let (key, keys) = keys.split_first()?;
    let (bound, bounds) = end.bounds.split_first()?;
    Some((key, keys, bound, End { bounds, ..end }))
}

/// Rows whose key is one of these rows of values; NULL is a value like others.
pub(super) fn one_of(keys: &[&Column], values: &[Vec<ScalarValue>]) -> Expr {
    if let [key] = keys {
        return one_of_values(key, values.iter().flatten());
    }
    let rows = values.iter().map(|row| {
        let pairs = keys.iter().zip(row);
        let equal = pairs.map(|(key, value)| one_of_values(key, [value]));
        equal.reduce(Expr::and).unwrap_or_else(|| lit(false))
    });
    rows.reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn one_of_values<'a>(key: &Column, values: impl IntoIterator<Item = &'a ScalarValue>) -> Expr {
    let (nulls, values): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| value.is_null());
    let equal = match values.as_slice() {
        [] => None,
        [only] => Some(named(key).eq(lit((*only).clone()))),
        _ => {
            let list = values.iter().map(|value| lit((*value).clone()));
            Some(named(key).in_list(list.collect(), false))
        }
    };
    let null = (!nulls.is_empty()).then(|| named(key).is_null());
    match (equal, null) {
        (Some(equal), Some(null)) => equal.or(null),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => lit(false),
    }
}

/// One value of a list between commas; `None` is NULL.
type Written = Option<String>;

/// The values between commas of an option. Text may stand in single quotes, doubled inside; a bare
/// NULL is no text.
pub(super) fn written(option: &str, text: &str) -> Result<Vec<Written>> {
    let wrong = || {
        Error::usage(format!(
            "{option} \"{}\" is no list of values",
            shorten(text)
        ))
        .hint("write values between commas; text with a comma or a quote as 'it''s'")
    };
    let mut values = Vec::new();
    let mut rest = text.trim();
    loop {
        let (value, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted_text(quoted)
                .map(|(value, after)| (Some(value), after.trim_start()))
                .ok_or_else(wrong)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let bare = rest[..end].trim();
                let null = bare.eq_ignore_ascii_case("null");
                ((!null).then(|| bare.to_owned()), &rest[end..])
            }
        };
        if value.as_deref() == Some("") && !rest.starts_with('\'') {
            return Err(wrong());
        }
        values.push(value);
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if after.is_empty() => return Ok(values),
            None => return Err(wrong()),
        }
    }
}

/// The text up to the closing quote, doubled quotes made single, and what follows.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, rest)),
        }
    }
}

/// A value of a key column, as an option gives it.
pub(super) fn typed(option: &str, written: &Written, key: &Column) -> Result<ScalarValue> {
    let told = |error: Error| {
        let column = format!("{} {}", key.name, key.canonical);
        error.context("option", option).context("column", column)
    };
    match written {
        Some(text) => parse_value(text, key.canonical).map_err(told),
        None => ScalarValue::try_new_null(&key.canonical.to_arrow()).map_err(Error::from),
    }
}

/// The boundary of `--less-than-value`: a value for each key.
pub(super) fn less_than(text: &str, keys: &[&Column]) -> Result<Vec<Bound>> {
    const OPTION: &str = "--less-than-value";
    let values = written(OPTION, text)?;
    if values.len() != keys.len() {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        return Err(Error::usage(format!(
            "{OPTION} has {} values, and the key has {}: {}",
            values.len(),
            keys.len(),
            names.join(", ")
        ))
        .hint("give one value for each, between commas"));
    }
    let bound = |(value, key): (&Written, &&Column)| match value {
        None => Err(
            Error::usage(format!("{OPTION} is NULL, which no value is less than"))
                .hint("give a value"),
        ),
        Some(_) => typed(OPTION, value, key).map(Bound::Value),
    };
    values.iter().zip(keys).map(bound).collect()
}

/// The boundary of `--older-than-date`: the beginning of the day, in UTC where the key is an
/// instant.
pub(super) fn older_than_date(day: &str, keys: &[&Column]) -> Result<Vec<Bound>> {
    let key = temporal("--older-than-date", keys)?;
    let value = parse_value(day, CanonicalType::Date).and(parse_value(day, key.canonical));
    Ok(vec![Bound::Value(value?)])
}

/// The boundary of `--older-than-days`: the time of the plan less so many days in UTC, cut to the
/// digits of the key; of a key of days, only whole days.
pub(super) fn older_than_days(
    days: u32,
    now: DateTime<Utc>,
    keys: &[&Column],
) -> Result<Vec<Bound>> {
    const OPTION: &str = "--older-than-days";
    let key = temporal(OPTION, keys)?;
    let moment = now.checked_sub_days(Days::new(days.into()));
    let text = moment.map(|moment| match key.canonical {
        CanonicalType::Timestamp { scale } | CanonicalType::TimestampTz { scale } => {
            let text = moment.format("%Y-%m-%d %H:%M:%S%.9f").to_string();
            let dropped = match scale {
                0 => 10,
                digits => 9 - usize::from(digits.min(9)),
            };
            text[..text.len().saturating_sub(dropped)].to_owned()
        }
        _ => moment.format("%Y-%m-%d").to_string(),
    });
    let value = text.and_then(|text| parse_value(&text, key.canonical).ok());
    match value {
        Some(value) => Ok(vec![Bound::Value(value)]),
        None => Err(
            Error::usage(format!("{OPTION} {days} is before the year 1")).hint("give fewer days"),
        ),
    }
}

/// The one key, which must be a point in time.
fn temporal<'a>(option: &str, keys: &[&'a Column]) -> Result<&'a Column> {
    let wrong = |what: String| {
        Err(Error::usage(format!(
            "{option} needs a key that is a date or a timestamp: {what}"
        ))
        .hint("give the boundary as --less-than-value"))
    };
    match keys {
        [key] => match key.canonical {
            CanonicalType::Date
            | CanonicalType::Timestamp { .. }
            | CanonicalType::TimestampTz { .. } => Ok(key),
            other => wrong(format!("\"{}\" is {other}", key.name)),
        },
        _ => wrong(format!("this one has {} columns", keys.len())),
    }
}
