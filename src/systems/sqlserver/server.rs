//! What matters about a server and its database.

use super::answer::Answer;
use crate::error::Result;

pub(super) const SERVER: &str = include_str!("../../../sql/catalog/sqlserver/server.sql");

/// The first version that we read: 2016.
const OLDEST: u32 = 13;

/// Editions of the cloud, whose versions say nothing.
const CLOUD: [i64; 3] = [5, 8, 11];

/// What the catalog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) edition: String,
    engine: i64,
    pub(super) user: Option<String>,
    pub(super) database: String,
    snapshot_isolation: bool,
    pub(super) read_committed_snapshot: bool,
    read_only: bool,
    pub(super) is_snapshot: bool,
    updateable: bool,
    /// Whether we see what is masked for others.
    pub(super) may_unmask: bool,
}

/// What one state of a database can be read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is a database snapshot.
    Snapshot,
    /// Nobody can write to it.
    ReadOnly,
    /// A replica, which follows another database.
    Replica,
    /// Transactions with SNAPSHOT isolation.
    Versions,
    /// Nothing: what is committed is read.
    Committed,
}

impl Server {
    pub(super) fn read(answer: &Answer<'_>) -> Result<Self> {
        Ok(Self {
            version: answer.name("product_version")?,
            edition: answer.text("edition")?.unwrap_or_default(),
            engine: answer.number("engine_edition")?.unwrap_or_default(),
            user: answer.text("login_name")?,
            database: answer.name("database_name")?,
            snapshot_isolation: answer.number("snapshot_isolation_state")? == Some(1),
            read_committed_snapshot: answer.flag("is_read_committed_snapshot_on")?,
            read_only: answer.flag("is_read_only")?,
            is_snapshot: answer.number("source_database_id")?.is_some(),
            updateable: answer.text("updateability")?.as_deref() != Some("READ_ONLY"),
            may_unmask: answer.flag("may_unmask")?,
        })
    }

    /// Whether it is older than what we read.
    pub(super) fn too_old(&self) -> bool {
        let major = self.version.split('.').next().and_then(|n| n.parse().ok());
        !CLOUD.contains(&self.engine) && major.is_some_and(|major: u32| major < OLDEST)
    }

    /// What one state of it can be read by.
    pub(super) fn state(&self) -> State {
        match () {
            () if self.is_snapshot => State::Snapshot,
            () if self.read_only => State::ReadOnly,
            () if !self.updateable => State::Replica,
            () if self.snapshot_isolation => State::Versions,
            () => State::Committed,
        }
    }

    /// Whether it is the same database in the same state of mind.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        (&self.database, self.state(), self.may_unmask)
            == (&other.database, other.state(), other.may_unmask)
    }
}

#[cfg(test)]
impl Server {
    /// A database with SNAPSHOT isolation.
    pub(super) fn with_versions() -> Self {
        Self {
            version: "16.0.1000.6".to_owned(),
            edition: "Developer Edition".to_owned(),
            engine: 3,
            user: None,
            database: "shop".to_owned(),
            snapshot_isolation: true,
            read_committed_snapshot: false,
            read_only: false,
            is_snapshot: false,
            updateable: true,
            may_unmask: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_offers_the_best_that_it_has() {
        let of = |change: fn(&mut Server)| {
            let mut server = Server::with_versions();
            change(&mut server);
            server.state()
        };
        assert_eq!(of(|_| {}), State::Versions);
        assert_eq!(
            of(|server| server.snapshot_isolation = false),
            State::Committed
        );
        assert_eq!(of(|server| server.updateable = false), State::Replica);
        assert_eq!(of(|server| server.read_only = true), State::ReadOnly);
        assert_eq!(of(|server| server.is_snapshot = true), State::Snapshot);
    }

    #[test]
    fn versions_count_where_they_mean_something() {
        let old = |version: &str, engine: i64| {
            let mut server = Server::with_versions();
            (server.version, server.engine) = (version.to_owned(), engine);
            server.too_old()
        };
        assert!(old("12.0.2000.8", 3));
        assert!(!old("13.0.1601.5", 3));
        // The cloud says 12 for ever.
        assert!(!old("12.0.2000.8", 5));
    }
}
