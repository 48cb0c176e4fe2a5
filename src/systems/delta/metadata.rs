//! The `metaData` action: a table's schema, partition columns, properties and record.

use serde_json::{Map, Value, json};

use super::statistics::now;
use super::types::DeltaTypes;
use crate::backend::{StoredRecord, TargetColumn, TargetDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::TypeMap;
use crate::schema::{CanonicalType, Column};

/// The property that holds the record.
const RECORD: &str = "goe.record";
/// A field's metadata: what the column means, what is stored, and the source's own type.
const CANONICAL: &str = "goe.canonical";
const STORED: &str = "goe.stored";
const SOURCE: &str = "goe.source_type";

/// The action's JSON. Whatever goe does not know of in it is kept.
#[derive(Debug, Clone)]
pub(super) struct TableMetadata(pub(super) Value);

impl TableMetadata {
    /// The metadata of a new table.
    pub(super) fn create(target: &TargetDefinition) -> Self {
        let fields: Vec<Value> = target.columns.iter().map(field).collect();
        Self(json!({
            "id": uuid::Uuid::new_v4().to_string(),
            "name": target.name.table,
            "description": target.comment,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema_string(fields),
            "partitionColumns": target.partition_columns,
            "configuration": {},
            "createdTime": now(),
        }))
    }

    /// The fields of the schema, as JSON.
    pub(super) fn fields(&self) -> Result<Vec<Value>> {
        let text = self.0["schemaString"].as_str().unwrap_or_default();
        let schema: Value = serde_json::from_str(text).map_err(|error| {
            Error::new(
                ErrorKind::Load,
                "The table's schema in the log does not parse",
            )
            .caused_by(error)
        })?;
        Ok(schema["fields"].as_array().cloned().unwrap_or_default())
    }

    /// The table's columns; every column of a type that goe does not keep is named at once.
    pub(super) fn columns(&self) -> Result<Vec<Column>> {
        let fields = self.fields()?;
        let (mut columns, mut refused) = (Vec::new(), Vec::new());
        for field in &fields {
            match column(field) {
                Ok(column) => columns.push(column),
                Err(error) => refused.push(format!("\"{}\": {}", name(field), error.message())),
            }
        }
        if refused.is_empty() {
            return Ok(columns);
        }
        Err(Error::unsupported(format!(
            "Some columns are of types that goe lacks: {}",
            refused.join("; ")
        ))
        .hint("goe keeps plain columns; structs, arrays, maps and variants it does not"))
    }

    /// The partition columns, in order.
    pub(super) fn partition_columns(&self) -> Vec<String> {
        let columns = self.0["partitionColumns"].as_array();
        columns
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// The table's properties.
    pub(super) fn properties(&self) -> Map<String, Value> {
        self.0["configuration"]
            .as_object()
            .cloned()
            .unwrap_or_default()
    }

    /// A property that is `true`.
    pub(super) fn is_on(&self, property: &str) -> bool {
        self.0["configuration"][property]
            .as_str()
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The record, if goe made the table.
    pub(super) fn record(&self) -> Result<Option<StoredRecord>> {
        let Some(text) = self.0["configuration"][RECORD].as_str() else {
            return Ok(None);
        };
        let broken = || {
            Error::new(
                ErrorKind::Conflict,
                "The table's record (property goe.record) does not parse",
            )
            .hint("someone else wrote the property; restore an older version of the table")
        };
        let record: Value =
            serde_json::from_str(text).map_err(|error| broken().caused_by(error))?;
        let number = |key: &str| record[key].as_u64().ok_or_else(broken);
        Ok(Some(StoredRecord {
            sequence: number("sequence")?,
            fence: number("fence")?,
            manifest: record["manifest"].as_str().ok_or_else(broken)?.to_owned(),
            body: record["body"].clone(),
        }))
    }

    /// The same with another record, which names its proof's file.
    pub(super) fn with_record(mut self, record: &StoredRecord, proof: &str) -> Self {
        let text = json!({
            "sequence": record.sequence,
            "fence": record.fence,
            "manifest": record.manifest,
            "proof": proof,
            "body": record.body,
        })
        .to_string();
        if !self.0["configuration"].is_object() {
            self.0["configuration"] = json!({});
        }
        self.0["configuration"][RECORD] = Value::String(text);
        self
    }

    /// The same with more columns at its end.
    pub(super) fn with_columns(mut self, columns: &[TargetColumn]) -> Result<Self> {
        let mut fields = self.fields()?;
        fields.extend(columns.iter().map(field));
        self.0["schemaString"] = Value::String(schema_string(fields));
        Ok(self)
    }
}

/// The name of a field.
pub(super) fn name(field: &Value) -> &str {
    field["name"].as_str().unwrap_or_default()
}

fn schema_string(fields: Vec<Value>) -> String {
    json!({ "type": "struct", "fields": fields }).to_string()
}

fn field(column: &TargetColumn) -> Value {
    let mut metadata = json!({
        CANONICAL: column.canonical.to_string(),
        STORED: column.stored.to_string(),
        SOURCE: column.source,
    });
    if let Some(comment) = &column.comment {
        metadata["comment"] = Value::String(comment.clone());
    }
    json!({
        "name": column.name,
        "type": column.native,
        "nullable": column.nullable,
        "metadata": metadata,
    })
}

fn column(field: &Value) -> Result<Column> {
    let native = match &field["type"] {
        Value::String(native) => native.clone(),
        nested => nested["type"]
            .as_str()
            .unwrap_or("of no known form")
            .to_owned(),
    };
    let mut mapping = DeltaTypes.to_canonical(&native)?;
    if let Some(stored) = stored(field, &native) {
        mapping.to = stored;
    }
    let nullable = field["nullable"].as_bool().unwrap_or(true);
    let mut column = Column::new(name(field), native, nullable, mapping);
    column.comment = field["metadata"]["comment"].as_str().map(str::to_owned);
    Ok(column)
}

/// What goe stored in the column, as long as that is still of the column's type.
fn stored(field: &Value, native: &str) -> Option<CanonicalType> {
    let stored: CanonicalType = field["metadata"][STORED].as_str()?.parse().ok()?;
    let mapping = DeltaTypes.from_canonical(stored).ok()?;
    (mapping.to.native == native && mapping.to.stored == stored).then_some(stored)
}
