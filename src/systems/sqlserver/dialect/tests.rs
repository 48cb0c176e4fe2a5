//! Every statement that the dialect writes is one in T-SQL, and says what it is meant to say.

use datafusion::common::Column as ColumnName;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::sql::sqlparser::dialect::MsSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use proptest::prelude::*;

use super::*;
use crate::frontend::{
    Aggregate, ReadRequest, RelationKind, Select, SourceTable, Split, select_sql, translate,
};
use crate::schema::{TableName, parse_value};
use crate::systems::sqlserver::types::canonical;

/// A column of each kind, by its name and type.
const COLUMNS: &[(&str, &str)] = &[
    ("flag", "bit"),
    ("tiny", "tinyint"),
    ("id", "bigint"),
    ("amount", "decimal(12,2)"),
    ("price", "money"),
    ("ratio", "float"),
    ("day", "date"),
    ("at", "datetime2(3)"),
    ("old", "datetime"),
    ("zoned", "datetimeoffset(7)"),
    ("clock", "time(0)"),
    ("name", "nvarchar(20)"),
    ("code", "varchar(8) (binary collation)"),
    ("utf8", "varchar(8) (made Unicode by the server)"),
    ("key", "uniqueidentifier"),
    ("raw", "varbinary(8)"),
    ("doc", "xml"),
    ("place", "geography"),
    ("moment", "datetime2(7) (read as text)"),
    ("any", "sql_variant (read as text)"),
    ("odd ]'\"; --", "int"),
];

fn table() -> SourceTable {
    let column = |(name, native): &(&str, &str)| {
        let mapping = canonical(&Native::parse(native).unwrap()).unwrap();
        Column::new(*name, *native, true, mapping)
    };
    SourceTable {
        name: TableName::new("c", "dbo", "a]b"),
        kind: RelationKind::Table,
        columns: COLUMNS.iter().map(column).collect(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        partitions: None,
    }
}

fn parses(sql: &str) {
    let parsed = Parser::parse_sql(&MsSqlDialect {}, sql);
    assert_eq!(parsed.map(|list| list.len()), Ok(1), "{sql}");
}

/// The statement that reads the table with a filter.
fn statement(filter: Option<String>, limit: Option<usize>) -> String {
    let table = table();
    let request = ReadRequest {
        filter,
        limit,
        ..ReadRequest::columns((0..table.columns.len()).collect())
    };
    let split = Split {
        predicate: Some("$PARTITION.[pf]([day]) = 3".to_owned()),
        ..Split::default()
    };
    select_sql(&SqlServer, &table, Some(&split), &request)
}

fn value(column: &str, text: &str) -> Expr {
    let table = table();
    let column = table.columns.iter().find(|one| one.name == column).unwrap();
    lit(parse_value(text, column.canonical).unwrap())
}

fn named(column: &str) -> Expr {
    Expr::Column(ColumnName::from_name(column))
}

fn pushed(expr: &Expr) -> Option<(String, Comparison)> {
    let pushed = translate(expr, &table(), &SqlServer)?;
    // sqlparser does not know $PARTITION, which no filter has.
    let sql = statement(Some(pushed.sql.clone()), Some(5));
    parses(&sql.replace("$PARTITION.[pf]", "pf"));
    Some((pushed.sql, pushed.comparison))
}

#[test]
fn a_read_is_written_as_t_sql() {
    let sql = statement(None, Some(20));
    let own = "CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY([any], 'BaseType')) IN";
    let any = format!(
        "CASE WHEN {own} (N'real', N'float') THEN CONVERT(nvarchar(max), CONVERT(float, [any]), 3) \
         WHEN {own} (N'money', N'smallmoney') THEN CONVERT(nvarchar(max), CONVERT(money, [any]), 2) \
         WHEN {own} (N'binary', N'varbinary') THEN \
         CONVERT(nvarchar(max), CONVERT(varbinary(8000), [any]), 2) \
         WHEN {own} (N'date', N'time', N'smalldatetime', N'datetime', N'datetime2', \
         N'datetimeoffset') THEN CONVERT(nvarchar(max), [any], 126) \
         ELSE CONVERT(nvarchar(max), [any]) END"
    );
    assert_eq!(
        sql.replace(&any, "any"),
        "SELECT TOP (20) [flag], [tiny], [id], [amount], CAST([price] AS decimal(19,4)), [ratio], \
         [day], [at], [old], [zoned], [clock], [name], [code], \
         CONVERT(nvarchar(8), [utf8]), [key], [raw], \
         CONVERT(nvarchar(max), [doc]), [place].ToString(), \
         CONVERT(nvarchar(max), [moment], 126), any, [odd ]]'\"; --] \
         FROM [dbo].[a]]b] WHERE ($PARTITION.[pf]([day]) = 3)"
    );
    let parts = sql
        .replace("$PARTITION.[pf]", "pf")
        .replace("[a]]b]", "[ab]");
    parses(&parts.replace("[odd ]]'\"; --]", "[odd]"));
}

#[test]
fn filters_agree_or_stay_here() {
    use Comparison::{Exact, Superset};
    let eq = |column: &str, text: &str| named(column).eq(value(column, text));
    let below = |column: &str, text: &str| named(column).lt(value(column, text));
    let table: Vec<(Expr, Option<(&str, Comparison)>)> = vec![
        (eq("flag", "true"), Some(("[flag] = 1", Exact))),
        (named("flag"), Some(("[flag] = 1", Exact))),
        (below("flag", "true"), None),
        (below("id", "-5"), Some(("[id] < -5", Exact))),
        (
            eq("price", "1.5"),
            Some(("[price] = CAST(1.5000 AS decimal(19,4))", Exact)),
        ),
        (eq("ratio", "1.5"), None),
        (
            below("old", "2020-01-01 00:00:00.003"),
            Some(("[old] < CAST('2020-01-01T00:00:00.003' AS datetime)", Exact)),
        ),
        // No datetime is that long after the full second.
        (below("old", "2020-01-01 00:00:00.001"), None),
        (
            below("zoned", "2020-01-01 00:00:00.0000001+01:00"),
            Some((
                "[zoned] < CAST('2019-12-31T23:00:00.0000001+00:00' AS datetimeoffset(7))",
                Exact,
            )),
        ),
        (eq("name", "it's"), None),
        (eq("code", "it's"), Some(("[code] = N'it''s'", Superset))),
        (named("code").not_eq(value("code", "x")), None),
        (below("code", "x"), None),
        (eq("raw", "0100"), Some(("[raw] = 0x0100", Superset))),
        (
            eq("key", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
            Some((
                "[key] = CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
                Exact,
            )),
        ),
        (eq("key", "6f9619ff-8b86-d011-b42d-00c04fc964ff"), None),
        (eq("moment", "2020-01-01T00:00:00"), None),
        (
            below("id", "5").is_true(),
            Some(("(CASE WHEN [id] < 5 THEN 1 ELSE 0 END = 1)", Exact)),
        ),
        (col("name").is_null(), Some(("[name] IS NULL", Exact))),
        (named("name").like(lit("a%")), None),
        (named("odd ]'\"; --").eq(value("id", "1")), None),
    ];
    for (expr, expected) in table {
        let expected = expected.map(|(sql, comparison)| (sql.to_owned(), comparison));
        let found = translate(&expr, &self::table(), &SqlServer);
        let found = found.map(|pushed| (pushed.sql, pushed.comparison));
        assert_eq!(found, expected, "{expr}");
        if !matches!(&expr, Expr::Column(_)) {
            let _ = pushed(&expr).is_some();
        }
    }
}

#[test]
fn aggregates_are_written_as_t_sql() {
    use AggregateFunction::{Count, Max, Min, Rows, Sum};
    let table = table();
    let sum = |column: usize| Aggregate {
        function: Sum,
        column,
    };
    for function in [Rows, Count, Min, Max] {
        // sqlparser does not know a method inside of a function.
        let known = |column: &usize| table.columns[*column].name != "place";
        let list = (0..table.columns.len()).filter(known);
        let list = list.map(|column| Aggregate { function, column });
        let request = ReadRequest::aggregates(list.collect(), None);
        let sql = select_sql(&SqlServer, &table, None, &request);
        parses(
            &sql.replace("[a]]b]", "[ab]")
                .replace("[odd ]]'\"; --]", "[odd]"),
        );
    }
    let request = ReadRequest::aggregates(vec![sum(1), sum(3), sum(4)], None);
    assert!(matches!(request.select, Select::Aggregates(_)));
    let sql = select_sql(&SqlServer, &table, None, &request);
    assert_eq!(
        sql,
        "SELECT SUM(CAST([tiny] AS decimal(38,0))), SUM(CAST([amount] AS decimal(38,2))), \
         SUM(CAST([price] AS decimal(38,4))) FROM [dbo].[a]]b]"
    );
    assert_eq!(
        SqlServer.aggregate(Min, Some(&table.columns[0])),
        "CAST(MIN(CAST([flag] AS tinyint)) AS bit)"
    );
}

/// A predicate of any shape over numbers and days.
fn predicate() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| named("id").gt_eq(lit(n))),
        any::<i64>().prop_map(|n| named("id").in_list(vec![lit(n), lit(7_i64)], n % 2 == 0)),
        any::<bool>().prop_map(|flag| named("flag").eq(lit(flag))),
        (1970_i32..2100).prop_map(|year| {
            named("day").between(
                value("day", &format!("{year}-01-01")),
                value("day", "2100-01-01"),
            )
        }),
        "[a-z'\\]\\[-]{0,6}".prop_map(|text| named("code").eq(lit(text))),
        Just(named("amount").is_not_null()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.or(b)),
            inner.clone().prop_map(|a| Expr::Not(Box::new(a))),
            inner.prop_map(|a| a.is_true()),
        ]
    })
}

proptest! {
    #[test]
    fn any_filter_parses_as_t_sql(expr in predicate()) {
        if let Some(pushed) = translate(&expr, &table(), &SqlServer) {
            let sql = format!("SELECT 1 FROM [t] WHERE {}", pushed.sql);
            let parsed = Parser::parse_sql(&MsSqlDialect {}, &sql);
            prop_assert!(parsed.is_ok(), "{} {:?}", sql, parsed);
        }
    }

    #[test]
    fn any_text_stays_in_its_quotes(text in "[^\\x00]{0,20}") {
        let sql = format!("SELECT {} AS [x]", literal::text(&text).unwrap());
        let parsed = Parser::parse_sql(&MsSqlDialect {}, &sql);
        prop_assert_eq!(parsed.map(|list| list.len()), Ok(1));
    }
}
