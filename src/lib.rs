//! goe copies tables out of operational databases into analytics systems: typed, in parallel, in
//! slices that it remembers, and proved equal before anyone sees them.

pub mod backend;
pub mod cli;
pub mod config;
mod error;
pub mod frontend;
pub mod offload;
pub mod repository;
pub mod run;
pub mod schema;
pub mod session;
pub mod staging;
pub mod systems;
pub mod transport;

pub use error::{Error, ErrorKind, Result};
