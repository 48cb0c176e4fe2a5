//! What transactions see, and whom locks keep out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::super::{Options, Table, Tds};
use super::caller::{Caller, config};
use super::{numbers, small};

const OPEN: &str =
    "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION; SELECT TOP (1) 1 FROM [dbo].[t]";
const HOLD: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION; SELECT TOP (1) 1 FROM [dbo].[t] WITH (TABLOCK, HOLDLOCK)";

#[test]
fn a_snapshot_is_pinned_at_the_first_read() {
    let tds = small();
    let mut early = Caller::new(&tds);
    let mut late = Caller::new(&tds);
    early.batch(OPEN).expect("a transaction");
    late.batch("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION")
        .expect("a transaction");
    tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
    let count = "SELECT COUNT_BIG(*) FROM dbo.t";
    assert_eq!(early.list(count), "3");
    assert_eq!(late.list(count), "4");
    tds.insert("dbo.t", vec![vec![5.into(), "five".into()]]);
    assert_eq!(
        (early.list(count), late.list(count)),
        ("3".to_owned(), "4".to_owned())
    );
    early.batch("COMMIT TRANSACTION").expect("a commit");
    late.batch("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
        .expect("a rollback");
    late.batch("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
        .expect("nothing");
    assert_eq!(
        (early.list(count), late.list(count)),
        ("5".to_owned(), "5".to_owned())
    );
    assert_eq!(late.error("COMMIT TRANSACTION").0, 3902);
    assert_eq!(late.error("ROLLBACK TRANSACTION").0, 3903);
}

#[test]
fn read_committed_sees_what_is_there_now() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    caller
        .batch("BEGIN TRANSACTION; SELECT id FROM dbo.t")
        .expect("a transaction");
    tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "4");
}

#[test]
fn a_held_table_lock_keeps_writers_out_until_the_end() {
    let tds = small();
    let mut holder = Caller::new(&tds);
    holder.batch(HOLD).expect("a lock");
    assert_eq!(tds.lock_holders("dbo.t"), 1);
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
            written.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(100));
        // Readers are not kept out, and their snapshots are of the same state.
        let mut readers = [Caller::new(&tds), Caller::new(&tds)];
        for reader in &mut readers {
            reader.batch(OPEN).expect("a transaction");
        }
        assert!(!written.load(Ordering::SeqCst));
        holder.batch("COMMIT TRANSACTION").expect("a commit");
        while !written.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        for reader in &mut readers {
            assert_eq!(reader.list("SELECT COUNT(*) FROM dbo.t"), "3");
        }
    });
    assert_eq!(holder.list("SELECT COUNT(*) FROM dbo.t"), "4");
}

#[test]
fn a_lock_ends_with_its_statement_or_its_connection() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    caller
        .batch("BEGIN TRANSACTION; SELECT TOP (0) 1 FROM dbo.t WITH (TABLOCK, HOLDLOCK)")
        .expect("no lock");
    assert_eq!(tds.lock_holders("dbo.t"), 0);
    caller
        .batch("ROLLBACK TRANSACTION; SELECT TOP (1) 1 FROM dbo.t WITH (TABLOCK, HOLDLOCK)")
        .expect("a short lock");
    assert_eq!(tds.lock_holders("dbo.t"), 0);
    caller
        .batch("BEGIN TRANSACTION; SELECT TOP (1) 1 FROM dbo.t WITH (TABLOCK)")
        .expect("a short lock");
    assert_eq!(tds.lock_holders("dbo.t"), 0);
    let mut holder = Caller::new(&tds);
    holder.batch(HOLD).expect("a lock");
    assert_eq!(tds.lock_holders("dbo.t"), 1);
    drop(holder);
    tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
}

#[test]
fn readers_wait_for_a_writer_as_long_as_they_may() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    let writer = tds.lock("dbo.t");
    assert_eq!(
        caller.error("SET LOCK_TIMEOUT 50; SELECT id FROM dbo.t").0,
        1222
    );
    assert_eq!(
        caller
            .error("BEGIN TRANSACTION; SELECT id FROM dbo.t WITH (TABLOCK, HOLDLOCK)")
            .0,
        1222
    );
    assert_eq!(caller.list("SELECT @@TRANCOUNT"), "1");
    // A snapshot does not wait.
    let mut other = Caller::new(&tds);
    other.batch(OPEN).expect("a snapshot");
    drop(writer);
    assert_eq!(
        caller.list("SELECT COUNT(*) FROM dbo.t WITH (TABLOCK, HOLDLOCK)"),
        "3"
    );
}

#[test]
fn snapshot_isolation_can_be_off() {
    let tds = Tds::start(Options {
        allows_snapshot: false,
        ..Options::default()
    });
    tds.create(Table::new("dbo.t").column("id", "int"));
    let mut caller = Caller::new(&tds);
    assert_eq!(caller.error(OPEN).0, 3952);
    assert_eq!(
        caller.list("SELECT CONVERT(int, d.snapshot_isolation_state) FROM sys.databases AS d"),
        "0"
    );
}

#[test]
fn a_database_snapshot_stays_what_it_was() {
    let tds = small();
    tds.snapshot("shop_at_noon");
    tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
    let mut config = config(&tds);
    config.database("shop_at_noon");
    let mut caller = Caller::with(&tds, config).expect("a login");
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
    assert_eq!(caller.rows("SELECT DB_NAME(), d.is_read_only, d.source_database_id FROM sys.databases AS d WHERE d.name = DB_NAME()"), [["shop_at_noon", "1", "5"]]);
    assert_eq!(Caller::new(&tds).list("SELECT COUNT(*) FROM dbo.t"), "4");
}

#[test]
fn the_protocol_has_transactions_of_its_own() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    caller.runtime.block_on(async {
        let level = tiberius::IsolationLevel::Snapshot;
        caller
            .client
            .begin_transaction_with_isolation(level)
            .await
            .expect("a transaction");
    });
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
    tds.insert("dbo.t", vec![vec![4.into(), "four".into()]]);
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
    caller
        .runtime
        .block_on(async { caller.client.commit_transaction().await.expect("a commit") });
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "4");
}

#[test]
fn text_size_cuts_long_values() {
    let tds = Tds::start(Options::default());
    tds.create(Table::new("dbo.l").column("t", "nvarchar(max)"));
    tds.insert("dbo.l", vec![vec!["abcdef".into()]]);
    let mut caller = Caller::new(&tds);
    assert_eq!(caller.list("SET TEXTSIZE 6; SELECT t FROM dbo.l"), "abc");
    assert_eq!(
        caller.list("SET TEXTSIZE -1; SELECT t FROM dbo.l"),
        "abcdef"
    );
}

#[test]
fn many_clients_read_at_once() {
    let tds = numbers(Options::default(), 2_000, 200);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut caller = Caller::new(&tds);
                for _ in 0..3 {
                    assert_eq!(caller.rows("SELECT n, t FROM dbo.n").len(), 2_000);
                }
            });
        }
    });
    assert_eq!(tds.counters().refused(), Vec::<String>::new());
}

#[test]
fn what_is_altered_cannot_be_read_in_an_earlier_state() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    caller.batch(OPEN).expect("a transaction");
    tds.alter("dbo.t");
    assert_eq!(caller.error("SELECT id FROM dbo.t").0, 3961);
    caller.batch("ROLLBACK TRANSACTION").expect("a rollback");
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
}

#[test]
fn what_was_asked_is_remembered() {
    let tds = small();
    let begin = format!("sqlserver://goe@127.0.0.1:{}/shop", tds.port());
    assert_eq!(tds.url(), begin);
    let mut caller = Caller::new(&tds);
    tds.truncate("dbo.t");
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "0");
    assert_eq!(caller.list("SELECT p.rows FROM sys.partitions AS p"), "0");
    let seen = tds.counters().seen();
    assert_eq!(tds.counters().batches(), 2);
    assert_eq!(seen[0], "SELECT COUNT(*) FROM dbo.t");
}
