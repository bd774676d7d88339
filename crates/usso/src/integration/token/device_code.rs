//! `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4): an approval becomes a session, once.

use super::Bearer;
use super::id_token::IdToken;
use super::issue::{Issue, Subject, Tokens, issue};
use super::request::{DeviceGrant, Target};
use super::session::{Given, of_given, opened};
use crate::identity::sessions::model::{RequestedClaims, Session};
use crate::identity::sessions::service as sessions;
use crate::integration::clients::model::GrantType;
use crate::integration::device::service::{Approved, poll};
use crate::integration::{Browser, Context, OauthError};
use kernel::SessionId;

/// Answers a device that asks.
///
/// # Errors
/// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`; `invalid_grant`.
pub(super) async fn redeem(
    ctx: Context<'_>,
    who: Bearer<'_>,
    grant: DeviceGrant,
    target: Target,
) -> Result<Tokens, OauthError> {
    let audience = target.audience(ctx, who.client)?;
    let approved = poll(ctx.tenant, &grant.device_code, &who.client.id, who.jkt).await?;
    let browser = giver(ctx, &approved).await?;
    let given = Given {
        user_id: approved.user_id,
        scope: approved.request.scope,
        claims: RequestedClaims::default(),
    };
    let id = SessionId::generate(ctx.tenant.now(), ctx.tenant.random());
    let session = of_given(ctx, who, (&given, &browser), (id, &audience));
    let event = opened(ctx, &session, who.client, &browser.user);
    let session = ctx.tenant.records::<Session>().insert(session, vec![event]).await?;
    let workspace = session.workspace_id.as_deref();
    let held = ctx.identity.held_in(ctx.tenant, (&session, &browser.user), workspace).await?;
    let held = held.ok_or_else(over)?;
    let is_oidc = given.scope.iter().any(|word| word == "openid");
    let what = Issue {
        subject: Subject::User { session: &session, user: &browser.user, held: &held },
        client: who.client,
        scope: &given.scope,
        audience,
        cnf: who.confirmation(),
        act: None,
        until: None,
        refresh: who.client.may_use(GrantType::RefreshToken),
        id_token: is_oidc.then(IdToken::default),
    };
    issue(ctx, what).await
}

/// Who approved, if they are still signed in where they did.
async fn giver(ctx: Context<'_>, approved: &Approved) -> Result<Browser, OauthError> {
    let session = ctx.identity.session(ctx.tenant, &approved.session_id).await?.ok_or_else(over)?;
    let user = ctx.identity.user(ctx.tenant, &approved.user_id).await?.ok_or_else(over)?;
    let is_there = sessions::lives(ctx.identity, ctx.tenant, &session, &user).await?;
    if is_there { Ok(Browser { session, user }) } else { Err(over()) }
}

fn over() -> OauthError {
    OauthError::invalid_grant("Who approved it is not signed in any more")
}
