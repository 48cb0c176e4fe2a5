//! What a backend tells of its tables, their proofs and their files.

use futures::TryStreamExt;
use object_store::ObjectMeta;

use super::world::World;
use crate::backend::{Change, StoredRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::staging::Manifest;
use crate::testing::report::{Verdict, failed, holds, prepared, refused, told};
use crate::testing::rows::{difference, numbered};

/// The paths of all objects below the staging root of a table, in order.
async fn objects(world: &World, table: &str) -> Result<Vec<String>> {
    let place = world.backend.staging(world.fixture.schema(), table)?;
    let listed: Vec<ObjectMeta> = place.store.list(None).try_collect().await?;
    let mut paths: Vec<String> = listed
        .into_iter()
        .map(|object| object.location.to_string())
        .collect();
    paths.sort();
    Ok(paths)
}

pub(super) async fn probe(world: &World) -> Verdict {
    let before = (
        world.backend.tables().await?,
        objects(world, "goe_probed").await?,
    );
    world.backend.probe().await?;
    let after = (
        world.backend.tables().await?,
        objects(world, "goe_probed").await?,
    );
    holds(before == after, || format!("{after:?}, before {before:?}"))
}

pub(super) async fn tables(world: &World) -> Verdict {
    for table in ["goe_listed_b", "goe_listed_a"] {
        world
            .target(table, &[])?
            .publish(&numbered(1..=3), 1)
            .await?;
    }
    let listed = world.backend.tables().await?;
    let names: Vec<(&str, &str)> = listed
        .iter()
        .map(|entry| (entry.schema.as_str(), entry.table.as_str()))
        .collect();
    for table in ["goe_listed_a", "goe_listed_b"] {
        let wanted = (world.fixture.schema(), table);
        let times = names.iter().filter(|name| **name == wanted).count();
        holds(times == 1, || {
            format!("{table} is listed {times} times in {names:?}")
        })?;
    }
    match names.windows(2).find(|pair| pair[0] > pair[1]) {
        Some(pair) => failed(format!("{:?} stands before {:?}", pair[0], pair[1])),
        None => Ok(()),
    }
}

pub(super) async fn nothing(world: &World) -> Verdict {
    let target = world.target("goe_nothing", &[])?;
    match target.describe().await? {
        None => Ok(()),
        Some(table) => failed(format!("{table:?}")),
    }
}

pub(super) async fn described(world: &World) -> Verdict {
    let partition: &[&str] = if world.backend.facts().partitions {
        &["day"]
    } else {
        &[]
    };
    let target = world.target("goe_described", partition)?;
    let publication = target.publish(&numbered(1..=20), 1).await?;
    let Some(table) = target.describe().await? else {
        return failed("nothing is there");
    };
    let columns: Vec<(&str, _)> = table
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.canonical))
        .collect();
    for (wanted, seen) in target.definition.columns.iter().zip(&columns) {
        let fits = seen.0 == wanted.name && seen.1.holds(wanted.stored);
        holds(fits, || {
            format!("{seen:?}, not {} {}", wanted.name, wanted.stored)
        })?;
    }
    holds(columns.len() == target.definition.columns.len(), || {
        format!("{columns:?}")
    })?;
    holds(
        table.partition_columns == target.definition.partition_columns,
        || format!("partitioned by {:?}", table.partition_columns),
    )?;
    let seen = table.record;
    holds(seen.as_ref() == Some(&publication.record), || {
        format!("record {seen:?}, not {:?}", publication.record)
    })?;
    match Change::between(target.describe().await?.as_ref(), &target.definition) {
        Ok(Change::None) => Ok(()),
        other => failed(format!("it would be changed again: {other:?}")),
    }
}

pub(super) async fn occupied(world: &World) -> Verdict {
    let target = world.target("goe_occupied", &[])?;
    prepared(world.fixture.occupy("goe_occupied").await)?;
    match target.describe().await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => failed(told(&error)),
        Ok(table) => failed(format!("{table:?}")),
    }
}

pub(super) async fn estranged(world: &World) -> Verdict {
    let target = world.target("goe_strange", &[])?;
    target.publish(&numbered(1..=3), 1).await?;
    let word = prepared(world.fixture.estrange("goe_strange").await)?;
    match target.describe().await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            let named = error.message().contains(&word);
            holds(named, || {
                format!("\"{word}\" is not named: {}", told(&error))
            })
        }
        Err(error) => failed(told(&error)),
        Ok(table) => failed(format!("{table:?}")),
    }
}

pub(super) async fn statements(world: &World) -> Verdict {
    let target = world.target("goe_only_said", &[])?;
    let create = Change::Create(target.definition.clone());
    let said = world.backend.statements(&create);
    holds(said == world.backend.statements(&create), || {
        "they are others the second time".to_owned()
    })?;
    holds(world.backend.statements(&Change::None).is_empty(), || {
        "no change has a statement".to_owned()
    })?;
    match target.describe().await? {
        None => Ok(()),
        Some(table) => failed(format!("{} is there", table.name)),
    }
}

pub(super) async fn proof(world: &World) -> Verdict {
    let target = world.target("goe_proved", &[])?;
    let publication = target.publish(&numbered(1..=3), 1).await?;
    let (schema, table) = target.name();
    let record = &publication.record;
    let kept = world.backend.proof(schema, table, record).await?;
    holds(kept.as_ref() == Some(&publication.proof), || {
        format!("{kept:?}")
    })?;
    let other = StoredRecord {
        manifest: format!("{}9", record.manifest),
        ..record.clone()
    };
    match world.backend.proof(schema, table, &other).await? {
        None => Ok(()),
        Some(kept) => failed(format!("{kept} for a record that is not there")),
    }
}

pub(super) async fn no_table(world: &World) -> Verdict {
    let table = world.backend.table(world.fixture.schema(), "goe_no_table");
    refused(ErrorKind::NotFound, table.await.map(drop)).map(drop)
}

pub(super) async fn check(world: &World) -> Verdict {
    let schema = world.fixture.schema();
    let nothing = world.backend.check(schema, "goe_no_table").await?;
    let empty = nothing.files.is_empty() && nothing.flaws.is_empty();
    holds(empty, || format!("{nothing:?} where there is no table"))?;
    let target = world.target("goe_checked", &[])?;
    target.publish(&numbered(1..=30), 1).await?;
    target.publish(&numbered(31..=60), 2).await?;
    let checked = world.backend.check(schema, "goe_checked").await?;
    holds(checked.flaws.is_empty(), || format!("{:?}", checked.flaws))
}

/// The run of a manifest.
fn run_of(manifest: &Manifest) -> Result<String> {
    let run = manifest.id.split('-').next().map(str::to_owned);
    run.ok_or_else(|| Error::internal("A manifest has no run"))
}

/// The staged files that are found, in order.
async fn found(world: &World, table: &str, living: &[String], remove: bool) -> Result<Vec<String>> {
    let schema = world.fixture.schema();
    let orphans = world.backend.orphans(schema, table, living, remove);
    let mut paths: Vec<String> = orphans
        .await?
        .into_iter()
        .map(|orphan| orphan.path)
        .collect();
    paths.sort();
    Ok(paths)
}

fn paths(manifest: &Manifest) -> Vec<String> {
    let mut paths: Vec<String> = manifest
        .files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    paths.sort();
    paths
}

pub(super) async fn orphans(world: &World) -> Verdict {
    let table = "goe_littered";
    let target = world.target(table, &[])?;
    target.publish(&numbered(1..=10), 1).await?;
    let left = target.stage(&numbered(11..=20)).await?;
    let seen = found(world, table, &[], false).await?;
    holds(seen == paths(&left), || {
        format!("{seen:?}, not {:?}", paths(&left))
    })?;
    let seen = found(world, table, &[run_of(&left)?], false).await?;
    holds(seen.is_empty(), || format!("{seen:?} of a run that lives"))
}

pub(super) async fn removed(world: &World) -> Verdict {
    let table = "goe_cleaned";
    let target = world.target(table, &[])?;
    let rows = numbered(1..=10);
    target.publish(&rows, 1).await?;
    let before = objects(world, table).await?;
    let left = target.stage(&numbered(11..=20)).await?;
    let removed = found(world, table, &[], true).await?;
    holds(removed == paths(&left), || {
        format!("{removed:?} went, not {:?}", paths(&left))
    })?;
    let after = objects(world, table).await?;
    holds(before == after, || {
        format!("{after:?} is left, not {before:?}")
    })?;
    difference(&rows, &target.rows().await?).map_or(Ok(()), failed)
}
