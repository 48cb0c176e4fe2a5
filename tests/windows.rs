//! Windows: whatever sequence of overlapping conditions, late rows and replaced rows is run, the
//! target holds what a plain model of it says.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Interrupt, Outcome, Unwatched};
use goe::schema::TableName;
use goe::session::Session;
use goe::{ErrorKind, Result};
use proptest::prelude::*;
use proptest::test_runner::{Config as RunnerConfig, TestRunner};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::project::{Project, Ran, postgres};

/// One condition as both dialects write it.
#[derive(Debug, Clone)]
struct Condition {
    goe: String,
    sqlite: String,
}

fn both(text: &str) -> Condition {
    Condition {
        goe: text.to_owned(),
        sqlite: text.to_owned(),
    }
}

fn day(column: &str, op: &str, day: u32) -> Condition {
    Condition {
        goe: format!("{column} {op} DATE '2026-01-{day:02}'"),
        sqlite: format!("{column} {op} '2026-01-{day:02}'"),
    }
}

fn leaf() -> impl Strategy<Value = Condition> {
    let op = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    prop_oneof![
        3 => (1..28_u32, 1..14_u32).prop_map(|(from, length)| {
            let (low, high) = (day("d", ">=", from), day("d", "<", (from + length).min(31)));
            joined(low, "AND", high)
        }),
        2 => (op.clone(), 1..31_u32).prop_map(|(op, at)| day("d", op, at)),
        2 => (op, -2..8).prop_map(|(op, v)| both(&format!("n {op} {v}"))),
        2 => (any::<bool>(), prop::collection::vec(0..6, 1..4)).prop_map(|(not, values)| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            both(&format!("n {}IN ({})", if not { "NOT " } else { "" }, values.join(", ")))
        }),
        1 => prop::sample::select(vec!["n IS NULL", "d IS NULL", "s IS NOT NULL", "s = 'b'", "s LIKE 'a%'"])
            .prop_map(both),
    ]
}

fn joined(a: Condition, word: &str, b: Condition) -> Condition {
    Condition {
        goe: format!("({}) {word} ({})", a.goe, b.goe),
        sqlite: format!("({}) {word} ({})", a.sqlite, b.sqlite),
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| joined(a, "AND", b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| joined(a, "OR", b)),
            inner.prop_map(|a| Condition {
                goe: format!("NOT ({})", a.goe),
                sqlite: format!("NOT ({})", a.sqlite),
            }),
        ]
    })
}

/// What happens next.
#[derive(Debug, Clone)]
enum Move {
    Where(Condition),
    Late(Condition),
    Replace(Condition),
    Rest,
    /// Rows come to the source; by a seed.
    Insert(u32),
    /// Rows of the source change.
    Update(Condition),
    Delete(Condition),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => condition().prop_map(Move::Where),
        2 => condition().prop_map(Move::Late),
        2 => condition().prop_map(Move::Replace),
        1 => Just(Move::Rest),
        3 => any::<u32>().prop_map(Move::Insert),
        1 => condition().prop_map(Move::Update),
        1 => condition().prop_map(Move::Delete),
    ];
    prop::collection::vec(one, 2..7)
}

/// Thirty rows or so, from a seed; NULL in one of seven.
fn rows(seed: u32, first: u32) -> Vec<String> {
    let mut state = u64::from(seed) | 1;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (first..first + 5 + u32::try_from(next(25)).unwrap_or_default())
        .map(|id| {
            let n = if next(7) == 0 {
                "NULL".to_owned()
            } else {
                next(6).to_string()
            };
            let d = if next(7) == 0 {
                "NULL".to_owned()
            } else {
                format!("'2026-01-{:02}'", next(30) + 1)
            };
            let s =
                ["NULL", "'a'", "'ab'", "'b'", "''"][usize::try_from(next(5)).unwrap_or_default()];
            format!("({id}, {n}, {d}, {s}, {})", next(1000))
        })
        .collect()
}

/// A plain model of source and target, in SQLite: the source is the table `t`, the target `held`.
struct Model {
    source: Connection,
    covered: Vec<Condition>,
}

impl Model {
    fn new(path: &Path) -> Self {
        let source = Connection::open(path).unwrap();
        source
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
                 CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, d DATE, s TEXT, v INTEGER NOT NULL);
                 CREATE TABLE held (id INTEGER, n INTEGER, d DATE, s TEXT, v INTEGER NOT NULL);",
            )
            .unwrap();
        let covered = Vec::new();
        Self { source, covered }
    }

    fn execute(&self, sql: &str) {
        self.source.execute_batch(sql).unwrap();
    }

    fn covered(&self) -> String {
        let mut text = "0".to_owned();
        for condition in &self.covered {
            write!(text, " OR (({}) IS TRUE)", condition.sqlite).unwrap();
        }
        text
    }

    fn held(&self) -> Vec<String> {
        let sql = "SELECT id || '|' || ifnull(n, 'NULL') || '|' || ifnull(d, 'NULL') || '|' || ifnull(s, 'NULL') \
                   || '|' || v FROM held ORDER BY id, v";
        let mut statement = self.source.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn count(&self, sql: &str) -> i64 {
        self.source.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

struct World {
    runtime: Runtime,
    session: Session,
    folder: tempfile::TempDir,
    spec: OffloadSpec,
}

impl World {
    /// A world whose source is `from`, of the connection in `toml`.
    fn new(folder: tempfile::TempDir, toml: &str, from: &str) -> Self {
        let text = format!("{toml}\n[connections.lake]\nurl = \"delta:lake\"\n");
        let session = Session::new(Config::parse(&text, folder.path()).unwrap()).unwrap();
        let spec = OffloadSpec {
            from: Some(from.to_owned()),
            to: "lake.dw.t".to_owned(),
            partition_by: vec!["month(d)".to_owned()],
            parallel: Some(1),
            ..OffloadSpec::default()
        };
        let runtime = Runtime::new().unwrap();
        Self {
            runtime,
            session,
            folder,
            spec,
        }
    }

    fn run(&self, take: &Take) -> Result<Outcome> {
        let offload = self.spec.validate()?;
        let run = self
            .session
            .offload(&offload, take, Arc::new(Unwatched), Interrupt::never());
        self.runtime.block_on(run)
    }

    fn held(&self) -> Vec<String> {
        let query = "SELECT id, n, d, s, v FROM lake.dw.t ORDER BY id, v";
        let frame = match self.runtime.block_on(self.session.sql(query)) {
            Ok(frame) => frame,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => panic!("{error}"),
        };
        let batches = self.runtime.block_on(frame.collect()).unwrap();
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let cells = batch
                    .columns()
                    .iter()
                    .map(|column| match column.is_null(row) {
                        true => "NULL".to_owned(),
                        false => array_value_to_string(column, row).unwrap(),
                    });
                rows.push(cells.collect::<Vec<_>>().join("|"));
            }
        }
        rows
    }

    fn stored_proof_holds(&self) -> bool {
        let target = TableName::new("lake", "dw", "t");
        let found = self.session.verify(
            &target,
            &Against::Stored,
            Arc::new(Unwatched),
            Interrupt::never(),
        );
        self.runtime.block_on(found).unwrap().equal()
    }
}

/// Plays moves against the product and the model side by side.
fn play(world: &World, model: &mut Model, twin: &mut dyn FnMut(&str), moves: &[Move]) {
    let mut published = false;
    let mut change = |model: &Model, sql: &str, twin_sql: &str| {
        model.execute(sql);
        twin(twin_sql);
    };
    let start = format!("INSERT INTO t VALUES {}", rows(7, 0).join(", "));
    change(model, &start, &start);
    for step in moves {
        let covered = model.covered();
        match step {
            Move::Insert(seed) => {
                let next = model.count("SELECT coalesce(max(id), 0) + 1 FROM t");
                let rows = rows(*seed, u32::try_from(next).unwrap());
                let sql = format!("INSERT INTO t VALUES {}", rows.join(", "));
                change(model, &sql, &sql);
                continue;
            }
            Move::Update(p) => {
                let sql = |p: &str| format!("UPDATE t SET v = v + 1 WHERE {p}");
                change(model, &sql(&p.sqlite), &sql(&p.goe));
                continue;
            }
            Move::Delete(p) => {
                let sql = |p: &str| format!("DELETE FROM t WHERE id % 3 = 0 AND ({p})");
                change(model, &sql(&p.sqlite), &sql(&p.goe));
                continue;
            }
            Move::Where(p) => {
                let outcome = world.run(&Take::Where(p.goe.clone()));
                if never_true(&outcome) {
                    continue;
                }
                let _ = outcome.unwrap();
                model.execute(&format!(
                    "INSERT INTO held SELECT * FROM t WHERE ({}) AND NOT ({covered})",
                    p.sqlite
                ));
                model.covered.push(p.clone());
            }
            Move::Rest => {
                let _ = world.run(&Take::Rest).unwrap();
                model.execute(&format!(
                    "INSERT INTO held SELECT * FROM t WHERE NOT ({covered})"
                ));
                model.covered.push(both("1 = 1"));
            }
            Move::Late(p) => {
                let outcome = world.run(&Take::Late(p.goe.clone()));
                if never_true(&outcome) {
                    continue;
                }
                let there = model.count(&format!(
                    "SELECT count(*) FROM held WHERE ({}) AND ({covered})",
                    p.sqlite
                ));
                if there > 0 {
                    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Conflict, "{p:?}");
                } else {
                    let _ = outcome.unwrap();
                    model.execute(&format!(
                        "INSERT INTO held SELECT * FROM t WHERE ({}) AND ({covered})",
                        p.sqlite
                    ));
                }
            }
            Move::Replace(p) => {
                let outcome = world.run(&Take::Replace(p.goe.clone()));
                if never_true(&outcome) {
                    continue;
                }
                if !published {
                    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotFound);
                    continue;
                }
                let _ = outcome.unwrap();
                model.execute(&format!(
                    "DELETE FROM held WHERE {0}; INSERT INTO held SELECT * FROM t WHERE {0};",
                    p.sqlite
                ));
                model.covered.push(p.clone());
            }
        }
        published =
            published || !world.held().is_empty() || world.folder.path().join("lake/dw/t").exists();
        assert_eq!(world.held(), model.held(), "after {step:?}");
    }
    if published {
        assert!(world.stored_proof_holds(), "the running total of the proof");
    }
}

/// A condition that is proved to be true for no row is refused, and nothing happens.
fn never_true(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Err(error) if error.kind() == ErrorKind::Usage && error.message().starts_with("No row can be"))
}

fn sequences() -> u32 {
    std::env::var("GOE_TEST_SEQUENCES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200)
}

fn check(cases: u32, play_one: impl Fn(&[Move])) {
    let config = RunnerConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..RunnerConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&moves(), |moves| {
        play_one(&moves);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn sequences_of_windows_from_sqlite_are_exact() {
    check(sequences(), |moves| {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::new(&folder.path().join("shop.db"));
        let world = World::new(
            folder,
            "[connections.shop]\nurl = \"sqlite:shop.db\"",
            "shop.main.t",
        );
        play(&world, &mut model, &mut |_| {}, moves);
    });
}

#[test]
fn sequences_of_windows_from_postgres_are_exact() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    let schema = format!("goe_windows_{}", std::process::id());
    let psql = |sql: &str| {
        let command = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql];
        Ran::of(project.command_of("psql", &command)).ok();
    };
    psql(&format!("CREATE SCHEMA {schema}"));
    let half = |table: &str| {
        psql(&format!(
            "CREATE TABLE {schema}.{table} \
             (id integer PRIMARY KEY, n integer, d date, s text, v integer NOT NULL)"
        ));
        let from = format!("pg.{schema}.{table}");
        check(sequences() / 2, |moves| {
            psql(&format!("TRUNCATE {schema}.{table}"));
            let folder = tempfile::tempdir().unwrap();
            let mut model = Model::new(&folder.path().join("model.db"));
            let world = World::new(folder, &format!("[connections.pg]\nurl = \"{url}\""), &from);
            let own = |sql: &str| sql.replace(" t ", &format!(" {schema}.{table} "));
            let mut twin = |sql: &str| psql(&own(sql));
            play(&world, &mut model, &mut twin, moves);
        });
    };
    std::thread::scope(|scope| {
        for table in ["one", "two"] {
            scope.spawn(move || half(table));
        }
    });
    psql(&format!("DROP SCHEMA {schema} CASCADE"));
}
