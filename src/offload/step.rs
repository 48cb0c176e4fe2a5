//! The named parts of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A named part of a run; the same words everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Both systems say what they hold.
    Describe,
    /// Every decision is made.
    Plan,
    /// The target is taken: no other run may publish to it.
    Prepare,
    /// The snapshot is opened, and its rows become files.
    Stage,
    /// The backend takes the files in, unseen.
    Load,
    /// Both sides are compared.
    Verify,
    /// Rows and record become visible.
    Publish,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Describe => "describe",
            Self::Plan => "plan",
            Self::Prepare => "prepare",
            Self::Stage => "stage",
            Self::Load => "load",
            Self::Verify => "verify",
            Self::Publish => "publish",
        })
    }
}
