//! `sql_variant`: a value together with a type of its own.
//!
//! It is stored as text: the type's declaration, a mark, and the value as a test writes it. The views of
//! the catalog hold the bare text that CONVERT makes of theirs.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as Stored, ValueRef};

use super::collation::Collation;
use super::storage::{self, Value};
use super::types::{Family, SqlType};

const MARK: char = '\u{1}';

/// What the engine holds, or why it is no value of that type.
pub fn store(declaration: &str, text: &str) -> Result<Stored, String> {
    let (declared, value) = parse(declaration, text)?;
    storage::store(&value, declared, Collation::default())?;
    Ok(Stored::Text(format!("{declaration}{MARK}{text}")))
}

fn parse(declaration: &str, text: &str) -> Result<(SqlType, Value), String> {
    let declared = SqlType::parse(declaration)?;
    let misfit = || format!("{text:?} is no {declared} of a sql_variant");
    let value = match declared.family() {
        Family::Integer => Value::Integer(text.parse().map_err(|_| misfit())?),
        Family::Float => Value::Float(text.parse().map_err(|_| misfit())?),
        Family::Bytes => Value::Bytes(text.as_bytes().to_vec()),
        Family::Opaque => return Err(misfit()),
        _ => Value::Text(text.to_owned()),
    };
    Ok((declared, value))
}

/// The type that a value has of its own, and what the engine would hold for it there.
pub fn open(value: ValueRef<'_>) -> Option<(SqlType, Stored)> {
    let (declaration, text) = value.as_str().ok()?.split_once(MARK)?;
    let (declared, value) = parse(declaration, text).ok()?;
    let stored = storage::store(&value, declared, Collation::default()).ok()?;
    Some((declared, stored))
}

/// Gives a connection of the engine `tds_variant_type(value)`: the name of its own type.
pub fn register(database: &Connection) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    database.create_scalar_function("tds_variant_type", 1, pure, |context| {
        Ok(open(context.get_raw(0)).map(|(declared, _)| declared.name()))
    })
}
