//! What only reads: the key set, and `/me` with signature and live session checked.

use super::{Bench, CONNECTIONS, KEY_SET, SLICE};
use crate::client::{API, Connection, json_string, request};
use crate::load::{self, Fixed, Pace, Tally};
use crate::table::Row;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::Duration;

/// The key set against a static body of the same size, with 32 and 256 connections.
pub fn key_set(bench: &mut Bench) -> Result<Vec<Row>> {
    [32, 256].into_iter().map(|connections| key_set_with(bench, connections)).collect()
}

fn key_set_with(bench: &Bench, connections: usize) -> Result<Row> {
    let works = |addr, path| vec![Fixed(request(addr, "GET", path, None, None)); connections];
    let (usso, bare) = (bench.usso.addr, bench.bare.addr);
    let pair = bench.alternate(
        SLICE,
        |time| throughput(usso, works(usso, KEY_SET), time),
        |time| throughput(bare, works(bare, "/static-json"), time),
    )?;
    Ok(Row::ratio(&format!("JWKS, {connections} connections; bare: static JSON"), "req/s", pair, 0.85))
}

/// `/me` against a bare route that verifies one token.
pub fn me(bench: &mut Bench) -> Result<Vec<Row>> {
    let (usso, bare) = (bench.usso.addr, bench.bare.addr);
    let ours = me_works(bench, CONNECTIONS);
    let bearer = pair_of(bare)?.0;
    let limit = vec![Fixed(request(bare, "GET", "/verify", Some(&bearer), None)); CONNECTIONS];
    let pair = bench.alternate(
        SLICE,
        |time| throughput(usso, ours.clone(), time),
        |time| throughput(bare, limit.clone(), time),
    )?;
    Ok(vec![Row::ratio("`/me`, 32 connections; bare: verify one token", "req/s", pair, 0.75)])
}

/// `/me` of the accounts in turn, one work per connection.
pub fn me_works(bench: &Bench, connections: usize) -> Vec<Fixed> {
    let accounts = bench.accounts.iter().cycle().take(connections);
    let path = format!("{API}/me");
    accounts.map(|a| Fixed(request(bench.usso.addr, "GET", &path, Some(&a.access), None))).collect()
}

/// Successful requests per second; anything but success is an error, because it would be cheaper than the work.
pub fn throughput(addr: SocketAddr, works: Vec<Fixed>, time: Duration) -> Result<f64> {
    let (_, tally) = load::run(addr, works, Pace::Closed, time)?;
    all_succeeded(&tally)?;
    Ok(tally.rate())
}

/// An error when any answer wasn't a success.
pub fn all_succeeded(tally: &Tally) -> Result<()> {
    let failures = tally.failures();
    if failures.is_empty() { Ok(()) } else { Err(Error::other(format!("not only successes: {failures}"))) }
}

/// An access and a refresh token of the bare server.
pub fn pair_of(bare: SocketAddr) -> Result<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(bare).await?;
        let answer = connection.exchange(&request(bare, "GET", "/token", None, None)).await?;
        let token = |name| json_string(answer.body, name).map(str::to_owned);
        token("access_token")
            .zip(token("refresh_token"))
            .ok_or_else(|| Error::other("no token from the bare route"))
    })
}
