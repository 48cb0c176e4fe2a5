//! What the server's refusals mean to us.

use tiberius::error::{Error as Driver, TokenError};

use super::connect::Settings;
use crate::error::{Error, ErrorKind};

/// An error of opening a session.
pub(super) fn not_connected(settings: &Settings, error: Driver) -> Error {
    let name = &settings.connection;
    let place = &settings.place;
    let reach = |text: &str| {
        let message = format!("Connection \"{name}\" does not reach {place}: {text}");
        Error::new(ErrorKind::Connect, message)
    };
    match error {
        Driver::Server(refusal) => {
            let error = refused(&format!("Connection \"{name}\" was refused"), &refusal);
            match refusal.code() {
                18456 if settings.by_ticket => error.hint(NO_LOGIN),
                18452 if settings.by_ticket => error.hint(NO_TRUST),
                _ => error,
            }
        }
        Driver::Tls(text) => not_trusted(settings, &text),
        Driver::Io { message, .. } if message.contains("certificate") => {
            not_trusted(settings, &message)
        }
        Driver::Protocol(text) if text.contains("encryption level") => {
            reach("the server does not encrypt")
                .hint("turn encryption on there, or use encrypt=disable on a trusted network")
        }
        Driver::Conversion(text) if text.contains("browser") => {
            reach("no SQL Browser answered there (UDP port 1434), or it does not know the instance")
                .hint("name the port instead of the instance, or start the SQL Browser")
        }
        #[cfg(all(unix, feature = "sqlserver-kerberos"))]
        Driver::Gssapi(text) => {
            let cause = cause(&text);
            let message = format!("Connection \"{name}\" has no ticket for {place}: {cause}");
            Error::new(ErrorKind::Authenticate, message).hint(NO_TICKET)
        }
        Driver::Io { message, .. } => reach(&message).hint(UNREACHED).temporary(),
        other => reach(&other.to_string()).hint(UNREACHED),
    }
}

#[cfg(all(unix, feature = "sqlserver-kerberos"))]
const NO_TICKET: &str = "kinit gets a ticket, klist shows what there is; the server's is one for \
                         MSSQLSvc/host:port, with the host as the connection has it";

/// What Kerberos says, without the words by which the layer above it says nothing.
#[cfg(all(unix, feature = "sqlserver-kerberos"))]
fn cause(text: &str) -> &str {
    let nothing = "Unspecified GSS failure.  Minor code may provide more information (";
    let inner = text.strip_prefix(nothing);
    inner
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(text)
}

/// The server knows who we are, and has no login for that.
const NO_LOGIN: &str = "klist shows whose ticket it was; the server wants a login for that (CREATE LOGIN … FROM WINDOWS)";

/// The server can't read the ticket, or does not trust who made it.
const NO_TRUST: &str = "the ticket is for another account than the server runs as, or of a domain that it \
                        does not trust: look at who has MSSQLSvc/host:port (setspn -Q), and kinit again";

const UNREACHED: &str = "check host and port, and that the server listens there (TCP/IP enabled)";

fn not_trusted(settings: &Settings, text: &str) -> Error {
    // The driver's own advice names its functions.
    let cause = text.split(" To connect anyway").next().unwrap_or(text);
    let message = format!(
        "Connection \"{}\" has no TLS with {} that can be trusted: {cause}",
        settings.connection, settings.place
    );
    Error::new(ErrorKind::Connect, message).hint(
        "name the file of the server's root certificate in ca_file (and its name in \
         host_in_certificate, where that is another than the host's); trust_certificate=true \
         takes any certificate, on a trusted network only",
    )
}

/// The wait for a session was too long.
pub(super) fn too_slow(settings: &Settings) -> Error {
    let message = format!(
        "Connection \"{}\" got no answer from {} within {} s",
        settings.connection,
        settings.place,
        settings.connect_timeout.as_secs()
    );
    let hint = match settings.by_ticket {
        true => "check host, port, firewall and that the KDC answers, or raise connect_timeout",
        false => "check host, port and firewall, or raise connect_timeout",
    };
    Error::new(ErrorKind::Connect, message)
        .hint(hint)
        .temporary()
}

/// An error of a statement: `doing` begins the sentence, as in `Table "…" can't be read`.
pub(super) fn failed(doing: &str, error: Driver) -> Error {
    match error {
        Driver::Server(refusal) => refused(doing, &refusal),
        Driver::Encoding(_) | Driver::Utf8 | Driver::Utf16 => broken_text(doing),
        Driver::Protocol(text) if text.contains("UTF-16") => broken_text(doing),
        other => Error::new(ErrorKind::Connect, format!("{doing}: {other}"))
            .hint("the connection was lost; look at the server's log, then run again")
            .temporary(),
    }
}

fn broken_text(doing: &str) -> Error {
    let message = format!(
        "{doing}: a text in it is no text in the encoding of its column (half of a surrogate \
         pair, or bytes that its code page does not have)"
    );
    Error::new(ErrorKind::Data, message).hint(
        "mend the value, or leave its column out, or read it through a view that makes \
         varbinary of it",
    )
}

/// The kind and hint of a server's refusal.
fn refused(doing: &str, refusal: &TokenError) -> Error {
    let (kind, hint) = sort(refusal.code());
    let message = format!("{doing}: {}", refusal.message().trim_end_matches('.'));
    let error = Error::new(kind, message).context("error", refusal.code().to_string());
    let error = match hint {
        Some(hint) => error.hint(hint),
        None => error,
    };
    match passes(refusal.code()) {
        true => error.temporary(),
        false => error,
    }
}

/// Whether the same may go well a little later: we were the victim of a deadlock, another session
/// was in the way, or the server is busy, failing over or starting (the list that Microsoft's own
/// drivers try again on, and the database's own).
fn passes(code: u32) -> bool {
    matches!(
        code,
        1205 | 1222
            | 3960
            | 3961
            | 10928
            | 10929
            | 40197
            | 40501
            | 40613
            | 49918
            | 49919
            | 49920
            | 17142
            | 18401
            | 6005
    )
}

fn sort(code: u32) -> (ErrorKind, Option<&'static str>) {
    use ErrorKind as Kind;
    match code {
        18456 | 18452 => (
            Kind::Authenticate,
            Some("check user and password, and that the server takes SQL logins (mixed mode)"),
        ),
        18486..=18488 => (
            Kind::Authenticate,
            Some("the login is locked or its password has expired: set a new one"),
        ),
        4060 | 911 => (
            Kind::NotFound,
            Some("check the database's name, and that the login has a user in it"),
        ),
        916 | 229 | 230 | 297 | 300 | 371 => (
            Kind::Permission,
            Some("GRANT SELECT on the table to the user, and CONNECT on the database"),
        ),
        208 | 207 | 3961 | 3732 => (
            Kind::Conflict,
            Some("the table changed, or was dropped, while we worked; run again"),
        ),
        1205 => (
            Kind::Conflict,
            Some("another session won a deadlock against us; run again"),
        ),
        1222 => (
            Kind::Conflict,
            Some("another session holds the table, an ALTER perhaps; wait, or raise lock_timeout"),
        ),
        3952 => (
            Kind::Unsupported,
            Some(
                "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or read a database snapshot \
                 (snapshot=name)",
            ),
        ),
        3960 | 3966 => (
            Kind::Conflict,
            Some("the state that was read is gone from tempdb; run again, with smaller chunks"),
        ),
        924 | 18461 => (
            Kind::Connect,
            Some("the database, or server, is in single-user mode and somebody else is that user"),
        ),
        945 | 921 | 922 | 927 | 942 | 983 | 976 => (
            Kind::Connect,
            Some("the database is offline, restoring, or a replica that can't be read"),
        ),
        978 | 979 => (
            Kind::Connect,
            Some("the replica wants application_intent=readonly"),
        ),
        10928 | 10929 | 40197 | 40501 | 40613 | 49918 | 49919 | 49920 | 17142 | 18401 | 6005 => (
            Kind::Connect,
            Some("the server is busy or starts again; wait, then run again"),
        ),
        40615 | 40914 => (
            Kind::Connect,
            Some("the server's firewall does not let this address in: add a rule for it"),
        ),
        596 | 6104 | 0 => (
            Kind::Interrupted,
            Some("somebody ended our session, or cancelled the statement"),
        ),
        220 | 232 | 241 | 242 | 245 | 8114 | 8115 | 8134 | 8152 | 9803 | 6522 => (
            Kind::Data,
            Some("the server can't compute the value; read the column as text"),
        ),
        701 | 802 | 8645 | 9002 | 1105 => (
            Kind::Connect,
            Some("the server ran out of memory or disk; look at its log, then run again"),
        ),
        _ => (Kind::Internal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Connection;

    #[test]
    fn refusals_have_their_kinds_and_what_to_do() {
        let table = [
            (18456, ErrorKind::Authenticate, false),
            (4060, ErrorKind::NotFound, false),
            (916, ErrorKind::Permission, false),
            (229, ErrorKind::Permission, false),
            (208, ErrorKind::Conflict, false),
            (1205, ErrorKind::Conflict, true),
            (1222, ErrorKind::Conflict, true),
            (3952, ErrorKind::Unsupported, false),
            (3960, ErrorKind::Conflict, true),
            (924, ErrorKind::Connect, false),
            (18461, ErrorKind::Connect, false),
            (40613, ErrorKind::Connect, true),
        ];
        for (code, kind, temporary) in table {
            let (sorted, hint) = sort(code);
            assert_eq!((sorted, passes(code)), (kind, temporary), "{code}");
            assert!(hint.is_some(), "{code}");
        }
    }

    #[test]
    fn errors_of_the_driver_have_their_kinds() {
        let connection = Connection::new("shop", "sqlserver://jo:hush@db/x", Default::default());
        let settings = Settings::new(&connection, &|_| None).unwrap();
        let untrusted = Driver::Tls("bad certificate. To connect anyway you can: …".into());
        let error = not_connected(&settings, untrusted);
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.hint_text().unwrap().contains("ca_file"));
        assert!(!error.message().contains("anyway"), "{error}");
        let refused = Driver::Io {
            kind: std::io::ErrorKind::ConnectionRefused,
            message: "Connection refused".to_owned(),
        };
        assert!(not_connected(&settings, refused.clone()).is_temporary());
        assert!(failed("Table t can't be read", refused).is_temporary());
        let broken = Driver::Protocol("nvarchar: invalid UTF-16 sequence".into());
        let error = failed("Table t can't be read", broken);
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(!error.is_temporary());
    }
}
