//! The ledger: what goe remembers of the tables of a schema, changed in their own transactions.

use serde_json::Value;
use snowflake_connector_rs::Session;

use super::catalog::{qualified, relation};
use super::name::{text, there};
use super::session::{Cells, Warehouse, changed, run, run_with};
use super::statement::filled;
use crate::backend::{Publication, StoredRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::TableName;

/// Its name, in each schema.
pub(super) const TABLE: &str = "goe_ledger";

const CREATE: &str = include_str!("../../../sql/catalog/snowflake/ledger_create.sql");
const SEED: &str = include_str!("../../../sql/catalog/snowflake/ledger_seed.sql");
const LOCK: &str = include_str!("../../../sql/catalog/snowflake/ledger_lock.sql");
const READ: &str = include_str!("../../../sql/catalog/snowflake/ledger_read.sql");
const WRITE: &str = include_str!("../../../sql/catalog/snowflake/ledger_write.sql");

/// What is remembered of one table.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) record: StoredRecord,
    pub(super) proof: Value,
    /// The columns by our names.
    pub(super) names: Vec<String>,
    /// The rows that the table had when the record was written.
    pub(super) rows: u64,
}

/// The values that the ledger's statements are filled with.
fn asked(name: &TableName) -> [(&'static str, String); 2] {
    [
        ("ledger", qualified(&name.schema, TABLE)),
        ("target", text(&there(&name.table))),
    ]
}

fn doing(name: &TableName) -> String {
    format!("The record of table \"{name}\" can't be read or written")
}

/// What is remembered of a table; `None` if goe did not fill it.
pub(super) async fn read(warehouse: &Warehouse, name: &TableName) -> Result<Option<Entry>> {
    if relation(warehouse, &name.schema, TABLE).await?.is_none() {
        return Ok(None);
    }
    let sql = filled(READ, &asked(name));
    entry(name, &warehouse.rows(&doing(name), &sql).await?)
}

fn entry(name: &TableName, rows: &[Cells]) -> Result<Option<Entry>> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let sequence = row.count(0)?;
    if sequence == 0 {
        return Ok(None);
    }
    let broken = |what: &str| {
        let message = format!("The ledger's {what} of table \"{name}\" does not parse");
        Error::new(ErrorKind::Data, message).hint("replace all rows with --reset")
    };
    let json = |position: usize, what: &str| -> Result<Value> {
        serde_json::from_str(row.required(position)?).map_err(|_| broken(what))
    };
    Ok(Some(Entry {
        record: StoredRecord {
            sequence,
            fence: row.count(1)?,
            manifest: row.required(2)?.to_owned(),
            body: json(3, "record")?,
        },
        proof: json(4, "proof")?,
        names: serde_json::from_value(json(5, "column names")?)
            .map_err(|_| broken("column names"))?,
        rows: row.count(6)?,
    }))
}

/// Makes the ledger and a row to lock. Neither does anything the second time.
pub(super) async fn require(warehouse: &Warehouse, name: &TableName) -> Result<()> {
    let statements = [CREATE, SEED].map(|sql| filled(sql, &asked(name)));
    warehouse.run_all(&doing(name), &statements).await
}

/// Takes the lock of a table's row inside of a transaction, and reads it: from here on to its end
/// nobody else can publish into the table.
pub(super) async fn lock(session: &Session, name: &TableName) -> Result<Option<Entry>> {
    let doing = doing(name);
    let locked = run(session, &doing, &filled(LOCK, &asked(name))).await?;
    if changed(&locked)? == 0 {
        let message = format!("The ledger's row of table \"{name}\" is gone");
        return Err(Error::new(ErrorKind::Conflict, message).hint("run again"));
    }
    entry(
        name,
        &run(session, &doing, &filled(READ, &asked(name))).await?,
    )
}

/// Writes the record of a publication, inside of its transaction.
pub(super) async fn write(session: &Session, publication: &Publication, rows: u64) -> Result<()> {
    let name = &publication.target.name;
    let record = &publication.record;
    let names = publication.target.columns.iter();
    let names: Vec<&str> = names.map(|column| column.name.as_str()).collect();
    let names = serde_json::to_string(&names).map_err(|e| Error::internal(e.to_string()))?;
    let mut values = asked(name).to_vec();
    values.extend([
        ("sequence", record.sequence.to_string()),
        ("fence", record.fence.to_string()),
        ("manifest", text(&record.manifest)),
        ("row_count", rows.to_string()),
    ]);
    let texts = [
        record.body.to_string(),
        publication.proof.to_string(),
        names,
    ];
    let sql = filled(WRITE, &values);
    let written = run_with(session, &doing(name), &sql, texts).await?;
    if changed(&written)? == 0 {
        let message = format!("Table \"{name}\" was published into by somebody else");
        return Err(Error::new(ErrorKind::Conflict, message).hint("run again"));
    }
    Ok(())
}
