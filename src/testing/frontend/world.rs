//! A frontend with the tables that most checks read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;

use super::FrontendFixture;
use crate::error::Result;
use crate::frontend::{
    BatchLimits, Frontend, OpenOptions, ReadRequest, Select, Snapshot, Source, Split,
};
use crate::schema::pick;
use crate::testing::report::{Verdict, failed};
use crate::testing::rows::{COLUMNS, Row, numbered, rows_of};

/// The table of many rows.
pub(super) const MANY: &str = "goe_many";

/// The table without a row.
pub(super) const NONE: &str = "goe_none";

/// How many rows the first of them has: more than any driver reads ahead, one by one.
const ROWS: i64 = 2000;

/// What a frontend is tried on.
pub(super) struct World {
    pub(super) fixture: Arc<dyn FrontendFixture>,
    pub(super) frontend: Arc<dyn Frontend>,
    /// The rows of [`MANY`], in order.
    pub(super) rows: Vec<Row>,
}

impl World {
    pub(super) async fn new(fixture: Arc<dyn FrontendFixture>) -> Result<Self> {
        let rows = numbered(1..=ROWS);
        fixture.make(MANY, &rows).await?;
        fixture.make(NONE, &[]).await?;
        Ok(Self {
            frontend: fixture.frontend(),
            fixture,
            rows,
        })
    }

    pub(super) async fn open(&self, table: &str) -> Result<Arc<dyn Source>> {
        let options = OpenOptions::default();
        let schema = self.fixture.schema();
        self.frontend.open(schema, table, &options).await
    }

    /// A table and one reader of it.
    pub(super) async fn opened(&self, table: &str) -> Result<(Arc<dyn Source>, Arc<dyn Snapshot>)> {
        let source = self.open(table).await?;
        let snapshot = source.snapshot(1).await?;
        Ok((source, snapshot))
    }
}

/// Where the columns of a row are in a table.
pub(super) fn positions(source: &Arc<dyn Source>) -> Verdict<[usize; 4]> {
    let columns = &source.table().columns;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut found = [0; 4];
    for (place, name) in found.iter_mut().zip(COLUMNS) {
        let exact = pick(name, names.iter().copied());
        match exact.and_then(|exact| names.iter().position(|known| *known == exact)) {
            Some(position) => *place = position,
            None => return failed(format!("no column \"{name}\" among {}", names.join(", "))),
        }
    }
    Ok(found)
}

/// A request for whole rows.
pub(super) fn request(source: &Arc<dyn Source>) -> Verdict<ReadRequest> {
    Ok(ReadRequest::columns(positions(source)?.to_vec()))
}

/// A request for the ids, in batches of one row.
pub(super) fn one_by_one() -> ReadRequest {
    ReadRequest {
        select: Select::Columns(vec![0]),
        filter: None,
        limit: None,
        batch: BatchLimits {
            rows: 1,
            bytes: 1 << 20,
        },
    }
}

/// All batches of a read.
pub(super) async fn batches(
    snapshot: &Arc<dyn Snapshot>,
    split: Option<&Split>,
    request: &ReadRequest,
) -> Result<Vec<RecordBatch>> {
    Ok(snapshot.read(split, request).await?.try_collect().await?)
}

/// All rows of a table by one reader, in order.
pub(super) async fn all_rows(
    source: &Arc<dyn Source>,
    snapshot: &Arc<dyn Snapshot>,
) -> Verdict<Vec<Row>> {
    let read = batches(snapshot, None, &request(source)?).await?;
    Ok(rows_of(&read)?)
}

/// All rows of a table, split by split, in order.
pub(super) async fn rows_by_splits(
    source: &Arc<dyn Source>,
    snapshot: &Arc<dyn Snapshot>,
    splits: &[Split],
) -> Verdict<Vec<Row>> {
    let request = request(source)?;
    let mut read = Vec::new();
    for split in splits {
        read.extend(batches(snapshot, Some(split), &request).await?);
    }
    Ok(rows_of(&read)?)
}

/// How many rows batches have.
pub(super) fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}
