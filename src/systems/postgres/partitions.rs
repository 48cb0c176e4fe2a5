//! Declared partitions: the catalog's texts of keys and bounds as typed facts.

use datafusion::scalar::ScalarValue;
use serde::Deserialize;

use super::catalog::Member;
use super::native::{Kind, Native};
use crate::frontend::{
    Bound, PartitionBound, PartitionMethod, Partitions, SourcePartition, SourceTable,
};
use crate::schema::{Column, parse_value, shorten};

/// A partitioned relation of a tree: the table itself, or a partition with partitions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Level {
    oid: i64,
    /// `r`, `l` or `h`.
    method: String,
    /// As `pg_get_partkeydef` writes it: `RANGE (sold_at)`.
    definition: String,
    keys: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Key {
    /// `None` for an expression.
    column: Option<String>,
    /// Whether values compare by the operators that their type has by itself.
    usual: bool,
    /// Whether texts are in the order of their bytes.
    by_bytes: bool,
}

/// A partition of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Part {
    oid: i64,
    parent: i64,
    schema: String,
    name: String,
    /// As `pg_get_expr` writes it.
    bound: Option<String>,
}

/// What the catalog says of one tree of partitions.
pub(super) struct Tree<'a> {
    pub(super) levels: &'a [Level],
    pub(super) parts: &'a [Part],
    pub(super) members: &'a [Member],
    pub(super) table: &'a SourceTable,
    pub(super) utf8: bool,
}

impl Tree<'_> {
    /// The partitions of a relation; `None` where it has none.
    pub(super) fn below(&self, oid: i64) -> Option<Partitions> {
        let level = self.levels.iter().find(|level| level.oid == oid)?;
        let columns = self.key_columns(level);
        let parts = self.parts.iter().filter(|part| part.parent == oid);
        let list: Vec<SourcePartition> = parts.map(|part| self.part(part, &columns)).collect();
        let mut partitions = Partitions {
            method: level.method(),
            definition: level.words().to_owned(),
            keys: columns.iter().map(|column| column.name.clone()).collect(),
            unusable: self.unusable(level, &columns, &list),
            unordered: self.unordered(level, &columns),
            list,
        };
        partitions.sort();
        Some(partitions)
    }

    /// The columns of a key; none at all where a part of it is no column that is read.
    fn key_columns(&self, level: &Level) -> Vec<&Column> {
        let column = |key: &Key| {
            let name = key.column.as_deref()?;
            self.table.columns.iter().find(|column| column.name == name)
        };
        let columns: Option<Vec<&Column>> = level.keys.iter().map(column).collect();
        columns.unwrap_or_default()
    }

    fn part(&self, part: &Part, columns: &[&Column]) -> SourcePartition {
        let parts = self.below(part.oid);
        let (rows, bytes) = match &parts {
            Some(parts) => (
                parts.list.iter().map(|part| part.rows).sum(),
                parts.list.iter().map(|part| part.bytes).sum(),
            ),
            None => self.size(part.oid),
        };
        let name = match part.schema == self.table.name.schema {
            true => part.name.clone(),
            false => format!("{}.{}", part.schema, part.name),
        };
        let text = part.bound.as_deref().unwrap_or_default();
        SourcePartition {
            name,
            bound: bound(text, columns),
            rows,
            bytes,
            parts,
        }
    }

    fn size(&self, oid: i64) -> (Option<u64>, Option<u64>) {
        let member = self.members.iter().find(|member| member.oid == oid);
        let own = member.filter(|member| member.has_pages());
        (own.and_then(Member::rows), own.map(|member| member.bytes))
    }

    fn unusable(
        &self,
        level: &Level,
        columns: &[&Column],
        list: &[SourcePartition],
    ) -> Option<String> {
        if level.keys.iter().any(|key| key.column.is_none()) {
            return Some(format!(
                "a part of the key ({}) is no column",
                level.words()
            ));
        }
        if level.keys.iter().any(|key| !key.usual) {
            return Some("the key has an operator class of its own".to_owned());
        }
        if matches!(
            level.method(),
            PartitionMethod::Range | PartitionMethod::List
        ) {
            let unequal = columns.iter().find_map(|column| self.unequal(column));
            let unread = list.iter().find_map(|part| match &part.bound {
                PartitionBound::Other { text } => Some(format!(
                    "partition \"{}\" has a bound that no value here can have: {}",
                    part.name,
                    shorten(text)
                )),
                _ => None,
            });
            return unequal.or(unread);
        }
        None
    }

    /// Why values that are equal there may differ here.
    fn unequal(&self, column: &Column) -> Option<String> {
        let name = &column.name;
        let Some(native) = Native::parse(&column.native).filter(|native| !native.as_text) else {
            return Some(format!("column \"{name}\" is read as text"));
        };
        let why = match native.kind {
            Kind::Real | Kind::Double => "is a floating-point number",
            Kind::Text | Kind::Varchar(_) | Kind::Bpchar(_) if !native.deterministic => {
                "has a collation that is not deterministic"
            }
            Kind::Text | Kind::Varchar(_) | Kind::Bpchar(_) | Kind::Enum if !self.utf8 => {
                "is text of a database that is not in UTF8"
            }
            Kind::Bpchar(None) => "is text whose blanks at the end do not count",
            Kind::Bpchar(_) | Kind::Enum | Kind::Name | Kind::Char | Kind::Uuid => return None,
            Kind::Text | Kind::Varchar(_) => return None,
            _ if column.canonical.is_text() => "is read as text that others may be equal to",
            _ => return None,
        };
        Some(format!("column \"{name}\" {why}"))
    }

    fn unordered(&self, level: &Level, columns: &[&Column]) -> Option<String> {
        let keys = level.keys.iter().zip(columns);
        let mut reasons = keys.filter_map(|(key, column)| {
            let kind = Native::parse(&column.native)?.kind;
            let why = match kind {
                Kind::Text | Kind::Varchar(_) if !key.by_bytes || !self.utf8 => {
                    "is text that a collation orders"
                }
                Kind::Text | Kind::Varchar(_) | Kind::Uuid => return None,
                Kind::Bpchar(_) => "is text whose blanks at the end do not count",
                Kind::Enum => "is an enum, in an order of its own",
                _ if column.canonical.is_text() => "is read as text",
                _ => return None,
            };
            Some(format!("column \"{}\" {why}", column.name))
        });
        reasons.next()
    }
}

impl Level {
    fn method(&self) -> PartitionMethod {
        match self.method.as_str() {
            "r" => PartitionMethod::Range,
            "l" => PartitionMethod::List,
            "h" => PartitionMethod::Hash,
            _ => PartitionMethod::Other,
        }
    }

    /// The definition without its method: `sold_at, lower(region)`.
    fn words(&self) -> &str {
        let inner = self.definition.split_once('(').map(|(_, rest)| rest);
        inner
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or(&self.definition)
    }
}

/// The typed bound of a partition.
fn bound(text: &str, columns: &[&Column]) -> PartitionBound {
    let other = || PartitionBound::Other {
        text: text.to_owned(),
    };
    let typed = match parse(text) {
        Some(Words::Hash) => Some(PartitionBound::Hash),
        Some(Words::Default) => Some(PartitionBound::Default),
        Some(Words::List(words)) => {
            let rows: Option<Vec<Vec<_>>> = words
                .into_iter()
                .map(|word| value(word, columns.first()?).map(|value| vec![value]))
                .collect();
            rows.map(|values| PartitionBound::List { values })
        }
        Some(Words::Range(lower, upper)) => match (ends(lower, columns), ends(upper, columns)) {
            (Some(lower), Some(upper)) => Some(PartitionBound::Range { lower, upper }),
            _ => None,
        },
        None => None,
    };
    typed.unwrap_or_else(other)
}

fn ends(words: Vec<Word>, columns: &[&Column]) -> Option<Vec<Bound>> {
    if words.len() != columns.len() {
        return None;
    }
    words
        .into_iter()
        .zip(columns)
        .map(|(word, column)| {
            Some(match word {
                Word::Min => Bound::Min,
                Word::Max => Bound::Max,
                // No value that can be read is beyond them.
                Word::Value(text) if text == "infinity" && is_temporal(column) => Bound::Max,
                Word::Value(text) if text == "-infinity" && is_temporal(column) => Bound::Min,
                word => Bound::Value(value(word, column)?),
            })
        })
        .collect()
}

fn is_temporal(column: &Column) -> bool {
    column.canonical.to_arrow().is_temporal()
}

fn value(word: Word, column: &Column) -> Option<ScalarValue> {
    let arrow = column.canonical.to_arrow();
    match word {
        Word::Null => ScalarValue::try_new_null(&arrow).ok(),
        Word::Value(text) => {
            // Bytes have a prefix; the rest is written as everybody writes it.
            let hex = text.strip_prefix("\\x").filter(|_| arrow.is_binary());
            parse_value(hex.unwrap_or(&text), column.canonical).ok()
        }
        Word::Min | Word::Max => None,
    }
}

/// A constant of a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Min,
    Max,
    Null,
    Value(String),
}

/// A bound as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Words {
    Range(Vec<Word>, Vec<Word>),
    List(Vec<Word>),
    Hash,
    Default,
}

/// Reads what `pg_get_expr` writes of `pg_class.relpartbound`.
fn parse(text: &str) -> Option<Words> {
    if text == "DEFAULT" {
        return Some(Words::Default);
    }
    let values = text.strip_prefix("FOR VALUES ")?;
    if values.starts_with("WITH (") {
        return Some(Words::Hash);
    }
    if let Some(list) = values.strip_prefix("IN ") {
        let (words, rest) = constants(list)?;
        return rest.is_empty().then_some(Words::List(words));
    }
    let (lower, rest) = constants(values.strip_prefix("FROM ")?)?;
    let (upper, rest) = constants(rest.strip_prefix(" TO ")?)?;
    rest.is_empty().then_some(Words::Range(lower, upper))
}

/// The constants between parentheses, and what follows them.
fn constants(text: &str) -> Option<(Vec<Word>, &str)> {
    let mut words = Vec::new();
    let mut rest = text.strip_prefix('(')?;
    loop {
        let (word, after) = constant(rest.trim_start())?;
        words.push(word);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some((words, after.strip_prefix(')')?)),
        }
    }
}

fn constant(text: &str) -> Option<(Word, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted_text(quoted)?;
        return Some((Word::Value(value), rest));
    }
    let end = text.find([',', ')'])?;
    let word = match &text[..end] {
        "MINVALUE" => Word::Min,
        "MAXVALUE" => Word::Max,
        "NULL" => Word::Null,
        bare => Word::Value(bare.to_owned()),
    };
    Some((word, &text[end..]))
}

/// The text up to the closing quote, doubled quotes made single, and what follows.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(next) => {
                value.push('\'');
                rest = next;
            }
            None => return Some((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(texts: &[&str]) -> Vec<Word> {
        let word = |text: &&str| Word::Value((*text).to_owned());
        texts.iter().map(word).collect()
    }

    #[test]
    fn bounds_are_read_as_the_server_writes_them() {
        let range = |lower, upper| Some(Words::Range(lower, upper));
        let table = [
            ("DEFAULT", Some(Words::Default)),
            (
                "FOR VALUES WITH (modulus 4, remainder 0)",
                Some(Words::Hash),
            ),
            (
                "FOR VALUES FROM ('-5', '-1.50', 'a''b\\c\"') TO (3, 2.00, MAXVALUE)",
                range(
                    values(&["-5", "-1.50", "a'b\\c\""]),
                    [values(&["3", "2.00"]), vec![Word::Max]].concat(),
                ),
            ),
            (
                "FOR VALUES FROM (MINVALUE) TO ('),(''')",
                range(vec![Word::Min], values(&["),('"])),
            ),
            (
                "FOR VALUES IN (NULL, 'NULL', true, '')",
                Some(Words::List(
                    [vec![Word::Null], values(&["NULL", "true", ""])].concat(),
                )),
            ),
            ("FOR VALUES IN ('a", None),
            ("FOR VALUES IN ('a') x", None),
            ("FOR VALUES FROM (1) UNTIL (2)", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_value_is_read_back(texts in prop::collection::vec(".{0,12}", 1..5)) {
            let quoted: Vec<String> =
                texts.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
            let read = parse(&format!("FOR VALUES IN ({})", quoted.join(", ")));
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(read, Some(Words::List(values(&texts))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = parse(&format!("FOR VALUES FROM ({text}"));
        }
    }
}
