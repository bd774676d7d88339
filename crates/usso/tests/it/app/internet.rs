//! A small internet on the loopback: a DNS server and a web server, real ones, for a server under test to ask.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use usso::config::Config;

const TXT: u16 = 16;
const A: u16 = 1;

/// What is published.
#[derive(Default)]
struct Published {
    /// By name in lower case and type: the data of each record.
    records: HashMap<(String, u16), Vec<Vec<u8>>>,
    /// By host and path: the whole answer.
    files: HashMap<(String, String), String>,
    /// What the web server was asked for.
    asked: Vec<String>,
    /// What it was sent.
    bodies: Vec<String>,
}

/// The small internet.
#[derive(Clone)]
pub struct SmallInternet {
    published: Arc<Mutex<Published>>,
    dns: SocketAddr,
    web: SocketAddr,
}

impl SmallInternet {
    /// Starts both servers, with nothing published.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (dns, web) = (socket.local_addr().expect("a port"), listener.local_addr().expect("a port"));
        let published = Arc::new(Mutex::new(Published::default()));
        tokio::spawn(answer_names(socket, published.clone()));
        tokio::spawn(serve_files(listener, published.clone()));
        Self { published, dns, web }
    }

    /// Makes a server ask here.
    pub fn configure(&self, config: &mut Config) {
        config.tenants.name_servers = vec![self.dns];
        config.tenants.proof_port = self.web.port();
        config.tenants.proof_from_private_addresses = true;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Published) -> T) -> T {
        change(&mut self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes a TXT record beside those there are.
    pub fn txt(&self, name: &str, text: &str) {
        let mut data = Vec::new();
        for part in text.as_bytes().chunks(40) {
            data.push(u8::try_from(part.len()).expect("short"));
            data.extend_from_slice(part);
        }
        self.change(|p| p.records.entry((name.to_lowercase(), TXT)).or_default().push(data));
    }

    /// Publishes the address of a host.
    pub fn address(&self, host: &str, address: Ipv4Addr) {
        let data = address.octets().to_vec();
        self.change(|p| p.records.entry((host.to_lowercase(), A)).or_default().push(data));
    }

    /// Publishes a file on a host, and that the host is here.
    pub fn file(&self, host: &str, path: &str, text: &str) {
        let length = text.len();
        self.response(
            host,
            path,
            &format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"),
        );
    }

    /// Publishes any answer on a host, and that the host is here.
    pub fn response(&self, host: &str, path: &str, response: &str) {
        self.address(host, Ipv4Addr::LOCALHOST);
        self.change(|p| p.files.insert((host.to_owned(), path.to_owned()), response.to_owned()));
    }

    /// What the web server was sent, request by request.
    pub fn bodies(&self) -> Vec<String> {
        self.change(|p| p.bodies.clone())
    }

    /// What the web server was asked for: host and path.
    pub fn asked(&self) -> Vec<String> {
        self.change(|p| p.asked.clone())
    }
}

/// The name and type of the only question, and where it ends (RFC 1035 §4.1.2).
fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, at + 4))
}

async fn answer_names(socket: UdpSocket, published: Arc<Mutex<Published>>) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some((name, kind, end)) = question(&buffer[..length]) else { continue };
        let found = {
            let published = published.lock().unwrap_or_else(PoisonError::into_inner);
            published.records.get(&(name, kind)).cloned().unwrap_or_default()
        };
        let mut answer = buffer[..2].to_vec();
        answer.extend_from_slice(&[0x81, 0x80, 0, 1]);
        answer.extend_from_slice(&u16::try_from(found.len()).expect("few").to_be_bytes());
        answer.extend_from_slice(&[0, 0, 0, 0]);
        answer.extend_from_slice(&buffer[12..end]);
        for data in found {
            answer.extend_from_slice(&[0xc0, 12]);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
            answer.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
            answer.extend_from_slice(&data);
        }
        let _ = socket.send_to(&answer, from).await;
    }
}

async fn serve_files(listener: TcpListener, published: Arc<Mutex<Published>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let published = published.clone();
        tokio::spawn(async move {
            let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(length) if length > 0 => head.extend_from_slice(&buffer[..length]),
                    _ => return,
                }
            }
            let end = head.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or_default() + 4;
            let mut body = head.split_off(end);
            let head = String::from_utf8_lossy(&head).into_owned();
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ").and_then(|n| n.parse::<usize>().ok())
            });
            while body.len() < length.unwrap_or_default() {
                match stream.read(&mut buffer).await {
                    Ok(length) if length > 0 => body.extend_from_slice(&buffer[..length]),
                    _ => return,
                }
            }
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let host =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
            let host = host.unwrap_or_default();
            let response = {
                let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
                published.asked.push(format!("{host}{path}"));
                published.bodies.push(String::from_utf8_lossy(&body).into_owned());
                published.files.get(&(host, path)).cloned()
            };
            let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(response.as_deref().unwrap_or(missing).as_bytes()).await;
        });
    }
}
