//! Who is calling.
//!
//! A [`Caller`] exists only for a verified access token of this tenant whose session and user live now, or for one of its
//! API keys whose user does; and for agents in the same two ways. The first credential present decides; there is no fall-through to a weaker one (contract 1.4).

use crate::access_control::operations::permission;
use crate::access_control::permission::{Permission, PermissionDenied, narrowed};
use crate::http::error::storage;
use crate::http::visit::Visitor;
use crate::http::{ApiError, AppState, Tenant, cookie, csrf};
use crate::identity::agents::auth::{self as agents, is_of_agent};
use crate::identity::agents::model::Agent;
use crate::identity::api_keys::model::ApiKey;
use crate::identity::api_keys::secret::PREFIX;
use crate::identity::api_keys::service::{self as api_keys, Owner};
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service;
use crate::identity::users::credentials::check_sensitive;
use crate::identity::users::model::User;
use crate::identity::workspaces::access::Asker;
use crate::integration::Browser;
use crate::integration::access::{self, Holder};
use crate::integration::clients::model::Client;
use crate::tenant::Actor;
use crate::tenant::dpop::{ProofError, use_up};
use crate::tenant::verify::{Claims, TokenError, TokenType, verify};
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use kernel::{ProblemKind, SessionId, Stored, TenantId, UserId};
use protocol::oauth::dpop::DpopError;
use std::sync::Arc;

/// A user or agent of the tenant, signed in or by one of its API keys.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant.
    pub tenant: Tenant,
    /// By what they act.
    pub principal: Principal,
    /// The user. An agent is none: here stands somebody who exists nowhere else and owns nothing.
    pub user: Arc<Stored<User>>,
    /// The workspace that what they hold counts in: the token's or key's, while they belong to it.
    pub workspace: Option<String>,
}

/// By what somebody acts.
#[derive(Debug, Clone)]
pub enum Principal {
    /// An agent.
    Agent {
        /// Which.
        agent: Arc<Stored<Agent>>,
        /// By what it acts.
        credential: AgentCredential,
        /// What that may now.
        scopes: Vec<String>,
    },
    /// A session.
    Session {
        /// What the access token says.
        claims: Box<Claims>,
        /// The session.
        session: Arc<Stored<Session>>,
        /// What is left of the token's scopes, when some were taken away since it was minted.
        narrowed: Option<Vec<String>>,
    },
    /// An API key.
    ApiKey {
        /// The key.
        key: Arc<Stored<ApiKey>>,
        /// What it may now.
        scopes: Vec<String>,
    },
    /// An OAuth client.
    Client {
        /// Which.
        client: Arc<Stored<Client>>,
        /// What its token says.
        claims: Box<Claims>,
        /// In whose name, if not its own.
        delegation: Option<Box<Browser>>,
        /// What its token may now.
        scopes: Vec<String>,
    },
}

/// By what an agent acts.
#[derive(Debug, Clone)]
pub enum AgentCredential {
    /// A session.
    Session {
        /// What the access token says.
        claims: Box<Claims>,
        /// The session.
        session: Arc<Stored<Session>>,
    },
    /// An API key.
    ApiKey(Arc<Stored<ApiKey>>),
}

/// A credential of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// A token, and where it came from.
    Token(&'a str, Source),
    /// The secret of an API key.
    ApiKey(&'a str),
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A header a program sets on purpose.
    Header,
    /// The same header, with the promise of a proof that the token is the sender's (RFC 9449 §7.1).
    Dpop,
    /// A cookie a browser sends by itself.
    Cookie,
}

/// The access credential a request presents.
///
/// # Errors
/// `TOKEN_INVALID` for a credential that can't be one.
pub fn presented(headers: &HeaderMap) -> Result<Option<Presented<'_>>, TokenError> {
    if let Some(value) = only(headers, header::AUTHORIZATION.as_str())? {
        let bearer = match value.split_once(' ') {
            Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => bearer.trim(),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => {
                return Ok(Some(Presented::Token(token.trim(), Source::Dpop)));
            }
            Some(_) => return Err(TokenError::Invalid),
            None => value,
        };
        return Ok(Some(if bearer.starts_with(PREFIX) {
            Presented::ApiKey(bearer)
        } else {
            Presented::Token(bearer, Source::Header)
        }));
    }
    if let Some(secret) = only(headers, API_KEY)? {
        return Ok(Some(Presented::ApiKey(secret)));
    }
    Ok(cookie::get(headers, cookie::ACCESS).map(|token| Presented::Token(token, Source::Cookie)))
}

/// The token of an unfinished sign-in: programs send it as bearer, browsers in its cookie.
pub fn temporary(headers: &HeaderMap) -> Option<&str> {
    match presented(headers) {
        Ok(Some(Presented::Token(token, Source::Header))) => Some(token),
        _ => cookie::get(headers, cookie::LOGIN),
    }
}

/// The header that carries an API key.
pub const API_KEY: &str = "x-api-key";

/// A header that may come once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, TokenError> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|v| Some(v.trim())).map_err(|_| TokenError::Invalid),
        (Some(_), Some(_)) => Err(TokenError::Invalid),
    }
}

impl Caller {
    /// The caller as the author of an audit event.
    pub fn actor(&self) -> Actor {
        let user = self.user.id.as_str().to_owned();
        match &self.principal {
            Principal::Session { session, .. } => match &session.actor {
                Some(actor) => Actor::Impersonator { user, actor: actor.as_str().to_owned() },
                None => Actor::User(user),
            },
            Principal::ApiKey { key, .. } => Actor::ApiKey { user, key: key.id.as_str().to_owned() },
            Principal::Client { client, delegation, .. } => Actor::Client {
                client: client.id.as_str().to_owned(),
                user: delegation.as_ref().map(|own| own.user.id.as_str().to_owned()),
            },
            Principal::Agent { agent, credential, .. } => {
                let agent = agent.id.as_str().to_owned();
                match credential {
                    AgentCredential::Session { .. } => Actor::Agent(agent),
                    AgentCredential::ApiKey(key) => {
                        Actor::ApiKey { user: agent, key: key.id.as_str().to_owned() }
                    }
                }
            }
        }
    }

    /// The scopes of the token or key that its user or agent holds now.
    pub fn scopes(&self) -> &[String] {
        match &self.principal {
            Principal::Session { narrowed: Some(scopes), .. } => scopes,
            Principal::Session { claims, .. } => claims.scopes.as_deref().unwrap_or_default(),
            Principal::ApiKey { scopes, .. }
            | Principal::Agent { scopes, .. }
            | Principal::Client { scopes, .. } => scopes,
        }
    }

    /// The session, when there is one.
    pub fn session_id(&self) -> Option<&SessionId> {
        match &self.principal {
            Principal::Session { session, .. }
            | Principal::Agent { credential: AgentCredential::Session { session, .. }, .. } => {
                Some(&session.id)
            }
            Principal::Client { delegation, .. } => delegation.as_ref().map(|own| &own.session.id),
            Principal::ApiKey { .. } | Principal::Agent { .. } => None,
        }
    }

    /// Whether the user is here themself: owning something is then enough to change it. A key needs the scope, or a key for
    /// little could do all its user does.
    pub fn is_signed_in(&self) -> bool {
        matches!(&self.principal, Principal::Session { .. })
    }

    /// Whether the user is here themself, and nobody in their name: only they change how they sign in, and hand on what
    /// outlives the session.
    pub fn is_in_person(&self) -> bool {
        matches!(&self.principal, Principal::Session { session, .. } if session.actor.is_none())
    }

    /// Whether somebody acts in the user's name.
    pub fn is_impersonated(&self) -> bool {
        matches!(&self.principal, Principal::Session { session, .. } if session.actor.is_some())
    }

    /// The API key, when it is one.
    pub fn api_key(&self) -> Option<&Stored<ApiKey>> {
        match &self.principal {
            Principal::ApiKey { key, .. }
            | Principal::Agent { credential: AgentCredential::ApiKey(key), .. } => Some(key),
            Principal::Session { .. } | Principal::Agent { .. } | Principal::Client { .. } => None,
        }
    }

    /// Whether it acts with what it was given and nothing else: an agent, or a client that isn't the tenant's own. Behind it
    /// stands nobody who owns anything.
    pub fn owns_nothing(&self) -> bool {
        match &self.principal {
            Principal::Agent { .. } => true,
            Principal::Client { client, delegation, .. } => !client.is_first_party || delegation.is_none(),
            Principal::Session { .. } | Principal::ApiKey { .. } => false,
        }
    }

    /// The agent, when it is one.
    pub fn agent(&self) -> Option<&Stored<Agent>> {
        match &self.principal {
            Principal::Agent { agent, .. } => Some(agent),
            Principal::Session { .. } | Principal::ApiKey { .. } | Principal::Client { .. } => None,
        }
    }

    /// Refuses a session of a user that was begun too long ago, where the tenant asks for a recent one.
    ///
    /// # Errors
    /// `RECENT_SIGN_IN_REQUIRED`.
    pub fn check_sensitive(&self) -> Result<(), ApiError> {
        let session = match &self.principal {
            Principal::Session { session, .. } => Some(&session.record),
            Principal::Client { delegation, .. } => delegation.as_ref().map(|own| &own.session.record),
            Principal::ApiKey { .. } | Principal::Agent { .. } => None,
        };
        Ok(check_sensitive(&self.tenant.scope, session)?)
    }

    /// The user to whom what is made belongs: of an agent, who made the agent.
    pub fn maker(&self) -> &UserId {
        self.agent().map_or(&self.user.id, |agent| &agent.user_id)
    }

    /// The id of the session or key.
    pub fn principal_id(&self) -> &str {
        match &self.principal {
            Principal::Session { session, .. }
            | Principal::Agent { credential: AgentCredential::Session { session, .. }, .. } => {
                session.id.as_str()
            }
            Principal::Client { client, delegation, .. } => {
                delegation.as_ref().map_or(client.id.as_str(), |own| own.session.id.as_str())
            }
            Principal::ApiKey { key, .. }
            | Principal::Agent { credential: AgentCredential::ApiKey(key), .. } => key.id.as_str(),
        }
    }

    /// Whether the caller holds a permission on an object with these attributes.
    pub fn may(&self, permission: Permission, attributes: &[(&str, &str)]) -> bool {
        permission.is_granted(self.scopes(), attributes)
    }

    /// Whether the caller is a user of this tenant and may have things of their own here.
    ///
    /// # Errors
    /// `NOT_FOUND` for the system administrator who acts from outside, and for agents.
    pub fn at_home(&self) -> Result<(), ApiError> {
        if self.tenant.info.is_visit || self.owns_nothing() { Err(ApiError::not_found()) } else { Ok(()) }
    }

    /// Whether the caller is the system administrator, in their own tenant or as a visitor in another.
    pub fn is_platform(&self) -> bool {
        self.tenant.info.is_visit || self.is_system()
    }

    /// Whether the caller is the system administrator: of the default tenant, with the system scope.
    pub fn is_system(&self) -> bool {
        let superadmin = permission("create_tenant");
        *self.tenant.scope.id() == TenantId::default_tenant() && self.may(superadmin, &[])
    }
}

impl<'a> From<&'a Caller> for Asker<'a> {
    fn from(caller: &'a Caller) -> Self {
        Self {
            user: &caller.user,
            scopes: caller.scopes(),
            workspace: caller.workspace.as_deref(),
            is_visit: caller.tenant.info.is_visit || caller.owns_nothing(),
            is_in_person: caller.is_in_person() && !caller.tenant.info.is_visit,
            actor: caller.actor(),
            client: caller.tenant.client(),
        }
    }
}

impl Caller {
    async fn of_agent(state: &AppState, tenant: Tenant, claims: Claims) -> Result<Self, ApiError> {
        let (session, agent) = agents::live(&state.identity, &tenant.scope, &claims).await?;
        let scopes = claims.scopes.as_deref().unwrap_or_default();
        let scopes = narrowed(scopes, &agent.held_in(&session)).unwrap_or_else(|| scopes.to_vec());
        let credential = AgentCredential::Session { claims: Box::new(claims), session };
        let user = Arc::new(agent.stand_in(&tenant.scope));
        let workspace = agent.workspace_id.clone();
        Ok(Self { tenant, principal: Principal::Agent { agent, credential, scopes }, user, workspace })
    }
}

impl Caller {
    /// A client, in its own name or in a user's. It may what its token says as far as it, and they, still may; but it isn't them.
    async fn of_client(state: &AppState, tenant: Tenant, claims: Claims) -> Result<Self, ApiError> {
        let scope = &tenant.scope;
        let token = claims.scopes.as_deref().unwrap_or_default();
        let (client, delegation, scopes, workspace) =
            match access::holder((&state.identity, &state.integration), scope, &claims).await? {
                Holder::Client(client) => {
                    let scopes = access::held_by(&client, token);
                    (client, None, scopes, None)
                }
                Holder::Delegate(browser, client) => {
                    let workspace = claims.workspace_id.as_deref();
                    let held =
                        state.identity.held_in(scope, (&browser.session, &browser.user), workspace).await;
                    let held = held.map_err(|e| storage(&e))?.ok_or(TokenError::Revoked)?;
                    let scopes = narrowed(token, &held.scopes).unwrap_or_else(|| token.to_vec());
                    let scopes = access::held_by(&client, &scopes);
                    (client, Some(Box::new(browser)), scopes, held.workspace)
                }
                Holder::User(_) | Holder::Agent(..) => return Err(TokenError::Invalid.into()),
            };
        let user = match &delegation {
            Some(own) if client.is_first_party => own.user.clone(),
            _ => Arc::new(User::stand_in(scope, client.title())),
        };
        let principal = Principal::Client { client, claims: Box::new(claims), delegation, scopes };
        Ok(Self { tenant, principal, user, workspace })
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(Visitor(caller)) = parts.extensions.get::<Visitor>() {
            return Ok(caller.clone());
        }
        let caller = Self::presented(parts, state).await?;
        // For the edge, which writes down what they are denied.
        caller.tenant.info.asker.get_or_init(|| (caller.tenant.scope.clone(), caller.actor()));
        Ok(caller)
    }
}

impl Caller {
    async fn presented(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let tenant = Tenant::from_request_parts(parts, state).await?;
        let (token, source) = match presented(&parts.headers)?.ok_or_else(not_authenticated)? {
            Presented::Token(token, source) => (token, source),
            Presented::ApiKey(secret) => {
                let found = api_keys::authenticate(&state.identity, &tenant.scope, secret).await?;
                let workspace = found.workspace;
                return Ok(match found.owner {
                    Owner::User(user) => {
                        let principal = Principal::ApiKey { key: found.key, scopes: found.scopes };
                        Self { tenant, principal, user, workspace }
                    }
                    Owner::Agent(agent) => {
                        let now = tenant.scope.now();
                        state.identity.agents_used().note(tenant.scope.id(), &agent.id, now);
                        let credential = AgentCredential::ApiKey(found.key);
                        let user = Arc::new(agent.stand_in(&tenant.scope));
                        let principal = Principal::Agent { agent, credential, scopes: found.scopes };
                        Self { tenant, principal, user, workspace }
                    }
                });
            }
        };
        let claims = verify(&tenant.scope, token)?;
        if claims.token_type != TokenType::Access {
            return Err(TokenError::WrongType.into());
        }
        if source == Source::Cookie && !parts.method.is_safe() {
            csrf::check(&tenant, &parts.headers)?;
        }
        check_possession(&tenant, &claims, (token, source)).await?;
        if is_of_agent(&claims) {
            return Self::of_agent(state, tenant, claims).await;
        }
        if claims.client_id.is_some() {
            return Self::of_client(state, tenant, claims).await;
        }
        let (session, user) = service::live(&state.identity, &tenant.scope, &claims).await?;
        // What the token's workspace gives: the session may have moved on to another one.
        let workspace = claims.workspace_id.as_deref();
        let held = state.identity.held_in(&tenant.scope, (&session, &user), workspace).await;
        let held = held.map_err(|e| storage(&e))?.ok_or(TokenError::Revoked)?;
        let narrowed = narrowed(claims.scopes.as_deref().unwrap_or_default(), &held.scopes);
        let principal = Principal::Session { claims: Box::new(claims), session, narrowed };
        Ok(Self { tenant, principal, user, workspace: held.workspace })
    }
}

/// The caller, where one isn't needed: nobody without a credential, or with one that isn't accepted.
#[derive(Debug, Clone)]
pub struct OptionalCaller(pub Option<Caller>);

impl FromRequestParts<AppState> for OptionalCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        Ok(Self(Caller::from_request_parts(parts, state).await.ok()))
    }
}

/// A token bound to a key counts only with a proof of that key, and one that isn't is no DPoP token (RFC 9449 §7.1, §7.2).
///
/// # Errors
/// `TOKEN_INVALID` for one that is sent as the other; `INVALID_DPOP_PROOF`.
pub async fn check_possession(
    tenant: &Tenant,
    claims: &Claims,
    (token, source): (&str, Source),
) -> Result<(), ApiError> {
    match (&claims.cnf, source) {
        (None, Source::Header | Source::Cookie) => Ok(()),
        (Some(bound), Source::Dpop) => match tenant.proof(Some(token)).map_err(ProofError::Invalid)? {
            Some(proof) if proof.jkt == bound.jkt => Ok(use_up(&tenant.scope, &proof).await?),
            Some(_) => Err(TokenError::Invalid.into()),
            None => Err(ProofError::Invalid(DpopError::NotOne).into()),
        },
        _ => Err(TokenError::Invalid.into()),
    }
}

fn not_authenticated() -> ApiError {
    ApiError::new(ProblemKind::Unauthenticated, "NOT_AUTHENTICATED", "Not authenticated")
}

/// The verified system administrator. One of the three owners of the platform's scope.
#[derive(Debug, Clone)]
pub struct SystemAdmin(pub Caller);

impl FromRequestParts<AppState> for SystemAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_system() {
            Ok(Self(caller))
        } else {
            Err(PermissionDenied(permission("create_tenant")).into())
        }
    }
}
