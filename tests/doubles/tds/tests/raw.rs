//! What the driver never sends: bytes that are wrong, a session that is reset, attention that is late.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::Tds;
use super::super::bytes::wide;
use super::super::packet::{HEADER, Inbox, Kind, packets};
use super::caller::Caller;
use super::small;

/// A client without a driver.
struct Raw {
    socket: TcpStream,
    inbox: Inbox,
}

impl Raw {
    fn new(tds: &Tds) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", tds.port())).expect("the double");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("a socket");
        let inbox = Inbox::default();
        Self { socket, inbox }
    }

    /// Past pre-login and login.
    fn logged_in(tds: &Tds) -> Self {
        let mut raw = Self::new(tds);
        // One option, no encryption at all, behind the end of the list.
        raw.send(&packets(Kind::PreLogin, 4096, &[1, 0, 6, 0, 1, 0xFF, 2]));
        raw.receive().expect("an answer to pre-login");
        raw.send(&packets(Kind::Login, 4096, &login("goe", "Pa$$w0rd-ü")));
        let answer = raw.receive().expect("an answer to the login");
        assert_eq!(answer[0], 0xE3, "a change of the environment");
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("a client that writes");
    }

    /// The body of the next message, or `None` when the double has closed the connection.
    fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = self.inbox.take().expect("packets") {
                assert_eq!(message.kind, Kind::Response);
                return Some(message.body);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(received) => self.inbox.add(&buffer[..received]),
            }
        }
    }

    /// Sends a batch, with marks in its packet's status.
    fn batch(&mut self, sql: &str, status: u8) -> Option<Vec<u8>> {
        // The headers: their length, and a transaction that is none.
        let mut body = 22_u32.to_le_bytes().to_vec();
        body.extend(18_u32.to_le_bytes());
        body.extend([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        body.extend(wide(sql));
        let mut packet = packets(Kind::Batch, 32_767, &body);
        packet[1] |= status;
        self.send(&packet);
        self.receive()
    }
}

/// A login of a user and a password and nothing else.
fn login(user: &str, password: &str) -> Vec<u8> {
    let hidden = wide(password)
        .into_iter()
        .map(|byte| byte.rotate_left(4) ^ 0xA5);
    let (user, password) = (wide(user), hidden.collect::<Vec<u8>>());
    let first = 94_u16;
    let second = first + user.len() as u16;
    let total = u32::from(second) + password.len() as u32;
    let mut body = Vec::new();
    body.extend(total.to_le_bytes());
    body.extend(0x7400_0004_u32.to_le_bytes());
    body.extend(4096_u32.to_le_bytes());
    body.extend([0; 24]);
    body.extend([0; 4]);
    for (offset, bytes) in [(first, &user), (second, &password)] {
        body.extend(offset.to_le_bytes());
        body.extend((bytes.len() as u16 / 2).to_le_bytes());
    }
    body.resize(first.into(), 0);
    body.extend(user);
    body.extend(password);
    body
}

/// The status of the DONE token that an answer ends with.
fn status(answer: &[u8]) -> u16 {
    let done = &answer[answer.len() - 13..];
    assert_eq!(done[0], 0xFD, "a DONE token");
    u16::from_le_bytes([done[1], done[2]])
}

#[test]
fn a_session_that_is_reset_is_as_new() {
    let tds = small();
    let mut raw = Raw::logged_in(&tds);
    let in_transaction = 0x04;
    let begun = raw.batch(
        "BEGIN TRANSACTION; SELECT TOP (1) 1 FROM dbo.t WITH (TABLOCK, HOLDLOCK)",
        0,
    );
    assert_eq!(
        status(&begun.expect("an answer")) & in_transaction,
        in_transaction
    );
    assert_eq!(tds.lock_holders("dbo.t"), 1);
    let reset = raw.batch("SELECT id FROM dbo.t", 0x08).expect("an answer");
    // The change of the environment that says so comes first.
    assert_eq!(reset[..4], [0xE3, 3, 0, 18]);
    assert_eq!(status(&reset) & in_transaction, 0);
    assert_eq!(tds.lock_holders("dbo.t"), 0);
}

#[test]
fn attention_without_a_request_is_answered() {
    let tds = small();
    let mut raw = Raw::logged_in(&tds);
    let answer = raw.batch("SELECT id FROM dbo.t", 0).expect("an answer");
    assert_eq!(status(&answer) & 0x20, 0);
    raw.send(&packets(Kind::Attention, 4096, &[]));
    assert_eq!(status(&raw.receive().expect("an answer")) & 0x20, 0x20);
    assert!(raw.batch("SELECT id FROM dbo.t", 0).is_some());
}

#[test]
fn bytes_that_are_wrong_end_only_their_connection() {
    let tds = small();
    let mut caller = Caller::new(&tds);
    let cases: [(&str, Vec<u8>); 7] = [
        ("no packet", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a length below the header's",
            vec![0x12, 1, 0, 3, 0, 0, 0, 0],
        ),
        (
            "an option outside",
            packets(Kind::PreLogin, 4096, &[1, 9, 9, 0, 1, 0xFF]),
        ),
        (
            "options without an end",
            packets(Kind::PreLogin, 4096, &[1, 0]),
        ),
        (
            "a login first",
            packets(Kind::Login, 4096, &login("goe", "x")),
        ),
        ("an empty message", packets(Kind::PreLogin, 4096, &[])),
        ("half a packet", vec![0x12, 1, 0, 99, 0, 0, 0, 0, 1]),
    ];
    for (what, bytes) in cases {
        let mut raw = Raw::new(&tds);
        raw.send(&bytes);
        raw.socket
            .shutdown(std::net::Shutdown::Write)
            .expect("a socket");
        assert_eq!(raw.receive(), None, "{what}");
    }
    for cut in [0, 4, 93, 100] {
        let mut raw = Raw::new(&tds);
        raw.send(&packets(Kind::PreLogin, 4096, &[1, 0, 6, 0, 1, 0xFF, 2]));
        raw.receive().expect("an answer to pre-login");
        raw.send(&packets(
            Kind::Login,
            4096,
            &login("goe", "Pa$$w0rd-ü")[..cut],
        ));
        assert_eq!(raw.receive(), None, "a login of {cut} bytes");
    }
    for body in [&[0_u8; 3][..], &[99, 0, 0, 0], &[4, 0, 0, 0, 0x41]] {
        let mut raw = Raw::logged_in(&tds);
        raw.send(&packets(Kind::Batch, 4096, body));
        assert!(
            raw.receive().is_none_or(|answer| answer.len() > HEADER),
            "{body:?}"
        );
    }
    assert_eq!(caller.list("SELECT COUNT(*) FROM dbo.t"), "3");
}
