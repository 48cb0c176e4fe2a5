//! The sums of a file's columns, out of its pages: what hashing the rows gives, without making rows.
//!
//! An entry of a dictionary is hashed once, however many rows have it, and no value is converted or
//! checked first: one that was damaged has another sum. What only other writers do (pages of the
//! second version, other encodings, nested columns) is left to the Parquet library.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit, i256};
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::column::hybrid;
use crate::schema::{
    ColumnHasher, hash_bytes, hash_decimal, hash_f64, hash_i64, hash_nanos, hash_wide_decimal,
};

/// The bytes of a column chunk.
pub(crate) struct Chunk {
    bytes: Bytes,
    /// Where they begin in the file.
    at: u64,
}

impl Chunk {
    pub(crate) fn new(bytes: Bytes, at: u64) -> Self {
        Self { bytes, at }
    }

    fn from(&self, start: u64) -> Result<Bytes> {
        let start = start.checked_sub(self.at).map(usize::try_from);
        match start {
            Some(Ok(start)) if start <= self.bytes.len() => Ok(self.bytes.slice(start..)),
            _ => Err(damaged("a page outside of its column")),
        }
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

impl ChunkReader for Chunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(damaged("a page that is longer than its column"));
        }
        Ok(bytes.split_to(length))
    }
}

fn damaged(what: &'static str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// What a column's values are to their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Boolean,
    Whole,
    Nanoseconds,
    Float,
    /// Of this scale.
    Decimal(i8),
    Bytes,
}

impl Form {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType as T;
        Some(match data_type {
            T::Boolean => Self::Boolean,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Date32 => Self::Whole,
            T::Time64(TimeUnit::Microsecond) | T::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Whole
            }
            T::Time64(TimeUnit::Nanosecond) | T::Timestamp(TimeUnit::Nanosecond, _) => {
                Self::Nanoseconds
            }
            T::Float32 | T::Float64 => Self::Float,
            T::Decimal128(_, scale) | T::Decimal256(_, scale) => Self::Decimal(*scale),
            T::Utf8 | T::LargeUtf8 | T::Binary | T::LargeBinary => Self::Bytes,
            _ => return None,
        })
    }

    /// Appends the hashes of plainly encoded values. None for what is not read here.
    fn hash(self, physical: Type, width: usize, plain: &[u8], into: &mut Hashes) -> Option<()> {
        match (physical, self) {
            (Type::BOOLEAN, Self::Boolean) => {
                let bit = |row: usize| i64::from(plain[row / 8] >> (row % 8) & 1);
                let count = into.missing.min(plain.len() * 8);
                into.add((0..count).map(|row| hash_i64(bit(row))));
            }
            (Type::INT32, Self::Whole) => {
                into.each(plain, |b| hash_i64(i32::from_le_bytes(b).into()));
            }
            (Type::INT32, Self::Decimal(scale)) => {
                into.each(plain, |b| hash_decimal(i32::from_le_bytes(b).into(), scale));
            }
            (Type::INT64, Self::Whole) => into.each(plain, |b| hash_i64(i64::from_le_bytes(b))),
            (Type::INT64, Self::Nanoseconds) => {
                into.each(plain, |b| hash_nanos(i64::from_le_bytes(b)));
            }
            (Type::INT64, Self::Decimal(scale)) => {
                into.each(plain, |b| hash_decimal(i64::from_le_bytes(b).into(), scale));
            }
            (Type::FLOAT, Self::Float) => {
                into.each(plain, |b| hash_f64(f32::from_le_bytes(b).into()));
            }
            (Type::DOUBLE, Self::Float) => into.each(plain, |b| hash_f64(f64::from_le_bytes(b))),
            (Type::FIXED_LEN_BYTE_ARRAY, Self::Decimal(scale)) if (1..=32).contains(&width) => {
                let count = into.missing;
                let values = plain.chunks_exact(width).take(count);
                into.add(values.map(|bytes| hash_number(bytes, scale)));
            }
            (Type::BYTE_ARRAY, Self::Bytes) => into.texts(plain),
            _ => return None,
        }
        Some(())
    }
}

/// Whether equal values of two types have equal hashes here.
pub(crate) fn sum_alike(one: &DataType, other: &DataType) -> bool {
    Form::of(one).is_some_and(|form| Some(form) == Form::of(other))
}

/// The hash of a decimal whose bytes begin with the highest one.
fn hash_number(bytes: &[u8], scale: i8) -> u64 {
    let filling = if bytes[0] & 0x80 == 0 { 0 } else { 0xFF };
    if bytes.len() <= 16 {
        let mut whole = [filling; 16];
        whole[16 - bytes.len()..].copy_from_slice(bytes);
        hash_decimal(i128::from_be_bytes(whole), scale)
    } else {
        let mut whole = [filling; 32];
        whole[32 - bytes.len()..].copy_from_slice(bytes);
        hash_wide_decimal(i256::from_be_bytes(whole), scale)
    }
}

/// The hashes of the values of one page.
#[derive(Default)]
struct Hashes {
    all: Vec<u64>,
    /// How many are still to come.
    missing: usize,
}

impl Hashes {
    /// Begins anew, with so many to come.
    fn expect(&mut self, count: usize) {
        self.all.clear();
        self.missing = count;
    }

    fn add(&mut self, hashes: impl Iterator<Item = u64>) {
        let before = self.all.len();
        self.all.extend(hashes);
        self.missing -= self.all.len() - before;
    }

    /// Hashes as many values of `N` bytes each as are missing.
    fn each<const N: usize>(&mut self, plain: &[u8], hash: impl Fn([u8; N]) -> u64) {
        let (values, _) = plain.as_chunks::<N>();
        let values = &values[..values.len().min(self.missing)];
        self.add(values.iter().map(|bytes| hash(*bytes)));
    }

    /// Hashes texts, each after its length.
    fn texts(&mut self, mut plain: &[u8]) {
        while self.missing > 0
            && let Some((length, rest)) = plain.split_first_chunk()
            && let Some((text, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        {
            self.all.push(hash_bytes(text));
            self.missing -= 1;
            plain = rest;
        }
    }

    /// Looks entries of a dictionary up. None if one is missing, or an index: some writers cut the last
    /// group of them short.
    fn look_up(&mut self, dictionary: &[u64], indices: &[u8]) -> Option<()> {
        let count = std::mem::take(&mut self.missing);
        if count == 0 {
            return Some(());
        }
        let (width, packed) = indices.split_first()?;
        self.all.reserve(count);
        hybrid::decode(packed, *width, count, |index, times| {
            let hash = *dictionary.get(index as usize)?;
            if times == 1 {
                self.all.push(hash);
            } else {
                self.all.extend(std::iter::repeat_n(hash, times));
            }
            Some(())
        })
    }
}

/// Reads the pages of one column chunk.
pub(crate) struct ColumnSums<'a> {
    metadata: &'a ColumnChunkMetaData,
    form: Form,
    dictionary: Vec<u64>,
    hashes: Hashes,
    /// Whether rows of a page have a value, and how many have it so.
    levels: Vec<(bool, usize)>,
}

impl<'a> ColumnSums<'a> {
    /// A reader of a column whose values are of this type; none if its form is not known here.
    pub(crate) fn new(metadata: &'a ColumnChunkMetaData, data_type: &DataType) -> Option<Self> {
        let column = metadata.column_descr();
        let flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        Some(Self {
            metadata,
            form: Form::of(data_type).filter(|_| flat)?,
            dictionary: Vec::new(),
            hashes: Hashes::default(),
            levels: Vec::new(),
        })
    }

    /// Tells the values of all rows. False if something is not read here: what is damaged, too, is left
    /// to the library, which says what is wrong.
    ///
    /// # Errors
    /// What the library says of a page that it can't get.
    pub(crate) fn read(mut self, chunk: Chunk, column: &mut ColumnHasher<'_>) -> Result<bool> {
        let rows = column.missing();
        let mut pages = SerializedPageReader::new(Arc::new(chunk), self.metadata, rows, None)?;
        while let Some(page) = pages.get_next_page()? {
            let read = match page {
                Page::DictionaryPage {
                    buf, num_values, ..
                } => self.read_dictionary(&buf, num_values as usize, rows),
                Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding: levels,
                    ..
                } if levels == Encoding::RLE || self.is_required() => {
                    self.read_page(&buf, num_values as usize, encoding, column)
                }
                _ => None,
            };
            if read.is_none() {
                return Ok(false);
            }
        }
        Ok(column.missing() == 0)
    }

    /// Whether every row has a value, and pages have no levels.
    fn is_required(&self) -> bool {
        self.metadata.column_descr().max_def_level() == 0
    }

    /// Reads a dictionary, which has no more entries than there are rows.
    fn read_dictionary(&mut self, plain: &[u8], entries: usize, rows: usize) -> Option<()> {
        if entries > rows {
            return None;
        }
        self.read_plain(plain, entries)?;
        self.dictionary = std::mem::take(&mut self.hashes.all);
        Some(())
    }

    fn read_plain(&mut self, plain: &[u8], count: usize) -> Option<()> {
        let column = self.metadata.column_descr();
        let width = usize::try_from(column.type_length()).unwrap_or_default();
        let physical = column.physical_type();
        self.hashes.expect(count);
        self.form.hash(physical, width, plain, &mut self.hashes)?;
        (self.hashes.missing == 0).then_some(())
    }

    fn read_page(
        &mut self,
        page: &[u8],
        rows: usize,
        encoding: Encoding,
        column: &mut ColumnHasher<'_>,
    ) -> Option<()> {
        if rows > column.missing() {
            return None;
        }
        let (nulls, values) = self.read_levels(page, rows)?;
        match encoding {
            Encoding::PLAIN => self.read_plain(values, rows - nulls)?,
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                self.hashes.expect(rows - nulls);
                self.hashes.look_up(&self.dictionary, values)?;
            }
            _ => return None,
        }
        self.tell(column, nulls);
        Some(())
    }

    /// Reads which rows have a value. Gives how many have none, and the rest of the page.
    fn read_levels<'p>(&mut self, page: &'p [u8], rows: usize) -> Option<(usize, &'p [u8])> {
        if self.is_required() {
            return Some((0, page));
        }
        self.levels.clear();
        let mut nulls = 0;
        let (length, rest) = page.split_first_chunk()?;
        let (levels, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        hybrid::decode(levels, 1, rows, |level, times| {
            let valid = level != 0;
            if !valid {
                nulls += times;
            }
            match self.levels.last_mut() {
                Some((last, run)) if *last == valid => *run += times,
                _ => self.levels.push((valid, times)),
            }
            Some(())
        })?;
        Some((nulls, rest))
    }

    /// Tells the values of a page's rows.
    fn tell(&self, column: &mut ColumnHasher<'_>, nulls: usize) {
        let mut hashes = self.hashes.all.as_slice();
        if nulls == 0 {
            return column.values(hashes.iter().copied());
        }
        for (valid, times) in &self.levels {
            if *valid {
                let (some, rest) = hashes.split_at(*times);
                column.values(some.iter().copied());
                hashes = rest;
            } else {
                (0..*times).for_each(|_| column.null());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Int64Array,
        IntervalYearMonthArray, RecordBatch, StringArray, new_empty_array,
    };
    use arrow::compute::cast;
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;
    use crate::schema::{ColumnsHasher, RowHasher, TableHashes};

    /// A column of each type that is read here.
    fn columns(values: &[Option<i64>]) -> Vec<ArrayRef> {
        let numbers: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let small: ArrayRef = Arc::new(Int64Array::from_iter(
            values.iter().map(|value| value.map(|value| value % 100)),
        ));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter(values.iter().map(|value| {
                value.map(|v| "ü".repeat(v.unsigned_abs() as usize % 70))
            })));
        let of_small = [
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Date32,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Decimal128(9, 2),
            DataType::Decimal128(18, 0),
            DataType::Decimal128(38, 7),
            DataType::Decimal256(60, 3),
            DataType::Boolean,
        ];
        let of_numbers = [
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::Float32,
            DataType::Float64,
        ];
        let of_texts = [DataType::LargeUtf8, DataType::Binary, DataType::LargeBinary];
        let mut all = vec![Arc::clone(&numbers), Arc::clone(&texts)];
        // A date or a time is cast from the number that stores it.
        for to in of_small {
            let narrow = match to {
                DataType::Date32 => cast(&small, &DataType::Int32).unwrap(),
                _ => Arc::clone(&small),
            };
            all.push(cast(&narrow, &to).unwrap());
        }
        all.extend(of_numbers.iter().map(|to| cast(&numbers, to).unwrap()));
        all.extend(of_texts.iter().map(|to| cast(&texts, to).unwrap()));
        all
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let named = columns.into_iter().enumerate();
        RecordBatch::try_from_iter_with_nullable(
            named.map(|(i, column)| (format!("c{i}"), column, true)),
        )
        .unwrap()
    }

    fn file(batch: &RecordBatch, properties: WriterProperties) -> (Bytes, ParquetMetaData) {
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        let bytes = Bytes::from(writer.into_inner().unwrap());
        let mut reader = ParquetMetaDataReader::new();
        reader.try_parse(&bytes).unwrap();
        let metadata = reader.finish().unwrap();
        (bytes, metadata)
    }

    /// The sums of a file, or none if something in it is not read here.
    fn sums(
        batch: &RecordBatch,
        bytes: &Bytes,
        metadata: &ParquetMetaData,
    ) -> Result<Option<TableHashes>> {
        let mut sums = TableHashes::default();
        for group in metadata.row_groups() {
            let mut hasher = ColumnsHasher::new(group.num_rows() as usize);
            for (column, field) in group.columns().iter().zip(batch.schema().fields()) {
                let Some(reader) = ColumnSums::new(column, field.data_type()) else {
                    return Ok(None);
                };
                let (at, length) = column.byte_range();
                let chunk = Chunk::new(bytes.slice(at as usize..(at + length) as usize), at);
                if !reader.read(chunk, &mut hasher.begin())? {
                    return Ok(None);
                }
            }
            hasher.add_to(&mut sums);
        }
        Ok(Some(sums))
    }

    fn expected(batch: &RecordBatch) -> TableHashes {
        let mut sums = TableHashes::default();
        sums.add_batch(&mut RowHasher::default(), batch).unwrap();
        sums
    }

    fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
        let value = prop_oneof![
            3 => (0_i64..20).prop_map(Some),
            1 => any::<i64>().prop_map(Some),
            1 => Just(None),
        ];
        let runs = prop::collection::vec((value, 1_usize..60), 0..40);
        runs.prop_map(|runs| {
            let runs = runs.into_iter();
            runs.flat_map(|(value, times)| std::iter::repeat_n(value, times))
                .collect()
        })
    }

    fn properties(dictionary: bool, page_rows: usize, group_rows: usize) -> WriterProperties {
        WriterProperties::builder()
            .set_dictionary_enabled(dictionary)
            .set_dictionary_page_size_limit(200)
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(page_rows)
            .set_max_row_group_row_count(Some(group_rows))
            .build()
    }

    proptest! {
        #[test]
        fn pages_have_the_sums_of_their_rows(
            values in values(), dictionary: bool, page_rows in 1_usize..500, group_rows in 1_usize..3000,
        ) {
            let batch = batch(columns(&values));
            let (bytes, metadata) = file(&batch, properties(dictionary, page_rows, group_rows));
            let found = sums(&batch, &bytes, &metadata).unwrap();
            // An empty file has no row group, and no columns' sums.
            prop_assert_eq!(found, Some(if values.is_empty() { TableHashes::default() } else { expected(&batch) }));
        }

        #[test]
        fn a_damaged_page_makes_no_panic(
            values in values(), dictionary: bool, at: prop::sample::Index, bit in 0_u8..8,
        ) {
            prop_assume!(values.iter().flatten().count() > 0);
            let numbers: ArrayRef = Arc::new(Int64Array::from(values));
            let batch = batch(vec![numbers]);
            let (bytes, metadata) = file(&batch, properties(dictionary, 100, 3000));
            let (start, length) = metadata.row_group(0).column(0).byte_range();
            let mut bytes = bytes.to_vec();
            bytes[start as usize + at.index(length as usize)] ^= 1 << bit;
            // Statistics may change without harm, and an entry that no row has: what a change of values
            // does is seen on whole tables.
            let _ = sums(&batch, &bytes.into(), &metadata);
        }
    }

    #[test]
    fn what_only_others_write_is_left_to_the_library() {
        let some = columns(&[Some(1), None, Some(3)]);
        let second = WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0);
        let months: ArrayRef = Arc::new(IntervalYearMonthArray::from(vec![1]));
        let shuffled = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::BYTE_STREAM_SPLIT);
        for (columns, properties) in [
            (some, second),
            (vec![months], WriterProperties::builder()),
            (
                vec![Arc::new(Float32Array::from(vec![1.5])) as ArrayRef],
                shuffled,
            ),
        ] {
            let batch = batch(columns);
            let (bytes, metadata) = file(&batch, properties.build());
            assert_eq!(sums(&batch, &bytes, &metadata).unwrap(), None);
        }
    }

    #[test]
    fn a_column_that_is_too_short_or_too_long_is_left_to_the_library() {
        let batch = batch(vec![Arc::new(BooleanArray::from(vec![true; 9])) as ArrayRef]);
        let (bytes, metadata) = file(&batch, WriterProperties::builder().build());
        let column = metadata.row_group(0).column(0);
        let (at, length) = column.byte_range();
        for rows in 8..=10 {
            let reader = ColumnSums::new(column, &DataType::Boolean).unwrap();
            let chunk = Chunk::new(bytes.slice(at as usize..(at + length) as usize), at);
            let mut hasher = ColumnsHasher::new(rows);
            assert_eq!(reader.read(chunk, &mut hasher.begin()).unwrap(), rows == 9);
        }
    }

    #[test]
    fn one_value_fills_a_column_as_many_do() {
        let none = arrow::array::new_null_array(&DataType::Utf8, 1);
        let one: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"x"]));
        for value in [none, one] {
            let mut hasher = ColumnsHasher::new(3);
            hasher.begin().fill(&value).unwrap();
            let mut sums = TableHashes::default();
            hasher.add_to(&mut sums);
            let empty = new_empty_array(value.data_type());
            let parts: Vec<&dyn Array> = vec![&value, &value, &empty, &value];
            let all = arrow::compute::concat(&parts).unwrap();
            assert_eq!(sums, expected(&batch(vec![all])));
        }
    }
}
