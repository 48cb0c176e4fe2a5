//! `goe fsck`: whether the books agree.

use clap::Args;

use super::request::complete;
use super::stop::Done;
use super::{Context, figures};
use crate::error::{Error, ErrorKind, Result};
use crate::run::Finding;
use crate::schema::TableName;
use crate::session::Session;

/// Check that the repository, the targets and their files agree
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe fsck   all targets that are remembered\n  goe fsck lake.tpch.orders\n\n\
    Compares the repository, each target's record and proof, its log and the objects there. Nothing\n\
    is changed and no row is read; goe verify proves the rows. Ends with exit code 23 if something\n\
    disagrees, and says what mends it."
)]
pub(super) struct Fsck {
    /// Targets: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

impl Fsck {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let targets = match self.targets.as_slice() {
            [] => session.remembered()?,
            named => names(&session, named)?,
        };
        let mut findings = Vec::new();
        for target in &targets {
            findings.extend(session.fsck(target).await?);
        }
        show(context, targets.len(), &findings)
    }
}

/// Targets as they were written, completed by the configured default.
pub(super) fn names(session: &Session, written: &[String]) -> Result<Vec<TableName>> {
    let default = session.config().defaults().to.as_deref();
    let names = written.iter().map(|name| complete(name, default));
    names.map(|name| TableName::parse(&name)).collect()
}

fn show(context: &Context, targets: usize, findings: &[Finding]) -> Done {
    let screen = context.screen;
    if screen.is_json() {
        findings
            .iter()
            .try_for_each(|finding| screen.json(finding))?;
    } else if !findings.is_empty() {
        let cells = |finding: &Finding| {
            [
                finding.target.clone(),
                finding.object.clone(),
                finding.detail.clone(),
                finding.mend.clone(),
            ]
        };
        screen.listing(
            ["TARGET", "OBJECT", "WHAT", "MENDED BY"],
            findings.iter().map(cells),
        )?;
    }
    let checked = figures::counted(targets as u64, "target");
    if findings.is_empty() {
        screen.remark(format_args!("{checked}: everything agrees."));
        return Ok(());
    }
    let count = figures::counted(findings.len() as u64, "disagreement");
    Err(
        Error::new(ErrorKind::Verify, format!("{count} in {checked}"))
            .hint("each line says what mends it")
            .into(),
    )
}
