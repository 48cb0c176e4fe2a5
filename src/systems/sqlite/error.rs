//! What SQLite says, as errors that name the database and what to do.

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// `SQLITE_IOERR_SHORT_READ`: the file ends before the page that was asked for.
const SHORT_READ: i32 = 522;

/// The error of a statement or an opening, with the database's name.
pub(super) fn from_sqlite(error: rusqlite::Error, database: &str) -> Error {
    let (kind, message, hint) = match &error {
        rusqlite::Error::SqliteFailure(failure, text) => {
            let text = text.as_deref().unwrap_or("no more is known");
            explain(failure.code, failure.extended_code, text, database)
        }
        other => explain(ErrorCode::Unknown, 0, &other.to_string(), database),
    };
    let error = Error::new(kind, message).caused_by(error);
    if hint.is_empty() {
        error
    } else {
        error.hint(hint)
    }
}

fn explain(
    code: ErrorCode,
    extended: i32,
    text: &str,
    database: &str,
) -> (ErrorKind, String, &'static str) {
    match code {
        ErrorCode::NotADatabase => (
            ErrorKind::Data,
            format!("\"{database}\" is not a SQLite database, or it is encrypted"),
            "check the path; an encrypted file must be decrypted into a plain copy first",
        ),
        ErrorCode::DatabaseCorrupt => damaged(database),
        ErrorCode::SystemIoFailure if extended == SHORT_READ => damaged(database),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            ErrorKind::Locked,
            format!("\"{database}\" is locked by a writer"),
            "try again when it is done, or raise the connection's busy_timeout (seconds)",
        ),
        ErrorCode::ReadOnly => (
            ErrorKind::Locked,
            format!("\"{database}\" was left in the middle of a write, and goe only reads"),
            "let its application, or the sqlite3 shell, open it once so that it recovers",
        ),
        ErrorCode::CannotOpen => (
            ErrorKind::Connect,
            format!("\"{database}\" can't be opened: {text}"),
            "check the path and the rights on the file and its folder; a database in WAL mode \
             needs a writable folder",
        ),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => (
            ErrorKind::Permission,
            format!("\"{database}\" may not be read: {text}"),
            "ask for the right to read the file and its folder",
        ),
        ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => (
            ErrorKind::Connect,
            format!("\"{database}\" could not be read: {text}"),
            "check the disk or the network share that holds it",
        ),
        ErrorCode::OperationInterrupted => (
            ErrorKind::Interrupted,
            format!("Reading \"{database}\" was stopped"),
            "",
        ),
        ErrorCode::SchemaChanged => (
            ErrorKind::Conflict,
            format!("The schema of \"{database}\" changed while it was read"),
            "run again",
        ),
        _ if text.starts_with("no such") => (
            ErrorKind::NotFound,
            format!("\"{database}\" lacks what was asked for: {text}"),
            "a view may name a table or column that is gone: open it in the sqlite3 shell",
        ),
        _ => (
            ErrorKind::Data,
            format!("SQLite could not answer from \"{database}\": {text}"),
            "try the same statement in the sqlite3 shell",
        ),
    }
}

fn damaged(database: &str) -> (ErrorKind, String, &'static str) {
    (
        ErrorKind::Data,
        format!("\"{database}\" is damaged or truncated"),
        "check it with `PRAGMA integrity_check` in the sqlite3 shell, or restore it from a backup",
    )
}
