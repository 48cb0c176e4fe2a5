//! The column of a target that it is partitioned by: one that is there, or one made for it.

use datafusion::logical_expr::Expr;

use super::mapping::PlannedColumn;
use super::{PartitionBy, Transform};
use crate::backend::{BackendFacts, TargetColumn};
use crate::error::{Error, Result};
use crate::frontend::TypeMap;
use crate::schema::{CanonicalType, Fidelity, pick};
use crate::staging::can_partition;

/// Finds or makes the target's column for one thing that it is partitioned by.
pub(super) fn partition_column(
    by: &PartitionBy,
    columns: &mut Vec<PlannedColumn>,
    expressions: &mut Vec<Expr>,
    facts: &BackendFacts,
    types: &dyn TypeMap,
) -> Result<String> {
    let name = selected(by, columns)?;
    let mut names = columns.iter().map(|column| &column.target.name);
    let position = names.position(|other| *other == name).unwrap_or_default();
    let of = &columns[position];
    if by.transform == Transform::Identity {
        return if can_partition(&of.target.stored.to_arrow()) {
            Ok(of.target.name.clone())
        } else {
            Err(Error::unsupported(format!(
                "A target can't be partitioned by column \"{}\" of type {}",
                of.target.name, of.target.canonical
            ))
            .hint("partition by a date, a number or a text"))
        };
    }
    let by = PartitionBy {
        column: of.target.name.clone(),
        ..by.clone()
    };
    let canonical = partition_type(&by, &of.target)?;
    let made = by.target_column();
    if columns.iter().any(|column| column.target.name == made) {
        return Err(Error::usage(format!(
            "The SELECT has a column \"{made}\", which goe makes for the partition"
        ))
        .hint("rename it, or partition by it directly"));
    }
    let mapping = types.from_canonical(canonical)?;
    let inner = expressions[position].clone().unalias();
    let made_of = by.transform.expression(inner, canonical, &by.column);
    expressions.push(made_of.alias(&made));
    columns.push(PlannedColumn {
        target: TargetColumn {
            name: made.clone(),
            canonical,
            stored: canonical,
            native: mapping.to.native,
            source: String::new(),
            nullable: of.target.nullable,
            comment: Some(comment(&by, canonical)),
        },
        input: String::new(),
        cast: false,
        fidelity: Fidelity::Exact,
        reasons: vec![format!(
            "made by goe, since {} partitions by columns",
            facts.system
        )],
    });
    Ok(made)
}

/// The exact name of the column that a target is partitioned by, or by what is made of it.
pub(super) fn selected(by: &PartitionBy, columns: &[PlannedColumn]) -> Result<String> {
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
    Ok(name.to_owned())
}

/// The type of the column that is made; refused for a column that the transform is not for.
fn partition_type(by: &PartitionBy, of: &TargetColumn) -> Result<CanonicalType> {
    // A number that the target keeps as text has no order there that a number has.
    let kept = of.stored.is_text() == of.canonical.is_text();
    let made = by.transform.output(of.stored).filter(|_| kept);
    made.ok_or_else(|| {
        let lacks = match by.transform {
            Transform::Time(unit) => format!("has no {}", unit.name()),
            _ => "can't be truncated".to_owned(),
        };
        Error::unsupported(format!(
            "Column \"{}\" of type {} {lacks}",
            of.name, of.canonical
        ))
        .hint(
            "year, month and day are for dates and times, truncate for text and exact numbers; or \
             partition by the column itself",
        )
    })
}

fn comment(by: &PartitionBy, made: CanonicalType) -> String {
    let column = &by.column;
    match by.transform {
        Transform::Identity => column.clone(),
        Transform::Time(unit) => format!("first day of the {} of {column}", unit.name()),
        Transform::Truncate(width) if made.is_text() => {
            format!("first {width} characters of {column}")
        }
        Transform::Truncate(width) => format!("multiple of {width} at or below {column}"),
    }
}
