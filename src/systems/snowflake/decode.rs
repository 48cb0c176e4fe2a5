//! Cells of an answer, which are text, as columns.
//!
//! The text forms are the server's: days for dates, seconds with a fraction for times, digits in
//! pairs for bytes. Nothing is rounded; a cell that does not fit its column ends the answer.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, StringArray,
    Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};

/// A cell that is no value of its column's type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Its row among those that were decoded together.
    pub(super) row: usize,
    pub(super) text: String,
}

/// The cells of one column as an array of a type.
pub(super) fn decode(kind: &DataType, cells: &[Option<&str>]) -> Result<ArrayRef, Misfit> {
    macro_rules! of {
        ($array:ty, $read:expr) => {
            Arc::new(all(cells, $read)?.into_iter().collect::<$array>()) as ArrayRef
        };
    }
    Ok(match kind {
        DataType::Int8 => of!(Int8Array, |text| whole(text)?.try_into().ok()),
        DataType::Int16 => of!(Int16Array, |text| whole(text)?.try_into().ok()),
        DataType::Int32 => of!(Int32Array, |text| whole(text)?.try_into().ok()),
        DataType::Int64 => of!(Int64Array, |text| whole(text)?.try_into().ok()),
        DataType::Decimal128(precision, scale) => {
            let units = all(cells, |text| {
                let units = scaled(text, usize::try_from(*scale).ok()?)?;
                let fits = units.unsigned_abs() < 10u128.checked_pow(u32::from(*precision))?;
                fits.then_some(units)
            })?;
            let array = Decimal128Array::from(units).with_data_type(kind.clone());
            Arc::new(array)
        }
        DataType::Float32 => of!(Float32Array, single),
        DataType::Float64 => of!(Float64Array, |text| text.parse::<f64>().ok()),
        DataType::Boolean => of!(BooleanArray, boolean),
        DataType::Date32 => of!(Date32Array, |text| whole(text)?.try_into().ok()),
        DataType::Time64(TimeUnit::Microsecond) => {
            of!(Time64MicrosecondArray, |text| ticks(text, 6))
        }
        DataType::Time64(_) => of!(Time64NanosecondArray, |text| ticks(text, 9)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let array = TimestampMicrosecondArray::from(all(cells, |text| ticks(text, 6))?);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Timestamp(_, zone) => {
            let array = TimestampNanosecondArray::from(all(cells, |text| ticks(text, 9))?);
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Utf8 => Arc::new(StringArray::from(cells.to_vec())),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(cells.to_vec())),
        DataType::Binary => of!(BinaryArray, bytes),
        DataType::LargeBinary => of!(LargeBinaryArray, bytes),
        _ => {
            return Err(Misfit {
                row: 0,
                text: format!("a column of type {kind}"),
            });
        }
    })
}

fn all<T>(
    cells: &[Option<&str>],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Option<T>>, Misfit> {
    let one = |(row, cell): (usize, &Option<&str>)| match cell {
        None => Ok(None),
        Some(text) => read(text).map(Some).ok_or_else(|| Misfit {
            row,
            text: (*text).to_owned(),
        }),
    };
    cells.iter().enumerate().map(one).collect()
}

/// A whole number, which may end in a point and zeros.
fn whole(text: &str) -> Option<i128> {
    scaled(text, 0)
}

/// A plain number in units of 10^-scale; `None` for a digit beyond the scale.
fn scaled(text: &str, scale: usize) -> Option<i128> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let kept = fraction.trim_end_matches('0');
    let zeros = scale.checked_sub(kept.len())?;
    let text = format!("{whole}{kept}{}", "0".repeat(zeros));
    let units: i128 = if text.is_empty() {
        0
    } else {
        text.parse().ok()?
    };
    Some(if negative { -units } else { units })
}

/// Seconds with a fraction in ticks; behind an instant stands its offset, which changes nothing.
fn ticks(text: &str, scale: usize) -> Option<i64> {
    let seconds = text.split(' ').next()?;
    i64::try_from(scaled(seconds, scale)?).ok()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "TRUE" => Some(true),
        "0" | "false" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A double that is a single: one that was not stored from a single is no value of the column.
fn single(text: &str) -> Option<f32> {
    let double: f64 = text.parse().ok()?;
    let single = double as f32;
    (double.is_nan() || f64::from(single) == double).then_some(single)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn shown(kind: &DataType, text: &str) -> String {
        let array = decode(kind, &[Some(text), None]).unwrap();
        assert!(array.is_null(1));
        assert_eq!(array.data_type(), kind);
        array_value_to_string(&array, 0).unwrap()
    }

    #[test]
    fn cells_are_read_exactly() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let nines = "9".repeat(38);
        for (kind, text, expected) in [
            (DataType::Int8, "-128", "-128"),
            (
                DataType::Int64,
                "9223372036854775807",
                "9223372036854775807",
            ),
            (DataType::Decimal128(38, 0), nines.as_str(), nines.as_str()),
            (DataType::Decimal128(15, 2), "-0.05", "-0.05"),
            (DataType::Decimal128(15, 2), "3", "3.00"),
            (DataType::Float64, "-inf", "-inf"),
            (DataType::Float64, "NaN", "NaN"),
            (DataType::Float64, "5e-324", "5e-324"),
            (DataType::Float32, "0.10000000149011612", "0.1"),
            (DataType::Boolean, "1", "true"),
            (DataType::Date32, "-719162", "0001-01-01"),
            (
                DataType::Time64(TimeUnit::Microsecond),
                "86399.999999000",
                "23:59:59.999999",
            ),
            (micros.clone(), "-0.500000000", "1969-12-31T23:59:59.500"),
            (
                nanos,
                "1577836800.123456789",
                "2020-01-01T00:00:00.123456789",
            ),
            (instant, "1577836800.000000000 1560", "2020-01-01T00:00:00Z"),
            (DataType::LargeBinary, "00FFc328", "00ffc328"),
            (DataType::LargeUtf8, "", ""),
        ] {
            assert_eq!(shown(&kind, text), expected, "{kind} {text}");
        }
        for (kind, text) in [
            (DataType::Int8, "128"),
            (DataType::Int64, "1.5"),
            (DataType::Decimal128(4, 2), "100.00"),
            (DataType::Decimal128(4, 2), "0.001"),
            (DataType::Float32, "0.1"),
            (DataType::Boolean, "2"),
            (DataType::Binary, "0"),
            (micros, "0.0000001"),
            (DataType::Date32, ""),
        ] {
            let misfit = decode(&kind, &[None, Some(text)]).unwrap_err();
            assert_eq!((misfit.row, misfit.text.as_str()), (1, text), "{kind}");
        }
    }
}
