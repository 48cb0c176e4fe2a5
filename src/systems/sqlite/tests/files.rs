use std::path::Path;

use super::*;
use crate::error::ErrorKind;

/// A file of some pages.
fn database(path: &Path) -> Database {
    let database = Database::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;",
        )
        .unwrap();
    database
}

async fn read_file(path: &Path) -> Result<RecordBatch> {
    let frontend = frontend(path.to_str().unwrap());
    let source = frontend.open("main", "t", &OpenOptions::default()).await?;
    read_all(&source).await
}

#[tokio::test]
async fn what_is_no_whole_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    drop(database(&path));
    assert_eq!(read_file(&path).await.unwrap().num_rows(), 2000);
    let bytes = std::fs::read(&path).unwrap();

    let refused = async |name: &str, content: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let error = read_file(&path).await.expect_err(name);
        assert!(error.hint_text().is_some(), "{error:?}");
        assert!(format!("{error:#}").contains(name), "{error:?}");
        error.kind()
    };
    for cut in [100, 4096, bytes.len() / 2, bytes.len() - 4096] {
        assert_eq!(
            refused("cut.db", bytes[..cut].to_vec()).await,
            ErrorKind::Data,
            "{cut}"
        );
    }
    let noise: Vec<u8> = (0..8192_u32).map(|i| (i * 37 % 251) as u8).collect();
    assert_eq!(refused("noise.db", noise).await, ErrorKind::Data);
    assert_eq!(
        refused("text.db", b"id,name\n1,x\n".repeat(100)).await,
        ErrorKind::Data
    );
    assert_eq!(refused("empty.db", Vec::new()).await, ErrorKind::NotFound);

    let mut zeroed = bytes.clone();
    let middle = zeroed.len() / 2 / 4096 * 4096;
    zeroed[middle..middle + 8192].fill(0xff);
    assert_eq!(refused("holes.db", zeroed).await, ErrorKind::Data);
}

#[tokio::test]
async fn a_missing_file_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(database(&folder.path().join("orders.db")));
    let path = folder.path().join("order.db");
    let error = read_file(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.hint_text(), Some("did you mean \"orders.db\"?"));
    assert!(!path.exists());
    let error = read_file(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_wrong_url_or_option_is_a_configuration_error() {
    let refused = |url: &str, option: Option<(&str, &str)>| {
        let options = option.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let connection = Connection::new("shop", url, options.into_iter().collect());
        super::super::frontend(&connection).expect_err(url).kind()
    };
    for url in ["sqlite:", "sqlite:///", "sqlite::memory:"] {
        if url != "sqlite:///" {
            assert_eq!(refused(url, None), ErrorKind::Config, "{url}");
        }
    }
    assert_eq!(
        refused("sqlite:a", Some(("busy_timeout", "soon"))),
        ErrorKind::Config
    );
    assert_eq!(
        refused("sqlite:a", Some(("color", "red"))),
        ErrorKind::Config
    );
}

#[tokio::test]
async fn a_locked_database_says_so_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let writer = database(&path);
    let options = [("busy_timeout".to_owned(), "0".to_owned())].into();
    let connection = Connection::new("shop", format!("sqlite:{}", path.display()), options);
    let frontend = super::super::frontend(&connection).unwrap();
    let source = frontend
        .open("main", "t", &OpenOptions::default())
        .await
        .unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(
        source.snapshot(1).await.unwrap_err().kind(),
        ErrorKind::Locked
    );
    writer.execute_batch("ROLLBACK").unwrap();
    assert!(source.snapshot(1).await.is_ok());
}

#[tokio::test]
async fn nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    drop(database(&path));
    let connection = Connection::new("shop", format!("sqlite:{}", path.display()), [].into());
    let location = super::super::Location::parse(&connection).unwrap();
    let database = location.connect().unwrap();
    assert!(database.execute_batch("DELETE FROM t").is_err());
    assert!(
        database
            .execute_batch("PRAGMA query_only = 0; DELETE FROM t")
            .is_err()
    );
}

#[tokio::test]
async fn a_probe_tells_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    drop(database(&path));
    let probe = frontend(path.to_str().unwrap()).probe().await.unwrap();
    assert!(probe.version.starts_with("SQLite 3."), "{}", probe.version);
    assert_eq!(probe.encrypted, None);
}

/// A writer moves amounts between accounts in one transaction each: whoever sees one state sees
/// one sum.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_readers_see_one_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.db");
    let writer = Database::open(&path).unwrap();
    writer
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = off;
             CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, note TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO account SELECT i, 1000, hex(randomblob(40)) FROM n;",
        )
        .unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let transfers = std::thread::spawn(move || {
        let mut random = Random(7);
        let mut commits = 0;
        while !stopped.load(Ordering::Relaxed) {
            let (from, to) = (random.below(2000) + 1, random.below(2000) + 1);
            let amount = random.below(500);
            writer
                .execute_batch(&format!(
                    "BEGIN; UPDATE account SET balance = balance - {amount} WHERE id = {from};
                     UPDATE account SET balance = balance + {amount} WHERE id = {to}; COMMIT"
                ))
                .unwrap();
            commits += 1;
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        commits
    });
    let frontend = frontend(path.to_str().unwrap());
    let source = frontend
        .open("main", "account", &OpenOptions::default())
        .await
        .unwrap();
    let splits = source.splits(16 << 10).await.unwrap();
    assert!(splits.list.len() >= 8, "{}", splits.list.len());
    let mut parallel = 0;
    for round in 0..40 {
        let snapshot = source.snapshot(4).await.unwrap();
        assert_eq!(snapshot.facts().mixed, None);
        parallel += usize::from(snapshot.facts().readers == 4);
        let request = ReadRequest::columns(vec![1]);
        let sums =
            splits.list.iter().map(|split| {
                let (snapshot, request, split) =
                    (Arc::clone(&snapshot), request.clone(), split.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    let stream = snapshot.read(Some(&split), &request).await.unwrap();
                    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
                    let sum = |batch: &RecordBatch| {
                        let balances = arrow::array::AsArray::as_primitive::<
                            arrow::datatypes::Int64Type,
                        >(batch.column(0));
                        arrow::compute::sum(balances).unwrap_or_default()
                    };
                    batches.iter().map(sum).sum::<i64>()
                })
            });
        let sum: i64 = futures::future::try_join_all(sums)
            .await
            .unwrap()
            .into_iter()
            .sum();
        assert_eq!(sum, 2_000_000, "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    let commits = transfers.join().unwrap();
    assert!(commits > 40, "the writer stood still: {commits}");
    assert!(
        parallel > 20,
        "several readers were begun together only {parallel} times of 40"
    );
}
