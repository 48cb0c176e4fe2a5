//! `goe plan`: everything that an offload would do.

use clap::Args;

use super::Context;
use super::request::Request;
use super::stop::Done;
use crate::offload::Take;

/// Show what an offload would do: types, statements, splits, proof
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe plan shop.main.orders --to lake.tpch.orders\n  \
    goe plan shop.main.orders --to lake.tpch.orders --where \"o_orderstatus = 'F'\"\n\n\
    Nothing is written."
)]
pub(super) struct Plan {
    #[command(flatten)]
    request: Request,
}

impl Plan {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let offload = self.request.offload(session.config())?;
        let plan = session.plan(&offload, &Take::New).await?;
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
