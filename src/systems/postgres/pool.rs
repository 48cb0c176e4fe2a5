//! The sessions of a snapshot: a stream takes one, and gives it back when it is done or dropped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::CopyOutStream;

use super::connect::Settings;
use super::error::failed;
use super::session::Session;
use super::silence::{Silence, within};
use super::tap::Rows;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::systems::stopping::AtWork;

pub(super) const BEGIN: &str = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// A reader that is stopped goes back to it, and so stays in its snapshot.
pub(super) const SAVE: &str = "SAVEPOINT goe";
const BACK: &str = "ROLLBACK TO SAVEPOINT goe";

/// The sessions of one snapshot. A stream takes one and gives it back.
#[derive(Debug)]
pub(super) struct Pool {
    settings: Arc<Settings>,
    /// How errors begin.
    pub(super) doing: String,
    /// The name by which a new session joins; without one there is only the first session.
    snapshot: Option<String>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    pub(super) fn new(
        settings: &Arc<Settings>,
        doing: String,
        snapshot: Option<String>,
        readers: usize,
        first: Option<Session>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: Arc::clone(settings),
            doing,
            snapshot,
            permits: Arc::new(Semaphore::new(readers)),
            idle: Mutex::new(first.into_iter().collect()),
        })
    }

    /// How long the server may be silent.
    pub(super) fn silence(&self) -> Silence {
        self.settings.silence
    }

    /// Waits for a free reader.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::internal("The readers of a snapshot are gone"))?;
        let idle = self.take_idle();
        let session = match idle {
            Some(session) if !session.client.is_closed() => session,
            _ => self.join().await?,
        };
        Ok(Lease {
            session: Some(session),
            permit: Some(permit),
            at_work: Some(AtWork::begin()),
            pool: Arc::clone(self),
            runtime: Handle::current(),
            done: false,
        })
    }

    fn take_idle(&self) -> Option<Session> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn give_back(&self, session: Session) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }

    /// One more session in the snapshot.
    pub(super) async fn join(&self) -> Result<Session> {
        let Some(snapshot) = &self.snapshot else {
            let text = format!(
                "{}: the transaction that held its state has ended",
                self.doing
            );
            return Err(Error::new(ErrorKind::Conflict, text).hint("run again"));
        };
        let session = Session::open(&self.settings).await?;
        let sql = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'; {SAVE}");
        session.run(&self.doing, &sql).await?;
        Ok(session)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        for session in idle.drain(..) {
            self.settings.shelf.end_and_keep(session);
        }
    }
}

/// A session in use.
pub(super) struct Lease {
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    at_work: Option<AtWork>,
    pub(super) pool: Arc<Pool>,
    runtime: Handle,
    /// Whether the COPY came to its end, so that the session is free.
    pub(super) done: bool,
}

impl Lease {
    /// Begins a COPY: the rows of it, and the rest of what the server says.
    pub(super) async fn copy(&self, sql: &str) -> Result<(Rows, CopyOutStream)> {
        let Some(session) = &self.session else {
            return Err(Error::internal("A reader has no session"));
        };
        fault::source()?;
        let sql = format!("COPY ({sql}) TO STDOUT (FORMAT binary)");
        // It answers before it looks for the first row.
        let doing = &self.pool.doing;
        let rows = session.tap.open();
        let begun = session.client.copy_out(&sql);
        let stream = within(session.silence.brief(), doing, begun).await?;
        Ok((rows, stream.map_err(|error| failed(doing, error))?))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(session), permit) = (self.session.take(), self.permit.take()) else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        if self.done {
            pool.give_back(session);
            return;
        }
        // The work at the server is stopped before the next reader may begin.
        let at_work = self.at_work.take();
        self.runtime.spawn(async move {
            session.cancel().await;
            drop(at_work);
            if session.run("A reader can't be stopped", BACK).await.is_ok() {
                pool.give_back(session);
            }
            drop(permit);
        });
    }
}
