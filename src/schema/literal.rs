//! Values of canonical types from their text: exact, or refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit, i256};
use chrono::{FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::scalar::ScalarValue;

use super::{CanonicalType, shorten};
use crate::error::{Error, Result};

/// Reads a value of a type. Nothing is rounded, cut or guessed: a number without exponent, a date
/// as `2020-01-31`, a time as `13:45:00.5`, a timestamp as `2020-01-31` or `2020-01-31 13:45:00.5`
/// (years 1 to 9999). An instant may end in an offset (`+02:00`, `Z`) and is in UTC without one:
/// never in the zone of the process. Bytes are hexadecimal digits.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] with the text, the type and its form.
pub fn parse_value(text: &str, canonical: CanonicalType) -> Result<ScalarValue> {
    read(text, canonical).ok_or_else(|| {
        let error = Error::usage(format!("\"{}\" is no {canonical}", shorten(text)));
        match form(canonical) {
            Some(form) => error.hint(format!("write it as {form}")),
            None => error.hint("compare another column"),
        }
    })
}

/// How values of a type are written; `None` where no value can be.
fn form(canonical: CanonicalType) -> Option<String> {
    let digits = |scale: u8| match scale {
        0 => String::new(),
        1 => ".5".to_owned(),
        _ => format!(".5, with at most {scale} digits of a second"),
    };
    Some(match canonical {
        CanonicalType::Boolean => "true or false".to_owned(),
        CanonicalType::Date => "2020-01-31".to_owned(),
        CanonicalType::Time { scale } => format!("13:45:00{}", digits(scale)),
        CanonicalType::Timestamp { scale } => format!("2020-01-31 13:45:00{}", digits(scale)),
        CanonicalType::TimestampTz { scale } => {
            format!(
                "2020-01-31 13:45:00+00:00, or 2020-01-31 13:45:00{}",
                digits(scale)
            )
        }
        CanonicalType::Decimal { precision, scale } => {
            format!("a number of at most {precision} digits, {scale} of them after the point")
        }
        CanonicalType::Float | CanonicalType::Double => "a number".to_owned(),
        CanonicalType::Binary { .. } | CanonicalType::LargeBinary => {
            "hexadecimal digits".to_owned()
        }
        CanonicalType::IntervalDs | CanonicalType::IntervalYm => return None,
        other if other.is_text() => "text".to_owned(),
        other => format!("a whole number within the bounds of {other}"),
    })
}

fn read(text: &str, canonical: CanonicalType) -> Option<ScalarValue> {
    Some(match canonical.to_arrow() {
        DataType::Boolean => ScalarValue::Boolean(Some(boolean(text)?)),
        DataType::Int8 => ScalarValue::Int8(Some(text.parse().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(text.parse().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(text.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(text.parse().ok()?)),
        DataType::Decimal128(precision, scale) => {
            let unscaled = decimal(text, precision, scale)?.to_i128()?;
            ScalarValue::Decimal128(Some(unscaled), precision, scale)
        }
        DataType::Decimal256(precision, scale) => {
            let unscaled = decimal(text, precision, scale)?;
            ScalarValue::Decimal256(Some(unscaled), precision, scale)
        }
        DataType::Float32 => ScalarValue::Float32(Some(finite(text)? as f32)),
        DataType::Float64 => ScalarValue::Float64(Some(finite(text)?)),
        DataType::Date32 => ScalarValue::Date32(Some(days(date(text)?)?)),
        DataType::Time64(unit) => time_of_day(text, canonical, unit)?,
        DataType::Timestamp(unit, None) => moment(timestamp(text)?, canonical, unit, None)?,
        DataType::Timestamp(unit, zone) => moment(instant(text)?, canonical, unit, zone)?,
        DataType::Utf8 => ScalarValue::Utf8(Some(text.to_owned())),
        DataType::LargeUtf8 => ScalarValue::LargeUtf8(Some(text.to_owned())),
        DataType::Binary => ScalarValue::Binary(Some(bytes(text)?)),
        DataType::LargeBinary => ScalarValue::LargeBinary(Some(bytes(text)?)),
        _ => return None,
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A number as a double; only for columns that are doubles themselves.
fn finite(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let written = text.bytes().any(|b| b.is_ascii_digit());
    (number.is_finite() && written).then_some(number)
}

/// The integer that a decimal is at this scale, if it has no digit beyond scale and precision.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i256> {
    let (sign, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::try_from(scale).ok()?;
    let zeros = scale.checked_sub(fraction.len())?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(zeros));
    let digits = digits.trim_start_matches('0');
    match digits.len() {
        0 => Some(i256::ZERO),
        length if length <= usize::from(precision) => i256::from_string(&format!("{sign}{digits}")),
        _ => None,
    }
}

/// Numbers of fixed widths with these separators between them: `2020-01-31`.
fn fields<const N: usize>(text: &str, widths: [usize; N], separator: char) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        let fits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        *number = part.parse().ok().filter(|_| fits)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = fields(text, [4, 2, 2], '-')?;
    let year = i32::try_from(year).ok().filter(|year| *year >= 1)?;
    NaiveDate::from_ymd_opt(year, month, day)
}

fn days(date: NaiveDate) -> Option<i32> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    i32::try_from(date.signed_duration_since(epoch).num_days()).ok()
}

fn time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let [hour, minute, second] = fields(whole, [2, 2, 2], ':')?;
    let digits = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let nanos = format!("{fraction:0<9}").parse().ok().filter(|_| digits)?;
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos).filter(|_| second < 60)
}

fn timestamp(text: &str) -> Option<NaiveDateTime> {
    match text.split_once([' ', 'T']) {
        Some((day, clock)) => Some(date(day)?.and_time(time(clock)?)),
        None => Some(date(text)?.and_time(NaiveTime::MIN)),
    }
}

/// The moment in UTC of a timestamp with an offset.
fn instant(text: &str) -> Option<NaiveDateTime> {
    let (local, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        // A sign within the date is no offset.
        None => match text.rfind(['+', '-']).filter(|at| *at > "2020-01-31".len()) {
            Some(at) => (&text[..at], seconds_of_offset(&text[at..])?),
            None => (text, 0),
        },
    };
    let offset = FixedOffset::east_opt(offset)?;
    timestamp(local.trim_end())?.checked_sub_offset(offset)
}

fn seconds_of_offset(text: &str) -> Option<i32> {
    let digits = &text[1..];
    let [hours, minutes] = match digits.len() {
        2 => fields(digits, [2], ':').map(|[hours]| [hours, 0])?,
        _ => fields(digits, [2, 2], ':')?,
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    let known = hours < 24 && minutes < 60;
    known.then_some(if text.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// Whether no digit of a second is lost at this type's scale.
fn within_scale(nanos: u32, canonical: CanonicalType) -> bool {
    let scale = match canonical {
        CanonicalType::Time { scale }
        | CanonicalType::Timestamp { scale }
        | CanonicalType::TimestampTz { scale } => scale.min(9),
        _ => 9,
    };
    nanos.is_multiple_of(10_u32.pow(u32::from(9 - scale)))
}

fn time_of_day(text: &str, canonical: CanonicalType, unit: TimeUnit) -> Option<ScalarValue> {
    let time = time(text).filter(|time| within_scale(time.nanosecond(), canonical))?;
    let nanos =
        i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond());
    Some(match unit {
        TimeUnit::Nanosecond => ScalarValue::Time64Nanosecond(Some(nanos)),
        _ => ScalarValue::Time64Microsecond(Some(nanos / 1000)),
    })
}

fn moment(
    moment: NaiveDateTime,
    canonical: CanonicalType,
    unit: TimeUnit,
    zone: Option<Arc<str>>,
) -> Option<ScalarValue> {
    if !within_scale(moment.nanosecond(), canonical) {
        return None;
    }
    let moment = moment.and_utc();
    Some(match unit {
        TimeUnit::Nanosecond => {
            ScalarValue::TimestampNanosecond(Some(moment.timestamp_nanos_opt()?), zone)
        }
        _ => ScalarValue::TimestampMicrosecond(Some(moment.timestamp_micros()), zone),
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn shown(text: &str, canonical: &str) -> Option<String> {
        let value = parse_value(text, canonical.parse().unwrap()).ok()?;
        assert_eq!(
            value.data_type(),
            canonical.parse::<CanonicalType>().unwrap().to_arrow()
        );
        match value.cast_to(&DataType::Utf8).unwrap() {
            ScalarValue::Utf8(text) => text,
            other => panic!("{other}"),
        }
    }

    /// Text, type, and the value as Arrow itself writes it; `None` for a refusal.
    const VALUES: &[(&str, &str, Option<&str>)] = &[
        ("-128", "INTEGER_1", Some("-128")),
        ("128", "INTEGER_1", None),
        ("1.0", "INTEGER_4", None),
        ("1e3", "INTEGER_4", None),
        (
            "99999999999999999999999999999999999999",
            "INTEGER_38",
            Some("99999999999999999999999999999999999999"),
        ),
        (
            "100000000000000000000000000000000000000",
            "INTEGER_38",
            None,
        ),
        ("-1.5", "DECIMAL(12,2)", Some("-1.50")),
        (".5", "DECIMAL(12,2)", Some("0.50")),
        ("+0012.340", "DECIMAL(4,2)", Some("12.34")),
        ("1.005", "DECIMAL(12,2)", None),
        ("123.45", "DECIMAL(4,2)", None),
        ("1e2", "DECIMAL(12,2)", None),
        (".", "DECIMAL(12,2)", None),
        ("--1", "DECIMAL(12,2)", None),
        ("-0", "DECIMAL(12,2)", Some("0.00")),
        (
            "-9999999999999999999999999999999999999999999999999999999999999999999999999999",
            "DECIMAL(76,0)",
            Some("-9999999999999999999999999999999999999999999999999999999999999999999999999999"),
        ),
        ("2020-02-29", "DATE", Some("2020-02-29")),
        ("2021-02-29", "DATE", None),
        ("2020-1-01", "DATE", None),
        ("+2020-01-01", "DATE", None),
        ("12020-01-01", "DATE", None),
        ("0000-01-01", "DATE", None),
        ("0001-01-01", "DATE", Some("0001-01-01")),
        ("23:59:59.999999", "TIME(6)", Some("23:59:59.999999")),
        ("24:00:00", "TIME(6)", None),
        ("23:59:60", "TIME(6)", None),
        ("10:00:00.5", "TIME(0)", None),
        ("2020-01-01", "TIMESTAMP(6)", Some("2020-01-01T00:00:00")),
        (
            "2020-01-01 10:00:00.50",
            "TIMESTAMP(1)",
            Some("2020-01-01T10:00:00.500"),
        ),
        ("2020-01-01 10:00:00.55", "TIMESTAMP(1)", None),
        ("2020-01-01 10:00:00+02", "TIMESTAMP(6)", None),
        (
            "9999-12-31 23:59:59.999999",
            "TIMESTAMP(6)",
            Some("9999-12-31T23:59:59.999999"),
        ),
        ("9999-12-31 23:59:59", "TIMESTAMP(9)", None),
        (
            "2020-01-01T00:30:00+02:00",
            "TIMESTAMP_TZ(6)",
            Some("2019-12-31T22:30:00Z"),
        ),
        (
            "2020-01-01 00:30:00-00:30",
            "TIMESTAMP_TZ(6)",
            Some("2020-01-01T01:00:00Z"),
        ),
        (
            "2020-01-01 00:30:00Z",
            "TIMESTAMP_TZ(6)",
            Some("2020-01-01T00:30:00Z"),
        ),
        (
            "2020-01-01",
            "TIMESTAMP_TZ(6)",
            Some("2020-01-01T00:00:00Z"),
        ),
        ("2020-01-01 00:30:00+25", "TIMESTAMP_TZ(6)", None),
        ("2020-01-01 00:30:00+é", "TIMESTAMP_TZ(6)", None),
        ("TRUE", "BOOLEAN", Some("true")),
        ("1", "BOOLEAN", None),
        ("1.5", "DOUBLE", Some("1.5")),
        ("NaN", "DOUBLE", None),
        ("inf", "FLOAT", None),
        ("", "VARIABLE_STRING(10)", Some("")),
        ("it's", "LARGE_STRING", Some("it's")),
        ("1", "INTERVAL_YM", None),
    ];

    #[test]
    fn values_are_read_exactly_or_refused() {
        for (text, canonical, expected) in VALUES {
            assert_eq!(
                shown(text, canonical).as_deref(),
                *expected,
                "{text} as {canonical}"
            );
        }
        let bytes = parse_value("00fF", CanonicalType::LargeBinary).unwrap();
        assert_eq!(bytes, ScalarValue::LargeBinary(Some(vec![0, 255])));
        assert!(parse_value("0", CanonicalType::LargeBinary).is_err());
    }

    #[test]
    fn a_refusal_says_the_form() {
        for canonical in CanonicalType::ALL.into_iter().filter(|one| !one.is_text()) {
            let error = parse_value("x y", canonical).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.hint_text().is_some(), "{canonical}");
            assert!(error.message().contains(&canonical.to_string()), "{error}");
        }
    }
}
