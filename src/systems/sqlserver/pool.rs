//! The sessions of a snapshot: a stream takes one, and gives it back when it is done or stopped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Settings;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::systems::stopping::AtWork;

/// The sessions of one snapshot.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) settings: Arc<Settings>,
    /// How errors begin.
    pub(super) doing: String,
    /// Whether any new session sees the same state.
    may_join: bool,
    permits: Arc<Semaphore>,
    /// How many readers there are still.
    readers: AtomicUsize,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    pub(super) fn new(
        settings: &Arc<Settings>,
        doing: String,
        may_join: bool,
        readers: usize,
        sessions: Vec<Session>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: Arc::clone(settings),
            doing,
            may_join,
            permits: Arc::new(Semaphore::new(readers)),
            readers: AtomicUsize::new(readers),
            idle: Mutex::new(sessions),
        })
    }

    /// Waits for a free reader.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| self.ended())?;
        let idle = self.take_idle();
        let session = match idle {
            Some(session) => session,
            None if self.may_join => Session::open(&self.settings).await?,
            None => return Err(self.ended()),
        };
        Ok(Lease {
            session: Some(session),
            permit: Some(permit),
            _at_work: AtWork::begin(),
            pool: Arc::clone(self),
        })
    }

    /// The transactions that held the state are gone.
    fn ended(&self) -> Error {
        let text = format!(
            "{}: the transaction that held its state has ended",
            self.doing
        );
        Error::new(ErrorKind::Conflict, text)
            .hint("run again")
            .temporary()
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

    /// One reader less, where no new session can take its place.
    fn lose(&self, permit: OwnedSemaphorePermit) {
        if self.may_join {
            return;
        }
        permit.forget();
        if self.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.permits.close();
        }
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

/// A session in use; one that is not given back is lost with it.
pub(super) struct Lease {
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    /// Until the server is told to stop.
    _at_work: AtWork,
    pub(super) pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn session(&mut self) -> Result<&mut Session> {
        let gone = || Error::internal("A reader has no session");
        self.session.as_mut().ok_or_else(gone)
    }

    /// The session is free again.
    pub(super) fn give_back(mut self) {
        if let Some(session) = self.session.take() {
            self.pool.give_back(session);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(session), Some(permit)) = (self.session.take(), self.permit.take()) {
            drop(session);
            self.pool.lose(permit);
        }
    }
}
