//! Logins over HTTP at both sizes, and those of one tenant while another one is dropped.

use super::installation::Installation;
use super::lists::ratio;
use super::users::Filled;
use crate::load::{self, Fixed, Pace, Tally};
use crate::table::{Row, number};
use kernel::TenantId;
use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A quarter of what two cores can hash.
const PACE: Pace = Pace::PerSecond(25.0);
const CONNECTIONS: u64 = 16;
const ROUND: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;
/// As a job with low priority would.
const CHUNK: u32 = 500;
const MOST_RATIO: f64 = 2.0;

/// Login p99 at both sizes, in turn.
///
/// # Errors
/// When a login fails.
pub fn by_size(installation: &Installation, small: &Filled, large: &Filled) -> Result<Row> {
    let (mut at_small, mut at_large) = (Tally::default(), Tally::default());
    for _ in 0..ROUNDS {
        at_small.merge(&logins(installation, small, ROUND)?);
        at_large.merge(&logins(installation, large, ROUND)?);
    }
    let row = ratio("login", &at_small.latencies, &at_large.latencies);
    Ok(succeeding(succeeding(row, &at_small), &at_large))
}

/// A login or two may find the hashing threads taken by something else on the machine; more than a hundredth refused is
/// a goal missed.
fn succeeding(mut row: Row, tally: &Tally) -> Row {
    let enough = tally.latencies.total() * 100 >= tally.sent() * 99;
    row.met = row.met.map(|met| met && enough);
    row.note(tally.failures())
}

fn logins(installation: &Installation, filled: &Filled, time: Duration) -> Result<Tally> {
    // Active users only: every fiftieth is switched off.
    let number = |index: u64| (index * 104_729 % (filled.users / 50).max(1)) * 50 + 1;
    let works = (0..CONNECTIONS).map(|index| Fixed(filled.login(installation.address, number(index))));
    let (_, tally) = load::run(installation.address, works.collect(), PACE, time)?;
    Ok(tally)
}

/// Login p99 of the small tenant, idle and while the large one is dropped chunk by chunk.
///
/// # Errors
/// When a login or the dropping fails.
pub fn while_dropping(installation: &Installation, small: &Filled, large: &Filled) -> Result<Row> {
    let mut idle = Tally::default();
    for _ in 0..ROUNDS {
        idle.merge(&logins(installation, small, ROUND)?);
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let task = {
        let (state, id, done) = (installation.state.clone(), large.scope.id().clone(), Arc::clone(&dropped));
        installation.runtime.spawn(async move {
            let outcome = drop_tenant(&state, &id).await;
            done.store(true, Ordering::Relaxed);
            outcome.map(|count| (count, begun.elapsed()))
        })
    };
    let mut busy = Tally::default();
    while !dropped.load(Ordering::Relaxed) {
        busy.merge(&logins(installation, small, Duration::from_secs(2))?);
    }
    let (count, took) = installation.runtime.block_on(task).map_err(Error::other)??;
    let (calm, busier) = (idle.p99_ms(), busy.p99_ms());
    let what = "login p99 of another tenant while the large one is dropped, to idle";
    let row = Row::at_most(what, "×", busier / calm.max(1e-3), MOST_RATIO);
    let dropped = format!("{} records in {} s", number(count as f64), number(took.as_secs_f64()));
    let row = row.note(format!("{} ms to {} ms; {dropped}, {CHUNK} at a time", number(busier), number(calm)));
    Ok(succeeding(succeeding(row, &idle), &busy))
}

async fn drop_tenant(state: &usso::http::AppState, id: &TenantId) -> Result<u64> {
    let mut count = 0;
    loop {
        match state.registry.system().drop_tenant(id, CHUNK).await.map_err(Error::other)? {
            0 => return Ok(count),
            some => count += u64::from(some),
        }
    }
}
