//! Every type, value by value, there and here.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use tiberius::{Client, Config as Driver};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{World, rows};
use crate::doubles::tds::{Table, Value};
use crate::project::Project;

/// Per column its type, what it is here, and values with what they are here.
const TYPES: &[(&str, &str, &[(&str, &str)])] = &[
    ("bit", "BOOLEAN", &[("1", "true"), ("0", "false")]),
    ("tinyint", "INTEGER_2", &[("255", "255"), ("0", "0")]),
    (
        "smallint",
        "INTEGER_2",
        &[("-32768", "-32768"), ("32767", "32767")],
    ),
    (
        "int",
        "INTEGER_4",
        &[("-2147483648", "-2147483648"), ("7", "7")],
    ),
    (
        "bigint",
        "INTEGER_8",
        &[
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775807", "9223372036854775807"),
        ],
    ),
    ("decimal(2,0)", "INTEGER_1", &[("-99", "-99"), ("99", "99")]),
    (
        "decimal(38,0)",
        "INTEGER_38",
        &[
            (
                "-99999999999999999999999999999999999999",
                "-99999999999999999999999999999999999999",
            ),
            ("0", "0"),
        ],
    ),
    (
        "decimal(38,38)",
        "DECIMAL(38,38)",
        &[
            (
                "0.00000000000000000000000000000000000001",
                "0.00000000000000000000000000000000000001",
            ),
            ("0", "0.00000000000000000000000000000000000000"),
        ],
    ),
    (
        "numeric(12,2)",
        "DECIMAL(12,2)",
        &[("-1.50", "-1.50"), ("9999999999.99", "9999999999.99")],
    ),
    (
        "money",
        "DECIMAL(19,4)",
        &[
            ("-922337203685477.5808", "-922337203685477.5808"),
            ("922337203685477.5807", "922337203685477.5807"),
        ],
    ),
    (
        "smallmoney",
        "DECIMAL(10,4)",
        &[("-214748.3648", "-214748.3648"), ("0.0001", "0.0001")],
    ),
    ("real", "FLOAT", &[("0.5", "0.5"), ("-1.5", "-1.5")]),
    ("float", "DOUBLE", &[("0.1", "0.1"), ("-2.5", "-2.5")]),
    (
        "date",
        "DATE",
        &[("0001-01-01", "0001-01-01"), ("9999-12-31", "9999-12-31")],
    ),
    (
        "time(0)",
        "TIME(0)",
        &[("00:00:00", "00:00:00"), ("23:59:59", "23:59:59")],
    ),
    (
        "time(7)",
        "TIME(7)",
        &[
            ("23:59:59.9999999", "23:59:59.999999900"),
            ("00:00:00.0000001", "00:00:00.000000100"),
        ],
    ),
    (
        "smalldatetime",
        "TIMESTAMP(0)",
        &[
            ("1900-01-01T00:00:00", "1900-01-01T00:00:00"),
            ("2079-06-06T23:59:00", "2079-06-06T23:59:00"),
        ],
    ),
    (
        "datetime",
        "TIMESTAMP(3)",
        &[
            ("1753-01-01T00:00:00.003", "1753-01-01T00:00:00.003"),
            ("9999-12-31T23:59:59.997", "9999-12-31T23:59:59.997"),
        ],
    ),
    (
        "datetime2(0)",
        "TIMESTAMP(0)",
        &[
            ("0001-01-01T00:00:00", "0001-01-01T00:00:00"),
            ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ],
    ),
    (
        "datetime2(6)",
        "TIMESTAMP(6)",
        &[
            ("0001-01-01T00:00:00.000001", "0001-01-01T00:00:00.000001"),
            ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
        ],
    ),
    (
        "datetime2(7)",
        "TIMESTAMP(7)",
        &[
            (
                "1678-01-01T00:00:00.0000001",
                "1678-01-01T00:00:00.000000100",
            ),
            (
                "2261-12-31T23:59:59.9999999",
                "2261-12-31T23:59:59.999999900",
            ),
        ],
    ),
    (
        "datetimeoffset(3)",
        "TIMESTAMP_TZ(3)",
        &[
            ("2020-01-31T12:00:00.123+02:00", "2020-01-31T10:00:00.123Z"),
            ("2020-01-31T00:30:00.000-14:00", "2020-01-31T14:30:00Z"),
        ],
    ),
    (
        "char(3)",
        "FIXED_STRING(3)",
        &[("a", "a  "), ("\u{e9}\u{20ac}", "\u{e9}\u{20ac} ")],
    ),
    (
        "nchar(3)",
        "FIXED_STRING(3)",
        &[("\u{3b1}", "\u{3b1}  "), ("\u{1F600}", "\u{1F600} ")],
    ),
    (
        "varchar(20)",
        "VARIABLE_STRING(20)",
        &[("it's \u{20ac}", "it's \u{20ac}"), ("", "")],
    ),
    (
        "varchar(40) collate Latin1_General_100_CI_AS_SC_UTF8",
        "VARIABLE_STRING(40)",
        &[("\u{e9}\u{1F600}", "\u{e9}\u{1F600}"), ("plain", "plain")],
    ),
    (
        "varchar(max) collate Latin1_General_100_CI_AS_SC_UTF8",
        "LARGE_STRING",
        &[("\u{3b1}\u{3b2}", "\u{3b1}\u{3b2}"), ("", "")],
    ),
    (
        "nvarchar(20)",
        "VARIABLE_STRING(20)",
        &[("\u{1F600} x ", "\u{1F600} x "), ("", "")],
    ),
    (
        "varchar(max)",
        "LARGE_STRING",
        &[("long \u{e9}", "long \u{e9}"), ("", "")],
    ),
    (
        "nvarchar(max)",
        "LARGE_STRING",
        &[("long \u{3b1}", "long \u{3b1}"), ("", "")],
    ),
    (
        "binary(3)",
        "BINARY(3)",
        &[("0x01", "010000"), ("0xFFFFFF", "ffffff")],
    ),
    (
        "varbinary(8)",
        "BINARY(8)",
        &[("0x00FF", "00ff"), ("0x", "")],
    ),
    (
        "varbinary(max)",
        "LARGE_BINARY",
        &[("0xC328", "c328"), ("0x", "")],
    ),
    (
        "text",
        "LARGE_STRING",
        &[("plain \u{e9}", "plain \u{e9}"), ("x", "x")],
    ),
    (
        "ntext",
        "LARGE_STRING",
        &[("\u{3b1}\u{1F600}", "\u{3b1}\u{1F600}"), ("x", "x")],
    ),
    (
        "image",
        "LARGE_BINARY",
        &[("0xC328", "c328"), ("0x00", "00")],
    ),
    (
        "uniqueidentifier",
        "FIXED_STRING(36)",
        &[
            (
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            ),
            (
                "00000000-0000-0000-0000-000000000000",
                "00000000-0000-0000-0000-000000000000",
            ),
        ],
    ),
    (
        "xml",
        "LARGE_STRING",
        &[("<a>\u{e9}</a>", "<a>\u{e9}</a>"), ("<b/>", "<b/>")],
    ),
    (
        "geometry",
        "LARGE_STRING",
        &[
            ("POINT (1 2)", "POINT (1 2)"),
            ("POINT (3 4)", "POINT (3 4)"),
        ],
    ),
    (
        "hierarchyid",
        "VARIABLE_STRING(4000)",
        &[("/1/2/", "/1/2/"), ("/", "/")],
    ),
];

fn name(column: usize) -> String {
    format!("c{column}")
}

/// A value for the double, which takes bytes as bytes.
fn value(native: &str, text: &str) -> Value {
    match text.strip_prefix("0x") {
        Some(hex) if native.contains("binary") || native == "image" => {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            Value::from((0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>())
        }
        _ => match (native, text.parse::<i64>(), text.parse::<f64>()) {
            ("bit" | "tinyint" | "smallint" | "int" | "bigint", Ok(number), _) => number.into(),
            ("real" | "float", _, Ok(number)) => number.into(),
            _ => Value::from(text),
        },
    }
}

fn on_the_double(world: &World) {
    let mut table = Table::new("dbo.types").column("id", "int not null");
    for (column, (native, _, _)) in TYPES.iter().enumerate() {
        table = table.column(&name(column), native);
    }
    world.tds.create(table.primary_key(&["id"]));
    let row = |row: i64| {
        let own = |(native, _, values): &(&str, &str, &[(&str, &str)])| match row {
            2 => Value::Null,
            _ => value(native, values[usize::try_from(row).expect("small")].0),
        };
        let mut values = vec![Value::from(row)];
        values.extend(TYPES.iter().map(own));
        values
    };
    world.tds.insert("dbo.types", (0..3).map(row).collect());
}

/// The values of a table of all types are what they should be here.
async fn check(project: &Project, world: Option<&World>, table: &str) {
    let config = goe::config::Config::read(&project.path("goe.toml")).expect("the configuration");
    let session = goe::session::Session::new(config).expect("a session");
    let frontend = session.connections().frontend("mssql").expect("a frontend");
    let source = frontend
        .open("dbo", table, &Default::default())
        .await
        .expect("a table");
    let snapshot = source.snapshot(1).await.expect("a snapshot");
    let batches = rows(&source, &snapshot, None).await.expect("rows");
    let mut seen = 0;
    for batch in &batches {
        let ids =
            arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(batch.column(0));
        for (row, id) in ids.iter().enumerate() {
            let id = usize::try_from(id.expect("a key")).expect("small");
            for (column, (native, canonical, values)) in TYPES.iter().enumerate() {
                let described = &source.table().columns[column + 1];
                assert_eq!(described.canonical.to_string(), *canonical, "{native}");
                let array = batch.column(column + 1);
                let options = FormatOptions::default().with_null("NULL");
                let formatter = ArrayFormatter::try_new(array.as_ref(), &options).expect("a form");
                let expected = values.get(id).map_or("NULL", |(_, here)| here);
                assert_eq!(
                    formatter.value(row).to_string(),
                    expected,
                    "{native}, row {id}"
                );
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 3 * TYPES.len());
    if let Some(world) = world {
        world.understood();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_of_every_type_comes_through_whole() {
    let world = World::new();
    on_the_double(&world);
    check(&world.project, Some(&world), "types").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_has_the_same_values() {
    let Ok(address) = std::env::var("GOE_TEST_SQLSERVER") else {
        // No server can be started for it, so it is none of the skips that a run counts.
        eprintln!("not on a real server: GOE_TEST_SQLSERVER names none");
        return;
    };
    let driver = Driver::from_ado_string(&address).expect("keywords");
    let line = tokio::net::TcpStream::connect(driver.get_addr())
        .await
        .expect("a server");
    let mut client = Client::connect(driver, line.compat_write())
        .await
        .expect("a login");
    let table = format!("goe_types_{}", std::process::id());
    for sql in statements(&table) {
        client
            .simple_query(sql)
            .await
            .expect("T-SQL")
            .into_results()
            .await
            .expect("T-SQL");
    }
    let project = Project::new();
    project.write(
        "goe.toml",
        &format!("[connections.mssql]\nurl = '''sqlserver:{address}'''\n"),
    );
    check(&project, None, &table).await;
    let drop = format!("DROP TABLE dbo.{table}");
    client
        .simple_query(drop)
        .await
        .expect("T-SQL")
        .into_results()
        .await
        .expect("T-SQL");
}

/// What makes the same table on a real server.
fn statements(table: &str) -> Vec<String> {
    let columns: Vec<String> = TYPES
        .iter()
        .enumerate()
        .map(|(column, (native, _, _))| format!("{} {native} NULL", name(column)))
        .collect();
    let mut list = vec![format!(
        "CREATE TABLE dbo.{table} (id int NOT NULL PRIMARY KEY, {})",
        columns.join(", ")
    )];
    for row in 0..3 {
        let values = TYPES
            .iter()
            .map(|(native, _, values)| match values.get(row) {
                None => "NULL".to_owned(),
                Some((text, _)) if text.starts_with("0x") => (*text).to_owned(),
                Some((text, _)) => {
                    let bare = native.split(" collate").next().unwrap_or(native);
                    format!("CAST(N'{}' AS {bare})", text.replace('\'', "''"))
                }
            });
        let values: Vec<String> = values.collect();
        list.push(format!(
            "INSERT INTO dbo.{table} VALUES ({row}, {})",
            values.join(", ")
        ));
    }
    list
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_can_not_be_read_are_named_together() {
    let world = World::new();
    let table = Table::new("dbo.odd")
        .column("id", "int not null")
        .column("any", "sql_variant")
        .column("place", "geography")
        .column("secret", "varchar(20) masked")
        .column("period", "datetime2(7) not null hidden");
    world.tds.create(table);
    let described = world.goe(&["describe", "mssql.dbo.odd"]);
    described
        .fails(goe::ErrorKind::Unsupported)
        .says(&["any", "sql_variant", "text"]);
}
