//! Reading files back: the same reader rewrites them, finds what a window touches, and proves what
//! [`super::sums`] leaves to it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::connect::TablePlace;
use super::snapshot::DataFile;
use super::value;
use crate::error::{Error, ErrorKind, Result};

/// About how many bytes of a file a batch holds; at least one row.
const BATCH_BYTES: usize = 16 << 20;
/// The most rows of a batch.
const BATCH_ROWS: usize = 8192;

/// The rows of a file.
pub(super) type Batches = BoxStream<'static, Result<RecordBatch>>;

/// A file in the store, for the Parquet reader.
pub(super) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl StoredFile {
    pub(super) fn new(place: &TablePlace, file: &DataFile) -> Result<Self> {
        Ok(Self {
            store: Arc::clone(&place.store),
            path: place.path(&file.path)?,
            bytes: file.bytes,
        })
    }
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let read = async move { self.store.get_range(&self.path, range).await };
        read.map(|bytes| bytes.map_err(external)).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        let read = async move { self.store.get_ranges(&self.path, &ranges).await };
        read.map(|bytes| bytes.map_err(external)).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            Ok(Arc::new(
                ParquetMetaDataReader::new()
                    .load_and_finish(self, bytes)
                    .await?,
            ))
        }
        .boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The rows that a file's own footer counts.
pub(super) async fn rows_in(place: &TablePlace, file: &DataFile) -> Result<u64> {
    let context = context(place, file);
    let mut reader = StoredFile::new(place, file)?;
    let footer = reader.get_metadata(None).await;
    let footer = footer.map_err(|error| file_error(&context, error))?;
    Ok(u64::try_from(footer.file_metadata().num_rows()).unwrap_or_default())
}

/// Reads a file's rows in this schema: columns by name, partition columns from the file's values,
/// columns that the file does not have as NULL.
pub(super) async fn open(
    place: &TablePlace,
    file: &DataFile,
    schema: &SchemaRef,
) -> Result<Batches> {
    let context = context(place, file);
    let failed = {
        let context = context.clone();
        move |error: ParquetError| file_error(&context, error)
    };
    let reader = StoredFile::new(place, file)?;
    // The table's schema says what the columns are. What a file says of Arrow's types is not needed,
    // and its reader panics where that part of a file is damaged.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options)
        .await
        .map_err(&failed)?;
    let inside = Arc::clone(builder.schema());
    let (columns, roots) = layout(&context, file, schema, &inside)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let rows = batch_rows(builder.metadata());
    let stream = builder
        .with_projection(mask)
        .with_batch_size(rows)
        .build()
        .map_err(&failed)?;
    let schema = Arc::clone(schema);
    Ok(stream
        .map_err(failed)
        .map(move |batch| arrange(&context, &batch?, &columns, &schema))
        .boxed())
}

/// What an error says that it is about.
pub(super) fn context(place: &TablePlace, file: &DataFile) -> String {
    format!("File {} of table \"{}\"", file.path, place.name)
}

pub(super) fn file_error(context: &str, error: ParquetError) -> Error {
    let cause = Error::from(error);
    // A file that the log names and that is gone is damage, and no name that somebody got wrong.
    let kind = match cause.kind() {
        ErrorKind::Internal | ErrorKind::NotFound => ErrorKind::Load,
        kind => kind,
    };
    Error::new(
        kind,
        format!("{context} can't be read: {}", cause.message()),
    )
    .hint("the file is missing or damaged; restore it, or offload its rows again")
}

/// Where a column's values come from.
pub(super) enum Origin {
    /// The file's column of this name.
    File(String),
    /// One value in all rows.
    Constant(ScalarValue),
}

/// The origin of each column, and the file's columns to read.
pub(super) fn layout(
    context: &str,
    file: &DataFile,
    schema: &Schema,
    inside: &Schema,
) -> Result<(Vec<Origin>, Vec<usize>)> {
    let mut roots = Vec::new();
    let mut origin = |field: &Arc<Field>| -> Result<Origin> {
        if let Some((_, text)) = file.partition.iter().find(|(name, _)| name == field.name()) {
            return Ok(Origin::Constant(value::parse(
                text.as_deref(),
                field.data_type(),
            )?));
        }
        match inside.index_of(field.name()) {
            Ok(index) => {
                roots.push(index);
                Ok(Origin::File(field.name().clone()))
            }
            Err(_) if field.is_nullable() => {
                Ok(Origin::Constant(ScalarValue::try_from(field.data_type())?))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Load,
                format!(
                    "{context} lacks column \"{}\", which takes no NULLs",
                    field.name()
                ),
            )),
        }
    };
    let columns = schema
        .fields()
        .iter()
        .map(&mut origin)
        .collect::<Result<_>>()?;
    Ok((columns, roots))
}

/// Fewer rows for wide ones, so that a batch of any file fits in memory.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let widest = metadata.row_groups().iter().map(|group| {
        let rows = usize::try_from(group.num_rows()).unwrap_or(1).max(1);
        usize::try_from(group.total_byte_size()).unwrap_or(0) / rows
    });
    (BATCH_BYTES / widest.max().unwrap_or(1).max(1)).clamp(1, BATCH_ROWS)
}

fn arrange(
    context: &str,
    batch: &RecordBatch,
    columns: &[Origin],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let arrays = columns
        .iter()
        .zip(schema.fields())
        .map(|(origin, field)| match origin {
            Origin::Constant(value) if value.is_null() => {
                Ok(new_null_array(field.data_type(), rows))
            }
            Origin::Constant(value) => Ok(value.to_array_of_size(rows)?),
            Origin::File(name) => {
                let array = batch.column_by_name(name).ok_or_else(|| {
                    Error::internal(format!(
                        "{context} lost column \"{name}\" while it was read"
                    ))
                })?;
                convert(context, field, array)
            }
        });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| {
        Error::new(
            ErrorKind::Load,
            format!("{context} breaks the table's schema"),
        )
        .caused_by(error)
    })
}

/// The same values in the table's type.
fn convert(context: &str, field: &Field, array: &ArrayRef) -> Result<ArrayRef> {
    let (from, to) = (array.data_type(), field.data_type());
    if from == to {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let refuse = || {
        Error::new(
            ErrorKind::Load,
            format!(
                "{context} holds column \"{}\" as {from}, where the table has {to}",
                field.name()
            ),
        )
    };
    if !keeps_values(from, to) {
        return Err(refuse());
    }
    let cast = cast_with_options(array, to, &options).map_err(|error| refuse().caused_by(error))?;
    if matches!(
        from,
        DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, _)
    ) {
        let back =
            cast_with_options(&cast, from, &options).map_err(|error| refuse().caused_by(error))?;
        if back.to_data() != array.to_data() {
            return Err(refuse());
        }
    }
    Ok(cast)
}

/// Whether a cast changes the form alone.
pub(super) fn keeps_values(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let text = |t: &T| matches!(t, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let bytes = |t: &T| {
        matches!(
            t,
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_)
        )
    };
    match (from, to) {
        (T::Dictionary(_, value), to) => value.as_ref() == to || keeps_values(value, to),
        (T::Decimal128(p, s), T::Decimal128(wide, same)) => s == same && p <= wide,
        (T::Timestamp(_, None), T::Timestamp(_, None))
        | (T::Timestamp(_, Some(_)), T::Timestamp(_, Some(_))) => true,
        // Old writers mark instants by INT96 alone, which says nothing of zones.
        (T::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None), T::Timestamp(_, Some(_))) => {
            true
        }
        (from, to) if from.is_signed_integer() && to.is_signed_integer() => true,
        (from, to) => text(from) && text(to) || bytes(from) && bytes(to),
    }
}

/// One row of a file's partition values.
pub(super) fn partition_row(file: &DataFile, schema: &SchemaRef) -> Result<RecordBatch> {
    let value = |field: &Arc<Field>| {
        let text = file.partition.iter().find(|(name, _)| name == field.name());
        let text = text.and_then(|(_, text)| text.as_deref());
        Ok(value::parse(text, field.data_type())?.to_array_of_size(1)?)
    };
    let arrays = schema
        .fields()
        .iter()
        .map(value)
        .collect::<Result<Vec<ArrayRef>>>()?;
    let nullable: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(nullable)),
        arrays,
        &options,
    )?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal128Array, DictionaryArray, Float64Array, Int32Array, StringArray, StringViewArray,
        TimestampNanosecondArray,
    };
    use arrow::datatypes::{Int32Type, TimeUnit};

    use super::*;

    #[test]
    fn a_foreign_form_is_read_and_another_value_is_not() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let decimal = |scale| -> ArrayRef {
            Arc::new(
                Decimal128Array::from(vec![150])
                    .with_precision_and_scale(10, scale)
                    .unwrap(),
            )
        };
        let cases: Vec<(ArrayRef, DataType, bool)> = vec![
            (Arc::new(Int32Array::from(vec![7])), DataType::Int64, true),
            (Arc::new(Int32Array::from(vec![300])), DataType::Int8, false),
            (
                Arc::new(StringViewArray::from(vec!["a"])),
                DataType::Utf8,
                true,
            ),
            (
                Arc::new(StringArray::from(vec!["7"])),
                DataType::Int64,
                false,
            ),
            (
                Arc::new(DictionaryArray::<Int32Type>::from_iter(["a"])),
                DataType::LargeUtf8,
                true,
            ),
            (
                Arc::new(Float64Array::from(vec![0.1])),
                DataType::Float32,
                false,
            ),
            (
                Arc::new(TimestampNanosecondArray::from(vec![1_000])),
                micros.clone(),
                true,
            ),
            (
                Arc::new(TimestampNanosecondArray::from(vec![1_001])),
                micros,
                false,
            ),
            (decimal(2), DataType::Decimal128(38, 2), true),
            (decimal(2), DataType::Decimal128(38, 1), false),
            (decimal(2), DataType::Decimal128(9, 2), false),
        ];
        for (array, to, read) in cases {
            let field = Field::new("c", to.clone(), true);
            let found = convert("A file", &field, &array);
            assert_eq!(found.is_ok(), read, "{} as {to}", array.data_type());
            assert!(found.is_err() || found.unwrap().data_type() == &to);
        }
    }
}
