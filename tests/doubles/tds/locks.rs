//! Table locks: shared ones of readers that ask for them, exclusive ones of those who write.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::refusal::{Refusal, Result};

/// How often somebody who waits looks whether it was told to give up.
const GLANCE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Lock {
    /// The sessions that share it.
    sharers: Vec<u64>,
    is_exclusive: bool,
}

/// The locks of all tables.
#[derive(Debug, Default)]
pub struct Locks {
    tables: Mutex<HashMap<String, Lock>>,
    changed: Condvar,
}

/// How long a session waits for a lock.
#[derive(Debug, Clone, Copy)]
pub struct Patience<'p> {
    /// `None` waits for ever.
    pub limit: Option<Duration>,
    pub gives_up: &'p dyn Gives,
}

/// Says whether it is time to give up waiting.
pub trait Gives: std::fmt::Debug {
    fn up(&self) -> bool;
}

impl Locks {
    /// Waits until nobody writes.
    pub fn wait_for_writers(&self, table: &str, patience: Patience<'_>) -> Result<()> {
        self.wait(table, patience, |lock| !lock.is_exclusive)
            .map(drop)
    }

    /// Keeps writers out.
    pub fn share(&self, table: &str, session: u64, patience: Patience<'_>) -> Result<()> {
        let mut tables = self.wait(table, patience, |lock| !lock.is_exclusive)?;
        tables
            .entry(table.to_owned())
            .or_default()
            .sharers
            .push(session);
        Ok(())
    }

    /// Lets go of a table once.
    pub fn unshare(&self, table: &str, session: u64) {
        let mut tables = self.tables.lock().expect("locks");
        let sharers = &mut tables.entry(table.to_owned()).or_default().sharers;
        if let Some(place) = sharers.iter().position(|holder| *holder == session) {
            sharers.swap_remove(place);
        }
        self.changed.notify_all();
    }

    /// Lets go of everything that a session holds.
    pub fn release(&self, session: u64) {
        let mut tables = self.tables.lock().expect("locks");
        for lock in tables.values_mut() {
            lock.sharers.retain(|holder| *holder != session);
        }
        self.changed.notify_all();
    }

    /// Waits for ever until it is alone with the table.
    pub fn exclude(&self, table: &str) {
        let free = |lock: &Lock| !lock.is_exclusive && lock.sharers.is_empty();
        let patience = Patience {
            limit: None,
            gives_up: &Never,
        };
        let mut tables = self.wait(table, patience, free).expect("nobody gives up");
        tables.entry(table.to_owned()).or_default().is_exclusive = true;
    }

    pub fn include(&self, table: &str) {
        let mut tables = self.tables.lock().expect("locks");
        tables.entry(table.to_owned()).or_default().is_exclusive = false;
        self.changed.notify_all();
    }

    /// How many sessions share a table.
    pub fn sharers(&self, table: &str) -> usize {
        let tables = self.tables.lock().expect("locks");
        tables.get(table).map_or(0, |lock| lock.sharers.len())
    }

    fn wait(
        &self,
        table: &str,
        patience: Patience<'_>,
        free: impl Fn(&Lock) -> bool,
    ) -> Result<MutexGuard<'_, HashMap<String, Lock>>> {
        let begun = Instant::now();
        let mut tables = self.tables.lock().expect("locks");
        while !tables.get(table).is_none_or(&free) {
            let late = patience.limit.is_some_and(|limit| begun.elapsed() >= limit);
            if late || patience.gives_up.up() {
                return Err(Refusal::new(1222, "Lock request time out period exceeded."));
            }
            (tables, _) = self.changed.wait_timeout(tables, GLANCE).expect("locks");
        }
        Ok(tables)
    }
}

#[derive(Debug)]
struct Never;

impl Gives for Never {
    fn up(&self) -> bool {
        false
    }
}

impl Gives for std::sync::atomic::AtomicBool {
    fn up(&self) -> bool {
        self.load(std::sync::atomic::Ordering::SeqCst)
    }
}
