//! `goe.toml` and the environment: connections, defaults and where runs are remembered.
//!
//! ```toml
//! [connections.shop]
//! url = "SYSTEM:shop.db"               # a relative path starts beside this file
//!
//! [connections.hq]
//! url = "SYSTEM://goe@db.example.com/shop"
//! password = "${env:HQ_PASSWORD}"      # or "${file:hq.password}", beside this file
//!
//! [defaults]
//! from = "shop.main"                   # what a short name of a source means
//! to = "lake.tpch"                     # and of a target; "lake" alone keeps the source's schema
//! schema_prefix = "hq_"                # before that schema's name
//! letter_case = "lower"                # of the names that come from the source: lower, upper, keep
//! parallel = 4
//! verify = "checksum"
//! memory = "512MB"
//! max_rate = "50MB"                    # rows read in a second, at most
//! retry_seconds = 300                  # how long temporary failures are tried again
//!
//! [repository]
//! path = "goe.db"                      # one host: a SQLite file
//! # url = "SYSTEM://goe@db.example.com/goe"   # or several hosts: a server's database
//! # password = "${env:GOE_DB_PASSWORD}"
//! ```
//!
//! A repository has a path or a URL, never both. On a server its tables are in the schema `goe`, made
//! when it is first used; on a file the clock of the host tells when a lease ends, on a server that
//! of the server. The URL and the password are written as those of a connection.
//!
//! `GOE_<CONNECTION>_<OPTION>` stands above the file (`GOE_HQ_PASSWORD`), and `GOE_<CONNECTION>_URL`
//! alone makes a connection. `GOE_REPOSITORY` is a path or a URL, and `GOE_LEASE_SECONDS` (2 to 3600,
//! 60 by default) says how long a target stays held by a run of which nothing is heard. Secrets are looked up when a connection is used, and never print.

mod connection;
mod edit;
mod environment;
mod file;
mod redact;
mod repository;
mod secret;
mod size;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};
use crate::schema::nearest;

pub use connection::{Connection, redact};
pub use edit::NewConnection;
pub use redact::redact_text;
pub use repository::{LEASE, RepositoryConfig, RepositoryPlace};
#[allow(
    unused_imports,
    reason = "only some systems take a secret's file as an option"
)]
pub(crate) use secret::read as read_secret;
pub use size::parse_bytes;

/// The name of the file.
pub const FILE_NAME: &str = "goe.toml";

/// Everything that is configured. Holds references to secrets, and secrets from the environment;
/// prints neither.
#[derive(Clone)]
pub struct Config {
    file: Option<PathBuf>,
    /// Where the file is, or would be.
    folder: PathBuf,
    connections: BTreeMap<String, Definition>,
    defaults: Defaults,
    repository: RepositoryConfig,
}

/// What a request means where it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `CONNECTION.SCHEMA` (or `CONNECTION`) of a source that is written shorter.
    pub from: Option<String>,
    /// The same for a target.
    pub to: Option<String>,
    /// What stands before a schema's name that a target takes from its source.
    pub schema_prefix: Option<String>,
    /// The letter case of names that a target takes from its source.
    pub letter_case: LetterCase,
    /// How many workers.
    pub parallel: Option<usize>,
    /// How much is proved: `count`, `aggregates`, `checksum` or `read_back`.
    pub verify: Option<String>,
    /// Bytes that an offload may use.
    pub memory: Option<u64>,
    /// Bytes of rows that an offload reads in a second at most.
    pub max_rate: Option<u64>,
    /// For how many seconds temporary failures are tried again.
    pub retry_seconds: Option<u64>,
}

/// The letter case of a name that comes from another system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LetterCase {
    /// As it is there.
    #[default]
    Keep,
    /// In small letters.
    Lower,
    /// In capitals.
    Upper,
}

impl LetterCase {
    /// The words for them.
    pub const WORDS: [&str; 3] = ["keep", "lower", "upper"];

    /// The case that a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "keep" => Some(Self::Keep),
            "lower" => Some(Self::Lower),
            "upper" => Some(Self::Upper),
            _ => None,
        }
    }

    /// A name in this case.
    #[must_use]
    pub fn apply(self, name: &str) -> String {
        match self {
            Self::Keep => name.to_owned(),
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
        }
    }
}

/// A connection as it was written, secrets not yet looked up.
#[derive(Clone)]
struct Definition {
    /// What relative paths in the URL start from.
    folder: PathBuf,
    /// The URL under `url`, the options under their names.
    values: BTreeMap<String, Value>,
}

/// A value of a connection.
#[derive(Clone)]
enum Value {
    /// From the file; may refer to secrets. Relative paths of secrets start from the folder.
    Written(SecretString, PathBuf),
    /// From the environment; means itself.
    Given(SecretString),
}

impl Value {
    fn resolve(&self) -> Result<String> {
        match self {
            Self::Written(text, folder) => secret::resolve(text.expose_secret(), folder),
            Self::Given(text) => Ok(text.expose_secret().to_owned()),
        }
    }
}

impl Config {
    /// The configuration that holds in a folder: the `goe.toml` of the nearest folder at or above
    /// it, else that of the user's config folder, else an empty one; then the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a file that is wrong, with line and column.
    pub fn load(folder: &Path) -> Result<Self> {
        match find(folder) {
            Some(file) => Self::read(&file),
            None => Self::empty(folder).with_environment(environment::variables()?, folder),
        }
    }

    /// The configuration of one file and the environment.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file, else as [`Config::load`].
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        let parent = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        let mut config = Self::parse(&text, folder)
            .map_err(|error| error.context("file", file.display().to_string()))?;
        config.file = Some(file.to_owned());
        config.with_environment(environment::variables()?, Path::new("."))
    }

    /// The configuration of a text alone, as if it were the `goe.toml` of a folder.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with line and column.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        file::parse(text, folder)
    }

    /// No connections at all.
    #[must_use]
    pub fn empty(folder: &Path) -> Self {
        Self {
            file: None,
            folder: folder.to_owned(),
            connections: BTreeMap::new(),
            defaults: Defaults::default(),
            repository: RepositoryConfig::in_folder(folder),
        }
    }

    /// The file that it came from.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where runs are remembered.
    #[must_use]
    pub fn repository(&self) -> &RepositoryConfig {
        &self.repository
    }

    /// What a request means where it does not say.
    #[must_use]
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// The names of all connections, in order.
    #[must_use]
    pub fn connection_names(&self) -> Vec<&str> {
        self.connections.keys().map(String::as_str).collect()
    }

    /// A connection by its name, or by a URL that stands for itself. Its secrets are looked up
    /// now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the nearest name, [`ErrorKind::Config`] for a secret that is
    /// missing or readable by others.
    pub fn connection(&self, name_or_url: &str) -> Result<Connection> {
        if let Some(definition) = self.connections.get(name_or_url) {
            return definition.connection(name_or_url);
        }
        if is_url(name_or_url) {
            return Ok(Connection::of_url(name_or_url));
        }
        Err(self.unknown(name_or_url))
    }

    fn unknown(&self, name: &str) -> Error {
        let names = self.connection_names();
        let error = Error::new(
            ErrorKind::NotFound,
            format!("There is no connection \"{name}\""),
        );
        error.hint(match (nearest(name, names.iter().copied()), names.is_empty()) {
            (Some(near), _) => format!("did you mean \"{near}\"?"),
            (None, false) => format!("there are: {}", names.join(", ")),
            (None, true) => format!(
                "define it in {FILE_NAME}: [connections.{name}] url = \"…\", or write a URL in its place"
            ),
        })
    }

    /// The same with what the environment says. `folder` is what relative paths in it start from.
    fn with_environment(
        mut self,
        variables: BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self> {
        environment::apply(&mut self, variables, folder)?;
        Ok(self)
    }
}

impl Definition {
    fn connection(&self, name: &str) -> Result<Connection> {
        let mut options = BTreeMap::new();
        for (key, value) in &self.values {
            let resolved = value
                .resolve()
                .map_err(|error| error.context("connection", name))?;
            options.insert(key.clone(), resolved);
        }
        let url = options
            .remove("url")
            .filter(|url| is_url(url))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("Connection \"{name}\" has no URL"),
                )
                .hint("give it one: url = \"SYSTEM:…\"; `goe help connections` shows the forms")
            })?;
        Ok(Connection::new(name, url, options).in_folder(&self.folder))
    }
}

/// Prints names, never values.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.file)
            .field("connections", &self.connection_names())
            .field("defaults", &self.defaults)
            .field("repository", &self.repository)
            .finish()
    }
}

/// Whether a text is a URL, not a name: a scheme and a colon.
fn is_url(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The nearest `goe.toml` at or above a folder, else the user's own.
fn find(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let beside = folder.join(FILE_NAME);
    if beside.is_file() {
        return Some(beside);
    }
    let above = absolute
        .ancestors()
        .skip(1)
        .map(|ancestor| ancestor.join(FILE_NAME));
    above.chain(user_file()).find(|file| file.is_file())
}

fn user_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(folder.join("goe").join(FILE_NAME))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Config,
    };
    Error::new(kind, format!("{} can't be read: {error}", file.display()))
}

#[cfg(test)]
mod tests;
