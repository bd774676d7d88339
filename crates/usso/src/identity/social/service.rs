//! Sending a browser to a provider, and taking it back.

use super::account;
use super::error::SocialError;
use super::exchange::{Code, redeem};
use super::may_begin;
use super::provider::{Dialect, Provider, find};
use super::transaction::{Link, Transaction};
use crate::identity::Identity;
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::{Carried, Context, Step};
use crate::identity::users::model::{Credential, User};
use crate::tenant::TenantScope;
use kernel::{Internet, Stored};
use serde::Deserialize;
use serde_json::Value;

/// What a browser begins.
#[derive(Debug)]
pub struct Start<'a> {
    /// With whom.
    pub provider: &'a str,
    /// Our address, below which providers send browsers back.
    pub issuer: &'a str,
    /// Where to go at the end: a page of the tenant.
    pub target: Option<String>,
    /// For whom to link the account, if not to sign in.
    pub link: Option<Link>,
    /// The browser's secret.
    pub browser: &'a str,
}

/// Where a browser goes to sign in.
#[derive(Debug)]
pub struct Started {
    /// The provider's page.
    pub url: String,
    /// Whether the provider sends the browser back by a form.
    pub posts: bool,
}

/// Begins. Nothing is written.
///
/// # Errors
/// [`SocialError::NotFound`], [`SocialError::NotOpen`], [`SocialError::Misconfigured`]; [`SocialError::Unreachable`] when the provider
/// doesn't tell its addresses.
pub async fn start(
    identity: &Identity,
    internet: &dyn Internet,
    tenant: &TenantScope,
    start: Start<'_>,
) -> Result<Started, SocialError> {
    let provider = open_provider(tenant, start.provider)?;
    let usual = || format!("{}/api/sso/v1/auth/oauth/{}/callback", start.issuer, provider.name);
    let redirect_uri = provider.redirect_uri.clone().unwrap_or_else(usual);
    let of_whom = (provider.name.as_str(), redirect_uri);
    let transaction = Transaction::new(tenant, of_whom, (start.target, start.link), start.browser);
    let endpoint = match &provider.dialect {
        Dialect::Oidc { issuer } => {
            identity.social().metadata(internet, tenant, issuer).await?.authorization_endpoint.clone()
        }
        Dialect::OAuth { authorize, .. } => authorize.clone(),
    };
    let url = asked(&provider, &transaction, &endpoint, &transaction.seal(tenant)?);
    Ok(Started { url, posts: provider.posts() })
}

fn open_provider(tenant: &TenantScope, name: &str) -> Result<Provider, SocialError> {
    let provider = find(tenant, name)?;
    if may_begin(&tenant.profile().settings, Method::Oauth) {
        Ok(provider)
    } else {
        Err(SocialError::NotOpen)
    }
}

/// The request a browser takes to the provider (RFC 6749 section 4.1.1).
fn asked(provider: &Provider, transaction: &Transaction, endpoint: &str, state: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &transaction.redirect_uri)
        .append_pair("state", state)
        .append_pair("code_challenge", &transaction.challenge())
        .append_pair("code_challenge_method", "S256");
    if !provider.scopes.is_empty() {
        query.append_pair("scope", &provider.scopes);
    }
    if matches!(provider.dialect, Dialect::Oidc { .. }) {
        query.append_pair("nonce", &transaction.nonce);
    }
    if provider.posts() {
        query.append_pair("response_mode", "form_post");
    }
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{}", query.finish())
}

/// What a provider sends a browser back with.
#[derive(Debug, Default, Deserialize)]
pub struct Callback {
    /// The transaction.
    pub state: Option<String>,
    /// What to redeem.
    pub code: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// The name, that Apple tells once, beside the code.
    pub user: Option<String>,
}

/// How it ended.
#[derive(Debug)]
pub enum Outcome {
    /// A sign-in went a step further.
    SignedIn(Step),
    /// An account was linked.
    Linked(Box<(Stored<User>, Credential)>),
}

/// Takes a browser back: the transaction is used up, the code redeemed, the account found. Answers also where to go.
///
/// # Errors
/// See [`SocialError`].
pub async fn finish(
    context: Context<'_>,
    internet: &dyn Internet,
    (name, callback): (&str, &Callback),
    browser: Option<&str>,
    carried: Carried,
) -> Result<(Option<String>, Outcome), SocialError> {
    let Context { identity, tenant, .. } = context;
    let provider = open_provider(tenant, name)?;
    let state = callback.state.as_deref().ok_or(SocialError::State)?;
    let transaction = Transaction::open(tenant, &provider.name, state, browser)?;
    check_issuer(identity, internet, tenant, (&provider, callback.iss.as_deref())).await?;
    transaction.use_up(tenant).await?;
    if let Some(error) = &callback.error {
        return Err(SocialError::Refused(error.chars().take(64).collect()));
    }
    let code = callback.code.as_deref().ok_or(SocialError::Invalid("no code"))?;
    let code = Code { provider: &provider, transaction: &transaction, code };
    let mut account = redeem(identity, internet, tenant, code).await?;
    if provider.apple.is_some() && account.name.is_none() {
        account.name = callback.user.as_deref().and_then(told_name);
    }
    let account = (account, provider.name.as_str());
    let outcome = match &transaction.link {
        Some(link) => Outcome::Linked(Box::new(account::link(context, account, link).await?)),
        None => Outcome::SignedIn(account::sign_in(context, account, carried).await?),
    };
    Ok((transaction.target, outcome))
}

/// Whether the answer comes from whom the browser was sent to: nobody can pass another provider's code for this one's.
async fn check_issuer(
    identity: &Identity,
    internet: &dyn Internet,
    tenant: &TenantScope,
    (provider, told): (&Provider, Option<&str>),
) -> Result<(), SocialError> {
    let Dialect::Oidc { issuer } = &provider.dialect else { return Ok(()) };
    let metadata = identity.social().metadata(internet, tenant, issuer).await?;
    match told {
        Some(told) if told == metadata.issuer => Ok(()),
        None if !metadata.authorization_response_iss_parameter_supported => Ok(()),
        _ => Err(SocialError::Invalid("the issuer of the answer")),
    }
}

fn told_name(user: &str) -> Option<String> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |name: &str| user.get("name")?.get(name)?.as_str();
    let whole: Vec<&str> = [part("firstName"), part("lastName")].into_iter().flatten().collect();
    let whole: String = whole.join(" ").trim().chars().take(200).collect();
    (!whole.is_empty()).then_some(whole)
}
