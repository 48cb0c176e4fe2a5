//! Conversions, queries of all shapes, and what is refused.

use super::super::{Options, Tds};
use super::caller::Caller;
use super::catalog::shop;

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
