//! A Parquet file on its way to a store: a row group in memory, what is before it sent.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use object_store::buffered::BufWriter;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use tokio::io::AsyncWriteExt;

use super::bounds::Bounds;
use super::column::ColumnEncoder;
use super::together::{Column, Compressors, Shared, held};
use crate::error::{Error, Result};

/// Rows of a row group at most: a reader holds a row group, so its size bounds the memory of the
/// proof too.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// What is encoded and not sent yet. The library's writer has it too, which lends it to nobody while a
/// row group is open.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outbox {
    /// Sends what waits, a part at a time: all at once the sink would send all parts at once, each
    /// from a thread of its own where the store is a disk.
    async fn send(&self, sink: &mut BufWriter, part_bytes: usize) -> Result<()> {
        let waiting = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut encoded = Bytes::from(waiting);
        while !encoded.is_empty() {
            sink.put(encoded.split_to(part_bytes.min(encoded.len())))
                .await?;
        }
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct FileWriter {
    schema: SchemaRef,
    properties: WriterProperties,
    sink: BufWriter,
    part_bytes: usize,
    file: SerializedFileWriter<Outbox>,
    outbox: Outbox,
    library: ArrowRowGroupWriterFactory,
    /// The row group at hand: its columns, none before its first row, and how many rows it has.
    columns: Arc<[Mutex<Column>]>,
    rows: usize,
    groups: usize,
    /// Of each column that holds texts, by its position: those of the row groups that are done.
    texts: BTreeMap<usize, Bounds>,
}

impl FileWriter {
    pub(super) fn new(
        (sink, part_bytes): (BufWriter, usize),
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        // The library's writer is made for what it knows of the schema, and writes no row.
        let outbox = Outbox::default();
        let known = Arc::clone(&schema);
        let writer = ArrowWriter::try_new(outbox.clone(), known, Some(properties.clone()))?;
        let (file, library) = writer.into_serialized_writer()?;
        Ok(Self {
            schema,
            properties,
            sink,
            part_bytes: part_bytes.max(1),
            file,
            outbox,
            library,
            columns: Arc::default(),
            rows: 0,
            groups: 0,
            texts: BTreeMap::new(),
        })
    }

    /// Takes rows in; sends what row groups they complete.
    pub(super) async fn write(
        &mut self,
        batch: &RecordBatch,
        compressors: &mut Compressors,
    ) -> Result<()> {
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = (batch.num_rows() - at).min(ROW_GROUP_ROWS - self.rows);
            self.encode(batch.slice(at, rows), compressors).await?;
            at += rows;
            if self.rows == ROW_GROUP_ROWS {
                self.end_group(compressors).await?;
            }
        }
        Ok(())
    }

    async fn encode(&mut self, batch: RecordBatch, compressors: &mut Compressors) -> Result<()> {
        if self.columns.is_empty() {
            self.columns = self.open_columns()?;
        }
        self.rows += batch.num_rows();
        let columns = Arc::clone(&self.columns);
        let shared = Arc::new(Shared::new(columns, Arc::clone(&self.schema), batch));
        compressors.encode(&shared).await
    }

    fn open_columns(&self) -> Result<Arc<[Mutex<Column>]>> {
        let library = self.library.create_column_writers(self.groups)?;
        let known = self.file.schema_descr();
        if library.len() != self.schema.fields().len() || known.num_columns() != library.len() {
            return Err(Error::internal("A column to stage has columns of its own"));
        }
        let columns = library.into_iter().enumerate().map(|(i, writer)| {
            let column = known.column(i);
            let dictionary = self.properties.dictionary_enabled(column.path());
            let data_type = self.schema.field(i).data_type();
            Mutex::new(match ColumnEncoder::new(&column, data_type, dictionary) {
                Some(encoder) => Column::Ours(Box::new(encoder)),
                None => Column::Library(Box::new(writer)),
            })
        });
        Ok(columns.collect())
    }

    /// Ends the row group at hand, if it has rows, and sends it, each column when it is whole.
    pub(super) async fn end_group(&mut self, compressors: &mut Compressors) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        let compressor = &mut compressors.first;
        for (position, column) in mem::take(&mut self.columns).iter().enumerate() {
            match mem::take(&mut *held(column)) {
                Column::Ended => {
                    return Err(Error::internal("A column of a row group ended twice"));
                }
                Column::Ours(encoder) => {
                    let (chunk, close, texts) = encoder.finish(compressor)?;
                    group.append_column(&chunk, close)?;
                    if let Some((low, high)) = texts {
                        let known = self.texts.entry(position).or_default();
                        known.add_texts(&low, &high)?;
                    }
                }
                Column::Library(writer) => writer.close()?.append_to_row_group(&mut group)?,
            }
            // All columns at once would be held twice.
            self.outbox.send(&mut self.sink, self.part_bytes).await?;
        }
        group.close()?;
        self.rows = 0;
        self.groups += 1;
        self.send().await
    }

    async fn send(&mut self) -> Result<()> {
        self.file.flush()?;
        self.outbox.send(&mut self.sink, self.part_bytes).await
    }

    /// Ends the file: it is in the store then.
    pub(super) async fn finish(&mut self, compressors: &mut Compressors) -> Result<()> {
        self.end_group(compressors).await?;
        self.file.finish()?;
        self.send().await?;
        self.sink.shutdown().await?;
        Ok(())
    }

    /// The bounds of the columns of texts, by their positions, once the file has ended.
    pub(super) fn take_texts(&mut self) -> BTreeMap<usize, Bounds> {
        mem::take(&mut self.texts)
    }

    /// Bytes of the file so far, those of the row group at hand left out.
    pub(super) fn bytes_written(&self) -> usize {
        self.file.bytes_written()
    }

    /// Bytes that the row group at hand will have; an estimate.
    pub(super) fn group_bytes(&self) -> usize {
        let columns = self.columns.iter().map(|column| match &*held(column) {
            Column::Ours(encoder) => encoder.encoded_bytes(),
            Column::Library(writer) => writer.get_estimated_total_bytes(),
            Column::Ended => 0,
        });
        columns.sum()
    }

    /// Bytes of memory that the row group at hand holds; an estimate.
    pub(super) fn memory(&self) -> usize {
        let columns = self.columns.iter().map(|column| match &*held(column) {
            Column::Ours(encoder) => encoder.memory(),
            Column::Library(writer) => writer.memory_size(),
            Column::Ended => 0,
        });
        columns.sum()
    }
}
