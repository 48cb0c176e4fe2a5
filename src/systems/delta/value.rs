//! Partition values: text in the log and in folders' names, typed values in rows.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::error::{Error, ErrorKind, Result};
use crate::schema::shorten;
use crate::staging::partition_text;

/// The typed value of a partition's text; the text is what [`text`] writes, or what another writer
/// of the protocol did.
pub(super) fn parse(value: Option<&str>, to: &DataType) -> Result<ScalarValue> {
    let bad = |reason: String| {
        Error::new(
            ErrorKind::Data,
            format!(
                "Partition value \"{}\" is no {to}: {reason}",
                shorten(value.unwrap_or("NULL"))
            ),
        )
    };
    match value {
        None => Ok(ScalarValue::try_from(to)?),
        Some(text) => ScalarValue::try_from_string(text.to_owned(), to)
            .map_err(|error| bad(error.to_string())),
    }
}

/// A value's text as staging writes it, which is what the protocol asks for; `None` for NULL.
pub(super) fn text(value: &ScalarValue) -> Result<Option<String>> {
    partition_text(&value.to_array_of_size(1)?, 0)
}

/// A partition's text in the one form that [`text`] writes, whoever wrote it.
pub(super) fn normal(value: Option<&str>, to: &DataType) -> Result<Option<String>> {
    text(&parse(value, to)?)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_keeps_its_form_both_ways() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (value, to) in [
            ("2024-02-29", DataType::Date32),
            ("0001-01-01", DataType::Date32),
            ("2024-02-29 12:00:01", micros.clone()),
            ("1969-12-31 23:59:59.999999", micros.clone()),
            ("2024-02-29 12:00:01.000001", utc.clone()),
            ("-12.50", DataType::Decimal128(15, 2)),
            (
                "12345678901234567890123456789012345678",
                DataType::Decimal128(38, 0),
            ),
            ("-128", DataType::Int8),
            ("true", DataType::Boolean),
            ("a'b\n😀", DataType::Utf8),
            ("", DataType::LargeUtf8),
        ] {
            assert_eq!(
                normal(Some(value), &to).unwrap().as_deref(),
                Some(value),
                "{to}"
            );
        }
        for (foreign, ours, to) in [
            ("2024-02-29T12:00:01.500Z", "2024-02-29 12:00:01.500", utc),
            ("2024-02-29 12:00:01.0", "2024-02-29 12:00:01", micros),
        ] {
            assert_eq!(normal(Some(foreign), &to).unwrap().as_deref(), Some(ours));
        }
        assert_eq!(normal(None, &DataType::Date32).unwrap(), None);
        assert!(normal(Some("yesterday"), &DataType::Date32).is_err());
        assert!(normal(Some("300"), &DataType::Int8).is_err());
    }

    proptest! {
        #[test]
        fn any_moment_comes_back(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let value = ScalarValue::TimestampMicrosecond(Some(micros), None);
            let written = text(&value).unwrap();
            prop_assert_eq!(parse(written.as_deref(), &value.data_type()).unwrap(), value);
        }
    }
}
