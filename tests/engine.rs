//! The engine through the library: what a run does, without a command line around it.

use std::path::Path;
use std::sync::Arc;

use goe::config::Config;
use goe::offload::{OffloadSpec, Take};
use goe::run::{Against, Interrupt, Outcome, Unwatched};
use goe::schema::TableName;
use goe::session::Session;
use goe::{ErrorKind, Result};

const CONFIG: &str = "[connections.shop]\nurl = \"sqlite:shop.db\"\n\
                      [connections.lake]\nurl = \"delta:lake\"\n";

struct World {
    folder: tempfile::TempDir,
    session: Session,
}

impl World {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = rusqlite::Connection::open(folder.path().join("shop.db")).unwrap();
        shop.execute_batch(sql).unwrap();
        let session = session(folder.path());
        Self { folder, session }
    }

    fn shop(&self, sql: &str) {
        let shop = rusqlite::Connection::open(self.folder.path().join("shop.db")).unwrap();
        shop.execute_batch(sql).unwrap();
    }

    async fn run(&self, spec: &OffloadSpec) -> Result<Outcome> {
        let offload = spec.validate()?;
        self.session
            .offload(
                &offload,
                &Take::New,
                Arc::new(Unwatched),
                Interrupt::never(),
            )
            .await
    }

    async fn equal(&self, against: Against) -> bool {
        let target = TableName::new("lake", "dw", "orders");
        let found = self
            .session
            .verify(&target, &against, Arc::new(Unwatched), Interrupt::never())
            .await
            .unwrap();
        found.equal()
    }

    async fn one(&self, sql: &str) -> String {
        let batches = self
            .session
            .sql(sql)
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        goe::schema::describe_value(batches[0].column(0), 0)
    }
}

fn session(folder: &Path) -> Session {
    Session::new(Config::parse(CONFIG, folder).unwrap()).unwrap()
}

fn orders() -> OffloadSpec {
    OffloadSpec {
        from: Some("shop.main.orders".to_owned()),
        to: "lake.dw.orders".to_owned(),
        parallel: Some(2),
        ..OffloadSpec::default()
    }
}

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, sold_at DATE, amount DECIMAL(15,2), note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO orders SELECT i, date('2024-01-01', (i % 300) || ' days'), i || '.25', CASE WHEN i % 7 THEN 'n' || i END FROM n;";

#[tokio::test]
async fn a_full_offload_is_proved_and_taken_once() {
    let world = World::new(ORDERS);
    let spec = OffloadSpec {
        partition_by: vec!["month(sold_at)".to_owned()],
        ..orders()
    };
    let outcome = world.run(&spec).await.unwrap();
    assert_eq!(outcome.rows, 5000);
    assert!(outcome.files >= 10, "{outcome:?}");
    let sum = "SELECT sum(amount) FROM";
    assert_eq!(
        world.one(&format!("{sum} lake.dw.orders")).await,
        world.one(&format!("{sum} shop.main.orders")).await
    );
    let again = world.run(&spec).await.unwrap();
    assert!(again.nothing_to_do.is_some());
    assert!(world.equal(Against::Source).await);
    assert!(world.equal(Against::Stored).await);

    world.shop("UPDATE orders SET amount = '1.00' WHERE id = 77");
    assert!(!world.equal(Against::Source).await);
    assert!(world.equal(Against::Stored).await);

    let reset = OffloadSpec {
        reset: true,
        ..spec
    };
    let replaced = world.run(&reset).await.unwrap();
    assert_eq!((replaced.rows, replaced.rows_removed), (5000, 5000));
    assert!(world.equal(Against::Source).await);
}

#[tokio::test]
async fn a_later_run_takes_only_what_is_new_even_without_its_repository() {
    let world = World::new(ORDERS);
    let until = |boundary: &str| OffloadSpec {
        partition_by: vec!["month(sold_at)".to_owned()],
        incremental_by: Some("sold_at".to_owned()),
        until: Some(boundary.to_owned()),
        ..orders()
    };
    let first = world.run(&until("DATE '2024-03-01'")).await.unwrap();
    std::fs::remove_file(world.folder.path().join("goe.db")).unwrap();
    let other = World {
        session: session(world.folder.path()),
        ..world
    };
    assert!(
        other
            .run(&until("DATE '2024-03-01'"))
            .await
            .unwrap()
            .nothing_to_do
            .is_some()
    );
    other.shop("INSERT INTO orders VALUES (9001, '2024-04-01', 1, 'new')");
    let second = other.run(&until("DATE '2025-01-01'")).await.unwrap();
    assert_eq!(first.rows + second.rows, 5001);
    assert_eq!(
        other.one("SELECT count(*) FROM lake.dw.orders").await,
        "5001"
    );
    assert_eq!(
        other
            .one("SELECT count(DISTINCT id) FROM lake.dw.orders")
            .await,
        "5001"
    );
    assert!(other.equal(Against::Source).await);
    assert!(other.equal(Against::Stored).await);
}

#[tokio::test]
async fn without_a_boundary_a_unique_column_is_taken_to_its_greatest_value() {
    let world = World::new(ORDERS);
    let spec = OffloadSpec {
        incremental_by: Some("id".to_owned()),
        ..orders()
    };
    assert_eq!(world.run(&spec).await.unwrap().rows, 5000);
    assert!(world.run(&spec).await.unwrap().nothing_to_do.is_some());
    world.shop("INSERT INTO orders VALUES (9001, '2024-04-01', 1, 'new')");
    assert_eq!(world.run(&spec).await.unwrap().rows, 1);

    let ties = OffloadSpec {
        incremental_by: Some("sold_at".to_owned()),
        ..orders()
    };
    let refused = world.run(&ties).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    let elsewhere = OffloadSpec {
        to: "lake.dw.ties".to_owned(),
        ..ties
    };
    let taken = world.run(&elsewhere).await.unwrap().rows;
    assert!(taken < 5001, "the greatest day waits: {taken}");
}

#[tokio::test]
async fn every_way_to_verify_proves_and_a_bad_row_publishes_nothing() {
    let world = World::new(ORDERS);
    for level in ["count", "aggregates", "checksum"] {
        let spec = OffloadSpec {
            to: format!("lake.dw.by_{level}"),
            verify: Some(level.parse().unwrap()),
            ..orders()
        };
        let outcome = world.run(&spec).await.unwrap();
        assert!(outcome.proof.contains("5000"), "{}", outcome.proof);
        let says = |text: &str| outcome.proof.contains(text);
        assert_eq!(
            says("least and greatest of"),
            level == "aggregates",
            "{}",
            outcome.proof
        );
        assert_eq!(says("hashes of"), level == "checksum", "{}", outcome.proof);
    }
    world.shop("UPDATE orders SET amount = '1.005' WHERE id = 4321");
    let error = world.run(&orders()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(format!("{error:#}").contains("4321"), "{error:#}");
    let gone = world
        .session
        .sql("SELECT * FROM lake.dw.orders")
        .await
        .unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_select_projects_casts_and_masks() {
    let world = World::new(ORDERS);
    let spec = OffloadSpec {
        select: Some("id, CAST(amount AS DECIMAL(10,1)) AS amount".to_owned()),
        ..orders()
    };
    let loses = world.run(&spec).await.unwrap_err();
    assert_eq!(loses.kind(), ErrorKind::TypeLoss, "{loses:#}");
    let spec = OffloadSpec {
        select: Some("id, ROUND(amount, 1) AS amount, upper(note) AS note".to_owned()),
        filter: Some("id <= 10".to_owned()),
        ..orders()
    };
    assert_eq!(world.run(&spec).await.unwrap().rows, 10);
    assert_eq!(
        world
            .one("SELECT note FROM lake.dw.orders WHERE id = 1")
            .await,
        "N1"
    );
}

#[tokio::test]
async fn a_join_is_offloaded_in_full_only() {
    let world = World::new(ORDERS);
    world.shop("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO names VALUES (1, 'one'), (2, 'two')");
    let spec = OffloadSpec {
        query: Some(
            "SELECT o.id, n.name FROM shop.main.orders o JOIN shop.main.names n ON o.id = n.id"
                .to_owned(),
        ),
        from: None,
        ..orders()
    };
    let incremental = OffloadSpec {
        incremental_by: Some("id".to_owned()),
        ..spec.clone()
    };
    assert_eq!(
        world.run(&incremental).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(world.run(&spec).await.unwrap().rows, 2);
    assert!(world.equal(Against::Source).await);
}

/// More partitions than files may be open, in no order: with little memory rows are sorted first,
/// with enough they are collected; either way each day is one or two files and nothing is lost.
#[tokio::test]
async fn many_partitions_in_no_order_stay_few_files() {
    let world = World::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, sold_at DATE, note TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO orders SELECT i, date('2020-01-01', (i * 7919 % 900) || ' days'), 'note ' || i FROM n;",
    );
    for (memory, name) in [(1 << 20, "little"), (256 << 20, "enough")] {
        let spec = OffloadSpec {
            to: format!("lake.dw.{name}"),
            partition_by: vec!["day(sold_at)".to_owned()],
            memory: Some(memory),
            ..orders()
        };
        let plan = world
            .session
            .plan(&spec.validate().unwrap(), &Take::New)
            .await
            .unwrap();
        assert_eq!(
            plan.to_string().contains("sorted by partition"),
            name == "little"
        );
        let outcome = world.run(&spec).await.unwrap();
        assert_eq!(outcome.rows, 60_000);
        assert!(
            (900..=1800).contains(&outcome.files),
            "{name}: {}",
            outcome.files
        );
        let counted = world
            .one(&format!("SELECT count(DISTINCT id) FROM lake.dw.{name}"))
            .await;
        assert_eq!(counted, "60000");
    }
}
