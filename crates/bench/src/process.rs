//! The servers under measurement as child processes: started on a free port with nothing of the caller's
//! environment, asked until they answer, measured through `/proc`, and ended by signal.

use crate::client::{Connection, request};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs::{self, File};
use std::io::{self, Error};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The password the servers are started with.
pub const SYSTEM_PASSWORD: &str = "Bench-Lighthouse-Orchard-42!";

/// 32 bytes in base64: the master key of servers that share a database.
pub const MASTER_KEY: &str = "dXNzby1iZW5jaC1tYXN0ZXIta2V5LTMyLWJ5dGVzISE=";

/// The same whatever port is free, so that a restarted server is the same issuer.
const BASE_URL: &str = "http://localhost:8000";

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL_GAP: Duration = Duration::from_micros(300);

/// A fresh directory, removed with its content when dropped unless kept.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    keep: bool,
}

impl TempDir {
    /// Makes one.
    ///
    /// # Errors
    /// As the file system says.
    pub fn new(name: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("usso-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path, keep: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it behind for whoever wants to look.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A port nobody listens on at this moment.
///
/// # Errors
/// When the loopback address can't be bound.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// From spawning to the first answer.
    pub started_in: Duration,
}

impl Server {
    /// Starts the USSO binary on a data directory and waits for its first 200 on `path`. Its output goes to
    /// `server.log` there.
    ///
    /// # Errors
    /// When it can't be started, ends by itself, or doesn't answer within 30 s.
    pub fn usso(binary: &Path, data: &Path, path: &str) -> io::Result<Self> {
        Self::usso_with(binary, data, (free_port()?, path), &[])
    }

    /// Starts it on a given port with further environment variables.
    ///
    /// # Errors
    /// As [`Server::usso`].
    pub fn usso_with(
        binary: &Path,
        data: &Path,
        (port, path): (u16, &str),
        environment: &[(&str, String)],
    ) -> io::Result<Self> {
        let mut command = usso_command(binary, data, port, BASE_URL);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::start(command, port, &data.join("server.log"), path)
    }

    /// Starts it as an installation that browsers reach where it listens: its pages lead to themselves.
    ///
    /// # Errors
    /// As [`Server::usso`].
    pub fn usso_for_browsers(binary: &Path, data: &Path, path: &str) -> io::Result<Self> {
        let port = free_port()?;
        let command = usso_command(binary, data, port, &format!("http://localhost:{port}"));
        Self::start(command, port, &data.join("server.log"), path)
    }

    /// Starts this program's own bare routes.
    ///
    /// # Errors
    /// As [`Server::usso`].
    pub fn bare(log: &Path) -> io::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", "--port", &port.to_string()]);
        Self::start(command, port, log, "/static-json")
    }

    fn start(mut command: Command, port: u16, log: &Path, path: &str) -> io::Result<Self> {
        let log_file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log_file.try_clone()?).stderr(log_file);
        let begun = Instant::now();
        let child = command.spawn().map_err(|e| Error::other(format!("{:?}: {e}", command.get_program())))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { child, addr, started_in: Duration::ZERO };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let probe = request(addr, "GET", path, None, None);
        loop {
            if let Ok(200) = runtime.block_on(ask(addr, &probe)) {
                server.started_in = begun.elapsed();
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                let text = fs::read_to_string(log).unwrap_or_default();
                let tail: String = text.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                return Err(Error::other(format!("the server ended by itself ({status}): {tail}")));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(Error::other(format!("no 200 from {path} within 30 s, see {}", log.display())));
            }
            std::thread::park_timeout(POLL_GAP);
        }
    }

    /// Memory of the process from `/proc/PID/status` in KiB: `VmRSS` (now) or `VmHWM` (peak).
    ///
    /// # Errors
    /// When `/proc` doesn't say.
    pub fn memory_kib(&self, field: &str) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        text.lines()
            .find_map(|line| {
                line.strip_prefix(field)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse().ok()
            })
            .ok_or_else(|| Error::other(format!("no {field} in /proc")))
    }

    /// Ends it at once, as a power failure of the process would.
    ///
    /// # Errors
    /// When it can't be killed or waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Asks it to end, and kills it after ten seconds.
    ///
    /// # Errors
    /// When it can't be waited for, or had to be killed.
    pub fn stop(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        self.kill()?;
        Err(Error::other("the server did not end within 10 s of SIGTERM"))
    }
}

fn usso_command(binary: &Path, data: &Path, port: u16, base_url: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("SYSTEM_PASSWORD", SYSTEM_PASSWORD)
        .current_dir(data)
        .arg("--data-dir")
        .arg(data)
        .args(["--port", &port.to_string(), "--base-url", base_url]);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ask(addr: SocketAddr, probe: &[u8]) -> io::Result<u16> {
    let mut connection = Connection::open(addr).await?;
    Ok(connection.exchange(probe).await?.status)
}

/// Raises the soft limit of open files to the hard one, for this process and the children it starts.
///
/// # Errors
/// When fewer than `needed` files are allowed even then (`ulimit -Hn`).
pub fn allow_files(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    match limit.maximum {
        Some(allowed) if allowed < needed => {
            Err(Error::other(format!("{allowed} open files allowed, {needed} needed: raise `ulimit -Hn`")))
        }
        _ => Ok(()),
    }
}
