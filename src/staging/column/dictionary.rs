//! Dictionaries: each value of a column once, and a number for it.

use xxhash_rust::xxh3::xxh3_64;

/// No entry.
const FREE: u32 = u32::MAX;

/// The least size of a table; sizes are powers of two.
const LEAST: usize = 256;

/// Values with their numbers, in a table that is at most half full.
#[derive(Debug)]
struct Table<K> {
    slots: Vec<(K, u32)>,
    entries: usize,
}

impl<K: Copy + Default> Table<K> {
    fn new() -> Self {
        Self {
            slots: Vec::new(),
            entries: 0,
        }
    }

    /// Bytes of memory.
    fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<(K, u32)>()
    }

    /// The number of the entry that `is` it, or else that of a new one, which is `next`.
    #[inline]
    fn find(
        &mut self,
        key: K,
        next: usize,
        hash: impl Fn(K) -> u64,
        is: impl Fn(K, u32) -> bool,
    ) -> u32 {
        if self.entries * 2 >= self.slots.len() {
            self.grow(&hash);
        }
        let mask = self.slots.len() - 1;
        let mut at = (hash(key) >> 32) as usize & mask;
        loop {
            let (held, number) = self.slots[at];
            if number == FREE {
                self.slots[at] = (key, next as u32);
                self.entries += 1;
                return next as u32;
            }
            if is(held, number) {
                return number;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self, hash: impl Fn(K) -> u64) {
        let size = (self.slots.len() * 2).max(LEAST);
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

/// Any odd number without a pattern.
const ODD: i64 = 0x2545_F491_4F6C_DD1D;

/// Spreads numbers, which mostly lie close together, over all bits.
#[inline]
fn spread(value: i64) -> u64 {
    let mixed = (value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// How many numbers that lie close together have a place of their own each, which is found sooner
/// than one in a table.
const NEAR: usize = 1 << 14;

/// A dictionary of numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The number at each distance from `base`.
    near: Vec<u32>,
    base: i64,
    /// The numbers beyond.
    table: Table<i64>,
    values: Vec<i64>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self {
            near: Vec::new(),
            base: 0,
            table: Table::new(),
            values: Vec::new(),
        }
    }

    /// Tells that values between these come next.
    pub(super) fn expect(&mut self, low: i64, high: i64) {
        if self.is_near(low) && self.is_near(high) {
            return;
        }
        let (mut least, mut greatest) = (i128::from(low), i128::from(high));
        if let Some(last) = self.near.len().checked_sub(1) {
            least = least.min(self.base.into());
            greatest = greatest.max(i128::from(self.base) + last as i128);
        }
        let size = usize::try_from(greatest - least + 1).unwrap_or(usize::MAX);
        if size > NEAR {
            return;
        }
        // What is left of the size lies where the values moved to, for they go on so mostly.
        let size = size.next_power_of_two();
        self.base = if !self.near.is_empty() && low < self.base {
            (greatest + 1 - size as i128).max(i64::MIN.into()) as i64
        } else {
            least as i64
        };
        self.near.clear();
        self.near.resize(size, FREE);
        for (number, value) in self.values.iter().enumerate() {
            if let Some(place) = self.near.get_mut(distance(self.base, *value)) {
                *place = number as u32;
            }
        }
    }

    fn is_near(&self, value: i64) -> bool {
        distance(self.base, value) < self.near.len()
    }

    #[inline]
    pub(super) fn number_of(&mut self, value: i64) -> u32 {
        let next = self.values.len();
        let number = match self.near.get_mut(distance(self.base, value)) {
            Some(place) => {
                if *place == FREE {
                    *place = next as u32;
                }
                *place
            }
            None => self
                .table
                .find(value, next, spread, |held, _| held == value),
        };
        if number as usize == next {
            self.values.push(value);
        }
        number
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.near.capacity() * 4 + self.table.memory() + self.values.capacity() * 8
    }
}

/// How far a value lies above another one, around the end of all numbers if it is less.
#[inline]
fn distance(from: i64, to: i64) -> usize {
    usize::try_from(to.wrapping_sub(from) as u64).unwrap_or(usize::MAX)
}

/// A dictionary of texts.
#[derive(Debug)]
pub(super) struct Texts {
    /// Those that are a number themselves.
    short: Table<u128>,
    /// The others, by hash.
    long: Table<u64>,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            short: Table::new(),
            long: Table::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn number_of(&mut self, text: &[u8]) -> u32 {
        let next = self.ends.len();
        let number = if let Some(key) = short(text) {
            let hash = |key: u128| spread((key as i64) ^ ((key >> 64) as i64).wrapping_mul(ODD));
            self.short.find(key, next, hash, |held, _| held == key)
        } else {
            let (hash, bytes, ends) = (xxh3_64(text), &self.bytes, &self.ends);
            self.long.find(
                hash,
                next,
                |hash| hash,
                |held, number| held == hash && entry(bytes, ends, number as usize) == text,
            )
        };
        if number as usize == next {
            self.bytes.extend_from_slice(text);
            self.ends.push(self.bytes.len());
        }
        number
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: usize) -> &[u8] {
        entry(&self.bytes, &self.ends, number)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        let tables = self.short.memory() + self.long.memory();
        tables + self.bytes.capacity() + self.ends.capacity() * 8
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// A text of up to 15 bytes as a number of its own: its bytes, and its length as the highest one.
#[inline]
fn short(text: &[u8]) -> Option<u128> {
    let length = text.len();
    let eight = |at: usize| Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?));
    let four = |at: usize| Some(u32::from_le_bytes(*text.get(at..)?.first_chunk()?).into());
    // Two words that overlap are all of the text; what both have is shifted out of the second.
    let (low, high): (u64, u64) = match length {
        0 => (0, 0),
        1..=3 => {
            let byte = |at: usize| u64::from(text[at]);
            (byte(0) | byte(length / 2) << 8 | byte(length - 1) << 16, 0)
        }
        4 => (four(0)?, 0),
        5..=7 => {
            let rest: u64 = four(length - 4)?;
            let first: u64 = four(0)?;
            (first | rest >> (8 * (8 - length)) << 32, 0)
        }
        8 => (eight(0)?, 0),
        9..=15 => (eight(0)?, eight(length - 8)? >> (8 * (16 - length))),
        _ => return None,
    };
    Some(u128::from(low) | u128::from(high | (length as u64) << 56) << 64)
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

    /// Where each value came first, counted in values that differ.
    fn places<T: PartialEq + Copy>(values: &[T]) -> (Vec<usize>, Vec<T>) {
        let mut seen: Vec<T> = Vec::new();
        let place = |value: &T| {
            seen.iter().position(|one| one == value).unwrap_or_else(|| {
                seen.push(*value);
                seen.len() - 1
            })
        };
        (values.iter().map(place).collect(), seen)
    }

    proptest! {
        #[test]
        fn equal_numbers_are_one_entry_in_order_of_their_first(
            chunks in prop::collection::vec(
                (
                    prop_oneof![any::<i64>(), -9_i64..9, Just(i64::MIN), Just(i64::MAX)],
                    prop::collection::vec(prop_oneof![0_i64..9, 0_i64..20_000, any::<i64>()], 1..90),
                    0_i64..30_000,
                ),
                0..9,
            ),
            told: bool,
        ) {
            let mut ours = Numbers::new();
            let mut all = Vec::new();
            let mut found = Vec::new();
            for (base, offsets, spread) in chunks {
                let offsets = offsets.iter().map(|offset| base.wrapping_add(offset % (spread + 1)));
                let values: Vec<i64> = offsets.collect();
                if let (Some(low), Some(high), true) = (values.iter().min(), values.iter().max(), told) {
                    ours.expect(*low, *high);
                }
                found.extend(values.iter().map(|value| ours.number_of(*value) as usize));
                all.extend(values);
            }
            let (expected, seen) = places(&all);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(ours.values(), seen);
        }

        #[test]
        fn equal_texts_are_one_entry_in_order_of_their_first(
            texts in prop::collection::vec(prop::collection::vec(0_u8..2, 0..20), 0..900),
        ) {
            let mut ours = Texts::new();
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let found: Vec<usize> = texts.iter().map(|text| ours.number_of(text) as usize).collect();
            let (expected, seen) = places(&texts);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(ours.len(), seen.len());
            for (entry, text) in seen.iter().enumerate() {
                prop_assert_eq!(ours.get(entry), *text);
            }
        }

        #[test]
        fn a_short_text_is_its_number(text in prop::collection::vec(any::<u8>(), 0..20)) {
            let number = short(&text).map(u128::to_le_bytes);
            let expected = (text.len() < 16).then(|| {
                let mut bytes = [0; 16];
                bytes[..text.len()].copy_from_slice(&text);
                bytes[15] = text.len() as u8;
                bytes
            });
            // One to three bytes lie another way, in which each has its place too.
            if text.len() > 3 {
                prop_assert_eq!(number, expected);
            } else {
                prop_assert_eq!(number.map(|bytes| bytes[15]), expected.map(|bytes| bytes[15]));
            }
        }
    }
}
