//! `goe describe`: the columns of a table on either side, and the partitions of a source.

use clap::Args;
use serde_json::{Value, json};

use super::screen::printable;
use super::stop::Done;
use super::{Context, figures, request, tables};
use crate::error::{Error, Result};
use crate::frontend::{OpenOptions, Partitions, SourcePartition, SourceTable};
use crate::schema::{Column, TableName};
use crate::systems::Connections;

/// Show the columns of a table with their canonical types, and its partitions
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  goe describe shop.main.orders\n  \
                        goe describe 'sqlite:shop.db#main.orders'")]
pub(super) struct Describe {
    /// CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "TABLE")]
    table: String,
}

/// What is shown of a source or a target.
struct Description {
    columns: Vec<Column>,
    facts: Vec<(&'static str, String)>,
    partitions: Option<Partitions>,
}

impl Describe {
    pub(super) async fn run(self, context: &Context) -> Done {
        let config = context.config()?;
        let name = request::complete(&self.table, config.defaults().from.as_deref());
        let name = TableName::parse(&name)?;
        let connections = Connections::new(config);
        let description = if connections.system(&name.connection)?.frontend.is_some() {
            describe_source(&connections, &name).await?
        } else {
            describe_target(&connections, &name).await?
        };
        let screen = context.screen;
        if screen.is_json() {
            return screen.json(&description.as_json());
        }
        for (key, value) in &description.facts {
            screen.line(format_args!("{key}: {value}"))?;
        }
        screen.listing(
            [
                "COLUMN",
                "TYPE",
                "CANONICAL",
                "ARROW",
                "NULLS",
                "MAPPING",
                "WHY",
            ],
            description.columns.iter().map(cells),
        )?;
        let Some(partitions) = &description.partitions else {
            return Ok(());
        };
        screen.line("")?;
        screen.listing(
            ["PARTITION", "HOLDS", "ROWS, ABOUT", "SIZE, ABOUT"],
            lines(partitions, 0),
        )
    }
}

/// A line for each partition, its own parts below it and set in.
fn lines(partitions: &Partitions, depth: usize) -> Vec<[String; 4]> {
    let line = |part: &SourcePartition| {
        let name = printable(&part.name);
        let by = part.parts.as_ref().map(|parts| format!(", by {parts}"));
        [
            format!("{}{name}", "  ".repeat(depth)),
            format!("{}{}", part.bound, by.unwrap_or_default()),
            part.rows.map(figures::count).unwrap_or_default(),
            part.bytes.map(figures::bytes).unwrap_or_default(),
        ]
    };
    let with_parts = |part: &SourcePartition| {
        let below = part.parts.as_ref().map(|parts| lines(parts, depth + 1));
        std::iter::once(line(part)).chain(below.unwrap_or_default())
    };
    partitions.list.iter().flat_map(with_parts).collect()
}

fn partitions_json(partitions: &Partitions) -> Value {
    let part = |part: &SourcePartition| {
        json!({
            "name": part.name,
            "bound": part.bound.to_string(),
            "rows": part.rows,
            "bytes": part.bytes,
            "partitions": part.parts.as_ref().map(partitions_json),
        })
    };
    json!({
        "method": partitions.method.to_string(),
        "definition": partitions.definition,
        "keys": partitions.keys,
        "unusable": partitions.unusable,
        "unordered": partitions.unordered,
        "list": partitions.list.iter().map(part).collect::<Vec<_>>(),
    })
}

async fn describe_source(connections: &Connections, name: &TableName) -> Result<Description> {
    let frontend = connections.frontend(&name.connection)?;
    let source = frontend
        .open(&name.schema, &name.table, &OpenOptions::default())
        .await?;
    let table = source.table();
    Ok(Description {
        columns: table.columns.clone(),
        facts: source_facts(table),
        partitions: table.partitions.clone(),
    })
}

fn source_facts(table: &SourceTable) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("table", table.name.to_string()),
        ("kind", table.kind.word().to_owned()),
    ];
    facts.extend(
        table
            .comment
            .iter()
            .map(|comment| ("comment", comment.clone())),
    );
    if !table.primary_key.is_empty() {
        facts.push(("primary key", table.primary_key.join(", ")));
    }
    if let Some(partitions) = &table.partitions {
        facts.push(("partitioned by", partitions.to_string()));
        let why = partitions.no_ranges().map(str::to_owned);
        facts.extend(why.map(|why| ("no windows by partition", why)));
    }
    facts.extend(table.rows.map(|rows| ("rows, about", figures::count(rows))));
    facts.extend(
        table
            .bytes
            .map(|bytes| ("size, about", figures::bytes(bytes))),
    );
    facts
}

async fn describe_target(connections: &Connections, name: &TableName) -> Result<Description> {
    let backend = connections.backend(&name.connection)?;
    let Some(target) = backend.describe(&name.schema, &name.table).await? else {
        return Err(missing(connections, name).await);
    };
    let mut facts = vec![
        ("table", target.name.to_string()),
        (
            "version",
            target.version.trim_start_matches("version ").to_owned(),
        ),
    ];
    if !target.partition_columns.is_empty() {
        facts.push(("partitioned by", target.partition_columns.join(", ")));
    }
    facts.extend(target.rows.map(|rows| ("rows", figures::count(rows))));
    let record = target.record.map_or_else(
        || "none: goe did not make this table".to_owned(),
        |record| format!("{} published", figures::counted(record.sequence, "chunk")),
    );
    facts.push(("record", record));
    Ok(Description {
        columns: target.columns,
        facts,
        partitions: None,
    })
}

async fn missing(connections: &Connections, name: &TableName) -> Error {
    let known = tables::entries(connections, &name.connection)
        .await
        .unwrap_or_default();
    let known = known.iter().map(|entry| entry.table.as_str());
    Error::not_found(format!("Table {name} does not exist"), &name.table, known)
}

fn cells(column: &Column) -> [String; 7] {
    [
        column.name.clone(),
        column.native.clone(),
        column.canonical.to_string(),
        column.canonical.to_arrow().to_string(),
        if column.nullable { "yes" } else { "no" }.to_owned(),
        column.fidelity.to_string(),
        column.reason.clone().unwrap_or_default(),
    ]
}

impl Description {
    fn as_json(&self) -> Value {
        let column = |column: &Column| {
            json!({
                "name": column.name,
                "type": column.native,
                "canonical": column.canonical.to_string(),
                "arrow": column.canonical.to_arrow().to_string(),
                "nullable": column.nullable,
                "fidelity": column.fidelity,
                "reason": column.reason,
                "comment": column.comment,
            })
        };
        let mut value = json!({ "columns": self.columns.iter().map(column).collect::<Vec<_>>() });
        for (key, fact) in &self.facts {
            let plain: String = key.split(',').next().unwrap_or_default().replace(' ', "_");
            value[plain] = json!(fact);
        }
        if let Some(partitions) = &self.partitions {
            value["partitions"] = partitions_json(partitions);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use datafusion::scalar::ScalarValue;

    use super::*;
    use crate::frontend::{Bound, PartitionBound, PartitionMethod};

    fn partitions(method: PartitionMethod, key: &str, list: Vec<SourcePartition>) -> Partitions {
        Partitions {
            method,
            definition: key.to_owned(),
            keys: vec![key.to_owned()],
            unusable: None,
            unordered: None,
            list,
        }
    }

    fn part(name: &str, bound: PartitionBound, parts: Option<Partitions>) -> SourcePartition {
        SourcePartition {
            name: name.to_owned(),
            bound,
            rows: Some(1500),
            bytes: None,
            parts,
        }
    }

    #[test]
    fn partitions_stand_below_what_they_are_part_of() {
        let year = |days| Bound::Value(ScalarValue::Date32(Some(days)));
        let range = PartitionBound::Range {
            lower: vec![Bound::Min],
            upper: vec![year(18_262)],
        };
        let below = partitions(
            PartitionMethod::Range,
            "d",
            vec![part("old\n", range, None)],
        );
        let list = PartitionBound::List {
            values: vec![vec![ScalarValue::from("a")], vec![ScalarValue::Utf8(None)]],
        };
        let all = vec![
            part("a", list, Some(below)),
            part("rest", PartitionBound::Default, None),
        ];
        let all = partitions(PartitionMethod::List, "k", all);
        let shown: Vec<String> = lines(&all, 0).iter().map(|row| row.join("|")).collect();
        assert_eq!(
            shown.join("\n"),
            "a|'a', NULL, by RANGE (d)|1,500|\n  old\\n|MINVALUE to 2020-01-01|1,500|\n\
             rest|DEFAULT|1,500|"
        );
        let json = partitions_json(&all);
        assert_eq!(json["method"], "LIST");
        let inner = &json["list"][0]["partitions"]["list"][0];
        assert_eq!(inner["bound"], "MINVALUE to 2020-01-01");
        assert_eq!(json["list"][1]["partitions"], Value::Null);
    }
}
