//! What the server's refusals mean to us.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use super::connect::Settings;
use crate::error::{Error, ErrorKind};

/// An error of opening a session.
pub(super) fn not_connected(settings: &Settings, error: tokio_postgres::Error) -> Error {
    let name = &settings.connection;
    if let Some(refusal) = error.as_db_error() {
        return refused(&format!("Connection \"{name}\" was refused"), refusal);
    }
    let text = whole_text(&error);
    if text.contains("password missing") || text.contains("authentication") {
        let message = format!("Connection \"{name}\" wants a password and has none that fits");
        return Error::new(ErrorKind::Authenticate, message)
            .hint("set PGPASSWORD, or the option password = \"${env:NAME}\"");
    }
    let message = format!(
        "Connection \"{name}\" does not reach {}: {text}",
        settings.place()
    );
    let error = Error::new(ErrorKind::Connect, message).hint(connect_hint(&text));
    // What a person must mend stays as it is; a server that starts again comes back.
    match connect_hint(&text) {
        UNREACHED => error.temporary(),
        _ => error,
    }
}

/// The wait for a session was too long.
pub(super) fn too_slow(settings: &Settings) -> Error {
    let message = format!(
        "Connection \"{}\" got no answer from {} within {} s",
        settings.connection,
        settings.place(),
        settings.connect_timeout.as_secs()
    );
    Error::new(ErrorKind::Connect, message)
        .hint("check host, port and firewall, or raise connect_timeout")
        .temporary()
}

/// What helps where the server can't be reached at all.
const UNREACHED: &str = "check host and port, and that the server listens there (listen_addresses)";

/// Whether a server that was asked for TLS has none.
pub(super) fn lacks_tls(error: &tokio_postgres::Error) -> bool {
    whole_text(error).contains(NO_TLS)
}

/// The driver's own words.
const NO_TLS: &str = "does not support TLS";

fn connect_hint(text: &str) -> &'static str {
    if text.contains(NO_TLS) {
        "the server has no TLS: turn it on there, or use sslmode=disable on a trusted network"
    } else if text.contains("certificate") || text.contains("Certificate") {
        "name the server's root certificate in sslrootcert, and its host as the certificate does"
    } else if text.contains("lookup") || text.contains("resolve") {
        "the host's name is unknown: check it"
    } else {
        UNREACHED
    }
}

/// An error of a statement: `doing` begins the sentence, as in `Table "…" can't be read`.
pub(super) fn failed(doing: &str, error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(refusal) => refused(doing, refusal),
        None => Error::new(
            ErrorKind::Connect,
            format!("{doing}: {}", whole_text(&error)),
        )
        .hint("the connection was lost; look at the server's log, then run again")
        .temporary(),
    }
}

/// The kind and hint of a server's refusal.
fn refused(doing: &str, refusal: &DbError) -> Error {
    let (kind, hint) = sort(refusal.code());
    let message = format!("{doing}: {}", refusal.message());
    let mut error = Error::new(kind, message).context("sqlstate", refusal.code().code());
    if passes(refusal.code().code()) {
        error = error.temporary();
    }
    let error = match refusal.detail() {
        Some(detail) if kind != ErrorKind::Data => error.context("detail", detail),
        _ => error,
    };
    match (hint, refusal.hint()) {
        (Some(hint), _) => error.hint(hint),
        (None, Some(hint)) => error.hint(hint),
        (None, None) => error,
    }
}

/// Whether a refusal passes by itself: the connection broke, the server is full, stops or starts,
/// or another transaction was in the way (PostgreSQL's documentation, appendix A).
fn passes(code: &str) -> bool {
    let classes = ["08"];
    let codes = [
        "40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05",
    ];
    classes.iter().any(|class| code.starts_with(class)) || codes.contains(&code)
}

fn sort(code: &SqlState) -> (ErrorKind, Option<&'static str>) {
    match code.code() {
        "28P01" => (ErrorKind::Authenticate, Some("check user and password")),
        "28000" => (
            ErrorKind::Authenticate,
            Some(
                "check the user, and what pg_hba.conf allows from here (TLS or not, for instance)",
            ),
        ),
        "42501" => (
            ErrorKind::Permission,
            Some("GRANT USAGE on the schema and SELECT on the table; with row security, BYPASSRLS"),
        ),
        "3D000" => (
            ErrorKind::NotFound,
            Some("check the database's name (psql -l lists them)"),
        ),
        "42P01" | "3F000" | "42703" | "40001" => (
            ErrorKind::Conflict,
            Some("the table changed, or was dropped, while we worked; run again"),
        ),
        "55P03" => (
            ErrorKind::Conflict,
            Some("another session holds the table, an ALTER perhaps; wait, or raise lock_timeout"),
        ),
        "57014" => (
            ErrorKind::Interrupted,
            Some("someone cancelled it, or statement_timeout is too short"),
        ),
        "53300" => (
            ErrorKind::Connect,
            Some("the server is full: lower --parallel, or raise max_connections"),
        ),
        "25006" => (
            ErrorKind::Unsupported,
            Some("goe reads and never writes: a view whose functions write can't be read"),
        ),
        "22023" => (ErrorKind::Config, Some("check the connection's options")),
        "0A000" => (ErrorKind::Unsupported, None),
        other => match other.get(..2) {
            Some("08" | "53" | "57" | "58") => (
                ErrorKind::Connect,
                Some("look at the server's log, then run again"),
            ),
            Some("22" | "21" | "44") => (
                ErrorKind::Data,
                Some("the server can't compute the value; read the column as text"),
            ),
            _ => (ErrorKind::Internal, None),
        },
    }
}

/// An error with its causes on one line; the driver's own text names only the first step.
fn whole_text(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
