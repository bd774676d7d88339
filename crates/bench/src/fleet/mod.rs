//! The fleet drivers: several instances of the release binary over one PostgreSQL and one Redis, asked at once for
//! what only one may give. `races` and `revocations` are `usso-bench fleet`; `rolling` restarts instances behind a
//! small balancer; `rotation` changes signing keys under load.

mod balancer;
pub mod calls;
pub mod faults;
mod races;
mod revocations;
mod rolling;
mod rotation;

pub use rolling::rolling;
pub use rotation::rotation;

use crate::process::{MASTER_KEY, Server, TempDir, allow_files, free_port};
use crate::table::Row;
use std::fs;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testbed::{postgres, redis};
use tokio::runtime::Runtime;

/// The path whose first 200 means that an instance takes part.
pub const READY: &str = "/health/ready";

const NEEDED_FILES: u64 = 4_096;

/// Instances that share a PostgreSQL and a Redis, all of them private and gone when dropped.
pub struct Fleet {
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
    instances: Vec<Option<Server>>,
    ports: Vec<u16>,
    /// The database; commits are durable.
    postgres: postgres::Server,
    /// What the instances share besides.
    redis: redis::Server,
    directory: TempDir,
}

impl Fleet {
    /// Starts the two servers and then the instances, one after the other.
    ///
    /// # Errors
    /// When one of them can't be started.
    pub fn start(binary: &Path, count: usize, further: &[(&'static str, String)]) -> Result<Self> {
        allow_files(NEEDED_FILES)?;
        let (postgres, redis) =
            (postgres::Server::start(postgres::Options::default())?, redis::Server::start()?);
        let mut environment = vec![
            ("DATABASE_URL", postgres.database("usso")?),
            ("REDIS_URI", redis.url()),
            ("MASTER_KEY", MASTER_KEY.to_owned()),
        ];
        environment.extend_from_slice(further);
        let mut fleet = Self {
            binary: binary.to_owned(),
            environment,
            instances: Vec::new(),
            ports: Vec::new(),
            postgres,
            redis,
            directory: TempDir::new("fleet")?,
        };
        for index in 0..count {
            fleet.ports.push(free_port()?);
            fleet.instances.push(None);
            fleet.start_instance(index)?;
        }
        Ok(fleet)
    }

    /// Starts an instance that isn't running, on the port it had; answers how long it took to be ready.
    ///
    /// # Errors
    /// When it doesn't get ready.
    pub fn start_instance(&mut self, index: usize) -> Result<Duration> {
        let directory = self.directory.path().join(format!("instance-{index}"));
        fs::create_dir_all(&directory)?;
        let missing = || Error::other(format!("there is no instance {index}"));
        let port = *self.ports.get(index).ok_or_else(missing)?;
        let server = Server::usso_with(&self.binary, &directory, (port, READY), &self.environment)?;
        let took = server.started_in;
        *self.instances.get_mut(index).ok_or_else(missing)? = Some(server);
        Ok(took)
    }

    /// Asks an instance to end and waits until it has.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop_instance(&mut self, index: usize) -> Result<()> {
        self.instances.get_mut(index).and_then(Option::take).map_or(Ok(()), Server::stop)
    }

    /// Where the running instances listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.instances.iter().flatten().map(|server| server.addr).collect()
    }

    /// The logs stay behind for whoever wants to look.
    fn keep_logs(&mut self) {
        self.directory.keep();
    }
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release binary.
    pub binary: PathBuf,
    /// Rounds of refresh races; a fifth as many sessions are revoked, at least 200, with and without Redis.
    pub rounds: u64,
}

/// Refresh races, then revocations with Redis and without it.
///
/// # Errors
/// When a server can't be started or the driver itself fails; what the instances do wrong is a row.
pub fn fleet(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    let mut fleet = Fleet::start(&options.binary, 3, &[])?;
    let addresses = fleet.addresses();
    let runtime = runtime()?;
    let mut rows = runtime.block_on(races::races(&addresses, options.rounds))?;
    say(format!("{} rounds of refresh races are over", options.rounds));
    rows.push(races::in_database(&fleet.postgres, options.rounds)?);
    let count = (options.rounds / 5).max(200);
    let shared = revocations::Phase { name: "Redis", count, clients: 4, limit: Duration::from_secs(1) };
    rows.extend(runtime.block_on(revocations::revocations(&addresses, &shared, || Ok(())))?);
    say(format!("{count} revocations are over"));
    let cut = revocations::Phase { name: "Redis killed", count, clients: 16, limit: Duration::from_secs(2) };
    rows.extend(runtime.block_on(revocations::revocations(&addresses, &cut, || fleet.redis.kill()))?);
    say(format!("{count} revocations without Redis are over"));
    if rows.iter().any(|row| row.met == Some(false)) {
        fleet.keep_logs();
        say(format!("logs in {}", fleet.directory.path().display()));
    }
    Ok(rows)
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
