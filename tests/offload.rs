//! The main job from a shell: full, again, incremental, proved again, cleaned; and what remains
//! when it is killed, interrupted, or its repository is lost.

use goe::ErrorKind;
use serde_json::Value;

use crate::project::{Project, files_below, signal, wait};

const ORDERS: &str = "
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        placed DATE NOT NULL,
        customer VARCHAR(20),
        amount DECIMAL(12,2)
    );
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
    INSERT INTO orders
    SELECT n, date('2024-01-01', (n % 120) || ' days'),
           CASE WHEN n % 10 = 0 THEN NULL ELSE 'customer ' || n END, n || '.05'
    FROM numbers;
";

const FULL: [&str; 5] = [
    "offload",
    "shop.main.orders",
    "--to",
    "lake.shop.orders",
    "-x",
];

/// The full offload with more flags.
fn full(more: &[&'static str]) -> Vec<&'static str> {
    [&FULL, more].concat()
}

/// Deletes the repository.
fn forget_runs(project: &Project) {
    for file in files_below(&project.path(""))
        .iter()
        .filter(|file| file.starts_with("goe.db"))
    {
        std::fs::remove_file(project.path(file)).expect("goe.db");
    }
}

fn ids(project: &Project) -> Vec<i64> {
    project.lake("shop", "orders").numbers("id")
}

#[test]
fn without_execute_nothing_is_written() {
    let project = Project::with(ORDERS);
    let before = files_below(&project.path(""));
    project
        .goe(&FULL[..4])
        .ok()
        .says(&["orders", "amount", "DECIMAL(12,2)"]);
    project
        .goe(&["plan", "shop.main.orders", "--to", "lake.shop.orders"])
        .ok()
        .says(&["amount"]);
    assert!(!project.is_published("shop", "orders"));
    let after = files_below(&project.path(""));
    let new: Vec<&String> = after.iter().filter(|file| !before.contains(file)).collect();
    assert!(new.iter().all(|file| file.starts_with("goe.db")), "{new:?}");
}

#[test]
fn a_full_offload_is_exact_and_the_second_has_nothing_to_do() {
    let project = Project::with(ORDERS);
    project.goe(&FULL).ok();
    let first = project.lake("shop", "orders");
    assert_eq!(first.numbers("id"), (1..=1000).collect::<Vec<_>>());
    let amounts: Vec<String> = (1..=1000).map(|id| format!("{id}.05")).collect();
    assert_eq!(first.texts("amount", "id"), amounts);
    assert_eq!(first.texts("customer", "id")[9], "NULL");
    assert_eq!(first.texts("placed", "id")[0], "2024-01-02");

    project.goe(&FULL).ok().says(&["nothing to do"]);
    assert_eq!(project.lake("shop", "orders").version, first.version);
}

#[test]
fn partitions_hold_their_months() {
    let project = Project::with(ORDERS);
    project
        .goe(&full(&["--partition-by", "month(placed)"]))
        .ok();
    let table = project.lake("shop", "orders");
    assert_eq!(table.rows(), 1000);
    let month = table
        .columns()
        .into_iter()
        .find(|name| name.contains("month"))
        .expect("a column");
    let months = table.partitions(&month);
    assert_eq!(months.len(), 4, "{months:?}");
    assert!(
        months[0].starts_with("2024-01") && months[3].starts_with("2024-04"),
        "{months:?}"
    );
}

#[test]
fn an_incremental_offload_takes_only_what_is_new() {
    let project = Project::with(ORDERS);
    let command = full(&["--incremental-by", "id"]);
    project.goe(&command).ok();
    project.sqlite("INSERT INTO orders VALUES (1001, '2024-06-01', 'new', '1.10'), (1002, '2024-06-02', NULL, NULL)");
    project.goe(&command).ok();
    let table = project.lake("shop", "orders");
    assert_eq!(table.numbers("id"), (1..=1002).collect::<Vec<_>>());
    assert_eq!(table.texts("amount", "id")[1000..], ["1.10", "NULL"]);
    project.goe(&command).ok().says(&["nothing to do"]);
    project.goe(&["verify", "lake.shop.orders"]).ok();
}

#[test]
fn until_is_exclusive_and_moves_forward() {
    let project = Project::with(ORDERS);
    let until = |boundary| full(&["--incremental-by", "placed", "--until", boundary]);
    let before = |month: &str| -> Vec<i64> {
        let database = rusqlite::Connection::open(project.path("shop.db")).unwrap();
        let mut rows = database
            .prepare("SELECT id FROM orders WHERE placed < ? ORDER BY 1")
            .unwrap();
        rows.query_map([month], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    project.goe(&until("DATE '2024-02-01'")).ok();
    assert_eq!(ids(&project), before("2024-02-01"));
    project.goe(&until("DATE '2024-03-01'")).ok();
    assert_eq!(ids(&project), before("2024-03-01"));
    project
        .goe(&until("DATE '2024-02-01'"))
        .ok()
        .says(&["nothing to do"]);
    assert_eq!(ids(&project), before("2024-03-01"));
}

#[test]
fn where_and_select_shape_the_target() {
    let project = Project::with(ORDERS);
    let select = "id, amount, upper(customer) AS who";
    project
        .goe(&full(&[
            "--select",
            select,
            "--where",
            "id > 990 AND customer IS NOT NULL",
        ]))
        .ok();
    let table = project.lake("shop", "orders");
    assert_eq!(table.columns(), ["id", "amount", "who"]);
    assert_eq!(table.numbers("id"), (991..=999).collect::<Vec<_>>());
    assert_eq!(table.texts("who", "id")[0], "CUSTOMER 991");
}

#[test]
fn a_changed_source_is_found_and_named() {
    let project = Project::with(ORDERS);
    project.goe(&FULL).ok();
    project.goe(&["verify", "lake.shop.orders"]).ok();
    project.sqlite("UPDATE orders SET amount = '0.01' WHERE id = 500");
    project
        .goe(&["verify", "lake.shop.orders"])
        .tells(ErrorKind::Verify)
        .says(&["amount"]);
    project
        .goe(&["verify", "lake.shop.orders", "--stored"])
        .ok();
}

#[test]
fn stored_hashes_prove_a_table_whose_source_is_gone() {
    let project = Project::with(ORDERS);
    project
        .goe(&full(&["--partition-by", "month(placed)"]))
        .ok();
    project.sqlite("DROP TABLE orders");
    project
        .goe(&["verify", "lake.shop.orders", "--stored"])
        .ok();
    project
        .goe(&["verify", "lake.shop.orders"])
        .fails(ErrorKind::NotFound);
}

#[test]
fn a_damaged_file_of_the_lake_is_found() {
    let project = Project::with(ORDERS);
    project.goe(&FULL).ok();
    let table = project.path("lake/shop/orders");
    let file = files_below(&table)
        .into_iter()
        .find(|file| file.ends_with(".parquet"))
        .unwrap();
    let mut bytes = std::fs::read(table.join(&file)).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x55;
    std::fs::write(table.join(&file), bytes).unwrap();
    let found = project.goe(&["verify", "lake.shop.orders", "--stored"]);
    assert_ne!(found.code, Some(0), "{found}");
    assert!(!found.stderr.contains("panicked"), "{found}");
}

#[test]
fn history_tells_runs_and_their_steps() {
    let project = Project::with(ORDERS);
    project.goe(&FULL).ok();
    project.goe(&FULL).ok();
    project.goe(&["history"]).ok().says(&[
        "shop.main.orders",
        "lake.shop.orders",
        "published",
        "1000",
    ]);
    let runs = project.goe(&["--output", "json", "history"]).ok();
    let run = first_text(&runs.events(), "run").expect("a run in the history");
    project
        .goe(&["history", &run])
        .ok()
        .says(&[&run, "stage", "verify", "publish"]);
    project
        .goe(&["history", "no-such-run"])
        .fails(ErrorKind::NotFound);
}

/// The first text under a key, at any depth.
fn first_text(values: &[Value], key: &str) -> Option<String> {
    values.iter().find_map(|value| match value {
        Value::Object(fields) => match fields.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => first_text(&fields.values().cloned().collect::<Vec<_>>(), key),
        },
        Value::Array(items) => first_text(items, key),
        _ => None,
    })
}

#[test]
fn json_output_is_one_event_a_line_and_a_summary() {
    let project = Project::with(ORDERS);
    let events = project
        .goe(&[&["--output", "json"], &FULL[..]].concat())
        .ok()
        .events();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!(named("run_started"), 1);
    assert_eq!(named("run_finished"), 1);
    assert!(
        named("chunk_published") >= 1 && named("step_finished") >= 5,
        "{events:?}"
    );
    assert_eq!(events.last().expect("a summary")["rows"], 1000);
}

#[test]
fn quiet_is_quiet() {
    let project = Project::with(ORDERS);
    let ran = project.goe(&full(&["--quiet"])).ok();
    assert_eq!(ran.stderr, "", "{ran}");
    assert!(ran.stdout.lines().count() <= 2, "the result alone: {ran}");
    assert_eq!(project.lake("shop", "orders").rows(), 1000);
}

#[test]
fn a_lost_repository_forgets_nothing_and_doubles_nothing() {
    let project = Project::with(ORDERS);
    let command = full(&["--incremental-by", "id"]);
    project.goe(&command).ok();
    forget_runs(&project);
    project.goe(&command).ok().says(&["nothing to do"]);
    project.sqlite("INSERT INTO orders VALUES (1001, '2024-06-01', 'new', '1.10')");
    project.goe(&command).ok();
    assert_eq!(ids(&project), (1..=1001).collect::<Vec<_>>());
}

#[test]
fn another_folder_is_the_same_project() {
    let project = Project::with(ORDERS);
    let command = full(&["--incremental-by", "id"]);
    project.goe(&command).ok();
    std::fs::create_dir_all(project.path("deep/below")).unwrap();
    let mut elsewhere = project.command(&command);
    elsewhere.current_dir(project.path("deep/below"));
    crate::project::Ran::of(elsewhere)
        .ok()
        .says(&["nothing to do"]);
    assert_eq!(files_below(&project.path("deep")), Vec::<String>::new());
}

#[test]
fn an_addressed_connection_needs_no_configuration() {
    let project = Project::with(ORDERS);
    std::fs::remove_file(project.path("goe.toml")).unwrap();
    let arguments = [
        "offload",
        "sqlite:shop.db#main.orders",
        "--to",
        "delta:lake#shop.orders",
        "-x",
    ];
    project.goe(&arguments).ok();
    assert_eq!(project.lake("shop", "orders").rows(), 1000);
}

#[test]
fn reset_replaces_everything_at_once() {
    let project = Project::with(ORDERS);
    project.goe(&FULL).ok();
    project.sqlite("DELETE FROM orders WHERE id > 10; UPDATE orders SET amount = '7.00'");
    project.goe(&full(&["--reset"])).ok();
    let table = project.lake("shop", "orders");
    assert_eq!(table.numbers("id"), (1..=10).collect::<Vec<_>>());
    assert!(
        table
            .texts("amount", "id")
            .iter()
            .all(|amount| amount == "7.00")
    );
    project.goe(&["verify", "lake.shop.orders"]).ok();
}

/// Enough rows that every step takes a while.
const MANY: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE, amount DECIMAL(12,2), note TEXT);
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
    INSERT INTO orders SELECT n, date('2024-01-01', (n % 300) || ' days'), n || '.25',
           'a note that is different in each row: ' || n * 7919
    FROM numbers;
";

/// Runs until a step begins and does something to the process then; whether it was still alive.
fn at_step(project: &Project, step: &str, act: impl Fn(&mut std::process::Child)) -> bool {
    let begins = |event: &Value| event["event"] == "step_started" && event["step"] == step;
    let Some(mut child) = project.goe_until(&FULL, begins) else {
        return false;
    };
    act(&mut child);
    true
}

/// The dead hold a target until their lease ends.
fn run_when_the_lease_is_over(project: &Project) {
    let begun = std::time::Instant::now();
    loop {
        let ran = project.goe(&FULL);
        if ran.code != Some(ErrorKind::Locked.exit_code().into()) || begun.elapsed().as_secs() > 90
        {
            return drop(ran.ok());
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}

#[test]
fn a_killed_run_loses_nothing_and_its_files_are_cleaned() {
    for step in ["plan", "prepare", "stage", "load", "verify", "publish"] {
        let project = Project::with(MANY);
        let killed = at_step(&project, step, |child| {
            signal(child, "KILL");
            wait(child);
        });
        assert!(killed, "step {step} is never announced");
        let published = project.is_published("shop", "orders");
        assert!(
            !published || step == "publish",
            "killed in {step} and yet published"
        );

        if step == "stage" {
            run_when_the_lease_is_over(&project);
        } else {
            forget_runs(&project);
            project.goe(&FULL).ok();
        }
        let table = project.lake("shop", "orders");
        assert!(
            table.numbers("id").into_iter().eq(1..=100_000),
            "after a kill in {step}"
        );
        let orphans = table.orphans();
        if !orphans.is_empty() {
            // The history may be lost, and with it who is at work.
            let listed = project
                .goe(&["clean", "lake.shop.orders", "--foreign"])
                .ok();
            for orphan in &orphans {
                assert!(
                    listed.stdout.contains(orphan.as_str()),
                    "{orphan} expected: {listed}"
                );
            }
            assert_eq!(table.orphans(), orphans, "listing removes nothing");
            let clean = ["clean", "lake.shop.orders", "-x"];
            if step != "stage" {
                let spared = project.goe(&clean).ok().says(&["left alone", "--foreign"]);
                assert_eq!(table.orphans(), orphans, "{spared}");
            }
            project.goe(&[&clean[..], &["--foreign"]].concat()).ok();
            assert_eq!(table.orphans(), Vec::<String>::new());
        }
        project.goe(&["verify", "lake.shop.orders"]).ok();
    }
}

#[test]
fn an_interrupt_publishes_nothing_and_exits_130() {
    for step in ["stage", "verify"] {
        let project = Project::with(MANY);
        let mut code = None;
        let seen = std::cell::RefCell::new(&mut code);
        assert!(at_step(&project, step, |child| {
            signal(child, "INT");
            **seen.borrow_mut() = wait(child);
        }));
        assert_eq!(code, Some(130), "interrupted in {step}");
        assert!(
            !project.is_published("shop", "orders"),
            "interrupted in {step}"
        );
        project.goe(&FULL).ok();
        assert!(ids(&project).into_iter().eq(1..=100_000));
    }
}

#[test]
fn two_runs_at_once_publish_once() {
    let project = Project::with(MANY);
    let mut first = project.command(&FULL).spawn().expect("goe starts");
    let second = project.goe(&FULL);
    let first = wait(&mut first);
    let told = [
        0,
        ErrorKind::Locked.exit_code(),
        ErrorKind::Conflict.exit_code(),
    ];
    for code in [first, second.code] {
        assert!(
            told.iter().any(|told| code == Some((*told).into())),
            "{first:?}, {second}"
        );
    }
    assert!(
        first == Some(0) || second.code == Some(0),
        "one of them does the work: {second}"
    );
    assert!(ids(&project).into_iter().eq(1..=100_000));
}
