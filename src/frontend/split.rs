//! Splits: small bounded pieces of a source, the unit of parallel reading only.

/// A piece of a source, in the source's own SQL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// What to read from instead of the table, already quoted: a leaf partition.
    pub relation: Option<String>,
    /// Which of its rows, as SQL that the system itself wrote; `None` for all.
    pub predicate: Option<String>,
    /// Rows expected; an estimate.
    pub rows: Option<u64>,
    /// Bytes expected; an estimate.
    pub bytes: Option<u64>,
}

/// How a source is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// By what, for the plan: `rowid ranges`, `ctid ranges`, `one split`.
    pub kind: &'static str,
    /// Why not finer, where it could not be.
    pub reason: Option<String>,
    /// The pieces; at least one.
    pub list: Vec<Split>,
}

impl Splits {
    /// The whole table in one piece, and why.
    #[must_use]
    pub fn one(reason: impl Into<String>) -> Self {
        Self {
            kind: "one split",
            reason: Some(reason.into()),
            list: vec![Split::default()],
        }
    }
}
