//! How fast are rows hashed? The proof hashes every value twice, once as it is read and once as it
//! is read back, so this bounds what a proof by checksum costs.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use goe::schema::{RowHasher, TableHashes};

const ROWS: usize = 8192;

/// One column of each kind that a fact table has most of, with a NULL in every 16th row.
fn columns() -> Vec<(&'static str, ArrayRef)> {
    let rows = || (0..ROWS as i64).map(|row| (row % 16 != 0).then_some(row * 7919));
    let amounts = rows()
        .map(|row| row.map(i128::from))
        .collect::<Decimal128Array>();
    let dates = rows()
        .map(|row| row.map(|row| (row % 20_000) as i32))
        .collect::<Date32Array>();
    let texts = rows().map(|row| row.map(|row| format!("Customer#{row:09}")));
    vec![
        ("int64", Arc::new(rows().collect::<Int64Array>())),
        (
            "decimal",
            Arc::new(amounts.with_precision_and_scale(15, 2).expect("fits")),
        ),
        ("date", Arc::new(dates)),
        ("text", Arc::new(texts.collect::<StringArray>())),
    ]
}

fn hash(columns: Vec<(&'static str, ArrayRef)>) -> impl FnMut() -> TableHashes {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut hasher = RowHasher::default();
    move || {
        let mut sums = TableHashes::default();
        sums.add_batch(&mut hasher, black_box(&batch))
            .expect("known types");
        sums
    }
}

fn hashes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schema_hash");
    group.throughput(Throughput::Elements(ROWS as u64));
    for column in columns() {
        let name = column.0;
        let mut once = hash(vec![column]);
        group.bench_function(name, |bencher| bencher.iter(&mut once));
    }
    let mut once = hash(columns());
    group.bench_function("row of four", |bencher| bencher.iter(&mut once));
    group.finish();
}

criterion_group!(benches, hashes);
criterion_main!(benches);
