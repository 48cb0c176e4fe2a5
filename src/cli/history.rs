//! `goe history`: what was run, and what became of it.

use clap::Args;
use serde_json::{Value, json};

use super::stop::Done;
use super::{Context, figures};
use crate::repository::{RunRow, StepRow};

/// Show past runs, or the steps of one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe history\n  goe history 0192f3a0   the run that begins so")]
pub(super) struct History {
    /// A run, or the beginning of its name
    #[arg(value_name = "RUN")]
    run: Option<String>,
}

impl History {
    pub(super) fn run(self, context: &Context) -> Done {
        let history = context.session()?.history(self.run.as_deref())?;
        let screen = context.screen;
        if screen.is_json() {
            history
                .runs
                .iter()
                .try_for_each(|run| screen.json(&run_json(run)))?;
            return history
                .steps
                .iter()
                .try_for_each(|step| screen.json(&step_json(step)));
        }
        if history.runs.is_empty() {
            screen.remark("Nothing has been run yet.");
            return Ok(());
        }
        screen.listing(
            [
                "RUN", "STARTED", "SOURCE", "TARGET", "STATUS", "ROWS", "SIZE",
            ],
            history.runs.iter().map(run_cells),
        )?;
        for run in &history.runs {
            if let Some(error) = run.error.as_ref().filter(|_| self.run.is_some()) {
                screen.line(format_args!("error: {error}"))?;
            }
        }
        if !history.steps.is_empty() {
            screen.line("")?;
            screen.listing(
                ["STEP", "CHUNK", "STARTED", "TIME", "STATUS"],
                history.steps.iter().map(step_cells),
            )?;
        }
        Ok(())
    }
}

fn run_cells(run: &RunRow) -> [String; 7] {
    [
        run.run.clone(),
        run.started.clone(),
        run.source.clone(),
        run.target.clone(),
        run.status.clone(),
        run.rows.to_string(),
        figures::bytes(run.bytes),
    ]
}

fn step_cells(step: &StepRow) -> [String; 5] {
    [
        step.step.clone(),
        step.chunk
            .map(|chunk| chunk.to_string())
            .unwrap_or_default(),
        step.started.clone(),
        step.millis.map(figures::duration).unwrap_or_default(),
        step.status.clone(),
    ]
}

/// A run as programs read it.
pub(super) fn run_json(run: &RunRow) -> Value {
    json!({
        "run": run.run,
        "offload": run.offload,
        "source": run.source,
        "target": run.target,
        "started": run.started,
        "finished": run.finished,
        "status": run.status,
        "rows": run.rows,
        "bytes": run.bytes,
        "error": run.error,
    })
}

fn step_json(step: &StepRow) -> Value {
    json!({
        "step": step.step,
        "chunk": step.chunk,
        "started": step.started,
        "millis": step.millis,
        "status": step.status,
    })
}
