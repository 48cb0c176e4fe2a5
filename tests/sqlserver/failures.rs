//! What goes wrong: each with its kind, and what to do next.

use std::time::Duration;

use goe::ErrorKind;

use super::World;
use crate::doubles::tds::{Encryption, Fault, Mishap, Options, Table, Value};

#[test]
fn who_we_are_and_where_is_checked_by_the_server() {
    let world = World::new();
    world.numbers("dbo.t", 5);
    let table = [
        (
            "user = \"nobody\"",
            ErrorKind::Authenticate,
            "user and password",
        ),
        (
            "database = \"shopp\"",
            ErrorKind::NotFound,
            "database's name",
        ),
        ("encrypt = \"on\"", ErrorKind::Connect, "encrypt"),
    ];
    for (line, kind, said) in table {
        let lines = match line.starts_with("encrypt") {
            true => line.to_owned(),
            false => format!("encrypt = \"disable\"\n{line}"),
        };
        world.connect(&lines);
        world
            .goe(&["describe", "mssql.dbo.t"])
            .fails(kind)
            .says(&[said]);
    }
    world.connect("encrypt = \"disable\"");
    world.tds.deny("dbo.t");
    world
        .offload("t", &["--retry-seconds", "0"])
        .fails(ErrorKind::Permission)
        .says(&["GRANT SELECT"]);
}

#[test]
fn a_certificate_must_be_trusted() {
    let options = Options {
        encryption: Encryption::Required,
        ..Options::default()
    };
    let world = World::with(options, "");
    world.numbers("dbo.t", 5);
    let describe = || world.goe(&["describe", "mssql.dbo.t"]);
    describe()
        .fails(ErrorKind::Connect)
        .says(&["ca_file", "trust_certificate"]);
    let authority = world.tds.authority().expect("a certificate");
    world.connect(&format!("ca_file = \"{}\"", authority.display()));
    describe().ok();
    world.connect("trust_certificate = \"true\"");
    describe().ok();
}

#[test]
fn a_lost_connection_and_a_deadlock_are_tried_again() {
    for mishap in [Mishap::Error(1205), Mishap::Close] {
        let world = World::new();
        world.numbers("dbo.t", 3000);
        world
            .tds
            .plan(Fault::at(mishap, "[name] FROM [dbo].[t]").rows(100));
        world.offload("t", &[]).ok();
        assert_eq!(world.tds.faults_left(), 0);
        let mut held = world.project.lake("tpch", "t").numbers("id");
        held.sort_unstable();
        assert_eq!(held, (0..3000).collect::<Vec<i64>>());
        world.goe(&["verify", "lake.tpch.t"]).ok();
    }
}

#[test]
fn a_server_that_falls_silent_is_taken_for_lost() {
    let world = World::with(
        Options::default(),
        "encrypt = \"disable\"\nidle_timeout = 1",
    );
    world.numbers("dbo.t", 100);
    world
        .tds
        .plan(Fault::at(Mishap::Hang, "[name] FROM [dbo].[t]").rows(10));
    world
        .offload("t", &["--retry-seconds", "0"])
        .fails(ErrorKind::Connect)
        .says(&["silent for 1 s"]);
}

#[test]
fn values_that_do_not_fit_are_named() {
    let world = World::with(
        Options::default(),
        "encrypt = \"disable\"\nmax_value_bytes = 20000",
    );
    let table = |name: &str, native: &str, value: Value| {
        let table = Table::new(name)
            .column("id", "int not null")
            .column("v", native);
        world.tds.create(table.primary_key(&["id"]));
        let rows = vec![vec![1.into(), Value::Null], vec![7.into(), value]];
        world.tds.insert(name, rows);
    };
    table(
        "dbo.far",
        "datetime2(7)",
        "9999-12-31T00:00:00.0000000".into(),
    );
    table("dbo.large", "nvarchar(max)", "x".repeat(10_000).into());
    table("dbo.fits", "nvarchar(max)", "x".repeat(9_999).into());
    table("dbo.half", "nvarchar(20)", Value::Units(vec![0xD800, 0x41]));
    world.offload("far", &[]).fails(ErrorKind::Data).says(&[
        "\"v\"",
        "9999-12-31",
        "timestamp(6)",
        "id = 7",
    ]);
    world.offload("far", &["--read-as", "v=timestamp(6)"]).ok();
    world
        .offload("large", &[])
        .fails(ErrorKind::Data)
        .says(&["max_value_bytes", "id = 7"]);
    world.offload("fits", &[]).ok();
    world
        .offload("half", &[])
        .fails(ErrorKind::Data)
        .says(&["surrogate"]);
}

#[test]
fn tables_that_can_not_be_read_say_why() {
    let world = World::new();
    let wide = Table::new("dbo.wide")
        .column("id", "int not null")
        .column("all", "xml column_set");
    world.tds.create(wide);
    world
        .goe(&["describe", "mssql.dbo.wide"])
        .fails(ErrorKind::Unsupported)
        .says(&["column set", "view"]);
    world.understood();
}

#[test]
fn no_server_is_an_error_within_the_time_allowed() {
    let world = World::new();
    world.numbers("dbo.t", 1);
    world.tds.fail_logins(18461, 100);
    world
        .goe(&["describe", "mssql.dbo.t"])
        .fails(ErrorKind::Connect)
        .says(&["single-user"]);
    world.tds.fail_logins(18461, 0);
    let begun = std::time::Instant::now();
    let lines = "encrypt = \"disable\"\nconnect_timeout = 2\nhost = \"192.0.2.1\"";
    world.connect(lines);
    world
        .goe(&["describe", "mssql.dbo.t"])
        .fails(ErrorKind::Connect);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
