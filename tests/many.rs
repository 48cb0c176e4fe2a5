//! Many tables in one command: each a run of its own, described together, done side by side.

use std::thread;
use std::time::Duration;

use goe::ErrorKind;
use serde_json::Value;

use crate::guest::{asked, named};
use crate::independent::Schema;
use crate::project::{Project, figure, long_or, postgres, signal, wait};

/// Tables of three rows each, `t001` and so on.
fn tables(count: usize) -> String {
    format!(
        "DO $$ BEGIN FOR i IN 1..{count} LOOP
           EXECUTE format('CREATE TABLE %I (id integer PRIMARY KEY, note text)', 't' || lpad(i::text, 3, '0'));
           EXECUTE format('INSERT INTO %I VALUES (1, ''a''), (2, NULL), (3, ''c'')', 't' || lpad(i::text, 3, '0'));
         END LOOP; END $$;"
    )
}

/// A project that reaches the server of the tests, and the server's URL.
fn connected() -> Option<(Project, String)> {
    let server = postgres()?;
    let project = Project::new();
    project.connect_postgres(&server);
    Some((project, server))
}

/// The last line that a command wrote.
fn last(ran: &crate::project::Ran) -> Value {
    ran.events().pop().expect("a line")
}

#[test]
fn what_a_pattern_names_is_offloaded_and_one_that_fails_stops_no_other() {
    let Some((project, server)) = connected() else {
        return;
    };
    let schema = Schema::new(&project, &server, "many");
    schema.run_script(
        "CREATE TABLE orders (id integer, sold date) PARTITION BY RANGE (sold);
         CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
         CREATE TABLE empty (id integer);
         CREATE TABLE \"Odd na*me\" (\"a.b\" integer); INSERT INTO \"Odd na*me\" VALUES (7);
         CREATE TABLE days (id integer PRIMARY KEY, day date);
         INSERT INTO days VALUES (1, '2026-01-01'), (2, 'infinity');
         CREATE TABLE days_old (id integer);
         CREATE VIEW recent AS SELECT * FROM days;
         CREATE MATERIALIZED VIEW kept AS SELECT 1 AS id;",
    );
    schema.run("INSERT INTO orders VALUES (1, '2026-01-05'), (2, '2026-01-06')");
    let pattern = schema.table("*");
    let offload = ["offload", &pattern, "--exclude", "*_old", "--to", "lake.dw"];
    let shown = project.goe(&offload).ok();
    let shown = shown.says(&["Odd na*me", "5 tables", "view", "Nothing was written"]);
    assert!(!shown.stdout.contains("days_old"), "{shown}");
    assert!(!project.path("lake").exists());

    let execute = [&offload[..], &["-x"]].concat();
    let ran = project.goe(&execute).fails(ErrorKind::Data);
    let ran = ran.says(&["Offloaded 4 of 5 tables", "1 failed", "days", "infinity"]);
    assert!(!ran.stderr.contains("recent failed"), "{ran}");
    assert_eq!(project.lake("dw", "orders").numbers("id"), [1, 2]);
    assert_eq!(project.lake("dw", "empty").rows(), 0);
    assert!(!project.is_published("dw", "days"));

    // The rest is done by the same command, and nothing twice.
    schema.run("UPDATE days SET day = '2026-01-02' WHERE id = 2; INSERT INTO empty VALUES (1)");
    let again = [&["--output", "json"], &execute[..]].concat();
    let ran = project.goe(&again).ok();
    let summary = last(&ran);
    assert_eq!(summary["event"], "tables", "{ran}");
    assert_eq!(summary["offloaded"], 1, "{ran}");
    assert_eq!(summary["nothing_to_do"], 4, "{ran}");
    for table in ["orders", "days", "Odd na*me", "kept"] {
        let target = format!("lake.dw.\"{table}\"");
        project.goe(&["verify", &target]).ok();
    }
}

#[test]
fn a_pattern_that_means_nothing_good_is_refused() {
    let Some((project, server)) = connected() else {
        return;
    };
    let schema = Schema::new(&project, &server, "many_bad");
    schema.run_script("CREATE TABLE t (id integer); CREATE VIEW v AS SELECT 1 AS a");
    let at = |names: &str| schema.table(names);
    let twin = Schema::new(&project, &server, "many_bad_too");
    twin.run_script("CREATE TABLE t (id integer)");
    let both = format!("pg.{}.t", schema.name().replace("bad", "bad*"));
    let (all, none, views, one) = (at("*"), at("x*"), at("v*"), at("t"));
    let cases: [(&[&str], ErrorKind, &str); 8] = [
        (
            &["offload", &none, "--to", "lake.dw", "-x"],
            ErrorKind::NotFound,
            "No table fits",
        ),
        (
            &["offload", &views, "--to", "lake.dw", "-x"],
            ErrorKind::NotFound,
            "views",
        ),
        (
            &["offload", &all, "-x"],
            ErrorKind::Usage,
            "a place for them",
        ),
        (
            &["offload", &all, "--to", "lake.dw", "--name", "n", "-x"],
            ErrorKind::Usage,
            "--name",
        ),
        (
            &[
                "offload",
                &one,
                "--to",
                "lake.dw.t",
                "--exclude",
                "a*",
                "-x",
            ],
            ErrorKind::Usage,
            "--exclude",
        ),
        (
            &["offload", &both, "--to", "lake.dw", "-x"],
            ErrorKind::Usage,
            "both be offloaded",
        ),
        (
            &["plan", &all, "--to", "lake.dw.t"],
            ErrorKind::Usage,
            "many tables",
        ),
        (&["preview", &all], ErrorKind::Usage, "many tables"),
    ];
    for (command, kind, says) in cases {
        project.goe(command).fails(kind).says(&[says]);
    }
    project
        .goe(&["offload", &both, "--to", "lake", "-x"])
        .ok()
        .says(&["2 of 2 tables"]);
}

/// A catalog is asked for all tables at once, and never for one after the other; what a table is read
/// by are its own snapshots.
#[test]
#[cfg(debug_assertions)]
fn the_catalog_is_asked_as_often_for_many_tables_as_for_few() {
    let (few, many) = (5, 25);
    let asked = |count: usize, execute: bool| -> Option<u64> {
        let (project, server) = connected()?;
        let schema = Schema::new(&project, &server, "many_asked");
        schema.run_script(&tables(count));
        let pattern = schema.table("*");
        let command = [
            "offload",
            &pattern,
            "--to",
            "lake.dw",
            "--parallel",
            "1",
            "-x",
        ];
        let length = command.len() - usize::from(!execute);
        let mut command = project.command(&command[..length]);
        command.env("GOE_FAULT_LOG", project.path("faults"));
        crate::project::Ran::of(command).ok();
        let log = std::fs::read_to_string(project.path("faults")).expect("a log");
        Some(
            log.lines()
                .filter(|line| line.starts_with("source "))
                .count() as u64,
        )
    };
    let (Some(listed), Some(listed_many)) = (asked(few, false), asked(many, false)) else {
        return;
    };
    assert_eq!(listed, listed_many, "a list of tables");
    let (Some(done), Some(done_many)) = (asked(few, true), asked(many, true)) else {
        return;
    };
    // Rounded up: on a slow machine a free session may grow too old, and another is opened.
    let each = (done_many - done).div_ceil((many - few) as u64);
    figure(&format!(
        "requests to PostgreSQL for a list of tables: {listed}, however many; for each table offloaded: {each}"
    ));
    assert!(each <= 14, "{each} for each table: {done}, {done_many}");
}

#[test]
fn sessions_are_few_and_used_again() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    let (url, name) = named(&server, "many_sessions");
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &url, "many_sessions");
    schema.run_script(&tables(long_or(60, 300)));
    let pattern = schema.table("*");
    let offload = [
        "offload",
        &pattern,
        "--to",
        "lake.dw",
        "--parallel",
        "2",
        "-x",
    ];
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    );
    let ended = std::sync::atomic::AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let now: u32 = asked(&project, &server, &count).parse().expect("a number");
                most = most.max(now);
                thread::sleep(Duration::from_millis(20));
            }
            most
        });
        project.goe(&offload).ok();
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        counting.join().expect("a count")
    });
    figure(&format!(
        "sessions at PostgreSQL for many tables with --parallel 2: at most {most} at once"
    ));
    assert!((1..=10).contains(&most), "{most}");
}

#[test]
fn a_person_stops_many_tables_and_goes_on() {
    let Some((project, server)) = connected() else {
        return;
    };
    let schema = Schema::new(&project, &server, "many_stopped");
    schema.run_script(&tables(40));
    let pattern = schema.table("*");
    let offload = [
        "offload",
        &pattern,
        "--to",
        "lake.dw",
        "--parallel",
        "1",
        "-x",
    ];
    let is_third = {
        let seen = std::cell::Cell::new(0);
        move |event: &Value| {
            seen.set(seen.get() + u32::from(event["event"] == "chunk_published"));
            seen.get() == 3
        }
    };
    let mut child = project.goe_until(&offload, is_third).expect("it runs");
    signal(&child, "INT");
    assert_eq!(
        wait(&mut child),
        Some(i32::from(ErrorKind::Interrupted.exit_code()))
    );
    let ran = project
        .goe(&[&["--output", "json"], &offload[..]].concat())
        .ok();
    let summary = last(&ran);
    let before = summary["nothing_to_do"].as_u64().expect("a number");
    assert!((3..40).contains(&before), "{ran}");
    assert_eq!(summary["offloaded"], 40 - before, "{ran}");
    for table in ["t001", "t020", "t040"] {
        assert_eq!(project.lake("dw", table).numbers("id"), [1, 2, 3]);
    }
}

#[test]
fn the_tables_of_a_file_are_offloaded_too() {
    let project = Project::with(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);
         CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO b VALUES (1), (2);
         CREATE VIEW v AS SELECT 1 AS id;",
    );
    let offload = [
        "offload",
        "sqlite:shop.db#main.*",
        "--to",
        "delta:lake#dw",
        "-x",
    ];
    project
        .goe(&offload)
        .ok()
        .says(&["2 of 2 tables", "3 rows"]);
    assert_eq!(project.lake("dw", "b").numbers("id"), [1, 2]);
}
