//! A bound on how fast sources are read.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets at most so many bytes of rows pass in a second, all scans of an engine together. A scan
/// finds it among the extensions of its session's configuration.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// When the bytes that have passed are paid for.
    paid: Mutex<Option<Instant>>,
}

impl RateLimit {
    /// A limit of at least one byte in a second.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            paid: Mutex::default(),
        }
    }

    /// Waits until all that passed before is paid for, and lets `bytes` pass.
    pub async fn spend(&self, bytes: usize) {
        let wait = self.wait(Instant::now(), bytes);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// How long bytes that come now must wait.
    fn wait(&self, now: Instant, bytes: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a wait is not exact")]
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        let cost = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not used is not saved up.
        let from = paid.map_or(now, |paid| paid.max(now));
        *paid = from.checked_add(cost);
        from - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_as_fast_as_they_may() {
        let limit = RateLimit::new(1_000);
        let begun = Instant::now();
        let table = [
            (0, 500, 0),
            (0, 2_000, 500),
            (1_000, 0, 1_500),
            (2_000, 1_000, 500),
            (60_000, 1, 0),
        ];
        for (at, bytes, waits) in table {
            let now = begun + Duration::from_millis(at);
            assert_eq!(limit.wait(now, bytes).as_millis(), waits, "{bytes} at {at}");
        }
    }
}
