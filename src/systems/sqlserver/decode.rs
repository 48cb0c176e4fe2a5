//! From a value that the driver hands over to an Arrow builder: one decoder per column, chosen once.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, GenericBinaryBuilder, GenericStringBuilder, OffsetSizeTrait,
    PrimitiveBuilder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
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
        (Wire::Uuid, DataType::Utf8) => Box::new(UuidText(GenericStringBuilder::new())),
        (Wire::Bit, DataType::Boolean) => Box::new(Bits(BooleanBuilder::with_capacity(rows))),
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

struct Bits(BooleanBuilder);

impl Decoder for Bits {
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        match value {
            ColumnData::Bit(bit) => self.0.append_option(bit),
            other => return Err(unexpected(&other)),
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

struct Bytes<O: OffsetSizeTrait>(GenericBinaryBuilder<O>);

fn bytes<O: OffsetSizeTrait>() -> Box<dyn Decoder> {
    Box::new(Bytes::<O>(GenericBinaryBuilder::new()))
}

impl<O: OffsetSizeTrait> Decoder for Bytes<O> {
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        match value {
            ColumnData::Binary(bytes) => self.0.append_option(bytes),
            other => return Err(unexpected(&other)),
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

struct Text<O: OffsetSizeTrait>(GenericStringBuilder<O>);

fn text<O: OffsetSizeTrait>() -> Box<dyn Decoder> {
    Box::new(Text::<O>(GenericStringBuilder::new()))
}

impl<O: OffsetSizeTrait> Decoder for Text<O> {
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        match value {
            ColumnData::String(text) => self.0.append_option(text),
            other => return Err(unexpected(&other)),
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
    fn append(&mut self, value: ColumnData<'static>) -> Result<(), Fault> {
        match value {
            ColumnData::Guid(Some(uuid)) => {
                let mut text = uuid::Uuid::encode_buffer();
                self.0
                    .append_value(uuid.hyphenated().encode_upper(&mut text));
            }
            ColumnData::Guid(None) => self.0.append_null(),
            other => return Err(unexpected(&other)),
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use arrow::util::display::array_value_to_string;
    use tiberius::time::{Date, DateTime, DateTimeOffset, SmallDateTime};

    use super::*;
    use crate::frontend::Dialect;
    use crate::schema::Column;
    use crate::systems::sqlserver::dialect::{SqlServer, wire};
    use crate::systems::sqlserver::native::Native;
    use crate::systems::sqlserver::types::canonical;

    /// The value as Arrow writes it, or why it can't be taken.
    fn taken(native: &str, value: ColumnData<'static>) -> Result<String, Fault> {
        let mapping = canonical(&Native::parse(native).unwrap()).unwrap();
        let column = Column::new("c", native, true, mapping);
        assert!(!SqlServer.read_column(&column).is_empty());
        let mut decoder = decoder(wire(&column), &column.canonical.to_arrow(), 1).unwrap();
        decoder.take(value)?;
        // NULL of a smalldatetime, for instance, comes as one of a datetime.
        decoder.take(ColumnData::DateTime(None))?;
        let array = decoder.finish();
        assert_eq!(array.data_type(), &column.canonical.to_arrow(), "{native}");
        assert_eq!((array.len(), array.null_count()), (2, 1));
        Ok(array_value_to_string(&array, 0).unwrap())
    }

    fn numeric(value: i128, scale: u8) -> ColumnData<'static> {
        ColumnData::Numeric(Some(Numeric::new_with_scale(value, scale)))
    }

    fn datetime2(days: u32, increments: u64, scale: u8) -> DateTime2 {
        DateTime2::new(Date::new(days), Time::new(increments, scale))
    }

    #[test]
    fn values_come_through_whole() {
        let uuid = uuid::Uuid::from_u128(0x6F9619FF_8B86_D011_B42D_00C04FC964FF);
        let noon = datetime2(737_454, 43_200, 0);
        let table: Vec<(&str, ColumnData<'static>, &str)> = vec![
            ("bit", ColumnData::Bit(Some(true)), "true"),
            ("tinyint", ColumnData::U8(Some(255)), "255"),
            (
                "bigint",
                ColumnData::I64(Some(i64::MIN)),
                "-9223372036854775808",
            ),
            ("decimal(2,0)", numeric(-99, 0), "-99"),
            (
                "decimal(18,0)",
                numeric(10_i128.pow(18) - 1, 0),
                "999999999999999999",
            ),
            (
                "decimal(38,0)",
                numeric(10_i128.pow(38) - 1, 0),
                "99999999999999999999999999999999999999",
            ),
            ("decimal(38,38)", numeric(1, 38), "1E-38"),
            (
                "money",
                numeric(9_223_372_036_854_775_807, 4),
                "922337203685477.5807",
            ),
            ("smallmoney", numeric(-2_147_483_648, 4), "-214748.3648"),
            ("real", ColumnData::F32(Some(0.1)), "0.1"),
            ("float", ColumnData::F64(Some(-0.0)), "-0.0"),
            ("date", ColumnData::Date(Some(Date::new(0))), "0001-01-01"),
            (
                "date",
                ColumnData::Date(Some(Date::new(3_652_058))),
                "9999-12-31",
            ),
            (
                "time(0)",
                ColumnData::Time(Some(Time::new(86_399, 0))),
                "23:59:59",
            ),
            (
                "time(7)",
                ColumnData::Time(Some(Time::new(863_999_999_999, 7))),
                "23:59:59.999999900",
            ),
            (
                "smalldatetime",
                ColumnData::SmallDateTime(Some(SmallDateTime::new(65_535, 1439))),
                "2079-06-06T23:59:00",
            ),
            (
                "datetime",
                ColumnData::DateTime(Some(DateTime::new(-53_690, 0))),
                "1753-01-01T00:00:00",
            ),
            (
                "datetime",
                ColumnData::DateTime(Some(DateTime::new(2_958_463, 25_919_999))),
                "9999-12-31T23:59:59.997",
            ),
            (
                "datetime",
                ColumnData::DateTime(Some(DateTime::new(0, 1))),
                "1900-01-01T00:00:00.003",
            ),
            (
                "datetime",
                ColumnData::DateTime(Some(DateTime::new(0, 2))),
                "1900-01-01T00:00:00.007",
            ),
            (
                "datetime2(0)",
                ColumnData::DateTime2(Some(noon)),
                "2020-01-31T12:00:00",
            ),
            (
                "datetime2(6)",
                ColumnData::DateTime2(Some(datetime2(0, 86_399_999_999, 6))),
                "0001-01-01T23:59:59.999999",
            ),
            (
                "datetime2(7)",
                ColumnData::DateTime2(Some(datetime2(737_454, 1, 7))),
                "2020-01-31T00:00:00.000000100",
            ),
            (
                "datetime2(7) (read with 6 digits of a second)",
                ColumnData::DateTime2(Some(datetime2(3_652_058, 10, 7))),
                "9999-12-31T00:00:00.000001",
            ),
            (
                "datetimeoffset(0)",
                ColumnData::DateTimeOffset(Some(DateTimeOffset::new(noon, -840))),
                "2020-01-31T12:00:00Z",
            ),
            (
                "char(3)",
                ColumnData::String(Some(Cow::Borrowed("a  "))),
                "a  ",
            ),
            (
                "nvarchar(max)",
                ColumnData::String(Some(Cow::Borrowed("\u{1F600}"))),
                "\u{1F600}",
            ),
            (
                "uniqueidentifier",
                ColumnData::Guid(Some(uuid)),
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ),
            (
                "rowversion",
                ColumnData::Binary(Some(vec![0, 255].into())),
                "00ff",
            ),
            ("image", ColumnData::Binary(Some(vec![1].into())), "01"),
        ];
        for (native, value, expected) in table {
            let found = taken(native, value).unwrap();
            match expected.starts_with("1E-") {
                true => assert_eq!(found.trim_end_matches('1').len(), 39, "{found}"),
                false => assert_eq!(found, expected, "{native}"),
            }
        }
    }

    #[test]
    fn what_a_type_can_not_hold_is_a_fault() {
        let far = ColumnData::DateTime2(Some(datetime2(3_652_058, 0, 7)));
        let fault = taken("datetime2(7)", far).unwrap_err();
        let text = "9999-12-31 00:00:00.0000000".to_owned();
        assert_eq!(
            fault,
            Fault::Value(text, "which 64 bits of nanoseconds can't hold")
        );
        let seventh = ColumnData::DateTime2(Some(datetime2(0, 1, 7)));
        let native = "datetime2(7) (read with 6 digits of a second)";
        assert!(matches!(
            taken(native, seventh),
            Err(Fault::Value(_, SEVENTH_DIGIT))
        ));
        assert!(matches!(
            taken("decimal(2,0)", numeric(200, 0)),
            Err(Fault::Value(..))
        ));
        assert!(matches!(
            taken("decimal(5,2)", numeric(1, 3)),
            Err(Fault::Value(..))
        ));
        let secret = ColumnData::String(Some(Cow::Borrowed("secret")));
        let fault = taken("int", secret).unwrap_err();
        assert_eq!(
            fault,
            Fault::Protocol("a value of another type (String)".to_owned())
        );
        let endless = ColumnData::Time(Some(Time::new(86_400, 0)));
        assert!(matches!(taken("time(0)", endless), Err(Fault::Protocol(_))));
    }
}
