#![doc = include_str!("README.md")]

mod grammar;
mod options;
mod print;
mod reader;
mod script;
mod select;

use std::collections::BTreeMap;

use super::{OffloadSpec, Take};

pub use grammar::{parse, refuse_chains};
pub use options::{Options, option_names};
pub use script::definitions;
pub(super) use select::{PlainSelect, plain_select, quoted_names};

/// One of our own statements; every other is the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// `CREATE [OR REPLACE] CONNECTION name TO 'url' [WITH (…)]`.
    CreateConnection {
        /// Its name.
        name: String,
        /// Whether one of that name may be there.
        replace: bool,
        /// Its URL as written, references to secrets among it.
        url: String,
        /// Its options as written.
        options: BTreeMap<String, String>,
    },
    /// `CREATE [OR REPLACE] OFFLOAD name TO … AS SELECT …`.
    CreateOffload {
        /// Whether one of that name may be there.
        replace: bool,
        /// The offload; it has a name.
        spec: Box<OffloadSpec>,
    },
    /// `EXPLAIN [VERBOSE | FORMAT JSON] OFFLOAD …`, or `EXPLAIN INSERT INTO …`.
    Explain {
        /// Which offload.
        subject: Subject,
        /// Which of its rows.
        take: Take,
        /// Whether JSON is wanted.
        json: bool,
        /// For this once.
        options: Options,
    },
    /// `PREVIEW OFFLOAD … [LIMIT n]`.
    Preview {
        /// Which offload.
        subject: Subject,
        /// How many rows.
        limit: Option<usize>,
    },
    /// `RUN OFFLOAD name [FULL | WHERE p | LATE WHERE p | REPLACE WHERE p] [WITH (…)]`.
    Run {
        /// Its name.
        name: String,
        /// Which of its rows.
        take: Take,
        /// For this once.
        options: Options,
    },
    /// `VERIFY OFFLOAD name [STORED | WHERE p]`.
    Verify {
        /// Its name.
        name: String,
        /// Which of the covered rows; all of them if none are named.
        rows: Option<String>,
        /// Whether the target is compared with what was stored when it was published.
        stored: bool,
    },
    /// `ALTER OFFLOAD name SET (…)`.
    Alter {
        /// Its name.
        name: String,
        /// What changes.
        options: Options,
    },
    /// `SHOW OFFLOADS`, `SHOW CONNECTIONS`, `SHOW RUNS`.
    Show(Shown),
    /// `DESCRIBE OFFLOAD name`.
    Describe {
        /// Its name.
        name: String,
    },
    /// `DROP OFFLOAD [IF EXISTS] name`.
    Drop {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `INSERT INTO connection.schema.table SELECT …`: an offload that is run once.
    Insert(Box<OffloadSpec>),
}

/// An offload by its name, or written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// By its name, or its target's.
    Named(String),
    /// Written out: `[name] TO … AS SELECT …`.
    Inline(Box<OffloadSpec>),
}

/// What a SHOW lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The offloads last applied.
    Offloads,
    /// The connections.
    Connections,
    /// The runs.
    Runs,
}

#[cfg(test)]
mod tests;
