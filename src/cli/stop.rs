//! How a command ends when it does not just end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::screen::Format;
use crate::config::redact_text;
use crate::error::{Error, ErrorKind};

/// The outcome of a command.
pub(super) type Done = std::result::Result<(), Stop>;

/// Why a command stopped early.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed.
    Failed(Box<Error>),
    /// It has said all there is to say; this is the exit code.
    Said(u8),
    /// Nobody reads its output any more.
    PipeClosed,
}

impl Stop {
    /// A signal came while nothing had been changed.
    pub(super) fn interrupted() -> Self {
        Error::new(ErrorKind::Interrupted, "Interrupted").into()
    }

    /// Tells a person, or a program, and gives the exit code.
    pub(super) fn report(self, format: Format) -> ExitCode {
        match self {
            Self::Failed(error) => {
                tell(&error, format);
                ExitCode::from(error.kind().exit_code())
            }
            Self::Said(code) => ExitCode::from(code),
            Self::PipeClosed => ExitCode::SUCCESS,
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Error::from(error).into(),
        }
    }
}

/// Writes an error to standard error, in the form that was asked for. What people wrote may be
/// quoted in it, a URL with its password for instance.
pub(super) fn tell(error: &Error, format: Format) {
    let text = match format {
        Format::Json => json!({ "error": as_json(error) }).to_string(),
        _ => redact_text(&match error.hint_text() {
            Some(_) => format!("error: {error:#}"),
            None => format!("error: {error:#}\nhint: {}", next_step(error.kind())),
        }),
    };
    // Where not even this can be written, the exit code has to do.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a person can do about an error that gives no hint of its own.
fn next_step(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Usage => "goe help COMMAND shows what is accepted, with examples",
        ErrorKind::Config => "goe help connections shows what goe.toml may hold",
        ErrorKind::Connect | ErrorKind::Authenticate => "goe connect tries every connection",
        ErrorKind::Permission => "ask for the right, or use a connection that has it",
        ErrorKind::NotFound => "goe tables CONNECTION lists what there is",
        ErrorKind::AlreadyExists => "name another target",
        ErrorKind::Unsupported => {
            "goe types SYSTEM shows what is supported; leave it out or cast it"
        }
        ErrorKind::TypeLoss | ErrorKind::Data => {
            "correct the value, leave its row out with --where, or cast the column with --select"
        }
        ErrorKind::Locked => "wait for the other run to end",
        ErrorKind::Conflict => "run the same command again",
        ErrorKind::Load => {
            "remove the cause and run the same command again; goe clean removes leftovers"
        }
        ErrorKind::Verify => "offload it again with --reset to replace what is there",
        ErrorKind::Interrupted => "run the same command again",
        ErrorKind::Internal => "please report it, with the command that you ran",
    }
}

/// An error as programs read it.
pub(super) fn as_json(error: &Error) -> Value {
    let facts = error.facts().iter();
    let context: Vec<Value> = facts
        .map(|(key, value)| json!({ "key": key, "value": redact_text(value) }))
        .collect();
    json!({
        "kind": error.kind().to_string(),
        "message": redact_text(error.message()),
        "hint": redact_text(error.hint_text().unwrap_or_else(|| next_step(error.kind()))),
        "context": context,
        "exit_code": error.kind().exit_code(),
    })
}

/// Shows what the parser says of wrong arguments, or the help that was asked for.
pub(super) fn report_usage(error: &clap::Error, line: &[OsString]) -> ExitCode {
    let json = line
        .windows(2)
        .any(|pair| pair[0] == "--output" && pair[1] == "json")
        || line.iter().any(|word| word == "--output=json");
    let shown = match (error.use_stderr(), json) {
        (false, _) => error.print(),
        (true, true) => {
            let text = error.to_string();
            tell(
                &Error::usage(text.trim().trim_start_matches("error: ")),
                Format::Json,
            );
            Ok(())
        }
        (true, false) => {
            let text = redact_text(&with_hint(&error.to_string()));
            io::stderr().write_all(text.as_bytes())
        }
    };
    // A closed pipe ends quietly.
    drop(shown);
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What the parser says, with its tips as our hints.
fn with_hint(text: &str) -> String {
    let hinted = text.replace("\n  tip: ", "\nhint: ");
    let last = "For more information, try '--help'.";
    if hinted.contains("\nhint: ") {
        hinted.replace(last, "")
    } else {
        hinted.replace(last, "hint: try '--help'")
    }
    .trim_end()
    .to_owned()
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_is_a_hint() {
        let tip = "error: no 'x'\n\n  tip: 'y' exists\n\nFor more information, try '--help'.\n";
        assert_eq!(with_hint(tip), "error: no 'x'\n\nhint: 'y' exists\n");
        let plain = "error: no 'x'\n\nFor more information, try '--help'.\n";
        assert_eq!(with_hint(plain), "error: no 'x'\n\nhint: try '--help'\n");
    }

    #[test]
    fn every_error_is_told_with_what_to_do_next() {
        for kind in ErrorKind::ALL {
            let shown = as_json(&Error::new(kind, "x"));
            assert!(
                shown["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
                "{kind}"
            );
        }
    }
}
