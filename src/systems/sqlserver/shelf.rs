//! Sessions that nobody uses now: many tables one after the other need no login each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::connect::Settings;
use super::session::Session;

/// How many are kept at most.
const KEPT: usize = 8;

/// For how long one is kept: a server has better use for its memory.
const FRESH: Duration = Duration::from_secs(5);

/// The free sessions of a connection, none of them in a transaction.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Vec<(Instant, Session)>>);

impl Shelf {
    /// A session that is alive as far as is known.
    pub(super) fn take(&self) -> Option<Session> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(is_fresh);
        kept.pop().map(|(_, session)| session)
    }

    fn put(&self, session: Session) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push((Instant::now(), session));
        }
    }

    fn sweep(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(is_fresh);
    }
}

fn is_fresh((since, _): &(Instant, Session)) -> bool {
    since.elapsed() < FRESH
}

/// Keeps a session that is in no transaction for whoever needs one next.
pub(super) fn keep(settings: &Arc<Settings>, session: Session) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    settings.shelf.put(session);
    let settings = Arc::downgrade(settings);
    runtime.spawn(async move {
        sleep(FRESH).await;
        if let Some(settings) = settings.upgrade() {
            settings.shelf.sweep();
        }
    });
}

/// Ends a session's transaction if it is in one, and keeps it.
pub(super) fn end_and_keep(settings: &Arc<Settings>, mut session: Session) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let settings = Arc::clone(settings);
    runtime.spawn(async move {
        if session.end("A transaction can't be ended").await.is_ok() {
            keep(&settings, session);
        }
    });
}
