//! A request, and its answer as it is written and handed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::Sender;

use super::faults::{Due, Mishap};
use super::refusal::{Refusal, Result};
use super::rpc::Call;
use super::statement::Isolation;
use super::token::{Done, Tokens};

/// What a client asks for.
#[derive(Debug)]
pub enum Request {
    Batch(String),
    Call(Result<Call>),
    Begin(Option<Isolation>),
    Commit,
    RollBack,
}

/// A request, and where its answer goes.
pub struct Job {
    pub request: Request,
    /// Whether the session is to be as new first.
    pub reset: bool,
    pub answer: Sender<Output>,
    pub cancelled: Arc<AtomicBool>,
}

/// A piece of an answer.
#[derive(Debug)]
pub enum Output {
    /// Whole tokens.
    Tokens(Vec<u8>),
    Close,
    Hang,
}

/// Why an answer ends early.
pub enum Stop {
    Refused(Refusal),
    /// The client does not want more, or is gone, or is left alone.
    Silent,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub type Outcome<T> = std::result::Result<T, Stop>;

/// The answer to one request as it is written.
pub struct Answer<'j> {
    pub job: &'j Job,
    pub tokens: Tokens,
    /// The token that ends a statement.
    pub ends: Done,
    pub rows: u64,
    pub due: Option<Due>,
}

impl<'j> Answer<'j> {
    pub fn new(job: &'j Job) -> Self {
        let tokens = Tokens::default();
        Self {
            job,
            tokens,
            ends: Done::Batch,
            rows: 0,
            due: None,
        }
    }

    /// Hands over what is written so far, unless nobody wants it any more.
    pub fn flush(&mut self) -> Outcome<()> {
        if self.job.cancelled.load(Ordering::SeqCst) {
            return Err(Stop::Silent);
        }
        let tokens = std::mem::take(&mut self.tokens.0);
        let sent = self.job.answer.blocking_send(Output::Tokens(tokens));
        sent.map_err(|_| Stop::Silent)
    }

    /// Lets happen what is due by now.
    pub fn mishap(&mut self) -> Outcome<()> {
        let Some(due) = self.due.filter(|due| self.rows >= due.rows) else {
            return Ok(());
        };
        self.due = None;
        let last = match due.mishap {
            Mishap::Error(number) => {
                let told = match number {
                    1205 => {
                        "Transaction (Process ID 51) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction."
                    }
                    _ => "An error that the test wanted.",
                };
                return Err(Refusal::new(number, told).into());
            }
            Mishap::Close => Output::Close,
            Mishap::Hang => Output::Hang,
        };
        self.flush()?;
        let _ = self.job.answer.blocking_send(last);
        Err(Stop::Silent)
    }
}
