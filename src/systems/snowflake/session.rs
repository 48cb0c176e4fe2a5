//! Sessions on the server, and what is asked there.

use std::sync::Arc;

use snowflake_connector_rs::decode::{FromRow, PlanBuildResult, RowDecodeResult, RowPlanContext};
use snowflake_connector_rs::{Client, IntoStatement, ResultCursor, RowRef, Session, Statement};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connect::Settings;
use super::error::{failed, not_connected, too_slow};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Operation};

/// The connection: its settings, and a session that its statements share.
pub(super) struct Warehouse {
    pub(super) settings: Settings,
    client: Mutex<Option<Arc<Client>>>,
    shared: Mutex<Option<Arc<Session>>>,
}

impl std::fmt::Debug for Warehouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Warehouse")
            .field(&self.settings.connection)
            .finish()
    }
}

impl Warehouse {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            client: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// A session of its own, for a transaction or for what belongs to one session.
    pub(super) async fn log_in(&self) -> Result<Session> {
        let client = self.client().await?;
        call(Operation::Store)?;
        let opened = timeout(self.settings.connect_timeout, client.create_session()).await;
        opened
            .map_err(|_| too_slow(&self.settings))?
            .map_err(|error| not_connected(&self.settings, &error))
    }

    async fn client(&self) -> Result<Arc<Client>> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(Arc::clone(client));
        }
        let made = Arc::new(self.settings.client()?);
        *client = Some(Arc::clone(&made));
        Ok(made)
    }

    async fn shared(&self) -> Result<Arc<Session>> {
        let mut shared = self.shared.lock().await;
        if let Some(session) = shared.as_ref() {
            return Ok(Arc::clone(session));
        }
        let made = Arc::new(self.log_in().await?);
        *shared = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The answer to a query, on the shared session or, where its token has run out, on a new one.
    pub(super) async fn open(&self, doing: &str, sql: &str) -> Result<ResultCursor> {
        let session = self.shared().await?;
        call(Operation::Store)?;
        match session.query(sql.to_owned()).await {
            Err(error) if error.is_session_expired() => {
                *self.shared.lock().await = None;
                let session = self.shared().await?;
                let again = session.query(sql.to_owned()).await;
                again.map_err(|error| failed(doing, &error))
            }
            answer => answer.map_err(|error| failed(doing, &error)),
        }
    }

    /// All rows of a query with a small answer.
    pub(super) async fn rows(&self, doing: &str, sql: &str) -> Result<Vec<Cells>> {
        collect(doing, self.open(doing, sql).await?).await
    }

    /// Runs statements whose second time changes nothing.
    pub(super) async fn run_all(&self, doing: &str, statements: &[String]) -> Result<()> {
        for statement in statements {
            self.rows(doing, statement).await?;
            call(Operation::Answer)?;
        }
        Ok(())
    }
}

/// Runs one statement of a session.
pub(super) async fn run(session: &Session, doing: &str, sql: &str) -> Result<Vec<Cells>> {
    answer(session, doing, Statement::new(sql.to_owned())).await
}

/// Runs one statement of a session with texts in the places of its question marks.
pub(super) async fn run_with(
    session: &Session,
    doing: &str,
    sql: &str,
    texts: [String; 3],
) -> Result<Vec<Cells>> {
    let [first, second, third] = texts;
    let statement = Statement::new(sql.to_owned()).bind(first);
    answer(session, doing, statement.bind(second).bind(third)).await
}

async fn answer<S: IntoStatement>(
    session: &Session,
    doing: &str,
    statement: S,
) -> Result<Vec<Cells>> {
    call(Operation::Store)?;
    let answer = session.query(statement).await;
    let rows = collect(doing, answer.map_err(|error| failed(doing, &error))?).await?;
    call(Operation::Answer)?;
    Ok(rows)
}

async fn collect(doing: &str, mut answer: ResultCursor) -> Result<Vec<Cells>> {
    let mut all = Vec::new();
    loop {
        let table = answer.next_table().await;
        let Some(table) = table.map_err(|error| failed(doing, &error))? else {
            return Ok(all);
        };
        let rows = table
            .rows::<Cells>()
            .map_err(|error| failed(doing, &error))?;
        for row in rows {
            all.push(row.map_err(|error| failed(doing, &error))?);
        }
    }
}

/// The texts of one row.
#[derive(Debug)]
pub(super) struct Cells(Vec<Option<Box<str>>>);

impl Cells {
    /// A cell; `None` for NULL and for one that is not there.
    pub(super) fn text(&self, position: usize) -> Option<&str> {
        self.0.get(position)?.as_deref()
    }

    /// A cell that must be there.
    pub(super) fn required(&self, position: usize) -> Result<&str> {
        self.text(position)
            .ok_or_else(|| Error::internal(format!("The server's answer lacks column {position}")))
    }

    /// A count.
    pub(super) fn count(&self, position: usize) -> Result<u64> {
        let text = self.required(position)?;
        text.parse()
            .map_err(|_| Error::internal(format!("The server counts \"{text}\"")))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromRow for Cells {
    type Plan = usize;

    fn build_plan(context: RowPlanContext<'_>) -> PlanBuildResult<usize> {
        Ok(context.schema().columns().len())
    }

    fn from_row_with_plan(row: RowRef<'_>, columns: &usize) -> RowDecodeResult<Self> {
        let mut cells = Vec::with_capacity(*columns);
        for position in 0..*columns {
            cells.push(row.cell_at(position)?.raw().map(Box::from));
        }
        Ok(Self(cells))
    }
}

/// How many rows a statement changed, as the server reports it: the first number of its answer.
pub(super) fn changed(rows: &[Cells]) -> Result<u64> {
    let first = rows.first();
    first
        .ok_or_else(|| Error::internal("The server did not say how many rows it changed"))?
        .count(0)
}

/// A call to the server, whose failure is that of a lost connection.
pub(super) fn call(operation: Operation) -> Result<()> {
    fault::call(operation).map_err(|error| {
        Error::new(ErrorKind::Connect, "The server went away")
            .hint("run again")
            .caused_by(error)
            .temporary()
    })
}
