//! The binary form of COPY: a head, rows of values with their lengths, an end.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use bytes::{Buf, Bytes, BytesMut};

use super::decode::{Decoder, Fault, decoder};
use super::dialect::Wire;
use crate::error::{Error, Result};
use crate::frontend::BatchLimits;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and the length of what an extension of the head would hold.
const HEAD: usize = 19;
/// What a value needs in a batch even if it is NULL.
const CELL: usize = 8;

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
}

/// Takes the stream's pieces in, of whatever length, and gives batches out.
pub(super) struct Reader {
    schema: SchemaRef,
    decoders: Vec<Box<dyn Decoder>>,
    /// Values in a row: one for rows without columns, which have a NULL for a filler.
    fields: usize,
    limits: BatchLimits,
    pending: Bytes,
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
            pending: Bytes::new(),
            state: State::Head,
            rows: 0,
            bytes: 0,
            before: 0,
        })
    }

    /// Takes the next piece of the stream.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.pending.is_empty() {
            self.pending = piece;
            return;
        }
        // Rare: the server sends whole rows.
        let mut joined = BytesMut::with_capacity(self.pending.len() + piece.len());
        joined.extend_from_slice(&self.pending);
        joined.extend_from_slice(&piece);
        self.pending = joined.freeze();
    }

    /// Decodes what is pending, up to a full batch: `true` if the batch at hand is full.
    pub(super) fn fill(&mut self) -> Result<bool, Broken> {
        loop {
            match self.next()? {
                Next::More | Next::End => return Ok(false),
                Next::Row(length) => {
                    let bytes = length + self.fields * CELL;
                    let full = self.rows >= self.limits.rows.max(1)
                        || self.bytes.saturating_add(bytes) > self.limits.bytes;
                    if full && self.rows > 0 {
                        return Ok(true);
                    }
                    self.row(length)?;
                    self.rows += 1;
                    self.bytes += bytes;
                }
            }
        }
    }

    /// Whether the stream came to its end as it should.
    pub(super) fn ended(&self) -> bool {
        self.state == State::End && self.pending.is_empty()
    }

    /// The batch at hand; `None` if it has no rows.
    pub(super) fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = self
            .decoders
            .iter_mut()
            .map(|decoder| decoder.finish())
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("A batch does not fit its schema").caused_by(error))?;
        self.before += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(batch))
    }

    fn next(&mut self) -> Result<Next, Broken> {
        if self.state == State::Head && !self.head()? {
            return Ok(Next::More);
        }
        match (self.state, self.pending.is_empty()) {
            (State::End, true) => return Ok(Next::End),
            (State::End, false) => return Err(Broken::Protocol("bytes after the end")),
            _ => {}
        }
        let Some(&[high, low]) = self.pending.first_chunk::<2>() else {
            return Ok(Next::More);
        };
        match i16::from_be_bytes([high, low]) {
            -1 => {
                self.pending.advance(2);
                self.state = State::End;
                self.next()
            }
            fields if usize::try_from(fields) == Ok(self.fields) => self.measure(),
            _ => Err(Broken::Protocol("a row of too few or too many values")),
        }
    }

    /// Passes the head; `false` if it is not all there.
    fn head(&mut self) -> Result<bool, Broken> {
        let seen = self.pending.len().min(SIGNATURE.len());
        if self.pending[..seen] != SIGNATURE[..seen] {
            return Err(Broken::Protocol("no binary copy"));
        }
        let Some(&length) = self
            .pending
            .get(HEAD - 4..)
            .and_then(|rest| rest.first_chunk::<4>())
        else {
            return Ok(false);
        };
        let extension = usize::try_from(i32::from_be_bytes(length))
            .map_err(|_| Broken::Protocol("a head of negative length"))?;
        if self.pending.len() < HEAD + extension {
            return Ok(false);
        }
        self.pending.advance(HEAD + extension);
        self.state = State::Rows;
        Ok(true)
    }

    /// The length of the row at the beginning, if it is all there.
    fn measure(&self) -> Result<Next, Broken> {
        let mut at = 2_usize;
        for _ in 0..self.fields {
            let Some(length) = self.length_at(at) else {
                return Ok(Next::More);
            };
            at += 4;
            match length {
                -1 => {}
                length => {
                    at += usize::try_from(length)
                        .map_err(|_| Broken::Protocol("a value of negative length"))?;
                }
            }
        }
        Ok(if at <= self.pending.len() {
            Next::Row(at)
        } else {
            Next::More
        })
    }

    fn length_at(&self, at: usize) -> Option<i32> {
        let bytes = self.pending.get(at..)?.first_chunk::<4>()?;
        Some(i32::from_be_bytes(*bytes))
    }

    /// Decodes the row of `length` bytes, which [`Reader::measure`] has seen to be whole.
    fn row(&mut self, length: usize) -> Result<(), Broken> {
        let mut rest = self.pending.get(2..length).ok_or(SHORT)?;
        for (column, decoder) in self.decoders.iter_mut().enumerate() {
            let (head, after) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            rest = after;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*head)) else {
                decoder.append_null();
                continue;
            };
            let (value, after) = rest.split_at_checked(length).ok_or(SHORT)?;
            rest = after;
            decoder.append(value).map_err(|fault| match fault {
                Fault::Protocol(text) => Broken::Protocol(text),
                Fault::Value(value, why) => {
                    let row = self.before + self.rows as u64 + 1;
                    Broken::Value {
                        column,
                        row,
                        value,
                        why,
                    }
                }
            })?;
        }
        self.pending.advance(length);
        Ok(())
    }
}

const SHORT: Broken = Broken::Protocol("a row that ends too early");

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use proptest::prelude::*;

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
                reader.push(Bytes::copy_from_slice(piece));
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
            reader.push(Bytes::from(bytes));
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
            reader.push(Bytes::copy_from_slice(piece));
            while reader.fill()? {
                reader.take().unwrap();
            }
            assert!(reader.pending.len() <= bytes.len());
        }
        reader.take().unwrap();
        let _ = reader.ended();
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(
            if std::env::var_os("GOE_TEST_LONG").is_some() { 300_000 } else { 3000 }
        ))]

        #[test]
        fn any_bytes_are_decoded_or_refused(
            rows in prop::collection::vec(prop::collection::vec(cell(), 15), 0..4),
            fields in prop::option::weighted(0.05, any::<i16>()),
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in prop::option::weighted(0.2, any::<prop::sample::Index>()), piece in 1_usize..200,
        ) {
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
            let begun = std::time::Instant::now();
            let _ = swallow(every_form(), &bytes, piece);
            prop_assert!(begun.elapsed().as_secs() < 5);
        }

        #[test]
        fn each_form_takes_or_refuses_any_value(value in prop::collection::vec(any::<u8>(), 0..40)) {
            let reader = every_form();
            for mut decoder in reader.decoders {
                let _ = decoder.append(&value);
                decoder.append_null();
                let _ = decoder.finish();
            }
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
            reader.push(Bytes::from(unended.clone()));
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
        reader.push(Bytes::from(bytes));
        assert!(matches!(reader.fill(), Err(Broken::Protocol(_))));
    }
}
