//! Recovery: a new password for who can't sign in.
//!
//! A link to the address, or a code to the number, lets its owner choose a new password. It works once, only while it is the
//! newest, and only while the address is still the account's. It opens no session and takes no second factor away: whoever
//! has chosen a password signs in with it as always (checklist REC-01).

pub mod routes;
pub mod schema;

use crate::identity::Identity;
use crate::identity::attempts::{self, Client, Lane, Target};
use crate::identity::codes::{self, CodeError, channel_of};
use crate::identity::identifiers::{Identifier, IdentifierKind};
use crate::identity::links::{Link, LinkError, Purpose, consume, look};
use crate::identity::sign_in::{Context, SignInError};
use crate::identity::users::credentials::set_password;
use crate::identity::users::model::User;
use crate::identity::users::{service, verification};
use crate::tenant::audit::Event;
use crate::tenant::messaging::budget;
use crate::tenant::messaging::service::{Message, check, for_nobody, message};
use crate::tenant::messaging::templates::Template;
use crate::tenant::{Actor, TenantScope};
use kernel::{Channel, Stored, UserId};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// Seconds a link to a new password works.
pub const LINK_LIFETIME: i64 = 1_800;

/// Sends a way to a new password to whoever has the identifier. Nobody learns whether there is somebody.
///
/// # Errors
/// No way to send it; [`SignInError::RateLimited`].
pub async fn request(context: Context<'_>, identifier: &Identifier) -> Result<(), SignInError> {
    let Context { tenant, client, .. } = context;
    let Some(channel) = channel_of(identifier.kind()) else {
        return Err(SignInError::NotReachable(identifier.kind()));
    };
    check(tenant, channel)?;
    let key = identifier.key();
    if let Some(retry_after) = budget::take(tenant, ("reset_password", &key), client.ip).await? {
        return Err(SignInError::RateLimited { retry_after });
    }
    let user = service::find(tenant, identifier).await?.filter(|user| user.may_sign_in());
    if channel == Channel::Sms {
        let language = user.as_ref().and_then(|user| user.language());
        let to = (codes::Purpose::Reset, identifier);
        return match codes::send(tenant, to, (user.is_some(), language)).await {
            Ok(()) => Ok(()),
            Err(CodeError::Message(e)) => Err(e.into()),
            Err(CodeError::Storage(e)) => Err(e.into()),
        };
    }
    send_link(context, identifier, user.as_ref()).await
}

async fn send_link(
    context: Context<'_>,
    identifier: &Identifier,
    user: Option<&Stored<User>>,
) -> Result<(), SignInError> {
    let Context { tenant, issuer, .. } = context;
    // Of the links to one account only the newest works; those to nobody are written all the same.
    let subject = user.map_or_else(|| identifier.key(), |user| user.id.as_str().to_owned());
    let subject = protocol::b64url::encode(protocol::sha256(subject.as_bytes()));
    let data = json!({
        "user_id": user.map(|user| user.id.as_str()), "epoch": user.map(|user| user.session_epoch),
        "email": identifier.value(),
    });
    let link = Link::make(tenant, (Purpose::ResetPassword, Some(&subject)), LINK_LIFETIME, data, issuer)?;
    let mut variables = Map::new();
    variables.insert("link".to_owned(), url(tenant, issuer, &link.token).into());
    variables.insert("identifier".to_owned(), identifier.value().into());
    variables.insert("minutes".to_owned(), (LINK_LIFETIME / 60).into());
    let letter = Message {
        template: Template::ResetPassword,
        channel: Channel::Email,
        to: identifier.value(),
        language: user.and_then(|user| user.language()),
        variables,
        valid_until: link.expires_at(),
    };
    let effect = message(tenant, letter)?;
    link.keep(tenant, vec![if user.is_some() { effect } else { for_nobody(effect) }]).await?;
    Ok(())
}

fn url(tenant: &TenantScope, issuer: &str, token: &str) -> String {
    let own = tenant.profile().tenant.frontend_urls.get("reset_password").and_then(Value::as_str);
    match own.unwrap_or("/reset-password") {
        page if page.starts_with("http") => format!("{page}?token={token}"),
        page => format!("{issuer}{page}?token={token}"),
    }
}

/// Chooses a new password by a link. Every session of the user ends.
///
/// # Errors
/// [`SignInError::LinkUnusable`]; a weak password leaves the link as it is.
pub async fn by_link(
    context: Context<'_>,
    token: &str,
    password: &SecretString,
) -> Result<Stored<User>, SignInError> {
    let Context { identity, tenant, .. } = context;
    // Looked at first: a password that is refused for its weakness must not cost the link.
    let data = look(tenant, Purpose::ResetPassword, token).await?;
    let user = owner(tenant, &data).await?;
    let name = user.identifiers.first().map(|own| own.value.clone()).unwrap_or_default();
    service::check_password(identity, tenant, password, &name).await?;
    let data = consume(tenant, Purpose::ResetPassword, token).await?;
    let user = owner(tenant, &data).await?;
    let email = data.get("email").and_then(Value::as_str).unwrap_or_default();
    choose(context, user, &Identifier::stored(IdentifierKind::Email, email), password).await
}

/// Whose link it is, if it still is: the address is theirs, and no password was chosen since.
async fn owner(tenant: &TenantScope, data: &Value) -> Result<Stored<User>, SignInError> {
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let id = text("user_id").and_then(|id| UserId::parse(id).ok()).ok_or(LinkError::Unusable)?;
    let user = tenant.records::<User>().get(id.as_str()).await?.ok_or(LinkError::Unusable)?;
    let email = text("email").unwrap_or_default();
    let has_it = |own: &&crate::identity::users::model::UserIdentifier| {
        own.kind == IdentifierKind::Email && own.value == email && own.is_active
    };
    let is_current = data.get("epoch").and_then(Value::as_u64) == Some(user.session_epoch);
    let is_theirs = user.identifiers.iter().any(|own| has_it(&own));
    if is_current && is_theirs && user.may_sign_in() { Ok(user) } else { Err(LinkError::Unusable.into()) }
}

/// Chooses a new password by a code that was sent to a phone.
///
/// # Errors
/// [`SignInError::InvalidCredentials`]; a weak password leaves the code as it is.
pub async fn by_code(
    context: Context<'_>,
    identifier: &Identifier,
    (code, password): (&SecretString, &SecretString),
) -> Result<Stored<User>, SignInError> {
    let Context { identity, tenant, .. } = context;
    service::check_password(identity, tenant, password, identifier.value()).await?;
    let is_right = codes::redeem(tenant, (codes::Purpose::Reset, identifier), code).await?;
    let user = service::find(tenant, identifier).await?.filter(|user| user.may_sign_in());
    match user {
        Some(user) if is_right => choose(context, user, identifier, password).await,
        _ => Err(SignInError::InvalidCredentials),
    }
}

/// As [`by_code`]; a code may be guessed only so often.
///
/// # Errors
/// As [`by_code`], and [`SignInError::RateLimited`].
pub async fn guarded(
    context: Context<'_>,
    identifier: &Identifier,
    secrets: (&SecretString, &SecretString),
) -> Result<(), SignInError> {
    let Context { tenant, client, .. } = context;
    let key = identifier.key();
    let target = Target { identifier: &key, account: None, method: "reset_password" };
    let lane = Lane::of(target, &Client::Address(client.ip));
    if let Some(retry_after) = attempts::exhausted(tenant, &lane).await? {
        return Err(SignInError::RateLimited { retry_after });
    }
    match by_code(context, identifier, secrets).await {
        Err(SignInError::InvalidCredentials) => {
            let event = |name| Event::refused(name, Actor::Anonymous, "unknown", client).effect(tenant);
            let events = (event("user.password_reset_failed"), event("user.password_reset_locked"));
            let over = attempts::record_failure(tenant, &lane, events).await?;
            let spent = |retry_after| SignInError::RateLimited { retry_after };
            Err(over.map_or(SignInError::InvalidCredentials, spent))
        }
        Ok(_) => Ok(attempts::succeeded(tenant, &lane).await?),
        Err(other) => Err(other),
    }
}

async fn choose(
    context: Context<'_>,
    user: Stored<User>,
    identifier: &Identifier,
    password: &SecretString,
) -> Result<Stored<User>, SignInError> {
    let Context { identity, tenant, client, .. } = context;
    let actor = Actor::User(user.id.as_str().to_owned());
    // An identifier that is proven this way first takes everything with it that was made before (ruling D23).
    let user = match verification::is_open(&user, identifier) {
        true => verification::confirm(identity, tenant, &user, (identifier, false), client).await?,
        false => user,
    };
    let (user, _) = set_password(identity, tenant, (&user, None), password, (&actor, client)).await?;
    Ok(user)
}

/// Whether a password is the user's own, for who changes it.
///
/// # Errors
/// Overload.
pub async fn is_current(
    identity: &Identity,
    tenant: &TenantScope,
    user: &User,
    password: &SecretString,
) -> Result<bool, SignInError> {
    let verdict = identity.hasher().verify(tenant.id().as_str(), user.password_hash(), password).await?;
    Ok(verdict.matches)
}
