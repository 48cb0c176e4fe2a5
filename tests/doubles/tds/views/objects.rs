//! The rows of the views of names: schemas, tables, views, synonyms, keys, comments, the database.

use super::{Row, int, text};
use crate::doubles::tds::calendar;
use crate::doubles::tds::catalog::{Catalog, Held, Table, synonym_id};
use crate::doubles::tds::collation::Collation;
use crate::doubles::tds::storage::Value;

pub(super) fn schemas(catalog: &Catalog) -> Vec<String> {
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

pub(super) fn schema_id(place: usize) -> i64 {
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

pub(super) fn object(catalog: &Catalog, held: &Held) -> Vec<Row> {
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
pub(super) fn common(catalog: &Catalog, held: &Held) -> Row {
    vec![
        text(&held.table.name),
        int(held.id.into()),
        schema_of(catalog, &held.table.schema),
        text(kind(&held.table)),
        modified(held.altered),
        int(0),
    ]
}

pub(super) fn synonyms(catalog: &Catalog, as_objects: bool) -> Vec<Row> {
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
pub(super) fn constraints(catalog: &Catalog, as_objects: bool) -> Vec<Row> {
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
        let index = if held.table.key_is_primary { 1 } else { 2 };
        vec![name, id, schema, parent, text("PK"), int(index)]
    };
    let keyed = catalog
        .tables
        .iter()
        .filter(|held| held.table.key_is_primary || held.table.primary_beside);
    keyed.map(row).collect()
}

pub(super) fn comments(_: &Catalog, held: &Held) -> Vec<Row> {
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

/// Security policies, or the predicates by which they hide rows.
pub(super) fn policies(_: &Catalog, held: &Held, predicates: bool) -> Vec<Row> {
    let Some((column, is_on)) = &held.table.policy else {
        return Vec::new();
    };
    let (id, table) = (int(i64::from(held.id) + 2), int(held.id.into()));
    vec![match predicates {
        true => vec![id, int(1), table, int(0)],
        false => vec![text(&format!("by_{column}")), id, int((*is_on).into())],
    }]
}

pub(super) fn database(catalog: &Catalog) -> Row {
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
