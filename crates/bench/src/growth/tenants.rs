//! Ten thousand tenants on the release binary: made and found over HTTP, and what they weigh when nobody asks.

use super::{Options, Store};
use crate::client::{API, Connection, request};
use crate::crash::administer;
use crate::fleet::READY;
use crate::histogram::Histogram;
use crate::process::{MASTER_KEY, SYSTEM_PASSWORD, Server, TempDir, free_port};
use crate::scenario::KEY_SET;
use crate::table::{Row, number};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::Instant;
use testbed::{postgres, redis};

const CREATE_LIMIT_MS: f64 = 20.0;
const IDLE_LIMIT_KIB: f64 = 8.0;
/// Asked for before the memory is read the first time, so that what the server needs anyway doesn't count.
const WARM_UP: u64 = 2_000;

/// Makes, restarts, resolves and weighs.
///
/// # Errors
/// When the server can't be started or refuses.
pub fn tenants(options: &Options, say: &impl Fn(String)) -> Result<Vec<Row>> {
    let directory = TempDir::new("growth-tenants")?;
    let servers = match options.store {
        Store::Sqlite => None,
        Store::Postgres => {
            Some((postgres::Server::start(postgres::Options::default())?, redis::Server::start()?))
        }
    };
    let mut environment = vec![("MASTER_KEY", MASTER_KEY.to_owned())];
    if let Some((postgres, redis)) = &servers {
        environment.extend([("DATABASE_URL", postgres.database("usso")?), ("REDIS_URI", redis.url())]);
    }
    let start = || Server::usso_with(&options.binary, directory.path(), (free_port()?, READY), &environment);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = start()?;
    let created = runtime.block_on(create(server.addr, options.tenants))?;
    server.stop()?;
    say(format!("{} tenants made", options.tenants));
    let server = start()?;
    let mib = |server: &Server| server.memory_kib("VmRSS").map(|kib| kib as f64);
    runtime.block_on(async {
        let mut connection = Connection::open(server.addr).await?;
        let bytes = request(server.addr, "GET", KEY_SET, None, None);
        for _ in 0..WARM_UP {
            connection.exchange(&bytes).await?;
        }
        Ok::<_, Error>(())
    })?;
    let before = mib(&server)?;
    let first = runtime.block_on(resolve(server.addr, options.tenants))?;
    let each = (mib(&server)? - before) / options.tenants as f64;
    let again = runtime.block_on(resolve(server.addr, options.tenants))?;
    let started = format!("{} ms", server.started_in.as_millis());
    server.stop()?;
    let count = number(options.tenants as f64);
    let mean = Row::at_most(
        &format!("creating each of {count} tenants, p99"),
        "ms",
        ms(&created, 0.99),
        CREATE_LIMIT_MS,
    );
    Ok(vec![
        mean.note(format!("p50 {} ms, longest {} ms", number(ms(&created, 0.5)), number(ms(&created, 1.0)))),
        Row::plain(
            "resolving a tenant by domain for the first time, p99",
            format!("{} ms", number(ms(&first, 0.99))),
        )
        .note(format!(
            "p50 {} ms; known: p50 {} ms",
            number(ms(&first, 0.5)),
            number(ms(&again, 0.5))
        )),
        Row::at_most("resident memory of an idle tenant", "KiB", each, IDLE_LIMIT_KIB),
        Row::plain(&format!("start with {count} tenants to the first ready answer"), started),
    ])
}

fn ms(times: &Histogram, fraction: f64) -> f64 {
    times.quantile(fraction).as_secs_f64() * 1e3
}

async fn create(address: SocketAddr, count: u64) -> Result<Histogram> {
    let (admin, _) = administer(address, SYSTEM_PASSWORD, false).await?;
    let (mut connection, mut times) = (Connection::open(address).await?, Histogram::default());
    let path = format!("{API}/tenants");
    for number in 0..count {
        let body = format!("{{\"name\":\"Tenant {number}\",\"domains\":[\"t{number}.example.com\"]}}");
        let bytes = request(address, "POST", &path, Some(&admin), Some(&body));
        let begun = Instant::now();
        let answer = connection.exchange(&bytes).await?;
        if answer.status != 201 {
            let text = String::from_utf8_lossy(answer.body).into_owned();
            return Err(Error::other(format!("creating a tenant: {} {text}", answer.status)));
        }
        times.record(begun.elapsed());
    }
    Ok(times)
}

/// The key set of every tenant by its domain.
async fn resolve(address: SocketAddr, count: u64) -> Result<Histogram> {
    let (mut connection, mut times) = (Connection::open(address).await?, Histogram::default());
    for number in 0..count {
        let bytes = format!("GET {KEY_SET} HTTP/1.1\r\nHost: t{number}.example.com\r\n\r\n");
        let begun = Instant::now();
        let status = connection.exchange(bytes.as_bytes()).await?.status;
        if status != 200 {
            return Err(Error::other(format!("t{number}.example.com: {status}")));
        }
        times.record(begun.elapsed());
    }
    Ok(times)
}
