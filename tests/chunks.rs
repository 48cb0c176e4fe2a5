//! Long runs in chunks of whole partitions: stopped halfway, taken up, and taken by boundaries;
//! and targets that something else filled.

use goe::ErrorKind;
use serde_json::Value;

use crate::project::{Project, Ran, postgres};

/// A table by months, on a real server, gone at the end.
struct Sales {
    project: Project,
    url: String,
    schema: String,
}

impl Sales {
    fn new(name: &str) -> Option<Self> {
        let url = postgres()?;
        let project = Project::new();
        project.connect_postgres(&url);
        let schema = format!("goe_chunks_{name}_{}", std::process::id());
        let sales = Self {
            project,
            url,
            schema,
        };
        sales.psql(
            "CREATE TABLE sales (id integer, sold date, amount text) PARTITION BY RANGE (sold);
             CREATE TABLE sales_01 PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
             CREATE TABLE sales_02 PARTITION OF sales FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
             CREATE TABLE sales_03 PARTITION OF sales FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
             CREATE TABLE sales_rest PARTITION OF sales DEFAULT;
             INSERT INTO sales SELECT i, date '2026-01-01' + i, i || '.5' FROM generate_series(0, 88) i;
             INSERT INTO sales VALUES (900, NULL, '1'), (901, '2030-01-01', '2');
             ANALYZE sales",
        );
        Some(sales)
    }

    fn psql(&self, sql: &str) {
        let schema = &self.schema;
        let sql =
            format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}; {sql}");
        let command = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", &sql];
        Ran::of(self.project.command_of("psql", &command)).ok();
    }

    fn offload(&self, more: &[&str]) -> Ran {
        let source = format!("pg.{}.sales", self.schema);
        let select = "id, sold, CAST(amount AS DECIMAL(10, 1)) AS amount";
        let command = [
            "--output",
            "json",
            "offload",
            &source,
            "--to",
            "lake.pg.sales",
            "--select",
            select,
            "-x",
        ];
        self.project.goe(&[&command[..], more].concat())
    }

    fn held(&self) -> Vec<i64> {
        let mut held = self.project.lake("pg", "sales").numbers("id");
        held.sort_unstable();
        held
    }
}

impl Drop for Sales {
    fn drop(&mut self) {
        self.psql(&format!("DROP SCHEMA {} CASCADE", self.schema));
    }
}

fn published(ran: &Ran) -> Vec<u64> {
    let events = ran.events();
    let chunks = events
        .iter()
        .filter(|event| event["event"] == "chunk_published");
    chunks
        .map(|event| event["rows"].as_u64().unwrap_or_default())
        .collect()
}

#[test]
fn a_run_that_stopped_goes_on_with_the_next_chunk() {
    let Some(sales) = Sales::new("stopped") else {
        return;
    };
    sales.psql("UPDATE sales SET amount = 'much' WHERE sold = '2026-03-05'");
    let one = ["--max-offload-chunk-count", "1"];
    let stopped = sales.offload(&one);
    assert_eq!(
        stopped.code,
        Some(ErrorKind::TypeLoss.exit_code().into()),
        "{stopped}"
    );
    assert_eq!(published(&stopped), [31, 28], "{stopped}");
    assert_eq!(sales.held(), (0..59).collect::<Vec<i64>>());
    sales.project.goe(&["verify", "lake.pg.sales"]).ok();

    sales.psql("UPDATE sales SET amount = '63.5' WHERE sold = '2026-03-05'");
    let rest = sales.offload(&one).ok();
    assert_eq!(published(&rest), [30, 2], "{rest}");
    let mut all: Vec<i64> = (0..89).chain([900, 901]).collect();
    all.sort_unstable();
    assert_eq!(sales.held(), all);
    sales.project.goe(&["verify", "lake.pg.sales"]).ok();
    sales
        .project
        .goe(&["verify", "lake.pg.sales", "--stored"])
        .ok();
    let again = sales.offload(&one).ok().says(&["nothing to do"]);
    assert!(published(&again).is_empty());
}

#[test]
fn closed_periods_are_taken_by_their_boundary() {
    let Some(sales) = Sales::new("closed") else {
        return;
    };
    // The boundary of the last whole month below the date, not the date itself.
    sales.offload(&["--older-than-date", "2026-03-15"]).ok();
    assert_eq!(sales.held(), (0..59).collect::<Vec<i64>>());
    // A boundary that goes back takes nothing.
    sales
        .offload(&["--older-than-date", "2026-02-01"])
        .ok()
        .says(&["nothing to do"]);
    // Rows that came late are taken where the target has none like them.
    sales.psql("INSERT INTO sales VALUES (700, '2026-01-31', '7')");
    let late = ["--offload-predicate-type", "RANGE", "--offload-predicate"];
    let dsl = "column(id) = numeric(700)";
    sales.offload(&[&late[..], &[dsl]].concat()).ok();
    sales
        .offload(&[&late[..], &[dsl]].concat())
        .tells(ErrorKind::Conflict)
        .says(&["REPLACE"]);
    sales.offload(&["--less-than-value", "2026-04-01"]).ok();
    // A row that changed at the source shows in its slice, and in no other.
    sales.psql("UPDATE sales SET amount = '0' WHERE id = 5");
    let slice = |rows: &str| {
        sales
            .project
            .goe(&["verify", "lake.pg.sales", "--where", rows])
    };
    slice("sold < DATE '2026-02-01'")
        .tells(ErrorKind::Verify)
        .says(&["amount"]);
    slice("sold >= DATE '2026-02-01'").ok();
    sales.psql("UPDATE sales SET amount = '5.5' WHERE id = 5");
    let all: Vec<i64> = (0..89).chain([700]).collect();
    assert_eq!(sales.held(), all);
    sales.project.goe(&["verify", "lake.pg.sales"]).ok();
    sales
        .offload(&["--partition-names", "sales_04"])
        .tells(ErrorKind::NotFound);
    let both = ["--older-than-days", "3", "--partition-names", "sales_03"];
    sales
        .offload(&both)
        .tells(ErrorKind::Usage)
        .says(&["older-than-days", "partition-names"]);
}

/// What a target holds is proved before its record is written, and later runs go on from it.
#[test]
fn a_target_that_something_else_filled_is_adopted_once_it_is_proved() {
    let project = Project::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, day DATE, v INTEGER);
         INSERT INTO orders VALUES (1, '2026-01-01', 10), (2, '2026-01-02', 20), (3, '2026-02-01', 30);",
    );
    let offload = ["shop.main.orders", "--to", "lake.dw.orders"];
    let january = "day < DATE '2026-02-01'";
    // Rows of another tool: a target of goe's whose record is taken away.
    project
        .goe(
            &[
                &["offload"],
                &offload[..],
                &["--offload-predicate", january, "-x"],
            ]
            .concat(),
        )
        .ok();
    forget_record(&project);
    project
        .goe(&[&["offload"], &offload[..], &["-x"]].concat())
        .fails(ErrorKind::AlreadyExists)
        .says(&["adopt"]);
    project
        .goe(&[&["adopt"], &offload[..], &["-x"]].concat())
        .fails(ErrorKind::Verify)
        .says(&["--covered"]);
    let adopted = [&["adopt"], &offload[..], &["--covered", january, "-x"]].concat();
    project.goe(&adopted).ok().says(&["2 rows"]);
    project.goe(&adopted).fails(ErrorKind::AlreadyExists);
    project.goe(&["verify", "lake.dw.orders", "--stored"]).ok();
    project
        .goe(
            &[
                &["offload"],
                &offload[..],
                &["--offload-predicate", "v > 0", "-x"],
            ]
            .concat(),
        )
        .ok();
    let mut held = project.lake("dw", "orders").numbers("id");
    held.sort_unstable();
    assert_eq!(held, [1, 2, 3]);
    project.goe(&["verify", "lake.dw.orders"]).ok();
}

/// Takes goe's record out of a table's log, as if another tool had written it.
fn forget_record(project: &Project) {
    let log = project.path("lake/dw/orders/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).expect("the first commit");
    let mut kept = Vec::new();
    for line in text.lines() {
        let mut action: Value = serde_json::from_str(line).expect("an action");
        if action.get("txn").is_some() {
            continue;
        }
        if let Some(metadata) = action.get_mut("metaData") {
            metadata["configuration"] = Value::Object(serde_json::Map::new());
        }
        kept.push(action.to_string());
    }
    std::fs::write(&log, kept.join("\n")).expect("the first commit");
}

#[test]
fn what_a_run_left_is_given_up_when_it_is_abandoned() {
    let Some(sales) = Sales::new("givenup") else {
        return;
    };
    sales.psql("UPDATE sales SET amount = 'much' WHERE sold = '2026-03-05'");
    let one = ["--max-offload-chunk-count", "1"];
    let stopped = sales.offload(&one).tells(ErrorKind::TypeLoss);
    let run = stopped.events()[0]["run"].clone();
    let run = run.as_str().expect("a run");
    sales.psql("UPDATE sales SET amount = '63.5' WHERE sold = '2026-03-05'");
    let given_up = sales.project.goe(&["runs", "abandon", run]).ok();
    given_up.says(&["abandoned", "given up"]);
    // What it published stays; what it left is asked for by name, or as a whole.
    let next = sales
        .offload(&one)
        .ok()
        .says(&["nothing to do", "it covers"]);
    assert!(published(&next).is_empty());
    assert_eq!(sales.held(), (0..59).collect::<Vec<i64>>());
    sales
        .project
        .goe(&["verify", "lake.pg.sales", "--stored"])
        .ok();
    sales.project.goe(&["fsck", "lake.pg.sales"]).ok();
    let rest = sales.offload(&["--offload-type", "FULL"]).ok();
    assert_eq!(published(&rest).iter().sum::<u64>(), 32, "{rest}");
}
