//! The only place that names a product: one folder each, and this registry.
//!
//! A program may add systems of its own: [`Systems::with`].

mod connections;
#[cfg(feature = "delta")]
mod delta;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod registry;
mod shelf;
mod silence;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlserver")]
mod sqlserver;
mod stopping;

use std::sync::Arc;

use crate::backend::Backend;
use crate::config::Connection;
use crate::error::Result;
use crate::frontend::{Frontend, TypeMap};

pub use connections::Connections;
pub use registry::Systems;
pub use stopping::stopped;

/// A system that connections can name.
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
static SYSTEMS: &[System] = &[
    #[cfg(feature = "sqlite")]
    sqlite::SYSTEM,
    #[cfg(feature = "postgres")]
    postgres::SYSTEM,
    #[cfg(feature = "sqlserver")]
    sqlserver::SYSTEM,
    #[cfg(feature = "delta")]
    delta::SYSTEM,
];
