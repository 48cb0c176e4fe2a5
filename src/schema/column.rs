//! A column of a table, on either side, and how true its mapped type is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CanonicalType;

/// How a mapped type relates to the original one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fidelity {
    /// The same set of values.
    Exact,
    /// Every value is kept, in a wider type or another form (text, for instance).
    Widening,
    /// Some values can't be kept; each row is checked and such a value stops the run.
    Lossy,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Widening => "widening",
            Self::Lossy => "lossy",
        })
    }
}

/// The outcome of mapping a type in one direction: the type, how true it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping<T> {
    /// The type on the other side.
    pub to: T,
    /// How true the mapping is.
    pub fidelity: Fidelity,
    /// Why it is not exact, in words for the plan.
    pub reason: Option<String>,
}

impl<T> Mapping<T> {
    /// A mapping that keeps the set of values.
    pub fn exact(to: T) -> Self {
        Self {
            to,
            fidelity: Fidelity::Exact,
            reason: None,
        }
    }

    /// A mapping that keeps every value in another form.
    pub fn widening(to: T, reason: impl Into<String>) -> Self {
        Self {
            to,
            fidelity: Fidelity::Widening,
            reason: Some(reason.into()),
        }
    }

    /// A mapping that some values would not survive; rows are checked.
    pub fn lossy(to: T, reason: impl Into<String>) -> Self {
        Self {
            to,
            fidelity: Fidelity::Lossy,
            reason: Some(reason.into()),
        }
    }
}

/// A column as its system describes it, with its canonical type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The exact name, unquoted.
    pub name: String,
    /// The system's own type text, such as `numeric(15,2)`.
    pub native: String,
    /// The type between systems.
    pub canonical: CanonicalType,
    /// Whether NULLs may occur.
    pub nullable: bool,
    /// How true the canonical type is to the native one.
    pub fidelity: Fidelity,
    /// Why it is not exact.
    pub reason: Option<String>,
    /// The comment that the system keeps.
    pub comment: Option<String>,
}

impl Column {
    /// A column from what a type map said of its native type.
    pub fn new(
        name: impl Into<String>,
        native: impl Into<String>,
        nullable: bool,
        mapping: Mapping<CanonicalType>,
    ) -> Self {
        Self {
            name: name.into(),
            native: native.into(),
            canonical: mapping.to,
            nullable,
            fidelity: mapping.fidelity,
            reason: mapping.reason,
            comment: None,
        }
    }

    /// The column as an Arrow field that carries both types.
    #[must_use]
    pub fn field(&self) -> arrow::datatypes::Field {
        self.canonical
            .to_field(&self.name, &self.native, self.nullable)
    }
}
