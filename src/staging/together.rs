//! Encoding the columns of a batch, several at once where there are more cores than workers: then one
//! connection does not wait for one core.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use tokio::task::JoinSet;

use super::column::{ColumnEncoder, Compressor};
use crate::error::{Error, Result};

/// How many encode one batch at most.
const MOST_TOGETHER: usize = 8;

/// Fewer values than this are encoded where they are: handing them over would cost more.
const WORTH_SHARING: usize = 1 << 14;

/// A column of the row group at hand.
#[derive(Default)]
pub(super) enum Column {
    Ours(Box<ColumnEncoder>),
    /// One whose type we have no encoder for.
    Library(Box<ArrowColumnWriter>),
    #[default]
    Ended,
}

/// A column that nobody else works on. One whose encoder died is not gone on with: that ends the run.
pub(super) fn held(column: &Mutex<Column>) -> MutexGuard<'_, Column> {
    column.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A batch whose columns several encode, each the next one that nobody has.
pub(super) struct Shared {
    columns: Arc<[Mutex<Column>]>,
    schema: SchemaRef,
    batch: RecordBatch,
    next: AtomicUsize,
}

impl Shared {
    pub(super) fn new(
        columns: Arc<[Mutex<Column>]>,
        schema: SchemaRef,
        batch: RecordBatch,
    ) -> Self {
        Self {
            columns,
            schema,
            batch,
            next: AtomicUsize::new(0),
        }
    }

    fn values(&self) -> usize {
        self.batch.num_rows() * self.columns.len()
    }

    /// Encodes columns until none is left.
    fn encode(&self, compressor: &mut Compressor) -> Result<()> {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(column) = self.columns.get(at) else {
                return Ok(());
            };
            let array = self.batch.column(at);
            match &mut *held(column) {
                Column::Ours(encoder) => encoder.write(array, compressor)?,
                Column::Library(writer) => {
                    for leaf in compute_leaves(self.schema.field(at), array)? {
                        writer.write(&leaf)?;
                    }
                }
                Column::Ended => return Err(Error::internal("A column goes on after its end")),
            }
        }
    }
}

/// As many compressors as encode columns at once: cores that have no worker of their own help.
pub(super) struct Compressors {
    pub(super) first: Compressor,
    others: Vec<Compressor>,
}

impl Compressors {
    /// Those of one of so many workers.
    pub(super) fn new(workers: usize) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(cores / workers.max(1))
    }

    fn of(together: usize) -> Result<Self> {
        let others = (1..together.min(MOST_TOGETHER)).map(|_| Compressor::new());
        Ok(Self {
            first: Compressor::new()?,
            others: others.collect::<Result<_>>()?,
        })
    }

    /// Encodes a batch.
    pub(super) async fn encode(&mut self, shared: &Arc<Shared>) -> Result<()> {
        let mut helpers = JoinSet::new();
        if shared.values() >= WORTH_SHARING {
            for mut compressor in self.others.drain(..) {
                let shared = Arc::clone(shared);
                helpers.spawn_blocking(move || (shared.encode(&mut compressor), compressor));
            }
        }
        let mut outcome = shared.encode(&mut self.first);
        while let Some(helper) = helpers.join_next().await {
            let helper =
                helper.map_err(|error| Error::internal(format!("An encoder died: {error}")));
            let (encoded, compressor) = helper?;
            self.others.push(compressor);
            outcome = outcome.and(encoded);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, BinaryArray, Int64Array, StringArray};
    use object_store::ObjectStoreExt;
    use object_store::buffered::BufWriter;
    use object_store::memory::InMemory;
    use parquet::file::properties::WriterProperties;

    use super::super::file::FileWriter;
    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let columns: Vec<(String, ArrayRef)> = (0..9)
            .map(|column| {
                let numbers = (0..rows).map(|row| (row * 7 + column) % 1000);
                let array: ArrayRef = match column % 3 {
                    0 => Arc::new(Int64Array::from_iter_values(numbers)),
                    1 => Arc::new(
                        numbers
                            .map(|n| Some(format!("text {n}")))
                            .collect::<StringArray>(),
                    ),
                    _ => Arc::new(
                        numbers
                            .map(|n| Some(n.to_le_bytes()))
                            .collect::<BinaryArray>(),
                    ),
                };
                (format!("c{column}"), array)
            })
            .collect();
        RecordBatch::try_from_iter(columns).unwrap()
    }

    async fn file(together: usize) -> Vec<u8> {
        let (store, path) = (
            Arc::new(InMemory::new()),
            object_store::path::Path::from("f"),
        );
        let batch = batch(8192);
        let sink = BufWriter::with_capacity(Arc::clone(&store) as _, path.clone(), 1 << 20);
        let properties = WriterProperties::builder().build();
        let mut writer = FileWriter::new((sink, 1 << 20), batch.schema(), properties).unwrap();
        let mut compressors = Compressors::of(together).unwrap();
        for _ in 0..40 {
            writer.write(&batch, &mut compressors).await.unwrap();
        }
        writer.finish(&mut compressors).await.unwrap();
        store
            .get(&path)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    }

    #[tokio::test]
    async fn a_file_is_the_same_however_many_encode_it() {
        let alone = file(1).await;
        assert!(alone.len() > 10_000);
        for together in [2, 5, 64] {
            assert!(file(together).await == alone, "{together} at once");
        }
    }
}
