//! Packets: a header of eight bytes before at most so many of a message.

/// The bytes of a packet's header.
pub const HEADER: usize = 8;
/// The packet size before one is agreed on.
pub const FIRST_SIZE: usize = 4096;

const END_OF_MESSAGE: u8 = 0x01;
const RESET_CONNECTION: u8 = 0x08;
const RESET_BUT_KEEP_TRANSACTION: u8 = 0x10;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Batch,
    Rpc,
    Response,
    Attention,
    Transaction,
    Login,
    PreLogin,
}

impl Kind {
    const ALL: [(Self, u8); 7] = [
        (Self::Batch, 0x01),
        (Self::Rpc, 0x03),
        (Self::Response, 0x04),
        (Self::Attention, 0x06),
        (Self::Transaction, 0x0E),
        (Self::Login, 0x10),
        (Self::PreLogin, 0x12),
    ];

    fn byte(self) -> u8 {
        let known = Self::ALL.into_iter().find(|(kind, _)| *kind == self);
        known.expect("every kind is listed").1
    }

    fn of_byte(byte: u8) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, known)| *known == byte);
        let unknown = || format!("a packet of kind {byte:#04x} is not known");
        known.map(|(kind, _)| kind).ok_or_else(unknown)
    }
}

/// What came in one or more packets.
#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    /// Whether the session is to be as new first.
    pub reset: bool,
    pub body: Vec<u8>,
}

/// Puts what is received together into messages.
#[derive(Default)]
pub struct Inbox {
    received: Vec<u8>,
    body: Vec<u8>,
}

impl Inbox {
    pub fn add(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next whole message, if all of it is here.
    pub fn take(&mut self) -> Result<Option<Message>, String> {
        while let Some(packet) = self.take_packet()? {
            let (kind, status) = (Kind::of_byte(packet[0])?, packet[1]);
            self.body.extend_from_slice(&packet[HEADER..]);
            if status & END_OF_MESSAGE != 0 {
                let reset = status & (RESET_CONNECTION | RESET_BUT_KEEP_TRANSACTION) != 0;
                let body = std::mem::take(&mut self.body);
                return Ok(Some(Message { kind, reset, body }));
            }
        }
        Ok(None)
    }

    fn take_packet(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.received.len() < HEADER {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes([self.received[2], self.received[3]]));
        if length < HEADER {
            return Err(format!("a packet says that it is {length} bytes long"));
        }
        let whole = self.received.len() >= length;
        Ok(whole.then(|| self.received.drain(..length).collect()))
    }
}

/// Cuts a message into packets as it grows.
pub struct Outbox {
    kind: Kind,
    room: usize,
    pending: Vec<u8>,
    number: u8,
}

impl Outbox {
    pub fn new(kind: Kind, size: usize) -> Self {
        let (room, pending) = (size - HEADER, Vec::new());
        Self {
            kind,
            room,
            pending,
            number: 0,
        }
    }

    /// The packets that are full. One is held back, as the last one is marked.
    pub fn add(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut packets = Vec::new();
        let mut taken = 0;
        while self.pending.len() - taken > self.room {
            let body = &self.pending[taken..taken + self.room];
            self.number = self.number.wrapping_add(1);
            packet(&mut packets, self.kind, 0, self.number, body);
            taken += self.room;
        }
        self.pending.drain(..taken);
        packets
    }

    /// The last packet.
    pub fn finish(mut self) -> Vec<u8> {
        let mut packets = Vec::new();
        self.number = self.number.wrapping_add(1);
        packet(
            &mut packets,
            self.kind,
            END_OF_MESSAGE,
            self.number,
            &self.pending,
        );
        packets
    }
}

fn packet(to: &mut Vec<u8>, kind: Kind, status: u8, number: u8, body: &[u8]) {
    let length = u16::try_from(HEADER + body.len()).expect("a packet's size is below 32,768");
    // The server's process, which no client looks at.
    let process = 51_u16;
    to.extend([kind.byte(), status]);
    to.extend(length.to_be_bytes());
    to.extend(process.to_be_bytes());
    to.extend([number, 0]);
    to.extend_from_slice(body);
}

/// A whole message as packets.
pub fn packets(kind: Kind, size: usize, body: &[u8]) -> Vec<u8> {
    let mut outbox = Outbox::new(kind, size);
    let mut packets = outbox.add(body);
    packets.extend(outbox.finish());
    packets
}
