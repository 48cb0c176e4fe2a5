//! References to secrets: `${env:NAME}` and `${file:PATH}`.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The text with every reference replaced by what it refers to; `$${` is a plain `${`.
pub(super) fn resolve(text: &str, folder: &Path) -> Result<String> {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        let inside = &rest[start + 2..];
        if let Some(plain) = before.strip_suffix('$') {
            resolved.push_str(plain);
            resolved.push_str("${");
            rest = inside;
            continue;
        }
        let end = inside
            .find('}')
            .ok_or_else(|| wrong("A \"${\" is never closed"))?;
        resolved.push_str(before);
        resolved.push_str(&look_up(&inside[..end], folder)?);
        rest = &inside[end + 1..];
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn look_up(reference: &str, folder: &Path) -> Result<String> {
    match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|_| {
            wrong(format!("The environment variable {name} is not set"))
                .hint(format!("set it: export {name}=…"))
        }),
        Some(("file", path)) => read(&folder.join(path)),
        _ => Err(wrong(format!(
            "\"${{{reference}}}\" refers to nothing that goe knows"
        ))),
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
        .hint("a secret is \"${env:NAME}\" or \"${file:PATH}\"; write \"$${\" for a plain \"${\"")
}

/// The content of a secret's file without its last newline.
pub(crate) fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    refuse_public(path)?;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("The secret's file {shown} can't be read: {error}"),
        )
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Refuses a file that every user of the machine may read.
#[cfg(unix)]
fn refuse_public(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let public = std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    if !public {
        return Ok(());
    }
    let shown = path.display();
    Err(Error::new(
        ErrorKind::Config,
        format!("Everybody may read the secret's file {shown}"),
    )
    .hint(format!("chmod 600 {shown}")))
}

#[cfg(not(unix))]
fn refuse_public(_path: &Path) -> Result<()> {
    Ok(())
}
