//! Where runs are remembered, and for how long a run that says nothing holds its target.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Connection, Definition, Value};
use crate::error::Result;

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(60);

/// How errors name the repository's connection.
const NAME: &str = "[repository]";

/// What is configured of the repository. Holds references to secrets, or one from the
/// environment; prints neither.
#[derive(Clone)]
pub struct RepositoryConfig {
    place: Place,
    lease: Duration,
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Server(Definition),
}

/// Where runs are remembered.
#[derive(Debug, Clone)]
pub enum RepositoryPlace {
    /// In a file of this host.
    File(PathBuf),
    /// In a database that several hosts share.
    Server(Connection),
}

impl RepositoryConfig {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            place: Place::File(folder.join("goe.db")),
            lease: LEASE,
        }
    }

    pub(super) fn set_file(&mut self, path: PathBuf) {
        self.place = Place::File(path);
    }

    pub(super) fn set_server(&mut self, server: Definition) {
        self.place = Place::Server(server);
    }

    /// A URL that means itself.
    pub(super) fn set_url(&mut self, url: &str, folder: &Path) {
        let given = Value::Given(url.to_owned().into());
        self.set_server(Definition {
            folder: folder.to_owned(),
            values: [("url".to_owned(), given)].into(),
        });
    }

    pub(super) fn set_lease(&mut self, lease: Duration) {
        self.lease = lease;
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Server(_) => None,
        }
    }

    /// Where it is. Its secrets are looked up now.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a secret that is missing or readable by
    /// others.
    pub fn place(&self) -> Result<RepositoryPlace> {
        Ok(match &self.place {
            Place::File(path) => RepositoryPlace::File(path.clone()),
            Place::Server(server) => RepositoryPlace::Server(server.connection(NAME)?),
        })
    }

    /// How long a lease holds without being renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }
}

/// Prints a path, never a URL.
impl fmt::Debug for RepositoryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryConfig")
            .field("file", &self.file())
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
