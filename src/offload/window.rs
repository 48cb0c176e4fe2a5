//! Which rows a run covers, and what a target has covered so far.

use std::fmt;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schema::CanonicalType;

/// A boundary in the values of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The value; never NULL.
    pub value: ScalarValue,
    /// Whether the value itself is below the boundary.
    pub inclusive: bool,
}

impl Limit {
    /// The value as text.
    #[must_use]
    pub fn text(&self) -> String {
        let cast = self.value.cast_to(&arrow::datatypes::DataType::Utf8);
        match cast {
            Ok(ScalarValue::Utf8(Some(text))) => text,
            _ => self.value.to_string(),
        }
    }
}

/// What a target has covered, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every row that the source held.
    All,
    /// Rows below a boundary; rows whose value is NULL are never covered.
    Below {
        /// The source's column.
        column: String,
        /// The boundary's value as text.
        value: String,
        /// Its type, as text of a [`CanonicalType`].
        canonical: String,
        /// Whether the value itself is covered.
        inclusive: bool,
    },
}

impl Coverage {
    /// The boundary, if there is one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for a record that does not parse.
    pub fn limit(&self) -> Result<Option<Limit>> {
        let Self::Below {
            value,
            canonical,
            inclusive,
            ..
        } = self
        else {
            return Ok(None);
        };
        let data_type = canonical.parse::<CanonicalType>()?.to_arrow();
        let value = ScalarValue::try_from_string(value.clone(), &data_type).map_err(|error| {
            Error::internal(format!("A covered window does not parse: {error}"))
        })?;
        Ok(Some(Limit {
            value,
            inclusive: *inclusive,
        }))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all rows"),
            Self::Below {
                column,
                value,
                inclusive,
                ..
            } => {
                write!(
                    f,
                    "{column} {} {value}",
                    if *inclusive { "<=" } else { "<" }
                )
            }
        }
    }
}

/// The rows of one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// All of them.
    All,
    /// Those between what is covered and a boundary.
    Between {
        /// The source's column.
        column: String,
        /// Its type.
        canonical: CanonicalType,
        /// What is covered already; rows above it are new.
        lower: Option<Limit>,
        /// The boundary of this run.
        upper: Limit,
    },
}

impl Window {
    /// What will be covered after the run.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        match self {
            Self::All => Coverage::All,
            Self::Between {
                column,
                canonical,
                upper,
                ..
            } => Coverage::Below {
                column: column.clone(),
                value: upper.text(),
                canonical: canonical.to_string(),
                inclusive: upper.inclusive,
            },
        }
    }

    /// Whether no row can be new.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Between {
                lower: Some(lower),
                upper,
                ..
            } => match upper.value.partial_cmp(&lower.value) {
                Some(std::cmp::Ordering::Greater) => false,
                Some(std::cmp::Ordering::Equal) => !upper.inclusive || lower.inclusive,
                _ => true,
            },
            _ => false,
        }
    }

    /// The same window from the beginning: everything that is covered after the run.
    #[must_use]
    pub fn whole(&self) -> Self {
        match self.clone() {
            Self::All => Self::All,
            Self::Between {
                column,
                canonical,
                upper,
                ..
            } => Self::Between {
                column,
                canonical,
                lower: None,
                upper,
            },
        }
    }

    /// The condition on the source's rows; `None` for all.
    #[must_use]
    pub fn predicate(&self) -> Option<Expr> {
        let Self::Between {
            column,
            lower,
            upper,
            ..
        } = self
        else {
            return None;
        };
        let column = || Expr::Column(Column::new_unqualified(column.clone()));
        let value = |limit: &Limit| lit(limit.value.clone());
        let below = if upper.inclusive {
            column().lt_eq(value(upper))
        } else {
            column().lt(value(upper))
        };
        Some(match lower {
            None => below,
            Some(lower) if lower.inclusive => column().gt(value(lower)).and(below),
            Some(lower) => column().gt_eq(value(lower)).and(below),
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Between {
            column,
            lower,
            upper,
            ..
        } = self
        else {
            return f.write_str("all rows");
        };
        if let Some(lower) = lower {
            let sign = if lower.inclusive { ">" } else { ">=" };
            write!(f, "{column} {sign} {} and ", lower.text())?;
        }
        write!(
            f,
            "{column} {} {}",
            if upper.inclusive { "<=" } else { "<" },
            upper.text()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(lower: Option<(i64, bool)>, upper: (i64, bool)) -> Window {
        let limit = |(value, inclusive): (i64, bool)| Limit {
            value: ScalarValue::Int64(Some(value)),
            inclusive,
        };
        Window::Between {
            column: "n".to_owned(),
            canonical: CanonicalType::Integer8,
            lower: lower.map(limit),
            upper: limit(upper),
        }
    }

    /// Row by row: the next window begins exactly where the last one ended.
    #[test]
    fn windows_neither_overlap_nor_leave_a_gap() {
        let covers = |window: &Window, value: i64| {
            let Window::Between { lower, upper, .. } = window else {
                return true;
            };
            let n = ScalarValue::Int64(Some(value));
            let below = n < upper.value || (upper.inclusive && n == upper.value);
            let above = lower
                .as_ref()
                .is_none_or(|l| n > l.value || (!l.inclusive && n == l.value));
            below && above
        };
        for first in [false, true] {
            for second in [false, true] {
                let one = between(None, (5, first));
                let two = between(Some((5, first)), (9, second));
                for value in 0..12 {
                    let both = usize::from(covers(&one, value)) + usize::from(covers(&two, value));
                    let wanted = usize::from(value < 9 || (value == 9 && second));
                    assert_eq!(both, wanted, "{value} {first} {second}");
                }
            }
        }
    }

    #[test]
    fn a_window_that_is_covered_is_empty() {
        assert!(between(Some((5, true)), (5, true)).is_empty());
        assert!(between(Some((5, true)), (5, false)).is_empty());
        assert!(between(Some((5, false)), (5, false)).is_empty());
        assert!(!between(Some((5, false)), (5, true)).is_empty());
        assert!(between(Some((6, false)), (5, true)).is_empty());
        assert!(!between(None, (5, true)).is_empty());
    }

    #[test]
    fn coverage_gives_its_limit_back() {
        let values = [
            (CanonicalType::Date, ScalarValue::Date32(Some(10_592))),
            (CanonicalType::Integer8, ScalarValue::Int64(Some(-7))),
            (
                CanonicalType::LargeString,
                ScalarValue::LargeUtf8(Some("a'b".to_owned())),
            ),
            (
                CanonicalType::Decimal {
                    precision: 38,
                    scale: 2,
                },
                ScalarValue::Decimal128(Some(12_345_678_901_234_567_890), 38, 2),
            ),
            (
                CanonicalType::Timestamp { scale: 6 },
                ScalarValue::TimestampMicrosecond(Some(915_148_800_000_001), None),
            ),
            (
                CanonicalType::TimestampTz { scale: 6 },
                ScalarValue::TimestampMicrosecond(Some(915_148_800_000_001), Some("UTC".into())),
            ),
        ];
        for (canonical, value) in values {
            let upper = Limit {
                value,
                inclusive: false,
            };
            let window = Window::Between {
                column: "c".to_owned(),
                canonical,
                lower: None,
                upper: upper.clone(),
            };
            assert_eq!(
                window.coverage().limit().unwrap(),
                Some(upper),
                "{canonical}"
            );
        }
    }
}
