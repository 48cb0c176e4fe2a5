//! SQL as the server wants it.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::scalar::ScalarValue;

use super::name;
use super::types::DOCUMENT;
use crate::frontend::{AggregateFunction, Comparison, Dialect};
use crate::schema::{CanonicalType, Column};

/// The dialect. Stateless: what it must know of a column is its canonical type.
#[derive(Debug)]
pub(super) struct Snowflake;

/// The dialect for whoever shares it.
pub(super) fn dialect() -> Arc<dyn Dialect> {
    Arc::new(Snowflake)
}

impl Dialect for Snowflake {
    fn quote(&self, name: &str) -> String {
        name::quote(name)
    }

    fn read_column(&self, column: &Column) -> String {
        let name = self.quote(&column.name);
        match column.native == DOCUMENT {
            true => format!("TO_JSON({name})"),
            false => name,
        }
    }

    fn literal(&self, column: &Column, value: &ScalarValue) -> Option<String> {
        use CanonicalType as T;
        let written = |of: &str| Some(format!("'{}'::{of}", plain(value)?));
        match column.canonical {
            T::FixedString { .. } | T::VariableString { .. } | T::LargeString => {
                let text = value.try_as_str()??;
                (!text.contains('\0')).then(|| name::text(text))
            }
            T::Integer1 | T::Integer2 | T::Integer4 | T::Integer8 | T::Integer38 => plain(value),
            T::Decimal { precision, scale } if precision <= 38 => {
                written(&format!("NUMBER({precision},{scale})"))
            }
            T::Date => written("DATE").filter(|text| has_plain_year(text)),
            T::Time { scale } => written(&format!("TIME({scale})")),
            T::Timestamp { scale } => {
                written(&format!("TIMESTAMP_NTZ({scale})")).filter(|text| has_plain_year(text))
            }
            T::TimestampTz { scale } => {
                written(&format!("TIMESTAMP_TZ({scale})")).filter(|text| has_plain_year(text))
            }
            T::Boolean => match value {
                ScalarValue::Boolean(Some(true)) => Some("TRUE".to_owned()),
                ScalarValue::Boolean(Some(false)) => Some("FALSE".to_owned()),
                _ => None,
            },
            _ => None,
        }
    }

    fn equality(&self, column: &Column) -> Option<(String, Comparison)> {
        let comparable = matches!(column.canonical, CanonicalType::Boolean);
        match comparable {
            true => Some((self.quote(&column.name), Comparison::Exact)),
            false => self.order(column),
        }
    }

    fn order(&self, column: &Column) -> Option<(String, Comparison)> {
        use CanonicalType as T;
        // Text compares by the bytes of its UTF-8 unless a column has a collation, which
        // a described column is refused for. Doubles know other NaNs than the engine.
        let ordered = match column.canonical {
            T::Float | T::Double | T::Boolean => false,
            T::Binary { .. } | T::LargeBinary | T::IntervalDs | T::IntervalYm => false,
            T::Decimal { precision, .. } => precision <= 38,
            // Documents are compared by no order of ours.
            _ => column.native != DOCUMENT,
        };
        ordered.then(|| (self.quote(&column.name), Comparison::Exact))
    }

    fn like_operand(&self, _: &Column) -> Option<(String, Comparison)> {
        None
    }

    fn like(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn is_true(&self, predicate: &str) -> String {
        format!("COALESCE({predicate}, FALSE)")
    }

    fn aggregate(&self, function: AggregateFunction, column: Option<&Column>) -> String {
        let of = |word: &str| match column {
            Some(column) => format!("{word}({})", self.quote(&column.name)),
            None => "COUNT(*)".to_owned(),
        };
        match function {
            AggregateFunction::Rows => "COUNT(*)".to_owned(),
            AggregateFunction::Count => of("COUNT"),
            AggregateFunction::Min => of("MIN"),
            AggregateFunction::Max => of("MAX"),
            AggregateFunction::Sum => of("SUM"),
        }
    }
}

/// A value as plain digits, or as ISO 8601 with the offset of an instant.
fn plain(value: &ScalarValue) -> Option<String> {
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f +00:00"));
    let array = value.to_array().ok()?;
    let formatter = ArrayFormatter::try_new(&array, &options).ok()?;
    Some(formatter.value(0).to_string())
}

/// Whether a literal's year has four digits: the server reads others in ways of its own.
fn has_plain_year(literal: &str) -> bool {
    let text = literal.trim_start_matches('\'').as_bytes();
    text.len() > 4 && text[..4].iter().all(u8::is_ascii_digit) && text[4] == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Mapping;

    fn column(canonical: CanonicalType) -> Column {
        Column::new(
            "l_x",
            canonical.to_string(),
            true,
            Mapping::exact(canonical),
        )
    }

    #[test]
    fn values_are_written_whole_and_with_their_types() {
        let micros = Some(1_577_934_245_000_006);
        let decimal = CanonicalType::Decimal {
            precision: 15,
            scale: 2,
        };
        for (canonical, value, expected) in [
            (
                CanonicalType::Integer8,
                ScalarValue::Int64(Some(i64::MIN)),
                "-9223372036854775808",
            ),
            (
                decimal,
                ScalarValue::Decimal128(Some(-5), 15, 2),
                "'-0.05'::NUMBER(15,2)",
            ),
            (
                CanonicalType::Date,
                ScalarValue::Date32(Some(-1)),
                "'1969-12-31'::DATE",
            ),
            (
                CanonicalType::Timestamp { scale: 6 },
                ScalarValue::TimestampMicrosecond(micros, None),
                "'2020-01-02 03:04:05.000006'::TIMESTAMP_NTZ(6)",
            ),
            (
                CanonicalType::TimestampTz { scale: 6 },
                ScalarValue::TimestampMicrosecond(micros, Some("UTC".into())),
                "'2020-01-02 03:04:05.000006 +00:00'::TIMESTAMP_TZ(6)",
            ),
            (
                CanonicalType::LargeString,
                ScalarValue::LargeUtf8(Some("it's \\ so".to_owned())),
                "'it''s \\\\ so'",
            ),
            (
                CanonicalType::Boolean,
                ScalarValue::Boolean(Some(false)),
                "FALSE",
            ),
        ] {
            let written = Snowflake.literal(&column(canonical), &value);
            assert_eq!(written.as_deref(), Some(expected));
        }
        for (canonical, value) in [
            (CanonicalType::Date, ScalarValue::Date32(Some(3_000_000))),
            (CanonicalType::Double, ScalarValue::Float64(Some(1.5))),
            (
                CanonicalType::LargeString,
                ScalarValue::LargeUtf8(Some("a\0b".to_owned())),
            ),
        ] {
            assert_eq!(Snowflake.literal(&column(canonical), &value), None);
        }
    }
}
