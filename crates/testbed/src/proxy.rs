//! A TCP proxy that is as bad as it is told to be: slow, cut off, or a black hole.

use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const CHUNK: usize = 16 * 1024;

/// Forwards every connection to one address, until dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    to_target: AtomicU64,
    to_client: AtomicU64,
    is_cut: AtomicBool,
    is_black_hole: AtomicBool,
    is_over: AtomicBool,
    connections: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Whether bytes were swallowed: what came after them would make no sense.
    lossy: Arc<AtomicBool>,
}

impl Connection {
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target,
            to_target: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            is_black_hole: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds every byte back this long, in milliseconds: on the way to the target, and on the way to the client. Order
    /// and throughput stay.
    pub fn delay(&self, to_target: u64, to_client: u64) {
        self.state.to_target.store(to_target, Ordering::Relaxed);
        self.state.to_client.store(to_client, Ordering::Relaxed);
    }

    /// Breaks every connection, and every new one at once.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.close_all();
    }

    /// Swallows every byte in both directions; connections stay open.
    pub fn black_hole(&self) {
        self.state.is_black_hole.store(true, Ordering::SeqCst);
    }

    /// Forwards again, without delay. Connections that lost bytes are broken.
    pub fn heal(&self) {
        self.delay(0, 0);
        self.state.is_cut.store(false, Ordering::SeqCst);
        self.state.is_black_hole.store(false, Ordering::SeqCst);
        self.state.close_if(|connection| connection.lossy.load(Ordering::SeqCst));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.state.close_all();
        // Wakes the thread that accepts, so that it can see the end.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn close_all(&self) {
        self.close_if(|_| true);
    }

    fn close_if(&self, condemned: impl Fn(&Connection) -> bool) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).retain(|connection| {
            let closes = condemned(connection);
            if closes {
                connection.close();
            }
            !closes
        });
    }

    fn forward(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        let server = TcpStream::connect(self.target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let lossy = Arc::new(AtomicBool::new(false));
        let connection =
            Connection { client: client.try_clone()?, server: server.try_clone()?, lossy: lossy.clone() };
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        // A cut between the check at the door and the entry in the list.
        if self.is_cut.load(Ordering::SeqCst) || self.is_over.load(Ordering::SeqCst) {
            self.close_all();
        }
        let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
        self.pump(from_client, server, lossy.clone(), |state| &state.to_target);
        self.pump(from_server, client, lossy, |state| &state.to_client);
        Ok(())
    }

    /// One direction: a thread reads and dates what it read, another writes it when it is due.
    fn pump(
        self: &Arc<Self>,
        source: TcpStream,
        sink: TcpStream,
        lossy: Arc<AtomicBool>,
        delay: fn(&Self) -> &AtomicU64,
    ) {
        let (sender, due) = mpsc::channel();
        let state = Arc::clone(self);
        std::thread::spawn(move || {
            read(source, &sender, || {
                if state.is_black_hole.load(Ordering::SeqCst) {
                    lossy.store(true, Ordering::SeqCst);
                    return None;
                }
                Some(Duration::from_millis(delay(&state).load(Ordering::Relaxed)))
            })
        });
        std::thread::spawn(move || write(sink, &due));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        if !state.is_cut.load(Ordering::SeqCst) {
            // A target that is away breaks the connection, as dropping the client does.
            let _ = state.forward(client);
        }
    }
}

type Dated = (Instant, Vec<u8>);

/// `delay` answers how long to hold a chunk, or `None` to swallow it.
fn read(mut source: TcpStream, sender: &Sender<Dated>, mut delay: impl FnMut() -> Option<Duration>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = source.read(&mut chunk) {
        let Some(delay) = delay() else { continue };
        let bytes = chunk.get(..length).unwrap_or_default().to_vec();
        if sender.send((Instant::now() + delay, bytes)).is_err() {
            break;
        }
    }
}

fn write(mut sink: TcpStream, due: &Receiver<Dated>) {
    for (when, bytes) in due {
        while let Some(left) = when.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
        if sink.write_all(&bytes).is_err() {
            break;
        }
    }
    // The end of the stream arrives after its last byte.
    let _ = sink.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut back)
                });
            }
        });
        address
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream) -> Result<[u8; 4]> {
        stream.write_all(b"ping")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn bytes_are_forwarded_and_delayed_as_told() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        assert_eq!(&ask(&mut stream).unwrap(), b"ping");
        proxy.delay(60, 90);
        let begun = Instant::now();
        assert_eq!(&ask(&mut stream).unwrap(), b"ping");
        assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
        proxy.heal();
        let begun = Instant::now();
        ask(&mut stream).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(150), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_cut_breaks_old_and_new_connections_until_healed() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        ask(&mut stream).unwrap();
        proxy.cut();
        assert!(ask(&mut stream).is_err() && ask(&mut connect(&proxy)).is_err());
        proxy.heal();
        assert_eq!(&ask(&mut connect(&proxy)).unwrap(), b"ping");
    }

    #[test]
    fn a_black_hole_swallows_until_healed() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        ask(&mut stream).unwrap();
        proxy.black_hole();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let silence = ask(&mut stream).unwrap_err();
        assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock, "open, but silent: {silence}");
        proxy.heal();
        assert!(ask(&mut stream).is_err(), "a connection that lost bytes is broken");
        assert_eq!(&ask(&mut connect(&proxy)).unwrap(), b"ping");
    }

    #[test]
    fn the_end_of_a_stream_is_forwarded() {
        let proxy = Proxy::start(echo()).unwrap();
        let stream = connect(&proxy);
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        (&stream).read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}
