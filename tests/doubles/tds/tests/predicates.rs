//! Comparisons and aggregates of every type, and text under its collation.

use super::super::{Options, Table, Tds, Value};
use super::caller::Caller;
use super::catalog::shop;
use super::small;

/// Three values of a type in order, a literal of the middle one, and how the least is shown.
const ORDERED: [(&str, [&str; 3], &str); 15] = [
    (
        "decimal(12,2)",
        ["-100.50", "1.50", "20.00"],
        "CAST(1.50 AS decimal(12,2))",
    ),
    (
        "decimal(38,10)",
        [
            "-0.0000000001",
            "0.0000000000",
            "1234567890123456789012345678.0000000000",
        ],
        "0",
    ),
    (
        "numeric(19,4)",
        ["-2.0000", "-1.9999", "-1.9998"],
        "-1.9999",
    ),
    (
        "money",
        ["-2.0000", "0.0001", "922337203685477.5807"],
        "CAST(0.0001 AS decimal(19,4))",
    ),
    (
        "date",
        ["0001-01-01", "2020-01-31", "9999-12-31"],
        "CAST('2020-01-31' AS date)",
    ),
    (
        "datetime",
        [
            "1753-01-01 00:00:00.000",
            "2020-01-31 12:00:00.123",
            "2020-01-31 12:00:00.127",
        ],
        "CAST('2020-01-31T12:00:00.123' AS datetime)",
    ),
    (
        "smalldatetime",
        [
            "1900-01-01 00:00:00",
            "2020-01-31 12:00:00",
            "2079-06-06 23:59:00",
        ],
        "CAST('2020-01-31T12:00:00' AS smalldatetime)",
    ),
    (
        "datetime2(7)",
        [
            "0001-01-01 00:00:00.0000000",
            "2020-01-31 12:00:00.1234567",
            "2020-01-31 12:00:00.1234568",
        ],
        "CAST('2020-01-31T12:00:00.1234567' AS datetime2(7))",
    ),
    (
        "datetimeoffset(7)",
        [
            "2020-01-31 23:59:00.0000000+14:00",
            "2020-01-31 12:00:00.1230000+00:00",
            "2020-01-31 00:01:00.0000000-13:00",
        ],
        "CAST('2020-01-31T13:00:00.123+01:00' AS datetimeoffset(7))",
    ),
    (
        "time(7)",
        ["00:00:00.0000000", "12:00:00.5000000", "23:59:59.9999999"],
        "CAST('12:00:00.5' AS time(7))",
    ),
    (
        "uniqueidentifier",
        [
            "FFFFFFFF-FFFF-FFFF-FFFF-000000000001",
            "00000000-0000-0000-0000-0000000000FF",
            "00000000-0000-0000-0000-FF0000000000",
        ],
        "CAST('00000000-0000-0000-0000-0000000000FF' AS uniqueidentifier)",
    ),
    (
        "bigint",
        ["-9223372036854775808", "7", "9223372036854775807"],
        "7",
    ),
    (
        "varchar(10) collate Latin1_General_BIN2",
        ["A", "a", "b"],
        "N'a'",
    ),
    (
        "nvarchar(10) collate Latin1_General_BIN2",
        ["it", "it's", "😀"],
        "N'it''s'",
    ),
    ("varbinary(4)", ["AA", "ABCD", "FF"], "0xABCD"),
];

#[test]
fn predicates_are_right_for_every_type() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    for (place, (declared, values, literal)) in ORDERED.into_iter().enumerate() {
        let name = format!("dbo.o{place}");
        tds.create(Table::new(&name).column("id", "int").column("v", declared));
        let row = |(id, text): (i64, &str)| {
            let value = match declared {
                "bigint" => Value::Integer(text.parse().expect("a number")),
                "varbinary(4)" => Value::Bytes(
                    (0..text.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
                        .collect(),
                ),
                _ => text.into(),
            };
            vec![id.into(), value]
        };
        // Not in their order.
        let [least, middle, most] = values;
        let mut rows: Vec<Vec<Value>> = [(2, middle), (3, most), (1, least)].map(row).to_vec();
        rows.push(vec![4.into(), Value::Null]);
        tds.insert(&name, rows);
        let mut found = |condition: &str| {
            let condition = condition.replace("{}", literal);
            caller.list(&format!(
                "SELECT id FROM {name} WHERE {condition} ORDER BY id"
            ))
        };
        let cases = [
            ("v = {}", "2"),
            ("v <> {}", "1,3"),
            ("v < {}", "1"),
            ("v <= {}", "1,2"),
            ("v > {}", "3"),
            ("v >= {}", "2,3"),
            ("{} > v", "1"),
            ("v IN ({}, {})", "2"),
            ("v NOT IN ({})", "1,3"),
            ("v BETWEEN {} AND {}", "2"),
            ("v IS NULL", "4"),
            ("v IS NOT NULL", "1,2,3"),
            ("(NOT v = {})", "1,3"),
            ("(v = {} OR v IS NULL)", "2,4"),
            ("(v > {} AND v IS NOT NULL)", "3"),
            ("(CASE WHEN v = {} THEN 1 ELSE 0 END = 1)", "2"),
            ("1 = 1", "1,2,3,4"),
            ("1 = 0", ""),
        ];
        for (condition, expected) in cases {
            assert_eq!(found(condition), expected, "{declared}: {condition}");
        }
        assert_eq!(
            caller.list(&format!("SELECT id FROM {name} ORDER BY v")),
            "4,1,2,3",
            "{declared}"
        );
        assert_eq!(
            caller.list(&format!("SELECT id FROM {name} ORDER BY v DESC")),
            "3,2,1,4",
            "{declared}"
        );
        if !["money", "varbinary(4)"].contains(&declared) {
            assert_eq!(
                caller.rows(&format!("SELECT MIN(v), MAX(v), COUNT_BIG(v) FROM {name}")),
                [[least, most, "3"]],
                "{declared}"
            );
        }
    }
    assert_eq!(tds.counters().refused(), Vec::<String>::new());
}

#[test]
fn aggregates_of_a_proof_are_exact() {
    let tds = Tds::start(Options::default());
    tds.create(
        Table::new("dbo.a")
            .column("d", "decimal(38,2)")
            .column("b", "bit")
            .column("m", "money")
            .column("g", "uniqueidentifier")
            .column("t", "nvarchar(9)")
            .column("i", "int"),
    );
    let row = |d: &str, b: i64, m: &str, g: &str, t: &str, i: i64| {
        vec![d.into(), b.into(), m.into(), g.into(), t.into(), i.into()]
    };
    let (low, high) = (
        "00000000-0000-0000-0000-0000000000FF",
        "FFFFFFFF-FFFF-FFFF-FFFF-000000000001",
    );
    tds.insert(
        "dbo.a",
        vec![
            row(
                "99999999999999999999999999999999999.99",
                0,
                "0.0001",
                low,
                "b",
                2_147_483_647,
            ),
            row("0.02", 1, "-5.0000", high, "A", 1),
            vec![Value::Null; 6],
        ],
    );
    let mut caller = Caller::new(&tds);
    let sql = "SELECT COUNT_BIG(*), SUM(CAST([d] AS decimal(38,2))), CAST(MIN(CAST([b] AS tinyint)) AS bit), MIN(CAST([m] AS decimal(19,4))), MIN(CONVERT(char(36), [g]) COLLATE Latin1_General_BIN2), MIN([t] COLLATE Latin1_General_BIN2) FROM dbo.a";
    assert_eq!(
        caller.rows(sql),
        [[
            "3",
            "100000000000000000000000000000000000.01",
            "0",
            "-5.0000",
            low,
            "A"
        ]]
    );
    assert_eq!(caller.error("SELECT SUM(i) FROM dbo.a").0, 8115);
    assert_eq!(
        caller.list("SELECT SUM(CAST(i AS bigint)) FROM dbo.a"),
        "2147483648"
    );
    assert_eq!(caller.error("SELECT MIN(b) FROM dbo.a").0, 8117);
}

#[test]
fn text_is_compared_under_its_collation() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code = 'a'"),
        "1"
    );
    assert_eq!(caller.list("SELECT id FROM dbo.sales WHERE code COLLATE SQL_Latin1_General_CP1_CI_AS = 'a' ORDER BY id"), "1,2");
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code LIKE '[A-B]%' ORDER BY id"),
        "2,3"
    );
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code = N'a   '"),
        "1"
    );
    let tds = small();
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.list("SELECT id FROM dbo.t WHERE name = N'ONE '"),
        "1"
    );
    assert_eq!(
        caller.list("SELECT id FROM dbo.t WHERE name LIKE N'T%' ORDER BY name"),
        "3,2"
    );
}
