//! Comparing the ledger with the table that it speaks of.

use super::catalog::describe;
use super::ledger;
use super::session::Warehouse;
use crate::backend::{Checked, Flaw};
use crate::error::Result;

/// Whether a table has as many rows as the transaction that wrote its record left there.
pub(super) async fn check(warehouse: &Warehouse, schema: &str, table: &str) -> Result<Checked> {
    let Some(found) = describe(warehouse, schema, table).await? else {
        return Ok(Checked::default());
    };
    let Some(entry) = ledger::read(warehouse, &found.name).await? else {
        return Ok(Checked::default());
    };
    let rows = found.rows.unwrap_or_default();
    let mut checked = Checked::default();
    if rows != entry.rows {
        checked.flaws.push(Flaw {
            object: found.name.to_string(),
            detail: format!(
                "it has {rows} rows, and {} when record {} was written",
                entry.rows, entry.record.sequence
            ),
        });
    }
    Ok(checked)
}
