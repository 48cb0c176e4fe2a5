//! CAST and CONVERT: from a stored value of one type to one of another.
//!
//! Only what SQL Server does and is written here is done; all else is refused.

use rusqlite::types::{Value as Stored, ValueRef};

use super::bytes::{units, wide};
use super::calendar::{self, Moment, TICKS_PER_DAY, TICKS_PER_MINUTE};
use super::collation::Collation;
use super::decimal::Decimal;
use super::refusal::{Refusal, Result};
use super::storage;
use super::types::{Family, Length, SqlType};
use super::variant;

/// One conversion of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    pub from: SqlType,
    pub from_collation: Collation,
    pub to: SqlType,
    pub to_collation: Collation,
    /// What CONVERT is told about texts.
    pub style: i64,
}

impl Conversion {
    pub fn apply(&self, value: ValueRef<'_>) -> Result<Stored> {
        if matches!(value, ValueRef::Null) {
            return Ok(Stored::Null);
        }
        if self.from == SqlType::SqlVariant
            && let Some((from, stored)) = variant::open(value)
        {
            return Self { from, ..*self }.apply((&stored).into());
        }
        if self.to.is_text() {
            return self.as_text(value);
        }
        match self.from.family() {
            Family::Text => self.of_text(value),
            Family::Integer => self.of_integer(integer(value)?),
            Family::Exact => self.of_exact(decimal(value)?),
            Family::Float => self.of_float(real(value)?),
            Family::Date | Family::Time | Family::Instant | Family::Offset => {
                self.of_moment(self.moment(value)?)
            }
            Family::Guid | Family::Bytes | Family::Opaque => self.of_bytes(value),
        }
    }

    fn unknown(&self) -> Refusal {
        Refusal::unknown(format!(
            "a conversion from {} to {}, style {}",
            self.from, self.to, self.style
        ))
    }

    fn failed(&self) -> Refusal {
        let number = match self.to.family() {
            Family::Date | Family::Time | Family::Instant | Family::Offset => 241,
            Family::Guid => 8169,
            Family::Exact => 8114,
            _ => 245,
        };
        Refusal::new(
            number,
            format!(
                "Conversion failed when converting {} to {}.",
                self.from, self.to
            ),
        )
    }

    fn of_integer(&self, number: i64) -> Result<Stored> {
        match self.to.family() {
            Family::Integer => self.integer(number.into()),
            Family::Exact => self.exact(Decimal::new(number.into(), 0)),
            Family::Float => Ok(Stored::Real(storage::narrow(number as f64, self.to))),
            _ => Err(self.unknown()),
        }
    }

    fn of_exact(&self, number: Decimal) -> Result<Stored> {
        match (self.to.family(), self.to) {
            (_, SqlType::Bit) => Ok(Stored::Integer((number.unscaled != 0).into())),
            (Family::Integer, _) => self.integer(number.truncate()),
            (Family::Exact, _) => self.exact(number),
            (Family::Float, _) => {
                let float: f64 = number.to_string().parse().map_err(|_| self.failed())?;
                Ok(Stored::Real(storage::narrow(float, self.to)))
            }
            _ => Err(self.unknown()),
        }
    }

    fn of_float(&self, number: f64) -> Result<Stored> {
        match self.to.family() {
            Family::Float => Ok(Stored::Real(storage::narrow(number, self.to))),
            Family::Integer if self.to != SqlType::Bit => self.integer(number.trunc() as i128),
            _ => Err(self.unknown()),
        }
    }

    fn integer(&self, number: i128) -> Result<Stored> {
        if self.to == SqlType::Bit {
            return Ok(Stored::Integer((number != 0).into()));
        }
        let told = format!(
            "Arithmetic overflow error converting expression to data type {}.",
            self.to
        );
        let number = i64::try_from(number).map_err(|_| told.clone());
        let checked = number.and_then(|number| storage::check_integer(number, self.to));
        checked
            .map(Stored::Integer)
            .map_err(|told| Refusal::new(8115, told))
    }

    fn exact(&self, number: Decimal) -> Result<Stored> {
        storage::exact(number, self.to).map_err(|told| Refusal::new(8115, told))
    }

    /// What a stored point of time says.
    fn moment(&self, value: ValueRef<'_>) -> Result<Moment> {
        let instant = |instant: i64, offset| Moment {
            days: Some(instant.div_euclid(TICKS_PER_DAY)),
            ticks: Some(instant.rem_euclid(TICKS_PER_DAY)),
            offset,
        };
        Ok(match self.from.family() {
            Family::Date => Moment {
                days: Some(integer(value)?),
                ..Moment::default()
            },
            Family::Time => Moment {
                ticks: Some(integer(value)?),
                ..Moment::default()
            },
            Family::Offset => {
                let (universal, offset) = offset(value)?;
                instant(universal + offset * TICKS_PER_MINUTE, Some(offset))
            }
            _ => instant(integer(value)?, None),
        })
    }

    fn of_moment(&self, moment: Moment) -> Result<Stored> {
        let overflow = || {
            Refusal::new(
                242,
                format!(
                    "The conversion of {} to {} resulted in an out-of-range value.",
                    self.from, self.to
                ),
            )
        };
        match self.to.family() {
            Family::Date | Family::Time | Family::Instant | Family::Offset => {
                storage::store_moment(moment, self.to).ok_or_else(overflow)
            }
            _ => Err(self.unknown()),
        }
    }

    fn of_text(&self, value: ValueRef<'_>) -> Result<Stored> {
        let text = value.as_str().map_err(|_| self.unknown())?;
        let word = text.trim_matches(' ');
        match (self.to.family(), self.to) {
            (_, SqlType::Bit) if word.eq_ignore_ascii_case("true") => Ok(Stored::Integer(1)),
            (_, SqlType::Bit) if word.eq_ignore_ascii_case("false") => Ok(Stored::Integer(0)),
            (Family::Integer, _) => self.integer(word.parse().map_err(|_| self.failed())?),
            (Family::Exact, _) => self.exact(Decimal::parse(word).ok_or_else(|| self.failed())?),
            (Family::Float, _) => {
                let float: f64 = word.parse().map_err(|_| self.failed())?;
                Ok(Stored::Real(storage::narrow(float, self.to)))
            }
            (Family::Guid, _) => storage::parse_guid(word)
                .map(Stored::Blob)
                .ok_or_else(|| self.failed()),
            (Family::Date | Family::Time | Family::Instant | Family::Offset, _) => {
                let moment = Moment::parse(word).ok_or_else(|| self.failed())?;
                storage::store_moment(moment, self.to).ok_or_else(|| self.failed())
            }
            (Family::Bytes, SqlType::Binary(_) | SqlType::VarBinary(_)) if self.style == 0 => {
                let bytes = if self.from.is_wide() {
                    wide(text)
                } else {
                    self.narrow(text)?
                };
                Ok(self.bytes(bytes))
            }
            _ => Err(self.unknown()),
        }
    }

    fn narrow(&self, text: &str) -> Result<Vec<u8>> {
        self.from_collation.encode(text).map_err(Refusal::unknown)
    }

    fn of_bytes(&self, value: ValueRef<'_>) -> Result<Stored> {
        let bytes = value.as_blob().map_err(|_| self.unknown())?.to_vec();
        match (self.from.family(), self.to) {
            (Family::Guid, SqlType::UniqueIdentifier) => Ok(Stored::Blob(bytes)),
            (Family::Guid, SqlType::Binary(_) | SqlType::VarBinary(_)) => {
                let wire = storage::wire_of_guid(&bytes).map_err(Refusal::unknown)?;
                Ok(self.bytes(wire.to_vec()))
            }
            (Family::Bytes, SqlType::Binary(_) | SqlType::VarBinary(_)) => Ok(self.bytes(bytes)),
            (Family::Bytes, SqlType::UniqueIdentifier) if bytes.len() == 16 => {
                Ok(Stored::Blob(storage::guid_of_wire(&bytes)))
            }
            (Family::Opaque, SqlType::VarBinary(Length::Max)) if self.from == SqlType::Image => {
                Ok(Stored::Blob(bytes))
            }
            _ => Err(self.unknown()),
        }
    }

    /// Bytes cut, or filled with zeros, to the type's length.
    fn bytes(&self, mut bytes: Vec<u8>) -> Stored {
        match self.to {
            SqlType::Binary(length) => bytes.resize(length.into(), 0),
            SqlType::VarBinary(Length::Limited(length)) => bytes.truncate(length.into()),
            _ => {}
        }
        Stored::Blob(bytes)
    }

    fn as_text(&self, value: ValueRef<'_>) -> Result<Stored> {
        let is_text =
            self.from.is_text() || storage::is_clr(self.from) || self.from == SqlType::SqlVariant;
        if let (true, ValueRef::Blob(bytes)) = (is_text, value) {
            return self.units(units(bytes));
        }
        let text = match self.from.family() {
            _ if is_text => value.as_str().map_err(|_| self.unknown())?.to_owned(),
            Family::Integer => integer(value)?.to_string(),
            Family::Exact => self.exact_text(decimal(value)?)?,
            Family::Float => self.float_text(real(value)?)?,
            Family::Guid => {
                let stored = value.as_blob().map_err(|_| self.unknown())?;
                storage::guid_text(stored).map_err(Refusal::unknown)?
            }
            Family::Date | Family::Time | Family::Instant | Family::Offset => {
                self.moment_text(self.moment(value)?)?
            }
            Family::Bytes => self.bytes_text(value.as_blob().map_err(|_| self.unknown())?)?,
            _ => return Err(self.unknown()),
        };
        self.fit(text, is_text)
    }

    /// Units that are no valid UTF-16 stay what they are where the type is wide and has the room.
    fn units(&self, units: Vec<u16>) -> Result<Stored> {
        match self.to {
            SqlType::NVarChar(Length::Max) => Ok(Stored::Blob(
                units.into_iter().flat_map(u16::to_le_bytes).collect(),
            )),
            _ => Err(self.unknown()),
        }
    }

    fn exact_text(&self, number: Decimal) -> Result<String> {
        let scale = match (self.from, self.style) {
            (SqlType::Money | SqlType::SmallMoney, 0) => 2,
            (SqlType::Money | SqlType::SmallMoney, 2) => 4,
            (SqlType::Money | SqlType::SmallMoney, _) => return Err(self.unknown()),
            _ => self.from.scale(),
        };
        let scaled = number.rescale(scale).ok_or_else(|| self.failed())?;
        Ok(scaled.to_string())
    }

    /// Style 3: seventeen digits, `1.2345000000000000e+002`. No other is the same number again.
    fn float_text(&self, number: f64) -> Result<String> {
        if self.style != 3 {
            return Err(self.unknown());
        }
        let text = format!("{number:.16e}");
        let (digits, exponent) = text.split_once('e').ok_or_else(|| self.failed())?;
        let exponent: i32 = exponent.parse().map_err(|_| self.failed())?;
        let sign = if exponent < 0 { '-' } else { '+' };
        Ok(format!("{digits}e{sign}{:03}", exponent.abs()))
    }

    fn moment_text(&self, moment: Moment) -> Result<String> {
        let (days, ticks) = (moment.days.unwrap_or(0), moment.ticks.unwrap_or(0));
        let separator = match (self.style, self.from) {
            (126 | 127, _) => 'T',
            (121 | 120, SqlType::DateTime) | (0 | 121, _)
                if !matches!(self.from, SqlType::SmallDateTime) =>
            {
                if self.from == SqlType::DateTime && self.style == 0 {
                    return Err(self.unknown());
                }
                ' '
            }
            _ => return Err(self.unknown()),
        };
        let date = calendar::date_text(days);
        let time = match self.from {
            SqlType::SmallDateTime => calendar::time_text(ticks, 0),
            SqlType::DateTime => datetime_text(ticks, self.style),
            _ => calendar::time_text(ticks, self.from.scale()),
        };
        Ok(match self.from.family() {
            Family::Date => date,
            Family::Time => time,
            Family::Offset => {
                let offset = calendar::offset_text(moment.offset.unwrap_or(0));
                let gap = if separator == 'T' { "" } else { " " };
                format!("{date}{separator}{time}{gap}{offset}")
            }
            _ => format!("{date}{separator}{time}"),
        })
    }

    fn bytes_text(&self, bytes: &[u8]) -> Result<String> {
        let digits = || {
            bytes
                .iter()
                .map(|byte| format!("{byte:02X}"))
                .collect::<String>()
        };
        match self.style {
            1 => Ok(format!("0x{}", digits())),
            2 => Ok(digits()),
            _ => Err(self.unknown()),
        }
    }

    /// Text as long as its type: text is cut off, another type's text must have the room.
    fn fit(&self, text: String, may_cut: bool) -> Result<Stored> {
        let limit = match self.to {
            SqlType::Char(length) | SqlType::NChar(length) => length.into(),
            SqlType::VarChar(Length::Limited(length))
            | SqlType::NVarChar(Length::Limited(length)) => length.into(),
            _ => usize::MAX,
        };
        let wide = self.to.is_wide();
        let text = if wide {
            text
        } else {
            self.to_collation.replace(&text)
        };
        let width = |c: char| {
            if wide {
                c.len_utf16()
            } else {
                self.to_collation.width(c)
            }
        };
        let mut size = 0;
        let fits = text.char_indices().find(|(_, c)| {
            size += width(*c);
            size > limit
        });
        let text = match fits {
            None => text,
            Some((at, _)) if may_cut => text[..at].to_owned(),
            Some(_) => {
                return Err(Refusal::new(
                    8115,
                    "Arithmetic overflow error converting to a shorter text.",
                ));
            }
        };
        Ok(Stored::Text(storage::pad(text, self.to, self.to_collation)))
    }
}

/// The fraction of `datetime` in its three digits; ISO 8601 leaves a zero out.
fn datetime_text(ticks: i64, style: i64) -> String {
    let rounded = calendar::round_ticks(ticks, 3);
    match style {
        126 | 127 if rounded % calendar::TICKS_PER_SECOND == 0 => calendar::time_text(rounded, 0),
        120 => calendar::time_text(rounded, 0),
        _ => calendar::time_text(rounded, 3),
    }
}

fn misplaced(value: ValueRef<'_>) -> Refusal {
    Refusal::unknown(format!("how {value:?} came to be stored so"))
}

fn integer(value: ValueRef<'_>) -> Result<i64> {
    value.as_i64().map_err(|_| misplaced(value))
}

fn real(value: ValueRef<'_>) -> Result<f64> {
    value.as_f64().map_err(|_| misplaced(value))
}

/// The exact number of a stored key.
pub fn decimal(value: ValueRef<'_>) -> Result<Decimal> {
    let key = value.as_blob().map_err(|_| misplaced(value))?;
    Decimal::of_key(key).map_err(Refusal::unknown)
}

fn offset(value: ValueRef<'_>) -> Result<(i64, i64)> {
    let key = value.as_blob().map_err(|_| misplaced(value))?;
    storage::of_offset_key(key).map_err(Refusal::unknown)
}
