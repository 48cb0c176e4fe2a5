//! Writers at full speed while four workers read: the copy is one state of the source.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::job::Server;
use super::{rounds, seed, tell};
use crate::project::{Project, Ran};
use crate::random::Random;

/// How many accounts, and what is on each at first: the sum never changes.
const ACCOUNTS: i64 = 4000;
const BALANCE: i64 = 1000;

/// The copy holds every account, and all the money.
fn check(project: &Project) {
    let table = project.lake("dw", "accounts");
    assert!(table.numbers("id").into_iter().eq(1..=ACCOUNTS));
    let sum: i64 = table.numbers("balance").iter().sum();
    assert_eq!(sum, ACCOUNTS * BALANCE, "transfers were seen by half");
}

fn offload(project: &Project, source: &str) -> Ran {
    let command = [
        "offload",
        source,
        "--to",
        "lake.dw.accounts",
        "--select",
        "id, balance",
        "--parallel",
        "4",
        "--verify",
        "aggregates",
        "--reset",
        "-x",
    ];
    project.goe(&command)
}

/// Transfers between two accounts until it is told to stop.
fn transfer(project: &Project, seed: u64, stop: &AtomicBool, done: &AtomicU64) {
    let database = rusqlite::Connection::open(project.path("shop.db")).expect("shop.db");
    database
        .busy_timeout(Duration::from_secs(20))
        .expect("shop.db");
    database
        .execute_batch("PRAGMA synchronous = off")
        .expect("shop.db");
    let sql = "UPDATE accounts SET balance = balance + CASE WHEN id = ?1 THEN -?3 ELSE ?3 END WHERE id IN (?1, ?2)";
    let mut statement = database.prepare(sql).expect("SQL");
    let mut random = Random::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = (
            random.between(1, ACCOUNTS / 2),
            random.between(ACCOUNTS / 2 + 1, ACCOUNTS),
        );
        statement
            .execute((from, to, random.between(1, 9)))
            .expect("a transfer");
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether the last run had four readers of one state; it has one where writers never pause.
fn read_together(project: &Project) -> bool {
    let metadata = project.lake("dw", "accounts").metadata;
    metadata.to_string().contains("4 read transactions")
}

/// Lets the writers end, also where a check fails.
struct StopOnDrop<'s>(&'s AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_is_written_to_all_the_time_is_copied_as_it_was_once() {
    // Wide rows, so that the table is cut into splits.
    let project = Project::with(&format!(
        "PRAGMA journal_mode = wal;
         CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, pad BLOB);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ACCOUNTS})
         INSERT INTO accounts SELECT n, {BALANCE}, zeroblob(16000) FROM n"
    ));
    let plan = ["plan", "shop.main.accounts", "--to", "lake.dw.accounts"];
    let plan = project.goe(&[&plan[..], &["--parallel", "4"]].concat());
    plan.ok().says(&["4 worker(s)"]);
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let (seed, times) = (seed(), rounds(5, 50));
    let (transfers, together) = thread::scope(|scope| {
        for writer in 0..2 {
            let (project, stop, done) = (&project, &stop, &done);
            scope.spawn(move || transfer(project, seed + writer, stop, done));
        }
        let _stopped = StopOnDrop(&stop);
        let (begun, mut together) = (done.load(Ordering::Relaxed), 0);
        for _ in 0..times {
            let before = done.load(Ordering::Relaxed);
            offload(&project, "shop.main.accounts").ok();
            let now = done.load(Ordering::Relaxed);
            assert!(now > before, "the writers stood still");
            check(&project);
            together += usize::from(read_together(&project));
        }
        (done.load(Ordering::Relaxed) - begun, together)
    });
    tell(
        "writers during a read, SQLite",
        &format!(
            "{times} runs beside {transfers} transfers, {together} of them with 4 readers, the others \
             with the one that writers leave; the sum held in each"
        ),
    );
}

#[test]
fn a_server_that_is_written_to_all_the_time_is_copied_as_it_was_once() {
    let quarter = ACCOUNTS / 4;
    let Some(server) =
        Server::new(
            "writers",
            &format!(
            "CREATE TABLE accounts (id integer, balance bigint NOT NULL) PARTITION BY RANGE (id);
             CREATE TABLE accounts_1 PARTITION OF accounts FOR VALUES FROM (MINVALUE) TO ({});
             CREATE TABLE accounts_2 PARTITION OF accounts FOR VALUES FROM ({0}) TO ({});
             CREATE TABLE accounts_3 PARTITION OF accounts FOR VALUES FROM ({1}) TO ({});
             CREATE TABLE accounts_4 PARTITION OF accounts FOR VALUES FROM ({2}) TO (MAXVALUE);
             INSERT INTO accounts SELECT i, {BALANCE} FROM generate_series(1, {ACCOUNTS}) i;
             CREATE INDEX ON accounts (id);
             CREATE TABLE stop (now integer); CREATE SEQUENCE transfers; ANALYZE",
            quarter + 1, 2 * quarter + 1, 3 * quarter + 1
        ),
        )
    else {
        return;
    };
    let project = Project::new();
    project.connect_postgres(&server.url);
    // Each writer has accounts of its own, or they would wait for each other in circles.
    let writer = |parity: i64| {
        let any = format!(
            "2 * floor(random() * {})::integer + 1 + {parity}",
            ACCOUNTS / 2
        );
        let sql = format!(
            "DO $$ DECLARE a integer; b integer; BEGIN LOOP
               EXIT WHEN EXISTS (SELECT FROM stop);
               a := {any}; b := {any};
               CONTINUE WHEN a = b;
               UPDATE accounts SET balance = balance + CASE WHEN id = a THEN -3 ELSE 3 END
               WHERE id IN (a, b);
               PERFORM nextval('transfers'); COMMIT;
             END LOOP; END $$"
        );
        server.psql_command(&sql)
    };
    let transfers = || -> u64 {
        let ran =
            Ran::of(server.psql_command("SELECT 'transfers ' || last_value FROM transfers")).ok();
        let word = ran
            .stdout
            .split_whitespace()
            .skip_while(|word| *word != "transfers")
            .nth(1);
        word.and_then(|word| word.parse().ok()).expect("a number")
    };
    let mut writers: Vec<_> = (0..2)
        .map(|parity| writer(parity).spawn().expect("psql"))
        .collect();
    let times = rounds(5, 50);
    let first = transfers();
    let source = format!("pg.{}.accounts", server.schema);
    for _ in 0..times {
        let before = transfers();
        offload(&project, &source).ok();
        assert!(transfers() > before, "the writers stood still");
        check(&project);
    }
    let all = transfers() - first;
    server.psql("INSERT INTO stop VALUES (1)");
    for writer in &mut writers {
        assert_eq!(crate::project::wait(writer), Some(0), "a writer");
    }
    tell(
        "writers during a read, PostgreSQL",
        &format!("{times} runs of 4 readers beside {all} transfers; the sum held in each"),
    );
}
