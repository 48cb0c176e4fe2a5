//! Reading rows back: one SELECT, whose answer comes in pieces.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use snowflake_connector_rs::{ResultCursor, ResultTable};

use super::catalog::describe;
use super::condition::{columns_of, loaded_columns};
use super::decode::decode;
use super::dialect::Snowflake;
use super::error::failed;
use super::load::load_table;
use super::session::{Cells, Warehouse};
use crate::backend::{Scope, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{
    ReadRequest, RelationKind, Snapshot, SnapshotFacts, Source, SourceTable, Split, Splits,
    request_schema, select_sql,
};
use crate::schema::{Column, PartitionHashes, RowHasher, TableHashes, TableName};
use crate::staging::Manifest;

/// A table of the server that can be read.
#[derive(Debug)]
pub(super) struct Relation {
    warehouse: Arc<Warehouse>,
    table: Arc<SourceTable>,
}

impl Relation {
    fn new(warehouse: &Arc<Warehouse>, name: TableName, columns: Vec<Column>) -> Self {
        Self {
            warehouse: Arc::clone(warehouse),
            table: Arc::new(SourceTable {
                name,
                kind: RelationKind::Table,
                columns,
                primary_key: Vec::new(),
                unique: Vec::new(),
                rows: None,
                bytes: None,
                comment: None,
                partitions: None,
            }),
        }
    }

    /// The loaded rows of a manifest.
    pub(super) fn loaded(
        warehouse: &Arc<Warehouse>,
        target: &TargetDefinition,
        manifest: &Manifest,
    ) -> Self {
        let name = TableName {
            table: load_table(&target.name.table, &manifest.id),
            ..target.name.clone()
        };
        Self::new(warehouse, name, loaded_columns(target))
    }

    /// The rows of a scope in the form of a definition.
    fn of(warehouse: &Arc<Warehouse>, target: &TargetDefinition, scope: Scope<'_>) -> Self {
        match scope {
            Scope::Manifest(manifest) => Self::loaded(warehouse, target, manifest),
            Scope::Published => Self::new(warehouse, target.name.clone(), columns_of(target)),
        }
    }

    /// A published table as it stands there.
    pub(super) async fn published(
        warehouse: &Arc<Warehouse>,
        schema: &str,
        table: &str,
    ) -> Result<Self> {
        let found = describe(warehouse, schema, table).await?.ok_or_else(|| {
            let name = TableName::new(&warehouse.settings.connection, schema, table);
            Error::new(
                ErrorKind::NotFound,
                format!("Table \"{name}\" does not exist"),
            )
            .hint("goe tables lists the tables of a connection")
        })?;
        Ok(Self::new(warehouse, found.name, found.columns))
    }
}

#[async_trait]
impl Source for Relation {
    fn table(&self) -> &SourceTable {
        &self.table
    }

    async fn splits(&self, _: u64) -> Result<Splits> {
        Ok(Splits::one("the server sends the answer to one SELECT"))
    }

    async fn snapshot(&self, _: usize) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(Reading {
            warehouse: Arc::clone(&self.warehouse),
            table: Arc::clone(&self.table),
            facts: SnapshotFacts {
                label: "one SELECT".to_owned(),
                mixed: None,
                readers: 1,
                again: false,
            },
        }))
    }
}

/// A table about to be read: each statement sees one state of it.
#[derive(Debug)]
struct Reading {
    warehouse: Arc<Warehouse>,
    table: Arc<SourceTable>,
    facts: SnapshotFacts,
}

#[async_trait]
impl Snapshot for Reading {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let doing = format!("Table \"{}\" can't be read", self.table.name);
        let sql = select_sql(&Snowflake, &self.table, split, request);
        let schema = request_schema(&self.table, &request.select);
        let answer = Answer {
            cursor: self.warehouse.open(&doing, &sql).await?,
            doing,
            schema: Arc::clone(&schema),
            rows: request.batch.rows.max(1),
            ready: VecDeque::new(),
        };
        let batches = futures::stream::try_unfold(answer, |mut answer| async move {
            let batch = answer.next().await?;
            Ok::<_, Error>(batch.map(|batch| (batch, answer)))
        });
        let batches = batches.map_err(datafusion::error::DataFusionError::from);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            batches.boxed(),
        )))
    }
}

/// An answer on its way.
struct Answer {
    cursor: ResultCursor,
    doing: String,
    schema: SchemaRef,
    /// At most so many rows of a batch.
    rows: usize,
    ready: VecDeque<RecordBatch>,
}

impl Answer {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let table = self.cursor.next_table().await;
            match table.map_err(|error| failed(&self.doing, &error))? {
                Some(table) => self.take(&table)?,
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, table: &ResultTable) -> Result<()> {
        let rows = table.rows::<Cells>();
        let mut rows = rows.map_err(|error| failed(&self.doing, &error))?;
        loop {
            let piece: Result<Vec<Cells>, _> = rows.by_ref().take(self.rows).collect();
            let piece = piece.map_err(|error| failed(&self.doing, &error))?;
            if piece.is_empty() {
                return Ok(());
            }
            self.ready.push_back(self.batch(&piece)?);
        }
    }

    fn batch(&self, rows: &[Cells]) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for (position, field) in self.schema.fields().iter().enumerate() {
            let cells: Vec<Option<&str>> = rows.iter().map(|row| row.text(position)).collect();
            let array = decode(field.data_type(), &cells).map_err(|misfit| {
                Error::new(
                    ErrorKind::Data,
                    format!(
                        "{}: column \"{}\" holds a value that is no {}",
                        self.doing,
                        field.name(),
                        field.data_type()
                    ),
                )
                .context("value", crate::schema::shorten(&misfit.text))
                .hint("the server sent it in a form that goe does not know; please report it")
            })?;
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            arrays,
            &options,
        )?)
    }
}

/// The sums of the rows of a scope, each read back. There are no partitions: one sum is all.
pub(super) async fn hashes(
    warehouse: &Arc<Warehouse>,
    target: &TargetDefinition,
    scope: Scope<'_>,
) -> Result<PartitionHashes> {
    let relation = Relation::of(warehouse, target, scope);
    let columns = (0..target.columns.len()).collect();
    let snapshot = relation.snapshot(1).await?;
    let mut batches = snapshot.read(None, &ReadRequest::columns(columns)).await?;
    let mut hasher = RowHasher::default();
    let mut sum = TableHashes::default();
    while let Some(batch) = batches.try_next().await? {
        sum.add_batch(&mut hasher, &batch)?;
    }
    let mut sums = PartitionHashes::new();
    if sum.rows > 0 {
        sums.insert(String::new(), sum);
    }
    Ok(sums)
}
