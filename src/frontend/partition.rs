//! How a source holds a table in parts, as its catalog says it.
//!
//! Facts only. What a window makes of them is the business of the offload.

use std::cmp::Ordering;
use std::fmt;

use datafusion::scalar::ScalarValue;

use crate::schema::shorten;

/// What decides which part of a table a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionMethod {
    /// Where the keys' values lie between boundaries.
    Range,
    /// Which of some lists has the key's value.
    List,
    /// A hash of the keys' values.
    Hash,
    /// Anything else, such as the row of another table.
    Other,
}

impl fmt::Display for PartitionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "RANGE",
            Self::List => "LIST",
            Self::Hash => "HASH",
            Self::Other => "another method",
        })
    }
}

/// The parts of a table, or of one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions {
    /// What decides.
    pub method: PartitionMethod,
    /// The key as the source writes it: `sold_at`, `lower(region)`.
    pub definition: String,
    /// The columns that the key is made of, by their exact names; empty where one part of the key
    /// is no column.
    pub keys: Vec<String>,
    /// Why no window can follow these partitions; `None` where one can.
    pub unusable: Option<String>,
    /// Why the key's values are in another order at the source than here, so that a boundary would
    /// cut elsewhere; `None` where the orders agree.
    pub unordered: Option<String>,
    /// The partitions: ranges by their upper bounds, the lowest first; others by name; what takes
    /// the rest last.
    pub list: Vec<SourcePartition>,
}

/// One part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePartition {
    /// Its exact name at the source.
    pub name: String,
    /// Which rows are in it.
    pub bound: PartitionBound,
    /// Rows by the source's statistics, its own parts included; an estimate.
    pub rows: Option<u64>,
    /// Bytes that it holds at the source, its own parts included; an estimate.
    pub bytes: Option<u64>,
    /// Its own parts.
    pub parts: Option<Partitions>,
}

/// Which rows a partition holds. Values have the Arrow type of their key column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionBound {
    /// From `lower` to below `upper`, compared key by key; one bound for each key.
    Range {
        /// The least; itself inside.
        lower: Vec<Bound>,
        /// The end; itself outside.
        upper: Vec<Bound>,
    },
    /// These values of the key, one row of values per entry; NULL is a value like others.
    List {
        /// Per entry one value for each key column.
        values: Vec<Vec<ScalarValue>>,
    },
    /// A share of the hashes.
    Hash,
    /// Whatever no other partition holds.
    Default,
    /// What the source says, where that has no value of the key's type here.
    Other {
        /// The source's own text.
        text: String,
    },
}

/// One end of a range, for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Below every value.
    Min,
    /// A value; never NULL.
    Value(ScalarValue),
    /// Above every value.
    Max,
}

impl Bound {
    /// The order of two bounds of one key; `None` for values that can't be compared.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Value(one), Self::Value(two)) => one.partial_cmp(two),
            (one, two) => Some(one.rank().cmp(&two.rank())),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Min => 0,
            Self::Value(_) => 1,
            Self::Max => 2,
        }
    }

    /// The order of two bounds of several keys: the first difference decides.
    #[must_use]
    pub fn order_all(one: &[Self], two: &[Self]) -> Option<Ordering> {
        for (one, two) in one.iter().zip(two) {
            match one.order(two)? {
                // What stands behind an open end means nothing.
                Ordering::Equal if matches!(one, Self::Value(_)) => {}
                decided => return Some(decided),
            }
        }
        Some(one.len().cmp(&two.len()))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("MINVALUE"),
            Self::Max => f.write_str("MAXVALUE"),
            Self::Value(value) => f.write_str(&value_text(value)),
        }
    }
}

/// A value of a key as people write it: text in quotes, everything else bare, NULL as NULL.
#[must_use]
pub fn value_text(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    if let Some(Some(text)) = value.try_as_str() {
        return format!("'{}'", shorten(text).replace('\'', "''"));
    }
    match value.cast_to(&arrow::datatypes::DataType::Utf8) {
        Ok(ScalarValue::Utf8(Some(text))) => text,
        _ => value.to_string(),
    }
}

/// Values of several keys, in parentheses where there is more than one.
fn tuple<T: fmt::Display>(parts: &[T]) -> String {
    let list: Vec<String> = parts.iter().map(ToString::to_string).collect();
    match list.as_slice() {
        [only] => only.clone(),
        _ => format!("({})", list.join(", ")),
    }
}

impl fmt::Display for PartitionBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { lower, upper } => write!(f, "{} to {}", tuple(lower), tuple(upper)),
            Self::List { values } => {
                let rows = values.iter().map(|row| {
                    let texts: Vec<String> = row.iter().map(value_text).collect();
                    tuple(&texts)
                });
                f.write_str(&rows.collect::<Vec<_>>().join(", "))
            }
            Self::Hash => f.write_str("hash"),
            Self::Default => f.write_str("DEFAULT"),
            Self::Other { text } => f.write_str(&shorten(text)),
        }
    }
}

impl PartitionBound {
    /// Where it stands among others of its level: ranges by their ends, then lists and hashes, then
    /// what takes the rest.
    fn rank(&self) -> u8 {
        match self {
            Self::Range { .. } => 0,
            Self::List { .. } | Self::Hash | Self::Other { .. } => 1,
            Self::Default => 2,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        if let (Self::Range { upper: one, .. }, Self::Range { upper: two, .. }) = (self, other) {
            return Bound::order_all(one, two).unwrap_or(Ordering::Equal);
        }
        self.rank().cmp(&other.rank())
    }
}

impl Partitions {
    /// Puts the list in its order.
    pub fn sort(&mut self) {
        self.list.sort_by(|one, two| {
            let by_bound = one.bound.order(&two.bound);
            by_bound.then_with(|| one.name.cmp(&two.name))
        });
    }

    /// Why no window can follow the boundaries of ranges here; `None` where one can.
    #[must_use]
    pub fn no_ranges(&self) -> Option<&str> {
        self.unusable.as_deref().or(self.unordered.as_deref())
    }
}

impl fmt::Display for Partitions {
    /// `RANGE (sold_at)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            PartitionMethod::Other => f.write_str(&self.definition),
            method => write!(f, "{method} ({})", self.definition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: i32) -> Bound {
        Bound::Value(ScalarValue::Int32(Some(number)))
    }

    fn partition(name: &str, bound: PartitionBound) -> SourcePartition {
        SourcePartition {
            name: name.to_owned(),
            bound,
            rows: None,
            bytes: None,
            parts: None,
        }
    }

    fn range(upper: Vec<Bound>) -> PartitionBound {
        PartitionBound::Range {
            lower: vec![Bound::Min; upper.len()],
            upper,
        }
    }

    #[test]
    fn ranges_stand_by_their_ends_and_the_rest_is_last() {
        let mut partitions = Partitions {
            method: PartitionMethod::Range,
            definition: "a, b".to_owned(),
            keys: vec!["a".to_owned(), "b".to_owned()],
            unusable: None,
            unordered: None,
            list: vec![
                partition("rest", PartitionBound::Default),
                partition("max", range(vec![Bound::Max, Bound::Min])),
                partition("nine_max", range(vec![value(9), Bound::Max])),
                partition("nine", range(vec![value(9), value(1)])),
                partition("ten_min", range(vec![value(10), Bound::Min])),
                partition("minus", range(vec![value(-10), value(5)])),
            ],
        };
        partitions.sort();
        let names: Vec<&str> = partitions
            .list
            .iter()
            .map(|part| part.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["minus", "nine", "nine_max", "ten_min", "max", "rest"]
        );
    }

    #[test]
    fn what_stands_behind_an_open_end_means_nothing() {
        let order = Bound::order_all(&[Bound::Max, value(1)], &[Bound::Max, value(2)]);
        assert_eq!(order, Some(Ordering::Equal));
        let texts = [Bound::Value(ScalarValue::from("a"))];
        assert_eq!(Bound::order_all(&texts, &[value(1)]), None);
    }

    #[test]
    fn bounds_are_written_for_people() {
        let bound = PartitionBound::List {
            values: vec![
                vec![ScalarValue::from("it's")],
                vec![ScalarValue::Utf8(None)],
            ],
        };
        assert_eq!(bound.to_string(), "'it''s', NULL");
        let upper = vec![Bound::Value(ScalarValue::Date32(Some(18_262))), Bound::Max];
        let shown = range(upper).to_string();
        assert_eq!(shown, "(MINVALUE, MINVALUE) to (2020-01-01, MAXVALUE)");
        let decimal = ScalarValue::Decimal128(Some(-150), 12, 2);
        assert_eq!(value_text(&decimal), "-1.50");
    }
}
