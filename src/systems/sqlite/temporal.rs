//! Days and times as SQLite's ISO text forms write them.

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// The day of `YYYY-MM-DD`, counted from 1970-01-01. Its digits are taken all at once, two of them in
/// each 16 bits.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    /// What makes a byte above nine one above 127.
    const ABOVE_NINE: u64 = u64::from_le_bytes([0x76; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else {
        return None;
    };
    let digits = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ ZEROS;
    if (digits | digits.wrapping_add(ABOVE_NINE)) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = digits * 10 + (digits >> 8);
    let pair = |at: u32| (pairs >> (16 * at) & 0xFF) as u32;
    let (year, month, day) = (pair(0) * 100 + pair(1), pair(2), pair(3));
    let valid = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
    valid.then(|| days(year, month, day))
}

/// The nanoseconds since midnight of `HH:MM[:SS[.f…]]`; digits beyond the ninth must be zero.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let (clock, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) if dot == 8 => (&text[..dot], fraction(&text[dot + 1..])?),
        Some(_) => return None,
        None => (text, 0),
    };
    let (hour, minute, second) = match *clock {
        [a, b, b':', c, d] => (number(&[a, b])?, number(&[c, d])?, 0),
        [a, b, b':', c, d, b':', e, f] => (number(&[a, b])?, number(&[c, d])?, number(&[e, f])?),
        _ => return None,
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    valid.then_some(seconds * 1_000_000_000 + fraction)
}

/// The nanoseconds since 1970 of a day, or of a day and a time after a blank or a `T`.
pub(super) fn timestamp(text: &[u8]) -> Option<i128> {
    let (day, rest) = text.split_at_checked(10)?;
    let time = match rest {
        [] => 0,
        [b' ' | b'T', clock @ ..] => time(clock)?,
        _ => return None,
    };
    Some(i128::from(date(day)?) * i128::from(DAY) + i128::from(time))
}

/// The same with a zone after the time: `Z` or `±HH:MM`.
pub(super) fn zoned_timestamp(text: &[u8]) -> Option<i128> {
    if let Some(local) = text.strip_suffix(b"Z") {
        return (local.len() > 10).then(|| timestamp(local))?;
    }
    let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let &[sign @ (b'+' | b'-'), a, b, b':', c, d] = zone else {
        return None;
    };
    let (hours, minutes) = (number(&[a, b])?, number(&[c, d])?);
    if local.len() <= 10 || hours > 15 || minutes > 59 {
        return None;
    }
    let offset = i128::from(hours * 60 + minutes) * 60_000_000_000;
    Some(timestamp(local)? - if sign == b'-' { -offset } else { offset })
}

/// Whether a text is a time with a zone, to say so when none was expected.
pub(super) fn has_zone(text: &[u8]) -> bool {
    zoned_timestamp(text).is_some()
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i32::from(byte - b'0'))
    })
}

/// Nanoseconds of at least one fraction digit.
fn fraction(digits: &[u8]) -> Option<i64> {
    let (kept, beyond) = digits.split_at(digits.len().min(9));
    if kept.is_empty() || beyond.iter().any(|&digit| digit != b'0') {
        return None;
    }
    Some(i64::from(number(kept)?) * 10_i64.pow(9 - kept.len() as u32))
}

#[inline]
fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by counting years from March so that the leap day comes last.
#[inline]
fn days(year: u32, month: u32, day: u32) -> i32 {
    /// Days of the 400 years that are counted too much, for the year before 0 is none, and of those
    /// from year 0 to 1970.
    const TOO_MUCH: i32 = 146_097 + 719_468;
    let (year, month) = if month <= 2 {
        (year + 399, month + 9)
    } else {
        (year + 400, month - 3)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    (year * 365 + leap_days + of_year) as i32 - TOO_MUCH
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, NaiveDateTime};

    use super::*;

    #[test]
    fn every_day_of_four_digit_years_is_chrono_s() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let mut day = NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
        while day <= NaiveDate::from_ymd_opt(9999, 12, 31).unwrap() {
            let text = day.format("%Y-%m-%d").to_string();
            assert_eq!(
                date(text.as_bytes()),
                Some((day - epoch).num_days() as i32),
                "{text}"
            );
            day = day + chrono::Days::new(1);
        }
    }

    #[test]
    fn only_the_forms_that_are_documented_are_times() {
        let nanoseconds = |text: &str| {
            let at: NaiveDateTime = text.parse().unwrap();
            at.and_utc().timestamp_nanos_opt().map(i128::from)
        };
        for (text, same) in [
            ("2024-02-29", "2024-02-29T00:00:00"),
            ("2024-02-29 23:59", "2024-02-29T23:59:00"),
            ("1969-12-31T23:59:59.5", "1969-12-31T23:59:59.5"),
            (
                "2024-02-29 01:02:03.123456789000",
                "2024-02-29T01:02:03.123456789",
            ),
        ] {
            assert_eq!(timestamp(text.as_bytes()), nanoseconds(same), "{text}");
        }
        for bad in [
            "",
            "2023-02-29",
            "2024-2-9",
            "2024-02-29 ",
            "2024-02-29 24:00",
            "2024-02-29 1:00",
            "2024-02-29 01:02:60",
            "2024-02-29 01:02:03.",
            "2024-02-29 01:02.5",
            "20240229",
            "2024-02-29 01:02:03Z",
            "2024-02-29 01:02:03.1234567891",
            "-001-02-28",
            "２024-02-2",
        ] {
            assert_eq!(timestamp(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_zone_is_taken_off() {
        let utc = timestamp(b"2024-02-29 12:00");
        for text in [
            "2024-02-29 12:00Z",
            "2024-02-29T14:30:00+02:30",
            "2024-02-29 10:00:00.0-02:00",
        ] {
            assert_eq!(zoned_timestamp(text.as_bytes()), utc, "{text}");
        }
        for bad in [
            "2024-02-29",
            "2024-02-29 12:00",
            "2024-02-29Z",
            "2024-02-29+02:00",
            "Z",
            "",
        ] {
            assert_eq!(zoned_timestamp(bad.as_bytes()), None, "{bad}");
        }
    }
}
