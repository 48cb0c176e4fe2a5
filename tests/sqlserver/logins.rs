//! What a login says, and where it goes.

use goe::ErrorKind;

use super::World;
use crate::doubles::tds::{Browser, Encryption, Options, Table, Value};

#[test]
fn a_token_logs_in_instead_of_a_user() {
    let options = Options {
        token: Some("eyJ0.a.token".to_owned()),
        encryption: Encryption::Required,
        ..Options::default()
    };
    let world = World::with(options, "");
    world.numbers("dbo.t", 5);
    let authority = world.tds.authority().expect("a certificate");
    let url = format!("sqlserver://127.0.0.1:{}/shop", world.tds.port());
    let with = |token: &str| {
        world.project.write("password", token);
        let authority = authority.display();
        let lines = format!("access_token = \"${{file:password}}\"\nca_file = \"{authority}\"");
        world.connect_to(&url, &lines);
        world.goe(&["describe", "mssql.dbo.t"])
    };
    with("eyJ0.a.token").ok();
    let said = world.tds.counters().greeted();
    let last = said.last().expect("a login");
    assert_eq!(last.token.as_deref(), Some("eyJ0.a.token"));
    assert_eq!((last.user.as_str(), last.password.as_str()), ("", ""));
    with("eyJ0.another").fails(ErrorKind::Authenticate);
}

#[test]
fn a_login_says_what_the_connection_says() {
    let world = World::new();
    let table = Table::new("dbo.wide")
        .column("id", "int not null")
        .column("text", "nvarchar(4000)")
        .primary_key(&["id"]);
    world.tds.create(table);
    let row = |n: i64| vec![n.into(), Value::from("\u{e9}".repeat(3000))];
    world.tds.insert("dbo.wide", (0..20).map(row).collect());
    let (mut packets, mut intents, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for line in [
        "",
        "packet_size = 512",
        "application_intent = \"readonly\"",
        "application_name = \"nightly\"",
    ] {
        world.connect(&format!("encrypt = \"disable\"\n{line}"));
        let query = "SELECT count(*) AS n, min(length(text)) AS l FROM mssql.dbo.wide";
        let ran = world.goe(&["--output", "json", "sql", "-c", query]).ok();
        let events = ran.events();
        assert_eq!(
            (&events[0]["n"], &events[0]["l"]),
            (&20.into(), &3000.into())
        );
        let said = world.tds.counters().greeted();
        let last = said.last().expect("a login");
        packets.push(last.packet_size);
        intents.push(last.read_only);
        names.push(last.application.clone());
    }
    assert_eq!(packets, [32_767, 512, 32_767, 32_767]);
    assert_eq!(intents, [false, false, true, false]);
    assert_eq!(names, ["goe", "goe", "goe", "nightly"]);
    world.understood();
}

#[test]
fn the_server_may_choose_smaller_packets() {
    let options = Options {
        largest_packet: 600,
        ..Options::default()
    };
    let world = World::with(options, "encrypt = \"disable\"");
    world.numbers("dbo.t", 500);
    world.offload("t", &[]).ok();
    assert_eq!(world.project.lake("tpch", "t").rows(), 500);
    world.understood();
}

/// The browser's port is always the same: each run takes an address of the loopback for itself.
#[cfg(target_os = "linux")]
#[test]
fn a_named_instance_is_found_by_the_browser() {
    let id = std::process::id();
    let address = format!(
        "127.{}.{}.{}",
        1 + id / 65_536 % 254,
        id / 256 % 256,
        1 + id % 254
    );
    let options = Options {
        address: address.clone(),
        instance: "SALES".to_owned(),
        ..Options::default()
    };
    let world = World::with(options, "");
    world.numbers("dbo.t", 5);
    let browser = Browser::start(&address, "SALES", world.tds.port());
    let with = |instance: &str| {
        let url = format!("sqlserver://goe@{address}/shop?instance={instance}");
        let lines = "password = \"${file:password}\"\nencrypt = \"disable\"";
        world.connect_to(&url, lines);
        world.goe(&["describe", "mssql.dbo.t"])
    };
    with("sales").ok();
    assert_eq!(browser.asked(), 1);
    with("elsewhere")
        .fails(ErrorKind::Connect)
        .says(&["SQL Browser", "port"]);
    assert_eq!(browser.asked(), 2);
    drop(browser);
    with("sales").fails(ErrorKind::Connect);
    world.understood();
}
