//! A published table for queries: one version, its files handed to DataFusion's Parquet reader.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use xxhash_rust::xxh3::xxh3_64;

use super::connect::TablePlace;
use super::read::partition_row;
use super::snapshot::{DataFile, TableState};
use super::value;
use crate::backend::TargetDefinition;
use crate::error::Result;
use crate::schema::Column;
use crate::staging::Manifest;

/// One version of a table.
#[derive(Debug)]
pub(super) struct DeltaTable {
    place: TablePlace,
    files: Vec<DataFile>,
    schema: SchemaRef,
    partition: Vec<String>,
}

impl DeltaTable {
    /// The table as a version has it.
    pub(super) async fn open(state: TableState) -> Result<Self> {
        state
            .protocol
            .refuse_foreign(&state.metadata, &state.place.name)?;
        let columns = state.metadata.columns()?;
        Ok(Self {
            files: state.files().await?,
            schema: Arc::new(Schema::new(
                columns.iter().map(Column::field).collect::<Vec<_>>(),
            )),
            partition: state.metadata.partition_columns(),
            place: state.place,
        })
    }

    /// What is staged and in no version yet.
    pub(super) fn staged(
        place: TablePlace,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Self {
        Self {
            files: manifest.files.iter().map(Into::into).collect(),
            schema: target.schema(),
            partition: target.partition_columns.clone(),
            place,
        }
    }

    /// The schema as the reader wants it: the files' columns first, the partition columns last.
    fn table_schema(&self) -> (TableSchema, Vec<usize>) {
        let (last, first): (Vec<FieldRef>, Vec<FieldRef>) = self
            .schema
            .fields()
            .iter()
            .cloned()
            .partition(|f| self.partition.contains(f.name()));
        let order: Vec<FieldRef> = first.iter().chain(&last).cloned().collect();
        let places = self.schema.fields().iter().map(|field| {
            order
                .iter()
                .position(|other| other.name() == field.name())
                .unwrap_or_default()
        });
        (
            TableSchema::builder(Arc::new(Schema::new(first)))
                .with_table_partition_cols(last)
                .build(),
            places.collect(),
        )
    }

    /// The files that may hold rows for which the filters are true, by their partition values.
    fn pruned(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<&DataFile>> {
        let by_partition = |filter: &&Expr| {
            let columns = filter.column_refs();
            !columns.is_empty()
                && columns
                    .iter()
                    .all(|column| self.partition.contains(&column.name))
        };
        let filters: Vec<Expr> = filters.iter().filter(by_partition).cloned().collect();
        let Some(filter) = conjunction(filters) else {
            return Ok(self.files.iter().collect());
        };
        let fields = self
            .schema
            .fields()
            .iter()
            .filter(|f| self.partition.contains(f.name()));
        let schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        let filter =
            state.create_physical_expr(filter, &DFSchema::try_from(schema.as_ref().clone())?)?;
        let mut kept = Vec::new();
        for file in &self.files {
            let row = partition_row(file, &schema)?;
            let outcome = filter.evaluate(&row)?.into_array(1)?;
            let outcome = datafusion::common::cast::as_boolean_array(&outcome)?;
            if outcome.iter().next().flatten() == Some(true) {
                kept.push(file);
            }
        }
        Ok(kept)
    }

    fn partitioned_file(&self, file: &DataFile, partition: &[FieldRef]) -> Result<PartitionedFile> {
        let mut listed = PartitionedFile::new_from_meta(ObjectMeta {
            location: self.place.path(&file.path)?,
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.bytes,
            e_tag: None,
            version: None,
        });
        for field in partition {
            let text = file.partition.iter().find(|(name, _)| name == field.name());
            let text = text.and_then(|(_, text)| text.as_deref());
            listed
                .partition_values
                .push(value::parse(text, field.data_type())?);
        }
        Ok(listed)
    }

    /// The store under a URL that is this table's alone.
    fn register(&self, state: &dyn Session) -> Result<ObjectStoreUrl> {
        let key = format!("{}\0{}", self.place.name, self.place.url);
        let url = ObjectStoreUrl::parse(format!("goe-delta://{:016x}", xxh3_64(key.as_bytes())))?;
        state
            .runtime_env()
            .register_object_store(url.as_ref(), Arc::clone(&self.place.store));
        Ok(url)
    }

    /// Statistics of floating columns leave NaN out, which engines take for the greatest value:
    /// with such a column nothing is skipped by statistics.
    fn options(&self, state: &dyn Session) -> TableParquetOptions {
        let mut options = state.default_table_options().parquet;
        let floats =
            |field: &FieldRef| matches!(field.data_type(), DataType::Float32 | DataType::Float64);
        if self.schema.fields().iter().any(floats) {
            options.global.pruning = false;
            options.global.enable_page_index = false;
        }
        options
    }
}

#[async_trait]
impl TableProvider for DeltaTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let (table_schema, places) = self.table_schema();
        let partition: Vec<FieldRef> = table_schema
            .table_partition_cols()
            .iter()
            .cloned()
            .collect();
        let url = self.register(state)?;
        let files = self.pruned(state, filters)?;
        let files = files
            .into_iter()
            .map(|file| self.partitioned_file(file, &partition));
        let files: Vec<PartitionedFile> = files.collect::<Result<_>>()?;
        if files.is_empty() {
            // A scan of no files has no partition at all, which what stands above it may refuse.
            let schema = datafusion::common::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let schema = DFSchema::try_from(table_schema.table_schema().as_ref().clone())?;
        let mut source =
            ParquetSource::new(table_schema).with_table_parquet_options(self.options(state));
        if let Some(filter) = conjunction(filters.to_vec()) {
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.iter().map(|index| places[*index]).collect(),
            None => places,
        };
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(Some(columns))?
            .with_limit(if filters.is_empty() { limit } else { None })
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
