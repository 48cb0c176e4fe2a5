//! What `goe clean` takes away: the files of the dead, all of them and nothing else.

use std::process::Stdio;
use std::time::Duration;

use super::job::{Job, expire_leases};
use super::tell;
use crate::project::{Ran, files_below, signal, wait};

const TARGET: &str = "lake.dw.orders";

/// The files that the log of the table does not name, the log and living proofs left aside.
fn unnamed(job: &Job) -> Vec<String> {
    let table = job.project.lake("dw", "orders");
    let named: Vec<&String> = table.files.keys().collect();
    let log = files_below(&job.folder().join("_delta_log"));
    let entries: String = log
        .iter()
        .filter(|name| name.ends_with(".json"))
        .map(|name| {
            std::fs::read_to_string(job.folder().join("_delta_log").join(name)).expect("an entry")
        })
        .collect();
    let needed = |file: &String| {
        let proof = file
            .strip_prefix("_goe/proofs/")
            .and_then(|name| name.strip_suffix(".json"));
        named.contains(&file)
            || proof.is_some_and(|manifest| entries.contains(manifest))
            || file.starts_with("_delta_log/")
    };
    files_below(&job.folder())
        .into_iter()
        .filter(|file| !needed(file))
        .collect()
}

/// Cleans up after a job that is done: nothing is left that no version names, and every row is there.
#[track_caller]
pub(super) fn clean(job: &Job, case: &str) -> Vec<String> {
    let before = unnamed(job);
    let cleaned = job
        .project
        .goe(&["--output", "json", "clean", TARGET, "-x"])
        .ok();
    let mut removed: Vec<String> = cleaned
        .events()
        .iter()
        .map(|file| file["path"].as_str().expect("a path").to_owned())
        .collect();
    removed.sort();
    assert_eq!(removed, before, "after {case}");
    assert_eq!(unnamed(job), Vec::<String>::new(), "after {case}");
    job.is_complete(case);
    removed
}

#[test]
fn the_files_of_the_dead_go_and_no_others() {
    let mut gone = 0;
    let deaths = [
        "file.filled",
        "file.uploaded",
        "manifest.made",
        "publish.proof_written",
        "publish.before_commit",
    ];
    for point in deaths {
        let job = Job::of_file(300);
        Ran::of(job.faulty(&format!("{point}=abort")));
        assert!(job.reached().1, "{point} is reached");
        job.finish(point);
        gone += clean(&job, point).len();
        job.project.goe(&["verify", TARGET, "--stored"]).ok();
    }
    assert!(gone > deaths.len(), "{gone} files");
    tell(
        "orphans of the dead",
        &format!(
            "{} deaths, {gone} files removed, 0 left, 0 others touched",
            deaths.len()
        ),
    );
}

/// A run may die before any request that it makes of the store; parts of a file lie on the disk then.
#[test]
fn what_a_run_left_that_died_before_any_request_goes() {
    let clean_run = Job::of_wide_file();
    Ran::of(clean_run.faulty("")).ok();
    let requests = clean_run.reached().0["store"];
    let (mut gone, mut unfinished) = (0, 0);
    for request in 1..=requests {
        let job = Job::of_wide_file();
        let fault = format!("store=abort@{request}");
        assert_eq!(Ran::of(job.faulty(&fault)).code, None, "{fault}");
        job.finish(&fault);
        let files = clean(&job, &fault);
        gone += files.len();
        unfinished += files.iter().filter(|file| file.contains('#')).count();
    }
    assert!(unfinished > 0, "no file ever goes up in parts");
    tell(
        "orphans of runs that died before a request to the store",
        &format!("N = 1 … {requests}, {gone} files removed, {unfinished} of them unfinished"),
    );
}

/// A run that works holds its files, however long it takes.
#[test]
fn the_files_of_a_living_run_stay() {
    let points = [
        "file.uploaded",
        "manifest.made",
        "verify.ended",
        "publish.before_commit",
    ];
    for point in points {
        let job = Job::of_file(300);
        let mut working = job
            .faulty(&format!("{point}=hang:2500@1"))
            .spawn()
            .expect("goe starts");
        until_made(&job);
        let cleaned = job
            .project
            .goe(&["--output", "json", "clean", TARGET, "-x"])
            .ok();
        assert_eq!(
            cleaned.stdout, "",
            "{point}: a living run's files are listed"
        );
        assert_eq!(wait(&mut working), Some(0), "{point}");
        job.is_complete(point);
        job.project.goe(&["verify", TARGET]).ok();
    }
    tell(
        "orphans beside a living run",
        &format!("{} moments, 0 files of it removed", points.len()),
    );
}

/// A run that slept past its lease may find its files gone. Then it must not publish, however far
/// it had come: also when all that it still had to do is to write the entry.
#[test]
fn a_run_whose_files_were_cleaned_publishes_nothing() {
    let points = [
        "manifest.made",
        "verify.ended",
        "publish.begun",
        "lock.checked",
        "publish.before_commit",
    ];
    for point in points {
        let job = Job::of_grown_file(300);
        let code = slept(&job, point, "removed");
        assert!(
            code != Some(0),
            "stopped at {point} it published files that are gone"
        );
        assert!(job.visible().into_iter().eq(1..=150), "{point}");
        job.finish(point);
        job.project.goe(&["verify", TARGET]).ok();
    }
    tell(
        "sleepers whose files were cleaned",
        &format!("{} moments, 0 published", points.len()),
    );
}

/// Where there is no table yet nothing can shut a sleeper out, and its files stay.
#[test]
fn the_files_of_a_sleeper_stay_where_it_may_still_make_the_table() {
    for (point, publishes) in [("publish.begun", false), ("publish.before_commit", true)] {
        let job = Job::of_file(300);
        let code = slept(&job, point, "left alone");
        assert_eq!(code == Some(0), publishes, "{point}");
        job.finish(point);
        job.project.goe(&["verify", TARGET]).ok();
        clean(&job, point);
    }
}

/// How a run ends that is stopped at a point until its lease is over and its target was cleaned.
fn slept(job: &Job, point: &str, cleaned: &str) -> Option<i32> {
    let mut command = job.faulty(&format!("{point}=hang:3000@1"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut sleeper = command.spawn().expect("goe starts");
    until_made(job);
    signal(&sleeper, "STOP");
    expire_leases(&job.project);
    let cleaning = job.project.goe(&["clean", TARGET, "-x"]).ok();
    cleaning.says(&[cleaned]);
    signal(&sleeper, "CONT");
    wait(&mut sleeper)
}

/// Waits until the fault that was asked for is made.
fn until_made(job: &Job) {
    for _ in 0..6000 {
        if job.reached().1 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the fault was never made");
}
