//! Offloads in SQL through the program: projects of files, the prompt's statements, what has
//! changed since the last run, and the old tool's options for names.

use std::fs;

use goe::ErrorKind;
use serde_json::Value;

use crate::project::{Project, Ran, postgres};
use crate::source::{files, root};

/// The shop that the offloads of `sql/offloads` read, with a schema `main`.
const SHOP: &str = include_str!("../sql/fixtures/offloads.sql");

/// One offload per kind, by its name, and the rows that its target must hold. The counts are those
/// of the fixture, counted by hand.
const OFFLOADS: [(&str, &str, &str); 6] = [
    ("../sql/offloads/full.sql", "customers", "3"),
    ("../sql/offloads/incremental.sql", "orders", "4"),
    ("../sql/offloads/partitioned.sql", "orders_by_month", "6"),
    ("../sql/offloads/masked.sql", "orders_masked", "2"),
    ("../sql/offloads/joined.sql", "orders_with_names", "5"),
    ("../sql/offloads/aggregated.sql", "spent", "4"),
];

fn sql(project: &Project, statement: &str) -> Ran {
    project.goe(&["sql", "--output", "csv", "-c", statement])
}

/// A project with every kind of offload.
fn project_of_offloads() -> Project {
    let project = Project::new();
    for (path, _, _) in OFFLOADS {
        let file = root().join("tests").join(path);
        let name = file.file_name().expect("a file").to_string_lossy();
        project.write(&name, &fs::read_to_string(&file).expect("an offload"));
    }
    project
}

/// Runs the whole project twice and proves every target.
fn runs_twice(project: &Project) {
    let planned = project.goe(&["run"]).ok();
    assert!(!project.is_published("shop", "orders"), "{planned}");
    planned.says(&["nothing was written", "goe run -x", "orders_by_month"]);
    project.goe(&["run", "-x"]).ok().says(&["Offloaded 4 rows"]);
    let again = project.goe(&["run", "--yes"]).ok();
    assert_eq!(
        again.stdout.matches("Nothing to do").count(),
        OFFLOADS.len(),
        "{again}"
    );
    for (_, name, rows) in OFFLOADS {
        let counted = sql(
            project,
            &["SELECT count(*) AS n FROM lake.shop.", name].concat(),
        )
        .ok();
        assert_eq!(counted.stdout, ["n\n", rows, "\n"].concat(), "{name}");
        project.goe(&["verify", name]).ok().says(&["Equal"]);
    }
    let masked = "SELECT id, amount, about, country, note FROM lake.shop.orders_masked ORDER BY id";
    assert_eq!(
        sql(project, masked).ok().stdout,
        "id,amount,about,country,note\n10,19.9000,19.9,DE,\n14,1000000.0100,1000000.0,DE,redacted\n"
    );
    let published = sql(
        project,
        "SELECT count(*) AS n FROM goe.runs r JOIN goe.chunks c ON c.run = r.run WHERE r.status = 'published'",
    );
    assert_eq!(published.ok().stdout, "n\n6\n");
}

#[test]
fn every_kind_of_offload_runs_twice_on_sqlite() {
    let kinds = files("sql/offloads");
    let kinds = kinds
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "sql"));
    assert_eq!(kinds.count(), OFFLOADS.len());
    let project = project_of_offloads();
    project.sqlite(SHOP);
    runs_twice(&project);
}

#[test]
fn every_kind_of_offload_runs_twice_on_postgres() {
    let Some(url) = postgres() else { return };
    let project = project_of_offloads();
    project.connect_postgres(&url);
    let database = format!("goe_offloads_{}", std::process::id());
    let psql = |url: &str, statements: &str| {
        let arguments = ["-q", "-v", "ON_ERROR_STOP=1", url, "-c", statements];
        Ran::of(project.command_of("psql", &arguments)).ok();
    };
    psql(&url, &format!("CREATE DATABASE {database}"));
    let (server, rest) = url.rsplit_once('/').expect("a URL");
    let options = rest.split_once('?').map_or("", |(_, options)| options);
    let shop = format!("{server}/{database}?{options}");
    psql(&shop, "CREATE SCHEMA main");
    psql(&shop, SHOP);
    project.write("pg.url", &shop);
    let toml = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    project.write(
        "goe.toml",
        &toml.replace("\"sqlite:shop.db\"", "\"${file:pg.url}\""),
    );
    runs_twice(&project);
    psql(&url, &format!("DROP DATABASE {database} WITH (FORCE)"));
}

const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(12, 2));
    INSERT INTO orders VALUES (1, '19.90'), (2, '0.10'), (3, '1.00');";

#[test]
fn the_rest_of_a_project_is_done_when_one_offload_fails() {
    let project = Project::with(ORDERS);
    project.write(
        "all.sql",
        "CREATE OFFLOAD one TO lake.p.one AS SELECT * FROM shop.main.orders;
         CREATE OFFLOAD two TO lake.p.two AS SELECT id, CAST(amount AS INTEGER) AS n FROM shop.main.orders;
         CREATE OFFLOAD three TO lake.p.three AS SELECT nothing FROM shop.main.orders;
         CREATE OFFLOAD four TO lake.p.four AS SELECT id FROM shop.main.orders;",
    );
    let ran = project.goe(&["run", "-x"]).fails(ErrorKind::TypeLoss);
    assert!(
        project.is_published("p", "one") && project.is_published("p", "four"),
        "{ran}"
    );
    assert!(!project.is_published("p", "two"), "{ran}");
    ran.says(&["2 of 4 offloads failed", "two", "three"]);
    project
        .goe(&["run", "four", "-x"])
        .ok()
        .says(&["Nothing to do"]);
    project
        .goe(&["run", "all.sql", "one", "-x"])
        .fails(ErrorKind::TypeLoss);
    project
        .goe(&["run", "fuor", "-x"])
        .fails(ErrorKind::NotFound)
        .says(&["four"]);
    project.goe(&["run", "gone.sql"]).fails(ErrorKind::NotFound);
    project
        .goe(&["run", "one", "--where", "id > 1", "--late", "id > 1"])
        .says(&["cannot be used"]);
    // What the files say only they can change.
    sql(&project, "DROP OFFLOAD one")
        .fails(ErrorKind::AlreadyExists)
        .says(&["all.sql"]);
    project.write(
        "all.sql",
        "CREATE OFFLOAD one TO lake.p.one\n  AS SELECT FROM;",
    );
    project
        .goe(&["run"])
        .fails(ErrorKind::Usage)
        .says(&["all.sql", "Line 2"]);
    let empty = Project::new();
    empty.goe(&["run"]).fails(ErrorKind::NotFound);
}

#[test]
fn an_offload_goes_by_its_name_in_every_command() {
    let project = Project::with(ORDERS);
    let offload = "CREATE OFFLOAD sold TO lake.p.sold WITH (parallel = 1) \
                   AS SELECT id, round(amount, 1) AS about FROM shop.main.orders WHERE id < 3;";
    project.write("sold.sql", offload);
    project
        .goe(&["plan", "sold"])
        .ok()
        .says(&["lake.p.sold", "about"]);
    let rows = project.goe(&["preview", "sold", "--output", "json"]).ok();
    assert_eq!(rows.events().len(), 2, "{rows}");
    project
        .goe(&["run", "sold", "-x"])
        .ok()
        .says(&["Offloaded 2 rows"]);
    project.goe(&["verify", "SOLD"]).ok().says(&["Equal"]);
    // Flags that mean the same go on from the same record.
    let same = [
        "offload",
        "shop.main.orders",
        "--to",
        "lake.p.sold",
        "-x",
        "--select",
        "id, round(amount, 1) AS about",
        "--where",
        "id < 3",
    ];
    project.goe(&same).ok().says(&["Nothing to do"]);
}

#[test]
fn a_run_takes_the_rows_that_it_is_asked_for() {
    let project = Project::with(ORDERS);
    let offload = "CREATE OFFLOAD sold TO lake.p.sold AS SELECT id, amount FROM shop.main.orders";
    project.write("sold.sql", offload);
    let run = |words: &[&str]| project.goe(&[&["run", "sold", "-x"], words].concat());
    run(&["--where", "id < 3"]).ok().says(&["Offloaded 2 rows"]);
    run(&["--where", "id < 3"]).ok().says(&["Nothing to do"]);
    run(&["--full"]).ok().says(&["Offloaded 1 row "]);
    project.sqlite(
        "INSERT INTO orders VALUES (4, '4.00'); UPDATE orders SET amount = '2.00' WHERE id = 1",
    );
    run(&["--late", "id > 3"]).ok().says(&["Offloaded 1 row "]);
    project.goe(&["verify", "sold"]).fails(ErrorKind::Verify);
    run(&["--replace", "id = 1"])
        .ok()
        .says(&["Offloaded 1 row "]);
    project
        .goe(&["verify", "sold"])
        .ok()
        .says(&["Equal", "4 rows"]);
    assert_eq!(project.lake("p", "sold").numbers("id").len(), 4);
}

#[test]
fn a_difference_shows_what_changed_since_the_last_run() {
    let project = Project::with(ORDERS);
    let define = |more: &str| {
        let text = format!("CREATE OFFLOAD o TO lake.p.o {more} AS SELECT * FROM shop.main.orders");
        project.write("o.sql", &text);
    };
    define("");
    let diff = || -> Value {
        let ran = project
            .goe(&["plan", "--diff", "o", "--output", "json"])
            .ok();
        ran.events().remove(0)
    };
    assert_eq!(diff()["covered"], Value::Null);
    project.goe(&["run", "o", "-x"]).ok();
    let same = project.goe(&["plan", "--diff", "o"]).ok();
    assert_eq!(same.stdout.matches("as it was").count(), 3, "{same}");
    project.sqlite("ALTER TABLE orders ADD COLUMN note TEXT");
    define("PARTITIONED BY (id)");
    let changed = diff();
    assert_eq!(changed["source"][0], "+ note TEXT", "{changed}");
    let definition = changed["definition"].to_string();
    assert!(definition.contains("partition_by"), "{changed}");
    assert!(!changed["refused"].is_null(), "{changed}");
    project
        .goe(&["plan", "--diff", "o"])
        .ok()
        .says(&["+ note TEXT", "partition_by", "Refused"]);
}

#[test]
fn tables_have_their_old_names_too() {
    let project = Project::with(ORDERS);
    let old = [
        "offload",
        "-t",
        "main.orders",
        "--target-name",
        "sh.orders",
        "-x",
    ];
    project
        .goe(&old)
        .fails(ErrorKind::Usage)
        .says(&["[defaults] from"]);
    let toml = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    project.write(
        "goe.toml",
        &format!("{toml}\n[defaults]\nfrom = \"shop.main\"\nto = \"lake.dw\"\n"),
    );
    project.goe(&old).ok().says(&["3 rows to lake.sh.orders"]);
    project
        .goe(&["offload", "--table", "orders", "-x"])
        .fails(ErrorKind::Usage)
        .says(&["OWNER.TABLE"]);
    let both = project.goe(&["offload", "shop.main.orders", "-t", "main.orders"]);
    assert_eq!(both.code, Some(2), "{both}");
}

#[test]
fn statements_are_files_and_commands_and_keep_what_is_written() {
    let project = Project::with(ORDERS);
    project.write(
        "job.sql",
        "CREATE CONNECTION other TO 'sqlite:shop.db';\n\
         CREATE OFFLOAD o TO lake.p.o AS SELECT id FROM other.main.orders;\n\
         RUN OFFLOAD o; VERIFY OFFLOAD o; SELECT count(*) AS n FROM lake.p.o;",
    );
    let toml = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    project.write("goe.toml", &format!("# our connections\n{toml}"));
    project.goe(&["sql", "-f", "job.sql"]).ok().says(&[
        "Offloaded 3 rows",
        "Equal",
        "| n |",
        "| 3 |",
    ]);
    let kept = fs::read_to_string(project.path("goe.toml")).expect("goe.toml");
    assert!(
        kept.starts_with("# our connections") && kept.contains("[connections.other]"),
        "{kept}"
    );
    let ran = project
        .goe(&["sql", "--output", "json", "-c", "RUN OFFLOAD o"])
        .ok();
    let events = ran.events();
    assert_eq!(events.last().expect("events")["event"], "summary", "{ran}");
    let plan = sql(&project, "EXPLAIN FORMAT JSON OFFLOAD o").ok();
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    assert_eq!(plan["target"], "lake.p.o");
    let secret = sql(
        &project,
        "CREATE CONNECTION pg TO 'postgres://me:s3cr3t@h/d'",
    );
    assert!(
        !format!("{secret}")
            .replace("postgres://me:s3cr3t@h/d'\"", "")
            .contains("s3cr3t"),
        "{secret}"
    );
    secret.fails(ErrorKind::Usage).says(&["${env:NAME}"]);
    project
        .goe(&["help", "statements"])
        .ok()
        .says(&["CREATE OFFLOAD", "read_as"]);
}

#[test]
fn text_that_is_deep_or_long_ends_in_an_answer() {
    let project = Project::with(ORDERS);
    let nested = |open: &str, close: &str| {
        [open.repeat(50_000), "1".to_owned(), close.repeat(50_000)].concat()
    };
    let deep = [
        [
            "CREATE OFFLOAD o TO lake.p.o AS SELECT ",
            &nested("(", ")"),
            " AS x",
        ]
        .concat(),
        ["SELECT ", &nested("(", ")")].concat(),
        ["SELECT 1 AS x WHERE 1 = 2", &" OR 1 = 3".repeat(50_000)].concat(),
        ["RUN OFFLOAD o WHERE ", &"NOT ".repeat(50_000), "true"].concat(),
        [
            "CREATE OFFLOAD o TO lake.p.o AS SELECT 1",
            &" + 1".repeat(50_000),
            " AS x",
        ]
        .concat(),
    ];
    for text in deep {
        project.write("deep.sql", &text);
        let ran = project
            .goe(&["sql", "-f", "deep.sql"])
            .fails(ErrorKind::Usage);
        assert!(ran.stderr.len() < 2000, "{} bytes", ran.stderr.len());
    }
    project.write(
        "chain.sql",
        &[
            "EXPLAIN OFFLOAD TO lake.p.o AS SELECT 1",
            &" + 1".repeat(900),
            " AS x",
        ]
        .concat(),
    );
    project.goe(&["sql", "-f", "chain.sql"]).ok();
}
