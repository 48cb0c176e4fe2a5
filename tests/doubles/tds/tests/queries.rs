//! What is asked for: the catalog, predicates of all types, splits, and what is refused.

use super::super::{Options, PartitionFunction, Table, Tds, Value};
use super::caller::Caller;
use super::small;

/// The files that goe sends, as it sends them.
fn catalog_query(name: &str, ids: &str) -> String {
    let file = format!(
        "{}/sql/catalog/sqlserver/{name}.sql",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.replace("/*ids*/", ids)
}

/// Two partitioned tables, a heap, a view, a synonym, comments, and a type of a user.
fn shop() -> Tds {
    let tds = Tds::start(Options::default());
    tds.create_function(PartitionFunction::right(
        "pf_ship",
        "date",
        vec!["2020-02-01", "2020-03-01"],
    ));
    tds.create_function(PartitionFunction::left("pf_id", "int", vec![10_i64, 20]));
    tds.create(
        Table::new("dbo.sales")
            .column("id", "int not null")
            .column("day", "date not null")
            .column_comment("when it was sold")
            .column("price", "decimal(12,2)")
            .column("code", "varchar(10) collate Latin1_General_BIN2")
            .alias("Code")
            .column("from_", "datetime2(7) not null hidden")
            .primary_key(&["id", "day"])
            .unique(&["code"])
            .partitioned("pf_ship", "day")
            .comment("what was sold"),
    );
    tds.create(
        Table::new("stage.odd]name")
            .column("a]b", "int")
            .columnstore()
            .partitioned("pf_id", "a]b"),
    );
    tds.create_view("dbo.v_sales", "dbo.sales");
    tds.create_synonym("dbo.s_sales", "dbo.sales");
    let rows = [
        (1, "2020-01-31", Some("9.99"), "a"),
        (2, "2020-02-01", None, "A"),
        (3, "2020-02-29", Some("-1.50"), "B"),
        (4, "2020-03-01", Some("100.00"), "é"),
    ];
    let row = |(id, day, price, code): (i64, &str, Option<&str>, &str)| {
        vec![
            id.into(),
            day.into(),
            price.into(),
            code.into(),
            "2020-01-01".into(),
        ]
    };
    tds.insert("dbo.sales", rows.into_iter().map(row).collect());
    tds.insert(
        "stage.odd]name",
        [5, 10, 11, 20, 21]
            .map(|n: i64| vec![n.into()])
            .into_iter()
            .chain([vec![Value::Null]])
            .collect(),
    );
    tds
}

#[test]
fn the_session_begins_as_goe_begins_it() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    let batch = format!(
        "{}\nSET TEXTSIZE 67108864; SET LOCK_TIMEOUT 30000;\n{}",
        catalog_query("session", ""),
        catalog_query("server", "")
    );
    let row = &caller.rows(&batch)[0];
    assert_eq!(row[0], "16.0.4000.1");
    assert_eq!(
        row[2..],
        [
            "3",
            "goe",
            "shop",
            "160",
            "1",
            "0",
            "0",
            "NULL",
            "READ_WRITE",
            "1"
        ]
    );
}

#[test]
fn a_table_is_described_in_one_batch() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    let ids = "OBJECT_ID(N'[dbo].[sales]'), OBJECT_ID(N'[stage].[odd]]name]'), OBJECT_ID(N'[dbo].[none]')";
    let batch = ["objects", "columns", "indexes", "partitions"]
        .map(|name| catalog_query(name, ids))
        .join("\n;\n");
    let results = caller.batch(&batch).expect("four results");
    let [objects, columns, indexes, partitions] = &results[..] else {
        panic!("{} results", results.len());
    };
    assert_eq!(objects.len(), 2);
    assert_eq!(
        objects[0][1..],
        [
            "dbo",
            "sales",
            "U ",
            "2024-01-31 00:00:00.000",
            "0",
            "0",
            "NULL",
            "what was sold",
            "0"
        ]
    );
    assert_eq!(objects[1][1..3], ["stage", "odd]name"]);
    assert_eq!(columns.len(), 6);
    assert_eq!(
        columns[1][2..],
        [
            "day",
            "date",
            "NULL",
            "3",
            "10",
            "0",
            "NULL",
            "0",
            "0",
            "0",
            "0",
            "NULL",
            "when it was sold"
        ]
    );
    assert_eq!(
        columns[3][2..9],
        [
            "code",
            "varchar",
            "Code",
            "10",
            "0",
            "0",
            "Latin1_General_BIN2"
        ]
    );
    assert_eq!(columns[4][10], "1", "hidden");
    let keys: Vec<&[String]> = indexes.iter().map(|row| &row[1..]).collect();
    assert_eq!(keys[0], ["1", "1", "1", "1", "1", "id"]);
    assert_eq!(keys[1], ["1", "1", "1", "1", "2", "day"]);
    assert_eq!(keys[2], ["2", "2", "1", "0", "1", "code"]);
    assert_eq!(keys[3], ["1", "5", "0", "0", "NULL", "NULL"]);
    let parts: Vec<&[String]> = partitions.iter().map(|row| &row[1..]).collect();
    assert_eq!(
        parts[0],
        ["1", "1", "8192", "pf_ship", "1", "day", "1", "2020-02-01"]
    );
    assert_eq!(
        parts[1],
        ["2", "2", "8192", "pf_ship", "1", "day", "2", "2020-03-01"]
    );
    assert_eq!(
        parts[2],
        ["3", "1", "8192", "pf_ship", "1", "day", "NULL", "NULL"]
    );
    // NULL is in the first partition, a boundary on the left in the lower one.
    assert_eq!(parts[3], ["1", "3", "8192", "pf_id", "0", "a]b", "1", "10"]);
    assert_eq!(parts[4][..2], ["2", "2"]);
    assert_eq!(parts[5][..2], ["3", "1"]);
}

#[test]
fn names_and_tables_are_listed() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    let tables = caller.rows(&catalog_query("tables", ""));
    let named: Vec<String> = tables.iter().map(|row| row[..3].join(" ")).collect();
    assert_eq!(
        named,
        ["dbo sales U ", "dbo v_sales V ", "stage odd]name U "]
    );
    assert_eq!(tables[0][3..], ["0", "4", "3", "24576"]);
    let names: Vec<String> = caller
        .rows(&catalog_query("names", ""))
        .iter()
        .map(|row| row.join("."))
        .collect();
    assert_eq!(
        names,
        ["dbo.s_sales", "dbo.sales", "dbo.v_sales", "stage.odd]name"]
    );
    let id = caller.list("SELECT OBJECT_ID(N'dbo.sales')");
    let before = caller.list(&catalog_query("unchanged", &id));
    tds.alter("dbo.sales");
    assert_ne!(caller.list(&catalog_query("unchanged", &id)), before);
    let synonym = caller.rows(&catalog_query("objects", "OBJECT_ID(N'[dbo].[s_sales]')"));
    assert_eq!(synonym[0][2..4], ["s_sales", "SN"]);
    assert_eq!(synonym[0][7], "[dbo].[sales]");
    assert_eq!(tds.counters().refused(), Vec::<String>::new());
}

#[test]
fn partitions_are_read_by_their_number() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    let of = |part: i32| {
        format!(
            "SELECT [id] FROM [dbo].[sales] WHERE $PARTITION.[pf_ship]([day]) = {part} ORDER BY [id]"
        )
    };
    assert_eq!(
        [1, 2, 3].map(|part| caller.list(&of(part))),
        ["1", "2,3", "4"]
    );
    let of = |part: i32| {
        format!(
            "SELECT [a]]b] FROM [stage].[odd]]name] WHERE $PARTITION.[pf_id]([a]]b]) = {part} ORDER BY [a]]b]"
        )
    };
    assert_eq!(
        [1, 2, 3].map(|part| caller.list(&of(part))),
        ["NULL,5,10", "11,20", "21"]
    );
}

#[test]
fn boundaries_of_splits_are_tiles() {
    let tds = super::numbers(Options::default(), 1_000, 1);
    let mut caller = Caller::new(&tds);
    let tiles = "SELECT part, tile, MIN(boundary) AS boundary FROM (SELECT 1 AS part, [n] AS boundary, NTILE(4) OVER (ORDER BY [n]) AS tile FROM [dbo].[n] WHERE [n] IS NOT NULL) AS sampled GROUP BY part, tile ORDER BY part, tile";
    assert_eq!(
        caller.rows(tiles),
        [
            ["1", "1", "0"],
            ["1", "2", "250"],
            ["1", "3", "500"],
            ["1", "4", "750"]
        ]
    );
    let sample = "SELECT COUNT_BIG(*) FROM [dbo].[n] TABLESAMPLE (50 PERCENT) REPEATABLE (1)";
    let sampled: i64 = caller.list(sample).parse().expect("a count");
    assert!(
        (100..=900).contains(&sampled) && sampled % 100 == 0 || sampled % 100 == 99,
        "{sampled}"
    );
    assert_eq!(caller.list(sample), sampled.to_string());
    let partitioned = shop();
    let mut caller = Caller::new(&partitioned);
    let tiles = "SELECT part, tile, MIN(boundary) AS boundary FROM (SELECT $PARTITION.[pf_ship]([day]) AS part, [id] AS boundary, NTILE(2) OVER (PARTITION BY $PARTITION.[pf_ship]([day]) ORDER BY [id]) AS tile FROM [dbo].[sales] WHERE [id] IS NOT NULL) AS sampled GROUP BY part, tile ORDER BY part, tile";
    assert_eq!(
        caller.rows(tiles),
        [
            ["1", "1", "1"],
            ["2", "1", "2"],
            ["2", "2", "3"],
            ["3", "1", "4"]
        ]
    );
}

/// Three values of a type in order, a literal of the middle one, and how the least is shown.
const ORDERED: [(&str, [&str; 3], &str); 15] = [
    (
        "decimal(12,2)",
        ["-100.50", "1.50", "20.00"],
        "CAST(1.50 AS decimal(12,2))",
    ),
    (
        "decimal(38,10)",
        [
            "-0.0000000001",
            "0.0000000000",
            "1234567890123456789012345678.0000000000",
        ],
        "0",
    ),
    (
        "numeric(19,4)",
        ["-2.0000", "-1.9999", "-1.9998"],
        "-1.9999",
    ),
    (
        "money",
        ["-2.0000", "0.0001", "922337203685477.5807"],
        "CAST(0.0001 AS decimal(19,4))",
    ),
    (
        "date",
        ["0001-01-01", "2020-01-31", "9999-12-31"],
        "CAST('2020-01-31' AS date)",
    ),
    (
        "datetime",
        [
            "1753-01-01 00:00:00.000",
            "2020-01-31 12:00:00.123",
            "2020-01-31 12:00:00.127",
        ],
        "CAST('2020-01-31T12:00:00.123' AS datetime)",
    ),
    (
        "smalldatetime",
        [
            "1900-01-01 00:00:00",
            "2020-01-31 12:00:00",
            "2079-06-06 23:59:00",
        ],
        "CAST('2020-01-31T12:00:00' AS smalldatetime)",
    ),
    (
        "datetime2(7)",
        [
            "0001-01-01 00:00:00.0000000",
            "2020-01-31 12:00:00.1234567",
            "2020-01-31 12:00:00.1234568",
        ],
        "CAST('2020-01-31T12:00:00.1234567' AS datetime2(7))",
    ),
    (
        "datetimeoffset(7)",
        [
            "2020-01-31 23:59:00.0000000+14:00",
            "2020-01-31 12:00:00.1230000+00:00",
            "2020-01-31 00:01:00.0000000-13:00",
        ],
        "CAST('2020-01-31T13:00:00.123+01:00' AS datetimeoffset(7))",
    ),
    (
        "time(7)",
        ["00:00:00.0000000", "12:00:00.5000000", "23:59:59.9999999"],
        "CAST('12:00:00.5' AS time(7))",
    ),
    (
        "uniqueidentifier",
        [
            "FFFFFFFF-FFFF-FFFF-FFFF-000000000001",
            "00000000-0000-0000-0000-0000000000FF",
            "00000000-0000-0000-0000-FF0000000000",
        ],
        "CAST('00000000-0000-0000-0000-0000000000FF' AS uniqueidentifier)",
    ),
    (
        "bigint",
        ["-9223372036854775808", "7", "9223372036854775807"],
        "7",
    ),
    (
        "varchar(10) collate Latin1_General_BIN2",
        ["A", "a", "b"],
        "N'a'",
    ),
    (
        "nvarchar(10) collate Latin1_General_BIN2",
        ["it", "it's", "😀"],
        "N'it''s'",
    ),
    ("varbinary(4)", ["AA", "ABCD", "FF"], "0xABCD"),
];

#[test]
fn predicates_are_right_for_every_type() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    for (place, (declared, values, literal)) in ORDERED.into_iter().enumerate() {
        let name = format!("dbo.o{place}");
        tds.create(Table::new(&name).column("id", "int").column("v", declared));
        let row = |(id, text): (i64, &str)| {
            let value = match declared {
                "bigint" => Value::Integer(text.parse().expect("a number")),
                "varbinary(4)" => Value::Bytes(
                    (0..text.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
                        .collect(),
                ),
                _ => text.into(),
            };
            vec![id.into(), value]
        };
        // Not in their order.
        let [least, middle, most] = values;
        let mut rows: Vec<Vec<Value>> = [(2, middle), (3, most), (1, least)].map(row).to_vec();
        rows.push(vec![4.into(), Value::Null]);
        tds.insert(&name, rows);
        let mut found = |condition: &str| {
            let condition = condition.replace("{}", literal);
            caller.list(&format!(
                "SELECT id FROM {name} WHERE {condition} ORDER BY id"
            ))
        };
        let cases = [
            ("v = {}", "2"),
            ("v <> {}", "1,3"),
            ("v < {}", "1"),
            ("v <= {}", "1,2"),
            ("v > {}", "3"),
            ("v >= {}", "2,3"),
            ("{} > v", "1"),
            ("v IN ({}, {})", "2"),
            ("v NOT IN ({})", "1,3"),
            ("v BETWEEN {} AND {}", "2"),
            ("v IS NULL", "4"),
            ("v IS NOT NULL", "1,2,3"),
            ("(NOT v = {})", "1,3"),
            ("(v = {} OR v IS NULL)", "2,4"),
            ("(v > {} AND v IS NOT NULL)", "3"),
            ("(CASE WHEN v = {} THEN 1 ELSE 0 END = 1)", "2"),
            ("1 = 1", "1,2,3,4"),
            ("1 = 0", ""),
        ];
        for (condition, expected) in cases {
            assert_eq!(found(condition), expected, "{declared}: {condition}");
        }
        assert_eq!(
            caller.list(&format!("SELECT id FROM {name} ORDER BY v")),
            "4,1,2,3",
            "{declared}"
        );
        assert_eq!(
            caller.list(&format!("SELECT id FROM {name} ORDER BY v DESC")),
            "3,2,1,4",
            "{declared}"
        );
        if !["money", "varbinary(4)"].contains(&declared) {
            assert_eq!(
                caller.rows(&format!("SELECT MIN(v), MAX(v), COUNT_BIG(v) FROM {name}")),
                [[least, most, "3"]],
                "{declared}"
            );
        }
    }
    assert_eq!(tds.counters().refused(), Vec::<String>::new());
}

#[test]
fn aggregates_of_a_proof_are_exact() {
    let tds = Tds::start(Options::default());
    tds.create(
        Table::new("dbo.a")
            .column("d", "decimal(38,2)")
            .column("b", "bit")
            .column("m", "money")
            .column("g", "uniqueidentifier")
            .column("t", "nvarchar(9)")
            .column("i", "int"),
    );
    let row = |d: &str, b: i64, m: &str, g: &str, t: &str, i: i64| {
        vec![d.into(), b.into(), m.into(), g.into(), t.into(), i.into()]
    };
    let (low, high) = (
        "00000000-0000-0000-0000-0000000000FF",
        "FFFFFFFF-FFFF-FFFF-FFFF-000000000001",
    );
    tds.insert(
        "dbo.a",
        vec![
            row(
                "99999999999999999999999999999999999.99",
                0,
                "0.0001",
                low,
                "b",
                2_147_483_647,
            ),
            row("0.02", 1, "-5.0000", high, "A", 1),
            vec![Value::Null; 6],
        ],
    );
    let mut caller = Caller::new(&tds);
    let sql = "SELECT COUNT_BIG(*), SUM(CAST([d] AS decimal(38,2))), CAST(MIN(CAST([b] AS tinyint)) AS bit), MIN(CAST([m] AS decimal(19,4))), MIN(CONVERT(char(36), [g]) COLLATE Latin1_General_BIN2), MIN([t] COLLATE Latin1_General_BIN2) FROM dbo.a";
    assert_eq!(
        caller.rows(sql),
        [[
            "3",
            "100000000000000000000000000000000000.01",
            "0",
            "-5.0000",
            low,
            "A"
        ]]
    );
    assert_eq!(caller.error("SELECT SUM(i) FROM dbo.a").0, 8115);
    assert_eq!(
        caller.list("SELECT SUM(CAST(i AS bigint)) FROM dbo.a"),
        "2147483648"
    );
    assert_eq!(caller.error("SELECT MIN(b) FROM dbo.a").0, 8117);
}

#[test]
fn values_are_converted_to_text_as_the_server_does() {
    let tds = Tds::start(Options::default());
    let mut caller = Caller::new(&tds);
    let cases = [
        (
            "CONVERT(nvarchar(40), CAST('2020-01-31' AS date), 126)",
            "2020-01-31",
        ),
        (
            "CONVERT(nvarchar(40), CAST('2020-01-31' AS datetime), 126)",
            "2020-01-31T00:00:00",
        ),
        (
            "CONVERT(nvarchar(40), CAST('2020-01-31T01:02:03.125' AS datetime), 126)",
            "2020-01-31T01:02:03.127",
        ),
        (
            "CONVERT(nvarchar(40), CAST('2020-01-31' AS datetime2(7)), 126)",
            "2020-01-31T00:00:00.0000000",
        ),
        (
            "CONVERT(nvarchar(40), CAST('2020-01-31T12:00:00+01:30' AS datetimeoffset(3)), 126)",
            "2020-01-31T12:00:00.000+01:30",
        ),
        ("CONVERT(nvarchar(max), 0x00AB, 2)", "00AB"),
        ("CONVERT(nvarchar(40), 0.1e0, 3)", "1.0000000000000001e-001"),
        (
            "CONVERT(nvarchar(max), CAST('00112233-4455-6677-8899-aabbccddeeff' AS uniqueidentifier))",
            "00112233-4455-6677-8899-AABBCCDDEEFF",
        ),
        (
            "CAST('2020-01-31T12:59:31' AS smalldatetime)",
            "2020-01-31 13:00:00",
        ),
        ("CAST(1.005 AS decimal(5,2))", "1.01"),
        ("CAST(-1.5 AS int)", "-1"),
        ("CAST(N'日本' AS varchar(5))", "??"),
        ("CAST(N'abc' AS nchar(5)) + N'|'", "abc  |"),
        (
            "CONCAT(N'id = ', 5, N', ', NULL, CAST(1.50 AS decimal(5,2)))",
            "id = 5, 1.50",
        ),
        ("DATALENGTH(N'a😀')", "6"),
        ("DATALENGTH('aé')", "2"),
        (
            "DATALENGTH(CAST(N'é' AS varchar(9)) COLLATE Latin1_General_100_BIN2_UTF8)",
            "2",
        ),
        ("DATALENGTH(0x0001)", "2"),
        (
            "DATEPART(nanosecond, CAST('2020-01-31T12:00:00.1234567' AS datetime2(7))) % 1000",
            "700",
        ),
        (
            "DATEPART(year, CAST('2020-01-01T00:30:00+14:00' AS datetimeoffset(7)))",
            "2020",
        ),
        ("ISNULL(NULL, 5)", "5"),
        ("COALESCE(CAST(NULL AS nvarchar(5)), N'x')", "x"),
    ];
    for (sql, expected) in cases {
        assert_eq!(caller.list(&format!("SELECT {sql}")), expected, "{sql}");
    }
    let failures = [
        ("CAST('31.01.2020' AS date)", 241),
        ("CAST('2020-02-30' AS date)", 241),
        ("CAST(300 AS tinyint)", 8115),
        ("CAST(1000.00 AS decimal(5,2))", 8115),
        ("CAST('x' AS int)", 245),
        ("CAST('x' AS uniqueidentifier)", 8169),
    ];
    for (sql, number) in failures {
        assert_eq!(caller.error(&format!("SELECT {sql}")).0, number, "{sql}");
    }
}

#[test]
fn text_is_compared_under_its_collation() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code = 'a'"),
        "1"
    );
    assert_eq!(caller.list("SELECT id FROM dbo.sales WHERE code COLLATE SQL_Latin1_General_CP1_CI_AS = 'a' ORDER BY id"), "1,2");
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code LIKE '[A-B]%' ORDER BY id"),
        "2,3"
    );
    assert_eq!(
        caller.list("SELECT id FROM dbo.sales WHERE code = N'a   '"),
        "1"
    );
    let tds = small();
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.list("SELECT id FROM dbo.t WHERE name = N'ONE '"),
        "1"
    );
    assert_eq!(
        caller.list("SELECT id FROM dbo.t WHERE name LIKE N'T%' ORDER BY name"),
        "3,2"
    );
}

#[test]
fn queries_of_other_shapes() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.rows("SELECT TOP 1 * FROM dbo.sales AS s ORDER BY s.id DESC"),
        [["4", "2020-03-01", "100.00", "é"]]
    );
    assert_eq!(
        caller.list("SELECT id FROM dbo.s_sales ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"),
        "2,3"
    );
    assert_eq!(
        caller.list("SELECT TOP (2) id FROM v_sales ORDER BY id"),
        "1,2"
    );
    assert_eq!(
        caller.list("SELECT DISTINCT $PARTITION.pf_ship(day) AS part FROM dbo.sales ORDER BY part"),
        "1,2,3"
    );
    assert_eq!(caller.list("SELECT s.id FROM dbo.sales AS s WHERE EXISTS (SELECT 1 FROM dbo.sales AS t WHERE t.id > s.id AND t.price < s.price) ORDER BY s.id"), "1");
    assert_eq!(
        caller.list("SELECT COUNT(*) FROM dbo.sales AS s CROSS JOIN dbo.sales AS t"),
        "16"
    );
    assert_eq!(
        caller.list("SELECT NULL FROM [dbo].[sales] WHERE id < 3"),
        "NULL,NULL"
    );
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let tds = shop();
    tds.deny("stage.odd]name");
    let mut caller = Caller::new(&tds);
    let cases = [
        ("SELECT id FROM dbo.nothing", 208, "dbo.nothing"),
        ("SELECT nothing FROM dbo.sales", 207, "nothing"),
        (
            "SELECT id FROM dbo.sales AS a JOIN dbo.sales AS b ON a.id = b.id",
            209,
            "id",
        ),
        ("SELECT id, COUNT(*) FROM dbo.sales", 8120, "id"),
        ("SELECT FROM WHERE", 102, "syntax"),
        ("SELECT [a]]b] FROM [stage].[odd]]name]", 229, "permission"),
        ("SELECT LEFT(code, 1) FROM dbo.sales", 50_000, "LEFT"),
        ("SELECT id FROM dbo.sales WITH (NOLOCK)", 50_000, "NOLOCK"),
        (
            "SELECT id FROM dbo.sales UNION ALL SELECT 1",
            50_000,
            "UNION",
        ),
        (
            "SELECT id FROM dbo.sales WHERE TRY_CONVERT(int, code) = 1",
            50_000,
            "TRY_CONVERT",
        ),
        (
            "SELECT id FROM dbo.sales WHERE day = 5",
            50_000,
            "comparison",
        ),
        (
            "SELECT CONVERT(nvarchar(40), CAST('2020-01-31' AS datetime))",
            50_000,
            "datetime",
        ),
        ("WITH c AS (SELECT 1 AS x) SELECT x FROM c", 50_000, "WITH"),
        ("SELECT id FROM dbo.sales ORDER BY 1", 50_000, "ORDER BY"),
        ("SET DATEFORMAT dmy", 50_000, "DATEFORMAT"),
        ("EXEC sp_who", 50_000, "sp_who"),
        ("INSERT INTO dbo.sales (id) VALUES (5)", 50_000, "INSERT"),
        ("UPDATE dbo.sales SET id = 1", 50_000, "UPDATE"),
        ("DELETE FROM dbo.sales", 50_000, "DELETE"),
        ("CREATE TABLE dbo.x (id int)", 50_000, "CREATE"),
        ("DROP TABLE dbo.sales", 50_000, "DROP"),
        ("TRUNCATE TABLE dbo.sales", 50_000, "TRUNCATE"),
        ("SELECT id INTO dbo.copy FROM dbo.sales", 50_000, "INTO"),
        (
            "SELECT a.v FROM (SELECT CAST(NULL AS sql_variant) AS v) AS a",
            50_000,
            "sql_variant",
        ),
    ];
    for (place, (sql, number, word)) in cases.into_iter().enumerate() {
        let (code, told) = caller.error(sql);
        assert_eq!(code, number, "{sql}: {told}");
        assert!(
            told.to_lowercase().contains(&word.to_lowercase()),
            "{sql}: {told}"
        );
        assert_eq!(tds.counters().refused().len(), place + 1);
    }
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.sales"), "4");
}

#[test]
fn lineitem_lies_in_partitions_by_month() {
    let tds = Tds::start(Options::default());
    let count = tds.load_lineitem(0.001);
    let mut caller = Caller::new(&tds);
    assert_eq!(
        caller.list("SELECT COUNT_BIG(*) FROM dbo.lineitem"),
        count.to_string()
    );
    let parts = caller.rows("SELECT p.partition_number, p.rows FROM sys.partitions AS p WHERE p.object_id = OBJECT_ID(N'dbo.lineitem') ORDER BY p.partition_number");
    assert_eq!(parts.len(), 84);
    let total: usize = parts
        .iter()
        .map(|part| part[1].parse::<usize>().expect("a count"))
        .sum();
    assert_eq!(total, count);
    let month = caller.rows("SELECT COUNT(*), MIN(l_shipdate), MAX(l_shipdate) FROM dbo.lineitem WHERE $PARTITION.by_month(l_shipdate) = 30");
    assert_eq!(month[0][0], parts[29][1]);
    assert!(
        month[0][1].starts_with("1994-06") && month[0][2].starts_with("1994-06"),
        "{month:?}"
    );
}
