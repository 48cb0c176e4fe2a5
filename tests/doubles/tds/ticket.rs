//! Logins by a ticket of Kerberos. A real acceptor judges them: `ticket.py`, with the system's library.
//!
//! One round is all that a ticket needs. A client that wants another one is refused, as its message is
//! of a kind that the double does not know.

#![cfg_attr(not(feature = "sqlserver-kerberos"), allow(dead_code))]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The distribution's own: its package of the library's bindings is for no other.
pub const PYTHON: &str = "/usr/bin/python3";

const ACCEPTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doubles/tds/ticket.py");

/// How tickets are judged.
#[derive(Debug, Clone)]
pub struct Tickets {
    /// The library's configuration (`krb5.conf`).
    pub configuration: PathBuf,
    /// The service's keys; looked at when a ticket comes.
    pub keytab: PathBuf,
    /// The principals that have a login.
    pub admitted: Vec<String>,
}

/// A ticket that is right.
#[derive(Debug)]
pub struct Accepted {
    pub principal: String,
    /// By which the client knows the server.
    pub reply: Vec<u8>,
}

impl Tickets {
    /// Asks the acceptor; the error is what it said.
    pub fn accept(&self, ticket: &[u8]) -> Result<Accepted, String> {
        let mut command = Command::new(PYTHON);
        // The keys' folder also holds what was seen before, against replays.
        let seen = format!("file2:{}", self.keytab.with_extension("seen").display());
        command
            .arg(ACCEPTOR)
            .env("KRB5_CONFIG", &self.configuration)
            .env("KRB5_KTNAME", &self.keytab)
            .env("KRB5RCACHENAME", seen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: std::io::Error| format!("{PYTHON}: {error}");
        let mut acceptor = command.spawn().map_err(failed)?;
        let mut input = acceptor.stdin.take().ok_or("no way to the acceptor")?;
        writeln!(input, "{}", digits(ticket)).map_err(failed)?;
        drop(input);
        let output = acceptor.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let told = String::from_utf8_lossy(&output.stdout);
        let (principal, reply) = told.trim().split_once(' ').ok_or("half an answer")?;
        Ok(Accepted {
            principal: principal.to_owned(),
            reply: bytes(reply).ok_or("a reply that is no bytes")?,
        })
    }
}

/// Two hexadecimal digits for each byte.
fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
