//! Snapshots: one exported state, as many sessions in it as readers, and the rows that they copy.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use tokio_postgres::CopyOutStream;

use super::catalog::Relation;
use super::connect::Settings;
use super::copy::{Broken, Reader};
use super::dialect::{Postgres, Wire, wire};
use super::error::failed;
use super::pool::{BEGIN, Lease, Pool, SAVE};
use super::session::Session;
use super::silence::within;
use super::tap::Rows;
use super::wrong_value::WrongValue;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{
    AggregateFunction, ReadRequest, RelationKind, Select, Snapshot, SnapshotFacts, SourceTable,
    Split, request_schema, select_sql,
};
use crate::systems::shelf::Kept;

/// One state of a table.
#[derive(Debug)]
pub(super) struct TableSnapshot {
    facts: SnapshotFacts,
    table: Arc<SourceTable>,
    pool: Arc<Pool>,
    /// Holds the exported snapshot, idle, for as long as readers may join.
    _exporter: Option<Kept<Session>>,
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
                    again: false,
                };
                let pool = Pool::new(settings, doing, Some(name), readers.max(1), None);
                Ok(Self {
                    facts,
                    table: Arc::clone(table),
                    pool,
                    _exporter: Some(Kept::new(&settings.shelf, session)),
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
                    again: false,
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
    let sql = format!("{BEGIN}; {}", lock(table));
    session.run(doing, &sql).await?;
    relation.again(session, &table.name.connection).await?;
    Ok(())
}

/// Holds the table against ALTER, DROP and TRUNCATE before the snapshot is taken: a truncated table
/// would look empty to it. What can't be locked has nothing of the kind.
fn lock(table: &SourceTable) -> String {
    use crate::frontend::Dialect;
    let name = format!(
        "{}.{}",
        Postgres.quote(&table.name.schema),
        Postgres.quote(&table.name.table)
    );
    match table.kind {
        RelationKind::Table | RelationKind::Partitioned => {
            format!("LOCK TABLE {name} IN ACCESS SHARE MODE")
        }
        _ => format!("SELECT FROM {name} LIMIT 0"),
    }
}

async fn export(session: &Session) -> Result<String> {
    let doing = "The snapshot can't be exported";
    let rows = session
        .ask(doing, "SELECT pg_export_snapshot()", &[])
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| Error::internal("An export gave no snapshot"))?;
    row.try_get(0).map_err(|error| failed(doing, error))
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
        let (rows, copy) = lease.copy(&sql).await?;
        let reading = Reading {
            rows,
            copy: Some(Box::pin(copy)),
            used: Vec::new(),
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
    /// Before the lease, so that the next reader of the session finds its tap free.
    rows: Rows,
    /// What the server says beside rows, until the end.
    copy: Option<Pin<Box<CopyOutStream>>>,
    /// A buffer to be filled again.
    used: Vec<u8>,
    reader: Reader,
    lease: Lease,
    table: Arc<SourceTable>,
    select: Select,
    split: Option<Split>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        loop {
            match self.reader.fill() {
                Ok(true) => return self.take().await,
                Ok(false) => {}
                Err(broken) => return Err(self.describe(broken).await),
            }
            if self.lease.done {
                return self.last().await;
            }
            // A clock is set only to wait: much is here already.
            let next = match self.piece().now_or_never() {
                Some(next) => next,
                None => {
                    let pool = Arc::clone(&self.lease.pool);
                    let limit = pool.silence().reading(self.split.as_ref());
                    within(limit, &pool.doing, self.piece()).await?
                }
            };
            match next {
                Some(Ok(piece)) => self.used = self.reader.push(piece),
                Some(Err(error)) => return Err(failed(&self.lease.pool.doing, error)),
                None => self.lease.done = true,
            }
        }
    }

    /// The next piece of the copy; `None` at its end.
    async fn piece(&mut self) -> Option<Result<Vec<u8>, tokio_postgres::Error>> {
        poll_fn(|cx| {
            if let Poll::Ready(piece) = self.rows.poll(cx, &mut self.used) {
                return Poll::Ready(Some(Ok(piece)));
            }
            let Some(copy) = &mut self.copy else {
                return Poll::Ready(None);
            };
            // Rows come this way, too, where there is no tap.
            if let Some(piece) = ready!(copy.as_mut().poll_next(cx)) {
                return Poll::Ready(Some(piece.map(|piece| piece.to_vec())));
            }
            // The last rows were laid aside before the end was told.
            self.copy = None;
            match self.rows.poll(cx, &mut self.used) {
                Poll::Ready(piece) => Poll::Ready(Some(Ok(piece))),
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }

    async fn last(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        if self.reader.ended() {
            return self.take().await;
        }
        Err(self
            .describe(Broken::Protocol("an end in the middle"))
            .await)
    }

    async fn take(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        match self.reader.take() {
            Ok(batch) => Ok(batch),
            Err(broken) => Err(self.describe(broken).await),
        }
    }

    /// Names what a person needs to find the value.
    async fn describe(&mut self, broken: Broken) -> Error {
        match broken {
            Broken::Protocol(what) => Error::new(
                ErrorKind::Connect,
                format!("{}: the server sent {what}", self.lease.pool.doing),
            )
            .hint("is there a proxy between that does not speak PostgreSQL's own protocol?"),
            Broken::Batch(text) => {
                Error::internal(format!("A batch does not fit its schema: {text}"))
            }
            Broken::Value {
                column,
                row,
                value,
                why,
            } => {
                let column = match &self.select {
                    Select::Columns(columns) => columns.get(column).copied(),
                    Select::Aggregates(list) => list.get(column).map(|one| one.column),
                };
                let Some(column) = column.and_then(|i| self.table.columns.get(i)) else {
                    return Error::internal("A value of no column is wrong");
                };
                let split = self.split.as_ref();
                let wrong = WrongValue {
                    table: &self.table,
                    column,
                    split,
                    row,
                    value,
                    why,
                };
                wrong.explain(&self.lease.pool).await
            }
        }
    }
}
