//! What an audit event looks like on the wire.

use super::AuditEvent;
use super::checkpoint::Checkpoint;
use kernel::{Stored, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An audit event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEventView {
    /// `event_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// What happened: `user.registered`, `session.revoked` …
    pub event: String,
    /// Who: a user id, `system` or `anonymous`.
    pub actor: String,
    /// On whom.
    pub target: String,
    /// `success` or `failure`.
    pub result: String,
    /// From which address; empty once erased.
    pub ip: String,
    /// With which agent.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: String,
    /// Further facts.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
    /// Its number in the tenant's chain; none for events from before there was one.
    pub sequence: Option<u64>,
    /// The keyed digest of this event and of all before it: a copy of it kept elsewhere is a witness.
    pub mac: Option<String>,
    /// The digest of the event before.
    pub prev: Option<String>,
    /// Whether address, agent and further facts were erased.
    pub is_erased: bool,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it was written to the log, moments later.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl AuditEventView {
    /// An event of a tenant.
    pub fn of(tenant_id: &str, stored: &Stored<AuditEvent>) -> Self {
        let event = stored.record.clone();
        let link = event.link;
        Self {
            uid: event.id.clone(),
            id: event.id,
            tenant_id: tenant_id.to_owned(),
            event: event.event,
            actor: event.actor,
            target: event.target,
            result: event.result,
            ip: event.ip,
            user_agent: event.user_agent,
            request_id: event.request_id,
            data: event.data,
            sequence: link.as_ref().map(|link| link.sequence),
            mac: link.as_ref().map(|link| link.mac.clone()),
            prev: link.as_ref().map(|link| link.prev.clone()),
            is_erased: link.is_some_and(|link| link.erased.is_some()),
            at: event.at,
            created_at: stored.created_at,
        }
    }
}

/// A signed statement of where the log had come to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckpointView {
    /// `checkpoint_…`.
    pub id: String,
    /// The same as `id`.
    pub uid: String,
    /// The tenant.
    pub tenant_id: String,
    /// The statement: a JWS of `log`, `sequence`, `mac` and `iat` under a key of the tenant's key set.
    pub checkpoint: String,
    /// The number of the event.
    pub sequence: u64,
    /// Its digest.
    pub mac: String,
    /// The key it was signed with.
    pub kid: Option<String>,
    /// When it was signed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl CheckpointView {
    /// A checkpoint of a tenant.
    pub fn of(tenant_id: &str, made: &Checkpoint) -> Self {
        Self {
            id: made.id.clone(),
            uid: made.id.clone(),
            tenant_id: tenant_id.to_owned(),
            checkpoint: made.token.clone(),
            sequence: made.sequence,
            mac: made.mac.clone(),
            kid: made.key.kid().map(str::to_owned),
            created_at: made.at,
        }
    }
}
