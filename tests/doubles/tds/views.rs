//! The `sys` views, as real tables of the embedded engine that are written anew when something changes.

use rusqlite::{Connection, params_from_iter};

use super::calendar;
use super::catalog::{Catalog, Column, Form, Held, PartitionFunction, Table, synonym_id};
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
        "schemas" => schemas(catalog)
            .iter()
            .enumerate()
            .map(|(place, name)| vec![text(name), int(schema_id(place)), int(1)])
            .collect(),
        "objects" => [
            each(object),
            synonyms(catalog, true),
            constraints(catalog, true),
        ]
        .concat(),
        "tables" => each(|catalog, held| {
            if held.table.shows.is_none() {
                let common = common(catalog, held);
                vec![[common, vec![int(0), int(0), int(0)]].concat()]
            } else {
                Vec::new()
            }
        }),
        "views" => each(|catalog, held| match held.table.shows {
            Some(_) => vec![common(catalog, held)],
            None => Vec::new(),
        }),
        "synonyms" => synonyms(catalog, false),
        "columns" => each(columns),
        "types" => types(catalog),
        "indexes" => each(indexes),
        "index_columns" => each(index_columns),
        "key_constraints" => constraints(catalog, false),
        "partitions" => each(partitions),
        "dm_db_partition_stats" => each(partition_stats),
        "allocation_units" => each(allocation_units),
        "partition_schemes" => each_function(catalog, |place, function| {
            vec![vec![
                text(&format!("{}_scheme", function.name)),
                int(65_601 + place),
                int(65_536 + place),
            ]]
        }),
        "partition_functions" => each_function(catalog, |place, function| {
            let fanout = function.boundaries.len() as i64 + 1;
            vec![vec![
                text(&function.name),
                int(65_536 + place),
                int(fanout),
                int(function.on_right.into()),
            ]]
        }),
        "partition_parameters" => each_function(catalog, |place, function| {
            vec![
                [
                    vec![int(65_536 + place), int(1)],
                    type_facts(function.declared),
                ]
                .concat(),
            ]
        }),
        "partition_range_values" => each_function(catalog, range_values),
        "extended_properties" => each(comments),
        "databases" => vec![database(catalog)],
        _ => Vec::new(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(number: i64) -> Value {
    Value::Integer(number)
}

fn schemas(catalog: &Catalog) -> Vec<String> {
    let mut names = vec!["dbo".to_owned()];
    let synonyms = catalog
        .synonyms
        .iter()
        .filter_map(|(name, _)| name.split_once('.'));
    let used = catalog.tables.iter().map(|held| held.table.schema.as_str());
    for name in used.chain(synonyms.map(|(schema, _)| schema)) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

fn schema_id(place: usize) -> i64 {
    if place == 0 { 1 } else { 4 + place as i64 }
}

fn schema_of(catalog: &Catalog, name: &str) -> Value {
    let schemas = schemas(catalog);
    let place = schemas
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name));
    int(schema_id(place.expect("a schema that is used")))
}

fn modified(altered: u32) -> Value {
    let ticks = i64::from(altered) * calendar::TICKS_PER_SECOND;
    Value::Text(format!("2024-01-31T{}", calendar::time_text(ticks, 3)))
}

fn kind(table: &Table) -> &'static str {
    if table.shows.is_some() { "V" } else { "U" }
}

fn object(catalog: &Catalog, held: &Held) -> Vec<Row> {
    let table = &held.table;
    let described = if table.shows.is_some() {
        "VIEW"
    } else {
        "USER_TABLE"
    };
    vec![vec![
        text(&table.name),
        int(held.id.into()),
        schema_of(catalog, &table.schema),
        int(0),
        text(kind(table)),
        text(described),
        modified(0),
        modified(held.altered),
        int(0),
    ]]
}

/// What `sys.tables` and `sys.views` have in common.
fn common(catalog: &Catalog, held: &Held) -> Row {
    vec![
        text(&held.table.name),
        int(held.id.into()),
        schema_of(catalog, &held.table.schema),
        text(kind(&held.table)),
        modified(held.altered),
        int(0),
    ]
}

fn synonyms(catalog: &Catalog, as_objects: bool) -> Vec<Row> {
    let row = |(place, (name, base)): (usize, &(String, String))| {
        let (schema, name) = name.split_once('.').unwrap_or(("dbo", name));
        let (id, schema) = (int(synonym_id(place).into()), schema_of(catalog, schema));
        if as_objects {
            let described = text("SYNONYM");
            return vec![
                text(name),
                id,
                schema,
                int(0),
                text("SN"),
                described,
                modified(0),
                modified(0),
                int(0),
            ];
        }
        let bracketed = base
            .split('.')
            .map(|part| format!("[{}]", part.replace(']', "]]")));
        vec![
            text(name),
            id,
            schema,
            text(&bracketed.collect::<Vec<_>>().join(".")),
        ]
    };
    catalog.synonyms.iter().enumerate().map(row).collect()
}

/// Primary keys: as objects of their own, or as constraints.
fn constraints(catalog: &Catalog, as_objects: bool) -> Vec<Row> {
    let row = |held: &Held| {
        let name = text(&format!("PK_{}", held.table.name));
        let (id, schema) = (
            int(i64::from(held.id) + 1),
            schema_of(catalog, &held.table.schema),
        );
        let parent = int(held.id.into());
        if as_objects {
            let described = text("PRIMARY_KEY_CONSTRAINT");
            return vec![
                name,
                id,
                schema,
                parent,
                text("PK"),
                described,
                modified(0),
                modified(0),
                int(0),
            ];
        }
        vec![name, id, schema, parent, text("PK"), int(1)]
    };
    let keyed = catalog
        .tables
        .iter()
        .filter(|held| held.table.key_is_primary);
    keyed.map(row).collect()
}

/// System type, user type, length, precision and scale.
fn type_facts(declared: SqlType) -> Row {
    let (system, user) = declared.identifiers();
    let (precision, scale) = declared.precision_and_scale();
    let facts = [
        system.into(),
        user.into(),
        declared.max_length().into(),
        precision.into(),
        scale.into(),
    ];
    facts.map(Value::Integer).to_vec()
}

fn columns(catalog: &Catalog, held: &Held) -> Vec<Row> {
    let row = |(place, column): (usize, &Column)| {
        let mut facts = type_facts(column.declared);
        if let Some(alias) = &column.alias {
            facts[1] = int(alias_id(catalog, alias));
        }
        let collated = column.declared.is_text() && column.declared != SqlType::Xml;
        let collation = if collated {
            text(column.collation.name())
        } else {
            Value::Null
        };
        let identity = vec![
            int(held.id.into()),
            text(&column.name),
            int(place as i64 + 1),
        ];
        let flags = [
            column.nullable,
            false,
            false,
            false,
            column.column_set,
            column.hidden,
            column.masked,
        ];
        let flags = flags.map(|flag| int(flag.into())).to_vec();
        let unencrypted = vec![Value::Null, int(0)];
        [identity, facts, vec![collation], flags, unencrypted].concat()
    };
    held.table.columns.iter().enumerate().map(row).collect()
}

fn aliases(catalog: &Catalog) -> Vec<(String, SqlType)> {
    let mut aliases: Vec<(String, SqlType)> = Vec::new();
    let columns = catalog.tables.iter().flat_map(|held| &held.table.columns);
    for (alias, declared) in columns.filter_map(|c| Some((c.alias.clone()?, c.declared))) {
        if !aliases.iter().any(|(known, _)| *known == alias) {
            aliases.push((alias, declared));
        }
    }
    aliases
}

fn alias_id(catalog: &Catalog, alias: &str) -> i64 {
    let place = aliases(catalog)
        .iter()
        .position(|(known, _)| known == alias);
    257 + place.expect("a type that is used") as i64
}

fn types(catalog: &Catalog) -> Vec<Row> {
    let names = [
        "image",
        "text",
        "uniqueidentifier",
        "date",
        "time",
        "datetime2",
        "datetimeoffset",
        "tinyint",
        "smallint",
        "int",
        "smalldatetime",
        "real",
        "money",
        "datetime",
        "float",
        "sql_variant",
        "ntext",
        "bit",
        "decimal(38,38)",
        "numeric(38,38)",
        "smallmoney",
        "bigint",
        "varbinary(8000)",
        "varchar(8000)",
        "binary(8000)",
        "char(8000)",
        "timestamp",
        "nvarchar(4000)",
        "nchar(4000)",
        "hierarchyid",
        "geometry",
        "geography",
        "xml",
    ];
    let row = |name: &str, schema: i64, facts: Row, of_user: bool, clr: bool| {
        let [system, user, length, precision, scale] =
            <[Value; 5]>::try_from(facts).expect("five facts");
        vec![
            text(name),
            system,
            user,
            int(schema),
            length,
            precision,
            scale,
            int(of_user.into()),
            int(clr.into()),
        ]
    };
    let system = names.iter().map(|name| {
        let declared = SqlType::parse(name).expect("a name of the list");
        row(
            declared.name(),
            4,
            type_facts(declared),
            false,
            super::storage::is_clr(declared),
        )
    });
    let of_users = aliases(catalog).into_iter().map(|(alias, declared)| {
        let mut facts = type_facts(declared);
        facts[1] = int(alias_id(catalog, &alias));
        row(&alias, 1, facts, true, false)
    });
    system.chain(of_users).collect()
}

/// The index that the table itself is: id and type.
fn own_index(table: &Table) -> (i64, i64, &'static str) {
    match table.form {
        Form::Heap => (0, 0, "HEAP"),
        Form::Clustered => (1, 1, "CLUSTERED"),
        Form::Columnstore => (1, 5, "CLUSTERED COLUMNSTORE"),
    }
}

fn indexes(catalog: &Catalog, held: &Held) -> Vec<Row> {
    let table = &held.table;
    if table.shows.is_some() {
        return Vec::new();
    }
    let functions = &catalog.functions;
    let scheme = table.partitioned.as_ref().and_then(|(function, _)| {
        functions
            .iter()
            .position(|known| known.name.eq_ignore_ascii_case(function))
    });
    let space = scheme.map_or(1, |place| 65_601 + place as i64);
    let row = |id: i64, kind: i64, described: &str, unique: bool, primary: bool| {
        let name = if id == 0 {
            Value::Null
        } else {
            text(&format!("IX_{}_{id}", table.name))
        };
        let flags = [primary, false, false, false, false].map(|flag| int(flag.into()));
        let mut row = vec![
            int(held.id.into()),
            name,
            int(id),
            int(kind),
            text(described),
        ];
        row.extend([int(unique.into()), int(space)]);
        row.extend(flags);
        row
    };
    let (id, kind, described) = own_index(table);
    let primary = table.key_is_primary;
    let mut rows = vec![row(id, kind, described, primary, primary)];
    let beside =
        (0..table.unique.len()).map(|place| row(place as i64 + 2, 2, "NONCLUSTERED", true, false));
    rows.extend(beside);
    rows
}

fn index_columns(_: &Catalog, held: &Held) -> Vec<Row> {
    let table = &held.table;
    let partition = table
        .partitioned
        .as_ref()
        .map(|(_, column)| column.as_str());
    let is_partition =
        |name: &str| partition.is_some_and(|column| column.eq_ignore_ascii_case(name));
    let (own, ..) = own_index(table);
    let indexes = [(own, table.key.clone())].into_iter();
    let beside = table
        .unique
        .iter()
        .enumerate()
        .map(|(place, key)| (place as i64 + 2, key.clone()));
    let mut rows = Vec::new();
    for (index, key) in indexes.chain(beside) {
        let mut columns: Vec<(&str, i64)> = key.iter().map(String::as_str).zip(1..).collect();
        if let Some(partition) =
            partition.filter(|_| index == own && !key.iter().any(|name| is_partition(name)))
        {
            columns.push((partition, 0));
        }
        for (place, (column, ordinal)) in columns.into_iter().enumerate() {
            let id = table.index_of(column).expect("a column of the table") as i64 + 1;
            let partition = i64::from(index == own && is_partition(column));
            let numbers = [
                held.id.into(),
                index,
                place as i64 + 1,
                id,
                ordinal,
                partition,
                0,
                0,
            ];
            rows.push(numbers.map(Value::Integer).to_vec());
        }
    }
    rows
}

/// The id of a partition's rows; pages are of a hundred rows each.
fn parts(held: &Held) -> Vec<(i64, i64, i64)> {
    if held.table.shows.is_some() {
        return Vec::new();
    }
    let part =
        |(rows, number): (&u64, i64)| (i64::from(held.id) * 100_000 + number, number, *rows as i64);
    held.rows.iter().zip(1..).map(part).collect()
}

fn pages(rows: i64) -> i64 {
    (rows + 99) / 100
}

fn partitions(_: &Catalog, held: &Held) -> Vec<Row> {
    let (index, ..) = own_index(&held.table);
    let row = |(id, number, rows)| {
        [id, held.id.into(), index, number, id, rows]
            .map(Value::Integer)
            .to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

fn partition_stats(_: &Catalog, held: &Held) -> Vec<Row> {
    let (index, ..) = own_index(&held.table);
    let row = |(id, number, rows): (i64, i64, i64)| {
        let numbers = [
            id,
            held.id.into(),
            index,
            number,
            rows,
            pages(rows),
            pages(rows),
        ];
        numbers.map(Value::Integer).to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

fn allocation_units(_: &Catalog, held: &Held) -> Vec<Row> {
    let row = |(id, _, rows)| {
        [id, 1, id, pages(rows), pages(rows)]
            .map(Value::Integer)
            .to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

fn each_function(catalog: &Catalog, rows: fn(i64, &PartitionFunction) -> Vec<Row>) -> Vec<Row> {
    (0..)
        .zip(&catalog.functions)
        .flat_map(|(place, function)| rows(place, function))
        .collect()
}

fn range_values(place: i64, function: &PartitionFunction) -> Vec<Row> {
    let row = |(id, boundary): (i64, &Value)| {
        vec![
            int(65_536 + place),
            int(id),
            int(1),
            boundary_text(boundary, function.declared),
        ]
    };
    (1..).zip(&function.boundaries).map(row).collect()
}

/// What `CONVERT(nvarchar, value, 126)` makes of a boundary.
fn boundary_text(boundary: &Value, declared: SqlType) -> Value {
    use super::convert::Conversion;
    use super::types::Length;
    let collation = Collation::default();
    let stored = store(boundary, declared, collation).expect("a boundary of its type");
    let to = SqlType::NVarChar(Length::Max);
    let conversion = Conversion {
        from: declared,
        from_collation: collation,
        to,
        to_collation: collation,
        style: 126,
    };
    match conversion.apply((&stored).into()) {
        Ok(rusqlite::types::Value::Text(converted)) => Value::Text(converted),
        _ => Value::Null,
    }
}

fn comments(_: &Catalog, held: &Held) -> Vec<Row> {
    let row = |minor: i64, comment: &String| {
        vec![
            int(1),
            int(held.id.into()),
            int(minor),
            text("MS_Description"),
            text(comment),
        ]
    };
    let own = held.table.comment.iter().map(|comment| row(0, comment));
    let columns = (1..).zip(&held.table.columns);
    own.chain(columns.filter_map(|(id, column)| Some(row(id, column.comment.as_ref()?))))
        .collect()
}

fn database(catalog: &Catalog) -> Row {
    let source = if catalog.is_snapshot {
        int(5)
    } else {
        Value::Null
    };
    vec![
        text(&catalog.database),
        int(if catalog.is_snapshot { 6 } else { 5 }),
        source,
        int(160),
        text(Collation::default().name()),
        int(0),
        int(catalog.allows_snapshot.into()),
        int(catalog.read_committed_snapshot.into()),
        int((catalog.read_only || catalog.is_snapshot).into()),
        int(0),
    ]
}
