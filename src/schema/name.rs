//! Names of tables, how people write them, and what they may have meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The exact, unquoted name of a table: `connection.schema.table`.
///
/// Written, a part that is not a plain word stands in double quotes with inner quotes doubled, as
/// in SQL. A connection may also be a URL with the rest after `#`: `sqlite:shop.db#main.orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// The connection's name, or its URL.
    pub connection: String,
    /// The schema (database, dataset) inside the system.
    pub schema: String,
    /// The table or view.
    pub table: String,
}

impl TableName {
    /// A name from its exact parts.
    pub fn new(
        connection: impl Into<String>,
        schema: impl Into<String>,
        table: impl Into<String>,
    ) -> Self {
        Self {
            connection: connection.into(),
            schema: schema.into(),
            table: table.into(),
        }
    }

    /// Reads `connection.schema.table`, parts quoted or not, or `URL#schema.table`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] when there are not three parts, or a quote is left open.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = split_url(text).map_or_else(
            || split_parts(text),
            |(url, rest)| {
                let mut parts = vec![url.to_owned()];
                parts.extend(split_parts(rest)?);
                Ok(parts)
            },
        )?;
        match <[String; 3]>::try_from(parts) {
            Ok([connection, schema, table]) => Ok(Self {
                connection,
                schema,
                table,
            }),
            Err(parts) => Err(Error::usage(format!(
                "\"{text}\" has {} of the three parts of a table's name",
                parts.len()
            ))
            .hint(
                "write CONNECTION.SCHEMA.TABLE, quoting a part with dots: shop.main.\"my.table\"",
            )),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connection.contains(':') {
            write!(f, "{}#", self.connection)?;
        } else {
            write!(f, "{}.", quote_if_needed(&self.connection))?;
        }
        write!(
            f,
            "{}.{}",
            quote_if_needed(&self.schema),
            quote_if_needed(&self.table)
        )
    }
}

/// A URL before the last `#`, when the text begins as one does.
fn split_url(text: &str) -> Option<(&str, &str)> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_scheme {
        text.rsplit_once('#')
    } else {
        None
    }
}

fn split_parts(text: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            take_quoted(quoted)
                .ok_or_else(|| Error::usage(format!("A quote is left open in {text}")))?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        if part.is_empty() {
            return Err(Error::usage(format!("\"{text}\" has an empty part")));
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => {
                return Err(Error::usage(format!(
                    "A dot is missing before {after} in {text}"
                )));
            }
        }
    }
}

/// The text up to the closing quote, doubled quotes made single, and what follows.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Some((part, rest)),
        }
    }
}

fn quote_if_needed(part: &str) -> String {
    let plain = part.bytes().enumerate().all(|(i, b)| {
        b.is_ascii_alphabetic() || b == b'_' || (i > 0 && (b.is_ascii_digit() || b == b'-'))
    });
    if plain && !part.is_empty() {
        part.to_owned()
    } else {
        format!("\"{}\"", part.replace('"', "\"\""))
    }
}

/// The known name that a written one means: the same exactly, else the only one that is the same
/// without regard to case.
#[must_use]
pub fn pick<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut loose = Vec::new();
    for candidate in known {
        if candidate == name {
            return Some(candidate);
        }
        if candidate.to_lowercase() == name.to_lowercase() {
            loose.push(candidate);
        }
    }
    match loose.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_meant() {
        let plain = TableName::parse("shop.main.orders").unwrap();
        assert_eq!(plain, TableName::new("shop", "main", "orders"));
        let odd = TableName::parse("pg.\"a.b\".\"say \"\"hi\"\"\"").unwrap();
        assert_eq!(odd, TableName::new("pg", "a.b", "say \"hi\""));
        let url = TableName::parse("sqlite:data/shop.v1.db#main.orders").unwrap();
        assert_eq!(
            url,
            TableName::new("sqlite:data/shop.v1.db", "main", "orders")
        );
        for bad in ["", "a", "a.b", "a.b.c.d", "a..c", "a.b.\"c", "a.\"b\"c.d"] {
            assert!(TableName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_picked_where_only_one_fits() {
        assert_eq!(pick("ORDERS", ["orders", "x"]), Some("orders"));
        assert_eq!(pick("A", ["a", "A"]), Some("A"));
        assert_eq!(pick("ab", ["aB", "Ab"]), None);
    }

    proptest! {
        #[test]
        fn a_written_name_reads_back(connection in "[a-z\"., ]{1,8}", schema in ".{1,12}", table in ".{1,12}") {
            let name = TableName::new(connection, schema, table);
            prop_assert_eq!(TableName::parse(&name.to_string()).unwrap(), name);
        }
    }
}
