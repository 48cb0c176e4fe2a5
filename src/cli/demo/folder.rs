//! The folder of the demo, which it tells from everybody else's.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

use super::super::screen::Screen;
use super::{FOLDER, shop};
use crate::config::FILE_NAME;
use crate::error::{Error, ErrorKind, Result};

/// Marks a folder as made by the demo.
const MARKER: &str = ".goe-demo";

const MARKER_TEXT: &str = "Made by `goe demo`, which starts anew here and removes what it made.\n";

const CONFIGURATION: &str = r#"# Made by `goe demo`.
[connections.shop]
url = "sqlite:shop.db"

[connections.lake]
url = "delta:lake"
"#;

/// What the demo makes in its folder, and may remove.
const MADE: &[&str] = &[FILE_NAME, "goe.db", "lake", shop::FILE];

/// A folder that is the demo's.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, or clears it of an earlier demo.
    pub(super) fn prepare(path: &Path, screen: Screen) -> Result<Self> {
        let folder = Self {
            path: path.to_owned(),
        };
        if folder.is_marked() {
            screen.remark(format_args!(
                "Found an earlier demo in {}; starting anew.",
                path.display()
            ));
            folder.clear().map_err(|error| folder.failed(&error))?;
        } else if folder.is_taken()? {
            let shown = path.display();
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{shown} holds something that no demo made"),
            )
            .hint("name another folder: goe demo --folder tour"));
        }
        fs::create_dir_all(path).map_err(|error| folder.failed(&error))?;
        folder.write(MARKER, MARKER_TEXT)?;
        Ok(folder)
    }

    /// The folder of an earlier demo: the named one, the current one, or the one below.
    pub(super) fn existing(path: Option<&Path>) -> Result<Self> {
        let here = [Path::new("."), Path::new(FOLDER)];
        let candidates = path.map_or(here.to_vec(), |path| vec![path]);
        let mut folders = candidates.into_iter().map(|path| Self {
            path: path.to_owned(),
        });
        folders.find(Self::is_marked).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "There is no demo here")
                .hint("make one: goe demo; or name its folder: --folder FOLDER")
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the connections.
    pub(super) fn configure(&self) -> Result<()> {
        self.write(FILE_NAME, CONFIGURATION)
    }

    /// An error of the file system, with the folder.
    pub(super) fn failed(&self, error: &std::io::Error) -> Error {
        let kind = match error.kind() {
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Permission,
            Io::AlreadyExists | Io::NotADirectory => ErrorKind::AlreadyExists,
            _ => ErrorKind::Load,
        };
        Error::new(
            kind,
            format!("The folder {} can't be used: {error}", self.path.display()),
        )
        .hint("name another folder: goe demo --folder tour")
    }

    fn is_marked(&self) -> bool {
        self.path.join(MARKER).is_file()
    }

    fn is_taken(&self) -> Result<bool> {
        match fs::read_dir(&self.path) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == Io::NotFound => Ok(false),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Removes what an earlier demo made; what a person put there stays.
    fn clear(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| is_made(name)) else {
                continue;
            };
            let path = self.path.join(name);
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.path.join(name), text).map_err(|error| self.failed(&error))
    }
}

/// Whether the demo made a file, or a database made it beside its own.
fn is_made(name: &str) -> bool {
    MADE.iter().any(|made| {
        name.strip_prefix(made)
            .is_some_and(|rest| matches!(rest, "" | "-journal" | "-wal" | "-shm"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_only_if_it_is_ours() {
        let screen = Screen::new(crate::cli::screen::Format::Text, true);
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("demo");
        assert!(Folder::existing(Some(&path)).is_err());
        let folder = Folder::prepare(&path, screen).unwrap();
        folder.configure().unwrap();
        fs::create_dir(path.join("lake")).unwrap();
        for name in ["shop.db", "shop.db-wal", "notes.txt"] {
            fs::write(path.join(name), "x").unwrap();
        }
        Folder::prepare(&path, screen).unwrap();
        let mut left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [MARKER, "notes.txt"]);
        assert!(Folder::existing(Some(&path)).is_ok());
    }

    #[test]
    fn a_folder_of_others_is_refused_and_kept() {
        let screen = Screen::new(crate::cli::screen::Format::Text, true);
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("shop.db");
        fs::write(&file, "precious").unwrap();
        let refused = Folder::prepare(root.path(), screen).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(
            Folder::prepare(&file, screen).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
    }
}
