//! The systems that a program knows, and what they make of a connection.

use std::sync::Arc;

use super::{SYSTEMS, System};
use crate::backend::Backend;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::Frontend;

/// The systems that connections can name: those of this build, and what a program adds.
///
/// ```
/// use goe::systems::{System, Systems};
///
/// let build = Systems::default();
/// assert!(build.find("nosuch").is_err());
/// let first = build.iter().next().expect("a system of this build");
/// let named = System { name: "mine", schemes: &["mine"], ..*first };
/// assert_eq!(Systems::default().with(named).find("mine")?.name, "mine");
/// # Ok::<(), goe::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Systems {
    list: Vec<System>,
}

impl Default for Systems {
    /// Those of this build.
    fn default() -> Self {
        Self {
            list: SYSTEMS.to_vec(),
        }
    }
}

impl Systems {
    /// The same and one more. It takes the place of one of its name, and goes before others of its
    /// schemes.
    #[must_use]
    pub fn with(mut self, system: System) -> Self {
        self.list.retain(|known| known.name != system.name);
        self.list.push(system);
        self
    }

    /// All of them; those that were added last.
    pub fn iter(&self) -> impl Iterator<Item = &System> {
        self.list.iter()
    }

    /// The system of a name or URL scheme.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the systems that there are.
    pub fn find(&self, name: &str) -> Result<System> {
        let mut newest_first = self.list.iter().rev();
        let found =
            newest_first.find(|system| system.name == name || system.schemes.contains(&name));
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = self.list.iter().map(|system| system.name).collect();
            Error::new(
                ErrorKind::Config,
                format!("\"{name}\" is no system of this build"),
            )
            .hint(format!("it has: {}", known.join(", ")))
        })
    }

    /// The frontend of a connection.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a wrong URL or option, [`ErrorKind::Unsupported`] for a system
    /// that tables do not leave.
    pub fn frontend(&self, connection: &Connection) -> Result<Arc<dyn Frontend>> {
        let system = self.find(connection.scheme())?;
        let open = system.frontend.ok_or_else(|| {
            Error::unsupported(format!(
                "Connection \"{}\" is {}, which goe loads but does not read from",
                connection.name, system.name
            ))
        })?;
        open(connection)
    }

    /// The backend of a connection.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a wrong URL or option, [`ErrorKind::Unsupported`] for a system
    /// that tables do not reach.
    pub fn backend(&self, connection: &Connection) -> Result<Arc<dyn Backend>> {
        let system = self.find(connection.scheme())?;
        let open = system.backend.ok_or_else(|| {
            Error::unsupported(format!(
                "Connection \"{}\" is {}, which goe reads but does not load",
                connection.name, system.name
            ))
        })?;
        open(connection)
    }
}
