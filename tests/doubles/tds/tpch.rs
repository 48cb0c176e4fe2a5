//! TPC-H's `lineitem`, in partitions by month of its ship date.

use tpchgen::distribution::Distributions;
use tpchgen::generators::{LineItem, LineItemGenerator};
use tpchgen::text::TextPool;

use super::storage::Value;
use super::{PartitionFunction, Table, Tds};

/// Comments are taken from this many bytes of text; the benchmark's own pool takes long to make.
const POOL: i32 = 1 << 20;

impl Tds {
    /// Makes `dbo.lineitem` of a scale (0.01 is 60,000 rows), partitioned by the function `by_month`;
    /// gives the number of its rows.
    pub fn load_lineitem(&self, scale: f64) -> usize {
        self.create_function(PartitionFunction::right("by_month", "date", months()));
        self.create(lineitem());
        let (words, pool) = (
            Distributions::static_default(),
            TextPool::new(POOL, Distributions::static_default()),
        );
        let lines =
            LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        let rows: Vec<Vec<Value>> = lines.iter().map(|line| row(&line)).collect();
        let count = rows.len();
        self.insert("dbo.lineitem", rows);
        count
    }
}

/// The first of each month from February 1992 to December 1998.
fn months() -> Vec<String> {
    let month = |month| format!("{}-{:02}-01", 1992 + month / 12, month % 12 + 1);
    (1..7 * 12).map(month).collect()
}

fn lineitem() -> Table {
    let money = "decimal(15,2) not null";
    Table::new("dbo.lineitem")
        .column("l_orderkey", "bigint not null")
        .column("l_partkey", "bigint not null")
        .column("l_suppkey", "bigint not null")
        .column("l_linenumber", "int not null")
        .column("l_quantity", money)
        .column("l_extendedprice", money)
        .column("l_discount", money)
        .column("l_tax", money)
        .column("l_returnflag", "char(1) not null")
        .column("l_linestatus", "char(1) not null")
        .column("l_shipdate", "date not null")
        .column("l_commitdate", "date not null")
        .column("l_receiptdate", "date not null")
        .column("l_shipinstruct", "char(25) not null")
        .column("l_shipmode", "char(10) not null")
        .column("l_comment", "varchar(44) not null")
        .primary_key(&["l_orderkey", "l_linenumber", "l_shipdate"])
        .partitioned("by_month", "l_shipdate")
}

fn row(line: &LineItem<'_>) -> Vec<Value> {
    let numbers = [
        line.l_orderkey,
        line.l_partkey,
        line.l_suppkey,
        line.l_linenumber.into(),
    ];
    let quantity = Value::Integer(line.l_quantity);
    let amounts =
        [line.l_extendedprice, line.l_discount, line.l_tax].map(|amount| amount.to_string());
    let dates =
        [line.l_shipdate, line.l_commitdate, line.l_receiptdate].map(|date| date.to_string());
    let texts = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| Value::from(*text))
            .collect::<Vec<_>>()
    };
    [
        numbers.map(Value::Integer).to_vec(),
        vec![quantity],
        amounts.map(Value::Text).to_vec(),
        texts(&[line.l_returnflag, line.l_linestatus]),
        dates.map(Value::Text).to_vec(),
        texts(&[line.l_shipinstruct, line.l_shipmode, line.l_comment]),
    ]
    .concat()
}
