//! What became of each line of a contract.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};

/// No check may take longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// A line of a contract and how it is tried in a world `W`.
pub(super) struct Line<W: 'static> {
    /// `Source::splits`.
    pub(super) method: &'static str,
    /// The line, as the method's documentation has it.
    pub(super) text: &'static str,
    pub(super) check: for<'a> fn(&'a W) -> BoxFuture<'a, Verdict>,
}

/// The end of a check.
pub(super) type Verdict<T = ()> = Result<T, Miss>;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Miss {
    /// It could not be made.
    Skipped(String),
    /// The line does not hold; what was seen instead.
    Failed(String),
}

/// What a system says where it should not is a failure.
impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Failed(told(&error))
    }
}

/// An error with its kind and hint, on one line.
pub(super) fn told(error: &Error) -> String {
    let hint = error
        .hint_text()
        .map_or_else(String::new, |hint| format!("; hint: {hint}"));
    format!("{:?}: {}{hint}", error.kind(), error.message())
}

/// What a fixture prepared. Kind Unsupported is its word for what it can't prepare.
pub(super) fn prepared<T>(by_fixture: Result<T>) -> Verdict<T> {
    by_fixture.map_err(|error| match error.kind() {
        ErrorKind::Unsupported => Miss::Skipped(error.message().to_owned()),
        _ => Miss::Failed(format!("the fixture: {}", told(&error))),
    })
}

/// Fails with what was seen.
pub(super) fn failed<T>(seen: impl Into<String>) -> Verdict<T> {
    Err(Miss::Failed(seen.into()))
}

/// Leaves a line out, and why.
pub(super) fn skipped<T>(reason: impl Into<String>) -> Verdict<T> {
    Err(Miss::Skipped(reason.into()))
}

/// Fails with what was seen unless something holds.
pub(super) fn holds(what: bool, seen: impl FnOnce() -> String) -> Verdict {
    if what { Ok(()) } else { failed(seen()) }
}

/// An error of this kind, with a hint.
pub(super) fn refused<T>(kind: ErrorKind, what: Result<T>) -> Verdict<Error> {
    match what {
        Ok(_) => failed(format!("no error; {kind:?} was due")),
        Err(error) if error.kind() != kind => failed(told(&error)),
        Err(error) if error.hint_text().is_none() => failed(format!("no hint: {}", told(&error))),
        Err(error) => Ok(error),
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds as far as it was tried.
    Passed,
    /// It was not tried, and why.
    Skipped(String),
    /// It does not hold; what was seen.
    Failed(String),
}

/// One line of a contract and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The method whose line it is.
    pub method: &'static str,
    /// The line.
    pub line: &'static str,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a suite found; prints as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The system that was tried.
    pub system: String,
    /// Every line of its contract.
    pub lines: Vec<Reported>,
}

impl Report {
    /// Tries every line in a world, one after the other.
    pub(super) async fn of<W>(system: &str, lines: &'static [Line<W>], world: &W) -> Self {
        let mut report = Self {
            system: system.to_owned(),
            lines: Vec::with_capacity(lines.len()),
        };
        for line in lines {
            let ended = tokio::time::timeout(PATIENCE, (line.check)(world)).await;
            let outcome = match ended {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(Miss::Skipped(reason))) => Outcome::Skipped(reason),
                Ok(Err(Miss::Failed(seen))) => Outcome::Failed(seen),
                Err(_) => Outcome::Failed(format!("no end after {} s", PATIENCE.as_secs())),
            };
            report.lines.push(Reported {
                method: line.method,
                line: line.text,
                outcome,
            });
        }
        report
    }

    /// The lines that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Reported> {
        let failed = |line: &&Reported| matches!(line.outcome, Outcome::Failed(_));
        self.lines.iter().filter(failed)
    }

    /// The lines that were not tried.
    pub fn skips(&self) -> impl Iterator<Item = &Reported> {
        let skipped = |line: &&Reported| matches!(line.outcome, Outcome::Skipped(_));
        self.lines.iter().filter(skipped)
    }

    /// Nothing, or an error that names the lines that do not hold.
    ///
    /// # Errors
    /// [`ErrorKind::Verify`] where a line does not hold.
    pub fn verdict(&self) -> Result<()> {
        let failures: Vec<String> = self.failures().map(ToString::to_string).collect();
        if failures.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Verify,
            format!(
                "\"{}\" does not keep its contract:\n{}",
                self.system,
                failures.join("\n")
            ),
        )
        .hint("the method's documentation says what is promised"))
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, detail) = match &self.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Skipped(reason) => ("skipped", Some(reason)),
            Outcome::Failed(seen) => ("FAILED", Some(seen)),
        };
        write!(f, "{word:<8} {:<24} {}", self.method, self.line)?;
        match detail {
            Some(detail) => write!(f, "\n{:<34}{detail}", ""),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.system)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let (failed, skipped) = (self.failures().count(), self.skips().count());
        let passed = self.lines.len() - failed - skipped;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
