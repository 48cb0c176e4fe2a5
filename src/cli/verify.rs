//! `goe verify`: proves again what was offloaded.

use std::sync::Arc;

use clap::Args;

use super::progress::{self, Progress};
use super::screen::printable;
use super::stop::Done;
use super::{Context, figures, request};
use crate::error::{Error, ErrorKind};
use crate::offload::Difference;
use crate::run::{Against, Interrupt, Verification};
use crate::schema::TableName;

/// Prove again that a target equals its source
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe verify lake.tpch.orders\n  goe verify sales   an offload by its name\n  \
    goe verify sales --where \"country = 'DE'\"\n  \
    goe verify lake.tpch.orders --stored   the source is gone: compare with the stored hashes"
)]
pub(super) struct Verify {
    /// The target: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE; or an offload's name
    #[arg(value_name = "TARGET")]
    target: String,
    /// Compare with the hashes of what was read then, not with the source of today
    #[arg(long)]
    stored: bool,
    /// Compare only those covered rows for which this is true
    #[arg(long = "where", value_name = "SQL", conflicts_with = "stored")]
    rows: Option<String>,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let default = session.config().defaults().to.as_deref();
        let target = match session.defined(&self.target)? {
            Some(spec) => spec.to,
            None => request::complete(&self.target, default),
        };
        let target = TableName::parse(&target)?;
        let against = match &self.rows {
            Some(rows) => Against::Slice(rows.clone()),
            None if self.stored => Against::Stored,
            None => Against::Source,
        };
        let progress = Arc::new(Progress::new(context.screen));
        let (trigger, interrupt) = Interrupt::new();
        let stopping = progress::fire_when_stopped(context, &progress, trigger);
        let verification = session
            .verify(&target, &against, Arc::clone(&progress) as _, interrupt)
            .await;
        stopping.abort();
        progress.finish();
        show(context, &verification?)
    }
}

/// Writes how both sides compare; a difference is an error.
pub(super) fn show(context: &Context, verification: &Verification) -> Done {
    let screen = context.screen;
    if screen.is_json() {
        screen.json(&progress::summary(verification))?;
    } else {
        let target = &verification.target;
        let against = &verification.against;
        let (there, here) = (verification.source_rows, verification.target_rows);
        let word = if verification.equal() {
            "Equal"
        } else {
            "Different"
        };
        screen.report(format_args!(
            "{word}: {target} has {}, {against} has {}. {}.",
            figures::counted(here, "row"),
            figures::counted(there, "row"),
            figures::duration(verification.millis)
        ))?;
        if !verification.only_nulls.is_empty() {
            let columns = verification.only_nulls.join(", ");
            screen.report(printable(&format!(
                "  Kept as JSON documents, so only the NULLs were compared: {columns}."
            )))?;
        }
        verification
            .differences
            .iter()
            .try_for_each(|difference| screen.report(line(difference)))?;
        verification.rows.iter().try_for_each(|row| {
            let text = format!("  {} {}", row.key, row.detail);
            screen.report(printable(&text))
        })?;
    }
    if verification.equal() {
        return Ok(());
    }
    let message = format!(
        "{} differs from {}",
        verification.target, verification.against
    );
    Err(Error::new(ErrorKind::Verify, message)
        .hint("offload it again with --reset to replace what is there")
        .into())
}

fn line(difference: &Difference) -> String {
    let partition = match difference.partition.as_str() {
        "" => "the whole table",
        partition => partition,
    };
    let column = difference
        .column
        .as_deref()
        .map(|column| format!(", column \"{column}\""));
    format!(
        "  {partition}{}: {}",
        column.unwrap_or_default(),
        difference.detail
    )
}
