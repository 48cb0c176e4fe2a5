//! Types that would fit columns whose own type says little: numbers that come as text because
//! their declaration bounds no digits. A proposal changes nothing by itself, and each value is
//! checked against the type when it is taken up.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use serde::Serialize;

use super::{PlannedColumn, TypeOverride};
use crate::schema::CanonicalType;

/// Digits that are proposed, with room for greater values to come.
const DIGITS: [usize; 2] = [18, 38];

/// The most digits that a decimal of the proposals has.
const MOST_DIGITS: usize = 38;

/// A type that every sampled value of a column fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The column.
    pub column: String,
    /// The type, as canonical types are written.
    pub to: String,
    /// The values that were looked at; NULLs are none.
    pub values: u64,
    /// The options that say so.
    pub options: Vec<String>,
}

/// What was seen of one column's texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct SampledTexts {
    values: u64,
    whole: usize,
    scale: usize,
    /// A text came that is no plain number.
    other: bool,
}

impl SampledTexts {
    /// Whether a column is worth a look: it holds text, and nobody said what it shall be.
    pub(crate) fn is_for(column: &PlannedColumn) -> bool {
        column.target.canonical.is_text() && !column.cast && !column.input.is_empty()
    }

    /// Takes texts in.
    pub(crate) fn add(&mut self, array: &ArrayRef) {
        match array.data_type() {
            DataType::Utf8 => array
                .as_string::<i32>()
                .iter()
                .for_each(|text| self.see(text)),
            DataType::LargeUtf8 => array
                .as_string::<i64>()
                .iter()
                .for_each(|text| self.see(text)),
            _ => self.other |= array.null_count() < array.len(),
        }
    }

    fn see(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        self.values += 1;
        match digits(text) {
            Some((whole, scale)) => {
                self.whole = self.whole.max(whole);
                self.scale = self.scale.max(scale);
            }
            None => self.other = true,
        }
    }

    /// The type that fits, if all texts were numbers of up to 38 digits.
    pub(crate) fn propose(&self, column: &str) -> Option<Proposal> {
        if self.other || self.values == 0 {
            return None;
        }
        let needed = self.whole + self.scale;
        let precision = DIGITS.into_iter().find(|digits| *digits >= needed)?;
        let to = match (self.scale, precision) {
            (0, MOST_DIGITS) => CanonicalType::Integer38,
            (0, _) => CanonicalType::Integer8,
            (scale, precision) => CanonicalType::Decimal {
                precision: u8::try_from(precision).ok()?,
                scale: u8::try_from(scale).ok()?,
            },
        };
        let quoted = format!("\"{}\"", column.replace('"', "\"\""));
        let plain = column
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let name = if plain { column.to_owned() } else { quoted };
        let mut options = vec![TypeOverride::To(to).option().to_owned(), name];
        if let CanonicalType::Decimal { precision, scale } = to {
            options.push("--decimal-columns-type".to_owned());
            options.push(format!("{precision},{scale}"));
        }
        Some(Proposal {
            column: column.to_owned(),
            to: to.to_string(),
            values: self.values,
            options,
        })
    }
}

/// Digits before and after the point of a plain number; `None` for every other text. With leading
/// zeros, as `007`, it is a code and no number.
fn digits(text: &str) -> Option<(usize, usize)> {
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let padded = whole.len() > 1 && whole.starts_with('0');
    if !all_digits(whole) || !all_digits(fraction) || padded || text == "-0" {
        return None;
    }
    let scale = if number.contains('.') {
        fraction.len()
    } else {
        0
    };
    Some((whole.len(), scale))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    fn proposed(texts: &[Option<&str>]) -> Option<String> {
        let mut seen = SampledTexts::default();
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        seen.add(&array);
        seen.propose("a b")
            .map(|proposal| proposal.options.join(" "))
    }

    #[test]
    fn numbers_get_a_type_with_room_and_other_texts_none() {
        let decimal = |digits: &str| {
            Some(format!(
                "--decimal-columns \"a b\" --decimal-columns-type {digits}"
            ))
        };
        let integer = |bytes: &str| Some(format!("--integer-{bytes}-columns \"a b\""));
        let long = "9".repeat(30);
        let longest = "9".repeat(39);
        let cases: Vec<(Vec<Option<&str>>, Option<String>)> = vec![
            (vec![Some("1"), None, Some("-25")], integer("8")),
            (vec![Some(&long)], integer("38")),
            (vec![Some(&longest)], None),
            (vec![Some("1.5"), Some("-1234.125")], decimal("18,3")),
            (vec![Some("1.5"), Some(&long)], decimal("38,1")),
            (vec![Some("007")], None),
            (vec![Some("1"), Some("x")], None),
            (vec![Some("1e5")], None),
            (vec![Some("")], None),
            (vec![Some("1.")], None),
            (vec![Some("0"), Some("0.50")], decimal("18,2")),
            (vec![None], None),
            (vec![], None),
        ];
        for (texts, expected) in cases {
            assert_eq!(proposed(&texts), expected, "{texts:?}");
        }
    }
}
