//! A client's wish that its user be signed out (RP-Initiated Logout §2).
//!
//! Whoever shows an id token of ours knows the user. Without one, anybody may have sent the browser here: then nobody is sent on,
//! and a page of another site alone signs nobody out.

use super::notices::frontchannel;
use crate::identity::sessions::model::Session;
use crate::identity::sessions::service as sessions;
use crate::integration::clients::model::Client;
use crate::integration::clients::service as clients;
use crate::integration::token::request::once;
use crate::integration::{Browser, Context, OauthError};
use crate::tenant::Actor;
use crate::tenant::verify::{TokenType, authenticated};
use kernel::{ClientId, SessionId, Stored};
use protocol::oauth::Params;
use serde::Deserialize;
use std::sync::Arc;

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user is signed out, and goes back to the client.
    Back(String),
    /// The user is signed out. The browser tells these clients.
    SignedOut(Vec<String>),
    /// The user is asked first.
    Ask,
}

/// What an id token says of its session.
#[derive(Deserialize)]
struct Hint {
    sub: String,
    aud: String,
    sid: String,
}

/// Signs a user out. `is_bidden`: whether the wish can't come from a page of another site alone.
///
/// # Errors
/// What is shown to the user, who is then signed in as before: an id token that is none of ours, an address that isn't the
/// client's, somebody else's session.
pub async fn end(
    ctx: Context<'_>,
    params: &Params,
    (browser, is_bidden): (Option<&Browser>, bool),
) -> Result<Outcome, OauthError> {
    once(params)?;
    let hint = hint(ctx, params)?;
    let client = client(ctx, params, hint.as_ref()).await?;
    let back = way_back(params, (hint.is_some(), client.as_deref().map(|stored| &stored.record)))?;
    let is_theirs = |browser: &Browser| hint.as_ref().is_none_or(|hint| hint.sub == browser.user.id.as_str());
    if browser.is_some_and(|browser| !is_theirs(browser)) {
        return Err(OauthError::invalid_request("Somebody else is signed in here than the application says"));
    }
    if hint.is_none() && browser.is_some() && !is_bidden {
        return Ok(Outcome::Ask);
    }
    let named = hint.as_ref().and_then(|hint| SessionId::parse(&hint.sid).ok());
    let mut told = Vec::new();
    for id in browser.map(|browser| browser.session.id.clone()).into_iter().chain(named) {
        if ends(ctx, &id, hint.as_ref()).await? {
            told.extend(frontchannel(ctx, &id).await?);
        }
    }
    Ok(back.map_or(Outcome::SignedOut(told), Outcome::Back))
}

/// An id token may be outdated, but must be one of ours (§2).
fn hint(ctx: Context<'_>, params: &Params) -> Result<Option<Hint>, OauthError> {
    let Some(token) = params.get("id_token_hint") else { return Ok(None) };
    let hint = authenticated(ctx.tenant, token, TokenType::Id);
    hint.map(Some).map_err(|_| OauthError::invalid_request("id_token_hint is no id token of this issuer"))
}

async fn client(
    ctx: Context<'_>,
    params: &Params,
    hint: Option<&Hint>,
) -> Result<Option<Arc<Stored<Client>>>, OauthError> {
    let named = params.get("client_id");
    if let (Some(named), Some(hint)) = (named, hint)
        && named != hint.aud
    {
        return Err(OauthError::invalid_request("client_id and id_token_hint are of different applications"));
    }
    let id = hint.map(|hint| hint.aud.as_str()).or(named).and_then(|id| ClientId::parse(id).ok());
    match id {
        Some(id) => Ok(clients::live(ctx.identity, ctx.integration, ctx.tenant, &id).await?),
        None => Ok(None),
    }
}

/// Where the browser goes afterwards: an address the client registered, text by text (§3).
fn way_back(
    params: &Params,
    (is_known, client): (bool, Option<&Client>),
) -> Result<Option<String>, OauthError> {
    let Some(uri) = params.get("post_logout_redirect_uri") else { return Ok(None) };
    let wrong =
        || OauthError::invalid_request("The address to go back to is not registered for this application");
    let client = client.filter(|_| is_known).ok_or_else(wrong)?;
    if !client.logout.post_logout_redirect_uris.iter().any(|own| own == uri) {
        return Err(wrong());
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    Ok(Some(match params.get("state") {
        Some(state) => {
            let pair = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
            format!("{uri}{joint}{pair}")
        }
        None => uri.to_owned(),
    }))
}

/// Ends a session, if it is the hint's user's. False: it was over, or none of theirs.
async fn ends(ctx: Context<'_>, id: &SessionId, hint: Option<&Hint>) -> Result<bool, OauthError> {
    let Some(session) = ctx.identity.session_from_store(ctx.tenant, id).await? else { return Ok(false) };
    let is_theirs = hint.is_none_or(|hint| hint.sub == session.subject());
    if !is_theirs || !Session::is_personal(&session) || session.revoked_at.is_some() {
        return Ok(false);
    }
    let reason = ("session.logged_out", Actor::User(session.subject().to_owned()));
    sessions::end(ctx.identity, ctx.tenant, id, reason, ctx.peer).await?;
    Ok(true)
}
