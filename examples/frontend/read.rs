//! Reading: text from an engine of one's own, values from text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{CsvReadOptions, SessionContext};
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt};
use goe::frontend::{
    ReadRequest, Select, Snapshot, SnapshotFacts, SourceTable, Split, request_schema, select_sql,
};
use goe::schema::{CanonicalType, Column, parse_value, shorten};
use goe::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use url::Url;

use crate::catalog::{CsvFile, files};
use crate::dialect::CsvSql;
use crate::splits::changed;

/// The files that were there, none of which may change while they are read.
#[derive(Debug)]
pub struct CsvSnapshot {
    folder: PathBuf,
    files: Vec<CsvFile>,
    table: Arc<SourceTable>,
    facts: SnapshotFacts,
    free: Arc<Semaphore>,
}

impl CsvSnapshot {
    pub fn new(
        folder: PathBuf,
        files: Vec<CsvFile>,
        table: Arc<SourceTable>,
        readers: usize,
    ) -> Self {
        Self {
            folder,
            facts: SnapshotFacts {
                label: format!("{} files", files.len()),
                mixed: None,
                readers,
                again: false,
            },
            files,
            table,
            free: Arc::new(Semaphore::new(readers)),
        }
    }

    /// Where a split's files are.
    fn paths(&self, split: Option<&Split>) -> Result<Vec<String>> {
        let range = split.and_then(|split| split.relation.as_deref());
        let (from, to) = range
            .and_then(|range| range.split_once('/'))
            .unwrap_or_default();
        let now = files(&self.folder).map_err(|_| changed(&self.table.name))?;
        let inside = |file: &&CsvFile| {
            file.name.as_str() > from && (to.is_empty() || file.name.as_str() <= to)
        };
        let path = |file: &CsvFile| match now.contains(file) {
            true => location(&self.folder.join(&file.name)),
            false => Err(changed(&self.table.name)),
        };
        self.files.iter().filter(inside).map(path).collect()
    }

    /// An engine whose table `rows` is the text of these files.
    async fn engine(&self, paths: Vec<String>) -> Result<SessionContext> {
        let engine = SessionContext::new();
        let fields = self.table.columns.iter();
        let fields = fields.map(|column| Field::new(&column.name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        if paths.is_empty() {
            let none = MemTable::try_new(schema, vec![Vec::new()])?;
            engine.register_table("rows", Arc::new(none))?;
            return Ok(engine);
        }
        let options = CsvReadOptions::new().schema(&schema);
        let rows = engine.read_csv(paths, options).await?;
        engine.register_table("rows", rows.into_view())?;
        Ok(engine)
    }
}

#[async_trait]
impl Snapshot for CsvSnapshot {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let gone = |_| Error::internal("The readers of a snapshot are gone");
        let reader = Arc::clone(&self.free).acquire_owned().await.map_err(gone)?;
        let engine = self.engine(self.paths(split)?).await?;
        let here = Split {
            relation: Some("rows".to_owned()),
            ..Split::default()
        };
        let with_key = self.with_key(request);
        let sql = select_sql(&CsvSql, &self.table, Some(&here), &with_key);
        let texts = engine.sql(&sql).await?.execute_stream().await?;
        let schema = request_schema(&self.table, &request.select);
        let (typed, table) = (Arc::clone(&schema), Arc::clone(&self.table));
        let (select, limits) = (request.select.clone(), request.batch);
        let pieces = texts.map(move |texts| {
            // The reader is free again when the stream is dropped.
            let _held = &reader;
            let batch = decode(&table, &select, &texts?, &typed)?;
            let pieces = limits.cut(&batch).into_iter().map(Ok);
            Ok::<_, DataFusionError>(futures::stream::iter(pieces))
        });
        let batches = pieces.try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

impl CsvSnapshot {
    /// The request with the key behind its columns, to name a row whose value is wrong.
    fn with_key(&self, request: &ReadRequest) -> ReadRequest {
        let mut request = request.clone();
        if let Select::Columns(columns) = &mut request.select {
            for (position, column) in self.table.columns.iter().enumerate() {
                let is_key = self.table.primary_key.contains(&column.name);
                if is_key && !columns.contains(&position) {
                    columns.push(position);
                }
            }
        }
        request
    }
}

/// A file as a URL: in a path the engine would take brackets and stars for a pattern.
fn location(path: &Path) -> Result<String> {
    let url = Url::from_file_path(path);
    let wrong = |()| Error::internal(format!("File {} has no absolute path", path.display()));
    url.map(String::from).map_err(wrong)
}

/// The values of a batch: from text, or of an aggregate.
fn decode(
    table: &SourceTable,
    select: &Select,
    read: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let column = |i: usize| match select {
        Select::Columns(columns) => parse(table, &table.columns[columns[i]], read, i),
        Select::Aggregates(_) => Ok(cast(read.column(i), schema.field(i).data_type())?),
    };
    let columns = (0..schema.fields().len()).map(column);
    let rows = RecordBatchOptions::new().with_row_count(Some(read.num_rows()));
    let columns = columns.collect::<Result<_>>()?;
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &rows,
    )?)
}

/// Exact or loud: a text that is no value of its column's type ends the read.
fn parse(table: &SourceTable, column: &Column, read: &RecordBatch, i: usize) -> Result<ArrayRef> {
    let texts = read.column(i).as_string::<i32>();
    if column.canonical == CanonicalType::LargeString {
        return Ok(cast(texts, &DataType::LargeUtf8)?);
    }
    let value = |row| match texts.is_null(row) {
        true if column.nullable => Ok(ScalarValue::try_from(&column.canonical.to_arrow())?),
        true => Err(wrong_value(table, column, read, row, "nothing")),
        false => {
            let text = texts.value(row);
            let wrong = |_| wrong_value(table, column, read, row, &shorten(text));
            parse_value(text, column.canonical).map_err(wrong)
        }
    };
    let values = (0..texts.len()).map(value).collect::<Result<Vec<_>>>()?;
    match values.is_empty() {
        true => Ok(arrow::array::new_empty_array(&column.canonical.to_arrow())),
        false => Ok(ScalarValue::iter_to_array(values)?),
    }
}

fn wrong_value(
    table: &SourceTable,
    column: &Column,
    read: &RecordBatch,
    row: usize,
    value: &str,
) -> Error {
    let named = |name: &String| {
        let key = read.column_by_name(name)?.as_string_opt::<i32>()?;
        Some(format!("{name} {}", key.value(row)))
    };
    let key: Vec<String> = table.primary_key.iter().filter_map(named).collect();
    let message = format!(
        "Column \"{}\" of table \"{}\" holds {value}, which is no {}, in row {}",
        column.name,
        table.name,
        column.native,
        key.join(", ")
    );
    Error::new(ErrorKind::Data, message).hint("mend the file, or declare the column as text")
}
