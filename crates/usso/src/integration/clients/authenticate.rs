//! Where a client says who it is (RFC 6749 §2.3, §3.2.1; OpenID Connect Core §9). The only place: the token, introspection
//! and revocation endpoints, and whatever joins them, all come here.
//!
//! One way a request, the one the client registered. What failed is never told: an unknown client, a wrong secret and the
//! wrong way look alike, and secrets are compared as digests, in constant time.

use super::assertion;
use super::model::{AuthMethod, Client};
use super::secret;
use super::service;
use crate::identity::attempts::{self, Source};
use crate::integration::{Context, OauthError};
use crate::tenant::Actor;
use crate::tenant::audit::Event;
use kernel::{ClientId, Stored};
use protocol::oauth::Params;
use protocol::oauth::client_assertion::{ASSERTION_TYPE, claimed_client};
use std::sync::Arc;

/// How many failures an address may have in a minute.
const FAILURES: u64 = 100;

/// A client that has said who it is.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The client.
    pub client: Arc<Stored<Client>>,
    /// How.
    pub method: AuthMethod,
}

/// What a request presents.
enum Presented {
    /// A secret, and where it stood.
    Secret { id: String, secret: String, method: AuthMethod },
    /// A JWT under its key.
    Assertion { id: String, assertion: String },
    /// Only its name.
    Nothing { id: String },
}

/// Finds out which client a request comes from. `authorization`: the header of that name.
///
/// # Errors
/// `invalid_client`; `invalid_request` for two ways at once; too many failures from one address.
pub async fn authenticate(
    ctx: Context<'_>,
    authorization: Option<&str>,
    params: &Params,
) -> Result<Authenticated, OauthError> {
    let presented = presented(authorization, params)?;
    let (id, method) = match &presented {
        Presented::Secret { id, method, .. } => (id, *method),
        Presented::Assertion { id, .. } => (id, AuthMethod::PrivateKeyJwt),
        Presented::Nothing { id } => (id, AuthMethod::None),
    };
    let client = match ClientId::parse(id) {
        Ok(id) => service::live(ctx.identity, ctx.integration, ctx.tenant, &id).await?,
        Err(_) => None,
    };
    let Some(client) = client.filter(|client| client.may_authenticate_by(method)) else {
        return Err(failed(ctx).await?);
    };
    if is_proven(ctx, &client, &presented).await? {
        Ok(Authenticated { client, method })
    } else {
        Err(failed(ctx).await?)
    }
}

async fn is_proven(ctx: Context<'_>, client: &Client, presented: &Presented) -> Result<bool, OauthError> {
    match presented {
        Presented::Secret { secret, .. } => Ok(client.has_secret(&secret::digest(secret), ctx.tenant.now())),
        Presented::Assertion { assertion, .. } => assertion::is_proven(ctx, client, assertion).await,
        Presented::Nothing { .. } => Ok(true),
    }
}

fn presented(authorization: Option<&str>, params: &Params) -> Result<Presented, OauthError> {
    let named = params.get("client_id").map(str::to_owned);
    let in_body = params.get("client_secret").map(str::to_owned);
    if let Some(assertion) = asserted(params)? {
        if authorization.is_some() || in_body.is_some() {
            return Err(OauthError::invalid_request("Say who you are in one way only"));
        }
        let id = claimed_client(assertion).ok_or_else(unknown)?;
        if named.is_some_and(|named| named != id) {
            return Err(OauthError::invalid_request("client_id names another client than the assertion"));
        }
        return Ok(Presented::Assertion { id, assertion: assertion.to_owned() });
    }
    match (authorization, in_body) {
        (Some(_), Some(_)) => Err(OauthError::invalid_request("Say who you are in one way only")),
        (Some(header), None) => {
            let (id, secret) = basic(header).ok_or_else(unknown)?;
            if named.is_some_and(|named| named != id) {
                return Err(OauthError::invalid_request(
                    "client_id names another client than the Authorization header",
                ));
            }
            Ok(Presented::Secret { id, secret, method: AuthMethod::ClientSecretBasic })
        }
        (None, Some(secret)) => {
            let id = named.ok_or_else(unknown)?;
            Ok(Presented::Secret { id, secret, method: AuthMethod::ClientSecretPost })
        }
        (None, None) => Ok(Presented::Nothing { id: named.ok_or_else(unknown)? }),
    }
}

/// The assertion of a request, if it says that it is one (RFC 7521 §4.2).
fn asserted(params: &Params) -> Result<Option<&str>, OauthError> {
    match (params.get("client_assertion_type"), params.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(ASSERTION_TYPE), Some(assertion)) => Ok(Some(assertion)),
        _ => Err(unknown()),
    }
}

/// `Basic`, both halves encoded as forms are (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // As the name of a pair without value: `&`, `=` and `;` can't be in what is encoded.
    let encoded = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(encoded.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn unknown() -> OauthError {
    OauthError::invalid_client("Unknown client, or it did not prove to be it")
}

/// What a client is told that isn't one: that, or to wait.
async fn failed(ctx: Context<'_>) -> Result<OauthError, OauthError> {
    let source = Source { purpose: "client_authentication", ip: ctx.peer.ip, limit: FAILURES, window: 60 };
    let target = ctx.tenant.id().as_str();
    let limited = Event::refused("client.authentication_limited", Actor::Anonymous, target, ctx.peer);
    let spent = attempts::spend(ctx.tenant, &source, limited.effect(ctx.tenant)).await?;
    Ok(spent.map_or_else(unknown, |retry_after| OauthError::TooMany { retry_after }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(pair: &str) -> String {
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair))
    }

    #[test]
    fn both_halves_of_a_basic_header_are_form_decoded() {
        let found = basic(&header("client%5Fa:s%3A%25%2B%C3%A9+x"));
        assert_eq!(found, Some(("client_a".to_owned(), "s:%+\u{e9} x".to_owned())));
        assert_eq!(basic(&header("a:b:c=&d")), Some(("a".to_owned(), "b:c=&d".to_owned())));
    }

    #[test]
    fn what_is_no_basic_header_names_nobody() {
        for wrong in ["Bearer x", "Basic", "Basic !!", &header("no colon")] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_client_says_who_it_is_in_one_way() {
        let body = Params::parse(b"client_id=client_a&client_secret=s");
        assert!(presented(Some(&header("client_a:s")), &body).is_err());
        let other = Params::parse(b"client_id=client_b");
        assert!(presented(Some(&header("client_a:s")), &other).is_err());
        assert!(presented(None, &Params::parse(b"client_secret=s")).is_err());
    }
}
