//! One worker's open files: one per target partition, rolled at the size that the backend likes.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::bounds::Bounds;
use super::collected::Collected;
use super::column::LEVEL;
use super::encoding::without_dictionary;
use super::file::FileWriter;
use super::partition::{PartitionKey, split_batch, split_sorted};
use super::together::Compressors;
use super::{StageSpec, StagedFile, partition_path};
use crate::error::{Error, Result};
use crate::fault;
use crate::schema::{RowHasher, TableHashes};

/// How many files a worker holds open at most; beyond it the one that was written longest ago is
/// closed.
const OPEN_FILES: usize = 512;

/// How many parts of a file are on their way at once.
const PARTS_AT_ONCE: usize = 8;

/// Parts below this are those of a disk, which is no faster for many at once.
const SMALL_PART: usize = 1 << 20;

/// The files that one worker writes.
///
/// Without partition columns rows go straight to the one open file. With them each partition
/// collects rows, and when all of them hold more than the budget the largest one becomes a row
/// group: an encoder holds much more memory than its rows (a compressor for each column), so there
/// is only ever one at work. A file is opened when its first row group is written.
pub(super) struct PartitionedWriter {
    spec: Arc<StageSpec>,
    worker: usize,
    /// What this worker may hold in memory for row groups that are not yet written.
    budget: usize,
    partitions: HashMap<PartitionKey, Partition>,
    /// Bytes of the rows that partitions collect.
    waiting: usize,
    /// How many files are open.
    open: usize,
    done: Vec<StagedFile>,
    hasher: RowHasher,
    compressors: Compressors,
    /// Counts writes: a file's number, and when a partition was last written to.
    clock: u64,
    file_schema: SchemaRef,
    in_file: Vec<usize>,
    /// Columns of texts in the files: their encoder finds their bounds.
    encoded_texts: Vec<usize>,
    properties: WriterProperties,
}

/// One partition's next file: what is known of its rows, those that wait, and the file once open.
#[derive(Default)]
struct Partition {
    hashes: TableHashes,
    bounds: Vec<Bounds>,
    waiting: Collected,
    file: Option<OpenFile>,
    touched: u64,
}

struct OpenFile {
    writer: FileWriter,
    path: String,
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
        let is_text = |i: &usize| {
            let data_type = spec.schema.field(*i).data_type();
            matches!(data_type, DataType::Utf8 | DataType::LargeUtf8)
        };
        let encoded_texts = in_file.iter().copied().filter(is_text).collect();
        // The source's own type text stays out of the file: readers need the plain schema only.
        let fields: Vec<_> = in_file
            .iter()
            .map(|&i| spec.schema.field(i).clone().with_metadata(HashMap::new()))
            .collect();
        let level = ZstdLevel::try_new(LEVEL)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("goe ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_sorting_columns(sorting_columns(&spec, &in_file))
            .build();
        Ok(Self {
            budget: (spec.memory / workers.max(1)).max(8 << 20),
            worker,
            partitions: HashMap::new(),
            waiting: 0,
            open: 0,
            done: Vec::new(),
            hasher: RowHasher::default(),
            compressors: Compressors::new(workers)?,
            clock: 0,
            file_schema: Arc::new(Schema::new(fields)),
            in_file,
            encoded_texts,
            properties,
            spec,
        })
    }

    /// Writes a batch of the staged schema, each row to its partition's file.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = &self.spec.partition_columns;
        let parts = if self.spec.order().is_empty() {
            split_batch(batch, columns)?
        } else {
            split_sorted(batch, columns)?
        };
        for (key, rows) in parts {
            if rows.num_rows() > 0 {
                self.write_partition(key, &rows).await?;
            }
        }
        self.spec.progress.add_rows(batch.num_rows());
        self.keep_within_budget().await
    }

    async fn write_partition(&mut self, key: PartitionKey, rows: &RecordBatch) -> Result<()> {
        self.clock += 1;
        let columns = rows.num_columns();
        let partition = self.partitions.entry(key.clone()).or_default();
        partition.touched = self.clock;
        partition.hashes.add_batch(&mut self.hasher, rows)?;
        partition.bounds.resize_with(columns, Bounds::default);
        for (position, column) in rows.columns().iter().enumerate() {
            if !self.encoded_texts.contains(&position) {
                partition.bounds[position].add(column)?;
            }
        }
        let columns = self.in_file.iter().map(|&i| rows.column(i).clone());
        let batch = RecordBatch::try_new(Arc::clone(&self.file_schema), columns.collect())?;
        let before = partition.waiting.bytes();
        partition.waiting.add(batch)?;
        self.waiting = self.waiting + partition.waiting.bytes() - before;
        if self.spec.partition_columns.is_empty() {
            return self.write_through(&key).await;
        }
        Ok(())
    }

    /// Hands the rows of the only partition on; its row groups end by rows or by memory.
    async fn write_through(&mut self, key: &PartitionKey) -> Result<()> {
        let budget = self.budget;
        let written = self.encode(key).await?;
        let Some(file) = self
            .partitions
            .get_mut(key)
            .and_then(|one| one.file.as_mut())
        else {
            return Ok(());
        };
        if file.writer.memory() > budget {
            file.writer.end_group(&mut self.compressors).await?;
        }
        let written = written + file.writer.group_bytes();
        self.roll(key, written).await
    }

    /// Makes row groups of the largest partitions while all of them hold more than the budget.
    async fn keep_within_budget(&mut self) -> Result<()> {
        while self.waiting > self.budget {
            let largest = self
                .partitions
                .iter()
                .max_by_key(|(_, one)| one.waiting.bytes());
            let Some(key) = largest.map(|(key, _)| key.clone()) else {
                return Ok(());
            };
            let written = self.write_row_group(&key).await?;
            self.roll(&key, written).await?;
        }
        Ok(())
    }

    /// Makes a row group of the rows that a partition collected; gives the file's size.
    async fn write_row_group(&mut self, key: &PartitionKey) -> Result<usize> {
        self.encode(key).await?;
        match self
            .partitions
            .get_mut(key)
            .and_then(|one| one.file.as_mut())
        {
            Some(file) => {
                file.writer.end_group(&mut self.compressors).await?;
                Ok(file.writer.bytes_written())
            }
            None => Ok(0),
        }
    }

    /// Encodes the rows that wait into the partition's file, opened if need be.
    async fn encode(&mut self, key: &PartitionKey) -> Result<usize> {
        if self
            .partitions
            .get(key)
            .is_some_and(|one| one.file.is_none())
        {
            self.make_room().await?;
            let file = self.create(key)?;
            fault::point("file.opened")?;
            if let Some(partition) = self.partitions.get_mut(key) {
                partition.file = Some(file);
                self.open += 1;
            }
        }
        let Some(partition) = self.partitions.get_mut(key) else {
            return Ok(0);
        };
        self.waiting -= partition.waiting.bytes();
        let Some(file) = partition.file.as_mut() else {
            return Ok(0);
        };
        for rows in partition.waiting.take() {
            file.writer.write(&rows, &mut self.compressors).await?;
        }
        Ok(file.writer.bytes_written())
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
        let part = self.spec.place.part_bytes;
        let sink = BufWriter::with_capacity(store, location, part)
            .with_max_concurrency(if part < SMALL_PART { 2 } else { PARTS_AT_ONCE });
        let properties = self.properties_of(key)?;
        let writer = FileWriter::new((sink, part), Arc::clone(&self.file_schema), properties)?;
        Ok(OpenFile { writer, path })
    }

    /// How a partition's next file is written, which its first rows decide.
    fn properties_of(&self, key: &PartitionKey) -> Result<WriterProperties> {
        let mut properties = self.properties.clone().into_builder();
        if let Some(partition) = self.partitions.get(key) {
            for column in without_dictionary(&partition.waiting.rows())? {
                let name = self.file_schema.field(column).name();
                let path = ColumnPath::new(vec![name.clone()]);
                properties = properties.set_column_dictionary_enabled(path, false);
            }
        }
        Ok(properties.build())
    }

    fn named(&self, key: &PartitionKey) -> Vec<(String, Option<String>)> {
        self.spec
            .partition_columns
            .iter()
            .map(|&i| self.spec.schema.field(i).name().clone())
            .zip(key.iter().cloned())
            .collect()
    }

    /// Closes the file that was written to longest ago when too many are open: each holds a part
    /// of its upload.
    async fn make_room(&mut self) -> Result<()> {
        let most = (self.budget / self.spec.place.part_bytes.max(1)).clamp(4, OPEN_FILES);
        if self.open < most {
            return Ok(());
        }
        let open = self.partitions.iter().filter(|(_, one)| one.file.is_some());
        let oldest = open.min_by_key(|(_, one)| one.touched);
        match oldest.map(|(key, _)| key.clone()) {
            Some(key) => Box::pin(self.close(&key)).await,
            None => Ok(()),
        }
    }

    async fn close(&mut self, key: &PartitionKey) -> Result<()> {
        self.encode(key).await?;
        let Some(partition) = self.partitions.remove(key) else {
            return Ok(());
        };
        let Some(mut file) = partition.file else {
            return Ok(());
        };
        self.open -= 1;
        fault::point("file.filled")?;
        file.writer.finish(&mut self.compressors).await?;
        fault::point("file.uploaded")?;
        let bytes = file.writer.bytes_written() as u64;
        self.spec.progress.add_bytes(bytes);
        let mut bounds = partition.bounds;
        for (position, texts) in file.writer.take_texts() {
            bounds[self.in_file[position]] = texts;
        }
        let bounds: Result<Vec<_>> = bounds.iter().map(Bounds::finish).collect();
        self.done.push(StagedFile {
            path: file.path,
            partition: self.named(key),
            bytes,
            bounds: bounds?,
            hashes: partition.hashes,
        });
        Ok(())
    }

    /// Closes every file and gives the list.
    pub(super) async fn finish(mut self) -> Result<Vec<StagedFile>> {
        let keys: Vec<PartitionKey> = self.partitions.keys().cloned().collect();
        for key in keys {
            self.close(&key).await?;
        }
        Ok(self.done)
    }
}

/// What a file says of its order, by the positions of its own columns.
fn sorting_columns(spec: &StageSpec, in_file: &[usize]) -> Option<Vec<SortingColumn>> {
    let position = |column: &usize| in_file.iter().position(|other| other == column);
    let sorting = spec.sort_columns.iter().map(|column| {
        Some(SortingColumn {
            column_idx: i32::try_from(position(column)?).ok()?,
            descending: false,
            nulls_first: true,
        })
    });
    let sorting: Option<Vec<_>> = sorting.collect();
    sorting.filter(|columns| !columns.is_empty())
}
