//! Two instances over one PostgreSQL with durable commits and one Redis behind a proxy.

use super::Outage;
use crate::process::{MASTER_KEY, Server, TempDir, allow_files, free_port};
use std::fs;
use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;
use testbed::proxy::Proxy;
use testbed::{postgres, redis};

const INSTANCES: usize = 2;
const NEEDED_FILES: u64 = 4_096;
const READY: &str = "/health/ready";
/// How slow a slow Redis is, one way.
const DELAY_MS: u64 = 500;

/// Everything under test; gone when dropped.
pub struct Site {
    // The instances end first.
    instances: Vec<Server>,
    proxy: Proxy,
    redis: redis::Server,
    postgres: postgres::Server,
    directory: TempDir,
}

impl Site {
    /// Starts it all.
    ///
    /// # Errors
    /// When something can't be started.
    pub fn start(binary: &Path) -> Result<Self> {
        allow_files(NEEDED_FILES)?;
        let postgres = postgres::Server::start(postgres::Options::default())?;
        let redis = redis::Server::start()?;
        let proxy = Proxy::start(redis.address())?;
        let environment = [
            ("DATABASE_URL", postgres.database("usso")?),
            ("REDIS_URI", redis.url_at(proxy.address())),
            ("MASTER_KEY", MASTER_KEY.to_owned()),
        ];
        let directory = TempDir::new("outage")?;
        let mut instances = Vec::new();
        for index in 0..INSTANCES {
            let data = directory.path().join(format!("instance-{index}"));
            fs::create_dir_all(&data)?;
            instances.push(Server::usso_with(binary, &data, (free_port()?, READY), &environment)?);
        }
        Ok(Self { instances, proxy, redis, postgres, directory })
    }

    /// Where the instances listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.instances.iter().map(|instance| instance.addr).collect()
    }

    /// Where the instances' logs are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves the logs behind for whoever wants to look.
    pub fn keep(&mut self) {
        self.directory.keep();
    }

    /// Begins an outage.
    ///
    /// # Errors
    /// When the server in question can't be reached.
    pub fn strike(&self, outage: Outage) -> Result<()> {
        match outage {
            Outage::PostgresFrozen => self.postgres.freeze(),
            Outage::PostgresKilled => self.postgres.kill(),
            Outage::RedisKilled => self.redis.kill(),
            Outage::RedisFlushed => self.redis.flush(),
            Outage::RedisSlow => {
                self.proxy.delay(DELAY_MS, 0);
                Ok(())
            }
        }
    }

    /// Ends it; the server answers again.
    ///
    /// # Errors
    /// When the server in question doesn't come back.
    pub fn heal(&self, outage: Outage) -> Result<()> {
        match outage {
            Outage::PostgresFrozen => self.postgres.thaw(),
            Outage::PostgresKilled => self.postgres.start_again(),
            Outage::RedisKilled => self.redis.start_again(),
            Outage::RedisFlushed => self.redis.flush(),
            Outage::RedisSlow => {
                self.proxy.heal();
                Ok(())
            }
        }
    }
}
