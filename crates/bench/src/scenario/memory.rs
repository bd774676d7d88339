//! Memory: at rest after work, and with 10,000 connections that hardly speak.

use super::Bench;
use super::reads::{me_works, throughput};
use crate::load::{self, Pace};
use crate::table::{Row, number};
use std::io::{Error, Result};
use std::time::Duration;

const OPEN: usize = 10_000;
const SECONDS_BETWEEN: f64 = 10.0;
const MINIMUM: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(60);
const KIB_PER_MIB: f64 = 1024.0;

/// Resident memory a minute after the last hash; a login is made first, so that there was one.
pub fn idle(bench: &mut Bench) -> Result<Vec<Row>> {
    if let Some(account) = bench.accounts.first() {
        let works = vec![load::Fixed(account.login(bench.usso.addr))];
        throughput(bench.usso.addr, works, Duration::from_secs(1))?;
    }
    std::thread::park_timeout(REST);
    let (now, peak) = (mib(bench, "VmRSS")?, mib(bench, "VmHWM")?);
    let row = Row::at_most("idle memory 60 s after the last hash", "MiB", now, 32.0);
    Ok(vec![row.note(format!("{} MiB at the highest before", number(peak)))])
}

/// `/me` over 10,000 open connections that each ask once in ten seconds.
pub fn connections(bench: &mut Bench) -> Result<Vec<Row>> {
    let before = mib(bench, "VmRSS")?;
    let time = bench.options.time.max(MINIMUM);
    let (addr, works) = (bench.usso.addr, me_works(bench, OPEN));
    let pace = Pace::PerSecond(OPEN as f64 / SECONDS_BETWEEN);
    let running = std::thread::spawn(move || load::run(addr, works, pace, time));
    std::thread::park_timeout(time.mul_f64(0.9));
    let during = mib(bench, "VmRSS")?;
    let (_, tally) = running.join().map_err(|_| Error::other("the generator failed"))??;
    let mut row =
        Row::at_most("`/me` p99, 10,000 connections, one request per 10 s each", "ms", tally.p99_ms(), 10.0);
    row.goal = "< 10 ms".to_owned();
    row.met = Some(tally.p99_ms() < 10.0 && tally.failures().is_empty() && tally.latencies.total() > 0);
    let note = format!("{} requests; {}", number(tally.sent() as f64), tally.failures());
    let memory = Row::plain("memory with 10,000 connections", format!("{} MiB", number(during)));
    Ok(vec![row.note(note.trim_end_matches("; ")), memory.note(format!("{} MiB before", number(before)))])
}

fn mib(bench: &Bench, field: &str) -> Result<f64> {
    Ok(bench.usso.memory_kib(field)? as f64 / KIB_PER_MIB)
}
