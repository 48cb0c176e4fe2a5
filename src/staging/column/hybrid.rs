//! The hybrid of run lengths and packed bits that Parquet keeps dictionary indices and levels in
//! (Apache Parquet, "Encodings", RLE / Bit-Packing Hybrid).

/// Values that are packed together.
const GROUP: usize = 8;

/// Groups in one packed section at most; older readers take no more.
const GROUPS: usize = 63;

/// The bits that the numbers below `count` need.
pub(super) fn width(count: usize) -> u8 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as u8
}

/// Appends `values`, each of at most `width` bits.
pub(super) fn encode(values: &[u32], width: u8, into: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&first) = values.get(at) {
        let run = values[at..].iter().take_while(|v| **v == first).count();
        if run >= GROUP || width == 0 {
            repeated(first, run, width, into);
            at += run;
        } else {
            let end = packed_end(values, at);
            packed(&values[at..end], width, into);
            at = end;
        }
    }
}

/// Appends one value many times.
pub(super) fn repeated(value: u32, times: usize, width: u8, into: &mut Vec<u8>) {
    varint(times << 1, into);
    let bytes = usize::from(width.div_ceil(8));
    into.extend_from_slice(&value.to_le_bytes()[..bytes]);
}

/// Where a packed section that begins at `at` ends: before a group that a run could begin with.
fn packed_end(values: &[u32], at: usize) -> usize {
    let last = values.len().min(at + GROUP * GROUPS);
    let mut end = at + GROUP;
    while end < last {
        let group = &values[end..values.len().min(end + GROUP)];
        if group.len() == GROUP && group.iter().all(|value| *value == group[0]) {
            break;
        }
        end += GROUP;
    }
    end.min(last)
}

fn packed(values: &[u32], width: u8, into: &mut Vec<u8>) {
    let groups = values.len().div_ceil(GROUP);
    varint(groups << 1 | 1, into);
    let whole = into.len() + groups * usize::from(width);
    let (mut bits, mut waiting) = (0_u64, 0_u32);
    for value in values {
        bits |= u64::from(*value) << waiting;
        waiting += u32::from(width);
        if waiting >= 32 {
            into.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            waiting -= 32;
        }
    }
    into.extend_from_slice(&bits.to_le_bytes());
    // What is left of the last group is zeros.
    into.resize(whole, 0);
}

fn varint(mut value: usize, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `count` values back, as the format describes them.
    fn decode(bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
        let (mut at, mut values) = (0, Vec::new());
        while values.len() < count {
            let (mut head, mut shift) = (0_usize, 0);
            loop {
                head |= usize::from(bytes[at] & 0x7F) << shift;
                shift += 7;
                at += 1;
                if bytes[at - 1] < 0x80 {
                    break;
                }
            }
            if head & 1 == 0 {
                let size = usize::from(width).div_ceil(8);
                let mut value = [0; 4];
                value[..size].copy_from_slice(&bytes[at..at + size]);
                at += size;
                values.extend(std::iter::repeat_n(u32::from_le_bytes(value), head >> 1));
            } else {
                let bit = |i: usize| bytes[at + i / 8] >> (i % 8) & 1;
                let width = usize::from(width);
                for value in 0..(head >> 1) * 8 {
                    let bits = (0..width).map(|i| u32::from(bit(value * width + i)) << i);
                    values.push(bits.sum());
                }
                at += (head >> 1) * width;
            }
        }
        assert_eq!(at, bytes.len());
        values.truncate(count);
        values
    }

    #[test]
    fn widths_are_the_least_that_do() {
        let expected = [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (256, 8),
            (257, 9),
        ];
        for (count, bits) in expected {
            assert_eq!(width(count), bits, "{count}");
        }
    }

    proptest! {
        #[test]
        fn values_come_back(
            runs in prop::collection::vec((any::<u32>(), prop_oneof![1_usize..3, 1_usize..40, 500_usize..1100]), 0..40),
            width in 0_u8..=32,
        ) {
            let mask = ((1_u64 << width) - 1) as u32;
            let values: Vec<u32> = runs.into_iter()
                .flat_map(|(value, times)| std::iter::repeat_n(value & mask, times))
                .collect();
            let mut bytes = Vec::new();
            encode(&values, width, &mut bytes);
            prop_assert_eq!(decode(&bytes, width, values.len()), values);
        }
    }
}
