//! A folder with a `goe.toml`, a SQLite database `shop.db` and an empty lake, and the real program
//! run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goe::ErrorKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::lake::Table;

/// No command of these tests may take longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// Three connections: `shop` is SQLite, `lake` is Delta, `pg` is the server of the tests.
const CONFIGURATION: &str = r#"
[connections.shop]
url = "sqlite:shop.db"

[connections.lake]
url = "delta:lake"
"#;

/// Says why a test is left out, here and in the summary of `tests/run`.
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
    if let Ok(file) = std::env::var("GOE_TEST_SKIPS") {
        let file = fs::OpenOptions::new().append(true).create(true).open(file);
        writeln!(file.expect("the list of skips"), "{reason}").expect("the list of skips");
    }
}

/// Prints what a test measured, here and in the summary of `tests/run`.
pub fn figure(line: &str) {
    println!("{line}");
    if let Ok(file) = std::env::var("GOE_TEST_FIGURES") {
        let file = fs::OpenOptions::new().append(true).create(true).open(file);
        writeln!(file.expect("the list of figures"), "{line}").expect("the list of figures");
    }
}

/// Writes a file that its owner alone may read, and gives its path.
pub fn private_file(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("a file of the test");
    let secret = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, secret).expect("a file of the test");
    path.display().to_string()
}

/// The first number, or the second where `GOE_TEST_LONG` asks for the long version of a test.
pub fn long_or<N>(short: N, long: N) -> N {
    if std::env::var_os("GOE_TEST_LONG").is_some() {
        long
    } else {
        short
    }
}

/// The server of the tests, or a printed reason why there is none.
pub fn postgres() -> Option<String> {
    let url = std::env::var("GOE_TEST_POSTGRES").ok();
    if url.is_none() {
        skip("PostgreSQL: GOE_TEST_POSTGRES names no server");
    }
    url
}

/// A folder of its own, removed at the end of the test.
pub struct Project {
    folder: TempDir,
}

impl Project {
    pub fn new() -> Self {
        let project = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        project.write("goe.toml", CONFIGURATION);
        project.sqlite("PRAGMA user_version = 1");
        project
    }

    /// A project whose `shop.db` has been filled by SQL.
    pub fn with(sql: &str) -> Self {
        let project = Self::new();
        project.sqlite(sql);
        project
    }

    /// Adds the connection `pg`; the password stays out of the file.
    pub fn connect_postgres(&self, url: &str) {
        let address = "[connections.pg]\nurl = \"${file:pg.url}\"\n";
        private_file(&self.path("pg.url"), url);
        self.write("goe.toml", &format!("{CONFIGURATION}\n{address}"));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file of the project");
    }

    /// Runs statements in `shop.db`.
    pub fn sqlite(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.path("shop.db")).expect("shop.db");
        database.execute_batch(sql).expect("the fixture's SQL");
    }

    /// A table of the lake, read without our own code.
    pub fn lake(&self, schema: &str, table: &str) -> Table {
        Table::read(&self.path("lake").join(schema).join(table))
    }

    /// Whether anything was published under this name.
    pub fn is_published(&self, schema: &str, table: &str) -> bool {
        self.path("lake")
            .join(schema)
            .join(table)
            .join("_delta_log")
            .exists()
    }

    /// The program, in this folder, with nothing of this machine's configuration.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_goe"), arguments)
    }

    /// Any program, in this folder and in that environment.
    pub fn command_of<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["GOE_", "PG", "AWS_", "CLICOLOR"]
                .iter()
                .any(|start| name_text.starts_with(start))
            {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn goe<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Starts the program with events on stdout, and reads until `seen` says so.
    ///
    /// Gives the process, still running, or `None` if it ended first.
    pub fn goe_until(&self, arguments: &[&str], seen: impl Fn(&Value) -> bool) -> Option<Child> {
        let mut command = self.command(&[&["--output", "json"], arguments].concat());
        let mut child = command.stderr(Stdio::null()).spawn().expect("goe starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let event = |line: &str| serde_json::from_str(line).unwrap_or(Value::Null);
        if lines.any(|line| seen(&event(&line.expect("text")))) {
            thread::spawn(move || lines.for_each(drop));
            return Some(child);
        }
        child.wait().expect("goe ended");
        None
    }
}

/// Sends a signal by name; `KILL`, `INT`.
pub fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("sh")
            .success()
    );
}

/// Waits for a process to end, but not for ever.
pub fn wait(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child");
    panic!("goe did not end in {PATIENCE:?}");
}

/// A command that ended.
pub struct Ran {
    command: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stdout = read_all(child.stdout.take().expect("piped"));
        let stderr = read_all(child.stderr.take().expect("piped"));
        let code = wait(&mut child);
        let text = |reader: thread::JoinHandle<String>| reader.join().expect("text");
        let (stdout, stderr) = (text(stdout), text(stderr));
        Self {
            command: format!("{command:?}"),
            code,
            stdout,
            stderr,
        }
    }

    /// It succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// It failed with this kind, said so on stderr, and gave a hint.
    #[track_caller]
    pub fn fails(self, kind: ErrorKind) -> Self {
        assert_eq!(
            self.code,
            Some(kind.exit_code().into()),
            "{kind:?} expected: {self}"
        );
        let hinted = ["hint: ", "\"hint\":\""];
        let hinted = hinted.iter().any(|hint| self.stderr.contains(hint));
        assert!(hinted, "a hint expected: {self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }

    /// It ended with this kind, as an answer rather than a failure.
    #[track_caller]
    pub fn tells(self, kind: ErrorKind) -> Self {
        assert_eq!(
            self.code,
            Some(kind.exit_code().into()),
            "{kind:?} expected: {self}"
        );
        self
    }

    /// Each of these stands in what it wrote, whatever the case.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        let said = format!("{}\n{}", self.stdout, self.stderr).to_lowercase();
        for word in words {
            assert!(
                said.contains(&word.to_lowercase()),
                "\"{word}\" expected: {self}"
            );
        }
        self
    }

    /// Every line of stdout as JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\n{self}"));
        self.stdout.lines().map(parse).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{command}\nended with {code:?}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Every file below a folder, from that folder.
pub fn files_below(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<String> = Vec::new();
    for entry in entries.map(|entry| entry.expect("a readable folder")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(
                files_below(&entry.path())
                    .iter()
                    .map(|inner| format!("{name}/{inner}")),
            );
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
