//! What is staged and loaded, and what is read of it.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::scalar::ScalarValue;

use super::world::{Target, World};
use crate::backend::{LoadedProof, Scope, TargetColumn};
use crate::error::ErrorKind;
use crate::schema::PartitionHashes;
use crate::staging::Manifest;
use crate::testing::report::{Verdict, failed, holds, skipped, told};
use crate::testing::rows::{Row, difference, numbered};

/// How many read at once.
const READERS: usize = 2;

fn same(wanted: &[Row], seen: &[Row]) -> Verdict {
    difference(wanted, seen).map_or(Ok(()), failed)
}

pub(super) async fn unseen(world: &World) -> Verdict {
    let target = world.target("goe_unseen", &[])?;
    target.load(&numbered(1..=10)).await?;
    match target.describe().await? {
        None => {}
        Some(table) => return failed(format!("{} is there: {}", table.name, table.version)),
    }
    let (rows, more) = (numbered(1..=10), numbered(11..=20));
    target.publish(&rows, 1).await?;
    let before = target.describe().await?;
    target.load(&more).await?;
    same(&rows, &target.rows().await?)?;
    let after = target.describe().await?;
    holds(before == after, || format!("{after:?}, before {before:?}"))
}

pub(super) async fn twice(world: &World) -> Verdict {
    let target = world.target("goe_loaded_twice", &[])?;
    let rows = numbered(1..=100);
    let manifest = target.load(&rows).await?;
    world.backend.load(&target.definition, &manifest).await?;
    let staged = world.backend.staged(&target.definition, &manifest).await?;
    same(&rows, &world.rows(staged).await?)?;
    target
        .send(&target.publication(&manifest, 1))
        .await
        .map(drop)?;
    same(&rows, &target.rows().await?)
}

async fn hashes(target: &Target<'_>, scope: Scope<'_>) -> Verdict<PartitionHashes> {
    let backend = &target.world.backend;
    let mut hashes = backend.hashes(&target.definition, scope, READERS).await?;
    hashes.retain(|_, sums| sums.rows > 0);
    Ok(hashes)
}

fn same_hashes(wanted: &PartitionHashes, seen: &PartitionHashes) -> Verdict {
    let rows = |hashes: &PartitionHashes| -> u64 { hashes.values().map(|sums| sums.rows).sum() };
    holds(wanted == seen, || {
        let (wanted, seen) = (rows(wanted), rows(seen));
        format!("sums of {seen} rows that are not those of the {wanted} staged")
    })
}

pub(super) async fn hashes_of_manifest(world: &World) -> Verdict {
    let target = world.target("goe_hashed", &[])?;
    target.publish(&numbered(1..=50), 1).await?;
    let (one, other) = (numbered(51..=500), numbered(501..=510));
    let one = target.load(&one).await?;
    let other = target.load(&other).await?;
    for manifest in [&one, &other] {
        let seen = hashes(&target, Scope::Manifest(manifest)).await?;
        same_hashes(&manifest.hashes(), &seen)?;
    }
    Ok(())
}

pub(super) async fn hashes_of_published(world: &World) -> Verdict {
    let partition: &[&str] = if world.backend.facts().partitions {
        &["day"]
    } else {
        &[]
    };
    let target = world.target("goe_hashed_by_day", partition)?;
    let first = target.publish(&numbered(1..=20), 1).await?;
    let second = target.publish(&numbered(15..=40), 2).await?;
    let mut wanted = first.manifest.hashes();
    for (partition, sums) in second.manifest.hashes() {
        wanted.entry(partition).or_default().add(&sums);
    }
    let seen = hashes(&target, Scope::Published).await?;
    same_hashes(&wanted, &seen)
}

/// A table with rows, and a manifest that was loaded beside them.
async fn loaded<'a>(world: &'a World, table: &str) -> Verdict<(Target<'a>, Manifest)> {
    let target = world.target(table, &[])?;
    target.publish(&numbered(1..=50), 1).await?;
    let manifest = target.load(&numbered(100..=300)).await?;
    Ok((target, manifest))
}

pub(super) async fn aggregates(world: &World) -> Verdict {
    let (target, manifest) = loaded(world, "goe_counted").await?;
    let answer = world
        .backend
        .aggregates(&target.definition, &manifest)
        .await;
    if world.backend.facts().loaded_proof != LoadedProof::Aggregates {
        return match answer {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                skipped("its facts say that rows are read back")
            }
            Err(error) => failed(told(&error)),
            Ok(_) => failed("an answer, though its facts say that rows are read back"),
        };
    }
    let seen = answer?;
    let nulls: Vec<u64> = seen.columns.iter().map(|column| column.nulls).collect();
    let mut wanted = vec![0; target.definition.columns.len()];
    for file in &manifest.files {
        for (sum, column) in wanted.iter_mut().zip(&file.hashes.columns) {
            *sum += column.nulls;
        }
    }
    let agree = (seen.rows, &nulls) == (manifest.rows(), &wanted);
    holds(agree, || {
        let (rows, staged) = (seen.rows, manifest.rows());
        format!("{rows} rows with NULLs {nulls:?}, not {staged} with {wanted:?}")
    })
}

pub(super) async fn exact_aggregates(world: &World) -> Verdict {
    if world.backend.facts().loaded_proof != LoadedProof::Aggregates {
        return skipped("its facts say that rows are read back");
    }
    let (target, manifest) = loaded(world, "goe_summed").await?;
    let [file] = manifest.files.as_slice() else {
        return skipped("the rows were staged in several files");
    };
    let seen = world.backend.aggregates(&target.definition, &manifest);
    let seen = seen.await?.columns;
    for ((column, seen), staged) in target
        .definition
        .columns
        .iter()
        .zip(&seen)
        .zip(&file.bounds)
    {
        let kind = column.stored.to_arrow();
        let sum = match kind {
            DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
            _ => DataType::Decimal128(38, 0),
        };
        same_bound(column, &kind, seen.bounds.min.as_ref(), staged.min.as_ref())?;
        same_bound(column, &kind, seen.bounds.max.as_ref(), staged.max.as_ref())?;
        same_bound(column, &sum, seen.bounds.sum.as_ref(), staged.sum.as_ref())?;
    }
    Ok(())
}

/// Two texts of one value, where both sides state it.
fn same_bound(
    column: &TargetColumn,
    kind: &DataType,
    seen: Option<&String>,
    staged: Option<&String>,
) -> Verdict {
    let (Some(seen), Some(staged)) = (seen, staged) else {
        return Ok(());
    };
    let value = |text: &String| ScalarValue::try_from_string(text.clone(), kind).ok();
    let same = value(seen).is_some() && value(seen) == value(staged);
    holds(same, || format!("{}: {seen}, not {staged}", column.name))
}

/// Whether a table's columns have the names and the types of a definition.
fn typed(target: &Target<'_>, table: &Arc<dyn TableProvider>) -> Verdict {
    let shape = |schema: SchemaRef| {
        let fields = schema.fields().iter();
        let shape = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
        shape.collect::<Vec<_>>().join(", ")
    };
    let (seen, wanted) = (shape(table.schema()), shape(target.definition.schema()));
    holds(seen == wanted, || format!("({seen}), not ({wanted})"))
}

/// Whether a table's columns are those that the target says it has, each as wide as was asked for.
async fn described(target: &Target<'_>, table: &Arc<dyn TableProvider>) -> Verdict {
    let described = target.describe().await?;
    let columns = described.map(|table| table.columns).unwrap_or_default();
    let shape = |names: Vec<(&str, &DataType)>| format!("{names:?}");
    let schema = table.schema();
    let seen = schema.fields().iter();
    let seen = shape(seen.map(|f| (f.name().as_str(), f.data_type())).collect());
    let types: Vec<DataType> = columns.iter().map(|c| c.canonical.to_arrow()).collect();
    let told = columns.iter().map(|column| column.name.as_str());
    let told = shape(told.zip(&types).collect());
    holds(seen == told, || format!("{seen}, not {told} as described"))?;
    for wanted in &target.definition.columns {
        let column = columns.iter().find(|column| column.name == wanted.name);
        let wide = column.is_some_and(|column| column.canonical.holds(wanted.stored));
        holds(wide, || format!("{}: {seen} is narrower", wanted.name))?;
    }
    Ok(())
}

pub(super) async fn staged(world: &World) -> Verdict {
    let target = world.target("goe_staged", &[])?;
    target.publish(&numbered(1..=50), 1).await?;
    let rows = numbered(40..=80);
    let manifest = target.load(&rows).await?;
    let staged = world.backend.staged(&target.definition, &manifest).await?;
    typed(&target, &staged)?;
    same(&rows, &world.rows(staged).await?)
}

pub(super) async fn table(world: &World) -> Verdict {
    let target = world.target("goe_read", &[])?;
    target.publish(&numbered(1..=300), 1).await?;
    target.publish(&numbered(301..=500), 2).await?;
    described(&target, &target.table().await?).await?;
    same(&numbered(1..=500), &target.rows().await?)
}
