//! Types and values as they travel in a row.

use rusqlite::types::ValueRef;

use super::bytes::wide;
use super::calendar::{DAYS_TO_1900, TICKS_PER_DAY, TICKS_PER_MINUTE, datetime_of_ticks};
use super::collation::Collation;
use super::decimal::Decimal;
use super::refusal::{Refusal, Result};
use super::storage;
use super::token::Column;
use super::types::{Length, SqlType, decimal_bytes, time_bytes};

const ROW: u8 = 0xD1;
/// A row that begins with a bit for each column: set where it is NULL, and then nothing stands for it.
const ROW_WITH_NULLS: u8 = 0xD2;
const PLP_NULL: u64 = u64::MAX;
const PLP_UNKNOWN: u64 = u64::MAX - 1;

/// How long values are sent.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Bytes of a chunk of a `max` value.
    pub chunk: usize,
    /// Whether a `max` value of more than one chunk says its length first.
    pub tells_length: bool,
    /// More bytes of a `max` value are cut off, as SET TEXTSIZE says.
    pub text_size: usize,
}

/// The type of a column. A number, bit or date column without NULLs has a type of fixed length.
pub fn type_info(column: &Column) -> Vec<u8> {
    let declared = column.declared;
    if let Some(fixed) = fixed(column) {
        return vec![fixed];
    }
    let collated = |token: u8, length: u16| {
        let length = length.to_le_bytes();
        [&[token], &length[..], &column.collation.bytes()].concat()
    };
    let binary = |token: u8, length: u16| [&[token], &length.to_le_bytes()[..]].concat();
    let large = |token: u8, collation: &[u8], most: u32| {
        // The table's name in one part.
        let name = wide("t");
        let parts = [1, 1, 0];
        [&[token], &most.to_le_bytes()[..], collation, &parts, &name].concat()
    };
    let limit = |length: Length, width: u16| match length {
        Length::Limited(length) => length * width,
        Length::Max => u16::MAX,
    };
    match declared {
        SqlType::Bit => vec![0x68, 1],
        SqlType::TinyInt => vec![0x26, 1],
        SqlType::SmallInt => vec![0x26, 2],
        SqlType::Int => vec![0x26, 4],
        SqlType::BigInt => vec![0x26, 8],
        SqlType::Real => vec![0x6D, 4],
        SqlType::Float => vec![0x6D, 8],
        SqlType::Decimal { precision, scale } => {
            vec![0x6A, decimal_bytes(precision), precision, scale]
        }
        SqlType::Numeric { precision, scale } => {
            vec![0x6C, decimal_bytes(precision), precision, scale]
        }
        SqlType::Money => vec![0x6E, 8],
        SqlType::SmallMoney => vec![0x6E, 4],
        SqlType::Date => vec![0x28],
        SqlType::Time(scale) => vec![0x29, scale],
        SqlType::DateTime2(scale) => vec![0x2A, scale],
        SqlType::DateTimeOffset(scale) => vec![0x2B, scale],
        SqlType::SmallDateTime => vec![0x6F, 4],
        SqlType::DateTime => vec![0x6F, 8],
        SqlType::UniqueIdentifier => vec![0x24, 16],
        SqlType::Char(length) => collated(0xAF, length),
        SqlType::VarChar(length) => collated(0xA7, limit(length, 1)),
        SqlType::NChar(length) => collated(0xEF, length * 2),
        SqlType::NVarChar(length) => collated(0xE7, limit(length, 2)),
        SqlType::Binary(length) => binary(0xAD, length),
        SqlType::RowVersion => binary(0xAD, 8),
        SqlType::VarBinary(length) => binary(0xA5, limit(length, 1)),
        SqlType::Xml => vec![0xF1, 0],
        SqlType::Text => large(0x23, &column.collation.bytes(), 0x7FFF_FFFF),
        SqlType::NText => large(0x63, &column.collation.bytes(), 0x7FFF_FFFE),
        SqlType::Image => large(0x22, &[], 0x7FFF_FFFF),
        SqlType::SqlVariant
        | SqlType::Json
        | SqlType::HierarchyId
        | SqlType::Geography
        | SqlType::Geometry => {
            unreachable!("refused before a row is sent")
        }
    }
}

/// The token of a type that is never NULL.
fn fixed(column: &Column) -> Option<u8> {
    let token = match column.declared {
        SqlType::TinyInt => 0x30,
        SqlType::Bit => 0x32,
        SqlType::SmallInt => 0x34,
        SqlType::Int => 0x38,
        SqlType::SmallDateTime => 0x3A,
        SqlType::Real => 0x3B,
        SqlType::Money => 0x3C,
        SqlType::DateTime => 0x3D,
        SqlType::Float => 0x3E,
        SqlType::SmallMoney => 0x7A,
        SqlType::BigInt => 0x7F,
        _ => return None,
    };
    (!column.nullable).then_some(token)
}

/// Whether the type can be sent at all.
pub fn check(column: &Column) -> Result<()> {
    match column.declared {
        SqlType::SqlVariant | SqlType::Json => {
            Err(Refusal::unknown(format!("{} in a result", column.declared)))
        }
        declared if storage::is_clr(declared) => Err(Refusal::unknown(format!(
            "the bytes of a {declared}; ToString() gives text"
        ))),
        _ => Ok(()),
    }
}

/// Writes a row, in the shorter of its two forms.
pub fn row(
    to: &mut Vec<u8>,
    columns: &[Column],
    values: &[ValueRef<'_>],
    manner: Manner,
) -> Result<()> {
    let nulls = values.iter().map(|value| matches!(value, ValueRef::Null));
    let saved: usize = columns
        .iter()
        .zip(nulls.clone())
        .map(
            |(column, is_null)| {
                if is_null { null(column).len() } else { 0 }
            },
        )
        .sum();
    let packed = saved > columns.len().div_ceil(8);
    if packed {
        let mut bits = vec![0_u8; columns.len().div_ceil(8)];
        for (place, _) in nulls.enumerate().filter(|(_, is_null)| *is_null) {
            bits[place / 8] |= 1 << (place % 8);
        }
        to.push(ROW_WITH_NULLS);
        to.extend(bits);
    } else {
        to.push(ROW);
    }
    for (column, stored) in columns.iter().zip(values) {
        match stored {
            ValueRef::Null if packed => {}
            ValueRef::Null if fixed(column).is_some() => {
                let told = format!("NULL in {}, which is said to have none", column.name);
                return Err(Refusal::unknown(told));
            }
            ValueRef::Null => to.extend(null(column)),
            _ => value(to, column, *stored, manner).map_err(|told| {
                Refusal::unknown(format!(
                    "how to send {stored:?} as {}: {told}",
                    column.declared
                ))
            })?,
        }
    }
    Ok(())
}

/// What stands for NULL.
fn null(column: &Column) -> Vec<u8> {
    match column.declared {
        SqlType::VarChar(Length::Max)
        | SqlType::NVarChar(Length::Max)
        | SqlType::VarBinary(Length::Max)
        | SqlType::Xml => PLP_NULL.to_le_bytes().to_vec(),
        SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::NChar(_)
        | SqlType::NVarChar(_)
        | SqlType::Binary(_)
        | SqlType::VarBinary(_)
        | SqlType::RowVersion => vec![0xFF, 0xFF],
        _ => vec![0],
    }
}

fn value(
    to: &mut Vec<u8>,
    column: &Column,
    stored: ValueRef<'_>,
    manner: Manner,
) -> std::result::Result<(), String> {
    let bytes = value_bytes(column, stored)?;
    match column.declared {
        _ if fixed(column).is_some() => to.extend(bytes),
        SqlType::VarChar(Length::Max)
        | SqlType::NVarChar(Length::Max)
        | SqlType::VarBinary(Length::Max)
        | SqlType::Xml => partly(to, &bytes[..bytes.len().min(manner.text_size)], manner),
        SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::NChar(_)
        | SqlType::NVarChar(_)
        | SqlType::Binary(_)
        | SqlType::VarBinary(_)
        | SqlType::RowVersion => {
            to.extend((bytes.len() as u16).to_le_bytes());
            to.extend(bytes);
        }
        SqlType::Text | SqlType::NText | SqlType::Image => {
            // A pointer of sixteen bytes and a time stamp that nobody looks at.
            let bytes = &bytes[..bytes.len().min(manner.text_size)];
            to.push(16);
            to.extend([0xAB; 16 + 8]);
            to.extend((bytes.len() as u32).to_le_bytes());
            to.extend_from_slice(bytes);
        }
        _ => {
            to.push(bytes.len() as u8);
            to.extend(bytes);
        }
    }
    Ok(())
}

/// A value in chunks.
fn partly(to: &mut Vec<u8>, bytes: &[u8], manner: Manner) {
    let tells = manner.tells_length || bytes.len() <= manner.chunk;
    let length = if tells {
        bytes.len() as u64
    } else {
        PLP_UNKNOWN
    };
    to.extend(length.to_le_bytes());
    for chunk in bytes.chunks(manner.chunk) {
        to.extend((chunk.len() as u32).to_le_bytes());
        to.extend_from_slice(chunk);
    }
    to.extend(0_u32.to_le_bytes());
}

fn value_bytes(column: &Column, stored: ValueRef<'_>) -> std::result::Result<Vec<u8>, String> {
    let declared = column.declared;
    match (stored, declared) {
        (ValueRef::Integer(number), _) => integer_bytes(number, declared),
        (ValueRef::Real(number), SqlType::Real) => Ok((number as f32).to_le_bytes().to_vec()),
        (ValueRef::Real(number), SqlType::Float) => Ok(number.to_le_bytes().to_vec()),
        (ValueRef::Text(text), _) if declared.is_text() => {
            let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
            text_bytes(text, declared, column.collation)
        }
        (ValueRef::Blob(bytes), SqlType::UniqueIdentifier) => {
            storage::wire_of_guid(bytes).map(|wire| wire.to_vec())
        }
        (ValueRef::Blob(key), SqlType::DateTimeOffset(scale)) => {
            let (universal, offset) = storage::of_offset_key(key)?;
            let mut bytes = instant_bytes(universal, scale);
            bytes.extend((offset as i16).to_le_bytes());
            Ok(bytes)
        }
        (
            ValueRef::Blob(key),
            SqlType::Decimal { .. }
            | SqlType::Numeric { .. }
            | SqlType::Money
            | SqlType::SmallMoney,
        ) => exact_bytes(key, declared),
        (ValueRef::Blob(bytes), _) => Ok(bytes.to_vec()),
        _ => Err("it is stored as something else".to_owned()),
    }
}

fn integer_bytes(number: i64, declared: SqlType) -> std::result::Result<Vec<u8>, String> {
    let (day, ticks) = (
        number.div_euclid(TICKS_PER_DAY),
        number.rem_euclid(TICKS_PER_DAY),
    );
    storage::check_integer(number, declared)?;
    Ok(match declared {
        SqlType::Bit | SqlType::TinyInt => vec![number as u8],
        SqlType::SmallInt => (number as i16).to_le_bytes().to_vec(),
        SqlType::Int => (number as i32).to_le_bytes().to_vec(),
        SqlType::BigInt => number.to_le_bytes().to_vec(),
        SqlType::Date => number.to_le_bytes()[..3].to_vec(),
        SqlType::Time(scale) => time_of_day(number, scale),
        SqlType::DateTime2(scale) => instant_bytes(number, scale),
        SqlType::DateTime => {
            let (day, fragments) = ((day - DAYS_TO_1900) as i32, datetime_of_ticks(ticks) as u32);
            [day.to_le_bytes(), fragments.to_le_bytes()].concat()
        }
        SqlType::SmallDateTime => {
            let (day, minutes) = (
                (day - DAYS_TO_1900) as u16,
                (ticks / TICKS_PER_MINUTE) as u16,
            );
            [day.to_le_bytes(), minutes.to_le_bytes()].concat()
        }
        _ => return Err("it is stored as a whole number".to_owned()),
    })
}

fn time_of_day(ticks: i64, scale: u8) -> Vec<u8> {
    let units = ticks / 10_i64.pow(u32::from(7 - scale));
    units.to_le_bytes()[..time_bytes(scale).into()].to_vec()
}

fn instant_bytes(instant: i64, scale: u8) -> Vec<u8> {
    let (day, ticks) = (
        instant.div_euclid(TICKS_PER_DAY),
        instant.rem_euclid(TICKS_PER_DAY),
    );
    let mut bytes = time_of_day(ticks, scale);
    bytes.extend_from_slice(&day.to_le_bytes()[..3]);
    bytes
}

fn exact_bytes(key: &[u8], declared: SqlType) -> std::result::Result<Vec<u8>, String> {
    let number = Decimal::of_key(key)?;
    let (precision, scale) = declared.precision_and_scale();
    let scaled = number.rescale(scale).filter(|scaled| scaled.key() == key);
    let unscaled = scaled
        .ok_or_else(|| format!("{number} has no room"))?
        .unscaled;
    Ok(match declared {
        // Two halves, the upper one first.
        SqlType::Money => {
            let halves = (unscaled as i64).to_le_bytes();
            [&halves[4..], &halves[..4]].concat()
        }
        SqlType::SmallMoney => (unscaled as i32).to_le_bytes().to_vec(),
        _ => {
            let digits = unscaled.unsigned_abs().to_le_bytes();
            let length = usize::from(decimal_bytes(precision)) - 1;
            [&[u8::from(unscaled >= 0)], &digits[..length]].concat()
        }
    })
}

fn text_bytes(
    text: &str,
    declared: SqlType,
    collation: Collation,
) -> std::result::Result<Vec<u8>, String> {
    match declared {
        _ if declared.is_wide() => Ok(wide(text)),
        _ => collation.encode(text),
    }
}
