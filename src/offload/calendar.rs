//! The first day of a year, a month or a day, for every date that there is.

use arrow::datatypes::DataType;
use datafusion::functions::expr_fn::{date_part, make_date};
use datafusion::logical_expr::{Expr, cast, lit};

use super::Unit;

/// The first day of the unit that a date or timestamp lies in; NULL of NULL.
///
/// `date_trunc` counts nanoseconds in 64 bits and so ends in the years 1677 and 2262, where people
/// put 0001-01-01 and 9999-12-31 for "since ever" and "until further notice".
pub(super) fn first_day(unit: Unit, moment: Expr) -> Expr {
    let day = cast(moment, DataType::Date32);
    let part = |name: &str| cast(date_part(lit(name), day.clone()), DataType::Int32);
    match unit {
        Unit::Year => make_date(part("year"), lit(1i32), lit(1i32)),
        Unit::Month => make_date(part("year"), part("month"), lit(1i32)),
        Unit::Day => day,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
    use arrow::util::display::array_value_to_string;
    use datafusion::common::DFSchema;
    use datafusion::prelude::{SessionContext, col};

    use super::*;

    /// The first days of a moment's units, the moment given in microseconds.
    fn first_days(micros: Option<i64>, zone: Option<&str>) -> [String; 3] {
        let moments = TimestampMicrosecondArray::from(vec![micros]);
        let moments: ArrayRef = Arc::new(moments.with_timezone_opt(zone));
        let batch = RecordBatch::try_from_iter_with_nullable([("m", moments, true)]).unwrap();
        let schema = DFSchema::try_from(batch.schema().as_ref().clone()).unwrap();
        [Unit::Year, Unit::Month, Unit::Day].map(|unit| {
            let expr = first_day(unit, col("m"));
            let expr = SessionContext::new().create_physical_expr(expr, &schema);
            let days = expr
                .unwrap()
                .evaluate(&batch)
                .unwrap()
                .into_array(1)
                .unwrap();
            assert_eq!(days.data_type(), &DataType::Date32);
            array_value_to_string(&days, 0).unwrap()
        })
    }

    #[test]
    fn every_moment_has_a_first_day() {
        let table = [
            (
                -62_135_596_800_000_000,
                ["0001-01-01", "0001-01-01", "0001-01-01"],
            ),
            (
                253_402_300_799_999_999,
                ["9999-01-01", "9999-12-01", "9999-12-31"],
            ),
            (-1, ["1969-01-01", "1969-12-01", "1969-12-31"]),
            (0, ["1970-01-01", "1970-01-01", "1970-01-01"]),
            (
                1_709_251_199_999_999,
                ["2024-01-01", "2024-02-01", "2024-02-29"],
            ),
            (
                -9_300_000_000_000_000,
                ["1675-01-01", "1675-04-01", "1675-04-18"],
            ),
        ];
        for (micros, days) in table {
            for zone in [None, Some("UTC")] {
                assert_eq!(first_days(Some(micros), zone), days, "{micros}");
            }
        }
        assert_eq!(first_days(None, None), ["", "", ""]);
    }
}
