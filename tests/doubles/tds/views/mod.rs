//! The `sys` views, as real tables of the embedded engine that are written anew when something changes.

mod objects;
mod parts;
mod types;

use rusqlite::{Connection, params_from_iter};

use super::catalog::{Catalog, Held, Table};
use super::collation::Collation;
use super::storage::{Value, store};
use super::types::SqlType;

/// Name and columns of each view. Only what has a value here is there: a column that a real server has
/// besides is an invalid name, and not a NULL.
const VIEWS: [(&str, &str); 22] = [
    (
        "schemas",
        "name sysname not null, schema_id int not null, principal_id int not null",
    ),
    (
        "objects",
        "name sysname not null, object_id int not null, schema_id int not null, \
         parent_object_id int not null, type char(2) not null, type_desc nvarchar(60), \
         create_date datetime not null, modify_date datetime not null, is_ms_shipped bit not null",
    ),
    (
        "tables",
        "name sysname not null, object_id int not null, schema_id int not null, \
         type char(2) not null, modify_date datetime not null, is_ms_shipped bit not null, \
         is_memory_optimized bit not null, is_external bit not null, temporal_type tinyint not null",
    ),
    (
        "views",
        "name sysname not null, object_id int not null, schema_id int not null, \
         type char(2) not null, modify_date datetime not null, is_ms_shipped bit not null",
    ),
    (
        "synonyms",
        "name sysname not null, object_id int not null, schema_id int not null, \
         base_object_name nvarchar(1035)",
    ),
    (
        "columns",
        "object_id int not null, name sysname, column_id int not null, \
         system_type_id tinyint not null, user_type_id int not null, max_length smallint not null, \
         precision tinyint not null, scale tinyint not null, collation_name sysname, \
         is_nullable bit, is_identity bit not null, is_computed bit not null, is_sparse bit not null, \
         is_column_set bit not null, is_hidden bit not null, is_masked bit not null, \
         encryption_type int, generated_always_type tinyint not null",
    ),
    (
        "types",
        "name sysname not null, system_type_id tinyint not null, user_type_id int not null, \
         schema_id int not null, max_length smallint not null, precision tinyint not null, \
         scale tinyint not null, is_user_defined bit not null, is_assembly_type bit not null",
    ),
    (
        "indexes",
        "object_id int not null, name sysname, index_id int not null, type tinyint not null, \
         type_desc nvarchar(60), is_unique bit not null, data_space_id int not null, \
         is_primary_key bit not null, is_unique_constraint bit not null, is_disabled bit not null, \
         is_hypothetical bit not null, has_filter bit not null",
    ),
    (
        "index_columns",
        "object_id int not null, index_id int not null, index_column_id int not null, \
         column_id int not null, key_ordinal tinyint not null, partition_ordinal tinyint not null, \
         is_descending_key bit not null, is_included_column bit not null",
    ),
    (
        "key_constraints",
        "name sysname not null, object_id int not null, schema_id int not null, \
         parent_object_id int not null, type char(2) not null, unique_index_id int not null",
    ),
    (
        "partitions",
        "partition_id bigint not null, object_id int not null, index_id int not null, \
         partition_number int not null, hobt_id bigint not null, rows bigint not null",
    ),
    (
        "dm_db_partition_stats",
        "partition_id bigint not null, object_id int not null, index_id int not null, \
         partition_number int not null, row_count bigint not null, used_page_count bigint not null, \
         reserved_page_count bigint not null",
    ),
    (
        "allocation_units",
        "allocation_unit_id bigint not null, type tinyint not null, container_id bigint not null, \
         total_pages bigint not null, used_pages bigint not null",
    ),
    (
        "partition_schemes",
        "name sysname not null, data_space_id int not null, function_id int not null",
    ),
    (
        "partition_functions",
        "name sysname not null, function_id int not null, fanout int not null, \
         boundary_value_on_right bit not null",
    ),
    (
        "partition_parameters",
        "function_id int not null, parameter_id int not null, system_type_id tinyint not null, \
         user_type_id int not null, max_length smallint not null, precision tinyint not null, \
         scale tinyint not null",
    ),
    (
        "partition_range_values",
        "function_id int not null, boundary_id int not null, parameter_id int not null, \
         value sql_variant",
    ),
    (
        "extended_properties",
        "class tinyint not null, major_id int not null, minor_id int not null, \
         name sysname not null, value sql_variant",
    ),
    (
        "databases",
        "name sysname not null, database_id int not null, source_database_id int, \
         compatibility_level tinyint not null, collation_name sysname, state tinyint not null, \
         snapshot_isolation_state tinyint not null, is_read_committed_snapshot_on bit not null, \
         is_read_only bit not null, user_access tinyint not null",
    ),
    (
        "security_policies",
        "name sysname not null, object_id int not null, is_enabled bit not null",
    ),
    (
        "security_predicates",
        "object_id int not null, security_predicate_id int not null, \
         target_object_id int not null, predicate_type int not null",
    ),
    (
        "stats",
        "object_id int not null, name sysname, stats_id int not null",
    ),
];

/// The columns of a view.
pub fn view(name: &str) -> Option<Table> {
    let mut views = VIEWS.iter();
    let (name, columns) = views.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let table = Table::new(&format!("sys.{name}"));
    Some(
        columns
            .split(", ")
            .map(str::trim)
            .fold(table, |table, column| {
                let (name, declaration) = column.split_once(' ').expect("a name and a type");
                table.column(name, declaration)
            }),
    )
}

/// Makes the tables that stand for the views.
pub fn create(database: &Connection) -> rusqlite::Result<()> {
    for (name, _) in VIEWS {
        let table = view(name).expect("one of the list");
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        database.execute_batch(&format!(
            "CREATE TABLE \"sys.{name}\" ({})",
            columns.join(", ")
        ))?;
    }
    Ok(())
}

/// Writes them all anew.
pub fn fill(database: &Connection, catalog: &Catalog) -> rusqlite::Result<()> {
    for (name, _) in VIEWS {
        let table = view(name).expect("one of the list");
        database.execute_batch(&format!("DELETE FROM \"sys.{name}\""))?;
        let marks = vec!["?"; table.columns.len()].join(", ");
        let mut insert =
            database.prepare(&format!("INSERT INTO \"sys.{name}\" VALUES ({marks})"))?;
        for row in rows(name, catalog) {
            assert_eq!(
                row.len(),
                table.columns.len(),
                "a row of sys.{name}: {row:?}"
            );
            let stored = row.iter().zip(&table.columns).map(|(value, column)| {
                // A variant holds the text that CONVERT makes of it.
                let declared = match column.declared {
                    SqlType::SqlVariant => SqlType::NText,
                    declared => declared,
                };
                store(value, declared, Collation::default()).expect("a value of a view")
            });
            insert.execute(params_from_iter(stored))?;
        }
    }
    Ok(())
}

type Row = Vec<Value>;

fn rows(view: &str, catalog: &Catalog) -> Vec<Row> {
    let each = |row: fn(&Catalog, &Held) -> Vec<Row>| -> Vec<Row> {
        catalog
            .tables
            .iter()
            .flat_map(|held| row(catalog, held))
            .collect()
    };
    match view {
        "schemas" => objects::schemas(catalog)
            .iter()
            .enumerate()
            .map(|(place, name)| vec![text(name), int(objects::schema_id(place)), int(1)])
            .collect(),
        "objects" => [
            each(objects::object),
            objects::synonyms(catalog, true),
            objects::constraints(catalog, true),
        ]
        .concat(),
        "tables" => each(|catalog, held| {
            if held.table.shows.is_none() {
                let common = objects::common(catalog, held);
                vec![[common, vec![int(0), int(0), int(0)]].concat()]
            } else {
                Vec::new()
            }
        }),
        "views" => each(|catalog, held| match held.table.shows {
            Some(_) => vec![objects::common(catalog, held)],
            None => Vec::new(),
        }),
        "synonyms" => objects::synonyms(catalog, false),
        "columns" => each(types::columns),
        "types" => types::types(catalog),
        "indexes" => each(parts::indexes),
        "index_columns" => each(parts::index_columns),
        "key_constraints" => objects::constraints(catalog, false),
        "partitions" => each(parts::partitions),
        "dm_db_partition_stats" => each(parts::partition_stats),
        "allocation_units" => each(parts::allocation_units),
        "partition_schemes" => parts::each_function(catalog, |place, function| {
            vec![vec![
                text(&format!("{}_scheme", function.name)),
                int(65_601 + place),
                int(65_536 + place),
            ]]
        }),
        "partition_functions" => parts::each_function(catalog, |place, function| {
            let fanout = function.boundaries.len() as i64 + 1;
            vec![vec![
                text(&function.name),
                int(65_536 + place),
                int(fanout),
                int(function.on_right.into()),
            ]]
        }),
        "partition_parameters" => parts::each_function(catalog, |place, function| {
            vec![
                [
                    vec![int(65_536 + place), int(1)],
                    types::type_facts(function.declared),
                ]
                .concat(),
            ]
        }),
        "partition_range_values" => parts::each_function(catalog, parts::range_values),
        "extended_properties" => each(objects::comments),
        "security_policies" => each(|catalog, held| objects::policies(catalog, held, false)),
        "security_predicates" => each(|catalog, held| objects::policies(catalog, held, true)),
        "databases" => vec![objects::database(catalog)],
        _ => Vec::new(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(number: i64) -> Value {
    Value::Integer(number)
}
