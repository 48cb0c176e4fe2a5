//! The server's catalog: one statement describes a table whole.

use std::collections::HashMap;

use serde::Deserialize;
use tokio_postgres::types::Type;

use super::error::failed;
use super::native::{AS_TEXT, ENCODED, Kind, NOT_DETERMINISTIC, Native};
use super::partitions::{Level, Part, Tree};
use super::session::Session;
use super::types::canonical;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{OpenOptions, RelationKind, SourceTable, TableEntry};
use crate::schema::{CanonicalType, Column, Mapping, TableName, nearest, pick, shorten};

const RELATION: &str = include_str!("../../../sql/catalog/postgres/relation.sql");
const TABLES: &str = include_str!("../../../sql/catalog/postgres/tables.sql");
const NAMES: &str = include_str!("../../../sql/catalog/postgres/names.sql");

/// A relation as the catalog has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Relation {
    pub(super) oid: i64,
    schema: String,
    name: String,
    kind: String,
    rows: f64,
    pub(super) row_security: bool,
    comment: Option<String>,
    pub(super) server: Server,
    columns: Vec<Attribute>,
    keys: Vec<Key>,
    /// What holds the rows: the relation itself, its partitions or its heirs.
    pub(super) members: Vec<Member>,
    /// The relations of the tree that are partitioned.
    levels: Vec<Level>,
    /// The partitions of the tree.
    partitions: Vec<Part>,
}

/// What matters about the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Server {
    /// As 150018 for 15.18.
    pub(super) version: i32,
    encoding: String,
    /// Bytes of a page.
    pub(super) block: u64,
    money_digits: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Attribute {
    name: String,
    not_null: bool,
    native: String,
    kind: String,
    array: bool,
    built_in: bool,
    domain: Option<String>,
    deterministic: bool,
    comment: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Key {
    primary: bool,
    columns: Vec<String>,
}

/// A relation that holds rows.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Member {
    pub(super) oid: i64,
    /// Its quoted name.
    pub(super) relation: String,
    kind: String,
    rows: f64,
    /// Bytes of its own pages.
    pub(super) pages_bytes: u64,
    /// Bytes with all that belongs to it, long values among them.
    pub(super) bytes: u64,
    /// Whether we may read it by its own name.
    pub(super) readable: bool,
}

impl Member {
    /// Whether its rows are in pages that can be cut.
    pub(super) fn has_pages(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "m")
    }

    /// Rows by the server's statistics, if it has any.
    pub(super) fn rows(&self) -> Option<u64> {
        estimate(self.rows)
    }
}

fn estimate(rows: f64) -> Option<u64> {
    (rows >= 0.0).then_some(rows as u64)
}

impl Relation {
    /// The relation that a schema's and a table's name mean.
    pub(super) async fn find(
        session: &Session,
        connection: &str,
        schema: &str,
        table: &str,
    ) -> Result<Self> {
        let name = TableName::new(connection, schema, table);
        let doing = format!("Table {name} can't be described");
        if schema.contains('\0') || table.contains('\0') {
            return Err(unknown(session, connection, schema, table).await);
        }
        let found = Self::all(session, &doing, &[schema], &[table]).await?;
        let mut found = Self::best(found, schema, table);
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(one), false) => Err(ambiguous(connection, schema, table, one, found)),
            (None, _) => Err(unknown(session, connection, schema, table).await),
        }
    }

    /// The relations of exactly these schemas and names, by one statement.
    pub(super) async fn find_all(
        session: &Session,
        connection: &str,
        names: &[(String, String)],
    ) -> Result<Vec<Result<Self>>> {
        let doing = format!("The tables of connection \"{connection}\" can't be described");
        let (schemas, tables): (Vec<&str>, Vec<&str>) = names
            .iter()
            .map(|(schema, table)| (schema.as_str(), table.as_str()))
            .unzip();
        let found = Self::all(session, &doing, &schemas, &tables).await?;
        let mut found: HashMap<(String, String), Self> = found
            .into_iter()
            .map(|one| ((one.schema.clone(), one.name.clone()), one))
            .collect();
        let mut relations = Vec::with_capacity(names.len());
        for name in names {
            relations.push(match found.remove(name) {
                Some(relation) => Ok(relation),
                None => Err(unknown(session, connection, &name.0, &name.1).await),
            });
        }
        Ok(relations)
    }

    /// The relations that any of some schemas' and tables' names, in pairs, may mean.
    async fn all(
        session: &Session,
        doing: &str,
        schemas: &[&str],
        tables: &[&str],
    ) -> Result<Vec<Self>> {
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&schemas, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)];
        let rows = session.ask(doing, RELATION, &parameters).await?;
        rows.iter()
            .map(|row| {
                let text: &str = row.try_get(0).map_err(|error| failed(doing, error))?;
                serde_json::from_str(text).map_err(|error| Error::internal(doing).caused_by(error))
            })
            .collect()
    }

    /// The ones that fit best: exactly, else in the exact schema, else in any case.
    fn best(found: Vec<Self>, schema: &str, table: &str) -> Vec<Self> {
        let in_schema = |one: &Self| one.schema == schema;
        let exact = |one: &Self| in_schema(one) && one.name == table;
        let some_exact = found.iter().any(exact);
        let some_in_schema = found.iter().any(in_schema);
        found
            .into_iter()
            .filter(|one| exact(one) || !some_exact)
            .filter(|one| in_schema(one) || !some_in_schema)
            .collect()
    }

    /// Describes the same relation again, in a snapshot perhaps.
    pub(super) async fn again(&self, session: &Session, connection: &str) -> Result<Self> {
        let doing = format!("Table {} can't be described", self.table_name(connection));
        let found = Self::all(session, &doing, &[&self.schema], &[&self.name]).await?;
        let now = found.into_iter().find(|now| now.oid == self.oid);
        match now {
            Some(now) if now.same_as(self) => Ok(now),
            Some(_) => Err(self.changed(connection, "was altered")),
            None => Err(self.changed(connection, "was dropped or renamed")),
        }
    }

    fn changed(&self, connection: &str, how: &str) -> Error {
        let name = self.table_name(connection);
        Error::new(
            ErrorKind::Conflict,
            format!("Table {name} {how} since it was described"),
        )
        .hint("run again: it will be described anew")
    }

    /// Whether rows would be read in the same way.
    fn same_as(&self, other: &Self) -> bool {
        let members = |relation: &Self| {
            let mut oids: Vec<i64> = relation.members.iter().map(|member| member.oid).collect();
            oids.sort_unstable();
            oids
        };
        let names_of = |relation: &Self| (relation.schema.clone(), relation.name.clone());
        names_of(self) == names_of(other)
            && self.kind == other.kind
            && self.server == other.server
            && self.row_security == other.row_security
            && self.columns == other.columns
            && members(self) == members(other)
            && self.partitions == other.partitions
    }

    /// Its exact name.
    pub(super) fn table_name(&self, connection: &str) -> TableName {
        TableName::new(connection, &self.schema, &self.name)
    }

    /// The description for the engine.
    pub(super) fn describe(&self, connection: &str, options: &OpenOptions) -> Result<SourceTable> {
        let name = self.table_name(connection);
        let asked = self.asked(&name, options)?;
        let columns = self.columns(&name, &asked)?;
        let primary = self.keys.iter().find(|key| key.primary);
        let members = self.members.iter();
        let rows = match self.members.is_empty() {
            true => Some(0),
            false => members.clone().map(Member::rows).sum(),
        };
        let kind = relation_kind(&self.kind);
        let has_pages = self.members.iter().any(Member::has_pages);
        let mut table = SourceTable {
            name,
            kind,
            columns,
            primary_key: primary.map(|key| key.columns.clone()).unwrap_or_default(),
            unique: self.keys.iter().map(|key| key.columns.clone()).collect(),
            rows: if has_pages {
                rows
            } else {
                estimate(self.rows).filter(|rows| *rows > 0)
            },
            bytes: has_pages.then(|| members.map(|member| member.bytes).sum()),
            comment: self.comment.clone(),
            partitions: None,
        };
        table.partitions = self.tree(&table).below(self.oid);
        Ok(table)
    }

    fn tree<'a>(&'a self, table: &'a SourceTable) -> Tree<'a> {
        Tree {
            levels: &self.levels,
            parts: &self.partitions,
            members: &self.members,
            table,
            utf8: self.server.encoding == "UTF8",
        }
    }

    /// The exact names of schema and table.
    pub(super) fn name(&self) -> (&str, &str) {
        (&self.schema, &self.name)
    }

    /// The exact name of a `numeric` column without precision, found as names are.
    pub(super) fn unbounded_numeric(&self, column: &str) -> Option<&str> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        let name = pick(column, names)?;
        let attribute = self.columns.iter().find(|column| column.name == name)?;
        let kind = Native::parse(&attribute.native)?.kind;
        (kind == Kind::Numeric(None) && !attribute.array).then_some(&attribute.name)
    }

    /// Per column the form that a person asked for.
    fn asked<'a>(
        &self,
        name: &TableName,
        options: &'a OpenOptions,
    ) -> Result<Vec<Option<&'a str>>> {
        let mut asked = vec![None; self.columns.len()];
        let names = || self.columns.iter().map(|column| column.name.as_str());
        for (column, form) in &options.read_as {
            let position = pick(column, names())
                .and_then(|picked| self.columns.iter().position(|one| one.name == picked));
            let Some(position) = position else {
                let text = format!(
                    "Table {name} has no column \"{}\" to read as {form}",
                    shorten(column)
                );
                let error = Error::usage(text);
                return Err(match nearest(column, names()) {
                    Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                    None => error.hint("goe describe shows a table's columns"),
                });
            };
            asked[position] = Some(form.as_str());
        }
        Ok(asked)
    }

    fn columns(&self, name: &TableName, asked: &[Option<&str>]) -> Result<Vec<Column>> {
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut refused = Vec::new();
        for (attribute, form) in self.columns.iter().zip(asked) {
            match attribute.column(&self.server, *form) {
                Ok(column) => columns.push(column),
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    let column = shorten(&attribute.name);
                    let native = &attribute.native;
                    refused.push(format!("\"{column}\" {native} ({})", error.message()));
                }
                Err(error) => return Err(error.context("table", name.to_string())),
            }
        }
        if refused.is_empty() {
            return Ok(columns);
        }
        let list = refused.join(", ");
        Err(Error::unsupported(format!(
            "Table {name} has columns that can't be read: {list}"
        ))
        .hint("read them as text, or leave them out by a view"))
    }
}

impl Attribute {
    /// The native type's text with its notes; see [`Native`].
    fn native_text(&self, server: &Server, as_text: bool) -> String {
        let prefix = match self.kind.as_str() {
            _ if self.array => "",
            "e" => "enum ",
            "c" => "composite ",
            "p" => "pseudo ",
            _ if self.built_in && Native::parse(&self.native).is_some() => "",
            _ => "type ",
        };
        let mut notes = Vec::new();
        if as_text {
            notes.push(AS_TEXT.to_owned());
        }
        if !self.deterministic {
            notes.push(NOT_DETERMINISTIC.to_owned());
        }
        if server.encoding != "UTF8" {
            notes.push(ENCODED.to_owned());
        }
        notes.extend(self.domain.iter().map(|domain| format!("domain {domain}")));
        let native = &self.native;
        match notes.is_empty() {
            true => format!("{prefix}{native}"),
            false => format!("{prefix}{native} ({})", notes.join("; ")),
        }
    }

    fn column(&self, server: &Server, asked: Option<&str>) -> Result<Column> {
        let form = asked.map(str::trim).map(str::to_ascii_lowercase);
        let as_text = form.as_deref() == Some("text");
        let text = self.native_text(server, as_text);
        let native =
            Native::parse(&text).ok_or_else(|| Error::unsupported(format!("{text} is unknown")))?;
        let mapping = match form.as_deref() {
            None | Some("text") => self.mapping(server, &native)?,
            Some(form) => self.asked_mapping(&native, form)?,
        };
        let mut column = Column::new(&self.name, text, !self.not_null, mapping);
        column.comment.clone_from(&self.comment);
        Ok(column)
    }

    fn mapping(&self, server: &Server, native: &Native) -> Result<Mapping<CanonicalType>> {
        if native.kind == Kind::Money && !native.as_text && server.money_digits != 2 {
            let digits = server.money_digits;
            return Err(Error::unsupported(format!(
                "lc_monetary of this database has {digits} fraction digits, not 2"
            )));
        }
        canonical(native)
    }

    /// A form beyond text: a number without precision as a decimal.
    fn asked_mapping(&self, native: &Native, form: &str) -> Result<Mapping<CanonicalType>> {
        let unknown = || {
            let column = shorten(&self.name);
            Error::usage(format!(
                "Column \"{column}\" can't be read as \"{}\"",
                shorten(form)
            ))
            .hint("the forms are: text, and decimal(p,s) for a numeric column")
        };
        if !matches!(native.kind, Kind::Numeric(_)) {
            return Err(unknown());
        }
        match form.parse::<CanonicalType>() {
            Ok(decimal @ CanonicalType::Decimal { .. }) => Ok(Mapping::lossy(
                decimal,
                format!("read as {form}, as asked; each value is checked"),
            )),
            _ => Err(unknown()),
        }
    }
}

fn relation_kind(kind: &str) -> RelationKind {
    match kind {
        "p" => RelationKind::Partitioned,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        _ => RelationKind::Table,
    }
}

fn ambiguous(
    connection: &str,
    schema: &str,
    table: &str,
    one: Relation,
    others: Vec<Relation>,
) -> Error {
    let names: Vec<String> = std::iter::once(one)
        .chain(others)
        .map(|relation| relation.table_name(connection).to_string())
        .collect();
    let asked = TableName::new(connection, schema, table);
    Error::new(
        ErrorKind::NotFound,
        format!("Table {asked} may be any of {}", names.join(", ")),
    )
    .hint("write the name as the server has it")
}

/// There is no such relation: what may have been meant?
async fn unknown(session: &Session, connection: &str, schema: &str, table: &str) -> Error {
    let names = session.ask("Names can't be listed", NAMES, &[]).await;
    let names: Vec<(String, Option<String>)> = match &names {
        Ok(rows) => rows
            .iter()
            .filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?)))
            .collect(),
        Err(_) => Vec::new(),
    };
    let schemas = || names.iter().map(|(schema, _)| schema.as_str());
    let asked = TableName::new(connection, schema, table);
    let Some(known) = pick(schema, schemas()) else {
        let text = format!("Table {asked} does not exist: there is no schema \"{schema}\"");
        return Error::not_found(text, schema, schemas());
    };
    let tables = names
        .iter()
        .filter(|(schema, _)| schema == known)
        .filter_map(|(_, table)| table.as_deref());
    Error::not_found(format!("Table {asked} does not exist"), table, tables)
}

/// The tables that can be named.
pub(super) async fn tables(session: &Session, connection: &str) -> Result<Vec<TableEntry>> {
    let doing = format!("The tables of connection \"{connection}\" can't be listed");
    let wrong = |error| failed(&doing, error);
    let rows = session.ask(&doing, TABLES, &[]).await?;
    rows.iter()
        .map(|row| {
            let count = |i: usize| -> Result<Option<u64>> {
                let count: Option<i64> = row.try_get(i).map_err(wrong)?;
                Ok(count.and_then(|count| u64::try_from(count).ok()))
            };
            let kind: &str = row.try_get(2).map_err(wrong)?;
            Ok(TableEntry {
                schema: row.try_get(0).map_err(wrong)?,
                table: row.try_get(1).map_err(wrong)?,
                kind: relation_kind(kind),
                rows: count(3)?,
                bytes: count(4)?,
            })
        })
        .collect()
}
