//! One connection's bytes: plain, or through TLS whose handshake travels inside packets.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::packet::{FIRST_SIZE, Inbox, Kind, Message, packets};

/// A client's connection.
pub struct Link {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    inbox: Inbox,
}

impl Link {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            tls: None,
            inbox: Inbox::default(),
        }
    }

    /// The next message, or `None` when the client has gone.
    ///
    /// May be given up at any time without a loss: what was received is kept.
    pub async fn receive(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.inbox.take().map_err(io::Error::other)? {
                return Ok(Some(message));
            }
            let mut buffer = vec![0; 32 << 10];
            let received = self.socket.read(&mut buffer).await?;
            if received == 0 {
                return Ok(None);
            }
            self.accept(&buffer[..received])?;
        }
    }

    fn accept(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            self.inbox.add(bytes);
            return Ok(());
        };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            tls.reader().read_exact(&mut plain)?;
            self.inbox.add(&plain);
        }
        Ok(())
    }

    pub async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.tls.is_some() && !bytes.is_empty() {
            let mut sealed = Vec::new();
            if let Some(tls) = &mut self.tls {
                let taken = tls.writer().write(bytes)?;
                bytes = &bytes[taken..];
                while tls.wants_write() {
                    tls.write_tls(&mut sealed)?;
                }
            }
            self.socket.write_all(&sealed).await?;
        }
        self.socket.write_all(bytes).await
    }

    /// Sends a whole message.
    pub async fn answer(&mut self, size: usize, body: &[u8]) -> io::Result<()> {
        self.send(&packets(Kind::Response, size, body)).await
    }

    /// Agrees on keys; the client's and our records are bodies of pre-login packets meanwhile.
    pub async fn handshake(&mut self, configuration: Arc<ServerConfig>) -> io::Result<()> {
        let mut tls = ServerConnection::new(configuration).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            let Some(message) = self.receive().await? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let mut records = message.body.as_slice();
            while !records.is_empty() {
                tls.read_tls(&mut records)?;
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            let mut reply = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut reply)?;
            }
            if !reply.is_empty() {
                let packets = packets(Kind::PreLogin, FIRST_SIZE, &reply);
                self.socket.write_all(&packets).await?;
            }
        }
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Goes on without TLS, where only the login was to be secret.
    pub fn lay_bare(&mut self) {
        self.tls = None;
    }
}

/// A certificate authority, and a certificate of this machine's loopback names.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Made by `openssl`; `None` where there is none.
    pub fn make() -> Option<Self> {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        std::fs::write(
            folder.path().join("server.ext"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        )
        .expect("a file");
        let steps = [
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
             -subj /CN=authority -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt",
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr",
            "x509 -req -days 30 -in server.csr -extfile server.ext -CA ca.crt -CAkey ca.key \
             -CAcreateserial -out server.crt",
        ];
        let done = steps.iter().all(|step| {
            let mut openssl = Command::new("openssl");
            openssl
                .args(step.split_whitespace())
                .current_dir(folder.path());
            openssl.output().is_ok_and(|output| output.status.success())
        });
        done.then_some(Self { folder })
    }

    /// The file of the authority that a client is to trust.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// TLS 1.2, as SQL Server speaks it inside TDS 7.4.
    pub fn configuration(&self) -> Arc<ServerConfig> {
        let chain = pem::<CertificateDer<'static>>(&self.folder.path().join("server.crt"));
        let key = pem::<PrivateKeyDer<'static>>(&self.folder.path().join("server.key"));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS12])
            .expect("ring has TLS 1.2");
        let configuration = builder
            .with_no_client_auth()
            .with_single_cert(vec![chain], key);
        Arc::new(configuration.expect("a certificate and its key"))
    }
}

fn pem<T: PemObject>(file: &Path) -> T {
    T::from_pem_file(file).unwrap_or_else(|error| panic!("{}: {error:?}", file.display()))
}
