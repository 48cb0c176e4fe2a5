//! Every statement that is sent, as it is sent.

use datafusion::logical_expr::{col, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde_json::json;

use super::types::Types;
use super::{catalog, load, publish};
use crate::backend::{Change, Mode, Publication, StoredRecord, TargetColumn, TargetDefinition};
use crate::frontend::TypeMap;
use crate::schema::{CanonicalType, TableHashes, TableName};
use crate::staging::{ColumnBounds, Manifest, StagedFile};

fn column(name: &str, canonical: CanonicalType) -> TargetColumn {
    let to = Types.from_canonical(canonical).unwrap().to;
    TargetColumn {
        name: name.to_owned(),
        canonical,
        stored: to.stored,
        native: to.native,
        source: String::new(),
        nullable: name != "id",
        comment: (name == "id").then(|| "the order's key".to_owned()),
    }
}

fn target() -> TargetDefinition {
    let amount = CanonicalType::Decimal {
        precision: 15,
        scale: 2,
    };
    TargetDefinition {
        name: TableName::new("sf", "tpch", "line item"),
        columns: vec![
            column("id", CanonicalType::Integer8),
            column("Amount \"net\"", amount),
            column("sold_on", CanonicalType::Date),
            column("at", CanonicalType::TimestampTz { scale: 7 }),
        ],
        partition_columns: Vec::new(),
        cluster_columns: vec!["sold_on".to_owned()],
        comment: Some("it's \\ all".to_owned()),
    }
}

fn manifest(files: usize) -> Manifest {
    let file = |number: usize| StagedFile {
        path: format!("part-{number}.parquet"),
        partition: Vec::new(),
        bytes: 1,
        bounds: vec![ColumnBounds::default(); 4],
        hashes: TableHashes {
            rows: 1,
            ..TableHashes::default()
        },
    };
    Manifest {
        id: "0192f0c1d2e37f4a8b5c6d7e8f901234-0001r1".to_owned(),
        files: (0..files).map(file).collect(),
    }
}

fn publication(mode: Mode) -> Publication {
    Publication {
        target: target(),
        change: Change::None,
        manifest: manifest(2),
        mode,
        record: StoredRecord {
            sequence: 1,
            fence: 1,
            manifest: manifest(2).id,
            body: json!({}),
        },
        proof: json!({}),
    }
}

#[track_caller]
fn parses(sql: &str) {
    if let Err(error) = Parser::parse_sql(&SnowflakeDialect, sql) {
        panic!("{error}: {sql}");
    }
}

#[test]
fn a_table_is_made_and_grows() {
    let made = catalog::statements(&Change::Create(target()));
    assert_eq!(made[0], "CREATE SCHEMA IF NOT EXISTS \"TPCH\"");
    assert_eq!(
        made[1],
        "CREATE TABLE IF NOT EXISTS \"TPCH\".\"line item\" (\n    \
         \"ID\" NUMBER(19,0) NOT NULL COMMENT 'the order''s key',\n    \
         \"Amount \"\"net\"\"\" NUMBER(15,2),\n    \
         \"SOLD_ON\" DATE,\n    \
         \"AT\" TIMESTAMP_TZ(9)\n)\n\
         CLUSTER BY (\"SOLD_ON\")\n\
         COMMENT = 'it''s \\\\ all'"
    );
    let grown = catalog::statements(&Change::AddColumns {
        name: target().name,
        columns: target().columns[1..2].to_vec(),
    });
    assert_eq!(
        grown,
        [
            "ALTER TABLE \"TPCH\".\"line item\" ADD COLUMN IF NOT EXISTS \"Amount \"\"net\"\"\" NUMBER(15,2)"
        ]
    );
    for sql in &made {
        parses(sql);
    }
    // The parser's Snowflake does not know these words, which Snowflake's own does.
    parses(&grown[0].replace("IF NOT EXISTS ", ""));
    assert!(catalog::statements(&Change::None).is_empty());
}

#[test]
fn files_are_copied_by_name_and_each_column_with_its_type() {
    let stage = "\"TPCH\".\"GOE_STAGE_X\"";
    let copies = load::copy_statements(&target(), &manifest(2), stage).unwrap();
    let table = load::loaded_name(&target(), &manifest(2));
    assert!(
        table.starts_with("\"TPCH\".\"GOE_LOAD_")
            && table.ends_with("_0192F0C1D2E37F4A8B5C6D7E8F901234_0001R1\""),
        "{table}"
    );
    assert_eq!(
        copies,
        [format!(
            "COPY INTO {table} (\"ID\", \"Amount \"\"net\"\"\", \"SOLD_ON\", \"AT\") \
             FROM (SELECT $1:\"id\"::NUMBER(19,0), $1:\"Amount \"\"net\"\"\"::NUMBER(15,2), \
             $1:\"sold_on\"::DATE, $1:\"at\"::TIMESTAMP_TZ(9) FROM @{stage}) \
             FILES = ('tpch/line@20item/part-0.parquet', 'tpch/line@20item/part-1.parquet') \
             FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE) \
             ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = TRUE"
        )]
    );
    let made = load::create_statement(&target(), &manifest(2)).unwrap();
    assert_eq!(
        made,
        format!(
            "CREATE OR REPLACE TRANSIENT TABLE {table} (\"ID\" NUMBER(19,0), \
             \"Amount \"\"net\"\"\" NUMBER(15,2), \"SOLD_ON\" DATE, \"AT\" TIMESTAMP_TZ(9)) \
             DATA_RETENTION_TIME_IN_DAYS = 0"
        )
    );
    parses(&made);
    let many = load::copy_statements(&target(), &manifest(2001), stage).unwrap();
    assert_eq!(many.len(), 3, "a thousand files for each statement");
    let none = load::copy_statements(&target(), &manifest(0), stage).unwrap();
    assert!(none.is_empty());
}

#[test]
fn a_publish_moves_rows_in_and_out() {
    let day = |days| lit(ScalarValue::Date32(Some(days)));
    let window = col("sold_on").gt_eq(day(0)).and(col("sold_on").lt(day(31)));
    let replace = publication(Mode::ReplaceWhere(window));
    let delete = publish::delete_statement(&replace).unwrap().unwrap();
    assert!(delete.starts_with("DELETE FROM \"TPCH\".\"line item\" WHERE "));
    assert!(
        delete.contains("\"SOLD_ON\" >= '1970-01-01'::DATE"),
        "{delete}"
    );
    assert!(
        delete.contains("\"SOLD_ON\" < '1970-02-01'::DATE"),
        "{delete}"
    );
    let all = publish::delete_statement(&publication(Mode::ReplaceAll)).unwrap();
    assert_eq!(all.as_deref(), Some("DELETE FROM \"TPCH\".\"line item\""));
    let append = publication(Mode::Append);
    assert_eq!(publish::delete_statement(&append).unwrap(), None);
    let insert = publish::insert_statement(&append);
    assert_eq!(
        insert,
        format!(
            "INSERT INTO \"TPCH\".\"line item\" (\"ID\", \"Amount \"\"net\"\"\", \"SOLD_ON\", \"AT\") \
             SELECT \"ID\", \"Amount \"\"net\"\"\", \"SOLD_ON\", \"AT\" FROM {}",
            load::loaded_name(&target(), &manifest(2))
        )
    );
    for sql in [&delete, &insert] {
        parses(sql);
    }
}

#[test]
fn documents_are_loaded_as_text_and_published_parsed() {
    let mut publication = publication(Mode::Append);
    publication.target.columns = vec![column("id", CanonicalType::Integer8), {
        let mut document = column("body", CanonicalType::LargeString);
        document.native = Types.json().unwrap().to_owned();
        document
    }];
    let made = catalog::create_table(&publication.target);
    assert!(made.contains("\"BODY\" VARIANT"), "{made}");
    let load = load::create_statement(&publication.target, &manifest(1)).unwrap();
    assert!(load.contains("\"BODY\" VARCHAR)"), "{load}");
    let insert = publish::insert_statement(&publication);
    assert!(
        insert.contains("(\"ID\", \"BODY\") SELECT \"ID\", PARSE_JSON(\"BODY\") FROM"),
        "{insert}"
    );
    for sql in [&made, &load, &insert] {
        parses(sql);
    }
    publication.mode = Mode::ReplaceWhere(col("body").eq(lit("{}")));
    assert!(publish::delete_statement(&publication).is_err());
}

#[test]
fn what_can_not_be_deleted_exactly_is_refused() {
    let window = (col("id") + lit(1i64)).gt(lit(5i64));
    let refused = publish::delete_statement(&publication(Mode::ReplaceWhere(window)));
    assert_eq!(
        refused.unwrap_err().kind(),
        crate::error::ErrorKind::Unsupported
    );
}

#[test]
fn the_statements_of_the_catalog_parse() {
    let values = [
        ("schema", "'TPCH'".to_owned()),
        ("table", "'T'".to_owned()),
        ("ledger", "\"TPCH\".\"GOE_LEDGER\"".to_owned()),
        ("target", "'T'".to_owned()),
        ("sequence", "2".to_owned()),
        ("fence", "1".to_owned()),
        ("manifest", "'m'".to_owned()),
        ("row_count", "5".to_owned()),
    ];
    for sql in [
        include_str!("../../../sql/catalog/snowflake/tables.sql"),
        include_str!("../../../sql/catalog/snowflake/columns.sql"),
        include_str!("../../../sql/catalog/snowflake/relation.sql"),
        include_str!("../../../sql/catalog/snowflake/schema.sql"),
        include_str!("../../../sql/catalog/snowflake/loads.sql"),
        include_str!("../../../sql/catalog/snowflake/session.sql"),
        include_str!("../../../sql/catalog/snowflake/ledger_create.sql"),
        include_str!("../../../sql/catalog/snowflake/ledger_seed.sql"),
        include_str!("../../../sql/catalog/snowflake/ledger_lock.sql"),
        include_str!("../../../sql/catalog/snowflake/ledger_read.sql"),
        include_str!("../../../sql/catalog/snowflake/ledger_write.sql"),
    ] {
        let filled = super::statement::filled(sql, &values);
        assert!(!filled.contains(" :"), "{filled}");
        parses(&filled);
    }
}
