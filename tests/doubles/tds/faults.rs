//! What goes wrong when a test wants it to, and what was counted meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::login::Login;

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It ends without a word.
    Close,
    /// Nothing more comes, and nobody is told.
    Hang,
    /// An error of this number. 1205, of a deadlock, ends the transaction too.
    Error(i32),
}

/// A mishap, where it happens; once.
#[derive(Debug, Clone)]
pub struct Fault {
    pub mishap: Mishap,
    /// Only batches with this text are counted.
    pub containing: String,
    /// The batch that it happens to, from 1.
    pub batch: u64,
    /// How many rows of that batch are sent before.
    pub rows: u64,
}

impl Fault {
    /// At the first batch with this text, before anything is sent.
    pub fn at(mishap: Mishap, containing: &str) -> Self {
        Self {
            mishap,
            containing: containing.to_owned(),
            batch: 1,
            rows: 0,
        }
    }

    pub fn batch(self, batch: u64) -> Self {
        Self { batch, ..self }
    }

    pub fn rows(self, rows: u64) -> Self {
        Self { rows, ..self }
    }
}

/// The faults that are yet to come.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Vec<Fault>>,
    delay: AtomicU64,
    /// The error of the next logins, and of how many.
    logins: Mutex<(i32, u64)>,
}

/// A fault that hits the batch that runs now.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub mishap: Mishap,
    pub rows: u64,
}

impl Faults {
    pub fn plan(&self, fault: Fault) {
        self.planned.lock().expect("faults").push(fault);
    }

    /// How many have not happened.
    pub fn left(&self) -> usize {
        self.planned.lock().expect("faults").len()
    }

    /// Each row takes so long from now on.
    pub fn slow_down(&self, row: Duration) {
        self.delay.store(row.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn delay(&self) -> Duration {
        Duration::from_micros(self.delay.load(Ordering::Relaxed))
    }

    /// So many logins fail from now on, with this error.
    pub fn fail_logins(&self, number: i32, count: u64) {
        *self.logins.lock().expect("logins") = (number, count);
    }

    /// The error of a login that is to fail.
    pub fn login_error(&self) -> Option<i32> {
        let mut logins = self.logins.lock().expect("logins");
        let (number, left) = *logins;
        let less = left.checked_sub(1)?;
        *logins = (number, less);
        Some(number)
    }

    /// Counts a batch, and gives the fault that hits it.
    pub fn begin(&self, batch: &str) -> Option<Due> {
        let mut planned = self.planned.lock().expect("faults");
        for fault in planned
            .iter_mut()
            .filter(|fault| batch.contains(&fault.containing))
        {
            fault.batch = fault.batch.saturating_sub(1);
        }
        let at = planned.iter().position(|fault| fault.batch == 0)?;
        let Fault { mishap, rows, .. } = planned.remove(at);
        Some(Due { mishap, rows })
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicU64,
    most_open: AtomicU64,
    logins: AtomicU64,
    batches: AtomicU64,
    attentions: AtomicU64,
    rows: AtomicU64,
    /// The statements that were refused, writes among them.
    refused: Mutex<Vec<String>>,
    seen: Mutex<Vec<String>>,
    greeted: Mutex<Vec<Login>>,
}

impl Counters {
    pub fn connected(&self) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
    }

    pub fn disconnected(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn logged_in(&self) {
        self.logins.fetch_add(1, Ordering::SeqCst);
    }

    pub fn greet(&self, login: &Login) {
        self.greeted.lock().expect("logins").push(login.clone());
    }

    pub fn batch(&self, text: &str) {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().expect("batches").push(text.to_owned());
    }

    pub fn attention(&self) {
        self.attentions.fetch_add(1, Ordering::SeqCst);
    }

    pub fn row(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refuse(&self, told: String) {
        self.refused.lock().expect("refusals").push(told);
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub fn most_open(&self) -> u64 {
        self.most_open.load(Ordering::SeqCst)
    }

    pub fn logins(&self) -> u64 {
        self.logins.load(Ordering::SeqCst)
    }

    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::SeqCst)
    }

    pub fn attentions(&self) -> u64 {
        self.attentions.load(Ordering::SeqCst)
    }

    /// Rows of all results together.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// What the double did not know or refused to do, and why.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().expect("refusals").clone()
    }

    /// What clients logged in with, those that were turned away too.
    pub fn greeted(&self) -> Vec<Login> {
        self.greeted.lock().expect("logins").clone()
    }

    /// The text of every batch.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("batches").clone()
    }
}
