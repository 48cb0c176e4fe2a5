//! A bar per table on a terminal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::super::figures;
use super::peak_memory;
use crate::run::Event;

/// How often a bar is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

/// The bars of all runs that are under way.
pub(in crate::cli) struct Bars {
    screen: MultiProgress,
    runs: Mutex<HashMap<String, Bar>>,
    /// How many of many tables are done.
    tables: Option<ProgressBar>,
}

struct Bar {
    bar: ProgressBar,
    began: Instant,
    step: String,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            screen: MultiProgress::new(),
            runs: Mutex::default(),
            tables: None,
        }
    }

    /// The same, with a bar of its own for tables.
    pub(super) fn of_many(mut self, tables: u64) -> Self {
        let bar = self.screen.add(ProgressBar::new(tables));
        bar.set_style(style(
            "[{bar:25}] {human_pos} of {human_len} tables, {elapsed}",
        ));
        bar.enable_steady_tick(TICK);
        self.tables = Some(bar);
        self
    }

    /// One more table is done.
    pub(super) fn advance(&self) {
        if let Some(bar) = &self.tables {
            bar.inc(1);
        }
    }

    pub(super) fn remark(&self, text: &str) {
        // A remark that can't be written is not missed.
        let _ = self.screen.println(text);
    }

    pub(super) fn finish(&self) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.drain().for_each(|(_, bar)| bar.bar.finish_and_clear());
        if let Some(bar) = &self.tables {
            bar.finish_and_clear();
        }
    }

    pub(super) fn saw(&self, event: &Event) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { run, target, .. } => {
                let bar = self.screen.add(Bar::unmeasured(target));
                bar.enable_steady_tick(TICK);
                let began = Instant::now();
                runs.insert(
                    run.clone(),
                    Bar {
                        bar,
                        began,
                        step: String::new(),
                    },
                );
            }
            Event::RunFinished { run, .. } => {
                if let Some(bar) = runs.remove(run) {
                    bar.bar.finish_and_clear();
                }
            }
            Event::Note { text, .. } => self.remark(&format!("note: {text}")),
            Event::Retrying {
                chunk,
                attempt,
                wait_millis,
                error,
                ..
            } => self.remark(&super::retrying(*chunk, *attempt, *wait_millis, error)),
            Event::StepStarted { run, .. }
            | Event::StepFinished { run, .. }
            | Event::Planned { run, .. }
            | Event::Progress { run, .. }
            | Event::ChunkPublished { run, .. } => {
                if let Some(bar) = runs.get_mut(run) {
                    bar.saw(event);
                }
            }
        }
    }
}

impl Bar {
    /// A bar whose length is not known yet.
    fn unmeasured(target: &str) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_prefix(target.to_owned());
        bar.set_style(style("{prefix} {spinner} {msg}"));
        bar
    }

    fn saw(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step, chunk, .. } => {
                let chunk = chunk.map(|chunk| format!(" chunk {chunk}"));
                self.step = format!("{step}{}", chunk.unwrap_or_default());
                self.bar.set_message(self.step.clone());
            }
            Event::Planned {
                rows: Some(rows), ..
            } => {
                self.bar.set_length(*rows);
                self.bar.set_style(style(
                    "{prefix} [{bar:25}] {human_pos}/{human_len} rows, eta {eta}\n  {wide_msg}",
                ));
            }
            Event::Progress {
                chunk,
                chunks,
                rows,
                bytes,
                ..
            } => {
                // The length is an estimate; a bar never overflows.
                if self.bar.length().is_some_and(|length| length < *rows) {
                    self.bar.set_length(*rows);
                }
                self.bar.set_position(*rows);
                self.bar
                    .set_message(self.figures(*chunk, *chunks, *rows, *bytes));
            }
            _ => {}
        }
    }

    fn figures(&self, chunk: u32, chunks: u32, rows: u64, bytes: u64) -> String {
        let speed = rows as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let memory = peak_memory().map(|bytes| format!(", peak {}", figures::bytes(bytes)));
        format!(
            "chunk {chunk}/{chunks}, {}, {} rows/s{}",
            figures::bytes(bytes),
            figures::count(speed as u64),
            memory.unwrap_or_default()
        )
    }
}

/// A style of fixed text, which therefore is right.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
