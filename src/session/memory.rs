//! The repository, opened when something is to be remembered.

use std::sync::{Arc, OnceLock};

use crate::config::RepositoryConfig;
use crate::error::Result;
use crate::repository::Repository;

/// Where runs are remembered.
#[derive(Debug)]
pub(super) struct Memory {
    config: RepositoryConfig,
    repository: OnceLock<Arc<Repository>>,
}

impl Memory {
    pub(super) fn new(config: RepositoryConfig) -> Self {
        Self {
            config,
            repository: OnceLock::new(),
        }
    }

    /// The repository, made new where there is none.
    pub(super) fn open(&self) -> Result<Arc<Repository>> {
        if let Some(open) = self.repository.get() {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(Repository::of(&self.config)?);
        // Another thread may have been first; either connection will do.
        let _ = self.repository.set(Arc::clone(&opened));
        Ok(opened)
    }

    /// The same to look at: no history yet is no reason to make a file.
    pub(super) fn look(&self) -> Result<Arc<Repository>> {
        let absent = self.config.file().is_some_and(|file| !file.exists());
        if self.repository.get().is_none() && absent {
            return Ok(Arc::new(Repository::empty()?));
        }
        self.open()
    }
}
