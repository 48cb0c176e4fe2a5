//! The binary form of COPY: a head, rows of values with their lengths, an end.

use std::mem;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::decode::{Cell, Decoder, Fault, Refused, decoder};
use super::dialect::Wire;
use crate::error::Result;
use crate::frontend::BatchLimits;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and the length of what an extension of the head would hold.
const HEAD: usize = 19;
/// What a value needs in a batch even if it is NULL.
const CELL: usize = 8;

/// Rows whose values are looked up together, before each column takes its own: as many as the fast
/// memory of a processor holds.
const BLOCK: usize = 1024;

/// What stopped the reading of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The stream is not what the protocol says.
    Protocol(&'static str),
    /// A value is not what its column says.
    Value {
        column: usize,
        row: u64,
        value: String,
        why: &'static str,
    },
    /// A batch is not what its schema says.
    Batch(String),
}

/// Takes the stream's pieces in, of whatever length, and gives batches out.
pub(super) struct Reader {
    schema: SchemaRef,
    decoders: Vec<Box<dyn Decoder>>,
    /// Values in a row: one for rows without columns, which have a NULL for a filler.
    fields: usize,
    limits: BatchLimits,
    /// What came; values before `at` are found.
    pending: Vec<u8>,
    at: usize,
    /// Where the values of each column lie, `found` of them.
    cells: Vec<Vec<Cell>>,
    found: usize,
    state: State,
    /// Rows and bytes of the batch at hand.
    rows: usize,
    bytes: usize,
    /// Rows of the batches before.
    before: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Rows,
    End,
}

/// What is at the beginning of the pending bytes.
enum Next {
    More,
    Row(usize),
    End,
}

impl Reader {
    pub(super) fn new(schema: SchemaRef, wires: &[Wire], limits: BatchLimits) -> Result<Self> {
        let row = wires.len().max(1) * CELL;
        let rows = limits.rows.min(limits.bytes / row).max(1);
        let types = schema.fields().iter().map(|field| field.data_type());
        let decoders = wires
            .iter()
            .zip(types)
            .map(|(wire, data_type)| decoder(*wire, data_type, rows));
        Ok(Self {
            decoders: decoders.collect::<Result<_>>()?,
            fields: wires.len().max(1),
            schema,
            limits,
            pending: Vec::new(),
            at: 0,
            cells: vec![vec![Cell::default(); BLOCK]; wires.len()],
            found: 0,
            state: State::Head,
            rows: 0,
            bytes: 0,
            before: 0,
        })
    }

    /// Takes the next piece of the stream, and gives a buffer back to be used again.
    pub(super) fn push(&mut self, mut piece: Vec<u8>) -> Vec<u8> {
        if self.at < self.pending.len() {
            // Rare: a piece ends with a whole row, if the server sends them so.
            self.pending.drain(..self.at);
            self.pending.extend_from_slice(&piece);
        } else {
            mem::swap(&mut self.pending, &mut piece);
        }
        self.at = 0;
        piece
    }

    fn rest(&self) -> &[u8] {
        self.pending.get(self.at..).unwrap_or_default()
    }

    /// Decodes what is pending, up to a full batch: `true` if the batch at hand is full.
    pub(super) fn fill(&mut self) -> Result<bool, Broken> {
        loop {
            let Next::Row(length) = self.next()? else {
                self.decode()?;
                return Ok(false);
            };
            let bytes = length + self.fields * CELL;
            let full = self.rows >= self.limits.rows.max(1)
                || self.bytes.saturating_add(bytes) > self.limits.bytes;
            if full && self.rows > 0 {
                self.decode()?;
                return Ok(true);
            }
            self.at += length;
            self.rows += 1;
            self.bytes += bytes;
            self.found += 1;
            if self.found == BLOCK {
                self.decode()?;
            }
        }
    }

    /// Lets each column take its values of the rows that were found.
    fn decode(&mut self) -> Result<(), Broken> {
        let found = mem::take(&mut self.found);
        let earlier = self.before + (self.rows - found) as u64;
        let columns = self.decoders.iter_mut().zip(&self.cells).enumerate();
        for (column, (decoder, cells)) in columns {
            decoder
                .append(&self.pending, &cells[..found])
                .map_err(|refused| broken(column, earlier, refused))?;
        }
        Ok(())
    }

    /// Whether the stream came to its end as it should.
    pub(super) fn ended(&self) -> bool {
        self.state == State::End && self.rest().is_empty()
    }

    /// The batch at hand; `None` if it has no rows.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>, Broken> {
        if self.rows == 0 {
            return Ok(None);
        }
        let before = self.before;
        let columns = self
            .decoders
            .iter_mut()
            .enumerate()
            .map(|(column, decoder)| {
                let finished = decoder.finish();
                finished.map_err(|refused| broken(column, before, refused))
            });
        let columns = columns.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Broken::Batch(error.to_string()))?;
        self.before += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(batch))
    }

    fn next(&mut self) -> Result<Next, Broken> {
        if self.state == State::Head && !self.head()? {
            return Ok(Next::More);
        }
        match (self.state, self.rest().is_empty()) {
            (State::End, true) => return Ok(Next::End),
            (State::End, false) => return Err(Broken::Protocol("bytes after the end")),
            _ => {}
        }
        let Some(&[high, low]) = self.rest().first_chunk::<2>() else {
            return Ok(Next::More);
        };
        match i16::from_be_bytes([high, low]) {
            -1 => {
                self.at += 2;
                self.state = State::End;
                self.next()
            }
            fields if usize::try_from(fields) == Ok(self.fields) => self.find(),
            _ => Err(Broken::Protocol("a row of too few or too many values")),
        }
    }

    /// Passes the head; `false` if it is not all there.
    fn head(&mut self) -> Result<bool, Broken> {
        let rest = self.rest();
        let seen = rest.len().min(SIGNATURE.len());
        if rest[..seen] != SIGNATURE[..seen] {
            return Err(Broken::Protocol("no binary copy"));
        }
        let Some(&length) = rest
            .get(HEAD - 4..)
            .and_then(|rest| rest.first_chunk::<4>())
        else {
            return Ok(false);
        };
        let extension = usize::try_from(i32::from_be_bytes(length))
            .map_err(|_| Broken::Protocol("a head of negative length"))?;
        if rest.len() < HEAD + extension {
            return Ok(false);
        }
        self.at += HEAD + extension;
        self.state = State::Rows;
        Ok(true)
    }

    /// Finds the values of the row at the beginning, and its length, if it is all there.
    fn find(&mut self) -> Result<Next, Broken> {
        let mut at = self.at + 2;
        for column in 0..self.fields {
            let head = self.pending.get(at..).and_then(|rest| rest.first_chunk());
            let Some(length) = head.map(|head| i32::from_be_bytes(*head)) else {
                return Ok(Next::More);
            };
            at += 4;
            if let Some(cells) = self.cells.get_mut(column) {
                let at = u32::try_from(at).map_err(|_| Broken::Protocol("too long a row"))?;
                cells[self.found] = Cell { at, length };
            }
            at += match length {
                -1 => 0,
                length => usize::try_from(length)
                    .map_err(|_| Broken::Protocol("a value of negative length"))?,
            };
        }
        Ok(if at <= self.pending.len() {
            Next::Row(at - self.at)
        } else {
            Next::More
        })
    }
}

/// A value that a column refused, of the rows after the `earlier` ones.
fn broken(column: usize, earlier: u64, (position, fault): Refused) -> Broken {
    match fault {
        Fault::Protocol(text) => Broken::Protocol(text),
        Fault::Value(value, why) => Broken::Value {
            column,
            row: earlier + position as u64 + 1,
            value,
            why,
        },
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn reader(limits: BatchLimits) -> Reader {
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int32, true),
            Field::new("t", DataType::Utf8, true),
        ]));
        Reader::new(schema, &[Wire::Integer, Wire::Text], limits).unwrap()
    }

    fn stream(rows: &[(Option<i32>, String)]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for (number, text) in rows {
            bytes.extend(2_i16.to_be_bytes());
            match number {
                Some(number) => {
                    bytes.extend(4_i32.to_be_bytes());
                    bytes.extend(number.to_be_bytes());
                }
                None => bytes.extend((-1_i32).to_be_bytes()),
            }
            bytes.extend((text.len() as i32).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn rows_come_whole_however_the_stream_is_cut(
            rows in prop::collection::vec((any::<Option<i32>>(), ".{0,12}"), 0..40),
            piece in 1_usize..50, most in 1_usize..9, bytes in 20_usize..400,
        ) {
            let limits = BatchLimits { rows: most, bytes };
            let mut reader = reader(limits);
            let mut batches = Vec::new();
            for piece in stream(&rows).chunks(piece) {
                reader.push(piece.to_vec());
                while reader.fill().unwrap() {
                    batches.extend(reader.take().unwrap());
                }
            }
            batches.extend(reader.take().unwrap());
            prop_assert!(reader.ended());
            let mut read = Vec::new();
            for batch in &batches {
                prop_assert!(batch.num_rows() <= most);
                let numbers = batch.column(0).as_primitive::<Int32Type>();
                let texts = batch.column(1).as_string::<i32>();
                read.extend(numbers.iter().zip(texts).map(|(n, t)| (n, t.unwrap().to_owned())));
            }
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn a_broken_stream_is_an_error_and_no_panic(
            rows in prop::collection::vec((any::<Option<i32>>(), ".{0,12}"), 0..5),
            at in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let mut bytes = stream(&rows);
            let at = at.index(bytes.len());
            bytes.splice(at..(at + noise.len()).min(bytes.len()), noise);
            let mut reader = reader(BatchLimits::default());
            reader.push(bytes);
            let _ = reader.fill();
        }
    }

    /// A column of each form of the wire.
    fn every_form() -> Reader {
        use arrow::datatypes::TimeUnit::Microsecond;
        let forms = [
            (Wire::Text, DataType::LargeUtf8),
            (Wire::Uuid, DataType::Utf8),
            (Wire::Boolean, DataType::Boolean),
            (Wire::SmallInt, DataType::Int16),
            (Wire::Integer, DataType::Int32),
            (Wire::BigInt, DataType::Int64),
            (Wire::Numeric, DataType::Decimal128(15, 2)),
            (Wire::Numeric, DataType::Decimal256(76, 10)),
            (Wire::Numeric, DataType::Int64),
            (Wire::Real, DataType::Float32),
            (Wire::Double, DataType::Float64),
            (Wire::Date, DataType::Date32),
            (Wire::Time, DataType::Time64(Microsecond)),
            (Wire::Timestamp, DataType::Timestamp(Microsecond, None)),
            (Wire::Bytea, DataType::LargeBinary),
        ];
        let field = |(_, data_type): &(Wire, DataType)| Field::new("c", data_type.clone(), true);
        let schema = Schema::new(forms.iter().map(field).collect::<Vec<_>>());
        let wires = forms.map(|(wire, _)| wire);
        Reader::new(Arc::new(schema), &wires, BatchLimits::default()).unwrap()
    }

    /// A value of any length, mostly one that some type has, which may lie about it.
    fn cell() -> impl Strategy<Value = Vec<u8>> {
        let length = prop::sample::select(vec![0_usize, 1, 2, 4, 8, 10, 12, 16, 30]);
        let bytes = length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length));
        let lie = prop::option::weighted(
            0.05,
            prop::sample::select(vec![-2, i32::MIN, i32::MAX, 3, 0]),
        );
        prop_oneof![
            1 => Just((-1_i32).to_be_bytes().to_vec()),
            4 => (bytes, lie).prop_map(|(bytes, lie)| {
                let length = lie.unwrap_or(bytes.len() as i32);
                [&length.to_be_bytes(), bytes.as_slice()].concat()
            }),
        ]
    }

    /// Takes a stream in pieces; the bytes that are held never outgrow those that came.
    fn swallow(mut reader: Reader, bytes: &[u8], piece: usize) -> Result<(), Broken> {
        for piece in bytes.chunks(piece) {
            reader.push(piece.to_vec());
            while reader.fill()? {
                reader.take()?;
            }
            assert!(reader.pending.len() <= bytes.len());
        }
        reader.take()?;
        let _ = reader.ended();
        Ok(())
    }

    /// Any bytes, for a while: `tests/run --long` gives it as long as the fuzzing of `tests/fuzz.rs`.
    mod fuzz {
        use std::time::{Duration, Instant};

        use super::*;

        /// Tries values in turns of new random ones until the time is over.
        fn fuzz<S: Strategy>(values: S, read: impl Fn(S::Value)) {
            let long = std::env::var_os("GOE_TEST_LONG").is_some();
            let time = Duration::from_secs(if long { 1800 } else { 1 });
            let begun = Instant::now();
            while begun.elapsed() < time {
                let outcome = TestRunner::new(ProptestConfig {
                    source_file: Some(file!()),
                    ..ProptestConfig::default()
                })
                .run(&values, |value| {
                    read(value);
                    Ok(())
                });
                outcome.unwrap();
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused() {
            let rows = prop::collection::vec(prop::collection::vec(cell(), 15), 0..4);
            let fields = prop::option::weighted(0.05, any::<i16>());
            let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
            let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
            fuzz(
                (rows, fields, noise, cut, 1_usize..200),
                |(rows, fields, noise, cut, piece)| {
                    let mut bytes = [SIGNATURE, &[0; 8]].concat();
                    for row in rows {
                        bytes.extend(fields.unwrap_or(15).to_be_bytes());
                        bytes.extend(row.concat());
                    }
                    bytes.extend((-1_i16).to_be_bytes());
                    for (at, byte) in noise {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                    bytes.truncate(cut.map_or(bytes.len(), |at| at.index(bytes.len())));
                    let _ = swallow(every_form(), &bytes, piece);
                },
            );
        }

        #[test]
        fn each_form_takes_or_refuses_any_value() {
            fuzz(prop::collection::vec(any::<u8>(), 0..40), |value| {
                let length = value.len() as i32;
                for mut decoder in every_form().decoders {
                    let _ = decoder.append(&value, &[Cell { at: 0, length }]);
                    let _ = decoder.append(&value, &[Cell { at: 0, length: -1 }]);
                    let _ = decoder.finish();
                }
            });
        }
    }

    #[test]
    fn a_stream_that_lies_is_refused_or_never_ends_well() {
        let whole = stream(&[(Some(7), "x".to_owned())]);
        let with = |at: usize, bytes: &[u8]| {
            let mut other = whole.clone();
            other[at..at + bytes.len()].copy_from_slice(bytes);
            other
        };
        let head = i32::MAX.to_be_bytes();
        for refused in [
            with(19, &3_i16.to_be_bytes()),
            with(19, &0_i16.to_be_bytes()),
            with(21, &(-2_i32).to_be_bytes()),
            [&whole, b"x".as_slice()].concat(),
            with(0, b"X"),
            with(15, &(-1_i32).to_be_bytes()),
        ] {
            let outcome = swallow(reader(BatchLimits::default()), &refused, 7);
            assert!(matches!(outcome, Err(Broken::Protocol(_))), "{refused:?}");
        }
        // Lengths of two gigabytes are waited for, and nothing is set aside for them.
        let cut = |bytes: usize| whole[..whole.len() - bytes].to_vec();
        for unended in [
            with(21, &3_i32.to_be_bytes()),
            with(21, &head),
            with(29, &head),
            with(15, &head),
            cut(1),
            cut(2),
            cut(3),
        ] {
            let mut reader = reader(BatchLimits::default());
            reader.push(unended.clone());
            assert_eq!(reader.fill(), Ok(false), "{unended:?}");
            assert!(!reader.ended(), "{unended:?}");
        }
    }

    #[test]
    fn lengths_below_minus_one_are_refused() {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        bytes.extend(2_i16.to_be_bytes());
        bytes.extend((-2_i32).to_be_bytes());
        let mut reader = reader(BatchLimits::default());
        reader.push(bytes);
        assert!(matches!(reader.fill(), Err(Broken::Protocol(_))));
    }
}
