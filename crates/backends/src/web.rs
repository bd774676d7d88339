//! Requests over HTTP/1 to whoever a tenant's settings name: to public addresses, over TLS, within limits of size. How long an
//! answer may take is for who asks.

use crate::internet::{PublicInternet, UnreadableAuthorities};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kernel::{NoAnswer, WebAnswer, WebRequest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The certificates in a PEM text.
///
/// # Errors
/// [`UnreadableAuthorities`] for a text that isn't empty and holds none, or one that is broken.
pub(crate) fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnreadableAuthorities> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() || pem.is_empty() => Ok(found),
        _ => Err(UnreadableAuthorities),
    }
}

/// TLS that trusts the authorities of the system, and these.
pub(crate) fn connector(extra: &[u8]) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs().certs;
    let (added, _) = roots.add_parsable_certificates(found.into_iter().chain(authorities(extra).ok()?));
    if added == 0 {
        tracing::warn!("there are no certificate authorities: nobody can be asked over TLS");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

impl PublicInternet {
    pub(crate) async fn answered(&self, request: WebRequest) -> Result<WebAnswer, NoAnswer> {
        let uri: Uri = request.url.parse().map_err(|_| NoAnswer)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NoAnswer),
        };
        let authority = uri.authority().filter(|own| !own.as_str().contains('@')).ok_or(NoAnswer)?;
        // Without TLS only among ourselves.
        if !is_tls && !self.may_be_private(authority.host()) {
            return Err(NoAnswer);
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = self.connected(authority.host(), port).await?;
        if !is_tls {
            return exchange(stream, &uri, request).await;
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| NoAnswer)?;
        let connector = self.tls().ok_or(NoAnswer)?;
        let stream = connector.connect(name, stream).await.map_err(|_| NoAnswer)?;
        exchange(stream, &uri, request).await
    }

    async fn connected(&self, host: &str, port: u16) -> Result<TcpStream, NoAnswer> {
        for address in self.addresses(host).await.ok_or(NoAnswer)? {
            if let Ok(stream) = TcpStream::connect(SocketAddr::new(address, port)).await {
                return Ok(stream);
            }
        }
        Err(NoAnswer)
    }
}

/// A connection's task, which ends with the question.
struct Connection(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange<S>(stream: S, uri: &Uri, request: WebRequest) -> Result<WebAnswer, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| NoAnswer)?;
    let _connection = Connection(tokio::spawn(connection));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map(|own| own.as_str()).ok_or(NoAnswer)?;
    let mut outgoing = Request::builder()
        .method(request.method)
        .uri(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close");
    for (name, value) in request.headers {
        outgoing = outgoing.header(name, value);
    }
    let outgoing = outgoing.body(Full::new(Bytes::from(request.body))).map_err(|_| NoAnswer)?;
    let answer = sender.send_request(outgoing).await.map_err(|_| NoAnswer)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|_| NoAnswer)?;
    Ok(WebAnswer { status, body: body.to_bytes().to_vec() })
}
