//! Snapshots: one exported state, as many sessions in it as readers, and the rows that they copy.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::CopyOutStream;

use super::catalog::Relation;
use super::connect::Settings;
use super::copy::{Broken, Reader};
use super::dialect::{Postgres, Wire, wire};
use super::error::failed;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{
    AggregateFunction, ReadRequest, RelationKind, Select, Snapshot, SnapshotFacts, SourceTable,
    Split, request_schema, select_sql,
};
use crate::schema::shorten;

const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// A reader that is stopped goes back to it, and so stays in its snapshot.
const SAVE: &str = "SAVEPOINT goe";
const BACK: &str = "ROLLBACK TO SAVEPOINT goe";

/// One state of a table.
#[derive(Debug)]
pub(super) struct TableSnapshot {
    facts: SnapshotFacts,
    table: Arc<SourceTable>,
    pool: Arc<Pool>,
    /// Holds the exported snapshot, idle, for as long as readers may join.
    _exporter: Option<Session>,
}

impl TableSnapshot {
    /// Opens a state of the table in which it is still as it was described.
    pub(super) async fn open(
        settings: &Arc<Settings>,
        relation: &Relation,
        table: &Arc<SourceTable>,
        readers: usize,
    ) -> Result<Self> {
        let doing = format!("Table {} can't be read", table.name);
        let session = Session::open(settings).await?;
        begin(&session, &doing, relation, table).await?;
        match export(&session).await {
            Ok(name) => {
                let label = format!("exported snapshot {name}");
                let facts = SnapshotFacts {
                    label,
                    mixed: None,
                    readers: readers.max(1),
                };
                let pool = Pool::new(settings, doing, Some(name), readers.max(1), None);
                Ok(Self {
                    facts,
                    table: Arc::clone(table),
                    pool,
                    _exporter: Some(session),
                })
            }
            Err(error) => {
                // Without an export the first session is the only one that knows its state.
                session.run(&doing, "ROLLBACK").await?;
                begin(&session, &doing, relation, table).await?;
                session.run(&doing, SAVE).await?;
                let label = format!("one transaction, one reader: {}", error.message());
                let facts = SnapshotFacts {
                    label,
                    mixed: None,
                    readers: 1,
                };
                let pool = Pool::new(settings, doing, None, 1, Some(session));
                Ok(Self {
                    facts,
                    table: Arc::clone(table),
                    pool,
                    _exporter: None,
                })
            }
        }
    }

    /// What each selected value looks like on the wire.
    fn wires(&self, request: &ReadRequest) -> Vec<Wire> {
        let column = |i: usize| wire(&self.table.columns[i]);
        match &request.select {
            Select::Columns(columns) => columns.iter().map(|&i| column(i)).collect(),
            Select::Aggregates(aggregates) => aggregates
                .iter()
                .map(|aggregate| match aggregate.function {
                    AggregateFunction::Rows | AggregateFunction::Count => Wire::BigInt,
                    AggregateFunction::Min | AggregateFunction::Max => column(aggregate.column),
                    AggregateFunction::Sum => Wire::Numeric,
                })
                .collect(),
        }
    }
}

/// Takes a snapshot in which the table is as it was described.
async fn begin(
    session: &Session,
    doing: &str,
    relation: &Relation,
    table: &SourceTable,
) -> Result<()> {
    session.run(doing, BEGIN).await?;
    lock(session, doing, table).await?;
    relation.again(session, &table.name.connection).await?;
    Ok(())
}

/// Holds the table against ALTER, DROP and TRUNCATE before the snapshot is taken: a truncated table
/// would look empty to it. What can't be locked has nothing of the kind.
async fn lock(session: &Session, doing: &str, table: &SourceTable) -> Result<()> {
    use crate::frontend::Dialect;
    let name = format!(
        "{}.{}",
        Postgres.quote(&table.name.schema),
        Postgres.quote(&table.name.table)
    );
    let sql = match table.kind {
        RelationKind::Table | RelationKind::Partitioned => {
            format!("LOCK TABLE {name} IN ACCESS SHARE MODE")
        }
        _ => format!("SELECT FROM {name} LIMIT 0"),
    };
    session.run(doing, &sql).await
}

async fn export(session: &Session) -> Result<String> {
    let wrong = |error| failed("The snapshot can't be exported", error);
    let row = session
        .client
        .query_typed("SELECT pg_export_snapshot()", &[])
        .await
        .map_err(wrong)?;
    let row = row
        .first()
        .ok_or_else(|| Error::internal("An export gave no snapshot"))?;
    row.try_get(0).map_err(wrong)
}

#[async_trait]
impl Snapshot for TableSnapshot {
    fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    async fn read(
        &self,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<SendableRecordBatchStream> {
        let schema = request_schema(&self.table, &request.select);
        let reader = Reader::new(Arc::clone(&schema), &self.wires(request), request.batch)?;
        let sql = select_sql(&Postgres, &self.table, split, request);
        let lease = Pool::lease(&self.pool).await?;
        let copy = lease.copy(&sql).await?;
        let reading = Reading {
            copy: Box::pin(copy),
            reader,
            lease,
            table: Arc::clone(&self.table),
            select: request.select.clone(),
            split: split.cloned(),
        };
        let batches = futures::stream::try_unfold(Some(reading), |reading| async move {
            let Some(mut reading) = reading else {
                return Ok::<_, Error>(None);
            };
            match reading.next().await? {
                Some(batch) => Ok(Some((batch, Some(reading)))),
                None => Ok(None),
            }
        });
        let batches = batches.map_err(datafusion::error::DataFusionError::from);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            batches.fuse(),
        )))
    }
}

/// One COPY on its way.
struct Reading {
    copy: Pin<Box<CopyOutStream>>,
    reader: Reader,
    lease: Lease,
    table: Arc<SourceTable>,
    select: Select,
    split: Option<Split>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        loop {
            if self.reader.fill().map_err(|broken| self.describe(broken))? {
                return self.reader.take();
            }
            if self.lease.done {
                return self.last();
            }
            match self.copy.next().await {
                Some(Ok(piece)) => self.reader.push(piece),
                Some(Err(error)) => return Err(failed(&self.lease.pool.doing, error)),
                None => self.lease.done = true,
            }
        }
    }

    fn last(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        if self.reader.ended() {
            return self.reader.take();
        }
        Err(self.describe(Broken::Protocol("an end in the middle")))
    }

    /// Names what a person needs to find the value.
    fn describe(&self, broken: Broken) -> Error {
        let table = &self.table.name;
        match broken {
            Broken::Protocol(what) => Error::new(
                ErrorKind::Connect,
                format!("Table {table} can't be read: the server sent {what}"),
            )
            .hint("is there a proxy between that does not speak PostgreSQL's own protocol?"),
            Broken::Value {
                column,
                row,
                value,
                why,
            } => self.wrong_value(column, row, &value, why),
        }
    }

    fn wrong_value(&self, selected: usize, row: u64, value: &str, why: &str) -> Error {
        let position = match &self.select {
            Select::Columns(columns) => columns.get(selected).copied(),
            Select::Aggregates(aggregates) => aggregates.get(selected).map(|one| one.column),
        };
        let column = position.and_then(|i| self.table.columns.get(i));
        let (name, native, canonical) = match column {
            Some(column) => (
                column.name.as_str(),
                column.native.as_str(),
                column.canonical.to_string(),
            ),
            None => ("", "", String::new()),
        };
        let table = &self.table.name;
        let split = self.split.as_ref();
        let relation = split
            .and_then(|split| split.relation.as_deref())
            .unwrap_or("the table");
        let part = match split.and_then(|split| split.predicate.as_deref()) {
            Some(predicate) => format!("row {row} of {relation} where {predicate}"),
            None => format!("row {row} of {relation}"),
        };
        Error::new(
            ErrorKind::Data,
            format!(
                "Column \"{}\" of table {table} holds {}, {why}",
                shorten(name),
                shorten(value)
            ),
        )
        .context(
            "column",
            format!("{} {native}, as {canonical}", shorten(name)),
        )
        .context("row", part)
        .hint(format!(
            "read the column as text, or leave such rows out: {}=text",
            shorten(name)
        ))
    }
}

/// The sessions of one snapshot. A stream takes one and gives it back.
#[derive(Debug)]
struct Pool {
    settings: Arc<Settings>,
    /// How errors begin.
    doing: String,
    /// The name by which a new session joins; without one there is only the first session.
    snapshot: Option<String>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    fn new(
        settings: &Arc<Settings>,
        doing: String,
        snapshot: Option<String>,
        readers: usize,
        first: Option<Session>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: Arc::clone(settings),
            doing,
            snapshot,
            permits: Arc::new(Semaphore::new(readers)),
            idle: Mutex::new(first.into_iter().collect()),
        })
    }

    /// Waits for a free reader.
    async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::internal("The readers of a snapshot are gone"))?;
        let idle = self.take_idle();
        let session = match idle {
            Some(session) if !session.client.is_closed() => session,
            _ => self.join().await?,
        };
        Ok(Lease {
            session: Some(session),
            permit: Some(permit),
            pool: Arc::clone(self),
            runtime: Handle::current(),
            done: false,
        })
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn give_back(&self, session: Session) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }

    /// One more session in the snapshot.
    async fn join(&self) -> Result<Session> {
        let Some(snapshot) = &self.snapshot else {
            let text = format!(
                "{}: the transaction that held its state has ended",
                self.doing
            );
            return Err(Error::new(ErrorKind::Conflict, text).hint("run again"));
        };
        let session = Session::open(&self.settings).await?;
        let sql = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'; {SAVE}");
        session.run(&self.doing, &sql).await?;
        Ok(session)
    }
}

/// A session in use.
struct Lease {
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
    runtime: Handle,
    /// Whether the COPY came to its end, so that the session is free.
    done: bool,
}

impl Lease {
    async fn copy(&self, sql: &str) -> Result<CopyOutStream> {
        let Some(session) = &self.session else {
            return Err(Error::internal("A reader has no session"));
        };
        let sql = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
        session
            .client
            .copy_out(&sql)
            .await
            .map_err(|error| failed(&self.pool.doing, error))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(session), permit) = (self.session.take(), self.permit.take()) else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        if self.done {
            pool.give_back(session);
            return;
        }
        // The work at the server is stopped before the next reader may begin.
        self.runtime.spawn(async move {
            session.cancel().await;
            if session.run("A reader can't be stopped", BACK).await.is_ok() {
                pool.give_back(session);
            }
            drop(permit);
        });
    }
}
