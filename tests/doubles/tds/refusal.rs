//! Errors as SQL Server numbers them.

use std::fmt;

/// The number of everything that the double, and not SQL Server, refuses.
pub const UNKNOWN: i32 = 50_000;

/// An error that goes to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub number: i32,
    pub state: u8,
    pub class: u8,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    pub fn new(number: i32, message: impl Into<String>) -> Self {
        let class = match number {
            1205 | 1222 => 13,
            18452 | 18456 | 4060 => 14,
            102 => 15,
            _ => 16,
        };
        Self {
            number,
            state: 1,
            class,
            message: message.into(),
        }
    }

    /// What is valid T-SQL, perhaps, and not known here. Nothing is guessed.
    pub fn unknown(construct: impl fmt::Display) -> Self {
        Self::new(UNKNOWN, format!("the double does not know {construct}"))
    }

    /// An error of the embedded engine. One of our own functions has written its number before it.
    pub fn of_engine(error: &rusqlite::Error) -> Self {
        let text = match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        let marked = text
            .strip_prefix(MARK)
            .and_then(|rest| rest.split_once(' '));
        let numbered = marked.and_then(|(number, message)| Some((number.parse().ok()?, message)));
        match numbered {
            Some((number, message)) => Self::new(number, message),
            None if text.contains("integer overflow") => Self::new(
                8115,
                "Arithmetic overflow error converting expression to data type bigint.",
            ),
            None => Self::new(UNKNOWN, format!("the double's engine: {text}")),
        }
    }

    /// The same as an error of a function inside the engine.
    pub fn into_engine(self) -> rusqlite::Error {
        let text = format!("{MARK}{} {}", self.number, self.message);
        rusqlite::Error::UserFunctionError(text.into())
    }
}

const MARK: &str = "tds-error-";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.message)
    }
}
