//! Whether a token is worth something, to whom.

use crate::identity::identifiers::IdentifierKind;
use crate::identity::sessions::service as sessions;
use crate::identity::users::model::User;
use crate::integration::access::{Holder, holder_of};
use crate::integration::clients::authenticate::authenticate;
use crate::integration::clients::model::Client;
use crate::integration::token::request::{once, required};
use crate::integration::{Context, OauthError};
use crate::tenant::verify::{Claims, Confirmation, TokenType, verify};
use protocol::oauth::Params;
use serde::Serialize;

/// What is told of a token (RFC 7662 §2.2).
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Introspection {
    /// Whether it is worth something, to whoever asks.
    pub active: bool,
    /// What it was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// To which client it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What the user is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer`, or `DPoP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// When it ends, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When it was issued, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// What it may, in our grammar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// How strongly the user signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// When they did, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The key it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// Answers a resource server.
///
/// # Errors
/// `invalid_client`, also for one that can't prove who it is; `invalid_request`.
pub async fn introspect(
    ctx: Context<'_>,
    authorization: Option<&str>,
    params: &Params,
) -> Result<Introspection, OauthError> {
    once(params)?;
    let asker = authenticate(ctx, authorization, params).await?.client;
    if asker.is_public() {
        return Err(OauthError::invalid_client("Only clients that prove who they are may ask"));
    }
    let token = required(params, "token")?;
    let Ok(claims) = verify(ctx.tenant, token) else { return Ok(Introspection::default()) };
    if !may_know(&asker, &claims) {
        return Ok(Introspection::default());
    }
    Ok(match worth(ctx, &claims).await? {
        Some(username) => told(claims, username),
        None => Introspection::default(),
    })
}

/// Whether a token is the asker's own, or meant for it; one that nobody was named for is for every application of the tenant.
fn may_know(asker: &Client, claims: &Claims) -> bool {
    let is = |id: &Option<String>| id.as_deref() == Some(asker.id.as_str());
    let is_meant = claims.aud.as_ref().is_some_and(|aud| asker.audiences.contains(aud));
    let is_anybodys = claims.client_id.is_none() && claims.aud.is_none();
    match claims.token_type {
        TokenType::Access => is(&claims.client_id) || is(&claims.aud) || is_meant || is_anybodys,
        TokenType::Refresh => is(&claims.client_id),
        _ => false,
    }
}

/// What the user of a token is called, if the token is worth something.
async fn worth(ctx: Context<'_>, claims: &Claims) -> Result<Option<Option<String>>, OauthError> {
    let checked = async {
        let holder = holder_of(ctx, claims).await?;
        sessions::check_generation(ctx.identity, ctx.tenant, claims).await?;
        Ok(holder)
    };
    match checked.await {
        Ok(Holder::User(browser) | Holder::Delegate(browser, _)) => Ok(Some(Some(called(&browser.user)))),
        Ok(Holder::Client(_) | Holder::Agent(..)) => Ok(Some(None)),
        Err(sessions::SessionError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn called(user: &User) -> String {
    let kinds = [IdentifierKind::Username, IdentifierKind::Email, IdentifierKind::Phone];
    let verified = kinds.into_iter().find_map(|kind| user.verified(kind));
    verified.unwrap_or(user.id.as_str()).to_owned()
}

fn told(claims: Claims, username: Option<String>) -> Introspection {
    Introspection {
        active: true,
        scope: claims.scope,
        client_id: claims.client_id,
        username,
        token_type: Some(if claims.cnf.is_some() { "DPoP" } else { "Bearer" }),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        sub: Some(claims.sub),
        aud: claims.aud,
        iss: Some(claims.iss),
        jti: Some(claims.jti),
        tenant_id: Some(claims.tenant_id),
        session_id: claims.session_id,
        scopes: claims.scopes,
        acr: claims.acr,
        auth_time: claims.auth_time,
        cnf: claims.cnf,
    }
}
