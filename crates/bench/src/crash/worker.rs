//! One client of the crash driver: it registers, signs in, refreshes and ends sessions at random, and remembers
//! what was acknowledged. A request cut off by the kill leaves its outcome open, and the memory says so.

use super::dice::Dice;
use super::findings::{Fault, Findings};
use super::ledger::{Entry, Ledger};
use crate::accounts::credentials;
use crate::client::{API, Connection, json_string, request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It must live.
    Live,
    /// It must be over.
    Ended,
    /// The request that ends it was cut off.
    Open,
}

/// A session as its client knows it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The newest access token.
    pub access: String,
    /// The newest refresh token.
    pub refresh: String,
    /// The newest generation acknowledged.
    pub generation: u64,
    /// What it must be.
    pub state: State,
    /// In which round it was last used.
    pub round: u32,
}

/// An account as its client knows it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub user: String,
    /// The name it signs in with.
    pub identifier: String,
    /// Its password.
    pub password: String,
    /// In which round it was made.
    pub round: u32,
}

/// The tenant one client keeps changing, as the system administrator.
#[derive(Debug, Clone)]
pub struct Duty {
    /// The tenant.
    pub tenant: String,
    /// The administrator's access token.
    pub admin: String,
    /// The last number acknowledged.
    pub acknowledged: u64,
    /// The last number sent.
    pub sent: u64,
    /// How many changes were acknowledged.
    pub changes: u64,
}

/// A client.
#[derive(Debug)]
pub struct Worker {
    number: usize,
    /// Its chance.
    pub dice: Dice,
    ledger: Arc<Ledger>,
    /// Its accounts.
    pub accounts: Vec<Known>,
    /// Its sessions.
    pub sessions: Vec<Session>,
    /// The tenant it changes.
    pub duty: Option<Duty>,
    /// How often a user was told no, and how often they asked for it.
    pub denied: BTreeMap<String, (u64, u64)>,
    /// What it found wrong.
    pub findings: Findings,
    round: u32,
    registered: usize,
}

/// An answer in JSON.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body as sent.
    pub body: Vec<u8>,
}

/// Sends one request.
///
/// # Errors
/// When the connection breaks.
pub async fn ask(
    connection: &mut Connection,
    (method, path): (&str, &str),
    bearer: Option<&str>,
    body: Option<&str>,
) -> Result<Reply> {
    let bytes = request(connection.addr(), method, &format!("{API}{path}"), bearer, body);
    let answer = connection.exchange(&bytes).await?;
    Ok(Reply { status: answer.status, body: answer.body.to_vec() })
}

/// The claims of a token, unverified: the driver trusts its server's signature.
pub fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The refresh request's body.
pub fn refresh_body(token: &str) -> String {
    format!("{{\"refresh_token\":\"{token}\"}}")
}

impl Reply {
    /// The session this answer opened, if it did.
    pub fn session(&self, round: u32) -> Option<(String, Session)> {
        let access = json_string(&self.body, "access_token")?.to_owned();
        let refresh = json_string(&self.body, "refresh_token")?.to_owned();
        let claims = claims(&refresh)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let generation = claims.get("g").and_then(Value::as_u64)?;
        let session =
            Session { id: text("session_id")?, access, refresh, generation, state: State::Live, round };
        Some((text("sub")?, session))
    }

    /// For a message.
    pub fn text(&self) -> String {
        let end = self.body.len().min(200);
        format!("{} {}", self.status, String::from_utf8_lossy(self.body.get(..end).unwrap_or_default()))
    }
}

impl Worker {
    /// The client of this number.
    pub fn new(number: usize, seed: u64, ledger: Arc<Ledger>) -> Self {
        let dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        Self {
            number,
            dice,
            ledger,
            accounts: Vec::new(),
            sessions: Vec::new(),
            duty: None,
            denied: BTreeMap::new(),
            findings: Findings::default(),
            round: 0,
            registered: 0,
        }
    }

    /// Works until the connection breaks, which is the kill.
    pub async fn work(mut self, addr: SocketAddr, round: u32) -> Self {
        self.round = round;
        if let Ok(mut connection) = Connection::open(addr).await {
            while self.step(&mut connection).await.is_ok() {}
        }
        self
    }

    /// How many logins to check after a restart: about forty over all clients, because each costs a hash.
    pub fn login_checks(&self) -> usize {
        if self.number < 8 { 2 } else { 1 }
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let roll = self.dice.below(100);
        if roll < 15 && self.duty.is_some() {
            return self.patch_tenant(connection).await;
        }
        let live: Vec<usize> = (0..self.sessions.len())
            .filter(|i| self.sessions.get(*i).is_some_and(|s| s.state == State::Live))
            .collect();
        let chosen = live.get(self.dice.below(live.len())).copied();
        match (chosen, roll) {
            (_, 15..19) => self.register(connection).await,
            (None, _) if self.accounts.is_empty() => self.register(connection).await,
            (None, _) | (_, 19..23) => self.sign_in(connection).await,
            (Some(index), 23..27) => self.end(connection, index, false).await,
            (Some(index), 27..30) => self.end(connection, index, true).await,
            (Some(index), 30..36) => self.be_denied(connection, index).await,
            (Some(index), _) => self.refresh(connection, index).await,
        }
    }

    async fn register(&mut self, connection: &mut Connection) -> Result<()> {
        self.registered += 1;
        let identifier = format!("crash{}x{}@example.com", self.number, self.registered);
        let password = format!("Correct-Horse-Battery-7!{}", self.registered);
        let body = credentials(&identifier, &password);
        let reply = ask(connection, ("POST", "/auth/register"), None, Some(&body)).await?;
        let round = self.round;
        if let Some(user) = self.opened(&reply, "registration").await? {
            self.ledger.append(&Entry::Registered { user: &user })?;
            self.accounts.push(Known { user, identifier, password, round });
        }
        Ok(())
    }

    async fn sign_in(&mut self, connection: &mut Connection) -> Result<()> {
        let index = self.dice.below(self.accounts.len());
        let Some(account) = self.accounts.get(index) else { return self.register(connection).await };
        let body = credentials(&account.identifier, &account.password);
        let reply = ask(connection, ("POST", "/auth/login"), None, Some(&body)).await?;
        self.opened(&reply, "login").await.map(drop)
    }

    /// Remembers the session an answer opened, and gives its user. A busy server is left alone for a moment.
    async fn opened(&mut self, reply: &Reply, what: &str) -> Result<Option<String>> {
        if reply.status == 503 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Ok(None);
        }
        let session = if matches!(reply.status, 200 | 201) { reply.session(self.round) } else { None };
        self.findings.check(session.is_some(), Fault::Unexpected, || format!("{what}: {}", reply.text()));
        let Some((user, session)) = session else { return Ok(None) };
        self.ledger.append(&Entry::Opened { session: &session.id })?;
        self.sessions.push(session);
        Ok(Some(user))
    }

    async fn refresh(&mut self, connection: &mut Connection, index: usize) -> Result<()> {
        let round = self.round;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.round = round;
        let body = refresh_body(&session.refresh);
        let reply = ask(connection, ("POST", "/auth/refresh"), None, Some(&body)).await?;
        let next = if reply.status == 200 { reply.session(round) } else { None };
        let expected = session.generation + 1;
        let holds = next.as_ref().is_some_and(|(_, n)| n.generation == expected && n.id == session.id);
        self.findings.check(holds, Fault::Unexpected, || format!("refresh {expected}: {}", reply.text()));
        if let Some((_, next)) = next {
            self.ledger.append(&Entry::Refreshed { session: &next.id, generation: next.generation })?;
            *session = next;
        }
        Ok(())
    }

    async fn end(&mut self, connection: &mut Connection, index: usize, delete: bool) -> Result<()> {
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.round = self.round;
        session.state = State::Open;
        let path = format!("/sessions/{}", session.id);
        let (line, body) = if delete {
            (("DELETE", path.as_str()), None)
        } else {
            (("POST", "/auth/logout"), Some(refresh_body(&session.refresh)))
        };
        let reply = ask(connection, line, Some(&session.access), body.as_deref()).await?;
        self.findings.check(reply.status == 200, Fault::Unexpected, || {
            format!("{} {}: {}", line.0, line.1, reply.text())
        });
        if reply.status == 200 {
            session.state = State::Ended;
            self.ledger.append(&Entry::Ended { session: &session.id })?;
        }
        Ok(())
    }

    /// Asks for what is not allowed. That is an event; several in a minute are counted.
    async fn be_denied(&mut self, connection: &mut Connection, index: usize) -> Result<()> {
        let Some(session) = self.sessions.get(index) else { return Ok(()) };
        let user = claims(&session.access).and_then(|c| Some(c.get("sub")?.as_str()?.to_owned()));
        let Some(user) = user else { return Ok(()) };
        self.denied.entry(user.clone()).or_default().1 += 1;
        let reply = ask(connection, ("GET", "/audit"), Some(&session.access), None).await?;
        self.findings.check(reply.status == 403, Fault::Unexpected, || format!("/audit: {}", reply.text()));
        if reply.status == 403 {
            self.ledger.append(&Entry::Denied { user: &user })?;
            self.denied.entry(user).or_default().0 += 1;
        }
        Ok(())
    }

    async fn patch_tenant(&mut self, connection: &mut Connection) -> Result<()> {
        let Some(duty) = self.duty.as_mut() else { return Ok(()) };
        duty.sent += 1;
        let body = serde_json::json!({ "custom_payload": { "number": duty.sent } }).to_string();
        let path = format!("/tenants/{}", duty.tenant);
        let reply = ask(connection, ("PATCH", &path), Some(&duty.admin), Some(&body)).await?;
        self.findings
            .check(reply.status == 200, Fault::Unexpected, || format!("PATCH {path}: {}", reply.text()));
        if reply.status == 200 {
            duty.acknowledged = duty.sent;
            duty.changes += 1;
            self.ledger.append(&Entry::Patched { number: duty.sent })?;
        }
        Ok(())
    }
}

/// The system administrator's access token, and the tenant the run keeps changing, made if it isn't there.
///
/// # Errors
/// When either is refused.
pub async fn administer(addr: SocketAddr, password: &str, make_tenant: bool) -> Result<(String, String)> {
    let mut connection = Connection::open(addr).await?;
    let body = credentials("admin", password);
    let reply = ask(&mut connection, ("POST", "/auth/login"), None, Some(&body)).await?;
    let admin = json_string(&reply.body, "access_token")
        .ok_or_else(|| Error::other(format!("the administrator's login: {}", reply.text())))?
        .to_owned();
    if make_tenant {
        let body = r#"{"name":"Crash","domains":["crash.example.com"],"custom_payload":{"number":0}}"#;
        let reply = ask(&mut connection, ("POST", "/tenants"), Some(&admin), Some(body)).await?;
        if reply.status != 201 {
            return Err(Error::other(format!("creating a tenant: {}", reply.text())));
        }
    }
    Ok((admin, "org_crash".to_owned()))
}
