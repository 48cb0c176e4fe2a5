//! A system in memory, by the steps of CONTRIBUTING: an engine whose SQL is DataFusion's.
//! `tests/conformance` tries it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use goe::frontend::{
    AggregateFunction, Comparison, Dialect, Frontend, FrontendFacts, NativeType, OpenOptions,
    Probe, ReadRequest, RelationKind, Snapshot, SnapshotFacts, Source, SourceTable, Split, Splits,
    TableEntry, TypeMap, request_schema, select_sql,
};
use goe::schema::{CanonicalType, Column, Mapping, TableName, pick};
use goe::systems::System;
use goe::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// What a schema is called here.
pub const SCHEMA: &str = "main";

/// The registry's line.
pub const SYSTEM: System = System {
    name: "toy",
    schemes: &["toy"],
    local_paths: false,
    types: || &Types,
    frontend: Some(|connection| Ok(Arc::new(Toy(connection.name.clone())))),
    backend: None,
};

const FACTS: FrontendFacts = FrontendFacts {
    system: "toy",
    identifier_bytes: 1000,
};

/// All tables, by their names.
pub static TABLES: Mutex<BTreeMap<String, RecordBatch>> = Mutex::new(BTreeMap::new());

/// Canonical types by their own names.
struct Types;

impl TypeMap for Types {
    fn natives(&self) -> Vec<String> {
        CanonicalType::ALL.map(|kind| kind.to_string()).to_vec()
    }

    fn to_canonical(&self, native: &str) -> Result<Mapping<CanonicalType>> {
        let unknown = |error: Error| Error::unsupported(error.message()).hint("write a known type");
        native.parse().map(Mapping::exact).map_err(unknown)
    }

    fn from_canonical(&self, stored: CanonicalType) -> Result<Mapping<NativeType>> {
        let native = stored.to_string();
        Ok(Mapping::exact(NativeType { native, stored }))
    }
}

/// DataFusion's SQL: what it answers is what the engine would.
#[derive(Debug)]
struct Sql;

impl Dialect for Sql {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        let text = value.cast_to(&DataType::Utf8).ok()?;
        let text = text.try_as_str()??.replace('\'', "''");
        let kind = column.canonical.to_arrow();
        Some(format!("arrow_cast('{text}', '{kind}')"))
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        Some((self.quote(&column.name), Comparison::Exact))
    }
    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        self.equality(column)
    }
    fn like_operand(&self, _: &Column) -> Option<(String, Comparison)> {
        None
    }
    fn like(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        match column {
            None => "count(*)".to_owned(),
            Some(column) => {
                let word = format!("{function:?}").to_lowercase();
                format!("{word}({})", self.quote(&column.name))
            }
        }
    }
}

/// A connection, by its name.
#[derive(Debug)]
struct Toy(String);

#[async_trait]
impl Frontend for Toy {
    fn facts(&self) -> &FrontendFacts {
        &FACTS
    }

    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(Sql)
    }

    fn types(&self) -> &dyn TypeMap {
        &Types
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe {
            version: "toy 1".to_owned(),
            user: None,
            encrypted: None,
            snapshot: "the rows as they are".to_owned(),
            notes: Vec::new(),
        })
    }

    async fn tables(&self) -> Result<Vec<TableEntry>> {
        let tables = TABLES.lock().expect("tables");
        let entries = tables.iter().map(|(table, rows)| TableEntry {
            schema: SCHEMA.to_owned(),
            table: table.clone(),
            kind: RelationKind::Table,
            rows: Some(rows.num_rows() as u64),
            bytes: None,
        });
        Ok(entries.collect())
    }

    async fn open(
        &self,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        let tables = TABLES.lock().expect("tables");
        let names: Vec<&str> = tables.keys().map(String::as_str).collect();
        let found = pick(table, names.iter().copied()).filter(|_| schema == SCHEMA);
        let missing = || {
            let message = format!(
                "Connection \"{}\" has no table \"{schema}.{table}\"",
                self.0
            );
            Error::not_found(message, table, names.iter().copied())
        };
        let name = found.ok_or_else(missing)?;
        if let Some(column) = options.read_as.keys().next() {
            let message = format!("Column \"{column}\" has no other form here");
            return Err(Error::usage(message).hint("leave --read-as out"));
        }
        let shape = tables[name].schema();
        let described = describe(TableName::new(&self.0, SCHEMA, name), &shape)?;
        Ok(Arc::new(Table { shape, described }))
    }
}

fn describe(name: TableName, shape: &SchemaRef) -> Result<SourceTable> {
    let column = |field: &Arc<Field>| {
        let kind = CanonicalType::from_field(field)?;
        Ok(Column::new(
            field.name(),
            kind.to_string(),
            field.is_nullable(),
            Mapping::exact(kind),
        ))
    };
    Ok(SourceTable {
        name,
        kind: RelationKind::Table,
        columns: shape.fields().iter().map(column).collect::<Result<_>>()?,
        primary_key: Vec::new(),
        unique: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        partitions: None,
    })
}

/// A described table.
#[derive(Debug)]
struct Table {
    shape: SchemaRef,
    described: SourceTable,
}

#[async_trait]
impl Source for Table {
    fn table(&self) -> &SourceTable {
        &self.described
    }

    async fn splits(&self, _: u64) -> Result<Splits> {
        Ok(Splits::one("memory is read in one piece"))
    }

    async fn snapshot(&self, readers: usize) -> Result<Arc<dyn Snapshot>> {
        let tables = TABLES.lock().expect("tables");
        let rows = tables.get(&self.described.name.table).cloned();
        let rows = rows
            .filter(|rows| rows.schema() == self.shape)
            .ok_or_else(|| {
                let message = format!("Table \"{}\" was changed", self.described.name);
                Error::new(ErrorKind::Conflict, message).hint("plan again")
            })?;
        Ok(Arc::new(State {
            rows,
            described: self.described.clone(),
            facts: SnapshotFacts {
                label: "memory".to_owned(),
                mixed: None,
                readers,
                again: false,
            },
            free: Arc::new(Semaphore::new(readers)),
        }))
    }
}

/// The rows of a table as they were.
#[derive(Debug)]
struct State {
    rows: RecordBatch,
    described: SourceTable,
    facts: SnapshotFacts,
    free: Arc<Semaphore>,
}

#[async_trait]
impl Snapshot for State {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let closed = |_| Error::internal("The readers of a snapshot are gone");
        let reader = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(closed)?;
        let engine = SessionContext::new();
        engine.register_batch("rows", self.rows.clone())?;
        let here = Split {
            relation: Some("rows".to_owned()),
            ..split.cloned().unwrap_or_default()
        };
        let sql = select_sql(&Sql, &self.described, Some(&here), request);
        let rows = engine.sql(&sql).await?.execute_stream().await?;
        let schema = request_schema(&self.described, &request.select);
        let (typed, limits) = (Arc::clone(&schema), request.batch);
        let batches = rows.map(move |batch| {
            let _held = &reader;
            let batch = conform(&batch?, &typed)?;
            Ok::<_, DataFusionError>(futures::stream::iter(
                limits.cut(&batch).into_iter().map(Ok),
            ))
        });
        let batches = futures::TryStreamExt::try_flatten(batches);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// A batch in the types that were asked for.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let fields = schema.fields().iter().zip(batch.columns());
    let columns = fields.map(|(field, column)| Ok(cast(column, field.data_type())?));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = columns.collect::<Result<_>>()?;
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &rows,
    )?)
}
