//! A backend, and tables to publish into it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::collect;
use datafusion::prelude::{SessionContext, ident};
use serde_json::json;
use uuid::Uuid;

use super::BackendFixture;
use crate::backend::{
    Backend, Change, Mode, Publication, Published, StoredRecord, TargetColumn, TargetDefinition,
    TargetTable,
};
use crate::error::{Error, Result};
use crate::schema::{CanonicalType, TableName};
use crate::staging::{Manifest, StageExec, StageProgress, StageSpec, collect_manifest};
use crate::testing::rows::{COLUMNS, Row, arrays, rows_of};

/// Memory that the writers of a stage may hold.
const STAGE_BYTES: usize = 64 << 20;

/// The fence of the first record of a table.
pub(super) const FENCE: u64 = 5;

/// What a backend is tried on.
pub(super) struct World {
    pub(super) fixture: Arc<dyn BackendFixture>,
    pub(super) backend: Arc<dyn Backend>,
    engine: SessionContext,
}

impl World {
    pub(super) fn new(fixture: Arc<dyn BackendFixture>) -> Self {
        Self {
            backend: fixture.backend(),
            fixture,
            engine: SessionContext::new(),
        }
    }

    /// A table that is not there yet.
    pub(super) fn target(&self, table: &str, partition_by: &[&str]) -> Result<Target<'_>> {
        let kinds = [
            CanonicalType::Integer8,
            CanonicalType::VariableString { length: None },
            CanonicalType::Decimal {
                precision: 12,
                scale: 2,
            },
            CanonicalType::Date,
        ];
        let columns = COLUMNS.iter().zip(kinds);
        let columns = columns.map(|(name, kind)| self.column(name, kind));
        let definition = TargetDefinition {
            name: TableName::new("goe", self.fixture.schema(), table),
            columns: columns.collect::<Result<_>>()?,
            partition_columns: partition_by.iter().map(|&name| name.to_owned()).collect(),
            cluster_columns: Vec::new(),
            comment: None,
        };
        Ok(Target {
            world: self,
            definition,
        })
    }

    pub(super) fn column(&self, name: &str, canonical: CanonicalType) -> Result<TargetColumn> {
        let native = self.backend.types().from_canonical(canonical)?.to;
        Ok(TargetColumn {
            name: name.to_owned(),
            canonical,
            stored: native.stored,
            native: native.native,
            source: canonical.to_string(),
            nullable: name != "id",
            comment: None,
        })
    }

    /// The rows of a table, in order; the first columns are a row's.
    pub(super) async fn rows(&self, table: Arc<dyn TableProvider>) -> Result<Vec<Row>> {
        let rows = self.engine.read_table(table)?;
        let rows = rows.select(COLUMNS.map(ident))?.collect().await?;
        rows_of(&rows)
    }

    /// The values of one column of a table.
    pub(super) async fn values(
        &self,
        table: Arc<dyn TableProvider>,
        column: &str,
    ) -> Result<Vec<RecordBatch>> {
        let rows = self.engine.read_table(table)?;
        Ok(rows.select([ident(column)])?.collect().await?)
    }
}

/// A table of the backend that is tried.
pub(super) struct Target<'a> {
    pub(super) world: &'a World,
    pub(super) definition: TargetDefinition,
}

impl Target<'_> {
    fn backend(&self) -> &Arc<dyn Backend> {
        &self.world.backend
    }

    pub(super) fn name(&self) -> (&str, &str) {
        (&self.definition.name.schema, &self.definition.name.table)
    }

    /// Stages rows as a run of its own does. Columns beyond a row's hold NULL.
    pub(super) async fn stage(&self, rows: &[Row]) -> Result<Manifest> {
        let (schema, name) = (self.definition.schema(), self.name());
        let known = arrays(rows)?;
        let column = |(i, field): (usize, &arrow::datatypes::FieldRef)| -> Result<ArrayRef> {
            Ok(match known.get(i) {
                Some(values) => cast(values, field.data_type())?,
                None => arrow::array::new_null_array(field.data_type(), rows.len()),
            })
        };
        let columns = schema.fields().iter().enumerate().map(column);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_>>()?)?;
        let engine = &self.world.engine;
        let input = engine.read_batch(batch)?.create_physical_plan().await?;
        let partition = self.definition.partition_columns.iter();
        let facts = self.backend().facts();
        let id = format!("{}-0001", Uuid::now_v7().simple());
        let spec = StageSpec {
            manifest: id.clone(),
            place: self.backend().staging(name.0, name.1)?,
            schema: Arc::clone(&schema),
            partition_columns: partition
                .map(|name| Ok(schema.index_of(name)?))
                .collect::<Result<_>>()?,
            partition_columns_in_files: facts.partition_columns_in_files,
            sorted: false,
            sort_columns: Vec::new(),
            file_bytes: facts.file_bytes,
            memory: STAGE_BYTES,
            progress: Arc::new(StageProgress::default()),
        };
        let stage = Arc::new(StageExec::new(input, Arc::new(spec)));
        collect_manifest(&id, &collect(stage, engine.task_ctx()).await?)
    }

    /// Stages rows and loads them.
    pub(super) async fn load(&self, rows: &[Row]) -> Result<Manifest> {
        let manifest = self.stage(rows).await?;
        self.backend().load(&self.definition, &manifest).await?;
        Ok(manifest)
    }

    /// A publication of loaded rows as record `sequence`.
    pub(super) fn publication(&self, manifest: &Manifest, sequence: u64) -> Publication {
        let change = match sequence {
            1 => Change::Create(self.definition.clone()),
            _ => Change::None,
        };
        Publication {
            target: self.definition.clone(),
            change,
            manifest: manifest.clone(),
            mode: Mode::Append,
            record: StoredRecord {
                sequence,
                fence: FENCE,
                manifest: manifest.id.clone(),
                body: json!({ "sequence": sequence, "text": "it's \"quoted\" é" }),
            },
            proof: json!({ "rows": manifest.rows() }),
        }
    }

    /// Stages, loads and publishes rows as record `sequence`.
    pub(super) async fn publish(&self, rows: &[Row], sequence: u64) -> Result<Publication> {
        let manifest = self.load(rows).await?;
        let publication = self.publication(&manifest, sequence);
        let published = self.send(&publication).await?;
        match published.already {
            false => Ok(publication),
            true => Err(Error::internal("A first publish says that it was there")),
        }
    }

    pub(super) async fn send(&self, publication: &Publication) -> Result<Published> {
        self.backend().publish(publication).await
    }

    /// The published rows, in order.
    pub(super) async fn rows(&self) -> Result<Vec<Row>> {
        self.world.rows(self.table().await?).await
    }

    pub(super) async fn table(&self) -> Result<Arc<dyn TableProvider>> {
        let (schema, table) = self.name();
        self.backend().table(schema, table).await
    }

    pub(super) async fn describe(&self) -> Result<Option<TargetTable>> {
        let (schema, table) = self.name();
        self.backend().describe(schema, table).await
    }

    /// The record that stands there.
    pub(super) async fn record(&self) -> Result<Option<StoredRecord>> {
        Ok(self.describe().await?.and_then(|table| table.record))
    }
}
