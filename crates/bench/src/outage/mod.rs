//! The outage driver: two instances under load while PostgreSQL is frozen and killed, and Redis killed, slowed down and
//! flushed. What needs neither must not notice, what needs the database must say so in time and come back by itself,
//! nothing may need Redis, and whatever was acknowledged must be there afterwards.

mod clients;
mod disk;
mod judge;
mod site;

use crate::fleet::calls::{Account, Session};
use crate::fleet::faults::Faults;
use crate::table::Row;
use clients::Load;
use disk::Disk;
use judge::{Judge, Window};
use site::Site;
use std::io::{Error, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Load without an outage, before each and after what the recovery may take.
const CALM: Duration = Duration::from_secs(1);

const USED: &str = "a refresh token used long ago ends its session at each instance while Redis is away";
const GUESSES: &str =
    "the 6th wrong password in 300 s is refused with 429 by each instance while Redis is away";
const KEPT: &str = "each session and registration acknowledged goes on with the next generation afterwards";

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release binary.
    pub binary: PathBuf,
    /// How often to go through all outages.
    pub rounds: u32,
    /// How long each lasts.
    pub time: Duration,
}

/// A way to lose a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// SIGSTOP to the postmaster and all its children: connections stay open and silent.
    PostgresFrozen,
    /// SIGKILL to all of them, then a start with recovery from the log.
    PostgresKilled,
    /// SIGKILL; it comes back empty.
    RedisKilled,
    /// Half a second in between.
    RedisSlow,
    /// It forgets everything, at the beginning and at the end.
    RedisFlushed,
}

impl Outage {
    /// In this order.
    pub const ALL: [Self; 5] =
        [Self::PostgresFrozen, Self::PostgresKilled, Self::RedisKilled, Self::RedisSlow, Self::RedisFlushed];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgresFrozen => "PostgreSQL frozen",
            Self::PostgresKilled => "PostgreSQL killed",
            Self::RedisKilled => "Redis killed",
            Self::RedisSlow => "Redis slow",
            Self::RedisFlushed => "Redis flushed",
        }
    }

    /// Whether the store is away.
    pub fn hits_the_store(self) -> bool {
        matches!(self, Self::PostgresFrozen | Self::PostgresKilled)
    }
}

/// Runs all rounds.
///
/// # Errors
/// When a server can't be started, or the driver itself fails; what the instances do wrong is a row.
pub fn run(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut driver = Driver {
        site: Site::start(&options.binary)?,
        runtime,
        judge: Judge::default(),
        faults: Faults::default(),
        sessions: Vec::new(),
    };
    say(format!("logs in {}", driver.site.directory().display()));
    for round in 1..=options.rounds {
        driver.round(round, options.time, &say)?;
        if !driver.is_clean() {
            break;
        }
    }
    let sessions = std::mem::take(&mut driver.sessions);
    say(format!("checking {} sessions", sessions.len()));
    driver.check(sessions)?;
    if !driver.is_clean() {
        driver.site.keep();
    }
    Ok(driver.rows())
}

struct Driver {
    site: Site,
    runtime: Runtime,
    judge: Judge,
    faults: Faults,
    /// Every session acknowledged, with its newest tokens.
    sessions: Vec<Session>,
}

impl Driver {
    fn round(&mut self, round: u32, time: Duration, say: &impl Fn(String)) -> Result<()> {
        let addresses = self.site.addresses();
        let load = self.runtime.block_on(Load::start(&addresses, round))?;
        let disk = Disk::watch(self.site.directory())?;
        let mut windows = Vec::new();
        for outage in Outage::ALL {
            self.rest(CALM);
            let victims = match outage {
                Outage::RedisKilled => self.runtime.block_on(clients::victims(&addresses, round))?,
                _ => Vec::new(),
            };
            let struck = Instant::now();
            self.site.strike(outage)?;
            self.attack(victims)?;
            self.rest(time.saturating_sub(struck.elapsed()));
            self.site.heal(outage)?;
            windows.push(Window { outage, struck, returned: Instant::now() });
            self.rest(judge::RECOVERY + CALM);
        }
        let (seen, sessions, faults) = self.runtime.block_on(load.stop())?;
        self.faults.merge(faults);
        for line in self.judge.judge(&seen, (&windows, &disk.stop()?), &mut self.faults) {
            say(format!("round {round}: {line}"));
        }
        let sessions = self.check(sessions)?;
        self.sessions.extend(sessions);
        Ok(())
    }

    fn rest(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Guesses a password and uses a token again at each instance.
    fn attack(&mut self, victims: Vec<(Account, Session)>) -> Result<()> {
        for (address, (account, session)) in self.site.addresses().into_iter().zip(victims) {
            let statuses = self.runtime.block_on(clients::guess(address, &account))?;
            let is_right = statuses == [401, 401, 401, 401, 401, 429];
            self.faults.check(GUESSES, is_right, || format!("{address}: {statuses:?}"));
            let statuses = self.runtime.block_on(clients::use_again(address, session))?;
            self.faults.check(USED, statuses == [401, 401], || format!("{address}: {statuses:?}"));
        }
        Ok(())
    }

    /// Goes on with each session, at another instance than before.
    fn check(&mut self, sessions: Vec<Session>) -> Result<Vec<Session>> {
        let addresses = self.site.addresses();
        let checked = self.runtime.block_on(clients::go_on(&addresses, sessions))?;
        let mut kept = Vec::with_capacity(checked.len());
        for (before, after) in checked {
            let is_next = after.as_ref().is_ok_and(|after| after.generation == before.generation + 1);
            self.faults.check(KEPT, is_next, || match &after {
                Ok(after) => format!("{}: {} after {}", before.id, after.generation, before.generation),
                Err(error) => format!("{} at {}: {error}", before.id, before.generation),
            });
            kept.extend(after.ok());
        }
        Ok(kept)
    }

    fn is_clean(&self) -> bool {
        self.rows().iter().all(|row| row.met != Some(false))
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = self.judge.rows();
        rows.extend(self.faults.rows());
        rows
    }
}

fn missing(what: &str) -> Error {
    Error::other(format!("no {what}"))
}
