//! The backend as a whole, on a local disk.

mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use datafusion::prelude::{SessionContext, col, lit};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};

use super::testing::{Fault, FaultyStore, RUN, TestLake, column};
use crate::backend::{Backend, Change, Mode, Publication, Published, Scope, TargetTable};
use crate::error::{ErrorKind, Result};
use crate::schema::{CanonicalType, PartitionHashes};
use crate::staging::{Manifest, StagedFile};

const TEXT: CanonicalType = CanonicalType::VariableString { length: None };

impl TestLake {
    async fn rows(&self, name: &str, ids: std::ops::Range<i64>) -> StagedFile {
        let names: StringArray = ids.clone().map(|id| Some(format!("n{id}"))).collect();
        let ids = Int64Array::from_iter_values(ids);
        self.stage(name, vec![Arc::new(ids), Arc::new(names)], &[])
            .await
    }

    async fn publish(&self, publication: &Publication) -> Result<Published> {
        self.backend.publish(publication).await
    }

    async fn put(&self, publication: &Publication) {
        assert!(!self.publish(publication).await.unwrap().already);
    }

    /// Publishes rows of their own file as the next record.
    async fn put_rows(&self, sequence: u64, ids: std::ops::Range<i64>) {
        let file = self.rows(&format!("{sequence:04}-0-0"), ids).await;
        self.put(&self.publication(vec![file], sequence)).await;
    }

    /// The kind of a refusal.
    async fn refusal(&self, publication: &Publication) -> ErrorKind {
        self.publish(publication).await.unwrap_err().kind()
    }

    /// The table, which is there.
    async fn described(&self) -> TargetTable {
        self.backend.describe("s", "t").await.unwrap().unwrap()
    }

    /// The sums of what is published, read back.
    async fn sums(&self) -> PartitionHashes {
        let published = Scope::Published;
        self.backend
            .hashes(&self.target, published, 2)
            .await
            .unwrap()
    }

    /// The sums of a manifest's files, read back.
    async fn sums_of(&self, manifest: &Manifest) -> Result<PartitionHashes> {
        let staged = Scope::Manifest(manifest);
        self.backend.hashes(&self.target, staged, 2).await
    }

    /// The bytes of an object of the table.
    async fn bytes(&self, path: &Path) -> Bytes {
        let found = self.store().get(path).await.unwrap();
        found.bytes().await.unwrap()
    }

    async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let context = SessionContext::new();
        let table = self.backend.table("s", "t").await.unwrap();
        context.register_table("t", table).unwrap();
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let show = |c: &ArrayRef| crate::schema::describe_value(c, row);
                rows.push(batch.columns().iter().map(show).collect());
            }
        }
        rows
    }

    async fn ids(&self) -> BTreeSet<i64> {
        let context = SessionContext::new();
        let table = self.backend.table("s", "t").await.unwrap();
        let batches = context.read_table(table).unwrap().collect().await.unwrap();
        let ids = batches.iter().flat_map(|batch| {
            let ids = batch
                .column_by_name("id")
                .unwrap()
                .as_primitive::<Int64Type>()
                .clone();
            ids.values().to_vec()
        });
        let list: Vec<i64> = ids.collect();
        let set: BTreeSet<i64> = list.iter().copied().collect();
        assert_eq!(list.len(), set.len(), "a row is there twice");
        set
    }

    async fn log_entry(&self, version: u64) -> Vec<Value> {
        let path = Path::from(format!("_delta_log/{version:020}.json"));
        let bytes = self.bytes(&path).await;
        let lines = std::str::from_utf8(&bytes).unwrap().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn write_entry(&self, version: u64, actions: &[Value]) {
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let path = Path::from(format!("_delta_log/{version:020}.json"));
        self.store().put(&path, text.into()).await.unwrap();
    }
}

fn action<'a>(entry: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entry.iter().filter_map(|action| action.get(kind)).collect()
}

#[tokio::test]
async fn a_table_is_made_grows_and_comes_back() {
    let lake = TestLake::new();
    assert_eq!(lake.backend.describe("s", "t").await.unwrap(), None);
    let first = lake.publication(vec![lake.rows("0001-0-0", 0..10).await], 1);
    let sums = lake.sums_of(&first.manifest).await.unwrap();
    assert_eq!(sums, first.manifest.hashes());
    let published = lake.publish(&first).await.unwrap();
    assert_eq!(
        (published.version.as_str(), published.already),
        ("version 0", false)
    );

    let again = lake.publish(&first).await.unwrap();
    assert_eq!((again.version.as_str(), again.already), ("version 0", true));

    let files = vec![
        lake.rows("0002-0-0", 10..15).await,
        lake.rows("0002-1-0", 15..20).await,
    ];
    let second = lake.publication(files, 2);
    assert_eq!(lake.publish(&second).await.unwrap().version, "version 1");

    let table = lake.described().await;
    assert_eq!(table.record, Some(second.record.clone()));
    assert_eq!(
        (table.rows, table.version.as_str()),
        (Some(20), "version 1")
    );
    assert_eq!(
        Change::between(Some(&table), &lake.target).unwrap(),
        Change::None
    );
    let mut all = first.manifest.hashes();
    all.get_mut("").unwrap().add(&second.manifest.hashes()[""]);
    let sums = lake.sums().await;
    assert_eq!(sums, all);
    assert_eq!(lake.ids().await, (0..20).collect());
    let counted = lake
        .query("SELECT count(*), sum(id) FROM t WHERE id >= 12")
        .await;
    assert_eq!(counted, [["8".to_owned(), "124".to_owned()]]);
    let named = lake
        .query("SELECT name, id FROM t WHERE name = 'n7' LIMIT 3")
        .await;
    assert_eq!(named, [["n7".to_owned(), "7".to_owned()]]);

    let tables = lake.backend.tables().await.unwrap();
    let names: Vec<_> = tables
        .iter()
        .map(|t| (t.schema.as_str(), t.table.as_str()))
        .collect();
    assert_eq!(names, [("s", "t")]);
    let entry = lake.log_entry(1).await;
    assert_eq!(action(&entry, "txn")[0]["appId"], "goe");
    assert_eq!(action(&entry, "txn")[0]["version"], 2);
    let proof = lake.backend.proof("s", "t", &first.record).await.unwrap();
    assert_eq!(proof, Some(first.proof));
    let mut unknown = second.record.clone();
    unknown.manifest = "../../x".to_owned();
    assert_eq!(lake.backend.proof("s", "t", &unknown).await.unwrap(), None);
}

#[tokio::test]
async fn a_publish_without_rows_keeps_the_record() {
    let lake = TestLake::new();
    let empty = lake.publication(Vec::new(), 1);
    let sums = lake.sums_of(&empty.manifest).await.unwrap();
    assert_eq!(sums, empty.manifest.hashes());
    assert!(!lake.publish(&empty).await.unwrap().already);
    let table = lake.described().await;
    assert_eq!((table.rows, table.record.unwrap().sequence), (Some(0), 1));
    assert_eq!(lake.query("SELECT count(*) FROM t").await, [["0"]]);
    assert!(lake.publish(&empty).await.unwrap().already);
}

#[tokio::test]
async fn a_record_that_does_not_follow_is_refused() {
    let lake = TestLake::new();
    let mut first = lake.publication(vec![lake.rows("0001-0-0", 0..3).await], 1);
    first.record.fence = 5;
    lake.put(&first).await;
    let mut stale = lake.publication(vec![lake.rows("0009-0-0", 3..6).await], 1);
    stale.record.manifest = format!("{RUN}-0009");
    stale.record.fence = 5;
    assert_eq!(lake.refusal(&stale).await, ErrorKind::Conflict);
    let mut slept = lake.publication(vec![lake.rows("0002-0-0", 3..6).await], 2);
    slept.record.fence = 4;
    assert_eq!(lake.refusal(&slept).await, ErrorKind::Locked);
    slept.record.fence = 6;
    lake.put(&slept).await;
    assert_eq!(lake.ids().await, (0..6).collect());
}

/// Lets four writers publish other rows as the same record, twice over; one of them wins each time.
async fn race(lake: TestLake) {
    let lake = Arc::new(lake);
    for sequence in 1..=2u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..4u64 {
            let first = i64::try_from(sequence * 100 + writer * 10).unwrap();
            let name = format!("{sequence:04}-{writer}-0");
            let file = lake.rows(&name, first..first + 10).await;
            let mut publication = lake.publication(vec![file], sequence);
            publication.record.manifest = format!("{RUN}-{sequence}{writer}");
            publication
                .manifest
                .id
                .clone_from(&publication.record.manifest);
            let lake = Arc::clone(&lake);
            tasks.spawn(async move { (writer, lake.publish(&publication).await) });
        }
        let mut winners = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                (writer, Ok(published)) => {
                    assert!(!published.already);
                    winners.push(writer);
                }
                (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:#}"),
            }
        }
        assert_eq!(winners.len(), 1, "sequence {sequence}");
        assert_eq!(lake.ids().await.len() as u64, sequence * 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_publishers_of_a_sequence_one_wins() {
    for _ in 0..10 {
        race(TestLake::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_publish_by_two_happens_once() {
    let lake = Arc::new(TestLake::new());
    let publication = Arc::new(lake.publication(vec![lake.rows("0001-0-0", 0..10).await], 1));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (lake, publication) = (Arc::clone(&lake), Arc::clone(&publication));
        tasks.spawn(async move { lake.publish(&publication).await.unwrap().already });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|already| !**already).count(), 1);
    assert_eq!(lake.ids().await, (0..10).collect());
}

#[tokio::test]
async fn a_foreign_entry_is_kept() {
    let lake = TestLake::new();
    lake.put_rows(1, 0..3).await;
    // Another writer appends: our next publish must come after it and keep its rows.
    let foreign = lake.rows("0777-0-0", 50..52).await;
    let add = json!({"add": {
        "path": foreign.path, "partitionValues": {}, "size": foreign.bytes,
        "modificationTime": 1, "dataChange": true,
    }});
    lake.write_entry(1, &[add]).await;
    let mut next = lake.publication(vec![lake.rows("0002-0-0", 3..6).await], 2);
    assert_eq!(lake.publish(&next).await.unwrap().version, "version 2");
    assert_eq!(lake.ids().await, BTreeSet::from([0, 1, 2, 3, 4, 5, 50, 51]));
    let table = lake.described().await;
    assert_eq!(table.rows, None, "the foreign file has no statistics");
    next = lake.publication(Vec::new(), 3);
    next.mode = Mode::ReplaceAll;
    assert_eq!(lake.publish(&next).await.unwrap().rows_removed, 8);
    assert_eq!(lake.ids().await, BTreeSet::new());
}

#[tokio::test]
async fn a_window_is_replaced_exactly() {
    let lake = TestLake::new();
    let ids = Int64Array::from(vec![Some(1), Some(5), None, Some(9)]);
    let names = StringArray::from(vec![Some("a"), None, Some("c"), Some("d")]);
    let odd = lake
        .stage("0001-1-0", vec![Arc::new(ids), Arc::new(names)], &[])
        .await;
    let files = vec![
        lake.rows("0001-0-0", 10..20).await,
        odd,
        lake.rows("0001-2-0", 20..30).await,
    ];
    lake.put(&lake.publication(files, 1)).await;

    let mut window = lake.publication(vec![lake.rows("0002-0-0", 100..103).await], 2);
    window.mode = Mode::ReplaceWhere(col("t.id").gt_eq(lit(5i64)).and(col("id").lt(lit(15i64))));
    let published = lake.publish(&window).await.unwrap();
    assert_eq!(published.rows_removed, 7);
    let left = lake
        .query("SELECT id, name FROM t WHERE id IS NULL OR id < 20 ORDER BY id")
        .await;
    let left: Vec<&str> = left.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(left, ["1", "15", "16", "17", "18", "19", "NULL"]);
    assert_eq!(lake.query("SELECT count(*) FROM t").await, [["20"]]);

    let entry = lake.log_entry(1).await;
    assert_eq!(action(&entry, "remove").len(), 2);
    assert_eq!(action(&entry, "add").len(), 3);
    let rewritten: Vec<Value> = action(&entry, "add")
        .iter()
        .filter(|add| add["path"].as_str().unwrap().contains("-v1-"))
        .map(|add| serde_json::from_str(add["stats"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(rewritten.len(), 2);
    let of_odd = rewritten
        .iter()
        .find(|stats| stats["numRecords"] == 2)
        .unwrap();
    assert_eq!(of_odd["nullCount"], json!({"id": 1, "name": 0}));
    assert_eq!(of_odd["minValues"], json!({"id": 1, "name": "a"}));
    assert_eq!(of_odd["maxValues"], json!({"id": 1, "name": "c"}));
    assert!(lake.publish(&window).await.unwrap().already);
}

#[tokio::test]
async fn a_partition_is_replaced_without_reading_the_others() {
    let columns = vec![
        column("id", CanonicalType::Integer8),
        column("day", CanonicalType::Date),
    ];
    let lake = TestLake::with(columns, &["day"]);
    let rows = |ids: Vec<i64>, day: Option<i32>| -> Vec<ArrayRef> {
        let days = Date32Array::from(vec![day; ids.len()]);
        vec![Arc::new(Int64Array::from(ids)), Arc::new(days)]
    };
    let files = vec![
        lake.stage(
            "0001-0-0",
            rows(vec![1, 2], Some(19_782)),
            &[("day", Some("2024-02-29"))],
        )
        .await,
        lake.stage(
            "0001-0-1",
            rows(vec![3], Some(19_783)),
            &[("day", Some("2024-03-01"))],
        )
        .await,
        lake.stage("0001-0-2", rows(vec![4], None), &[("day", None)])
            .await,
    ];
    let first = lake.publication(files, 1);
    let sums = lake.sums_of(&first.manifest).await.unwrap();
    assert_eq!(sums, first.manifest.hashes());
    lake.put(&first).await;
    let published = lake.sums().await;
    assert_eq!(published, sums);

    // The other partitions' files are gone: whoever reads them fails.
    for file in &first.manifest.files[1..] {
        lake.store()
            .delete(&Path::parse(&file.path).unwrap())
            .await
            .unwrap();
    }
    let day = datafusion::common::ScalarValue::Date32(Some(19_782));
    assert_eq!(
        lake.query("SELECT count(*) FROM t WHERE day = DATE '2024-02-29'")
            .await,
        [["2"]]
    );
    let mut second = lake.publication(Vec::new(), 2);
    second.mode = Mode::ReplaceWhere(col("day").eq(lit(day)));
    assert_eq!(lake.publish(&second).await.unwrap().rows_removed, 2);
    assert_eq!(lake.described().await.rows, Some(2));
}

#[tokio::test]
async fn columns_are_added_and_old_rows_read_null() {
    let mut lake = TestLake::new();
    lake.put_rows(1, 0..2).await;
    lake.target
        .columns
        .push(column("at", CanonicalType::Timestamp { scale: 3 }));
    let values: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![7])),
        Arc::new(StringArray::from(vec!["x"])),
        Arc::new(TimestampMicrosecondArray::from(vec![1_709_164_800_123_456])),
    ];
    let mut second = lake.publication(vec![lake.stage("0002-0-0", values, &[]).await], 2);
    assert_eq!(lake.refusal(&second).await, ErrorKind::Conflict);
    let table = lake.backend.describe("s", "t").await.unwrap();
    second.change = Change::between(table.as_ref(), &lake.target).unwrap();
    lake.put(&second).await;
    let rows = lake.query("SELECT id, at FROM t ORDER BY id").await;
    assert_eq!(rows[0], ["0", "NULL"]);
    assert_eq!(rows[2], ["7", "2024-02-29T00:00:00.123456"]);
    let entry = lake.log_entry(1).await;
    let protocol = action(&entry, "protocol")[0];
    assert_eq!(
        (&protocol["minReaderVersion"], &protocol["minWriterVersion"]),
        (&json!(3), &json!(7))
    );
    lake.sums().await;
    let table = lake.described().await;
    assert_eq!(table.columns[2].native, "timestamp_ntz");
    assert_eq!(
        table.columns[2].canonical,
        CanonicalType::Timestamp { scale: 6 }
    );
}

#[tokio::test]
async fn a_table_that_we_cannot_keep_true_to_is_refused() {
    let plain = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    let features = |reader: &[&str], writer: &[&str]| json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader, "writerFeatures": writer});
    let cases = [
        (
            features(&["deletionVectors"], &["deletionVectors"]),
            json!({}),
            json!({}),
            "deletionVectors",
        ),
        (
            features(&[], &["rowTracking", "domainMetadata"]),
            json!({}),
            json!({}),
            "rowTracking",
        ),
        (
            json!({"minReaderVersion": 2, "minWriterVersion": 5}),
            json!({"delta.columnMapping.mode": "name"}),
            json!({"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "c"}),
            "columnMapping",
        ),
        (
            json!({"minReaderVersion": 1, "minWriterVersion": 3}),
            json!({"delta.constraints.c": "id > 0"}),
            json!({}),
            "delta.constraints.c",
        ),
        (
            plain,
            json!({}),
            json!({"delta.invariants": "{}"}),
            "invariants",
        ),
    ];
    for (protocol, configuration, marks, named) in cases {
        let lake = TestLake::new();
        let schema = json!({"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": true, "metadata": marks}]});
        let metadata = json!({
            "id": "x", "format": {"provider": "parquet", "options": {}}, "schemaString": schema.to_string(),
            "partitionColumns": [], "configuration": configuration, "createdTime": 1,
        });
        lake.write_entry(
            0,
            &[json!({"protocol": protocol}), json!({"metaData": metadata})],
        )
        .await;
        let error = lake.backend.describe("s", "t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:#}");
        assert!(error.message().contains(named), "{error:#}");
        let error = lake
            .publish(&lake.publication(Vec::new(), 1))
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Conflict),
            "{error:#}"
        );
    }
}

#[tokio::test]
async fn an_append_only_table_is_not_replaced_in() {
    let lake = TestLake::new();
    lake.put_rows(1, 0..2).await;
    let mut entry = lake.log_entry(0).await;
    let metadata = entry
        .iter_mut()
        .find_map(|action| action.get_mut("metaData"))
        .unwrap();
    metadata["configuration"]["delta.appendOnly"] = json!("true");
    let changed = json!({"metaData": metadata.clone()});
    lake.write_entry(1, &[changed]).await;
    let mut second = lake.publication(Vec::new(), 2);
    second.mode = Mode::ReplaceAll;
    assert_eq!(lake.refusal(&second).await, ErrorKind::Unsupported);
    second.mode = Mode::Append;
    lake.put(&second).await;
    let state = super::published(&lake.backend.lake.place("s", "t").unwrap())
        .await
        .unwrap();
    assert!(
        state.metadata.is_on("delta.appendOnly"),
        "a foreign property is kept"
    );
}

#[tokio::test]
async fn a_table_that_delta_cannot_have_is_refused() {
    let id = column("id", CanonicalType::Integer8);
    let day = column("day", CanonicalType::Date);
    for (columns, partition) in [
        (vec![], &[][..]),
        (vec![day.clone()], &["day"][..]),
        (
            vec![id.clone(), column("f", CanonicalType::Double)],
            &["f"][..],
        ),
        (vec![id.clone(), day, column("ID", TEXT)], &[][..]),
    ] {
        let lake = TestLake::with(columns, partition);
        let error = lake
            .publish(&lake.publication(Vec::new(), 1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    // A file of a narrower type than the column's would break other readers.
    let mut lake = TestLake::with(vec![id], &[]);
    lake.put(&lake.publication(Vec::new(), 1)).await;
    lake.target.columns = vec![column("id", CanonicalType::Integer4)];
    let error = lake
        .publish(&lake.publication(Vec::new(), 2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("long"), "{error:#}");
}

#[tokio::test]
async fn a_place_that_holds_something_else_is_refused() {
    let lake = TestLake::new();
    // What a run staged before the first publish is not something else.
    lake.rows("0001-0-0", 0..2).await;
    assert_eq!(lake.backend.describe("s", "t").await.unwrap(), None);
    let folder = lake.folder.path().join("s/t");
    std::fs::write(folder.join("accounts.csv"), "1").unwrap();
    let error = lake.backend.describe("s", "t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.message().contains("accounts.csv"), "{error:#}");
    std::fs::write(lake.folder.path().join("s/file"), "1").unwrap();
    let error = lake.backend.describe("s", "file").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:#}");
}

#[tokio::test]
async fn hostile_names_and_values_come_back() {
    let odd = "a\"b'c\n;😀 %2F";
    let columns = vec![column(odd, CanonicalType::Integer8), column("p=/", TEXT)];
    let mut lake = TestLake::with(columns, &["p=/"]);
    lake.target.name.schema = "..".to_owned();
    lake.target.name.table = "x/../../y \"z\"\\\n😀".to_owned();
    let values = [
        "../../etc",
        "a=b/c%20d",
        "__HIVE_DEFAULT_PARTITION__",
        "é\n😀",
        " ",
        "%2F",
        "..",
    ];
    let mut files = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let rows: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![number as i64])),
            Arc::new(StringArray::from(vec![*value])),
        ];
        files.push(
            lake.stage(&format!("0001-0-{number}"), rows, &[("p=/", Some(value))])
                .await,
        );
    }
    let publication = lake.publication(files, 1);
    lake.put(&publication).await;
    let sums = lake.sums().await;
    assert_eq!(sums, publication.manifest.hashes());
    assert_eq!(sums.len(), values.len());
    let name = &lake.target.name;
    let table = lake.backend.table(&name.schema, &name.table).await.unwrap();
    let batches = SessionContext::new()
        .read_table(table)
        .unwrap()
        .collect()
        .await
        .unwrap();
    let read = batches.iter().flat_map(|b| {
        b.column(1)
            .as_string::<i32>()
            .iter()
            .flatten()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    assert_eq!(
        read.collect::<BTreeSet<_>>(),
        values.iter().map(|v| (*v).to_owned()).collect()
    );
    let tables = lake.backend.tables().await.unwrap();
    assert_eq!(
        (&tables[0].schema, &tables[0].table),
        (&name.schema, &name.table)
    );
    assert_eq!(std::fs::read_dir(lake.folder.path()).unwrap().count(), 1);

    let empty: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec![""])),
    ];
    let file = lake.stage("0002-0-0", empty, &[("p=/", Some(""))]).await;
    let error = lake
        .publish(&lake.publication(vec![file], 2))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[tokio::test]
async fn every_type_is_stored_and_proved() {
    let mut values: Vec<ArrayRef> = Vec::new();
    let mut columns = Vec::new();
    for (number, canonical) in CanonicalType::ALL.into_iter().enumerate() {
        let field = column(&format!("c{number}"), canonical);
        values.push(arrow::array::new_null_array(&field.stored.to_arrow(), 2));
        columns.push(field);
    }
    let digits = 99_999_999_999_999_999_999_999_999_999_999_999_999i128;
    columns.push(column(
        "big",
        CanonicalType::Decimal {
            precision: 38,
            scale: 20,
        },
    ));
    let big = Decimal128Array::from(vec![digits, -digits])
        .with_precision_and_scale(38, 20)
        .unwrap();
    values.push(Arc::new(big));
    columns.push(column("nan", CanonicalType::Double));
    values.push(Arc::new(Float64Array::from(vec![f64::NAN, -0.0])));
    columns.push(column("flag", CanonicalType::Boolean));
    values.push(Arc::new(BooleanArray::from(vec![true, false])));
    let lake = TestLake::with(columns, &[]);
    let publication = lake.publication(vec![lake.stage("0001-0-0", values, &[]).await], 1);
    lake.put(&publication).await;
    let sums = lake.sums().await;
    assert_eq!(sums, publication.manifest.hashes());
    let entry = lake.log_entry(0).await;
    let stats = action(&entry, "add")[0]["stats"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        stats.contains("\"big\":999999999999999999.99999999999999999999"),
        "{stats}"
    );
    assert!(
        stats.contains("\"big\":-999999999999999999.99999999999999999999"),
        "{stats}"
    );
    // NaN is greater than any number: no statistics may skip its file.
    assert_eq!(
        lake.query("SELECT count(*) FROM t WHERE nan > 5").await,
        [["1"]]
    );
    let big = lake
        .query("SELECT count(*) FROM t WHERE big > 999999999999999999")
        .await;
    assert_eq!(big, [["1"]]);
    let table = lake.described().await;
    assert_eq!(
        Change::between(Some(&table), &lake.target).unwrap(),
        Change::None
    );
    for (wanted, found) in lake.target.columns.iter().zip(&table.columns) {
        assert_eq!(wanted.stored, found.canonical);
    }
}

#[tokio::test]
async fn a_damaged_file_shows() {
    let lake = TestLake::new();
    let file = lake.rows("0001-0-0", 0..1000).await;
    let manifest = Manifest {
        id: format!("{RUN}-0001"),
        files: vec![file.clone()],
    };
    let path = Path::parse(&file.path).unwrap();
    let whole = lake.bytes(&path).await;
    let mut unseen = Vec::new();
    for position in (0..whole.len()).step_by(7) {
        let mut bytes = whole.to_vec();
        bytes[position] ^= 0x10;
        lake.store().put(&path, bytes.into()).await.unwrap();
        let sums = lake.sums_of(&manifest).await;
        if sums.is_ok_and(|sums| sums == manifest.hashes()) {
            unseen.push(position);
        }
    }
    // Bytes that mean nothing to a reader (statistics, the writer's name) may change unseen; the
    // values may not, and they are the greater part of the file.
    assert!(
        unseen.len() * 7 < whole.len() / 3,
        "{} of {}",
        unseen.len() * 7,
        whole.len()
    );
    lake.store()
        .put(&path, whole.slice(..whole.len() / 2).into())
        .await
        .unwrap();
    assert!(lake.sums_of(&manifest).await.is_err());
    let fewer = lake.rows("0001-0-0", 0..999).await;
    let shorter = Manifest {
        files: vec![StagedFile {
            hashes: file.hashes,
            ..fewer
        }],
        ..manifest
    };
    let sums = lake.sums_of(&shorter).await.unwrap();
    assert_ne!(sums, shorter.hashes());
}

#[tokio::test]
async fn orphans_of_dead_runs_go_and_nothing_else() {
    let lake = TestLake::new();
    let first = lake.publication(vec![lake.rows("0001-0-0", 0..3).await], 1);
    lake.put(&first).await;
    let mut second = lake.publication(vec![lake.rows("0002-0-0", 3..6).await], 2);
    second.mode = Mode::ReplaceAll;
    lake.put(&second).await;
    let left = lake.rows("0003-0-0", 6..9).await;
    let foreign = lake
        .folder
        .path()
        .join("s/t/part-00000-foreign.snappy.parquet");
    std::fs::write(&foreign, "x").unwrap();
    let sweep = |living: Vec<String>, remove| {
        let backend = &lake.backend;
        async move { backend.orphans("s", "t", &living, remove).await.unwrap() }
    };
    assert_eq!(sweep(vec![RUN.to_owned()], true).await, []);
    let listed = sweep(Vec::new(), false).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (
            listed[0].path.as_str(),
            listed[0].bytes,
            listed[0].run.as_str()
        ),
        (left.path.as_str(), left.bytes, RUN)
    );
    assert_eq!(sweep(Vec::new(), true).await, listed);
    assert_eq!(sweep(Vec::new(), true).await, []);
    let proofs = lake.folder.path().join("s/t/_goe/proofs");
    std::fs::write(proofs.join(format!("{RUN}-0009.json")), "{}").unwrap();
    let swept = sweep(Vec::new(), true).await;
    assert_eq!(swept.len(), 1);
    assert_eq!(swept[0].path, format!("_goe/proofs/{RUN}-0009.json"));
    assert_eq!(std::fs::read_dir(&proofs).unwrap().count(), 2);
    assert!(foreign.exists(), "a file of somebody else");
    assert!(
        lake.folder
            .path()
            .join("s/t")
            .join(&first.manifest.files[0].path)
            .exists()
    );
    assert_eq!(lake.ids().await, (3..6).collect());
}

#[tokio::test]
async fn a_stale_writer_of_a_log_never_overwrites() {
    let lake = TestLake::new();
    lake.put(&lake.publication(Vec::new(), 1)).await;
    let before = lake.log_entry(0).await;
    let place = lake.backend.lake.place("s", "t").unwrap();
    let mut commit = super::commit::Commit::after(None);
    commit.transaction(9);
    let written = commit.write(&place).await.unwrap();
    assert!(matches!(written, super::commit::Written::Taken));
    assert_eq!(lake.log_entry(0).await, before);
}

/// Publishes past a checkpoint, takes the entries before it away, and goes on.
async fn checkpoint(lake: TestLake) {
    for sequence in 1..=12u64 {
        let first = i64::try_from(sequence * 10).unwrap();
        lake.put_rows(sequence, first..first + 2).await;
    }
    let log = Path::from("_delta_log");
    lake.bytes(&log.clone().join("_last_checkpoint")).await;
    // Nothing before the checkpoint is needed any more.
    for version in 0..10 {
        let entry = log.clone().join(format!("{version:020}.json"));
        lake.store().delete(&entry).await.unwrap();
    }
    let table = lake.described().await;
    assert_eq!((table.rows, table.record.unwrap().sequence), (Some(24), 12));
    let mut last = lake.publication(Vec::new(), 13);
    last.mode = Mode::ReplaceWhere(col("id").lt(lit(100i64)));
    assert_eq!(lake.publish(&last).await.unwrap().rows_removed, 18);
    assert_eq!(
        lake.ids().await,
        BTreeSet::from([100, 101, 110, 111, 120, 121])
    );
}

#[tokio::test]
async fn a_checkpoint_keeps_everything() {
    checkpoint(TestLake::new()).await;
}

#[tokio::test]
async fn a_lost_answer_publishes_once() {
    let lake = TestLake::new();
    let mut place = lake.backend.lake.place("s", "t").unwrap();
    place.store = FaultyStore::new(place.store, Fault::LosesAnswers(false.into()));
    for sequence in 1..=4u64 {
        let first = i64::try_from(sequence * 10).unwrap();
        let file = lake
            .rows(&format!("{sequence:04}-0-0"), first..first + 2)
            .await;
        let publication = lake.publication(vec![file], sequence);
        let published = super::load::publish(&place, &publication).await.unwrap();
        assert_eq!(
            published.already,
            sequence % 2 == 1,
            "our own entry is found again"
        );
    }
    assert_eq!(lake.ids().await.len(), 8);
    assert_eq!(lake.described().await.version, "version 3");
}
