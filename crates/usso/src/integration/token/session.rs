//! The session that a user's grant becomes: an ordinary one, with the grant in it. It is listed, ended, and ends with its
//! user, as others do.

use super::Bearer;
use crate::identity::sessions::model::{ClientGrant, RequestedClaims, Session};
use crate::identity::users::model::User;
use crate::integration::authorize::code::Code;
use crate::integration::clients::model::{Client, GrantType};
use crate::integration::{Browser, Context};
use crate::tenant::Actor;
use crate::tenant::audit::Event;
use kernel::{Effect, SessionId, Timestamp, UserId};

/// What a user has given, however the client came by it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Who.
    pub user_id: UserId,
    /// The words of `scope`.
    pub scope: Vec<String>,
    /// Single claims.
    pub claims: RequestedClaims,
}

impl From<&Code> for Given {
    fn from(code: &Code) -> Self {
        Self { user_id: code.user_id.clone(), scope: code.scope.clone(), claims: code.claims.clone() }
    }
}

/// The session of a grant: what was granted in `browser`, for this client.
pub(super) fn of_given(
    ctx: Context<'_>,
    who: Bearer<'_>,
    (given, browser): (&Given, &Browser),
    (id, audience): (SessionId, &str),
) -> Session {
    let (now, client) = (ctx.tenant.now(), who.client);
    let given_in = &browser.session;
    let is_offline = given.scope.iter().any(|word| word == "offline_access");
    Session {
        id,
        user_id: given.user_id.clone(),
        agent_id: None,
        scopes: Some(protocol::oauth::scope::permissions(&given.scope)),
        workspace_id: given_in.workspace_id.clone(),
        generation: 0,
        is_rotating: is_rotating(ctx, client, who.jkt.is_some()),
        used_at: now,
        // The user signed in then, not now.
        authenticated_at: given_in.authenticated_at,
        expires_at: expires_at(ctx, client, (given_in, is_offline)),
        revoked_at: None,
        user_epoch: given_in.user_epoch,
        tenant_epoch: given_in.tenant_epoch,
        amr: given_in.amr.clone(),
        acr: given_in.acr.clone(),
        aud: Some(audience.to_owned()),
        user_agent: ctx.peer.user_agent.clone(),
        ip: ctx.peer.ip.to_string(),
        session_type: "oauth_session".to_owned(),
        actor: None,
        grant: Some(Box::new(ClientGrant {
            client_id: client.id.clone(),
            scope: given.scope.clone(),
            is_first_party: client.is_first_party,
            is_public: client.is_public(),
            browser: Some(given_in.id.clone()),
            issuer: Some(ctx.issuer.to_owned()),
            is_offline,
            claims: given.claims.clone(),
            jkt: who.jkt.map(str::to_owned),
        })),
        claims: serde_json::Map::new(),
        meta_data: serde_json::Map::new(),
    }
}

/// Ruling D21: public clients rotate, confidential ones whose tokens are bound to a key don't, others as the tenant says.
fn is_rotating(ctx: Context<'_>, client: &Client, is_bound: bool) -> bool {
    client.is_public() || !is_bound && ctx.tenant.profile().settings.refresh_token_rotation
}

/// Without a refresh token nothing outlives the access token; without `offline_access` nothing outlives the sign-in.
fn expires_at(ctx: Context<'_>, client: &Client, (given_in, is_offline): (&Session, bool)) -> Timestamp {
    let (now, settings) = (ctx.tenant.now(), &ctx.tenant.profile().settings);
    if !client.may_use(GrantType::RefreshToken) {
        return now.plus_seconds(settings.access_timeout);
    }
    let latest = now.plus_seconds(settings.refresh_timeout);
    if is_offline { latest } else { latest.min(given_in.expires_at) }
}

/// The event of a session that was opened for a client.
pub(super) fn opened(ctx: Context<'_>, session: &Session, client: &Client, user: &User) -> Effect {
    let actor =
        Actor::Client { client: client.id.as_str().to_owned(), user: Some(user.id.as_str().to_owned()) };
    Event::new("session.opened", actor, session.id.as_str(), ctx.peer)
        .with("session_type", session.session_type.as_str())
        .with("user_id", user.id.as_str())
        .with("scope", session.grant.as_ref().map(|grant| grant.scope.join(" ")))
        .effect(ctx.tenant)
}
