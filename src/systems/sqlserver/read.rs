//! Snapshots, and the rows that their sessions read: a task for each stream, which reads ahead by a
//! few batches.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use tiberius::{Client, Row};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::catalog::Relation;
use super::connect::Settings;
use super::dialect::{Size, SqlServer, wire};
use super::error::failed;
use super::pool::{Lease, Pool};
use super::reader::{Broken, Reader};
use super::session::Wire as Line;
use super::wrong_value::WrongValue;
use super::{dialect::Wire, state};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::frontend::{
    AggregateFunction, ReadRequest, Select, Snapshot, SnapshotFacts, SourceTable, Split,
    request_schema, select_sql,
};
use crate::systems::silence::within;

/// Batches that wait to be taken.
const AHEAD: usize = 2;

/// How long the rest of a row may be on its way.
const REST_OF_ROW: Duration = Duration::from_millis(200);

/// One state of a table.
#[derive(Debug)]
pub(super) struct TableSnapshot {
    facts: SnapshotFacts,
    table: Arc<SourceTable>,
    pool: Arc<Pool>,
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
        let (facts, pool) = state::open(settings, relation, &doing, readers).await?;
        Ok(Self {
            facts,
            table: Arc::clone(table),
            pool,
        })
    }

    /// What the driver gives for each selected value.
    fn wires(&self, request: &ReadRequest) -> Vec<Wire> {
        let column = |i: usize| wire(&self.table.columns[i]);
        match &request.select {
            Select::Columns(columns) if columns.is_empty() => vec![Wire::Text(Size::Bound)],
            Select::Columns(columns) => columns.iter().map(|&i| column(i)).collect(),
            Select::Aggregates(aggregates) => aggregates
                .iter()
                .map(|aggregate| match aggregate.function {
                    AggregateFunction::Rows | AggregateFunction::Count => Wire::Integer,
                    AggregateFunction::Min | AggregateFunction::Max => column(aggregate.column),
                    AggregateFunction::Sum => Wire::Numeric,
                })
                .collect(),
        }
    }
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
        let largest = usize::try_from(self.pool.settings.max_value_bytes).unwrap_or(usize::MAX);
        let wires = self.wires(request);
        let reader = Reader::new(Arc::clone(&schema), wires, request.batch, largest)?;
        let lease = self.pool.lease().await?;
        fault::source()?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let reading = Reading {
            sql: select_sql(&SqlServer, &self.table, split, request),
            limit: self.pool.settings.silence.reading(split),
            reader,
            sender,
            table: Arc::clone(&self.table),
            select: request.select.clone(),
            split: split.cloned(),
        };
        tokio::spawn(reading.run(lease));
        let batches = futures::stream::try_unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Some(Piece::Batch(batch)) => Ok(Some((batch, receiver))),
                Some(Piece::End) => Ok(None),
                Some(Piece::Failed(error)) => Err(error),
                None => Err(Error::internal("A reader ended in the middle of its rows")),
            }
        });
        let batches = batches.map_err(datafusion::error::DataFusionError::from);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            batches.fuse(),
        )))
    }
}

/// What a task sends to its stream.
enum Piece {
    Batch(RecordBatch),
    End,
    Failed(Error),
}

/// How a task's statement ended.
enum End {
    /// Every row came.
    Done,
    /// Nobody wants more.
    Stopped,
    /// The session can't be used any more.
    Lost(Error),
    /// The rows can't be taken; the server has more of them.
    Broken(Broken),
}

/// One statement on its way.
struct Reading {
    sql: String,
    limit: Option<Duration>,
    reader: Reader,
    sender: mpsc::Sender<Piece>,
    table: Arc<SourceTable>,
    select: Select,
    split: Option<Split>,
}

impl Reading {
    async fn run(mut self, mut lease: Lease) {
        let doing = lease.pool.doing.clone();
        let end = match lease.session() {
            Ok(session) => self.rows(&mut session.client, &doing).await,
            Err(error) => End::Lost(error),
        };
        match end {
            End::Done => {
                lease.give_back();
                let _ = self.sender.send(Piece::End).await;
            }
            End::Stopped => stop(lease).await,
            End::Lost(error) => {
                drop(lease);
                let _ = self.sender.send(Piece::Failed(error)).await;
            }
            End::Broken(broken) => {
                // A wrong value ends the run: the session need not be saved for others.
                let error = self.explain(&mut lease, broken).await;
                drop(lease);
                let _ = self.sender.send(Piece::Failed(error)).await;
            }
        }
    }

    /// Reads rows until there are no more, or nobody wants them.
    async fn rows(&mut self, client: &mut Client<Line>, doing: &str) -> End {
        let started = tokio::select! {
            () = self.sender.closed() => return End::Stopped,
            started = within(self.limit, doing, client.simple_query(self.sql.as_str())) => started,
        };
        let mut rows = match started {
            Ok(Ok(answer)) => answer.into_row_stream(),
            Ok(Err(error)) => return End::Lost(failed(doing, error)),
            Err(error) => return End::Lost(error),
        };
        loop {
            let row = match self.next(&mut rows, doing).await {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(end) => return end,
            };
            match self.reader.push(row) {
                Ok(None) => {}
                Ok(Some(batch)) => {
                    if self.sender.send(Piece::Batch(batch)).await.is_err() {
                        return End::Stopped;
                    }
                }
                Err(broken) => return End::Broken(broken),
            }
        }
        match self.reader.take() {
            Ok(Some(batch)) => {
                // Whether somebody takes it or not, the statement is done.
                let _ = self.sender.send(Piece::Batch(batch)).await;
                End::Done
            }
            Ok(None) => End::Done,
            Err(error) => End::Lost(error),
        }
    }

    /// The next row; a clock is set only to wait, since most rows are here already.
    async fn next(
        &self,
        rows: &mut BoxStream<'_, tiberius::Result<Row>>,
        doing: &str,
    ) -> Result<Option<Row>, End> {
        let next = match rows.next().now_or_never() {
            Some(next) => next,
            None => {
                let waited = tokio::select! {
                    () = self.sender.closed() => None,
                    next = within(self.limit, doing, rows.next()) => Some(next),
                };
                match waited {
                    Some(next) => next.map_err(End::Lost)?,
                    None => {
                        // The driver can stop between rows only.
                        let _ = timeout(REST_OF_ROW, rows.next()).await;
                        return Err(End::Stopped);
                    }
                }
            }
        };
        next.transpose()
            .map_err(|error| End::Lost(failed(doing, error)))
    }

    /// Names what a person needs to find the value.
    async fn explain(&self, lease: &mut Lease, broken: Broken) -> Error {
        let doing = lease.pool.doing.clone();
        let (place, row, value, why) = match broken {
            Broken::Defect(error) => return error,
            Broken::Protocol(what) => {
                return Error::new(
                    ErrorKind::Connect,
                    format!("{doing}: the server sent {what}"),
                )
                .hint("was the table altered meanwhile? run again");
            }
            Broken::Value {
                column,
                row,
                value,
                why,
            } => (column, row, value, why),
        };
        let column = match &self.select {
            Select::Columns(columns) => columns.get(place).copied(),
            Select::Aggregates(list) => list.get(place).map(|one| one.column),
        };
        let Some(column) = column.and_then(|i| self.table.columns.get(i)) else {
            return Error::internal("A value of no column is wrong");
        };
        let wrong = WrongValue {
            table: &self.table,
            column,
            split: self.split.as_ref(),
            row,
            value,
            why,
        };
        wrong.explain(lease).await
    }
}

/// Stops the work at the server before the next reader may begin.
async fn stop(mut lease: Lease) {
    let stopped = match lease.session() {
        Ok(session) => session.cancel().await,
        Err(_) => false,
    };
    if stopped {
        lease.give_back();
    }
}
