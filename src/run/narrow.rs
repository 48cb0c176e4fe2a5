//! Finding the rows that differ: ranges of the key whose sums differ are cut again until few rows
//! are left, which are compared one by one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::DataFrame;
use serde::Serialize;

use super::planning::{Slice, Span};
use super::{Runner, planning, positions, proof};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::offload::{Offload, Record, Region};
use crate::schema::PartitionHashes;

/// Into how many ranges one is cut.
const RANGES: u64 = 16;

/// Ranges of at most so many rows are compared row by row.
const FEW_ROWS: u64 = 256;

/// How many rows are named.
const MOST_ROWS: usize = 20;

/// How many ranges are looked at before the rest is left unnamed.
const MOST_RANGES: usize = 400;

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RowDifference {
    /// Its key: `id = 17`.
    pub key: String,
    /// What differs, in words.
    pub detail: String,
}

/// A range of the key in which both sides differ.
struct Range {
    region: Region,
    span: Span,
}

/// How both sides of a range compare, by their sums.
struct Compared {
    equal: bool,
    rows: u64,
}

impl Runner {
    /// The first rows that differ between a target and its source, within `within`; none where the
    /// source has no key to find them by.
    pub(super) async fn rows_that_differ(
        &self,
        backend: &Arc<dyn Backend>,
        offload: &Offload,
        record: &Record,
        within: Option<&str>,
    ) -> Result<Vec<RowDifference>> {
        let sides = planning::describe(&self.engine, Arc::clone(backend), offload).await?;
        let Some(keys) = planning::key_of(&sides) else {
            return Ok(Vec::new());
        };
        let Some(span) = planning::key_span(&sides, offload).await? else {
            return Ok(Vec::new());
        };
        let Some(conditions) = planning::conditions(&self.engine, &sides)? else {
            return Ok(Vec::new());
        };
        let region = match within {
            Some(text) => conditions.region(text)?,
            None => Region::all(),
        };
        let mut found = BTreeSet::new();
        let mut waiting = VecDeque::from([Range { region, span }]);
        let mut looked = 0;
        while let Some(range) = waiting.pop_front() {
            for (part, span) in range.span.cut(&conditions, RANGES)? {
                looked += 1;
                if found.len() >= MOST_ROWS || looked > MOST_RANGES {
                    return Ok(found.into_iter().take(MOST_ROWS).collect());
                }
                let region = range.region.intersection(&part)?;
                if region.is_empty() {
                    continue;
                }
                let slice =
                    planning::project_region(&self.engine, &sides, offload, record, &region)?;
                let compared = self.compare_slice(backend.as_ref(), &slice).await?;
                if compared.equal {
                    continue;
                }
                if compared.rows <= FEW_ROWS || span.is_single()? {
                    found.extend(self.compare_rows(backend.as_ref(), &slice, &keys).await?);
                } else {
                    waiting.push_back(Range { region, span });
                }
            }
        }
        Ok(found.into_iter().take(MOST_ROWS).collect())
    }

    async fn compare_slice(&self, backend: &dyn Backend, slice: &Slice) -> Result<Compared> {
        let definition = &slice.mapped.definition;
        let places = positions(definition, &definition.partition_columns);
        let source = proof::hash_query(&self.engine, &slice.query, definition.schema(), places);
        let source = source.await?;
        let on_target = slice.on_target.clone();
        let target = proof::hash_target(&self.engine, backend, definition, on_target).await?;
        let rows = |sums: &PartitionHashes| sums.values().map(|hashes| hashes.rows).sum::<u64>();
        Ok(Compared {
            equal: source == target,
            rows: rows(&source).max(rows(&target)),
        })
    }

    /// Few rows of both sides, one by one.
    async fn compare_rows(
        &self,
        backend: &dyn Backend,
        slice: &Slice,
        keys: &[String],
    ) -> Result<Vec<RowDifference>> {
        let definition = &slice.mapped.definition;
        let source = DataFrame::new(self.engine.state(), slice.query.clone());
        let source = Rows::of(&source.collect().await?, keys)?;
        let target = proof::target_rows(&self.engine, backend, definition, slice.on_target.clone());
        let target = Rows::of(&target.await?.collect().await?, keys)?;
        Ok(source.differences(&target))
    }
}

/// Rows as text, by their key.
struct Rows {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<Vec<Option<String>>>>,
}

impl Rows {
    fn of(batches: &[RecordBatch], keys: &[String]) -> Result<Self> {
        let options = FormatOptions::default();
        let mut rows: BTreeMap<String, Vec<Vec<Option<String>>>> = BTreeMap::new();
        let mut columns = Vec::new();
        for batch in batches {
            let schema = batch.schema();
            columns = schema.fields().iter().map(|f| f.name().clone()).collect();
            let formatters = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
                .collect::<Result<Vec<_>, _>>()?;
            for row in 0..batch.num_rows() {
                let cell = |index: usize| {
                    let is_null = batch.column(index).is_null(row);
                    (!is_null).then(|| formatters[index].value(row).to_string())
                };
                let cells: Vec<Option<String>> = (0..columns.len()).map(cell).collect();
                let key = key_text(&columns, &cells, keys)?;
                rows.entry(key).or_default().push(cells);
            }
        }
        rows.values_mut().for_each(|same| same.sort());
        Ok(Self { columns, rows })
    }

    fn differences(&self, target: &Self) -> Vec<RowDifference> {
        let mut found = Vec::new();
        let keys: BTreeSet<&String> = self.rows.keys().chain(target.rows.keys()).collect();
        for key in keys {
            let none = Vec::new();
            let here = self.rows.get(key).unwrap_or(&none);
            let there = target.rows.get(key).unwrap_or(&none);
            let mut add = |detail: String| {
                let key = key.clone();
                found.push(RowDifference { key, detail });
            };
            match (here.len(), there.len()) {
                _ if here == there => {}
                (_, 0) => add("is missing in the target".to_owned()),
                (0, _) => add("is not in the source".to_owned()),
                (1, 1) => {
                    let names = self.columns.iter().zip(here[0].iter().zip(&there[0]));
                    for (name, _) in names.filter(|(_, (here, there))| here != there) {
                        add(format!("column \"{name}\" differs"));
                    }
                }
                (here, there) => {
                    add(format!(
                        "stands {here} times in the source, {there} in the target"
                    ));
                }
            }
        }
        found
    }
}

/// `id = 17 and line = 2`.
fn key_text(columns: &[String], cells: &[Option<String>], keys: &[String]) -> Result<String> {
    let mut parts = Vec::new();
    for key in keys {
        let position = columns.iter().position(|column| column == key);
        let position =
            position.ok_or_else(|| Error::internal(format!("The key \"{key}\" is not read")))?;
        let value = cells[position].as_deref().unwrap_or("NULL");
        parts.push(format!("{key} = {value}"));
    }
    Ok(parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(cells: &[(i64, Option<&str>)]) -> Rows {
        let ids = Int64Array::from_iter_values(cells.iter().map(|(id, _)| *id));
        let names: StringArray = cells.iter().map(|(_, name)| *name).collect();
        let columns = [
            ("id", Arc::new(ids) as ArrayRef),
            ("name", Arc::new(names) as ArrayRef),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, true)),
        );
        Rows::of(&[batch.unwrap()], &["id".to_owned()]).unwrap()
    }

    #[test]
    fn each_row_that_differs_is_named_by_its_key() {
        let source = rows(&[
            (1, Some("a")),
            (2, None),
            (3, Some("c")),
            (4, Some("d")),
            (4, None),
        ]);
        let target = rows(&[
            (1, Some("a")),
            (2, Some("")),
            (4, Some("d")),
            (5, None),
            (5, None),
        ]);
        let found: Vec<String> = source
            .differences(&target)
            .into_iter()
            .map(|row| format!("{}: {}", row.key, row.detail))
            .collect();
        assert_eq!(
            found,
            [
                "id = 2: column \"name\" differs",
                "id = 3: is missing in the target",
                "id = 4: stands 2 times in the source, 1 in the target",
                "id = 5: is not in the source",
            ]
        );
        assert!(source.differences(&source).is_empty());
    }
}
