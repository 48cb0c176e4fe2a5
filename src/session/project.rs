//! A project: the offloads that the files of a folder define.

use std::path::{Path, PathBuf};

use super::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::offload::OffloadSpec;
use crate::offload::statement::definitions;
use crate::schema::pick;

/// The offloads of files, in the order of the files' names and of the statements.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Each with its file.
    pub offloads: Vec<Defined>,
}

/// An offload and the file that defines it.
#[derive(Debug, Clone)]
pub struct Defined {
    /// The offload; it has a name.
    pub spec: OffloadSpec,
    /// The file.
    pub file: PathBuf,
}

impl Defined {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.spec.name.as_deref().unwrap_or_default()
    }
}

impl Project {
    /// The offloads of a folder's own `.sql` files; those that begin with another statement are
    /// none of the project's.
    ///
    /// # Errors
    /// Kind Usage with file, line and column, AlreadyExists for a name that two files define.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let mut project = Self::default();
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(project);
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "sql") && path.is_file())
            .collect();
        files.sort();
        for file in files {
            if let Some(specs) = read(&file)? {
                project.add(&file, specs)?;
            }
        }
        Ok(project)
    }

    /// The offloads of these files, which hold nothing else.
    ///
    /// # Errors
    /// As [`Project::of_folder`]; kind NotFound for a file that is not there.
    pub fn of_files(files: &[PathBuf]) -> Result<Self> {
        let mut project = Self::default();
        for file in files {
            let specs = read(file)?.ok_or_else(|| {
                Error::usage(format!("{} defines no offload", file.display()))
                    .hint("goe sql -f runs the statements of any file")
            })?;
            project.add(file, specs)?;
        }
        Ok(project)
    }

    /// The offload of a name: exactly, or the only one that differs in case alone.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Defined> {
        let found = pick(name, self.names())?;
        self.offloads.iter().find(|defined| defined.name() == found)
    }

    /// The names of its offloads.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.offloads.iter().map(Defined::name)
    }

    fn add(&mut self, file: &Path, specs: Vec<OffloadSpec>) -> Result<()> {
        for spec in specs {
            let defined = Defined {
                spec,
                file: file.to_owned(),
            };
            let twin = self.offloads.iter().find(|o| o.name() == defined.name());
            if let Some(twin) = twin {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!(
                        "Offload {} is defined in {} and in {}",
                        defined.name(),
                        twin.file.display(),
                        file.display()
                    ),
                )
                .hint("give one of them another name"));
            }
            self.offloads.push(defined);
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Option<Vec<OffloadSpec>>> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Config,
        };
        Error::new(kind, format!("{shown} can't be read: {error}"))
    })?;
    definitions(&text).map_err(|error| error.context("file", shown))
}

impl Session {
    /// The offloads that the files beside `goe.toml` define.
    ///
    /// # Errors
    /// As [`Project::of_folder`].
    pub fn project(&self) -> Result<Project> {
        let home = self.config().home();
        let folder = home.parent().filter(|p| !p.as_os_str().is_empty());
        Project::of_folder(folder.unwrap_or(Path::new(".")))
    }

    /// Remembers offloads as they are now: a project's files win over what was applied before.
    ///
    /// # Errors
    /// As [`OffloadSpec::validate`], and those of the repository.
    pub fn apply(&self, spec: &OffloadSpec) -> Result<()> {
        self.memory().open()?.apply(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_files_define_its_offloads() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let offload = |name: &str| {
            [
                "-- first\nCREATE OFFLOAD ",
                name,
                " TO a.b.c AS SELECT 1 AS x;\n",
            ]
            .concat()
        };
        write("b.sql", &[offload("two"), offload("three")].concat());
        write("a.sql", &offload("One"));
        write(
            "report.sql",
            "SELECT 1; CREATE OFFLOAD none TO a.b.c AS SELECT 1",
        );
        write("notes.txt", "CREATE OFFLOAD");
        let project = Project::of_folder(folder.path()).unwrap();
        assert_eq!(project.names().collect::<Vec<_>>(), ["One", "two", "three"]);
        assert_eq!(
            project.find("ONE").unwrap().file,
            folder.path().join("a.sql")
        );
        assert!(project.find("four").is_none());

        write("c.sql", &offload("two"));
        let twice = Project::of_folder(folder.path()).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
        write(
            "c.sql",
            "CREATE OFFLOAD x TO a.b.c AS SELECT 1;\n\n CREATE OFLOAD y TO a.b.c",
        );
        let wrong = Project::of_folder(folder.path()).unwrap_err();
        assert!(wrong.message().starts_with("Line 3, column 9"), "{wrong}");
        let report = Project::of_files(&[folder.path().join("report.sql")]).unwrap_err();
        assert_eq!(report.kind(), ErrorKind::Usage);
        let gone = Project::of_files(&[folder.path().join("gone.sql")]).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
}
