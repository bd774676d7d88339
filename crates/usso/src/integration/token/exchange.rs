//! `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): a client that was called with somebody's token calls on in
//! their name.
//!
//! What comes out is never more than what went in: no longer, for no more scopes than the token, the client and the user have, and
//! with everybody who acted written into it. There is no refresh token. It ends with the session of the token that went in.

use super::Bearer;
use super::issue::{Issue, Subject, Tokens, issue};
use super::request::{ExchangeGrant, Target};
use crate::identity::sessions::service::SessionError;
use crate::integration::access::{Holder, holder_of};
use crate::integration::clients::model::Client;
use crate::integration::{Context, OauthError};
use crate::tenant::verify::{Act, Claims, TokenType, verify};
use protocol::oauth::scope;
use protocol::oauth::token_type::TokenTypeUri;

/// Exchanges a token.
///
/// # Errors
/// `invalid_request` for a token that is worth nothing, or not to this client; `invalid_scope` for more than it says;
/// `invalid_target`.
pub(super) async fn exchange(
    ctx: Context<'_>,
    who: Bearer<'_>,
    grant: ExchangeGrant,
    target: Target,
) -> Result<Tokens, OauthError> {
    let client = who.client;
    let claims = verify(ctx.tenant, &grant.subject).map_err(|_| invalid())?;
    if claims.token_type != TokenType::Access || !may_take(client, &claims) {
        return Err(invalid());
    }
    // Whoever has the key of a bound token proves that here, too.
    if claims.cnf.as_ref().is_some_and(|bound| Some(bound.jkt.as_str()) != who.jkt) {
        return Err(invalid());
    }
    let holder = holder_of(ctx, &claims).await.map_err(worthless)?;
    let Holder::Delegate(browser, _) = holder else { return Err(invalid()) };
    let scope = narrowed(client, &claims, grant.scope)?;
    let workspace = claims.workspace_id.as_deref();
    let held = ctx.identity.held_in(ctx.tenant, (&browser.session, &browser.user), workspace).await?;
    let mut held = held.ok_or_else(invalid)?;
    if !client.is_first_party {
        held.roles.clear();
    }
    let what = Issue {
        subject: Subject::User { session: &browser.session, user: &browser.user, held: &held },
        client,
        scope: &scope,
        audience: target.audience(ctx, client)?,
        cnf: who.confirmation(),
        act: Some(Act { sub: client.id.as_str().to_owned(), act: claims.act.clone().map(Box::new) }),
        until: Some(claims.exp),
        refresh: false,
        id_token: None,
    };
    let made = issue(ctx, what).await?;
    Ok(Tokens { issued_token_type: Some(TokenTypeUri::AccessToken.as_str()), ..made })
}

/// Whether a token is the client's own, or meant for it: a token that came by chance is none of its business.
fn may_take(client: &Client, claims: &Claims) -> bool {
    let id = client.id.as_str();
    let is_meant = |aud: &String| aud == id || client.audiences.contains(aud);
    claims.client_id.as_deref() == Some(id) || claims.aud.as_ref().is_some_and(is_meant)
}

/// What of the token's scope the client may have; what it asks for must be in both.
fn narrowed(client: &Client, claims: &Claims, asked: Option<Vec<String>>) -> Result<Vec<String>, OauthError> {
    let held = claims.scope.as_deref().map(scope::parse).transpose().unwrap_or_default().unwrap_or_default();
    let allowed = client.allowed(&held);
    match asked {
        Some(asked) if asked.iter().all(|word| allowed.contains(word)) => Ok(asked),
        Some(_) => Err(OauthError::invalid_scope("More than the token or the client has")),
        None => Ok(allowed),
    }
}

/// A token whose session has ended is worth nothing; that the database is away is not its fault.
fn worthless(error: SessionError) -> OauthError {
    match error {
        SessionError::Storage(error) => error.into(),
        _ => invalid(),
    }
}

fn invalid() -> OauthError {
    OauthError::invalid_request("The subject token is worth nothing here, or not to this client")
}
