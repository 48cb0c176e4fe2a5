//! Which files a replaced window takes out, and what of them must stay.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not, prep_null_mask_filter};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{Column as ColumnRef, SessionContext};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::commit::encode_path;
use super::connect::TablePlace;
use super::error::store_error;
use super::read;
use super::snapshot::{DataFile, TableState};
use super::statistics;
use crate::backend::{Mode, TargetColumn};
use crate::error::{Error, Result};
use crate::fault;
use crate::schema::{Column, RowHasher, TableHashes};
use crate::staging::{Bounds, ColumnBounds, partition_path};

/// What a publish takes out of a table.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    /// Files that go.
    pub(super) gone: Vec<DataFile>,
    /// Files with the rows of gone ones that stay, with their statistics.
    pub(super) rewritten: Vec<(DataFile, String)>,
    /// Rows that go.
    pub(super) rows: u64,
}

/// Finds what goes, and writes what stays of files that the window cuts through.
pub(super) async fn replace(
    state: &TableState,
    mode: &Mode,
    manifest: &str,
) -> Result<Replacement> {
    let mut replacement = Replacement::default();
    let files = state.files().await?;
    let window = match mode {
        Mode::Append => return Ok(replacement),
        Mode::ReplaceAll => None,
        Mode::ReplaceWhere(predicate) => Some(Window::new(state, predicate)?),
    };
    for file in files {
        let Some(window) = &window else {
            replacement.rows += count(&state.place, &file).await?;
            replacement.gone.push(file);
            continue;
        };
        let (inside, all) = window.count(&state.place, &file).await?;
        if inside == 0 {
            continue;
        }
        if inside < all {
            let number = replacement.rewritten.len();
            let name = format!("part-{manifest}-v{}-{number}.parquet", state.version + 1);
            replacement
                .rewritten
                .push(window.survivors(&state.place, &file, &name).await?);
        }
        replacement.rows += inside;
        replacement.gone.push(file);
    }
    Ok(replacement)
}

/// A file's rows, read where the log does not say.
async fn count(place: &TablePlace, file: &DataFile) -> Result<u64> {
    if let Some(rows) = file.rows {
        return Ok(rows);
    }
    let nothing = Arc::new(Schema::empty());
    let mut batches = read::open(place, file, &nothing).await?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}

/// A predicate over a table's rows.
struct Window {
    columns: Vec<Column>,
    schema: SchemaRef,
    narrow: SchemaRef,
    partition: Vec<String>,
    /// What of the predicate looks at partition columns alone.
    on_partition: Option<(SchemaRef, Arc<dyn PhysicalExpr>)>,
    on_narrow: Arc<dyn PhysicalExpr>,
    on_whole: Arc<dyn PhysicalExpr>,
}

impl Window {
    fn new(state: &TableState, predicate: &Expr) -> Result<Self> {
        let columns = state.metadata.columns()?;
        let schema = Arc::new(Schema::new(
            columns.iter().map(Column::field).collect::<Vec<_>>(),
        ));
        let predicate = unqualified(predicate)?;
        let named = predicate.column_refs();
        let used = schema
            .fields()
            .iter()
            .filter(|f| named.iter().any(|c| c.name == *f.name()));
        let narrow = Arc::new(Schema::new(used.cloned().collect::<Vec<_>>()));
        let partition = state.metadata.partition_columns();
        Ok(Self {
            on_partition: on_partition(&predicate, &partition, &schema)?,
            on_narrow: compile(&predicate, &narrow)?,
            on_whole: compile(&predicate, &schema)?,
            partition,
            columns,
            schema,
            narrow,
        })
    }

    /// How many rows of a file the predicate is true for, and how many rows there are.
    async fn count(&self, place: &TablePlace, file: &DataFile) -> Result<(u64, u64)> {
        if let (Some(rows), Some(inside)) = (file.rows, self.whole_file(file)?) {
            return Ok((if inside { rows } else { 0 }, rows));
        }
        if self.is_outside(file)? {
            return Ok((0, file.rows.unwrap_or_default()));
        }
        let (mut inside, mut all) = (0, 0);
        let mut batches = read::open(place, file, &self.narrow).await?;
        while let Some(batch) = batches.try_next().await? {
            inside += holds(&self.on_narrow, &batch)?.true_count() as u64;
            all += batch.num_rows() as u64;
        }
        Ok((inside, all))
    }

    /// The predicate's outcome for all rows of a file at once, where it only looks at partition
    /// columns.
    fn whole_file(&self, file: &DataFile) -> Result<Option<bool>> {
        if !self
            .narrow
            .fields()
            .iter()
            .all(|field| self.partition.contains(field.name()))
        {
            return Ok(None);
        }
        let row = read::partition_row(file, &self.narrow)?;
        Ok(Some(holds(&self.on_narrow, &row)?.value(0)))
    }

    /// Whether a file's partition alone tells that the predicate is true for none of its rows.
    fn is_outside(&self, file: &DataFile) -> Result<bool> {
        let Some((schema, predicate)) = &self.on_partition else {
            return Ok(false);
        };
        let row = read::partition_row(file, schema)?;
        Ok(!holds(predicate, &row)?.value(0))
    }

    /// Writes the rows that the predicate is not true for into a file of their own.
    async fn survivors(
        &self,
        place: &TablePlace,
        file: &DataFile,
        name: &str,
    ) -> Result<(DataFile, String)> {
        let folder = partition_path(&file.partition);
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        let mut rewrite =
            Rewrite::start(place, &path, &self.schema, &self.columns, &file.partition)?;
        let mut batches = read::open(place, file, &self.schema).await?;
        while let Some(batch) = batches.try_next().await? {
            let stays = not(&holds(&self.on_whole, &batch)?)?;
            rewrite.write(&filter_record_batch(&batch, &stays)?).await?;
        }
        let rewritten = rewrite.finish(file.partition.clone()).await?;
        fault::point("replace.rewritten")?;
        Ok(rewritten)
    }
}

/// The parts of a predicate that look at partition columns alone, all of which must be true.
fn on_partition(
    predicate: &Expr,
    partition: &[String],
    schema: &SchemaRef,
) -> Result<Option<(SchemaRef, Arc<dyn PhysicalExpr>)>> {
    let of_partition = |part: &&Expr| {
        let columns = part.column_refs();
        !columns.is_empty()
            && columns
                .iter()
                .all(|column| partition.contains(&column.name))
    };
    let parts = split_conjunction(predicate).into_iter();
    let Some(predicate) = conjunction(parts.filter(of_partition).cloned()) else {
        return Ok(None);
    };
    let named = predicate.column_refs();
    let used = schema
        .fields()
        .iter()
        .filter(|field| named.iter().any(|column| column.name == *field.name()));
    let narrow = Arc::new(Schema::new(used.cloned().collect::<Vec<_>>()));
    let compiled = compile(&predicate, &narrow)?;
    Ok(Some((narrow, compiled)))
}

/// Where the predicate is true; NULL is not.
fn holds(predicate: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let values = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    if *values.data_type() != DataType::Boolean {
        return Err(Error::usage(format!(
            "The predicate {predicate} is no condition"
        )));
    }
    let values = values.as_boolean();
    Ok(match values.null_count() {
        0 => values.clone(),
        _ => prep_null_mask_filter(values),
    })
}

fn compile(predicate: &Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(schema.as_ref().clone())?;
    Ok(SessionContext::new().create_physical_expr(predicate.clone(), &schema)?)
}

/// The same expression with columns by their bare names.
fn unqualified(predicate: &Expr) -> Result<Expr> {
    let bare = predicate.clone().transform(|expr| match expr {
        Expr::Column(column) if column.relation.is_some() => Ok(Transformed::yes(Expr::Column(
            ColumnRef::new_unqualified(column.name),
        ))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bare.data)
}

/// A file that is being written, with all that its statistics need.
struct Rewrite {
    path: String,
    message: String,
    writer: AsyncArrowWriter<BufWriter>,
    kept: Vec<usize>,
    columns: Vec<TargetColumn>,
    bounds: Vec<Bounds>,
    hashes: TableHashes,
    hasher: RowHasher,
}

impl Rewrite {
    fn start(
        place: &TablePlace,
        path: &str,
        schema: &SchemaRef,
        columns: &[Column],
        partition: &[(String, Option<String>)],
    ) -> Result<Self> {
        let in_file = |name: &str| !partition.iter().any(|(column, _)| column == name);
        let kept: Vec<usize> = (0..columns.len())
            .filter(|index| in_file(&columns[*index].name))
            .collect();
        let level = ZstdLevel::try_new(1)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .build();
        let sink = BufWriter::new(Arc::clone(&place.store), place.path(path)?);
        let inside = Arc::new(schema.project(&kept)?);
        Ok(Self {
            path: path.to_owned(),
            message: format!("File {path} of table \"{}\" can't be written", place.name),
            writer: AsyncArrowWriter::try_new(sink, inside, Some(properties))?,
            kept,
            columns: columns.iter().map(as_target).collect(),
            bounds: columns.iter().map(|_| Bounds::default()).collect(),
            hashes: TableHashes::default(),
            hasher: RowHasher::default(),
        })
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.hashes.add_batch(&mut self.hasher, batch)?;
        for (bounds, values) in self.bounds.iter_mut().zip(batch.columns()) {
            bounds.add(values)?;
        }
        let inside = batch.project(&self.kept)?;
        self.writer
            .write(&inside)
            .await
            .map_err(|error| store_error(&self.message, error))
    }

    async fn finish(
        mut self,
        partition: Vec<(String, Option<String>)>,
    ) -> Result<(DataFile, String)> {
        self.writer
            .finish()
            .await
            .map_err(|error| store_error(&self.message, error))?;
        let bounds = self.bounds.iter().map(Bounds::finish);
        let bounds: Vec<ColumnBounds> = bounds.collect::<Result<_>>()?;
        let stats = statistics::stats(&self.columns, &partition, &bounds, &self.hashes);
        let file = DataFile {
            logged: encode_path(&self.path),
            path: self.path,
            bytes: self.writer.bytes_written() as u64,
            partition,
            rows: Some(self.hashes.rows),
        };
        Ok((file, stats))
    }
}

fn as_target(column: &Column) -> TargetColumn {
    TargetColumn {
        name: column.name.clone(),
        canonical: column.canonical,
        stored: column.canonical,
        native: column.native.clone(),
        source: String::new(),
        nullable: column.nullable,
        comment: None,
    }
}
