//! Offloads of TPC-H, by the real program.

use serde_json::Value;

use super::World;
use crate::project::Ran;

/// Rows that this run published.
fn published(ran: &Ran) -> u64 {
    let events = ran.events();
    let chunks = events
        .iter()
        .filter(|event| event["event"] == "chunk_published");
    chunks
        .map(|event| event["rows"].as_u64().unwrap_or_default())
        .sum()
}

fn first_number(ran: &Ran) -> Vec<String> {
    let rows: Vec<Value> = ran.events();
    rows.iter().map(ToString::to_string).collect()
}

#[test]
fn four_workers_bring_every_row() {
    let world = World::new();
    let rows = world.tds.load_lineitem(0.002);
    let options = ["--parallel", "4", "--verify", "aggregates"];
    world.offload("lineitem", &options).ok();
    world.goe(&["verify", "lake.tpch.lineitem"]).ok();
    assert_eq!(world.project.lake("tpch", "lineitem").rows(), rows);
    let sums = "SELECT count(*) AS n, sum(l_orderkey) AS o, sum(l_extendedprice) AS p, \
                min(l_shipdate) AS s, max(l_comment) AS c";
    let of = |from: &str| {
        let query = format!("{sums} FROM {from}");
        world.goe(&["--output", "json", "sql", "-c", &query]).ok()
    };
    assert_eq!(
        first_number(&of("mssql.dbo.lineitem")),
        first_number(&of("lake.tpch.lineitem"))
    );
    let counters = world.tds.counters();
    assert!(
        counters.most_open() >= 4,
        "{} sessions",
        counters.most_open()
    );
    let seen = counters.seen().join("\n");
    assert!(seen.contains("WITH (TABLOCK, HOLDLOCK)"));
    assert!(seen.contains("$PARTITION.[by_month]([l_shipdate]) ="));
    world.understood();
}

#[test]
fn a_second_run_takes_only_what_is_closed_since() {
    let world = World::new();
    world.tds.load_lineitem(0.002);
    let count = |filter: &str| {
        let lines = world.project.lake("tpch", "lineitem").rows();
        assert!(lines > 0, "{filter}");
        lines as u64
    };
    let json = |more: &[&str]| {
        let command = [
            "--output",
            "json",
            "offload",
            "mssql.dbo.lineitem",
            "--to",
            "lake.tpch.lineitem",
            "-x",
        ];
        world.goe(&[&command[..], more].concat()).ok()
    };
    let first = published(&json(&["--older-than-date", "1995-03-15"]));
    assert_eq!(count("below March 1995"), first);
    let second = published(&json(&["--older-than-date", "1995-06-01"]));
    assert!(second > 0 && second < first, "{first} and then {second}");
    assert_eq!(count("below June 1995"), first + second);
    let days = world
        .project
        .lake("tpch", "lineitem")
        .texts("l_shipdate", "l_shipdate");
    assert!(
        days.iter().all(|day| day.as_str() < "1995-06-01"),
        "{:?}",
        days.last()
    );
    json(&["--older-than-date", "1995-06-01"]).says(&["nothing to do"]);
    world.goe(&["verify", "lake.tpch.lineitem"]).ok();
    world.understood();
}

#[test]
fn all_tables_of_the_benchmark_come_in_one_command() {
    let world = World::new();
    let tables = world.tds.load_tpch(0.001);
    let command = ["offload", "mssql.dbo.*", "--to", "lake.tpch", "-x"];
    world.goe(&command).ok();
    for (table, rows) in tables {
        let held = world.project.lake("tpch", table).rows();
        assert_eq!(held, rows, "{table}");
        world.goe(&["verify", &format!("lake.tpch.{table}")]).ok();
    }
    world.understood();
}
