//! From the bytes of a value on the wire to an Arrow builder: one decoder per column, chosen once.

use std::mem;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, GenericByteArray, NullBufferBuilder, OffsetSizeTrait, PrimitiveArray,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, ByteArrayType, DataType, Date32Type, Decimal128Type,
    Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    LargeBinaryType, LargeUtf8Type, Time64MicrosecondType, TimestampMicrosecondType, Utf8Type,
    i256,
};

use super::dialect::Wire;
use super::numeric::{Numeric, short};
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

/// Where a value lies among the bytes that came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    pub(super) at: u32,
    /// Negative for NULL.
    pub(super) length: i32,
}

impl Cell {
    #[inline]
    fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        let length = usize::try_from(self.length).ok()?;
        let at = self.at as usize;
        Some(&bytes[at..at + length])
    }
}

/// A value that can't be taken, by its position.
pub(super) type Refused = (usize, Fault);

/// Takes the values of one column, those of many rows at once.
pub(super) trait Decoder: Send {
    /// Appends values. The position in an error counts these; after it the decoder is done with.
    fn append(&mut self, bytes: &[u8], cells: &[Cell]) -> Result<(), Refused>;

    /// The values so far; begins anew. The position in an error counts all of them.
    fn finish(&mut self) -> Result<ArrayRef, Refused>;
}

/// The decoder of a column that comes as `wire` and becomes `data_type`.
pub(super) fn decoder(wire: Wire, data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    Ok(match (wire, data_type) {
        (Wire::Text, DataType::Utf8) => texts::<Utf8Type>(copy),
        (Wire::Text, DataType::LargeUtf8) => texts::<LargeUtf8Type>(copy),
        (Wire::Uuid, DataType::Utf8) => texts::<Utf8Type>(uuid),
        (Wire::Bytea, DataType::LargeBinary) => texts::<LargeBinaryType>(copy),
        (Wire::Boolean, DataType::Boolean) => {
            Box::new(Booleans(BooleanBuilder::with_capacity(rows)))
        }
        (Wire::SmallInt, DataType::Int16) => {
            fixed::<Int16Type, _, 2>(data_type, rows, |b| Ok(i16::from_be_bytes(b)))
        }
        (Wire::Integer, DataType::Int32) => {
            fixed::<Int32Type, _, 4>(data_type, rows, |b| Ok(i32::from_be_bytes(b)))
        }
        (Wire::BigInt, DataType::Int64) => {
            fixed::<Int64Type, _, 8>(data_type, rows, |b| Ok(i64::from_be_bytes(b)))
        }
        (Wire::Real, DataType::Float32) => {
            fixed::<Float32Type, _, 4>(data_type, rows, |b| Ok(f32::from_be_bytes(b)))
        }
        (Wire::Double, DataType::Float64) => {
            fixed::<Float64Type, _, 8>(data_type, rows, |b| Ok(f64::from_be_bytes(b)))
        }
        (Wire::Date, DataType::Date32) => fixed::<Date32Type, _, 4>(data_type, rows, date),
        (Wire::Time, DataType::Time64(_)) => {
            fixed::<Time64MicrosecondType, _, 8>(data_type, rows, time)
        }
        (Wire::Timestamp, DataType::Timestamp(_, _)) => {
            fixed::<TimestampMicrosecondType, _, 8>(data_type, rows, timestamp)
        }
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
    Ok(match *data_type {
        DataType::Int8 => integers::<Int8Type>(data_type, rows),
        DataType::Int16 => integers::<Int16Type>(data_type, rows),
        DataType::Int32 => integers::<Int32Type>(data_type, rows),
        DataType::Int64 => integers::<Int64Type>(data_type, rows),
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(precision.min(38)));
            let fits = move |value: &i128| -limit < *value && *value < limit;
            numbers::<Decimal128Type, _>(data_type, rows, move |bytes| {
                let value = match short(bytes, scale.into()) {
                    Some(value) => Some(value.into()),
                    None => Numeric::parse(bytes)?.scaled(scale.into()),
                };
                Ok(value.filter(fits))
            })
        }
        DataType::Decimal256(precision, scale) => {
            let limit = i256::from_i128(10)
                .checked_pow(u32::from(precision))
                .ok_or_else(|| mismatch(Wire::Numeric, data_type))?;
            let fits = move |value: &i256| limit.wrapping_neg() < *value && *value < limit;
            numbers::<Decimal256Type, _>(data_type, rows, move |bytes| {
                Ok(Numeric::parse(bytes)?.scaled(scale.into()).filter(fits))
            })
        }
        _ => return Err(mismatch(Wire::Numeric, data_type)),
    })
}

/// Numbers without a fraction, in a type that may be too small for one of them.
fn integers<T: ArrowPrimitiveType>(data_type: &DataType, rows: usize) -> Box<dyn Decoder>
where
    T::Native: TryFrom<i128>,
{
    numbers::<T, _>(data_type, rows, |bytes| {
        let value = match short(bytes, 0) {
            Some(value) => Some(value.into()),
            None => Numeric::parse(bytes)?.scaled::<i128>(0),
        };
        Ok(value.and_then(|value| value.try_into().ok()))
    })
}

/// Numbers, where `take` gives none for one that does not fit.
fn numbers<T: ArrowPrimitiveType, F>(data_type: &DataType, rows: usize, take: F) -> Box<dyn Decoder>
where
    F: Fn(&[u8]) -> Result<Option<T::Native>, Fault> + Send + 'static,
{
    primitive::<T, _>(data_type, rows, move |bytes| match take(bytes)? {
        Some(value) => Ok(value),
        None => {
            let number = Numeric::parse(bytes)?;
            Err(Fault::Value(
                number.to_string(),
                "which the decimal can't hold",
            ))
        }
    })
}

/// Values of a fixed number of bytes.
fn fixed<T: ArrowPrimitiveType, F, const N: usize>(
    data_type: &DataType,
    rows: usize,
    read: F,
) -> Box<dyn Decoder>
where
    F: Fn([u8; N]) -> Result<T::Native, Fault> + Send + 'static,
{
    primitive::<T, _>(data_type, rows, move |bytes| match bytes.try_into() {
        Ok(bytes) => read(bytes),
        Err(_) => Err(Fault::Protocol("a value of a wrong length")),
    })
}

/// Values of a fixed size in memory, each read by itself.
struct Primitive<T: ArrowPrimitiveType, F> {
    data_type: DataType,
    /// How many values a batch may have.
    rows: usize,
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    read: F,
}

fn primitive<T: ArrowPrimitiveType, F>(
    data_type: &DataType,
    rows: usize,
    read: F,
) -> Box<dyn Decoder>
where
    F: Fn(&[u8]) -> Result<T::Native, Fault> + Send + 'static,
{
    Box::new(Primitive::<T, F> {
        data_type: data_type.clone(),
        rows,
        values: Vec::new(),
        nulls: NullBufferBuilder::new(rows),
        read,
    })
}

impl<T: ArrowPrimitiveType, F> Decoder for Primitive<T, F>
where
    F: Fn(&[u8]) -> Result<T::Native, Fault> + Send,
{
    fn append(&mut self, bytes: &[u8], cells: &[Cell]) -> Result<(), Refused> {
        if self.values.is_empty() {
            self.values.reserve_exact(self.rows);
        }
        for (position, cell) in cells.iter().enumerate() {
            let value = match cell.of(bytes) {
                Some(value) => (self.read)(value).map_err(|fault| (position, fault))?,
                None => T::Native::default(),
            };
            self.values.push(value);
        }
        add_validity(&mut self.nulls, cells);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Refused> {
        let values = mem::take(&mut self.values);
        let array = PrimitiveArray::<T>::new(values.into(), self.nulls.finish());
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

/// Appends which cells are NULL: mostly none is.
fn add_validity(nulls: &mut NullBufferBuilder, cells: &[Cell]) {
    if cells.iter().all(|cell| cell.length >= 0) {
        nulls.append_n_non_nulls(cells.len());
    } else {
        cells.iter().for_each(|cell| nulls.append(cell.length >= 0));
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

struct Booleans(BooleanBuilder);

impl Decoder for Booleans {
    fn append(&mut self, bytes: &[u8], cells: &[Cell]) -> Result<(), Refused> {
        for (position, cell) in cells.iter().enumerate() {
            match cell.of(bytes) {
                None => self.0.append_null(),
                Some([byte @ (0 | 1)]) => self.0.append_value(*byte == 1),
                Some(_) => {
                    let fault = Fault::Protocol("a boolean that is neither true nor false");
                    return Err((position, fault));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Refused> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// Texts or bytes, which lie one after the other. Whether they are UTF-8 is looked at when a batch
/// is whole, since a look at many at once costs a fraction of one at each.
struct Texts<T: ByteArrayType> {
    values: Vec<u8>,
    offsets: Vec<T::Offset>,
    nulls: NullBufferBuilder,
    write: Write,
}

/// Appends the text of a value.
type Write = fn(&[u8], &mut Vec<u8>) -> Result<(), Fault>;

fn texts<T: ByteArrayType>(write: Write) -> Box<dyn Decoder> {
    Box::new(Texts::<T> {
        values: Vec::new(),
        offsets: vec![T::Offset::default()],
        nulls: NullBufferBuilder::new(0),
        write,
    })
}

#[inline]
fn copy(value: &[u8], text: &mut Vec<u8>) -> Result<(), Fault> {
    text.extend_from_slice(value);
    Ok(())
}

fn uuid(value: &[u8], text: &mut Vec<u8>) -> Result<(), Fault> {
    let bytes = value
        .try_into()
        .map_err(|_| Fault::Protocol("a UUID of a wrong length"))?;
    let mut buffer = uuid::Uuid::encode_buffer();
    let uuid = uuid::Uuid::from_bytes(bytes).hyphenated();
    text.extend_from_slice(uuid.encode_lower(&mut buffer).as_bytes());
    Ok(())
}

impl<T: ByteArrayType> Decoder for Texts<T> {
    fn append(&mut self, bytes: &[u8], cells: &[Cell]) -> Result<(), Refused> {
        self.offsets.reserve(cells.len());
        for (position, cell) in cells.iter().enumerate() {
            if let Some(value) = cell.of(bytes) {
                (self.write)(value, &mut self.values).map_err(|fault| (position, fault))?;
            }
            let Some(end) = T::Offset::from_usize(self.values.len()) else {
                return Err((position, Fault::Protocol("too long a text")));
            };
            self.offsets.push(end);
        }
        add_validity(&mut self.nulls, cells);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, Refused> {
        // The next batch will be about as large as this one.
        let values = Vec::with_capacity(self.values.len() + self.values.len() / 8);
        let values = mem::replace(&mut self.values, values);
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(T::Offset::default());
        let offsets = mem::replace(&mut self.offsets, offsets);
        let values = Buffer::from_vec(values);
        let offsets = OffsetBuffer::new(offsets.into());
        let nulls = self.nulls.finish();
        match GenericByteArray::<T>::try_new(offsets.clone(), values.clone(), nulls) {
            Ok(array) => Ok(Arc::new(array)),
            Err(_) => Err(no_text(&offsets, &values)),
        }
    }
}

/// The first value that is no text.
fn no_text<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, values: &[u8]) -> Refused {
    let value = |pair: &[O]| &values[pair[0].as_usize()..pair[1].as_usize()];
    let texts = offsets.windows(2).map(value);
    let mut wrong = texts
        .enumerate()
        .filter(|(_, value)| std::str::from_utf8(value).is_err());
    match wrong.next() {
        Some((position, value)) => {
            let shown = String::from_utf8_lossy(value).into_owned();
            (position, Fault::Value(shown, "which is no UTF-8"))
        }
        None => (0, Fault::Protocol("texts that overlap")),
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
        let cell = Cell { at: 0, length: 16 };
        decoder.append(&[0xAB; 16], &[cell]).unwrap();
        let array = decoder.finish().unwrap();
        assert_eq!(
            array.as_string::<i32>().value(0),
            "abababab-abab-abab-abab-abababababab"
        );
    }

    /// Cells of values that lie one after the other.
    fn laid(values: &[Option<Vec<u8>>]) -> (Vec<u8>, Vec<Cell>) {
        let (mut bytes, mut cells) = (Vec::new(), Vec::new());
        for value in values {
            let length = value.as_ref().map_or(-1, |value| value.len() as i32);
            let at = bytes.len() as u32;
            cells.push(Cell { at, length });
            bytes.extend(value.iter().flatten());
        }
        (bytes, cells)
    }

    proptest! {
        #[test]
        fn the_first_value_that_is_no_text_is_named(
            values in prop::collection::vec(prop::option::of(prop_oneof![
                3 => ".{0,5}".prop_map(String::into_bytes),
                1 => prop::collection::vec(prop::sample::select(vec![b'a', 0xC3, 0xA4, 0xE2]), 0..3),
            ]), 0..12),
        ) {
            let (bytes, cells) = laid(&values);
            let mut decoder = decoder(Wire::Text, &DataType::Utf8, 1).unwrap();
            decoder.append(&bytes, &cells).unwrap();
            let texts: Vec<_> = values.iter().map(|value| value.as_deref().map(std::str::from_utf8)).collect();
            let wrong = texts.iter().position(|text| matches!(text, Some(Err(_))));
            match decoder.finish() {
                Ok(array) => {
                    prop_assert_eq!(wrong, None);
                    let read: Vec<_> = array.as_string::<i32>().iter().collect();
                    let texts: Vec<_> = texts.into_iter().map(|text| text.map(Result::unwrap)).collect();
                    prop_assert_eq!(read, texts);
                }
                Err((position, _)) => prop_assert_eq!(Some(position), wrong),
            }
            prop_assert_eq!(decoder.finish().unwrap().len(), 0);
        }

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
                let length = bytes.len() as i32;
                let appended = decoder.append(&bytes, &[Cell { at: 0, length }]).is_ok();
                match decoder.finish() {
                    Ok(array) => prop_assert!(!appended || array.len() == 1),
                    Err(refused) => prop_assert!(std::str::from_utf8(&bytes).is_err(), "{:?}", refused),
                }
            }
        }
    }
}
