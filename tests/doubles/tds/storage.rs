//! How a value of each type stands in the embedded engine.
//!
//! | family | in SQLite | compares as |
//! |---|---|---|
//! | integers, bit | INTEGER | numbers |
//! | real, float | REAL | numbers |
//! | decimal, numeric, money | BLOB, the key of `decimal` | numbers, whatever the scale |
//! | date | INTEGER, days from 0001-01-01 | dates |
//! | time | INTEGER, ticks of 100 ns | times, whatever the scale |
//! | datetime, datetime2, smalldatetime | INTEGER, ticks from 0001-01-01 | instants, across types |
//! | datetimeoffset | BLOB, ticks of universal time and minutes of offset, big-endian | the first eight bytes as instants |
//! | uniqueidentifier | BLOB, its bytes in the order in which SQL Server compares them | SQL Server's order |
//! | text, xml | TEXT; BLOB of UTF-16 where that is not valid | under the column's collation |
//! | binary | BLOB | bytes |
//!
//! Columns have no affinity, so that SQLite changes nothing.

use rusqlite::types::Value as Stored;

use super::calendar::{self, DAYS_TO_1900, Moment, TICKS_PER_DAY, TICKS_PER_MINUTE};
use super::collation::Collation;
use super::decimal::Decimal;
use super::types::{Family, Length, SqlType};
use super::variant;

/// A value as a test writes it. Decimals, points of time and identifiers are written as text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Float(f64),
    Text(String),
    /// Units that need not be valid UTF-16.
    Units(Vec<u16>),
    Bytes(Vec<u8>),
    /// A value of a `sql_variant`: the type that it has of its own, and its text.
    Variant(String, String),
}

impl Value {
    pub fn variant(declaration: &str, text: &str) -> Self {
        Self::Variant(declaration.to_owned(), text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The order in which SQL Server compares the bytes of an identifier as they stand on the wire.
const GUID_ORDER: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];
/// Which bytes of the text's order stand where on the wire: the first three groups are turned around.
const GUID_WIRE: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// What the engine holds for a value of a column, or why it cannot be one.
pub fn store(value: &Value, declared: SqlType, collation: Collation) -> Result<Stored, String> {
    let misfit = || format!("{value:?} is no {declared}");
    match (value, declared.family()) {
        (Value::Null, _) => Ok(Stored::Null),
        (Value::Integer(number), Family::Integer) => {
            check_integer(*number, declared).map(Stored::Integer)
        }
        (Value::Integer(number), Family::Exact) => {
            exact(Decimal::new((*number).into(), 0), declared)
        }
        (Value::Float(number), Family::Float) => Ok(Stored::Real(narrow(*number, declared))),
        (Value::Text(text), Family::Exact) => {
            let number = Decimal::parse(text).ok_or_else(misfit)?;
            match number.rescale(declared.scale()) {
                Some(scaled) if scaled.key() == number.key() => exact(scaled, declared),
                _ => Err(misfit()),
            }
        }
        (Value::Text(text), Family::Guid) => parse_guid(text).map(Stored::Blob).ok_or_else(misfit),
        (Value::Text(text), Family::Date | Family::Time | Family::Instant | Family::Offset) => {
            let moment = Moment::parse(text).ok_or_else(misfit)?;
            store_moment(moment, declared).ok_or_else(misfit)
        }
        (Value::Text(text), _) if declared.is_text() || is_clr(declared) => {
            store_text(text, declared, collation)
        }
        (Value::Units(units), _) if declared.is_wide() => Ok(match String::from_utf16(units) {
            Ok(text) => Stored::Text(pad(text, declared, collation)),
            Err(_) => Stored::Blob(units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        }),
        (Value::Variant(own, text), _) if declared == SqlType::SqlVariant => {
            variant::store(own, text)
        }
        (Value::Bytes(bytes), Family::Bytes | Family::Opaque) => store_bytes(bytes, declared),
        _ => Err(misfit()),
    }
}

pub fn is_clr(declared: SqlType) -> bool {
    matches!(
        declared,
        SqlType::HierarchyId | SqlType::Geography | SqlType::Geometry
    )
}

/// A whole number of a type, or that it has no room for it.
pub fn check_integer(number: i64, declared: SqlType) -> Result<i64, String> {
    let fits = match declared {
        SqlType::Bit => (0..=1).contains(&number),
        SqlType::TinyInt => u8::try_from(number).is_ok(),
        SqlType::SmallInt => i16::try_from(number).is_ok(),
        SqlType::Int => i32::try_from(number).is_ok(),
        _ => true,
    };
    let overflow =
        || format!("Arithmetic overflow error converting expression to data type {declared}.");
    fits.then_some(number).ok_or_else(overflow)
}

/// The key of an exact number at the type's scale.
pub fn exact(number: Decimal, declared: SqlType) -> Result<Stored, String> {
    let (precision, scale) = declared.precision_and_scale();
    let fits = |number: &Decimal| match declared {
        SqlType::Money => i64::try_from(number.unscaled).is_ok(),
        SqlType::SmallMoney => i32::try_from(number.unscaled).is_ok(),
        _ => number.fits(precision),
    };
    let overflow =
        || format!("Arithmetic overflow error converting expression to data type {declared}.");
    let scaled = number.rescale(scale).filter(fits).ok_or_else(overflow)?;
    Ok(Stored::Blob(scaled.key()))
}

/// A float as the type keeps it.
pub fn narrow(number: f64, declared: SqlType) -> f64 {
    match declared {
        SqlType::Real => f64::from(number as f32),
        _ => number,
    }
}

/// A point of time as the type keeps it: rounded to its scale, midnight or 1900-01-01 where its text
/// has none; `None` where the type cannot hold it.
pub fn store_moment(moment: Moment, declared: SqlType) -> Option<Stored> {
    let days = moment.days.unwrap_or(DAYS_TO_1900);
    let ticks = moment.ticks.unwrap_or(0);
    let instant = days * TICKS_PER_DAY + ticks;
    match declared {
        SqlType::Date => moment.days.map(Stored::Integer),
        SqlType::Time(scale) => {
            let rounded = calendar::round_ticks(ticks, scale) % TICKS_PER_DAY;
            Some(Stored::Integer(rounded))
        }
        SqlType::DateTimeOffset(scale) => {
            let local = calendar::round_ticks(instant, scale);
            offset_key(local, moment.offset.unwrap_or(0)).map(Stored::Blob)
        }
        _ => round_instant(instant, declared).map(Stored::Integer),
    }
}

/// An instant as its type keeps it.
pub fn round_instant(instant: i64, declared: SqlType) -> Option<i64> {
    let (days, ticks) = (
        instant.div_euclid(TICKS_PER_DAY),
        instant.rem_euclid(TICKS_PER_DAY),
    );
    let (rounded, first) = match declared {
        SqlType::DateTime2(scale) => (calendar::round_ticks(ticks, scale), 0),
        SqlType::DateTime => {
            let fragments = calendar::datetime_of_ticks(ticks);
            (
                calendar::ticks_of_datetime(fragments),
                calendar::days(1753, 1, 1)?,
            )
        }
        SqlType::SmallDateTime => {
            let minutes = (ticks + TICKS_PER_MINUTE / 2) / TICKS_PER_MINUTE;
            (minutes * TICKS_PER_MINUTE, DAYS_TO_1900)
        }
        _ => return None,
    };
    let last = match declared {
        SqlType::SmallDateTime => DAYS_TO_1900 + i64::from(u16::MAX),
        _ => calendar::LAST_DAY,
    };
    let instant = days * TICKS_PER_DAY + rounded;
    let days = instant.div_euclid(TICKS_PER_DAY);
    (first..=last).contains(&days).then_some(instant)
}

/// The stored form of a local point of time with an offset; `None` if it is no time of universal time.
pub fn offset_key(local: i64, offset: i64) -> Option<Vec<u8>> {
    let universal = local - offset * TICKS_PER_MINUTE;
    let last = (calendar::LAST_DAY + 1) * TICKS_PER_DAY;
    let minutes = i16::try_from(offset).ok()?;
    let key = universal
        .to_be_bytes()
        .into_iter()
        .chain(minutes.to_be_bytes());
    (0..last).contains(&universal).then(|| key.collect())
}

/// Universal ticks and the offset of a stored form.
pub fn of_offset_key(key: &[u8]) -> Result<(i64, i64), String> {
    let broken = || format!("{key:?} is no stored datetimeoffset");
    let (ticks, offset) = key.split_at_checked(8).ok_or_else(broken)?;
    let ticks: [u8; 8] = ticks.try_into().map_err(|_| broken())?;
    let offset: [u8; 2] = offset.try_into().map_err(|_| broken())?;
    Ok((i64::from_be_bytes(ticks), i16::from_be_bytes(offset).into()))
}

/// The stored form of an identifier's text.
pub fn parse_guid(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let dashes = [8, 13, 18, 23]
        .iter()
        .all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    if text.len() != 36 || digits.len() != 32 || !dashes {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let written: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
    let wire: Vec<u8> = GUID_WIRE.iter().map(|at| written[*at]).collect();
    Some(guid_of_wire(&wire))
}

/// The stored form of an identifier's sixteen bytes on the wire.
pub fn guid_of_wire(wire: &[u8]) -> Vec<u8> {
    GUID_ORDER.iter().map(|at| wire[*at]).collect()
}

/// The bytes of a stored identifier on the wire.
pub fn wire_of_guid(stored: &[u8]) -> Result<[u8; 16], String> {
    let stored: [u8; 16] = stored
        .try_into()
        .map_err(|_| "no stored uniqueidentifier")?;
    let mut wire = [0; 16];
    for (place, at) in GUID_ORDER.iter().enumerate() {
        wire[*at] = stored[place];
    }
    Ok(wire)
}

/// The text of a stored identifier, in upper case as SQL Server writes it.
pub fn guid_text(stored: &[u8]) -> Result<String, String> {
    let wire = wire_of_guid(stored)?;
    let digits: String = GUID_WIRE
        .iter()
        .map(|at| format!("{:02X}", wire[*at]))
        .collect();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits[range].to_owned());
    Ok(groups.join("-"))
}

fn store_text(text: &str, declared: SqlType, collation: Collation) -> Result<Stored, String> {
    let size = if declared.is_wide() {
        text.encode_utf16().count()
    } else if is_clr(declared) {
        0
    } else {
        collation.encode(text)?.len()
    };
    let most = match declared {
        SqlType::Char(length) | SqlType::NChar(length) => length.into(),
        SqlType::VarChar(Length::Limited(length)) | SqlType::NVarChar(Length::Limited(length)) => {
            length.into()
        }
        _ => usize::MAX,
    };
    if size > most {
        return Err("String or binary data would be truncated.".to_owned());
    }
    Ok(Stored::Text(pad(text.to_owned(), declared, collation)))
}

/// Fills a fixed length with spaces, as a table does.
pub fn pad(mut text: String, declared: SqlType, collation: Collation) -> String {
    let (length, size) = match declared {
        SqlType::NChar(length) => (length.into(), text.encode_utf16().count()),
        SqlType::Char(length) if collation.is_utf8() => (length.into(), text.len()),
        SqlType::Char(length) => (length.into(), text.chars().count()),
        _ => (0, 0),
    };
    text.extend(std::iter::repeat_n(
        ' ',
        usize::saturating_sub(length, size),
    ));
    text
}

fn store_bytes(bytes: &[u8], declared: SqlType) -> Result<Stored, String> {
    let mut bytes = bytes.to_vec();
    let most = match declared {
        SqlType::Binary(length) | SqlType::VarBinary(Length::Limited(length)) => length.into(),
        SqlType::RowVersion => 8,
        _ => usize::MAX,
    };
    if bytes.len() > most {
        return Err("String or binary data would be truncated.".to_owned());
    }
    if matches!(declared, SqlType::Binary(_) | SqlType::RowVersion) {
        bytes.resize(most, 0);
    }
    Ok(Stored::Blob(bytes))
}
