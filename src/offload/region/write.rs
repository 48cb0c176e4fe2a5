//! From sets of values back to conditions.

use std::collections::BTreeMap;

use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use super::values::{Cut, Interval, Values};
use super::{Name, Rows, Subject};

/// The condition of one box.
pub(super) fn all_of(rows: &Rows, subjects: &BTreeMap<Name, Subject>) -> Expr {
    let members = rows.iter().filter_map(|(name, values)| {
        let subject = subjects.get(name)?;
        Some(member(&subject.expr, values, subject.is_condition))
    });
    members.reduce(Expr::and).unwrap_or_else(|| lit(true))
}

/// The condition that the value of a subject is in a set.
fn member(subject: &Expr, values: &Values, is_condition: bool) -> Expr {
    let known = if is_condition {
        truth(subject, values)
    } else {
        among(subject, values)
    };
    match (known, values.nulls) {
        (Some(known), false) => known,
        (Some(known), true) => known.or(subject.clone().is_null()),
        (None, _) => subject.clone().is_null(),
    }
}

/// For something that is TRUE, FALSE or NULL; `None` for NULL alone.
fn truth(subject: &Expr, values: &Values) -> Option<Expr> {
    let truth = |value: bool| Values::one(ScalarValue::Boolean(Some(value)));
    let has = |value: bool| !values.intersection(&truth(value)).is_empty();
    match (has(true), has(false)) {
        (true, false) => Some(subject.clone()),
        (false, true) => Some(!subject.clone()),
        (true, true) => Some(subject.clone().is_not_null()),
        (false, false) => None,
    }
}

/// For a column; `None` for NULL alone.
fn among(subject: &Expr, values: &Values) -> Option<Expr> {
    if values.intervals.is_empty() {
        return None;
    }
    let gaps = values.complement().intervals;
    if gaps.is_empty() {
        return Some(subject.clone().is_not_null());
    }
    if let Some(points) = points(&gaps) {
        return Some(listed(subject, points, true));
    }
    let (single, wide): (Vec<&Interval>, Vec<&Interval>) = values
        .intervals
        .iter()
        .partition(|interval| interval.single().is_some());
    let list = single.iter().filter_map(|interval| interval.single());
    let list: Vec<ScalarValue> = list.cloned().collect();
    let ranges = wide.into_iter().map(|interval| range(subject, interval));
    let listed = (!list.is_empty()).then(|| listed(subject, list, false));
    ranges.chain(listed).reduce(Expr::or)
}

fn points(intervals: &[Interval]) -> Option<Vec<ScalarValue>> {
    let single = intervals.iter().map(|interval| interval.single().cloned());
    single.collect()
}

fn listed(subject: &Expr, mut values: Vec<ScalarValue>, negated: bool) -> Expr {
    match (values.len(), negated, values.pop()) {
        (1, false, Some(only)) => subject.clone().eq(lit(only)),
        (1, true, Some(only)) => subject.clone().not_eq(lit(only)),
        (_, _, last) => {
            values.extend(last);
            let list = values.into_iter().map(lit).collect();
            subject.clone().in_list(list, negated)
        }
    }
}

fn range(subject: &Expr, interval: &Interval) -> Expr {
    let low = match &interval.low {
        Cut::Below(value) => Some(subject.clone().gt_eq(lit(value.clone()))),
        Cut::Above(value) => Some(subject.clone().gt(lit(value.clone()))),
        Cut::Lowest | Cut::Highest => None,
    };
    let high = match &interval.high {
        Cut::Below(value) => Some(subject.clone().lt(lit(value.clone()))),
        Cut::Above(value) => Some(subject.clone().lt_eq(lit(value.clone()))),
        Cut::Lowest | Cut::Highest => None,
    };
    low.into_iter()
        .chain(high)
        .reduce(Expr::and)
        .unwrap_or_else(|| subject.clone().is_not_null())
}
