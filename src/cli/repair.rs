//! `goe repair`: a repository that was lost, or is old.

use clap::Args;

use super::request::shell_line;
use super::stop::Done;
use super::{Context, fsck};

/// Rebuild what the repository remembers from the targets themselves
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe repair -x   all targets of all connections\n  goe repair lake.tpch.orders -x\n\n\
    The truth about a target is kept with its data. Losing the repository loses history and doubles\n\
    no row; this brings back which targets there are and how they are filled. No row moves."
)]
pub(super) struct Repair {
    /// Targets: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Do it
    #[arg(short = 'x', long, visible_alias = "yes")]
    execute: bool,
}

impl Repair {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let targets = match self.targets.as_slice() {
            [] => session.filled().await?,
            named => fsck::names(&session, named)?,
        };
        let screen = context.screen;
        if !self.execute {
            for target in &targets {
                screen.line(target)?;
            }
            let line = shell_line(&context.line);
            return screen.report(format_args!(
                "What is remembered of these targets is made to agree with them by:\n  {line} -x"
            ));
        }
        let mut done = 0;
        for target in &targets {
            for line in session.repair(target).await? {
                screen.report(line)?;
                done += 1;
            }
        }
        if done == 0 {
            screen.report("Nothing to repair.")?;
        }
        Ok(())
    }
}
