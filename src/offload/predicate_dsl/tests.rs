//! The old language read, printed, refused, and run as SQL against rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int32Type, Schema};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::schema::{CanonicalType, Mapping, parse_value};

/// Name, type, and the values of the rows 0, 1, 2 …; `-` is NULL.
const ROWS: &[(&str, &str, [&str; 5])] = &[
    ("num", "INTEGER_4", ["0", "1", "2", "3", "4"]),
    (
        "N",
        "DECIMAL(12,2)",
        ["-1.50", "0.00", "1.50", "99.99", "-"],
    ),
    (
        "big",
        "DECIMAL(60,5)",
        [
            "1.00000",
            "1234567890123456789012345678901234567890.12345",
            "-1.00000",
            "0.00000",
            "-",
        ],
    ),
    (
        "d",
        "DATE",
        ["0001-01-01", "2020-01-01", "2020-01-02", "9999-12-31", "-"],
    ),
    (
        "ts",
        "TIMESTAMP(6)",
        [
            "0001-01-01",
            "2020-01-01 10:00:00",
            "2020-01-01 10:00:00.000001",
            "9999-12-31 23:59:59.999999",
            "-",
        ],
    ),
    (
        "tz",
        "TIMESTAMP_TZ(6)",
        [
            "0001-01-01",
            "2020-01-01 10:00:00Z",
            "2020-01-01 10:00:00.000001Z",
            "9999-12-31 23:59:59Z",
            "-",
        ],
    ),
    (
        "tm",
        "TIME(6)",
        [
            "00:00:00",
            "10:00:00",
            "10:00:00.000001",
            "23:59:59.999999",
            "-",
        ],
    ),
    (
        "Odd \"name",
        "LARGE_STRING",
        ["a", "it's", "say \"hi\" \\", "", "-"],
    ),
    ("b", "BOOLEAN", ["true", "false", "true", "false", "-"]),
    ("f", "FLOAT", ["0.1", "-0.5", "1.5", "100", "-"]),
    (
        "order",
        "INTEGER_8",
        ["-9223372036854775808", "9223372036854775807", "0", "5", "-"],
    ),
];

fn columns() -> Vec<Column> {
    let column = |(name, canonical, _): &(&str, &str, [&str; 5])| {
        let canonical: CanonicalType = canonical.parse().unwrap();
        Column::new(*name, "native", true, Mapping::exact(canonical))
    };
    ROWS.iter().map(column).collect()
}

fn rows() -> RecordBatch {
    let values = |(_, canonical, texts): &(&str, &str, [&str; 5])| -> ArrayRef {
        let canonical: CanonicalType = canonical.parse().unwrap();
        let value = |text: &&str| match *text {
            "-" => ScalarValue::try_new_null(&canonical.to_arrow()).unwrap(),
            text => parse_value(text, canonical).unwrap(),
        };
        ScalarValue::iter_to_array(texts.iter().map(value)).unwrap()
    };
    let arrays: Vec<ArrayRef> = ROWS.iter().map(values).collect();
    let names = ROWS.iter().map(|(name, _, _)| *name);
    let fields: Vec<Field> = names
        .zip(&arrays)
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The engine as our sessions set it, with the rows as table `t`.
fn engine() -> SessionContext {
    let config =
        SessionConfig::new().set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let engine = SessionContext::new_with_config(config);
    engine.register_batch("t", rows()).unwrap();
    engine
}

/// The rows for which SQL is true.
async fn found(engine: &SessionContext, sql: &str) -> Vec<i32> {
    let query = format!("SELECT num FROM t WHERE {sql} ORDER BY num");
    let rows = match engine.sql(&query).await {
        Ok(rows) => rows.collect().await,
        Err(error) => Err(error),
    };
    let batches = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
    let numbers = |batch: &RecordBatch| {
        batch
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec()
    };
    batches.iter().flat_map(numbers).collect()
}

/// A predicate, its SQL, and the rows for which it is true.
const MEANINGS: &[(&str, &str, &[i32])] = &[
    ("column(num) < numeric(2)", "num < 2", &[0, 1]),
    ("(((column(NUM) < numeric(2))))", "num < 2", &[0, 1]),
    ("column(t.num)=numeric(+2)", "num = 2", &[2]),
    ("numeric(2) < column(num)", "num > 2", &[3, 4]),
    ("column(num) != numeric(2)", "num <> 2", &[0, 1, 3, 4]),
    ("column(num) <> numeric(2)", "num <> 2", &[0, 1, 3, 4]),
    (
        "column(num) < numeric(1.5)",
        "num < CAST('1.5' AS DECIMAL(2, 1))",
        &[0, 1],
    ),
    (
        "column(num) < numeric(99999999999999999999)",
        "num < CAST('99999999999999999999' AS DECIMAL(20, 0))",
        &[0, 1, 2, 3, 4],
    ),
    (
        "column(n) = numeric(1.5)",
        "\"N\" = CAST('1.5' AS DECIMAL(12, 2))",
        &[2],
    ),
    (
        "column(n) < numeric(-1.495)",
        "\"N\" < CAST('-1.495' AS DECIMAL(4, 3))",
        &[0],
    ),
    (
        "column(n) >= numeric(.00)",
        "\"N\" >= CAST('0.00' AS DECIMAL(12, 2))",
        &[1, 2, 3],
    ),
    (
        "column(big) = numeric(1234567890123456789012345678901234567890.12345)",
        "big = CAST('1234567890123456789012345678901234567890.12345' AS DECIMAL(60, 5))",
        &[1],
    ),
    ("column(f) = numeric(0.1)", "f = CAST('0.1' AS FLOAT)", &[0]),
    (
        "column(order) = numeric(-9223372036854775808)",
        "\"order\" = -9223372036854775808",
        &[0],
    ),
    (
        "column(order) in (numeric(5), numeric(0))",
        "\"order\" IN (5, 0)",
        &[2, 3],
    ),
    (
        "column(order) NOT  IN (numeric(5))",
        "\"order\" NOT IN (5)",
        &[0, 1, 2],
    ),
    (
        "column(\"odd \\\"name\") = string(\"it's\")",
        "\"Odd \"\"name\" = 'it''s'",
        &[1],
    ),
    (
        "column(\"Odd \\\"name\") = string(\"say \\\"hi\\\" \\\\\")",
        "\"Odd \"\"name\" = 'say \"hi\" \\'",
        &[2],
    ),
    (
        "column(a.\"Odd \\\"name\") = string(\"\")",
        "\"Odd \"\"name\" = ''",
        &[3],
    ),
    ("column(b) = boolean(TRUE)", "b = TRUE", &[0, 2]),
    ("column(n) IS NULL", "\"N\" IS NULL", &[4]),
    ("column(n) is not null", "\"N\" IS NOT NULL", &[0, 1, 2, 3]),
    (
        "column(d) < datetime(2020-01-02)",
        "d < DATE '2020-01-02'",
        &[0, 1],
    ),
    (
        "column(d) < datetime(2020-01-02 00:00:00.0)",
        "d < DATE '2020-01-02'",
        &[0, 1],
    ),
    (
        "column(d) < datetime(2020-01-01 10:00:00)",
        "d <= DATE '2020-01-01'",
        &[0, 1],
    ),
    (
        "column(d) >= datetime(2020-01-01 00:00:00.5)",
        "d > DATE '2020-01-01'",
        &[2, 3],
    ),
    (
        "column(d) = datetime(2020-01-01 10:00:00)",
        "(d < DATE '2020-01-01' AND d > DATE '2020-01-01')",
        &[],
    ),
    (
        "column(d) != datetime(2020-01-01 10:00:00)",
        "(d <= DATE '2020-01-01' OR d > DATE '2020-01-01')",
        &[0, 1, 2, 3],
    ),
    (
        "column(d) IN (datetime(2020-01-01 10:00:00), datetime(9999-12-31))",
        "d IN (DATE '9999-12-31')",
        &[3],
    ),
    (
        "column(d) NOT IN (datetime(2020-01-01 10:00:00))",
        "(d <= DATE '2020-01-01' OR d > DATE '2020-01-01')",
        &[0, 1, 2, 3],
    ),
    (
        "column(ts) = datetime(2020-01-01 10:00:00.000001)",
        "ts = TIMESTAMP(6) '2020-01-01 10:00:00.000001'",
        &[2],
    ),
    (
        "column(ts) <= datetime(2020-01-01 10:00:00.000000001)",
        "ts <= TIMESTAMP(6) '2020-01-01 10:00:00.000000'",
        &[0, 1],
    ),
    (
        "column(ts) < datetime(9999-12-31)",
        "ts < TIMESTAMP(6) '9999-12-31 00:00:00'",
        &[0, 1, 2],
    ),
    (
        "column(tz) > datetime(2020-01-01 12:00:00+02:00)",
        "tz > TIMESTAMP(6) WITH TIME ZONE '2020-01-01 12:00:00+02:00'",
        &[2, 3],
    ),
    (
        "column(tz) = datetime(2020-01-01 10:00:00)",
        "tz = TIMESTAMP(6) WITH TIME ZONE '2020-01-01 10:00:00+00:00'",
        &[1],
    ),
    (
        "column(tm) > time(10:00:00)",
        "tm > arrow_cast('10:00:00', 'Time64(Microsecond)')",
        &[2, 3],
    ),
    (
        "column(tm) <= time(10:00:00.0000005)",
        "tm <= arrow_cast('10:00:00.000000', 'Time64(Microsecond)')",
        &[0, 1],
    ),
    (
        "(column(num) = numeric(1)) OR ((column(num) > numeric(1)) AND (column(n) < numeric(2)))",
        "num = 1 OR (num > 1 AND \"N\" < CAST('2' AS DECIMAL(12, 2)))",
        &[1, 2],
    ),
    (
        "column(num) = numeric(1) AND column(n) = numeric(0) and column(d) is not null",
        "num = 1 AND \"N\" = CAST('0' AS DECIMAL(12, 2)) AND d IS NOT NULL",
        &[1],
    ),
];

#[tokio::test]
async fn predicates_mean_what_they_say() {
    let (columns, engine) = (columns(), engine());
    for (dsl, sql, ids) in MEANINGS {
        let predicate = DslPredicate::parse(dsl).unwrap_or_else(|error| panic!("{dsl}: {error}"));
        assert_eq!(predicate.to_sql(&columns).unwrap(), *sql, "{dsl}");
        assert_eq!(found(&engine, sql).await, *ids, "{dsl}: {sql}");
        let printed = predicate.to_string();
        assert_eq!(
            DslPredicate::parse(&printed).unwrap(),
            predicate,
            "{printed}"
        );
        assert_eq!(predicate_sql(dsl, &columns).unwrap(), *sql);
    }
}

/// A text that does not parse, where it goes wrong, and what is said.
const SYNTAX_ERRORS: &[(&str, &str, &[&str])] = &[
    ("", "line 1, column 1", &["(", "column("]),
    ("column(x)", "column 10", &["ends", "=", "NOT IN", "IS"]),
    (
        "column(x) <",
        "column 12",
        &["ends", "numeric(", "datetime("],
    ),
    ("column(x) < 5", "column 13", &["Unexpected 5", "numeric("]),
    (
        "column(x) = column(y)",
        "column 13",
        &["Unexpected column(y", "numeric("],
    ),
    ("numeric(1) = numeric(2)", "column 14", &["column("]),
    ("column(x) = numeric(1", "column 22", &["ends", ")"]),
    ("(column(x) = numeric(1)", "column 24", &[")", "AND", "OR"]),
    ("column(x) = numeric(1))", "column 23", &["the end"]),
    (
        "column(x) = numeric(1) column(y) = numeric(1)",
        "column 24",
        &["AND"],
    ),
    (
        "column(x) =\n numeric(1) AND\n  fish(y)",
        "line 3, column 3",
        &["Unexpected fish(y", "column("],
    ),
    (
        "column(x) IS numeric(1)",
        "column 14",
        &["NULL", "NOT NULL"],
    ),
    ("column(x) IS NOT 5", "column 18", &["NULL"]),
    ("column(x) NOT BETWEEN", "column 15", &["IN"]),
    ("column(x) IN ()", "column 15", &["numeric("]),
    (
        "column(x) IN (numeric(1) numeric(2))",
        "column 26",
        &[")", ","],
    ),
    ("column() = numeric(1)", "column 8", &["name"]),
    ("column(a b) = numeric(1)", "column 10", &[")"]),
    ("column(x) = string(a)", "column 20", &["\""]),
    ("column(x) = string(\"a)", "column 23", &["ends", "\""]),
    (
        "column(a) = numeric(1) AND column(b) = numeric(1) OR column(c) = numeric(1)",
        "column 51",
        &["mix"],
    ),
    ("column(x) = numeric(NaN)", "column 13", &["NaN", "number"]),
    ("column(x) = numeric(1e5)", "column 13", &["1e5"]),
    ("column(x) = numeric()", "column 13", &["number"]),
    (
        "column(x) = datetime(2012-01-00)",
        "column 13",
        &["2012-01-00", "calendar"],
    ),
    (
        "column(x) = datetime(2021-02-29)",
        "column 13",
        &["calendar"],
    ),
    (
        "column(x) = datetime(2020-01-01 25:00:00)",
        "column 13",
        &["calendar"],
    ),
    (
        "column(x) = datetime(2020-01-01 10:00:00.0000000001)",
        "column 13",
        &["calendar"],
    ),
    (
        "column(x) = datetime(2020-01-01 10:00:00.1.2)",
        "column 13",
        &["calendar"],
    ),
    (
        "column(x) = literal(\"1; DROP\")",
        "column 13",
        &["literal", "unseen"],
    ),
    (
        "NOT (column(x) = numeric(1))",
        "column 1",
        &["Unexpected NOT"],
    ),
    ("é column(x) = numeric(1)", "column 1", &["Unexpected é"]),
];

#[test]
fn what_does_not_parse_is_shown_with_its_place() {
    for (text, place, words) in SYNTAX_ERRORS {
        let error = DslPredicate::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        let message = error.message();
        let placed = message.contains(&format!("{place}:"))
            || message.contains(&format!("{place},"))
            || message.contains(&format!("{place} "))
            || message.ends_with(place);
        assert!(placed, "{text}: {message}");
        for word in *words {
            assert!(message.contains(word), "{text}: {word}: {message}");
        }
        assert!(error.hint_text().is_some(), "{text}");
    }
    let hint = DslPredicate::parse("column(x) = column(y)").unwrap_err();
    assert!(hint.hint_text().unwrap().contains("SQL"));
    let digits = "9".repeat(77);
    assert!(DslPredicate::parse(&format!("column(x) = numeric({digits})")).is_err());
    let most = format!("column(x) = numeric(-{})", &digits[1..]);
    assert!(DslPredicate::parse(&most).is_ok());
    for bad in [
        "time(24:00:00)",
        "time(10:00)",
        "time(10:00:00.1234567x)",
        "boolean(1)",
    ] {
        let error = DslPredicate::parse(&format!("column(x) = {bad}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
    }
}

/// Which kinds of values a type is compared with: numeric, string, datetime, time, boolean.
#[test]
fn values_fit_their_columns_kind() {
    use CanonicalType as T;
    let kinds = [
        DslValue::Numeric("1".to_owned()),
        DslValue::Text("1".to_owned()),
        DslValue::DateTime("2020-01-01".to_owned()),
        DslValue::Time("10:00:00".to_owned()),
        DslValue::Boolean(true),
    ];
    for canonical in CanonicalType::ALL {
        let fitting = match canonical {
            T::Integer1 | T::Integer2 | T::Integer4 | T::Integer8 | T::Integer38 => Some(0),
            T::Decimal { .. } | T::Float | T::Double => Some(0),
            T::FixedString { .. } | T::VariableString { .. } | T::LargeString => Some(1),
            T::Date | T::Timestamp { .. } | T::TimestampTz { .. } => Some(2),
            T::Time { .. } => Some(3),
            T::Boolean => Some(4),
            T::Binary { .. } | T::LargeBinary | T::IntervalDs | T::IntervalYm => None,
        };
        let columns = [Column::new("x", "native", true, Mapping::exact(canonical))];
        for (at, value) in kinds.iter().enumerate() {
            for text in [
                format!("column(x) = {value}"),
                format!("column(x) IN ({value})"),
            ] {
                let outcome = DslPredicate::parse(&text).unwrap().to_sql(&columns);
                match outcome {
                    Ok(_) => assert_eq!(fitting, Some(at), "{canonical} {text}"),
                    Err(error) => {
                        assert_ne!(fitting, Some(at), "{canonical} {text}: {error}");
                        assert_eq!(error.kind(), ErrorKind::Usage);
                        assert!(error.message().contains(&canonical.to_string()), "{error}");
                    }
                }
            }
        }
        assert!(
            DslPredicate::parse("column(x) IS NULL")
                .unwrap()
                .to_sql(&columns)
                .is_ok()
        );
    }
}

#[test]
fn values_that_no_column_can_have_are_refused() {
    let columns = [
        Column::new("day", "native", true, Mapping::exact(CanonicalType::Date)),
        Column::new(
            "far",
            "native",
            true,
            Mapping::exact(CanonicalType::Timestamp { scale: 9 }),
        ),
        Column::new(
            "real",
            "native",
            true,
            Mapping::exact(CanonicalType::Double),
        ),
    ];
    for (text, kind) in [
        ("column(dai) = datetime(2020-01-01)", ErrorKind::NotFound),
        (
            "column(day) = datetime(2020-01-01 00:00:00Z)",
            ErrorKind::Usage,
        ),
        ("column(far) = datetime(3000-01-01)", ErrorKind::Usage),
    ] {
        let error = predicate_sql(text, &columns).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}");
    }
    let near = predicate_sql("column(dai) IS NULL", &columns).unwrap_err();
    assert!(near.hint_text().unwrap().contains("\"day\""), "{near:?}");
}

#[test]
fn the_old_language_is_known_from_sql() {
    for dsl in [
        "column(x) = numeric(1)",
        "( COLUMN (x) IS NULL)",
        "string(\"a\") = column(x)",
    ] {
        assert!(is_predicate_dsl(dsl), "{dsl}");
    }
    for sql in [
        "x = 'column(y)'",
        "\"column(\" = 1",
        "my_column(x) = 1",
        "column = 1",
        "",
        "é",
        "colum",
    ] {
        assert!(!is_predicate_dsl(sql), "{sql}");
        assert_eq!(predicate_sql(sql, &[]).unwrap(), sql);
    }
}

/// Alternating groups as deep as they may be: the SQL of them parses, too.
#[tokio::test]
async fn nesting_ends_before_the_stack_does() {
    let deep = |depth: usize| {
        let start: String = (0..depth)
            .map(|level| match level % 2 {
                0 => "column(num) > numeric(0) AND (",
                _ => "column(num) > numeric(3) OR (",
            })
            .collect();
        format!("{start}column(num) < numeric(9){}", ")".repeat(depth))
    };
    let sql = predicate_sql(&deep(20), &columns()).unwrap();
    assert_eq!(found(&engine(), &sql).await, [1, 2, 3, 4]);
    for depth in [21, 10_000] {
        let error = DslPredicate::parse(&deep(depth)).unwrap_err();
        assert!(error.message().contains("deep"), "{error}");
        let open = DslPredicate::parse(&"(".repeat(depth)).unwrap_err();
        assert_eq!(open.kind(), ErrorKind::Usage);
    }
}

#[test]
fn a_megabyte_is_read_or_refused() {
    let many = vec!["(column(num) = numeric(1))"; 40_000].join(" OR ");
    assert!(many.len() > 1 << 20);
    let DslPredicate::Or(members) = DslPredicate::parse(&many).unwrap() else {
        panic!("a group");
    };
    assert_eq!(members.len(), 40_000);
    let long = "x".repeat(1 << 20);
    let text = DslPredicate::parse(&format!("column(num) = string(\"{long}\")")).unwrap();
    assert_eq!(
        text.to_string().len(),
        long.len() + "column(num) = string(\"\")".len()
    );
    for garbage in [
        long.clone(),
        " ".repeat(1 << 20),
        format!("column(num) = numeric({long})"),
    ] {
        let error = DslPredicate::parse(&garbage).unwrap_err();
        assert!(error.message().len() < 1000, "{}", error.message().len());
    }
}

fn values() -> impl Strategy<Value = DslValue> {
    prop_oneof![
        "[-+]?[0-9]{1,30}(\\.[0-9]{1,30})?".prop_map(DslValue::Numeric),
        ".{0,8}".prop_map(DslValue::Text),
        any::<bool>().prop_map(DslValue::Boolean),
        (1u32..10_000, 1u32..13, 1u32..29)
            .prop_map(|(y, m, d)| DslValue::DateTime(format!("{y:04}-{m:02}-{d:02}"))),
        (1000u32..3000, 0u32..24, "[0-9]{1,9}", "(Z|[+-]0[0-9]:30)?").prop_map(
            |(y, h, fraction, zone)| DslValue::DateTime(format!(
                "{y:04}-06-15 {h:02}:59:59.{fraction}{zone}"
            ))
        ),
        (0u32..24, 0u32..60).prop_map(|(h, m)| DslValue::Time(format!("{h:02}:{m:02}:00"))),
    ]
}

fn predicates() -> impl Strategy<Value = DslPredicate> {
    let column = || {
        (
            prop::option::of("[A-Za-z]{1,3}"),
            prop_oneof!["[A-Za-z0-9.$#_]{1,8}", ".{1,8}"],
        )
            .prop_map(|(alias, name)| DslColumn { alias, name })
    };
    let operator = prop::sample::select(vec![
        DslOperator::Equal,
        DslOperator::NotEqual,
        DslOperator::Less,
        DslOperator::LessOrEqual,
        DslOperator::Greater,
        DslOperator::GreaterOrEqual,
    ]);
    let simple = prop_oneof![
        (column(), operator, values(), any::<bool>()).prop_map(
            |(column, operator, value, value_first)| {
                DslPredicate::Compare {
                    column,
                    operator,
                    value,
                    value_first,
                }
            }
        ),
        (
            column(),
            any::<bool>(),
            prop::collection::vec(values(), 1..4)
        )
            .prop_map(|(column, negated, values)| DslPredicate::In {
                column,
                negated,
                values
            }),
        (column(), any::<bool>())
            .prop_map(|(column, negated)| DslPredicate::IsNull { column, negated }),
    ];
    simple.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::vec(inner, 2..4);
        prop_oneof![
            members.clone().prop_map(DslPredicate::And),
            members.prop_map(DslPredicate::Or)
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(predicate in predicates()) {
        let printed = predicate.to_string();
        prop_assert_eq!(DslPredicate::parse(&printed).unwrap(), predicate, "{}", printed);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(column\\(|numeric\\(|string\\(|\"|\\)|\\(| |AND|IN|.){0,20}") {
        let _ = DslPredicate::parse(&text);
        let _ = is_predicate_dsl(&text);
    }
}
