//! Every canonical type over the whole path: written into a source, offloaded, and read back from
//! the lake's files as it was; boundaries of its value set and random values.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta};
use rusqlite::types::Value as Stored;

use crate::independent::Schema;
use crate::project::{Project, postgres};
use crate::random::Random;

const ROWS: usize = 400;

/// A value, whatever holds it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    /// Also numbers, days and truth, as everybody writes them.
    Text(String),
    Bytes(Vec<u8>),
    Single(u32),
    Double(u64),
    Time(NaiveTime),
    Moment(NaiveDateTime),
    /// A moment in UTC, written with an offset in minutes.
    Instant(NaiveDateTime, i64),
}

use Value::{Bytes, Double, Instant, Moment, Null, Single, Text, Time};

const MOMENT: &str = "%Y-%m-%d %H:%M:%S%.f";

fn text(text: impl ToString) -> Value {
    Text(text.to_string())
}

fn single(value: f32) -> Value {
    Single(if value.is_nan() { f32::NAN } else { value }.to_bits())
}

fn double(value: f64) -> Value {
    Double(if value.is_nan() { f64::NAN } else { value }.to_bits())
}

fn moment(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, MOMENT).unwrap_or_else(|e| panic!("{text}: {e}"))
}

impl Value {
    /// What SQLite is given, and what becomes of it there: NaN is NULL, and -0.0 is 0.0.
    fn in_sqlite(&self) -> (Stored, Self) {
        let stored = match self {
            Null => Stored::Null,
            Text(text) => Stored::Text(text.clone()),
            Bytes(bytes) => Stored::Blob(bytes.clone()),
            Single(bits) => Stored::Real(f32::from_bits(*bits).into()),
            Double(bits) => Stored::Real(f64::from_bits(*bits)),
            Time(time) => Stored::Text(time.format("%H:%M:%S%.f").to_string()),
            Moment(moment) => Stored::Text(moment.format(MOMENT).to_string()),
            Instant(..) => Stored::Text(self.with_offset()),
        };
        let kept = match self {
            Double(bits) if f64::from_bits(*bits).is_nan() => Null,
            Double(bits) if f64::from_bits(*bits) == 0.0 => double(0.0),
            _ => self.clone(),
        };
        (stored, kept)
    }

    /// What PostgreSQL is given, and what it keeps: no text with a NUL.
    fn in_postgres(&self) -> (String, Self) {
        let quoted = |text: String| format!("'{}'", text.replace('\'', "''"));
        let literal = match self {
            Null => "NULL".to_owned(),
            Text(text) if text.contains('\0') => return ("NULL".to_owned(), Null),
            Text(text) => quoted(text.clone()),
            Bytes(bytes) => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                format!("'\\x{}'", digits.collect::<String>())
            }
            Single(bits) => quoted(format!("{:e}", f32::from_bits(*bits))),
            Double(bits) => quoted(format!("{:e}", f64::from_bits(*bits))),
            Time(time) => quoted(time.format("%H:%M:%S%.f").to_string()),
            Moment(moment) => quoted(moment.format(MOMENT).to_string()),
            Instant(..) => quoted(self.with_offset()),
        };
        (literal, self.clone())
    }

    fn with_offset(&self) -> String {
        let Instant(utc, minutes) = self else {
            panic!("{self:?} is no instant");
        };
        let local = *utc + TimeDelta::minutes(*minutes);
        let sign = if *minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("{}{sign}{hours:02}:{minutes:02}", local.format(MOMENT))
    }

    /// What a column of the lake holds in a row, in the form of what is expected there.
    fn found(&self, array: &ArrayRef, row: usize) -> Self {
        if array.is_null(row) {
            return Null;
        }
        let shown = array_value_to_string(array, row).expect("a printable value");
        let parsed = || moment(shown.trim_end_matches('Z').replace('T', " ").as_str());
        match (self, array.data_type()) {
            (Bytes(_), DataType::Binary) => Bytes(array.as_binary::<i32>().value(row).to_vec()),
            (Bytes(_), DataType::LargeBinary) => {
                Bytes(array.as_binary::<i64>().value(row).to_vec())
            }
            (Single(_), DataType::Float32) => {
                single(array.as_primitive::<Float32Type>().value(row))
            }
            (Double(_), DataType::Float64) => {
                double(array.as_primitive::<Float64Type>().value(row))
            }
            (Time(_), _) => Time(shown.parse().unwrap_or_else(|e| panic!("{shown}: {e}"))),
            (Moment(_), _) => Moment(parsed()),
            (Instant(_, minutes), _) => Instant(parsed(), *minutes),
            _ => Text(shown),
        }
    }
}

/// A canonical type: the columns of sources that have it, and its values.
struct Case {
    name: &'static str,
    sqlite: Option<&'static str>,
    postgres: Option<&'static str>,
    boundaries: Vec<Value>,
    random: fn(&mut Random) -> Value,
}

impl Case {
    /// The value of a row: boundaries first, then random ones, some of them NULL.
    fn value(&self, row: usize, random: &mut Random) -> Value {
        match self.boundaries.get(row) {
            Some(value) => value.clone(),
            None if random.once_in(12) => Null,
            None => (self.random)(random),
        }
    }
}

fn case(
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    boundaries: Vec<Value>,
    random: fn(&mut Random) -> Value,
) -> Case {
    let some = |native: &'static str| (!native.is_empty()).then_some(native);
    Case {
        name,
        sqlite: some(sqlite),
        postgres: some(postgres),
        boundaries,
        random,
    }
}

fn texts(most: usize) -> Vec<Value> {
    let all = [
        "",
        " ",
        "  ",
        "a ",
        " a",
        "'",
        "\"",
        "\\",
        "\\N",
        "NULL",
        "a\tb\nc\r\nd",
        "\u{1}\u{7f}",
        "😀",
        "\u{10FFFF}",
        "é",
        "e\u{301}",
        "ß",
        "中文",
        "%_",
        "$1",
        "--;",
        "/*",
        "\u{feff}x",
        "0",
    ];
    let long = "😀".repeat(most);
    all.into_iter().chain([long.as_str()]).map(text).collect()
}

fn random_text(random: &mut Random, most: usize) -> Value {
    let letters: Vec<char> = "aZ09 '\"\\\t\n%_;é中😀\u{10FFFF}\u{1}\u{301}"
        .chars()
        .collect();
    let length = random.below(most + 1);
    text(
        (0..length)
            .map(|_| letters[random.below(letters.len())])
            .collect::<String>(),
    )
}

/// Digits and a point before the last `scale` of them.
fn number(digits: &str, scale: usize, negative: bool) -> Value {
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let sign = if negative && digits.contains(|c| c != '0') {
        "-"
    } else {
        ""
    };
    let point = if scale == 0 { "" } else { "." };
    text(format!("{sign}{whole}{point}{fraction}"))
}

/// ±(10^p-1)/10^s, the least steps around zero, and a one in each place.
fn numbers(precision: usize, scale: usize) -> Vec<Value> {
    let mut all = vec![number("0", scale, false)];
    for negative in [false, true] {
        all.push(number(&"9".repeat(precision), scale, negative));
        all.extend(
            (0..precision).map(|zeros| number(&format!("1{}", "0".repeat(zeros)), scale, negative)),
        );
    }
    all
}

fn random_number(random: &mut Random, precision: usize, scale: usize) -> Value {
    let length = 1 + random.below(precision);
    let digit = |at| {
        char::from(b'0' + random.below(if at == 0 { 9 } else { 10 }) as u8 + u8::from(at == 0))
    };
    let digits: String = (0..length).map(digit).collect();
    number(&digits, scale, random.once_in(2))
}

fn doubles() -> Vec<Value> {
    let positive = [
        0.0,
        f64::MIN_POSITIVE,
        5e-324,
        2.225_073_858_507_201e-308,
        f64::MAX,
        f64::EPSILON,
        0.1,
        1.0 / 3.0,
        1e15,
        9_007_199_254_740_993.0,
        1e22,
        1e23,
        123_456.789_012_345_67,
        f64::INFINITY,
    ];
    let all = positive.into_iter().flat_map(|value| [value, -value]);
    all.chain([f64::NAN]).map(double).collect()
}

fn singles() -> Vec<Value> {
    let positive = [
        0.0,
        f32::MIN_POSITIVE,
        1e-45,
        1.175_494_2e-38,
        f32::MAX,
        f32::EPSILON,
        0.1,
        16_777_217.0,
        f32::INFINITY,
    ];
    let all = positive.into_iter().flat_map(|value| [value, -value]);
    all.chain([f32::NAN]).map(single).collect()
}

const MOMENTS: [&str; 10] = [
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "1969-12-31 23:59:59.999999",
    "2024-02-29 12:00:00.5",
    "1582-10-10 01:02:03.000001",
    "1900-02-28 23:59:59",
    "2000-02-29 00:00:00.1",
    "2038-01-19 03:14:08",
    "1677-09-21 00:12:43.145224",
];

fn days() -> Vec<Value> {
    MOMENTS.iter().map(|moment| text(&moment[..10])).collect()
}

/// A moment of the years 1 to 9999, to the microsecond.
fn random_moment(random: &mut Random) -> NaiveDateTime {
    let micros = random.between(-62_135_596_800_000_000, 253_402_300_799_999_999);
    DateTime::from_timestamp_micros(micros)
        .expect("in range")
        .naive_utc()
}

fn random_time(random: &mut Random, step: u32) -> NaiveTime {
    let nanos = random.between(0, i64::from(1_000_000_000 / step) - 1) as u32 * step;
    let seconds = random.between(0, 86_399) as u32;
    NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos).expect("in range")
}

fn times(last: &str) -> Vec<Value> {
    let all = [
        "00:00:00",
        "12:00:00",
        "00:00:00.000001",
        "23:59:59",
        "01:02:03.5",
        last,
    ];
    all.iter().map(|time| Time(time.parse().unwrap())).collect()
}

fn moments() -> Vec<Value> {
    MOMENTS.iter().map(|text| Moment(moment(text))).collect()
}

/// Moments that nanoseconds in 64 bits can hold, at both of their ends.
fn nanos() -> Vec<Value> {
    let all = [
        "1677-09-21 00:12:43.145224193",
        "2262-04-11 23:47:16.854775807",
        "1970-01-01 00:00:00.000000001",
        "1969-12-31 23:59:59.999999999",
        "2024-02-29 00:00:00",
    ];
    all.iter().map(|text| Moment(moment(text))).collect()
}

/// Offsets as far as both sources take them; at the ends of time there is no room for one.
fn instants() -> Vec<Value> {
    let far = [0, 840, -840, 345, -210, 1];
    let ends = MOMENTS[..2].iter().map(|text| Instant(moment(text), 0));
    let offsets = MOMENTS[2..].iter().zip(far.iter().cycle());
    ends.chain(offsets.map(|(text, minutes)| Instant(moment(text), *minutes)))
        .collect()
}

fn bytes() -> Vec<Value> {
    let each = (0..=255).map(|byte| Bytes(vec![byte]));
    each.chain([
        Bytes(Vec::new()),
        Bytes((0..=255).collect()),
        Bytes(vec![0; 1000]),
    ])
    .collect()
}

fn wholes(least: i64, greatest: i64) -> Vec<Value> {
    [least, least + 1, -1, 0, 1, greatest - 1, greatest]
        .map(text)
        .to_vec()
}

/// Every canonical type that a source has. BINARY with a bound and the intervals no source has.
fn cases() -> Vec<Case> {
    vec![
        case(
            "fixed_string",
            "",
            "character(10)",
            padded(texts(10)),
            |r| padded(vec![random_text(r, 10)]).remove(0),
        ),
        case(
            "variable_string",
            "VARCHAR(40)",
            "character varying(40)",
            texts(40),
            |r| random_text(r, 40),
        ),
        case(
            "large_string",
            "TEXT",
            "text",
            [texts(5000), vec![text("a\0b")]].concat(),
            |r| random_text(r, 300),
        ),
        case("large_binary", "BLOB", "bytea", bytes(), |r| {
            Bytes((0..r.below(50)).map(|_| r.bits() as u8).collect())
        }),
        case(
            "integer_1",
            "DECIMAL(2,0)",
            "numeric(2,0)",
            numbers(2, 0),
            |r| random_number(r, 2, 0),
        ),
        case(
            "integer_2",
            "DECIMAL(4,0)",
            "numeric(4,0)",
            numbers(4, 0),
            |r| random_number(r, 4, 0),
        ),
        case("smallint", "", "smallint", wholes(-32_768, 32_767), |r| {
            text(r.bits() as i16)
        }),
        case(
            "integer_4",
            "DECIMAL(9,0)",
            "numeric(9,0)",
            numbers(9, 0),
            |r| random_number(r, 9, 0),
        ),
        case(
            "integer",
            "",
            "integer",
            wholes(i32::MIN.into(), i32::MAX.into()),
            |r| text(r.bits() as i32),
        ),
        case(
            "integer_8",
            "BIGINT",
            "bigint",
            wholes(i64::MIN, i64::MAX),
            |r| text(r.bits() as i64),
        ),
        case("integer_38", "", "numeric(38,0)", numbers(38, 0), |r| {
            random_number(r, 38, 0)
        }),
        case(
            "integer_38_of_64_bits",
            "DECIMAL(38,0)",
            "",
            wholes(i64::MIN, i64::MAX),
            |r| text(r.bits() as i64),
        ),
        case(
            "decimal",
            "DECIMAL(15,2)",
            "numeric(15,2)",
            numbers(15, 2),
            |r| random_number(r, 15, 2),
        ),
        case(
            "decimal_38_10",
            "",
            "numeric(38,10)",
            numbers(38, 10),
            |r| random_number(r, 38, 10),
        ),
        case(
            "decimal_38_38",
            "",
            "numeric(38,38)",
            numbers(38, 38),
            |r| random_number(r, 38, 38),
        ),
        case(
            "decimal_76_10",
            "",
            "numeric(76,10)",
            numbers(76, 10),
            |r| random_number(r, 76, 10),
        ),
        case("float", "", "real", singles(), |r| {
            single(f32::from_bits(r.bits() as u32))
        }),
        case("double", "DOUBLE", "double precision", doubles(), |r| {
            double(f64::from_bits(r.bits()))
        }),
        case("date", "DATE", "date", days(), |r| {
            text(random_moment(r).date())
        }),
        case("time_6", "TIME", "time(6)", times("23:59:59.999999"), |r| {
            Time(random_time(r, 1000))
        }),
        case("time_9", "TIME(9)", "", times("23:59:59.999999999"), |r| {
            Time(random_time(r, 1))
        }),
        case("timestamp_6", "TIMESTAMP", "timestamp(6)", moments(), |r| {
            Moment(random_moment(r))
        }),
        case("timestamp_0", "", "timestamp(0)", Vec::new(), |r| {
            Moment(
                random_moment(r)
                    .date()
                    .and_time(random_time(r, 1_000_000_000)),
            )
        }),
        case("timestamp_9", "TIMESTAMP(9)", "", nanos(), |r| {
            Moment(DateTime::from_timestamp_nanos(r.bits() as i64).naive_utc())
        }),
        case(
            "timestamp_tz",
            "TIMESTAMPTZ",
            "timestamp with time zone",
            instants(),
            |r| {
                let middle = r.between(-60_000_000_000_000_000, 250_000_000_000_000_000);
                Instant(
                    DateTime::from_timestamp_micros(middle).unwrap().naive_utc(),
                    r.between(-840, 840),
                )
            },
        ),
        case(
            "boolean",
            "BOOLEAN",
            "boolean",
            vec![text(true), text(false)],
            |r| text(r.once_in(2)),
        ),
    ]
}

/// What `character(10)` holds: blanks up to its length.
fn padded(values: Vec<Value>) -> Vec<Value> {
    let pad = |value| match value {
        Text(text) => Text(format!("{text:<10}")),
        other => other,
    };
    values.into_iter().map(pad).collect()
}

/// The rows of the lake's table, by `id`, compared with what was written.
fn compare(project: &Project, cases: &[Case], written: &[Vec<Value>]) {
    let table = project.lake("dw", "every");
    assert_eq!(table.rows(), written.len());
    let mut wrong = Vec::new();
    for batch in table.batches() {
        let ids = batch
            .column_by_name("id")
            .expect("id")
            .as_primitive::<Int64Type>()
            .clone();
        for (row, id) in ids.values().iter().enumerate() {
            wrong.extend(differences(&batch, row, cases, &written[*id as usize]));
        }
    }
    let shown = &wrong[..wrong.len().min(20)];
    assert!(
        wrong.is_empty(),
        "{} values differ:\n{}",
        wrong.len(),
        shown.join("\n")
    );
}

fn differences(batch: &RecordBatch, row: usize, cases: &[Case], written: &[Value]) -> Vec<String> {
    let pairs = cases.iter().zip(written);
    let differs = |(case, expected): (&Case, &Value)| {
        let array = batch.column_by_name(case.name).expect("every column");
        let found = expected.found(array, row);
        (found != *expected).then(|| format!("{}: {expected:?} came back as {found:?}", case.name))
    };
    pairs.filter_map(differs).collect()
}

/// One value per row and case; what a source keeps of it is what must come back.
fn rows(cases: &[Case]) -> Vec<Vec<Value>> {
    let mut random = Random::new(9);
    let row = |row| {
        cases
            .iter()
            .map(|case| case.value(row, &mut random))
            .collect()
    };
    (0..ROWS).map(row).collect()
}

const OFFLOADED: [&str; 4] = ["--to", "lake.dw.every", "--parallel", "2"];

#[test]
fn every_type_comes_back_from_sqlite_as_it_was() {
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|case| case.sqlite.is_some())
        .collect();
    let project = Project::new();
    let column = |case: &Case| format!("{} {}", case.name, case.sqlite.unwrap());
    let columns: Vec<String> = cases.iter().map(column).collect();
    project.sqlite(&format!(
        "CREATE TABLE every (id INTEGER PRIMARY KEY, {})",
        columns.join(", ")
    ));
    let database = rusqlite::Connection::open(project.path("shop.db")).unwrap();
    let marks = vec!["?"; cases.len() + 1].join(", ");
    let mut written = Vec::new();
    for (id, row) in rows(&cases).into_iter().enumerate() {
        let (stored, kept): (Vec<Stored>, Vec<Value>) = row.iter().map(Value::in_sqlite).unzip();
        let stored = [vec![Stored::Integer(id as i64)], stored].concat();
        let insert = format!("INSERT INTO every VALUES ({marks})");
        database
            .execute(&insert, rusqlite::params_from_iter(stored))
            .unwrap();
        written.push(kept);
    }
    project
        .goe(&[&["offload", "shop.main.every", "-x"][..], &OFFLOADED].concat())
        .ok();
    compare(&project, &cases, &written);
    project.goe(&["verify", "lake.dw.every"]).ok();
}

#[test]
fn every_type_comes_back_from_postgres_as_it_was() {
    let Some(url) = postgres() else { return };
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|case| case.postgres.is_some())
        .collect();
    let project = Project::new();
    project.connect_postgres(&url);
    let schema = Schema::new(&project, &url, "roundtrip");
    let column = |case: &Case| format!("\"{}\" {}", case.name, case.postgres.unwrap());
    let columns: Vec<String> = cases.iter().map(column).collect();
    let mut script = format!(
        "CREATE TABLE every (id bigint PRIMARY KEY, {});\n",
        columns.join(", ")
    );
    let mut written = Vec::new();
    for (id, row) in rows(&cases).into_iter().enumerate() {
        let (literals, kept): (Vec<String>, Vec<Value>) =
            row.iter().map(Value::in_postgres).unzip();
        script += &format!(
            "INSERT INTO every VALUES ({id}, {});\n",
            literals.join(", ")
        );
        written.push(kept);
    }
    schema.run_script(&script);
    let source = schema.table("every");
    project
        .goe(&[&["offload", &source, "-x"][..], &OFFLOADED].concat())
        .ok();
    compare(&project, &cases, &written);
    project.goe(&["verify", "lake.dw.every"]).ok();
}
