//! From a value that the driver hands over to an Arrow builder: one decoder per column, chosen once.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, GenericBinaryBuilder, GenericByteBuilder,
    GenericStringBuilder, OffsetSizeTrait, PrimitiveBuilder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, ByteArrayType, DataType, Date32Type, Decimal128Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use chrono::{DateTime as Moment, TimeDelta};
use tiberius::ColumnData;
use tiberius::numeric::Numeric;
use tiberius::time::{DateTime2, Time};

use super::answer::whole;
use super::dialect::Wire;
use crate::error::{Error, Result};

/// 1970-01-01 in days from 0001-01-01, and from 1900-01-01.
const DAYS_TO_EPOCH: i64 = 719_162;
const DAYS_FROM_1900: i64 = 25_567;
const DAY_SECONDS: i64 = 86_400;
const DAY_MICROS: i64 = DAY_SECONDS * 1_000_000;

/// Steps of 100 nanoseconds, the finest that there are.
const STEPS_IN_DAY: i64 = DAY_SECONDS * 10_000_000;

/// Why a value can't be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server sent what it did not announce.
    Protocol(String),
    /// The value breaks the column's type: the value for people, and why it breaks it.
    Value(String, &'static str),
}

/// Takes the values of one column.
pub(super) trait Decoder: Send + Sync {
    /// Appends a value, or NULL of any type: the driver has one for several.
    fn take(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        match is_null(&value) {
            true => {
                self.append_null();
                Ok(())
            }
            false => self.append(value),
        }
    }

    /// Appends a value.
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault>;

    /// Appends NULL.
    fn append_null(&mut self);

    /// The values so far; begins anew.
    fn finish(&mut self) -> ArrayRef;
}

/// The decoder of a column that comes as `wire` and becomes `data_type`.
pub(super) fn decoder(wire: Wire, data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    Ok(match (wire, data_type) {
        (Wire::Text(_), DataType::Utf8) => text::<i32>(),
        (Wire::Text(_), DataType::LargeUtf8) => text::<i64>(),
        (Wire::Uuid, DataType::Utf8) => uuid_text(),
        (Wire::Bit, DataType::Boolean) => bits(rows),
        (Wire::Integer, _) => return integer(wire, data_type, rows),
        (Wire::Numeric, _) => return numeric(wire, data_type, rows),
        (Wire::Real, DataType::Float32) => values::<Float32Type>(data_type, rows, real),
        (Wire::Float, DataType::Float64) => values::<Float64Type>(data_type, rows, float),
        (Wire::Date, DataType::Date32) => values::<Date32Type>(data_type, rows, date),
        (Wire::Time, DataType::Time64(TimeUnit::Microsecond)) => {
            values::<Time64MicrosecondType>(data_type, rows, time_micros)
        }
        (Wire::Time, DataType::Time64(_)) => {
            values::<Time64NanosecondType>(data_type, rows, time_nanos)
        }
        (Wire::SmallDateTime, DataType::Timestamp(_, None)) => {
            values::<TimestampMicrosecondType>(data_type, rows, small_date_time)
        }
        (Wire::DateTime, DataType::Timestamp(_, None)) => {
            values::<TimestampMicrosecondType>(data_type, rows, date_time)
        }
        (Wire::DateTime2 | Wire::DateTimeOffset, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            values::<TimestampMicrosecondType>(data_type, rows, moment_micros)
        }
        (Wire::DateTime2 | Wire::DateTimeOffset, DataType::Timestamp(_, _)) => {
            values::<TimestampNanosecondType>(data_type, rows, moment_nanos)
        }
        (Wire::Bytes(_), DataType::Binary) => bytes::<i32>(),
        (Wire::Bytes(_), DataType::LargeBinary) => bytes::<i64>(),
        _ => return Err(mismatch(wire, data_type)),
    })
}

fn mismatch(wire: Wire, data_type: &DataType) -> Error {
    Error::internal(format!(
        "A column that comes as {wire:?} can't become {data_type}"
    ))
}

fn is_null(value: &ColumnData<'_>) -> bool {
    matches!(
        value,
        ColumnData::U8(None)
            | ColumnData::I16(None)
            | ColumnData::I32(None)
            | ColumnData::I64(None)
            | ColumnData::F32(None)
            | ColumnData::F64(None)
            | ColumnData::Bit(None)
            | ColumnData::String(None)
            | ColumnData::Guid(None)
            | ColumnData::Binary(None)
            | ColumnData::Numeric(None)
            | ColumnData::Xml(None)
            | ColumnData::DateTime(None)
            | ColumnData::SmallDateTime(None)
            | ColumnData::Time(None)
            | ColumnData::Date(None)
            | ColumnData::DateTime2(None)
            | ColumnData::DateTimeOffset(None)
    )
}

/// A value of another type than was announced: the type's name, and never the value.
fn unexpected(value: &ColumnData<'_>) -> Fault {
    let shown = format!("{value:?}");
    let kind = shown.split('(').next().unwrap_or_default();
    Fault::Protocol(format!("a value of another type ({kind})"))
}

/// How a value becomes a column's; `None` is NULL.
type Read<T> = fn(&ColumnData<'static>) -> Result<Option<T>, Fault>;

/// Values of a fixed size.
struct Values<T: ArrowPrimitiveType, F> {
    builder: PrimitiveBuilder<T>,
    read: F,
}

fn values<T: ArrowPrimitiveType>(
    data_type: &DataType,
    rows: usize,
    read: Read<T::Native>,
) -> Box<dyn Decoder> {
    with::<T, _>(data_type, rows, read)
}

fn with<T, F>(data_type: &DataType, rows: usize, read: F) -> Box<dyn Decoder>
where
    T: ArrowPrimitiveType,
    F: Fn(&ColumnData<'static>) -> Result<Option<T::Native>, Fault> + Send + Sync + 'static,
{
    let builder = PrimitiveBuilder::with_capacity(rows).with_data_type(data_type.clone());
    Box::new(Values::<T, F> { builder, read })
}

impl<T, F> Decoder for Values<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(&ColumnData<'static>) -> Result<Option<T::Native>, Fault> + Send + Sync,
{
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        self.builder.append_option((self.read)(&value)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

fn integer(wire: Wire, data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    Ok(match data_type {
        DataType::Int8 => values::<Int8Type>(data_type, rows, whole_number::<i8>),
        DataType::Int16 => values::<Int16Type>(data_type, rows, whole_number::<i16>),
        DataType::Int32 => values::<Int32Type>(data_type, rows, whole_number::<i32>),
        DataType::Int64 => values::<Int64Type>(data_type, rows, whole_number::<i64>),
        _ => return Err(mismatch(wire, data_type)),
    })
}

fn whole_number<T: TryFrom<i64>>(value: &ColumnData<'static>) -> Result<Option<T>, Fault> {
    let number = whole(value).ok_or_else(|| unexpected(value))?;
    number
        .map(|number| T::try_from(number).map_err(|_| does_not_fit(number)))
        .transpose()
}

const DOES_NOT_FIT: &str = "which the column's type can't hold";

fn does_not_fit(number: impl ToString) -> Fault {
    Fault::Value(number.to_string(), DOES_NOT_FIT)
}

fn numeric(wire: Wire, data_type: &DataType, rows: usize) -> Result<Box<dyn Decoder>> {
    Ok(match *data_type {
        DataType::Int8 => values::<Int8Type>(data_type, rows, digits::<i8>),
        DataType::Int16 => values::<Int16Type>(data_type, rows, digits::<i16>),
        DataType::Int32 => values::<Int32Type>(data_type, rows, digits::<i32>),
        DataType::Int64 => values::<Int64Type>(data_type, rows, digits::<i64>),
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(precision.min(38)));
            let scale = u8::try_from(scale).map_err(|_| mismatch(wire, data_type))?;
            with::<Decimal128Type, _>(data_type, rows, move |value| {
                let fits = |number: &i128| -limit < *number && *number < limit;
                let rescaled = |number: Numeric| {
                    let found = rescale(number, scale).filter(fits);
                    found.ok_or_else(|| does_not_fit(number))
                };
                number_of(value)?.map(rescaled).transpose()
            })
        }
        _ => return Err(mismatch(wire, data_type)),
    })
}

fn number_of(value: &ColumnData<'static>) -> Result<Option<Numeric>, Fault> {
    match value {
        ColumnData::Numeric(number) => Ok(*number),
        // A sum over whole numbers, for instance.
        other => match whole(other) {
            Some(number) => Ok(number.map(|n| Numeric::new_with_scale(n.into(), 0))),
            None => Err(unexpected(other)),
        },
    }
}

fn digits<T: TryFrom<i128>>(value: &ColumnData<'static>) -> Result<Option<T>, Fault> {
    let fit = |number: Numeric| {
        rescale(number, 0)
            .and_then(|whole| T::try_from(whole).ok())
            .ok_or_else(|| does_not_fit(number))
    };
    number_of(value)?.map(fit).transpose()
}

/// The number at another scale, if no digit is lost.
fn rescale(number: Numeric, scale: u8) -> Option<i128> {
    let power = |digits: u8| 10_i128.checked_pow(digits.into());
    match scale.checked_sub(number.scale()) {
        Some(more) => number.value().checked_mul(power(more)?),
        None => {
            let power = power(number.scale() - scale)?;
            (number.value() % power == 0).then_some(number.value() / power)
        }
    }
}

fn real(value: &ColumnData<'static>) -> Result<Option<f32>, Fault> {
    match value {
        ColumnData::F32(number) => Ok(*number),
        other => Err(unexpected(other)),
    }
}

fn float(value: &ColumnData<'static>) -> Result<Option<f64>, Fault> {
    match value {
        ColumnData::F64(number) => Ok(*number),
        ColumnData::F32(number) => Ok(number.map(f64::from)),
        other => Err(unexpected(other)),
    }
}

fn date(value: &ColumnData<'static>) -> Result<Option<i32>, Fault> {
    match value {
        ColumnData::Date(day) => Ok(match day {
            None => None,
            Some(day) => i32::try_from(i64::from(day.days()) - DAYS_TO_EPOCH).ok(),
        }),
        other => Err(unexpected(other)),
    }
}

/// The steps of 100 nanoseconds since midnight.
fn steps(time: Time) -> Result<i64, Fault> {
    let wrong = || Fault::Protocol("a time outside of the day".to_owned());
    let power = 7_u32.checked_sub(time.scale().into()).ok_or_else(wrong)?;
    let steps = i64::try_from(time.increments())
        .ok()
        .and_then(|steps| steps.checked_mul(10_i64.pow(power)))
        .filter(|steps| *steps < STEPS_IN_DAY);
    steps.ok_or_else(wrong)
}

fn time_of(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    match value {
        ColumnData::Time(time) => time.map(steps).transpose(),
        other => Err(unexpected(other)),
    }
}

const SEVENTH_DIGIT: &str = "which has a seventh digit of a second";

fn time_micros(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    let micros = |steps: i64| match steps % 10 {
        0 => Ok(steps / 10),
        _ => Err(Fault::Value(shown(0, steps, "%H:%M:%S"), SEVENTH_DIGIT)),
    };
    time_of(value)?.map(micros).transpose()
}

fn time_nanos(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    Ok(time_of(value)?.map(|steps| steps * 100))
}

fn small_date_time(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    match value {
        // Its other field counts minutes, whatever its name.
        ColumnData::SmallDateTime(moment) => Ok(moment.map(|moment| {
            let days = i64::from(moment.days()) - DAYS_FROM_1900;
            days * DAY_MICROS + i64::from(moment.seconds_fragments()) * 60_000_000
        })),
        other => Err(unexpected(other)),
    }
}

fn date_time(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    match value {
        ColumnData::DateTime(moment) => Ok(moment.map(|moment| {
            let days = i64::from(moment.days()) - DAYS_FROM_1900;
            // Steps of 1/300 second, rounded to the milliseconds that the server shows.
            let millis = (i64::from(moment.seconds_fragments()) * 10 + 1) / 3;
            days * DAY_MICROS + millis * 1000
        })),
        other => Err(unexpected(other)),
    }
}

/// Days since 1970 and steps since midnight; an offset says only where the clock hung.
fn moment_of(value: &ColumnData<'static>) -> Result<Option<(i64, i64)>, Fault> {
    let parts = |moment: DateTime2| {
        let days = i64::from(moment.date().days()) - DAYS_TO_EPOCH;
        Ok((days, steps(moment.time())?))
    };
    match value {
        ColumnData::DateTime2(moment) => moment.map(parts).transpose(),
        ColumnData::DateTimeOffset(moment) => {
            moment.map(|moment| parts(moment.datetime2())).transpose()
        }
        other => Err(unexpected(other)),
    }
}

fn moment_micros(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    let micros = |(days, steps): (i64, i64)| match steps % 10 {
        0 => Ok(days * DAY_MICROS + steps / 10),
        _ => Err(Fault::Value(
            shown(days, steps, "%Y-%m-%d %H:%M:%S"),
            SEVENTH_DIGIT,
        )),
    };
    moment_of(value)?.map(micros).transpose()
}

fn moment_nanos(value: &ColumnData<'static>) -> Result<Option<i64>, Fault> {
    let nanos = |(days, steps): (i64, i64)| {
        (days * STEPS_IN_DAY + steps)
            .checked_mul(100)
            .ok_or_else(|| {
                Fault::Value(
                    shown(days, steps, "%Y-%m-%d %H:%M:%S"),
                    "which 64 bits of nanoseconds can't hold",
                )
            })
    };
    moment_of(value)?.map(nanos).transpose()
}

/// A moment for people.
fn shown(days: i64, steps: i64, format: &str) -> String {
    let moment = Moment::UNIX_EPOCH
        .checked_add_signed(TimeDelta::seconds(days * DAY_SECONDS + steps / 10_000_000));
    match moment {
        Some(moment) => format!("{}.{:07}", moment.format(format), steps % 10_000_000),
        None => format!("day {days}"),
    }
}

/// A builder of values of any size, which takes NULL too.
trait Nullable: ArrayBuilder {
    fn append_null(&mut self);
}

impl Nullable for BooleanBuilder {
    fn append_null(&mut self) {
        self.append_null();
    }
}

impl<T: ByteArrayType> Nullable for GenericByteBuilder<T> {
    fn append_null(&mut self) {
        self.append_null();
    }
}

/// Values that a builder takes by a function of its own.
struct Built<B> {
    builder: B,
    put: fn(&mut B, ColumnData<'static>) -> Result<(), Fault>,
}

impl<B: Nullable + Send + Sync> Decoder for Built<B> {
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        (self.put)(&mut self.builder, value)
    }

    fn append_null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        self.builder.finish()
    }
}

fn bits(rows: usize) -> Box<dyn Decoder> {
    Box::new(Built {
        builder: BooleanBuilder::with_capacity(rows),
        put: |builder, value| match value {
            ColumnData::Bit(bit) => {
                builder.append_option(bit);
                Ok(())
            }
            other => Err(unexpected(&other)),
        },
    })
}

fn bytes<O: OffsetSizeTrait>() -> Box<dyn Decoder> {
    Box::new(Built {
        builder: GenericBinaryBuilder::<O>::new(),
        put: |builder, value| match value {
            ColumnData::Binary(bytes) => {
                builder.append_option(bytes);
                Ok(())
            }
            other => Err(unexpected(&other)),
        },
    })
}

fn text<O: OffsetSizeTrait>() -> Box<dyn Decoder> {
    Box::new(Built {
        builder: GenericStringBuilder::<O>::new(),
        put: |builder, value| match value {
            ColumnData::String(text) => {
                builder.append_option(text);
                Ok(())
            }
            other => Err(unexpected(&other)),
        },
    })
}

fn uuid_text() -> Box<dyn Decoder> {
    Box::new(Built {
        builder: GenericStringBuilder::<i32>::new(),
        put: |builder, value| match value {
            ColumnData::Guid(uuid) => {
                let mut text = uuid::Uuid::encode_buffer();
                builder.append_option(uuid.map(|uuid| &*uuid.hyphenated().encode_upper(&mut text)));
                Ok(())
            }
            other => Err(unexpected(&other)),
        },
    })
}

#[cfg(test)]
mod tests;
