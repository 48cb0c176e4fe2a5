//! `goe plan`: everything that an offload would do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::request::Request;
use super::stop::Done;
use super::{Context, file};
use crate::offload::Take;

/// Show what an offload would do: types, statements, splits, proof
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe plan shop.main.orders --to lake.tpch.orders\n  \
    goe plan shop.main.orders --to lake.tpch.orders --where \"o_orderstatus = 'F'\"\n  \
    goe plan shop.main.orders --to lake.tpch.orders --ddl-file orders.sql\n\n\
    Nothing is written to a system."
)]
pub(super) struct Plan {
    #[command(flatten)]
    request: Request,
    /// Write what would be run on the target, in order, into this new file; - shows it
    #[arg(long, value_name = "FILE|-")]
    ddl_file: Option<PathBuf>,
}

impl Plan {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let offload = self.request.offload(session.config())?;
        let plan = session.plan(&offload, &Take::New).await?;
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
