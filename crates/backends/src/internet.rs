//! The internet: DNS by hickory, HTTP by hyper.
//!
//! Who asks is not to be trusted: a tenant's administrator names the host. Hence a file is fetched from public addresses
//! only, checked after the name was resolved and connected to as checked; nothing is followed, little is read, soon it is
//! given up, and what came is compared and never shown.

use bytes::Bytes;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig};
use hickory_resolver::{TokioResolver, net::runtime::TokioRuntimeProvider};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kernel::{BoxFuture, Internet, NoAnswer, WebAnswer, WebRequest};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long one question may take in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest file, in bytes.
const MAX_FILE: usize = 4096;
/// How many addresses of a host are tried.
const MAX_ADDRESSES: usize = 2;

/// How the internet is asked.
#[derive(Debug, Clone)]
pub struct InternetOptions {
    /// The DNS servers; those of the system when empty.
    pub name_servers: Vec<SocketAddr>,
    /// The port files are fetched from.
    pub port: u16,
    /// Whether private addresses may be asked, whoever has them.
    pub allow_private: bool,
    /// Hosts that may have private addresses, and be asked without TLS; in lower case.
    pub allow_hosts: Vec<String>,
    /// Certificates in PEM of authorities trusted besides those of the system.
    pub extra_authorities: Vec<u8>,
}

/// The certificates of the extra authorities are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file holds no certificate that can be read")]
pub struct UnreadableAuthorities;

/// The internet.
pub struct PublicInternet {
    options: InternetOptions,
    resolver: OnceLock<Option<TokioResolver>>,
    tls: OnceLock<Option<TlsConnector>>,
}

impl PublicInternet {
    /// The internet as seen from here. Nothing is asked before it is needed.
    ///
    /// # Errors
    /// When the extra authorities can't be read.
    pub fn new(options: InternetOptions) -> Result<Self, UnreadableAuthorities> {
        // Later nobody would be there to read the error.
        crate::web::authorities(&options.extra_authorities)?;
        Ok(Self { options, resolver: OnceLock::new(), tls: OnceLock::new() })
    }

    /// What speaks TLS, made when it is first needed.
    pub(crate) fn tls(&self) -> Option<&TlsConnector> {
        self.tls.get_or_init(|| crate::web::connector(&self.options.extra_authorities)).as_ref()
    }

    fn resolver(&self) -> Option<&TokioResolver> {
        let resolver = self.resolver.get_or_init(|| {
            let resolver = resolver(&self.options.name_servers);
            resolver.inspect_err(|error| tracing::warn!(%error, "there is no DNS resolver")).ok()
        });
        resolver.as_ref()
    }

    async fn records(&self, name: &str) -> Option<Vec<String>> {
        let found = self.resolver()?.txt_lookup(absolute(name)).await.ok()?;
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            hickory_resolver::proto::rr::RData::TXT(txt) => {
                Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect())
            }
            _ => None,
        });
        Some(texts.collect())
    }

    /// Whether a host may have private addresses, and be asked without TLS.
    pub(crate) fn may_be_private(&self, host: &str) -> bool {
        self.options.allow_private
            || self.options.allow_hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    pub(crate) async fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let found = match literal {
            Ok(address) => vec![address],
            Err(_) => self.resolver()?.lookup_ip(absolute(host)).await.ok()?.iter().collect(),
        };
        let may_be_private = self.may_be_private(host);
        let usable = found.into_iter().filter(|address| may_be_private || is_public(*address));
        Some(usable.take(MAX_ADDRESSES).collect())
    }

    async fn fetched(&self, host: &str, path: &str) -> Option<String> {
        for address in self.addresses(host).await? {
            let address = SocketAddr::new(address, self.options.port);
            if let Ok(Some(text)) = timeout(PATIENCE / 2, fetch(address, host, path)).await {
                return Some(text);
            }
        }
        None
    }
}

impl Internet for PublicInternet {
    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Vec<String>> {
        Box::pin(
            async move { timeout(PATIENCE, self.records(name)).await.ok().flatten().unwrap_or_default() },
        )
    }

    fn file<'a>(&'a self, host: &'a str, path: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move { timeout(PATIENCE, self.fetched(host, path)).await.ok().flatten() })
    }

    fn send(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, NoAnswer>> {
        Box::pin(self.answered(request))
    }
}

impl std::fmt::Debug for PublicInternet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicInternet").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A name nothing is appended to.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn resolver(name_servers: &[SocketAddr]) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let mut builder = if name_servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = name_servers.iter().map(|server| {
            let on_its_port = |protocol| {
                let mut connection = ConnectionConfig::new(protocol);
                connection.port = server.port();
                connection
            };
            let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(on_its_port).into();
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = PATIENCE / 2;
    options.attempts = 1;
    // A proof is looked for because it has just been made: what was there before is of no use.
    options.cache_size = 0;
    builder.build()
}

/// What a server answers with 200, if it is short and text.
async fn fetch(address: SocketAddr, host: &str, path: &str) -> Option<String> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let text = async {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_FILE).collect().await.ok()?.to_bytes();
        String::from_utf8(body.to_vec()).ok()
    };
    let text = text.await;
    connection.abort();
    text
}

/// Whether an address is one that anybody on the internet can reach (the registries of RFC 6890), and no way into a
/// network of ours.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224.., ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Documentation, Teredo and other special purposes; 6to4, which holds an IPv4 address.
        [0x2001, 0xdb8 | 0..=0x1ff, ..] | [0x2002, ..] | [0x3fff, ..] => false,
        // Global unicast, and nothing else: RFC 4291 §2.4.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_when_it_is_private_or_special() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.9.9",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::",
            "::127.0.0.1",
            "100::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
