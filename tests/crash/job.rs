//! A small job, run in a folder of its own: what is offloaded, and what of it is visible.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::independent::compare_at;
use crate::lake::Table;
use crate::project::{Project, Ran, postgres};

/// How long a reader waits between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A schema of this process in the server of the tests, dropped at the end.
pub struct Server {
    admin: Project,
    pub url: String,
    pub schema: String,
}

impl Server {
    pub fn new(topic: &str, sql: &str) -> Option<Self> {
        let url = postgres()?;
        let server = Self {
            admin: Project::new(),
            url,
            schema: format!("goe_crash_{topic}_{}", std::process::id()),
        };
        server.psql(&format!("CREATE SCHEMA {}", server.schema));
        server.psql(sql);
        Some(server)
    }

    /// A table of rows with ids from 1, as many in each partition.
    pub fn with_partitions(topic: &str, partitions: i64, rows: i64) -> Option<Self> {
        let each = rows / partitions;
        let mut sql = "CREATE TABLE orders (id integer, sold date, note text)".to_owned();
        sql.push_str(" PARTITION BY RANGE (sold);");
        for month in 1..=partitions {
            sql.push_str(&format!(
                "CREATE TABLE orders_{month} PARTITION OF orders
                 FOR VALUES FROM ('2026-{month:02}-01') TO ('2026-{:02}-01');
                 INSERT INTO orders SELECT i, '2026-{month:02}-15', 'note ' || i
                 FROM generate_series({}, {}) i;",
                month + 1,
                (month - 1) * each + 1,
                month * each
            ));
        }
        Self::new(topic, &format!("{sql} ANALYZE orders"))
    }

    pub fn psql(&self, sql: &str) {
        Ran::of(self.psql_command(sql)).ok();
    }

    pub fn psql_command(&self, sql: &str) -> Command {
        let place = format!("SET search_path TO {}", self.schema);
        let arguments = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", &place];
        let arguments = [&arguments[..], &["-c", sql]].concat();
        self.admin.command_of("psql", &arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.schema);
        let _ = self.psql_command(&sql).output();
    }
}

/// Which rows there are, and which of them become visible together: ids from 1, in chunks of as many
/// each.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    pub rows: i64,
    pub chunks: i64,
}

impl Rows {
    /// How many whole chunks these ids are; fails on a part of one, and on a row that is there twice.
    #[track_caller]
    pub fn whole_chunks(self, ids: &[i64]) -> usize {
        let each = self.rows / self.chunks;
        let mut held: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for id in ids {
            held.entry((id - 1) / each).or_default().push(*id);
        }
        for (chunk, ids) in &held {
            let whole = chunk * each + 1..=(chunk + 1) * each;
            assert!(
                ids.iter().copied().eq(whole),
                "chunk {chunk} is not whole: {} ids, {:?}…",
                ids.len(),
                &ids[..ids.len().min(5)]
            );
        }
        held.len()
    }
}

/// One offload in a folder of its own.
pub struct Job {
    pub project: Project,
    pub rows: Rows,
    arguments: Vec<String>,
    /// Where its rows are, for `independent.py`.
    origin: [String; 3],
}

impl Job {
    /// A job of one chunk out of a file.
    pub fn of_file(rows: i64) -> Self {
        let project = Project::with(&format!(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, sold DATE, note TEXT);
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO orders SELECT n, date('2026-01-01', (n % 90) || ' days'), 'note ' || n FROM n"
        ));
        let months = ["--partition-by", "month(sold)"];
        let origin = ["sqlite", "shop.db", "orders"];
        let rows = Rows { rows, chunks: 1 };
        Self::new(project, "shop.main.orders", &months, rows, origin)
    }

    /// A job of one large staged file, which goes up in parts. Its notes look like noise and are the
    /// same in each job, so that each makes as many requests of its store.
    pub fn of_wide_file() -> Self {
        let rows = 400;
        let project = Project::with(&format!(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
             WITH RECURSIVE n(i, x) AS (
                 SELECT 0, 42 UNION ALL
                 SELECT i + 1, (x * 1103515245 + 12345) % 2147483648 FROM n WHERE i < {rows} * 750 - 1)
             INSERT INTO orders SELECT i / 750 + 1, group_concat(printf('%08x', x), '') FROM n GROUP BY i / 750"
        ));
        let origin = ["sqlite", "shop.db", "orders"];
        let rows = Rows { rows, chunks: 1 };
        Self::new(project, "shop.main.orders", &[], rows, origin)
    }

    /// A job whose first half is published already, and whose second half came since.
    pub fn of_grown_file(rows: i64) -> Self {
        let note = |id| format!("({id}, 'note {id}')");
        let values = |from, to| (from..=to).map(note).collect::<Vec<_>>().join(", ");
        let project = Project::with(&format!(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
             INSERT INTO orders VALUES {}",
            values(1, rows / 2)
        ));
        let origin = ["sqlite", "shop.db", "orders"];
        let by_id = ["--incremental-by", "id"];
        let both = Rows { rows, chunks: 2 };
        let job = Self::new(project, "shop.main.orders", &by_id, both, origin);
        Ran::of(job.command()).ok();
        let rest = values(rows / 2 + 1, rows);
        job.project
            .sqlite(&format!("INSERT INTO orders VALUES {rest}"));
        job
    }

    /// A job of as many chunks as its table has partitions, three, out of a server.
    pub fn of_server(server: &Server, rows: i64) -> Self {
        let one_each = ["--max-offload-chunk-count", "1"];
        Self::of_server_in(server, &one_each, Rows { rows, chunks: 3 })
    }

    /// A job of one chunk out of a server, read by as many workers as may be.
    pub fn of_server_at_once(server: &Server, rows: i64, workers: &str) -> Self {
        let parallel = ["--parallel", workers];
        Self::of_server_in(server, &parallel, Rows { rows, chunks: 1 })
    }

    fn of_server_in(server: &Server, more: &[&str], rows: Rows) -> Self {
        let project = Project::new();
        project.connect_postgres(&server.url);
        let name = format!("{}.orders", server.schema);
        let origin = ["postgres", &server.url, &name];
        Self::new(project, &format!("pg.{name}"), more, rows, origin)
    }

    fn new(project: Project, source: &str, more: &[&str], rows: Rows, origin: [&str; 3]) -> Self {
        let offload = ["offload", source, "--to", "lake.dw.orders", "-x"];
        let arguments = offload.iter().chain(more).map(|&word| word.to_owned());
        Self {
            project,
            rows,
            arguments: arguments.collect(),
            origin: origin.map(str::to_owned),
        }
    }

    /// The target equals its source as other programs read both.
    pub fn compare(&self) {
        let folder = self.folder();
        let origin = self.origin.each_ref().map(String::as_str);
        compare_at(&self.project, folder.to_str().expect("UTF-8"), origin, &[]);
    }

    /// The command, which writes its events.
    pub fn command(&self) -> Command {
        let words = ["--output", "json"].into_iter();
        let words = words.chain(self.arguments.iter().map(String::as_str));
        self.project.command(&words.collect::<Vec<_>>())
    }

    /// The command with a fault, and where it notes what it reached.
    pub fn faulty(&self, fault: &str) -> Command {
        let mut command = self.command();
        command
            .env("GOE_FAULT", fault)
            .env("GOE_FAULT_LOG", self.project.path("faults"));
        command
    }

    /// What the faulty command reached: each name with how often, and whether a fault was made.
    pub fn reached(&self) -> (BTreeMap<String, u64>, bool) {
        reached(&self.project)
    }

    pub fn folder(&self) -> PathBuf {
        self.project.path("lake/dw/orders")
    }

    /// The ids that a reader sees now, sorted.
    pub fn visible(&self) -> Vec<i64> {
        visible(&self.folder())
    }

    /// How many chunks a reader sees now; each of them whole.
    #[track_caller]
    pub fn visible_chunks(&self) -> usize {
        self.rows.whole_chunks(&self.visible())
    }

    /// Runs the plain command once more. Then everything is there once, and what was visible before
    /// was not read again.
    #[track_caller]
    pub fn finish(&self, case: &str) {
        expire_leases(&self.project);
        self.visible_chunks();
        let missing = self.rows.rows - self.visible().len() as i64;
        let rest = Ran::of(self.command());
        assert_eq!(rest.code, Some(0), "after {case}: {rest}");
        let rows: u64 = published(&rest).into_iter().sum();
        assert_eq!(
            rows, missing as u64,
            "after {case} only what is missing is read: {rest}"
        );
        self.is_complete(case);
    }

    /// The target holds every row once.
    #[track_caller]
    pub fn is_complete(&self, case: &str) {
        let ids = self.visible();
        assert!(
            ids.iter().copied().eq(1..=self.rows.rows),
            "after {case} the target holds {} rows of {}",
            ids.len(),
            self.rows.rows
        );
    }

    /// Reads the target again and again until it is told to stop.
    pub fn poll(&self) -> Poller {
        let (folder, rows) = (self.folder(), self.rows);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut polls = 0;
            while !stopped.load(Ordering::Relaxed) {
                rows.whole_chunks(&visible(&folder));
                polls += 1;
                thread::sleep(PAUSE);
            }
            polls
        });
        Poller { stop, thread }
    }
}

/// Somebody who looks at the target all the time.
pub struct Poller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Poller {
    /// How often he looked; fails if he ever saw a part of a chunk.
    pub fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every state is of whole chunks")
    }
}

/// The ids that a table holds, sorted; none where nothing was published.
pub fn visible(folder: &Path) -> Vec<i64> {
    let first = folder.join("_delta_log/00000000000000000000.json");
    if !first.exists() {
        return Vec::new();
    }
    Table::read(folder).numbers("id")
}

/// What the fault log of a project says: each name with how often, and whether a fault was made.
pub fn reached(project: &Project) -> (BTreeMap<String, u64>, bool) {
    let log = fs::read_to_string(project.path("faults")).unwrap_or_default();
    let mut reached = BTreeMap::new();
    for line in log.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        *reached.entry(name.to_owned()).or_default() += 1;
    }
    (reached, log.lines().any(|line| line.ends_with(" made")))
}

/// Lets the time of every lease pass: the dead hold a target until then.
pub fn expire_leases(project: &Project) {
    let file = project.path("goe.db");
    if file.exists() {
        let database = rusqlite::Connection::open(file).expect("goe.db");
        database
            .busy_timeout(Duration::from_secs(10))
            .expect("goe.db");
        // Who died while the repository was made has left no table.
        let _ = database.execute("UPDATE locks SET expires = min(expires, 1)", []);
    }
}

/// The same folder once more.
pub fn copy_of(project: &Project) -> Project {
    let copy = Project::new();
    let from = format!("{}/.", project.path("").display());
    let mut command = copy.command_of("cp", &["-r", &from, "."]);
    command.current_dir(copy.path(""));
    Ran::of(command).ok();
    copy
}

/// How many rows each chunk had that a run published.
pub fn published(ran: &Ran) -> Vec<u64> {
    let is_chunk = |event: &&Value| event["event"] == "chunk_published";
    let events = ran.events();
    let rows = |event: &Value| event["rows"].as_u64().unwrap_or_default();
    events.iter().filter(is_chunk).map(rows).collect()
}
