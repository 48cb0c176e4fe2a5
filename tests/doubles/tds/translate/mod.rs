//! From T-SQL to the SQL of the embedded engine.
//!
//! Each expression is translated with its type, so that a result has the types that SQL Server would
//! give it, and values of two families are never compared as they are stored. What is not known here
//! is refused by its name.

mod condition;
mod expression;
mod from;
mod function;
mod scalar;
mod select;

use rusqlite::types::Value as Stored;

use datafusion::sql::sqlparser::ast::{Expr, Query};

use super::catalog::Catalog;
use super::collation::Collation;
use super::convert::Conversion;
use super::functions::{Names, name_conversion};
use super::refusal::{Refusal, Result};
use super::token::Column;
use super::types::{Family, SqlType};

/// A parameter of a procedure call.
#[derive(Debug, Clone)]
pub struct Parameter {
    pub name: String,
    pub declared: SqlType,
    pub value: Stored,
}

/// What a statement is translated in.
#[derive(Clone, Copy)]
pub struct Surroundings<'c> {
    pub catalog: &'c Catalog,
    pub names: &'c Names,
    pub parameters: &'c [Parameter],
    /// `@@TRANCOUNT`.
    pub transactions: i64,
    /// `@@SPID`.
    pub process: i64,
}

/// A table that a statement reads, and how it locks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub table: String,
    /// `TABLOCK`: no writer beside it.
    pub locks: bool,
    /// `HOLDLOCK`: until the end of the transaction.
    pub holds: bool,
}

/// A statement for the engine.
#[derive(Debug, Default)]
pub struct Translation {
    pub sql: String,
    pub bindings: Vec<Stored>,
    pub columns: Vec<Column>,
    /// The columns of the result that it is ordered by, from 1.
    pub order: Vec<u16>,
    /// User tables only.
    pub reads: Vec<Reading>,
}

/// How surely an expression has its collation: the surest one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sureness {
    Literal,
    Column,
    Written,
}

/// A translated expression.
#[derive(Debug, Clone)]
struct Typed {
    sql: String,
    declared: SqlType,
    collation: Collation,
    sureness: Sureness,
    nullable: bool,
    /// The word NULL, which takes any type.
    is_null: bool,
}

impl Typed {
    fn new(sql: impl Into<String>, declared: SqlType) -> Self {
        Self {
            sql: sql.into(),
            declared,
            collation: Collation::default(),
            sureness: Sureness::Literal,
            nullable: true,
            is_null: false,
        }
    }

    fn never_null(self) -> Self {
        Self {
            nullable: false,
            ..self
        }
    }

    /// The expression as the engine must compare, sort and group it.
    fn comparable(&self) -> Result<String> {
        let Self { sql, declared, .. } = self;
        match declared.family() {
            Family::Opaque => {
                let told = format!("The data type {declared} cannot be compared or sorted.");
                Err(Refusal::new(306, told))
            }
            Family::Offset => Ok(format!("substr({sql}, 1, 8)")),
            Family::Text => {
                let comparison = self.collation.comparison(declared.is_wide());
                Ok(format!("({sql}) COLLATE {comparison}"))
            }
            _ => Ok(sql.clone()),
        }
    }
}

/// A column that can be named in a query.
#[derive(Debug, Clone)]
struct Visible {
    /// The table's alias, or its name.
    table: String,
    name: String,
    sql: String,
    declared: SqlType,
    collation: Collation,
    nullable: bool,
    hidden: bool,
    masked: bool,
    /// The partition function that takes it, and the column with what that gives.
    part: Option<(String, String)>,
}

/// The tables of one SELECT, and what was found out about it.
#[derive(Debug, Default)]
struct Scope {
    columns: Vec<Visible>,
    tables: Vec<String>,
    /// Columns outside of aggregates.
    bare: Vec<String>,
    has_aggregates: bool,
    inside_aggregate: bool,
}

struct Translator<'c> {
    surroundings: Surroundings<'c>,
    scopes: Vec<Scope>,
    bindings: Vec<Stored>,
    reads: Vec<Reading>,
    derived: usize,
}

/// Translates a query.
pub fn query(query: &Query, surroundings: Surroundings<'_>) -> Result<Translation> {
    let mut translator = Translator::new(surroundings);
    let selected = translator.query(query)?;
    Ok(Translation {
        sql: selected.sql,
        bindings: translator.bindings,
        columns: selected.columns,
        order: selected.order,
        reads: translator.reads,
    })
}

/// Translates a condition that stands alone, as in IF, to a query of 0 or 1.
pub fn condition(condition: &Expr, surroundings: Surroundings<'_>) -> Result<Translation> {
    let mut translator = Translator::new(surroundings);
    let condition = translator.condition(condition)?;
    Ok(Translation {
        sql: format!("SELECT coalesce({condition}, 0)"),
        bindings: translator.bindings,
        reads: translator.reads,
        ..Translation::default()
    })
}

impl<'c> Translator<'c> {
    fn new(surroundings: Surroundings<'c>) -> Self {
        let (scopes, bindings, reads) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            surroundings,
            scopes,
            bindings,
            reads,
            derived: 0,
        }
    }

    /// A value that the engine is given beside the statement.
    fn bind(&mut self, value: Stored) -> String {
        self.bindings.push(value);
        format!("?{}", self.bindings.len())
    }

    /// The expression as another type.
    fn convert(&self, value: Typed, to: SqlType, style: i64) -> Typed {
        if value.is_null || (value.declared == to && style == 0) {
            return Typed {
                declared: to,
                ..value
            };
        }
        let (from, collation) = (value.declared, value.collation);
        let conversion = Conversion {
            from,
            from_collation: collation,
            to,
            to_collation: collation,
            style,
        };
        let number = name_conversion(self.surroundings.names, conversion);
        let sql = format!("tds_convert({}, {number})", value.sql);
        Typed {
            sql,
            declared: to,
            ..value
        }
    }

    /// A column by its name, from the innermost query outwards.
    fn column(&mut self, table: Option<&str>, name: &str) -> Result<Typed> {
        for scope in self.scopes.iter_mut().rev() {
            let found: Vec<&Visible> = scope
                .columns
                .iter()
                .filter(|column| column.name.eq_ignore_ascii_case(name))
                .filter(|column| table.is_none_or(|table| column.table.eq_ignore_ascii_case(table)))
                .collect();
            match found[..] {
                [] => {}
                [column] if column.masked && !self.surroundings.catalog.may_unmask => {
                    let told = format!("the mask over column {name}");
                    return Err(Refusal::unknown(told));
                }
                [column] => {
                    let typed = Typed {
                        sql: column.sql.clone(),
                        declared: column.declared,
                        collation: column.collation,
                        sureness: Sureness::Column,
                        nullable: column.nullable,
                        is_null: false,
                    };
                    if !scope.inside_aggregate {
                        scope.bare.push(typed.sql.clone());
                    }
                    return Ok(typed);
                }
                _ => {
                    return Err(Refusal::new(
                        209,
                        format!("Ambiguous column name '{name}'."),
                    ));
                }
            }
        }
        Err(Refusal::new(207, format!("Invalid column name '{name}'.")))
    }
}

/// A name as the engine quotes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
