//! The rows of `sys.columns` and `sys.types`.

use super::{Row, int, text};
use crate::doubles::tds::catalog::{Catalog, Column, Held};
use crate::doubles::tds::storage::{Value, is_clr};
use crate::doubles::tds::types::SqlType;

/// System type, user type, length, precision and scale.
pub(super) fn type_facts(declared: SqlType) -> Row {
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

pub(super) fn columns(catalog: &Catalog, held: &Held) -> Vec<Row> {
    let row = |(place, column): (usize, &Column)| {
        let mut facts = type_facts(column.declared);
        if let Some(alias) = &column.alias {
            facts[1] = int(alias_id(catalog, alias));
        }
        let collated =
            column.declared.is_text() && !matches!(column.declared, SqlType::Xml | SqlType::Json);
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
            column.computed,
            false,
            column.column_set,
            column.hidden,
            column.masked,
        ];
        let flags = flags.map(|flag| int(flag.into())).to_vec();
        // 2 is encryption that makes another text of the same value each time.
        let encryption = if column.encrypted {
            int(2)
        } else {
            Value::Null
        };
        let rest = vec![encryption, int(0)];
        [identity, facts, vec![collation], flags, rest].concat()
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

pub(super) fn types(catalog: &Catalog) -> Vec<Row> {
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
        "json",
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
            is_clr(declared),
        )
    });
    let of_users = aliases(catalog).into_iter().map(|(alias, declared)| {
        let mut facts = type_facts(declared);
        facts[1] = int(alias_id(catalog, &alias));
        row(&alias, 1, facts, true, false)
    });
    system.chain(of_users).collect()
}
