//! Connections to PostgreSQL: the URL, what a session is set to, and how often new ones are made.

use super::postgres_tls::{Check, Tls};
use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use kernel::StorageError;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Statement};

/// Any call of the port ends within this time; see the rules for outages.
pub(super) const CALL_LIMIT: Duration = Duration::from_millis(1100);

/// A new connection has to be ready within this time.
const CONNECT_LIMIT: Duration = Duration::from_millis(1000);

/// How many statements a connection keeps prepared.
const STATEMENTS_KEPT: usize = 512;

/// The server gives up what we no longer wait for. Each statement is written for one index, so the planner isn't to
/// weigh other ways, and plans needn't know the values: that makes them cheap and always the same.
const SESSION: &str = "
    SET statement_timeout = '1s'; SET lock_timeout = '900ms'; SET idle_in_transaction_session_timeout = '2s';
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET max_parallel_workers_per_gather = 0; SET jit = off;
    SET client_min_messages = warning";

/// A connection and what is prepared on it.
#[derive(Debug)]
pub(super) struct Connection {
    /// The connection.
    pub(super) client: Client,
    statements: Mutex<HashMap<String, Statement>>,
}

impl Connection {
    /// A statement, prepared at most once.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        let mut known = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= STATEMENTS_KEPT {
            known.clear();
        }
        known.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Makes connections, at most `rate` in a second, those of its clones included.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Option<Tls>,
    recent: Arc<tokio::sync::Mutex<VecDeque<Instant>>>,
    rate: usize,
}

impl Connector {
    /// Reads a database URL.
    ///
    /// # Errors
    /// `Unavailable` when it can't be read, without showing it.
    pub(super) fn new(url: &str, rate: usize) -> Result<Self, StorageError> {
        let Address { url, mode, roots } = Address::parse(url)?;
        let mut config: Config =
            url.parse().map_err(|e| refused(&format!("the database URL: {}", explain(&e))))?;
        if config.get_application_name().is_none() {
            config.application_name("usso");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_LIMIT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(CALL_LIMIT * 2);
        }
        config.keepalives_idle(Duration::from_secs(15)).keepalives_interval(Duration::from_secs(5));
        let unsaid = if roots == Roots::System { "verify-full" } else { "prefer" };
        let roots_file = if let Roots::File(file) = &roots { Some(file.as_path()) } else { None };
        let (ssl, check) = match (mode.as_deref().unwrap_or(unsaid), roots_file) {
            ("allow" | "disable" | "prefer" | "require" | "verify-ca", _) if roots == Roots::System => {
                // Anybody can have a certificate the system trusts.
                return Err(refused("the database URL: sslrootcert=system needs sslmode=verify-full"));
            }
            ("disable", _) => (SslMode::Disable, None),
            ("allow" | "prefer", _) => (SslMode::Prefer, Some(Check::Nothing)),
            ("require", None) => (SslMode::Require, Some(Check::Nothing)),
            ("require" | "verify-ca", _) => (SslMode::Require, Some(Check::Authority)),
            ("verify-full", _) => (SslMode::Require, Some(Check::AuthorityAndHost)),
            _ => {
                return Err(refused(
                    "the database URL: sslmode is disable, prefer, require, verify-ca or verify-full",
                ));
            }
        };
        config.ssl_mode(ssl);
        let tls = check.map(|check| Tls::new(check, roots_file)).transpose()?;
        Ok(Self { config, tls, recent: Arc::default(), rate: rate.max(1) })
    }

    /// A connection that is set up as any other, but without limits of time for its statements and without waiting for
    /// a turn: for migrations. Locks go soon after an instance that holds them hangs.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub(super) async fn patient(&self) -> Result<Connection, StorageError> {
        let connection = self.new_session().await?;
        let unlimited = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = '60s'";
        connection.client.batch_execute(unlimited).await.map_err(|e| unavailable(&e))?;
        Ok(connection)
    }

    /// Waits until another connection may be made.
    async fn turn(&self) {
        let mut recent = self.recent.lock().await;
        while recent.len() >= self.rate {
            let Some(oldest) = recent.front() else { break };
            tokio::time::sleep_until(*oldest + Duration::from_secs(1)).await;
            recent.pop_front();
        }
        recent.push_back(Instant::now());
    }

    async fn new_session(&self) -> Result<Connection, StorageError> {
        let connect = async {
            let client = self.connect().await?;
            client.batch_execute(SESSION).await?;
            Ok(client)
        };
        match tokio::time::timeout(CONNECT_LIMIT, connect).await {
            Ok(Ok(client)) => Ok(Connection { client, statements: Mutex::default() }),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(refused("PostgreSQL didn't take the connection in time")),
        }
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                drop(tokio::spawn(drive(connection)));
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
                drop(tokio::spawn(drive(connection)));
                Ok(client)
            }
        }
    }
}

/// Moves the bytes of a connection until it ends.
async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(error = %explain(&error), "a connection to PostgreSQL ended");
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = StorageError;

    async fn create(&self) -> Result<Connection, StorageError> {
        self.turn().await;
        self.new_session().await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<StorageError> {
        if connection.client.is_closed() { Err(RecycleError::message("closed")) } else { Ok(()) }
    }
}

/// What the database URL says, the driver's part and ours.
#[derive(Debug)]
struct Address {
    url: String,
    mode: Option<String>,
    roots: Roots,
}

/// What `sslrootcert` says.
#[derive(Debug, PartialEq, Eq)]
enum Roots {
    /// Nothing.
    Unsaid,
    /// What the system trusts, for certificates of that very host.
    System,
    /// The certificates in a file.
    File(PathBuf),
}

impl Address {
    /// Takes out what the driver doesn't know.
    fn parse(url: &str) -> Result<Self, StorageError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused("the database URL doesn't start with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, Roots::Unsaid, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", "system")) => roots = Roots::System,
                Some(("sslrootcert", value)) => roots = Roots::File(PathBuf::from(decode(value))),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok(Self { url, mode, roots })
    }
}

/// Reads percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(why: &str) -> StorageError {
    StorageError::Unavailable(why.to_owned())
}

/// Anything the driver reports, as the port puts it.
pub(super) fn unavailable(error: &tokio_postgres::Error) -> StorageError {
    StorageError::Unavailable(explain(error))
}

/// What went wrong, without the values a server's details may hold.
pub(super) fn explain(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        return format!("PostgreSQL: {} ({})", database.message(), database.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("PostgreSQL: {error}: {cause}"),
        None => format!("PostgreSQL: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_part_of_the_url_is_taken_out() {
        let url = "postgres://a:b@h/d?sslmode=verify-full&application_name=x&sslrootcert=%2Fetc%2Fa%20b.pem";
        let address = Address::parse(url).unwrap();
        assert_eq!(address.url, "postgres://a:b@h/d?application_name=x");
        assert_eq!(address.mode.unwrap(), "verify-full");
        assert_eq!(address.roots, Roots::File(PathBuf::from("/etc/a b.pem")));
        assert_eq!(decode("100%zz%4"), "100%zz%4");
    }

    #[test]
    fn an_unreadable_url_is_refused_without_being_shown() {
        for url in [
            "mysql://u:secret@h/d",
            "postgres://u:secret@h:secret/d",
            "postgres://u:secret@h/d?sslmode=secret",
        ] {
            let why = Connector::new(url, 1).unwrap_err().to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn the_systems_roots_need_the_host_to_be_checked() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let url = format!("postgres://u@h/d?sslrootcert=system&sslmode={mode}");
            let why = Connector::new(&url, 1).unwrap_err().to_string();
            assert!(why.contains("verify-full"), "{mode}: {why}");
        }
        // A system without any roots can't be told from one that has them, but the mode is read.
        for url in
            ["postgres://u@h/d?sslrootcert=system", "postgres://u@h/d?sslmode=verify-full&sslrootcert=system"]
        {
            match Connector::new(url, 1) {
                Ok(connector) => assert_eq!(connector.config.get_ssl_mode(), SslMode::Require),
                Err(why) => assert!(why.to_string().contains("no certificate to trust"), "{why}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_connections_are_made_in_a_second_than_the_pool_has() {
        let connector = Connector::new("postgres://u@127.0.0.1/d?sslmode=disable", 3).unwrap();
        let start = Instant::now();
        for turn in 0..7u32 {
            connector.turn().await;
            assert_eq!(start.elapsed().as_secs(), u64::from(turn / 3));
        }
    }
}
