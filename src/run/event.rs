//! What happens in a run, for whoever watches: a terminal, a log, a listener.

use serde::Serialize;

use crate::offload::Step;

/// One thing that happened. As JSON it is one line, `{"event":"step_started",…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run began.
    RunStarted {
        /// Its id.
        run: String,
        /// The offload's name.
        offload: String,
        /// The source, as it was named.
        source: String,
        /// The target, as it was named.
        target: String,
    },
    /// A step began.
    StepStarted {
        /// The run.
        run: String,
        /// The step.
        step: Step,
        /// The chunk that it is for.
        chunk: Option<u32>,
    },
    /// A step ended well.
    StepFinished {
        /// The run.
        run: String,
        /// The step.
        step: Step,
        /// The chunk that it was for.
        chunk: Option<u32>,
        /// How long it took.
        millis: u64,
    },
    /// The plan is made.
    Planned {
        /// The run.
        run: String,
        /// How many chunks.
        chunks: u32,
        /// Rows expected; an estimate.
        rows: Option<u64>,
        /// Bytes of the source expected; an estimate.
        bytes: Option<u64>,
    },
    /// Rows moved.
    Progress {
        /// The run.
        run: String,
        /// The chunk, from 1.
        chunk: u32,
        /// Of how many.
        chunks: u32,
        /// Rows staged so far.
        rows: u64,
        /// Rows expected; an estimate.
        rows_expected: Option<u64>,
        /// Bytes of finished files.
        bytes: u64,
    },
    /// Something that a person should know.
    Note {
        /// The run.
        run: String,
        /// In words.
        text: String,
    },
    /// A temporary failure; the chunk's work is done again from its stage, or its publish.
    Retrying {
        /// The run.
        run: String,
        /// The chunk, from 1.
        chunk: u32,
        /// The attempt that comes, from 2.
        attempt: u32,
        /// How long it waits first.
        wait_millis: u64,
        /// What failed, without a cell's value.
        error: String,
    },
    /// A chunk is visible.
    ChunkPublished {
        /// The run.
        run: String,
        /// The chunk, from 1.
        chunk: u32,
        /// Its rows.
        rows: u64,
        /// The target's version.
        version: String,
    },
    /// A run ended.
    RunFinished {
        /// The run.
        run: String,
        /// `published`, `nothing to do`, `failed` or `interrupted`.
        status: String,
        /// Rows published.
        rows: u64,
        /// Bytes published.
        bytes: u64,
        /// How long it took.
        millis: u64,
        /// Why it failed.
        error: Option<String>,
    },
}

/// Sees what happens in a run. Called from the run itself: it must not block.
pub trait Watcher: Send + Sync {
    /// Something happened.
    fn saw(&self, event: &Event);
}

/// A watcher that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn saw(&self, _: &Event) {}
}
