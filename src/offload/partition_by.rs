//! What a target is partitioned by: columns, or what a transform makes of them.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A unit of time that a target is partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Calendar years.
    Year,
    /// Calendar months.
    Month,
    /// Days.
    Day,
}

impl Unit {
    /// Its name, as in `date_trunc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Year, Self::Month, Self::Day]
            .into_iter()
            .find(|unit| unit.name() == text)
    }
}

/// What is made of a column's values to partition by. Each is monotone: of two values the greater
/// one never has the lesser partition value. NULL stays NULL, and nothing else becomes NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    /// The values themselves.
    Identity,
    /// The first day of the unit that a point in time falls into; instants in UTC.
    Time(Unit),
    /// A number cut to the multiple of the width at or below it, toward minus infinity and in
    /// whole units also for a decimal with a fraction; a text cut to so many first characters.
    Truncate(NonZeroU64),
}

/// One thing that a target is partitioned by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionBy {
    /// The column of the SELECT.
    pub column: String,
    /// What is made of it.
    pub transform: Transform,
}

impl PartitionBy {
    /// The target's column that holds it: the column itself, or one made for it by one rule,
    /// `goe_part_`, the unit or width, the column: `goe_part_month_sold_at`, `goe_part_1000_id`.
    #[must_use]
    pub fn target_column(&self) -> String {
        match self.transform {
            Transform::Identity => self.column.clone(),
            Transform::Time(unit) => format!("goe_part_{}_{}", unit.name(), self.column),
            Transform::Truncate(width) => format!("goe_part_{width}_{}", self.column),
        }
    }

    /// Whether there may be many more partitions than files can be open at once.
    #[must_use]
    pub fn may_be_many(&self) -> bool {
        match self.transform {
            Transform::Identity | Transform::Truncate(_) => true,
            Transform::Time(unit) => unit == Unit::Day,
        }
    }
}

impl fmt::Display for PartitionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transform {
            Transform::Identity => f.write_str(&self.column),
            Transform::Time(unit) => write!(f, "{}({})", unit.name(), self.column),
            Transform::Truncate(width) => write!(f, "truncate({}, {width})", self.column),
        }
    }
}

impl FromStr for PartitionBy {
    type Err = Error;

    /// Reads `column`, `month(column)`, `date_trunc('month', column)` and `truncate(column, 1000)`.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!("A table can't be partitioned by \"{text}\"")).hint(
                "write a column; year(column), month(column) or day(column); or truncate(column, \
                 1000): numbers to multiples of 1000, a text to so many characters",
            )
        };
        let text = text.trim();
        let Some((function, rest)) = text.split_once('(').filter(|_| !text.starts_with('"')) else {
            return Ok(Self {
                column: unquote(text).ok_or_else(bad)?,
                transform: Transform::Identity,
            });
        };
        let inner = rest.trim_end().strip_suffix(')').ok_or_else(bad)?;
        let (column, transform) = match function.trim().to_ascii_lowercase().as_str() {
            "date_trunc" => {
                let (unit, column) = inner.split_once(',').ok_or_else(bad)?;
                let unit = unit.trim().trim_matches('\'').to_ascii_lowercase();
                (column, Unit::parse(&unit).map(Transform::Time))
            }
            "truncate" => {
                let (column, width) = inner.rsplit_once(',').ok_or_else(bad)?;
                (column, width.trim().parse().ok().map(Transform::Truncate))
            }
            unit => (inner, Unit::parse(unit).map(Transform::Time)),
        };
        Ok(Self {
            column: unquote(column.trim()).ok_or_else(bad)?,
            transform: transform.ok_or_else(bad)?,
        })
    }
}

/// A column's name from how it is written.
fn unquote(text: &str) -> Option<String> {
    let name = match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_table_is_partitioned_by_is_read() {
        let cases = [
            ("region", "region", "region"),
            ("month(d)", "month(d)", "goe_part_month_d"),
            ("date_trunc('Year', d)", "year(d)", "goe_part_year_d"),
            ("day(\"a (b)\")", "day(a (b))", "goe_part_day_a (b)"),
            (
                "truncate(id, 1000)",
                "truncate(id, 1000)",
                "goe_part_1000_id",
            ),
            ("TRUNCATE(\"a,b\",3)", "truncate(a,b, 3)", "goe_part_3_a,b"),
        ];
        for (text, shown, made) in cases {
            let by: PartitionBy = text.parse().unwrap();
            assert_eq!(
                (by.to_string().as_str(), by.target_column().as_str()),
                (shown, made)
            );
        }
        let bad = [
            "",
            "week(d)",
            "month(d",
            "month()",
            "date_trunc(d)",
            "truncate(id)",
            "truncate(id, 0)",
            "truncate(id, -5)",
            "truncate(id, 1.5)",
            "truncate(, 3)",
        ];
        for bad in bad {
            assert!(bad.parse::<PartitionBy>().is_err(), "{bad}");
        }
    }
}
