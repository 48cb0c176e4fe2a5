//! Secrets that sing: texts that nobody else writes, and a look at everything that a run of goe shows
//! or leaves behind.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::project::{Project, files_below};

/// A secret, with signs that every way of writing has to write otherwise.
pub struct Canary {
    pub place: &'static str,
    pub secret: String,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    pub fn new(place: &'static str) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self::of(place, &format!("K4n@ry/{}+x=", &id[..12]))
    }

    pub fn of(place: &'static str, secret: &str) -> Self {
        let mut forms = vec![secret.to_owned(), percent_encoded(secret)];
        forms.push(encoded(secret, |byte| format!("%{byte:02x}")));
        forms.extend((0..3).map(|before| in_base64(before, secret)));
        Self {
            place,
            secret: secret.to_owned(),
            forms: forms.into_iter().map(String::into_bytes).collect(),
        }
    }

    /// As a URL holds it.
    pub fn encoded(&self) -> String {
        percent_encoded(&self.secret)
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let found = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form);
        self.forms.iter().any(found)
    }
}

fn percent_encoded(text: &str) -> String {
    encoded(text, |byte| format!("%{byte:02X}"))
}

fn encoded(text: &str, sign: impl Fn(u8) -> String) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => sign(byte),
    };
    text.bytes().map(encode).collect()
}

/// What stands for a text in base64 that has so many bytes (modulo 3) before it, whatever these and
/// those behind it are.
fn in_base64(before: usize, text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = [&vec![0; before], text.as_bytes()].concat();
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let digit = |six: &[u8]| six.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit));
    let whole = bits
        .chunks_exact(6)
        .map(|six| char::from(DIGITS[digit(six)]));
    whole.skip((before * 8).div_ceil(6)).collect()
}

/// Runs goe and looks for canaries.
pub struct Watch<'p> {
    pub project: &'p Project,
    pub canaries: Vec<Canary>,
    /// What the runs have in their environment.
    pub variables: Vec<(String, String)>,
    pub runs: usize,
    pub hits: Vec<String>,
    /// How many command lines of running programs were seen.
    pub lines: usize,
    /// What the test itself wrote secrets into.
    written: BTreeSet<String>,
}

impl<'p> Watch<'p> {
    pub fn new(project: &'p Project, places: &[&'static str]) -> Self {
        Self {
            project,
            canaries: places.iter().map(|place| Canary::new(place)).collect(),
            variables: Vec::new(),
            runs: 0,
            hits: Vec::new(),
            lines: 0,
            written: BTreeSet::new(),
        }
    }

    pub fn canary(&self, place: &str) -> &Canary {
        let found = self.canaries.iter().find(|canary| canary.place == place);
        found.unwrap_or_else(|| panic!("no canary {place}"))
    }

    /// Writes a file with secrets in it.
    pub fn write(&mut self, name: &str, text: &str) {
        self.project.write(name, text);
        self.written.insert(name.to_owned());
    }

    /// Runs goe, with no secret among its arguments.
    pub fn goe(&mut self, arguments: &[&str]) -> Output {
        self.run(self.project.command(arguments), true)
    }

    /// Runs goe with a secret among its arguments, which must not come from there.
    pub fn goe_told(&mut self, arguments: &[&str]) -> Output {
        self.run(self.project.command(arguments), false)
    }

    fn run(&mut self, mut command: Command, looks_at_arguments: bool) -> Output {
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command
            .envs(variables)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "1");
        let child = command.spawn().expect("goe starts");
        let ended = Arc::new(AtomicBool::new(false));
        let looking = {
            let (ended, id) = (Arc::clone(&ended), child.id());
            thread::spawn(move || command_lines(id, &ended))
        };
        let output = child.wait_with_output().expect("goe ends");
        ended.store(true, Ordering::Relaxed);
        let lines = looking.join().expect("command lines");
        self.runs += 1;
        self.lines += lines.len();
        let what = self.name(&command);
        self.look(&format!("stdout of {what}"), &output.stdout);
        self.look(&format!("stderr of {what}"), &output.stderr);
        if looks_at_arguments {
            lines
                .iter()
                .for_each(|line| self.look(&format!("command line of {what}"), line));
        }
        for file in ["goe.db", "goe.db-wal"] {
            let bytes = fs::read(self.project.path(file)).unwrap_or_default();
            self.look(&format!("{file} after {what}"), &bytes);
        }
        output
    }

    /// A command for people, without the secrets that it may hold.
    fn name(&self, command: &Command) -> String {
        let words = command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned());
        let mut name = words.collect::<Vec<_>>().join(" ");
        for canary in &self.canaries {
            name = name.replace(&canary.secret, canary.place);
            name = name.replace(&canary.encoded(), canary.place);
        }
        name
    }

    fn look(&mut self, place: &str, bytes: &[u8]) {
        for canary in self.canaries.iter().filter(|canary| canary.is_in(bytes)) {
            self.hits.push(format!("{} in {place}", canary.place));
        }
    }

    /// Looks into every file below the project that the test did not write secrets into.
    pub fn look_at_files(&mut self) -> usize {
        let root = self.project.path("");
        let files: Vec<String> = files_below(&root)
            .into_iter()
            .filter(|file| !self.written.contains(file))
            .collect();
        for file in &files {
            let bytes = fs::read(root.join(file)).expect("a file of the project");
            self.look(&format!("the file {file}"), &bytes);
        }
        files.len()
    }
}

/// The command lines of a program and those below it, for as long as it runs.
fn command_lines(id: u32, ended: &AtomicBool) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    while !ended.load(Ordering::Relaxed) {
        let mut programs = vec![id];
        while let Some(id) = programs.pop() {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            if !line.is_empty() {
                seen.insert(line);
            }
            let threads = fs::read_dir(format!("/proc/{id}/task"))
                .into_iter()
                .flatten();
            for thread in threads.flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                programs.extend(
                    children
                        .split_whitespace()
                        .filter_map(|id| id.parse::<u32>().ok()),
                );
            }
        }
        thread::sleep(Duration::from_millis(3));
    }
    seen.into_iter().collect()
}

#[test]
fn a_canary_is_heard_in_every_form() {
    let canary = Canary::of("test", "K4n@ry/1+x=");
    for text in [
        "a K4n@ry/1+x= b",
        "K4n%40ry%2F1%2Bx%3D",
        "K4n%40ry%2f1%2bx%3d",
        "Basic SzRuQHJ5LzEreD0=",
        "YUs0bkByeS8xK3g9",
        "YWJLNG5AcnkvMSt4PQ==",
    ] {
        assert!(canary.is_in(text.as_bytes()), "{text}");
    }
    assert!(!canary.is_in(b"K4n@ry/2+x=") && !canary.is_in(b""));
}
