//! Fault points: named places where a test makes goe fail, die or stand still.
//!
//! Only builds with debug assertions have them (the development profile); in a release build every
//! function here is empty and compiles to nothing. Without these variables they do nothing either:
//!
//! ```text
//! GOE_FAULT="NAME=ACTION[@N[+]],…"
//!   NAME     a point of POINTS, or one of OPERATIONS
//!   ACTION   error     the point, or the call, fails
//!            panic     the thread panics
//!            abort     the process dies at once, as by kill -9
//!            hang:MS   the thread stands still for MS milliseconds, then goes on
//!   @N       only at the Nth time that the process comes there; @N+ from the Nth time on;
//!            without it always
//! GOE_FAULT_LOG=FILE  each time that a point is reached or an operation called appends one line,
//!                     "NAME N"; where a fault is made, "NAME N made"
//! ```
//!
//! `GOE_FAULT="publish.before_commit=abort@2"` dies before the second chunk is published, and
//! `GOE_FAULT="store=error@7+"` is a store that answers nothing from its seventh call on.

#[cfg(debug_assertions)]
mod points;
#[cfg(debug_assertions)]
mod rules;
#[cfg(debug_assertions)]
mod store;

#[cfg(debug_assertions)]
pub use points::{OPERATIONS, POINTS};

use std::io;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use object_store::ObjectStore;

use crate::error::{Error, ErrorKind, Result};

/// A kind of call to something outside of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(debug_assertions),
    allow(dead_code, reason = "a build without faults wraps no store")
)]
pub(crate) enum Operation {
    /// A request to the store of a target.
    Store,
    /// The answer to a request that wrote: the store has done it.
    Answer,
    /// A statement of the repository.
    Repository,
    /// An opening, a statement or a batch of a source.
    Source,
}

/// A state of a run has changed, or is about to.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &'static str) -> Result<()> {
    debug_assert!(
        POINTS.iter().any(|(known, _)| *known == name),
        "{name} is not in the list of fault points"
    );
    rules::reached(name).map_err(|error| {
        Error::internal(format!("Stopped at {name}: {error}")).hint("GOE_FAULT asks for it")
    })
}

/// No fault point: this build has none.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn point(_: &'static str) -> Result<()> {
    Ok(())
}

/// A call is about to be made; fails where it is to fail, as a disk or a network would.
#[cfg(debug_assertions)]
pub(crate) fn call(operation: Operation) -> io::Result<()> {
    rules::reached(match operation {
        Operation::Store => "store",
        Operation::Answer => "answer",
        Operation::Repository => "repository",
        Operation::Source => "source",
    })
}

/// No call fails in this build unless it does by itself.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn call(_: Operation) -> io::Result<()> {
    Ok(())
}

/// A call to a source, whose failure is that of a lost connection.
pub(crate) fn source() -> Result<()> {
    call(Operation::Source).map_err(|error| {
        Error::new(ErrorKind::Connect, "The source went away")
            .hint("look at the source's log, then run again")
            .caused_by(error)
    })
}

/// The batches of one split.
#[cfg(debug_assertions)]
pub(crate) fn batches(stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    use datafusion::error::DataFusionError;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::StreamExt;

    let schema = stream.schema();
    let watched = stream.enumerate().map(|(number, batch)| {
        if number == 0 {
            point("read.first_batch")?;
        }
        source()?;
        batch
    });
    let last = futures::stream::once(async { point("read.last_batch") });
    let last = last.filter_map(|reached| async { reached.err().map(DataFusionError::from) });
    let all = watched.chain(last.map(Err));
    Box::pin(RecordBatchStreamAdapter::new(schema, all))
}

/// The batches of one split, as they are.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn batches(stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    stream
}

/// A store whose calls are counted and may fail, where the variables ask for it.
#[cfg(debug_assertions)]
pub(crate) fn store(store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    if rules::are_set() {
        Arc::new(store::FaultyStore::new(store))
    } else {
        store
    }
}

/// The store, as it is.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) fn store(store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    store
}
