use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::offload::VerifyLevel;

const SALES: &str = "CREATE OFFLOAD sales
  TO lake.dw.sales
  PARTITIONED BY (date_trunc('month', sold_at), region)
  CLUSTERED BY (customer_id)
  INCREMENTAL BY (sold_at) UNTIL (date_trunc('month', now() - INTERVAL '90 days'))
  WITH (parallel = 4, verify = 'checksum')
AS SELECT id, customer_id, sold_at, CAST(amount AS DECIMAL(18, 2)) AS amount, sha256(email) AS email_hash
   FROM sh.main.sales WHERE cancelled = false; -- all";

fn ours(text: &str) -> Statement {
    parse(text)
        .unwrap()
        .unwrap_or_else(|| panic!("not ours: {text}"))
}

fn defined(text: &str) -> OffloadSpec {
    match ours(text) {
        Statement::CreateOffload { spec, .. } => *spec,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
    error.message().to_owned()
}

#[test]
fn an_offload_is_read_whole() {
    let spec = defined(SALES);
    assert_eq!(spec.name.as_deref(), Some("sales"));
    assert_eq!(spec.to, "lake.dw.sales");
    assert_eq!(
        spec.partition_by,
        ["date_trunc('month', sold_at)", "region"]
    );
    assert_eq!(spec.cluster_by, ["customer_id"]);
    assert_eq!(spec.incremental_by.as_deref(), Some("sold_at"));
    assert_eq!(
        spec.until.as_deref(),
        Some("date_trunc('month', now() - INTERVAL '90 days')")
    );
    assert_eq!(spec.parallel, Some(4));
    assert_eq!(spec.verify, Some(VerifyLevel::Checksum));
    let query = spec.query.as_deref().unwrap();
    assert!(
        query.starts_with("SELECT id,") && query.ends_with("cancelled = false"),
        "{query}"
    );
}

#[test]
fn a_plain_query_is_the_same_offload_as_flags() {
    let statement = defined(
        "CREATE OFFLOAD o TO lake.dw.o INCREMENTAL BY (id) \
         AS SELECT id, amount FROM shop.main.orders WHERE amount > 1",
    );
    let flags = OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        select: Some("id, amount".to_owned()),
        filter: Some("amount > 1".to_owned()),
        to: "lake.dw.o".to_owned(),
        incremental_by: Some("id".to_owned()),
        ..OffloadSpec::default()
    };
    let (statement, flags) = (statement.validate().unwrap(), flags.validate().unwrap());
    assert_eq!(statement.query(), flags.query());
    assert_eq!(statement.fingerprint(), flags.fingerprint());
    assert_eq!(statement.source(), flags.source());
    let printed = defined(&flags.spec().statement().unwrap())
        .validate()
        .unwrap();
    assert_eq!(printed.fingerprint(), flags.fingerprint());
}

#[test]
fn every_statement_is_read() {
    let named = |name: &str| Subject::Named(name.to_owned());
    let run = |take, text: &str| {
        let options = match ours("RUN OFFLOAD s WITH (parallel = 2)") {
            Statement::Run { options, .. } if text.contains("WITH (") => options,
            _ => Options::default(),
        };
        assert_eq!(
            ours(text),
            Statement::Run {
                name: "s".to_owned(),
                take,
                options
            }
        );
    };
    run(Take::New, "run offload s");
    run(Take::Rest, "RUN OFFLOAD s FULL");
    run(
        Take::Where("a > 1".to_owned()),
        "RUN OFFLOAD s WHERE a > 1;",
    );
    run(
        Take::Late("a IN (1, 2)".to_owned()),
        "RUN OFFLOAD s LATE WHERE a IN (1, 2)",
    );
    run(
        Take::Replace("t < TIMESTAMP WITH TIME ZONE '2024-01-01'".to_owned()),
        "RUN OFFLOAD s REPLACE WHERE t < TIMESTAMP WITH TIME ZONE '2024-01-01' WITH (parallel = 2)",
    );
    assert_eq!(
        ours("PREVIEW OFFLOAD s LIMIT 5"),
        Statement::Preview {
            subject: named("s"),
            limit: Some(5)
        }
    );
    assert_eq!(
        ours("EXPLAIN FORMAT JSON OFFLOAD lake.dw.\"S\" WHERE x"),
        Statement::Explain {
            subject: named("lake.dw.S"),
            take: Take::Where("x".to_owned()),
            json: true,
            options: Options::default(),
        }
    );
    assert!(matches!(
        ours("EXPLAIN VERBOSE OFFLOAD TO a.b.c AS SELECT 1 AS x"),
        Statement::Explain {
            subject: Subject::Inline(_),
            json: false,
            ..
        }
    ));
    assert_eq!(
        ours("VERIFY OFFLOAD s STORED"),
        Statement::Verify {
            name: "s".to_owned(),
            rows: None,
            stored: true
        }
    );
    assert_eq!(
        ours("VERIFY OFFLOAD s WHERE a = 1"),
        Statement::Verify {
            name: "s".to_owned(),
            rows: Some("a = 1".to_owned()),
            stored: false
        }
    );
    assert!(matches!(
        ours("ALTER OFFLOAD s SET (parallel = 2)"),
        Statement::Alter { .. }
    ));
    assert_eq!(ours("SHOW RUNS"), Statement::Show(Shown::Runs));
    assert_eq!(
        ours("DESC OFFLOAD s"),
        Statement::Describe {
            name: "s".to_owned()
        }
    );
    assert_eq!(
        ours("DROP OFFLOAD IF EXISTS s"),
        Statement::Drop {
            name: "s".to_owned(),
            if_exists: true
        }
    );
    let Statement::Insert(spec) = ours("INSERT INTO lake.dw.t SELECT 1 AS a") else {
        panic!("an INSERT expected");
    };
    assert_eq!(
        (spec.to.as_str(), spec.query.as_deref()),
        ("lake.dw.t", Some("SELECT 1 AS a"))
    );
    let connection =
        ours("CREATE OR REPLACE CONNECTION pg TO 'db://h/d' WITH (password = '${env:P}')");
    let Statement::CreateConnection {
        name,
        replace,
        url,
        options,
    } = connection
    else {
        panic!("a connection expected");
    };
    assert_eq!(
        (name.as_str(), replace, url.as_str()),
        ("pg", true, "db://h/d")
    );
    assert_eq!(options["password"], "${env:P}");
}

#[test]
fn everything_else_is_the_engines() {
    for text in [
        "SELECT 1",
        "SHOW TABLES",
        "DESCRIBE t",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE VERBOSE SELECT 1",
        "CREATE TABLE offload (a INT)",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'x'",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURN 1",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO datafusion.public.t SELECT 1",
        "DROP TABLE offload",
        "SET a = 1",
        "'",
        "",
        "-- nothing",
    ] {
        assert_eq!(parse(text).unwrap(), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let table = [
        (
            "CREATE OFLOAD s TO a.b.c AS SELECT 1",
            "column 8: \"OFLOAD\" stands where OFFLOAD",
        ),
        (
            "CREATE OFFLOAD s a.b.c AS SELECT 1",
            "column 18: \"a\" stands where TO",
        ),
        (
            "CREATE OFFLOAD s TO a.b AS SELECT 1",
            "column 21: \"a.b\" has 2 of the three",
        ),
        ("CREATE OFFLOAD s TO a.b.c", "ends where AS SELECT"),
        (
            "CREATE OFFLOAD s TO a.b.c\n PARTITION BY (x) AS SELECT 1",
            "Line 2, column 2: \"PARTITION\"",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c PARTITIONED BY (x, ) AS SELECT 1",
            "column 46",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c PARTITIONED BY (x AS SELECT 1",
            "never closed",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c WITH (x = 1) AS SELECT 1",
            "\"x\" is no option",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c WITH (parallel = 1) WITH (parallel = 1) AS SELECT 1",
            "twice",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c INCREMENTAL BY (a, b) AS SELECT 1",
            "no single column",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c AS DELETE FROM x",
            "\"DELETE\" stands where SELECT",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c AS\nSELECT a,, b",
            "Line 2, column 10",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c AS SELECT 1 SELECT 2",
            "column 39",
        ),
        (
            "CREATE OFFLOAD s TO a.b.c AS SELECT 1; DROP OFFLOAD s",
            "begins a second statement",
        ),
        ("CREATE OFFLOAD s TO a.b.c AS SELECT 'open", "column 37"),
        (
            "RUN OFFLOAD s; RUN OFFLOAD t",
            "column 16: \"RUN\" begins a second",
        ),
        ("RUN s", "column 5: \"s\" stands where OFFLOAD"),
        ("RUN OFFLOAD s LATE", "where WHERE is wanted"),
        ("RUN OFFLOAD s WHERE", "a condition"),
        ("RUN OFFLOAD s TWICE", "the end of the statement"),
        ("PREVIEW OFFLOAD s LIMIT x", "a number of rows"),
        ("ALTER OFFLOAD s SET (paralel = 1)", "\"paralel\""),
        (
            "INSERT INTO lake.dw.t (a, b) SELECT 1, 2",
            "no list of columns",
        ),
        ("CREATE CONNECTION pg TO nothing", "in single quotes"),
    ];
    for (text, says) in table {
        let message = refused(text);
        assert!(message.contains(says), "{text}: {message}");
    }
}

#[test]
fn depth_and_length_are_refused_and_need_no_stack() {
    let deep = |count: usize| {
        let (open, close) = ("(".repeat(count), ")".repeat(count));
        format!("CREATE OFFLOAD s TO a.b.c AS SELECT {open}1{close} AS x")
    };
    assert!(parse(&deep(10)).is_ok());
    for count in [200, 100_000] {
        assert!(refused(&deep(count)).contains("recursion"), "{count}");
    }
    let long = format!("RUN OFFLOAD s WHERE a = 1{}", " OR a = 1".repeat(100_000));
    assert!(refused(&long).contains("operator"));
    let values: Vec<String> = (0..150_000).map(|n| n.to_string()).collect();
    let wide = format!("RUN OFFLOAD s WHERE a IN ({})", values.join(", "));
    assert!(wide.len() > 1 << 20 && parse(&wide).is_ok());
    assert!(parse(&format!("RUN OFFLOAD s WHERE {}", "(".repeat(1 << 20))).is_ok());
}

fn a_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-z0-9_]{0,8}",
        "[ -~é]{1,8}",
        Just("to".to_owned())
    ]
}

/// A column or a pattern of columns, as a person writes one.
fn a_column() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,5}",
        "[a-z*]{1,5}",
        "\"[a-zé *]{1,5}\"",
        "[ -~é*]{1,6}"
    ]
}

prop_compose! {
    fn a_spec()(
        name in a_name(),
        parts in (a_name(), a_name(), a_name()),
        by in prop::sample::subsequence(vec!["month(d)", "region", "date_trunc('day', \"D e\")"], 0..=3),
        cluster in prop::collection::vec(a_column(), 0..3),
        incremental in prop::option::of((a_column(), prop::option::of(Just("now() - INTERVAL '1' DAY")))),
        parallel in prop::option::of(1_usize..64),
        memory in prop::option::of(1_u64..1 << 40),
        limits in (
            prop::option::of(1_u64..1 << 40),
            prop::option::of(1_u64..1 << 20),
            prop::option::of(0_u64..1 << 20),
            prop::option::of("[a-z]{1,5}"),
        ),
        reset in any::<bool>(),
        read_as in prop::collection::btree_map(a_name(), "[ -~]{0,6}", 0..3),
        query in prop::sample::select(vec![
            "SELECT 1 AS a",
            "SELECT a, b FROM c.s.t WHERE x = 'it''s; so' OR y",
            "WITH q AS (SELECT 1 AS a) SELECT * FROM q",
            "(SELECT 1 AS a) UNION ALL (SELECT 2)",
        ]),
    ) -> OffloadSpec {
        let (incremental_by, until) = incremental.unzip();
        OffloadSpec {
            name: Some(name),
            to: crate::schema::TableName::new(&parts.0, &parts.1, &parts.2).to_string(),
            partition_by: by.into_iter().map(str::to_owned).collect(),
            cluster_by: cluster,
            incremental_by,
            until: until.flatten().map(str::to_owned),
            parallel,
            memory,
            max_rate: limits.0,
            max_snapshot_seconds: limits.1,
            retry_seconds: limits.2,
            chunk_by: limits.3,
            reset,
            read_as,
            query: Some(query.to_owned()),
            ..OffloadSpec::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 256 } else { 2048 }))]

    #[test]
    fn what_is_printed_reads_the_same(spec in a_spec()) {
        // A name with a colon is a URL's, whose parts a person writes otherwise, and what needs no
        // quotes elsewhere may need them in SQL.
        let name = crate::schema::TableName::parse(&spec.to);
        prop_assume!(name.is_ok_and(|name| name.to_string() == spec.to));
        let text = spec.statement().unwrap();
        let read = parse(&text);
        prop_assert!(read.is_ok(), "{text}: {read:?}");
        let expected = Statement::CreateOffload { replace: false, spec: Box::new(spec) };
        prop_assert_eq!(read.unwrap(), Some(expected), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_reader(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "CREATE", "OR", "REPLACE", "OFFLOAD", "CONNECTION", "EXPLAIN", "PREVIEW", "RUN", "VERIFY",
                "ALTER", "SHOW", "DESCRIBE", "DROP", "INSERT", "INTO", "TO", "a", "a.b.c", "'x'", "(", ")",
                ",", ";", "=", "1", "WITH", "AS", "SELECT", "FROM", "WHERE", "PARTITIONED", "BY", "UNTIL",
                "INCREMENTAL", "\"q\"", "'", "\"", "--", "/*", "*/", "\n", "é", "$", "[", "]", "{", "}", "::",
            ]),
            0..24,
        ),
        head in prop::sample::select(vec!["", "CREATE OFFLOAD s TO a.b.c ", "RUN OFFLOAD s ", "CREATE CONNECTION c TO "]),
        noise in "\\PC{0,12}",
    ) {
        let text = format!("{head}{} {noise}", words.join(" "));
        let read: Result<Option<Statement>> = parse(&text);
        if let Err(error) = read {
            prop_assert_eq!(error.kind(), ErrorKind::Usage);
            prop_assert!(error.message().starts_with("Line "), "{}", error);
        }
        let _ = plain_select(&text);
    }
}
