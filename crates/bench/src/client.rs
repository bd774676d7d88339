//! A minimal HTTP/1.1 client: one keep-alive connection, preformatted request bytes, and an incremental parser
//! that knows `Content-Length` and chunked bodies (RFC 9112). It does as little as a load generator must, because
//! it shares the processor with the server it measures.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const READ_STEP: usize = 4 * 1024;

/// The API root.
pub const API: &str = "/api/sso/v1";

/// Formats a request. `body` is sent as JSON.
pub fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&str>,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n");
    if let Some(token) = bearer {
        text.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    } else {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// Formats a request with a form and further headers.
pub fn form(addr: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("POST {path} HTTP/1.1\r\nHost: localhost:{}\r\n", addr.port());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let kind = "application/x-www-form-urlencoded";
    text.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// Formats a request without a body and with further headers.
pub fn get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n", addr.port());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// What the head of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to and including the empty line.
    size: usize,
    body: BodySize,
    close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodySize {
    Known(usize),
    Chunked,
}

/// An answer; the body lives in the connection until the next exchange.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The decoded body.
    pub body: &'a [u8],
}

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    addr: SocketAddr,
    stream: TcpStream,
    inbox: Vec<u8>,
    filled: usize,
    body: Vec<u8>,
    close: bool,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// As the operating system says.
    pub async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { addr, stream, inbox: vec![0; 1024], filled: 0, body: Vec::new(), close: false })
    }

    /// Where it leads.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends one request and reads its answer; connects anew if the last answer closed the connection.
    ///
    /// # Errors
    /// When the connection breaks or the answer isn't HTTP/1.1.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        if self.close {
            *self = Self::open(self.addr).await?;
        }
        self.filled = 0;
        self.send(request).await?;
        let head = loop {
            self.receive().await?;
            if let Some(head) = parse_head(self.inbox.get(..self.filled).unwrap_or_default())? {
                break head;
            }
        };
        self.close = head.close;
        match head.body {
            BodySize::Known(size) => {
                let end = head.size + size;
                while self.filled < end {
                    self.receive().await?;
                }
                Ok(Answer { status: head.status, body: self.inbox.get(head.size..end).unwrap_or_default() })
            }
            BodySize::Chunked => {
                while !decode_chunks(
                    self.inbox.get(head.size..self.filled).unwrap_or_default(),
                    &mut self.body,
                )? {
                    self.receive().await?;
                }
                Ok(Answer { status: head.status, body: &self.body })
            }
        }
    }

    /// What came of the last answer, head and body as sent.
    pub fn received(&self) -> &[u8] {
        self.inbox.get(..self.filled).unwrap_or_default()
    }

    /// Whether the other side has neither closed the idle connection nor said anything unasked.
    pub fn is_idle(&self) -> bool {
        let silent = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        !self.close && self.stream.try_read(&mut [0]).is_err_and(silent)
    }

    async fn send(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let written = poll_fn(|cx| Pin::new(&mut self.stream).poll_write(cx, rest)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        if self.inbox.len() - self.filled < 1024 {
            self.inbox.resize(self.filled + READ_STEP, 0);
        }
        let (stream, space) = (&mut self.stream, self.inbox.get_mut(self.filled..).unwrap_or_default());
        let mut buffer = ReadBuf::new(space);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)).await?;
        let received = buffer.filled().len();
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled += received;
        Ok(())
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Where `needle` begins in `haystack`.
pub fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = position(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).map_err(|_| invalid("head"))?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("status line"))?;
    let mut head = Head { status, size: end + 4, body: BodySize::Known(0), close: false };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.body = BodySize::Known(value.parse().map_err(|_| invalid("content-length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            head.body = BodySize::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            head.close = true;
        }
    }
    Ok(Some(head))
}

/// Decodes a chunked body from its beginning; false while the last chunk is missing.
fn decode_chunks(mut bytes: &[u8], body: &mut Vec<u8>) -> io::Result<bool> {
    body.clear();
    loop {
        let Some(end) = position(bytes, b"\r\n") else { return Ok(false) };
        let line = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).map_err(|_| invalid("chunk"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| invalid("chunk size"))?;
        let Some(chunk) = bytes.get(end + 2..end + 4 + size) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(chunk.get(..size).unwrap_or_default());
        bytes = bytes.get(end + 4 + size..).unwrap_or_default();
    }
}

/// The string value of the first member of this name, without parsing the document. Good for tokens, which hold
/// nothing that JSON escapes.
pub fn json_string<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let marker = format!("\"{name}\":");
    let rest = body.get(position(body, marker.as_bytes())? + marker.len()..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"")?;
    std::str::from_utf8(rest.get(..rest.iter().position(|b| *b == b'"')?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_incomplete_until_its_empty_line() {
        assert_eq!(parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n").unwrap(), None);
        let head = parse_head(b"HTTP/1.1 503 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .unwrap()
            .unwrap();
        assert_eq!((head.status, head.body, head.close), (503, BodySize::Known(2), true));
    }

    #[test]
    fn chunks_are_joined_and_awaited() {
        let mut body = Vec::new();
        assert!(!decode_chunks(b"3\r\nabc\r\n2\r\nd", &mut body).unwrap());
        assert!(decode_chunks(b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n", &mut body).unwrap());
        assert_eq!(body, b"abcde");
    }

    #[test]
    fn a_member_is_found_without_parsing() {
        assert_eq!(json_string(br#"{"a":1,"refresh_token": "x.y"}"#, "refresh_token"), Some("x.y"));
        assert_eq!(json_string(br#"{"refresh_token":null}"#, "refresh_token"), None);
    }
}
