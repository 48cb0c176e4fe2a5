//! What we write is what another parser reads.

use datafusion::logical_expr::lit;
use datafusion::prelude::col;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement, TableFactor};
use datafusion::sql::sqlparser::dialect::SQLiteDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use proptest::prelude::*;

use super::*;
use crate::frontend::{RelationKind, SourceTable, Split, select_sql, translate};
use crate::schema::{Column, TableName};
use crate::systems::sqlite::dialect::SqliteDialect;
use crate::systems::sqlite::types::mapping;

fn table(name: &str, columns: &[(&str, &str)]) -> SourceTable {
    let columns = columns
        .iter()
        .map(|(name, native)| Column::new(*name, *native, true, mapping(native)));
    SourceTable {
        name: TableName::new("shop", "main", name),
        kind: RelationKind::Table,
        columns: columns.collect(),
        primary_key: Vec::new(),
        unique: Vec::new(),
        rows: None,
        bytes: None,
        comment: None,
        partitions: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn hostile_names_and_values_stay_names_and_values(
        name in "[^\0]{1,12}", a in "[^\0]{1,12}", b in "['\"`;\\-\n\\[\\]🦀]{1,12}", value in "[^\0]{0,12}",
    ) {
        prop_assume!(a != b);
        let table = table(&name, &[(&a, "TEXT"), (&b, "TEXT")]);
        let dialect = SqliteDialect::default();
        let text = lit(ScalarValue::LargeUtf8(Some(value.clone())));
        let column = |name: &str| datafusion::logical_expr::Expr::Column(datafusion::common::Column::new_unqualified(name));
        let filter = column(&a).eq(text.clone()).or(column(&b).like(text));
        let mut request = ReadRequest::columns(vec![0, 1]);
        request.filter = translate(&filter, &table, &dialect)
            .or_else(|| translate(&column(&a).eq(lit(ScalarValue::LargeUtf8(Some(value.clone())))), &table, &dialect))
            .map(|pushed| pushed.sql);
        prop_assert!(request.filter.is_some());
        let split = Split { predicate: Some("rowid > -5".to_owned()), ..Split::default() };
        let sql = select_sql(&dialect, &table, Some(&split), &request);

        let statements = Parser::parse_sql(&SQLiteDialect {}, &sql).unwrap();
        prop_assert_eq!(statements.len(), 1, "{}", sql);
        let Statement::Query(query) = &statements[0] else { panic!("{sql}") };
        let SetExpr::Select(select) = query.body.as_ref() else { panic!("{sql}") };
        let names: Vec<&str> = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.value.as_str(),
            other => panic!("{other}"),
        }).collect();
        prop_assert_eq!(names, vec![a.as_str(), b.as_str()]);
        let TableFactor::Table { name: from, .. } = &select.from[0].relation else { panic!("{sql}") };
        let from: Vec<&str> = from.0.iter().map(|part| part.as_ident().unwrap().value.as_str()).collect();
        prop_assert_eq!(from, vec!["main", name.as_str()]);
        let tokens = Tokenizer::new(&SQLiteDialect {}, &sql).tokenize().unwrap();
        let literal = Token::SingleQuotedString(value.clone());
        prop_assert!(tokens.contains(&literal), "{:?} lacks {:?}", tokens, value);
    }
}

#[tokio::test]
async fn hostile_names_are_read_from_sqlite_itself() {
    let names = [
        "select",
        "a\"b",
        "it's",
        "new\nline",
        "🦀",
        "a b",
        "x;y",
        "--",
        "`tick`",
        "[b]",
        "rowid",
    ];
    let dialect = SqliteDialect::default();
    let quote = |name: &str| crate::frontend::Dialect::quote(&dialect, name);
    for table in names {
        let columns: Vec<String> = names.iter().map(|name| quote(name)).collect();
        let values: Vec<String> = (0..names.len()).map(|i| format!("'{i}'")).collect();
        let fixture = Fixture::new(&format!(
            "CREATE TABLE {0}({1}); INSERT INTO {0} VALUES ({2})",
            quote(table),
            columns.join(" TEXT, ") + " TEXT",
            values.join(", ")
        ));
        let source = fixture.open(table).await.unwrap();
        let described: Vec<&str> = source
            .table()
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(described, names);
        let batch = read_all(&source).await.unwrap();
        for i in 0..names.len() {
            assert_eq!(
                crate::schema::describe_value(batch.column(i), 0),
                i.to_string()
            );
        }
        let expr = col(datafusion::common::Column::new_unqualified("a\"b"))
            .eq(lit(ScalarValue::LargeUtf8(Some("1".to_owned()))));
        let mut request = ReadRequest::columns(vec![0]);
        request.filter = translate(&expr, source.table(), &dialect).map(|pushed| pushed.sql);
        assert_eq!(read(&source, &request).await.unwrap().num_rows(), 1);
    }
}
