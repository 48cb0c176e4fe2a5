//! Column by column: from the SELECT to what the target holds.

use arrow::datatypes::DataType;
use datafusion::common::Column as ColumnName;
use datafusion::logical_expr::{Expr, LogicalPlan, cast};

use super::calendar::first_day;
use super::checked_cast::checked_cast;
use super::{Offload, PartitionBy};
use crate::backend::{BackendFacts, TargetColumn, TargetDefinition, TargetTable};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{SourceTable, TypeMap};
use crate::schema::{CanonicalType, Fidelity, NATIVE_KEY, pick};
use crate::staging::can_partition;

/// One column of the target and how true it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedColumn {
    /// As the target holds it.
    pub target: TargetColumn,
    /// The worse of both ways, from the source and into the target.
    pub fidelity: Fidelity,
    /// Why it is not exact.
    pub reasons: Vec<String>,
}

/// The outcome of mapping all columns.
#[derive(Debug)]
pub struct Mapped {
    /// The shape of the target.
    pub definition: TargetDefinition,
    /// Its columns, with how true they are.
    pub columns: Vec<PlannedColumn>,
    /// One expression over the SELECT per column, of the stored Arrow type.
    pub expressions: Vec<Expr>,
}

/// Maps the columns of a SELECT to those of a target.
///
/// # Errors
/// Kind Usage for duplicate names and unknown partition columns, Unsupported for types and names
/// that the target can't hold; each names the column.
pub fn map_columns(
    offload: &Offload,
    query: &LogicalPlan,
    source: Option<&SourceTable>,
    facts: &BackendFacts,
    types: &dyn TypeMap,
    existing: Option<&TargetTable>,
) -> Result<Mapped> {
    let mut columns = Vec::new();
    let mut expressions = Vec::new();
    for (qualifier, field) in query.schema().iter() {
        let input = Expr::Column(ColumnName::new(qualifier.cloned(), field.name()));
        let known = existing.and_then(|table| {
            table
                .columns
                .iter()
                .find(|column| column.name == *field.name())
        });
        let mut column = map_column(field, types, source)?;
        // A wider column that is there already takes the narrower rows.
        if let Some(wider) = known.filter(|known| known.canonical.holds(column.target.stored)) {
            column.target.stored = wider.canonical;
        }
        expressions.push(stored(input, field.data_type(), &column.target));
        columns.push(column);
    }
    check_names(&columns, facts)?;
    let mut partition_columns = Vec::new();
    for by in offload.partition_by() {
        partition_columns.push(partition(by, &mut columns, &mut expressions, facts, types)?);
    }
    let definition = TargetDefinition {
        name: offload.target().clone(),
        columns: columns.iter().map(|column| column.target.clone()).collect(),
        partition_columns,
        comment: source.and_then(|table| table.comment.clone()),
    };
    Ok(Mapped {
        definition,
        columns,
        expressions,
    })
}

fn map_column(
    field: &arrow::datatypes::Field,
    types: &dyn TypeMap,
    source: Option<&SourceTable>,
) -> Result<PlannedColumn> {
    let named = |error: Error| {
        let hint = error
            .hint_text()
            .unwrap_or("cast it to another type in --select")
            .to_owned();
        Error::new(
            error.kind(),
            format!("Column \"{}\": {}", field.name(), error.message()),
        )
        .hint(hint)
    };
    let canonical = CanonicalType::from_field(field).map_err(named)?;
    let mapping = types.from_canonical(canonical).map_err(named)?;
    let native = field.metadata().get(NATIVE_KEY).filter(|_| {
        // A cast outdates what the field says of its source.
        field.metadata().get(crate::schema::CANONICAL_KEY) == Some(&canonical.to_string())
    });
    // The source column behind it, if it comes through unchanged.
    let origin = native.and_then(|_| {
        source?
            .columns
            .iter()
            .find(|column| column.name == *field.name())
    });
    let fidelity = origin
        .map_or(Fidelity::Exact, |column| column.fidelity)
        .max(mapping.fidelity);
    let reasons = origin
        .and_then(|column| column.reason.clone())
        .into_iter()
        .chain(mapping.reason);
    Ok(PlannedColumn {
        target: TargetColumn {
            name: field.name().clone(),
            canonical,
            stored: mapping.to.stored,
            native: mapping.to.native,
            source: native.cloned().unwrap_or_default(),
            nullable: field.is_nullable(),
            comment: origin.and_then(|column| column.comment.clone()),
        },
        fidelity,
        reasons: reasons.collect(),
    })
}

/// The expression in the stored type: nothing to do, the same values in another layout, or a cast
/// that is checked.
fn stored(input: Expr, from: &DataType, column: &TargetColumn) -> Expr {
    let to = column.stored.to_arrow();
    let expression = if *from == to {
        input
    } else if column.canonical.to_arrow() == to {
        cast(input, to)
    } else {
        checked_cast(input, to, format!("column \"{}\"", column.name))
    };
    expression.alias(&column.name)
}

fn check_names(columns: &[PlannedColumn], facts: &BackendFacts) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::usage("The SELECT has no columns").hint("select at least one column"));
    }
    let mut seen = std::collections::HashSet::new();
    for PlannedColumn { target, .. } in columns {
        let name = &target.name;
        let key = if facts.case_twins {
            name.clone()
        } else {
            name.to_lowercase()
        };
        if !seen.insert(key) {
            return Err(Error::usage(format!(
                "Two columns of the target would be named \"{name}\""
            ))
            .hint(format!("rename one in --select: ... AS {name}_2")));
        }
        if name.is_empty() || name.chars().count() > facts.identifier_chars {
            let limit = facts.identifier_chars;
            return Err(Error::unsupported(format!(
                "{} holds column names of 1 to {limit} characters, and \"{name}\" is none",
                facts.system
            ))
            .hint("rename it in --select with AS"));
        }
    }
    Ok(())
}

/// Finds or makes the target's column for one thing that it is partitioned by.
fn partition(
    by: &PartitionBy,
    columns: &mut Vec<PlannedColumn>,
    expressions: &mut Vec<Expr>,
    facts: &BackendFacts,
    types: &dyn TypeMap,
) -> Result<String> {
    let names = || columns.iter().map(|column| column.target.name.as_str());
    let name = pick(&by.column, names()).ok_or_else(|| {
        Error::not_found(
            format!(
                "The target can't be partitioned by \"{}\": it is not selected",
                by.column
            ),
            &by.column,
            names(),
        )
    })?;
    let position = names().position(|other| other == name).unwrap_or_default();
    let of = &columns[position];
    let Some(unit) = by.unit else {
        return if can_partition(&of.target.stored.to_arrow()) {
            Ok(of.target.name.clone())
        } else {
            Err(Error::unsupported(format!(
                "A target can't be partitioned by column \"{}\" of type {}",
                of.target.name, of.target.canonical
            ))
            .hint("partition by a date, a number or a text"))
        };
    };
    let dated = matches!(
        of.target.stored,
        CanonicalType::Date | CanonicalType::Timestamp { .. } | CanonicalType::TimestampTz { .. }
    );
    if !dated {
        return Err(Error::unsupported(format!(
            "Column \"{}\" of type {} has no {}",
            of.target.name,
            of.target.canonical,
            unit.name()
        ))
        .hint("partition by the column itself, or by a date"));
    }
    let by = PartitionBy {
        column: of.target.name.clone(),
        unit: Some(unit),
    };
    let made = by.target_column();
    if columns.iter().any(|column| column.target.name == made) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("The SELECT has a column \"{made}\", which goe makes for the partition"),
        )
        .hint("rename it, or partition by it directly"));
    }
    let inner = expressions[position].clone().unalias();
    expressions.push(first_day(unit, inner).alias(&made));
    let mapping = types.from_canonical(CanonicalType::Date)?;
    columns.push(PlannedColumn {
        target: TargetColumn {
            name: made.clone(),
            canonical: CanonicalType::Date,
            stored: CanonicalType::Date,
            native: mapping.to.native,
            source: String::new(),
            nullable: of.target.nullable,
            comment: Some(format!("first day of the {} of {}", unit.name(), by.column)),
        },
        fidelity: Fidelity::Exact,
        reasons: vec![format!(
            "made by goe, since {} partitions by columns",
            facts.system
        )],
    });
    Ok(made)
}
