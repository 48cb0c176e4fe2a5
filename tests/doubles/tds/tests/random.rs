//! Random rows of every type come back equal, whatever the packets and the chunks.

use chrono::NaiveDate;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::{Options, Table, Tds, Value};
use super::caller::{Caller, Row, config};
use super::values::{expected, value};

/// A type with a text for each row.
type Column = (String, Vec<Option<String>>);

fn scale() -> impl Strategy<Value = u8> {
    0_u8..=7
}

/// A type, as it is declared.
fn declaration() -> impl Strategy<Value = String> {
    let plain = [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "real",
        "float",
        "date",
        "smalldatetime",
        "datetime",
        "uniqueidentifier",
        "varchar(max)",
        "nvarchar(max)",
        "varbinary(max)",
        "text",
        "ntext",
        "image",
        "xml",
    ];
    let decimal = (1_u8..=38).prop_flat_map(|precision| (Just(precision), 0..=precision));
    let temporal = prop::sample::select(vec!["time", "datetime2", "datetimeoffset"]);
    let sized = prop::sample::select(vec![
        "char",
        "varchar",
        "nchar",
        "nvarchar",
        "binary",
        "varbinary",
    ]);
    prop_oneof![
        4 => prop::sample::select(plain.to_vec()).prop_map(str::to_owned),
        1 => decimal.prop_map(|(precision, scale)| format!("decimal({precision},{scale})")),
        1 => (temporal, scale()).prop_map(|(name, scale)| format!("{name}({scale})")),
        1 => (sized, 1_u16..40).prop_map(|(name, length)| format!("{name}({length})")),
    ]
}

/// A value of a type in the spelling in which it comes back.
fn text(declared: &str) -> BoxedStrategy<String> {
    let (name, arguments) = declared.split_once('(').unwrap_or((declared, ""));
    let numbers: Vec<u8> = arguments
        .trim_end_matches(')')
        .split(',')
        .filter_map(|n| n.parse().ok())
        .collect();
    let first = numbers.first().copied().unwrap_or(0);
    let most = if first == 0 {
        3_000
    } else {
        usize::from(first)
    };
    match name {
        "bit" => (0_i32..=1).prop_map(|n| n.to_string()).boxed(),
        "tinyint" => any::<u8>().prop_map(|n| n.to_string()).boxed(),
        "smallint" => any::<i16>().prop_map(|n| n.to_string()).boxed(),
        "int" => any::<i32>().prop_map(|n| n.to_string()).boxed(),
        "bigint" => any::<i64>().prop_map(|n| n.to_string()).boxed(),
        "real" => prop::num::f32::NORMAL.prop_map(|n| n.to_string()).boxed(),
        "float" => prop::num::f64::NORMAL.prop_map(|n| n.to_string()).boxed(),
        "decimal" => decimal(first, numbers[1]).boxed(),
        "date" => day(0, 3_652_058).boxed(),
        "time" => time(first).boxed(),
        "datetime2" => (day(0, 3_652_058), time(first))
            .prop_map(|(day, time)| format!("{day} {time}"))
            .boxed(),
        "datetimeoffset" => offset(first).boxed(),
        "smalldatetime" => (day(693_595, 693_595 + 65_535), 0_i32..24, 0_i32..60)
            .prop_map(|(day, hour, minute)| format!("{day} {hour:02}:{minute:02}:00"))
            .boxed(),
        "datetime" => (day(639_905, 3_652_058), 0..25_920_000_i64)
            .prop_map(|(day, fragments)| format!("{day} {}", clock((fragments * 10 + 1) / 3, 3)))
            .boxed(),
        "uniqueidentifier" => any::<[u8; 16]>().prop_map(guid).boxed(),
        "char" | "nchar" => characters(name, most)
            .prop_map(move |text| format!("{text:<most$}"))
            .boxed(),
        "varchar" | "nvarchar" | "text" | "ntext" => characters(name, most).boxed(),
        "xml" => characters("ntext", most)
            .prop_map(|text| format!("<a>{text}</a>"))
            .boxed(),
        "binary" => bytes(most, most).boxed(),
        _ => bytes(0, most).boxed(),
    }
}

fn decimal(precision: u8, scale: u8) -> impl Strategy<Value = String> {
    let most = 10_i128.pow(precision.into()) - 1;
    (-most..=most).prop_map(move |unscaled| {
        let digits = format!(
            "{:0>width$}",
            unscaled.unsigned_abs(),
            width = usize::from(scale) + 1
        );
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        let sign = if unscaled < 0 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    })
}

fn day(first: i32, last: i32) -> impl Strategy<Value = String> {
    (first..=last).prop_map(|days| {
        NaiveDate::from_num_days_from_ce_opt(days + 1)
            .expect("a day")
            .to_string()
    })
}

/// The text of so many units of a second's fraction since midnight.
fn clock(units: i64, scale: u8) -> String {
    let unit = 10_i64.pow(scale.into());
    let (seconds, fraction) = (units / unit, units % unit);
    let point = if scale == 0 {
        String::new()
    } else {
        format!(".{fraction:0>width$}", width = usize::from(scale))
    };
    format!(
        "{:02}:{:02}:{:02}{point}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn time(scale: u8) -> impl Strategy<Value = String> {
    (0..86_400 * 10_i64.pow(scale.into())).prop_map(move |units| clock(units, scale))
}

/// Within the years in which universal time is sure to exist.
fn offset(scale: u8) -> impl Strategy<Value = String> {
    let zone = -840_i32..=840;
    (day(1, 3_652_057), time(scale), zone).prop_map(|(day, time, minutes)| {
        let sign = if minutes < 0 { '-' } else { '+' };
        format!(
            "{day} {time}{sign}{:02}:{:02}",
            minutes.abs() / 60,
            minutes.abs() % 60
        )
    })
}

fn guid(bytes: [u8; 16]) -> String {
    tiberius::Uuid::from_bytes(bytes).to_string().to_uppercase()
}

/// Text of at most so many bytes or units.
fn characters(name: &str, most: usize) -> impl Strategy<Value = String> + use<> {
    let wide = name.starts_with('n');
    let known = if wide {
        "aZ 9äß日Ωж😀"
    } else {
        "aZ 9'äß€Š\u{81}ÿ"
    };
    let known: Vec<char> = known.chars().collect();
    vec(prop::sample::select(known), 0..most.min(3_000)).prop_map(move |characters| {
        let mut room = most;
        let fits = |c: &char| {
            let width = if wide { c.len_utf16() } else { 1 };
            room = room.saturating_sub(width);
            room > 0
        };
        characters.into_iter().take_while(fits).collect()
    })
}

fn bytes(least: usize, most: usize) -> impl Strategy<Value = String> {
    vec(any::<u8>(), least..=most).prop_map(|bytes| super::caller::hex(&bytes))
}

fn table() -> impl Strategy<Value = Vec<Column>> {
    let column = |rows: usize| {
        declaration().prop_flat_map(move |declared| {
            let values = vec(option::weighted(0.8, text(&declared)), rows);
            (Just(declared), values)
        })
    };
    (1_usize..12).prop_flat_map(move |rows| vec(column(rows), 1..9))
}

fn rows_of<T>(columns: &[Column], cell: impl Fn(&str, Option<&str>) -> T) -> Vec<Vec<T>> {
    let count = columns[0].1.len();
    let row = |at: usize| {
        columns
            .iter()
            .map(|(declared, values)| cell(declared, values[at].as_deref()))
            .collect()
    };
    (0..count).map(row).collect()
}

/// `nchar` is filled by units, and Rust's padding counts characters.
fn shown(declared: &str, text: Option<&str>) -> String {
    let Some(text) = text else {
        return "NULL".to_owned();
    };
    match declared
        .strip_prefix("nchar(")
        .and_then(|rest| rest.trim_end_matches(')').parse::<usize>().ok())
    {
        Some(length) => {
            let text = text.trim_end_matches(' ');
            let missing = length.saturating_sub(text.encode_utf16().count());
            format!("{text}{}", " ".repeat(missing))
        }
        None => expected(declared, text),
    }
}

fn given(declared: &str, text: Option<&str>) -> Value {
    match text {
        Some(text) if declared.starts_with("nchar(") => value(declared, text.trim_end_matches(' ')),
        Some(text) => value(declared, text),
        None => Value::Null,
    }
}

#[test]
fn random_rows_come_back_equal() {
    let servers = [(8_000, true), (17, false)].map(|(chunk, tells_length)| {
        Tds::start(Options {
            chunk,
            tells_length,
            ..Options::default()
        })
    });
    let mut callers = Vec::new();
    for tds in &servers {
        for size in [512, 4_096, 32_767] {
            let mut config = config(tds);
            config.packet_size(size);
            callers.push((
                tds,
                std::cell::RefCell::new(Caller::with(tds, config).expect("a login")),
            ));
        }
    }
    let cases = crate::project::long_or(60, 1_000);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let number = std::cell::Cell::new(0);
    let run = runner.run(&table(), |columns| {
        number.set(number.get() + 1);
        let name = format!("dbo.r{}", number.get());
        let (tds, caller) = &callers[number.get() % callers.len()];
        let declared = columns.iter().enumerate();
        let table = declared.fold(Table::new(&name), |table, (place, (declared, _))| {
            table.column(&format!("c{place}"), declared)
        });
        tds.create(table);
        tds.insert(&name, rows_of(&columns, given));
        let read = caller.borrow_mut().rows(&format!("SELECT * FROM {name}"));
        let all: Vec<Row> = rows_of(&columns, shown);
        prop_assert_eq!(read, all);
        Ok(())
    });
    run.expect("every value as it was");
}
