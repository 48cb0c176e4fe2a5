//! Partitions of a real server: what a request makes of them, row by row.

use chrono::Utc;
use datafusion::logical_expr::Expr;
use goe::config::Config;
use goe::frontend::OpenOptions;
use goe::offload::{Closed, PartitionRequest, chunks, resolve};
use goe::session::Session;

use crate::project::{Project, Ran, postgres};

struct World {
    project: Project,
    session: Session,
    url: String,
    schema: String,
}

impl World {
    fn new(sql: &str) -> Option<Self> {
        let url = postgres()?;
        let project = Project::new();
        project.connect_postgres(&url);
        let config = Config::read(&project.path("goe.toml")).expect("the configuration");
        let world = Self {
            session: Session::new(config).expect("a session"),
            project,
            url,
            schema: format!("goe_partitions_{}", std::process::id()),
        };
        let schema = &world.schema;
        world.psql(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; \
             SET search_path = {schema}; {sql}"
        ));
        Some(world)
    }

    fn psql(&self, sql: &str) {
        let command = ["-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url, "-c", sql];
        Ran::of(self.project.command_of("psql", &command)).ok();
    }

    async fn closed(&self, table: &str, request: &str) -> Closed {
        let frontend = self.session.connections().frontend("pg").unwrap();
        let options = OpenOptions::default();
        let source = frontend.open(&self.schema, table, &options).await.unwrap();
        let request: PartitionRequest = serde_json::from_str(request).unwrap();
        resolve(&request, source.table(), Utc::now(), None, None).unwrap()
    }

    async fn count(&self, table: &str, predicate: Option<&Expr>) -> usize {
        let query = format!("SELECT * FROM pg.{}.{table}", self.schema);
        let rows = self.session.sql(&query).await.unwrap();
        let rows = match predicate {
            Some(predicate) => rows.filter(predicate.clone()).unwrap(),
            None => rows,
        };
        rows.count().await.unwrap()
    }

    /// Each unit has as many rows as its partitions together, and all units those of the window.
    async fn check(&self, table: &str, request: &str, partitions: &[&str]) {
        let closed = self.closed(table, request).await;
        let names: Vec<&str> = closed
            .units
            .iter()
            .flat_map(|unit| unit.partitions.iter().map(String::as_str))
            .collect();
        assert_eq!(names, partitions, "{request}");
        let mut total = 0;
        for unit in &closed.units {
            let mut held = 0;
            for partition in &unit.partitions {
                held += self.count(partition, None).await;
            }
            let found = self.count(table, Some(&unit.predicate)).await;
            assert_eq!(found, held, "{request}: {}", unit.name);
            assert!(found > 0, "{request}: {} is empty", unit.name);
            total += found;
        }
        let window = self.count(table, Some(&closed.predicate)).await;
        assert_eq!(window, total, "{request}");
    }
}

const TABLES: &str = "
    CREATE TABLE r (i int, d date) PARTITION BY RANGE (d);
    CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (MINVALUE) TO ('2020-02-01');
    CREATE TABLE r2 PARTITION OF r FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
    CREATE TABLE r3 PARTITION OF r FOR VALUES FROM ('2020-03-01') TO ('2020-04-01');
    CREATE TABLE rest PARTITION OF r DEFAULT;
    INSERT INTO r SELECT i, date '2020-01-01' + i % 120 FROM generate_series(1, 500) i;
    INSERT INTO r VALUES (0, NULL);
    CREATE TABLE m (a int NOT NULL, b numeric(6,2)) PARTITION BY RANGE (a, b);
    CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (MINVALUE, MINVALUE) TO (-1, 0.5);
    CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (-1, 0.5) TO (1, MAXVALUE);
    CREATE TABLE m3 PARTITION OF m FOR VALUES FROM (1, MAXVALUE) TO (3, -0.25);
    INSERT INTO m SELECT i % 4 - 2, (i % 9 - 4) / 4.0 FROM generate_series(1, 300) i
      WHERE (i % 4 - 2) < 3;
    CREATE TABLE l (k text, d date) PARTITION BY LIST (k);
    CREATE TABLE l_ab PARTITION OF l FOR VALUES IN ('a', 'it''s') PARTITION BY RANGE (d);
    CREATE TABLE l_ab_1 PARTITION OF l_ab FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
    CREATE TABLE l_ab_2 PARTITION OF l_ab FOR VALUES FROM ('2020-02-01') TO ('2020-04-01');
    CREATE TABLE l_null PARTITION OF l FOR VALUES IN (NULL) PARTITION BY RANGE (d);
    CREATE TABLE l_null_1 PARTITION OF l_null FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
    CREATE TABLE l_null_2 PARTITION OF l_null FOR VALUES FROM ('2020-02-01') TO ('2020-04-01');
    INSERT INTO l SELECT CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'it''s' END,
      date '2020-01-01' + i % 90 FROM generate_series(1, 400) i;
    ANALYZE r; ANALYZE m; ANALYZE l;
";

#[tokio::test]
async fn units_hold_the_rows_of_their_partitions() {
    let Some(world) = World::new(TABLES) else {
        return;
    };
    world
        .check("r", r#"{"less_than_value":"2020-03-15"}"#, &["r1", "r2"])
        .await;
    world
        .check("r", r#"{"partition_names":["R3"]}"#, &["r1", "r2", "r3"])
        .await;
    world
        .check(
            "r",
            r#"{"offload_type":"FULL"}"#,
            &["r1", "r2", "r3", "rest"],
        )
        .await;
    world
        .check("m", r#"{"less_than_value":"1,999"}"#, &["m1"])
        .await;
    world
        .check("m", r#"{"less_than_value":"2,0"}"#, &["m1", "m2"])
        .await;
    let values = r#"{"equal_to_values":["'it''s',a","null"]}"#;
    world.check("l", values, &["l_ab", "l_null"]).await;
    let months = ["l_ab_1", "l_null_1", "l_ab_2", "l_null_2"];
    world
        .check("l", r#"{"older_than_date":"2020-05-01"}"#, &months)
        .await;
    let closed = world.closed("r", r#"{"offload_type":"INCREMENTAL"}"#).await;
    assert_eq!(chunks(&closed.units, u64::MAX, 2), [vec![0, 1], vec![2]]);
    let described = format!("pg.{}.l", world.schema);
    world.project.goe(&["describe", &described]).ok().says(&[
        "LIST (k)",
        "'a', 'it''s', by RANGE (d)",
        "  l_ab_1",
        "2020-01-01 to 2020-02-01",
    ]);
    world.psql(&format!("DROP SCHEMA {} CASCADE", world.schema));
}
