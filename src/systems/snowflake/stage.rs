//! Where files are staged: a store that goe writes to and the server reads from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::name::{quote_exactly, text};
use crate::backend::StagingPlace;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::systems::folder_name::encode_part;
use crate::systems::store;

/// Stores take parts from 5 MiB on; on a disk each open file holds one in memory.
const STORE_PART: usize = 8 << 20;
const LOCAL_PART: usize = 256 << 10;

/// What begins the name of an option that is the store's own.
const PREFIX: &str = "staging_";

/// The staging of a connection; without one it can only be described.
#[derive(Debug)]
pub(super) struct Staging {
    connection: String,
    root: Option<Root>,
}

#[derive(Debug)]
struct Root {
    store: Arc<dyn ObjectStore>,
    /// As a person knows it.
    shown: String,
    /// As the server is told.
    url: String,
    part_bytes: usize,
    reach: Reach,
}

/// How the server gets at the files.
enum Reach {
    /// Through a stage that stands there.
    Stage(String),
    /// Through a stage that goe makes with an integration.
    Integration(String),
    /// Through a stage that goe makes with keys, which may be temporary.
    Keys(Vec<(&'static str, SecretString)>),
    /// As it is: a test server on the same machine.
    Open,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stage(_) => "Stage",
            Self::Integration(_) => "Integration",
            Self::Keys(_) => "Keys",
            Self::Open => "Open",
        })
    }
}

impl Staging {
    /// Reads a connection's options. Nothing is reached yet.
    pub(super) fn new(
        connection: &Connection,
        staging: Option<String>,
        stage: Option<String>,
        integration: Option<String>,
    ) -> Result<Self> {
        let root = match staging {
            Some(staging) => Some(Root::new(connection, &staging, stage, integration)?),
            None => None,
        };
        Ok(Self {
            connection: connection.name.clone(),
            root,
        })
    }

    fn root(&self) -> Result<&Root> {
        self.root.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "Connection \"{}\" has no place where files are staged",
                    self.connection
                ),
            )
            .hint("give it staging = \"s3://BUCKET/PREFIX\" (or gcs, azure) and stage or storage_integration")
        })
    }

    /// The place of a table's files.
    pub(super) fn place(&self, schema: &str, table: &str) -> Result<StagingPlace> {
        let root = self.root()?;
        let folder = folder(schema, table)?;
        let prefix = Path::parse(&folder).map_err(|error| {
            Error::usage(format!("\"{folder}\" can't be a folder")).caused_by(error)
        })?;
        Ok(StagingPlace {
            store: Arc::new(PrefixStore::new(Arc::clone(&root.store), prefix)),
            url: format!("{}/{folder}", root.shown),
            part_bytes: root.part_bytes,
        })
    }

    /// The stage that a load reads from: its name in SQL, and the statement that makes it where goe
    /// does. What goe makes is gone with the session.
    pub(super) fn stage(&self, schema: &str, manifest: &str) -> Result<(String, Option<String>)> {
        let root = self.root()?;
        let made = format!(
            "{schema}.{}",
            quote_exactly(&format!("GOE_STAGE_{}", super::load::suffix(manifest)))
        );
        let access = match &root.reach {
            Reach::Stage(name) => return Ok((name.clone(), None)),
            Reach::Open => String::new(),
            Reach::Integration(name) => {
                format!(" STORAGE_INTEGRATION = {}", super::name::quote(name))
            }
            Reach::Keys(keys) => {
                let keys = keys
                    .iter()
                    .map(|(key, value)| format!("{key} = {}", text(value.expose_secret())));
                let keys = keys.collect::<Vec<_>>().join(" ");
                format!(" CREDENTIALS = ({keys})")
            }
        };
        let statement = format!(
            "CREATE OR REPLACE TEMPORARY STAGE {made} URL = {}{access}",
            text(&format!("{}/", root.url))
        );
        Ok((made, Some(statement)))
    }
}

/// The folder of a table below the root.
pub(super) fn folder(schema: &str, table: &str) -> Result<String> {
    Ok(format!("{}/{}", encode_part(schema)?, encode_part(table)?))
}

impl Root {
    fn new(
        connection: &Connection,
        staging: &str,
        stage: Option<String>,
        integration: Option<String>,
    ) -> Result<Self> {
        let own = store_options(connection);
        let wrong = |text: String| {
            Error::new(
                ErrorKind::Config,
                format!("Connection \"{}\" {text}", connection.name),
            )
        };
        let url = Url::parse(staging).map_err(|error| {
            wrong(format!("has a staging that is no URL: {error}"))
                .hint("write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX")
        })?;
        let reach = |keys| match (stage, integration) {
            (Some(_), Some(_)) => Err(wrong("has both stage and storage_integration".to_owned())),
            (Some(stage), None) => Ok(Reach::Stage(stage_name(&stage)?)),
            (None, Some(integration)) => Ok(Reach::Integration(integration)),
            (None, None) => keys,
        };
        if url.scheme() == "file" {
            return Self::local(&url, reach(Ok(Reach::Open))?);
        }
        let keys = keys(&url, &own).ok_or_else(|| {
            wrong("does not say how the server may read its staging".to_owned()).hint(
                match url.scheme() {
                    "gs" => "name a stage, or a storage_integration",
                    _ => "name a stage, or a storage_integration; or the keys in staging_… options",
                },
            )
        });
        let reach = reach(keys)?;
        let seen = server_url(&url, &own).ok_or_else(|| {
            wrong("names no storage account for its staging".to_owned())
                .hint("give it staging_account_name, or an existing stage")
        });
        // A stage that stands there says itself where it is.
        let seen = match reach {
            Reach::Stage(_) => String::new(),
            _ => seen?,
        };
        let inner = Connection::new(&connection.name, staging, own);
        let place = store::open(&inner, &url)?;
        let mut shown = url.clone();
        shown.set_query(None);
        Ok(Self {
            store: fault::store(Arc::new(PrefixStore::new(place.store, place.prefix))),
            shown: shown.as_str().trim_end_matches('/').to_owned(),
            url: seen,
            part_bytes: STORE_PART,
            reach,
        })
    }

    fn local(url: &Url, reach: Reach) -> Result<Self> {
        let bad = || {
            Error::new(ErrorKind::Config, format!("\"{url}\" is no folder's path"))
                .hint("write file:///ABSOLUTE/PATH")
        };
        let folder = url.to_file_path().map_err(|()| bad())?;
        let folder: &FilePath = &folder;
        let prefix = Path::from_absolute_path(folder).map_err(|_| bad())?;
        let seen = format!("file://{}", folder.display());
        let seen = seen.trim_end_matches('/').to_owned();
        Ok(Self {
            store: fault::store(Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix))),
            shown: seen.clone(),
            url: seen,
            part_bytes: LOCAL_PART,
            reach,
        })
    }
}

/// The options that are the store's own, by its names.
fn store_options(connection: &Connection) -> BTreeMap<String, String> {
    let names = connection.option_names();
    let own = names.filter_map(|name| {
        let value = connection.option(name).unwrap_or_default();
        Some((name.strip_prefix(PREFIX)?.to_owned(), value.to_owned()))
    });
    own.collect()
}

/// A stage's name as a person writes it, each part quoted where it must be.
fn stage_name(stage: &str) -> Result<String> {
    let stage = stage.trim_start_matches('@');
    let parts: Vec<&str> = stage.split('.').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("\"{stage}\" is no name of a stage"),
        )
        .hint("write DATABASE.SCHEMA.STAGE"));
    }
    let parts = parts.into_iter().map(super::name::quote);
    Ok(parts.collect::<Vec<_>>().join("."))
}

/// The keys that are handed on to the server; `None` where there are none of a kind that it takes.
fn keys(url: &Url, own: &BTreeMap<String, String>) -> Option<Reach> {
    let one = |names: &[&str]| names.iter().find_map(|name| own.get(*name)).cloned();
    let found = match url.scheme() {
        "s3" | "s3a" => vec![
            (
                "AWS_KEY_ID",
                Some(one(&["access_key_id", "aws_access_key_id"])?),
            ),
            (
                "AWS_SECRET_KEY",
                Some(one(&["secret_access_key", "aws_secret_access_key"])?),
            ),
            (
                "AWS_TOKEN",
                one(&["session_token", "aws_session_token", "token"]),
            ),
        ],
        "az" | "azure" | "abfs" | "abfss" => {
            let token = one(&["sas_token", "sas_key", "azure_storage_sas_token"])?;
            vec![("AZURE_SAS_TOKEN", Some(token))]
        }
        _ => return None,
    };
    let keys = found
        .into_iter()
        .filter_map(|(key, value)| Some((key, SecretString::from(value?))));
    Some(Reach::Keys(keys.collect()))
}

/// A staging URL as the server writes it.
fn server_url(url: &Url, own: &BTreeMap<String, String>) -> Option<String> {
    let host = url.host_str()?;
    let path = url.path().trim_matches('/');
    let joined = |start: String| match path {
        "" => start,
        path => format!("{start}/{path}"),
    };
    match url.scheme() {
        "s3" | "s3a" => Some(joined(format!("s3://{host}"))),
        "gs" => Some(joined(format!("gcs://{host}"))),
        _ => {
            let names = ["account_name", "azure_storage_account_name"];
            let account = names.iter().find_map(|name| own.get(*name))?;
            Some(joined(format!(
                "azure://{account}.blob.core.windows.net/{host}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staging(options: &[(&str, &str)]) -> Result<Staging> {
        let options: BTreeMap<String, String> = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let one = |key: &str| options.get(key).cloned();
        let (url, stage, integration) = (one("staging"), one("stage"), one("storage_integration"));
        let connection = Connection::new("sf", "x:", options);
        Staging::new(&connection, url, stage, integration)
    }

    #[test]
    fn the_server_is_told_how_it_gets_at_the_files() {
        let local = staging(&[("staging", "file:///tmp/x")]).unwrap();
        let (name, made) = local.stage("\"S\"", "m-1").unwrap();
        assert_eq!(name, "\"S\".\"GOE_STAGE_M_1\"");
        assert_eq!(
            made.as_deref(),
            Some(
                "CREATE OR REPLACE TEMPORARY STAGE \"S\".\"GOE_STAGE_M_1\" \
                 URL = 'file:///tmp/x/'"
            )
        );
        let place = local.place("tpch", "line item").unwrap();
        assert_eq!(place.url, "file:///tmp/x/tpch/line@20item");
        assert!(staging(&[]).unwrap().place("a", "b").is_err());
        let none = staging(&[]).unwrap().stage("\"S\"", "m").unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Config);
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_bucket_is_reached_by_stage_integration_or_keys() {
        let bucket = ("staging", "s3://bucket/a/b");
        let region = ("staging_region", "eu-west-1");
        let named = staging(&[bucket, region, ("stage", "util.public.goe")]).unwrap();
        let (name, made) = named.stage("\"S\"", "m").unwrap();
        assert_eq!((name.as_str(), made), ("\"UTIL\".\"PUBLIC\".\"GOE\"", None));
        let with = staging(&[bucket, region, ("storage_integration", "lake")]).unwrap();
        let made = with.stage("\"S\"", "m").unwrap().1.unwrap();
        assert!(made.ends_with("URL = 's3://bucket/a/b/' STORAGE_INTEGRATION = \"LAKE\""));
        let keys = [
            bucket,
            region,
            ("staging_access_key_id", "id"),
            ("staging_secret_access_key", "hush"),
        ];
        let keys = staging(&keys).unwrap();
        let made = keys.stage("\"S\"", "m").unwrap().1.unwrap();
        assert!(made.ends_with("CREDENTIALS = (AWS_KEY_ID = 'id' AWS_SECRET_KEY = 'hush')"));
        assert!(!format!("{keys:?}").contains("hush"));
        let neither = staging(&[bucket, region]).unwrap_err();
        assert_eq!(neither.kind(), ErrorKind::Config);
        let azure = Url::parse("az://container/p").unwrap();
        let own = BTreeMap::from([("account_name".to_owned(), "acme".to_owned())]);
        assert_eq!(
            server_url(&azure, &own).as_deref(),
            Some("azure://acme.blob.core.windows.net/container/p")
        );
    }
}
