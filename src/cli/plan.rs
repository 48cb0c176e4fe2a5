//! `goe plan`: everything that an offload would do.

use clap::Args;

use super::Context;
use super::request::Request;
use super::stop::Done;

/// Show what an offload would do: types, statements, splits, proof
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe plan shop.main.orders --to lake.tpch.orders\n  \
    goe plan shop.main.orders --to lake.tpch.orders --where \"o_orderstatus = 'F'\"\n  \
    goe plan sales          an offload by its name\n  \
    goe plan --diff sales   what has changed since its last run\n\n\
    Nothing is written."
)]
pub(super) struct Plan {
    #[command(flatten)]
    request: Request,
    /// Show only what has changed since the last run
    #[arg(long)]
    diff: bool,
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
        show(context, &plan)
    }
}

/// Writes a plan in the form that was asked for.
pub(super) fn show(context: &Context, plan: &crate::offload::Plan) -> Done {
    if context.screen.is_json() {
        context.screen.json(&plan.to_json())
    } else {
        context.screen.line(plan.to_string().trim_end())
    }
}
