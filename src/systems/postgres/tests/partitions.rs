//! Declared partitions as the catalog of a real server has them.

use datafusion::scalar::ScalarValue;

use super::*;
use crate::frontend::{Bound, PartitionBound, PartitionMethod, Partitions, SourcePartition};
use crate::schema::parse_value;

impl Place {
    async fn partitions(&self, table: &str) -> Partitions {
        let source = self.open(table).await;
        source.table().partitions.clone().unwrap()
    }
}

fn names(partitions: &Partitions) -> Vec<&str> {
    partitions
        .list
        .iter()
        .map(|part| part.name.as_str())
        .collect()
}

fn part<'a>(partitions: &'a Partitions, name: &str) -> &'a SourcePartition {
    partitions
        .list
        .iter()
        .find(|part| part.name == name)
        .unwrap()
}

fn value(text: &str, canonical: &str) -> ScalarValue {
    parse_value(text, canonical.parse().unwrap()).unwrap()
}

#[test]
fn ranges_have_typed_ends() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (d date, n numeric(12,2), ts timestamp, tz timestamptz, i int,
                                 k text COLLATE \"C\", u uuid, b bool)
               PARTITION BY RANGE (i, n, d, ts, tz, k, u, b);
             CREATE TABLE one PARTITION OF t
               FOR VALUES FROM (-5, -1.5, '2020-01-01', '2020-01-01 10:00:00.5',
                                '2020-01-01 10:00:00.000001+02', 'it''s \\ \",(',
                                '00000000-0000-0000-0000-00000000000A', false)
               TO (7, 12345678.91, 'infinity', MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE);
             CREATE TABLE \"Two \"\"2\"\"\" PARTITION OF t
               FOR VALUES FROM (8, MINVALUE, MINVALUE, MINVALUE, MINVALUE, MINVALUE, MINVALUE,
                                MINVALUE)
               TO (MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE, MAXVALUE,
                   MAXVALUE)",
            )
            .await;
        let partitions = place.partitions("t").await;
        assert_eq!(partitions.method, PartitionMethod::Range);
        assert_eq!(partitions.keys, ["i", "n", "d", "ts", "tz", "k", "u", "b"]);
        assert_eq!(partitions.no_ranges(), None);
        assert_eq!(names(&partitions), ["one", "Two \"2\""]);
        let lower = [
            value("-5", "INTEGER_4"),
            value("-1.50", "DECIMAL(12,2)"),
            value("2020-01-01", "DATE"),
            value("2020-01-01 10:00:00.5", "TIMESTAMP(6)"),
            value("2020-01-01 08:00:00.000001Z", "TIMESTAMP_TZ(6)"),
            value("it's \\ \",(", "LARGE_STRING"),
            value("00000000-0000-0000-0000-00000000000a", "FIXED_STRING(36)"),
            value("false", "BOOLEAN"),
        ];
        let mut upper = vec![
            Bound::Value(value("7", "INTEGER_4")),
            Bound::Value(value("12345678.91", "DECIMAL(12,2)")),
        ];
        upper.resize(8, Bound::Max);
        assert_eq!(
            partitions.list[0].bound,
            PartitionBound::Range {
                lower: lower.map(Bound::Value).to_vec(),
                upper,
            }
        );
        let mut lower = vec![Bound::Value(value("8", "INTEGER_4"))];
        lower.resize(8, Bound::Min);
        assert_eq!(
            partitions.list[1].bound,
            PartitionBound::Range {
                lower,
                upper: vec![Bound::Max; 8],
            }
        );
    });
}

#[test]
fn lists_hold_values_and_null_and_the_rest() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TYPE mood AS ENUM ('sad', 'it''s');
             CREATE TABLE t (m mood) PARTITION BY LIST (m);
             CREATE TABLE b PARTITION OF t FOR VALUES IN ('it''s', NULL);
             CREATE TABLE c PARTITION OF t FOR VALUES IN ('sad');
             CREATE TABLE a PARTITION OF t DEFAULT;
             CREATE TABLE f (x bool) PARTITION BY LIST (x);
             CREATE TABLE f1 PARTITION OF f FOR VALUES IN (true, NULL);
             CREATE TABLE p (c char(3)) PARTITION BY LIST (c);
             CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('a');
             CREATE TABLE h (i int) PARTITION BY HASH (i);
             CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             CREATE TABLE whole (i int)",
            )
            .await;
        let moods = place.partitions("t").await;
        assert_eq!(
            (moods.method, &moods.unusable),
            (PartitionMethod::List, &None)
        );
        assert!(moods.unordered.is_some());
        assert_eq!(names(&moods), ["b", "c", "a"]);
        let null = ScalarValue::LargeUtf8(None);
        let values = vec![vec![value("it's", "LARGE_STRING")], vec![null]];
        assert_eq!(moods.list[0].bound, PartitionBound::List { values });
        assert_eq!(moods.list[2].bound, PartitionBound::Default);
        let flags = place.partitions("f").await;
        let values = vec![
            vec![ScalarValue::Boolean(Some(true))],
            vec![ScalarValue::Boolean(None)],
        ];
        assert_eq!(flags.list[0].bound, PartitionBound::List { values });
        let padded = place.partitions("p").await;
        let values = vec![vec![value("a  ", "FIXED_STRING(3)")]];
        assert_eq!(padded.list[0].bound, PartitionBound::List { values });
        let hashed = place.partitions("h").await;
        assert_eq!(hashed.list[0].bound, PartitionBound::Hash);
        assert_eq!(place.open("whole").await.table().partitions, None);
    });
}

/// Partitions of partitions, attached with other columns, in another schema, opened from the middle.
#[test]
fn partitions_nest() {
    in_schema(|place| async move {
        let other = format!("{}_other", place.schema);
        place
            .run(&format!(
                "CREATE TABLE t (i int, k text, d date) PARTITION BY LIST (k);
             CREATE TABLE a (d date, gone int, k text, i int) PARTITION BY RANGE (d);
             ALTER TABLE a DROP COLUMN gone;
             ALTER TABLE t ATTACH PARTITION a FOR VALUES IN ('a');
             CREATE TABLE a2 PARTITION OF a FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
             CREATE TABLE a1 PARTITION OF a FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
             CREATE TABLE rest PARTITION OF t DEFAULT PARTITION BY HASH (i);
             CREATE TABLE rest0 PARTITION OF rest FOR VALUES WITH (MODULUS 1, REMAINDER 0);
             DROP SCHEMA IF EXISTS {other} CASCADE; CREATE SCHEMA {other};
             CREATE TABLE {other}.b PARTITION OF t FOR VALUES IN ('b');
             INSERT INTO t SELECT i, chr(97 + i % 3), date '2020-01-01' + i % 700
               FROM generate_series(1, 3000) i; ANALYZE t"
            ))
            .await;
        let partitions = place.partitions("t").await;
        let qualified = format!("{other}.b");
        assert_eq!(names(&partitions), ["a", &qualified, "rest"]);
        let a = part(&partitions, "a");
        let below = a.parts.as_ref().unwrap();
        assert_eq!(
            (below.method, below.keys.as_slice()),
            (PartitionMethod::Range, ["d".to_owned()].as_slice())
        );
        assert_eq!(names(below), ["a1", "a2"]);
        assert_eq!(a.rows, Some(1000));
        assert_eq!(a.bytes, below.list.iter().map(|part| part.bytes).sum());
        let rest = part(&partitions, "rest").parts.as_ref().unwrap();
        assert_eq!(
            (rest.method, names(rest)),
            (PartitionMethod::Hash, vec!["rest0"])
        );
        assert_eq!(names(&place.partitions("a").await), ["a1", "a2"]);
        place.run(&format!("DROP SCHEMA {other} CASCADE")).await;
    });
}

#[test]
fn what_no_window_can_follow_says_why() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE expression (k text) PARTITION BY RANGE (lower(k));
             CREATE TABLE expression1 PARTITION OF expression FOR VALUES FROM ('a') TO ('b');
             CREATE TABLE mixed (i int, k text) PARTITION BY RANGE (i, lower(k));
             CREATE TABLE collated (k text COLLATE \"und-x-icu\") PARTITION BY RANGE (k);
             CREATE TABLE collated1 PARTITION OF collated FOR VALUES FROM ('a') TO ('b');
             CREATE TABLE pattern (k text) PARTITION BY RANGE (k text_pattern_ops);
             CREATE TABLE endless (n numeric) PARTITION BY LIST (n);
             CREATE TABLE endless1 PARTITION OF endless FOR VALUES IN (1.0);
             CREATE TABLE floating (f float8) PARTITION BY RANGE (f);
             CREATE TABLE early (d date) PARTITION BY RANGE (d);
             CREATE TABLE early1 PARTITION OF early
               FOR VALUES FROM ('-infinity') TO ('0044-03-15 BC');
             CREATE TABLE plain (k text COLLATE \"C\") PARTITION BY RANGE (k);
             CREATE TABLE plain1 PARTITION OF plain FOR VALUES FROM (MINVALUE) TO ('b')",
            )
            .await;
        for (table, why) in [
            ("expression", "no column"),
            ("mixed", "no column"),
            ("collated", "collation"),
            ("pattern", "operator class"),
            ("endless", "read as text"),
            ("floating", "floating-point"),
            ("early", "early1"),
        ] {
            let partitions = place.partitions(table).await;
            let said = partitions.no_ranges().unwrap_or_default().to_owned();
            assert!(said.contains(why), "{table}: {said}");
        }
        let early = place.partitions("early").await;
        assert!(
            matches!(&early.list[0].bound, PartitionBound::Other { text } if text.contains("BC"))
        );
        assert_eq!(place.partitions("plain").await.no_ranges(), None);
    });
}

#[test]
fn a_bound_that_moves_is_a_changed_table() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE t (i int) PARTITION BY RANGE (i);
             CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (1) TO (2)",
            )
            .await;
        let source = place.open("t").await;
        place
            .run(
                "ALTER TABLE t DETACH PARTITION t1;
             ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (1) TO (3)",
            )
            .await;
        let error = source.snapshot(1).await.unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Conflict);
    });
}
