//! Files that commands write: always new ones.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;

use super::screen::Format;
use crate::error::{Error, ErrorKind, Result};

/// Makes a file that must not exist yet.
pub(super) fn create(path: &Path) -> Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.map_err(|error| {
        let shown = path.display();
        let made = match error.kind() {
            io::ErrorKind::AlreadyExists => Error::new(
                ErrorKind::AlreadyExists,
                format!("File {shown} exists, and is not overwritten"),
            )
            .hint("name another file, or remove this one"),
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("There is no folder for file {shown}"),
            )
            .hint("make the folder first"),
            _ => Error::from(io::Error::new(error.kind(), format!("{shown}: {error}"))),
        };
        made.caused_by(error)
    })
}

/// Writes a text into a new file.
pub(super) fn write_text(path: &Path, text: &str) -> Result<()> {
    let mut file = create(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// Writes rows into a new file of a format that is one.
pub(super) fn write_rows(
    path: &Path,
    format: Format,
    schema: &Schema,
    rows: &[RecordBatch],
) -> Result<()> {
    let file = create(path)?;
    match format {
        Format::Parquet => {
            let mut writer = ArrowWriter::try_new(file, schema.clone().into(), None)?;
            for batch in rows {
                writer.write(batch)?;
            }
            writer.close()?;
        }
        _ => {
            let mut writer = FileWriter::try_new(file, schema)?;
            for batch in rows {
                writer.write(batch)?;
            }
            writer.finish()?;
        }
    }
    Ok(())
}
