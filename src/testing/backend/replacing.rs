//! Publishes that change what is there.

use arrow::array::Array;
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;

use super::world::World;
use crate::backend::{Change, Mode};
use crate::error::ErrorKind;
use crate::schema::CanonicalType;
use crate::testing::report::{Verdict, failed, holds, skipped};
use crate::testing::rows::{difference, numbered};

pub(super) async fn replace_all(world: &World) -> Verdict {
    let target = world.target("goe_replaced", &[])?;
    target.publish(&numbered(1..=30), 1).await?;
    let rows = numbered(20..=60);
    let manifest = target.load(&rows).await?;
    let mut publication = target.publication(&manifest, 2);
    publication.mode = Mode::ReplaceAll;
    let removed = target.send(&publication).await?.rows_removed;
    holds(removed == 30, || format!("{removed} rows went, not 30"))?;
    difference(&rows, &target.rows().await?).map_or(Ok(()), failed)
}

pub(super) async fn replace_where(world: &World) -> Verdict {
    let target = world.target("goe_replaced_partly", &[])?;
    let before = numbered(1..=100);
    target.publish(&before, 1).await?;
    // Days from here on go; a row without a day stays, since the predicate is not true for it.
    const FROM: i32 = 19_000;
    let stays = |day: Option<i32>| day.is_none_or(|day| day < FROM);
    let manifest = target.load(&numbered(201..=210)).await?;
    let mut publication = target.publication(&manifest, 2);
    let kind = target.definition.columns[3].stored.to_arrow();
    let day = ScalarValue::Date32(Some(FROM)).cast_to(&kind);
    let day = lit(day.map_err(crate::error::Error::from)?);
    publication.mode = Mode::ReplaceWhere(ident("day").gt_eq(day));
    let gone = before.iter().filter(|row| !stays(row.day)).count() as u64;
    match target.send(&publication).await {
        Ok(published) => {
            let removed = published.rows_removed;
            holds(removed == gone, || {
                format!("{removed} rows went, not {gone}")
            })?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return match difference(&before, &target.rows().await?) {
                Some(difference) => failed(difference),
                None => skipped(error.message().to_owned()),
            };
        }
        Err(error) => return Err(error.into()),
    }
    let mut wanted = before;
    wanted.retain(|row| stays(row.day));
    wanted.extend(numbered(201..=210));
    difference(&wanted, &target.rows().await?).map_or(Ok(()), failed)
}

pub(super) async fn add_columns(world: &World) -> Verdict {
    let mut target = world.target("goe_grown", &[])?;
    target.publish(&numbered(1..=10), 1).await?;
    let note = world.column("note", CanonicalType::VariableString { length: None })?;
    target.definition.columns.push(note.clone());
    let manifest = target.load(&numbered(11..=20)).await?;
    let mut publication = target.publication(&manifest, 2);
    publication.change = Change::AddColumns {
        name: target.definition.name.clone(),
        columns: vec![note],
    };
    let _ = target.send(&publication).await?;
    let described = target.describe().await?;
    let columns: Vec<String> = described.map_or_else(Vec::new, |table| {
        let names = table.columns.into_iter().map(|column| column.name);
        names.collect()
    });
    holds(columns.last().is_some_and(|name| name == "note"), || {
        format!("the columns are {}", columns.join(", "))
    })?;
    difference(&numbered(1..=20), &target.rows().await?).map_or(Ok(()), failed)?;
    let notes = world.values(target.table().await?, "note").await?;
    let nulls: usize = notes.iter().map(|batch| batch.column(0).null_count()).sum();
    holds(nulls == 20, || format!("{nulls} of 20 rows hold NULL"))
}
