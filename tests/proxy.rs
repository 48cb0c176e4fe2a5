//! A network between goe and a server that does what networks do: forwards bytes, and at a byte that
//! was chosen loses them, holds them back, or ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both ends are told that the connection is reset.
    Reset,
    /// Both ends see it end as if the other one had closed it.
    End,
    /// Nothing more comes through, and nobody is told.
    HalfOpen,
    /// The next 256 kB come at 64 kB a second.
    Slow,
    /// What comes next comes two seconds later.
    Delay,
    /// A new connection is closed at once; the byte counts connections.
    Refuse,
}

/// A fault, where it happens.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub fault: Fault,
    pub way: Way,
    /// How many bytes went that way before, over all connections.
    pub at: u64,
}

#[derive(Default)]
struct Traffic {
    to_server: AtomicU64,
    to_client: AtomicU64,
    connections: AtomicU64,
    /// What is yet to happen.
    plan: Mutex<Option<Plan>>,
    mended: AtomicBool,
    ended: AtomicBool,
}

/// Listens until it is dropped.
pub struct Proxy {
    port: u16,
    traffic: Arc<Traffic>,
}

impl Proxy {
    /// A network to a server, `host:port`.
    pub fn new(server: &str, plan: Option<Plan>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let traffic = Arc::new(Traffic::default());
        *traffic.plan.lock().expect("a plan") = plan;
        let (shared, server) = (Arc::clone(&traffic), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                accept(client.expect("a client"), &server, &shared);
            }
        });
        Self { port, traffic }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bytes that went each way so far.
    pub fn bytes(&self, way: Way) -> u64 {
        self.traffic.bytes(way).load(Ordering::Relaxed)
    }

    /// Whether the fault has happened.
    pub fn has_failed(&self) -> bool {
        self.traffic.plan.lock().expect("a plan").is_none()
    }

    /// From now on it is a good network; what hung in it is gone.
    pub fn mend(&self) {
        *self.traffic.plan.lock().expect("a plan") = None;
        self.traffic.mended.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.traffic.ended.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Traffic {
    fn bytes(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }

    /// Counts bytes, and gives the fault that they run into with how many of them come before it.
    fn count(&self, way: Way, bytes: usize) -> Option<(Fault, usize)> {
        let before = self.bytes(way).fetch_add(bytes as u64, Ordering::Relaxed);
        let mut plan = self.plan.lock().expect("a plan");
        let due = plan.filter(|plan| plan.way == way && plan.fault != Fault::Refuse)?;
        if before + (bytes as u64) <= due.at {
            return None;
        }
        *plan = None;
        Some((due.fault, due.at.saturating_sub(before) as usize))
    }

    fn refuses(&self) -> bool {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut plan = self.plan.lock().expect("a plan");
        let due = plan.is_some_and(|plan| plan.fault == Fault::Refuse && before >= plan.at);
        if due {
            *plan = None;
        }
        due
    }
}

fn accept(client: TcpStream, server: &str, traffic: &Arc<Traffic>) {
    if traffic.refuses() {
        return;
    }
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    for (way, from, to) in [
        (Way::ToServer, &client, &server),
        (Way::ToClient, &server, &client),
    ] {
        let (from, to) = (from.try_clone(), to.try_clone());
        let (from, to) = (from.expect("a socket"), to.expect("a socket"));
        let traffic = Arc::clone(traffic);
        thread::spawn(move || forward(&from, &to, way, &traffic));
    }
}

/// Forwards one way of a connection until it ends, or is ended.
fn forward(mut from: &TcpStream, mut to: &TcpStream, way: Way, traffic: &Traffic) {
    let mut buffer = [0; 16 << 10];
    let mut slow_bytes = 0_usize;
    loop {
        let Ok(bytes @ 1..) = from.read(&mut buffer) else {
            // The other way may go on.
            let _ = to.shutdown(Shutdown::Write);
            return;
        };
        let (fault, whole) = match traffic.count(way, bytes) {
            Some((fault, whole)) => (Some(fault), whole.min(bytes)),
            None => (None, bytes),
        };
        if to.write_all(&buffer[..whole]).is_err() {
            return;
        }
        match fault {
            Some(Fault::Reset) => {
                reset(from);
                reset(to);
                return;
            }
            Some(Fault::End) => {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
            Some(Fault::HalfOpen) => {
                swallow(traffic);
                reset(from);
                reset(to);
                return;
            }
            Some(Fault::Delay) => thread::sleep(Duration::from_secs(2)),
            Some(Fault::Slow) => slow_bytes = 256 << 10,
            Some(Fault::Refuse) | None => {}
        }
        if slow_bytes > 0 {
            slow_bytes = slow_bytes.saturating_sub(bytes);
            thread::sleep(Duration::from_millis(bytes as u64 * 1000 / (64 << 10)));
        }
        if to.write_all(&buffer[whole..bytes]).is_err() {
            return;
        }
    }
}

/// Holds on to a connection on which nothing comes any more.
fn swallow(traffic: &Traffic) {
    let over = [&traffic.ended, &traffic.mended];
    while !over.iter().any(|over| over.load(Ordering::Relaxed)) {
        thread::sleep(Duration::from_millis(50));
    }
}

/// Ends a connection by a reset: to connect a socket to nobody does that at once.
fn reset(stream: &TcpStream) {
    let nobody = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    // SAFETY: the socket is open, and the address is as large as is said.
    unsafe {
        libc::connect(
            stream.as_raw_fd(),
            std::ptr::from_ref(&nobody),
            size_of::<libc::sockaddr>() as libc::socklen_t,
        );
    }
}
