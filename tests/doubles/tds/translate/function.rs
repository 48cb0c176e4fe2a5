//! Functions: aggregates, windows, partition numbers, and what the server tells about itself.

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectNamePart, WindowSpec, WindowType,
};

use rusqlite::types::Value as Stored;

use super::{Translator, Typed};
use crate::doubles::tds::functions::name_parts;
use crate::doubles::tds::refusal::{Refusal, Result};
use crate::doubles::tds::storage;
use crate::doubles::tds::types::{Family, Length, SqlType};

/// The arguments of a call.
struct Arguments<'f> {
    values: Vec<&'f Expr>,
    is_star: bool,
    is_distinct: bool,
}

const NAME: SqlType = SqlType::NVarChar(Length::Limited(128));

impl Translator<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Result<Typed> {
        let parts: Vec<&str> = function.name.0.iter().map(part).collect::<Result<_>>()?;
        let plain = function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && matches!(function.parameters, FunctionArguments::None);
        let arguments = arguments(&function.args).filter(|_| plain);
        let arguments =
            arguments.ok_or_else(|| Refusal::unknown(format!("the call {function}")))?;
        match (&parts[..], &function.over) {
            (["$PARTITION", name], None) => self.partition_number(name, &arguments),
            ([.., column, "ToString"], None) if arguments.values.is_empty() => {
                self.method_to_string(&parts[..parts.len() - 1], column)
            }
            ([name], Some(WindowType::WindowSpec(window))) => self.window(name, &arguments, window),
            ([name], None) => self.plain(&name.to_uppercase(), &arguments, function),
            _ => Err(Refusal::unknown(format!("the function {}", function.name))),
        }
    }

    fn plain(&mut self, name: &str, arguments: &Arguments<'_>, call: &Function) -> Result<Typed> {
        match name {
            "COUNT" | "COUNT_BIG" | "SUM" | "MIN" | "MAX" => self.aggregate(name, arguments),
            "ISNULL"
            | "COALESCE"
            | "CONCAT"
            | "DATALENGTH"
            | "DATEPART"
            | "ABS"
            | "CHECKSUM"
            | "SQL_VARIANT_PROPERTY" => self.scalar(name, &arguments.values),
            _ => self.told_by_server(name, arguments, call),
        }
    }

    fn aggregate(&mut self, name: &str, arguments: &Arguments<'_>) -> Result<Typed> {
        let scope = self
            .scopes
            .last_mut()
            .ok_or_else(|| Refusal::unknown("an aggregate outside of a query"))?;
        if scope.inside_aggregate {
            return Err(Refusal::new(
                130,
                "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
            ));
        }
        scope.has_aggregates = true;
        scope.inside_aggregate = true;
        let result = self.aggregate_of(name, arguments);
        if let Some(scope) = self.scopes.last_mut() {
            scope.inside_aggregate = false;
        }
        result
    }

    fn aggregate_of(&mut self, name: &str, arguments: &Arguments<'_>) -> Result<Typed> {
        let counted = if name == "COUNT" {
            SqlType::Int
        } else {
            SqlType::BigInt
        };
        let counts = name.starts_with("COUNT");
        let [inner] = arguments.values[..] else {
            return match (arguments.is_star, counts) {
                (true, true) => Ok(Typed::new("count(*)", counted)),
                _ => Err(Refusal::unknown(format!("{name} of that many values"))),
            };
        };
        let value = self.value(inner)?;
        let distinct = if arguments.is_distinct {
            "DISTINCT "
        } else {
            ""
        };
        if counts {
            let counts = if arguments.is_distinct {
                value.comparable()?
            } else {
                value.sql
            };
            return Ok(Typed::new(format!("count({distinct}{counts})"), counted));
        }
        if arguments.is_distinct {
            return Err(Refusal::unknown(format!("{name}(DISTINCT …)")));
        }
        if name == "SUM" {
            sum(value)
        } else {
            extreme(name, value)
        }
    }

    fn window(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
        window: &WindowSpec,
    ) -> Result<Typed> {
        if window.window_name.is_some()
            || window.window_frame.is_some()
            || window.order_by.is_empty()
        {
            return Err(Refusal::unknown(format!("the window of {name}")));
        }
        let call = match (name.to_uppercase().as_str(), &arguments.values[..]) {
            ("NTILE", [tiles]) => format!("ntile({})", self.value(tiles)?.sql),
            ("ROW_NUMBER", []) => "row_number()".to_owned(),
            _ => return Err(Refusal::unknown(format!("the window function {name}"))),
        };
        let parts: Result<Vec<String>> = window
            .partition_by
            .iter()
            .map(|part| self.value(part)?.comparable())
            .collect();
        let parts = parts?.join(", ");
        let partition = if parts.is_empty() {
            String::new()
        } else {
            format!("PARTITION BY {parts} ")
        };
        let order: Result<Vec<String>> = window
            .order_by
            .iter()
            .map(|key| self.sort_key(key, &[]))
            .collect();
        let sql = format!("{call} OVER ({partition}ORDER BY {})", order?.join(", "));
        Ok(Typed::new(sql, SqlType::BigInt))
    }

    fn partition_number(&mut self, name: &str, arguments: &Arguments<'_>) -> Result<Typed> {
        let [inner] = arguments.values[..] else {
            return Err(Refusal::unknown("$PARTITION of more than one value"));
        };
        let surroundings = self.surroundings;
        let Some(function) = surroundings.catalog.function(name) else {
            return Err(Refusal::new(
                7_724,
                format!("Computed column cannot be created: invalid partition function {name}."),
            ));
        };
        let value = self.value(inner)?;
        if let Some(part) = self.stored_part(&value, name) {
            return Ok(Typed::new(part, SqlType::Int));
        }
        let value = self.convert(value, function.declared, 0);
        let number = name_parts(surroundings.names, function.parts());
        Ok(Typed::new(
            format!("tds_part({}, {number})", value.sql),
            SqlType::Int,
        ))
    }

    /// Where a table holds the number already.
    fn stored_part(&self, value: &Typed, function: &str) -> Option<String> {
        let mut columns = self.scopes.iter().flat_map(|scope| &scope.columns);
        let column = columns.find(|column| column.sql == value.sql)?;
        let (known, part) = column.part.as_ref()?;
        known.eq_ignore_ascii_case(function).then(|| part.clone())
    }

    /// The method of the types that have one: hierarchyid, geography, geometry.
    fn method_to_string(&mut self, path: &[&str], column: &str) -> Result<Typed> {
        let table = path.iter().rev().nth(1).copied();
        let value = self.column(table, column)?;
        if !storage::is_clr(value.declared) {
            let told = format!("Cannot call methods on {}.", value.declared);
            return Err(Refusal::new(258, told));
        }
        Ok(Typed {
            declared: SqlType::NVarChar(Length::Max),
            ..value
        })
    }

    fn told_by_server(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
        call: &Function,
    ) -> Result<Typed> {
        let catalog = self.surroundings.catalog;
        // Constants are looked at here, and not by the engine.
        let bound = self.bindings.len();
        let values: Result<Vec<Option<String>>> = arguments
            .values
            .iter()
            .map(|value| self.constant(value))
            .collect();
        self.bindings.truncate(bound);
        let values = values.map_err(|_| Refusal::unknown(format!("the function {call}")))?;
        let words: Vec<Option<&str>> = values.iter().map(|value| value.as_deref()).collect();
        let mut told = |text: &str| Ok(Typed::new(self.bind(Stored::Text(text.to_owned())), NAME));
        match (name, &words[..]) {
            ("DB_NAME", []) => told(&catalog.database),
            ("SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN", []) => told(&catalog.login),
            ("SCHEMA_NAME", []) => told("dbo"),
            ("SERVERPROPERTY", [Some("ProductVersion")]) => told("16.0.4000.1"),
            ("SERVERPROPERTY", [Some("Edition")]) => told("Developer Edition (64-bit)"),
            ("SERVERPROPERTY", [Some("EngineEdition")]) => told("3"),
            ("SERVERPROPERTY", [Some("ServerName")]) => told("double"),
            ("DATABASEPROPERTYEX", [Some(database), Some("Updateability")])
                if database.eq_ignore_ascii_case(&catalog.database) =>
            {
                let read_only = catalog.read_only || catalog.is_snapshot;
                told(if read_only { "READ_ONLY" } else { "READ_WRITE" })
            }
            ("HAS_PERMS_BY_NAME", [None, Some("DATABASE"), Some("UNMASK")]) => {
                let may = i32::from(catalog.may_unmask);
                Ok(Typed::new(may.to_string(), SqlType::Int))
            }
            ("OBJECT_ID", [Some(name)]) => {
                let (schema, name) = object_name(name)?;
                let id = catalog.object_id(&schema, &name);
                let sql = id.map_or("NULL".to_owned(), |id| id.to_string());
                Ok(Typed::new(sql, SqlType::Int))
            }
            _ => Err(Refusal::unknown(format!("the function {call}"))),
        }
    }

    /// An argument that is no column: a text, NULL, or the name of the database.
    fn constant(&mut self, argument: &Expr) -> Result<Option<String>> {
        let value = self.value(argument)?;
        let bound = value
            .sql
            .strip_prefix('?')
            .and_then(|number| number.parse::<usize>().ok());
        match bound.and_then(|number| self.bindings.get(number - 1)) {
            Some(Stored::Text(text)) => Ok(Some(text.clone())),
            _ if value.is_null => Ok(None),
            _ => Err(Refusal::unknown(argument)),
        }
    }
}

fn part(part: &ObjectNamePart) -> Result<&str> {
    match part {
        ObjectNamePart::Identifier(name) => Ok(&name.value),
        ObjectNamePart::Function(_) => Err(Refusal::unknown(format!("the name {part}"))),
    }
}

fn arguments(arguments: &FunctionArguments) -> Option<Arguments<'_>> {
    let FunctionArguments::List(list) = arguments else {
        return None;
    };
    let mut read = Arguments {
        values: Vec::new(),
        is_star: false,
        is_distinct: false,
    };
    read.is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => read.values.push(value),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => read.is_star = true,
            _ => return None,
        }
    }
    list.clauses.is_empty().then_some(read)
}

fn sum(value: Typed) -> Result<Typed> {
    let Typed { sql, declared, .. } = &value;
    let invalid = || {
        let told = format!("Operand data type {declared} is invalid for sum operator.");
        Refusal::new(8117, told)
    };
    match (declared.family(), declared) {
        (_, SqlType::Bit) => Err(invalid()),
        (Family::Integer, SqlType::BigInt) => Ok(Typed::new(
            format!("tds_sum_whole({sql}, 1)"),
            SqlType::BigInt,
        )),
        (Family::Integer, _) => Ok(Typed::new(format!("tds_sum_whole({sql}, 0)"), SqlType::Int)),
        (Family::Float, _) => Ok(Typed::new(format!("sum({sql})"), SqlType::Float)),
        (Family::Exact, SqlType::Money | SqlType::SmallMoney) => {
            Ok(Typed::new(format!("tds_sum({sql}, 19, 4)"), SqlType::Money))
        }
        (Family::Exact, _) => {
            let scale = declared.scale();
            let declared = SqlType::Decimal {
                precision: 38,
                scale,
            };
            Ok(Typed::new(format!("tds_sum({sql}, 38, {scale})"), declared))
        }
        _ => Err(invalid()),
    }
}

/// MIN or MAX. Of a datetimeoffset the bytes are in order too.
fn extreme(name: &str, value: Typed) -> Result<Typed> {
    let Typed { declared, .. } = &value;
    if *declared == SqlType::Bit || declared.family() == Family::Opaque {
        let told = format!(
            "Operand data type {declared} is invalid for {} operator.",
            name.to_lowercase()
        );
        return Err(Refusal::new(8117, told));
    }
    let compared = match declared.family() {
        Family::Offset => value.sql.clone(),
        _ => value.comparable()?,
    };
    let sql = format!("{}({compared})", name.to_lowercase());
    Ok(Typed {
        sql,
        nullable: true,
        is_null: false,
        ..value
    })
}

/// The parts of `[dbo].[a]]b]` or `dbo.t`; the last two where there are more.
fn object_name(text: &str) -> Result<(String, String)> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    let mut bracketed = false;
    while let Some(c) = characters.next() {
        let last = parts.last_mut().expect("at least one");
        match c {
            ']' if bracketed && characters.peek() == Some(&']') => {
                characters.next();
                last.push(']');
            }
            ']' if bracketed => bracketed = false,
            '[' if !bracketed && last.is_empty() => bracketed = true,
            '.' if !bracketed => parts.push(String::new()),
            _ => last.push(c),
        }
    }
    match &parts[..] {
        [name] => Ok(("dbo".to_owned(), name.clone())),
        [.., schema, name] => Ok((schema.clone(), name.clone())),
        [] => Err(Refusal::unknown(format!("the object name {text}"))),
    }
}
