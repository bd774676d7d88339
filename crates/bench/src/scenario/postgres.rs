//! Refresh, `/me` and login on PostgreSQL and Redis, in turn with the same on the embedded database. A refresh is held
//! against what its two parts allow one after the other: verifying and signing bare, at rate R, and `pgbench`'s durable
//! updates of one row on the same server, at rate P: 1 / (1/R + 1/P).

use super::reads::{all_succeeded, pair_of, throughput};
use super::refresh::Chain;
use super::{Bench, CONNECTIONS, KEY_SET, SLICE};
use crate::accounts::{self, Account};
use crate::client::{API, request};
use crate::load::{self, Fixed, Pace};
use crate::process::{MASTER_KEY, Server, TempDir, free_port};
use crate::table::{Row, median, number};
use std::fs;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testbed::{postgres, redis};

const GOAL: f64 = 0.6;
const LOGIN_CONNECTIONS: usize = 16;
/// Each client has a row of its own, as each session has.
const SCRIPT: &str = "UPDATE counters SET n = n + 1 WHERE id = :client_id;\n";

/// The product on shared servers.
struct Shared {
    usso: Server,
    accounts: Vec<Account>,
    postgres: postgres::Server,
    script: PathBuf,
    _redis: redis::Server,
    _directory: TempDir,
}

impl Shared {
    fn start(binary: &Path) -> Result<Self> {
        let (postgres, redis) =
            (postgres::Server::start(postgres::Options::default())?, redis::Server::start()?);
        let directory = TempDir::new("bench-postgres")?;
        let environment = [
            ("DATABASE_URL", postgres.database("usso")?),
            ("REDIS_URI", redis.url()),
            ("MASTER_KEY", MASTER_KEY.to_owned()),
        ];
        let usso = Server::usso_with(binary, directory.path(), (free_port()?, KEY_SET), &environment)?;
        let accounts = accounts::register(usso.addr, 0, CONNECTIONS)?;
        let rows = format!(
            "CREATE TABLE counters (id int PRIMARY KEY, n bigint NOT NULL); \
             INSERT INTO counters SELECT i, 0 FROM generate_series(0, {}) AS i",
            CONNECTIONS - 1
        );
        postgres.psql("postgres", &rows)?;
        let script = directory.path().join("update.sql");
        fs::write(&script, SCRIPT)?;
        Ok(Self { usso, accounts, postgres, script, _redis: redis, _directory: directory })
    }

    /// Durable updates of one row per second, 32 clients.
    fn updates(&self, time: Duration) -> Result<f64> {
        let seconds = time.as_secs().max(1).to_string();
        let output = Command::new(postgres::Server::program("pgbench")?)
            .args(["-n", "-M", "prepared", "-c", &CONNECTIONS.to_string(), "-j", "2", "-T", &seconds])
            .arg("-f")
            .arg(&self.script)
            .arg(self.postgres.url())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| Error::other(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// All three, slice by slice.
pub fn postgres(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = Shared::start(&bench.options.binary)?;
    let mut rows = refresh(bench, &shared)?;
    rows.push(me(bench, &shared)?);
    rows.push(login(bench, &shared)?);
    Ok(rows)
}

fn refresh(bench: &Bench, shared: &Shared) -> Result<Vec<Row>> {
    let path = format!("{API}/auth/refresh");
    let chains = |addr, accounts: &[Account]| -> Vec<Chain> {
        accounts.iter().map(|account| Chain::new(addr, &path, &account.refresh)).collect()
    };
    let token = pair_of(bench.bare.addr)?.1;
    let mut bare = (bench.bare.addr, vec![Chain::new(bench.bare.addr, "/verify-sign", &token); CONNECTIONS]);
    let mut ours = (shared.usso.addr, chains(shared.usso.addr, &shared.accounts));
    // Of their own: what refreshes the others' sessions have seen, only those refreshes know.
    let fresh = accounts::register(bench.usso.addr, CONNECTIONS, CONNECTIONS)?;
    let mut embedded = (bench.usso.addr, chains(bench.usso.addr, &fresh));
    drive(&mut ours, SLICE)?;
    shared.updates(SLICE)?;
    let (mut r, mut p, mut f, mut e) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.slices(SLICE) {
        r.push(drive(&mut bare, SLICE)?);
        p.push(shared.updates(SLICE)?);
        f.push(drive(&mut ours, SLICE)?);
        e.push(drive(&mut embedded, SLICE)?);
    }
    let (r, p, f, e) = (median(&r), median(&p), median(&f), median(&e));
    let limit = 1.0 / (1.0 / r.max(1e-9) + 1.0 / p.max(1e-9));
    let what = "refresh, PostgreSQL + Redis, 32 sessions; bare: 1 / (1/R + 1/P)";
    let note = format!("R = {} verified and signed, P = {} durable updates per s", number(r), number(p));
    let beside = "refresh, PostgreSQL + Redis; beside it: SQLite";
    Ok(vec![Row::ratio(what, "req/s", (f, limit), GOAL).note(note), plain_ratio(beside, "req/s", (f, e))])
}

fn drive((addr, works): &mut (SocketAddr, Vec<Chain>), time: Duration) -> Result<f64> {
    let (given_back, tally) = load::run(*addr, std::mem::take(works), Pace::Closed, time)?;
    *works = given_back;
    all_succeeded(&tally)?;
    Ok(tally.rate())
}

fn me(bench: &Bench, shared: &Shared) -> Result<Row> {
    let works = |addr: SocketAddr, accounts: &[Account]| -> Vec<Fixed> {
        let path = format!("{API}/me");
        accounts.iter().map(|a| Fixed(request(addr, "GET", &path, Some(&a.access), None))).collect()
    };
    let (ours, embedded) = (shared.usso.addr, bench.usso.addr);
    let pair = bench.alternate(
        SLICE,
        |time| throughput(ours, works(ours, &shared.accounts), time),
        |time| throughput(embedded, works(embedded, &bench.accounts), time),
    )?;
    Ok(plain_ratio("`/me`, PostgreSQL + Redis; beside it: SQLite", "req/s", pair))
}

fn login(bench: &Bench, shared: &Shared) -> Result<Row> {
    let works = |addr: SocketAddr, accounts: &[Account]| -> Vec<Fixed> {
        accounts.iter().take(LOGIN_CONNECTIONS).map(|a| Fixed(a.login(addr))).collect()
    };
    let (ours, embedded) = (shared.usso.addr, bench.usso.addr);
    let pair = bench.alternate(
        bench.options.time,
        |time| throughput(ours, works(ours, &shared.accounts), time),
        |time| throughput(embedded, works(embedded, &bench.accounts), time),
    )?;
    Ok(plain_ratio("password login, PostgreSQL + Redis; beside it: SQLite", "per s", pair))
}

/// Two figures side by side, without a goal.
fn plain_ratio(what: &str, unit: &str, pair: (f64, f64)) -> Row {
    Row { goal: "–".to_owned(), met: None, ..Row::ratio(what, unit, pair, 0.0) }
}
