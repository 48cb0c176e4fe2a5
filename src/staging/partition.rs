//! Rows by target partition: the text of a partition value, and a batch cut into partitions.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{SortColumn, lexsort_to_indices, partition, take_arrays, take_record_batch};
use arrow::datatypes::DataType;
use arrow::datatypes::{Date32Type, TimeUnit, TimestampMicrosecondType};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};

/// The values of the partition columns that some rows share, as text; `None` is NULL.
pub(crate) type PartitionKey = Vec<Option<String>>;

/// Cuts a batch into its partitions. `columns` are the positions of the partition columns; without
/// any the batch stays whole. Each part holds its own rows alone, so that keeping a few of them
/// does not keep the whole batch in memory.
///
/// # Errors
/// As [`partition_text`].
pub(crate) fn split_batch(
    batch: &RecordBatch,
    columns: &[usize],
) -> Result<Vec<(PartitionKey, RecordBatch)>> {
    let key = |batch: &RecordBatch| -> Result<PartitionKey> {
        let texts = columns.iter().map(|&i| partition_text(batch.column(i), 0));
        texts.collect()
    };
    if columns.is_empty() || batch.num_rows() == 0 {
        return Ok(vec![(Vec::new(), batch.clone())]);
    }
    let keys: Vec<ArrayRef> = columns.iter().map(|&i| batch.column(i).clone()).collect();
    // Rows of one period mostly come together: sorting is for those that do not.
    if partition(&keys)?.len() == 1 {
        return Ok(vec![(key(batch)?, batch.clone())]);
    }
    let order = lexsort_to_indices(&sort_columns(&keys), None)?;
    let sorted = take_arrays(&keys, &order, None)?;
    let cut = |range: Range<usize>| {
        let rows = take_record_batch(batch, &order.slice(range.start, range.len()))?;
        Ok((key(&rows)?, rows))
    };
    partition(&sorted)?.ranges().into_iter().map(cut).collect()
}

/// The same for rows that come sorted by their partition columns: they stay in their order.
///
/// # Errors
/// As [`partition_text`].
pub(super) fn split_sorted(
    batch: &RecordBatch,
    columns: &[usize],
) -> Result<Vec<(PartitionKey, RecordBatch)>> {
    if columns.is_empty() || batch.num_rows() == 0 {
        return Ok(vec![(Vec::new(), batch.clone())]);
    }
    let keys: Vec<ArrayRef> = columns.iter().map(|&i| batch.column(i).clone()).collect();
    let ranges = partition(&keys)?.ranges();
    let whole = ranges.len() == 1;
    let cut = |range: Range<usize>| {
        let key: Result<PartitionKey> = columns
            .iter()
            .map(|&i| partition_text(batch.column(i), range.start))
            .collect();
        if whole {
            return Ok((key?, batch.clone()));
        }
        let rows = range.start as u64..range.end as u64;
        let rows = UInt64Array::from_iter_values(rows);
        Ok((key?, take_record_batch(batch, &rows)?))
    };
    ranges.into_iter().map(cut).collect()
}

fn sort_columns(keys: &[ArrayRef]) -> Vec<SortColumn> {
    let column = |values: &ArrayRef| SortColumn {
        values: values.clone(),
        options: None,
    };
    keys.iter().map(column).collect()
}

/// The text of a partition value: dates `YYYY-MM-DD`, date-times `YYYY-MM-DD HH:MM:SS[.ffffff]`
/// (instants in UTC), exact numbers in plain digits, `true` and `false`, text as it is.
///
/// # Errors
/// [`crate::ErrorKind::Unsupported`] for a type that no table can be partitioned by.
pub fn partition_text(array: &dyn Array, row: usize) -> Result<Option<String>> {
    if array.is_null(row) {
        return Ok(None);
    }
    let out_of_range = || Error::internal("A partition's date is out of range");
    let text = match array.data_type() {
        DataType::Date32 => {
            let value = array.as_primitive::<Date32Type>().value(row);
            date32_to_datetime(value)
                .ok_or_else(out_of_range)?
                .format("%Y-%m-%d")
                .to_string()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let time = timestamp_us_to_datetime(value).ok_or_else(out_of_range)?;
            time.format("%Y-%m-%d %H:%M:%S%.f").to_string()
        }
        other if can_partition(other) => ArrayFormatter::try_new(array, &FormatOptions::default())?
            .value(row)
            .to_string(),
        other => {
            return Err(
                Error::unsupported(format!("A table can't be partitioned by {other}"))
                    .hint("partition by a date, a number or a text"),
            );
        }
    };
    Ok(Some(text))
}

/// Whether values of a type can name a partition.
#[must_use]
pub fn can_partition(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Decimal128(..)
            | DataType::Boolean
            | DataType::Utf8
            | DataType::LargeUtf8
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Int64Array};

    use super::*;

    #[test]
    fn every_row_goes_to_its_partition() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(31), None, Some(0)]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let batch = RecordBatch::try_from_iter([("d", days), ("id", ids)]).unwrap();
        let parts = split_batch(&batch, &[0]).unwrap();
        let found: Vec<(Option<&str>, usize)> = parts
            .iter()
            .map(|(key, rows)| (key[0].as_deref(), rows.num_rows()))
            .collect();
        assert_eq!(
            found,
            [(None, 1), (Some("1970-01-01"), 2), (Some("1970-02-01"), 1)]
        );
        assert_eq!(split_batch(&batch, &[]).unwrap().len(), 1);
        assert_eq!(
            split_batch(&batch.slice(0, 0), &[0]).unwrap()[0]
                .1
                .num_rows(),
            0
        );
    }

    #[test]
    fn sorted_rows_stay_in_their_order() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![None, Some(0), Some(0), Some(31)]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![9, 7, 8, 1]));
        let batch = RecordBatch::try_from_iter([("d", days), ("id", ids)]).unwrap();
        let parts = split_sorted(&batch, &[0]).unwrap();
        let found: Vec<(Option<&str>, Vec<i64>)> = parts
            .iter()
            .map(|(key, rows)| {
                let ids = rows.column(1).as_primitive::<arrow::datatypes::Int64Type>();
                (key[0].as_deref(), ids.values().to_vec())
            })
            .collect();
        assert_eq!(
            found,
            [
                (None, vec![9]),
                (Some("1970-01-01"), vec![7, 8]),
                (Some("1970-02-01"), vec![1])
            ]
        );
    }
}
