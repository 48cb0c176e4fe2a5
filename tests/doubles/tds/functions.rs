//! What the embedded engine lacks: conversions, exact sums, partition numbers and T-SQL's LIKE.
//!
//! A translated statement names a conversion or a partition function by its place in a list that its
//! session keeps, so that nothing is parsed for each row.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as Stored, ValueRef};

use super::calendar;
use super::checksum;
use super::collation;
use super::convert::{self, Conversion};
use super::decimal::Decimal;
use super::refusal::Refusal;
use super::types::SqlType;
use super::variant;

/// A partition function: the boundaries in order, and on which side a value that equals one lies.
#[derive(Debug, Clone)]
pub struct Parts {
    pub boundaries: Vec<Stored>,
    pub on_right: bool,
}

impl Parts {
    /// The partition of a value, from 1. NULL is less than everything.
    pub fn number(&self, value: &Stored) -> usize {
        let below = self
            .boundaries
            .partition_point(|boundary| match compare(boundary, value) {
                Ordering::Less => true,
                Ordering::Equal => self.on_right,
                Ordering::Greater => false,
            });
        if *value == Stored::Null { 1 } else { below + 1 }
    }
}

/// Compares stored values of one type. Text is compared without regard to case, as in the database.
pub fn compare(left: &Stored, right: &Stored) -> Ordering {
    match (left, right) {
        (Stored::Integer(left), Stored::Integer(right)) => left.cmp(right),
        (Stored::Real(left), Stored::Real(right)) => left.total_cmp(right),
        (Stored::Blob(left), Stored::Blob(right)) => left.cmp(right),
        (Stored::Text(left), Stored::Text(right)) => left
            .trim_end_matches(' ')
            .to_lowercase()
            .cmp(&right.trim_end_matches(' ').to_lowercase()),
        (Stored::Null, Stored::Null) => Ordering::Equal,
        (Stored::Null, _) => Ordering::Less,
        (_, _) => Ordering::Greater,
    }
}

/// What the statements of a session refer to by number.
#[derive(Debug, Default)]
pub struct Named {
    conversions: Vec<Conversion>,
    parts: Vec<Parts>,
}

pub type Names = Arc<Mutex<Named>>;

/// The number of a conversion.
pub fn name_conversion(names: &Names, conversion: Conversion) -> usize {
    let conversions = &mut names.lock().expect("names").conversions;
    let known = conversions.iter().position(|known| *known == conversion);
    known.unwrap_or_else(|| {
        conversions.push(conversion);
        conversions.len() - 1
    })
}

/// The number of a partition function.
pub fn name_parts(names: &Names, parts: Parts) -> usize {
    let known = &mut names.lock().expect("names").parts;
    known.push(parts);
    known.len() - 1
}

/// Gives a connection of the engine all of them.
pub fn register(database: &Connection, names: &Names) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    collation::register(database)?;
    checksum::register(database)?;
    variant::register(database)?;
    let shared = Arc::clone(names);
    database.create_scalar_function("tds_convert", 2, pure, move |context| {
        let number: usize = context.get(1)?;
        let conversion = shared.lock().expect("names").conversions[number];
        conversion
            .apply(context.get_raw(0))
            .map_err(Refusal::into_engine)
    })?;
    let shared = Arc::clone(names);
    database.create_scalar_function("tds_part", 2, pure, move |context| {
        let (value, number): (Stored, usize) = (context.get(0)?, context.get(1)?);
        let named = shared.lock().expect("names");
        Ok(named.parts[number].number(&value) as i64)
    })?;
    database.create_scalar_function("tds_like", 3, pure, |context| {
        let (ValueRef::Text(_), ValueRef::Text(_)) = (context.get_raw(0), context.get_raw(1))
        else {
            return Ok(None);
        };
        let (mut text, mut pattern): (String, String) = (context.get(0)?, context.get(1)?);
        if context.get(2)? {
            (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
        }
        let characters = |text: &str| text.chars().collect::<Vec<char>>();
        Ok(Some(is_like(&characters(&text), &characters(&pattern))))
    })?;
    database.create_scalar_function("tds_wide_length", 1, pure, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Null => None,
            // Units that are no valid text.
            ValueRef::Blob(units) => Some(units.len() as i64),
            text => Some(text.as_str()?.encode_utf16().count() as i64 * 2),
        })
    })?;
    database.create_scalar_function("tds_date_part", 2, pure, |context| {
        let (part, instant): (String, Option<i64>) = (context.get(0)?, context.get(1)?);
        Ok(instant.map(|instant| calendar::part(&part, instant)))
    })?;
    database.create_aggregate_function("tds_sum", 3, pure, Sum)?;
    database.create_aggregate_function("tds_sum_whole", 2, pure, WholeSum)
}

/// T-SQL's LIKE: `%`, `_`, `[a-f]` and `[^a]`.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|at| is_like(&text[at..], rest)),
        ['_', rest @ ..] => !text.is_empty() && is_like(&text[1..], rest),
        ['[', rest @ ..] => match (rest.iter().position(|c| *c == ']'), text) {
            (Some(end), [first, after @ ..]) => {
                is_in_set(*first, &rest[..end]) && is_like(after, &rest[end + 1..])
            }
            _ => false,
        },
        [first, rest @ ..] => text.first() == Some(first) && is_like(&text[1..], rest),
    }
}

fn is_in_set(c: char, set: &[char]) -> bool {
    match set {
        ['^', rest @ ..] => !is_in_set(c, rest),
        [first, '-', last, rest @ ..] => (*first..=*last).contains(&c) || is_in_set(c, rest),
        [first, rest @ ..] => *first == c || is_in_set(c, rest),
        [] => false,
    }
}

/// `tds_sum(value, precision, scale)`: the sum of exact numbers, as an exact number.
struct Sum;

/// A sum so far, and the type that it must fit.
struct Exact {
    sum: i128,
    precision: u8,
    scale: u8,
}

fn overflow(name: &str) -> rusqlite::Error {
    let told = format!("Arithmetic overflow error converting expression to data type {name}.");
    Refusal::new(8115, told).into_engine()
}

impl Aggregate<Option<Exact>, Option<Vec<u8>>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Exact>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Option<Exact>) -> rusqlite::Result<()> {
        if matches!(context.get_raw(0), ValueRef::Null) {
            return Ok(());
        }
        let (precision, scale) = (context.get(1)?, context.get(2)?);
        let number = convert::decimal(context.get_raw(0)).map_err(Refusal::into_engine)?;
        let so_far = state.get_or_insert(Exact {
            sum: 0,
            precision,
            scale,
        });
        let added = number
            .rescale(scale)
            .and_then(|number| so_far.sum.checked_add(number.unscaled));
        so_far.sum = added.ok_or_else(|| overflow("numeric"))?;
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        state: Option<Option<Exact>>,
    ) -> rusqlite::Result<Option<Vec<u8>>> {
        let Some(Exact {
            sum,
            precision,
            scale,
        }) = state.flatten()
        else {
            return Ok(None);
        };
        let sum = Decimal::new(sum, scale);
        if sum.fits(precision) {
            Ok(Some(sum.key()))
        } else {
            Err(overflow("numeric"))
        }
    }
}

/// `tds_sum_whole(value, is_big)`: the sum of whole numbers, of `bigint` or of `int`.
struct WholeSum;

impl Aggregate<Option<(i64, bool)>, Option<i64>> for WholeSum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<(i64, bool)>> {
        Ok(None)
    }

    fn step(
        &self,
        context: &mut Context<'_>,
        state: &mut Option<(i64, bool)>,
    ) -> rusqlite::Result<()> {
        let (Some(number), is_big) = (context.get::<Option<i64>>(0)?, context.get(1)?) else {
            return Ok(());
        };
        let declared = if is_big {
            SqlType::BigInt
        } else {
            SqlType::Int
        };
        let (sum, _) = state.get_or_insert((0, is_big));
        *sum = sum
            .checked_add(number)
            .ok_or_else(|| overflow(declared.name()))?;
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        state: Option<Option<(i64, bool)>>,
    ) -> rusqlite::Result<Option<i64>> {
        match state.flatten() {
            Some((sum, false)) if i32::try_from(sum).is_err() => Err(overflow("int")),
            Some((sum, _)) => Ok(Some(sum)),
            None => Ok(None),
        }
    }
}
