//! How long a server may be silent before it is taken for lost.
//!
//! A host that is gone shows in the connection itself: its kernel confirms nothing any more. A proxy
//! or firewall between may hold the connection open and confirm for a server that it no longer
//! reaches; nothing but silence tells.

#![allow(dead_code, reason = "for systems that a build may lack")]

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Split;

const DEFAULT: Duration = Duration::from_secs(300);

/// A piece of a table that a server reads through in less than that, whatever it filters out.
const SMALL_BYTES: u64 = 1 << 30;

/// The option `idle_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    /// `None` is for ever.
    limit: Option<Duration>,
    /// Whether somebody asked for it, and so knows how long the server may compute.
    asked: bool,
}

impl Silence {
    pub(super) fn parse(text: Option<&String>) -> Result<Self, String> {
        let Some(text) = text else {
            let limit = Some(DEFAULT);
            return Ok(Self {
                limit,
                asked: false,
            });
        };
        let limit = match text.parse() {
            Ok(0) => None,
            Ok(seconds @ 1..=86_400) => Some(Duration::from_secs(seconds)),
            _ => return Err("wants idle_timeout in whole seconds, 0 to 86400".to_owned()),
        };
        Ok(Self { limit, asked: true })
    }

    /// The limit for what a server answers soon: its catalog, settings, a snapshot.
    pub(super) fn brief(self) -> Option<Duration> {
        self.limit
    }

    /// The limit for what a server may compute for hours before the first row comes: a view, an
    /// aggregate, a table as one piece. There is none unless somebody asked for it.
    pub(super) fn lengthy(self) -> Option<Duration> {
        self.limit.filter(|_| self.asked)
    }

    /// The limit between the pieces of what is read.
    pub(super) fn reading(self, split: Option<&Split>) -> Option<Duration> {
        let bytes = split.and_then(|split| split.bytes);
        if bytes.is_some_and(|bytes| bytes <= SMALL_BYTES) {
            self.brief()
        } else {
            self.lengthy()
        }
    }
}

/// Waits for an answer no longer than that.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    doing: &str,
    answer: impl Future<Output = T>,
) -> Result<T> {
    let Some(limit) = limit else {
        return Ok(answer.await);
    };
    tokio::time::timeout(limit, answer).await.map_err(|_| {
        let message = format!("{doing}: the server was silent for {} s", limit.as_secs());
        let error = Error::new(ErrorKind::Connect, message).temporary();
        error.hint(
            "is the network, or a proxy on the way, broken? Where the server computes that long, raise idle_timeout",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_soon_done_has_a_limit_that_nobody_asked_for() {
        let small = Split {
            bytes: Some(64 << 20),
            ..Split::default()
        };
        let large = Split {
            bytes: Some(1 << 40),
            ..Split::default()
        };
        let view = Split::default();
        let silence = |text: Option<&str>| Silence::parse(text.map(str::to_owned).as_ref());
        let by_default = silence(None).unwrap();
        assert_eq!(by_default.brief(), Some(DEFAULT));
        assert_eq!(by_default.reading(Some(&small)), Some(DEFAULT));
        for split in [Some(&large), Some(&view), None] {
            assert_eq!(by_default.reading(split), None);
        }
        let asked = silence(Some("2")).unwrap();
        let limit = Some(Duration::from_secs(2));
        assert_eq!((asked.brief(), asked.lengthy()), (limit, limit));
        assert_eq!(asked.reading(Some(&view)), limit);
        let never = silence(Some("0")).unwrap();
        assert_eq!((never.brief(), never.reading(Some(&small))), (None, None));
        assert!(silence(Some("soon")).is_err() && silence(Some("-1")).is_err());
    }

    #[tokio::test]
    async fn silence_is_a_lost_connection() {
        let limit = Some(Duration::from_millis(10));
        let error = within(limit, "Table t can't be read", std::future::pending::<()>()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.hint_text().is_some());
        assert_eq!(within(limit, "x", async { 1 }).await.unwrap(), 1);
    }
}
