//! One value of a column changed, in every way that a value of its type can be.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray, LargeStringArray, PrimitiveArray,
    UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow::util::display::array_value_to_string;

use crate::random::Random;

/// What happens to one value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// It changes places with that of another row.
    Swapped,
    BitFlipped,
    LastDigit,
    NullToEmpty,
    EmptyToNull,
    TrailingBlank,
    HourLater,
}

pub const CHANGES: [Change; 7] = [
    Change::Swapped,
    Change::BitFlipped,
    Change::LastDigit,
    Change::NullToEmpty,
    Change::EmptyToNull,
    Change::TrailingBlank,
    Change::HourLater,
];

/// A column with one value changed.
pub fn changed(array: &ArrayRef, change: Change, random: &mut Random) -> Option<ArrayRef> {
    let text = array.as_string_opt::<i64>();
    let is_empty =
        |row: usize| text.is_some_and(|text| !text.is_null(row) && text.value(row).is_empty());
    let fits = |row: &usize| match change {
        Change::NullToEmpty => array.is_null(*row),
        Change::EmptyToNull => is_empty(*row),
        _ => array.is_valid(*row) && !is_empty(*row),
    };
    let fitting: Vec<usize> = (0..array.len()).filter(fits).collect();
    let row = *fitting.get(random.below(fitting.len().max(1)))?;
    if change == Change::Swapped {
        return swapped(array, row);
    }
    macro_rules! whole {
        ($type:ty, $bits:expr) => {{
            let values = array.as_primitive::<$type>();
            let new = whole(values.value(row).into(), change, $bits, random)?;
            let new = new.try_into().expect("as many bits as before");
            let all = values
                .iter()
                .enumerate()
                .map(|(at, old)| if at == row { Some(new) } else { old });
            let all = all.collect::<PrimitiveArray<$type>>();
            Some(Arc::new(all.with_data_type(array.data_type().clone())))
        }};
    }
    match array.data_type() {
        DataType::Int32 => whole!(Int32Type, 29),
        DataType::Int64 => whole!(Int64Type, 62),
        DataType::Decimal128(..) => whole!(Decimal128Type, 45),
        DataType::Date32 => whole!(Date32Type, 16),
        DataType::Timestamp(..) => whole!(TimestampMicrosecondType, 50),
        DataType::Float64 => {
            let bit = match change {
                Change::BitFlipped => random.below(63),
                Change::LastDigit => 0,
                _ => return None,
            };
            let values = array.as_primitive::<Float64Type>();
            let new = f64::from_bits(values.value(row).to_bits() ^ (1 << bit));
            let all = values
                .iter()
                .enumerate()
                .map(|(at, old)| if at == row { Some(new) } else { old });
            Some(Arc::new(all.collect::<PrimitiveArray<Float64Type>>()))
        }
        DataType::Boolean if change == Change::BitFlipped => {
            let values = array.as_boolean().iter().enumerate();
            let all = values.map(|(at, old)| if at == row { old.map(|old| !old) } else { old });
            Some(Arc::new(all.collect::<BooleanArray>()))
        }
        DataType::LargeUtf8 => {
            let texts = array.as_string::<i64>();
            let old = texts.is_valid(row).then(|| texts.value(row).as_bytes());
            let new = bytes(old, change, random)?;
            let new = new.map(|new| String::from_utf8(new).expect("ASCII stays ASCII"));
            let all = texts
                .iter()
                .enumerate()
                .map(|(at, old)| if at == row { new.as_deref() } else { old });
            Some(Arc::new(all.collect::<LargeStringArray>()))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            let old = values.is_valid(row).then(|| values.value(row));
            let new = bytes(old, change, random)?;
            let all = values
                .iter()
                .enumerate()
                .map(|(at, old)| if at == row { new.as_deref() } else { old });
            Some(Arc::new(all.collect::<LargeBinaryArray>()))
        }
        _ => None,
    }
}

/// The column with a row's value and another one in each other's places.
fn swapped(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    let shown = |row| {
        array
            .is_valid(row)
            .then(|| array_value_to_string(array, row).expect("a value"))
    };
    let other = (0..array.len()).find(|other| shown(*other) != shown(row))?;
    let mut places: Vec<u64> = (0..array.len() as u64).collect();
    places.swap(row, other);
    Some(take(array, &UInt64Array::from(places), None).expect("rows of the column"))
}

fn whole(old: i128, change: Change, bits: usize, random: &mut Random) -> Option<i128> {
    match change {
        Change::BitFlipped => Some(old ^ (1 << random.below(bits))),
        Change::LastDigit => Some(if old % 10 == 9 { old - 1 } else { old + 1 }),
        Change::HourLater if bits == 50 => Some(old + 3_600_000_000),
        _ => None,
    }
}

fn bytes(old: Option<&[u8]>, change: Change, random: &mut Random) -> Option<Option<Vec<u8>>> {
    let mut new = old.unwrap_or_default().to_vec();
    match change {
        Change::BitFlipped => {
            let at = random.below(new.len());
            new[at] ^= 1 << random.below(6);
        }
        Change::LastDigit => *new.last_mut()? ^= 1,
        Change::TrailingBlank => new.push(b' '),
        Change::NullToEmpty => {}
        Change::EmptyToNull => return Some(None),
        Change::Swapped | Change::HourLater => return None,
    }
    Some(Some(new))
}
