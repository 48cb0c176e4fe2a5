//! Values as SQL text, each with its type said.

use arrow::datatypes::i256;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::scalar::ScalarValue;

use super::native::Kind;

/// Text in quotes. `None` for a NUL, which the server can't hold.
pub(super) fn text(value: &str) -> Option<String> {
    (!value.contains('\0')).then(|| format!("'{}'", value.replace('\'', "''")))
}

/// A UUID in the one form that we read; any other text equals no value.
pub(super) fn uuid(value: &str) -> Option<String> {
    let form = |(i, b): (usize, u8)| match i {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
    };
    let fits = value.len() == 36 && value.bytes().enumerate().all(form);
    fits.then(|| format!("'{value}'::uuid"))
}

/// A value of a kind that is no text.
pub(super) fn typed(kind: Kind, value: &ScalarValue) -> Option<String> {
    match kind {
        Kind::Boolean => match value {
            ScalarValue::Boolean(Some(value)) => Some(value.to_string()),
            _ => None,
        },
        Kind::SmallInt => Some(format!("'{}'::smallint", number(value)?)),
        Kind::Integer => Some(format!("'{}'::integer", number(value)?)),
        Kind::BigInt | Kind::Oid => Some(format!("'{}'::bigint", number(value)?)),
        Kind::Numeric(_) | Kind::Money => Some(format!("'{}'::numeric", number(value)?)),
        Kind::Date => date(value),
        Kind::Time(_) => time(value),
        Kind::Timestamp(_) => Some(format!("'{}'::timestamp", moment(value)?)),
        Kind::TimestampTz(_) => Some(format!("'{}+00'::timestamptz", moment(value)?)),
        Kind::Bytea => bytes(value),
        _ => None,
    }
}

fn number(value: &ScalarValue) -> Option<String> {
    Some(match value {
        ScalarValue::Int8(Some(value)) => value.to_string(),
        ScalarValue::Int16(Some(value)) => value.to_string(),
        ScalarValue::Int32(Some(value)) => value.to_string(),
        ScalarValue::Int64(Some(value)) => value.to_string(),
        ScalarValue::Decimal128(Some(value), _, scale) => decimal(i256::from_i128(*value), *scale),
        ScalarValue::Decimal256(Some(value), _, scale) => decimal(*value, *scale),
        _ => return None,
    })
}

fn decimal(value: i256, scale: i8) -> String {
    let digits = value.to_string();
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.as_str()),
    };
    let scale = usize::try_from(scale).unwrap_or_default();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn date(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Date32(Some(days)) = value else {
        return None;
    };
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let step = Days::new(u64::from(days.unsigned_abs()));
    let day = match *days < 0 {
        true => epoch.checked_sub_days(step)?,
        false => epoch.checked_add_days(step)?,
    };
    in_our_years(day).then(|| format!("'{}'::date", day.format("%Y-%m-%d")))
}

fn time(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Time64Microsecond(Some(micros)) = value else {
        return None;
    };
    let seconds = u32::try_from(micros.div_euclid(1_000_000)).ok()?;
    let nanos = u32::try_from(micros.rem_euclid(1_000_000)).ok()? * 1000;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?;
    Some(format!("'{}'::time", time.format("%H:%M:%S%.6f")))
}

fn moment(value: &ScalarValue) -> Option<String> {
    let ScalarValue::TimestampMicrosecond(Some(micros), _) = value else {
        return None;
    };
    let moment: NaiveDateTime = DateTime::from_timestamp_micros(*micros)?.naive_utc();
    in_our_years(moment.date()).then(|| moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

fn in_our_years(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

fn bytes(value: &ScalarValue) -> Option<String> {
    let ScalarValue::LargeBinary(Some(bytes)) = value else {
        return None;
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("'\\x{hex}'::bytea"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_whole() {
        let numeric = Kind::Numeric(None);
        for (kind, value, expected) in [
            (
                numeric,
                ScalarValue::Decimal128(Some(-5), 10, 3),
                "'-0.005'::numeric",
            ),
            (
                numeric,
                ScalarValue::Decimal128(Some(i128::MIN), 38, 0),
                "'-170141183460469231731687303715884105728'::numeric",
            ),
            (
                Kind::BigInt,
                ScalarValue::Int64(Some(i64::MIN)),
                "'-9223372036854775808'::bigint",
            ),
            (
                Kind::Date,
                ScalarValue::Date32(Some(-1)),
                "'1969-12-31'::date",
            ),
            (
                Kind::Timestamp(6),
                ScalarValue::TimestampMicrosecond(Some(-1), None),
                "'1969-12-31 23:59:59.999999'::timestamp",
            ),
            (
                Kind::Bytea,
                ScalarValue::LargeBinary(Some(vec![0, 255])),
                "'\\x00ff'::bytea",
            ),
        ] {
            assert_eq!(typed(kind, &value).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_the_server_can_not_hold_is_not_written() {
        assert_eq!(text("a\0b"), None);
        assert_eq!(text("a'b\\").as_deref(), Some("'a''b\\'"));
        assert_eq!(uuid("00000000-0000-0000-0000-00000000000A"), None);
        assert_eq!(uuid("'; DROP TABLE t; --"), None);
        assert_eq!(
            typed(Kind::Date, &ScalarValue::Date32(Some(i32::MAX))),
            None
        );
        assert_eq!(
            typed(Kind::Date, &ScalarValue::Date32(Some(-719_163))),
            None
        );
        let far = ScalarValue::TimestampMicrosecond(Some(i64::MAX), None);
        assert_eq!(typed(Kind::Timestamp(6), &far), None);
    }
}
