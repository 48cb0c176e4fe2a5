//! What a reader that was dropped still has to tell its server: to stop. A program that ended before
//! would leave the server at work for nobody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

static READERS: AtomicUsize = AtomicUsize::new(0);

/// A reader whose server works for it, until it is dropped.
#[allow(dead_code, reason = "for systems that a build may lack")]
pub(super) struct AtWork(());

#[allow(dead_code, reason = "for systems that a build may lack")]
impl AtWork {
    pub(super) fn begin() -> Self {
        READERS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

#[allow(dead_code, reason = "for systems that a build may lack")]
impl Drop for AtWork {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until no server works for this program any more, for as long as `patience`.
pub async fn stopped(patience: Duration) {
    let all = async {
        while READERS.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    // A server that can't be told will notice that we are gone.
    let _ = timeout(patience, all).await;
}
