//! What the tests of this folder begin with.

use super::catalog::Relation;
use super::server::Server;

/// A table in a database with SNAPSHOT isolation.
pub(super) fn relation() -> Relation {
    Relation::empty(Server::with_versions())
}
