//! Days and times as SQLite's ISO text forms write them.

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// The day of `YYYY-MM-DD`, counted from 1970-01-01.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else {
        return None;
    };
    let year = number(&[a, b, c, d])?;
    let (month, day) = (number(&[e, f])?, number(&[g, h])?);
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

fn days_of_month(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by counting years from March so that the leap day comes last.
fn days(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
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
