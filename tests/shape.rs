//! What the target's columns are beyond the SELECT: types, NULLs, order, partitions, changes at the
//! source; and looking at rows before anything is written.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use goe::ErrorKind;
use serde_json::Value;

use crate::lake::Table;
use crate::project::{Project, Ran};

const SALES: &str = "
    CREATE TABLE sales (
        id INTEGER PRIMARY KEY,
        amount NUMERIC,
        price DECIMAL(12,3),
        sold_at DATETIME,
        note TEXT
    );
    WITH RECURSIVE n(i) AS (SELECT -500 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
    INSERT INTO sales
    SELECT i, i || '.25', '7.125', datetime('2024-01-01', (i + 500) || ' days'),
           CASE WHEN i % 2 = 0 THEN 'even ' || i END
    FROM n;
";

/// Offloads `sales` with more flags.
fn offload(project: &Project, more: &[&str]) -> Ran {
    let line = ["offload", "shop.main.sales", "--to", "lake.dw.sales", "-x"];
    project.goe(&[&line, more].concat())
}

fn preview(project: &Project, more: &[&str]) -> Ran {
    let line = ["preview", "shop.main.sales", "--to", "lake.dw.sales"];
    project.goe(&[&line, more].concat())
}

/// Name, type and nullability of each column, by the table's own log.
fn schema(table: &Table) -> Vec<(String, String, bool)> {
    let schema: Value =
        serde_json::from_str(table.metadata["schemaString"].as_str().unwrap()).unwrap();
    let fields = schema["fields"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    fields
        .map(|field| {
            (
                text(&field["name"]),
                text(&field["type"]),
                field["nullable"].as_bool().unwrap(),
            )
        })
        .collect()
}

fn equal(project: &Project) {
    project
        .goe(&["verify", "lake.dw.sales"])
        .ok()
        .says(&["equal"]);
}

#[test]
fn columns_get_the_types_that_they_are_said_to_have() {
    let project = Project::with(SALES);
    let types = [
        "--integer-4-columns",
        "id",
        "--decimal-columns",
        "a*t",
        "--decimal-columns-type",
        "18,2",
        "--date-columns",
        "SOLD_AT",
    ];
    let plan = ["plan", "shop.main.sales", "--to", "lake.dw.sales"];
    project.goe(&[&plan[..], &types].concat()).ok().says(&[
        "CAST to INTEGER_4 by --integer-4-columns",
        "CAST to DECIMAL(18,2) by --decimal-columns",
        "(NUMERIC)",
    ]);
    offload(&project, &types).ok();
    let table = project.lake("dw", "sales");
    let column = |name: &str, kind: &str, null| (name.to_owned(), kind.to_owned(), null);
    assert_eq!(
        schema(&table),
        [
            column("id", "integer", false),
            column("amount", "decimal(18,2)", true),
            column("price", "decimal(12,3)", true),
            column("sold_at", "date", true),
            column("note", "string", true),
        ]
    );
    let amounts: Vec<String> = (-500..500).map(|id| format!("{id}.25")).collect();
    assert_eq!(table.texts("amount", "id"), amounts);
    assert_eq!(table.texts("sold_at", "id")[31], "2024-02-01");
    equal(&project);
    offload(&project, &types).ok().says(&["nothing to do"]);
    // Other types are another offload.
    offload(&project, &types[..2]).fails(ErrorKind::AlreadyExists);
}

#[test]
fn a_value_that_does_not_fit_stops_the_run_unless_it_may_be_rounded() {
    let project = Project::with(SALES);
    let rounding = [
        "--decimal-columns",
        "price",
        "--decimal-columns-type",
        "12,2",
    ];
    offload(&project, &rounding)
        .fails(ErrorKind::TypeLoss)
        .says(&["price", "7.125", "--allow-decimal-scale-rounding"]);
    offload(&project, &["--integer-1-columns", "id"])
        .fails(ErrorKind::TypeLoss)
        .says(&["\"id\"", "-500"]);
    assert!(!project.is_published("dw", "sales"));
    let allowed = [
        &rounding[..],
        &["--allow-decimal-scale-rounding", "--output", "json"],
    ]
    .concat();
    offload(&project, &allowed).ok().says(&[
        "half away from zero",
        "1000 values of column",
        "changed in the cast",
    ]);
    let table = project.lake("dw", "sales");
    assert!(
        table
            .texts("price", "id")
            .iter()
            .all(|price| price == "7.13")
    );
    equal(&project);
}

#[test]
fn what_is_said_of_columns_must_make_sense() {
    let project = Project::with(SALES);
    let cases: [(&[&str], ErrorKind, &[&str]); 7] = [
        (
            &["--integer-4-columns", "x*"],
            ErrorKind::NotFound,
            &["No columns match pattern x*"],
        ),
        (
            &["--integer-4-columns", "amuont"],
            ErrorKind::NotFound,
            &["did you mean \"amount\""],
        ),
        (
            &["--integer-4-columns", "id", "--double-columns", "i*"],
            ErrorKind::Usage,
            &[
                "Data type conflict",
                "--integer-4-columns",
                "--double-columns",
            ],
        ),
        (
            &["--timestamp-tz-columns", "note"],
            ErrorKind::Usage,
            &[
                "Invalid data type conversion for column \"note\"",
                "CAST(\"note\" AS",
            ],
        ),
        (
            &["--unicode-string-columns", "id"],
            ErrorKind::Usage,
            &["is not string based"],
        ),
        (
            &["--not-null-columns", "z"],
            ErrorKind::NotFound,
            &["Unknown columns specified for NOT NULL"],
        ),
        (
            &[
                "--decimal-columns",
                "amount",
                "--decimal-columns-type",
                "50,2",
            ],
            ErrorKind::Unsupported,
            &["amount", "DECIMAL(50,2)"],
        ),
    ];
    for (flags, kind, says) in cases {
        offload(&project, flags).fails(kind).says(says);
    }
    assert!(!project.is_published("dw", "sales"));
}

#[test]
fn nulls_are_refused_where_none_may_be() {
    let project = Project::with(SALES);
    offload(&project, &["--not-null-columns", "id,note"])
        .fails(ErrorKind::Data)
        .says(&["\"note\"", "NULL"]);
    assert!(!project.is_published("dw", "sales"));
    offload(&project, &["--not-null-columns", "amount,sold*"]).ok();
    let nullable =
        |table: &Table| -> Vec<bool> { schema(table).into_iter().map(|c| c.2).collect() };
    assert_eq!(
        nullable(&project.lake("dw", "sales")),
        [true, false, true, false, true]
    );
    let line = [
        "offload",
        "shop.main.sales",
        "--to",
        "lake.dw.none",
        "-x",
        "--not-null-propagation",
        "NONE",
    ];
    project.goe(&line).ok();
    assert_eq!(nullable(&project.lake("dw", "none")), [true; 5]);
}

#[test]
fn files_are_sorted_inside() {
    let project = Project::with(SALES);
    let sorted = [
        "--sort-columns",
        "note,id",
        "--partition-by",
        "year(sold_at)",
        "--integer-4-columns",
        "id",
    ];
    offload(&project, &sorted).ok();
    let table = project.lake("dw", "sales");
    assert!(table.partitions("goe_part_year_sold_at").len() >= 3);
    let key = |batch: &RecordBatch, row: usize| {
        let notes = batch
            .column_by_name("note")
            .unwrap()
            .as_string::<i64>()
            .clone();
        let ids = batch
            .column_by_name("id")
            .unwrap()
            .as_primitive::<Int32Type>()
            .clone();
        let note = notes.is_valid(row).then(|| notes.value(row).to_owned());
        (note, ids.value(row))
    };
    let mut compared = 0;
    for batch in table.batches() {
        for row in 1..batch.num_rows() {
            assert!(key(&batch, row - 1) < key(&batch, row));
            compared += 1;
        }
    }
    assert!(compared > 900, "{compared}");
    equal(&project);
    project
        .goe(&[
            "plan",
            "shop.main.sales",
            "--to",
            "lake.dw.t",
            "--sort-columns",
            "note,id",
        ])
        .ok()
        .says(&["each file inside by (note, id)"]);
    // Rows in another order are the same rows.
    offload(&project, &sorted[2..])
        .ok()
        .says(&["nothing to do"]);
}

#[test]
fn numbers_and_texts_are_partitioned_by_ranges_and_prefixes() {
    let project = Project::with(SALES);
    offload(
        &project,
        &[
            "--partition-columns",
            "id,price,note",
            "--partition-granularity",
            "250,5,4",
        ],
    )
    .ok();
    let table = project.lake("dw", "sales");
    assert_eq!(
        table.partitions("goe_part_250_id"),
        ["-250", "-500", "0", "250"]
    );
    assert_eq!(table.partitions("goe_part_5_price"), ["5"]);
    assert_eq!(table.partitions("goe_part_4_note"), ["NULL", "even"]);
    equal(&project);
    let count = "SELECT count(*) AS n FROM lake.dw.sales WHERE goe_part_250_id = -250 AND id BETWEEN -250 AND -1";
    project
        .goe(&["sql", "-c", count, "--output", "json"])
        .ok()
        .says(&["\"n\":250"]);
    let line = [
        "offload",
        "shop.main.sales",
        "--to",
        "lake.dw.t",
        "-x",
        "--partition-by",
    ];
    project
        .goe(&[&line[..], &["truncate(sold_at, 3)"]].concat())
        .fails(ErrorKind::Unsupported)
        .says(&["sold_at", "can't be truncated"]);
}

#[test]
fn the_ddl_is_written_into_a_new_file() {
    let project = Project::with(SALES);
    let plan = [
        "plan",
        "shop.main.sales",
        "--to",
        "lake.dw.sales",
        "--ddl-file",
    ];
    project
        .goe(&[&plan[..], &["sales.sql"]].concat())
        .ok()
        .says(&["1 statement", "sales.sql"]);
    let ddl = std::fs::read_to_string(project.path("sales.sql")).unwrap();
    assert!(
        ddl.starts_with("-- Target lake.dw.sales of offload lake.dw.sales\n-- made 2"),
        "{ddl}"
    );
    assert!(ddl.contains("\nCREATE TABLE `dw`.`sales` (\n"), "{ddl}");
    assert!(ddl.ends_with(";\n"), "{ddl}");
    project
        .goe(&[&plan[..], &["sales.sql"]].concat())
        .fails(ErrorKind::AlreadyExists);
    assert_eq!(
        std::fs::read_to_string(project.path("sales.sql")).unwrap(),
        ddl
    );
    project
        .goe(&[&plan[..], &["none/sales.sql"]].concat())
        .fails(ErrorKind::NotFound);
    let shown = project.goe(&[&plan[..], &["-"]].concat()).ok();
    assert_eq!(
        shown.stdout.lines().skip(2).collect::<Vec<_>>(),
        ddl.lines().skip(2).collect::<Vec<_>>()
    );
    assert!(!project.is_published("dw", "sales"));
    offload(&project, &[]).ok();
    project
        .goe(&[&plan[..], &["-"]].concat())
        .ok()
        .says(&["nothing is to be run"]);
}

#[test]
fn a_preview_counts_what_would_stop_a_run() {
    let project = Project::with(SALES);
    project.sqlite("UPDATE sales SET amount = 'many' WHERE id = -499; UPDATE sales SET amount = '0.005' WHERE id = 400");
    let flags = [
        "--decimal-columns",
        "amount",
        "--decimal-columns-type",
        "18,2",
        "--limit",
        "3",
    ];
    let text = preview(&project, &[&flags[..], &["--stats"]].concat()).ok();
    let text = text.says(&[
        "amount",
        "NUMERIC",
        "decimal(18,2)",
        "1 value would stop a run",
        "id = -499",
        "-500.25",
    ]);
    assert!(
        !text.stdout.contains("0.005"),
        "row 400 is not read: {text}"
    );

    let all = preview(
        &project,
        &[&flags[..], &["--stats", "--all", "--output", "json"]].concat(),
    )
    .ok();
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(
        (&all["rows_read"], &all["complete"]),
        (&1000.into(), &true.into())
    );
    assert_eq!(all["rows"].as_array().unwrap().len(), 3);
    assert_eq!(all["rows"][1]["amount"], Value::Null);
    let amount = &all["columns"][1];
    assert_eq!(amount["failed"]["values"], 2);
    assert_eq!(
        amount["failed"]["row"][0],
        serde_json::json!(["id", "-499"])
    );
    assert_eq!(
        (&amount["nulls"], &amount["min"]),
        (&0.into(), &"-500.25".into())
    );
    assert_eq!(all["columns"][4]["nulls"], 500);
    assert_eq!(
        (&all["columns"][0]["min"], &all["columns"][0]["max"]),
        (&"-500".into(), &"499".into())
    );

    // Rows alone don't tell which NULL is none: the command does, and fails.
    let rows =
        preview(&project, &[&flags[..], &["--output", "csv"]].concat()).fails(ErrorKind::TypeLoss);
    assert_eq!(rows.stdout.lines().count(), 4, "{rows}");
    assert!(!project.is_published("dw", "sales"));
}

#[test]
fn a_preview_fits_its_width_and_goes_into_files() {
    let project = Project::with(SALES);
    for width in [30, 45, 200] {
        let shown = preview(&project, &["--width", &width.to_string(), "--limit", "4"]).ok();
        let widest = shown
            .stdout
            .lines()
            .filter(|line| line.starts_with(['|', '+']));
        assert!(
            widest.map(|line| line.chars().count()).max().unwrap() <= width,
            "{shown}"
        );
        assert_eq!(shown.stdout.contains("more column"), width < 100, "{shown}");
    }
    let parquet = [
        "--output",
        "parquet",
        "--out",
        "rows.parquet",
        "--limit",
        "7",
    ];
    preview(&project, &parquet).ok().says(&["7 rows"]);
    let file = std::fs::File::open(project.path("rows.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    let rows: usize = reader
        .unwrap()
        .build()
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(rows, 7);
    preview(&project, &parquet).fails(ErrorKind::AlreadyExists);
    preview(&project, &["--output", "arrow", "--out", "rows.arrow"]).ok();
    let file = std::fs::File::open(project.path("rows.arrow")).unwrap();
    let reader = arrow::ipc::reader::FileReader::try_new(file, None).unwrap();
    assert_eq!(
        reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(),
        20
    );
    preview(&project, &["--output", "arrow"])
        .fails(ErrorKind::Usage)
        .says(&["--out"]);
    preview(&project, &["--out", "rows.csv"]).fails(ErrorKind::Usage);
    project
        .goe(&["tables", "shop", "--output", "parquet"])
        .fails(ErrorKind::Usage);
    let csv = preview(&project, &["--output", "csv", "--limit", "1"]).ok();
    assert_eq!(
        csv.stdout,
        "id,amount,price,sold_at,note\n-500,-500.25,7.125,2024-01-01T00:00:00,even -500\n"
    );
}

#[test]
fn a_changed_source_is_taken_as_the_offload_says() {
    let slice = |until: &'static str| ["--incremental-by", "id", "--until", until];
    for policy in ["add", "ignore", "fail"] {
        let project = Project::with(SALES);
        let policy = ["--on-schema-change", policy];
        offload(&project, &[&slice("0")[..], &policy].concat()).ok();
        project
            .sqlite("ALTER TABLE sales DROP COLUMN note; ALTER TABLE sales ADD COLUMN region TEXT");
        project.sqlite("UPDATE sales SET region = 'west' WHERE id > 10");
        let plan = ["plan", "shop.main.sales", "--to", "lake.dw.sales"];
        let plan = project.goe(&[&plan[..], &slice("400"), &policy].concat());
        let later = offload(&project, &[&slice("400")[..], &policy].concat());
        let difference = ["\"region\" (string) is new", "\"note\" (string) is gone"];
        if policy[1] == "fail" {
            plan.fails(ErrorKind::AlreadyExists).says(&difference);
            later.fails(ErrorKind::AlreadyExists);
            continue;
        }
        plan.ok().says(&difference);
        later.ok();
        let added = policy[1] == "add";
        let table = project.lake("dw", "sales");
        assert_eq!(table.numbers("id"), (-500..400).collect::<Vec<_>>());
        assert_eq!(table.columns().len(), if added { 6 } else { 5 });
        let read = |column: &str, id: &str| {
            let query = format!("SELECT {column} AS v FROM lake.dw.sales WHERE id = {id}");
            let row = project.goe(&["sql", "-c", &query, "--output", "json"]).ok();
            row.events()[0]["v"].clone()
        };
        assert_eq!(
            (read("note", "-500"), read("note", "300")),
            ("even -500".into(), Value::Null)
        );
        if added {
            assert_eq!(
                (read("region", "-500"), read("region", "300")),
                (Value::Null, "west".into())
            );
        }
        project
            .goe(&["verify", "lake.dw.sales", "--stored"])
            .ok()
            .says(&["equal"]);
    }
}

#[test]
fn a_sample_proposes_and_changes_nothing() {
    let project = Project::with(SALES);
    let plan = ["plan", "shop.main.sales", "--to", "lake.dw.sales"];
    let sample = ["--data-sample-percent", "50"];
    let proposed = project.goe(&[&plan[..], &sample].concat()).ok();
    let proposed = proposed.says(&[
        "500 rows read",
        "--decimal-columns amount --decimal-columns-type 18,2",
    ]);
    assert!(!proposed.stdout.contains("note"), "{proposed}");
    let options = [
        "--decimal-columns",
        "amount",
        "--decimal-columns-type",
        "18,2",
    ];
    project
        .goe(&[&plan[..], &sample, &options].concat())
        .ok()
        .says(&["no column holds numbers"]);
    assert!(!project.is_published("dw", "sales"));
    offload(&project, &options).ok();
}
