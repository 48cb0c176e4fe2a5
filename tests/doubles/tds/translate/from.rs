//! FROM: tables, views of the catalog, derived tables, joins, samples, and what hints lock.

use datafusion::sql::sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, TableFactor,
    TableSample, TableSampleKind, TableSampleUnit, TopQuantity,
};

use rusqlite::types::Value as Stored;

use super::{Reading, Translator, Visible, quoted};
use crate::doubles::tds::catalog::{Column, Table};
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::server::PART;
use crate::doubles::tds::views;

impl Translator<'_> {
    pub(super) fn from(&mut self, select: &Select) -> Result<String> {
        let mut sources = Vec::new();
        // TOP (0) reads nothing, and so locks nothing.
        let takes_none = select.top.as_ref().is_some_and(|top| match &top.quantity {
            Some(TopQuantity::Constant(count)) => *count == 0,
            Some(TopQuantity::Expr(count)) => count.to_string() == "0",
            None => false,
        });
        for tree in &select.from {
            let mut source = self.table(&tree.relation, takes_none)?;
            for join in &tree.joins {
                source += &self.join(join)?;
            }
            sources.push(source);
        }
        Ok(if sources.is_empty() {
            String::new()
        } else {
            format!(" FROM {}", sources.join(", "))
        })
    }

    fn join(&mut self, join: &Join) -> Result<String> {
        let (word, constraint, outer) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint, false)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint, true)
            }
            JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint, false),
            other => return Err(Refusal::unknown(format!("the join {other:?}"))),
        };
        let known = self.scope().columns.len();
        let table = self.table(&join.relation, false)?;
        if outer {
            self.scope().columns[known..]
                .iter_mut()
                .for_each(|column| column.nullable = true);
        }
        match constraint {
            JoinConstraint::On(condition) => {
                let bare = self.scope().bare.len();
                let condition = self.condition(condition)?;
                self.scope().bare.truncate(bare);
                Ok(format!(" {word} {table} ON {condition}"))
            }
            JoinConstraint::None if word == "CROSS JOIN" => Ok(format!(" {word} {table}")),
            other => Err(Refusal::unknown(format!("the join constraint {other:?}"))),
        }
    }

    fn table(&mut self, factor: &TableFactor, takes_none: bool) -> Result<String> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample,
                index_hints,
            } if partitions.is_empty() && index_hints.is_empty() => {
                let (schema, table) = table_name(name)?;
                let alias = alias
                    .as_ref()
                    .map_or(table.clone(), |alias| alias.name.value.clone());
                let sample = sample
                    .as_ref()
                    .map(|sample| self.sample(sample))
                    .transpose()?;
                self.named_table(&schema, &table, &alias, with_hints, takes_none, sample)
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias: Some(alias),
                sample: None,
            } => {
                let selected = self.query(subquery)?;
                let alias = &alias.name.value;
                // Its columns are renamed, as two of them may differ in nothing that the engine sees.
                self.derived += 1;
                let source = format!("derived{}", self.derived);
                let columns = selected.columns.into_iter().map(|column| Visible {
                    table: alias.clone(),
                    sql: format!("{source}.{}", quoted(&column.name)),
                    name: column.name,
                    declared: column.declared,
                    collation: column.collation,
                    nullable: column.nullable,
                    hidden: false,
                    masked: false,
                    part: None,
                });
                self.show(alias, columns.collect())?;
                Ok(format!("({}) AS {source}", selected.sql))
            }
            _ => Err(Refusal::unknown(format!("the table {factor}"))),
        }
    }

    fn named_table(
        &mut self,
        schema: &str,
        name: &str,
        alias: &str,
        hints: &[Expr],
        takes_none: bool,
        sample: Option<String>,
    ) -> Result<String> {
        let catalog = self.surroundings.catalog;
        let invalid = || Refusal::new(208, format!("Invalid object name '{schema}.{name}'."));
        let table = if schema.eq_ignore_ascii_case("sys") {
            views::view(name).ok_or_else(invalid)?
        } else {
            catalog
                .find(schema, name)
                .ok_or_else(invalid)?
                .table
                .clone()
        };
        let stored = table.stored_name();
        if catalog
            .denied
            .iter()
            .any(|denied| denied.eq_ignore_ascii_case(&stored))
        {
            let told = format!(
                "The SELECT permission was denied on the object '{name}', database '{}', schema '{schema}'.",
                catalog.database
            );
            return Err(Refusal {
                class: 14,
                ..Refusal::new(229, told)
            });
        }
        let (locks, holds) = lock_hints(hints)?;
        if table.schema != "sys" && !takes_none {
            self.reads.push(Reading {
                table: stored.clone(),
                locks,
                holds,
            });
        }
        self.derived += 1;
        let source = format!("table{}", self.derived);
        let columns = table
            .columns
            .iter()
            .map(|column| visible(&table, column, alias, &source));
        self.show(alias, columns.collect())?;
        let shown = table.policy.as_ref().filter(|(_, is_on)| *is_on);
        let shown = shown.map(|(column, _)| {
            let login = self.bind(Stored::Text(catalog.login.clone()));
            format!("{} = {login}", quoted(column))
        });
        let conditions: Vec<String> = [sample, shown].into_iter().flatten().collect();
        Ok(match conditions.join(" AND ").as_str() {
            "" => format!("{} AS {source}", quoted(&stored)),
            condition => format!(
                "(SELECT * FROM {} WHERE {condition}) AS {source}",
                quoted(&stored)
            ),
        })
    }

    fn show(&mut self, alias: &str, columns: Vec<Visible>) -> Result<()> {
        let scope = self.scope();
        if scope
            .tables
            .iter()
            .any(|known| known.eq_ignore_ascii_case(alias))
        {
            let told = format!(
                "The correlation name '{alias}' is specified multiple times in a FROM clause."
            );
            return Err(Refusal::new(1011, told));
        }
        scope.tables.push(alias.to_owned());
        scope.columns.extend(columns);
        Ok(())
    }

    /// A sample takes whole pages of a hundred rows, by a hash of the page and the seed.
    fn sample(&mut self, sample: &TableSampleKind) -> Result<String> {
        let (TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) =
            sample;
        let TableSample {
            name: None,
            quantity: Some(quantity),
            bucket: None,
            offset: None,
            seed,
            ..
        } = &**sample
        else {
            return Err(Refusal::unknown(format!("the sample {sample}")));
        };
        let (Some(TableSampleUnit::Percent), Expr::Value(percent)) =
            (&quantity.unit, &quantity.value)
        else {
            return Err(Refusal::unknown(format!("the sample {sample}")));
        };
        let seed = seed
            .as_ref()
            .map_or("0".to_owned(), |seed| seed.value.to_string());
        let (Ok(percent), Ok(seed)) = (percent.to_string().parse::<f64>(), seed.parse::<i64>())
        else {
            return Err(Refusal::unknown(format!("the sample {sample}")));
        };
        let per_mille = (percent * 10.0) as i64;
        Ok(format!(
            "(rowid / 100 * 2654435761 + {seed} * 40503) / 8 % 1000 < {per_mille}"
        ))
    }
}

/// Schema and name of a table; a database before them is not looked at other databases for.
pub(super) fn table_name(name: &ObjectName) -> Result<(String, String)> {
    let parts: Option<Vec<String>> = name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(name) => Some(name.value.clone()),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    match parts.as_deref() {
        Some([table]) => Ok(("dbo".to_owned(), table.clone())),
        Some([schema, table]) => Ok((schema.clone(), table.clone())),
        _ => Err(Refusal::unknown(format!("the table name {name}"))),
    }
}

fn visible(table: &Table, column: &Column, alias: &str, source: &str) -> Visible {
    let partitioned = table.partitioned.as_ref();
    let own = partitioned.filter(|(_, key)| key.eq_ignore_ascii_case(&column.name));
    let part = own.map(|(function, _)| (function.clone(), format!("{source}.{}", quoted(PART))));
    Visible {
        part,
        table: alias.to_owned(),
        name: column.name.clone(),
        sql: format!("{source}.{}", quoted(&column.name)),
        declared: column.declared,
        collation: column.collation,
        nullable: column.nullable,
        hidden: column.hidden,
        masked: column.masked,
    }
}

/// Whether the table is locked, and whether to the end of the transaction.
fn lock_hints(hints: &[Expr]) -> Result<(bool, bool)> {
    let (mut locks, mut holds) = (false, false);
    for hint in hints {
        match hint.to_string().to_uppercase().as_str() {
            "TABLOCK" => locks = true,
            "HOLDLOCK" => holds = true,
            other => return Err(Refusal::unknown(format!("the table hint {other}"))),
        }
    }
    Ok((locks, holds))
}
