//! Where a lake is, and where each table lies in it.

use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use url::Url;

use super::error::store_error;
use crate::config::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::frontend::Probe;
use crate::schema::{TableName, shorten};
use crate::systems::folder_name::encode_part;
use crate::systems::store;

/// The root under which all tables of a connection lie.
#[derive(Debug)]
pub(super) struct Lake {
    name: String,
    root: Arc<dyn ObjectStore>,
    url: String,
    folder: Option<PathBuf>,
    encrypted: Option<bool>,
    refuses: Option<Arc<AtomicBool>>,
}

/// One table's folder. The store cannot leave it: its paths are relative to the table's root.
#[derive(Debug, Clone)]
pub(super) struct TablePlace {
    pub(super) name: TableName,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) url: String,
    /// The same on a disk of this machine.
    pub(super) folder: Option<PathBuf>,
    /// Whether the store was seen to refuse to make what is there; `None` where it surely does.
    pub(super) refuses: Option<Arc<AtomicBool>>,
}

impl Lake {
    /// The lake of a connection. Nothing is reached yet.
    pub(super) fn open(connection: &Connection) -> Result<Self> {
        let rest = connection
            .url()
            .split_once(':')
            .map_or("", |(_, rest)| rest);
        if rest.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("Connection \"{}\" names no folder", connection.name),
            )
            .hint("write delta:FOLDER, or delta:s3://BUCKET/PREFIX"));
        }
        if rest.contains("://") && !rest.starts_with("file://") {
            return Self::cloud(connection, rest);
        }
        connection.refuse_unknown(&[])?;
        Self::local(
            &connection.name,
            rest.strip_prefix("file://").unwrap_or(rest),
        )
    }

    fn local(name: &str, path: &str) -> Result<Self> {
        let folder = absolute(FilePath::new(path))?;
        let prefix = Path::from_absolute_path(&folder).map_err(|error| {
            Error::new(ErrorKind::Config, format!("\"{path}\" is no folder's path"))
                .caused_by(error)
        })?;
        let root = PrefixStore::new(LocalFileSystem::new(), prefix);
        Ok(Self {
            name: name.to_owned(),
            root: fault::store(Arc::new(root)),
            url: folder.display().to_string(),
            folder: Some(folder),
            encrypted: None,
            refuses: None,
        })
    }

    /// Whether its tables lie on a disk of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.folder.is_some()
    }

    fn cloud(connection: &Connection, rest: &str) -> Result<Self> {
        let url = Url::parse(rest).map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("The URL of connection \"{}\" is wrong: {error}", connection.name),
            )
            .hint("write delta:s3://BUCKET/PREFIX, delta:gs://BUCKET/PREFIX or delta:az://CONTAINER/PREFIX")
        })?;
        let place = store::open(connection, &url)?;
        let mut shown = url.clone();
        shown.set_query(None);
        Ok(Self {
            name: connection.name.clone(),
            root: fault::store(Arc::new(PrefixStore::new(place.store, place.prefix))),
            url: shown.as_str().trim_end_matches('/').to_owned(),
            folder: None,
            encrypted: Some(place.encrypted),
            refuses: Some(Arc::default()),
        })
    }

    /// The connection's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The store of the whole lake.
    pub(super) fn root(&self) -> &Arc<dyn ObjectStore> {
        &self.root
    }

    /// The folder of a table, which need not exist.
    pub(super) fn place(&self, schema: &str, table: &str) -> Result<TablePlace> {
        let parts = [encode_part(schema)?, encode_part(table)?];
        if self.is_local() && parts.iter().any(|part| part.len() > LONGEST_FOLDER) {
            return Err(Error::unsupported(format!(
                "A folder of lake \"{}\" can't have the name \"{}\": it is too long",
                self.name,
                shorten(&format!("{schema}.{table}"))
            ))
            .hint("choose shorter names of schema and table with --to"));
        }
        let folder = parts.join("/");
        let prefix = Path::parse(&folder).map_err(|error| {
            Error::usage(format!("\"{folder}\" can't be a table's folder")).caused_by(error)
        })?;
        Ok(TablePlace {
            name: TableName::new(&self.name, schema, table),
            store: Arc::new(PrefixStore::new(Arc::clone(&self.root), prefix)),
            url: format!("{}/{folder}", self.url),
            folder: self.folder.as_ref().map(|root| root.join(&folder)),
            refuses: self.refuses.clone(),
        })
    }

    /// Looks whether the lake can be read and, on a local disk, written, and leaves nothing there.
    pub(super) async fn probe(&self) -> Result<Probe> {
        let mut notes = vec![format!("tables lie in {}/SCHEMA/TABLE", self.url)];
        match &self.folder {
            Some(folder) => notes.push(probe_folder(folder)?),
            None => {
                if let Some(Err(error)) = self.root.list(None).next().await {
                    return Err(store_error(&format!("{} can't be listed", self.url), error));
                }
                notes
                    .push("it can be listed; rights to write show at the first offload".to_owned());
            }
        }
        Ok(Probe {
            version: format!(
                "Delta Lake, {}",
                if self.folder.is_some() {
                    "local files"
                } else {
                    "object store"
                }
            ),
            user: None,
            encrypted: self.encrypted,
            snapshot: "every version of a table is a snapshot".to_owned(),
            notes,
        })
    }
}

impl TablePlace {
    /// A path inside the table's folder.
    pub(super) fn path(&self, relative: &str) -> Result<Path> {
        Path::parse(relative).map_err(|error| {
            Error::new(
                ErrorKind::Unsupported,
                format!(
                    "Table \"{}\" names a file outside its folder: {relative}",
                    self.name
                ),
            )
            .hint("goe reads tables whose files all lie in the table's own folder")
            .caused_by(error)
        })
    }

    /// Makes sure, once for a lake, that its store refuses to make an object that is there: where it
    /// does not, two writers could both make the same version. `relative` is there, and ours alone.
    pub(super) async fn require_refusal(&self, relative: &str, bytes: Vec<u8>) -> Result<()> {
        let Some(refuses) = self
            .refuses
            .as_ref()
            .filter(|seen| !seen.load(Ordering::Relaxed))
        else {
            return Ok(());
        };
        let path = self.path(relative)?;
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&path, bytes.into(), options).await {
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                refuses.store(true, Ordering::Relaxed);
                Ok(())
            }
            Ok(_) | Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => {
                Err(Error::unsupported(format!(
                    "The store of table \"{}\" does not keep one writer from overwriting another: \
                     it has no put-if-absent (If-None-Match)",
                    self.name
                ))
                .hint("use a store or a version of it that has it, and no conditional_put = \"disabled\""))
            }
            Err(error) => {
                let message = format!("{relative} of table \"{}\" can't be written", self.name);
                Err(store_error(&message, error))
            }
        }
    }

    /// Writes a small object, over an older one if need be.
    pub(super) async fn put(&self, relative: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(relative)?;
        self.store.put(&path, bytes.into()).await.map_err(|error| {
            store_error(
                &format!("{relative} of table \"{}\" can't be written", self.name),
                error,
            )
        })?;
        Ok(())
    }
}

/// The longest name of a folder that file systems have, in bytes.
const LONGEST_FOLDER: usize = 255;

/// The absolute path without `.` and `..`; links are followed where the folder exists already.
fn absolute(path: &FilePath) -> Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let mut clean = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}

/// Tries the rights on the nearest folder that exists with a file that has no name afterwards.
fn probe_folder(folder: &FilePath) -> Result<String> {
    let mut existing = folder;
    while !existing.exists() {
        match existing.parent() {
            Some(parent) => existing = parent,
            None => break,
        }
    }
    let shown = existing.display();
    if !existing.is_dir() {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{shown} is a file, not a folder"),
        )
        .hint("point the connection at a folder"));
    }
    let trial = existing.join(format!(".goe-probe-{}", uuid::Uuid::now_v7().simple()));
    std::fs::File::create_new(&trial)
        .and_then(|_| std::fs::remove_file(&trial))
        .map_err(|error| store_error(&format!("Folder {shown} can't be written"), error))?;
    Ok(if existing == folder {
        format!("folder {shown} can be written")
    } else {
        format!(
            "folder {} will be made; {shown} can be written",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn connection(url: &str) -> Connection {
        Connection::new("lake", url, BTreeMap::new())
    }

    #[test]
    fn a_wrong_url_says_what_is_right() {
        for (url, kind) in [
            ("delta:", ErrorKind::Config),
            ("delta:ftp://x/y", ErrorKind::Config),
            ("delta:http://host/path", ErrorKind::Unsupported),
        ] {
            let error = Lake::open(&connection(url)).unwrap_err();
            assert_eq!(error.kind(), kind, "{url}: {error:#}");
            assert!(error.hint_text().is_some());
        }
        if !cfg!(feature = "s3") {
            let error = Lake::open(&connection("delta:s3://bucket/x")).unwrap_err();
            assert_eq!(error.hint_text(), Some("build it with --features s3"));
        }
        let options = BTreeMap::from([("region".to_owned(), "x".to_owned())]);
        let error = Lake::open(&Connection::new("lake", "delta:here", options)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[tokio::test]
    async fn a_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let lake = Lake::open(&connection(&format!("delta:{}", inner.display()))).unwrap();
        lake.probe().await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(folder.path().join("a"), "x").unwrap();
        assert_eq!(
            lake.probe().await.unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
    }
}
