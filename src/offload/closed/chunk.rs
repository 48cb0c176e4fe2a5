//! Cutting what a run takes into chunks of whole partitions.

use super::Unit;

/// Groups units, oldest first, into chunks by their positions: a unit joins the chunk while the
/// bytes with it stay below `max_bytes` and the chunk has fewer than `max_count` partitions. A
/// chunk has at least one unit, however large; a unit's partitions, which end at one boundary, stay
/// together. Unknown bytes count as none.
#[must_use]
pub fn chunks(units: &[Unit], max_bytes: u64, max_count: usize) -> Vec<Vec<usize>> {
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let (mut bytes, mut count) = (0_u64, 0_usize);
    for (position, unit) in units.iter().enumerate() {
        let with = bytes.saturating_add(unit.bytes.unwrap_or_default());
        match chunks.last_mut() {
            Some(chunk) if with < max_bytes && count < max_count => {
                chunk.push(position);
                bytes = with;
                count += unit.partitions.len();
            }
            _ => {
                chunks.push(vec![position]);
                bytes = unit.bytes.unwrap_or_default();
                count = unit.partitions.len();
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::lit;
    use proptest::prelude::*;

    use super::*;

    fn unit(bytes: Option<u64>, partitions: usize) -> Unit {
        Unit {
            name: "p".to_owned(),
            partitions: vec!["p".to_owned(); partitions],
            predicate: lit(true),
            rows: None,
            bytes,
        }
    }

    fn units(bytes: &[u64]) -> Vec<Unit> {
        bytes.iter().map(|bytes| unit(Some(*bytes), 1)).collect()
    }

    /// Section 2.10.
    #[test]
    fn chunks_are_cut_by_bytes_and_by_count() {
        let table: [(&[u64], u64, usize, &[&[usize]]); 7] = [
            (&[], 10, 10, &[]),
            (&[3, 3, 3, 3], 10, 10, &[&[0, 1, 2], &[3]]),
            // The sum stays below the size, it does not reach it.
            (&[5, 5, 5], 10, 10, &[&[0], &[1], &[2]]),
            (&[50, 1, 1], 10, 10, &[&[0], &[1, 2]]),
            (&[1, 1, 1, 1, 1], 100, 2, &[&[0, 1], &[2, 3], &[4]]),
            (&[0, 0, 0], 1, 1000, &[&[0, 1, 2]]),
            (&[u64::MAX, u64::MAX], 10, 10, &[&[0], &[1]]),
        ];
        for (bytes, max_bytes, max_count, expected) in table {
            assert_eq!(
                chunks(&units(bytes), max_bytes, max_count),
                expected,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn partitions_of_one_boundary_stay_together() {
        let four = [
            unit(Some(1), 3),
            unit(Some(1), 3),
            unit(None, 3),
            unit(Some(1), 1),
        ];
        assert_eq!(chunks(&four, 100, 4), [vec![0, 1], vec![2, 3]]);
    }

    proptest! {
        #[test]
        fn every_unit_is_in_one_chunk(bytes in prop::collection::vec(0u64..20, 0..40), max_bytes in 1u64..60, max_count in 1usize..8) {
            let units = units(&bytes);
            let cut = chunks(&units, max_bytes, max_count);
            let all: Vec<usize> = cut.concat();
            prop_assert_eq!(all, (0..units.len()).collect::<Vec<_>>());
            for chunk in cut {
                let sum: u64 = chunk.iter().map(|at| bytes[*at]).sum();
                prop_assert!(chunk.len() == 1 || (sum < max_bytes && chunk.len() <= max_count));
            }
        }
    }
}
