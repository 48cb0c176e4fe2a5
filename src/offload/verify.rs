//! The comparison of two sets of sums, and what a difference says.

use serde::Serialize;

use crate::backend::TargetDefinition;
use crate::schema::{PartitionHashes, TableHashes};

/// One way in which two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The target partition, by its folder; empty where there are none.
    pub partition: String,
    /// The column, where it is one.
    pub column: Option<String>,
    /// What differs, in words.
    pub detail: String,
}

/// A column of both sides, and how much of it can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedColumn {
    /// Its name.
    pub name: String,
    /// Whether the target gives back the values that it was given. Of a column that is kept as
    /// JSON documents only the NULLs are compared.
    pub by_value: bool,
}

/// What can be compared of the columns of a target, in hashing order, where those of the type
/// `documents` hold JSON.
#[must_use]
pub fn compared_columns(
    definition: &TargetDefinition,
    documents: Option<&str>,
) -> Vec<ComparedColumn> {
    let columns = definition.columns.iter();
    let compared = columns.map(|column| ComparedColumn {
        name: column.name.clone(),
        by_value: documents != Some(column.native.as_str()),
    });
    compared.collect()
}

/// How two sides differ; empty when they are equal. `columns` are in hashing order.
#[must_use]
pub fn compare(
    source: &PartitionHashes,
    target: &PartitionHashes,
    columns: &[ComparedColumn],
) -> Vec<Difference> {
    let none = TableHashes::default();
    let mut partitions: Vec<&String> = source.keys().chain(target.keys()).collect();
    partitions.sort_unstable();
    partitions.dedup();
    partitions
        .into_iter()
        .flat_map(|partition| {
            let left = source.get(partition).unwrap_or(&none);
            let right = target.get(partition).unwrap_or(&none);
            compare_partition(partition, left, right, columns)
        })
        .collect()
}

fn compare_partition(
    partition: &str,
    source: &TableHashes,
    target: &TableHashes,
    columns: &[ComparedColumn],
) -> Vec<Difference> {
    let differs = |column: Option<&ComparedColumn>, detail: String| Difference {
        partition: partition.to_owned(),
        column: column.map(|column| column.name.clone()),
        detail,
    };
    if source.rows != target.rows {
        let detail = format!(
            "{} rows in the source, {} in the target",
            source.rows, target.rows
        );
        return vec![differs(None, detail)];
    }
    let mut differences = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        let (left, right) = (source.columns.get(i), target.columns.get(i));
        let (Some(left), Some(right)) = (left, right) else {
            continue;
        };
        if left.nulls != right.nulls {
            let detail = format!(
                "{} NULLs in the source, {} in the target",
                left.nulls, right.nulls
            );
            differences.push(differs(Some(column), detail));
        } else if column.by_value && left.sum != right.sum {
            differences.push(differs(Some(column), "values differ".to_owned()));
        }
    }
    let by_row = columns.iter().all(|column| column.by_value);
    if differences.is_empty() && by_row && source.row_sum != target.row_sum {
        let detail = "the same values stand in other rows".to_owned();
        differences.push(differs(None, detail));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnHash;

    fn sums(rows: u64, row_sum: u64, columns: &[(u64, u64)]) -> TableHashes {
        let columns = columns
            .iter()
            .map(|&(sum, nulls)| ColumnHash { sum, nulls })
            .collect();
        TableHashes {
            rows,
            row_sum,
            columns,
        }
    }

    #[test]
    fn a_difference_names_partition_and_column() {
        let named = |name: &str, by_value| ComparedColumn {
            name: name.to_owned(),
            by_value,
        };
        let names = [named("a", true), named("b", true)];
        let one = |hashes: TableHashes| PartitionHashes::from([("m=1".to_owned(), hashes)]);
        let left = one(sums(2, 9, &[(1, 0), (2, 1)]));
        assert!(compare(&left, &left, &names).is_empty());
        let cases = [
            (
                sums(3, 9, &[(1, 0), (2, 1)]),
                None,
                "2 rows in the source, 3 in the target",
            ),
            (sums(2, 9, &[(1, 0), (5, 1)]), Some("b"), "values differ"),
            (
                sums(2, 9, &[(1, 0), (2, 0)]),
                Some("b"),
                "1 NULLs in the source, 0 in the target",
            ),
            (
                sums(2, 8, &[(1, 0), (2, 1)]),
                None,
                "the same values stand in other rows",
            ),
        ];
        for (right, column, detail) in cases {
            let found = compare(&left, &one(right), &names);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].partition, "m=1");
            assert_eq!(found[0].column.as_deref(), column);
            assert_eq!(found[0].detail, detail);
        }
        assert_eq!(compare(&left, &PartitionHashes::new(), &names).len(), 1);
        let documents = [named("a", true), named("b", false)];
        for (right, differences) in [
            (sums(2, 8, &[(1, 0), (5, 1)]), 0),
            (sums(2, 8, &[(1, 0), (5, 0)]), 1),
            (sums(2, 8, &[(2, 0), (5, 1)]), 1),
            (sums(3, 8, &[(1, 0), (5, 1)]), 1),
        ] {
            assert_eq!(compare(&left, &one(right), &documents).len(), differences);
        }
    }
}
