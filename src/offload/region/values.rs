//! Sets of the values that one column, or one condition, may take.
//!
//! A set is a list of intervals and whether NULL is in it. Unions, intersections and complements
//! of such sets are such sets again, which is what makes windows exact.

use std::cmp::Ordering;

use datafusion::scalar::ScalarValue;

/// A place between values: every value lies on one side of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cut {
    /// Below all values.
    Lowest,
    /// Just below a value.
    Below(ScalarValue),
    /// Just above a value.
    Above(ScalarValue),
    /// Above all values.
    Highest,
}

impl Cut {
    /// Just below a value. There is nothing below FALSE.
    pub(super) fn below(value: ScalarValue) -> Self {
        match value {
            ScalarValue::Boolean(Some(false)) => Self::Lowest,
            value => Self::Below(value),
        }
    }

    /// Just above a value. Above FALSE is below TRUE, and there is nothing above TRUE.
    pub(super) fn above(value: ScalarValue) -> Self {
        match value {
            ScalarValue::Boolean(Some(false)) => Self::Below(ScalarValue::Boolean(Some(true))),
            ScalarValue::Boolean(Some(true)) => Self::Highest,
            value => Self::Above(value),
        }
    }

    /// The order of two cuts. Both are of values of one type, none of them NULL.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        use Ordering::{Equal, Greater, Less};
        match (self, other) {
            (Self::Lowest, Self::Lowest) | (Self::Highest, Self::Highest) => Equal,
            (Self::Lowest, _) | (_, Self::Highest) => Less,
            (Self::Highest, _) | (_, Self::Lowest) => Greater,
            (Self::Below(a), Self::Below(b)) | (Self::Above(a), Self::Above(b)) => values(a, b),
            (Self::Below(a), Self::Above(b)) => between(a, b, Less),
            (Self::Above(a), Self::Below(b)) => between(b, a, Less).reverse(),
        }
    }
}

/// The order of "below a" and "above b", which is `tie` for equal values; for whole numbers and
/// days "above 4" is "below 5".
fn between(a: &ScalarValue, b: &ScalarValue, tie: Ordering) -> Ordering {
    match values(a, b) {
        Ordering::Equal => tie,
        Ordering::Greater if successor(b).is_some_and(|next| next == *a) => Ordering::Equal,
        order => order,
    }
}

fn values(a: &ScalarValue, b: &ScalarValue) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

/// The next value of a type whose values can be counted.
fn successor(value: &ScalarValue) -> Option<ScalarValue> {
    use ScalarValue as V;
    Some(match value {
        V::Int8(Some(v)) => V::Int8(Some(v.checked_add(1)?)),
        V::Int16(Some(v)) => V::Int16(Some(v.checked_add(1)?)),
        V::Int32(Some(v)) => V::Int32(Some(v.checked_add(1)?)),
        V::Int64(Some(v)) => V::Int64(Some(v.checked_add(1)?)),
        V::UInt64(Some(v)) => V::UInt64(Some(v.checked_add(1)?)),
        V::Date32(Some(v)) => V::Date32(Some(v.checked_add(1)?)),
        V::Decimal128(Some(v), p, s) => V::Decimal128(Some(v.checked_add(1)?), *p, *s),
        _ => return None,
    })
}

/// The values between two cuts; never empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interval {
    pub(super) low: Cut,
    pub(super) high: Cut,
}

impl Interval {
    fn new(low: Cut, high: Cut) -> Option<Self> {
        (low.order(&high) == Ordering::Less).then_some(Self { low, high })
    }

    /// The only value in it, if there is just one.
    pub(super) fn single(&self) -> Option<&ScalarValue> {
        match (&self.low, &self.high) {
            (Cut::Below(a), Cut::Above(b)) if a == b => Some(a),
            _ => None,
        }
    }
}

/// A set of values, NULL among them or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    /// Whether NULL is in the set.
    pub(super) nulls: bool,
    /// In order, apart from each other.
    pub(super) intervals: Vec<Interval>,
}

impl Values {
    /// No value at all.
    pub(super) fn none() -> Self {
        Self {
            nulls: false,
            intervals: Vec::new(),
        }
    }

    /// Every value but NULL.
    pub(super) fn known() -> Self {
        Self::between(Cut::Lowest, Cut::Highest)
    }

    /// NULL alone.
    pub(super) fn null() -> Self {
        Self {
            nulls: true,
            intervals: Vec::new(),
        }
    }

    /// The values between two cuts.
    pub(super) fn between(low: Cut, high: Cut) -> Self {
        Self {
            nulls: false,
            intervals: Interval::new(low, high).into_iter().collect(),
        }
    }

    /// One value.
    pub(super) fn one(value: ScalarValue) -> Self {
        Self::between(Cut::below(value.clone()), Cut::above(value))
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.nulls && self.intervals.is_empty()
    }

    /// Whether every value is in it, and NULL where there may be NULLs.
    pub(super) fn is_all(&self, nullable: bool) -> bool {
        (self.nulls || !nullable) && self.known_part() == Self::known()
    }

    fn known_part(&self) -> Self {
        Self {
            nulls: false,
            intervals: self.intervals.clone(),
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut all: Vec<Interval> = self
            .intervals
            .iter()
            .chain(&other.intervals)
            .cloned()
            .collect();
        all.sort_by(|a, b| a.low.order(&b.low));
        let mut joined: Vec<Interval> = Vec::with_capacity(all.len());
        for next in all {
            match joined.last_mut() {
                // Touching or overlapping.
                Some(last) if next.low.order(&last.high) != Ordering::Greater => {
                    if next.high.order(&last.high) == Ordering::Greater {
                        last.high = next.high;
                    }
                }
                _ => joined.push(next),
            }
        }
        Self {
            nulls: self.nulls || other.nulls,
            intervals: joined,
        }
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (
            self.intervals.iter().peekable(),
            other.intervals.iter().peekable(),
        );
        let mut intervals = Vec::new();
        while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
            let low = greater(&left.low, &right.low);
            let ends_first = left.high.order(&right.high) != Ordering::Greater;
            let high = if ends_first { &left.high } else { &right.high };
            intervals.extend(Interval::new(low.clone(), high.clone()));
            if ends_first {
                a.next();
            } else {
                b.next();
            }
        }
        Self {
            nulls: self.nulls && other.nulls,
            intervals,
        }
    }

    /// Every other value, NULL among them unless it is in this set.
    pub(super) fn complement(&self) -> Self {
        let mut intervals = Vec::with_capacity(self.intervals.len() + 1);
        let mut low = Cut::Lowest;
        for interval in &self.intervals {
            intervals.extend(Interval::new(low, interval.low.clone()));
            low = interval.high.clone();
        }
        intervals.extend(Interval::new(low, Cut::Highest));
        Self {
            nulls: !self.nulls,
            intervals,
        }
    }
}

fn greater<'a>(a: &'a Cut, b: &'a Cut) -> &'a Cut {
    if a.order(b) == Ordering::Less { b } else { a }
}
