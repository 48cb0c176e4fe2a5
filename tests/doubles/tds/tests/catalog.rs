//! The catalog as goe asks for it, and partitions and splits.

use super::super::{Options, PartitionFunction, Table, Tds, Value};
use super::caller::Caller;

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
pub fn shop() -> Tds {
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
fn a_partition_number_is_computed_where_no_table_holds_it() {
    let tds = shop();
    let mut caller = Caller::new(&tds);
    // A view, ancaller column, and no column at all.
    let sql =
        "SELECT [id] FROM [dbo].[v_sales] WHERE $PARTITION.[pf_ship]([day]) = 2 ORDER BY [id]";
    assert_eq!(caller.list(sql), "2,3");
    let sql = "SELECT $PARTITION.[pf_id]([id]) AS part FROM [dbo].[sales] WHERE [id] = 4";
    assert_eq!(caller.list(sql), "1");
    let sql = "SELECT $PARTITION.pf_id(10), $PARTITION.pf_id(11), $PARTITION.pf_ship('2020-02-01')";
    assert_eq!(caller.rows(sql), [["1", "2", "2"]]);
    assert_eq!(caller.error("SELECT [$part] FROM [dbo].[sales]").0, 207);
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
