//! Partition values: what a transform makes of one value, and of a column.

use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, StringArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::temporal_conversions::date32_to_datetime;
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{Result as PlanResult, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::{Transform, Unit, calendar};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{CanonicalType, describe_value};

/// Digits of the longest integers that 8 bytes surely hold.
const LONG_DIGITS: u32 = 18;

impl Transform {
    /// The type of the partition values of a column; `None` for a column that has none.
    #[must_use]
    pub fn output(self, of: CanonicalType) -> Option<CanonicalType> {
        use CanonicalType as T;
        match (self, of) {
            (Self::Identity, of) => Some(of),
            (Self::Time(_), T::Date | T::Timestamp { .. } | T::TimestampTz { .. }) => Some(T::Date),
            (Self::Truncate(width), of) if of.is_text() => Some(T::VariableString {
                length: u32::try_from(width.get()).ok(),
            }),
            (Self::Truncate(width), of) => {
                let whole = whole_digits(of)?;
                // One more, since a negative number is cut to one that is farther from zero.
                let digits = whole.max(width.get().ilog10() + 1) + 1;
                let long = of == T::Integer8 && width.get().ilog10() < LONG_DIGITS;
                Some(if long || digits <= LONG_DIGITS {
                    T::Integer8
                } else {
                    T::Integer38
                })
            }
            _ => None,
        }
    }

    /// The partition value of one value, as `made`, the type of [`Transform::output`]; `None` where
    /// it has none of that type. A NULL has NULL.
    #[must_use]
    pub fn value(self, value: &ScalarValue, made: CanonicalType) -> Option<ScalarValue> {
        let to = made.to_arrow();
        if value.is_null() {
            return ScalarValue::try_from(&to).ok();
        }
        match self {
            Self::Identity => (value.data_type() == to).then(|| value.clone()),
            Self::Time(unit) => {
                let day = first_of(day_of(value)?, unit)?;
                (to == DataType::Date32).then_some(ScalarValue::Date32(Some(day)))
            }
            Self::Truncate(width) => {
                let array = value.to_array_of_size(1).ok()?;
                let truncated = truncate(&array, width, &to).ok()?;
                ScalarValue::try_from_array(&truncated, 0).ok()
            }
        }
    }

    /// The partition values of a column, as `made`; `what` names the column in an error.
    pub(super) fn expression(self, column: Expr, made: CanonicalType, what: &str) -> Expr {
        match self {
            Self::Identity => column,
            Self::Time(unit) => calendar::first_day(unit, column),
            Self::Truncate(width) => {
                let function = Truncate {
                    width,
                    to: made.to_arrow(),
                    what: what.to_owned(),
                    signature: Signature::any(1, Volatility::Immutable),
                };
                Arc::new(ScalarUDF::from(function)).call(vec![column])
            }
        }
    }
}

/// Digits before the point; `None` for what is no exact number of up to 38 digits.
fn whole_digits(of: CanonicalType) -> Option<u32> {
    use CanonicalType as T;
    Some(match of {
        T::Integer1 => 3,
        T::Integer2 => 5,
        T::Integer4 => 10,
        T::Integer8 => 19,
        T::Integer38 => 38,
        T::Decimal { precision, scale } if precision <= 38 => u32::from(precision - scale),
        _ => return None,
    })
}

/// The day that a point in time falls into, as days since 1970.
fn day_of(value: &ScalarValue) -> Option<i32> {
    const MICROS: i64 = 86_400_000_000;
    let array = value.to_array_of_size(1).ok()?;
    let days = match array.data_type() {
        DataType::Date32 => return Some(array.as_primitive::<Date32Type>().value(0)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array
            .as_primitive::<TimestampMicrosecondType>()
            .value(0)
            .div_euclid(MICROS),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .value(0)
            .div_euclid(MICROS * 1000),
        _ => return None,
    };
    i32::try_from(days).ok()
}

fn first_of(day: i32, unit: Unit) -> Option<i32> {
    let date = date32_to_datetime(day)?.date();
    let first = match unit {
        Unit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
        Unit::Month => NaiveDate::from_ymd_opt(date.year(), date.month(), 1)?,
        Unit::Day => date,
    };
    let since = first.signed_duration_since(DateTime::UNIX_EPOCH.date_naive());
    i32::try_from(since.num_days()).ok()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Truncate {
    width: NonZeroU64,
    to: DataType,
    what: String,
    signature: Signature,
}

impl ScalarUDFImpl for Truncate {
    fn name(&self) -> &str {
        "truncate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return exec_err!("truncate takes one argument");
        };
        let array = value.to_array(args.number_rows)?;
        let truncated = truncate(&array, self.width, &self.to)
            .map_err(|error| error.context("column", self.what.as_str()))?;
        Ok(ColumnarValue::Array(truncated))
    }
}

/// A column's values, numbers cut to multiples of the width, texts to so many characters.
fn truncate(array: &ArrayRef, width: NonZeroU64, to: &DataType) -> Result<ArrayRef> {
    macro_rules! numbers {
        ($type:ty, $scale:expr) => {{
            let values = array.as_primitive::<$type>().iter();
            let floors = values.map(|value| value.map(|v| floor(i128::from(v), $scale, width)));
            whole_numbers(array, floors, to)
        }};
    }
    match array.data_type() {
        DataType::Int8 => numbers!(Int8Type, 0),
        DataType::Int16 => numbers!(Int16Type, 0),
        DataType::Int32 => numbers!(Int32Type, 0),
        DataType::Int64 => numbers!(Int64Type, 0),
        DataType::Decimal128(_, scale) => numbers!(Decimal128Type, *scale),
        DataType::Utf8 if *to == DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter();
            Ok(Arc::new(prefixes(texts, width)))
        }
        DataType::LargeUtf8 if *to == DataType::Utf8 => {
            let texts = array.as_string::<i64>().iter();
            Ok(Arc::new(prefixes(texts, width)))
        }
        other => Err(Error::unsupported(format!(
            "Values of type {other} can't be truncated to {to}"
        ))),
    }
}

/// The multiple of the width at or below `units` times 10^-`scale`; `None` beyond 128 bits.
fn floor(units: i128, scale: i8, width: NonZeroU64) -> Option<i128> {
    let width = i128::from(width.get());
    let step = 10_i128
        .checked_pow(u32::from(scale.unsigned_abs()))
        .and_then(|power| power.checked_mul(width));
    match step {
        Some(step) => units.div_euclid(step).checked_mul(width),
        // A step of more than 38 digits is beyond every value.
        None => Some(if units < 0 { -width } else { 0 }),
    }
}

fn whole_numbers(
    array: &ArrayRef,
    floors: impl Iterator<Item = Option<Option<i128>>>,
    to: &DataType,
) -> Result<ArrayRef> {
    let fits = |value: i128| match to {
        DataType::Int64 => i64::try_from(value).is_ok(),
        _ => value.unsigned_abs() < 10_u128.pow(38),
    };
    let mut values = Vec::with_capacity(array.len());
    for (row, floor) in floors.enumerate() {
        values.push(match floor {
            None => None,
            Some(Some(value)) if fits(value) => Some(value),
            Some(_) => return Err(beyond(array, row, to)),
        });
    }
    match to {
        DataType::Int64 => {
            let longs = values.into_iter().map(|value| value.map(|v| v as i64));
            Ok(Arc::new(Int64Array::from_iter(longs)))
        }
        DataType::Decimal128(38, 0) => {
            let decimals = Decimal128Array::from(values).with_precision_and_scale(38, 0)?;
            Ok(Arc::new(decimals))
        }
        other => Err(Error::unsupported(format!(
            "No number is truncated to {other}"
        ))),
    }
}

fn beyond(array: &ArrayRef, row: usize, to: &DataType) -> Error {
    Error::new(
        ErrorKind::Data,
        format!(
            "Value {} has no partition: the multiple below it is beyond {to}",
            describe_value(array, row)
        ),
    )
    .hint("partition by another width, or leave the row out with --where")
}

fn prefixes<'a>(texts: impl Iterator<Item = Option<&'a str>>, width: NonZeroU64) -> StringArray {
    let characters = usize::try_from(width.get()).unwrap_or(usize::MAX);
    let prefix = |text: &'a str| match text.char_indices().nth(characters) {
        Some((end, _)) => &text[..end],
        None => text,
    };
    texts.map(|text| text.map(prefix)).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;
    use arrow::datatypes::{Field, Schema};
    use datafusion::common::DFSchema;
    use datafusion::prelude::SessionContext;
    use proptest::prelude::*;

    use super::*;

    fn width(width: u64) -> Transform {
        Transform::Truncate(NonZeroU64::new(width).unwrap())
    }

    /// The value of an expression over one column `v`, by the engine.
    fn by_engine(
        array: &ArrayRef,
        expression: impl FnOnce(&SessionContext, &DFSchema) -> Expr,
    ) -> ArrayRef {
        let field = Field::new("v", array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(array)]).unwrap();
        let schema = DFSchema::try_from(schema).unwrap();
        let engine = SessionContext::new();
        let expression = expression(&engine, &schema);
        let physical = engine.create_physical_expr(expression, &schema).unwrap();
        let value = physical.evaluate(&batch).unwrap();
        value.into_array(batch.num_rows()).unwrap()
    }

    fn by_sql(array: &ArrayRef, sql: &str) -> ArrayRef {
        by_engine(array, |engine, schema| {
            engine.parse_sql_expr(sql, schema).unwrap()
        })
    }

    /// Value by value, and as a column, the transform is what the SQL says.
    fn agree(array: &ArrayRef, transform: Transform, of: CanonicalType, sql: &str) {
        let made = transform.output(of).unwrap();
        let wanted = by_sql(array, sql);
        let wanted = arrow::compute::cast(&wanted, &made.to_arrow()).unwrap();
        let column = by_engine(array, |_, _| {
            transform.expression(datafusion::prelude::col("v"), made, "v")
        });
        assert_eq!(column.as_ref(), wanted.as_ref(), "{sql}");
        for row in 0..array.len() {
            let value = ScalarValue::try_from_array(array, row).unwrap();
            let found = transform.value(&value, made).unwrap();
            assert_eq!(
                found,
                ScalarValue::try_from_array(&wanted, row).unwrap(),
                "{value}"
            );
        }
    }

    #[test]
    fn numbers_are_floored_exactly() {
        let of = |text: &str, by: u64| {
            let scale = text
                .split_once('.')
                .map_or(0, |(_, fraction)| fraction.len());
            let units: i128 = text.replace('.', "").parse().unwrap();
            let value = ScalarValue::Decimal128(Some(units), 38, scale as i8);
            let made = width(by).value(&value, CanonicalType::Integer38).unwrap();
            describe_value(&made.to_array_of_size(1).unwrap(), 0)
        };
        let cases = [
            ("12345", 10, "12340"),
            ("-12345", 10, "-12350"),
            ("12345.12345", 1000, "12000"),
            ("-12399.6", 10, "-12400"),
            (
                "1998849133104929799110640.00301078",
                1234,
                "1998849133104929799109602",
            ),
            (
                "-0.00000000000000000000000000000000000001",
                u64::MAX,
                "-18446744073709551615",
            ),
        ];
        for (value, by, expected) in cases {
            assert_eq!(of(value, by), expected, "{value} by {by}");
        }
    }

    #[test]
    fn a_floor_beyond_the_type_stops_and_names_the_value() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MIN]));
        let thousand = NonZeroU64::new(1000).unwrap();
        let error = truncate(&array, thousand, &DataType::Int64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.message().contains("-9223372036854775808"), "{error}");
    }

    #[test]
    fn only_what_has_an_order_is_truncated() {
        use CanonicalType as T;
        let cases = [
            (T::Integer1, Some(T::Integer8)),
            (T::Integer8, Some(T::Integer8)),
            (T::Integer38, Some(T::Integer38)),
            (
                T::Decimal {
                    precision: 15,
                    scale: 2,
                },
                Some(T::Integer8),
            ),
            (
                T::Decimal {
                    precision: 38,
                    scale: 10,
                },
                Some(T::Integer38),
            ),
            (
                T::Decimal {
                    precision: 39,
                    scale: 0,
                },
                None,
            ),
            (
                T::LargeString,
                Some(T::VariableString { length: Some(1000) }),
            ),
            (T::Double, None),
            (T::Date, None),
            (T::Boolean, None),
        ];
        for (of, made) in cases {
            assert_eq!(width(1000).output(of), made, "{of}");
        }
        assert_eq!(Transform::Time(Unit::Day).output(T::Integer4), None);
    }

    proptest! {
        #[test]
        fn whole_numbers_agree_with_sql(
            values in prop::collection::vec(prop::option::of(-1_000_000_000_000_000_000_i64..=i64::MAX), 1..20),
            by in 1u64..1_000_000,
        ) {
            let array: ArrayRef = Arc::new(Int64Array::from(values));
            let sql = format!("v - ((v % {by}) + {by}) % {by}");
            agree(&array, width(by), CanonicalType::Integer8, &sql);
        }

        #[test]
        fn decimals_agree_with_sql(
            values in prop::collection::vec(prop::option::of(-10_i128.pow(24)..10_i128.pow(24)), 1..20),
            by in 1u64..10_000,
        ) {
            let decimals = Decimal128Array::from(values).with_precision_and_scale(24, 4).unwrap();
            let array: ArrayRef = Arc::new(decimals);
            let sql = format!("v - ((v % {by}) + {by}) % {by}");
            agree(&array, width(by), CanonicalType::Decimal { precision: 24, scale: 4 }, &sql);
        }

        #[test]
        fn texts_agree_with_sql(
            values in prop::collection::vec(prop::option::of(".{0,6}"), 1..20),
            by in 1u64..8,
        ) {
            let array: ArrayRef = Arc::new(StringArray::from(values));
            agree(&array, width(by), CanonicalType::LargeString, &format!("substr(v, 1, {by})"));
        }

        #[test]
        fn days_agree_with_sql(
            values in prop::collection::vec(prop::option::of(-100_000_i32..100_000), 1..20),
            micros in prop::collection::vec(prop::option::of(-8_000_000_000_000_000_i64..8_000_000_000_000_000), 1..20),
        ) {
            let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(values));
            let times: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(micros));
            for unit in [Unit::Year, Unit::Month, Unit::Day] {
                let sql = format!("CAST(date_trunc('{}', v) AS DATE)", unit.name());
                agree(&days, Transform::Time(unit), CanonicalType::Date, &sql);
                agree(&times, Transform::Time(unit), CanonicalType::Timestamp { scale: 6 }, &sql);
            }
        }
    }
}
