//! Whom an access token lets its bearer know, and how well.

use super::claims::{claims_of, names, words};
use crate::identity::sessions::service::SessionError;
use crate::integration::access::{Holder, holder_of};
use crate::integration::clients::model::Client;
use crate::integration::token::id_token::{signed, signs_with};
use crate::integration::{Browser, Context, OauthCode, OauthError};
use crate::tenant::verify::{Claims, TokenError, TokenType};
use serde_json::{Map, Value, json};

/// How long a signed answer is good, in seconds.
const SIGNED_FOR: i64 = 300;

/// What is known of a user, as the client wants it.
#[derive(Debug)]
pub enum Userinfo {
    /// As JSON.
    Plain(Map<String, Value>),
    /// As a signed JWT (Core §5.3.2).
    Signed(String),
}

/// What a verified access token tells of its user. One of the user's own, without any client, tells everything.
///
/// # Errors
/// `invalid_token`; `insufficient_scope` without `openid` (Core §5.3.1).
pub async fn userinfo(ctx: Context<'_>, claims: &Claims) -> Result<Userinfo, OauthError> {
    if claims.token_type != TokenType::Access {
        return Err(TokenError::WrongType.into());
    }
    match holder_of(ctx, claims).await.map_err(refused)? {
        Holder::User(browser) => Ok(Userinfo::Plain(about(&browser, &names()))),
        Holder::Delegate(browser, client) => delegated(ctx, claims, (&browser, &client)).await,
        Holder::Client(_) | Holder::Agent(..) => Err(insufficient()),
    }
}

async fn delegated(
    ctx: Context<'_>,
    claims: &Claims,
    (browser, client): (&Browser, &Client),
) -> Result<Userinfo, OauthError> {
    // The token's own words: it may have been issued for less than was granted.
    let scope: Vec<String> =
        claims.scope.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).collect();
    if !scope.iter().any(|word| word == "openid") {
        return Err(insufficient());
    }
    // Single claims were asked for, and allowed, by and for one client.
    let grant = browser.session.grant.as_ref().filter(|grant| grant.client_id == client.id);
    let single = grant.map(|grant| grant.claims.userinfo.clone()).unwrap_or_default();
    let told = about(browser, &words(&scope, &single));
    let Some(wanted) = client.userinfo_alg else { return Ok(Userinfo::Plain(told)) };
    let mut told = told;
    let now = ctx.tenant.now().unix_seconds();
    // Its kind and its end keep it from passing for an access token anywhere (contract 2.3).
    let envelope = json!({
        "iss": ctx.issuer, "aud": client.id, "iat": now, "exp": now + SIGNED_FOR, "token_type": "userinfo",
    });
    told.extend(envelope.as_object().cloned().unwrap_or_default());
    Ok(Userinfo::Signed(signed(ctx, signs_with(ctx, wanted), &told).await?))
}

fn about(browser: &Browser, names: &[&str]) -> Map<String, Value> {
    let mut told = claims_of(&browser.user, names);
    told.insert("sub".to_owned(), browser.user.id.as_str().into());
    told
}

fn insufficient() -> OauthError {
    OauthError::Refused(OauthCode::InsufficientScope, "The token was not granted openid".into())
}

/// A token whose session has ended is, here, a token that isn't accepted.
fn refused(error: SessionError) -> OauthError {
    match error {
        SessionError::Token(e) => OauthError::Token(e),
        other => other.into(),
    }
}
