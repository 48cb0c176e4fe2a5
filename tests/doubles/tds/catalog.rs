//! What the database holds: tables with declared types, partition functions, synonyms, settings.

use super::collation::Collation;
use super::functions::Parts;
use super::storage::{Value, store};
use super::types::SqlType;

/// A column as it is declared.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub declared: SqlType,
    pub collation: Collation,
    pub nullable: bool,
    /// The type of a user that stands above it.
    pub alias: Option<String>,
    pub comment: Option<String>,
    /// Not among the columns of `*`.
    pub hidden: bool,
    pub masked: bool,
    /// By its clients: Always Encrypted.
    pub encrypted: bool,
    pub computed: bool,
    pub column_set: bool,
}

/// How a table is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Heap,
    Clustered,
    Columnstore,
}

/// A table, or a view of one.
#[derive(Debug, Clone)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub columns: Vec<Column>,
    pub form: Form,
    pub key: Vec<String>,
    /// Whether the key is the primary key, and not only an index.
    pub key_is_primary: bool,
    /// Whether the first of the indexes beside the table is the primary key.
    pub primary_beside: bool,
    pub unique: Vec<Vec<String>>,
    /// A partition function and the column that it takes.
    pub partitioned: Option<(String, String)>,
    pub comment: Option<String>,
    /// The table that a view shows.
    pub shows: Option<String>,
    /// A column that must name the login for a row to be shown, and whether that is on.
    pub policy: Option<(String, bool)>,
    /// How many rows fill a page.
    pub page_rows: u64,
}

impl Table {
    /// A heap without columns; `dbo.lineitem`.
    pub fn new(name: &str) -> Self {
        let (schema, name) = name.split_once('.').unwrap_or(("dbo", name));
        Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: Vec::new(),
            form: Form::Heap,
            key: Vec::new(),
            key_is_primary: false,
            primary_beside: false,
            unique: Vec::new(),
            partitioned: None,
            comment: None,
            shows: None,
            policy: None,
            page_rows: 100,
        }
    }

    /// Adds a column, declared as in `decimal(12,2) not null`, `varchar(10) collate
    /// Latin1_General_BIN2`, `datetime2(7) not null hidden`; `masked`, `encrypted`, `computed` and
    /// `column_set` too.
    pub fn column(mut self, name: &str, declaration: &str) -> Self {
        let column = parse_column(name, declaration);
        self.columns
            .push(column.unwrap_or_else(|told| panic!("column {name}: {told}")));
        self
    }

    /// A clustered primary key.
    pub fn primary_key(mut self, columns: &[&str]) -> Self {
        self.key_is_primary = true;
        self.clustered(columns)
    }

    /// A clustered index that need not be unique.
    pub fn clustered(mut self, columns: &[&str]) -> Self {
        self.form = Form::Clustered;
        self.key = columns.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub fn columnstore(mut self) -> Self {
        self.form = Form::Columnstore;
        self
    }

    /// A unique index beside the table.
    pub fn unique(mut self, columns: &[&str]) -> Self {
        self.unique
            .push(columns.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// A primary key beside the table, which stays a heap or a columnstore.
    pub fn primary_key_beside(mut self, columns: &[&str]) -> Self {
        assert!(self.unique.is_empty(), "it is the first of the indexes");
        self.primary_beside = true;
        self.unique(columns)
    }

    /// A security policy: shows the rows whose column names the login, where it is on.
    pub fn policy(mut self, column: &str, is_on: bool) -> Self {
        self.policy = Some((column.to_owned(), is_on));
        self
    }

    /// Fewer rows to a page make a larger table.
    pub fn page_rows(mut self, rows: u64) -> Self {
        self.page_rows = rows;
        self
    }

    pub fn partitioned(mut self, function: &str, column: &str) -> Self {
        self.partitioned = Some((function.to_owned(), column.to_owned()));
        self
    }

    pub fn comment(mut self, text: &str) -> Self {
        self.comment = Some(text.to_owned());
        self
    }

    /// Comments the column that was added last.
    pub fn column_comment(mut self, text: &str) -> Self {
        self.last().comment = Some(text.to_owned());
        self
    }

    /// Puts a type of a user above the type of the column that was added last.
    pub fn alias(mut self, name: &str) -> Self {
        self.last().alias = Some(name.to_owned());
        self
    }

    fn last(&mut self) -> &mut Column {
        self.columns.last_mut().expect("a column before it")
    }

    /// Its name in the embedded engine.
    pub fn stored_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    pub fn index_of(&self, column: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|known| known.name.eq_ignore_ascii_case(column))
    }
}

fn parse_column(name: &str, declaration: &str) -> Result<Column, String> {
    let lower = declaration.to_lowercase();
    let end = [
        " not null",
        " null",
        " collate ",
        " hidden",
        " masked",
        " encrypted",
        " computed",
        " column_set",
    ]
    .iter()
    .filter_map(|word| lower.find(word))
    .min()
    .unwrap_or(lower.len());
    let words: Vec<&str> = declaration[end..].split_whitespace().collect();
    let has = |word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let collate = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case("collate"));
    let collation = match collate.and_then(|at| words.get(at + 1)) {
        Some(name) => Collation::named(name).ok_or(format!("no collation {name}"))?,
        None => Collation::default(),
    };
    Ok(Column {
        name: name.to_owned(),
        declared: SqlType::parse(&declaration[..end])?,
        collation,
        nullable: !has("not"),
        alias: None,
        comment: None,
        hidden: has("hidden"),
        masked: has("masked"),
        encrypted: has("encrypted"),
        computed: has("computed"),
        column_set: has("column_set"),
    })
}

/// A partition function; its scheme has the same name with `_scheme` behind it.
#[derive(Debug, Clone)]
pub struct PartitionFunction {
    pub name: String,
    pub declared: SqlType,
    pub boundaries: Vec<Value>,
    pub on_right: bool,
}

impl PartitionFunction {
    /// `RANGE RIGHT`: a boundary is the first value of the partition above it.
    pub fn right<V: Into<Value>>(name: &str, declaration: &str, boundaries: Vec<V>) -> Self {
        Self {
            name: name.to_owned(),
            declared: SqlType::parse(declaration).unwrap_or_else(|told| panic!("{told}")),
            boundaries: boundaries.into_iter().map(Into::into).collect(),
            on_right: true,
        }
    }

    /// `RANGE LEFT`: a boundary is the last value of the partition below it.
    pub fn left<V: Into<Value>>(name: &str, declaration: &str, boundaries: Vec<V>) -> Self {
        Self {
            on_right: false,
            ..Self::right(name, declaration, boundaries)
        }
    }

    pub fn parts(&self) -> Parts {
        let stored = |value: &Value| {
            let stored = store(value, self.declared, Collation::default());
            stored.unwrap_or_else(|told| panic!("a boundary of {}: {told}", self.name))
        };
        let boundaries = self.boundaries.iter().map(stored).collect();
        Parts {
            boundaries,
            on_right: self.on_right,
        }
    }
}

/// A table of the database with what is counted of it.
#[derive(Debug, Clone)]
pub struct Held {
    pub id: i32,
    pub table: Table,
    /// The rows of each partition.
    pub rows: Vec<u64>,
    /// How often it was altered.
    pub altered: u32,
}

/// The whole database.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub database: String,
    pub login: String,
    pub tables: Vec<Held>,
    pub functions: Vec<PartitionFunction>,
    /// Full name and base, both `schema.name`.
    pub synonyms: Vec<(String, String)>,
    pub allows_snapshot: bool,
    pub read_committed_snapshot: bool,
    pub read_only: bool,
    /// Whether the login sees what is masked.
    pub may_unmask: bool,
    /// Whether it is a database snapshot.
    pub is_snapshot: bool,
    /// Objects that the login may not read.
    pub denied: Vec<String>,
}

impl Catalog {
    pub fn add(&mut self, table: Table) -> i32 {
        let id = 1_000_000 + 1_000 * self.tables.len() as i32;
        let count = match &table.partitioned {
            Some((function, _)) => self
                .function(function)
                .map_or(1, |f| f.boundaries.len() + 1),
            None => 1,
        };
        self.tables.push(Held {
            id,
            table,
            rows: vec![0; count],
            altered: 0,
        });
        id
    }

    pub fn function(&self, name: &str) -> Option<&PartitionFunction> {
        let mut functions = self.functions.iter();
        functions.find(|function| function.name.eq_ignore_ascii_case(name))
    }

    /// A table or view by name; a synonym leads to what it stands for.
    pub fn find(&self, schema: &str, name: &str) -> Option<&Held> {
        let full = format!("{schema}.{name}");
        let synonym = self
            .synonyms
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&full));
        let full = synonym.map_or(full, |(_, base)| base.clone());
        let mut tables = self.tables.iter();
        tables.find(|held| held.table.stored_name().eq_ignore_ascii_case(&full))
    }

    /// The id that OBJECT_ID gives.
    pub fn object_id(&self, schema: &str, name: &str) -> Option<i32> {
        let full = format!("{schema}.{name}");
        let synonym = self
            .synonyms
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(&full));
        synonym
            .map(synonym_id)
            .or_else(|| self.find(schema, name).map(|held| held.id))
    }
}

/// The id of the synonym at a place of the list.
pub fn synonym_id(place: usize) -> i32 {
    900_000 + place as i32
}
