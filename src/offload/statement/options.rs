//! `WITH (name = value, …)`: every option of an offload that has no clause of its own.
//!
//! The names and types are those of [`OffloadSpec`] itself, so a new field of it is an option too.

use std::collections::BTreeMap;
use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::Token;
use serde::Deserialize;
use serde::de::value::Error as FieldError;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::{Map, Value};

use super::reader::Reader;
use crate::config::parse_bytes;
use crate::error::{Error, Result};
use crate::offload::OffloadSpec;

/// The fields of an offload that clauses say.
pub(super) const CLAUSES: [&str; 10] = [
    "name",
    "from",
    "query",
    "select",
    "filter",
    "to",
    "partition_by",
    "cluster_by",
    "incremental_by",
    "until",
];

/// Options to put into an offload: checked one by one, `NULL` where one is to be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, Value>);

impl Options {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An offload with these options in place of its own.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for an offload that is no JSON.
    pub fn apply(&self, spec: &OffloadSpec) -> Result<OffloadSpec> {
        let broken = |error: serde_json::Error| Error::internal(error.to_string());
        let mut fields = fields(spec)?;
        for (name, value) in &self.0 {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        serde_json::from_value(Value::Object(fields)).map_err(broken)
    }
}

/// An offload as JSON, what says nothing left out.
pub(super) fn fields(spec: &OffloadSpec) -> Result<Map<String, Value>> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::internal("An offload is no JSON object")),
        Err(error) => Err(Error::internal(error.to_string())),
    }
}

/// The names of all options, in the order of their fields.
#[must_use]
pub fn option_names() -> Vec<&'static str> {
    let mut names = FieldNames(&[]);
    // It fails on purpose once it knows the names.
    let _ = OffloadSpec::deserialize(&mut names);
    let options = names.0.iter().copied();
    options.filter(|name| !CLAUSES.contains(name)).collect()
}

/// Reads options in parentheses.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Options> {
    let known = option_names();
    let mut options = BTreeMap::new();
    for (at, name, value) in assignments(reader)? {
        let name = name.to_lowercase();
        if !known.contains(&name.as_str()) {
            return Err(if CLAUSES.contains(&name.as_str()) {
                reader
                    .wrong_words(at..at + 1, "is a clause, not an option".to_owned())
                    .hint("write it before AS: PARTITIONED BY (…), INCREMENTAL BY (…) UNTIL (…)")
            } else {
                reader.unknown(at, "option of an offload", &name, &known)
            });
        }
        let value = fitting(reader, &name, value)?;
        if options.insert(name, value).is_some() {
            return Err(reader.wrong_words(at..at + 1, "is said twice".to_owned()));
        }
    }
    Ok(Options(options))
}

/// `(name = value, …)` as the place of each name, the name, and the words of the value.
pub(super) fn assignments(reader: &mut Reader<'_>) -> Result<Vec<(usize, String, Range<usize>)>> {
    let inside = reader.parenthesised()?;
    let after = reader.at();
    let mut found = Vec::new();
    for item in reader.items(inside)? {
        reader.go_to(item.start);
        let name = reader.name("an option's name")?;
        reader.sign(&Token::Eq, "=")?;
        if reader.at() >= item.end {
            return Err(reader.expected("the option's value"));
        }
        found.push((item.start, name, reader.at()..item.end));
    }
    reader.go_to(after);
    Ok(found)
}

/// The value in the form that its field takes: a size as a number, one of a list as a list.
fn fitting(reader: &Reader<'_>, name: &str, words: Range<usize>) -> Result<Value> {
    let written = value(reader, words.clone())?;
    if written.is_null() {
        return Ok(written);
    }
    let size = written.as_str().and_then(|text| parse_bytes(text).ok());
    let mut forms = vec![written.clone()];
    forms.extend(size.map(Value::from));
    if !written.is_array() && !written.is_object() {
        forms.push(Value::Array(vec![written]));
    }
    let mut why = String::new();
    for form in forms {
        let mut field = Map::new();
        field.insert(name.to_owned(), form.clone());
        match serde_json::from_value::<OffloadSpec>(Value::Object(field)) {
            Ok(_) => return Ok(form),
            Err(error) if why.is_empty() => why = error.to_string(),
            Err(_) => {}
        }
    }
    Err(reader.wrong_words(words, format!("is no value of {name}: {why}")))
}

/// A number, a text, a word, a list `(a, b)` or a map `(a = b, c = d)`.
fn value(reader: &Reader<'_>, words: Range<usize>) -> Result<Value> {
    if *reader.token(words.start) != Token::LParen {
        return scalar(reader, words);
    }
    let inside = words.start + 1..words.end.saturating_sub(1);
    if inside.is_empty() || *reader.token(inside.end) != Token::RParen {
        return Err(reader.wrong_words(words, "is no list".to_owned()));
    }
    let items = reader.items(inside)?;
    let is_map = |item: &Range<usize>| *reader.token(item.start + 1) == Token::Eq;
    if !items.iter().all(is_map) {
        let parts = items.into_iter().map(|item| scalar(reader, item));
        return Ok(Value::Array(parts.collect::<Result<_>>()?));
    }
    let mut map = Map::new();
    for item in items {
        let Token::Word(word) = reader.token(item.start) else {
            return Err(reader.wrong_words(item, "names nothing".to_owned()));
        };
        let part = scalar(reader, item.start + 2..item.end)?;
        map.insert(word.value.clone(), part);
    }
    Ok(Value::Object(map))
}

fn scalar(reader: &Reader<'_>, words: Range<usize>) -> Result<Value> {
    let token = |ahead: usize| reader.token(words.start + ahead);
    let number = |text: String| text.parse::<i64>().map_or(Value::String(text), Value::from);
    match (words.len(), token(0), token(1)) {
        (1, Token::Number(digits, _), _) => Ok(number(digits.clone())),
        (2, Token::Minus, Token::Number(digits, _)) => Ok(number(format!("-{digits}"))),
        (1, Token::SingleQuotedString(text), _) => Ok(Value::String(text.clone())),
        (1, Token::Word(word), _) if word.quote_style.is_some() => {
            Ok(Value::String(word.value.clone()))
        }
        (1, Token::Word(word), _) => Ok(match word.value.to_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => Value::String(word.value.clone()),
        }),
        _ => Err(reader
            .wrong_words(words, "is no single value".to_owned())
            .hint("write a number, a word or a 'text'")),
    }
}

/// Learns the names of a struct's fields from its own deserializer.
struct FieldNames(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut FieldNames {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldError> {
        Err(FieldError::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FieldError> {
        self.0 = fields;
        Err(FieldError::custom("its fields are known"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<OffloadSpec> {
        read(&mut Reader::new(text)?)?.apply(&OffloadSpec::default())
    }

    #[test]
    fn every_field_is_a_clause_or_an_option() {
        let names = option_names();
        for name in [
            "parallel",
            "verify",
            "transport",
            "memory",
            "reset",
            "read_as",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(!names.contains(&"query"));
    }

    #[test]
    fn values_take_the_form_of_their_field() {
        let spec = options(
            "(parallel = 4, VERIFY = count, memory = '512MB', reset = true,
              read_as = (born = 'julian', \"Note\" = text))",
        )
        .unwrap();
        assert_eq!(spec.parallel, Some(4));
        assert_eq!(
            spec.verify.map(|level| level.to_string()).as_deref(),
            Some("count")
        );
        assert_eq!(spec.memory, Some(512 << 20));
        assert!(spec.reset);
        assert_eq!(spec.read_as["born"], "julian");
        assert_eq!(spec.read_as["Note"], "text");
    }

    #[test]
    fn a_wrong_option_is_named() {
        let table = [
            ("(paralel = 4)", "paralel", "did you mean parallel?"),
            ("(parallel = 'many')", "'many'", ""),
            ("(parallel = 4, parallel = 5)", "twice", ""),
            ("(until = 4)", "clause", ""),
            ("(parallel 4)", "=", ""),
            ("(parallel =)", "value", ""),
            ("(parallel = 1 + 1)", "1 + 1", ""),
            ("(read_as = ((a)))", "single", ""),
            ("()", "nothing", ""),
            ("(parallel = 4", "closed", ""),
        ];
        for (text, says, hint) in table {
            let error = options(text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage, "{text}");
            assert!(error.message().contains(says), "{text}: {error}");
            assert!(
                error.hint_text().unwrap().contains(hint),
                "{text}: {error:#}"
            );
        }
    }
}
