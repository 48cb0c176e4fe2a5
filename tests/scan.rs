//! Scans whose snapshot serves fewer readers than the plan has workers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::compute::SortOptions;
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::collect;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::prelude::{SessionConfig, SessionContext};
use goe::Result;
use goe::config::Config;
use goe::frontend::{FrontendTable, OpenOptions, Snapshot, Source, SourceTable, Splits};
use goe::systems::Connections;

use crate::project::Project;

const ROWS: i64 = 20_000;
const WORKERS: usize = 4;

/// A source whose snapshots serve so many readers, whatever is asked for, in small splits.
#[derive(Debug)]
struct Narrow {
    source: Arc<dyn Source>,
    readers: usize,
}

#[async_trait]
impl Source for Narrow {
    fn table(&self) -> &SourceTable {
        self.source.table()
    }

    async fn splits(&self, _: u64) -> Result<Splits> {
        self.source.splits(10_000).await
    }

    async fn snapshot(&self, _: usize) -> Result<Arc<dyn Snapshot>> {
        self.source.snapshot(self.readers).await
    }
}

/// The rows of a plan that merges the scan's workers by `id` without sorting them first: it can't
/// give a row before each worker gave one, or said that it has none.
async fn merged(readers: usize) -> Vec<i64> {
    let project = Project::with(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
         INSERT INTO t SELECT n, 'note ' || n FROM n"
    ));
    let configuration = std::fs::read_to_string(project.path("goe.toml")).unwrap();
    let config = Config::parse(&configuration, &project.path("")).unwrap();
    let shop = Connections::new(config).frontend("shop").unwrap();
    let source = shop
        .open("main", "t", &OpenOptions::default())
        .await
        .unwrap();
    let table = FrontendTable::new(Arc::new(Narrow { source, readers }), shop.dialect());
    let config = SessionConfig::new().with_target_partitions(WORKERS);
    let context = SessionContext::new_with_config(config);
    let scan = table.scan(&context.state(), None, &[], None).await.unwrap();
    let workers = scan.properties().output_partitioning().partition_count();
    assert_eq!(workers, WORKERS, "the table has splits for all");
    let order = PhysicalSortExpr::new(col("id", &scan.schema()).unwrap(), SortOptions::default());
    let merge = SortPreservingMergeExec::new(LexOrdering::new([order]).unwrap(), scan);
    let batches = collect(Arc::new(merge), context.task_ctx()).await.unwrap();
    let ids = batches
        .iter()
        .map(|batch| batch.column(0).as_primitive::<Int64Type>());
    ids.flat_map(|ids| ids.values().to_vec()).collect()
}

#[tokio::test]
async fn a_sorted_merge_of_more_workers_than_readers_ends() {
    for readers in [1, 2, 3, WORKERS] {
        let ids = tokio::time::timeout(Duration::from_secs(60), merged(readers)).await;
        let ids = ids.unwrap_or_else(|_| panic!("{readers} readers: waits for ever"));
        assert!(ids.into_iter().eq(1..=ROWS), "{readers} readers");
    }
}
