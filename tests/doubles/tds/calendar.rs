//! Days and ticks: how points of time are counted, and their texts.
//!
//! A day is counted from 0001-01-01, a tick is 100 ns, and an instant is the ticks from the first
//! midnight on. All of SQL Server's temporal types fit: `datetime`'s 1/300 s is the nearest tick, from
//! which it is found again.

pub const TICKS_PER_SECOND: i64 = 10_000_000;
pub const TICKS_PER_MINUTE: i64 = 60 * TICKS_PER_SECOND;
pub const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;
/// The days from 0001-01-01 to 1900-01-01, where `datetime` begins to count.
pub const DAYS_TO_1900: i64 = 693_595;
/// 9999-12-31.
pub const LAST_DAY: i64 = 3_652_058;

/// The days from 0001-01-01 to a date of the Gregorian calendar, drawn out before its time; `None`
/// for a date that there is not.
pub fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let there_is = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=month_length(year, month)).contains(&day);
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let months: i64 = (1..month).map(|month| month_length(year, month)).sum();
    there_is.then_some(years + months + day - 1)
}

/// The year, month and day of a day.
pub fn date(days: i64) -> (i64, i64, i64) {
    let mut year = days / 366 + 1;
    while self::days(year + 1, 1, 1).is_some_and(|next| next <= days) {
        year += 1;
    }
    let mut rest = days - self::days(year, 1, 1).unwrap_or_default();
    let mut month = 1;
    while rest >= month_length(year, month) {
        rest -= month_length(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What a text of a point of time holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    pub days: Option<i64>,
    /// Ticks from midnight.
    pub ticks: Option<i64>,
    /// Minutes east of Greenwich.
    pub offset: Option<i64>,
}

impl Moment {
    /// Reads `2020-01-31`, `20200131`, `2020-01-31T01:02:03.1234567+01:30`, `01:02:03.5` and what lies
    /// between them.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = match text.split_once(['T', ' ']) {
            Some((date, rest)) => (Some(date), Some(rest)),
            None if text.contains(':') => (None, Some(text)),
            None => (Some(text), None),
        };
        let days = match date {
            Some(date) => Some(parse_date(date)?),
            None => None,
        };
        let Some(rest) = rest else {
            return Some(Self {
                days,
                ..Self::default()
            });
        };
        let (time, offset) = split_offset(rest)?;
        let ticks = Some(parse_time(time)?);
        Some(Self {
            days,
            ticks,
            offset,
        })
    }
}

fn parse_date(text: &str) -> Option<i64> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = match text.len() {
        8 if digits(text) => vec![&text[..4], &text[4..6], &text[6..]],
        _ => text.split('-').collect(),
    };
    let [year, month, day] = parts[..] else {
        return None;
    };
    let whole = year.len() == 4 && [year, month, day].iter().all(|part| digits(part));
    let number = |part: &str| part.parse().ok();
    days(number(year)?, number(month)?, number(day)?).filter(|_| whole)
}

fn split_offset(text: &str) -> Option<(&str, Option<i64>)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, Some(0)));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let size = hours * 60 + minutes;
    let offset = if text[at..].starts_with('-') {
        -size
    } else {
        size
    };
    let known = minutes < 60 && size <= 14 * 60;
    known.then_some((text[..at].trim_end(), Some(offset)))
}

fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds = parts.next().unwrap_or("0");
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let ticks: i64 = match fraction.len() {
        0..=7 => format!("{fraction:0<7}").parse().ok()?,
        _ => return None,
    };
    let there_is = (0..24).contains(&hours) && (0..60).contains(&minutes) && seconds < 60;
    let whole = (hours * 60 + minutes) * 60 + seconds;
    there_is.then_some(whole * TICKS_PER_SECOND + ticks)
}

pub fn date_text(days: i64) -> String {
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time of day with so many digits of its fraction; more of them are cut off.
pub fn time_text(ticks: i64, scale: u8) -> String {
    let seconds = ticks / TICKS_PER_SECOND;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{:07}", ticks % TICKS_PER_SECOND);
    let point = if scale == 0 { "" } else { "." };
    let digits = &fraction[..scale.into()];
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{digits}")
}

/// The text of an offset, `+05:30`.
pub fn offset_text(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// The ticks rounded to so many digits of a second's fraction, half up.
pub fn round_ticks(ticks: i64, scale: u8) -> i64 {
    let unit = 10_i64.pow(u32::from(7 - scale));
    (ticks + unit / 2) / unit * unit
}

/// The ticks of a count of 1/300 s, and back.
pub fn ticks_of_datetime(fragments: i64) -> i64 {
    (fragments * TICKS_PER_SECOND + 150) / 300
}

pub fn datetime_of_ticks(ticks: i64) -> i64 {
    (ticks * 300 + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND
}

/// A part of an instant by its name in DATEPART.
pub fn part(name: &str, instant: i64) -> i64 {
    let (days, ticks) = (
        instant.div_euclid(TICKS_PER_DAY),
        instant.rem_euclid(TICKS_PER_DAY),
    );
    let (year, month, day) = date(days);
    match name {
        "year" => year,
        "month" => month,
        "day" => day,
        "hour" => ticks / (60 * TICKS_PER_MINUTE),
        "minute" => ticks / TICKS_PER_MINUTE % 60,
        "second" => ticks / TICKS_PER_SECOND % 60,
        _ => ticks % TICKS_PER_SECOND * 100,
    }
}
