//! What the tests of this folder begin with.

use super::catalog::{Index, Relation};
use super::server::Server;

/// A table in a database with SNAPSHOT isolation.
pub(super) fn relation() -> Relation {
    Relation::empty(Server::with_versions())
}

/// An index with this key, unique or even primary.
pub(super) fn index(key: &[&str], unique: bool, primary: bool) -> Index {
    Index::beside(key, unique, primary)
}
