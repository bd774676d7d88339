//! Opening, refreshing and ending sessions; what ending one means is in [`super::ending`].

use crate::access_control::roles::effective::Effective;
use crate::identity::hooks;
pub use crate::identity::sessions::ending::{end, log_out};
pub use crate::identity::sessions::error::{MAX_META_DATA, SessionError};
pub use crate::identity::sessions::handout::Handout;
use crate::identity::sessions::model::{Presented, Session};
use crate::identity::tokens::{self, TokenPair};
use crate::identity::users::model::User;
use crate::identity::{Identity, stale_session};
use crate::tenant::audit::Event;
use crate::tenant::verify::{Claims, TokenError, TokenType};
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Change, Effect, SessionId, StorageError, Stored, UserId};
use serde_json::{Map, Value};
use std::sync::Arc;

/// How often a refresh is retried after losing against a parallel one.
const REFRESH_ATTEMPTS: u32 = 16;

/// The `acr` of sessions opened with one factor …
const ONE_FACTOR: &str = "usso:acr:1";
/// … and with two.
const TWO_FACTORS: &str = "usso:acr:2";

/// What a new session is made of.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// How the user proved who they are.
    pub amr: Vec<String>,
    /// How many factors that is.
    pub factors: u8,
    /// The audience of its access tokens.
    pub aud: Option<String>,
    /// Whether refreshing advances the generation.
    pub is_rotating: bool,
    /// The administrator who acts as the user, and for how many seconds at most.
    pub impersonation: Option<(UserId, i64)>,
    /// The active workspace.
    pub workspace_id: Option<String>,
    /// Claims of its tokens beside the user's.
    pub claims: Map<String, Value>,
}

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub user: Arc<Stored<User>>,
    /// The tokens.
    pub tokens: TokenPair,
}

/// Opens a session for a user who has proven who they are.
///
/// # Errors
/// [`SessionError::NotAMember`]; when the database is away or signing fails.
pub async fn open(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    user: Stored<User>,
    new: NewSession,
    client: &ClientInfo,
) -> Result<SignedIn, SessionError> {
    let now = tenant.now();
    let profile = tenant.profile();
    let acr = if new.factors > 1 { TWO_FACTORS } else { ONE_FACTOR };
    let (actor, lifetime) = match new.impersonation {
        Some((actor, seconds)) => (Some(actor), seconds.min(profile.settings.refresh_timeout)),
        None => (None, profile.settings.refresh_timeout),
    };
    let session_type = if actor.is_some() { "impersonation" } else { "regular_login" };
    let session = Session {
        id: SessionId::generate(now, tenant.random()),
        user_id: user.id.clone(),
        workspace_id: new.workspace_id,
        agent_id: None,
        scopes: None,
        generation: 0,
        is_rotating: new.is_rotating && profile.settings.refresh_token_rotation,
        used_at: now,
        authenticated_at: now,
        expires_at: now.plus_seconds(lifetime),
        revoked_at: None,
        user_epoch: user.session_epoch,
        tenant_epoch: profile.tenant.session_epoch,
        amr: new.amr,
        acr: acr.to_owned(),
        aud: new.aud.or_else(|| profile.settings.audience.clone()),
        user_agent: client.user_agent.clone(),
        ip: client.ip.to_string(),
        session_type: session_type.to_owned(),
        actor,
        grant: None,
        claims: new.claims,
        meta_data: Map::new(),
    };
    let held = identity.held_in(tenant, (&session, &user), session.workspace_id.as_deref()).await?;
    let held = held.ok_or(TokenError::Revoked)?;
    if held.workspace != session.workspace_id {
        return Err(SessionError::NotAMember);
    }
    let tokens = mint(identity, (tenant, issuer), &session, (&user, held), client).await?;
    // Who acts, not who is acted for.
    let author = session.actor.as_ref().unwrap_or(&user.id).as_str().to_owned();
    let event = Event::new("session.opened", Actor::User(author), session.id.as_str(), client)
        .with("session_type", session_type)
        .with("user_id", user.id.as_str())
        .with("amr", session.amr.clone())
        .effect(tenant);
    tenant.records::<Session>().insert(session, vec![event]).await?;
    Ok(SignedIn { user: Arc::new(user), tokens })
}

/// Mints the tokens of a session, unless a validator of the tenant denies it, and with the claims it adds.
async fn mint(
    identity: &Identity,
    (tenant, issuer): (&TenantScope, &str),
    session: &Session,
    (user, held): (&User, Effective),
    client: &ClientInfo,
) -> Result<TokenPair, SessionError> {
    let claims = hooks::before_token(identity, tenant, (user, session), client).await?;
    if claims.is_empty() {
        return Ok(tokens::mint(tenant, issuer, session, (user, held))?);
    }
    let mut session = session.clone();
    session.claims.extend(claims);
    Ok(tokens::mint(tenant, issuer, &session, (user, held))?)
}

/// The live session and user of a verified token.
///
/// # Errors
/// [`TokenError::Revoked`] when either has ended.
pub async fn live(
    identity: &Identity,
    tenant: &TenantScope,
    claims: &Claims,
) -> Result<(Arc<Stored<Session>>, Arc<Stored<User>>), SessionError> {
    let id = session_id(claims)?;
    let session = identity.session(tenant, &id).await?.ok_or(TokenError::Revoked)?;
    match live_user(identity, tenant, &session, claims).await {
        // Another instance may have refreshed it meanwhile, or signed the user in after a change this one has yet to
        // hear of; an end is an end.
        Err(SessionError::Token(TokenError::Revoked)) if session.revoked_at.is_none() => {
            let session = identity.session_from_store(tenant, &id).await?.ok_or(TokenError::Revoked)?;
            identity.user_from_store(tenant, &session.user_id).await?;
            let user = live_user(identity, tenant, &session, claims).await?;
            Ok((session, user))
        }
        judged => Ok((session, judged?)),
    }
}

/// The session a token names.
pub(crate) fn session_id(claims: &Claims) -> Result<SessionId, TokenError> {
    claims.session_id.as_deref().and_then(|id| SessionId::parse(id).ok()).ok_or(TokenError::Invalid)
}

async fn live_user(
    identity: &Identity,
    tenant: &TenantScope,
    session: &Session,
    claims: &Claims,
) -> Result<Arc<Stored<User>>, SessionError> {
    if session.subject() != claims.sub || session.agent_id.is_some() {
        return Err(TokenError::Invalid.into());
    }
    let user = identity.user(tenant, &session.user_id).await?.ok_or(TokenError::Revoked)?;
    if lives(identity, tenant, session, &user).await? { Ok(user) } else { Err(TokenError::Revoked.into()) }
}

/// Whether a session of this user lives, and the one it belongs to.
///
/// # Errors
/// When the database is away.
pub async fn lives(
    identity: &Identity,
    tenant: &TenantScope,
    session: &Session,
    user: &User,
) -> Result<bool, StorageError> {
    let Some(browser) = session.belongs_to() else { return Ok(is_live(tenant, session, user)) };
    if !is_live(tenant, session, user) {
        return Ok(false);
    }
    // Signing out ends what clients were given, unless the user let them stay. Idleness is for each by itself.
    let epochs = (user.session_epoch, tenant.profile().tenant.session_epoch);
    let browser = identity.session(tenant, browser).await?;
    Ok(browser.is_some_and(|b| b.is_live(epochs.0, epochs.1, None, tenant.now())))
}

/// Whether a session of this user lives.
pub fn is_live(tenant: &TenantScope, session: &Session, user: &User) -> bool {
    let profile = tenant.profile();
    let idle_limit = profile.settings.session_inactivity_timeout;
    user.may_sign_in()
        && session.is_live(user.session_epoch, profile.tenant.session_epoch, idle_limit, tenant.now())
}

/// A refresh.
#[derive(Debug, Clone, Copy)]
pub struct Refresh<'a> {
    /// What the refresh token says, verified.
    pub claims: &'a Claims,
    /// Where the session goes on: in a workspace, outside of any, or, if none, where it is.
    pub switch: Option<Option<&'a str>>,
}

/// Refreshes a session: one compare-and-swap of its generation (ruling D2) and its workspace. A switch of the workspace
/// is written in any generation that is accepted, and advances none that would not advance without it.
///
/// # Errors
/// [`TokenError`] when the token isn't the refresh token of a live session; [`SessionError::Reused`] when it was left
/// behind long ago, in which case the session is ended; [`SessionError::NotAMember`] of the workspace to switch to.
pub async fn refresh(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    Refresh { claims, switch }: Refresh<'_>,
    client: &ClientInfo,
) -> Result<SignedIn, SessionError> {
    let handout = FirstParty { identity, tenant, issuer, switch, client };
    let (tokens, user) = rotate(identity, tenant, (claims, client), &handout).await?;
    Ok(SignedIn { user, tokens })
}

/// Our own tokens.
struct FirstParty<'a> {
    identity: &'a Identity,
    tenant: &'a TenantScope,
    issuer: &'a str,
    switch: Option<Option<&'a str>>,
    client: &'a ClientInfo,
}

impl Handout for FirstParty<'_> {
    type Answer = TokenPair;
    type Error = SessionError;

    fn admits(&self, session: &Session) -> Result<(), SessionError> {
        if session.grant.is_some() {
            // Of a client, which refreshes it at the token endpoint, where it says who it is.
            Err(TokenError::WrongType.into())
        } else if self.tenant.profile().settings.require_mfa && session.is_weak() {
            Err(SessionError::MfaRequired)
        } else {
            Ok(())
        }
    }

    async fn make(
        &self,
        old: &Stored<Session>,
        next: Session,
        user: &Stored<User>,
    ) -> Result<(TokenPair, Option<Stored<Session>>), SessionError> {
        let wanted = (self.switch, self.client);
        advance(self.identity, self.tenant, self.issuer, (old, next, user), wanted).await
    }
}

/// The rule of generations (ruling D2) around whatever is handed out: finds the session of a refresh token, asks whether
/// there is to be anything for it, judges the generation, and has the answer made. Memory may be behind the store: that is
/// asked again before anybody is refused, answered for the past, or convicted.
///
/// # Errors
/// As [`refresh`]; those of the handout.
pub async fn rotate<H: Handout>(
    identity: &Identity,
    tenant: &TenantScope,
    (claims, client): (&Claims, &ClientInfo),
    handout: &H,
) -> Result<(H::Answer, Arc<Stored<User>>), H::Error> {
    let refused = |error: TokenError| H::Error::from(SessionError::Token(error));
    let away = |error: StorageError| H::Error::from(SessionError::Storage(error));
    let (TokenType::Refresh, Some(generation)) = (claims.token_type, claims.g) else {
        return Err(refused(TokenError::WrongType));
    };
    let id = session_id(claims).map_err(refused)?;
    let mut current = identity.session(tenant, &id).await.map_err(away)?;
    let mut is_fresh = false;
    for _ in 0..REFRESH_ATTEMPTS {
        let stamp = identity.session_stamp(tenant, &id);
        let session = current.ok_or(refused(TokenError::Revoked))?;
        handout.admits(&session)?;
        let user = match live_user(identity, tenant, &session, claims).await {
            // Memory may be behind: only the store ends a session.
            Err(SessionError::Token(_)) if !is_fresh => {
                current = identity.session_from_store(tenant, &id).await.map_err(away)?;
                is_fresh = true;
                continue;
            }
            judged => judged?,
        };
        let next = match session.present(generation, tenant.now()) {
            Presented::Advance(next) => Some(*next),
            // What memory says of the past may itself be past: only the store convicts or repeats.
            _ if !is_fresh => None,
            Presented::Repeat => Some(session.record.clone()),
            Presented::Reused => {
                let reason = ("session.refresh_token_reused", Actor::Anonymous);
                end(identity, tenant, &id, reason, client).await?;
                return Err(SessionError::Reused.into());
            }
            Presented::Unknown => return Err(refused(TokenError::Invalid)),
        };
        if let Some(next) = next {
            match handout.make(&session, next, &user).await {
                Ok((answer, stored)) => {
                    stored.into_iter().for_each(|stored| identity.keep_session(tenant, stored, stamp));
                    return Ok((answer, user));
                }
                Err(SessionError::Storage(StorageError::Conflict)) => {}
                // They may have joined meanwhile.
                Err(SessionError::NotAMember) if !is_fresh => {
                    identity.user_from_store(tenant, &session.user_id).await.map_err(away)?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        current = identity.session_from_store(tenant, &id).await.map_err(away)?;
        is_fresh = true;
    }
    Err(away(StorageError::Contended))
}

/// Mints tokens of a session in its present generation, for a browser that holds several and goes on with this one.
///
/// # Errors
/// [`TokenError::Revoked`] when it has ended; [`SessionError::MfaRequired`].
pub async fn resume(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    (id, client): (&SessionId, &ClientInfo),
) -> Result<SignedIn, SessionError> {
    let session = identity.session_from_store(tenant, id).await?.ok_or(TokenError::Revoked)?;
    let user = identity.user_from_store(tenant, &session.user_id).await?.ok_or(TokenError::Revoked)?;
    if !session.is_personal() || !is_live(tenant, &session, &user) {
        return Err(TokenError::Revoked.into());
    }
    if tenant.profile().settings.require_mfa && session.is_weak() {
        return Err(SessionError::MfaRequired);
    }
    let workspace = session.workspace_id.as_deref();
    let held = identity.held_in(tenant, (&session, &user), workspace).await?.ok_or(TokenError::Revoked)?;
    let tokens = mint(identity, (tenant, issuer), &session, (&user, held), client).await?;
    Ok(SignedIn { user, tokens })
}

/// Writes the next state of a refreshed session, if it differs, and mints its tokens. A session whose user left its
/// workspace goes on without one.
async fn advance(
    identity: &Identity,
    tenant: &TenantScope,
    issuer: &str,
    (session, mut next, user): (&Stored<Session>, Session, &User),
    (switch, client): (Option<Option<&str>>, &ClientInfo),
) -> Result<(TokenPair, Option<Stored<Session>>), SessionError> {
    let wanted = switch.unwrap_or(session.workspace_id.as_deref());
    let held = identity.held_in(tenant, (session, user), wanted).await?.ok_or(TokenError::Revoked)?;
    if switch.is_some() && held.workspace.as_deref() != wanted {
        return Err(SessionError::NotAMember);
    }
    let mut effects = Vec::new();
    if switch.is_some() && session.workspace_id.as_deref() != wanted {
        let actor = Actor::User(session.actor.as_ref().unwrap_or(&user.id).as_str().to_owned());
        let event = Event::new("session.workspace_switched", actor, session.id.as_str(), client);
        effects.push(event.with("workspace_id", wanted).effect(tenant));
    }
    // A repeat that switches nothing writes nothing.
    if switch.is_some() || next.generation != session.generation {
        next.workspace_id.clone_from(&held.workspace);
    }
    let tokens = mint(identity, (tenant, issuer), &next, (user, held), client).await?;
    if next == session.record {
        return Ok((tokens, None));
    }
    Ok((tokens, Some(tenant.records::<Session>().replace(session, next, effects).await?)))
}

/// Refuses a refresh token of a generation that would not be refreshed any more. Other tokens have none.
///
/// # Errors
/// [`TokenError`] for a generation left behind, or never reached.
pub async fn check_generation(
    identity: &Identity,
    tenant: &TenantScope,
    claims: &Claims,
) -> Result<(), SessionError> {
    let (TokenType::Refresh, Some(generation)) = (claims.token_type, claims.g) else { return Ok(()) };
    let session =
        identity.session_from_store(tenant, &session_id(claims)?).await?.ok_or(TokenError::Revoked)?;
    match session.present(generation, tenant.now()) {
        Presented::Advance(_) | Presented::Repeat => Ok(()),
        Presented::Reused => Err(TokenError::Revoked.into()),
        Presented::Unknown => Err(TokenError::Invalid.into()),
    }
}

/// A session of the given owner, or of anybody when `owner` is none.
///
/// # Errors
/// [`SessionError::NotFound`], also for somebody else's.
pub async fn get(tenant: &TenantScope, id: &str) -> Result<Stored<Session>, SessionError> {
    let id = SessionId::parse(id).map_err(|_| SessionError::NotFound)?;
    tenant.records::<Session>().get(id.as_str()).await?.ok_or(SessionError::NotFound)
}

/// Changes a session by a pure function and keeps memory honest.
///
/// # Errors
/// The function's, and [`SessionError::NotFound`].
pub async fn update(
    identity: &Identity,
    tenant: &TenantScope,
    id: &SessionId,
    mut change: impl FnMut(&Stored<Session>) -> Result<Change<Session>, SessionError>,
) -> Result<Stored<Session>, SessionError> {
    let stale = stale_session(tenant, id).effect(tenant);
    let updated = tenant
        .records::<Session>()
        .update::<SessionError>(id.as_str(), |old| {
            Ok(match change(old)? {
                Change::Keep => Change::Keep,
                Change::Put(next, mut effects) => {
                    effects.push(stale.clone());
                    Change::Put(next, effects)
                }
            })
        })
        .await;
    identity.forget_session(tenant, id);
    updated?.ok_or(SessionError::NotFound)
}

/// The event of a changed session.
pub fn updated_event(tenant: &TenantScope, actor: &Actor, session: &Session, client: &ClientInfo) -> Effect {
    Event::new("session.updated", actor.clone(), session.id.as_str(), client).effect(tenant)
}
