//! `goe sql`: queries over all connections.

mod prompt;
mod statements;

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::StreamExt;

use super::rows::Rows;
use super::screen::Format;
use super::stop::{Done, Stop};
use super::{Context, figures};
use crate::error::{Error, Result};
use crate::session::Session;

/// How many batches are read before the screen takes them.
const AHEAD: usize = 2;

/// Query all connections in SQL: CONNECTION.SCHEMA.TABLE
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe sql\n  \
    goe sql -c 'SELECT count(*) FROM shop.main.orders'\n  \
    goe sql -c 'SELECT * FROM lake.tpch.orders' --output csv | head\n  \
    goe sql -f report.sql --output json\n\n\
    Without -c or -f it asks at a prompt, or reads standard input.")]
pub(super) struct Sql {
    /// Run these statements
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// Run the statements of a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Sql {
    pub(super) async fn run(self, context: &Context) -> Done {
        let session = context.session()?;
        let text = match (self.command, self.file) {
            (Some(text), _) => text,
            (None, Some(file)) => read_file(&file)?,
            (None, None) if io::stdin().is_terminal() => {
                return prompt::run(&session, context).await;
            }
            (None, None) => read_input()?,
        };
        let statements = statements::split(&text);
        let all = async {
            for statement in &statements {
                execute(&session, context, statement).await?;
            }
            Ok(())
        };
        super::stoppable(context, all).await
    }
}

fn read_file(file: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        let shown = Error::from(error);
        Error::new(
            shown.kind(),
            format!("{} can't be read: {shown}", file.display()),
        )
    })
}

fn read_input() -> Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Runs one statement and writes its rows as they come.
async fn execute(session: &Session, context: &Context, statement: &str) -> Done {
    let began = Instant::now();
    let frame = session.sql(statement).await?;
    let stream = frame.execute_stream().await.map_err(Error::from)?;
    let mut rows = Rows::new(context.screen);
    rows.describe(stream.schema());
    let mut batches = pump(stream);
    while let Some(batch) = batches.next().await {
        rows.write(&batch.map_err(Error::from)?)?;
    }
    let count = rows.finish()?;
    if context.screen.format == Format::Text && io::stderr().is_terminal() {
        let time =
            figures::duration(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        context
            .screen
            .remark(format_args!("{}, {time}", figures::counted(count, "row")));
    }
    Ok(())
}

/// Reads a stream in a task of its own, so that a signal is heard while the engine computes. The
/// task ends when the batches are dropped.
fn pump(mut stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let mut builder = RecordBatchReceiverStreamBuilder::new(stream.schema(), AHEAD);
    let sender = builder.tx();
    builder.spawn(async move {
        while let Some(batch) = stream.next().await {
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    builder.build()
}

/// Runs a statement of the prompt, whose end by an error or a signal does not end the prompt.
async fn execute_at_prompt(session: &Session, context: &Context, statement: &str) -> Done {
    let outcome = super::stoppable(context, execute(session, context, statement)).await;
    context.signals.reset();
    match outcome {
        Err(Stop::Failed(error)) => {
            super::stop::tell(&error, context.screen.format);
            Ok(())
        }
        outcome => outcome,
    }
}
