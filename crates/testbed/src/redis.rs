//! A Redis server.

use crate::child;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Error, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const POLL_GAP: Duration = Duration::from_millis(2);
/// Between finding a free port and listening on it somebody else may take it.
const PORTS_TRIED: usize = 5;

/// A Redis that keeps everything in memory: `redis-server` on a port of its own, killed when dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    password: Option<String>,
    child: Mutex<Child>,
}

/// A server shared by everything in this process, for whoever needs neither its outage nor an empty one: users keep
/// apart by namespace. It ends with the process.
///
/// # Errors
/// When it can't be started.
pub fn shared() -> Result<&'static Server> {
    static SHARED: OnceLock<std::result::Result<Server, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Server::start().map_err(|e| e.to_string()));
    shared.as_ref().map_err(|why| Error::other(why.as_str()))
}

impl Server {
    /// Starts one on a free port and waits until it answers.
    ///
    /// # Errors
    /// When `redis-server` can't be started or doesn't answer within ten seconds.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts one that asks for a password.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with_password(password: &str) -> Result<Self> {
        Self::start_with(Some(password.to_owned()))
    }

    fn start_with(password: Option<String>) -> Result<Self> {
        let mut outcome = Err(Error::other("no port tried"));
        for _ in 0..PORTS_TRIED {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let started = spawn(port, password.as_deref()).and_then(|child| {
                let server = Self { port, password: password.clone(), child: Mutex::new(child) };
                server.wait_until_ready().map(|()| server)
            });
            outcome = started;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Where it is found: `redis://[:password@]127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The same server reached through another address, such as a proxy's.
    pub fn url_at(&self, address: SocketAddr) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@{address}"),
            None => format!("redis://{address}"),
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Stops the process where it is; its connections stay open and silent.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kill_process(Pid::from_child(&child), signal)?)
    }

    /// Ends the process at once; all data is gone.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill()?;
        child.wait().map(drop)
    }

    /// Starts a killed server again on the same port, empty, and waits until it answers.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_again(&self) -> Result<()> {
        self.kill()?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) =
            spawn(self.port, self.password.as_deref())?;
        self.wait_until_ready()
    }

    /// Removes all data.
    ///
    /// # Errors
    /// When the server doesn't say it did.
    pub fn flush(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).map(drop)
    }

    /// Sends a command and gives the first line of its answer, without the type sign.
    ///
    /// # Errors
    /// When the server can't be reached, or refuses.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), ANSWER_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        if let Some(password) = &self.password {
            exchange(&mut stream, &["AUTH", password])?;
        }
        exchange(&mut stream, words)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let failed = match self.command(&["PING"]) {
                Ok(_) => return Ok(()),
                Err(failed) => failed,
            };
            let ended = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
            if let Some(status) = ended {
                return Err(Error::other(format!("redis-server ended by itself: {status}")));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(failed);
            }
            std::thread::park_timeout(POLL_GAP);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(port: u16, password: Option<&str>) -> Result<Child> {
    let mut command = child::bound("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    // Nothing is written, so the directory stays as it is.
    command.args(["--save", "", "--appendonly", "no"]).arg("--dir").arg(std::env::temp_dir());
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child::spawn(command)
}

fn exchange(stream: &mut TcpStream, words: &[&str]) -> Result<String> {
    let mut text = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| text.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    stream.write_all(text.as_bytes())?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    match line.split_at_checked(1) {
        Some(("-", refused)) => Err(Error::other(refused.to_owned())),
        Some((_, answer)) => Ok(answer.to_owned()),
        None => Err(Error::other("an empty line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_forgets_when_told_and_comes_back_on_its_port() {
        let server = Server::start_with_password("secret").unwrap();
        let port = server.address().port();
        assert_eq!(server.command(&["SET", "k", "v"]).unwrap(), "OK");
        assert_eq!(server.command(&["EXISTS", "k"]).unwrap(), "1");
        server.flush().unwrap();
        assert_eq!(server.command(&["EXISTS", "k"]).unwrap(), "0", "flushed");
        server.kill().unwrap();
        assert!(server.command(&["PING"]).is_err(), "killed");
        server.start_again().unwrap();
        assert_eq!((server.address().port(), server.command(&["PING"]).unwrap().as_str()), (port, "PONG"));
    }

    #[test]
    fn a_frozen_server_is_silent_until_thawed() {
        let server = Server::start().unwrap();
        server.freeze().unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(exchange(&mut stream, &["PING"]).is_err(), "frozen");
        server.thaw().unwrap();
        assert_eq!(server.command(&["PING"]).unwrap(), "PONG");
    }

    #[test]
    fn a_server_is_gone_when_dropped() {
        let server = Server::start().unwrap();
        let address = server.address();
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}
