//! Meaning: what an offload is, what it covers, and every decision made for it. Nothing here does
//! I/O.
//!
//! [`OffloadSpec`] (as written) becomes [`Offload`] (valid alone) becomes [`Plan`] (valid against
//! both systems); [`Record`] is what a target remembers.

mod calendar;
mod checked_cast;
mod closed;
mod condition;
mod definition;
mod explain;
mod mapping;
mod names;
mod plan;
mod record;
mod region;
mod sql_text;
pub mod statement;
mod step;
mod take;
mod verify;
mod window;

pub use checked_cast::check_casts;
pub use closed::{
    Closed, Effect, Existing, OffloadType, PartitionRequest, PredicateType, check_names_keys,
    chunks, over_existing, resolve,
};
pub use condition::Conditions;
pub use definition::{Offload, OffloadSpec, PartitionBy, Unit, VerifyLevel};
pub use mapping::{Mapped, PlannedColumn, map_columns};
pub(crate) use names::name_columns;
pub(crate) use plan::plain;
pub use plan::{FilterState, Plan, PlannedChunk, PlannedFilter, Reading};
pub(crate) use record::FORMAT;
pub use record::{Proof, PublishedChunk, Record};
pub use region::Region;
pub use step::Step;
pub use take::Take;
pub use verify::{Difference, compare};
pub use window::{Coverage, Window};
