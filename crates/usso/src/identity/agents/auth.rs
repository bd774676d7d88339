//! Signing in as an agent: a short JWT, signed with the agent's own key, for a pair of tokens (contract 9.1).
//!
//! What a published client writes differs: `alg` in any case, with or without `kid`, with or without `iss`. What counts
//! is the same for all: the key registered for the one agent that `kid` and `iss` name, times, and that no token is
//! exchanged twice.

use super::model::{Agent, kid_key};
use super::service::check_scopes;
use crate::access_control::delegation::DelegationError;
use crate::identity::Identity;
use crate::identity::agents::service::AgentError;
use crate::identity::sessions::model::{Presented, Session};
use crate::identity::sessions::service::{SessionError, session_id};
use crate::identity::tokens::{self, TokenPair};
use crate::tenant::audit::Event;
use crate::tenant::keys::keyring::KeyRingError;
use crate::tenant::one_time::OneTime;
use crate::tenant::verify::{Claims, TokenError, TokenType};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{AgentId, Problem, ProblemKind, SessionId, StorageError, Stored, Timestamp};
use protocol::jose::pem::Ed25519Public;
use protocol::jose::{Algorithm, Jwk, Untrusted, VerifyingKey};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Seconds an agent's JWT may live.
const MAX_AGE: i64 = 300;

/// Seconds clocks may differ.
const SKEW: i64 = 60;

/// Most bytes of a `jti` or `aud`.
const MAX_TEXT: usize = 255;

/// Why an agent can't sign in.
#[derive(Debug, thiserror::Error)]
pub enum AgentAuthError {
    /// Not signed by an agent of this tenant that may sign in, or outdated, or used before. Which is not told.
    #[error("invalid agent token")]
    Refused,
    /// Scopes the agent doesn't hold.
    #[error(transparent)]
    Scopes(#[from] DelegationError),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] KeyRingError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for AgentAuthError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Refused => ProblemKind::Unauthenticated,
            Self::Scopes(e) => e.kind(),
            Self::Sign(_) => ProblemKind::Internal,
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused => "AGENT_INVALID",
            Self::Scopes(e) => e.code(),
            Self::Sign(_) => "INTERNAL_ERROR",
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Refused => "Invalid agent token".into(),
            Self::Scopes(e) => e.detail(),
            Self::Sign(_) => "Internal error".into(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// What an agent writes into its JWT.
#[derive(Deserialize)]
struct Assertion {
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<String>,
    #[serde(default)]
    tenant_id: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    jti: Option<String>,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
}

/// An agent that has shown its key, and what it asks for.
pub struct Proven {
    /// Who.
    pub agent: Stored<Agent>,
    assertion: Assertion,
}

/// Checks an agent's JWT, but not whether it was used before.
///
/// # Errors
/// [`AgentAuthError::Refused`].
pub async fn prove(tenant: &TenantScope, token: &str) -> Result<Proven, AgentAuthError> {
    let untrusted = Untrusted::parse_any_case(token).map_err(|_| AgentAuthError::Refused)?;
    if untrusted.header().algorithm != Algorithm::EdDsa {
        return Err(AgentAuthError::Refused);
    }
    let agent = signer(tenant, &untrusted).await?;
    let public = Ed25519Public::from_pem(&agent.verify_key).map_err(|_| AgentAuthError::Refused)?;
    let key =
        Jwk::new(&agent.kid, Algorithm::EdDsa, public.key()).and_then(|jwk| VerifyingKey::from_jwk(&jwk));
    let verified = key.and_then(|key| untrusted.verify(&key)).map_err(|_| AgentAuthError::Refused)?;
    let assertion: Assertion = verified.claims().map_err(|_| AgentAuthError::Refused)?;
    if agent.is_active && is_acceptable(&assertion, tenant) {
        Ok(Proven { agent, assertion })
    } else {
        Err(AgentAuthError::Refused)
    }
}

/// The one agent that the key and the issuer named by a token belong to.
async fn signer(tenant: &TenantScope, untrusted: &Untrusted<'_>) -> Result<Stored<Agent>, AgentAuthError> {
    let claimed: Assertion = untrusted.unverified_claims().map_err(|_| AgentAuthError::Refused)?;
    let agents = tenant.records::<Agent>();
    let found = match (untrusted.header().kid.as_deref(), claimed.iss.as_deref()) {
        (Some(kid), _) => agents.find(&kid_key(kid)).await?,
        (None, Some(id)) => match AgentId::parse(id) {
            Ok(id) => agents.get(id.as_str()).await?,
            Err(_) => None,
        },
        (None, None) => None,
    };
    let is_named = |agent: &Stored<Agent>| claimed.iss.as_deref().is_none_or(|iss| iss == agent.id.as_str());
    found.filter(is_named).ok_or(AgentAuthError::Refused)
}

fn is_acceptable(assertion: &Assertion, tenant: &TenantScope) -> bool {
    let now = tenant.now().unix_seconds();
    let not_ahead = |at: Option<i64>| at.is_none_or(|at| at <= now.saturating_add(SKEW));
    let is_short = |text: Option<&String>| text.is_none_or(|t| (1..=MAX_TEXT).contains(&t.len()));
    assertion.exp > now
        && assertion.exp <= now.saturating_add(MAX_AGE + SKEW)
        && not_ahead(assertion.nbf)
        && not_ahead(assertion.iat)
        && assertion.tenant_id.as_deref().is_none_or(|id| id == tenant.id().as_str())
        && is_short(assertion.aud.as_ref())
        && is_short(assertion.jti.as_ref())
}

/// An agent that has signed in.
pub struct SignedIn {
    /// Who.
    pub agent: Stored<Agent>,
    /// Its tokens.
    pub tokens: TokenPair,
}

/// How an agent's JWT is read where others set the rules.
#[derive(Debug, Clone, Default)]
pub struct Terms<'a> {
    /// The names of this server, if `aud` must be one of them; then it says nothing about the access token.
    pub audiences: Option<&'a [String]>,
    /// For whom the access token is, then.
    pub resource: Option<String>,
    /// What is asked for beside the JWT; no more than that says.
    pub scopes: Option<Vec<String>>,
}

impl Terms<'_> {
    /// The audience of the access token. None: the JWT is for somebody else.
    fn audience(&self, assertion: &Assertion) -> Option<Option<String>> {
        match (self.audiences, &assertion.aud) {
            (None, aud) => Some(aud.clone()),
            (Some(own), Some(aud)) if own.contains(aud) => Some(self.resource.clone()),
            (Some(_), _) => None,
        }
    }

    /// What the access token is to have. None: more than the JWT says.
    fn scopes(&self, assertion: &Assertion) -> Option<Option<Vec<String>>> {
        let signed = assertion.scopes.clone().filter(|scopes| !scopes.is_empty());
        match (&self.scopes, signed) {
            (None, signed) => Some(signed),
            (Some(asked), None) => Some(Some(asked.clone())),
            (Some(asked), Some(signed)) => check_scopes(&signed, asked).is_ok().then(|| Some(asked.clone())),
        }
    }
}

/// Exchanges an agent's JWT for tokens, once.
///
/// # Errors
/// [`AgentAuthError::Refused`]; [`AgentAuthError::Scopes`] for scopes the agent doesn't hold.
pub async fn exchange(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    token: &str,
    client: &ClientInfo,
) -> Result<SignedIn, AgentAuthError> {
    exchange_on(identity, tenant, issuer, (token, &Terms::default()), client).await
}

/// As [`exchange`], on other terms.
///
/// # Errors
/// As [`exchange`].
pub async fn exchange_on(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    (token, terms): (&str, &Terms<'_>),
    client: &ClientInfo,
) -> Result<SignedIn, AgentAuthError> {
    let Proven { agent, assertion } = prove(tenant, token).await?;
    let aud = terms.audience(&assertion).ok_or(AgentAuthError::Refused)?;
    if !identity.has_maker(tenant, &agent).await? {
        return Err(AgentAuthError::Refused);
    }
    let scopes = terms.scopes(&assertion).ok_or(AgentAuthError::Refused)?;
    if let Some(scopes) = &scopes {
        check_scopes(&agent.scopes, scopes).map_err(|error| match error {
            AgentError::Scopes(error) => AgentAuthError::Scopes(error),
            _ => AgentAuthError::Refused,
        })?;
    }
    let jti = assertion.jti.ok_or(AgentAuthError::Refused)?;
    use_up(tenant, &agent.id, &jti, assertion.exp).await?;
    let session = session(tenant, &agent, (scopes, aud), client);
    let tokens = tokens::mint_for_agent(tenant, issuer, &session, &agent)?;
    let event =
        Event::new("session.opened", Actor::Agent(agent.id.as_str().to_owned()), session.id.as_str(), client)
            .with("session_type", session.session_type.as_str())
            .with("agent_id", agent.id.as_str())
            .effect(tenant);
    tenant.records::<Session>().insert(session, vec![event]).await?;
    identity.agents_used().note(tenant.id(), &agent.id, tenant.now());
    Ok(SignedIn { agent, tokens })
}

/// Remembers a `jti` for as long as its token would be accepted. The record is durable: neither a restart nor another
/// instance accepts the token again.
async fn use_up(tenant: &TenantScope, agent: &AgentId, jti: &str, exp: i64) -> Result<(), AgentAuthError> {
    let used = OneTime {
        id: OneTime::id_for("agent_jti", &[agent.as_str(), jti]),
        data: serde_json::Value::Null,
        expires_at: Timestamp::from_unix_seconds(exp).plus_seconds(SKEW),
    };
    match tenant.records::<OneTime>().insert(used, Vec::new()).await {
        Ok(_) => Ok(()),
        Err(StorageError::Exists) => Err(AgentAuthError::Refused),
        Err(e) => Err(e.into()),
    }
}

fn session(
    tenant: &TenantScope,
    agent: &Agent,
    (scopes, aud): (Option<Vec<String>>, Option<String>),
    client: &ClientInfo,
) -> Session {
    let (now, profile) = (tenant.now(), tenant.profile());
    Session {
        id: SessionId::generate(now, tenant.random()),
        user_id: agent.user_id.clone(),
        agent_id: Some(agent.id.clone()),
        scopes,
        workspace_id: agent.workspace_id.clone(),
        generation: 0,
        // The agent can sign in again at any time: nothing is gained by chasing its refresh tokens.
        is_rotating: false,
        used_at: now,
        authenticated_at: now,
        expires_at: now.plus_seconds(profile.settings.refresh_timeout),
        revoked_at: None,
        user_epoch: agent.session_epoch,
        tenant_epoch: profile.tenant.session_epoch,
        amr: vec!["agent".to_owned()],
        acr: "usso:acr:1".to_owned(),
        aud: aud.or_else(|| profile.settings.audience.clone()),
        user_agent: client.user_agent.clone(),
        ip: client.ip.to_string(),
        session_type: "service_account".to_owned(),
        actor: None,
        grant: None,
        claims: serde_json::Map::new(),
        meta_data: serde_json::Map::new(),
    }
}

/// Whether a token is an agent's.
pub fn is_of_agent(claims: &Claims) -> bool {
    claims.sub.starts_with(AgentId::PREFIX)
}

/// The live session and agent of a verified token.
///
/// # Errors
/// [`TokenError::Revoked`] when either has ended.
pub async fn live(
    identity: &Identity,
    tenant: &TenantScope,
    claims: &Claims,
) -> Result<(Arc<Stored<Session>>, Arc<Stored<Agent>>), SessionError> {
    let id = session_id(claims)?;
    let session = identity.session(tenant, &id).await?.ok_or(TokenError::Revoked)?;
    let agent_id =
        session.agent_id.as_ref().filter(|id| id.as_str() == claims.sub).ok_or(TokenError::Invalid)?;
    let agent = identity.agent(tenant, agent_id).await?.ok_or(TokenError::Revoked)?;
    if !identity.has_maker(tenant, &agent).await? {
        return Err(TokenError::Revoked.into());
    }
    if is_live(tenant, &session, &agent) {
        identity.agents_used().note(tenant.id(), &agent.id, tenant.now());
        return Ok((session, agent));
    }
    // Another instance may have switched the agent on again and signed it in; an end is an end.
    let agent = identity.agent_from_store(tenant, agent_id).await?.ok_or(TokenError::Revoked)?;
    if is_live(tenant, &session, &agent) { Ok((session, agent)) } else { Err(TokenError::Revoked.into()) }
}

/// Whether a session of this agent lives.
pub fn is_live(tenant: &TenantScope, session: &Session, agent: &Agent) -> bool {
    let tenant_epoch = tenant.profile().tenant.session_epoch;
    agent.is_active && session.is_live(agent.session_epoch, tenant_epoch, None, tenant.now())
}

/// New tokens for an agent's refresh token, verified. Nothing is written.
///
/// # Errors
/// [`TokenError`] when its session or agent has ended.
pub async fn refresh(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    claims: &Claims,
) -> Result<TokenPair, SessionError> {
    let (TokenType::Refresh, Some(generation)) = (claims.token_type, claims.g) else {
        return Err(TokenError::WrongType.into());
    };
    let (session, agent) = live(identity, tenant, claims).await?;
    if session.present(generation, tenant.now()) != Presented::Repeat {
        return Err(TokenError::Invalid.into());
    }
    Ok(tokens::mint_for_agent(tenant, issuer, &session, &agent)?)
}
