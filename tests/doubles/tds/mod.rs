//! A stand-in for SQL Server: TDS 7.4 over TCP before an embedded SQLite database.
//!
//! What it can prove: that our use of the driver works (login, TLS, packets, attention, transactions,
//! lost connections), that values of each type come through as they are, that readers run in parallel
//! and see one state, and that what we send is T-SQL to a parser and to the subset that is written down
//! here. What it cannot prove: that a real server accepts our SQL, plans it well, or has the catalog
//! that we think it has. The catalog's views and T-SQL's meaning are what this code's author read, and
//! a mistake that is made on both sides is not seen. Tests take a real server by `GOE_TEST_SQLSERVER`.
//!
//! It refuses what it does not know with error 50000 and the construct's name, and counts it; so it
//! does with everything that would write.
//!
//! | file | what is in it |
//! |---|---|
//! | `packet` `link` `login` `bytes` | packets, TLS inside of them, pre-login and login |
//! | `ticket` | logins by a ticket of Kerberos, judged by a real acceptor; those of one round only |
//! | `session` `engine` `answer` `server` | a client's requests, the thread that answers them, what all share |
//! | `token` `wire` `rpc` | what an answer consists of, values in rows, procedure calls |
//! | `statement` `translate` | a batch cut into statements, T-SQL as SQL of the engine, with its types |
//! | `types` `storage` `variant` `decimal` `calendar` `collation` `convert` | types, how their values are kept exactly, compared and converted |
//! | `catalog` `views` `functions` `checksum` `locks` `faults` | tables and partitions, the `sys` views, what the engine lacks, hashes (not the server's own), table locks, mishaps |
//! | `browser` | the SQL Browser, which knows where a named instance listens |

mod answer;
mod browser;
mod bytes;
mod calendar;
mod catalog;
mod checksum;
mod collation;
mod convert;
mod decimal;
mod engine;
mod faults;
mod functions;
mod link;
mod locks;
mod login;
mod packet;
mod refusal;
mod rpc;
mod server;
mod session;
mod statement;
mod storage;
#[cfg(test)]
mod tests;
mod ticket;
mod token;
mod tpch;
mod translate;
mod types;
mod variant;
mod views;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub use browser::Browser;
pub use catalog::{PartitionFunction, Table};
pub use faults::{Counters, Fault, Mishap};
pub use login::Encryption;
pub use storage::Value;
#[cfg_attr(not(feature = "sqlserver-kerberos"), allow(unused_imports))]
pub use ticket::Tickets;

use catalog::Catalog;
use link::Certificates;
use server::Server;
use session::Welcome;
use wire::Manner;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address that is listened at.
    pub address: String,
    pub user: String,
    pub password: String,
    /// An access token that logs in instead of user and password.
    pub token: Option<String>,
    /// How tickets of Kerberos are judged; without it none is taken.
    pub tickets: Option<Tickets>,
    pub database: String,
    pub instance: String,
    /// Anything but `None` needs `openssl`.
    pub encryption: Encryption,
    /// `ALLOW_SNAPSHOT_ISOLATION`.
    pub allows_snapshot: bool,
    /// `READ_COMMITTED_SNAPSHOT`.
    pub read_committed_snapshot: bool,
    pub read_only: bool,
    /// Whether the login has the right `UNMASK`.
    pub may_unmask: bool,
    /// The most that packets are agreed to be.
    pub largest_packet: usize,
    /// Bytes of a chunk of `max` values.
    pub chunk: usize,
    /// Whether `max` values of several chunks tell their length first.
    pub tells_length: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".to_owned(),
            user: "goe".to_owned(),
            password: "Pa$$w0rd-ü".to_owned(),
            token: None,
            tickets: None,
            database: "shop".to_owned(),
            instance: "MSSQLSERVER".to_owned(),
            encryption: Encryption::None,
            allows_snapshot: true,
            read_committed_snapshot: false,
            read_only: false,
            may_unmask: true,
            largest_packet: 32_767,
            chunk: 8_000,
            tells_length: true,
        }
    }
}

/// A server that runs until it is dropped.
pub struct Tds {
    options: Options,
    server: Arc<Server>,
    certificates: Option<Certificates>,
    port: u16,
    /// Kept for as long as clients are to be served.
    runtime: Option<Runtime>,
}

impl Tds {
    pub fn start(options: Options) -> Self {
        let catalog = Catalog {
            database: options.database.clone(),
            login: options.user.clone(),
            allows_snapshot: options.allows_snapshot,
            read_committed_snapshot: options.read_committed_snapshot,
            read_only: options.read_only,
            may_unmask: options.may_unmask,
            ..Catalog::default()
        };
        let server = Server::new(
            catalog,
            options.password.clone(),
            options.token.clone(),
            options.tickets.clone(),
        );
        let server = Arc::new(server.expect("the embedded engine"));
        let certificates = match options.encryption {
            Encryption::None => None,
            _ => Some(Certificates::make().expect("openssl makes certificates")),
        };
        let welcome = Welcome {
            server: Arc::clone(&server),
            encryption: options.encryption,
            tls: certificates.as_ref().map(Certificates::configuration),
            instance: options.instance.clone(),
            largest_packet: options.largest_packet,
            manner: Manner {
                chunk: options.chunk,
                tells_length: options.tells_length,
                text_size: usize::MAX,
            },
        };
        // Neither of both waits, so that a test that is asynchronous may start one too.
        let listener =
            std::net::TcpListener::bind((options.address.as_str(), 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.spawn(listen(listener, welcome));
        Self {
            options,
            server,
            certificates,
            port,
            runtime: Some(runtime),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Without the password: `sqlserver://goe@127.0.0.1:1433/shop`.
    pub fn url(&self) -> String {
        format!(
            "sqlserver://{}@{}:{}/{}",
            self.options.user, self.options.address, self.port, self.options.database
        )
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The certificate authority that a client is to trust.
    pub fn authority(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(Certificates::authority)
    }

    pub fn create_function(&self, function: PartitionFunction) {
        self.server.create_function(function);
    }

    /// Makes a table. Its partition function is made before.
    pub fn create(&self, table: Table) {
        self.server.create_table(table);
    }

    /// Makes a view that shows a table as it is.
    pub fn create_view(&self, name: &str, table: &str) {
        let (schema, base) = table.split_once('.').unwrap_or(("dbo", table));
        let catalog = self.server.catalog();
        let columns = catalog
            .find(schema, base)
            .expect("the table of a view")
            .table
            .columns
            .clone();
        let shows = Some(format!("{schema}.{base}"));
        self.server.create_table(Table {
            columns,
            shows,
            ..Table::new(name)
        });
    }

    /// Gives a table another name; both are `schema.name`.
    pub fn create_synonym(&self, name: &str, table: &str) {
        let names = (name.to_owned(), table.to_owned());
        self.server
            .change(|catalog, _| catalog.synonyms.push(names));
    }

    /// Puts rows into a table, as another client that commits would: it waits while somebody holds a
    /// lock of the table.
    pub fn insert(&self, table: &str, rows: Vec<Vec<Value>>) {
        let inserted = self.server.insert(table, rows);
        inserted.unwrap_or_else(|told| panic!("{told}"));
    }

    /// Takes out all rows, and waits in the same way.
    pub fn truncate(&self, table: &str) {
        self.server.truncate(table);
    }

    /// Says that a table was altered now: its `modify_date` changes.
    pub fn alter(&self, table: &str) {
        let (schema, name) = table.split_once('.').unwrap_or(("dbo", table));
        self.server.change(|catalog, _| {
            let id = catalog.find(schema, name).expect("a table").id;
            let held = catalog.tables.iter_mut().find(|held| held.id == id);
            held.expect("the table").altered += 1;
        });
    }

    /// The login may not read a table any more: error 229.
    pub fn deny(&self, table: &str) {
        self.server
            .change(|catalog, _| catalog.denied.push(table.to_owned()));
    }

    /// Makes a database snapshot of the state of now; a client logs in to it by its name.
    pub fn snapshot(&self, name: &str) {
        self.server.snapshot(name);
    }

    /// How many sessions hold a shared lock of a table.
    pub fn lock_holders(&self, table: &str) -> usize {
        self.server.locks.sharers(table)
    }

    /// Locks a table as an open transaction that wrote to it does, until the guard is dropped.
    pub fn lock(&self, table: &str) -> Exclusive {
        self.server.locks.exclude(table);
        Exclusive {
            server: Arc::clone(&self.server),
            table: table.to_owned(),
        }
    }

    /// Something is to go wrong, once.
    pub fn plan(&self, fault: Fault) {
        self.server.faults.plan(fault);
    }

    /// How many planned faults have not happened.
    pub fn faults_left(&self) -> usize {
        self.server.faults.left()
    }

    /// Every row takes so long from now on.
    pub fn slow_down(&self, row: Duration) {
        self.server.faults.slow_down(row);
    }

    /// So many logins that are right fail from now on, with an error of this number.
    pub fn fail_logins(&self, number: i32, count: u64) {
        self.server.faults.fail_logins(number, count);
    }

    pub fn counters(&self) -> &Counters {
        &self.server.counters
    }
}

impl Drop for Tds {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A table that is locked.
pub struct Exclusive {
    server: Arc<Server>,
    table: String,
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.server.locks.include(&self.table);
    }
}

async fn listen(listener: std::net::TcpListener, welcome: Welcome) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    let processes = AtomicU64::new(51);
    while let Ok((socket, _)) = listener.accept().await {
        let process = processes.fetch_add(1, Ordering::Relaxed);
        // Small answers are not to wait for more.
        socket.set_nodelay(true).expect("a socket");
        tokio::spawn(session::serve(socket, welcome.clone(), process));
    }
}
