//! Numbers of bytes as people write them.

use crate::error::{Error, Result};

/// The number of bytes of a text such as `512MB`, `2 GiB` or `1048576`. Units are powers of 1024,
/// in any case, and a fraction is allowed.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] for anything else.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let wrong = || {
        Error::usage(format!("\"{text}\" is no size"))
            .hint("write a number of bytes, or one with a unit: 512MB, 2GB")
    };
    let trimmed = text.trim();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let factor = factor(unit.trim()).ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    if bytes.is_finite() && bytes < u64::MAX as f64 {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

fn factor(unit: &str) -> Option<u64> {
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    Some(1024_u64.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        let table = [
            ("1048576", Some(1 << 20)),
            ("512MB", Some(512 << 20)),
            ("1.5 GiB", Some(3 << 29)),
            ("2g", Some(2 << 30)),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("1.2.3", None),
            ("5 parsecs", None),
            ("99999999999999999999", None),
            ("20000000TB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
        }
    }
}
