//! What the store and the log's reader say, in goe's words.

use std::error::Error as StdError;
use std::io::ErrorKind as Io;

use deltalake::DeltaTableError;

use super::connect::TablePlace;
use crate::error::{Error, ErrorKind};

/// A failure of the store, with a sentence that names the object. The kind and the hint come from
/// the innermost cause that tells.
pub(super) fn store_error(message: &str, error: impl StdError + Send + Sync + 'static) -> Error {
    let kind = kind_of(&error);
    let ours = Error::new(kind, message).caused_by(error);
    match kind {
        ErrorKind::Permission => ours.hint("check the rights on the folder, bucket or file system"),
        ErrorKind::Authenticate => ours.hint("check the keys in the connection's options"),
        ErrorKind::Load => ours.hint("check free space and quota, then run again"),
        ErrorKind::AlreadyExists => ours.hint("choose another target, or move away what is there"),
        _ => ours,
    }
}

/// A failure to read a table's log.
pub(super) fn log_error(place: &TablePlace, error: DeltaTableError) -> Error {
    let text = error.to_string();
    let unsupported = text.contains("nsupported") || text.contains("not supported");
    let ours = store_error(
        &format!("The log of table \"{}\" can't be read", place.name),
        error,
    );
    if unsupported && ours.kind() == ErrorKind::Load {
        return Error::unsupported(format!(
            "Table \"{}\" has features that goe can't read: {text}",
            place.name
        ))
        .hint("offload into a new table");
    }
    ours
}

fn kind_of(error: &(dyn StdError + 'static)) -> ErrorKind {
    let mut cause = Some(error);
    let mut kind = ErrorKind::Load;
    while let Some(current) = cause {
        if let Some(found) = kind_of_one(current) {
            kind = found;
        }
        cause = current.source();
    }
    kind
}

fn kind_of_one(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    use object_store::Error as Store;
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return match error.kind() {
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Some(ErrorKind::Permission),
            Io::NotFound => Some(ErrorKind::NotFound),
            Io::NotADirectory => Some(ErrorKind::AlreadyExists),
            _ => Some(ErrorKind::Load),
        };
    }
    match error.downcast_ref::<object_store::Error>()? {
        Store::NotFound { .. } => Some(ErrorKind::NotFound),
        Store::PermissionDenied { .. } => Some(ErrorKind::Permission),
        Store::Unauthenticated { .. } => Some(ErrorKind::Authenticate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_cause_decides() {
        for (io, kind) in [
            (Io::PermissionDenied, ErrorKind::Permission),
            (Io::ReadOnlyFilesystem, ErrorKind::Permission),
            (Io::StorageFull, ErrorKind::Load),
        ] {
            let error = object_store::Error::Generic {
                store: "test",
                source: Box::new(std::io::Error::from(io)),
            };
            let ours = store_error("It fails", error);
            assert_eq!(ours.kind(), kind);
            assert!(ours.hint_text().is_some());
        }
    }
}
