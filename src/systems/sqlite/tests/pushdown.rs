//! Every pushed predicate against the engine's own answer over the same rows.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{ColumnarValue, Expr, case, lit};
use datafusion::prelude::{SessionContext, col};
use datafusion::scalar::ScalarValue;

use super::*;
use crate::frontend::{Comparison, FrontendTable, translate};

const PREDICATES: usize = 12_000;
const ROWS: usize = 300;

const TEXTS: [&str; 24] = [
    "",
    "a",
    "A",
    "ab",
    "abc",
    "ABC",
    "aBc",
    "é",
    "É",
    "naïve",
    "🦀",
    "a🦀c",
    "100%",
    "a_c",
    "a*c",
    "a?c",
    "[abc]",
    "a]c",
    "it's",
    "\"q\"",
    "line\nbreak",
    "tab\t",
    "ﬀ",
    "z\u{10ffff}",
];
const DAYS: [&str; 6] = [
    "0000-01-01",
    "1969-12-31",
    "1970-01-01",
    "2024-02-29",
    "2024-03-01",
    "9999-12-31",
];
const TIMES: [&str; 8] = [
    "00:00",
    "00:00:00",
    "00:00:00.000001",
    "12:30",
    "12:30:00.5",
    "12:30:00.500000",
    "23:59:59",
    "23:59:59.999999",
];

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// One value of each column, in a form that its type allows.
fn row(random: &mut Random, id: usize) -> String {
    let day = random.pick(&DAYS);
    let time = random.pick(&TIMES);
    let at = match random.below(3) {
        0 => text(day),
        1 => text(&format!("{day} {time}")),
        _ => text(&format!("{day}T{time}")),
    };
    let number = [
        "0",
        "1",
        "-1",
        "7",
        "9223372036854775807",
        "-9223372036854775808",
        "3",
    ];
    let amount = [
        "0",
        "0.1",
        "-0.1",
        "12",
        "'12.5'",
        "1234567890123.45",
        "0.29",
        "1.1",
        "9999999999999.99",
    ];
    let rate = [
        "0.0", "-0.0", "0.1", "1e-300", "3", "2.5", "1e300", "-2.5", "9e999", "0.3",
    ];
    let values = [
        random.pick(&number).to_owned(),
        random.pick(&amount).to_owned(),
        random.pick(&["0", "9999", "-9999", "12", "'7'"]).to_owned(),
        random.pick(&rate).to_owned(),
        text(day),
        at,
        text(time),
        text(random.pick(&TEXTS)),
        text(random.pick(&TEXTS)),
        random.pick(&["0", "1", "'TRUE'", "'false'"]).to_owned(),
        random
            .pick(&["0", "1709164800", "1709164800.5", "-1"])
            .to_owned(),
        random.pick(&["x'00'", "x'ff'", "'a'"]).to_owned(),
    ];
    let values = values.map(|value| {
        if random.below(8) == 0 {
            "NULL".to_owned()
        } else {
            value
        }
    });
    format!("({id}, {})", values.join(", "))
}

async fn fixture() -> (Fixture, Arc<dyn Source>) {
    let mut random = Random(42);
    let rows: Vec<String> = (0..ROWS).map(|id| row(&mut random, id)).collect();
    let fixture = Fixture::new(&format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, n BIGINT, amount DECIMAL(15,2), small DECIMAL(4,0),
           rate REAL, day DATE, at TIMESTAMP, clock TIME, name TEXT COLLATE NOCASE,
           code VARCHAR(9) COLLATE RTRIM, flag BOOLEAN, seen DATETIME, data BLOB);
         INSERT INTO t VALUES {}; INSERT INTO t(id, name) VALUES ({ROWS}, CAST(x'61006263' AS TEXT))",
        rows.join(", ")
    ));
    let source = fixture.open_as("t", "seen", "unix").await.unwrap();
    (fixture, source)
}

/// Predicates over the columns of a batch, with values of its rows and others.
struct Generator<'a> {
    random: Random,
    batch: &'a RecordBatch,
}

impl Generator<'_> {
    fn column(&mut self) -> (usize, Expr) {
        let i = self.random.below(self.batch.num_columns());
        (i, col(self.batch.schema_ref().field(i).name()))
    }

    /// A value of a column, from a row; rarely NULL.
    fn value(&mut self, column: usize) -> Expr {
        let array = self.batch.column(column);
        let rows = array.len();
        loop {
            let row = self.random.below(rows);
            if !array.is_null(row) || self.random.below(40) == 0 {
                return lit(self.near(ScalarValue::try_from_array(array, row).unwrap()));
            }
        }
    }

    /// The value itself, or often one beside it.
    fn near(&mut self, value: ScalarValue) -> ScalarValue {
        let by = self.random.below(5) as i64 - 2;
        match value {
            ScalarValue::Int64(Some(v)) => ScalarValue::Int64(Some(v.saturating_add(by))),
            ScalarValue::Int16(Some(v)) => ScalarValue::Int16(Some(v.saturating_add(by as i16))),
            ScalarValue::Date32(Some(v)) => ScalarValue::Date32(Some(v + by as i32)),
            ScalarValue::Decimal128(Some(v), p, s) => {
                ScalarValue::Decimal128(Some(v + i128::from(by)), p, s)
            }
            ScalarValue::TimestampMicrosecond(Some(v), zone) => {
                ScalarValue::TimestampMicrosecond(Some(v + by * 500_000), zone)
            }
            ScalarValue::Time64Microsecond(Some(v)) => {
                ScalarValue::Time64Microsecond(Some((v + by).clamp(0, 86_399_999_999)))
            }
            ScalarValue::Float64(Some(v)) if by == 1 => ScalarValue::Float64(Some(v.next_up())),
            ScalarValue::Float64(Some(v)) if by == 2 => ScalarValue::Float64(Some(v + 1.0)),
            other => other,
        }
    }

    fn pattern(&mut self) -> String {
        let pieces = [
            "%", "_", "a", "A", "b", "c", "é", "🦀", "*", "?", "[", "]", "^", "'", "\n", "ab",
        ];
        (0..self.random.below(5))
            .map(|_| self.random.pick(&pieces))
            .collect()
    }

    fn leaf(&mut self) -> Expr {
        let (i, column) = self.column();
        match self.random.below(14) {
            0 => column.eq(self.value(i)),
            1 => column.not_eq(self.value(i)),
            2 => column.lt(self.value(i)),
            3 => column.lt_eq(self.value(i)),
            4 => column.gt(self.value(i)),
            5 => column.gt_eq(self.value(i)),
            6 => self.value(i).lt(column),
            7 | 8 => {
                let values = (0..=self.random.below(4)).map(|_| self.value(i)).collect();
                column.in_list(values, self.random.below(2) == 0)
            }
            9 => column.between(self.value(i), self.value(i)),
            10 => column.not_between(self.value(i), self.value(i)),
            11 => column.is_null(),
            12 => column.is_not_null(),
            _ => {
                let column = col(self.random.pick(&["name", "code"]));
                let pattern = lit(ScalarValue::Utf8(Some(self.pattern())));
                if self.random.below(4) == 0 {
                    column.not_like(pattern)
                } else {
                    column.like(pattern)
                }
            }
        }
    }

    fn predicate(&mut self, depth: usize) -> Expr {
        match self.random.below(if depth == 0 { 4 } else { 10 }) {
            4 | 5 => self.predicate(depth - 1).and(self.predicate(depth - 1)),
            6 | 7 => self.predicate(depth - 1).or(self.predicate(depth - 1)),
            8 => Expr::Not(Box::new(self.predicate(depth - 1))),
            9 if self.random.below(4) == 0 => {
                let (when, then) = (self.leaf(), self.leaf());
                case(lit(true))
                    .when(when, then)
                    .otherwise(lit(false))
                    .unwrap()
            }
            9 => self.leaf().is_true(),
            _ => self.leaf(),
        }
    }
}

/// The rows that the engine keeps.
fn local(
    context: &SessionContext,
    schema: &DFSchema,
    batch: &RecordBatch,
    expr: &Expr,
) -> BTreeSet<i64> {
    let physical = context.create_physical_expr(expr.clone(), schema).unwrap();
    let ids = batch.column(0).as_primitive::<Int64Type>();
    let kept: Vec<bool> = match physical.evaluate(batch).unwrap() {
        ColumnarValue::Array(array) => array
            .as_boolean()
            .iter()
            .map(|keep| keep.unwrap_or_default())
            .collect(),
        ColumnarValue::Scalar(keep) => {
            vec![keep == ScalarValue::Boolean(Some(true)); batch.num_rows()]
        }
    };
    ids.values()
        .iter()
        .zip(kept)
        .filter_map(|(id, keep)| keep.then_some(*id))
        .collect()
}

fn pushed(database: &Database, sql: &str) -> BTreeSet<i64> {
    let sql = format!("SELECT id FROM t WHERE {sql}");
    let mut statement = database
        .prepare(&sql)
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<rusqlite::Result<_>>().unwrap()
}

#[tokio::test]
async fn a_pushed_predicate_keeps_the_rows_that_ours_keeps() {
    let (fixture, source) = fixture().await;
    let batch = read_all(&source).await.unwrap();
    let schema = DFSchema::try_from(batch.schema()).unwrap();
    let context = SessionContext::new();
    let dialect = fixture.frontend.dialect();
    let mut generator = Generator {
        random: Random(2024),
        batch: &batch,
    };
    let (mut exact, mut superset, mut some) = (0, 0, 0);
    for i in 0..PREDICATES {
        let expr = generator.predicate(2);
        let Some(push) = translate(&expr, source.table(), dialect.as_ref()) else {
            continue;
        };
        let ours = local(&context, &schema, &batch, &expr);
        let theirs = pushed(&fixture.writer, &push.sql);
        some += usize::from(!ours.is_empty() && ours.len() <= ROWS);
        match push.comparison {
            Comparison::Exact => {
                exact += 1;
                assert_eq!(ours, theirs, "{i}: {expr}\n{}", push.sql);
            }
            Comparison::Superset => {
                superset += 1;
                assert!(ours.is_subset(&theirs), "{i}: {expr}\n{}", push.sql);
            }
        }
    }
    println!(
        "{exact} exact, {superset} superset of {PREDICATES}; {some} kept some rows and not all"
    );
    assert!(exact > PREDICATES / 3, "{exact}");
    assert!(superset > PREDICATES / 20, "{superset}");
    assert!(some > PREDICATES / 3, "{some}");
}

/// The same through the engine's optimiser and our scan, for fewer predicates.
#[tokio::test]
async fn a_scan_with_pushdown_answers_as_a_table_in_memory() {
    let (fixture, source) = fixture().await;
    let batch = read_all(&source).await.unwrap();
    let context = SessionContext::new();
    let table = FrontendTable::new(Arc::clone(&source), fixture.frontend.dialect());
    let mut generator = Generator {
        random: Random(77),
        batch: &batch,
    };
    for _ in 0..60 {
        let expr = generator.predicate(2);
        let schema = DFSchema::try_from(batch.schema()).unwrap();
        let ours = local(&context, &schema, &batch, &expr);
        let frame = context.read_table(Arc::new(table.clone())).unwrap();
        let frame = frame
            .filter(expr.clone())
            .unwrap()
            .select_columns(&["id"])
            .unwrap();
        let batches = frame.collect().await.unwrap();
        let theirs: BTreeSet<i64> = batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert_eq!(ours, theirs, "{expr}");
    }
}

#[tokio::test]
async fn sql_over_a_source_counts_limits_and_aggregates() {
    let (fixture, source) = fixture().await;
    let context = SessionContext::new();
    let table = FrontendTable::new(Arc::clone(&source), fixture.frontend.dialect());
    context.register_table("t", Arc::new(table)).unwrap();
    let one = async |sql: &str| {
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let value = batches.iter().find(|batch| batch.num_rows() > 0);
        (
            rows,
            value.map(|batch| crate::schema::describe_value(batch.column(0), 0)),
        )
    };
    let rows = ROWS + 1;
    assert_eq!(
        one("SELECT count(*) FROM t").await.1,
        Some(rows.to_string())
    );
    assert_eq!(one("SELECT * FROM t LIMIT 7").await.0, 7);
    let count: i64 = fixture
        .writer
        .query_row(
            "SELECT count(*) FROM t WHERE day >= '2024-02-29'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let counted = one("SELECT count(*) FROM t WHERE day >= DATE '2024-02-29'").await;
    assert_eq!(counted.1, Some(count.to_string()));
    let plan =
        context.sql("EXPLAIN SELECT id FROM t WHERE day >= DATE '2024-02-29' AND amount > 1.00");
    let plan =
        arrow::util::pretty::pretty_format_batches(&plan.await.unwrap().collect().await.unwrap());
    let plan = plan.unwrap().to_string();
    assert!(
        plan.contains("\"day\" COLLATE BINARY >= '2024-02-29'"),
        "{plan}"
    );
    assert!(!plan.contains("FilterExec"), "{plan}");
}

#[tokio::test]
async fn text_order_of_a_utf16_database_stays_local() {
    let fixture = Fixture::new(
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(c TEXT); INSERT INTO t VALUES ('ÿ'), ('Ā')",
    );
    let source = fixture.open("t").await.unwrap();
    let dialect = fixture.frontend.dialect();
    let value = || lit(ScalarValue::LargeUtf8(Some("ÿ".to_owned())));
    assert!(translate(&col("c").lt(value()), source.table(), dialect.as_ref()).is_none());
    let equal = translate(&col("c").eq(value()), source.table(), dialect.as_ref()).unwrap();
    let count: i64 = fixture
        .writer
        .query_row(
            &format!("SELECT count(*) FROM t WHERE {}", equal.sql),
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(count, 1);
    assert_eq!(read_all(&source).await.unwrap().num_rows(), 2);
}
