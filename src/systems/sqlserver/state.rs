//! One state of a table for all readers: what a database offers for it, and how it is opened.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;

use super::catalog::Relation;
use super::connect::{Settings, TableLock};
use super::pool::Pool;
use super::server::State;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::SnapshotFacts;

/// The longest that writers of a table wait for us, and we for them.
const SHORT: Duration = Duration::from_secs(5);

/// How the readers see one state, if they do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// Every session sees it.
    Everyone(String),
    /// Transactions that begin while nobody writes to the table.
    Together,
    /// One transaction; why not more, where more were wanted.
    Alone(Option<&'static str>),
    /// No transaction at all; what that means.
    Mixed(&'static str),
}

const PER_STATEMENT: &str = "SNAPSHOT isolation is off (ALTER DATABASE … SET \
     ALLOW_SNAPSHOT_ISOLATION ON): each split reads the state that is committed when it begins";
const LOCKED_ROWS: &str = "SNAPSHOT isolation is off (ALTER DATABASE … SET \
     ALLOW_SNAPSHOT_ISOLATION ON): rows that change while they are read may be missed or read twice";
const MEMORY: &str =
    "a memory-optimized table: each split reads the state that is committed when it begins";
const ELSEWHERE: &str = "the rows of an external table are read as they are elsewhere";

fn way(relation: &Relation, settings: &Settings, readers: usize) -> Way {
    let server = &relation.server;
    match server.state() {
        _ if relation.is_external() => Way::Mixed(ELSEWHERE),
        State::Snapshot => Way::Everyone(format!("database snapshot {}", server.database)),
        State::ReadOnly => Way::Everyone(format!("read-only database {}", server.database)),
        _ if relation.memory_optimized => Way::Mixed(MEMORY),
        State::Replica => Way::Alone(Some("a replica can't be locked")),
        State::Committed if server.read_committed_snapshot => Way::Mixed(PER_STATEMENT),
        State::Committed => Way::Mixed(LOCKED_ROWS),
        State::Versions if !relation.is_table() => Way::Alone(Some("a view can't be locked")),
        State::Versions if settings.table_lock == TableLock::Never => {
            Way::Alone(Some("table_lock=never"))
        }
        State::Versions if readers <= 1 => Way::Alone(None),
        State::Versions => Way::Together,
    }
}

/// Why one reader reads the table, however many are asked for; `None` where several can.
pub(super) fn one_reader(relation: &Relation, settings: &Settings) -> Option<&'static str> {
    match way(relation, settings, usize::MAX) {
        Way::Everyone(_) | Way::Together => None,
        Way::Alone(why) => Some(why.unwrap_or("one reader is asked for")),
        Way::Mixed(why) => Some(why),
    }
}

/// A state of the table that is still as it was described, and the sessions that see it.
pub(super) async fn open(
    settings: &Arc<Settings>,
    relation: &Relation,
    doing: &str,
    readers: usize,
) -> Result<(SnapshotFacts, Arc<Pool>)> {
    let readers = readers.max(1);
    let way = way(relation, settings, readers);
    // Whoever comes later sees it too.
    let again = matches!(way, Way::Everyone(_));
    let (label, mixed, sessions, may_join) = match way {
        Way::Everyone(label) => {
            let first = one(settings, relation, doing, "").await?;
            (label, None, vec![first], true)
        }
        Way::Mixed(why) => {
            let first = one(settings, relation, doing, "").await?;
            let label = "no transaction, one reader".to_owned();
            (label, Some(why.to_owned()), vec![first], true)
        }
        Way::Alone(why) => alone(settings, relation, doing, why).await?,
        Way::Together => match together(settings, relation, doing, readers).await {
            Ok(sessions) => {
                let label = format!(
                    "{readers} transactions with SNAPSHOT isolation, begun under one short lock \
                     of the table"
                );
                (label, None, sessions, false)
            }
            Err(error) if is_busy(&error) => {
                let why = Some("the table could not be locked");
                alone(settings, relation, doing, why).await?
            }
            Err(error) => return Err(error),
        },
    };
    let readers = match (&mixed, may_join) {
        (Some(_), _) => 1,
        (None, true) => readers,
        (None, false) => sessions.len(),
    };
    let pool = Pool::new(settings, doing.to_owned(), may_join, readers, sessions);
    let facts = SnapshotFacts {
        label,
        mixed,
        readers,
        again,
    };
    Ok((facts, pool))
}

type Opened = (String, Option<String>, Vec<Session>, bool);

async fn alone(
    settings: &Arc<Settings>,
    relation: &Relation,
    doing: &str,
    why: Option<&str>,
) -> Result<Opened> {
    let mut label = "one transaction with SNAPSHOT isolation".to_owned();
    if let Some(why) = why {
        label.push_str(&format!(", one reader: {why}"));
    }
    let session = one(settings, relation, doing, BEGIN).await?;
    Ok((label, None, vec![session], false))
}

/// A statement of ours waited for too long, or lost against others.
fn is_busy(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && error.is_temporary()
}

const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION";

async fn one(
    settings: &Settings,
    relation: &Relation,
    doing: &str,
    begin: &str,
) -> Result<Session> {
    let mut session = Session::open(settings).await?;
    if !begin.is_empty() {
        session.run(doing, begin).await?;
    }
    relation.check(&mut session, &settings.connection).await?;
    Ok(session)
}

/// Opens the sessions first, so that the lock is short. A transaction's state is that of its first
/// read, so each reads something while nobody can write.
async fn together(
    settings: &Arc<Settings>,
    relation: &Relation,
    doing: &str,
    readers: usize,
) -> Result<Vec<Session>> {
    let opened = (0..readers).map(|_| Session::open(settings));
    let mut sessions = try_join_all(opened).await?;
    let mut holder = Session::open(settings).await?;
    let table = relation.quoted();
    let lock = format!(
        "SET LOCK_TIMEOUT {}; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION; \
         SELECT TOP (1) 1 FROM {table} WITH (TABLOCK, HOLDLOCK)",
        SHORT.min(settings.lock_timeout).as_millis()
    );
    holder.run(doing, &lock).await?;
    let begin = format!("{BEGIN}; SELECT TOP (1) 1 FROM {table}");
    let begun = sessions
        .iter_mut()
        .map(|session| session.run(doing, &begin));
    try_join_all(begun).await?;
    if let Some(first) = sessions.first_mut() {
        relation.check(first, &settings.connection).await?;
    }
    // Its lock timeout is not that of others: it is not kept.
    holder.run(doing, "COMMIT TRANSACTION").await?;
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Connection;
    use crate::systems::sqlserver::testing;

    fn settings(url: &str) -> Settings {
        let connection = Connection::new("shop", url, Default::default());
        Settings::new(&connection, &|_| None).unwrap()
    }

    #[test]
    fn what_a_database_offers_is_taken() {
        let plain = settings("sqlserver://jo@db/x");
        let never = settings("sqlserver://jo@db/x?table_lock=never");
        let of = |change: fn(&mut Relation)| {
            let mut relation = testing::relation();
            change(&mut relation);
            relation
        };
        let table = of(|_| {});
        assert_eq!(way(&table, &plain, 4), Way::Together);
        assert_eq!(way(&table, &plain, 1), Way::Alone(None));
        assert_eq!(way(&table, &never, 4), Way::Alone(Some("table_lock=never")));
        let in_memory = of(|relation| relation.memory_optimized = true);
        assert_eq!(way(&in_memory, &plain, 4), Way::Mixed(MEMORY));
    }
}
