//! `usso health`: asks the server on this machine whether it is ready, where there is neither a shell nor curl.

use crate::app::startup::StartError;
use crate::config::Config;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than the head of an answer and the word in its body.
const LONGEST_ANSWER: u64 = 8192;
const REQUEST: &[u8] = b"GET /health/serving HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the server with this configuration, on this machine.
///
/// # Errors
/// When it doesn't answer within three seconds or isn't ready.
pub async fn ready(config: &Config) -> Result<(), StartError> {
    let address = SocketAddr::new(reachable(config.server.host), config.server.port);
    let answer = tokio::time::timeout(PATIENCE, ask(address, config.tls.pair().is_some())).await;
    let answer = answer
        .map_err(|_| format!("{address} does not answer"))?
        .map_err(|e| format!("{address} does not answer: {e}"))?;
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(format!("{address} is not ready, it answers {status}").into()),
        None => Err(format!("{address} does not answer in HTTP").into()),
    }
}

/// Where a server that listens on all addresses is found.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}

async fn ask(address: SocketAddr, is_tls: bool) -> std::io::Result<String> {
    let stream = TcpStream::connect(address).await?;
    if !is_tls {
        return exchange(stream).await;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let anybody = Arc::new(Anybody(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    exchange(TlsConnector::from(Arc::new(config)).connect(name, stream).await?).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<String> {
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Any certificate will do: the address is this machine's own, nothing secret is said, and a certificate that has
/// expired is no reason to have the server restarted.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
