//! How a command ends when it does not just end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::screen::Format;
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

/// Writes an error to standard error, in the form that was asked for.
pub(super) fn tell(error: &Error, format: Format) {
    let text = match format {
        Format::Json => json!({ "error": as_json(error) }).to_string(),
        Format::Text | Format::Csv => format!("error: {error:#}"),
    };
    // Where not even this can be written, the exit code has to do.
    let _ = writeln!(io::stderr(), "{text}");
}

/// An error as programs read it.
pub(super) fn as_json(error: &Error) -> Value {
    let facts = error.facts().iter();
    let context: Vec<Value> = facts
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    json!({
        "kind": error.kind().to_string(),
        "message": error.message(),
        "hint": error.hint_text(),
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
    if error.use_stderr() && json {
        let text = error.to_string();
        let message = text.trim().trim_start_matches("error: ");
        tell(&Error::usage(message), Format::Json);
    } else {
        // A closed pipe ends quietly.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
