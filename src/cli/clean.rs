//! `goe clean`: files of dead runs.

use clap::Args;
use serde_json::json;

use super::request::{complete, shell_line};
use super::stop::Done;
use super::{Context, figures};
use crate::backend::Orphan;
use crate::run::Sweep;
use crate::schema::TableName;

/// List staged files that no table needs, and remove them with -x
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe clean lake.tpch.orders\n  goe clean lake.tpch.orders -x")]
pub(super) struct Clean {
    /// The target: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "TARGET")]
    target: String,
    /// Also files of runs that this repository does not know and that began within a day
    #[arg(long)]
    foreign: bool,
    /// Remove them
    #[arg(short = 'x', long, visible_alias = "yes")]
    execute: bool,
}

impl Clean {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let default = session.config().defaults().to.as_deref();
        let target = TableName::parse(&complete(&self.target, default))?;
        let Sweep {
            orphans,
            foreign,
            asleep,
        } = session.clean(&target, self.execute, self.foreign).await?;
        let screen = context.screen;
        if screen.is_json() {
            return orphans.iter().try_for_each(|orphan| {
                screen.json(&json!({
                    "path": orphan.path,
                    "bytes": orphan.bytes,
                    "run": orphan.run,
                    "removed": self.execute,
                }))
            });
        }
        if !orphans.is_empty() {
            screen.listing(["FILE", "SIZE", "RUN"], orphans.iter().map(cells))?;
        }
        if !foreign.is_empty() {
            let files = figures::counted(foreign.len() as u64, "file");
            screen.remark(format_args!(
                "{files} of runs that this repository does not know are left alone: they began within a \
                 day, and another host may be at work. Where none is: --foreign"
            ));
        }
        if !asleep.is_empty() {
            let files = figures::counted(asleep.len() as u64, "file");
            screen.remark(format_args!(
                "{files} of runs that lost their lease and may still go on are left alone: goe runs shows \
                 them. Stop the process, or give up what is dead with goe runs abandon"
            ));
        }
        screen.report(self.conclusion(&orphans, context))
    }

    fn conclusion(&self, orphans: &[Orphan], context: &Context) -> String {
        let files = figures::counted(orphans.len() as u64, "file");
        let bytes = figures::bytes(orphans.iter().map(|orphan| orphan.bytes).sum());
        match (orphans.is_empty(), self.execute) {
            (true, _) => "Nothing to clean.".to_owned(),
            (false, true) => format!("Removed {files}, {bytes}."),
            (false, false) => {
                let line = shell_line(&context.line);
                format!("{files}, {bytes}. Nothing was removed. This does it:\n  {line} -x")
            }
        }
    }
}

fn cells(orphan: &Orphan) -> [String; 3] {
    [
        orphan.path.clone(),
        figures::bytes(orphan.bytes),
        orphan.run.clone(),
    ]
}
