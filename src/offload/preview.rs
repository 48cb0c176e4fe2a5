//! What an offload's rows look like as the target would hold them, before anything is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use serde::Serialize;

use super::{FailedCast, FailedCasts, Plan};
use crate::error::Result;
use crate::staging::Bounds;

/// Rows of an offload as the target would hold them, and what is known of those that were read.
#[derive(Debug, Clone)]
#[must_use]
pub struct Preview {
    /// The target's columns; any may hold NULLs here.
    pub schema: SchemaRef,
    /// The first rows; a value that fails its cast is NULL here. Always at least one batch.
    pub rows: Vec<RecordBatch>,
    /// The target's columns, over all rows that were read.
    pub columns: Vec<ColumnPreview>,
    /// Casts that fail inside the SELECT, under names that are none of the target's columns.
    pub failed: BTreeMap<String, FailedCast>,
    /// How many rows were read.
    pub rows_read: u64,
    /// Whether these are all rows that the offload would take.
    pub complete: bool,
}

/// One column of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnPreview {
    /// Its name.
    pub name: String,
    /// The type of what the SELECT gives; empty for a column that goe makes.
    pub source: String,
    /// The target's own type.
    pub target: String,
    /// Whether the target's column takes NULLs.
    pub nullable: bool,
    /// How many values are NULL in what the SELECT gives.
    pub nulls: u64,
    /// The least value as text; `None` without values, and for a type or a value without an order.
    pub min: Option<String>,
    /// The greatest value as text.
    pub max: Option<String>,
    /// The values that would stop a run: casts that lose something.
    pub failed: Option<FailedCast>,
}

impl ColumnPreview {
    /// Whether a run over these rows would stop at this column.
    #[must_use]
    pub fn stops_a_run(&self) -> bool {
        self.failed.is_some() || !self.nullable && self.nulls > 0
    }
}

/// Collects a preview from batches of a plan's rows.
#[derive(Debug)]
pub struct PreviewBuilder {
    preview: Preview,
    bounds: Vec<Bounds>,
    /// How many more rows are kept to be shown.
    shown: usize,
}

impl PreviewBuilder {
    /// A preview of a plan's rows that keeps the first `shown`.
    pub fn new(plan: &Plan, shown: usize) -> Self {
        let columns = plan.columns().iter().map(|column| ColumnPreview {
            name: column.target.name.clone(),
            source: column.input.clone(),
            target: column.target.native.clone(),
            nullable: column.target.nullable,
            nulls: 0,
            min: None,
            max: None,
            failed: None,
        });
        let columns: Vec<_> = columns.collect();
        Self {
            bounds: columns.iter().map(|_| Bounds::default()).collect(),
            preview: Preview {
                schema: all_nullable(&plan.schema()),
                rows: Vec::new(),
                columns,
                failed: BTreeMap::new(),
                rows_read: 0,
                complete: false,
            },
            shown,
        }
    }

    /// Takes rows in, whose columns are those of the plan.
    ///
    /// # Errors
    /// Those of the engine's own kernels.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.preview.rows_read += batch.num_rows() as u64;
        for (i, array) in batch.columns().iter().enumerate() {
            self.bounds[i].add(array)?;
            self.preview.columns[i].nulls += array.null_count() as u64;
        }
        let rows = self.shown.min(batch.num_rows());
        if rows > 0 {
            self.shown -= rows;
            let columns = batch.slice(0, rows).columns().to_vec();
            let shown = RecordBatch::try_new(Arc::clone(&self.preview.schema), columns)?;
            self.preview.rows.push(shown);
        }
        Ok(())
    }

    /// The preview; `complete` says that no row was left.
    ///
    /// # Errors
    /// Those of the engine's own kernels.
    pub(crate) fn finish(mut self, failed: &FailedCasts, complete: bool) -> Result<Preview> {
        let mut failed: BTreeMap<String, FailedCast> = failed.by_column();
        for (column, bounds) in self.preview.columns.iter_mut().zip(&self.bounds) {
            let bounds = bounds.finish()?;
            (column.min, column.max) = (bounds.min, bounds.max);
            column.failed = failed.remove(&column.name);
            let lost = column.failed.as_ref().map_or(0, |failed| failed.values);
            column.nulls = column.nulls.saturating_sub(lost);
        }
        if self.preview.rows.is_empty() {
            let none = RecordBatch::new_empty(Arc::clone(&self.preview.schema));
            self.preview.rows.push(none);
        }
        self.preview.failed = failed;
        self.preview.complete = complete;
        Ok(self.preview)
    }
}

fn all_nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields: Vec<_> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}
