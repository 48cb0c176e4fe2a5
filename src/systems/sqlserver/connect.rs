//! What a connection means: its URL or keywords, its options, and the `SQLCMD*` variables for the
//! rest.

use std::collections::BTreeMap;
use std::time::Duration;

use tiberius::{Config, EncryptionLevel};

use super::login::login;
use super::session::Session;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::systems::shelf::Shelf;
use crate::systems::silence::Silence;

/// The options, by our names.
const KNOWN: &[&str] = &[
    "access_token",
    "application_intent",
    "application_name",
    "ca_file",
    "connect_timeout",
    "database",
    "encrypt",
    "host",
    "host_in_certificate",
    "idle_timeout",
    "instance",
    "integrated_security",
    "lock_timeout",
    "max_value_bytes",
    "multi_subnet_failover",
    "packet_size",
    "password",
    "port",
    "row_security",
    "snapshot",
    "table_lock",
    "trust_certificate",
    "user",
];

/// Other names that people know them by, without blanks and underscores.
const SYNONYMS: &[(&str, &str)] = &[
    ("server", "host"),
    ("datasource", "host"),
    ("address", "host"),
    ("networkaddress", "host"),
    ("initialcatalog", "database"),
    ("userid", "user"),
    ("uid", "user"),
    ("username", "user"),
    ("pwd", "password"),
    ("app", "application_name"),
    ("connectiontimeout", "connect_timeout"),
    ("hostnameincertificate", "host_in_certificate"),
    ("trustedconnection", "integrated_security"),
    ("trustservercertificate", "trust_certificate"),
    ("servercertificate", "ca_file"),
];

/// The variables that stand in for what is not said, as for the server's own command.
const VARIABLES: &[(&str, &str)] = &[
    ("SQLCMDSERVER", "host"),
    ("SQLCMDUSER", "user"),
    ("SQLCMDPASSWORD", "password"),
    ("SQLCMDDBNAME", "database"),
];

const PACKET_SIZE: u32 = 32_767;

/// Of text and bytes without a bound.
const MAX_VALUE_BYTES: u32 = 64 << 20;

/// What a text with a bound can need, which is read under the same limit.
const SMALLEST_LIMIT: u32 = 16_384;

/// Whether, and for how long, the table is locked so that all readers see one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableLock {
    /// While the readers' transactions begin.
    Short,
    /// Not at all: one reader.
    Never,
}

/// Everything needed to open sessions. Holds a password, so it does not print.
pub(super) struct Settings {
    /// The connection's name, for messages.
    pub(super) connection: String,
    /// For the driver.
    pub(super) config: Config,
    /// Where it goes, for messages.
    pub(super) place: String,
    /// Whether every byte is encrypted.
    pub(super) encrypted: bool,
    /// Whether a ticket of Kerberos logs in.
    pub(super) by_ticket: bool,
    /// How long opening a session may take.
    pub(super) connect_timeout: Duration,
    /// How long the server may be silent.
    pub(super) silence: Silence,
    /// How long a lock is waited for.
    pub(super) lock_timeout: Duration,
    /// The bytes at which a value of no bound is too large.
    pub(super) max_value_bytes: u32,
    /// Whether tables are read whose policies may hide rows from us.
    pub(super) row_security: bool,
    /// The name of a database snapshot that is read instead of the database.
    pub(super) snapshot: Option<String>,
    pub(super) table_lock: TableLock,
    /// The sessions that are free.
    pub(super) shelf: Shelf<Session>,
}

pub(super) type Values = BTreeMap<String, String>;

impl Settings {
    /// Reads a connection. Pure but for the environment, which `variable` looks up.
    pub(super) fn new(
        connection: &Connection,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let values = gather(connection, variable)?;
        Self::from_values(connection, &values).map_err(|text| wrong(connection, &text))
    }

    fn from_values(connection: &Connection, values: &Values) -> Result<Self, String> {
        let mut config = Config::new();
        let place = address(&mut config, values)?;
        let encrypted = encryption(&mut config, values)?;
        let by_ticket = login(&mut config, values)?;
        let snapshot = values.get("snapshot").cloned();
        if let Some(database) = snapshot.as_ref().or_else(|| values.get("database")) {
            config.database(database);
        }
        let name = values.get("application_name").map_or("goe", String::as_str);
        config.application_name(name);
        config.readonly(one_of(values, "application_intent", &["readwrite", "readonly"])? == 1);
        config.packet_size(number(
            values,
            "packet_size",
            512..=PACKET_SIZE,
            PACKET_SIZE,
        )?);
        let connect_timeout = number(values, "connect_timeout", 1..=86_400, 10)?;
        let connect_timeout = Duration::from_secs(connect_timeout.into());
        config.handshake_timeout(Some(connect_timeout));
        // Silence is ours to judge: some answers may take hours.
        config.command_timeout(None);
        let lock_timeout = number(values, "lock_timeout", 0..=86_400, 30)?;
        Ok(Self {
            connection: connection.name.clone(),
            config,
            place,
            encrypted,
            by_ticket,
            connect_timeout,
            silence: Silence::parse(values.get("idle_timeout"))?,
            lock_timeout: Duration::from_secs(lock_timeout.into()),
            max_value_bytes: number(
                values,
                "max_value_bytes",
                SMALLEST_LIMIT..=2_147_483_646,
                MAX_VALUE_BYTES,
            )? & !1,
            row_security: one_of(values, "row_security", &["off", "on"])? == 1,
            snapshot,
            table_lock: match one_of(values, "table_lock", &["short", "never"])? {
                0 => TableLock::Short,
                _ => TableLock::Never,
            },
            shelf: Shelf::default(),
        })
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

fn wrong(connection: &Connection, text: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("Connection \"{}\" {text}", connection.name),
    )
}

/// What is said of a connection, by our names: an option wins over the URL, the URL over a variable.
fn gather(connection: &Connection, variable: &dyn Fn(&str) -> Option<String>) -> Result<Values> {
    connection.refuse_unknown(KNOWN)?;
    let mut values = Values::new();
    let written = parse_url(connection.url()).map_err(|text| wrong(connection, &text))?;
    for (written, value) in written {
        let key = known_name(&written).ok_or_else(|| {
            let text = format!("has an unknown option \"{written}\" in its URL");
            wrong(connection, &text).hint(format!("known are: {}", KNOWN.join(", ")))
        })?;
        values.insert(key.to_owned(), value);
    }
    for name in connection.option_names() {
        let value = connection.option(name).unwrap_or_default();
        values.insert(name.to_owned(), value.to_owned());
    }
    values.retain(|_, value| !value.is_empty());
    let ways = ["access_token", "integrated_security", "user"];
    let said = ways.iter().filter_map(|key| values.get(*key));
    let is_no = |value: &String| ["false", "no"].contains(&value.to_ascii_lowercase().as_str());
    let logs_in = said.into_iter().any(|value| !is_no(value));
    for (name, key) in VARIABLES
        .iter()
        .filter(|(_, key)| *key != "user" || !logs_in)
    {
        if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
            values.entry((*key).to_owned()).or_insert(value);
        }
    }
    take_host_apart(&mut values).map_err(|text| wrong(connection, &text))?;
    Ok(values)
}

/// Our name of an option, however it is written: `Trust Server Certificate`, `trust_certificate`.
fn known_name(written: &str) -> Option<&'static str> {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(|c| !matches!(c, ' ' | '_' | '-'));
        kept.flat_map(char::to_lowercase).collect()
    };
    let name = plain(written);
    let ours = KNOWN.iter().copied().find(|known| plain(known) == name);
    ours.or_else(|| {
        let synonym = SYNONYMS.iter().find(|(other, _)| *other == name);
        synonym.map(|(_, known)| *known)
    })
}

fn address(config: &mut Config, values: &Values) -> Result<String, String> {
    let host = values.get("host").map_or("localhost", String::as_str);
    let is_ipv6 = host.contains(':');
    if is_ipv6 {
        config.host(format!("[{host}]"));
    } else {
        config.host(host);
    }
    match values.get("host_in_certificate") {
        Some(name) => config.hostname_in_certificate(name),
        None if is_ipv6 => config.hostname_in_certificate(host),
        None => {}
    }
    let failover = one_of(values, "multi_subnet_failover", &["false", "true"])? == 1;
    config.multi_subnet_failover(failover);
    match (values.get("port"), values.get("instance")) {
        // A port says it all; the browser need not be asked.
        (Some(port), _) => {
            let port: u16 = port
                .parse()
                .map_err(|_| "wants port as a number up to 65535".to_owned())?;
            config.port(port);
            Ok(format!("{host}:{port}"))
        }
        (None, Some(instance)) => {
            config.instance_name(instance);
            Ok(format!("{host}\\{instance}"))
        }
        (None, None) => {
            config.port(1433);
            Ok(format!("{host}:1433"))
        }
    }
}

/// Whether every byte is encrypted then.
fn encryption(config: &mut Config, values: &Values) -> Result<bool, String> {
    let words = [
        "on",
        "true",
        "yes",
        "mandatory",
        "required",
        "strict",
        "login",
        "false",
        "no",
        "optional",
        "disable",
    ];
    let (level, all) = match words[one_of(values, "encrypt", &words)?] {
        "strict" => (EncryptionLevel::Strict, true),
        "login" | "false" | "no" | "optional" => (EncryptionLevel::Off, false),
        "disable" => (EncryptionLevel::NotSupported, false),
        _ => (EncryptionLevel::Required, true),
    };
    config.encryption(level);
    let trusted = one_of(values, "trust_certificate", &["false", "no", "true", "yes"])? >= 2;
    match (trusted, values.get("ca_file")) {
        (true, Some(_)) => return Err("has both trust_certificate and ca_file".to_owned()),
        (true, None) => config.trust_cert(),
        (false, Some(file)) => config.trust_cert_ca(file),
        (false, None) => {}
    }
    Ok(all)
}

/// The place of a value among the words that an option may have; 0 if it is not given.
pub(super) fn one_of(values: &Values, key: &str, words: &[&str]) -> Result<usize, String> {
    let Some(value) = values.get(key) else {
        return Ok(0);
    };
    words
        .iter()
        .position(|word| value.eq_ignore_ascii_case(word))
        .ok_or_else(|| format!("wants {key} to be one of {}", words.join(", ")))
}

fn number(
    values: &Values,
    key: &str,
    range: std::ops::RangeInclusive<u32>,
    default: u32,
) -> Result<u32, String> {
    let Some(value) = values.get(key) else {
        return Ok(default);
    };
    let (first, last) = (*range.start(), *range.end());
    value
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("wants {key} as a whole number from {first} to {last}"))
}

/// `tcp:host\instance,port` in a host becomes what it says.
fn take_host_apart(values: &mut Values) -> Result<(), String> {
    let Some(mut host) = values.remove("host") else {
        return Ok(());
    };
    if let Some(rest) = host.strip_prefix("tcp:") {
        host = rest.to_owned();
    }
    if let Some((before, port)) = host.rsplit_once(',') {
        values
            .entry("port".to_owned())
            .or_insert_with(|| port.trim().to_owned());
        host = before.to_owned();
    }
    if let Some((before, instance)) = host.split_once('\\') {
        values
            .entry("instance".to_owned())
            .or_insert_with(|| instance.to_owned());
        host = before.to_owned();
    }
    let host = match host.trim() {
        "." | "(local)" => "localhost",
        "" => return Err("names no host".to_owned()),
        host => host,
    };
    values.insert("host".to_owned(), host.to_owned());
    Ok(())
}

/// Takes `sqlserver://…` or `sqlserver:key=value;…` apart. Errors end a sentence about the connection
/// and hold no part of the text, which may be a password.
fn parse_url(text: &str) -> Result<Vec<(String, String)>, String> {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    match rest.strip_prefix("//") {
        Some(rest) => parse_authority(rest),
        None => parse_keywords(rest),
    }
}

fn parse_authority(text: &str) -> Result<Vec<(String, String)>, String> {
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = text.split_once('/').unwrap_or((text, ""));
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = split_port(place);
    let mut values = vec![
        ("user".to_owned(), decode(user)?),
        ("password".to_owned(), decode(password)?),
        ("host".to_owned(), decode(host)?),
        ("port".to_owned(), decode(port)?),
        ("database".to_owned(), decode(database)?),
    ];
    values.retain(|(_, value)| !value.is_empty());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or("has an option without = in its URL")?;
        values.push((decode(key)?, decode(value)?));
    }
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

/// Undoes percent signs.
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

/// `key=value;…` as ADO.NET reads them: quotes of either kind around a value, doubled inside.
fn parse_keywords(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut values = Vec::new();
    let mut rest = text.trim_start_matches([' ', ';']);
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("has a keyword without =")?;
        let (value, after) = take_value(after.trim_start())?;
        if !value.is_empty() {
            values.push((key.trim().to_owned(), value));
        }
        rest = after.trim_start_matches([' ', ';']);
    }
    Ok(values)
}

fn take_value(text: &str) -> Result<(String, &str), String> {
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Ok((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut rest = &text[1..];
    loop {
        let end = rest.find(quote).ok_or("leaves a quote open")?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(next) => {
                value.push(quote);
                rest = next;
            }
            None if rest.trim_start().is_empty() || rest.trim_start().starts_with(';') => {
                return Ok((value, rest));
            }
            None => return Err("has something behind a quoted value".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
