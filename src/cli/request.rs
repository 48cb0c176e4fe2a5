//! The flags of preview, plan and offload, and the offload that they mean.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};

use super::limits::Limits;
use super::many::OneOfMany;
use super::pattern::is_pattern;
use super::shape::Shape;
use super::window::Window;
use crate::config::{Config, Defaults, parse_bytes, redact_text};
use crate::error::{Error, Result};
use crate::offload::{Offload, OffloadSpec, PartitionRequest, Take, VerifyLevel};
use crate::schema::TableName;
use crate::session::Session;

/// What to offload, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct Request {
    /// The source: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(value_name = "SOURCE", required_unless_present = "table")]
    from: Option<String>,
    /// The source in the connection of [defaults] from
    #[arg(short, long, value_name = "OWNER.TABLE", conflicts_with = "from")]
    table: Option<String>,
    /// The target: CONNECTION.SCHEMA.TABLE, or URL#SCHEMA.TABLE
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// The target in the connection of [defaults] to
    #[arg(long, value_name = "OWNER.NAME", conflicts_with = "to")]
    target_name: Option<String>,
    /// Only the rows for which this is true
    #[arg(long = "where", value_name = "SQL")]
    filter: Option<String>,
    /// These columns and expressions instead of all columns
    #[arg(long, value_name = "SQL")]
    select: Option<String>,
    /// Partition the target by columns, by year(), month(), day() of one, or by truncate(COLUMN, N)
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "partition_columns")]
    partition_by: Vec<String>,
    /// Remember how far this column was covered; the next run takes only what is beyond
    #[arg(long, value_name = "COLUMN")]
    incremental_by: Option<String>,
    /// Cover only what is below this constant
    #[arg(long, value_name = "SQL", requires = "incremental_by")]
    until: Option<String>,
    /// Read a column in another form: text, or one that the system's README names
    #[arg(long, value_name = "COLUMN=FORM", value_parser = assignment)]
    read_as: Vec<(String, String)>,
    /// How many workers read at once
    #[arg(long, value_name = "N")]
    parallel: Option<NonZeroUsize>,
    /// What is compared before anything becomes visible
    #[arg(long, value_name = "LEVEL", value_parser = verify_level())]
    verify: Option<VerifyLevel>,
    /// Who stages the rows
    #[arg(long, value_parser = ["native"])]
    transport: Option<String>,
    /// How much memory may be used, such as 512MB; a quarter of the machine's, at most 2 GiB, if none
    /// is given
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    memory: Option<u64>,
    /// Replace everything in the target by a full run, in one commit
    #[arg(long, visible_alias = "reset-backend-table")]
    reset: bool,
    /// Fill a target anew whose rows were removed by something else
    #[arg(long = "reuse-backend-table", conflicts_with = "reset")]
    reuse: bool,
    /// A name to find the runs by; the target's by default
    #[arg(long, value_hint = ValueHint::Other)]
    name: Option<String>,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    shape: Shape,
}

impl Request {
    /// The rows of this run that the flags mean.
    pub(super) fn take(&self) -> Result<Take> {
        let request = self.window.request()?;
        let sizes = PartitionRequest {
            chunk_bytes: request.chunk_bytes,
            chunk_count: request.chunk_count,
            ..PartitionRequest::default()
        };
        Ok(if request == sizes {
            Take::New
        } else {
            Take::Partitions(Box::new(request))
        })
    }

    /// The offload that the flags and the configured defaults mean.
    pub(super) fn offload(&self, config: &Config) -> Result<Offload> {
        self.spec(config)?.validate()
    }

    /// The offload that the only word names, or that the flags mean.
    pub(super) fn meant(&self, session: &Session) -> Result<Offload> {
        match self.named(session)? {
            Some(spec) => session.ready(&spec),
            None => self.offload(session.config()),
        }
    }

    /// The offload of a name that stands alone.
    fn named(&self, session: &Session) -> Result<Option<OffloadSpec>> {
        let alone = self.to.is_none()
            && self.target_name.is_none()
            && self.select.is_none()
            && self.filter.is_none()
            && self.shape.is_empty();
        match &self.from {
            Some(name) if alone => session.defined(name),
            _ => Ok(None),
        }
    }

    /// The query that the flags mean where no target is named at all.
    pub(super) fn query(&self, session: &Session) -> Result<Option<String>> {
        let config = session.config();
        let defaults = config.defaults();
        let target = self.to.is_some() || self.target_name.is_some() || defaults.to.is_some();
        let windowed = !self.window.request()?.is_empty();
        let shaped = !self.read_as.is_empty() || !self.shape.is_empty();
        if windowed || target || shaped || self.named(session)?.is_some() {
            return Ok(None);
        }
        let from = self.only_source(config)?;
        let alone = OffloadSpec {
            // No target is looked at for a query alone.
            to: from.clone(),
            from: Some(from),
            select: self.select.clone(),
            filter: self.filter.clone(),
            ..OffloadSpec::default()
        };
        Ok(Some(alone.validate()?.query().to_owned()))
    }

    /// The same for one table of many, read by as many workers and within as much memory.
    pub(super) fn of_table(&self, table: &OneOfMany) -> Self {
        Self {
            from: Some(table.from.clone()),
            table: None,
            to: Some(table.to.clone()),
            parallel: NonZeroUsize::new(table.workers),
            memory: Some(table.memory),
            ..self.clone()
        }
    }

    /// The pattern that the source is, if it is one: its connection, and those of schema and table.
    ///
    /// # Errors
    /// Kind Usage for a pattern beside a name for one table.
    pub(super) fn pattern(&self, config: &Config) -> Result<Option<TableName>> {
        let from = self.source(config)?;
        if !is_pattern(&from) {
            return Ok(None);
        }
        let single = [
            ("--target-name", self.target_name.is_some()),
            ("--name", self.name.is_some()),
        ];
        if let Some((flag, _)) = single.iter().find(|(_, given)| *given) {
            return Err(Error::usage(format!(
                "{flag} is for one table, and \"{from}\" is a pattern"
            ))
            .hint("--to CONNECTION.SCHEMA names the place; tables keep their names"));
        }
        TableName::parse(&from).map(Some)
    }

    /// The target of a table that a pattern found: its own name in the place that `--to` or the
    /// default names.
    pub(super) fn target_of(&self, source: &TableName, config: &Config) -> Result<String> {
        let defaults = config.defaults();
        let place = self.to.as_deref().or(defaults.to.as_deref());
        let place = place.ok_or_else(|| {
            Error::usage("An offload of many tables needs a place for them")
                .hint("add --to CONNECTION.SCHEMA, or set [defaults] to in goe.toml")
        })?;
        taken_over(source, place, defaults)
    }

    /// How many workers, and how much memory, all tables together may have.
    pub(super) fn bounds(&self, config: &Config) -> Result<(usize, u64)> {
        let defaults = config.defaults();
        let any = OffloadSpec {
            to: "a.b.c".to_owned(),
            query: Some("SELECT 1".to_owned()),
            parallel: self.parallel.map(NonZeroUsize::get).or(defaults.parallel),
            memory: self.memory.or(defaults.memory),
            ..OffloadSpec::default()
        };
        let any = any.validate()?;
        Ok((any.parallel(), any.memory() as u64))
    }

    /// The full name of the source, which is one table.
    fn only_source(&self, config: &Config) -> Result<String> {
        let from = self.source(config)?;
        if is_pattern(&from) {
            return Err(Error::usage(format!("\"{from}\" may name many tables"))
                .hint("name one; goe offload lists and takes all that a pattern names"));
        }
        Ok(from)
    }

    /// The source's full name, or a pattern of some.
    fn source(&self, config: &Config) -> Result<String> {
        let default = config.defaults().from.as_deref();
        match (&self.from, &self.table) {
            (Some(from), _) => Ok(complete(from, default)),
            (None, Some(table)) => owned(table, default, "from"),
            (None, None) => Err(Error::usage("An offload needs a source")
                .hint("write CONNECTION.SCHEMA.TABLE, or an offload's name")),
        }
    }

    fn spec(&self, config: &Config) -> Result<OffloadSpec> {
        let defaults = config.defaults();
        let chunks = self.window.request()?;
        let from = self.only_source(config)?;
        let configured_level = || defaults.verify.as_deref().map(str::parse).transpose();
        let spec = OffloadSpec {
            name: self.name.clone(),
            to: self.target(&from, defaults)?,
            from: Some(from),
            query: None,
            select: self.select.clone(),
            filter: self.filter.clone(),
            partition_by: match self.partition_by.as_slice() {
                [] => self.shape.partition_by()?,
                given => given.iter().flat_map(|text| split_list(text)).collect(),
            },
            incremental_by: self.incremental_by.clone(),
            until: self.until.clone(),
            read_as: self.read_as.iter().cloned().collect::<BTreeMap<_, _>>(),
            parallel: self.parallel.map(NonZeroUsize::get).or(defaults.parallel),
            verify: self
                .verify
                .map_or_else(configured_level, |level| Ok(Some(level)))?,
            transport: self.transport.clone(),
            memory: self.memory.or(defaults.memory),
            chunk_bytes: chunks.chunk_bytes,
            chunk_count: chunks.chunk_count,
            reset: self.reset,
            reuse: self.reuse,
            ..self.shape.spec()?
        };
        Ok(self.limits.on(spec, defaults))
    }

    /// The target as written, or the source's own name where targets go by default.
    fn target(&self, from: &str, defaults: &Defaults) -> Result<String> {
        let default = defaults.to.as_deref();
        if let Some(name) = &self.target_name {
            return owned(name, default, "to");
        }
        match (&self.to, default) {
            (Some(to), default) => Ok(complete(to, default)),
            (None, Some(to)) => taken_over(&TableName::parse(from)?, to, defaults),
            (None, None) => Err(Error::usage("An offload needs a target")
                .hint("add --to CONNECTION.SCHEMA.TABLE, or set [defaults] to in goe.toml")),
        }
    }
}

/// The target that a source has by default: its own table's name, and its schema's too where the
/// default names a connection alone. Names that are written out stay as they are written.
fn taken_over(source: &TableName, to: &str, defaults: &Defaults) -> Result<String> {
    let case = |name: &str| quoted(&defaults.letter_case.apply(name));
    let table = case(&source.table);
    let is_url = to.contains(':') && !to.contains('#');
    let within = complete(&table, Some(to));
    if !is_url && TableName::parse(&within).is_ok() {
        return Ok(within);
    }
    let prefix = defaults.schema_prefix.as_deref().unwrap_or_default();
    let schema = case(&format!("{prefix}{}", source.schema));
    let full = match is_url {
        true => format!("{to}#{schema}.{table}"),
        false => complete(&format!("{schema}.{table}"), Some(to)),
    };
    if TableName::parse(&full).is_ok() {
        return Ok(full);
    }
    Err(Error::usage(format!("\"{to}\" names no place for tables"))
        .hint("write CONNECTION, or CONNECTION.SCHEMA"))
}

/// `OWNER.TABLE` in the connection that a default names.
fn owned(name: &str, default: Option<&str>, which: &str) -> Result<String> {
    let connection = default.map(|default| match default.split_once('#') {
        Some((url, _)) => format!("{url}#"),
        None => format!("{}.", default.split('.').next().unwrap_or_default()),
    });
    let connection = connection.ok_or_else(|| {
        Error::usage(format!("\"{name}\" says no connection")).hint(format!(
            "set [defaults] {which} = \"CONNECTION\" in goe.toml"
        ))
    })?;
    let full = format!("{connection}{name}");
    match TableName::parse(&full) {
        Ok(_) => Ok(full),
        Err(_) => Err(Error::usage(format!("\"{name}\" is not OWNER.TABLE"))
            .hint("write the two parts of a name: sh.sales")),
    }
}

/// The full form of a table's name that may lack its first parts, which the default has.
pub(super) fn complete(name: &str, default: Option<&str>) -> String {
    match default {
        Some(default) if TableName::parse(name).is_err() => {
            let full = format!("{default}.{name}");
            if TableName::parse(&full).is_ok() {
                full
            } else {
                name.to_owned()
            }
        }
        _ => name.to_owned(),
    }
}

/// A part of a table's name that means itself exactly.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn verify_level() -> impl TypedValueParser<Value = VerifyLevel> {
    PossibleValuesParser::new(["count", "aggregates", "checksum", "read_back"])
        .try_map(|text| text.parse::<VerifyLevel>())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (column, form) = text
        .rsplit_once('=')
        .ok_or("write COLUMN=FORM, such as born=julian")?;
    Ok((column.to_owned(), form.to_owned()))
}

/// The parts of a list between commas that stand outside parentheses and quotes.
pub(super) fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Words as a shell would take them in, for a line that a person can paste.
pub(super) fn shell_line(words: &[String]) -> String {
    words
        .iter()
        .map(|word| shell_word(&redact_text(word)))
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+#".contains(c);
    if !word.is_empty() && !word.starts_with('#') && word.chars().all(plain) {
        word.to_owned()
    } else if !word.contains(['"', '$', '`', '\\', '!']) && word.contains('\'') {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LetterCase;

    #[test]
    fn lists_are_cut_at_their_own_commas() {
        let table: [(&str, &[&str]); 5] = [
            ("a", &["a"]),
            ("month(a), b", &["month(a)", "b"]),
            (
                "date_trunc('month', a),\"x,y\"",
                &["date_trunc('month', a)", "\"x,y\""],
            ),
            ("f(g(a, b), c),d", &["f(g(a, b), c)", "d"]),
            (" , ", &[]),
        ];
        for (text, parts) in table {
            assert_eq!(split_list(text), parts, "{text}");
        }
    }

    #[test]
    fn short_names_are_completed() {
        let table = [
            ("orders", Some("pg.public"), "pg.public.orders"),
            ("sales.orders", Some("pg"), "pg.sales.orders"),
            ("a.b.c", Some("pg.public"), "a.b.c"),
            (
                "sqlite:x.db#main.t",
                Some("pg.public"),
                "sqlite:x.db#main.t",
            ),
            (
                "orders",
                Some("sqlite:x.db#main"),
                "sqlite:x.db#main.orders",
            ),
            ("orders", None, "orders"),
            ("\"o.x\"", Some("pg.public"), "pg.public.\"o.x\""),
        ];
        for (name, default, full) in table {
            assert_eq!(complete(name, default), full);
        }
    }

    #[test]
    fn a_target_takes_its_names_over() {
        let source = TableName::new("ora", "SH", "Sales.Old");
        let defaults = |prefix: &str, letter_case| Defaults {
            schema_prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
            letter_case,
            ..Defaults::default()
        };
        let table = [
            ("lake.dw", "", LetterCase::Keep, ["lake", "dw", "Sales.Old"]),
            (
                "lake.dw",
                "hq_",
                LetterCase::Lower,
                ["lake", "dw", "sales.old"],
            ),
            ("lake", "", LetterCase::Keep, ["lake", "SH", "Sales.Old"]),
            (
                "lake",
                "hq_",
                LetterCase::Lower,
                ["lake", "hq_sh", "sales.old"],
            ),
            (
                "lake",
                "hq_",
                LetterCase::Upper,
                ["lake", "HQ_SH", "SALES.OLD"],
            ),
            (
                "delta:l#dw",
                "",
                LetterCase::Lower,
                ["delta:l", "dw", "sales.old"],
            ),
        ];
        for (to, prefix, case, [connection, schema, name]) in table {
            let found = taken_over(&source, to, &defaults(prefix, case)).unwrap();
            let expected = TableName::new(connection, schema, name);
            assert_eq!(TableName::parse(&found).unwrap(), expected, "{to}");
        }
        assert!(taken_over(&source, "a.b.c", &Defaults::default()).is_err());
    }

    #[test]
    fn a_line_can_be_pasted() {
        let table = [
            ("month(a)", "'month(a)'"),
            ("DATE '1999-01-01'", "\"DATE '1999-01-01'\""),
            ("it's $5", "'it'\\''s $5'"),
            ("--to", "--to"),
            ("", "''"),
            ("lake.tpch.orders", "lake.tpch.orders"),
        ];
        for (word, shown) in table {
            assert_eq!(shell_word(word), shown);
        }
    }
}
