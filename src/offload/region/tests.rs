//! Regions against the engine's own evaluation of the same conditions, row by row.

use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Int32Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::Utc;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::Region;
use crate::offload::Conditions;
use crate::schema::{CanonicalType, Column, Mapping};

fn engine() -> SessionContext {
    let config = SessionConfig::new()
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    SessionContext::new_with_config(config)
}

fn columns() -> Vec<Column> {
    let column = |name: &str, nullable: bool, canonical| {
        Column::new(name, "", nullable, Mapping::exact(canonical))
    };
    vec![
        column("n", true, CanonicalType::Integer4),
        column("k", false, CanonicalType::Integer4),
        column("d", true, CanonicalType::Date),
        column("s", true, CanonicalType::LargeString),
        column("b", true, CanonicalType::Boolean),
        column(
            "Amount",
            true,
            CanonicalType::Decimal {
                precision: 10,
                scale: 2,
            },
        ),
        column("at", true, CanonicalType::Timestamp { scale: 6 }),
    ]
}

fn conditions() -> Conditions {
    Conditions::new(engine().state(), "c.s.t", &columns(), Utc::now()).unwrap()
}

/// Rows of every combination of a few values of each column, NULL among them.
fn rows() -> RecordBatch {
    let (mut n, mut k, mut d, mut s, mut b) = (vec![], vec![], vec![], vec![], vec![]);
    for i in 0..8_i32 {
        for j in 0..3 {
            for day in 0..4 {
                for text in [None, Some(""), Some("ab"), Some("b")] {
                    for flag in [None, Some(true), Some(false)] {
                        n.push((i < 7).then_some(i - 1));
                        k.push(j);
                        d.push((day < 3).then_some(day));
                        s.push(text);
                        b.push(flag);
                    }
                }
            }
        }
    }
    let length = n.len();
    let arrays: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int32Array::from(n)),
        Arc::new(Int32Array::from(k)),
        Arc::new(Date32Array::from(d)),
        arrow::compute::cast(&StringArray::from(s), &DataType::LargeUtf8).unwrap(),
        Arc::new(BooleanArray::from(b)),
        arrow::array::new_null_array(&DataType::Decimal128(10, 2), length),
        arrow::array::new_null_array(&CanonicalType::Timestamp { scale: 6 }.to_arrow(), length),
    ];
    let fields: Vec<Field> = columns().iter().map(Column::field).collect();
    let text = arrays[3].data_type().clone();
    let fields: Vec<Field> = fields
        .into_iter()
        .map(|field| {
            if field.name() == "s" {
                field.with_data_type(text.clone())
            } else {
                field
            }
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// For which rows a condition is true.
fn truth(engine: &SessionContext, condition: Expr, rows: &RecordBatch) -> Vec<bool> {
    let schema = DFSchema::try_from(rows.schema().as_ref().clone()).unwrap();
    let physical = engine.create_physical_expr(condition, &schema).unwrap();
    let values = physical.evaluate(rows).unwrap();
    let values = values.into_array(rows.num_rows()).unwrap();
    let values = values.as_boolean();
    (0..values.len())
        .map(|i| values.is_valid(i) && values.value(i))
        .collect()
}

fn holds(engine: &SessionContext, region: &Region, rows: &RecordBatch) -> Vec<bool> {
    match region.predicate() {
        None => vec![true; rows.num_rows()],
        Some(predicate) => truth(engine, predicate, rows),
    }
}

fn same(a: &[bool], b: &[bool]) -> bool {
    a == b
}

fn leaf() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
    prop_oneof![
        (prop::sample::select(vec!["n", "k"]), op.clone(), -1..7)
            .prop_map(|(c, op, v)| format!("{c} {op} {v}")),
        (op, 0..4).prop_map(|(op, day)| format!("d {op} DATE '1970-01-0{}'", day + 1)),
        (
            prop::sample::select(vec!["n", "k"]),
            any::<bool>(),
            prop::collection::vec(-1..7, 1..4)
        )
            .prop_map(|(c, not, values)| {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!(
                    "{c} {}IN ({})",
                    if not { "NOT " } else { "" },
                    values.join(", ")
                )
            }),
        (any::<bool>(), -1..4, 0..6).prop_map(|(not, low, more)| format!(
            "n {}BETWEEN {low} AND {}",
            if not { "NOT " } else { "" },
            low + more
        )),
        prop::sample::select(vec![
            "n IS NULL",
            "d IS NOT NULL",
            "s LIKE 'a%'",
            "s NOT LIKE '%b'",
            "b",
            "b IS NOT TRUE",
            "b IS NULL",
            "n = k",
            "n + k > 3",
            "upper(s) = 'AB'",
            "s < 'b'",
            "n IN (1, NULL)",
            "n NOT IN (1, NULL)",
            "n > NULL",
            "b = (n > 2)",
            "(n > 2) IS NULL",
            "s = ''",
            "abs(n) IS NULL",
        ])
        .prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) AND ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) OR ({b})")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner.prop_map(|a| format!("({a}) IS NOT FALSE")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// The rows of a condition are those for which the engine says TRUE; and the set operations
    /// are those of sets, whatever is NULL.
    #[test]
    fn regions_are_sets_of_rows(a in condition(), b in condition()) {
        let (engine, conditions, rows) = (engine(), conditions(), rows());
        let read = |text: &str| {
            let schema = DFSchema::try_from(rows.schema().as_ref().clone()).unwrap();
            truth(&engine, engine.state().create_logical_expr(text, &schema).unwrap(), &rows)
        };
        let (left, right) = (conditions.region(&a).unwrap(), conditions.region(&b).unwrap());
        let (l, r) = (read(&a), read(&b));
        prop_assert_eq!(same(&holds(&engine, &left, &rows), &l), true, "{} is {}", a, left);
        let check = |region: Region, of: fn(bool, bool) -> bool| {
            let wanted: Vec<bool> = l.iter().zip(&r).map(|(l, r)| of(*l, *r)).collect();
            prop_assert_eq!(same(&holds(&engine, &region, &rows), &wanted), true, "{}", region);
            // What a record keeps of it reads back as the same rows.
            let again = conditions.union(&region.texts().unwrap()).unwrap();
            prop_assert_eq!(&again, &region, "{}", region);
            Ok(())
        };
        check(left.union(&right).unwrap(), |l, r| l || r)?;
        check(left.intersection(&right).unwrap(), |l, r| l && r)?;
        check(left.without(&right).unwrap(), |l, r| l && !r)?;
        let rest = left.without(&right).unwrap();
        prop_assert!(rest.intersection(&right).unwrap().is_empty(), "{} and {}", rest, right);
    }
}

/// What people see: simple things stay simple.
#[test]
fn regions_read_well() {
    let conditions = conditions();
    let region = |text: &str| conditions.region(text).unwrap();
    let day = |day: u32| format!("DATE '2026-01-{day:02}'");
    let range = |a: u32, b: u32| region(&format!("d >= {} AND d < {}", day(a), day(b)));
    let joined = range(1, 5).union(&range(5, 9)).unwrap();
    assert_eq!(
        joined.to_string(),
        format!("d >= {} AND d < {}", day(1), day(9))
    );
    let rest = range(1, 9).without(&range(3, 5)).unwrap();
    assert_eq!(
        rest.to_string(),
        format!(
            "(d >= {} AND d < {}) OR (d >= {} AND d < {})",
            day(1),
            day(3),
            day(5),
            day(9)
        )
    );
    let table = [
        ("n <= 4 OR n >= 5", "n IS NOT NULL"),
        ("n <= 4 OR n >= 5 OR n IS NULL", "all rows"),
        ("k <= 4 OR k >= 5", "all rows"),
        ("n > 4 AND n < 5", "no rows"),
        ("n IN (5, 1, 5) OR n = 3", "n IN (1, 3, 5)"),
        ("n IN (3, 1) OR n = 2", "n >= 1 AND n <= 3"),
        ("n <> 3", "n <> 3"),
        ("n NOT IN (1, 3)", "n NOT IN (1, 3)"),
        ("NOT (n < 4)", "n >= 4"),
        ("amount < 1.5", "\"Amount\" < 1.50"),
        ("\"Amount\" >= 100", "\"Amount\" >= 100.00"),
        (
            "at < TIMESTAMP '2026-01-01'",
            "\"at\" < TIMESTAMP '2026-01-01 00:00:00'",
        ),
        (
            "d < DATE '2026-01-01' + INTERVAL '1 day'",
            "d < DATE '2026-01-02'",
        ),
        ("s = 'it''s'", "s = 'it''s'"),
        ("b", "b"),
        ("NOT b", "NOT b"),
        ("b IS NOT TRUE", "(NOT b) OR b IS NULL"),
        ("s LIKE 'a%' AND n < 3", "n < 3 AND (s LIKE 'a%')"),
    ];
    for (text, shown) in table {
        assert_eq!(region(text).to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_no_steady_condition_is_refused() {
    use crate::ErrorKind;
    let conditions = conditions();
    let long = vec!["n = 1"; 2_000].join(" OR ");
    let large = format!("s = '{}'", "x".repeat(1 << 20));
    let deep = format!("{}n = 1{}", "(".repeat(10_000), ")".repeat(10_000));
    let table = [
        ("n", ErrorKind::Usage),
        ("n = 1; DROP TABLE t", ErrorKind::Usage),
        ("n = 1 AS x", ErrorKind::Usage),
        ("n =", ErrorKind::Usage),
        ("d < 'yesterday'", ErrorKind::Usage),
        ("random() < 0.5", ErrorKind::Unsupported),
        ("n IN (SELECT 1)", ErrorKind::Unsupported),
        ("price > 3", ErrorKind::NotFound),
        (long.as_str(), ErrorKind::Usage),
        (deep.as_str(), ErrorKind::Usage),
    ];
    for (text, kind) in table {
        let error = conditions.region(text).unwrap_err();
        let shown: String = text.chars().take(40).collect();
        assert_eq!(error.kind(), kind, "{shown}: {error}");
        assert!(error.hint_text().is_some(), "{shown}: {error}");
    }
    assert!(conditions.region(&large).is_ok());
    assert!(
        conditions
            .region("at < now()")
            .unwrap()
            .to_string()
            .starts_with("\"at\" < TIMESTAMP '")
    );
}
