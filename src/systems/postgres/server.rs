//! A server that is no source: goe keeps its own tables there, and may write.

use tokio::time::timeout;
use tokio_postgres::Client;

use super::connect::Settings;
use super::error::{failed, too_slow};
use super::session::Session;
use crate::config::Connection;
use crate::error::{Error, Result};

/// A server to open sessions on. Holds a password, so it does not print.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
}

impl Server {
    /// Reads a connection; nothing is connected yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Self {
            settings: Settings::new(connection, &variable)?,
        })
    }

    /// Where it is, for messages: hosts, ports and database, and never who or with what.
    pub(crate) fn place(&self) -> String {
        let place = self.settings.place();
        match self.settings.config.get_dbname() {
            Some(database) => format!("{place}/{database}"),
            None => place,
        }
    }

    /// A session as the server gives it, within the connection's `connect_timeout`.
    pub(crate) async fn connect(&self) -> Result<Client> {
        let opened = timeout(
            self.settings.connect_timeout,
            Session::connect(&self.settings),
        );
        let session = opened
            .await
            .unwrap_or_else(|_| Err(too_slow(&self.settings)))?;
        Ok(session.client)
    }

    /// An error of a statement: `doing` begins the sentence.
    pub(crate) fn failed(doing: &str, error: tokio_postgres::Error) -> Error {
        failed(doing, error)
    }
}
