//! Hashes of rows and columns whose order does not matter, so that parallel readers, files and
//! tables can be compared by adding up.
//!
//! The hash of a value is xxh3 of its canonical bytes: -0.0 is 0.0 and every NaN the same, an exact
//! number is its value whatever its scale, text and bytes are themselves. Sums wrap around. A
//! column's sum shows a changed value; the sum of whole rows shows values that swapped rows.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::IntervalUnit;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType, i256,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::{Error, Result};

/// What stands for NULL; any constant will do, since a column's NULLs are counted as well.
const NULL_HASH: u64 = 0x9e37_79b9_7f4a_7c15;
/// Odd, so that multiplying loses nothing.
const ROW_PRIME: u64 = 0x9fb2_1c65_1e98_df25;

/// The sums of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ColumnHash {
    /// The wrapping sum of the hashes of all values.
    #[serde(with = "hex")]
    pub sum: u64,
    /// How many values are NULL.
    pub nulls: u64,
}

/// The sums of a set of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableHashes {
    /// How many rows.
    pub rows: u64,
    /// The wrapping sum of the hashes of whole rows.
    #[serde(with = "hex")]
    pub row_sum: u64,
    /// One per column, in the table's order.
    pub columns: Vec<ColumnHash>,
}

impl TableHashes {
    /// Adds the rows of another set.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, u64::wrapping_add);
    }

    /// Takes the rows of another set away.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, u64::wrapping_sub);
    }

    fn combine(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        if self.columns.len() < other.columns.len() {
            self.columns
                .resize(other.columns.len(), ColumnHash::default());
        }
        self.rows = with(self.rows, other.rows);
        self.row_sum = with(self.row_sum, other.row_sum);
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.sum = with(mine.sum, theirs.sum);
            mine.nulls = with(mine.nulls, theirs.nulls);
        }
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for a type that no canonical type maps to.
    pub fn add_batch(&mut self, hasher: &mut RowHasher, batch: &RecordBatch) -> Result<()> {
        hasher.add(self, batch)
    }
}

/// The sums of each target partition, by the partition's path text; `""` where there are none.
pub type PartitionHashes = BTreeMap<String, TableHashes>;

/// Hashes batches; keeps its buffers between them.
#[derive(Debug, Default)]
pub struct RowHasher {
    rows: Vec<u64>,
}

impl RowHasher {
    /// The hash of each row of a batch, over all of its columns in their order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for a type that no canonical type maps to.
    pub fn hash_rows(&mut self, batch: &RecordBatch) -> Result<&[u64]> {
        self.rows.clear();
        self.rows.resize(batch.num_rows(), 0);
        for column in batch.columns() {
            hash_column(column, &mut self.rows)?;
        }
        for row in &mut self.rows {
            *row = last_mix(*row);
        }
        Ok(&self.rows)
    }

    fn add(&mut self, into: &mut TableHashes, batch: &RecordBatch) -> Result<()> {
        into.columns
            .resize(batch.num_columns(), ColumnHash::default());
        into.rows = into.rows.wrapping_add(batch.num_rows() as u64);
        self.rows.clear();
        self.rows.resize(batch.num_rows(), 0);
        for (column, sums) in batch.columns().iter().zip(&mut into.columns) {
            sums.nulls = sums.nulls.wrapping_add(column.null_count() as u64);
            sums.sum = sums.sum.wrapping_add(hash_column(column, &mut self.rows)?);
        }
        for row in &self.rows {
            into.row_sum = into.row_sum.wrapping_add(last_mix(*row));
        }
        Ok(())
    }
}

/// Sums the rows of a file's row group, of which one column comes after the other: what
/// [`RowHasher`] makes of them, for a reader that has the hashes of values and no values.
pub(crate) struct ColumnsHasher {
    rows: Vec<u64>,
    columns: Vec<ColumnHash>,
}

impl ColumnsHasher {
    /// Of so many rows.
    pub(crate) fn new(rows: usize) -> Self {
        Self {
            rows: vec![0; rows],
            columns: Vec::new(),
        }
    }

    /// Begins the next column, whose values are then told in the order of rows.
    pub(crate) fn begin(&mut self) -> ColumnHasher<'_> {
        let position = self.columns.len();
        self.columns.push(ColumnHash::default());
        ColumnHasher {
            sums: &mut self.columns[position],
            rows: &mut self.rows,
        }
    }

    /// Adds the rows, all of whose columns were told.
    pub(crate) fn add_to(self, sums: &mut TableHashes) {
        let row_sum = self.rows.iter().copied().map(last_mix);
        sums.add(&TableHashes {
            rows: self.rows.len() as u64,
            row_sum: row_sum.fold(0, u64::wrapping_add),
            columns: self.columns,
        });
    }
}

/// One column of a [`ColumnsHasher`].
pub(crate) struct ColumnHasher<'a> {
    sums: &'a mut ColumnHash,
    /// Rows that have no value yet.
    rows: &'a mut [u64],
}

impl ColumnHasher<'_> {
    /// How many rows have no value yet.
    pub(crate) fn missing(&self) -> usize {
        self.rows.len()
    }

    /// Tells the hashes of the next rows' values, at most as many as are missing.
    pub(crate) fn values(&mut self, hashes: impl ExactSizeIterator<Item = u64>) {
        let (rows, rest) = std::mem::take(&mut self.rows).split_at_mut(hashes.len());
        let mut sum = self.sums.sum;
        for (row, hash) in rows.iter_mut().zip(hashes) {
            sum = sum.wrapping_add(hash);
            *row = mix(*row, hash);
        }
        self.sums.sum = sum;
        self.rows = rest;
    }

    /// Tells that the next row has no value.
    pub(crate) fn null(&mut self) {
        self.values(std::iter::once(NULL_HASH));
        self.sums.nulls += 1;
    }

    /// Tells that all missing rows have the one value of an array, or none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for a type that no canonical type maps to.
    pub(crate) fn fill(&mut self, value: &ArrayRef) -> Result<()> {
        let missing = self.missing();
        // One column alone: its sum is the hash of its value.
        let hash = hash_column(value, &mut [0])?;
        self.values((0..missing).map(|_| hash));
        if value.null_count() > 0 {
            self.sums.nulls += missing as u64;
        }
        Ok(())
    }
}

/// The hash of a row's columns so far, and of the next one.
#[inline]
fn mix(row: u64, value: u64) -> u64 {
    (row.rotate_left(23) ^ value).wrapping_mul(ROW_PRIME)
}

/// The hash of a row after its last column.
#[inline]
fn last_mix(row: u64) -> u64 {
    row ^ (row >> 29)
}

/// Hashes one column's values into the rows' hashes and gives the column's sum.
fn hash_column(array: &ArrayRef, rows: &mut [u64]) -> Result<u64> {
    macro_rules! primitive {
        ($type:ty, $hash:expr) => {{
            let values = array.as_primitive::<$type>().values();
            fold(array, rows, |row| $hash(values[row]))
        }};
    }
    macro_rules! bytes {
        ($array:expr) => {{
            let values = $array;
            fold(array, rows, |row| hash_bytes(values.value(row).as_ref()))
        }};
    }
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            fold(array, rows, |row| hash_i64(values.value(row).into()))
        }
        DataType::Int8 => primitive!(Int8Type, |v: i8| hash_i64(v.into())),
        DataType::Int16 => primitive!(Int16Type, |v: i16| hash_i64(v.into())),
        DataType::Int32 => primitive!(Int32Type, |v: i32| hash_i64(v.into())),
        DataType::Int64 => primitive!(Int64Type, hash_i64),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            primitive!(Decimal128Type, |v| hash_decimal(v, scale))
        }
        DataType::Decimal256(_, scale) => {
            let scale = *scale;
            primitive!(Decimal256Type, |v| hash_wide_decimal(v, scale))
        }
        DataType::Float32 => primitive!(Float32Type, |v: f32| hash_f64(v.into())),
        DataType::Float64 => primitive!(Float64Type, hash_f64),
        DataType::Date32 => primitive!(Date32Type, |v: i32| hash_i64(v.into())),
        DataType::Time64(TimeUnit::Microsecond) => primitive!(Time64MicrosecondType, hash_micros),
        DataType::Time64(TimeUnit::Nanosecond) => primitive!(Time64NanosecondType, hash_nanos),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitive!(TimestampMicrosecondType, hash_micros)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            primitive!(TimestampNanosecondType, hash_nanos)
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            primitive!(IntervalYearMonthType, |v: i32| hash_i64(v.into()))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>().values();
            fold(array, rows, |row| {
                let value = values[row];
                let days = (i64::from(value.months) << 32) | i64::from(value.days as u32);
                hash_i64(days) ^ hash_i64(value.nanoseconds).rotate_left(17)
            })
        }
        DataType::Utf8 => bytes!(array.as_string::<i32>()),
        DataType::LargeUtf8 => bytes!(array.as_string::<i64>()),
        DataType::Utf8View => bytes!(array.as_string_view()),
        DataType::Binary => bytes!(array.as_binary::<i32>()),
        DataType::LargeBinary => bytes!(array.as_binary::<i64>()),
        DataType::BinaryView => bytes!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => bytes!(array.as_fixed_size_binary()),
        other => {
            return Err(Error::internal(format!(
                "Values of type {other} can't be hashed"
            )));
        }
    })
}

/// Folds the hash of each value into its row and into the sum, NULLs by their constant.
#[inline]
fn fold(array: &ArrayRef, rows: &mut [u64], hash: impl Fn(usize) -> u64) -> u64 {
    let mut sum = 0u64;
    let mut step = |row: &mut u64, value: u64| {
        sum = sum.wrapping_add(value);
        *row = mix(*row, value);
    };
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => rows
            .iter_mut()
            .enumerate()
            .for_each(|(i, row)| step(row, hash(i))),
        Some(nulls) => rows.iter_mut().enumerate().for_each(|(i, row)| {
            step(row, if nulls.is_null(i) { NULL_HASH } else { hash(i) });
        }),
    }
    sum
}

#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, 1)
}

#[inline]
pub(crate) fn hash_i64(value: i64) -> u64 {
    hash_word(value as u64, key(0))
}

/// xxh3 of eight bytes, which is a few instructions where the length is known (xxHash's
/// specification, "XXH3 Algorithm (for small inputs)", 4 to 8 bytes): they fit between the loads of a
/// loop over a column, as a call for each value does not.
#[inline]
fn hash_word(word: u64, key: u64) -> u64 {
    const PRIME: u64 = 0x9FB2_1C65_1E98_DF25;
    let keyed = word.rotate_left(32) ^ key;
    let mixed = (keyed ^ keyed.rotate_left(49) ^ keyed.rotate_left(24)).wrapping_mul(PRIME);
    let mixed = (mixed ^ ((mixed >> 35) + 8)).wrapping_mul(PRIME);
    mixed ^ (mixed >> 28)
}

/// What becomes of a seed before a word meets it.
const fn key(seed: u64) -> u64 {
    /// Bytes 8 to 16 and 16 to 24 of the algorithm's default secret.
    const SECRET: u64 = 0x1CAD_21F7_2C81_017C ^ 0xDB97_9083_E96D_D4DE;
    SECRET.wrapping_sub(seed ^ ((seed as u32).swap_bytes() as u64) << 32)
}

/// An exact number by value: fraction zeros at the end are dropped.
#[inline]
pub(crate) fn hash_decimal(value: i128, scale: i8) -> u64 {
    let (mut small, mut scale) = (value as i64, scale);
    if i128::from(small) != value {
        return hash_wide_decimal(i256::from_i128(value), scale);
    }
    while scale > 0
        && let Some(tenth) = tenth(small)
    {
        small = tenth;
        scale -= 1;
    }
    hash_scaled(small, scale)
}

/// A number that has no fraction zeros: a whole one as any other, else with its scale for a seed.
#[inline]
fn hash_scaled(small: i64, scale: i8) -> u64 {
    const KEYS: [u64; 256] = {
        let mut keys = [key(0); 256];
        let mut scale = 1;
        while scale < keys.len() {
            keys[scale] = key(2 + scale as u64);
            scale += 1;
        }
        keys
    };
    hash_word(small as u64, KEYS[usize::from(scale as u8)])
}

/// The tenth of a multiple of ten.
///
/// One multiplication tells both (Warren, Hacker's Delight, "Test for Zero Remainder after Division by
/// a Constant"): the inverse of five modulo 2^64, then a rotation for the two, make a quotient of
/// every multiple and something greater than any quotient of all else. That wants numbers from zero
/// on, so they are moved up by a multiple of ten, and the quotient down again.
#[inline]
fn tenth(value: i64) -> Option<i64> {
    const FIFTH: u64 = 0xCCCC_CCCC_CCCC_CCCD;
    const MOST: u64 = i64::MAX as u64 / 10;
    let moved = (value as u64).wrapping_add(10 * MOST);
    let tenth = moved.wrapping_mul(FIFTH).rotate_right(1);
    (tenth <= 2 * MOST).then(|| tenth.wrapping_sub(MOST) as i64)
}

pub(crate) fn hash_wide_decimal(mut value: i256, mut scale: i8) -> u64 {
    let ten = i256::from_i128(10);
    while scale > 0 && value.checked_rem(ten) == Some(i256::ZERO) {
        value = value.checked_div(ten).unwrap_or(value);
        scale -= 1;
    }
    // The shortest form decides, so that a value hashes alike in 128 and in 256 bits.
    match value
        .to_i128()
        .and_then(|narrow| i64::try_from(narrow).ok())
    {
        Some(small) => hash_scaled(small, scale),
        None => xxh3_64_with_seed(&value.to_le_bytes(), 2 + scale as u64),
    }
}

#[inline]
pub(crate) fn hash_f64(value: f64) -> u64 {
    let canonical = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    hash_word(canonical.to_bits(), key(3))
}

#[inline]
fn hash_micros(micros: i64) -> u64 {
    hash_i64(micros)
}

/// Nanoseconds hash as microseconds where nothing is lost.
#[inline]
pub(crate) fn hash_nanos(nanos: i64) -> u64 {
    if nanos % 1000 == 0 {
        hash_i64(nanos / 1000)
    } else {
        hash_word(nanos as u64, key(4))
    }
}

/// 64-bit sums are text in JSON, whose numbers are doubles to most readers.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::UInt32Array;
    use arrow::array::{
        Decimal128Array, Decimal256Array, Float64Array, Int64Array, StringArray, new_null_array,
    };
    use arrow::compute::{concat_batches, take_record_batch};
    use proptest::prelude::*;

    use super::*;
    use crate::schema::CanonicalType;

    fn hashes(columns: Vec<ArrayRef>) -> TableHashes {
        let names: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
        let batch =
            RecordBatch::try_from_iter(names.iter().map(String::as_str).zip(columns)).unwrap();
        let mut sums = TableHashes::default();
        sums.add_batch(&mut RowHasher::default(), &batch).unwrap();
        sums
    }

    #[test]
    fn every_canonical_type_can_be_hashed() {
        for canonical in CanonicalType::ALL {
            hashes(vec![new_null_array(&canonical.to_arrow(), 3)]);
        }
    }

    #[test]
    fn a_number_is_its_value_whatever_its_scale() {
        let whole = hashes(vec![Arc::new(Int64Array::from(vec![150]))]);
        for (value, scale) in [(150, 0), (1500, 1), (150_000, 3)] {
            let narrow = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale);
            assert_eq!(hashes(vec![Arc::new(narrow.unwrap())]), whole);
            let wide = Decimal256Array::from(vec![i256::from_i128(value)])
                .with_precision_and_scale(76, scale);
            assert_eq!(hashes(vec![Arc::new(wide.unwrap())]), whole);
        }
    }

    #[test]
    fn zeros_and_nans_are_one() {
        let a = hashes(vec![Arc::new(Float64Array::from(vec![0.0, f64::NAN]))]);
        let b = hashes(vec![Arc::new(Float64Array::from(vec![-0.0, -f64::NAN]))]);
        assert_eq!(a, b);
    }

    #[test]
    fn swapped_values_show_in_the_rows_alone() {
        let one: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let two: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
        let swapped: ArrayRef = Arc::new(StringArray::from(vec!["y", "x"]));
        let (before, after) = (hashes(vec![one.clone(), two]), hashes(vec![one, swapped]));
        assert_eq!(before.columns, after.columns);
        assert_ne!(before.row_sum, after.row_sum);
    }

    #[test]
    fn null_is_not_the_empty_text() {
        let null = hashes(vec![Arc::new(StringArray::from(vec![None::<&str>]))]);
        let empty = hashes(vec![Arc::new(StringArray::from(vec![""]))]);
        assert_ne!(null, empty);
    }

    /// Any number, those at the ends of the range and around zero more often than by chance.
    fn edges() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            i64::MIN..i64::MIN + 20,
            i64::MAX - 20..=i64::MAX,
            -20..20_i64
        ]
    }

    proptest! {
        #[test]
        fn a_word_is_hashed_as_its_bytes_are(word: u64, seed in prop_oneof![0..90_u64, any::<u64>()]) {
            prop_assert_eq!(hash_word(word, key(seed)), xxh3_64_with_seed(&word.to_le_bytes(), seed));
        }

        #[test]
        fn a_tenth_is_of_multiples_alone(value in edges(), zeros in 0..19_u32) {
            let value = value.wrapping_mul(10_i64.pow(zeros.min(18)));
            prop_assert_eq!(tenth(value), (value % 10 == 0).then_some(value / 10));
        }

        #[test]
        fn a_decimal_is_hashed_as_its_shortest_form(value in edges(), zeros in 0..20_u32, scale in 0..39_i8) {
            let (mut short, mut rest) = (i128::from(value) * 10_i128.pow(zeros), scale);
            let whole = short;
            while rest > 0 && short % 10 == 0 {
                (short, rest) = (short / 10, rest - 1);
            }
            let seed = if rest > 0 { 2 + rest as u64 } else { 0 };
            let expected = match i64::try_from(short) {
                Ok(small) => xxh3_64_with_seed(&small.to_le_bytes(), seed),
                Err(_) => xxh3_64_with_seed(&i256::from_i128(short).to_le_bytes(), 2 + rest as u64),
            };
            prop_assert_eq!(hash_decimal(whole, scale), expected);
            prop_assert_eq!(hash_wide_decimal(i256::from_i128(whole), scale), expected);
        }

        #[test]
        fn order_and_batching_do_not_matter(values in prop::collection::vec(any::<Option<i64>>(), 1..40), cut in 0usize..40, seed: u64) {
            let texts: Vec<Option<String>> = values.iter().map(|v| v.map(|v| v.to_string())).collect();
            let batch = RecordBatch::try_from_iter([
                ("n", Arc::new(Int64Array::from(values.clone())) as ArrayRef),
                ("t", Arc::new(StringArray::from(texts)) as ArrayRef),
            ]).unwrap();
            let mut order: Vec<u32> = (0..values.len() as u32).collect();
            order.sort_by_key(|i| (u64::from(*i) ^ seed).wrapping_mul(ROW_PRIME));
            let mixed = take_record_batch(&batch, &UInt32Array::from(order)).unwrap();
            let cut = cut.min(values.len());
            let mut hasher = RowHasher::default();
            let (mut whole, mut parts) = (TableHashes::default(), TableHashes::default());
            whole.add_batch(&mut hasher, &concat_batches(&batch.schema(), [&batch]).unwrap()).unwrap();
            parts.add_batch(&mut hasher, &mixed.slice(0, cut)).unwrap();
            parts.add_batch(&mut hasher, &mixed.slice(cut, values.len() - cut)).unwrap();
            prop_assert_eq!(&whole, &parts);
            whole.subtract(&parts);
            prop_assert_eq!(whole.row_sum, 0);
        }
    }
}
