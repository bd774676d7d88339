//! Ending what a token stands for.

use crate::identity::sessions::service as sessions;
use crate::integration::access::is_of_client;
use crate::integration::clients::authenticate::authenticate;
use crate::integration::token::request::{once, required};
use crate::integration::{Context, OauthError};
use crate::tenant::audit::Event;
use crate::tenant::one_time::OneTime;
use crate::tenant::verify::{Claims, TokenType, verify};
use crate::tenant::{Actor, TenantScope};
use kernel::{SessionId, StorageError, Timestamp};
use protocol::oauth::Params;

/// Revokes a token of the client that asks. Whatever else is presented is no error (RFC 7009 §2.2).
///
/// # Errors
/// `invalid_client`, `invalid_request`.
pub async fn revoke(
    ctx: Context<'_>,
    authorization: Option<&str>,
    params: &Params,
) -> Result<(), OauthError> {
    once(params)?;
    let client = authenticate(ctx, authorization, params).await?.client;
    let token = required(params, "token")?;
    let Ok(claims) = verify(ctx.tenant, token) else { return Ok(()) };
    let is_revocable = matches!(claims.token_type, TokenType::Access | TokenType::Refresh);
    if !is_revocable || claims.client_id.as_deref() != Some(client.id.as_str()) {
        return Ok(());
    }
    let actor = Actor::Client { client: client.id.as_str().to_owned(), user: None };
    // The session an exchanged token came from is another client's.
    if is_of_client(&claims) || claims.act.is_some() {
        return forbid(ctx, &claims, actor).await.map_err(Into::into);
    }
    if let Some(id) = claims.session_id.as_deref().and_then(|id| SessionId::parse(id).ok()) {
        sessions::end(ctx.identity, ctx.tenant, &id, ("session.token_revoked", actor), ctx.peer).await?;
    }
    Ok(())
}

fn id(jti: &str) -> String {
    OneTime::id_for("revoked_token", &[jti])
}

async fn forbid(ctx: Context<'_>, claims: &Claims, actor: Actor) -> Result<(), StorageError> {
    let event = Event::new("client.token_revoked", actor, claims.sub.as_str(), ctx.peer)
        .with("jti", claims.jti.as_str());
    let expires_at = Timestamp::from_unix_seconds(claims.exp).plus_seconds(1);
    let mark = OneTime { id: id(&claims.jti), data: serde_json::Value::Null, expires_at };
    match ctx.tenant.records::<OneTime>().insert(mark, vec![event.effect(ctx.tenant)]).await {
        Ok(_) | Err(StorageError::Exists) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether a client's own token was revoked.
///
/// # Errors
/// When the database is away.
pub async fn is_revoked(tenant: &TenantScope, jti: &str) -> Result<bool, StorageError> {
    Ok(tenant.records::<OneTime>().get(&id(jti)).await?.is_some())
}
