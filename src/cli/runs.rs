//! `goe runs`: the runs that are not done, and what takes each up.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::history::run_json;
use super::stop::Done;
use super::{Context, figures};
use crate::repository::RunRow;
use crate::session::{RunState, Session};

/// List runs that did not end well, and what takes each up
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  goe runs\n  goe runs --all\n  \
    goe runs abandon 0192f3a0   the run that begins so\n\n\
    A run is running, interrupted, failed, or died: it never ended, and its process is gone. What \
    it published stays, and is never read again."
)]
pub(super) struct Runs {
    /// Every run
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Abandon(Abandon),
}

/// Give up a run that died, failed or was interrupted, and free its target
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe runs abandon 0192f3a0   the run that begins so")]
struct Abandon {
    /// A run, or the beginning of its name
    #[arg(value_name = "RUN")]
    run: String,
}

impl Runs {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        match self.action {
            Some(Action::Abandon(abandon)) => abandon.run(context, &session).await,
            None => list(context, &session, self.all),
        }
    }
}

fn list(context: &Context, session: &Session, all: bool) -> Done {
    let states = session.runs(all)?;
    let screen = context.screen;
    if screen.is_json() {
        return states
            .iter()
            .try_for_each(|state| screen.json(&state_json(state)));
    }
    if states.is_empty() {
        screen.remark(if all {
            "Nothing has been run yet."
        } else {
            "Every run ended well."
        });
        return Ok(());
    }
    screen.listing(
        ["RUN", "STARTED", "TARGET", "STATUS", "ROWS", "TO GO ON"],
        states.iter().map(cells),
    )
}

impl Abandon {
    async fn run(self, context: &Context, session: &Session) -> Done {
        let (found, told) = session.abandon(&self.run).await?;
        let screen = context.screen;
        match told {
            Ok(true) => screen.remark("What it was to take and did not is given up, too."),
            Ok(false) => {}
            Err(error) => {
                screen.remark(format_args!("{error}\nThe next run takes up what it left."))
            }
        }
        if screen.is_json() {
            let mut value = run_json(&found);
            value["status"] = "abandoned".into();
            return screen.json(&value);
        }
        screen.report(abandoned(&found))
    }
}

fn abandoned(run: &RunRow) -> String {
    let RunRow {
        run, target, rows, ..
    } = run;
    let stays = match rows {
        0 => "What it published, if anything, stays.".to_owned(),
        rows => format!(
            "The {} that it published stay.",
            figures::counted(*rows, "row")
        ),
    };
    format!(
        "Run {run} is abandoned and holds {target} no more. {stays}\n\
         Files that it left without publishing are removed by:\n  goe clean {target} -x"
    )
}

/// What takes a run up that came to no good end.
fn takes_up(state: &RunState) -> Option<String> {
    if !state.run.is_broken() {
        return None;
    }
    Some(if state.followed {
        "nothing: a later run did".to_owned()
    } else if state.defined {
        format!(
            "goe run {} -x",
            super::request::shell_word(&state.run.offload)
        )
    } else {
        "run the same command again".to_owned()
    })
}

fn cells(state: &RunState) -> [String; 6] {
    let run = &state.run;
    [
        run.run.clone(),
        run.started.clone(),
        run.target.clone(),
        run.status.clone(),
        run.rows.to_string(),
        takes_up(state).unwrap_or_default(),
    ]
}

fn state_json(state: &RunState) -> Value {
    let mut value = run_json(&state.run);
    value["takes_up"] = takes_up(state).into();
    value
}
