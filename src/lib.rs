//! goe copies tables out of operational databases into analytics systems: typed, in parallel, in
//! slices that it remembers, and proved equal before anyone sees them.
//!
//! One offload, from sentence to record:
//!
//! ```text
//! OffloadSpec   as a person wrote it                                  offload
//!   Offload     valid alone
//!     Plan      valid against both systems: every decision, immutable
//!       scan    workers take splits of one snapshot from one queue    frontend
//!       stage   canonical-typed rows become partitioned Parquet       staging, transport
//!     Manifest  the files, with counts, bounds and hashes
//!       load    the target takes them in, unseen                      backend
//!       verify  what was read equals what the target holds            run
//!       publish rows and record become visible together, once
//!     Record    what is covered, kept with the data
//! ```
//!
//! Products are in [`systems`] alone; a program adds its own with [`systems::Systems::with`] and
//! tries them by the suites of the feature `testing`. [`session::Session`] is where a program begins:
//!
//! ```no_run
//! # async fn example() -> goe::Result<()> {
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use goe::config::Config;
//! use goe::offload::{OffloadSpec, Take};
//! use goe::run::{Interrupt, Unwatched};
//! use goe::session::Session;
//!
//! let session = Session::new(Config::load(Path::new("."))?)?;
//! let offload = OffloadSpec {
//!     from: Some("shop.main.orders".to_owned()),
//!     to: "lake.dw.orders".to_owned(),
//!     partition_by: vec!["month(sold_at)".to_owned()],
//!     ..OffloadSpec::default()
//! }
//! .validate()?;
//! println!("{}", session.plan(&offload, &Take::New).await?);
//! let outcome = session.offload(&offload, &Take::New, Arc::new(Unwatched), Interrupt::never()).await?;
//! println!("{} rows: {}", outcome.rows, outcome.proof);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod backend;
pub mod cli;
pub mod config;
mod error;
pub mod fault;
pub mod frontend;
pub mod offload;
pub mod repository;
pub mod run;
pub mod schema;
pub mod session;
pub mod staging;
pub mod systems;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;

pub use error::{Error, ErrorKind, Result};
