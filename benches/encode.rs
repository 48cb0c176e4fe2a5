//! How many rows a second become a staged file, by type of column? Hashes and bounds are taken in
//! the same pass, as in every run; the store is memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, collect};
use goe::staging::{StageExec, StageProgress, StageSpec, StagingPlace};
use object_store::memory::InMemory;

const BATCHES: usize = 16;
const ROWS: usize = 8192;

/// A number for a row that looks like no order.
fn mixed(row: usize) -> i64 {
    (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64
}

/// A column of some rows.
type Make = fn(std::ops::Range<usize>) -> ArrayRef;

/// Few values and many of the types that most columns have.
const COLUMNS: [(&str, Make); 6] = [
    ("bigint, all different", |rows| {
        Arc::new(rows.map(|row| Some(row as i64)).collect::<Int64Array>())
    }),
    ("decimal, many", |rows| {
        let units = rows.map(|row| Some(i128::from(mixed(row).rem_euclid(10_000_000))));
        let decimals = units.collect::<Decimal128Array>();
        Arc::new(decimals.with_precision_and_scale(15, 2).expect("it fits"))
    }),
    ("date, few", |rows| {
        let days = rows.map(|row| Some(mixed(row).rem_euclid(2500) as i32));
        Arc::new(days.collect::<Date32Array>())
    }),
    ("text, few", |rows| {
        let texts = rows.map(|row| Some(["RAIL", "TRUCK", "REG AIR"][mixed(row) as usize % 3]));
        Arc::new(texts.collect::<StringArray>())
    }),
    ("text, many", |rows| {
        let texts = rows.map(|row| Some(format!("a comment with {:x} in it", mixed(row))));
        Arc::new(texts.collect::<StringArray>())
    }),
    ("double, many", |rows| {
        let doubles = rows.map(|row| Some(mixed(row) as f64 / 1e9));
        Arc::new(doubles.collect::<Float64Array>())
    }),
];

fn batches(make: Make) -> Vec<RecordBatch> {
    let batch = |i: usize| {
        let column = make(i * ROWS..(i + 1) * ROWS);
        RecordBatch::try_from_iter([("c", column)]).expect("one column")
    };
    (0..BATCHES).map(batch).collect()
}

fn stage(batches: &[RecordBatch]) -> StageExec {
    let schema = batches[0].schema();
    let rows = MemorySourceConfig::try_new_exec(&[batches.to_vec()], Arc::clone(&schema), None);
    let spec = StageSpec {
        manifest: "bench".to_owned(),
        place: StagingPlace {
            store: Arc::new(InMemory::new()),
            url: "memory:".to_owned(),
            part_bytes: 8 << 20,
        },
        schema,
        partition_columns: Vec::new(),
        partition_columns_in_files: false,
        sorted: false,
        sort_columns: Vec::new(),
        file_bytes: 128 << 20,
        memory: 64 << 20,
        progress: Arc::new(StageProgress::default()),
    };
    StageExec::new(rows.expect("a plan of rows"), Arc::new(spec))
}

fn encode(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements((BATCHES * ROWS) as u64));
    group.sample_size(20);
    for (name, make) in COLUMNS {
        let batches = batches(make);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let plan: Arc<dyn ExecutionPlan> = Arc::new(stage(&batches));
                let files = collect(plan, Arc::new(TaskContext::default()));
                runtime.block_on(files).expect("a file")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
