//! The rows of the views of how tables are stored: indexes, partitions, pages, partition functions.

use super::{Row, int, text};
use crate::doubles::tds::catalog::{Catalog, Form, Held, PartitionFunction, Table};
use crate::doubles::tds::collation::Collation;
use crate::doubles::tds::convert::Conversion;
use crate::doubles::tds::storage::{Value, store};
use crate::doubles::tds::types::{Length, SqlType};

/// The index that the table itself is: id and type.
fn own_index(table: &Table) -> (i64, i64, &'static str) {
    match table.form {
        Form::Heap => (0, 0, "HEAP"),
        Form::Clustered => (1, 1, "CLUSTERED"),
        Form::Columnstore => (1, 5, "CLUSTERED COLUMNSTORE"),
    }
}

pub(super) fn indexes(catalog: &Catalog, held: &Held) -> Vec<Row> {
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
    let beside = (0..table.unique.len()).map(|place| {
        let primary = table.primary_beside && place == 0;
        row(place as i64 + 2, 2, "NONCLUSTERED", true, primary)
    });
    rows.extend(beside);
    rows
}

pub(super) fn index_columns(_: &Catalog, held: &Held) -> Vec<Row> {
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

/// The id of a partition's rows, its number, and how many they are.
fn parts(held: &Held) -> Vec<(i64, i64, i64)> {
    if held.table.shows.is_some() {
        return Vec::new();
    }
    let part =
        |(rows, number): (&u64, i64)| (i64::from(held.id) * 100_000 + number, number, *rows as i64);
    held.rows.iter().zip(1..).map(part).collect()
}

fn pages(held: &Held, rows: i64) -> i64 {
    (rows as u64).div_ceil(held.table.page_rows) as i64
}

pub(super) fn partitions(_: &Catalog, held: &Held) -> Vec<Row> {
    let (index, ..) = own_index(&held.table);
    let row = |(id, number, rows)| {
        [id, held.id.into(), index, number, id, rows]
            .map(Value::Integer)
            .to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

pub(super) fn partition_stats(_: &Catalog, held: &Held) -> Vec<Row> {
    let (index, ..) = own_index(&held.table);
    let row = |(id, number, rows): (i64, i64, i64)| {
        let numbers = [
            id,
            held.id.into(),
            index,
            number,
            rows,
            pages(held, rows),
            pages(held, rows),
        ];
        numbers.map(Value::Integer).to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

pub(super) fn allocation_units(_: &Catalog, held: &Held) -> Vec<Row> {
    let row = |(id, _, rows)| {
        [id, 1, id, pages(held, rows), pages(held, rows)]
            .map(Value::Integer)
            .to_vec()
    };
    parts(held).into_iter().map(row).collect()
}

pub(super) fn each_function(
    catalog: &Catalog,
    rows: fn(i64, &PartitionFunction) -> Vec<Row>,
) -> Vec<Row> {
    (0..)
        .zip(&catalog.functions)
        .flat_map(|(place, function)| rows(place, function))
        .collect()
}

pub(super) fn range_values(place: i64, function: &PartitionFunction) -> Vec<Row> {
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
