//! Revocations: something ends a session on one instance, and the others are asked as fast as they answer until they
//! refuse its access token. The time counts from the answer of the instance that ended it.

use super::calls::{Account, At, Session};
use super::faults::Faults;
use crate::client::Connection;
use crate::crash::{Reply, administer, refresh_body};
use crate::process::SYSTEM_PASSWORD;
use crate::table::{Row, number};
use futures_util::future::try_join_all;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients that make the sessions beforehand.
const MAKERS: usize = 16;
/// Tenants switched off in a phase; each needs an administrator, a key and a hash.
const TENANTS: u64 = 10;
/// After this the others never heard of it.
const GIVE_UP: Duration = Duration::from_secs(10);

const ENDED: &str = "revocation: the instance asked says it did";
const REPLAYED: &str = "replay: an old generation is refused with REFRESH_TOKEN_REUSED";
const REFUSED: &str = "revocation: the other instances refuse the access token";
const STAYS: &str = "revocation: the refresh token is refused everywhere afterwards";

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// What is special about it.
    pub name: &'static str,
    /// How many sessions to end.
    pub count: u64,
    /// How many to end at the same time.
    pub clients: usize,
    /// The longest it may take.
    pub limit: Duration,
}

/// What ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Delete,
    Logout,
    /// A generation left behind three advances ago is presented.
    Replay,
    /// The tenant is switched off.
    SwitchOff,
}

/// One session and what shall end it.
#[derive(Debug)]
struct Job {
    means: Means,
    session: Session,
    /// The first refresh token, for a replay.
    oldest: Session,
    /// Which instance is asked to end it.
    asked: usize,
}

/// The jobs still to do, shared by the clients.
type Jobs = Arc<Mutex<Vec<Job>>>;

/// What the clients found.
#[derive(Debug, Default)]
struct Found {
    faults: Faults,
    revoked: Vec<Duration>,
    replayed: Vec<Duration>,
}

/// Makes the sessions, then `cut`s what the phase does without, then ends them one by one.
///
/// # Errors
/// When a connection breaks, or a session can't be made.
pub async fn revocations(
    addresses: &[SocketAddr],
    phase: &Phase,
    cut: impl FnOnce() -> Result<()>,
) -> Result<Vec<Row>> {
    let first = addresses.first().ok_or_else(|| Error::other("no instance"))?;
    let (admin, _) = administer(*first, SYSTEM_PASSWORD, false).await?;
    let jobs = prepare(addresses, phase, &admin).await?;
    cut()?;
    let jobs: Jobs = Arc::new(Mutex::new(jobs));
    let clients = (0..phase.clients).map(|_| {
        let (addresses, jobs, admin) = (addresses.to_vec(), Arc::clone(&jobs), admin.clone());
        tokio::spawn(async move { Client::new(&addresses, admin).await?.work(jobs).await })
    });
    let mut found = Found::default();
    for client in clients.collect::<Vec<_>>() {
        let theirs = client.await.map_err(Error::other)??;
        found.faults.merge(theirs.faults);
        found.revoked.extend(theirs.revoked);
        found.replayed.extend(theirs.replayed);
    }
    let mut rows = vec![
        delays(
            &format!("revoked on one, refused on the others ({})", phase.name),
            found.revoked,
            phase.limit,
        ),
        delays(
            &format!("replayed on one, ended on the others ({})", phase.name),
            found.replayed,
            phase.limit,
        ),
    ];
    rows.extend(
        found
            .faults
            .rows()
            .into_iter()
            .map(|row| Row { what: format!("{} ({})", row.what, phase.name), ..row }),
    );
    Ok(rows)
}

/// The longest delay against its limit, the percentiles beside it.
fn delays(what: &str, mut delays: Vec<Duration>, limit: Duration) -> Row {
    delays.sort_unstable();
    let ms = |delay: &Duration| delay.as_secs_f64() * 1e3;
    let at = |part: f64| {
        let index = (delays.len() as f64 * part).ceil() as usize;
        delays.get(index.saturating_sub(1)).map_or(0.0, ms)
    };
    let note = format!("p50 {} ms, p99 {} ms of {}", number(at(0.5)), number(at(0.99)), delays.len());
    let mut row = Row::at_most(&format!("{what}, longest"), "ms", at(1.0), ms(&limit)).note(note);
    row.met = row.met.map(|met| met && !delays.is_empty());
    row
}

/// Makes the sessions on all instances, so that every one of them has work, and looks at each from all.
async fn prepare(addresses: &[SocketAddr], phase: &Phase, admin: &str) -> Result<Vec<Job>> {
    let makers = (0..MAKERS).map(|maker| {
        let (addresses, phase, admin) = (addresses.to_vec(), *phase, admin.to_owned());
        tokio::spawn(async move {
            let mut connections = open_all(&addresses).await?;
            let name = format!("{}-", phase.name.replace(' ', "-"));
            let account = Account::numbered(&name, maker);
            account.register(take(&mut connections, maker)?).await?;
            let mut jobs = Vec::new();
            for number in (maker as u64..phase.count).step_by(MAKERS) {
                jobs.push(make(&mut connections, (&account, &admin), (phase.name, number)).await?);
            }
            Ok::<_, Error>(jobs)
        })
    });
    let mut jobs = Vec::new();
    for maker in makers.collect::<Vec<_>>() {
        jobs.extend(maker.await.map_err(Error::other)??);
    }
    Ok(jobs)
}

/// One session: every tenth to be replayed, the first few in tenants of their own, the rest alternating.
async fn make(
    connections: &mut [Connection],
    (account, admin): (&Account, &str),
    (phase, number): (&str, u64),
) -> Result<Job> {
    let asked = usize::try_from(number).unwrap_or_default();
    let connection = take(connections, asked)?;
    let means = match number {
        0..TENANTS => Means::SwitchOff,
        n if n % 10 == 0 => Means::Replay,
        n if n % 2 == 0 => Means::Delete,
        _ => Means::Logout,
    };
    if means == Means::SwitchOff {
        let owner = Account::numbered("owner", asked);
        let name = format!("Revoked {number} {phase}");
        let at = owner.found(connection, admin, serde_json::json!({ "name": name })).await?;
        let session = at.login(connection, &owner).await?;
        return Ok(Job { means, oldest: session.clone(), session, asked });
    }
    let oldest = At::default().login(connection, account).await?;
    let mut session = oldest.clone();
    if means == Means::Replay {
        for step in 1..=3 {
            session = session.refreshed(take(connections, asked + step)?).await?;
        }
    }
    Ok(Job { means, session, oldest, asked })
}

async fn open_all(addresses: &[SocketAddr]) -> Result<Vec<Connection>> {
    try_join_all(addresses.iter().map(|address| Connection::open(*address))).await
}

/// The connection whose turn it is.
fn take(connections: &mut [Connection], turn: usize) -> Result<&mut Connection> {
    let count = connections.len().max(1);
    connections.get_mut(turn % count).ok_or_else(|| Error::other("no instance"))
}

struct Client {
    connections: Vec<Connection>,
    admin: String,
    found: Found,
}

impl Client {
    async fn new(addresses: &[SocketAddr], admin: String) -> Result<Self> {
        Ok(Self { connections: open_all(addresses).await?, admin, found: Found::default() })
    }

    async fn work(mut self, jobs: Jobs) -> Result<Found> {
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(job) = next() {
            self.end(&job).await?;
            if job.means == Means::SwitchOff {
                self.switch(&job, true).await?;
            }
            for connection in &mut self.connections {
                let status = refresh_status(connection, &job.session).await?;
                self.found.faults.check(STAYS, status == 401, || format!("{:?}: {status}", job.means));
            }
        }
        Ok(self.found)
    }

    /// Ends the session on one instance while the others are asked.
    async fn end(&mut self, job: &Job) -> Result<()> {
        for connection in &mut self.connections {
            let bytes = job.session.me(connection);
            let status = connection.exchange(&bytes).await?.status;
            if status != 200 {
                return Err(Error::other(format!("/me of a new session: {status}")));
            }
        }
        let asked = job.asked % self.connections.len().max(1);
        let mut others = std::mem::take(&mut self.connections);
        let mut one = others.remove(asked);
        let watching = try_join_all(others.iter_mut().map(|other| refused(other, &job.session)));
        let ending = async {
            let reply = revoke(&mut one, job, &self.admin).await?;
            Ok::<_, Error>((reply, Instant::now()))
        };
        let ((reply, ended), refused) = tokio::try_join!(ending, watching)?;
        others.insert(asked, one);
        self.connections = others;
        let faults = &mut self.found.faults;
        if job.means == Means::Replay {
            let is_reused = reply.status == 401 && reply.text().contains("REFRESH_TOKEN_REUSED");
            faults.check(REPLAYED, is_reused, || reply.text());
        } else {
            faults.check(ENDED, reply.status == 200, || reply.text());
        }
        for at in refused {
            if faults.check(REFUSED, at.is_some(), || format!("{:?}: not within {GIVE_UP:?}", job.means)) {
                let delay = at.map_or(Duration::ZERO, |at| at.saturating_duration_since(ended));
                let of_kind = match job.means {
                    Means::Replay => &mut self.found.replayed,
                    _ => &mut self.found.revoked,
                };
                of_kind.push(delay);
            }
        }
        Ok(())
    }

    async fn switch(&mut self, job: &Job, on: bool) -> Result<()> {
        let connection = take(&mut self.connections, job.asked)?;
        let reply = switch(connection, job, (&self.admin, on)).await?;
        self.found.faults.check(ENDED, reply.status == 200, || reply.text());
        Ok(())
    }
}

async fn revoke(connection: &mut Connection, job: &Job, admin: &str) -> Result<Reply> {
    let (at, session) = (&job.session.at, &job.session);
    match job.means {
        Means::Delete => {
            let path = format!("/sessions/{}", session.id);
            at.call(connection, ("DELETE", &path), Some(&session.access), None).await
        }
        Means::Logout => {
            let body = refresh_body(&session.refresh);
            at.call(connection, ("POST", "/auth/logout"), Some(&session.access), Some(&body)).await
        }
        Means::Replay => {
            let body = refresh_body(&job.oldest.refresh);
            at.call(connection, ("POST", "/auth/refresh"), None, Some(&body)).await
        }
        Means::SwitchOff => switch(connection, job, (admin, false)).await,
    }
}

async fn switch(connection: &mut Connection, job: &Job, (admin, on): (&str, bool)) -> Result<Reply> {
    let path = format!("/tenants/{}", job.session.at.id());
    let body = format!("{{\"is_active\":{on}}}");
    At::default().call(connection, ("PATCH", &path), Some(admin), Some(&body)).await
}

/// Asks until the access token is refused; `None` when it isn't in time.
async fn refused(connection: &mut Connection, session: &Session) -> Result<Option<Instant>> {
    let (bytes, begun) = (session.me(connection), Instant::now());
    while begun.elapsed() < GIVE_UP {
        match connection.exchange(&bytes).await?.status {
            200 => {}
            401 | 403 => return Ok(Some(Instant::now())),
            status => return Err(Error::other(format!("/me while its session is ended: {status}"))),
        }
    }
    Ok(None)
}

/// What a refresh is answered once the instance knows that the tenant is switched on again.
async fn refresh_status(connection: &mut Connection, session: &Session) -> Result<u16> {
    let (bytes, begun) = (session.refreshing(connection), Instant::now());
    loop {
        let status = connection.exchange(&bytes).await?.status;
        if status != 403 || begun.elapsed() > GIVE_UP {
            return Ok(status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_decides() {
        let ms = Duration::from_millis;
        let row = delays("x", vec![ms(5), ms(1001), ms(7)], ms(1000));
        assert_eq!((row.met, row.note.as_str()), (Some(false), "p50 7.00 ms, p99 1,001 ms of 3"));
        assert_eq!(delays("x", vec![ms(5)], ms(1000)).met, Some(true));
        assert_eq!(delays("x", Vec::new(), ms(1000)).met, Some(false), "nothing measured, nothing met");
    }
}
