//! Comparing a table's log with the objects that it names.

use futures::{StreamExt, TryStreamExt};
use object_store::{Error as StoreError, ObjectStoreExt};

use super::connect::TablePlace;
use super::error::store_error;
use super::read;
use super::snapshot::{DataFile, TableState};
use crate::backend::{Checked, CheckedFile, Flaw};
use crate::error::{Error, Result};

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;

/// Every file of the newest version: is it there, as large as the log says, and does its own footer
/// count the rows that the log counts. No row is read.
pub(super) async fn check(place: &TablePlace) -> Result<Checked> {
    let Some(state) = TableState::load(place).await? else {
        return Ok(Checked::default());
    };
    let checks = state.files().await?.into_iter().map(|file| {
        let place = place.clone();
        async move {
            let flaw = flaw_of(&place, &file).await?;
            Ok::<_, Error>((file, flaw))
        }
    });
    let mut checks = futures::stream::iter(checks).buffered(AT_ONCE);
    let mut checked = Checked::default();
    while let Some((file, flaw)) = checks.try_next().await? {
        checked.flaws.extend(flaw);
        checked.files.push(CheckedFile {
            path: file.path,
            bytes: file.bytes,
        });
    }
    Ok(checked)
}

async fn flaw_of(place: &TablePlace, file: &DataFile) -> Result<Option<Flaw>> {
    let flaw = |detail: String| {
        Ok(Some(Flaw {
            object: file.path.clone(),
            detail,
        }))
    };
    let found = match place.store.head(&place.path(&file.path)?).await {
        Ok(found) => found,
        Err(StoreError::NotFound { .. }) => {
            return flaw("the log names this file, and it is gone".to_owned());
        }
        Err(error) => {
            let message = format!("File {} of table \"{}\"", file.path, place.name);
            return Err(store_error(&message, error));
        }
    };
    if found.size != file.bytes {
        let (there, logged) = (found.size, file.bytes);
        return flaw(format!("it has {there} bytes, and {logged} in the log"));
    }
    match (read::rows_in(place, file).await, file.rows) {
        (Err(error), _) => flaw(format!("it can't be read: {}", error.message())),
        (Ok(there), Some(logged)) if there != logged => {
            flaw(format!("it has {there} rows, and {logged} in the log"))
        }
        _ => Ok(None),
    }
}
