//! The sums of files, which prove what they hold.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::schema::types::SchemaDescriptor;
use tokio::task::JoinSet;

use super::connect::TablePlace;
use super::read::{Origin, StoredFile, context, file_error, keeps_values, layout, open};
use super::snapshot::DataFile;
use super::value;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnsHasher, PartitionHashes, RowHasher, TableHashes};
use crate::staging::{Chunk, ColumnSums, partition_path, sum_alike};

/// The most rows of a row group whose pages are summed: each takes eight bytes.
const MOST_ROWS: usize = 1 << 21;

/// The sums of files per partition, `readers` of them read at once.
pub(super) async fn hash_files(
    place: &TablePlace,
    files: Vec<DataFile>,
    schema: &SchemaRef,
    readers: usize,
) -> Result<PartitionHashes> {
    let mut sums = PartitionHashes::new();
    let mut tasks: JoinSet<Result<(String, TableHashes)>> = JoinSet::new();
    for file in files {
        if tasks.len() >= readers.max(1) {
            take(tasks.join_next().await, &mut sums)?;
        }
        tasks.spawn(hash_file(place.clone(), file, Arc::clone(schema)));
    }
    while !tasks.is_empty() {
        take(tasks.join_next().await, &mut sums)?;
    }
    Ok(sums)
}

fn take(
    done: Option<std::result::Result<Result<(String, TableHashes)>, tokio::task::JoinError>>,
    sums: &mut PartitionHashes,
) -> Result<()> {
    if let Some(done) = done {
        let (partition, hashes) = done.map_err(|error| lost(&error))??;
        sums.entry(partition).or_default().add(&hashes);
    }
    Ok(())
}

/// A reader that died: decoders of damaged bytes may panic.
fn lost(error: &tokio::task::JoinError) -> Error {
    if error.is_panic() {
        return Error::new(
            ErrorKind::Load,
            "A file of the table is damaged: its reader gave up",
        )
        .hint("restore the table's files, or offload its rows again");
    }
    Error::internal(format!("A reader of files ended: {error}"))
}

async fn hash_file(
    place: TablePlace,
    file: DataFile,
    schema: SchemaRef,
) -> Result<(String, TableHashes)> {
    let hashes = match sum_pages(&place, &file, &schema).await? {
        Some(hashes) => hashes,
        None => sum_rows(&place, &file, &schema).await?,
    };
    Ok((partition_path(&normal_partition(&file, &schema)?), hashes))
}

/// The sums of a file's rows, by the Parquet library.
async fn sum_rows(place: &TablePlace, file: &DataFile, schema: &SchemaRef) -> Result<TableHashes> {
    let mut hasher = RowHasher::default();
    let mut hashes = TableHashes::default();
    hashes.add_batch(&mut hasher, &RecordBatch::new_empty(Arc::clone(schema)))?;
    let mut batches = open(place, file, schema).await?;
    while let Some(batch) = batches.try_next().await? {
        hashes.add_batch(&mut hasher, &batch)?;
    }
    Ok(hashes)
}

/// The same out of the file's pages; none for a file with something that is not read so.
async fn sum_pages(
    place: &TablePlace,
    file: &DataFile,
    schema: &SchemaRef,
) -> Result<Option<TableHashes>> {
    let context = context(place, file);
    let failed = |error| file_error(&context, error);
    let mut reader = StoredFile::new(place, file)?;
    let footer = reader.get_metadata(None).await.map_err(failed)?;
    let described = footer.file_metadata().schema_descr();
    let inside = parquet_to_arrow_schema(described, None).map_err(failed)?;
    let (origins, _) = layout(&context, file, schema, &inside)?;
    let Some(columns) = columns(origins, schema, &inside, described)? else {
        return Ok(None);
    };
    let mut sums = TableHashes::default();
    sums.columns.resize_with(columns.len(), Default::default);
    for group in footer.row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
        if rows == 0 {
            continue;
        }
        if rows > MOST_ROWS {
            return Ok(None);
        }
        let chunks = columns.iter().filter_map(|column| match column {
            Column::Chunk(leaf, _) => Some(group.column(*leaf).byte_range()),
            Column::Same(_) => None,
        });
        let ranges: Vec<_> = chunks.map(|(at, length)| at..at + length).collect();
        let chunks = reader.get_byte_ranges(ranges.clone()).await;
        let mut chunks = ranges.iter().zip(chunks.map_err(failed)?);
        let mut hasher = ColumnsHasher::new(rows);
        for column in &columns {
            match column {
                Column::Same(value) => hasher.begin().fill(value)?,
                Column::Chunk(leaf, data_type) => {
                    let Some(sums) = ColumnSums::new(group.column(*leaf), data_type) else {
                        return Ok(None);
                    };
                    let Some((range, bytes)) = chunks.next() else {
                        return Err(Error::internal(format!("{context} gave too few ranges")));
                    };
                    let chunk = Chunk::new(bytes, range.start);
                    if !sums.read(chunk, &mut hasher.begin()).map_err(failed)? {
                        return Ok(None);
                    }
                }
            }
        }
        hasher.add_to(&mut sums);
    }
    // A NULL where none may be is for the other reader to refuse.
    let mut known = schema.fields().iter().zip(&sums.columns);
    let sound = known.all(|(field, sums)| field.is_nullable() || sums.nulls == 0);
    Ok(sound.then_some(sums))
}

/// How a column's sums are found.
enum Column {
    /// This one value, or none, is in all rows.
    Same(ArrayRef),
    /// Values of a type in this column of the file.
    Chunk(usize, DataType),
}

/// The columns of a file; none if one of them has to be converted first.
fn columns(
    origins: Vec<Origin>,
    schema: &SchemaRef,
    inside: &Schema,
    described: &SchemaDescriptor,
) -> Result<Option<Vec<Column>>> {
    let column = |(origin, field): (Origin, &Arc<Field>)| -> Result<Option<Column>> {
        let name = match origin {
            Origin::Constant(value) => return Ok(Some(Column::Same(value.to_array_of_size(1)?))),
            Origin::File(name) => name,
        };
        let (from, to) = (
            inside.field_with_name(&name)?.data_type(),
            field.data_type(),
        );
        let path = [name];
        let mut leaves = described.columns().iter();
        let leaf = leaves.position(|leaf| leaf.path().parts() == path);
        // A conversion that changes values, or might, is refused or made by the other reader.
        let narrower = from.primitive_width() > to.primitive_width();
        let alike = from == to || keeps_values(from, to) && sum_alike(from, to) && !narrower;
        Ok(leaf
            .filter(|_| alike)
            .map(|leaf| Column::Chunk(leaf, from.clone())))
    };
    origins
        .into_iter()
        .zip(schema.fields())
        .map(column)
        .collect()
}

/// The file's partition values in the form that staging writes, whoever wrote the file.
fn normal_partition(file: &DataFile, schema: &Schema) -> Result<Vec<(String, Option<String>)>> {
    let normal = |(name, text): &(String, Option<String>)| -> Result<_> {
        let text = match schema.field_with_name(name) {
            Ok(field) => value::normal(text.as_deref(), field.data_type())?,
            Err(_) => text.clone(),
        };
        Ok((name.clone(), text))
    };
    file.partition.iter().map(normal).collect()
}
