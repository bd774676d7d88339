//! Audit events: who did what to whom, committed with the change as an effect.
//!
//! An event is an [`Effect`] of the write it describes, so a change without its event, or an event without its
//! change, can't exist. The effects worker turns it into an [`AuditEvent`] record of the tenant. Events carry ids and
//! facts, never secrets.
//!
//! The records of a tenant form a chain (see [`chain`]), which shows what was changed, taken out or cut off behind the
//! server's back.

pub mod chain;
pub mod checkpoint;
pub mod erasure;
pub mod recorder;
pub mod retention;
pub mod routes;
pub mod schema;
pub mod service;
pub mod tally;
pub mod verify;
pub mod witness;

use crate::tenant::one_time::OneTime;
use chain::Link;
use kernel::{Effect, Key, Position, Record, Scope, StorageError, Timestamp, Topic};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// How long the record lives that carries an event of its own, in seconds.
const CARRIED: i64 = 60;

/// The other end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its address, the forwarded one only behind a trusted proxy.
    pub ip: IpAddr,
    /// Its `User-Agent`, cut to 256 bytes.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// The cookie that says which accounts have signed in there before.
    pub device: Option<String>,
}

impl ClientInfo {
    /// The network a client counts as: an IPv4 address, an IPv6 /64.
    pub fn network_of(ip: IpAddr) -> String {
        match ip {
            IpAddr::V4(ip) => format!("ip:{ip}"),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(v4) => format!("ip:{v4}"),
                None => format!("net:{:x?}", ip.segments().get(..4).unwrap_or_default()),
            },
        }
    }

    /// The process itself: start-up and command line.
    pub fn local() -> Self {
        Self {
            ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            user_agent: Some(concat!("usso/", env!("CARGO_PKG_VERSION")).to_owned()),
            request_id: "local".to_owned(),
            device: None,
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody known yet, or the process itself.
    Anonymous,
    /// The process: start-up, jobs, command line.
    System,
    /// A user.
    User(String),
    /// An agent.
    Agent(String),
    /// A user or agent by one of its API keys.
    ApiKey {
        /// The user or agent.
        user: String,
        /// The key.
        key: String,
    },
    /// An OAuth client, by itself or in a user's name.
    Client {
        /// The client.
        client: String,
        /// In whose name.
        user: Option<String>,
    },
    /// An administrator in a user's name.
    Impersonator {
        /// In whose name.
        user: String,
        /// Who really.
        actor: String,
    },
}

impl Actor {
    /// Who, as events tell it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::System => "system",
            Self::User(id) | Self::Agent(id) | Self::ApiKey { user: id, .. } => id,
            Self::Client { client, user } => user.as_deref().unwrap_or(client),
            Self::Impersonator { actor, .. } => actor,
        }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// `event_`, the position of its effect and a digest of it: applying an effect twice writes one event, and an
    /// installation that was moved, whose positions begin anew, writes no event over another.
    pub id: String,
    /// What happened: `user.registered`, `session.revoked` …
    pub event: String,
    /// When.
    pub at: Timestamp,
    /// Who: a user id, `system` or `anonymous`.
    pub actor: String,
    /// On whom.
    pub target: String,
    /// `success` or `failure`.
    pub result: String,
    /// From which address.
    pub ip: String,
    /// With which agent.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: String,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// Its place in the tenant's chain; none for events from before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

impl Record for AuditEvent {
    const KIND: &'static str = "audit_event";
    const VERSION: u32 = 1;

    fn id(&self) -> &str {
        &self.id
    }

    fn keys(&self) -> Vec<Key> {
        self.link.iter().map(|link| chain::key(link.sequence)).collect()
    }

    fn tags(&self) -> Vec<String> {
        vec![
            format!("result:{}", self.result),
            format!("event:{}", self.event),
            format!("actor:{}", self.actor),
            format!("target:{}", self.target),
        ]
    }
}

impl AuditEvent {
    /// Reads the event out of its effect.
    pub fn from_effect(position: Position, payload: Value) -> Option<Self> {
        let digest = protocol::sha256(payload.to_string().as_bytes());
        let digest = protocol::b64url::encode(digest.get(..9)?);
        let Value::Object(mut fields) = payload else { return None };
        fields.insert("id".to_owned(), Value::String(format!("event_{:020}_{digest}", position.0)));
        serde_json::from_value(Value::Object(fields)).ok()
    }
}

/// An event under construction.
#[derive(Debug)]
pub struct Event<'a> {
    name: &'static str,
    actor: Actor,
    target: String,
    failed: bool,
    client: &'a ClientInfo,
    data: Map<String, Value>,
}

impl<'a> Event<'a> {
    /// Something that succeeded.
    pub fn new(name: &'static str, actor: Actor, target: impl Into<String>, client: &'a ClientInfo) -> Self {
        Self { name, actor, target: target.into(), failed: false, client, data: Map::new() }
    }

    /// Something that was refused.
    pub fn refused(
        name: &'static str,
        actor: Actor,
        target: impl Into<String>,
        client: &'a ClientInfo,
    ) -> Self {
        Self { failed: true, ..Self::new(name, actor, target, client) }
    }

    /// Adds a fact. Never a secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// Writes an event that goes with no other write.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn write(self, scope: &Scope) -> Result<(), StorageError> {
        // An event is an effect of a write; this one is gone before long, and the event is not.
        let carrier = OneTime {
            id: OneTime::id_for("event", &[self.name, &self.client.request_id, &self.target]),
            data: Value::Null,
            expires_at: scope.now().plus_seconds(CARRIED),
        };
        let effect = self.effect(scope);
        scope.records::<OneTime>().insert(carrier, vec![effect]).await.map(drop)
    }

    /// The effect to commit with the write.
    pub fn effect(mut self, scope: &Scope) -> Effect {
        if let Actor::ApiKey { key, .. } = &self.actor {
            self.data.insert("api_key".to_owned(), key.clone().into());
        }
        if let Actor::Client { client, .. } = &self.actor {
            self.data.insert("client_id".to_owned(), client.clone().into());
        }
        if let Actor::Impersonator { user, .. } = &self.actor {
            self.data.insert("impersonated".to_owned(), user.clone().into());
        }
        let now = scope.now();
        let result = if self.failed { "failure" } else { "success" };
        let payload = serde_json::json!({
            "event": self.name,
            "at": now,
            "actor": self.actor.as_str(),
            "target": self.target,
            "result": result,
            "ip": self.client.ip.to_string(),
            "user_agent": self.client.user_agent,
            "request_id": self.client.request_id,
            "data": self.data,
        });
        Effect { topic: Topic::Audit, payload, due_at: now }
    }
}
