//! Random filters, at the server and here: what is pushed must agree.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::{Between, InList, Like};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use proptest::prelude::*;

use super::*;
use crate::frontend::{Comparison, Pushed, translate};
use crate::schema::Column;

/// How many filters are compared.
const FILTERS: usize = 10_000;
/// How many go in one statement.
const TOGETHER: usize = 50;
/// Rows that are filtered; the others only lend their values.
const FILTERED: i64 = 200;

/// A small generator of its own, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "b",
    "ab",
    "aB",
    "a b",
    "ab ",
    "ab  ",
    " ab",
    "z",
    "Z",
    "é",
    "É",
    "aé",
    "e\u{301}",
    "\u{1F600}",
    "\u{1F600}a",
    "ß",
    "ss",
    "%",
    "_",
    "a%",
    "a_b",
    "\\",
    "a\\b",
    "'",
    "a'b",
    "a\u{1}",
    "a\tb",
    "a\nb",
    "10",
    "9",
    "-1",
    "\u{10FFFF}",
    "\u{FFFF}",
    "~",
];
const NUMBERS: &[&str] = &[
    "0", "1", "-1", "2", "10", "99", "-100", "127", "9999", "-9999",
];
const DAYS: &[&str] = &[
    "0001-01-01",
    "1582-10-10",
    "1969-12-31",
    "1970-01-01",
    "2000-02-29",
    "2020-06-15",
    "9999-12-31",
];
const TIMES: &[&str] = &["00:00:00", "12:00:00", "12:00:00.000001", "23:59:59.999999"];

const COLUMNS: &str = "id bigint, s smallint, i integer, b bigint, o oid, n numeric(10,2), z numeric(5,0),
    w numeric(50,10), u numeric, m money, d date, h time, p timestamp, q timestamptz, t text, v varchar(12),
    c char(6), f boolean, g uuid, y bytea, e mood, j jsonb, a integer[], r double precision, x name, k label,
    l text COLLATE blind, ll text COLLATE worldly, iv interval, ip inet";

/// One row as SQL: each value random, a sixth of them NULL.
fn row(dice: &mut Dice, id: usize) -> String {
    let mut value = |make: &mut dyn FnMut(&mut Dice) -> String| match dice.roll(6) {
        0 => "NULL".to_owned(),
        _ => make(dice),
    };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let number = &mut |dice: &mut Dice| dice.pick(NUMBERS).to_owned();
    let text = &mut |dice: &mut Dice| quoted(dice.pick(TEXTS));
    let day = &mut |dice: &mut Dice| quoted(dice.pick(DAYS));
    let moment = &mut |dice: &mut Dice| {
        let (day, time) = (dice.pick(DAYS), dice.pick(TIMES));
        quoted(&format!("{day} {time}"))
    };
    let values = [
        value(number),
        value(number),
        value(&mut |dice| {
            dice.pick(&["0", "-9223372036854775808", "9223372036854775807", "1"])
                .into()
        }),
        value(&mut |dice| dice.pick(&["0", "1", "4294967295", "10"]).into()),
        value(&mut |dice| {
            format!(
                "{}.{}",
                dice.pick(NUMBERS),
                dice.pick(&["00", "5", "01", "99"])
            )
        }),
        value(number),
        value(&mut |dice| {
            format!(
                "{}{}.{}",
                dice.pick(NUMBERS),
                "7".repeat(dice.roll(30)),
                "5"
            )
        }),
        value(&mut |dice| format!("{}.{}", dice.pick(NUMBERS), dice.pick(&["0", "00", "5"]))),
        value(number),
        value(day),
        value(&mut |dice| quoted(dice.pick(TIMES))),
        value(moment),
        value(&mut |dice| format!("{}::timestamptz", moment(dice))),
        value(text),
        value(text),
        value(text),
        value(&mut |dice| dice.pick(&["true", "false"]).into()),
        value(&mut |dice| {
            quoted(&format!(
                "{:08x}-0000-0000-0000-00000000000{}",
                dice.roll(3),
                dice.roll(10)
            ))
        }),
        value(&mut |dice| quoted(dice.pick(&["\\x", "\\x00", "\\xff", "\\x00ff", "\\x7f"]))),
        value(&mut |dice| quoted(dice.pick(&["happy", "Sad", "ok"]))),
        value(&mut |dice| quoted(dice.pick(&["1", "{\"a\": 1}", "[]", "null", "\"é\""]))),
        value(&mut |dice| quoted(dice.pick(&["{}", "{1,2}", "{NULL}", "{10}"]))),
        value(&mut |dice| {
            dice.pick(&["'NaN'", "0", "'-0'", "1.5", "'Infinity'"])
                .into()
        }),
        value(text),
        value(text),
        value(text),
        value(text),
        value(&mut |dice| quoted(dice.pick(&["1 day", "24:00", "1 mon", "-1 day"]))),
        value(&mut |dice| quoted(dice.pick(&["10.0.0.1", "10.0.0.0/8", "::1"]))),
    ];
    format!("({id}, {})", values.join(", "))
}

/// Writes random filters over a table and the values that its rows hold.
struct Author<'a> {
    dice: Dice,
    columns: &'a [Column],
    values: &'a RecordBatch,
}

impl Author<'_> {
    fn filter(&mut self, depth: usize) -> Expr {
        match self.dice.roll(if depth == 0 { 7 } else { 13 }) {
            0..=2 => self.comparison(),
            3 => self.list(),
            4 => self.between(),
            5 => self.like(),
            6 => {
                let column = self.column();
                let column = Box::new(self.named(column));
                if self.dice.roll(2) == 0 {
                    Expr::IsNull(column)
                } else {
                    Expr::IsNotNull(column)
                }
            }
            7 | 8 => self.both(Operator::And, depth),
            9 | 10 => self.both(Operator::Or, depth),
            11 => Expr::Not(Box::new(self.filter(depth - 1))),
            _ => self.case(depth),
        }
    }

    fn both(&mut self, op: Operator, depth: usize) -> Expr {
        let (left, right) = (self.filter(depth - 1), self.filter(depth - 1));
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    }

    fn case(&mut self, depth: usize) -> Expr {
        let (when, then) = (self.filter(depth - 1), self.filter(depth - 1));
        let otherwise = self.filter(depth - 1);
        let branch = vec![(Box::new(when), Box::new(then))];
        Expr::Case(Case::new(None, branch, Some(Box::new(otherwise))))
    }

    fn column(&mut self) -> usize {
        self.dice.roll(self.columns.len())
    }

    fn named(&self, column: usize) -> Expr {
        Expr::Column(datafusion::common::Column::from_name(
            &self.columns[column].name,
        ))
    }

    /// A value of the column's type that some row holds, or sometimes NULL.
    fn value(&mut self, column: usize) -> Expr {
        let array = self.values.column(column);
        let value = loop {
            let row = self.dice.roll(array.len());
            if array.is_valid(row) || self.dice.roll(40) == 0 {
                break ScalarValue::try_from_array(array, row).unwrap();
            }
        };
        Expr::Literal(value, None)
    }

    fn comparison(&mut self) -> Expr {
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let column = self.column();
        let op = self.dice.pick(&[Eq, NotEq, Lt, LtEq, Gt, GtEq]);
        let (mut left, mut right) = (self.named(column), self.value(column));
        if self.dice.roll(4) == 0 {
            std::mem::swap(&mut left, &mut right);
        }
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
    }

    fn list(&mut self) -> Expr {
        let column = self.column();
        let list = (0..=self.dice.roll(4))
            .map(|_| self.value(column))
            .collect();
        let negated = self.dice.roll(2) == 0;
        Expr::InList(InList::new(Box::new(self.named(column)), list, negated))
    }

    fn between(&mut self) -> Expr {
        let column = self.column();
        let (low, high) = (Box::new(self.value(column)), Box::new(self.value(column)));
        let negated = self.dice.roll(2) == 0;
        Expr::Between(Between::new(
            Box::new(self.named(column)),
            negated,
            low,
            high,
        ))
    }

    fn like(&mut self) -> Expr {
        let texts: Vec<usize> = (0..self.columns.len())
            .filter(|&i| self.columns[i].canonical.is_text())
            .collect();
        let column = self.dice.pick(&texts);
        let pattern: String = (0..self.dice.roll(5))
            .map(|_| {
                self.dice.pick(&[
                    "%",
                    "_",
                    "a",
                    "é",
                    "\u{1F600}",
                    " ",
                    "b",
                    "1",
                    "\\",
                    "\n",
                    "%%",
                ])
            })
            .collect();
        let pattern = match self.columns[column].canonical.to_arrow() {
            arrow::datatypes::DataType::LargeUtf8 => ScalarValue::LargeUtf8(Some(pattern)),
            _ => ScalarValue::Utf8(Some(pattern)),
        };
        let negated = self.dice.roll(2) == 0;
        let pattern = Box::new(Expr::Literal(pattern, None));
        Expr::Like(Like::new(
            negated,
            Box::new(self.named(column)),
            pattern,
            None,
            false,
        ))
    }
}

/// The ids of the rows that the engine itself keeps.
fn local(expr: &Expr, schema: &DFSchema, rows: &RecordBatch) -> BTreeSet<i64> {
    let props = ExecutionProps::new();
    let context =
        datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default();
    let physical: Arc<dyn PhysicalExpr> =
        create_physical_expr(expr, schema, &props, &context).unwrap();
    let kept = physical
        .evaluate(rows)
        .unwrap()
        .into_array(rows.num_rows())
        .unwrap();
    let ids = rows.column(0).as_primitive::<Int64Type>();
    let kept = kept.as_boolean();
    (0..rows.num_rows())
        .filter(|&row| kept.is_valid(row) && kept.value(row))
        .map(|row| ids.value(row))
        .collect()
}

async fn remote(place: &Place, pushed: &[(Expr, Pushed)]) -> Vec<BTreeSet<i64>> {
    let list: Vec<String> = pushed
        .iter()
        .map(|(_, one)| format!("string_agg(id::text, ',') FILTER (WHERE {})", one.sql))
        .collect();
    let sql = format!("SELECT {} FROM t WHERE id < {FILTERED}", list.join(", "));
    let row = place.admin.client.query_one(&sql, &[]).await.unwrap();
    (0..pushed.len())
        .map(|i| {
            let ids: Option<&str> = row.get(i);
            ids.unwrap_or_default()
                .split(',')
                .filter_map(|id| id.parse().ok())
                .collect()
        })
        .collect()
}

#[test]
fn pushed_filters_agree_with_ours() {
    in_schema(|place| async move {
        place.run(
            "CREATE TYPE mood AS ENUM ('happy', 'Sad', 'ok'); CREATE DOMAIN label AS varchar(12)",
        ).await;
        let blind = "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', \
                     deterministic = false)";
        if let Err(error) = place.admin.client.batch_execute(blind).await {
            eprintln!("no collation that is not deterministic: {error}");
            place.run("CREATE COLLATION blind FROM \"C\"").await;
        }
        let worldly = "CREATE COLLATION worldly (provider = icu, locale = 'en')";
        if let Err(error) = place.admin.client.batch_execute(worldly).await {
            eprintln!("no collation of a language: {error}");
            place.run("CREATE COLLATION worldly FROM \"C\"").await;
        }
        let mut dice = Dice(20_261_122);
        let rows: Vec<String> = (0..300).map(|id| row(&mut dice, id)).collect();
        place
            .run(&format!(
                "CREATE TABLE t ({COLUMNS}); INSERT INTO t VALUES {}",
                rows.join(", ")
            ))
            .await;
        let source = place.open("t").await;
        let values = read_all(&source, 1, 1 << 30).await.unwrap();
        let filtered = values.slice(0, FILTERED as usize);
        let schema = DFSchema::try_from(values.schema().as_ref().clone()).unwrap();
        let mut author = Author {
            dice,
            columns: &source.table().columns,
            values: &values,
        };
        let (mut pushed, mut exact, mut superset) = (Vec::new(), 0, 0);
        for number in 0..FILTERS {
            let expr = author.filter(2);
            if let Some(one) = translate(&expr, source.table(), &Postgres) {
                match one.comparison {
                    Comparison::Exact => exact += 1,
                    Comparison::Superset => superset += 1,
                }
                pushed.push((expr, one));
            }
            if pushed.len() == TOGETHER || number + 1 == FILTERS {
                let found = remote(&place, &pushed).await;
                for ((expr, one), theirs) in pushed.drain(..).zip(found) {
                    let ours = local(&expr, &schema, &filtered);
                    let agrees = match one.comparison {
                        Comparison::Exact => ours == theirs,
                        Comparison::Superset => ours.is_subset(&theirs),
                    };
                    assert!(
                        agrees,
                        "{expr}\n{}\nours {ours:?}\ntheirs {theirs:?}",
                        one.sql
                    );
                }
            }
        }
        eprintln!("{exact} of {FILTERS} filters were exact, {superset} a superset");
        assert!(exact > FILTERS * 4 / 10, "only {exact} were exact");
        assert!(superset > FILTERS / 100, "only {superset} were a superset");
        through_the_reader(&place, &mut author, &schema, &filtered).await;
    });
}

/// The same through the reader itself.
async fn through_the_reader(
    place: &Place,
    author: &mut Author<'_>,
    schema: &DFSchema,
    filtered: &RecordBatch,
) {
    let source = place.open("t").await;
    let snapshot = source.snapshot(1).await.unwrap();
    let mut tried = 0;
    while tried < 100 {
        let expr = author.filter(1);
        let Some(pushed) = translate(&expr, source.table(), &Postgres) else {
            continue;
        };
        if pushed.comparison != Comparison::Exact {
            continue;
        }
        tried += 1;
        let filter = format!("({}) AND id < {FILTERED}", pushed.sql);
        let request = ReadRequest {
            filter: Some(filter),
            ..all_columns(&source)
        };
        let batches = read_split(&snapshot, None, &request).await.unwrap();
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
        assert_eq!(local(&expr, schema, filtered), theirs, "{expr}");
    }
}

/// Names and values of signs that end quotes, statements and lines, or begin comments.
fn hostile() -> impl Strategy<Value = String> {
    "[^\0]{1,12}|['\"`;\\\\$*/\\-\n\\[\\]E🦀]{1,12}|(\"; DROP TABLE t; --|'; DROP TABLE t; --|\\$\\$|\\\\')"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn what_is_sent_is_one_statement_that_names_what_is_meant(
        schema in hostile(), name in hostile(), column in hostile(), value in hostile(),
    ) {
        use datafusion::sql::sqlparser::ast::{SetExpr, Statement, TableFactor};
        use datafusion::sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser, tokenizer};
        let mapping = Types.to_canonical("text").unwrap();
        let table = SourceTable {
            name: crate::schema::TableName::new("pg", &schema, &name),
            kind: crate::frontend::RelationKind::Table,
            columns: vec![Column::new(&column, "text", true, mapping)],
            primary_key: vec![],
            unique: vec![],
            rows: None,
            bytes: None,
            comment: None,
            partitions: None,
        };
        let literal = Expr::Literal(ScalarValue::LargeUtf8(Some(value)), None);
        let meant = Expr::Column(datafusion::common::Column::new_unqualified(&column));
        let pushed = translate(&meant.eq(literal), &table, &Postgres);
        let request = ReadRequest {
            filter: pushed.map(|pushed| pushed.sql),
            ..ReadRequest::columns(vec![0])
        };
        prop_assert!(request.filter.is_some());
        let sql = crate::frontend::select_sql(&Postgres, &table, None, &request);
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap();
        let [Statement::Query(query)] = statements.as_slice() else { panic!("{sql}") };
        let SetExpr::Select(select) = query.body.as_ref() else { panic!("{sql}") };
        let TableFactor::Table { name: from, .. } = &select.from[0].relation else { panic!("{sql}") };
        let from: Vec<&str> = from.0.iter().map(|part| part.as_ident().unwrap().value.as_str()).collect();
        prop_assert_eq!(from, vec![schema.as_str(), name.as_str()]);
        // The column is named twice, selected and compared, and nothing else is a name.
        let tokens = tokenizer::Tokenizer::new(&PostgreSqlDialect {}, &sql).tokenize().unwrap();
        let quoted = tokens.iter().filter_map(|token| match token {
            tokenizer::Token::Word(word) if word.quote_style == Some('"') => Some(word.value.as_str()),
            _ => None,
        });
        let mut quoted: Vec<&str> = quoted.filter(|word| *word != "C").collect();
        let mut expected = vec![column.as_str(), &schema, &name, &column];
        expected.retain(|word| *word != "C");
        quoted.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(quoted, expected);
    }
}
