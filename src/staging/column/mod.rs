//! One column of a row group as Parquet pages: whole numbers and texts, which most columns are.
//!
//! The columns that come here need the same work as any Parquet writer does, and this one does less
//! of it: a value is looked up in its dictionary once, without a detour over values of the format's
//! own types; a page's bounds come from the entries of the dictionary that it uses; and all columns
//! share one compressor. Pages are of the first version, with bounds in the page index.

mod dictionary;
pub(super) mod hybrid;
mod integers;
mod texts;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use zstd::zstd_safe::compress_bound;

use crate::error::{Error, Result};
use integers::Integers;
use texts::Texts;

/// The zstd level of all files. Higher ones cost more time than their smaller files save.
pub(super) const LEVEL: i32 = 1;

/// Rows of a page at most: what a reader skips or reads as one.
const PAGE_ROWS: usize = 1 << 15;

/// A page ends when it is that large, before compression.
const PAGE_BYTES: usize = 1 << 20;

/// Rows that are taken in between two looks at a page's size.
const STEP: usize = 1024;

/// A dictionary that outgrows this is given up: the values after it are written plainly.
const DICTIONARY_BYTES: usize = 1 << 20;

/// The values of one physical type, page by page. NULLs are none of them.
trait Values: Send {
    /// Takes the values of an array in.
    fn append(&mut self, array: &ArrayRef) -> Result<()>;

    /// Bytes of the page so far, before compression; an estimate.
    fn page_bytes(&self) -> usize;

    /// Bytes of memory beyond the page's own; an estimate.
    fn memory(&self) -> usize;

    /// Ends a page: appends its values, and gives their encoding and their bounds, plainly encoded.
    fn end_page(&mut self, into: &mut Vec<u8>) -> (Encoding, Option<PageBounds>);

    /// The dictionary, plainly encoded, and the number of its entries; none if no page uses it.
    fn dictionary(&self) -> Option<(Vec<u8>, usize)>;

    /// What is known of all values, with the number of NULLs.
    fn statistics(&self, nulls: u64) -> Statistics;

    /// The least and the greatest of all texts; none for values that are none.
    fn texts(&mut self) -> Option<TextBounds> {
        None
    }
}

/// The least and the greatest text of a column, whole.
pub(super) type TextBounds = (Vec<u8>, Vec<u8>);

/// The least and the greatest value of a page. No less and no greater one is in it.
struct PageBounds {
    low: Vec<u8>,
    high: Vec<u8>,
}

/// A zstd context with its buffers; one serves all columns of a writer, one after the other.
pub(super) struct Compressor {
    context: zstd::bulk::Compressor<'static>,
    /// A page before and after compression.
    page: Vec<u8>,
    squeezed: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> Result<Self> {
        let context = zstd::bulk::Compressor::new(LEVEL).map_err(|error| no_compression(&error))?;
        Ok(Self {
            context,
            page: Vec::new(),
            squeezed: Vec::new(),
        })
    }

    /// The page, compressed.
    fn squeeze(&mut self) -> Result<Bytes> {
        let bound = compress_bound(self.page.len());
        if self.squeezed.len() < bound {
            self.squeezed.resize(bound, 0);
        }
        let into = self.squeezed.as_mut_slice();
        let length = self
            .context
            .compress_to_buffer(&self.page, into)
            .map_err(|error| no_compression(&error))?;
        Ok(Bytes::copy_from_slice(&self.squeezed[..length]))
    }
}

fn no_compression(error: &std::io::Error) -> Error {
    Error::internal(format!("A page can't be compressed: {error}"))
}

/// One column of the row group that is being written.
pub(super) struct ColumnEncoder {
    column: ColumnDescPtr,
    values: Box<dyn Values>,
    /// Of the page at hand: whether each row has a value, written once one has none.
    levels: Vec<u32>,
    rows: usize,
    nulls: usize,
    /// The pages that are done.
    pages: TrackedWrite<Vec<u8>>,
    written: Vec<Written>,
    index: ColumnIndexBuilder,
    /// Bytes of the pages before compression, and rows and NULLs in them.
    uncompressed: usize,
    all_rows: usize,
    all_nulls: usize,
}

/// A data page that is done.
struct Written {
    spec: PageWriteSpec,
    rows: usize,
    encoding: Encoding,
}

impl ColumnEncoder {
    /// An encoder of a column, or none for one that is left to the Parquet library.
    pub(super) fn new(
        column: &ColumnDescPtr,
        data_type: &DataType,
        dictionary: bool,
    ) -> Option<Self> {
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return None;
        }
        let values: Box<dyn Values> = match (column.physical_type(), data_type) {
            (Type::INT32, _) if integers::takes(data_type) => {
                Box::new(Integers::new(Type::INT32, dictionary))
            }
            (Type::INT64, _) if integers::takes(data_type) => {
                Box::new(Integers::new(Type::INT64, dictionary))
            }
            (Type::BYTE_ARRAY, DataType::Utf8 | DataType::LargeUtf8) => {
                Box::new(Texts::new(dictionary))
            }
            _ => return None,
        };
        Some(Self {
            index: ColumnIndexBuilder::new(column.physical_type()),
            column: Arc::clone(column),
            values,
            levels: Vec::new(),
            rows: 0,
            nulls: 0,
            pages: TrackedWrite::new(Vec::new()),
            written: Vec::new(),
            uncompressed: 0,
            all_rows: 0,
            all_nulls: 0,
        })
    }

    /// Takes rows in.
    pub(super) fn write(&mut self, array: &ArrayRef, compressor: &mut Compressor) -> Result<()> {
        let mut at = 0;
        while at < array.len() {
            let rows = STEP.min(array.len() - at).min(PAGE_ROWS - self.rows);
            let some = array.slice(at, rows);
            self.add_levels(&some);
            self.values.append(&some)?;
            self.rows += rows;
            at += rows;
            if self.rows >= PAGE_ROWS || self.values.page_bytes() >= PAGE_BYTES {
                self.end_page(compressor)?;
            }
        }
        Ok(())
    }

    fn add_levels(&mut self, array: &ArrayRef) {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        if nulls.is_none() && self.nulls == 0 {
            return;
        }
        self.levels.resize(self.rows, 1);
        match nulls {
            None => self.levels.resize(self.rows + array.len(), 1),
            Some(nulls) => {
                self.nulls += nulls.null_count();
                self.levels.extend(nulls.iter().map(u32::from));
            }
        }
    }

    fn end_page(&mut self, compressor: &mut Compressor) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let page = &mut compressor.page;
        page.clear();
        if self.column.max_def_level() == 1 {
            // The length of the levels comes before them.
            page.extend_from_slice(&[0; 4]);
            if self.nulls == 0 {
                hybrid::repeated(1, self.rows, 1, page);
            } else {
                hybrid::encode(&self.levels, 1, page);
            }
            let length = (page.len() - 4) as u32;
            page[..4].copy_from_slice(&length.to_le_bytes());
        }
        let (encoding, bounds) = self.values.end_page(page);
        let nulls = self.nulls as i64;
        match bounds {
            Some(PageBounds { low, high }) => self.index.append(false, low, high, nulls),
            None if self.nulls == self.rows => {
                self.index.append(true, Vec::new(), Vec::new(), nulls);
            }
            None => self.index.to_invalid(),
        }
        let (uncompressed, buf) = (page.len(), compressor.squeeze()?);
        let page = Page::DataPage {
            buf,
            num_values: self.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, uncompressed);
        let spec = SerializedPageWriter::new(&mut self.pages).write_page(page)?;
        self.uncompressed += spec.uncompressed_size;
        self.all_rows += self.rows;
        self.all_nulls += self.nulls;
        self.written.push(Written {
            spec,
            rows: self.rows,
            encoding,
        });
        self.levels.clear();
        (self.rows, self.nulls) = (0, 0);
        Ok(())
    }

    /// Bytes that the column has so far, those of the page at hand before compression.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.pages.bytes_written() + self.values.page_bytes()
    }

    /// Bytes of memory that it holds; an estimate.
    pub(super) fn memory(&self) -> usize {
        self.encoded_bytes() + self.values.memory() + self.levels.capacity() * 4
    }

    /// The column chunk, what the row group has to know of it, and the bounds of its texts.
    pub(super) fn finish(
        mut self,
        compressor: &mut Compressor,
    ) -> Result<(Bytes, ColumnCloseResult, Option<TextBounds>)> {
        self.end_page(compressor)?;
        let mut chunk = TrackedWrite::new(Vec::new());
        let mut encodings = Vec::new();
        if let Some((plain, entries)) = self.values.dictionary() {
            let page = dictionary_page(plain, entries, compressor)?;
            let spec = SerializedPageWriter::new(&mut chunk).write_page(page)?;
            self.uncompressed += spec.uncompressed_size;
            encodings.push(PageEncodingStats {
                page_type: PageType::DICTIONARY_PAGE,
                encoding: Encoding::PLAIN,
                count: 1,
            });
        }
        let dictionary = chunk.bytes_written();
        let mut chunk = chunk.into_inner()?;
        chunk.extend_from_slice(&self.pages.into_inner()?);
        let mut offsets = OffsetIndexBuilder::new();
        for page in &self.written {
            let offset = dictionary as i64 + page.spec.offset as i64;
            offsets.append_offset_and_size(offset, page.spec.compressed_size as i32);
            offsets.append_row_count(page.rows as i64);
            count_encoding(&mut encodings, page.encoding);
        }
        let mut used: Vec<_> = encodings.iter().map(|one| one.encoding).collect();
        used.push(Encoding::RLE);
        let level = ZstdLevel::try_new(LEVEL)?;
        let metadata = ColumnChunkMetaData::builder(Arc::clone(&self.column))
            .set_compression(Compression::ZSTD(level))
            .set_encodings(used)
            .set_page_encoding_stats(encodings)
            .set_total_compressed_size(chunk.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.all_rows as i64)
            .set_data_page_offset(dictionary as i64)
            .set_dictionary_page_offset((dictionary > 0).then_some(0))
            .set_statistics(self.values.statistics(self.all_nulls as u64))
            .build()?;
        let index = self.index.valid().then(|| self.index.build());
        let close = ColumnCloseResult {
            bytes_written: chunk.len() as u64,
            rows_written: self.all_rows as u64,
            metadata,
            bloom_filter: None,
            column_index: index.transpose()?,
            offset_index: Some(offsets.build()),
        };
        Ok((chunk.into(), close, self.values.texts()))
    }
}

fn count_encoding(encodings: &mut Vec<PageEncodingStats>, encoding: Encoding) {
    let known = encodings
        .iter_mut()
        .find(|one| one.page_type == PageType::DATA_PAGE && one.encoding == encoding);
    match known {
        Some(one) => one.count += 1,
        None => encodings.push(PageEncodingStats {
            page_type: PageType::DATA_PAGE,
            encoding,
            count: 1,
        }),
    }
}

fn dictionary_page(
    plain: Vec<u8>,
    entries: usize,
    compressor: &mut Compressor,
) -> Result<CompressedPage> {
    compressor.page = plain;
    let page = Page::DictionaryPage {
        buf: compressor.squeeze()?,
        num_values: entries as u32,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    };
    Ok(CompressedPage::new(page, compressor.page.len()))
}

/// Appends a page of dictionary indices.
fn indices_page(indices: &[u32], entries: usize, into: &mut Vec<u8>) -> Encoding {
    let width = hybrid::width(entries);
    into.push(width);
    hybrid::encode(indices, width, into);
    Encoding::RLE_DICTIONARY
}
