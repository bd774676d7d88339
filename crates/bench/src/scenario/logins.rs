//! Password logins: their rate against the raw hash rate, their latency at half of it, and what they leave of
//! `/me` when ten times as many are offered as can be served.

use super::reads::{all_succeeded, me_works};
use super::{Bench, CONNECTIONS};
use crate::argon;
use crate::load::{self, Fixed, Pace, Tally};
use crate::table::{Row, median, number};
use std::io::{Error, Result};
use std::time::Duration;

const HASH_THREADS: usize = 2;
const LOGIN_CONNECTIONS: usize = 16;
const FLOOD_CONNECTIONS: usize = 1024;
const FLOOD_FACTOR: f64 = 10.0;
const FLOOD_LEAD: Duration = Duration::from_secs(1);
/// Longer than the server lets a login wait for a hashing thread.
const DRAIN: Duration = Duration::from_secs(2);

fn login_works(bench: &Bench, connections: usize) -> Vec<Fixed> {
    bench.accounts.iter().cycle().take(connections).map(|a| Fixed(a.login(bench.usso.addr))).collect()
}

/// Logins in a closed loop against the raw rate of two threads.
pub fn throughput(bench: &mut Bench) -> Result<Vec<Row>> {
    let (addr, works) = (bench.usso.addr, login_works(bench, LOGIN_CONNECTIONS));
    let mut failures = String::new();
    let pair = bench.alternate(
        bench.options.time,
        |time| {
            let (_, tally) = load::run(addr, works.clone(), Pace::Closed, time)?;
            failures = tally.failures();
            Ok(tally.rate())
        },
        |time| argon::rate(HASH_THREADS, time),
    )?;
    let row = Row::ratio("password login; bare: raw Argon2id, two threads", "per s", pair, 0.95);
    Ok(vec![row.note(failures)])
}

/// The latency of logins offered at half the raw rate.
pub fn half_capacity(bench: &mut Bench) -> Result<Vec<Row>> {
    let capacity = argon::rate(HASH_THREADS, bench.options.time)?;
    let pace = Pace::PerSecond(capacity / 2.0);
    let works = login_works(bench, CONNECTIONS);
    let mut p99 = Vec::new();
    for _ in 0..bench.options.rounds {
        let (_, tally) = load::run(bench.usso.addr, works.clone(), pace, bench.options.time)?;
        all_succeeded(&tally)?;
        p99.push(tally.p99_ms());
    }
    let note = format!("{} logins/s offered", number(capacity / 2.0));
    Ok(vec![Row::at_most("login p99 at half capacity", "ms", median(&p99), 100.0).note(note)])
}

/// `/me` idle and while logins are offered at ten times capacity, in turn.
pub fn overload(bench: &mut Bench) -> Result<Vec<Row>> {
    let capacity = argon::rate(HASH_THREADS, bench.options.time)?;
    let me = |time| {
        let (_, tally) = load::run(bench.usso.addr, me_works(bench, CONNECTIONS), Pace::Closed, time)?;
        all_succeeded(&tally)?;
        Ok::<_, Error>(tally)
    };
    let (mut idle, mut loaded, mut flood) = (Vec::new(), Vec::new(), Tally::default());
    for _ in 0..bench.options.rounds {
        idle.push(me(bench.options.time)?);
        let (under, offered) = with_flood(bench, capacity * FLOOD_FACTOR, me)?;
        loaded.push(under);
        flood = offered;
        std::thread::park_timeout(DRAIN);
    }
    let of = |tallies: &[Tally], figure: fn(&Tally) -> f64| {
        median(&tallies.iter().map(figure).collect::<Vec<_>>())
    };
    let (idle_p99, loaded_p99) = (of(&idle, Tally::p99_ms), of(&loaded, Tally::p99_ms));
    let rates = (of(&loaded, Tally::rate), of(&idle, Tally::rate));
    let mut latency =
        Row::ratio("`/me` p99 under ten times the logins; bare: idle", "ms", (loaded_p99, idle_p99), 0.0);
    latency.goal = "≤ 3 ×".to_owned();
    latency.met = Some(loaded_p99 <= 3.0 * idle_p99);
    let note = format!(
        "{} logins/s meant, {:.0}/s sent: {:.0}/s signed in; last round {}",
        number(capacity * FLOOD_FACTOR),
        flood.sent() as f64 / flood.elapsed.as_secs_f64(),
        flood.rate(),
        flood.failures(),
    );
    let throughput = Row::ratio("`/me` under ten times the logins; bare: idle", "req/s", rates, 0.5);
    Ok(vec![latency.note(note), throughput])
}

/// Offers logins in an open loop, and measures `/me` from a second later until shortly before they end.
fn with_flood(bench: &Bench, rate: f64, me: impl Fn(Duration) -> Result<Tally>) -> Result<(Tally, Tally)> {
    let (addr, works) = (bench.usso.addr, login_works(bench, FLOOD_CONNECTIONS));
    let time = bench.options.time + 2 * FLOOD_LEAD;
    let flood = std::thread::spawn(move || load::run(addr, works, Pace::PerSecond(rate), time));
    std::thread::park_timeout(FLOOD_LEAD);
    let under = me(bench.options.time)?;
    let (_, offered) = flood.join().map_err(|_| Error::other("the flood failed"))??;
    Ok((under, offered))
}
