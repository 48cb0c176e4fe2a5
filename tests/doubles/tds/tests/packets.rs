//! Packets, TLS, logins, attention, procedure calls, and connections that are lost.

use std::thread;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use tiberius::{AuthMethod, EncryptionLevel, error::Error};

use super::super::{Encryption, Fault, Mishap, Options, Tds};
use super::caller::{Caller, config};
use super::{numbers, small};

/// The number of an error of the server.
fn code(result: Result<Caller, Error>) -> u32 {
    match result {
        Err(Error::Server(error)) => error.code(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a login that should have failed"),
    }
}

#[test]
fn packets_of_any_size_carry_the_same_rows() {
    for size in [512, 513, 4096, 32_767] {
        let tds = numbers(Options::default(), 500, 700);
        let mut config = config(&tds);
        config.packet_size(size);
        let mut caller = Caller::with(&tds, config).expect("a login");
        // A batch of more than one packet, too.
        let long = format!(
            "SELECT n, t FROM dbo.n WHERE t <> '{}' ORDER BY n",
            "y".repeat(3_000)
        );
        let rows = caller.rows(&long);
        assert_eq!(rows.len(), 500, "packets of {size}");
        assert!(
            rows.iter()
                .enumerate()
                .all(|(n, row)| row[0] == n.to_string() && row[1].len() == 700)
        );
        assert_eq!(caller.list("SELECT COUNT_BIG(*) FROM dbo.n"), "500");
    }
}

#[test]
fn the_server_may_want_smaller_packets() {
    let tds = numbers(
        Options {
            largest_packet: 600,
            ..Options::default()
        },
        100,
        100,
    );
    let mut config = config(&tds);
    config.packet_size(32_767);
    let mut caller = Caller::with(&tds, config).expect("a login");
    assert_eq!(caller.rows("SELECT n, t FROM dbo.n").len(), 100);
}

#[test]
fn tls_covers_all_or_the_login_or_nothing() {
    let ways = [
        (Encryption::Required, EncryptionLevel::Required, true),
        (Encryption::Required, EncryptionLevel::On, true),
        (Encryption::Required, EncryptionLevel::Off, true),
        (Encryption::Required, EncryptionLevel::NotSupported, false),
        (Encryption::LoginOnly, EncryptionLevel::Off, true),
        (Encryption::LoginOnly, EncryptionLevel::Required, true),
        (Encryption::LoginOnly, EncryptionLevel::NotSupported, true),
        (Encryption::None, EncryptionLevel::NotSupported, true),
        // The driver begins a handshake although the server has said that it cannot.
        (Encryption::None, EncryptionLevel::Off, false),
        (Encryption::None, EncryptionLevel::Required, false),
    ];
    for (server, client, works) in ways {
        let tds = numbers(
            Options {
                encryption: server,
                ..Options::default()
            },
            300,
            1_000,
        );
        let mut config = config(&tds);
        config.encryption(client);
        if let Some(authority) = tds.authority() {
            config.trust_cert_ca(authority.display());
        }
        match Caller::with(&tds, config) {
            Ok(mut caller) => {
                assert!(works, "{server:?} with {client:?}");
                assert_eq!(caller.rows("SELECT n, t FROM dbo.n").len(), 300);
                assert_eq!(caller.list("SELECT MAX(n) FROM dbo.n"), "299");
            }
            Err(error) => assert!(!works, "{server:?} with {client:?}: {error}"),
        }
    }
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_connection() {
    let tds = Tds::start(Options {
        encryption: Encryption::Required,
        ..Options::default()
    });
    let mut config = config(&tds);
    config.encryption(EncryptionLevel::Required);
    let error = Caller::with(&tds, config).err().expect("no login");
    assert!(
        error.to_string().to_lowercase().contains("certificate"),
        "{error}"
    );
    assert_eq!(tds.counters().logins(), 0);
}

#[test]
fn logins_fail_as_they_do_at_a_server() {
    let tds = Tds::start(Options {
        token: Some("a token".to_owned()),
        ..Options::default()
    });
    let with = |change: &dyn Fn(&mut tiberius::Config)| {
        let mut config = config(&tds);
        change(&mut config);
        Caller::with(&tds, config)
    };
    let wrong = AuthMethod::sql_server("goe", "Pa$$w0rd-u");
    assert_eq!(
        code(with(&|config| config.authentication(wrong.clone()))),
        18456
    );
    let nobody = AuthMethod::sql_server("nobody", "Pa$$w0rd-ü");
    assert_eq!(
        code(with(&|config| config.authentication(nobody.clone()))),
        18456
    );
    assert_eq!(code(with(&|config| config.database("elsewhere"))), 4060);
    assert_eq!(
        code(with(
            &|config| config.authentication(AuthMethod::aad_token("another"))
        )),
        18456
    );
    assert!(with(&|config| config.authentication(AuthMethod::aad_token("a token"))).is_ok());
    tds.fail_logins(40613, 2);
    assert_eq!(code(with(&|_| ())), 40613);
    assert_eq!(code(with(&|_| ())), 40613);
    assert!(with(&|_| ()).is_ok());
    assert_eq!(tds.counters().logins(), 2);
}

#[test]
fn attention_stops_what_runs_and_the_session_goes_on() {
    let tds = numbers(Options::default(), 5_000, 500);
    tds.slow_down(Duration::from_millis(2));
    let mut caller = Caller::new(&tds);
    let begun = Instant::now();
    caller.runtime.block_on(async {
        let mut rows = caller
            .client
            .simple_query("SELECT n, t FROM dbo.n")
            .await
            .expect("an answer");
        let first = rows.try_next().await.expect("metadata");
        assert!(first.is_some());
        drop(rows);
        caller
            .client
            .cancel_query()
            .await
            .expect("a done token with attention");
    });
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        begun.elapsed()
    );
    assert_eq!(tds.counters().attentions(), 1);
    assert!(
        tds.counters().rows() < 2_500,
        "{} rows",
        tds.counters().rows()
    );
    tds.slow_down(Duration::ZERO);
    assert_eq!(caller.list("SELECT COUNT_BIG(*) FROM dbo.n"), "5000");
}

#[test]
fn attention_keeps_the_transaction() {
    let tds = numbers(Options::default(), 5_000, 500);
    let mut caller = Caller::new(&tds);
    caller.batch("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION; SELECT TOP (1) 1 FROM dbo.n").expect("a transaction");
    tds.slow_down(Duration::from_millis(2));
    caller.runtime.block_on(async {
        drop(
            caller
                .client
                .simple_query("SELECT n, t FROM dbo.n")
                .await
                .expect("an answer"),
        );
        caller
            .client
            .cancel_query()
            .await
            .expect("a done token with attention");
    });
    tds.slow_down(Duration::ZERO);
    tds.insert("dbo.n", vec![vec![5_000.into(), "late".into()]]);
    assert_eq!(caller.list("SELECT @@TRANCOUNT"), "1");
    assert_eq!(caller.list("SELECT COUNT_BIG(*) FROM dbo.n"), "5000");
    caller.batch("COMMIT TRANSACTION").expect("a commit");
    assert_eq!(caller.list("SELECT COUNT_BIG(*) FROM dbo.n"), "5001");
}

#[test]
fn a_call_takes_typed_parameters() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    let numeric = tiberius::numeric::Numeric::new_with_scale(-12_345, 2);
    let guid =
        tiberius::Uuid::parse_str("00112233-4455-6677-8899-aabbccddeeff").expect("an identifier");
    let bytes: &[u8] = &[0, 255];
    let rows = caller.call(
        "SELECT @P1, @P2, @P3, @P4, @P5, @P6, @P7, @P8, @P9",
        &[
            &"ü😀",
            &-5_i32,
            &numeric,
            &guid,
            &bytes,
            &true,
            &1.5_f64,
            &7_u8,
            &None::<i64>,
        ],
    );
    let guid = "00112233-4455-6677-8899-AABBCCDDEEFF";
    let expected = [
        "ü😀", "-5", "-123.45", guid, "00FF", "1", "1.5", "7", "NULL",
    ];
    assert_eq!(rows.expect("an answer"), [expected]);
    let long = "x".repeat(10_000);
    assert_eq!(
        caller
            .call("SELECT @P1", &[&long.as_str()])
            .expect("an answer"),
        [[long]]
    );
    let small = super::small();
    let mut caller = Caller::new(&small);
    let rows = caller.call(
        "SELECT name FROM dbo.t WHERE id >= @P1 AND name <> @P2",
        &[&2_i16, &"three"],
    );
    assert_eq!(rows.expect("an answer"), [["two"]]);
    let error = caller
        .call("SELECT @P2", &[&1_i32])
        .expect_err("a parameter that is not declared");
    assert_eq!(error.code(), Some(137));
}

#[test]
fn several_results_come_in_order() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    let results = caller.batch("SET NOCOUNT ON; SELECT 1; SELECT id FROM dbo.t ORDER BY id DESC; SELECT NULL FROM dbo.t WHERE 1 = 0; SELECT N'end'");
    let results = results.expect("four results");
    assert_eq!(results[0], [["1"]]);
    assert_eq!(results[1], [["3"], ["2"], ["1"]]);
    assert_eq!(results[3], [["end"]]);
}

#[test]
fn a_connection_can_end_in_the_middle() {
    let tds = numbers(Options::default(), 3_000, 100);
    tds.plan(Fault::at(Mishap::Close, "FROM dbo.n").batch(2).rows(1_500));
    let mut caller = Caller::new(&tds);
    assert_eq!(caller.rows("SELECT n FROM dbo.n").len(), 3_000);
    assert_eq!(caller.list("SELECT 1"), "1");
    assert!(caller.batch("SELECT n, t FROM dbo.n").is_err());
    assert_eq!(tds.faults_left(), 0);
    assert_eq!(Caller::new(&tds).rows("SELECT n FROM dbo.n").len(), 3_000);
}

#[test]
fn a_deadlock_is_an_error_once_and_ends_the_transaction() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    for rows in [0, 2] {
        caller
            .batch("BEGIN TRANSACTION; SELECT 1")
            .expect("a transaction");
        tds.plan(Fault::at(Mishap::Error(1205), "dbo.t").rows(rows));
        assert_eq!(caller.error("SELECT id FROM dbo.t").0, 1205);
        assert_eq!(caller.list("SELECT @@TRANCOUNT"), "0");
        assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
    }
}

#[test]
fn a_server_can_fall_silent() {
    let tds = small();
    tds.plan(Fault::at(Mishap::Hang, "dbo.t"));
    let mut config = config(&tds);
    config.command_timeout(Some(Duration::from_millis(300)));
    let mut caller = Caller::with(&tds, config).expect("a login");
    assert!(matches!(
        caller.batch("SELECT id FROM dbo.t"),
        Err(Error::Io { .. })
    ));
}

#[test]
fn connections_are_counted() {
    let tds = small();
    {
        let _callers = [Caller::new(&tds), Caller::new(&tds), Caller::new(&tds)];
        assert_eq!(tds.counters().open(), 3);
    }
    let begun = Instant::now();
    while tds.counters().open() > 0 && begun.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((tds.counters().open(), tds.counters().most_open()), (0, 3));
}

#[test]
fn a_server_can_be_started_where_nothing_may_wait() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let tds = runtime.block_on(async {
        drop(small());
        small()
    });
    assert_eq!(Caller::new(&tds).list("SELECT COUNT(*) FROM dbo.t"), "3");
}
