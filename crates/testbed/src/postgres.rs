//! A PostgreSQL server.

use crate::child;
use crate::processes::{children_of, running, signal, state, wait_until};
use rustix::fs::chown;
use rustix::process::{Gid, Signal, Uid, geteuid};
use std::io::{Error, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Between finding a free port and listening on it somebody else may take it.
const PORTS_TRIED: usize = 5;
/// What the directories of all servers start with; the process id of their owner follows.
const DIRECTORY_PREFIX: &str = "usso-postgres-";
/// The superuser and the password in every URL. The server trusts whoever reaches its port.
const USER: &str = "usso";
const PASSWORD: &str = "only-a-test";

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether commits reach the disk; functional tests need not wait for it.
    pub fsync: bool,
    /// A certificate chain and its key, in PEM: the server then offers TLS, and refuses connections without.
    pub tls: Option<(String, String)>,
    /// Further settings, `name=value` each.
    pub settings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, tls: None, settings: Vec::new() }
    }
}

impl Options {
    /// For functional tests: commits don't wait for the disk.
    pub fn volatile() -> Self {
        Self { fsync: false, ..Self::default() }
    }
}

/// A cluster in a directory of its own on a port of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Server {
    directory: Directory,
    port: u16,
    options: Options,
    child: Mutex<Child>,
}

/// A server shared by everything in this process, without fsync: each user takes a database of its own. It ends with
/// the process.
///
/// # Errors
/// When it can't be started.
pub fn shared() -> Result<&'static Server> {
    static SHARED: OnceLock<std::result::Result<Server, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Server::start(Options::volatile()).map_err(|e| e.to_string()));
    shared.as_ref().map_err(|why| Error::other(why.as_str()))
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// Creates a cluster, starts it on a free port of 127.0.0.1 and waits until it answers: about two seconds.
    ///
    /// # Errors
    /// When PostgreSQL isn't installed, or doesn't start within half a minute.
    pub fn start(options: Options) -> Result<Self> {
        remove_stale_directories();
        let directory = Directory::create()?;
        directory.initialise(&options)?;
        let mut outcome = Err(Error::other("no port tried"));
        for _ in 0..PORTS_TRIED {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            outcome = spawn(&directory, port, &options).map(|child| (port, child));
            if outcome.is_ok() {
                break;
            }
        }
        let (port, child) = outcome?;
        Ok(Self { directory, port, options, child: Mutex::new(child) })
    }

    /// The URL of the database every cluster has.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of a database.
    pub fn url_of(&self, database: &str) -> String {
        self.url_at(self.address(), database)
    }

    /// The same reached through another address, such as a proxy's.
    pub fn url_at(&self, address: SocketAddr, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{address}/{database}")
    }

    /// Creates an empty database and answers its URL.
    ///
    /// # Errors
    /// When there is one of that name, or the server doesn't answer.
    pub fn database(&self, name: &str) -> Result<String> {
        // Copying files needs two checkpoints; writing the template's few pages to the log doesn't.
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0 STRATEGY wal_log"))?;
        Ok(self.url_of(name))
    }

    /// Takes a database as a model for others: nobody is connected to it any more, nor ever will be.
    ///
    /// # Errors
    /// When there is none of that name, or the server doesn't answer.
    pub fn seal(&self, name: &str) -> Result<()> {
        self.psql("postgres", &format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"))?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        self.psql("postgres", &format!("{end} = '{name}'")).map(drop)
    }

    /// Creates a database like one that was sealed, under a name nobody else uses, and answers its URL.
    ///
    /// # Errors
    /// When there is no such model, or the server doesn't answer.
    pub fn copy_of(&self, model: &str) -> Result<String> {
        let name = fresh_name();
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{model}\" STRATEGY wal_log");
        self.psql("postgres", &sql)?;
        Ok(self.url_of(&name))
    }

    /// Creates an empty database under a name nobody else uses and answers its URL.
    ///
    /// # Errors
    /// As [`Server::database`].
    pub fn fresh_database(&self) -> Result<String> {
        self.database(&fresh_name())
    }

    /// Runs SQL in a database as the superuser and answers what it prints, unaligned and without headers.
    ///
    /// # Errors
    /// When `psql` fails; the error has what it wrote.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(binary("psql")?)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url_of(database)])
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Where the cluster lies.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.data()
    }

    /// Where PostgreSQL's own programs are.
    ///
    /// # Errors
    /// When PostgreSQL isn't installed.
    pub fn program(name: &str) -> Result<PathBuf> {
        binary(name)
    }

    /// The postmaster's process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// The postmaster and all its children: background workers and backends.
    pub fn pids(&self) -> Vec<u32> {
        let postmaster = self.pid();
        std::iter::once(postmaster).chain(children_of(postmaster)).collect()
    }

    /// Stops all its processes where they are; connections stay open and silent, new ones are not answered.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn freeze(&self) -> Result<()> {
        // Until it has really stopped, the postmaster makes more children.
        wait_until("all processes stop", STOP_LIMIT, || {
            let moving = |pid: &u32| state(*pid).is_some_and(|state| !matches!(state, 'T' | 'Z' | 'X'));
            let moving: Vec<u32> = self.pids().into_iter().filter(moving).collect();
            moving.iter().for_each(|pid| drop(signal(*pid, Signal::STOP)));
            moving.is_empty()
        })
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When it isn't running.
    pub fn thaw(&self) -> Result<()> {
        self.pids().into_iter().try_for_each(|pid| signal(pid, Signal::CONT))
    }

    /// Kills all its processes at once, as a power cut would, and waits until they are gone.
    ///
    /// # Errors
    /// When they don't go.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let postmaster = child.id();
        // Stopped first: it would start a recovery when it sees a child die.
        if running(postmaster) {
            signal(postmaster, Signal::STOP)?;
        }
        let children = children_of(postmaster);
        child.kill()?;
        child.wait()?;
        for child in &children {
            signal(*child, Signal::KILL)?;
        }
        wait_until("killed processes go", STOP_LIMIT, || !children.iter().any(|pid| running(*pid)))?;
        // Its number may belong to somebody else by the time the server starts again.
        remove_if_there(&self.directory.data().join("postmaster.pid"))
    }

    /// Starts a killed server again on the same port and data, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn start_again(&self) -> Result<()> {
        let started = spawn(&self.directory, self.port, &self.options)?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = started;
        Ok(())
    }

    /// What it logged so far.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(self.directory.log())
    }
}

impl Drop for Server {
    /// Shuts it down at once, but in order, so that it gives its shared memory back.
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.id();
        if running(pid) {
            for pid in children_of(pid).into_iter().chain([pid]) {
                let _ = signal(pid, Signal::CONT);
            }
            let _ = signal(pid, Signal::QUIT);
            let _ = wait_until("the server stops", STOP_LIMIT, || !running(pid));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The directory of a cluster, removed with the value.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn create() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (owner, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("{DIRECTORY_PREFIX}{owner}-{number}"));
        std::fs::create_dir(&path)?;
        let directory = Self(path);
        std::fs::File::create(directory.log())?;
        directory.give_away(&directory.0)?;
        directory.give_away(&directory.log())?;
        Ok(directory)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Makes PostgreSQL's user the owner.
    fn give_away(&self, path: &Path) -> Result<()> {
        match unprivileged()? {
            Some((user, group)) => Ok(chown(path, Some(user), Some(group))?),
            None => Ok(()),
        }
    }

    fn initialise(&self, options: &Options) -> Result<()> {
        let mut initdb = as_user("initdb")?;
        initdb.arg("-D").arg(self.data());
        initdb.args([
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        ]);
        let output = initdb.stdin(Stdio::null()).current_dir("/").output()?;
        if !output.status.success() {
            return Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        if let Some((certificate, key)) = &options.tls {
            self.write("server.crt", certificate)?;
            self.write("server.key", key)?;
            self.write("pg_hba.conf", "hostssl all all all trust\n")?;
        }
        Ok(())
    }

    /// Writes a file only the server may read.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.data().join(name);
        remove_if_there(&path)?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        self.give_away(&path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts the postmaster and waits until it takes connections.
fn spawn(directory: &Directory, port: u16, options: &Options) -> Result<Child> {
    let mut command = as_user("postgres")?;
    command.arg("-D").arg(directory.data()).current_dir("/");
    let fsync = if options.fsync { "on" } else { "off" };
    let tls = if options.tls.is_some() { "on" } else { "off" };
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        "max_connections=400".to_owned(),
        "shared_buffers=128MB".to_owned(),
        "max_wal_size=2GB".to_owned(),
        format!("fsync={fsync}"),
        format!("synchronous_commit={fsync}"),
        format!("full_page_writes={fsync}"),
        format!("ssl={tls}"),
    ];
    for setting in settings.iter().chain(&options.settings) {
        command.args(["-c", setting]);
    }
    let log = std::fs::OpenOptions::new().append(true).open(directory.log())?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = child::spawn(command)?;
    let ready = wait_until("the server starts", START_LIMIT, || {
        is_ready(directory) || matches!(child.try_wait(), Ok(Some(_)) | Err(_))
    });
    if ready.is_ok() && is_ready(directory) {
        return Ok(child);
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(Error::other(std::fs::read_to_string(directory.log()).unwrap_or_default()))
}

/// Whether the postmaster says so: the eighth line of its file.
fn is_ready(directory: &Directory) -> bool {
    let text = std::fs::read_to_string(directory.data().join("postmaster.pid")).unwrap_or_default();
    text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// A command of PostgreSQL that ends with this process and doesn't run as root, which PostgreSQL refuses.
fn as_user(program: &str) -> Result<Command> {
    let mut command = Command::new("setpriv");
    // In one step: changing the user takes a signal back that was set before.
    if let Some((user, group)) = unprivileged()? {
        command.arg(format!("--reuid={}", user.as_raw())).arg(format!("--regid={}", group.as_raw()));
        command.arg("--clear-groups");
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(binary(program)?);
    Ok(command)
}

/// The user PostgreSQL runs as when this process is root's.
fn unprivileged() -> Result<Option<(Uid, Gid)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        match (fields.next()?, fields.next()?) {
            (Ok(user), Ok(group)) => Some((Uid::from_raw(user), Gid::from_raw(group))),
            _ => None,
        }
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.map(Some).ok_or_else(|| Error::other("there is neither a user `postgres` nor `nobody`"))
}

/// A program of the newest PostgreSQL installed.
fn binary(program: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing(program))?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| version(path).is_some())
        .max_by_key(version);
    let path = newest.map(|version| version.join("bin").join(program)).filter(|path| path.exists());
    path.ok_or_else(|| missing(program))
}

fn missing(program: &str) -> Error {
    Error::other(format!("`{program}` is missing: install the package `postgresql`"))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what processes that were killed, and the shared servers of those that ended, left behind.
fn remove_stale_directories() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let owner = name.strip_prefix(DIRECTORY_PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if owner.is_some_and(|owner| !running(owner)) {
            remove_shared_memory(&path);
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}

/// A killed postmaster leaves a small segment of shared memory, of which a machine has some thousands.
fn remove_shared_memory(directory: &Path) {
    let text = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap_or_default();
    let segment = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).map(str::to_owned);
    if let Some(segment) = segment {
        let _ = Command::new("ipcrm").args(["-m", &segment]).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_apart_and_killed_data_comes_back() {
        let server = Server::start(Options { fsync: true, ..Options::default() }).unwrap();
        server.database("one").unwrap();
        server.database("two").unwrap();
        server.psql("one", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)").unwrap();
        assert!(server.psql("two", "SELECT * FROM t").is_err());
        assert!(server.pids().len() > 3, "the postmaster and its helpers");
        server.kill().unwrap();
        assert!(server.psql("one", "SELECT 1").is_err());
        server.start_again().unwrap();
        assert_eq!(server.psql("one", "SELECT n FROM t").unwrap(), "7");
        let directory = server.directory.0.clone();
        let pids = server.pids();
        drop(server);
        assert!(!directory.exists());
        assert!(!pids.into_iter().any(running));
    }

    #[test]
    fn a_frozen_server_is_silent_until_it_thaws() {
        let server = shared().unwrap();
        server.freeze().unwrap();
        let pids = server.pids();
        let states: Vec<_> = pids.into_iter().filter_map(state).collect();
        assert!(states.iter().all(|state| *state == 'T'), "{states:?}");
        server.thaw().unwrap();
        assert_eq!(server.psql("postgres", "SELECT 1").unwrap(), "1");
    }
}
