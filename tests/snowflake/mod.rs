//! Snowflake as a target, before a double that answers as it does (`tests/doubles/snowflake`): what
//! that proves and what it does not stands there. `GOE_TEST_SNOWFLAKE` is its address, or holds the
//! lines of a real account's connection with `;` between them; there the test of types runs alone.

#[cfg(debug_assertions)]
mod crashes;
mod double;
mod failures;
mod offloads;
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
mod stages;
mod values;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::project::{Project, Ran, skip};
use double::Double;

/// The address of the double, or a printed reason why there is none.
pub fn address() -> Option<String> {
    let address = std::env::var("GOE_TEST_SNOWFLAKE").ok();
    let address = address.filter(|address| address.starts_with("http"));
    if address.is_none() {
        skip("Snowflake: GOE_TEST_SNOWFLAKE names no double");
    }
    address
}

/// A database of its own, and a project whose connection `sf` is it.
struct World {
    project: Project,
    double: Double,
    database: String,
}

impl World {
    /// With `shop.db` filled by SQL.
    fn new(sql: &str) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let address = address()?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let database = format!("T{}_{number}", std::process::id());
        let world = Self {
            project: Project::with(sql),
            double: Double::new(&address, &database),
            database,
        };
        world.connect("goe", "");
        Some(world)
    }

    /// Gives the connection another user, and more lines.
    fn connect(&self, user: &str, lines: &str) {
        let mut text = format!(
            "[connections.shop]\nurl = \"sqlite:shop.db\"\n\
             [connections.sf]\n\
             url = \"snowflake://{user}@acme/{}?warehouse=load_wh\"\n\
             base_url = \"{}\"\n",
            self.database, self.double.address,
        );
        if !lines.contains("password") {
            text += "password = \"goe-password\"\n";
        }
        if !lines.contains("staging = ") {
            let stage = self.project.path("stage");
            text += &format!("staging = \"file://{}\"\n", stage.display());
        }
        text += lines;
        self.project.write("goe.toml", &text);
    }

    fn goe(&self, arguments: &[&str]) -> Ran {
        self.project.goe(arguments)
    }

    fn offload(&self, table: &str, more: &[&str]) -> Ran {
        let source = format!("shop.main.{table}");
        let target = format!("sf.tpch.{table}");
        let command = [
            "--output", "json", "offload", &source, "--to", &target, "-x",
        ];
        self.goe(&[&command[..], more].concat())
    }

    /// The first column of an answer of the double, as text.
    fn ask(&self, sql: &str) -> Vec<String> {
        self.double.ask(sql)
    }

    /// Nothing of a load is left: no table, and no staged file.
    #[track_caller]
    fn is_tidy(&self) {
        let loads = self.ask(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'TPCH' \
             AND table_name LIKE 'GOE_LOAD%'",
        );
        assert!(loads.is_empty(), "{loads:?}");
        let files = crate::project::files_below(&self.project.path("stage"));
        assert!(files.is_empty(), "{files:?}");
    }
}

/// Rows that a run published.
fn published(ran: &Ran) -> u64 {
    let events = ran.events();
    let chunks = events
        .iter()
        .filter(|event| event["event"] == "chunk_published");
    chunks
        .map(|event: &Value| event["rows"].as_u64().unwrap_or_default())
        .sum()
}

/// A hundred orders, ten a day from the first of January.
const ORDERS: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sold DATE NOT NULL, amount DECIMAL(15,2), note VARCHAR(40));
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
    INSERT INTO orders SELECT i + 1, date('2024-01-01', (i / 10) || ' days'), (i * 7) || '.25',
        CASE WHEN i % 3 = 0 THEN NULL ELSE 'note ' || i END FROM n;
";
