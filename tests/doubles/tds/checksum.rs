//! CHECKSUM: what equals has one hash, and NULL has one too.
//!
//! The numbers are not the server's. Only the hash of one whole number that fits is the number itself, as
//! the server is seen to have it: who takes a remainder of it has to reckon with that.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as Stored, ValueRef};

const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x100_0000_01B3;

/// The hash of values in their order, each as it is compared.
fn of(values: &[ValueRef<'_>]) -> i32 {
    if let [ValueRef::Integer(number)] = values
        && let Ok(number) = i32::try_from(*number)
    {
        return number;
    }
    let hash = values.iter().fold(BASIS, |hash, value| {
        let (kind, bytes) = bytes(*value);
        std::iter::once(kind).chain(bytes).fold(hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        })
    });
    (hash ^ hash >> 32) as u32 as i32
}

fn bytes(value: ValueRef<'_>) -> (u8, Vec<u8>) {
    match value {
        ValueRef::Null => (0, Vec::new()),
        ValueRef::Integer(number) => (1, number.to_le_bytes().to_vec()),
        // Both zeros are equal.
        ValueRef::Real(number) => (2, (number + 0.0).to_le_bytes().to_vec()),
        ValueRef::Text(text) => (3, text.to_vec()),
        ValueRef::Blob(bytes) => (4, bytes.to_vec()),
    }
}

/// Gives a connection of the engine `tds_checksum(…)`, and `tds_folded(text, is_insensitive)`, which is
/// the same for texts that are equal.
pub fn register(database: &Connection) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    database.create_scalar_function("tds_checksum", -1, pure, |context| {
        let values: Vec<ValueRef<'_>> = (0..context.len()).map(|at| context.get_raw(at)).collect();
        Ok(of(&values))
    })?;
    database.create_scalar_function("tds_folded", 2, pure, |context| {
        let (value, insensitive): (Stored, bool) = (context.get(0)?, context.get(1)?);
        Ok(match value {
            Stored::Text(text) if insensitive => {
                Stored::Text(text.trim_end_matches(' ').to_lowercase())
            }
            Stored::Text(text) => Stored::Text(text.trim_end_matches(' ').to_owned()),
            other => other,
        })
    })
}
