//! Regions: sets of rows, as exact as the conditions that describe them.
//!
//! A condition holds for the rows for which it is TRUE, not for those for which it is FALSE or NULL.
//! Every condition is taken apart into conditions on single columns, and those that can't be (a
//! LIKE, a function, two columns compared) are kept as they are and have the three values of
//! SQL. A region is then a list of boxes, each a product of sets of values, and *without* is exact:
//! no row stands in a window and in what is left of the next one, and no row in neither.
//!
//! That a region is empty, or that one holds another, is said only where it is proved; two
//! conditions that are kept as they are may depend on each other in ways that nobody sees here.

mod read;
mod values;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use datafusion::logical_expr::{Expr, lit};

use super::sql_text;
use crate::error::{Error, Result};
use values::Values;

/// The most boxes that a region may have; beyond it a person could not read them either.
const MOST_BOXES: usize = 2_000;

/// What the values of a box are of: a column, or a condition that is kept whole. By its SQL.
type Name = String;

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    expr: Expr,
    nullable: bool,
    /// Whether its values are TRUE and FALSE.
    is_condition: bool,
}

/// The rows whose values stand in all of these sets; a name that is missing may have any value.
type Rows = BTreeMap<Name, Values>;

/// A set of rows of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    subjects: BTreeMap<Name, Subject>,
    boxes: Vec<Rows>,
}

impl Region {
    /// Every row.
    #[must_use]
    pub fn all() -> Self {
        Self {
            subjects: BTreeMap::new(),
            boxes: vec![Rows::new()],
        }
    }

    /// No row.
    #[must_use]
    pub fn none() -> Self {
        Self {
            subjects: BTreeMap::new(),
            boxes: Vec::new(),
        }
    }

    /// Whether every row is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.boxes.iter().any(BTreeMap::is_empty)
    }

    /// Whether it is proved that no row is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// The rows that are in either.
    ///
    /// # Errors
    /// Kind Usage when the outcome is too complex to be kept.
    pub fn union(&self, other: &Self) -> Result<Self> {
        let boxes = self.boxes.iter().chain(&other.boxes).cloned().collect();
        self.with(other, boxes)
    }

    /// The rows that are in both.
    ///
    /// # Errors
    /// As [`Region::union`].
    pub fn intersection(&self, other: &Self) -> Result<Self> {
        let mut boxes = Vec::new();
        for a in &self.boxes {
            boxes.extend(other.boxes.iter().filter_map(|b| meet(a, b)));
            limit(boxes.len())?;
        }
        self.with(other, boxes)
    }

    /// The rows that are in this one and not in the other.
    ///
    /// # Errors
    /// As [`Region::union`].
    pub fn without(&self, other: &Self) -> Result<Self> {
        let subjects = self.subjects_with(other);
        let mut left = self.boxes.clone();
        for gone in &other.boxes {
            left = left
                .iter()
                .flat_map(|rows| cut(rows, gone, &subjects))
                .collect();
            limit(left.len())?;
        }
        self.with(other, left)
    }

    /// The boxes, each a region of its own.
    pub fn parts(&self) -> impl Iterator<Item = Self> + '_ {
        self.boxes.iter().map(|rows| Self {
            subjects: self.subjects.clone(),
            boxes: vec![rows.clone()],
        })
    }

    /// The names of the columns of the source that it looks at.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let named = self.boxes.iter().flat_map(BTreeMap::keys);
        let mut columns: Vec<String> = named
            .filter_map(|name| self.subjects.get(name))
            .flat_map(|subject| subject.expr.column_refs())
            .map(|column| column.name.clone())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The condition on a row; `None` where every row is in it.
    #[must_use]
    pub fn predicate(&self) -> Option<Expr> {
        if self.is_all() {
            return None;
        }
        let any = self
            .boxes
            .iter()
            .map(|rows| write::all_of(rows, &self.subjects));
        Some(any.reduce(Expr::or).unwrap_or_else(|| lit(false)))
    }

    /// The SQL of its boxes: the region is the rows for which any of them is true.
    ///
    /// # Errors
    /// Kind Unsupported for a value that has no such SQL.
    pub fn texts(&self) -> Result<Vec<String>> {
        let texts = self.boxes.iter();
        texts
            .map(|rows| sql_text::write(&write::all_of(rows, &self.subjects)))
            .collect()
    }

    fn subjects_with(&self, other: &Self) -> BTreeMap<Name, Subject> {
        let mut subjects = self.subjects.clone();
        for (name, subject) in &other.subjects {
            subjects
                .entry(name.clone())
                .or_insert_with(|| subject.clone());
        }
        subjects
    }

    /// A region of these boxes, joined where two are one.
    fn with(&self, other: &Self, boxes: Vec<Rows>) -> Result<Self> {
        let mut subjects = self.subjects_with(other);
        let boxes = simplify(boxes, &subjects);
        limit(boxes.len())?;
        subjects.retain(|name, _| boxes.iter().any(|rows| rows.contains_key(name)));
        Ok(Self { subjects, boxes })
    }
}

impl fmt::Display for Region {
    /// SQL; `all rows` and `no rows` in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.predicate() {
            None => f.write_str("all rows"),
            Some(_) if self.is_empty() => f.write_str("no rows"),
            Some(predicate) => match sql_text::write(&predicate) {
                Ok(text) => f.write_str(&text),
                Err(_) => write!(f, "{predicate}"),
            },
        }
    }
}

fn limit(boxes: usize) -> Result<()> {
    if boxes <= MOST_BOXES {
        return Ok(());
    }
    Err(
        Error::usage("The rows asked for and those covered are too complex to be told apart")
            .hint("take larger or simpler windows: ranges of one column join to one"),
    )
}

fn nullable(subjects: &BTreeMap<Name, Subject>, name: &str) -> bool {
    subjects.get(name).is_none_or(|subject| subject.nullable)
}

/// The rows of both boxes.
fn meet(a: &Rows, b: &Rows) -> Option<Rows> {
    let mut both = a.clone();
    for (name, values) in b {
        let values = match both.get(name) {
            Some(known) => known.intersection(values),
            None => values.clone(),
        };
        if values.is_empty() {
            return None;
        }
        both.insert(name.clone(), values);
    }
    Some(both)
}

/// The rows of a box without those of another, as boxes that don't overlap: those outside it in
/// the first name, those inside it in the first and outside in the second, and so on.
fn cut(rows: &Rows, gone: &Rows, subjects: &BTreeMap<Name, Subject>) -> Vec<Rows> {
    if meet(rows, gone).is_none() {
        return vec![rows.clone()];
    }
    let mut pieces = Vec::new();
    let mut inside = rows.clone();
    for (name, values) in gone {
        let mut outside = values.complement();
        outside.nulls &= nullable(subjects, name);
        pieces.extend(meet(&inside, &Rows::from([(name.clone(), outside)])));
        match meet(&inside, &Rows::from([(name.clone(), values.clone())])) {
            Some(rest) => inside = rest,
            None => break,
        }
    }
    pieces
}

/// The same rows in fewer boxes.
fn simplify(boxes: Vec<Rows>, subjects: &BTreeMap<Name, Subject>) -> Vec<Rows> {
    let mut done: Vec<Rows> = Vec::new();
    let mut todo: Vec<Rows> = boxes.into_iter().rev().collect();
    while let Some(mut rows) = todo.pop() {
        rows.retain(|name, values| !values.is_all(nullable(subjects, name)));
        if rows.values().any(Values::is_empty) || done.iter().any(|other| holds(other, &rows)) {
            continue;
        }
        done.retain(|other| !holds(&rows, other));
        // A joined box may join again.
        match (0..done.len()).find_map(|i| Some((i, join(&done[i], &rows)?))) {
            Some((i, joined)) => {
                done.remove(i);
                todo.push(joined);
            }
            None => done.push(rows),
        }
    }
    done
}

/// Whether every row of `b` is in `a`.
fn holds(a: &Rows, b: &Rows) -> bool {
    a.iter().all(|(name, values)| {
        b.get(name)
            .is_some_and(|inner| inner.intersection(values) == *inner)
    })
}

/// Two boxes that differ in one name alone are one box.
fn join(a: &Rows, b: &Rows) -> Option<Rows> {
    if a.len() != b.len() {
        return None;
    }
    let mut differing = None;
    for (name, values) in a {
        let other = b.get(name)?;
        if values != other {
            if differing.is_some() {
                return None;
            }
            differing = Some((name, values.union(other)));
        }
    }
    let (name, values) = differing?;
    let mut joined = a.clone();
    joined.insert(name.clone(), values);
    Some(joined)
}

#[cfg(test)]
mod tests;
