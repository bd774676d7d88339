//! What may be done: an operation that needs a permission, an API key that is asked about, and the check by itself.

use super::reads::{pair_of, throughput};
use super::{Bench, CONNECTIONS, SLICE};
use crate::client::{API, Connection, json_string, request};
use crate::crash::administer;
use crate::load::Fixed;
use crate::process::SYSTEM_PASSWORD;
use crate::table::Row;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::hint::black_box;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use usso::access_control::permission::{Permission, Resource};

const GOAL: f64 = 0.6;

/// How many scopes somebody holds in the check by itself.
const SCOPES: usize = 50;
const CHECK_LIMIT_MICROS: f64 = 5.0;

/// `GET /users/{id}` by the administrator, against a bare route that verifies one token.
pub fn user(bench: &mut Bench) -> Result<Vec<Row>> {
    let addr = bench.usso.addr;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (admin, _) = runtime.block_on(administer(addr, SYSTEM_PASSWORD, false))?;
    let paths = bench.accounts.iter().map(|account| Ok(format!("{API}/users/{}", subject(&account.access)?)));
    let paths: Vec<String> = paths.collect::<Result<_>>()?;
    let works: Vec<Fixed> =
        paths.iter().map(|path| Fixed(request(addr, "GET", path, Some(&admin), None))).collect();
    beside_verify(bench, works, "`GET /users/{id}` by permission, 32 connections; bare: verify one token")
}

/// `POST /apikeys/verify`, against the same.
pub fn api_key(bench: &mut Bench) -> Result<Vec<Row>> {
    let addr = bench.usso.addr;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keys = runtime.block_on(async {
        let mut connection = Connection::open(addr).await?;
        let mut keys = Vec::with_capacity(bench.accounts.len());
        for account in &bench.accounts {
            let path = format!("{API}/apikeys");
            let bytes = request(addr, "POST", &path, Some(&account.access), Some("{}"));
            let answer = connection.exchange(&bytes).await?;
            let key = json_string(answer.body, "api_key").map(str::to_owned);
            keys.push(key.ok_or_else(|| Error::other(format!("making an API key: {}", answer.status)))?);
        }
        Ok::<_, Error>(keys)
    })?;
    let path = format!("{API}/apikeys/verify");
    let works = keys.iter().map(|key| {
        let body = format!("{{\"api_key\":\"{key}\"}}");
        Fixed(request(addr, "POST", &path, None, Some(&body)))
    });
    let works = works.collect();
    beside_verify(bench, works, "`POST /apikeys/verify`, 32 connections and keys; bare: verify one token")
}

fn beside_verify(bench: &Bench, works: Vec<Fixed>, what: &str) -> Result<Vec<Row>> {
    let (usso, bare): (SocketAddr, SocketAddr) = (bench.usso.addr, bench.bare.addr);
    let bearer = pair_of(bare)?.0;
    let limit = vec![Fixed(request(bare, "GET", "/verify", Some(&bearer), None)); CONNECTIONS];
    let pair = bench.alternate(
        SLICE,
        |time| throughput(usso, works.clone(), time),
        |time| throughput(bare, limit.clone(), time),
    )?;
    Ok(vec![Row::ratio(what, "req/s", pair, GOAL)])
}

/// Whose token it is.
fn subject(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let payload = payload.ok_or_else(|| Error::other("an access token that is none"))?;
    json_string(&payload, "sub").map(str::to_owned).ok_or_else(|| Error::other("a token without subject"))
}

/// One check of a permission by somebody who holds fifty scopes, the last of which grants it.
pub fn check(_: &mut Bench) -> Result<Vec<Row>> {
    let mut held: Vec<String> = (1..SCOPES)
        .map(|n| match n % 3 {
            0 => format!("read:service{n}/things"),
            1 => format!("manage:finance/wallets/kind{n}?tenant_id=org_acme&user_id=user:{n}"),
            _ => format!("update:media/files{n}?workspace_id=ws_{n}"),
        })
        .collect();
    held.push("read:users?tenant_id=org_acme".to_owned());
    let attributes = [("tenant_id", "org_acme"), ("user_id", "user:1"), ("id", "user:1"), ("uid", "user:1")];
    let read = Permission::new("read", Resource::Users);
    if !read.is_granted(&held, &attributes)
        || read.is_granted(held.get(..SCOPES - 1).unwrap_or_default(), &attributes)
    {
        return Err(Error::other("the check is wrong"));
    }
    let mut best = f64::MAX;
    for _ in 0..20 {
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < Duration::from_millis(50) {
            for _ in 0..100 {
                black_box(read.is_granted(black_box(&held), black_box(&attributes)));
            }
            count += 100;
        }
        best = best.min(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    Ok(vec![Row::at_most("a permission checked against 50 scopes", "µs", best, CHECK_LIMIT_MICROS)])
}
