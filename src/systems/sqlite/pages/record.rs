//! One row: a header that says what each value is, and the values.

use rusqlite::types::ValueRef;

use super::tree::varint;

/// How the columns of a table lie in its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Layout(Vec<Place>);

/// Where a column's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// It is the row's own number.
    Rowid,
    /// It is this field of the record.
    Field {
        number: usize,
        /// Whether a whole number stands for a REAL, which it is shorter than.
        real: bool,
        /// Whether a record that is older than the column means the column's default.
        has_default: bool,
    },
}

impl Layout {
    pub(in super::super) fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// Where a column is. A column that the table does not have is its rowid.
    pub(in super::super) fn place(&self, column: usize) -> Place {
        self.0.get(column).copied().unwrap_or(Place::Rowid)
    }
}

/// Where the fields of the record at hand are.
#[derive(Debug)]
pub(super) struct Fields {
    /// How many are looked for.
    wanted: usize,
    /// Records of fewer fields lack a default.
    least: usize,
    found: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    /// What the value is, as the record says.
    kind: u64,
    /// Where it begins, in the bytes of the record.
    at: usize,
}

impl Fields {
    pub(super) fn of(places: &[Place]) -> Self {
        let numbers = |with_default: bool| {
            let number = move |place: &Place| match *place {
                Place::Field {
                    number,
                    has_default,
                    ..
                } if has_default || !with_default => Some(number + 1),
                _ => None,
            };
            places.iter().filter_map(number).max().unwrap_or_default()
        };
        Self {
            wanted: numbers(false),
            least: numbers(true),
            found: Vec::new(),
        }
    }

    /// How long the header of a record is.
    pub(super) fn header(record: &[u8]) -> Option<usize> {
        let (length, _) = varint(record)?;
        usize::try_from(length).ok()
    }

    /// Finds the fields of a record whose header is whole, and gives the end of the last one, which
    /// may be beyond the bytes that are there. `None` for what is no sound record, or an old one that
    /// needs a default.
    #[inline]
    pub(super) fn find(&mut self, record: &[u8]) -> Option<usize> {
        let (length, _) = varint(record)?;
        let mut end = usize::try_from(length).ok()?;
        let header = record.get(..end)?;
        let (_, mut header) = varint(header)?;
        self.found.clear();
        while self.found.len() < self.wanted && !header.is_empty() {
            let (kind, rest) = varint(header)?;
            self.found.push(Field { kind, at: end });
            end = end.checked_add(length_of(kind)?)?;
            header = rest;
        }
        (self.found.len() >= self.least).then_some(end)
    }
}

/// How many bytes a value has.
#[inline]
fn length_of(kind: u64) -> Option<usize> {
    match kind {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(kind as usize),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

/// A row, of which the wanted fields are there.
pub(in super::super) struct Record<'a> {
    pub(super) rowid: i64,
    pub(super) bytes: &'a [u8],
    pub(super) fields: &'a Fields,
}

impl Record<'_> {
    /// A value, as a statement would give it.
    #[inline]
    pub(in super::super) fn value(&self, place: Place) -> ValueRef<'_> {
        match place {
            Place::Rowid => ValueRef::Integer(self.rowid),
            Place::Field { number, real, .. } => match self.fields.found.get(number) {
                Some(field) => match self.field(*field) {
                    ValueRef::Integer(value) if real => ValueRef::Real(value as f64),
                    value => value,
                },
                // The row is older than the column.
                None => ValueRef::Null,
            },
        }
    }

    #[inline]
    fn field(&self, Field { kind, at }: Field) -> ValueRef<'_> {
        let bytes = |length: usize| self.bytes.get(at..at + length).unwrap_or_default();
        match kind {
            0 => ValueRef::Null,
            8 => ValueRef::Integer(0),
            9 => ValueRef::Integer(1),
            1..=6 => ValueRef::Integer(integer(bytes(length_of(kind).unwrap_or_default()))),
            7 => {
                let bits = integer(bytes(8)) as u64;
                let value = f64::from_bits(bits);
                // SQLite knows no such number.
                if value.is_nan() {
                    ValueRef::Null
                } else {
                    ValueRef::Real(value)
                }
            }
            _ => {
                let bytes = bytes(length_of(kind).unwrap_or_default());
                if kind % 2 == 0 {
                    ValueRef::Blob(bytes)
                } else {
                    ValueRef::Text(bytes)
                }
            }
        }
    }
}

/// A number of up to eight bytes, the highest first.
#[inline]
fn integer(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => (a as i8).into(),
        [a, b] => i16::from_be_bytes([a, b]).into(),
        [a, b, c] => (i32::from_be_bytes([a, b, c, 0]) >> 8).into(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f] => i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16,
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}
