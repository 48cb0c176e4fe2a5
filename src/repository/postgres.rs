//! A repository in a PostgreSQL database, in the schema `goe`, for several hosts.
//!
//! Our calls wait for their answers, and come out of an asynchronous runtime. So one thread with a
//! runtime of its own keeps the session, and is sent one call after the other. Every wait of its
//! ends: that for a connection, for a lock, for a statement, and for a network that says nothing.

mod migrate;

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::dialect::translate;
use super::engine::{Engine, Row, Statement, Value};
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::systems::postgres::Server;

/// How a session stands.
const SESSION: &str = include_str!("../../sql/repository/session.sql");

/// How long a call may take, should the network say nothing; beyond the server's own limits.
const CALL: Duration = Duration::from_secs(45);

/// How many statements are on their way at once.
const AHEAD: usize = 64;

/// A server, behind a thread that talks to it.
#[derive(Debug)]
pub(super) struct Postgres {
    place: String,
    /// `None` only while it is dropped.
    calls: Option<UnboundedSender<Call>>,
    thread: Option<JoinHandle<()>>,
}

/// What is asked of the thread.
#[derive(Debug)]
enum Task {
    Migrate(Vec<&'static str>),
    Execute(Vec<Statement>),
    Rows(Statement),
    Columns(&'static str),
}

enum Answer {
    Changed(u64),
    Rows(Vec<Row>),
    Columns(SchemaRef),
}

struct Call {
    task: Task,
    answer: mpsc::Sender<Result<Answer>>,
}

impl Postgres {
    /// Connects, and makes or migrates the tables.
    pub(super) fn open(connection: &Connection, migrations: &[&'static str]) -> Result<Self> {
        refuse_other(connection.scheme())?;
        let server = Server::new(connection)?;
        let place = server.place();
        let no_thread = |error: std::io::Error| {
            Error::internal(format!("No thread can be started: {error}")).caused_by(error)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let (calls, waiting) = unbounded_channel();
        let keeper = Keeper {
            place: place.clone(),
            server,
            client: None,
        };
        let thread = thread::Builder::new()
            .name("goe repository".to_owned())
            .spawn(move || keeper.keep(&runtime, waiting))
            .map_err(no_thread)?;
        let opened = Self {
            place,
            calls: Some(calls),
            thread: Some(thread),
        };
        opened.call(Task::Migrate(migrations.to_vec()))?;
        Ok(opened)
    }

    fn call(&self, task: Task) -> Result<Answer> {
        let gone = || {
            Error::internal(format!(
                "The thread that keeps the repository {} is gone",
                self.place
            ))
        };
        let (answer, answered) = mpsc::channel();
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(Call { task, answer }).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

impl Drop for Postgres {
    /// Waits for the session to be closed in order, or the server's log would complain of each.
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Engine for Postgres {
    fn execute(&self, statements: Vec<Statement>) -> Result<u64> {
        match self.call(Task::Execute(statements))? {
            Answer::Changed(rows) => Ok(rows),
            Answer::Rows(_) | Answer::Columns(_) => Err(another_answer()),
        }
    }

    fn rows(&self, statement: Statement) -> Result<Vec<Row>> {
        match self.call(Task::Rows(statement))? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Changed(_) | Answer::Columns(_) => Err(another_answer()),
        }
    }

    fn columns(&self, sql: &'static str) -> Result<SchemaRef> {
        match self.call(Task::Columns(sql))? {
            Answer::Columns(schema) => Ok(schema),
            Answer::Changed(_) | Answer::Rows(_) => Err(another_answer()),
        }
    }
}

fn refuse_other(scheme: &str) -> Result<()> {
    if ["postgres", "postgresql"].contains(&scheme) {
        return Ok(());
    }
    let text = format!("[repository] url begins with \"{scheme}:\", where no repository can be");
    Err(Error::new(ErrorKind::Config, text)
        .hint("url = \"postgres://USER@HOST/DATABASE\", or path = \"goe.db\" for a file"))
}

fn another_answer() -> Error {
    Error::internal("The repository answered what was not asked")
}

/// Keeps the session, on its own thread.
struct Keeper {
    place: String,
    server: Server,
    client: Option<Client>,
}

/// Why a task was not done.
enum Failure {
    Server(tokio_postgres::Error),
    Own(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Own(error)
    }
}

impl Keeper {
    fn keep(mut self, runtime: &Runtime, mut calls: UnboundedReceiver<Call>) {
        runtime.block_on(async {
            while let Some(call) = calls.recv().await {
                // Whoever asked may have gone.
                let _ = call.answer.send(self.done(&call.task).await);
            }
            self.client = None;
            // The session says good-bye in a task of its own.
            tokio::time::sleep(Duration::from_millis(5)).await;
        });
    }

    /// Does a task, a second time on a new session if the first was lost: each statement does
    /// nothing where it was done already.
    async fn done(&mut self, task: &Task) -> Result<Answer> {
        let mut result = self.attempt(task).await;
        if matches!(&result, Err(Failure::Server(error)) if is_lost(error)) {
            self.client = None;
            result = self.attempt(task).await;
        }
        result.map_err(|failure| match failure {
            Failure::Own(error) => error,
            Failure::Server(error) => failed(&self.place, error),
        })
    }

    async fn attempt(&mut self, task: &Task) -> Result<Answer, Failure> {
        let mut client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => self.connect().await?,
        };
        let done = timeout(CALL, run(&mut client, task, &self.place)).await;
        let Ok(result) = done else {
            // The session may still be at it; the next call has another one.
            let text = format!(
                "The repository {} gave no answer within {} s",
                self.place,
                CALL.as_secs()
            );
            return Err(Error::new(ErrorKind::Connect, text)
                .hint("check the network and the server, then run the same command again")
                .into());
        };
        self.client = Some(client);
        result
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let client = self.server.connect().await?;
        client.batch_execute(SESSION).await?;
        Ok(client)
    }
}

async fn run(client: &mut Client, task: &Task, place: &str) -> Result<Answer, Failure> {
    match task {
        Task::Migrate(migrations) => {
            migrate::migrate(client, migrations, place).await?;
            Ok(Answer::Changed(0))
        }
        Task::Execute(statements) => Ok(Answer::Changed(execute(client, statements).await?)),
        Task::Rows(statement) => {
            let sql = translate(statement.sql);
            let rows = client
                .query_typed(&sql, &parameters(&statement.values))
                .await?;
            let rows = rows.iter().map(read).collect::<Result<_, _>>()?;
            Ok(Answer::Rows(rows))
        }
        Task::Columns(sql) => {
            let prepared = client.prepare(&translate(sql)).await?;
            let fields = prepared.columns().iter().map(|column| {
                let data_type = match *column.type_() {
                    Type::INT8 => DataType::Int64,
                    _ => DataType::Utf8,
                };
                Field::new(column.name(), data_type, true)
            });
            let schema = Schema::new(fields.collect::<Vec<_>>());
            Ok(Answer::Columns(Arc::new(schema)))
        }
    }
}

/// All of them in one transaction, which ends itself where one fails.
async fn execute(
    client: &mut Client,
    statements: &[Statement],
) -> Result<u64, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let done = stream::iter(statements).map(|statement| {
        let sql = translate(statement.sql);
        let transaction = &transaction;
        async move {
            let parameters = parameters(&statement.values);
            transaction.execute_typed(&sql, &parameters).await
        }
    });
    let changed: Vec<u64> = done.buffered(AHEAD).try_collect().await?;
    transaction.commit().await?;
    Ok(changed.iter().sum())
}

fn parameters(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    values.iter().map(parameter).collect()
}

fn parameter(value: &Value) -> (&(dyn ToSql + Sync), Type) {
    match value {
        Value::Number(number) => (number, Type::INT8),
        Value::Text(text) => (text, Type::TEXT),
    }
}

fn read(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let value = |(index, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::INT8 => Value::Number(row.try_get(index)?),
            _ => Value::Text(row.try_get(index)?),
        })
    };
    let values = row.columns().iter().enumerate().map(value);
    values.collect::<Result<_, _>>().map(Row)
}

/// Whether a session is gone, or about to be: the server ends it, or the network did.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error.code().is_some_and(|code| {
            code.code().starts_with("08") || ["57P01", "57P02"].contains(&code.code())
        })
}

fn failed(place: &str, error: tokio_postgres::Error) -> Error {
    let code = error.code().map(|code| code.code().to_owned());
    let error = Server::failed(&format!("The repository {place} failed"), error);
    let (kind, hint) = match code.as_deref() {
        Some("42501") => (
            ErrorKind::Permission,
            "a DBA makes the place: CREATE SCHEMA goe AUTHORIZATION the user, or GRANT CREATE ON \
             DATABASE",
        ),
        Some("25006") => (
            ErrorKind::Config,
            "the server only reads, as a standby does: name the primary in [repository] url",
        ),
        Some("55P03" | "57014" | "40P01" | "40001") => (
            ErrorKind::Locked,
            "another session holds its tables: look at pg_stat_activity, then run again",
        ),
        Some("42P01" | "3F000" | "42703") => (
            ErrorKind::Config,
            "the tables of the schema goe were changed; DROP SCHEMA goe CASCADE begins a new \
             history, and loses no row of a target",
        ),
        _ => return error,
    };
    Error::new(kind, error.message().to_owned()).hint(hint)
}
