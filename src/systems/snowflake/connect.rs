//! What a connection means: its URL and its options.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use snowflake_connector_rs::{
    AuthConfig, Client, ClientConfig, EndpointConfig, KeyPairConfig, QueryConfig, SessionConfig,
};
use url::Url;

use super::error;
use super::stage::Staging;
use crate::config::{Connection, read_secret};
use crate::error::{Error, ErrorKind, Result};

/// The options; those that begin with `staging_` are the store's own.
const KNOWN: &[&str] = &[
    "base_url",
    "connect_timeout",
    "passphrase",
    "password",
    "private_key",
    "private_key_path",
    "query_tag",
    "role",
    "stage",
    "staging",
    "statement_timeout",
    "storage_integration",
    "token",
    "warehouse",
];

/// How long a statement may take unless a connection says otherwise.
const STATEMENT_TIMEOUT: u64 = 6 * 3600;

/// How long a login may take unless a connection says otherwise.
const CONNECT_TIMEOUT: u64 = 60;

/// How long the server holds a statement that waits for a lock.
const LOCK_TIMEOUT: u64 = 300;

/// Everything that is needed to log in and to stage. Holds secrets, so it does not print.
pub(super) struct Settings {
    /// The connection's name, for messages.
    pub(super) connection: String,
    pub(super) user: String,
    pub(super) account: String,
    pub(super) database: String,
    warehouse: Option<String>,
    role: Option<String>,
    query_tag: String,
    secret: Secret,
    base_url: Option<Url>,
    pub(super) statement_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) staging: Staging,
}

/// What proves who we are.
enum Secret {
    Password(SecretString),
    Token(SecretString),
    Key(SecretString, Option<SecretString>),
    KeyFile(String, Option<SecretString>),
}

impl Settings {
    /// Reads a connection. Pure.
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        let values = Values::gather(connection)?;
        let url = &values.url;
        let account = url.host_str().unwrap_or_default().to_owned();
        let user = decoded(url.username());
        let mut path = url.path_segments().into_iter().flatten().map(decoded);
        let database = path.next().unwrap_or_default();
        let wrong = |text: &str| wrong(&connection.name, text).hint(FORM);
        if account.is_empty() || user.is_empty() || database.is_empty() {
            return Err(wrong("names no user, account or database in its URL"));
        }
        // Tables are named with their schemas: that of the URL is a habit of other tools.
        path.next();
        if path.next().is_some() {
            return Err(wrong("has more in its URL than a database and a schema"));
        }
        Ok(Self {
            secret: values.secret()?,
            base_url: values.base_url()?,
            statement_timeout: values.seconds("statement_timeout", STATEMENT_TIMEOUT)?,
            connect_timeout: values.seconds("connect_timeout", CONNECT_TIMEOUT)?,
            warehouse: values.text("warehouse"),
            role: values.text("role"),
            query_tag: values.text("query_tag").unwrap_or_else(|| "goe".to_owned()),
            staging: Staging::new(
                connection,
                values.text("staging"),
                values.text("stage"),
                values.text("storage_integration"),
            )?,
            connection: connection.name.clone(),
            user,
            account,
            database,
        })
    }

    /// Whether nobody on the way can read along.
    pub(super) fn encrypted(&self) -> bool {
        self.base_url
            .as_ref()
            .is_none_or(|url| url.scheme() == "https")
    }

    /// Where it goes, for messages.
    pub(super) fn place(&self) -> String {
        match &self.base_url {
            Some(url) => url.to_string(),
            None => format!("account {}", self.account),
        }
    }

    /// The driver's client; reads the key's file.
    pub(super) fn client(&self) -> Result<Client> {
        let mut session = SessionConfig::new().with_database(&self.database);
        if let Some(warehouse) = &self.warehouse {
            session = session.with_warehouse(warehouse);
        }
        if let Some(role) = &self.role {
            session = session.with_role(role);
        }
        for (key, value) in [
            ("TIMEZONE", json!("UTC")),
            ("QUERY_TAG", json!(self.query_tag)),
            ("BINARY_OUTPUT_FORMAT", json!("HEX")),
            ("QUOTED_IDENTIFIERS_IGNORE_CASE", json!(false)),
            ("AUTOCOMMIT", json!(true)),
            ("LOCK_TIMEOUT", json!(LOCK_TIMEOUT)),
            (
                "STATEMENT_TIMEOUT_IN_SECONDS",
                json!(self.statement_timeout.as_secs()),
            ),
        ] {
            session = session.with_session_parameter(key, value);
        }
        let query = QueryConfig::new().with_query_response_timeout(self.statement_timeout);
        let mut config = ClientConfig::new(&self.user, &self.account, self.authentication()?)
            .with_session(session)
            .with_query(query);
        if let Some(url) = &self.base_url {
            config = config.with_endpoint(EndpointConfig::custom_base_url(url.clone()));
        }
        Client::new(config).map_err(|error| error::not_connected(self, &error))
    }

    fn authentication(&self) -> Result<AuthConfig> {
        let key = |pem: &str, passphrase: &Option<SecretString>| {
            AuthConfig::key_pair(match passphrase {
                Some(phrase) => {
                    KeyPairConfig::from_encrypted_pem(pem, phrase.expose_secret().as_bytes())
                }
                None => KeyPairConfig::from_pem(pem),
            })
        };
        Ok(match &self.secret {
            Secret::Password(password) => AuthConfig::password(password.expose_secret()),
            Secret::Token(token) => AuthConfig::oauth(token.expose_secret()),
            Secret::Key(pem, passphrase) => key(pem.expose_secret(), passphrase),
            Secret::KeyFile(path, passphrase) => key(&read_secret(Path::new(path))?, passphrase),
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

const FORM: &str = "write snowflake://USER@ACCOUNT/DATABASE?warehouse=WAREHOUSE&role=ROLE";

fn wrong(connection: &str, text: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("Connection \"{connection}\" {text}"),
    )
}

/// What is said of a connection; an option wins over the URL.
struct Values<'a> {
    connection: &'a Connection,
    url: Url,
    query: BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    fn gather(connection: &'a Connection) -> Result<Self> {
        let ours = connection.option_names();
        let ours = ours.filter(|name| !name.starts_with("staging_"));
        let ours: BTreeMap<String, String> =
            ours.map(|name| (name.to_owned(), String::new())).collect();
        Connection::new(&connection.name, connection.url(), ours).refuse_unknown(KNOWN)?;
        // The parser's own message may quote the URL, and with it a password.
        let url = Url::parse(connection.url())
            .map_err(|_| wrong(&connection.name, "has a wrong URL").hint(FORM))?;
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if let Some(unknown) = query.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let text = format!("has an unknown option \"{unknown}\" in its URL");
            return Err(
                wrong(&connection.name, &text).hint(format!("known are: {}", KNOWN.join(", ")))
            );
        }
        Ok(Self {
            connection,
            url,
            query,
        })
    }

    fn text(&self, key: &str) -> Option<String> {
        let given = self.connection.option(key).map(str::to_owned);
        let value = given.or_else(|| self.query.get(key).cloned());
        value.filter(|value| !value.is_empty())
    }

    fn seconds(&self, key: &str, default: u64) -> Result<Duration> {
        let Some(text) = self.text(key) else {
            return Ok(Duration::from_secs(default));
        };
        let seconds: Option<u64> = text.parse().ok().filter(|s| (1..=604_800).contains(s));
        seconds.map(Duration::from_secs).ok_or_else(|| {
            let text = format!("wants {key} as a whole number of seconds from 1 to 604800");
            wrong(&self.connection.name, &text)
        })
    }

    fn secret(&self) -> Result<Secret> {
        let hidden = |key: &str| self.text(key).map(SecretString::from);
        let in_url = self.url.password().map(decoded).map(SecretString::from);
        let passphrase = hidden("passphrase");
        let given = [
            self.text("private_key")
                .map(|pem| Secret::Key(pem.into(), passphrase.clone())),
            self.text("private_key_path")
                .map(|path| Secret::KeyFile(path, passphrase)),
            hidden("token").map(Secret::Token),
            hidden("password").or(in_url).map(Secret::Password),
        ];
        let mut given = given.into_iter().flatten();
        let hint = "give one of private_key, private_key_path, token and password: \
                    private_key = \"${file:goe.p8}\"";
        let name = &self.connection.name;
        match (given.next(), given.next()) {
            (Some(secret), None) => Ok(secret),
            (None, _) => Err(wrong(name, "has no key, token or password").hint(hint)),
            (Some(_), Some(_)) => {
                Err(wrong(name, "has more than one of key, token and password").hint(hint))
            }
        }
    }

    fn base_url(&self) -> Result<Option<Url>> {
        let Some(text) = self.text("base_url") else {
            return Ok(None);
        };
        let url = Url::parse(&text).ok();
        url.filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
            .map(Some)
            .ok_or_else(|| {
                wrong(&self.connection.name, "has a base_url that is no address")
                    .hint("write base_url = \"https://HOST\" without a path")
            })
    }
}

/// Undoes percent signs.
fn decoded(text: &str) -> String {
    let query = format!("x={}", text.replace('+', "%2B"));
    let pair = url::form_urlencoded::parse(query.as_bytes()).next();
    pair.map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, options: &[(&str, &str)]) -> Result<Settings> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Settings::new(&Connection::new("sf", url, options.collect()))
    }

    #[test]
    fn a_url_and_options_are_read() {
        let staging = ("staging", "file:///tmp/stage");
        let url = "snowflake://j%40o@org-my_account/SHOP/PUBLIC?warehouse=small&role=loader";
        let settings = read(url, &[("password", "hush"), staging]).unwrap();
        assert_eq!(settings.account, "org-my_account");
        assert_eq!(
            (settings.user.as_str(), settings.database.as_str()),
            ("j@o", "SHOP")
        );
        assert_eq!(settings.warehouse.as_deref(), Some("small"));
        assert_eq!(settings.query_tag, "goe");
        assert_eq!(settings.statement_timeout.as_secs(), STATEMENT_TIMEOUT);
        assert!(settings.encrypted());
        assert!(!format!("{settings:?}").contains("hush"));
        let local = [
            ("token", "t"),
            ("base_url", "http://127.0.0.1:1"),
            ("role", "other"),
            staging,
        ];
        let settings = read(url, &local).unwrap();
        assert!(!settings.encrypted());
        assert_eq!(settings.role.as_deref(), Some("other"));
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        let good = "snowflake://jo@acme/SHOP";
        let password = ("password", "hush");
        let staging = ("staging", "file:///tmp/stage");
        for (url, options, says) in [
            ("snowflake://acme/SHOP", vec![password], "no user"),
            ("snowflake://jo@acme", vec![password], "no user"),
            (
                "snowflake://jo@acme/a/b/c",
                vec![password],
                "more in its URL",
            ),
            ("snowflake:jo", vec![password], "names no user"),
            (good, vec![staging], "no key"),
            (good, vec![password, ("token", "x")], "more than one"),
            (good, vec![password, ("warehose", "x")], "warehose"),
            (good, vec![password, ("base_url", "here")], "base_url"),
            (
                good,
                vec![password, ("statement_timeout", "soon")],
                "statement_timeout",
            ),
            ("snowflake://jo@acme/SHOP?pool=3", vec![password], "pool"),
        ] {
            let error = read(url, &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}: {error:#}");
            assert!(error.message().contains(says), "{url}: {error:#}");
            assert!(!format!("{error:#}").contains("hush"), "{error:#}");
        }
    }
}
