//! One statement, ours or the engine's, and what it gives.

use std::sync::Arc;

use datafusion::prelude::DataFrame;

use super::{GoeOptions, PreviewExtent, Session};
use crate::config::{NewConnection, parse_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::offload::statement::{Options, Shown, Statement, Subject, parse};
use crate::offload::{Offload, OffloadSpec, Plan, Preview, Take};
use crate::run::{Against, Interrupt, Outcome, Verification, Watcher};
use crate::schema::{TableName, pick};

/// How many rows a PREVIEW without LIMIT shows.
const PREVIEWED: usize = 20;

/// What a statement gave.
#[must_use]
pub enum Answer {
    /// Rows, not read yet.
    Rows(DataFrame),
    /// `EXPLAIN OFFLOAD`.
    Plan(Box<Plan>),
    /// `PREVIEW OFFLOAD`.
    Preview(Box<Preview>),
    /// `RUN OFFLOAD`, `INSERT`.
    Ran(Box<Outcome>),
    /// `VERIFY OFFLOAD`; a difference is no error here.
    Verified(Verification),
    /// What was asked for, as text: a definition, a plan as JSON.
    Text(String),
    /// Something was done: in words.
    Done(String),
}

impl Session {
    /// Runs one statement: one of [`crate::offload::statement`], or any of the engine's. It is its
    /// own consent: what writes, writes.
    ///
    /// # Errors
    /// Kind Usage with line and column for a text that does not parse, and whatever the systems say.
    pub async fn execute(
        &self,
        statement: &str,
        watcher: Arc<dyn Watcher>,
        interrupt: Interrupt,
    ) -> Result<Answer> {
        let Some(statement) = parse(statement)? else {
            return interrupt.or(self.sql(statement)).await.map(Answer::Rows);
        };
        match statement {
            Statement::Run {
                name,
                take,
                options,
            } => {
                let offload = self.ready(&options.apply(&self.named(&name).await?)?)?;
                let outcome = self.offload(&offload, &take, watcher, interrupt).await?;
                Ok(Answer::Ran(Box::new(outcome)))
            }
            Statement::Insert(spec) => {
                let offload = self.ready(&spec)?;
                let outcome = self.offload(&offload, &Take::New, watcher, interrupt).await;
                let outcome = outcome.map_err(|error| another_query(error, &offload))?;
                Ok(Answer::Ran(Box::new(outcome)))
            }
            Statement::Verify { name, rows, stored } => {
                let target = TableName::parse(&self.named(&name).await?.to)?;
                let against = match rows {
                    Some(rows) => Against::Slice(rows),
                    None if stored => Against::Stored,
                    None => Against::Source,
                };
                let verified = self.verify(&target, &against, watcher, interrupt).await?;
                Ok(Answer::Verified(verified))
            }
            reading => interrupt.or(self.answer(reading)).await,
        }
    }

    /// A statement that moves no rows.
    async fn answer(&self, statement: Statement) -> Result<Answer> {
        match statement {
            Statement::Explain {
                subject,
                take,
                json,
                options,
            } => self.explain(subject, &take, json, &options).await,
            Statement::Preview { subject, limit } => {
                let offload = self.ready(&self.subject(subject).await?)?;
                let extent = PreviewExtent {
                    rows: limit.unwrap_or(PREVIEWED),
                    all: false,
                };
                let preview = self.preview(&offload, &Take::New, extent).await?;
                Ok(Answer::Preview(Box::new(preview)))
            }
            Statement::Show(shown) => self.sql(listing(shown)).await.map(Answer::Rows),
            Statement::Describe { name } => self.named(&name).await?.statement().map(Answer::Text),
            Statement::CreateConnection {
                name,
                replace,
                url,
                options,
            } => {
                let connection = NewConnection {
                    name: &name,
                    url: &url,
                    options: &options,
                    replace,
                };
                self.connections().keep(&connection)?;
                let file = self.config().home();
                let shown = file.display();
                Ok(Answer::Done(format!(
                    "Connection {name} is kept in {shown}."
                )))
            }
            Statement::CreateOffload { replace, spec } => self.define(&spec, replace),
            Statement::Alter { name, options } => self.alter(&name, &options),
            Statement::Drop { name, if_exists } => self.forget(&name, if_exists),
            Statement::Run { .. } | Statement::Insert(_) | Statement::Verify { .. } => {
                Err(Error::internal("A statement that moves rows only answers"))
            }
        }
    }

    async fn explain(
        &self,
        subject: Subject,
        take: &Take,
        json: bool,
        options: &Options,
    ) -> Result<Answer> {
        let spec = options.apply(&self.subject(subject).await?)?;
        let plan = self.plan(&self.ready(&spec)?, take).await?;
        Ok(if json {
            Answer::Text(plan.to_json().to_string())
        } else {
            Answer::Plan(Box::new(plan))
        })
    }

    fn define(&self, spec: &OffloadSpec, replace: bool) -> Result<Answer> {
        let offload = spec.validate()?;
        let name = offload.name();
        self.refuse_file(name)?;
        let repository = self.memory().open()?;
        let known = repository.definition(name)?;
        if known.is_some_and(|known| known.spec != *spec) && !replace {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("There is an offload \"{name}\""),
            )
            .hint("CREATE OR REPLACE OFFLOAD defines it anew"));
        }
        repository.apply(spec)?;
        Ok(Answer::Done(format!("Offload {name} is defined.")))
    }

    fn alter(&self, name: &str, options: &Options) -> Result<Answer> {
        let repository = self.memory().open()?;
        let name = self.applied(name)?;
        self.refuse_file(&name)?;
        if let Some(known) = repository.definition(&name)? {
            repository.apply(&options.apply(&known.spec)?)?;
        }
        Ok(Answer::Done(format!("Offload {name} is changed.")))
    }

    fn forget(&self, name: &str, if_exists: bool) -> Result<Answer> {
        let name = match self.applied(name) {
            Err(error) if if_exists && error.kind() == ErrorKind::NotFound => {
                return Ok(Answer::Done(format!("There is no offload \"{name}\".")));
            }
            found => found?,
        };
        self.refuse_file(&name)?;
        self.memory().open()?.drop_definition(&name)?;
        Ok(Answer::Done(format!(
            "Offload {name} is forgotten; its target stays as it is."
        )))
    }

    /// What a file says, only the file changes.
    fn refuse_file(&self, name: &str) -> Result<()> {
        match self.project()?.find(name) {
            Some(defined) => Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("Offload {name} is defined in {}", defined.file.display()),
            )
            .hint("change or remove it there: a project's files win")),
            None => Ok(()),
        }
    }

    /// The full name of an offload that was applied.
    fn applied(&self, name: &str) -> Result<String> {
        let known = self.memory().look()?.definitions()?;
        let names = || known.iter().map(|definition| definition.name.as_str());
        let found = pick(name, names()).map(str::to_owned);
        found.ok_or_else(|| unknown(name, names()))
    }

    async fn subject(&self, subject: Subject) -> Result<OffloadSpec> {
        match subject {
            Subject::Named(name) => self.named(&name).await,
            Subject::Inline(spec) => Ok(*spec),
        }
    }

    /// An offload by its name: as the project's files define it, else as it was applied last, else
    /// as the record of a target of that name tells it.
    ///
    /// # Errors
    /// Kind NotFound with the nearest name, and those of the files.
    pub async fn named(&self, name: &str) -> Result<OffloadSpec> {
        if let Some(spec) = self.defined(name)? {
            return Ok(spec);
        }
        if let Ok(target) = TableName::parse(name) {
            return Ok(self.recorded(&target).await?.spec().clone());
        }
        let (project, applied) = (self.project()?, self.memory().look()?.definitions()?);
        let applied = applied.iter().map(|definition| definition.name.as_str());
        Err(unknown(name, applied.chain(project.names())))
    }

    /// An offload of this name, as the project's files define it or as it was applied last.
    ///
    /// # Errors
    /// Those of the files and of the repository.
    pub fn defined(&self, name: &str) -> Result<Option<OffloadSpec>> {
        // The name of a table needs no files, which may be wrong elsewhere.
        if TableName::parse(name).is_err()
            && let Some(defined) = self.project()?.find(name)
        {
            return Ok(Some(defined.spec.clone()));
        }
        let applied = self.memory().look()?.definitions()?;
        let names = applied.iter().map(|definition| definition.name.as_str());
        let found = pick(name, names);
        let applied = applied.iter();
        let mut named = applied.filter(|definition| Some(definition.name.as_str()) == found);
        Ok(named.next().map(|definition| definition.spec.clone()))
    }

    /// An offload ready to run: what it leaves open is as `SET goe.…` says, else as configured.
    ///
    /// # Errors
    /// Those of [`OffloadSpec::validate`] and of a wrong default.
    pub fn ready(&self, spec: &OffloadSpec) -> Result<Offload> {
        let state = self.engine().state();
        let none = GoeOptions::default();
        let set = state.config_options().extensions.get::<GoeOptions>();
        let set = set.unwrap_or(&none);
        let defaults = self.config().defaults();
        let level = set.verify.as_ref().or(defaults.verify.as_ref());
        let memory = set.memory.as_deref().map(parse_bytes).transpose()?;
        let spec = OffloadSpec {
            parallel: spec.parallel.or(set.parallel).or(defaults.parallel),
            memory: spec.memory.or(memory).or(defaults.memory),
            max_rate: spec.max_rate.or(defaults.max_rate),
            retry_seconds: spec.retry_seconds.or(defaults.retry_seconds),
            verify: match spec.verify {
                Some(level) => Some(level),
                None => level.map(|level| level.parse()).transpose()?,
            },
            ..spec.clone()
        };
        spec.validate()
    }
}

fn listing(shown: Shown) -> &'static str {
    match shown {
        Shown::Offloads => {
            "SELECT offload, source, target, applied FROM goe.offloads ORDER BY offload"
        }
        Shown::Connections => "SELECT connection, system FROM goe.connections ORDER BY connection",
        Shown::Runs => {
            "SELECT run, offload, target, started, status, rows, error FROM goe.runs \
             ORDER BY started, run"
        }
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    Error::not_found(format!("There is no offload \"{name}\""), name, known)
}

/// A target is filled by one query; an INSERT with another one is told so.
fn another_query(error: Error, offload: &Offload) -> Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    error.hint(format!(
        "INSERT fills {} by one query, each row once; choose another target for this one, or \
         CREATE OFFLOAD … WITH (reset = true) to replace what is there",
        offload.target()
    ))
}
