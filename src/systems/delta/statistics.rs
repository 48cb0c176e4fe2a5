//! A file's statistics as the protocol keeps them: exact, or left out.
//!
//! Written by hand, digit by digit: a decimal never passes through a double.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::backend::TargetColumn;
use crate::schema::{CanonicalType, TableHashes};
use crate::staging::ColumnBounds;

/// How many characters of a text a bound keeps.
const TEXT_CHARS: usize = 32;

/// The `stats` text of a file. `bounds` and the hashes' columns are in the order of `columns`;
/// columns named in `partition` are not in the file.
pub(super) fn stats(
    columns: &[TargetColumn],
    partition: &[(String, Option<String>)],
    bounds: &[ColumnBounds],
    hashes: &TableHashes,
) -> String {
    let (mut nulls, mut least, mut greatest) = (Object::new(), Object::new(), Object::new());
    for (index, column) in columns.iter().enumerate() {
        if partition.iter().any(|(name, _)| *name == column.name) {
            continue;
        }
        if let Some(sums) = hashes.columns.get(index) {
            nulls.put(&column.name, &sums.nulls.to_string());
        }
        let Some(bound) = bounds.get(index) else {
            continue;
        };
        if let Some(json) = bound
            .min
            .as_deref()
            .and_then(|text| lower(column.stored, text))
        {
            least.put(&column.name, &json);
        }
        if let Some(json) = bound
            .max
            .as_deref()
            .and_then(|text| upper(column.stored, text))
        {
            greatest.put(&column.name, &json);
        }
    }
    let mut all = Object::new();
    all.put("numRecords", &hashes.rows.to_string());
    all.put("minValues", &least.close());
    all.put("maxValues", &greatest.close());
    all.put("nullCount", &nulls.close());
    all.close()
}

/// A JSON object under construction; values are JSON already.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn put(&mut self, key: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quote(key));
        self.0.push(':');
        self.0.push_str(json);
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A lower bound as JSON, no greater than the value; `None` where none may be stated.
fn lower(stored: CanonicalType, text: &str) -> Option<String> {
    match stored {
        stored if stored.is_text() => Some(quote(cut(text).0)),
        CanonicalType::Timestamp { .. } => Some(millis(moment(text)?, false)),
        CanonicalType::TimestampTz { .. } => Some(millis(moment(text)?, true)),
        _ => plain(stored, text),
    }
}

/// An upper bound as JSON, no less than the value; `None` where none may be stated.
fn upper(stored: CanonicalType, text: &str) -> Option<String> {
    match stored {
        stored if stored.is_text() => match cut(text) {
            (whole, None) => Some(quote(whole)),
            // The greatest character stands for all that was cut off, unless that is greater.
            (_, Some(char::MAX)) => None,
            (head, Some(_)) => Some(quote(&format!("{head}{}", char::MAX))),
        },
        CanonicalType::Timestamp { .. } => Some(millis(round_up(moment(text)?)?, false)),
        CanonicalType::TimestampTz { .. } => Some(millis(round_up(moment(text)?)?, true)),
        _ => plain(stored, text),
    }
}

/// Bounds that are stated as they are.
fn plain(stored: CanonicalType, text: &str) -> Option<String> {
    match stored {
        CanonicalType::Float => text
            .parse::<f32>()
            .ok()
            .and_then(|value| double(value.into())),
        CanonicalType::Double => text.parse::<f64>().ok().and_then(double),
        CanonicalType::Date => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            in_calendar(day).then(|| quote(&day.format("%Y-%m-%d").to_string()))
        }
        stored if stored.is_exact_number() => is_json_number(text).then(|| text.to_owned()),
        _ => None,
    }
}

fn double(value: f64) -> Option<String> {
    serde_json::Number::from_f64(value).map(|number| number.to_string())
}

/// The first characters of a text, and the first that was cut off.
fn cut(text: &str) -> (&str, Option<char>) {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((end, next)) => (&text[..end], Some(next)),
        None => (text, None),
    }
}

/// Readers of the log agree on years of four digits alone.
fn in_calendar(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .filter(|moment| in_calendar(moment.date()))
}

fn round_up(moment: NaiveDateTime) -> Option<NaiveDateTime> {
    let beyond = moment.and_utc().timestamp_subsec_nanos() % 1_000_000;
    if beyond == 0 {
        return Some(moment);
    }
    let next = moment.checked_add_signed(TimeDelta::nanoseconds(1_000_000 - i64::from(beyond)))?;
    in_calendar(next.date()).then_some(next)
}

/// Cut to milliseconds, which for any moment is downwards.
fn millis(moment: NaiveDateTime, zoned: bool) -> String {
    let zone = if zoned { "Z" } else { "" };
    quote(&format!("{}{zone}", moment.format("%Y-%m-%dT%H:%M:%S%.3f")))
}

fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(w, f)| (w, Some(f)));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(all)
}

/// Milliseconds since 1970, for the log.
pub(super) fn now() -> i64 {
    DateTime::<Utc>::from(std::time::SystemTime::now()).timestamp_millis()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Decimal128Type, DecimalType};
    use proptest::prelude::*;

    use super::*;

    fn decimal(scale: u8) -> CanonicalType {
        CanonicalType::Decimal {
            precision: 38,
            scale,
        }
    }

    #[test]
    fn bounds_are_stated_or_left_out() {
        use CanonicalType as T;
        let ntz = T::Timestamp { scale: 6 };
        let text = T::VariableString { length: None };
        let long = "é".repeat(40);
        let cases: &[(T, &str, Option<&str>, Option<&str>)] = &[
            (
                T::Integer8,
                "-9223372036854775808",
                Some("-9223372036854775808"),
                Some("-9223372036854775808"),
            ),
            (
                decimal(20),
                "0.12345678901234567891",
                Some("0.12345678901234567891"),
                Some("0.12345678901234567891"),
            ),
            (decimal(2), ".5", None, None),
            (decimal(2), "007", None, None),
            (decimal(2), "1e5", None, None),
            (T::Double, "0.1", Some("0.1"), Some("0.1")),
            (T::Double, "inf", None, None),
            (T::Double, "NaN", None, None),
            (
                T::Date,
                "2024-02-29",
                Some("\"2024-02-29\""),
                Some("\"2024-02-29\""),
            ),
            (T::Date, "-0044-03-15", None, None),
            (T::Date, "+12024-02-29", None, None),
            (
                ntz,
                "2024-02-29T23:59:59.999001",
                Some("\"2024-02-29T23:59:59.999\""),
                Some("\"2024-03-01T00:00:00.000\""),
            ),
            (
                ntz,
                "1969-12-31T23:59:59.0005",
                Some("\"1969-12-31T23:59:59.000\""),
                Some("\"1969-12-31T23:59:59.001\""),
            ),
            (
                ntz,
                "9999-12-31T23:59:59.999999",
                Some("\"9999-12-31T23:59:59.999\""),
                None,
            ),
            (
                T::TimestampTz { scale: 6 },
                "2024-02-29T12:00:00Z",
                Some("\"2024-02-29T12:00:00.000Z\""),
                Some("\"2024-02-29T12:00:00.000Z\""),
            ),
            (
                text,
                "a\"b\0",
                Some("\"a\\\"b\\u0000\""),
                Some("\"a\\\"b\\u0000\""),
            ),
            (T::Boolean, "true", None, None),
            (T::Binary { length: None }, "x", None, None),
        ];
        for (stored, value, least, greatest) in cases {
            assert_eq!(lower(*stored, value).as_deref(), *least, "{stored} {value}");
            assert_eq!(
                upper(*stored, value).as_deref(),
                *greatest,
                "{stored} {value}"
            );
        }
        let head = "é".repeat(32);
        assert_eq!(lower(text, &long), Some(format!("\"{head}\"")));
        assert_eq!(upper(text, &long), Some(format!("\"{head}\u{10FFFF}\"")));
        assert_eq!(upper(text, &format!("{head}\u{10FFFF}x")), None);
    }

    proptest! {
        #[test]
        fn a_decimal_keeps_every_digit(value in -(10i128.pow(38) - 1)..10i128.pow(38), scale in 0u8..=38) {
            let written = Decimal128Type::format_decimal(value, 38, scale as i8);
            prop_assert_eq!(lower(decimal(scale), &written), Some(written.clone()));
            prop_assert_eq!(upper(decimal(scale), &written), Some(written));
        }

        #[test]
        fn text_lies_between_its_bounds(value in "\\PC{0,60}") {
            let stored = CanonicalType::LargeString;
            let read = |json: String| serde_json::from_str::<String>(&json).unwrap();
            prop_assert!(read(lower(stored, &value).unwrap()) <= value);
            if let Some(json) = upper(stored, &value) {
                prop_assert!(read(json) >= value);
            }
        }

        #[test]
        fn a_moment_lies_between_its_bounds(micros in -62_135_596_800_000_000i64..253_402_300_799_000_000) {
            let exact = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let text = exact.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            let stored = CanonicalType::Timestamp { scale: 6 };
            let read = |json: String| moment(&serde_json::from_str::<String>(&json).unwrap()).unwrap();
            prop_assert!(read(lower(stored, &text).unwrap()) <= exact);
            let greatest = read(upper(stored, &text).unwrap());
            prop_assert!(greatest >= exact && greatest - exact < TimeDelta::milliseconds(1));
        }
    }
}
