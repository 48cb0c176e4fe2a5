//! What a target says of the rows that it loaded, against what was staged.
//!
//! Both sides state bounds as text, so they are compared as values of the column's own type. What
//! one side can't state exactly is not compared, and the proof says how much was.

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

use super::proof::{Chunk, unequal};
use crate::backend::{ColumnAggregates, LoadedAggregates, TargetColumn};
use crate::error::{Error, Result};
use crate::offload::Difference;
use crate::schema::CanonicalType;
use crate::staging::{ColumnBounds, Manifest, StagedFile};

impl Chunk<'_> {
    /// Compares the aggregates of what the target took in with those of what was staged.
    pub(super) async fn compare_loaded(&self) -> Result<String> {
        let definition = &self.plan.definition;
        let loaded = self.backend.aggregates(definition, self.manifest);
        let loaded = loaded.await?;
        let compared = compare(&definition.columns, self.manifest, &loaded)?;
        if !compared.differences.is_empty() {
            return Err(unequal(self.plan, &compared.differences));
        }
        Ok(format!(
            "the target counts {} rows too, and NULLs of {} columns, {} bounds and {} sums of what \
             it loaded agree",
            self.manifest.rows(),
            definition.columns.len(),
            compared.bounds,
            compared.sums
        ))
    }
}

/// What a comparison came to.
#[derive(Debug, Default)]
struct Compared {
    differences: Vec<Difference>,
    /// How many least and greatest values were compared.
    bounds: usize,
    /// How many sums.
    sums: usize,
}

impl Compared {
    fn differs(&mut self, column: Option<&str>, what: &str, staged: &str, loaded: &str) {
        self.differences.push(Difference {
            partition: String::new(),
            column: column.map(str::to_owned),
            detail: format!("{what} {staged} staged, {loaded} in the target"),
        });
    }

    /// Compares two values; `None` where one side states none.
    fn value(&mut self, column: &TargetColumn, what: &str, values: Pair<'_>) -> Result<bool> {
        let (Some(staged), Some(loaded)) = (values.staged, values.loaded) else {
            return Ok(false);
        };
        let kind = column.stored.to_arrow();
        let kind = if what == "sum" { sum_type(&kind) } else { kind };
        if parse(column, staged, &kind)? != parse(column, loaded, &kind)? {
            self.differs(Some(&column.name), what, staged, loaded);
        }
        Ok(true)
    }
}

/// One value as each side states it.
#[derive(Clone, Copy)]
struct Pair<'a> {
    staged: Option<&'a String>,
    loaded: Option<&'a String>,
}

fn compare(
    columns: &[TargetColumn],
    manifest: &Manifest,
    loaded: &LoadedAggregates,
) -> Result<Compared> {
    let mut compared = Compared::default();
    if loaded.rows != manifest.rows() {
        let (staged, loaded) = (manifest.rows().to_string(), loaded.rows.to_string());
        compared.differs(None, "rows:", &staged, &loaded);
        return Ok(compared);
    }
    if loaded.columns.len() != columns.len() {
        return Err(Error::internal("The target's aggregates lack columns"));
    }
    for (i, (column, loaded)) in columns.iter().zip(&loaded.columns).enumerate() {
        let staged = staged(column, i, &manifest.files)?;
        if staged.nulls != loaded.nulls {
            let (staged, loaded) = (staged.nulls.to_string(), loaded.nulls.to_string());
            compared.differs(Some(&column.name), "NULLs:", &staged, &loaded);
            continue;
        }
        let pair = |pick: fn(&ColumnBounds) -> Option<&String>| Pair {
            staged: pick(&staged.bounds),
            loaded: pick(&loaded.bounds),
        };
        let least = compared.value(column, "least", pair(|bounds| bounds.min.as_ref()))?;
        let greatest = compared.value(column, "greatest", pair(|bounds| bounds.max.as_ref()))?;
        let sum = compared.value(column, "sum", pair(|bounds| bounds.sum.as_ref()))?;
        compared.bounds += usize::from(least) + usize::from(greatest);
        compared.sums += usize::from(sum);
    }
    Ok(compared)
}

/// The aggregates of a column over all staged files.
fn staged(column: &TargetColumn, i: usize, files: &[StagedFile]) -> Result<ColumnAggregates> {
    let kind = column.stored.to_arrow();
    let nulls = files.iter().map(|file| file.hashes.columns[i].nulls);
    let nulls = nulls.fold(0, u64::wrapping_add);
    let with_values = || {
        let has_values = |file: &&StagedFile| file.hashes.rows > file.hashes.columns[i].nulls;
        files.iter().filter(has_values).map(|file| &file.bounds[i])
    };
    let least = |a: ScalarValue, b: ScalarValue| Ok(if a <= b { a } else { b });
    let greatest = |a: ScalarValue, b: ScalarValue| Ok(if a >= b { a } else { b });
    let total = |a: ScalarValue, b: ScalarValue| {
        let sum = a.add_checked(b)?;
        Ok(sum.cast_to(&sum_type(&kind))?)
    };
    // Text compares by bytes, as it is bounded; a sum beyond 38 digits can't be stated.
    let bounds = ColumnBounds {
        min: merged(column, with_values().map(|b| b.min.as_ref()), &kind, least)?,
        max: merged(
            column,
            with_values().map(|b| b.max.as_ref()),
            &kind,
            greatest,
        )?,
        sum: match column.stored {
            CanonicalType::Decimal {
                precision: 39.., ..
            } => None,
            _ => {
                let sums = with_values().map(|b| b.sum.as_ref());
                merged(column, sums, &sum_type(&kind), total).unwrap_or_default()
            }
        },
    };
    Ok(ColumnAggregates { nulls, bounds })
}

/// One text out of those of all files; `None` where one of them has none.
fn merged<'a>(
    column: &TargetColumn,
    mut texts: impl Iterator<Item = Option<&'a String>>,
    kind: &DataType,
    merge: impl Fn(ScalarValue, ScalarValue) -> Result<ScalarValue>,
) -> Result<Option<String>> {
    let Some(first) = texts.next() else {
        return Ok(None);
    };
    let Some(first) = first else {
        return Ok(None);
    };
    let mut held = (parse(column, first, kind)?, first.clone());
    for text in texts {
        let Some(text) = text else {
            return Ok(None);
        };
        let value = parse(column, text, kind)?;
        let merged = merge(held.0.clone(), value.clone())?;
        let text = if merged == held.0 {
            held.1
        } else if merged == value {
            text.clone()
        } else {
            merged.to_string()
        };
        held = (merged, text);
    }
    Ok(Some(held.1))
}

fn parse(column: &TargetColumn, text: &str, kind: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from_string(text.to_owned(), kind).map_err(|error| {
        Error::internal(format!(
            "An aggregate of column \"{}\" can't be read: {error}",
            column.name
        ))
    })
}

/// What sums of a type are computed as.
fn sum_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, *scale),
        _ => DataType::Decimal128(38, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ColumnHash, TableHashes};

    fn column(name: &str, stored: CanonicalType) -> TargetColumn {
        TargetColumn {
            name: name.to_owned(),
            canonical: stored,
            stored,
            native: stored.to_string(),
            source: String::new(),
            nullable: true,
            comment: None,
        }
    }

    fn bounds(min: &str, max: &str, sum: &str) -> ColumnBounds {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ColumnBounds {
            min: text(min),
            max: text(max),
            sum: text(sum),
        }
    }

    fn file(rows: u64, columns: &[(u64, ColumnBounds)]) -> StagedFile {
        StagedFile {
            path: "f".to_owned(),
            partition: Vec::new(),
            bytes: 1,
            bounds: columns.iter().map(|(_, bounds)| bounds.clone()).collect(),
            hashes: TableHashes {
                rows,
                row_sum: 0,
                columns: columns
                    .iter()
                    .map(|&(nulls, _)| ColumnHash { sum: 0, nulls })
                    .collect(),
            },
        }
    }

    fn shape() -> [TargetColumn; 4] {
        [
            column(
                "amount",
                CanonicalType::Decimal {
                    precision: 9,
                    scale: 2,
                },
            ),
            column("at", CanonicalType::Timestamp { scale: 6 }),
            column("note", CanonicalType::VariableString { length: None }),
            column("ratio", CanonicalType::Double),
        ]
    }

    fn manifest() -> Manifest {
        let first = [
            (0, bounds("-1.50", "9.00", "7.50")),
            (
                0,
                bounds("2024-01-01T00:00:00", "2024-01-02T00:00:00.500", ""),
            ),
            (1, bounds("a", "b", "")),
            (0, bounds("0.5", "1.5", "")),
        ];
        let second = [
            (1, bounds("-2.25", "1.00", "-1.25")),
            (0, bounds("2023-01-01T00:00:00", "2023-01-01T00:00:00", "")),
            (2, bounds("", "", "")),
            (0, bounds("", "", "")),
        ];
        Manifest {
            id: "m".to_owned(),
            files: vec![file(2, &first), file(2, &second)],
        }
    }

    fn loaded() -> LoadedAggregates {
        let of = |nulls, bounds| ColumnAggregates { nulls, bounds };
        LoadedAggregates {
            rows: 4,
            columns: vec![
                of(1, bounds("-2.25", "9", "6.250")),
                of(
                    0,
                    bounds("2023-01-01T00:00:00", "2024-01-02T00:00:00.5", ""),
                ),
                of(3, bounds("a", "b", "")),
                of(0, bounds("0.5", "1.5", "")),
            ],
        }
    }

    #[test]
    fn equal_aggregates_agree_however_they_are_written() {
        let compared = compare(&shape(), &manifest(), &loaded()).unwrap();
        assert!(compared.differences.is_empty(), "{compared:?}");
        // A file with a NaN has no bounds: those of the column are not compared.
        assert_eq!((compared.bounds, compared.sums), (6, 1));
    }

    /// One way in which what was loaded is not what was staged.
    type Change = fn(&mut LoadedAggregates);

    #[test]
    fn a_difference_names_column_and_both_values() {
        let cases: [(Change, Option<&str>, &str); 6] = [
            (|l| l.rows = 3, None, "4 staged, 3 in"),
            (|l| l.columns[2].nulls = 2, Some("note"), "3 staged, 2 in"),
            (
                |l| l.columns[0].bounds.min = Some("-2.24".to_owned()),
                Some("amount"),
                "least -2.25 staged, -2.24",
            ),
            (
                |l| l.columns[0].bounds.sum = Some("6.26".to_owned()),
                Some("amount"),
                "sum 6.25 staged, 6.26",
            ),
            (
                |l| l.columns[1].bounds.max = Some("2024-01-02T00:00:00".to_owned()),
                Some("at"),
                "greatest",
            ),
            (
                |l| l.columns[2].bounds.max = Some("B".to_owned()),
                Some("note"),
                "greatest b staged, B",
            ),
        ];
        for (change, column, detail) in cases {
            let mut other = loaded();
            change(&mut other);
            let compared = compare(&shape(), &manifest(), &other).unwrap();
            assert_eq!(compared.differences.len(), 1, "{compared:?}");
            let difference = &compared.differences[0];
            assert_eq!(difference.column.as_deref(), column);
            assert!(difference.detail.contains(detail), "{}", difference.detail);
        }
    }

    #[test]
    fn what_one_side_can_not_state_is_not_compared() {
        let mut other = loaded();
        for column in &mut other.columns {
            column.bounds = ColumnBounds::default();
        }
        let compared = compare(&shape(), &manifest(), &other).unwrap();
        assert!(compared.differences.is_empty());
        assert_eq!((compared.bounds, compared.sums), (0, 0));
    }
}
