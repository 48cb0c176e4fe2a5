//! The Nth call fails: each request to the store, each statement of the repository, each opening,
//! statement and batch of the source.

use std::sync::atomic::{AtomicUsize, Ordering};

use goe::fault::OPERATIONS;

use super::job::{Job, Server};
use super::{all_hold, ended_cleanly, is_long, tell};
use crate::project::Ran;

/// What happens to a job whose Nth call of an operation fails.
fn fail_once(make: &(impl Fn() -> Job + Sync), fault: &str) -> bool {
    let job = make();
    let ran = Ran::of(job.faulty(fault));
    let made = job.reached().1;
    ended_cleanly(&ran, fault);
    if ran.code == Some(0) {
        job.is_complete(fault);
    }
    assert!(made || ran.code == Some(0), "{fault} was not made: {ran}");
    job.finish(fault);
    made && ran.code != Some(0)
}

/// Fails the Nth call for every N, each for itself or from it on, until a run has no such call.
fn fail_every_call(make: impl Fn() -> Job + Sync, operations: &[&str], again: &[&str]) -> String {
    let clean = make();
    Ran::of(clean.faulty("")).ok();
    let (calls, _) = clean.reached();
    let mut figures = Vec::new();
    for operation in operations {
        let calls = *calls
            .get(*operation)
            .unwrap_or_else(|| panic!("{operation} is never called"));
        for from in again {
            let failed = AtomicUsize::new(0);
            let numbers: Vec<u64> = (1..=calls).collect();
            all_hold(&numbers, |number| {
                let fault = format!("{operation}=error@{number}{from}");
                failed.fetch_add(usize::from(fail_once(&make, &fault)), Ordering::Relaxed);
            });
            let mut last = calls + 1;
            while fail_once(&make, &format!("{operation}=error@{last}{from}")) {
                last += 1;
                assert!(last < 3 * calls + 20, "{operation} has no last call");
            }
            let how = if from.is_empty() { "once" } else { "for ever" };
            let failed = failed.into_inner();
            figures.push(format!(
                "{operation} {how}: N = 1 … {last}, {failed} runs failed"
            ));
        }
    }
    figures.join("; ")
}

#[test]
fn any_call_of_a_run_from_a_file_may_fail() {
    let names = OPERATIONS.map(|(name, _)| name);
    let figures = fail_every_call(|| Job::of_file(30), &names, &["", "+"]);
    tell("the Nth call fails, SQLite to Delta on disk", &figures);
}

#[test]
fn any_call_of_a_run_from_a_server_may_fail() {
    let Some(server) = Server::with_partitions("calls", 3, 30) else {
        return;
    };
    let make = || Job::of_server(&server, 30);
    let test = "the Nth call fails, PostgreSQL to Delta on disk";
    if !is_long() {
        return tell(test, &fail_every_call(make, &["source", "answer"], &[""]));
    }
    let names = OPERATIONS.map(|(name, _)| name);
    tell(test, &fail_every_call(make, &names, &["", "+"]));
    let Some(server) = Server::with_partitions("workers", 4, 4000) else {
        return;
    };
    let make = || Job::of_server_at_once(&server, 4000, "4");
    let figures = fail_every_call(make, &names, &["+"]);
    tell(&format!("{test}, 4 workers"), &figures);
}
