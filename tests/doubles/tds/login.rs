//! Pre-login and login: what a client asks for, and what it gets.

use super::bytes::{Reader, utf16};

/// How much of a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// The login only, unless the client wants all.
    LoginOnly,
    /// Everything, and clients that cannot are turned away.
    Required,
    /// Nothing: the server has no certificate.
    #[default]
    None,
}

/// What both sides settled on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Plain,
    LoginOnly,
    Everything,
}

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const TRACE: u8 = 5;
const FEDERATED: u8 = 6;
const NONCE: u8 = 7;
const END: u8 = 0xFF;

const OFF: u8 = 0;
const ON: u8 = 1;
const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;

/// What a client said first.
#[derive(Debug, Default)]
pub struct PreLogin {
    encryption: u8,
    pub instance: String,
    federated: bool,
}

impl PreLogin {
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let mut options = Reader(body);
        let mut read = Self::default();
        loop {
            let option = options.u8()?;
            if option == END {
                return Ok(read);
            }
            // Offset and length, big-endian.
            let place = options.take(4)?;
            let offset = usize::from(u16::from_be_bytes([place[0], place[1]]));
            let length = usize::from(u16::from_be_bytes([place[2], place[3]]));
            let data = body
                .get(offset..offset + length)
                .ok_or("an option outside of pre-login")?;
            match option {
                ENCRYPTION => read.encryption = *data.first().ok_or("no encryption option")?,
                INSTANCE => {
                    let name = data.split(|byte| *byte == 0).next().unwrap_or_default();
                    read.instance = String::from_utf8_lossy(name).into_owned();
                }
                FEDERATED => read.federated = data == [1],
                VERSION | THREAD | MARS | TRACE | NONCE => {}
                _ => return Err(format!("pre-login option {option} is not known")),
            }
        }
    }

    /// What is encrypted, and the answer that says so; `instance_fits` is whether the server is the one
    /// that was asked for.
    pub fn answer(&self, server: Encryption, instance_fits: bool) -> (Option<Settled>, Vec<u8>) {
        let (settled, told) = match (server, self.encryption) {
            (Encryption::None, OFF | NOT_SUPPORTED) => (Some(Settled::Plain), NOT_SUPPORTED),
            (Encryption::None, _) => (None, NOT_SUPPORTED),
            (Encryption::LoginOnly, OFF) => (Some(Settled::LoginOnly), OFF),
            (Encryption::LoginOnly, NOT_SUPPORTED) => (Some(Settled::Plain), NOT_SUPPORTED),
            (Encryption::Required, NOT_SUPPORTED) => (None, REQUIRED),
            (Encryption::Required, OFF) => (Some(Settled::Everything), REQUIRED),
            (_, _) => (Some(Settled::Everything), ON),
        };
        // 16.0.4000, SQL Server 2022.
        let version = vec![16, 0, 0x0F, 0xA0, 0, 0];
        let mut options = vec![
            (VERSION, version),
            (ENCRYPTION, vec![told]),
            (INSTANCE, vec![u8::from(!instance_fits)]),
            (THREAD, Vec::new()),
            (MARS, vec![0]),
        ];
        if !instance_fits {
            // The name is ended by a zero.
            options[2].1.push(0);
        }
        if self.federated {
            options.push((FEDERATED, vec![1]));
        }
        (settled, write_options(&options))
    }
}

fn write_options(options: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut offset = options.len() * 5 + 1;
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for (option, bytes) in options {
        let place = [offset, bytes.len()].map(|number| number as u16);
        table.push(*option);
        table.extend(place.iter().flat_map(|number| number.to_be_bytes()));
        data.extend_from_slice(bytes);
        offset += bytes.len();
    }
    table.push(END);
    table.extend(data);
    table
}

/// What a client logs in with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    pub packet_size: u32,
    pub user: String,
    pub password: String,
    pub application: String,
    pub server: String,
    pub database: String,
    /// An access token instead of user and password.
    pub token: Option<String>,
    /// Whether the client says that it only reads.
    pub read_only: bool,
    /// Whether it logs in as the user of the operating system.
    pub integrated: bool,
    /// The ticket of that user.
    pub ticket: Vec<u8>,
    /// Whose ticket it is, if that was accepted.
    pub principal: Option<String>,
}

const EXTENSION_USED: u8 = 0x10;
const INTEGRATED: u8 = 0x80;
const READ_ONLY: u8 = 0x20;
const FEDERATED_FEATURE: u8 = 0x02;

impl Login {
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(body);
        let length = reader.u32()? as usize;
        let version = reader.u32()?;
        if length != body.len() {
            return Err(format!("a login of {} bytes says {length}", body.len()));
        }
        if version != 0x7400_0004 {
            return Err(format!(
                "a client of TDS {version:#010x}; the double speaks 7.4"
            ));
        }
        let packet_size = reader.u32()?;
        // The client's program, process and connection.
        reader.take(12)?;
        let (_first, second, kind, third) =
            (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        // Time zone and locale, then the host's name.
        reader.take(8)?;
        placed(&mut reader, body)?;
        let user = utf16(placed(&mut reader, body)?)?;
        let password = utf16(&reveal(placed(&mut reader, body)?))?;
        let application = utf16(placed(&mut reader, body)?)?;
        let server = utf16(placed(&mut reader, body)?)?;
        let extension = (reader.u16()?, reader.u16()?);
        // The client library and the language.
        placed(&mut reader, body)?;
        placed(&mut reader, body)?;
        let database = utf16(placed(&mut reader, body)?)?;
        // The client's hardware.
        reader.take(6)?;
        let ticket = (usize::from(reader.u16()?), usize::from(reader.u16()?));
        let ticket = body.get(ticket.0..ticket.0 + ticket.1);
        let ticket = ticket.ok_or("a ticket outside of the login")?;
        let token = match third & EXTENSION_USED {
            0 => None,
            _ => token(body, extension.0.into())?,
        };
        Ok(Self {
            packet_size,
            user,
            password,
            application,
            server,
            database,
            token,
            read_only: kind & READ_ONLY != 0,
            integrated: second & INTEGRATED != 0,
            ticket: ticket.to_vec(),
            principal: None,
        })
    }
}

/// The text that an offset and a length point at.
fn placed<'b>(reader: &mut Reader<'b>, body: &'b [u8]) -> Result<&'b [u8], String> {
    let (offset, units) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
    let found = body.get(offset..offset + units * 2);
    found.ok_or_else(|| "a login's field outside of it".to_owned())
}

/// Undoes what hides a password from a glance: the bits are turned over, the halves of bytes changed.
fn reveal(hidden: &[u8]) -> Vec<u8> {
    hidden
        .iter()
        .map(|byte| (byte ^ 0xA5).rotate_left(4))
        .collect()
}

/// The access token among the features that a login asks for.
fn token(body: &[u8], pointer: usize) -> Result<Option<String>, String> {
    let outside = || "features outside of the login".to_owned();
    let at = Reader(body.get(pointer..).ok_or_else(outside)?).u32()? as usize;
    let mut features = Reader(body.get(at..).ok_or_else(outside)?);
    loop {
        match features.u8()? {
            END => return Ok(None),
            FEDERATED_FEATURE => {
                let length = features.u32()? as usize;
                let mut data = Reader(features.take(length)?);
                // The library in the upper bits: 1 is a token that the client brings along.
                let library = data.u8()? >> 1;
                if library != 1 {
                    return Err(format!("federated library {library} is not known"));
                }
                let length = data.u32()? as usize;
                return utf16(data.take(length)?).map(Some);
            }
            _ => {
                let length = features.u32()? as usize;
                features.take(length)?;
            }
        }
    }
}
