//! The suite of backends: what loading promises.

mod books;
mod loading;
mod publishing;
mod replacing;
mod world;

use std::sync::Arc;

use async_trait::async_trait;

use super::report::{Line, Report};
use super::types::{canonicals, natives};
use crate::backend::Backend;
use crate::error::{Error, Result};
use world::World;

/// What the suite of backends asks for. What can't be had there is answered with kind Unsupported
/// and the reason, which the report then shows.
#[async_trait]
pub trait BackendFixture: Send + Sync {
    /// The backend that is tried, at a place that may be empty.
    fn backend(&self) -> Arc<dyn Backend>;

    /// The schema where tables are made; it need not be there.
    fn schema(&self) -> &str;

    /// Puts something that is no table at the place of one.
    async fn occupy(&self, _table: &str) -> Result<()> {
        Err(Error::unsupported("nothing but tables can stand there"))
    }

    /// Gives a published table a feature that goe can't keep true to; gives the word that names it.
    async fn estrange(&self, _table: &str) -> Result<String> {
        Err(Error::unsupported("tables there have no other features"))
    }
}

/// Tries every line of the backend's contract. Makes tables whose names begin with `goe_`.
pub async fn backend(fixture: Arc<dyn BackendFixture>) -> Report {
    let world = World::new(fixture);
    let system = world.backend.facts().system;
    Report::of(system, LINES, &world).await
}

/// The lines that [`backend()`] tries: method and text.
#[must_use]
pub fn backend_lines() -> Vec<(&'static str, &'static str)> {
    LINES.iter().map(|line| (line.method, line.text)).collect()
}

/// In the order of the trait.
static LINES: &[Line<World>] = &[
    Line {
        method: "Backend::probe",
        text: "Leaves nothing there.",
        check: |world| Box::pin(books::probe(world)),
    },
    Line {
        method: "Backend::tables",
        text: "Every published table is listed once, in order of schema and name.",
        check: |world| Box::pin(books::tables(world)),
    },
    Line {
        method: "Backend::describe",
        text: "`None` where there is nothing by that name.",
        check: |world| Box::pin(books::nothing(world)),
    },
    Line {
        method: "Backend::describe",
        text: "Tells the columns, the partition columns and the record that were published.",
        check: |world| Box::pin(books::described(world)),
    },
    Line {
        method: "Backend::describe",
        text: "A place that holds something else is refused with kind AlreadyExists and says what.",
        check: |world| Box::pin(books::occupied(world)),
    },
    Line {
        method: "Backend::describe",
        text: "A table with features that we can't keep true to is Unsupported and names them.",
        check: |world| Box::pin(books::estranged(world)),
    },
    Line {
        method: "Backend::statements",
        text: "Nothing happens there.",
        check: |world| Box::pin(books::statements(world)),
    },
    Line {
        method: "Backend::load",
        text: "Nobody sees the rows before they are published.",
        check: |world| Box::pin(loading::unseen(world)),
    },
    Line {
        method: "Backend::load",
        text: "A second time it changes nothing.",
        check: |world| Box::pin(loading::twice(world)),
    },
    Line {
        method: "Backend::hashes",
        text: "Of a manifest: of its rows and no others.",
        check: |world| Box::pin(loading::hashes_of_manifest(world)),
    },
    Line {
        method: "Backend::hashes",
        text: "Of what is published: of all its rows, by partition.",
        check: |world| Box::pin(loading::hashes_of_published(world)),
    },
    Line {
        method: "Backend::aggregates",
        text: "Sees the rows of the manifest and no others.",
        check: |world| Box::pin(loading::aggregates(world)),
    },
    Line {
        method: "Backend::aggregates",
        text: "States a bound or a sum in the text form of [`ColumnBounds`], and only where it is exact.",
        check: |world| Box::pin(loading::exact_aggregates(world)),
    },
    Line {
        method: "Backend::publish",
        text: "All or nothing: a reader sees the table before or after, never between.",
        check: |world| Box::pin(publishing::all_or_nothing(world)),
    },
    Line {
        method: "Backend::publish",
        text: "Done a second time with the same record sequence and manifest it changes nothing and says that it was there already.",
        check: |world| Box::pin(publishing::twice(world)),
    },
    Line {
        method: "Backend::publish",
        text: "A record that is not the one that the publication continues is refused with kind Conflict.",
        check: |world| Box::pin(publishing::conflict(world)),
    },
    Line {
        method: "Backend::publish",
        text: "A smaller fence than the stored record's is refused with kind Locked.",
        check: |world| Box::pin(publishing::fenced(world)),
    },
    Line {
        method: "Backend::publish",
        text: "With [`Mode::ReplaceAll`] the rows that were there go in the same step, and are counted.",
        check: |world| Box::pin(replacing::replace_all(world)),
    },
    Line {
        method: "Backend::publish",
        text: "With [`Mode::ReplaceWhere`] those go for which the predicate is true and no others, or it is refused with kind Unsupported and nothing changes.",
        check: |world| Box::pin(replacing::replace_where(world)),
    },
    Line {
        method: "Backend::publish",
        text: "With [`Change::AddColumns`] the columns are there in the same step, NULL in older rows.",
        check: |world| Box::pin(replacing::add_columns(world)),
    },
    Line {
        method: "Backend::proof",
        text: "The proof that was published, and `None` for a record that has none there.",
        check: |world| Box::pin(books::proof(world)),
    },
    Line {
        method: "Backend::staged",
        text: "Its rows and no others, typed by the definition.",
        check: |world| Box::pin(loading::staged(world)),
    },
    Line {
        method: "Backend::table",
        text: "All published rows, typed as `describe` says, which holds what the definition does.",
        check: |world| Box::pin(loading::table(world)),
    },
    Line {
        method: "Backend::table",
        text: "A table that is not there is NotFound.",
        check: |world| Box::pin(books::no_table(world)),
    },
    Line {
        method: "Backend::check",
        text: "Nothing is found where there is no such table, and no flaw where all is in order.",
        check: |world| Box::pin(books::check(world)),
    },
    Line {
        method: "Backend::orphans",
        text: "Files of a run that is not in `living` are found unless a version of the table names them.",
        check: |world| Box::pin(books::orphans(world)),
    },
    Line {
        method: "Backend::orphans",
        text: "With `remove` they are removed, and nothing else is.",
        check: |world| Box::pin(books::removed(world)),
    },
    Line {
        method: "TypeMap::to_canonical",
        text: "Every type that `natives` names is mapped, or refused with kind Unsupported and a hint.",
        check: |world| Box::pin(async { natives(world.backend.types()) }),
    },
    Line {
        method: "TypeMap::from_canonical",
        text: "Every canonical type has a native one that `to_canonical` reads, or is refused with kind Unsupported and a hint.",
        check: |world| Box::pin(async { canonicals(world.backend.types()) }),
    },
];
