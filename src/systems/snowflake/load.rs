//! Loading: staged files into a table of their own, which only a publish knows of.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use arrow::datatypes::{Decimal128Type, DecimalType, Int64Type};
use futures::TryStreamExt;
use xxhash_rust::xxh3::xxh3_64;

use super::catalog::{qualified, relation, require_schema};
use super::name::{quote, quote_exactly, text};
use super::read::Relation;
use super::session::{Cells, Warehouse, run};
use super::stage;
use super::types::Types;
use crate::backend::{ColumnAggregates, LoadedAggregates, TargetColumn, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{Aggregate, AggregateFunction, ReadRequest, Source, TypeMap};
use crate::schema::{CanonicalType, TableName};
use crate::staging::{Bounds, ColumnBounds, Manifest};

/// What begins the name of a table that a load is made into.
pub(super) const PREFIX: &str = "goe_load_";

/// So many files may one COPY name.
const FILES_AT_ONCE: usize = 1000;

/// A manifest's id as a part of names there.
pub(super) fn suffix(manifest: &str) -> String {
    let kept = manifest.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    kept.collect()
}

/// How the loads of a table begin: the loads of others in its schema are no business of its own.
pub(super) fn load_prefix(table: &str) -> String {
    format!("{PREFIX}{:016x}_", xxh3_64(table.as_bytes()))
}

/// The table that a manifest is loaded into, by our spelling.
pub(super) fn load_table(table: &str, manifest: &str) -> String {
    format!("{}{}", load_prefix(table), suffix(manifest)).to_ascii_lowercase()
}

/// Takes the files of a manifest in. A load that stands whole is left as it is, any other is made
/// anew.
pub(super) async fn load(
    warehouse: &Warehouse,
    target: &TargetDefinition,
    manifest: &Manifest,
) -> Result<()> {
    let schema = &target.name.schema;
    let doing = format!("Table \"{}\" can't be loaded", target.name);
    if is_whole(warehouse, &target.name, manifest, &doing).await? {
        return Ok(());
    }
    require_schema(warehouse, schema).await?;
    // A stage of goe's belongs to the session that made it.
    let session = warehouse.log_in().await?;
    run(&session, &doing, &create_statement(target, manifest)?).await?;
    let staging = &warehouse.settings.staging;
    let (stage, made) = staging.stage(&quote(schema), &manifest.id)?;
    if let Some(made) = made {
        run(&session, &doing, &made).await?;
    }
    let mut loaded = 0u64;
    for statement in copy_statements(target, manifest, &stage)? {
        let answer = run(&session, &doing, &statement).await?;
        loaded = loaded.saturating_add(rows_loaded(&answer)?);
    }
    if loaded == manifest.rows() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Load,
        format!(
            "{doing}: COPY reports {loaded} rows, and {} were staged",
            manifest.rows()
        ),
    )
    .hint("look whether something removes or changes the staged files, then run again"))
}

async fn is_whole(
    warehouse: &Warehouse,
    name: &TableName,
    manifest: &Manifest,
    doing: &str,
) -> Result<bool> {
    let TableName { schema, table, .. } = name;
    let table = load_table(table, &manifest.id);
    if relation(warehouse, schema, &table).await?.is_none() {
        return Ok(false);
    }
    let sql = format!("SELECT COUNT(*) FROM {}", qualified(schema, &table));
    let counted = warehouse.rows(doing, &sql).await?;
    let counted = counted.first().map(|row| row.count(0)).transpose()?;
    Ok(counted == Some(manifest.rows()))
}

/// The table of a load as it is named in a statement.
pub(super) fn loaded_name(target: &TargetDefinition, manifest: &Manifest) -> String {
    let TableName { schema, table, .. } = &target.name;
    qualified(schema, &load_table(table, &manifest.id))
}

/// The type that a column is loaded as: that of what was staged.
fn loaded_type(column: &TargetColumn) -> Result<String> {
    Ok(Types.from_canonical(column.stored)?.to.native)
}

/// The statement that makes the table of a load. It is transient: nothing of it is kept when it goes.
pub(super) fn create_statement(target: &TargetDefinition, manifest: &Manifest) -> Result<String> {
    let mut columns = Vec::new();
    for column in &target.columns {
        columns.push(format!("{} {}", quote(&column.name), loaded_type(column)?));
    }
    Ok(format!(
        "CREATE OR REPLACE TRANSIENT TABLE {} ({}) DATA_RETENTION_TIME_IN_DAYS = 0",
        loaded_name(target, manifest),
        columns.join(", ")
    ))
}

/// The statements that copy the files in, each column with its type said.
pub(super) fn copy_statements(
    target: &TargetDefinition,
    manifest: &Manifest,
    stage: &str,
) -> Result<Vec<String>> {
    let table = loaded_name(target, manifest);
    let columns: Vec<String> = target.columns.iter().map(|c| quote(&c.name)).collect();
    let mut values = Vec::new();
    for column in &target.columns {
        let field = quote_exactly(&column.name);
        values.push(format!("$1:{field}::{}", loaded_type(column)?));
    }
    let folder = stage::folder(&target.name.schema, &target.name.table)?;
    let filled = manifest.files.iter().filter(|file| file.hashes.rows > 0);
    let files: Vec<String> = filled
        .map(|file| text(&format!("{folder}/{}", file.path)))
        .collect();
    let statement = |files: &[String]| {
        format!(
            "COPY INTO {table} ({}) FROM (SELECT {} FROM @{stage}) FILES = ({}) \
             FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE) \
             ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = TRUE",
            columns.join(", "),
            values.join(", "),
            files.join(", ")
        )
    };
    Ok(files.chunks(FILES_AT_ONCE).map(statement).collect())
}

/// The rows that COPY says it loaded. An answer of one column is a sentence: no file was there.
fn rows_loaded(answer: &[Cells]) -> Result<u64> {
    let mut rows = 0u64;
    for file in answer.iter().filter(|file| file.len() > 3) {
        rows = rows.saturating_add(file.count(3)?);
    }
    Ok(rows)
}

/// What the server says of the loaded rows.
pub(super) async fn aggregates(
    relation: Relation,
    target: &TargetDefinition,
    manifest: &Manifest,
) -> Result<LoadedAggregates> {
    let asked = questions(target, manifest);
    let flat = asked.iter().flatten().copied();
    let rows = Aggregate {
        function: AggregateFunction::Rows,
        column: 0,
    };
    let request = ReadRequest::aggregates(std::iter::once(rows).chain(flat).collect(), None);
    let snapshot = relation.snapshot(1).await?;
    let answer: Vec<RecordBatch> = snapshot.read(None, &request).await?.try_collect().await?;
    let row = answer.into_iter().find(|batch| batch.num_rows() == 1);
    let row = row.ok_or_else(|| Error::internal("The server's aggregates are no row"))?;
    let count = |position: usize| {
        let value = row.column(position).as_primitive::<Int64Type>().value(0);
        u64::try_from(value).map_err(|_| Error::internal("The server counts less than no rows"))
    };
    let rows = count(0)?;
    let mut columns = Vec::new();
    let mut position = 1;
    for asked in &asked {
        let nulls = rows.saturating_sub(count(position)?);
        let bounds = stated(asked, |i| row.column(position + i))?;
        columns.push(ColumnAggregates { nulls, bounds });
        position += asked.len();
    }
    Ok(LoadedAggregates { rows, columns })
}

/// What is asked of each column; the number of its values is always the first.
fn questions(target: &TargetDefinition, manifest: &Manifest) -> Vec<Vec<Aggregate>> {
    let one = |(column, of): (usize, &TargetColumn)| {
        let mut functions = vec![AggregateFunction::Count];
        if has_order(of.stored) {
            functions.extend([AggregateFunction::Min, AggregateFunction::Max]);
        }
        // A sum beyond 38 digits would be the server's error.
        let states_sum = manifest.files.iter().all(|file| {
            file.hashes.rows == file.hashes.columns[column].nulls
                || file.bounds[column].sum.is_some()
        });
        if of.stored.is_exact_number() && states_sum {
            functions.push(AggregateFunction::Sum);
        }
        let asked = functions.into_iter();
        asked
            .map(|function| Aggregate { function, column })
            .collect()
    };
    target.columns.iter().enumerate().map(one).collect()
}

/// Types of which the server's least and greatest are ours. It has one NaN more than bounds have,
/// and the text form of a double is its own.
fn has_order(stored: CanonicalType) -> bool {
    use CanonicalType as T;
    stored.is_exact_number()
        || stored.is_text()
        || matches!(
            stored,
            T::Date | T::Time { .. } | T::Timestamp { .. } | T::TimestampTz { .. }
        )
}

fn stated<'a>(asked: &[Aggregate], value: impl Fn(usize) -> &'a ArrayRef) -> Result<ColumnBounds> {
    let at = |function: AggregateFunction| {
        let position = asked.iter().position(|one| one.function == function)?;
        Some(value(position))
    };
    let mut stated = ColumnBounds::default();
    if let (Some(least), Some(greatest)) = (at(AggregateFunction::Min), at(AggregateFunction::Max))
    {
        let mut bounds = Bounds::default();
        bounds.add(&concat(&[least.as_ref(), greatest.as_ref()])?)?;
        let both = bounds.finish()?;
        (stated.min, stated.max) = (both.min, both.max);
    }
    stated.sum = at(AggregateFunction::Sum).and_then(decimal_text);
    Ok(stated)
}

fn decimal_text(array: &ArrayRef) -> Option<String> {
    let DataType::Decimal128(precision, scale) = array.data_type() else {
        return None;
    };
    let values = array.as_primitive::<Decimal128Type>();
    let value = (!values.is_null(0)).then(|| values.value(0))?;
    Some(Decimal128Type::format_decimal(value, *precision, *scale))
}
