//! Making registration keys, and using them.

use super::schema::{CreateRegistrationKey, RegisterAgent};
use crate::identity::Identity;
use crate::identity::agents::model::{Agent, kid_key};
use crate::identity::agents::schema::CreateAgent;
use crate::identity::agents::service::{self, AgentError, Granter, check_scopes};
use crate::tenant::audit::Event;
use crate::tenant::one_time::OneTime;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{AgentId, Problem, ProblemKind, StorageError, Stored, Timestamp, UserId};
use protocol::jose::pem::Ed25519Public;
use protocol::{b64url, scope};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What every registration key begins with.
const PREFIX: &str = "usso_rk_";

/// Seconds a key lives unless asked otherwise.
const LIFETIME: i64 = 86_400;

const SHORTEST: i64 = 60;
const LONGEST: i64 = 30 * 86_400;
const MAX_NAME: usize = 200;

/// Why a service can't register itself.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Not a key of this tenant, or used, or expired, or whoever made it may not sign in any more.
    #[error("no such registration key")]
    Gone,
    /// The agent can't be made.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The database refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Problem for RegistrationError {
    fn kind(&self) -> ProblemKind {
        match self {
            Self::Gone => ProblemKind::Gone,
            Self::Agent(e) => e.kind(),
            Self::Storage(e) => crate::tenant::tenants::service::storage_kind(e),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Gone => "GONE",
            Self::Agent(e) => e.code(),
            Self::Storage(_) => "SERVICE_UNAVAILABLE",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::Gone => "This registration key is unknown, used up or expired".into(),
            Self::Agent(e) => e.detail(),
            Self::Storage(_) => "The service is temporarily unavailable".into(),
        }
    }
}

/// Who makes a registration key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Maker {
    /// To whom the agent will belong.
    pub user_id: UserId,
    /// The agent that made it, if it was one: its scopes count then, not the user's.
    pub agent_id: Option<AgentId>,
    /// The workspace they were in.
    pub workspace_id: Option<String>,
}

/// What a registration key stands for.
#[derive(Serialize, Deserialize)]
struct Grant {
    maker: Maker,
    scopes: Vec<String>,
}

fn id_of(secret: &str) -> String {
    OneTime::id_for("agent_registration", &[secret])
}

/// A key that was just made.
pub struct Made {
    /// The key, which can't be told again.
    pub secret: SecretString,
    /// What it is called.
    pub name: Option<String>,
    /// What the agent may at most.
    pub scopes: Vec<String>,
    /// Its record.
    pub record: Stored<OneTime>,
}

/// Makes a registration key.
///
/// # Errors
/// Scopes the granter doesn't hold, values out of bounds.
pub async fn create(
    tenant: &TenantScope,
    maker: Maker,
    new: CreateRegistrationKey,
    granter: Granter<'_>,
) -> Result<Made, AgentError> {
    let lifetime = new.expires_in.unwrap_or(LIFETIME);
    if !(SHORTEST..=LONGEST).contains(&lifetime) {
        let rule = format!("expires_in: a whole number of seconds from {SHORTEST} to {LONGEST}");
        return Err(AgentError::Invalid(rule.into()));
    }
    if new.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
        return Err(AgentError::Invalid(format!("name: at most {MAX_NAME} characters").into()));
    }
    let scopes = new.scopes.unwrap_or_else(|| granter.scopes.to_vec());
    check_scopes(granter.scopes, &scopes)?;
    let secret = SecretString::from(format!("{PREFIX}{}", b64url::encode(tenant.token::<32>())));
    let event = Event::new(
        "agent.registration_key_created",
        granter.actor.clone(),
        maker.user_id.as_str(),
        granter.client,
    )
    .with("name", new.name.clone())
    .with("scopes", scopes.clone())
    .effect(tenant);
    let grant = Grant { maker, scopes: scopes.clone() };
    let record = OneTime {
        id: id_of(secret.expose_secret()),
        data: serde_json::to_value(grant).unwrap_or_default(),
        expires_at: tenant.now().plus_seconds(lifetime),
    };
    let record = tenant.records::<OneTime>().insert(record, vec![event]).await?;
    Ok(Made { secret, name: new.name, scopes, record })
}

/// When a key ends.
pub fn end_of(made: &Made) -> Timestamp {
    made.record.expires_at
}

/// Registers a service as an agent and uses the key up. What can be refused is refused before, so that a mistyped public
/// key costs no registration key.
///
/// # Errors
/// [`RegistrationError::Gone`]; values out of bounds, a public key that another agent has.
pub async fn register(
    identity: &Identity,
    tenant: &TenantScope,
    request: RegisterAgent,
    client: &ClientInfo,
) -> Result<Stored<Agent>, RegistrationError> {
    let keys = tenant.records::<OneTime>();
    let key = keys.get(&id_of(request.registration_key.expose_secret())).await?;
    let key = key.ok_or(RegistrationError::Gone)?;
    let grant: Grant = serde_json::from_value(key.data.clone()).map_err(|_| RegistrationError::Gone)?;
    let held = held(identity, tenant, &grant.maker).await?.ok_or(RegistrationError::Gone)?;
    let allowed = common(&grant.scopes, &held);
    let new = CreateAgent {
        scopes: request.scopes.map_or_else(|| allowed.clone(), |wanted| common(&wanted, &allowed)),
        name: request.name,
        description: request.description,
        workspace_id: None,
        alg: request.alg,
        verify_key: Some(request.verify_key),
    };
    let actor = Actor::Anonymous;
    let granter = Granter { scopes: &allowed, actor: &actor, client };
    service::check(&new, granter)?;
    if let Some(pem) = &new.verify_key
        && let Ok(public) = Ed25519Public::from_pem(pem)
        && tenant.records::<Agent>().find(&kid_key(&public.fingerprint())).await?.is_some()
    {
        return Err(AgentError::KeyTaken.into());
    }
    // The gate: of two who come at once, one deletes this revision.
    match keys.delete(&key, Vec::new()).await {
        Ok(()) => {}
        Err(StorageError::Conflict) => return Err(RegistrationError::Gone),
        Err(e) => return Err(e.into()),
    }
    Ok(service::create(tenant, &grant.maker.user_id, new, granter).await?.0)
}

fn common(scopes: &[String], of: &[String]) -> Vec<String> {
    scope::common(scopes, of).into_iter().map(str::to_owned).collect()
}

/// What whoever made a key holds now; none when they may not sign in any more.
async fn held(
    identity: &Identity,
    tenant: &TenantScope,
    maker: &Maker,
) -> Result<Option<Vec<String>>, StorageError> {
    if let Some(id) = &maker.agent_id {
        let agent = identity.agent_from_store(tenant, id).await?.filter(|agent| agent.is_active);
        return Ok(agent.map(|agent| agent.scopes.clone()));
    }
    let user = identity.user_from_store(tenant, &maker.user_id).await?;
    let Some(user) = user.filter(|user| user.may_sign_in()) else { return Ok(None) };
    Ok(Some(identity.effective(tenant, &user, maker.workspace_id.as_deref()).await?.scopes))
}
