//! A connection as a system sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind, Result};

/// A named, configured system. Its options are resolved; secrets among them never print.
#[derive(Clone)]
pub struct Connection {
    /// The name in `goe.toml`, or the URL itself.
    pub name: String,
    /// `scheme:rest`; may hold a password, so it does not print either.
    url: SecretString,
    /// Everything else of the connection's table, and the URL's query.
    options: BTreeMap<String, SecretString>,
    /// What a relative path in the URL starts from; the current folder if empty.
    folder: PathBuf,
}

impl Connection {
    /// A connection from resolved parts.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        options: BTreeMap<String, String>,
    ) -> Self {
        Self {
            name: name.into(),
            url: url.into().into(),
            options: options
                .into_iter()
                .map(|(key, value)| (key, value.into()))
                .collect(),
            folder: PathBuf::new(),
        }
    }

    /// A URL that stands for itself; its name is what may be shown of it.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        Self::new(redact(url), url, BTreeMap::new())
    }

    /// The same with the folder that a relative path in the URL starts from.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// The same with a relative path in the URL (`scheme:path`) written from the current folder.
    /// For systems whose URLs are paths; a path that is absolute, or a URL itself, stays.
    #[must_use]
    pub fn with_local_path(mut self) -> Self {
        let url = self.url.expose_secret();
        let Some((scheme, rest)) = url.split_once(':') else {
            return self;
        };
        let stays = rest.is_empty() || rest.starts_with(['/', ':']) || names_scheme(rest);
        let here = matches!(self.folder.to_str(), None | Some("" | "."));
        if !stays && !here {
            let path = self.folder.join(rest);
            self.url = format!("{scheme}:{}", path.display()).into();
        }
        self
    }

    /// The text before the first colon: which system.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url
            .expose_secret()
            .split(':')
            .next()
            .unwrap_or_default()
    }

    /// The whole URL, for the system that connects.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// An option's value, for the system that connects.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(ExposeSecret::expose_secret)
    }

    /// The names of all options.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options.keys().map(String::as_str)
    }

    /// Refuses options that the system does not know.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option and the nearest known one.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        let Some(unknown) = self.option_names().find(|name| !known.contains(name)) else {
            return Ok(());
        };
        let error = Error::new(
            ErrorKind::Config,
            format!(
                "Connection \"{}\" has an unknown option \"{unknown}\"",
                self.name
            ),
        );
        Err(
            match crate::schema::nearest(unknown, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error.hint(format!("known are: {}", known.join(", "))),
            },
        )
    }
}

/// Whether a text begins with a URL's scheme of its own: `s3://bucket`, `file:/path`.
fn names_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// A URL without the password that it may hold, for people to read.
#[must_use]
pub fn redact(url: &str) -> String {
    if let Some(shown) = redact_keywords(url) {
        return shown;
    }
    let (before, query) = url
        .split_once('?')
        .map_or((url, ""), |(url, query)| (url, query));
    let address = redact_login(before).unwrap_or_else(|| before.to_owned());
    if query.is_empty() {
        return address;
    }
    let pairs: Vec<String> = query.split('&').map(redact_pair).collect();
    format!("{address}?{}", pairs.join("&"))
}

/// `scheme://user:password@rest` without the password, if there is one; the colon may be forgotten.
fn redact_login(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("//")?;
    let end = rest.rfind('@')?;
    let (user, _) = rest[..end].split_once(':')?;
    Some(format!("{scheme}//{user}:***{}", &rest[end..]))
}

/// `scheme:key=value …` up to a secret, which may be in quotes and hold anything.
fn redact_keywords(url: &str) -> Option<String> {
    let lower = url.to_ascii_lowercase();
    let secret = |word: &'static str| {
        let mut places = lower.match_indices(word);
        places.find(|(at, _)| lower[at + word.len()..].trim_start().starts_with('='))
    };
    let secrets = ["password", "pwd", "token"].into_iter().filter_map(secret);
    let (at, word) = secrets.min()?;
    let keyword = !url[..at].contains("://");
    keyword.then(|| format!("{}{word}=***", &url[..at]))
}

fn redact_pair(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default();
    let lower = name.to_lowercase();
    let secret = ["pass", "secret", "token", "key"]
        .iter()
        .any(|word| lower.contains(word));
    if secret {
        format!("{name}=***")
    } else {
        pair.to_owned()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.name)
            .field("scheme", &self.scheme())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_from_its_folder() {
        let table = [
            ("sys:shop.db", "sys:/data/shop.db"),
            ("sys:a/b.db", "sys:/data/a/b.db"),
            ("sys:/abs.db", "sys:/abs.db"),
            ("sys://host/db", "sys://host/db"),
            ("sys:s3://bucket/x", "sys:s3://bucket/x"),
            ("sys::memory:", "sys::memory:"),
            ("sys:", "sys:"),
        ];
        for (url, expected) in table {
            let connection =
                Connection::new("c", url, BTreeMap::new()).in_folder(Path::new("/data"));
            assert_eq!(connection.with_local_path().url(), expected);
        }
        let here = Connection::of_url("sys:shop.db").with_local_path();
        assert_eq!(here.url(), "sys:shop.db");
    }

    #[test]
    fn a_password_never_prints() {
        let table = [
            ("sys://me:s3cr3t@host/db", "sys://me:***@host/db"),
            ("sys://me:s3@cr3t@host/db", "sys://me:***@host/db"),
            ("sys://me@host/db", "sys://me@host/db"),
            ("sys//me:s3cr3t@host/db", "sys//me:***@host/db"),
            (
                "sys://host/db?user=me&password=s3cr3t",
                "sys://host/db?user=me&password=***",
            ),
            ("sys:shop.db", "sys:shop.db"),
            ("sys:password.db", "sys:password.db"),
            (
                "sys:user=me password = 's3cr3t ?x'",
                "sys:user=me password=***",
            ),
            ("sys:Server=h;PWD=s3cr3t;a=b", "sys:Server=h;pwd=***"),
            (
                "sys:access_token=s3cr3t;password=s3cr3t",
                "sys:access_token=***",
            ),
        ];
        for (url, shown) in table {
            assert_eq!(redact(url), shown);
            assert!(!format!("{:?}", Connection::of_url(url)).contains("cr3t"));
        }
    }
}
