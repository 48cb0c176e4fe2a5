//! Rows of one partition, collected in memory until they are worth a row group.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use crate::error::Result;

/// How many small batches are collected before they are made one.
const SMALL_BATCHES: usize = 32;

/// Rows that wait.
#[derive(Debug, Default)]
pub(super) struct Collected {
    small: Vec<RecordBatch>,
    whole: Vec<RecordBatch>,
    bytes: usize,
}

impl Collected {
    /// Takes rows in; small batches become larger ones, since each array costs memory of its own.
    pub(super) fn add(&mut self, rows: RecordBatch) -> Result<()> {
        self.bytes += rows.get_array_memory_size();
        self.small.push(rows);
        if self.small.len() < SMALL_BATCHES {
            return Ok(());
        }
        let one = concat_batches(&self.small[0].schema(), &self.small)?;
        let apart: usize = self
            .small
            .drain(..)
            .map(|rows| rows.get_array_memory_size())
            .sum();
        self.bytes = self.bytes - apart + one.get_array_memory_size();
        self.whole.push(one);
        Ok(())
    }

    /// Bytes of memory that the rows hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows, the earliest first.
    pub(super) fn rows(&self) -> Vec<&RecordBatch> {
        self.whole.iter().chain(&self.small).collect()
    }

    /// Gives the rows up.
    pub(super) fn take(&mut self) -> Vec<RecordBatch> {
        self.bytes = 0;
        let mut rows = std::mem::take(&mut self.whole);
        rows.append(&mut self.small);
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn rows_and_bytes_are_kept_whatever_the_batches() {
        let mut collected = Collected::default();
        for i in 0..100 {
            let values: ArrayRef = Arc::new(Int64Array::from(vec![i, i]));
            let rows = RecordBatch::try_from_iter([("n", values)]).unwrap();
            collected.add(rows).unwrap();
        }
        assert!(collected.bytes() >= 200 * 8);
        let rows = collected.take();
        assert!(rows.len() < 10);
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
        assert_eq!((collected.bytes(), collected.take().len()), (0, 0));
    }
}
