//! The only place that names a product: one folder each, and this registry.
//!
//! A program may add systems of its own: [`Systems::with`].

mod connections;
#[cfg(feature = "delta")]
mod delta;
#[cfg(any(feature = "delta", feature = "snowflake"))]
mod folder_name;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod registry;
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
    #[cfg(feature = "snowflake")]
    snowflake::SYSTEM,
];
