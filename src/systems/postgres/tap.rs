//! The rows of a COPY, taken off the wire before the driver sees them.
//!
//! The server sends each row as a message of its own, and the driver hands what it read, a few
//! kilobytes at a time, through a channel to another task: together a third of the time of a copy.
//! [`Tapped`] stands between the driver and the network. It lays rows aside, many at once, for
//! whoever holds the [`Rows`] of its [`Tap`], and lets every other message through as it came.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What is asked of the network at once.
const INPUT: usize = 64 << 10;

/// Rows are handed over when they are that many bytes, or when the network has no more for now.
const PIECE: usize = 256 << 10;

/// The tag and length before each message (PostgreSQL's documentation, "Message Formats").
const HEAD: usize = 5;
/// The tag of a message that holds rows: `CopyData`.
const ROWS: u8 = b'd';

/// Where the rows of one session go.
#[derive(Clone, Default)]
pub(super) struct Tap(Arc<Mutex<Basin>>);

#[derive(Default)]
struct Basin {
    /// Whether somebody reads. What comes after a reader stopped is thrown away.
    wanted: bool,
    /// Rows that wait for the reader; none if empty.
    rows: Vec<u8>,
    /// An empty buffer, to be filled next.
    spare: Vec<u8>,
    reader: Option<Waker>,
    wire: Option<Waker>,
}

impl Tap {
    /// Rows are kept from now on.
    pub(super) fn open(&self) -> Rows {
        self.basin().wanted = true;
        Rows(self.clone())
    }

    fn basin(&self) -> MutexGuard<'_, Basin> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows that one COPY sends. Dropping it throws the rest away.
pub(super) struct Rows(Tap);

impl Rows {
    /// Rows that came, without their messages' heads, in exchange for a buffer that is done with:
    /// whole ones, if the server sends them so. Pending if none wait.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, used: &mut Vec<u8>) -> Poll<Vec<u8>> {
        let mut basin = self.0.basin();
        if basin.rows.is_empty() {
            basin.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        used.clear();
        basin.spare = mem::take(used);
        let rows = mem::take(&mut basin.rows);
        wake(&mut basin.wire);
        Poll::Ready(rows)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let mut basin = self.0.basin();
        basin.wanted = false;
        basin.rows = Vec::new();
        wake(&mut basin.wire);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// How the driver reaches the server: with TLS or without, and through a tap in either case.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tls: Option<MakeRustlsConnect>,
    pub(super) tap: Tap,
    /// Whether the end of a connection is waited for. The server ends that of a cancel request when
    /// it has passed it on: a statement that is sent before might be cancelled in its place, and
    /// the driver does not wait.
    pub(super) awaits_end: bool,
}

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
type Encrypting = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Tapped<Carrier>;
    type TlsConnect = Connecting;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connecting, Self::Error> {
        let encrypting = |tls| MakeTlsConnect::<Socket>::make_tls_connect(tls, host);
        Ok(Connecting {
            tls: self.tls.as_mut().map(encrypting).transpose()?,
            tap: self.tap.clone(),
            awaits_end: self.awaits_end,
        })
    }
}

/// A [`Connector`] for one host.
pub(super) struct Connecting {
    tls: Option<Encrypting>,
    tap: Tap,
    awaits_end: bool,
}

impl TlsConnect<Socket> for Connecting {
    type Stream = Tapped<Carrier>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Stream>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let carrier = match self.tls {
                Some(tls) => Carrier::Tls(Box::new(tls.connect(socket).await?)),
                None => Carrier::Plain(socket),
            };
            let mut tapped = Tapped::new(carrier, self.tap);
            tapped.awaits_end = self.awaits_end;
            Ok(tapped)
        })
    }
}

/// What carries the bytes.
pub(super) enum Carrier {
    Plain(Socket),
    Tls(Box<Encrypted>),
}

/// Calls a method of the carrier, whichever it is.
macro_rules! carried {
    ($carrier:expr, $method:ident($($argument:expr),*)) => {
        match $carrier.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).$method($($argument),*),
            Carrier::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        carried!(self, poll_read(cx, into))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        carried!(self, poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, poll_shutdown(cx))
    }
}

/// A connection whose rows go to a tap.
pub(super) struct Tapped<C> {
    carrier: C,
    tap: Tap,
    awaits_end: bool,
    /// What came from the network; bytes before `taken` are dealt with.
    input: Box<[u8]>,
    taken: usize,
    came: usize,
    /// What is left of the message at hand, and whether it holds rows.
    left: usize,
    of_rows: bool,
    /// Rows for the next piece, whole ones up to `whole`.
    filling: Vec<u8>,
    whole: usize,
}

/// What became of the bytes that came.
enum Sorted {
    /// All are dealt with, but for a head that is not all there.
    All,
    /// The driver's buffer is full.
    Full,
    /// The reader has to take a piece first.
    Wait,
}

impl<C> Tapped<C> {
    fn new(carrier: C, tap: Tap) -> Self {
        Self {
            carrier,
            tap,
            awaits_end: false,
            input: vec![0; INPUT].into_boxed_slice(),
            taken: 0,
            came: 0,
            left: 0,
            of_rows: false,
            filling: Vec::new(),
            whole: 0,
        }
    }

    /// Gives what came to whom it is for.
    fn sort(&mut self, cx: &mut Context<'_>, driver: &mut ReadBuf<'_>) -> Sorted {
        loop {
            if self.left == 0 {
                if self.whole >= PIECE && !self.hand_over(cx) {
                    return Sorted::Wait;
                }
                if !self.head() {
                    return Sorted::All;
                }
            }
            let end = self.came.min(self.taken.saturating_add(self.left));
            let bytes = &self.input[self.taken..end];
            let moved = if self.of_rows {
                self.filling.extend_from_slice(bytes);
                bytes.len()
            } else {
                // A message of another kind comes after the rows before it, not beside them.
                if self.whole > 0 && !self.hand_over(cx) {
                    return Sorted::Wait;
                }
                let bytes = &self.input[self.taken..end];
                let most = bytes.len().min(driver.remaining());
                driver.put_slice(&bytes[..most]);
                most
            };
            self.taken += moved;
            self.left -= moved;
            if self.left > 0 {
                let more = self.taken < self.came;
                return if more { Sorted::Full } else { Sorted::All };
            }
            if self.of_rows {
                self.whole = self.filling.len();
            }
        }
    }

    /// Looks at the head of the next message; `false` if it is not all there.
    fn head(&mut self) -> bool {
        let head = &self.input[self.taken..self.came];
        let Some(&[tag, a, b, c, d]) = head.first_chunk::<HEAD>() else {
            return false;
        };
        // The length counts itself. One that can't be is the driver's to refuse.
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        self.of_rows = tag == ROWS && length >= 4;
        if self.of_rows {
            self.taken += HEAD;
            self.left = length - 4;
        } else {
            self.left = length.max(4) + 1;
        }
        true
    }

    /// Hands whole rows over; `false` if those before still wait.
    fn hand_over(&mut self, cx: &mut Context<'_>) -> bool {
        let mut basin = self.tap.basin();
        if !basin.wanted {
            self.filling.drain(..self.whole);
        } else if basin.rows.is_empty() {
            let mut next = mem::take(&mut basin.spare);
            next.extend_from_slice(&self.filling[self.whole..]);
            self.filling.truncate(self.whole);
            basin.rows = mem::replace(&mut self.filling, next);
            wake(&mut basin.reader);
        } else {
            basin.wire = Some(cx.waker().clone());
            return false;
        }
        self.whole = 0;
        true
    }
}

impl<C: AsyncRead + Unpin> Tapped<C> {
    /// Reads from the network; 0 at its end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // At most the beginning of a head is left.
        self.input.copy_within(self.taken..self.came, 0);
        self.came -= mem::take(&mut self.taken);
        let mut into = ReadBuf::new(&mut self.input[self.came..]);
        ready!(Pin::new(&mut self.carrier).poll_read(cx, &mut into))?;
        let read = into.filled().len();
        self.came += read;
        Poll::Ready(Ok(read))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Tapped<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        driver: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = driver.filled().len();
        loop {
            let sorted = this.sort(cx, driver);
            if driver.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if matches!(sorted, Sorted::Wait) {
                return Poll::Pending;
            }
            match this.fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if this.whole > 0 {
                        this.hand_over(cx);
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tapped<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().carrier).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().carrier).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.carrier).poll_shutdown(cx))?;
        while this.awaits_end {
            this.taken = this.came;
            // However it ends.
            this.awaits_end = matches!(ready!(this.fill(cx)), Ok(1..));
        }
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for Tapped<Carrier> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.carrier {
            Carrier::Plain(_) => ChannelBinding::none(),
            Carrier::Tls(stream) => stream.channel_binding(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], length.as_slice(), body].concat()
    }

    /// What the driver and the reader get of messages that come in pieces of `piece` bytes.
    async fn sent(messages: &[(u8, Vec<u8>)], piece: usize, wanted: bool) -> (Vec<u8>, Vec<u8>) {
        let tap = Tap::default();
        let mut rows = wanted.then(|| tap.open());
        let (near, mut far) = duplex(piece);
        let mut driver = Tapped::new(near, tap);
        let bytes: Vec<u8> = messages.iter().flat_map(|(t, b)| message(*t, b)).collect();
        let server = async move {
            far.write_all(&bytes).await.unwrap();
        };
        let passed = async {
            let mut passed = Vec::new();
            driver.read_to_end(&mut passed).await.unwrap();
            passed
        };
        let mut kept = Vec::new();
        let reader = async {
            let mut used = Vec::new();
            loop {
                let piece = poll_fn(|cx| match &mut rows {
                    Some(rows) => rows.poll(cx, &mut used),
                    None => Poll::Pending,
                });
                let piece = piece.await;
                kept.extend_from_slice(&piece);
                used = piece;
            }
        };
        let both = async { tokio::join!(server, passed).1 };
        let passed = tokio::select! {
            biased;
            () = reader => Vec::new(),
            passed = both => passed,
        };
        // What was handed over last may not have been fetched.
        if let Some(rows) = &mut rows {
            let more = poll_fn(|cx| Poll::Ready(rows.poll(cx, &mut Vec::new()))).await;
            if let Poll::Ready(more) = more {
                kept.extend(more);
            }
        }
        (passed, kept)
    }

    fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let tag = prop_oneof![4 => Just(ROWS), 1 => Just(b'N'), 1 => Just(b'S')];
        let length = prop_oneof![20 => 0_usize..40, 1 => 0_usize..600_000];
        let body = (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
        let end = prop_oneof![Just(b'c'), Just(b'E')];
        (prop::collection::vec((tag, body), 0..40), end).prop_map(|(mut list, end)| {
            list.push((end, b"the end".to_vec()));
            list
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rows_go_to_the_tap_and_all_else_to_the_driver(
            messages in messages(), piece in 1_usize..100_000, wanted in any::<bool>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (passed, kept) = runtime.block_on(sent(&messages, piece, wanted));
            let of = |rows: bool| messages.iter().filter(move |(tag, _)| (*tag == ROWS) == rows);
            let others: Vec<u8> = of(false).flat_map(|(tag, body)| message(*tag, body)).collect();
            prop_assert!(passed == others);
            let rows: Vec<u8> = of(true).flat_map(|(_, body)| body.clone()).collect();
            let expected = if wanted { rows } else { Vec::new() };
            prop_assert!(kept == expected);
        }
    }
}
