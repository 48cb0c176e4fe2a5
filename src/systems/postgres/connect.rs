//! What a connection means: its URL or keywords, its options, and the `PG*` variables for the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::config::{Config, Host, SslMode as Driver, SslNegotiation};

use super::session::Session;
use super::silence::{Silence, keep_alive};
use super::tls::{Attempt, SslMode, Trust};
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::systems::shelf::Shelf;

/// Options that the driver understands by itself.
const DRIVER: &[&str] = &[
    "channel_binding",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Options that are ours to keep.
const OURS: &[&str] = &[
    "application_name",
    "connect_timeout",
    "idle_timeout",
    "lock_timeout",
    "row_security",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement_timeout",
];

/// The variables that stand in for what is not said.
const VARIABLES: &[(&str, &str)] = &[
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGDATABASE", "dbname"),
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGOPTIONS", "options"),
    ("PGPASSWORD", "password"),
    ("PGPORT", "port"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGUSER", "user"),
];

/// Where the distributions' servers put their socket.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// Everything needed to open sessions. Holds a password, so it does not print.
pub(super) struct Settings {
    /// The connection's name, for messages.
    pub(super) connection: String,
    /// For the driver.
    pub(super) config: Config,
    /// How far the wire is trusted.
    pub(super) trust: Trust,
    /// How long opening a session may take.
    pub(super) connect_timeout: Duration,
    /// How long the server may be silent.
    pub(super) silence: Silence,
    /// Settings of a session beyond those of `session.sql`, by name.
    pub(super) session: Vec<(&'static str, String)>,
    /// The sessions that are free.
    pub(super) shelf: Shelf<Session>,
    /// Whether a server said that it has no TLS.
    no_tls: AtomicBool,
}

impl Settings {
    /// Reads a connection. Pure but for the environment, which `variable` looks up.
    pub(super) fn new(
        connection: &Connection,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let wrong = |text: String| {
            Error::new(
                ErrorKind::Config,
                format!("Connection \"{}\" {text}", connection.name),
            )
        };
        let known: Vec<&str> = DRIVER.iter().chain(OURS).copied().collect();
        connection.refuse_unknown(&known)?;
        let mut values = parse_url(connection.url()).map_err(wrong)?;
        if let Some(unknown) = values.keys().find(|key| !known.contains(&key.as_str())) {
            let error = wrong(format!("has an unknown option \"{unknown}\" in its URL"));
            return Err(error.hint(format!("known are: {}", known.join(", "))));
        }
        for name in connection.option_names() {
            let value = connection.option(name).unwrap_or_default();
            values.insert(name.to_owned(), value.to_owned());
        }
        values.retain(|_, value| !value.is_empty());
        for (name, key) in VARIABLES {
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                values.entry((*key).to_owned()).or_insert(value);
            }
        }
        default_host(&mut values);
        keep_alive(&mut values);
        Self::from_values(connection, &values, variable).map_err(wrong)
    }

    fn from_values(
        connection: &Connection,
        values: &BTreeMap<String, String>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut config: Config = keywords(values)
            .parse()
            .map_err(|error| wrong_value(&error))?;
        if config.get_user().is_none() {
            let user = variable("USER").ok_or("names no user, and nor does PGUSER")?;
            config.user(user);
        }
        let name = values.get("application_name").map_or("goe", String::as_str);
        config.application_name(name);
        let over_network = config
            .get_hosts()
            .iter()
            .any(|host| matches!(host, Host::Tcp(_)))
            || !config.get_hostaddrs().is_empty();
        let mode = match values.get("sslmode") {
            Some(text) => text.parse()?,
            None => SslMode::Prefer,
        };
        let path = |key: &str| values.get(key).map(PathBuf::from);
        let trust = Trust {
            mode: if over_network { mode } else { SslMode::Disable },
            roots: path("sslrootcert"),
            home: variable("HOME").map(PathBuf::from),
            certificate: path("sslcert"),
            key: path("sslkey"),
        };
        Ok(Self {
            connection: connection.name.clone(),
            config,
            trust,
            connect_timeout: seconds(values.get("connect_timeout"))?,
            silence: Silence::parse(values.get("idle_timeout"))?,
            session: session(values)?,
            shelf: Shelf::default(),
            no_tls: AtomicBool::new(false),
        })
    }

    /// What to try to reach the server, one after the other.
    pub(super) fn attempts(&self) -> impl Iterator<Item = Attempt> + use<> {
        let known = self.trust.mode == SslMode::Prefer && self.no_tls.load(Ordering::Relaxed);
        let attempts = self.trust.mode.attempts().iter().copied();
        attempts.filter(move |attempt| !known || *attempt == Attempt::Plain)
    }

    /// Spares later sessions the question.
    pub(super) fn remember_no_tls(&self) {
        self.no_tls.store(true, Ordering::Relaxed);
    }

    /// What the driver is told for an attempt.
    ///
    /// It lets our connector see a connection only where it takes it for TLS without asking the
    /// server first, and where the host has a name: elsewhere rows come through the driver.
    pub(super) fn config(&self, attempt: Attempt) -> Config {
        let mut config = self.config.clone();
        let hosts = config.get_hosts();
        let named = !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Tcp(_)));
        match attempt {
            Attempt::Tls => config.ssl_mode(Driver::Require),
            Attempt::Plain if named => config
                .ssl_mode(Driver::Require)
                .ssl_negotiation(SslNegotiation::Direct),
            Attempt::Plain => config.ssl_mode(Driver::Disable),
        };
        config
    }

    /// Where it goes, for messages: hosts and ports, and never who or with what.
    pub(super) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |i: usize| ports.get(i).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(i, host)| match host {
                Host::Tcp(name) => format!("{name}:{}", port(i)),
                Host::Unix(folder) => format!("{}/.s.PGSQL.{}", folder.display(), port(i)),
            });
        let places: Vec<String> = hosts.collect();
        if places.is_empty() {
            let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
            return addresses.collect::<Vec<_>>().join(", ");
        }
        places.join(", ")
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

/// The socket of this machine's server if there is one, else its loopback address.
fn default_host(values: &mut BTreeMap<String, String>) {
    if values.contains_key("host") || values.contains_key("hostaddr") {
        return;
    }
    let port = values.get("port").map_or("5432", String::as_str);
    let socket = PathBuf::from(SOCKET_FOLDER).join(format!(".s.PGSQL.{port}"));
    let host = if socket.exists() {
        SOCKET_FOLDER
    } else {
        "localhost"
    };
    values.insert("host".to_owned(), host.to_owned());
}

/// The settings of a session that a connection may choose.
fn session(values: &BTreeMap<String, String>) -> Result<Vec<(&'static str, String)>, String> {
    let row_security = match values.get("row_security").map(String::as_str) {
        None | Some("off") => "off",
        Some("on") => "on",
        Some(_) => return Err("wants row_security on or off".to_owned()),
    };
    let value = |key: &str, default: &str| {
        values
            .get(key)
            .map_or_else(|| default.to_owned(), Clone::clone)
    };
    Ok(vec![
        ("row_security", row_security.to_owned()),
        ("statement_timeout", value("statement_timeout", "0")),
        ("lock_timeout", value("lock_timeout", "30s")),
    ])
}

fn seconds(text: Option<&String>) -> Result<Duration, String> {
    let Some(text) = text else {
        return Ok(Duration::from_secs(10));
    };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("wants connect_timeout in whole seconds, 1 to 86400".to_owned()),
    }
}

/// The driver's own text of a wrong value names the option and not the value.
fn wrong_value(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!(
        "can't be understood: {}",
        cause.unwrap_or_else(|| error.to_string())
    )
}

/// What the driver understands, in its keyword form.
fn keywords(values: &BTreeMap<String, String>) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    values
        .iter()
        .filter(|(key, _)| DRIVER.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}='{}' ", quoted(value)))
        .collect()
}

/// Takes `postgres://…` or `postgres:key=value …` apart. Errors end a sentence about the connection
/// and hold no part of the text, which may be a password.
fn parse_url(text: &str) -> Result<BTreeMap<String, String>, String> {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    match rest.strip_prefix("//") {
        Some(rest) => parse_authority(rest),
        None => parse_keywords(rest),
    }
}

fn parse_authority(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = text.split_once('/').unwrap_or((text, ""));
    let (login, places) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',').filter(|place| !place.is_empty()) {
        let (host, port) = split_port(place);
        hosts.push(decode(host)?);
        ports.push(if port.is_empty() { "5432" } else { port });
    }
    if !places.contains(',') {
        ports.retain(|_| !split_port(places).1.is_empty());
    }
    values.insert("user".to_owned(), decode(user)?);
    values.insert("password".to_owned(), decode(password)?);
    values.insert("dbname".to_owned(), decode(database)?);
    values.insert("host".to_owned(), hosts.join(","));
    values.insert("port".to_owned(), ports.join(","));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or("has an option without = in its URL")?;
        values.insert(decode(key)?, decode(value)?);
    }
    values.retain(|_, value| !value.is_empty());
    Ok(values)
}

/// Host and port, the address of an IPv6 host without its brackets.
fn split_port(place: &str) -> (&str, &str) {
    if let Some((address, rest)) = place
        .strip_prefix('[')
        .and_then(|text| text.split_once(']'))
    {
        return (address, rest.strip_prefix(':').unwrap_or_default());
    }
    place.rsplit_once(':').unwrap_or((place, ""))
}

/// Undoes percent signs. A plus sign stays one, as in libpq.
fn decode(text: &str) -> Result<String, String> {
    let wrong = || "has a wrong % in its URL".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(wrong)?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// `key=value` pairs as libpq reads them: quotes around a value, a backslash before a character.
fn parse_keywords(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("has a keyword without =")?;
        let (value, after) = take_value(after.trim_start())?;
        if !value.is_empty() {
            values.insert(key.trim().to_owned(), value);
        }
        rest = after.trim_start();
    }
    Ok(values)
}

fn take_value(text: &str) -> Result<(String, &str), String> {
    let (quoted, text) = match text.strip_prefix('\'') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            _ if letter.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            _ => value.push(letter),
        }
    }
    if quoted {
        Err("leaves a quote open".to_owned())
    } else {
        Ok((value, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, options: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Settings> {
        let options = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let connection = Connection::new("shop", url, options);
        let variable = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::new(&connection, &variable)
    }

    #[test]
    fn every_form_says_the_same() {
        let forms = [
            (
                "postgres://jo:p%40ss%2F'%5C@db:5433/shop?sslmode=require",
                vec![],
                vec![],
            ),
            (
                "postgresql:host=db port=5433 user=jo password='p@ss/\\'\\\\' dbname=shop \
              sslmode = require",
                vec![],
                vec![],
            ),
            (
                "postgres:",
                vec![
                    ("host", "db"),
                    ("port", "5433"),
                    ("user", "jo"),
                    ("password", "p@ss/'\\"),
                    ("dbname", "shop"),
                    ("sslmode", "require"),
                ],
                vec![],
            ),
            (
                "postgres://db:5433",
                vec![("user", "jo")],
                vec![
                    ("PGUSER", "other"),
                    ("PGPASSWORD", "p@ss/'\\"),
                    ("PGDATABASE", "shop"),
                    ("PGSSLMODE", "require"),
                ],
            ),
        ];
        for (url, options, env) in forms {
            let found = settings(url, &options, &env).unwrap();
            assert_eq!(found.place(), "db:5433", "{url}");
            assert_eq!(found.config.get_user(), Some("jo"));
            assert_eq!(found.config.get_password(), Some(&b"p@ss/'\\"[..]));
            assert_eq!(found.config.get_dbname(), Some("shop"));
            assert_eq!(found.config.get_application_name(), Some("goe"));
            assert_eq!(found.trust.mode, SslMode::Require);
        }
    }

    #[test]
    fn several_hosts_and_ipv6_are_kept() {
        let found = settings("postgres://jo@[::1]:5433,db/x", &[], &[]).unwrap();
        assert_eq!(found.place(), "::1:5433, db:5432");
        let socket = settings("postgres:host=/tmp user=jo sslmode=require", &[], &[]).unwrap();
        assert_eq!(socket.trust.mode, SslMode::Disable);
    }

    #[test]
    fn a_host_that_is_gone_is_noticed_unless_somebody_knows_better() {
        let minute = Duration::from_secs(60);
        let found = settings("postgres://jo@db/x", &[], &[]).unwrap();
        assert!(found.config.get_keepalives());
        assert_eq!(found.config.get_keepalives_idle(), minute);
        assert_eq!(found.config.get_tcp_user_timeout(), Some(&minute));
        let options = [("keepalives_idle", "5"), ("tcp_user_timeout", "7")];
        let found = settings("postgres://jo@db/x?keepalives=0", &options, &[]).unwrap();
        assert!(!found.config.get_keepalives());
        assert_eq!(found.config.get_keepalives_idle(), Duration::from_secs(5));
        let seven = Duration::from_secs(7);
        assert_eq!(found.config.get_tcp_user_timeout(), Some(&seven));
    }

    #[test]
    fn nonsense_is_refused_without_showing_the_password() {
        for url in [
            "postgres://jo:hush@db/x?sslmod=require",
            "postgres://jo:hush@db/x?sslmode=yes",
            "postgres://jo:hush%@db/x",
            "postgres://jo:hush%+1@db/x",
            "postgres://jo:hush@db:99999999/x",
            "postgres:user=jo password='hush",
            "postgres:user=jo password=hush hush",
            "postgres://jo:hush@db/x?connect_timeout=soon",
            "postgres://jo:hush@db/x?idle_timeout=never",
            "postgres://jo:hush@db/x?row_security=maybe",
        ] {
            let error = settings(url, &[], &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
        let error = settings("postgres://jo@db", &[("pasword", "hush")], &[]).unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean \"password\"?"));
    }
}
