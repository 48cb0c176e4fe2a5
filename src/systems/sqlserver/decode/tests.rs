//! Values of every type, and those that a type can not hold.

use std::borrow::Cow;

use arrow::util::display::array_value_to_string;
use tiberius::time::{Date, DateTime, DateTimeOffset, SmallDateTime};

use super::*;
use crate::frontend::Dialect;
use crate::schema::Column;
use crate::systems::sqlserver::dialect::{SqlServer, wire};
use crate::systems::sqlserver::native::Native;
use crate::systems::sqlserver::types::canonical;

/// The value as Arrow writes it, or why it can't be taken.
fn taken(native: &str, value: ColumnData<'static>) -> Result<String, Fault> {
    let mapping = canonical(&Native::parse(native).unwrap()).unwrap();
    let column = Column::new("c", native, true, mapping);
    assert!(!SqlServer.read_column(&column).is_empty());
    let mut decoder = decoder(wire(&column), &column.canonical.to_arrow(), 1).unwrap();
    decoder.take(value)?;
    // NULL of a smalldatetime, for instance, comes as one of a datetime.
    decoder.take(ColumnData::DateTime(None))?;
    let array = decoder.finish();
    assert_eq!(array.data_type(), &column.canonical.to_arrow(), "{native}");
    assert_eq!((array.len(), array.null_count()), (2, 1));
    Ok(array_value_to_string(&array, 0).unwrap())
}

fn numeric(value: i128, scale: u8) -> ColumnData<'static> {
    ColumnData::Numeric(Some(Numeric::new_with_scale(value, scale)))
}

fn datetime2(days: u32, increments: u64, scale: u8) -> DateTime2 {
    DateTime2::new(Date::new(days), Time::new(increments, scale))
}

#[test]
fn values_come_through_whole() {
    let uuid = uuid::Uuid::from_u128(0x6F9619FF_8B86_D011_B42D_00C04FC964FF);
    let noon = datetime2(737_454, 43_200, 0);
    let table: Vec<(&str, ColumnData<'static>, &str)> = vec![
        ("bit", ColumnData::Bit(Some(true)), "true"),
        ("tinyint", ColumnData::U8(Some(255)), "255"),
        (
            "bigint",
            ColumnData::I64(Some(i64::MIN)),
            "-9223372036854775808",
        ),
        ("decimal(2,0)", numeric(-99, 0), "-99"),
        (
            "decimal(18,0)",
            numeric(10_i128.pow(18) - 1, 0),
            "999999999999999999",
        ),
        (
            "decimal(38,0)",
            numeric(10_i128.pow(38) - 1, 0),
            "99999999999999999999999999999999999999",
        ),
        ("decimal(38,38)", numeric(1, 38), "1E-38"),
        (
            "money",
            numeric(9_223_372_036_854_775_807, 4),
            "922337203685477.5807",
        ),
        ("smallmoney", numeric(-2_147_483_648, 4), "-214748.3648"),
        ("real", ColumnData::F32(Some(0.1)), "0.1"),
        ("float", ColumnData::F64(Some(-0.0)), "-0.0"),
        ("date", ColumnData::Date(Some(Date::new(0))), "0001-01-01"),
        (
            "date",
            ColumnData::Date(Some(Date::new(3_652_058))),
            "9999-12-31",
        ),
        (
            "time(0)",
            ColumnData::Time(Some(Time::new(86_399, 0))),
            "23:59:59",
        ),
        (
            "time(7)",
            ColumnData::Time(Some(Time::new(863_999_999_999, 7))),
            "23:59:59.999999900",
        ),
        (
            "smalldatetime",
            ColumnData::SmallDateTime(Some(SmallDateTime::new(65_535, 1439))),
            "2079-06-06T23:59:00",
        ),
        (
            "datetime",
            ColumnData::DateTime(Some(DateTime::new(-53_690, 0))),
            "1753-01-01T00:00:00",
        ),
        (
            "datetime",
            ColumnData::DateTime(Some(DateTime::new(2_958_463, 25_919_999))),
            "9999-12-31T23:59:59.997",
        ),
        (
            "datetime",
            ColumnData::DateTime(Some(DateTime::new(0, 1))),
            "1900-01-01T00:00:00.003",
        ),
        (
            "datetime",
            ColumnData::DateTime(Some(DateTime::new(0, 2))),
            "1900-01-01T00:00:00.007",
        ),
        (
            "datetime2(0)",
            ColumnData::DateTime2(Some(noon)),
            "2020-01-31T12:00:00",
        ),
        (
            "datetime2(6)",
            ColumnData::DateTime2(Some(datetime2(0, 86_399_999_999, 6))),
            "0001-01-01T23:59:59.999999",
        ),
        (
            "datetime2(7)",
            ColumnData::DateTime2(Some(datetime2(737_454, 1, 7))),
            "2020-01-31T00:00:00.000000100",
        ),
        (
            "datetime2(7) (read with 6 digits of a second)",
            ColumnData::DateTime2(Some(datetime2(3_652_058, 10, 7))),
            "9999-12-31T00:00:00.000001",
        ),
        (
            "datetimeoffset(0)",
            ColumnData::DateTimeOffset(Some(DateTimeOffset::new(noon, -840))),
            "2020-01-31T12:00:00Z",
        ),
        (
            "char(3)",
            ColumnData::String(Some(Cow::Borrowed("a  "))),
            "a  ",
        ),
        (
            "nvarchar(max)",
            ColumnData::String(Some(Cow::Borrowed("\u{1F600}"))),
            "\u{1F600}",
        ),
        (
            "uniqueidentifier",
            ColumnData::Guid(Some(uuid)),
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        ),
        (
            "rowversion",
            ColumnData::Binary(Some(vec![0, 255].into())),
            "00ff",
        ),
        ("image", ColumnData::Binary(Some(vec![1].into())), "01"),
    ];
    for (native, value, expected) in table {
        let found = taken(native, value).unwrap();
        match expected.starts_with("1E-") {
            true => assert_eq!(found.trim_end_matches('1').len(), 39, "{found}"),
            false => assert_eq!(found, expected, "{native}"),
        }
    }
}

#[test]
fn what_a_type_can_not_hold_is_a_fault() {
    let far = ColumnData::DateTime2(Some(datetime2(3_652_058, 0, 7)));
    let fault = taken("datetime2(7)", far).unwrap_err();
    let text = "9999-12-31 00:00:00.0000000".to_owned();
    assert_eq!(
        fault,
        Fault::Value(text, "which 64 bits of nanoseconds can't hold")
    );
    let seventh = ColumnData::DateTime2(Some(datetime2(0, 1, 7)));
    let native = "datetime2(7) (read with 6 digits of a second)";
    assert!(matches!(
        taken(native, seventh),
        Err(Fault::Value(_, SEVENTH_DIGIT))
    ));
    assert!(matches!(
        taken("decimal(2,0)", numeric(200, 0)),
        Err(Fault::Value(..))
    ));
    assert!(matches!(
        taken("decimal(5,2)", numeric(1, 3)),
        Err(Fault::Value(..))
    ));
    let secret = ColumnData::String(Some(Cow::Borrowed("secret")));
    let fault = taken("int", secret).unwrap_err();
    assert_eq!(
        fault,
        Fault::Protocol("a value of another type (String)".to_owned())
    );
    let endless = ColumnData::Time(Some(Time::new(86_400, 0)));
    assert!(matches!(taken("time(0)", endless), Err(Fault::Protocol(_))));
}
