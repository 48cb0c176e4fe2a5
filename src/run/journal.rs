//! What a run leaves behind of itself: rows in the repository, events for watchers.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use uuid::Uuid;

use super::{Event, Interrupt, Outcome, Watcher};
use crate::backend::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::offload::{Offload, Step};
use crate::repository::{Chunk, Ending, KeptEvent, Repository};
use crate::staging::Manifest;

/// The journal of one run.
pub(super) struct Journal {
    pub(super) run: String,
    repository: Arc<Repository>,
    watcher: Arc<dyn Watcher>,
    pub(super) interrupt: Interrupt,
    began: Instant,
    steps: AtomicU32,
    events: Mutex<Events>,
}

/// Events that are not in the repository yet.
#[derive(Default)]
struct Events {
    /// How many there were before these.
    kept: u32,
    waiting: Vec<KeptEvent>,
}

impl Journal {
    pub(super) fn begin(
        repository: &Arc<Repository>,
        watcher: &Arc<dyn Watcher>,
        interrupt: Interrupt,
        offload: &Offload,
    ) -> Result<Self> {
        let journal = Self {
            run: Uuid::now_v7().simple().to_string(),
            repository: Arc::clone(repository),
            watcher: Arc::clone(watcher),
            interrupt,
            began: Instant::now(),
            steps: AtomicU32::new(0),
            events: Mutex::default(),
        };
        let source = offload
            .source()
            .map_or_else(|| "a query".to_owned(), ToString::to_string);
        let target = offload.target().to_string();
        journal
            .repository
            .begin(&journal.run, offload.name(), &source, &target)?;
        fault::point("run.begun")?;
        journal.tell(&Event::RunStarted {
            run: journal.run.clone(),
            offload: offload.name().to_owned(),
            source,
            target,
        });
        Ok(journal)
    }

    pub(super) fn tell(&self, event: &Event) {
        self.watcher.saw(event);
        self.remember(event);
    }

    /// Keeps an event, and with those that are worth a write all before it. A history that can't
    /// be written stops no run.
    fn remember(&self, event: &Event) {
        if matches!(event, Event::Progress { .. }) {
            return;
        }
        let Ok(body) = serde_json::to_value(event) else {
            return;
        };
        let name = body.get("event").and_then(serde_json::Value::as_str);
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let ordinal = events.kept;
        events.kept += 1;
        events.waiting.push(KeptEvent {
            ordinal,
            time: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            event: name.unwrap_or_default().to_owned(),
            body: body.to_string(),
        });
        if !matches!(event, Event::StepFinished { .. } | Event::Note { .. }) {
            let waiting = std::mem::take(&mut events.waiting);
            let _ = self.repository.events(&self.run, &waiting);
        }
    }

    /// Tells and keeps that a chunk is visible.
    pub(super) fn chunk(
        &self,
        number: u32,
        window: &str,
        manifest: &Manifest,
        published: &Published,
        proof: &str,
    ) {
        let chunk = Chunk {
            number,
            window,
            manifest,
            version: &published.version,
            proof,
        };
        let kept = self.repository.chunk(&self.run, &chunk);
        if let Err(error) = kept.and_then(|()| fault::point("chunk.kept")) {
            self.note(format!(
                "chunk {number} is published, but not in the history: {error}"
            ));
        }
        self.tell(&Event::ChunkPublished {
            run: self.run.clone(),
            chunk: number,
            rows: manifest.rows(),
            version: published.version.clone(),
        });
    }

    pub(super) fn note(&self, text: impl Into<String>) {
        self.tell(&Event::Note {
            run: self.run.clone(),
            text: text.into(),
        });
    }

    pub(super) fn millis(&self) -> u64 {
        millis(self.began)
    }

    /// A step that stops when somebody asks.
    pub(super) async fn step<T>(
        &self,
        step: Step,
        chunk: Option<u32>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.whole_step(step, chunk, self.interrupt.or(work)).await
    }

    /// A step that goes on to its end whatever somebody asks.
    pub(super) async fn whole_step<T>(
        &self,
        step: Step,
        chunk: Option<u32>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let ordinal = self.steps.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        self.repository
            .begin_step(&self.run, ordinal, &step.to_string(), chunk)?;
        let (begun, ended) = points(step);
        fault::point(begun)?;
        self.tell(&Event::StepStarted {
            run: self.run.clone(),
            step,
            chunk,
        });
        let result = work.await;
        let status = if result.is_ok() { "done" } else { "failed" };
        self.repository
            .finish_step(&self.run, ordinal, millis(began), status)?;
        if result.is_ok() {
            fault::point(ended)?;
            let millis = millis(began);
            self.tell(&Event::StepFinished {
                run: self.run.clone(),
                step,
                chunk,
                millis,
            });
        }
        result
    }

    /// Ends the run as its result says, and gives the result back.
    pub(super) fn finish(&self, result: Result<Outcome>) -> Result<Outcome> {
        let ending = match &result {
            Ok(outcome) => Ending {
                status: if outcome.nothing_to_do.is_some() {
                    "nothing to do"
                } else {
                    "published"
                },
                rows: outcome.rows,
                bytes: outcome.bytes,
                error: None,
            },
            Err(error) => Ending {
                status: status(error),
                rows: 0,
                bytes: 0,
                error: Some(told(error)),
            },
        };
        self.tell(&Event::RunFinished {
            run: self.run.clone(),
            status: ending.status.to_owned(),
            rows: ending.rows,
            bytes: ending.bytes,
            millis: self.millis(),
            error: ending.error.clone(),
        });
        let written = fault::point("run.ending")
            .and_then(|()| self.repository.finish(&self.run, &ending))
            .and_then(|()| fault::point("run.ended"));
        match (result, written) {
            // What was published stays published, even if the history could not be written.
            (Ok(outcome), Err(error)) => {
                self.note(format!("the run is done, but not in the history: {error}"));
                Ok(outcome)
            }
            (result, _) => result,
        }
    }
}

/// The kind alone where the message shows a value: no cell value goes into a log.
pub(super) fn told(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Data | ErrorKind::TypeLoss => error.kind().describe().to_owned(),
        _ => error.message().to_owned(),
    }
}

/// The fault points at a step's beginning and end.
fn points(step: Step) -> (&'static str, &'static str) {
    match step {
        Step::Describe => ("describe.begun", "describe.ended"),
        Step::Plan => ("plan.begun", "plan.ended"),
        Step::Prepare => ("prepare.begun", "prepare.ended"),
        Step::Stage => ("stage.begun", "stage.ended"),
        Step::Load => ("load.begun", "load.ended"),
        Step::Verify => ("verify.begun", "verify.ended"),
        Step::Publish => ("publish.begun", "publish.ended"),
    }
}

fn status(error: &Error) -> &'static str {
    if error.kind() == ErrorKind::Interrupted {
        "interrupted"
    } else {
        "failed"
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
