//! What goes wrong, and what is said and left then.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goe::ErrorKind;

use super::{ORDERS, World, published};
use crate::project::{Ran, skip};

#[test]
fn a_refused_login_says_what_is_wrong() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let tried = |user: &str, lines: &str| {
        world.connect(user, lines);
        world.goe(&["connect", "sf"])
    };
    tried("goe", "password = \"other\"").fails(ErrorKind::Authenticate);
    tried("nobody", "").fails(ErrorKind::Authenticate);
    tried("goe", "role = \"auditor\"")
        .fails(ErrorKind::Permission)
        .says(&["auditor"]);
    tried("goe", "role = \"loader\"").ok();
    let away = "base_url = \"http://127.0.0.1:9\"";
    world.connect("goe", "");
    let text = fs::read_to_string(world.project.path("goe.toml")).expect("the file");
    let address = format!("base_url = \"{}\"", world.double.address);
    world
        .project
        .write("goe.toml", &text.replace(&address, away));
    world.goe(&["connect", "sf"]).fails(ErrorKind::Connect);
}

#[test]
fn a_token_and_a_key_pair_log_in() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    // A line with the word keeps the world's own password away.
    let tried = |user: &str, lines: &str| {
        world.connect(user, &format!("{lines}\n# no password"));
        world.goe(&["connect", "sf"])
    };
    tried("goe", "token = \"goe-token\"").ok();
    tried("goe", "token = \"other\"").fails(ErrorKind::Authenticate);
    tried("goe", "token = \"old-token\"")
        .fails(ErrorKind::Authenticate)
        .says(&["expired", "new token"]);
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA", "-out"])
        .arg(world.project.path("key.p8"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("Snowflake's key pairs: no openssl here");
    }
    let public = std::process::Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(world.project.path("key.p8"))
        .output()
        .expect("a public key");
    let public = String::from_utf8(public.stdout).expect("PEM");
    let lines = public.lines().filter(|line| !line.starts_with('-'));
    let public: String = lines.collect();
    let file = format!(
        "private_key_path = \"{}\"",
        world.project.path("key.p8").display()
    );
    tried("keyed", &file)
        .fails(ErrorKind::Authenticate)
        .says(&["jwt"]);
    world.ask(&format!(
        "ALTER USER \"KEYED\" SET RSA_PUBLIC_KEY = '{public}'"
    ));
    tried("keyed", &file).ok();
    tried("keyed", "private_key = \"${file:key.p8}\"").ok();
    world.project.write("key.p8", "no key");
    tried("keyed", &file).fails(ErrorKind::Config);
    let public = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(world.project.path("key.p8"), public).expect("a file");
    tried("keyed", &file)
        .fails(ErrorKind::Config)
        .says(&["everybody"]);
}

#[test]
fn a_missing_warehouse_or_staging_stops_before_anything_is_there() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let text = fs::read_to_string(world.project.path("goe.toml")).expect("the file");
    world
        .project
        .write("goe.toml", &text.replace("load_wh", "other_wh"));
    world
        .offload("orders", &[])
        .fails(ErrorKind::Config)
        .says(&["warehouse"]);
    world
        .project
        .write("goe.toml", &text.replace("load_wh", "asleep_wh"));
    world
        .offload("orders", &["--retry-seconds", "0"])
        .fails(ErrorKind::Connect)
        .says(&["cannot be resumed", "ALTER WAREHOUSE"]);
    let lines = text.lines().filter(|line| !line.starts_with("staging"));
    let lines: Vec<&str> = lines.collect();
    world.project.write("goe.toml", &lines.join("\n"));
    world
        .offload("orders", &[])
        .fails(ErrorKind::Config)
        .says(&["staged"]);
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'TPCH'";
    assert_eq!(world.ask(tables), ["0"]);
}

#[test]
fn sessions_that_run_out_are_renewed() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.offload("orders", &[]).ok();
    world.connect("short", "");
    world.goe(&["verify", "sf.tpch.orders"]).ok();
    world.goe(&["fsck", "sf.tpch.orders"]).ok();
}

#[test]
fn a_lost_answer_to_the_commit_doubles_nothing() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.connect("cut", "");
    let ran = world.offload("orders", &[]).ok();
    assert_eq!(published(&ran), 100, "{ran}");
    assert_eq!(
        world.ask("SELECT COUNT(*) FROM \"TPCH\".\"ORDERS\""),
        ["100"]
    );
    assert_eq!(
        world.ask("SELECT sequence FROM \"TPCH\".\"GOE_LEDGER\""),
        ["1"]
    );
}

/// Values too long for a column never set out: the column is refused.
#[test]
fn a_narrower_column_that_is_there_is_refused() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.ask("CREATE SCHEMA IF NOT EXISTS \"TPCH\"");
    world.ask(
        "CREATE TABLE IF NOT EXISTS \"TPCH\".\"ORDERS\" (\"ID\" NUMBER(19,0) NOT NULL, \"SOLD\" DATE, \
         \"AMOUNT\" NUMBER(15,2), \"NOTE\" VARCHAR(6))",
    );
    world
        .offload("orders", &["--reset"])
        .fails(ErrorKind::AlreadyExists)
        .says(&["note", "VARCHAR(6)"]);
    assert_eq!(world.ask("SELECT COUNT(*) FROM \"TPCH\".\"ORDERS\""), ["0"]);
}

/// Whether the COPY was done is not known then, and it does not matter: the load is made anew.
#[test]
fn a_connection_cut_in_the_middle_of_a_copy_doubles_nothing() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.connect("torn", "");
    let ran = world.offload("orders", &[]).ok();
    assert_eq!(published(&ran), 100, "{ran}");
    let count = "SELECT COUNT(*), COUNT(DISTINCT \"ID\") FROM \"TPCH\".\"ORDERS\"";
    assert_eq!(world.ask(count), ["100|100"]);
    // The load whose end nobody heard of is an orphan until somebody cleans.
    world.goe(&["clean", "sf.tpch.orders", "-x"]).ok();
    world.is_tidy();
}

#[test]
fn a_copy_that_loads_fewer_rows_publishes_nothing() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.connect("fewer", "");
    world
        .offload("orders", &["--retry-seconds", "0"])
        .fails(ErrorKind::Load)
        .says(&["COPY reports 99 rows", "100 were staged"]);
    let tables = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = 'TPCH' AND table_name = 'ORDERS'";
    assert!(world.ask(tables).is_empty());
}

/// A server behind a certificate that nobody vouches for is not spoken to.
#[test]
fn a_certificate_must_be_trusted() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let Some(server) = Unknown::start(&world) else {
        return skip("Snowflake's certificates: no openssl here");
    };
    let text = fs::read_to_string(world.project.path("goe.toml")).expect("the file");
    world.project.write(
        "goe.toml",
        &text.replace(&world.double.address, &server.address),
    );
    world
        .goe(&["connect", "sf"])
        .fails(ErrorKind::Connect)
        .says(&["certificate", "SSL_CERT_FILE"]);
    let mut trusting = world.project.command(&["connect", "sf"]);
    trusting.env("SSL_CERT_FILE", world.project.path("server.crt"));
    let ran = Ran::of(trusting).fails(ErrorKind::Connect);
    assert!(!ran.stderr.contains("can be trusted"), "{ran}");
}

/// A server with a certificate of its own making. It speaks TLS, and then makes no sense.
struct Unknown {
    child: Child,
    address: String,
}

impl Unknown {
    fn start(world: &World) -> Option<Self> {
        let path = |name: &str| world.project.path(name);
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(path("server.key"))
            .arg("-out")
            .arg(path("server.crt"))
            .stderr(Stdio::null())
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-accept",
                &format!("127.0.0.1:{port}"),
                "-key",
            ])
            .arg(path("server.key"))
            .arg("-cert")
            .arg(path("server.crt"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let server = Self {
            child,
            address: format!("https://127.0.0.1:{port}"),
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "openssl listens");
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rows_that_were_put_there_by_others_are_not_taken_for_ours() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.offload("orders", &[]).ok();
    world.ask("INSERT INTO \"TPCH\".\"ORDERS\" (\"ID\", \"SOLD\") SELECT 1000, '2024-01-01'::DATE");
    world
        .goe(&["fsck", "sf.tpch.orders"])
        .tells(ErrorKind::Verify)
        .says(&["101 rows"]);
    world
        .goe(&["verify", "sf.tpch.orders"])
        .tells(ErrorKind::Verify);
}
