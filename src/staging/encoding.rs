//! Which columns of a file are worth a dictionary.

use std::collections::HashSet;

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::schema::RowHasher;

/// How many of a file's first rows are looked at.
const SAMPLE: usize = 8192;

/// Fewer rows tell nothing.
const LEAST: usize = 1024;

/// The columns of a file whose values keep being new, going by its first rows.
///
/// A dictionary of such a column ends as a list of all its values with a number for each: it costs
/// the time to look each one up, and makes the file larger than the plain values do. A column is one
/// of these where the second half of the rows has nearly as many new values as the first half has.
pub(super) fn without_dictionary(rows: &[&RecordBatch]) -> Result<Vec<usize>> {
    let columns = rows.first().map_or(0, |batch| batch.num_columns());
    let mut found = Vec::new();
    for column in 0..columns {
        if keeps_growing(rows, column)? {
            found.push(column);
        }
    }
    Ok(found)
}

fn keeps_growing(rows: &[&RecordBatch], column: usize) -> Result<bool> {
    let all: usize = rows.iter().map(|batch| batch.num_rows()).sum();
    let sample = all.min(SAMPLE);
    if sample < LEAST {
        return Ok(false);
    }
    let mut hasher = RowHasher::default();
    let (mut seen, mut looked, mut in_first_half) = (HashSet::with_capacity(sample), 0, 0);
    for batch in rows {
        let some = batch.slice(0, batch.num_rows().min(sample - looked));
        for value in hasher.hash_rows(&some.project(&[column])?)? {
            seen.insert(*value);
            looked += 1;
            if looked == sample / 2 {
                in_first_half = seen.len();
            }
        }
    }
    // NULLs, or one value again and again, are what dictionaries are made for.
    Ok(in_first_half > sample / 32 && seen.len() * 20 > in_first_half * 35)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn what_keeps_being_new_has_no_dictionary() {
        let rows = 10_000_i64;
        let table: [(&str, fn(i64) -> i64, bool); 6] = [
            ("one value", |_| 7, false),
            ("a flag", |row| row % 2, false),
            ("days of some years", |row| (row * 7919) % 2500, false),
            ("a key", |row| row, true),
            ("a key of four lines each", |row| row / 4, true),
            ("amounts", |row| (row * 7919) % 3_000_017, true),
        ];
        for (name, value, expected) in table {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(value)));
            let texts: StringArray = (0..rows).map(|row| Some(value(row).to_string())).collect();
            let texts: ArrayRef = Arc::new(texts);
            let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
            let parts = [batch.slice(0, 3000), batch.slice(3000, 7000)];
            let found = without_dictionary(&parts.iter().collect::<Vec<_>>()).unwrap();
            let both: &[usize] = if expected { &[0, 1] } else { &[] };
            assert_eq!(found, both, "{name}");
        }
        let few: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let few = RecordBatch::try_from_iter([("n", few)]).unwrap();
        assert!(without_dictionary(&[&few]).unwrap().is_empty());
        assert!(without_dictionary(&[]).unwrap().is_empty());
    }
}
