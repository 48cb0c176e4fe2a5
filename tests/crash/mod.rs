//! Nothing lost, nothing twice: runs that fail, die, stand still or meet others at any moment.
//!
//! Each test runs the real program, hurts it, runs the same command once more without harm, and reads
//! the target with code that is not goe's. Every test tells its figures in one line, which
//! `tests/run` shows together. `GOE_TEST_LONG` makes more of everything, `GOE_TEST_SEED` repeats what
//! was random.

mod job;
mod kills;
mod operations;
mod orphans;
mod points;
mod repositories;
mod tampered;
mod together;
mod writers;

use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use goe::ErrorKind;

use crate::project::Ran;

/// Whether the long tests are wanted.
fn is_long() -> bool {
    std::env::var("GOE_TEST_LONG").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// How many times, in a usual and in a long run of the tests.
fn rounds(usual: usize, long: usize) -> usize {
    if is_long() { long } else { usual }
}

/// A seed that is told with the figures.
fn seed() -> u64 {
    let given = std::env::var("GOE_TEST_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.expect("a clock").subsec_nanos())
    })
}

/// Tells what a test has seen, here and in the list of `tests/run`.
fn tell(test: &str, figures: &str) {
    let line = format!("{test}: {figures}");
    println!("{line}");
    if let Ok(file) = std::env::var("GOE_TEST_FIGURES") {
        let file = OpenOptions::new().append(true).create(true).open(file);
        writeln!(file.expect("the list of figures"), "{line}").expect("the list of figures");
    }
}

/// Tries every case, a few at once, and fails with what all those that failed had to say.
fn all_hold<T: Sync>(cases: &[T], try_one: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| try_one(case))) {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
                failures
                    .lock()
                    .expect("a list")
                    .push(text.unwrap_or_default());
            }
        }
    };
    // Runs of a few rows wait for the disk more than they compute.
    let threads = 2 * thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().expect("a list");
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// The command succeeded, or said of which kind its failure is and what to do; it did not panic.
#[track_caller]
fn ended_cleanly(ran: &Ran, case: &str) {
    assert!(!ran.stderr.contains("panicked"), "{case}: {ran}");
    let mut kinds = ErrorKind::ALL.iter();
    let kind = kinds.find(|kind| ran.code == Some(kind.exit_code().into()));
    assert!(ran.code == Some(0) || kind.is_some(), "{case}: {ran}");
    let hinted = ran.stderr.contains("hint");
    assert!(ran.code == Some(0) || hinted, "{case} gave no hint: {ran}");
}
