//! Bad input gets a clear error of the right kind with a hint, and loses nothing; odd input that is
//! allowed arrives as it is.

use std::fs;
use std::time::{Duration, Instant};

use goe::ErrorKind;

use crate::project::{Project, Ran, postgres, skip};

const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE, amount DECIMAL(10,2), note TEXT);
    INSERT INTO orders VALUES (1, '2024-01-01', '1.50', 'a'), (2, '2024-01-02', NULL, 'b');
";

const OFFLOAD: [&str; 5] = [
    "offload",
    "shop.main.orders",
    "--to",
    "lake.shop.orders",
    "-x",
];

/// A command that fails in a project made by `prepare`, and how it says so.
struct Case {
    name: &'static str,
    prepare: fn(&Project),
    command: &'static [&'static str],
    kind: ErrorKind,
    says: &'static [&'static str],
}

fn nothing(_: &Project) {}

const CASES: &[Case] = &[
    Case {
        name: "unknown connection",
        prepare: nothing,
        command: &[
            "offload",
            "shpo.main.orders",
            "--to",
            "lake.shop.orders",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["shpo", "shop"],
    },
    Case {
        name: "unknown target connection",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "laek.shop.orders",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["laek", "lake"],
    },
    Case {
        name: "unknown schema",
        prepare: nothing,
        command: &[
            "offload",
            "shop.mian.orders",
            "--to",
            "lake.shop.orders",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["mian", "main"],
    },
    Case {
        name: "unknown table",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.ordrs",
            "--to",
            "lake.shop.orders",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["ordrs", "orders"],
    },
    Case {
        name: "unknown column in the filter",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--where",
            "amunt > 1",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &["amunt", "amount"],
    },
    Case {
        name: "unknown partition column",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--partition-by",
            "month(plaecd)",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["plaecd", "placed"],
    },
    Case {
        name: "unknown incremental column",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--incremental-by",
            "idd",
            "-x",
        ],
        kind: ErrorKind::NotFound,
        says: &["idd", "id"],
    },
    Case {
        name: "no columns",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--select",
            "",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &["column"],
    },
    Case {
        name: "duplicate output names",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--select",
            "id, amount AS id",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &["id"],
    },
    Case {
        name: "a filter that does not parse",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--where",
            "id = = 1",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &[],
    },
    Case {
        name: "a second statement in the filter",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--where",
            "id = 1; DROP TABLE orders",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &[],
    },
    Case {
        name: "a table name of two parts",
        prepare: nothing,
        command: &["offload", "shop.orders", "--to", "lake.shop.orders", "-x"],
        kind: ErrorKind::Usage,
        says: &["shop.orders"],
    },
    Case {
        name: "a level of proof that does not exist",
        prepare: nothing,
        command: &[
            "offload",
            "shop.main.orders",
            "--to",
            "lake.shop.orders",
            "--verify",
            "cheksum",
            "-x",
        ],
        kind: ErrorKind::Usage,
        says: &["checksum"],
    },
    Case {
        name: "a missing SQLite file",
        prepare: |project| fs::remove_file(project.path("shop.db")).unwrap(),
        command: &OFFLOAD,
        kind: ErrorKind::NotFound,
        says: &["shop.db"],
    },
    Case {
        name: "not a SQLite file",
        prepare: |project| project.write("shop.db", &"no database at all\n".repeat(100)),
        command: &OFFLOAD,
        kind: ErrorKind::Data,
        says: &["shop.db", "SQLite"],
    },
    Case {
        name: "a truncated SQLite file",
        prepare: truncate,
        command: &OFFLOAD,
        kind: ErrorKind::Data,
        says: &["shop"],
    },
    Case {
        name: "a date that is none",
        prepare: |project| project.sqlite("UPDATE orders SET placed = 'soon' WHERE id = 2"),
        command: &OFFLOAD,
        kind: ErrorKind::Data,
        says: &["orders", "placed", "soon", "2"],
    },
    Case {
        name: "a decimal with too many digits",
        prepare: |project| project.sqlite("UPDATE orders SET amount = '1.555' WHERE id = 2"),
        command: &OFFLOAD,
        kind: ErrorKind::Data,
        says: &["orders", "amount", "1.555", "2"],
    },
    Case {
        name: "invalid UTF-8",
        prepare: |project| {
            project.sqlite("UPDATE orders SET note = CAST(x'ff41' AS TEXT) WHERE id = 2");
        },
        command: &OFFLOAD,
        kind: ErrorKind::Data,
        says: &["orders", "note", "UTF-8"],
    },
    Case {
        name: "a target folder that holds something else",
        prepare: |project| {
            fs::create_dir_all(project.path("lake/shop/orders")).unwrap();
            project.write("lake/shop/orders/holiday.jpg", "not ours");
        },
        command: &OFFLOAD,
        kind: ErrorKind::AlreadyExists,
        says: &["orders"],
    },
    Case {
        name: "a target that is a file",
        prepare: |project| project.write("lake", "a file"),
        command: &OFFLOAD,
        kind: ErrorKind::AlreadyExists,
        says: &["lake"],
    },
    Case {
        name: "an unknown option in goe.toml",
        prepare: |project| {
            project.write(
                "goe.toml",
                "[connections.shop]\nurl = \"sqlite:shop.db\"\nspeed = 9\n",
            );
        },
        command: &["tables", "shop"],
        kind: ErrorKind::Config,
        says: &["shop", "speed"],
    },
    Case {
        name: "a goe.toml that does not parse",
        prepare: |project| project.write("goe.toml", "[connections.shop\n"),
        command: &["tables", "shop"],
        kind: ErrorKind::Config,
        says: &["goe.toml", "line 1"],
    },
    Case {
        name: "a secret that is not set",
        prepare: |project| {
            let url = "[connections.pg]\nurl = \"postgres://a:${env:GOE_NO_SUCH}@127.0.0.1/d\"\n";
            project.write("goe.toml", url);
        },
        command: &["tables", "pg"],
        kind: ErrorKind::Config,
        says: &["GOE_NO_SUCH"],
    },
    Case {
        name: "a server that does not listen",
        prepare: |project| {
            project.write(
                "goe.toml",
                "[connections.pg]\nurl = \"postgres://a:b@127.0.0.1:1/d\"\n",
            );
        },
        command: &["tables", "pg"],
        kind: ErrorKind::Connect,
        says: &["127.0.0.1"],
    },
    Case {
        name: "a host that does not exist",
        prepare: |project| {
            project.write(
                "goe.toml",
                "[connections.pg]\nurl = \"postgres://a:b@goe.invalid/d\"\n",
            );
        },
        command: &["tables", "pg"],
        kind: ErrorKind::Connect,
        says: &["goe.invalid"],
    },
];

/// Cuts the database in its middle, after enough rows for several pages.
fn truncate(project: &Project) {
    project.sqlite(
        "WITH RECURSIVE n(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
         INSERT INTO orders SELECT n, '2024-01-01', 1, 'row ' || n FROM n",
    );
    let file = fs::OpenOptions::new()
        .write(true)
        .open(project.path("shop.db"))
        .unwrap();
    file.set_len(file.metadata().unwrap().len() / 2 / 4096 * 4096)
        .unwrap();
}

#[test]
fn bad_input_gets_its_kind_and_a_hint_and_publishes_nothing() {
    let mut wrong = Vec::new();
    for case in CASES {
        let project = Project::with(ORDERS);
        (case.prepare)(&project);
        let ran = project.goe(case.command);
        let mut complaints = Vec::new();
        if ran.code != Some(case.kind.exit_code().into()) {
            complaints.push(format!(
                "not exit code {} ({:?})",
                case.kind.exit_code(),
                case.kind
            ));
        }
        let said = ran.stderr.to_lowercase();
        let missing = case
            .says
            .iter()
            .filter(|word| !said.contains(&word.to_lowercase()));
        complaints.extend(missing.map(|word| format!("\"{word}\" is not said")));
        if !["hint: ", "tip: "].iter().any(|hint| said.contains(hint)) {
            complaints.push("it gives no hint".to_owned());
        }
        if said.contains("panicked") {
            complaints.push("it panics".to_owned());
        }
        if project.is_published("shop", "orders") {
            complaints.push("something is published".to_owned());
        }
        if !complaints.is_empty() {
            wrong.push(format!(
                "== {}: {}\n{ran}",
                case.name,
                complaints.join(", ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

#[test]
fn an_unreachable_host_is_waited_for_in_bounds() {
    let project = Project::new();
    // 192.0.2.0/24 is never routed; where a firewall answers at once that is as good.
    project.write(
        "goe.toml",
        "[connections.pg]\nurl = \"postgres://a:b@192.0.2.1/d\"\n",
    );
    let begun = Instant::now();
    let ran = project.goe(&["tables", "pg"]);
    assert!(begun.elapsed() < Duration::from_secs(60), "{ran}");
    ran.fails(ErrorKind::Connect).says(&["192.0.2.1"]);
}

#[test]
fn a_target_of_another_shape_is_refused_with_the_differences() {
    let project = Project::with(ORDERS);
    project.goe(&OFFLOAD).ok();
    let version = project.lake("shop", "orders").version;
    project.sqlite(
        "DROP TABLE orders; CREATE TABLE orders (id TEXT PRIMARY KEY, amount DECIMAL(5,1));
         INSERT INTO orders VALUES ('x', 1)",
    );
    let ran = project.goe(&OFFLOAD);
    assert!(!matches!(ran.code, Some(0 | 1)), "{ran}");
    assert!(ran.stderr.contains("hint: "), "{ran}");
    assert_eq!(project.lake("shop", "orders").version, version);
}

#[test]
fn no_rows_make_an_empty_table() {
    let project = Project::with("CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE)");
    project.goe(&OFFLOAD).ok();
    let table = project.lake("shop", "orders");
    assert_eq!(
        (table.rows(), table.columns()),
        (0, vec!["id".into(), "placed".into()])
    );
}

#[test]
fn a_very_wide_table_arrives() {
    let columns: Vec<String> = (0..1600).map(|n| format!("c{n} INTEGER")).collect();
    let values: Vec<String> = (0..1600).map(|n| n.to_string()).collect();
    let project = Project::with(&format!(
        "CREATE TABLE orders ({}); INSERT INTO orders VALUES ({});",
        columns.join(", "),
        values.join(", ")
    ));
    project.goe(&OFFLOAD).ok();
    let table = project.lake("shop", "orders");
    assert_eq!(table.columns().len(), 1600);
    assert_eq!(table.numbers("c1599"), [1599]);
}

#[test]
fn a_text_of_64_megabytes_arrives() {
    let project = Project::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
         INSERT INTO orders VALUES (1, printf('%.*c', 67108864, 'x')), (2, 'small')",
    );
    project.goe(&OFFLOAD).ok();
    let notes = project.lake("shop", "orders").texts("note", "id");
    assert_eq!((notes[0].len(), notes[1].as_str()), (67_108_864, "small"));
    assert!(notes[0].bytes().all(|byte| byte == b'x'));
}

#[test]
fn odd_texts_arrive_as_they_are() {
    let project = Project::with(ORDERS);
    project.sqlite("UPDATE orders SET note = 'a' || char(0) || 'b' WHERE id = 1");
    project.goe(&OFFLOAD).ok();
    assert_eq!(
        project.lake("shop", "orders").texts("note", "id"),
        ["a\0b", "b"]
    );
}

#[test]
fn odd_names_arrive_as_they_are() {
    let long = "n".repeat(63);
    let names = [
        "it's \"quoted\"",
        "two words",
        "line\nbreak",
        "😀",
        "select",
        "Ä",
        &long,
        "a.b",
    ];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = names.iter().map(|name| quoted(name) + " INTEGER").collect();
    let table = "t \"1\"; --";
    let project = Project::with(&format!(
        "CREATE TABLE {0} ({1}); INSERT INTO {0} VALUES (1, 2, 3, 4, 5, 6, 7, 8);",
        quoted(table),
        columns.join(", ")
    ));
    let source = format!("shop.main.{}", quoted(table));
    let filter = format!("{} = 1 AND {} = 4", quoted(names[0]), quoted(names[3]));
    project
        .goe(&[
            "offload",
            &source,
            "--to",
            "lake.shop.odd",
            "--where",
            &filter,
            "-x",
        ])
        .ok();
    let odd = project.lake("shop", "odd");
    assert_eq!(odd.columns(), names);
    for (index, name) in names.iter().enumerate() {
        assert_eq!(odd.numbers(name), [index as i64 + 1], "{name}");
    }
    project.goe(&["verify", "lake.shop.odd"]).ok();
}

#[test]
fn case_twins_are_kept_apart_or_refused() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    project.connect_postgres(&url);
    let schema = format!("goe_twins_{}", std::process::id());
    let psql = |sql: &str| {
        let command = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql];
        Ran::of(project.command_of("psql", &command)).ok();
    };
    psql(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.twins (a integer, \"A\" integer);
         INSERT INTO {schema}.twins VALUES (1, 2)"
    ));
    let source = format!("pg.{schema}.twins");
    let both = project.goe(&["offload", &source, "--to", "lake.pg.twins", "-x"]);
    let select = ["--select", "a AS lower, \"A\" AS upper"];
    let named = project.goe(
        &[
            &["offload", &source, "--to", "lake.pg.named", "-x"],
            &select[..],
        ]
        .concat(),
    );
    psql(&format!("DROP SCHEMA {schema} CASCADE"));
    both.fails(ErrorKind::Usage).says(&["AS"]);
    named.ok();
    let table = project.lake("pg", "named");
    assert_eq!(
        (table.numbers("lower"), table.numbers("upper")),
        (vec![1], vec![2])
    );
}

#[test]
fn a_server_tells_wrong_password_from_missing_right() {
    let Some(url) = postgres() else { return };
    let project = Project::new();
    let suffix = std::process::id();
    let psql = |sql: &str| {
        let command = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql];
        Ran::of(project.command_of("psql", &command)).ok();
    };
    psql(&format!(
        "CREATE ROLE goe_reader_{suffix} LOGIN PASSWORD 'right';
         CREATE SCHEMA goe_locked_{suffix}; CREATE TABLE goe_locked_{suffix}.secrets (id integer);
         CREATE TABLE public.goe_secrets_{suffix} (id integer)"
    ));
    let address = url.split_once('@').expect("user:password@host").1;
    let connect = |password: &str| {
        project.connect_postgres(&format!(
            "postgres://goe_reader_{suffix}:{password}@{address}"
        ));
    };
    connect("wrong");
    let wrong = project.goe(&["tables", "pg"]);
    connect("right");
    let table = format!("pg.public.goe_secrets_{suffix}");
    let refused = project.goe(&["offload", &table, "--to", "lake.pg.secrets", "-x"]);
    let hidden = format!("pg.goe_locked_{suffix}.secrets");
    let hidden = project.goe(&["offload", &hidden, "--to", "lake.pg.secrets", "-x"]);
    psql(&format!(
        "DROP TABLE public.goe_secrets_{suffix}; DROP SCHEMA goe_locked_{suffix} CASCADE;
         DROP ROLE goe_reader_{suffix}"
    ));
    wrong.fails(ErrorKind::Authenticate).says(&["goe_reader"]);
    refused
        .fails(ErrorKind::Permission)
        .says(&["goe_secrets", "SELECT on the table"]);
    hidden.fails(ErrorKind::Permission).says(&["GRANT USAGE"]);
    assert!(!project.is_published("pg", "secrets"));
}

/// Enough random bytes that no compression makes them fit.
const LARGE: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, noise BLOB);
    WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 400)
    INSERT INTO orders SELECT n, randomblob(16384) FROM n;
";

#[test]
fn a_limit_of_file_size_stops_cleanly_and_a_second_run_works() {
    let project = Project::with(LARGE);
    // In blocks of 1024 bytes; the signal is ignored, so that writing fails as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"";
    let command = [&["-c", limited, env!("CARGO_BIN_EXE_goe")], &OFFLOAD[..]].concat();
    Ran::of(project.command_of("bash", &command)).fails(ErrorKind::Load);
    assert!(!project.is_published("shop", "orders"));
    project.goe(&OFFLOAD).ok();
    assert_eq!(project.lake("shop", "orders").rows(), 400);
}

#[test]
fn a_full_disk_stops_cleanly_and_a_second_run_works() {
    let project = Project::with(LARGE);
    let lake = project.path("lake");
    fs::create_dir(&lake).unwrap();
    let lake = lake.to_str().expect("UTF-8");
    let mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", lake];
    if Ran::of(project.command_of("mount", &mount)).code != Some(0) {
        return skip("full disk: only root can mount a small tmpfs");
    }
    let failed = project.goe(&OFFLOAD);
    let published = project.is_published("shop", "orders");
    let larger = project.command_of("mount", &["-o", "remount,size=64m", lake]);
    let larger = Ran::of(larger).code == Some(0);
    let second = larger.then(|| (project.goe(&OFFLOAD), project.lake("shop", "orders").rows()));
    Ran::of(project.command_of("umount", &[lake])).ok();
    failed.fails(ErrorKind::Load);
    assert!(!published);
    if let Some((second, rows)) = second {
        second.ok();
        assert_eq!(rows, 400);
    }
}

#[test]
fn a_folder_without_write_permission_is_said() {
    let project = Project::with(ORDERS);
    let lake = project.path("lake");
    fs::create_dir(&lake).unwrap();
    let mount = [
        "-t",
        "tmpfs",
        "-o",
        "size=1m,ro",
        "tmpfs",
        lake.to_str().unwrap(),
    ];
    if Ran::of(project.command_of("mount", &mount)).code != Some(0) {
        return skip("read-only disk: only root can mount one");
    }
    let failed = project.goe(&OFFLOAD);
    Ran::of(project.command_of("umount", &[lake.to_str().unwrap()])).ok();
    failed.fails(ErrorKind::Permission);
}

#[test]
fn a_table_dropped_while_it_is_read_is_whole_or_refused() {
    let project = Project::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50000)
         INSERT INTO orders SELECT n, 'note ' || n FROM n;",
    );
    for step in ["plan", "prepare", "stage"] {
        let at =
            |event: &serde_json::Value| event["event"] == "step_started" && event["step"] == step;
        let Some(mut child) = project.goe_until(&OFFLOAD, at) else {
            panic!("no step {step}")
        };
        let database = rusqlite::Connection::open(project.path("shop.db")).unwrap();
        let renamed = database.execute_batch("ALTER TABLE orders RENAME TO gone");
        let code = crate::project::wait(&mut child);
        if code == Some(0) {
            assert!(
                project
                    .lake("shop", "orders")
                    .numbers("id")
                    .into_iter()
                    .eq(1..=50_000)
            );
            fs::remove_dir_all(project.path("lake")).unwrap();
        } else {
            let told = [ErrorKind::NotFound, ErrorKind::Conflict];
            let told = told.map(|kind| Some(i32::from(kind.exit_code())));
            assert!(told.contains(&code), "{code:?} in {step}");
            assert!(!project.is_published("shop", "orders"), "in {step}");
        }
        if renamed.is_ok() {
            project.sqlite("ALTER TABLE gone RENAME TO orders");
        }
    }
}
