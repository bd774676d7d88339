//! Connections on real sockets: who may take how long.

use crate::app::{SYSTEM_PASSWORD, TestApp};
use serde_json::json;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use usso::app::server::{self, Limits};

/// How long a connection may wait for a head.
const LIMIT: Duration = Duration::from_millis(400);
/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two bytes of a slow client.
const PACE: Duration = Duration::from_millis(20);
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost:8000\r\n\r\n";

/// A server; it stops when the sender goes.
async fn listen() -> (SocketAddr, watch::Sender<bool>) {
    let app = TestApp::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let limits = Limits { header_timeout: LIMIT, connections: 100, drain: PATIENCE };
    tokio::spawn(server::serve(listener, app.edge.clone(), None, limits, stopped));
    (address, stop)
}

/// What is read until the server hangs up.
async fn read_to_the_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    match tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server hangs up") {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(read).unwrap(),
    }
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_however_busy_its_client() {
    let (address, _stop) = listen().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost:8000\r\nX-Slow: ").await.unwrap();
    let mut pace = tokio::time::interval(PACE);
    while stream.write_all(b"x").await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "still reading");
        pace.tick().await;
    }
    assert!(began.elapsed() >= LIMIT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_limit_counts_from_the_answer_before() {
    let (address, _stop) = listen().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Longer than the limit all together, but no pause is.
    let (began, mut pace) = (Instant::now(), tokio::time::interval(LIMIT / 2));
    for _ in 0..5 {
        pace.tick().await;
        stream.write_all(HEALTH).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("http/1.1 200"));
    }
    assert!(began.elapsed() > LIMIT);
    let answered = Instant::now();
    assert_eq!(read_to_the_end(&mut stream).await, "");
    assert!(answered.elapsed() >= LIMIT - PACE, "{:?}", answered.elapsed());
}

#[tokio::test]
async fn a_slow_upload_may_take_longer_than_a_head() {
    let (address, _stop) = listen().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = json!({"identifier": "admin", "secret": SYSTEM_PASSWORD}).to_string();
    let head = format!(
        "POST /api/sso/v1/auth/login HTTP/1.1\r\nHost: localhost:8000\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (began, mut pace) = (Instant::now(), tokio::time::interval(PACE));
    for byte in body.bytes() {
        pace.tick().await;
        stream.write_u8(byte).await.unwrap();
    }
    assert!(began.elapsed() > 2 * LIMIT, "{:?}", began.elapsed());
    assert!(read_answer(&mut stream).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let (address, _stop) = listen().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    // The socket's buffers fill with answers nobody reads, then with requests nobody reads, and then it is over.
    loop {
        match tokio::time::timeout(PATIENCE, stream.write_all(&HEALTH.repeat(1_000))).await {
            Ok(Ok(())) => assert!(began.elapsed() < 3 * PATIENCE, "everything is taken for ever"),
            Ok(Err(_)) => break,
            Err(_) => panic!("the connection is held for ever"),
        }
    }
}
