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

/// Reads `count` values, told in runs: a value, and how often it comes. None for bytes that hold
/// fewer, and when the one who is told gives none.
pub(in crate::staging) fn decode(
    mut bytes: &[u8],
    width: u8,
    mut count: usize,
    mut each: impl FnMut(u32, usize) -> Option<()>,
) -> Option<()> {
    if width > 32 {
        return None;
    }
    while count > 0 {
        let head = take_varint(&mut bytes)?;
        let length = head >> 1;
        if head == 0 {
            // A run of nothing is how some writers fill up.
            return None;
        }
        if head & 1 == 0 {
            let mut value = [0; 4];
            let size = usize::from(width.div_ceil(8));
            value[..size].copy_from_slice(bytes.split_off(..size)?);
            let times = length.min(count);
            each(u32::from_le_bytes(value), times)?;
            count -= times;
        } else {
            let packed = bytes.split_off(..length.checked_mul(usize::from(width))?)?;
            let values = length.checked_mul(GROUP)?.min(count);
            unpacked(packed, width, values, |value| each(value, 1))?;
            count -= values;
        }
    }
    Some(())
}

/// Reads so many values of whole groups.
fn unpacked(
    packed: &[u8],
    width: u8,
    mut count: usize,
    mut each: impl FnMut(u32) -> Option<()>,
) -> Option<()> {
    let (width, mask) = (usize::from(width), (1_u64 << width) - 1);
    // Any value of a group lies in eight bytes from its first one.
    let mut group = [0; 32 + 8];
    for begin in 0..packed
        .len()
        .checked_div(width)
        .unwrap_or(count.div_ceil(GROUP))
    {
        let bytes = &packed[begin * width..][..width];
        group[..width].copy_from_slice(bytes);
        for value in 0..count.min(GROUP) {
            let bit = value * width;
            let word = group[bit / 8..][..8].try_into().ok()?;
            each((u64::from_le_bytes(word) >> (bit % 8) & mask) as u32)?;
        }
        count = count.saturating_sub(GROUP);
    }
    Some(())
}

fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
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
            let mut back = Vec::new();
            let told = decode(&bytes, width, values.len(), |value, times| {
                back.extend(std::iter::repeat_n(value, times));
                Some(())
            });
            prop_assert_eq!(told, Some(()));
            prop_assert_eq!(back, values);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            width in 0_u8..40,
            count in 0_usize..5000,
        ) {
            let mut told = 0;
            let read = decode(&bytes, width, count, |_, times| {
                told += times;
                Some(())
            });
            let fits = if read.is_some() { told == count } else { told <= count };
            prop_assert!(fits, "{told} of {count}");
        }
    }
}
