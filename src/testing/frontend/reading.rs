//! How rows come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, RecordBatch};
use futures::StreamExt;

use super::world::{
    MANY, NONE, World, all_rows, batches as read, count, one_by_one, positions, request,
};
use crate::frontend::{BatchLimits, ReadRequest, Snapshot, request_schema};
use crate::testing::report::{Verdict, failed, holds, prepared, skipped};
use crate::testing::rows::difference;

/// How long the source may work on after nobody reads any longer.
const STOPS: Duration = Duration::from_secs(5);

/// What is not there by then waits.
const WAITS: Duration = Duration::from_millis(500);

pub(super) async fn empty(world: &World) -> Verdict {
    let (source, snapshot) = world.opened(NONE).await?;
    let splits = source.splits(1).await?;
    holds(splits.list.len() == 1, || {
        format!("{} splits", splits.list.len())
    })?;
    let rows = read(&snapshot, splits.list.first(), &request(&source)?).await?;
    holds(count(&rows) == 0, || format!("{} rows", count(&rows)))
}

pub(super) async fn one_split(world: &World) -> Verdict {
    let source = world.open(MANY).await?;
    let whole = source.splits(u64::MAX).await?;
    holds(whole.list.len() == 1, || {
        format!("{} splits of any size", whole.list.len())
    })?;
    let cut = source.splits(1000).await?;
    holds(cut.list.len() > 1 || cut.reason.is_some(), || {
        format!("one split ({}) and no reason", cut.kind)
    })
}

pub(super) async fn readers(world: &World) -> Verdict {
    let source = world.open(MANY).await?;
    for wanted in [1, 3] {
        let readers = source.snapshot(wanted).await?.facts().readers;
        holds((1..=wanted).contains(&readers), || {
            format!("{readers} readers of {wanted}")
        })?;
    }
    Ok(())
}

pub(super) async fn typed(world: &World) -> Verdict {
    let (source, snapshot) = world.opened(MANY).await?;
    let rows = all_rows(&source, &snapshot).await?;
    if let Some(difference) = difference(&world.rows, &rows) {
        return failed(difference);
    }
    let [id, name, _, day] = positions(&source)?;
    for columns in [vec![day, id], vec![name], vec![name, id, day]] {
        let request = ReadRequest::columns(columns);
        let wanted = request_schema(source.table(), &request.select);
        for batch in read(&snapshot, None, &request).await? {
            let shape = |schema: &arrow::datatypes::Schema| {
                let fields = schema.fields().iter();
                let shape = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
                shape.collect::<Vec<_>>().join(", ")
            };
            let (seen, wanted) = (shape(&batch.schema()), shape(&wanted));
            holds(seen == wanted, || format!("({seen}), not ({wanted})"))?;
        }
    }
    Ok(())
}

pub(super) async fn limit(world: &World) -> Verdict {
    let (source, snapshot) = world.opened(MANY).await?;
    for limit in [1, 700, world.rows.len() + 1] {
        let request = ReadRequest {
            limit: Some(limit),
            ..request(&source)?
        };
        let rows = count(&read(&snapshot, None, &request).await?);
        holds(rows == limit.min(world.rows.len()), || {
            format!("{rows} rows for a limit of {limit}")
        })?;
    }
    Ok(())
}

pub(super) async fn one_more_waits(world: &World) -> Verdict {
    let source = world.open(MANY).await?;
    let snapshot = source.snapshot(2).await?;
    let mut open = Vec::new();
    for _ in 0..snapshot.facts().readers {
        let mut stream = snapshot.read(None, &one_by_one()).await?;
        holds(stream.next().await.is_some(), || {
            "a stream without rows".to_owned()
        })?;
        open.push(stream);
    }
    let waiting = Arc::clone(&snapshot);
    let mut one_more = Box::pin(first_batch(waiting, one_by_one()));
    if tokio::time::timeout(WAITS, &mut one_more).await.is_ok() {
        return failed(format!("{} streams are open at once", open.len() + 1));
    }
    open.pop();
    match tokio::time::timeout(STOPS, one_more).await {
        Ok(batch) => batch.map(drop),
        Err(_) => failed("it waits still, though a reader is free"),
    }
}

async fn first_batch(snapshot: Arc<dyn Snapshot>, request: ReadRequest) -> Verdict<RecordBatch> {
    let mut stream = snapshot.read(None, &request).await?;
    match stream.next().await {
        Some(Ok(batch)) => Ok(batch),
        Some(Err(error)) => failed(error.to_string()),
        None => failed("a stream without rows"),
    }
}

pub(super) async fn batches(world: &World) -> Verdict {
    let (source, snapshot) = world.opened(MANY).await?;
    for (rows, bytes) in [(7, 1 << 20), (1000, 500), (1, 1), (8192, 8 << 20)] {
        let request = ReadRequest {
            batch: BatchLimits { rows, bytes },
            ..request(&source)?
        };
        let batches = read(&snapshot, None, &request).await?;
        let all = count(&batches);
        holds(all == world.rows.len(), || format!("{all} rows"))?;
        for batch in &batches {
            let (held, size) = (batch.num_rows(), text_bytes(batch));
            holds(held <= rows, || format!("{held} rows of {rows}"))?;
            holds(size <= bytes || held == 1, || {
                format!("{size} bytes of text alone, of {bytes}")
            })?;
        }
    }
    Ok(())
}

/// Bytes of a batch's texts: less than all that counts, whatever a system counts.
fn text_bytes(batch: &RecordBatch) -> usize {
    let texts = arrow::compute::cast(batch.column(1), &arrow::datatypes::DataType::Utf8);
    let texts = texts.map(|texts| {
        let texts = arrow::array::AsArray::as_string::<i32>(&texts);
        let lengths = (0..texts.len()).map(|row| texts.value_length(row).unsigned_abs() as usize);
        lengths.sum()
    });
    texts.unwrap_or_default()
}

pub(super) async fn dropped(world: &World) -> Verdict {
    let endless = world.fixture.endless().await;
    let relation = match prepared(endless) {
        Ok(name) => name,
        // A table of many rows, read one by one, is not read to its end either.
        Err(_) => MANY.to_owned(),
    };
    let (_, snapshot) = world.opened(&relation).await?;
    for _ in 0..3 {
        let stream = snapshot.read(None, &one_by_one()).await?;
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(stream);
    }
    let begun = Instant::now();
    let again = first_batch(Arc::clone(&snapshot), one_by_one());
    match tokio::time::timeout(STOPS, again).await {
        Ok(batch) => drop(batch?),
        Err(_) => return failed("the reader is not free after 5 s"),
    }
    while prepared(world.fixture.working().await).unwrap_or(0) > 0 {
        if begun.elapsed() > STOPS {
            return failed("the source works on after 5 s");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    match relation == MANY && prepared(world.fixture.working().await).is_err() {
        true => skipped("only its reader is known to be free: no relation there is without an end"),
        false => Ok(()),
    }
}
