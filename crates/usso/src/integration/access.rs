//! What an access token is worth now: who stands behind it, if its session, its user and its client still do.

use super::clients::model::Client;
use super::clients::service as clients;
use super::revoke::service::is_revoked;
use super::{Browser, Context, Integration};
use crate::identity::Identity;
use crate::identity::agents::auth::{self as agents, is_of_agent};
use crate::identity::agents::model::Agent;
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service::{self as sessions, SessionError};
use crate::tenant::TenantScope;
use crate::tenant::verify::{Claims, TokenError};
use kernel::{ClientId, Stored};
use protocol::scope;
use std::sync::Arc;

/// Who stands behind an access token.
#[derive(Debug, Clone)]
pub enum Holder {
    /// A user, by themself.
    User(Browser),
    /// A client, in a user's name.
    Delegate(Browser, Arc<Stored<Client>>),
    /// A client, in its own.
    Client(Arc<Stored<Client>>),
    /// An agent.
    Agent(Arc<Stored<Session>>, Arc<Stored<Agent>>),
}

/// Who stands behind a verified token.
///
/// # Errors
/// [`TokenError::Revoked`] when any of them has ended.
pub async fn holder(
    (identity, integration): (&Identity, &Integration),
    tenant: &TenantScope,
    claims: &Claims,
) -> Result<Holder, SessionError> {
    if is_of_agent(claims) {
        let (session, agent) = agents::live(identity, tenant, claims).await?;
        return Ok(Holder::Agent(session, agent));
    }
    let live = |id: &str| ClientId::parse(id).map_err(|_| TokenError::Invalid);
    if is_of_client(claims) {
        let id = live(&claims.sub)?;
        let client = clients::live(identity, integration, tenant, &id).await?.ok_or(TokenError::Revoked)?;
        let is_over = is_revoked(tenant, &claims.jti).await?;
        return if is_over { Err(TokenError::Revoked.into()) } else { Ok(Holder::Client(client)) };
    }
    let (session, user) = sessions::live(identity, tenant, claims).await?;
    let Some(grant) = &session.grant else { return Ok(Holder::User(Browser { session, user })) };
    let find = |id: ClientId| async move {
        let client = clients::live(identity, integration, tenant, &id).await?;
        client.ok_or(SessionError::from(TokenError::Revoked))
    };
    let mut client = find(grant.client_id.clone()).await?;
    // An exchanged token is the client's it was issued to, for as long as the one it came from is there, too.
    if let Some(own) = claims.client_id.as_deref().filter(|own| *own != client.id.as_str()) {
        client = find(live(own)?).await?;
    }
    if claims.act.is_some() && is_revoked(tenant, &claims.jti).await? {
        return Err(TokenError::Revoked.into());
    }
    Ok(Holder::Delegate(Browser { session, user }, client))
}

/// As [`holder`], for the services of this layer.
///
/// # Errors
/// As [`holder`].
pub async fn holder_of(ctx: Context<'_>, claims: &Claims) -> Result<Holder, SessionError> {
    holder((ctx.identity, ctx.integration), ctx.tenant, claims).await
}

/// Whether a token is a client's own.
pub fn is_of_client(claims: &Claims) -> bool {
    claims.sub.starts_with(ClientId::PREFIX)
}

/// What a client may in its own name: its token's scopes, as far as it has them still.
pub fn held_by(client: &Client, token: &[String]) -> Vec<String> {
    scope::common(token, &protocol::oauth::scope::permissions(&client.scopes))
        .into_iter()
        .map(str::to_owned)
        .collect()
}
