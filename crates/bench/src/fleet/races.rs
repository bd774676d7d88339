//! Refresh races: ten clients present the newest refresh token of one session at the same moment, spread over the
//! instances. By ruling D2 all of them are answered with the same next generation, and nobody is logged out.

use super::calls::{Account, Session};
use super::faults::Faults;
use crate::client::Connection;
use crate::crash::Reply;
use crate::table::{Row, number};
use futures_util::future::try_join_all;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use testbed::postgres;

/// Sessions raced for at the same time.
const SESSIONS: usize = 16;
/// Who present the same token at once.
const SUBMITS: usize = 10;

const ANSWERED: &str = "race: every one of ten parallel refreshes is answered 200";
const RISEN: &str = "race: the generation rises by exactly one";
const LIVES: &str = "race: the session lives on the next instance";

struct Racer {
    connections: Vec<Connection>,
    session: Session,
    faults: Faults,
    rounds: u64,
}

/// Races for sixteen sessions at a time.
///
/// # Errors
/// When a connection breaks, or an account can't be made.
pub async fn races(addresses: &[SocketAddr], rounds: u64) -> Result<Vec<Row>> {
    let mut racers = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        racers.push(Racer::new(addresses, number).await?);
    }
    let (left, begun) = (Arc::new(AtomicU64::new(rounds)), Instant::now());
    let tasks: Vec<_> = racers.into_iter().map(|racer| tokio::spawn(racer.race(Arc::clone(&left)))).collect();
    let mut faults = Faults::default();
    let mut raced = 0;
    for task in tasks {
        let racer = task.await.map_err(Error::other)??;
        faults.merge(racer.faults);
        raced += racer.rounds;
    }
    let rate = raced as f64 * SUBMITS as f64 / begun.elapsed().as_secs_f64();
    let what = format!("refresh races: {SUBMITS} submits over {} instances", addresses.len());
    let note = format!("{SESSIONS} sessions at a time, {} refreshes/s", number(rate));
    let mut rows = vec![Row::plain(&what, format!("{raced} rounds")).note(note)];
    rows.extend(faults.rows());
    Ok(rows)
}

/// What the database says afterwards: before anything else advanced a session, the generations add up to the rounds.
///
/// # Errors
/// When the database doesn't answer.
pub fn in_database(server: &postgres::Server, rounds: u64) -> Result<Row> {
    let sum = server.psql("usso", "SELECT sum((body->>'generation')::bigint) FROM session")?;
    Ok(Row {
        figure: sum.clone(),
        goal: format!("= {rounds}"),
        met: Some(sum == rounds.to_string()),
        ..Row::plain("race: generations in the database, added up", String::new())
    })
}

impl Racer {
    async fn new(addresses: &[SocketAddr], number: usize) -> Result<Self> {
        let mut connections = Vec::with_capacity(SUBMITS);
        for address in addresses.iter().cycle().take(SUBMITS) {
            connections.push(Connection::open(*address).await?);
        }
        let account = Account::numbered("racer", number);
        let first = connections.first_mut().ok_or_else(|| Error::other("no instance"))?;
        let session = account.register(first).await?;
        Ok(Self { connections, session, faults: Faults::default(), rounds: 0 })
    }

    async fn race(mut self, left: Arc<AtomicU64>) -> Result<Self> {
        let take_one = |left: u64| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok() {
            self.round().await?;
        }
        Ok(self)
    }

    async fn round(&mut self) -> Result<()> {
        let Self { connections, session, .. } = self;
        let submits = connections.iter_mut().map(|connection| async {
            let bytes = session.refreshing(connection);
            let answer = connection.exchange(&bytes).await?;
            Ok::<_, Error>(Reply { status: answer.status, body: answer.body.to_vec() })
        });
        let replies = try_join_all(submits).await?;
        let expected = self.session.generation + 1;
        let mut next = None;
        for reply in &replies {
            if !self.faults.check(ANSWERED, reply.status == 200, || reply.text()) {
                continue;
            }
            let session = Session::of(&self.session.at, reply)?;
            // Whoever advances the generation is answered with it: a second advance would show here.
            self.faults.check(RISEN, session.generation == expected, || {
                format!("{} after {}", session.generation, expected - 1)
            });
            next = Some(session);
        }
        if let Some(next) = next {
            self.session = next;
        }
        self.rounds += 1;
        let turn = usize::try_from(self.rounds).unwrap_or_default() % SUBMITS;
        if let Some(connection) = self.connections.get_mut(turn) {
            let me = self.session.me(connection);
            let answer = connection.exchange(&me).await?;
            let (status, body) = (answer.status, String::from_utf8_lossy(answer.body).into_owned());
            self.faults.check(LIVES, status == 200, || format!("{status} {body}"));
        }
        Ok(())
    }
}
