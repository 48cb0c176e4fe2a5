//! Casts that fail where a plain one would lose something.
//!
//! The engine's CAST rounds a decimal to a smaller scale, drops the time of a timestamp and the
//! fraction of a float. In an offload each CAST of the SELECT is rewritten to a checked one: the
//! result, cast back, must be what it was. ROUND, TRUNC and TRY_CAST say otherwise in so many words.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result as PlanResult, exec_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, ErrorKind, Result};
use crate::schema::describe_value;

/// Rewrites every CAST in the SELECT lists of a plan to a checked one.
///
/// # Errors
/// Those of the engine's own tree walk.
pub fn check_casts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let checked = plan.transform_up(|node| match node {
        LogicalPlan::Projection(_) => node.map_expressions(|expr| {
            // The column keeps its name: a cast's name is that of what it casts.
            let name = expr.name_for_alias()?;
            let rewritten = expr.transform_up(|inner| Ok(check(inner)))?;
            rewritten.map_data(|expr| expr.alias_if_changed(name))
        }),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(checked.data.recompute_schema()?)
}

fn check(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) => {
            let what = inner.to_string();
            Transformed::yes(checked_cast(*inner, field.data_type().clone(), what))
        }
        other => Transformed::no(other),
    }
}

/// The checked cast of an expression; `what` names it in an error.
pub(super) fn checked_cast(expr: Expr, to: DataType, what: String) -> Expr {
    let function = CheckedCast {
        to,
        what,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::from(function)).call(vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedCast {
    to: DataType,
    what: String,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedCast {
    fn name(&self) -> &str {
        "checked_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = args.number_rows;
        let [value] = args.args.as_slice() else {
            return exec_err!("checked_cast takes one argument");
        };
        let array = value.to_array(rows)?;
        Ok(ColumnarValue::Array(self.cast(&array)?))
    }
}

impl CheckedCast {
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let plain = |array: &ArrayRef, to: &DataType| {
            cast_with_options(
                array,
                to,
                &CastOptions {
                    safe: false,
                    ..CastOptions::default()
                },
            )
        };
        let cast = plain(array, &self.to).map_err(|error| self.failed(error.to_string()))?;
        if cast.null_count() != array.null_count() {
            return Err(self.failed("a value became NULL".to_owned()));
        }
        let Some(between) = compared_as(array.data_type(), &self.to) else {
            return Ok(cast);
        };
        let (before, after) = (plain(array, &between)?, plain(&cast, &between)?);
        match first_true(&distinct(&before, &after)?) {
            None => Ok(cast),
            Some(row) => Err(self.failed(format!(
                "{} would become {}",
                describe_value(array, row),
                describe_value(&cast, row)
            ))),
        }
    }

    fn failed(&self, detail: String) -> Error {
        Error::new(
            ErrorKind::TypeLoss,
            format!(
                "A cast of {} to {} loses something: {detail}",
                self.what, self.to
            ),
        )
        .hint("cast to a wider type, or say that it may: ROUND, TRUNC or TRY_CAST")
    }
}

/// The type in which the value before and the value after must be equal; `None` where a cast that
/// succeeds can't lose anything.
fn compared_as(from: &DataType, to: &DataType) -> Option<DataType> {
    use DataType as T;
    let text = matches!(from, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    match (from, to) {
        _ if from == to => None,
        (_, T::Utf8 | T::LargeUtf8 | T::Utf8View) => None,
        // Text that parses may still hold more digits than the type keeps.
        (_, T::Decimal128(..) | T::Decimal256(..)) if text => Some(T::Decimal256(76, 38)),
        (_, T::Date32) if text => Some(T::Timestamp(TimeUnit::Microsecond, None)),
        _ if text => None,
        _ if from.is_integer() && to.is_integer() => None,
        _ => Some(from.clone()),
    }
}

fn first_true(found: &BooleanArray) -> Option<usize> {
    (0..found.len()).find(|&row| found.is_valid(row) && found.value(row))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };

    use super::*;

    fn run(array: ArrayRef, to: DataType) -> Result<ArrayRef> {
        let signature = Signature::any(1, Volatility::Immutable);
        CheckedCast {
            to,
            what: "c".to_owned(),
            signature,
        }
        .cast(&array)
    }

    fn decimals(values: Vec<Option<i128>>, scale: i8) -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values)
                .with_precision_and_scale(20, scale)
                .unwrap(),
        )
    }

    #[test]
    fn a_cast_that_keeps_the_value_succeeds() {
        let to = DataType::Decimal128(10, 1);
        let kept = run(decimals(vec![Some(150), None], 2), to.clone()).unwrap();
        assert_eq!(kept.data_type(), &to);
        assert_eq!(kept.null_count(), 1);
        let days = run(Arc::new(Int64Array::from(vec![5])), DataType::Int8).unwrap();
        assert_eq!(days.len(), 1);
        let midnight = TimestampMicrosecondArray::from(vec![86_400_000_000]);
        let date = run(Arc::new(midnight), DataType::Date32).unwrap();
        assert_eq!(date.as_ref(), &Date32Array::from(vec![1]) as &dyn Array);
        run(Arc::new(StringArray::from(vec!["1.50"])), to).unwrap();
    }

    #[test]
    fn a_cast_that_loses_something_fails_and_shows_the_value() {
        let cases: Vec<(ArrayRef, DataType, &str)> = vec![
            (
                decimals(vec![Some(155)], 2),
                DataType::Decimal128(10, 1),
                "1.55",
            ),
            (
                decimals(vec![Some(99_999)], 0),
                DataType::Decimal128(3, 0),
                "99999",
            ),
            (decimals(vec![Some(12)], 1), DataType::Int64, "1.2"),
            (
                Arc::new(Float64Array::from(vec![0.5])),
                DataType::Int32,
                "0.5",
            ),
            (Arc::new(Int64Array::from(vec![300])), DataType::Int8, "300"),
            (
                Arc::new(Int64Array::from(vec![(1 << 53) + 1])),
                DataType::Float64,
                "9007199254740993",
            ),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![86_400_000_001])),
                DataType::Date32,
                "1970-01-02",
            ),
            (
                Arc::new(StringArray::from(vec!["1.55"])),
                DataType::Decimal128(10, 1),
                "1.55",
            ),
            (Arc::new(StringArray::from(vec!["x"])), DataType::Int32, "x"),
        ];
        for (array, to, shown) in cases {
            let error = run(array, to.clone()).expect_err(&to.to_string());
            assert_eq!(error.kind(), ErrorKind::TypeLoss);
            assert!(error.message().contains(shown), "{}", error.message());
        }
    }
}
