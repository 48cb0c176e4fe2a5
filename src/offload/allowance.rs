//! What an offload lets its casts lose, in so many words.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, TimestampNanosecondArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Float32Type, Float64Type, TimestampNanosecondType};

use super::checked_cast::{is_decimal, is_text};
use crate::error::Result;

/// What the casts of an offload may lose. Without any of it such a value stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Allowances {
    /// A cast to a decimal rounds to its scale, half away from zero.
    pub rounding: bool,
    /// A cast to a float takes the nearest one; NaN and infinity become NULL where the other type
    /// has neither.
    pub floats: bool,
    /// A cast to microseconds cuts what is finer, toward the past.
    pub nanoseconds: bool,
}

impl Allowances {
    /// Whether values may come out of such a cast as NULLs.
    pub(super) fn makes_nulls(self, from: &DataType, to: &DataType) -> bool {
        let special = from.is_floating() || is_text(from);
        self.floats && special && (is_decimal(to) || to.is_integer())
    }

    /// Whether a value may come out of such a cast as its neighbour.
    pub(super) fn covers(self, from: &DataType, to: &DataType) -> bool {
        let rounds = is_decimal(from) || is_text(from) || from.is_floating();
        self.rounding && is_decimal(to) && rounds || self.floats && to.is_floating()
    }

    /// What is allowed, a sentence for each.
    #[must_use]
    pub fn words(self) -> Vec<String> {
        let all = [
            (
                self.rounding,
                "a cast to a decimal may round, half away from zero: --allow-decimal-scale-rounding",
            ),
            (
                self.floats,
                "a cast to a float may take the nearest one, and NaN and infinity may become NULL: \
                 --allow-floating-point-conversions",
            ),
            (
                self.nanoseconds,
                "timestamps may lose what is finer than a microsecond: \
                 --allow-nanosecond-timestamp-columns",
            ),
        ];
        let said = all.into_iter().filter(|(allowed, _)| *allowed);
        said.map(|(_, words)| words.to_owned()).collect()
    }
}

/// The values with NULL in place of NaN and infinity, and how many these were.
pub(super) fn without_specials(array: &ArrayRef) -> Result<(ArrayRef, u64)> {
    let special: BooleanArray = match array.data_type() {
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter();
            values
                .map(|v| Some(v.is_some_and(|v| !v.is_finite())))
                .collect()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter();
            values
                .map(|v| Some(v.is_some_and(|v| !v.is_finite())))
                .collect()
        }
        DataType::Utf8 => array.as_string::<i32>().iter().map(is_special).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().map(is_special).collect(),
        _ => return Ok((Arc::clone(array), 0)),
    };
    let count = special.true_count() as u64;
    if count == 0 {
        return Ok((Arc::clone(array), 0));
    }
    Ok((nullif(array, &special)?, count))
}

fn is_special(text: Option<&str>) -> Option<bool> {
    let word = text
        .unwrap_or_default()
        .trim()
        .trim_start_matches(['+', '-']);
    let words = ["nan", "inf", "infinity"];
    Some(
        words
            .iter()
            .any(|special| word.eq_ignore_ascii_case(special)),
    )
}

/// The times cut to microseconds, toward the past, and how many of them that changed.
pub(super) fn cut_nanoseconds(array: &ArrayRef) -> Result<(ArrayRef, u64)> {
    let Some(times) = array.as_primitive_opt::<TimestampNanosecondType>() else {
        return Ok((Arc::clone(array), 0));
    };
    let finer = |time: i64| time.rem_euclid(1000);
    let count = times
        .iter()
        .flatten()
        .filter(|&time| finer(time) != 0)
        .count();
    let cut: TimestampNanosecondArray = times.unary(|time| time.saturating_sub(finer(time)));
    let cut = cut.with_data_type(array.data_type().clone());
    Ok((Arc::new(cut), count as u64))
}
