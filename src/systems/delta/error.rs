//! What the store and the log's reader say, in goe's words.

use std::error::Error as StdError;
use std::io::ErrorKind as Io;

use deltalake::DeltaTableError;

use super::connect::TablePlace;
use crate::error::{Error, ErrorKind};

/// What stores answer, and what it means.
const ANSWERS: [(&str, ErrorKind); 14] = [
    ("NoSuchBucket", ErrorKind::NotFound),
    ("ContainerNotFound", ErrorKind::NotFound),
    ("InvalidAccessKeyId", ErrorKind::Authenticate),
    ("SignatureDoesNotMatch", ErrorKind::Authenticate),
    ("ExpiredToken", ErrorKind::Authenticate),
    ("InvalidToken", ErrorKind::Authenticate),
    ("RequestTimeTooSkewed", ErrorKind::Authenticate),
    ("AuthenticationFailed", ErrorKind::Authenticate),
    ("AuthenticationRequired", ErrorKind::Authenticate),
    ("AccessDenied", ErrorKind::Permission),
    ("AuthorizationFailure", ErrorKind::Permission),
    ("AuthorizationHeaderMalformed", ErrorKind::Config),
    ("PermanentRedirect", ErrorKind::Config),
    ("IllegalLocationConstraintException", ErrorKind::Config),
];

/// A failure of the store, with a sentence that names the object. The kind and the hint come from
/// the innermost cause that tells.
pub(super) fn store_error(message: &str, error: impl StdError + Send + Sync + 'static) -> Error {
    let kind = kind_of(&error);
    let passes = kind == ErrorKind::Connect || answered_busy(&error);
    let mut ours = Error::new(kind, message).caused_by(error);
    if passes {
        ours = ours.temporary();
    }
    match kind {
        ErrorKind::Permission => ours.hint("check the rights on the folder, bucket or file system"),
        ErrorKind::Authenticate => ours.hint(
            "check the keys in the connection's options, or those in the environment (AWS_…, GOOGLE_…, AZURE_…)",
        ),
        ErrorKind::Connect => {
            ours.hint("check the network, and the endpoint and region in the connection's options")
        }
        ErrorKind::Config => ours.hint("check region and endpoint in the connection's options"),
        ErrorKind::NotFound => ours.hint("check the folder or bucket in the connection's URL; goe makes no buckets"),
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
        // Whoever can't reach an instance's own credentials has none.
        let without = kind == ErrorKind::Authenticate;
        if let Some(found) = kind_of_one(current)
            && !(without && found == ErrorKind::Connect)
        {
            kind = found;
        }
        cause = current.source();
    }
    kind
}

/// Whether a store answered that it can't now: the client has tried for a while by then.
fn answered_busy(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(current) = cause {
        let text = current.to_string();
        if text.contains("status code: 5") || text.contains("status code: 429") {
            return true;
        }
        cause = current.source();
    }
    false
}

fn kind_of_one(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    use object_store::Error as Store;
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return match error.kind() {
            Io::PermissionDenied | Io::ReadOnlyFilesystem => Some(ErrorKind::Permission),
            Io::NotFound => Some(ErrorKind::NotFound),
            Io::NotADirectory => Some(ErrorKind::AlreadyExists),
            _ => None,
        };
    }
    if let Some(kind) = transport(error) {
        return Some(kind);
    }
    match error.downcast_ref::<object_store::Error>() {
        Some(Store::NotFound { .. }) => Some(ErrorKind::NotFound),
        Some(Store::PermissionDenied { .. }) => Some(ErrorKind::Permission),
        Some(Store::Unauthenticated { .. }) => Some(ErrorKind::Authenticate),
        Some(_) => None,
        None => answer(&error.to_string()),
    }
}

/// What a store's own words mean: `<Code>NoSuchBucket</Code>` in its answer, or what the client
/// makes of an answer without words.
fn answer(text: &str) -> Option<ErrorKind> {
    if text.contains("incorrectly configured region") {
        return Some(ErrorKind::Config);
    }
    // Where an instance's own credentials are asked for, because nobody gave any.
    let own = ["169.254.169.254", "metadata.google.internal"];
    if own.iter().any(|address| text.contains(address)) {
        return Some(ErrorKind::Authenticate);
    }
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let known = ANSWERS.iter().find(|(known, _)| *known == code);
    known.map(|(_, kind)| *kind)
}

/// A store that can't be reached, or does not answer in time.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn transport(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    use object_store::client::{HttpError, HttpErrorKind};
    match error.downcast_ref::<HttpError>()?.kind() {
        HttpErrorKind::Connect
        | HttpErrorKind::Request
        | HttpErrorKind::Timeout
        | HttpErrorKind::Interrupted => Some(ErrorKind::Connect),
        _ => None,
    }
}

#[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure")))]
fn transport(_: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    None
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

    #[test]
    fn a_store_says_in_its_answer_what_is_wrong() {
        let cases = [
            (
                "404 Not Found: <Error><Code>NoSuchBucket</Code></Error>",
                ErrorKind::NotFound,
            ),
            (
                "403: <Error><Code>SignatureDoesNotMatch</Code>…",
                ErrorKind::Authenticate,
            ),
            ("403: <Code>AccessDenied</Code>", ErrorKind::Permission),
            (
                "this normally indicates an incorrectly configured region",
                ErrorKind::Config,
            ),
            (
                "Error performing PUT http://169.254.169.254/latest/api/token",
                ErrorKind::Authenticate,
            ),
            ("500: <Code>InternalError</Code>", ErrorKind::Load),
            ("<Code>", ErrorKind::Load),
        ];
        for (text, kind) in cases {
            let error = object_store::Error::Generic {
                store: "S3",
                source: text.into(),
            };
            let ours = store_error("It fails", error);
            assert_eq!(ours.kind(), kind, "{text}");
            assert!(ours.hint_text().is_some());
        }
    }
}
