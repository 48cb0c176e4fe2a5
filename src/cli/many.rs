//! `goe offload 'pg.public.*'`: all tables that a pattern names, each a run of its own.
//!
//! Together they read by no more workers, and hold no more memory, than one table may. A table of
//! several splits is read by all workers at once; the small ones are read side by side, one worker
//! each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use serde_json::json;

use super::pattern::{fits, is_named};
use super::progress::{self, Progress};
use super::request::{Request, shell_line};
use super::stop::{self, Done};
use super::{Context, figures, run, tables};
use crate::config::redact_text;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{RelationKind, TableEntry};
use crate::offload::Take;
use crate::run::{Interrupt, Outcome};
use crate::schema::TableName;
use crate::session::Session;

/// A table of more bytes than this is worth more than one worker: it has several splits.
const SMALL: u64 = 64 << 20;

/// One table of many, and what of the whole its run may have.
pub(super) struct OneOfMany {
    /// The source's full name.
    pub(super) from: String,
    /// The target's full name.
    pub(super) to: String,
    /// How many workers read it.
    pub(super) workers: usize,
    /// How many bytes of memory it may hold.
    pub(super) memory: u64,
}

/// A table that a pattern names.
struct Table {
    entry: TableEntry,
    source: TableName,
    target: String,
}

/// The tables that a pattern names.
pub(super) struct Tables {
    connection: String,
    found: Vec<Table>,
    /// How many views and the like the pattern fits, which are only read by their own names.
    passed: usize,
}

impl Tables {
    /// Asks the source what there is.
    ///
    /// # Errors
    /// Kind NotFound where nothing fits, Usage where two would have one target, and whatever the
    /// source says.
    pub(super) async fn find(
        session: &Session,
        request: &Request,
        pattern: &TableName,
        exclude: &[String],
    ) -> Result<Self> {
        let connection = &pattern.connection;
        let entries = tables::entries(session.connections(), connection).await?;
        let all = entries.len();
        let fitting = entries.into_iter().filter(|entry| {
            fits(&pattern.schema, &entry.schema)
                && fits(&pattern.table, &entry.table)
                && !exclude.iter().any(|pattern| is_named(entry, pattern))
        });
        let (taken, passed): (Vec<_>, Vec<_>) = fitting.partition(|entry| holds_rows(entry.kind));
        if taken.is_empty() {
            return Err(nothing_fits(pattern, all, passed.len()));
        }
        let mut found = Vec::with_capacity(taken.len());
        for entry in taken {
            let source = TableName::new(connection, &entry.schema, &entry.table);
            let target = request.target_of(&source, session.config())?;
            let target = TableName::parse(&target)?.to_string();
            found.push(Table {
                entry,
                source,
                target,
            });
        }
        refuse_shared_targets(&found)?;
        found.sort_by_key(|table| std::cmp::Reverse(table.entry.bytes));
        Ok(Self {
            connection: connection.clone(),
            found,
            passed: passed.len(),
        })
    }

    /// Shows what would be offloaded.
    pub(super) fn explain(&self, context: &Context) -> Done {
        let screen = context.screen;
        if screen.is_json() {
            return self.found.iter().try_for_each(|table| {
                screen.json(&json!({
                    "source": redact_text(&table.source.to_string()),
                    "target": redact_text(&table.target),
                    "rows": table.entry.rows,
                    "bytes": table.entry.bytes,
                }))
            });
        }
        let lines = self.found.iter().map(|table| {
            let rows = table.entry.rows.map(figures::count).unwrap_or_default();
            let bytes = table.entry.bytes.map(figures::bytes).unwrap_or_default();
            [table.shown(), redact_text(&table.target), rows, bytes]
        });
        screen.listing(["SOURCE", "TARGET", "ROWS", "SIZE"], lines)?;
        self.tell_passed(context);
        let tables = figures::counted(self.found.len() as u64, "table");
        let line = shell_line(&context.line);
        screen.line(format_args!(
            "\n{tables}. Nothing was written. This does it:\n  {line} -x"
        ))?;
        Ok(())
    }

    /// Offloads each of them. One that fails does not stop the others.
    pub(super) async fn execute(self, context: &Context, request: &Request) -> Done {
        self.tell_passed(context);
        let session = context.session()?;
        let (workers, memory) = request.bounds(session.config())?;
        let names: Vec<(String, String)> = self.found.iter().map(Table::names).collect();
        let ahead = session
            .connections()
            .describe_ahead(&self.connection, &names);
        super::stoppable(context, async { Ok(ahead.await?) }).await?;
        let count = self.found.len();
        let progress = Arc::new(Progress::of_many(context.screen, count as u64));
        let (trigger, interrupt) = Interrupt::new();
        let stopping = progress::fire_when_stopped(context, &progress, trigger);
        let work = Work {
            session,
            request: request.clone(),
            take: request.take()?,
            progress: Arc::clone(&progress),
            interrupt,
        };
        let (large, small): (Vec<_>, Vec<_>) = self
            .found
            .into_iter()
            .partition(|table| table.entry.bytes.is_none_or(|bytes| bytes > SMALL));
        let mut tally = Tally::new(context, &progress);
        tally.add_all(&work, large, 1, workers, memory).await;
        let share = memory / workers as u64;
        tally.add_all(&work, small, workers, 1, share).await;
        stopping.abort();
        progress.finish();
        tally.report(count)
    }

    fn tell_passed(&self, context: &Context) {
        if self.passed > 0 {
            let views = figures::counted(self.passed as u64, "view or foreign table");
            context.screen.remark(format_args!(
                "{views} left out: each can be offloaded by its own name"
            ));
        }
    }
}

impl Table {
    fn names(&self) -> (String, String) {
        (self.entry.schema.clone(), self.entry.table.clone())
    }

    /// Its name in the source's connection.
    fn shown(&self) -> String {
        let full = TableName::new("c", &self.source.schema, &self.source.table).to_string();
        full.trim_start_matches("c.").to_owned()
    }
}

/// A view's rows are those of other tables, which a pattern names as well.
fn holds_rows(kind: RelationKind) -> bool {
    matches!(
        kind,
        RelationKind::Table | RelationKind::Partitioned | RelationKind::MaterializedView
    )
}

fn nothing_fits(pattern: &TableName, all: usize, passed: usize) -> Error {
    let shown = redact_text(&format!("{}.{}", pattern.schema, pattern.table));
    let error = Error::new(
        ErrorKind::NotFound,
        format!("No table fits {shown}, of {all}"),
    );
    match passed {
        0 => error.hint("goe tables CONNECTION lists what there is"),
        _ => error.hint("views and foreign tables are offloaded by their own names only"),
    }
}

fn refuse_shared_targets(tables: &[Table]) -> Result<()> {
    let mut seen: HashMap<String, &Table> = HashMap::new();
    for table in tables {
        if let Some(other) = seen.insert(table.target.to_lowercase(), table) {
            return Err(Error::usage(format!(
                "{} and {} would both be offloaded to {}",
                other.shown(),
                table.shown(),
                table.target
            ))
            .hint("write --to CONNECTION alone to keep the schemas apart, or --exclude one"));
        }
    }
    Ok(())
}

/// What all runs share.
#[derive(Clone)]
struct Work {
    session: Session,
    request: Request,
    take: Take,
    progress: Arc<Progress>,
    interrupt: Interrupt,
}

impl Work {
    async fn offload(self, table: OneOfMany) -> Result<Outcome> {
        let request = self.request.of_table(&table);
        let offload = request.offload(self.session.config())?;
        self.session
            .offload(&offload, &self.take, self.progress, self.interrupt)
            .await
    }
}

/// What became of them.
struct Tally<'a> {
    context: &'a Context,
    progress: &'a Progress,
    began: Instant,
    offloaded: u64,
    done_before: u64,
    rows: u64,
    bytes: u64,
    failed: Vec<(String, Error)>,
}

impl<'a> Tally<'a> {
    fn new(context: &'a Context, progress: &'a Progress) -> Self {
        Self {
            context,
            progress,
            began: Instant::now(),
            offloaded: 0,
            done_before: 0,
            rows: 0,
            bytes: 0,
            failed: Vec::new(),
        }
    }

    /// Offloads tables, some at once, each by as many workers and in as much memory.
    async fn add_all(
        &mut self,
        work: &Work,
        tables: Vec<Table>,
        at_once: usize,
        workers: usize,
        memory: u64,
    ) {
        let runs = tables.into_iter().map(|table| {
            let one = OneOfMany {
                from: table.source.to_string(),
                to: table.target.clone(),
                workers,
                memory,
            };
            let work = work.clone();
            async move {
                // What was not begun when a person stopped is not begun.
                if work.interrupt.is_asked() {
                    return (table, None);
                }
                let ended = tokio::spawn(work.offload(one)).await;
                let ended = ended.unwrap_or_else(|died| Err(Error::internal(died.to_string())));
                (table, Some(ended))
            }
        });
        let mut runs = stream::iter(runs).buffer_unordered(at_once);
        while let Some((table, ended)) = runs.next().await {
            if let Some(ended) = ended {
                self.add(&table, ended);
            }
        }
    }

    fn add(&mut self, table: &Table, ended: Result<Outcome>) {
        let name = table.shown();
        let line = match &ended {
            Ok(outcome) if outcome.nothing_to_do.is_some() => {
                self.done_before += 1;
                format!("  {name}: nothing to do")
            }
            Ok(outcome) => {
                self.offloaded += 1;
                self.rows += outcome.rows;
                self.bytes += outcome.bytes;
                let rows = figures::counted(outcome.rows, "row");
                let bytes = figures::bytes(outcome.bytes);
                let time = figures::duration(outcome.millis);
                format!("  {name}: {rows}, {bytes}, {time}")
            }
            Err(error) => format!("  {name} failed: {}", error.message()),
        };
        self.progress.advance(&line);
        let screen = self.context.screen;
        match ended {
            // Where nobody reads what became of it, the others run all the same.
            Ok(outcome) if screen.is_json() => drop(screen.json(&progress::summary(&outcome))),
            Ok(_) => {}
            Err(error) => self.failed.push((name, error)),
        }
    }

    fn report(mut self, count: usize) -> Done {
        let screen = self.context.screen;
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failed = self.failed.len() as u64;
        let left = count as u64 - self.offloaded - self.done_before - failed;
        if screen.is_json() {
            let failures = self
                .failed
                .iter()
                .map(|(table, error)| json!({ "table": table, "error": stop::as_json(error) }));
            screen.json(&json!({
                "event": "tables",
                "tables": count,
                "offloaded": self.offloaded,
                "nothing_to_do": self.done_before,
                "failed": failures.collect::<Vec<_>>(),
                "not_begun": left,
                "rows": self.rows,
                "bytes": self.bytes,
                "millis": millis,
            }))?;
        } else {
            let parts = [
                (self.done_before, "had nothing to do"),
                (failed, "failed"),
                (left, "not begun"),
            ];
            let others: Vec<String> = parts
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!("; {} {what}", figures::count(*number)))
                .collect();
            screen.report(format_args!(
                "Offloaded {} of {}: {}, {}, {}{}.",
                figures::count(self.offloaded),
                figures::counted(count as u64, "table"),
                figures::counted(self.rows, "row"),
                figures::bytes(self.bytes),
                figures::duration(millis),
                others.concat()
            ))?;
        }
        // That a person stopped it decides how it ended.
        let is_stop = |error: &Error| error.kind() == ErrorKind::Interrupted;
        if left > 0 && !self.failed.iter().any(|(_, error)| is_stop(error)) {
            let text = format!("Stopped; {} not begun", figures::counted(left, "table"));
            let error = Error::new(ErrorKind::Interrupted, text);
            let hint = "run the same command again: what is done is not done twice";
            self.failed.push(("rest".to_owned(), error.hint(hint)));
        }
        self.failed.sort_by_key(|(_, error)| !is_stop(error));
        run::report(self.context, "table", count, self.failed)
    }
}
