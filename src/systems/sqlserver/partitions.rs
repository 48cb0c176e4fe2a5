//! Partitions: the boundaries of a function, RIGHT or LEFT, as ranges that end before their upper
//! bound.

use datafusion::scalar::ScalarValue;

use super::catalog::Part;
use super::literal::quote;
use super::native::{Kind, Native};
use crate::frontend::{
    Bound, PartitionBound, PartitionMethod, Partitions, SourcePartition, SourceTable,
};
use crate::schema::{CanonicalType, Column, parse_value};

/// The partitions of a table; `None` where it has none.
pub(super) fn of(parts: &[Part], table: &SourceTable) -> Option<Partitions> {
    let function = parts.iter().find_map(|part| part.function.as_ref())?;
    let key = function.key.as_deref();
    let column = table
        .columns
        .iter()
        .find(|column| Some(column.name.as_str()) == key);
    let ends: Vec<Option<Bound>> = parts.iter().map(|part| end(part, column)).collect();
    let mut lower = Some(Bound::Min);
    let mut list = Vec::with_capacity(parts.len());
    for (part, upper) in parts.iter().zip(ends) {
        let bound = match (lower, upper.clone()) {
            (Some(lower), Some(upper)) => PartitionBound::Range {
                lower: vec![lower],
                upper: vec![upper],
            },
            _ => PartitionBound::Other {
                text: part.boundary.clone().unwrap_or_else(|| "NULL".to_owned()),
            },
        };
        list.push(SourcePartition {
            name: part.number.to_string(),
            bound,
            rows: Some(part.rows),
            bytes: Some(part.bytes),
            parts: None,
        });
        lower = upper;
    }
    let mut partitions = Partitions {
        method: PartitionMethod::Range,
        definition: key.unwrap_or(&function.name).to_owned(),
        keys: column.iter().map(|column| column.name.clone()).collect(),
        unusable: unusable(column, key, &list),
        unordered: column.and_then(unordered),
        list,
    };
    partitions.sort();
    Some(partitions)
}

/// Which partition of a function a row is in.
pub(super) fn membership(part: &Part) -> Option<String> {
    let function = part.function.as_ref()?;
    let key = function.key.as_deref()?;
    Some(format!(
        "{} = {}",
        partition_of(&function.name, key),
        part.number
    ))
}

/// The number of a row's partition.
pub(super) fn partition_of(function: &str, key: &str) -> String {
    format!("$PARTITION.{}({})", quote(function), quote(key))
}

/// Where a part ends; `None` where no value here says it.
fn end(part: &Part, column: Option<&Column>) -> Option<Bound> {
    if !part.bounded {
        return Some(Bound::Max);
    }
    let column = column?;
    let kind = Native::parse(&column.native)?.kind;
    let text = part.boundary.as_deref()?;
    let value = match parse_value(text, column.canonical) {
        Ok(value) => value,
        Err(_) => return beyond(text, column.canonical),
    };
    if part.function.as_ref()?.on_right {
        return Some(Bound::Value(value));
    }
    // The boundary itself is inside: the range ends before the next value that there can be.
    Some(match next(kind, &value) {
        Some(next) => Bound::Value(next),
        None => Bound::Max,
    })
}

/// A moment outside of what nanoseconds can count: no value that can be read is on its other side.
fn beyond(text: &str, canonical: CanonicalType) -> Option<Bound> {
    let scale = match canonical {
        CanonicalType::Timestamp { scale: 7.. } => CanonicalType::Timestamp { scale: 6 },
        CanonicalType::TimestampTz { scale: 7.. } => CanonicalType::TimestampTz { scale: 6 },
        _ => return None,
    };
    // Years alone decide; a seventh digit does not matter.
    let whole = text.split('.').next().unwrap_or(text);
    match parse_value(whole, scale).ok()? {
        ScalarValue::TimestampMicrosecond(Some(micros), _) if micros > 0 => Some(Bound::Max),
        ScalarValue::TimestampMicrosecond(Some(_), _) => Some(Bound::Min),
        _ => None,
    }
}

/// The value that follows another one in a type; `None` for the last, and for what has no next.
fn next(kind: Kind, value: &ScalarValue) -> Option<ScalarValue> {
    Some(match value {
        ScalarValue::Int8(Some(n)) => ScalarValue::Int8(Some(n.checked_add(1)?)),
        ScalarValue::Int16(Some(n)) => ScalarValue::Int16(Some(n.checked_add(1)?)),
        ScalarValue::Int32(Some(n)) => ScalarValue::Int32(Some(n.checked_add(1)?)),
        ScalarValue::Int64(Some(n)) => ScalarValue::Int64(Some(n.checked_add(1)?)),
        ScalarValue::Decimal128(Some(n), precision, scale) => {
            let next = n.checked_add(1)?;
            let fits = next < 10_i128.pow(u32::from((*precision).min(38)));
            ScalarValue::Decimal128(fits.then_some(next), *precision, *scale).not_null()?
        }
        ScalarValue::Date32(Some(days)) => {
            let last = 2_932_896;
            ScalarValue::Date32((*days < last).then_some(days + 1)).not_null()?
        }
        ScalarValue::Time64Microsecond(Some(n)) => {
            let next = n.checked_add(step_micros(kind, *n)?)?;
            ScalarValue::Time64Microsecond((next < 86_400_000_000).then_some(next)).not_null()?
        }
        ScalarValue::Time64Nanosecond(Some(n)) => {
            let next = n.checked_add(100)?;
            ScalarValue::Time64Nanosecond((next < 86_400_000_000_000).then_some(next)).not_null()?
        }
        ScalarValue::TimestampMicrosecond(Some(n), zone) => {
            let next = n.checked_add(step_micros(kind, *n)?)?;
            ScalarValue::TimestampMicrosecond(Some(next), zone.clone())
        }
        ScalarValue::TimestampNanosecond(Some(n), zone) => {
            ScalarValue::TimestampNanosecond(Some(n.checked_add(100)?), zone.clone())
        }
        _ => return None,
    })
}

trait NotNull: Sized {
    fn not_null(self) -> Option<Self>;
}

impl NotNull for ScalarValue {
    fn not_null(self) -> Option<Self> {
        (!self.is_null()).then_some(self)
    }
}

/// How far the next value of a type is from this one.
fn step_micros(kind: Kind, micros: i64) -> Option<i64> {
    Some(match kind {
        Kind::SmallDateTime => 60_000_000,
        // Milliseconds end in 0, 3 and 7.
        Kind::DateTime => match micros.div_euclid(1000).rem_euclid(10) {
            3 => 4000,
            _ => 3000,
        },
        Kind::DateTime2(scale) | Kind::DateTimeOffset(scale) | Kind::Time(scale) => {
            10_i64.pow(6 - u32::from(scale.min(6)))
        }
        _ => return None,
    })
}

fn unusable(
    column: Option<&Column>,
    key: Option<&str>,
    list: &[SourcePartition],
) -> Option<String> {
    let Some(column) = column else {
        return Some(match key {
            Some(key) => format!("column \"{key}\", the key, is not read"),
            None => "the key is no column".to_owned(),
        });
    };
    let name = &column.name;
    let native = Native::parse(&column.native)?;
    let own = native.kind.is_text() || native.kind == Kind::Uuid;
    if column.canonical.is_text() && !own {
        return Some(format!("column \"{name}\" is read as text"));
    }
    match native.kind {
        Kind::Real | Kind::Float => {
            return Some(format!("column \"{name}\" is a floating-point number"));
        }
        Kind::Bit => return Some(format!("column \"{name}\" is of two values only")),
        Kind::Binary(_) | Kind::VarBinary(_) => {
            return Some(format!(
                "column \"{name}\" is bytes whose zeros at the end do not count"
            ));
        }
        _ => {}
    }
    list.iter().find_map(|part| match &part.bound {
        PartitionBound::Other { text } => Some(format!(
            "partition {} has a bound that no value here can have: {text}",
            part.name
        )),
        _ => None,
    })
}

fn unordered(column: &Column) -> Option<String> {
    let native = Native::parse(&column.native)?;
    let why = match native.kind {
        kind if kind.is_text() => "is text that a collation orders",
        Kind::Uuid => "is a uniqueidentifier, in an order of its own",
        _ => return None,
    };
    Some(format!("column \"{}\" {why}", column.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::RelationKind;
    use crate::schema::TableName;
    use crate::systems::sqlserver::catalog::Function;
    use crate::systems::sqlserver::types::canonical;

    fn table(native: &str) -> SourceTable {
        let mapping = canonical(&Native::parse(native).unwrap()).unwrap();
        SourceTable {
            name: TableName::new("c", "dbo", "t"),
            kind: RelationKind::Partitioned,
            columns: vec![Column::new("k", native, true, mapping)],
            primary_key: Vec::new(),
            unique: Vec::new(),
            rows: None,
            bytes: None,
            comment: None,
            partitions: None,
        }
    }

    fn parts(on_right: bool, boundaries: &[&str]) -> Vec<Part> {
        let part = |(i, boundary): (usize, Option<&str>)| Part {
            number: i as i64 + 1,
            rows: 10,
            bytes: 100,
            function: Some(Function {
                name: "pf".to_owned(),
                on_right,
                key: Some("k".to_owned()),
            }),
            boundary: boundary.map(str::to_owned),
            bounded: boundary.is_some(),
        };
        let ends = boundaries.iter().copied().map(Some).chain([None]);
        ends.enumerate().map(part).collect()
    }

    fn shown(native: &str, on_right: bool, boundaries: &[&str]) -> (Vec<String>, Option<String>) {
        let found = of(&parts(on_right, boundaries), &table(native)).unwrap();
        let list = found.list.iter().map(|part| part.bound.to_string());
        (list.collect(), found.no_ranges().map(str::to_owned))
    }

    #[test]
    fn boundaries_belong_to_the_side_that_the_function_says() {
        let right = shown("date", true, &["2020-01-01", "2020-02-01"]);
        let expected = [
            "MINVALUE to 2020-01-01",
            "2020-01-01 to 2020-02-01",
            "2020-02-01 to MAXVALUE",
        ];
        assert_eq!(right, (expected.map(str::to_owned).to_vec(), None));
        let left = shown("date", false, &["2020-01-31"]);
        let expected = ["MINVALUE to 2020-02-01", "2020-02-01 to MAXVALUE"];
        assert_eq!(left, (expected.map(str::to_owned).to_vec(), None));
    }

    #[test]
    fn after_a_left_boundary_comes_the_next_value_of_its_type() {
        let table = [
            ("tinyint", "255", "256"),
            ("bigint", "9223372036854775807", "MAXVALUE"),
            ("decimal(12,2)", "1.50", "1.51"),
            ("money", "1.5000", "1.5001"),
            ("date", "9999-12-31", "MAXVALUE"),
            ("datetime", "2020-01-31T00:00:00", "2020-01-31T00:00:00.003"),
            ("datetime", "2020-01-31T23:59:59.997", "2020-02-01T00:00:00"),
            (
                "datetime",
                "2020-01-31T00:00:00.003",
                "2020-01-31T00:00:00.007",
            ),
            (
                "smalldatetime",
                "2020-01-31T00:00:00",
                "2020-01-31T00:01:00",
            ),
            (
                "datetime2(3)",
                "2020-01-31T00:00:00.000",
                "2020-01-31T00:00:00.001",
            ),
            (
                "datetime2(7)",
                "2020-01-31T00:00:00.0000000",
                "2020-01-31T00:00:00.000000100",
            ),
            ("datetime2(7)", "9999-12-31T00:00:00.0000000", "MAXVALUE"),
            ("time(0)", "23:59:59", "MAXVALUE"),
        ];
        for (native, boundary, next) in table {
            let (list, unusable) = shown(native, false, &[boundary]);
            assert_eq!(
                list[0],
                format!("MINVALUE to {next}"),
                "{native} {boundary}"
            );
            assert_eq!(unusable, None);
        }
    }

    #[test]
    fn keys_that_no_window_can_follow_say_why() {
        for (native, boundary) in [
            ("nvarchar(20)", "m"),
            ("float", "1"),
            ("uniqueidentifier", "00000000-0000-0000-0000-000000000000"),
            ("bit", "0"),
            ("binary(4)", "00"),
            ("date (read as text)", "2020-01-01"),
            ("int", "x"),
        ] {
            assert!(shown(native, true, &[boundary]).1.is_some(), "{native}");
        }
        let mut none = parts(true, &["1"]);
        none[0].boundary = None;
        let found = of(&none, &table("int")).unwrap();
        assert!(found.unusable.is_some());
    }

    #[test]
    fn a_partition_is_asked_by_its_number() {
        let parts = parts(true, &["1"]);
        let sql = membership(&parts[1]).unwrap();
        assert_eq!(sql, "$PARTITION.[pf]([k]) = 2");
    }
}
