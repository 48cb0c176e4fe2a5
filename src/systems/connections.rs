//! The systems behind connections, made once per name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::{System, Systems};
use crate::backend::Backend;
use crate::config::{Config, Connection, NewConnection};
use crate::error::Result;
use crate::frontend::{Frontend, OpenOptions, Source};
use crate::schema::TableName;

/// The frontends and backends of a configuration. Asked again for a name it gives the same one.
#[derive(Debug)]
pub struct Connections {
    systems: Systems,
    config: Config,
    /// The same with the connections that were made since.
    current: RwLock<Config>,
    frontends: Cache<dyn Frontend>,
    backends: Cache<dyn Backend>,
    /// Tables that were described ahead, by their exact names.
    described: Mutex<HashMap<TableName, Arc<dyn Source>>>,
}

type Cache<T> = Mutex<HashMap<String, Arc<T>>>;

impl Connections {
    /// The connections of a configuration to systems of this build; nothing is connected yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::to(Systems::default(), config)
    }

    /// The connections of a configuration to these systems.
    #[must_use]
    pub fn to(systems: Systems, config: Config) -> Self {
        Self {
            systems,
            current: RwLock::new(config.clone()),
            config,
            frontends: Cache::default(),
            backends: Cache::default(),
            described: Mutex::default(),
        }
    }

    /// The systems that connections can name.
    #[must_use]
    pub fn systems(&self) -> &Systems {
        &self.systems
    }

    /// What was configured at first.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of all configured connections, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names = |config: &Config| {
            let names = config.connection_names();
            names.into_iter().map(str::to_owned).collect()
        };
        self.with_current(names)
    }

    /// Keeps a connection in the configuration's file; it can be used at once.
    ///
    /// # Errors
    /// Those of [`Config::keep`], and kind Config for a URL of no system.
    pub fn keep(&self, connection: &NewConnection<'_>) -> Result<()> {
        let scheme = connection.url.split(':').next().unwrap_or_default();
        if !scheme.starts_with("${") {
            self.systems.find(scheme)?;
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = current.keep(connection)?;
        forget(&self.frontends, connection.name);
        forget(&self.backends, connection.name);
        Ok(())
    }

    fn with_current<T>(&self, ask: impl FnOnce(&Config) -> T) -> T {
        ask(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The frontend of a connection's name, or of a URL.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`Systems::frontend`].
    pub fn frontend(&self, name_or_url: &str) -> Result<Arc<dyn Frontend>> {
        cached(&self.frontends, name_or_url, || {
            self.systems.frontend(&self.connection(name_or_url)?)
        })
    }

    /// A table of a connection that can be read, as it is described now or was ahead.
    ///
    /// # Errors
    /// Those of [`Self::frontend`] and [`Frontend::open`].
    pub async fn open(
        &self,
        name_or_url: &str,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Source>> {
        if *options == OpenOptions::default() {
            let name = TableName::new(name_or_url, schema, table);
            let mut described = self
                .described
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(source) = described.remove(&name) {
                return Ok(source);
            }
        }
        let frontend = self.frontend(name_or_url)?;
        frontend.open(schema, table, options).await
    }

    /// Describes tables ahead, all of them in a few round trips; each description serves once. A
    /// table that can't be described says so when it is opened.
    ///
    /// # Errors
    /// Those of [`Self::frontend`] and [`Frontend::open_all`].
    pub async fn describe_ahead(
        &self,
        name_or_url: &str,
        names: &[(String, String)],
    ) -> Result<()> {
        let sources = self.frontend(name_or_url)?.open_all(names).await?;
        let mut described = self
            .described
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for ((schema, table), source) in names.iter().zip(sources) {
            if let Ok(source) = source {
                described.insert(TableName::new(name_or_url, schema, table), source);
            }
        }
        Ok(())
    }

    /// The backend of a connection's name, or of a URL.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`Systems::backend`].
    pub fn backend(&self, name_or_url: &str) -> Result<Arc<dyn Backend>> {
        cached(&self.backends, name_or_url, || {
            self.systems.backend(&self.connection(name_or_url)?)
        })
    }

    /// The system that a connection's name or a URL means.
    ///
    /// # Errors
    /// Those of [`Config::connection`] and [`Systems::find`].
    pub fn system(&self, name_or_url: &str) -> Result<System> {
        let connection = self.with_current(|config| config.connection(name_or_url))?;
        self.systems.find(connection.scheme())
    }

    /// A resolved connection, relative paths of its URL seen from the current folder.
    fn connection(&self, name_or_url: &str) -> Result<Connection> {
        let connection = self.with_current(|config| config.connection(name_or_url))?;
        let local = self.systems.find(connection.scheme())?.local_paths;
        Ok(if local {
            connection.with_local_path()
        } else {
            connection
        })
    }
}

fn forget<T: ?Sized>(cache: &Cache<T>, name: &str) {
    cache
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(name);
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
