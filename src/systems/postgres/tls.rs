//! TLS with the meanings that `sslmode` has in libpq.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, ErrorKind, Result};

/// How much a connection wants of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// None.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server has it.
    Prefer,
    /// Always; the server's certificate is looked at only if root certificates are given.
    Require,
    /// And the certificate must lead to a known root.
    VerifyCa,
    /// And it must be for this host.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(
                    "wants sslmode disable, allow, prefer, require, verify-ca or \
                            verify-full"
                        .to_owned(),
                );
            }
        })
    }
}

/// A way to reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls,
}

impl SslMode {
    /// What to try, one after the other.
    pub(super) fn attempts(self) -> &'static [Attempt] {
        match self {
            Self::Disable => &[Attempt::Plain],
            Self::Allow => &[Attempt::Plain, Attempt::Tls],
            Self::Prefer => &[Attempt::Tls, Attempt::Plain],
            Self::Require | Self::VerifyCa | Self::VerifyFull => &[Attempt::Tls],
        }
    }
}

/// Whom we trust on the wire, and who we say we are there.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub(super) mode: SslMode,
    /// A file of root certificates in PEM, or the word `system`.
    pub(super) roots: Option<PathBuf>,
    /// Where `.postgresql/root.crt` may be.
    pub(super) home: Option<PathBuf>,
    /// Our own certificate and key in PEM.
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Trust {
    /// The connector for the driver.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("TLS can't be set up").caused_by(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| wrong_file(certificate).caused_by(error))?,
            _ => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
        let roots = match self.mode {
            SslMode::Disable | SslMode::Allow | SslMode::Prefer => None,
            SslMode::Require => self.roots.clone(),
            SslMode::VerifyCa | SslMode::VerifyFull => Some(self.some_roots()),
        };
        let pinned = match &roots {
            None => {
                return Ok(Verifier {
                    provider: Arc::clone(provider),
                    chain: None,
                });
            }
            Some(path) if path.as_os_str() == "system" => {
                rustls_native_certs::load_native_certs().certs
            }
            Some(path) => certificates(path)?,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(pinned.iter().cloned());
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                .build()
                .map_err(|error| {
                    Error::new(ErrorKind::Config, "There are no root certificates to trust")
                        .hint("name the server's root certificate in sslrootcert")
                        .caused_by(error)
                })?;
        let host = self.mode == SslMode::VerifyFull;
        let chain = Some(Chain {
            webpki,
            pinned,
            host,
        });
        Ok(Verifier {
            provider: Arc::clone(provider),
            chain,
        })
    }

    /// As libpq: the file named, else the one at home, else (unlike libpq) the system's.
    fn some_roots(&self) -> PathBuf {
        let at_home = || {
            let path = self.home.as_ref()?.join(".postgresql/root.crt");
            path.exists().then_some(path)
        };
        self.roots
            .clone()
            .or_else(at_home)
            .unwrap_or_else(|| PathBuf::from("system"))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let list = read().map_err(|error| wrong_file(path).caused_by(error))?;
    if list.is_empty() {
        Err(wrong_file(path))
    } else {
        Ok(list)
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| wrong_file(path).caused_by(error))
}

fn wrong_file(path: &Path) -> Error {
    let text = format!(
        "\"{}\" is no file of certificates or of a key",
        path.display()
    );
    Error::new(ErrorKind::Config, text)
        .hint("sslrootcert, sslcert and sslkey name files in PEM form that we can read")
}

/// Looks at a server's certificate as far as `sslmode` asks.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: any certificate will do.
    chain: Option<Chain>,
}

#[derive(Debug)]
struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    /// The roots; a server may show one of them itself, as a self-made certificate does.
    pinned: Vec<CertificateDer<'static>>,
    /// Whether the host's name counts.
    host: bool,
}

impl Chain {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        use CertificateError as Wrong;
        if self
            .pinned
            .iter()
            .any(|root| root.as_ref() == end_entity.as_ref())
        {
            return match self.host {
                true => verify_server_name(&ParsedCertificate::try_from(end_entity)?, name),
                false => Ok(()),
            };
        }
        // The name is looked at last, after the whole chain.
        match self
            .webpki
            .verify_server_cert(end_entity, intermediates, name, &[], now)
        {
            Err(rustls::Error::InvalidCertificate(
                Wrong::NotValidForName | Wrong::NotValidForNameContext { .. },
            )) if !self.host => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(chain) = &self.chain {
            chain.verify(end_entity, intermediates, name, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
