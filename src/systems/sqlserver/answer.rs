//! Rows of the catalog, value by value.

use tiberius::{ColumnData, Row};

use crate::error::{Error, ErrorKind, Result};

/// One row of an answer.
pub(super) struct Answer<'a> {
    /// What was asked for, for messages.
    doing: &'a str,
    row: &'a Row,
}

impl<'a> Answer<'a> {
    pub(super) fn new(doing: &'a str, row: &'a Row) -> Self {
        Self { doing, row }
    }

    fn value(&self, name: &str) -> Result<&'a ColumnData<'static>> {
        let found = self.row.cells().find(|(column, _)| column.name() == name);
        found
            .map(|(_, value)| value)
            .ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn wrong(&self, name: &str, why: &str) -> Error {
        let message = format!("{}: \"{name}\" of the server's answer {why}", self.doing);
        Error::new(ErrorKind::Connect, message)
            .hint("is there a proxy between that does not speak the server's protocol?")
    }

    /// A text, or NULL.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.value(name)? {
            ColumnData::String(text) => Ok(text.as_ref().map(|text| text.clone().into_owned())),
            _ => Err(self.wrong(name, "is no text")),
        }
    }

    /// A text that is never NULL.
    pub(super) fn name(&self, name: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "is NULL"))
    }

    /// A whole number of any width, or NULL.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>> {
        match whole(self.value(name)?) {
            Some(number) => Ok(number),
            None => Err(self.wrong(name, "is no whole number")),
        }
    }

    /// A whole number that is never NULL.
    pub(super) fn count(&self, name: &str) -> Result<i64> {
        self.number(name)?
            .ok_or_else(|| self.wrong(name, "is NULL"))
    }

    /// A number that means yes unless it is 0 or NULL.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.number(name)?.unwrap_or_default() != 0)
    }

    /// A value as text that is equal only if the value is; its type does not matter.
    pub(super) fn fingerprint(&self, name: &str) -> Result<String> {
        Ok(format!("{:?}", self.value(name)?))
    }
}

/// A whole number; `None` for any other value, `Some(None)` for NULL.
pub(super) fn whole(value: &ColumnData<'_>) -> Option<Option<i64>> {
    Some(match value {
        ColumnData::U8(number) => number.map(i64::from),
        ColumnData::I16(number) => number.map(i64::from),
        ColumnData::I32(number) => number.map(i64::from),
        ColumnData::I64(number) => *number,
        ColumnData::Bit(bit) => bit.map(i64::from),
        _ => return None,
    })
}
