//! What a database says about its tables.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::limits::Limit;
use rusqlite::{Connection as Database, OptionalExtension, Row};

use super::dialect::SqliteDialect;
use super::error::from_sqlite;
use super::pages::{Layout, Place};
use super::types::{mapping, read_as};
use crate::error::{Error, Result};
use crate::frontend::{Dialect, OpenOptions, RelationKind, SourceTable, TableEntry};
use crate::schema::{Column, TableName, nearest, pick};

const SCHEMAS: &str = include_str!("../../../sql/catalog/sqlite/schemas.sql");
const RELATIONS: &str = include_str!("../../../sql/catalog/sqlite/relations.sql");
const COLUMNS: &str = include_str!("../../../sql/catalog/sqlite/columns.sql");
const UNIQUE: &str = include_str!("../../../sql/catalog/sqlite/unique.sql");
const STATISTICS: &str = include_str!("../../../sql/catalog/sqlite/statistics.sql");

/// The names under which a table's rowid can be asked for, unless columns have them.
const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// How many rows at either end of a table are looked at for its size.
const SAMPLE: usize = 64;

/// A catalog of one connection.
pub(super) struct Catalog<'a> {
    /// The connection.
    pub(super) database: &'a Database,
    /// The database as messages name it.
    pub(super) name: &'a str,
}

/// A table as it can be read.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// For everybody.
    pub(super) table: SourceTable,
    /// How to get at its rows.
    pub(super) access: Access,
    /// How its rows lie in pages; `None` where that is not plain.
    pub(super) layout: Option<Layout>,
}

/// What tells one row from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// The rowid, under this name.
    Rowid(&'static str),
    /// The primary key of a table without rowid; why it can't be split.
    Key(String),
    /// Nothing; why it can't be split.
    None(String),
}

/// One line of the list of tables.
struct Relation {
    name: String,
    kind: String,
    without_rowid: bool,
}

/// One column as the catalog has it.
struct RawColumn {
    name: String,
    declared: String,
    not_null: bool,
    key_position: usize,
    generated: bool,
    has_default: bool,
}

impl Catalog<'_> {
    fn rows<T>(
        &self,
        sql: &str,
        parameters: &[&str],
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let query = || {
            let mut statement = self.database.prepare(sql)?;
            let rows = statement.query_map(rusqlite::params_from_iter(parameters), read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        query().map_err(|error| from_sqlite(error, self.name))
    }

    fn schemas(&self) -> Result<Vec<String>> {
        self.rows(SCHEMAS, &[], |row| row.get(0))
    }

    fn relations(&self, schema: &str) -> Result<Vec<Relation>> {
        self.rows(RELATIONS, &[schema], |row| {
            Ok(Relation {
                name: row.get(0)?,
                kind: row.get(1)?,
                without_rowid: row.get(2)?,
            })
        })
    }

    /// Whether text is kept as UTF-8.
    pub(super) fn is_utf8(&self) -> Result<bool> {
        let encodings: Vec<String> = self.rows("PRAGMA encoding", &[], |row| row.get(0))?;
        Ok(encodings.iter().any(|encoding| encoding == "UTF-8"))
    }

    /// How the database keeps its journal: `wal`, `delete`, `memory`.
    pub(super) fn journal(&self) -> Result<String> {
        let modes: Vec<String> = self.rows("PRAGMA journal_mode", &[], |row| row.get(0))?;
        Ok(modes.into_iter().next().unwrap_or_default())
    }

    /// All tables and views, in order.
    pub(super) fn tables(&self) -> Result<Vec<TableEntry>> {
        let mut entries = Vec::new();
        for schema in self.schemas()? {
            for relation in self.relations(&schema)? {
                let kind = kind(&relation);
                let rows = self.analyzed_rows(&relation.name)?;
                let schema = schema.clone();
                entries.push(TableEntry {
                    schema,
                    table: relation.name,
                    kind,
                    rows,
                    bytes: None,
                });
            }
        }
        entries.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
        Ok(entries)
    }

    /// Describes a table by the name that a person wrote.
    pub(super) fn describe(
        &self,
        connection: &str,
        schema: &str,
        table: &str,
        options: &OpenOptions,
    ) -> Result<Described> {
        let schemas = self.schemas()?;
        let known = || schemas.iter().map(String::as_str);
        let schema = pick(schema, known()).ok_or_else(|| {
            let message = format!("Schema \"{schema}\" does not exist in \"{}\"", self.name);
            Error::not_found(message, schema, known()).hint("a SQLite file has one schema: main")
        })?;
        let relations = self.relations(schema)?;
        let known = || relations.iter().map(|relation| relation.name.as_str());
        let name = pick(table, known()).ok_or_else(|| {
            let message = format!("Table \"{connection}.{schema}.{table}\" does not exist");
            let error = Error::not_found(message, table, known());
            if relations.is_empty() {
                error.hint(format!("\"{}\" holds no table at all", self.name))
            } else {
                error
            }
        })?;
        let relation = relations
            .iter()
            .find(|relation| relation.name == name)
            .ok_or_else(|| Error::internal("A table was found and lost"))?;
        self.describe_relation(TableName::new(connection, schema, name), relation, options)
    }

    fn describe_relation(
        &self,
        name: TableName,
        relation: &Relation,
        options: &OpenOptions,
    ) -> Result<Described> {
        let raw = self.rows(COLUMNS, &[&name.schema, &name.table], |row| {
            Ok(RawColumn {
                name: row.get(0)?,
                declared: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                not_null: row.get(2)?,
                key_position: row.get(3)?,
                generated: row.get(4)?,
                has_default: row.get(5)?,
            })
        })?;
        let indexes = self.rows(UNIQUE, &[&name.schema, &name.table], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let alias = rowid_alias(relation, &raw, &indexes);
        let columns = columns(relation, &raw, alias, options)?;
        let primary_key = primary_key(&raw);
        let unique = unique(&columns, &primary_key, indexes);
        let access = self.access(relation, &columns)?;
        let layout = if self.is_utf8()? {
            layout(relation, &raw, alias)
        } else {
            None
        };
        let kind = kind(relation);
        let table = SourceTable {
            name,
            kind,
            columns,
            primary_key,
            unique,
            rows: None,
            bytes: None,
            comment: None,
            partitions: None,
        };
        Ok(Described {
            table,
            access,
            layout,
        })
    }

    fn access(&self, relation: &Relation, columns: &[Column]) -> Result<Access> {
        let reason = match relation.kind.as_str() {
            "view" => "a view has no rowid",
            "virtual" => "a virtual table has no rowid to split by",
            _ if relation.without_rowid => {
                return Ok(Access::Key(
                    "a table WITHOUT ROWID has none to split by".to_owned(),
                ));
            }
            _ => {
                let free = ROWID_NAMES.into_iter().find(|name| {
                    !columns
                        .iter()
                        .any(|column| column.name.eq_ignore_ascii_case(name))
                });
                match free {
                    Some(name) => return Ok(Access::Rowid(name)),
                    None => "columns hide the rowid under all three of its names",
                }
            }
        };
        Ok(Access::None(reason.to_owned()))
    }

    /// How many columns a statement may select.
    pub(super) fn widest_select(&self) -> usize {
        let limit = self
            .database
            .limit(Limit::SQLITE_LIMIT_COLUMN)
            .unwrap_or_default();
        usize::try_from(limit).unwrap_or_default()
    }

    /// Fills in how much the table holds, about.
    pub(super) fn estimate(&self, described: &mut Described) -> Result<()> {
        let analyzed = self.analyzed_rows(&described.table.name.table)?;
        let Access::Rowid(rowid) = described.access else {
            described.table.rows = analyzed;
            return Ok(());
        };
        let row_bytes = self.row_bytes(&described.table, rowid)?;
        let rows = match analyzed {
            Some(rows) => rows,
            None => self
                .rowid_span(&described.table, rowid)?
                .min(self.file_bytes()? / row_bytes),
        };
        described.table.rows = Some(rows);
        described.table.bytes = Some(rows.saturating_mul(row_bytes));
        Ok(())
    }

    /// What ANALYZE counted, if it ever ran.
    fn analyzed_rows(&self, table: &str) -> Result<Option<u64>> {
        let exists = self
            .database
            .query_row(
                "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'",
                [],
                |_| Ok(()),
            )
            .optional()
            .map_err(|error| from_sqlite(error, self.name))?;
        if exists.is_none() {
            return Ok(None);
        }
        let rows = self.rows(STATISTICS, &[table], |row| row.get::<_, Option<i64>>(0))?;
        Ok(rows
            .into_iter()
            .flatten()
            .next()
            .and_then(|rows| u64::try_from(rows).ok()))
    }

    fn rowid_span(&self, table: &SourceTable, rowid: &str) -> Result<u64> {
        let relation = relation(table);
        // Two statements, each of which only walks down one edge of the tree.
        let sql = format!(
            "SELECT (SELECT min({rowid}) FROM {relation}), (SELECT max({rowid}) FROM {relation})"
        );
        let ends = self.rows(&sql, &[], |row| {
            Ok(row
                .get::<_, Option<i64>>(0)?
                .zip(row.get::<_, Option<i64>>(1)?))
        })?;
        let ends = ends.into_iter().flatten().next();
        Ok(ends.map_or(0, |(first, last)| last.abs_diff(first).saturating_add(1)))
    }

    /// Bytes of a page.
    pub(super) fn page_bytes(&self) -> Result<u64> {
        let bytes = self.rows("PRAGMA page_size", &[], |row| row.get::<_, u64>(0))?;
        Ok(bytes.first().copied().unwrap_or(4096))
    }

    fn file_bytes(&self) -> Result<u64> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let bytes = self.rows(sql, &[], |row| row.get::<_, i64>(0))?;
        Ok(bytes
            .first()
            .and_then(|bytes| u64::try_from(*bytes).ok())
            .unwrap_or_default())
    }

    /// The bytes of a row, at least 1: the mean of some at either end. Lengths are asked for, so
    /// that large values stay on disk.
    pub(super) fn row_bytes(&self, table: &SourceTable, rowid: &str) -> Result<u64> {
        let dialect = SqliteDialect::default();
        let lengths: Vec<String> = table
            .columns
            .iter()
            .map(|column| format!("octet_length({})", dialect.quote(&column.name)))
            .collect();
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        for direction in ["ASC", "DESC"] {
            let sql = format!(
                "SELECT {} FROM {} ORDER BY {rowid} {direction} LIMIT {SAMPLE}",
                lengths.join(", "),
                relation(table)
            );
            let sizes = self.rows(&sql, &[], |row| {
                (0..lengths.len()).try_fold(2_u64, |sum, i| {
                    Ok(sum + 1 + row.get::<_, Option<u64>>(i)?.unwrap_or_default())
                })
            })?;
            rows += sizes.len() as u64;
            bytes += sizes.iter().sum::<u64>();
        }
        Ok((bytes / rows.max(1)).max(1))
    }
}

/// The table's quoted name.
pub(super) fn relation(table: &SourceTable) -> String {
    let dialect = SqliteDialect::default();
    format!(
        "{}.{}",
        dialect.quote(&table.name.schema),
        dialect.quote(&table.name.table)
    )
}

fn kind(relation: &Relation) -> RelationKind {
    if relation.kind == "view" {
        RelationKind::View
    } else {
        RelationKind::Table
    }
}

/// Name, origin and columns of the unique indexes, a column a line.
type IndexColumn = (String, String, Option<String>);

/// Whether the only key column is the rowid itself, which is never NULL.
fn rowid_alias(relation: &Relation, raw: &[RawColumn], indexes: &[IndexColumn]) -> bool {
    let mut key = raw.iter().filter(|column| column.key_position > 0);
    let integer = key
        .next()
        .is_some_and(|key| key.declared.eq_ignore_ascii_case("INTEGER"));
    let indexed = indexes.iter().any(|(_, origin, _)| origin == "pk");
    !relation.without_rowid && integer && key.next().is_none() && !indexed
}

/// How the rows of a plain table lie in its pages.
fn layout(relation: &Relation, raw: &[RawColumn], alias: bool) -> Option<Layout> {
    let plain = relation.kind == "table" && !relation.without_rowid;
    // Some generated columns are in the record and some are not.
    if !plain || raw.iter().any(|column| column.generated) {
        return None;
    }
    let place = |(number, column): (usize, &RawColumn)| {
        if alias && column.key_position > 0 {
            return Place::Rowid;
        }
        Place::Field {
            number,
            real: has_real_affinity(&column.declared),
            has_default: column.has_default,
        }
    };
    Some(Layout::new(raw.iter().enumerate().map(place).collect()))
}

/// Whether SQLite stores whole numbers of a column as integers and gives them as REAL:
/// [the rules](https://www.sqlite.org/datatype3.html#determination_of_column_affinity) in their order.
fn has_real_affinity(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    !has(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"]) && has(&["REAL", "FLOA", "DOUB"])
}

fn columns(
    relation: &Relation,
    raw: &[RawColumn],
    alias: bool,
    options: &OpenOptions,
) -> Result<Vec<Column>> {
    let names: BTreeSet<&str> = raw.iter().map(|column| column.name.as_str()).collect();
    if let Some(unknown) = options
        .read_as
        .keys()
        .find(|name| !names.contains(name.as_str()))
    {
        let message = format!("There is no column \"{unknown}\" to read in another form");
        let error = Error::usage(message);
        return Err(match nearest(unknown, names) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint("goe describe shows a table's columns"),
        });
    }
    raw.iter()
        .map(|column| {
            let key = column.key_position > 0 && (alias || relation.without_rowid);
            let native = match options.read_as.get(&column.name) {
                Some(form) => read_as(&column.name, &column.declared, form)?,
                None => column.declared.clone(),
            };
            let mapping = mapping(&native);
            Ok(Column::new(
                &column.name,
                native,
                !(column.not_null || key),
                mapping,
            ))
        })
        .collect()
}

fn primary_key(raw: &[RawColumn]) -> Vec<String> {
    let mut key: Vec<&RawColumn> = raw
        .iter()
        .filter(|column| column.key_position > 0)
        .collect();
    key.sort_by_key(|column| column.key_position);
    key.into_iter().map(|column| column.name.clone()).collect()
}

/// The primary key and every unique index, as long as no column of it can be NULL.
fn unique(
    columns: &[Column],
    primary_key: &[String],
    indexes: Vec<IndexColumn>,
) -> Vec<Vec<String>> {
    let mut sets = BTreeMap::<String, Vec<Option<String>>>::new();
    for (index, _, column) in indexes {
        sets.entry(index).or_default().push(column);
    }
    let never_null = |set: &Vec<String>| {
        let full = |name: &String| columns.iter().any(|c| c.name == *name && !c.nullable);
        !set.is_empty() && set.iter().all(full)
    };
    let mut unique = vec![primary_key.to_vec()];
    unique.extend(
        sets.into_values()
            .filter_map(|set| set.into_iter().collect()),
    );
    unique.retain(never_null);
    unique.dedup();
    unique
}
