//! Whole numbers of 32 or 64 bits, and what is stored as such: dates, times, short decimals.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType,
};
use parquet::basic::{Encoding, Type};
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::dictionary::Numbers;
use super::{DICTIONARY_BYTES, PageBounds, Values, indices_page};
use crate::error::{Error, Result};

/// Whether values of a type are whole numbers here, if the format stores them as such.
pub(super) fn takes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Time64(_)
            | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            | DataType::Decimal128(..)
    )
}

/// The least and the greatest value.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: i64,
    high: i64,
}

impl Range {
    /// Of no value.
    const NONE: Self = Self {
        low: i64::MAX,
        high: i64::MIN,
    };

    fn with(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    fn known(self) -> Option<Self> {
        (self.low <= self.high).then_some(self)
    }
}

/// The values of one column.
pub(super) struct Integers {
    /// INT32 or INT64.
    physical: Type,
    dictionary: Option<Numbers>,
    /// Whether values go through the dictionary still.
    looks_up: bool,
    indices: Vec<u32>,
    plain: Vec<u8>,
    page: Range,
    all: Range,
}

impl Integers {
    pub(super) fn new(physical: Type, dictionary: bool) -> Self {
        Self {
            physical,
            dictionary: dictionary.then(Numbers::new),
            looks_up: dictionary,
            indices: Vec::new(),
            plain: Vec::new(),
            page: Range::NONE,
            all: Range::NONE,
        }
    }

    fn take<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef, number: impl Fn(T::Native) -> i64) {
        let array = array.as_primitive::<T>();
        let values = array.values().iter().map(|value| number(*value));
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.take_all(values),
            Some(nulls) => {
                let some = values.zip(nulls.iter()).filter(|(_, valid)| *valid);
                self.take_all(some.map(|(value, _)| value));
            }
        }
    }

    fn take_all(&mut self, values: impl Iterator<Item = i64> + Clone) {
        let one = |value| Range {
            low: value,
            high: value,
        };
        let range = values.clone().map(one).fold(Range::NONE, Range::with);
        self.page = self.page.with(range);
        match &mut self.dictionary {
            Some(dictionary) if self.looks_up => {
                if let Some(Range { low, high }) = range.known() {
                    dictionary.expect(low, high);
                }
                self.indices
                    .extend(values.map(|value| dictionary.number_of(value)));
            }
            _ if self.physical == Type::INT32 => {
                for value in values {
                    self.plain.extend_from_slice(&(value as i32).to_le_bytes());
                }
            }
            _ => {
                for value in values {
                    self.plain.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
    }

    fn width(&self) -> usize {
        if self.physical == Type::INT32 { 4 } else { 8 }
    }

    fn encoded(&self, value: i64) -> Vec<u8> {
        value.to_le_bytes()[..self.width()].to_vec()
    }
}

impl Values for Integers {
    fn append(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            DataType::Int8 => self.take::<Int8Type>(array, i64::from),
            DataType::Int16 => self.take::<Int16Type>(array, i64::from),
            DataType::Int32 => self.take::<Int32Type>(array, i64::from),
            DataType::Date32 => self.take::<Date32Type>(array, i64::from),
            DataType::Int64 => self.take::<Int64Type>(array, |value| value),
            DataType::Time64(TimeUnit::Microsecond) => {
                self.take::<Time64MicrosecondType>(array, |value| value);
            }
            DataType::Time64(_) => self.take::<Time64NanosecondType>(array, |value| value),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.take::<TimestampMicrosecondType>(array, |value| value);
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.take::<TimestampNanosecondType>(array, |value| value);
            }
            DataType::Decimal128(..) => {
                // The format decided by the precision that these bits do.
                let bits = 8 * self.width() as u32 - 1;
                let limit = 1_i128 << bits;
                let values = array.as_primitive::<Decimal128Type>();
                let fits = |value: i128| -limit <= value && value < limit;
                if !values.iter().flatten().all(fits) {
                    return Err(Error::internal("A decimal has more digits than its column"));
                }
                self.take::<Decimal128Type>(array, |value| value as i64);
            }
            other => {
                return Err(Error::internal(format!("{other} is no whole number")));
            }
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.plain.len() + self.indices.len() * 2
    }

    fn memory(&self) -> usize {
        let entries = self.dictionary.as_ref().map_or(0, Numbers::memory);
        entries + self.indices.capacity() * 4
    }

    fn end_page(&mut self, into: &mut Vec<u8>) -> (Encoding, Option<PageBounds>) {
        let encoding = match &self.dictionary {
            Some(dictionary) if !self.indices.is_empty() => {
                let entries = dictionary.values().len();
                self.looks_up = entries * self.width() <= DICTIONARY_BYTES;
                indices_page(&self.indices, entries, into)
            }
            _ => {
                into.extend_from_slice(&self.plain);
                Encoding::PLAIN
            }
        };
        self.indices.clear();
        self.plain.clear();
        let page = std::mem::replace(&mut self.page, Range::NONE);
        self.all = self.all.with(page);
        let bounds = page.known().map(|range| PageBounds {
            low: self.encoded(range.low),
            high: self.encoded(range.high),
        });
        (encoding, bounds)
    }

    fn dictionary(&self) -> Option<(Vec<u8>, usize)> {
        let values = self.dictionary.as_ref()?.values();
        let plain = values.iter().flat_map(|value| self.encoded(*value));
        (!values.is_empty()).then(|| (plain.collect(), values.len()))
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        let (low, high) = (
            self.all.known().map(|range| range.low),
            self.all.known().map(|range| range.high),
        );
        if self.physical == Type::INT32 {
            let narrow = |value: i64| value as i32;
            let (low, high) = (low.map(narrow), high.map(narrow));
            let all = ValueStatistics::new(low, high, None, Some(nulls), false);
            all.with_backwards_compatible_min_max(true).into()
        } else {
            let all = ValueStatistics::new(low, high, None, Some(nulls), false);
            all.with_backwards_compatible_min_max(true).into()
        }
    }
}
