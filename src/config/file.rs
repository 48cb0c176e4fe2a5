//! Reading `goe.toml`: every key known, every complaint with its line and column.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, Definition, LetterCase, Value, parse_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::nearest;

type Key<'t> = Spanned<Cow<'t, str>>;
type Item<'t> = Spanned<DeValue<'t>>;

/// The configuration of a text in a folder.
pub(super) fn parse(text: &str, folder: &Path) -> Result<Config> {
    let reader = Reader { text, folder };
    // The error's own form shows the line, and the line may hold a password.
    let tree = DeTable::parse(text)
        .map_err(|error| reader.wrong(error.span().unwrap_or_default(), error.message()))
        .map_err(|error| error.hint("goe help connections shows how it is written"))?;
    let mut config = Config::empty(folder);
    for (key, item) in tree.get_ref() {
        match key.get_ref().as_ref() {
            "connections" => config.connections = reader.connections(item)?,
            "defaults" => reader.defaults(item, &mut config)?,
            "repository" => reader.repository(item, &mut config)?,
            _ => return Err(reader.unknown(key, &["connections", "defaults", "repository"])),
        }
    }
    Ok(config)
}

struct Reader<'t> {
    text: &'t str,
    folder: &'t Path,
}

impl Reader<'_> {
    fn connections(&self, item: &Item<'_>) -> Result<BTreeMap<String, Definition>> {
        let definitions = self.table(item, "connections")?.iter().map(|(key, item)| {
            let name = key.get_ref().as_ref();
            if let Some(reason) = refused_name(name) {
                let message = format!("\"{name}\" can't name a connection: {reason}");
                return Err(self.wrong(key.span(), &message));
            }
            Ok((name.to_owned(), self.definition(item, name)?))
        });
        definitions.collect()
    }

    fn definition(&self, item: &Item<'_>, name: &str) -> Result<Definition> {
        let values = self.table(item, name)?.iter().map(|(key, item)| {
            let text = self.scalar(item, key.get_ref())?;
            Ok((
                key.get_ref().to_string(),
                Value::Written(text.into(), self.folder.to_owned()),
            ))
        });
        Ok(Definition {
            folder: self.folder.to_owned(),
            values: values.collect::<Result<_>>()?,
        })
    }

    fn defaults(&self, item: &Item<'_>, config: &mut Config) -> Result<()> {
        const KNOWN: &[&str] = &[
            "from",
            "to",
            "schema_prefix",
            "letter_case",
            "parallel",
            "verify",
            "memory",
            "max_rate",
            "retry_seconds",
        ];
        let defaults = &mut config.defaults;
        for (key, item) in self.table(item, "defaults")? {
            let name = key.get_ref().as_ref();
            let text = self.scalar(item, name)?;
            match name {
                "from" => defaults.from = Some(text),
                "to" => defaults.to = Some(text),
                "verify" => defaults.verify = Some(text),
                "schema_prefix" => defaults.schema_prefix = Some(text),
                "letter_case" => {
                    let wrong = || {
                        self.wrong(item.span(), &format!("\"{text}\" is no letter case"))
                            .hint(format!("it is one of {}", LetterCase::WORDS.join(", ")))
                    };
                    defaults.letter_case = LetterCase::from_word(&text).ok_or_else(wrong)?;
                }
                "memory" => defaults.memory = Some(self.size(item, &text)?),
                "max_rate" => defaults.max_rate = Some(self.size(item, &text)?),
                "retry_seconds" => {
                    let wrong = |_| self.wrong(item.span(), "\"retry_seconds\" is no number");
                    defaults.retry_seconds = Some(text.parse().map_err(wrong)?);
                }
                "parallel" => {
                    let count = text.parse().ok().filter(|count| *count > 0);
                    defaults.parallel = Some(count.ok_or_else(|| {
                        self.wrong(item.span(), "\"parallel\" is no number of workers")
                    })?);
                }
                _ => return Err(self.unknown(key, KNOWN)),
            }
        }
        Ok(())
    }

    fn repository(&self, item: &Item<'_>, config: &mut Config) -> Result<()> {
        const KNOWN: &[&str] = &["path", "url", "password"];
        let table = self.table(item, "repository")?;
        if let Some(key) = table.keys().find(|key| !KNOWN.contains(&&**key.get_ref())) {
            return Err(self.unknown(key, KNOWN));
        }
        match (table.get("path"), table.get("url")) {
            (Some(_), Some(url)) => Err(self
                .wrong(
                    url.span(),
                    "[repository] has a \"path\" and a \"url\", and can be in one place only",
                )
                .hint("leave path for a file of this host, or url for a server's database")),
            (None, Some(_)) => {
                let server = self.definition(item, "repository")?;
                config.repository.set_server(server);
                Ok(())
            }
            (path, None) => {
                if let Some(password) = table.get("password") {
                    let message = "\"password\" wants a \"url\" beside it";
                    return Err(self.wrong(password.span(), message));
                }
                if let Some(path) = path {
                    let path = self.folder.join(self.scalar(path, "path")?);
                    config.repository.set_file(path);
                }
                Ok(())
            }
        }
    }

    fn size(&self, item: &Item<'_>, text: &str) -> Result<u64> {
        parse_bytes(text).map_err(|error| self.wrong(item.span(), error.message()))
    }

    fn table<'i, 't>(&self, item: &'i Item<'t>, name: &str) -> Result<&'i DeTable<'t>> {
        item.get_ref()
            .as_table()
            .ok_or_else(|| self.wrong(item.span(), &format!("\"{name}\" is no table")))
    }

    /// A string, number, boolean or date as text.
    fn scalar(&self, item: &Item<'_>, name: &str) -> Result<String> {
        Ok(match item.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(when) => when.to_string(),
            DeValue::Array(_) | DeValue::Table(_) => {
                return Err(self.wrong(item.span(), &format!("\"{name}\" is no single value")));
            }
        })
    }

    fn unknown(&self, key: &Key<'_>, known: &[&str]) -> Error {
        let name = key.get_ref().as_ref();
        let error = self.wrong(key.span(), &format!("\"{name}\" is unknown here"));
        error.hint(match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are: {}", known.join(", ")),
        })
    }

    fn wrong(&self, span: Range<usize>, message: &str) -> Error {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let first = message.lines().next().unwrap_or_default();
        Error::new(
            ErrorKind::Config,
            format!("goe.toml, line {line}, column {column}: {first}"),
        )
    }
}

/// Why a connection can't have a name, if so.
pub(super) fn refused_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        "goe" => Some("goe's own tables have it"),
        "datafusion" => Some("the engine's own tables have it"),
        _ if name.contains(':') => Some("a name with a colon is read as a URL"),
        _ if name.chars().any(char::is_control) => Some("it has control characters"),
        _ => None,
    }
}
