//! Whole requests against whole tables: the old tool's decision tables, and that windows neither
//! overlap nor leave anything out.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use datafusion::common::DFSchema;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::frontend::{Bound, PartitionBound, PartitionMethod, RelationKind, SourcePartition};
use crate::schema::{CanonicalType, Mapping, TableName, parse_value};

/// A column of the type; nullable where its name ends in `?`.
fn column(name: &str, canonical: &str) -> Column {
    let canonical: CanonicalType = canonical.parse().unwrap();
    let plain = name.trim_end_matches('?');
    Column::new(plain, "native", plain != name, Mapping::exact(canonical))
}

fn table(columns: &[(&str, &str)], partitions: Option<Partitions>) -> SourceTable {
    SourceTable {
        name: TableName::new("src", "s", "t"),
        kind: RelationKind::Table,
        columns: columns
            .iter()
            .map(|(name, canonical)| column(name, canonical))
            .collect(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        partitions,
    }
}

fn by(method: PartitionMethod, keys: &[&str], list: Vec<SourcePartition>) -> Partitions {
    let mut partitions = Partitions {
        method,
        definition: keys.join(", "),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        unusable: None,
        unordered: None,
        list,
    };
    partitions.sort();
    partitions
}

fn part(name: &str, bound: PartitionBound) -> SourcePartition {
    SourcePartition {
        name: name.to_owned(),
        bound,
        rows: Some(10),
        bytes: Some(100),
        parts: None,
    }
}

/// A bound of one key: `MIN`, `MAX` or a value.
fn bound(text: &str, canonical: &str) -> Bound {
    match text {
        "MIN" => Bound::Min,
        "MAX" => Bound::Max,
        text => Bound::Value(value(text, canonical)),
    }
}

fn value(text: &str, canonical: &str) -> ScalarValue {
    let canonical: CanonicalType = canonical.parse().unwrap();
    match text {
        "NULL" => ScalarValue::try_new_null(&canonical.to_arrow()).unwrap(),
        text => parse_value(text, canonical).unwrap(),
    }
}

fn ranges(canonical: &str, ends: &[(&str, &str)]) -> Vec<SourcePartition> {
    let mut lower = Bound::Min;
    let mut list = Vec::new();
    for (name, end) in ends {
        let upper = bound(end, canonical);
        let range = PartitionBound::Range {
            lower: vec![std::mem::replace(&mut lower, upper.clone())],
            upper: vec![upper],
        };
        list.push(part(name, range));
    }
    list
}

fn lists(canonical: &str, values: &[(&str, &[&str])]) -> Vec<SourcePartition> {
    let bound = |texts: &[&str]| match texts {
        ["DEFAULT"] => PartitionBound::Default,
        texts => PartitionBound::List {
            values: texts
                .iter()
                .map(|text| vec![value(text, canonical)])
                .collect(),
        },
    };
    values
        .iter()
        .map(|(name, texts)| part(name, bound(texts)))
        .collect()
}

const COLUMNS: &[(&str, &str)] = &[("i?", "INTEGER_4"), ("k?", "LARGE_STRING"), ("d?", "DATE")];

fn months() -> Vec<SourcePartition> {
    ranges(
        "DATE",
        &[
            ("p1", "2020-02-01"),
            ("p2", "2020-03-01"),
            ("p3", "2020-04-01"),
            ("pmax", "MAX"),
        ],
    )
}

fn by_month() -> SourceTable {
    table(COLUMNS, Some(by(PartitionMethod::Range, &["d"], months())))
}

const VALUES: &[(&str, &[&str])] = &[
    ("pa", &["a"]),
    ("pb", &["b"]),
    ("pcd", &["c", "d"]),
    ("rest", &["DEFAULT"]),
];

fn by_list() -> SourceTable {
    table(
        COLUMNS,
        Some(by(
            PartitionMethod::List,
            &["k"],
            lists("LARGE_STRING", VALUES),
        )),
    )
}

fn by_number_list() -> SourceTable {
    let values: &[(&str, &[&str])] = &[
        ("p3", &["3"]),
        ("p1", &["1"]),
        ("p2", &["2"]),
        ("pnull", &["NULL"]),
        ("rest", &["DEFAULT"]),
    ];
    table(
        COLUMNS,
        Some(by(
            PartitionMethod::List,
            &["i"],
            lists("INTEGER_4", values),
        )),
    )
}

/// A table whose partitions have monthly subpartitions with these ends.
fn with_months(method: PartitionMethod, key: &str, tops: &[(&str, &[&str])]) -> SourceTable {
    let top = |(name, ends): &(&str, &[&str])| {
        let named: Vec<(String, &str)> = ends
            .iter()
            .map(|end| (format!("{name}_{}", &end[..end.len().min(7)]), *end))
            .collect();
        let ends: Vec<(&str, &str)> = named
            .iter()
            .map(|(name, end)| (name.as_str(), *end))
            .collect();
        let bound = match method {
            PartitionMethod::Hash => PartitionBound::Hash,
            PartitionMethod::Range => PartitionBound::Range {
                lower: vec![Bound::Min],
                upper: vec![bound(name.trim_start_matches('r'), "INTEGER_4")],
            },
            _ => PartitionBound::List {
                values: vec![vec![value(name, "LARGE_STRING")]],
            },
        };
        SourcePartition {
            parts: Some(by(PartitionMethod::Range, &["d"], ranges("DATE", &ends))),
            ..part(name, bound)
        }
    };
    table(
        COLUMNS,
        Some(by(method, &[key], tops.iter().map(top).collect())),
    )
}

const SHARED: &[(&str, &[&str])] = &[
    ("a", &["2020-02-01", "2020-03-01", "2020-05-01"]),
    ("b", &["2020-02-01", "2020-04-01", "2020-05-01", "MAX"]),
];

fn request(json: &str) -> PartitionRequest {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn now() -> DateTime<Utc> {
    "2020-04-15T13:45:30.123456789Z".parse().unwrap()
}

fn ask(source: &SourceTable, json: &str) -> Result<Closed> {
    ask_by(source, json, None)
}

fn ask_by(source: &SourceTable, json: &str, column: Option<&str>) -> Result<Closed> {
    let request = request(json);
    let predicate = request.predicate.as_ref();
    let predicate = predicate.map(|_| datafusion::prelude::col("i").gt(lit(5)));
    resolve(&request, source, now(), column, predicate)
}

/// Section 11.2, row by row: source, options, predicate type, offload type, by subpartition.
#[test]
fn the_incremental_mode_follows_source_and_options() {
    use OffloadType::{Full, Incremental};
    use PredicateType as T;
    let plain = table(COLUMNS, None);
    let list_months = with_months(PartitionMethod::List, "k", &[("a", &["2020-02-01"])]);
    let hash_months = with_months(PartitionMethod::Hash, "i", &[("h", &["2020-02-01"])]);
    let range_months = with_months(PartitionMethod::Range, "i", &[("r5", &["2020-02-01"])]);
    let mut text_key = range_months.clone();
    text_key.partitions.as_mut().unwrap().unordered = Some("a collation".to_owned());
    let (month, list, numbers) = (by_month(), by_list(), by_number_list());
    let rows: Vec<(&SourceTable, &str, Option<T>, OffloadType, bool)> = vec![
        // heap not partitioned, nothing
        (&plain, "{}", None, Full, false),
        // not partitioned, predicate
        (
            &plain,
            r#"{"predicate":"x"}"#,
            Some(T::Predicate),
            Incremental,
            false,
        ),
        // RANGE, nothing: no boundary
        (&month, "{}", None, Full, false),
        // RANGE, less-than, older-than, one name
        (
            &month,
            r#"{"less_than_value":"2020-03-01"}"#,
            Some(T::Range),
            Incremental,
            false,
        ),
        (
            &month,
            r#"{"older_than_date":"2020-03-01"}"#,
            Some(T::Range),
            Incremental,
            false,
        ),
        (
            &month,
            r#"{"older_than_days":30}"#,
            Some(T::Range),
            Incremental,
            false,
        ),
        (
            &month,
            r#"{"partition_names":["P2"]}"#,
            Some(T::Range),
            Incremental,
            false,
        ),
        // RANGE, the same with FULL: the boundary is stored
        (
            &month,
            r#"{"less_than_value":"2020-03-01","offload_type":"FULL"}"#,
            Some(T::Range),
            Full,
            false,
        ),
        // RANGE, predicate
        (
            &month,
            r#"{"predicate":"x"}"#,
            Some(T::Predicate),
            Incremental,
            false,
        ),
        // LIST, values or names
        (
            &list,
            r#"{"equal_to_values":["a"]}"#,
            Some(T::List),
            Incremental,
            false,
        ),
        (
            &list,
            r#"{"partition_names":["pa","pb"]}"#,
            Some(T::List),
            Incremental,
            false,
        ),
        // LIST, less-than
        (
            &numbers,
            r#"{"less_than_value":"3"}"#,
            Some(T::ListAsRange),
            Incremental,
            false,
        ),
        // LIST or HASH with RANGE subpartitions, less-than or older-than
        (
            &list_months,
            r#"{"less_than_value":"2020-02-01"}"#,
            Some(T::Range),
            Incremental,
            true,
        ),
        (
            &hash_months,
            r#"{"older_than_date":"2020-02-01"}"#,
            Some(T::Range),
            Incremental,
            true,
        ),
        // RANGE with RANGE subpartitions: the top, the subpartitions where asked or where the top can't be
        (
            &range_months,
            r#"{"less_than_value":"5"}"#,
            Some(T::Range),
            Incremental,
            false,
        ),
        (
            &range_months,
            r#"{"less_than_value":"2020-02-01","by_subpartition":true}"#,
            Some(T::Range),
            Incremental,
            true,
        ),
        (
            &text_key,
            r#"{"less_than_value":"2020-02-01"}"#,
            Some(T::Range),
            Incremental,
            true,
        ),
    ];
    for (source, json, predicate_type, offload_type, by_subpartition) in rows {
        let closed = ask(source, json).unwrap_or_else(|error| panic!("{json}: {error:?}"));
        let found = (
            closed.predicate_type,
            closed.offload_type,
            closed.by_subpartition,
        );
        assert_eq!(
            found,
            (predicate_type, offload_type, by_subpartition),
            "{json}"
        );
        let stored = offload_type == Full && predicate_type.is_some();
        assert_eq!(closed.boundary.is_some(), stored, "{json}");
    }
    // HASH, REFERENCE, SYSTEM, any partition name
    for method in [PartitionMethod::Hash, PartitionMethod::Other] {
        let source = table(
            COLUMNS,
            Some(by(method, &["i"], vec![part("h1", PartitionBound::Hash)])),
        );
        let error = ask(&source, r#"{"partition_names":["h1"]}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

/// Section 2.3: whole partitions whose end is at most the value; the window ends at the last of
/// them.
#[test]
fn ranges_are_taken_whole() {
    let table: [(&str, Option<&str>, usize); 8] = [
        (r#"{"less_than_value":"2020-03-01"}"#, Some("2020-03-01"), 2),
        (r#"{"older_than_date":"2020-03-15"}"#, Some("2020-03-01"), 2),
        // 2020-04-15 less 45 days is 2020-03-01.
        (r#"{"older_than_days":45}"#, Some("2020-03-01"), 2),
        (r#"{"older_than_days":46}"#, Some("2020-02-01"), 1),
        (r#"{"less_than_value":"9999-12-31"}"#, Some("2020-04-01"), 3),
        (r#"{"partition_names":["p1"]}"#, Some("2020-02-01"), 1),
        (r#"{"offload_type":"INCREMENTAL"}"#, Some("2020-04-01"), 3),
        (r#"{"less_than_value":"2020-01-31"}"#, None, 0),
    ];
    for (json, end, units) in table {
        let closed = ask(&by_month(), json).unwrap();
        let expected = match end {
            Some(end) => datafusion::prelude::col("d").lt(lit(value(end, "DATE"))),
            None => lit(false),
        };
        assert_eq!(closed.predicate, expected, "{json}");
        assert_eq!(closed.units.len(), units, "{json}");
        assert!(
            closed.notes.iter().any(|note| note.contains("pmax")),
            "{json}: {:?}",
            closed.notes
        );
    }
}

#[test]
fn what_is_never_closed_is_refused_by_name() {
    let names = |name: &str| format!(r#"{{"partition_names":["{name}"]}}"#);
    for (source, name) in [(by_month(), "PMAX"), (by_list(), "rest")] {
        assert_eq!(
            ask(&source, &names(name)).unwrap_err().kind(),
            ErrorKind::Usage,
            "{name}"
        );
        // FULL takes it anyway.
        let full = names(name).replace('}', r#","offload_type":"FULL"}"#);
        assert_eq!(ask(&source, &full).unwrap().predicate, lit(true));
    }
    let error = ask(&by_list(), r#"{"equal_to_values":["default"]}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    for (source, name, near) in [(by_month(), "p11", "p1"), (by_list(), "pdc", "pcd")] {
        let error = ask(&source, &names(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.hint_text().unwrap().contains(near), "{error:?}");
    }
    let two = ask(&by_month(), r#"{"partition_names":["p1","p2"]}"#).unwrap_err();
    assert!(
        two.message()
            .contains("Only one partition name can be included")
    );
}

/// Section 2.4.
#[test]
fn lists_are_taken_by_exact_values() {
    let closed = ask(&by_list(), r#"{"equal_to_values":["'d', c","a"]}"#).unwrap();
    let key = datafusion::prelude::col("k");
    let text = |text: &str| lit(value(text, "LARGE_STRING"));
    let all = key
        .clone()
        .in_list(vec![text("a"), text("c"), text("d")], false);
    assert_eq!(closed.predicate, all);
    let units: Vec<&str> = closed.units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(units, ["pa", "pcd"]);
    assert_eq!(closed.units[0].predicate, key.eq(text("a")));
    let half = ask(&by_list(), r#"{"equal_to_values":["c"]}"#).unwrap_err();
    assert_eq!(half.kind(), ErrorKind::NotFound);
    assert!(half.hint_text().unwrap().contains("pcd"), "{half:?}");
    assert_eq!(
        ask(&by_list(), r#"{"equal_to_values":["x"]}"#)
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    let null = ask(&by_number_list(), r#"{"equal_to_values":["null"]}"#).unwrap();
    assert_eq!(null.predicate, datafusion::prelude::col("i").is_null());
    for (source, json) in [
        (by_list(), r#"{"equal_to_values":["'a"]}"#),
        (by_list(), r#"{"equal_to_values":["a,,b"]}"#),
        (by_number_list(), r#"{"equal_to_values":["1.5"]}"#),
        (by_month(), r#"{"equal_to_values":["2020-01-01"]}"#),
        (table(COLUMNS, None), r#"{"equal_to_values":["1"]}"#),
    ] {
        assert_eq!(
            ask(&source, json).unwrap_err().kind(),
            ErrorKind::Usage,
            "{json}"
        );
    }
}

/// Section 2.4: one value each, in the order of the values, strictly below the boundary.
#[test]
fn lists_of_one_value_are_taken_as_ranges() {
    let number = |number: &str| lit(value(number, "INTEGER_4"));
    for (json, last, units) in [
        (r#"{"less_than_value":"3"}"#, "2", vec!["p1", "p2"]),
        (r#"{"less_than_value":"9"}"#, "3", vec!["p1", "p2", "p3"]),
        (
            r#"{"partition_names":["p2"],"predicate_type":"LIST_AS_RANGE"}"#,
            "2",
            vec!["p1", "p2"],
        ),
    ] {
        let closed = ask(&by_number_list(), json).unwrap();
        assert_eq!(
            closed.predicate,
            datafusion::prelude::col("i").lt_eq(number(last)),
            "{json}"
        );
        let names: Vec<&str> = closed.units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, units, "{json}");
        assert!(
            closed.notes.iter().any(|note| note.contains("pnull")),
            "{:?}",
            closed.notes
        );
    }
    let several = ask(&by_list(), r#"{"less_than_value":"c"}"#).unwrap_err();
    assert!(
        several
            .message()
            .contains("incompatible with LIST_AS_RANGE"),
        "{several}"
    );
    let mut unordered = by_number_list();
    unordered.partitions.as_mut().unwrap().unordered = Some("an order of its own".to_owned());
    let error = ask(&unordered, r#"{"less_than_value":"3"}"#).unwrap_err();
    assert!(error.message().contains("an order of its own"), "{error}");
}

/// Section 2.5: at subpartition level only where all partitions share the boundary.
#[test]
fn subpartitions_end_at_boundaries_that_all_share() {
    let source = with_months(PartitionMethod::List, "k", SHARED);
    let ask = |day: &str| ask(&source, &format!(r#"{{"older_than_date":"{day}"}}"#));
    let day = |day: &str| datafusion::prelude::col("d").lt(lit(value(day, "DATE")));
    assert_eq!(ask("2020-02-28").unwrap().predicate, day("2020-02-01"));
    let all = ask("2020-05-01").unwrap();
    assert_eq!(all.predicate, day("2020-05-01"));
    let partitions: Vec<usize> = all.units.iter().map(|unit| unit.partitions.len()).collect();
    assert_eq!(partitions, [2, 4]);
    assert_eq!(all.units[1].bytes, Some(400));
    for between in ["2020-03-01", "2020-04-30"] {
        let error = ask(between).unwrap_err();
        assert!(error.message().contains("No common boundary"), "{error}");
        let hint = error.hint_text().unwrap();
        assert!(
            hint.contains("2020-02-01") && hint.contains("2020-05-01"),
            "{hint}"
        );
    }
    let unfit = by_month();
    let error = super::tests::ask(
        &unfit,
        r#"{"less_than_value":"2020-03-01","by_subpartition":true}"#,
    );
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_boundary_without_partitions_needs_a_column() {
    let plain = table(
        &[
            ("i?", "INTEGER_4"),
            ("ts", "TIMESTAMP(0)"),
            ("tz", "TIMESTAMP_TZ(6)"),
            ("d", "DATE"),
            ("b", "BOOLEAN"),
        ],
        None,
    );
    let col = datafusion::prelude::col;
    for (json, by, expected) in [
        (
            r#"{"less_than_value":"5"}"#,
            "I",
            col("i").lt(lit(value("5", "INTEGER_4"))),
        ),
        (
            r#"{"older_than_days":1}"#,
            "ts",
            col("ts").lt(lit(value("2020-04-14 13:45:30", "TIMESTAMP(0)"))),
        ),
        (
            r#"{"older_than_days":0}"#,
            "tz",
            col("tz").lt(lit(value("2020-04-15 13:45:30.123456Z", "TIMESTAMP_TZ(6)"))),
        ),
        (
            r#"{"older_than_days":0}"#,
            "d",
            col("d").lt(lit(value("2020-04-15", "DATE"))),
        ),
        (
            r#"{"older_than_date":"2020-01-01"}"#,
            "tz",
            col("tz").lt(lit(value("2020-01-01", "TIMESTAMP_TZ(6)"))),
        ),
    ] {
        let closed = ask_by(&plain, json, Some(by)).unwrap();
        assert_eq!(closed.predicate, expected, "{json}");
        assert!(closed.units.is_empty());
    }
    for (json, by, kind) in [
        (r#"{"less_than_value":"5"}"#, None, ErrorKind::Usage),
        (r#"{"less_than_value":"5"}"#, Some("j"), ErrorKind::NotFound),
        (r#"{"less_than_value":"5.0"}"#, Some("i"), ErrorKind::Usage),
        (r#"{"less_than_value":"5,6"}"#, Some("i"), ErrorKind::Usage),
        (r#"{"less_than_value":"NULL"}"#, Some("i"), ErrorKind::Usage),
        (r#"{"older_than_days":1}"#, Some("i"), ErrorKind::Usage),
        (
            r#"{"older_than_date":"2020-01-01"}"#,
            Some("b"),
            ErrorKind::Usage,
        ),
        (
            r#"{"older_than_days":4000000000}"#,
            Some("d"),
            ErrorKind::Usage,
        ),
        (r#"{"partition_names":["p"]}"#, Some("i"), ErrorKind::Usage),
    ] {
        assert_eq!(ask_by(&plain, json, by).unwrap_err().kind(), kind, "{json}");
    }
    // Partitions by another column are not followed, those by the same are.
    let other = ask_by(&by_month(), r#"{"less_than_value":"7"}"#, Some("i")).unwrap();
    assert_eq!(other.predicate, col("i").lt(lit(value("7", "INTEGER_4"))));
    assert!(other.notes[0].contains("RANGE (d)"), "{:?}", other.notes);
    let same = ask_by(
        &by_month(),
        r#"{"less_than_value":"2020-03-15"}"#,
        Some("d"),
    )
    .unwrap();
    assert_eq!(same.units.len(), 2);
}

#[test]
fn a_predicate_narrows_the_window_and_its_units() {
    let condition = datafusion::prelude::col("i").gt(lit(5));
    let both = ask(
        &by_month(),
        r#"{"less_than_value":"2020-02-01","predicate":"x"}"#,
    )
    .unwrap();
    assert_eq!(both.predicate_type, Some(PredicateType::RangeAndPredicate));
    let month = datafusion::prelude::col("d").lt(lit(value("2020-02-01", "DATE")));
    assert_eq!(both.predicate, month.clone().and(condition.clone()));
    assert_eq!(both.units[0].predicate, month.and(condition.clone()));
    let alone = ask(&by_month(), r#"{"predicate":"x"}"#).unwrap();
    assert_eq!((alone.predicate, alone.units), (condition, Vec::new()));
    let list = ask(&by_list(), r#"{"equal_to_values":["a"],"predicate":"x"}"#).unwrap();
    assert_eq!(list.predicate_type, Some(PredicateType::List));
    let missing = resolve(
        &request(r#"{"predicate":"x"}"#),
        &by_month(),
        now(),
        None,
        None,
    );
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Internal);
}

/// Section 2.5: pairs of source and predicate type that do not fit.
#[test]
fn a_type_that_does_not_fit_the_source_is_refused() {
    for (source, json) in [
        (
            by_month(),
            r#"{"less_than_value":"2020-03-01","predicate_type":"LIST_AS_RANGE"}"#,
        ),
        (
            by_number_list(),
            r#"{"less_than_value":"3","predicate_type":"RANGE"}"#,
        ),
        (
            by_month(),
            r#"{"partition_names":["p1"],"predicate_type":"LIST"}"#,
        ),
        (
            by_number_list(),
            r#"{"partition_names":["p1"],"predicate_type":"RANGE"}"#,
        ),
    ] {
        assert_eq!(
            ask(&source, json).unwrap_err().kind(),
            ErrorKind::Usage,
            "{json}"
        );
    }
}

#[test]
fn incremental_without_a_way_to_be_so_is_full_and_says_it() {
    let closed = ask(&table(COLUMNS, None), r#"{"offload_type":"INCREMENTAL"}"#).unwrap();
    assert_eq!(
        (closed.offload_type, closed.predicate),
        (OffloadType::Full, lit(true))
    );
    assert!(
        closed.notes[0].contains("not partitioned"),
        "{:?}",
        closed.notes
    );
}

/// Which rows a condition is true for.
fn rows_of(batch: &RecordBatch, condition: &Expr) -> Vec<bool> {
    let schema = DFSchema::try_from(batch.schema()).unwrap();
    let context = SessionContext::new();
    let physical = context
        .create_physical_expr(condition.clone(), &schema)
        .unwrap();
    let result = physical
        .evaluate(batch)
        .unwrap()
        .into_array(batch.num_rows())
        .unwrap();
    result
        .as_boolean()
        .iter()
        .map(|found| found == Some(true))
        .collect()
}

/// All pairs of NULL and 0 to 6.
fn pairs() -> RecordBatch {
    let values: Vec<Option<i32>> = std::iter::once(None).chain((0..7).map(Some)).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for a in &values {
        for b in &values {
            first.push(*a);
            second.push(*b);
        }
    }
    let column = |values: Vec<Option<i32>>| Arc::new(Int32Array::from(values)) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("a", column(first), true),
        ("b", column(second), true),
    ])
    .unwrap()
}

/// An end of two keys: each a value, or open.
fn end() -> impl Strategy<Value = Vec<Bound>> {
    let one = |least: i32| {
        prop_oneof![
            6 => (least..6).prop_map(|number| Bound::Value(ScalarValue::Int32(Some(number)))),
            1 => Just(Bound::Max),
            1 => Just(Bound::Min),
        ]
    };
    (one(0), one(0)).prop_map(|(a, b)| vec![a, b])
}

/// Whether a row is before an end, as the definition has it: by the first difference, and never
/// where NULL decides.
fn is_before(row: (Option<i32>, Option<i32>), end: &[Bound]) -> bool {
    let compare = |value: Option<i32>, bound: &Bound| match bound {
        Bound::Min => Some(std::cmp::Ordering::Greater),
        Bound::Max => Some(std::cmp::Ordering::Less),
        Bound::Value(bound) => {
            value.and_then(|value| ScalarValue::Int32(Some(value)).partial_cmp(bound))
        }
    };
    match compare(row.0, &end[0]) {
        Some(std::cmp::Ordering::Equal) => {
            compare(row.1, &end[1]) == Some(std::cmp::Ordering::Less)
        }
        decided => decided == Some(std::cmp::Ordering::Less),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each row of the window is in exactly one unit, each other row in none; with FULL each row
    /// is in exactly one.
    #[test]
    fn units_neither_overlap_nor_leave_a_row_out(ends in prop::collection::vec(end(), 1..5), cut in (0i32..7, 0i32..7)) {
        let columns = [("a?", "INTEGER_4"), ("b?", "INTEGER_4")];
        let list: Vec<SourcePartition> = ends
            .iter()
            .enumerate()
            .map(|(at, end)| part(&format!("p{at}"), PartitionBound::Range { lower: vec![Bound::Min; 2], upper: end.clone() }))
            .collect();
        let source = table(&columns, Some(by(PartitionMethod::Range, &["a", "b"], list)));
        let batch = pairs();
        let number = |at: usize| {
            let column = batch.column(at).as_primitive::<arrow::datatypes::Int32Type>();
            column.iter().collect::<Vec<_>>()
        };
        let rows: Vec<(Option<i32>, Option<i32>)> = number(0).into_iter().zip(number(1)).collect();
        for full in [false, true] {
            let request = PartitionRequest {
                less_than_value: Some(format!("{},{}", cut.0, cut.1)),
                offload_type: full.then_some(OffloadType::Full),
                ..PartitionRequest::default()
            };
            let closed = resolve(&request, &source, now(), None, None).unwrap();
            let asked: Vec<Bound> = [cut.0, cut.1].map(|n| Bound::Value(ScalarValue::Int32(Some(n)))).to_vec();
            let reached: Vec<&Vec<Bound>> = ends
                .iter()
                .filter(|end| matches!(end[0], Bound::Value(_)))
                .filter(|end| Bound::order_all(end, &asked) != Some(std::cmp::Ordering::Greater))
                .collect();
            let window = rows_of(&batch, &closed.predicate);
            let units: Vec<Vec<bool>> = closed.units.iter().map(|unit| rows_of(&batch, &unit.predicate)).collect();
            for (at, row) in rows.iter().enumerate() {
                let expected = full || reached.iter().any(|end| is_before(*row, end));
                prop_assert_eq!(window[at], expected, "{:?}", row);
                let times = units.iter().filter(|unit| unit[at]).count();
                prop_assert_eq!(times, usize::from(expected), "{:?} {:?}", row, closed.units);
            }
        }
    }
}

#[test]
fn list_units_of_a_full_run_hold_every_row_once() {
    let values: &[(&str, &[&str])] = &[
        ("p12", &["1", "2"]),
        ("pnull", &["NULL", "3"]),
        ("rest", &["DEFAULT"]),
    ];
    let columns = [("a?", "INTEGER_4"), ("b?", "INTEGER_4")];
    let source = table(
        &columns,
        Some(by(
            PartitionMethod::List,
            &["a"],
            lists("INTEGER_4", values),
        )),
    );
    let closed = ask_by(&source, "{}", None).unwrap();
    assert_eq!(closed.units.len(), 3);
    let batch = pairs();
    let units: Vec<Vec<bool>> = closed
        .units
        .iter()
        .map(|unit| rows_of(&batch, &unit.predicate))
        .collect();
    for row in 0..batch.num_rows() {
        assert_eq!(
            units.iter().filter(|unit| unit[row]).count(),
            1,
            "row {row}"
        );
    }
}
