//! What only a server can do: forbid, go away, and be elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::Builder;
use url::Url;

use super::*;
use crate::config::Connection;
use crate::systems::postgres::Server;

/// A database of the server, dropped at the end.
pub(super) struct Place {
    server: String,
    name: String,
}

/// A new one, or a printed reason why there is none.
pub(super) fn database() -> Option<Database> {
    Place::new().map(Database::Server)
}

impl Place {
    fn new() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let Ok(server) = std::env::var("GOE_TEST_POSTGRES") else {
            eprintln!("skipped: GOE_TEST_POSTGRES names no server");
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("goe_repository_{}_{number}", std::process::id());
        run(&server, &format!("CREATE DATABASE {name}"));
        Some(Self { server, name })
    }

    fn url(&self) -> Url {
        let mut url = Url::parse(&self.server).unwrap();
        url.set_path(&self.name);
        url
    }

    pub(super) fn connection(&self) -> Connection {
        Connection::of_url(self.url().as_str())
    }

    /// The same database for another user.
    fn connection_of(&self, user: &str, password: &str) -> Connection {
        let mut url = self.url();
        url.set_username(user).unwrap();
        url.set_password(Some(password)).unwrap();
        Connection::of_url(url.as_str())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        run(&self.server, &sql);
    }
}

/// Runs statements as the server's superuser, each of them by itself.
fn run(url: &str, sql: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new(&Connection::of_url(url)).unwrap();
        let client = server.connect().await.unwrap();
        client.batch_execute(sql).await.unwrap();
    });
}

#[test]
fn a_session_that_was_ended_is_opened_again() {
    let Some(place) = Place::new() else { return };
    let engine = postgres::Postgres::open(&place.connection(), MIGRATIONS).unwrap();
    let repository = Repository::with(engine, LEASE);
    repository.begin("r1", "o", "s", "t").unwrap();
    let lease = repository.lock("t", "r1", 0).unwrap();
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        place.name
    );
    let calls: [&dyn Fn() -> Result<()>; 6] = [
        &|| repository.renew(&lease),
        &|| repository.finish("r1", &ending("published")),
        &|| repository.history(None).map(drop),
        &|| repository.table("runs").map(drop),
        &|| repository.table_schema("files").map(drop),
        &|| repository.free(&lease),
    ];
    for call in calls {
        run(&place.server, &sql);
        call().unwrap();
    }
    assert_eq!(status(&repository, "r1"), "published");
}

#[test]
fn a_user_without_rights_is_told_what_is_missing() {
    let Some(place) = Place::new() else { return };
    let user = format!("{}_user", place.name);
    run(
        &place.server,
        &format!("CREATE ROLE {user} LOGIN PASSWORD 'hush'"),
    );
    let open = |password| {
        let connection = place.connection_of(&user, password);
        postgres::Postgres::open(&connection, MIGRATIONS)
            .map(|engine| Repository::with(engine, LEASE))
    };
    let told = |result: Result<Repository>, kind: ErrorKind| {
        let error = result.unwrap_err();
        let shown = format!("{error:#} {error:?}");
        assert_eq!(error.kind(), kind, "{shown}");
        assert!(
            error.hint_text().is_some() && !shown.contains("hush"),
            "{shown}"
        );
    };
    told(open("hush hush"), ErrorKind::Authenticate);
    told(open("hush"), ErrorKind::Permission);
    // With a schema of somebody else's.
    run(place.url().as_str(), "CREATE SCHEMA goe");
    told(open("hush"), ErrorKind::Permission);
    let owned = format!("ALTER SCHEMA goe OWNER TO {user}");
    run(place.url().as_str(), &owned);
    let repository = open("hush").unwrap();
    repository.begin("r1", "o", "s", "t").unwrap();
    // Where the tables are there, to read and write them is all that is needed.
    run(
        place.url().as_str(),
        &format!(
            "REASSIGN OWNED BY {user} TO CURRENT_USER; GRANT USAGE ON SCHEMA goe TO {user};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA goe TO {user}"
        ),
    );
    let repository = open("hush").unwrap();
    repository.begin("r2", "o", "s", "t").unwrap();
    drop(repository);
    run(
        place.url().as_str(),
        &format!("DROP OWNED BY {user}; DROP ROLE {user}"),
    );
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let began = Instant::now();
    let url = "postgres://jo:hush@127.0.0.1:1/goe?connect_timeout=3";
    let error = postgres::Postgres::open(&Connection::of_url(url), MIGRATIONS).unwrap_err();
    let shown = format!("{error:#} {error:?}");
    assert_eq!(error.kind(), ErrorKind::Connect, "{shown}");
    assert!(
        shown.contains("127.0.0.1:1") && !shown.contains("hush"),
        "{shown}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn it_answers_inside_a_runtime_too() {
    let Some(database) = database() else { return };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let repository = database.open();
        repository.begin("r1", "o", "s", "t").unwrap();
        assert_eq!(repository.history(None).unwrap().runs.len(), 1);
    });
}

#[test]
fn a_url_of_another_system_is_refused() {
    for url in [
        "sqlite:goe.db",
        "mysql://jo:hush@db/goe",
        "postgres://jo:hush%@db/goe",
    ] {
        let error = postgres::Postgres::open(&Connection::of_url(url), MIGRATIONS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}
