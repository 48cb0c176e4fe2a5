//! The tokens of a response.

use super::bytes::wide;
use super::collation::Collation;
use super::refusal::Refusal;
use super::types::SqlType;
use super::wire;

const ORDER: u8 = 0xA9;
const ERROR: u8 = 0xAA;
const INFO: u8 = 0xAB;
const LOGIN_ACK: u8 = 0xAD;
const FEATURE_ACK: u8 = 0xAE;
const ENVIRONMENT: u8 = 0xE3;
const SSPI: u8 = 0xED;
const COLUMNS: u8 = 0x81;
const RETURN_STATUS: u8 = 0x79;

/// How a statement or a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A batch or one of its statements.
    Batch = 0xFD,
    /// A procedure.
    Procedure = 0xFE,
    /// A statement of a procedure.
    InProcedure = 0xFF,
}

pub const MORE: u16 = 0x01;
pub const FAILED: u16 = 0x02;
pub const IN_TRANSACTION: u16 = 0x04;
pub const COUNT: u16 = 0x10;
pub const ATTENTION: u16 = 0x20;

/// What changes for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Database(String, String),
    Language(String),
    PacketSize(usize, usize),
    Collation(Collation),
    Begun(u64),
    Committed(u64),
    RolledBack(u64),
    Reset,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub declared: SqlType,
    pub collation: Collation,
    pub nullable: bool,
}

/// A response as it is written.
#[derive(Debug, Default)]
pub struct Tokens(pub Vec<u8>);

impl Tokens {
    pub fn error(&mut self, refusal: &Refusal) {
        self.message(ERROR, refusal);
    }

    pub fn info(&mut self, number: i32, message: &str) {
        let class = 0;
        self.message(
            INFO,
            &Refusal {
                class,
                ..Refusal::new(number, message)
            },
        );
    }

    fn message(&mut self, token: u8, refusal: &Refusal) {
        let mut body = refusal.number.to_le_bytes().to_vec();
        body.extend([refusal.state, refusal.class]);
        body.extend(long_text(&refusal.message));
        body.extend(short_text("double"));
        body.extend(short_text(""));
        body.extend(1_u32.to_le_bytes());
        self.sized(token, &body);
    }

    pub fn done(&mut self, kind: Done, status: u16, rows: u64) {
        // What the statement was: the only one that rows are counted of is SELECT.
        let command = 0xC1_u16;
        self.0.push(kind as u8);
        self.0.extend(status.to_le_bytes());
        self.0.extend(command.to_le_bytes());
        self.0.extend(rows.to_le_bytes());
    }

    pub fn return_status(&mut self, status: i32) {
        self.0.push(RETURN_STATUS);
        self.0.extend(status.to_le_bytes());
    }

    pub fn change(&mut self, change: &Change) {
        let text = |kind: u8, new: &str, old: &str| {
            [vec![kind], short_text(new), short_text(old)].concat()
        };
        let bytes = |kind: u8, new: &[u8], old: &[u8]| {
            [&[kind, new.len() as u8], new, &[old.len() as u8], old].concat()
        };
        let body = match change {
            Change::Database(new, old) => text(1, new, old),
            Change::Language(new) => text(2, new, ""),
            Change::PacketSize(new, old) => text(4, &new.to_string(), &old.to_string()),
            Change::Collation(new) => bytes(7, &new.bytes(), &[]),
            Change::Begun(descriptor) => bytes(8, &descriptor.to_le_bytes(), &[]),
            Change::Committed(descriptor) => bytes(9, &[], &descriptor.to_le_bytes()),
            Change::RolledBack(descriptor) => bytes(10, &[], &descriptor.to_le_bytes()),
            Change::Reset => bytes(18, &[], &[]),
        };
        self.sized(ENVIRONMENT, &body);
    }

    pub fn login_ack(&mut self) {
        // T-SQL, TDS 7.4 as a big-endian number, and the version of the server.
        let mut body = vec![1];
        body.extend(0x7400_0004_u32.to_be_bytes());
        body.extend(short_text("Microsoft SQL Server"));
        body.extend([16, 0, 0x0F, 0xA0]);
        self.sized(LOGIN_ACK, &body);
    }

    /// The access token was taken.
    pub fn federated_ack(&mut self) {
        let federated = 0x02;
        self.0.extend([FEATURE_ACK, federated, 0, 0, 0, 0, 0xFF]);
    }

    /// What the acceptor of a ticket replies.
    pub fn sspi(&mut self, reply: &[u8]) {
        self.sized(SSPI, reply);
    }

    pub fn columns(&mut self, columns: &[Column]) {
        self.0.push(COLUMNS);
        self.0.extend((columns.len() as u16).to_le_bytes());
        for column in columns {
            // No type of a user, then whether there may be NULLs.
            self.0.extend(0_u32.to_le_bytes());
            self.0.extend(u16::from(column.nullable).to_le_bytes());
            self.0.extend(wire::type_info(column));
            self.0.extend(short_text(&column.name));
        }
    }

    /// By which columns of the result it is ordered, from 1.
    pub fn order(&mut self, columns: &[u16]) {
        let body: Vec<u8> = columns
            .iter()
            .flat_map(|column| column.to_le_bytes())
            .collect();
        self.sized(ORDER, &body);
    }

    fn sized(&mut self, token: u8, body: &[u8]) {
        self.0.push(token);
        self.0.extend((body.len() as u16).to_le_bytes());
        self.0.extend_from_slice(body);
    }
}

fn short_text(text: &str) -> Vec<u8> {
    let units = wide(text);
    let length = u8::try_from(units.len() / 2).expect("a name of at most 255 units");
    [vec![length], units].concat()
}

fn long_text(text: &str) -> Vec<u8> {
    let units = wide(text);
    let length = u16::try_from(units.len() / 2).expect("a message of at most 65,535 units");
    [length.to_le_bytes().to_vec(), units].concat()
}
