//! `goe plan`: everything that an offload would do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::request::{Request, shell_line};
use super::stop::Done;
use super::{Context, file};
use crate::session::Sample;

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
    /// Write what would be run on the target, in order, into this new file; - shows it
    #[arg(long, value_name = "FILE|-", conflicts_with = "diff")]
    ddl_file: Option<PathBuf>,
    /// Read the first N percent of the rows, and propose types for numbers that come as text;
    /// nothing else is changed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100), conflicts_with_all = ["ddl_file", "diff"])]
    data_sample_percent: Option<u8>,
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
        if let Some(percent) = self.data_sample_percent {
            let sample = session
                .sample(&offload, &self.request.take()?, percent)
                .await?;
            return show_sample(context, &sample);
        }
        let plan = session.plan(&offload, &self.request.take()?).await?;
        match &self.ddl_file {
            None => show(context, &plan),
            Some(file) => write_ddl(context, &plan, file),
        }
    }
}

fn show_sample(context: &Context, sample: &Sample) -> Done {
    let screen = context.screen;
    if screen.is_json() {
        return screen.json(sample);
    }
    let rows = super::figures::counted(sample.rows, "row");
    if sample.proposals.is_empty() {
        return screen.line(format_args!(
            "{rows} read: no column holds numbers as text alone"
        ));
    }
    screen.line(format_args!(
        "{rows} read. These options would fit, and change nothing by themselves:"
    ))?;
    for proposal in &sample.proposals {
        let values = super::figures::counted(proposal.values, "value");
        let options = shell_line(&proposal.options);
        screen.line(format_args!(
            "  {options}    ({values}, each is checked in a run)"
        ))?;
    }
    Ok(())
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
