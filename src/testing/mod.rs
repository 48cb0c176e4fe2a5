//! Conformance: what the contracts promise, tried on a system. The feature `testing` has it.
//!
//! Each method of [`Frontend`](crate::frontend::Frontend), [`Source`](crate::frontend::Source),
//! [`Snapshot`](crate::frontend::Snapshot) and [`Backend`](crate::backend::Backend) documents its
//! behavior as a list. A suite has one check for each line of it. It asks a fixture, which the author
//! of a system writes, to prepare what the check needs; a fixture that can't says why not, and the
//! [`Report`] shows the line as skipped for that reason. What the system says of itself decides too:
//! a snapshot that admits to be mixed is not asked for one state.
//!
//! `examples/frontend.rs` and `examples/backend.rs` show fixtures of systems outside this crate.

mod backend;
mod frontend;
mod report;
mod rows;
mod types;

pub use backend::{BackendFixture, backend, backend_lines};
pub use frontend::{FrontendFixture, Spoilt, frontend, frontend_lines};
pub use report::{Outcome, Report, Reported};
pub use rows::{Row, numbered, record_batch};
