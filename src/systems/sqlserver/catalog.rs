//! The server's catalog: one batch describes any number of tables whole.

use std::collections::HashMap;

use tiberius::Row;

use super::answer::Answer;
use super::literal::{quote, text};
use super::native::{AS_MICROS, AS_TEXT, BINARY, CONVERTED, Kind, Native, OTHER};
use super::partitions;
use super::server::Server;
use super::session::Session;
use super::types::canonical;
use crate::error::{Error, ErrorKind, Result};
use crate::frontend::{OpenOptions, RelationKind, SourceTable, TableEntry};
use crate::schema::{Column, TableName, nearest, pick, shorten};

const OBJECTS: &str = include_str!("../../../sql/catalog/sqlserver/objects.sql");
const COLUMNS: &str = include_str!("../../../sql/catalog/sqlserver/columns.sql");
const INDEXES: &str = include_str!("../../../sql/catalog/sqlserver/indexes.sql");
const PARTITIONS: &str = include_str!("../../../sql/catalog/sqlserver/partitions.sql");
const TABLES: &str = include_str!("../../../sql/catalog/sqlserver/tables.sql");
const NAMES: &str = include_str!("../../../sql/catalog/sqlserver/names.sql");
const UNCHANGED: &str = include_str!("../../../sql/catalog/sqlserver/unchanged.sql");

/// What stands in those files for the ids of the objects.
const MARK: &str = "/*ids*/";

/// A relation as the catalog has it.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    id: i64,
    /// The name that it is read by: a synonym's is its own.
    pub(super) schema: String,
    pub(super) name: String,
    /// `U`, `V` or `SN`.
    kind: String,
    modified: String,
    /// A synonym's: what it stands for, and when that was altered.
    synonym: Option<(i64, String)>,
    base: Option<String>,
    pub(super) memory_optimized: bool,
    external: bool,
    comment: Option<String>,
    row_filters: i64,
    pub(super) server: Server,
    columns: Vec<Attribute>,
    pub(super) indexes: Vec<Index>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    name: String,
    base_type: Option<String>,
    user_type: Option<String>,
    max_length: i64,
    precision: i64,
    scale: i64,
    collation: Option<String>,
    nullable: bool,
    hidden: bool,
    column_set: bool,
    masked: bool,
    encrypted: bool,
    comment: Option<String>,
}

/// An index, or the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    id: i64,
    /// 0 is a heap, 1 clustered, 5 a clustered columnstore.
    pub(super) kind: i64,
    unique: bool,
    pub(super) primary: bool,
    /// The columns of its key, in order.
    pub(super) key: Vec<String>,
}

/// A part that holds rows; a table without partitions has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: i64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) function: Option<Function>,
    /// The text of the boundary above it.
    pub(super) boundary: Option<String>,
    /// Whether there is a boundary above it, which may be NULL or have no text.
    pub(super) bounded: bool,
}

/// A partition function over a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Whether a boundary belongs to the part above it.
    pub(super) on_right: bool,
    pub(super) key: Option<String>,
}

impl Relation {
    /// The relation that a schema's and a table's name mean.
    pub(super) async fn find(
        session: &mut Session,
        connection: &str,
        schema: &str,
        table: &str,
    ) -> Result<Self> {
        let names = [(schema.to_owned(), table.to_owned())];
        if let Some(found) = Self::by_names(session, connection, &names).await?.pop() {
            return Ok(found);
        }
        let exact = meant(session, connection, schema, table).await?;
        let found = Self::by_names(session, connection, std::slice::from_ref(&exact)).await?;
        found.into_iter().next().ok_or_else(|| {
            let name = TableName::new(connection, exact.0, exact.1);
            Error::new(
                ErrorKind::Permission,
                format!("Table {name} can't be described"),
            )
            .hint("GRANT SELECT or VIEW DEFINITION on it to the user")
        })
    }

    /// The relations of exactly these schemas and names, by one batch.
    pub(super) async fn find_all(
        session: &mut Session,
        connection: &str,
        names: &[(String, String)],
    ) -> Result<Vec<Result<Self>>> {
        let found = Self::by_names(session, connection, names).await?;
        let mut found: HashMap<(String, String), Self> = found
            .into_iter()
            .map(|one| ((one.schema.clone(), one.name.clone()), one))
            .collect();
        let mut relations = Vec::with_capacity(names.len());
        for name in names {
            relations.push(match found.remove(name) {
                Some(relation) => Ok(relation),
                None => match meant(session, connection, &name.0, &name.1).await {
                    Err(error) => Err(error),
                    Ok((schema, table)) => Err(not_exactly(connection, name, &schema, &table)),
                },
            });
        }
        Ok(relations)
    }

    /// The relations that the server knows by these names, what synonyms stand for among them.
    async fn by_names(
        session: &mut Session,
        connection: &str,
        names: &[(String, String)],
    ) -> Result<Vec<Self>> {
        let doing = format!("Tables of connection \"{connection}\" can't be described");
        let ids: Vec<String> = names
            .iter()
            .filter_map(|(schema, table)| object_id(&[schema, table]))
            .collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Self::by_ids(session, &doing, &ids.join(", ")).await?;
        for relation in found.iter_mut().filter(|one| one.kind == "SN") {
            relation.follow(session, connection).await?;
        }
        Ok(found)
    }

    /// Takes over what a synonym stands for, by its own name.
    async fn follow(&mut self, session: &mut Session, connection: &str) -> Result<()> {
        let name = self.table_name(connection);
        let base = self.base.clone().unwrap_or_default();
        let refuse = |hint: &str| {
            Error::unsupported(format!(
                "Synonym {name} stands for {}, which is not in database \"{}\"",
                shorten(&base),
                session.server.database
            ))
            .hint(hint)
        };
        let parts = parse_name(&base)
            .filter(|parts| (1..=4).contains(&parts.len()))
            .ok_or_else(|| refuse("read what it stands for"))?;
        let (schema, table) = match parts.as_slice() {
            [table] => (self.schema.as_str(), table.as_str()),
            [schema, table] => (schema.as_str(), table.as_str()),
            [database, schema, table]
                if database.to_lowercase() == session.server.database.to_lowercase() =>
            {
                (schema.as_str(), table.as_str())
            }
            _ => return Err(refuse("make a connection to its own database")),
        };
        let doing = format!("Table {name} can't be described");
        let id = object_id(&[schema, table]).unwrap_or_else(|| "NULL".to_owned());
        let found = Self::by_ids(session, &doing, &id).await?.pop();
        let found = found.filter(|found| found.kind != "SN").ok_or_else(|| {
            let text = format!(
                "Synonym {name} stands for {}, which is not there",
                shorten(&base)
            );
            Error::new(ErrorKind::NotFound, text)
        })?;
        *self = Self {
            synonym: Some((self.id, std::mem::take(&mut self.modified))),
            schema: std::mem::take(&mut self.schema),
            name: std::mem::take(&mut self.name),
            comment: self.comment.take().or(found.comment.clone()),
            ..found
        };
        Ok(())
    }

    async fn by_ids(session: &mut Session, doing: &str, ids: &str) -> Result<Vec<Self>> {
        let sql = [OBJECTS, COLUMNS, INDEXES, PARTITIONS]
            .map(|file| file.trim_end().replace(MARK, ids))
            .join(";\n");
        let answer = session.ask(doing, &sql).await?;
        let [objects, columns, indexes, partitions] = answer.as_slice() else {
            return Err(Error::internal(doing).context("result sets", answer.len().to_string()));
        };
        let mut found = Vec::with_capacity(objects.len());
        for row in objects {
            found.push(Self::read(&Answer::new(doing, row), &session.server)?);
        }
        for (id, attribute) in of_objects(doing, columns, Attribute::read)? {
            if let Some(one) = found.iter_mut().find(|one: &&mut Self| one.id == id) {
                one.columns.push(attribute);
            }
        }
        for (id, part) in of_objects(doing, partitions, Part::read)? {
            if let Some(one) = found.iter_mut().find(|one| one.id == id) {
                one.parts.push(part);
            }
        }
        for (id, (index, column)) in of_objects(doing, indexes, Index::read)? {
            if let Some(one) = found.iter_mut().find(|one| one.id == id) {
                one.add_index(index, column);
            }
        }
        Ok(found)
    }

    fn read(answer: &Answer<'_>, server: &Server) -> Result<Self> {
        Ok(Self {
            id: answer.count("object_id")?,
            schema: answer.name("schema_name")?,
            name: answer.name("object_name")?,
            kind: answer.name("object_type")?.trim().to_owned(),
            modified: answer.fingerprint("modify_date")?,
            synonym: None,
            base: answer.text("base_object_name")?,
            memory_optimized: answer.flag("is_memory_optimized")?,
            external: answer.flag("is_external")?,
            comment: answer.text("comment")?,
            row_filters: answer.count("row_filters")?,
            server: server.clone(),
            columns: Vec::new(),
            indexes: Vec::new(),
            parts: Vec::new(),
        })
    }

    fn add_index(&mut self, index: Index, column: Option<String>) {
        if self.indexes.last().is_none_or(|last| last.id != index.id) {
            self.indexes.push(index);
        }
        if let Some(last) = self.indexes.last_mut() {
            last.key.extend(column);
        }
    }

    /// Refuses a relation that is not as it was described, in a snapshot perhaps.
    pub(super) async fn check(&self, session: &mut Session, connection: &str) -> Result<()> {
        let name = self.table_name(connection);
        let doing = format!("Table {name} can't be described");
        let changed = |how: &str| {
            Error::new(
                ErrorKind::Conflict,
                format!("Table {name} {how} since it was described"),
            )
            .hint("run again: it will be described anew")
        };
        if !session.server.same_as(&self.server) {
            return Err(changed("moved to a database with other settings"));
        }
        let mut known = vec![(self.id, &self.modified)];
        known.extend(self.synonym.iter().map(|(id, modified)| (*id, modified)));
        for (id, modified) in known {
            let sql = UNCHANGED.trim_end().replace(MARK, &id.to_string());
            let answer = session.ask(&doing, &sql).await?;
            let Some(row) = answer.iter().flatten().next() else {
                return Err(changed("was dropped"));
            };
            if Answer::new(&doing, row).fingerprint("modify_date")? != *modified {
                return Err(changed("was altered"));
            }
        }
        Ok(())
    }

    /// Its exact name.
    pub(super) fn table_name(&self, connection: &str) -> TableName {
        TableName::new(connection, &self.schema, &self.name)
    }

    /// Its name in SQL.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    pub(super) fn is_table(&self) -> bool {
        self.kind == "U" && !self.external
    }

    /// Whether its rows are elsewhere.
    pub(super) fn is_external(&self) -> bool {
        self.external
    }

    /// The indexes of which no two rows have the same key.
    pub(super) fn unique_indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().filter(|index| index.unique)
    }

    fn relation_kind(&self) -> RelationKind {
        match self.kind.as_str() {
            "V" => RelationKind::View,
            _ if self.external => RelationKind::Foreign,
            _ if self.parts.iter().any(|part| part.function.is_some()) => RelationKind::Partitioned,
            _ => RelationKind::Table,
        }
    }

    /// The description for the engine.
    pub(super) fn describe(
        &self,
        connection: &str,
        options: &OpenOptions,
        row_security: bool,
    ) -> Result<SourceTable> {
        let name = self.table_name(connection);
        if self.row_filters > 0 && !row_security {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("Table {name} has a security policy that may hide rows from us"),
            )
            .hint("row_security=on reads the rows that it shows"));
        }
        if self.columns.iter().any(|column| column.column_set) {
            return Err(Error::unsupported(format!(
                "Table {name} has a column set, which stands for its sparse columns"
            ))
            .hint("read a view of it that names the columns"));
        }
        let asked = self.asked(&name, options)?;
        let columns = self.described(&name, &asked)?;
        let primary = self.indexes.iter().find(|index| index.primary);
        let has_parts = !self.parts.is_empty();
        let mut table = SourceTable {
            name,
            kind: self.relation_kind(),
            primary_key: primary.map(|index| index.key.clone()).unwrap_or_default(),
            unique: self.unique(&columns),
            columns,
            rows: has_parts.then(|| self.parts.iter().map(|part| part.rows).sum()),
            bytes: has_parts.then(|| self.bytes()),
            comment: self.comment.clone(),
            partitions: None,
        };
        table.partitions = partitions::of(&self.parts, &table);
        Ok(table)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The columns that are read: those that a server shows unless they are asked for.
    fn visible(&self) -> Vec<&Attribute> {
        self.columns
            .iter()
            .filter(|column| !column.hidden)
            .collect()
    }

    fn unique(&self, columns: &[Column]) -> Vec<Vec<String>> {
        let is_set = |name: &String| {
            let column = columns.iter().find(|column| column.name == *name);
            column.is_some_and(|column| !column.nullable)
        };
        self.unique_indexes()
            .map(|index| index.key.clone())
            .filter(|key| !key.is_empty() && key.iter().all(is_set))
            .collect()
    }

    /// Per column the form that a person asked for.
    fn asked<'a>(
        &self,
        name: &TableName,
        options: &'a OpenOptions,
    ) -> Result<Vec<Option<&'a str>>> {
        let visible = self.visible();
        let mut asked = vec![None; visible.len()];
        let names = || visible.iter().map(|column| column.name.as_str());
        for (column, form) in &options.read_as {
            let position = pick(column, names())
                .and_then(|picked| visible.iter().position(|one| one.name == picked));
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

    fn described(&self, name: &TableName, asked: &[Option<&str>]) -> Result<Vec<Column>> {
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut refused = Vec::new();
        for (attribute, form) in self.visible().into_iter().zip(asked) {
            match attribute.column(&self.server, *form) {
                Ok(column) => columns.push(column),
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    let column = shorten(&attribute.name);
                    let native = attribute.own_text();
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

/// Rows of the catalog with the ids of their objects.
fn of_objects<T>(
    doing: &str,
    rows: &[Row],
    read: impl Fn(&Answer<'_>) -> Result<T>,
) -> Result<Vec<(i64, T)>> {
    rows.iter()
        .map(|row| {
            let answer = Answer::new(doing, row);
            Ok((answer.count("object_id")?, read(&answer)?))
        })
        .collect()
}

impl Attribute {
    fn read(answer: &Answer<'_>) -> Result<Self> {
        Ok(Self {
            name: answer.name("column_name")?,
            base_type: answer.text("base_type")?,
            user_type: answer.text("user_type")?,
            max_length: answer.count("max_length")?,
            precision: answer.count("numeric_precision")?,
            scale: answer.count("numeric_scale")?,
            collation: answer.text("collation_name")?,
            nullable: answer.flag("is_nullable")?,
            hidden: answer.flag("is_hidden")?,
            column_set: answer.flag("is_column_set")?,
            masked: answer.flag("is_masked")?,
            encrypted: answer.number("encryption_type")?.is_some(),
            comment: answer.text("comment")?,
        })
    }

    /// The type as it is declared, types of users resolved.
    fn own_text(&self) -> String {
        let Some(base) = self.base_type.as_deref() else {
            let name = self.user_type.as_deref().unwrap_or("unknown");
            return format!("{OTHER}{name}");
        };
        let length = |unit: i64| match self.max_length {
            -1 => format!("{base}(max)"),
            bytes => format!("{base}({})", bytes / unit),
        };
        match base {
            "decimal" | "numeric" => format!("{base}({},{})", self.precision, self.scale),
            "time" | "datetime2" | "datetimeoffset" => format!("{base}({})", self.scale),
            "char" | "varchar" | "binary" | "varbinary" => length(1),
            "nchar" | "nvarchar" => length(2),
            _ if Native::parse(base).is_none() => format!("{OTHER}{base}"),
            _ => base.to_owned(),
        }
    }

    /// The native text with its notes; see [`Native`].
    fn native_text(&self, asked: Option<&str>) -> String {
        let mut notes: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        if self.has_binary_collation() {
            notes.push(BINARY.to_owned());
        }
        if self.is_converted() {
            notes.push(CONVERTED.to_owned());
        }
        if let (Some(user), Some(_)) = (&self.user_type, &self.base_type) {
            notes.push(format!("type {user}"));
        }
        let own = self.own_text();
        match notes.is_empty() {
            true => own,
            false => format!("{own} ({})", notes.join("; ")),
        }
    }

    /// Whether the driver would read its text wrongly: it takes UTF-8 for another code page, has no
    /// tables of the older ones, and others for those of several bytes than the server has.
    fn is_converted(&self) -> bool {
        let in_code_page = matches!(self.base_type.as_deref(), Some("char" | "varchar" | "text"));
        let collation = self.collation.as_deref().unwrap_or_default();
        let upper = collation.to_ascii_uppercase();
        let several = ["CHINESE_", "JAPANESE_", "KOREAN_"];
        let misread = upper.ends_with("_UTF8")
            || upper.contains("_CP437")
            || upper.contains("_CP850")
            || several.iter().any(|begin| upper.starts_with(begin));
        in_code_page && misread
    }

    fn has_binary_collation(&self) -> bool {
        let collation = self.collation.as_deref().unwrap_or_default();
        let upper = collation.to_ascii_uppercase();
        ["_BIN", "_BIN2", "_BIN2_UTF8"]
            .iter()
            .any(|end| upper.ends_with(end))
    }

    fn column(&self, server: &Server, asked: Option<&str>) -> Result<Column> {
        if self.encrypted {
            return Err(Error::unsupported(
                "it is encrypted by its clients, and goe has no key",
            ));
        }
        if self.masked && !server.may_unmask {
            return Err(Error::unsupported(
                "it is masked for us: GRANT UNMASK to the user",
            ));
        }
        let form = asked.map(str::trim).map(str::to_ascii_lowercase);
        let note = match form.as_deref() {
            None => None,
            Some("text") => Some(AS_TEXT),
            Some(form) if self.may_be_micros(form) => Some(AS_MICROS),
            Some(form) => return Err(self.unknown_form(form)),
        };
        let text = self.native_text(note);
        let native =
            Native::parse(&text).ok_or_else(|| Error::unsupported(format!("{text} is unknown")))?;
        let mut column = Column::new(&self.name, text, self.nullable, canonical(&native)?);
        column.comment.clone_from(&self.comment);
        Ok(column)
    }

    fn may_be_micros(&self, form: &str) -> bool {
        let kind = Native::parse(&self.own_text()).map(|native| native.kind);
        matches!(
            (kind, form),
            (Some(Kind::DateTime2(7)), "timestamp(6)")
                | (Some(Kind::DateTimeOffset(7)), "timestamp_tz(6)")
                | (Some(Kind::Time(7)), "time(6)")
        )
    }

    fn unknown_form(&self, form: &str) -> Error {
        let (column, form) = (shorten(&self.name), shorten(form));
        Error::usage(format!("Column \"{column}\" can't be read as \"{form}\"")).hint(
            "the forms are: text, and timestamp(6), timestamp_tz(6) or time(6) for seven digits \
             of a second",
        )
    }
}

impl Index {
    fn read(answer: &Answer<'_>) -> Result<(Self, Option<String>)> {
        let index = Self {
            id: answer.count("index_id")?,
            kind: answer.count("index_type")?,
            unique: answer.flag("is_unique")?,
            primary: answer.flag("is_primary_key")?,
            key: Vec::new(),
        };
        Ok((index, answer.text("column_name")?))
    }
}

impl Part {
    fn read(answer: &Answer<'_>) -> Result<Self> {
        let size = |name: &str| -> Result<u64> {
            let number = answer.number(name)?.unwrap_or_default();
            Ok(u64::try_from(number).unwrap_or_default())
        };
        let function = match answer.text("function_name")? {
            None => None,
            Some(name) => Some(Function {
                name,
                on_right: answer.flag("on_right")?,
                key: answer.text("key_name")?,
            }),
        };
        Ok(Self {
            number: answer.count("partition_number")?,
            rows: size("row_count")?,
            bytes: size("byte_count")?,
            function,
            boundary: answer.text("boundary")?,
            bounded: answer.number("boundary_id")?.is_some(),
        })
    }
}

/// The SQL of an object's id; `None` for a name that no object can have.
fn object_id(parts: &[&str]) -> Option<String> {
    let name: Vec<String> = parts.iter().map(|part| quote(part)).collect();
    Some(format!("OBJECT_ID({})", text(&name.join("."))?))
}

/// The parts of a name as the server writes it, in brackets or bare.
fn parse_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('[') {
            Some(quoted) => bracketed(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(parts),
        }
    }
}

/// The text up to the closing bracket, doubled ones made single, and what follows.
fn bracketed(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(']')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(']') {
            Some(next) => {
                part.push(']');
                rest = next;
            }
            None => return Some((part, rest)),
        }
    }
}

fn not_exactly(connection: &str, asked: &(String, String), schema: &str, table: &str) -> Error {
    let name = TableName::new(connection, &asked.0, &asked.1);
    let found = TableName::new(connection, schema, table);
    Error::new(ErrorKind::NotFound, format!("Table {name} does not exist"))
        .hint(format!("did you mean {found}?"))
}

/// The names that were meant by others; or why none were.
async fn meant(
    session: &mut Session,
    connection: &str,
    schema: &str,
    table: &str,
) -> Result<(String, String)> {
    let doing = "Names can't be listed";
    let answer = session.ask(doing, NAMES.trim_end()).await?;
    let mut names: Vec<(String, Option<String>)> = Vec::new();
    for row in answer.iter().flatten() {
        let answer = Answer::new(doing, row);
        names.push((answer.name("schema_name")?, answer.text("object_name")?));
    }
    let mut schemas: Vec<&str> = names.iter().map(|(schema, _)| schema.as_str()).collect();
    schemas.dedup();
    let asked = TableName::new(connection, schema, table);
    let Some(known) = pick(schema, schemas.iter().copied()) else {
        let text = format!("Table {asked} does not exist: there is no schema \"{schema}\"");
        return Err(Error::not_found(text, schema, schemas));
    };
    let tables = || {
        let of_schema = names.iter().filter(|(schema, _)| schema == known);
        of_schema.filter_map(|(_, table)| table.as_deref())
    };
    match pick(table, tables()) {
        Some(exact) => Ok((known.to_owned(), exact.to_owned())),
        None => {
            let text = format!("Table {asked} does not exist");
            Err(Error::not_found(text, table, tables()))
        }
    }
}

/// The tables that can be named.
pub(super) async fn tables(session: &mut Session, connection: &str) -> Result<Vec<TableEntry>> {
    let doing = format!("The tables of connection \"{connection}\" can't be listed");
    let answer = session.ask(&doing, TABLES.trim_end()).await?;
    let rows = answer.iter().flatten();
    rows.map(|row| entry(&Answer::new(&doing, row))).collect()
}

fn entry(answer: &Answer<'_>) -> Result<TableEntry> {
    let size = |name: &str| -> Result<Option<u64>> {
        let number = answer.number(name)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    };
    let is_view = answer.name("object_type")?.trim() == "V";
    let parts = answer.number("part_count")?.unwrap_or_default();
    let kind = match () {
        () if is_view => RelationKind::View,
        () if answer.flag("is_external")? => RelationKind::Foreign,
        () if parts > 1 => RelationKind::Partitioned,
        () => RelationKind::Table,
    };
    Ok(TableEntry {
        schema: answer.name("schema_name")?,
        table: answer.name("object_name")?,
        kind,
        rows: size("row_count")?,
        bytes: size("byte_count")?,
    })
}

#[cfg(test)]
impl Index {
    /// An index beside the table.
    pub(super) fn beside(key: &[&str], unique: bool, primary: bool) -> Self {
        Self {
            id: 2,
            kind: 2,
            unique,
            primary,
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

#[cfg(test)]
impl Relation {
    /// A table without columns.
    pub(super) fn empty(server: Server) -> Self {
        Self {
            id: 1,
            schema: "dbo".to_owned(),
            name: "t".to_owned(),
            kind: "U".to_owned(),
            modified: String::new(),
            synonym: None,
            base: None,
            memory_optimized: false,
            external: false,
            comment: None,
            row_filters: 0,
            server,
            columns: Vec::new(),
            indexes: Vec::new(),
            parts: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
