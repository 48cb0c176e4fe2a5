//! What has changed since a target was filled last: the offload, its source, its target.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::verify::stored_proof;
use super::{Runner, planning};
use crate::backend::TargetColumn;
use crate::error::{Error, Result};
use crate::offload::{Offload, OffloadSpec, Record, Take};
use crate::schema::TableName;

/// What has changed since the last run, each difference a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Changes {
    /// The target.
    pub target: TableName,
    /// What was covered by the last run; `None` if nothing ever was.
    pub covered: Option<String>,
    /// What the offload says otherwise.
    pub definition: Vec<String>,
    /// What the columns of the source are otherwise.
    pub source: Vec<String>,
    /// What was changed at the target by others.
    pub target_columns: Vec<String>,
    /// The rows of the next run, in words.
    pub window: Option<String>,
    /// Rows of the source by its statistics.
    pub rows_expected: Option<u64>,
    /// Why it can't be run as things are.
    pub refused: Option<String>,
}

impl Changes {
    /// Whether everything is as it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = [&self.definition, &self.source, &self.target_columns];
        lists.iter().all(|list| list.is_empty())
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.covered {
            Some(covered) => writeln!(f, "Since {} was filled with {covered}:", self.target)?,
            None => writeln!(f, "Nothing was ever offloaded to {}.", self.target)?,
        }
        let lists = [
            ("Offload", &self.definition),
            ("Source", &self.source),
            ("Target", &self.target_columns),
        ];
        for (what, lines) in lists.iter().filter(|_| self.covered.is_some()) {
            if lines.is_empty() {
                writeln!(f, "{what:<9} as it was")?;
            }
            for line in *lines {
                writeln!(f, "{what:<9} {line}")?;
            }
        }
        if let Some(window) = &self.window {
            writeln!(f, "Next run  {window}")?;
        }
        if let Some(rows) = self.rows_expected {
            writeln!(f, "Rows      about {rows} in the source")?;
        }
        match &self.refused {
            Some(why) => writeln!(f, "Refused   {why}"),
            None => Ok(()),
        }
    }
}

impl Runner {
    /// What has changed since the last run of an offload's target; nothing is written.
    ///
    /// # Errors
    /// Whatever the target's system says, and its record if it does not parse.
    pub async fn changes(&self, offload: &Offload) -> Result<Changes> {
        let name = offload.target();
        let backend = self.connections.backend(&name.connection)?;
        let existing = backend.describe(&name.schema, &name.table).await?;
        let mut changes = Changes {
            target: name.clone(),
            covered: None,
            definition: Vec::new(),
            source: Vec::new(),
            target_columns: Vec::new(),
            window: None,
            rows_expected: None,
            refused: None,
        };
        let stored = existing.as_ref().and_then(|table| table.record.as_ref());
        if let (Some(table), Some(stored)) = (&existing, stored) {
            let record = Record::read(&stored.body)?;
            changes.covered = Some(record.coverage.to_string());
            changes.definition = definitions(&record.offload, offload.spec())?;
            let before = stored_proof(backend.as_ref(), name, stored).await;
            let before = before.map(|proof| proof.columns).unwrap_or_default();
            let then = native(&before, |column| &column.native);
            let now = table.columns.iter();
            let now: Vec<_> = now.map(|c| (c.name.clone(), c.native.clone())).collect();
            changes.target_columns = columns(&then, &now);
            if let Ok(after) = self.source_columns(offload).await {
                let of_source = |list| native(list, |column: &TargetColumn| &column.source);
                changes.source = columns(&of_source(&before), &of_source(&after));
            }
        }
        match self.plan(offload, &Take::New).await {
            Ok(plan) => {
                if plan.nothing_to_do().is_none() {
                    changes.rows_expected = plan.rows_expected();
                }
                changes.window = Some(match plan.nothing_to_do() {
                    Some(why) => format!("nothing to do: {why}"),
                    None => plan.window.rows.to_string(),
                });
            }
            Err(error) => changes.refused = Some(error.message().to_owned()),
        }
        Ok(changes)
    }

    /// The columns that the offload gives now.
    async fn source_columns(&self, offload: &Offload) -> Result<Vec<TargetColumn>> {
        let sides = self.describe(offload).await?;
        let (_, mapped) = planning::project_all(&sides, offload)?;
        Ok(mapped.definition.columns)
    }
}

fn native<'a>(
    columns: &'a [TargetColumn],
    native: impl Fn(&'a TargetColumn) -> &'a String,
) -> Vec<(String, String)> {
    let pair = |column: &'a TargetColumn| (column.name.clone(), native(column).clone());
    columns.iter().map(pair).collect()
}

/// How columns differ by name and native type.
fn columns(then: &[(String, String)], now: &[(String, String)]) -> Vec<String> {
    let find = |list: &[(String, String)], name: &str| {
        let found = list.iter().find(|(known, _)| known == name);
        found.map(|(_, native)| native.clone())
    };
    let mut lines = Vec::new();
    for (name, before) in then {
        match find(now, name) {
            None => lines.push(format!("- {name} {before}")),
            Some(after) if after != *before => lines.push(format!("~ {name} {before} -> {after}")),
            Some(_) => {}
        }
    }
    let new = now.iter().filter(|(name, _)| find(then, name).is_none());
    lines.extend(new.map(|(name, native)| format!("+ {name} {native}")));
    lines
}

/// What of an offload's meaning differs. How it is run is left out.
fn definitions(then: &OffloadSpec, now: &OffloadSpec) -> Result<Vec<String>> {
    let (then, now) = (meaning(then)?, meaning(now)?);
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let shown = |fields: &Map<String, Value>, name: &str| match fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    let changed = names
        .into_iter()
        .filter(|name| then.get(*name) != now.get(*name));
    Ok(changed
        .map(|name| format!("~ {name}: {} -> {}", shown(&then, name), shown(&now, name)))
        .collect())
}

fn meaning(spec: &OffloadSpec) -> Result<Map<String, Value>> {
    const LEFT_OUT: [&str; 9] = [
        "name",
        "from",
        "select",
        "filter",
        "parallel",
        "memory",
        "transport",
        "reset",
        "verify",
    ];
    let query = spec.validate()?.query().to_owned();
    let fields = serde_json::to_value(spec).map_err(|error| Error::internal(error.to_string()))?;
    let Value::Object(mut fields) = fields else {
        return Err(Error::internal("An offload is no JSON object"));
    };
    fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    fields.insert("query".to_owned(), Value::String(query));
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_new_gone_or_changed() {
        let list = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
            pairs.iter().map(own).collect()
        };
        let then = list(&[("a", "INT"), ("b", "TEXT"), ("c", "DATE")]);
        let now = list(&[("a", "INT"), ("b", "VARCHAR"), ("d", "BLOB")]);
        assert_eq!(
            columns(&then, &now),
            ["~ b TEXT -> VARCHAR", "- c DATE", "+ d BLOB"]
        );
        assert!(columns(&then, &then).is_empty());
    }

    #[test]
    fn one_offload_written_in_two_ways_is_one() {
        let flags = OffloadSpec {
            from: Some("a.b.c".to_owned()),
            filter: Some("x > 1".to_owned()),
            to: "d.e.f".to_owned(),
            ..OffloadSpec::default()
        };
        let statement = OffloadSpec {
            name: Some("n".to_owned()),
            query: Some("SELECT * FROM a.b.c WHERE x > 1".to_owned()),
            to: "d.e.f".to_owned(),
            parallel: Some(3),
            ..OffloadSpec::default()
        };
        assert!(definitions(&flags, &statement).unwrap().is_empty());
        let other = OffloadSpec {
            partition_by: vec!["x".to_owned()],
            ..statement.clone()
        };
        let lines = definitions(&statement, &other).unwrap();
        assert_eq!(lines, ["~ partition_by: nothing -> [\"x\"]"]);
    }
}
