//! Sparing a source and putting up with it: temporary failures are tried again, rows are read as
//! fast as they may, and a long run is cut into chunks that each hold a snapshot shortly.

use std::time::Instant;

use goe::ErrorKind;
use serde_json::Value;

use crate::project::{Project, Ran, postgres};

/// A table of numbers on a real server, gone at the end.
struct Numbers {
    project: Project,
    url: String,
    schema: String,
}

impl Numbers {
    fn new(name: &str, rows: u32, width: u32) -> Option<Self> {
        let url = postgres()?;
        let project = Project::new();
        // An address of its own name, by which its sessions are found at the server.
        let schema = format!("goe_patience_{name}_{}", std::process::id());
        project.connect_postgres(&format!("{url}&application_name={schema}"));
        let numbers = Self {
            project,
            url,
            schema,
        };
        numbers.psql(&format!(
            "CREATE SCHEMA {0}; CREATE TABLE {0}.t (id bigint PRIMARY KEY, name text);
             INSERT INTO {0}.t SELECT i, repeat('x', {width}) || i FROM generate_series(1, {rows}) i;
             ANALYZE {0}.t",
            numbers.schema
        ));
        Some(numbers)
    }

    fn psql(&self, sql: &str) -> String {
        let command = ["-qAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql];
        Ran::of(self.project.command_of("psql", &command))
            .ok()
            .stdout
    }

    fn command<'a>(&'a self, source: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["offload", source, "--to", "lake.pg.t", "-x"][..], more].concat()
    }

    fn source(&self) -> String {
        format!("pg.{}.t", self.schema)
    }

    fn holds(&self, rows: u32) {
        let mut held = self.project.lake("pg", "t").numbers("id");
        held.sort_unstable();
        assert_eq!(held, (1..=i64::from(rows)).collect::<Vec<_>>());
        self.project.goe(&["verify", "lake.pg.t"]).ok();
    }

    /// A slow run whose sessions at the server end while it reads.
    fn cut_off(&self, options: &[&str]) -> Ran {
        let source = self.source();
        let slow = self.command(&source, &[&["--max-rate", "8MB"], options].concat());
        std::thread::scope(|scope| {
            let running = scope.spawn(|| self.project.goe(&slow));
            self.cut_while_it_reads();
            running.join().expect("goe ran")
        })
    }

    /// Ends the sessions of goe at the server as soon as one reads. The rows are more than the
    /// buffers between hold, and goe reads them slowly: the server is at work until the end.
    fn cut_while_it_reads(&self) {
        // One session looks again and again: a new one for each look might come too late.
        self.psql(&format!(
            "SET statement_timeout = '60s';
             DO $$ BEGIN LOOP
                 PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = '{}' AND state = 'active' AND query LIKE 'COPY%';
                 EXIT WHEN FOUND;
                 PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
             END LOOP; END $$",
            self.schema
        ));
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.psql(&format!("DROP SCHEMA {} CASCADE", self.schema));
    }
}

fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

#[test]
fn a_connection_that_is_lost_while_rows_are_read_is_made_again() {
    let Some(numbers) = Numbers::new("cut", 20_000, 1_000) else {
        return;
    };
    let ran = numbers.cut_off(&["--output", "json"]).ok();
    let events = ran.events();
    let again = of_kind(&events, "retrying");
    assert!(!again.is_empty(), "{ran}");
    assert_eq!(again[0]["attempt"], 2, "{ran}");
    assert_eq!(of_kind(&events, "chunk_published").len(), 1, "{ran}");
    numbers.holds(20_000);
    // What the first attempt left is nobody's.
    numbers.project.goe(&["clean", "lake.pg.t", "-x"]).ok();
    numbers.holds(20_000);
}

#[test]
fn without_patience_a_lost_connection_is_a_failure() {
    let Some(numbers) = Numbers::new("fail", 20_000, 1_000) else {
        return;
    };
    let ran = numbers.cut_off(&["--retry-seconds", "0"]);
    ran.fails(ErrorKind::Connect);
    assert!(!numbers.project.is_published("pg", "t"));
    let source = numbers.source();
    numbers.project.goe(&numbers.command(&source, &[])).ok();
    numbers.holds(20_000);
}

#[test]
fn a_whole_table_is_cut_by_a_column_that_is_named() {
    let Some(numbers) = Numbers::new("cutby", 10_000, 100) else {
        return;
    };
    let source = numbers.source();
    let by = ["--chunk-by", "id", "--max-offload-chunk-size", "400K"];
    let planned = numbers
        .project
        .goe(&[&["plan", &source, "--to", "lake.pg.t"][..], &by].concat());
    planned.ok().says(&["cut by id", "snapshot of its own"]);
    let ran = numbers.command(&source, &[&by[..], &["--output", "json"]].concat());
    let ran = numbers.project.goe(&ran).ok();
    let chunks = of_kind(&ran.events(), "chunk_published").len();
    assert!((2..=20).contains(&chunks), "{chunks}: {ran}");
    numbers.holds(10_000);
    let again = numbers.project.goe(&numbers.command(&source, &by)).ok();
    again.says(&["nothing to do", "all rows"]);
    let text = numbers
        .project
        .goe(&["plan", &source, "--to", "lake.pg.u", "--chunk-by", "name"]);
    text.fails(ErrorKind::Unsupported)
        .says(&["name", "whole numbers"]);
}

#[test]
fn a_chunk_that_outlives_its_snapshot_is_cut_in_two() {
    let Some(numbers) = Numbers::new("age", 20_000, 100) else {
        return;
    };
    let source = numbers.source();
    let slow = [
        "--max-rate",
        "1MB",
        "--max-snapshot-seconds",
        "1",
        "--output",
        "json",
    ];
    let ran = numbers.project.goe(&numbers.command(&source, &slow)).ok();
    let chunks = of_kind(&ran.events(), "chunk_published").len();
    assert!(chunks >= 2, "{ran}");
    ran.says(&["cut in two"]);
    numbers.holds(20_000);
    let again = numbers.project.goe(&numbers.command(&source, &[])).ok();
    again.says(&["nothing to do"]);
}

#[test]
fn rows_are_read_no_faster_than_allowed() {
    let project = Project::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40000)
         INSERT INTO t SELECT n, printf('%0100d', n) FROM n",
    );
    let begun = Instant::now();
    let command = [
        "offload",
        "shop.main.t",
        "--to",
        "lake.shop.t",
        "-x",
        "--max-rate",
        "2MB",
    ];
    project.goe(&command).ok();
    // 40,000 rows of more than 100 bytes are more than 4 MB, of which the last batch goes free.
    assert!(begun.elapsed().as_secs_f64() > 1.0, "{:?}", begun.elapsed());
    let zero = project.goe(&[&command[..6], &["0"]].concat());
    zero.fails(ErrorKind::Usage).says(&["--max-rate"]);
}
