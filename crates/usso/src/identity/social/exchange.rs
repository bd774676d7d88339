//! Talking to a provider: redeeming a code, asking for the user.

use super::apple;
use super::error::SocialError;
use super::id_token::{self, Expected};
use super::provider::{Dialect, Provider};
use super::transaction::Transaction;
use crate::identity::Identity;
use crate::tenant::TenantScope;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::{Internet, WebAnswer, WebRequest};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How long a provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Somebody as a provider describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who vouches: an issuer, or the name of a provider without one.
    pub authority: String,
    /// What they are called there, for ever.
    pub subject: String,
    /// Their address, if the provider says that it is proven.
    pub email: Option<String>,
    /// What they call themselves.
    pub name: Option<String>,
    /// Their picture.
    pub picture: Option<String>,
}

/// A request for JSON.
pub(super) fn get(url: &str) -> WebRequest {
    let headers = vec![("accept", "application/json".to_owned()), ("user-agent", "usso".to_owned())];
    WebRequest { method: "GET", url: url.to_owned(), headers, body: Vec::new() }
}

/// The one place where a provider is spoken to.
pub(super) async fn send(internet: &dyn Internet, request: WebRequest) -> Result<WebAnswer, SocialError> {
    let answer = tokio::time::timeout(PATIENCE, internet.send(request)).await;
    let answer = answer.ok().and_then(Result::ok).ok_or(SocialError::Unreachable)?;
    match answer.status {
        200..=299 => Ok(answer),
        500.. | 429 => Err(SocialError::Unreachable),
        _ => Err(SocialError::Invalid("the status")),
    }
}

pub(super) async fn fetch_json<T: DeserializeOwned>(
    internet: &dyn Internet,
    request: WebRequest,
) -> Result<T, SocialError> {
    let answer = send(internet, request).await?;
    serde_json::from_slice(&answer.body).map_err(|_| SocialError::Invalid("the document"))
}

/// What a code is redeemed for.
#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    id_token: Option<String>,
}

/// What a code says, and about whom.
pub(super) struct Code<'a> {
    pub provider: &'a Provider,
    pub transaction: &'a Transaction,
    pub code: &'a str,
}

/// Redeems a code and finds out whose it is.
pub(super) async fn redeem(
    identity: &Identity,
    internet: &dyn Internet,
    tenant: &TenantScope,
    code: Code<'_>,
) -> Result<Account, SocialError> {
    match &code.provider.dialect {
        Dialect::Oidc { issuer } => {
            let metadata = identity.social().metadata(internet, tenant, issuer).await?;
            let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
            let is_basic = methods.is_none_or(|all| !all.iter().any(|own| own == "client_secret_post"));
            let tokens = tokens(internet, tenant, &code, (&metadata.token_endpoint, is_basic)).await?;
            let id_token = tokens.id_token.ok_or(SocialError::Invalid("no id token"))?;
            let expected = Expected {
                issuer: &metadata.issuer,
                client_id: &code.provider.client_id,
                nonce: &code.transaction.nonce,
            };
            let claims = id_token::verify(identity, internet, tenant, (&id_token, issuer), expected).await?;
            let mut account = of_claims(issuer, &claims)?;
            // Some tell the address there only. It counts for the same subject alone (OpenID Connect Core 5.3.2).
            if claims.get("email").is_none()
                && let Some((url, token)) = metadata.userinfo_endpoint.as_ref().zip(tokens.access_token)
            {
                let more = of_claims(issuer, &userinfo(internet, url, &token).await?)?;
                if more.subject != account.subject {
                    return Err(SocialError::Invalid("the subject of the userinfo"));
                }
                account = Account { name: account.name.or(more.name.clone()), ..more };
            }
            Ok(account)
        }
        Dialect::OAuth { token, userinfo: url, emails, .. } => {
            let tokens = tokens(internet, tenant, &code, (token, false)).await?;
            let token = tokens.access_token.ok_or(SocialError::Invalid("no access token"))?;
            let claims = userinfo(internet, url, &token).await?;
            let mut account = of_claims(&code.provider.name, &claims)?;
            if let Some(emails) = emails {
                account.email = primary(&userinfo(internet, emails, &token).await?);
            }
            Ok(account)
        }
    }
}

async fn tokens(
    internet: &dyn Internet,
    tenant: &TenantScope,
    code: &Code<'_>,
    (endpoint, is_basic): (&str, bool),
) -> Result<Tokens, SocialError> {
    let secret = apple::client_secret(tenant, code.provider)?;
    let (client_id, secret) = (code.provider.client_id.as_str(), secret.expose_secret());
    let mut request = WebRequest { method: "POST", ..get(endpoint) };
    if is_basic {
        // Both are form-encoded first (RFC 6749 section 2.3.1).
        let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", part(client_id), part(secret));
        request.headers.push(("authorization", format!("Basic {}", STANDARD.encode(pair))));
    }
    request.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    request.body = form(code, (!is_basic).then_some((client_id, secret))).into_bytes();
    fetch_json(internet, request).await
}

/// What redeems a code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
fn form(code: &Code<'_>, client: Option<(&str, &str)>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code.code)
        .append_pair("redirect_uri", &code.transaction.redirect_uri)
        .append_pair("code_verifier", &code.transaction.verifier);
    if let Some((id, secret)) = client {
        form.append_pair("client_id", id).append_pair("client_secret", secret);
    }
    form.finish()
}

async fn userinfo(internet: &dyn Internet, url: &str, token: &str) -> Result<Value, SocialError> {
    let mut request = get(url);
    request.headers.push(("authorization", format!("Bearer {token}")));
    fetch_json(internet, request).await
}

/// An account out of claims, or of what an OAuth 2.0 provider tells of a user.
fn of_claims(authority: &str, claims: &Value) -> Result<Account, SocialError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    // A number at GitHub. Never a name or address: those change hands.
    let subject = text("sub").or_else(|| match claims.get("id")? {
        Value::Number(id) => Some(id.to_string()),
        Value::String(id) => Some(id.clone()),
        _ => None,
    });
    let subject = subject.filter(|own| (1..=255).contains(&own.len()));
    // Apple writes it as a text.
    let is_verified = match claims.get("email_verified") {
        Some(Value::Bool(is_verified)) => *is_verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    Ok(Account {
        authority: authority.to_owned(),
        subject: subject.ok_or(SocialError::Invalid("no subject"))?,
        email: text("email").filter(|_| is_verified),
        name: text("name")
            .map(|name| name.trim().chars().take(200).collect())
            .filter(|n: &String| !n.is_empty()),
        picture: text("picture")
            .or_else(|| text("avatar_url"))
            .filter(|url| url.starts_with("https://") && url.len() <= 2_048),
    })
}

/// The address a list of GitHub's shape names first, if it is proven.
fn primary(list: &Value) -> Option<String> {
    let is = |own: &Value, name: &str| own.get(name).and_then(Value::as_bool) == Some(true);
    let found = list.as_array()?.iter().find(|own| is(own, "primary") && is(own, "verified"))?;
    found.get("email")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_counts_only_when_the_provider_says_it_is_proven() {
        let email = |verified: Value| {
            of_claims("a", &json!({"sub": "1", "email": "a@b.example", "email_verified": verified}))
                .unwrap()
                .email
        };
        assert!(email(json!(true)).is_some() && email(json!("true")).is_some());
        assert!(
            email(json!(false)).is_none() && email(json!("false")).is_none() && email(json!(1)).is_none()
        );
        assert!(of_claims("a", &json!({"sub": "1", "email": "a@b.example"})).unwrap().email.is_none());
        let list = json!([{"email": "x@b.example", "primary": true, "verified": false}]);
        assert_eq!(primary(&list), None);
    }

    #[test]
    fn a_subject_is_never_a_name_or_an_address() {
        assert_eq!(
            of_claims("github", &json!({"id": 583_231, "login": "octocat"})).unwrap().subject,
            "583231"
        );
        assert!(of_claims("a", &json!({"login": "octocat", "email": "a@b.example"})).is_err());
        assert!(of_claims("a", &json!({"sub": ""})).is_err());
    }
}
