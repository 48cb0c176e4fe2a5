//! Every engine, asked the same: a file, and the server of `GOE_TEST_POSTGRES`.

use std::time::Duration;

use arrow::datatypes::DataType;
use tempfile::TempDir;

use super::engine::Value;
use super::*;
use crate::backend::StoredRecord;
use crate::error::{Error, ErrorKind};
use crate::offload::OffloadSpec;
use crate::schema::TableHashes;
use crate::staging::{Manifest, StagedFile};

/// A database of one test's own.
enum Database {
    File(TempDir),
    #[cfg(feature = "postgres")]
    Server(server::Place),
}

impl Database {
    fn file() -> Option<Self> {
        Some(Self::File(tempfile::tempdir().unwrap()))
    }

    /// Opened as one more process would.
    fn open(&self) -> Repository {
        self.try_open(MIGRATIONS, LEASE).unwrap()
    }

    fn try_open(
        &self,
        migrations: &'static [&'static str],
        lease: Duration,
    ) -> Result<Repository, Error> {
        match self {
            Self::File(folder) => {
                let engine = Sqlite::open(&folder.path().join("goe.db"), migrations)?;
                Ok(Repository::with(engine, lease))
            }
            #[cfg(feature = "postgres")]
            Self::Server(place) => {
                let engine = postgres::Postgres::open(&place.connection(), migrations)?;
                Ok(Repository::with(engine, lease))
            }
        }
    }
}

/// Does to the tables what no call of ours does.
fn tamper(repository: &Repository, sql: &'static str) {
    repository.execute(Statement::new(sql, [])).unwrap();
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn status(repository: &Repository, run: &str) -> String {
    repository.history(Some(run)).unwrap().runs[0]
        .status
        .clone()
}

fn ending(status: &str) -> Ending<'_> {
    Ending {
        status,
        rows: 3,
        bytes: 4,
        error: Some("it is \0 so".to_owned()),
    }
}

/// Each of these for each engine.
macro_rules! conformance {
    ($($check:ident,)*) => {
        mod in_a_file {
            $(#[test] fn $check() { super::$check(&super::Database::file().unwrap()); })*
        }
        #[cfg(feature = "postgres")]
        mod on_a_server {
            $(#[test] fn $check() {
                if let Some(database) = super::server::database() {
                    super::$check(&database);
                }
            })*
        }
    };
}

conformance! {
    a_run_and_its_steps_are_remembered,
    a_beginning_finds_its_run_whatever_signs_it_has,
    a_mirror_shows_the_last_record,
    an_offload_is_kept_as_it_was_applied_last,
    what_is_kept_twice_is_kept_once,
    every_table_has_typed_columns_and_its_rows,
    one_run_holds_a_target_and_fences_grow,
    a_lease_that_ended_is_taken_over_and_stays_lost,
    a_lease_ends_by_itself_unless_it_is_renewed,
    of_many_at_once_one_wins,
    a_dead_process_holds_nothing,
    a_run_that_died_is_told_from_one_that_runs,
    a_run_that_is_given_up_frees_what_it_held,
    a_later_form_is_refused,
    several_processes_migrate_one_after_the_other,
    a_migration_is_done_or_not,
}

fn a_run_and_its_steps_are_remembered(database: &Database) {
    let repository = database.open();
    assert!(repository.history(None).unwrap().runs.is_empty());
    for _again in 0..2 {
        repository.begin("r1", "o", "s", "t").unwrap();
        repository.begin_step("r1", 0, "stage", Some(1)).unwrap();
        repository.begin_step("r1", 1, "plan", None).unwrap();
        repository.finish_step("r1", 0, 12, "done").unwrap();
    }
    assert_eq!(status(&repository, "r1"), "running");
    repository.finish("r1", &ending("published")).unwrap();
    drop(repository);

    let history = database.open().history(Some("r")).unwrap();
    let run = &history.runs[0];
    assert_eq!(
        (run.status.as_str(), run.rows, run.bytes),
        ("published", 3, 4)
    );
    assert_eq!(run.error.as_deref(), Some("it is \u{fffd} so"));
    assert!(run.finished.is_some());
    let steps: Vec<_> = history
        .steps
        .iter()
        .map(|step| (step.step.as_str(), step.chunk, step.millis))
        .collect();
    assert_eq!(steps, [("stage", Some(1), Some(12)), ("plan", None, None)]);
}

fn a_beginning_finds_its_run_whatever_signs_it_has(database: &Database) {
    let repository = database.open();
    for run in ["a%1", "a_2", "ab3", "b'4"] {
        repository.begin(run, "o", "s", "t").unwrap();
    }
    for (beginning, run) in [("a%", "a%1"), ("a_", "a_2"), ("ab", "ab3"), ("b'4", "b'4")] {
        let history = repository.history(Some(beginning)).unwrap();
        assert_eq!(history.runs.len(), 1, "{beginning}");
        assert_eq!(history.runs[0].run, run);
    }
    assert_eq!(repository.history(None).unwrap().runs.len(), 4);
    assert_eq!(kind(repository.history(Some("a"))), ErrorKind::Usage);
    assert_eq!(kind(repository.history(Some("%"))), ErrorKind::NotFound);
    let slip = repository.history(Some("ba3")).unwrap_err();
    assert_eq!(slip.kind(), ErrorKind::NotFound);
    assert!(slip.hint_text().unwrap().contains("\"ab3\""), "{slip:?}");
}

fn a_mirror_shows_the_last_record(database: &Database) {
    let repository = database.open();
    for sequence in [1, 2, 2] {
        let record = StoredRecord {
            sequence,
            fence: 1,
            manifest: format!("m{sequence}"),
            body: serde_json::json!({ "format": 1 }),
        };
        repository.mirror("t", &record).unwrap();
    }
    let records = repository.table("records").unwrap();
    assert_eq!(records.num_rows(), 1);
    let shown = arrow::util::pretty::pretty_format_batches(&[records]).unwrap();
    assert!(shown.to_string().contains("m2"), "{shown}");
}

fn an_offload_is_kept_as_it_was_applied_last(database: &Database) {
    let repository = database.open();
    let mut spec = OffloadSpec {
        name: Some("o".to_owned()),
        query: Some("SELECT * FROM a.b.c".to_owned()),
        to: "d.e.f".to_owned(),
        ..OffloadSpec::default()
    };
    repository.apply(&spec).unwrap();
    let first = repository.definition("o").unwrap().unwrap();
    repository.apply(&spec).unwrap();
    assert_eq!(repository.definition("o").unwrap().unwrap(), first);
    spec.parallel = Some(2);
    repository.apply(&spec).unwrap();
    let kept = repository.definitions().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].spec, spec);
    assert!(kept[0].statement.contains("parallel = 2"));
    for name in ["B", "a", "Z"] {
        spec.name = Some(name.to_owned());
        repository.apply(&spec).unwrap();
    }
    let kept = repository.definitions().unwrap();
    let names: Vec<_> = kept.iter().map(|kept| kept.name.as_str()).collect();
    assert_eq!(names, ["B", "Z", "a", "o"]);
    for name in names {
        repository.drop_definition(name).unwrap();
        repository.drop_definition(name).unwrap();
    }
    assert_eq!(repository.definition("o").unwrap(), None);
}

/// A manifest of two files, 7 rows and 20 bytes.
fn manifest() -> Manifest {
    let file = |path: &str, rows| StagedFile {
        path: path.to_owned(),
        partition: Vec::new(),
        bytes: 10,
        bounds: Vec::new(),
        hashes: TableHashes {
            rows,
            ..TableHashes::default()
        },
    };
    Manifest {
        id: "r-0001".to_owned(),
        files: vec![file("a", 3), file("b", 4)],
    }
}

fn keep_chunk(repository: &Repository, run: &str, number: u32) {
    let chunk = Chunk {
        number,
        window: "all rows",
        manifest: &manifest(),
        version: "version 0",
        proof: "7 rows",
    };
    repository.chunk(run, &chunk).unwrap();
}

fn what_is_kept_twice_is_kept_once(database: &Database) {
    let repository = database.open();
    repository.begin("r", "o", "s", "t").unwrap();
    let event = |ordinal: u32| KeptEvent {
        ordinal,
        time: "2024-01-01T00:00:00.000Z".to_owned(),
        event: "note".to_owned(),
        body: "{\"text\":\"what? $1, ?1 and 'it' -- \\u0000\"}".to_owned(),
    };
    for _again in 0..2 {
        keep_chunk(&repository, "r", 1);
        repository.events("r", &[event(0), event(1)]).unwrap();
    }
    repository.events("r", &[]).unwrap();
    for (table, rows) in [("chunks", 1), ("files", 2), ("proofs", 1), ("events", 2)] {
        assert_eq!(repository.table(table).unwrap().num_rows(), rows, "{table}");
    }
    // A chunk of a run that is not there is not kept, nor is any part of it.
    let stray = Chunk {
        number: 1,
        window: "all rows",
        manifest: &manifest(),
        version: "version 0",
        proof: "7 rows",
    };
    assert!(repository.chunk("none", &stray).is_err());
    assert_eq!(repository.table("files").unwrap().num_rows(), 2);
}

fn every_table_has_typed_columns_and_its_rows(database: &Database) {
    let repository = database.open();
    let numbers = [
        "rows", "bytes", "ordinal", "chunk", "millis", "files", "sequence",
    ];
    for name in Repository::table_names() {
        let schema = repository.table_schema(name).unwrap().unwrap();
        for field in schema.fields() {
            let expected = if numbers.contains(&field.name().as_str()) {
                DataType::Int64
            } else {
                DataType::Utf8
            };
            assert_eq!(field.data_type(), &expected, "{name}.{}", field.name());
            assert!(field.is_nullable());
        }
        assert_eq!(repository.table(name).unwrap().schema(), schema, "{name}");
    }
    repository.begin("r1", "o", "s", "t").unwrap();
    assert_eq!(repository.table("runs").unwrap().num_rows(), 1);
    assert!(repository.table_schema("locks").unwrap().is_none());
}

fn one_run_holds_a_target_and_fences_grow(database: &Database) {
    let (one, other) = (database.open(), database.open());
    let first = one.lock("t", "r1", 7).unwrap();
    assert_eq!(first.fence, 8);
    let refused = other.lock("t", "r2", 0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    assert_eq!(refused.facts(), [("run", "r1".to_owned())]);
    assert_eq!(other.lock("another", "r2", 0).unwrap().fence, 1);
    one.renew(&first).unwrap();
    assert_eq!(other.living().unwrap().len(), 2);
    // The answer was lost and the run asks again: it is told a greater fence.
    let first = one.lock("t", "r1", 0).unwrap();
    assert_eq!(first.fence, 9);
    one.free(&first).unwrap();
    one.free(&first).unwrap();
    assert_eq!(kind(one.renew(&first)), ErrorKind::Locked);
    assert_eq!(other.lock("t", "r2", 0).unwrap().fence, 10);
    assert_eq!(kind(one.renew(&first)), ErrorKind::Locked);
}

fn a_lease_that_ended_is_taken_over_and_stays_lost(database: &Database) {
    let (one, other) = (database.open(), database.open());
    let lost = one.lock("t", "r1", 0).unwrap();
    tamper(&one, "UPDATE locks SET expires = 1");
    assert!(one.living().unwrap().is_empty());
    let taken = other.lock("t", "r2", 0).unwrap();
    assert!(taken.fence > lost.fence);
    let told = one.renew(&lost).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Locked);
    assert_eq!(told.facts(), [("run", "r2".to_owned())]);
    one.free(&lost).unwrap();
    assert_eq!(kind(one.lock("t", "r3", 0)), ErrorKind::Locked);
    other.renew(&taken).unwrap();
    // The same run with its earlier fence is another holder.
    tamper(&one, "UPDATE locks SET expires = 1");
    let again = one.lock("t", "r1", 0).unwrap();
    assert_eq!(kind(one.renew(&lost)), ErrorKind::Locked);
    one.free(&lost).unwrap();
    one.renew(&again).unwrap();
}

fn a_lease_ends_by_itself_unless_it_is_renewed(database: &Database) {
    let short = || database.try_open(MIGRATIONS, Duration::from_secs(2));
    let (one, other) = (short().unwrap(), short().unwrap());
    assert_eq!(one.renewal(), Duration::from_millis(500));
    let kept = one.lock("kept", "r1", 0).unwrap();
    let lost = one.lock("lost", "r1", 0).unwrap();
    for _renewal in 0..7 {
        std::thread::sleep(one.renewal());
        one.renew(&kept).unwrap();
    }
    assert_eq!(kind(other.lock("kept", "r2", 0)), ErrorKind::Locked);
    assert_eq!(other.lock("lost", "r2", 0).unwrap().fence, lost.fence + 1);
}

fn of_many_at_once_one_wins(database: &Database) {
    const RUNS: usize = 8;
    let opened: Vec<Repository> = (0..RUNS).map(|_| database.open()).collect();
    let mut before = 0;
    for round in 0..5 {
        let start = std::sync::Barrier::new(RUNS);
        let taken: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = opened
                .iter()
                .enumerate()
                .map(|(number, repository)| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        repository.lock("t", &format!("r{round}-{number}"), 0)
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, RUNS - 1));
        assert!(lost.into_iter().all(|lost| kind(lost) == ErrorKind::Locked));
        let lease = won.into_iter().next().unwrap().unwrap();
        assert!(lease.fence > before);
        before = lease.fence;
        opened[0].free(&lease).unwrap();
    }
}

/// Gives every lock and every run another process.
fn live_in(repository: &Repository, process: &str) {
    for sql in [
        "UPDATE locks SET process = ?1",
        "UPDATE runs SET process = ?1",
    ] {
        let statement = Statement::new(sql, [Value::from(process)]);
        repository.execute(statement).unwrap();
    }
}

/// A process of this host that is dead: this one's number, begun at another time.
fn dead() -> Option<String> {
    let own = process::own();
    if own.is_empty() {
        eprintln!("skipped: processes can't be told apart here");
        return None;
    }
    Some(format!("{own}0"))
}

fn a_dead_process_holds_nothing(database: &Database) {
    let Some(dead) = dead() else { return };
    let (one, other) = (database.open(), database.open());
    let lost = one.lock("t", "r1", 0).unwrap();
    for process in [process::own(), "", "another host 1 1", "elsewhere"] {
        live_in(&one, process);
        assert_eq!(
            kind(other.lock("t", "r2", 0)),
            ErrorKind::Locked,
            "{process}"
        );
        assert_eq!(other.living().unwrap(), ["r1"]);
    }
    live_in(&one, &dead);
    assert!(other.living().unwrap().is_empty());
    let taken = other.lock("t", "r2", 0).unwrap();
    assert_eq!(taken.fence, lost.fence + 1);
    assert_eq!(kind(one.renew(&lost)), ErrorKind::Locked);
    other.renew(&taken).unwrap();
}

fn a_run_that_died_is_told_from_one_that_runs(database: &Database) {
    let Some(dead) = dead() else { return };
    let repository = database.open();
    repository.begin("r1", "o", "s", "t").unwrap();
    let lease = repository.lock("t", "r1", 0).unwrap();
    let told = |process: &str| {
        live_in(&repository, process);
        status(&repository, "r1")
    };
    assert_eq!(told(process::own()), "running");
    assert_eq!(told(&dead), "died");
    // Of a process that nothing is known of, only its lease tells.
    assert_eq!(told(""), "running");
    repository.free(&lease).unwrap();
    assert_eq!(told("elsewhere x x 1 1"), "running", "it has just begun");
    tamper(
        &repository,
        "UPDATE runs SET started = '2020-01-01T00:00:00.000Z'",
    );
    assert_eq!(told(process::own()), "running");
    for process in ["", "elsewhere x x 1 1", &dead] {
        assert_eq!(told(process), "died", "{process}");
    }
    let table = repository.table("runs").unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&[table]).unwrap();
    assert!(shown.to_string().contains("| died "), "{shown}");
    repository.finish("r1", &ending("failed")).unwrap();
    assert_eq!(status(&repository, "r1"), "failed");
}

fn a_run_that_is_given_up_frees_what_it_held(database: &Database) {
    let Some(dead) = dead() else { return };
    let repository = database.open();
    repository.begin("r1", "o", "s", "t").unwrap();
    keep_chunk(&repository, "r1", 1);
    keep_chunk(&repository, "r1", 2);
    let lease = repository.lock("t", "r1", 0).unwrap();
    assert_eq!(kind(repository.abandon("r1")), ErrorKind::Locked);
    assert_eq!(kind(repository.abandon("x")), ErrorKind::NotFound);
    live_in(&repository, &dead);
    let found = repository.abandon("r").unwrap();
    assert_eq!((found.status.as_str(), found.rows), ("died", 14));
    assert_eq!(repository.runs().unwrap()[0].status, "abandoned");
    assert_eq!(repository.table("chunks").unwrap().num_rows(), 2);
    live_in(&repository, "elsewhere x x 1 1");
    assert_eq!(kind(repository.renew(&lease)), ErrorKind::Locked);
    assert!(repository.living().unwrap().is_empty());
    assert_eq!(repository.abandon("r1").unwrap().status, "abandoned");

    for (run, end) in [("r2", "failed"), ("r3", "interrupted")] {
        repository.begin(run, "o", "s", "t").unwrap();
        repository.finish(run, &ending(end)).unwrap();
        assert!(repository.abandon(run).unwrap().is_broken());
    }
    repository.begin("r4", "o", "s", "t").unwrap();
    repository.finish("r4", &ending("published")).unwrap();
    assert_eq!(kind(repository.abandon("r4")), ErrorKind::Usage);
}

/// How many migrations a database has.
fn form(repository: &Repository, database: &Database) -> i64 {
    let sql = match database {
        Database::File(_) => "SELECT user_version FROM pragma_user_version",
        #[cfg(feature = "postgres")]
        Database::Server(_) => "SELECT migrations FROM version",
    };
    repository.rows(Statement::new(sql, [])).unwrap()[0].number(0)
}

fn a_later_form_is_refused(database: &Database) {
    const LATER: [&str; 4] = [
        MIGRATIONS[0],
        MIGRATIONS[1],
        MIGRATIONS[2],
        "CREATE TABLE later (a INTEGER NOT NULL) STRICT;",
    ];
    let later = database.try_open(&LATER, LEASE).unwrap();
    assert_eq!(form(&later, database), 4);
    let error = database.try_open(MIGRATIONS, LEASE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

fn several_processes_migrate_one_after_the_other(database: &Database) {
    const PROCESSES: usize = 6;
    let start = std::sync::Barrier::new(PROCESSES);
    std::thread::scope(|scope| {
        for number in 0..PROCESSES {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let repository = database.open();
                repository
                    .begin(&number.to_string(), "o", "s", "t")
                    .unwrap();
            });
        }
    });
    let repository = database.open();
    assert_eq!(repository.history(None).unwrap().runs.len(), PROCESSES);
    let done = i64::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(form(&repository, database), done);
}

fn a_migration_is_done_or_not(database: &Database) {
    const BROKEN: [&str; 3] = [
        MIGRATIONS[0],
        MIGRATIONS[1],
        "CREATE TABLE half (a INTEGER NOT NULL) STRICT; SELECT no_such_thing FROM half;",
    ];
    // A process that dies between two migrations.
    let first = database.try_open(&MIGRATIONS[..1], LEASE).unwrap();
    assert_eq!(form(&first, database), 1);
    let sql = "INSERT INTO runs (run, offload, source, target, started, status) \
               VALUES ('r0', 'o', 's', 't', '2020-01-01T00:00:00.000Z', 'running')";
    tamper(&first, sql);
    tamper(&first, "INSERT INTO locks VALUES ('t', 'r0', 41, 0)");
    drop(first);
    // One that comes to nothing half-way.
    assert!(database.try_open(&BROKEN, LEASE).is_err());
    let second = database.try_open(&MIGRATIONS[..2], LEASE).unwrap();
    assert_eq!(form(&second, database), 2);
    assert!(
        second
            .rows(Statement::new("SELECT a FROM half", []))
            .is_err()
    );
    drop(second);

    let whole = database.open();
    assert_eq!(status(&whole, "r0"), "died");
    assert_eq!(whole.lock("t", "r1", 0).unwrap().fence, 42);
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goe.db");
    let text = "not a database at all, but long enough to be read as one";
    std::fs::write(&path, text).unwrap();
    assert_eq!(kind(Repository::open(&path)), ErrorKind::Config);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[cfg(feature = "postgres")]
mod server;
