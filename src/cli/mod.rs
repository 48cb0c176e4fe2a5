//! The terminal's face: arguments in, one command run, an exit code out.
//!
//! One file per command, each with its arguments and a `run`. Results go to standard output,
//! everything else to standard error. Nothing is written to a system without `-x`.

mod adopt;
mod clean;
mod completions;
mod connect;
mod demo;
mod describe;
mod figures;
mod file;
mod fit;
mod fsck;
mod help;
mod history;
mod limits;
mod many;
mod offload;
mod pattern;
mod plan;
mod preview;
mod previewed;
mod progress;
mod repair;
mod request;
mod rows;
mod run;
mod runs;
mod screen;
mod shape;
mod signals;
mod sql;
mod stop;
mod tables;
mod types;
mod verify;
mod window;

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::systems::stopped;
use screen::{Format, Screen};
use signals::Signals;
use stop::{Done, Stop};

/// Stack of a thread in bytes: the planner recurses as deep as the longest chain of operators that
/// a statement may have, and deeply so where nothing is optimised.
const STACK_BYTES: usize = 64 << 20;

/// How long a program that ends waits for servers to be told that nobody reads any more.
const LEAVING: Duration = Duration::from_secs(4);

/// Copies tables out of databases into analytics systems: typed, in parallel, remembered, proved.
#[derive(Debug, Parser)]
#[command(
    name = "goe",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Start with:  goe demo\nMore help:   goe help COMMAND, goe help connections, \
                        goe help statements, goe help exit-codes"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Read this file instead of the nearest goe.toml
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GOE_CONFIG",
        help_heading = "Global"
    )]
    config: Option<PathBuf>,
    /// How results are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global"
    )]
    output: Format,
    /// Say nothing but errors, and what was asked for
    #[arg(short, long, global = true, help_heading = "Global")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Connect(connect::Connect),
    Tables(tables::Tables),
    Describe(describe::Describe),
    Preview(preview::Preview),
    Plan(plan::Plan),
    Offload(offload::Offload),
    Run(run::Run),
    Verify(verify::Verify),
    Adopt(adopt::Adopt),
    History(history::History),
    Runs(runs::Runs),
    Clean(clean::Clean),
    Fsck(fsck::Fsck),
    Repair(repair::Repair),
    Types(types::Types),
    Sql(sql::Sql),
    Completions(completions::Completions),
    Help(help::Help),
}

/// What every command is given.
struct Context {
    config_file: Option<PathBuf>,
    screen: Screen,
    signals: Signals,
    /// The arguments as they were written, the program's name first.
    line: Vec<String>,
}

impl Context {
    fn config(&self) -> Result<Config> {
        match &self.config_file {
            Some(file) => Config::read(file),
            None => Config::load(Path::new(".")),
        }
    }

    fn session(&self) -> Result<Session> {
        Session::new(self.config()?)
    }
}

/// Parses the program's arguments, runs the command and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        Err(error) => return stop::report_usage(&error, &line),
    };
    let format = cli.global.output;
    let line = line
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match start(cli, line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(format),
    }
}

fn start(cli: Cli, line: Vec<String>) -> Done {
    let signals = Signals::listen()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|error| Error::internal(format!("No threads can be started: {error}")))?;
    // The stack of the program's first thread is not ours to choose.
    let first = std::thread::Builder::new().stack_size(STACK_BYTES);
    let outcome = std::thread::scope(|scope| {
        let job = || {
            runtime.block_on(async {
                let done = run(cli, line, signals).await;
                stopped(LEAVING).await;
                done
            })
        };
        let started = first.spawn_scoped(scope, job);
        let failed = |why: &str| Stop::from(Error::internal(why));
        match started.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(failed("No thread can be started")),
        }
    });
    // A read that still blocks must not keep the program.
    runtime.shutdown_background();
    outcome
}

async fn run(cli: Cli, line: Vec<String>, signals: Signals) -> Done {
    let screen = Screen::new(cli.global.output, cli.global.quiet);
    refuse_format(cli.global.output, &cli.command)?;
    let context = Context {
        config_file: cli.global.config,
        screen,
        signals,
        line,
    };
    dispatch(cli.command, &context).await
}

/// Refuses a form of output that a command does not write.
fn refuse_format(format: Format, command: &Command) -> Result<()> {
    match (format, command) {
        (Format::Text | Format::Json, _)
        | (Format::Csv, Command::Sql(_) | Command::Preview(_))
        | (Format::Arrow | Format::Parquet, Command::Preview(_)) => Ok(()),
        (Format::Csv, _) => {
            Err(Error::usage("Only goe sql and goe preview write CSV").hint("use --output json"))
        }
        (Format::Arrow | Format::Parquet, _) => Err(Error::usage(
            "Only goe preview writes Arrow and Parquet files",
        )
        .hint("use --output json")),
    }
}

async fn dispatch(command: Command, context: &Context) -> Done {
    match command {
        // These stop in their own way.
        Command::Demo(demo) => demo.run(context).await,
        Command::Offload(offload) => offload.run(context).await,
        Command::Run(run) => run.run(context).await,
        Command::Verify(verify) => verify.run(context).await,
        Command::Adopt(adopt) => adopt.run(context).await,
        Command::Sql(sql) => sql.run(context).await,
        Command::Connect(connect) => stoppable(context, connect.run(context)).await,
        Command::Tables(tables) => stoppable(context, tables.run(context)).await,
        Command::Describe(describe) => stoppable(context, describe.run(context)).await,
        Command::Preview(preview) => stoppable(context, preview.run(context)).await,
        Command::Plan(plan) => stoppable(context, plan.run(context)).await,
        Command::Clean(clean) => stoppable(context, clean.run(context)).await,
        Command::Fsck(fsck) => stoppable(context, fsck.run(context)).await,
        Command::Repair(repair) => stoppable(context, repair.run(context)).await,
        Command::History(history) => history.run(context),
        Command::Runs(runs) => stoppable(context, runs.run(context)).await,
        Command::Types(types) => types.run(context),
        Command::Completions(completions) => completions.run(context),
        Command::Help(help) => help.run(context),
    }
}

/// Runs a command until it ends or a signal comes; what it had begun is dropped then.
async fn stoppable<T>(
    context: &Context,
    command: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    tokio::select! {
        done = command => done,
        () = context.signals.stopped() => Err(Stop::interrupted()),
    }
}

#[cfg(test)]
mod tests;
