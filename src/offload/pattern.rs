//! Columns as people name them: one by its name, or many by a pattern.

use std::fmt;

use crate::error::{Error, Result};
use crate::schema::pick;

/// A column's name, or a pattern in which each `*` stands for any characters. In double quotes it
/// is exactly one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPattern {
    written: String,
    meant: Meant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    Exactly(String),
    Loosely(String),
    Pattern(String),
}

impl ColumnPattern {
    /// Reads a name or pattern as it is written.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for an empty one.
    pub fn parse(written: &str) -> Result<Self> {
        let text = written.trim();
        let quoted = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let meant = match quoted {
            Some(inner) => Meant::Exactly(inner.replace("\"\"", "\"")),
            None if text.contains('*') => Meant::Pattern(text.to_owned()),
            None => Meant::Loosely(text.to_owned()),
        };
        if text.is_empty() || meant == Meant::Exactly(String::new()) {
            return Err(Error::usage("A column's name is empty").hint("write a name, or drop it"));
        }
        Ok(Self {
            written: text.to_owned(),
            meant,
        })
    }

    /// The positions of the columns that it means, in their order; at least one.
    ///
    /// A name matches exactly first, then without regard to case if only one fits; a pattern
    /// matches exactly, and without regard to case where nothing does.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] where no column matches, with the nearest name.
    pub fn find(&self, columns: &[&str]) -> Result<Vec<usize>> {
        let those = |matches: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..columns.len())
                .filter(|&i| matches(columns[i]))
                .collect()
        };
        let found = match &self.meant {
            Meant::Exactly(name) => those(&|column| column == name),
            Meant::Loosely(name) => match pick(name, columns.iter().copied()) {
                Some(known) => those(&|column| column == known),
                None => Vec::new(),
            },
            Meant::Pattern(pattern) => {
                let found = those(&|column| is_match(pattern, column));
                if found.is_empty() {
                    let lower = pattern.to_lowercase();
                    those(&|column| is_match(&lower, &column.to_lowercase()))
                } else {
                    found
                }
            }
        };
        if found.is_empty() {
            return Err(self.missing(columns));
        }
        Ok(found)
    }

    fn missing(&self, columns: &[&str]) -> Error {
        let known = columns.iter().copied();
        match &self.meant {
            Meant::Pattern(pattern) => {
                let message = format!("No columns match pattern {pattern}");
                Error::not_found(message, pattern.trim_matches('*'), known)
            }
            Meant::Exactly(name) | Meant::Loosely(name) => {
                Error::not_found(format!("Column \"{name}\" is not selected"), name, known)
            }
        }
    }
}

impl fmt::Display for ColumnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_match(pattern: &str, name: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
    let rest = name
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = rest else {
        return false;
    };
    for part in middle.split('*') {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn columns_are_found_by_name_and_by_pattern() {
        let columns = ["id", "Amount", "amount_net", "a*b", "x_amount"];
        let cases: [(&str, &[usize]); 11] = [
            ("id", &[0]),
            ("ID", &[0]),
            ("amount", &[1]),
            ("amount*", &[2]),
            ("AMOUNT*", &[1, 2]),
            ("*amount*", &[2, 4]),
            ("*", &[0, 1, 2, 3, 4]),
            ("a*t*t", &[2]),
            ("\"a*b\"", &[3]),
            ("x*_*t", &[4]),
            (" id ", &[0]),
        ];
        for (written, expected) in cases {
            let pattern = ColumnPattern::parse(written).unwrap();
            assert_eq!(pattern.find(&columns).unwrap(), expected, "{written}");
        }
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told() {
        let columns = ["id", "amount"];
        let cases = [
            ("amuont", "\"amuont\"", "amount"),
            ("z*", "No columns match pattern z*", "id"),
            ("\"ID\"", "\"ID\"", "id"),
            ("am*am*amount", "pattern", "amount"),
        ];
        for (written, message, hint) in cases {
            let error = ColumnPattern::parse(written).unwrap().find(&columns);
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains(message), "{error}");
            assert!(error.hint_text().unwrap().contains(hint), "{error:#}");
        }
        for empty in ["", "  ", "\"\""] {
            let error = ColumnPattern::parse(empty).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{empty:?}");
        }
    }
}
