//! The crash driver: 32 clients write at random and note every acknowledgement, the server is killed at a random
//! moment, and then everything noted must be there: over HTTP after the restart, and in the database file as the
//! kill left it, with its events. Rounds share one data directory, so old promises are checked again each time.

mod database;
mod dice;
mod findings;
mod ledger;
mod verify;
mod worker;

pub use findings::Report;
pub use worker::{Reply, administer, claims, refresh_body};

use crate::process::{SYSTEM_PASSWORD, Server, TempDir};
use dice::Dice;
use findings::Fault;
use ledger::Ledger;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use worker::{Duty, Worker};

const CLIENTS: usize = 32;
const HEALTH: &str = "/health";
const READY_LIMIT: Duration = Duration::from_secs(2);
const KILL_AFTER_MS: std::ops::Range<usize> = 200..3000;
const SHOWN_FAULTS: usize = 20;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary.
    pub binary: PathBuf,
    /// How often to kill it.
    pub kills: u32,
    /// Decides the moments and the mix.
    pub seed: u64,
}

struct Driver {
    runtime: Runtime,
    workers: Vec<Worker>,
    ledger: Arc<Ledger>,
    dice: Dice,
    report: Report,
}

/// Runs all rounds and reports.
///
/// # Errors
/// When the server doesn't start again, or breaks a connection while being checked.
pub fn run(options: &Options, say: impl Fn(String)) -> Result<Report> {
    let mut directory = TempDir::new("crash")?;
    let scratch = TempDir::new("crash-copy")?;
    // Kept until the end is known to be clean: a failed run is worth looking at.
    directory.keep();
    say(format!("data, server.log and ledger.jsonl in {}", directory.path().display()));
    let ledger = Arc::new(Ledger::create(&directory.path().join("ledger.jsonl"))?);
    let workers = (0..CLIENTS).map(|n| Worker::new(n, options.seed, Arc::clone(&ledger))).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = Report { seed: options.seed, ..Report::default() };
    let mut driver = Driver { runtime, workers, ledger, dice: Dice::new(options.seed), report };
    let mut server = Server::usso(&options.binary, directory.path(), HEALTH)?;
    driver.engage(server.addr)?;
    for round in 1..=options.kills {
        driver.load_and_kill(&mut server, round)?;
        let found = database::check(directory.path(), scratch.path(), &driver.workers)?;
        driver.report.findings.merge(found);
        server = driver.restart(&options.binary, directory.path())?;
        driver.verify(server.addr, round)?;
        say(driver.progress(round, server.started_in)?);
        if !driver.report.is_clean() {
            break;
        }
    }
    for fault in driver.report.findings.first(SHOWN_FAULTS) {
        say(fault);
    }
    if driver.report.is_clean() {
        std::fs::remove_dir_all(directory.path())?;
    }
    Ok(driver.report)
}

impl Driver {
    /// Signs the administrator in, makes the tenant, and gives one client the duty to change it.
    fn engage(&mut self, addr: SocketAddr) -> Result<()> {
        let (admin, tenant) = self.runtime.block_on(administer(addr, SYSTEM_PASSWORD, true))?;
        if let Some(first) = self.workers.first_mut() {
            first.duty = Some(Duty { tenant, admin, acknowledged: 0, sent: 0, changes: 0 });
        }
        Ok(())
    }

    fn load_and_kill(&mut self, server: &mut Server, round: u32) -> Result<()> {
        let wait = KILL_AFTER_MS.start + self.dice.below(KILL_AFTER_MS.len());
        let workers = std::mem::take(&mut self.workers);
        self.workers = self.runtime.block_on(async {
            let tasks: Vec<_> =
                workers.into_iter().map(|w| tokio::spawn(w.work(server.addr, round))).collect();
            tokio::time::sleep(Duration::from_millis(wait as u64)).await;
            server.kill()?;
            let mut workers = Vec::with_capacity(tasks.len());
            for task in tasks {
                workers.push(task.await.map_err(Error::other)?);
            }
            Ok::<_, Error>(workers)
        })?;
        self.report.kills += 1;
        self.report.acknowledged = self.ledger.flush()?;
        Ok(())
    }

    fn restart(&mut self, binary: &Path, data: &Path) -> Result<Server> {
        let server = Server::usso(binary, data, HEALTH)?;
        let took = server.started_in;
        self.report.slowest_ready = self.report.slowest_ready.max(took);
        self.report.findings.check(took <= READY_LIMIT, Fault::Slow, || format!("ready after {took:?}"));
        Ok(server)
    }

    fn verify(&mut self, addr: SocketAddr, round: u32) -> Result<()> {
        let workers = std::mem::take(&mut self.workers);
        self.workers = self.runtime.block_on(async {
            let tasks: Vec<_> =
                workers.into_iter().map(|w| tokio::spawn(verify::worker(w, addr, round))).collect();
            let mut workers = Vec::with_capacity(tasks.len());
            for task in tasks {
                let mut worker = task.await.map_err(Error::other)??;
                self.report.findings.merge(std::mem::take(&mut worker.findings));
                workers.push(worker);
            }
            Ok::<_, Error>(workers)
        })?;
        Ok(())
    }

    fn progress(&self, round: u32, ready: Duration) -> Result<String> {
        let faults = self.report.findings.first(usize::MAX).len();
        let (acknowledged, checked) = (self.ledger.flush()?, self.report.findings.checked);
        Ok(format!(
            "kill {round}: {acknowledged} acknowledged, {checked} facts checked, {faults} faults, ready after {} ms",
            ready.as_millis()
        ))
    }
}
