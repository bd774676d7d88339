//! The identity layer: users, their credentials, sign-in, sessions and tokens.
//!
//! [`Identity`] is what its services share in one process: the hashing pool and the caches of live sessions and
//! users. A cache entry is invalidated by the service that changes the record, after the write and before the
//! answer, so a revocation holds from the next request on.

pub mod agents;
pub mod api_keys;
pub mod attempts;
pub mod captcha;
pub mod codes;
pub mod credentials;
pub mod devices;
pub mod hooks;
pub mod identifiers;
pub mod links;
pub mod onboarding;
pub mod passkeys;
pub mod picture;
pub mod qr;
pub mod recovery;
pub mod referrals;
pub mod sessions;
pub mod sign_in;
pub mod social;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod workspaces;

use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, narrowed};
use crate::access_control::roles::effective::{Effective, effective};
use crate::access_control::roles::memory::Roles;
use crate::tenant::TenantScope;
use crate::tenant::coherence::{Freshness, Stale};
use agents::model::Agent;
use kernel::cache::Cache;
use kernel::{AgentId, Internet, KeyId, SessionId, StorageError, Stored, TenantId, UserId};
use protocol::scope;
use sessions::model::Session;
use std::sync::Arc;
use users::model::User;

/// What acting in a user's name needs, as long as it lasts.
pub const IMPERSONATE: Permission = permission("impersonate_user");

/// How many live sessions, and how many users, are kept in memory.
const CACHED: usize = 50_000;

/// What the services of this layer share.
pub struct Identity {
    hasher: credentials::Hasher,
    users: Cache<(TenantId, UserId), Arc<Stored<User>>>,
    sessions: Cache<(TenantId, SessionId), Arc<Stored<Session>>>,
    agents: Cache<(TenantId, AgentId), Arc<Stored<Agent>>>,
    agents_used: agents::usage::Used,
    api_keys: api_keys::memory::ApiKeys,
    roles: Roles,
    workspaces: workspaces::memory::Workspaces,
    social: social::memory::Providers,
    hooks: hooks::Hooks,
    breached: Option<Arc<credentials::BreachedList>>,
    places: sessions::places::Places,
    freshness: Freshness,
}

impl Identity {
    /// The layer with its hashing pool and its way to others.
    pub fn new(hasher: credentials::Hasher, internet: Arc<dyn Internet>) -> Self {
        Self {
            hasher,
            users: Cache::new(CACHED),
            sessions: Cache::new(CACHED),
            agents: Cache::new(CACHED),
            agents_used: agents::usage::Used::default(),
            api_keys: api_keys::memory::ApiKeys::default(),
            roles: Roles::default(),
            workspaces: workspaces::memory::Workspaces::default(),
            social: social::memory::Providers::default(),
            hooks: hooks::Hooks::new(internet),
            breached: None,
            places: sessions::places::Places::default(),
            freshness: Freshness::default(),
        }
    }

    /// How far the caches can be trusted.
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The API keys in use.
    pub fn api_keys(&self) -> &api_keys::memory::ApiKeys {
        &self.api_keys
    }

    /// When agents were used.
    pub fn agents_used(&self) -> &agents::usage::Used {
        &self.agents_used
    }

    /// The roles in use.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The workspaces in use.
    pub fn workspaces(&self) -> &workspaces::memory::Workspaces {
        &self.workspaces
    }

    /// The layer with a list of passwords nobody may choose.
    #[must_use]
    pub fn with_breached(self, list: Option<credentials::BreachedList>) -> Self {
        Self { breached: list.map(Arc::new), ..self }
    }

    /// Passwords nobody may choose, if the operator has a list.
    pub fn breached(&self) -> Option<&Arc<credentials::BreachedList>> {
        self.breached.as_ref()
    }

    /// The tenants' own validators.
    pub fn hooks(&self) -> &hooks::Hooks {
        &self.hooks
    }

    /// What is known of the providers of social login.
    pub fn social(&self) -> &social::memory::Providers {
        &self.social
    }

    /// Where addresses are.
    pub fn places(&self) -> &sessions::places::Places {
        &self.places
    }

    /// What a user holds in a workspace, or outside of any. One they don't belong to, or that is gone or inactive, gives
    /// nothing.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn effective(
        &self,
        tenant: &TenantScope,
        user: &User,
        workspace: Option<&str>,
    ) -> Result<Effective, StorageError> {
        let memory_counts = self.freshness.holds(|| tenant.now());
        let mut workspace = user.workspace(workspace);
        if let Some(id) = workspace
            && !self.workspaces.is_open(tenant, id, memory_counts).await?
        {
            workspace = None;
        }
        effective(&self.roles, tenant, user.assigned(workspace), memory_counts).await
    }

    /// What the user of a session holds in a workspace, as far as the session was opened for; impersonated, no more than who impersonates them holds now. None when
    /// that one may not sign in any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn held_in(
        &self,
        tenant: &TenantScope,
        (session, user): (&Session, &User),
        workspace: Option<&str>,
    ) -> Result<Option<Effective>, StorageError> {
        let mut held = self.effective(tenant, user, workspace).await?;
        if let Some(limit) = &session.scopes {
            held.scopes = scope::common(limit, &held.scopes).into_iter().map(str::to_owned).collect();
            // A role says more than the scopes that were given.
            if !session.grant.as_ref().is_some_and(|grant| grant.is_first_party) {
                held.roles.clear();
            }
        }
        let Some(actor) = &session.actor else { return Ok(Some(held)) };
        let Some(actor) = self.user(tenant, actor).await?.filter(|a| a.may_sign_in()) else {
            return Ok(None);
        };
        let own = self.effective(tenant, &actor, None).await?;
        if !IMPERSONATE.is_granted(&own.scopes, &user.attributes(tenant.id().as_str())) {
            return Ok(None);
        }
        if let Some(narrowed) = narrowed(&held.scopes, &own.scopes) {
            held.scopes = narrowed;
            held.roles.clear();
        }
        Ok(Some(held))
    }

    /// Whether the maker of an agent may still sign in; it ends with them. The system administrator's agents in other
    /// tenants have none there.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn has_maker(&self, tenant: &TenantScope, agent: &Agent) -> Result<bool, StorageError> {
        Ok(self.user(tenant, &agent.user_id).await?.is_none_or(|maker| maker.may_sign_in()))
    }

    /// The hashing pool.
    pub fn hasher(&self) -> &credentials::Hasher {
        &self.hasher
    }

    /// A user, from memory if possible.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn user(
        &self,
        tenant: &TenantScope,
        id: &UserId,
    ) -> Result<Option<Arc<Stored<User>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        if let Some(user) = self.users.get(&key)
            && self.freshness.holds(|| tenant.now())
        {
            return Ok(Some(user));
        }
        self.user_from_store(tenant, id).await
    }

    /// A user as it is stored now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn user_from_store(
        &self,
        tenant: &TenantScope,
        id: &UserId,
    ) -> Result<Option<Arc<Stored<User>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        let stamp = self.users.stamp(&key);
        let Some(user) = tenant.records::<User>().get(id.as_str()).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.users.insert(key, user.clone(), stamp);
        Ok(Some(user))
    }

    /// An agent, from memory if possible.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn agent(
        &self,
        tenant: &TenantScope,
        id: &AgentId,
    ) -> Result<Option<Arc<Stored<Agent>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        if let Some(agent) = self.agents.get(&key)
            && self.freshness.holds(|| tenant.now())
        {
            return Ok(Some(agent));
        }
        self.agent_from_store(tenant, id).await
    }

    /// An agent as it is stored now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn agent_from_store(
        &self,
        tenant: &TenantScope,
        id: &AgentId,
    ) -> Result<Option<Arc<Stored<Agent>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        let stamp = self.agents.stamp(&key);
        let Some(agent) = tenant.records::<Agent>().get(id.as_str()).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.agents.insert(key, agent.clone(), stamp);
        Ok(Some(agent))
    }

    /// A session, from memory if possible. Its generation may be behind; whoever depends on it compares and swaps.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn session(
        &self,
        tenant: &TenantScope,
        id: &SessionId,
    ) -> Result<Option<Arc<Stored<Session>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        if let Some(session) = self.sessions.get(&key)
            && self.freshness.holds(|| tenant.now())
        {
            return Ok(Some(session).filter(|s| tenant.now() < s.expires_at));
        }
        self.session_from_store(tenant, id).await
    }

    /// A session as it is stored now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn session_from_store(
        &self,
        tenant: &TenantScope,
        id: &SessionId,
    ) -> Result<Option<Arc<Stored<Session>>>, StorageError> {
        let key = (tenant.id().clone(), id.clone());
        let stamp = self.sessions.stamp(&key);
        let found = tenant.records::<Session>().get(id.as_str()).await?.map(Arc::new);
        if let Some(session) = &found {
            self.sessions.insert(key, session.clone(), stamp);
        }
        Ok(found)
    }

    /// Keeps a session this process has just advanced, unless it was revoked meanwhile.
    pub(crate) fn keep_session(
        &self,
        tenant: &TenantScope,
        session: Stored<Session>,
        stamp: kernel::cache::Stamp,
    ) {
        self.sessions.supersede((tenant.id().clone(), session.id.clone()), Arc::new(session), stamp);
    }

    /// To be taken before a session is read and advanced.
    pub(crate) fn session_stamp(&self, tenant: &TenantScope, id: &SessionId) -> kernel::cache::Stamp {
        self.sessions.stamp(&(tenant.id().clone(), id.clone()))
    }

    /// Forgets a session that was changed, here and on every instance.
    pub fn forget_session(&self, tenant: &TenantScope, id: &SessionId) {
        self.drop_session(tenant.id(), id);
        stale_session(tenant, id).announce(tenant);
    }

    /// Forgets a user that was changed, here and on every instance.
    pub fn forget_user(&self, tenant: &TenantScope, id: &UserId) {
        self.drop_user(tenant.id(), id);
        stale_user(tenant, id).announce(tenant);
    }

    /// Forgets an agent that was changed, here and on every instance.
    pub fn forget_agent(&self, tenant: &TenantScope, id: &AgentId) {
        self.drop_agent(tenant.id(), id);
        stale_agent(tenant, id).announce(tenant);
    }

    /// Forgets an API key that was changed, here and on every instance.
    pub fn forget_api_key(&self, tenant: &TenantScope, id: &KeyId) {
        self.drop_api_key(tenant.id(), id);
        stale_api_key(tenant, id).announce(tenant);
    }

    /// Forgets a session here.
    pub fn drop_session(&self, tenant: &TenantId, id: &SessionId) {
        self.sessions.invalidate(&(tenant.clone(), id.clone()));
    }

    /// Forgets a user here.
    pub fn drop_user(&self, tenant: &TenantId, id: &UserId) {
        self.users.invalidate(&(tenant.clone(), id.clone()));
    }

    /// Forgets an agent here.
    pub fn drop_agent(&self, tenant: &TenantId, id: &AgentId) {
        self.agents.invalidate(&(tenant.clone(), id.clone()));
    }

    /// Forgets an API key here.
    pub fn drop_api_key(&self, tenant: &TenantId, id: &KeyId) {
        self.api_keys.drop_key(tenant, id);
    }

    /// Forgets everything here.
    pub fn forget_all(&self) {
        self.sessions.clear();
        self.users.clear();
        self.agents.clear();
        self.api_keys.clear();
        self.roles.clear();
        self.workspaces.clear();
    }
}

/// What changing a session makes stale.
pub(crate) fn stale_session(tenant: &TenantScope, id: &SessionId) -> Stale {
    Stale::Session { tenant: tenant.id().clone(), id: id.clone() }
}

/// What changing a user makes stale.
pub(crate) fn stale_user(tenant: &TenantScope, id: &UserId) -> Stale {
    Stale::User { tenant: tenant.id().clone(), id: id.clone() }
}

/// What changing an agent makes stale.
pub(crate) fn stale_agent(tenant: &TenantScope, id: &AgentId) -> Stale {
    Stale::Agent { tenant: tenant.id().clone(), id: id.clone() }
}

/// What changing an API key makes stale.
pub(crate) fn stale_api_key(tenant: &TenantScope, id: &KeyId) -> Stale {
    Stale::ApiKey { tenant: tenant.id().clone(), id: id.clone() }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
