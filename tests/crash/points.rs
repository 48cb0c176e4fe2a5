//! Every fault point, with every way to fail there.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use goe::fault::POINTS;

use super::job::{Job, Server, copy_of, expire_leases, reached, visible};
use super::{all_hold, ended_cleanly, is_long, tell};
use crate::project::{Project, Ran};

/// One way to fail.
#[derive(Debug, Clone)]
struct Case {
    point: String,
    action: &'static str,
    time: u64,
}

impl Case {
    fn fault(&self) -> String {
        format!("{}={}@{}", self.point, self.action, self.time)
    }

    /// What the command that has the fault must come to.
    #[track_caller]
    fn judge(&self, ran: &Ran, made: bool) {
        let case = self.fault();
        assert!(made, "{case} is never made: {ran}");
        match self.action {
            "error" => ended_cleanly(ran, &case),
            "abort" => assert_eq!(ran.code, None, "{case}: {ran}"),
            // A thread that nobody waits for may panic, and the run goes on.
            _ => assert!(ran.code.is_some(), "{case}: {ran}"),
        }
    }
}

/// Each action at the first time, one in the middle and the last; a panic in the middle alone, as it
/// leaves what an error leaves.
fn cases<'c>(reached: impl IntoIterator<Item = (&'c String, &'c u64)>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, &count) in reached {
        let middle = count.div_ceil(2);
        let mut add = |action, time| {
            cases.push(Case {
                point: point.clone(),
                action,
                time,
            });
        };
        add("panic", middle);
        for time in BTreeSet::from([1, middle, count]) {
            add("error", time);
            add("abort", time);
        }
    }
    cases
}

/// The points of a job that nothing goes wrong in, without the operations.
fn points_of(job: &Job) -> Vec<(String, u64)> {
    Ran::of(job.faulty("")).ok();
    let (reached, _) = job.reached();
    let is_point = |name: &str| POINTS.iter().any(|(point, _)| *point == name);
    reached
        .into_iter()
        .filter(|(name, _)| is_point(name))
        .collect()
}

/// Fails a job at every point that it comes to so often, in every way; and how many cases that were.
fn fail_everywhere(make: impl Fn() -> Job + Sync, least: u64) -> (Vec<(String, u64)>, usize) {
    let points = points_of(&make());
    let tried = points.iter().filter(|(_, count)| *count >= least);
    let cases = cases(tried.map(|(point, count)| (point, count)));
    all_hold(&cases, |case| {
        let job = make();
        let ran = Ran::of(job.faulty(&case.fault()));
        case.judge(&ran, job.reached().1);
        job.finish(&case.fault());
    });
    let last = make();
    Ran::of(last.faulty("publish.committed=abort"));
    last.finish("the last death");
    last.compare();
    (points, cases.len())
}

#[test]
fn a_run_that_fails_at_any_point_is_ended_by_the_next() {
    let server = Server::with_partitions("points", 3, 30);
    let mut reached = BTreeSet::new();
    let mut figures = Vec::new();
    let mut keep = |name: &str, points: Vec<(String, u64)>, cases: usize| {
        let times: u64 = points.iter().map(|(_, count)| count).sum();
        figures.push(format!(
            "{name}: {} points reached {times} times, {cases} cases",
            points.len()
        ));
        reached.extend(points.into_iter().map(|(point, _)| point));
    };
    let (points, cases) = fail_everywhere(|| Job::of_file(30), 1);
    keep("one chunk from a file", points, cases);
    if let Some(server) = &server {
        // What comes once a run is the same from a file.
        let (points, cases) =
            fail_everywhere(|| Job::of_server(server, 30), if is_long() { 1 } else { 2 });
        let published = points.iter().find(|(name, _)| name == "publish.committed");
        assert!(
            published.is_some_and(|(_, times)| *times >= 3),
            "{points:?}"
        );
        keep("three chunks from a server", points, cases);
    }
    for scenario in SCENARIOS {
        let (points, cases) = scenario.fail_everywhere();
        keep(scenario.name, points, cases);
    }
    let all: BTreeSet<String> = POINTS
        .iter()
        .map(|(point, _)| (*point).to_owned())
        .collect();
    let never: Vec<&String> = all.difference(&reached).collect();
    assert!(never.is_empty(), "never reached: {never:?}");
    tell(
        "fault points",
        &format!(
            "{} of {} reached, each with error, panic and abort; {}",
            reached.len(),
            all.len(),
            figures.join("; ")
        ),
    );
}

/// A job that is not a plain run: its points alone are tried, those of all runs are elsewhere.
struct Scenario {
    name: &'static str,
    points: &'static [&'static str],
    /// A folder that is copied for each case.
    prepare: fn() -> Project,
    command: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// More faults, that bring the job to its point.
    with: &'static str,
    /// Whether a plain command after the fault has done all there is to do.
    is_done: fn(&Project) -> bool,
}

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, v INTEGER);
    INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)";

const BY_ID: &[&str] = &[
    "offload",
    "shop.main.orders",
    "--to",
    "lake.dw.orders",
    "--incremental-by",
    "id",
    "-x",
];

fn holds(project: &Project, ids: impl Iterator<Item = i64>) -> bool {
    visible(&project.path("lake/dw/orders")).into_iter().eq(ids)
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "removal of orphans",
        points: &["clean.listed", "clean.removed"],
        prepare: || {
            let project = Project::with(ORDERS);
            for _ in 0..3 {
                let mut command = project.command(BY_ID);
                Ran::of({
                    command.env("GOE_FAULT", "publish.proof_written=abort");
                    command
                });
                expire_leases(&project);
            }
            project.goe(BY_ID).ok();
            assert_eq!(project.lake("dw", "orders").orphans().len(), 3);
            project
        },
        command: &["clean", "lake.dw.orders", "-x"],
        variables: &[],
        with: "",
        is_done: |project| {
            holds(project, 1..=5) && project.lake("dw", "orders").orphans().is_empty()
        },
    },
    Scenario {
        name: "checkpoint",
        points: &["checkpoint.due", "checkpoint.written"],
        prepare: || {
            let project = Project::with(ORDERS);
            for id in 6..=15 {
                project.goe(BY_ID).ok();
                project.sqlite(&format!("INSERT INTO orders VALUES ({id}, {id})"));
            }
            assert_eq!(project.lake("dw", "orders").version, 9);
            project
        },
        command: BY_ID,
        variables: &[],
        with: "",
        is_done: |project| {
            project.sqlite("INSERT OR IGNORE INTO orders VALUES (16, 16)");
            project.goe(BY_ID).ok();
            holds(project, 1..=16)
        },
    },
    Scenario {
        name: "renewed lease",
        points: &["lock.renewed"],
        prepare: || Project::with(ORDERS),
        command: BY_ID,
        variables: &[("GOE_LEASE_SECONDS", "2")],
        with: "stage.begun=hang:1200",
        is_done: |project| holds(project, 1..=5),
    },
    Scenario {
        name: "replaced rows",
        points: &[
            "replace.rewritten",
            "publish.before_commit",
            "publish.committed",
        ],
        prepare: || {
            let project = Project::with(ORDERS);
            project.write(
                "orders.sql",
                "CREATE OFFLOAD orders TO lake.dw.orders AS SELECT id, v FROM shop.main.orders;",
            );
            project.goe(&["run", "orders", "-x"]).ok();
            project.sqlite("UPDATE orders SET v = -v");
            project
        },
        command: &["run", "orders", "--replace", "id <= 2", "-x"],
        variables: &[],
        with: "",
        is_done: |project| {
            let table = project.lake("dw", "orders");
            holds(project, 1..=5) && table.texts("v", "id") == ["-1", "-2", "3", "4", "5"]
        },
    },
];

impl Scenario {
    fn command(&self, project: &Project, fault: &str) -> Command {
        let mut command = project.command(self.command);
        command.envs(self.variables.iter().copied());
        let separator = if self.with.is_empty() || fault.is_empty() {
            ""
        } else {
            ","
        };
        command
            .env("GOE_FAULT", format!("{}{separator}{fault}", self.with))
            .env("GOE_FAULT_LOG", project.path("faults"));
        command
    }

    fn fail_everywhere(&self) -> (Vec<(String, u64)>, usize) {
        let prepared = (self.prepare)();
        let clean = copy_of(&prepared);
        Ran::of(self.command(&clean, "")).ok();
        let (reached_here, _) = reached(&clean);
        let own = |name: &str| self.points.contains(&name);
        let points: Vec<(String, u64)> = reached_here
            .into_iter()
            .filter(|(name, _)| own(name))
            .collect();
        // How often a lease is renewed is up to the clock.
        let counted = points.iter().map(|(name, count)| match name.as_str() {
            "lock.renewed" => (name, &1),
            _ => (name, count),
        });
        let cases = cases(counted);
        let tried = AtomicUsize::new(0);
        all_hold(&cases, |case| {
            let project = copy_of(&prepared);
            let ran = Ran::of(self.command(&project, &case.fault()));
            let log = std::fs::read_to_string(project.path("faults")).expect("a log");
            let made = format!("{} {} made", case.point, case.time);
            case.judge(&ran, log.lines().any(|line| line == made));
            expire_leases(&project);
            let rest = project.goe(self.command);
            assert_eq!(rest.code, Some(0), "after {}: {rest}", case.fault());
            assert!((self.is_done)(&project), "after {}: {rest}", case.fault());
            tried.fetch_add(1, Ordering::Relaxed);
        });
        (points, tried.into_inner())
    }
}
