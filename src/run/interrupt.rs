//! A person's wish to stop, carried to where the work is.

use std::future::Future;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Asks a run to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trigger(watch::Sender<bool>);

/// Tells a run that it was asked to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Trigger {
    /// Asks; asking twice is asking once.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// A trigger, and what it triggers.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Nobody will ask.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// The work's result, or kind Interrupted as soon as somebody asks; the work is dropped then.
    ///
    /// # Errors
    /// The work's own, and [`ErrorKind::Interrupted`].
    pub async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut asked = self.0.clone();
        tokio::select! {
            biased;
            Ok(_) = asked.wait_for(|asked| *asked) => Err(interrupted()),
            done = work => done,
        }
    }
}

fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "The run was stopped; nothing of it was published",
    )
    .hint("run the same command again; goe clean removes the files that it left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_by_itself_or_when_asked() {
        assert_eq!(Interrupt::never().or(async { Ok(1) }).await.unwrap(), 1);
        let (trigger, interrupt) = Interrupt::new();
        trigger.fire();
        let stopped = interrupt
            .or(std::future::pending::<Result<()>>())
            .await
            .unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    }
}
