//! States that can be had again, and what a plan says where there is none.

use goe::ErrorKind;

use super::{World, rows, texts};
use crate::doubles::tds::{Fault, Mishap, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_named_state_can_be_opened_again_and_a_transaction_can_not() {
    let world = World::new();
    world.numbers("dbo.t", 10);
    world.tds.snapshot("noon");
    let live = world.open("t").await;
    for readers in [1, 4] {
        let snapshot = live.snapshot(readers).await.expect("a snapshot");
        assert!(!snapshot.facts().again, "{}", snapshot.facts().label);
    }
    world.connect("encrypt = \"disable\"\nsnapshot = \"noon\"");
    let mut seen = Vec::new();
    for late in 0..2_i64 {
        let source = world.open("t").await;
        let snapshot = source.snapshot(2).await.expect("a snapshot");
        let facts = snapshot.facts();
        assert!(facts.again);
        let read = rows(&source, &snapshot, None).await.expect("rows");
        seen.push((facts.label.clone(), texts(&read, 0)));
        let row = vec![(1000 + late).into(), "late".into()];
        world.tds.insert("dbo.t", vec![row]);
    }
    assert_eq!(seen[0], seen[1]);
    world.understood();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_writes_to_is_the_same_again() {
    for (read_only, allows_snapshot) in [(true, true), (true, false), (false, false)] {
        let options = Options {
            read_only,
            allows_snapshot,
            ..Options::default()
        };
        let world = World::with(options, "encrypt = \"disable\"");
        world.numbers("dbo.t", 10);
        let source = world.open("t").await;
        let snapshot = source.snapshot(3).await.expect("a snapshot");
        let facts = snapshot.facts();
        assert_eq!((facts.again, facts.mixed.is_none()), (read_only, read_only));
        assert_eq!(facts.readers, if read_only { 3 } else { 1 });
    }
}

#[test]
fn a_plan_says_what_it_means_that_snapshots_are_off() {
    let off = Options {
        allows_snapshot: false,
        ..Options::default()
    };
    let world = World::with(off, "encrypt = \"disable\"");
    world.numbers("dbo.t", 10);
    let plan = ["plan", "mssql.dbo.t", "--to", "lake.tpch.t"];
    world.goe(&plan).ok().says(&[
        "NOT one state",
        "ALLOW_SNAPSHOT_ISOLATION ON",
        "missed or read twice",
    ]);
    world.understood();
}

/// The rows are staged anew, and are those of the same state.
#[test]
fn a_run_that_broke_off_is_taken_up_in_the_same_state() {
    for again in [&[][..], &["--retry-seconds", "0"]] {
        let world = World::new();
        world.numbers("dbo.t", 3000);
        world.tds.snapshot("noon");
        world.connect("encrypt = \"disable\"\nsnapshot = \"noon\"");
        let late = vec![100_000.into(), "late".into()];
        world.tds.insert("dbo.t", vec![late]);
        let lost = Fault::at(Mishap::Close, "[name] FROM [dbo].[t]").rows(1000);
        world.tds.plan(lost);
        let first = world.offload("t", again);
        if again.is_empty() {
            first.ok();
        } else {
            first.fails(ErrorKind::Connect);
            world.offload("t", &[]).ok();
        }
        assert_eq!(world.tds.faults_left(), 0);
        let mut held = world.project.lake("tpch", "t").numbers("id");
        held.sort_unstable();
        assert_eq!(held, (0..3000).collect::<Vec<i64>>());
        world.goe(&["verify", "lake.tpch.t"]).ok();
        world.understood();
    }
}
