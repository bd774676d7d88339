//! Making, changing and removing agents.

use super::model::Agent;
use super::schema::{CreateAgent, UpdateAgent};
use crate::access_control::delegation::{DelegationError, may_grant};
use crate::identity::{Identity, stale_agent};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{
    AgentId, Change, Effect, Problem, ProblemKind, Query, Record, StorageError, Stored, TagMatch, UserId,
};
use protocol::jose::pem::{Ed25519Public, private_pem};
use protocol::jose::{Algorithm, JoseError, SigningKey};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// How many agents a user may have made.
pub const MAX_AGENTS: u64 = 100;

/// How many scopes an agent may have.
pub const MAX_SCOPES: usize = 200;

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 2_000;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Why an agent can't be made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// There is no such agent here.
    #[error("no such agent")]
    NotFound,
    /// `If-Match` named another revision.
    #[error("the agent was changed meanwhile")]
    Stale,
    /// A value that can't be.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The user has made [`MAX_AGENTS`].
    #[error("too many agents")]
    TooMany,
    /// Another agent has the key.
    #[error("the key is taken")]
    KeyTaken,
    /// Scopes that can't be granted.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// A pair couldn't be made.
    #[error(transparent)]
    Key(#[from] JoseError),
    /// The database refused.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for AgentError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::KeyTaken { .. } => Self::KeyTaken,
            other => Self::Storage(other),
        }
    }
}

impl Problem for AgentError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound => ProblemKind::NotFound,
            Self::Stale => ProblemKind::PreconditionFailed,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::TooMany | Self::KeyTaken => ProblemKind::Conflict,
            Self::Scopes(e) => e.kind(),
            Self::Key(_) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Stale => "PRECONDITION_FAILED",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::TooMany | Self::KeyTaken => "CONFLICT",
            Self::Scopes(e) => e.code(),
            Self::Key(_) => "INTERNAL_ERROR",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "Not found".into(),
            Self::Stale => "The object was changed since it was read".into(),
            Self::Invalid(detail) => detail.clone(),
            Self::TooMany => format!("At most {MAX_AGENTS} agents per user").into(),
            Self::KeyTaken => "Another agent has this public key".into(),
            Self::Scopes(e) => e.detail(),
            Self::Key(_) => "Internal error".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// Who grants.
#[derive(Debug, Clone, Copy)]
pub struct Granter<'a> {
    /// What they hold now.
    pub scopes: &'a [String],
    /// As the author of an event.
    pub actor: &'a Actor,
    /// Where they are.
    pub client: &'a ClientInfo,
}

/// Checks scopes an agent is to have.
///
/// # Errors
/// Too many, or one that `held` doesn't cover.
pub fn check_scopes(held: &[String], scopes: &[String]) -> Result<(), AgentError> {
    if scopes.len() > MAX_SCOPES {
        return Err(AgentError::Invalid(format!("scopes: at most {MAX_SCOPES}").into()));
    }
    Ok(may_grant(held, scopes)?)
}

fn text(field: &'static str, value: &str, max: usize) -> Result<String, AgentError> {
    let value = value.trim();
    match value.chars().count() {
        0 => Err(AgentError::Invalid(format!("{field}: must not be empty").into())),
        n if n > max => Err(AgentError::Invalid(format!("{field}: at most {max} characters").into())),
        _ => Ok(value.to_owned()),
    }
}

fn description(value: Option<&str>) -> Result<Option<String>, AgentError> {
    let value = value.filter(|v| !v.trim().is_empty());
    value.map(|v| text("description", v, MAX_DESCRIPTION)).transpose()
}

fn public_key(pem: &str) -> Result<Ed25519Public, AgentError> {
    let rule = "verify_key: needs an Ed25519 public key, SPKI in PEM";
    Ed25519Public::from_pem(pem).map_err(|_| AgentError::Invalid(rule.into()))
}

/// The public key that was sent, or a new pair.
fn key_of(new: &CreateAgent) -> Result<(Ed25519Public, Option<Zeroizing<String>>), AgentError> {
    if let Some(pem) = &new.verify_key {
        return Ok((public_key(pem)?, None));
    }
    let pair = SigningKey::generate(Algorithm::EdDsa)?;
    Ok((Ed25519Public::of(&pair)?, Some(private_pem(&pair)?)))
}

/// Checks all of a new agent that can be checked without the database.
///
/// # Errors
/// Scopes the granter doesn't hold, values out of bounds.
pub fn check(new: &CreateAgent, granter: Granter<'_>) -> Result<(), AgentError> {
    check_scopes(granter.scopes, &new.scopes)?;
    text("name", &new.name, MAX_NAME)?;
    description(new.description.as_deref())?;
    if new.alg.as_ref().is_some_and(|name| name.parse() != Ok(Algorithm::EdDsa)) {
        return Err(AgentError::Invalid("alg: agents sign with EdDSA (Ed25519)".into()));
    }
    new.verify_key.as_deref().map(public_key).transpose().map(drop)
}

/// Makes an agent, and its pair of keys unless it brings a public one; the private half is told here and kept nowhere.
///
/// # Errors
/// Scopes the granter doesn't hold, values out of bounds, a key that another agent has.
pub async fn create(
    tenant: &TenantScope,
    maker: &UserId,
    new: CreateAgent,
    granter: Granter<'_>,
) -> Result<(Stored<Agent>, Option<Zeroizing<String>>), AgentError> {
    check(&new, granter)?;
    let name = text("name", &new.name, MAX_NAME)?;
    let (public, private) = key_of(&new)?;
    check_count(tenant, maker).await?;
    let agent = Agent {
        id: AgentId::generate(tenant.now(), tenant.random()),
        user_id: maker.clone(),
        name,
        description: description(new.description.as_deref())?,
        workspace_id: new.workspace_id,
        scopes: new.scopes,
        verify_key: public.to_pem(),
        kid: public.fingerprint(),
        is_active: true,
        session_epoch: 0,
    };
    let event = Event::new("agent.created", granter.actor.clone(), agent.id.as_str(), granter.client)
        .with("user_id", maker.as_str())
        .with("scopes", agent.scopes.clone())
        .with("kid", agent.kid.as_str())
        .effect(tenant);
    Ok((tenant.records::<Agent>().insert(agent, vec![event]).await?, private))
}

async fn check_count(tenant: &TenantScope, maker: &UserId) -> Result<(), AgentError> {
    let own =
        Query { limit: 1, ..Query::all(Agent::KIND) }.with_all(vec![TagMatch::Is(format!("user:{maker}"))]);
    let page = tenant.records::<Agent>().page(own).await?;
    if page.total >= MAX_AGENTS { Err(AgentError::TooMany) } else { Ok(()) }
}

/// An agent by its id.
///
/// # Errors
/// [`AgentError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Agent>, AgentError> {
    let id = AgentId::parse(id).map_err(|_| AgentError::NotFound)?;
    tenant.records::<Agent>().get(id.as_str()).await?.ok_or(AgentError::NotFound)
}

/// Changes an agent. Whoever gives it other scopes, another key or switches it on again must hold all it may then: a key
/// of one's own in somebody else's agent would be all that agent may.
///
/// # Errors
/// [`AgentError::Scopes`], values out of bounds, [`AgentError::NotFound`], and whatever `check` says of the agent found.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    id: &AgentId,
    change: UpdateAgent,
    (granter, check): (Granter<'_>, impl Fn(&Stored<Agent>) -> Result<(), AgentError>),
) -> Result<Stored<Agent>, AgentError> {
    let stale = stale_agent(tenant, id).effect(tenant);
    let updated = tenant
        .records::<Agent>()
        .update::<AgentError>(id.as_str(), |old| {
            check(old)?;
            let next = changed(old, &change)?;
            if next == old.record {
                return Ok(Change::Keep);
            }
            let gains = next.scopes != old.scopes
                || next.kid != old.kid
                || next.workspace_id != old.workspace_id
                || next.is_active && !old.is_active;
            if gains {
                check_scopes(granter.scopes, &next.scopes)?;
            }
            Ok(Change::Put(next.clone(), vec![updated_event(tenant, granter, old, &next), stale.clone()]))
        })
        .await;
    identity.forget_agent(tenant, id);
    updated?.ok_or(AgentError::NotFound)
}

fn changed(old: &Agent, change: &UpdateAgent) -> Result<Agent, AgentError> {
    let mut next = old.activated(change.is_active.unwrap_or(old.is_active));
    if let Some(name) = &change.name {
        next.name = text("name", name, MAX_NAME)?;
    }
    if let Some(text) = &change.description {
        next.description = description(text.as_deref())?;
    }
    if let Some(workspace) = &change.workspace_id {
        next.workspace_id.clone_from(workspace);
    }
    if let Some(scopes) = &change.scopes {
        next.scopes.clone_from(scopes);
    }
    match &change.verify_key {
        Some(pem) => {
            let public = public_key(pem)?;
            Ok(next.with_key(public.to_pem(), public.fingerprint()))
        }
        None => Ok(next),
    }
}

fn updated_event(tenant: &TenantScope, granter: Granter<'_>, old: &Agent, next: &Agent) -> Effect {
    let mut event = Event::new("agent.updated", granter.actor.clone(), next.id.as_str(), granter.client);
    if next.scopes != old.scopes {
        event = event.with("scopes", next.scopes.clone());
    }
    if next.is_active != old.is_active {
        event = event.with("is_active", next.is_active);
    }
    if next.kid != old.kid {
        event = event.with("kid", next.kid.as_str());
    }
    event.effect(tenant)
}

/// Removes an agent; its tokens and keys end with it.
///
/// # Errors
/// [`AgentError::NotFound`], and whatever `check` says of the agent found.
pub async fn delete(
    identity: &Identity,
    tenant: &TenantScope,
    id: &AgentId,
    (actor, client): (&Actor, &ClientInfo),
    check: impl Fn(&Stored<Agent>) -> Result<(), AgentError>,
) -> Result<Stored<Agent>, AgentError> {
    let records = tenant.records::<Agent>();
    for _ in 0..DELETE_ATTEMPTS {
        let agent = get(tenant, id.as_str()).await?;
        check(&agent)?;
        let event = Event::new("agent.deleted", actor.clone(), id.as_str(), client)
            .with("user_id", agent.user_id.as_str())
            .effect(tenant);
        let deleted = records.delete(&agent, vec![event, stale_agent(tenant, id).effect(tenant)]).await;
        identity.forget_agent(tenant, id);
        match deleted {
            Ok(()) => return Ok(agent),
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}
