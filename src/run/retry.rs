//! Temporary failures, tried again for a while.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use super::Event;
use super::journal::{Journal, told};
use crate::error::{Error, Result};

/// The first wait; each one after it is twice as long, and a random part of it more, so that many
/// runs that failed together do not come back together.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The waits between attempts, `patience` in sum.
fn waits(patience: Duration) -> impl BackoffBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .with_total_delay(Some(patience))
}

impl Journal {
    /// Work that is done again as long as it fails temporarily, each failure told as an event.
    /// Stops when somebody asks.
    pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(
        &self,
        chunk: u32,
        patience: Duration,
        work: impl FnMut() -> F,
    ) -> Result<T> {
        let work = self.patiently_whole(chunk, patience, work);
        self.interrupt.or(work).await
    }

    /// The same, going on whatever somebody asks.
    pub(super) async fn patiently_whole<T, F: Future<Output = Result<T>>>(
        &self,
        chunk: u32,
        patience: Duration,
        work: impl FnMut() -> F,
    ) -> Result<T> {
        let mut attempt = 1;
        work.retry(waits(patience))
            .when(Error::is_temporary)
            .notify(|error, wait| {
                attempt += 1;
                self.tell(&Event::Retrying {
                    run: self.run.clone(),
                    chunk,
                    attempt,
                    wait_millis: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                    error: told(error),
                });
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_the_patience() {
        let all: Vec<Duration> = waits(Duration::from_secs(60)).build().collect();
        assert!(all.len() > 5, "{all:?}");
        assert!(
            all.iter().sum::<Duration>() <= Duration::from_secs(60),
            "{all:?}"
        );
        assert!(all[0] >= FIRST_WAIT && all[0] <= FIRST_WAIT * 2, "{all:?}");
        assert!(all.iter().all(|wait| *wait <= LONGEST_WAIT * 2), "{all:?}");
        assert_eq!(waits(Duration::ZERO).build().count(), 0);
    }
}
