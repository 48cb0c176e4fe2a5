//! Offloads by the real program, and what the target holds then.

use goe::ErrorKind;

use super::{ORDERS, World, published};

const COUNT: &str =
    "SELECT COUNT(*), COUNT(DISTINCT \"ID\"), SUM(\"AMOUNT\") FROM \"TPCH\".\"ORDERS\"";

#[test]
fn a_table_is_made_filled_and_proved() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let plan = world.goe(&["plan", "shop.main.orders", "--to", "sf.tpch.orders"]);
    plan.ok().says(&[
        "CREATE TABLE IF NOT EXISTS \"TPCH\".\"ORDERS\"",
        "\"AMOUNT\" NUMBER(15,2)",
        "sums that the target computes",
    ]);
    let ran = world.offload("orders", &[]).ok();
    assert_eq!(published(&ran), 100);
    ran.says(&["the target counts 100 rows too", "bounds and 2 sums"]);
    assert_eq!(world.ask(COUNT), ["100|100|34675.00"]);
    world.is_tidy();
    world.goe(&["verify", "sf.tpch.orders"]).ok();
    world.goe(&["verify", "sf.tpch.orders", "--stored"]).ok();
    world.goe(&["fsck", "sf.tpch.orders"]).ok();
    world
        .goe(&["connect", "sf"])
        .ok()
        .says(&["LOADER", "LOAD_WH"]);
    world.goe(&["tables", "sf"]).ok().says(&["orders"]);
    world
        .goe(&["describe", "sf.tpch.orders"])
        .ok()
        .says(&["NUMBER(15,2)", "amount"]);
    let again = world.offload("orders", &[]).ok();
    assert_eq!(published(&again), 0, "{again}");
    assert_eq!(world.ask(COUNT), ["100|100|34675.00"]);
}

#[test]
fn rows_are_read_back_on_request() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let ran = world.offload("orders", &["--verify", "read_back"]).ok();
    ran.says(&["hashes of 400 values and 100 rows agree"]);
    world.is_tidy();
}

#[test]
fn a_second_window_takes_only_new_rows() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let until = |day: &str| {
        let boundary = format!("DATE '{day}'");
        world.offload(
            "orders",
            &["--incremental-by", "sold", "--until", &boundary],
        )
    };
    assert_eq!(published(&until("2024-01-04").ok()), 30);
    assert_eq!(world.ask(COUNT)[0].split('|').next(), Some("30"));
    assert_eq!(published(&until("2024-01-08").ok()), 40);
    assert_eq!(world.ask(COUNT)[0].split('|').next(), Some("70"));
    assert_eq!(published(&until("2024-01-08").ok()), 0);
    world.goe(&["verify", "sf.tpch.orders"]).ok();
    world.is_tidy();
}

#[test]
fn a_window_is_replaced_and_nothing_else() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let define = "CREATE OFFLOAD orders TO sf.tpch.orders INCREMENTAL BY (sold) \
                  UNTIL (DATE '2024-02-01') AS SELECT * FROM shop.main.orders";
    world.goe(&["sql", "-c", define]).ok();
    world.goe(&["run", "orders", "-x"]).ok();
    world.project.sqlite(
        "UPDATE orders SET amount = '1.00' WHERE sold = '2024-01-03';
         UPDATE orders SET amount = '2.00' WHERE sold = '2024-01-05'",
    );
    let window = "sold = DATE '2024-01-03'";
    world
        .goe(&["run", "orders", "--replace", window, "-x"])
        .ok();
    let of = |amount: &str| {
        let sql = format!(
            "SELECT COUNT(*), COUNT(DISTINCT \"SOLD\") FROM \"TPCH\".\"ORDERS\" WHERE \"AMOUNT\" = {amount}"
        );
        world.ask(&sql).remove(0)
    };
    assert_eq!(
        (of("1.00"), of("2.00")),
        ("10|1".to_owned(), "0|0".to_owned())
    );
    assert_eq!(
        world.ask("SELECT COUNT(*) FROM \"TPCH\".\"ORDERS\""),
        ["100"]
    );
    world
        .goe(&["verify", "sf.tpch.orders"])
        .tells(ErrorKind::Verify);
    world
        .goe(&["verify", "sf.tpch.orders", "--where", window])
        .ok();
    // The key is a wider number there.
    let window = "id BETWEEN 41 AND 50";
    world
        .goe(&["run", "orders", "--replace", window, "-x"])
        .ok();
    assert_eq!(
        (of("1.00"), of("2.00")),
        ("10|1".to_owned(), "10|1".to_owned())
    );
    world.goe(&["verify", "sf.tpch.orders"]).ok();
}

#[test]
fn all_rows_are_replaced_by_a_reset() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    world.offload("orders", &[]).ok();
    world.project.sqlite("DELETE FROM orders WHERE id > 40");
    let ran = world.offload("orders", &["--reset"]).ok();
    assert_eq!(published(&ran), 40);
    assert_eq!(world.ask(COUNT)[0].split('|').next(), Some("40"));
    world.goe(&["verify", "sf.tpch.orders"]).ok();
}

#[test]
fn a_new_column_is_added() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let until = |day: &str| {
        let boundary = format!("DATE '{day}'");
        let window = ["--incremental-by", "sold", "--until", &boundary];
        world.offload(
            "orders",
            &[&window[..], &["--on-schema-change", "add"]].concat(),
        )
    };
    until("2024-01-04").ok();
    world
        .project
        .sqlite("ALTER TABLE orders ADD COLUMN discount DECIMAL(4,2) DEFAULT '0.10'");
    assert_eq!(published(&until("2024-01-06").ok()), 20);
    let held = "SELECT COUNT(*), COUNT(\"DISCOUNT\") FROM \"TPCH\".\"ORDERS\"";
    assert_eq!(world.ask(held), ["50|20"]);
}

#[test]
fn partitions_become_a_clustering_key() {
    let Some(world) = World::new(ORDERS) else {
        return;
    };
    let plan = world.goe(&[
        "plan",
        "shop.main.orders",
        "--to",
        "sf.tpch.orders",
        "--partition-by",
        "month(sold)",
    ]);
    let plan = plan.ok().says(&["CLUSTER BY (\"SOLD\")"]);
    assert!(!plan.stdout.contains("goe_part_"), "{plan}");
    world
        .offload("orders", &["--partition-by", "month(sold)"])
        .ok();
    assert_eq!(world.ask(COUNT)[0].split('|').next(), Some("100"));
}

#[test]
fn names_keep_what_upper_case_would_lose() {
    let Some(world) = World::new(
        "CREATE TABLE odd (\"Id\" INTEGER PRIMARY KEY, \"order date\" DATE, \"größe\" TEXT, \"a\"\"b\" TEXT);
         INSERT INTO odd VALUES (1, '2024-01-01', 'x', 'it''s'), (2, NULL, 'back\\slash', NULL);",
    ) else {
        return;
    };
    world.offload("odd", &[]).ok();
    let rows = world.ask(
        "SELECT \"ID\", \"order date\", \"größe\", \"a\"\"b\" FROM \"TPCH\".\"ODD\" ORDER BY 1",
    );
    assert_eq!(rows, ["1|19723|x|it's", "2|-|back\\slash|-"]);
    world.goe(&["verify", "sf.tpch.odd"]).ok();
    assert_eq!(published(&world.offload("odd", &[]).ok()), 0);
    world
        .goe(&["describe", "sf.tpch.odd"])
        .ok()
        .says(&["order date", "größe"]);
}

/// An enterprise source and a warehouse: TPC-H's `lineitem`, window by window.
#[cfg(all(feature = "sqlserver", feature = "postgres"))]
#[test]
fn lineitem_comes_from_a_server_of_another_kind() {
    use crate::doubles::tds::{Options, Tds};

    let Some(world) = World::new("PRAGMA user_version = 1") else {
        return;
    };
    let options = Options::default();
    let password = format!("password = \"{}\"", options.password);
    // It has a runtime of its own, which can't be started inside of a test's.
    let tds = std::thread::spawn(|| Tds::start(options)).join();
    let tds = tds.expect("a double");
    let all = tds.load_lineitem(0.002) as u64;
    world.connect(
        "goe",
        &format!(
            "password = \"goe-password\"\n[connections.mssql]\nurl = \"{}\"\nencrypt = \"disable\"\n{password}",
            tds.url()
        ),
    );
    let older = |day: &str| {
        let words = ["--output", "json", "offload", "mssql.dbo.lineitem", "--to"];
        let more = ["sf.tpch.lineitem", "--older-than-date", day, "-x"];
        published(&world.goe(&[&words[..], &more].concat()).ok())
    };
    let first = older("1995-03-15");
    let second = older("1995-06-01");
    assert!(first > second && second > 0 && first + second < all);
    assert_eq!(older("1995-06-01"), 0);
    let held = world.ask(
        "SELECT COUNT(*), COUNT(DISTINCT \"L_ORDERKEY\" * 10 + \"L_LINENUMBER\"), MAX(\"L_SHIPDATE\") \
         FROM \"TPCH\".\"LINEITEM\"",
    );
    let rows = first + second;
    assert_eq!(
        held,
        [format!("{rows}|{rows}|9281")],
        "until the end of May 1995"
    );
    world.goe(&["verify", "sf.tpch.lineitem"]).ok();
    world.is_tidy();
}
