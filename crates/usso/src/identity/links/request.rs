//! Sending a link to sign in with, and signing in with it.

use super::{Link, LinkError, Purpose, consume};
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::sign_in::flow_allows;
use crate::identity::sign_in::proof::{Method, Proof};
use crate::identity::sign_in::{Carried, Context, Newcomer, SignInError, Step, Wanted, newcomer, proven};
use crate::identity::users::service;
use crate::tenant::TenantScope;
use crate::tenant::messaging::budget;
use crate::tenant::messaging::service::{Message, check, for_nobody, message};
use crate::tenant::messaging::templates::Template;
use kernel::Channel;
use serde_json::{Map, Value, json};

/// Sends a link to sign in with, to whoever has the address or may register with it. Nobody learns which.
///
/// # Errors
/// No way to send it; [`SignInError::RateLimited`].
pub async fn request(
    context: Context<'_>,
    identifier: &Identifier,
    redirect: Option<&str>,
) -> Result<(), SignInError> {
    let Context { tenant, issuer, client, .. } = context;
    let settings = &tenant.profile().settings;
    if identifier.kind() != IdentifierKind::Email {
        return Err(SignInError::NotReachable(identifier.kind()));
    }
    if !flow_allows(settings, Method::MagicLink) {
        return Err(SignInError::MethodNotAllowed(Method::MagicLink.as_str().to_owned()));
    }
    check(tenant, Channel::Email)?;
    let key = identifier.key();
    if let Some(retry_after) = budget::take(tenant, ("magic_link", &key), client.ip).await? {
        return Err(SignInError::RateLimited { retry_after });
    }
    let user = service::find(tenant, identifier).await?;
    let is_sent = match &user {
        Some(user) => user.may_sign_in(),
        None => settings.registration_is_allowed && !settings.invite_only,
    };
    let lifetime = settings.magic_link_timeout;
    let data = json!({ "email": identifier.value(), "redirect": redirect });
    let link = Link::make(tenant, (Purpose::MagicLink, None), lifetime, data, issuer)?;
    let mut variables = Map::new();
    variables.insert("link".to_owned(), url(tenant, issuer, &link.token).into());
    variables.insert("identifier".to_owned(), identifier.value().into());
    variables.insert("minutes".to_owned(), (lifetime / 60).into());
    let letter = Message {
        template: Template::MagicLink,
        channel: Channel::Email,
        to: identifier.value(),
        language: user.as_ref().and_then(|user| user.language()),
        variables,
        valid_until: link.expires_at(),
    };
    let effect = message(tenant, letter)?;
    link.keep(tenant, vec![if is_sent { effect } else { for_nobody(effect) }]).await?;
    Ok(())
}

/// Where the link leads: to the tenant's own page for it, if it named one.
fn url(tenant: &TenantScope, issuer: &str, token: &str) -> String {
    let own = tenant.profile().tenant.frontend_urls.get("magic_link").and_then(Value::as_str);
    match own {
        Some(page) if page.starts_with("http") => format!("{page}?token={token}"),
        Some(page) if page.starts_with('/') => format!("{issuer}{page}?token={token}"),
        _ => format!("{issuer}/api/sso/v1/auth/magic-link?token={token}"),
    }
}

/// Signs in with a link; tells where its sender wanted to go.
///
/// # Errors
/// [`SignInError::LinkUnusable`]; what keeps the account from signing in.
pub async fn redeem(
    context: Context<'_>,
    token: &str,
    pending: Option<crate::identity::sign_in::pending::Pending>,
) -> Result<(Step, Option<String>), SignInError> {
    let data = consume(context.tenant, Purpose::MagicLink, token).await?;
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let email = text("email").ok_or(LinkError::Unusable)?;
    let identifier = Identifier::stored(IdentifierKind::Email, email);
    let redirect = text("redirect").map(str::to_owned);
    let proof = Proof::received(Method::MagicLink, identifier.clone());
    let step = match service::find(context.tenant, &identifier).await? {
        Some(user) => {
            let wanted = pending.as_ref().map(|pending| pending.wanted.clone()).unwrap_or_default();
            proven(context, user, proof, Carried { wanted, pending }).await?
        }
        None => {
            let new = Newcomer { identifier, name: None, referral_code: None };
            newcomer(context, new, proof, Wanted::default()).await?
        }
    };
    Ok((step, redirect))
}
