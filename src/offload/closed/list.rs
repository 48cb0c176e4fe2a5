//! Windows of whole list partitions, by their names or by the values that they hold.

use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use super::key::{one_of, typed, written};
use super::range::{never_closed, unknown};
use super::request::EQUAL_TO;
use super::{OffloadType, Unit, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{PartitionBound, Partitions, SourcePartition, value_text};
use crate::schema::{Column, pick};

/// The list partitions of a table.
pub(super) struct Lists<'a> {
    pub(super) partitions: &'a Partitions,
    pub(super) keys: Vec<&'a Column>,
}

/// Which partitions are asked for.
pub(super) enum Choice<'a> {
    All,
    Names(&'a [String]),
    /// The values of one partition each.
    Values(&'a [String]),
}

impl Lists<'_> {
    /// The window of some partitions.
    pub(super) fn window(&self, choice: &Choice, offload_type: OffloadType) -> Result<Window> {
        let chosen: Vec<String> = match choice {
            Choice::All => self.valued().map(|(part, _)| part.name.clone()).collect(),
            Choice::Names(names) => self.all(names, |name| self.named(name))?,
            Choice::Values(texts) => self.all(texts, |text| self.holding(text))?,
        };
        let open = |name: &&String| !self.valued().any(|(part, _)| part.name == **name);
        let full = offload_type == OffloadType::Full;
        if let Some(name) = chosen.iter().find(open).filter(|_| !full) {
            return Err(never_closed(name, false));
        }
        let is_chosen = |part: &SourcePartition| chosen.contains(&part.name);
        let units: Vec<Unit> = self
            .valued()
            .filter(|(part, _)| full || is_chosen(part))
            .map(|(part, values)| self.unit(part, values))
            .collect();
        let chosen_rows = self.valued().filter(|(part, _)| is_chosen(part));
        let values: Vec<Vec<ScalarValue>> = chosen_rows
            .flat_map(|(_, values)| values.to_vec())
            .collect();
        let boundary = one_of(&self.keys, &values);
        if full {
            let rest = self.rest(&units);
            return Ok(Window {
                predicate: lit(true),
                boundary: Some(boundary),
                units: units.into_iter().chain([rest]).collect(),
                notes: Vec::new(),
            });
        }
        let notes = match choice {
            Choice::All => self.left_out(),
            _ => Vec::new(),
        };
        Ok(Window {
            predicate: boundary,
            boundary: None,
            units,
            notes,
        })
    }

    fn all(&self, asked: &[String], find: impl Fn(&str) -> Result<String>) -> Result<Vec<String>> {
        asked.iter().map(|asked| find(asked)).collect()
    }

    /// The partitions that hold values.
    fn valued(&self) -> impl Iterator<Item = (&SourcePartition, &[Vec<ScalarValue>])> {
        let list = self.partitions.list.iter();
        list.filter_map(|part| match &part.bound {
            PartitionBound::List { values } => Some((part, values.as_slice())),
            _ => None,
        })
    }

    /// The partitions that hold what no other does.
    fn others(&self) -> impl Iterator<Item = &str> {
        let valued = |part: &SourcePartition| matches!(part.bound, PartitionBound::List { .. });
        let list = self.partitions.list.iter();
        list.filter(move |part| !valued(part))
            .map(|part| part.name.as_str())
    }

    fn named(&self, name: &str) -> Result<String> {
        let known = || self.partitions.list.iter().map(|part| part.name.as_str());
        pick(name, known())
            .map(str::to_owned)
            .ok_or_else(|| unknown(name, known()))
    }

    /// The partition that holds exactly these values, in any order.
    fn holding(&self, text: &str) -> Result<String> {
        if text.trim().eq_ignore_ascii_case("default") {
            let default = self.others().next().map(str::to_owned);
            return default.ok_or_else(|| {
                let text = "No partition holds what no other does (DEFAULT)";
                Error::new(ErrorKind::NotFound, text).hint("name the values of a partition")
            });
        }
        let [key] = self.keys.as_slice() else {
            return Err(Error::unsupported(format!(
                "{EQUAL_TO} takes keys of one column, and this one has {}",
                self.keys.len()
            ))
            .hint("name the partitions by --partition-names"));
        };
        let asked: Result<Vec<ScalarValue>> = written(EQUAL_TO, text)?
            .iter()
            .map(|value| typed(EQUAL_TO, value, key))
            .collect();
        let asked = asked?;
        let holds = |values: &[Vec<ScalarValue>], value: &ScalarValue| {
            values.iter().any(|row| row.first() == Some(value))
        };
        let exactly = |values: &[Vec<ScalarValue>]| {
            asked.iter().all(|value| holds(values, value))
                && values.iter().flatten().all(|value| asked.contains(value))
        };
        let found = self.valued().find(|(_, values)| exactly(values));
        match found {
            Some((part, _)) => Ok(part.name.clone()),
            None => Err(self.no_such_values(&asked, holds)),
        }
    }

    fn no_such_values(
        &self,
        asked: &[ScalarValue],
        holds: impl Fn(&[Vec<ScalarValue>], &ScalarValue) -> bool,
    ) -> Error {
        let texts: Vec<String> = asked.iter().map(value_text).collect();
        let text = format!("No partition holds exactly {}", texts.join(", "));
        let near = self
            .valued()
            .find(|(_, values)| asked.iter().any(|value| holds(values, value)));
        match near {
            Some((part, _)) => Error::new(ErrorKind::NotFound, text).hint(format!(
                "partition \"{}\" holds {}: partitions are taken whole",
                part.name, part.bound
            )),
            None => {
                let bounds: Vec<String> = self
                    .valued()
                    .map(|(part, _)| part.bound.to_string())
                    .collect();
                Error::not_found(text, &texts.join(", "), bounds.iter().map(String::as_str))
            }
        }
    }

    fn unit(&self, part: &SourcePartition, values: &[Vec<ScalarValue>]) -> Unit {
        Unit {
            rows: part.rows,
            bytes: part.bytes,
            ..Unit::new(&[&part.name], one_of(&self.keys, values))
        }
    }

    /// All rows that are in none of these units.
    fn rest(&self, units: &[Unit]) -> Unit {
        let names: Vec<&str> = self.others().collect();
        let listed = units.iter().map(|unit| unit.predicate.clone());
        let predicate = match listed.reduce(Expr::or) {
            Some(listed) => listed.is_not_true(),
            None => lit(true),
        };
        Unit::new(&names, predicate)
    }

    fn left_out(&self) -> Vec<String> {
        let note = |name| {
            format!("Partition \"{name}\" is left out: it takes what no other does (OUT-OF-LIST)")
        };
        self.others().map(note).collect()
    }
}
