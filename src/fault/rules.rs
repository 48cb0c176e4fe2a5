//! Which faults the environment asks for, and how often each place was reached.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::panic::panic_any;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{OPERATIONS, POINTS};

/// What happens at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Error,
    Panic,
    Abort,
    Hang(Duration),
}

/// One fault: where, what, and at which times of coming there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    place: String,
    action: Action,
    first: u64,
    last: u64,
}

/// What the environment asks for.
#[derive(Debug, Default)]
struct Rules {
    rules: Vec<Rule>,
    log: Option<File>,
    reached: Mutex<HashMap<&'static str, u64>>,
}

static RULES: OnceLock<Rules> = OnceLock::new();

/// Whether there is anything to do at any place.
pub(super) fn are_set() -> bool {
    rules().are_set()
}

/// Counts that a place was reached, and makes the fault that is asked for there.
pub(super) fn reached(place: &'static str) -> io::Result<()> {
    let rules = rules();
    if !rules.are_set() {
        return Ok(());
    }
    let number = rules.count(place);
    let rule = rules.rules.iter().find(|rule| rule.covers(place, number));
    rules.note(place, number, rule.is_some());
    match rule.map(|rule| rule.action) {
        None => Ok(()),
        Some(Action::Error) => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "a fault was asked for",
        )),
        Some(Action::Panic) => panic_any(format!("A fault was asked for at {place}")),
        Some(Action::Abort) => std::process::abort(),
        Some(Action::Hang(time)) => {
            std::thread::sleep(time);
            Ok(())
        }
    }
}

/// Read once. A variable that means nothing must not pass for a test without faults.
fn rules() -> &'static Rules {
    RULES.get_or_init(|| {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let wanted = variable("GOE_FAULT").unwrap_or_default();
        let rules = parse(&wanted).unwrap_or_else(|why| panic_any(format!("GOE_FAULT: {why}")));
        let log = variable("GOE_FAULT_LOG").map(|file| {
            let log = OpenOptions::new().append(true).create(true).open(&file);
            log.unwrap_or_else(|error| panic_any(format!("GOE_FAULT_LOG: {file}: {error}")))
        });
        Rules {
            rules,
            log,
            reached: Mutex::default(),
        }
    })
}

impl Rules {
    fn are_set(&self) -> bool {
        self.log.is_some() || !self.rules.is_empty()
    }

    fn count(&self, place: &'static str) -> u64 {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let number = reached.entry(place).or_default();
        *number += 1;
        *number
    }

    /// One write a line, so that lines of several processes stay whole.
    fn note(&self, place: &str, number: u64, made: bool) {
        if let Some(mut log) = self.log.as_ref() {
            let made = if made { " made" } else { "" };
            let line = format!("{place} {number}{made}\n");
            // A test reads the log: one that lacks a line fails there.
            let _ = log.write_all(line.as_bytes());
        }
    }
}

impl Rule {
    fn covers(&self, place: &str, number: u64) -> bool {
        self.place == place && (self.first..=self.last).contains(&number)
    }
}

fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let rules = text.split(',').filter(|rule| !rule.trim().is_empty());
    rules.map(|rule| parse_rule(rule.trim())).collect()
}

fn parse_rule(text: &str) -> Result<Rule, String> {
    let (place, what) = text
        .split_once('=')
        .ok_or_else(|| format!("{text} is not NAME=ACTION"))?;
    let mut known = POINTS.iter().chain(&OPERATIONS);
    if known.all(|(name, _)| *name != place) {
        return Err(format!("{place} is neither a point nor an operation"));
    }
    let (action, times) = match what.split_once('@') {
        Some((action, times)) => (action, Some(times)),
        None => (what, None),
    };
    let (first, last) = times
        .map_or(Some((1, u64::MAX)), parse_times)
        .ok_or_else(|| format!("{what}: after the @ stands a number from 1, and perhaps a +"))?;
    Ok(Rule {
        place: place.to_owned(),
        action: parse_action(action)?,
        first,
        last,
    })
}

fn parse_times(text: &str) -> Option<(u64, u64)> {
    let (number, open) = match text.strip_suffix('+') {
        Some(number) => (number, true),
        None => (text, false),
    };
    let first = number.parse().ok().filter(|number| *number > 0)?;
    Some((first, if open { u64::MAX } else { first }))
}

fn parse_action(text: &str) -> Result<Action, String> {
    match text {
        "error" => Ok(Action::Error),
        "panic" => Ok(Action::Panic),
        "abort" => Ok(Action::Abort),
        _ => text
            .strip_prefix("hang:")
            .and_then(|millis| millis.parse().ok())
            .map(|millis| Action::Hang(Duration::from_millis(millis)))
            .ok_or_else(|| format!("{text} is none of error, panic, abort, hang:MS")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str) -> (u64, u64) {
        let rule = &parse(text).unwrap()[0];
        (rule.first, rule.last)
    }

    #[test]
    fn a_fault_is_read_as_it_is_documented() {
        assert_eq!(times("run.begun=error"), (1, u64::MAX));
        assert_eq!(times("run.begun=error@3"), (3, 3));
        assert_eq!(times("store=abort@3+"), (3, u64::MAX));
        let two = parse("run.begun=hang:20@1, source=panic").unwrap();
        assert_eq!(two[0].action, Action::Hang(Duration::from_millis(20)));
        assert_eq!(
            (two[1].place.as_str(), two[1].action),
            ("source", Action::Panic)
        );
        assert_eq!(parse(""), Ok(Vec::new()));
        for wrong in [
            "run.begun",
            "run.began=error",
            "run.begun=fail",
            "run.begun=error@0",
            "run.begun=error@",
            "run.begun=hang:",
            "run.begun=error@1-2",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rule_covers_its_times_alone() {
        let rule = &parse("store=error@2").unwrap()[0];
        assert_eq!(
            [1, 2, 3].map(|n| rule.covers("store", n)),
            [false, true, false]
        );
        assert!(!rule.covers("source", 2));
        let open = &parse("store=error@2+").unwrap()[0];
        assert_eq!(
            [1, 2, 3].map(|n| open.covers("store", n)),
            [false, true, true]
        );
    }

    #[test]
    fn every_point_has_one_name_and_a_meaning() {
        let mut names: Vec<&str> = POINTS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), POINTS.len());
        assert!(POINTS.iter().all(|(_, meaning)| meaning.len() > 10));
    }
}
