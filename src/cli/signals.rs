//! Ctrl-C and SIGTERM: the first asks to stop, the second leaves at once.

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Whether a signal has asked to stop.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    stop: watch::Sender<bool>,
}

impl Signals {
    /// Listens from now on, until the program ends. On a thread of its own: a computation that
    /// keeps every worker busy must not keep a signal from being heard.
    pub(super) fn listen() -> Result<Self> {
        let signals = Self {
            stop: watch::Sender::new(false),
        };
        let listener = signals.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|error| deaf(&error))?;
        let mut source = {
            let _context = runtime.enter();
            Source::new().map_err(|error| deaf(&error))?
        };
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    source.next().await;
                    listener.came();
                }
            });
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

fn deaf(error: &std::io::Error) -> Error {
    Error::internal(format!("Signals can't be listened to: {error}"))
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
