//! What does a manifest of 10,000 files cost to write, to read and to add up?

use criterion::{Criterion, criterion_group, criterion_main};
use goe::schema::{ColumnHash, TableHashes};
use goe::staging::{ColumnBounds, Manifest, StagedFile};

const FILES: u64 = 10_000;
const COLUMNS: u64 = 16;

/// A file of a day's partition, one of a hundred.
fn file(number: u64) -> StagedFile {
    let bounds = |column: u64| ColumnBounds {
        min: Some((number * column).to_string()),
        max: Some((number * column + 4711).to_string()),
        sum: Some((number * 4711).to_string()),
    };
    let hash = |column: u64| ColumnHash {
        sum: number.wrapping_mul(column.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        nulls: column,
    };
    let day = format!("2026-{:02}-{:02}", number % 4 + 1, number % 25 + 1);
    StagedFile {
        path: format!("sold_at={day}/part-0192f0-0001-0-{number:06}.parquet"),
        partition: vec![("sold_at".to_owned(), Some(day))],
        bytes: 100 << 20,
        bounds: (0..COLUMNS).map(bounds).collect(),
        hashes: TableHashes {
            rows: 1 << 20,
            row_sum: number,
            columns: (0..COLUMNS).map(hash).collect(),
        },
    }
}

fn manifest(criterion: &mut Criterion) {
    let manifest = Manifest {
        id: "0192f0-0001".to_owned(),
        files: (0..FILES).map(file).collect(),
    };
    let json = serde_json::to_string(&manifest).expect("JSON");
    let mut group = criterion.benchmark_group("manifest");
    group.sample_size(10);
    group.bench_function("write 10,000 files", |bencher| {
        bencher.iter(|| serde_json::to_string(&manifest).expect("JSON"));
    });
    group.bench_function("read 10,000 files", |bencher| {
        bencher.iter(|| serde_json::from_str::<Manifest>(&json).expect("a manifest"));
    });
    group.bench_function("add up 10,000 files", |bencher| {
        bencher.iter(|| manifest.hashes());
    });
    group.finish();
}

criterion_group!(benches, manifest);
criterion_main!(benches);
