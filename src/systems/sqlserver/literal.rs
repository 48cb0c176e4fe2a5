//! Values as SQL text, each with its type said.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::scalar::ScalarValue;

use super::native::Kind;

/// A name in brackets; any name at all.
pub(super) fn quote(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// Text in quotes. `None` for a NUL, which ends a statement for some tools.
pub(super) fn text(value: &str) -> Option<String> {
    (!value.contains('\0')).then(|| format!("N'{}'", value.replace('\'', "''")))
}

/// A UUID in the one form that we read; any other text equals no value.
pub(super) fn uuid(value: &str) -> Option<String> {
    let form = |(i, b): (usize, u8)| match i {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_digit() || (b'A'..=b'F').contains(&b),
    };
    let fits = value.len() == 36 && value.bytes().enumerate().all(form);
    fits.then(|| format!("CAST('{value}' AS uniqueidentifier)"))
}

/// A value of a kind that is no text; `None` where the server's type has no such value, so that a
/// comparison there would be with another one.
pub(super) fn typed(kind: Kind, value: &ScalarValue) -> Option<String> {
    match kind {
        Kind::Bit => match value {
            ScalarValue::Boolean(Some(value)) => Some(u8::from(*value).to_string()),
            _ => None,
        },
        Kind::TinyInt | Kind::SmallInt | Kind::Int | Kind::BigInt => number(value),
        Kind::Decimal(..) | Kind::Money | Kind::SmallMoney => decimal(value),
        Kind::Date => {
            let day = date(value)?;
            Some(format!("CAST('{}' AS date)", day.format("%Y-%m-%d")))
        }
        Kind::Time(scale) => time(value, scale),
        Kind::SmallDateTime => small_date_time(moment(value)?),
        Kind::DateTime => date_time(moment(value)?),
        Kind::DateTime2(scale) => {
            let (text, digits) = exact_moment(moment(value)?, scale)?;
            Some(format!("CAST('{text}' AS datetime2({digits}))"))
        }
        Kind::DateTimeOffset(scale) => {
            let (text, digits) = exact_moment(moment(value)?, scale)?;
            Some(format!("CAST('{text}+00:00' AS datetimeoffset({digits}))"))
        }
        Kind::Binary(_) | Kind::VarBinary(_) | Kind::RowVersion => bytes(value),
        _ => None,
    }
}

fn number(value: &ScalarValue) -> Option<String> {
    Some(match value {
        ScalarValue::Int8(Some(value)) => value.to_string(),
        ScalarValue::Int16(Some(value)) => value.to_string(),
        ScalarValue::Int32(Some(value)) => value.to_string(),
        ScalarValue::Int64(Some(value)) => value.to_string(),
        _ => return None,
    })
}

fn decimal(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Decimal128(Some(unscaled), precision, scale) = value else {
        return number(value);
    };
    let scale = usize::try_from(*scale).ok()?;
    let sign = if *unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    if digits.len() > usize::from(*precision) {
        return None;
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Some(format!(
        "CAST({sign}{whole}{point}{fraction} AS decimal({precision},{scale}))"
    ))
}

fn date(value: &ScalarValue) -> Option<NaiveDate> {
    let ScalarValue::Date32(Some(days)) = value else {
        return None;
    };
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let step = Days::new(u64::from(days.unsigned_abs()));
    let day = match *days < 0 {
        true => epoch.checked_sub_days(step)?,
        false => epoch.checked_add_days(step)?,
    };
    in_our_years(day).then_some(day)
}

fn time(value: &ScalarValue, scale: u8) -> Option<String> {
    let nanos = match value {
        ScalarValue::Time64Microsecond(Some(micros)) => micros.checked_mul(1000)?,
        ScalarValue::Time64Nanosecond(Some(nanos)) => *nanos,
        _ => return None,
    };
    let seconds = u32::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let fraction = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, fraction)?;
    let digits = digits(time.nanosecond(), scale)?;
    let text = format!(
        "{}{}",
        time.format("%H:%M:%S"),
        fraction_text(fraction, digits)
    );
    Some(format!("CAST('{text}' AS time({digits}))"))
}

fn moment(value: &ScalarValue) -> Option<NaiveDateTime> {
    let moment = match value {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => {
            DateTime::from_timestamp_micros(*micros)?
        }
        ScalarValue::TimestampNanosecond(Some(nanos), _) => DateTime::from_timestamp_nanos(*nanos),
        _ => return None,
    };
    let moment = moment.naive_utc();
    in_our_years(moment.date()).then_some(moment)
}

/// The digits of a second with which a literal is exact: those of the column, or all that there are.
fn digits(nanos: u32, scale: u8) -> Option<u8> {
    let fits = |digits: u8| nanos.is_multiple_of(10_u32.pow(9 - u32::from(digits)));
    [scale.min(7), 7].into_iter().find(|&digits| fits(digits))
}

fn fraction_text(nanos: u32, digits: u8) -> String {
    match digits {
        0 => String::new(),
        digits => format!(".{:.*}", usize::from(digits), format!("{nanos:09}")),
    }
}

fn exact_moment(moment: NaiveDateTime, scale: u8) -> Option<(String, u8)> {
    let nanos = moment.nanosecond();
    let digits = digits(nanos, scale)?;
    let whole = moment.format("%Y-%m-%dT%H:%M:%S");
    Some((format!("{whole}{}", fraction_text(nanos, digits)), digits))
}

/// Steps of 1/300 second are shown as milliseconds that end in 0, 3 or 7; the server would round
/// any other to one of these.
fn date_time(moment: NaiveDateTime) -> Option<String> {
    let nanos = moment.nanosecond();
    let millis = nanos / 1_000_000;
    let is_step = nanos.is_multiple_of(1_000_000) && matches!(millis % 10, 0 | 3 | 7);
    let known = is_step && moment.year() >= 1753;
    let whole = moment.format("%Y-%m-%dT%H:%M:%S");
    known.then(|| format!("CAST('{whole}.{millis:03}' AS datetime)"))
}

fn small_date_time(moment: NaiveDateTime) -> Option<String> {
    let whole = moment.second() == 0 && moment.nanosecond() == 0;
    let first = NaiveDate::from_ymd_opt(1900, 1, 1)?;
    let last = NaiveDate::from_ymd_opt(2079, 6, 6)?;
    let known = whole && (first..=last).contains(&moment.date());
    known.then(|| {
        format!(
            "CAST('{}' AS smalldatetime)",
            moment.format("%Y-%m-%dT%H:%M:%S")
        )
    })
}

fn in_our_years(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

fn bytes(value: &ScalarValue) -> Option<String> {
    let bytes = match value {
        ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes)) => bytes,
        _ => return None,
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    (bytes.len() <= 8000).then(|| format!("0x{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{CanonicalType, parse_value};

    fn written(kind: Kind, canonical: &str, text: &str) -> Option<String> {
        let canonical: CanonicalType = canonical.parse().unwrap();
        typed(kind, &parse_value(text, canonical).unwrap())
    }

    #[test]
    fn values_are_written_whole() {
        let table = [
            (
                Kind::BigInt,
                "INTEGER_8",
                "-9223372036854775808",
                "-9223372036854775808",
            ),
            (
                Kind::Decimal(10, 3),
                "DECIMAL(10,3)",
                "-0.005",
                "CAST(-0.005 AS decimal(10,3))",
            ),
            (
                Kind::Decimal(38, 0),
                "INTEGER_38",
                "99999999999999999999999999999999999999",
                "CAST(99999999999999999999999999999999999999 AS decimal(38,0))",
            ),
            (
                Kind::Money,
                "DECIMAL(19,4)",
                "1.5",
                "CAST(1.5000 AS decimal(19,4))",
            ),
            (
                Kind::Date,
                "DATE",
                "0001-01-01",
                "CAST('0001-01-01' AS date)",
            ),
            (Kind::Bit, "BOOLEAN", "true", "1"),
            (
                Kind::Time(3),
                "TIME(3)",
                "23:59:59.999",
                "CAST('23:59:59.999' AS time(3))",
            ),
            (
                Kind::Time(7),
                "TIME(7)",
                "23:59:59.1234567",
                "CAST('23:59:59.1234567' AS time(7))",
            ),
            (
                Kind::DateTime2(0),
                "TIMESTAMP(0)",
                "2020-01-31 12:00:00",
                "CAST('2020-01-31T12:00:00' AS datetime2(0))",
            ),
            (
                Kind::DateTime2(0),
                "TIMESTAMP(6)",
                "2020-01-31 12:00:00.000001",
                "CAST('2020-01-31T12:00:00.0000010' AS datetime2(7))",
            ),
            (
                Kind::DateTime,
                "TIMESTAMP(3)",
                "2020-01-31 12:00:00.003",
                "CAST('2020-01-31T12:00:00.003' AS datetime)",
            ),
            (
                Kind::SmallDateTime,
                "TIMESTAMP(0)",
                "2020-01-31 12:01:00",
                "CAST('2020-01-31T12:01:00' AS smalldatetime)",
            ),
            (
                Kind::DateTimeOffset(2),
                "TIMESTAMP_TZ(2)",
                "2020-01-31 12:00:00.25+02:00",
                "CAST('2020-01-31T10:00:00.25+00:00' AS datetimeoffset(2))",
            ),
            (Kind::Binary(2), "BINARY(2)", "00fF", "0x00FF"),
        ];
        for (kind, canonical, text, sql) in table {
            assert_eq!(written(kind, canonical, text).as_deref(), Some(sql));
        }
        assert_eq!(quote("a]b["), "[a]]b[]");
        assert_eq!(text("it's").as_deref(), Some("N'it''s'"));
    }

    #[test]
    fn what_the_server_can_not_hold_is_not_written() {
        assert_eq!(text("a\0b"), None);
        assert_eq!(uuid("'; DROP TABLE t; --"), None);
        assert_eq!(uuid("00000000-0000-0000-0000-00000000000a"), None);
        for (kind, canonical, text) in [
            (Kind::DateTime, "TIMESTAMP(3)", "2020-01-31 12:00:00.001"),
            (Kind::DateTime, "TIMESTAMP(3)", "1752-12-31 00:00:00"),
            (Kind::SmallDateTime, "TIMESTAMP(0)", "2020-01-31 12:00:01"),
            (Kind::SmallDateTime, "TIMESTAMP(0)", "2079-06-07 00:00:00"),
            (
                Kind::DateTime2(7),
                "TIMESTAMP(9)",
                "2020-01-31 12:00:00.000000001",
            ),
        ] {
            assert_eq!(written(kind, canonical, text), None, "{text}");
        }
        let far = ScalarValue::TimestampMicrosecond(Some(i64::MAX), None);
        assert_eq!(typed(Kind::DateTime2(7), &far), None);
        assert_eq!(
            typed(Kind::Date, &ScalarValue::Date32(Some(-719_163))),
            None
        );
    }
}
