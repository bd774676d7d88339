//! A server in this process, so that its storage port can be reached besides its HTTP.

use super::Store;
use crate::crash::administer;
use crate::process::{MASTER_KEY, SYSTEM_PASSWORD, TempDir};
use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::Duration;
use testbed::postgres;
use tokio::runtime::Runtime;
use usso::app::startup;
use usso::config::{Config, Flags, Sources};
use usso::http::AppState;

const START_LIMIT: Duration = Duration::from_secs(60);

/// A server and its database.
pub struct Installation {
    /// Its services.
    pub state: AppState,
    /// Where it listens.
    pub address: SocketAddr,
    /// The system administrator's access token.
    pub admin: String,
    /// For calls of the storage port.
    pub runtime: Runtime,
    postgres: Option<postgres::Server>,
    _directory: TempDir,
}

impl Installation {
    /// Starts one on an empty database.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(store: Store) -> Result<Self> {
        let directory = TempDir::new("growth")?;
        let mut environment = vec![
            ("DATA_DIR", directory.path().display().to_string()),
            ("PORT", "0".to_owned()),
            ("SYSTEM_PASSWORD", SYSTEM_PASSWORD.to_owned()),
            ("MASTER_KEY", MASTER_KEY.to_owned()),
        ];
        let postgres = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(postgres::Server::start(postgres::Options::default())?),
        };
        if let Some(server) = &postgres {
            environment.push(("DATABASE_URL", server.database("usso")?));
        }
        let (state, address) = serve(environment)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (admin, _) = runtime.block_on(administer(address, SYSTEM_PASSWORD, false))?;
        Ok(Self { state, address, admin, runtime, postgres, _directory: directory })
    }
}

impl Installation {
    /// Does what PostgreSQL does by itself within a minute of many writes; the embedded database needs nothing.
    ///
    /// # Errors
    /// When the server doesn't.
    pub fn settle(&self) -> Result<()> {
        self.postgres.as_ref().map_or(Ok(()), |server| server.psql("usso", "VACUUM ANALYZE").map(drop))
    }
}

/// What an environment of nothing else configures.
///
/// # Errors
/// When it can't be.
pub fn configured(environment: Vec<(&'static str, String)>) -> Result<Config> {
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let read_secret = |path: &std::path::Path| std::fs::read_to_string(path);
    let sources = Sources { file: None, dot_env: None, environment, flags: Flags::default(), read_secret };
    sources.load().map_err(Error::other)
}

/// Serves on a thread of its own until this process ends.
fn serve(environment: Vec<(&'static str, String)>) -> Result<(AppState, SocketAddr)> {
    let config = configured(environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || {
        let failed = ready.clone();
        let served = runtime.block_on(startup::serve(&config, |instance, port| {
            let _ = ready.send(Ok((instance.state.clone(), port)));
        }));
        if let Err(error) = served {
            let _ = failed.send(Err(Error::other(error)));
        }
    });
    let (state, port) = started.recv_timeout(START_LIMIT).map_err(Error::other)??;
    Ok((state, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}
