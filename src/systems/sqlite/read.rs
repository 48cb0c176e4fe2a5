//! Reading a split: a thread that may block takes rows out of the table's pages or steps a statement,
//! and sends batches over a bounded channel; dropping the stream stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use rusqlite::types::ValueRef;
use rusqlite::{Connection as Database, Row};
use tokio::sync::mpsc;

use super::catalog::Access;
use super::decode::{ColumnReader, FIXED_BYTES, column_reader, sum_reader, variable_bytes};
use super::pages::{Pages, Place, Rows, Walked};
use super::snapshot::{Inner, Loan};
use super::splits::RowidRange;
use super::temporal::has_zone;
use super::types::{Form, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::frontend::{
    Aggregate, AggregateFunction, BatchLimits, ReadRequest, Select, Split, request_schema,
    select_sql,
};
use crate::schema::{CanonicalType, Column, shorten};

/// How many batches may wait for who reads them.
const WAITING: usize = 1;

/// How many steps SQLite takes between two looks at whether anyone listens: well under a
/// millisecond.
const OPERATIONS: i32 = 10_000;

/// How many bytes of a value that is no text a message shows.
const SHOWN: usize = 32;

/// What the reading thread sends: batches, then how it ended. A thread that is gone without a
/// word must not look like the end of the rows.
enum Sent {
    Batch(RecordBatch),
    End(Result<()>),
}

/// The rows of a split and how they are read.
pub(super) struct Reader {
    inner: Arc<Inner>,
    split: Option<Split>,
    /// The request, with the columns that name the row after the others.
    asked: ReadRequest,
    schema: SchemaRef,
    columns: Vec<ReadColumn>,
    /// How many columns name the row.
    key: usize,
    limits: BatchLimits,
    /// Where values are, if the rows can be taken out of pages.
    direct: Option<Direct>,
}

/// A range of rows, and where the values of each are.
struct Direct {
    rowid: &'static str,
    range: RowidRange,
    places: Vec<Place>,
}

/// One row, which is asked for the values of a [`Reader`]'s columns by their position.
trait Values {
    fn value(&self, i: usize) -> rusqlite::Result<ValueRef<'_>>;
}

impl Values for Row<'_> {
    fn value(&self, i: usize) -> rusqlite::Result<ValueRef<'_>> {
        self.get_ref(i)
    }
}

/// A row of a page.
struct Placed<'a> {
    rows: &'a Rows<'a>,
    row: usize,
    places: &'a [Place],
}

impl Values for Placed<'_> {
    #[inline]
    fn value(&self, i: usize) -> rusqlite::Result<ValueRef<'_>> {
        Ok(self.rows.value(self.row, self.places[i]))
    }
}

/// One column of a statement.
struct ReadColumn {
    /// Its column of the table; `None` for a count of rows.
    position: Option<usize>,
    how: How,
    nullable: bool,
}

enum How {
    Values(Reading),
    Sum { scale: u8 },
}

impl Reader {
    /// How a request is read.
    pub(super) fn new(
        inner: &Arc<Inner>,
        split: Option<&Split>,
        request: &ReadRequest,
    ) -> Result<Self> {
        let table = &inner.described.table;
        let schema = request_schema(table, &request.select);
        let mut asked = request.clone();
        let mut key = 0;
        let columns = match &mut asked.select {
            Select::Columns(positions) => {
                let columns = positions
                    .iter()
                    .map(|&i| ReadColumn::of(i, &table.columns[i]));
                let columns = columns.collect();
                positions.extend(&inner.key);
                key = inner.key.len();
                columns
            }
            Select::Aggregates(aggregates) => {
                let column = |aggregate: &Aggregate| ReadColumn::aggregate(inner, *aggregate);
                aggregates
                    .iter()
                    .map(column)
                    .collect::<Result<Vec<ReadColumn>>>()?
            }
        };
        Ok(Self {
            inner: Arc::clone(inner),
            split: split.cloned(),
            direct: direct(inner, split, &asked),
            asked,
            schema,
            columns,
            key,
            limits: request.batch,
        })
    }

    fn run(&self, database: &Database, sender: &mpsc::Sender<Sent>) -> Result<()> {
        fault::source()?;
        let mut batch = Batch::new(self);
        let listened = match self.take_pages(database, &mut batch, sender)? {
            Walked::All => true,
            Walked::Stopped => false,
            Walked::Until(rowid) => self.step(database, rowid, &mut batch, sender)?,
        };
        if listened && batch.rows > 0 {
            // Nobody listens to an error of sending: the receiver is gone.
            let _ = sender.blocking_send(Sent::Batch(batch.finish()?));
        }
        Ok(())
    }

    /// Takes rows out of pages as far as they are there.
    fn take_pages(
        &self,
        database: &Database,
        batch: &mut Batch<'_>,
        sender: &mpsc::Sender<Sent>,
    ) -> Result<Walked> {
        let name = &self.inner.described.table.name.table;
        let Some(direct) = &self.direct else {
            return Ok(Walked::Until(i64::MIN));
        };
        let Some(mut pages) = Pages::open(database, self.inner.location.name(), name)? else {
            return Ok(Walked::Until(i64::MIN));
        };
        let places = &direct.places;
        pages.scan(direct.range, places, |rows| {
            if batch.take_all(rows, places)? {
                return Ok(true);
            }
            for row in 0..rows.len() {
                if !send(batch.push(&Placed { rows, row, places })?, sender) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Steps the statement of the rows from a rowid on; `false` where nobody listens any more.
    fn step(
        &self,
        database: &Database,
        from: i64,
        batch: &mut Batch<'_>,
        sender: &mpsc::Sender<Sent>,
    ) -> Result<bool> {
        let failed = |error| self.inner.error(error);
        let mut statement = database.prepare(&self.sql(from)).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !send(batch.push(row)?, sender) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The statement of the rows from a rowid on.
    fn sql(&self, from: i64) -> String {
        let mut split = self.split.clone();
        if let Some(Direct { rowid, .. }) = self.direct
            && from > i64::MIN
        {
            let rest = format!("{rowid} >= {from}");
            let all = split.get_or_insert_default();
            all.predicate = Some(match all.predicate.take() {
                Some(predicate) => format!("({predicate}) AND {rest}"),
                None => rest,
            });
        }
        let dialect = self.inner.dialect.as_ref();
        select_sql(dialect, &self.inner.keyed, split.as_ref(), &self.asked)
    }

    /// The error of a value that breaks its column's declaration.
    fn broken(&self, row: &impl Values, column: &ReadColumn, value: ValueRef<'_>) -> Error {
        let table = &self.inner.described.table;
        let Some(position) = column.position else {
            return Error::internal("SQLite counted in something else than integers");
        };
        let name = &table.columns[position].name;
        let expected = match &column.how {
            _ if matches!(value, ValueRef::Null) => "a value: it is declared NOT NULL".to_owned(),
            How::Values(reading) => reading.expectation(),
            How::Sum { .. } => "a sum".to_owned(),
        };
        let message = format!(
            "Column \"{name}\" of \"{}\" holds {} at {}; expected {expected}",
            table.name,
            describe(value),
            self.place(row),
        );
        Error::new(ErrorKind::Data, message).hint(hint(name, column, value))
    }

    /// What names the row: `rowid 7`, or its primary key.
    fn place(&self, row: &impl Values) -> String {
        let names = self
            .inner
            .key
            .iter()
            .map(|&i| &self.inner.keyed.columns[i].name);
        let values = (self.columns.len()..self.columns.len() + self.key).map(|i| row.value(i));
        let parts: Vec<String> = names
            .zip(values)
            .map(|(name, value)| format!("{name} {}", value.map(describe).unwrap_or_default()))
            .collect();
        if parts.is_empty() {
            "a row without a key".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// How a request's rows are taken out of pages: where it wants all rows of a range, as they are.
fn direct(inner: &Inner, split: Option<&Split>, asked: &ReadRequest) -> Option<Direct> {
    let (Access::Rowid(rowid), Some(layout)) = (&inner.described.access, &inner.described.layout)
    else {
        return None;
    };
    let Select::Columns(columns) = &asked.select else {
        return None;
    };
    if asked.filter.is_some() || asked.limit.is_some() {
        return None;
    }
    Some(Direct {
        rowid,
        range: RowidRange::of(split, rowid)?,
        places: columns.iter().map(|&i| layout.place(i)).collect(),
    })
}

/// Sends a batch that is full; `false` where nobody listens any more.
fn send(full: Option<RecordBatch>, sender: &mpsc::Sender<Sent>) -> bool {
    full.is_none_or(|full| sender.blocking_send(Sent::Batch(full)).is_ok())
}

impl ReadColumn {
    fn of(position: usize, column: &Column) -> Self {
        let how = How::Values(Reading::of(&column.native));
        Self {
            position: Some(position),
            how,
            nullable: column.nullable,
        }
    }

    fn aggregate(inner: &Inner, aggregate: Aggregate) -> Result<Self> {
        if aggregate.function == AggregateFunction::Rows {
            let how = How::Values(Reading::Integer);
            return Ok(Self {
                position: None,
                how,
                nullable: false,
            });
        }
        let column = &inner.described.table.columns[aggregate.column];
        if !inner.dialect.computes(aggregate.function, column) {
            let message = format!(
                "SQLite can't compute an exact {:?} of column \"{}\" of type \"{}\"",
                aggregate.function, column.name, column.native
            );
            return Err(Error::unsupported(message).hint("prove by checksum: --verify checksum"));
        }
        let how = match aggregate.function {
            AggregateFunction::Sum => How::Sum {
                scale: scale(column.canonical),
            },
            AggregateFunction::Min | AggregateFunction::Max => {
                How::Values(Reading::of(&column.native))
            }
            AggregateFunction::Rows | AggregateFunction::Count => How::Values(Reading::Integer),
        };
        Ok(Self {
            position: Some(aggregate.column),
            how,
            nullable: true,
        })
    }

    fn is_variable(&self) -> bool {
        let How::Values(reading) = self.how else {
            return false;
        };
        matches!(
            reading,
            Reading::Text { .. } | Reading::ByValue | Reading::Bytes
        )
    }

    fn reader(&self, rows: usize) -> Box<dyn ColumnReader> {
        match self.how {
            How::Values(reading) => column_reader(reading, rows),
            How::Sum { scale } => sum_reader(scale),
        }
    }
}

fn scale(canonical: CanonicalType) -> u8 {
    match canonical {
        CanonicalType::Decimal { scale, .. } => scale,
        _ => 0,
    }
}

/// The batch that is being filled.
struct Batch<'a> {
    reader: &'a Reader,
    columns: Vec<Box<dyn ColumnReader>>,
    /// Whether a column holds values of any size.
    variable: Vec<bool>,
    rows: usize,
    bytes: usize,
}

impl<'a> Batch<'a> {
    fn new(reader: &'a Reader) -> Self {
        // Builders grow by themselves; wide tables rarely fill that many rows.
        let rows = reader
            .limits
            .rows
            .min(1 + 1_000_000 / (reader.columns.len() + 1));
        let columns = reader
            .columns
            .iter()
            .map(|column| column.reader(rows))
            .collect();
        let variable = reader.columns.iter().map(ReadColumn::is_variable).collect();
        Self {
            reader,
            columns,
            variable,
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a row; gives back the batch that had no room for it.
    fn push(&mut self, row: &impl Values) -> Result<Option<RecordBatch>> {
        let full = if self.rows < self.reader.limits.rows.max(1) && self.take(row)? {
            None
        } else if self.rows == 0 {
            return Err(Error::internal("A batch has no room for its first row"));
        } else {
            let full = self.finish()?;
            self.take(row)?;
            Some(full)
        };
        self.rows += 1;
        Ok(full)
    }

    /// Appends a row's values; `false` where the batch has no room for them all. A value is asked
    /// for once, so those before the one that is too much are appended then; the first row of a
    /// batch always has room.
    fn take(&mut self, row: &impl Values) -> Result<bool> {
        let mut bytes = self.bytes + self.columns.len() * FIXED_BYTES;
        for (i, column) in self.reader.columns.iter().enumerate() {
            let value = row
                .value(i)
                .map_err(|error| self.reader.inner.error(error))?;
            if self.variable[i] {
                bytes += variable_bytes(value);
            }
            if bytes > self.reader.limits.bytes && self.rows > 0 {
                return Ok(false);
            }
            let taken = self.columns[i].push_any(value, column.nullable);
            taken.ok_or_else(|| self.reader.broken(row, column, value))?;
        }
        self.bytes = bytes;
        Ok(true)
    }

    /// Appends the values of rows, column by column; `false` where the batch has no room for them all,
    /// and nothing was appended.
    fn take_all(&mut self, rows: &Rows<'_>, places: &[Place]) -> Result<bool> {
        let limits = &self.reader.limits;
        let mut bytes = self.bytes + rows.len() * self.columns.len() * FIXED_BYTES;
        for (place, _) in places.iter().zip(&self.variable).filter(|(_, is)| **is) {
            bytes += rows.variable_bytes(*place);
        }
        if self.rows + rows.len() > limits.rows || bytes > limits.bytes {
            return Ok(false);
        }
        let mut broken = None;
        for (i, column) in self.reader.columns.iter().enumerate() {
            if let Err(row) = self.columns[i].push_all(rows, places[i], column.nullable)
                && broken.is_none_or(|(first, _)| row < first)
            {
                broken = Some((row, i));
            }
        }
        if let Some((row, i)) = broken {
            let value = rows.value(row, places[i]);
            let row = Placed { rows, row, places };
            return Err(self.reader.broken(&row, &self.reader.columns[i], value));
        }
        self.rows += rows.len();
        self.bytes = bytes;
        Ok(true)
    }

    /// The batch; values of a row that it had no room for are left out.
    fn finish(&mut self) -> Result<RecordBatch> {
        let rows = self.rows;
        let whole = self.columns.iter_mut().map(|column| column.finish());
        let columns = whole.map(|array| Ok(array?.slice(0, rows)));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.reader.schema);
        (self.rows, self.bytes) = (0, 0);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

/// Held by the stream: tells the thread that nobody listens any more.
struct GoneOnDrop(Arc<AtomicBool>);

impl Drop for GoneOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets SQLite ask now and then whether anyone still listens. Unlike an interrupt, which is lost
/// on a statement that has not begun and may hit the next one, this holds for one statement.
fn watch(database: &Database, gone: &Arc<AtomicBool>) {
    let gone = Arc::clone(gone);
    database.progress_handler(OPERATIONS, Some(move || gone.load(Ordering::Relaxed)));
}

fn unwatch(database: &Database) {
    database.progress_handler(0, None::<fn() -> bool>);
}

/// Starts reading and gives the stream of batches.
pub(super) fn stream(reader: Reader, loan: Loan) -> SendableRecordBatchStream {
    let gone = Arc::new(AtomicBool::new(false));
    let on_drop = GoneOnDrop(Arc::clone(&gone));
    let schema = Arc::clone(&reader.schema);
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let ended = loan.database().and_then(|database| {
            watch(database, &gone);
            let ended = reader.run(database, &sender);
            unwatch(database);
            ended
        });
        // The connection is free for the next split before the last word is heard.
        drop(loan);
        let _ = sender.blocking_send(Sent::End(ended));
    });
    let batches = stream::unfold(Some((receiver, on_drop)), |state| async move {
        let (mut receiver, on_drop) = state?;
        match receiver.recv().await {
            Some(Sent::Batch(batch)) => Some((Ok(batch), Some((receiver, on_drop)))),
            Some(Sent::End(Ok(()))) => None,
            Some(Sent::End(Err(error))) => Some((Err(DataFusionError::from(error)), None)),
            None => {
                let error = Error::internal("The reading thread of SQLite ended without a word");
                Some((Err(error.into()), None))
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// A value for a message, short and with its storage class where that is not plain.
fn describe(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => format!("\"{}\"", shorten(text)),
            Err(_) => format!("the invalid text {}", hexadecimal(text)),
        },
        ValueRef::Blob(bytes) => format!("the blob {}", hexadecimal(bytes)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let shown: String = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes.len() > SHOWN {
        format!("x'{shown}…' ({} bytes)", bytes.len())
    } else {
        format!("x'{shown}'")
    }
}

/// What to do about a value.
fn hint(name: &str, column: &ReadColumn, value: ValueRef<'_>) -> String {
    let zoned = matches!(value, ValueRef::Text(text) if has_zone(text));
    let bytes = match value {
        ValueRef::Blob(_) => true,
        ValueRef::Text(text) => std::str::from_utf8(text).is_err(),
        _ => false,
    };
    let number = matches!(value, ValueRef::Integer(_) | ValueRef::Real(_));
    let form = match column.how {
        _ if bytes => "bytes: --read-as COLUMN=blob",
        How::Values(Reading::Timestamp { .. }) if zoned => "instants: --read-as COLUMN=timestamptz",
        How::Values(
            Reading::Date(Form::Iso)
            | Reading::Timestamp {
                form: Form::Iso, ..
            },
        ) if number => "a number of days or seconds: --read-as COLUMN=julian (or unix, unix_ms)",
        How::Values(Reading::Date(Form::Iso)) if matches!(value, ValueRef::Text(_)) => {
            "what it holds: --read-as COLUMN=timestamp (or text)"
        }
        _ => "text: --read-as COLUMN=text",
    };
    if matches!(value, ValueRef::Null) {
        return "correct the row".to_owned();
    }
    format!(
        "correct the row, or read the column as {}",
        form.replace("COLUMN", name)
    )
}
