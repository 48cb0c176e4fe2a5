//! What becomes visible, when, and by whose leave.

use std::sync::atomic::{AtomicBool, Ordering};

use super::world::{FENCE, Target, World};
use crate::error::{ErrorKind, Result};
use crate::testing::report::{Verdict, failed, holds, refused};
use crate::testing::rows::{Row, difference, numbered};

/// How often a reader is to meet a publish.
const PUBLISHES: u64 = 5;

/// How many rows each of them has.
const STEP: i64 = 200;

pub(super) async fn all_or_nothing(world: &World) -> Verdict {
    let target = world.target("goe_watched", &[])?;
    target.publish(&numbered(0..STEP), 1).await?;
    for sequence in 2..2 + PUBLISHES {
        let from = STEP * (sequence as i64 - 1);
        let manifest = target.load(&numbered(from..from + STEP)).await?;
        let publication = target.publication(&manifest, sequence);
        let ended = AtomicBool::new(false);
        let publish = async {
            let published = target.send(&publication).await;
            ended.store(true, Ordering::Relaxed);
            published
        };
        let (published, seen) = tokio::join!(publish, watch(&target, &ended));
        holds(!published?.already, || "it was there already".to_owned())?;
        for (rows, record) in seen? {
            // The rows may be of one state and the record of the next, since two calls ask for them.
            let whole = rows % STEP as usize == 0;
            let known = (sequence - 1..=sequence).contains(&record);
            holds(whole && known, || {
                format!("{rows} rows and record {record} in the middle of record {sequence}")
            })?;
        }
        let rows = target.rows().await?;
        let wanted = numbered(0..from + STEP);
        if let Some(difference) = difference(&wanted, &rows) {
            return failed(difference);
        }
    }
    Ok(())
}

/// What a reader sees, again and again until something has ended: rows, and the record's number.
async fn watch(target: &Target<'_>, ended: &AtomicBool) -> Result<Vec<(usize, u64)>> {
    let mut seen = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let rows = target.rows().await?.len();
        let record = target.record().await?.map_or(0, |record| record.sequence);
        seen.push((rows, record));
        tokio::task::yield_now().await;
    }
    Ok(seen)
}

/// The table holds these rows and this record.
async fn stands(target: &Target<'_>, rows: &[Row], sequence: u64) -> Verdict {
    if let Some(difference) = difference(rows, &target.rows().await?) {
        return failed(difference);
    }
    let record = target.record().await?.map(|record| record.sequence);
    holds(record == Some(sequence), || {
        format!("record {record:?} stands there, not {sequence}")
    })
}

pub(super) async fn twice(world: &World) -> Verdict {
    let target = world.target("goe_published_twice", &[])?;
    let rows = numbered(1..=100);
    let publication = target.publish(&rows, 1).await?;
    let again = target.send(&publication).await?;
    holds(again.already, || {
        format!("it was published again: {}", again.version)
    })?;
    stands(&target, &rows, 1).await?;
    // A holder that waited for long may ask after others went on.
    let publication = target.publish(&numbered(101..=200), 2).await?;
    let again = target.send(&publication).await?;
    holds(again.already, || {
        format!("it was published again: {}", again.version)
    })?;
    stands(&target, &numbered(1..=200), 2).await
}

pub(super) async fn conflict(world: &World) -> Verdict {
    let target = world.target("goe_continued", &[])?;
    let rows = numbered(1..=10);
    target.publish(&rows, 1).await?;
    let other = target.load(&numbered(11..=20)).await?;
    for sequence in [1, 3] {
        let mut publication = target.publication(&other, sequence);
        publication.change = crate::backend::Change::None;
        refused(ErrorKind::Conflict, target.send(&publication).await)?;
        stands(&target, &rows, 1).await?;
    }
    // Two that continue the same record: one of them does.
    let third = target.load(&numbered(21..=30)).await?;
    let (one, two) = (target.publication(&other, 2), target.publication(&third, 2));
    let (first, second) = tokio::join!(target.send(&one), target.send(&two));
    let (won, lost, more) = match (first, second) {
        (Ok(won), lost) => (won, lost, 11..=20),
        (lost, Ok(won)) => (won, lost, 21..=30),
        (Err(error), Err(_)) => return Err(error.into()),
    };
    holds(!won.already, || "it was there already".to_owned())?;
    refused(ErrorKind::Conflict, lost)?;
    stands(&target, &numbered((1..=10).chain(more)), 2).await
}

pub(super) async fn fenced(world: &World) -> Verdict {
    let target = world.target("goe_fenced", &[])?;
    let rows = numbered(1..=10);
    target.publish(&rows, 1).await?;
    let manifest = target.load(&numbered(11..=20)).await?;
    let mut publication = target.publication(&manifest, 2);
    publication.record.fence = FENCE - 1;
    refused(ErrorKind::Locked, target.send(&publication).await)?;
    stands(&target, &rows, 1).await?;
    publication.record.fence = FENCE + 1;
    holds(!target.send(&publication).await?.already, || {
        "it was there already".to_owned()
    })?;
    stands(&target, &numbered(1..=20), 2).await
}
