//! The command line itself: help, exit codes, completions, types, looking around, SQL.

use goe::ErrorKind;

use crate::project::{Project, postgres};

const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, joined DATE);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount DECIMAL(10,2));
    INSERT INTO customers VALUES (1, 'Ada', '2024-01-31'), (2, 'Grace', NULL);
    INSERT INTO orders VALUES (10, 1, '19.90'), (11, 1, '0.10'), (12, 2, '7.00');
";

const COMMANDS: [&str; 15] = [
    "demo",
    "connect",
    "tables",
    "describe",
    "preview",
    "plan",
    "offload",
    "run",
    "verify",
    "history",
    "clean",
    "types",
    "sql",
    "completions",
    "help",
];

#[test]
fn help_names_every_command_and_each_has_its_own() {
    let project = Project::new();
    project.goe(&["--help"]).ok().says(&COMMANDS);
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let help = project.goe(&[command, "--help"]).ok();
        assert!(help.stdout.contains("Usage: goe"), "{help}");
    }
    project
        .goe(&["--version"])
        .ok()
        .says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn every_exit_code_is_explained() {
    let explained = Project::new().goe(&["help", "exit-codes"]).ok();
    for kind in ErrorKind::ALL {
        let (code, text) = (kind.exit_code().to_string(), kind.describe());
        let told = |line: &str| line.contains(text) && line.split_whitespace().any(|w| w == code);
        assert!(
            explained.stdout.lines().any(told),
            "{code} {text} expected: {explained}"
        );
    }
}

#[test]
fn completions_are_scripts() {
    let project = Project::new();
    for (shell, word) in [
        ("bash", "complete"),
        ("zsh", "#compdef"),
        ("fish", "complete"),
    ] {
        project
            .goe(&["completions", shell])
            .ok()
            .says(&[word, "offload"]);
    }
    if let Ok(status) = std::process::Command::new("bash").arg("--version").output() {
        assert!(status.status.success());
        let script = project.goe(&["completions", "bash"]).ok().stdout;
        project.write("goe.bash", &script);
        let sourced = project.command_of("bash", &["-n", "goe.bash"]);
        crate::project::Ran::of(sourced).ok();
    }
}

#[test]
fn types_are_a_table_of_one_system_to_another() {
    let project = Project::new();
    project.goe(&["types", "postgres", "delta"]).ok().says(&[
        "numeric",
        "decimal",
        "timestamp with time zone",
    ]);
    project
        .goe(&["types", "sqlite", "delta"])
        .ok()
        .says(&["DECIMAL", "DATE"]);
    project
        .goe(&["types", "postgrs", "delta"])
        .fails(ErrorKind::Config)
        .says(&["postgres"]);
}

#[test]
fn one_looks_around_before_one_offloads() {
    let project = Project::with(SHOP);
    project.goe(&["connect"]).ok().says(&["shop", "lake"]);
    project.goe(&["connect", "shop"]).ok().says(&["shop"]);
    project
        .goe(&["tables", "shop"])
        .ok()
        .says(&["main", "customers", "orders"]);
    let some = project.goe(&["tables", "shop", "cust*"]).ok();
    assert!(
        some.stdout.contains("customers") && !some.stdout.contains("orders"),
        "{some}"
    );
    project
        .goe(&["describe", "shop.main.orders"])
        .ok()
        .says(&["amount", "DECIMAL(10,2)"]);
    project
        .goe(&["preview", "shop.main.orders"])
        .ok()
        .says(&["19.90", "0.10"]);
}

#[test]
fn sql_asks_every_connection() {
    let project = Project::with(SHOP);
    let sql = |statement: &str| project.goe(&["sql", "-c", statement]);
    sql("SELECT count(*) AS n FROM shop.main.orders")
        .ok()
        .says(&["n", "3"]);
    sql("SELECT sum(amount) AS total FROM shop.main.orders")
        .ok()
        .says(&["27.00"]);
    sql(
        "SELECT c.name, sum(o.amount) AS spent FROM shop.main.customers c \
         JOIN shop.main.orders o ON o.customer = c.id GROUP BY c.name ORDER BY 1",
    )
    .ok()
    .says(&["Ada", "20.00", "Grace", "7.00"]);
    project
        .goe(&[
            "offload",
            "shop.main.customers",
            "--to",
            "lake.shop.customers",
            "-x",
        ])
        .ok();
    sql(
        "SELECT l.name FROM lake.shop.customers l JOIN shop.main.orders o ON o.customer = l.id \
         WHERE o.amount < 1",
    )
    .ok()
    .says(&["Ada"]);
    project.write(
        "report.sql",
        "SELECT 40 + 2 AS answer;\nSELECT 'second' AS statement;",
    );
    project
        .goe(&["sql", "-f", "report.sql"])
        .ok()
        .says(&["42", "second"]);
    sql("SELEC 1").fails(ErrorKind::Usage);
    sql("SELECT amunt FROM shop.main.orders")
        .fails(ErrorKind::Usage)
        .says(&["amount"]);
}

#[test]
fn sql_joins_the_three_systems() {
    let Some(url) = postgres() else { return };
    let project = Project::with(SHOP);
    project.connect_postgres(&url);
    project.goe(&["connect", "pg"]).ok();
    project
        .goe(&[
            "offload",
            "shop.main.customers",
            "--to",
            "lake.shop.customers",
            "-x",
        ])
        .ok();
    let joined = "SELECT l.name, n.nspname, o.amount FROM lake.shop.customers l \
                  JOIN shop.main.orders o ON o.customer = l.id \
                  JOIN pg.pg_catalog.pg_namespace n ON n.nspname = 'public' \
                  ORDER BY o.amount";
    project
        .goe(&["sql", "-c", joined])
        .ok()
        .says(&["Ada", "public", "19.90", "Grace"]);
}

#[test]
fn a_misspelled_command_is_a_usage_error() {
    let project = Project::new();
    for arguments in [
        &["offlod"][..],
        &["offload"],
        &["offload", "shop.main.orders", "--paralel", "2"],
    ] {
        let ran = project.goe(arguments);
        assert_eq!(ran.code, Some(2), "{ran}");
    }
    project.goe(&["offlod"]).says(&["offload"]);
}

#[test]
fn secrets_never_print() {
    let project = Project::with(SHOP);
    let secret = "s3cr3t-canary";
    project.write(
        "goe.toml",
        &format!("[connections.pg]\nurl = \"postgres://someone:{secret}@127.0.0.1:1/none\"\n"),
    );
    for arguments in [
        &["connect", "pg"][..],
        &["tables", "pg"],
        &["offload", "pg.public.t", "--to", "lake.a.b", "-x"],
        &["--output", "json", "connect"],
        &["sql", "-c", "SELECT * FROM pg.public.t"],
    ] {
        let ran = project.goe(arguments);
        assert_ne!(ran.code, Some(0), "{ran}");
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains(secret),
            "{arguments:?}"
        );
    }
    project.write(
        "goe.toml",
        &format!("[connections.pg]\nurl = postgres://a:{secret}@h/d\n"),
    );
    let broken = project.goe(&["connect"]);
    assert!(!format!("{}{}", broken.stdout, broken.stderr).contains(secret));
}

#[test]
fn the_demo_runs_twice() {
    let project = Project::new();
    let demo = ["demo", "--scale", "0.005"];
    project.goe(&demo).ok().says(&["goe offload", "goe verify"]);
    project.goe(&demo).ok().says(&["goe offload"]);
    let lake = project.path("goe-demo");
    assert!(
        crate::project::files_below(&lake)
            .iter()
            .any(|file| file.contains("_delta_log"))
    );
}
