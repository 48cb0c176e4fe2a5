//! Every canonical type, with the ends of its values, through staging, COPY and back.

use super::World;
use crate::project::Project;

/// What SQLite declares, an example, and what the double holds then as it sends it.
const CASES: [(&str, &str, &str); 24] = [
    ("SMALLINT", "-32768", "-32768"),
    ("INTEGER", "2147483647", "2147483647"),
    ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
    ("BIGINT", "9223372036854775807", "9223372036854775807"),
    ("DECIMAL(15,2)", "'-9999999999999.99'", "-9999999999999.99"),
    (
        "DECIMAL(38,10)",
        "'123456789012.345'",
        "123456789012.3450000000",
    ),
    ("DECIMAL(18,0)", "'999999999999999'", "999999999999999"),
    ("DOUBLE", "-0.1", "-0.1"),
    ("DOUBLE", "1e300", "1e+300"),
    ("DOUBLE", "5e-324", "5e-324"),
    ("DOUBLE", "9e999", "inf"),
    ("BOOLEAN", "1", "1"),
    ("BOOLEAN", "0", "0"),
    ("DATE", "'0001-01-01'", "-719162"),
    ("DATE", "'9999-12-31'", "2932896"),
    ("TIME", "'23:59:59.999999'", "86399.999999000"),
    ("TIMESTAMP", "'1969-12-31 23:59:59.5'", "-0.500000000"),
    (
        "TIMESTAMP",
        "'9999-12-31 23:59:59.999999'",
        "253402300799.999999000",
    ),
    ("VARCHAR(40)", "'é''\"`;--\\ \\n'", "é'\"`;--\\ \\n"),
    ("VARCHAR(40)", "''", ""),
    ("TEXT", "char(10) || '😀' || char(9)", "\n😀\t"),
    ("BLOB", "x'00ffc328'", "00FFC328"),
    ("BLOB", "x''", ""),
    ("VARCHAR(40)", "'%_''--/*'", "%_'--/*"),
];

/// The cases as one row, and one of NULLs.
fn cases() -> String {
    let columns = CASES.iter().enumerate();
    let declared: Vec<String> = columns
        .map(|(i, (kind, _, _))| format!("c{i} {kind}"))
        .collect();
    let values: Vec<&str> = CASES.iter().map(|(_, value, _)| *value).collect();
    let nulls = vec!["NULL"; CASES.len()];
    format!(
        "CREATE TABLE every (id INTEGER PRIMARY KEY, {});
         INSERT INTO every VALUES (1, {}), (2, {});",
        declared.join(", "),
        values.join(", "),
        nulls.join(", ")
    )
}

/// On a real account, in a table of its own, which stays.
#[test]
fn a_real_account_keeps_every_type() {
    let lines = std::env::var("GOE_TEST_SNOWFLAKE").unwrap_or_default();
    if !lines.contains("snowflake://") {
        return;
    }
    let project = Project::with(&cases());
    project.write(
        "goe.toml",
        &format!(
            "[connections.shop]\nurl = \"sqlite:shop.db\"\n[connections.sf]\n{}\n",
            lines.replace(';', "\n")
        ),
    );
    let table = format!("sf.goe_test.every_{}", std::process::id());
    let offload = ["offload", "shop.main.every", "--to", &table, "-x"];
    project
        .goe(&[&offload[..], &["--verify", "read_back"]].concat())
        .ok()
        .says(&["2 rows agree"]);
    project.goe(&["verify", &table]).ok();
    project.goe(&offload).ok().says(&["nothing to do"]);
}

#[test]
fn every_type_comes_through_as_it_was() {
    let columns = CASES.iter().enumerate();
    let Some(world) = World::new(&cases()) else {
        return;
    };
    let ran = world.offload("every", &["--verify", "read_back"]).ok();
    ran.says(&["2 rows agree"]);
    for (i, (kind, value, expected)) in columns {
        let held = format!("SELECT \"C{i}\" FROM \"TPCH\".\"EVERY\" ORDER BY \"ID\"");
        assert_eq!(world.ask(&held), [*expected, "-"], "{kind} {value}");
    }
    world.goe(&["verify", "sf.tpch.every"]).ok();
    world.is_tidy();
}

/// Types that SQLite does not declare, made by casts.
#[test]
fn types_of_other_sources_come_through_too() {
    let Some(world) =
        World::new("CREATE TABLE one (id INTEGER PRIMARY KEY); INSERT INTO one VALUES (1);")
    else {
        return;
    };
    let select = "id, CAST('2020-01-02T03:04:05.000006Z' AS TIMESTAMP WITH TIME ZONE) AS instant, \
                  CAST('2020-01-02T03:04:05.123456789' AS TIMESTAMP(9)) AS nanos, \
                  CAST(1.5 AS REAL) AS single, CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0)) AS wide, \
                  CAST(7 AS TINYINT) AS tiny, INTERVAL '1' DAY AS gap";
    world
        .offload("one", &["--select", select, "--verify", "read_back"])
        .ok();
    let held = world
        .ask("SELECT \"INSTANT\", \"NANOS\", \"SINGLE\", \"WIDE\", \"TINY\" FROM \"TPCH\".\"ONE\"");
    assert_eq!(
        held,
        [
            "1577934245.000006000 1440|1577934245.123456789|1.5|99999999999999999999999999999999999999|7"
        ]
    );
    let plan = world.goe(&["describe", "sf.tpch.one"]).ok();
    plan.says(&[
        "TIMESTAMP_TZ(9)",
        "TIMESTAMP_NTZ(9)",
        "NUMBER(38,0)",
        "NUMBER(3,0)",
    ]);
}

#[test]
fn the_table_of_types_is_printed() {
    let project = crate::project::Project::new();
    let of = |arguments: &[&str]| project.goe(&[&["types"], arguments].concat()).ok();
    of(&["snowflake"]).says(&["NUMBER(15,2)", "TIMESTAMP_NTZ(9)"]);
    of(&["sqlserver", "snowflake"]).says(&["datetime2", "TIMESTAMP_NTZ"]);
}

/// On request JSON is kept in the type that Snowflake has for it: proved as text, and then parsed.
#[test]
fn documents_are_kept_as_such_on_request() {
    let Some(world) = World::new(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO notes VALUES (1, '{\"b\": [1, 2.50], \"a\": \"x\"}'), (2, NULL), (3, 'null'), (4, '\"é\"');",
    ) else {
        return;
    };
    let json = ["--json-columns", "body"];
    let plan = [
        &["plan", "shop.main.notes", "--to", "sf.tpch.notes"][..],
        &json,
    ];
    world
        .goe(&plan.concat())
        .ok()
        .says(&["\"BODY\" VARIANT", "proved as text, then parsed"]);
    world.offload("notes", &json).ok();
    let inside = "SELECT \"BODY\":\"a\"::VARCHAR FROM \"TPCH\".\"NOTES\" WHERE \"ID\" = 1";
    assert_eq!(world.ask(inside), ["x"]);
    let nulls = "SELECT COUNT(*), COUNT(\"BODY\") FROM \"TPCH\".\"NOTES\"";
    assert_eq!(world.ask(nulls), ["4|3"]);
    for more in [&[][..], &["--stored"]] {
        let verify = [&["verify", "sf.tpch.notes"], more].concat();
        world
            .goe(&verify)
            .ok()
            .says(&["only the NULLs were compared: body"]);
    }
    let again = world.offload("notes", &["--reset"]).ok();
    assert_eq!(super::published(&again), 4, "{again}");
    world.ask("UPDATE \"TPCH\".\"NOTES\" SET \"BODY\" = NULL WHERE \"ID\" = 4");
    world
        .goe(&["verify", "sf.tpch.notes"])
        .tells(goe::ErrorKind::Verify)
        .says(&["\"body\""]);
    world
        .project
        .sqlite("UPDATE notes SET body = '{' WHERE id = 2");
    world
        .offload("notes", &["--reset", "--retry-seconds", "0"])
        .fails(goe::ErrorKind::Load);
    assert_eq!(world.ask(nulls), ["4|2"], "nothing was published");
    let number = ["--json-columns", "id"];
    world
        .offload("notes", &[&number[..], &["--reset"]].concat())
        .fails(goe::ErrorKind::Usage)
        .says(&["not string based"]);
}
