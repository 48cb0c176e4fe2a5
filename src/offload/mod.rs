//! Meaning: what an offload is, what it covers, and every decision made for it. Nothing here does
//! I/O.
//!
//! [`OffloadSpec`] (as written) becomes [`Offload`] (valid alone) becomes [`Plan`] (valid against
//! both systems); [`Record`] is what a target remembers.

mod allowance;
mod calendar;
mod checked_cast;
mod closed;
mod condition;
mod definition;
mod explain;
mod failed_cast;
mod fit;
mod literals;
mod made_column;
mod mapping;
mod names;
mod partition_by;
mod pattern;
mod plan;
mod predicate_dsl;
mod preview;
mod pruning;
mod record;
mod region;
mod sample;
mod schema_change;
mod shape;
mod sql_text;
pub mod statement;
mod step;
mod take;
mod transform;
mod verify;
mod window;

pub use allowance::Allowances;
pub use checked_cast::check_casts;
pub use closed::{
    Closed, Effect, Existing, OffloadType, PartitionRequest, PredicateType, check_names_keys,
    chunks, over_existing, resolve,
};
pub use condition::Conditions;
pub use definition::{Offload, OffloadSpec, VerifyLevel};
pub use failed_cast::FailedCast;
pub(crate) use failed_cast::{FailedCasts, watch_casts};
pub(crate) use literals::timestamps_in_microseconds;
pub use mapping::{Mapped, PlannedColumn, map_columns};
pub(crate) use names::name_columns;
pub use partition_by::{PartitionBy, Transform, Unit};
pub use pattern::ColumnPattern;
pub(crate) use plan::plain;
pub use plan::{FilterState, Plan, PlannedChunk, PlannedFilter, Reading};
pub use predicate_dsl::{
    DslColumn, DslOperator, DslPredicate, DslValue, is_predicate_dsl, predicate_sql,
};
pub use preview::{ColumnPreview, Preview, PreviewBuilder};
pub use pruning::{PartitionColumn, prune};
pub(crate) use record::FORMAT;
pub use record::{Proof, PublishedChunk, Record};
pub use region::Region;
pub use sample::Proposal;
pub(crate) use sample::SampledTexts;
pub use schema_change::{SchemaChange, schema_changes};
pub use shape::{NotNullPropagation, OnSchemaChange, TypeOverride};
pub use step::Step;
pub use take::Take;
pub use verify::{ComparedColumn, Difference, compare, compared_columns};
pub use window::{Coverage, Window};
