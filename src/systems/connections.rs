//! The systems behind connections, made once per name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::system;
use crate::backend::Backend;
use crate::config::{Config, Connection};
use crate::error::Result;
use crate::frontend::Frontend;

/// The frontends and backends of a configuration. Asked again for a name it gives the same one.
#[derive(Debug)]
pub struct Connections {
    config: Config,
    frontends: Cache<dyn Frontend>,
    backends: Cache<dyn Backend>,
}

type Cache<T> = Mutex<HashMap<String, Arc<T>>>;

impl Connections {
    /// The connections of a configuration; nothing is connected yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            frontends: Cache::default(),
            backends: Cache::default(),
        }
    }

    /// What is configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of all configured connections, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.config.connection_names()
    }

    /// The frontend of a connection's name, or of a URL.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`super::frontend`].
    pub fn frontend(&self, name_or_url: &str) -> Result<Arc<dyn Frontend>> {
        cached(&self.frontends, name_or_url, || {
            super::frontend(&self.connection(name_or_url)?)
        })
    }

    /// The backend of a connection's name, or of a URL.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`super::backend`].
    pub fn backend(&self, name_or_url: &str) -> Result<Arc<dyn Backend>> {
        cached(&self.backends, name_or_url, || {
            super::backend(&self.connection(name_or_url)?)
        })
    }

    /// The system that a connection's name or a URL means.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`system`].
    pub fn system(&self, name_or_url: &str) -> Result<&'static super::System> {
        system(self.config.connection(name_or_url)?.scheme())
    }

    /// A resolved connection, relative paths of its URL seen from the current folder.
    fn connection(&self, name_or_url: &str) -> Result<Connection> {
        let connection = self.config.connection(name_or_url)?;
        let local = system(connection.scheme())?.local_paths;
        Ok(if local {
            connection.with_local_path()
        } else {
            connection
        })
    }
}

fn cached<T: ?Sized>(
    cache: &Cache<T>,
    name: &str,
    make: impl FnOnce() -> Result<Arc<T>>,
) -> Result<Arc<T>> {
    let mut made = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(name) {
        return Ok(Arc::clone(known));
    }
    let new = make()?;
    made.insert(name.to_owned(), Arc::clone(&new));
    Ok(new)
}
