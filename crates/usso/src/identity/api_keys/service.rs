//! Making, changing, ending and checking API keys.

use super::error::ApiKeyError;
use super::model::{ApiKey, ApiKeyUsage, Bearer, agent_tag};
use super::secret;
use crate::access_control::delegation::may_grant;
use crate::identity::agents::model::Agent;
use crate::identity::users::model::User;
use crate::identity::{Identity, stale_api_key};
use crate::tenant::audit::Event;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{
    AgentId, Change, KeyId, Query, Record, Scope, StorageError, Stored, TagMatch, Timestamp, UserId,
};
use protocol::{b64url, scope};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// How many keys a user may have, those made for agents included.
pub const MAX_KEYS: u64 = 100;

/// How many scopes a key may have.
pub const MAX_SCOPES: usize = 200;

/// How many keys may descend from each other.
const MAX_DESCENT: usize = 4;

/// How often a deletion is retried after losing against a change.
const DELETE_ATTEMPTS: u32 = 16;

/// Who grants: what they hold, and the key they use, if it is one.
#[derive(Debug, Clone, Copy)]
pub struct Granter<'a> {
    /// What they hold now.
    pub scopes: &'a [String],
    /// The key they present.
    pub key: Option<&'a ApiKey>,
    /// As the author of an event.
    pub actor: &'a Actor,
    /// Where they are.
    pub client: &'a ClientInfo,
}

impl Granter<'_> {
    fn check_scopes(&self, scopes: &[String]) -> Result<(), ApiKeyError> {
        if scopes.len() > MAX_SCOPES {
            return Err(ApiKeyError::Invalid(format!("scopes: at most {MAX_SCOPES}").into()));
        }
        Ok(may_grant(self.scopes, scopes)?)
    }

    fn check_end(&self, now: Timestamp, end: Option<Timestamp>) -> Result<(), ApiKeyError> {
        if end.is_some_and(|end| end <= now) {
            return Err(ApiKeyError::Invalid("expires_at: lies in the past".into()));
        }
        let own = self.key.and_then(|key| key.expires_at);
        match own {
            Some(own) if end.is_none_or(|end| end > own) => Err(ApiKeyError::Outlives),
            _ => Ok(()),
        }
    }
}

/// A key to make.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    /// What to call it.
    pub name: Option<String>,
    /// What it may; all the granter may by default.
    pub scopes: Option<Vec<String>>,
    /// The workspace it acts in.
    pub workspace_id: Option<String>,
    /// When it ends; with the granter's key by default.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key for a user or an agent, which may no more than either of them and the granter; answers its secret, too, which nobody can be told again.
///
/// # Errors
/// [`ApiKeyError::Scopes`] for scopes the granter doesn't hold; values that can't be; too many keys.
pub async fn create(
    identity: &Identity,
    tenant: &TenantScope,
    bearer: Bearer<'_>,
    new: NewApiKey,
    granter: Granter<'_>,
) -> Result<(Stored<ApiKey>, SecretString), ApiKeyError> {
    let now = tenant.now();
    let scopes = match (&new.scopes, bearer) {
        (Some(scopes), _) => scopes.clone(),
        (None, Bearer::User(_)) => granter.scopes.to_vec(),
        (None, Bearer::Agent(agent, _)) => agent.scopes.clone(),
    };
    if scopes.len() > MAX_SCOPES {
        return Err(ApiKeyError::Invalid(format!("scopes: at most {MAX_SCOPES}; say which").into()));
    }
    if new.scopes.is_some() || matches!(bearer, Bearer::Agent(..)) {
        granter.check_scopes(&scopes)?;
    }
    if let Bearer::Agent(agent, _) = bearer {
        may_grant(&agent.scopes, &scopes)?;
    }
    let expires_at = new.expires_at.or(granter.key.and_then(|key| key.expires_at));
    granter.check_end(now, expires_at)?;
    if new.workspace_id.as_ref().is_some_and(|id| !bearer.belongs_to(id)) {
        return Err(ApiKeyError::Invalid("workspace_id: not a workspace of whom the key is for".into()));
    }
    if let Some(parent) = granter.key {
        let ancestors = lineage(identity, tenant, parent).await?.ok_or(ApiKeyError::Refused)?;
        if ancestors.len() + 1 >= MAX_DESCENT {
            return Err(ApiKeyError::Invalid("This API key descends from too many others".into()));
        }
    }
    check_count(tenant, bearer.user_id()).await?;
    let secret = secret::make(tenant.token::<32>());
    let digest = secret::digest(secret.expose_secret()).ok_or(ApiKeyError::Refused)?;
    let key = ApiKey {
        id: KeyId::generate(now, tenant.random()),
        user_id: bearer.user_id().clone(),
        agent_id: match bearer {
            Bearer::User(_) => None,
            Bearer::Agent(agent, _) => Some(agent.id.clone()),
        },
        workspace_id: new.workspace_id,
        name: new.name,
        scopes,
        secret_hash: b64url::encode(digest),
        pattern: secret::pattern(&secret),
        is_active: true,
        expires_at,
        parent: granter.key.map(|key| key.id.clone()),
    };
    let event = Event::new("api_key.created", granter.actor.clone(), key.id.as_str(), granter.client)
        .with("user_id", key.user_id.as_str())
        .with("agent_id", key.agent_id.as_ref().map(AgentId::as_str))
        .with("scopes", key.scopes.clone())
        .effect(tenant);
    Ok((tenant.records::<ApiKey>().insert(key, vec![event]).await?, secret))
}

async fn check_count(tenant: &TenantScope, user: &UserId) -> Result<(), ApiKeyError> {
    let own =
        Query { limit: 1, ..Query::all(ApiKey::KIND) }.with_all(vec![TagMatch::Is(format!("user:{user}"))]);
    let page = tenant.records::<ApiKey>().page(own).await?;
    if page.total >= MAX_KEYS { Err(ApiKeyError::TooMany) } else { Ok(()) }
}

/// A key by its id.
///
/// # Errors
/// [`ApiKeyError::NotFound`].
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<ApiKey>, ApiKeyError> {
    let id = KeyId::parse(id).map_err(|_| ApiKeyError::NotFound)?;
    tenant.records::<ApiKey>().get(id.as_str()).await?.ok_or(ApiKeyError::NotFound)
}

/// A change of a key; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// What to call it.
    pub name: Option<Option<String>>,
    /// What it may.
    pub scopes: Option<Vec<String>>,
    /// Whether it may be used.
    pub is_active: Option<bool>,
    /// When it ends.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Changes a key.
///
/// # Errors
/// [`ApiKeyError::Scopes`], values that can't be, [`ApiKeyError::NotFound`], and whatever `check` says of the key found.
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    id: &KeyId,
    edit: Edit,
    (granter, check): (Granter<'_>, impl Fn(&Stored<ApiKey>) -> Result<(), ApiKeyError>),
) -> Result<Stored<ApiKey>, ApiKeyError> {
    if let Some(scopes) = &edit.scopes {
        granter.check_scopes(scopes)?;
    }
    if let Some(end) = edit.expires_at {
        granter.check_end(tenant.now(), end)?;
    }
    let event = Event::new("api_key.updated", granter.actor.clone(), id.as_str(), granter.client);
    let event = described(event, &edit).effect(tenant);
    let stale = stale_api_key(tenant, id).effect(tenant);
    let updated = tenant
        .records::<ApiKey>()
        .update::<ApiKeyError>(id.as_str(), |old| {
            check(old)?;
            let next = edited(&old.record, &edit);
            if next == old.record {
                return Ok(Change::Keep);
            }
            Ok(Change::Put(next, vec![event.clone(), stale.clone()]))
        })
        .await;
    identity.forget_api_key(tenant, id);
    updated?.ok_or(ApiKeyError::NotFound)
}

fn edited(old: &ApiKey, edit: &Edit) -> ApiKey {
    ApiKey {
        name: edit.name.clone().unwrap_or_else(|| old.name.clone()),
        scopes: edit.scopes.clone().unwrap_or_else(|| old.scopes.clone()),
        is_active: edit.is_active.unwrap_or(old.is_active),
        expires_at: edit.expires_at.unwrap_or(old.expires_at),
        ..old.clone()
    }
}

fn described<'a>(mut event: Event<'a>, edit: &Edit) -> Event<'a> {
    if let Some(scopes) = &edit.scopes {
        event = event.with("scopes", scopes.clone());
    }
    if let Some(is_active) = edit.is_active {
        event = event.with("is_active", is_active);
    }
    if let Some(end) = edit.expires_at {
        event = event.with("expires_at", end.map(Timestamp::to_rfc3339));
    }
    event
}

/// Ends a key for good.
///
/// # Errors
/// [`ApiKeyError::NotFound`], and whatever `check` says of the key found.
pub async fn delete(
    identity: &Identity,
    tenant: &TenantScope,
    id: &KeyId,
    (actor, client): (&Actor, &ClientInfo),
    check: impl Fn(&Stored<ApiKey>) -> Result<(), ApiKeyError>,
) -> Result<Stored<ApiKey>, ApiKeyError> {
    let records = tenant.records::<ApiKey>();
    for _ in 0..DELETE_ATTEMPTS {
        let key = get(tenant, id.as_str()).await?;
        check(&key)?;
        let event = Event::new("api_key.revoked", actor.clone(), id.as_str(), client)
            .with("user_id", key.user_id.as_str())
            .effect(tenant);
        let deleted = records.delete(&key, vec![event, stale_api_key(tenant, id).effect(tenant)]).await;
        identity.forget_api_key(tenant, id);
        match deleted {
            Ok(()) => {
                forget_usage(tenant, id).await?;
                return Ok(key);
            }
            Err(StorageError::Conflict) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(StorageError::Contended.into())
}

/// For whom a key acts.
#[derive(Debug, Clone)]
pub enum Owner {
    /// A user.
    User(Arc<Stored<User>>),
    /// An agent.
    Agent(Arc<Stored<Agent>>),
}

/// Whoever presented a key that may be used.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The key.
    pub key: Arc<Stored<ApiKey>>,
    /// For whom it acts.
    pub owner: Owner,
    /// What it may now.
    pub scopes: Vec<String>,
    /// The workspace it acts in, while its user belongs to it.
    pub workspace: Option<String>,
}

/// Checks a secret and counts its use. Unknown, wrong, revoked and expired keys and those of disabled users are refused
/// alike; only who holds the true secret gets as far as those checks differ.
///
/// # Errors
/// [`ApiKeyError::Refused`].
pub async fn authenticate(
    identity: &Identity,
    tenant: &TenantScope,
    secret: &str,
) -> Result<Holder, ApiKeyError> {
    let digest = secret::digest(secret).ok_or(ApiKeyError::Refused)?;
    let now = tenant.now();
    let memory_counts = identity.freshness().holds(|| now);
    let found = identity.api_keys().find(tenant, &digest, memory_counts).await?;
    let key = found.filter(|key| key.has_digest(&digest) && key.is_live(now)).ok_or(ApiKeyError::Refused)?;
    let (owner, held, workspace) = owner(identity, tenant, &key).await?.ok_or(ApiKeyError::Refused)?;
    let ancestors = lineage(identity, tenant, &key).await?.ok_or(ApiKeyError::Refused)?;
    let scopes = ancestors
        .iter()
        .fold(narrowed(&key.scopes, &held), |scopes, ancestor| narrowed(&scopes, &ancestor.scopes));
    identity.api_keys().count(tenant.id(), &key.id, now);
    Ok(Holder { key, owner, scopes, workspace })
}

/// For whom a key acts, if they may, and what they hold.
async fn owner(
    identity: &Identity,
    tenant: &TenantScope,
    key: &ApiKey,
) -> Result<Option<(Owner, Vec<String>, Option<String>)>, StorageError> {
    if let Some(id) = &key.agent_id {
        let agent = identity.agent(tenant, id).await?.filter(|agent| agent.is_active);
        if let Some(agent) = &agent
            && !identity.has_maker(tenant, agent).await?
        {
            return Ok(None);
        }
        return Ok(agent.map(|a| (Owner::Agent(a.clone()), a.scopes.clone(), a.workspace_id.clone())));
    }
    let Some(user) = identity.user(tenant, &key.user_id).await?.filter(|user| user.may_sign_in()) else {
        return Ok(None);
    };
    let held = identity.effective(tenant, &user, key.workspace_id.as_deref()).await?;
    Ok(Some((Owner::User(user), held.scopes, held.workspace)))
}

/// Ends all keys of an agent that is gone. They are worth nothing already.
///
/// # Errors
/// When the database is away.
pub async fn end_keys_of(
    identity: &Identity,
    tenant: &TenantScope,
    agent: &AgentId,
    (actor, client): (&Actor, &ClientInfo),
) -> Result<(), ApiKeyError> {
    let own = Query::all(ApiKey::KIND).with_all(vec![TagMatch::Is(agent_tag(agent))]);
    loop {
        let page = tenant.records::<ApiKey>().page(own.clone()).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for key in page.items {
            match delete(identity, tenant, &key.id, (actor, client), |_| Ok(())).await {
                Ok(_) | Err(ApiKeyError::NotFound) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn narrowed(scopes: &[String], to: &[String]) -> Vec<String> {
    scope::common(scopes, to).into_iter().map(str::to_owned).collect()
}

/// The keys that a key descends from, nearest first; none when one of them may not be used any more.
async fn lineage(
    identity: &Identity,
    tenant: &TenantScope,
    key: &ApiKey,
) -> Result<Option<Vec<Arc<Stored<ApiKey>>>>, StorageError> {
    let now = tenant.now();
    let memory_counts = identity.freshness().holds(|| now);
    let (mut ancestors, mut next) = (Vec::new(), key.parent.clone());
    while let Some(id) = next {
        let parent = identity.api_keys().get(tenant, &id, memory_counts).await?;
        let Some(parent) = parent.filter(|p| p.is_live(now) && p.user_id == key.user_id) else {
            return Ok(None);
        };
        next = parent.parent.clone();
        ancestors.push(parent);
    }
    Ok(Some(ancestors))
}

/// How a key was used, as far as that was written.
///
/// # Errors
/// When the database is away.
pub async fn usage(tenant: &TenantScope, id: &KeyId) -> Result<Option<ApiKeyUsage>, StorageError> {
    Ok(tenant.records::<ApiKeyUsage>().get(id.as_str()).await?.map(|usage| usage.record))
}

async fn forget_usage(tenant: &Scope, id: &KeyId) -> Result<(), StorageError> {
    let records = tenant.records::<ApiKeyUsage>();
    let Some(left) = records.get(id.as_str()).await? else { return Ok(()) };
    match records.delete(&left, Vec::new()).await {
        // It was counted on meanwhile; who did finds the key gone the next time.
        Err(StorageError::Conflict) => Ok(()),
        deleted => deleted,
    }
}

/// Adds to what was written of a key's use. A key that is gone leaves nothing behind.
///
/// # Errors
/// When the database is away.
pub async fn write_usage(tenant: &Scope, counted: &ApiKeyUsage) -> Result<(), StorageError> {
    let records = tenant.records::<ApiKeyUsage>();
    let id = counted.id.as_str();
    if tenant.records::<ApiKey>().get(id).await?.is_none() {
        return forget_usage(tenant, &counted.id).await;
    }
    let add = |old: &Stored<ApiKeyUsage>| Ok(Change::Put(old.plus(counted), Vec::new()));
    if records.update::<StorageError>(id, add).await?.is_some() {
        return Ok(());
    }
    match records.insert(counted.clone(), Vec::new()).await {
        // Another instance was first.
        Err(StorageError::Exists) => records.update::<StorageError>(id, add).await.map(drop),
        written => written.map(drop),
    }
}
