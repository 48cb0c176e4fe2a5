//! TPC-H's tables; `lineitem` in partitions by month of its ship date.

use std::fmt::Display;

use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen::text::TextPool;

use super::storage::Value;
use super::{PartitionFunction, Table, Tds};

/// Comments are taken from this many bytes of text; the benchmark's own pool takes long to make.
const POOL: i32 = 1 << 20;

/// A table's name, its columns with their types, none of which takes NULLs, and its key.
struct Shape(
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const REGION: Shape = Shape(
    "region",
    &[
        ("r_regionkey", "int"),
        ("r_name", "char(25)"),
        ("r_comment", "varchar(152)"),
    ],
    &["r_regionkey"],
);

const NATION: Shape = Shape(
    "nation",
    &[
        ("n_nationkey", "int"),
        ("n_name", "char(25)"),
        ("n_regionkey", "int"),
        ("n_comment", "varchar(152)"),
    ],
    &["n_nationkey"],
);

const SUPPLIER: Shape = Shape(
    "supplier",
    &[
        ("s_suppkey", "bigint"),
        ("s_name", "char(25)"),
        ("s_address", "varchar(40)"),
        ("s_nationkey", "int"),
        ("s_phone", "char(15)"),
        ("s_acctbal", "decimal(15,2)"),
        ("s_comment", "varchar(101)"),
    ],
    &["s_suppkey"],
);

const CUSTOMER: Shape = Shape(
    "customer",
    &[
        ("c_custkey", "bigint"),
        ("c_name", "varchar(25)"),
        ("c_address", "varchar(40)"),
        ("c_nationkey", "int"),
        ("c_phone", "char(15)"),
        ("c_acctbal", "decimal(15,2)"),
        ("c_mktsegment", "char(10)"),
        ("c_comment", "varchar(117)"),
    ],
    &["c_custkey"],
);

const PART: Shape = Shape(
    "part",
    &[
        ("p_partkey", "bigint"),
        ("p_name", "varchar(55)"),
        ("p_mfgr", "char(25)"),
        ("p_brand", "char(10)"),
        ("p_type", "varchar(25)"),
        ("p_size", "int"),
        ("p_container", "char(10)"),
        ("p_retailprice", "decimal(15,2)"),
        ("p_comment", "varchar(23)"),
    ],
    &["p_partkey"],
);

const PARTSUPP: Shape = Shape(
    "partsupp",
    &[
        ("ps_partkey", "bigint"),
        ("ps_suppkey", "bigint"),
        ("ps_availqty", "int"),
        ("ps_supplycost", "decimal(15,2)"),
        ("ps_comment", "varchar(199)"),
    ],
    &["ps_partkey", "ps_suppkey"],
);

const ORDERS: Shape = Shape(
    "orders",
    &[
        ("o_orderkey", "bigint"),
        ("o_custkey", "bigint"),
        ("o_orderstatus", "char(1)"),
        ("o_totalprice", "decimal(15,2)"),
        ("o_orderdate", "date"),
        ("o_orderpriority", "char(15)"),
        ("o_clerk", "char(15)"),
        ("o_shippriority", "int"),
        ("o_comment", "varchar(79)"),
    ],
    &["o_orderkey"],
);

const LINEITEM: Shape = Shape(
    "lineitem",
    &[
        ("l_orderkey", "bigint"),
        ("l_partkey", "bigint"),
        ("l_suppkey", "bigint"),
        ("l_linenumber", "int"),
        ("l_quantity", "decimal(15,2)"),
        ("l_extendedprice", "decimal(15,2)"),
        ("l_discount", "decimal(15,2)"),
        ("l_tax", "decimal(15,2)"),
        ("l_returnflag", "char(1)"),
        ("l_linestatus", "char(1)"),
        ("l_shipdate", "date"),
        ("l_commitdate", "date"),
        ("l_receiptdate", "date"),
        ("l_shipinstruct", "char(25)"),
        ("l_shipmode", "char(10)"),
        ("l_comment", "varchar(44)"),
    ],
    &["l_orderkey", "l_linenumber", "l_shipdate"],
);

/// What comments are made of.
fn pool() -> TextPool {
    TextPool::new(POOL, Distributions::static_default())
}

impl Tds {
    /// Makes `dbo.lineitem` of a scale (0.01 is 60,000 rows), partitioned by the function `by_month`;
    /// gives the number of its rows.
    pub fn load_lineitem(&self, scale: f64) -> usize {
        self.create_function(PartitionFunction::right("by_month", "date", months()));
        let (words, pool) = (Distributions::static_default(), pool());
        let lines =
            LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        self.fill(&LINEITEM, lines.iter())
    }

    /// Makes all tables of a scale; gives their names and how many rows each has.
    pub fn load_tpch(&self, scale: f64) -> Vec<(&'static str, usize)> {
        let (words, pool) = (Distributions::static_default(), pool());
        let regions = RegionGenerator::new_with_distributions_and_text_pool(words, &pool);
        let nations = NationGenerator::new_with_distributions_and_text_pool(words, &pool);
        let suppliers =
            SupplierGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        let customers =
            CustomerGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        let parts = PartGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        let offers = PartSuppGenerator::new_with_text_pool(scale, 1, 1, &pool);
        let orders =
            OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words, &pool);
        vec![
            (REGION.0, self.fill(&REGION, regions.iter())),
            (NATION.0, self.fill(&NATION, nations.iter())),
            (SUPPLIER.0, self.fill(&SUPPLIER, suppliers.iter())),
            (CUSTOMER.0, self.fill(&CUSTOMER, customers.iter())),
            (PART.0, self.fill(&PART, parts.iter())),
            (PARTSUPP.0, self.fill(&PARTSUPP, offers.iter())),
            (ORDERS.0, self.fill(&ORDERS, orders.iter())),
            (LINEITEM.0, self.load_lineitem(scale)),
        ]
    }

    fn fill(&self, shape: &Shape, rows: impl Iterator<Item = impl Display>) -> usize {
        let Shape(table, columns, key) = shape;
        let name = format!("dbo.{table}");
        let made = columns
            .iter()
            .fold(Table::new(&name), |made, (column, kind)| {
                made.column(column, &format!("{kind} not null"))
            });
        let made = made.primary_key(key);
        self.create(match *table {
            "lineitem" => made.partitioned("by_month", "l_shipdate"),
            _ => made,
        });
        let rows: Vec<Vec<Value>> = rows.map(|row| values(columns, &row.to_string())).collect();
        let count = rows.len();
        self.insert(&name, rows);
        count
    }
}

/// The first of each month from February 1992 to December 1998.
fn months() -> Vec<String> {
    let month = |month| format!("{}-{:02}-01", 1992 + month / 12, month % 12 + 1);
    (1..7 * 12).map(month).collect()
}

/// A row as the benchmark writes it, each value before a bar.
fn values(columns: &[(&str, &str)], line: &str) -> Vec<Value> {
    let texts = line.split('|');
    let typed = columns
        .iter()
        .zip(texts)
        .map(|((_, kind), text)| match *kind {
            "int" | "bigint" => Value::Integer(text.parse().expect("a number")),
            _ => Value::from(text),
        });
    typed.collect()
}
