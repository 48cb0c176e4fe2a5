//! Casts that fail where a plain one would lose something.
//!
//! The engine's CAST rounds a decimal to a smaller scale, drops the time of a timestamp and the
//! fraction of a float. In an offload each CAST of the SELECT is rewritten to a checked one: the
//! result, cast back, must be what it was. ROUND, TRUNC and TRY_CAST say otherwise in so many
//! words, and so do the offload's [`Allowances`]; what they changed is counted.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as PlanResult, exec_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use super::allowance::{Allowances, cut_nanoseconds, without_specials};
use super::failed_cast::Watch;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::describe_value;

/// Rewrites every CAST in the SELECT lists of a plan to a checked one.
///
/// # Errors
/// Those of the engine's own tree walk.
pub fn check_casts(plan: LogicalPlan, allow: Allowances) -> Result<LogicalPlan> {
    let checked = plan.transform_up(|node| match node {
        LogicalPlan::Projection(_) => node.map_expressions(|expr| {
            // The column keeps its name: a cast's name is that of what it casts.
            let name = expr.name_for_alias()?;
            let rewritten = expr.transform_up(|inner| Ok(check(inner, allow)))?;
            rewritten.map_data(|expr| expr.alias_if_changed(name))
        }),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(checked.data.recompute_schema()?)
}

fn check(expr: Expr, allow: Allowances) -> Transformed<Expr> {
    match expr {
        Expr::Cast(Cast { expr: inner, field }) => {
            let what = inner.to_string();
            Transformed::yes(checked_cast(*inner, field.data_type().clone(), what, allow))
        }
        other => Transformed::no(other),
    }
}

/// The checked cast of an expression; `what` names it in an error.
pub(super) fn checked_cast(expr: Expr, to: DataType, what: String, allow: Allowances) -> Expr {
    let function = CheckedCast {
        to,
        what,
        allow,
        changed: Counter::default(),
        watch: None,
        signature: Signature::any(1, Volatility::Immutable),
    };
    Arc::new(ScalarUDF::from(function)).call(vec![expr])
}

/// What the casts of some plans changed so far because the offload allows it, a sentence for each
/// column and type.
///
/// # Errors
/// Those of the engine's own tree walk.
pub(super) fn changed_values<'a>(
    plans: impl Iterator<Item = &'a LogicalPlan>,
) -> Result<Vec<String>> {
    // Plans may share a cast, and so its count.
    let mut counts: BTreeMap<(String, String), HashMap<*const AtomicU64, u64>> = BTreeMap::new();
    for plan in plans {
        plan.apply(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    if let Some(cast) = CheckedCast::of(part) {
                        let of = counts.entry((cast.what.clone(), cast.to.to_string()));
                        let changed = cast.changed.0.load(Ordering::Relaxed);
                        of.or_default()
                            .insert(Arc::as_ptr(&cast.changed.0), changed);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
    }
    let said = counts.into_iter().filter_map(|((what, to), counts)| {
        let values: u64 = counts.values().sum();
        (values > 0).then(|| format!("{values} values of {what} changed in the cast to {to}"))
    });
    Ok(said.collect())
}

/// A count that every copy of a plan shares, and that says nothing of what the cast means.
#[derive(Debug, Clone, Default)]
struct Counter(Arc<AtomicU64>);

impl PartialEq for Counter {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counter {}

impl Hash for Counter {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One checked cast as a function of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CheckedCast {
    pub(super) to: DataType,
    what: String,
    allow: Allowances,
    changed: Counter,
    /// Who is told of values that fail, in place of the run; the other arguments are the row.
    watch: Option<Watch>,
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
        let nullable = self.watch.is_some()
            || args.arg_fields.iter().any(|field| {
                field.is_nullable() || self.allow.makes_nulls(field.data_type(), &self.to)
            });
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = args.number_rows;
        let Some((value, row)) = args.args.split_first() else {
            return exec_err!("checked_cast takes a value");
        };
        let array = value.to_array(rows)?;
        let cast = match &self.watch {
            None => self.cast(&array)?,
            Some(watch) => {
                let row: PlanResult<Vec<ArrayRef>> =
                    row.iter().map(|part| part.to_array(rows)).collect();
                watch.cast(self, &array, &row?)?
            }
        };
        Ok(ColumnarValue::Array(cast))
    }
}

impl CheckedCast {
    /// The cast that an expression is, if it is one.
    pub(super) fn of(expr: &Expr) -> Option<&Self> {
        match expr {
            Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Self>(),
            _ => None,
        }
    }

    /// The same cast, which tells of what fails and goes on; it takes `row` more arguments.
    pub(super) fn watched(&self, watch: Watch, row: usize) -> Self {
        Self {
            watch: Some(watch),
            // Never computed ahead of the rows that it is to be told of.
            signature: Signature::any(row + 1, Volatility::Volatile),
            ..self.clone()
        }
    }

    /// The values in the other type.
    pub(super) fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let (prepared, mut changed) = self.prepare(array)?;
        let cast = plain(&prepared, &self.to)
            .map_err(|error| self.failed(array.data_type(), error.to_string()))?;
        if cast.null_count() != prepared.null_count() {
            return Err(self.failed(array.data_type(), "a value became NULL".to_owned()));
        }
        if let Some(between) = compared_as(array.data_type(), &self.to) {
            let (before, after) = (plain(&prepared, &between)?, plain(&cast, &between)?);
            let different = distinct(&before, &after)?;
            if self.allow.covers(array.data_type(), &self.to) {
                changed += different.true_count() as u64;
            } else if let Some(row) = first_true(&different) {
                let detail = format!(
                    "{} would become {}",
                    describe_value(array, row),
                    describe_value(&cast, row)
                );
                return Err(self.failed(array.data_type(), detail));
            }
        }
        self.changed.0.fetch_add(changed, Ordering::Relaxed);
        Ok(cast)
    }

    /// The values after what the offload allows on the way to the other type, and how many it
    /// changed.
    fn prepare(&self, array: &ArrayRef) -> Result<(ArrayRef, u64)> {
        let from = array.data_type();
        if self.allow.makes_nulls(from, &self.to) {
            return without_specials(array);
        }
        if self.allow.nanoseconds && drops_nanoseconds(from, &self.to) {
            return cut_nanoseconds(array);
        }
        Ok((Arc::clone(array), 0))
    }

    fn failed(&self, from: &DataType, detail: String) -> Error {
        Error::new(
            ErrorKind::TypeLoss,
            format!(
                "A cast of {} to {} loses something: {detail}",
                self.what, self.to
            ),
        )
        .hint(remedy(from, &self.to))
    }
}

/// What a person can say to let such a cast go on.
fn remedy(from: &DataType, to: &DataType) -> String {
    let option = if drops_nanoseconds(from, to) {
        Some("--allow-nanosecond-timestamp-columns cuts what is finer")
    } else if is_decimal(to) && (is_decimal(from) || is_text(from)) {
        Some("--allow-decimal-scale-rounding rounds half away from zero")
    } else if from.is_floating() || to.is_floating() {
        Some(
            "--allow-floating-point-conversions takes the nearest double, and NULL for NaN and \
             infinity where the type has none",
        )
    } else {
        None
    };
    let words = "cast to a wider type, or say that it may: ROUND, TRUNC or TRY_CAST";
    match option {
        Some(option) => format!("{words}; or {option}"),
        None => words.to_owned(),
    }
}

fn plain(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}

/// The type in which the value before and the value after must be equal; `None` where a cast that
/// succeeds can't lose anything.
fn compared_as(from: &DataType, to: &DataType) -> Option<DataType> {
    use DataType as T;
    let text = is_text(from);
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

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

pub(super) fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

fn drops_nanoseconds(from: &DataType, to: &DataType) -> bool {
    matches!(from, DataType::Timestamp(TimeUnit::Nanosecond, _))
        && matches!(to, DataType::Timestamp(TimeUnit::Microsecond, _))
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

    fn function(to: DataType, allow: Allowances) -> CheckedCast {
        CheckedCast {
            to,
            what: "c".to_owned(),
            allow,
            changed: Counter::default(),
            watch: None,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }

    fn run(array: ArrayRef, to: DataType) -> Result<ArrayRef> {
        function(to, Allowances::default()).cast(&array)
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

    /// Each allowance lets its own casts through, and counts what it changed.
    #[test]
    fn what_is_allowed_is_done_and_counted() {
        let rounding = Allowances {
            rounding: true,
            ..Allowances::default()
        };
        let floats = Allowances {
            floats: true,
            ..Allowances::default()
        };
        let nanoseconds = Allowances {
            nanoseconds: true,
            ..Allowances::default()
        };
        let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let doubles = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
        let nanos = |values: Vec<i64>| -> ArrayRef {
            Arc::new(arrow::array::TimestampNanosecondArray::from(values))
        };
        let cases: Vec<(Allowances, ArrayRef, DataType, &[&str], u64)> = vec![
            (
                rounding,
                decimals(vec![Some(155), Some(-155), Some(154), Some(150)], 2),
                DataType::Decimal128(10, 1),
                &["1.6", "-1.6", "1.5", "1.5"],
                3,
            ),
            (
                rounding,
                texts(vec!["0.005", "-0.005", "7"]),
                DataType::Decimal128(10, 2),
                &["0.01", "-0.01", "7.00"],
                2,
            ),
            (
                floats,
                doubles(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5]),
                DataType::Decimal128(10, 1),
                &["NULL", "NULL", "NULL", "1.5"],
                3,
            ),
            (
                floats,
                texts(vec!["NaN", "-Infinity", "2"]),
                DataType::Decimal128(10, 0),
                &["NULL", "NULL", "2"],
                2,
            ),
            (
                floats,
                Arc::new(Int64Array::from(vec![(1 << 53) + 1, 1])),
                DataType::Float64,
                &["9007199254740992.0", "1.0"],
                1,
            ),
            (
                nanoseconds,
                nanos(vec![1_999, -1, 2_000]),
                DataType::Timestamp(TimeUnit::Microsecond, None),
                &[
                    "1970-01-01T00:00:00.000001",
                    "1969-12-31T23:59:59.999999",
                    "1970-01-01T00:00:00.000002",
                ],
                2,
            ),
        ];
        for (allow, array, to, expected, changed) in cases {
            let strict = run(Arc::clone(&array), to.clone()).unwrap_err();
            assert_eq!(strict.kind(), ErrorKind::TypeLoss);
            assert!(
                strict.hint_text().unwrap().contains("--allow-"),
                "{strict:#}"
            );
            let function = function(to, allow);
            let cast = function.cast(&array).unwrap();
            let shown: Vec<String> = (0..cast.len())
                .map(|row| describe_value(&cast, row))
                .collect();
            assert_eq!(shown, expected);
            assert_eq!(
                function.changed.0.load(Ordering::Relaxed),
                changed,
                "{shown:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_is_no_more_than_what_was_said() {
        let rounding = Allowances {
            rounding: true,
            ..Allowances::default()
        };
        let cases: Vec<(ArrayRef, DataType)> = vec![
            (decimals(vec![Some(99_999)], 0), DataType::Decimal128(3, 0)),
            (decimals(vec![Some(9_996)], 3), DataType::Decimal128(3, 2)),
            (decimals(vec![Some(12)], 1), DataType::Int64),
            (
                Arc::new(Float64Array::from(vec![f64::NAN])),
                DataType::Decimal128(3, 0),
            ),
            (
                Arc::new(StringArray::from(vec!["NaN"])),
                DataType::Decimal128(3, 0),
            ),
        ];
        for (array, to) in cases {
            let error = function(to.clone(), rounding)
                .cast(&array)
                .expect_err(&to.to_string());
            assert_eq!(error.kind(), ErrorKind::TypeLoss);
        }
    }
}
