//! Texts.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, GenericStringArray, OffsetSizeTrait};
use arrow::datatypes::DataType;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::{
    DICTIONARY_BYTES, PAGE_BYTES, PageBounds, TextBounds, Values, dictionary, indices_page,
};
use crate::error::Result;

/// Bytes of a text that bounds keep at most; what is cut off widens them.
const BOUND_BYTES: usize = 64;

/// The values of one column.
pub(super) struct Texts {
    dictionary: Option<dictionary::Texts>,
    /// Whether values go through the dictionary still.
    looks_up: bool,
    indices: Vec<u32>,
    /// The last page that used each entry of the dictionary, and the page at hand.
    used: Vec<u32>,
    page: u32,
    /// Lengths and bytes, for a page without a dictionary, and where its least and greatest text are.
    plain: Vec<u8>,
    low: Range<usize>,
    high: Range<usize>,
    /// Of all pages.
    all: Option<TextBounds>,
}

impl Texts {
    pub(super) fn new(dictionary: bool) -> Self {
        Self {
            dictionary: dictionary.then(dictionary::Texts::new),
            looks_up: dictionary,
            indices: Vec::new(),
            used: Vec::new(),
            page: 1,
            plain: Vec::new(),
            low: 0..0,
            high: 0..0,
            all: None,
        }
    }

    fn take<O: OffsetSizeTrait>(&mut self, array: &GenericStringArray<O>) {
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                for row in 0..array.len() {
                    self.take_one(array.value(row).as_bytes());
                }
            }
            Some(nulls) => {
                for row in nulls.valid_indices() {
                    self.take_one(array.value(row).as_bytes());
                }
            }
        }
    }

    #[inline]
    fn take_one(&mut self, text: &[u8]) {
        match &mut self.dictionary {
            Some(dictionary) if self.looks_up => {
                let number = dictionary.number_of(text);
                let entry = number as usize;
                if entry == self.used.len() {
                    self.used.push(self.page);
                } else {
                    self.used[entry] = self.page;
                }
                self.indices.push(number);
            }
            _ => self.take_plain(text),
        }
    }

    fn take_plain(&mut self, text: &[u8]) {
        let length = (text.len() as u32).to_le_bytes();
        let first = self.plain.is_empty();
        self.plain.extend_from_slice(&length);
        let at = self.plain.len();
        let place = at..at + text.len();
        if first || text < &self.plain[self.low.clone()] {
            self.low = place.clone();
        }
        if first || text > &self.plain[self.high.clone()] {
            self.high = place;
        }
        self.plain.extend_from_slice(text);
    }

    /// The least and the greatest text of the page.
    fn extremes(&self) -> Option<(&[u8], &[u8])> {
        if !self.plain.is_empty() {
            return Some((
                &self.plain[self.low.clone()],
                &self.plain[self.high.clone()],
            ));
        }
        let dictionary = self.dictionary.as_ref()?;
        let here = self.used.iter().enumerate();
        let here = here.filter(|(_, page)| **page == self.page);
        let mut texts = here.map(|(entry, _)| dictionary.get(entry));
        let first = texts.next()?;
        Some(texts.fold((first, first), |(low, high), text| {
            (low.min(text), high.max(text))
        }))
    }

    /// Whether the dictionary is too large to go on with.
    fn outgrew(&self) -> bool {
        let bytes = |one: &dictionary::Texts| one.bytes() + one.len() * 4;
        self.dictionary
            .as_ref()
            .is_some_and(|one| bytes(one) > DICTIONARY_BYTES)
    }

    fn widen(&mut self, low: &[u8], high: &[u8]) {
        match &mut self.all {
            None => self.all = Some((low.to_vec(), high.to_vec())),
            Some((least, greatest)) => {
                if low < least.as_slice() {
                    *least = low.to_vec();
                }
                if high > greatest.as_slice() {
                    *greatest = high.to_vec();
                }
            }
        }
    }
}

impl Values for Texts {
    fn append(&mut self, array: &ArrayRef) -> Result<()> {
        if array.data_type() == &DataType::LargeUtf8 {
            self.take(array.as_string::<i64>());
        } else {
            self.take(array.as_string::<i32>());
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        // The page ends at once, so that long texts do not pile up in a dictionary that is given up.
        if self.looks_up && self.outgrew() {
            return PAGE_BYTES;
        }
        self.plain.len() + self.indices.len() * 2
    }

    fn memory(&self) -> usize {
        let dictionary = self.dictionary.as_ref();
        let entries = dictionary.map_or(0, dictionary::Texts::memory);
        entries + self.used.capacity() * 4 + self.indices.capacity() * 4
    }

    fn end_page(&mut self, into: &mut Vec<u8>) -> (Encoding, Option<PageBounds>) {
        let extremes = self.extremes();
        let extremes = extremes.map(|(low, high)| (low.to_vec(), high.to_vec()));
        let bounds = extremes.and_then(|(low, high)| {
            self.widen(&low, &high);
            Some(PageBounds {
                low: cut(&low).0,
                high: cut_above(&high)?.0,
            })
        });
        let encoding = match &self.dictionary {
            Some(dictionary) if !self.indices.is_empty() => {
                indices_page(&self.indices, dictionary.len(), into)
            }
            _ => {
                into.extend_from_slice(&self.plain);
                Encoding::PLAIN
            }
        };
        self.looks_up &= !self.outgrew();
        self.indices.clear();
        self.plain.clear();
        self.page += 1;
        (encoding, bounds)
    }

    fn dictionary(&self) -> Option<(Vec<u8>, usize)> {
        let dictionary = self.dictionary.as_ref().filter(|one| one.len() > 0)?;
        let mut plain = Vec::with_capacity(dictionary.bytes() + 4 * dictionary.len());
        for entry in 0..dictionary.len() {
            let text = dictionary.get(entry);
            plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
            plain.extend_from_slice(text);
        }
        Some((plain, dictionary.len()))
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        let low = self.all.as_ref().map(|(low, _)| cut(low));
        let high = self.all.as_ref().and_then(|(_, high)| cut_above(high));
        let (low_exact, high_exact) = (
            low.as_ref().is_none_or(|(_, exact)| *exact),
            high.as_ref().is_none_or(|(_, exact)| *exact),
        );
        let bytes = |bound: Option<(Vec<u8>, bool)>| bound.map(|(bytes, _)| ByteArray::from(bytes));
        ValueStatistics::new(bytes(low), bytes(high), None, Some(nulls), false)
            .with_min_is_exact(low_exact)
            .with_max_is_exact(high_exact)
            .into()
    }

    fn texts(&mut self) -> Option<TextBounds> {
        self.all.take()
    }
}

/// The beginning of a text, which is no greater than it, and whether that is all of it.
fn cut(text: &[u8]) -> (Vec<u8>, bool) {
    let exact = text.len() <= BOUND_BYTES;
    (beginning(text).to_vec(), exact)
}

/// A short text that is no less than this one, if there is one: its beginning, with the last
/// character that has a next one made that.
fn cut_above(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    if text.len() <= BOUND_BYTES {
        return Some((text.to_vec(), true));
    }
    let mut characters: Vec<char> = String::from_utf8_lossy(beginning(text)).chars().collect();
    while let Some(last) = characters.pop() {
        // Beyond the surrogates, which are no characters.
        let next = match last as u32 + 1 {
            0xD800 => Some('\u{E000}'),
            next => char::from_u32(next),
        };
        if let Some(next) = next {
            characters.push(next);
            let above: String = characters.into_iter().collect();
            return Some((above.into_bytes(), false));
        }
    }
    None
}

/// As many whole characters as a bound keeps.
fn beginning(text: &[u8]) -> &[u8] {
    if text.len() <= BOUND_BYTES {
        return text;
    }
    let is_inside = |at: usize| text[at] & 0xC0 == 0x80;
    let end = (0..=BOUND_BYTES).rev().find(|at| !is_inside(*at));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_end_a_dictionary_and_its_page_soon() {
        let some = |from: usize| -> ArrayRef {
            let texts = (from..from + 8).map(|i| Some(format!("{i}").repeat(200_000)));
            std::sync::Arc::new(texts.collect::<arrow::array::StringArray>())
        };
        let (mut texts, mut page) = (Texts::new(true), Vec::new());
        texts.append(&some(10)).unwrap();
        assert!(texts.page_bytes() >= PAGE_BYTES);
        assert_eq!(texts.end_page(&mut page).0, Encoding::RLE_DICTIONARY);
        texts.append(&some(20)).unwrap();
        assert_eq!(texts.end_page(&mut page).0, Encoding::PLAIN);
        assert_eq!(texts.dictionary().unwrap().1, 8);
        let (low, high) = texts.texts().unwrap();
        assert!(low.starts_with(b"1010") && high.starts_with(b"2727"));
    }

    proptest! {
        #[test]
        fn a_cut_bound_is_still_one(text in "[a\u{7F}\u{D7FF}\u{10FFFF}é]{0,60}") {
            let bytes = text.as_bytes();
            let (low, exact) = cut(bytes);
            prop_assert!(low.as_slice() <= bytes && std::str::from_utf8(&low).is_ok());
            prop_assert_eq!(exact, low == bytes);
            if let Some((high, exact)) = cut_above(bytes) {
                prop_assert!(high.as_slice() >= bytes && std::str::from_utf8(&high).is_ok());
                prop_assert_eq!(exact, high == bytes);
            }
        }
    }
}
