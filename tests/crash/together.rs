//! Several runs of one target: at once, or one that sleeps through its lease.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use goe::ErrorKind;

use super::job::{Job, Server, published};
use super::{rounds, tell};
use crate::project::{Ran, signal, wait};

/// How many processes run the same command.
const PROCESSES: usize = 8;

/// What a run may end with that another one was faster than.
fn gave_way(code: Option<i32>) -> bool {
    [ErrorKind::Locked, ErrorKind::Conflict]
        .iter()
        .any(|kind| code == Some(kind.exit_code().into()))
}

fn at_once(job: &Job) -> (usize, usize) {
    let runs: Vec<Ran> = thread::scope(|scope| {
        let start = |_| scope.spawn(|| Ran::of(job.command()));
        let threads: Vec<_> = (0..PROCESSES).map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a run"))
            .collect()
    });
    for ran in &runs {
        assert!(ran.code == Some(0) || gave_way(ran.code), "{ran}");
        assert!(!ran.stderr.contains("panicked"), "{ran}");
    }
    let rows: u64 = runs.iter().flat_map(published).sum();
    assert_eq!(
        rows, job.rows.rows as u64,
        "all runs together published each row once"
    );
    job.is_complete("eight runs at once");
    let lost = runs.iter().filter(|ran| gave_way(ran.code)).count();
    (PROCESSES - lost, lost)
}

#[test]
fn of_eight_runs_at_once_each_row_is_published_once() {
    let server = Server::with_partitions("eight", 3, 3000);
    let (mut well, mut lost, times) = (0, 0, rounds(5, 50));
    for _ in 0..times {
        let mut jobs = vec![Job::of_file(3000)];
        jobs.extend(server.iter().map(|server| Job::of_server(server, 3000)));
        for job in jobs {
            let (ended, gave_way) = at_once(&job);
            well += ended;
            lost += gave_way;
            job.finish("eight runs at once");
        }
    }
    tell(
        "the same command from 8 processes",
        &format!(
            "{times} rounds of each source: {well} ended well, {lost} were told Locked or Conflict; rows once"
        ),
    );
}

/// Runs again while the lease of another run holds, and tells how long that was.
fn take_over(job: &Job) -> Duration {
    let begun = Instant::now();
    loop {
        let mut command = job.command();
        command.env("GOE_LEASE_SECONDS", "2");
        let ran = Ran::of(command);
        if ran.code == Some(0) {
            return begun.elapsed();
        }
        assert!(
            gave_way(ran.code) && begun.elapsed().as_secs() < 60,
            "{ran}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_run_that_slept_through_its_lease_publishes_nothing() {
    let moments = [
        "snapshot.opened",
        "manifest.made",
        "verify.ended",
        "lock.checked",
        "publish.before_commit",
    ];
    let (times, mut longest) = (rounds(5, 100), Duration::ZERO);
    for round in 0..times {
        let moment = moments[round % moments.len()];
        // Where the other run makes the table, already that stops the sleeper.
        let job = match round % 2 {
            0 => Job::of_grown_file(300),
            _ => Job::of_file(300),
        };
        let mut command = job.faulty(&format!("{moment}=hang:3000@1"));
        command
            .env("GOE_LEASE_SECONDS", "2")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut sleeper = command.spawn().expect("goe starts");
        while !job.reached().1 {
            thread::sleep(Duration::from_millis(5));
        }
        signal(&sleeper, "STOP");
        longest = longest.max(take_over(&job));
        let version = job.project.lake("dw", "orders").version;
        signal(&sleeper, "CONT");
        let code = wait(&mut sleeper);
        assert!(
            gave_way(code),
            "it slept at {moment} and ended with {code:?}"
        );
        let now = job.project.lake("dw", "orders").version;
        assert_eq!(now, version, "it slept at {moment} and published");
        job.finish(moment);
        super::orphans::clean(&job, moment);
    }
    tell(
        "a holder stopped through its lease of 2 s",
        &format!(
            "{times} rounds at {} moments, 0 published; taken over after {:.1} s at most",
            moments.len(),
            longest.as_secs_f64()
        ),
    );
}
