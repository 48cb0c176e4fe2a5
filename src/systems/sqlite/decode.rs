//! Values as SQLite hands them over, into Arrow builders: one per column, chosen once per query.

use std::io::Write as _;
use std::mem;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, GenericStringArray, LargeBinaryBuilder,
    NullBufferBuilder, OffsetSizeTrait, PrimitiveArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use rusqlite::types::ValueRef;

use super::decimal::{Exact, wide_scaled};
use super::pages::{Place, Rows};
use super::temporal;
use super::types::{Form, Reading};
use crate::error::Result;
use crate::schema::CanonicalType;

/// Bytes that every value counts for in a batch.
pub(super) const FIXED_BYTES: usize = 8;

/// Collects a column's values.
pub(super) trait ColumnReader {
    /// Takes a value that is not NULL; `None` if it breaks the column's type.
    fn push(&mut self, value: ValueRef<'_>) -> Option<()>;

    /// Takes a NULL.
    fn push_null(&mut self);

    /// Takes a value, or NULL where one may be; `None` if it breaks the column's type.
    #[inline]
    fn push_any(&mut self, value: ValueRef<'_>, nullable: bool) -> Option<()> {
        match value {
            ValueRef::Null if nullable => self.push_null(),
            ValueRef::Null => return None,
            value => self.push(value)?,
        }
        Some(())
    }

    /// Takes the values of rows.
    ///
    /// # Errors
    /// The first row whose value breaks the column's type. What was taken of the others is of no use.
    fn push_all(&mut self, rows: &Rows<'_>, place: Place, nullable: bool) -> Result<(), usize> {
        (0..rows.len()).try_for_each(|row| {
            let taken = self.push_any(rows.value(row, place), nullable);
            taken.ok_or(row)
        })
    }

    /// The values so far, in an array; begins anew.
    ///
    /// # Errors
    /// None but of Arrow, for an array that it does not accept.
    fn finish(&mut self) -> Result<ArrayRef>;
}

/// The reader of a column's values.
pub(super) fn column_reader(reading: Reading, rows: usize) -> Box<dyn ColumnReader> {
    let canonical = reading.canonical();
    match reading {
        Reading::Integer => primitive::<Int64Type, _>(canonical, rows, integer),
        Reading::Real => primitive::<Float64Type, _>(canonical, rows, real),
        Reading::Exact { precision, scale } => exact(canonical, rows, precision, scale),
        Reading::Text { bounded: true } => text::<i32>(false),
        Reading::Text { bounded: false } => text::<i64>(false),
        Reading::ByValue => text::<i64>(true),
        Reading::Bytes => Box::new(Bytes(LargeBinaryBuilder::new())),
        Reading::Date(form) => primitive::<Date32Type, _>(canonical, rows, move |v| date(v, form)),
        Reading::Time { .. } => clock(canonical, rows),
        Reading::Timestamp { form, .. } => {
            instant(canonical, rows, move |value| timestamp(value, form))
        }
        Reading::TimestampTz { .. } => instant(canonical, rows, |value| match value {
            ValueRef::Text(text) => temporal::zoned_timestamp(text),
            _ => None,
        }),
        Reading::Boolean => Box::new(Boolean(BooleanBuilder::with_capacity(rows))),
    }
}

/// The reader of a sum that came in two halves.
pub(super) fn sum_reader(scale: u8) -> Box<dyn ColumnReader> {
    let canonical = match scale {
        0 => CanonicalType::Integer38,
        scale => CanonicalType::Decimal {
            precision: 38,
            scale,
        },
    };
    primitive::<Decimal128Type, _>(canonical, 1, |value| {
        let (high, low) = std::str::from_utf8(value.as_bytes().ok()?)
            .ok()?
            .split_once(':')?;
        let (high, low): (i128, i128) = (high.parse().ok()?, low.parse().ok()?);
        Some((high << 32) + low)
    })
}

/// How many bytes a value holds beyond its fixed part.
pub(super) fn variable_bytes(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Values of one size. A builder of Arrow's would do more for each.
struct Primitive<T: ArrowPrimitiveType, D> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
    data_type: DataType,
    /// How many values a batch may have.
    rows: usize,
    decode: D,
}

fn primitive<T, D>(canonical: CanonicalType, rows: usize, decode: D) -> Box<dyn ColumnReader>
where
    T: ArrowPrimitiveType,
    D: Fn(ValueRef<'_>) -> Option<T::Native> + 'static,
{
    Box::new(Primitive::<T, D> {
        values: Vec::with_capacity(rows),
        nulls: NullBufferBuilder::new(0),
        data_type: canonical.to_arrow(),
        rows,
        decode,
    })
}

impl<T, D> ColumnReader for Primitive<T, D>
where
    T: ArrowPrimitiveType,
    D: Fn(ValueRef<'_>) -> Option<T::Native>,
{
    #[inline]
    fn push(&mut self, value: ValueRef<'_>) -> Option<()> {
        self.values.push((self.decode)(value)?);
        self.nulls.append_non_null();
        Some(())
    }

    fn push_null(&mut self) {
        self.values.push(T::Native::default());
        self.nulls.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let values = mem::replace(&mut self.values, Vec::with_capacity(self.rows));
        let array = PrimitiveArray::<T>::try_new(values.into(), self.nulls.finish())?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

/// A whole REAL is an integer too: an expression of a view may have made it one.
fn integer(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(value) => Some(value),
        ValueRef::Real(_) => i64::try_from(Exact::new(19, 0).units(value)?).ok(),
        _ => None,
    }
}

fn real(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Real(value) => Some(value),
        ValueRef::Integer(value) => {
            let real = value as f64;
            (real as i128 == i128::from(value)).then_some(real)
        }
        _ => None,
    }
}

fn exact(canonical: CanonicalType, rows: usize, precision: u8, scale: u8) -> Box<dyn ColumnReader> {
    match canonical.to_arrow() {
        DataType::Int8 => narrow::<Int8Type>(canonical, rows, precision),
        DataType::Int16 => narrow::<Int16Type>(canonical, rows, precision),
        DataType::Int32 => narrow::<Int32Type>(canonical, rows, precision),
        DataType::Int64 => narrow::<Int64Type>(canonical, rows, precision),
        DataType::Decimal256(..) => primitive::<Decimal256Type, _>(canonical, rows, move |value| {
            wide_scaled(value, precision, scale)
        }),
        _ => {
            let exact = Exact::new(precision, scale);
            primitive::<Decimal128Type, _>(canonical, rows, move |value| exact.units(value))
        }
    }
}

/// A decimal without a fraction, as the machine integer that holds its digits.
fn narrow<T>(canonical: CanonicalType, rows: usize, precision: u8) -> Box<dyn ColumnReader>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let exact = Exact::new(precision, 0);
    primitive::<T, _>(canonical, rows, move |value| {
        T::Native::try_from(exact.units(value)?).ok()
    })
}

fn date(value: ValueRef<'_>, form: Form) -> Option<i32> {
    const DAY: i128 = 86_400_000_000_000;
    if let (Form::Iso, ValueRef::Text(text)) = (form, value) {
        return temporal::date(text);
    }
    let nanoseconds = epoch(value, form)?;
    (nanoseconds % DAY == 0).then(|| i32::try_from(nanoseconds / DAY).ok())?
}

fn timestamp(value: ValueRef<'_>, form: Form) -> Option<i128> {
    match (form, value) {
        (Form::Iso, ValueRef::Text(text)) => temporal::timestamp(text),
        _ => epoch(value, form),
    }
}

/// The nanoseconds since 1970 of a number.
fn epoch(value: ValueRef<'_>, form: Form) -> Option<i128> {
    match form {
        Form::Iso => None,
        Form::Unix => Some(Exact::new(30, 6).units(value)? * 1000),
        Form::UnixMilliseconds => Some(Exact::new(30, 3).units(value)? * 1000),
        Form::Julian => julian(value),
    }
}

/// A Julian day to the millisecond, as SQLite itself takes it; a REAL holds no finer time.
fn julian(value: ValueRef<'_>) -> Option<i128> {
    /// Milliseconds from noon of the first Julian day to 1970.
    const EPOCH: i128 = 210_866_760_000_000;
    let day = real(value).filter(|day| (0.0..5_373_484.5).contains(day))?;
    let milliseconds = (day * 86_400_000.0 + 0.5) as i64;
    Some((i128::from(milliseconds) - EPOCH) * 1_000_000)
}

/// A reader of nanoseconds since 1970 into the unit of the type.
fn instant<D>(canonical: CanonicalType, rows: usize, decode: D) -> Box<dyn ColumnReader>
where
    D: Fn(ValueRef<'_>) -> Option<i128> + 'static,
{
    match canonical.to_arrow() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            primitive::<TimestampNanosecondType, _>(canonical, rows, move |value| {
                i64::try_from(decode(value)?).ok()
            })
        }
        _ => primitive::<TimestampMicrosecondType, _>(canonical, rows, move |value| {
            microseconds(decode(value)?)
        }),
    }
}

fn clock(canonical: CanonicalType, rows: usize) -> Box<dyn ColumnReader> {
    let decode = |value: ValueRef<'_>| match value {
        ValueRef::Text(text) => temporal::time(text),
        _ => None,
    };
    match canonical.to_arrow() {
        DataType::Time64(TimeUnit::Nanosecond) => {
            primitive::<Time64NanosecondType, _>(canonical, rows, decode)
        }
        _ => primitive::<Time64MicrosecondType, _>(canonical, rows, move |value| {
            microseconds(decode(value)?.into())
        }),
    }
}

/// Whole microseconds: a finer digit is never dropped.
fn microseconds(nanoseconds: i128) -> Option<i64> {
    (nanoseconds % 1000 == 0).then(|| i64::try_from(nanoseconds / 1000).ok())?
}

/// Texts, one behind the other. A builder of Arrow's would do more for each.
struct Text<O: OffsetSizeTrait> {
    bytes: Vec<u8>,
    /// Where each ends, after a first zero.
    ends: Vec<O>,
    nulls: NullBufferBuilder,
    by_value: bool,
}

fn text<O: OffsetSizeTrait>(by_value: bool) -> Box<dyn ColumnReader> {
    Box::new(Text::<O> {
        bytes: Vec::new(),
        ends: vec![O::zero()],
        nulls: NullBufferBuilder::new(0),
        by_value,
    })
}

impl<O: OffsetSizeTrait> Text<O> {
    /// Appends a text that is UTF-8, or will be looked at.
    #[inline]
    fn append(&mut self, text: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(text);
        self.nulls.append_non_null();
        self.end()
    }

    #[inline]
    fn end(&mut self) -> Option<()> {
        self.ends.push(O::from_usize(self.bytes.len())?);
        Some(())
    }
}

impl<O: OffsetSizeTrait> ColumnReader for Text<O> {
    fn push(&mut self, value: ValueRef<'_>) -> Option<()> {
        match value {
            ValueRef::Text(text) => {
                // Most texts are short and plain, which is found faster than that they are UTF-8.
                if !text.is_ascii() {
                    std::str::from_utf8(text).ok()?;
                }
                return self.append(text);
            }
            ValueRef::Integer(value) if self.by_value => write!(self.bytes, "{value}").ok()?,
            // The shortest digits that read back as the same double.
            ValueRef::Real(value) if self.by_value => write!(self.bytes, "{value:?}").ok()?,
            _ => return None,
        }
        self.nulls.append_non_null();
        self.end()
    }

    fn push_null(&mut self) {
        self.nulls.append_null();
        self.ends.extend(self.ends.last().copied());
    }

    fn push_all(&mut self, rows: &Rows<'_>, place: Place, nullable: bool) -> Result<(), usize> {
        let (first, mut begin) = (self.ends.len(), self.bytes.len());
        for row in 0..rows.len() {
            let taken = match rows.value(row, place) {
                ValueRef::Text(text) => self.append(text),
                value => self.push_any(value, nullable),
            };
            taken.ok_or(row)?;
        }
        // Looked at together: most texts are short and plain.
        if self.bytes[begin..].is_ascii() {
            return Ok(());
        }
        for (row, end) in self.ends[first..].iter().enumerate() {
            let text = &self.bytes[begin..end.as_usize()];
            std::str::from_utf8(text).map_err(|_| row)?;
            begin = end.as_usize();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        // The next batch will be about as large as this one.
        let room = self.bytes.len() + self.bytes.len() / 8;
        let bytes = mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let rows = self.ends.len();
        let ends = mem::replace(&mut self.ends, Vec::with_capacity(rows));
        self.ends.push(O::zero());
        let ends = OffsetBuffer::new(ends.into());
        let array = GenericStringArray::try_new(ends, bytes.into(), self.nulls.finish())?;
        Ok(Arc::new(array))
    }
}

struct Bytes(LargeBinaryBuilder);

impl ColumnReader for Bytes {
    fn push(&mut self, value: ValueRef<'_>) -> Option<()> {
        match value {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => self.0.append_value(bytes),
            _ => return None,
        }
        Some(())
    }

    fn push_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.0.finish()))
    }
}

struct Boolean(BooleanBuilder);

impl ColumnReader for Boolean {
    fn push(&mut self, value: ValueRef<'_>) -> Option<()> {
        self.0.append_value(match value {
            ValueRef::Integer(0) => false,
            ValueRef::Integer(1) => true,
            ValueRef::Text(text) if text.eq_ignore_ascii_case(b"false") => false,
            ValueRef::Text(text) if text.eq_ignore_ascii_case(b"true") => true,
            _ => return None,
        });
        Some(())
    }

    fn push_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.0.finish()))
    }
}
