//! How the engine that reads the files wants its SQL.

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use goe::frontend::{AggregateFunction, Comparison, Dialect};
use goe::schema::{CanonicalType, Column};

/// The SQL of the engine that reads the files; it is that of the offload too, so that comparisons
/// agree. The engine sees text: an operand is the text's value.
#[derive(Debug)]
pub struct CsvSql;

impl CsvSql {
    fn value_of(&self, column: &Column) -> Option<String> {
        let (name, kind) = (self.quote(&column.name), column.canonical.to_arrow());
        match column.canonical {
            CanonicalType::LargeString => Some(name),
            CanonicalType::Integer8 | CanonicalType::Date | CanonicalType::Decimal { .. } => {
                Some(format!("arrow_cast({name}, '{kind}')"))
            }
            _ => None,
        }
    }
}

impl Dialect for CsvSql {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        let text = value.cast_to(&DataType::Utf8).ok()?;
        let text = text.try_as_str()??.replace('\'', "''");
        Some(format!(
            "arrow_cast('{text}', '{}')",
            column.canonical.to_arrow()
        ))
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        Some((self.value_of(column)?, Comparison::Exact))
    }

    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        self.equality(column)
    }

    fn like_operand(&self, _: &Column) -> Option<(String, Comparison)> {
        None
    }

    fn like(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        let Some(column) = column else {
            return "count(*)".to_owned();
        };
        let value = self
            .value_of(column)
            .unwrap_or_else(|| self.quote(&column.name));
        format!("{}({value})", format!("{function:?}").to_lowercase())
    }
}
