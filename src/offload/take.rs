//! Which rows one run takes, beside what its offload says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::PartitionRequest;

/// Which of an offload's rows one run takes. A predicate is a SQL condition over the columns of the
/// source; it selects the rows for which it is true.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// What is new by the offload's own rule, and what an interrupted run left.
    #[default]
    New,
    /// Everything that is not covered yet.
    Rest,
    /// What of these rows is not covered yet.
    Where(String),
    /// Those of these rows that came to the source after their window was covered: covered rows, of
    /// which the target must hold none.
    Late(String),
    /// These rows anew, in place of those that the target holds.
    Replace(String),
    /// Whole partitions of the source, by what is closed.
    Partitions(Box<PartitionRequest>),
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("what is new"),
            Self::Rest => f.write_str("what is not covered"),
            Self::Where(predicate) => write!(f, "where {predicate}"),
            Self::Late(predicate) => write!(f, "late where {predicate}"),
            Self::Replace(predicate) => write!(f, "replace where {predicate}"),
            Self::Partitions(_) => f.write_str("by partitions"),
        }
    }
}
