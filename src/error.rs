//! The one error type of the crate: what went wrong, with which object, and what to do next.
//!
//! ```
//! use goe::{Error, ErrorKind};
//!
//! let error = Error::new(ErrorKind::NotFound, "Table \"shop.main.ordrs\" does not exist")
//!     .hint("did you mean \"orders\"?");
//! assert_eq!(error.kind().exit_code(), 16);
//! assert_eq!(error.to_string(), "Table \"shop.main.ordrs\" does not exist");
//! ```

mod near;

use std::error::Error as StdError;
use std::fmt;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

pub use near::nearest;

/// The crate's result, with [`Error`] as its error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can act on. The kind decides the exit code of the command line, and tests match
/// on kinds, never on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: an unknown option, a statement that does not parse.
    Usage,
    /// `goe.toml`, an environment variable or a connection's options are wrong.
    Config,
    /// A system can't be reached, or went away.
    Connect,
    /// A system refused who we say we are.
    Authenticate,
    /// A system knows us and does not allow it.
    Permission,
    /// A connection, schema, table, column or file does not exist.
    NotFound,
    /// Something stands where something new was to be put.
    AlreadyExists,
    /// The system, or goe, can't do this.
    Unsupported,
    /// A type or a value would change on its way. Nothing was published.
    TypeLoss,
    /// The source holds a value that breaks its own declaration. Nothing was published.
    Data,
    /// Another run holds the target.
    Locked,
    /// Another writer changed the target, or the source changed, while we worked.
    Conflict,
    /// Staging or loading failed. Nothing was published.
    Load,
    /// Both sides are not equal.
    Verify,
    /// A person or a signal stopped the run. Nothing was published.
    Interrupted,
    /// A defect of goe.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the exit codes.
    pub const ALL: [Self; 16] = [
        Self::Internal,
        Self::Usage,
        Self::Config,
        Self::Connect,
        Self::Authenticate,
        Self::Permission,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Unsupported,
        Self::TypeLoss,
        Self::Data,
        Self::Locked,
        Self::Conflict,
        Self::Load,
        Self::Verify,
        Self::Interrupted,
    ];

    /// The exit code of a command that ends with this kind: 1 for a defect, 2 for usage (as clap
    /// does), 130 for an interrupt (as shells do), 11 and up for the rest.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Config => 11,
            Self::Connect => 12,
            Self::Authenticate => 13,
            Self::Permission => 14,
            Self::Unsupported => 15,
            Self::NotFound => 16,
            Self::AlreadyExists => 17,
            Self::TypeLoss => 18,
            Self::Data => 19,
            Self::Locked => 20,
            Self::Conflict => 21,
            Self::Load => 22,
            Self::Verify => 23,
            Self::Interrupted => 130,
        }
    }

    /// One sentence for the list of exit codes.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Internal => "a defect of goe; please report it",
            Self::Usage => "the command or statement is wrong",
            Self::Config => "goe.toml, an environment variable or a connection option is wrong",
            Self::Connect => "a system can't be reached, or went away",
            Self::Authenticate => "a system refused the user or password",
            Self::Permission => "a right is missing",
            Self::NotFound => "a connection, schema, table, column or file does not exist",
            Self::AlreadyExists => "something else stands where the target was to be",
            Self::Unsupported => "the system, or goe, can't do this",
            Self::TypeLoss => "a type or value would change on its way; nothing was published",
            Self::Data => "a source value breaks its declared type; nothing was published",
            Self::Locked => "another run holds the target",
            Self::Conflict => "the source or the target changed meanwhile; run again",
            Self::Load => "staging or loading failed; nothing was published",
            Self::Verify => "the two sides are not equal",
            Self::Interrupted => "stopped by a person or a signal; nothing was published",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What went wrong. The message is a sentence that names the object; the hint says what to do next.
///
/// `Display` is the message on one line; the alternate form `{:#}` adds context, causes and hint,
/// each on its own line, as the command line shows it.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    temporary: bool,
}

impl Error {
    /// An error of `kind` with a message that names the object.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                context: Vec::new(),
                hint: None,
                source: None,
                temporary: false,
            }),
        }
    }

    /// A request that is wrong in itself.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// A defect of goe.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Something that can't be done.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Something that does not exist, with the nearest of the names that do.
    pub fn not_found<'a>(
        message: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        Self::new(ErrorKind::NotFound, message).hint(match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => listing(&known),
        })
    }

    /// The same error with what a person should do next. A later hint replaces an earlier one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same error with one more fact, such as `("table", "shop.main.orders")`.
    #[must_use]
    pub fn context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.inner.context.push((key, value.into()));
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error, which may pass by itself: a connection was lost, a server starts again.
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.inner.temporary = true;
        self
    }

    /// Whether the same work may go well a little later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.inner.temporary
    }

    /// What a caller can act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The sentence that names the object.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What a person should do next.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The facts added on the way up, the innermost first.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.inner.context
    }
}

/// The names that exist, in few words.
fn listing(known: &[&str]) -> String {
    const SHOWN: usize = 8;
    let more = if known.len() > SHOWN { ", …" } else { "" };
    match known {
        [] => "there is nothing of that kind yet".to_owned(),
        _ => format!(
            "there are: {}{more}",
            known[..known.len().min(SHOWN)].join(", ")
        ),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if !f.alternate() {
            return Ok(());
        }
        for (key, value) in &self.inner.context {
            write!(f, "\n  {key}: {value}")?;
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !self.inner.message.contains(&text) {
                write!(f, "\n  because: {text}")?;
            }
            cause = error.source();
        }
        match &self.inner.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self:#}", self.inner.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<Error> for ArrowError {
    fn from(error: Error) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// What helps with names that are not there, or there twice.
const NAMES_HINT: &str = "goe describe shows a table's columns; AS gives a column another name";

/// Finds our own error inside the engine's wrappers, so that kind and hint survive the way through
/// an execution plan; what remains is sorted by its meaning.
impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<DataFusionError>() {
                    Ok(nested) => (*nested).into(),
                    Err(other) => Self::internal(other.to_string()),
                },
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                (*inner).into()
            }
            DataFusionError::Shared(inner) => from_shared(&inner),
            DataFusionError::ArrowError(inner, _) => (*inner).into(),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => {
                errors.swap_remove(0).into()
            }
            DataFusionError::SQL(inner, _) => Self::usage("The SQL text does not parse")
                .caused_by(inner)
                .hint("look at the place that is named, and just before it"),
            DataFusionError::Plan(text) => Self::usage(text).hint(NAMES_HINT),
            DataFusionError::SchemaError(inner, _) => {
                Self::usage(inner.to_string()).hint(NAMES_HINT)
            }
            DataFusionError::NotImplemented(text) => Self::unsupported(text),
            DataFusionError::ResourcesExhausted(text) => {
                Self::new(ErrorKind::Load, text).hint("raise --memory, or lower --parallel")
            }
            DataFusionError::ObjectStore(inner) => (*inner).into(),
            DataFusionError::IoError(inner) => inner.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

/// An error that several readers share can't be taken apart; its facts are copied.
fn from_shared(error: &DataFusionError) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(ours) = current.downcast_ref::<Error>() {
            let mut copy = Error::new(ours.kind(), ours.message());
            copy.inner.context.clone_from(&ours.inner.context);
            copy.inner.hint.clone_from(&ours.inner.hint);
            return copy;
        }
        cause = current.source();
    }
    Error::internal(error.to_string())
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<DataFusionError>() {
                    Ok(nested) => (*nested).into(),
                    Err(other) => Self::internal(other.to_string()),
                },
            },
            ArrowError::CastError(text) | ArrowError::ParseError(text) => {
                Self::new(ErrorKind::TypeLoss, text)
            }
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Store;
        let kind = match &error {
            Store::NotFound { .. } => ErrorKind::NotFound,
            Store::AlreadyExists { .. } | Store::Precondition { .. } => ErrorKind::Conflict,
            Store::PermissionDenied { .. } => ErrorKind::Permission,
            Store::Unauthenticated { .. } => ErrorKind::Authenticate,
            Store::NotSupported { .. } | Store::NotImplemented { .. } => ErrorKind::Unsupported,
            Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Config,
            _ => ErrorKind::Load,
        };
        on_disk(kind, format!("The object store failed: {error}"), &error)
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => match other.downcast::<object_store::Error>() {
                    Ok(store) => (*store).into(),
                    Err(other) => on_disk(ErrorKind::Load, other.to_string(), other.as_ref()),
                },
            },
            other => Self::new(ErrorKind::Load, format!("A Parquet file failed: {other}")),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::AlreadyExists => ErrorKind::AlreadyExists,
            _ => ErrorKind::Load,
        };
        on_disk(kind, error.to_string(), &error)
    }
}

/// An error of `kind`, or a better one where a disk or a store says at the bottom of it what is wrong.
fn on_disk(kind: ErrorKind, message: String, error: &(dyn StdError + 'static)) -> Error {
    use std::io::ErrorKind as Io;
    match disk_error(error) {
        Some(Io::PermissionDenied | Io::ReadOnlyFilesystem) => {
            Error::new(ErrorKind::Permission, message).hint("allow this user to write there")
        }
        Some(Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge) => {
            Error::new(ErrorKind::Load, message).hint("make room there, then run it again")
        }
        _ if causes(error).any(refused) => {
            Error::new(ErrorKind::Permission, message).hint("allow this user to write there")
        }
        _ => Error::new(kind, message),
    }
}

/// What the operating system said, under all that was wrapped around it.
fn disk_error(error: &(dyn StdError + 'static)) -> Option<std::io::ErrorKind> {
    let bare = |cause: &(dyn StdError + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        io.get_ref().is_none().then_some(io.kind())
    };
    causes(error).find_map(bare)
}

/// Whether a store refused a request for the sake of a right.
fn refused(cause: &(dyn StdError + 'static)) -> bool {
    let store = cause.downcast_ref::<object_store::Error>();
    matches!(store, Some(object_store::Error::PermissionDenied { .. }))
}

/// An error and all that is wrapped in it, the outermost first.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| beneath(*error))
}

/// What an error wraps.
fn beneath<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_exit_code() {
        let mut codes: Vec<u8> = ErrorKind::ALL.iter().map(|kind| kind.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn our_error_survives_the_way_through_the_engine() {
        let ours = Error::new(ErrorKind::Data, "Row 7").hint("look");
        let arrow: ArrowError = DataFusionError::from(ours).into();
        let wrapped = DataFusionError::ArrowError(Box::new(arrow), None).context("while staging");
        let back = Error::from(wrapped);
        assert_eq!(back.kind(), ErrorKind::Data);
        assert_eq!(format!("{back:#}"), "Row 7\nhint: look");

        let shared = DataFusionError::Shared(std::sync::Arc::new(back.into()));
        assert_eq!(Error::from(shared).kind(), ErrorKind::Data);
    }
}
