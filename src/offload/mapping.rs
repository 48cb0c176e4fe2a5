//! Column by column: from the SELECT to what the target holds.

use arrow::datatypes::{DataType, Field};
use datafusion::common::Column as ColumnName;
use datafusion::logical_expr::{Expr, LogicalPlan, cast};

use super::checked_cast::checked_cast;
use super::fit::fit;
use super::made_column::{partition_column, selected};
use super::schema_change::refuse_changes;
use super::{Allowances, Offload, SchemaChange, TypeOverride, schema_changes};
use crate::backend::{BackendFacts, TargetColumn, TargetDefinition, TargetTable};
use crate::error::{Error, Result};
use crate::frontend::{SourceTable, TypeMap};
use crate::schema::{CANONICAL_KEY, CanonicalType, Fidelity, NATIVE_KEY};

/// One column of the target and how true it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedColumn {
    /// As the target holds it.
    pub target: TargetColumn,
    /// The type of what the SELECT gives, the source's own text where it comes from there; empty
    /// for a column that goe makes.
    pub input: String,
    /// Whether what the SELECT gives is cast to another type by the offload's options.
    pub cast: bool,
    /// The worse of both ways, from the source and into the target.
    pub fidelity: Fidelity,
    /// Why it is not exact.
    pub reasons: Vec<String>,
}

impl PlannedColumn {
    /// Says what becomes of a column in a type of documents.
    fn keep_as_json(&mut self) {
        self.fidelity = Fidelity::Lossy;
        self.reasons.push(
            "JSON: proved as text, then parsed; order of keys, blanks and forms of numbers are the \
             target's, and later proofs compare its NULLs"
                .to_owned(),
        );
    }
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
    /// The columns that files are sorted by inside.
    pub cluster_columns: Vec<String>,
    /// How the SELECT differs from the target that is there.
    pub changes: Vec<SchemaChange>,
}

/// Maps the columns of a SELECT to those of a target.
///
/// # Errors
/// Kind Usage for duplicate names, unknown partition columns and types that conflict, Unsupported
/// for types and names that the target can't hold, AlreadyExists for differences that the offload
/// refuses; each names the column.
pub fn map_columns(
    offload: &Offload,
    query: &LogicalPlan,
    source: Option<&SourceTable>,
    facts: &BackendFacts,
    types: &dyn TypeMap,
    existing: Option<&TargetTable>,
) -> Result<Mapped> {
    let names: Vec<&str> = query
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    let overrides = offload.shape().overrides(&names)?;
    let mapper = Mapper {
        types,
        source,
        allow: offload.allowances(),
        system: facts.system,
    };
    let mut columns = Vec::new();
    for (field, wanted) in query.schema().fields().iter().zip(overrides) {
        columns.push(mapper.map_column(field, wanted)?);
    }
    set_nullable(offload, &mut columns)?;
    let policy = offload.spec().on_schema_change;
    let changes = existing.map_or_else(Vec::new, |table| schema_changes(table, &columns));
    refuse_changes(offload.target(), &changes, policy)?;
    let (mut kept, mut expressions) = (Vec::new(), Vec::new());
    for (column, (qualifier, field)) in columns.into_iter().zip(query.schema().iter()) {
        let Some(mut column) = fit(column, existing, policy) else {
            continue;
        };
        if types.json() == Some(column.target.native.as_str()) {
            column.keep_as_json();
        }
        let input = Expr::Column(ColumnName::new(qualifier.cloned(), field.name()));
        expressions.push(stored(input, field, &column.target, offload.allowances()));
        kept.push(column);
    }
    let mut columns = kept;
    check_names(&columns, facts)?;
    let (mut partition_columns, mut clustered_first) = (Vec::new(), Vec::new());
    for by in offload.partition_by() {
        if facts.partitions {
            let made = partition_column(by, &mut columns, &mut expressions, facts, types)?;
            partition_columns.push(made);
        } else {
            clustered_first.push(selected(by, &columns)?);
        }
    }
    let mut definition = TargetDefinition {
        name: offload.target().clone(),
        columns: columns.iter().map(|column| column.target.clone()).collect(),
        partition_columns,
        cluster_columns: clustered_first,
        comment: source.and_then(|table| table.comment.clone()),
    };
    for name in cluster_columns(offload, &definition)? {
        if !definition.cluster_columns.contains(&name) {
            definition.cluster_columns.push(name);
        }
    }
    Ok(Mapped {
        cluster_columns: definition.cluster_columns.clone(),
        definition,
        columns,
        expressions,
        changes,
    })
}

/// Says of each column whether the target's takes NULLs.
fn set_nullable(offload: &Offload, columns: &mut [PlannedColumn]) -> Result<()> {
    let given: Vec<(&str, bool)> = columns
        .iter()
        .map(|column| (column.target.name.as_str(), column.target.nullable))
        .collect();
    let nullable = offload.shape().nullable(&given)?;
    for (column, nullable) in columns.iter_mut().zip(nullable) {
        column.target.nullable = nullable;
    }
    Ok(())
}

/// What all columns are mapped with.
struct Mapper<'a> {
    types: &'a dyn TypeMap,
    source: Option<&'a SourceTable>,
    allow: Allowances,
    system: &'static str,
}

impl Mapper<'_> {
    fn map_column(&self, field: &Field, wanted: Option<TypeOverride>) -> Result<PlannedColumn> {
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
        let given = CanonicalType::from_field(field).map_err(named)?;
        let native = field.metadata().get(NATIVE_KEY).filter(|_| {
            // A cast outdates what the field says of its source.
            field.metadata().get(CANONICAL_KEY) == Some(&given.to_string())
        });
        // The source column behind it, if it comes through unchanged.
        let origin = native.and_then(|_| {
            let columns = &self.source?.columns;
            columns.iter().find(|column| column.name == *field.name())
        });
        let asked = match wanted {
            Some(wanted) => wanted.apply(field.name(), given)?,
            None => given,
        };
        let (canonical, mut mapping) = self.native(asked).map_err(named)?;
        if wanted == Some(TypeOverride::Json) {
            mapping.to.native = self.json(field.name())?;
        }
        if let Some(wanted) = wanted {
            self.refuse_other_form(field.name(), wanted, canonical, mapping.to.stored)?;
        }
        let casts = canonical != given;
        let mut reasons: Vec<String> = origin
            .and_then(|column| column.reason.clone())
            .into_iter()
            .filter(|_| !casts)
            .chain(mapping.reason)
            .collect();
        let mut fidelity = mapping.fidelity;
        if casts {
            let option = match wanted {
                Some(wanted) if asked != given => wanted.option(),
                _ => "--allow-nanosecond-timestamp-columns",
            };
            reasons.push(format!(
                "CAST to {canonical} by {option}, each value checked"
            ));
            let keeps = canonical.holds(given);
            fidelity = fidelity.max(if keeps {
                Fidelity::Widening
            } else {
                Fidelity::Lossy
            });
        } else if let Some(origin) = origin {
            fidelity = fidelity.max(origin.fidelity);
        }
        let makes_nulls = self
            .allow
            .makes_nulls(field.data_type(), &canonical.to_arrow());
        Ok(PlannedColumn {
            target: TargetColumn {
                name: field.name().clone(),
                canonical,
                stored: mapping.to.stored,
                native: mapping.to.native,
                source: native.filter(|_| !casts).cloned().unwrap_or_default(),
                nullable: field.is_nullable() || casts && makes_nulls,
                comment: origin.and_then(|column| column.comment.clone()),
            },
            cast: casts,
            input: native.cloned().unwrap_or_else(|| given.to_string()),
            fidelity,
            reasons,
        })
    }

    /// The target's own type; with the allowance a timestamp that is too fine for it becomes one of
    /// microseconds in place of text.
    fn native(
        &self,
        canonical: CanonicalType,
    ) -> Result<(
        CanonicalType,
        crate::schema::Mapping<crate::frontend::NativeType>,
    )> {
        use CanonicalType as T;
        let mut mapping = self.types.from_canonical(canonical)?;
        let coarser = match canonical {
            T::Timestamp { scale: 7.. } => T::Timestamp { scale: 6 },
            T::TimestampTz { scale: 7.. } => T::TimestampTz { scale: 6 },
            _ => return Ok((canonical, mapping)),
        };
        if !mapping.to.stored.is_text() {
            return Ok((canonical, mapping));
        }
        if self.allow.nanoseconds {
            return Ok((coarser, self.types.from_canonical(coarser)?));
        }
        let option = "--allow-nanosecond-timestamp-columns makes it a timestamp of microseconds";
        mapping.reason = Some(match mapping.reason {
            Some(reason) => format!("{reason}; {option}"),
            None => option.to_owned(),
        });
        Ok((canonical, mapping))
    }

    /// The target's own type for JSON documents.
    fn json(&self, column: &str) -> Result<String> {
        let json = self.types.json().map(str::to_owned);
        json.ok_or_else(|| {
            Error::unsupported(format!(
                "Column \"{column}\" can't be JSON by --json-columns: {} has no type for it",
                self.system
            ))
            .hint("leave it out of the option: it is kept as text, as it is written")
        })
    }

    /// A type that was asked for is not silently another one.
    fn refuse_other_form(
        &self,
        column: &str,
        wanted: TypeOverride,
        canonical: CanonicalType,
        stored: CanonicalType,
    ) -> Result<()> {
        if stored.is_text() == canonical.is_text() {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "Column \"{column}\" can't be {wanted} by {}: {} would keep it as {stored}",
            wanted.option(),
            self.system
        ))
        .hint("ask for fewer digits, or leave the column out of the option"))
    }
}

/// The expression in the stored type: nothing to do, the same values in another layout, or a cast
/// that is checked.
fn stored(input: Expr, field: &Field, column: &TargetColumn, allow: Allowances) -> Expr {
    let from = field.data_type();
    let to = column.stored.to_arrow();
    let layout = |other: &DataType| {
        CanonicalType::from_field(field).is_ok_and(|given| given.to_arrow() == *other)
    };
    let expression = if *from == to {
        input
    } else if layout(&to) {
        cast(input, to)
    } else {
        let what = format!("column \"{}\"", column.name);
        let meant = column.canonical.to_arrow();
        // What is asked for is checked, also where the target keeps it in a wider form.
        if meant != to && meant != *from && !layout(&meant) {
            cast(checked_cast(input, meant, what, allow), to)
        } else {
            checked_cast(input, to, what, allow)
        }
    };
    expression.alias(&column.name)
}

/// The columns that files are sorted by; those that are one value in each file say nothing.
fn cluster_columns(offload: &Offload, definition: &TargetDefinition) -> Result<Vec<String>> {
    let names: Vec<&str> = definition.columns.iter().map(|c| c.name.as_str()).collect();
    let clustered = offload.shape().clustered(&names)?;
    let names = clustered.into_iter().map(|i| names[i].to_owned());
    Ok(names
        .filter(|name| !definition.partition_columns.contains(name))
        .collect())
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
