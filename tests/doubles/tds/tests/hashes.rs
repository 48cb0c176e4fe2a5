//! Hashes, what has a type of its own, and what is hidden.

use super::super::{Options, Table, Tds, Value};
use super::caller::Caller;

#[test]
fn what_equals_has_one_hash() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    let same = |left: &str, right: &str| {
        format!("CASE WHEN CHECKSUM({left}) = CHECKSUM({right}) THEN 1 ELSE 0 END")
    };
    let cases = [
        (
            "CHECKSUM(CAST('-2147483648' AS int))".to_owned(),
            "-2147483648",
        ),
        ("CHECKSUM(CAST('-7' AS int)) % 3".to_owned(), "-1"),
        (
            "ABS(CHECKSUM(CAST('-2147483648' AS int)) % 3)".to_owned(),
            "2",
        ),
        (same("N'Ab '", "N'aB'"), "1"),
        (same("N'a', 1", "N'a', 2"), "0"),
        (
            same(
                "N'a' COLLATE Latin1_General_BIN2",
                "N'A' COLLATE Latin1_General_BIN2",
            ),
            "0",
        ),
        (
            same(
                "CAST('2020-01-01T00:00:00+01:00' AS datetimeoffset(3))",
                "CAST('2019-12-31T23:00:00+00:00' AS datetimeoffset(3))",
            ),
            "1",
        ),
        (same("CAST(NULL AS int), 1", "CAST(NULL AS int), 1"), "1"),
        (same("CAST(NULL AS int), 1", "0, 1"), "0"),
    ];
    for (sql, expected) in cases {
        assert_eq!(caller.list(&format!("SELECT {sql}")), expected, "{sql}");
    }
    let failures = [
        ("ABS(CAST('-2147483648' AS int))", 8115),
        ("ABS(N'1')", 50_000),
        ("CHECKSUM()", 174),
        ("CHECKSUM(1, CAST(N'<a/>' AS xml))", 8116),
        ("BINARY_CHECKSUM(1)", 50_000),
    ];
    for (sql, number) in failures {
        assert_eq!(caller.error(&format!("SELECT {sql}")).0, number, "{sql}");
    }
}

#[test]
fn values_have_types_of_their_own() {
    let tds = Tds::start(Options::default());
    let table = Table::new("dbo.any")
        .column("id", "int not null")
        .column("v", "sql_variant");
    tds.create(table);
    let row = |id: i64, value: Value| vec![id.into(), value];
    tds.insert(
        "dbo.any",
        vec![
            row(1, Value::variant("float", "0.1")),
            row(2, Value::variant("datetime2(3)", "2020-01-31T01:02:03.500")),
            row(3, Value::Null),
        ],
    );
    let mut caller = Caller::new(&tds);
    let list = |caller: &mut Caller, value: &str| {
        caller.list(&format!("SELECT {value} FROM dbo.any ORDER BY id"))
    };
    let own = "CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY(v, 'BaseType'))";
    assert_eq!(list(&mut caller, own), "float,datetime2,NULL");
    let text = "CONVERT(nvarchar(max), CONVERT(float, v), 3)";
    let first = format!("SELECT {text} FROM dbo.any WHERE id = 1");
    assert_eq!(caller.list(&first), "1.0000000000000001e-001");
    // A float has no text here but that of style 3; bare variants are in no result.
    let refused = [
        "SELECT CONVERT(nvarchar(max), v) FROM dbo.any WHERE id = 1",
        "SELECT v FROM dbo.any",
        "SELECT SQL_VARIANT_PROPERTY(v, 'Precision') FROM dbo.any",
        "SELECT SQL_VARIANT_PROPERTY(id, 'BaseType') FROM dbo.any",
    ];
    for sql in refused {
        assert_eq!(caller.error(sql).0, 50_000, "{sql}");
    }
}

#[test]
fn what_is_hidden_is_not_shown() {
    let tds = Tds::start(Options {
        may_unmask: false,
        ..Options::default()
    });
    let table = Table::new("dbo.t")
        .column("id", "int not null")
        .column("owner", "nvarchar(20)")
        .column("secret", "nvarchar(20) masked")
        .policy("owner", true);
    tds.create(table);
    let row = |id: i64, owner: &str| vec![id.into(), owner.into(), "x".into()];
    tds.insert("dbo.t", vec![row(1, "goe"), row(2, "other")]);
    let mut caller = Caller::new(&tds);
    assert_eq!(caller.list("SELECT id FROM dbo.t"), "1");
    assert_eq!(caller.error("SELECT secret FROM dbo.t").0, 50_000);
    let may = "SELECT HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'UNMASK')";
    assert_eq!(caller.list(may), "0");
    let other = "SELECT HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'CONTROL')";
    assert_eq!(caller.error(other).0, 50_000);
}
