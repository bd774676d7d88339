//! Rolling restarts: two instances behind a balancer under load, stopped with SIGTERM and started again in turn. No
//! client may see an error.

use super::balancer::Balancer;
use super::calls::{Account, At, Session};
use super::faults::Faults;
use super::{Fleet, Options, runtime};
use crate::client::{Connection, request};
use crate::crash::Reply;
use crate::load::Tally;
use crate::scenario::KEY_SET;
use crate::table::{Row, number};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Clients of each sort. Each waits a little between two requests, because the cores are shared with the servers.
const KEY_SET_CLIENTS: usize = 2;
const ME_CLIENTS: usize = 6;
const REFRESH_CLIENTS: usize = 6;
const LOGIN_CLIENTS: usize = 1;
const PAUSE: Duration = Duration::from_millis(4);
const LOGIN_PAUSE: Duration = Duration::from_millis(250);

const BOTH_READY: Duration = Duration::from_secs(10);
/// How long both serve between two restarts.
const BOTH_SERVE: Duration = Duration::from_millis(500);

const ANSWERED: &str = "rolling: every request is answered 200 or 201";
const RISEN: &str = "rolling: each refresh raises the generation by one";

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    KeySet,
    Me,
    Refresh,
    Login,
}

/// Restarts two instances in turn, `rounds` restarts in all.
///
/// # Errors
/// When a server can't be started or doesn't end; what clients see is a row.
pub fn rolling(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    let mut fleet = Fleet::start(&options.binary, 2, &[])?;
    let runtime = runtime()?;
    let balancer = runtime.block_on(Balancer::start(&fleet.addresses()))?;
    let clients = runtime.block_on(Client::all(balancer.address))?;
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let tasks: Vec<_> =
        clients.into_iter().map(|client| runtime.spawn(client.work(Arc::clone(&stop)))).collect();
    let mut slowest = Duration::ZERO;
    for restart in 0..options.rounds {
        std::thread::park_timeout(BOTH_SERVE);
        let index = usize::try_from(restart % 2).unwrap_or_default();
        fleet.stop_instance(index)?;
        slowest = slowest.max(fleet.start_instance(index)?);
        let waited = Instant::now();
        while balancer.ready() < 2 {
            if waited.elapsed() > BOTH_READY {
                return Err(Error::other("the balancer doesn't find both instances ready"));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        say(format!("restart {} of {}", restart + 1, options.rounds));
    }
    std::thread::park_timeout(BOTH_SERVE);
    stop.store(true, Ordering::Relaxed);
    let (mut faults, mut tally) = (Faults::default(), Tally::default());
    for task in tasks {
        let client = runtime.block_on(task).map_err(Error::other)?;
        faults.merge(client.faults);
        tally.merge(&client.tally);
    }
    let took = begun.elapsed().as_secs_f64();
    let sent = tally.sent() as f64;
    let mut rows =
        vec![Row::plain("rolling restarts of two instances", format!("{}", options.rounds)).note(format!(
            "{} requests in {} s, p99 {} ms; slowest start {} ms",
            number(sent),
            number(took),
            number(tally.p99_ms()),
            slowest.as_millis()
        ))];
    rows.extend(faults.rows());
    Ok(rows)
}

struct Client {
    duty: Duty,
    address: SocketAddr,
    connection: Option<Connection>,
    account: Account,
    session: Session,
    faults: Faults,
    tally: Tally,
}

impl Client {
    async fn all(address: SocketAddr) -> Result<Vec<Self>> {
        let duties = [
            (Duty::KeySet, KEY_SET_CLIENTS),
            (Duty::Me, ME_CLIENTS),
            (Duty::Refresh, REFRESH_CLIENTS),
            (Duty::Login, LOGIN_CLIENTS),
        ];
        let duties = duties.into_iter().flat_map(|(duty, count)| std::iter::repeat_n(duty, count));
        let mut clients = Vec::new();
        for (number, duty) in duties.enumerate() {
            let mut connection = Connection::open(address).await?;
            let account = Account::numbered("rolling", number);
            let session = account.register(&mut connection).await?;
            let (faults, tally) = (Faults::default(), Tally::default());
            let connection = Some(connection);
            clients.push(Self { duty, address, connection, account, session, faults, tally });
        }
        Ok(clients)
    }

    async fn work(mut self, stop: Arc<AtomicBool>) -> Self {
        let pause = if self.duty == Duty::Login { LOGIN_PAUSE } else { PAUSE };
        while !stop.load(Ordering::Relaxed) {
            let sent = Instant::now();
            match self.ask().await {
                Ok(reply) => {
                    self.tally.count(reply.status, sent.elapsed());
                    let holds = matches!(reply.status, 200 | 201);
                    if self.faults.check(ANSWERED, holds, || format!("{:?}: {}", self.duty, reply.text())) {
                        self.learn(&reply);
                    }
                }
                Err(error) => {
                    self.tally.broken += 1;
                    self.faults.check(ANSWERED, false, || format!("{:?}: {error}", self.duty));
                    self.connection = None;
                }
            }
            tokio::time::sleep(pause).await;
        }
        self
    }

    async fn ask(&mut self) -> Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let bytes = match self.duty {
            Duty::KeySet => request(self.address, "GET", KEY_SET, None, None),
            Duty::Me => self.session.me(&connection),
            Duty::Refresh => self.session.refreshing(&connection),
            Duty::Login => self.account.signing_in(&At::default(), &connection),
        };
        let answer = connection.exchange(&bytes).await?;
        let reply = Reply { status: answer.status, body: answer.body.to_vec() };
        self.connection = Some(connection);
        Ok(reply)
    }

    /// A refresh's answer holds what to present next.
    fn learn(&mut self, reply: &Reply) {
        if self.duty != Duty::Refresh {
            return;
        }
        let next = Session::of(&self.session.at, reply).ok();
        let holds = next.as_ref().is_some_and(|next| next.generation == self.session.generation + 1);
        self.faults.check(RISEN, holds, || reply.text());
        if let Some(next) = next {
            self.session = next;
        }
    }
}
