//! Connections as a system sees them.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};

/// A named, configured system. Its options are resolved; secrets among them never print.
#[derive(Clone)]
pub struct Connection {
    /// The name in `goe.toml`, or the URL itself.
    pub name: String,
    /// `scheme:rest`; may hold a password, so it does not print either.
    url: SecretString,
    /// Everything else of the connection's table, and the URL's query.
    options: BTreeMap<String, SecretString>,
}

impl Connection {
    /// A connection from resolved parts.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>, options: BTreeMap<String, String>) -> Self {
        Self {
            name: name.into(),
            url: url.into().into(),
            options: options.into_iter().map(|(key, value)| (key, value.into())).collect(),
        }
    }

    /// The text before the first colon: which system.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.expose_secret().split(':').next().unwrap_or_default()
    }

    /// The whole URL, for the system that connects.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// An option's value, for the system that connects.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(ExposeSecret::expose_secret)
    }

    /// The names of all options.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }

    /// Refuses options that the system does not know.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option and the nearest known one.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        let Some(unknown) = self.option_names().find(|name| !known.contains(name)) else {
            return Ok(());
        };
        let error = Error::new(
            ErrorKind::Config,
            format!("Connection \"{}\" has an unknown option \"{unknown}\"", self.name),
        );
        Err(match crate::schema::nearest(unknown, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint(format!("known are: {}", known.join(", "))),
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .field("scheme", &self.scheme())
            .finish_non_exhaustive()
    }
}
