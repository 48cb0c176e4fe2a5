//! At the source goe is a guest: it changes nothing, opens no more connections than it says, and
//! leaves at once when it is told to.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use goe::ErrorKind;
use serde_json::Value;
use url::Url;

use crate::independent::Schema;
use crate::project::{Project, Ran, figure, files_below, postgres, signal, wait};

/// The server's URL under a name of one test, by which the server knows our sessions.
pub fn named(server: &str, topic: &str) -> (String, String) {
    let name = format!("goe_{topic}_{}", std::process::id());
    let mut url = Url::parse(server).expect("GOE_TEST_POSTGRES is a URL");
    url.query_pairs_mut().append_pair("application_name", &name);
    (url.into(), name)
}

/// What a query gives.
pub fn asked(project: &Project, server: &str, sql: &str) -> String {
    let command = [
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        server,
        "-c",
        sql,
    ];
    let ran = Ran::of(project.command_of("psql", &command)).ok();
    ran.stdout.trim().to_owned()
}

#[test]
fn nothing_writes_at_postgres_whatever_is_asked() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&server);
    let schema = Schema::new(&project, &server, "guest");
    let place = schema.name().to_owned();
    schema.run_script(&format!(
        "CREATE TABLE log (n integer); CREATE TABLE t (id integer PRIMARY KEY, note text);
         INSERT INTO t VALUES (1, 'a'), (2, 'b');
         CREATE SEQUENCE numbers;
         CREATE FUNCTION writes() RETURNS integer LANGUAGE plpgsql VOLATILE AS
           $$ BEGIN INSERT INTO {place}.log VALUES (1); RETURN 1; END $$;
         CREATE FUNCTION counts() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT nextval('{place}.numbers') $$;
         CREATE VIEW writing AS SELECT id, {place}.writes() AS n FROM {place}.t;
         CREATE VIEW filtering AS SELECT id FROM {place}.t WHERE {place}.writes() = 1;
         CREATE VIEW counting AS SELECT id, {place}.counts() AS n FROM {place}.t;"
    ));
    for view in ["writing", "filtering", "counting"] {
        let source = schema.table(view);
        let offload = ["offload", &source, "--to", "lake.dw.v", "-x"];
        project
            .goe(&offload)
            .fails(ErrorKind::Unsupported)
            .says(&["read-only"]);
        assert!(!project.is_published("dw", "v"), "{view}");
    }
    let table = schema.table("t");
    for sql in [
        format!("INSERT INTO {table} VALUES (3, 'c')"),
        format!("INSERT INTO {table} SELECT 3, 'c'"),
        format!("DELETE FROM {table}"),
        format!("UPDATE {table} SET note = 'x'"),
        format!("DROP TABLE {table}"),
        format!("CREATE TABLE pg.{place}.u AS SELECT 1 AS n"),
        format!("SELECT * FROM {table} WHERE writes() = 1"),
        format!("SELECT * FROM {table} WHERE note = 'a'; DROP TABLE {place}.t"),
    ] {
        let ran = project.goe(&["sql", "-c", &sql]);
        assert_ne!(ran.code, Some(0), "{ran}");
        assert!(ran.stderr.contains("hint: "), "{ran}");
    }
    for filter in [
        "writes() = 1",
        "note = 'a'); DELETE FROM t; --",
        "(DELETE FROM t RETURNING true)",
    ] {
        let ran = project.goe(&[
            "offload",
            &table,
            "--to",
            "lake.dw.w",
            "--where",
            filter,
            "-x",
        ]);
        ran.fails(ErrorKind::Usage);
    }
    let count = format!(
        "SELECT (SELECT count(*) FROM {place}.log) || ' ' || (SELECT count(*) FROM {place}.t) || ' ' || \
         (SELECT is_called FROM {place}.numbers)"
    );
    assert_eq!(asked(&project, &server, &count), "0 2 false");
    figure("source safety: 14 ways to write through goe at PostgreSQL, all refused, 0 changes");
}

/// Rows enough that readers meet.
const WIDE: &str = "CREATE TABLE wide AS SELECT n AS id, repeat(md5(n::text), 8) AS note FROM generate_series(1, 200000) n;
     ALTER TABLE wide ADD PRIMARY KEY (id); ANALYZE wide;";

#[test]
fn no_more_sessions_are_open_than_readers_and_four() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    let (url, name) = named(&server, "sessions");
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &server, "sessions");
    schema.run(WIDE);
    // The server counts by itself: a statement of a moment each would miss most of it.
    schema.run_script(&format!(
        "CREATE FUNCTION most() RETURNS bigint LANGUAGE plpgsql AS $$
         DECLARE most bigint := 0; now bigint; quiet integer := 0;
         BEGIN
           FOR i IN 1..3000 LOOP
             PERFORM pg_stat_clear_snapshot();
             SELECT count(*) INTO now FROM pg_stat_activity WHERE application_name = '{name}';
             quiet := CASE WHEN now = 0 AND most > 1 THEN quiet + 1 ELSE 0 END;
             EXIT WHEN quiet > 100;
             most := greatest(most, now);
             PERFORM pg_sleep(0.01);
           END LOOP;
           RETURN most;
         END $$"
    ));
    let most = format!("SELECT {}.most()", schema.name());
    let source = schema.table("wide");
    let offload = [
        "offload",
        &source,
        "--to",
        "lake.dw.wide",
        "--parallel",
        "4",
        "-x",
    ];
    let most = thread::scope(|scope| {
        let counting = scope.spawn(|| asked(&project, &server, &most));
        thread::sleep(Duration::from_millis(300));
        project.goe(&offload).ok();
        counting.join().expect("a count")
    });
    let most: u32 = most.parse().expect("a number");
    figure(&format!(
        "sessions at PostgreSQL with --parallel 4: at most {most} at once"
    ));
    assert!((2..=8).contains(&most), "{most}");
    let ids = project.lake("dw", "wide").numbers("id");
    assert!(ids.into_iter().eq(1..=200_000));
}

#[test]
fn an_interrupt_stops_the_work_at_the_server_within_five_seconds() {
    let Some(server) = postgres() else { return };
    let project = Project::new();
    let (url, name) = named(&server, "interrupt");
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &server, "interrupt");
    schema.run("CREATE VIEW slow AS SELECT n AS id, pg_sleep(0.02)::text AS note FROM generate_series(1, 100000) n");
    let active = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND state = 'active' \
         AND query LIKE 'COPY%'"
    );
    let source = schema.table("slow");
    let query = format!("SELECT max(note) FROM {source}");
    let begins = |event: &Value| event["event"] == "step_started" && event["step"] == "stage";
    let mut longest = Duration::ZERO;
    for offloads in [true, false] {
        let mut child = if offloads {
            let offload = ["offload", &source, "--to", "lake.dw.slow", "-x"];
            project
                .goe_until(&offload, begins)
                .expect("a run that stages")
        } else {
            project
                .command(&["sql", "-c", &query])
                .spawn()
                .expect("goe starts")
        };
        until(Duration::from_secs(60), || {
            asked(&project, &server, &active) != "0"
        });
        let begun = Instant::now();
        signal(&child, "INT");
        until(Duration::from_secs(5), || {
            asked(&project, &server, &active) == "0"
        });
        longest = longest.max(begun.elapsed());
        assert_eq!(
            wait(&mut child),
            Some(ErrorKind::Interrupted.exit_code().into())
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    assert!(!project.is_published("dw", "slow"));
    figure(&format!(
        "after an interrupt PostgreSQL was idle within {:.1} s",
        longest.as_secs_f64()
    ));
}

/// Waits for something, but not longer than that.
#[track_caller]
fn until(patience: Duration, happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < patience, "not within {patience:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_sqlite_file_is_left_as_it_was() {
    let project = Project::with(
        "PRAGMA journal_mode = DELETE; CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
         INSERT INTO t SELECT n, 'note ' || n FROM n;
         CREATE VIEW v AS SELECT id, writefile('x', note) AS w FROM t;",
    );
    let file = project.path("shop.db");
    let state = || {
        let found = fs::metadata(&file).expect("shop.db");
        (
            found.modified().expect("a time"),
            fs::read(&file).expect("shop.db"),
        )
    };
    let before = state();
    let beside = || {
        files_below(&project.path(""))
            .into_iter()
            .filter(|name| name.starts_with("shop.db"))
            .collect::<Vec<_>>()
    };
    let offload = ["offload", "shop.main.t", "--to", "lake.dw.t", "-x"];
    let works = [
        &["connect", "shop"][..],
        &["tables", "shop"],
        &["describe", "shop.main.t"],
        &["preview", "shop.main.t"],
        &offload,
        &["verify", "lake.dw.t"],
        &["sql", "-c", "SELECT count(*) FROM shop.main.t"],
    ];
    for command in works {
        project.goe(command).ok();
        assert_eq!(beside(), ["shop.db"], "{command:?}");
    }
    for sql in [
        "INSERT INTO shop.main.t VALUES (9999, 'x')",
        "DELETE FROM shop.main.t",
        "UPDATE shop.main.t SET note = 'x'",
        "DROP TABLE shop.main.t",
        "CREATE TABLE shop.main.u AS SELECT 1 AS n",
        "SELECT * FROM shop.main.v",
        "SELECT load_extension('x') FROM shop.main.t",
    ] {
        let ran = project.goe(&["sql", "-c", sql]);
        assert_ne!(ran.code, Some(0), "{ran}");
    }
    assert!(state() == before, "shop.db was changed");
    assert_eq!(beside(), ["shop.db"]);
    figure(
        "source safety: shop.db kept its bytes and its time over 7 commands that read and 7 that tried to write",
    );
}
