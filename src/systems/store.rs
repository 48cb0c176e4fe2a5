//! Object stores beyond the local disk: their clients, and what these are told.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use crate::config::{Connection, read_secret};
use crate::error::{Error, ErrorKind, Result};

/// How long a request is tried again while the store does not answer, or is too busy to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keys that mean something together only. Where a connection gives one of them, the others don't
/// come from the environment: a key of the one with a secret of the other would open nothing.
const TOGETHER: [&[&str]; 4] = [
    &[
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    ],
    &["aws_endpoint", "aws_endpoint_url_s3"],
    &[
        "google_service_account",
        "google_service_account_key",
        "google_application_credentials",
    ],
    &[
        "azure_storage_account_key",
        "azure_storage_sas_key",
        "azure_storage_token",
        "azure_storage_client_id",
        "azure_storage_client_secret",
    ],
];

/// A store, and the folder in it that a URL names.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    /// Whether nobody on the way can read along.
    pub(super) encrypted: bool,
}

/// The store of a connection, not reached yet.
pub(super) fn open(connection: &Connection, url: &Url) -> Result<Place> {
    let bad = |error: object_store::Error| {
        Error::new(
            ErrorKind::Config,
            format!("The store of connection \"{}\" can't be used", connection.name),
        )
        .hint("write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, and options that object_store knows")
        .caused_by(error)
    };
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(|error| bad(error.into()))?;
    require_client(&scheme, url.scheme())?;
    let mut options = options(connection, &scheme, std::env::vars())?;
    read_key_file(&mut options).map_err(|error| error.context("connection", &connection.name))?;
    let encrypted = !options.values().any(|value| value.starts_with("http://"));
    require_consent(connection, &options)?;
    Ok(Place {
        store: client(&scheme, url, &options).map_err(bad)?,
        prefix,
        encrypted,
    })
}

/// A client of one store, by its builder.
macro_rules! client {
    ($builder:ty, $url:expr, $options:expr) => {{
        let known = |(key, value): (&String, &String)| Some((key.parse().ok()?, value.clone()));
        let retry = object_store::RetryConfig {
            retry_timeout: PATIENCE,
            ..Default::default()
        };
        let builder = <$builder>::new().with_url($url.as_str()).with_retry(retry);
        let builder = $options
            .iter()
            .filter_map(known)
            .fold(builder, |builder, (key, value)| {
                builder.with_config(key, value)
            });
        Ok(Arc::new(builder.build()?))
    }};
}

fn client(
    scheme: &ObjectStoreScheme,
    url: &Url,
    options: &BTreeMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    match scheme {
        #[cfg(feature = "s3")]
        ObjectStoreScheme::AmazonS3 => {
            client!(object_store::aws::AmazonS3Builder, url, options)
        }
        #[cfg(feature = "gcs")]
        ObjectStoreScheme::GoogleCloudStorage => {
            client!(object_store::gcp::GoogleCloudStorageBuilder, url, options)
        }
        #[cfg(feature = "azure")]
        ObjectStoreScheme::MicrosoftAzure => {
            client!(object_store::azure::MicrosoftAzureBuilder, url, options)
        }
        _ => Err(object_store::Error::NotSupported {
            source: format!("no client for {url}").into(),
        }),
    }
}

fn require_client(scheme: &ObjectStoreScheme, text: &str) -> Result<()> {
    let (feature, built) = match scheme {
        ObjectStoreScheme::AmazonS3 => ("s3", cfg!(feature = "s3")),
        ObjectStoreScheme::GoogleCloudStorage => ("gcs", cfg!(feature = "gcs")),
        ObjectStoreScheme::MicrosoftAzure => ("azure", cfg!(feature = "azure")),
        _ => {
            return Err(
                Error::unsupported(format!("goe keeps nothing at {text}:// URLs"))
                    .hint("use a local folder, s3://, gs:// or az://"),
            );
        }
    };
    if built {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "This build of goe has no client for {text}:// URLs"
    ))
    .hint(format!("build it with --features {feature}")))
}

/// What the store's client is told, each key in its first spelling: the variables of the environment
/// under the connection's options.
fn options(
    connection: &Connection,
    scheme: &ObjectStoreScheme,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    for name in connection.option_names() {
        let key = spelling(scheme, name).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!("Connection \"{}\" has an unknown option \"{name}\"", connection.name),
            )
            .hint("options are the configuration keys of the object_store crate, such as region or endpoint")
        })?;
        let value = connection.option(name).unwrap_or_default();
        if given.insert(key, value.to_owned()).is_some() {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "Connection \"{}\" has option \"{name}\" under another name, too",
                    connection.name
                ),
            )
            .hint("keep one of them"));
        }
    }
    let ours = ["AWS_", "GOOGLE_", "AZURE_"];
    for (variable, value) in environment {
        let key = spelling(scheme, &variable);
        if let Some(key) = key.filter(|_| ours.iter().any(|start| variable.starts_with(start)))
            && !value.is_empty()
            && !decided(connection, scheme, &key)
        {
            given.entry(key).or_insert(value);
        }
    }
    Ok(given)
}

/// Reads the file of a service account's key, as every file with a secret is read.
fn read_key_file(options: &mut BTreeMap<String, String>) -> Result<()> {
    let (file, text) = ("google_service_account", "google_service_account_key");
    // The client refuses both.
    if !options.contains_key(text)
        && let Some(path) = options.remove(file)
    {
        options.insert(text.to_owned(), read_secret(FilePath::new(&path))?);
    }
    Ok(())
}

/// Whether a connection gives a key, or one that stands together with it.
fn decided(connection: &Connection, scheme: &ObjectStoreScheme, key: &str) -> bool {
    let group = TOGETHER.iter().find(|group| group.contains(&key));
    let mut names = connection.option_names();
    names.any(|name| {
        spelling(scheme, name)
            .is_some_and(|given| group.is_some_and(|group| group.contains(&given.as_str())))
    })
}

/// The first of the names that object_store has for an option; `None` for none of its options.
fn spelling(scheme: &ObjectStoreScheme, name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    match scheme {
        #[cfg(feature = "s3")]
        ObjectStoreScheme::AmazonS3 => first_name::<object_store::aws::AmazonS3ConfigKey>(&name),
        #[cfg(feature = "gcs")]
        ObjectStoreScheme::GoogleCloudStorage => {
            first_name::<object_store::gcp::GoogleConfigKey>(&name)
        }
        #[cfg(feature = "azure")]
        ObjectStoreScheme::MicrosoftAzure => {
            first_name::<object_store::azure::AzureConfigKey>(&name)
        }
        _ => None,
    }
}

fn first_name<K: std::str::FromStr + AsRef<str>>(name: &str) -> Option<String> {
    let key: K = name.parse().ok()?;
    Some(key.as_ref().to_owned())
}

/// Refuses an endpoint without encryption that nobody asked for in so many words. The client would
/// refuse each request, in words of its own and many times.
fn require_consent(connection: &Connection, options: &BTreeMap<String, String>) -> Result<()> {
    let open = options.iter().find(|(key, value)| {
        let is_address = key.contains("endpoint") || key.contains("base_url");
        is_address && !key.contains("metadata") && value.starts_with("http://")
    });
    let allowed = options.get("allow_http").is_some_and(|value| {
        ["1", "true", "on", "yes", "y"].contains(&value.to_ascii_lowercase().as_str())
    });
    match open {
        Some((_, endpoint)) if !allowed => Err(Error::new(
            ErrorKind::Config,
            format!(
                "The endpoint {endpoint} of connection \"{}\" is not encrypted",
                connection.name
            ),
        )
        .hint(
            "write allow_http = true if that is meant, or an endpoint that begins with https://",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[cfg(feature = "s3")]
mod tests {
    use super::*;

    fn lake(options: &[(&str, &str)]) -> Connection {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Connection::new("lake", "lake:s3://bucket/x", options.collect())
    }

    fn told(given: &[(&str, &str)], environment: &[(&str, &str)]) -> BTreeMap<String, String> {
        let environment = environment
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        options(&lake(given), &ObjectStoreScheme::AmazonS3, environment).unwrap()
    }

    #[test]
    fn a_connection_stands_above_the_environment_however_a_key_is_spelt() {
        let environment = [
            ("AWS_ACCESS_KEY_ID", "theirs"),
            ("AWS_SECRET_ACCESS_KEY", "theirs"),
            ("AWS_SESSION_TOKEN", "theirs"),
            ("AWS_REGION", "there"),
            ("AWS_ENDPOINT_URL_S3", "https://there"),
            ("AWS_PROFILE", "x"),
            ("REGION", "nowhere"),
        ];
        let alone = told(&[], &environment);
        assert_eq!(alone["aws_region"], "there");
        assert_eq!(alone["aws_session_token"], "theirs");
        assert_eq!(alone.len(), 5);
        let given = [
            ("access_key_id", "ours"),
            ("Secret_Access_Key", "ours"),
            ("endpoint", "https://here"),
        ];
        let both = told(&given, &environment);
        assert_eq!(both["aws_access_key_id"], "ours");
        assert_eq!(both["aws_secret_access_key"], "ours");
        assert_eq!(both["aws_endpoint"], "https://here");
        assert_eq!(both["aws_region"], "there");
        assert_eq!(
            both.len(),
            4,
            "no token and no endpoint of others: {both:?}"
        );
    }

    #[test]
    fn what_a_store_does_not_know_or_nobody_allowed_is_refused() {
        let url = Url::parse("s3://bucket/x").unwrap();
        for (options, named) in [
            (vec![("regoin", "x")], "regoin"),
            (vec![("endpoint", "http://127.0.0.1:1")], "not encrypted"),
            (vec![("region", "x"), ("aws_region", "y")], "another name"),
            (vec![("allow_http", "perhaps")], "can't be used"),
            (vec![("access_key_id", "alone")], "can't be used"),
        ] {
            let error = open(&lake(&options), &url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error:#}");
            assert!(error.message().contains(named), "{error:#}");
            assert!(error.hint_text().is_some());
        }
        let allowed = [("endpoint", "http://127.0.0.1:1"), ("allow_http", "true")];
        assert!(!open(&lake(&allowed), &url).unwrap().encrypted);
        assert!(open(&lake(&[]), &url).unwrap().encrypted);
    }
}
