//! `goe sql`: queries over all connections.

mod prompt;
mod statements;

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use clap::Args;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use serde_json::{Value, json};

use super::progress::{self, Progress};
use super::rows::Rows;
use super::screen::Format;
use super::stop::{Done, Stop};
use super::{Context, figures, offload, plan, previewed, verify};
use crate::config::redact_text;
use crate::error::{Error, Result};
use crate::offload::statement::{Statement, parse};
use crate::run::{Interrupt, Unwatched};
use crate::session::{Answer, Session};

/// How many batches are read before the screen takes them.
const AHEAD: usize = 2;

/// Query all connections, and define and run offloads, in SQL
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe sql\n  \
    goe sql -c 'SELECT count(*) FROM shop.main.orders'\n  \
    goe sql -c 'SELECT * FROM lake.tpch.orders' --output csv | head\n  \
    goe sql -f report.sql --output json\n  \
    goe sql -c 'RUN OFFLOAD sales'\n\n\
    goe help statements shows those of goe itself. Without -c or -f it asks at a prompt, or reads standard input.")]
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
        for statement in statements::split_in_place(&text) {
            execute(&session, context, &statement).await?;
        }
        Ok(())
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

/// Runs one statement and writes what it gives. Only what moves rows stops in its own way.
async fn execute(session: &Session, context: &Context, statement: &str) -> Done {
    let moves = matches!(
        parse(statement)?,
        Some(Statement::Run { .. } | Statement::Insert(_) | Statement::Verify { .. })
    );
    if !moves {
        let unwatched = Arc::new(Unwatched);
        let answer = async {
            let answer = session
                .execute(statement, unwatched, Interrupt::never())
                .await?;
            show(context, answer).await
        };
        return super::stoppable(context, answer).await;
    }
    let progress = Arc::new(Progress::new(context.screen));
    let (trigger, interrupt) = Interrupt::new();
    let stopping = progress::fire_when_stopped(context, &progress, trigger);
    let watcher = Arc::clone(&progress) as _;
    let answer = session.execute(statement, watcher, interrupt).await;
    stopping.abort();
    progress.finish();
    show(context, answer?).await
}

async fn show(context: &Context, answer: Answer) -> Done {
    match answer {
        Answer::Rows(frame) => show_rows(context, frame).await,
        Answer::Plan(plan) => plan::show(context, &plan),
        Answer::Preview(preview) => previewed::show(context, &preview, true, None),
        Answer::Ran(outcome) => offload::show(context, &outcome),
        Answer::Verified(verification) => verify::show(context, &verification),
        Answer::Text(text) if context.screen.is_json() => match serde_json::from_str(&text) {
            Ok(Value::Object(plan)) => context.screen.json(&plan),
            _ => context.screen.json(&json!({ "text": text })),
        },
        Answer::Text(text) => context.screen.line(text),
        Answer::Done(text) if context.screen.is_json() => {
            context.screen.json(&json!({ "done": text }))
        }
        Answer::Done(text) => context.screen.report(text),
    }
}

/// Writes rows as they come.
async fn show_rows(context: &Context, frame: DataFrame) -> Done {
    let began = Instant::now();
    let stream = frame.execute_stream().await.map_err(Error::from)?;
    let mut rows = Rows::new(context.screen);
    rows.describe(stream.schema());
    let explains = stream
        .schema()
        .index_of("plan_type")
        .is_ok_and(|at| at == 0);
    let mut batches = pump(stream);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(Error::from)?;
        let batch = if explains { redacted(&batch)? } else { batch };
        rows.write(&batch)?;
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

/// The texts of a plan without the passwords of URLs, which are catalogs in it.
fn redacted(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| {
        let texts = column.as_string_opt::<i32>();
        texts.map_or_else(
            || Arc::clone(column),
            |texts| {
                let shown = texts.iter().map(|text| text.map(redact_text));
                Arc::new(shown.collect::<StringArray>()) as ArrayRef
            },
        )
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
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
    let outcome = execute(session, context, statement).await;
    context.signals.reset();
    match outcome {
        Err(Stop::Failed(error)) => {
            super::stop::tell(&error, context.screen.format);
            Ok(())
        }
        outcome => outcome,
    }
}
