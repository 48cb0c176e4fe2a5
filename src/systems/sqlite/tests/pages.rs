//! Rows out of pages against rows out of statements.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use rusqlite::types::Value;
use rusqlite::{Connection as Database, params_from_iter};

use super::super::catalog::{Access, Catalog};
use super::super::pages::{Pages, Place, Walked};
use super::super::splits::RowidRange;
use super::*;
use crate::frontend::Split;

/// Forms of declaration, each with another affinity or another place in a record.
const DECLARED: [&str; 8] = [
    "INTEGER",
    "TEXT",
    "REAL",
    "BLOB",
    "",
    "NUMERIC(9,2)",
    "FLOATING POINT",
    "DOUBLE",
];

/// A table and what happens to it.
#[derive(Debug, Clone)]
struct Made {
    page_bytes: u32,
    columns: Vec<&'static str>,
    /// Which column is the rowid, if one is.
    alias: Option<usize>,
    rows: Vec<(i64, Vec<Value>)>,
    /// Rows that go again.
    gone: Vec<prop::sample::Index>,
    /// Columns that come later, and rows after them.
    added: usize,
    later: Vec<(i64, Vec<Value>)>,
    ranges: Vec<(Option<i64>, Option<i64>)>,
}

fn value() -> impl Strategy<Value = Value> {
    let long = prop_oneof![8 => 0..60_usize, 2 => 60..3000_usize, 1 => 3000..9000_usize];
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        prop::sample::select(vec![
            0_i64,
            1,
            -1,
            127,
            -128,
            128,
            32767,
            -32769,
            1 << 23,
            1 << 31,
            -(1 << 47),
            1 << 47
        ])
        .prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        (-1000_i32..1000).prop_map(|whole| Value::Real(whole.into())),
        (long.clone(), any::<char>())
            .prop_map(|(length, sign)| Value::Text(sign.to_string().repeat(length))),
        (long, any::<u8>()).prop_map(|(length, byte)| Value::Blob(vec![byte; length])),
    ]
}

fn rowid() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -300_i64..300, 2 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn made() -> impl Strategy<Value = Made> {
    let columns = prop::collection::vec(prop::sample::select(DECLARED.to_vec()), 1..6);
    let rows = |most| prop::collection::vec((rowid(), prop::collection::vec(value(), 8)), 0..most);
    let ranges = prop::collection::vec((prop::option::of(rowid()), prop::option::of(rowid())), 3);
    (
        prop::sample::select(vec![512_u32, 1024, 4096, 65_536]),
        columns,
        prop::option::of(0_usize..6),
        rows(120),
        prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        0..3_usize,
        rows(20),
        ranges,
    )
        .prop_map(
            |(page_bytes, columns, alias, rows, gone, added, later, ranges)| Made {
                page_bytes,
                alias: alias.filter(|at| *at < columns.len()),
                columns,
                rows,
                gone,
                added,
                later,
                ranges,
            },
        )
}

impl Made {
    fn make(&self, database: &Database) {
        let declared = self.columns.iter().enumerate().map(|(i, declared)| {
            let declared = if self.alias == Some(i) {
                "INTEGER PRIMARY KEY"
            } else {
                declared
            };
            format!("c{i} {declared}")
        });
        let declared = declared.collect::<Vec<_>>().join(", ");
        let page_bytes = self.page_bytes;
        let sql = format!("PRAGMA page_size = {page_bytes}; VACUUM; CREATE TABLE t({declared})");
        database.execute_batch(&sql).unwrap();
        self.insert(database, &self.rows, 0);
        for one in &self.gone {
            if !self.rows.is_empty() {
                let (rowid, _) = self.rows[one.index(self.rows.len())];
                database
                    .execute("DELETE FROM t WHERE rowid = ?1", [rowid])
                    .unwrap();
            }
        }
        for i in 0..self.added {
            let sql = format!("ALTER TABLE t ADD COLUMN d{i} REAL");
            database.execute_batch(&sql).unwrap();
        }
        self.insert(database, &self.later, self.added);
    }

    fn insert(&self, database: &Database, rows: &[(i64, Vec<Value>)], more: usize) {
        let width = self.columns.len();
        let mut names: Vec<String> = (0..width)
            .filter(|i| self.alias != Some(*i))
            .map(|i| format!("c{i}"))
            .collect();
        names.extend((0..more).map(|i| format!("d{i}")));
        names.push("rowid".to_owned());
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!(
            "INSERT OR REPLACE INTO t({}) VALUES ({marks})",
            names.join(", ")
        );
        let mut statement = database.prepare(&sql).unwrap();
        for (rowid, values) in rows {
            let values = values
                .iter()
                .take(names.len() - 1)
                .cloned()
                .chain([Value::Integer(*rowid)]);
            statement.execute(params_from_iter(values)).unwrap();
        }
    }
}

type Rows = Vec<(i64, Vec<Value>)>;

/// All columns of the rows of a range, as a statement gives them.
fn stepped(database: &Database, predicate: Option<&str>) -> Rows {
    let condition = predicate.map_or(String::new(), |predicate| format!(" WHERE {predicate}"));
    let sql = format!("SELECT rowid, * FROM t{condition} ORDER BY rowid");
    let mut statement = database.prepare(&sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values = (1..width).map(|i| row.get::<_, Value>(i));
        Ok((row.get(0)?, values.collect::<rusqlite::Result<_>>()?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The same out of pages, and how far that came.
fn paged(database: &Database, predicate: Option<&str>, step: usize) -> (Rows, Walked) {
    let catalog = Catalog {
        database,
        name: "test",
    };
    let described = catalog
        .describe("c", "main", "t", &OpenOptions::default())
        .unwrap();
    assert_eq!(described.access, Access::Rowid("rowid"));
    let layout = described.layout.unwrap();
    let columns = (0..described.table.columns.len()).step_by(step);
    let places: Vec<Place> = columns.map(|i| layout.place(i)).collect();
    let split = Split {
        predicate: predicate.map(str::to_owned),
        ..Split::default()
    };
    let range = RowidRange::of(Some(&split), "rowid").unwrap();
    let mut pages = Pages::open(database, "test", "t")
        .unwrap()
        .expect("SQLite gives pages");
    let mut rows = Rows::new();
    let walked = pages.scan(range, &places, |found| {
        for row in 0..found.len() {
            let value = |place| Value::from(found.value(row, place));
            let Value::Integer(rowid) = value(Place::Rowid) else {
                unreachable!("a rowid is an integer")
            };
            rows.push((rowid, places.iter().map(|place| value(*place)).collect()));
        }
        Ok(true)
    });
    (rows, walked.unwrap())
}

fn bits(rows: Rows) -> Vec<(i64, Vec<String>)> {
    let text = |value| match value {
        Value::Real(real) => format!("real {:x}", real.to_bits()),
        other => format!("{other:?}"),
    };
    rows.into_iter()
        .map(|(rowid, values)| (rowid, values.into_iter().map(text).collect()))
        .collect()
}

fn agree(database: &Database, predicate: Option<&str>) -> TestCaseResult {
    let (rows, walked) = paged(database, predicate, 1);
    prop_assert_eq!(walked, Walked::All);
    prop_assert_eq!(bits(rows), bits(stepped(database, predicate)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("GOE_TEST_LONG").is_some() { 3000 } else { 60 }))]

    #[test]
    fn pages_and_statements_agree(made in made()) {
        let database = Database::open_in_memory().unwrap();
        made.make(&database);
        agree(&database, None)?;
        for (above, to) in &made.ranges {
            let above = above.map(|above| format!("rowid > {above}"));
            let to = to.map(|to| format!("rowid <= {to}"));
            let parts: Vec<String> = above.into_iter().chain(to).collect();
            let predicate = parts.join(" AND ");
            agree(&database, (!parts.is_empty()).then_some(predicate.as_str()))?;
        }
        // Some columns are enough, the last one left out at times: what is not asked for is not followed.
        let (rows, walked) = paged(&database, None, 2);
        prop_assert_eq!(walked, Walked::All);
        let every_other = |(rowid, values): (i64, Vec<Value>)| (rowid, values.into_iter().step_by(2).collect());
        prop_assert_eq!(bits(rows), bits(stepped(&database, None).into_iter().map(every_other).collect()));
    }

    #[test]
    fn no_damage_makes_a_walk_panic_or_go_on_for_ever(
        made in made(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.db");
        made.make(&Database::open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in flips {
            // The header stays, or SQLite does not open the file at all.
            let at = 100 + at.index(bytes.len() - 100);
            bytes[at] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        let source = frontend(path.to_str().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(async {
            let source = source.open("main", "t", &OpenOptions::default()).await?;
            source.splits(2048).await?;
            read_all(&source).await
        });
    }
}

/// What the walk does not know it leaves to a statement, at the row that it came to.
#[tokio::test]
async fn rows_older_than_a_default_are_read_by_a_statement() {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT);
         INSERT INTO t VALUES (1, 'one'), (2, 'two');
         ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'old';
         INSERT INTO t VALUES (3, 'three', 'new'), (-5, 'before', NULL);",
    );
    let (rows, walked) = paged(&fixture.writer, None, 1);
    assert_eq!((rows.len(), walked), (1, Walked::Until(-4)));
    let source = fixture.open("t").await.unwrap();
    let rows = read_all(&source).await.unwrap();
    let texts: Vec<Option<&str>> = {
        use arrow::array::AsArray;
        rows.column(2).as_string::<i64>().iter().collect()
    };
    assert_eq!(texts, [None, Some("old"), Some("old"), Some("new")]);
}

#[test]
fn rows_in_the_wal_are_seen_as_the_transaction_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wal.db");
    let writer = Database::open(&path).unwrap();
    writer
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
             INSERT INTO t VALUES (1, 'a'), (2, 'b');",
        )
        .unwrap();
    let reader = Database::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM t")
        .unwrap();
    let before = stepped(&reader, None);
    writer
        .execute_batch("UPDATE t SET v = 'changed'; INSERT INTO t VALUES (3, 'c')")
        .unwrap();
    assert_eq!(paged(&reader, None, 1), (before, Walked::All));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(
        paged(&reader, None, 1),
        (stepped(&writer, None), Walked::All)
    );
}

#[tokio::test]
async fn tables_of_another_form_have_no_layout() {
    let fixture = Fixture::new(
        "CREATE TABLE made(a INTEGER, b INTEGER GENERATED ALWAYS AS (a + 1) VIRTUAL, c TEXT);
         CREATE TABLE keyed(a TEXT PRIMARY KEY, b) WITHOUT ROWID;
         CREATE VIEW seen AS SELECT a FROM made;
         CREATE TABLE descending(a INTEGER PRIMARY KEY DESC, b);
         INSERT INTO made(a, c) VALUES (1, 'x'); INSERT INTO descending VALUES (7, 8);",
    );
    let database = &fixture.writer;
    let catalog = Catalog {
        database,
        name: "test",
    };
    let layout = |table| {
        catalog
            .describe("c", "main", table, &OpenOptions::default())
            .unwrap()
            .layout
    };
    assert_eq!(["made", "keyed", "seen"].map(layout), [None, None, None]);
    // A key in descending order is no alias of the rowid.
    assert!(matches!(
        layout("descending").unwrap().place(0),
        Place::Field { number: 0, .. }
    ));
    let rows = read_all(&fixture.open("made").await.unwrap())
        .await
        .unwrap();
    assert_eq!((rows.num_rows(), rows.num_columns()), (1, 3));
}

#[tokio::test]
async fn leaves_make_even_splits_of_all_rows() {
    let fixture = Fixture::new(
        "PRAGMA page_size = 512; VACUUM; CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT i * i * i - 100000, 'twenty bytes of text' FROM n",
    );
    let source = fixture.open("t").await.unwrap();
    let splits = source.splits(16 << 10).await.unwrap().list;
    let count = |split: &Split| -> u64 {
        let sql = format!(
            "SELECT count(*) FROM t WHERE {}",
            split.predicate.as_deref().unwrap()
        );
        fixture
            .writer
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    let counts: Vec<u64> = splits.iter().map(count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 20_000);
    let (last, others) = counts.split_last().unwrap();
    let most = *others.iter().max().unwrap();
    assert!(others.len() > 20 && *last <= most, "{counts:?}");
    assert!(others.iter().all(|rows| rows * 10 > most * 9), "{counts:?}");
    let expected = splits[0].rows.unwrap();
    assert!(
        (most / 2..most * 2).contains(&expected),
        "{expected} {counts:?}"
    );
}
