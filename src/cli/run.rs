//! `goe run`: the offloads of a project, one after the other.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::progress::{self, Progress};
use super::request::shell_line;
use super::stop::{Done, Stop};
use super::{Context, offload, plan};
use crate::error::{Error, Result};
use crate::offload::{OffloadSpec, Take};
use crate::run::Interrupt;
use crate::session::{Project, Session};

/// Run the offloads that the .sql files beside goe.toml define
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  goe run\n  goe run sales -x\n  goe run sales.sql -x\n  \
    goe run sales --where \"sold_at >= DATE '2024-01-01'\" -x\n\n\
    Without -x the plans are shown, and at a terminal it asks. goe help statements shows how the \
    files are written."
)]
pub(super) struct Run {
    /// Offloads by name, or files that define them; all of the folder by default
    #[arg(value_name = "NAME|FILE")]
    names: Vec<String>,
    #[command(flatten)]
    rows: Rows,
    /// Do it
    #[arg(short = 'x', long, visible_alias = "yes")]
    execute: bool,
}

/// Which rows a run takes.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub(super) struct Rows {
    /// Take what of these rows is not covered yet
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// Take those of these rows that came after their window was covered
    #[arg(long, value_name = "SQL")]
    late: Option<String>,
    /// Take these rows anew, in place of those that the target holds
    #[arg(long, value_name = "SQL")]
    replace: Option<String>,
    /// Take everything that is not covered yet
    #[arg(long)]
    full: bool,
}

impl Rows {
    fn take(&self) -> Take {
        match self {
            Self {
                filter: Some(predicate),
                ..
            } => Take::Where(predicate.clone()),
            Self {
                late: Some(predicate),
                ..
            } => Take::Late(predicate.clone()),
            Self {
                replace: Some(predicate),
                ..
            } => Take::Replace(predicate.clone()),
            Self { full: true, .. } => Take::Rest,
            Self { .. } => Take::New,
        }
    }
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let specs = self.chosen(&session).await?;
        let take = self.rows.take();
        if !self.execute {
            super::stoppable(context, explain(context, &session, &specs, &take)).await?;
            if !asked(context)? {
                return Ok(());
            }
        }
        let mut failed: Vec<(String, Error)> = Vec::new();
        for spec in &specs {
            if let Err(error) = run_one(context, &session, spec, &take).await {
                let stopped = error.kind() == crate::ErrorKind::Interrupted;
                failed.push((name(spec).to_owned(), error));
                if stopped {
                    break;
                }
            }
        }
        report(context, "offload", specs.len(), failed)
    }

    /// The offloads that were named, or all of the project.
    async fn chosen(&self, session: &Session) -> Result<Vec<OffloadSpec>> {
        if self.names.is_empty() {
            let project = session.project()?;
            let specs: Vec<OffloadSpec> = project.offloads.into_iter().map(|o| o.spec).collect();
            return match specs.as_slice() {
                [] => Err(Error::new(
                    crate::ErrorKind::NotFound,
                    "No file beside goe.toml defines an offload",
                )
                .hint("write CREATE OFFLOAD … into a .sql file there; goe help statements")),
                _ => Ok(specs),
            };
        }
        let mut specs = Vec::new();
        for name in &self.names {
            let file = PathBuf::from(name);
            if file.extension().is_some_and(|end| end == "sql") {
                let project = Project::of_files(&[file])?;
                specs.extend(project.offloads.into_iter().map(|o| o.spec));
            } else {
                specs.push(session.named(name).await?);
            }
        }
        Ok(specs)
    }
}

fn name(spec: &OffloadSpec) -> &str {
    spec.name.as_deref().unwrap_or(&spec.to)
}

async fn explain(context: &Context, session: &Session, specs: &[OffloadSpec], take: &Take) -> Done {
    for spec in specs {
        let offload = session.ready(spec)?;
        plan::show(context, &session.plan(&offload, take).await?)?;
        if !context.screen.is_json() {
            context.screen.line("")?;
        }
    }
    Ok(())
}

/// Whether a person at the terminal says yes; nobody there means no.
fn asked(context: &Context) -> Result<bool, Stop> {
    if context.screen.is_json() {
        return Ok(false);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        write!(io::stderr(), "Run it? [y/N] ")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        return Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()));
    }
    let line = shell_line(&context.line);
    context.screen.line(format_args!(
        "Nothing was written. This does it:\n  {line} -x"
    ))?;
    Ok(false)
}

async fn run_one(
    context: &Context,
    session: &Session,
    spec: &OffloadSpec,
    take: &Take,
) -> Result<()> {
    session.apply(spec)?;
    let offload = session.ready(spec)?;
    let progress = Arc::new(Progress::new(context.screen));
    let (trigger, interrupt) = Interrupt::new();
    let stopping = progress::fire_when_stopped(context, &progress, trigger);
    let outcome = session
        .offload(&offload, take, Arc::clone(&progress) as _, interrupt)
        .await;
    stopping.abort();
    progress.finish();
    let shown = offload::show(context, &outcome?);
    // Where nobody reads what became of it, the next one runs all the same.
    drop(shown);
    Ok(())
}

/// Tells the failures; the first decides the exit code.
pub(super) fn report(
    context: &Context,
    what: &str,
    count: usize,
    failed: Vec<(String, Error)>,
) -> Done {
    if failed.is_empty() {
        return Ok(());
    }
    if count > 1 {
        for (name, error) in failed.iter().skip(1) {
            context
                .screen
                .remark(format_args!("The {what} {name} failed:"));
            super::stop::tell(error, context.screen.format);
        }
        context.screen.remark(format_args!(
            "{} of {count} {what}s failed; the first of them, {}:",
            failed.len(),
            failed[0].0
        ));
    }
    match failed.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    }
}
