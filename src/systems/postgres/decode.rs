//! From the bytes of a value on the wire to an Arrow builder: one decoder per column, chosen once.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, GenericStringBuilder, LargeBinaryBuilder, OffsetSizeTrait,
    PrimitiveBuilder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType, i256,
};

use super::dialect::Wire;
use super::numeric::Numeric;
use crate::error::{Error, Result};

/// Days from 1970-01-01, Arrow's zero, to 2000-01-01, the server's.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31, in days from 1970-01-01.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;

/// Why a value can't be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server sent what the protocol does not allow.
    Protocol(&'static str),
    /// The value breaks the column's type: the value for people, and why it breaks it.
    Value(String, &'static str),
}

/// Takes the values of one column.
pub(super) trait Decoder: Send {
    /// Appends a value.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault>;

    /// Appends NULL.
    fn append_null(&mut self);

    /// The values so far; begins anew.
    fn finish(&mut self) -> ArrayRef;
}

/// The decoder of a column that comes as `wire` and becomes `data_type`.
pub(super) fn decoder(wire: Wire, data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    Ok(match (wire, data_type) {
        (Wire::Text, DataType::Utf8) => text::<i32>(rows),
        (Wire::Text, DataType::LargeUtf8) => text::<i64>(rows),
        (Wire::Uuid, DataType::Utf8) => Box::new(UuidText(GenericStringBuilder::new())),
        (Wire::Boolean, DataType::Boolean) => {
            Box::new(Booleans(BooleanBuilder::with_capacity(rows)))
        }
        (Wire::SmallInt, DataType::Int16) => {
            fixed::<Int16Type, 2>(data_type, rows, |b| Ok(i16::from_be_bytes(b)))
        }
        (Wire::Integer, DataType::Int32) => {
            fixed::<Int32Type, 4>(data_type, rows, |b| Ok(i32::from_be_bytes(b)))
        }
        (Wire::BigInt, DataType::Int64) => {
            fixed::<Int64Type, 8>(data_type, rows, |b| Ok(i64::from_be_bytes(b)))
        }
        (Wire::Real, DataType::Float32) => {
            fixed::<Float32Type, 4>(data_type, rows, |b| Ok(f32::from_be_bytes(b)))
        }
        (Wire::Double, DataType::Float64) => {
            fixed::<Float64Type, 8>(data_type, rows, |b| Ok(f64::from_be_bytes(b)))
        }
        (Wire::Date, DataType::Date32) => fixed::<Date32Type, 4>(data_type, rows, date),
        (Wire::Time, DataType::Time64(_)) => {
            fixed::<Time64MicrosecondType, 8>(data_type, rows, time)
        }
        (Wire::Timestamp, DataType::Timestamp(_, _)) => {
            fixed::<TimestampMicrosecondType, 8>(data_type, rows, timestamp)
        }
        (Wire::Bytea, DataType::LargeBinary) => Box::new(Bytes(LargeBinaryBuilder::new())),
        (Wire::Numeric, _) => return numeric(data_type, rows),
        _ => return Err(mismatch(wire, data_type)),
    })
}

fn mismatch(wire: Wire, data_type: &DataType) -> Error {
    Error::internal(format!(
        "A column that comes as {wire:?} can't become {data_type}"
    ))
}

fn numeric(data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    fn integer<T: TryFrom<i128>>(number: &Numeric<'_>) -> Option<T> {
        number
            .scaled::<i128>(0)
            .and_then(|value| T::try_from(value).ok())
    }
    Ok(match *data_type {
        DataType::Int8 => numbers::<Int8Type>(data_type, rows, Box::new(integer::<i8>)),
        DataType::Int16 => numbers::<Int16Type>(data_type, rows, Box::new(integer::<i16>)),
        DataType::Int32 => numbers::<Int32Type>(data_type, rows, Box::new(integer::<i32>)),
        DataType::Int64 => numbers::<Int64Type>(data_type, rows, Box::new(integer::<i64>)),
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(precision.min(38)));
            let fits = move |value: &i128| -limit < *value && *value < limit;
            let take = move |number: &Numeric<'_>| number.scaled(scale.into()).filter(fits);
            numbers::<Decimal128Type>(data_type, rows, Box::new(take))
        }
        DataType::Decimal256(precision, scale) => {
            let limit = i256::from_i128(10)
                .checked_pow(u32::from(precision))
                .ok_or_else(|| mismatch(Wire::Numeric, data_type))?;
            let fits = move |value: &i256| limit.wrapping_neg() < *value && *value < limit;
            let take = move |number: &Numeric<'_>| number.scaled(scale.into()).filter(fits);
            numbers::<Decimal256Type>(data_type, rows, Box::new(take))
        }
        _ => return Err(mismatch(Wire::Numeric, data_type)),
    })
}

/// Values of a fixed number of bytes.
struct Fixed<T: ArrowPrimitiveType, const N: usize> {
    builder: PrimitiveBuilder<T>,
    read: fn([u8; N]) -> Result<T::Native, Fault>,
}

fn fixed<T: ArrowPrimitiveType, const N: usize>(
    data_type: &DataType,
    rows: usize,
    read: fn([u8; N]) -> Result<T::Native, Fault>,
) -> Box<dyn Decoder> {
    let builder = PrimitiveBuilder::with_capacity(rows).with_data_type(data_type.clone());
    Box::new(Fixed::<T, N> { builder, read })
}

impl<T: ArrowPrimitiveType, const N: usize> Decoder for Fixed<T, N> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let bytes = bytes
            .try_into()
            .map_err(|_| Fault::Protocol("a value of a wrong length"))?;
        self.builder.append_value((self.read)(bytes)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

fn date(bytes: [u8; 4]) -> Result<i32, Fault> {
    match i32::from_be_bytes(bytes) {
        i32::MAX => Err(infinite("infinity")),
        i32::MIN => Err(infinite("-infinity")),
        days => days
            .checked_add(EPOCH_DAYS)
            .filter(|days| (FIRST_DAY..=LAST_DAY).contains(days))
            .ok_or_else(|| outside(i64::from(days))),
    }
}

fn timestamp(bytes: [u8; 8]) -> Result<i64, Fault> {
    match i64::from_be_bytes(bytes) {
        i64::MAX => Err(infinite("infinity")),
        i64::MIN => Err(infinite("-infinity")),
        micros => micros
            .checked_add(EPOCH_MICROS)
            .filter(|micros| {
                let day = micros.div_euclid(DAY_MICROS);
                (i64::from(FIRST_DAY)..=i64::from(LAST_DAY)).contains(&day)
            })
            .ok_or_else(|| outside(micros.div_euclid(DAY_MICROS))),
    }
}

fn time(bytes: [u8; 8]) -> Result<i64, Fault> {
    match i64::from_be_bytes(bytes) {
        DAY_MICROS => Err(Fault::Value(
            "24:00:00".to_owned(),
            "which is the end of a day and no time in it",
        )),
        micros @ 0..DAY_MICROS => Ok(micros),
        _ => Err(Fault::Protocol("a time outside of the day")),
    }
}

fn infinite(value: &str) -> Fault {
    Fault::Value(value.to_owned(), "which is no day")
}

/// A day beyond our years, counted from 2000-01-01, as the server writes it.
fn outside(days: i64) -> Fault {
    let (year, month, day) = civil(days);
    let text = match year {
        1.. => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{:04}-{month:02}-{day:02} BC", 1 - year),
    };
    Fault::Value(text, "which is not in the years 1 to 9999")
}

/// Year, month and day of any day at all, counted from 2000-01-01, where chrono's years end. Years
/// begin in March here, so that the leap day is the last: after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// How a number becomes a column's value; `None` when it does not fit.
type Take<T> = Box<dyn Fn(&Numeric<'_>) -> Option<T> + Send>;

struct Numbers<T: ArrowPrimitiveType> {
    builder: PrimitiveBuilder<T>,
    take: Take<T::Native>,
}

fn numbers<T: ArrowPrimitiveType>(
    data_type: &DataType,
    rows: usize,
    take: Take<T::Native>,
) -> Box<dyn Decoder> {
    let builder = PrimitiveBuilder::with_capacity(rows).with_data_type(data_type.clone());
    Box::new(Numbers::<T> { builder, take })
}

impl<T: ArrowPrimitiveType> Decoder for Numbers<T> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let number = Numeric::parse(bytes)?;
        let value = (self.take)(&number)
            .ok_or_else(|| Fault::Value(number.to_string(), "which the decimal can't hold"))?;
        self.builder.append_value(value);
        Ok(())
    }

    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

struct Booleans(BooleanBuilder);

impl Decoder for Booleans {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match bytes {
            [byte @ (0 | 1)] => self.0.append_value(*byte == 1),
            _ => return Err(Fault::Protocol("a boolean that is neither true nor false")),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct Bytes(LargeBinaryBuilder);

impl Decoder for Bytes {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.0.append_value(bytes);
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct Text<O: OffsetSizeTrait>(GenericStringBuilder<O>);

fn text<O: OffsetSizeTrait>(rows: usize) -> Box<dyn Decoder> {
    Box::new(Text::<O>(GenericStringBuilder::with_capacity(rows, 0)))
}

impl<O: OffsetSizeTrait> Decoder for Text<O> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.append_value(text),
            Err(_) => {
                let shown = String::from_utf8_lossy(bytes).into_owned();
                return Err(Fault::Value(shown, "which is no UTF-8"));
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct UuidText(GenericStringBuilder<i32>);

impl Decoder for UuidText {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let bytes = bytes
            .try_into()
            .map_err(|_| Fault::Protocol("a UUID of a wrong length"))?;
        let mut text = uuid::Uuid::encode_buffer();
        self.0.append_value(
            uuid::Uuid::from_bytes(bytes)
                .hyphenated()
                .encode_lower(&mut text),
        );
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_and_moments_end_where_ours_do() {
        let day = |days: i32| date((days - EPOCH_DAYS).to_be_bytes());
        assert_eq!(day(FIRST_DAY), Ok(FIRST_DAY));
        assert_eq!(day(LAST_DAY), Ok(LAST_DAY));
        let value = |fault: Result<i32, Fault>| match fault.unwrap_err() {
            Fault::Value(value, _) => value,
            Fault::Protocol(text) => text.to_owned(),
        };
        assert_eq!(value(day(FIRST_DAY - 1)), "0001-12-31 BC");
        assert_eq!(value(day(LAST_DAY + 1)), "10000-01-01");
        assert_eq!(value(date(i32::MAX.to_be_bytes())), "infinity");
        let last = (i64::from(LAST_DAY) + 1) * DAY_MICROS - 1 - EPOCH_MICROS;
        assert!(timestamp(last.to_be_bytes()).is_ok());
        assert!(timestamp((last + 1).to_be_bytes()).is_err());
        assert!(timestamp((i64::MAX - 1).to_be_bytes()).is_err());
        assert!(timestamp((i64::MIN + 1).to_be_bytes()).is_err());
        assert!(time(DAY_MICROS.to_be_bytes()).is_err());
    }

    #[test]
    fn a_uuid_becomes_its_text() {
        let mut decoder = decoder(Wire::Uuid, &DataType::Utf8, 1).unwrap();
        decoder.append(&[0xAB; 16]).unwrap();
        let array = decoder.finish();
        assert_eq!(
            array.as_string::<i32>().value(0),
            "abababab-abab-abab-abab-abababababab"
        );
    }

    proptest! {
        #[test]
        fn a_day_has_its_name(days in -3_000_000_i32..3_000_000) {
            let first = chrono::NaiveDate::from_ymd_opt(2000, 1, 1).unwrap();
            let day = first + chrono::TimeDelta::days(days.into());
            let (year, month, day_of_month) = civil(days.into());
            let named = format!("{year:+05}-{month:02}-{day_of_month:02}");
            let expected = format!("{:+05}-{}", chrono::Datelike::year(&day), day.format("%m-%d"));
            prop_assert_eq!(named, expected);
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for (wire, data_type) in [
                (Wire::Text, DataType::Utf8),
                (Wire::Uuid, DataType::Utf8),
                (Wire::Boolean, DataType::Boolean),
                (Wire::Integer, DataType::Int32),
                (Wire::Date, DataType::Date32),
                (Wire::Numeric, DataType::Int8),
                (Wire::Numeric, DataType::Decimal128(38, 10)),
                (Wire::Numeric, DataType::Decimal256(76, 10)),
            ] {
                let mut decoder = decoder(wire, &data_type, 1).unwrap();
                let appended = decoder.append(&bytes).is_ok();
                prop_assert_eq!(decoder.finish().len(), usize::from(appended));
            }
        }
    }
}
