//! Asking for a code, and proving an identifier with one.

use super::{CodeError, Purpose, channel_of, redeem, send};
use crate::identity::Identity;
use crate::identity::attempts::{self, Client, Lane, Target};
use crate::identity::identifiers::Identifier;
use crate::identity::sign_in::SignInError;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{User, identifier_key};
use crate::identity::users::{service, verification};
use crate::tenant::audit::Event;
use crate::tenant::messaging::budget;
use crate::tenant::messaging::service::check;
use crate::tenant::{Actor, ClientInfo, TenantScope};
use kernel::{Stored, UserId};
use secrecy::SecretString;

/// Sends a code to an identifier: to sign in with to whoever has it, or may register with it. Nobody learns which.
///
/// # Errors
/// No way to send it; [`SignInError::RateLimited`].
pub async fn request(
    tenant: &TenantScope,
    (purpose, identifier): (Purpose, &Identifier),
    client: &ClientInfo,
) -> Result<(), SignInError> {
    let Some(channel) = channel_of(identifier.kind()) else {
        return Err(SignInError::NotReachable(identifier.kind()));
    };
    check(tenant, channel)?;
    let key = identifier.key();
    if let Some(retry_after) = budget::take(tenant, (purpose.as_str(), &key), client.ip).await? {
        return Err(SignInError::RateLimited { retry_after });
    }
    let user = service::find(tenant, identifier).await?;
    let is_sent = match (&user, purpose) {
        (Some(user), Purpose::Login) => user.may_sign_in() || user.awaits_identifier,
        (Some(user), Purpose::Verify) => {
            (user.may_sign_in() || user.awaits_identifier) && verification::is_open(user, identifier)
        }
        (None, Purpose::Login) => {
            let settings = &tenant.profile().settings;
            settings.registration_is_allowed && !settings.invite_only
        }
        (None, Purpose::Verify) | (_, Purpose::Reset) => false,
    };
    let language = user.as_ref().and_then(|user| user.language());
    match send(tenant, (purpose, identifier), (is_sent, language)).await {
        Ok(()) => Ok(()),
        Err(CodeError::Message(e)) => Err(e.into()),
        Err(CodeError::Storage(e)) => Err(e.into()),
    }
}

/// Proves an identifier with a code that was sent to it. Whoever does so in a session of the account keeps it as it is; with
/// anybody else it begins anew (ruling D23).
///
/// # Errors
/// [`SignInError::InvalidCredentials`], [`SignInError::RateLimited`].
pub async fn activate(
    identity: &Identity,
    tenant: &TenantScope,
    (identifier, session_of): (&Identifier, Option<&UserId>),
    code: &SecretString,
    client: &ClientInfo,
) -> Result<Stored<User>, SignInError> {
    let user = service::find(tenant, identifier).await?;
    let key = identifier_key(identifier);
    let account = user.as_ref().map(|user| user.id.as_str().to_owned());
    let target =
        Target { identifier: key.as_str(), account: account.as_deref(), method: "verify_identifier" };
    let lane = Lane::of(target, &Client::Address(client.ip));
    let spent = |retry_after| SignInError::RateLimited { retry_after };
    if let Some(retry_after) = attempts::exhausted(tenant, &lane).await? {
        return Err(spent(retry_after));
    }
    let is_right = redeem(tenant, (Purpose::Verify, identifier), code).await?;
    let (Some(user), true) = (user, is_right) else {
        let event = |name| {
            Event::refused(name, Actor::Anonymous, account.as_deref().unwrap_or("unknown"), client)
                .effect(tenant)
        };
        let events = (event("user.verification_failed"), event("user.verification_locked"));
        let over = attempts::record_failure(tenant, &lane, events).await?;
        return Err(over.map_or(SignInError::InvalidCredentials, spent));
    };
    attempts::succeeded(tenant, &lane).await?;
    let is_own = session_of.is_some_and(|id| *id == user.id);
    match verification::confirm(identity, tenant, &user, (identifier, is_own), client).await {
        Ok(user) => Ok(user),
        Err(UserError::NotFound) => Err(SignInError::InvalidCredentials),
        Err(e) => Err(e.into()),
    }
}
