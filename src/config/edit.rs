//! Keeping a connection in `goe.toml`; whatever else stands there stays as it is, comments too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::file::refused_name;
use super::{Config, FILE_NAME, is_url, redact};
use crate::error::{Error, ErrorKind, Result};

/// A connection to keep, as it is written.
#[derive(Debug, Clone, Copy)]
pub struct NewConnection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its URL.
    pub url: &'a str,
    /// Its options.
    pub options: &'a BTreeMap<String, String>,
    /// Whether one of that name may be there.
    pub replace: bool,
}

impl Config {
    /// The file that connections are kept in; it need not be there yet.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        match &self.file {
            Some(file) => file.clone(),
            None => self.folder.join(FILE_NAME),
        }
    }

    /// Keeps a connection in the file, and gives the configuration that holds then.
    ///
    /// # Errors
    /// Kind Usage for a secret in clear or a name that can't be, AlreadyExists for a name that is
    /// taken, Config or Permission when the file can't be read or written.
    pub fn keep(&self, connection: &NewConnection<'_>) -> Result<Self> {
        check(connection)?;
        let name = connection.name;
        if self.connections.contains_key(name) && !connection.replace {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("There is a connection \"{name}\""),
            )
            .hint("CREATE OR REPLACE CONNECTION writes it anew"));
        }
        let file = self.home();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(&file, &error)),
        };
        let edited = edit(&text, connection)?;
        let folder = file.parent().unwrap_or(Path::new("."));
        // What can't be read back is not written.
        Self::parse(&edited, folder)?.connection_definition(name)?;
        write(&file, &edited).map_err(|error| failed(&file, &error))?;
        Self::read(&file)
    }

    fn connection_definition(&self, name: &str) -> Result<()> {
        if self.connections.contains_key(name) {
            Ok(())
        } else {
            Err(Error::internal(format!("Connection \"{name}\" is gone")))
        }
    }
}

fn failed(file: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Config,
    };
    let shown = file.display();
    Error::new(kind, format!("{shown} can't be changed: {error}"))
        .hint("define the connection there by hand, or name another file with --config")
}

fn check(connection: &NewConnection<'_>) -> Result<()> {
    let NewConnection {
        name, url, options, ..
    } = connection;
    if let Some(reason) = refused_name(name) {
        return Err(Error::usage(format!(
            "\"{name}\" can't name a connection: {reason}"
        )));
    }
    let clear = |what: &str| {
        Error::usage(format!(
            "{what} of connection \"{name}\" holds a secret in clear"
        ))
        .hint("name where it is, \"${env:NAME}\" or \"${file:PATH}\": goe.toml keeps no secrets")
    };
    if holds_secret(url) {
        return Err(clear("The URL"));
    }
    for (option, text) in *options {
        if is_secret(option) && without_references(text) == *text {
            return Err(clear(&format!("The option {option}")));
        }
    }
    if is_url(url) || url.starts_with("${") {
        Ok(())
    } else {
        Err(Error::usage(format!("\"{}\" is no URL", redact(url)))
            .hint("write SYSTEM:…; goe help connections shows the forms"))
    }
}

/// Whether an option's value is a secret by its name.
fn is_secret(option: &str) -> bool {
    let lower = option.to_lowercase();
    let words = ["pass", "secret", "token"];
    words.iter().any(|word| lower.contains(word)) || lower.ends_with("access_key")
}

/// Whether a URL holds a secret that is no reference.
fn holds_secret(url: &str) -> bool {
    let shown = without_references(url).replace("'***'", "***");
    !shown.starts_with(&redact(&shown))
}

/// A text with `***` for every reference.
fn without_references(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, next)) = after.split_once('}') else {
            break;
        };
        shown.push_str(before);
        shown.push_str("***");
        rest = next;
    }
    shown + rest
}

/// The text of the file with the connection in it.
fn edit(text: &str, connection: &NewConnection<'_>) -> Result<String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Error::new(
            ErrorKind::Config,
            format!("goe.toml does not parse: {}", error.message()),
        )
    })?;
    let not_a_table = || Error::new(ErrorKind::Config, "goe.toml: \"connections\" is no table");
    let connections = document.entry("connections").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let connections = connections.as_table_like_mut().ok_or_else(not_a_table)?;
    match connections.get_mut(connection.name) {
        Some(known) => fill(
            known.as_table_like_mut().ok_or_else(not_a_table)?,
            connection,
        ),
        None => {
            let mut table = Table::new();
            fill(&mut table, connection);
            connections.insert(connection.name, Item::Table(table));
        }
    }
    Ok(document.to_string())
}

/// Makes a table say what the connection says, and nothing else.
fn fill(table: &mut dyn TableLike, connection: &NewConnection<'_>) {
    let options = connection.options;
    let old: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in old {
        if key != "url" && !options.contains_key(&key) {
            table.remove(&key);
        }
    }
    table.insert("url", value(connection.url));
    for (key, text) in options {
        table.insert(key, value(text));
    }
}

/// Writes a file whole or not at all, its mode kept.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let beside = file.with_extension("toml.new");
    std::fs::write(&beside, text)?;
    if let Ok(known) = std::fs::metadata(&file) {
        std::fs::set_permissions(&beside, known.permissions())?;
    }
    std::fs::rename(&beside, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[connections.shop] # the shop\nurl = \"sys:shop.db\" # here\n\
                        mode = 'x'\n\n[defaults] # below\nparallel = 4\n";

    fn new<'a>(
        name: &'a str,
        url: &'a str,
        options: &'a BTreeMap<String, String>,
    ) -> NewConnection<'a> {
        NewConnection {
            name,
            url,
            options,
            replace: false,
        }
    }

    #[test]
    fn what_stands_in_the_file_stays() {
        let none = BTreeMap::new();
        let text = edit(FILE, &new("a b", "sys:x\"y", &none)).unwrap();
        assert!(
            text.starts_with(FILE.split("\n[defaults]").next().unwrap()),
            "{text}"
        );
        assert!(text.contains("[defaults] # below"), "{text}");
        let config = Config::parse(&text, Path::new("")).unwrap();
        assert_eq!(config.connection_names(), ["a b", "shop"]);
        assert_eq!(config.connection("a b").unwrap().url(), "sys:x\"y");
        let options = BTreeMap::from([("timeout".to_owned(), "5".to_owned())]);
        let text = edit(FILE, &new("shop", "sys:new.db", &options)).unwrap();
        assert!(
            text.contains("# ours\n[connections.shop] # the shop\nurl = \"sys:new.db\""),
            "{text}"
        );
        assert!(!text.contains("mode") && text.contains("timeout"), "{text}");
        for odd in [
            "",
            "connections = { x = { url = \"sys:a\" } }\n",
            "[connections]\nx.url = \"sys:a\"\n",
        ] {
            let text = edit(odd, &new("y", "sys:b", &none)).unwrap();
            let config = Config::parse(&text, Path::new("")).unwrap();
            assert_eq!(config.connection("y").unwrap().url(), "sys:b", "{text}");
        }
    }

    #[test]
    fn a_kept_connection_is_there_at_once_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let none = BTreeMap::new();
        let config = Config::empty(folder.path());
        let shop = new("shop", "sys:shop.db", &none);
        let kept = config.keep(&shop).unwrap();
        assert_eq!(kept.connection("shop").unwrap().url(), "sys:shop.db");
        assert_eq!(
            kept.keep(&shop).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        let again = NewConnection {
            replace: true,
            url: "sys:b.db",
            ..shop
        };
        assert_eq!(
            kept.keep(&again).unwrap().connection("shop").unwrap().url(),
            "sys:b.db"
        );
    }

    #[test]
    fn a_secret_in_clear_is_refused_and_not_repeated() {
        let none = BTreeMap::new();
        let password = |text: &str| BTreeMap::from([("Password".to_owned(), text.to_owned())]);
        let (clear, reference) = (password("s3cr3t"), password("${env:PG}"));
        let refused = [
            ("sys://me:s3cr3t@h/d", &none),
            ("sys://h/d?user=me&password=s3cr3t", &none),
            ("sys:user=me password=s3cr3t host=h", &none),
            ("sys://me:${env:A}s3cr3t@h/d", &none),
            ("sys://h/d", &clear),
            ("s3cr3t", &none),
        ];
        for (url, options) in refused {
            let error = check(&new("c", url, options)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
            assert!(
                !format!("{error:#}").contains("s3cr3t") || url == "s3cr3t",
                "{error:#}"
            );
        }
        let kept = [
            ("sys://me:${env:PG}@h/d", &none),
            ("sys://h/d?password=${file:p}&x=1", &none),
            ("sys:user=me password='${env:PG}' host=h", &none),
            ("sys://me@h/d", &reference),
            ("${file:url}", &none),
        ];
        for (url, options) in kept {
            assert!(check(&new("c", url, options)).is_ok(), "{url}");
        }
    }
}
