//! Numbers as people read them.

/// A number with its thousands apart: `1,500,000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with the word that it counts: `1 row`, `2 rows`.
pub(super) fn counted(number: u64, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {word}{ending}", count(number))
}

/// Bytes in the unit that suits, in powers of 1024: `12.3 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    let mut size = number as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{number} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

/// A duration: `850 ms`, `12.4 s`, `3 min 5 s`.
pub(super) fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..120_000 => format!("{:.1} s", millis as f64 / 1000.0),
        _ => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let counts = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, shown) in counts {
            assert_eq!(count(number), shown);
        }
        assert_eq!([counted(1, "row"), counted(0, "row")], ["1 row", "0 rows"]);
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KB"),
            (12 << 20, "12.0 MB"),
        ];
        for (number, shown) in sizes {
            assert_eq!(bytes(number), shown);
        }
        let times = [(850, "850 ms"), (12_440, "12.4 s"), (185_000, "3 min 5 s")];
        for (millis, shown) in times {
            assert_eq!(duration(millis), shown);
        }
    }
}
