//! The password step.
//!
//! The order matters: budget, hash (against a dummy for an unknown account), budget again, account state. The second
//! look at the budget makes a burst of parallel guesses worth no more than the same guesses one by one.

use super::{Context, SignInError};
use crate::identity::attempts::{self, Client, Lane};
use crate::identity::identifiers::Identifier;
use crate::identity::users::error::UserError;
use crate::identity::users::model::{User, identifier_key};
use crate::identity::users::service;
use crate::tenant::Actor;
use crate::tenant::audit::Event;
use kernel::{StorageError, Stored};
use secrecy::SecretString;

/// One try.
pub(super) struct Attempt<'a> {
    pub identifier: &'a Identifier,
    pub account: Option<&'a Stored<User>>,
    pub client: Client,
    pub secret: &'a SecretString,
}

/// Checks a password.
///
/// # Errors
/// [`SignInError::RateLimited`], [`SignInError::InvalidCredentials`], [`SignInError::AccountInactive`], overload.
pub(super) async fn check(context: Context<'_>, attempt: Attempt<'_>) -> Result<Stored<User>, SignInError> {
    let Context { identity, tenant, client, .. } = context;
    let lane = Lane::of(identifier_key(attempt.identifier).as_str(), &attempt.client);
    refuse_if_exhausted(context, &lane).await?;

    let hash = attempt.account.and_then(|user| user.password_hash());
    let verdict = identity.hasher().verify(tenant.id().as_str(), hash, attempt.secret).await?;
    let (Some(user), true) = (attempt.account, verdict.matches) else {
        return Err(refuse(context, &attempt, &lane).await?);
    };
    // The right guess of a burst whose budget is spent costs, writes and answers what a wrong one does.
    if attempts::exhausted(tenant, &lane).await?.is_some() {
        return Err(refuse(context, &attempt, &lane).await?);
    }
    if !user.may_sign_in() {
        return Err(SignInError::AccountInactive);
    }
    if verdict.needs_rehash
        && let Err(error) = service::rehash(identity, tenant, user, attempt.secret, client).await
    {
        // Without the database nothing more can come of this, and each try takes its time.
        if let UserError::Storage(error @ StorageError::Unavailable(_)) = error {
            return Err(error.into());
        }
        // Signing in must not fail because yesterday's parameters stay another day.
        tracing::warn!(%error, user_id = %user.id, "password not rehashed");
    }
    Ok(user.clone())
}

/// Counts a failure; the answer depends on how many there were, never on the guess.
async fn refuse(
    context: Context<'_>,
    attempt: &Attempt<'_>,
    lane: &Lane,
) -> Result<SignInError, SignInError> {
    let Context { tenant, client, .. } = context;
    let target = attempt.account.map_or("unknown", |user| user.id.as_str());
    let event = Event::refused("user.sign_in_failed", Actor::Anonymous, target, client).effect(tenant);
    match attempts::record_failure(tenant, lane, event).await {
        Ok(None) => Ok(SignInError::InvalidCredentials),
        Ok(Some(retry_after)) => Ok(SignInError::RateLimited { retry_after }),
        // Whoever lost that often lost to failures on record: most likely the budget is spent.
        Err(error @ StorageError::Contended) => {
            refuse_if_exhausted(context, lane).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What somebody gets who asked to register an unknown identifier where registration is closed: the same as for a
/// wrong password.
pub(super) async fn refuse_unknown(
    context: Context<'_>,
    identifier: &Identifier,
    secret: &SecretString,
) -> Result<SignInError, SignInError> {
    let client = Client::Address(context.client.ip);
    let attempt = Attempt { identifier, account: None, client, secret };
    match check(context, attempt).await {
        Err(error) => Ok(error),
        Ok(_) => Ok(SignInError::InvalidCredentials),
    }
}

async fn refuse_if_exhausted(context: Context<'_>, lane: &Lane) -> Result<(), SignInError> {
    match attempts::exhausted(context.tenant, lane).await? {
        Some(retry_after) => Err(SignInError::RateLimited { retry_after }),
        None => Ok(()),
    }
}
