//! `goe fsck` names each tampering, `goe repair` brings back what is remembered, and `goe verify`
//! names the rows that differ.

use std::fs;
use std::path::PathBuf;

use goe::ErrorKind;
use serde_json::Value;

use crate::project::{Project, Ran, files_below};

const TARGET: &str = "lake.shop.orders";

/// 100 orders of five months, offloaded and proved.
fn offloaded() -> Project {
    let project = Project::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE NOT NULL, name TEXT);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
         INSERT INTO orders SELECT n, date('2026-01-01', n || ' days'), 'name ' || n FROM n",
    );
    offload(&project);
    project.goe(&["fsck"]).ok().says(&["everything agrees"]);
    project
}

fn offload(project: &Project) -> Ran {
    let by = ["--partition-by", "month(placed)"];
    let command = ["offload", "shop.main.orders", "--to", TARGET, "-x"];
    project.goe(&[&command[..], &by].concat()).ok()
}

/// The Parquet files of the table.
fn parquet(project: &Project) -> Vec<PathBuf> {
    let root = project.path("lake/shop/orders");
    let files = files_below(&root).into_iter();
    let parquet = files.filter(|file| file.ends_with(".parquet"));
    parquet.map(|file| root.join(file)).collect()
}

fn repository(project: &Project, sql: &str) {
    let database = rusqlite::Connection::open(project.path("goe.db")).expect("goe.db");
    database.execute_batch(sql).expect("SQL on the repository");
}

/// Replaces a text in the newest entry of the log.
fn edit_log(project: &Project, from: &str, to: &str) {
    let log = project.path("lake/shop/orders/_delta_log");
    let entries = files_below(&log).into_iter();
    let newest = entries.filter(|name| name.ends_with(".json")).max();
    let entry = log.join(newest.expect("an entry"));
    let text = fs::read_to_string(&entry).expect("the entry");
    assert!(text.contains(from), "{from} in {text}");
    fs::write(&entry, text.replacen(from, to, 1)).expect("the entry");
}

struct Tampering {
    name: &'static str,
    tamper: fn(&Project),
    object: &'static str,
    says: &'static str,
    mend: &'static str,
}

const TAMPERINGS: &[Tampering] = &[
    Tampering {
        name: "a file is deleted",
        tamper: |project| fs::remove_file(&parquet(project)[0]).expect("a file"),
        object: ".parquet",
        says: "gone",
        mend: "--reset",
    },
    Tampering {
        name: "a file is cut",
        tamper: |project| {
            let file = &parquet(project)[0];
            let bytes = fs::read(file).expect("a file");
            fs::write(file, &bytes[..bytes.len() - 10]).expect("a file");
        },
        object: ".parquet",
        says: "bytes",
        mend: "--reset",
    },
    Tampering {
        name: "a footer is broken",
        tamper: |project| {
            let file = &parquet(project)[0];
            let mut bytes = fs::read(file).expect("a file");
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(b"XXXX");
            fs::write(file, bytes).expect("a file");
        },
        object: ".parquet",
        says: "can't be read",
        mend: "--reset",
    },
    Tampering {
        name: "the log counts other rows",
        tamper: |project| edit_log(project, r#"\"numRecords\":30"#, r#"\"numRecords\":31"#),
        object: ".parquet",
        says: "31 in the log",
        mend: "--reset",
    },
    Tampering {
        name: "the record counts other rows",
        tamper: |project| edit_log(project, r#"\"rows\":100}"#, r#"\"rows\":101}"#),
        object: "record",
        says: "101 rows",
        mend: "--reset",
    },
    Tampering {
        name: "the proof is gone",
        tamper: |project| {
            let proofs = project.path("lake/shop/orders/_goe/proofs");
            fs::remove_dir_all(proofs).expect("proofs");
        },
        object: "proof",
        says: "gone",
        mend: "--reset",
    },
    Tampering {
        name: "the repository is gone",
        tamper: |project| fs::remove_file(project.path("goe.db")).expect("goe.db"),
        object: "repository",
        says: "does not remember",
        mend: "goe repair",
    },
    Tampering {
        name: "the repository is old",
        tamper: |project| repository(project, "UPDATE records SET sequence = 0"),
        object: "repository",
        says: "record 0",
        mend: "goe repair",
    },
    Tampering {
        name: "the repository is ahead",
        tamper: |project| repository(project, "UPDATE records SET sequence = 9"),
        object: "repository",
        says: "older state",
        mend: "goe repair",
    },
    Tampering {
        name: "the repository says something else",
        tamper: |project| repository(project, "UPDATE records SET body = '{}'"),
        object: "repository",
        says: "another record",
        mend: "goe repair",
    },
    Tampering {
        name: "the history counts other rows",
        tamper: |project| repository(project, "UPDATE chunks SET rows = 7"),
        object: "repository",
        says: "7 rows in the history",
        mend: "record is right",
    },
    Tampering {
        name: "the history knows another size",
        tamper: |project| repository(project, "UPDATE files SET bytes = 7"),
        object: ".parquet",
        says: "7 bytes in the history",
        mend: "--reset",
    },
    Tampering {
        name: "a file of a dead run lies there",
        tamper: |project| {
            let name = format!("part-{}-0001-0-0.parquet", "0".repeat(32));
            let file = project.path("lake/shop/orders").join(name);
            fs::write(file, "PAR1").expect("a file");
        },
        object: "part-000",
        says: "nothing names",
        mend: "goe clean",
    },
    Tampering {
        name: "the table is gone",
        tamper: |project| {
            fs::remove_dir_all(project.path("lake/shop/orders")).expect("a folder");
        },
        object: "table",
        says: "gone",
        mend: "goe repair",
    },
    Tampering {
        name: "the log is no log",
        tamper: |project| edit_log(project, "{\"commitInfo\"", "commitInfo"),
        object: "log",
        says: "can't be read",
        mend: "backup",
    },
];

fn findings(project: &Project) -> Vec<Value> {
    let ran = project.goe(&["--output", "json", "fsck", TARGET]);
    let ran = ran.tells(ErrorKind::Verify);
    let lines = ran.stdout.lines();
    let values = lines.map(|line| serde_json::from_str(line).expect("JSON"));
    values
        .filter(|value: &Value| value["object"].is_string())
        .collect()
}

#[test]
fn each_tampering_is_named_with_what_mends_it() {
    for tampering in TAMPERINGS {
        let project = offloaded();
        (tampering.tamper)(&project);
        let found = findings(&project);
        let text =
            |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let named = found.iter().any(|finding| {
            text(finding, "object").contains(tampering.object)
                && text(finding, "detail").contains(tampering.says)
                && text(finding, "mend").contains(tampering.mend)
        });
        assert!(named, "{}: {found:#?}", tampering.name);
    }
    crate::project::figure(&format!("fsck: {} tamperings, all named", TAMPERINGS.len()));
}

#[test]
fn a_repository_is_rebuilt_from_the_targets_and_doubles_nothing() {
    let project = offloaded();
    for tamper in [
        "DELETE FROM records; DELETE FROM definitions; DELETE FROM chunks",
        "UPDATE records SET sequence = 9",
        "UPDATE records SET body = 'no JSON'",
    ] {
        repository(&project, tamper);
        project.goe(&["repair"]).ok().says(&[TARGET, "-x"]);
        project.goe(&["repair", "-x"]).ok().says(&["is remembered"]);
        project.goe(&["fsck"]).ok();
    }
    project
        .goe(&["repair", "-x"])
        .ok()
        .says(&["nothing to repair"]);
    fs::remove_file(project.path("goe.db")).expect("goe.db");
    project
        .goe(&["repair", "-x"])
        .ok()
        .says(&["is remembered", "is defined"]);
    offload(&project).says(&["nothing to do"]);
    assert_eq!(project.lake("shop", "orders").numbers("id").len(), 100);
    let gone = project.path("lake/shop/orders");
    fs::remove_dir_all(&gone).expect("the table");
    project
        .goe(&["repair", TARGET, "-x"])
        .ok()
        .says(&["is forgotten"]);
    project.goe(&["fsck"]).ok();
}

#[test]
fn rows_that_differ_are_named_by_their_key() {
    let project = Project::with(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, price DECIMAL(10,2));
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
         INSERT INTO t SELECT n * 3, 'name ' || n, n || '.50' FROM n",
    );
    // The same rows under their own names and under others.
    let renamed = "id AS number, name, price AS costs";
    for (target, select) in [("lake.shop.t", "*"), ("lake.shop.u", renamed)] {
        let offload = ["offload", "shop.main.t", "--select", select, "--to", target];
        project.goe(&[&offload[..], &["-x"]].concat()).ok();
    }
    project.sqlite(
        "UPDATE t SET price = '1.00' WHERE id = 30000;
         DELETE FROM t WHERE id = 45;
         INSERT INTO t VALUES (46, 'late', '2.00'), (99000, 'after the end', NULL)",
    );
    for (target, key, price) in [
        ("lake.shop.t", "id", "price"),
        ("lake.shop.u", "number", "costs"),
    ] {
        let verify = project.goe(&["verify", target]).fails(ErrorKind::Verify);
        let expected = [
            format!("{key} = 30000 column \"{price}\" differs"),
            format!("{key} = 45 is not in the source"),
            format!("{key} = 46 is missing in the target"),
            format!("{key} = 99000 is missing in the target"),
        ];
        let verify = verify.says(&expected.each_ref().map(String::as_str));
        assert!(
            !verify.stdout.contains("1.00"),
            "no value is shown: {verify}"
        );
    }
    let slice = project.goe(&["verify", "lake.shop.t", "--where", "id < 1000"]);
    let slice = slice.fails(ErrorKind::Verify).says(&["id = 45", "id = 46"]);
    assert!(!slice.stdout.contains("30000"), "{slice}");
}
