//! Key rotation under load: tenants change their signing algorithm again and again, each change a new key, on two
//! instances with shortened times. Two verifiers, as applications have them, judge every token: one fetches the key
//! set when it meets an unknown key, one keeps it for its `max-age` and believes nothing else. Meanwhile the server
//! itself must accept whatever it signed until that expires.

use super::calls::{Account, At, Session};
use super::faults::Faults;
use super::{Fleet, Options, runtime};
use crate::client::{Connection, request};
use crate::crash::{administer, claims};
use crate::process::SYSTEM_PASSWORD;
use crate::scenario::KEY_SET;
use crate::table::{Row, number};
use kernel::{Clock, SystemClock};
use protocol::jose::{JwkSet, Untrusted, VerifyingKey};
use std::collections::{BTreeSet, VecDeque};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The shortest times that hold: a second to keep the key set, two for the instances to hear of a key, one to spare.
const MAX_AGE: Duration = Duration::from_secs(1);
const LEAD: Duration = Duration::from_secs(4);
const GRACE: Duration = Duration::from_secs(1);
/// The shortest lifetime a tenant can set, in seconds: until it has passed, a superseded key stays published.
const LIFETIME: i64 = 60;
/// Rotations of one tenant: three fill the key set, so the fourth must wait until the first key is retired.
const PER_TENANT: u64 = 4;
/// How long a session is used: it ends after a minute.
const SESSION_AGE: Duration = Duration::from_secs(30);
/// How long a tenant waits between two looks, so that all of them together don't fill the cores.
const PAUSE_PER_TENANT: Duration = Duration::from_millis(2);
const LEAST_PAUSE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(200);

const REFETCHING: &str = "rotation: a verifier that fetches on an unknown key accepts every valid token";
const CACHING: &str = "rotation: a verifier with a key set no older than its max-age knows every signing key";
const SERVED: &str = "rotation: /me accepts every valid token on either instance";
const REFRESHED: &str = "rotation: every refresh token is accepted on either instance";
const USED: &str = "rotation: every published key came to sign";

/// Rotates `options.rounds` times in all.
///
/// # Errors
/// When a server can't be started, or a connection breaks; refused tokens are rows.
pub fn rotation(options: &Options, say: impl Fn(String)) -> Result<Vec<Row>> {
    let seconds = |time: Duration| time.as_secs().to_string();
    let environment = [
        ("USSO__KEYS__JWKS_MAX_AGE_SECONDS", seconds(MAX_AGE)),
        ("USSO__KEYS__PUBLISH_LEAD_SECONDS", seconds(LEAD)),
        ("USSO__KEYS__RETIRE_GRACE_SECONDS", seconds(GRACE)),
    ];
    let fleet = Fleet::start(&options.binary, 2, &environment)?;
    let (addresses, begun) = (fleet.addresses(), Instant::now());
    let users = runtime()?.block_on(run(&addresses, options.rounds, say))?;
    let (mut faults, mut signed, mut judged, mut rotated) = (Faults::default(), 0, 0, 0);
    for user in users {
        let keys = user.seen.len() as u64;
        faults.merge(user.faults);
        faults.check(USED, keys == user.rotations + 1, || format!("{keys} of {}", user.rotations + 1));
        signed += user.signed;
        judged += user.judged;
        rotated += user.rotations;
    }
    let note = format!(
        "{} tokens signed, judged {} times, in {} s",
        number(signed as f64),
        number(judged as f64),
        number(begun.elapsed().as_secs_f64())
    );
    let mut rows =
        vec![Row::plain("key rotations under load, two instances", rotated.to_string()).note(note)];
    rows.extend(faults.rows());
    Ok(rows)
}

async fn run(addresses: &[SocketAddr], rotations: u64, say: impl Fn(String)) -> Result<Vec<User>> {
    let first = addresses.first().ok_or_else(|| Error::other("no instance"))?;
    let (admin, _) = administer(*first, SYSTEM_PASSWORD, false).await?;
    let tenants = rotations.div_ceil(PER_TENANT);
    let (stop, stopped) = watch::channel(false);
    let pause = (PAUSE_PER_TENANT * u32::try_from(tenants).unwrap_or(u32::MAX)).max(LEAST_PAUSE);
    let (mut users, mut owners) = (Vec::new(), Vec::new());
    for number in 0..tenants {
        let count = PER_TENANT.min(rotations - number * PER_TENANT);
        let user = User::new(addresses, &admin, usize::try_from(number).unwrap_or_default(), count).await?;
        owners.push((user.at.clone(), count));
        users.push(tokio::spawn(user.work(pause, stopped.clone())));
    }
    let rotating = owners.into_iter().map(|(at, count)| {
        let (addresses, admin) = (addresses.to_vec(), admin.clone());
        tokio::spawn(async move { rotate(&addresses, &admin, &at, count).await })
    });
    for task in rotating.collect::<Vec<_>>() {
        task.await.map_err(Error::other)??;
    }
    say("all keys are published".to_owned());
    // Until the last one signs and its first tokens are judged.
    tokio::time::sleep(LEAD + LEAD).await;
    let _ = stop.send(true);
    let mut done = Vec::new();
    for user in users {
        done.push(user.await.map_err(Error::other)??);
    }
    Ok(done)
}

/// Changes a tenant's algorithm to and fro, as soon as there is room for another key, on the instances in turn.
async fn rotate(addresses: &[SocketAddr], admin: &str, at: &At, count: u64) -> Result<()> {
    let path = format!("/tenants/{}", at.id());
    for rotation in 0..count {
        let algorithm = if rotation % 2 == 0 { "ES256" } else { "EdDSA" };
        let body = format!("{{\"algorithm\":\"{algorithm}\"}}");
        let turn = usize::try_from(rotation).unwrap_or_default() % addresses.len().max(1);
        let address = addresses.get(turn).ok_or_else(|| Error::other("no instance"))?;
        let mut connection = Connection::open(*address).await?;
        loop {
            let line = ("PATCH", path.as_str());
            let reply = At::default().call(&mut connection, line, Some(admin), Some(&body)).await?;
            match reply.status {
                200 => break,
                // No room yet: the newest doesn't sign, or four are published.
                409 => tokio::time::sleep(RETRY).await,
                _ => return Err(Error::other(format!("rotating: {}", reply.text()))),
            }
        }
    }
    Ok(())
}

/// Seconds since the epoch.
fn now() -> i64 {
    SystemClock.now().unix_seconds()
}

/// A signed token and when it expires.
#[derive(Debug, Clone)]
struct Token {
    text: String,
    expires: i64,
}

impl Token {
    fn new(text: &str) -> Option<Self> {
        let expires = claims(text)?.get("exp")?.as_i64()?;
        Some(Self { text: text.to_owned(), expires })
    }
}

/// A key set as an application holds it.
#[derive(Debug)]
struct Known {
    keys: JwkSet,
    fetched: Instant,
}

impl Known {
    async fn fetch(connection: &mut Connection, at: &At) -> Result<Self> {
        let bytes = request(connection.addr(), "GET", &at.root(KEY_SET), None, None);
        // Its age counts from before it was asked for, as a cautious client's would.
        let fetched = Instant::now();
        let answer = connection.exchange(&bytes).await?;
        let keys = JwkSet::from_slice(answer.body).map_err(Error::other)?;
        Ok(Self { keys, fetched })
    }

    fn knows(&self, token: &str) -> bool {
        let kid = Untrusted::parse(token).ok().and_then(|token| token.require_kid().map(str::to_owned).ok());
        kid.is_some_and(|kid| self.keys.get(&kid).is_some())
    }

    fn verifies(&self, token: &str) -> bool {
        let verify = || {
            let token = Untrusted::parse(token).ok()?;
            let key = VerifyingKey::from_jwk(self.keys.get(token.require_kid().ok()?)?).ok()?;
            token.verify(&key).ok()
        };
        verify().is_some()
    }
}

/// A user of one tenant, and the two applications that verify the user's tokens.
struct User {
    at: At,
    account: Account,
    connections: Vec<Connection>,
    session: Session,
    signed_in: Instant,
    refetching: Known,
    caching: Known,
    tokens: VecDeque<Token>,
    seen: BTreeSet<String>,
    rotations: u64,
    signed: u64,
    judged: u64,
    turn: usize,
    faults: Faults,
}

impl User {
    async fn new(addresses: &[SocketAddr], admin: &str, number: usize, rotations: u64) -> Result<Self> {
        let mut connections = Vec::with_capacity(addresses.len());
        for address in addresses {
            connections.push(Connection::open(*address).await?);
        }
        let connection = connections.first_mut().ok_or_else(|| Error::other("no instance"))?;
        let account = Account::numbered("rotation", number);
        let config = serde_json::json!({ "session_timeout": LIFETIME, "refresh_token_ttl": LIFETIME });
        let tenant = serde_json::json!({ "name": format!("Rotation {number}"), "config": config });
        let at = account.found(connection, admin, tenant).await?;
        let session = at.login(connection, &account).await?;
        let refetching = Known::fetch(connection, &at).await?;
        let caching = Known::fetch(connection, &at).await?;
        let mut user = Self {
            at,
            account,
            connections,
            session: session.clone(),
            signed_in: Instant::now(),
            refetching,
            caching,
            tokens: VecDeque::new(),
            seen: BTreeSet::new(),
            rotations,
            signed: 0,
            judged: 0,
            turn: 0,
            faults: Faults::default(),
        };
        user.took(session);
        Ok(user)
    }

    async fn work(mut self, pause: Duration, stopped: watch::Receiver<bool>) -> Result<Self> {
        while !*stopped.borrow() {
            self.step().await?;
            tokio::time::sleep(pause).await;
        }
        Ok(self)
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        self.turn = (self.turn + 1) % self.connections.len().max(1);
        self.connections.get_mut(self.turn).ok_or_else(|| Error::other("no instance"))
    }

    /// Gets new tokens, then judges the newest and the oldest that is still valid.
    async fn step(&mut self) -> Result<()> {
        if self.signed_in.elapsed() > SESSION_AGE {
            let (at, account) = (self.at.clone(), self.account.clone());
            let session = at.login(self.connection()?, &account).await?;
            self.signed_in = Instant::now();
            self.took(session);
        } else {
            let session = self.session.clone();
            let connection = self.connection()?;
            let bytes = session.refreshing(connection);
            let answer = connection.exchange(&bytes).await?;
            let reply = crate::crash::Reply { status: answer.status, body: answer.body.to_vec() };
            if self.faults.check(REFRESHED, reply.status == 200, || reply.text()) {
                self.took(Session::of(&session.at, &reply)?);
            }
        }
        // What expires within a second may do so on its way.
        while self.tokens.front().is_some_and(|token| token.expires <= now() + 1) {
            self.tokens.pop_front();
        }
        let both = [self.tokens.front().cloned(), self.tokens.back().cloned()];
        for token in both.into_iter().flatten() {
            self.judge(&token).await?;
        }
        Ok(())
    }

    fn took(&mut self, session: Session) {
        for text in [&session.access, &session.refresh] {
            let kid =
                Untrusted::parse(text).ok().and_then(|token| token.require_kid().map(str::to_owned).ok());
            self.seen.extend(kid);
        }
        self.tokens.extend(Token::new(&session.access));
        self.signed += 2;
        self.session = session;
    }

    async fn judge(&mut self, token: &Token) -> Result<()> {
        self.judged += 1;
        let at = self.at.clone();
        if !self.refetching.knows(&token.text) {
            self.refetching = Known::fetch(self.connection()?, &at).await?;
        }
        if self.caching.fetched.elapsed() >= MAX_AGE {
            self.caching = Known::fetch(self.connection()?, &at).await?;
        }
        let me = Session { access: token.text.clone(), ..self.session.clone() };
        let connection = self.connection()?;
        let bytes = me.me(connection);
        let status = connection.exchange(&bytes).await?.status;
        let (refetching, caching) =
            (self.refetching.verifies(&token.text), self.caching.verifies(&token.text));
        let why = || format!("{}: {} s before it expires", at.id(), token.expires - now());
        self.faults.check(REFETCHING, refetching, why);
        self.faults.check(CACHING, caching, why);
        self.faults.check(SERVED, status == 200, || format!("{status} {}", why()));
        Ok(())
    }
}
