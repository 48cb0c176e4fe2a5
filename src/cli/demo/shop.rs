//! The shop: a SQLite database of TPC-H data.

use std::io::IsTerminal;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::{Connection, Transaction, params};
use tpchgen::decimal::TPCHDecimal;
use tpchgen::distribution::Distributions;
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator};
use tpchgen::text::TextPool;

use crate::error::{Error, ErrorKind, Result};

/// The database's name in the demo's folder.
pub(super) const FILE: &str = "shop.db";

const SCHEMA: &str = include_str!("../../../sql/demo/shop.sql");
const NEWER: &str = include_str!("../../../sql/demo/newer.sql");

/// Bytes of text that comments are cut from. TPC-H's own 300 MB would be most of the demo's memory
/// and of its time; nothing here depends on the comments.
const TEXT_BYTES: i32 = 4 << 20;

/// Orders of scale 1, and lines per order on average.
const ORDERS: f64 = 1_500_000.0;
const LINES_PER_ORDER: f64 = 4.0;

/// How many rows pass between two moves of the bar.
const STRIDE: u64 = 4096;

/// Makes the database.
pub(super) fn build(file: &Path, scale: f64, quiet: bool) -> Result<()> {
    let bar = bar(scale, quiet);
    fill(file, scale, &bar).map_err(|error| failed(file, error))?;
    bar.finish_and_clear();
    Ok(())
}

/// Adds January 1999, and gives the numbers of orders and of lines.
pub(super) fn add_newer(file: &Path) -> Result<[u64; 2]> {
    if !file.is_file() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("There is no {}", file.display()),
        )
        .hint("make the demo again: goe demo"));
    }
    let mut database = Connection::open(file).map_err(|error| failed(file, error))?;
    if count_newer(&database).map_err(|error| failed(file, error))?[0] > 0 {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            "The shop has orders of January 1999 already",
        )
        .hint("make the demo again to begin anew: goe demo"));
    }
    let added = database.transaction().and_then(|transaction| {
        transaction.execute_batch(NEWER)?;
        let added = count_newer(&transaction)?;
        transaction.commit()?;
        Ok(added)
    });
    added.map_err(|error| failed(file, error))
}

fn count_newer(database: &Connection) -> rusqlite::Result<[u64; 2]> {
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, u64>(0));
    Ok([
        count("SELECT count(*) FROM orders WHERE o_orderdate >= '1999-01-01'")?,
        count("SELECT count(*) FROM lineitem WHERE l_shipdate >= '1999-01-01'")?,
    ])
}

fn failed(file: &Path, error: rusqlite::Error) -> Error {
    Error::new(
        ErrorKind::Load,
        format!("The shop {} failed", file.display()),
    )
    .caused_by(error)
}

fn bar(scale: f64, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let rows = ORDERS * scale * (1.0 + LINES_PER_ORDER);
    let style = ProgressStyle::with_template("{prefix} [{bar:25}] {human_pos} rows, eta {eta}");
    let bar = ProgressBar::new(rows as u64).with_prefix(FILE);
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar
}

fn fill(file: &Path, scale: f64, bar: &ProgressBar) -> rusqlite::Result<()> {
    let mut database = Connection::open(file)?;
    // A database that breaks off here is made anew, so nothing needs to be durable yet.
    database.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")?;
    database.execute_batch(SCHEMA)?;
    let distributions = Distributions::static_default();
    let text = TextPool::new(TEXT_BYTES, distributions);
    let data = Data {
        scale,
        distributions,
        text: &text,
        bar,
    };
    let transaction = database.transaction()?;
    data.nations(&transaction)?;
    data.customers(&transaction)?;
    data.orders(&transaction)?;
    data.items(&transaction)?;
    transaction.commit()?;
    // The estimates that `goe tables` shows.
    database.execute_batch("ANALYZE")
}

struct Data<'d> {
    scale: f64,
    distributions: &'d Distributions,
    text: &'d TextPool,
    bar: &'d ProgressBar,
}

impl Data<'_> {
    fn nations(&self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = to.prepare("INSERT INTO nation VALUES (?, ?, ?, ?)")?;
        let nations =
            NationGenerator::new_with_distributions_and_text_pool(self.distributions, self.text);
        for n in nations.iter() {
            insert.execute(params![n.n_nationkey, n.n_name, n.n_regionkey, n.n_comment])?;
        }
        Ok(())
    }

    fn customers(&self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = to.prepare("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
        let customers = CustomerGenerator::new_with_distributions_and_text_pool(
            self.scale,
            1,
            1,
            self.distributions,
            self.text,
        );
        for c in customers.iter() {
            insert.execute(params![
                c.c_custkey,
                c.c_name.to_string(),
                c.c_address.to_string(),
                c.c_nationkey,
                c.c_phone.to_string(),
                decimal(c.c_acctbal),
                c.c_mktsegment,
                c.c_comment,
            ])?;
        }
        Ok(())
    }

    fn orders(&self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = to.prepare("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let orders = OrderGenerator::new_with_distributions_and_text_pool(
            self.scale,
            1,
            1,
            self.distributions,
            self.text,
        );
        for (o, row) in orders.iter().zip(1..) {
            insert.execute(params![
                o.o_orderkey,
                o.o_custkey,
                o.o_orderstatus.to_string(),
                decimal(o.o_totalprice),
                o.o_orderdate.to_string(),
                o.o_orderpriority,
                o.o_clerk.to_string(),
                o.o_shippriority,
                o.o_comment,
            ])?;
            self.advance(row);
        }
        Ok(())
    }

    fn items(&self, to: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut insert = to.prepare(
            "INSERT INTO lineitem VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let items = LineItemGenerator::new_with_distributions_and_text_pool(
            self.scale,
            1,
            1,
            self.distributions,
            self.text,
        );
        for (l, row) in items.iter().zip(1..) {
            insert.execute(params![
                l.l_orderkey,
                l.l_partkey,
                l.l_suppkey,
                l.l_linenumber,
                l.l_quantity,
                decimal(l.l_extendedprice),
                decimal(l.l_discount),
                decimal(l.l_tax),
                l.l_returnflag,
                l.l_linestatus,
                l.l_shipdate.to_string(),
                l.l_commitdate.to_string(),
                l.l_receiptdate.to_string(),
                l.l_shipinstruct,
                l.l_shipmode,
                l.l_comment,
            ])?;
            self.advance(row);
        }
        Ok(())
    }

    fn advance(&self, row: u64) {
        if row.is_multiple_of(STRIDE) {
            self.bar.inc(STRIDE);
        }
    }
}

/// A decimal as SQLite keeps one in a DECIMAL column: the double next to it, which names no other
/// decimal of fifteen digits.
fn decimal(value: TPCHDecimal) -> f64 {
    value.into_inner() as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_built_and_grows_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(add_newer(&file).unwrap_err().kind(), ErrorKind::NotFound);
        build(&file, 0.002, true).unwrap();
        let [orders, items] = add_newer(&file).unwrap();
        assert!(orders > 10 && items > orders);
        assert_eq!(
            add_newer(&file).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );

        let database = Connection::open(&file).unwrap();
        let one = |sql: &str| {
            database
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(one("SELECT count(*) FROM nation"), 25);
        assert_eq!(one("SELECT count(*) FROM customer"), 300);
        assert_eq!(
            one("SELECT count(*) FROM orders WHERE o_orderdate < '1999-01-01'"),
            3000
        );
        assert_eq!(
            one("SELECT count(*) FROM orders WHERE o_orderdate >= '1999-02-01'"),
            0
        );
        assert_eq!(
            one("SELECT count(*) FROM lineitem WHERE l_shipdate >= '1999-02-01'"),
            0
        );
        let lone =
            "SELECT count(*) FROM lineitem WHERE l_orderkey NOT IN (SELECT o_orderkey FROM orders)";
        assert_eq!(one(lone), 0);
        // Every price has two digits at most: its double is the one that its text names.
        let odd = "SELECT count(*) FROM orders WHERE CAST(printf('%.2f', o_totalprice) AS REAL) <> o_totalprice";
        assert_eq!(one(odd), 0);
    }
}
