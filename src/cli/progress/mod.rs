//! What is shown of a run while it runs: bars on a terminal, plain lines otherwise, or JSON.

mod bars;
mod lines;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Context;
use super::screen::Screen;
use crate::run::{Event, Trigger, Watcher};
use bars::Bars;
use lines::Lines;

/// Shows events as they come.
pub(super) enum Progress {
    Bars(Bars),
    Lines(Lines),
    /// Of many tables: one line each.
    Brief(Lines),
    Json(Screen),
    Silent,
}

impl Progress {
    /// What suits the screen.
    pub(super) fn new(screen: Screen) -> Self {
        match (screen.is_json(), screen.quiet, io::stderr().is_terminal()) {
            (true, ..) => Self::Json(screen),
            (_, true, _) => Self::Silent,
            (_, _, true) => Self::Bars(Bars::new()),
            (_, _, false) => Self::Lines(Lines::new(screen)),
        }
    }

    /// What suits the screen while many tables are offloaded.
    pub(super) fn of_many(screen: Screen, tables: u64) -> Self {
        match Self::new(screen) {
            Self::Bars(bars) => Self::Bars(bars.of_many(tables)),
            Self::Lines(lines) => Self::Brief(lines),
            other => other,
        }
    }

    /// One of many tables is done.
    pub(super) fn advance(&self, text: &str) {
        if let Self::Bars(bars) = self {
            bars.advance();
        }
        self.remark(text);
    }

    /// Says something between two steps.
    pub(super) fn remark(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.remark(text),
            Self::Lines(lines) | Self::Brief(lines) => lines.remark(text),
            Self::Json(_) | Self::Silent => {}
        }
    }

    /// Clears the terminal of bars.
    pub(super) fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.finish();
        }
    }
}

impl Watcher for Progress {
    fn saw(&self, event: &Event) {
        match self {
            Self::Bars(bars) => bars.saw(event),
            Self::Lines(lines) => lines.saw(event),
            Self::Brief(lines) => lines.saw_briefly(event),
            // Where nobody reads the events, the run goes on all the same.
            Self::Json(screen) => drop(screen.json(event)),
            Self::Silent => {}
        }
    }
}

/// The last JSON object of a run.
pub(super) fn summary(outcome: &impl Serialize) -> Value {
    let mut value = json!({ "event": "summary" });
    if let (Some(summary), Ok(Value::Object(facts))) =
        (value.as_object_mut(), serde_json::to_value(outcome))
    {
        summary.extend(facts);
    }
    value
}

/// Asks a run to stop when a signal comes, and says so.
pub(super) fn fire_when_stopped(
    context: &Context,
    progress: &Arc<Progress>,
    trigger: Trigger,
) -> JoinHandle<()> {
    let signals = context.signals.clone();
    let progress = Arc::clone(progress);
    tokio::spawn(async move {
        signals.stopped().await;
        progress.remark("Stopping; nothing is published. Press Ctrl-C again to leave at once.");
        trigger.fire();
    })
}

/// A failure that passes, in one line.
fn retrying(chunk: u32, attempt: u32, wait_millis: u64, error: &str) -> String {
    let wait = super::figures::duration(wait_millis);
    format!("  chunk {chunk} failed: {error}; attempt {attempt} in {wait}")
}

/// The most memory that this process has held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
