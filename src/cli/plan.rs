//! `goe plan`: everything that an offload would do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::request::Request;
use super::stop::Done;
use super::{Context, file};

/// Show what an offload would do: types, statements, splits, proof
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe plan shop.main.orders --to lake.tpch.orders\n  \
    goe plan shop.main.orders --to lake.tpch.orders --where \"o_orderstatus = 'F'\"\n  \
    goe plan shop.main.orders --to lake.tpch.orders --ddl-file orders.sql\n  \
    goe plan sales          an offload by its name\n  \
    goe plan --diff sales   what has changed since its last run\n\n\
    Nothing is written to a system."
)]
pub(super) struct Plan {
    #[command(flatten)]
    request: Request,
    /// Show only what has changed since the last run
    #[arg(long)]
    diff: bool,
    /// Write what would be run on the target, in order, into this new file; - shows it
    #[arg(long, value_name = "FILE|-")]
    ddl_file: Option<PathBuf>,
}

impl Plan {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let offload = self.request.meant(&session)?;
        if self.diff {
            let changes = session.changes(&offload).await?;
            return if context.screen.is_json() {
                context.screen.json(&changes)
            } else {
                context.screen.line(changes.to_string().trim_end())
            };
        }
        let plan = session.plan(&offload, &self.request.take()?).await?;
        match &self.ddl_file {
            None => show(context, &plan),
            Some(file) => write_ddl(context, &plan, file),
        }
    }
}

fn write_ddl(context: &Context, plan: &crate::offload::Plan, to: &Path) -> Done {
    let made = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ddl = plan.ddl(&made);
    if to == Path::new("-") {
        return context.screen.line(ddl.trim_end());
    }
    file::write_text(to, &ddl)?;
    let statements = plan.statements().len() as u64;
    let statements = super::figures::counted(statements, "statement");
    context
        .screen
        .report(format_args!("{statements} in {}", to.display()))
}

/// Writes a plan in the form that was asked for.
pub(super) fn show(context: &Context, plan: &crate::offload::Plan) -> Done {
    if context.screen.is_json() {
        context.screen.json(&plan.to_json())
    } else {
        context.screen.line(plan.to_string().trim_end())
    }
}
