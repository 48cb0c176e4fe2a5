//! One session on the server: opened within the time allowed, set up, and cancellable.

use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tiberius::error::Error as Driver;
use tiberius::{Client, Config, Row, SqlBrowser};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::answer::Answer;
use super::connect::Settings;
use super::error::{failed, not_connected, too_slow};
use super::server::{SERVER, Server};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::systems::shelf::Reusable;
use crate::systems::silence::{Silence, within};

const SESSION: &str = include_str!("../../../sql/catalog/sqlserver/session.sql");

/// Ends whatever transaction there is, and goes back to what a new session has.
const END: &str = "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; \
                   SET TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// How long a cancel request may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(4);

/// How often a server may send us on to another one.
const ROUTES: usize = 3;

/// What the driver speaks through.
pub(super) type Wire = Compat<TcpStream>;

/// An open session. Dropping it ends it.
pub(super) struct Session {
    pub(super) client: Client<Wire>,
    pub(super) silence: Silence,
    /// What matters about the server.
    pub(super) server: Arc<Server>,
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
            let client = connect(settings).await?;
            set_up(settings, client).await
        });
        opened.await.unwrap_or_else(|_| Err(too_slow(settings)))
    }

    /// Runs statements, and gives the rows of each that has any.
    pub(super) async fn ask(&mut self, doing: &str, sql: &str) -> Result<Vec<Vec<Row>>> {
        fault::source()?;
        within(self.silence.brief(), doing, results(&mut self.client, sql))
            .await?
            .map_err(|error| failed(doing, error))
    }

    /// Runs statements whose rows do not matter.
    pub(super) async fn run(&mut self, doing: &str, sql: &str) -> Result<()> {
        self.ask(doing, sql).await.map(|_| ())
    }

    /// Ends its transaction, if it is in one.
    pub(super) async fn end(&mut self, doing: &str) -> Result<()> {
        self.run(doing, END).await
    }

    /// Stops what the session does now; `false` if it can't be used any more.
    pub(super) async fn cancel(&mut self) -> bool {
        matches!(
            timeout(CANCEL_TIMEOUT, self.client.cancel_query()).await,
            Ok(Ok(()))
        )
    }
}

impl Reusable for Session {
    /// As far as is known: the driver does not tell.
    fn is_alive(&self) -> bool {
        true
    }

    async fn ended(mut self) -> Result<Self> {
        self.end("A transaction can't be ended").await?;
        Ok(self)
    }
}

async fn results(client: &mut Client<Wire>, sql: &str) -> tiberius::Result<Vec<Vec<Row>>> {
    client.simple_query(sql).await?.into_results().await
}

/// Connects and logs in, at the server that the first one may name instead of itself.
async fn connect(settings: &Settings) -> Result<Client<Wire>> {
    let mut config = settings.config.clone();
    for _ in 0..ROUTES {
        match attempt(&config, settings.by_ticket).await {
            Ok(client) => return Ok(client),
            Err(Driver::Routing { host, port }) => {
                config.hostname_in_certificate(&host);
                config.host(&host);
                config.port(port);
            }
            Err(error) => return Err(not_connected(settings, error)),
        }
    }
    Err(too_slow(settings).hint("servers send us on to one another"))
}

/// Kerberos' library blocks while it waits for its KDC, for half a minute if that is silent. So it does
/// that where nobody else has to wait, and we may leave it there.
async fn attempt(config: &Config, by_ticket: bool) -> tiberius::Result<Client<Wire>> {
    if !by_ticket {
        return log_in(config).await;
    }
    let (config, here) = (config.clone(), Handle::current());
    let logged_in = spawn_blocking(move || here.block_on(log_in(&config))).await;
    logged_in.unwrap_or_else(|error| Err(Driver::Protocol(error.to_string().into())))
}

async fn log_in(config: &Config) -> tiberius::Result<Client<Wire>> {
    let stream = TcpStream::connect_named(config).await?;
    keep_alive(&stream)?;
    Client::connect(config.clone(), stream.compat_write()).await
}

/// A host that is gone is noticed within two minutes, also while we only wait for it.
fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    let asked = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    SockRef::from(stream).set_tcp_keepalive(&asked)
}

async fn set_up(settings: &Settings, mut client: Client<Wire>) -> Result<Session> {
    let doing = format!(
        "Connection \"{}\" can't set its session up",
        settings.connection
    );
    // A longer value comes cut to this length, and is refused for it.
    let sql = format!(
        "{SESSION}SET TEXTSIZE {};\nSET LOCK_TIMEOUT {};\n{SERVER}",
        settings.max_value_bytes,
        settings.lock_timeout.as_millis()
    );
    let answer = results(&mut client, &sql)
        .await
        .map_err(|error| failed(&doing, error))?;
    let row = answer.iter().flatten().next();
    let row = row.ok_or_else(|| Error::internal(doing.clone()))?;
    let server = Server::read(&Answer::new(&doing, row))?;
    if settings.snapshot.is_some() && !server.is_snapshot {
        let message = format!(
            "Connection \"{}\" names \"{}\" as a database snapshot, and it is none",
            settings.connection, server.database
        );
        return Err(Error::new(ErrorKind::Config, message)
            .hint("CREATE DATABASE … AS SNAPSHOT OF … makes one; database=NAME reads a database"));
    }
    Ok(Session {
        client,
        silence: settings.silence,
        server: Arc::new(server),
    })
}
