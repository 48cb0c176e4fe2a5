//! Text from outside, of any kind: it is read or refused, soon, and nothing panics. The readers that
//! a system keeps to itself are tried beside their code.

use std::path::Path;
use std::time::{Duration, Instant};

use goe::config::{Config, redact, redact_text};
use goe::offload::statement::parse;
use goe::offload::{DslPredicate, Proof, Record};
use goe::schema::TableName;
use goe::staging::Manifest;
use goe::systems::Connections;
use proptest::prelude::*;
use proptest::test_runner::{Config as RunnerConfig, FileFailurePersistence, TestRunner};
use serde_json::{Value, json};

use crate::project::{figure, long_or};

/// How long one text may take.
const BOUND: Duration = Duration::from_secs(5);

/// How many texts are tried between two looks at the clock.
const TOGETHER: u32 = 200;

/// Tries texts for a while, the failures of earlier runs first.
fn fuzz<S: Strategy>(name: &str, texts: S, read: impl Fn(S::Value)) {
    let begun = Instant::now();
    let (mut tried, longest) = (0, std::cell::Cell::new(Duration::ZERO));
    while tried == 0 || begun.elapsed() < long_or(Duration::from_secs(1), Duration::from_secs(1800))
    {
        // Each runner stops for good after its cases, and a new one rolls other dice.
        let outcome = TestRunner::new(RunnerConfig {
            cases: TOGETHER,
            source_file: Some(file!()),
            failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel(
                "proptest-regressions",
            ))),
            ..RunnerConfig::default()
        })
        .run(&texts, |text| {
            let begun = Instant::now();
            read(text);
            longest.set(longest.get().max(begun.elapsed()));
            prop_assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
        tried += TOGETHER;
    }
    let longest = longest.get().as_millis();
    figure(&format!(
        "fuzz of {name}: {tried} texts, 0 panics, the longest {longest} ms"
    ));
}

/// Some of these words, and some of any signs.
fn words(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => prop::sample::select(of).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => "[\\x00-\\x7f]{0,6}",
    ];
    prop::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

/// A text with some of its characters changed, taken out or doubled.
fn mutated(whole: &'static str) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..4_u8, any::<char>());
    prop::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut signs: Vec<char> = whole.chars().collect();
        for (at, what, sign) in changes {
            let at = at.index(signs.len().max(1));
            match what {
                _ if signs.is_empty() => signs.push(sign),
                0 => drop(signs.remove(at)),
                1 => signs.insert(at, sign),
                2 => signs[at] = sign,
                _ => signs.truncate(at.max(1)),
            }
        }
        signs.into_iter().collect()
    })
}

const STATEMENT: &str = "CREATE OR REPLACE OFFLOAD \"s\" TO lake.dw.sales PARTITIONED BY (date_trunc('month', sold_at)) \
    INCREMENTAL BY (sold_at) UNTIL (DATE '2026-01-01') WITH (parallel = 4, verify = 'checksum') AS SELECT id, \
    CAST(amount AS DECIMAL(18, 2)) AS amount FROM sh.main.sales WHERE cancelled = false AND x IN (1, 2) -- end";

#[test]
fn any_statement_is_read_or_refused() {
    let texts = prop_oneof![
        mutated(STATEMENT),
        words(&[
            "CREATE ",
            "OFFLOAD ",
            "CONNECTION ",
            "TO ",
            "'",
            "\"",
            "(",
            ")",
            ";",
            "--",
            "/*",
            "*/",
            "AS ",
            "SELECT ",
            "WITH ",
            "password",
            "= ",
            "1",
            "a.b.c ",
            "RUN ",
            "WHERE ",
            "\n",
            "${",
            "}",
            "PARTITIONED BY ",
            ", ",
            "NOT "
        ]),
        (0..6_000_usize).prop_map(|depth| format!(
            "RUN OFFLOAD a WHERE {}1{}",
            "(".repeat(depth),
            ")".repeat(depth)
        )),
        (0..6_000_usize).prop_map(|depth| format!("RUN OFFLOAD a WHERE {}x", "NOT ".repeat(depth))),
    ];
    fuzz("statements", texts, |text| {
        if let Err(error) = parse(&text) {
            assert_ne!(
                error.kind(),
                goe::ErrorKind::Internal,
                "{text:?}: {error:?}"
            );
        }
        let _ = goe::offload::statement::definitions(&text);
    });
}

#[test]
fn any_predicate_is_read_or_refused() {
    let texts = prop_oneof![
        mutated(
            "column(a.\"b\") >= numeric(-1.5e3) AND (column(c) IN (string(\"x\"), string(\"\\\"\")) OR NOT column(d) IS NULL)"
        ),
        words(&[
            "column(",
            "numeric(",
            "string(",
            "datetime(",
            ")",
            "(",
            "\"",
            "\\",
            " AND ",
            " OR ",
            "NOT ",
            " IN ",
            "=",
            "<",
            ", ",
            "1",
            "."
        ]),
        (0..20_000_usize).prop_map(|depth| format!("{}column(a) = numeric(1)", "(".repeat(depth))),
        (0..20_000_usize)
            .prop_map(|depth| format!("{}column(a) = numeric(1)", "NOT ".repeat(depth))),
    ];
    fuzz("the predicate language", texts, |text| {
        if let Ok(predicate) = DslPredicate::parse(&text) {
            let _ = predicate.to_string();
        }
    });
}

const FILE: &str = "[connections.shop]\nurl = \"sqlite:shop.db\"\nx = 5\n[connections.\"a b\"]\nurl = 'delta:${env:X}'\n\
    [defaults]\nfrom = \"shop.main\"\nparallel = 4\nmemory = \"512MB\"\nletter_case = \"lower\"\n[repository]\npath = \"goe.db\"\n";

#[test]
fn any_configuration_is_read_or_refused() {
    let texts = prop_oneof![
        mutated(FILE),
        words(&[
            "[",
            "]",
            "[[",
            "connections",
            ".",
            "shop",
            "\n",
            " = ",
            "\"",
            "'''",
            "\"\"\"",
            "url",
            "{",
            "}",
            "1979-05-27",
            "0x",
            "_",
            "#",
            "\\u",
            "defaults"
        ]),
        (0..5_000_usize).prop_map(|depth| format!("a = {}", "[".repeat(depth))),
        (0..5_000_usize).prop_map(|depth| format!("{}b = 1", "a.".repeat(depth))),
    ];
    fuzz("goe.toml", texts, |text| {
        if let Ok(config) = Config::parse(&text, Path::new("")) {
            for name in config.connection_names() {
                let _ = config.connection(name);
            }
        }
    });
}

#[test]
fn any_url_is_read_or_refused() {
    let texts = prop_oneof![
        mutated("postgres://jo:p%40ss@[::1]:5433,db/shop?sslmode=require&options=-c%20x=y"),
        mutated("postgresql:host=db port=5433 user=jo password='p@ss\\'' dbname=shop"),
        mutated("delta:s3://bucket/prefix/x?y=z#main.t"),
        mutated("sqlite:file:/name?vfs=memdb"),
        words(&[
            "postgres:",
            "sqlite:",
            "delta:",
            "//",
            "/",
            "@",
            ":",
            "%",
            "%4",
            "%40",
            "?",
            "&",
            "=",
            "#",
            "[",
            "]",
            "s3",
            "file",
            "'",
            "\\",
            " ",
            "..",
            "host",
            "\0"
        ]),
    ];
    let connections = Connections::new(Config::empty(Path::new("")));
    fuzz("connection URLs", texts, |text| {
        // Looked at and not connected to.
        let _ = connections.frontend(&text);
        let _ = connections.backend(&text);
        let _ = TableName::parse(&text);
        let shown = redact_text(&redact(&text));
        assert_eq!(redact_text(&shown), shown, "{text:?}");
    });
}

/// Any JSON of the fields that records and proofs have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1)),
        "\\PC{0,8}|[0-9a-f]{16}|lake.a.b|DATE '2026-01-01'".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let name = prop::sample::select(vec![
            "format",
            "offload",
            "fingerprint",
            "coverage",
            "wanted",
            "keys",
            "filled_by",
            "rows",
            "chunk",
            "manifest",
            "window",
            "snapshot",
            "total",
            "columns",
            "row_sum",
            "sum",
            "nulls",
            "name",
            "to",
            "from",
            "",
            "Where",
            "Below",
        ]);
        let name = name.prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..8)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

#[test]
fn any_record_and_proof_is_read_or_refused() {
    let text = r#"{"format":1,"offload":{"from":"a.b.c","to":"lake.dw.t"},"fingerprint":"x","coverage":"All","rows":1,
        "chunk":{"manifest":"m","window":"all","rows":1,"snapshot":"s"},"total":{"":{"rows":1,"row_sum":"00000000000000ff",
        "columns":[{"sum":"00000000000000ff","nulls":0}]}},"columns":[]}"#;
    let texts = prop_oneof![
        any_json().prop_map(|value| value.to_string()),
        mutated(text),
        (0..20_000_usize).prop_map(|depth| "[".repeat(depth)),
    ];
    fuzz("records and proofs", texts, |text| {
        let Ok(value) = serde_json::from_str::<Value>(&text) else {
            return;
        };
        if let Ok(record) = Record::read(&value) {
            let _ = record.coverage.to_string();
            let _ = record.offload.validate();
            assert_eq!(
                Record::read(&record.body().expect("JSON")).expect("the same"),
                record
            );
        }
        if let Ok(proof) = serde_json::from_value::<Proof>(value) {
            let again = serde_json::to_value(&proof).expect("JSON");
            assert_eq!(
                serde_json::from_value::<Proof>(again).expect("the same"),
                proof
            );
        }
    });
}

#[test]
fn any_manifest_is_read_or_refused() {
    let text = r#"{"id":"0192f0c1d2e37f4a8b5c6d7e8f901234-0001","files":[{"path":"m=1/part-x.parquet",
        "partition":[["m","1"],["n",null]],"bytes":18446744073709551615,"bounds":[{"min":"1","max":"2","sum":"3"}],
        "hashes":{"rows":18446744073709551615,"row_sum":"00000000000000ff","columns":[{"sum":"00000000000000ff","nulls":0}]}},
        {"path":"p","partition":[["m","é/.."]],"bytes":1,"bounds":[],"hashes":{"rows":1,"row_sum":"0","columns":[]}}]}"#;
    let texts = prop_oneof![
        any_json().prop_map(|value| value.to_string()),
        mutated(text),
    ];
    fuzz("manifests", texts, |text| {
        let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else {
            return;
        };
        let (rows, bytes, hashes) = (manifest.rows(), manifest.bytes(), manifest.hashes());
        assert!(
            manifest
                .files
                .iter()
                .all(|file| file.bytes <= bytes && file.hashes.rows <= rows)
        );
        assert!(
            hashes
                .keys()
                .all(|path| !path.split('/').any(|part| part == ".." || part == "."))
        );
        let again = serde_json::to_string(&manifest).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Manifest>(&again).expect("the same"),
            manifest
        );
    });
}
