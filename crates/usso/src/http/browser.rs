//! Who is signed in, in the browser that sends a request: what the authorization endpoint and the pages ask.
//!
//! A browser whose access cookie ran out but whose refresh cookie is good is signed in all the same; nothing is written
//! for it. Only a person's own session counts: no client's, no agent's, and none in somebody's name.

use crate::http::{AppState, Tenant, caller, cookie};
use crate::identity::sessions::service;
use crate::integration::Browser;
use crate::tenant::verify::{TokenType, verify};
use caller::{Presented, Source};
use http::HeaderMap;

/// The person who is signed in, by the header or cookies of a request. The first credential present decides, but for the
/// access cookie, behind which stands the refresh cookie.
pub async fn signed_in(state: &AppState, tenant: &Tenant, headers: &HeaderMap) -> Option<Browser> {
    match caller::presented(headers).ok()? {
        Some(Presented::Token(token, Source::Header)) => by(state, tenant, token, TokenType::Access).await,
        Some(Presented::ApiKey(_) | Presented::Token(_, Source::Dpop)) => None,
        Some(Presented::Token(token, Source::Cookie)) => {
            match by(state, tenant, token, TokenType::Access).await {
                None => by_refresh_cookie(state, tenant, headers).await,
                found => found,
            }
        }
        None => by_refresh_cookie(state, tenant, headers).await,
    }
}

/// As [`signed_in`], with as many factors as the tenant asks for by now: who is to be given something in that session.
pub async fn signed_in_enough(state: &AppState, tenant: &Tenant, headers: &HeaderMap) -> Option<Browser> {
    let needs_two = tenant.scope.profile().settings.require_mfa;
    signed_in(state, tenant, headers).await.filter(|own| !(needs_two && own.session.is_weak()))
}

/// Whether a request relies on cookies alone.
pub fn is_by_cookie(headers: &HeaderMap) -> bool {
    !matches!(caller::presented(headers), Ok(Some(Presented::Token(_, Source::Header))))
}

/// The person whose refresh cookie a request has: it never leaves its host, and no program is given it.
pub async fn by_refresh_cookie(state: &AppState, tenant: &Tenant, headers: &HeaderMap) -> Option<Browser> {
    by(state, tenant, cookie::get(headers, cookie::REFRESH)?, TokenType::Refresh).await
}

async fn by(state: &AppState, tenant: &Tenant, token: &str, kind: TokenType) -> Option<Browser> {
    let claims = verify(&tenant.scope, token).ok().filter(|claims| claims.token_type == kind)?;
    let (session, user) = service::live(&state.identity, &tenant.scope, &claims).await.ok()?;
    service::check_generation(&state.identity, &tenant.scope, &claims).await.ok()?;
    session.is_personal().then_some(Browser { session, user })
}
