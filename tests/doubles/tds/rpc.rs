//! Calls of procedures: `sp_executesql` with typed parameters, and nothing else.

use rusqlite::types::Value as Stored;

use super::bytes::{Reader, units};
use super::calendar::{DAYS_TO_1900, TICKS_PER_DAY, TICKS_PER_MINUTE, ticks_of_datetime};
use super::collation::Collation;
use super::decimal::Decimal;
use super::refusal::{Refusal, Result};
use super::storage;
use super::translate::Parameter;
use super::types::{Length, SqlType};

/// A statement with its parameters.
#[derive(Debug)]
pub struct Call {
    pub statement: String,
    pub parameters: Vec<Parameter>,
}

const EXECUTE_SQL: u16 = 10;

impl Call {
    pub fn read(body: &[u8]) -> Result<Self> {
        let broken = |told| Refusal::unknown(format!("the call: {told}"));
        let mut reader = Reader(body);
        reader.skip_headers().map_err(broken)?;
        let procedure = procedure(&mut reader).map_err(broken)?;
        if !procedure.eq_ignore_ascii_case("sp_executesql") {
            let told = format!("Could not find stored procedure '{procedure}'.");
            return Err(Refusal::new(2812, told));
        }
        let mut parameters = Vec::new();
        while !reader.0.is_empty() {
            parameters.push(parameter(&mut reader).map_err(broken)?);
        }
        let mut rest = parameters.into_iter();
        let (statement, declarations) = (rest.next(), rest.next());
        let parameters: Vec<Parameter> = rest.collect();
        let Some(Stored::Text(statement)) = statement.map(|parameter| parameter.value) else {
            return Err(Refusal::new(
                214,
                "Procedure expects parameter '@statement' of type 'nvarchar'.",
            ));
        };
        check_declarations(declarations, &parameters)?;
        Ok(Self {
            statement,
            parameters,
        })
    }
}

fn procedure(reader: &mut Reader<'_>) -> std::result::Result<String, String> {
    let name = match reader.u16()? {
        u16::MAX => match reader.u16()? {
            EXECUTE_SQL => "sp_executesql".to_owned(),
            other => format!("number {other}"),
        },
        length => reader.utf16(length.into())?,
    };
    // Whether to compile it anew and whether to send metadata.
    reader.u16()?;
    Ok(name)
}

/// Each parameter is declared by name, and each declared one is given.
fn check_declarations(declarations: Option<Parameter>, given: &[Parameter]) -> Result<()> {
    let text = match declarations.map(|parameter| parameter.value) {
        Some(Stored::Text(text)) => text,
        _ => String::new(),
    };
    let declared: Vec<&str> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '@'))
        .filter(|word| word.starts_with('@'))
        .collect();
    let same = declared.len() == given.len()
        && declared
            .iter()
            .zip(given)
            .all(|(name, given)| given.name.eq_ignore_ascii_case(name));
    let told = || format!("The parameters \"{text}\" are not those that are given.");
    if same {
        Ok(())
    } else {
        Err(Refusal::new(8178, told()))
    }
}

fn parameter(reader: &mut Reader<'_>) -> std::result::Result<Parameter, String> {
    let name = reader.short_text()?;
    let status = reader.u8()?;
    if status != 0 {
        return Err(format!("parameter {name} is by reference or by default"));
    }
    let (declared, value) = value(reader)?;
    Ok(Parameter {
        name,
        declared,
        value,
    })
}

fn value(reader: &mut Reader<'_>) -> std::result::Result<(SqlType, Stored), String> {
    let token = reader.u8()?;
    match token {
        0x26 | 0x68 | 0x6D | 0x6E | 0x6F | 0x24 => {
            let width = reader.u8()?;
            let declared = sized(token, width)?;
            short(reader, declared)
        }
        0x6A | 0x6C => {
            reader.u8()?;
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            short(reader, SqlType::Decimal { precision, scale })
        }
        0x28 => short(reader, SqlType::Date),
        0x29 => {
            let scale = reader.u8()?;
            short(reader, SqlType::Time(scale))
        }
        0x2A => {
            let scale = reader.u8()?;
            short(reader, SqlType::DateTime2(scale))
        }
        0x2B => {
            let scale = reader.u8()?;
            short(reader, SqlType::DateTimeOffset(scale))
        }
        0xE7 | 0xA7 => {
            let length = reader.u16()?;
            let collation = reader.take(5)?;
            let bytes = long(reader, length == u16::MAX)?;
            text(token == 0xE7, collation, bytes)
        }
        0xA5 => {
            let length = reader.u16()?;
            let bytes = long(reader, length == u16::MAX)?;
            Ok((
                SqlType::VarBinary(Length::Max),
                bytes.map_or(Stored::Null, Stored::Blob),
            ))
        }
        _ => Err(format!("a parameter of type {token:#04x}")),
    }
}

fn sized(token: u8, width: u8) -> std::result::Result<SqlType, String> {
    Ok(match (token, width) {
        (0x26, 1) => SqlType::TinyInt,
        (0x26, 2) => SqlType::SmallInt,
        (0x26, 4) => SqlType::Int,
        (0x26, 8) => SqlType::BigInt,
        (0x68, 1) => SqlType::Bit,
        (0x6D, 4) => SqlType::Real,
        (0x6D, 8) => SqlType::Float,
        (0x6E, 8) => SqlType::Money,
        (0x6F, 4) => SqlType::SmallDateTime,
        (0x6F, 8) => SqlType::DateTime,
        (0x24, 16) => SqlType::UniqueIdentifier,
        _ => {
            return Err(format!(
                "a parameter of type {token:#04x} and {width} bytes"
            ));
        }
    })
}

/// A value behind a length of one byte.
fn short(
    reader: &mut Reader<'_>,
    declared: SqlType,
) -> std::result::Result<(SqlType, Stored), String> {
    let length = reader.u8()?;
    let bytes = reader.take(length.into())?;
    if bytes.is_empty() {
        return Ok((declared, Stored::Null));
    }
    let stored = match declared {
        SqlType::Real => Stored::Real(f32::from_le_bytes(exactly(bytes)?).into()),
        SqlType::Float => Stored::Real(f64::from_le_bytes(exactly(bytes)?)),
        SqlType::UniqueIdentifier => Stored::Blob(storage::guid_of_wire(&exactly::<16>(bytes)?)),
        SqlType::Decimal { scale, .. } => {
            let size = i128::try_from(unsigned(&bytes[1..])).map_err(|error| error.to_string())?;
            let unscaled = if bytes[0] == 0 { -size } else { size };
            Stored::Blob(Decimal::new(unscaled, scale).key())
        }
        SqlType::Money => {
            let halves = [&bytes[4..], &bytes[..4]].concat();
            let unscaled = i64::from_le_bytes(exactly(&halves)?);
            Stored::Blob(Decimal::new(unscaled.into(), 4).key())
        }
        SqlType::SmallInt => Stored::Integer(i16::from_le_bytes(exactly(bytes)?).into()),
        SqlType::Int => Stored::Integer(i32::from_le_bytes(exactly(bytes)?).into()),
        SqlType::BigInt => Stored::Integer(i64::from_le_bytes(exactly(bytes)?)),
        SqlType::DateTimeOffset(scale) => {
            let (instant, offset) = bytes.split_at(bytes.len() - 2);
            let offset = i64::from(i16::from_le_bytes(exactly(offset)?));
            let local = self::instant(instant, scale) + offset * TICKS_PER_MINUTE;
            storage::offset_key(local, offset)
                .map(Stored::Blob)
                .ok_or("a time that there is not")?
        }
        SqlType::DateTime2(scale) => Stored::Integer(instant(bytes, scale)),
        SqlType::Time(scale) => Stored::Integer(ticks(bytes, scale)),
        SqlType::DateTime => {
            let (day, fragments) = bytes.split_at(4);
            let day = i64::from(i32::from_le_bytes(exactly(day)?)) + DAYS_TO_1900;
            let fragments = unsigned(fragments) as i64;
            Stored::Integer(day * TICKS_PER_DAY + ticks_of_datetime(fragments))
        }
        SqlType::SmallDateTime => {
            let (day, minutes) = (unsigned(&bytes[..2]) as i64, unsigned(&bytes[2..]) as i64);
            Stored::Integer((day + DAYS_TO_1900) * TICKS_PER_DAY + minutes * TICKS_PER_MINUTE)
        }
        _ => Stored::Integer(unsigned(bytes) as i64),
    };
    Ok((declared, stored))
}

fn exactly<const N: usize>(bytes: &[u8]) -> std::result::Result<[u8; N], String> {
    bytes
        .try_into()
        .map_err(|_| format!("{} bytes instead of {N}", bytes.len()))
}

fn unsigned(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn ticks(bytes: &[u8], scale: u8) -> i64 {
    unsigned(bytes) as i64 * 10_i64.pow(u32::from(7 - scale.min(7)))
}

fn instant(bytes: &[u8], scale: u8) -> i64 {
    let (time, day) = bytes.split_at(bytes.len().saturating_sub(3));
    unsigned(day) as i64 * TICKS_PER_DAY + ticks(time, scale)
}

/// A value behind a length of two bytes, or in chunks.
fn long(reader: &mut Reader<'_>, is_partly: bool) -> std::result::Result<Option<Vec<u8>>, String> {
    if !is_partly {
        return match reader.u16()? {
            u16::MAX => Ok(None),
            length => reader.take(length.into()).map(|bytes| Some(bytes.to_vec())),
        };
    }
    if reader.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        match reader.u32()? {
            0 => return Ok(Some(bytes)),
            length => bytes.extend_from_slice(reader.take(length as usize)?),
        }
    }
}

fn text(
    wide: bool,
    collation: &[u8],
    bytes: Option<Vec<u8>>,
) -> std::result::Result<(SqlType, Stored), String> {
    let declared = match wide {
        true => SqlType::NVarChar(Length::Max),
        false => SqlType::VarChar(Length::Max),
    };
    let stored = match bytes {
        None => Stored::Null,
        Some(bytes) if wide => {
            String::from_utf16(&units(&bytes)).map_or(Stored::Blob(bytes), Stored::Text)
        }
        // The flag of UTF-8.
        Some(bytes) if collation[3] & 0x04 != 0 => {
            Stored::Text(Collation::BinaryUtf8.decode(&bytes)?)
        }
        Some(bytes) => Stored::Text(Collation::default().decode(&bytes)?),
    };
    Ok((declared, stored))
}
