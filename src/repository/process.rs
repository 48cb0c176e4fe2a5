//! Which process this is, and whether another one on this host is surely dead.
//!
//! A process is told apart by the boot of its host, its namespaces, its number and the time it
//! began. Of a process on another host, or where any of this can't be read (not on Linux, or
//! where `/proc` hides the processes of others), nothing is known: then only its lease tells.

use std::fs;
use std::io::ErrorKind;
use std::sync::OnceLock;

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Living,
    Dead,
    Unknown,
}

/// This process as one text; empty where it can't be told from others.
pub(super) fn own() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| describe().unwrap_or_default())
}

/// What is known of the process that called itself so.
pub(super) fn life(process: &str) -> Life {
    let (Some((place, id, began)), Some((here, _, _))) = (parts(process), parts(own())) else {
        return Life::Unknown;
    };
    if place != here {
        return Life::Unknown;
    }
    match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(text) => match stat(&text) {
            // A zombie has ended; only its parent has not asked yet.
            Some((state, now)) if now != began || ["Z", "X"].contains(&state) => Life::Dead,
            Some(_) => Life::Living,
            None => Life::Unknown,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Life::Dead,
        Err(_) => Life::Unknown,
    }
}

fn describe() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = namespace("pid")?;
    // The time at which a process began is told by the clock of the reader's namespace.
    let clock = namespace("time").unwrap_or_else(|| "-".to_owned());
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, began) = stat(&text)?;
    (sees_all()? && numbers_are_ours()?).then(|| {
        let id = std::process::id();
        format!("{} {processes} {clock} {id} {began}", boot.trim())
    })
}

fn namespace(kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
    Some(link.to_str()?.to_owned())
}

/// Whether `/proc` shows the processes of every user.
fn sees_all() -> Option<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut options = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        (words.next() == Some("/proc")).then(|| words.nth(1).unwrap_or_default().to_owned())
    });
    Some(!options.any(|options| options.contains("hidepid=")))
}

/// Whether `/proc` numbers processes as our own namespace does.
fn numbers_are_ours() -> Option<bool> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_whitespace().count() == 1)
}

/// State and beginning out of `/proc/PID/stat`. The name before them may hold anything.
fn stat(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?, fields.nth(18)?))
}

/// The host and its namespaces, the process's number, and when it began.
fn parts(process: &str) -> Option<(&str, &str, &str)> {
    let (rest, began) = process.rsplit_once(' ')?;
    let (place, id) = rest.rsplit_once(' ')?;
    id.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some((place, id, began))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_of_the_same_number() {
        let Some((place, id, began)) = parts(own()) else {
            eprintln!("skipped: processes can't be told apart here");
            return;
        };
        let table = [
            (own().to_owned(), Life::Living),
            (format!("{place} {id} 1{began}"), Life::Dead),
            (format!("{place} 4194999 {began}"), Life::Dead),
            (format!("elsewhere {place} {id} 1{began}"), Life::Unknown),
            (format!("{place} ../1 {began}"), Life::Unknown),
            (String::new(), Life::Unknown),
        ];
        for (process, expected) in table {
            assert_eq!(life(&process), expected, "{process}");
        }
    }

    #[test]
    fn a_killed_child_is_dead_before_and_after_its_parent_knows() {
        let Some((place, _, _)) = parts(own()) else {
            return;
        };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let process = format!("{place} {} {}", child.id(), stat(&text).unwrap().1);
        assert_eq!(life(&process), Life::Living);
        child.kill().unwrap();
        while life(&process) == Life::Living {
            std::thread::yield_now();
        }
        assert_eq!(life(&process), Life::Dead);
        child.wait().unwrap();
        assert_eq!(life(&process), Life::Dead);
    }

    #[test]
    fn a_name_with_brackets_is_no_field() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 98765 1 2";
        assert_eq!(stat(line), Some(("S", "98765")));
    }
}
