//! Setting up a second factor in the middle of a sign-in that needs one (ruling D39).
//!
//! The token of the unfinished sign-in allows this and nothing else, and only where it was offered.

pub mod routes;
pub mod schema;

use super::pending::Pending;
use super::proof::{Method, Proof};
use super::{Carried, Context, SignInError, Step, proven};
use crate::identity::users::credentials::authenticator::{self, Enrolment};
use crate::identity::users::model::User;
use crate::tenant::Actor;
use crate::tenant::verify::TokenError;
use kernel::Stored;
use secrecy::SecretString;

/// Who may set up a second factor by an unfinished sign-in.
///
/// # Errors
/// [`TokenError::Invalid`] for anything but a live token that allows it.
pub async fn enrolling(
    context: Context<'_>,
    token: Option<&str>,
) -> Result<(Stored<User>, Pending), SignInError> {
    let pending = token.and_then(|token| Pending::read(context.tenant, token)).ok_or(TokenError::Invalid)?;
    let user = context.identity.user_from_store(context.tenant, &pending.user_id).await?;
    let user = user.filter(|user| pending.is_of(context.tenant, user) && user.may_sign_in());
    match user {
        // Whoever has an authenticator or a passkey by now shows it.
        Some(user) if pending.may_enrol && !has_second(&user) => Ok(((*user).clone(), pending)),
        _ => Err(TokenError::Invalid.into()),
    }
}

fn has_second(user: &User) -> bool {
    [Method::Totp, Method::Webauthn].into_iter().any(|own| user.credentials_of(own.as_str()).next().is_some())
}

/// Begins an authenticator.
///
/// # Errors
/// As [`enrolling`]; [`SignInError::MethodNotAllowed`] where the tenant doesn't take them.
pub async fn begin(context: Context<'_>, token: Option<&str>) -> Result<Enrolment, SignInError> {
    let (user, _) = enrolling(context, token).await?;
    let Context { identity, tenant, client, .. } = context;
    if !super::may_be_second(&tenant.profile().settings, Method::Totp) {
        return Err(SignInError::MethodNotAllowed(Method::Totp.as_str().to_owned()));
    }
    let actor = Actor::User(user.id.as_str().to_owned());
    Ok(authenticator::enrol(identity, tenant, &user.id, (&actor, client)).await?)
}

/// Confirms it with a code, and goes on with the sign-in.
///
/// # Errors
/// As [`enrolling`]; [`SignInError::InvalidCredentials`] for a wrong code.
pub async fn confirm(
    context: Context<'_>,
    token: Option<&str>,
    (credential, code): (&str, &SecretString),
) -> Result<Step, SignInError> {
    let (user, pending) = enrolling(context, token).await?;
    let Context { identity, tenant, client, .. } = context;
    let actor = Actor::User(user.id.as_str().to_owned());
    let author = (&actor, client);
    let confirmed = authenticator::confirm(identity, tenant, (&user, credential), code, author).await?;
    let (user, _) = confirmed.ok_or(SignInError::InvalidCredentials)?;
    let wanted = pending.wanted.clone();
    proven(context, user, Proof::of(Method::Totp), Carried { wanted, pending: Some(pending) }).await
}
