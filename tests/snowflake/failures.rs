//! What goes wrong, and what is said and left then.

use std::fs;

use goe::ErrorKind;

use super::{ORDERS, World, published};
use crate::project::skip;

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
