//! A row: a header that says what each value is, and the values.

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

/// Where the wanted fields of rows are.
#[derive(Debug)]
pub(super) struct Fields {
    /// How many of each row are looked for.
    wanted: usize,
    /// Records of fewer fields lack a default.
    least: usize,
    /// The rows that were kept.
    rowids: Vec<i64>,
    /// Their fields, row by row.
    found: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    /// What the value is, as the record says.
    kind: u32,
    /// Where it begins, in the bytes of the rows.
    at: u32,
}

impl Field {
    /// What a row has of a column that is younger.
    const NULL: Self = Self { kind: 0, at: 0 };
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
            rowids: Vec::new(),
            found: Vec::new(),
        }
    }

    /// How long the header of a record is.
    pub(super) fn header(record: &[u8]) -> Option<usize> {
        let (length, _) = varint(record)?;
        usize::try_from(length).ok()
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.rowids.clear();
        self.found.clear();
    }

    /// Finds the fields of one more row, whose record begins at `start` and has a whole header. Gives
    /// the end of the last one, counted from there, which may be beyond the bytes that are there.
    /// `None` for what is no sound record, or an old one that needs a default.
    #[inline]
    pub(super) fn find(&mut self, record: &[u8], start: usize) -> Option<usize> {
        let (length, _) = varint(record)?;
        let mut end = usize::try_from(length).ok()?;
        let header = record.get(..end)?;
        let (_, mut header) = varint(header)?;
        let before = self.rowids.len() * self.wanted;
        self.found.truncate(before);
        self.found.resize(before + self.wanted, Field::NULL);
        let mut found = 0;
        for field in &mut self.found[before..] {
            if header.is_empty() {
                break;
            }
            let (kind, rest) = varint(header)?;
            *field = Field {
                kind: u32::try_from(kind).ok()?,
                at: u32::try_from(start + end).ok()?,
            };
            end = end.checked_add(length_of(kind)?)?;
            header = rest;
            found += 1;
        }
        (found >= self.least).then_some(end)
    }

    /// Keeps the row whose fields were found last.
    #[inline]
    pub(super) fn keep(&mut self, rowid: i64) {
        self.rowids.push(rowid);
    }

    /// The rows that were kept; none for none. They lie in `bytes`.
    pub(super) fn rows<'a>(&'a self, bytes: &'a [u8]) -> Option<Rows<'a>> {
        (!self.rowids.is_empty()).then_some(Rows {
            bytes,
            rowids: &self.rowids,
            fields: &self.found[..self.rowids.len() * self.wanted],
            wanted: self.wanted,
        })
    }
}

/// How many bytes a value has.
#[inline]
fn length_of(kind: u64) -> Option<usize> {
    /// Of numbers and NULL.
    const LENGTHS: [usize; 10] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
    match kind.checked_sub(12) {
        Some(twice) => usize::try_from(twice / 2).ok(),
        None => LENGTHS.get(kind as usize).copied(),
    }
}

/// Rows of one page, of which the wanted fields are there.
#[derive(Clone, Copy)]
pub(in super::super) struct Rows<'a> {
    bytes: &'a [u8],
    rowids: &'a [i64],
    fields: &'a [Field],
    wanted: usize,
}

impl<'a> Rows<'a> {
    /// How many there are: at least one.
    pub(in super::super) fn len(&self) -> usize {
        self.rowids.len()
    }

    /// A value of a row, as a statement would give it.
    // Inlined where its form is known: what is made of it otherwise goes through memory.
    #[inline(always)]
    pub(in super::super) fn value(&self, row: usize, place: Place) -> ValueRef<'a> {
        match place {
            Place::Rowid => ValueRef::Integer(self.rowids[row]),
            Place::Field { number, real, .. } => {
                match self.field(self.fields[row * self.wanted + number]) {
                    ValueRef::Integer(value) if real => ValueRef::Real(value as f64),
                    value => value,
                }
            }
        }
    }

    /// The bytes of all texts and blobs in a place.
    pub(in super::super) fn variable_bytes(&self, place: Place) -> usize {
        let Place::Field { number, .. } = place else {
            return 0;
        };
        let fields = self.fields.iter().skip(number).step_by(self.wanted);
        fields
            .map(|field| field.kind.saturating_sub(12) as usize / 2)
            .sum()
    }

    #[inline(always)]
    fn field(&self, Field { kind, at }: Field) -> ValueRef<'a> {
        let (kind, at) = (u64::from(kind), at as usize);
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
