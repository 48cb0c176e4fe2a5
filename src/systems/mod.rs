//! The only place that names a product: one folder each, and this registry.

mod connections;
#[cfg(feature = "delta")]
mod delta;
#[cfg(any(feature = "delta", feature = "snowflake"))]
mod folder_name;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod shelf;
mod silence;
#[cfg(feature = "snowflake")]
mod snowflake;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlserver")]
mod sqlserver;
#[cfg(any(feature = "delta", feature = "snowflake"))]
mod staged_name;
mod stopping;
#[cfg(any(feature = "delta", feature = "snowflake"))]
#[cfg_attr(
    not(any(feature = "s3", feature = "gcs", feature = "azure")),
    allow(unused, reason = "a build without clients refuses every store")
)]
mod store;

use std::sync::Arc;

use crate::backend::Backend;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Frontend, TypeMap};

pub use connections::Connections;
pub use stopping::stopped;

/// A system that this build knows.
#[derive(Debug, Clone, Copy)]
pub struct System {
    /// Its name.
    pub name: &'static str,
    /// The URL schemes that mean it.
    pub schemes: &'static [&'static str],
    /// Whether its URLs are paths on this machine, unless they name a store (`s3://…`).
    pub local_paths: bool,
    /// Its types.
    pub types: fn() -> &'static dyn TypeMap,
    /// How to read it; pure, nothing is connected yet.
    pub frontend: Option<fn(&Connection) -> Result<Arc<dyn Frontend>>>,
    /// How to load it; pure, nothing is connected yet.
    pub backend: Option<fn(&Connection) -> Result<Arc<dyn Backend>>>,
}

/// Every system of this build.
pub static SYSTEMS: &[System] = &[
    #[cfg(feature = "sqlite")]
    sqlite::SYSTEM,
    #[cfg(feature = "postgres")]
    postgres::SYSTEM,
    #[cfg(feature = "sqlserver")]
    sqlserver::SYSTEM,
    #[cfg(feature = "delta")]
    delta::SYSTEM,
    #[cfg(feature = "snowflake")]
    snowflake::SYSTEM,
];

/// The system of a name or URL scheme.
///
/// # Errors
/// [`ErrorKind::Config`] with the systems of this build.
pub fn system(name: &str) -> Result<&'static System> {
    SYSTEMS
        .iter()
        .find(|system| system.name == name || system.schemes.contains(&name))
        .ok_or_else(|| {
            let known: Vec<&str> = SYSTEMS.iter().map(|system| system.name).collect();
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
/// [`ErrorKind::Config`] for a wrong URL or option, [`ErrorKind::Unsupported`] for a system that
/// tables do not leave.
pub fn frontend(connection: &Connection) -> Result<Arc<dyn Frontend>> {
    let system = system(connection.scheme())?;
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
/// [`ErrorKind::Config`] for a wrong URL or option, [`ErrorKind::Unsupported`] for a system that
/// tables do not reach.
pub fn backend(connection: &Connection) -> Result<Arc<dyn Backend>> {
    let system = system(connection.scheme())?;
    let open = system.backend.ok_or_else(|| {
        Error::unsupported(format!(
            "Connection \"{}\" is {}, which goe reads but does not load",
            connection.name, system.name
        ))
    })?;
    open(connection)
}
