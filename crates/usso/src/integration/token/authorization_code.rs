//! `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6): a code becomes a session, once.
//!
//! The code's record is the gate: one compare-and-swap spends it and names the session it will become. Whoever finds it
//! spent marks that, and ends the session; whoever spent it looks again after the session is there. So of two that come at
//! once with the same code, in whatever order, none keeps a token (RFC 6749 §4.1.2, RFC 9700 §4.5).

use super::Bearer;
use super::id_token::IdToken;
use super::issue::{Issue, Subject, Tokens, issue};
use super::request::{CodeGrant, Target};
use super::session::{Given, of_given, opened};
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service as sessions;
use crate::integration::authorize::code::{self, Code, Presented};
use crate::integration::clients::model::{Client, GrantType};
use crate::integration::consents::service as consents;
use crate::integration::{Browser, Context, OauthError};
use crate::tenant::Actor;
use kernel::{SessionId, Stored};

/// Redeems a code.
///
/// # Errors
/// `invalid_grant` for a code that is unknown, used, outdated, another client's, or whose proof key or redirection URI
/// doesn't fit; `invalid_target`.
pub(super) async fn redeem(
    ctx: Context<'_>,
    who: Bearer<'_>,
    grant: CodeGrant,
    target: Target,
) -> Result<Tokens, OauthError> {
    let client = who.client;
    let found = code::find(ctx.tenant, &grant.code).await?.ok_or_else(invalid)?;
    let audience = target.or(found.resource.clone())?.audience(ctx, client)?;
    let now = ctx.tenant.now();
    let id = SessionId::generate(now, ctx.tenant.random());
    let presented = Presented {
        client: &client.id,
        redirect_uri: grant.redirect_uri.as_deref(),
        verifier: grant.verifier.as_deref(),
        jkt: who.jkt,
    };
    let remembered = now.plus_seconds(ctx.tenant.profile().settings.refresh_timeout);
    match code::spend(ctx.tenant, &grant.code, presented, (&id, remembered)).await? {
        code::Spent::Now => {}
        code::Spent::Refused(why) => return Err(OauthError::invalid_grant(why)),
        code::Spent::Before(issued) => {
            end(ctx, issued.as_ref()).await?;
            return Err(invalid());
        }
    }
    let browser = giver(ctx, &found).await?;
    if !is_still_allowed(ctx, client, &found).await? {
        return Err(invalid());
    }
    let session = of_given(ctx, who, (&Given::from(&found), &browser), (id, &audience));
    let event = opened(ctx, &session, client, &browser.user);
    let session = ctx.tenant.records::<Session>().insert(session, vec![event]).await?;
    if code::was_reused(ctx.tenant, &grant.code).await? {
        end(ctx, Some(&session.id)).await?;
        return Err(invalid());
    }
    tokens(ctx, who, (&found, &browser, &session), audience).await
}

async fn tokens(
    ctx: Context<'_>,
    who: Bearer<'_>,
    (code, browser, session): (&Code, &Browser, &Stored<Session>),
    audience: String,
) -> Result<Tokens, OauthError> {
    let held =
        ctx.identity.held_in(ctx.tenant, (session, &browser.user), session.workspace_id.as_deref()).await?;
    let held = held.ok_or_else(invalid)?;
    let is_oidc = code.scope.iter().any(|word| word == "openid");
    let what = Issue {
        subject: Subject::User { session, user: &browser.user, held: &held },
        client: who.client,
        scope: &code.scope,
        audience,
        cnf: who.confirmation(),
        act: None,
        until: None,
        refresh: who.client.may_use(GrantType::RefreshToken),
        id_token: is_oidc.then_some(IdToken { nonce: code.nonce.as_deref() }),
    };
    issue(ctx, what).await
}

/// Who gave the code, if they are still signed in where they did.
async fn giver(ctx: Context<'_>, code: &Code) -> Result<Browser, OauthError> {
    let session = ctx.identity.session(ctx.tenant, &code.browser).await?.ok_or_else(invalid)?;
    let user = ctx.identity.user(ctx.tenant, &code.user_id).await?.ok_or_else(invalid)?;
    let is_there = sessions::lives(ctx.identity, ctx.tenant, &session, &user).await?;
    if is_there { Ok(Browser { session, user }) } else { Err(invalid()) }
}

/// Whether what was allowed wasn't taken back since.
async fn is_still_allowed(ctx: Context<'_>, client: &Client, code: &Code) -> Result<bool, OauthError> {
    Ok(client.is_first_party
        || consents::covers(ctx.tenant, (&code.user_id, &client.id), &code.scope).await?)
}

async fn end(ctx: Context<'_>, session: Option<&SessionId>) -> Result<(), OauthError> {
    let Some(id) = session else { return Ok(()) };
    let reason = ("session.code_reused", Actor::Anonymous);
    sessions::end(ctx.identity, ctx.tenant, id, reason, ctx.peer).await?;
    Ok(())
}

fn invalid() -> OauthError {
    OauthError::invalid_grant("The code is unknown, used, expired, or another client's")
}
