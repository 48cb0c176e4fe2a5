//! The digits of a `numeric` column without precision, measured where a person asks for it.
//!
//! A measured type is a proposal: each value is checked against it when it is read.

use std::collections::BTreeMap;

use super::catalog::Relation;
use super::dialect::Postgres;
use super::error::failed;
use super::session::Session;
use super::silence::within;
use crate::error::{Error, Result};
use crate::frontend::{Dialect, OpenOptions};
use crate::schema::shorten;

/// The form that asks for it.
const SCAN: &str = "scan";

/// Precisions that are proposed: those that machines hold, with room for greater values to come.
const PRECISIONS: [i32; 3] = [18, 38, 76];

/// The options with each `scan` replaced by the decimal that holds every value now.
///
/// # Errors
/// Kind Unsupported for a column that needs more than 76 digits, and whatever the server says.
pub(super) async fn measured(
    session: &Session,
    relation: &Relation,
    options: &OpenOptions,
) -> Result<OpenOptions> {
    let mut read_as: BTreeMap<String, String> = options.read_as.clone();
    for (asked, form) in &mut read_as {
        let numeric = relation.unbounded_numeric(asked);
        if let (SCAN, Some(column)) = (form.trim().to_ascii_lowercase().as_str(), numeric) {
            *form = measure(session, relation, column).await?;
        }
    }
    Ok(OpenOptions { read_as })
}

async fn measure(session: &Session, relation: &Relation, column: &str) -> Result<String> {
    let (schema, table) = relation.name();
    let (schema, table) = (Postgres.quote(schema), Postgres.quote(table));
    let quoted = Postgres.quote(column);
    // scale is NULL for NaN and infinity, which no decimal holds: the read will name them.
    let sql = format!(
        "SELECT max(scale({quoted})) AS scale, \
         max(length(trunc(abs({quoted}))::text)) FILTER (WHERE scale({quoted}) IS NOT NULL) AS whole \
         FROM {schema}.{table}"
    );
    let doing = format!("Column {quoted} of {schema}.{table} can't be measured");
    let wrong = |error| failed(&doing, error);
    let answer = session.client.query_typed(&sql, &[]);
    let rows = within(session.silence.lengthy(), &doing, answer).await?;
    let rows = rows.map_err(wrong)?;
    let row = rows.first().ok_or_else(|| Error::internal(doing.clone()))?;
    let scale: Option<i32> = row.try_get("scale").map_err(wrong)?;
    let whole: Option<i32> = row.try_get("whole").map_err(wrong)?;
    let (scale, whole) = (scale.unwrap_or_default(), whole.unwrap_or(1));
    let needed = scale + whole;
    match PRECISIONS
        .into_iter()
        .find(|&precision| precision >= needed)
    {
        Some(precision) => Ok(format!("decimal({precision},{scale})")),
        None => Err(Error::unsupported(format!(
            "Column \"{}\" needs {needed} digits, more than the 76 that a decimal can have",
            shorten(column)
        ))
        .hint("leave its form out: it is read as text then")),
    }
}
