//! What the server's refusals mean to us.

use snowflake_connector_rs::{Error as Driver, ErrorKind as DriverKind};

use super::connect::Settings;
use crate::error::{Error, ErrorKind};

/// A login that took too long.
pub(super) fn too_slow(settings: &Settings) -> Error {
    let message = format!(
        "Connection \"{}\" got no answer from {} within {} s",
        settings.connection,
        settings.place(),
        settings.connect_timeout.as_secs()
    );
    Error::new(ErrorKind::Connect, message)
        .hint("check account, network and proxy, or raise connect_timeout")
        .temporary()
}

/// An error of logging in.
pub(super) fn not_connected(settings: &Settings, error: &Driver) -> Error {
    let name = &settings.connection;
    let said = error.snowflake_message();
    let causes = causes(error);
    match error.kind() {
        DriverKind::Auth if causes.contains("private key") || causes.contains("DER") => Error::new(
            ErrorKind::Config,
            format!("The private key of connection \"{name}\" can't be read"),
        )
        .hint("it is a PKCS#8 key in PEM form, with its passphrase if it is encrypted")
        .context("because", causes),
        DriverKind::Auth | DriverKind::Server => {
            let text = said.unwrap_or("the server gives no reason");
            let (kind, hint) = refusal(text);
            Error::new(kind, format!("Connection \"{name}\" was refused: {text}")).hint(hint)
        }
        DriverKind::Config => Error::new(
            ErrorKind::Config,
            format!("Connection \"{name}\" can't be used: {causes}"),
        )
        .hint("check the account and base_url"),
        _ if causes.contains("certificate") || causes.contains("UnknownIssuer") => Error::new(
            ErrorKind::Connect,
            format!(
                "Connection \"{name}\" has no TLS with {} that can be trusted: {causes}",
                settings.place()
            ),
        )
        .hint(
            "add the root certificate of the server, or of the proxy between, to the system's \
             own; SSL_CERT_FILE names another list",
        ),
        _ => Error::new(
            ErrorKind::Connect,
            format!(
                "Connection \"{name}\" does not reach {}: {causes}",
                settings.place()
            ),
        )
        .hint("check account (ORGANISATION-ACCOUNT), network and proxy")
        .temporary(),
    }
}

/// The kind and the hint of a refused login, by its words: the driver hands no code over.
fn refusal(text: &str) -> (ErrorKind, &'static str) {
    let lower = text.to_lowercase();
    if lower.contains("role") {
        (
            ErrorKind::Permission,
            "GRANT ROLE … TO USER …, or name another role",
        )
    } else if lower.contains("expired") {
        (
            ErrorKind::Authenticate,
            "get a new token, or set a new password",
        )
    } else if lower.contains("jwt") {
        (
            ErrorKind::Authenticate,
            "ALTER USER … SET RSA_PUBLIC_KEY to the public half of this key; check the clock, too",
        )
    } else {
        (
            ErrorKind::Authenticate,
            "check user, account and the key, token or password",
        )
    }
}

/// An error of a statement: `doing` begins the sentence, as in `Table "…" can't be read`.
pub(super) fn failed(doing: &str, error: &Driver) -> Error {
    let lost = |text: &str| {
        Error::new(ErrorKind::Connect, format!("{doing}: {text}"))
            .hint("the connection was lost; run again")
            .temporary()
    };
    match error.kind() {
        DriverKind::Network => lost(&causes(error)),
        DriverKind::SessionExpired => lost("the session's token has run out"),
        DriverKind::Timeout => Error::new(
            ErrorKind::Connect,
            format!("{doing}: no answer came in time; whether it was done is not known"),
        )
        .hint("raise statement_timeout, then run again")
        .temporary(),
        DriverKind::Cancelled => Error::new(ErrorKind::Interrupted, format!("{doing}: cancelled"))
            .hint("somebody cancelled the statement, or it ran too long there"),
        DriverKind::Server => refused(doing, error),
        _ => Error::internal(format!("{doing}: {}", causes(error))),
    }
}

fn refused(doing: &str, error: &Driver) -> Error {
    let code = error.snowflake_code().unwrap_or_default();
    let text = error.snowflake_message().unwrap_or("no reason given");
    let text = text.trim_end_matches(['.', '\n']);
    let (kind, hint) = sort(code);
    let mut refused = Error::new(kind, format!("{doing}: {text}")).context("error", code);
    if let Some(query) = error.query_id() {
        refused = refused.context("query", query);
    }
    if let Some(hint) = hint {
        refused = refused.hint(hint);
    }
    if passes(code) {
        refused = refused.temporary();
    }
    refused
}

/// Whether the same may go well a little later: a lock was not free, or the service was not.
fn passes(code: &str) -> bool {
    matches!(code, "000625" | "000603" | "000639" | "390114" | "390112")
}

fn sort(code: &str) -> (ErrorKind, Option<&'static str>) {
    use ErrorKind as Kind;
    match code {
        "000606" | "000608" => (
            Kind::Config,
            Some(
                "name a warehouse that the role may use: ?warehouse=NAME, GRANT USAGE ON WAREHOUSE",
            ),
        ),
        "090073" | "000609" | "090064" => (
            Kind::Connect,
            Some("the warehouse is suspended and can't resume: ALTER WAREHOUSE … RESUME"),
        ),
        "002003" | "002043" | "000904" => (
            Kind::NotFound,
            Some("it does not exist, or the role may not see it"),
        ),
        "003001" | "003041" | "003540" => (
            Kind::Permission,
            Some("the role lacks a right; this system's page lists those that goe needs"),
        ),
        "002002" => (Kind::AlreadyExists, None),
        "000625" | "000639" => (
            Kind::Conflict,
            Some("another transaction holds the table; run again when it has ended"),
        ),
        "000630" | "000604" => (
            Kind::Load,
            Some(
                "the statement ran too long there: raise statement_timeout, or the warehouse's size",
            ),
        ),
        "390112" | "390114" | "000603" => (Kind::Connect, Some("run again")),
        "091003" | "091016" | "003167" | "100030" | "002004" => (
            Kind::Load,
            Some("check the stage: its URL is that of `staging`, and the server may read there"),
        ),
        "100038" | "100035" | "100039" | "100046" | "100069" | "100071" | "100078" | "100132"
        | "100072" => (
            Kind::Load,
            Some("a value does not fit its column there; nothing was published"),
        ),
        _ => (Kind::Internal, None),
    }
}

/// An error with all that caused it; the driver keeps the reasons to itself.
fn causes(error: &Driver) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_kinds() {
        for (code, kind, temporary) in [
            ("000606", ErrorKind::Config, false),
            ("090073", ErrorKind::Connect, false),
            ("002003", ErrorKind::NotFound, false),
            ("003001", ErrorKind::Permission, false),
            ("000625", ErrorKind::Conflict, true),
            ("100078", ErrorKind::Load, false),
            ("091016", ErrorKind::Load, false),
            ("999999", ErrorKind::Internal, false),
        ] {
            assert_eq!((sort(code).0, passes(code)), (kind, temporary), "{code}");
        }
        for (text, kind) in [
            (
                "Incorrect username or password was specified.",
                ErrorKind::Authenticate,
            ),
            (
                "Role 'X' specified in the connect string does not exist",
                ErrorKind::Permission,
            ),
            ("JWT token is invalid.", ErrorKind::Authenticate),
        ] {
            assert_eq!(refusal(text).0, kind, "{text}");
        }
    }
}
