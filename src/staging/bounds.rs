//! Exact bounds of columns, gathered batch by batch.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Decimal128Type, Decimal256Type, DecimalType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::ColumnBounds;
use crate::error::Result;

/// The longest text that is kept as a bound, in bytes; a column with a longer one has none.
const LONGEST_TEXT: usize = 1024;

/// The bounds of one column so far, as one-row arrays of its type.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    min: Option<ArrayRef>,
    max: Option<ArrayRef>,
    /// A value came that bounds can't be stated for: a NaN, a text too long.
    none: bool,
    sum: Sum,
}

/// The exact sum of an exact number's values.
#[derive(Debug, Clone, Copy, Default)]
enum Sum {
    /// No value yet.
    #[default]
    Nothing,
    /// The sum in units of 10^-scale.
    Exact { units: i128, scale: i8 },
    /// Not an exact number, or beyond 38 digits.
    Beyond,
}

impl Sum {
    /// Takes a column's values in; NULLs are nothing.
    fn add(self, array: &ArrayRef) -> Self {
        const SHORT: u8 = 19;
        macro_rules! total {
            ($type:ty, $digits:expr, $scale:expr) => {{
                let array = array.as_primitive::<$type>();
                let total = match array.null_count() {
                    // As many numbers of so few digits as memory holds do not overflow.
                    0 if $digits <= SHORT => {
                        Some(array.values().iter().copied().map(i128::from).sum())
                    }
                    _ => {
                        let mut values = array.iter().flatten().map(i128::from);
                        values.try_fold(0i128, i128::checked_add)
                    }
                };
                (total, $scale)
            }};
        }
        let (total, scale) = match array.data_type() {
            DataType::Int8 => total!(Int8Type, 3, 0),
            DataType::Int16 => total!(Int16Type, 5, 0),
            DataType::Int32 => total!(Int32Type, 10, 0),
            DataType::Int64 => total!(Int64Type, 19, 0),
            DataType::Decimal128(digits, scale) => total!(Decimal128Type, *digits, *scale),
            _ => return Self::Beyond,
        };
        let before = match self {
            Self::Nothing => 0,
            Self::Exact { units, .. } => units,
            Self::Beyond => return Self::Beyond,
        };
        match total.and_then(|total| before.checked_add(total)) {
            Some(units) if units.unsigned_abs() < 10u128.pow(38) => Self::Exact { units, scale },
            _ => Self::Beyond,
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Exact { units, scale } => Some(Decimal128Type::format_decimal(units, 38, scale)),
            Self::Nothing | Self::Beyond => None,
        }
    }
}

impl Bounds {
    /// Takes a column's values in.
    pub(crate) fn add(&mut self, array: &ArrayRef) -> Result<()> {
        if array.null_count() == array.len() {
            return Ok(());
        }
        self.sum = self.sum.add(array);
        if self.none {
            return Ok(());
        }
        match extremes(array) {
            Some((low, high)) => {
                keep(&mut self.min, low, Ordering::Less)?;
                keep(&mut self.max, high, Ordering::Greater)
            }
            None => {
                *self = Self {
                    none: true,
                    sum: self.sum,
                    ..Self::default()
                };
                Ok(())
            }
        }
    }

    /// Takes the least and the greatest of some texts in.
    pub(super) fn add_texts(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        let texts = [low, high].map(|text| std::str::from_utf8(text).ok());
        self.add(&(Arc::new(StringArray::from(texts.to_vec())) as ArrayRef))
    }

    /// The bounds as text.
    pub(crate) fn finish(&self) -> Result<ColumnBounds> {
        Ok(ColumnBounds {
            min: text(self.min.as_ref())?,
            max: text(self.max.as_ref())?,
            sum: self.sum.text(),
        })
    }
}

fn keep(held: &mut Option<ArrayRef>, new: ArrayRef, wins: Ordering) -> Result<()> {
    let better = match held.as_ref() {
        None => true,
        Some(old) => {
            let compare =
                arrow::array::make_comparator(&new, old, arrow::compute::SortOptions::default())?;
            compare(0, 0) == wins
        }
    };
    if better {
        *held = Some(new);
    }
    Ok(())
}

/// The rows that hold the least and the greatest value, or `None` where no bounds may be stated.
fn extremes(array: &ArrayRef) -> Option<(ArrayRef, ArrayRef)> {
    macro_rules! numeric {
        ($type:ty) => {
            numeric::<$type>(array)
        };
    }
    match array.data_type() {
        DataType::Int8 => numeric!(Int8Type),
        DataType::Int16 => numeric!(Int16Type),
        DataType::Int32 => numeric!(Int32Type),
        DataType::Int64 => numeric!(Int64Type),
        DataType::Date32 => numeric!(Date32Type),
        DataType::Decimal128(..) => numeric!(Decimal128Type),
        DataType::Decimal256(..) => numeric!(Decimal256Type),
        DataType::Time64(TimeUnit::Microsecond) => numeric!(Time64MicrosecondType),
        DataType::Time64(TimeUnit::Nanosecond) => numeric!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => numeric!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => numeric!(TimestampNanosecondType),
        DataType::Float32 => {
            let nan = array
                .as_primitive::<Float32Type>()
                .iter()
                .flatten()
                .any(f32::is_nan);
            if nan { None } else { numeric!(Float32Type) }
        }
        DataType::Float64 => {
            let nan = array
                .as_primitive::<Float64Type>()
                .iter()
                .flatten()
                .any(f64::is_nan);
            if nan { None } else { numeric!(Float64Type) }
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            let (low, high) = (min_string(values)?, max_string(values)?);
            (low.len().max(high.len()) <= LONGEST_TEXT).then(|| {
                let one = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
                (one(low), one(high))
            })
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            let (low, high) = (min_string(values)?, max_string(values)?);
            (low.len().max(high.len()) <= LONGEST_TEXT).then(|| {
                let one = |text: &str| {
                    std::sync::Arc::new(arrow::array::LargeStringArray::from(vec![text]))
                        as ArrayRef
                };
                (one(low), one(high))
            })
        }
        _ => None,
    }
}

fn numeric<T: ArrowNumericType>(array: &ArrayRef) -> Option<(ArrayRef, ArrayRef)> {
    let values = array.as_primitive::<T>();
    let one = |value: T::Native| {
        let single = arrow::array::PrimitiveArray::<T>::from_value(value, 1)
            .with_data_type(array.data_type().clone());
        Arc::new(single) as ArrayRef
    };
    Some((one(min(values)?), one(max(values)?)))
}

/// ISO 8601 for dates and times, plain digits for exact numbers.
fn text(bound: Option<&ArrayRef>) -> Result<Option<String>> {
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    bound
        .map(|array| {
            Ok(ArrayFormatter::try_new(array, &options)?
                .value(0)
                .to_string())
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Decimal128Array, Float64Array, TimestampMicrosecondArray};

    use super::*;

    fn bounds(arrays: Vec<ArrayRef>) -> (Option<String>, Option<String>) {
        let mut bounds = Bounds::default();
        for array in &arrays {
            bounds.add(array).unwrap();
        }
        let found = bounds.finish().unwrap();
        (found.min, found.max)
    }

    #[test]
    fn bounds_are_exact_text() {
        let some = |a: &str, b: &str| (Some(a.to_owned()), Some(b.to_owned()));
        let decimal = |v: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(
                Decimal128Array::from(v)
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            )
        };
        let wide = 12_345_678_901_234_567_890_123_456_789_i128;
        assert_eq!(
            bounds(vec![
                decimal(vec![Some(5), None]),
                decimal(vec![Some(wide), Some(-7)])
            ]),
            some("-0.07", "123456789012345678901234567.89")
        );
        assert_eq!(
            bounds(vec![Arc::new(Date32Array::from(vec![0, 31]))]),
            some("1970-01-01", "1970-02-01")
        );
        let instants = TimestampMicrosecondArray::from(vec![1_500_000, 0]).with_timezone("UTC");
        assert_eq!(
            bounds(vec![Arc::new(instants)]),
            some("1970-01-01T00:00:00Z", "1970-01-01T00:00:01.500Z")
        );
        assert_eq!(
            bounds(vec![Arc::new(StringArray::from(vec!["b", "a"]))]),
            some("a", "b")
        );
    }

    #[test]
    fn sums_are_exact_or_not_stated() {
        let sum = |arrays: Vec<ArrayRef>| {
            let mut bounds = Bounds::default();
            for array in &arrays {
                bounds.add(array).unwrap();
            }
            bounds.finish().unwrap().sum
        };
        let decimals = |values: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(
                Decimal128Array::from(values)
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            )
        };
        let greatest = 10i128.pow(38) - 1;
        let halves = vec![decimals(vec![Some(150), None]), decimals(vec![Some(-7)])];
        assert_eq!(sum(halves).as_deref(), Some("1.43"));
        assert_eq!(sum(vec![decimals(vec![Some(greatest), Some(1)])]), None);
        assert_eq!(sum(vec![decimals(vec![None])]), None);
        let integers: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![i64::MAX; 3]));
        assert_eq!(sum(vec![integers]).as_deref(), Some("27670116110564327421"));
        assert_eq!(sum(vec![Arc::new(StringArray::from(vec!["1"]))]), None);
    }

    #[test]
    fn a_nan_and_a_long_text_leave_no_bounds() {
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
        assert_eq!(bounds(vec![plain.clone(), nan, plain]), (None, None));
        let long = "x".repeat(LONGEST_TEXT + 1);
        assert_eq!(
            bounds(vec![Arc::new(StringArray::from(vec![long]))]),
            (None, None)
        );
        assert_eq!(
            bounds(vec![Arc::new(StringArray::from(vec![None::<&str>]))]),
            (None, None)
        );
    }
}
