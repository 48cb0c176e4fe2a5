//! One session's side of the embedded engine: it runs batches on a thread of its own and writes the
//! tokens of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use datafusion::sql::sqlparser::ast::{
    ConditionalStatementBlock, IfStatement, Query, Statement as Parsed,
};
use rusqlite::{Connection, InterruptHandle, params_from_iter};

use super::answer::{Answer, Job, Outcome, Request, Stop};
use super::catalog::Catalog;
use super::functions::Names;
use super::locks::Patience;
use super::refusal::{Refusal, Result};
use super::server::{Database, Server};
use super::statement::{Isolation, Setting, Statement, statements};
use super::token::{COUNT, Change, Done, FAILED, IN_TRANSACTION, MORE};
use super::translate::{self, Parameter, Reading, Surroundings, Translation};
use super::wire::{self, Manner};

/// Rows are handed over in pieces of about this many bytes.
const PIECE: usize = 16 << 10;

/// How a session stands.
#[derive(Debug)]
struct State {
    isolation: Isolation,
    lock_timeout: Option<Duration>,
    text_size: usize,
    no_count: bool,
    /// The transaction that is open.
    transaction: Option<u64>,
    /// The catalog at its first read, where that pinned the state that it sees.
    pinned: Option<Arc<Catalog>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            isolation: Isolation::default(),
            lock_timeout: None,
            text_size: usize::MAX,
            no_count: false,
            transaction: None,
            pinned: None,
        }
    }
}

/// A session's engine.
struct Engine {
    server: Arc<Server>,
    database: Arc<Database>,
    /// The login's name, where that is not the catalog's.
    login: Option<String>,
    connection: Connection,
    names: Names,
    process: u64,
    manner: Manner,
    state: State,
    transactions: u64,
}

/// The way to a session's engine, which ends with it.
pub struct Handle {
    jobs: mpsc::Sender<Job>,
    interrupt: InterruptHandle,
}

impl Handle {
    pub fn start(
        server: Arc<Server>,
        database: Arc<Database>,
        login: Option<String>,
        process: u64,
        manner: Manner,
    ) -> Self {
        let names = Names::default();
        let connection = database.connect(&names).expect("the database");
        let interrupt = connection.get_interrupt_handle();
        let state = State::default();
        let mut engine = Engine {
            server,
            database,
            login,
            connection,
            names,
            process,
            manner,
            state,
            transactions: 0,
        };
        let (jobs, received) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for job in received {
                engine.run(job);
            }
            engine.server.locks.release(process);
        });
        Self { jobs, interrupt }
    }

    pub fn ask(&self, job: Job) {
        // An engine that has ended says so by an answer that ends.
        let _ = self.jobs.send(job);
    }

    /// Stops what runs.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }
}

impl Engine {
    /// The catalog as this login sees it.
    fn catalog(&self) -> Arc<Catalog> {
        let catalog = self.database.catalog();
        match &self.login {
            Some(login) => Arc::new(Catalog {
                login: login.clone(),
                ..(*catalog).clone()
            }),
            None => catalog,
        }
    }

    fn run(&mut self, job: Job) {
        let mut answer = Answer::new(&job);
        if job.reset {
            self.end_transaction();
            self.state = State::default();
            answer.tokens.change(&Change::Reset);
        }
        match self.answer(&mut answer) {
            Ok(()) | Err(Stop::Silent) => {}
            Err(Stop::Refused(_)) if job.cancelled.load(Ordering::SeqCst) => {}
            Err(Stop::Refused(refusal)) => self.refuse(&mut answer, &refusal),
        }
        // Before the client hears that it is over.
        if self.state.transaction.is_none() {
            self.server.locks.release(self.process);
        }
        // If nobody listens any more, nobody misses it.
        let _ = answer.flush();
    }

    fn refuse(&mut self, answer: &mut Answer<'_>, refusal: &Refusal) {
        self.server.counters.refuse(refusal.to_string());
        if refusal.number == 1205
            && let Some(ended) = self.end_transaction()
        {
            answer.tokens.change(&Change::RolledBack(ended));
        }
        answer.tokens.error(refusal);
        let ends = if answer.ends == Done::Batch {
            Done::Batch
        } else {
            Done::Procedure
        };
        answer.tokens.done(ends, FAILED | self.status(), 0);
    }

    fn status(&self) -> u16 {
        if self.state.transaction.is_some() {
            IN_TRANSACTION
        } else {
            0
        }
    }

    fn answer(&mut self, answer: &mut Answer<'_>) -> Outcome<()> {
        match &answer.job.request {
            Request::Batch(text) => self.batch(answer, text, &[]),
            Request::Call(call) => {
                let call = call.as_ref().map_err(Clone::clone)?;
                answer.ends = Done::InProcedure;
                self.batch(answer, &call.statement, &call.parameters)?;
                answer.tokens.return_status(0);
                answer.tokens.done(Done::Procedure, self.status(), 0);
                Ok(())
            }
            Request::Begin(isolation) => {
                self.state.isolation = isolation.unwrap_or(self.state.isolation);
                self.begin(answer);
                self.done(answer)
            }
            Request::Commit => {
                self.commit(answer)?;
                self.done(answer)
            }
            Request::RollBack => {
                self.roll_back(answer)?;
                self.done(answer)
            }
        }
    }

    fn done(&self, answer: &mut Answer<'_>) -> Outcome<()> {
        answer.tokens.done(Done::Batch, self.status(), 0);
        Ok(())
    }

    fn batch(
        &mut self,
        answer: &mut Answer<'_>,
        text: &str,
        parameters: &[Parameter],
    ) -> Outcome<()> {
        self.server.counters.batch(text);
        answer.due = self.server.faults.begin(text);
        answer.mishap()?;
        let statements = statements(text)?;
        let last = statements.len().saturating_sub(1);
        let mut ended = false;
        for (place, statement) in statements.into_iter().enumerate() {
            let has_more = place < last || answer.ends != Done::Batch;
            ended = self.statement(answer, statement, parameters, has_more)?;
        }
        if !ended && answer.ends == Done::Batch {
            self.done(answer)?;
        }
        Ok(())
    }

    /// Runs a statement; says whether it wrote how it ended.
    fn statement(
        &mut self,
        answer: &mut Answer<'_>,
        statement: Statement,
        parameters: &[Parameter],
        has_more: bool,
    ) -> Outcome<bool> {
        let parsed = match statement {
            Statement::Set(setting) => {
                self.set(setting)?;
                return Ok(false);
            }
            Statement::Parsed(parsed) => parsed,
        };
        match *parsed {
            Parsed::Query(query) => {
                self.select(answer, &query, parameters, has_more)?;
                return Ok(true);
            }
            Parsed::StartTransaction {
                modes,
                begin: true,
                modifier: None,
                statements,
                exception: None,
                ..
            } if modes.is_empty() && statements.is_empty() => self.begin(answer),
            Parsed::Commit {
                chain: false,
                modifier: None,
                ..
            } => self.commit(answer)?,
            Parsed::Rollback {
                chain: false,
                savepoint: None,
            } => self.roll_back(answer)?,
            Parsed::If(IfStatement {
                if_block,
                elseif_blocks,
                else_block: None,
                ..
            }) if elseif_blocks.is_empty() => {
                self.conditional(answer, if_block, parameters, has_more)?
            }
            other => {
                let text = other.to_string();
                return Err(Refusal::unknown(format!("the statement {text}")).into());
            }
        }
        Ok(false)
    }

    fn conditional(
        &mut self,
        answer: &mut Answer<'_>,
        block: ConditionalStatementBlock,
        parameters: &[Parameter],
        has_more: bool,
    ) -> Outcome<()> {
        let Some(condition) = &block.condition else {
            return Err(Refusal::unknown("IF without a condition").into());
        };
        let catalog = self.catalog();
        let translation = translate::condition(condition, self.surroundings(&catalog, parameters))?;
        let holds: bool = self
            .connection
            .query_row(
                &translation.sql,
                params_from_iter(translation.bindings),
                |row| row.get(0),
            )
            .map_err(|error| Refusal::of_engine(&error))?;
        if holds {
            for statement in block.conditional_statements.statements() {
                let statement = Statement::Parsed(Box::new(statement.clone()));
                self.statement(answer, statement, parameters, has_more)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, setting: Setting) -> Result<()> {
        let state = &mut self.state;
        match setting {
            Setting::Isolation(Isolation::Snapshot)
                if state.transaction.is_some() && state.pinned.is_none() =>
            {
                return Err(Refusal::new(
                    3951,
                    "Transaction failed because the statement 'SET TRANSACTION ISOLATION LEVEL SNAPSHOT' was run when the transaction was started in another isolation level.",
                ));
            }
            Setting::Isolation(isolation) => state.isolation = isolation,
            Setting::LockTimeout(timeout) => {
                state.lock_timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
            }
            Setting::TextSize(bytes) => state.text_size = bytes,
            Setting::NoCount(no_count) => state.no_count = no_count,
            Setting::AsItIs => {}
        }
        Ok(())
    }

    fn begin(&mut self, answer: &mut Answer<'_>) {
        if self.state.transaction.is_none() {
            self.transactions += 1;
            let descriptor = self.process << 32 | self.transactions;
            self.state.transaction = Some(descriptor);
            answer.tokens.change(&Change::Begun(descriptor));
        }
    }

    fn commit(&mut self, answer: &mut Answer<'_>) -> Result<()> {
        let told = "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
        let ended = self
            .end_transaction()
            .ok_or_else(|| Refusal::new(3902, told))?;
        answer.tokens.change(&Change::Committed(ended));
        Ok(())
    }

    fn roll_back(&mut self, answer: &mut Answer<'_>) -> Result<()> {
        let told = "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
        let ended = self
            .end_transaction()
            .ok_or_else(|| Refusal::new(3903, told))?;
        answer.tokens.change(&Change::RolledBack(ended));
        Ok(())
    }

    /// Nothing is ever written, so that a commit and a rollback end it in the same way.
    fn end_transaction(&mut self) -> Option<u64> {
        if self.state.pinned.take().is_some() {
            self.connection
                .execute_batch("COMMIT")
                .expect("the end of a read transaction");
        }
        self.server.locks.release(self.process);
        self.state.transaction.take()
    }

    fn surroundings<'c>(
        &'c self,
        catalog: &'c Catalog,
        parameters: &'c [Parameter],
    ) -> Surroundings<'c> {
        Surroundings {
            catalog,
            names: &self.names,
            parameters,
            transactions: self.state.transaction.is_some().into(),
            process: self.process as i64,
        }
    }

    fn select(
        &mut self,
        answer: &mut Answer<'_>,
        query: &Query,
        parameters: &[Parameter],
        has_more: bool,
    ) -> Outcome<()> {
        let catalog = self.catalog();
        let translation = translate::query(query, self.surroundings(&catalog, parameters))?;
        translation.columns.iter().try_for_each(wire::check)?;
        self.check_unaltered(&catalog, &translation.reads)?;
        self.prepare_to_read(&catalog, &translation.reads, &answer.job.cancelled)?;
        answer.tokens.columns(&translation.columns);
        if !translation.order.is_empty() {
            answer.tokens.order(&translation.order);
        }
        let rows = self.rows(answer, &translation);
        self.let_go(&translation.reads);
        let rows = rows?;
        let count = if self.state.no_count { 0 } else { COUNT };
        let more = if has_more { MORE } else { 0 };
        answer
            .tokens
            .done(answer.ends, count | more | self.status(), rows);
        Ok(())
    }

    /// A transaction that sees an earlier state cannot read what was altered since.
    fn check_unaltered(&self, catalog: &Catalog, reads: &[Reading]) -> Result<()> {
        let Some(pinned) = &self.state.pinned else {
            return Ok(());
        };
        let altered = |catalog: &Catalog, table: &str| {
            let (schema, name) = table.split_once('.')?;
            catalog.find(schema, name).map(|held| held.altered)
        };
        let same = |read: &Reading| altered(catalog, &read.table) == altered(pinned, &read.table);
        if reads.iter().all(same) {
            return Ok(());
        }
        let told = format!(
            "Snapshot isolation transaction failed in database '{}' because the object accessed by the statement has been modified by a DDL statement in another concurrent transaction since the start of this transaction.",
            catalog.database
        );
        Err(Refusal::new(3961, told))
    }

    /// Takes the locks and pins the state that a statement needs.
    fn prepare_to_read(
        &mut self,
        catalog: &Arc<Catalog>,
        reads: &[Reading],
        cancelled: &AtomicBool,
    ) -> Result<()> {
        let is_snapshot = self.state.isolation == Isolation::Snapshot;
        if is_snapshot && !reads.is_empty() && !catalog.allows_snapshot {
            let told = format!(
                "Snapshot isolation transaction failed accessing database '{}' because snapshot isolation is not allowed in this database.",
                catalog.database
            );
            return Err(Refusal::new(3952, told));
        }
        let patience = Patience {
            limit: self.state.lock_timeout,
            gives_up: cancelled,
        };
        for reading in reads {
            if reading.locks {
                self.server
                    .locks
                    .share(&reading.table, self.process, patience)?;
            } else if !is_snapshot && !catalog.read_committed_snapshot {
                self.server
                    .locks
                    .wait_for_writers(&reading.table, patience)?;
            }
        }
        if is_snapshot && self.state.transaction.is_some() && self.state.pinned.is_none() {
            let begun = self.connection.execute_batch("BEGIN");
            begun.map_err(|error| Refusal::of_engine(&error))?;
            self.state.pinned = Some(Arc::clone(catalog));
        }
        Ok(())
    }

    /// Gives back the locks that end with their statement.
    fn let_go(&self, reads: &[Reading]) {
        let in_transaction = self.state.transaction.is_some();
        for reading in reads.iter().filter(|reading| reading.locks) {
            if !(reading.holds && in_transaction) {
                self.server.locks.unshare(&reading.table, self.process);
            }
        }
    }

    fn rows(&self, answer: &mut Answer<'_>, translation: &Translation) -> Outcome<u64> {
        let failed = |error: rusqlite::Error| Stop::Refused(Refusal::of_engine(&error));
        let manner = Manner {
            text_size: self.state.text_size,
            ..self.manner
        };
        let delay = self.server.faults.delay();
        let mut statement = self.connection.prepare(&translation.sql).map_err(failed)?;
        let mut rows = statement
            .query(params_from_iter(&translation.bindings))
            .map_err(failed)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            answer.mishap()?;
            let width = translation.columns.len();
            let values: rusqlite::Result<Vec<_>> = (0..width).map(|at| row.get_ref(at)).collect();
            wire::row(
                &mut answer.tokens.0,
                &translation.columns,
                &values.map_err(failed)?,
                manner,
            )?;
            count += 1;
            answer.rows += 1;
            self.server.counters.row();
            if !delay.is_zero() {
                thread::sleep(delay);
            }
            if answer.tokens.0.len() >= PIECE || !delay.is_zero() {
                answer.flush()?;
            }
        }
        Ok(count)
    }
}
