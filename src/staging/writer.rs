//! One worker's open files: one per target partition, rolled at the size that the backend likes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::bounds::Bounds;
use super::partition::{PartitionKey, split_batch};
use super::{StageSpec, StagedFile, partition_path};
use crate::error::{Error, Result};
use crate::schema::{RowHasher, TableHashes};

/// Rows of a row group at most: a reader holds a row group, so its size bounds the memory of the
/// proof too.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// How many files a worker holds open at most; beyond it the one that was written longest ago is
/// closed.
const OPEN_FILES: usize = 512;

/// How many small batches a partition collects before they are made one.
const SMALL_BATCHES: usize = 32;

/// The files that one worker writes.
///
/// Without partition columns rows go straight to the one open file. With them each partition
/// collects rows, and when all of them hold more than the budget the largest one becomes a row
/// group: an encoder holds much more memory than its rows (a compressor for each column), so there
/// is only ever one at work.
pub(super) struct PartitionedWriter {
    spec: Arc<StageSpec>,
    worker: usize,
    /// What this worker may hold in memory for row groups that are not yet written.
    budget: usize,
    open: HashMap<PartitionKey, OpenFile>,
    /// Bytes of the rows that partitions collect.
    waiting: usize,
    done: Vec<StagedFile>,
    hasher: RowHasher,
    /// Counts files and writes: a file's number, and when it was last written to.
    clock: u64,
    file_schema: SchemaRef,
    in_file: Vec<usize>,
    properties: WriterProperties,
}

struct OpenFile {
    writer: AsyncArrowWriter<BufWriter>,
    path: String,
    hashes: TableHashes,
    bounds: Vec<Bounds>,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    touched: u64,
}

impl OpenFile {
    /// Collects rows for the next row group.
    fn collect(&mut self, rows: RecordBatch) -> Result<()> {
        self.waiting.push(rows);
        if self.waiting.len() >= SMALL_BATCHES {
            let one = concat_batches(&self.waiting[0].schema(), &self.waiting)?;
            self.waiting = vec![one];
        }
        self.waiting_bytes = self
            .waiting
            .iter()
            .map(RecordBatch::get_array_memory_size)
            .sum();
        Ok(())
    }

    /// Makes a row group of the rows that were collected.
    async fn write_waiting(&mut self) -> Result<()> {
        for rows in std::mem::take(&mut self.waiting) {
            self.writer.write(&rows).await?;
        }
        self.waiting_bytes = 0;
        self.writer.flush().await?;
        Ok(())
    }
}

impl PartitionedWriter {
    pub(super) fn new(spec: Arc<StageSpec>, worker: usize, workers: usize) -> Result<Self> {
        let in_file: Vec<usize> = (0..spec.schema.fields().len())
            .filter(|i| spec.partition_columns_in_files || !spec.partition_columns.contains(i))
            .collect();
        if in_file.is_empty() {
            return Err(
                Error::unsupported("A table of partition columns alone can't be staged")
                    .hint("select at least one column beside those that it is partitioned by"),
            );
        }
        // The source's own type text stays out of the file: readers need the plain schema only.
        let fields: Vec<_> = in_file
            .iter()
            .map(|&i| spec.schema.field(i).clone().with_metadata(HashMap::new()))
            .collect();
        let level = ZstdLevel::try_new(1)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("goe ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        Ok(Self {
            budget: (spec.memory / workers.max(1)).max(8 << 20),
            worker,
            open: HashMap::new(),
            waiting: 0,
            done: Vec::new(),
            hasher: RowHasher::default(),
            clock: 0,
            file_schema: Arc::new(Schema::new(fields)),
            in_file,
            properties,
            spec,
        })
    }

    /// Writes a batch of the staged schema, each row to its partition's file.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for (key, rows) in split_batch(batch, &self.spec.partition_columns)? {
            if rows.num_rows() > 0 {
                self.write_partition(key, &rows).await?;
            }
        }
        self.spec.progress.add_rows(batch.num_rows());
        self.keep_within_budget().await
    }

    async fn write_partition(&mut self, key: PartitionKey, rows: &RecordBatch) -> Result<()> {
        self.clock += 1;
        if !self.open.contains_key(&key) {
            self.make_room().await?;
            let file = self.create(&key)?;
            self.open.insert(key.clone(), file);
        }
        let Some(file) = self.open.get_mut(&key) else {
            return Err(Error::internal("A staged file is gone"));
        };
        file.touched = self.clock;
        file.hashes.add_batch(&mut self.hasher, rows)?;
        for (bounds, column) in file.bounds.iter_mut().zip(rows.columns()) {
            bounds.add(column)?;
        }
        let columns: Vec<ArrayRef> = self
            .in_file
            .iter()
            .map(|&i| rows.column(i).clone())
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.file_schema), columns)?;
        if self.spec.partition_columns.is_empty() {
            file.writer.write(&batch).await?;
            let written = file.writer.bytes_written() + file.writer.in_progress_size();
            return self.roll(&key, written).await;
        }
        let before = file.waiting_bytes;
        file.collect(batch)?;
        self.waiting = self.waiting + file.waiting_bytes - before;
        Ok(())
    }

    /// Closes a file that is as large as the backend likes.
    async fn roll(&mut self, key: &PartitionKey, written: usize) -> Result<()> {
        if written as u64 >= self.spec.file_bytes {
            self.close(key).await?;
        }
        Ok(())
    }

    fn create(&self, key: &PartitionKey) -> Result<OpenFile> {
        let name = format!(
            "part-{}-{}-{:06}.parquet",
            self.spec.manifest, self.worker, self.clock
        );
        let folder = partition_path(&self.named(key));
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        // Path::parse keeps what is percent-encoded already as it is.
        let location = Path::parse(&path)
            .map_err(|error| Error::internal(format!("A staged file has no path: {error}")))?;
        let store: Arc<dyn ObjectStore> = Arc::clone(&self.spec.place.store);
        let sink = BufWriter::with_capacity(store, location, self.spec.place.part_bytes);
        let properties = Some(self.properties.clone());
        let writer = AsyncArrowWriter::try_new(sink, Arc::clone(&self.file_schema), properties)?;
        let columns = self.spec.schema.fields().len();
        Ok(OpenFile {
            writer,
            path,
            hashes: TableHashes::default(),
            bounds: std::iter::repeat_with(Bounds::default)
                .take(columns)
                .collect(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            touched: self.clock,
        })
    }

    fn named(&self, key: &PartitionKey) -> Vec<(String, Option<String>)> {
        self.spec
            .partition_columns
            .iter()
            .map(|&i| self.spec.schema.field(i).name().clone())
            .zip(key.iter().cloned())
            .collect()
    }

    async fn make_room(&mut self) -> Result<()> {
        // Each open file holds a part of its upload.
        let most = (self.budget / self.spec.place.part_bytes.max(1)).clamp(4, OPEN_FILES);
        if self.open.len() < most {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, file)| file.touched);
        match oldest.map(|(key, _)| key.clone()) {
            Some(key) => self.close(&key).await,
            None => Ok(()),
        }
    }

    /// Makes row groups of the largest partitions while all of them hold more than the budget.
    async fn keep_within_budget(&mut self) -> Result<()> {
        if self.spec.partition_columns.is_empty() {
            return self.keep_row_group_within_budget().await;
        }
        while self.waiting > self.budget {
            let largest = self.open.iter().max_by_key(|(_, file)| file.waiting_bytes);
            let Some(key) = largest.map(|(key, _)| key.clone()) else {
                return Ok(());
            };
            let Some(file) = self.open.get_mut(&key) else {
                return Ok(());
            };
            self.waiting -= file.waiting_bytes;
            file.write_waiting().await?;
            let written = file.writer.bytes_written();
            self.roll(&key, written).await?;
        }
        Ok(())
    }

    async fn keep_row_group_within_budget(&mut self) -> Result<()> {
        for file in self.open.values_mut() {
            if file.writer.memory_size() > self.budget {
                file.writer.flush().await?;
            }
        }
        Ok(())
    }

    async fn close(&mut self, key: &PartitionKey) -> Result<()> {
        let Some(mut file) = self.open.remove(key) else {
            return Ok(());
        };
        self.waiting -= file.waiting_bytes;
        file.write_waiting().await?;
        file.writer.finish().await?;
        let bytes = file.writer.bytes_written() as u64;
        self.spec.progress.add_bytes(bytes);
        let bounds: Result<Vec<_>> = file.bounds.iter().map(Bounds::finish).collect();
        self.done.push(StagedFile {
            path: file.path,
            partition: self.named(key),
            bytes,
            bounds: bounds?,
            hashes: file.hashes,
        });
        Ok(())
    }

    /// Closes every file and gives the list.
    pub(super) async fn finish(mut self) -> Result<Vec<StagedFile>> {
        let keys: Vec<PartitionKey> = self.open.keys().cloned().collect();
        for key in keys {
            self.close(&key).await?;
        }
        Ok(self.done)
    }
}
