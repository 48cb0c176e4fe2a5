//! Dictionaries: each value of a column once, and a number for it.

use xxhash_rust::xxh3::xxh3_64;

/// No entry.
const FREE: u32 = u32::MAX;

/// The least size of a table; sizes are powers of two.
const LEAST: usize = 256;

/// The values of a dictionary with their numbers, in a table that is at most half full.
#[derive(Debug)]
struct Table<K> {
    slots: Vec<(K, u32)>,
    entries: usize,
}

impl<K: Copy + Default> Table<K> {
    fn new() -> Self {
        Self {
            slots: vec![(K::default(), FREE); LEAST],
            entries: 0,
        }
    }

    /// The number of the entry that `is` it, or that of a new one, with whether it is new.
    #[inline]
    fn find(&mut self, hash: u64, key: K, is: impl Fn(K, u32) -> bool) -> (u32, bool) {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let (held, number) = self.slots[at];
            if number == FREE {
                let number = self.entries as u32;
                self.slots[at] = (key, number);
                self.entries += 1;
                return (number, true);
            }
            if is(held, number) {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for one more.
    fn grow(&mut self, hash: impl Fn(K) -> u64) {
        if self.entries * 2 < self.slots.len() {
            return;
        }
        let size = self.slots.len() * 2;
        let free = vec![(K::default(), FREE); size];
        for (key, number) in std::mem::replace(&mut self.slots, free) {
            if number == FREE {
                continue;
            }
            let mut at = (hash(key) >> 32) as usize & (size - 1);
            while self.slots[at].1 != FREE {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = (key, number);
        }
    }
}

/// Spreads numbers, which mostly lie close together, over all bits.
#[inline]
fn spread(value: i64) -> u64 {
    let mixed = (value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// A dictionary of numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    table: Table<i64>,
    values: Vec<i64>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(),
            values: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn number_of(&mut self, value: i64) -> u32 {
        let (number, new) = self
            .table
            .find(spread(value), value, |held, _| held == value);
        if new {
            self.values.push(value);
            self.table.grow(spread);
        }
        number
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }
}

/// A dictionary of texts.
#[derive(Debug)]
pub(super) struct Texts {
    /// By hash.
    table: Table<u64>,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn number_of(&mut self, text: &[u8]) -> u32 {
        let hash = xxh3_64(text);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let (number, new) = self.table.find(hash, hash, |held, number| {
            held == hash && entry(bytes, ends, number as usize) == text
        });
        if new {
            self.bytes.extend_from_slice(text);
            self.ends.push(self.bytes.len());
            self.table.grow(|hash| hash);
        }
        number
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: usize) -> &[u8] {
        entry(&self.bytes, &self.ends, number)
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn entry<'a>(bytes: &'a [u8], ends: &[usize], number: usize) -> &'a [u8] {
    let from = match number {
        0 => 0,
        number => ends[number - 1],
    };
    &bytes[from..ends[number]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_values_have_equal_numbers_in_order_of_their_first(
            numbers in prop::collection::vec(prop_oneof![any::<i64>(), 0_i64..9, Just(i64::MIN)], 0..900),
        ) {
            let (mut ours, mut texts) = (Numbers::new(), Texts::new());
            let mut seen: Vec<i64> = Vec::new();
            for number in &numbers {
                let expected = seen.iter().position(|one| one == number).unwrap_or_else(|| {
                    seen.push(*number);
                    seen.len() - 1
                });
                let text = number.to_string();
                prop_assert_eq!(ours.number_of(*number) as usize, expected);
                prop_assert_eq!(texts.number_of(text.as_bytes()) as usize, expected);
                prop_assert_eq!(texts.get(expected), text.as_bytes());
            }
            prop_assert_eq!(ours.values(), seen);
            prop_assert_eq!(texts.len(), ours.values().len());
        }
    }
}
