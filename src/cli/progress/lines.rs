//! Plain lines for logs: one per step, and now and then how far it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::figures;
use super::super::screen::Screen;
use super::peak_memory;
use crate::run::Event;

/// The least time between two lines of progress.
const PAUSE: Duration = Duration::from_secs(5);

/// Writes remarks on events.
pub(in crate::cli) struct Lines {
    screen: Screen,
    began: Instant,
    last: Mutex<Instant>,
}

impl Lines {
    pub(super) fn new(screen: Screen) -> Self {
        let now = Instant::now();
        Self {
            screen,
            began: now,
            last: Mutex::new(now),
        }
    }

    pub(super) fn remark(&self, text: &str) {
        self.screen.remark(text);
    }

    pub(super) fn saw(&self, event: &Event) {
        if matches!(event, Event::Progress { .. }) && !self.is_due() {
            return;
        }
        if let Some(text) = describe(event, self.began.elapsed()) {
            self.screen.remark(text);
        }
    }

    /// Of a run beside others only what a person should know.
    pub(super) fn saw_briefly(&self, event: &Event) {
        if matches!(event, Event::Note { .. } | Event::Retrying { .. }) {
            self.saw(event);
        }
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.elapsed() >= PAUSE;
        if due {
            *last = Instant::now();
        }
        due
    }
}

/// An event as a line, if it is worth one.
fn describe(event: &Event, elapsed: Duration) -> Option<String> {
    Some(match event {
        Event::RunStarted {
            run,
            source,
            target,
            ..
        } => format!("{source} to {target}, run {run}"),
        Event::Planned {
            chunks,
            rows,
            bytes,
            ..
        } => planned(*chunks, *rows, *bytes),
        Event::Progress {
            chunk,
            chunks,
            rows,
            rows_expected,
            bytes,
            ..
        } => {
            let of = rows_expected.map(|rows| format!(" of about {}", figures::count(rows)));
            let speed = *rows as f64 / elapsed.as_secs_f64().max(0.001);
            let memory = peak_memory().map(|bytes| format!(", peak {}", figures::bytes(bytes)));
            format!(
                "  chunk {chunk} of {chunks}: {}{} rows, {}, {} rows/s{}",
                figures::count(*rows),
                of.unwrap_or_default(),
                figures::bytes(*bytes),
                figures::count(speed as u64),
                memory.unwrap_or_default()
            )
        }
        Event::StepFinished {
            step,
            chunk,
            millis,
            ..
        } => {
            let chunk = chunk.map(|chunk| format!(" chunk {chunk}"));
            let time = figures::duration(*millis);
            format!("  {step}{}: {time}", chunk.unwrap_or_default())
        }
        Event::ChunkPublished {
            chunk,
            rows,
            version,
            ..
        } => {
            let rows = figures::counted(*rows, "row");
            format!("  chunk {chunk} is visible: {rows}, {version}")
        }
        Event::Note { text, .. } => format!("  note: {text}"),
        Event::Retrying {
            chunk,
            attempt,
            wait_millis,
            error,
            ..
        } => super::retrying(*chunk, *attempt, *wait_millis, error),
        Event::StepStarted { .. } | Event::RunFinished { .. } => return None,
    })
}

/// What a plan amounts to.
pub(super) fn planned(chunks: u32, rows: Option<u64>, bytes: Option<u64>) -> String {
    let chunks = figures::counted(u64::from(chunks), "chunk");
    let rows = rows.map(|rows| format!(", about {}", figures::counted(rows, "row")));
    let bytes = bytes.map(|bytes| format!(", about {}", figures::bytes(bytes)));
    format!(
        "  {chunks}{}{}",
        rows.unwrap_or_default(),
        bytes.unwrap_or_default()
    )
}
