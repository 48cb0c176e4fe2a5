//! The suite of frontends: what reading promises.

mod catalog;
mod changes;
mod filters;
mod reading;
mod world;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::report::{Line, Report};
use super::rows::Row;
use super::types::{canonicals, natives};
use crate::error::{Error, Result};
use crate::frontend::Frontend;
use world::World;

/// What the suite of frontends asks for: tables to be made and changed as another user of the
/// source would. What a source can't do is answered with kind Unsupported and the reason, which the
/// report then shows; what has a default here is answered so unless the fixture says otherwise.
#[async_trait]
pub trait FrontendFixture: Send + Sync {
    /// The frontend that is tried.
    fn frontend(&self) -> Arc<dyn Frontend>;

    /// The exact name of the schema where tables are made.
    fn schema(&self) -> &str;

    /// Makes a table of this exact name with the columns and the rows of [`Row`].
    async fn make(&self, table: &str, rows: &[Row]) -> Result<()>;

    /// Adds rows to a table, and commits.
    async fn insert(&self, table: &str, rows: &[Row]) -> Result<()>;

    /// Adds a column to a table.
    async fn alter(&self, _table: &str) -> Result<()> {
        Err(Error::unsupported("a table there is never altered"))
    }

    /// Drops a table.
    async fn drop_table(&self, _table: &str) -> Result<()> {
        Err(Error::unsupported("a table there is never dropped"))
    }

    /// Puts into the row `id` of a table a value that its column's declared type does not allow.
    async fn spoil(&self, _table: &str, _id: i64) -> Result<Spoilt> {
        Err(Error::unsupported(
            "the source itself refuses a value that its column's type does not allow",
        ))
    }

    /// Makes a table with two or more columns of types that have no canonical type, and gives the
    /// names of these columns.
    async fn untyped(&self, _table: &str) -> Result<Vec<String>> {
        Err(Error::unsupported("every type there has a canonical type"))
    }

    /// Makes a relation of one column whose rows do not end, and gives its name.
    async fn endless(&self) -> Result<String> {
        Err(Error::unsupported("no relation there is without an end"))
    }

    /// How many statements the source works on for this frontend now.
    async fn working(&self) -> Result<usize> {
        Err(Error::unsupported(
            "the source does not tell what it works on",
        ))
    }

    /// How many requests the source was sent so far.
    async fn requests(&self) -> Result<u64> {
        Err(Error::unsupported("the source does not count its requests"))
    }

    /// A predicate that would write if a session let it.
    fn writing(&self) -> Result<String> {
        Err(Error::unsupported("no expression there could write"))
    }

    /// A frontend at an address where nothing answers, and the time that it is given to say so.
    fn unreachable(&self) -> Result<(Arc<dyn Frontend>, Duration)> {
        Err(Error::unsupported(
            "there is no address where nothing answers",
        ))
    }
}

/// A value that breaks its column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoilt {
    /// The exact name of the column.
    pub column: String,
    /// The value as the source shows it.
    pub value: String,
}

/// Tries every line of the frontend's contract. Makes tables whose names begin with `goe_`.
///
/// # Errors
/// Those of the fixture, where not even the first tables can be made.
pub async fn frontend(fixture: Arc<dyn FrontendFixture>) -> Result<Report> {
    let world = World::new(fixture).await?;
    let system = world.frontend.facts().system;
    Ok(Report::of(system, LINES, &world).await)
}

/// The lines that [`frontend()`] tries: method and text.
#[must_use]
pub fn frontend_lines() -> Vec<(&'static str, &'static str)> {
    LINES.iter().map(|line| (line.method, line.text)).collect()
}

/// In the order of the traits.
static LINES: &[Line<World>] = &[
    Line {
        method: "Frontend::probe",
        text: "Ends within the connect timeout, also when nothing answers.",
        check: |world| Box::pin(catalog::probe_ends(world)),
    },
    Line {
        method: "Frontend::probe",
        text: "Fails with kind Connect, Authenticate, Permission, NotFound or Config, each with a hint.",
        check: |world| Box::pin(catalog::probe_fails(world)),
    },
    Line {
        method: "Frontend::tables",
        text: "Every table that can be opened is listed once, in order of schema and name.",
        check: |world| Box::pin(catalog::tables(world)),
    },
    Line {
        method: "Frontend::open",
        text: "`schema` and `table` match exactly first, then without regard to case if only one fits.",
        check: |world| Box::pin(catalog::names(world)),
    },
    Line {
        method: "Frontend::open",
        text: "An unknown schema or table is NotFound with the nearest name as hint.",
        check: |world| Box::pin(catalog::unknown(world)),
    },
    Line {
        method: "Frontend::open",
        text: "A type without a canonical type is Unsupported and names every such column at once.",
        check: |world| Box::pin(catalog::untyped(world)),
    },
    Line {
        method: "Frontend::open",
        text: "An option for a column that is not there, or of an unknown form, is refused with kind Usage.",
        check: |world| Box::pin(catalog::options(world)),
    },
    Line {
        method: "Frontend::open_all",
        text: "In as few round trips as the system allows, however many tables.",
        check: |world| Box::pin(catalog::round_trips(world)),
    },
    Line {
        method: "Frontend::open_all",
        text: "A table that can't be described fails alone.",
        check: |world| Box::pin(catalog::fails_alone(world)),
    },
    Line {
        method: "Source::splits",
        text: "Every row that any later snapshot sees falls into exactly one split: the first and the last are open.",
        check: |world| Box::pin(changes::splits_are_open(world)),
    },
    Line {
        method: "Source::splits",
        text: "An empty table has one split.",
        check: |world| Box::pin(reading::empty(world)),
    },
    Line {
        method: "Source::splits",
        text: "One split and a reason where the table can't be cut.",
        check: |world| Box::pin(reading::one_split(world)),
    },
    Line {
        method: "Source::snapshot",
        text: "The session is read-only.",
        check: |world| Box::pin(changes::read_only(world)),
    },
    Line {
        method: "Source::snapshot",
        text: "A table that was dropped or altered since it was described is refused with kind Conflict.",
        check: |world| Box::pin(changes::altered(world)),
    },
    Line {
        method: "Source::snapshot",
        text: "May give fewer readers than asked for, and says so in its facts.",
        check: |world| Box::pin(reading::readers(world)),
    },
    Line {
        method: "Source::snapshot",
        text: "Every reader sees the rows of one state, and none that were written later, unless its facts say that it is mixed.",
        check: |world| Box::pin(changes::one_state(world)),
    },
    Line {
        method: "Source::snapshot",
        text: "A state that can be opened again, by its facts, has the same label and the same rows then.",
        check: |world| Box::pin(changes::same_again(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "Rows come typed by [`request_schema`], with the columns that were asked for, in that order.",
        check: |world| Box::pin(reading::typed(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "A value that breaks its column's declared type ends the stream with kind Data and names table, column, key and value.",
        check: |world| Box::pin(changes::spoilt(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "A filter keeps the rows that the engine would keep, or more of them where it is no exact one.",
        check: |world| Box::pin(filters::filters(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "Aggregates are those of the rows that it would read; one that is not exact is refused with kind Unsupported, rows are always counted.",
        check: |world| Box::pin(filters::aggregates(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "A limit is the most rows that come of a split.",
        check: |world| Box::pin(reading::limit(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "At most `readers` streams are open at once; one more waits for a free reader.",
        check: |world| Box::pin(reading::one_more_waits(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "Batches hold at most the request's rows, and at most its bytes unless one row is larger.",
        check: |world| Box::pin(reading::batches(world)),
    },
    Line {
        method: "Snapshot::read",
        text: "Dropping the stream stops the source's work within 5 s.",
        check: |world| Box::pin(reading::dropped(world)),
    },
    Line {
        method: "Dialect::quote",
        text: "Any name at all is one name.",
        check: |world| Box::pin(catalog::any_name(world)),
    },
    Line {
        method: "TypeMap::to_canonical",
        text: "Every type that `natives` names is mapped, or refused with kind Unsupported and a hint.",
        check: |world| Box::pin(async { natives(world.frontend.types()) }),
    },
    Line {
        method: "TypeMap::from_canonical",
        text: "Every canonical type has a native one that `to_canonical` reads, or is refused with kind Unsupported and a hint.",
        check: |world| Box::pin(async { canonicals(world.frontend.types()) }),
    },
];
