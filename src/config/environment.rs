//! `GOE_…` variables, which stand above the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{Config, Definition, Value, is_url, parse_bytes};
use crate::error::{Error, ErrorKind, Result};

/// Options of the program itself, which are no connection's.
const OWN: &[&str] = &["CONFIG", "OUTPUT", "LEASE_SECONDS"];

/// All variables that begin with `GOE_`, without it.
pub(super) fn variables() -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix("GOE_")) else {
            continue;
        };
        let value = value
            .into_string()
            .map_err(|_| Error::new(ErrorKind::Config, format!("GOE_{name} is not valid UTF-8")))?;
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// Puts variables (without `GOE_`) above what is configured.
pub(super) fn apply(
    config: &mut Config,
    variables: BTreeMap<String, String>,
    folder: &Path,
) -> Result<()> {
    for (name, value) in &variables {
        let wrong = |reason: String| Error::new(ErrorKind::Config, format!("GOE_{name}: {reason}"));
        match name.as_str() {
            "PARALLEL" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                let count =
                    count.ok_or_else(|| wrong(format!("\"{value}\" is no number of workers")));
                config.defaults.parallel = Some(count?);
            }
            "MEMORY" => {
                let bytes = parse_bytes(value);
                config.defaults.memory =
                    Some(bytes.map_err(|error| wrong(error.message().to_owned()))?);
            }
            "VERIFY" => config.defaults.verify = Some(value.clone()),
            "FROM" => config.defaults.from = Some(value.clone()),
            "TO" => config.defaults.to = Some(value.clone()),
            "REPOSITORY" if is_address(value) => config.repository.set_url(value, folder),
            "REPOSITORY" => config.repository.set_file(folder.join(value)),
            "LEASE_SECONDS" => {
                let seconds = value.parse().ok();
                let seconds = seconds.filter(|seconds| (2..=3600).contains(seconds));
                let seconds = seconds
                    .ok_or_else(|| wrong(format!("\"{value}\" is no number from 2 to 3600")))?;
                config.repository.set_lease(Duration::from_secs(seconds));
            }
            _ => {}
        }
    }
    define(config, &variables, folder);
    override_options(config, variables, folder);
    Ok(())
}

/// Whether a text is no path: it begins with a scheme, longer than the name of a drive.
fn is_address(text: &str) -> bool {
    is_url(text) && text.find(':') > Some(1)
}

/// Makes a connection of every `<NAME>_URL` that belongs to none.
fn define(config: &mut Config, variables: &BTreeMap<String, String>, folder: &Path) {
    for name in variables
        .keys()
        .filter_map(|variable| variable.strip_suffix("_URL"))
    {
        let taken = config.connections.keys().any(|known| prefix(known) == name);
        if !name.is_empty() && !taken {
            let definition = Definition {
                folder: folder.to_owned(),
                values: BTreeMap::new(),
            };
            config.connections.insert(name.to_lowercase(), definition);
        }
    }
}

/// Gives every `<NAME>_<OPTION>` to the connection with the longest name that fits.
fn override_options(config: &mut Config, variables: BTreeMap<String, String>, folder: &Path) {
    for (variable, value) in variables {
        if OWN.contains(&variable.as_str()) {
            continue;
        }
        let fits = |name: &String| {
            let option = variable.strip_prefix(&prefix(name))?.strip_prefix('_')?;
            (!option.is_empty()).then(|| (prefix(name).len(), name.clone(), option.to_lowercase()))
        };
        let Some((_, name, option)) = config.connections.keys().filter_map(fits).max() else {
            continue;
        };
        if let Some(definition) = config.connections.get_mut(&name) {
            if option == "url" {
                folder.clone_into(&mut definition.folder);
            }
            definition.values.insert(option, Value::Given(value.into()));
        }
    }
}

/// A connection's name as variables write it.
fn prefix(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.to_uppercase().chars().map(plain).collect()
}
