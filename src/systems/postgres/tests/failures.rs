//! What goes wrong gets a kind, a hint and an end in time.

use std::time::{Duration, Instant};

use super::*;
use crate::error::ErrorKind;

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The URL with its query taken away, so that options decide.
fn bare(url: &str) -> &str {
    url.split('?').next().unwrap()
}

async fn probe(url: &str, options: &[(&str, &str)]) -> Result<Probe> {
    frontend(&connection(url, options))?.probe().await
}

async fn kind_of(url: &str, options: &[(&str, &str)]) -> ErrorKind {
    let error = probe(url, options).await.unwrap_err();
    assert!(error.hint_text().is_some(), "{error:?} has no hint");
    let whole = format!("{error:?}");
    assert!(!whole.contains("hush"), "{whole} shows the password");
    error.kind()
}

#[test]
fn each_refusal_has_its_kind() {
    let Some(url) = server() else {
        return;
    };
    block(async {
        let wrong = [("password", "hush"), ("sslmode", "require")];
        assert_eq!(kind_of(bare(&url), &wrong).await, ErrorKind::Authenticate);
        for mode in ["allow", "prefer"] {
            let wrong = [("password", "hush"), ("sslmode", mode)];
            assert_eq!(kind_of(bare(&url), &wrong).await, ErrorKind::Authenticate);
        }
        let nobody = [("user", "no such user"), ("password", "hush")];
        assert_eq!(kind_of(&url, &nobody).await, ErrorKind::Authenticate);
        assert_eq!(
            kind_of(&url, &[("dbname", "no such")]).await,
            ErrorKind::NotFound
        );
        assert_eq!(
            kind_of(&url, &[("statement_timeout", "soon")]).await,
            ErrorKind::Config
        );
        let missing = [("sslmode", "verify-full"), ("sslrootcert", "/no/such/file")];
        assert_eq!(kind_of(bare(&url), &missing).await, ErrorKind::Config);
    });
}

#[test]
fn a_host_that_does_not_answer_is_waited_for_in_bounds() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    block(async {
        let begin = Instant::now();
        for place in [
            format!("127.0.0.1:{port}"),
            format!("127.0.0.1:{closed}"),
            "192.0.2.1:5432".to_owned(),
            "no-such-host.invalid:5432".to_owned(),
        ] {
            let url = format!("postgres://jo:hush@{place}/x");
            let kind = kind_of(&url, &[("connect_timeout", "1")]).await;
            assert_eq!(kind, ErrorKind::Connect, "{place}");
        }
        assert!(begin.elapsed() < Duration::from_secs(15));
    });
}

#[test]
fn tls_is_as_strict_as_asked() {
    let Some(url) = server() else {
        return;
    };
    let password = [("sslmode", "require")];
    block(async {
        let encrypted = probe(bare(&url), &password).await.unwrap().encrypted;
        assert_eq!(encrypted, Some(true));
        let prefers = probe(bare(&url), &[("sslmode", "prefer")]).await.unwrap();
        assert_eq!(prefers.encrypted, Some(true));
        // The system does not know a test's own root.
        let unknown = [("sslmode", "verify-full"), ("sslrootcert", "system")];
        let kind = probe(bare(&url), &unknown).await.unwrap_err().kind();
        assert!(
            matches!(kind, ErrorKind::Connect | ErrorKind::Config),
            "{kind}"
        );
        let Ok(root) = std::env::var("GOE_TEST_POSTGRES_CA") else {
            eprintln!("skipped: GOE_TEST_POSTGRES_CA names no root certificate");
            return;
        };
        for mode in ["require", "verify-ca", "verify-full"] {
            let options = [("sslmode", mode), ("sslrootcert", root.as_str())];
            let probe = probe(bare(&url), &options).await.unwrap();
            assert_eq!(probe.encrypted, Some(true), "{mode}");
        }
        // Another name for the same host is not in the certificate.
        let port = settings(&url, &[])
            .config
            .get_ports()
            .first()
            .copied()
            .unwrap_or(5432);
        let other = [
            ("host", "other.invalid"),
            ("hostaddr", "127.0.0.1"),
            ("port", &port.to_string()),
            ("sslrootcert", root.as_str()),
        ];
        let with = |mode| {
            let mut options = other.to_vec();
            options.push(("sslmode", mode));
            options
        };
        let full = probe(bare(&url), &with("verify-full")).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Connect, "{full:?}");
        assert!(probe(bare(&url), &with("verify-ca")).await.is_ok());
    });
}

#[test]
fn names_that_do_not_exist_bring_the_nearest() {
    in_schema(|place| async move {
        place
            .run(
                "CREATE TABLE orders (a int); CREATE TABLE \"Twin\" (a int);
                   CREATE TABLE \"tWIN\" (a int)",
            )
            .await;
        let frontend = place.frontend();
        let none = OpenOptions::default();
        let error = frontend
            .open(&place.schema, "ordres", &none)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.hint_text(), Some("did you mean \"orders\"?"));
        let schema = format!("{}x", place.schema);
        let error = frontend.open(&schema, "orders", &none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            frontend
                .open(&place.schema, "ORDERS", &none)
                .await
                .unwrap()
                .table()
                .name
                .table,
            "orders"
        );
        assert_eq!(
            frontend
                .open(&place.schema, "Twin", &none)
                .await
                .unwrap()
                .table()
                .name
                .table,
            "Twin"
        );
        let error = frontend
            .open(&place.schema, "twin", &none)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            frontend
                .open("a\0b", "'; DROP TABLE orders", &none)
                .await
                .is_err()
        );
    });
}

#[test]
fn a_table_that_changed_is_a_conflict() {
    in_schema(|place| async move {
        for change in [
            "DROP TABLE t",
            "ALTER TABLE t ADD COLUMN c int",
            "ALTER TABLE t DROP COLUMN b",
            "ALTER TABLE t ALTER COLUMN b TYPE numeric(9,2)",
            "ALTER TABLE t RENAME COLUMN b TO c",
            "ALTER TABLE t RENAME TO u",
            "DROP TABLE t; CREATE TABLE t (a int, b int)",
        ] {
            place
                .run("DROP TABLE IF EXISTS t, u; CREATE TABLE t (a int, b int)")
                .await;
            let source = place.open("t").await;
            place.run(change).await;
            let error = source.snapshot(2).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{change}: {error:?}");
            assert!(error.hint_text().is_some());
        }
        place
            .run("DROP TABLE IF EXISTS t; CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
            .await;
        let source = place.open("t").await;
        place.run("TRUNCATE t").await;
        assert_eq!(read_all(&source, 1, 1).await.unwrap().num_rows(), 0);
    });
}

#[test]
fn an_alter_waits_for_the_reader_and_the_reader_for_no_one_long() {
    in_schema(|place| async move {
        place
            .run("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
            .await;
        let source = place.open("t").await;
        let snapshot = source.snapshot(1).await.unwrap();
        place.run("SET lock_timeout = '100ms'").await;
        assert!(
            place
                .admin
                .client
                .batch_execute("TRUNCATE t")
                .await
                .is_err()
        );
        assert_eq!(
            read_snapshot(&source, &snapshot, 1)
                .await
                .unwrap()
                .num_rows(),
            1
        );
        drop(snapshot);
        let hurried = frontend(&connection(&place.url, &[("lock_timeout", "100ms")])).unwrap();
        let source = hurried
            .open(&place.schema, "t", &OpenOptions::default())
            .await
            .unwrap();
        // The reader's session may still be on its way out.
        place
            .run("BEGIN; SET LOCAL lock_timeout = '5s'; LOCK TABLE t")
            .await;
        assert_eq!(
            source.snapshot(1).await.unwrap_err().kind(),
            ErrorKind::Conflict
        );
        place.run("ROLLBACK").await;
    });
}

#[test]
fn rights_that_are_missing_are_named() {
    in_schema(|place| async move {
        let role = format!("{}_role", place.schema);
        let sql = format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'hush' NOSUPERUSER;
             GRANT USAGE ON SCHEMA {0} TO {role};
             CREATE TABLE secret (a int); CREATE TABLE guarded (a int);
             INSERT INTO guarded VALUES (1), (2);
             ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
             CREATE POLICY some ON guarded USING (a = 1);
             GRANT SELECT ON guarded TO {role};
             CREATE TABLE parent (a int) PARTITION BY LIST (a);
             CREATE TABLE leaf PARTITION OF parent DEFAULT; INSERT INTO parent VALUES (1), (2);
             GRANT SELECT ON parent TO {role};
             CREATE TABLE plenty (a int); GRANT SELECT ON plenty TO {role};
             INSERT INTO plenty SELECT generate_series(1, 50000)",
            place.schema
        );
        if let Err(error) = place.admin.client.batch_execute(&sql).await {
            eprintln!("skipped: no role can be made: {error}");
            return;
        }
        let login = [("user", role.as_str()), ("password", "hush")];
        let outcome = AssertUnwindSafe(limited(&place, &login))
            .catch_unwind()
            .await;
        place
            .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await;
        outcome.unwrap();
    });
}

async fn limited(place: &Place, login: &[(&str, &str)]) {
    let none = OpenOptions::default();
    let frontend_of =
        |options: &[(&str, &str)]| frontend(&connection(&place.url, options)).unwrap();
    let limited = frontend_of(login);
    for table in ["secret", "guarded"] {
        let source = limited.open(&place.schema, table, &none).await.unwrap();
        let error = read_all(&source, 1, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission, "{table}: {error:?}");
        assert!(format!("{error:#}").contains("GRANT"));
    }
    let mut some = login.to_vec();
    some.push(("row_security", "on"));
    let source = frontend_of(&some)
        .open(&place.schema, "guarded", &none)
        .await
        .unwrap();
    assert_eq!(read_all(&source, 1, 1).await.unwrap().num_rows(), 1);
    let source = limited.open(&place.schema, "parent", &none).await.unwrap();
    assert_eq!(read_all(&source, 2, 1).await.unwrap().num_rows(), 2);
    without_export(place, &limited, login).await;
}

/// A server that exports no snapshot serves one reader, which can be stopped and go on.
async fn without_export(place: &Place, limited: &Arc<dyn Frontend>, login: &[(&str, &str)]) {
    use futures::StreamExt;
    let role = login[0].1;
    let _ = place
        .admin
        .client
        .batch_execute("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")
        .await;
    let may = format!("SELECT has_function_privilege('{role}', 'pg_export_snapshot()', 'EXECUTE')");
    let may: bool = place
        .admin
        .client
        .query_one(&may, &[])
        .await
        .unwrap()
        .get(0);
    if may {
        eprintln!("skipped: the right to export snapshots can't be taken away");
        return;
    }
    let none = OpenOptions::default();
    let source = limited.open(&place.schema, "plenty", &none).await.unwrap();
    let snapshot = source.snapshot(4).await;
    place
        .run("GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO PUBLIC")
        .await;
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.facts().readers, 1);
    let mut stream = snapshot.read(None, &all_columns(&source)).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    place.run("DELETE FROM plenty").await;
    let batch = read_snapshot(&source, &snapshot, 100_000).await.unwrap();
    assert_eq!(batch.num_rows(), 50_000);
}
