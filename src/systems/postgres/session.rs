//! One session on the server: opened within the time allowed, read-only, and cancellable.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::Settings;
use super::error::{failed, lacks_tls, not_connected, too_slow};
use super::silence::{Silence, within};
use super::tap::{Connector, Tap};
use super::tls::{Attempt, SslMode};
use crate::error::{Error, Result};
use crate::fault;
use crate::systems::shelf::Reusable;

const SESSION: &str = include_str!("../../../sql/catalog/postgres/session.sql");

/// How long a cancel request may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(4);

/// An open session. Dropping it ends it.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) silence: Silence,
    /// Where the rows of its COPY come out.
    pub(super) tap: Tap,
    cancel: CancelToken,
    connector: Connector,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    /// A free session; else connects, logs in and sets one up.
    pub(super) async fn open(settings: &Settings) -> Result<Self> {
        if let Some(free) = settings.shelf.take() {
            return Ok(free);
        }
        fault::source()?;
        let opened = timeout(settings.connect_timeout, async {
            let session = Self::connect(settings).await?;
            session.set_up(settings).await?;
            Ok(session)
        });
        opened.await.unwrap_or_else(|_| Err(too_slow(settings)))
    }

    /// Tries what `sslmode` allows, and tells the first refusal.
    pub(super) async fn connect(settings: &Settings) -> Result<Self> {
        let tls = settings.trust.connector()?;
        let mut first = None;
        for attempt in settings.attempts() {
            match Self::attempt(settings, attempt, &tls).await {
                Ok(session) => return Ok(session),
                Err(error) if settings.trust.mode == SslMode::Prefer && lacks_tls(&error) => {
                    settings.remember_no_tls();
                }
                Err(error) => {
                    let error = not_connected(settings, error);
                    let again = may_go_otherwise(&error);
                    first.get_or_insert(error);
                    if !again {
                        break;
                    }
                }
            }
        }
        Err(first.unwrap_or_else(|| too_slow(settings)))
    }

    async fn attempt(
        settings: &Settings,
        attempt: Attempt,
        tls: &MakeRustlsConnect,
    ) -> Result<Self, tokio_postgres::Error> {
        let tap = Tap::default();
        let connector = Connector {
            tls: (attempt == Attempt::Tls).then(|| tls.clone()),
            tap: tap.clone(),
            awaits_end: false,
        };
        let config = settings.config(attempt);
        let (client, connection) = config.connect(connector.clone()).await?;
        // Its errors come out of the client's calls, too.
        tokio::spawn(async move { drop(connection.await) });
        let cancel = client.cancel_token();
        Ok(Self {
            client,
            silence: settings.silence,
            tap,
            cancel,
            connector,
        })
    }

    async fn set_up(&self, settings: &Settings) -> Result<()> {
        let mut sql = SESSION.to_owned();
        for (name, value) in &settings.session {
            sql.push_str(&format!("SET {name} = '{}';\n", value.replace('\'', "''")));
        }
        self.client.batch_execute(&sql).await.map_err(|error| {
            failed(
                &format!(
                    "Connection \"{}\" can't set its session up",
                    settings.connection
                ),
                error,
            )
        })
    }

    /// Runs statements without results.
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<()> {
        fault::source()?;
        within(self.silence.brief(), doing, self.client.batch_execute(sql))
            .await?
            .map_err(|error| failed(doing, error))
    }

    /// Asks what the server answers soon: its catalog, mostly.
    pub(super) async fn ask(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>> {
        fault::source()?;
        let answer = self.client.query_typed(sql, parameters);
        within(self.silence.brief(), doing, answer)
            .await?
            .map_err(|error| failed(doing, error))
    }

    /// Stops what the session does now. Best effort: the server may be done already.
    pub(super) async fn cancel(&self) {
        let connector = Connector {
            tap: Tap::default(),
            awaits_end: true,
            ..self.connector.clone()
        };
        let cancelled = self.cancel.cancel_query(connector);
        // A server that does not answer will notice that we are gone.
        let _ = timeout(CANCEL_TIMEOUT, cancelled).await;
    }
}

impl Reusable for Session {
    fn is_alive(&self) -> bool {
        !self.client.is_closed()
    }

    async fn ended(self) -> Result<Self> {
        self.run("A transaction can't be ended", "ROLLBACK").await?;
        Ok(self)
    }
}

/// Whether the server may take us with TLS where it did not without, or the other way round: not if
/// it refused our password, say, but if its rules have no line for us.
fn may_go_otherwise(error: &Error) -> bool {
    !error
        .facts()
        .iter()
        .any(|(key, code)| *key == "sqlstate" && code != "28000")
}
