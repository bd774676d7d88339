//! The TLS listener on real sockets: handshakes, renewal, and what is refused.

use crate::app::token::Jwt;
use crate::app::{SYSTEM_PASSWORD, TestApp};
use base64::Engine as _;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use usso::app::probe;
use usso::app::server::{self, Limits};
use usso::app::tls::{Tls, TlsError};
use usso::config::Config;

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A self-signed certificate for `localhost` with its key.
struct Pair {
    der: CertificateDer<'static>,
    cert: String,
    key: KeyPair,
}

impl Pair {
    fn new() -> Self {
        Self::made(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), |_| {})
    }

    fn made(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let cert = params.self_signed(&key).unwrap();
        Self { der: cert.der().clone(), cert: cert.pem(), key }
    }
}

/// A directory with a certificate and a key, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(cert: &str, key: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let files = Self(std::env::temp_dir().join(format!("usso-tls-{}-{count}", std::process::id())));
        std::fs::create_dir_all(&files.0).unwrap();
        files.put("tls.crt", cert);
        files.put("tls.key", key);
        files
    }

    fn of(pair: &Pair) -> Self {
        Self::new(&pair.cert, &pair.key.serialize_pem())
    }

    /// As certificate tools do it: under another name, then moved into place.
    fn put(&self, name: &str, text: &str) {
        let fresh = self.0.join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.0.join(name)).unwrap();
    }

    fn cert(&self) -> PathBuf {
        self.0.join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.0.join("tls.key")
    }

    fn open(&self) -> Result<Tls, TlsError> {
        Tls::open(&self.cert(), &self.key())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A server that listens.
struct Listening {
    app: TestApp,
    address: SocketAddr,
    tls: Arc<Tls>,
    stop: watch::Sender<bool>,
    served: JoinHandle<usize>,
}

async fn listen(files: &Files, header_timeout: Duration, connections: usize) -> Listening {
    let app = TestApp::with(|config| {
        config.tls.cert = Some(files.cert());
        config.tls.key = Some(files.key());
    })
    .await;
    let tls = Arc::new(files.open().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let limits = Limits { header_timeout, connections, drain: PATIENCE };
    let served = tokio::spawn(server::serve(listener, app.edge.clone(), Some(tls.clone()), limits, stopped));
    Listening { app, address, tls, stop, served }
}

async fn start(files: &Files) -> Listening {
    listen(files, PATIENCE, 100).await
}

impl Listening {
    async fn dial(&self, pair: &Pair) -> std::io::Result<TlsStream<TcpStream>> {
        self.dial_with(pair, &version::TLS13, &[b"h2", b"http/1.1"]).await
    }

    async fn dial_with(
        &self,
        pair: &Pair,
        version: &'static SupportedProtocolVersion,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(pair.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Sends a request and reads its answer: the head and the JSON of the body.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> (String, Value) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> (String, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost:8000\r\n\r\n";

async fn is_healthy(stream: &mut TlsStream<TcpStream>) -> bool {
    ask(stream, HEALTH).await.1["status"] == "healthy"
}

/// What is read until the other side closes or resets; the test fails if it does neither.
async fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server hangs up") {
        Ok(_) => read,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => read,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn clients_speak_tls_1_3_or_1_2_and_http_1_1() {
    let pair = Pair::new();
    let server = start(&Files::of(&pair)).await;
    for (version, name) in
        [(&version::TLS13, ProtocolVersion::TLSv1_3), (&version::TLS12, ProtocolVersion::TLSv1_2)]
    {
        let mut stream = server.dial_with(&pair, version, &[b"h2", b"http/1.1"]).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(
            (session.protocol_version(), session.alpn_protocol()),
            (Some(name), Some(&b"http/1.1"[..]))
        );
        assert!(is_healthy(&mut stream).await);
    }
    let mut silent = server.dial_with(&pair, &version::TLS13, &[]).await.unwrap();
    assert!(is_healthy(&mut silent).await, "a client that negotiates no protocol");
    assert!(server.dial_with(&pair, &version::TLS13, &[b"h2"]).await.is_err(), "HTTP/2 alone");
}

#[tokio::test]
async fn tls_1_1_is_refused() {
    let server = start(&Files::of(&Pair::new())).await;
    // RFC 5246 §7.4.1.2: a random, no session, one cipher suite, no compression; P-256, ECDSA, uncompressed points.
    let rest = [
        &[9; 32][..],
        &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 22],
        &[0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3, 0, 11, 0, 2, 1, 0],
    ]
    .concat();
    // The version 3.3 gets a handshake message, 3.2 a fatal alert: protocol_version.
    for (version, begins) in [(3, &[22, 3, 3][..]), (2, &[21, 3, 3, 0, 2, 2, 70])] {
        let length = u8::try_from(2 + rest.len()).unwrap();
        let hello = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length, 3, version][..], &rest].concat();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        let mut read = vec![0; begins.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, begins, "3.{version}");
    }
}

#[tokio::test]
async fn a_sign_in_over_tls_has_an_https_issuer_and_secure_cookies() {
    let pair = Pair::new();
    let server = start(&Files::of(&pair)).await;
    let mut stream = server.dial(&pair).await.unwrap();
    let body = json!({"identifier": "admin", "secret": SYSTEM_PASSWORD}).to_string();
    let request = format!(
        "POST /api/sso/v1/auth/login HTTP/1.1\r\nHost: localhost:8000\r\nOrigin: https://localhost:8000\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (head, body) = ask(&mut stream, &request).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let token = Jwt::decode(body["access_token"].as_str().unwrap());
    assert_eq!(token.claims["iss"], "https://localhost:8000");
    let cookies: Vec<&str> = head.lines().filter(|line| line.starts_with("set-cookie:")).collect();
    assert!(!cookies.is_empty() && cookies.iter().all(|cookie| cookie.contains("secure")), "{cookies:?}");
}

#[tokio::test]
async fn a_plain_request_on_the_tls_port_is_hung_up_on() {
    let server = start(&Files::of(&Pair::new())).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HEALTH.as_bytes()).await.unwrap();
    let answer = read_to_the_end(&mut stream).await;
    assert!(answer.len() <= 7, "at most an alert: {answer:?}");
}

#[tokio::test]
async fn every_form_of_key_is_read() {
    let ec = Pair::new();
    let rsa = Pair::made(KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(), |_| {});
    let pem = |label: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    // What PKCS#8 (RFC 5958) wraps begins after the version, the algorithm and the header of an octet string.
    let sec1 = pem("EC PRIVATE KEY", &ec.key.serialize_der()[29..]);
    let pkcs1 = pem("RSA PRIVATE KEY", &rsa.key.serialize_der()[26..]);
    for (pair, key) in
        [(&ec, ec.key.serialize_pem()), (&ec, sec1), (&rsa, rsa.key.serialize_pem()), (&rsa, pkcs1)]
    {
        let server = start(&Files::new(&pair.cert, &key)).await;
        let mut stream = server.dial(pair).await.unwrap();
        assert!(is_healthy(&mut stream).await);
    }
}

#[tokio::test]
async fn a_new_certificate_meets_new_connections_and_old_ones_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let files = Files::of(&old);
    let server = start(&files).await;
    let mut before = server.dial(&old).await.unwrap();
    server.tls.renew(false);
    assert!(server.dial(&old).await.is_ok(), "nothing has changed");

    files.put("tls.crt", &new.cert);
    server.tls.renew(false);
    assert!(server.dial(&old).await.is_ok(), "half a pair changes nothing");
    files.put("tls.key", &new.key.serialize_pem());
    server.tls.renew(false);
    let mut after = server.dial(&new).await.unwrap();
    assert!(server.dial(&old).await.is_err());
    assert!(is_healthy(&mut before).await && is_healthy(&mut after).await);
}

#[tokio::test]
async fn changed_files_are_noticed_without_a_signal() {
    let (old, new) = (Pair::new(), Pair::new());
    let files = Files::of(&old);
    let server = start(&files).await;
    let every = Duration::from_millis(10);
    let renewal = server.tls.clone().keep_current(every, server.stop.subscribe()).unwrap();
    let renewal = tokio::spawn(renewal);
    files.put("tls.key", &new.key.serialize_pem());
    files.put("tls.crt", &new.cert);
    let began = Instant::now();
    while server.dial(&new).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the new certificate is never used");
    }
    server.stop.send(true).unwrap();
    renewal.await.unwrap();
}

#[tokio::test]
async fn a_broken_renewal_keeps_the_old_certificate() {
    let (old, new) = (Pair::new(), Pair::new());
    let files = Files::of(&old);
    let server = start(&files).await;
    for (name, text) in [
        ("tls.crt", String::new()),
        ("tls.crt", "no certificate".to_owned()),
        ("tls.crt", old.cert[..200].to_owned()),
        ("tls.crt", new.cert.clone()),
        ("tls.key", "no key".to_owned()),
    ] {
        files.put(name, &text);
        for must in [false, true] {
            server.tls.renew(must);
        }
        assert!(is_healthy(&mut server.dial(&old).await.unwrap()).await, "{name}");
    }
    std::fs::remove_file(files.cert()).unwrap();
    server.tls.renew(false);
    assert!(server.dial(&old).await.is_ok());
}

fn refusal(files: &Files) -> String {
    let Err(error) = files.open() else { panic!("accepted") };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_by_file_and_reason() {
    let (one, other) = (Pair::new(), Pair::new());
    let key = one.key.serialize_pem();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (cert, key, reasons) in [
        (one.cert.as_str(), other.key.serialize_pem().as_str(), ["TLS_KEY", "tls.key", "does not belong"]),
        ("", &key, ["TLS_CERT", "tls.crt", "no certificate in PEM"]),
        (&one.cert[..200], &key, ["TLS_CERT", "tls.crt", "no certificate in PEM"]),
        (&key, &key, ["TLS_CERT", "tls.crt", "no certificate in PEM"]),
        (&one.cert, &one.cert, ["TLS_KEY", "tls.key", "no private key in PEM"]),
        (&one.cert, encrypted, ["TLS_KEY", "tls.key", "without a password"]),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &key,
            ["TLS_CERT", "tls.crt", "cannot be used: invalid peer certificate"],
        ),
    ] {
        let text = refusal(&Files::new(cert, key));
        assert!(reasons.iter().all(|reason| text.contains(reason)), "{reasons:?}: {text}");
        assert!(!text.contains("BEGIN"), "{text}");
    }
    for (missing, variable) in [("tls.crt", "TLS_CERT"), ("tls.key", "TLS_KEY")] {
        let files = Files::of(&one);
        std::fs::remove_file(files.0.join(missing)).unwrap();
        let text = refusal(&files);
        assert!(text.contains(variable) && text.contains(missing) && text.contains("No such file"), "{text}");
    }
}

/// What opening a pair logs.
fn warnings(files: &Files) -> String {
    use std::sync::Mutex;
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || drop(files.open().unwrap()));
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_certificate_out_of_its_time_and_a_key_anybody_can_read_are_warned_of() {
    let made = |change: fn(&mut CertificateParams)| {
        let files = Files::of(&Pair::made(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), change));
        set_mode(&files.key(), 0o640);
        files
    };
    let fine = made(|_| {});
    assert_eq!(warnings(&fine), "");
    set_mode(&fine.key(), 0o644);
    assert!(warnings(&fine).contains("everybody on this machine can read the private key"));
    let expired = made(|params| params.not_after = date_time_ymd(2020, 1, 1));
    assert!(warnings(&expired).contains("tls.crt") && warnings(&expired).contains("has expired"));
    let early = made(|params| params.not_before = date_time_ymd(4000, 1, 1));
    assert!(warnings(&early).contains("is not valid yet"));
}

#[tokio::test]
async fn a_silent_client_is_cut_and_gives_its_place_back() {
    let pair = Pair::new();
    let limit = Duration::from_millis(300);
    let server = listen(&Files::of(&pair), limit, 1).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    // The only place is taken: the second client's handshake begins when the first was cut.
    let mut second = server.dial(&pair).await.unwrap();
    assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
    assert!(is_healthy(&mut second).await);
    assert_eq!(read_to_the_end(&mut silent).await, b"");
    // A connection is idle after its answer, and cut after the same time.
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, second.read_to_end(&mut rest)).await.unwrap().unwrap_or_default();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn slow_handshakes_keep_nobody_waiting() {
    let pair = Pair::new();
    let server = start(&Files::of(&pair)).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap();
        slow.push(stream);
    }
    assert!(is_healthy(&mut server.dial(&pair).await.unwrap()).await);
}

#[tokio::test]
async fn stopping_finishes_requests_under_way_and_ends_handshakes_and_idle_connections() {
    let pair = Pair::new();
    let server = start(&Files::of(&pair)).await;
    let mut greeting = TcpStream::connect(server.address).await.unwrap();
    let mut idle = server.dial(&pair).await.unwrap();
    assert!(is_healthy(&mut idle).await);
    let mut busy = server.dial(&pair).await.unwrap();
    let body = json!({"identifier": "admin", "secret": SYSTEM_PASSWORD}).to_string();
    let (begun, rest) = body.split_at(10);
    let head = format!(
        "POST /api/sso/v1/auth/login HTTP/1.1\r\nHost: localhost:8000\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    busy.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"), "its body is being read: the request is under way");
    busy.write_all(begun.as_bytes()).await.unwrap();

    server.stop.send(true).unwrap();
    assert_eq!(read_to_the_end(&mut greeting).await, b"");
    let mut end = Vec::new();
    assert_eq!(idle.read_to_end(&mut end).await.expect("a proper end of TLS"), 0);
    busy.write_all(rest.as_bytes()).await.unwrap();
    let (head, _) = answer(&mut busy).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let cut = tokio::time::timeout(PATIENCE, server.served).await.expect("the server ends").unwrap();
    assert_eq!(cut, 0, "no connection had to be cut");
}

#[tokio::test]
async fn answers_of_a_server_about_to_stop_are_the_last_on_their_connections() {
    let pair = Pair::new();
    let server = start(&Files::of(&pair)).await;
    let mut stream = server.dial(&pair).await.unwrap();
    assert!(!ask(&mut stream, HEALTH).await.0.contains("connection:"));
    server.app.state.drain();
    assert!(ask(&mut stream, HEALTH).await.0.contains("connection: close"));
    let mut end = Vec::new();
    assert_eq!(stream.read_to_end(&mut end).await.expect("a proper end of TLS"), 0);
}

#[tokio::test]
async fn the_probe_asks_whether_this_server_is_ready() {
    let files = Files::of(&Pair::made(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    }));
    let server = start(&files).await;
    let mut config = Config::default();
    config.server.host = std::net::Ipv4Addr::UNSPECIFIED.into();
    config.server.port = server.address.port();
    config.tls.cert = Some(files.cert());
    config.tls.key = Some(files.key());
    probe::ready(&config).await.expect("an expired certificate is no reason to restart a server");
    config.tls = Default::default();
    let refused = probe::ready(&config).await.unwrap_err().to_string();
    assert!(refused.contains("does not answer"), "plain HTTP on the TLS port: {refused}");
    server.stop.send(true).unwrap();
    server.served.await.unwrap();
    assert!(probe::ready(&config).await.unwrap_err().to_string().contains("does not answer"));
}
