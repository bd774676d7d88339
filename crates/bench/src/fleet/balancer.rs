//! A small load balancer as people put one in front: HTTP/1.1 over kept connections, round-robin over the instances whose
//! `/health/ready` is 200 (asked every 100 ms). It repeats a request elsewhere only when that is safe for any request
//! (the connection was refused) or for this one (a kept connection was closed before a byte came back, and the method
//! changes nothing).

use crate::client::{Connection, position, request};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const ASK_EVERY: Duration = Duration::from_millis(100);
const LONGEST_REQUEST: usize = 64 * 1024;
const NOBODY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";

/// One instance.
#[derive(Debug)]
struct Upstream {
    address: SocketAddr,
    is_ready: AtomicBool,
}

/// The instances and whose turn it is.
#[derive(Debug)]
struct Upstreams {
    all: Vec<Upstream>,
    turn: AtomicUsize,
}

/// A running balancer; ends when dropped.
#[derive(Debug)]
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    upstreams: Arc<Upstreams>,
    tasks: Vec<JoinHandle<()>>,
}

impl Balancer {
    /// Starts one in front of these instances, all taken to be ready.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start(instances: &[SocketAddr]) -> Result<Self> {
        let upstream = |address: &SocketAddr| Upstream { address: *address, is_ready: AtomicBool::new(true) };
        let all = instances.iter().map(upstream).collect();
        let upstreams = Arc::new(Upstreams { all, turn: AtomicUsize::new(0) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks: Vec<_> =
            (0..instances.len()).map(|index| tokio::spawn(watch(Arc::clone(&upstreams), index))).collect();
        tasks.push(tokio::spawn(accept(listener, Arc::clone(&upstreams))));
        Ok(Self { address, upstreams, tasks })
    }

    /// How many instances are in use.
    pub fn ready(&self) -> usize {
        self.upstreams.all.iter().filter(|upstream| upstream.is_ready.load(Ordering::Relaxed)).count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Asks one instance whether it is ready, again and again.
async fn watch(upstreams: Arc<Upstreams>, index: usize) {
    let Some(upstream) = upstreams.all.get(index) else { return };
    loop {
        let is_ready =
            timeout(ASK_EVERY, ask(upstream.address)).await.is_ok_and(|asked| asked.is_ok_and(|s| s == 200));
        upstream.is_ready.store(is_ready, Ordering::Relaxed);
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn ask(address: SocketAddr) -> Result<u16> {
    let mut connection = Connection::open(address).await?;
    let bytes = request(address, "GET", super::READY, None, None);
    Ok(connection.exchange(&bytes).await?.status)
}

async fn accept(listener: TcpListener, upstreams: Arc<Upstreams>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream, Arc::clone(&upstreams)));
    }
}

/// One client connection with the connections kept for it.
async fn serve(stream: TcpStream, upstreams: Arc<Upstreams>) -> Result<()> {
    let mut kept: Vec<Option<Connection>> = upstreams.all.iter().map(|_| None).collect();
    let mut inbox = Vec::new();
    while let Some(bytes) = next_request(&stream, &mut inbox).await? {
        let answered = forward(&bytes, &upstreams, &mut kept).await.ok();
        let connection = answered.and_then(|index| kept.get(index)).and_then(Option::as_ref);
        send(&stream, connection.map_or(NOBODY, Connection::received)).await?;
    }
    Ok(())
}

/// Sends a request to the instances in turn until one answers; the answer lies in the connection of this index.
async fn forward(bytes: &[u8], upstreams: &Upstreams, kept: &mut [Option<Connection>]) -> Result<usize> {
    let is_safe = bytes.starts_with(b"GET ") || bytes.starts_with(b"HEAD ");
    let mut last = Error::other("no instance is ready");
    for _ in 0..=upstreams.all.len() {
        let Some((index, upstream)) = upstreams.next() else { break };
        let Some(place) = kept.get_mut(index) else { break };
        // A connection the instance has closed meanwhile isn't tried, as in any balancer.
        let idle = place.take().filter(Connection::is_idle);
        let is_reused = idle.is_some();
        let opened = match idle {
            Some(connection) => Ok(connection),
            None => Connection::open(upstream.address).await,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                upstream.is_ready.store(false, Ordering::Relaxed);
                last = error;
                continue;
            }
            Err(error) => return Err(error),
        };
        match connection.exchange(bytes).await.map(drop) {
            Ok(()) => {
                *place = Some(connection);
                return Ok(index);
            }
            Err(error) if is_reused && is_safe && connection.received().is_empty() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

impl Upstreams {
    /// The next instance that is ready.
    fn next(&self) -> Option<(usize, &Upstream)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.all.len();
        let turns = (0..count).filter_map(|step| {
            let index = (turn.wrapping_add(step)) % count;
            self.all.get(index).map(|upstream| (index, upstream))
        });
        turns.into_iter().find(|(_, upstream)| upstream.is_ready.load(Ordering::Relaxed))
    }
}

/// The next request of a client, head and body; `None` when it has hung up.
async fn next_request(stream: &TcpStream, inbox: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    loop {
        if let Some(size) = request_size(inbox)
            && size <= inbox.len()
        {
            let rest = inbox.split_off(size);
            return Ok(Some(std::mem::replace(inbox, rest)));
        }
        if inbox.len() > LONGEST_REQUEST {
            return Err(ErrorKind::InvalidData.into());
        }
        stream.readable().await?;
        let mut chunk = [0; 4096];
        match stream.try_read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(read) => inbox.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The size of the first request, once its head is complete.
fn request_size(bytes: &[u8]) -> Option<usize> {
    let head = position(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let length = text.split("\r\n").filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length.unwrap_or(0))
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_its_body() {
        assert_eq!(request_size(b"GET / HTTP/1.1\r\n"), None);
        assert_eq!(request_size(b"GET / HTTP/1.1\r\n\r\nGET"), Some(18));
        assert_eq!(request_size(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12"), Some(43));
    }

    #[tokio::test]
    async fn nobody_ready_is_a_bad_gateway() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let gone = listener.local_addr().unwrap();
        drop(listener);
        let balancer = Balancer::start(&[gone]).await.unwrap();
        let mut client = Connection::open(balancer.address).await.unwrap();
        let bytes = request(balancer.address, "GET", "/", None, None);
        assert_eq!(client.exchange(&bytes).await.unwrap().status, 502);
        assert_eq!(balancer.ready(), 0);
    }

    #[tokio::test]
    async fn a_refused_connection_is_tried_on_the_next_instance() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let alive = listener.local_addr().unwrap();
        let gone = {
            let other = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            other.local_addr().unwrap()
        };
        let router = axum::Router::new().fallback(|| async { "here" });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let balancer = Balancer::start(&[gone, alive]).await.unwrap();
        let mut client = Connection::open(balancer.address).await.unwrap();
        let bytes = request(balancer.address, "POST", "/", None, Some("{}"));
        for _ in 0..4 {
            let answer = client.exchange(&bytes).await.unwrap();
            assert_eq!((answer.status, answer.body), (200, &b"here"[..]));
        }
    }
}
