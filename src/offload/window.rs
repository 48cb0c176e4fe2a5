//! Which rows a run takes, and what a target has covered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::condition::Conditions;
use super::region::Region;
use crate::error::{Error, Result};

/// How every row is written.
const ALL: &str = "TRUE";

/// What a target has covered, as its record keeps it: conditions over the columns of the source,
/// in the engine's SQL, with constants alone. A row is covered when any of them is true for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coverage {
    conditions: Vec<String>,
}

impl Coverage {
    /// The coverage of a region.
    ///
    /// # Errors
    /// Kind Unsupported for a value that has no SQL.
    pub fn of(region: &Region) -> Result<Self> {
        Ok(Self {
            conditions: region.texts()?,
        })
    }

    /// Whether every row is covered.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.conditions.iter().any(|condition| condition == ALL)
    }

    /// Whether no row is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The covered rows. Without conditions (the offload is of a join or an aggregate) they are all
    /// or none.
    ///
    /// # Errors
    /// Those of [`Conditions::union`]: a column that is gone, or of another type.
    pub fn region(&self, conditions: Option<&Conditions>) -> Result<Region> {
        match conditions {
            _ if self.is_all() => Ok(Region::all()),
            _ if self.is_empty() => Ok(Region::none()),
            Some(conditions) => conditions.union(&self.conditions),
            None => Err(Error::internal(
                "A record of parts is of an offload in full",
            )),
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.conditions.as_slice() {
            _ if self.is_all() => f.write_str("all rows"),
            [] => f.write_str("no rows"),
            [one] => f.write_str(one),
            several => {
                for (i, condition) in several.iter().enumerate() {
                    write!(f, "{}({condition})", if i > 0 { " OR " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// The rows of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The rows that the source is asked for.
    pub rows: Region,
    /// The rows that go from the target in the same commit, by the columns of the source; `None`
    /// where the rows are added.
    pub replaces: Option<Region>,
    /// Whether they are rows that came after they were covered: the target must hold none of them.
    pub late: bool,
    /// What was covered before.
    pub before: Region,
    /// What is covered when all of it is published.
    pub after: Region,
}

impl Window {
    /// What of the rows that were asked for is not covered.
    ///
    /// # Errors
    /// Those of [`Region::union`].
    pub fn append(asked: &Region, before: Region) -> Result<Self> {
        Ok(Self {
            // As people asked for it, which is shorter than what was left of it.
            after: asked.union(&before)?,
            rows: asked.without(&before)?,
            replaces: None,
            late: false,
            before,
        })
    }

    /// What is covered once some of its rows are published.
    ///
    /// # Errors
    /// Those of [`Region::union`].
    pub fn after_some(&self, rows: &Region) -> Result<Region> {
        // Rows that are taken again, or late, cover nothing new.
        self.before.union(rows)?.intersection(&self.after)
    }
}
