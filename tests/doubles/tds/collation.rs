//! Collations: how text is compared, and which code page narrow text travels in.

use std::cmp::Ordering;

use rusqlite::Connection;

/// Those that the double knows; each has a name of SQL Server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collation {
    /// `SQL_Latin1_General_CP1_CI_AS`, the default of a server: no difference between cases.
    #[default]
    Insensitive,
    /// `Latin1_General_100_CI_AS_SC_UTF8`.
    InsensitiveUtf8,
    /// `Latin1_General_BIN2`.
    Binary,
    /// `Latin1_General_100_BIN2_UTF8`.
    BinaryUtf8,
}

const ALL: [Collation; 4] = [
    Collation::Insensitive,
    Collation::InsensitiveUtf8,
    Collation::Binary,
    Collation::BinaryUtf8,
];

/// The characters of code page 1252 from 0x80 on that are not those of Latin-1; the five free places
/// hold control characters.
const WINDOWS: [u16; 32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
    0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
    0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
];

impl Collation {
    pub fn named(name: &str) -> Option<Self> {
        let mut all = ALL.into_iter();
        all.find(|collation| collation.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Insensitive => "SQL_Latin1_General_CP1_CI_AS",
            Self::InsensitiveUtf8 => "Latin1_General_100_CI_AS_SC_UTF8",
            Self::Binary => "Latin1_General_BIN2",
            Self::BinaryUtf8 => "Latin1_General_100_BIN2_UTF8",
        }
    }

    pub fn is_utf8(self) -> bool {
        matches!(self, Self::InsensitiveUtf8 | Self::BinaryUtf8)
    }

    /// The five bytes of a column's metadata: locale 1033, flags and version, sort order.
    pub fn bytes(self) -> [u8; 5] {
        match self {
            Self::Insensitive => [0x09, 0x04, 0xD0, 0x00, 0x34],
            Self::InsensitiveUtf8 => [0x09, 0x04, 0xD0, 0x24, 0x00],
            Self::Binary => [0x09, 0x04, 0x00, 0x02, 0x00],
            Self::BinaryUtf8 => [0x09, 0x04, 0x00, 0x26, 0x00],
        }
    }

    /// The name of the comparison that the engine has for it; `wide` is that of UTF-16 columns.
    pub fn comparison(self, wide: bool) -> &'static str {
        match (self, wide) {
            (Self::Insensitive | Self::InsensitiveUtf8, _) => "tds_insensitive",
            (Self::Binary | Self::BinaryUtf8, true) => "tds_units",
            (Self::Binary, false) => "tds_windows",
            (Self::BinaryUtf8, false) => "tds_utf8",
        }
    }

    /// The bytes of narrow text; what the code page has no character for is an error.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        if self.is_utf8() {
            return Ok(text.as_bytes().to_vec());
        }
        let byte = |c| windows(c).ok_or_else(|| format!("code page 1252 has no {c:?}"));
        text.chars().map(byte).collect()
    }

    /// The text with a question mark for each character that the code page has not, as a conversion
    /// to narrow text gives it.
    pub fn replace(self, text: &str) -> String {
        let known = |c: char| self.is_utf8() || windows(c).is_some();
        text.chars()
            .map(|c| if known(c) { c } else { '?' })
            .collect()
    }

    /// The bytes that a character takes.
    pub fn width(self, c: char) -> usize {
        if self.is_utf8() { c.len_utf8() } else { 1 }
    }

    /// The text of bytes.
    pub fn decode(self, bytes: &[u8]) -> Result<String, String> {
        if self.is_utf8() {
            return String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
        }
        Ok(bytes.iter().map(|byte| character(*byte)).collect())
    }
}

fn windows(c: char) -> Option<u8> {
    let code = u32::from(c);
    if code < 0x80 || (0xA0..=0xFF).contains(&code) {
        return u8::try_from(code).ok();
    }
    let place = WINDOWS.iter().position(|known| u32::from(*known) == code)?;
    u8::try_from(0x80 + place).ok()
}

fn character(byte: u8) -> char {
    let code = match byte {
        0x80..=0x9F => WINDOWS[usize::from(byte - 0x80)],
        _ => u16::from(byte),
    };
    char::from_u32(u32::from(code)).expect("the table has no surrogates")
}

/// Gives the engine the four comparisons. All of them take trailing spaces for nothing, as SQL Server
/// does.
pub fn register(database: &Connection) -> rusqlite::Result<()> {
    database.create_collation("tds_insensitive", |left, right| {
        let fold = |text: &str| text.trim_end_matches(' ').to_lowercase();
        fold(left).cmp(&fold(right))
    })?;
    database.create_collation("tds_units", |left, right| {
        let units = |text: &str| {
            text.trim_end_matches(' ')
                .encode_utf16()
                .collect::<Vec<u16>>()
        };
        units(left).cmp(&units(right))
    })?;
    database.create_collation("tds_windows", |left, right| {
        let bytes = |text: &str| Collation::Binary.encode(text.trim_end_matches(' '));
        match (bytes(left), bytes(right)) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            // Text of a wider type that this code page cannot hold equals nothing in it.
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
        }
    })?;
    database.create_collation("tds_utf8", |left, right| {
        left.trim_end_matches(' ').cmp(right.trim_end_matches(' '))
    })
}
