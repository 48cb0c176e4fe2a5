//! `goe adopt`: a target that something else filled.

use std::sync::Arc;

use clap::Args;

use super::Context;
use super::progress::{self, Progress};
use super::request::{Request, shell_line};
use super::stop::Done;
use crate::run::{Interrupt, Outcome};

/// Take over a target that something else filled, once it is proved equal to its source
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    goe adopt shop.main.orders --to lake.tpch.orders -x\n  \
    goe adopt shop.main.orders --to lake.tpch.orders --incremental-by o_orderdate \\\n      \
    --covered \"o_orderdate < DATE '1998-01-01'\" -x\n\n\
    No row moves: both sides are read and compared value by value, and the target gets its record.\n\
    Later offloads then take only what is not covered.")]
pub(super) struct Adopt {
    #[command(flatten)]
    request: Request,
    /// The rows of the source that it holds, as a condition; all of them by default
    #[arg(long, value_name = "SQL")]
    covered: Option<String>,
    /// Do it
    #[arg(short = 'x', long, visible_alias = "yes")]
    execute: bool,
}

impl Adopt {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let offload = self.request.offload(session.config())?;
        if !self.execute {
            let line = shell_line(&context.line);
            let target = offload.target();
            return context.screen.report(format_args!(
                "This compares {target} with its source and writes its record:\n  {line} -x"
            ));
        }
        let progress = Arc::new(Progress::new(context.screen));
        let (trigger, interrupt) = Interrupt::new();
        let stopping = progress::fire_when_stopped(context, &progress, trigger);
        let watcher = Arc::clone(&progress) as _;
        let outcome = session
            .adopt(&offload, self.covered.as_deref(), watcher, interrupt)
            .await;
        stopping.abort();
        progress.finish();
        show(context, &outcome?)
    }
}

fn show(context: &Context, outcome: &Outcome) -> Done {
    let screen = context.screen;
    if screen.is_json() {
        return screen.json(&progress::summary(outcome));
    }
    let target = &outcome.target;
    screen.report(format_args!("Adopted {target}: {}.", outcome.proof))
}
