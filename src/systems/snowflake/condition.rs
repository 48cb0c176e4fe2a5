//! Conditions on a target's rows in the server's SQL.
//!
//! A window is in the source's types, and the target's columns may be wider: its columns come cast
//! to the source's. Such a cast is undone, and the values compared with become the wider type's.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList};
use datafusion::scalar::ScalarValue;

use super::dialect::Snowflake;
use super::types::DOCUMENT;
use crate::backend::TargetDefinition;
use crate::error::{Error, Result};
use crate::frontend::{Comparison, RelationKind, SourceTable, translate};
use crate::schema::{CanonicalType, Column, Mapping};

/// The columns of a definition as the published table has them, of the types that rows are staged in.
pub(super) fn columns_of(target: &TargetDefinition) -> Vec<Column> {
    let columns = target.columns.iter().map(|column| {
        let mapping = Mapping::exact(column.stored);
        Column::new(&column.name, &column.native, column.nullable, mapping)
    });
    columns.collect()
}

/// The same as the table of a load has them, where documents are text yet.
pub(super) fn loaded_columns(target: &TargetDefinition) -> Vec<Column> {
    let mut columns = columns_of(target);
    for column in &mut columns {
        if column.native == DOCUMENT {
            column.native = column.canonical.to_string();
        }
    }
    columns
}

/// The condition, true for exactly the same rows of the target.
pub(super) fn condition(target: &TargetDefinition, predicate: &Expr) -> Result<String> {
    let table = SourceTable {
        name: target.name.clone(),
        kind: RelationKind::Table,
        columns: columns_of(target),
        primary_key: Vec::new(),
        unique: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        partitions: None,
    };
    let widened = predicate
        .clone()
        .transform_up(|expr| Ok(Transformed::yes(without_cast(expr, &table.columns))))?;
    match translate(&widened.data, &table, &Snowflake) {
        Some(pushed) if pushed.comparison == Comparison::Exact => Ok(pushed.sql),
        _ => Err(Error::unsupported(format!(
            "Table \"{}\" can't be asked for exactly the rows where {predicate}",
            target.name
        ))
        .hint("replace by comparisons of dates, times, exact numbers or texts; or --reset")),
    }
}

/// The same comparison on the column itself, where that means the same.
fn without_cast(expr: Expr, columns: &[Column]) -> Expr {
    let rewritten = match &expr {
        Expr::BinaryExpr(binary) => comparison(binary, columns),
        Expr::InList(list) => in_list(list, columns),
        Expr::Between(between) => range(between, columns),
        Expr::IsNull(inner) => bare(inner, columns).map(|(column, _)| column.is_null()),
        Expr::IsNotNull(inner) => bare(inner, columns).map(|(column, _)| column.is_not_null()),
        _ => None,
    };
    rewritten.unwrap_or(expr)
}

fn comparison(binary: &BinaryExpr, columns: &[Column]) -> Option<Expr> {
    let BinaryExpr { left, op, right } = binary;
    let (left, right) = match (bare(left, columns), bare(right, columns)) {
        (Some((column, wide)), None) => (column, wider(right, wide)?),
        (None, Some((column, wide))) => (wider(left, wide)?, column),
        _ => return None,
    };
    Some(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        *op,
        Box::new(right),
    )))
}

fn in_list(list: &InList, columns: &[Column]) -> Option<Expr> {
    let (column, wide) = bare(&list.expr, columns)?;
    let values: Option<Vec<Expr>> = list.list.iter().map(|value| wider(value, wide)).collect();
    Some(column.in_list(values?, list.negated))
}

fn range(between: &Between, columns: &[Column]) -> Option<Expr> {
    let (column, wide) = bare(&between.expr, columns)?;
    let (low, high) = (wider(&between.low, wide)?, wider(&between.high, wide)?);
    Some(Expr::Between(Between::new(
        Box::new(column),
        between.negated,
        Box::new(low),
        Box::new(high),
    )))
}

/// The column under a cast to a narrower type of its own kind, and its type.
fn bare(expr: &Expr, columns: &[Column]) -> Option<(Expr, CanonicalType)> {
    let Expr::Cast(Cast { expr: inner, field }) = expr else {
        return None;
    };
    let Expr::Column(name) = inner.as_ref() else {
        return None;
    };
    let column = columns.iter().find(|column| column.name == name.name)?;
    let narrow = CanonicalType::from_arrow(field.data_type()).ok()?;
    let wide = column.canonical;
    let same_kind =
        wide.is_text() == narrow.is_text() && wide.is_exact_number() == narrow.is_exact_number();
    (same_kind && wide.holds(narrow)).then(|| (inner.as_ref().clone(), wide))
}

/// A value in a wider type, if it is the same value there.
fn wider(value: &Expr, wide: CanonicalType) -> Option<Expr> {
    let Expr::Literal(value, _) = value else {
        return None;
    };
    let widened = value.cast_to(&wide.to_arrow()).ok()?;
    let same: ScalarValue = widened.cast_to(&value.data_type()).ok()?;
    (same == *value).then(|| Expr::Literal(widened, None))
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;
    use crate::backend::TargetColumn;
    use crate::schema::TableName;

    fn target() -> TargetDefinition {
        let column = |name: &str, stored: CanonicalType| TargetColumn {
            name: name.to_owned(),
            canonical: stored,
            stored,
            native: String::new(),
            source: String::new(),
            nullable: true,
            comment: None,
        };
        TargetDefinition {
            name: TableName::new("sf", "s", "t"),
            columns: vec![
                column("id", CanonicalType::Integer38),
                column("note", CanonicalType::LargeString),
            ],
            partition_columns: Vec::new(),
            cluster_columns: Vec::new(),
            comment: None,
        }
    }

    #[test]
    fn a_window_in_narrower_types_is_asked_for_in_the_targets_own() {
        use arrow::datatypes::DataType;
        let id = || cast(col("id"), DataType::Int64);
        let note = || cast(col("note"), DataType::Utf8);
        for (predicate, sql) in [
            (id().gt_eq(lit(10i64)), "\"ID\" >= 10"),
            (lit(10i64).lt(id()), "\"ID\" > 10"),
            (
                id().in_list(vec![lit(1i64), lit(2i64)], false),
                "\"ID\" IN (1, 2)",
            ),
            (
                id().between(lit(1i64), lit(2i64)),
                "(\"ID\" >= 1 AND \"ID\" <= 2)",
            ),
            (
                note().eq(lit("a")).and(id().is_not_null()),
                "(\"NOTE\" = 'a' AND \"ID\" IS NOT NULL)",
            ),
        ] {
            assert_eq!(
                condition(&target(), &predicate).unwrap(),
                sql,
                "{predicate}"
            );
        }
        for predicate in [
            // A cast to another kind compares otherwise.
            cast(col("note"), DataType::Int64).gt(lit(5i64)),
            (id() + lit(1i64)).gt(lit(5i64)),
        ] {
            assert!(condition(&target(), &predicate).is_err(), "{predicate}");
        }
    }
}
