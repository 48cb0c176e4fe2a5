//! One client from its first byte to its last: pre-login, login, requests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::answer::{Job, Output, Request};
use super::bytes::{Reader, utf16};
use super::collation::Collation;
use super::engine::Handle;
use super::link::Link;
use super::login::{Encryption, Login, PreLogin, Settled};
use super::packet::{FIRST_SIZE, Kind, Message, Outbox};
use super::refusal::{Refusal, Result};
use super::rpc::Call;
use super::server::{Database, Server};
use super::statement::Isolation;
use super::token::{ATTENTION, Change, Done, FAILED, Tokens};
use super::wire::Manner;

/// What every session of a server begins with.
#[derive(Clone)]
pub struct Welcome {
    pub server: Arc<Server>,
    pub encryption: Encryption,
    pub tls: Option<Arc<ServerConfig>>,
    pub instance: String,
    pub largest_packet: usize,
    pub manner: Manner,
}

/// Serves a client until one of both goes.
pub async fn serve(socket: TcpStream, welcome: Welcome, process: u64) {
    let counters = &welcome.server.counters;
    counters.connected();
    // A client that breaks off, or the rules, has its connection closed; its own error tells the rest.
    if let Err(error) = converse(Link::new(socket), &welcome, process).await {
        counters.refuse(format!("connection {process}: {error}"));
    }
    counters.disconnected();
}

async fn converse(mut link: Link, welcome: &Welcome, process: u64) -> io::Result<()> {
    let Some((login, size)) = greet(&mut link, welcome).await? else {
        return Ok(());
    };
    let database = match admit(&login, &welcome.server) {
        Ok(database) => database,
        Err(refusal) => {
            let mut tokens = Tokens::default();
            tokens.error(&refusal);
            tokens.done(Done::Batch, FAILED, 0);
            return link.answer(FIRST_SIZE, &tokens.0).await;
        }
    };
    welcome.server.counters.logged_in();
    link.answer(FIRST_SIZE, &accepted(&login, &database, size))
        .await?;
    let engine = Handle::start(
        Arc::clone(&welcome.server),
        database,
        login.principal,
        process,
        welcome.manner,
    );
    while let Some(message) = link.receive().await? {
        if message.kind == Kind::Attention {
            // It came too late to stop anything.
            welcome.server.counters.attention();
            let mut tokens = Tokens::default();
            tokens.done(Done::Batch, ATTENTION, 0);
            link.answer(size, &tokens.0).await?;
            continue;
        }
        let reset = message.reset;
        let request = request(&message).map_err(io::Error::other)?;
        if !respond(&mut link, welcome, &engine, request, reset, size).await? {
            break;
        }
    }
    Ok(())
}

/// Pre-login, TLS, and what the client logs in with; the size of packets that is agreed on.
async fn greet(link: &mut Link, welcome: &Welcome) -> io::Result<Option<(Login, usize)>> {
    let Some(first) = link.receive().await? else {
        return Ok(None);
    };
    expect(&first, Kind::PreLogin)?;
    let asked = PreLogin::read(&first.body).map_err(io::Error::other)?;
    let fits = asked.instance.is_empty() || asked.instance.eq_ignore_ascii_case(&welcome.instance);
    let (settled, answer) = asked.answer(welcome.encryption, fits);
    link.answer(FIRST_SIZE, &answer).await?;
    let Some(settled) = settled else {
        return Ok(None);
    };
    if let (true, Some(tls)) = (settled != Settled::Plain, &welcome.tls) {
        link.handshake(Arc::clone(tls)).await?;
    }
    let Some(message) = link.receive().await? else {
        return Ok(None);
    };
    expect(&message, Kind::Login)?;
    if settled == Settled::LoginOnly {
        link.lay_bare();
    }
    let mut login = Login::read(&message.body).map_err(io::Error::other)?;
    if login.integrated {
        take_ticket(link, &mut login, &welcome.server).await?;
    }
    welcome.server.counters.greet(&login);
    let size = match login.packet_size as usize {
        0 => FIRST_SIZE,
        asked => asked.clamp(512, welcome.largest_packet),
    };
    Ok(Some((login, size)))
}

/// Lets the acceptor judge a ticket. As from a server, its reply is a message of its own, before the
/// answer to the login.
async fn take_ticket(link: &mut Link, login: &mut Login, server: &Server) -> io::Result<()> {
    let Some(tickets) = server.tickets.clone() else {
        return Ok(());
    };
    let ticket = login.ticket.clone();
    let judged = tokio::task::spawn_blocking(move || tickets.accept(&ticket)).await?;
    match judged {
        Ok(accepted) => {
            login.principal = Some(accepted.principal);
            let mut tokens = Tokens::default();
            tokens.sspi(&accepted.reply);
            link.answer(FIRST_SIZE, &tokens.0).await
        }
        Err(told) => {
            server.counters.refuse(format!("a ticket: {told}"));
            Ok(())
        }
    }
}

fn expect(message: &Message, kind: Kind) -> io::Result<()> {
    let told = || io::Error::other(format!("{kind:?} expected, {:?} came", message.kind));
    if message.kind == kind {
        Ok(())
    } else {
        Err(told())
    }
}

/// The database that a login leads to.
fn admit(login: &Login, server: &Server) -> Result<Arc<Database>> {
    let failed = |user: &str| {
        let told = format!("Login failed for user '{user}'.");
        Refusal {
            state: 8,
            class: 14,
            ..Refusal::new(18456, told)
        }
    };
    let user = login.principal.as_ref().unwrap_or(&login.user);
    let known = match &login.token {
        Some(token) => server.token.as_ref() == Some(token),
        None if login.integrated => {
            let tickets = server.tickets.as_ref();
            let principal = login.principal.as_ref().ok_or_else(|| {
                let told = "Login failed. The login is from an untrusted domain and cannot be used \
                            with Integrated authentication.";
                Refusal::new(18452, told)
            })?;
            tickets.is_some_and(|tickets| tickets.admitted.contains(principal))
        }
        None => login.user.eq_ignore_ascii_case(&server.user) && login.password == server.password,
    };
    if !known {
        return Err(failed(user));
    }
    match server.faults.login_error() {
        Some(18456) => return Err(failed(user)),
        Some(number) => return Err(Refusal::new(number, "An error that the test wanted.")),
        None => {}
    }
    server.database(&login.database).ok_or_else(|| {
        let told = format!(
            "Cannot open database \"{}\" requested by the login. The login failed.",
            login.database
        );
        Refusal {
            class: 11,
            ..Refusal::new(4060, told)
        }
    })
}

fn accepted(login: &Login, database: &Database, size: usize) -> Vec<u8> {
    let name = database.catalog().database.clone();
    let mut tokens = Tokens::default();
    tokens.change(&Change::Database(name.clone(), "master".to_owned()));
    tokens.info(5701, &format!("Changed database context to '{name}'."));
    tokens.change(&Change::Collation(Collation::default()));
    tokens.change(&Change::Language("us_english".to_owned()));
    tokens.info(5703, "Changed language setting to us_english.");
    tokens.login_ack();
    tokens.change(&Change::PacketSize(size, FIRST_SIZE));
    if login.token.is_some() {
        tokens.federated_ack();
    }
    tokens.done(Done::Batch, 0, 0);
    tokens.0
}

/// What a message asks for.
fn request(message: &Message) -> std::result::Result<Request, String> {
    let mut reader = Reader(&message.body);
    match message.kind {
        Kind::Batch => {
            reader.skip_headers()?;
            utf16(reader.0).map(Request::Batch)
        }
        Kind::Rpc => Ok(Request::Call(Call::read(&message.body))),
        Kind::Transaction => {
            reader.skip_headers()?;
            match reader.u16()? {
                5 => match reader.u8()? {
                    0 => Ok(Request::Begin(None)),
                    2 => Ok(Request::Begin(Some(Isolation::ReadCommitted))),
                    5 => Ok(Request::Begin(Some(Isolation::Snapshot))),
                    level => Err(format!("isolation level {level} is not known")),
                },
                7 => Ok(Request::Commit),
                8 => Ok(Request::RollBack),
                kind => Err(format!("transaction request {kind} is not known")),
            }
        }
        kind => Err(format!("a message {kind:?} after the login")),
    }
}

/// Passes an answer on as it comes, and listens for the client's attention meanwhile. Says whether the
/// connection goes on.
async fn respond(
    link: &mut Link,
    welcome: &Welcome,
    engine: &Handle,
    request: Request,
    reset: bool,
    size: usize,
) -> io::Result<bool> {
    let (answer, mut outputs) = mpsc::channel(4);
    let cancelled = Arc::new(AtomicBool::new(false));
    let cancel = || {
        cancelled.store(true, Ordering::SeqCst);
        engine.interrupt();
    };
    engine.ask(Job {
        request,
        reset,
        answer,
        cancelled: Arc::clone(&cancelled),
    });
    let mut outbox = Outbox::new(Kind::Response, size);
    let (mut attention, mut answered) = (false, false);
    loop {
        tokio::select! {
            output = outputs.recv() => match output {
                Some(Output::Tokens(_)) if attention => {}
                Some(Output::Tokens(tokens)) => {
                    answered = true;
                    let sent = link.send(&outbox.add(&tokens)).await;
                    if sent.is_err() {
                        cancel();
                    }
                    sent?;
                }
                Some(Output::Close) => return Ok(false),
                Some(Output::Hang) => {
                    while link.receive().await?.is_some() {}
                    return Ok(false);
                }
                None => break,
            },
            message = link.receive(), if !attention => match message {
                Ok(Some(Message { kind: Kind::Attention, .. })) => {
                    attention = true;
                    welcome.server.counters.attention();
                    cancel();
                }
                Ok(None) => {
                    cancel();
                    return Ok(false);
                }
                Ok(Some(message)) => {
                    cancel();
                    let told = format!("{:?} before the last request was answered", message.kind);
                    return Err(io::Error::other(told));
                }
                Err(error) => {
                    cancel();
                    return Err(error);
                }
            },
        }
    }
    if !answered && !attention {
        return Err(io::Error::other("the engine of this session has panicked"));
    }
    if attention {
        let mut tokens = Tokens::default();
        tokens.done(Done::Batch, ATTENTION, 0);
        link.send(&outbox.add(&tokens.0)).await?;
    }
    link.send(&outbox.finish()).await?;
    Ok(true)
}
