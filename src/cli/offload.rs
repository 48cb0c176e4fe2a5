//! `goe offload`: the main job.

use std::sync::Arc;

use clap::Args;

use super::many::Tables;
use super::progress::{self, Progress};
use super::request::{Request, shell_line};
use super::stop::Done;
use super::{Context, figures, plan};
use crate::error::{Error, Result};
use crate::run::{Interrupt, Outcome};
use crate::session::Session;

/// Copy a table into a target, prove it equal, and only then make it visible
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe offload shop.main.orders --to lake.tpch.orders\n  \
    goe offload shop.main.orders --to lake.tpch.orders -x\n  \
    goe offload pg.public.orders --to lake.tpch.orders --partition-by 'month(o_orderdate)' \\\n      \
    --incremental-by o_orderdate --until \"DATE '1999-01-01'\" --parallel 4 -x\n  \
    goe offload 'pg.public.*' --exclude '*_old' --to lake.public -x\n\n\
    Without -x nothing is written: the plan is shown."
)]
pub(super) struct Offload {
    #[command(flatten)]
    request: Request,
    /// Of the tables that a pattern names not those whose TABLE or SCHEMA.TABLE fits this one
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Do it
    #[arg(short = 'x', long, visible_alias = "yes")]
    execute: bool,
}

impl Offload {
    pub(super) async fn run(self, context: &Context) -> Done {
        if self.execute {
            self.execute(context).await
        } else {
            super::stoppable(context, self.explain(context)).await
        }
    }

    /// The tables that the source is a pattern of; `None` where it is the name of one.
    async fn tables(&self, session: &Session) -> Result<Option<Tables>> {
        match self.request.pattern(session.config())? {
            Some(pattern) => {
                let found = Tables::find(session, &self.request, &pattern, &self.exclude);
                found.await.map(Some)
            }
            None if self.exclude.is_empty() => Ok(None),
            None => Err(Error::usage("--exclude is for a source that is a pattern")
                .hint("write the source with *, such as 'pg.public.*'")),
        }
    }

    async fn explain(&self, context: &Context) -> Done {
        let session = context.session()?;
        if let Some(tables) = self.tables(&session).await? {
            return tables.explain(context);
        }
        let offload = self.request.offload(session.config())?;
        plan::show(
            context,
            &session.plan(&offload, &self.request.take()?).await?,
        )?;
        let line = shell_line(&context.line);
        if !context.screen.is_json() {
            context.screen.line(format_args!(
                "\nNothing was written. This does it:\n  {line} -x"
            ))?;
        }
        Ok(())
    }

    async fn execute(&self, context: &Context) -> Done {
        let session = context.session()?;
        let tables = async { Ok(self.tables(&session).await?) };
        if let Some(tables) = super::stoppable(context, tables).await? {
            return tables.execute(context, &self.request).await;
        }
        let offload = self.request.offload(session.config())?;
        let take = self.request.take()?;
        let progress = Arc::new(Progress::new(context.screen));
        let (trigger, interrupt) = Interrupt::new();
        let stopping = progress::fire_when_stopped(context, &progress, trigger);
        let outcome = session
            .offload(&offload, &take, Arc::clone(&progress) as _, interrupt)
            .await;
        stopping.abort();
        progress.finish();
        show(context, &outcome?)
    }
}

/// Writes what became of a run.
pub(super) fn show(context: &Context, outcome: &Outcome) -> Done {
    let screen = context.screen;
    if screen.is_json() {
        return screen.json(&progress::summary(outcome));
    }
    let target = &outcome.target;
    if let Some(reason) = &outcome.nothing_to_do {
        return screen.report(format_args!("Nothing to do for {target}: {reason}"));
    }
    let rows = figures::counted(outcome.rows, "row");
    let version = outcome
        .version
        .as_deref()
        .map(|version| format!(" ({version})"));
    let files = figures::counted(outcome.files as u64, "file");
    let bytes = figures::bytes(outcome.bytes);
    let time = figures::duration(outcome.millis);
    screen.report(format_args!(
        "Offloaded {rows} to {target}{}: {files}, {bytes}, {time}.",
        version.unwrap_or_default()
    ))?;
    if outcome.rows_removed > 0 {
        let removed = figures::counted(outcome.rows_removed, "row");
        screen.report(format_args!("Replaced {removed} that had been there."))?;
    }
    screen.report(format_args!(
        "Proof: {}.",
        outcome.proof.trim_end_matches('.')
    ))?;
    screen.remark(format_args!("Run {}", outcome.run));
    Ok(())
}
