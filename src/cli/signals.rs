//! Ctrl-C and SIGTERM: the first asks to stop, the second leaves at once.

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Whether a signal has asked to stop.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    stop: watch::Sender<bool>,
}

impl Signals {
    /// Listens from now on, until the program ends.
    pub(super) fn listen() -> Result<Self> {
        let signals = Self {
            stop: watch::Sender::new(false),
        };
        let mut source = Source::new()
            .map_err(|error| Error::internal(format!("Signals can't be listened to: {error}")))?;
        let listener = signals.clone();
        tokio::spawn(async move {
            loop {
                source.next().await;
                listener.came();
            }
        });
        Ok(signals)
    }

    /// Ends when a signal has come.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // It can't fail: we hold the sender.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Forgets a signal that has been dealt with.
    pub(super) fn reset(&self) {
        self.stop.send_replace(false);
    }

    fn came(&self) {
        if self.stop.send_replace(true) {
            std::process::exit(i32::from(ErrorKind::Interrupted.exit_code()));
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            interrupt,
            terminate,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
