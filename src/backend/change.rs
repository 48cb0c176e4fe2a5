//! Changes of a target's shape.

use serde::{Deserialize, Serialize};

use super::TargetTable;
use crate::schema::{CanonicalType, TableName};

/// The shape that a target has, or shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetDefinition {
    /// The exact name.
    pub name: TableName,
    /// Its columns, in the order in which rows are staged.
    pub columns: Vec<TargetColumn>,
    /// The names of the columns that it is partitioned by.
    pub partition_columns: Vec<String>,
    /// The names of the columns that its rows are kept together by, where the system does that.
    pub cluster_columns: Vec<String>,
    /// The table's comment.
    pub comment: Option<String>,
}

/// A column of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// The exact name.
    pub name: String,
    /// What it means, as text of a [`CanonicalType`].
    #[serde(with = "as_text")]
    pub canonical: CanonicalType,
    /// What is staged and stored.
    #[serde(with = "as_text")]
    pub stored: CanonicalType,
    /// The target's own type text.
    pub native: String,
    /// The source's own type text; empty for a derived column.
    pub source: String,
    /// Whether NULLs may occur.
    pub nullable: bool,
    /// The column's comment.
    pub comment: Option<String>,
}

impl TargetColumn {
    /// The column as it is staged.
    #[must_use]
    pub fn field(&self) -> arrow::datatypes::Field {
        self.stored
            .to_field(&self.name, &self.source, self.nullable)
    }
}

impl TargetDefinition {
    /// The schema in which rows are staged and read back.
    #[must_use]
    pub fn schema(&self) -> arrow::datatypes::SchemaRef {
        let fields: Vec<_> = self.columns.iter().map(TargetColumn::field).collect();
        std::sync::Arc::new(arrow::datatypes::Schema::new(fields))
    }
}

/// What must happen to a target before rows can be published into it. It happens in the same
/// commit as the publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// Nothing: it has the right shape.
    None,
    /// It is created.
    Create(TargetDefinition),
    /// Columns are added at its end, nullable.
    AddColumns {
        /// The target.
        name: TableName,
        /// The new columns.
        columns: Vec<TargetColumn>,
    },
}

impl Change {
    /// What brings a target to a shape, or the differences that no change can mend, each a line.
    ///
    /// # Errors
    /// The list of differences.
    pub fn between(
        target: Option<&TargetTable>,
        wanted: &TargetDefinition,
    ) -> Result<Self, Vec<String>> {
        let Some(target) = target else {
            return Ok(Self::Create(wanted.clone()));
        };
        let mut differences = Vec::new();
        let mut added = Vec::new();
        for column in &wanted.columns {
            match target
                .columns
                .iter()
                .find(|existing| existing.name == column.name)
            {
                None if wanted.partition_columns.contains(&column.name) => {
                    differences.push(format!("partition column \"{}\" is missing", column.name));
                }
                None => added.push(TargetColumn {
                    nullable: true,
                    ..column.clone()
                }),
                Some(existing) if !existing.canonical.holds(column.stored) => {
                    differences.push(format!(
                        "column \"{}\" is {} there and would be {} here",
                        column.name, existing.native, column.native
                    ));
                }
                Some(existing) if column.nullable && !existing.nullable => {
                    differences.push(format!(
                        "column \"{}\" takes no NULLs there and may hold them here",
                        column.name
                    ));
                }
                Some(_) => {}
            }
        }
        for existing in &target.columns {
            let known = wanted
                .columns
                .iter()
                .any(|column| column.name == existing.name);
            if !known && !existing.nullable {
                differences.push(format!(
                    "column \"{}\" takes no NULLs there and is missing here",
                    existing.name
                ));
            }
        }
        if target.partition_columns != wanted.partition_columns {
            differences.push(format!(
                "it is partitioned by ({}) there and would be by ({}) here",
                target.partition_columns.join(", "),
                wanted.partition_columns.join(", ")
            ));
        }
        match (differences.is_empty(), added.is_empty()) {
            (false, _) => Err(differences),
            (true, true) => Ok(Self::None),
            (true, false) => Ok(Self::AddColumns {
                name: wanted.name.clone(),
                columns: added,
            }),
        }
    }
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::schema::CanonicalType;

    pub(super) fn serialize<S: Serializer>(
        value: &CanonicalType,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<CanonicalType, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, Mapping};

    fn wanted(columns: &[(&str, CanonicalType, bool)], partition: &[&str]) -> TargetDefinition {
        let column = |(name, stored, nullable): &(&str, CanonicalType, bool)| TargetColumn {
            name: (*name).to_owned(),
            canonical: *stored,
            stored: *stored,
            native: stored.to_string(),
            source: String::new(),
            nullable: *nullable,
            comment: None,
        };
        TargetDefinition {
            name: TableName::new("c", "s", "t"),
            columns: columns.iter().map(column).collect(),
            partition_columns: partition.iter().map(|name| (*name).to_owned()).collect(),
            cluster_columns: Vec::new(),
            comment: None,
        }
    }

    fn existing(of: &TargetDefinition) -> TargetTable {
        let column = |column: &TargetColumn| {
            let mapping = Mapping::exact(column.stored);
            Column::new(&column.name, &column.native, column.nullable, mapping)
        };
        TargetTable {
            name: of.name.clone(),
            columns: of.columns.iter().map(column).collect(),
            partition_columns: of.partition_columns.clone(),
            record: None,
            rows: None,
            version: String::new(),
        }
    }

    #[test]
    fn a_shape_is_reached_or_every_difference_named() {
        use CanonicalType::{Date, Integer4, Integer8, LargeString};
        let there = wanted(&[("id", Integer8, false), ("at", Date, true)], &["at"]);
        let table = existing(&there);
        assert_eq!(
            Change::between(None, &there),
            Ok(Change::Create(there.clone()))
        );
        assert_eq!(Change::between(Some(&table), &there), Ok(Change::None));
        let narrower = wanted(&[("at", Date, false), ("id", Integer4, false)], &["at"]);
        assert_eq!(Change::between(Some(&table), &narrower), Ok(Change::None));

        let more = wanted(
            &[
                ("id", Integer8, false),
                ("at", Date, true),
                ("note", LargeString, false),
            ],
            &["at"],
        );
        let Ok(Change::AddColumns { columns, .. }) = Change::between(Some(&table), &more) else {
            unreachable!("one column is new")
        };
        assert_eq!(columns.len(), 1);
        assert!(columns[0].nullable, "the rows that are there have no value");

        let cases: [(TargetDefinition, &[&str]); 4] = [
            (
                wanted(&[("id", LargeString, false), ("at", Date, true)], &["at"]),
                &["\"id\" is INTEGER_8"],
            ),
            (
                wanted(&[("id", Integer8, true), ("at", Date, true)], &["at"]),
                &["\"id\" takes no NULLs"],
            ),
            (
                wanted(&[("at", Date, true)], &["at"]),
                &["\"id\" takes no NULLs"],
            ),
            (
                wanted(&[("id", LargeString, false), ("day", Date, true)], &["day"]),
                &["\"id\" is", "\"day\" is missing", "partitioned by (at)"],
            ),
        ];
        for (wanted, expected) in cases {
            let differences = Change::between(Some(&table), &wanted).unwrap_err();
            assert_eq!(differences.len(), expected.len(), "{differences:?}");
            for (difference, part) in differences.iter().zip(expected) {
                assert!(difference.contains(part), "{difference}");
            }
        }
    }
}
