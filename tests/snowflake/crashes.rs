//! Runs that die, meet others, or are lied to: nothing lost, nothing twice, nothing unproved.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use goe::ErrorKind;
use goe::backend::{
    Backend, Change, Mode, Publication, StoredRecord, TargetColumn, TargetDefinition,
};
use goe::config::Config;
use goe::schema::{CanonicalType, TableName};
use goe::session::Session;
use goe::staging::Manifest;
use serde_json::json;

use super::{ORDERS, World, published};
use crate::project::{Project, Ran, files_below, wait};

const COUNT: &str = "SELECT COUNT(*), COUNT(DISTINCT \"ID\") FROM \"TPCH\".\"ORDERS\"";

impl World {
    /// The offload of the orders with a fault, not yet started.
    fn faulty(&self, fault: &str) -> std::process::Command {
        let words = ["--output", "json", "offload", "shop.main.orders", "--to"];
        let more = ["sf.tpch.orders", "-x"];
        let mut command = self.project.command(&[&words[..], &more].concat());
        command
            .env("GOE_FAULT", fault)
            .env("GOE_FAULT_LOG", self.project.path("faults"));
        command
    }

    /// Nobody holds the target any longer.
    fn expire_leases(&self) {
        let database = rusqlite::Connection::open(self.project.path("goe.db")).expect("goe.db");
        database
            .execute_batch("UPDATE locks SET expires = min(expires, 1)")
            .expect("the locks");
    }

    /// The plain run after one that died brings every row once.
    #[track_caller]
    fn finishes(&self, after: &str) {
        self.expire_leases();
        let there = match self.ask(TABLE).is_empty() {
            true => 0,
            false => self.ask(COUNT)[0]
                .split('|')
                .next()
                .expect("a count")
                .parse()
                .expect("a count"),
        };
        let ran = self.offload("orders", &[]).ok();
        assert_eq!(published(&ran), 100 - there, "after {after}: {ran}");
        assert_eq!(self.ask(COUNT), ["100|100"], "after {after}");
    }
}

const TABLE: &str = "SELECT table_name FROM information_schema.tables \
                     WHERE table_schema = 'TPCH' AND table_name = 'ORDERS'";

#[test]
fn a_run_that_dies_anywhere_is_finished_by_the_next() {
    for point in [
        "load.begun",
        "load.ended",
        "verify.ended",
        "publish.prepared",
        "publish.before_commit",
        "publish.committed",
        "publish.unheard",
    ] {
        let Some(world) = World::new(ORDERS) else {
            return;
        };
        let died = Ran::of(world.faulty(&format!("{point}=abort")));
        assert_ne!(died.code, Some(0), "{point}: {died}");
        world.finishes(point);
    }
}

/// Each request to the server and to the staging may be the last one.
#[test]
fn a_run_that_dies_at_any_request_is_finished_by_the_next() {
    let mut died = 0;
    for number in (1..200).step_by(4) {
        let Some(world) = World::new(ORDERS) else {
            return;
        };
        let ran = Ran::of(world.faulty(&format!("store=abort@{number}")));
        if ran.code == Some(0) {
            break;
        }
        died += 1;
        world.finishes(&format!("request {number}"));
    }
    assert!(died >= 4, "{died} runs died");
}

/// What a dead run leaves is found and removed, and what a living one needs is not.
#[test]
fn what_dead_runs_leave_is_cleaned() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    Ran::of(world.faulty("verify.ended=abort"));
    let loads = "SELECT table_name FROM information_schema.tables \
                 WHERE table_schema = 'TPCH' AND table_name LIKE 'GOE_LOAD%'";
    assert_eq!(world.ask(loads).len(), 1);
    world.finishes("verify.ended");
    assert_eq!(world.ask(loads).len(), 1, "the dead run's");
    world.goe(&["clean", "sf.tpch.orders", "-x"]).ok();
    world.is_tidy();
    assert_eq!(world.ask(COUNT), ["100|100"]);
}

fn staged_file(world: &World) -> PathBuf {
    let folder = world.project.path("stage");
    let files = files_below(&folder);
    let file = files.iter().find(|file| file.ends_with(".parquet"));
    folder.join(file.expect("a staged file"))
}

/// An offload, and what it says, whose staged file is meddled with before the load.
fn meddled(world: &World, meddle: impl Fn(PathBuf)) -> (Option<i32>, String) {
    let _ = fs::remove_file(world.project.path("faults"));
    let mut child = world
        .faulty("stage.ended=hang:5000")
        .spawn()
        .expect("goe starts");
    let begun = Instant::now();
    let hangs = || {
        let faults = fs::read_to_string(world.project.path("faults")).unwrap_or_default();
        faults.contains("stage.ended")
    };
    while !hangs() && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(20));
    }
    meddle(staged_file(world));
    let code = wait(&mut child);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said)
        .expect("text");
    (code, said)
}

#[test]
fn a_staged_file_that_was_changed_is_caught() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    Ran::of(world.faulty("load.begun=abort"));
    world.expire_leases();
    let other = fs::read(staged_file(&world)).expect("a staged file");
    fs::remove_file(staged_file(&world)).expect("a staged file");
    world
        .project
        .sqlite("UPDATE orders SET amount = '0.01' WHERE id = 50");
    let (code, said) = meddled(&world, |file| {
        fs::write(file, &other).expect("a staged file");
    });
    assert_eq!(code, Some(ErrorKind::Verify.exit_code().into()));
    assert!(
        said.contains("amount: sum 34331.76 staged, 34675.00"),
        "{said}"
    );
    assert!(world.ask(TABLE).is_empty(), "nothing was published");
}

#[test]
fn a_staged_file_that_was_removed_is_named() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let (code, said) = meddled(&world, |file| {
        fs::remove_file(file).expect("a staged file");
    });
    assert_eq!(code, Some(ErrorKind::Load.exit_code().into()), "{said}");
    assert!(said.contains(".parquet' was not found"), "{said}");
    assert!(world.ask(TABLE).is_empty(), "nothing was published");
    world.finishes("a file that was removed");
}

#[test]
fn of_two_that_do_not_know_of_each_other_one_publishes() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let other = Project::with(ORDERS);
    let text = fs::read_to_string(world.project.path("goe.toml")).expect("the file");
    other.write("goe.toml", &text);
    let words = [
        "--output",
        "json",
        "offload",
        "shop.main.orders",
        "--to",
        "sf.tpch.orders",
        "-x",
    ];
    let first = thread::spawn(move || Ran::of(other.command(&words)));
    let second = world.goe(&words);
    let first = first.join().expect("a run");
    let rows: u64 = [&first, &second].map(published).iter().sum();
    assert_eq!(rows, 100, "{first}\n{second}");
    assert_eq!(world.ask(COUNT), ["100|100"]);
}

fn backend(world: &World) -> std::sync::Arc<dyn Backend> {
    let config = Config::read(&world.project.path("goe.toml")).expect("the configuration");
    let session = Session::new(config).expect("a session");
    session.connections().backend("sf").expect("a backend")
}

fn publication(sequence: u64, fence: u64, manifest: &str) -> Publication {
    let column = TargetColumn {
        name: "id".to_owned(),
        canonical: CanonicalType::Integer8,
        stored: CanonicalType::Integer8,
        native: "NUMBER(19,0)".to_owned(),
        source: String::new(),
        nullable: true,
        comment: None,
    };
    let target = TargetDefinition {
        name: TableName::new("sf", "tpch", "fenced"),
        columns: vec![column],
        partition_columns: Vec::new(),
        cluster_columns: Vec::new(),
        comment: None,
    };
    Publication {
        change: match sequence {
            1 => Change::Create(target.clone()),
            _ => Change::None,
        },
        target,
        manifest: Manifest {
            id: manifest.to_owned(),
            files: Vec::new(),
        },
        mode: Mode::Append,
        record: StoredRecord {
            sequence,
            fence,
            manifest: manifest.to_owned(),
            body: json!({"n": sequence}),
        },
        proof: json!({"of": manifest}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_counts_once_and_an_old_holder_is_refused() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let backend = backend(&world);
    let publish = async |publication: &Publication| {
        let loaded = backend.load(&publication.target, &publication.manifest);
        loaded.await.expect("a load");
        backend.publish(publication).await
    };
    let first = publication(1, 7, "m-1");
    assert!(!publish(&first).await.expect("published").already);
    assert!(publish(&first).await.expect("published").already);
    let late = publish(&publication(2, 6, "m-2")).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Locked, "{late:?}");
    for sequence in [1, 3] {
        let other = publish(&publication(sequence, 8, "m-3")).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Conflict, "{other:?}");
    }
    assert!(
        !publish(&publication(2, 7, "m-2"))
            .await
            .expect("published")
            .already
    );
    let described = backend.describe("tpch", "fenced").await.expect("described");
    let record = described.and_then(|table| table.record).expect("a record");
    assert_eq!((record.sequence, record.fence), (2, 7));
    let proof = backend
        .proof("tpch", "fenced", &record)
        .await
        .expect("a proof");
    assert_eq!(proof, Some(json!({"of": "m-2"})));
}
