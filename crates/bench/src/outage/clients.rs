//! The clients: each asks one instance for one kind of thing, again and again with a pause, and notes every answer.

use super::missing;
use crate::client::{Connection, position, request};
use crate::crash::Reply;
use crate::fleet::calls::{Account, At, Session};
use crate::fleet::faults::Faults;
use crate::scenario::KEY_SET;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const RISEN: &str = "each refresh raises the generation by exactly one";
/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The key set.
    KeySet,
    /// `/me` with a session this instance confirms all the time.
    Me,
    /// A refresh.
    Refresh,
    /// A login.
    Login,
    /// A registration.
    Registration,
}

impl Kind {
    /// How many clients each instance has, and their pause.
    const ALL: [(Self, usize, Duration); 5] = [
        (Self::KeySet, 1, Duration::from_millis(20)),
        (Self::Me, 2, Duration::from_millis(20)),
        (Self::Refresh, 4, Duration::from_millis(50)),
        (Self::Login, 1, Duration::from_millis(500)),
        (Self::Registration, 1, Duration::from_millis(1000)),
    ];

    /// Whether it can't be answered without the store.
    pub fn needs_the_store(self) -> bool {
        matches!(self, Self::Refresh | Self::Login | Self::Registration)
    }
}

/// One answer, or the lack of it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// What was asked for.
    pub kind: Kind,
    /// Which instance was asked.
    pub instance: usize,
    /// When.
    pub sent: Instant,
    /// How long the answer took.
    pub latency: Duration,
    /// Its status; 0: none came.
    pub status: u16,
    /// Whether it says when to try again.
    pub has_retry_after: bool,
}

impl Seen {
    /// When the answer was there.
    pub fn answered(&self) -> Instant {
        self.sent + self.latency
    }

    /// Whether it is the answer hoped for.
    pub fn is_success(&self) -> bool {
        matches!(self.status, 200 | 201)
    }

    /// Whether it says, as it should, that the store is away.
    pub fn is_refusal(&self) -> bool {
        self.status == 503 && self.has_retry_after
    }
}

/// All clients of a round.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<Client>>>,
}

impl Load {
    /// Registers the accounts and starts the clients.
    ///
    /// # Errors
    /// When an instance refuses.
    pub async fn start(addresses: &[SocketAddr], round: u32) -> Result<Self> {
        let mut clients = Vec::new();
        for (instance, address) in addresses.iter().enumerate() {
            let mut connection = Connection::open(*address).await?;
            for (kind, count, pause) in Kind::ALL {
                for number in 0..count {
                    let name = format!("outage-{round}-{instance}-{kind:?}-{number}-").to_lowercase();
                    let account = Account::numbered(&name, 0);
                    let session = account.register(&mut connection).await?;
                    let client = Client {
                        kind,
                        instance,
                        pause,
                        name,
                        tried: 0,
                        account,
                        sessions: vec![session],
                        seen: Vec::new(),
                        faults: Faults::default(),
                    };
                    clients.push((client, *address));
                }
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let work = |(client, address): (Client, _)| tokio::spawn(client.work(address, Arc::clone(&stop)));
        Ok(Self { tasks: clients.into_iter().map(work).collect(), stop })
    }

    /// Ends them; answers what they saw, the sessions they hold, and what they found wrong.
    ///
    /// # Errors
    /// When a client couldn't connect.
    pub async fn stop(self) -> Result<(Vec<Seen>, Vec<Session>, Faults)> {
        self.stop.store(true, Ordering::Relaxed);
        let (mut seen, mut sessions, mut faults) = (Vec::new(), Vec::new(), Faults::default());
        for task in self.tasks {
            let client = task.await.map_err(Error::other)??;
            seen.extend(client.seen);
            sessions.extend(client.sessions);
            faults.merge(client.faults);
        }
        Ok((seen, sessions, faults))
    }
}

struct Client {
    kind: Kind,
    instance: usize,
    pause: Duration,
    name: String,
    tried: usize,
    account: Account,
    /// The newest is the one in use.
    sessions: Vec<Session>,
    seen: Vec<Seen>,
    faults: Faults,
}

impl Client {
    async fn work(mut self, address: SocketAddr, stop: Arc<AtomicBool>) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        while !stop.load(Ordering::Relaxed) {
            // A registration that was refused may have been committed: its name is used up.
            self.tried += 1;
            let bytes = self.request(&connection)?;
            let sent = Instant::now();
            let exchange = tokio::time::timeout(PATIENCE, connection.exchange(&bytes)).await;
            let reply = match exchange {
                Ok(Ok(answer)) => Some(Reply { status: answer.status, body: answer.body.to_vec() }),
                _ => None,
            };
            let seen = Seen {
                kind: self.kind,
                instance: self.instance,
                sent,
                latency: sent.elapsed(),
                status: reply.as_ref().map_or(0, |reply| reply.status),
                has_retry_after: reply.is_some() && says_when_to_retry(connection.received()),
            };
            self.seen.push(seen);
            match reply.filter(|_| seen.is_success()) {
                Some(reply) => self.remember(&reply)?,
                None if seen.status == 0 => connection = Connection::open(address).await?,
                None => {}
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(self)
    }

    fn request(&self, connection: &Connection) -> Result<Vec<u8>> {
        let session = self.sessions.last().ok_or_else(|| missing("session"))?;
        Ok(match self.kind {
            Kind::KeySet => request(connection.addr(), "GET", KEY_SET, None, None),
            Kind::Me => session.me(connection),
            Kind::Refresh => session.refreshing(connection),
            Kind::Login => self.account.signing_in(&At::default(), connection),
            Kind::Registration => Account::numbered(&self.name, self.tried).registering(connection),
        })
    }

    fn remember(&mut self, reply: &Reply) -> Result<()> {
        match self.kind {
            Kind::KeySet | Kind::Me => {}
            Kind::Login | Kind::Registration => self.sessions.push(Session::of(&At::default(), reply)?),
            Kind::Refresh => {
                let next = Session::of(&At::default(), reply)?;
                if let Some(last) = self.sessions.last_mut() {
                    let is_next = next.generation == last.generation + 1;
                    self.faults.check(RISEN, is_next, || {
                        format!("{}: {} after {}", next.id, next.generation, last.generation)
                    });
                    *last = next;
                }
            }
        }
        Ok(())
    }
}

fn says_when_to_retry(received: &[u8]) -> bool {
    let head = position(received, b"\r\n\r\n").and_then(|end| received.get(..end)).unwrap_or_default();
    head.to_ascii_lowercase().windows(14).any(|window| window == b"\r\nretry-after:")
}

/// One account for each instance, to be attacked.
///
/// # Errors
/// When an instance refuses.
pub async fn victims(addresses: &[SocketAddr], round: u32) -> Result<Vec<(Account, Session)>> {
    let mut victims = Vec::new();
    for (instance, address) in addresses.iter().enumerate() {
        let victim = Account::numbered(&format!("victim-{round}-"), instance);
        let session = victim.register(&mut Connection::open(*address).await?).await?;
        victims.push((victim, session));
    }
    Ok(victims)
}

/// Six wrong passwords; answers what came of them.
///
/// # Errors
/// When the connection breaks.
pub async fn guess(address: SocketAddr, victim: &Account) -> Result<Vec<u16>> {
    let mut connection = Connection::open(address).await?;
    let bytes = victim.guessing(&At::default(), &connection);
    let mut statuses = Vec::new();
    while statuses.len() < 6 {
        match connection.exchange(&bytes).await?.status {
            // The disk stalls.
            503 => tokio::time::sleep(Duration::from_millis(100)).await,
            status => statuses.push(status),
        }
    }
    Ok(statuses)
}

/// Presents the first of five refresh tokens, then the last; answers what came of them.
///
/// # Errors
/// When the connection breaks, or a refresh before fails.
pub async fn use_again(address: SocketAddr, first: Session) -> Result<[u16; 2]> {
    let mut connection = Connection::open(address).await?;
    let mut last = first.clone();
    for _ in 0..4 {
        last = last.refreshed(&mut connection).await?;
    }
    let mut statuses = [0; 2];
    for (status, session) in statuses.iter_mut().zip([&first, &last]) {
        let bytes = session.refreshing(&connection);
        *status = connection.exchange(&bytes).await?.status;
    }
    Ok(statuses)
}

/// Refreshes each session, turn by turn at each instance; answers what it was and what came of it.
///
/// # Errors
/// When an instance can't be reached.
pub async fn go_on(
    addresses: &[SocketAddr],
    sessions: Vec<Session>,
) -> Result<Vec<(Session, Result<Session>)>> {
    let mut connections = Vec::new();
    for address in addresses {
        connections.push(Connection::open(*address).await?);
    }
    let mut checked = Vec::with_capacity(sessions.len());
    for (number, session) in sessions.into_iter().enumerate() {
        let instance = number % connections.len().max(1);
        let connection = connections.get_mut(instance).ok_or_else(|| missing("instance"))?;
        let next = session.refreshed(connection).await;
        checked.push((session, next));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_when_to_retry_and_a_body_does_not() {
        assert!(says_when_to_retry(b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\n"));
        assert!(!says_when_to_retry(b"HTTP/1.1 503 X\r\nA: b\r\n\r\n\r\nRetry-After: 1"));
    }
}
