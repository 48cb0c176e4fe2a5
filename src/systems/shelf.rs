//! Sessions that nobody uses now: many tables one after the other need no login each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::error::Result;

/// How many are kept at most.
const KEPT: usize = 8;

/// For how long one is kept: a server has better use for its slots.
const FRESH: Duration = Duration::from_secs(5);

/// A session on a server, as far as a shelf has to know it.
pub(super) trait Reusable: Send + Sized + 'static {
    /// Whether it is alive, as far as is known without asking.
    fn is_alive(&self) -> bool;

    /// Ends the transaction that it is in, if it is in one. It must not be at work: what it is
    /// asked to do comes after what it does.
    fn ended(self) -> impl Future<Output = Result<Self>> + Send;
}

/// The free sessions of a connection, none of them in a transaction.
#[derive(Debug)]
pub(super) struct Shelf<S>(Arc<Mutex<Vec<(Instant, S)>>>);

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S> Clone for Shelf<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Reusable> Shelf<S> {
    /// A session that is alive as far as is known.
    pub(super) fn take(&self) -> Option<S> {
        self.swept().pop().map(|(_, session)| session)
    }

    /// Keeps a session that is in no transaction for whoever needs one next.
    pub(super) fn keep(&self, session: S) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut kept = self.swept();
        if kept.len() < KEPT {
            kept.push((Instant::now(), session));
        }
        drop(kept);
        let shelf = Arc::downgrade(&self.0);
        runtime.spawn(async move {
            sleep(FRESH).await;
            if let Some(shelf) = shelf.upgrade() {
                drop(Self(shelf).swept());
            }
        });
    }

    /// Ends a session's transaction, and keeps it.
    pub(super) fn end_and_keep(&self, session: S) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let shelf = self.clone();
        runtime.spawn(async move {
            if let Ok(session) = session.ended().await {
                shelf.keep(session);
            }
        });
    }

    /// Those that are good still.
    fn swept(&self) -> MutexGuard<'_, Vec<(Instant, S)>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(since, session)| since.elapsed() < FRESH && session.is_alive());
        kept
    }
}

/// A session in a transaction that ends when this is dropped; then it is kept.
#[derive(Debug)]
pub(super) struct Kept<S: Reusable> {
    shelf: Shelf<S>,
    session: Option<S>,
}

impl<S: Reusable> Kept<S> {
    pub(super) fn new(shelf: &Shelf<S>, session: S) -> Self {
        Self {
            shelf: shelf.clone(),
            session: Some(session),
        }
    }
}

impl<S: Reusable> Drop for Kept<S> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.shelf.end_and_keep(session);
        }
    }
}
