//! The TLS side of the listener: its certificate, and how that is renewed without a restart.
//!
//! Every handshake takes the configuration of that moment, so a new certificate meets new connections while the old
//! ones go on. A new configuration starts with no sessions to resume: a client can't come back to a replaced key.

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, InconsistentKeys, RootCertStore, ServerConfig};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a certificate can't be used. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("{variable}: cannot read {path:?}")]
    Unreadable {
        /// What names the file.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file of the certificate holds none.
    #[error("TLS_CERT: {0:?} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    /// The file of the key holds none.
    #[error("TLS_KEY: {0:?} holds no private key in PEM form (PKCS#8, SEC1 or PKCS#1, without a password)")]
    NoKey(PathBuf),
    /// Key and certificate are not of one pair.
    #[error("TLS_KEY: the key in {key:?} does not belong to the certificate in {cert:?}")]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// Anything else that is wrong with the two.
    #[error("TLS_CERT and TLS_KEY: {cert:?} with {key:?} cannot be used")]
    Unusable {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        #[source]
        error: rustls::Error,
    },
}

/// When and how large the two files were: which text was read.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// The TLS configuration of a listener, and the files it is made from.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    stamp: Stamp,
}

impl Tls {
    /// Reads a certificate chain and its key.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let stamp = stamp(cert, key);
        let current = Mutex::new(Current { config: load(cert, key)?, stamp });
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current })
    }

    /// The handshake with a client.
    ///
    /// # Errors
    /// What the client or the network did wrong.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.current().config.clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Reads the files again when they have changed, or in any case if `must`. What can't be used is logged, and the
    /// certificate in use stays. Blocks.
    pub fn renew(&self, must: bool) {
        // Before the files are read: whatever is written meanwhile gives another stamp, and another try.
        let stamp = stamp(&self.cert, &self.key);
        if !must && self.current().stamp == stamp {
            return;
        }
        let loaded = load(&self.cert, &self.key);
        let mut current = self.current();
        current.stamp = stamp;
        match loaded {
            Ok(config) => {
                current.config = config;
                tracing::info!(cert = %self.cert.display(), "the TLS certificate was read again");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "the new TLS certificate cannot be used, the old one stays");
            }
        }
    }

    /// Renews whenever the files change and on SIGHUP, from now on and until the channel says to stop.
    ///
    /// # Errors
    /// When the signal can't be listened for.
    pub fn keep_current(
        self: Arc<Self>,
        every: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<impl Future<Output = ()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(async move {
            loop {
                let must = tokio::select! {
                    () = tokio::time::sleep(every) => false,
                    Some(()) = hangup.recv() => true,
                    _ = stop.changed() => return,
                };
                let tls = self.clone();
                drop(tokio::task::spawn_blocking(move || tls.renew(must)).await);
            }
        })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    })
}

fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let text = read("TLS_CERT", cert)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    let Some(leaf) = chain.first().cloned() else { return Err(TlsError::NoCertificate(cert.to_owned())) };
    let text = zeroize::Zeroizing::new(read("TLS_KEY", key)?);
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NoKey(key.to_owned()))?;

    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let (cert, key) = (cert.to_owned(), key.to_owned());
    match config {
        Ok(mut config) => {
            warn_if_readable(&key);
            warn_if_out_of_date(&cert, &leaf, &provider);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        }
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch { cert, key })
        }
        Err(error) => Err(TlsError::Unusable { cert, key, error }),
    }
}

fn read(variable: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable { variable, path: path.to_owned(), error })
}

fn warn_if_readable(key: &Path) {
    if std::fs::metadata(key).is_ok_and(|found| found.mode() & 0o007 != 0) {
        tracing::warn!(key = %key.display(), "TLS_KEY: everybody on this machine can read the private key");
    }
}

/// A certificate out of its time is the operator's to renew, and no reason to serve nobody.
fn warn_if_out_of_date(cert: &Path, leaf: &CertificateDer<'_>, provider: &CryptoProvider) {
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return };
    let algorithms = provider.signature_verification_algorithms.all;
    // Who signed it is the client's question. Without any authority only the time is looked at before the answer "no".
    let nobody = RootCertStore::empty();
    let checked = verify_server_cert_signed_by_trust_anchor(&leaf, &nobody, &[], UnixTime::now(), algorithms);
    let Err(rustls::Error::InvalidCertificate(reason)) = checked else { return };
    let problem = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        _ => return,
    };
    tracing::warn!(cert = %cert.display(), "TLS_CERT: the certificate {problem}");
}
