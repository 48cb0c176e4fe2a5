//! What readers see of a source that changes.

use super::world::{World, all_rows, batches, request, rows_by_splits};
use crate::error::ErrorKind;
use crate::frontend::{Split, Splits};
use crate::testing::report::{Miss, Verdict, failed, holds, prepared, refused, skipped, told};
use crate::testing::rows::{difference, numbered};

/// So many bytes a split: small enough that a table of some rows has several.
const SPLIT_BYTES: u64 = 1000;

pub(super) async fn splits_are_open(world: &World) -> Verdict {
    let table = "goe_growing";
    prepared(world.fixture.make(table, &numbered(0..500)).await)?;
    let source = world.open(table).await?;
    let Splits { list, .. } = source.splits(SPLIT_BYTES).await?;
    holds(!list.is_empty(), || "no split".to_owned())?;
    prepared(
        world
            .fixture
            .insert(table, &numbered([-70_000, 70_000]))
            .await,
    )?;
    let snapshot = source.snapshot(1).await?;
    let read = rows_by_splits(&source, &snapshot, &list).await?;
    let wanted = numbered([-70_000].into_iter().chain(0..500).chain([70_000]));
    difference(&wanted, &read).map_or(Ok(()), failed)
}

pub(super) async fn one_state(world: &World) -> Verdict {
    let (table, rows) = ("goe_written", numbered(1..=50));
    prepared(world.fixture.make(table, &rows).await)?;
    let source = world.open(table).await?;
    let snapshot = source.snapshot(2).await?;
    if let Some(why) = &snapshot.facts().mixed {
        return skipped(format!("it is mixed: {why}"));
    }
    prepared(world.fixture.insert(table, &numbered(51..=60)).await)?;
    for _ in 0..=snapshot.facts().readers {
        let read = all_rows(&source, &snapshot).await?;
        if let Some(difference) = difference(&rows, &read) {
            return failed(difference);
        }
    }
    Ok(())
}

pub(super) async fn same_again(world: &World) -> Verdict {
    let (table, rows) = ("goe_again", numbered(1..=50));
    prepared(world.fixture.make(table, &rows).await)?;
    let source = world.open(table).await?;
    let first = source.snapshot(1).await?;
    if !first.facts().again {
        return skipped("a state there is gone with its sessions");
    }
    let label = first.facts().label.clone();
    drop(first);
    prepared(world.fixture.insert(table, &numbered(51..=60)).await)?;
    let (source, again) = world.opened(table).await?;
    holds(again.facts().label == label, || {
        format!("{label} is {} now", again.facts().label)
    })?;
    let read = all_rows(&source, &again).await?;
    difference(&rows, &read).map_or(Ok(()), failed)
}

pub(super) async fn altered(world: &World) -> Verdict {
    let changed = refuses_altered(world).await;
    match (changed, refuses_dropped(world).await) {
        // One of the two ways is a try.
        (Ok(()), Err(Miss::Skipped(_))) | (Err(Miss::Skipped(_)), Ok(())) => Ok(()),
        (Ok(()), dropped) => dropped,
        (changed, _) => changed,
    }
}

async fn refuses_altered(world: &World) -> Verdict {
    let table = "goe_altered";
    prepared(world.fixture.make(table, &numbered(1..=3)).await)?;
    let source = world.open(table).await?;
    prepared(world.fixture.alter(table).await)?;
    refused(ErrorKind::Conflict, source.snapshot(1).await).map(drop)
}

async fn refuses_dropped(world: &World) -> Verdict {
    let table = "goe_dropped";
    prepared(world.fixture.make(table, &numbered(1..=3)).await)?;
    let source = world.open(table).await?;
    prepared(world.fixture.drop_table(table).await)?;
    refused(ErrorKind::Conflict, source.snapshot(1).await).map(drop)
}

pub(super) async fn read_only(world: &World) -> Verdict {
    let predicate = prepared(world.fixture.writing())?;
    let table = "goe_written_to";
    prepared(world.fixture.make(table, &numbered(1..=3)).await)?;
    let (source, snapshot) = world.opened(table).await?;
    let split = Split {
        predicate: Some(predicate),
        ..Split::default()
    };
    match batches(&snapshot, Some(&split), &request(&source)?).await {
        Ok(_) => failed("it wrote"),
        Err(_) => Ok(()),
    }
}

pub(super) async fn spoilt(world: &World) -> Verdict {
    const KEY: i64 = 321;
    let table = "goe_spoilt";
    prepared(world.fixture.make(table, &numbered(1..=1000)).await)?;
    let spoilt = prepared(world.fixture.spoil(table, KEY).await)?;
    let (source, snapshot) = world.opened(table).await?;
    let error = match batches(&snapshot, None, &request(&source)?).await {
        Ok(read) => {
            let rows: usize = read.iter().map(|batch| batch.num_rows()).sum();
            return failed(format!("{rows} rows and no error"));
        }
        Err(error) => error,
    };
    holds(error.kind() == ErrorKind::Data, || told(&error))?;
    let text = format!("{} {:?}", error.message(), error.facts());
    for part in [table, &spoilt.column, &KEY.to_string(), &spoilt.value] {
        holds(text.contains(part), || format!("no \"{part}\" in: {text}"))?;
    }
    Ok(())
}
