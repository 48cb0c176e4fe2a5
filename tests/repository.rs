//! What is remembered of runs: by several hosts on one server, and of runs that were killed.

use goe::ErrorKind;
use serde_json::Value;
use url::Url;

use crate::project::{Project, Ran, postgres, signal, wait};

const OFFLOAD: [&str; 5] = [
    "offload",
    "shop.main.orders",
    "--to",
    "lake.shop.orders",
    "-x",
];

const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(12,2));
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
    INSERT INTO orders SELECT n, n || '.25' FROM numbers;
";

/// Enough rows that staging takes a while.
const MANY: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(12,2), note TEXT);
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
    INSERT INTO orders SELECT n, n || '.25', 'a note that is different in each row: ' || n * 7919
    FROM numbers;
";

/// A database of the server, dropped at the end.
struct Database<'p> {
    project: &'p Project,
    server: String,
    name: String,
}

impl<'p> Database<'p> {
    fn new(project: &'p Project, server: &str, topic: &str) -> Self {
        let database = Self {
            project,
            server: server.to_owned(),
            name: format!("goe_{topic}_{}", std::process::id()),
        };
        database.psql(server, &format!("CREATE DATABASE {}", database.name));
        database
    }

    fn url(&self) -> Url {
        let mut url = Url::parse(&self.server).expect("GOE_TEST_POSTGRES is a URL");
        url.set_path(&self.name);
        url
    }

    /// What a statement prints, read without our own code.
    fn psql(&self, url: &str, sql: &str) -> String {
        let arguments = [
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            sql,
        ];
        Ran::of(self.project.command_of("psql", &arguments))
            .ok()
            .stdout
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.psql(&self.server, &sql);
    }
}

/// A host's folder: the source and the lake of `project`, and the repository on the server.
fn host_of(project: &Project, database: &Database<'_>) -> Project {
    let host = Project::new();
    let mut url = database.url();
    let password = url.password().unwrap_or_default().to_owned();
    url.set_password(None).expect("a URL with a host");
    host.write("repository.password", &password);
    let file = host.path("repository.password");
    let secret = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(file, secret).expect("a file of the project");
    host.write(
        "goe.toml",
        &format!(
            "[connections.shop]\nurl = \"sqlite:{}\"\n[connections.lake]\nurl = \"delta:{}\"\n\
             [repository]\nurl = \"{url}\"\npassword = \"${{file:repository.password}}\"\n",
            project.path("shop.db").display(),
            project.path("lake").display(),
        ),
    );
    host
}

#[test]
fn two_hosts_share_a_repository_on_a_server() {
    let Some(server) = postgres() else { return };
    let project = Project::with(ORDERS);
    let database = Database::new(&project, &server, "hosts");
    let hosts = [host_of(&project, &database), host_of(&project, &database)];
    let password = Url::parse(&server).expect("a URL");
    let password = password.password().expect("a password").to_owned();
    let ran = |host: &Project, arguments: &[&str]| {
        let ran = host.goe(arguments).ok();
        assert!(!ran.to_string().contains(&password), "{ran}");
        ran
    };

    ran(&hosts[0], &OFFLOAD).says(&["1000"]);
    ran(&hosts[1], &OFFLOAD).says(&["nothing to do"]);
    assert_eq!(project.lake("shop", "orders").rows(), 1000);
    for host in &hosts {
        let history = ran(host, &["--output", "json", "history"]).events();
        let statuses: Vec<_> = history.iter().map(|run| run["status"].clone()).collect();
        assert_eq!(statuses, ["published", "nothing to do"]);
        let sql = "SELECT status, rows FROM goe.runs ORDER BY started";
        let runs = ran(host, &["--output", "json", "sql", "-c", sql]).events();
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0]["rows"], 1000);
        ran(host, &["runs"]).says(&["every run ended well"]);
        assert!(!host.path("goe.db").exists());
    }
    let url = database.url();
    let kept = database.psql(
        url.as_str(),
        "SELECT count(*), sum(rows) FROM goe.runs; SELECT count(*) FROM goe.chunks",
    );
    assert_eq!(kept, "2|1000\n1\n");
    // A wrong password is told without it, and without the right one.
    hosts[1].write("repository.password", "not the one");
    let refused = hosts[1].goe(&["history"]).fails(ErrorKind::Authenticate);
    let shown = refused.to_string();
    assert!(!shown.contains("not the one") && !shown.contains(&password));
}

#[test]
fn a_killed_run_holds_nothing_and_is_shown_until_it_is_given_up() {
    let project = Project::with(MANY);
    let stages = |event: &Value| event["event"] == "step_started" && event["step"] == "stage";
    for _kill in 0..2 {
        let mut child = project.goe_until(&OFFLOAD, stages).expect("it stages");
        signal(&child, "KILL");
        wait(&mut child);
    }
    let runs = project.goe(&["--output", "json", "runs"]).ok().events();
    let statuses: Vec<_> = runs.iter().map(|run| run["status"].clone()).collect();
    assert_eq!(statuses, ["died", "died"]);
    assert_eq!(runs[0]["takes_up"], "run the same command again");
    assert_eq!(runs[0]["rows"], 0);
    project
        .goe(&["sql", "-c", "SELECT status FROM goe.runs"])
        .ok()
        .says(&["died"]);
    let run = runs[0]["run"].as_str().expect("an id");
    project
        .goe(&["runs", "abandon", run])
        .ok()
        .says(&["abandoned", "goe clean lake.shop.orders -x"]);

    // No lease is waited for.
    project.goe(&OFFLOAD).ok();
    assert_eq!(project.lake("shop", "orders").rows(), 100_000);
    project
        .goe(&["runs"])
        .ok()
        .says(&["died", "a later run did"]);
    let all = project.goe(&["--output", "json", "runs", "--all"]).ok();
    let all = all.events();
    let statuses: Vec<_> = all.iter().map(|run| run["status"].clone()).collect();
    assert_eq!(statuses, ["abandoned", "died", "published"]);
    let published = all[2]["run"].as_str().expect("an id");
    project
        .goe(&["runs", "abandon", published])
        .fails(ErrorKind::Usage);
    project
        .goe(&["runs", "abandon", "nothing"])
        .fails(ErrorKind::NotFound);
    project.goe(&["clean", "lake.shop.orders", "-x"]).ok();
    assert!(project.lake("shop", "orders").orphans().is_empty());
}

/// Stops a process while it writes nothing into its repository, or nobody else could.
fn pause(project: &Project, child: &std::process::Child) {
    let repository = rusqlite::Connection::open(project.path("goe.db")).expect("goe.db");
    let at_once = std::time::Duration::ZERO;
    repository.busy_timeout(at_once).expect("goe.db");
    loop {
        signal(child, "STOP");
        if repository
            .execute_batch("BEGIN IMMEDIATE; ROLLBACK")
            .is_ok()
        {
            return;
        }
        signal(child, "CONT");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_living_run_is_not_given_up_and_holds_its_target() {
    let project = Project::with(&MANY.replace("100000", "400000"));
    let stages = |event: &Value| event["event"] == "progress";
    let mut child = project.goe_until(&OFFLOAD, stages).expect("it stages");
    pause(&project, &child);
    let runs = project.goe(&["--output", "json", "runs"]).ok().events();
    assert_eq!(runs[0]["status"], "running");
    let run = runs[0]["run"].as_str().expect("an id");
    project
        .goe(&["runs", "abandon", run])
        .fails(ErrorKind::Locked);
    project.goe(&OFFLOAD).fails(ErrorKind::Locked).says(&[run]);
    signal(&child, "CONT");
    assert_eq!(wait(&mut child), Some(0));
    assert_eq!(project.lake("shop", "orders").rows(), 400_000);
}

#[test]
fn a_lease_of_wrong_length_or_two_places_are_refused() {
    let project = Project::with(ORDERS);
    let mut command = project.command(&["history"]);
    command.env("GOE_LEASE_SECONDS", "0");
    Ran::of(command)
        .fails(ErrorKind::Config)
        .says(&["GOE_LEASE_SECONDS", "2 to 3600"]);
    project.write(
        "goe.toml",
        "[repository]\npath = \"goe.db\"\nurl = \"postgres://jo:hush@db/goe\"",
    );
    let refused = project.goe(&["history"]).fails(ErrorKind::Config);
    let refused = refused.says(&["path", "url"]);
    assert!(!refused.to_string().contains("hush"), "{refused}");
}
