//! `kill -9` at random moments.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::job::{Job, Server};
use super::{rounds, seed, tell};
use crate::project::{Ran, signal, wait};
use crate::random::Random;

/// Rows enough that reading, staging and proving take a while each.
const ROWS: i64 = 6000;

/// How long a run takes that nobody disturbs.
fn undisturbed(job: &Job) -> Duration {
    let begun = Instant::now();
    Ran::of(job.command()).ok();
    begun.elapsed()
}

/// Kills the process after a while; whether it was still alive.
fn kill_after(mut child: Child, time: Duration) -> bool {
    thread::sleep(time);
    let alive = child.try_wait().expect("a child").is_none();
    if alive {
        signal(&child, "KILL");
    }
    let code = wait(&mut child);
    assert!(
        alive || code == Some(0),
        "undisturbed it ended with {code:?}"
    );
    code.is_none()
}

/// What was seen.
#[derive(Default)]
struct Seen {
    kills: usize,
    jobs: usize,
    halfway: usize,
    polls: usize,
}

/// Kills runs at random moments, often several of one job, and lets each job end.
fn kill(wanted: usize, random: &mut Random, time: Duration, job: impl Fn() -> Job) -> (Seen, Job) {
    let mut seen = Seen::default();
    loop {
        let job = job();
        let poller = job.poll();
        loop {
            let mut command = job.command();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().expect("goe starts");
            let moment = time.mul_f64(random.below(1000) as f64 / 1000.0);
            let killed = kill_after(child, moment);
            seen.kills += usize::from(killed);
            if !killed || random.once_in(2) {
                break;
            }
            super::job::expire_leases(&job.project);
        }
        let chunks = job.visible_chunks() as i64;
        seen.halfway += usize::from(chunks > 0 && chunks < job.rows.chunks);
        job.finish("a kill");
        super::orphans::clean(&job, "a kill");
        seen.polls += poller.stop();
        seen.jobs += 1;
        if seen.kills >= wanted {
            return (seen, job);
        }
    }
}

fn report(test: &str, seed: u64, time: Duration, seen: &Seen) {
    tell(
        test,
        &format!(
            "{} kills in {} jobs (seed {seed}, runs of {} ms), {} jobs halfway, {} looks of a reader; \
             0 rows lost or doubled, 0 chunks read again",
            seen.kills,
            seen.jobs,
            time.as_millis(),
            seen.halfway,
            seen.polls
        ),
    );
}

#[test]
fn a_run_from_a_file_that_is_killed_at_any_moment_goes_on() {
    let (seed, time) = (seed(), undisturbed(&Job::of_file(ROWS)));
    let make = || Job::of_file(ROWS);
    let (seen, last) = kill(rounds(20, 200), &mut Random::new(seed), time, make);
    last.compare();
    report("kill -9, SQLite to Delta on disk", seed, time, &seen);
}

#[test]
fn a_run_from_a_server_that_is_killed_at_any_moment_goes_on() {
    let Some(server) = Server::with_partitions("kills", 3, ROWS) else {
        return;
    };
    let make = || Job::of_server(&server, ROWS);
    let (seed, time) = (seed(), undisturbed(&make()));
    let (seen, last) = kill(rounds(20, 200), &mut Random::new(seed), time, make);
    last.compare();
    report("kill -9, PostgreSQL to Delta on disk", seed, time, &seen);
}

/// In a store nothing is renamed into place and nothing is linked: an object is there or not.
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
#[tokio::test]
async fn a_run_into_a_store_that_is_killed_at_any_moment_goes_on() {
    kill_into_a_store("SQLite", || Job::of_file(ROWS)).await;
    if let Some(server) = Server::with_partitions("kills_store", 3, ROWS) {
        kill_into_a_store("PostgreSQL", || Job::of_server(&server, ROWS)).await;
    }
}

#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
async fn kill_into_a_store(source: &str, make: impl Fn() -> Job) {
    use crate::store::Bucket;
    let Some(first) = Bucket::new() else { return };
    let job = |bucket: &Bucket| {
        let job = make();
        bucket.configure(&job.project);
        job
    };
    let (seed, time) = (seed(), undisturbed(&job(&first)));
    let (mut random, mut seen) = (Random::new(seed), Seen::default());
    while seen.kills < rounds(5, 200) {
        let Some(bucket) = Bucket::new() else { return };
        let job = job(&bucket);
        let mut command = job.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let moment = time.mul_f64(random.below(1000) as f64 / 1000.0);
        let killed = kill_after(command.spawn().expect("goe starts"), moment);
        seen.kills += usize::from(killed);
        super::job::expire_leases(&job.project);
        Ran::of(job.command()).ok();
        let table = bucket.table(&job.project, "dw/orders").await;
        assert!(
            table.numbers("id").into_iter().eq(1..=ROWS),
            "after {moment:?}"
        );
        job.project.goe(&["clean", "lake.dw.orders", "-x"]).ok();
        let table = bucket.table(&job.project, "dw/orders").await;
        assert_eq!(table.orphans(), Vec::<String>::new());
        job.project.goe(&["verify", "lake.dw.orders"]).ok();
        seen.jobs += 1;
    }
    let Seen { kills, jobs, .. } = seen;
    let millis = time.as_millis();
    tell(
        &format!("kill -9, {source} to Delta on S3"),
        &format!(
            "{kills} kills in {jobs} jobs (seed {seed}, runs of {millis} ms); 0 rows lost or doubled"
        ),
    );
}
