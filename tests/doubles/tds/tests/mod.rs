//! The double driven by the real driver.

mod caller;
mod catalog;
mod hashes;
mod packets;
mod predicates;
mod queries;
mod random;
mod raw;
mod transactions;
mod values;

use super::{Options, Table, Tds, Value};

/// A server with a table of three rows.
fn small() -> Tds {
    let tds = Tds::start(Options::default());
    tds.create(
        Table::new("dbo.t")
            .column("id", "int not null")
            .column("name", "nvarchar(20)")
            .primary_key(&["id"]),
    );
    let row = |id: i64, name: &str| vec![id.into(), name.into()];
    tds.insert("dbo.t", vec![row(1, "one"), row(2, "two"), row(3, "three")]);
    tds
}

/// A server with one table of so many numbers, from 0, and a text beside each.
fn numbers(options: Options, count: i64, width: usize) -> Tds {
    let tds = Tds::start(options);
    tds.create(
        Table::new("dbo.n")
            .column("n", "bigint not null")
            .column("t", "varchar(8000)"),
    );
    let rows = (0..count).map(|n| vec![n.into(), Value::Text("x".repeat(width))]);
    tds.insert("dbo.n", rows.collect());
    tds
}
