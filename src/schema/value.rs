//! Values as people read them in messages.

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How many characters of a value a message shows.
const SHOWN: usize = 80;

/// The value at `row` for a message: short, on one line, `NULL` for a null.
#[must_use]
pub fn describe_value(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => shorten(&formatter.value(row).to_string()),
        Err(error) => format!("(not printable: {error})"),
    }
}

/// The first characters of a text with control characters escaped, and how long it was if cut.
#[must_use]
pub fn shorten(text: &str) -> String {
    let escaped = |part: &str| -> String {
        part.chars()
            .flat_map(|c| {
                let escape = c.is_control();
                c.escape_default()
                    .filter(move |_| escape)
                    .chain((!escape).then_some(c))
            })
            .collect()
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!(
            "{}… ({} characters)",
            escaped(&text[..end]),
            text.chars().count()
        ),
        None => escaped(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_on_one_line_and_short() {
        assert_eq!(shorten("a\nb"), "a\\nb");
        assert_eq!(shorten("é"), "é");
        let long = "x".repeat(1000);
        assert!(shorten(&long).ends_with("… (1000 characters)"));
    }
}
